# docs/tutorials.md: of each section the commands, in one shell, print what it shows.
load common
load tutorial
load ../ec2/service

clean_up() {
	"$BIGM" shutdown --all
	stop_ec2
}

@test "bigpi" {
	tutorial bigpi
}

@test "wordcount" {
	tutorial wordcount
}

@test "batch" {
	tutorial Batch
}

# Times and shares differ.
without_figures() {
	sed -E 's/[0-9]+(\.[0-9]+)?(ns|us|ms|s|%)/…/g; s/ +/ /g'
}

@test "profiling" {
	[ "${sanitizer:-no}" = no ] || skip "a sanitizer has malloc() and the locks for itself"
	tutorial "Profiling: where" without_figures
}

@test "profiling with go tool pprof" {
	[ "${sanitizer:-no}" = no ] || skip "a sanitizer has malloc() and the locks for itself"
	command -v go >/dev/null || skip "there is no go (Debian package golang-go)"
	tutorial "Profiling with go"
}

# new_account: an emulated EC2 that has nothing but its administrator, who is signed in.
new_account() {
	[ -x /usr/bin/aws ] || skip "awscli is not installed"
	start_ec2 --settings '{"spot_vcpu_limit": 5, "metadata": false}'
	ec2_control policy '{"service_linked_role": false}'
	mkdir -p "$HOME/.aws"
	printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" \
		>"$HOME/.aws/credentials"
	printf '[default]\nregion = us-east-1\n' >"$HOME/.aws/config"
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE SSH_AUTH_SOCK
	# Where this host is cannot be found out there.
	export BIGM_EC2_ALLOW=203.0.113.7/32
	aws_there
}

@test "EC2 from an empty account" {
	[ "${sanitizer:-no}" = no ] || skip "dry_run.bats and others run the same code"
	new_account
	tutorial "EC2 from"
	# Nothing was launched, and there was no refusal but those of which the page tells.
	[ "$(ec2_state "len(r['instances']) + len(r['templates'])")" -eq 0 ]
	[ "$(ec2_log "sorted({e['code'] for e in log if e.get('code')} - {'DryRunOperation'})")" = \
		"['AuthFailure', 'MaxSpotInstanceCountExceeded', 'UnauthorizedOperation']" ]
}

@test "there is no section that no test runs" {
	# The last one by ec2.bats, on instances that boot.
	[ "$(grep -c '^## ' "$page")" -eq 7 ]
	grep -q 'prepare "EC2: the first machines"' "$abs_top_srcdir/test/cli/ec2.bats"
}
