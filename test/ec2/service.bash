# The EC2 service for tests, for bats files: `load ../ec2/service` after `load common`.
# shellcheck shell=bash

# start_ec2 [OPTION...]: starts the service with these options, and sets the environment so that every client of AWS finds
# it and nothing else. Skips the test where the host cannot run it.
start_ec2() {
    /usr/bin/python3 -c 'import botocore' 2>/dev/null || skip "python3-botocore is not installed"
    # Not below $DIR/tmp, whose files would count as left behind.
    EC2_DIR=$DIR/ec2
    "$abs_top_srcdir/test/ec2/service" --state-dir "$EC2_DIR" "$@" 3>&- &
    EC2_PID=$!
    eventually 60 test -s "$EC2_DIR/port"
    EC2_URL=http://127.0.0.1:$(cat "$EC2_DIR/port")
    export AWS_ENDPOINT_URL=$EC2_URL AWS_EC2_METADATA_SERVICE_ENDPOINT=$EC2_URL
    export AWS_ACCESS_KEY_ID=AKIATESTTESTTESTTEST AWS_SECRET_ACCESS_KEY=secretsecretsecretsecretsecretsecret/+es
    export AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-2 AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
    export no_proxy=127.0.0.1
}

# For clean_up.
stop_ec2() {
    [ -n "${EC2_PID:-}" ] || return 0
    kill "$EC2_PID" 2>/dev/null || :
    wait "$EC2_PID" || :
}

# ec2_control NAME [JSON]: one of the service's controls; prints what it answers.
ec2_control() {
    curl -sS --fail-with-body --noproxy '*' -d "${2:-{\}}" "$EC2_URL/_control/$1"
}

# ec2_state EXPRESSION: a Python expression of `state`, all that exists, and `r`, the part of us-west-2.
ec2_state() {
    ec2_control state | python3 -c "import json, sys
state = json.load(sys.stdin)
r = state['regions']['us-west-2']
print($1)"
}

# ec2_log EXPRESSION: the same of `log`, the list of requests, and `of(ACTION)`, those of one action.
ec2_log() {
    ec2_control log | python3 -c "import json, sys
log = json.load(sys.stdin)
of = lambda action: [entry for entry in log if entry['action'] == action]
print($1)"
}

# aws_cli ARGUMENT...: Debian's awscli against the service; its endpoint is an option there, older than the variable.
aws_cli() {
    timeout 60 /usr/bin/aws --endpoint-url "$EC2_URL" --no-cli-pager --output json "$@"
}
