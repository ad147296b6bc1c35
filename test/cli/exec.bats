# shellcheck disable=SC2016 # the quoted scripts are for other shells
load common
bats_require_minimum_version 1.5.0

setup_cluster() {
	"$BIGM" start -n 3 --name calm >/dev/null
}

clean_up() {
	"$BIGM" shutdown --all
}

@test "a command runs on one machine, with its own output, input and status" {
	setup_cluster
	run_bigm exec m1 -- sh -c 'echo out; echo err >&2; exit 9'
	[ "$status" -eq 9 ]
	[ "$output" = $'out\nerr' ]
	[ "$("$BIGM" exec 2 -- sh -c 'echo out; echo err >&2' 2>/dev/null)" = out ]
	[ "$(echo hello | "$BIGM" exec m0 -- cat)" = hello ]
}

@test "standard input and output are byte for byte, with their end" {
	setup_cluster
	head -c 5000000 /dev/urandom >data
	"$BIGM" exec m0 -- cat <data >copy
	cmp data copy
	"$BIGM" exec m0 -- sh -c 'cat >&2' <data 2>copy
	cmp data copy
	[ "$("$BIGM" exec m0 -- wc -c </dev/null)" -eq 0 ]
	[ "$("$BIGM" exec m0 -- wc -c <&-)" -eq 0 ]
	# A command need not read what it is given.
	"$BIGM" exec m0 -- true <data
	yes | "$BIGM" exec m0 -- head -1 >copy
	[ "$(cat copy)" = y ]
}

@test "standard input that cannot be read is told" {
	setup_cluster
	run sh -c '"$BIGM" exec m0 -- cat </'
	[ "$status" -eq 125 ]
	[[ $output == *"cannot read standard input: Is a directory"* ]]
}

@test "all runs it on every machine, with empty standard input" {
	setup_cluster
	run_bigm exec all -- sh -c 'echo $BIGM_RANK/$BIGM_SIZE $BIGM_MACHINE; cat' <<<"nobody reads this"
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = $'0/3 m0\n1/3 m1\n2/3 m2' ]
	run_bigm exec m2 -- sh -c 'echo $BIGM_RANK/$BIGM_SIZE $BIGM_MACHINE'
	[ "$output" = "0/1 m2" ]
}

@test "of many the lowest machine that failed counts, and the others are stopped" {
	setup_cluster
	run_bigm exec all --keep-going -- sh -c 'exit $((BIGM_RANK + 4))'
	[ "$status" -eq 4 ]
	SECONDS=0
	run_bigm exec all -- sh -c '[ $BIGM_RANK = 1 ] && exit 5; exec sleep 1000'
	[ "$status" -eq 5 ]
	[[ $output == *"m1: exit status 5; stopping the others"* ]]
	((SECONDS < 10))
}

@test "--keep-going lets the others end, and does without dead machines" {
	setup_cluster
	run_bigm exec all --keep-going -- sh -c '[ $BIGM_RANK = 0 ] && exit 5; sleep 0.3; echo done'
	[ "$status" -eq 5 ]
	[ "$output" = $'done\ndone' ]
	kill -KILL "$("$BIGM" call m1 Supervisor.Getpid)"
	eventually 5 sh -c '"$BIGM" status | grep -q STOPPED'
	run --separate-stderr "$BIGM" exec all -- echo hello
	[ "$status" -eq 125 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == "bigm exec: m1: "*"signal 9"* ]]
	run_bigm exec all --keep-going -- echo hello
	[ "$status" -eq 125 ]
	[ "$(grep -c '^hello$' <<<"$output")" -eq 2 ]
	run_bigm exec m0 -- echo hello
	[ "$status" -eq 0 ]
	[ "$output" = hello ]
}

@test "--prefix names the machine on each line, and a terminal gets it by itself" {
	setup_cluster
	run_bigm exec all --prefix -- sh -c 'echo out; printf "err, no newline" >&2'
	[ "$(sort <<<"$output")" = "$(for m in m0 m1 m2; do echo "$m: err, no newline"; echo "$m: out"; done)" ]
	run python3 "${abs_top_srcdir:?}/test/cli/terminal.py" "$BIGM" exec m1 -- echo hello </dev/null
	[ "$status" -eq 0 ]
	[ "$output" = $'m1: hello\r' ]
}

@test "the folder is ours or -C's, and -e adds variables" {
	setup_cluster
	mkdir -p some/where
	cd some
	[ "$("$BIGM" exec m0 -- pwd)" = "$PWD" ]
	[ "$("$BIGM" exec m0 -C where -- pwd)" = "$PWD/where" ]
	[ "$("$BIGM" exec m0 -C / -- pwd)" = / ]
	export OURS=mine NOT_GIVEN=x
	run_bigm exec m0 -e GIVEN=yes -e OURS -e MISSING -- sh -c 'echo $GIVEN $OURS $NOT_GIVEN ${MISSING-unset}'
	[ "$output" = "yes mine unset" ]
	for dir in nowhere text; do
		echo >text
		run_bigm exec m0 -C $dir -- pwd
		[ "$status" -eq 125 ]
		[[ $output == "bigm exec: m0: cannot start pwd in folder $PWD/$dir: No"* ]]
	done
}

@test "126, 127 and 128 + signal" {
	setup_cluster
	run -127 "$BIGM" exec m0 -- nonexistent-program
	[[ $output == "bigm exec: m0: "*nonexistent-program* ]]
	echo >text
	run_bigm exec m0 -- ./text
	[ "$status" -eq 126 ]
	run_bigm exec m0 -- sh -c 'kill -USR1 $$'
	[ "$status" -eq 138 ]
}

@test "--timeout ends it with 124" {
	setup_cluster
	run_bigm exec --timeout 0.3 all -- sleep 1000
	[ "$status" -eq 124 ]
	[[ $output == *"timed out after 0.3 s"* ]]
	run_bigm exec --timeout 0.3 m0 -- sh -c 'trap "" TERM; while :; do sleep 1; done'
	[ "$status" -eq 124 ]
}

@test "signals go to the command, which has time to end; a second one ends it at once" {
	setup_cluster
	"$BIGM" exec m0 -- sh -c 'trap "sleep 1.5; echo cleaned; exit 3" TERM; echo ready; while :; do sleep 0.05; done' >out &
	client=$!
	eventually 5 grep -q ready out
	kill -TERM $client
	status=0
	wait $client || status=$?
	[ "$status" -eq 143 ]
	[ "$(cat out)" = $'ready\ncleaned' ]
	"$BIGM" exec m0 -- sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done; : mark-'"${DIR##*.}" >again 2>err &
	client=$!
	eventually 10 grep -qs ready again
	kill -TERM $client
	eventually 10 grep -q 'once more' err
	kill -TERM $client
	status=0
	wait $client || status=$?
	[ "$status" -eq 143 ]
	eventually 5 sh -c '! pgrep -f "[m]ark-'"${DIR##*.}"'"'
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 3 ]
}

@test "a signal overtakes standard input that the command does not read" {
	setup_cluster
	head -c 8000000 /dev/zero >zeros
	"$BIGM" exec m0 -- sh -c 'trap "echo cleaned; exit 3" TERM; echo ready; while :; do sleep 0.05; done' <zeros >out &
	client=$!
	eventually 10 grep -q ready out
	# It has read what may be on its way, and no more.
	eventually 10 bash -c "(( \$(sed -n 's/^pos:\s*//p' /proc/$client/fdinfo/0) >= 512 << 10 ))"
	kill -TERM $client
	status=0
	wait $client || status=$?
	[ "$status" -eq 143 ]
	[ "$(cat out)" = $'ready\ncleaned' ]
}

@test "one signal ends it when nobody reads what the command prints" {
	setup_cluster
	mkfifo out
	sleep 1000 <>out &
	reader=$!
	"$BIGM" exec m0 -- sh -c 'yes; : mark-'"${DIR##*.}" >out &
	client=$!
	# The pipe is full.
	exec 9<>out
	eventually 10 python3 -c 'import array, fcntl, sys, termios
n = array.array("i", [0]); fcntl.ioctl(9, termios.FIONREAD, n); sys.exit(n[0] < 65536 - 4096)'
	exec 9<&-
	kill -TERM $client
	eventually 20 sh -c "! kill -0 $client"
	status=0
	wait $client || status=$?
	kill $reader
	[ "$status" -eq 143 ]
	eventually 10 sh -c '! pgrep -f "[m]ark-'"${DIR##*.}"'"'
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 3 ]
}

@test "Ctrl-C on a terminal reaches the command, and the status is 130" {
	setup_cluster
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$BIGM" exec all -- sh -c 'echo ready; exec sleep 1000' <<-'END'
		expect ready
		send \x03
	END
	[ "$status" -eq 130 ]
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 3 ]
}

@test "when bigm exec is killed, the command's process group is gone" {
	setup_cluster
	mark=mark-${DIR##*.}
	"$BIGM" exec all -- sh -c "echo ready; sleep 1000; : $mark" >out &
	client=$!
	eventually 5 sh -c '[ $(grep -c ready out) -eq 3 ]'
	[ "$(pgrep -fc "^sh -c echo ready.*$mark")" -eq 3 ]
	kill -KILL $client
	eventually 5 sh -c '! pgrep -f "^sh -c echo ready.*'"$mark"'"'
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 3 ]
}

@test "when its cluster is shut down, exec says so" {
	setup_cluster
	"$BIGM" exec all -- sh -c 'echo ready; exec sleep 1000' >out 2>err &
	client=$!
	eventually 5 sh -c '[ $(grep -c ready out) -eq 3 ]'
	"$BIGM" shutdown
	status=0
	wait $client || status=$?
	cat err
	[ "$status" -eq 125 ]
	[ "$(wc -l <err)" -eq 1 ]
}

@test "a machine that is STARTING is waited for" {
	"$BIGM" start --no-wait -n 2 >/dev/null
	run_bigm exec all -- echo hello
	[ "$status" -eq 0 ]
	[ "$output" = $'hello\nhello' ]
}

@test "a reader that goes away, and a full standard output" {
	setup_cluster
	run bash -c 'set -o pipefail; "$BIGM" exec all -- yes | head -1'
	[ "$status" -eq 141 ]
	[ "$output" = y ]
	run bash -c '"$BIGM" exec m0 -- echo hello >/dev/full'
	[ "$status" -eq 125 ]
	[[ $output == *"cannot write the output: No space left on device" ]]
}

@test "what is missing or not there is told" {
	run_bigm exec m0 -- true
	[ "$status" -eq 125 ]
	[ "$output" = "bigm exec: no cluster is running" ]
	setup_cluster
	run_bigm exec m7 -- true
	[ "$status" -eq 125 ]
	[ "$output" = "bigm exec: no machine m7; calm has 3, m0 to m2" ]
	run_bigm exec --cluster clam m0 -- true
	[ "$status" -eq 125 ]
	[ "$output" = "bigm exec: there is no cluster clam; did you mean calm?" ]
	run_bigm exec
	[ "$status" -eq 2 ]
	[[ $output == "bigm exec: which machine? usage: bigm exec "* ]]
	run_bigm exec m0
	[ "$status" -eq 2 ]
	[[ $output == "bigm exec: which command? usage: bigm exec "* ]]
	run_bigm exec m0 hostname
	[ "$status" -eq 2 ]
	[ "$output" = "bigm exec: hostname: arguments of the program stand after --: bigm exec m0 -- hostname" ]
}

# on_terminal COMMAND...: plays standard input against it.
on_terminal() {
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$@"
}

@test "--terminal gives the command one of its own, with our size and type" {
	setup_cluster
	export TERM=xterm
	on_terminal "$BIGM" exec m0 -t -- env PS1='ready> ' sh -i <<-'END'
		resize 30 100
		expect ready>
		send tty; echo "<$TERM>"; while ! stty size | grep '^30 100'; do sleep 0.1; done\r
		expect 30 100
		expect ready>
		resize 41 120
		send while ! stty size | grep '^41 120'; do sleep 0.1; done\r
		expect 41 120
		expect ready>
		send exit 7\r
	END
	[ "$status" -eq 7 ]
	[[ $output = */dev/pts/*'<xterm>'* ]]
	[[ $output != *m0:* ]]
}

@test "what is typed there goes to the command, and Ctrl-C ends what it has in the foreground" {
	setup_cluster
	on_terminal "$BIGM" exec m0 -t -- env PS1='ready> ' sh -i <<-'END'
		expect ready>
		send trap 'echo got it' INT; sh -c 'echo now; exec sleep 1000'\r
		expect now
		expect now
		send \x03
		expect got it
		send \x04
	END
	[ "$status" -eq 130 ]
}

@test "the terminal is ours again, and as it was, when the command has ended or bigm is ended" {
	setup_cluster
	cat >lend <<-'END'
		"$BIGM" exec m0 -t -- sh -c 'exit 3'
		echo "status $?"
		stty -a | grep -ow -- '-*icanon'
		bash -c 'exec "$BIGM" exec m0 -t -- sh -c "kill -TERM $$; exec sleep 1000"'
		echo "status $?"
		stty -a | grep -ow -- '-*icanon'
	END
	on_terminal bash lend </dev/null
	[ "$status" -eq 0 ]
	[ "$(tr -d '\r' <<<"$output" | grep -v '^bigm')" = $'status 3\nicanon\nstatus 143\nicanon' ]
}

@test "a terminal is for one machine, and where we have one" {
	setup_cluster
	on_terminal "$BIGM" exec all -t -- sh </dev/null
	[ "$status" -eq 2 ]
	run_bigm exec m0 -t -- sh </dev/null
	[ "$status" -eq 2 ]
	[[ $output = *"no terminal"* ]]
}
