load common

bigpi=$abs_top_builddir/examples/bigpi

setup_cluster() {
	"$BIGM" start -n 3 --name calm "$bigpi" >/dev/null
}

clean_up() {
	"$BIGM" shutdown --all
}

is_stopped() {
	"$BIGM" status | grep -q "^$1 *STOPPED"
}

@test "call lists services and methods" {
	setup_cluster
	run_bigm call m0
	[ "$output" = "Supervisor
PI" ]
	run_bigm call m0 PI
	[ "$output" = Sample ]
}

@test "a machine may be named by index, name or address" {
	setup_cluster
	address=$("$BIGM" status | grep -o 'https://127.0.0.1:[0-9]*/' | sed -n 2p)
	for machine in 1 m1 "$address"; do
		run_bigm call "$machine" Supervisor.Ping '"x"'
		[ "$status" -eq 0 ]
		[ "$output" = '"x"' ]
	done
}

@test "the argument is text, a file or standard input" {
	setup_cluster
	printf '[1,\n 2]' >argument
	[ "$("$BIGM" call m0 Supervisor.Ping '{"a": "b"}')" = '{"a":"b"}' ]
	[ "$("$BIGM" call m0 Supervisor.Ping @argument)" = '[1,2]' ]
	[ "$("$BIGM" call m0 Supervisor.Ping - <argument)" = '[1,2]' ]
	[ "$("$BIGM" call m0 Supervisor.Ping)" = null ]
}

@test "call all prints a line a machine, in order, and fails if one does" {
	setup_cluster
	run_bigm call all Supervisor.Ping 7
	[ "$status" -eq 0 ]
	[ "$output" = '{"machine":"m0","reply":7}
{"machine":"m1","reply":7}
{"machine":"m2","reply":7}' ]
	kill -KILL "$("$BIGM" call m1 Supervisor.Getpid)"
	eventually 5 is_stopped m1
	run_bigm call all Supervisor.Ping 7
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = '{"machine":"m0","reply":7}' ]
	[[ ${lines[1]} == '{"machine":"m1","error":{"code":"UNAVAILABLE","message":"m1: '*'signal 9'* ]]
	[ "${lines[2]}" = '{"machine":"m2","reply":7}' ]
}

@test "a reply is one line, and no control characters, whatever it is made of" {
	"$BIGM" start -n 1 --name calm "$abs_top_builddir/test/cli/failing" >/dev/null
	raw='"[\n{\"machine\":\"m1\",\"reply\":42},\u001b\"\u001b]0;x\u0007\"]"'
	line='[ {"machine":"m1","reply":42}, "\u001b]0;x\u0007"]'
	[ "$("$BIGM" call m0 Fail.Raw "$raw")" = "$line" ]
	[ "$("$BIGM" call all Fail.Raw "$raw")" = '{"machine":"m0","reply":'"$line"'}' ]
}

@test "streams go in and out unchanged" {
	setup_cluster
	"$BIGM" call m2 Supervisor.GetBinary >copy
	cmp copy "$bigpi"
	digest="sha256:$(sha256sum <copy | cut -d' ' -f1)"
	run_bigm call m0 Supervisor.Setbinary @copy
	[ "$status" -eq 0 ]
	[[ $output == *"$digest"* ]]
	run "$BIGM" call m0 Supervisor.Setbinary - <copy
	[[ $output == *"$digest"* ]]
	run_bigm call all Supervisor.GetBinary
	[ "$status" -eq 1 ]
	[[ $output == *"one machine at a time"* ]]
}

@test "what is not there is named, with the nearest" {
	setup_cluster
	run_bigm call m0 Supervizor.Ping
	[ "$status" -eq 1 ]
	[ "$output" = "bigm call: there is no service Supervizor; did you mean Supervisor?" ]
	run_bigm call m0 PI.Sampel
	[ "$output" = "bigm call: PI: there is no method Sampel; did you mean Sample?" ]
	run_bigm call m7 PI
	[ "$output" = "bigm call: no machine m7; calm has 3, m0 to m2" ]
	run_bigm call m0 Supervisor.Ping @nowhere
	[ "$output" = "bigm call: cannot open nowhere: No such file or directory" ]
}

@test "broken JSON is told with its place" {
	setup_cluster
	run_bigm call m0 Supervisor.Ping '{"a":'
	[ "$status" -eq 1 ]
	[ "$output" = "bigm call: the argument: line 1, column 5: not valid JSON" ]
}

@test "a method's own error is told" {
	setup_cluster
	run_bigm call m0 PI.Sample 1
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "bigm call: m0: PI.Sample: "*seed* ]]
}

@test "--timeout cancels the call" {
	setup_cluster
	run_bigm call --timeout 200ms m0 PI.Sample '{"seed": 1, "begin": 0, "end": 1000000000000}'
	[ "$status" -eq 1 ]
	[[ $output == *"PI.Sample"* ]]
}

@test "stdout that is full is a failure" {
	setup_cluster
	run sh -c '"$BIGM" call m0 Supervisor.Ping 1 >/dev/full'
	[ "$status" -eq 1 ]
	[[ $output == *"No space left"* ]]
}

@test "without a cluster, call says so" {
	run_bigm call m0
	[ "$status" -eq 1 ]
	[ "$output" = "bigm call: no cluster is running" ]
}

@test "without a machine, call says how it is used" {
	run_bigm call
	[ "$status" -eq 2 ]
	[[ $output == "bigm call: which machine?"* ]]
}
