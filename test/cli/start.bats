load common
load gate

bigpi=$abs_top_builddir/examples/bigpi

@test "start prints the name only, leaves machines that run, and shutdown ends all" {
	name=$("$BIGM" start -n 3 --name calm "$bigpi" 2>err)
	[ "$name" = calm ]
	[ ! -s err ]
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 3 ]
	"$BIGM" shutdown calm
	[ -z "$("$BIGM" status)" ]
}

@test "start gives its standard output back at once, as ssh waits for" {
	# shellcheck disable=SC2016 # for the inner shell
	name=$(timeout 60 sh -c '"$BIGM" start | cat')
	[ -n "$name" ]
}

@test "--no-wait returns while the machines are STARTING, and calls wait" {
	close_gate 0
	"$BIGM" start --no-wait -n 2 "$bigpi"
	starting 2
	"$BIGM" call m1 Supervisor.Ping 5 >out 3>&- &
	open_gate
	wait $!
	[ "$(cat out)" = 5 ]
}

@test "start says the name when all machines run, and not before" {
	close_gate 1
	"$BIGM" start -n 2 --name calm >out 3>&- &
	eventually 20 starting 1
	[ ! -s out ]
	open_gate
	wait $!
	[ "$(cat out)" = calm ]
}

@test "fewer machines than asked for are a failure, but not with --min" {
	local status=0
	close_gate 1
	"$BIGM" start -n 2 --name calm >out 2>err 3>&- &
	kill_one_starting 1
	wait $! || status=$?
	[ "$status" -eq 1 ]
	[ ! -s out ]
	[[ $(<err) == "bigm start: m"*": killed by signal 9 (Killed) while starting (1 of 2 machines came up)" ]]
	[ -z "$("$BIGM" status)" ]
	touch "$GATE/free0"
	"$BIGM" start -n 2 --min 1 --name calm >out 2>err 3>&- &
	kill_one_starting 1
	wait $!
	[ "$(cat out)" = calm ]
	[[ $(<err) == *"(going on with 1 of 2 machines)" ]]
}

@test "--service chooses services instead of one of each type" {
	"$BIGM" start --service first=PI --service 'second=PI:{"a": 1}' "$bigpi"
	run_bigm call m0
	[ "$output" = "Supervisor
first
second" ]
}

@test "a service that the program does not have is named, and nothing stays" {
	run_bigm start --service PJ "$bigpi"
	[ "$status" -eq 1 ]
	[[ $output == *PJ*PI* ]]
	[ -z "$("$BIGM" status)" ]
}

@test "a plain program is refused with what to do instead" {
	run_bigm start hostname
	[ "$status" -eq 2 ]
	[ "$output" = "bigm start: hostname is not linked with libbigm and has no services; start the machines without it, and use \`bigm exec\`" ]
	[ -z "$("$BIGM" status)" ]
}

@test "machines get -e and -C" {
	mkdir there
	export OURS=mine
	"$BIGM" start -e GIVEN=yes -e OURS -C there
	pid=$("$BIGM" call m0 Supervisor.Getpid)
	tr '\0' '\n' <"/proc/$pid/environ" | grep -qx GIVEN=yes
	tr '\0' '\n' <"/proc/$pid/environ" | grep -qx OURS=mine
	[ "$(readlink "/proc/$pid/cwd")" = "$PWD/there" ]
}

@test "a folder that is none is refused" {
	run_bigm start -C /nowhere
	[ "$status" -eq 2 ]
	[ "$output" = "bigm start: the folder /nowhere: No such file or directory" ]
}

@test "two clusters of one name are refused" {
	"$BIGM" start --name one
	run_bigm start --name one
	[ "$status" -eq 1 ]
	[[ $output == *one* ]]
	[ "$("$BIGM" status --json | grep -o '"cluster"' | wc -l)" -eq 1 ]
}

@test "--service without a program asks which" {
	run_bigm start --service PI
	[ "$status" -eq 2 ]
	[ "$output" = "bigm start: --service PI: which program has it?" ]
}

@test "broken parameters of a service are told with their place" {
	run_bigm start --service 'PI:{"a" 1}' "$bigpi"
	[ "$status" -eq 2 ]
	[[ $output == *"--service PI: line 1, column "* ]]
}

@test "more machines than the soft limit of open files allows; they keep that limit" {
	(ulimit -S -n 60 && "$BIGM" start -n 40 >/dev/null)
	(ulimit -S -n 30 && "$BIGM" call all Supervisor.Ping 7) >out
	[ "$(grep -c '"reply":7' out)" -eq 40 ]
	"$BIGM" exec all -- sh -c 'ulimit -S -n' >out
	[ "$(sort out | uniq -c | tr -s ' ')" = " 40 60" ]
}
