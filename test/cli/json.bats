# shellcheck shell=bats disable=SC2016 # the quoted script is for another shell
# What bigm-json(7) says is what commands print, and the other way round.
bats_require_minimum_version 1.5.0
load common
load ../ec2/service

clean_up() {
	stop_ec2
	"$BIGM" shutdown --all 2>/dev/null
	forget_jobs
}

# documents SECTION [COMMAND...]: what the command prints is as the section has it; the section's own command, if none.
documents() {
	local section=$1 words
	shift
	read -ra words <<<"${section#bigm }"
	[ $# -gt 0 ] || set -- "$BIGM" "${words[@]}"
	"$@" >printed
	[ -s printed ]
	python3 "${abs_top_srcdir:?}/test/cli/json_page.py" "$abs_top_srcdir/man/bigm-json.7" "$section" seen <printed
}

# A machine of the cluster is STOPPED, and another one takes its place.
one_replaced() {
	"$BIGM" status -c calm | grep -qE 'STOPPED.* m2 takes its place'
}

@test "the page of JSON has what is printed, and what is printed is in the page" {
	local bigpi=${abs_top_builddir:?}/examples/bigpi
	"$BIGM" run -d --name night true
	"$BIGM" wait night --for ended
	"$BIGM" start -n 2 --name calm --replace --idle-timeout 1h "$bigpi"
	"$BIGM" call all PI.Sample '{"seed": 1, "begin": 0, "end": 10}' >sampled
	documents "bigm status --json"
	documents "bigm status --json" "$BIGM" status --all --json
	documents "bigm pprof --json"
	documents "bigm call all" cat sampled
	documents "bigm call all" bash -c '"$BIGM" call all PI.Sample "{}" || :'
	"$BIGM" exec m0 -- true
	kill -KILL "$("$BIGM" status --json -c calm | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["machines"][1]["pid"])')"
	eventually 20 one_replaced
	"$BIGM" scale calm -n 1
	documents "bigm status --json"
	documents "bigm tail --json" "$BIGM" tail all --no-follow --json
	"$BIGM" shutdown calm
	"$BIGM" bundle -o app.bigm "$bigpi"
	"$BIGM" start --ship --name calm app.bigm
	documents "bigm status --json"
	documents "bigm config --json"
	documents "bigm bundle --list --json" "$BIGM" bundle --list --json app.bigm
	# What only other systems have, or a moment, or a program of one's own.
	python3 "$abs_top_srcdir/test/cli/json_page.py" "$abs_top_srcdir/man/bigm-json.7" --missing seen >missing
	# The tests below have these.
	sed -i '/^bigm start --dry-run/d; / \[\]\.strays/d' missing
	run grep -vE 'machines\[\]\.(phase|label|use\..*|notice\..*|instance|type|zone|market|usd_per_hour|ship\..*)$|\]\.(arch|cost\..*|replaced\.ended|error)$| (label|base64)$' missing
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "the page of JSON has what a dry run prints, and nothing else" {
	start_ec2
	ec2_control policy '{"allowed": ["ec2:Describe*", "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateSecurityGroup"]}'
	subnet=$(PYTHONPATH=$abs_top_srcdir/test/ec2 /usr/bin/python3 -B -c 'from aws import world
print(next(iter(world.Region("us-west-2", "ab").subnets)))')
	# With a note: there is no SSH key here.
	unset SSH_AUTH_SOCK
	documents "bigm start --dry-run --json" bash -c '"$BIGM" start --system ec2 --dry-run --json --ec2-allow 203.0.113.7/32 \
		--ec2-security-group sg-00000000000000001 --ec2-subnet "$1" --ec2-type m5.large,c5.large || [ $? = 1 ]' _ "$subnet"
	python3 "$abs_top_srcdir/test/cli/json_page.py" "$abs_top_srcdir/man/bigm-json.7" --missing seen >missing
	run grep '^bigm start --dry-run' missing
	echo "$output"
	[ "$status" -eq 1 ]
}

# launch: an instance as bigm tags it, of a cluster that is no more. An image's id is made of its name (test/ec2/aws/catalog.py).
launch() {
	local image
	image=ami-$(printf us-west-2/ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20230115 | sha256sum | cut -c1-17)
	aws_cli ec2 run-instances --image-id "$image" --instance-type m5.large --instance-market-options MarketType=spot \
		--tag-specifications "ResourceType=instance,Tags=[{Key=bigm,Value=1},{Key=Name,Value=x},{Key=bigm:cluster,Value=dead},{Key=bigm:host,Value=$(
			uname -n)},{Key=bigm:user,Value=$(id -un)}]"
}

@test "the page of JSON has what is said of instances without a keeper, and of a region that does not answer" {
	[ -x /usr/bin/aws ] || skip "awscli is not installed"
	start_ec2
	launch >/dev/null
	ec2_control faults '[{"action": "DescribeInstances", "region": "eu-west-1", "error": {"code": "OptInRequired", "message": "no", "status": 403}}]'
	documents "bigm status --json" bash -c 'BIGM_SYSTEM=ec2 "$BIGM" status --all --json || [ $? = 1 ]'

	python3 "$abs_top_srcdir/test/cli/json_page.py" "$abs_top_srcdir/man/bigm-json.7" --missing seen >missing
	run grep ' \[\]\.strays' missing
	echo "$output"
	[ "$status" -eq 1 ]
}
