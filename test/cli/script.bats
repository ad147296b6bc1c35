load common

clean_up() {
	"$BIGM" shutdown --all
}

@test "a shell script holds a cluster, without a sleep" {
	ln -s "${abs_top_builddir:?}/examples" examples
	cat >script <<-'END'
		bigm start -n 3 examples/bigpi
		bigm status --json
		bigm call all Supervisor.Ping 7
		bigm tail m1 &
		bigm exec all -- hostname
		bigm exec m0 -- sh -c 'exit 9'
		echo "status $?"
		bigm shutdown
		wait
	END
	run env PATH="$(dirname "$BIGM"):$PATH" timeout 60 sh ./script
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 9 ]
	[[ ${lines[0]} =~ ^[a-z0-9-]+$ ]]
	[[ ${lines[1]} == '[{"cluster":"'"${lines[0]}"'",'* ]]
	[ "$(grep -o '"state":"RUNNING"' <<<"${lines[1]}" | wc -l)" -eq 3 ]
	for i in 0 1 2; do
		[ "${lines[i + 2]}" = '{"machine":"m'$i'","reply":7}' ]
		[ "${lines[i + 5]}" = "$(hostname)" ]
	done
	[ "${lines[8]}" = "status 9" ]
	[ -z "$("$BIGM" status)" ]
}
