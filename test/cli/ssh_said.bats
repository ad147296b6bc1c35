# shellcheck disable=SC2016 # what the shell of the ssh here shall expand
# What a host tells that is not what it was asked for, as `bigm run` sees it: ssh is a script that says it.
load common

# says COMMANDS: what ssh does from now on; $mark begins what counts, as in lib/ssh/begin.sh.
says() {
	mkdir -p fake
	printf '#!/bin/bash\nread -r -n 37 mark\nmark=${mark#mark=}\n%s\n' "$1" >fake/ssh
	chmod +x fake/ssh
}

# told WORDS: a run fails, with these.
told() {
	run env PATH="$PWD/fake:$PATH" "$BIGM" run --system ssh --host h1 -- true
	echo "$output"
	[ "$status" -eq 125 ]
	[[ $output == *"m0: h1: $1"* ]]
}

@test "each step but the right one is refused, with what the host said" {
	says 'echo "welcome"; echo "$mark ready nowhere 1"; cat >/dev/null'
	told 'logging in: the host said "ready nowhere 1"'
	says 'echo "$mark ready 127.0.0.1 0"; cat >/dev/null'
	told 'logging in: the host said "ready 127.0.0.1 0"'
	says 'echo "$mark ready 127.0.0.1 2"; echo "$mark spent"; cat >/dev/null'
	told 'sending ec2boot: the host said "spent"'
	says 'echo "$mark ready 127.0.0.1 2"; echo "$mark sent"; echo "$mark port 65536"; cat >/dev/null'
	told 'starting ec2boot: the host said "port 65536"'
	says 'echo "$mark ready ::1 2"; echo "$mark sent"; echo "$mark port 7 8"; cat >/dev/null'
	told 'starting ec2boot: the host said "port 7 8"'
}

@test "a shell that prints without an end is not listened to for ever" {
	says 'head -c 100000 /dev/zero | tr "\0" x; cat >/dev/null'
	told "what its shell prints"
}

@test "one that ends says how" {
	begin='echo "$mark ready 127.0.0.1 2"; echo "$mark sent"; echo "$mark port 9";'
	says "$begin echo no more >&2; exit 3"
	told 'exited with status 3: no more'
	says "$begin exit 255"
	told 'the SSH connection is lost'
	says "$begin exit 137"
	told 'killed by signal 9 (Killed)'
}

@test "where there is no ssh, that is said, and is no failure of the job's" {
	mkdir fake
	run env PATH="$PWD/fake" "$BIGM" start --system ssh --host h1
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"m0: ssh, which takes us to h1, is not in PATH (install openssh-client)"* ]]
	run env PATH="$PWD/fake" "$BIGM" run --system ssh --host h1 /bin/true
	echo "$output"
	[ "$status" -eq 125 ]
	[[ $output == *"m0: ssh, which takes us to h1, is not in PATH (install openssh-client)"* ]]
}
