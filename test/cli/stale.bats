# Machines that have lost their keeper: bigm shutdown --stale and bigm status --all, with a system that has nothing else
# (test/system/lost.c).
# shellcheck disable=SC2154 # bats sets $stderr
bats_require_minimum_version 1.5.0
load common

setup_file() {
	BIGM=$abs_top_builddir/test/system/bigm
	export BIGM
}

# machine ID KEEPER OF-USER OF-HOST: facts of one.
machine() {
	printf '{"system":"lost","region":"us-west-2","id":"%s","type":"m5.large","zone":"us-west-2a","state":"running",' "$1"
	printf '"market":"spot","cluster":"c-%s","user":"ann","host":"here","launched":%s,' "$1" "$(($(date +%s) - 600))"
	printf '"usd_per_hour":0.035,"keeper":"%s","mine":{"user":%s,"host":%s}}' "$2" "$3" "$4"
}

setup_machines() {
	LOST_MACHINES="[$(machine i-gone gone true true),$(machine i-live alive true true),$(
		machine i-host unknown true false),$(machine i-user unknown false true),$(machine i-both unknown false false)]"
	LOST_ENDED=$PWD/ended
	export LOST_MACHINES LOST_ENDED
	touch ended
}

ended_are() {
	[ "$(sort ended | paste -sd ' ')" = "$1" ] || { cat ended; false; }
}

@test "those of this user and host are shown and ended" {
	setup_machines
	run --separate-stderr "$BIGM" shutdown --stale --yes
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[[ $output == *"i-gone    us-west-2  m5.large  spot    running  10 m  0.0350  ann@here  c-i-gone  gone"* ]]
	[[ $output != *i-live* ]]
	[[ $output == *i-host* && $output == *i-user* && $output == *i-both* ]]
	[[ $stderr == *"3 of these are other hosts' or users': --all-hosts, --all-users"* ]]
	[[ $stderr == *"1 terminated"* ]]
	ended_are i-gone
}

@test "those of other hosts and users are, when one says so" {
	setup_machines
	run_bigm shutdown --stale --yes --all-hosts
	[ "$status" -eq 0 ]
	ended_are "i-gone i-host"
	: >ended
	run_bigm shutdown --stale -y --all-users
	[ "$status" -eq 0 ]
	ended_are "i-gone i-user"
	: >ended
	run_bigm shutdown --stale --yes --all-hosts --all-users
	[ "$status" -eq 0 ]
	ended_are "i-both i-gone i-host i-user"
}

@test "without a yes nothing is ended" {
	setup_machines
	run_bigm shutdown --stale </dev/null
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"1 would be terminated; say --yes"* ]]
	ended_are ""
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$BIGM" shutdown --stale <<-'END'
		expect Terminate 1 of these, for 0.0350 USD an hour? [y/N]
		send n\r
	END
	[ "$status" -eq 1 ]
	ended_are ""
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$BIGM" shutdown --stale <<-'END'
		expect Terminate 1 of these
		send y\r
	END
	[ "$status" -eq 0 ]
	ended_are i-gone
}

@test "what cannot be ended, and what cannot be asked, fails" {
	setup_machines
	LOST_MACHINES="[$(machine stuck-1 gone true true),$(machine i-gone gone true true)]" run_bigm shutdown --stale --yes
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"stuck-1 cannot be ended"* ]]
	[[ $output == *"1 terminated"* ]]
	ended_are i-gone
	: >ended
	LOST_MACHINES="[{\"region\":\"eu-west-1\",\"error\":\"eu-west-1: not allowed\"},$(machine i-gone gone true true)]" \
		run_bigm shutdown --stale --yes
	[ "$status" -eq 1 ]
	[[ $output == *"eu-west-1: not allowed"* ]]
	ended_are i-gone
	unset LOST_MACHINES
	run_bigm shutdown --stale
	[ "$status" -eq 1 ]
	[[ $output == *"no credentials"* ]]
}

@test "none is no failure" {
	setup_machines
	LOST_MACHINES="[$(machine i-live alive true true)]" run_bigm shutdown --stale
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "bigm shutdown: there is nothing without a keeper" ]
}

@test "its options stand with it, and nothing else does" {
	for words in "--yes" "--all-hosts" "--all-users" "--stale x" "--stale --all" "--stale --cluster x"; do
		# shellcheck disable=SC2086 # words
		run_bigm shutdown $words
		[ "$status" -eq 2 ] || { echo "$words"; false; }
	done
}

@test "status --all shows them where they are of the system in the settings" {
	setup_machines
	run_bigm status --all
	[ "$status" -eq 0 ]
	[ "$output" = "" ]
	BIGM_SYSTEM=lost run_bigm status --all
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == INSTANCE*i-gone*i-host*i-user*i-both* ]]
	[[ $output != *i-live* ]]
	BIGM_SYSTEM=lost run_bigm status
	[ "$output" = "" ]
	BIGM_SYSTEM=lost run_bigm status --all --json
	[ "$(python3 -c 'import json, sys; print([m["id"] for m in json.loads(sys.argv[1])[0]["strays"]])' "$output")" = \
		"['i-gone', 'i-host', 'i-user', 'i-both']" ]
	unset LOST_MACHINES
	BIGM_SYSTEM=lost run --separate-stderr "$BIGM" status --all --json
	[ "$status" -eq 1 ]
	[ "$output" = "[]" ]
	[[ $stderr == *"no credentials"* ]]
}
