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

# is_booting ID: its systemd says something.
is_booting() {
    [ -s "$DIR/cloud/$1.console" ]
}

# kill_cloud NAME: the guard or the first process of the namespaces, once an instance boots.
kill_cloud() {
    cloud up
    id=$(launch 1 --instance-type m3.medium --block-device-mappings 'DeviceName=/dev/sdb,Ebs={VolumeSize=16,VolumeType=gp3}')
    eventually 100 is_booting "$id"
    kill -KILL "$(cat "$DIR/cloud/$1")"
}

@test "a cloud whose guard is killed goes, and leaves nothing" {
    kill_cloud guard
    eventually 100 nothing_of_cloud
}

@test "a cloud whose first process is killed goes, and leaves nothing" {
    kill_cloud first
    eventually 100 nothing_of_cloud
}

@test "of a cloud that is killed as a whole the next command removes what is left" {
    cloud up
    kill -STOP "$(cat "$DIR/cloud/guard")"
    kill -KILL "$(cat "$DIR/cloud/first")" "$(cat "$DIR/cloud/guard")"
    run cloud status
    [ "$status" -eq 1 ]
    cloud down
    nothing_of_cloud
    cloud down
}
