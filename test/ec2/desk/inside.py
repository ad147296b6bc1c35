"""What runs in the cloud's own namespaces: the EC2 service, the metadata service, the network, the instances."""
import os
import threading

from aws import server, world

from . import place
from .addresses import API_PORT, GATEWAY, METADATA
from .desk import Desk
from .emulator import EmulatedMachine
from .machine import Machine, call

CGROUPS = "/sys/fs/cgroup"
CLOSE_SECONDS = 30
# Where nothing else is said: an instance is handed out in half a second, and this host's address is the bridge's.
SETTINGS = {"pending": 0.5, "checkip": GATEWAY}


def reap(child):
    """The first process of a PID namespace waits for everybody's orphans, and ends with its own child."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


def own_mounts():
    """A /sys of this network namespace, read-only, without which systemd-nspawn waits for udev; and a place for its locks."""
    call("mount", "-t", "sysfs", "sysfs", "/sys")
    call("mount", "-t", "cgroup2", "cgroup2", CGROUPS)
    call("mount", "-o", "remount,ro", "/sys")
    os.makedirs("/run/systemd", exist_ok=True)
    call("mount", "-t", "tmpfs", "tmpfs", "/run/systemd")


def serve(folder, settings, life, report):
    """life is a pipe on which the guard says that it is over, or which ends with it; report gets a line when all is there."""
    words = []
    ended = threading.Event()
    threading.Thread(target=lambda: (words.append(os.read(life, 1)), ended.set()), daemon=True).start()
    own_mounts()
    cgroups = os.path.join(CGROUPS, place.cgroup_name(folder))
    os.makedirs(cgroups, exist_ok=True)
    here = world.World(folder)
    machine = EmulatedMachine if settings.pop("emulate", False) else Machine
    here.change({**SETTINGS, **settings})
    here.host = Desk(here, folder, cgroups, machine)
    server.serve(here, [(GATEWAY, API_PORT), (METADATA, 80)], lambda ports: None)
    os.write(report, b"up\n")
    os.close(report)
    ended.wait()
    here.host.close(CLOSE_SECONDS)
    if words == [b""]:
        # The guard, which would do it, has been killed.
        place.remove(folder, cgroups)
    return 0


def main(folder, settings, life, report):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = serve(folder, settings, life, report)
        except (OSError, RuntimeError) as error:
            print(f"cloud: {error}", flush=True)
        finally:
            os._exit(status)
    os.close(report)
    return reap(child)
