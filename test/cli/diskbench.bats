# examples/diskbench: a method that streams its report as it runs.
# shellcheck disable=SC2154 # bats sets $stderr
bats_require_minimum_version 1.5.0
load common

diskbench=${abs_top_builddir:?}/examples/diskbench

clean_up() {
	"$BIGM" shutdown --all
}

# The machine has a benchmark's file open, which has no name any more.
has_file() {
	find "/proc/$machine/fd" -lname '*/diskbench-*' 2>/dev/null | grep -q .
}

has_no_file() {
	! has_file
}

has_lines() {
	[ "$(wc -l <out)" -ge 2 ]
}

@test "lines come while the method runs, and it ends with its caller" {
	"$BIGM" start "$diskbench" >/dev/null
	machine=$("$BIGM" call m0 Supervisor.Getpid)
	# It would take days.
	"$BIGM" call m0 DiskBench.Run '{"mib": 1, "rounds": 1000000}' >out 3>&- &
	eventually 30 has_lines
	kill -0 $!
	has_file
	head -n 1 out | grep -qx 'write+fsync *1 MiB *[0-9]* MB/s in all'
	kill $!
	eventually 30 has_no_file
	[ "$("$BIGM" call m0 Supervisor.Ping 7)" = 7 ]
}

@test "an error in mid-stream comes behind the lines before it" {
	(ulimit -f 4096 && "$BIGM" start "$diskbench" >/dev/null)
	run --separate-stderr "$BIGM" call m0 DiskBench.Run '{"mib": 8}'
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 4 ]
	[[ ${lines[3]} == "write+fsync"*" 4 MiB "* ]]
	[ "$stderr" = "bigm call: m0: DiskBench.Run: write+fsync, after 4 MiB: File too large" ]
	run_bigm call m0 DiskBench.Run '{"mib": "much"}'
	[ "$status" -eq 1 ]
	[[ $output == "bigm call: m0: DiskBench.Run: mib is \"much\""* ]]
}

@test "as a driver it prints the reports of all machines" {
	run --separate-stderr "$BIGM" run -n 3 "$diskbench" -- 1 2
	[ "$status" -eq 0 ]
	for machine in m0 m1 m2; do
		[ "$(grep -cE "^$machine  .* 1 MiB .* in all$" <<<"$output")" -ge 4 ]
	done
	[ "$(grep -vcE '^m[0-2]  ([a-z+ ]+ 1 MiB +[0-9]+ MB/s in all|no direct access here)$' <<<"$output")" -eq 0 ]
	run --separate-stderr "$diskbench" 0
	[ "$status" -eq 1 ]
	[ "$output" = "" ]
	[ "$stderr" = "diskbench: m0: DiskBench.Run: mib: must be from 1 to 1048576" ]
}
