"""Whether this host can boot instances, and why not."""
import importlib.util
import os
import platform
import shutil
import subprocess

from . import cgroup

NEEDED = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "dnsmasq": "dnsmasq-base", "ip": "iproute2",
          "unshare": "util-linux", "nsenter": "util-linux", "curl": "curl"}


def why_not():
    """None, or the reason."""
    if os.geteuid() != 0:
        return "only root can make namespaces that mount and have devices"
    missing = sorted({package for command, package in NEEDED.items() if not shutil.which(command)})
    if missing:
        return "missing Debian packages: " + " ".join(missing)
    if importlib.util.find_spec("botocore") is None:
        return "missing Debian packages: python3-botocore"
    if platform.freedesktop_os_release().get("ID") != "debian":
        return "instances boot from a tree that is made of this host's own packages, which are not Debian's"
    place = cgroup.root()
    if not place or not os.access(place, os.W_OK) or os.statvfs(place).f_flag & os.ST_RDONLY:
        return "no cgroup v2 that can be written to"
    with open("/proc/filesystems") as file:
        if "overlay" not in file.read():
            return "the kernel has no overlay file system"
    if not os.path.exists("/dev/loop-control"):
        return "no loop devices"
    test = subprocess.run(["unshare", "--pid", "--fork", "--mount", "--net", "--mount-proc", "sh", "-c",
                           "mount -t sysfs sysfs /sys && ip link add br0 type bridge && ip link add v type veth peer name e"],
                          capture_output=True, text=True)
    if test.returncode:
        return "no namespaces with networks of their own: " + " ".join(test.stderr.split())
    return None
