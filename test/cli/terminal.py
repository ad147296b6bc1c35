"""Runs a command on a terminal of its own and plays a script against it.

terminal.py COMMAND [ARGUMENT...] <SCRIPT

Each line of the script is one step:
  expect TEXT   waits until TEXT is shown, after what the step before has waited for
  send TEXT     types TEXT, with Python's escapes: \\r, \\x03
  resize R C    gives the terminal R rows of C columns
Everything that is shown goes to stdout.  Exits as the command does (128 + signal); 99 when a text does not come.
"""
import os
import pty
import select
import signal
import sys
import termios
import time

PATIENCE = 20


def read(fd, shown, deadline):
    """Adds what is shown to the list; False at the end, or at the deadline."""
    if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
        return False
    try:
        data = os.read(fd, 65536)
    except OSError:  # what Linux says when the last process has let go of the terminal
        data = b""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    shown.extend(data)
    return bool(data)


def play(fd, steps):
    shown, at = bytearray(), 0
    for step in steps:
        verb, text = step.rstrip("\n").split(" ", 1)
        if verb == "resize":
            termios.tcsetwinsize(fd, [int(n) for n in text.split()])
            continue
        text = text.encode().decode("unicode_escape").encode("latin-1")
        if verb == "send":
            os.write(fd, text)
            continue
        deadline = time.monotonic() + PATIENCE
        while shown.find(text, at) < 0:
            if not read(fd, shown, deadline):
                sys.stdout.write(f"\nterminal.py: {text!r} did not come\n")
                return False
        at = shown.find(text, at) + len(text)
    deadline = time.monotonic() + PATIENCE
    while read(fd, shown, deadline):
        pass
    return True


def main():
    steps = sys.stdin.readlines()
    pid, fd = pty.fork()
    if pid == 0:
        # A shell starts what is in the background with this ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvp(sys.argv[1], sys.argv[1:])
    if not play(fd, steps):
        os.close(fd)
        return 99
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256


sys.exit(main())
