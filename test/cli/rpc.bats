load common

bats_require_minimum_version 1.5.0

page=${abs_top_srcdir:?}/man/bigm-rpc.7

# Machines that serve the Supervisor only, in the background: `bigm run sleep`, whose job is killed at the end.
start_machines() {
	"$BIGM" run sleep -n 2 -- 600 3>&- &
	RUN=$!
	eventually 10 machines_running
}

machines_running() {
	[ "$("$BIGM" status --json | grep -o '"state":"RUNNING"' | wc -l)" -eq 2 ]
}

stop_machines() {
	kill -TERM "$RUN"
	wait "$RUN" || [ $? -eq 143 ]
}

# The lines of the examples of the manual page, as a reader sees them.
examples() {
	sed -n '/^\.Sh EXAMPLES/,$p' "$page" | sed -n '/^\.Bd -literal/,/^\.Ed/p' | sed '/^\./d; s/\\e/\\/g'
}

# do_example COMMAND EXPECTED: runs it in this shell, since the next one may build on it.
do_example() {
	echo "\$ $1"
	eval "$1" >"$TMPDIR/output"
	diff -u <(printf %s "$2") <(awk 1 "$TMPDIR/output") # the last newline is there, then
}

@test "the examples of bigm-rpc(7) do what it says" {
	local command='' expected='' line n=0
	start_machines
	PATH=$(dirname "$BIGM"):$PATH
	while IFS= read -r line; do
		if [[ $line == '$ '* ]]; then
			[ -z "$command" ] || do_example "$command" "$expected"
			command=${line#'$ '} expected='' n=$((n + 1))
		else
			expected+=$line$'\n'
		fi
	done < <(examples)
	do_example "$command" "$expected"
	[ "$n" -ge 10 ]
	cd "$DIR"
	rm "$TMPDIR/output"
	stop_machines
}

# call [CURL'S OPTION...]: to the first machine, with nobody's certificate.
call() {
	curl -sS --max-time 10 --cacert "$record/authority.pem" "$@" "${machine}bigrpc/Supervisor.Ping"
}

find_machine() {
	record=$("$BIGM" status --json | grep -o '"record":"[^"]*' | cut -d'"' -f4)
	machine=$("$BIGM" status --json | grep -o 'https://[^"]*' | head -n 1)
}

@test "a machine serves curl with a certificate of the cluster, over HTTP/2 and TLS 1.3 only" {
	local record machine attempt
	start_machines
	find_machine
	run -0 call --cert "$record/driver.pem" -d '[1]' -w ' %{http_code} %{http_version}'
	[ "$output" = '[1] 200 2' ]

	for attempt in {1..10}; do
		echo "attempt $attempt"
		run ! call -d '[1]'
		[[ $output == *'certificate required'* ]]
	done
	run ! call --cert "$record/driver.pem" -d '[1]' --tls-max 1.2
	[[ $output == *'protocol version'* ]]
	run ! call --cert "$record/driver.pem" -d '[1]' --http1.1
	[[ $output == *'no application protocol'* ]]
	stop_machines
}

@test "a machine refuses a certificate that the cluster has not signed" {
	local record machine
	start_machines
	find_machine
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=driver \
		-addext 'subjectAltName=URI:bigm:x/driver/driver' -keyout own.key -out own.pem
	run ! call --cert own.pem --key own.key -d '[1]'
	[[ $output == *'alert unknown ca'* ]]
	stop_machines
}

@test "only who can read the record can call" {
	local record machine file
	start_machines
	find_machine
	[ "$(stat -c %a "$record")" = 700 ]
	for file in "$record"/*.pem; do
		[ "$(stat -c %a "$file")" = 600 ]
	done
	stop_machines
}

@test "a refusal that comes before the argument reaches curl whole" {
	local record machine attempt
	start_machines
	find_machine
	for attempt in {1..20}; do
		echo "attempt $attempt"
		run -0 call --cert "$record/driver.pem" -H 'x-bigm-version: 2' -d '[1]' -w ' %{http_code}'
		[[ $output == *'wire version 2'*' 505' ]]
	done
	stop_machines
}

# The words after `.It Li` in a section of the manual page.
items() {
	sed -n "/^\.Ss $1/,/^\.S[hs] /p" "$page" | sed -n 's/^\.It Li //p'
}

@test "bigm-rpc(7) has the statuses, headers and error codes of the source" {
	local wire=$abs_top_srcdir/lib/rpc/wire.h
	diff -u <(sed -nE 's/^\tWIRE_[A-Z_]+ = ([0-9]+),/\1/p' "$wire") <(items Reply | grep '^[0-9]' | sort)
	diff -u <(sed -nE 's/^#define WIRE_HEADER_[A-Z]+ "(.*)"/\1/p' "$wire" | sort) <(items Request | grep ^x- | sort)
	grep -qx "\.Li $(sed -nE 's/^#define WIRE_TRAILER_ERROR "(.*)"/\1/p' "$wire") ;" "$page"
	grep -qF "another one is refused with 505" "$page"
	grep -q "described here, $(sed -nE 's/^#define WIRE_VERSION ([0-9]+)/\1/p' "$wire")\.$" "$page"
	diff -u <(sed -nE 's/^\t\{ BIGM_E[A-Z]+, "([A-Z]+)" \},/\1/p' "$abs_top_srcdir/lib/base/error.c" | sort) \
		<(items Reply | grep '^[A-Z]' | sort)
}

# A number of bytes as the manual page has it.
as_written() {
	if (($1 >= 1 << 20)); then
		echo "$(($1 >> 20)) MiB"
	elif (($1 >= 1 << 10)); then
		echo "$(($1 >> 10)) KiB"
	else
		echo "$1 B"
	fi
}

@test "bigm-rpc(7) has the limits of the source" {
	local value
	diff -u <(
		sed -nE 's/^#define WIRE_(MAX_[A-Z]+|[A-Z]+_WINDOW) \(?([0-9]+)u?( << ([0-9]+))?\)?.*/\1 \2 \4/p' \
			"$abs_top_srcdir/lib/rpc/wire.h" | while read -r name value shift; do
			case $name in
			MAX_TIMEOUT) ;; # in words
			MAX_STREAMS) echo "$value" ;;
			*) as_written "$((value << ${shift:-0}))" ;;
			esac
		done | sort
	) <(sed -n '/^\.Ss Limits/,/^\.El/s/^\.It //p' "$page" | sort)
}
