# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
# bigm run --cluster with a driver: it takes machines of a cluster that is there, which are then what they were.
load common

clean_up() {
	"$BIGM" shutdown --all 3>&- 2>/dev/null
}

# guest N METHOD ARG [wait]: starts N machines, calls Guest.METHOD on each, prints the replies; waits for its end.
guest_program() {
	cat <<-'END'
		#include <bigm.h>
		#include <cjson/cJSON.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>

		static int env(struct bigm_request *req, const cJSON *arg, cJSON **reply, struct bigm_error *err)
		{
			const char *value = getenv(arg->valuestring);
			printf("asked for %s\n", arg->valuestring);
			fflush(stdout);
			*reply = cJSON_CreateString(value ? value : "unset");
			return 0;
		}

		static int leave(struct bigm_request *req, const cJSON *arg, cJSON **reply, struct bigm_error *err)
		{
			if (fork() == 0) {
				execlp("sleep", "sleep", "100000", (char *)NULL);
				_exit(1);
			}
			return 0;
		}

		static int hang(struct bigm_request *req, const cJSON *arg, cJSON **reply, struct bigm_error *err)
		{
			printf("hanging\n");
			fflush(stdout);
			while (pause() < 0)
				;
			return 0;
		}

		static int init(struct bigm *b, const cJSON *params, void **state, struct bigm_error *err)
		{
			return getenv("REFUSE") ? bigm_error_set(err, BIGM_EFAILED, "not here") : 0;
		}

		static const struct bigm_method methods[] = {
			{ "Env", env, 0 }, { "Leave", leave, 0 }, { "Hang", hang, 0 }, { 0 },
		};
		static const struct bigm_service_type guest = { sizeof(guest), "Guest", methods, init, NULL };
		static const struct bigm_service_type *const types[] = { &guest, NULL };

		static int fail(const struct bigm_error *err)
		{
			fprintf(stderr, "guest: %s\n", err->text);
			return 1;
		}

		int main(int argc, char **argv)
		{
			const struct bigm_service services[] = { { "Guest", NULL, NULL }, { 0 } };
			struct bigm_error err = BIGM_ERROR_INIT;
			struct bigm *b = bigm_init(&argc, &argv, types, &err);
			struct bigm_machine **m;
			char method[64];
			int n = b ? bigm_start(b, atoi(argv[1]), services, NULL, &m, &err) : -1;

			if (n < 0)
				return fail(&err);
			snprintf(method, sizeof(method), "Guest.%s", argv[2]);
			for (int i = 0; i < n; i++) {
				cJSON *arg = cJSON_CreateString(argv[3]), *reply;
				if (bigm_call(m[i], method, arg, &reply, &err) < 0)
					return fail(&err);
				printf("%s %s\n", bigm_machine_name(m[i]), cJSON_IsString(reply) ? reply->valuestring : "-");
				cJSON_Delete(arg);
				bigm_json_free(reply);
			}
			fflush(stdout);
			if (argc > 4)
				pause();
			free(m);
			if (bigm_shutdown(b, &err) < 0)
				return fail(&err);
			bigm_free(b);
			return 0;
		}
	END
}

# compile_guest: ./guest, with the library of this build.
compile_guest() {
	guest_program >guest.c
	# shellcheck disable=SC2046,SC2086 # commands and options
	${CC:?} ${sanitizer_flags?} -Wall -I"$abs_top_srcdir/lib" guest.c -o guest \
		"${abs_top_builddir:?}/libbigm.a" $(pkg-config --libs libuv openssl libnghttp2 libcjson inih) -pthread
}

# of_status EXPRESSION: a part of what bigm status says of the cluster.
of_status() {
	"$BIGM" status --json | python3 -c "import json, sys; c = json.load(sys.stdin)[0]; print($1)"
}

pids() {
	of_status "[m['pid'] for m in c['machines'] if m['state'] == 'RUNNING' and 'use' not in m]"
}

services_of() {
	"$BIGM" call "$1" Supervisor.Services | python3 -c 'import json, sys; print(*(s["name"] for s in json.load(sys.stdin)))'
}

phases() {
	of_status "' '.join(m.get('use', {}).get('phase', 'own') for m in c['machines'])"
}

phases_are() {
	[ "$(phases)" = "$1" ]
}

has_line() {
	grep -qx "$1" "$2"
}

is_gone() {
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

# begin_guest ARGUMENT...: a run with the cluster, in the background, that has got replies and stays.
begin_guest() {
	"$BIGM" run --cluster calm ./guest -- "$@" wait >out 2>err 3>&- &
	RUN=$!
	eventually 20 grep -q "^m$(($1 - 1)) " out || { cat out err; return 1; }
}

@test "machines without a program are lent again and again" {
	compile_guest
	"$BIGM" start -n 3 --name calm 3>&-
	before=$(pids)
	for i in 1 2 3; do
		run_bigm run --cluster calm -e FRUIT="pear$i" ./guest -- 3 Env FRUIT
		echo "$output"
		[ "$status" -eq 0 ]
		for m in m0 m1 m2; do
			[[ $output == *"$m pear$i"* && $output == *"$m: asked for FRUIT"* ]]
		done
		[ "$(pids)" = "$before" ]
		[ "$(services_of m1)" = Supervisor ]
	done
	run_bigm run --cluster calm hostname
	[ "${#lines[@]}" -eq 3 ]
}

@test "machines with a program get it back, though its file is gone, with their environment" {
	compile_guest
	cp "$abs_top_builddir/examples/bigpi" mine
	COLOUR=red "$BIGM" start -n 2 --name calm ./mine -- --samples 7 3>&-
	rm mine
	"$BIGM" exec m1 -- sh -c 'tr "\0" "\n" </proc/$PPID/environ | sort; tr "\0" "\n" </proc/$PPID/cmdline' >before
	[ "$(services_of m0)" = "Supervisor PI" ]
	COLOUR=blue run_bigm run --cluster calm -e SHAPE=round ./guest -- 2 Env COLOUR
	[[ $output == *"m0 blue"*"m1 blue"* ]]
	run_bigm run --cluster calm ./guest -- 1 Env SHAPE
	[[ $output == *"m0 unset"* ]]
	[ "$(services_of m0)" = "Supervisor PI" ]
	[ "$(services_of m1)" = "Supervisor PI" ]
	"$BIGM" exec m1 -- sh -c 'tr "\0" "\n" </proc/$PPID/environ | sort; tr "\0" "\n" </proc/$PPID/cmdline' >after
	diff <(grep -v BIGM_BOOT before) <(grep -v BIGM_BOOT after)
	grep -qx -e --samples after
}

@test "a driver takes as many as -n says, all without, and is told when there are fewer" {
	compile_guest
	"$BIGM" start -n 3 --name calm 3>&-
	run_bigm run --cluster calm -n 2 ./guest -- 0 Env A
	[ "$status" -eq 0 ]
	[ "$(grep -c unset <<<"$output")" -eq 2 ]
	run_bigm run --cluster calm ./guest -- 0 Env A
	[ "$(grep -c unset <<<"$output")" -eq 3 ]
	run_bigm run --cluster calm ./guest -- 4 Env A
	[ "$status" -eq 1 ]
	[[ $output == *"cluster calm: 4 machines are asked for, 3 are there"* ]]
	run_bigm run --cluster calm -n 5 ./guest -- 0 Env A
	[ "$status" -eq 1 ]
	[[ $output == *"5 machines are asked for, 3 are there"* ]]
	run_bigm run --cluster calm --lease 1h ./guest
	[ "$status" -eq 2 ]
	[ "$(of_status "c['used']")" = False ]
}

@test "another run is refused meanwhile; status shows what is going on" {
	compile_guest
	"$BIGM" start -n 3 --name calm 3>&-
	begin_guest 2 Env A
	phases_are "taken taken own"
	[ "$(of_status "c['used'], c['machines'][0]['use']['program']")" = "True $PWD/guest" ]
	run_bigm status
	[[ ${lines[0]} == "cluster calm: 3 machines, local, in use, http://"* ]]
	[[ ${lines[2]} == m0*guest*https* && ${lines[4]} != *guest* ]]
	for program in ./guest hostname; do
		run_bigm run --cluster calm "$program"
		echo "$output"
		[ "$status" -eq 125 ]
		[ "$output" = "bigm run: cluster calm: another run is using it; wait for its end, or run without --cluster" ]
	done
	run_bigm exec all -- echo hello
	[ "$output" = $'hello\nhello\nhello' ]
	kill -TERM "$RUN"
	status=0
	wait "$RUN" || status=$?
	[ "$status" -eq 143 ]
	phases_are "own own own"
	run_bigm run --cluster calm ./guest -- 3 Env A
	[ "$status" -eq 0 ]
}

@test "when the driver is killed, the cluster is as it was" {
	compile_guest
	"$BIGM" start -n 2 --name calm "$abs_top_builddir/examples/bigpi" 3>&-
	before=$(pids)
	begin_guest 2 Env A
	kill -KILL "$(pgrep -f -x './guest 2 Env A wait' -P "$(pgrep -P "$RUN")")"
	status=0
	wait "$RUN" || status=$?
	[ "$status" -eq 137 ]
	[ "$(pids)" = "$before" ]
	[ "$(services_of m1)" = "Supervisor PI" ]
	run_bigm run --cluster calm ./guest -- 2 Env A
	[ "$status" -eq 0 ]
}

@test "when bigm run is killed, the next one waits for the machines, and gets them" {
	compile_guest
	"$BIGM" start -n 2 --name calm 3>&-
	before=$(pids)
	for i in 1 2 3; do
		begin_guest 2 Env A
		kill -KILL "$RUN"
		wait "$RUN" || true
		# Nobody but the killed one's machines is waited for.
		run_bigm run --cluster calm ./guest -- 2 Env HOME
		echo "$output"
		[ "$status" -eq 0 ]
		[[ $output == *"m1 $HOME"* ]]
		[ "$(pids)" = "$before" ]
	done
}

@test "a run that is killed at any moment leaves machines that can be lent" {
	compile_guest
	"$BIGM" start -n 2 --name calm 3>&-
	before=$(pids)
	for pause in 0.01 0.03 0.05 0.07 0.1 0.15 0.2 0.3; do
		"$BIGM" run --cluster calm ./guest -- 2 Env A wait >out 2>err 3>&- &
		RUN=$!
		sleep "$pause"
		kill -KILL "$RUN"
		wait "$RUN" || true
	done
	eventually 20 "$BIGM" run --cluster calm ./guest -- 2 Env A
	[ "$(pids)" = "$before" ]
	[ "$(services_of m0)" = Supervisor ]
}

@test "a machine that the run broke stays STOPPED, the others go on" {
	compile_guest
	"$BIGM" start -n 3 --name calm 3>&-
	begin_guest 3 Env A
	kill -KILL "$(of_status "c['machines'][1]['pid']")"
	eventually 10 grep -q 'm1: killed by signal 9' err
	kill -TERM "$RUN"
	wait "$RUN" || true
	[ "$(of_status "[m['state'] for m in c['machines']]")" = "['RUNNING', 'STOPPED', 'RUNNING']" ]
	[[ $(of_status "c['machines'][1]['reason']['message']") == "m1: killed by signal 9"* ]]
	run_bigm run --cluster calm ./guest -- 3 Env A
	[ "$status" -eq 1 ]
	[[ $output == *"3 machines are asked for, 2 are there (1 of 3 is not RUNNING)"* ]]
	run_bigm run --cluster calm ./guest -- 0 Env A
	[ "$status" -eq 0 ]
	[ "$(grep -c unset <<<"$output")" -eq 2 ]
}

@test "nothing of the borrower is left on a machine" {
	compile_guest
	"$BIGM" start -n 1 --name calm 3>&-
	machine=$(of_status "c['machines'][0]['pid']")
	begin_guest 1 Leave A
	child=$(pgrep -P "$machine")
	[ -n "$child" ]
	kill -TERM "$RUN"
	wait "$RUN" || true
	eventually 10 is_gone "$child"
	[ ! -e "/proc/$child" ]
	# A method that does not end, too.
	"$BIGM" run --cluster calm ./guest -- 1 Hang A >out 2>err 3>&- &
	RUN=$!
	eventually 20 grep -q 'm0: hanging' err
	kill -KILL "$RUN"
	wait "$RUN" || true
	eventually 20 phases_are own
	[ "$(services_of m0)" = Supervisor ]
	[ "$(of_status "c['machines'][0]['pid']")" = "$machine" ]
}

@test "a cluster that is shut down meanwhile ends the run" {
	compile_guest
	"$BIGM" start -n 2 --name calm 3>&-
	"$BIGM" run --cluster calm ./guest -- 2 Hang A >out 2>err 3>&- &
	RUN=$!
	eventually 20 grep -q 'm0: hanging' err
	"$BIGM" shutdown
	status=0
	wait "$RUN" || status=$?
	cat err
	[ "$status" -eq 1 ]
	grep -q '^guest: m[01]: ' err
	[ "$(grep -c 'bigm run' err)" -eq 0 ]
}
