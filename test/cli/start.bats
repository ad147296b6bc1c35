load common

bigpi=$abs_top_builddir/examples/bigpi

clean_up() {
	"$BIGM" shutdown --all
}

@test "start prints the name only, leaves machines that run, and shutdown ends all" {
	name=$("$BIGM" start -n 3 --name calm "$bigpi" 2>err)
	[ "$name" = calm ]
	[ ! -s err ]
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 3 ]
	"$BIGM" shutdown calm
	[ -z "$("$BIGM" status)" ]
}

@test "start gives its standard output back at once, as ssh waits for" {
	name=$(timeout 10 "$BIGM" start | cat)
	[ -n "$name" ]
}

@test "--no-wait returns while the machines are STARTING, and calls wait" {
	"$BIGM" start --no-wait -n 2 "$bigpi"
	run_bigm call m1 Supervisor.Ping 5
	[ "$status" -eq 0 ]
	[ "$output" = 5 ]
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
