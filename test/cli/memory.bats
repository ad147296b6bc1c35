# A machine that takes more memory than there is, in a control group with a limit.
load common

bigoom=${abs_top_builddir:?}/examples/bigoom

clean_up() {
	"$BIGM" shutdown --all
	if [ -n "${group-}" ]; then eventually 10 rmdir "$group"; fi
}

# needs_group SIZE: a group of our own that may have so much memory, and no swap.
needs_group() {
	local limit=memory.max swap=memory.swap.max none=0
	group=/sys/fs/cgroup/${DIR##*/}
	if [ -d /sys/fs/cgroup/memory ]; then
		limit=memory.limit_in_bytes swap=memory.swappiness
		group=/sys/fs/cgroup/memory/${DIR##*/}
	fi
	if ! mkdir "$group" 2>/dev/null || ! [ -w "$group/$limit" ]; then
		rmdir "$group" 2>/dev/null || true
		group=
		skip "we may not make a control group with a limit of memory"
	fi
	echo "$1" >"$group/$limit"
	echo "$none" >"$group/$swap" 2>/dev/null || true # there may be no swap to be told of
}

in_group() {
	(echo "$BASHPID" >"$group/cgroup.procs" && exec "$@")
}

# has_figures FOLDER MACHINE
has_figures() {
	compgen -G "$1/$2-????????T??????Z.expvars" >/dev/null
}

# has_profile FOLDER MACHINE: of its heap, which tells what has taken the memory.
has_profile() {
	local path
	path=$(compgen -G "$1/$2-????????T??????Z.heap.pb.gz") && zcat "$path" 2>/dev/null | grep -aq take
}

is_stopped() {
	"$BIGM" status | grep -q "^$1 *STOPPED"
}

@test "a machine that fills its memory is unhealthy, and then its error says what killed it" {
	# shellcheck disable=SC2154 # of make check
	# Its memory goes so slowly that the kernel looks for a second victim, and finds the driver.
	[ "$sanitizer" = no ] || skip "a machine under a sanitizer takes long to end"
	needs_group 1G # at 97 % there has to be room for bigm-pprof
	mkfifo go
	in_group "$BIGM" run --name calm --keepalive-period 1s --log-dir logs "$bigoom" -- wait <go >out 2>err 3>&- &
	exec 4>go
	eventually 60 grep -q '^m0: .* of 1024 MiB are used$' out
	record=$(dirname "$DIR"/state/bigm/*/calm/lock)
	eventually 60 has_figures "$record" m0
	grep -q 'm0: is unhealthy: 9[5-9] % of 1024 MiB of memory are used' "$record/keeper.log"
	eventually 60 has_profile "$record" m0
	exec 4>&-
	wait $!
	grep -q '^m0: out of memory: the kernel killed it' out
	grep -qx 'm1 works on' out
	grep -q 'm0: out of memory: the kernel killed it' logs/calm/keeper.log
	has_figures logs/calm m0
	has_profile logs/calm m0
	python3 -c 'import json, sys
figures = json.load(open(sys.argv[1]))
assert figures["calls"]["Oom.Take"]["calls"] > 0
assert int(figures["memory"]["system"]["total"]) == 1 << 30' logs/calm/m0-*.expvars
}

@test "a machine that is killed by hand was not out of memory" {
	needs_group 512M
	in_group "$BIGM" start --name calm >/dev/null
	kill -KILL "$("$BIGM" call m0 Supervisor.Getpid)"
	eventually 30 is_stopped m0
	run_bigm call m0 Supervisor.Ping
	[[ $output == *"killed by signal 9"* ]]
}

@test "without a limit the example does not begin" {
	"$BIGM" start >/dev/null
	# It would fill what others here need.
	"$BIGM" call m0 Supervisor.MemInfo | grep -q '"system":{"total":"[0-9]\{11,\}"' || skip "there is too little memory"
	run_bigm run "$bigoom"
	[ "$status" -eq 1 ]
	[[ $output == *"bigoom: m0: "*"run me in a control group"* ]]
}
