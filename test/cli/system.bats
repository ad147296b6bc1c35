# A system that bigm does not have, which HACKING.md builds: machines of low priority (test/system/nice.c).
# shellcheck disable=SC2154 # bats sets $stderr
bats_require_minimum_version 1.5.0
load common

setup_file() {
	BIGM=$abs_top_builddir/test/system/bigm
	export BIGM
}

clean_up() {
	"$BIGM" shutdown --all
}

# of_status EXPRESSION: of the one cluster there is.
of_status() {
	"$BIGM" status --json | python3 -c 'import json, sys; c = json.load(sys.stdin)[0]; print(eval(sys.argv[1]))' "$1"
}

state_is() {
	[ "$(of_status "c['machines'][$1]['state']")" = "$2" ]
}

@test "HACKING.md's system is no longer than it says, and quoted as it is" {
	[ "$(wc -l <"$abs_top_srcdir/test/system/nice.c")" -lt 200 ]
	grep -q 'test/system/nice\.c' "$abs_top_srcdir/HACKING.md"
	# What stands there indented by a tab, between the two headings, stands in the code.
	sed -n '/^### To add a system/,/^### To add a test/s/^\t//p' "$abs_top_srcdir/HACKING.md" >quoted
	[ "$(wc -l <quoted)" -eq 9 ]
	while read -r line; do
		grep -qF -- "$line" "$abs_top_srcdir"/test/system/nice.c "$abs_top_srcdir"/test/system/table.c || { echo "$line"; false; }
	done <quoted
}

@test "the environment and the configuration choose it, too" {
	mkdir "$XDG_CONFIG_HOME/bigm"
	echo "cluster = chosen" >"$XDG_CONFIG_HOME/bigm/config"
	BIGM_SYSTEM="nice" run_bigm start -n 1
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(of_status "c['system'], c['cluster']")" = "('nice', 'chosen')" ]
}

# nicer: what they are to be, ten more than we are ourselves.
nicer() {
	local own
	own=$(nice)
	echo "$((own + 10 > 19 ? 19 : own + 10))"
}

@test "its machines start, are of low priority, answer, and end" {
	run_bigm start --system nice -n 2
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(of_status "c['system']")" = nice ]
	[ "$(ps -o ni= -p "$(of_status "c['machines'][0]['pid']")" | tr -d ' ')" = "$(nicer)" ]
	run_bigm call m1 Supervisor.Ping 7
	[ "$output" = 7 ]
	kill -KILL "$(of_status "c['machines'][1]['pid']")"
	eventually 20 state_is 1 STOPPED
	[[ $(of_status "c['machines'][1]['reason']['message']") == "m1: ended with signal 9 "* ]]
	state_is 0 RUNNING
	run_bigm shutdown
	[ "$status" -eq 0 ]
}

@test "jobs and drivers run on them, and what they print is printed" {
	run --separate-stderr "$BIGM" run --system nice -n 2 nice
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[ "$output" = "$(nicer)"$'\n'"$(nicer)" ]
	run --separate-stderr "$BIGM" run --system nice -n 2 "$abs_top_builddir/examples/bigpi" -- --samples 1000
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[[ $output == *3.* ]]
}

# systems_are LIST: those of all clusters.
systems_are() {
	[ "$("$BIGM" status --json --all 2>/dev/null | grep -o '"system":"[a-z]*"' | tr '\n' ' ')" = "$1" ]
}

@test "a driver's second cluster is of the same system as its first" {
	"$BIGM" run --system nice "$abs_top_builddir/examples/multisys" -- 1000000000000 >/dev/null 2>err 3>&- &
	client=$!
	eventually 20 systems_are '"system":"nice" "system":"nice" '
	kill -TERM $client
	wait $client || :
	# What is nearer to bigm wins.
	"$BIGM" run --system nice "$abs_top_builddir/examples/multisys" -- -bigm.system=local 1000000000000 >/dev/null 2>err 3>&- &
	client=$!
	eventually 20 systems_are '"system":"nice" "system":"nice" '
	kill -TERM $client
	wait $client || :
}
