# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
# Machines on hosts that one owns: each test has a network of namespaces, one for us and one for each host, with an sshd, a
# host key, an address and a folder for temporary files of its own. Only root can make these.
load common

bigpi=$abs_top_builddir/examples/bigpi
NET=10.66.0

clean_up() {
	in_hub "$BIGM" shutdown --all >/dev/null 2>&1 || :
	pkill -f "^sshd: /usr/sbin/sshd -D -e -f $PWD/" || :
	# Without a network the sshd of a session learns of nobody's end, for a quarter of an hour.
	for pid in ${HELD:-}; do
		pkill -x sshd --ns "$pid" --nslist net || :
	done
	# shellcheck disable=SC2086 # words
	[ -z "${HELD:-}" ] || kill $HELD
}

in_hub() {
	nsenter --net --target "${HUB:-$$}" "$@"
}

# in_host N COMMAND...
in_host() {
	local holder=HOST$1
	shift
	nsenter --net --mount --target "${!holder}" "$@"
}

bigm() {
	in_hub "$BIGM" "$@"
}

is_apart() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# hold VARIABLE UNSHARE-OPTION...: a process in namespaces of its own.
hold() {
	local variable=$1
	shift
	unshare --net "$@" sleep 1000 3>&- &
	declare -g "$variable=$!"
	HELD="${HELD:-} $!"
	eventually 10 is_apart "$!"
}

# begin_hosts N: our network, with hosts h1 to hN in it, which ssh knows, and which know our key.
begin_hosts() {
	[ "$(id -u)" = 0 ] || skip "only root can make such hosts"
	command -v ip >/dev/null || skip "no ip"
	command -v /usr/sbin/sshd >/dev/null || skip "no sshd"
	unshare --net --mount true 2>/dev/null || skip "no namespaces for us"
	hold HUB
	in_hub ip link set lo up
	in_hub ip link add bridge type bridge || skip "no bridges for us"
	in_hub ip addr add $NET.1/24 dev bridge
	in_hub ip link set bridge up
	ssh-keygen -q -t ed25519 -N '' -f key
	: >known
	: >config
	for ((i = 1; i <= $1; i++)); do
		begin_host "$i"
	done
	for ((i = 1; i <= $1; i++)); do
		eventually 10 grep -qs "Server listening on 0.0.0.0" "log$i"
	done
	export BIGM_SSH_CONFIG=$PWD/config BIGM_SYSTEM=ssh
}

begin_host() {
	local holder=HOST$1
	hold "$holder" --mount
	in_hub ip link add "to$1" type veth peer name eth0 netns "${!holder}"
	in_hub ip link set "to$1" master bridge up
	in_host "$1" ip link set lo up
	in_host "$1" ip addr add "$NET.1$1/24" dev eth0
	in_host "$1" ip link set eth0 up
	# As root sshd insists on a folder there.
	in_host "$1" sh -c 'mount -t tmpfs none /run && mkdir /run/sshd'
	mkdir "$TMPDIR/$1"
	ssh-keygen -q -t ed25519 -N '' -f "host$1"
	# SHLVL: bash then does not read what the user's .bashrc says.
	cat >"sshd$1" <<-END
		HostKey $PWD/host$1
		AuthorizedKeysFile $PWD/key.pub
		PermitRootLogin yes
		StrictModes no
		UsePAM no
		PasswordAuthentication no
		PidFile none
		SetEnv SHLVL=1 TMPDIR=$TMPDIR/$1 ASAN_OPTIONS=${ASAN_OPTIONS:-} UBSAN_OPTIONS=${UBSAN_OPTIONS:-} LSAN_OPTIONS=${LSAN_OPTIONS:-}
		${SSHD[$1]:-}
	END
	echo "$NET.1$1 $(cut -d' ' -f1,2 "host$1.pub")" >>known
	host_of_ssh "h$1" "$NET.1$1"
	in_host "$1" /usr/sbin/sshd -D -e -f "$PWD/sshd$1" 2>"log$1" 3>&- &
}

# host_of_ssh NAME ADDRESS [LINE...]: for ~/.ssh/config; the first line of a kind counts.
host_of_ssh() {
	printf 'Host %s\n' "$1" >>config
	printf '\t%s\n' "HostName $2" "${@:3}" "User root" "IdentityFile $PWD/key" "IdentitiesOnly yes" "UserKnownHostsFile $PWD/known" >>config
}

# None of a machine's processes, and nothing in the hosts' folders.
hosts_are_clean() {
	[ -z "$(find "$TMPDIR" -name 'bigm-*')" ] && ! pgrep -f "$TMPDIR/.*/bigm-|sleep $MARK" >/dev/null
}
MARK=98765.4$$

# The same of one host.
host_is_clean() {
	[ -z "$(find "$TMPDIR/$1" -name 'bigm-*')" ] && ! pgrep -f "$TMPDIR/$1/bigm-" >/dev/null
}

# of_host N: the processes of its machine: the outer guard, the inner one, and it.
of_host() {
	pgrep -f "ec2boot .*--guest $TMPDIR/$1/"
}

# Something in a session of its own, which its machine has forgotten.
leave_daemons() {
	# shellcheck disable=SC2016
	bigm exec all -- sh -c 'setsid sleep "$1" >/dev/null 2>&1 </dev/null & echo $!' sh "$MARK" >daemons
	grep -c . daemons
}

# is STATE MACHINE
is() {
	bigm status --json | python3 -c "import json, sys
machine, = (m for m in json.load(sys.stdin)[0]['machines'] if m['machine'] == '$2')
sys.exit(machine['state'] != '$1')"
}

job() {
	cat >job.sh <<-'END'
		#!/bin/sh
		echo "$BIGM_RANK of $BIGM_SIZE on $(ip -4 -o addr show dev eth0 | grep -o '10\.66\.0\.[0-9]*/')"
	END
	chmod +x job.sh
}

# ---------------------------------------------------------------------------------------------------------------------

@test "a script runs on every host that is named, with the agent's key, and nothing is left there" {
	begin_hosts 3
	job
	sed -i '/IdentityFile/d; /IdentitiesOnly/d' config
	eval "$(ssh-agent -a "$TMPDIR/agent")"
	ssh-add -q key
	rm key
	run bigm run ./job.sh --host h1,h2,h3
	kill "$SSH_AGENT_PID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = "0 of 3 on $NET.11/
1 of 3 on $NET.12/
2 of 3 on $NET.13/" ]
	hosts_are_clean
	eventually 10 test ! -e "$TMPDIR/agent"
}

@test "hosts of a file: processors, names in status, exec, cp, tail, pprof, map and a driver" {
	begin_hosts 2
	printf '%s\n' '# ours' '' 'h1 slots=3 # not more' "h2:5 address=$NET.12" h2 >hosts
	bigm start --hosts hosts -n 2 --name own "$bigpi" >/dev/null
	bigm status >machines
	cat machines
	grep -q 'HOST' machines
	grep -Eq '^m0 +RUNNING +3 .* h1 +https://10.66.0.11:' machines
	grep -Eq '^m1 +RUNNING +5 .* h2 +https://10.66.0.12:' machines
	[ "$(bigm call m1 Supervisor.Ping 7)" = 7 ]
	[ "$(bigm exec m1 -- sh -c 'ip -4 -o addr show dev eth0 | grep -c 10.66.0.12')" = 1 ]
	echo text >file
	bigm cp file "m0:$TMPDIR/1/copy"
	[ "$(cat "$TMPDIR/1/copy")" = text ]
	rm "$TMPDIR/1/copy"
	bigm call m0 PI.Sample '{"seed": 1, "begin": 0, "end": 1}'
	bigm tail --no-follow | grep -q m0
	if [ "${sanitizer:-no}" = no ]; then
		bigm pprof threads -o profile
		[ -s profile ]
	fi
	bigm shutdown
	eventually 10 hosts_are_clean
	[ "$(bigm map --hosts hosts -n 2 --keep-order -- echo x{} ::: 1 2 3)" = "x1
x2
x3" ]
	bigm run --host h1,h2 "$bigpi" -- --samples 1000000 >pi
	grep -q 3.14 pi
	eventually 10 hosts_are_clean
}

# fails TEXT OPTION...: so does bigm run, with that on one line of standard error.
fails() {
	local text=$1
	shift
	echo "\$ bigm run ./job.sh $*"
	run bigm run ./job.sh "$@"
	echo "$output"
	[ "$status" -ne 0 ]
	grep -Eq -- "$text" <<<"$output"
	hosts_are_clean
}

@test "what a host is refused for is said in a line, with the host and what to do, and nothing is left" {
	begin_hosts 1
	job
	ssh-keygen -q -t ed25519 -N '' -f other
	echo "$NET.11 $(cut -d' ' -f1,2 other.pub)" >wrong
	host_of_ssh unknown $NET.11 "UserKnownHostsFile /dev/null"
	host_of_ssh careless $NET.11 "UserKnownHostsFile /dev/null" "StrictHostKeyChecking no"
	host_of_ssh changed $NET.11 "UserKnownHostsFile $PWD/wrong"
	host_of_ssh stranger $NET.11 "IdentityFile $PWD/other"
	sed -i "/stranger/,\$ { \\,IdentityFile $PWD/key,d }" config
	host_of_ssh closed $NET.11 "Port 23"
	in_hub ip route add unreachable 192.0.2.1
	host_of_ssh gone 192.0.2.1
	fails 'm1: unknown: logging in: its host key is not known \(log in once' --host h1,unknown
	fails 'm0: careless: logging in: its host key is not known' --host careless
	fails 'm0: changed: .*another than the known one .*ssh-keygen -R' --host changed
	fails 'm0: stranger: logging in: .*Permission denied .*ssh-add' --host stranger
	fails 'm0: closed: logging in: .*Connection refused .*sshd run' --host closed
	fails 'm0: gone: logging in: .*No route to host' --host gone
	fails 'm0: no.such.host: .*Could not resolve' --host no.such.host
	fails '-n 3: 2 hosts are named.*twice has two' --host h1,h1 -n 3
	fails 'needs hosts: --host' -n 1
	fails '"x": processors are a number' --host h1:x
	fails '"-oProxyCommand' --host=-oProxyCommand=true
	fails 'hosts are named here or in a file, not both' --host h1 --hosts f
	fails 'the hosts in f: No such' --hosts f
	printf 'h1\nh2 sluts=2\n' >f
	fails 'f:2: "sluts=2"' --hosts f
	echo '# none' >f
	fails 'f names no host' --hosts f
	fails '--system ssh' --system local --host h1
	fails 'm0: h1: preparing a folder: .*/proc' --host h1 --ssh-dir /proc
	run bigm run ./job.sh --host closed,h1 --min 1
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"1 on $NET.11/"* ]]
}

@test "a folder where programs cannot be run, or without room, is passed over" {
	begin_hosts 1
	job
	in_host 1 mount -t tmpfs -o noexec none "$TMPDIR/1"
	cat >where.sh <<-'END'
		#!/bin/sh
		pwd
	END
	chmod +x where.sh
	run bigm run ./where.sh --host h1
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == /tmp/bigm-* && $output != "$DIR"/* ]]
	[ ! -e "${output%%/machine/*}" ]
	in_host 1 mount -t tmpfs -o size=1m none /var/tmp
	fails 'no folder for the machine .*/var/tmp is full' --host h1 --ssh-dir /var/tmp
	in_host 1 mount -t tmpfs -o noexec none /var/tmp
	fails 'no folder for the machine .*/var/tmp is mounted noexec' --host h1 --ssh-dir /var/tmp
	[ -z "$(in_host 1 find /var/tmp "$TMPDIR" -name 'bigm-*')" ]
}

# With a login shell that is installed, or the usual one.
login_by() {
	command -v "$1" >/dev/null || set -- sh
	echo "ForceCommand $1 -c \"\$SSH_ORIGINAL_COMMAND\""
}

@test "noise and the shell of a login are no matter, and a host is not dialled by more at a time than it takes" {
	SSHD[1]="MaxStartups 5
ForceCommand echo welcome; echo mark ready; eval \"\$SSH_ORIGINAL_COMMAND\""
	SSHD[2]=$(login_by fish)
	SSHD[3]=$(login_by zsh)
	begin_hosts 3
	bigm start --host h1,h1,h1,h1,h1,h1,h1,h2,h3 >/dev/null
	[ "$(bigm exec all -- echo here | grep -c here)" = 9 ]
	bigm shutdown
	eventually 10 hosts_are_clean
}

@test "whoever is killed here, nothing is left there" {
	local who
	begin_hosts 2
	for who in 'bigm-keeper' 'bigm-keeper|cluster-guard' ssh; do
		bigm start --host h1,h2 >/dev/null
		[ "$(leave_daemons)" = 2 ]
		# shellcheck disable=SC2046
		kill -KILL $(ours "$who")
		echo "killed $who"
		[ "$who" = ssh ] || eventually 20 hosts_are_clean
		[ "$who" != ssh ] || eventually 20 is STOPPED m0
		bigm shutdown --all
		eventually 20 hosts_are_clean
	done
}

# ours PATTERN: processes of that name that are the test's.
ours() {
	local pid
	for pid in $(pgrep -x "$1"); do
		tr '\0' '\n' <"/proc/$pid/environ" | grep -qx "TMPDIR=$TMPDIR" && echo "$pid"
	done
}

@test "whoever is killed there, the others are, and nothing is left" {
	local n
	begin_hosts 2
	for n in 1 2 3; do
		bigm start --host h1,h2 >/dev/null
		[ "$(leave_daemons)" = 2 ]
		[ "$(of_host 1 | wc -l)" = 3 ]
		kill -KILL "$(of_host 1 | sed -n "${n}p")"
		echo "killed process $n"
		eventually 20 is STOPPED m0
		bigm status
		bigm status | grep -q '^m0.*m0: h1: '
		eventually 20 host_is_clean 1
		is RUNNING m1
		bigm shutdown
		eventually 20 hosts_are_clean
	done
}

has_files() {
	[ -n "$(ls -A "$1")" ]
}

@test "what a machine that is killed has half copied there goes with it" {
	begin_hosts 1
	bigm start --host h1 >/dev/null
	mkdir "$TMPDIR/1/elsewhere"
	head -c 50000000 /dev/urandom >large
	# Four megabits a second: it takes more than a minute.
	in_hub tc qdisc add dev to1 root tbf rate 4mbit burst 32kbit latency 400ms
	in_hub "$BIGM" cp large "m0:$TMPDIR/1/elsewhere/" 2>/dev/null &
	eventually 20 has_files "$TMPDIR/1/elsewhere"
	kill -KILL "$(of_host 1 | tail -1)"
	eventually 20 host_is_clean 1
	[ -z "$(ls -A "$TMPDIR/1/elsewhere")" ]
	wait $! || :
}

@test "without a network the lease ends a machine, and what it had; one that comes back in time is not lost" {
	begin_hosts 2
	bigm start --host h1,h2 --keepalive-period 1 --keepalive-call 500ms --keepalive-timeout 60 --lease 90 >/dev/null
	in_hub ip link set to1 down
	run bigm call m0 Supervisor.Ping 7 -t 1
	[ "$status" -eq 1 ]
	in_hub ip link set to1 up
	[ "$(bigm call m0 Supervisor.Ping 8 -t 50)" = 8 ]
	bigm shutdown
	eventually 20 hosts_are_clean
	bigm start --host h1,h2 --keepalive-period 1 --keepalive-call 500ms --keepalive-timeout 2 --lease 4 >/dev/null
	[ "$(leave_daemons)" = 2 ]
	in_hub ip link set to1 down
	eventually 30 is STOPPED m0
	eventually 30 host_is_clean 1
	bigm shutdown
	eventually 20 hosts_are_clean
}
