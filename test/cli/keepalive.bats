# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
# How keeper and machines know of each other, with times that a test can wait for.
load common

clean_up() {
	# One that a test has stopped goes on first.
	[ -z "${STOPPED:-}" ] || kill -CONT "$STOPPED" 2>/dev/null || :
	"$BIGM" shutdown --all 3>&-
}

# of_status EXPRESSION: a part of what bigm status says of the cluster.
of_status() {
	"$BIGM" status --json | python3 -c "import json, sys; c = json.load(sys.stdin)[0]; print($1)"
}

# state_is MACHINE STATE
state_is() {
	[ "$(of_status "c['machines'][$1]['state']")" = "$2" ]
}

reason_of() {
	of_status "c['machines'][$1].get('reason', {}).get('message', '')"
}

is_gone() {
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

stop_process() {
	STOPPED=$1
	kill -STOP "$1"
	eventually 10 grep -q '^State:.T' "/proc/$1/status"
}

# asked N MACHINE: so many answers to Keepalive have been timed.
asked() {
	[ "$(of_status "len(c['machines'][$2].get('keepalive', {}).get('times', []))")" -ge "$1" ]
}

@test "the times are what options, settings and the system say" {
	mkdir -p "$XDG_CONFIG_HOME/bigm"
	printf '%s\n' 'lease = 1h' 'keepalive-call = 3' >"$XDG_CONFIG_HOME/bigm/config"
	BIGM_LEASE_FIRST=90s "$BIGM" start --lease 7m --keepalive-period 250ms >name 3>&-
	[ "$(of_status "c['keepalive']")" = \
		"{'period': 0.25, 'timeout': 120, 'call': 3, 'lease': 420, 'lease_first': 90}" ]
	BIGM_LEASE_FIRST=90s run_bigm config
	[[ "$(tr -s ' ' <<<"$output")" == *"lease 1h $XDG_CONFIG_HOME/bigm/config:1"*"lease-first 90s BIGM_LEASE_FIRST"* ]]
}

@test "the defaults are those of the system" {
	"$BIGM" start >name 3>&-
	[ "$(of_status "c['keepalive']")" = \
		"{'period': 60, 'timeout': 120, 'call': 10, 'lease': 300, 'lease_first': 120}" ]
	asked 1 0
	[ "$(of_status "0 < c['machines'][0]['keepalive']['next'] <= 30")" = True ]
}

@test "times that machines would die of are refused" {
	run_bigm start --lease 30s
	[ "$status" -eq 1 ]
	[[ $output == *"a lease of 30s ends before it is renewed"*"keepalive-period of 1m"* ]]
	run_bigm start --keepalive-call 1h
	[ "$status" -eq 1 ]
	[[ $output == *"a keepalive-call of 1h is longer than the keepalive-timeout of 2m"* ]]
	run_bigm run --lease 2d true
	[ "$status" -eq 125 ]
	[[ $output == *"a lease of 2d: it has to be from 100ms to 1d"* ]]
	run_bigm start --lease soon
	[ "$status" -eq 2 ]
	[[ $output == *"soon is no time"* ]]
	BIGM_LEASE=never run_bigm start
	[ "$status" -eq 2 ]
	[[ $output == *"BIGM_LEASE=never: never is no time"* ]]
}

@test "the last ten reply times are kept" {
	"$BIGM" start --keepalive-period 40ms >name 3>&-
	eventually 10 asked 10 0
	[ "$(of_status "all(0 < int(t) < 60e9 for t in c['machines'][0]['keepalive']['times'])")" = True ]
	[ "$(of_status "len(c['machines'][0]['keepalive']['times'])")" -eq 10 ]
}

# Ten seconds, so that the other one cannot fail on a busy host.
@test "a machine that is stopped fails after the time-out, the others go on" {
	"$BIGM" start -n 2 --keepalive-period 200ms --keepalive-timeout 10s --keepalive-call 1s >name 3>&-
	stop_process "$(of_status "c['machines'][1]['pid']")"
	eventually 30 state_is 1 STOPPED
	[[ $(reason_of 1) == "m1: no answer to Keepalive within 10s: "*"; its process $STOPPED has been stopped" ]]
	eventually 10 is_gone "$STOPPED"
	state_is 0 RUNNING
	run_bigm call m0 Supervisor.Ping 7
	[ "$output" = 7 ]
}

@test "a machine that goes on before the time-out has lost nothing" {
	"$BIGM" start --keepalive-period 100ms --keepalive-timeout 1h --keepalive-call 200ms >name 3>&-
	stop_process "$(of_status "c['machines'][0]['pid']")"
	# Calls are failing by now.
	sleep 0.5
	kill -CONT "$STOPPED"
	run_bigm call m0 Supervisor.Getpid
	[ "$output" = "$STOPPED" ]
	state_is 0 RUNNING
}

is_asked_again() {
	[ "$(of_status "c['machines'][$1]['keepalive']['times'][0]")" != "$2" ]
}

# What it does not count as the machine's silence then, test_pulse shows.
@test "a keeper that was stopped for less than the lease loses nothing" {
	"$BIGM" start -n 2 --keepalive-period 200ms >name 3>&-
	eventually 10 asked 1 1
	machines=$(of_status "[m['pid'] for m in c['machines']]")
	stop_process "$(of_status "c['pid']")"
	sleep 1
	kill -CONT "$STOPPED"
	eventually 10 is_asked_again 0 "$(of_status "c['machines'][0]['keepalive']['times'][0]")"
	run_bigm call all Supervisor.Ping 7
	[ "$status" -eq 0 ]
	[ "$(of_status "[m['pid'] for m in c['machines'] if m['state'] == 'RUNNING']")" = "$machines" ]
}

# A lease of ten seconds, so that it does not end on a busy host before the keeper is stopped.
@test "machines end when the keeper was stopped for longer, and it knows why" {
	"$BIGM" start -n 2 --keepalive-period 1s --lease 10s >name 3>&-
	eventually 10 asked 1 1
	pids=$(of_status "' '.join(str(m['pid']) for m in c['machines'])")
	stop_process "$(of_status "c['pid']")"
	for pid in $pids; do
		eventually 30 is_gone "$pid"
	done
	kill -CONT "$STOPPED"
	for i in 0 1; do
		eventually 10 state_is "$i" STOPPED
		[ "$(reason_of "$i")" = "m$i: lease expired while the keeper was suspended" ]
		run_bigm tail --no-follow "m$i"
		[[ $output == *"the lease is over: no Keepalive from the keeper for 10000 ms; the machine ends itself"* ]]
	done
}
