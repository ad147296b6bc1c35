"""Rounds of death: bigm at work in one of several ways, some of its processes
killed at one moment of its life; then nothing may be left of it.

A round is drawn from a seed.  What is killed is any choice of client, keeper,
guard, sentinel, job, machines and what they have started, in one stroke: all
are stopped first, so that none sees another die.  Somebody has to be left who
can clean up, since the kernel ends nobody's grandchildren for us: of keeper,
guard and the client that stands behind both (bigm run) one, and of a job's
sentinel and that client one.
"""

import os
import random
import signal
import time

from world import BIGM, BIGPI, Failure, World, eventually, kill

# A family: one child beside it, one in a session of its own.
FAMILY = "sleep 1000 & setsid sleep 1000 & echo ready; "
PATIENCE = 30


def lines(path):
    """How many there are in the file."""
    with open(path, "rb") as file:
        return file.read().count(b"\n")


def holds(path, word):
    """True when the file has the word."""
    with open(path, "rb") as file:
        return word in file.read()


class Kind:
    """One way to be at work.  begin() starts it, ready() tells that all of it
    is at work, end() lets it end in good order."""

    # Who stands behind the keeper; at least one of them has to live.
    behind = ("guard", "client")

    def __init__(self, world, draw):
        self.world = world
        self.machines = draw.randint(1, 4)
        self.client = None

    def begin(self):
        """Starts it."""
        raise NotImplementedError

    def ready(self):
        """True when all of it is at work."""
        raise NotImplementedError

    def end(self):
        """Asks for the end in good order."""
        kill(self.client.pid, signal.SIGINT)


class Driver(Kind):
    """bigm run with a driver and its machines."""

    def begin(self):
        self.client = self.world.start(
            BIGM, "run", BIGPI, "-n", str(self.machines), "--", "--samples",
            "1000000000000000")

    def ready(self):
        return holds(self.client.err, b"distributing work")


class Job(Kind):
    """bigm run with a script on every machine, which has children."""

    def begin(self):
        self.client = self.world.start(
            BIGM, "run", "-n", str(self.machines), "sh", "--", "-c",
            FAMILY + "until [ -e go ]; do sleep 0.01; done")

    def ready(self):
        return lines(self.client.out) == self.machines

    def end(self):
        with open(self.world.work + "/go", "wb"):
            pass


class Family(Kind):
    """bigm run with a driver that is a script with children."""

    def begin(self):
        self.client = self.world.start(
            BIGM, "run", "--as", "driver", "sh", "--", "-c", FAMILY + "wait")

    def ready(self):
        return lines(self.client.out) == 1


class Alone(Kind):
    """A driver started on its own.  Its keeper is nobody's but the
    guard's."""

    behind = ("guard",)
    bigm = BIGM

    def begin(self):
        self.client = self.world.start(
            BIGPI, "--machines", str(self.machines), "--samples",
            "1000000000000000", env={"BIGM": self.bigm})

    def ready(self):
        return holds(self.client.err, b"distributing work")


class Shipped(Alone):
    """The same, with machines that begin bare and get the program sent."""

    def begin(self):
        self.bigm = self.world.work + "/bigm"
        with open(self.bigm, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n"
                       "shift\n"
                       f'exec "{BIGM}" --keeper --ship "$@"\n')
        os.chmod(self.bigm, 0o755)
        super().begin()


class Started(Kind):
    """bigm start, and a command on all of its machines."""

    behind = ("guard",)

    def begin(self):
        starter = self.world.start(BIGM, "start", "-n", str(self.machines),
                                   BIGPI)
        self.client = starter
        self.world.starter = starter
        self.command = None

    def ready(self):
        if self.command is None:
            if self.client.poll() is None:
                return False
            self.command = self.world.start(
                BIGM, "exec", "all", "--", "sh", "-c", FAMILY + "wait")
            self.client = self.command
        return lines(self.command.out) == self.machines

    def end(self):
        self.world.start(BIGM, "shutdown", "--all")


KINDS = (Driver, Job, Family, Alone, Shipped, Started)


def role_of(process, kind, by_pid):
    """What the process is to the cluster."""
    parent = by_pid.get(process.parent)
    if process.name in ("cluster-guard", "bigm-keeper", "job-sentinel"):
        return process.name.split("-")[1]
    if process.pid == kind.client.pid:
        return "client"
    if process.is_launcher():
        return "launcher"
    if parent is not None and parent.name == "bigm-keeper":
        return "machine"
    if parent is not None and parent.name in ("job-sentinel", "bigm"):
        return "job"
    return "other"


def choose(draw, kind, present):
    """The processes that shall die, of {role: [process]}."""
    roles = [role for role in present if draw.random() < 0.4]
    roles = roles or [draw.choice(list(present))]
    for chain in (("keeper", *kind.behind), ("sentinel", "client"),
                  ("launcher", *kind.behind)):
        chain = [role for role in chain if role in present]
        if chain and all(role in roles for role in chain):
            roles.remove(draw.choice(chain))
    victims = []
    for role in roles:
        some = present[role]
        if role in ("machine", "job", "other") and draw.random() < 0.5:
            some = draw.sample(some, draw.randint(1, len(some)))
        victims += [(role, process) for process in some]
    return victims


def strike(victims):
    """Kills all in one stroke."""
    for sig in (signal.SIGSTOP, signal.SIGKILL):
        for _, process in victims:
            kill(process.pid, sig)


def present_processes(kind):
    """{role: [process]}"""
    processes = kind.world.processes()
    by_pid = {process.pid: process for process in processes}
    present = {}
    for process in processes:
        present.setdefault(role_of(process, kind, by_pid), []).append(process)
    return present


def live_until(kind, phase, draw):
    """Brings it to the moment of the round."""
    if phase == "starting":
        time.sleep(0.12 * draw.random() ** 2)
        return
    eventually("everything at work", kind.ready, PATIENCE)
    if phase == "ending":
        kind.end()
        time.sleep(0.06 * draw.random() ** 2)


def finish(kind):
    """Seconds until nothing was left; what survives the blow, and may, is
    asked to end first."""
    begin = time.monotonic()
    try:
        eventually("the end", kind.world.nothing_left, 0.3)
        return time.monotonic() - begin
    except Failure:
        pass
    if kind.client.poll() is None:
        kill(kind.client.pid, signal.SIGINT)
    # Not where the blow should have ended it: it would clean up.
    if isinstance(kind, Started) and "keeper" in roles_alive(kind):
        kind.world.start(BIGM, "shutdown", "--all")
    return kind.world.await_nothing()


def roles_alive(kind):
    """Those of the processes that are there now."""
    return present_processes(kind).keys()


def one_round(seed):
    """Returns what happened, as text, and how long the clean-up took."""
    draw = random.Random(seed)
    world = World()
    try:
        kind = draw.choice(KINDS)(world, draw)
        phase = draw.choice(("starting", "running", "ending"))
        kind.begin()
        live_until(kind, phase, draw)
        present = present_processes(kind)
        victims = choose(draw, kind, present) if present else []
        story = (f"{type(kind).__name__.lower()} of {kind.machines}, {phase}: "
                 + ", ".join(f"{role} {p.pid}" for role, p in victims))
        strike(victims)
        try:
            return story, finish(kind)
        except Failure as failure:
            raise Failure(f"{story}: {failure}\n{logs(world)}") from failure
    finally:
        world.close()


def logs(world):
    """What the keepers and the commands said."""
    text = ""
    for top in ("state", "work"):
        for folder, _, names in os.walk(f"{world.folder}/{top}"):
            for name in names:
                if name != "keeper.log" and not name.endswith(".err"):
                    continue
                with open(f"{folder}/{name}", errors="replace",
                          encoding="utf-8") as file:
                    text += f"-- {name}:\n{file.read()[-3000:]}"
    return text
