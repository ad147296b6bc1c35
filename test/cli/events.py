"""events.py PAGE FILE: holds each event of FILE against bigm-events(7), and prints the types that are there."""
import json
import re
import sys


def read_page(path):
    """The types of the page, with the fields that it names for each."""
    types, fields = {}, None
    for line in open(path, encoding="utf-8"):
        if match := re.match(r"\.It Cm (bigm:\w+)", line):
            fields = types.setdefault(match[1], set())
        elif (match := re.match(r"\.Va (\w+)", line)) and fields is not None:
            fields.add(match[1])
    return types


def check(line, types):
    event = json.loads(line)
    kind = event.pop("type")
    assert re.fullmatch(r"\d{19}", event.pop("ns")), line
    assert event.pop("cluster"), line
    event.pop("machine", None)
    if kind.startswith("bigm:"):
        assert kind in types, f"{kind} is not in the page"
        assert set(event) <= types[kind], f"{kind} has {set(event) - types[kind]}"
    for name, value in event.items():
        if name.endswith("_ns"):
            assert re.fullmatch(r"\d+", value), line
    return kind


def main():
    types = read_page(sys.argv[1])
    assert len(types) > 10, types
    with open(sys.argv[2], encoding="utf-8") as file:
        kinds = [check(line, types) for line in file]
    print("\n".join(sorted(set(kinds))))


main()
