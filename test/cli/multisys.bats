# examples/multisys: two clusters in one program.
# shellcheck disable=SC2154 # bats sets $stderr
bats_require_minimum_version 1.5.0
load common

multisys=${abs_top_builddir:?}/examples/multisys

# no_clusters: the records are gone.
no_clusters() {
	[ "$("$BIGM" status --all --json | tr -d '[:space:]')" = "[]" ]
}

@test "two clusters estimate π, each by itself" {
	run --separate-stderr "$multisys" 100000000
	echo "$stderr"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} =~ ^left:\ π\ =\ 3\.14[12] ]]
	[[ ${lines[1]} =~ ^right:\ π\ =\ 3\.14[12] ]]
	# Other darts: it would take luck for both to hit as often.
	[ "${lines[0]#left}" != "${lines[1]#right}" ]
	for who in m0/left m1/left m0/right m1/right; do
		[ "$(grep -c "^$who: [0-9]* of [0-9]*$" <<<"$stderr")" -eq 1 ]
	done
	no_clusters
}

@test "the seed decides, and not how many machines there are" {
	run --separate-stderr "$multisys" 10000001 7 -bigm.quiet
	[ "$status" -eq 0 ]
	first=$output
	run --separate-stderr "$multisys" 10000001 7 -bigm.quiet -bigm.n=1
	[ "$output" = "$first" ]
	# The right one's darts are then the left one's.
	run --separate-stderr "$multisys" 10000001 8 -bigm.quiet -bigm.n=1
	[ "left: ${first#*right: }" = "${lines[0]}" ]
}

@test "under bigm run the first one has bigm's cluster, the second its own" {
	run --separate-stderr "$BIGM" run "$multisys" -n 1 -- 10000001 7
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 2 ]
	[ "$(grep -c "^m0/left: [0-9]* of 10000001$" <<<"$stderr")" -eq 1 ]
	[ "$(grep -c "^m0/right: [0-9]* of 10000001$" <<<"$stderr")" -eq 1 ]
	no_clusters
}

@test "when it is killed, both clusters go" {
	"$multisys" 1000000000000000 >out 2>err 3>&- &
	driver=$!
	eventually 20 both_run
	kill -KILL "$driver"
	wait "$driver" || true
	eventually 20 no_clusters
}

# Each of the two clusters has its machines.
both_run() {
	[ "$("$BIGM" status --all --json | grep -o '"RUNNING"' | wc -l)" -eq 4 ]
}

@test "bad input is one line and status 2" {
	for args in 0 -1 x 1e9 "1 0" "1 x"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr "$multisys" $args
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	done
}
