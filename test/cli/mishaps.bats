# A few of the rounds that `make mishaps` plays for minutes: see test/chaos/mishaps.py.
load common

setup_file() {
	[ "${sanitizer:-no}" = no ] || skip_all "a sanitizer has a memory of its own"
	export MISHAP_LIBRARY="$BATS_FILE_TMPDIR/mishap.so"
	${CC:?} -shared -fPIC -Wall "$abs_top_srcdir/test/chaos/mishap.c" -o "$MISHAP_LIBRARY"
}

clean_up() {
	"$BIGM" shutdown --all 2>/dev/null
}

@test "a session in which one allocation or call fails goes well or says why not, and leaves nothing" {
	run "$abs_top_srcdir/test/chaos/mishaps.py" --rounds 20 --seed check --verbose
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"20 rounds of seed check"*", 0 failed" ]]
}

@test "a machine that cannot be connected to fails for that, not for having been killed" {
	local record="$DIR/record"
	head -c 1024 /dev/zero >"$record"
	# The first is the driver's, to the keeper.
	LD_PRELOAD="$MISHAP_LIBRARY" MISHAP=connect:2 MISHAP_FILE="$record" MISHAP_BELOW="$abs_top_builddir" \
		run_bigm run -n 1 "$abs_top_builddir/examples/bigpi"
	[ "$status" -eq 1 ]
	[[ $output == *"m0: Supervisor.Register: cannot connect to 127.0.0.1:"*"connection refused"* ]]
}

@test "a cluster that cannot be looked at is not taken for one that has ended" {
	local record="$DIR/record" opened n
	"$BIGM" start --name calm >/dev/null
	# All files of the command, one after the other.
	for ((n = 1, opened = 1; n <= opened; n++)); do
		head -c 1024 /dev/zero >"$record"
		LD_PRELOAD="$MISHAP_LIBRARY" MISHAP=open:$n MISHAP_FILE="$record" MISHAP_BELOW="$abs_top_builddir" \
			run_bigm status --cluster calm
		# calls[OPEN], of mishap.c
		opened=$(od -An -t u8 -j 40 -N 8 "$record")
		echo "$n of $opened: $status $output"
		[ "$status" -eq 0 ] || [[ $output == *"oo many open files"* ]]
	done
	[ "$opened" -gt 5 ]
}
