# What goes wrong on EC2, on instances that really boot (test/ec2/cloud): what people see names machine and instance, how
# far it was and what the other side said, and nothing stays. All at once, since most of the time is spent waiting for
# leases, timers and AWS; FAULTS="spot saver" for some.
load common
load ../ec2/cloud

setup_file() {
    need_bigm_there
}

# start NAME [OPTION...]: a cluster of one machine, whose instance has a tag with its name, and whose events are in
# NAME.events.
start() {
    local name=$1
    shift
    bigm_there start -n 1 --name "$name" --ec2-tag "fault=$name" --events "$PWD/$name.events" "$@"
}

# instance_of NAME: by that tag; fails when there is none yet.
instance_of() {
    cloud control state | python3 -c "import json, sys
found = [i['id'] for i in json.load(sys.stdin)['regions']['us-west-2']['instances'] if i['tags'].get('fault') == '$1']
print(*found)
sys.exit(not found)"
}

# fact NAME EXPRESSION: of the cluster c, or of its machine m.
fact() {
    "$BIGM" status --cluster "$1" --json | python3 -c "import json, sys
c = json.load(sys.stdin)[0]
m = c['machines'][0]
print($2)"
}

# Guard and keeper at a blow; ours, by their ids: others have such tests running beside this one.
kill_keeper() {
    local keeper guard
    keeper=$(fact "$1" "c['pid']")
    guard=$(ps -o ppid= -p "$keeper")
    kill -STOP "$keeper"
    kill -KILL "$guard" "$keeper"
}

# shows NAME PATTERN: in the table of status, in one line.
shows() {
    "$BIGM" status --cluster "$1" | grep -qE -- "$2"
}

# The last line of a file that begins with "bigm start: m0: ".
reason() {
    sed -n 's/^bigm [a-z]*: m0: //p' "$1" | tail -n 1
}

# ended PID: waits for a process of ours; sets `status`.
ended() {
    status=0
    wait "$1" || status=$?
}

# ---- While it boots ----

# The service's own answer to somebody else's question is no ec2boot.
wrong_digest() {
    run start wrong-digest --ec2-binary-url http://10.77.0.1:4566/checkip --ec2-binary-sha256 "$(printf %064d 0)"
    echo "$output" >wrong-digest.err
    [ "$status" -eq 1 ]
    [[ $(reason wrong-digest.err) == "i-"*": bootmachine.service: Control process exited"*" while starting; it printed last: "* ]]
    [[ $(reason wrong-digest.err) == *"http://10.77.0.1:4566/checkip has the SHA-256 "*", and should have 00000"* ]]
}

# cloud-init cannot read it: no keys, no units, not even a dead-man's timer.
failing_user_data() {
    run start user-data --ec2-dead-man 1m
    echo "$output" >user-data.err
    [ "$status" -eq 1 ]
    [[ $(reason user-data.err) == "i-"*" (m5.large in us-west-2"?") is still booting after 1m: admin@10.77."*":22: the host shows another key"* ]]
    [[ $(reason user-data.err) == *"did its user data fail"*"Its console says: "* ]]
}

no_sshd() {
    run start no-sshd --ec2-dead-man 1m --ec2-file "$PWD/sshd_config:/etc/ssh/sshd_config"
    echo "$output" >no-sshd.err
    [ "$status" -eq 1 ]
    [[ $(reason no-sshd.err) == "i-"*" is still booting after 1m: admin@10.77."*":22: cannot connect: connection refused; "* ]]
    [[ $(reason no-sshd.err) == *"Its console says: "*"Failed to start ssh.service"* ]]
}

# powered_off ID: by itself, and in good order, which leaves the console the time to say so.
powered_off() {
    eventually 230 is "$1" state terminated
    is "$1" reason Client.InstanceInitiatedShutdown
    grep -q "Reached target .*poweroff.target" "$DIR/cloud/$1.console"
}

# Nobody could keep it alive, for want of an sshd: its dead-man's timer ends it.
killed_early() {
    local id
    start killed-early --ec2-dead-man 1m --ec2-file "$PWD/sshd_config:/etc/ssh/sshd_config" 2>killed-early.err 3>&- &
    eventually 60 instance_of killed-early >/dev/null
    id=$(instance_of killed-early)
    kill_keeper killed-early
    ended $!
    [ "$status" -eq 1 ]
    powered_off "$id"
    # Its worker has waited for a keeper, and so had no lease that could be over.
    ! grep "Started bootmachine.service" "$DIR/cloud/$id.console" || return 1
}

# No EC2 has any of it; the reason is there at once, and names the pool.
no_capacity() {
    run start no-capacity --ec2-type m4.large
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"m0: spot m4.large in us-west-2: RunInstances in us-west-2: "*InsufficientInstanceCapacity* ]]
}

# ---- While it runs ----

killed_late() {
    local id
    start killed-late --lease 20s --keepalive-period 4s --keepalive-timeout 15s --keepalive-call 10s 2>killed-late.err
    id=$(instance_of killed-late)
    kill_keeper killed-late
    powered_off "$id"
}

# Whatever boots an instance again, a panic of its kernel for one, its worker would not find anybody; so that ends it.
second_boot() {
    local id
    start second-boot 2>second-boot.err
    id=$(instance_of second-boot)
    bigm_there exec --cluster second-boot m0 -- systemctl reboot || :
    powered_off "$id"
    [ "$(grep -c "Reached target sysinit.target" "$DIR/cloud/$id.console")" -eq 1 ]
    grep -q "Reached target default.target - No second boot" "$DIR/cloud/$id.console"
    bigm_there shutdown second-boot
}

# A fleet, since of the first type there is none.
lost_host() {
    local id
    start lost-host --ec2-type m4.large,c5.large --keepalive-period 6s --keepalive-call 3s --keepalive-timeout 2m 2>lost-host.err
    [ "$(fact lost-host "m['type']")" = c5.large ]
    id=$(instance_of lost-host)
    begin_command lost-host 'while sleep 1; do :; done'
    cloud control lose "{\"instance\": \"$id\"}"
    ended "$command"
    [ "$status" -eq 125 ]
    grep -E "^bigm exec: m0: .*$id is (shutting-down|terminated): .*Server.InternalError" lost-host.err
    eventually 10 shows lost-host "STOPPED.*m0: $id is .*Server.InternalError"
    bigm_there shutdown lost-host
}

# begin_command NAME SCRIPT: by bigm exec, in the background; it has begun when this returns. Sets `command`.
begin_command() {
    bigm_there exec --cluster "$1" m0 -- sh -c "echo begun; $2" >"$1.out" 2>>"$1.err" 3>&- &
    command=$!
    eventually 60 grep -q begun "$1.out"
}

# The notices of a spot instance, as bigm's own commands and plain programs see them.
spot() {
    local id taken
    start spot 2>spot.err
    id=$(instance_of spot)
    cloud control rebalance "{\"instance\": \"$id\"}"
    eventually 60 shows spot "RUNNING, draining .*AWS may take $id back soon \(rebalance recommendation of 20"
    [ "$(fact spot "m['notice']['kind']")" = rebalance ]
    run bigm_there run --cluster spot true
    [ "$status" -eq 125 ]
    [[ $output == *"cluster spot: all its machines are draining"* ]]
    run bigm_there run --cluster spot ./saver
    [ "$status" -eq 1 ]
    [[ $output == *"1 of 1 is draining"* ]]
    # Whoever names it may use it.
    [ "$(bigm_there exec --cluster spot m0 -- echo rescued)" = rescued ]
    # shellcheck disable=SC2016 # the instance's shell expands it
    begin_command spot 'trap "echo saving; exit 7" TERM; while sleep 0.2; do :; done'
    cloud control interrupt "{\"instance\": \"$id\", \"after\": 30}"
    ended "$command"
    [ "$status" -eq 7 ]
    grep -qx saving spot.out
    taken="AWS takes $id back \(spot interruption: terminate at 20[-0-9]*T[0-9:]*Z\)"
    grep -E "^bigm exec: m0: $taken; what runs there gets SIGTERM$" spot.err
    eventually 120 shows spot "STOPPED .*m0: ended as announced: $taken"
    grep -rhqE "m0: $taken" "$XDG_STATE_HOME"/bigm/*/spot/keeper.log
    bigm_there shutdown spot
    [ "$(grep -o '"type":"bigm:machineDraining".*"kind":"[a-z-]*"' spot.events | grep -o '[a-z-]*"$')" = $'rebalance"\nspot-interruption"' ]
}

# A driver that is in a call, and has the time to save what the machine has.
saver() {
    local id
    bigm_there run -n 1 --name saver --ec2-tag fault=saver ./saver >saver.out 2>saver.err 3>&- &
    eventually 150 grep -q "calling" saver.out
    id=$(instance_of saver)
    cloud control interrupt "{\"instance\": \"$id\", \"after\": 30}"
    wait $!
    [ "$(sed "s/$id/ID/; s/ at 20.*Z/ at TIME/" saver.out)" = "calling
m0 is RUNNING, draining 1: AWS takes ID back (spot interruption: terminate at TIME)
saved 17
lost: m0: Saver.Work: ended as announced: AWS takes ID back (spot interruption: terminate at TIME)" ]
    grep "^bigm run: m0: AWS takes $id back" saver.err
}

compile_saver() {
    cat >saver.c <<'END'
#include <bigm.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>
static int work(struct bigm_request *req, const struct cJSON *arg, struct cJSON **reply, struct bigm_error *err)
{
	const struct timespec step = { .tv_nsec = 100000000 };
	while (!bigm_request_canceled(req))
		nanosleep(&step, NULL);
	return 0;
}
static int state(struct bigm_request *req, const struct cJSON *arg, struct cJSON **reply, struct bigm_error *err)
{
	*reply = bigm_json("17");
	return 0;
}
static const struct bigm_method methods[] = { { "Work", work, 0 }, { "State", state, 0 }, { 0 } };
static const struct bigm_service_type type = { sizeof(type), "Saver", methods, NULL, NULL };
static const struct bigm_service_type *const types[] = { &type, NULL };
static const struct bigm_service services[] = { { "Saver", NULL, NULL }, { 0 } };
static sem_t noticed;
static void on_notice(struct bigm_machine *m, const struct bigm_notice *notice, void *data)
{
	if (notice->kind != BIGM_NOTICE_INTERRUPTION)
		return;
	printf("%s is %s, draining %d: %s\n", bigm_machine_name(m), bigm_state_name(bigm_machine_state(m)),
	       bigm_machine_draining(m), notice->text);
	sem_post(&noticed);
}
static int fail(const struct bigm_error *err)
{
	fprintf(stderr, "saver: %s\n", err->text);
	return 1;
}
int main(int argc, char **argv)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = bigm_init(&argc, &argv, types, &err);
	struct bigm_machine **m;
	struct timespec until;
	struct cJSON *reply;
	int64_t saved;
	setlinebuf(stdout);
	sem_init(&noticed, 0, 0);
	if (!b || bigm_on_notice(b, on_notice, NULL, &err) < 0 || bigm_start(b, 1, services, NULL, &m, &err) < 0 ||
	    bigm_machine_wait(m[0], BIGM_RUNNING, -1, &err) < 0)
		return fail(&err);
	struct bigm_call *call = bigm_call_start(m[0], "Saver.Work", NULL, NULL);
	puts("calling");
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 150;
	if (sem_timedwait(&noticed, &until) < 0)
		return fputs("saver: no notice came\n", stderr), 1;
	if (bigm_call(m[0], "Saver.State", NULL, &reply, &err) < 0 || bigm_json_get_int64(reply, NULL, &saved, &err) < 0)
		return fail(&err);
	printf("saved %d\n", (int)saved);
	bigm_call_wait(call, &err);
	printf("lost: %s\n", err.text);
	return 0;
}
END
    # shellcheck disable=SC2046,SC2154 # options
    ${CC:?} -Wall -I"$abs_top_srcdir/lib" saver.c -o saver "${abs_top_builddir:?}/libbigm.a" \
        $(pkg-config --libs libuv openssl libnghttp2 libcjson inih) -pthread
}

# No packet between keeper and machine arrives, for longer than a call of Keepalive may take; all goes on when it is over.
partition() {
    local address
    command -v nft >/dev/null || return 0
    start partition --keepalive-period 6s --keepalive-call 3s --keepalive-timeout 2m 2>partition.err
    address=$(fact partition "m['address'].removeprefix('https://').removesuffix('/')")
    # shellcheck disable=SC2016 # the instance's shell expands it
    begin_command partition 'for i in $(seq 100); do echo $i; sleep 0.1; done'
    cut_off "$address"
    eventually 60 misses_keepalive
    cloud run -- nft delete table ip cut
    ended "$command"
    [ "$status" -eq 0 ]
    cmp partition.out <(echo begun; seq 100)
    [ "$(bigm_there exec --cluster partition m0 -- echo healed)" = healed ]
    shows partition RUNNING
    bigm_there shutdown partition
}

cut_off() {
    cloud run -- nft -f - <<END
table ip cut {
    chain in { type filter hook input priority 0; ip saddr $1 tcp sport { 22, 443 } drop; }
    chain out { type filter hook output priority 0; ip daddr $1 tcp dport { 22, 443 } drop; }
}
END
}

misses_keepalive() {
    grep -q bigm:keepaliveFailure partition.events
}

# ----

@test "each fault of an instance is told, and leaves nothing behind" {
    local fault failed=''
    local -A faults=()
    compile_saver
    echo "Port nonsense" >sshd_config
    cloud up --settings '{"capacity": [{"type": "m4.*", "count": 0}]}'
    cloud control faults '[{"action": "metadata:*/user-data", "match": {"Tag.fault": "user-data"},
        "body": "#cloud-config\nwrite_files: [\n"}]'
    for fault in ${FAULTS:-killed_early killed_late second_boot wrong_digest failing_user_data no_sshd no_capacity lost_host spot saver partition}; do
        (trap - DEBUG; set -x; "$fault"; echo "$SECONDS" >"$fault.seconds") >"$fault.log" 2>&1 3>&- &
        faults[$fault]=$!
    done
    for fault in "${!faults[@]}"; do
        wait "${faults[$fault]}" || failed+=" $fault"
    done
    # For who asks where the time goes.
    grep -H . ./*.seconds | sort -t: -k2n | sed 's,^\./,# ,; s/\.seconds:/ /; s/$/ s/' >&3
    echo "failed:$failed"
    for fault in $failed; do
        tail -n 25 "$fault".log "${fault//_/-}".err || :
    done
    [ -z "$failed" ]
    # What keepers that were killed could not put away: their rules.
    bigm_there shutdown --stale --yes
    nothing_is_left
}
