# Supervisor.CPUProfile, Profile and Profiles, on machines of every kind. What the profiles say is for profiler.test.
# shellcheck disable=SC2154 # bats sets $stderr
bats_require_minimum_version 1.5.0
load common

bigpi=${abs_top_builddir:?}/examples/bigpi

clean_up() {
	"$BIGM" shutdown --all
}

# names MACHINE: of the profiles that it has.
names() {
	"$BIGM" call "$1" Supervisor.Profiles null | grep -o '"name":"[a-z]*"' | cut -d'"' -f4 | tr '\n' ' '
}

# Where a sanitizer stands before malloc() and pthread_mutex_lock(), nothing else can.
preloaded() {
	[[ ${sanitizer:?} == no ]]
}

all_names() {
	if preloaded; then echo "heap mutex block threads "; else echo "threads "; fi
}

@test "every kind of machine is profiled: of this host, sent there, from a bundle" {
	"$BIGM" start -n 1 --name own "$bigpi" 3>&-
	[ "$(names m0)" = "$(all_names)" ]
	"$BIGM" shutdown own
	"$BIGM" start -n 1 --name sent --ship "$bigpi" 3>&-
	[ "$(names m0)" = "$(all_names)" ]
	"$BIGM" shutdown sent
	"$BIGM" bundle -o pi.bundle "$bigpi"
	"$BIGM" start -n 1 --name bundled pi.bundle 3>&-
	if preloaded; then [ "$(names m0)" = "$(all_names)" ]; fi
}

@test "what a machine starts has nothing of the profiler, and the user's own LD_PRELOAD" {
	LD_PRELOAD=libm.so.6 "$BIGM" start -n 1 "$bigpi" 3>&-
	run --separate-stderr "$BIGM" exec m0 -- env
	[ "$(grep '^LD_PRELOAD=' <<<"$output")" = LD_PRELOAD=libm.so.6 ]
	[ "$(grep -c libbigm-profile <<<"$output")" -eq 0 ]
	run --separate-stderr "$BIGM" exec m0 -- cat /proc/self/maps
	[ "$(grep -c libbigm-profile <<<"$output")" -eq 0 ]
}

@test "a plain program is refused, and so is what makes no sense" {
	"$BIGM" start -n 1 3>&-
	for method in CPUProfile Profile Profiles; do
		run --separate-stderr "$BIGM" call m0 Supervisor.$method null
		[ "$status" -eq 1 ]
		[[ $stderr == *"no program that is linked with libbigm"*"plain programs cannot be profiled"* ]]
	done
	"$BIGM" shutdown
	"$BIGM" start -n 1 "$bigpi" 3>&-
	while IFS='|' read -r method arg words; do
		run --separate-stderr "$BIGM" call --timeout 20s m0 "Supervisor.$method" "$arg"
		echo "$method $arg: $stderr"
		[ "$status" -eq 1 ]
		[[ $stderr == *"$words"* ]]
	done <<-END
		CPUProfile|null|a profile of 30 s would not be ready before the caller's deadline
		CPUProfile|{"duration_s": 0}|more than 0
		CPUProfile|{"duration_s": 1e9}|at most 3600
		CPUProfile|{"hz": 2000}|from 1 to 1000
		CPUProfile|{"debug": 3}|0, 1 or 2
		Profile|{"name": "goroutine"}|there is no profile "goroutine"
		Profile|null|name
	END
}

@test "a CPU profile ends when nobody waits for it, and there is one at a time" {
	"$BIGM" start -n 1 "$bigpi" 3>&-
	for i in 1 2; do
		"$BIGM" call m0 Supervisor.CPUProfile '{"duration_s": 600}' >"first.$i" 2>"err.$i" 3>&- &
		callers[i]=$!
	done
	one_is_refused() {
		cat err.1 err.2 | grep -q "is being taken already"
	}
	eventually 20 one_is_refused
	kill "${callers[@]}" 2>/dev/null || true
	free_again() {
		"$BIGM" call m0 Supervisor.CPUProfile '{"duration_s": 0.001}' >third
	}
	eventually 20 free_again
	[ "$(head -c 2 third | od -An -tx1)" = " 1f 8b" ]
}

@test "no thread has a timer but while a CPU profile is taken" {
	[ -r /proc/self/timers ] || skip "this kernel does not tell of timers"
	"$BIGM" start -n 1 "$bigpi" 3>&-
	pid=$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["machines"][0]["pid"])')
	has_timers() {
		[ -n "$(cat "/proc/$pid/timers")" ]
	}
	has_none() {
		! has_timers
	}
	has_none
	"$BIGM" call m0 Supervisor.CPUProfile '{"duration_s": 600}' >/dev/null 2>&1 3>&- &
	eventually 20 has_timers
	kill $!
	eventually 20 has_none
}

@test "as text, with every thread" {
	"$BIGM" start -n 1 "$bigpi" 3>&-
	# A thread may be just somewhere else.
	both_wait() {
		"$BIGM" call m0 Supervisor.Profile '{"name": "threads", "debug": 2}' >text
		[[ $(cat text) == *"thread: bigm-io"*"epoll_wait+0x"* && $(cat text) == *"poll+0x"* ]]
	}
	eventually 20 both_wait
	[ "$(head -1 text)" = "threads: threads/count" ]
	[ "$(grep -c "tid: " text)" -ge 3 ]
}

top_of() {
	awk 'NR == 3 { print $6 }' "$1"
}

# locks ARGUMENT...: the function on top of the mutex profile of a bigpi that two threads work on; "" when there is none. The
# very first wait may be for another one, of those that both pass when they begin.
locks() {
	"$BIGM" start -n 1 --procs 2 "$bigpi" -- "$@" >/dev/null 3>&-
	for _ in 1 2; do
		"$BIGM" call m0 PI.Sample '{"seed": 1, "begin": 0, "end": 100000000000}' >/dev/null 3>&- &
	done
	# shellcheck disable=SC2317 # eventually calls it
	waited() {
		"$BIGM" pprof mutex --top >table && [ "$(top_of table)" = shared_random ]
	}
	if [[ $* == *--lock* ]]; then eventually 60 waited; else "$BIGM" pprof mutex --top >table || true; fi
	"$BIGM" shutdown
	top_of table
}

@test "the mutex profile of bigpi --lock has the shared generator on top, and not without --lock" {
	preloaded || skip "the mutex profile needs libbigm-profile.so before the C library"
	[ "$(locks --lock)" = shared_random ]
	[ "$(locks --samples 1000)" != shared_random ]
	[ "$(grep -c shared_random table)" -eq 0 ]
}
