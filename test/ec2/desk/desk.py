"""The host of a World's instances: its network, and the machines."""
import os
import subprocess
import threading

from . import base, cgroup
from .addresses import GATEWAY, METADATA
from .machine import Machine, call


class Desk:
    """Runs inside of the cloud's own namespaces. World calls with its lock held; nothing here waits."""

    def __init__(self, world, folder, cgroups, machine=Machine):
        self.world = world
        self.folder = folder
        self.cgroups = cgroups
        self.base = base.find()
        self.machine = machine
        self.machines = {}
        self.count = 0
        self.empty = threading.Condition(world.lock)
        os.makedirs(self.hosts_folder, exist_ok=True)
        self.make_network()
        self.dhcp = self.start_dhcp()

    @property
    def hosts_folder(self):
        return os.path.join(self.folder, "hosts")

    def make_network(self):
        call("ip", "link", "set", "lo", "up")
        call("ip", "link", "add", "br0", "type", "bridge")
        call("ip", "address", "add", GATEWAY + "/16", "dev", "br0")
        call("ip", "address", "add", METADATA + "/32", "dev", "br0")
        call("ip", "link", "set", "br0", "up")

    def start_dhcp(self):
        """It sees new files of the folder by itself."""
        return subprocess.Popen(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--interface=br0",
             "--bind-interfaces", "--port=0", "--dhcp-range=10.77.0.0,static,255.255.0.0,1h", "--dhcp-option=3," + GATEWAY,
             "--leasefile-ro", "--dhcp-hostsdir=" + self.hosts_folder, "--no-ping", "--log-facility=-"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, instance):
        with open(os.path.join(self.hosts_folder, instance.id), "w") as file:
            file.write(f"{instance.mac},{instance.private_address}\n")
        self.count += 1
        self.machines[instance.id] = self.machine(self.count, instance, self.base, self.folder, self.cgroups, self.gone)

    def stop(self, instance):
        machine = self.machines.get(instance.id)
        if machine:
            machine.stop()

    def lose(self, instance):
        machine = self.machines.get(instance.id)
        if machine:
            machine.lose()

    def console(self, instance):
        try:
            with open(os.path.join(self.folder, instance.id + ".console"), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def gone(self, machine):
        """The instance powered itself off, or did as it was told."""
        with self.world.lock:
            self.machines.pop(machine.instance_id, None)
            instance = self.world.find_instance(machine.instance_id)
            if instance:
                if machine.failure:
                    instance.reason = "Server.InternalError"
                instance.host_gone()
            self.empty.notify_all()

    def close(self, seconds):
        """Ends every instance abruptly, and waits for it."""
        with self.empty:
            for machine in list(self.machines.values()):
                machine.lose()
            self.empty.wait_for(lambda: not self.machines, seconds)
        self.dhcp.kill()
        self.dhcp.wait()
        cgroup.remove(self.cgroups)
