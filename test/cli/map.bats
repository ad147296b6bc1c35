# shellcheck disable=SC2016,SC1083 # the quoted scripts are for other shells; {} is ours
load common
bats_require_minimum_version 1.5.0

clean_up() {
	"$BIGM" shutdown --all
}

# Waits until a file is there.
await() {
	eventually 10 test -e "$1"
}

all_gone() {
	[[ -z $(left_processes) ]]
}

# How many different jobs a journal has.
jobs_in() {
	python3 -c 'import json, sys; print(len({json.loads(line)["job"] for line in list(sys.stdin)[1:]}))' <"$1"
}

@test "a job for each line, each word, each combination, each number" {
	[ "$(seq 3 | "$BIGM" map -k -- echo)" = $'1\n2\n3' ]
	[ "$(printf 'a b\n\nc' | "$BIGM" map -k -- echo '<{}>')" = $'<a b>\n<>\n<c>' ]
	[ "$(printf 'a\nb\0c\0' | "$BIGM" map -k -0 -- echo '<{}>')" = $'<a\nb>\n<c>' ]
	[ "$("$BIGM" map -k -- echo {2}{1} ::: a b ::: 1 2)" = $'1a\n2a\n1b\n2b' ]
	[ "$("$BIGM" map -k --array 8-10,0-20:10 -- echo)" = $'8\n9\n10\n0\n10\n20' ]
	printf 'x\ny\n' >list
	[ "$("$BIGM" map -k -a list -- echo)" = $'x\ny' ]
	[ -z "$("$BIGM" map -- echo </dev/null)" ]
}

@test "placeholders are those of GNU parallel, and no shell looks at inputs" {
	[ "$("$BIGM" map -- echo {} {.} {/} {//} {/.} {#} ::: d/e.f/g.tar.gz)" = \
		"d/e.f/g.tar.gz d/e.f/g.tar g.tar.gz d/e.f g.tar 1" ]
	[ "$("$BIGM" map -- echo {.} {//} ::: .profile)" = " ." ]
	[ "$("$BIGM" map -- echo 'x{}y' '{' '{}}' ::: '$(id); * "')" = \
		'x$(id); * "y { $(id); * "}' ]
	[ "$("$BIGM" map --dry-run -- cp {} "it's" ::: 'a b')" = "cp 'a b' 'it'\''s'" ]
}

@test "outputs come whole, to the stream that they are for, and into files" {
	run --separate-stderr "$BIGM" map -j 4 --results kept -- \
		sh -c 'for i in 1 2 3; do echo $1-$i; sleep 0.02; echo e$1-$i >&2; done' _ ::: 1 2 3 4
	[ "$status" -eq 0 ]
	for job in 1 2 3 4; do
		[[ $output == *"$job-1"$'\n'"$job-2"$'\n'"$job-3"* ]]
		# shellcheck disable=SC2154 # run sets it
		[[ $stderr == *"e$job-1"$'\n'"e$job-2"$'\n'"e$job-3"* ]]
		[ "$(cat kept/1/$job/stdout)" = "$job-1"$'\n'"$job-2"$'\n'"$job-3" ]
		[ "$(wc -l <kept/1/$job/stderr)" -eq 3 ]
	done
	[ "$("$BIGM" map -k --tag -- printf 'x\ny' ::: 1 2)" = $'1\tx\n1\ty\n2\tx\n2\ty' ]
	# More than a machine or we hold in memory.
	"$BIGM" map -k -- sh -c 'head -c 3000000 /dev/zero | tr "\0" $1' _ ::: a b >big
	[ "$(tr -d a <big | wc -c)" -eq 3000000 ]
	[ "$(head -c 3000000 big | tr -d a | wc -c)" -eq 0 ]
}

@test "jobs begin, and their outputs come, while inputs are still to come" {
	mkfifo in
	"$BIGM" map -- echo got {} <in >out 3>&- &
	exec 9>in
	echo 1 >&9
	eventually 20 grep -qx 'got 1' out
	echo 2 >&9
	eventually 20 grep -qx 'got 2' out
	exec 9>&-
	wait $!
}

@test "with keep-order the slowest comes first when it is the first" {
	# The first ends when it sees that all others have.
	"$BIGM" map -k -j 4 -- sh -c '
		echo $1; [ $1 != 1 ] || until [ -e 2 ] && [ -e 3 ] && [ -e 4 ]; do sleep 0.01; done
		touch $1' _ ::: 1 2 3 4 >out
	[ "$(cat out)" = $'1\n2\n3\n4' ]
}

@test "with keep-order more outputs may wait for the first than files may be open" {
	# The first ends when all others have.
	(
		ulimit -Sn 90
		ulimit -Hn 90
		"$BIGM" map -q -k -j 2 --array 1-120 -- sh -c '
			until [ $1 != 1 ] || [ -e go ]; do sleep 0.01; done
			head -c 50000 /dev/zero | tr "\0" x; echo $1; touch done.$1' _ >out &
		eventually 60 eval 'test "$(find . -name "done.*" | wc -l)" -eq 119'
		touch go
		wait $!
	)
	[ "$(tr -d x <out)" = "$(seq 120)" ]
	[ "$(wc -c <out)" -eq $((120 * 50000 + $(seq 120 | wc -c))) ]
}

@test "what fails is named, counted, and tried again" {
	run_bigm map -k -- sh -c 'test $1 != 2' _ ::: 1 2 3
	[ "$status" -eq 1 ]
	[[ $output == *"job 2 (2) on m0: exit status 1"* ]]
	[[ $output == *"3 jobs in "*": 2 succeeded, 1 failed"* ]]
	run_bigm map -- sh -c 'kill -9 $$' _ ::: x
	[[ $output == *"job 1 (x) on m0: signal 9 (Killed)"* ]]
	run_bigm map -- /there/is/none ::: x
	[ "$status" -eq 1 ]
	[[ $output == *"job 1 (x) on m0: cannot execute /there/is/none"* ]]
	run_bigm map -t 0.1 -- sleep {} ::: 1000
	[ "$status" -eq 1 ]
	[[ $output == *"its time was up"* ]]
	# The third attempt succeeds; what the others print is not told.
	run_bigm map --retries 3 -- sh -c 'echo $1 >>tries; wc -l <tries; test $(wc -l <tries) = 3' _ ::: x
	[ "$status" -eq 0 ]
	[ "$output" = 3 ]
	run_bigm map --retries 2 -- sh -c 'echo >>others; false' ::: x
	[ "$status" -eq 1 ]
	[ "$(wc -l <others)" -eq 2 ]
}

@test "it halts when it is told to" {
	# What is on the machine already may begin before it hears of the failure: 3, which gives it time.
	run_bigm map -j 1 --halt soon,fail=1 -- sh -c 'echo $1; [ $1 != 3 ] || sleep 3; test $1 != 2' _ ::: 1 2 3 4 5
	[ "$status" -eq 1 ]
	[[ $output == *"not all have run"* ]]
	[[ $output != *$'\n5'* ]]
	SECONDS=0
	run_bigm map -j 2 --halt now,fail=1 -- sh -c 'test $1 != 1 || exit 1; exec sleep 1000' _ ::: 1 2 3
	[ "$status" -eq 1 ]
	[ "$SECONDS" -lt 100 ]
	# Of four jobs, all of which are read before the first has ended.
	run_bigm map -j 4 --halt now,fail=50% -- sh -c 'test $1 != 0 || exit 1; exec sleep 1000' _ ::: 0 0 1 1
	[ "$status" -eq 1 ]
	[ "$SECONDS" -lt 100 ]
	run_bigm map -j 3 --halt now,success=1 -- sh -c 'test $1 = 1 || exec sleep 1000' _ ::: 1 2 3
	[ "$status" -eq 0 ]
	for bad in never,fail=1 now fail=1 now,fail now,fail=0 now,fail=101% now,fail=1x; do
		run_bigm map --halt "$bad" -- true ::: 1
		[ "$status" -eq 2 ]
		[[ $output == *"\"$bad\" is not never"* ]]
	done
}

@test "a map goes on where its journal ends, however it ended" {
	script='echo $1 >>ran; test ! -e slow || sleep 0.02'
	touch slow
	"$BIGM" map -n 2 --journal journal --array 1-400 -- sh -c "$script" _ &
	eventually 10 sh -c 'test $(wc -l <journal) -gt 20'
	kill -9 $!
	wait $! || true
	eventually 10 all_gone
	rm slow
	# As if it had been killed in the middle of a line.
	printf '{"job": 399, "sta' >>journal
	done=$(($(wc -l <journal) - 1))
	cp ran before
	run_bigm map -n 2 --resume journal --array 1-400 -- sh -c "$script" _
	[ "$status" -eq 0 ]
	[ "$(sort -nu ran | wc -l)" -eq 400 ]
	[ "$(($(wc -l <ran) - $(wc -l <before)))" -eq $((400 - done)) ]
	[ "$(wc -l <journal)" -eq 401 ]
	[ "$(jobs_in journal)" -eq 400 ]
	# All has ended: nothing runs.
	run_bigm map --resume journal --array 1-400 -- sh -c "$script" _
	[ "$status" -eq 0 ]
	[ "$(wc -l <journal)" -eq 401 ]
}

@test "killed again and again, at any moment, a map runs no job again that its journal has" {
	local pid
	RANDOM=11
	for ROUND in 1 2 3 4; do
		"$BIGM" map -q -n 2 -j 2 -e ROUND=$ROUND --resume journal --array 1-300 -- sh -c 'echo $1 >>ran.$ROUND; sleep 0.01' _ 3>&- &
		pid=$!
		eventually 20 test -s ran.$ROUND
		sleep 0.$((RANDOM % 30 + 10))
		# The keeper first, now and then; a fast host may be through already.
		((RANDOM % 2)) || pkill -KILL -P $pid || :
		kill -KILL $pid || :
		wait $pid || :
		eventually 20 all_gone
		sed '1d; /}$/!d; s/^{"job":\([0-9]*\),.*/\1/' journal | sort >ended.$ROUND
		[ "$(wc -l <ended.$ROUND)" -lt 300 ] || break
	done
	"$BIGM" map -q -n 2 -e ROUND=5 --resume journal --array 1-300 -- sh -c 'echo $1 >>ran.$ROUND; sleep 0.01' _
	[ "$(jobs_in journal)" -eq 300 ]
	[ "$(sort -u ran.* | wc -l)" -eq 300 ]
	touch ran.{1..5}
	for ROUND in 1 2 3 4; do
		[ ! -e ended.$ROUND ] || [ -z "$(sort $(seq -f 'ran.%g' $((ROUND + 1)) 5) | comm -12 - ended.$ROUND)" ]
	done
}

@test "a journal is for one command and its inputs, and is not overwritten" {
	script='test $1 != 2 || test -e good'
	run_bigm map --journal j -- sh -c "$script" _ ::: 1 2 3
	[ "$status" -eq 1 ]
	run_bigm map --journal j -- sh -c "$script" _ ::: 1 2 3
	[ "$status" -eq 2 ]
	[[ $output == *"j is there already: --resume j goes on with it"* ]]
	run_bigm map --resume j -- true ::: 1 2 3
	[ "$status" -eq 2 ]
	[[ $output == *"j is the journal of another command"* ]]
	run_bigm map --resume j -- sh -c "$script" _ ::: 3 2 1
	[ "$status" -eq 125 ]
	[[ $output == *"job 1 was another one: the journal is of other inputs"* ]]
	echo nonsense >k
	run_bigm map --resume k -- true ::: 1
	[ "$status" -eq 2 ]
	[[ $output == *"k: line 1 of the journal"* ]]
	run_bigm map --resume j --journal k -- true ::: 1
	[ "$status" -eq 2 ]
	# What failed has ended, unless it shall be run again.
	touch good
	run_bigm map --resume j -- sh -c "$script" _ ::: 1 2 3
	[ "$status" -eq 0 ]
	[ "$(grep -c '"job":2' j)" -eq 1 ]
	run_bigm map --resume-failed j -- sh -c "$script" _ ::: 1 2 3
	[ "$status" -eq 0 ]
	[ "$(grep -c '"job":2' j)" -eq 2 ]
}

@test "jobs of a machine that dies run elsewhere; one that kills three is set aside" {
	run_bigm map -n 4 --journal j --array 1-60 -- sh -c '
		mkdir done.$1 2>/dev/null || echo twice $1
		case $1 in 20) mkdir once 2>/dev/null && kill -9 $PPID ;; esac; sleep 0.01' _
	[ "$status" -eq 0 ]
	[[ $output == *"killed by signal 9"* ]]
	[ "$(jobs_in j)" -eq 60 ]
	[ "$(find . -name 'done.*' | wc -l)" -eq 60 ]
	run_bigm map -n 4 -- sh -c 'test $1 != 3 || kill -9 $PPID; sleep 0.01' _ ::: 1 2 3 4 5 6
	[ "$status" -eq 1 ]
	[[ $output == *"job 3 (3) on m"*": set aside: 3 machines were lost while it ran"* ]]
	[[ $output == *"6 jobs in "*": 5 succeeded, 1 failed"* ]]
	run_bigm map -n 2 -- sh -c 'kill -9 $PPID; sleep 10' _ ::: 1 2
	[ "$status" -eq 125 ]
	[[ $output == *"no machine is left"* ]]
}

@test "a signal ends it, and what it ends is not in the journal" {
	"$BIGM" map -n 2 --journal j -- sh -c 'touch up.$1; exec sleep 1000' _ ::: 1 2 3 2>err &
	await up.1
	await up.2
	kill -TERM $!
	status=0
	wait $! || status=$?
	[ "$status" -eq 143 ]
	[ "$(wc -l <j)" -eq 1 ]
	grep -q "not all have run" err
	eventually 10 all_gone
	# Who reads no more ends it as well.
	seq 1000 | "$BIGM" map -- sh -c 'echo $1; sleep 0.01' _ | head -1
}

@test "a started cluster is used, all its machines, and stays" {
	"$BIGM" start -n 3 --name calm >/dev/null
	run_bigm map --cluster calm -- sh -c '
		touch at.$BIGM_MACHINE; until [ -e at.m0 ] && [ -e at.m1 ] && [ -e at.m2 ]; do sleep 0.01; done
		echo $BIGM_MACHINE' _ ::: a b c
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = $'m0\nm1\nm2' ]
	[ "$("$BIGM" exec m1 -- echo on)" = on ]
}

@test "a bundle's program runs with its own files" {
	mkdir data
	echo inside >data/file
	printf '#!/bin/sh\ncat data/file; echo "$1"\n' >prog
	chmod +x prog
	"$BIGM" bundle prog --file data -o app.bigm 2>/dev/null
	[ "$("$BIGM" map -k --ship -n 2 -- ./app.bigm ::: x y)" = $'inside\nx\ninside\ny' ]
}

@test "bad command lines and inputs are told before or as they are met" {
	run_bigm map
	[ "$status" -eq 2 ]
	[[ $output == *"which program?"* ]]
	run_bigm map -- ::: a
	[ "$status" -eq 2 ]
	run_bigm map --array 1-x -- true
	[ "$status" -eq 2 ]
	[[ $output == *'"1-x" is no range'* ]]
	run_bigm map --array 1-2 -- true ::: a
	[ "$status" -eq 2 ]
	run_bigm map -a /there/is/none -- true
	[ "$status" -eq 2 ]
	run_bigm map -- true ::::
	[ "$status" -eq 2 ]
	run_bigm map -- echo ::: a b :::+ c d
	[ "$status" -eq 2 ]
	[[ $output == *"lists are combined"* ]]
	run_bigm map --results a.csv -- true ::: a
	[ "$status" -eq 2 ]
	run_bigm map -- echo {2} ::: a
	[ "$status" -eq 2 ]
	[[ $output == *"{2}: a job has only 1 input"* ]]
	run_bigm map -n 1 -- true <<<"$(printf 'a\n')$(head -c 600000 /dev/zero | tr '\0' x)"
	[ "$status" -eq 125 ]
	[[ $output == *"longer than"* ]]
	run sh -c 'printf "a\0b\n" | "$BIGM" map -- true'
	[ "$status" -eq 125 ]
	[[ $output == *"NUL byte"*"say -0"* ]]
}
