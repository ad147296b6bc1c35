"""What a chaos run needs to know of its own processes and files.

A World is a folder of its own in which bigm is made to live: everything that
it ever starts carries a mark in its environment and is found by that, by what
it is; everything that it leaves in the file system is in this folder.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

BUILD = os.environ["abs_top_builddir"]
BIGM = os.environ["BIGM"]
BIGPI = BUILD + "/examples/bigpi"
# What must be gone within 2 s may take longer where others want the processor.
GRACE = float(os.environ.get("CHAOS_GRACE", "10"))


class Failure(Exception):
    """Something that must not happen has happened."""


class Process:
    """One process, as it was when looked at."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            text = file.read()
        self.pid = pid
        self.name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        self.state, self.parent = fields[0], int(fields[1])
        self.group, self.session = int(fields[2]), int(fields[3])

    def is_launcher(self):
        """True for the one that a client spawns as a keeper, and that stays
        until there is one."""
        try:
            with open(f"/proc/{self.pid}/cmdline", "rb") as file:
                return self.name == "bigm" and b"\0--keeper\0" in file.read()
        except OSError:
            return False

    def __str__(self):
        return (f"{self.name}[{self.pid}] of {self.parent}, group "
                f"{self.group}, session {self.session}, {self.state}")


class World:
    """The folder, the environment and the processes of a run."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="bigm-chaos.", dir="/tmp")
        self.mark = f"CHAOS_WORLD={self.folder}"
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith("BIGM_")}
        self.env["CHAOS_WORLD"] = self.folder
        for name, variable in (("home", "HOME"), ("tmp", "TMPDIR"),
                               ("run", "XDG_RUNTIME_DIR"),
                               ("state", "XDG_STATE_HOME"),
                               ("config", "XDG_CONFIG_HOME")):
            self.env[variable] = f"{self.folder}/{name}"
            os.mkdir(self.env[variable], 0o700)
        self.work = self.folder + "/work"
        os.mkdir(self.work)
        self.children = []

    def close(self):
        """Ends and removes what there is, in spite of everything."""
        for child in self.children:
            child.kill()
            child.wait()
        for process in self.processes():
            kill(process.pid)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *command, out=None, env=None):
        """Starts a command; its output goes to files of the folder `work`."""
        out = out or f"out{len(self.children)}"
        with open(f"{self.work}/{out}", "wb") as stdout, \
                open(f"{self.work}/{out}.err", "wb") as stderr:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout,
                stderr=stderr, cwd=self.work, env={**self.env, **(env or {})},
                restore_signals=True, start_new_session=True)
        child.out, child.err = (f"{self.work}/{out}",
                                f"{self.work}/{out}.err")
        self.children.append(child)
        return child

    def processes(self):
        """Those alive (not zombies) that carry our mark."""
        mark = self.mark.encode() + b"\0"
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark not in file.read() + b"\0":
                        continue
                process = Process(int(name))
            except (OSError, ValueError):
                continue
            if process.state != "Z":
                found.append(process)
        return found

    def files(self):
        """Sockets and temporary files, and clusters' records."""
        left = []
        for top in ("run", "tmp"):
            for folder, _, names in os.walk(f"{self.folder}/{top}"):
                left += [f"{folder}/{name}" for name in names]
        # state/bigm/HOST/NAME
        for folder, folders, names in os.walk(f"{self.folder}/state"):
            left += [f"{folder}/{name}" for name in names]
            if folder.count("/") >= self.folder.count("/") + 3:
                left += [f"{folder}/{name}" for name in folders]
        return left

    def nothing_left(self):
        """No process, no file."""
        running = [c for c in self.children if c.poll() is None]
        # Twice, since one that is about to exec has no environment to see.
        return not running and not self.files() and \
            not self.processes() and not self.processes()

    def await_nothing(self):
        """Seconds until nothing was left; a Failure after GRACE."""
        begin = time.monotonic()
        while not self.nothing_left():
            if time.monotonic() - begin > GRACE:
                raise Failure("left behind:\n" + "\n".join(
                    [f"  {p}" for p in self.processes()] +
                    [f"  {f}" for f in self.files()]))
            time.sleep(0.005)
        return time.monotonic() - begin


def kill(pid, sig=signal.SIGKILL):
    """False when there is no such process any more."""
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return False
    return True


def eventually(what, test, seconds=30):
    """Polls until the test holds; a Failure that names it when it never
    does."""
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(0.005)
