bats_require_minimum_version 1.5.0
load common

clean_up() {
	"$BIGM" shutdown --all
}

# The types in the file, after each event has been held against the page.
types_in() {
	python3 "${abs_top_srcdir:?}/test/cli/events.py" "$abs_top_srcdir/man/bigm-events.7" "$1"
}

# count TYPE FILE
count() {
	grep -c "\"type\":\"$1\"" "$2" || :
}

# tells TYPE: there is one of them in the file.
tells() {
	grep -q "\"type\":\"bigm:$1\"" happened
}

# Each type that a cluster of this host can come to; those of memory, of instances that are taken back and of what is
# dropped have tests of their own.
@test "what happens is told, and every event is as bigm-events(7) says" {
	local pid types

	"$BIGM" start -n 2 --name calm --ship --events happened --keepalive-period 1s --keepalive-call 300ms \
		--keepalive-timeout 1s "$abs_top_builddir/examples/bigpi" >/dev/null 3>&-
	"$BIGM" run --cluster calm "$abs_top_builddir/examples/bigpi" -- --samples 1000 3>&- >/dev/null
	eventually 10 tells machineReturned
	pid=$("$BIGM" call m1 Supervisor.Getpid)
	kill -STOP "$pid"
	eventually 20 tells machineError
	"$BIGM" shutdown
	types=$(types_in happened)
	diff -u - <(echo "$types") <<-END
		bigm:clusterEnd
		bigm:clusterStart
		bigm:clusterStop
		bigm:keepaliveFailure
		bigm:machineAlive
		bigm:machineError
		bigm:machinePhase
		bigm:machineReturned
		bigm:machineRunning
		bigm:machineStart
		bigm:machineStop
		bigm:machineTaken
		bigm:shipEnd
		bigm:shipStart
	END
	for type in machineStart machineRunning machineStop; do
		[ "$(count "bigm:$type" happened)" = 2 ]
	done
	[[ $(head -n 1 happened) == *'"type":"bigm:clusterStart","cluster":"calm"'* ]]
	[[ $(tail -n 1 happened) == *'"type":"bigm:clusterEnd"'*'"machines":2'* ]]
	grep -q '"type":"bigm:machineError","cluster":"calm","machine":"m1","code":"UNAVAILABLE"' happened
}

@test "a program tells events, as the driver and on machines, and they are all there at the end" {
	"$BIGM" run --events happened "$abs_top_builddir/test/cli/telling" -- 100 3>&-
	types_in happened >types
	[ "$(grep -v ^bigm: types | paste -sd ' ')" = "begin end flood service.made work/done" ]
	[ "$(count begin happened)" = 1 ]
	[ "$(count service.made happened)" = 2 ]
	[ "$(count flood happened)" = 200 ]
	[ "$(count work/done happened)" = 2 ]
	grep -q '"type":"begin","cluster":"[^"]*","machine":"driver","when":"before the machines"}' happened
	grep -q '"machine":"driver","n":2,"share":0.1,"last":true}' happened
	grep -q '"type":"work/done","cluster":"[^"]*","machine":"m[01]","how":"wöll\\n","why":"asked ?"}' happened
	# Two programs, one file.
	"$abs_top_builddir/test/cli/telling" -bigm.events=happened -bigm.quiet 3>&-
	[ "$(types_in happened | paste -sd ' ')" = "$(paste -sd ' ' types)" ]
	[ "$(count end happened)" = 2 ]
}

# told_and_dropped N: so many are in the file, or counted there as dropped.
told_and_dropped() {
	local told dropped
	told=$(count flood happened)
	dropped=$(grep -o '"type":"bigm:eventsDropped".*"events":[0-9]*' happened | sed 's/.*://' | paste -sd +)
	[ $((told + dropped + $(count work/done happened))) = "$1" ]
}

@test "a machine that tells too much drops some, and the file says how many" {
	"$BIGM" start -n 2 --events happened "$abs_top_builddir/test/cli/telling" 3>&-
	"$BIGM" call all Telling.Say '{"n": 20000}'
	# The last of each machine, work/done, may be among what is dropped.
	eventually 20 told_and_dropped 40002
	# A program with a sanitizer in it tells no faster than the keeper writes.
	[[ ${sanitizer:?} != no ]] || types_in happened | grep -qx bigm:eventsDropped
}

@test "nobody's program needs a file of events" {
	"$BIGM" run "$abs_top_builddir/test/cli/telling" -- 100 3>&-
}

@test "a file of events that cannot be written is an error at once" {
	run -125 --separate-stderr "$BIGM" run --events /nowhere/file true
	[[ $stderr == *"the file of events, /nowhere/file: No such file or directory"* ]]
	mkfifo pipe
	run -1 --separate-stderr "$BIGM" start --events pipe
	[[ $stderr == *"pipe, is a pipe without a reader"* ]]
}
