# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
# The cloud on one's desk (test/ec2/cloud), whose instances really boot, by awscli and ssh alone.
load common
load ../ec2/cloud

setup_file() {
    need_cloud
    [ -x /usr/bin/aws ] || skip_all "awscli is not installed"
}

aws_cli() {
    cloud run -- timeout 60 /usr/bin/aws --endpoint-url http://10.77.0.1:4566 --no-cli-pager --output text "$@"
}

# The newest image of Ubuntu, whose id is made of its name (test/ec2/aws/catalog.py).
image() {
    printf ami-
    printf us-west-2/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20230115 | sha256sum | cut -c1-17
}

# launch COUNT [OPTION...]: instances that power off to be terminated.
launch() {
    aws_cli ec2 run-instances --image-id "$(image)" --count "$@" --query 'Instances[].InstanceId'
}

# shows STATE COUNT: so many instances are in that state.
shows() {
    [ "$(cloud status | grep -cw -- "$1")" -eq "$2" ]
}

in_instance() {
    local address=$1
    shift
    cloud run -- timeout 20 ssh -i "$DIR/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=2 \
        -o LogLevel=ERROR -o BatchMode=yes "ubuntu@$address" "$@"
}

@test "an instance boots from its user data, answers ssh, and is terminated when it powers off" {
    ssh-keygen -q -t ed25519 -N '' -f "$DIR/key"
    cat >user-data <<END
#cloud-config
ssh_authorized_keys: ["$(cat "$DIR/key.pub")"]
write_files:
- path: /etc/systemd/system/mark.service
  content: |
    [Service]
    ExecStart=/bin/sh -c 'echo marked >/var/mark'
runcmd:
- systemctl daemon-reload
- systemctl start mark.service
END
    cloud up
    id=$(launch 1 --instance-type m5.large --user-data file://user-data --instance-initiated-shutdown-behavior terminate \
        --block-device-mappings 'DeviceName=/dev/sdb,Ebs={VolumeSize=16,VolumeType=gp3}')
    address=$(of "$id" private)
    eventually 150 in_instance "$address" test -s /var/mark
    in_instance "$address" 'sudo mkfs.ext4 -q /dev/nvme1n1 && sudo mount /dev/nvme1n1 /mnt && sudo touch /mnt/x'
    run in_instance "$address" 'cd /sys/block && echo * && cat nvme1n1/size nvme1n1/device/serial nvme1n1/device/model'
    [[ $output == $'nvme1n1\n33554432\nvol'*$'\nAmazon Elastic Block Store'* ]]
    is "$id" state running
    [[ $(aws_cli ec2 get-console-output --instance-id "$id" --query Output) == *"Reached target"*multi-user.target* ]]
    in_instance "$address" sudo systemctl poweroff || :
    eventually 100 is "$id" state terminated
    is "$id" reason Client.InstanceInitiatedShutdown
}

@test "instances end when they are told to, by a spot interruption, and with their host" {
    cloud up
    # shellcheck disable=SC2046 # three ids
    set -- $(launch 3 --instance-type m3.medium --instance-market-options MarketType=spot)
    eventually 100 shows running 3
    cloud control lose "{\"instance\": \"$1\"}"
    cloud control interrupt "{\"instance\": \"$2\", \"after\": 1}"
    aws_cli ec2 terminate-instances --instance-ids "$3"
    eventually 90 shows terminated 3
    is "$1" reason Server.InternalError
    is "$2" reason Server.SpotInstanceTermination
    is "$3" reason Client.UserInitiatedShutdown
    [ -z "$(find "$DIR/cloud" -maxdepth 1 -type d -name 'i-*')" ]
}

# ---- Kills: each has a cloud of its own, all at once ----

# part NAME: the process of the cloud with that name.
part() {
    local first
    first=$(cat "$DIR/$CLOUD/first")
    case $1 in
    guard) cat "$DIR/$CLOUD/guard" ;;
    unshare) ps -o ppid= -p "$first" ;;
    first) echo "$first" ;;
    service) pgrep -P "$first" -f "inside $DIR/$CLOUD " ;;
    dhcp) pgrep -P "$(part service)" dnsmasq ;;
    instance) pgrep -P "$(part service)" systemd-nspawn ;;
    esac
}

# boot_one: a cloud with an instance that has booted so far that one could log in, and has a volume. Sets `id`, and
# `namespaces`, those of the cloud and of the instance.
boot_one() {
    cloud up
    id=$(launch 1 --instance-type m3.medium --block-device-mappings 'DeviceName=/dev/sdb,Ebs={VolumeSize=16,VolumeType=gp3}')
    eventually 100 grep -q "Started ssh.service" "$DIR/$CLOUD/$id.console"
    losetup -a | grep -F "$DIR/$CLOUD/"
    namespaces=$(namespaces_of "$(part first)" "$(pgrep -P "$(part instance)")")
    # An instance has some of its own.
    [ "$(wc -l <<<"$namespaces")" -gt 3 ]
}

namespaces_of() {
    local pid
    for pid; do
        readlink "/proc/$pid/ns"/{net,mnt,pid}
    done | sort -u
}

# No process is in one of these any more, so that they are gone with all their mounts and links.
no_namespace_is_left() {
    ! find /proc -mindepth 3 -maxdepth 3 -path '/proc/[0-9]*/ns/*' -printf '%l\n' 2>/dev/null | grep -Fx "$namespaces"
}

nothing_stays() {
    eventually 100 nothing_of_cloud
    eventually 100 no_namespace_is_left
}

# It goes by itself.
kill_guard() { kill_part guard; }
kill_unshare() { kill_part unshare; }
kill_first() { kill_part first; }
kill_service() { kill_part service; }

kill_part() {
    boot_one
    kill -KILL "$(part "$1")"
    nothing_stays
}

in_network() {
    [ "$(readlink "/proc/$1/ns/net")" = "$(readlink "/proc/$(part first)/ns/net")" ]
}

# It goes on, until the instance itself is killed; and goes down as ever.
kill_others() {
    local run
    boot_one
    "$abs_top_srcdir/test/ec2/cloud" --dir "$DIR/$CLOUD" run -- sleep 1000 3>&- &
    run=$!
    eventually 60 in_network "$run"
    kill -KILL "$run" "$(part dhcp)"
    is "$id" state running
    kill -KILL "$(part instance)"
    eventually 100 is "$id" state terminated
    is "$id" reason Server.InternalError
    ! losetup -a | grep -F "$DIR/$CLOUD/" || return 1
    cloud down
    nothing_stays
}

# How far it came is left to chance; what it has begun either is there or is not.
kill_up() {
    "$abs_top_srcdir/test/ec2/cloud" --dir "$DIR/$CLOUD" up 3>&- &
    eventually 60 test -e "$DIR/$CLOUD/log"
    kill -KILL $!
    cloud down
    nothing_of_cloud
}

# Nobody is left who could remove anything: the next command does.
kill_all() {
    boot_one
    kill -STOP "$(part guard)"
    kill -KILL "$(part first)" "$(part guard)"
    eventually 100 no_namespace_is_left
    run cloud status
    [ "$status" -eq 1 ]
    cloud down
    nothing_stays
    # None is no error.
    cloud down
}

clean_up() {
    local name
    for name in cloud $(cd "$DIR" && printf '%s\n' kill_*.lock | sed 's/\.lock$//'); do
        CLOUD=$name cloud down && CLOUD=$name nothing_of_cloud || return 1
    done
}

@test "whichever of its processes is killed, nothing of a cloud stays" {
    local kill failed=''
    local -A kills=()
    for kill in kill_guard kill_unshare kill_first kill_service kill_others kill_up kill_all; do
        (trap - DEBUG; set -x; CLOUD=$kill "$kill") >"$kill.log" 2>&1 3>&- &
        kills[$kill]=$!
    done
    for kill in "${!kills[@]}"; do
        wait "${kills[$kill]}" || failed+=" $kill"
    done
    for kill in $failed; do
        echo "== $kill"
        tail -n 25 "$kill.log"
    done
    [ -z "$failed" ]
}

# cannot TEXT COMMAND...: it ends as automake's "skipped", and says why.
cannot() {
    local text=$1
    shift
    run "$@"
    echo "$output"
    [ "$status" -eq 77 ]
    [[ $output == "cloud: $text"* ]]
}

@test "a host that cannot boot instances says why" {
    local command=$abs_top_srcdir/test/ec2/cloud
    cannot "only root can make namespaces" unshare --user "$command" --dir "$DIR/cloud" up
    cannot "missing Debian packages: curl dnsmasq-base iproute2 mmdebstrap systemd-container" \
        env PATH=/nowhere "$command" --dir "$DIR/cloud" up
    cannot "$DIR/none has no tree to boot from" env CLOUD_CACHE="$DIR/none" "$command" check
    # And so do the tests, each of them.
    run env CLOUD_CACHE="$DIR/none" bats --tap "$abs_top_srcdir/test/cli/faults.bats"
    [ "$status" -eq 0 ]
    [[ ${lines[1]} == "ok 1 each fault"*" # skip cloud: $DIR/none has no tree to boot from; cloud base makes it" ]]
}
