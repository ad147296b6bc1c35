# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
# However a run ends: within two seconds nothing of it is left, and what died is named. common's teardown looks for what
# is left, and waits for two seconds at most.
load common

# What a shell starts in the background ignores interrupts, and bigm would respect that.
bigm_run() {
	exec env --default-signal=INT,QUIT "$BIGM" run "$@"
}

# start KIND...: begins a run that would not end by itself, and waits until all of it is at work.
#   driver  bigpi on three machines
#   job     a script on three machines, each with a child in a session of its own
#   family  a driver that is a script, with a child in a session of its own
start() {
	case $1 in
	driver) bigm_run "$abs_top_builddir/examples/bigpi" -n 3 -- --samples 1000000000000000 >out 2>err 3>&- & ;;
	job) bigm_run -n 3 sh -- -c 'setsid sleep 1000 & echo ready; wait' >out 2>err 3>&- & ;;
	family) bigm_run --as driver sh -- -c 'setsid sleep 1000 & echo ready; wait' >out 2>err 3>&- & ;;
	esac
	RUN=$!
	case $1 in
	driver) eventually 10 grep -q 'distributing work' err ;;
	job) eventually 10 lines_are 3 out ;;
	family) eventually 10 lines_are 1 out ;;
	esac
}

lines_are() {
	[ "$(wc -l <"$2")" -eq "$1" ]
}

# Sets status to that of the run, which has to end within two seconds.
finish() {
	eventually 2 is_gone "$RUN" || { echo "still running"; cat err; return 1; }
	status=0
	wait "$RUN" || status=$?
	echo "status $status"
	cat err
	eventually 2 nothing_left
}

is_gone() {
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

# of_status EXPRESSION: a part of what bigm status says of the cluster.
of_status() {
	"$BIGM" status --json | python3 -c "import json, sys; print(json.load(sys.stdin)[0]$1)"
}

# The program that the run has started, and the sentinel, its parent.
job_pid() {
	local child
	cat "/proc/$RUN/task"/*/children | tr ' ' '\n' | while read -r child; do
		if [ "$(cat "/proc/$child/comm")" = job-sentinel ]; then
			tr -d ' ' <"/proc/$child/task/$child/children"
		fi
	done
}

for_each_kind() {
	local kind
	for kind in driver job family; do
		echo "== $kind"
		start "$kind"
		"$@"
	done
}

# ---------------------------------------------------------------------------------------------------------------------

interrupt_once() {
	kill -INT "$RUN"
	finish
	[ "$status" -eq 130 ]
	grep -q 'bigm run: Interrupt: stopping' err
}

@test "an interrupt ends it with 130" {
	for_each_kind interrupt_once
}

terminate() {
	kill -"$1" "$RUN"
	finish
	[ "$status" -eq "$2" ]
}

@test "TERM, HUP and QUIT end it with 128 + signal" {
	start driver
	terminate TERM 143
	start job
	terminate HUP 129
	start family
	terminate QUIT 131
}

@test "a hangup that is ignored is not heard, by the job neither" {
	nohup "$BIGM" run --as driver sh -- -c 'kill -HUP $PPID $$; echo survived' >out 2>err
	[ "$(cat out)" = survived ]
}

@test "an interrupt reaches the driver once, and what it prints then is shown" {
	cat >stubborn <<-'END'
		#!/bin/sh
		trap 'sleep 0.3; echo interrupted' INT
		echo ready
		while :; do sleep 0.01; done
	END
	chmod +x stubborn
	bigm_run --as driver ./stubborn >out 2>err 3>&- &
	RUN=$!
	eventually 10 lines_are 1 out
	kill -INT "$RUN"
	finish
	[ "$status" -eq 130 ]
	[ "$(cat out)" = $'ready\ninterrupted' ]
}

interrupt_twice() {
	kill -INT "$RUN"
	eventually 1 grep -q Interrupt err
	# It may have ended by the first one already.
	kill -INT "$RUN" || true
	finish
	[ "$status" -eq 130 ]
}

@test "a second interrupt ends it at once" {
	for_each_kind interrupt_twice
}

kill_bigm() {
	kill -KILL "$RUN"
	finish
}

@test "kill -9 of bigm run leaves nothing" {
	for_each_kind kill_bigm
}

kill_keeper() {
	kill -KILL "$(of_status '["pid"]')"
	finish
	[ "$status" -eq 125 ]
	[ "$(grep '^bigm run: ' err)" = "bigm run: the keeper was ended by signal 9 (Killed)" ]
}

@test "kill -9 of the keeper ends it with 125 and one line" {
	for_each_kind kill_keeper
}

guard_pid() {
	local pid
	for pid in $(left_processes); do
		if [ "$(cat "/proc/$pid/comm")" = cluster-guard ]; then echo "$pid"; fi
	done
}

kill_keeper_and_guard() {
	kill -KILL "$(guard_pid)" "$(of_status '["pid"]')"
	finish
	[ "$status" -eq 125 ]
}

@test "kill -9 of the keeper and its guard leaves nothing either" {
	for_each_kind kill_keeper_and_guard
}

kill_job() {
	kill -KILL "$(job_pid)"
	finish
	[ "$status" -eq 137 ]
	grep -q 'killed by signal 9 (Killed)' err
}

@test "kill -9 of the job ends it with 137 and names the signal" {
	start driver
	kill_job
	start family
	kill_job
}

@test "kill -9 of the sentinel ends it with 125 and one line" {
	start family
	kill -KILL "$(awk '/^PPid/ { print $2 }' "/proc/$(job_pid)/status")"
	finish
	[ "$status" -eq 125 ]
	grep -q 'sh: its sentinel was killed' err
}

@test "kill -9 of a machine: the driver learns of it, and the line names machine and signal" {
	start driver
	kill -KILL "$(of_status '["machines"][1]["pid"]')"
	finish
	[ "$status" -ne 0 ]
	grep -q 'm1: killed by signal 9 (Killed)' err
}

@test "kill -9 of a machine ends a job with 125, and the line names machine and signal" {
	start job
	kill -KILL "$(of_status '["machines"][1]["pid"]')"
	finish
	[ "$status" -eq 125 ]
	[ "$(grep -c 'm1: killed by signal 9 (Killed)' err)" -eq 1 ]
}

@test "kill -9 of a rank's program is its death, not the machine's" {
	run_bigm run -n 2 sh -- -c '[ $BIGM_RANK = 0 ] && exec sleep 1000; kill -KILL $$'
	[ "$status" -eq 137 ]
}

@test "a stopped run costs nothing and goes on" {
	start family
	kill -STOP "$RUN"
	sleep 0.3
	kill -CONT "$RUN"
	[ "$(of_status '["cluster"]')" != "" ]
	kill -INT "$RUN"
	finish
	[ "$status" -eq 130 ]
}

@test "an interrupt while the machines come up" {
	bigm_run -n 30 sleep -- 1000 >out 2>err 3>&- &
	RUN=$!
	eventually 5 grep -qx bigm "/proc/$RUN/comm"
	kill -INT "$RUN"
	finish
	[ "$status" -eq 130 ]
}

# ---------------------------------------------------------------------------------------------------------------------
# On a terminal

terminal() {
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$@"
	echo "$output"
}

@test "Ctrl-C on a terminal reaches the driver once" {
	terminal "$BIGM" run --as driver sh -- -c 'trap "echo inter\\rupted" INT; echo re\\ady; while :; do sleep 0.05; done' <<-'END'
		expect re
		send \x03
	END
	[ "$status" -eq 130 ]
	[ "$(grep -c 'upted' <<<"$output")" -eq 1 ]
}

@test "Ctrl-C on a terminal ends a job" {
	terminal "$BIGM" run -n 2 sh -- -c 'echo ready; sleep 1000' <<-'END'
		expect ready
		expect ready
		send \x03
		expect Interrupt: stopping
	END
	[ "$status" -eq 130 ]
}

@test "Ctrl-C twice on a terminal" {
	terminal "$BIGM" run --as driver sh -- -c 'trap "" INT; echo ready; while :; do sleep 0.05; done' <<-'END'
		expect ready
		send \x03
		expect Interrupt: stopping
		send \x03
	END
	[ "$status" -eq 130 ]
}

@test "a driver reads from the terminal" {
	terminal "$BIGM" run --as driver sh -- -c 'echo ready; read -r line; echo "got <$line>"' <<-'END'
		expect ready
		send hello\r
		expect got <hello>
	END
	[ "$status" -eq 0 ]
}

# The job does not read before it has been stopped: a reader that is being stopped may still take the next key.
@test "Ctrl-Z stops bigm and the job, fg goes on, and Ctrl-C still ends it" {
	# shellcheck disable=SC2016
	terminal env PS1='next> ' bash --norc --noprofile -i <<-'END'
		expect next>
		send "$BIGM" run --as driver sh -- -c 'echo re""ady; until [ -e go ]; do sleep 0.02; done; read -r line; echo "got <$line>"; sleep 1000'\r
		expect ready
		send \x1a
		expect Stopped
		expect next>
		send ps -o stat= -o args= | grep '[B]IGM\\|[s]h -c echo' | cut -c 1 | sort -u\r
		expect T\r
		expect next>
		send touch go; fg\r
		expect run
		send hello\r
		expect got <hello>
		send \x03
		expect Interrupt: stopping
		expect next>
		send echo status=$?; exit\r
		expect status=130
	END
	[ "$status" -eq 130 ] || [ "$status" -eq 0 ]
}

@test "a pager at the end of the pipeline keeps its keyboard" {
	# shellcheck disable=SC2016
	terminal env PS1='next> ' bash --norc --noprofile -i <<-'END'
		expect next>
		send "$BIGM" run --as driver seq -- 3 | (cat; read -r line </dev/tty; echo "got <$line>")\r
		expect 2\r\n3\r\n
		send hello\r
		expect got <hello>
		expect next>
		send exit\r
	END
	[ "$status" -eq 0 ]
}
