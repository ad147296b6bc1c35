# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
# A bad network between keeper, commands and machines: each test has a network namespace of its own, in which the
# firewall drops packets of the loopback device, or hands connections to a relay (test/chaos/relay.py) that spoils them.
load common
load bounded

bigpi=$abs_top_builddir/examples/bigpi

# Kills what holds the namespace; what it has started in it goes with its cluster.
clean_up() {
	"$BIGM" shutdown --all 2>/dev/null || :
	[ -z "${RELAY:-}" ] || kill "$RELAY"
	[ -z "${NET:-}" ] || kill "$NET"
	eventually 10 forget_clocks
}

# libfaketime's shared memory is named for who made it, and stays when that is killed. It fails while one of ours lives.
forget_clocks() {
	local file maker
	for file in /dev/shm/faketime_shm_*; do
		maker=${file##*_}
		! grep -qsF "$DIR" "/proc/$maker/environ" || return
		grep -qs libfaketime "/proc/$maker/environ" || rm -f "$file" "/dev/shm/sem.faketime_sem_$maker"
	done
}

in_net() {
	nsenter --preserve-credentials --user --net --target "$NET" "$@"
}

is_apart() {
	local name
	name=$(readlink "/proc/$NET/ns/net") && [ "$name" != "$(readlink /proc/self/ns/net)" ] && grep -q . "/proc/$NET/uid_map"
}

# Makes the namespace, with a chain that sees what comes in and one that sees connections begin.
begin_net() {
	command -v nft >/dev/null || skip "no nft"
	command -v ip >/dev/null || skip "no ip"
	unshare --user --map-root-user --net true 2>/dev/null || skip "no network namespaces for us"
	unshare --user --map-root-user --net sleep 1000 3>&- &
	NET=$!
	eventually 10 is_apart
	in_net ip link set lo up
	in_net nft -f - <<-'END' || skip "no netfilter for us"
		table ip t {
			chain in {
				type filter hook input priority 0; policy accept;
			}
			chain begin {
				type nat hook output priority -100; policy accept;
			}
		}
	END
}

bigm() {
	in_net "$BIGM" "$@"
}

# of MACHINE EXPRESSION: a part of what status says of it.
of() {
	bigm status --json | python3 -c "import json, sys
m = next(m for m in json.load(sys.stdin)[0]['machines'] if m['machine'] == '$1')
print($2)"
}

is() {
	[ "$(of "$1" "$2")" = "$3" ]
}

port() {
	of "$1" 'm["address"].rstrip("/").split(":")[2]'
}

# Nothing to or from the machine arrives any more.
cut_off() {
	in_net nft add rule ip t in tcp dport "$1" counter drop
	in_net nft add rule ip t in tcp sport "$1" counter drop
}

heal() {
	in_net nft flush chain ip t in
}

# dropped N: so many packets, at least, have been.
dropped() {
	in_net nft list chain ip t in | awk -v least="$1" '/packets/ { sub(".*packets ", ""); n += $1 }
		END { exit n < least }'
}

relay() {
	echo "$*" >order.new && mv order.new order
}

# All connections go through the relay, which does as it is told.
begin_relay() {
	relay "$@"
	nsenter --preserve-credentials --user --net --target "$NET" python3 "$abs_top_srcdir/test/chaos/relay.py" 7777 order >relay.out 2>relay.err 3>&- &
	RELAY=$!
	eventually 10 grep -qs ready relay.out
	in_net nft -f - <<-'END'
		add rule ip t begin meta mark 1 accept
		add rule ip t begin ip daddr 127.0.0.1 tcp dport != 7777 redirect to :7777
	END
}

# What bigpi says of so many samples, wherever it runs.
pi_of() {
	"$bigpi" --machines 1 --samples "$1" --seed 7 2>/dev/null
}

# ---------------------------------------------------------------------------------------------------------------------

@test "a partition that heals in time costs a call its deadline, and nothing else" {
	begin_net
	bigm start -n 2 --keepalive-period 1 --keepalive-call 500ms --keepalive-timeout 90 --lease 120 "$bigpi"
	pid=$(of m0 'm["pid"]')
	cut_off "$(port m0)"
	run bigm call m0 Supervisor.Ping 7 -t 1
	[ "$status" -eq 1 ]
	echo "$output"
	[[ $output == *"m0: "*deadline* ]]
	[ "$(bigm call m1 Supervisor.Ping 8)" = 8 ]
	run bigm call all Supervisor.Ping 9 -t 5
	[ "$status" -eq 1 ]
	[[ $output == *'"m0","error"'*'"m1","reply":9'* ]]
	eventually 60 dropped 10
	is m0 'm["state"]' RUNNING
	before=$(of m0 'm["keepalive"]["times"]')
	heal
	[ "$(bigm call m0 Supervisor.Ping 7 -t 60)" = 7 ]
	eventually 90 is m0 'm["keepalive"]["times"] != '"$before" True
	is m0 'm["pid"]' "$pid"
}

stopped() {
	is "$1" 'm["state"]' STOPPED
}

@test "a partition that is longer than the time-out ends the machine, and no other" {
	begin_net
	bigm start -n 2 --keepalive-period 1 --keepalive-call 500ms --keepalive-timeout 2 --lease 120 "$bigpi"
	pid=$(of m0 'm["pid"]')
	cut_off "$(port m0)"
	eventually 60 stopped m0
	[[ $(of m0 'm["reason"]["message"]') == "m0: no answer to Keepalive within 2s: "* ]]
	run bigm call m0 Supervisor.Ping 7
	[ "$status" -eq 1 ]
	[[ $output == *"m0: "* ]]
	[ "$(bigm call m1 Supervisor.Ping 8)" = 8 ]
	eventually 10 [ ! -e "/proc/$pid" ]
}

@test "a partition that is longer than the lease: the machine ends itself, and says why" {
	begin_net
	bigm start -n 2 --keepalive-period 1 --keepalive-call 500ms --keepalive-timeout 90 --lease 3 "$bigpi"
	cut_off "$(port m0)"
	eventually 60 stopped m0
	[[ $(of m0 'm["reason"]["message"]') == "m0: "*"lease is over"* ]]
	[ "$(bigm call m1 Supervisor.Ping 8)" = 8 ]
}

@test "with 20 % loss everything is right, if slow" {
	begin_net
	in_net nft add rule ip t in numgen random mod 100 '<' 20 counter drop
	[ "$(in_net "$BIGM" run "$bigpi" -n 3 -- --samples 30000000 --seed 7 2>/dev/null)" = "$(pi_of 30000000)" ]
	bigm start -n 1 --keepalive-call 60 "$bigpi"
	head -c 1000000 /dev/urandom >sent
	bigm exec m0 -- cat <sent >got
	cmp sent got
	dropped 1
}

@test "200 ms of delay each way cost time only" {
	begin_net
	begin_relay delay 0.2
	bigm start -n 2 "$bigpi"
	begin=${EPOCHREALTIME/[.,]/}
	[ "$(bigm call m1 Supervisor.Ping 7)" = 7 ]
	((${EPOCHREALTIME/[.,]/} - begin > 800000))
	[ "$(in_net "$BIGM" run "$bigpi" -n 3 -- --samples 30000000 --seed 7 2>/dev/null)" = "$(pi_of 30000000)" ]
}

# begin_flood: sends zeros to m0, which sends them back, as CLIENT.
begin_flood() {
	nsenter --preserve-credentials --user --net --target "$NET" "$BIGM" exec m0 -- cat </dev/zero >/dev/null 3>&- &
	CLIENT=$!
	eventually 60 has_moved "$CLIENT" 8
}

@test "while a network drops or holds what is sent, keeper, client and machine keep little of it" {
	# shellcheck disable=SC2154 # of make check
	[ "$sanitizer" = no ] || skip "a sanitizer has a memory of its own"
	begin_net
	begin_relay pass
	bigm start -n 1 --keepalive-period 100ms --keepalive-call 1s --keepalive-timeout 300 --lease 600 "$bigpi"
	machine=$(of m0 'm["pid"]')
	keeper=$(bigm status --json | grep -o '"pid":[0-9]*' | head -1 | cut -d: -f2)
	for what in drop hold; do
		begin_flood
		if [ "$what" = hold ]; then relay hold; else cut_off "$(port m0)"; fi
		# The keeper goes on asking.
		eventually 60 is_held_back "$CLIENT" 8
		for pid in "$CLIENT" "$machine" "$keeper"; do
			has_needed "$pid" 48
		done
		relay pass
		heal
		kill -KILL "$CLIENT"
		wait "$CLIENT" || true
	done
	[ "$(bigm call m0 Supervisor.Ping 7 -t 60)" = 7 ]
	is m0 'm["state"]' RUNNING
}

@test "connections that are cut, bent or held fail the calls on them, and only those" {
	begin_net
	begin_relay pass
	bigm start -n 2 --keepalive-period 1 --keepalive-call 500ms --keepalive-timeout 300 --lease 600 "$bigpi"
	for what in "cut 900" garble hold; do
		echo "== $what"
		relay "$what"
		for machine in m0 m1; do
			run bigm call "$machine" Supervisor.Ping 7 -t 2
			echo "$output"
			[ "$status" -eq 1 ]
			[[ $output == "bigm call: $machine: "* ]]
		done
	done
	relay cut 50000
	run bigm exec m0 -- head -c 1000000 /dev/zero
	[ "$status" -eq 125 ]
	relay pass
	[ "$(bigm call m0 Supervisor.Ping 7 -t 60)" = 7 ]
	is m0 'm["state"]' RUNNING
	is m1 'm["state"]' RUNNING
}

@test "a link that goes down and comes up again costs nothing" {
	begin_net
	bigm start -n 2 --keepalive-period 1 --keepalive-call 500ms --keepalive-timeout 90 --lease 120 "$bigpi"
	in_net ip link set lo down
	run bigm call m0 Supervisor.Ping 7 -t 1
	[ "$status" -eq 1 ]
	[[ $output == *"m0: "* ]]
	in_net ip link set lo up
	[ "$(bigm call m0 Supervisor.Ping 7 -t 60)" = 7 ]
	is m0 'm["state"]' RUNNING
}

# ---------------------------------------------------------------------------------------------------------------------
# Clocks

faketime() {
	library=$(find /usr/lib /usr/local/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
	[ -n "$library" ] || skip "no libfaketime"
	[ "${sanitizer:-no}" = no ] || skip "no preloading of libraries beside a sanitizer"
	fake=(-e "LD_PRELOAD=$library" -e FAKETIME_DONT_FAKE_MONOTONIC=1 -e FAKETIME_NO_CACHE=1
		-e "FAKETIME_TIMESTAMP_FILE=$PWD/clock")
}

@test "a machine's clock may be 20 hours late, or two weeks early" {
	faketime
	for clock in -20h +14d; do
		echo "$clock" >clock
		"$BIGM" start -n 1 "${fake[@]}" "$bigpi"
		[ "$("$BIGM" call m0 Supervisor.Ping 7)" = 7 ]
		run "$BIGM" exec m0 -- date +%s
		((output - EPOCHSECONDS > 3600 || EPOCHSECONDS - output > 3600))
		"$BIGM" shutdown
	done
}

@test "a machine whose clock is two days late is refused, with the reason" {
	faketime
	echo -48h >clock
	run "$BIGM" start -n 1 "${fake[@]}" "$bigpi"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"m0: "*"our clock says"*"set it right"* ]]
}

@test "leases do not care for a clock that is set" {
	faketime
	echo +0 >clock
	"$BIGM" start -n 1 --keepalive-period 1 --lease 60 "${fake[@]}" "$bigpi"
	for clock in +7d -12h +0; do
		echo "$clock" >clock.new
		mv clock.new clock
		before=$("$BIGM" status --json | grep -o '"times":[^]]*')
		eventually 30 other_times "$before"
		[ "$("$BIGM" call m0 Supervisor.Ping 7)" = 7 ]
	done
}

other_times() {
	[ "$("$BIGM" status --json | grep -o '"times":[^]]*')" != "$1" ]
}

# The link is slow until all has been seen that is to be seen; then it is not.
@test "what is being sent is told: bytes, rate, and machines done; with run --cluster, too" {
	local link="tc qdisc replace dev lo root tbf burst 128kb latency 1s rate" enter
	enter="nsenter --preserve-credentials --user --net --target"
	begin_net
	command -v tc >/dev/null || skip "no tc"
	printf '#!/bin/sh\nwc -c <data\n' >job
	chmod +x job
	head -c 5000000 /dev/urandom >data
	bigm start -n 2 --name calm --keepalive-call 100s --keepalive-timeout 200s 3>&-
	pid=$(of m1 'm["pid"]')
	# shellcheck disable=SC2086 # several words
	in_net $link 4mbit || skip "no tbf for us"
	# shellcheck disable=SC2086 # several words
	run python3 "$abs_top_srcdir/test/cli/terminal.py" $enter "$NET" "$BIGM" run --cluster calm --file data ./job <<-END
		expect MB, 0.
		expect MB/s, 0 of 2 done
		run kill -STOP $pid
		run $enter $NET $link 10gbit
		expect MB/s, 1 of 2 done
		run kill -CONT $pid
		expect m0: 5000000
	END
	[ "$status" -eq 0 ]
	grep -aE 'shipping: [0-9]+\.[0-9] of 10\.0 MB, 0\.[0-9] MB/s, 0 of 2 done' <<<"$output"
	grep -aE 'shipping: [5-9]\.[0-9] of 10\.0 MB, [0-9.]+ MB/s, 1 of 2 done' <<<"$output"
	[ "$(grep -acE 'm[01]: .*5000000' <<<"$output")" -eq 2 ]
}
