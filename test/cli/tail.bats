# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
bats_require_minimum_version 1.5.0
load common

# begin N SCRIPT: a cluster of N machines that print what the script does, and nothing after "go" exists but its end.
begin() {
	"$BIGM" run -n "$1" sh -- -c "exec >/proc/\$PPID/fd/1
		$2
		touch printed-\$BIGM_RANK
		while ! [ -e go ]; do sleep 0.05; done
		$3" >run.out 2>&1 3>&- &
	RUN=$!
	eventually 20 all_printed "$1"
}

all_printed() {
	local n
	for ((n = 0; n < $1; n++)); do
		[ -e printed-$n ] || return
	done
}

finish() {
	touch go
	wait "$RUN"
}

lines_in() {
	[ "$(wc -l <"$2")" -ge "$1" ]
}

# printed N MACHINE...: so many lines of them have come to the keeper.
printed() {
	local n=$1
	shift
	[ "$("$BIGM" tail --no-follow "$@" | wc -l)" -ge "$n" ]
}

ended() {
	! kill -0 "$1" 2>/dev/null
}

@test "the output of one machine comes from the start, as it was, and is followed to its end" {
	head -c 300000 /dev/urandom >binary
	head -c 200000 /dev/zero | tr '\0' x >long
	begin 1 'echo first; cat binary; echo; cat long; echo; echo; echo last' 'echo more; printf "no end"'
	"$BIGM" tail m0 >out 3>&- &
	local tail=$!
	eventually 10 lines_in 4 out
	finish
	wait "$tail"
	{ echo first; cat binary; echo; cat long; printf '\n\nlast\nmore\nno end'; } | cmp - out
}

@test "--no-follow ends with what there is, and --lines begins near it" {
	begin 2 'echo one; echo two; echo three'
	eventually 10 printed 6
	[ "$("$BIGM" tail m0 --no-follow)" = $'one\ntwo\nthree' ]
	[ "$("$BIGM" tail 1 --no-follow --lines 2)" = $'two\nthree' ]
	[ -z "$("$BIGM" tail -n 0 --no-follow)" ]
	[ "$("$BIGM" tail -n 3 --no-follow | wc -l)" -eq 3 ]
	finish
}

@test "lines of several machines carry names and do not mix, long as they are" {
	begin 2 'for i in 1 2 3 4 5; do head -c 150000 /dev/zero | tr "\\0" $BIGM_RANK; echo; done; printf end'
	eventually 10 printed 10
	[ "$("$BIGM" tail m0 m1 m0 --no-follow | awk '{ print substr($0, 1, 5), gsub(substr($0, 5, 1), ""), length() }' |
		sort | uniq -c | tr -s ' ')" = $' 5 m0: 0 150001 3\n 5 m1: 1 150001 3' ]
	"$BIGM" tail all >out 3>&- &
	local tail=$!
	eventually 10 lines_in 10 out
	finish
	wait "$tail"
	[ "$(tail -n 2 out | sort)" = $'m0: end\nm1: end' ]
	[ "$(wc -l <out)" -eq 12 ]
}

@test "one machine gets its name by --prefix and on a terminal" {
	begin 1 'echo hello'
	eventually 10 printed 1
	[ "$("$BIGM" tail m0 --no-follow)" = hello ]
	[ "$("$BIGM" tail m0 --no-follow --prefix)" = "m0: hello" ]
	run python3 "${abs_top_srcdir:?}/test/cli/terminal.py" "$BIGM" tail m0 --no-follow </dev/null
	[ "$output" = $'m0: hello\r' ]
	finish
}

@test "--timestamps are RFC 3339, in UTC" {
	begin 1 'echo hello; printf "no end"' 'printf " yet"'
	eventually 10 printed 1
	local before=$EPOCHREALTIME
	run_bigm tail m0 --no-follow --timestamps
	[[ $output =~ ^([0-9-]{10}T[0-9:]{8})\.([0-9]{6})Z\ hello$ ]]
	local at
	at=$(date -u -d "${BASH_REMATCH[1]}Z" +%s).${BASH_REMATCH[2]}
	((${before/./} - ${at/./} < 60000000 && ${before/./} > ${at/./}))
	"$BIGM" tail -t -p >out 3>&- &
	local tail=$!
	eventually 10 lines_in 1 out
	finish
	wait "$tail"
	grep -qE 'Z m0: hello$' out
	grep -qE 'Z m0: no end yet$' out
}

@test "--json is an object a line, whatever the bytes" {
	begin 1 'echo "a \"b\" é"; printf "\\377\\0x\\n"; printf "no end"'
	"$BIGM" tail --json >out 3>&- &
	local tail=$!
	eventually 10 lines_in 2 out
	finish
	wait "$tail"
	python3 - <<-'END'
		import base64, json
		lines = [json.loads(line) for line in open("out")]
		assert [line.get("text") for line in lines] == ['a "b" é', None, "no end"], lines
		assert base64.b64decode(lines[1]["base64"]) == b"\xff\0x", lines
		assert [line["partial"] for line in lines] == [False, False, True], lines
		assert all(line["machine"] == "m0" and line["time"].endswith("Z") for line in lines), lines
	END
}

@test "a reader that has stopped reading never holds a machine up, and misses nothing" {
	yes "some fifty bytes, which a machine prints quickly." | head -c 50000000 >data
	mkfifo pipe
	# shellcheck disable=SC2094 # opened for both, so that it does not wait
	exec 9<>pipe
	begin 1 '' 'cat data; touch written; while ! [ -e end ]; do sleep 0.05; done'
	"$BIGM" tail m0 >pipe 3>&- 9>&- &
	local tail=$!
	touch go
	eventually 20 test -e written
	ended "$tail" && false
	cat <&9 >out 3>&- &
	local cat=$!
	exec 9>&-
	eventually 20 same_size data out
	touch end
	wait "$RUN"
	wait "$tail"
	kill "$cat"
	cmp data out
}

# Reads at its own pace, which is less than a tail's, and never stops for long. What a busy host makes it late it
# makes good again: nobody is waited for longer than ten seconds.
slow_reader() {
	python3 -c 'import os, time
due = time.monotonic()
while data := os.read(0, 1 << 18):
    os.write(1, data)
    due += 0.05
    time.sleep(max(0, due - time.monotonic()))'
}

read_slowly_to_the_end() {
	"$BIGM" start -n 1
	"$BIGM" exec m0 -- sh -c 'cat data >/proc/$PPID/fd/1'
	("$BIGM" tail m0 | slow_reader >out 3>&-) 3>&- &
	local reader=$!
	eventually 20 test -s out
	"$BIGM" shutdown
	wait $reader
	cmp data out
}

@test "a slow reader that gets on is waited for when a cluster is shut down" {
	yes "some fifty bytes, which a machine prints quickly." | head -c 12000000 >data
	# On a busy host it may be taken for one that has stopped.
	read_slowly_to_the_end || read_slowly_to_the_end || read_slowly_to_the_end
}

same_size() {
	[ "$(stat -c %s "$1")" -eq "$(stat -c %s "$2")" ]
}

@test "a machine that is none is named" {
	begin 1 ''
	run_bigm tail m7
	[ "$status" -eq 1 ]
	[[ $output == "bigm tail: no machine m7;"*m0* ]]
	[ "${#lines[@]}" -eq 1 ]
	finish
	run_bigm tail
	[ "$status" -eq 1 ]
	[[ $output == "bigm tail: "*"no"*"cluster"* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "an interrupt ends it with 130, also while nobody reads" {
	yes | head -c 3000000 >data
	begin 1 'cat data'
	mkfifo pipe
	# shellcheck disable=SC2094
	exec 9<>pipe
	run python3 "${abs_top_srcdir:?}/test/cli/terminal.py" "$BIGM" tail m0 --lines 1 <<<$'expect m0: y\nsend \\x03'
	[ "$status" -eq 130 ]
	"$BIGM" tail m0 >pipe 3>&- 9>&- &
	local tail=$! status=0
	eventually 10 is_full
	kill -TERM "$tail"
	wait "$tail" || status=$?
	[ "$status" -eq 143 ]
	finish
}

# Whether the pipe that we hold as descriptor 9 takes no more.
is_full() {
	python3 -c 'import select, sys; sys.exit(bool(select.select([], [9], [], 0)[1]))'
}

@test "a reader that goes away ends it, though nothing is printed any more" {
	begin 1 'echo hello'
	run bash -c 'set -o pipefail; timeout 10 "$BIGM" tail m0 | head -1'
	[ "$output" = hello ]
	[ "$status" -eq 141 ]
	finish
}

@test "a full or closed standard output is told" {
	begin 1 'echo hello'
	eventually 10 printed 1
	run bash -c '"$BIGM" tail m0 >/dev/full'
	[ "$status" -eq 1 ]
	[ "$output" = "bigm tail: standard output: No space left on device" ]
	run bash -c '"$BIGM" tail m0 >&-'
	[ "$status" -eq 1 ]
	[ "$output" = "bigm tail: standard output: Bad file descriptor" ]
	finish
}

@test "a shutdown is a good end, the keeper's death is none" {
	begin 1 'echo hello'
	"$BIGM" tail >out 2>err 3>&- &
	local tail=$! status=0
	eventually 10 lines_in 1 out
	"$BIGM" shutdown
	wait "$RUN" || true
	wait "$tail"
	[ "$(cat out)" = "m0: hello" ]
	[ ! -s err ]

	rm printed-0
	begin 1 'echo hello'
	"$BIGM" tail >out 2>err 3>&- &
	tail=$!
	eventually 10 lines_in 1 out
	kill -KILL "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])' <"$(echo "$XDG_STATE_HOME"/bigm/*/*/info.json)")"
	wait "$RUN" || true
	wait "$tail" || status=$?
	[ "$status" -eq 1 ]
	[[ $(cat err) == "bigm tail: "*keeper* ]]
	[ "$(wc -l <err)" -eq 1 ]
}

@test "what was not read before the cluster's end is missed, and that is told" {
	yes "some fifty bytes, which a machine prints quickly." | head -c 20000000 >data
	begin 1 'cat data'
	mkfifo pipe
	# shellcheck disable=SC2094
	exec 9<>pipe
	"$BIGM" tail m0 >pipe 2>err 3>&- 9>&- &
	local tail=$! status=0
	eventually 10 is_full
	finish
	cat <&9 >out 3>&- &
	local cat=$!
	wait "$tail" || status=$?
	kill "$cat"
	[ "$status" -eq 1 ]
	cat err
	[ "$(wc -l <err)" -eq 1 ]
	[[ $(cat err) == "bigm tail: "*cluster* ]]
}
