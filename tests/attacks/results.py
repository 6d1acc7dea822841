"""What attacks.sh said, act by act: was it noticed, and on which tier.

A result is a line of seven fields: where (host, or a guest's kernel and mode), row, tier, kind (attack, around,
benign), act, result, and a word on it. Results are

    detected, silent    as it should be: an attack or a way around was noticed, a harmless act was not
    missed, alarm       as it should not be, or as docs/detections.md says
    unwatched           the node has no probe for this row here
    unavailable         there is no such call, device or file here, or a race was not won
    died                the act did not come to its end
"""
import dataclasses
import json
import re

FIELD = re.compile(r'AKM_([A-Z_]+)=("(?:[^"\\]|\\.)*"|\S*)')


# What a tracepoint tier does not see, as docs/detections.md says.
BLIND = {"d1-ia32", "d2-ia32", "d2-mem-uring-at"}


@dataclasses.dataclass(frozen=True)
class Result:
    where: str
    row: str
    tier: str
    kind: str
    act: str
    result: str
    detail: str = ""

    def line(self):
        return "\t".join(dataclasses.astuple(self))


def wrong(found):
    """The lines of those that are not as they should be, nor as docs/detections.md says."""
    return [one.line() for one in found if one.result in ("alarm", "died")
            or one.result == "missed" and not ("tracepoint" in one.tier and one.act in BLIND)]


def from_line(line):
    return Result(*line.rstrip("\n").split("\t"))


def status(text):
    """The node's status before anything was done to it: its probes with their tiers, counters, findings."""
    lines = [line[7:] for line in text.splitlines() if line.startswith("STATUS ")]
    return json.loads(lines[0]) if lines else {}


def _records(text):
    for line in text.splitlines():
        if line.startswith("LOG "):
            yield {name: value.strip('"') for name, value in FIELD.findall(line)}


def _judged(act, kind, what, detection, records):
    """(result, detail) of one act, from the records that name it or nobody."""
    own = [one for one in records if act in (one.get("COMM"), one.get("NAME"))]
    nobody = [one for one in records if not {"COMM", "TGID", "PID"} & one.keys()]
    classes = {one.get("CLASS", "") for one in own}
    if what == "died":
        return "died", ""
    if what == "unavailable":
        return "unavailable", ""
    if kind == "benign":
        return ("alarm", " ".join(sorted(classes))) if classes else ("silent", "")
    if detection in classes:
        sources = {one.get("TIER") or one.get("SOURCE", "") for one in own if one.get("CLASS") == detection}
        return "detected", f"{what} by {' '.join(sorted(sources))}"
    if any(one.get("CLASS") == detection for one in nobody):
        return "detected", "nobody named"
    if classes:
        return "detected", f"as {' '.join(sorted(classes))}"
    return "missed", what


def results(where, text):
    """A Result for each act of the output of attacks.sh."""
    tiers = {row: said.split(":")[0] for row, said in status(text).get("probes", {}).items()}
    records = list(_records(text))
    out = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 7 or words[0] != "ACT":
            continue
        _, row, detection, kind, act, pid, what = words[:7]
        named = [{**one, "NAME": act} if pid in [one.get(who) for who in ("TGID", "PID", "PARENT")] else one
                 for one in records]
        result, detail = _judged(act, kind, what, detection, named)
        tier = tiers.get(row, "none")
        if result == "missed" and tier in ("none", "absent"):
            result = "unwatched" if tier == "none" else "unavailable"
        out.append(Result(where, row, tier, kind, act, result, detail))
    return out
