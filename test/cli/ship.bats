# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
# --ship: machines of this host that begin as those of others do, as ec2boot, with a bootstrap identity.
load common
bats_require_minimum_version 1.5.0

bigpi=$abs_top_builddir/examples/bigpi

clean_up() {
	"$BIGM" shutdown --all 3>&- 2>/dev/null
}

ec2boot() {
	echo "$abs_top_builddir"/ec2/ec2boot-*
}

# of MACHINE EXPRESSION: a part of what status says of it.
of() {
	"$BIGM" status --json | python3 -c "import json, sys
m = next(m for m in json.load(sys.stdin)[0]['machines'] if m['machine'] == '$1')
print($2)"
}

is() {
	[ "$(of "$1" "$2")" = "$3" ]
}

digest_of() {
	"$BIGM" call "$1" Supervisor.Info | python3 -c 'import json, sys; print(json.load(sys.stdin)["digest"])'
}

@test "machines begin as ec2boot, with certificates of their own" {
	local digest
	"$BIGM" start --ship -n 2 --name ships
	[ "$(readlink "/proc/$(of m0 'm["pid"]')/exe")" = "$(realpath "$(ec2boot)")" ]
	digest=sha256:$(sha256sum "$(ec2boot)" | cut -d' ' -f1)
	[ "$(digest_of m0)" = "$digest" ]
	[[ $("$BIGM" call m1 Supervisor.Info) == *'"name":"m1"'* ]]
	# The service that it waited with is gone.
	run_bigm call m0 Bootstrap.SigningRequest
	echo "$output"
	[ "$status" -ne 0 ]
	[ "$("$BIGM" exec all -- sh -c 'echo $BIGM_RANK' | sort | tr -d '\n')" = 01 ]
	# Lent to a driver, they become that, and ec2boot again.
	run --separate-stderr "$BIGM" run --cluster ships "$bigpi" -- --samples 1000
	echo "$output$stderr"
	[[ $output == *3.* ]]
	[ "$(digest_of m0)" = "$digest" ]
}

@test "a driver, a job and a bundle run on them" {
	run --separate-stderr "$BIGM" run --ship -n 2 "$bigpi" -- --samples 1000
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[[ $output == *3.* ]]
	run --separate-stderr "$BIGM" run --ship -n 2 sh -- -c 'echo "rank $BIGM_RANK"; exit 7'
	echo "$output$stderr"
	[ "$status" -eq 7 ]
	[[ $output == *"rank "* ]]
	echo "of its own" >'fäile ☃'
	"$BIGM" bundle "$(command -v cat)" --file 'fäile ☃' -o cat.bigm
	run --separate-stderr "$BIGM" run --ship -n 2 cat.bigm -- 'fäile ☃'
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[ "$output" = $'of its own\nof its own' ]
	"$BIGM" bundle "$bigpi" -o pi.bigm
	run --separate-stderr "$BIGM" run --ship -n 2 pi.bigm -- --samples 1000
	echo "$output$stderr"
	[[ $output == *3.* ]]
}

# A plain program of each kind, which says where it is and fails as it is told; what it links to is in its closure.
make_plain() {
	cat >plain.c <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>
		int main(int argc, char **argv)
		{
			char dir[4096];
			printf("%s of %s in %s: %s %s\n", getenv("BIGM_RANK"), getenv("BIGM_SIZE"), getcwd(dir, sizeof(dir)), argv[0], argv[1]);
			fprintf(stderr, "complaint\n");
			return atoi(argv[1]);
		}
	END
	gcc plain.c -o dynamic
	gcc -static plain.c -o static
	cat >script <<-'END'
		#!/bin/sh
		echo "$BIGM_RANK of $BIGM_SIZE in $(pwd): ./script $1"
		echo complaint >&2
		exit "$1"
	END
	chmod +x script
}

@test "a plain program is sent, whatever it is, and runs in a folder of the machine's" {
	local kind
	make_plain
	for kind in dynamic static script; do
		run --separate-stderr "$BIGM" run --ship -n 2 -k "./$kind" -- 5
		echo "$output$stderr"
		[ "$status" -eq 5 ]
		[ "$(sort <<<"$output" | sed "s,in $XDG_STATE_HOME/[^ ]*/m[01]/[^ ]*: ,," | tr '\n' ' ')" = "0 of 2 ./$kind 5 1 of 2 ./$kind 5 " ]
		[ "$stderr" = $'complaint\ncomplaint' ]
	done
	# By its name in PATH, and without what it links to: nothing of this host's is needed but this host's libraries.
	[ "$("$BIGM" run --ship --no-libs basename -- a/b)" = b ]
	# It reads no terminal, and a signal reaches it.
	printf '#!/bin/sh\ncat; trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.05; done\n' >script
	"$BIGM" run --ship ./script >out 3>&- &
	eventually 30 grep -q ready out
	kill -TERM $!
	status=0
	wait $! || status=$?
	[ "$status" -eq 143 ]
	[ "$(cat out)" = $'ready\ncaught' ]
}

@test "files go with a plain program and come back, on machines of this host, too" {
	mkdir data
	echo words >data/file
	printf '#!/bin/sh\ntest -e %s && exit 3; cat data/file here; mkdir made; echo "$BIGM_RANK" >made/rank\n' script.c >script
	chmod +x script
	touch script.c
	for ship in --ship ''; do
		# shellcheck disable=SC2086
		run_bigm run $ship -n 2 --file data --file data/file:here --collect made ./script
		echo "$output"
		[ "$status" -eq 0 ]
		[ "$output" = $'words\nwords\nwords\nwords' ]
		[ "$(cat m0/made/rank m1/made/rank)" = $'0\n1' ]
		rm -r m0 m1
	done
	# A shipped interpreter, and a folder of the machine's.
	printf '#!/usr/bin/env ownsh\npwd; echo "$BIGM_FILES"\n' >script
	run_bigm run --ship --file "$(type -P bash):bin/ownsh" -C bin ./script
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "${lines[1]}/bin" ]
	run_bigm run --file data "$bigpi"
	[ "$status" -eq 2 ]
	[[ $output == *"bigpi is a driver: --file and --no-libs are for plain programs"* ]]
	"$BIGM" bundle ./script -o s.bigm
	run_bigm map --no-libs -- s.bigm ::: a
	[ "$status" -eq 2 ]
	[[ $output == *"s.bigm is a bundle: --file and --no-libs"* ]]
	run_bigm run --ship --file nowhere ./script
	[ "$status" -eq 125 ]
	[[ $output == *"nowhere: No such file"* ]]
}

@test "jobs of a map are sent their program; a name that is an input's is the machine's own" {
	printf '#!/bin/sh\ncat here; echo "$0 $1"; exit "$1"\n' >script
	chmod +x script
	echo words >file
	run --separate-stderr "$BIGM" map --ship -n 2 -k --file file:here --collect here -- ./script ::: 0 3
	echo "$output$stderr"
	[ "$status" -eq 1 ]
	[[ $output == words$'\n'$XDG_STATE_HOME/*"/script 0"$'\n'words$'\n'$XDG_STATE_HOME/*"/script 3" ]]
	[[ $stderr == *"job 2 (3) on m"*": exit status 3"* ]]
	# A machine that came too late for any job has nothing to give.
	[ "$(sort -u m?/here)" = words ]
	[ "$("$BIGM" map --ship -k -- {} ::: pwd ./script 2>/dev/null | head -n 1)" = "$PWD" ]
	printf 'text' >script
	chmod -x script
	run_bigm map --ship -- ./script ::: a
	[ "$status" -eq 2 ]
	[[ $output == *"./script is not executable"* ]]
}

@test "a program for another processor, and one that has a bundle for this one beside it" {
	local machine='\267\000'
	[ "$(uname -m)" != aarch64 ] || machine='\076\000'
	cp "$(type -P true)" job
	# shellcheck disable=SC2059 # it is a format; e_machine stands at byte 18
	printf "$machine" | dd of=job bs=1 seek=18 conv=notrunc status=none
	run_bigm run --ship ./job
	[ "$status" -eq 125 ]
	[[ $output == *"./job is for linux/"*", the machines are linux/"*"; see bigm-bundle(1)" ]]
	run_bigm map --ship -- ./job ::: a
	[ "$status" -eq 125 ]
	[[ $output == *"./job is for linux/"* ]]
	printf '#!/bin/sh\necho instead\n' >other
	chmod +x other
	"$BIGM" bundle ./other -o job.bigm
	[ "$("$BIGM" run --ship ./job)" = instead ]
	mv job.bigm elsewhere.bigm
	[ "$(BIGM_BUNDLE=elsewhere.bigm "$BIGM" run --ship ./job)" = instead ]
}

@test "machines that serve a program begin so, too, and die as any" {
	"$BIGM" start --ship -n 3 "$bigpi"
	"$BIGM" call all PI.Sample '{"seed": 1, "begin": 0, "end": 1}'
	kill -KILL "$(of m1 'm["pid"]')"
	eventually 20 is m1 'm["state"]' STOPPED
	is m0 'm["state"]' RUNNING
	# Whoever kills the keeper leaves nobody behind.
	kill -KILL "$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["pid"])')"
	eventually 20 nothing_left
}

@test "it may be a setting" {
	BIGM_SHIP=1 "$BIGM" start
	[ "$(readlink "/proc/$(of m0 'm["pid"]')/exe")" = "$(realpath "$(ec2boot)")" ]
	"$BIGM" shutdown
	BIGM_SHIP=1 run --separate-stderr "$BIGM" run "$bigpi" -n 1 -- --samples 1000
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[ "$(BIGM_SHIP=1 "$BIGM" config | awk '$1 == "ship" { print $2, $3 }')" = "1 BIGM_SHIP" ]
}

@test "without ec2boot it is said where it should have been" {
	mkdir bin
	cp "$BIGM" bin/bigm
	run --separate-stderr env BIGM="$PWD/bin/bigm" bin/bigm start --ship
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ $stderr == *"looked at $PWD/bin/ec2boot-"*", $PWD/bin/ec2/ec2boot-"*", $PWD/bin/../libexec/bigm/ec2boot-"* ]]
	# And there it is found.
	mkdir -p libexec/bigm
	cp "$(ec2boot)" libexec/bigm/
	run --separate-stderr env BIGM="$PWD/bin/bigm" bin/bigm run --ship true
	echo "$stderr"
	[ "$status" -eq 0 ]
}

@test "it works in a network of its own" {
	unshare --user --map-root-user --net true 2>/dev/null || skip "no network namespaces for us"
	run --separate-stderr unshare --user --map-root-user --net sh -c 'ip link set lo up && exec "$@"' sh \
		"$BIGM" run --ship -n 2 "$bigpi" -- --samples 1000
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[[ $output == *3.* ]]
}

@test "ec2boot says what is wrong with its options" {
	local ec2boot
	ec2boot=$(ec2boot)
	"$ec2boot" --help | grep -q 'usage: ec2boot --identity FILE'
	[ "$("$ec2boot" --version)" = "ec2boot $("$BIGM" version | grep -oE '[0-9.]+' | head -1)" ]
	for options in '' '--identity x' '--what' '--identity x --dir d word' '--identity x --dir d --port 65536' \
		'--identity x --dir d --within soon' '--identity x --dir d --listen-fd 1x'; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr "$ec2boot" $options
		echo "$options: $stderr"
		[ "$status" -eq 2 ]
		[ -n "$stderr" ]
	done
	echo nonsense >x
	for file in x /nonexistent; do
		run --separate-stderr "$ec2boot" --identity "$file" --dir d
		echo "$stderr"
		[ "$status" -eq 1 ]
		[[ $stderr == *"cannot begin: "*"$file"* ]]
	done
	[ ! -e d ]
}
