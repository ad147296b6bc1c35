# Every way in which a machine can fail, and a peer can misbehave: the caller is told the truth, the other machines go
# on, and what had been printed is there.
bats_require_minimum_version 1.5.0
load common

clean_up() {
	"$BIGM" shutdown --all 3>&-
}

# start_cluster OPTION...: two machines that serve failing.c.
start_cluster() {
	"$BIGM" start -n 2 --name calm "$@" "${abs_top_builddir:?}/test/cli/failing" >/dev/null 3>&-
	mapfile -t address < <("$BIGM" status --json | grep -o 'https://[^"]*')
	record=$("$BIGM" status --json | grep -o '"record":"[^"]*' | cut -d'"' -f4)
}

# stopped MACHINE REASON: status has it.
stopped() {
	"$BIGM" status | grep -q "^$1 *STOPPED.*$2"
}

# echoes MACHINE: it serves.
echoes() {
	[ "$("$BIGM" call "$1" Fail.Echo '["x"]')" = '["x"]' ]
}

# A thousand lines and part of one, as the method wrote them before it failed.
all_was_printed() {
	diff <("$BIGM" tail --no-follow "$1") <(seq -f 'line %.0f' 0 999 && printf 'last words')
}

# by_peer METHOD [ARG]: m0 is called over a connection that m1 has.
by_peer() {
	"$BIGM" call m1 Peer.Call "{\"address\": \"${address[0]}\", \"method\": \"$1\", \"arg\": ${2:-null}}"
}

@test "a method that crashes: the signal is named, and what was printed is there" {
	start_cluster
	run -1 "$BIGM" call m0 Fail.Segv
	echo "$output"
	[[ $output == "bigm call: m0: Fail.Segv: "* ]]
	eventually 10 stopped m0 "killed by signal 11"
	all_was_printed m0
	echoes m1
}

@test "a method that ends the process with status 0 fails its call" {
	start_cluster
	run -1 "$BIGM" call m0 Fail.Exit
	echo "$output"
	[[ $output == "bigm call: m0: Fail.Exit: "* ]]
	eventually 10 stopped m0 "exited with status 0"
	all_was_printed m0
	echoes m1
}

@test "a driver whose machine dies in a call has the reason, and its other machine" {
	run -0 --separate-stderr "${abs_top_builddir:?}/test/cli/failing" Fail.Segv
	echo "$output"
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} == "UNAVAILABLE m0: Fail.Segv: "* ]]
	[ "${lines[1]}" = "m1 answers" ]
}

@test "a method that never returns is its caller's deadline, and no more" {
	start_cluster
	run -1 "$BIGM" call --timeout 1 m0 Fail.Hang
	[[ $output == *"m0: Fail.Hang: "*"deadline"* ]]
	echoes m0
	# The part of a line comes out when the machine ends.
	[ "$("$BIGM" tail --no-follow m0 | wc -l)" -eq 1000 ]
	run -0 "$BIGM" shutdown
}

# Ten seconds, so that the other one cannot fail on a busy host.
@test "a call to a machine that is stopped ends when the machine is given up" {
	start_cluster --keepalive-period 200ms --keepalive-timeout 10s --keepalive-call 1s
	local pid
	pid=$("$BIGM" call m0 Supervisor.Getpid)
	kill -STOP "$pid"
	run -1 "$BIGM" call m0 Fail.Echo
	echo "$output"
	[[ $output == *m0* ]]
	eventually 10 stopped m0 "no answer to Keepalive"
	echoes m1
}

@test "without descriptors a machine keeps the connections that it has" {
	start_cluster
	by_peer Fail.Echo 1
	[ "$(by_peer Fail.TakeDescriptors)" -gt 50 ]
	run -1 "$BIGM" call m0 Fail.Echo 2
	echo "$output"
	[[ $output == *"${address[0]#https://}"* || $output == *m0* ]]
	[ "$(by_peer Fail.Echo 3)" = 3 ]
	echoes m1
	by_peer Fail.ReleaseDescriptors
	echoes m0
	run ! stopped m0 .
}

@test "an argument that there is no memory for fails its call, not the machine" {
	# shellcheck disable=SC2154 # of make check
	[ "$sanitizer" = no ] || skip "a sanitizer needs the address space"
	start_cluster
	printf '"%s"' "$(head -c 40000000 /dev/zero | tr '\0' x)" >large
	by_peer Fail.TakeMemory
	run -1 "$BIGM" call m0 Fail.Echo @large
	echo "$output"
	[[ $output == *"m0: Fail.Echo: no memory for "*" bytes"* ]]
	echoes m0
	echoes m1
}

# hostile KIND: what becomes of such a peer.
hostile() {
	timeout 100 python3 "${abs_top_srcdir:?}/test/cli/hostile.py" "${address[0]}" "$record/driver.pem" \
		"$record/authority.pem" "$1"
}

# Without a sanitizer's shadow and quarantine.
memory_is_bounded() {
	[ "$sanitizer" != no ] || [ "$("$BIGM" call m0 Fail.Rss)" -lt $((100 << 20)) ]
}

# It takes some seconds until no socket takes any more of what a flooded machine answers.
@test "peers that send garbage, half a frame, or headers, bodies and streams without end" {
	start_cluster
	for kind in garbage headers pings settings streams; do
		echo "$kind"
		[ "$(hostile "$kind")" = refused ]
		memory_is_bounded
		echoes m0
	done
	for kind in half_a_frame resets body; do
		echo "$kind"
		[ "$(hostile "$kind")" = taken ]
		memory_is_bounded
		echoes m0
	done
	run ! stopped m0 .
}

descriptors() {
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

at_least() {
	[ "$(descriptors "$1")" -ge "$2" ]
}

@test "strangers who connect and say nothing take up so much, and keep nobody out" {
	local pid before strangers
	start_cluster
	mkfifo hold
	exec 5<>hold
	pid=$("$BIGM" call m0 Supervisor.Getpid)
	before=$(descriptors "$pid")
	python3 -c '
import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for i in range(600)]
print("connected", flush=True)
sys.stdin.read()' "$(grep -o '[0-9]*/$' <<<"${address[0]}" | tr -d /)" <&5 >connected 3>&- &
	strangers=$!
	eventually 30 test -s connected
	eventually 10 at_least "$pid" 256
	[ "$(descriptors "$pid")" -lt $((before + 300)) ]
	echoes m0
	[ "$(descriptors "$pid")" -lt $((before + 300)) ]
	kill "$strangers"
}

# The machines' folders and all that the keeper writes are on a disk of 1 MB.
@test "a full disk is named where it matters, and stops nothing else" {
	unshare -rm true 2>/dev/null || skip "no user namespaces"
	mkdir full
	cat >script <<-'END'
		set -eux
		mount -t tmpfs -o size=1m,mode=700 none full
		export XDG_STATE_HOME=$PWD/full
		"$BIGM" run sh -n 2 -- -c 'seq 200000' | sort | uniq -c >lines
		"$BIGM" start -n 2 --name calm "$abs_top_builddir/test/cli/failing" >/dev/null
		dd if=/dev/zero of=full/fill bs=4k 2>/dev/null || :
		"$BIGM" call m0 Fail.Segv && exit 1
		"$BIGM" call m1 Fail.Echo 1
		"$BIGM" status
		"$BIGM" call m1 Supervisor.Setbinary "@$abs_top_builddir/test/cli/failing" && exit 2
		"$BIGM" start --name second && exit 3
		rm full/fill
		"$BIGM" call m1 Fail.Exit && exit 4
		"$BIGM" tail --no-follow m1 | tail -n 1
		"$BIGM" shutdown --all
	END
	run -0 unshare -rm timeout 100 bash script 3>&-
	echo "$output"
	[ "$(awk '$1 == 2' lines | wc -l)" -eq 200000 ]
	[[ $output == *"m0: Fail.Segv: "* ]]
	[[ $output == *"m1: Supervisor.Setbinary: cannot write the program to "*": No space left on device"* ]]
	[[ $output == *"cannot write "*"second"*": No space left on device"* ]]
	[[ $output == *"last words"* ]]
}
