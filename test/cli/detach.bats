# shellcheck shell=bats disable=SC2016 # the quoted scripts are for other shells
# bigm run -d: runs that go on without their terminal.
load common
load gate
bats_require_minimum_version 1.5.0

clean_up() {
	open_gate
	"$BIGM" shutdown --all 2>/dev/null
	forget_jobs
}

# facts_of NAME KEY: of the run, as JSON has it.
facts_of() {
	"$BIGM" status --json -c "$1" | python3 -c '
import json, sys
jobs = [job for each in json.load(sys.stdin) for job in each.get("jobs", [])]
assert len(jobs) == 1, jobs
print(jobs[0].get(sys.argv[1], "nothing"))' "$2"
}

nothing_runs() {
	[ -z "$(left_processes)" ]
}

# go: what reads the pipe may go on.
go() {
	timeout 20 sh -c 'echo gone >go'
}

@test "a job goes on by itself; its output and status are there afterwards" {
	mkfifo go
	name=$("$BIGM" run -d -n 2 sh -- -c 'echo "out $BIGM_RANK"; echo "err $BIGM_RANK" >&2; [ $BIGM_RANK = 1 ] || { cat go; exit 3; }' 2>told)
	[[ $name =~ ^[a-z]+-[a-z]+-[0-9a-f]{2}$ ]]
	# What the job prints at once may be there as well.
	run grep -v '^err [01]$' told
	[ "$status" -eq 1 ]
	[ "$(facts_of "$name" state)" = running ]
	run_bigm status
	[[ $output = *"cluster $name: 2 machines"* ]]
	"$BIGM" tail >out 2>err 3>&- &
	eventually 20 grep -q 'out 0' out
	kill -0 $!
	go
	wait $!
	[ "$(sort out)" = $'gone\nout 0\nout 1' ]
	[ "$(sort err)" = $'err 0\nerr 1' ]
	run_bigm wait "$name" --for ended
	[ "$status" -eq 3 ]
	[ -z "$output" ]
	nothing_runs
	[ "$("$BIGM" tail -c "$name" 2>&1 | sort)" = $'err 0\nerr 1\ngone\nout 0\nout 1' ]
	[ "$(facts_of "$name" state) $(facts_of "$name" status)" = "ended 3" ]
	run_bigm status
	[[ $output = *"$name  ended  3 "*"$name  sh -c 'echo "* ]]
	"$BIGM" shutdown "$name"
	nothing_left
}

@test "a driver does, and reads nothing" {
	mkfifo go
	name=$("$BIGM" run -d -n 2 --as driver sh -- -c 'cat; cat go; [ -S "$BIGM_CONTROL" ] && exit $BIGM_N' <<<"nobody reads this")
	[ "$(facts_of "$name" state)" = running ]
	go
	run_bigm wait "$name" --for ended
	[ "$status" -eq 2 ]
	[ "$("$BIGM" tail -c "$name")" = gone ]
	run_bigm run -d --stdin all cat
	[ "$status" -eq 2 ]
	[[ $output = *"--stdin all: a detached run reads nothing" ]]
}

@test "what goes wrong before it has begun is told at once, and leaves nothing" {
	run -127 "$BIGM" run -d ./nothing
	echo 'no interpreter' >text
	chmod +x text
	run_bigm run -d --as driver ./text
	[ "$status" -eq 126 ]
	[[ $output = "bigm run: "*text:* ]]
	run_bigm run -d --system nosuch true
	[ "$status" -eq 125 ]
	[[ $output = *'system "nosuch"'* ]]
	run_bigm run -d --name Bad true
	[ "$status" -eq 125 ]
	[[ $output = *'cluster name "Bad"'* ]]
	close_gate 1
	"$BIGM" run -d -n 2 --name calm true >out 2>err 3>&- &
	kill_one_starting 1
	wait $! || status=$?
	[ "$status" -eq 125 ]
	[ ! -s out ]
	grep -q '^bigm run: m[01]: .*signal 9' err
	nothing_left
}

@test "its name is its cluster's, and nobody else's meanwhile" {
	"$BIGM" run -d --name calm sleep -- 1000
	run_bigm run -d --name calm true
	[ "$status" -eq 125 ]
	[[ $output = *"job calm: is running already" ]]
	"$BIGM" shutdown calm
	run_bigm wait calm --for ended
	[ "$status" -eq 143 ]
	# The next of that name takes the place of one that has ended.
	"$BIGM" run -d --name calm true
	run_bigm wait --cluster calm --for ended
	[ "$status" -eq 0 ]
	# A cluster of the name is what is meant, once there is one.
	"$BIGM" start --name calm >/dev/null
	run_bigm wait calm --for ended
	[ "$status" -eq 125 ]
	[[ $output = *'no `bigm run -d` has the name calm' ]]
	run_bigm run -d --name calm true
	[ "$status" -eq 125 ]
	[[ $output = *"cluster calm: is running already" ]]
}

@test "the end of its terminal is nothing to it" {
	mkfifo go
	echo '"$BIGM" run -d --name calm sh -- -c "trap \"echo hangup\" HUP; cat go"' >begin
	python3 "${abs_top_srcdir:?}/test/cli/terminal.py" bash begin <<<"expect calm"
	[ "$(facts_of calm state)" = running ]
	pid=$(facts_of calm pid)
	[ "$(ps -o tty= -p "$pid")" = '?' ]
	[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
	go
	"$BIGM" wait calm --for ended
	[ "$("$BIGM" tail -c calm)" = gone ]
}

@test "it holds nothing of who has started it" {
	# The reader sees the end of the pipe, which the run has inherited thrice, though the run goes on.
	name=$("$BIGM" run -d sleep -- 1000 7>&1 | cat)
	[ "$(facts_of "$name" state)" = running ]
	"$BIGM" shutdown --now
	[ "$(facts_of "$name" status)" -ge 128 ]
}

@test "whoever is killed, nothing is left, and that is told" {
	name=$("$BIGM" run -d -n 2 sleep -- 1000)
	kill -KILL "$(facts_of "$name" pid)"
	run_bigm wait "$name" --for ended
	[ "$status" -eq 125 ]
	echo "$output"
	[ "$output" = "bigm wait: $name: bigm was killed, and has not said how it ended" ]
	[ "$(facts_of "$name" state)" = killed ]
	eventually 10 nothing_runs
	run_bigm status
	[[ $output = JOB*"$name  killed"* ]]
	name=$("$BIGM" run -d -n 2 --as driver sleep -- 1000)
	kill -KILL "$("$BIGM" status --json -c "$name" | grep -oP '"pid":\K[0-9]+' | head -1)"
	run_bigm wait "$name" --for ended
	[ "$status" -eq 125 ]
	eventually 10 nothing_runs
	run_bigm tail -c "$name"
	[[ $output = *"keeper"* ]]
}

@test "what ends the foreground before it has begun ends it" {
	close_gate 0
	"$BIGM" run -d --name calm true >out 2>err 3>&- &
	eventually 20 starting 1
	kill -KILL $!
	eventually 20 nothing_left
	"$BIGM" run -d --name calm true >out 2>err 3>&- &
	eventually 20 starting 1
	kill -TERM $!
	wait $! || status=$?
	[ "$status" -eq 143 ]
	grep -q '^bigm run: Terminated: stopping' err
	[ ! -s out ]
	nothing_left
}

@test "a run whose name cannot be printed does not stay" {
	run bash -c '"$BIGM" run -d sleep -- 1000 >/dev/full'
	[ "$status" -eq 1 ]
	[[ $output = *"standard output: "* ]]
	nothing_left
}

@test "--timeout, --collect, --output and --events are as ever" {
	mkfifo go
	# On a slow host the time may be up before it has begun.
	if "$BIGM" run -d --name calm --timeout 1 --events events sleep -- 1000 || ! status=$?; then
		run_bigm wait calm --for ended
		run "$BIGM" tail -c calm
		[ "$output" = "bigm run: timed out after 1 s" ]
		run_bigm wait calm --for ended
	fi
	[ "$status" -eq 124 ]
	grep -q '"cluster":"calm"' events
	"$BIGM" run -d --name calm -n 2 --output lines --collect 'part*' sh -- -c 'echo $BIGM_RANK; date >part$BIGM_RANK'
	"$BIGM" wait calm --for ended
	[ "$(cat lines/0.out lines/1.out)" = $'0\n1' ]
	[ "$(echo m*/part*)" = "m0/part0 m0/part1 m1/part0 m1/part1" ]
	run_bigm wait calm --for ended --timeout 20
	[ "$status" -eq 0 ]
}

@test "shutdown lets it end in good order" {
	"$BIGM" run -d --name calm sh -- -c 'trap "echo ending; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
	eventually 20 grep -q ready "$(facts_of calm stdout)"
	run_bigm shutdown calm
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run_bigm wait calm --for ended
	[ "$status" -eq 143 ]
	run -0 --separate-stderr "$BIGM" tail -c calm
	[ "$output" = $'ready\nending' ]
	[[ ${stderr:?} = "bigm run: Terminated: stopping"* ]]
}

@test "on a cluster that is there it has a name of its own, and the cluster stays" {
	mkfifo go
	"$BIGM" start -n 2 --name calm >/dev/null
	"$BIGM" run -d --cluster calm --name night sh -- -c '[ $BIGM_RANK = 1 ] || cat go'
	[ "$(facts_of night cluster)" = calm ]
	run_bigm run -d --cluster calm true
	[ "$status" -eq 125 ]
	go
	"$BIGM" wait night --for ended
	[ "$("$BIGM" tail -c night)" = gone ]
	run_bigm status --json
	[[ $output = *'"cluster":"calm"'*'"jobs":[{"job":"night","cluster":"calm",'* ]]
	name=$("$BIGM" run -d --cluster calm sleep -- 1000)
	[ "$name" != calm ]
	"$BIGM" shutdown "$name"
	[ "$(facts_of "$name" status)" = 143 ]
	"$BIGM" run -d --cluster calm --name night sleep -- 1000
	"$BIGM" shutdown --all
	[ "$(facts_of night status)" = 143 ]
}

@test "tail begins near the end, or ends with what there is" {
	mkfifo go
	"$BIGM" run -d --name calm sh -- -c 'seq 100000; printf end; cat go'
	eventually 20 grep -q end "$(facts_of calm stdout)"
	[ "$("$BIGM" tail --no-follow -n 3 | tr '\n' ' ')" = "99999 100000 end" ]
	[ "$("$BIGM" tail --no-follow -n 0)" = "" ]
	[ "$("$BIGM" tail --no-follow | wc -l)" -eq 100000 ]
	# One whose reader goes away ends, though nothing comes.
	"$BIGM" tail -c calm | head -n 1
	run_bigm tail --json
	[ "$status" -eq 2 ]
	[[ $output = *"calm is a detached run: "* ]]
	"$BIGM" tail all --no-follow
	go
	"$BIGM" wait calm --for ended
	[ "$("$BIGM" tail -c calm -n 1)" = endgone ]
	run bash -c '"$BIGM" tail -c calm >/dev/full'
	[ "$status" -eq 1 ]
}

@test "a folder that is nobody's record is left alone" {
	"$BIGM" run -d --name calm true
	"$BIGM" wait calm --for ended
	mkdir "$(dirname "$XDG_STATE_HOME"/bigm/*/calm.job)/Holiday plans.job"
	"$BIGM" shutdown --all
	[ "$("$BIGM" status --json | grep -oP '"job":"\K[a-z]+')" = calm ]
	rmdir "$XDG_STATE_HOME"/bigm/*/"Holiday plans.job"
}

@test "what ended a week ago is forgotten" {
	for name in old new; do
		"$BIGM" run -d --name "$name" true
		"$BIGM" wait "$name" --for ended
	done
	sed -i -E "s/\"ended_ns\":\"[0-9]+/\"ended_ns\":\"$(date -d '8 days ago' +%s%N)/" "$XDG_STATE_HOME"/bigm/*/old.job/job.json
	"$BIGM" run -d --name other true
	"$BIGM" wait other --for ended
	[ "$("$BIGM" status --json | grep -oP '"job":"\K[a-z]+' | tr '\n' ' ')" = "new other " ]
	run_bigm wait old --for ended
	[ "$status" -eq 125 ]
}
