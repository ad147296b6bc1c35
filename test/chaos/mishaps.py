#!/usr/bin/env python3
"""mishaps [--kind KIND]... [--rounds N | --seconds S] [--seed SEED] [--all]

Sessions of bigm in which one call of the operating system, or one allocation,
fails once: whichever process makes it (mishap.c).  Then

- no process has died of a signal of its own, and nothing hangs;
- a command that says that all is well has done what it should;
- one that does not says why;
- nothing is left behind.

First each session is played without a mishap, which counts the calls; then
with one at a call that is drawn from the seed, or with --all at every one.  A
round that fails is told by what --round takes, and the place in the program.
"""

import argparse
import ctypes
import os
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from world import BIGM, BIGPI, BUILD, Failure, World, eventually, kill  # noqa: E402

KINDS = ("memory", "write", "fsync", "connect", "fork", "open")
LIBRARY = os.environ["MISHAP_LIBRARY"]
PATIENCE = 60
FRAMES = 24


class Record(ctypes.Structure):
    """As in mishap.c."""

    _fields_ = [("calls", ctypes.c_uint64 * len(KINDS)), ("victim", ctypes.c_int32),
                ("crashed", ctypes.c_int32), ("signal", ctypes.c_int32),
                ("frames", ctypes.c_int32), ("name", ctypes.c_char * 16),
                ("offset", ctypes.c_uint64 * FRAMES),
                ("crash_offset", ctypes.c_uint64)]


# What is played: commands, of which one fails and those after it are left out.
def driver(play):
    """A driver and its machines."""
    play(BIGM, "run", BIGPI, "-n", "2", "--", "--samples", "100000",
         expect=b"3.1")


def job(play):
    """A program on each machine."""
    play(BIGM, "run", "-n", "2", "sh", "--", "-c", "echo ready $BIGM_RANK",
         expect=b"ready 1")


def shipped(play):
    """A program that travels."""
    play(BIGM, "run", "--ship", "-n", "2", "sh", "--", "-c",
         "echo ready $BIGM_RANK", expect=b"ready 1")


def mapped(play):
    """Inputs spread over machines, with a journal."""
    play(BIGM, "map", "-n", "2", "--keep-order", "--resume", "journal", "--",
         "echo", "got", ":::", "1", "2", "3", "4", expect=b"got 4")


def scripted(play):
    """A cluster that several commands use."""
    play(BIGM, "start", "-n", "2", "--name", "c", BIGPI)
    play(BIGM, "exec", "-c", "c", "all", "--", "echo", "here",
         expect=b"here\nhere")
    play(BIGM, "status", "--json", expect=b'"RUNNING"')
    play(BIGM, "shutdown", "--all")


SESSIONS = {f.__name__: f for f in (driver, job, shipped, mapped, scripted)}


class Session:
    """One session with a mishap, or with none."""

    def __init__(self, name, kind, number):
        self.name, self.kind, self.number = name, kind, number
        self.world = World()
        self.path = self.world.folder + "/mishap"
        with open(self.path, "wb") as file:
            file.write(bytes(ctypes.sizeof(Record)))
        self.env = {"LD_PRELOAD": LIBRARY, "MISHAP": f"{kind}:{number}",
                    "MISHAP_FILE": self.path, "MISHAP_BELOW": BUILD,
                    "BIGM": BIGM,
                    # A machine whose TLS is hurt is asked again until then.
                    "BIGM_KEEPALIVE_TIMEOUT": "10s"}
        self.said = b""
        self.failed = False

    def record(self):
        """What the processes have counted."""
        with open(self.path, "rb") as file:
            return Record.from_buffer_copy(file.read())

    def play(self, *command, expect=b""):
        """Runs a command to its end, unless one before has failed."""
        if self.failed:
            return
        child = self.world.start(*command, env=self.env)
        what = " ".join(command[1:2])
        eventually(f"the end of bigm {what}",
                   lambda: child.poll() is not None, PATIENCE)
        with open(child.err, "rb") as file:
            self.said += file.read()
        with open(child.out, "rb") as file:
            out = file.read()
        if child.returncode == 0:
            if expect not in out:
                raise Failure(f"bigm {what} ended well, but printed {out!r}")
            return
        self.failed = True
        if child.returncode < 0:
            raise Failure(f"bigm {what} was killed by "
                          f"{signal.Signals(-child.returncode).name}")
        if not self.said.strip():
            raise Failure(f"bigm {what}: status {child.returncode}, and not a "
                          "word")

    def check(self):
        """Plays it; the record, or a Failure."""
        try:
            SESSIONS[self.name](self.play)
            self.end()
            record = self.record()
            if record.crashed:
                raise Failure(f"process {record.crashed} died of "
                              f"{signal.Signals(record.signal).name} at "
                              f"{record.crash_offset:#x}")
            if not record.victim and self.failed:
                raise Failure("it failed without a mishap")
            return record
        except Failure as failure:
            raise Failure(f"{failure}\n{self.story()}") from failure
        finally:
            self.world.close()

    def end(self):
        """Nothing may be left; a cluster that is still there is the user's,
        to end as a user does."""
        if self.failed and self.name == "scripted":
            subprocess.run([BIGM, "shutdown", "--all"], env=self.world.env,
                           stdout=subprocess.DEVNULL, timeout=PATIENCE,
                           stderr=subprocess.DEVNULL, check=False)
        self.world.await_nothing()

    def story(self):
        """Where it failed, and what was said."""
        record = self.record()
        places = [f"{record.offset[i]:#x}" for i in range(record.frames)]
        return (f"--round {self.name}/{self.kind}/{self.number}: in "
                f"{record.name.decode()}[{record.victim}] at "
                f"{' '.join(places)}\n{self.said.decode(errors='replace')}"
                + logs(self.world))


def logs(world):
    """What the keepers said."""
    text = ""
    for folder, _, names in os.walk(world.folder + "/state"):
        for name in names:
            if name == "keeper.log":
                with open(f"{folder}/{name}", errors="replace",
                          encoding="utf-8") as file:
                    text += f"-- {name}:\n{file.read()[-2000:]}"
    return text


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--session", action="append", choices=list(SESSIONS))
    parser.add_argument("--rounds", type=int, default=sys.maxsize)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", default="")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--round", help="just this one")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def rounds(options, draw):
    """(session, kind, number) without end, or of all calls."""
    counts = {}
    for name in options.session or SESSIONS:
        record = Session(name, KINDS[0], 0).check()
        for kind, calls in zip(KINDS, record.calls):
            print(f"{name}: {calls} calls of kind {kind}", flush=True)
            if calls and kind in (options.kind or KINDS):
                counts[name, kind] = calls
    if options.all:
        for (name, kind), calls in counts.items():
            for number in range(1, calls + 1):
                yield name, kind, number
        return
    while counts:
        name, kind = draw.choice(list(counts))
        yield name, kind, draw.randint(1, counts[name, kind])


def main():
    """Rounds until enough of them, or the time, is over."""
    options = arguments()
    seed = options.seed or os.urandom(4).hex()
    end = time.monotonic() + options.seconds
    if options.round:
        name, kind, number = options.round.split("/")
        Session(name, kind, int(number)).check()
        return 0
    done = hurt = bad = 0
    for name, kind, number in rounds(options, random.Random(seed)):
        if done >= options.rounds or time.monotonic() > end:
            break
        begin = time.monotonic()
        done += 1
        try:
            session = Session(name, kind, number)
            record = session.check()
        except Failure as failure:
            bad += 1
            print(f"FAILED: {failure}", flush=True)
            if not options.keep_going:
                return 1
            continue
        hurt += record.victim != 0
        if options.verbose:
            said = session.said.decode(errors="replace").strip()
            print(f"{name}/{kind}/{number} in {record.name.decode()}: "
                  f"{'failed: ' + said if session.failed else 'went well'}"
                  f" ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"{done} rounds of seed {seed}, {hurt} with a mishap, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
