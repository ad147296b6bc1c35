# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
# --ship: machines of this host that begin as those of others do, as ec2boot, with a bootstrap identity.
load common
bats_require_minimum_version 1.5.0

bigpi=$abs_top_builddir/examples/bigpi

clean_up() {
	"$BIGM" shutdown --all 3>&- 2>/dev/null
}

ec2boot() {
	echo "$abs_top_builddir"/ec2/ec2boot-*
}

# of MACHINE EXPRESSION: a part of what status says of it.
of() {
	"$BIGM" status --json | python3 -c "import json, sys
m = next(m for m in json.load(sys.stdin)[0]['machines'] if m['machine'] == '$1')
print($2)"
}

is() {
	[ "$(of "$1" "$2")" = "$3" ]
}

digest_of() {
	"$BIGM" call "$1" Supervisor.Info | python3 -c 'import json, sys; print(json.load(sys.stdin)["digest"])'
}

@test "machines begin as ec2boot, with certificates of their own" {
	local digest
	"$BIGM" start --ship -n 2 --name ships
	[ "$(readlink "/proc/$(of m0 'm["pid"]')/exe")" = "$(realpath "$(ec2boot)")" ]
	digest=sha256:$(sha256sum "$(ec2boot)" | cut -d' ' -f1)
	[ "$(digest_of m0)" = "$digest" ]
	[[ $("$BIGM" call m1 Supervisor.Info) == *'"name":"m1"'* ]]
	# The service that it waited with is gone.
	run_bigm call m0 Bootstrap.SigningRequest
	echo "$output"
	[ "$status" -ne 0 ]
	[ "$("$BIGM" exec all -- sh -c 'echo $BIGM_RANK' | sort | tr -d '\n')" = 01 ]
	# Lent to a driver, they become that, and ec2boot again.
	run --separate-stderr "$BIGM" run --cluster ships "$bigpi" -- --samples 1000
	echo "$output$stderr"
	[[ $output == *3.* ]]
	[ "$(digest_of m0)" = "$digest" ]
}

@test "a driver, a job and a bundle run on them" {
	run --separate-stderr "$BIGM" run --ship -n 2 "$bigpi" -- --samples 1000
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[[ $output == *3.* ]]
	run --separate-stderr "$BIGM" run --ship -n 2 sh -- -c 'echo "rank $BIGM_RANK"; exit 7'
	echo "$output$stderr"
	[ "$status" -eq 7 ]
	[[ $output == *"rank "* ]]
	echo "of its own" >'fäile ☃'
	"$BIGM" bundle "$(command -v cat)" --file 'fäile ☃' -o cat.bigm
	run --separate-stderr "$BIGM" run --ship -n 2 cat.bigm -- 'fäile ☃'
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[ "$output" = $'of its own\nof its own' ]
	"$BIGM" bundle "$bigpi" -o pi.bigm
	run --separate-stderr "$BIGM" run --ship -n 2 pi.bigm -- --samples 1000
	echo "$output$stderr"
	[[ $output == *3.* ]]
}

@test "machines that serve a program begin so, too, and die as any" {
	"$BIGM" start --ship -n 3 "$bigpi"
	"$BIGM" call all PI.Sample '{"seed": 1, "begin": 0, "end": 1}'
	kill -KILL "$(of m1 'm["pid"]')"
	eventually 20 is m1 'm["state"]' STOPPED
	is m0 'm["state"]' RUNNING
	# Whoever kills the keeper leaves nobody behind.
	kill -KILL "$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["pid"])')"
	eventually 20 nothing_left
}

@test "it may be a setting" {
	BIGM_SHIP=1 "$BIGM" start
	[ "$(readlink "/proc/$(of m0 'm["pid"]')/exe")" = "$(realpath "$(ec2boot)")" ]
	"$BIGM" shutdown
	BIGM_SHIP=1 run --separate-stderr "$BIGM" run "$bigpi" -n 1 -- --samples 1000
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[ "$(BIGM_SHIP=1 "$BIGM" config | awk '$1 == "ship" { print $2, $3 }')" = "1 BIGM_SHIP" ]
}

@test "without ec2boot it is said where it should have been" {
	mkdir bin
	cp "$BIGM" bin/bigm
	run --separate-stderr env BIGM="$PWD/bin/bigm" bin/bigm start --ship
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ $stderr == *"looked at $PWD/bin/ec2boot-"*", $PWD/bin/ec2/ec2boot-"*", $PWD/bin/../libexec/bigm/ec2boot-"* ]]
	# And there it is found.
	mkdir -p libexec/bigm
	cp "$(ec2boot)" libexec/bigm/
	run --separate-stderr env BIGM="$PWD/bin/bigm" bin/bigm run --ship true
	echo "$stderr"
	[ "$status" -eq 0 ]
}

@test "it works in a network of its own" {
	unshare --user --map-root-user --net true 2>/dev/null || skip "no network namespaces for us"
	run --separate-stderr unshare --user --map-root-user --net sh -c 'ip link set lo up && exec "$@"' sh \
		"$BIGM" run --ship -n 2 "$bigpi" -- --samples 1000
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[[ $output == *3.* ]]
}

@test "ec2boot says what is wrong with its options" {
	local ec2boot
	ec2boot=$(ec2boot)
	"$ec2boot" --help | grep -q 'usage: ec2boot --identity FILE'
	[ "$("$ec2boot" --version)" = "ec2boot $("$BIGM" version | grep -oE '[0-9.]+' | head -1)" ]
	for options in '' '--identity x' '--what' '--identity x --dir d word' '--identity x --dir d --port 0' \
		'--identity x --dir d --within soon' '--identity x --dir d --listen-fd 1x'; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr "$ec2boot" $options
		echo "$options: $stderr"
		[ "$status" -eq 2 ]
		[ -n "$stderr" ]
	done
	echo nonsense >x
	for file in x /nonexistent; do
		run --separate-stderr "$ec2boot" --identity "$file" --dir d
		echo "$stderr"
		[ "$status" -eq 1 ]
		[[ $stderr == *"cannot begin: "*"$file"* ]]
	done
	[ ! -e d ]
}
