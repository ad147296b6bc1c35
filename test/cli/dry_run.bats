# bigm start --dry-run against the EC2 service for tests.
load common
load ../ec2/service

clean_up() {
	stop_ec2
}

# try_start ARGUMENT...: with no keys, files or instances of whoever runs the test.
try_start() {
	HOME=$DIR SSH_AUTH_SOCK='' run_bigm start --system ec2 --dry-run --allow 203.0.113.7/32 "$@"
	echo "$output"
}

# nothing_was_made: every request that makes something was a dry run.
nothing_was_made() {
	[ "$(ec2_state "len(r['instances']) + len(r['templates']) + sum(g['name'].startswith('bigm-') for g in r['groups'])")" -eq 0 ]
}

@test "what would be launched is shown, with its price, permissions and the document; nothing is made" {
	start_ec2
	try_start -n 3 "$abs_top_builddir/examples/bigpi" -- --seed 7
	[ "$status" -eq 0 ]
	[[ $output == *"instances        3 in us-west-2, by RunInstances"* ]]
	[[ $output == *"price            0.11 USD an hour for all"* ]]
	[[ $output =~ tag\ +Name\ =\ $(id -un):bigpi\([0-9a-f]{12}\)\ --seed\ 7\ \(bigm\) ]]
	[[ $output =~ RunInstances\ +yes ]]
	[[ $output =~ TerminateInstances\ +yes ]]
	[[ $output == *"#cloud-config"*bigm-deadman* ]]
	nothing_was_made
	[ "$(ec2_log "of('RunInstances')[-1]['wire']['DryRun']")" = true ]
}

@test "as JSON, of a fleet" {
	start_ec2
	try_start --json --ec2-type m5.large,c5.large
	[ "$status" -eq 0 ]
	"$BIGM" start --system ec2 --dry-run --allow 203.0.113.7/32 --json --ec2-type m5.large,c5.large 2>/dev/null | python3 -c "import json, sys
plan = json.load(sys.stdin)
asked = {p['action']: p['allowed'] for p in plan['permissions']}
assert asked['CreateLaunchTemplate'] and asked['RunInstances'] and 'CreateFleet' in asked, asked
assert plan['plan']['usd_per_hour']['least'] < plan['plan']['usd_per_hour']['most'], plan['plan']
assert plan['document'].startswith('#cloud-config')"
	nothing_was_made
}

@test "a permission that is missing is named, and fails" {
	start_ec2
	ec2_control policy '{"allowed": ["ec2:Describe*", "ec2:TerminateInstances"]}'
	try_start
	[ "$status" -eq 1 ]
	[[ $output =~ security\ group\ +no ]]
	[[ $output =~ RunInstances\ +no\ .*UnauthorizedOperation ]]
	[[ $output =~ TerminateInstances\ +yes ]]
	[[ $output == *"RunInstances is not allowed"* ]]
}

@test "what EC2 does not say of a permission is neither yes nor no" {
	start_ec2
	ec2_control faults '[
		{"action": "TerminateInstances", "error": {"code": "InvalidInstanceID.NotFound", "message": "no such", "status": 400}},
		{"action": "CreateFleet", "error": {"code": "InvalidLaunchTemplateId.NotFound", "message": "no such", "status": 400}}]'
	try_start --ec2-type m5.large,c5.large
	[ "$status" -eq 0 ]
	[[ $output =~ RunInstances\ +yes ]]
	[[ $output =~ CreateFleet\ +not\ known\ +EC2\ does\ not\ say:\ .*NotFound ]]
	[[ $output =~ TerminateInstances\ +not\ known\ +EC2\ does\ not\ say:\ .*InvalidInstanceID.NotFound ]]
	[[ $output != *"is not allowed"* ]]
}

@test "what makes no sense is refused" {
	run_bigm start --dry-run
	[ "$status" -eq 2 ]
	[[ $output == *"cost nothing"* ]]
	run_bigm start --json
	[ "$status" -eq 2 ]
	[[ $output == *"--json: goes with --dry-run"* ]]
	start_ec2
	try_start -n 500
	[ "$status" -eq 1 ]
	[[ $output == *"see --max-cost"* ]]
}
