"""Shows what a terminal shows in the end that got the bytes of standard input.

screen.py [COLUMNS]

Knows what bigm sends to a terminal, and fails at anything else: a character, a line break, a return, cursor up
(CSI n A), clearing to the end of the line (CSI K) or of the screen (CSI J), colours (CSI n m), modes (CSI ? n h, l).
The screen is as high as it needs to be; lines that are empty at the end are left out.
"""
import re
import sys

TOKEN = re.compile(r"\x1b\[(\??\d*)([A-Za-z])|[\r\n\b\x07]|[^\x00-\x1f\x7f]")


def play(text, columns):
    lines, row, column = [""], 0, 0
    at = 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if not token:
            sys.exit(f"screen.py: {text[at:at + 12]!r} is not known")
        at = token.end()
        number, what = token.groups()
        if token[0] == "\r":
            column = 0
        elif token[0] == "\n":
            row += 1
        elif token[0] == "\b":
            column = max(0, column - 1)
        elif what == "A":
            row = max(0, row - int(number or 1))
        elif what == "K":
            lines[row] = lines[row][:column]
        elif what == "J":
            lines[row] = lines[row][:column]
            del lines[row + 1:]
        elif what in ("m", "h", "l"):
            pass
        elif what or token[0] == "\x07":
            sys.exit(f"screen.py: {token[0]!r} is not known")
        else:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            line = lines[row].ljust(column)
            lines[row] = line[:column] + token[0] + line[column + 1:]
            column += 1
        lines += [""] * (row + 1 - len(lines))
    return lines


def main():
    columns = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    lines = play(sys.stdin.buffer.read().decode(errors="replace"), columns)
    print("\n".join(line.rstrip() for line in lines).rstrip("\n"))


main()
