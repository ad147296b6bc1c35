# Private keys and AWS credentials are nowhere but where they have to be. secrets.py looks for them, in all that a session
# leaves and while it lasts.
bats_require_minimum_version 1.5.0
load common
load ../ec2/service

clean_up() {
    "$BIGM" shutdown --all >/dev/null 2>&1
    stop_ec2
}

# search PLACE SECRET...: secrets.py finds them nowhere there. What is found in FOUND_OK is no find: lines of it, whole.
search() {
    local finds
    finds=$(/usr/bin/python3 "$abs_top_srcdir/test/cli/secrets.py" "$1" "$DIR" "${@:2}" | grep -vxF "${FOUND_OK:-}") || return 0
    echo "$finds"
    return 1
}

# key_file NAME: the driver's key of that cluster, which is there for curl.
key_file() {
    echo "$DIR"/state/bigm/*/"$1"/driver.pem
}

# only_ours FILE: nobody else may read it, nor look into its folder.
only_ours() {
    [ "$(stat -c %a "$1")" = 600 ] && [ "$(stat -c %a "$(dirname "$1")")" = 700 ]
}

# all_commands NAME: what people look at a cluster with, all of it in files.
all_commands() {
    "$BIGM" status -v --cluster "$1" --json >status.json
    "$BIGM" call -v --cluster "$1" m0 Supervisor.Info >info.json
    # shellcheck disable=SC2016 # the machines expand it
    "$BIGM" exec -v --cluster "$1" all -- sh -c 'env; cat /proc/$$/cmdline /proc/$PPID/cmdline; ls -l /proc/$PPID/fd' >commands 2>&1
    "$BIGM" pprof -v --cluster "$1" threads -o threads >profiles 2>&1 || grep -q "no program" profiles
    "$BIGM" config >settings
}

# a_session NAME OPTION... [PROGRAM]: starts it, with all that tells.
a_session() {
    "$BIGM" start -v -n 2 --name "$1" --log-dir "$PWD/logs" --events "$PWD/events" "${@:2}" >started 2>&1 || { cat started && return 1; }
    key=$(key_file "$1")
    only_ours "$key"
    cp "$key" "$BATS_TEST_TMPDIR/key"
    FOUND_OK=$(for what in "a private key's text" "text of a key"; do echo "${key#"$DIR/"}: $what"; done)
    all_commands "$1"
    search files "@$BATS_TEST_TMPDIR/key"
    search processes "@$BATS_TEST_TMPDIR/key"
    # A sanitizer keeps what was freed, and stands before our memory.
    [ "${sanitizer:-no}" != no ] || search memory "@$BATS_TEST_TMPDIR/key"
    "$BIGM" shutdown --cluster "$1"
    FOUND_OK='' search files "@$BATS_TEST_TMPDIR/key"
}

@test "a cluster's keys are in no file but the driver's, no command line, no environment, and no core file" {
    a_session one "$abs_top_builddir/examples/bigpi"
}

@test "the same where machines begin with nothing" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to look into memory"
    a_session two --ship "$abs_top_builddir/examples/bigpi"
}

@test "the same of workers that wait for a program" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to look into memory"
    a_session bare --ship
}

@test "a driver has its key in no file, and in no core file" {
    local job key
    "$BIGM" run -v -n 2 --name three "$abs_top_builddir/examples/bigpi" -- --samples 1e12 >out 2>err &
    job=$!
    # It draws, so it has its key.
    eventually 60 grep -q '^m0: ' err
    key=$(key_file three)
    cp "$key" "$BATS_TEST_TMPDIR/key"
    FOUND_OK=$(for what in "a private key's text" "text of a key"; do echo "${key#"$DIR/"}: $what"; done)
    search files "@$BATS_TEST_TMPDIR/key"
    search processes "@$BATS_TEST_TMPDIR/key"
    [ "${sanitizer:-no}" != no ] || search memory "@$BATS_TEST_TMPDIR/key"
    kill -TERM "$job"
    wait "$job" || :
    FOUND_OK='' search files "@$BATS_TEST_TMPDIR/key"
}

# Whose files of /proc a process may be: the kernel gives those of one that leaves no core file to root.
owner_of() {
    stat -c %u "/proc/$1/environ"
}

@test "the keeper and its guard leave no core file, whoever they run as; what they start may" {
    local pid name as=(setpriv --reuid 65534 --regid 65534 --clear-groups) keepers=0 machines=0
    [ "$(id -u)" -eq 0 ] || skip "needs root, to be somebody else"
    chown -R 65534:65534 "$DIR"
    "${as[@]}" "$BIGM" start --name four "$abs_top_builddir/examples/bigpi"
    for pid in $(left_processes); do
        name=$(cat "/proc/$pid/comm")
        case $name in
        bigm-keeper | cluster-guard)
            ((++keepers))
            [ "$(owner_of "$pid")" -eq 0 ]
            ;;
        bigpi)
            ((++machines))
            [ "$(owner_of "$pid")" -eq 65534 ]
            ;;
        esac
    done
    [ "$keepers" -eq 2 ]
    [ "$machines" -eq 1 ]
    "${as[@]}" "$BIGM" shutdown
}

# told_little SECRET...: of keys, instances are told that of their sshd and that of the bootstrap identity, and no secret.
told_little() {
    local secret
    ec2_state "r['instances'][0]['user_data']" | base64 -d >"$BATS_TEST_TMPDIR/told"
    [ "$(head -n 1 "$BATS_TEST_TMPDIR/told")" = "#cloud-config" ]
    [ "$(grep -o 'BEGIN [A-Z ]*PRIVATE KEY' "$BATS_TEST_TMPDIR/told" | sort)" = "BEGIN OPENSSH PRIVATE KEY
BEGIN PRIVATE KEY" ]
    for secret; do
        [ "${#secret}" -ge 16 ]
        run ! grep -qF -e "$secret" -e "$(base64 -w 0 <<<"$secret" | head -c 16)" "$BATS_TEST_TMPDIR/told"
    done
}

@test "AWS credentials are in no file of a session, no command line, no environment and no user data" {
    local secret id
    start_ec2
    secret=$AWS_SECRET_ACCESS_KEY id=$AWS_ACCESS_KEY_ID
    # From a file outside of what is searched, so that each find is ours.
    printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$id" "$secret" >"$BATS_TEST_TMPDIR/credentials"
    chmod 600 "$BATS_TEST_TMPDIR/credentials"
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    export PRECIOUS=of-the-drivers-environment
    export AWS_SHARED_CREDENTIALS_FILE=$BATS_TEST_TMPDIR/credentials
    "$BIGM" start -v -n 1 --name five --system ec2 --log-dir "$PWD/logs" --events "$PWD/events" >started 2>&1 &
    # Its instance is there, and never boots.
    eventually 60 has_instance
    "$BIGM" status -v --cluster five --json >status.json
    grep -q '"i-' status.json
    "$BIGM" config --system ec2 >settings 2>&1 || :
    key=$(key_file five)
    only_ours "$key"
    FOUND_OK=$(for what in "a private key's text" "text of a key"; do echo "${key#"$DIR/"}: $what"; done)
    search files "$secret"
    search processes "$secret"
    told_little "$secret" "$id" "$PRECIOUS" "$(sed -n 2p "$key")"
    "$BIGM" shutdown --cluster five
    wait $! || :
    FOUND_OK='' search files "$secret"
}

has_instance() {
    "$BIGM" status --cluster five --json 2>/dev/null | grep -q '"i-'
}
