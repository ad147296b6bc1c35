# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
# One profile of a whole cluster: bigm pprof, its pages, and what go tool pprof makes of them.
load common

setup_file() {
	[ "${sanitizer:-no}" = no ] || skip_all "a sanitizer has malloc() and the locks for itself"
}

clean_up() {
	"$BIGM" shutdown --all
}

BIGPI=$abs_top_builddir/examples/bigpi

url_of() {
	"$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["http"])'
}

# page PATH: one of the profiles' pages.
page() {
	curl --silent --show-error --max-time 60 "${URL}debug/bigmachine/pprof/$1"
}

need_go() {
	command -v go >/dev/null || skip "there is no go (Debian package golang-go)"
}

@test "without a name it lists the profiles, of each machine and of all" {
	"$BIGM" start -n 3 "$BIGPI" 3>&-
	run_bigm pprof
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} =~ ^MACHINE\ +heap\ +mutex\ +block\ +threads$ ]]
	[[ ${lines[2]} == m1\ * && ${lines[4]} == all\ * ]]
	"$BIGM" pprof --json | python3 -c '
import json, sys
*machines, total = json.load(sys.stdin)
assert [m["machine"] for m in machines] == ["m0", "m1", "m2"] and total["machine"] == "all"
assert all(m["profiles"]["threads"] >= 3 for m in machines)
for name, count in total["profiles"].items():
    assert count == sum(m["profiles"][name] for m in machines), name'
}

@test "it is a table, stacks, a picture, or a file, of one machine or of all" {
	"$BIGM" start -n 2 "$BIGPI" 3>&-
	"$BIGM" pprof threads -o all.pb.gz --top --rows 0 >top
	cat top
	[[ $(head -c 2 all.pb.gz | od -An -tx1) == " 1f 8b" ]]
	[[ $(head -n 1 top) =~ ^threads:\ [0-9]+$ ]]
	# Both machines' main threads.
	grep -qE '^ +0 +0\.00% +100\.00% +2 +[0-9.]+%  worker_main$' top
	"$BIGM" pprof threads --machine m1 --top --rows 0 >top
	grep -qE '^ +0 +0\.00% +100\.00% +1 +[0-9.]+%  worker_main$' top
	# To what is no terminal the profile itself goes.
	[[ $("$BIGM" pprof threads | head -c 2 | od -An -tx1) == " 1f 8b" ]]
	"$BIGM" pprof threads --collapsed | grep -qE '^_start;(.*;)?main;bigm_init;.*worker_main;.* 2$'
	"$BIGM" pprof threads --text | grep -qE '^    main +/.*examples/bigpi\.c:[0-9]+$'
	"$BIGM" pprof threads --flamegraph flame.svg
	python3 -c 'import xml.dom.minidom, sys; xml.dom.minidom.parse("flame.svg")'
	grep -q '<title>worker_main (2, ' flame.svg
}

@test "what cannot be is refused before anything is sampled" {
	run_bigm pprof threads --top --collapsed
	[ "$status" -eq 2 ]
	[[ $output == *"only one of"* ]]
	run_bigm pprof threads --json
	[ "$status" -eq 2 ]
	run_bigm pprof profile --seconds 0
	[ "$status" -eq 2 ]
	run_bigm pprof profile --seconds 2h
	[ "$status" -eq 2 ]
	[[ $output == *"--seconds has to be"* ]]
	"$BIGM" start -n 1 "$BIGPI" 3>&-
	run_bigm pprof nonsense
	[ "$status" -eq 1 ]
	[[ $output == *nonsense* ]]
	run_bigm pprof threads --machine m7
	[ "$status" -eq 1 ]
	[[ $output == *"no machine m7"* ]]
	run_bigm pprof threads --top --type space
	[ "$status" -eq 1 ]
	[[ $output == *'no values of "space"; it has: threads'* ]]
	run_bigm pprof threads --top --symbols /nowhere
	[ "$status" -eq 1 ]
	[[ $output == *"/nowhere"* ]]
	while read -r arg word; do
		run_bigm call --timeout 20s m0 Supervisor.CPUProfile "$arg"
		echo "$arg: $output"
		[ "$status" -eq 1 ]
		[[ $output == *"$word"* ]]
	done <<'END'
{"debug":3} debug is 3; it has to be 0, 1 or 2
{"debug":"x"} debug
{"duration_s":"x"} duration_s
{"duration_s":0} duration_s is 0; it has to be more than 0, and at most 3600
{"duration_s":3601} duration_s is 3601;
{"duration_s":60} a profile of 60 s would not be ready before
{"duration_s":1,"hz":0} hz is 0; it has to be from 1 to
{"duration_s":1,"hz":1000000} hz is 1000000;
END
}

@test "a plain program has no profile, which is said" {
	"$BIGM" start -n 1 3>&-
	run_bigm pprof threads
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"plain programs cannot be profiled"* ]]
	run_bigm pprof
	[ "$status" -eq 1 ]
	[[ $output == *"no machine has any profile"* ]]
}

@test "machines may run a stripped copy; who has the symbols sees functions and lines" {
	strip -o stripped "$BIGPI"
	"$BIGM" start -n 2 "$PWD/stripped" 3>&-
	"$BIGM" pprof threads --top --rows 0 >top
	cat top
	grep -q ' \[stripped\]$' top
	! grep -q worker_main top || false
	"$BIGM" pprof threads --text --symbols "$BIGPI" | grep -qE '^    main +/.*examples/bigpi\.c:[0-9]+$'
	# Beside the program, where objcopy's link leads.
	objcopy --only-keep-debug "$BIGPI" stripped.debug
	cp stripped linked
	objcopy --add-gnu-debuglink=stripped.debug linked
	"$BIGM" shutdown
	"$BIGM" start -n 1 "$PWD/linked" 3>&-
	"$BIGM" pprof threads --text | grep -qE '^    main +/.*examples/bigpi\.c:[0-9]+$'
}

@test "what a bundle has shipped is found" {
	"$BIGM" bundle -o pi.bundle "$BIGPI"
	"$BIGM" start -n 1 --ship "$PWD/pi.bundle" 3>&-
	"$BIGM" pprof threads --text >text
	cat text
	grep -qE '^    main +/.*examples/bigpi\.c:[0-9]+$' text
	grep -q '^    uv_run' text
}

# busy MACHINE: it computes, until the cluster ends.
busy() {
	"$BIGM" call "$1" PI.Sample '{"seed": 1, "begin": 0, "end": 4000000000000}' 3>&- >/dev/null 2>&1 &
}

# Whether a profile of the processors shows the method that computes, on both machines.
computing() {
	"$BIGM" pprof profile --seconds 0.5 --text >text 2>/dev/null
	grep -q '^    sample ' text && grep -q 'machine: m0' text && grep -q 'machine: m1' text
}

@test "a profile of the processors shows what computes, down to the thread's start" {
	"$BIGM" start -n 2 "$BIGPI" 3>&-
	busy m0
	busy m1
	eventually 30 computing
	grep -q '^    worker_thread ' text
	grep -q '^    start_thread' text
}

@test "on a terminal it tells how far the sampling is, and leaves nothing of that" {
	"$BIGM" start -n 2 "$BIGPI" 3>&-
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$BIGM" pprof profile --seconds 1 -o some.pb.gz <<<'expect bigm pprof: 2 machines, '
	cat -v <<<"$output"
	[ "$status" -eq 0 ]
	[[ $output == *" of 1 s, "*" done"* ]]
	# The last that is written of it clears the line.
	[[ ${output##* done} == *$'\r\e[K'* ]]
	# Who asks for quiet, or has no terminal there, gets none.
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$BIGM" pprof profile --quiet --seconds 0.5 -o some.pb.gz </dev/null
	[ "$status" -eq 0 ]
	[[ $output != *" of "* ]]
	[ -z "$("$BIGM" pprof profile --seconds 0.5 -o some.pb.gz 2>&1)" ]
}

@test "go tool pprof has the same numbers as the table" {
	need_go
	"$BIGM" start -n 2 "$BIGPI" 3>&-
	"$BIGM" pprof threads -o threads.pb.gz --top --rows 0 | sed 1,2d | awk '{print $1, $4, $6}' | sort >ours
	go tool pprof -top -nodefraction=0 threads.pb.gz 2>/dev/null |
		sed '1,/flat%/d; s/ (inline)$//; s/ (partial-inline)$//' | awk '{print $1, $4, $6}' | sort >theirs
	[ "$(wc -l <ours)" -gt 10 ]
	diff -u ours theirs
}

@test "go tool pprof reads the pages: -top, -peek, -list, -proto, -diff_base, one machine" {
	need_go
	"$BIGM" start -n 2 "$BIGPI" 3>&-
	URL=$(url_of)
	threads=${URL}debug/bigmachine/pprof/threads
	go tool pprof -top "$threads" | tee out | grep -qE ' 2 +[0-9.]+% +worker_main$'
	go tool pprof -peek '^worker_main$' "$threads" | grep -q be_machine
	# Without -trim_path it guesses that what stands before the name of the present folder is no part of a path.
	go tool pprof -trim_path /nowhere -list '^main$' "$threads" | grep -q 'bigm_init('
	go tool pprof -proto -output one.pb.gz "$threads?machine=m1"
	go tool pprof -top one.pb.gz | grep -qE ' 1 +[0-9.]+% +worker_main$'
	go tool pprof -tagfocus machine=m0 -top "$threads" | grep -qE ' 1 +[0-9.]+% +worker_main$'
	# One machine less.
	go tool pprof -top -diff_base one.pb.gz "$threads" | grep -qE ' 1 +[0-9.]+% +worker_main$'
	go tool pprof -top "${URL}debug/bigmachine/pprof/profile?seconds=0.2" | grep -q '^Type: cpu'
	go tool pprof -top -sample_index=alloc_space "${URL}debug/bigmachine/pprof/heap" | grep -q '^Type: alloc_space'
}

@test "go tool pprof reads pages with functions that nobody knows" {
	need_go
	strip -o stripped "$BIGPI"
	"$BIGM" start -n 1 "$PWD/stripped" 3>&-
	URL=$(url_of)
	# It would ask the page for them, by POST.
	for name in threads 'profile?seconds=0.1' heap; do
		go tool pprof -top "${URL}debug/bigmachine/pprof/$name" >out
		grep -q '^Type: ' out
	done
}

@test "pages for browsers: the list, text, a flame graph; what is not there is not found" {
	"$BIGM" start -n 2 "$BIGPI" 3>&-
	URL=$(url_of)
	page "" >list
	grep -q '<a target="graph" href="heap?format=flamegraph&amp;machine=m1">' list
	grep -q '<iframe name="graph"' list
	grep -q '<th>all</th>' list
	page 'threads?debug=2' | grep -qE '^    main +/.*examples/bigpi\.c:[0-9]+$'
	page 'goroutine?format=top' | grep -q worker_main
	page 'threads?format=flamegraph' >flame.svg
	python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("flame.svg")'
	page 'threads?debug=1&machine=m1' >text
	grep -q 'machine: m1' text
	! grep -q 'machine: m0' text || false
	for bad in nonsense 'heap?machine=m7' 'heap?format=nonsense' 'profile?seconds=x' 'heap?machine=--help' \
		'heap?format=top&type=nonsense'; do
		run curl --silent --fail "${URL}debug/bigmachine/pprof/$bad"
		echo "$bad: $output"
		[ "$status" -eq 22 ]
	done
}

# missing MACHINE FILE: whether the profile says that it has nothing of that one, and something of m0.
missing() {
	python3 -c '
import gzip, sys
text = gzip.open(sys.argv[2]).read()
assert sys.argv[1].encode() + b" is missing: " in text, "no note"
assert b"m0 is missing" not in text and b"worker_" in text, "nothing of m0"' "$@"
}

# Whether a profile of m1's processors is being taken, so that another is refused.  Trying would be in its way.
taken() {
	"$BIGM" pprof threads --machine m1 --text 2>&1 | grep -q cpu_profile
}

@test "a machine that fails is a warning and a note in the profile" {
	"$BIGM" start -n 2 "$BIGPI" 3>&-
	"$BIGM" call m1 Supervisor.CPUProfile '{"duration_s": 100}' 3>&- >/dev/null 2>&1 &
	eventually 30 taken
	busy m0
	eventually 30 profile_without_m1
	grep -q 'a machine is missing: m1: ' warning
	[ "$(grep -c 'is missing' warning)" -eq 1 ]
}

# Whether a profile was taken in spite of it, in which there is anything.
profile_without_m1() {
	"$BIGM" pprof profile --seconds 0.3 -o some.pb.gz 2>warning && missing m1 some.pb.gz
}

# It is waited for, for the 5 s that a machine has.
@test "a machine that is slow is a warning and a note in the profile" {
	"$BIGM" start -n 2 "$BIGPI" 3>&-
	slow=$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["machines"][1]["pid"])')
	kill -STOP "$slow"
	"$BIGM" pprof threads -o some.pb.gz 2>warning
	kill -CONT "$slow"
	cat warning
	grep -q 'a machine is missing: m1: ' warning
	missing m1 some.pb.gz
}

# Whether the dumps are all there, and complete.
dumped() {
	[ "$(find "$XDG_STATE_HOME" -name 'all-*Z.*.pb.gz' -size +0 | wc -l)" -eq 3 ] &&
		[ "$(find "$XDG_STATE_HOME" -name 'm[01]-*Z.expvars' -size +0 | wc -l)" -eq 2 ] &&
		[ "$(grep -c 'a profile is in' "$XDG_STATE_HOME"/bigm/*/*/keeper.log)" -eq 3 ]
}

@test "SIGQUIT to the keeper saves what the machines do; --log-dir keeps it" {
	"$BIGM" start -n 2 --name quitter --log-dir "$PWD/logs" "$BIGPI" 3>&-
	kill -QUIT "$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["pid"])')"
	eventually 30 dumped
	# All say the same time.
	[ "$(find "$XDG_STATE_HOME" -name '*Z.*.pb.gz' -o -name '*Z.expvars' | sed 's/.*-\(.*Z\)\..*/\1/' | sort -u | wc -l)" -eq 1 ]
	"$BIGM" shutdown
	[ "$(find logs -name 'all-*.heap.pb.gz' -o -name 'all-*.threads.pb.gz' -o -name 'all-*.mutex.pb.gz' | wc -l)" -eq 3 ]
}

@test "nobody loads for profiles what only profiles need" {
	for program in "$BIGM" "$BIGPI"; do
		run ldd "$program"
		[[ $output != *libdw* && $output != *libprotobuf-c* ]]
	done
}
