# bigm on EC2, end to end: instances that really boot (test/ec2/cloud), and nothing of bigm's that knows it.
load common
load ../ec2/cloud
load tutorial

setup_file() {
    need_bigm_there
}

# The guide's command, in this test's cloud.
guide_command() {
    sed -n 's/^test\/ec2\/cloud run -- .\/bigm //p' "$abs_top_srcdir/docs/guide.md" | sed "s,examples/,$abs_top_builddir/&,"
}

@test "the guide's bigpi on EC2 computes what it does here" {
    local -a there here
    local command
    command=$(guide_command)
    read -ra there <<<"$command"
    read -ra here <<<"${command/--system ec2/}"
    cloud up
    bigm_there "${there[@]}" >there 2>log || { cat log; return 1; }
    BIGM_SYSTEM="local" "$BIGM" "${here[@]}" >here 2>/dev/null
    cmp there here
    grep -q '^m[01]: ' log
    nothing_is_left
}

# prices_of NAME COUNT: status knows what each of so many instances is, and what it costs, from the launch on.
prices_of() {
    "$BIGM" status --cluster "$1" --json | python3 -c "import json, sys
machines = json.load(sys.stdin)[0]['machines']
known = [m for m in machines if m.get('usd_per_hour', 0) > 0 and m['market'] == 'spot' and m['instance'].startswith('i-')]
sys.exit(len(known) != $2)" 2>/dev/null
}

# driver: the process of `bigm run` that is bigpi, of this host's.
driver() {
    local pid
    for pid in $(left_processes); do
        [ "$(readlink "/proc/$pid/exe")" != "$abs_top_builddir/examples/bigpi" ] || echo "$pid"
    done
}

# running NAME COUNT: so many machines are.
running() {
    [ "$("$BIGM" status --cluster "$1" --json | grep -o '"state":"RUNNING"' | wc -l)" -eq "$2" ]
}

@test "three machines compute what three of this host do; status has prices, a profile is of all; nothing is left" {
    local job
    local -a command=("$abs_top_builddir/examples/bigpi" -n 3 -- --samples 100000000 --seed 7)
    cloud up
    bigm_there run --name three "${command[@]}" >there 2>log &
    eventually 60 prices_of three 3
    job=$!
    # All that follows is while it runs: it does not end before it goes on.
    kill -STOP "$(driver)"
    eventually 120 running three 3
    "$BIGM" status --cluster three | tee table
    bigm_there pprof threads --cluster three --top --rows 0 >profile
    kill -CONT "$(driver)"
    wait "$job" || { cat log; return 1; }
    grep -qE '^cluster three: 3 machines.*, ec2, 0\.[0-9]+ USD an hour' table
    [ "$(grep -cE ' i-[0-9a-f]+ +m5\.large +us-west-2[a-z] +spot +0\.[0-9]+' table)" -eq 3 ]
    # The main thread of each machine, by its function's name, merged into one line.
    grep -qE '^ +0 +0\.00% +100\.00% +3 +[0-9.]+%  worker_main$' profile || { cat profile; return 1; }
    BIGM_SYSTEM="local" "$BIGM" run "${command[@]}" >here 2>/dev/null
    cmp there here
    for machine in m0 m1 m2; do
        grep -q "^$machine: " log || { cat log; return 1; }
    done
    nothing_is_left
}

# The policy of bigm-ec2(5), as a control of the service's.
policy_of_the_manual() {
    sed -n '/^{$/,/^}$/p' "$abs_top_srcdir/man/bigm-ec2.5" | python3 -c "import json, sys
statement, = json.load(sys.stdin)['Statement']
print(json.dumps({'allowed': statement['Action']}))"
}

# The section before this one, of which test/cli/tutorials.bats sees to the commands, has made a user with that policy.
@test "the tutorial's first machines do what it shows, with the permissions that it gives" {
    [ -x /usr/bin/aws ] || skip "awscli is not installed"
    cloud up
    cloud control policy "$(policy_of_the_manual)"
    aws_there
    prepare "EC2: the first machines"
    cloud run -- bash commands >printed 2>log || { cat log; return 1; }
    diff expected printed || { cat log; return 1; }
    nothing_is_left
    ! grep -h Unauthorized "$DIR/cloud/requests.jsonl" || false
}

# has_printed TEXT: by way of journald and SSH.
has_printed() {
    "$BIGM" tail --no-follow m0 | grep -qF -- "$1"
}

# A burst of 100,000 lines arrives whole, by way of journald and SSH, and so does a line that journald cuts into pieces
# (LineMax of journald.conf(5), 48 KiB). The journal has it from the worker's unit, as what services print, which it knows
# of who has sent it only as long as that lives.
burst_arrives() {
    # shellcheck disable=SC2016 # that shell expands it
    local burst='echo the burst begins; i=0; while [ $((i += 1)) -le 100000 ]; do echo $i; done; printf "%200000s\n" x;
        echo the burst ends'
    bigm_there exec m0 -- systemd-cat sh -c "$burst; exec sleep 1000" 3>&- &
    eventually 100 has_printed "the burst ends"
    "$BIGM" tail --no-follow m0 | sed -n '/^the burst begins/,/^the burst ends/p' >burst.there
    cmp burst.there <(sh -c "$burst")
}

# read_file PATH [LIMIT]: of m0's host, by way of the keeper and SSH.
read_file() {
    bigm_there status --json | python3 -c "import json, sys
print(json.load(sys.stdin)[0]['socket'])" >socket
    cloud run -- curl -sS --http2-prior-knowledge --unix-socket "$(cat socket)" -H 'content-type: application/json' \
        -d "{\"machine\": \"m0\", \"path\": \"$1\", \"limit\": ${2:-100000}}" http://keeper/bigrpc/Keeper.ReadFile
}

# Files of the instance itself, which the worker need not answer for.
host_files() {
    [ "$(read_file /etc/hostname)" = "$(on_machine 'cat /etc/hostname')" ]
    [[ $(read_file /proc/loadavg) == *.*/* ]]
    [[ $(read_file /nowhere) == *"No such file"* ]]
    [[ $(read_file /etc) == *"no regular file"* ]]
    [[ $(read_file /etc/passwd 10) == *"more than 10 bytes"* ]]
}

@test "a cluster of instances from a script: start, status, call, pprof, exec, cp, tail, shutdown, with a volume of data" {
    cloud up
    # The whole session with no more permissions than the manual asks for.
    cloud control policy "$(policy_of_the_manual)"
    bigm_there start -n 1 --name desk --ec2-type m5.large,m5a.large --ec2-dataspace 16 -e MINE=here "$abs_top_builddir/examples/bigpi" 2>log || { cat log; return 1; }
    "$BIGM" status --json | python3 -c "import json, sys
machine = json.load(sys.stdin)[0]['machines'][0]
assert machine['state'] == 'RUNNING' and machine['market'] == 'spot' and machine['usd_per_hour'] > 0, machine
assert machine['type'] in ('m5.large', 'm5a.large') and machine['zone'].startswith('us-west-2'), machine
assert machine['instance'].startswith('i-') and machine['procs'] == 2, machine"
    "$BIGM" status >table
    grep -qE '^cluster desk: 1 machine, ec2, 0\.[0-9]+ USD an hour, 0\.[0-9]+ USD so far, http://127\.0\.0\.1:' table
    grep -qE ' i-[0-9a-f]+ +m5a?\.large +us-west-2[a-z] +spot +0\.[0-9]+' table
    [ "$(bigm_there call m0 PI.Sample '{"seed": 7, "begin": 0, "end": 1000}' | wc -l)" -eq 1 ]
    # The functions of the program that was sent there.
    bigm_there pprof threads --top >profile
    grep -qE ' main$' profile
    run on_machine 'echo out; exit 3'
    [ "$status" -eq 3 ]
    [ "${lines[0]}" = out ]

    # What a program has there: a disk of its own, on which temporary files are.
    [[ $(on_machine "findmnt -no SOURCE,FSTYPE /mnt/data") == /dev/nvme1n1*ext4 ]]
    # shellcheck disable=SC2016 # that shell expands it
    [ "$(on_machine 'echo $TMPDIR; df --output=target $TMPDIR | tail -n 1; cat /proc/$PPID/oom_score_adj')" = \
        $'/mnt/data/tmp\n/mnt/data\n500' ]
    # shellcheck disable=SC2016
    [ "$(on_machine 'dirname "$(mktemp)"')" = /mnt/data/tmp ]
    # And nothing of what is this host's.
    on_machine env >there
    grep -qx MINE=here there
    run grep -E "^(AWS_|BATS|XDG_STATE)|$DIR" there
    [ "$status" -eq 1 ]

    head -c 100000 /dev/urandom >sent
    bigm_there cp sent m0:/mnt/data/sent
    bigm_there cp m0:/mnt/data/sent got
    cmp sent got
    eventually 30 has_printed /1000
    host_files
    burst_arrives
    bigm_there shutdown desk
    wait $! || : # what has printed the burst
    bigm_there shutdown --stale --yes
    nothing_is_left
    ! grep -h Unauthorized "$DIR/cloud/requests.jsonl" || false
}

# A web server for the instances; its URL is in $url.
serve() {
    "$abs_top_srcdir/test/ec2/cloud" --dir "$DIR/cloud" run -- python3 -u -m http.server --bind 10.77.0.1 --directory "$1" 8080 \
        >served 2>&1 3>&- &
    server=$!
    eventually 20 grep -q Serving served
    url=http://10.77.0.1:8080
}

# A plain program with a library of its own, which nobody else has.
make_sums() {
    cat >sums.c <<'END'
#include <stdio.h>
#include <stdlib.h>
long sum(FILE *f);
int main(int argc, char **argv)
{
	int rank = atoi(getenv("BIGM_RANK"));
	FILE *in = fopen(argv[1], "r"), *out = fopen("sum", "w");
	if (!in || !out)
		return 9;
	printf("rank %d of %s: %ld\n", rank, getenv("BIGM_SIZE"), sum(in) * (rank + 1));
	fprintf(out, "%d\n", rank);
	return rank * 7;
}
END
    cat >own.c <<'END'
#include <stdio.h>
long sum(FILE *f)
{
	long all = 0, n;
	while (fscanf(f, "%ld", &n) == 1)
		all += n;
	return all;
}
END
    gcc -shared -fPIC own.c -o libown.so
    # shellcheck disable=SC2016 # the loader expands it
    gcc sums.c -o sums -L. -lown '-Wl,-rpath,$ORIGIN'
    seq 100 >numbers
}

@test "Ubuntu's machines fetch ec2boot from a URL, call each other, and let the user in by his key" {
    local address text=$abs_top_srcdir/README.md
    local -a job
    ssh-keygen -q -t ed25519 -N '' -f "$DIR/key"
    cloud up
    mkdir served.d
    cp "$abs_top_builddir/ec2/ec2boot-$(dpkg --print-architecture)" served.d/ec2boot
    serve served.d
    bigm_there start -n 2 --name bunt --ec2-flavor ubuntu --ec2-ssh-key "$DIR/key.pub" --ec2-binary-url "$url/ec2boot" \
        --ec2-binary-sha256 "$(sha256sum served.d/ec2boot | cut -d' ' -f1)" 2>log ||
        { cat log; return 1; }
    [ "$(grep -c 'GET /ec2boot HTTP.* 200' served)" -eq 2 ]
    bigm_there run --cluster bunt "$abs_top_builddir/examples/wordcount" <"$text" >there 2>log || { cat log; return 1; }
    BIGM_SYSTEM="local" "$BIGM" run -n 2 "$abs_top_builddir/examples/wordcount" <"$text" >here
    [ -s here ]
    cmp there here
    # Plain programs are brought to them with their libraries and files; what is not here is theirs.
    make_sums
    job=(--cluster bunt -k --file numbers:data/numbers --collect sum ./sums -- data/numbers)
    run bigm_there run "${job[@]}"
    echo "$output"
    [ "$status" -eq 7 ]
    [ "$(grep ^rank <<<"$output" | sort)" = $'rank 0 of 2: 5050\nrank 1 of 2: 10100' ]
    [ "$(cat m0/sum m1/sum)" = $'0\n1' ]
    # shellcheck disable=SC2016 # the script's shell expands it
    printf '#!/bin/sh\necho "$1: $(wc -l <numbers)"\n' >count
    chmod +x count
    seq 17 >numbers
    [ "$(bigm_there map --cluster bunt -k --file numbers -- ./count ::: a b c)" = $'a: 17\nb: 17\nc: 17' ]
    [ "$(bigm_there map --cluster bunt -- {} --version ::: cloud-init)" = "$(bigm_there exec --cluster bunt m0 -- cloud-init --version)" ]

    address=$("$BIGM" status --json | grep -o 'https://[^/]*' | head -n 1)
    # shellcheck disable=SC2016 # that shell expands it
    [ "$(cloud run -- timeout 60 ssh -i "$DIR/key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR "ubuntu@${address#https://}" 'echo $(whoami) $(sudo -n cat /run/bigm-alive | wc -c)')" = "ubuntu 0" ]
    bigm_there shutdown bunt
    kill "$server"
    wait "$server" || :
    nothing_is_left
}

# One round, on a host that is busy, tells nobody how fast anything is, so the limit is not held here but by make boot-bench.
@test "the time until all machines run is told by phases, beside that of a bare boot" {
    local status=0
    cloud up
    cloud run -- env BOOT="1 3" BOOT_ROUNDS=1 "$abs_top_srcdir/test/bench/boot" "$DIR/cloud" >report || status=$?
    sed 's/^/# /' report >&3
    [ "$status" -le 1 ]
    for phase in requested pending booting reachable certifying RUNNING; do
        [ "$(grep -cE "^  bigm run: $phase +[0-9.]+ +[-+][0-9.]+  " report)" -eq 2 ]
    done
    [ "$(grep -cE "^  empty user data: sshd answers +[0-9.]+ +booted +[0-9.]+" report)" -eq 2 ]
    [ "$(grep -cE "^  bigm's own part: .*; (met|MISSED): 1$" report)" -eq 2 ]
}
