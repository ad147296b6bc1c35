# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
load common
load gate
bats_require_minimum_version 1.5.0

setup_file() {
	build_gate
}

@test "a plain program runs on one machine, with its own output and status" {
	run_bigm run uname
	[ "$status" -eq 0 ]
	[ "$output" = "$(uname)" ]
	run_bigm run sh -- -c 'exit 7'
	[ "$status" -eq 7 ]
	[ -z "$output" ]
}

@test "-n machines run it once each, and know who they are" {
	run_bigm run -n 3 sh -- -c 'echo $BIGM_RANK/$BIGM_SIZE $BIGM_MACHINE'
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = $'0/3 m0\n1/3 m1\n2/3 m2' ]
}

@test "options stand before and after the program, and what follows -- is the program's" {
	run_bigm run echo -n 2 -- -n 'a  b' --prefix
	[ "$status" -eq 0 ]
	[ "$output" = "a  b --prefixa  b --prefix" ]
	run_bigm run -n 2 -- echo x
	[ "$status" -eq 0 ]
	[ "$output" = $'x\nx' ]
}

@test "output arrives byte for byte, on the right stream" {
	head -c 3000000 /dev/urandom >data
	"$BIGM" run cat -- data >out 2>err
	cmp data out
	[ ! -s err ]
	"$BIGM" run sh -- -c 'cat data >&2; printf "no newline"' >out 2>err
	cmp data err
	[ "$(cat out)" = "no newline" ]
}

@test "lines of several ranks do not mix within a line" {
	cat >./talk <<-'END'
		#!/bin/sh
		i=0
		while [ $i -lt 300 ]; do
			printf %s $BIGM_RANK; printf '%s%s' $BIGM_RANK $BIGM_RANK; echo $BIGM_RANK
			i=$((i + 1))
		done
	END
	chmod +x talk
	"$BIGM" run ./talk -n 4 >out
	[ "$(sort out | uniq -c | tr -s ' ')" = $' 300 0000\n 300 1111\n 300 2222\n 300 3333' ]
}

@test "--prefix names the machine on each line" {
	run_bigm run -n 2 --prefix sh -- -c 'echo out; printf "err, no newline" >&2'
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = $'m0: err, no newline\nm0: out\nm1: err, no newline\nm1: out' ]
}

@test "a terminal gets the prefix by itself" {
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$BIGM" run --quiet echo -- hello </dev/null
	[ "$status" -eq 0 ]
	[ "$output" = $'m0: hello\r' ]
}

@test "folder and environment are ours, standard input is empty" {
	mkdir folder
	cd folder
	run env FRUIT=apple "$BIGM" run sh -- -c 'pwd; echo $FRUIT; cat'
	[ "$status" -eq 0 ]
	[ "$output" = "$PWD"$'\napple' ]
}

lowest_of_close() {
	local status=0
	"$BIGM" run -n 4 sh -- -c '[ $BIGM_RANK = 1 ] && sleep 0.05; exit $BIGM_RANK' || status=$?
	[ "$status" -eq 1 ]
}

@test "of many ranks the lowest that failed by itself counts" {
	run_bigm run -n 4 --keep-going sh -- -c 'exit $BIGM_RANK'
	[ "$status" -eq 1 ]
	# Also when it was not quite the first, as soon as the host is quick enough for that.
	eventually 60 lowest_of_close
}

@test "when a rank fails, the others are stopped" {
	SECONDS=0
	run_bigm run -n 3 sh -- -c '[ $BIGM_RANK = 1 ] && exit 5; exec sleep 1000'
	[ "$status" -eq 5 ]
	[[ $output == *"m1: exit status 5; stopping the others"* ]]
	((SECONDS < 10))
}

@test "a rank that does not listen is killed" {
	run_bigm run -n 2 sh -- -c '[ $BIGM_RANK = 1 ] && sleep 0.2 && exit 5; trap "" TERM; while :; do sleep 1; done'
	[ "$status" -eq 5 ]
}

@test "a signal's death is 128 + signal" {
	run_bigm run sh -- -c 'kill -USR1 $$'
	[ "$status" -eq 138 ]
	run_bigm run --as driver sh -- -c 'kill -USR1 $$'
	[ "$status" -eq 138 ]
	[[ $output == *"sh: killed by signal 10"* ]]
}

@test "--timeout ends it with 124" {
	run_bigm run --timeout 0.3 sleep -- 1000
	[ "$status" -eq 124 ]
	[[ $output == *"timed out after 0.3 s"* ]]
	run_bigm run --timeout 300ms --as driver sleep -- 1000
	[ "$status" -eq 124 ]
}

@test "what is no program is refused before a machine starts" {
	run -127 "$BIGM" run nonexistent-program
	[ "$output" = "bigm run: nonexistent-program is not in PATH" ]
	run -127 "$BIGM" run ./nonexistent
	run -127 "$BIGM" run ''
	run_bigm run /tmp
	[ "$status" -eq 126 ]
	[ "$output" = "bigm run: /tmp is a folder" ]
	echo >text
	run_bigm run ./text
	[ "$status" -eq 126 ]
	[[ $output == "bigm run: ./text is not executable"* ]]
	chmod +x text
	run -127 "$BIGM" run text
	[ "$output" = "bigm run: text is not in PATH; did you mean ./text?" ]
	[ -z "$(find "$XDG_STATE_HOME" "$XDG_RUNTIME_DIR" -mindepth 1)" ]
}

@test "a program for another processor is refused" {
	# e_machine stands at byte 18: an x86-64 program becomes one for S/390, and any other one for RISC-V.
	cp "$(type -P true)" foreign
	printf '\026\000' | dd of=foreign bs=1 seek=18 conv=notrunc status=none
	run_bigm run ./foreign
	[ "$status" -eq 126 ]
	[[ $output == "bigm run: ./foreign is a program for S/390; this machine is "* ]]
}

@test "a script whose interpreter is missing is not found" {
	printf '#!/nonexistent/sh\n' >script
	chmod +x script
	run -127 "$BIGM" run ./script
	[[ $output == *"./script"*"interpreter"* ]]
	run -127 "$BIGM" run --as driver ./script
}

@test "a bad command line is status 2 and one line" {
	local arguments
	for arguments in '-n 0 true' '-n abc true' '-n -1 true' '-n 99999999999999999999 true' '-n' '--as rank true' \
		'--timeout soon true' '--machnes 3 true' 'true extra' ''; do
		# shellcheck disable=SC2086
		run_bigm run $arguments
		echo "$arguments: $output"
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
	done
	run_bigm run --machnes 3 true
	[ "$output" = "bigm run: there is no option --machnes; did you mean --machines? (options of the program itself stand after --)" ]
	run_bigm run echo hello
	[[ $output == *"hello: arguments of the program stand after --: bigm run echo -- hello" ]]
}

@test "a driver runs once, here, and learns of its cluster" {
	run_bigm run --as driver -n 5 sh -- -c 'echo $BIGM_N; [ -S "$BIGM_CONTROL" ] && echo control; read -r line; echo $line' \
		<<<"standard input"
	[ "$status" -eq 0 ]
	[ "$output" = $'5\ncontrol\nstandard input' ]
}

@test "a libbigm program is a driver by its note" {
	run_bigm run "$abs_top_builddir/examples/bigpi" -n 3 -- --samples 1000000
	[ "$status" -eq 0 ]
	[[ $output == *"π = 3.14"* ]]
	[ "$(grep -c ' RUNNING$' <<<"$output")" -eq 3 ]
	[[ "$("$BIGM" run "$abs_top_builddir/examples/bigpi" -n 2 -- --samples 1000000 2>/dev/null)" =~ ^π\ =\ 3\.14[0-9]*$ ]]
}

@test "what a driver leaves running goes with it" {
	run_bigm run --as driver sh -- -c 'setsid sleep 1000 >/dev/null 2>&1 & exit 3'
	[ "$status" -eq 3 ]
}

@test "a reader that goes away ends the job quietly" {
	run bash -c 'set -o pipefail; "$BIGM" run -n 2 yes | head -1'
	[ "$status" -eq 141 ]
	[ "$output" = y ]
}

@test "a full standard output is told" {
	run bash -c '"$BIGM" run echo -- hello >/dev/full'
	[ "$status" -eq 125 ]
	[[ $output == *"cannot write the output: No space left on device" ]]
}

@test "-C is where it runs, and -e adds variables" {
	mkdir there
	printf '#!/bin/sh\npwd; echo $GIVEN $OURS\n' >script
	chmod +x script
	export OURS=mine
	for kind in job driver; do
		run_bigm run --as $kind -C there -e GIVEN=yes -e OURS -e MISSING ./script
		[ "$status" -eq 0 ]
		[ "$output" = "$PWD/there"$'\nyes mine' ]
	done
	# What machines of other hosts get.
	run_bigm run --as driver -e GIVEN=yes -e OURS -e MISSING sh -- -c 'echo $BIGM_GIVEN'
	[ "$output" = GIVEN,OURS ]
	run_bigm run -C nowhere true
	[ "$status" -eq 2 ]
}

@test "--keep-going lets the other ranks end" {
	run_bigm run -n 3 --keep-going sh -- -c '[ $BIGM_RANK = 0 ] && exit 5; sleep 0.3; echo done'
	[ "$status" -eq 5 ]
	[ "$output" = $'done\ndone' ]
}

@test "--min is content with fewer machines, and numbers those that came up" {
	close_gate 1
	"$BIGM" run -n 3 --min 2 --name calm sh -- -c 'echo $BIGM_RANK/$BIGM_SIZE' >out 2>err 3>&- &
	kill_one_starting 2
	open_gate
	wait $!
	[ "$(sort out)" = $'0/2\n1/2' ]
	grep -qE '^bigm run: m[0-2]: killed by signal 9 \(Killed\) while starting$' err
	[ "$(wc -l <err)" -eq 1 ]
}

@test "with fewer than --min nothing runs" {
	local status=0
	close_gate 1
	"$BIGM" run --quiet -n 3 --min 3 --name calm echo -- hello >out 2>err 3>&- &
	kill_one_starting 2
	wait $! || status=$?
	cat out err
	[ "$status" -eq 125 ]
	[ ! -s out ]
	[ "$(wc -l <err)" -eq 1 ]
}

@test "a --min that cannot be is refused" {
	run_bigm run -n 3 --min 4 true
	[ "$status" -eq 2 ]
	[ "$output" = "bigm run: --min 4: more than the 3 of -n" ]
	run_bigm run --min 1 "$abs_top_builddir/examples/bigpi"
	[ "$status" -eq 2 ]
	[[ $output == *"is a driver: --min, --keep-going, --per-proc, --stdin and --output are for jobs" ]]
}

clean_up() {
	open_gate
	"$BIGM" shutdown --all 2>/dev/null
}

@test "--cluster runs a job on all machines of a cluster, which stays" {
	"$BIGM" start -n 3 --name calm
	run_bigm run --cluster calm -e FRUIT=pear sh -- -c 'echo $BIGM_RANK/$BIGM_SIZE $FRUIT'
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = $'0/3 pear\n1/3 pear\n2/3 pear' ]
	run_bigm run --cluster calm --keep-going sh -- -c 'exit $((BIGM_RANK + 5))'
	[ "$status" -eq 5 ]
	run_bigm run --cluster calm --timeout 0.3 sleep -- 1000
	[ "$status" -eq 124 ]
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 3 ]
	run_bigm run --cluster clam true
	[ "$status" -eq 125 ]
	[ "$output" = "bigm run: there is no cluster clam; did you mean calm?" ]
	run_bigm run --cluster calm -n 2 true
	[ "$status" -eq 2 ]
}

@test "a cluster takes one run at a time, and another when that has been killed" {
	"$BIGM" start -n 2 --name calm
	"$BIGM" run --cluster calm sh -- -c 'echo ready; exec sleep 1000' >out &
	client=$!
	eventually 5 sh -c '[ $(grep -c ready out) -eq 2 ]'
	run_bigm run --cluster calm true
	[ "$status" -eq 125 ]
	[ "$output" = "bigm run: cluster calm: another run is using it; wait for its end, or run without --cluster" ]
	run_bigm exec all -- echo hello
	[ "$output" = $'hello\nhello' ]
	kill -KILL $client
	eventually 5 "$BIGM" run --cluster calm true 2>/dev/null
}
