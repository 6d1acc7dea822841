"""What attacks.sh said, act by act: was it noticed, and on which tier.

A result is a line of seven fields: where (host, or a guest's kernel and mode), row, tier, kind (attack, around,
benign), act, result, and a word on it. Results are

    detected, silent    as it should be: an attack or a way around was noticed, a harmless act was not
    missed, alarm       as it should not be, or as docs/detections.md says
    unwatched           nothing here watches for this row
    unavailable         there is no such call, device or file here, or a race was not won
    died                the act did not come to its end

Acts that are no program's but a test's of its own (a machine that is there twice, a stick that is plugged in) are
written into a Book by that test, after it has asserted what became of them.
"""
import dataclasses
import json
import os
import pathlib
import re

FIELD = re.compile(r'AKM_([A-Z_]+)=("(?:[^"\\]|\\.)*"|\S*)')


BUILD = pathlib.Path(os.environ.get("AKM_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build/dev"))
FOLDER = BUILD / "vm-results"
# What no tier sees, and what the tracepoint tier does not, as docs/detections.md says.
BLIND_EVERYWHERE = {"d16-copy"}
BLIND = {"d1-ia32", "d2-ia32", "d2-mem-uring-at", "d6-ia32", "d15-ia32", "d31-ia32", "d31-userns"}
USER_SPACE = "user space"
NOBODY = "nobody named"


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


class Book:
    """What one test found, in a file beside those of the acts. What an earlier run of it found is forgotten."""

    def __init__(self, test, where="host"):
        self.where = where
        self.path = FOLDER / f"{where}+{test}.tsv"
        FOLDER.mkdir(exist_ok=True)
        self.path.write_text("")

    def add(self, row, kind, act, result, detail="", tier=USER_SPACE):
        with open(self.path, "a", encoding="utf-8") as out:
            out.write(Result(self.where, row, tier, kind, act, result, detail).line() + "\n")

    def detected(self, row, act, detail="", around=False, tier=USER_SPACE):
        self.add(row, "around" if around else "attack", act, "detected", detail, tier)

    def silent(self, row, act, tier=USER_SPACE):
        self.add(row, "benign", act, "silent", "", tier)


def _known(one):
    return one.act in BLIND_EVERYWHERE or "tracepoint" in one.tier and one.act in BLIND


def wrong(found):
    """The lines of those that are not as they should be, nor as docs/detections.md says."""
    return [one.line() for one in found if one.result in ("alarm", "died")
            or one.result == "missed" and not _known(one)]


def from_line(line):
    return Result(*line.rstrip("\n").split("\t"))


def status(text):
    """The node's status before anything was done to it: its probes with their tiers, counters, findings."""
    lines = [line[7:] for line in text.splitlines() if line.startswith("STATUS ")]
    return json.loads(lines[0]) if lines else {}


def _tiers(text):
    """The tier of each row; several may share a line of the node's: "D26, D27"."""
    probes = status(text).get("probes", {})
    return {row: said.split(":")[0] for rows, said in probes.items() for row in rows.split(", ")}


def _records(text):
    for line in text.splitlines():
        if line.startswith("LOG "):
            yield {name: value.strip('"') for name, value in FIELD.findall(line)}


def _judged(row, kind, what, detection, own, nobody):
    """(result, detail) of one act, from the records that name it and one that names nobody, or None."""
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
    if classes and row != "D32":  # where the class is the point: that less is seen than was
        return "detected", f"as {' '.join(sorted(classes))}"
    if nobody is not None:
        return "detected", NOBODY
    return "missed", what


def results(where, text):
    """A Result for each act of the output of attacks.sh."""
    tiers = _tiers(text)
    records = list(_records(text))
    out = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 7 or words[0] != "ACT":
            continue
        _, row, detection, kind, act, pid, what = words[:7]
        own = [one for one in records
               if one.get("COMM") == act or pid in [one.get(who) for who in ("TGID", "PID", "PARENT")]]
        nobody = next((one for one in records
                       if one.get("CLASS") == detection and not {"COMM", "TGID", "PID"} & one.keys()), None)
        result, detail = _judged(row, kind, what, detection, own, nobody)
        if detail == NOBODY and row != "D32":  # of losses between two looks one record speaks for all
            records.remove(nobody)
        tier = tiers.get(row, USER_SPACE)
        if result == "missed" and tier in (USER_SPACE, "absent"):
            result = "unwatched" if tier == USER_SPACE else "unavailable"
        out.append(Result(where, row, tier, kind, act, result, detail))
    return out
