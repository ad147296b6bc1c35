# Bad input and bad surroundings: each is one line on standard error, the right status, and nothing left. What concerns
# one command only is tested with that command.
# Patterns, with the back-quotes of messages.
# shellcheck disable=SC2016
load common

bigpi=$abs_top_builddir/examples/bigpi

clean_up() {
	"$BIGM" shutdown --all
	if [ -d mounted ]; then umount mounted; fi
	if [ -n "${cgroup-}" ]; then eventually 2 rmdir "$cgroup"; fi
}

# refused STATUS TEXT COMMAND...: the command has that status, prints nothing, and its one line of error is TEXT, a pattern.
refused() {
	local expected=$1 text=$2 status=0
	shift 2
	"$@" >"$DIR/out" 2>"$DIR/err" </dev/null || status=$?
	echo "$*: status $status"
	cat "$DIR/out" "$DIR/err"
	[ "$status" -eq "$expected" ]
	[ ! -s "$DIR/out" ]
	[ "$(wc -l <"$DIR/err")" -eq 1 ]
	# shellcheck disable=SC2053
	[[ $(<"$DIR/err") == $text ]]
}

# Nothing of a cluster that was refused.
nothing_started() {
	eventually "$LEAK_GRACE" nothing_left
}

# needs_cgroup CONTROLLER FILE VALUE: a group of our own with that limit.
needs_cgroup() {
	cgroup=/sys/fs/cgroup/$1/${DIR##*/}
	if ! mkdir "$cgroup" 2>/dev/null || ! [ -w "$cgroup/$2" ]; then
		rmdir "$cgroup" 2>/dev/null || true
		cgroup=
		skip "there is no $1 controller in which we may make a group"
	fi
	echo "$3" >"$cgroup/$2"
}

in_cgroup() {
	(echo "$BASHPID" >"$cgroup/cgroup.procs" && exec "$@")
}

# needs_mount OPTIONS: an empty file system at ./mounted.
needs_mount() {
	mkdir mounted
	if ! mount -t tmpfs -o "mode=700,$1" none mounted 2>/dev/null; then
		rmdir mounted
		skip "we may not mount a file system"
	fi
}

needs_other_user() {
	[ "$(id -u)" -eq 0 ] || skip "only root can make a folder another user's"
}

# limited LIMIT COMMAND...: under ulimit LIMIT, with no descriptor of ours.
limited() {
	# shellcheck disable=SC2086
	(exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- && ulimit $1 && shift && exec "$@")
}

@test "a command, an option and a setting that are not there, with the nearest" {
	refused 2 'bigm: there is no command statsu; did you mean status[?]' "$BIGM" statsu
	refused 2 'bigm call: there is no option --clutser; did you mean --cluster[?]' "$BIGM" call --clutser x m0
	refused 2 'bigm start: there is no option --nmae; did you mean --name[?] *--)' "$BIGM" start --nmae x
	refused 2 'bigm start: BIGM_SYSTM: bigm has no setting systm; did you mean system[?]' env BIGM_SYSTM=x "$BIGM" start
	nothing_started
}

@test "a cluster, a machine, a service and a method that are not there" {
	"$BIGM" start --name calm -n 2 "$bigpi"
	refused 1 'bigm call: there is no cluster clam; did you mean calm[?]' "$BIGM" call --cluster clam m0
	refused 1 'bigm call: no machine m2; calm has 2, m0 to m1' "$BIGM" call m2 PI.Sample
	refused 1 'bigm call: there is no service PJ; did you mean PI[?]' "$BIGM" call m0 PJ.Sample
	refused 1 'bigm call: there is no service PJ; did you mean PI[?]' "$BIGM" call all PJ.Sample
	refused 1 'bigm call: PI: there is no method Sampel; did you mean Sample[?]' "$BIGM" call all PI.Sampel
}

@test "no cluster, and two without saying which" {
	refused 1 'bigm call: no cluster is running' "$BIGM" call m0 Supervisor.Ping
	"$BIGM" start --name one
	"$BIGM" start --name two
	local command
	for command in 'call m0' status; do
		# shellcheck disable=SC2086
		refused 1 "bigm ${command%% *}: several clusters are running (one, two): say which with --cluster" \
			"$BIGM" $command
	done
	"$BIGM" call --cluster two m0
}

@test "a program that is not there, not executable, or for another processor" {
	refused 2 'bigm start: ./none: No such file or directory' "$BIGM" start ./none
	refused 127 'bigm run: ./none: No such file or directory' "$BIGM" run ./none
	echo >text
	refused 2 'bigm start: ./text is not executable; chmod +x would make it so' "$BIGM" start ./text
	refused 126 'bigm run: ./text is not executable; chmod +x would make it so' "$BIGM" run ./text
	# e_machine stands at byte 18; 22 is S/390.
	cp "$(type -P true)" foreign
	printf '\026\000' | dd of=foreign bs=1 seek=18 conv=notrunc status=none
	refused 2 'bigm start: ./foreign is a program for S/390; this machine is *' "$BIGM" start ./foreign
	refused 126 'bigm run: ./foreign is a program for S/390; this machine is *' "$BIGM" run ./foreign
	nothing_started
}

@test "numbers of machines that are none" {
	local n
	for n in 0 -1 1.5 many '' 99999999999999999999; do
		refused 2 'bigm start: -n, --machines: *' "$BIGM" start -n "$n"
		refused 2 'bigm run: -n, --machines: *' "$BIGM" run -n "$n" true
	done
	nothing_started
}

@test "more machines than open files" {
	refused 1 'bigm start: *: 40 machines need 240 open files here, 64 are allowed: see `ulimit -Hn`' \
		limited '-n 64' "$BIGM" start -n 40
	refused 125 'bigm run: *: 40 machines need 240 open files here, 64 are allowed: see `ulimit -Hn`' \
		limited '-n 64' "$BIGM" run -n 40 true
	nothing_started
}

# Not bad at all: here the hard limit is high enough.
@test "the soft limit of open files is raised as needed, and what machines run has the old one" {
	[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 512 ]
	local all
	all=$(limited '-Sn 64' "$BIGM" run -n 12 sh -- -c 'ulimit -Sn')
	[ "$(sort <<<"$all" | uniq -c | tr -s ' ')" = ' 12 64' ]
	limited '-Sn 64' "$BIGM" start -n 12 --name calm "$bigpi"
	local keeper machine
	keeper=$("$BIGM" status --json | grep -o '"pid":[0-9]*' | head -1 | cut -d: -f2)
	machine=$("$BIGM" call m11 Supervisor.Getpid)
	[ "$(soft_limit "$keeper")" -gt 64 ]
	[ "$(soft_limit "$machine")" -eq 64 ]
}

# soft_limit PID: of open files.
soft_limit() {
	awk '/^Max open files/ { print $4 }' "/proc/$1/limits"
}

@test "more machines than processes" {
	needs_cgroup pids pids.max 30
	refused 1 "bigm start: *: 40 machines need 120 more processes and threads here, * are allowed: see $cgroup/pids.max" \
		in_cgroup "$BIGM" start -n 40
	refused 125 "bigm run: *: 40 machines need 120 more processes and threads here, * are allowed: see $cgroup/pids.max" \
		in_cgroup "$BIGM" run -n 40 true
	nothing_started
}

@test "no process at all" {
	needs_cgroup pids pids.max 0
	local n
	for n in 1 2 3 4 5 6 7; do
		echo "$n" >"$cgroup/pids.max"
		refused 125 'bigm run: *' in_cgroup "$BIGM" run true
		[[ $(<"$DIR/err") == *'see `ulimit -u`' || $(<"$DIR/err") == *"see $cgroup/pids.max" ]]
	done
	nothing_started
}

@test "more machines than memory" {
	needs_cgroup memory memory.limit_in_bytes 60M
	refused 1 "bigm start: *: 40 machines need 80 MB of memory here, 60 are allowed: see $cgroup/memory.limit_in_bytes" \
		in_cgroup "$BIGM" start -n 40
	nothing_started
}

@test "broken JSON is told with its place" {
	"$BIGM" start "$bigpi"
	refused 1 'bigm call: the argument: line 1, column 10: not valid JSON' "$BIGM" call m0 PI.Sample '{"seed": 1'
	printf '{"seed": 1,\n "begin" 0}' >argument
	refused 1 'bigm call: *: line 2, column *' "$BIGM" call m0 PI.Sample @argument
	refused 2 'bigm start: --service PI: line 1, column *' "$BIGM" start -s 'PI:{"a" 1}' "$bigpi"
}

# The keepers of this test and their guards.
keepers() {
	local file
	for file in $(env -i "$(command -v grep)" -lszxF -e --keeper /proc/[0-9]*/cmdline); do
		file=${file%/cmdline}
		! env -i "$(command -v grep)" -qsF -f - "$file/environ" <<<"$DIR" || echo "${file#/proc/}"
	done
}

# Keeper and guard: stopped first, so that neither sees the other die and removes the record.
kill_keepers_at_once() {
	local pids
	read -r -d '' -a pids < <(keepers) || :
	kill -STOP "${pids[@]}"
	kill -KILL "${pids[@]}"
}

@test "the record of a cluster that was killed is no cluster" {
	"$BIGM" start --name stale
	kill_keepers_at_once
	eventually 10 eval '[ -z "$(left_processes)" ]'
	[ -d "$XDG_STATE_HOME/bigm/$(hostname)/stale" ]
	refused 1 'bigm call: no cluster is running' "$BIGM" call m0 Supervisor.Ping
	"$BIGM" start --name stale
	kill_keepers_at_once
	eventually 10 eval '[ -z "$(left_processes)" ]'
	[ -d "$XDG_STATE_HOME/bigm/$(hostname)/stale" ]
	[ "$("$BIGM" start --name stale)" = stale ]
	[ "$("$BIGM" call m0 Supervisor.Ping 1)" = 1 ]
}

@test "a cluster whose keeper cannot be reached" {
	"$BIGM" start --name calm
	mv "$DIR/run/bigm" "$DIR/run/away"
	refused 1 "bigm call: cluster calm: the keeper cannot be reached: cannot connect to */calm*: no such file or directory" \
		"$BIGM" call m0
	mv "$DIR/run/away" "$DIR/run/bigm"
}

@test "a state folder that cannot be made" {
	touch "$DIR/file"
	refused 1 "bigm start: *: cannot create $DIR/file/bigm: Not a directory" \
		env XDG_STATE_HOME="$DIR/file" "$BIGM" start
	refused 125 "bigm run: *: cannot create $DIR/file/bigm: Not a directory" \
		env XDG_STATE_HOME="$DIR/file" "$BIGM" run true
	refused 1 "bigm status: cannot read $DIR/file/*: Not a directory" env XDG_STATE_HOME="$DIR/file" "$BIGM" status
	refused 1 "bigm start: *: cannot create $DIR/file/bigm: Not a directory" \
		env XDG_RUNTIME_DIR="$DIR/file" "$BIGM" start
	nothing_started
}

@test "a keeper that cannot come up, nor keep its logs: the cause is told" {
	: >file
	run_bigm start --name calm --http 203.0.113.9:1 --log-dir file/logs
	[ "$status" -eq 1 ]
	[[ $output = *203.0.113.9* ]]
	[[ $output != *"not a word"* ]]
}

@test "a program that should have AWS credentials, and fails a while after its last word" {
	mkdir "$HOME/.aws"
	cat >"$HOME/.aws/config" <<-'END'
		[default]
		region = us-east-1
		credential_process = echo no token today >&2; exec >&- 2>&-; sleep 0.1; exit 3
	END
	unset "${!AWS_@}"
	run_bigm start --system ec2
	[ "$status" -eq 1 ]
	[[ $output = *"credential_process: exit status 3: no token today"* ]]
}

@test "a state folder that is read-only" {
	needs_mount ro
	refused 1 "bigm start: *: cannot create $PWD/mounted/bigm: Read-only file system" \
		env XDG_STATE_HOME="$PWD/mounted" "$BIGM" start
	refused 1 "bigm start: *: cannot create $PWD/mounted/bigm: Read-only file system" \
		env XDG_RUNTIME_DIR="$PWD/mounted" "$BIGM" start
	[ -z "$(env XDG_STATE_HOME="$PWD/mounted" "$BIGM" status)" ]
	nothing_started
}

@test "a state folder of somebody else" {
	needs_other_user
	mkdir -p foreign/bigm/"$(hostname)"
	chown -R 65534 foreign
	local command
	for command in start status shutdown 'call m0'; do
		# shellcheck disable=SC2086
		refused 1 "bigm ${command%% *}: *$PWD/foreign/bigm/$(hostname): belongs to user 65534, not to you (0)" \
			env XDG_STATE_HOME="$PWD/foreign" "$BIGM" $command
	done
	refused 1 "bigm start: *$PWD/foreign/bigm: belongs to user 65534, not to you (0)" \
		env XDG_RUNTIME_DIR="$PWD/foreign" "$BIGM" start
	nothing_started
}

@test "a configuration that cannot be read, or has nonsense in it" {
	local config=$XDG_CONFIG_HOME/bigm/config
	mkdir -p "$config"
	refused 2 "bigm start: $config: Is a directory" "$BIGM" start
	refused 2 "bigm run: $config: Is a directory" "$BIGM" run true
	rmdir "$config"
	echo 'nonsense' >"$config"
	refused 2 "bigm start: $config:1: neither NAME = VALUE nor [[]SECTION]" "$BIGM" start
	echo 'sytem = local' >"$config"
	refused 2 "bigm run: $config:1: bigm has no setting sytem; did you mean system[?]" "$BIGM" run true
	echo 'n = many' >"$config"
	refused 2 "bigm start: $config:1: n=many: must be a whole number *" "$BIGM" start
	nothing_started
}

@test "a full disk where the record should be" {
	local inodes
	needs_mount size=4k
	refused 1 "bigm start: *: cannot write $PWD/mounted/bigm/*: No space left on device" \
		env XDG_STATE_HOME="$PWD/mounted" "$BIGM" start
	refused 125 "bigm run: *: cannot write $PWD/mounted/bigm/*: No space left on device" \
		env XDG_STATE_HOME="$PWD/mounted" "$BIGM" run true
	[ -z "$(find mounted -mindepth 3)" ]
	for inodes in 1 2 3 4 5 6 7 8; do
		umount mounted
		mount -t tmpfs -o "mode=700,nr_inodes=$inodes" none mounted
		refused 1 "bigm start: *$PWD/mounted/bigm*: No space left on device" \
			env XDG_STATE_HOME="$PWD/mounted" "$BIGM" start
		[ -z "$(find mounted -mindepth 3)" ]
	done
	nothing_started
}

@test "a full disk at Setbinary" {
	needs_mount size=128k
	export XDG_STATE_HOME=$PWD/mounted
	"$BIGM" start
	dd if=/dev/zero of=program bs=1024 count=512 status=none
	refused 1 "bigm call: m0: Supervisor.Setbinary: cannot write the program to $PWD/mounted/bigm/*/m0: No space left on device" \
		"$BIGM" call m0 Supervisor.Setbinary @program
	[ "$("$BIGM" call m0 Supervisor.Ping 1)" = 1 ]
	"$BIGM" shutdown
	[ -z "$(find mounted -mindepth 3)" ]
}

@test "no free descriptors" {
	"$BIGM" start
	local n
	for n in 4 5 6 8 10; do
		refused 1 'bigm call: *oo many open files; see `ulimit -n`' limited "-n $n" "$BIGM" call m0 Supervisor.Ping 1
	done
	for n in 4 6 8 9; do
		refused 1 'bigm status: *oo many open files; see `ulimit -n`' limited "-n $n" "$BIGM" status
	done
}

@test "no free descriptors to start with" {
	local n
	for n in 4 8 12 16 19; do
		refused 125 'bigm run: *oo many open files; see `ulimit -n`' limited "-n $n" "$BIGM" run true
		refused 1 'bigm start: *oo many open files; see `ulimit -n`' limited "-n $n" "$BIGM" start
	done
	nothing_started
}

@test "a standard output that is closed or full" {
	"$BIGM" start -n 2 "$bigpi"
	local command
	# shellcheck disable=SC2016,SC2086 # bash expands the one, and the other are words
	for command in status 'status --json' 'call m0' 'call m0 PI' 'call m0 Supervisor.Ping 1' 'call all Supervisor.Ping 1' \
		'call m0 Supervisor.GetBinary' help 'help run' 'run --help' version 'completion bash'; do
		refused 1 "bigm ${command%% *}: standard output: No space left on device" \
			bash -c '"$@" >/dev/full' - "$BIGM" $command
		refused 1 "bigm ${command%% *}: standard output: Bad file descriptor" bash -c '"$@" >&-' - "$BIGM" $command
	done
	refused 125 'bigm run: cannot write the output: No space left on device' \
		bash -c '"$BIGM" run echo -- hello >/dev/full'
	refused 125 'bigm run: cannot write the output: Bad file descriptor' bash -c '"$BIGM" run echo -- hello >&-'
}

@test "a cluster whose name cannot be printed does not stay" {
	refused 1 'bigm start: standard output: No space left on device' bash -c '"$BIGM" start >/dev/full'
	refused 1 'bigm start: standard output: Bad file descriptor' bash -c '"$BIGM" start >&-'
	nothing_started
}

@test "a standard error that is closed changes nothing" {
	[ "$("$BIGM" start --name quiet 2>&-)" = quiet ]
	[ "$("$BIGM" call m0 Supervisor.Ping 1 2>&-)" = 1 ]
	[ "$("$BIGM" run echo -- hello 2>&-)" = hello ]
	"$BIGM" shutdown 2>&-
}
