"""Instances with a kernel of their own, in QEMU's software emulation: slow, for what containers cannot show. Their data volumes are NVMe
devices as EC2's are, with model and serial number; their clock is an hour early."""
import glob
import hashlib
import os
import shutil
import subprocess
import time

from . import base
from .machine import USER_CONFIG, Machine, call, describe_user

PROGRAM = "qemu-system-x86_64"
PACKAGES = base.PACKAGES + ",linux-image-amd64,initramfs-tools,kmod,mdadm"
ROOT_GIB = 4
MIB = 1024
CLOCK_SECONDS = 3600
UUID = "ec2e1916-9099-7caf-fd21-012345abcdef"
UNIT = "etc/systemd/system/nvme-like-ec2.service"
SCRIPT = "usr/local/sbin/nvme-like-ec2"
UNIT_TEXT = f"""\
[Unit]
Description=Volumes as NVMe devices
DefaultDependencies=no
After=systemd-remount-fs.service systemd-modules-load.service
Before=cloud-init-local.service

[Service]
Type=oneshot
ExecStart=/{SCRIPT}

[Install]
WantedBy=cloud-init-local.service
"""
# What the kernel needs for its root; all that there is would take minutes to pack, and to unpack.
INITRD_HOOK = """\
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\\nCOMPRESS=gzip\\n' >"$1/etc/initramfs-tools/conf.d/small"
printf 'virtio_pci\\nvirtio_blk\\next4\\n' >"$1/usr/share/initramfs-tools/modules.d/small"
"""
# QEMU's own NVMe devices all have one model. So the kernel serves its disks as NVMe to itself, under the model that it is told.
SCRIPT_TEXT = """\
#!/bin/sh
set -e
modprobe -a configfs nvmet-tcp nvme-tcp
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
ip link set lo up
cd /sys/kernel/config/nvmet
mkdir ports/1
echo ipv4 >ports/1/addr_adrfam
echo tcp >ports/1/addr_trtype
echo 127.0.0.1 >ports/1/addr_traddr
echo 4420 >ports/1/addr_trsvcid
for disk in /sys/block/vd[b-z]; do
    serial=$(cat "$disk/serial")
    name=nqn.2026-11.desk:$serial
    new=subsystems/$name
    mkdir "$new" "$new/namespaces/1"
    echo 1 >"$new/attr_allow_any_host"
    echo "$serial" >"$new/attr_serial"
    echo "Amazon Elastic Block Store" >"$new/attr_model"
    echo "/dev/${disk##*/}" >"$new/namespaces/1/device_path"
    echo 1 >"$new/namespaces/1/enable"
    ln -s "/sys/kernel/config/nvmet/$new" "ports/1/subsystems/$name"
    echo "transport=tcp,traddr=127.0.0.1,trsvcid=4420,nqn=$name" >/dev/nvme-fabrics
done
"""


def why_not():
    """None, or why there cannot be any here."""
    if not shutil.which(PROGRAM):
        return "missing Debian packages: qemu-system-x86"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    return None


def place():
    text = PACKAGES + base.CLOUD_CONFIG + UNIT_TEXT + SCRIPT_TEXT + INITRD_HOOK + USER_CONFIG + str(ROOT_GIB)
    return os.path.join(base.cache(), "emulated-" + hashlib.sha256(text.encode()).hexdigest()[:12])


def ensure(say):
    """A folder with disk, vmlinuz and initrd, made if need be."""
    return base.keep(say, place(), "the disk that emulated instances boot from, some minutes", make)


def make(folder):
    tree, result = os.path.join(folder, "tree"), os.path.join(folder, "result")
    base.build(folder, tree, PACKAGES, "--essential-hook=" + INITRD_HOOK)
    base.clean(tree)
    base.want(tree, UNIT, UNIT_TEXT)
    base.write(tree, SCRIPT, SCRIPT_TEXT)
    os.chmod(os.path.join(tree, SCRIPT), 0o755)
    base.write(tree, "etc/cloud/cloud.cfg.d/99-user.cfg", describe_user("admin"))
    os.mkdir(result)
    for name, path in (("vmlinuz", "boot/vmlinuz-*"), ("initrd", "boot/initrd.img-*")):
        shutil.move(glob.glob(os.path.join(tree, path))[0], os.path.join(result, name))
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, os.path.join(result, "disk"), f"{ROOT_GIB}G"], check=True)
    return result


class EmulatedMachine(Machine):
    def prepare(self):
        for name in ("volumes", "tmp"):
            os.makedirs(self.path(name))
        call("ip", "tuntap", "add", "dev", f"v{self.number}", "mode", "tap")
        call("ip", "link", "set", f"v{self.number}", "master", "br0", "up")
        os.mkdir(self.cgroup)

    def disks(self):
        """The volumes; and before them one that is the instance's own, of the same size and nobody's to take."""
        options = []
        for index, (volume_id, _, gib) in enumerate([("own", None, self.volumes[0][2])] + self.volumes if self.volumes else []):
            path = self.path("volumes/" + volume_id)
            with open(path, "wb") as file:
                file.truncate(gib << 30)
            options += ["-drive", f"file={path},format=raw,if=none,id=d{index}"]
            options += ["-device", f"virtio-blk-pci,drive=d{index},serial={volume_id.replace('-', '')}" if index else
                        f"nvme,drive=d{index},serial=AWS0123456789"]
        return options

    def command(self):
        image = place()
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + CLOCK_SECONDS))
        return [PROGRAM, "-accel", "tcg,thread=multi", "-smp", "2", "-m", str(MIB), "-display", "none", "-monitor", "none",
                "-serial", "stdio", "-no-reboot", "-rtc", f"base={clock}",
                "-smbios", f"type=1,manufacturer=Amazon EC2,serial={UUID},uuid={UUID}",
                "-kernel", os.path.join(image, "vmlinuz"), "-initrd", os.path.join(image, "initrd"),
                "-append", "root=/dev/vda rw console=ttyS0 nvme_core.multipath=N",
                "-drive", f"file={os.path.join(image, 'disk')},format=raw,if=none,id=root,snapshot=on",
                "-device", "virtio-blk-pci,drive=root",
                "-netdev", f"tap,id=net,ifname=v{self.number},script=no,downscript=no",
                "-device", f"virtio-net-pci,netdev=net,mac={self.mac},romfile=", *self.disks()]
