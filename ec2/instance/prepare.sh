#!/bin/sh
# Makes an instance ready for bigm's worker: data volumes, limits of the kernel, and a boot target that ends it. Run once, as
# root, by bigm-prepare.service, with DATA_COUNT, DATA_GIB and DATA_DIR in the environment. SYS_BLOCK, DEV, MOUNTS, SYSTEMD
# and PATIENCE are for tests.
set -eu

sys=${SYS_BLOCK:-/sys/block}
dev=${DEV:-/dev}
mounts=${MOUNTS:-/proc/mounts}
systemd=${SYSTEMD:-/etc/systemd/system}
patience=${PATIENCE:-120}
count=${DATA_COUNT:?} gib=${DATA_GIB:?} dir=${DATA_DIR:?}
label=bigm-data

say() {
    echo "bigm-prepare: $*" >&2
}

# is_blank DISK: of the data volumes' size, with nothing on it, and nobody's.
is_blank() {
    [ "$(blockdev --getsz "$dev/$1")" -eq $((gib * 2097152)) ] || return 1
    for other in "$sys/$1/$1"* "$sys/$1/holders"/*; do
        [ ! -e "$other" ] || return 1
    done
    ! grep -q "^$dev/$1 " "$mounts" && ! blkid -p "$dev/$1" >/dev/null 2>&1
}

# is_volume DISK: an EBS volume. The disks of the instance itself have names like theirs, in any order.
is_volume() {
    case $1 in
    nvme*)
        case $(cat "$sys/$1/device/model" 2>/dev/null) in
        "Amazon Elastic Block Store"*) ;;
        *) return 1 ;;
        esac
        case $(cat "$sys/$1/device/serial" 2>/dev/null) in
        vol*) ;;
        *) return 1 ;;
        esac
        ;;
    # Under Xen volumes have the names that the launch gave them.
    xvdb[a-y]) ;;
    *) return 1 ;;
    esac
}

find_volumes() {
    for path in "$sys"/nvme*n* "$dev"/xvdb?; do
        disk=${path##*/}
        if [ -e "$dev/$disk" ] && is_volume "$disk" && is_blank "$disk"; then
            echo "$dev/$disk"
        fi
    done | head -n "$count"
}

# They are attached while the instance boots.
wait_for_volumes() {
    while volumes=$(find_volumes) && [ "$(echo "$volumes" | grep -c .)" -lt "$count" ]; do
        if [ "$patience" -le 0 ]; then
            say "of $count data volumes of $gib GiB these are here: ${volumes:-none}"
            return 1
        fi
        patience=$((patience - 1))
        sleep 1
    done
}

install_mdadm() {
    command -v mdadm >/dev/null && return
    if command -v apt-get >/dev/null; then
        apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends mdadm
    elif command -v dnf >/dev/null; then
        dnf -qy install mdadm
    else
        yum -qy install mdadm
    fi
}

mount_volumes() {
    wait_for_volumes
    disk=$volumes
    if [ "$count" -gt 1 ]; then
        install_mdadm
        disk=$dev/md0
        # shellcheck disable=SC2086 # a list of words
        mdadm --create "$disk" --run --quiet --level=0 --chunk=256 --raid-devices="$count" $volumes
    fi
    # They are new: there is nothing to discard, and root needs no room of its own.
    mkfs.ext4 -q -F -m 0 -E nodiscard,lazy_itable_init=1 -L "$label" "$disk"
    mount -o noatime "$disk" "$dir"
}

mkdir -p "$dir"
if [ "$count" -gt 0 ] && ! grep -q " $dir " "$mounts"; then
    mount_volumes
fi
mkdir -p "$dir/tmp" "$dir/cache"
chmod 1777 "$dir/tmp"

# Not everywhere may all of them be set; a machine is good without.
sysctl -q -p /etc/sysctl.d/90-bigm.conf || say "not all of the kernel's limits could be set"

# Whatever boots this instance again ends it. By a target of its own: through a link to it, systemd would refuse poweroff.target
# until it has read all units again, since it knows default.target as another one.
cat >"$systemd/default.target.new" <<'END'
[Unit]
Description=No second boot of this instance
DefaultDependencies=no
Requires=poweroff.target
After=poweroff.target
AllowIsolate=yes
END
mv -f "$systemd/default.target.new" "$systemd/default.target"
