"""One instance: a container with systemd, sshd and cloud-init, on an overlay of the base tree."""
import os
import shutil
import signal
import subprocess
import threading
import time

from . import cgroup, loop
from .base import BLOCK

# An instance that is told to stop and does not is killed, as EC2 pulls the plug at last; in seconds.
STOP_SECONDS = 30
# What systemd-nspawn ends with when the instance boots again.
REBOOT = 133


# Who logs in, by the beginning of an image's name; Debian's cloud-init knows its own user only.
USERS = {"ubuntu": "ubuntu", "debian": "admin", "al2023": "ec2-user", "amzn2": "ec2-user", "Flatcar": "core"}
USER_CONFIG = """\
system_info:
  default_user:
    name: %s
    lock_passwd: true
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
"""


def describe_user(name):
    """The configuration of cloud-init that makes this one the user who logs in."""
    return USER_CONFIG % name


def call(*command):
    """Raises RuntimeError with what the command said."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip() or result.returncode}")


def disk_name(number, device, nitro):
    """What the kernel calls the disk of a mapping: under Xen /dev/sdb is xvdb, on Nitro they are counted."""
    return f"nvme{number}n1" if nitro else os.path.basename(device).replace("sd", "xvd", 1)


def describe_disk(folder, volume_id, gib):
    """What /sys/block says of a disk, for who looks for volumes by size, model and serial number."""
    os.makedirs(os.path.join(folder, "device"))
    os.mkdir(os.path.join(folder, "holders"))
    for name, text in (("size", str(gib << 21)), ("device/model", "Amazon Elastic Block Store".ljust(40)),
                       ("device/serial", volume_id.replace("-", ""))):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text + "\n")


class Machine:
    """gone(machine) is called once, from a thread, when nothing of the instance is left but its console's output."""

    def __init__(self, number, instance, base, folder, cgroups, gone):
        self.number = number
        self.instance_id = instance.id
        self.mac = instance.mac
        self.user = next((user for name, user in USERS.items() if instance.spec.image.name.startswith(name)), None)
        volumes = [v for v in instance.attachments.values() if v.device != instance.spec.image.root]
        self.volumes = [(v.id, disk_name(i, v.device, instance.spec.type.nitro), v.ebs["VolumeSize"])
                        for i, v in enumerate(volumes, 1)]
        self.base = base
        self.folder = os.path.join(folder, instance.id)
        self.cgroup = os.path.join(cgroups, instance.id)
        self.gone = gone
        self.lock = threading.Lock()
        self.process = None
        self.stopping = False
        self.failure = None
        self.descriptors = []
        self.console_file = os.path.join(folder, instance.id + ".console")
        threading.Thread(target=self.live, daemon=True).start()

    def live(self):
        """From the making of its parts to the end of them."""
        try:
            self.prepare()
            self.run()
        except (OSError, RuntimeError) as error:
            self.failure = str(error)
            with open(self.console_file, "a") as console:
                console.write(f"cloud: the instance could not be booted: {error}\n")
        finally:
            self.clean()
            self.gone(self)

    def path(self, name):
        return os.path.join(self.folder, name)

    def prepare(self):
        for name in ("up", "work", "root", "volumes", "tmp"):
            os.makedirs(self.path(name))
        if self.user:
            os.makedirs(self.path("up/etc/cloud/cloud.cfg.d"))
            with open(self.path("up/etc/cloud/cloud.cfg.d/99-user.cfg"), "w") as file:
                file.write(describe_user(self.user))
        call("mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={self.base},upperdir={self.path('up')},workdir={self.path('work')}", self.path("root"))
        link, peer = f"v{self.number}", f"e{self.number}"
        call("ip", "link", "add", link, "type", "veth", "peer", "name", peer, "address", self.mac)
        call("ip", "link", "set", link, "master", "br0", "up")
        os.mkdir(self.cgroup)

    def binds(self):
        """Volumes as devices; the root volume is the overlay."""
        options = []
        for volume_id, name, gib in self.volumes:
            device, descriptor = loop.attach(self.path("volumes/" + volume_id), gib)
            self.descriptors.append(descriptor)
            options.append(f"--bind={device}:/dev/{name}")
            describe_disk(os.path.join(self.path("root"), BLOCK, name), volume_id, gib)
        return options

    def command(self):
        return ["systemd-nspawn", "--quiet", "--boot", "--directory=" + self.path("root"), "--machine=" + self.instance_id,
                "--register=no", "--keep-unit", f"--network-interface=e{self.number}", "--resolv-conf=off", "--timezone=off",
                "--link-journal=no", "--console=read-only", "--kill-signal=SIGRTMIN+3", *self.binds()]

    def run(self):
        command = self.command()
        with open(self.console_file, "wb") as console:
            status = REBOOT
            while status == REBOOT:
                status = self.boot(command, console)
            if status and status < 0 and not self.stopping:
                self.failure = "its container was killed"

    def boot(self, command, console):
        """What it ended with, or None when it was stopped before."""
        join = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'
        with self.lock:
            if self.stopping:
                return None
            self.process = subprocess.Popen(
                ["sh", "-c", join, "sh", self.cgroup, *command], stdin=subprocess.DEVNULL, stdout=console,
                stderr=subprocess.STDOUT, start_new_session=True,
                env={"PATH": os.environ["PATH"], "TMPDIR": self.path("tmp"), "LC_ALL": "C.UTF-8"})
        return self.process.wait()

    def stop(self):
        """An orderly end, at most STOP_SECONDS long; returns at once."""
        with self.lock:
            if self.stopping:
                return
            self.stopping = True
            if self.process and self.process.poll() is None:
                threading.Thread(target=self.press_button, daemon=True).start()

    def press_button(self):
        # Until its systemd is up, a container does not hear; so it is told again.
        deadline = time.monotonic() + STOP_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                pass
        cgroup.kill(self.cgroup)

    def lose(self):
        """The host breaks."""
        with self.lock:
            self.stopping = True
        cgroup.kill(self.cgroup)

    def clean(self):
        cgroup.remove(self.cgroup)
        for descriptor in self.descriptors:
            os.close(descriptor)
        subprocess.run(["ip", "link", "delete", f"v{self.number}"], capture_output=True)
        if os.path.ismount(self.path("root")):
            subprocess.run(["umount", "-l", self.path("root")], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
