# The EC2 service for tests, as a client sees it that we did not write: Debian's awscli.
load common
load ../ec2/service

setup_file() {
    [ -x /usr/bin/aws ] || skip "awscli is not installed"
}

clean_up() {
    stop_ec2
}

# image ARCHITECTURE: the newest Debian of that architecture.
image() {
    aws_cli ec2 describe-images --owners 136693071363 --output text --query 'sort_by(Images, &CreationDate)[-1].ImageId' \
        --filters "Name=name,Values=debian-12-$1-*" "Name=state,Values=available"
}

# instances QUERY: of every instance, as text.
instances() {
    aws_cli ec2 describe-instances --output text --query "Reservations[].Instances[].$1"
}

@test "awscli launches instances, sees them run, and terminates them" {
    start_ec2 --settings '{"pending": 1}'
    debian=$(image amd64)
    run aws_cli ec2 run-instances --image-id "$debian" --count 2 --instance-type m5.large --output text \
        --instance-market-options 'MarketType=spot,SpotOptions={SpotInstanceType=one-time}' --user-data hello \
        --block-device-mappings 'DeviceName=/dev/xvda,Ebs={VolumeSize=50,VolumeType=gp3}' \
        'DeviceName=/dev/xvdb,Ebs={VolumeSize=16,VolumeType=gp3}' --metadata-options HttpTokens=required \
        --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=a b}]' --query 'Instances[].State.Name'
    [ "$status" -eq 0 ]
    [ "$output" = $'pending\tpending' ]
    aws_cli ec2 wait instance-running
    [ "$(instances '[State.Name, InstanceLifecycle, Tags[0].Value] | [0]')" = $'running\tspot\ta b' ]
    [ "$(ec2_state 'len(r["volumes"])')" -eq 4 ]
    # shellcheck disable=SC2046 # several ids
    aws_cli ec2 terminate-instances --instance-ids $(instances InstanceId)
    [ "$(instances State.Name)" = $'terminated\tterminated' ]
    [ "$(ec2_state 'len(r["volumes"]), {s["state"] for s in r["spot_requests"]}')" = "0 {'closed'}" ]
}
