# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
load common

# begin N: a cluster of that many machines, held by a run that would not end by itself.
begin() {
	"$BIGM" run -n "$1" sh -- -c 'echo ready; exec sleep 1000' >"out-$1" 2>&1 3>&- &
	RUN=$!
	eventually 10 is_ready "$1"
}

is_ready() {
	[ "$(grep -c ready "out-$1")" -eq "$1" ]
}

@test "status of none is nothing, an empty list in JSON, and no failure" {
	run_bigm status
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run_bigm status --json
	[ "$status" -eq 0 ]
	[ "$output" = "[]" ]
}

@test "shutdown of none is no failure, with a note" {
	run_bigm shutdown
	[ "$status" -eq 0 ]
	[ "$output" = "bigm shutdown: there is no cluster" ]
	run_bigm shutdown --all
	[ "$status" -eq 0 ]
	[ "$output" = "bigm shutdown: there is no cluster" ]
}

@test "a cluster that is not there is named" {
	run_bigm status --cluster nowhere
	[ "$status" -eq 1 ]
	[[ $output == *nowhere* ]]
	run_bigm shutdown nowhere
	[ "$status" -eq 1 ]
	[[ $output == *nowhere* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "status shows each machine" {
	begin 3
	run_bigm status
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "cluster "*": 3 machines, local" ]]
	[[ ${lines[1]} == MACHINE*STATE*PROCS*PID*ADDRESS ]]
	[[ ${lines[2]} =~ ^m0\ +RUNNING\ +1\ +[0-9]+\ .*https://127\.0\.0\.1:[0-9]+/$ ]]
	[[ ${lines[4]} =~ ^m2\ +RUNNING ]]
	run_bigm status --json
	[ "$(python3 -c 'import json, sys; print(*(m["state"] for m in json.load(sys.stdin)[0]["machines"]))' <<<"$output")" = \
		"RUNNING RUNNING RUNNING" ]
	run_bigm shutdown
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	wait "$RUN" || true
}

@test "of several clusters one must be named; shutdown --all ends them all" {
	begin 1
	begin 2
	run_bigm status
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	run_bigm shutdown
	[ "$status" -eq 1 ]
	local names refusal=$output name
	names=$(cd "$XDG_STATE_HOME"/bigm/* && echo *)
	[ "$(wc -w <<<"$names")" -eq 2 ]
	for name in $names; do
		[[ $refusal == *"$name"* ]]
		run_bigm status --cluster "$name"
		[ "$status" -eq 0 ]
		[[ $output == "cluster $name: "* ]]
	done
	run_bigm shutdown "${names%% *}"
	[ "$status" -eq 0 ]
	run_bigm status
	[ "$status" -eq 0 ]
	[[ $output == "cluster ${names##* }: "* ]]
	run_bigm shutdown --all
	[ "$status" -eq 0 ]
	wait "$RUN" || true
}

@test "a mistyped cluster gets the nearest name" {
	begin 1
	local name
	name=$(cd "$XDG_STATE_HOME"/bigm/* && echo *)
	run_bigm status --cluster "${name}x"
	[ "$status" -eq 1 ]
	[ "$output" = "bigm status: there is no cluster ${name}x; did you mean $name?" ]
	run_bigm shutdown
	wait "$RUN" || true
}

@test "a run whose cluster is shut down by another says so" {
	begin 1
	run_bigm shutdown --now
	[ "$status" -eq 0 ]
	local status=0
	wait "$RUN" || status=$?
	cat out-1
	[ "$status" -eq 125 ]
	[ "$(tail -1 out-1)" = "bigm run: the cluster has been shut down" ]
}

@test "--all and a name contradict each other" {
	run_bigm shutdown --all some
	[ "$status" -eq 2 ]
}
