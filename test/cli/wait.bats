# shellcheck shell=bats
# bigm wait.
load common
load gate
bats_require_minimum_version 1.5.0

@test "it returns when all machines run, and not before" {
	close_gate 1
	"$BIGM" start -n 2 --no-wait --name calm >/dev/null
	run_bigm wait calm --timeout 300ms
	[ "$status" -eq 124 ]
	[[ $output = "bigm wait: timed out after 0.3 s: m"[01]" is STARTING" ]]
	"$BIGM" wait 3>&- &
	open_gate
	wait $!
	[ "$("$BIGM" status | grep -c RUNNING)" -eq 2 ]
	run_bigm wait --cluster calm
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "a machine that is STOPPED is named, with its reason" {
	close_gate 1
	"$BIGM" start -n 2 --no-wait --name calm >/dev/null
	kill_one_starting 1
	run_bigm wait calm
	[ "$status" -eq 1 ]
	[[ $output = "bigm wait: m"[01]": "*"signal 9"* ]]
	[[ $output != *"m"[01]": m"* ]]
}

@test "--for gone returns when nothing is left of it" {
	"$BIGM" start --name calm >/dev/null
	run_bigm wait calm --for gone --timeout 100ms
	[ "$status" -eq 124 ]
	"$BIGM" wait calm --for gone 3>&- &
	eventually 10 grep -q '^State:.*sleeping' "/proc/$!/status"
	"$BIGM" shutdown calm
	wait $!
	[ -z "$(find "$XDG_STATE_HOME/bigm" -mindepth 2)" ]
	run_bigm wait calm --for gone
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "--for gone waits for a keeper that does not answer, and no longer than it shall" {
	local keeper begin=$SECONDS
	"$BIGM" start --name calm >/dev/null
	keeper=$(grep -oP '"pid":\K[0-9]+' "$XDG_STATE_HOME"/bigm/*/calm/info.json)
	kill -STOP "$keeper"
	run_bigm wait calm --for gone --timeout 300ms
	kill -CONT "$keeper"
	[ "$status" -eq 124 ]
	[[ $output = "bigm wait: timed out after 0.3 s: cluster calm: is still there"* ]]
	((SECONDS - begin < 14)) # it gives up a keeper after 15
}

@test "what is wrong is said" {
	run_bigm wait nobody
	[ "$status" -eq 1 ]
	[[ $output = "bigm wait: "*nobody* ]]
	run_bigm wait --for sunset
	[ "$status" -eq 2 ]
	run_bigm wait a --cluster b
	[ "$status" -eq 2 ]
}
