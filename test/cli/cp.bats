load common
bats_require_minimum_version 1.5.0

setup_cluster() {
	"$BIGM" start -n "${1:-2}" --name calm >/dev/null
	mkdir far # where "machines" keep their files
}

clean_up() {
	"$BIGM" shutdown --all
}

# Names of copies that are under way below the working folder.
under_way() {
	find . -name '.bigm-copy-*' | grep .
}

none_under_way() {
	! under_way
}

make_tree() {
	mkdir -p tree/sub/deep tree/empty
	head -c 3000000 /dev/urandom >tree/sub/deep/random
	printf '#!/bin/sh\necho it runs\n' >tree/run
	: >"tree/with space"
	ln -s ../run tree/sub/link
	chmod 751 tree/run
	chmod 640 "tree/with space"
	chmod 550 tree/sub/deep
}

# same TREE TREE: names, contents, permissions and links.
same() {
	diff -r "$1" "$2"
	diff <(cd "$1" && find . -printf '%P %M %l\n' | sort) <(cd "$2" && find . -printf '%P %M %l\n' | sort)
}

@test "files and folders go to a machine and come back" {
	setup_cluster
	make_tree
	"$BIGM" cp tree m0:far
	same tree far/tree
	"$BIGM" cp tree m1:far/other
	same tree far/other
	"$BIGM" cp m0:far/other back
	same tree back
	"$BIGM" cp 0:"$PWD/far/tree/sub/deep/random" .
	cmp tree/sub/deep/random random
	"$BIGM" cp "$("$BIGM" status --json | grep -oP 'https://[^"]*' | head -1):far/tree/run" ./m0:run
	[ "$(./m0:run)" = "it runs" ]
	"$BIGM" cp ./m0:run m0:far
	cmp m0:run far/m0:run
	none_under_way
}

@test "standard output may be a pipe that does not block" {
	setup_cluster 1
	head -c 3000000 /dev/urandom >far/big
	python3 - "$BIGM" m0:far/big >big <<-'END'
		import fcntl, os, select, subprocess, sys, termios
		reader, writer = os.pipe()
		os.set_blocking(writer, False)
		child = subprocess.Popen([sys.argv[1], "cp", sys.argv[2], "-"], stdout=writer)
		poller = select.poll()
		poller.register(writer, select.POLLOUT)
		while poller.poll(0) and child.poll() is None:  # until it is full
		    pass
		os.close(writer)
		while piece := os.read(reader, 65536):
		    sys.stdout.buffer.write(piece)
		sys.exit(child.wait())
	END
	cmp far/big big
}

@test "relative paths on a machine begin where bigm exec runs its commands" {
	setup_cluster
	mkdir elsewhere
	cd elsewhere
	"$BIGM" exec m0 -- sh -c 'echo hello >there'
	[ "$("$BIGM" cp m0:there -)" = hello ]
	echo again | "$BIGM" cp - m1:here
	[ "$("$BIGM" exec m1 -- cat here)" = again ]
}

@test "standard input becomes a file, and a file goes to standard output, byte for byte" {
	setup_cluster
	head -c 3000000 /dev/urandom >data
	"$BIGM" cp - m0:far/data <data
	cmp data far/data
	head -c 3000000 data | "$BIGM" cp - m0:far/data
	"$BIGM" cp m0:far/data - | cmp - data
	run --separate-stderr "$BIGM" cp m0:far -
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	# shellcheck disable=SC2154 # bats sets it
	[ "$stderr" = "bigm cp: m0: far is a folder; only a file goes to standard output" ]
	run bash -c '"$BIGM" cp m0:far/data - >/dev/full'
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: cannot write standard output: No space left on device" ]
	run bash -c '"$BIGM" cp - m0:far/x </'
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: cannot read standard input: Is a directory" ]
	[ ! -e far/x ]
}

@test "from machine to machine, and to all" {
	setup_cluster 3
	make_tree
	"$BIGM" cp m0:tree m2:far
	same tree far/tree
	# All of this host: they copy to one place, and join what is there.
	mkdir far/joined
	"$BIGM" cp tree all:far/joined
	same tree far/joined/tree
	rm -r far/joined/tree
	"$BIGM" cp m1:tree/. all:far/joined
	same tree far/joined
	run_bigm cp tree/run all:far/nowhere/run
	[ "$status" -eq 1 ]
	[ "$(sort <<<"$output")" = "$(for m in 0 1 2; do
		echo "bigm cp: m$m: the folder far/nowhere: No such file or directory"
	done)" ]
	none_under_way
}

@test "what is there already is joined, or replaced, or in the way" {
	setup_cluster
	make_tree
	mkdir -p far/tree/sub
	echo mine >far/tree/sub/mine
	echo old >far/tree/run
	"$BIGM" cp tree m0:far
	[ "$(cat far/tree/sub/mine)" = mine ]
	cmp tree/run far/tree/run
	run_bigm cp tree/run m0:far/tree/sub
	[ "$status" -eq 0 ]
	cmp tree/run far/tree/sub/run
	mv far/tree/run far/file
	mkdir far/tree/run
	echo untouched >far/tree/"with space"
	run_bigm cp tree m0:far
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: m0: far/tree/run: is a folder, and a file would take its place" ]
	[ "$(cat far/tree/"with space")" = untouched ]
	run_bigm cp tree m0:far/file
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: m0: far/file: is there, and is no folder" ]
	run_bigm cp m0:tree/run /dev/null
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: /dev/null: is there, and is no file" ]
	[ -c /dev/null ]
	none_under_way
}

@test "errors name the machine and the path, and leave nothing" {
	setup_cluster
	make_tree
	mkfifo tree/fifo
	run_bigm cp m1:missing .
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: m1: missing: No such file or directory" ]
	run_bigm cp missing m1:far
	[ "$output" = "bigm cp: missing: No such file or directory" ]
	run_bigm cp tree m0:far
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: tree/fifo: is neither a file nor a folder; such things are not copied" ]
	run_bigm cp m0:tree back
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: m0: tree/fifo: is neither a file nor a folder; such things are not copied" ]
	run_bigm cp m0:/dev/zero back
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: m0: /dev/zero: is neither a file nor a folder; such things are not copied" ]
	rm tree/fifo
	ln -s /etc tree/out
	run_bigm cp m0:tree back
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: m0: tree: out: is a link to /etc, out of what is copied" ]
	[ -z "$(ls far)" ]
	[ ! -e back ]
	# Where we are the ones who ask for it, it is what the user has.
	"$BIGM" cp tree m0:far
	[ "$(readlink far/tree/out)" = /etc ]
	eventually 10 none_under_way
}

@test "a wrong command line" {
	run_bigm cp a
	[ "$status" -eq 2 ]
	[[ $output == "bigm cp: from where to where? usage: bigm cp "* ]]
	run_bigm cp a b
	[ "$status" -eq 2 ]
	[ "$output" = "bigm cp: neither a nor b is on a machine; m0:FILE would be" ]
	run_bigm cp all:a b
	[ "$status" -eq 2 ]
	[ "$output" = "bigm cp: all:a: from one machine at a time; name it" ]
	run_bigm cp - all:b
	[ "$status" -eq 2 ]
	[[ $output == *"standard input can be read only once"* ]]
	run_bigm cp a m0:b
	[ "$status" -eq 1 ]
	[ "$output" = "bigm cp: no cluster is running" ]
}

@test "a copy that is interrupted, or whose machine dies, leaves nothing" {
	setup_cluster
	truncate -s 50G far/huge
	"$BIGM" cp m0:far/huge here 2>err &
	client=$!
	eventually 20 under_way
	kill -TERM $client
	status=0
	wait $client || status=$?
	[ "$status" -eq 143 ]
	none_under_way
	[ ! -e here ]
	"$BIGM" cp far/huge m1:there &
	client=$!
	eventually 20 under_way
	kill -KILL $client
	wait $client || :
	eventually 10 none_under_way
	[ ! -e there ]
	# A file, and a folder.
	mkdir far/folder
	ln far/huge far/folder/huge
	for what in huge folder; do
		"$BIGM" cp m0:far/$what here &
		client=$!
		eventually 20 under_way
		kill -KILL $client
		wait $client || :
		eventually 20 none_under_way
		[ ! -e here ]
	done
	"$BIGM" cp m0:far/huge here 2>err &
	client=$!
	eventually 20 under_way
	kill -KILL "$("$BIGM" call m0 Supervisor.Getpid)"
	status=0
	wait $client || status=$?
	[ "$status" -eq 1 ]
	cat err
	[[ $(cat err) == "bigm cp: m0: "* ]]
	none_under_way
	[ ! -e here ]
}

@test "of a machine that is killed nothing is left but what it said" {
	setup_cluster
	record=$(echo "$XDG_STATE_HOME"/bigm/*/calm)
	[ -d "$record/m0" ]
	keeper=$("$BIGM" status --json | grep -o '"pid":[0-9]*' | head -1 | cut -d: -f2)
	# shellcheck disable=SC2016 # that shell expands it
	"$BIGM" exec m1 -- sh -c 'echo last words >&2; echo last words >/proc/$PPID/fd/1'
	truncate -s 50G far/huge
	"$BIGM" cp far/huge m1:there 2>err &
	client=$!
	eventually 20 under_way
	kill -KILL "$("$BIGM" call m1 Supervisor.Getpid)"
	wait $client || :
	eventually 20 none_under_way
	[ ! -e there ]
	eventually 20 test ! -e "$record/m1"
	[ -d "$record/m0" ]
	[ "$("$BIGM" tail --no-follow m1)" = "last words" ]
	# Nor when all are killed, and only the guard is left.
	"$BIGM" cp far/huge m0:there 2>err &
	client=$!
	eventually 20 under_way
	kill -KILL "$("$BIGM" call m0 Supervisor.Getpid)" "$keeper"
	wait $client || :
	eventually 20 none_under_way
	eventually 20 test ! -e "$record"
}

@test "a terminal is told how far it is, unless it shall be quiet" {
	setup_cluster
	truncate -s 50G far/huge
	run python3 "${abs_top_srcdir:?}/test/cli/terminal.py" "$BIGM" cp m0:far/huge here <<-'END'
		expect iB/s
		send \x03
	END
	[ "$status" -eq 130 ]
	none_under_way
	run python3 "$abs_top_srcdir/test/cli/terminal.py" "$BIGM" cp -q m0:/etc/hostname here </dev/null
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	cmp /etc/hostname here
}
