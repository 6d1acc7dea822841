#!/usr/bin/env python3
"""Writes the table detection x tier x (attack, ways around, benign) of docs/detections.md from what the tests found.

    tests/vm/table.py [FOLDER]      FOLDER: vm-results of a build folder, build/dev/vm-results by default
    tests/vm/table.py --show        prints it, and changes nothing

The results are those of the last run of each: `host` (test integration_attacks), the guests (tests vm_..), and what
other tests wrote into a Book (tests/attacks/results.py). Rows without an act keep their place with a dash, so that
what is not tested is seen.
"""
import argparse
import collections
import pathlib
import platform
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/attacks"))
import results  # noqa: E402  (the folder beside)

PAGE = ROOT / "docs/detections.md"
BEGIN, END = "<!-- made by tests/vm/table.py: begin -->", "<!-- end -->"
HOST = f"host, {'.'.join(platform.release().split('.')[:2])}"
PLACES = {"host": HOST, "vm-6.1": "guest, 6.1", "vm-6.12": "guest, 6.12",
          "vm-6.1-no-bpf-lsm": "guest, 6.1, `lsm=` without bpf"}
ROWS = [f"D{number}" for number in range(1, 34)]
KINDS = ("attack", "around", "benign")
GOOD = ("detected", "silent")


def read(folder):
    found = []
    for place in PLACES:
        for path in (folder / f"{place}.tsv", *sorted(folder.glob(f"{place}+*.tsv"))):
            if path.exists():
                found += [results.from_line(line) for line in path.read_text().splitlines()]
    return found


def part(tier, tried):
    """ "tracepoint: 5/5, 9/10, 3/3", or in words why there are no such numbers."""
    hostile = [one for one in tried if one.kind != "benign"]
    if not hostile:
        return ""
    if all(one.result == "unwatched" for one in hostile):
        return "not watched"
    counts = []
    for kind in KINDS:
        of_kind = [one for one in tried if one.kind == kind]
        good = sum(one.result in GOOD for one in of_kind)
        counts.append(f"{good}/{len(of_kind)}" if of_kind else "-")
    return f"{tier}: {', '.join(counts)}"


def cell(found):
    """A part for each tier that has something to say of the row."""
    tried = collections.defaultdict(list)
    for one in found:
        if one.result != "unavailable":
            tried[one.tier].append(one)
    parts = [said for said in (part(tier, of_tier) for tier, of_tier in tried.items()) if said]
    return "; ".join(parts) or ("not there" if any(one.kind != "benign" for one in found) else "-")


def missed(found):
    """What was not judged rightly, and where: one line an act."""
    places = collections.defaultdict(list)
    for one in found:
        if one.result in ("missed", "alarm", "died"):
            places[one.row, one.act, one.result].append(PLACES[one.where])
    order = sorted(places.items(), key=lambda item: (ROWS.index(item[0][0]), item[0][1]))
    return [f"- {row}, `{act}`: {result} ({'; '.join(where)})" for (row, act, result), where in order]


def limits(folder, place):
    """What each row cannot see there, or why there is none: the sensor's catalogue, by `akmctl node status`."""
    rows = collections.defaultdict(list)
    log = folder / f"{place}.log"
    if not log.exists():
        return ["- nothing: only tests with acts of their own were run"]
    for row, said in results.status(log.read_text(errors="replace")).get("probes", {}).items():
        tier, _, blind = said.partition(": ")
        if row in ROWS and blind and row != "D32":
            rows[f"{tier}: {blind}"].append(row)
    said = [f"- {', '.join(which)}: {said}" for said, which in rows.items()]
    return said or ["- it names nothing that it cannot see"]


def table(folder, found):
    there = [place for place in PLACES if any(one.where == place for one in found)]
    lines = ["Each cell: the tier, then attacks noticed, ways around noticed, harmless acts left alone, of those that",
             "could be done there (a dash: none). \"not there\": this machine has nothing that could be attacked (no",
             "such device, file or call); a cell with a dash only: no act of the row was done there. The acts are",
             "those of `attack list` of the build folder, and of tests with their own (user space, protocol).", "",
             "| row | " + " | ".join(PLACES[place] for place in there) + " |", "| --- |" + " --- |" * len(there)]
    for row in ROWS:
        cells = [cell([one for one in found if (one.where, one.row) == (place, row)]) for place in there]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    for place in there:
        lines += ["", f"What the node says of itself there ({PLACES[place]}):", "", *limits(folder, place)]
    lines += ["", "Not noticed, or noticed without cause:", "", *(missed(found) or ["- nothing"])]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=ROOT / "build/dev/vm-results")
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    found = read(arguments.folder)
    bare = [row for row in ROWS if not [one for one in found if one.row == row and one.result in GOOD]]
    if bare:
        print(f"without a result: {', '.join(bare)}", file=sys.stderr)
    if not found:
        sys.exit(f"no results in {arguments.folder}: run tools/check --vm")
    if arguments.show:
        print(table(arguments.folder, found))
        return
    text = PAGE.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    PAGE.write_text(text[:begin] + "\n" + table(arguments.folder, found) + text[end:])


if __name__ == "__main__":
    main()
