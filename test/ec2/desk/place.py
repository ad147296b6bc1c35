"""The folder of a cloud, which says whether it is up, and how it is removed."""
import fcntl
import hashlib
import os
import shutil

from . import cgroup


def default_folder():
    return os.environ.get("CLOUD_DIR") or "/var/tmp/bigm-cloud"


def cgroup_name(folder):
    return "bigm-cloud-" + hashlib.sha256(folder.encode()).hexdigest()[:12]


def cgroup_folder(folder):
    """As this host sees it."""
    return os.path.join(cgroup.root(), cgroup_name(folder))


def lock_file(folder):
    """Beside the folder, so that the folder can go while the lock is held."""
    return folder.rstrip("/") + ".lock"


def take_lock(folder):
    """A descriptor that holds the lock, or None when the cloud is up (or on its way there or back)."""
    descriptor = os.open(lock_file(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    # Whoever had it before has removed the file perhaps: then this lock is on nothing.
    try:
        found, mine = os.stat(lock_file(folder)), os.fstat(descriptor)
    except FileNotFoundError:
        found = None
    if found and found.st_ino == mine.st_ino:
        return descriptor
    os.close(descriptor)
    return take_lock(folder)


def remove_contents(folder, cgroups):
    """All that a cloud may have left but its lock, which is held; its processes are dead or die of this."""
    cgroup.remove(cgroups)
    shutil.rmtree(folder, ignore_errors=True)


def remove(folder, cgroups):
    """The lock too. Only for its last holder."""
    remove_contents(folder, cgroups)
    os.unlink(lock_file(folder))


def read_pid(folder, name):
    """Of the "guard", or the "first" process of the cloud's namespaces; None when there is none."""
    try:
        with open(os.path.join(folder, name)) as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return None
