# The live page, in a headless Chromium.
load common

setup_file() {
	command -v chromium-headless-shell chromium google-chrome >/dev/null || skip_all "there is no Chromium"
}

clean_up() {
	"$BIGM" shutdown --all
}

# look WHAT [N]
look() {
	HOME=$DIR/home timeout 110 python3 "${abs_top_srcdir:?}/test/cli/page.py" "$URL" "$@" 3>&-
}

start() {
	"$BIGM" start --name calm --http 127.0.0.1:0 --keepalive-period 1s "$@" >/dev/null 3>&-
	URL=$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["http"])')
}

@test "the page shows every machine, light and dark, in a narrow window" {
	start -n 3 "$abs_top_builddir/test/cli/failing" -- '<img src=x onerror=document.title=1>'
	look whole 3
}

@test "what machines print is text, whatever it looks like, and can be filtered" {
	start -n 1 "$abs_top_builddir/test/cli/failing"
	"$BIGM" call m0 Fail.Print '"<img src=x onerror=document.title=1>\nsecond"' >/dev/null
	look log
}

@test "a machine that fails is seen at once, and found by keyboard" {
	start -n 3 "$abs_top_builddir/test/cli/failing"
	kill -KILL "$("$BIGM" call m1 Supervisor.Getpid)"
	look failed
}

@test "calls are counted; a cluster that ends is told" {
	start -n 1 "$abs_top_builddir/test/cli/failing"
	while "$BIGM" call m0 Fail.Echo 1 >/dev/null 2>&1; do :; done 3>&- &
	look calls
	look gone >said &
	eventually 60 grep -q looking said
	"$BIGM" shutdown
	wait $!
}

@test "the data of the page come in parts, and a reader who is far behind is told" {
	local gen
	start -n 2 "$abs_top_builddir/examples/bigpi"
	curl --silent --fail "${URL}live/data" >all.json
	gen=$(python3 -c 'import json; d = json.load(open("all.json")); assert [m["machine"] for m in d["machines"]] == ["m0", "m1"]; print(d["gen"])')
	curl --silent --fail "${URL}live/data?since=$((gen + 1000))" | grep -q '"machines":\[\]'
	curl --silent --fail "${URL}live/log?after=0" | grep -q '"lines":\[\]'
	[ "$(curl --silent --output /dev/null --write-out '%{http_code}' "${URL}live/data?since=x")" = 400 ]
	grep -q "default-src 'none'" <(curl --silent --fail "$URL")
}
