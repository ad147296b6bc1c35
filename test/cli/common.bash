# Loaded by every bats file: each test runs in a folder of its own, $DIR, with nothing of the user's in reach, and
# fails when a process, a socket, a record or a temporary file of it outlives it.
# shellcheck shell=bash

: "${BIGM:?is not set: run the tests with make check}" "${abs_top_srcdir:?}" "${abs_top_builddir:?}"

# How long what a test has started may take to go away, in seconds.
LEAK_GRACE=2

# How long eventually waits between two looks, in seconds.
: "${PAUSE:=0.02}"

setup() {
    [ -z "${SKIP_ALL:-}" ] || skip "$SKIP_ALL"
    DIR=$(mktemp -d /tmp/bigm-test.XXXXXX)
    mkdir -m 700 "$DIR"/{home,run,state,config,tmp,work}
    export HOME="$DIR/home" TMPDIR="$DIR/tmp"
    export XDG_RUNTIME_DIR="$DIR/run" XDG_STATE_HOME="$DIR/state" XDG_CONFIG_HOME="$DIR/config"
    cd "$DIR/work" || return
}

# skip_all REASON: for setup_file, where bats' own skip is a failure.
skip_all() {
    export SKIP_ALL=$1
}

# A file whose tests start clusters that stay defines clean_up, which runs first.
teardown() {
    local failed=0 pid
    [ -n "${DIR:-}" ] || return 0
    ! declare -F clean_up >/dev/null || clean_up || failed=1
    eventually "$LEAK_GRACE" nothing_left || failed=1
    if ((failed)); then
        echo "left behind by the test:"
        for pid in $(left_processes); do
            # It may go away in the meantime.
            echo "  process $pid: $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
            kill -KILL "$pid" 2>/dev/null || :
        done
        left_files
        find "$DIR/state" -name keeper.log -exec tail -n 50 {} +
    fi
    cd /
    rm -rf "$DIR"
    return "$failed"
}

# For clean_up: the records of detached runs that have ended stay otherwise.
forget_jobs() {
    local record
    for record in "$XDG_STATE_HOME"/bigm/*/*.job; do
        [ ! -d "$record" ] || "$BIGM" shutdown "$(basename "$record" .job)"
    done
}

# run_bigm ARGUMENT...: bats' run of the bigm that was built.
run_bigm() {
    run "$BIGM" "$@"
}

# eventually SECONDS COMMAND...: polls until COMMAND succeeds; fails when it has not after SECONDS.
eventually() {
    local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@"; do
        ((${EPOCHREALTIME/[.,]/} < deadline)) || return 1
        sleep "$PAUSE"
    done
}

# The processes whose environment or command line names this test's folder. The pattern comes by standard input and
# grep's environment is empty, so that grep does not find itself.
left_processes() {
    local file
    for file in $(env -i "$(command -v grep)" -lszF -f - /proc/[0-9]*/{environ,cmdline} <<<"$DIR"); do
        file=${file#/proc/}
        echo "${file%/*}"
    done
}

# Sockets and temporary files anywhere, and cluster records (state/bigm/HOST/NAME), even empty ones.
left_files() {
    find "$DIR/run" "$DIR/tmp" ! -type d
    find "$DIR/state" ! -type d -o -mindepth 3 -type d
}

nothing_left() {
    [[ -z $(left_processes) && -z $(left_files) ]]
}
