#!/usr/bin/env python3
"""docs/demo.svg from what tools/demo printed: tools/demo | tee LOG; tools/lab/picture.py LOG >docs/demo.svg

The steps of STEPS as they stand in the log, without the buses of the lab; lines that are too long end in "...".
"""
import html
import pathlib
import re
import sys

STEPS = (6, 9, 10, 11, 14)
COLUMNS, SIZE, LINE, LEFT, TOP = 100, 13, 17, 14, 40
COLOURS = {"#": "#7aa2f7", "ok": "#9ece6a", "$": "#f7768e", "title": "#e0af68", "": "#c0caf5"}


def steps(text):
    """number -> lines, the title first"""
    out = {}
    for block in re.split(r"\n(?=\d+\. )", text.split("\nreal\t")[0]):  # what `time` says is not the demo's
        if number := re.match(r"(\d+)\. ", block):
            out[int(number[1])] = [line.rstrip() for line in block.splitlines() if line.strip()]
    return out


def plain(line):
    """Without the lab's bus, which is not what a person types: the host stands before the prompt."""
    return re.sub(r"# akmctl --bus unix:path=\S*/(\w+)/bus", r"\1# akmctl", line)


def cut(line):
    return line if len(line) <= COLUMNS else line[:COLUMNS - 3] + "..."


def kind(line):
    words = line.split()
    if re.match(r"\d+\. ", line):
        return "title"
    if words and re.fullmatch(r"\w*[#$]", words[0]):
        return words[0][-1]
    return "ok" if words[:1] == ["ok"] else ""


def picture(lines):
    height, width = TOP + LINE * len(lines) + 14, LEFT * 2 + int(COLUMNS * SIZE * 0.602)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
           "<title>tools/demo: a breach, and new keys without the breached node</title>",
           f'<rect width="{width}" height="{height}" rx="8" fill="#1a1b26"/>']
    out += [f'<circle cx="{20 + 18 * i}" cy="18" r="5" fill="{colour}"/>'
            for i, colour in enumerate(("#f7768e", "#e0af68", "#9ece6a"))]
    out.append(f'<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{SIZE}" xml:space="preserve">')
    out += [f'<text x="{LEFT}" y="{TOP + LINE * (i + 1) - 4}" fill="{COLOURS[kind(line)]}">{html.escape(line)}</text>'
            for i, line in enumerate(lines)]
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"


def main(log):
    found = steps(pathlib.Path(log).read_text(encoding="utf-8"))
    lines = []
    for number in STEPS:
        lines += ([""] if lines else []) + [cut(plain(line)) for line in found[number]]
    print(picture(lines), end="")


if __name__ == "__main__":
    main(sys.argv[1])
