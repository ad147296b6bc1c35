# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
# Bundles that reach machines by way of other machines, some of which do not do what they should.  What is slow or
# stalls is found by time (lib/keeper/broadcast.h), and so these tests take some seconds.
load common
bats_require_minimum_version 1.5.0

SIZE=8000000

clean_up() {
	"$BIGM" shutdown --all 2>/dev/null
}

# begin N: that many machines, which nobody gives up meanwhile, and a bundle of 8 MB with a script for them.
begin() {
	"$BIGM" start -v -n "$1" --name calm --log-dir logs --keepalive-call 100s --keepalive-timeout 200s 3>&- 2>/dev/null
	printf '#!/bin/sh\nwc -c <data\n' >job
	chmod +x job
	head -c "$SIZE" /dev/urandom >data
	"$BIGM" bundle ./job --file data -o a.bigm
}

pid() {
	"$BIGM" status --json | python3 -c "import json, sys
print(next(m['pid'] for m in json.load(sys.stdin)[0]['machines'] if m['machine'] == '$1'))"
}

folder() {
	echo "$XDG_STATE_HOME"/bigm/*/calm/"$1"
}

# have MACHINE...: each has unpacked the bundle.
have() {
	local m
	for m; do
		find "$(folder "$m")" -path '*/sha256-*/data' ! -path '*.unpacking-*' | grep -q . || return 1
	done
}

# run_job: runs the bundle on all machines, in the background; ended STATUS: it ends with that.
run_job() {
	"$BIGM" run --cluster calm a.bigm >out 2>err 3>&- &
	job=$!
}

ended() {
	local status=0
	wait "$job" || status=$?
	cat out err
	[ "$status" -eq "$1" ]
}

# keeper_log: what the keeper wrote, once the cluster is gone the cluster is gone
keeper_log() {
	"$BIGM" shutdown calm
	cat logs/calm/keeper.log
}

# sent LOG: how many bytes of parcels the keeper has sent
sent() {
	sed -n 's/.*: \([0-9]*\) bytes were sent, of .*/\1/p' <<<"$1" | awk '{ n += $1 } END { print n }'
}

@test "a bundle is sent once to many machines, and only what is new the next time" {
	local log
	begin 8
	run_bigm run --cluster calm a.bigm
	[ "$status" -eq 0 ]
	[ "$(grep -c "^$SIZE$" <<<"$output")" -eq 8 ]
	echo news >tidings
	cp data again
	"$BIGM" bundle ./job --file data --file tidings --file again -o a.bigm
	run_bigm run --cluster calm a.bigm
	[ "$(grep -c "^$SIZE$" <<<"$output")" -eq 8 ]
	[ "$(cat "$(folder m7)"/sha256-*/tidings)" = news ]
	cmp data "$(echo "$(folder m7)"/sha256-*/again)"
	log=$(keeper_log)
	[ "$(sent "$log")" -gt "$SIZE" ]
	[ "$(sent "$log")" -lt $((SIZE + SIZE / 10)) ]
	[ "$(grep -c "from the keeper" <<<"$log")" -le 4 ]
}

@test "nobody waits for a machine that stalls, though it comes first, and it has all in the end" {
	local log stalled
	begin 6
	stalled=$(pid m0)
	kill -STOP "$stalled"
	run_job
	eventually 60 have m1 m2 m3 m4 m5
	run ! have m0
	kill -CONT "$stalled"
	ended 0
	[ "$(grep -c "^$SIZE$" out)" -eq 6 ]
	log=$(keeper_log)
	grep "fetches" <<<"$log"
	[ "$(sent "$log")" -le $((2 * SIZE + SIZE / 10)) ]
}

@test "who fetches from a machine that dies fetches from another" {
	local log stalled
	begin 6
	stalled=$(pid m0)
	kill -STOP "$stalled"
	run_job
	# It was chosen for the first one, of which all others fetch.
	eventually 20 grep -q "m5: fetches" "$XDG_STATE_HOME"/bigm/*/calm/keeper.log
	kill -KILL "$stalled"
	eventually 60 have m1 m2 m3 m4 m5
	ended 125
	log=$(keeper_log)
	grep "m0: fetches.*from the keeper at 0" <<<"$log"
	[ "$(sent "$log")" -le $((2 * SIZE + SIZE / 10)) ]
}

@test "a machine that lies is found out, and nobody asks it again" {
	local log stalled m
	begin 4
	stalled=$(pid m3)
	kill -STOP "$stalled"
	run_job
	eventually 60 have m0 m1 m2
	# What they have checked, they change.
	for m in m0 m1 m2; do
		printf 'lies' | dd of="$(echo "$(folder "$m")"/parcel-*)" bs=1 seek=$((SIZE - 5000)) conv=notrunc status=none
	done
	kill -CONT "$stalled"
	ended 0
	[ "$(grep -c "^$SIZE$" out)" -eq 4 ]
	cmp data "$(echo "$(folder m3)"/sha256-*/data)"
	log=$(keeper_log)
	grep -q "m[012] lies: what came at" <<<"$log"
	[ "$(sent "$log")" -le $((2 * SIZE + SIZE / 10)) ]
}
