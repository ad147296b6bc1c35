# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
load common
bats_require_minimum_version 1.5.0

clean_up() {
	"$BIGM" shutdown --all 2>/dev/null
}

# A program that tells how it runs: its name, folder and arguments, and what it has mapped from outside that folder.
make_program() {
	cat >prog.c <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>

		int main(int argc, char **argv)
		{
			char line[4096], here[4096], *files = getenv("BIGM_FILES");
			FILE *maps = fopen("/proc/self/maps", "r");
			int foreign = 0;

			while (fgets(line, sizeof(line), maps))
				foreign += strchr(line, '/') && !strstr(line, files ? files : "?");
			printf("%s %s %s %d\n", argv[0], argc > 1 ? argv[1] : "-",
			       files && !strcmp(getcwd(here, sizeof(here)), files) ? "at home" : here, foreign);
			maps = fopen("data/file", "r");
			if (maps && fgets(line, sizeof(line), maps))
				printf("%s", line);
			return 3;
		}
	END
	${CC:-cc} -o prog prog.c
	mkdir data
	echo "of its own" >data/file
}

@test "a program runs with its own loader, libraries and files, in its own folder" {
	make_program
	"$BIGM" bundle ./prog --file data -o a.bigm
	rm -r prog data
	run_bigm run a.bigm -n 2 -- word
	[ "$status" -eq 3 ]
	[ "$(sort -u <<<"$output" | grep -v stopping)" = $'of its own\nprog word at home 0' ]
	run_bigm run a.bigm --keep-going -n 2 -- word
	[ "$status" -eq 3 ]
	[ "$(sort <<<"$output")" = $'of its own\nof its own\nprog word at home 0\nprog word at home 0' ]
}

@test "--no-libs ships the program alone" {
	make_program
	"$BIGM" bundle ./prog --no-libs -o a.bigm
	run_bigm run a.bigm
	[ "$status" -eq 3 ]
	[[ $output == "prog - at home "* ]]
	[ "${output##* }" -gt 0 ]
	[ "$("$BIGM" bundle --list --json a.bigm | tr , '\n' | grep '"libraries"')" = '"libraries":0' ]
}

@test "the same input makes the same bundle" {
	make_program
	"$BIGM" bundle ./prog --file data -o a.bigm
	touch -d 2001-01-01 prog data data/file
	chmod 600 data/file
	(umask 077 && "$BIGM" bundle ./prog --file data -o b.bigm)
	cmp a.bigm b.bigm
	[ "$(stat -c %a b.bigm)" = 644 ]
	[ "$(find . -name '*.bigm*' | wc -l)" -eq 2 ]
}

@test "a bundle is a tar file that tar can list and unpack" {
	make_program
	"$BIGM" bundle ./prog --file data:some/place --file data/file:x -o a.bigm
	[ "$(tar -tf a.bigm | head -1)" = bundle.json ]
	tar -xf a.bigm
	mkdir part
	tar -C part --zstd -xf linux-*.tar.zst
	cmp part/prog prog
	cmp part/some/place/file data/file
	cmp part/x data/file
	[ -n "$(find part/.bigm/lib -name 'ld-*' -perm -100)" ]
}

@test "a part that would get no smaller is not compressed, and runs as any" {
	make_program
	head -c 8000000 /dev/urandom >data/noise
	"$BIGM" bundle ./prog --file data -o a.bigm
	"$BIGM" bundle ./prog --file data -o b.bigm
	cmp a.bigm b.bigm
	[[ $(tar -tf a.bigm) == *linux-*.tar ]]
	tar -xf a.bigm
	tar -tf linux-*.tar | grep -qx data/noise
	run_bigm run a.bigm -n 2 -- word
	[ "$status" -eq 3 ]
	[ "$(sort -u <<<"$output" | grep -v stopping)" = $'of its own\nprog word at home 0' ]
}

@test "--list tells what is in it, as a table and as JSON" {
	make_program
	"$BIGM" bundle ./prog --file data -o a.bigm
	run_bigm bundle --list a.bigm
	[ "$status" -eq 0 ]
	[[ ${lines[0]} =~ ^ARCH\ +PROGRAM\ +KIND ]]
	[[ ${lines[1]} =~ ^linux/[a-z0-9]+\ +prog\ +job\ .*\ ld- ]]
	run_bigm bundle --list --json a.bigm
	python3 -c 'import json, sys; p, = json.loads(sys.argv[1])["parts"]; assert p["files"] == 2 and not p["driver"]' "$output"
	run_bigm bundle --list prog
	[ "$status" -eq 1 ]
	[[ $output == *"prog: "* ]]
}

@test "a driver from a bundle runs here, and its machines are what it is" {
	"$BIGM" bundle "$abs_top_builddir/examples/bigpi" -o pi.bigm
	run_bigm run pi.bigm -n 3 -- --samples 1000000
	[ "$status" -eq 0 ]
	[[ $output == *"π = 3.14"* ]]
	[ "$(grep -c ' RUNNING$' <<<"$output")" -eq 3 ]
}

@test "bigm start takes a bundle, and its machines tell the program's digest" {
	"$BIGM" bundle "$abs_top_builddir/examples/bigpi" -o pi.bigm
	"$BIGM" start -n 2 --name calm pi.bigm
	digest=$(sha256sum <"$abs_top_builddir/examples/bigpi")
	[[ $("$BIGM" call m1 Supervisor.Info) == *"sha256:${digest%% *}"* ]]
	[[ $("$BIGM" call m1 Supervisor.Info) == *'"incarnation":2'* ]]
	[ "$("$BIGM" call m1 PI.Sample '{"seed": 1, "begin": 0, "end": 0}')" = 0 ]
	"$BIGM" call m0 Supervisor.GetBinary >binary
	cmp binary "$abs_top_builddir/examples/bigpi"
	# The same image once more.
	"$BIGM" call m1 Supervisor.Exec
	eventually 20 sh -c '"$BIGM" call m1 Supervisor.Info | grep -q "\"incarnation\":3"'
	run_bigm start -C . pi.bigm
	[ "$status" -eq 2 ]
	make_program
	"$BIGM" bundle ./prog -o a.bigm
	run_bigm start a.bigm
	[ "$status" -eq 2 ]
	[[ $output == *"prog is not linked with libbigm"* ]]
}

@test "a program on its own runs a bundle that it is told of" {
	"$BIGM" bundle "$abs_top_builddir/examples/bigpi" -o pi.bigm
	run "$abs_top_builddir/examples/bigpi" -bigm.n=2 -bigm.bundle=pi.bigm --samples 1000000
	[ "$status" -eq 0 ]
	[[ $output == *"π = 3.14"* ]]
	run "$abs_top_builddir/examples/bigpi" -bigm.n=2 -bigm.bundle=nowhere.bigm --samples 1000000
	[ "$status" -ne 0 ]
	[[ $output == *"nowhere.bigm: No such file"* ]]
}

# foreign FILE: a copy of a program that claims to be for ARM64 (or x86-64, there). e_machine stands at byte 18.
foreign() {
	local machine='\267\000'
	[ "$(uname -m)" != aarch64 ] || machine='\076\000'
	cp "$1" "$2"
	# shellcheck disable=SC2059
	printf "$machine" | dd of="$2" bs=1 seek=18 conv=notrunc status=none
}

@test "nothing for this architecture is an error before there is a machine" {
	foreign "$abs_top_builddir/examples/bigpi" driver
	foreign "$(type -P true)" job
	"$BIGM" bundle --no-libs ./driver -o driver.bigm
	"$BIGM" bundle --no-libs ./job -o job.bigm
	for bundle in driver job; do
		run_bigm run $bundle.bigm -n 2
		[ "$status" -eq 125 ]
		[[ $output == *"/$bundle.bigm has nothing for linux/"*", only for linux/"* ]]
	done
	run_bigm start driver.bigm
	[ "$status" -eq 1 ]
	[[ $output == *"has nothing for linux/"* ]]
	run "$abs_top_builddir/examples/bigpi" -bigm.n=2 -bigm.bundle=driver.bigm
	[[ $output == *"has nothing for linux/"* ]]
}

@test "of two architectures a machine gets its own" {
	make_program
	foreign prog other
	arch=$("$BIGM" bundle ./other -o x.bigm --no-libs && "$BIGM" bundle --list x.bigm | sed -n '2s/ .*//p')
	"$BIGM" bundle ./prog "$arch=other" --no-libs -o a.bigm
	[ "$("$BIGM" bundle --list a.bigm | wc -l)" -eq 3 ]
	run_bigm run a.bigm
	[ "$status" -eq 3 ]
	run_bigm bundle "$arch=prog" -o b.bigm
	[ "$status" -eq 1 ]
	[[ $output == "bigm bundle: $arch=prog: it is a program for linux/"* ]]
	run_bigm bundle prog "$(realpath prog)" -o b.bigm
	[ "$status" -eq 1 ]
	[[ $output == *"are both for linux/"* ]]
	[ ! -e b.bigm ]
}

@test "a script has the machine's interpreter, or the one that comes with it" {
	printf '#!/bin/sh\necho $0 $*; cat data/file; exit 4\n' >script
	chmod +x script
	mkdir data
	echo words >data/file
	"$BIGM" bundle ./script --file data -o s.bigm
	run_bigm run s.bigm -- a b
	[ "$status" -eq 4 ]
	[[ $output == /*"/script a b"$'\n'words ]]
	[[ $("$BIGM" bundle --list s.bigm) == *linux/any* ]]
	# What it calls may make it one architecture's.
	"$BIGM" bundle "linux/$(dpkg --print-architecture)=./script" --file data -o s.bigm
	run_bigm run --ship s.bigm -- a b
	[ "$status" -eq 4 ]
	"$BIGM" bundle linux/riscv64=./script -o s.bigm
	run_bigm run s.bigm
	[ "$status" -eq 125 ]
	printf '#!/usr/bin/env ownsh\ngrep "[.]so" /proc/$$/maps; echo $BIGM_FILES\n' >script
	"$BIGM" bundle ./script --file "$(type -P bash):bin/ownsh" -o s.bigm
	run_bigm run s.bigm
	[ "$status" -eq 0 ]
	files=${lines[-1]}
	[ "$(grep -c / <<<"$output")" -gt 3 ]
	[ "$(grep / <<<"$output" | grep -vcF "$files")" -eq 0 ]
}

@test "run --cluster ships a bundle to machines that are there, once" {
	make_program
	"$BIGM" bundle ./prog --file data -o a.bigm
	"$BIGM" start -n 2 --name calm
	for _ in 1 2; do
		run_bigm run --cluster calm --keep-going a.bigm
		[ "$status" -eq 3 ]
		[ "$(grep -c "prog - at home 0" <<<"$output")" -eq 2 ]
		stat -c %i "$XDG_STATE_HOME"/bigm/*/calm/m0/sha256-*/prog >>inodes
	done
	# It was not sent again.
	[ "$(uniq inodes | wc -l)" -eq 1 ]
	echo other >data/file
	"$BIGM" bundle ./prog --file data -o a.bigm
	run_bigm run --cluster calm --keep-going a.bigm
	[ "$(grep -c "^other$" <<<"$output")" -eq 2 ]
	# The folder of the one before has gone.
	[ "$(find "$XDG_STATE_HOME"/bigm/*/calm/m0 -mindepth 1 -maxdepth 1 -name 'sha256-*' | wc -l)" -eq 1 ]
	foreign prog other
	"$BIGM" bundle --no-libs ./other -o other.bigm
	run_bigm run --cluster calm other.bigm
	[ "$status" -eq 125 ]
	[[ $output == *"has nothing for linux/"* ]]
}

# Where a driver of a cluster that stays would be unpacked.
no_driver_left() {
	! find "$XDG_STATE_HOME" -name driver | grep .
}

@test "run --cluster lends machines to a driver from a bundle, whatever they are" {
	"$BIGM" bundle "$abs_top_builddir/examples/bigpi" -o pi.bigm
	"$BIGM" start -n 2 --name bare
	"$BIGM" start -n 2 --name program "$abs_top_builddir/examples/diskbench"
	for cluster in bare program program; do
		run_bigm run --cluster $cluster pi.bigm -- --samples 1000000
		[ "$status" -eq 0 ]
		[[ $output == *"π = 3.14"* ]]
		[ "$("$BIGM" call --cluster $cluster m1 | tr '\n' ' ')" = \
			"$([ $cluster = bare ] && echo 'Supervisor ' || echo 'Supervisor DiskBench ')" ]
		no_driver_left
	done
	# One that was killed is in nobody's way.
	"$BIGM" run --cluster bare pi.bigm -- --samples 1000000000000 >out 2>&1 3>&- &
	client=$!
	eventually 20 sh -c 'find "$XDG_STATE_HOME" -path "*/driver/*" | grep -q .'
	kill -KILL $client
	wait $client || :
	run_bigm run --cluster bare pi.bigm -- --samples 1000000
	[ "$status" -eq 0 ]
	eventually 20 no_driver_left
}

@test "machines get PROGRAM.bigm where they cannot run the program" {
	cat >driver.c <<-'END'
		#include <bigm.h>
		#include <stdio.h>

		int main(int argc, char **argv)
		{
			const struct bigm_service services[] = { { "PI", NULL, NULL }, { 0 } };
			const struct bigm_start_options options = { .size = sizeof(options), .program = "./other" };
			struct bigm_error err = BIGM_ERROR_INIT;
			struct bigm *b = bigm_init(&argc, &argv, NULL, &err);
			struct cJSON *arg = bigm_json("{\"seed\": 1, \"begin\": 0, \"end\": 0}");
			struct bigm_machine **m;

			if (!b || bigm_start(b, 1, services, &options, &m, &err) < 0 ||
			    bigm_call(m[0], "PI.Sample", arg, NULL, &err) < 0 || bigm_shutdown(b, &err) < 0) {
				fprintf(stderr, "%s\n", err.text);
				return 1;
			}
			return 0;
		}
	END
	# shellcheck disable=SC2046,SC2086 # commands and options
	${CC:?} ${sanitizer_flags?} -Wall -I"$abs_top_srcdir/lib" driver.c -o driver \
		"$abs_top_builddir/libbigm.a" $(pkg-config --libs libuv openssl libnghttp2 libcjson inih) -pthread
	foreign "$abs_top_builddir/examples/bigpi" other
	run ./driver
	[ "$status" -eq 1 ]
	echo "$output"
	"$BIGM" bundle "$abs_top_builddir/examples/bigpi" -o other.bigm
	run ./driver
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "machines that are a user's program cannot unpack, and say so" {
	make_program
	"$BIGM" bundle ./prog -o a.bigm
	"$BIGM" start --name calm "$abs_top_builddir/examples/bigpi"
	run_bigm run --cluster calm a.bigm
	[ "$status" -eq 125 ]
	[[ $output == *"a bundle, which only bare machines take"* ]]
}

@test "-C is a folder of the machine, below the bundle's" {
	printf '#!/bin/sh\npwd; echo $BIGM_FILES\n' >script
	chmod +x script
	mkdir data
	"$BIGM" bundle ./script --file data -o s.bigm
	run_bigm run s.bigm -C data
	[ "${lines[0]}" = "${lines[1]}/data" ]
	run_bigm run s.bigm -C /
	[ "${lines[0]}" = / ]
}

@test "what cannot be bundled is said, and leaves nothing" {
	make_program
	echo text >text
	chmod +x text
	while IFS='|' read -r word arguments; do
		# shellcheck disable=SC2086
		run_bigm bundle $arguments -o out.bigm
		echo "$arguments: $output"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"$word"* ]]
	done <<-'END'
		nowhere: No such file|./nowhere
		prog.c: is not executable|./prog.c
		is neither an ELF program nor a script|./text
		is a folder|./data
		nowhere: No such file|./prog --file nowhere
		a path has to be relative|./prog --file data:/data
		a path has to be relative|./prog --file data:x/../../y
		two files would be prog|./prog --file data/file:prog
		.bigm is bigm's own|./prog --file data:.bigm/lib
	END
	ln -s /etc data/away
	run_bigm bundle ./prog --file data -o out.bigm
	[[ $output == *"data/away: a link to /etc"* ]]
	[ ! -e out.bigm ]
	run_bigm bundle
	[ "$status" -eq 2 ]
	run_bigm bundle ./prog -o nowhere/out.bigm
	[ "$status" -eq 1 ]
}

@test "links within a folder stay links, others become what they lead to" {
	printf '#!/bin/sh\nreadlink d/in; cat d/in d/sub/up d/out; [ ! -L d/out ]\n' >script
	chmod +x script
	mkdir -p d/sub
	echo 1 >d/file
	echo 2 >outside
	ln -s file d/in
	ln -s ../file d/sub/up
	ln -s "$PWD/outside" d/out
	"$BIGM" bundle ./script --file d -o s.bigm
	run_bigm run s.bigm
	[ "$status" -eq 0 ]
	[ "$output" = $'file\n1\n1\n2' ]
}

@test "a bundle that was cut or changed runs nothing" {
	make_program
	"$BIGM" bundle ./prog -o a.bigm
	head -c 40000 a.bigm >cut.bigm
	run_bigm run cut.bigm
	[ "$status" -eq 125 ]
	[[ $output != *"at home"* ]]
	cp a.bigm changed.bigm
	printf 'XXXX' | dd of=changed.bigm bs=1 seek=30000 conv=notrunc status=none
	run_bigm run changed.bigm
	[ "$status" -eq 125 ]
	[[ $output != *"at home"* ]]
}

@test "what a killed run has unpacked goes with it" {
	printf '#!/bin/sh\necho $BIGM_FILES; exec sleep 1000\n' >script
	chmod +x script
	"$BIGM" bundle ./script -o s.bigm
	"$BIGM" run s.bigm >out &
	eventually 20 test -s out
	[ -d "$(cat out)" ]
	kill -KILL $!
	eventually 20 test ! -e "$(cat out)"
	eventually 20 nothing_left
}

# brought NAME: a run has put that into the record of a cluster that stays.
brought() {
	compgen -G "$XDG_STATE_HOME/bigm/*/calm/loan-*/$1" >/dev/null
}

nothing_brought() {
	! compgen -G "$XDG_STATE_HOME/bigm/*/calm/loan-*" >/dev/null
}

@test "what a killed run has brought to a cluster that stays goes, too" {
	local machine run
	printf '#!/bin/sh\ncat file\n' >script
	chmod +x script
	echo words >file
	"$BIGM" start -n 1 --name calm --keepalive-call 100s --keepalive-timeout 200s
	machine=$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["machines"][0]["pid"])')
	# So that it is still being sent.
	kill -STOP "$machine"
	"$BIGM" run --cluster calm --file file ./script 3>&- &
	run=$!
	eventually 20 brought job.bigm
	kill -KILL "$run"
	eventually 20 nothing_brought
	kill -CONT "$machine"
	"$BIGM" bundle "$abs_top_builddir/examples/bigpi" -o pi.bigm
	eventually 20 "$BIGM" run --cluster calm --file file ./script
	"$BIGM" run --cluster calm pi.bigm -- --samples 1000000000000000 3>&- &
	run=$!
	eventually 20 brought driver/bigpi
	kill -KILL "$run"
	eventually 20 nothing_brought
}
