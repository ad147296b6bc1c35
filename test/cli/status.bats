# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
load common

# begin N: a cluster of that many machines, held by a run that would not end by itself.
begin() {
	"$BIGM" run -n "$1" sh -- -c 'echo ready; exec sleep 1000' >"out-$1" 2>&1 3>&- &
	RUN=$!
	eventually 10 is_ready "$1"
}

is_ready() {
	[ "$(grep -c ready "out-$1")" -eq "$1" ]
}

@test "status of none is nothing, an empty list in JSON, and no failure" {
	run_bigm status
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run_bigm status --json
	[ "$status" -eq 0 ]
	[ "$output" = "[]" ]
}

@test "shutdown of none is no failure, with a note" {
	run_bigm shutdown
	[ "$status" -eq 0 ]
	[ "$output" = "bigm shutdown: there is no cluster" ]
	run_bigm shutdown --all
	[ "$status" -eq 0 ]
	[ "$output" = "bigm shutdown: there is no cluster" ]
}

@test "a cluster that is not there is named" {
	run_bigm status --cluster nowhere
	[ "$status" -eq 1 ]
	[[ $output == *nowhere* ]]
	run_bigm shutdown nowhere
	[ "$status" -eq 1 ]
	[[ $output == *nowhere* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "status shows each machine" {
	begin 3
	run_bigm status
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "cluster "*": 3 machines, local, http://127.0.0.1:"*"/" ]]
	[[ ${lines[1]} == MACHINE*STATE*PROCS*PID*ADDRESS ]]
	[[ ${lines[2]} =~ ^m0\ +RUNNING\ +1\ +[0-9]+\ .*https://127\.0\.0\.1:[0-9]+/$ ]]
	[[ ${lines[4]} =~ ^m2\ +RUNNING ]]
	run_bigm status --json
	[ "$(python3 -c 'import json, sys; print(*(m["state"] for m in json.load(sys.stdin)[0]["machines"]))' <<<"$output")" = \
		"RUNNING RUNNING RUNNING" ]
	run_bigm shutdown
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	wait "$RUN" || true
}

@test "of several clusters one must be named; shutdown --all ends them all" {
	begin 1
	begin 2
	run_bigm status
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	run_bigm shutdown
	[ "$status" -eq 1 ]
	local names refusal=$output name
	names=$(cd "$XDG_STATE_HOME"/bigm/* && echo *)
	[ "$(wc -w <<<"$names")" -eq 2 ]
	for name in $names; do
		[[ $refusal == *"$name"* ]]
		run_bigm status --cluster "$name"
		[ "$status" -eq 0 ]
		[[ $output == "cluster $name: "* ]]
	done
	run_bigm shutdown "${names%% *}"
	[ "$status" -eq 0 ]
	run_bigm status
	[ "$status" -eq 0 ]
	[[ $output == "cluster ${names##* }: "* ]]
	run_bigm shutdown --all
	[ "$status" -eq 0 ]
	wait "$RUN" || true
}

@test "a mistyped cluster gets the nearest name" {
	begin 1
	local name
	name=$(cd "$XDG_STATE_HOME"/bigm/* && echo *)
	run_bigm status --cluster "${name}x"
	[ "$status" -eq 1 ]
	[ "$output" = "bigm status: there is no cluster ${name}x; did you mean $name?" ]
	run_bigm shutdown
	wait "$RUN" || true
}

@test "a run whose cluster is shut down by another says so" {
	begin 1
	run_bigm shutdown --now
	[ "$status" -eq 0 ]
	local status=0
	wait "$RUN" || status=$?
	cat out-1
	[ "$status" -eq 125 ]
	[ "$(tail -1 out-1)" = "bigm run: the cluster has been shut down" ]
}

@test "--all and a name contradict each other" {
	run_bigm shutdown --all some
	[ "$status" -eq 2 ]
}

@test "--all shows every cluster, as none that there is" {
	run_bigm status --all
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run_bigm status --all --cluster some
	[ "$status" -eq 2 ]
	"$BIGM" start --name one -n 1
	"$BIGM" start --name two -n 2
	run_bigm status --all
	[ "$status" -eq 0 ]
	[ "$(grep -c '^cluster ' <<<"$output")" -eq 2 ]
	[ "$(grep -c '^m0 ' <<<"$output")" -eq 2 ]
	run_bigm status --all --json
	[ "$(python3 -c 'import json, sys; print(*((c["cluster"], len(c["machines"])) for c in json.load(sys.stdin)))' <<<"$output")" = \
		"('one', 1) ('two', 2)" ]
	"$BIGM" shutdown --all
}

# on_terminal COMMAND [ARGUMENT...] <STEPS: what it shows on a terminal that knows colours.
on_terminal() {
	TERM=xterm run python3 "${abs_top_srcdir:?}/test/cli/terminal.py" "$@"
}

@test "states have a colour on a terminal, but not with NO_COLOR" {
	"$BIGM" start --name one
	on_terminal "$BIGM" status </dev/null
	[ "$status" -eq 0 ]
	[[ $output == *$'\e[32mRUNNING\e[0m'* ]]
	NO_COLOR=1 on_terminal "$BIGM" status </dev/null
	[[ $output == *RUNNING* && $output != *$'\e'* ]]
	run_bigm status
	[[ $output == *RUNNING* && $output != *$'\e'* ]]
	"$BIGM" shutdown
}

# How many tables are in a file.
tables() {
	[ "$(grep -c "$1" "$2")" -eq "$3" ]
}

@test "--watch prints a table for each change, and ends with the cluster" {
	run_bigm status --watch
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	"$BIGM" start --name one -n 2
	"$BIGM" status --watch --interval 50ms >out 2>err 3>&- &
	local watch=$! json
	"$BIGM" status --watch --json --interval 50ms >json 2>/dev/null 3>&- &
	json=$!
	eventually 10 tables '^m0 *RUNNING' out 1
	eventually 10 tables RUNNING json 1
	# Another cluster is none of its business, nor is time that passes.
	"$BIGM" start --name two
	"$BIGM" shutdown two
	kill -KILL "$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["machines"][1]["pid"])')"
	eventually 10 tables '^m1 *STOPPED.*[Kk]illed' out 1
	tables '^cluster one' out 2
	"$BIGM" shutdown one
	wait "$watch"
	wait "$json"
	[ "$(cat err)" = "bigm status: one has ended" ]
	python3 -c 'import json, sys
for line in sys.stdin: assert json.loads(line)[0]["cluster"] == "one", line' <json
}

@test "--watch --all goes on whatever clusters come and go" {
	"$BIGM" status --watch --all --interval 50ms >out 3>&- &
	local watch=$! status=0
	eventually 10 tables '^no cluster$' out 1
	"$BIGM" start --name one
	eventually 10 tables '^m0 *RUNNING' out 1
	"$BIGM" shutdown
	eventually 10 tables '^no cluster$' out 2
	kill -TERM "$watch"
	wait "$watch" || status=$?
	[ "$status" -eq 143 ]
}

@test "--watch draws on a screen of its own and leaves the terminal as it was" {
	"$BIGM" start --name one
	on_terminal "$BIGM" status --watch --interval 50ms <<-'END'
		expect \x1b[?1049h
		expect RUNNING
		expect RUNNING
		send \x03
		expect \x1b[?25h\x1b[?1049l
	END
	[ "$status" -eq 130 ]
	on_terminal sh -c 'stty rows 2 cols 20; exec "$BIGM" status --watch --interval 50ms' <<-'END'
		expect …
		send \x03
	END
	[ "$status" -eq 130 ]
	[[ $output == *"MACHINE▾  STATE"*…* && $output != *RUNNING* ]]
	"$BIGM" shutdown
}

# watch_on_terminal [OPTION...] <STEPS: on a terminal of 10 rows and 200 columns, the modes of which have to be the same
# before and after; the process's id is in the file `pid`, its exit status in `status`.
watch_on_terminal() {
	WATCH="$*" on_terminal sh -c 'stty rows 10 cols 200; stty -g >before
		sh -c "echo \$\$ >pid; exec \"\$BIGM\" status --watch --interval 50ms $WATCH"
		echo $? >status; stty -g >after'
	echo "$output" | cat -v
	[ "$status" -eq 0 ]
	cmp before after
	# What was there before is there again, with a cursor.
	[[ ${output##*$'\e[?1049'} == l* && ${output##*$'\e[?25'} == h* ]]
}

@test "--watch shows figures and sorts machines by what one likes" {
	"$BIGM" start --name one -n 12 "$abs_top_builddir/test/cli/failing"
	kill -KILL "$("$BIGM" call m7 Supervisor.Getpid)"
	(while "$BIGM" call m0 Fail.Echo 1 >/dev/null 2>&1; do :; done) 3>&- &
	local calls=$!
	# Figures that come at once, and those that take two looks.
	watch_on_terminal --sort state <<-'END'
		expect MEMORY
		expect iB
		expect LATENCY
		expect m7
		expect STOPPED
		expect m0
		expect q quit
		send m
		expect MACHINE▾
		expect m0
		send r
		expect MACHINE▴
		expect m11
		expect m10
		send \x1b[B
		expect MACHINE▴
		expect m10
		send \x1b[F
		expect MACHINE▴
		expect m0
		send \x1b[H\x1b[D\x1b[D
		expect BOOT▴
		send \x1bOC\x1b[C\x1b[C
		expect STATE▴
		send q
	END
	[ "$(cat status)" = 0 ]
	run_bigm status --watch --sort nothing
	[ "$status" -eq 2 ]
	[[ $("$BIGM" status --json) != *figures* ]]
	"$BIGM" shutdown
	wait "$calls"
}

@test "--watch follows the size of its terminal" {
	"$BIGM" start --name one -n 12
	watch_on_terminal <<-'END'
		expect m6
		expect q quit
		resize 5 30
		expect m1
		expect q quit  r reverse  sort by: m \x1b[H\x1b[Kcluster one: 12 machines, loca\r
		resize 20 200
		expect m11
		expect u cost
		send q
	END
	"$BIGM" shutdown
}

@test "--watch leaves the terminal as it was, however it ends" {
	"$BIGM" start --name one
	for signal in INT TERM HUP QUIT; do
		watch_on_terminal <<-END
			expect RUNNING
			modes raw
			kill $signal pid
		END
		[ "$(cat status)" = $((128 + $(kill -l $signal))) ]
	done
	# Stopped by its user, and by somebody else.
	watch_on_terminal <<-'END'
		expect RUNNING
		modes raw
		send \x1a
		expect \x1b[?1049l
		state T pid
		modes cooked
		kill CONT pid
		expect \x1b[?1049h
		expect RUNNING
		modes raw
		kill STOP pid
		state T pid
		kill CONT pid
		expect \x1b[?1049h
		expect RUNNING
		modes raw
		send q
	END
	[ "$(cat status)" = 0 ]
	watch_on_terminal <<-END
		expect RUNNING
		run $BIGM shutdown
		expect one has ended
	END
	[ "$(cat status)" = 0 ]
}

@test "--watch ends when its reader goes away" {
	"$BIGM" start --name one
	run bash -c 'set -o pipefail; timeout 10 "$BIGM" status --watch | head -1'
	[ "$status" -eq 141 ]
	[[ $output == "cluster one: 1 machine, local, http://"* ]]
	run bash -c '"$BIGM" status --watch >/dev/full'
	[ "$status" -eq 1 ]
	[ "$output" = "bigm status: standard output: No space left on device" ]
	"$BIGM" shutdown
}

@test "a cluster that ends while it is asked is told as gone, not as broken" {
	local i client
	for i in {1..10}; do
		"$BIGM" run true 3>&- &
		client=$!
		while kill -0 "$client" 2>/dev/null; do
			run_bigm status
			echo "$i: $output"
			[ "$status" -eq 0 ]
		done
		wait "$client"
	done
}
