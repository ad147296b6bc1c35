# examples/wordcount: machines that call each other.
# shellcheck disable=SC2154 # bats sets $stderr
bats_require_minimum_version 1.5.0
load common

wordcount=${abs_top_builddir:?}/examples/wordcount

# What wordcount prints, by other means.
reference() {
	LC_ALL=C sh -c "tr -s '[:space:]' '\\n' | grep . | sort | uniq -c | sed 's/^ *//'"
}

# The manual pages, and words that are no UTF-8 or that JSON has to escape.
text() {
	cat "${abs_top_srcdir:?}"/man/*.[1-8]
	printf '"\\ \x01\x7f \xff\xfe\t\xc3\n\n  é\f{"a":1}\v\r\n%s last' "$(seq 100000)"
}

@test "it counts as sort | uniq -c does, on one machine as on five" {
	local machines
	text >in
	reference <in >expected
	for machines in 1 2 5; do
		"$wordcount" -bigm.n="$machines" <in >out
		cmp out expected
	done
	"$BIGM" run "$wordcount" -n 3 <in >out
	cmp out expected
}

@test "no words are no lines" {
	run --separate-stderr "$wordcount" </dev/null
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ -z "$stderr" ]
}

# machine_pid INDEX
machine_pid() {
	"$BIGM" status --json | grep -o '"machine":"m[0-9]*"[^}]*"state":"RUNNING"[^}]*"pid":[0-9]*' | sed -n "$(($1 + 1))s/.*://p"
}

machines_run() {
	[ "$("$BIGM" status --json | grep -o '"state":"RUNNING"' | wc -l)" -eq "$1" ]
}

@test "a mapper that fails is told with its name" {
	local driver status=0
	mkfifo in
	"$wordcount" -bigm.n=3 <in >out 2>err 3>&- &
	driver=$!
	exec 4>in
	eventually 10 machines_run 3
	seq 1000 >&4
	kill -KILL "$(machine_pid 1)"
	# The driver learns it when the next line is m1's.
	eventually 10 refuses_lines
	exec 4>&-
	wait "$driver" || status=$?
	cat err
	[ "$status" -eq 1 ]
	[ ! -s out ]
	[[ $(tail -n 1 err) == "wordcount: m1: Words.Map: "* ]]
}

# The reader has gone.
refuses_lines() {
	! (echo line >&4) 2>/dev/null
}
