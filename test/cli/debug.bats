# shellcheck disable=SC2016,SC2030,SC2031 # the quoted scripts are for other shells; bats runs each test in a subshell
# The debug pages of keeper and machines, by curl as anybody would.
load common

clean_up() {
	"$BIGM" shutdown --all
}

url_of() {
	"$BIGM" status --json "$@" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0].get("http", "none"))'
}

# get PATH [OPTION...]: the page.
get() {
	curl --silent --show-error --max-time 60 "${@:2}" "$URL${1#/}"
}

@test "the keeper shows pages where status says" {
	"$BIGM" start -n 1 3>&-
	URL=$(url_of)
	[[ $URL =~ ^http://127\.0\.0\.1:[0-9]+/$ ]]
	[[ $("$BIGM" status | head -n 1) == *", local, $URL" ]]
	[[ $(get /no-such-page) == "There is no such page."* ]]
	run get /no-such-page --fail
	[ "$status" -ne 0 ]
	[[ $(get / -H 'Host: example.com') == *"by its own name"* ]]
	[[ $(get / -X POST -d x) == *"only to be read"* ]]
}

@test "other users of this host see no pages, unless they are let in" {
	[ "$(id -u)" -eq 0 ] || skip "only root can become another user"
	somebody=(setpriv --reuid 65534 --regid 65534 --clear-groups curl --silent --max-time 60)
	"$BIGM" start -n 1 --name mine "$abs_top_builddir/examples/bigpi" 3>&-
	URL=$(url_of)
	[[ $(get /live/log) == '{'* ]]
	for page in "" live/log live/data metrics debug/vars debug/bigmachine/pprof/heap; do
		[[ $("${somebody[@]}" "$URL$page") == *"for the user whose process"* ]]
	done
	machine=$(get /debug/bigmachine/status | grep -o 'http://127[^ ,]*')
	[[ $(curl --silent --max-time 60 "${machine}metrics") == *bigm_up* ]]
	[[ $("${somebody[@]}" "${machine}metrics") == *"for the user whose process"* ]]
	"$BIGM" shutdown mine
	"$BIGM" start -n 1 --http-any-user 3>&-
	[[ $("${somebody[@]}" "$(url_of)metrics") == *bigm_up* ]]
}

@test "several keepers get along; each has pages" {
	"$BIGM" start -n 1 --name first 3>&-
	"$BIGM" start -n 1 --name second 3>&-
	first=$(url_of --cluster first) second=$(url_of --cluster second)
	[[ $first == http://* && $second == http://* && $first != "$second" ]]
	run_bigm start -n 1 --http "${first:7:-1}" 3>&-
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot listen on 127.0.0.1 port"* ]]
}

@test "pages elsewhere, or nowhere" {
	"$BIGM" start -n 1 --http 127.0.0.2:0 --http-prefix /my/cluster 3>&-
	URL=$(url_of)
	[[ $URL =~ ^http://127\.0\.0\.2:[0-9]+/my/cluster/$ ]]
	[[ $(get /no-such-page) == "There is no such page."* ]]
	"$BIGM" shutdown
	BIGM_NO_HTTP=1 "$BIGM" start -n 1 3>&-
	[ "$(url_of)" = none ]
	run_bigm start -n 1 --http 0.0.0.0:3333 3>&-
	[ "$status" -eq 1 ]
	[[ $output == *"0.0.0.0:3333"*"loopback"* ]]
}

@test "a map has pages where it is told, and tells its events" {
	# shellcheck disable=SC2016 # that shell expands it
	"$BIGM" map --http 127.0.0.2:0 --http-prefix /map --events happened -- sh -c \
		'"$BIGM" status --json' ::: 1 >facts
	python3 -c 'import json, re; url = json.load(open("facts"))[0]["http"]
assert re.fullmatch(r"http://127\.0\.0\.2:[0-9]+/map/", url), url'
	grep -q '"type":"bigm:clusterEnd"' happened
	# shellcheck disable=SC2016
	"$BIGM" map --no-http -- sh -c '"$BIGM" status --json' ::: 1 | python3 -c 'import json, sys
assert "http" not in json.load(sys.stdin)[0]'
}

# drive N [OPTION...]: a driver with N machines that has called them, in the background; its standard input is fd 7.
drive() {
	mkfifo input
	"$BIGM" run -n "$1" "${@:2}" "$abs_top_builddir/test/cli/varied" <input >out 2>err 3>&- &
	RUN=$!
	exec 7>input
	eventually 20 grep -q ready out
	URL=$(url_of)
}

end_driver() {
	exec 7>&-
	wait "$RUN"
}

# python3 with the page of variables as `pages`.
of_vars() {
	get /debug/vars >vars.json
	python3 -c "import json; pages = json.load(open('vars.json'))
$1"
}

@test "/debug/vars has the variables of the driver and of all machines" {
	drive 2
	of_vars 'assert list(pages) == ["driver", "m0", "m1"], pages
v = pages["m1"]["vars"]
assert v["hits"] == 1 and v["level"] == 1.5 and v["answer"] == 42, v
assert v["mood"] == "good \"\\ \u0020ä", v
assert v["sizes"] == {"buckets": {"1": 0, "10": 0, "100": 1, "+Inf": 0}, "count": 1, "sum": 51}, v
assert v["waits_seconds"]["count"] == 0, v
hit = pages["m1"]["calls"]["Varied.Hit"]
assert hit["calls"] == 1 and hit["errors"] == 0 and 0 < hit["time_s"] == hit["max_s"], hit
assert hit["bytes_in"] == 2 and hit["bytes_out"] == 4, hit
assert int(pages["m0"]["memory"]["process"]["resident"]) > 1 << 20 and len(pages["m0"]["load"]["averages"]) == 3
driver = pages["driver"]
assert driver["vars"]["hits"] == 20, driver
made = driver["out"]["m1"]["Varied.Hit"]
assert made["calls"] == 1 and made["errors"] == 0 and made["max_s"] >= hit["max_s"], (made, hit)
assert made["bytes_out"] == 2 and made["bytes_in"] == 4, made'
	run_bigm call m1 Varied.Hit '"no number"'
	[ "$status" -ne 0 ]
	# What was looked at a moment ago is shown again.
	one_error() { of_vars 'assert pages["m1"]["calls"]["Varied.Hit"]["errors"] == 1'; }
	eventually 10 one_error 2>/dev/null
	end_driver
}

@test "Prometheus's own tool finds nothing wrong with /metrics" {
	drive 2
	get /metrics --dump-header head >page
	grep -qi '^content-type: text/plain; version=0.0.4' head
	promtool check metrics <page
	grep -qx 'hits_total{machine="m1"} 1' page
	grep -qx 'hits_total{machine="driver"} 20' page
	grep -qx 'level{machine="m0"} 1.5' page
	grep -qx 'sizes_bucket{machine="m0",le="10"} 0' page
	grep -qx 'sizes_bucket{machine="m0",le="+Inf"} 1' page
	grep -qx 'sizes_sum{machine="m0"} 50' page
	grep -qx 'bigm_server_calls_total{machine="m0",method="Varied.Hit"} 1' page
	grep -qx 'bigm_client_calls_total{machine="driver",peer="m0",method="Varied.Hit"} 1' page
	grep -qx 'bigm_machine_state{machine="m0",state="RUNNING"} 1' page
	end_driver
}

@test "a Prometheus scrapes a cluster" {
	drive 2
	cat >prometheus.yml <<-END
		global: { scrape_interval: 1s }
		scrape_configs: [ { job_name: bigm, static_configs: [ { targets: [ "${URL:7:-1}" ] } ] } ]
	END
	local port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address="127.0.0.1:$port" \
		>prometheus.log 2>&1 3>&- &
	local pid=$!
	value_is() {
		curl --silent --max-time 10 "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1" |
			grep -q "\"$2\"\]"
	}
	eventually 60 value_is 'sum(hits_total)' 22 || { cat prometheus.log; kill "$pid"; false; }
	eventually 60 value_is 'up' 1 || { cat prometheus.log; kill "$pid"; false; }
	eventually 60 value_is 'sum(bigm_up)' 3 || { kill "$pid"; false; }
	kill "$pid"
	wait "$pid" || true
	end_driver
}

@test "the status page tells how each machine is, and a slow machine is a note" {
	drive 3
	get /debug/bigmachine/status >page
	for words in '^m2 RUNNING https://' '^  keepalive: next in .*, replies took ' '^  memory: .* used' '^  disk: ' \
		'^  load: [0-9.]* [0-9.]* [0-9.]*, up ' '^  Varied.Hit: 1 calls, 0 errors, mean ' '^  to m1: Varied.Hit: 1 calls'; do
		grep -q "$words" page || { cat page; false; }
	done
	local pid
	pid=$("$BIGM" call m1 Supervisor.Getpid)
	kill -STOP "$pid"
	slow() {
		get /debug/bigmachine/status >page
		grep -A3 '^m1 ' page | grep -q 'deadline\|no answer' && grep -A3 '^m2 ' page | grep -q memory
	}
	eventually 30 slow || { cat page; kill -CONT "$pid"; false; }
	get /metrics | grep -qx 'bigm_up{machine="m1"} 0'
	kill -CONT "$pid"
	eventually 30 eval 'get /metrics | grep -qx "bigm_up{machine=\"m1\"} 1"'
	end_driver
}

@test "a program shows the pages by itself, on machines and in the driver" {
	drive 1
	echo "page /metrics" >&7
	eventually 20 grep -q 'hits_total{machine="driver"} 10' out
	grep -q '^text/plain; version=0.0.4; charset=utf-8, [0-9]* bytes$' out
	echo "page /nowhere" >&7
	eventually 20 grep -q '^NOTFOUND: .*/nowhere: There is no such page' out
	"$BIGM" call m0 Varied.Page '"/metrics"' | python3 -c 'import json, sys; sys.stdout.write(json.load(sys.stdin))' >own
	promtool check metrics <own
	grep -qx 'hits_total{machine="m0"} 1' own
	end_driver
}

@test "each machine shows its own pages on its loopback device, unless told not to" {
	drive 1
	of_vars 'print(pages["m0"]["http"])' >url
	KEEPER=$URL URL=$(cat url)
	[[ $URL =~ ^http://127\.0\.0\.1:[0-9]+/$ && $URL != "$KEEPER" ]]
	get /debug/vars | python3 -c 'import json, sys; pages = json.load(sys.stdin)
assert list(pages) == ["m0"] and pages["m0"]["vars"]["hits"] == 1, pages'
	get /metrics | promtool check metrics
	[[ $(get / -H 'Host: example.com') == *"by its own name"* ]]
	end_driver
	rm input
	BIGM_NO_HTTP=1 drive 1 --http 127.0.0.1:0
	[ "$URL" = none ]
	end_driver
}

# The pages of m0, as it says itself.
own_pages() {
	URL=$("$BIGM" call m0 Supervisor.Expvars | python3 -c 'import json, sys; print(json.load(sys.stdin).get("http", "none"))')
}

@test "machines that are ec2boot, or of a bundle, have pages of their own, too" {
	"$BIGM" start --ship -n 1 3>&-
	own_pages
	[[ $URL =~ ^http://127\.0\.0\.1:[0-9]+/$ ]]
	get /metrics | grep -q '^bigm_server_calls_total{machine="m0",method="Supervisor.Keepalive"} '
	[[ $(get / -H 'Host: example.com') == *"by its own name"* ]]
	# It becomes a program with its own loader and libraries; libmicrohttpd is none of them.
	"$BIGM" bundle "$abs_top_builddir/test/cli/varied" -o varied.bigm
	"$BIGM" shutdown
	"$BIGM" start -n 1 varied.bigm 3>&-
	own_pages
	get /metrics | promtool check metrics
	get /metrics | grep -qx 'hits_total{machine="m0"} 0'
	"$BIGM" shutdown
	"$BIGM" start --ship -n 1 --no-http "$abs_top_builddir/test/cli/varied" 3>&-
	own_pages
	[ "$URL" = none ]
}
