#!/usr/bin/env python3
"""Makes the table of docs/detections.md from the "@row" lines that the BPF tests print.

    for t in build/dev/tests/bpf/test_bpf_{keys,process,folders,files,kernel,exec}; do $t; done | tests/bpf/table.py

One line for each row and tier: how many attacks and ways around were detected, how many benign acts were silent.
"""
import collections
import re
import sys

LINE = re.compile(r"@row (D\d+) (\S+) (attack|around|benign) (\w+) (.*)")
GOOD = {"attack": "detected", "around": "detected", "benign": "silent"}
LEFT_OUT = {"skipped", "blind", "absent"}


def cell(results, kind):
    tried = [result for result in results if result not in LEFT_OUT]
    left = collections.Counter(result for result in results if result in LEFT_OUT)
    text = f"{tried.count(GOOD[kind])} of {len(tried)}" if tried else "-"
    return text + "".join(f", {number} {why}" for why, number in sorted(left.items()))


def main():
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in sys.stdin:
        match = LINE.match(line)
        if match:
            row, tier, kind, result, _ = match.groups()
            rows[(int(row[1:]), tier)][kind].append(result)
    print("| detection | tier | attacks detected | ways around detected | benign silent |")
    print("| --- | --- | --- | --- | --- |")
    for (number, tier), kinds in sorted(rows.items()):
        cells = " | ".join(cell(kinds[kind], kind) for kind in GOOD)
        print(f"| D{number} | {tier} | {cells} |")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
