# A few of the rounds that `make chaos` plays for minutes: see test/chaos/kills.py.
load common

@test "thirty rounds of kill -9, in every phase, leave nothing" {
	run "$abs_top_srcdir/test/chaos/chaos" --rounds 30 --seed check --verbose
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"30 rounds of seed check"* ]]
}
