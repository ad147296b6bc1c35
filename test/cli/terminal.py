"""Runs a command on a terminal of its own and plays a script against it.

terminal.py COMMAND [ARGUMENT...] <SCRIPT

Each line of the script is one step:
  expect TEXT   waits until TEXT is shown, after what the step before has waited for
  send TEXT     types TEXT, with Python's escapes: \\r, \\x03
  resize R C    gives the terminal R rows of C columns
  modes raw | cooked    waits until keys come at once and unechoed, or as usual
  kill SIGNAL FILE      sends TERM, CONT … to the process the id of which is in FILE
  run COMMAND   runs it elsewhere, to its end
  state LETTER FILE     waits until that process is in a state, as ps has it
Everything that is shown goes to stdout.  Exits as the command does (128 + signal); 99 when a text does not come.
"""
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

PATIENCE = 20


def read(fd, shown, deadline):
    """Adds what is shown to the list; False at the end, None at the deadline."""
    if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
        return None
    try:
        data = os.read(fd, 65536)
    except OSError:  # what Linux says when the last process has let go of the terminal
        data = b""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    shown.extend(data)
    return bool(data)


def eventually(fd, shown, condition):
    """Reads on until it is true; False at the deadline."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        read(fd, shown, time.monotonic() + .02)
    return True


def pid_in(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())


def is_in_state(letter, path):
    with open(f"/proc/{pid_in(path)}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == letter


def are_modes(fd, name):
    usual = termios.ICANON | termios.ECHO
    return termios.tcgetattr(fd)[3] & usual == (usual if name == "cooked" else 0)


# They return False when what they wait for does not come.
VERBS = {
    "resize": lambda fd, shown, rows, columns: termios.tcsetwinsize(fd, (int(rows), int(columns))),
    "modes": lambda fd, shown, name: eventually(fd, shown, lambda: are_modes(fd, name)),
    "kill": lambda fd, shown, name, path: os.kill(pid_in(path), signal.Signals["SIG" + name]),
    "run": lambda fd, shown, *command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL),
    "state": lambda fd, shown, letter, path: eventually(fd, shown, lambda: is_in_state(letter, path)),
}


def play(fd, steps):
    shown, at = bytearray(), 0
    for step in steps:
        verb, text = step.rstrip("\n").split(" ", 1)
        if verb in VERBS:
            if VERBS[verb](fd, shown, *text.split()) is False:
                sys.stdout.write(f"\nterminal.py: {step}: it did not come to that\n")
                return False
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
    while more := read(fd, shown, deadline):
        pass
    if more is None:
        sys.stdout.write("\nterminal.py: the command did not end\n")
    return more is False


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
