"""Looks for private keys and given secrets in what a session has: files, command lines, environments, and what core files would have.

secrets.py files FOLDER SECRET...        every file below FOLDER
secrets.py processes FOLDER SECRET...    every process whose environment or command line names FOLDER
secrets.py memory FOLDER SECRET...       what a core file of each of those would have

A SECRET is a text, or @FILE, a private key in PEM. Private keys of any value are found besides, in PEM and in DER. Prints a line for
each find, "WHERE: WHAT", and ends with status 1 when there is one. In memory those are found as well that are in use, as numbers.
"""
import base64
import os
import re
import sys

sys.dont_write_bytecode = True
import private_keys  # noqa: E402

# An EC key of P-256 by its form: version 1, 32 bytes, then its curve or its public half; and PEM.
DER_KEY = re.compile(rb"\x02\x01\x01\x04\x20.{32}[\xa0\xa1]", re.DOTALL)
PEM_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s{0,2}(?:\\n)?[A-Za-z0-9+/]{16}")
CHUNK = 16 << 20
# Longer than any of what is looked for.
OVERLAP = 4096


def forms_of_key(pem):
    """What a key looks like: its text, its bytes, and its number in either order, as OpenSSL has it while it uses it."""
    section = re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(.*?)-----END", pem, re.DOTALL).group(1)
    body = b"".join(section.split())
    der = base64.b64decode(body)
    number = re.search(rb"\x02\x01\x01\x04\x20(.{32})", der, re.DOTALL).group(1)
    return {"text of a key": body[:60], "bytes of a key": der, "a key's number": number, "a key's number, turned": number[::-1]}


def load(arguments):
    """What to look for: names and bytes."""
    needles = []
    for argument in arguments:
        if argument.startswith("@"):
            with open(argument[1:], "rb") as file:
                needles += forms_of_key(file.read()).items()
        else:
            text = argument.encode()
            needles += [("a secret", text), ("a secret in base64", base64.b64encode(text)[:-4])]
    return needles


def find(data, needles):
    for name, needle in needles:
        if needle in data:
            yield name
    if PEM_KEY.search(data):
        yield "a private key's text"
    if DER_KEY.search(data):
        yield "a private key's bytes"


def search_file(path, needles):
    tail = b""
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            yield from find(tail + data, needles)
            tail = data[-OVERLAP:]


def files(folder, needles):
    for root, folders, names in os.walk(folder):
        # The other side, where the tests' EC2 is.
        if root == folder and "ec2" in folders:
            folders.remove("ec2")
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path) and not os.path.islink(path):
                for what in search_file(path, needles):
                    yield f"{os.path.relpath(path, folder)}: {what}"


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def processes_of(folder):
    """Ours: process ids and names; not this one."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        named = folder.encode() in read(f"/proc/{pid}/environ") + read(f"/proc/{pid}/cmdline")
        name = read(f"/proc/{pid}/comm").decode(errors="replace").strip()
        if named and name in ("bigm", "bigm-ec2", "bigm-keeper", "cluster-guard", "bigpi", "job-sentinel") or named and name.startswith("ec2boot"):
            yield int(pid), name


def processes(folder, needles):
    for pid, name in processes_of(folder):
        for place in ("cmdline", "environ"):
            for what in find(read(f"/proc/{pid}/{place}"), needles):
                yield f"{place} of {name}: {what}"


def dumped(pid):
    """The memory that core(5) would write: private or anonymous and writable, without what is left out of core files by madvise(2)."""
    area = None
    for line in read(f"/proc/{pid}/smaps").decode().splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)", line)
        if match:
            area = match
        elif line.startswith("VmFlags:") and area:
            if "w" in area[3] and " dd" not in line and " io" not in line and not area[4].startswith("/memfd"):
                yield int(area[1], 16), int(area[2], 16)


def areas(pid):
    """What is in each area of dumped()."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for begin, end in dumped(pid):
            try:
                file.seek(begin)
                yield file.read(end - begin)
            except OSError:
                continue


def memory(folder, needles):
    read = [(name, data) for pid, name in processes_of(folder) for data in areas(pid)]
    publics = set().union(*(private_keys.public_keys(data) for _, data in read))
    curve = private_keys.Curve()
    for name, data in read:
        for what in find(data, needles):
            yield f"memory of {name}: {what}"
        if private_keys.in_use(data, publics, curve):
            yield f"memory of {name}: a private key in use"
    count = sum(len(data) for _, data in read)
    if count < 1 << 20 or not publics:
        yield f"only {count} bytes of memory could be read, with {len(publics)} public keys"


def main():
    searches = {"files": files, "processes": processes, "memory": memory}
    finds = sorted(set(searches[sys.argv[1]](sys.argv[2], load(sys.argv[3:]))))
    for line in finds:
        print(line)
    sys.exit(bool(finds))


main()
