"""Holds JSON against the page that documents it.

json_page.py PAGE SECTION SEEN <JSON

Every member of every value on standard input must stand in the section of the manual page with its type. The paths that
were met are added to the file SEEN, a line each: "SECTION PATH".

json_page.py PAGE --missing SEEN

Prints the documented paths that SEEN does not have.
"""
import json
import re
import sys

TYPES = {
    "text": lambda v: isinstance(v, str),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool) or isinstance(v, str) and v.isdigit(),
    "any": lambda v: True,
}


def read_page(path):
    """The sections, each a dictionary of paths and their types."""
    sections, members = {}, {}
    for line in open(path, encoding="utf-8"):
        if line.startswith(".Ss "):
            members = sections.setdefault(line[4:].strip(), {})
        found = re.match(r"\.It Cm (\S+) Ar (\S+)$", line)
        if found:
            members[found.group(1)] = found.group(2)
    return sections


def leaves(value, path, members):
    """The paths of all members of the value, with what they are."""
    if members.get(path) == "any":
        yield path, value
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, path + "[]", members)
    elif isinstance(value, dict):
        for name, each in value.items():
            star = path + ".*"
            yield from leaves(each, star if star in members else (path + "." if path else "") + name, members)
    else:
        yield path, value


def read_values(text):
    """All values in the text, one behind the other."""
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        yield value


def main():
    sections = read_page(sys.argv[1])
    if sys.argv[2] == "--missing":
        seen = set(open(sys.argv[3], encoding="utf-8").read().split("\n"))
        for section, members in sections.items():
            for path in members:
                if f"{section} {path}" not in seen:
                    print(section, path)
        return 0
    members, wrong = sections[sys.argv[2]], 0
    with open(sys.argv[3], "a", encoding="utf-8") as seen:
        for value in read_values(sys.stdin.read()):
            for path, leaf in leaves(value, "", members):
                if path not in members or not TYPES[members[path]](leaf):
                    print(f"{sys.argv[2]}: {path} is {leaf!r}, and documented as {members.get(path)}")
                    wrong = 1
                print(sys.argv[2], path, file=seen)
    return wrong


sys.exit(main())
