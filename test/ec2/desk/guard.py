"""The guard of a cloud: the parent of its namespaces, which removes what they leave, whoever has been killed."""
import json
import os
import signal
import subprocess
import sys
import time

from . import place

CHILD_SECONDS = 20


def first_process(pid):
    """The child of unshare: the first process of the new namespaces."""
    deadline = time.monotonic() + CHILD_SECONDS
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    raise RuntimeError("unshare has no child")


def main(folder, settings, lock, report):
    """lock stays open here and inside, so that the cloud counts as up until both are gone."""
    life_read, life_write = os.pipe()
    program = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "cloud")
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--net", "--mount-proc", "--", sys.executable, "-B",
               program, "inside", folder, json.dumps(settings), str(life_read), str(report)]
    inside = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(life_read, report, lock))
    os.close(life_read)
    os.close(report)

    over = []

    def end(*_):
        if not over:
            over.append(os.write(life_write, b"."))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    try:
        write(folder, "guard", os.getpid())
        write(folder, "first", first_process(inside.pid))
        inside.wait()
    except (OSError, RuntimeError):
        inside.kill()
        inside.wait()
    place.remove(folder, place.cgroup_folder(folder))
    return 0


def write(folder, name, pid):
    with open(os.path.join(folder, name), "w") as file:
        file.write(f"{pid}\n")
