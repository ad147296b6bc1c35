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

# with_arm64: a bigm that has a worker for arm64, $BIGM from here on; nobody is going to execute that one.
with_arm64() {
	mkdir -p bin/ec2
	cp "$BIGM" "$(dirname "$BIGM")/bigm-ec2" bin/
	cp "$abs_top_builddir"/ec2/ec2boot-* bin/ec2/
	[ -e bin/ec2/ec2boot-arm64 ] || echo worker >bin/ec2/ec2boot-arm64
	BIGM=$PWD/bin/bigm
}

# for_machine FILE COPY BYTES: a copy of a program that claims to be for another processor.
for_machine() {
	cp "$1" "$2"
	# shellcheck disable=SC2059 # it is a format; e_machine stands at byte 18
	printf "$3" | dd of="$2" bs=1 seek=18 conv=notrunc status=none
}

@test "what machines of another architecture cannot run is refused before anything is bought" {
	for_machine "$abs_top_builddir/examples/bigpi" driver-amd64 '\076\000'
	for_machine "$abs_top_builddir/examples/bigpi" driver-arm64 '\267\000'
	for_machine "$(type -P true)" job-amd64 '\076\000'
	start_ec2
	# shellcheck disable=SC2030,SC2031
	export BIGM_SYSTEM=ec2 BIGM_EC2_TYPE=m7g.large BIGM_EC2_ALLOW=203.0.113.7/32 HOME=$DIR SSH_AUTH_SOCK=
	run_bigm run ./job-amd64
	[[ -e $abs_top_builddir/ec2/ec2boot-arm64 || $output == *"the worker that machines begin as, for linux/arm64: "*"ec2boot-arm64"* ]]
	with_arm64
	for job in ./job-amd64 "./job-amd64 -n 2 --file driver-amd64:x"; do
		# shellcheck disable=SC2086
		run_bigm run $job
		echo "$output"
		[ "$status" -eq 125 ]
		[[ $output == *"job-amd64 is for linux/amd64, the machines are linux/arm64; see bigm-bundle(1)" ]]
	done
	run_bigm map -- ./job-amd64 ::: a
	[ "$status" -eq 125 ]
	[[ $output == *"job-amd64 is for linux/amd64, the machines are linux/arm64"* ]]
	run_bigm start ./driver-amd64
	[ "$status" -eq 1 ]
	[[ $output == *"driver-amd64 is for linux/amd64, the machines are linux/arm64"* ]]
	"$BIGM" bundle --no-libs ./job-amd64 -o job.bigm
	run_bigm run job.bigm
	[ "$status" -eq 125 ]
	[[ $output == *"job.bigm has nothing for linux/arm64, only for linux/amd64"* ]]
	run_bigm start --dry-run ./driver-amd64
	[ "$status" -eq 1 ]
	[[ $output == *"driver-amd64 is for linux/amd64, the machines are linux/arm64"* ]]
	BIGM_EC2_TYPE=m5.large,m7g.large run_bigm start
	[ "$status" -eq 1 ]
	[[ $output == *"m5.large is linux/amd64, m7g.large is linux/arm64; machines of a cluster have one architecture" ]]
	# And what they can run is not, though this host could not.
	run_bigm start --dry-run ./driver-arm64
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output =~ tag\ +bigm:architecture\ =\ arm64 ]]
	"$BIGM" bundle --no-libs ./driver-arm64 -o driver-amd64.bigm
	run_bigm start --dry-run ./driver-amd64
	[ "$status" -eq 0 ]
	nothing_was_made
	[ "$(ec2_log "all(r['wire'].get('DryRun') == 'true' for r in of('RunInstances') + of('CreateFleet'))")" = True ]
}
