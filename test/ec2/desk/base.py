"""The tree that every instance boots from: Debian with systemd, sshd and cloud-init, made once per machine and kept outside of
the checkout.
"""
import fcntl
import glob
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile

PACKAGES = ("systemd,systemd-sysv,dbus,libpam-systemd,udev,cloud-init,openssh-server,curl,iproute2,ca-certificates,e2fsprogs,sudo,"
            "procps,isc-dhcp-client,ifupdown,netbase")
BUILD_SECONDS = 900
# cloud-init asks Ec2's metadata service, and nobody else.
CLOUD_CONFIG = """\
datasource_list: [ Ec2 ]
locale: C.UTF-8
manage_etc_hosts: true
"""
# In a container cloud-init looks at no DMI, but at this file, which tells it that it is in EC2 (and wants tokens).
IDENTITY_UNIT = """\
[Unit]
Description=Look like an EC2 instance
DefaultDependencies=no
Before=cloud-init-local.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mount -o remount,rw /sys && mkdir -p /sys/hypervisor && \\
  echo ec2e1916-9099-7caf-fd21-012345abcdef >/sys/hypervisor/uuid'
ExecStart=mount --bind /{block} /sys/block

[Install]
WantedBy=cloud-init-local.service
"""
# Of the instance's own disks, whose devices are loops of this host; see machine.py.
BLOCK = "var/lib/look-like-ec2/block"
UNIT = "etc/systemd/system/look-like-ec2.service"


def cache():
    """For root a folder of the machine's, whatever its HOME is for the moment."""
    return os.environ.get("CLOUD_CACHE") or "/var/cache/bigm-cloud"


def place():
    """Another recipe makes another tree."""
    text = PACKAGES + CLOUD_CONFIG + IDENTITY_UNIT + BLOCK
    return os.path.join(cache(), "base-" + hashlib.sha256(text.encode()).hexdigest()[:12])


def find():
    """The tree, or None when it has not been made."""
    return place() if os.path.isdir(place()) else None


def ensure(say):
    """The tree, made if need be: a minute, by one process at a time. Raises RuntimeError when it cannot be made."""
    def make(folder):
        tree = os.path.join(folder, "tree")
        build(folder, tree, PACKAGES)
        finish(tree)
        return tree
    return keep(say, place(), "the tree that instances boot from, about a minute", make)


def keep(say, path, what, make):
    """What make(folder) has left there and returned the path of, once for this machine."""
    if os.path.isdir(path):
        return path
    os.makedirs(cache(), exist_ok=True)
    with open(os.path.join(cache(), "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(path):
            return path
        say(f"making {what}; it is kept in {cache()}")
        # What a build that was killed has left.
        for old in glob.glob(os.path.join(cache(), "new-*")):
            shutil.rmtree(old, ignore_errors=True)
        new = tempfile.mkdtemp(prefix="new-", dir=cache())
        try:
            os.rename(make(new), path)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return path


def build(folder, tree, packages, *options_of_mmdebstrap):
    options = os.path.join(folder, "apt.conf")
    write_apt_options(options)
    sources = [file for file in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list")),
                                 *sorted(glob.glob("/etc/apt/sources.list.d/*.sources"))]
               if os.path.exists(file) and os.path.getsize(file)]
    # It goes with us, and all that it has begun with it.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", "--include=" + packages, "--aptopt=" + options,
               "--dpkgopt=force-unsafe-io", *options_of_mmdebstrap,
               platform.freedesktop_os_release()["VERSION_CODENAME"], tree, *sources]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILD_SECONDS,
                            env={"PATH": os.environ["PATH"], "TMPDIR": folder, "LC_ALL": "C.UTF-8", **proxies()})
    if result.returncode:
        raise RuntimeError("mmdebstrap could not make the tree: " + "; ".join(result.stderr.strip().splitlines()[-3:]))


def proxies():
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def write_apt_options(path):
    """How this host's apt fetches: Acquire's settings, but for the kinds of indices."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], check=True, capture_output=True, text=True).stdout
    with open(path, "w") as file:
        file.writelines(line + "\n" for line in dump.splitlines() if "::IndexTargets" not in line)
        file.write('APT::Install-Recommends "false";\n')


def clean(tree):
    """What must be an instance's own is taken out, where it gets its own from put in."""
    for name in glob.glob(os.path.join(tree, "etc/ssh/ssh_host_*")) + [os.path.join(tree, "var/lib/dbus/machine-id")]:
        if os.path.lexists(name):
            os.unlink(name)
    for name in ("etc/machine-id", "etc/resolv.conf"):
        write(tree, name, "")
    write(tree, "etc/hostname", "localhost\n")
    write(tree, "etc/cloud/cloud.cfg.d/99-testbed.cfg", CLOUD_CONFIG)


def finish(tree):
    """What makes a container look like EC2."""
    clean(tree)
    want(tree, UNIT, IDENTITY_UNIT.replace("{block}", BLOCK))
    os.makedirs(os.path.join(tree, BLOCK))


def want(tree, unit, text):
    """A unit that comes before cloud-init."""
    write(tree, unit, text)
    wants = os.path.join(tree, "etc/systemd/system/cloud-init-local.service.wants")
    os.makedirs(wants, exist_ok=True)
    os.symlink("/" + unit, os.path.join(wants, os.path.basename(unit)))


def write(tree, name, text):
    path = os.path.join(tree, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "w") as file:
        file.write(text)
