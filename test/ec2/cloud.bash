# The cloud on one's desk (test/ec2/cloud), for bats files: `load ../ec2/cloud` after `load common`.
# shellcheck shell=bash

# Terminating takes its time.
# shellcheck disable=SC2034 # common.bash reads it
LEAK_GRACE=60

# For setup_file: skips all tests where instances cannot boot.
need_cloud() {
    [ "${sanitizer:-no}" = no ] || skip_all "what runs on instances cannot be instrumented"
    local reason
    reason=$("$abs_top_srcdir/test/ec2/cloud" check 2>&1) || skip_all "$reason"
    # Some seconds on a host that has nothing else to do: systemd and cloud-init take their time.
    export BATS_TEST_TIMEOUT=300
    # A look takes half a second of processor time, which who is waited for could use.
    export PAUSE=0.5
}

# The same for bigm on these instances.
need_bigm_there() {
    need_cloud
    export BIGM_SYSTEM=ec2 BIGM_EC2_FLAVOR=debian BIGM_EC2_ALLOW=10.77.0.0/16
}

clean_up() {
    [ -d "$DIR/cloud" ] && grep -h cloud: "$DIR"/cloud/*.console
    cloud down && nothing_of_cloud
}

# Where there are several beside each other, CLOUD is the name of the one that is meant.
cloud() {
    "$abs_top_srcdir/test/ec2/cloud" --dir "$DIR/${CLOUD:-cloud}" "$@" 3>&-
}

# No folder, lock, mount, loop device, or cgroup, and so no process of an instance. Others are seen by the test's teardown.
nothing_of_cloud() {
    local folder=$DIR/${CLOUD:-cloud}
    [ ! -e "$folder" ] && [ ! -e "$folder.lock" ] && ! grep -F "$folder/" /proc/mounts && ! losetup -a | grep -F "$folder/" &&
        ! cgroup_of_cloud
}

cgroup_of_cloud() {
    local place
    place=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    ls -d "$place/bigm-cloud-$(printf %s "$DIR/${CLOUD:-cloud}" | sha256sum | cut -c1-12)" 2>/dev/null
}

# what_is_left all|free: what costs money or lets somebody in, or, of instances that are on their way out, nothing yet. The
# group of this user stays, without rules.
what_is_left() {
    cloud control state | python3 -c "import json, sys
r = json.load(sys.stdin)['regions']['us-west-2']
over = ('terminated',) if '$1' == 'all' else ('terminated', 'shutting-down')
left = [i for i in r['instances'] if i['state'] not in over] + r['templates']
left += r['volumes'] if '$1' == 'all' else []
for group in r['groups']:
    if group['name'].startswith('bigm-'):
        left += group['rules']
print(*left, sep='\n', end='')"
}

all_is_gone() {
    [ -z "$(what_is_left all)" ]
}

# As soon as bigm has ended, and when EC2 has done what it was told.
nothing_is_left() {
    [ -z "$(what_is_left free)" ] || { what_is_left free; return 1; }
    eventually 60 all_is_gone || { what_is_left all; return 1; }
}

bigm_there() {
    cloud run -- "$BIGM" "$@"
}

# on_machine COMMAND: what it prints on m0.
on_machine() {
    bigm_there exec m0 -- sh -c "$1"
}

# of ID KEY: what the service knows of an instance.
of() {
    cloud control state | python3 -c "import json, sys
for instance in json.load(sys.stdin)['regions']['us-west-2']['instances']:
    if instance['id'] == '$1':
        print(instance['$2'])"
}

is() {
    [ "$(of "$1" "$2")" = "$3" ]
}
