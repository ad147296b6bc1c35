# bigm shutdown --stale and bigm status --all against the EC2 service for tests.
load common
load ../ec2/service

clean_up() {
	stop_ec2
}

# launch CLUSTER HOST REGION: an instance as bigm tags it.
launch() {
	local image
	image=$(aws_cli --region "$3" ec2 describe-images --filters Name=architecture,Values=x86_64 --query 'Images[0].ImageId' --output text)
	aws_cli --region "$3" ec2 run-instances --image-id "$image" --instance-type m5.large --tag-specifications \
		"ResourceType=instance,Tags=[{Key=bigm,Value=1},{Key=bigm:cluster,Value=$1},{Key=bigm:host,Value=$2},{Key=bigm:user,Value=$(
			id -un)}]" --query 'Instances[0].InstanceId' --output text
}

@test "an instance without a keeper is found in any region, shown and terminated" {
	start_ec2
	here=$(launch dead "$(uname -n)" eu-west-1)
	BIGM_SYSTEM=ec2 run_bigm status --all
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"$here"*eu-west-1*gone* ]]
	run_bigm shutdown --stale --yes
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"1 terminated"* ]]
	[ "$(ec2_state "state['regions']['eu-west-1']['instances'][0]['state']")" != running ]
}

# The names of processes that belong to the cluster "cut": its guard and keeper.
keepers_of_cut() {
	pgrep -f -- '--keeper .*--name cut( |$)'
}

no_keeper_of_cut() {
	! keepers_of_cut >/dev/null
}

held_is() {
	ec2_control held '{"name": "answer", "seconds": 1}' | grep -q true
}

@test "what was launched when the keeper was killed before EC2's answer is found and terminated" {
	start_ec2
	ec2_control faults '[{"action": "RunInstances", "hold_answer": "answer"}]'
	HOME=$DIR SSH_AUTH_SOCK='' "$BIGM" start --system ec2 --name cut --allow 203.0.113.7/32 >/dev/null 2>&1 3>&- &
	started=$!
	eventually 60 held_is
	# shellcheck disable=SC2046 # several
	kill -KILL $(keepers_of_cut)
	wait "$started" || :
	eventually 20 no_keeper_of_cut
	ec2_control release '{"name": "answer"}'
	[ "$(ec2_state "len(r['instances'])")" -eq 1 ]
	run_bigm shutdown --stale --yes
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"1 terminated"* ]]
	[ "$(ec2_state "r['instances'][0]['state']")" != running ]
	"$BIGM" status # removes the record
}
