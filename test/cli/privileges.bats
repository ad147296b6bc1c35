# What the worker of an instance gives up of root's, and that its programs have it all the same.
load common

clean_up() {
    "$BIGM" shutdown --all >/dev/null 2>&1
}

# capabilities PID: what it has, as the kernel says it.
capabilities() {
    sed -n 's/^CapEff:\t//p' "/proc/$1/status"
}

# worker: the process of the machine.
worker() {
    "$BIGM" call m0 Supervisor.Info | grep -o '"pid": *[0-9]*' | grep -o '[0-9]*'
}

@test "ec2boot keeps four of root's capabilities, what it starts or becomes has all" {
    local all
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    all=$(capabilities $BASHPID)
    "$BIGM" start --ship
    # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER and CAP_KILL
    [ "$(capabilities "$(worker)")" = 000000000000002e ]
    [ "$("$BIGM" exec m0 -- sed -n 's/^CapEff:\t//p' /proc/self/status)" = "$all" ]
    "$BIGM" shutdown
    # A driver's program, which the worker becomes.
    "$BIGM" start --ship "$abs_top_builddir/examples/bigpi"
    [ "$(capabilities "$(worker)")" = "$all" ]
}

@test "it still copies files of other users, and into their folders" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    mkdir -m 700 theirs
    echo theirs >theirs/file
    chmod 400 theirs/file
    chown -R 65534:65534 theirs
    "$BIGM" start --ship
    "$BIGM" cp "m0:$PWD/theirs/file" got
    [ "$(cat got)" = theirs ]
    echo ours >ours
    "$BIGM" cp ours "m0:$PWD/theirs/new"
    [ "$(cat theirs/new)" = ours ]
}
