#!/usr/bin/env python3
"""Writes the table detection x tier x (attack, ways around, benign) of docs/detections.md from what the tests found.

    tests/vm/table.py [FOLDER]      FOLDER: vm-results of a build folder, build/dev/vm-results by default
    tests/vm/table.py --show        prints it, and changes nothing

The results are those of the last run of each: `host` (test integration_attacks) and the guests (tests vm_..). Rows
without an act keep their place with a dash, so that what is not tested is seen.
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
# Rows that no act on the machine of a node reaches, or not this one: where they are shown.
SHOWN = {"D9": "tests/integration/test_watch.py", "D22": "tests/integration/test_watch.py",
         "D23": "tests/unit/watch/test_tpm_state.cpp", "D21": "tests/unit/watch/test_usb_devices.cpp",
         "D26": "tests/integration/test_watch.py", "D27": "tests/integration/test_gate.py",
         "D28": "tests/integration/test_restored.py", "D32": "tests/bpf/test_sensor.cpp",
         "D33": "tests/integration/test_watch.py"}


def read(folder):
    found = []
    for place in PLACES:
        path = folder / f"{place}.tsv"
        if path.exists():
            found += [results.from_line(line) for line in path.read_text().splitlines()]
    return found


def cell(found):
    """ "tracepoint: 5/5, 9/10, 3/3": attacks, ways around and harmless acts; those judged rightly of those done."""
    tried = [one for one in found if one.result != "unavailable"]
    if not [one for one in tried if one.kind != "benign"]:
        return "-"
    if all(one.result == "unwatched" for one in tried if one.kind != "benign"):
        return "not watched"
    parts = []
    for kind in KINDS:
        of_kind = [one for one in tried if one.kind == kind]
        good = sum(one.result in GOOD for one in of_kind)
        parts.append(f"{good}/{len(of_kind)}" if of_kind else "-")
    tier = "by another row" if found[0].tier == "none" else found[0].tier
    return f"{tier}: {', '.join(parts)}"


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
    for row, said in results.status((folder / f"{place}.log").read_text(errors="replace"))["probes"].items():
        tier, _, blind = said.partition(": ")
        if row in ROWS and blind and row != "D32":
            rows[f"{tier}: {blind}"].append(row)
    return [f"- {', '.join(which)}: {said}" for said, which in rows.items()] or ["- nothing that it cannot see"]


def table(folder, found):
    there = [place for place in PLACES if any(one.where == place for one in found)]
    lines = ["Each cell: the tier, then attacks noticed, ways around noticed, harmless acts left alone, of those that",
             "could be done there. `attack list` of the build folder names the acts; a dash: the row has none.", "",
             "| row | " + " | ".join(PLACES[place] for place in there) + " |", "| --- |" + " --- |" * len(there)]
    for row in ROWS:
        cells = [cell([one for one in found if (one.where, one.row) == (place, row)]) for place in there]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    lines += ["", "Shown elsewhere:", "", *(f"- {row}: `{SHOWN[row]}`" for row in ROWS if row in SHOWN)]
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
    gone = [path for path in SHOWN.values() if not (ROOT / path).exists()]
    if gone:
        sys.exit(f"no such test: {', '.join(gone)}")
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
