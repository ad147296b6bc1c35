"""Rounds of bad weather: a job that knows its result, in a network of its own
that delays, loses, holds, cuts and bends what its machines are told, while
machines are stopped and killed.

What passes by in time costs time only: the result has to be right then.  What
does not may fail the job, but with a word, and never with a wrong result.
"""

import os
import random
import signal
import subprocess
import sys
import time

from kills import logs
from world import BIGM, BIGPI, Failure, World, eventually, kill

RELAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "relay.py")
RELAY_PORT = "7777"
PATIENCE = 180
# None of these keeps what a network does not take.
OURS = ("bigm", "bigm-keeper", "cluster-guard", "bigpi")
MEMORY_KB = 64 << 10
RULES = f"""
table ip t {{
    chain in {{
        type filter hook input priority 0; policy accept;
    }}
    chain begin {{
        type nat hook output priority -100; policy accept;
        meta mark 1 accept
        ip daddr 127.0.0.1 tcp dport != {RELAY_PORT} redirect to :{RELAY_PORT}
    }}
}}
"""
results = {}


def possible():
    """True when we may have networks of our own, with a firewall."""
    try:
        return subprocess.run(
            ["unshare", "--user", "--map-root-user", "--net", "nft",
             "add table ip t"], capture_output=True, check=False,
            ).returncode == 0
    except FileNotFoundError:
        return False


def result_of(samples):
    """What bigpi has to print."""
    if samples not in results:
        world = World()
        try:
            child = world.start(BIGPI, "--machines", "1", "--samples",
                                str(samples), "--seed", "7")
            child.wait(PATIENCE)
            results[samples] = text_of(child.out)
        finally:
            world.close()
    return results[samples]


def text_of(path):
    """All of a file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class Network:
    """A namespace in which the loopback device can be disturbed."""

    def __init__(self, world):
        self.world = world
        self.holder = world.start("unshare", "--user", "--map-root-user",
                                  "--net", "sleep", "1000")
        eventually("a namespace", self.is_apart)
        self.inside = ["nsenter", "--preserve-credentials", "--user", "--net",
                       "--target", str(self.holder.pid)]
        self.run("ip", "link", "set", "lo", "up")
        self.run("nft", "-f", "-", text=RULES)
        self.relay("pass")
        self.relaying = world.start(*self.inside, sys.executable, RELAY,
                                    RELAY_PORT, world.work + "/order")
        eventually("a relay", lambda: text_of(self.relaying.out))

    def is_apart(self):
        """True when the holder has made it."""
        try:
            return os.readlink(f"/proc/{self.holder.pid}/ns/net") != \
                os.readlink("/proc/self/ns/net") and \
                text_of(f"/proc/{self.holder.pid}/uid_map") != ""
        except OSError:
            return False

    def run(self, *command, text=""):
        """A command in there."""
        subprocess.run([*self.inside, *command], input=text, text=True,
                       check=True, capture_output=True)

    def relay(self, order):
        """What the relay does from now on."""
        path = self.world.work + "/order"
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(order)
        os.rename(path + ".new", path)

    def lose(self, percent):
        """So many of the packets get lost."""
        self.run("nft", "add", "rule", "ip", "t", "in", "numgen", "random",
                 "mod", "100", "<", str(percent), "drop")

    def calm(self):
        """Good weather again."""
        self.relay("pass")
        self.run("nft", "flush", "chain", "ip", "t", "in")
        self.run("ip", "link", "set", "lo", "up")

    def end(self):
        """Lets go of it."""
        self.relaying.kill()
        self.holder.kill()


def machines(world):
    """Their processes."""
    processes = world.processes()
    keepers = {p.pid for p in processes if p.name == "bigm-keeper"}
    return [p for p in processes if p.parent in keepers]


def signal_one(world, draw, sig):
    """Sends it to one of the machines; which one."""
    there = machines(world)
    if not there:
        return None
    victim = draw.choice(there)
    kill(victim.pid, sig)
    return victim.pid


def disturb(network, draw, harsh):
    """One thing, for a short while; its name."""
    world = network.world
    gentle = [
        ("delay", lambda: network.relay(f"delay {draw.uniform(0, .3):.2f}")),
        ("hold", lambda: network.relay("hold")),
        ("loss", lambda: network.lose(draw.randint(1, 25))),
        ("down", lambda: network.run("ip", "link", "set", "lo", "down")),
        ("stop", lambda: signal_one(world, draw, signal.SIGSTOP)),
    ]
    rough = [
        ("cut", lambda: network.relay(f"cut {draw.randint(0, 9999)}")),
        ("garble", lambda: network.relay("garble")),
        ("kill", lambda: signal_one(world, draw, signal.SIGKILL)),
    ]
    name, act = draw.choice(gentle + (rough if harsh else []))
    pid = act()
    time.sleep(draw.uniform(0, 0.4))
    network.calm()
    if name == "stop" and pid:
        kill(pid, signal.SIGCONT)
    return name


def check_memory(world):
    """Nobody has ever needed more than MEMORY_KB."""
    for process in world.processes():
        try:
            status = text_of(f"/proc/{process.pid}/status")
        except OSError:
            continue
        peak = [int(line.split()[1]) for line in status.splitlines()
                if line.startswith("VmHWM:")]
        if peak and peak[0] > MEMORY_KB and process.name in OURS:
            raise Failure(f"{process} has needed {peak[0]} kB")


def check(child, samples, harsh):
    """Its end is as it should be."""
    said = text_of(child.err)
    if child.returncode == 0:
        if text_of(child.out) != result_of(samples):
            raise Failure(f"a wrong result: {text_of(child.out)}")
    elif not harsh:
        raise Failure(f"failed with {child.returncode}: {said[-2000:]}")
    elif "bigpi: " not in said and "bigm run: " not in said:
        raise Failure(f"failed with {child.returncode} without a word: "
                      f"{said[-2000:]}")


def one_round(seed):
    """Returns what happened, as text, and how long cleaning up took."""
    draw = random.Random(seed)
    harsh = draw.random() < 0.5
    samples = draw.choice((30_000_000, 100_000_000, 300_000_000))
    result_of(samples)
    world = World()
    story = "harsh" if harsh else "gentle"
    try:
        network = Network(world)
        child = world.start(
            *network.inside, BIGM, "run", BIGPI, "-n",
            str(draw.randint(1, 4)), "--", "--samples", str(samples),
            "--seed", "7")
        end = time.monotonic() + 5
        while child.poll() is None and time.monotonic() < end:
            story += " " + disturb(network, draw, harsh)
            check_memory(world)
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure("does not end") from None
        check(child, samples, harsh)
        network.end()
        return f"{story}: status {child.returncode}", world.await_nothing()
    except Failure as failure:
        raise Failure(f"{story}: {failure}\n{logs(world)}") from failure
    finally:
        world.close()
