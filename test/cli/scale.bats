# shellcheck shell=bats
# bigm scale, and bigm start's --replace and --idle-timeout.
load common
load gate
bats_require_minimum_version 1.5.0

# Machines end as they come up, as long as there is a file $DIR/trap.
build_trap() {
	export TRAP="$BATS_FILE_TMPDIR/trap.so"
	cat >"$BATS_FILE_TMPDIR/trap.c" <<-'END'
		#include <stdlib.h>
		#include <unistd.h>

		static void __attribute__((constructor)) fall(void)
		{
			const char *file = getenv("TRAP_FILE");

			if (getenv("BIGM_BOOT") != NULL && file != NULL &&
			    access(file, F_OK) == 0)
				_exit(3);
		}
	END
	${CC:?} -shared -fPIC "$BATS_FILE_TMPDIR/trap.c" -o "$TRAP"
}

setup_file() {
	build_gate
	build_trap
}

clean_up() {
	open_gate
	"$BIGM" shutdown --all 2>/dev/null
}

# machines STATE: the names of those that are in it, in a line.
machines() {
	"$BIGM" status --json | grep -oE "\"machine\":\"m[0-9]+\",\"index\":[0-9]+,\"state\":\"$1\"" |
		grep -oE 'm[0-9]+' | tr '\n' ' '
}

are() {
	[ "$(machines "$1")" = "$2" ]
}

pid_of() {
	"$BIGM" status --json | grep -oP "\"machine\":\"$1\",[^}]*?\"pid\":\K[0-9]+"
}

# hold MACHINE: something runs there until release; it has begun when this returns.
hold() {
	"$BIGM" exec "$1" -- sh -c "touch $DIR/holds.$1; while [ ! -e $DIR/release ]; do sleep 0.05; done; echo done" \
		>"$DIR/held.$1" 2>"$DIR/held.$1.err" 3>&- &
	held+=($!)
	eventually 20 test -e "$DIR/holds.$1"
}

release() {
	touch "$DIR/release"
}

# What was held has ended, however that was.
await_held() {
	local pid
	for pid in "${held[@]}"; do
		wait "$pid" || :
	done
}

# fails PID: that child ends, with a failure.
fails() {
	! wait "$1"
}

# is_waiting PID: that bigm sleeps in a call of the kernel, having attached.
is_waiting() {
	grep -q '^State:.*sleeping' "/proc/$1/status" && grep -qE '^Threads:.[2-9]' "/proc/$1/status"
}

is_draining() {
	"$BIGM" status | grep -qE "^$1 +RUNNING, draining "
}

gave_up() {
	[[ $("$BIGM" status) = *"replaced no more"* ]]
}

# A cluster that ends when it is not used for so long, and whose m0 is held: the time is what this host needs.
hold_in_time() {
	for idle in 400ms 3s 20s; do
		"$BIGM" start -n 1 --name calm --idle-timeout "$idle" --events events >/dev/null
		"$BIGM" exec -c calm m0 -- sh -c "touch $DIR/holds; while [ ! -e $DIR/release ]; do sleep 0.05; done; echo done" \
			>"$DIR/held" 3>&- &
		user=$!
		eventually 30 begun_or_gone
		[ ! -e "$DIR/holds" ] || return 0
		"$BIGM" wait calm --for gone --timeout 30
	done
	return 1
}

begun_or_gone() {
	[ -e "$DIR/holds" ] || ! kill -0 "$user" 2>/dev/null
}

@test "a cluster grows by machines like the others, which have new names" {
	"$BIGM" start -n 1 --name calm "${abs_top_builddir:?}/examples/bigpi" >/dev/null
	run --separate-stderr "$BIGM" scale calm -n 3
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ -z "$stderr" ]
	are RUNNING "m0 m1 m2 "
	run_bigm call m2 PI.Sample '{"seed": 1, "begin": 0, "end": 1000}'
	[ "$status" -eq 0 ]
	run_bigm scale --cluster calm -n 3
	[ "$status" -eq 0 ]
	are RUNNING "m0 m1 m2 "
}

@test "who has nothing to do leaves first, and leaves nothing" {
	local pids
	"$BIGM" start -n 3 --events events >/dev/null
	pids="$(pid_of m0) $(pid_of m2)"
	hold m1
	run --separate-stderr "$BIGM" scale -n 1
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	are RUNNING "m1 "
	[ "$("$BIGM" status | grep -c '^m')" -eq 1 ]
	run ! kill -0 "${pids% *}"
	run ! kill -0 "${pids#* }"
	eventually 10 test ! -e "$(echo "$XDG_STATE_HOME"/bigm/*/*)/m2"
	run_bigm exec all -- true
	[ "$status" -eq 0 ]
	run_bigm wait
	[ "$status" -eq 0 ]
	release
	await_held
	[ "$(cat "$DIR/held.m1")" = "done" ]
	grep -q '"bigm:clusterScale".*"from":3,"to":1' events
	[ "$(grep -c '"bigm:machineDraining".*"kind":"scale-down"' events)" -eq 2 ]
}

@test "who is busy finishes what he does, and gets nothing new" {
	"$BIGM" start -n 2 >/dev/null
	hold m0
	hold m1
	"$BIGM" scale -n 1 --no-wait
	eventually 10 is_draining "m[01]"
	leaving=$("$BIGM" status | grep -oP '^m[01](?= +RUNNING, draining)')
	run_bigm exec all -- true
	[ "$status" -eq 0 ]
	run_bigm exec all --prefix -- echo here
	[[ $output != *"$leaving: "* ]]
	"$BIGM" scale -n 1 3>&- &
	release
	wait $!
	await_held
	[ "$(cat "$DIR"/held.m?)" = $'done\ndone' ]
	eventually 10 are STOPPED "$leaving "
}

@test "--now and --timeout end what runs there" {
	"$BIGM" start -n 2 >/dev/null
	hold m0
	hold m1
	run_bigm scale -n 1 --timeout 200ms
	[ "$status" -eq 0 ]
	[ "$(machines RUNNING | wc -w)" -eq 1 ]
	run_bigm scale -n 0 --now
	[ "$status" -eq 0 ]
	are STOPPED "m0 m1 "
	await_held
	[ "$(cat "$DIR"/held.m?)" = "" ]
	run_bigm scale -n 1
	[ "$status" -eq 0 ]
	are RUNNING "m2 "
}

@test "what was begun goes on when bigm scale is killed" {
	close_gate 1
	"$BIGM" start -n 1 >/dev/null
	"$BIGM" scale -n 3 3>&- &
	eventually 20 starting 2
	kill -KILL $!
	open_gate
	eventually 20 are RUNNING "m0 m1 m2 "
	hold m0
	hold m1
	hold m2
	"$BIGM" scale -n 2 3>&- &
	eventually 20 is_draining "m[0-2]"
	kill -KILL $!
	leaving=$("$BIGM" status | grep -oP '^m[0-2](?= +RUNNING, draining)')
	release
	eventually 20 are STOPPED "$leaving "
	[ "$(machines RUNNING | wc -w)" -eq 2 ]
}

@test "nothing is left when the keeper is killed while machines come and go" {
	close_gate 2
	"$BIGM" start -n 2 --name calm >/dev/null
	hold m0
	hold m1
	"$BIGM" scale -n 1 --no-wait
	"$BIGM" scale -n 3 3>&- 2>"$DIR/err" &
	eventually 20 starting 2
	kill -KILL "$("$BIGM" status --json | grep -oP '"wire":1,"pid":\K[0-9]+')"
	open_gate
	fails $!
	"$BIGM" wait calm --for gone --timeout 20
}

@test "of several at a time the last one counts" {
	close_gate 1
	"$BIGM" start -n 1 >/dev/null
	"$BIGM" scale -n 3 3>&- 2>"$DIR/err" &
	eventually 20 starting 2
	run_bigm scale -n 1
	[ "$status" -eq 0 ]
	fails $!
	grep -qE '^bigm scale: m[12]: the cluster was scaled down meanwhile \(0 of 2 new machines came up\)$' "$DIR/err"
	are RUNNING "m0 "
}

@test "what cannot be is refused" {
	run_bigm scale -n 1
	[ "$status" -eq 1 ]
	"$BIGM" start -n 1 --name calm >/dev/null
	run_bigm scale
	[ "$status" -eq 2 ]
	[[ $output = "bigm scale: how many machines?"* ]]
	run_bigm scale -n 5000
	[ "$status" -eq 2 ]
	run_bigm scale calm -c calm -n 1
	[ "$status" -eq 2 ]
	"$BIGM" run --name held -- sh -c "touch $DIR/runs; while [ ! -e $DIR/release ]; do sleep 0.05; done" 3>&- &
	eventually 20 test -e "$DIR/runs"
	run_bigm scale held -n 2
	[ "$status" -eq 1 ]
	[[ $output = *"held: belongs to the program that started it"* ]]
	release
	wait $!
}

@test "a machine that dies is replaced, with the services that it had" {
	"$BIGM" start -n 2 --replace --events events "$abs_top_builddir/examples/bigpi" >/dev/null
	kill -KILL "$(pid_of m0)"
	eventually 20 are RUNNING "m1 m2 "
	run_bigm call m2 PI.Sample '{"seed": 1, "begin": 0, "end": 1000}'
	[ "$status" -eq 0 ]
	run_bigm status
	[[ $output = *", 1 replaced"* ]]
	[[ $output = *"m0: killed by signal 9 (Killed); m2 takes its place"* ]]
	[[ $("$BIGM" status --json) = *'"replaced_by":"m2"'*'"replaces":"m0"'*'"replaced":{"machines":1}'* ]]
	grep -q '"bigm:machineReplace".*"machine":"m0","by":"m2","reason":"m0: killed by signal 9' events
	run_bigm exec all -- true
	[ "$status" -eq 0 ]
	run_bigm wait
	[ "$status" -eq 0 ]
	run_bigm scale -n 1
	kill -KILL "$(pid_of "$(machines RUNNING | tr -d ' ')")"
	eventually 20 are RUNNING "m3 "
	run_bigm exec all -- true
	[ "$status" -eq 0 ]
}

@test "who does not want it has no machines replaced" {
	"$BIGM" start -n 2 >/dev/null
	kill -KILL "$(pid_of m0)"
	eventually 20 are STOPPED "m0 "
	run_bigm scale -n 2
	are RUNNING "m1 m2 "
	run_bigm status
	[[ $output != *"replaced"* ]]
}

@test "when five machines in a row do not come up, none is replaced any more until bigm scale" {
	export TRAP_FILE="$DIR/trap"
	BIGM_REPLACE=1 LD_PRELOAD="$TRAP" "$BIGM" start -n 5 >/dev/null
	touch "$DIR/trap"
	"$BIGM" status --json | grep -oP '"RUNNING",[^}]*?"pid":\K[0-9]+' | xargs kill -KILL
	eventually 30 gave_up
	[ "$(machines STOPPED | wc -w)" -eq 10 ]
	run_bigm status
	[[ $output = *", 5 replaced"*"5 machines in a row did not come up; machines are replaced no more: m"* ]]
	rm "$DIR/trap"
	run_bigm scale -n 2
	[ "$status" -eq 0 ]
	are RUNNING "m10 m11 "
	run_bigm status
	[[ $output != *"no more"* ]]
}

@test "a cluster that nobody uses ends, and one in use does not" {
	hold_in_time
	# Twice as long as it would take to end, had nobody used it.
	for _ in 1 2; do
		"$BIGM" start -n 1 --name short --idle-timeout "$idle" >/dev/null
		"$BIGM" wait short --for gone --timeout 60
	done
	are RUNNING "m0 "
	[[ $("$BIGM" status) = *", ends when unused for $idle (in "* ]]
	release
	wait "$user"
	[ "$(cat "$DIR/held")" = "done" ]
	"$BIGM" wait calm --for gone --timeout 60
	grep -q "\"bigm:clusterStop\".*\"reason\":\"nobody has used it for $idle (--idle-timeout)\"" events
}

@test "what is to be scaled and ends meanwhile gets no more machines" {
	local pid asked
	"$BIGM" start -n 2 --name calm --events "$DIR/events" >/dev/null
	# How busy this one is will not be known before a second has passed.
	pid=$(pid_of m1)
	kill -STOP "$pid"
	"$BIGM" scale calm -n 1 2>"$DIR/err" 3>&- &
	asked=$!
	eventually 10 is_waiting "$asked"
	"$BIGM" shutdown calm
	fails "$asked"
	[ "$(grep -c bigm:machineStart "$DIR/events")" -eq 2 ]
	run ! grep -q bigm:clusterScale "$DIR/events"
}

@test "bigm map uses machines that come, and lets go of those that leave or die" {
	local leaving staying
	"$BIGM" start -n 1 --name calm --replace >/dev/null
	# Each job waits until its machine, or all, may go on.
	seq 40 | "$BIGM" map -c calm -- sh -c "touch $DIR/ran.\$BIGM_MACHINE
		while [ ! -e $DIR/release ] && [ ! -e $DIR/go.\$BIGM_MACHINE ]; do sleep 0.05; done
		echo \$1" _ >"$DIR/out" 2>"$DIR/err" 3>&- &
	eventually 20 test -e "$DIR/ran.m0"
	run_bigm scale -n 2
	[ "$status" -eq 0 ]
	eventually 20 test -e "$DIR/ran.m1"
	run_bigm scale -n 1 --no-wait
	eventually 20 is_draining "m[01]"
	leaving=$("$BIGM" status | grep -oP '^m[01](?= +RUNNING, draining)')
	staying=$(machines RUNNING | tr -d ' ' | sed "s/$leaving//")
	touch "$DIR/go.$leaving"
	# The map is not over: the other one's job waits.
	eventually 20 are STOPPED "$leaving "
	[ ! -s "$DIR/err" ]
	kill -KILL "$(pid_of "$staying")"
	eventually 20 test -e "$DIR/ran.m2"
	release
	wait $!
	[ "$(sort -n "$DIR/out")" = "$(seq 40)" ]
	[ "$(cat "$DIR/err")" = "bigm map: $staying is of no more use: $staying: Supervisor.Map: killed by signal 9 (Killed)" ]
}

@test "a map with no machine left fails when none may come" {
	"$BIGM" start -n 1 --name calm >/dev/null
	hold m0
	# There is no end of jobs, so this is how it ends.
	yes | "$BIGM" map -c calm -- sh -c "touch $DIR/ran" 2>"$DIR/err" 3>&- &
	eventually 20 test -e "$DIR/ran"
	run_bigm scale -n 0 --no-wait
	fails $!
	grep -q "no machine is left: m0 is draining, and gets no more jobs" "$DIR/err"
	release
	await_held
}
