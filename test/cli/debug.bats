# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
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
