# The EC2 service for tests, as a client sees it that we did not write: Debian's awscli.
load common
load ../ec2/service

setup_file() {
    [ -x /usr/bin/aws ] || skip_all "awscli is not installed"
    [ "${sanitizer:-no}" = no ] || skip_all "nothing compiled is in it"
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
    start_ec2
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

@test "awscli sees a fleet that got less than it wanted" {
    start_ec2 --settings '{"capacity": [{"market": "spot", "count": 37}]}'
    aws_cli ec2 create-launch-template --launch-template-name bigm --query LaunchTemplate.LaunchTemplateName \
        --launch-template-data "{\"ImageId\": \"$(image amd64)\"}"
    run aws_cli ec2 create-fleet --type instant --output text --query '[length(Instances[].InstanceIds[]), Errors[0].ErrorCode]' \
        --target-capacity-specification TotalTargetCapacity=50,DefaultTargetCapacityType=spot \
        --spot-options AllocationStrategy=capacity-optimized --launch-template-configs \
        'LaunchTemplateSpecification={LaunchTemplateName=bigm,Version=1},Overrides=[{InstanceType=m5.large},{InstanceType=c5.large}]'
    [ "$status" -eq 0 ]
    [ "$output" = $'37\tInsufficientInstanceCapacity' ]
    [ "$(instances InstanceId | wc -w)" -eq 37 ]
}

@test "awscli makes a security group, and is told what it may not" {
    start_ec2
    group=$(aws_cli ec2 create-security-group --group-name bigm-test --description bigm --query GroupId --output text)
    aws_cli ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 22 --cidr 192.0.2.0/24
    run aws_cli ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 22 --cidr 192.0.2.0/24
    [[ $output == *"(InvalidPermission.Duplicate)"* ]]
    run aws_cli ec2 run-instances --image-id "$(image arm64)" --instance-type m5.large
    [[ $output == *"(InvalidParameterValue) when calling the RunInstances operation: The architecture"* ]]
    run aws_cli ec2 run-instances --image-id "$(image amd64)" --instance-type m5.large --dry-run
    [[ $output == *"(DryRunOperation)"* ]]
    AWS_SECRET_ACCESS_KEY=another run aws_cli ec2 describe-instances
    [[ $output == *"(AuthFailure)"* ]]
}

@test "awscli tries again where EC2 throttles" {
    start_ec2
    ec2_control faults '[{"action": "DescribeVpcs", "times": 1, "error": {"code": "RequestLimitExceeded", "status": 503}}]'
    aws_cli ec2 describe-vpcs
    [ "$(ec2_log '[entry["status"] for entry in of("DescribeVpcs")]')" = "[503, 200]" ]
}
