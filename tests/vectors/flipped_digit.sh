#!/bin/sh
# flipped_digit.sh VECTOR_CHECK FILE: changes one hexadecimal digit of FILE at a time, at places all over it, and fails
# unless the checker refuses every copy with status 1.
set -eu
checker=$1
file=$2
copy=$(mktemp)
trap 'rm -f "$copy"' EXIT

python3 - "$checker" "$file" "$copy" <<'PYTHON'
import json, subprocess, sys

checker, path, copy = sys.argv[1:]
cases = json.load(open(path))


def places(node, trail=()):
    if isinstance(node, dict):
        for key, child in node.items():
            yield from places(child, trail + (key,))
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from places(child, trail + (number,))
    elif isinstance(node, str) and trail[-1] != "name" and "sources" not in trail:
        yield trail


def flip(case, trail, digit):
    node = case
    for key in trail[:-1]:
        node = node[key]
    text = node[trail[-1]]
    changed = "0" if text[digit] != "0" else "1"
    node[trail[-1]] = text[:digit] + changed + text[digit + 1:]


tried = 0
seen = set()
for trail in places(cases[0]):
    # One of each kind of field; lists of like members are tried at their first.
    kind = tuple("#" if isinstance(key, int) else key for key in trail)
    if kind in seen:
        continue
    seen.add(kind)
    case = json.loads(json.dumps(cases[0]))
    text_length = len([0 for _ in kind])  # a different digit for each kind
    flip(case, trail, text_length % 4)
    json.dump([case], open(copy, "w"))
    result = subprocess.run([checker, copy], capture_output=True, text=True)
    if result.returncode != 1:
        sys.exit(f"flipped digit in {kind}: exit status {result.returncode}, expected 1")
    tried += 1
if tried < 20:
    sys.exit(f"only {tried} kinds of field were found")
print(f"{tried} flipped digits, each refused")
PYTHON
