# Machines call machines, as their role allows; whoever else calls is refused.
# shellcheck disable=SC2030,SC2031,SC2154 # bats runs each test in a subshell, and sets $stderr
bats_require_minimum_version 1.5.0
load common

clean_up() {
	"$BIGM" shutdown --all
}

# start_cluster NAME: two machines that serve failing.c; address and record are of its m0 and m1.
start_cluster() {
	"$BIGM" start -n 2 --name "$1" "${abs_top_builddir:?}/test/cli/failing" >/dev/null
	mapfile -t address < <("$BIGM" status --cluster "$1" --json | grep -o 'https://[^"]*')
	record=$("$BIGM" status --cluster "$1" --json | grep -o '"record":"[^"]*' | cut -d'"' -f4)
	host=${address[0]#https://} host=${host%/}
}

# peer_call METHOD [ARG]: m0 calls m1.
peer_call() {
	"$BIGM" call --cluster calm m0 Peer.Call "{\"address\": \"${address[1]}\", \"method\": \"$1\", \"arg\": ${2:-null}}"
}

# peer_stream METHOD IN OUT: the same, for a method with streams; the reply's length.
peer_stream() {
	"$BIGM" call --cluster calm m0 Peer.Stream \
		"{\"address\": \"${address[1]}\", \"method\": \"$1\", \"in\": $2, \"out\": $3}"
}

@test "a machine calls a peer by its address, is called back by its own, and calls itself" {
	start_cluster calm
	[ "$(peer_call Peer.Address)" = "\"${address[1]}\"" ]
	[ "$("$BIGM" call m0 Peer.CallMe "\"${address[1]}\"")" = "\"${address[0]}\"" ]
	[ "$("$BIGM" call m1 Peer.CallMe "\"${address[1]}\"")" = "\"${address[1]}\"" ]
}

@test "a machine may ask a peer who it is, and no more of its Supervisor" {
	local method
	start_cluster calm
	[ "$(peer_call Supervisor.Ping 7)" = 7 ]
	[[ $(peer_call Supervisor.Info) == *'"name":"m1"'* ]]
	[ "$(peer_stream Supervisor.GetBinary false true)" = "$(stat -Lc %s "$abs_top_builddir/test/cli/failing")" ]
	for method in Exec Shutdown Setargs Setenv Register Keepalive Getpid; do
		run peer_call Supervisor.$method
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"the role machine may not call Supervisor.$method" ]]
	done
	run peer_stream Supervisor.Setbinary true false
	[[ $output == *"may not call Supervisor.Setbinary" ]]
	run peer_stream Supervisor.Run true true
	[[ $output == *"may not call Supervisor.Run" ]]
	[ "$(peer_call Fail.Echo '"here"')" = '"here"' ]
}

@test "a machine and a driver of another cluster are refused" {
	local there record_of_calm
	start_cluster other
	there=${address[0]}
	start_cluster calm
	record_of_calm=$record
	run "$BIGM" call --cluster other m1 Peer.Call "{\"address\": \"${address[1]}\", \"method\": \"Fail.Echo\"}"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"not signed by our authority"* ]]
	# With its own authority it does not believe the machine, and with ours the machine does not believe it.
	record=$("$BIGM" status --cluster other --json | grep -o '"record":"[^"]*' | cut -d'"' -f4)
	run ! curl -sS --max-time 20 --cacert "$record/authority.pem" --cert "$record/driver.pem" -d 1 "${address[0]}bigrpc/Fail.Echo"
	[[ $output == *"certificate"* ]]
	run ! curl -sS --max-time 20 --cacert "$record_of_calm/authority.pem" --cert "$record/driver.pem" -d 1 \
		"${address[0]}bigrpc/Fail.Echo"
	[[ $output == *'alert unknown ca'* ]]
	[ "$("$BIGM" call --cluster other "$there" Fail.Echo 1)" = 1 ]
}

@test "plain HTTP, TLS 1.2 and a wrong name of the server are refused" {
	local pem
	start_cluster calm
	pem=(--max-time 20 --cacert "$record/authority.pem" --cert "$record/driver.pem" -d 1)
	[ "$(curl -sS "${pem[@]}" "${address[0]}bigrpc/Fail.Echo")" = 1 ]
	run ! curl -sS --max-time 20 -d 1 "http://${host}/bigrpc/Fail.Echo"
	echo "$output"
	[[ $output != *"1" || $output == curl:* ]]
	run ! curl -sS --max-time 20 --http2-prior-knowledge -d 1 "http://${host}/bigrpc/Fail.Echo"
	run ! curl -sS "${pem[@]}" --connect-to "machine.example:443:$host" https://machine.example/bigrpc/Fail.Echo
	echo "$output"
	[[ $output == *"machine.example"* ]]
	run ! openssl s_client -connect "$host" -alpn h2 -tls1_2 -CAfile "$record/authority.pem" -cert "$record/driver.pem" </dev/null
	[[ $output == *"alert protocol version"* ]]
	run -0 openssl s_client -connect "$host" -alpn h2 -CAfile "$record/authority.pem" -cert "$record/driver.pem" \
		-verify_return_error -verify_ip 127.0.0.1 </dev/null
	[[ $output == *TLSv1.3* && $output == *"ALPN protocol: h2"* ]]
}

@test "a stranger that is dialled as a machine is refused" {
	local port server
	start_cluster calm
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=m1 \
		-addext "subjectAltName=URI:bigm:x/machine/m1,IP:127.0.0.1" -keyout own.key -out own.pem 2>/dev/null
	mkfifo hold # the end of its input would end it
	exec 5<>hold
	openssl s_server -accept 127.0.0.1:0 -cert own.pem -key own.key -alpn h2 <&5 >server.out 2>&1 3>&- &
	server=$!
	eventually 10 listening_port
	port=$(listening_port)
	run "$BIGM" call m0 Peer.Call "{\"address\": \"https://127.0.0.1:$port/\", \"method\": \"Fail.Echo\"}"
	kill "$server"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"made its certificate"* ]]
}

# Of the server.
listening_port() {
	sed -n 's/^ACCEPT 127.0.0.1://p' server.out | grep .
}

# Both machines have many more calls than processors, each of which waits for one that the other makes for it.
@test "A calls B calls A with all workers busy, and none waits for ever" {
	local i calls=()
	start_cluster calm
	for i in {1..24}; do
		"$BIGM" call "m$((i % 2))" Peer.Call "{\"address\": \"${address[0]}\", \"method\": \"Peer.Call\", \"arg\":
			{\"address\": \"${address[1]}\", \"method\": \"Peer.Call\", \"arg\":
			{\"address\": \"${address[0]}\", \"method\": \"Peer.Call\", \"arg\":
			{\"address\": \"${address[1]}\", \"method\": \"Fail.Echo\", \"arg\": $i}}}}" >"out.$i" 3>&- &
		calls+=($!)
	done
	wait "${calls[@]}"
	for i in {1..24}; do
		[ "$(cat "out.$i")" = "$i" ]
	done
}
