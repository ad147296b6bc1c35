# bigm on EC2, end to end: instances that really boot (test/ec2/cloud), and nothing of bigm's that knows it.
load common
load ../ec2/cloud

# Terminating takes its time.
# shellcheck disable=SC2034 # common.bash reads it
LEAK_GRACE=60

setup_file() {
    need_cloud
    export BIGM_SYSTEM=ec2 BIGM_EC2_FLAVOR=debian BIGM_EC2_ALLOW=10.77.0.0/16
}

# Of what bigm makes nothing is left, but the group of this user, without rules.
nothing_is_left() {
    cloud control state | python3 -c "import json, sys
r = json.load(sys.stdin)['regions']['us-west-2']
left = [i for i in r['instances'] if i['state'] not in ('terminated', 'shutting-down')] + r['templates']
for group in r['groups']:
    if group['name'].startswith('bigm-'):
        left += group['rules']
sys.exit(f'left: {left}' if left else 0)"
}

bigm_there() {
    cloud run -- "$BIGM" "$@"
}

# The README's command, in this test's cloud.
readme_command() {
    sed -n 's/^test\/ec2\/cloud run -- .\/bigm //p' "$abs_top_srcdir/README.md" | sed "s,examples/,$abs_top_builddir/&,"
}

@test "the README's bigpi on EC2 computes what it does here" {
    local -a there here
    local command
    command=$(readme_command)
    read -ra there <<<"$command"
    read -ra here <<<"${command/--system ec2/}"
    cloud up
    bigm_there "${there[@]}" >there 2>log || { cat log; return 1; }
    BIGM_SYSTEM="local" "$BIGM" "${here[@]}" >here 2>/dev/null
    cmp there here
    grep -q '^m[01]: ' log
    nothing_is_left
}

# has_printed TEXT: by way of journald and SSH.
has_printed() {
    "$BIGM" tail --no-follow m0 | grep -qF -- "$1"
}

@test "a cluster of instances from a script: start, status, call, exec, tail, shutdown" {
    cloud up
    bigm_there start -n 1 --name desk "$abs_top_builddir/examples/bigpi" 2>log || { cat log; return 1; }
    "$BIGM" status --json | python3 -c "import json, sys
machine = json.load(sys.stdin)[0]['machines'][0]
assert machine['state'] == 'RUNNING' and machine['market'] == 'spot' and machine['usd_per_hour'] > 0, machine
assert machine['type'] == 'm5.large' and machine['zone'].startswith('us-west-2'), machine
assert machine['instance'].startswith('i-') and machine['procs'] == 2, machine"
    "$BIGM" status >table
    grep -qE '^cluster desk: 1 machine, ec2, 0\.[0-9]+ USD an hour, 0\.[0-9]+ USD so far, http://127\.0\.0\.1:' table
    grep -qE ' i-[0-9a-f]+ +m5\.large +us-west-2[a-z] +spot +0\.[0-9]+' table
    [ "$(bigm_there call m0 PI.Sample '{"seed": 7, "begin": 0, "end": 1000}' | wc -l)" -eq 1 ]
    [ "$(bigm_there exec m0 -- sh -c 'echo out; cat /etc/hostname; exit 3' | head -n 1)" = out ]
    eventually 30 has_printed /1000
    bigm_there shutdown desk
    nothing_is_left
}

# Guard and keeper at a blow; ours, by their ids: others have such tests running beside this one.
kill_keeper() {
    local keeper guard
    keeper=$("$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["pid"])')
    guard=$(ps -o ppid= -p "$keeper")
    kill -STOP "$keeper"
    kill -KILL "$guard" "$keeper"
}

@test "instances whose keeper is killed power off when their lease is over" {
    cloud up
    bigm_there start -n 1 --name lost-desk --lease 30s --keepalive-period 5s --keepalive-timeout 25s --keepalive-call 10s \
        2>log || { cat log; return 1; }
    kill_keeper
    eventually 200 shows_terminated
    "$BIGM" status # removes the record
}

shows_terminated() {
    [ "$(cloud status | grep -cw terminated)" -eq 1 ]
}
