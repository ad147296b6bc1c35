"""Every declaration of an installed header has its place in its manual page.

declarations.py HEADER PAGE prints a line for each: "ok - …" or "not ok - …".

A function stands in the synopsis; under RETURN VALUES where it returns something; under ERRORS where it fills an error;
under Ownership where it gives away a pointer; under Threads where the header says that it blocks. A structure and an
enumeration have an entry with each of their members or values; macros and types of functions are named. libbigm_test(3) is
short: its functions are held against its text by api.test, and the rest against all of it here.
"""
import re
import sys


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def functions(text):
    """(name, what it returns, its arguments)."""
    text = re.sub(r"^#.*", "", text, flags=re.M)
    for found in re.finditer(r"BIGM_API\s+([^;(]*?)(\w+)\s*\(([^;]*)\)[^;]*;", text):
        yield found.group(2), " ".join(found.group(1).split()), " ".join(found.group(3).split())


def members(body):
    """The names of a structure's members; pointers to functions among them."""
    for declaration in body.split(";"):
        pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", declaration)
        if pointer:
            yield pointer.group(1)
        elif declaration.strip():
            for part in declaration.split(","):
                yield re.search(r"(\w+)\s*(\[[^]]*\])?\s*$", part).group(1)


def structures(text):
    for found in re.finditer(r"^struct (\w+) \{(.*?)\};", text, flags=re.S | re.M):
        yield "struct " + found.group(1), list(members(found.group(2)))
    for found in re.finditer(r"^enum (\w+) \{(.*?)\};", text, flags=re.S | re.M):
        yield "enum " + found.group(1), re.findall(r"\bBIGM_\w+", found.group(2))


def opaque(text):
    whole = {name for name, _ in structures(text)}
    return sorted({"struct " + name for name in re.findall(r"^struct (bigm\w*);", text, flags=re.M)} - whole)


def macros(text):
    defined = set(re.findall(r"^#define (\w+)", text, flags=re.M)) | set(re.findall(r"^#ifndef (\w+)", text, flags=re.M))
    return sorted(name for name in defined if not name.endswith("_H"))


def function_types(text):
    return re.findall(r"^typedef [^;]*?(\w+)\s*\([^;]*\);", text, flags=re.S | re.M)


class Page:
    def __init__(self, text):
        self.text = text

    def part(self, title):
        """From the heading of that name to the next one of its kind."""
        found = re.search(rf"^\.(S[hs]) {title}$(.*?)(?=^\.Sh |^\.\1 |\Z)", self.text, flags=re.S | re.M)
        return found.group(2) if found else ""

    def names(self, title, macro, name):
        """Whether a line of that macro, in that part, has the name as a word."""
        part = self.part(title) if title else self.text
        return bool(re.search(rf"\b{macro} (?:[^\n]*[ *])?{re.escape(name)}(?=[ \n,;:.]|$)", part))

    def entry(self, kind):
        found = re.search(rf"^\.It Vt {kind}$(.*?)(?=^\.It Vt |^\.El|\Z)", self.part("Types"), flags=re.S | re.M)
        if not found:
            return ""
        # What it refers to counts as well.
        return found.group(1) + "".join(map(self.part, re.findall(r"^\.Sx (\w+)", found.group(1), flags=re.M)))


def verdicts(header, page, whole):
    text = without_comments(header)
    for name, returns, arguments in functions(text):
        yield f"{name} is in the synopsis", page.names("SYNOPSIS", "Fn", name)
        if not whole:
            continue
        if returns != "void":
            yield f"{name} is under RETURN VALUES", page.names("RETURN VALUES", "Fn", name)
        if "struct bigm_error *err" in arguments:
            yield f"{name} is under ERRORS", page.names("ERRORS", "Fn", name)
        if returns.endswith("*") or re.search(r"\w \*\*\*?(reply|machines|bytes|type|body|value)\b", arguments):
            yield f"{name} is under Ownership", page.names("Ownership", "Fn", name)
        if re.search(r"(?i)(?<!never )\bblocks?\b", comment_of(header, name)):
            yield f"{name} is under Threads", page.names("Threads", "Fn", name)
    for kind, names in structures(text):
        entry = page.entry(kind) if whole else page.text
        yield f"{kind} has an entry", bool(entry) if whole else kind in entry
        for name in names:
            yield f"{kind}: {name} is there", bool(re.search(rf"\b(Va|Dv|Fa) (?:[^\n]* )?{name}(?=[ \n,;:.])", entry))
    if whole:
        for kind in opaque(text):
            yield f"{kind} is named", kind in page.part("Types")
        for name in macros(text):
            yield f"{name} is named", page.names("Types", "Dv", name)
        for name in function_types(text):
            yield f"{name} is in the synopsis", page.names("SYNOPSIS", "Fn", name)


def comment_of(header, name):
    """The comment in front of a function's declaration."""
    found = re.search(rf"/\*((?:(?!\*/).)*)\*/\s*BIGM_API[^;/]*\b{name}\s*\(", header, flags=re.S)
    return found.group(1) if found else ""


def main():
    header = open(sys.argv[1], encoding="utf-8").read()
    page = Page(open(sys.argv[2], encoding="utf-8").read())
    for what, good in verdicts(header, page, sys.argv[1].endswith("/bigm.h")):
        print("ok" if good else "not ok", "-", what)


main()
