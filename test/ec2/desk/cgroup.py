"""A cgroup for each instance: the kernel kills what is in it at a word. The folders outlive everybody who is in them."""
import os
import time

REMOVE_SECONDS = 20


def root():
    """Where cgroup v2 is mounted on this host, or None."""
    with open("/proc/mounts") as mounts:
        for line in mounts:
            _, place, kind, *_ = line.split()
            if kind == "cgroup2":
                return place
    return None


def kill(folder):
    try:
        with open(os.path.join(folder, "cgroup.kill"), "w") as file:
            file.write("1")
    except FileNotFoundError:
        pass


def remove(folder):
    """Kills what is in there and removes it with all that is below."""
    kill(folder)
    deadline = time.monotonic() + REMOVE_SECONDS
    while os.path.isdir(folder):
        try:
            for path, _, _ in os.walk(folder, topdown=False):
                os.rmdir(path)
        except OSError:
            # The killed are dying yet.
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    return True
