# bigm on an EC2 instance with a kernel of its own (test/ec2/cloud up --emulate), for what containers cannot show. Minutes: `make check-qemu`.
load ../cli/common
load cloud

setup_file() {
    need_bigm_there
    # An emulated processor takes minutes for what others do in seconds.
    export BATS_TEST_TIMEOUT=2400 BIGM_EC2_DEAD_MAN=40m
}

@test "an instance with an early clock stripes its NVMe volumes, and dies of its kernel when memory is out" {
    local status=0
    cloud up --emulate 2>why || status=$?
    [ "$status" -ne 77 ] || skip "$(cat why)"
    [ "$status" -eq 0 ]
    bigm_there start -v -n 1 --name emulated --ec2-dataspace 32 --keepalive-call 60 "$abs_top_builddir/examples/bigoom" 2>log ||
        { cat log; return 1; }

    now=$(on_machine 'date +%s')
    ((now - EPOCHSECONDS > 3000 && now - EPOCHSECONDS < 4200))

    # Both volumes, and not the disk of the instance itself, which has their size.
    on_machine 'lsblk -dno NAME,SIZE,MODEL,SERIAL; cat /proc/mdstat; findmnt -no SOURCE,FSTYPE /mnt/data' | tee disks
    [ "$(grep -cE '^nvme[0-9]n1 +16G +Amazon Elastic Block Store +vol' disks)" -eq 2 ]
    grep -qE '^nvme[0-9]n1 +16G +QEMU NVMe Ctrl' disks
    grep -qE '^md0 : active raid0 nvme[0-9]n1\[[01]\] nvme[0-9]n1\[[01]\]' disks
    while read -r name _; do
        grep -q "^md0 .* $name\[" disks
    done < <(grep 'Amazon Elastic' disks)
    grep -qE '^/dev/md0 +ext4' disks
    # shellcheck disable=SC2016 # that shell expands it
    [ "$(on_machine 'echo $TMPDIR; df --output=target $TMPDIR | tail -n 1; sysctl -n fs.nr_open')" = $'/mnt/data/tmp\n/mnt/data\n33554432' ]

    run bigm_there call m0 Oom.Take 4096
    echo "$output"
    [ "$status" -ne 0 ]
    eventually 120 tells_of_memory
    bigm_there shutdown emulated
}

# The kernel's own line has come by way of the journal.
tells_of_memory() {
    "$BIGM" status --json | grep -q 'out of memory: the kernel killed it: .*Killed process'
}
