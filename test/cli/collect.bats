# shellcheck disable=SC2016 # the quoted scripts are for other shells
# bigm run --collect: what machines have written comes to ./MACHINE/ before they go.
load common
bats_require_minimum_version 1.5.0

clean_up() {
	"$BIGM" shutdown --all 3>&- 2>/dev/null
}

# driver HOW: two machines write out/NAME.csv each, in their folder; then it ends as HOW says.
driver_program() {
	cat <<-'END'
		#include <bigm.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <sys/stat.h>

		static int write_it(struct bigm_request *req, const struct cJSON *arg, struct cJSON **reply,
				    struct bigm_error *err)
		{
			const char *name;
			char path[64];
			FILE *f;

			if (bigm_json_get_string(arg, "name", &name, err) < 0)
				return err->code;
			snprintf(path, sizeof(path), "out/%s.csv", name);
			mkdir("out", 0755);
			f = fopen(path, "w");
			if (!f)
				return bigm_error_set(err, BIGM_EIO, "cannot write");
			fprintf(f, "of %s\n", name);
			fclose(f);
			return 0;
		}

		static const struct bigm_method methods[] = { { "Write", write_it, 0 }, { 0 } };
		static const struct bigm_service_type type = { sizeof(type), "Out", methods, NULL, NULL };
		static const struct bigm_service_type *const types[] = { &type, NULL };

		static int fail(const struct bigm_error *err)
		{
			fprintf(stderr, "driver: %s\n", err->text);
			return 1;
		}

		int main(int argc, char **argv)
		{
			const struct bigm_service services[] = { { "Out", NULL, NULL }, { 0 } };
			struct bigm_error err = BIGM_ERROR_INIT;
			struct bigm *b = bigm_init(&argc, &argv, types, &err);
			struct bigm_machine **m;
			int n = b ? bigm_start(b, 2, services, NULL, &m, &err) : -1;

			if (n < 0)
				return fail(&err);
			for (int i = 0; i < n; i++) {
				struct cJSON *arg = bigm_json("{\"name\": \"%s\"}", bigm_machine_name(m[i]));
				if (bigm_call(m[i], "Out.Write", arg, NULL, &err) < 0)
					return fail(&err);
				bigm_json_free(arg);
			}
			free(m);
			if (strcmp(argv[1], "shutdown") == 0 && bigm_shutdown(b, &err) < 0)
				return fail(&err);
			return strcmp(argv[1], "fail") == 0 ? 3 : 0;
		}
	END
}

compile_driver() {
	driver_program >driver.c
	# shellcheck disable=SC2046,SC2086 # commands and options
	${CC:?} ${sanitizer_flags?} -Wall -I"${abs_top_srcdir:?}/lib" driver.c -o driver \
		"${abs_top_builddir:?}/libbigm.a" $(pkg-config --libs libuv openssl libnghttp2 libcjson inih) -pthread
}

none_under_way() {
	! find . -name '.bigm-copy-*' | grep .
}

# What has been collected: files below m0 and m1, in order.
collected() {
	find m0 m1 ! -type d | sort | tr '\n' ' '
}

@test "a job's files come from each machine, by several patterns" {
	mkdir out
	run_bigm run -n 2 --collect 'out/*.csv' --collect 'log[01]' --collect here sh -- -c \
		'echo $BIGM_RANK >out/r$BIGM_RANK.csv; echo >out/other; echo log >log$BIGM_RANK; mkdir -p here; echo >here/x'
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	# Machines of this host share a folder.
	[ "$(collected)" = "m0/here/x m0/log0 m0/log1 m0/out/r0.csv m0/out/r1.csv \
m1/here/x m1/log0 m1/log1 m1/out/r0.csv m1/out/r1.csv " ]
	[ "$(cat m1/out/r0.csv)" = 0 ]
	none_under_way
}

@test "each machine of a bundle has a folder of its own, and its files are its own" {
	cat >job <<-'END'
		#!/bin/sh
		mkdir -p out/deep
		echo "$BIGM_MACHINE" >out/deep/"$BIGM_MACHINE".csv
	END
	chmod +x job
	"$BIGM" bundle job --file job:data/file -o job.bigm
	run_bigm run job.bigm -n 2 --collect out --collect 'data/*'
	[ "$status" -eq 0 ]
	[ "$(collected)" = "m0/data/file m0/out/deep/m0.csv m1/data/file m1/out/deep/m1.csv " ]
	"$BIGM" start -n 2 --name calm >/dev/null
	rm -r m0 m1
	run_bigm run --cluster calm job.bigm --collect 'out/*/*'
	[ "$status" -eq 0 ]
	[ "$(collected)" = "m0/out/deep/m0.csv m1/out/deep/m1.csv " ]
	mkdir out
	# The first that fails ends the other.
	run_bigm run --cluster calm --collect 'out/*' sh -- -c \
		'echo >out/$BIGM_MACHINE; until [ -e out/m0 ] && [ -e out/m1 ]; do sleep 0.01; done; exit 4'
	[ "$status" -eq 4 ]
	[ -e m0/out/m0 ]
	[ -e m1/out/m1 ]
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 2 ]
}

@test "files come also when the job fails, whose status stays" {
	run_bigm run --collect first sh -- -c 'echo partial >first; exit 7'
	[ "$status" -eq 7 ]
	[ "$(cat m0/first)" = partial ]
	run_bigm run --collect again --timeout 0.5 sh -- -c 'echo >again; exec sleep 1000'
	[ "$status" -eq 124 ]
	[ -e m0/again ]
	"$BIGM" run --collect third sh -- -c 'echo >third; echo ready; exec sleep 1000' >ready 2>err &
	client=$!
	eventually 20 grep -q ready ready
	kill -TERM $client
	status=0
	wait $client || status=$?
	[ "$status" -eq 143 ]
	[ -e m0/third ]
	run_bigm run --collect first nonexistent-program
	[ "$status" -eq 127 ]
}

@test "what cannot be copied is told, and is a failure of bigm where the job has none" {
	mkdir -p out
	ln -s /etc/hostname out/etc
	echo >out/fine
	mkfifo out/zfifo
	run_bigm run --collect 'out/*' true
	[ "$status" -eq 125 ]
	[ "${#lines[@]}" -eq 2 ]
	[ "${lines[0]}" = "bigm run: collecting: m0: left out: out/etc: is a link to /etc/hostname, out of what is copied" ]
	[ "${lines[1]}" = "bigm run: collecting: m0: out/zfifo: is neither a file nor a folder; such things are not copied" ]
	# What came before is there.
	[ "$(collected 2>/dev/null)" = "m0/out/fine " ]
	run_bigm run --collect 'out/*' false
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 2 ]
	none_under_way
}

@test "no match is a note, and patterns lead nowhere else" {
	run_bigm run -n 2 --collect 'nothing*' true
	[ "$status" -eq 0 ]
	[ "$output" = "bigm run: --collect nothing*: there is nothing of that name on any machine" ]
	for pattern in ../x /etc/hostname out/../../x ''; do
		run_bigm run --collect "$pattern" true
		[ "$status" -eq 2 ]
		[[ $output == "bigm run: --collect: the pattern \"$pattern\" "* ]]
	done
	ln -s /etc link
	run_bigm run --collect 'link/*' true
	[ "$status" -eq 0 ]
	[[ $output == *"there is nothing of that name"* ]]
}

@test "a driver's files come however it ends, and before it shuts its machines down" {
	local how
	compile_driver
	"$BIGM" bundle ./driver -o driver.bigm
	for how in shutdown return fail; do
		rm -rf m0 m1
		run_bigm run driver.bigm --collect 'out/*.csv' -- $how
		echo "$how: $output"
		[ "$status" -eq "$([ $how = fail ] && echo 3 || echo 0)" ]
		[ -z "$output" ]
		[ "$(collected)" = "m0/out/m0.csv m1/out/m1.csv " ]
		[ "$(cat m1/out/m1.csv)" = "of m1" ]
	done
}

@test "a driver's files come from machines that it borrows" {
	compile_driver
	"$BIGM" start -n 2 --name calm >/dev/null
	for how in shutdown return fail; do
		rm -rf m0 m1 out
		run_bigm run --cluster calm ./driver --collect 'out/*.csv' -- $how
		echo "$how: $output"
		[ "$status" -eq "$([ $how = fail ] && echo 3 || echo 0)" ]
		[ "$(collected)" = "m0/out/m0.csv m0/out/m1.csv m1/out/m0.csv m1/out/m1.csv " ]
	done
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 2 ]
}

@test "a second signal gives up what is being collected, and nothing is half there" {
	truncate -s 50G huge
	"$BIGM" run --collect huge sh -- -c 'echo ready; exec sleep 1000' >ready 2>err &
	client=$!
	eventually 20 grep -q ready ready
	kill -TERM $client
	eventually 20 sh -c 'find . -name ".bigm-copy-*" | grep -q .'
	kill -TERM $client
	status=0
	wait $client || status=$?
	[ "$status" -eq 143 ]
	none_under_way
	[ ! -e m0/huge ]
}

@test "a run that is killed while it collects leaves nothing half there" {
	truncate -s 50G huge
	"$BIGM" run --collect huge sh -- -c : 2>err &
	client=$!
	eventually 20 sh -c 'find . -name ".bigm-copy-*" | grep -q .'
	kill -KILL $client
	wait $client || :
	eventually 20 none_under_way
	[ ! -e m0/huge ]
}
