#!/usr/bin/env python3
"""Runs Spin on the model.

test_model.py check    no run of the model ends in a violation, and the runs together take each of its steps
test_model.py bugs     each planted mistake is found
test_model.py words PROGRAM   the comparison of PROGRAM with the table holds, and fails on a wrong, new or lost step
test_model.py large    the larger runs, by hand (docs/testing.md, "Model")
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

FOLDER = pathlib.Path(__file__).parent
MODEL = FOLDER / "establishment.pml"  # it includes the others
STEPS = FOLDER / "steps.pml"
FILES = sorted(FOLDER.glob("*.pml"))
# The model's runs are finite and its processes share all they have: partial order reduction finds nothing to leave out.
# Without optimisation: most take longer to compile than to run.
COMPILE = ["gcc", "-w", "-DNOREDUCE", "-DMEMLIM=12000"]
SAFETY = ["-DSAFETY", "-DCOLLAPSE"]
LONG = [*SAFETY, "-O1"]
# A formula is checked with a compressed product; all runs are finite, so that no fairness is needed for an end.
LIVENESS = ["-DCOLLAPSE"]
BITSTATE = ["-DSAFETY", "-DBITSTATE", "-O1"]

PAIR = {"N": 2, "STARTS": 2, "QUIET_STARTS": 2, "CRASHES": 1, "GIVEUPS": 1}
SMALL = PAIR | {"STARTS": 1}
TRIPLE = {"N": 3, "STARTS": 1, "QUIET_STARTS": 2, "CRASHES": 1, "GIVEUPS": 0}
FOUR = TRIPLE | {"N": 4, "QUIET_STARTS": 1, "CRASHES": 0}
OVERTAKING = TRIPLE | {"STARTS": 2, "QUIET_STARTS": 1, "CRASHES": 0}
# Who was left out may need one more.
QUORUM = {"QUORUM": 1, "QUIET_STARTS": 3}
MAJORITY = OVERTAKING | QUORUM | {"QUIET_STARTS": 2, "NO_FALLBACK": 1}
# With the third chain: two members that crash, or three of which a majority may go on with the failsafe chain too.
FAILSAFE = {"FAILSAFE": 1}
PAIR_FAILSAFE = PAIR | FAILSAFE | {"QUIET_STARTS": 1, "GIVEUPS": 0}
MAJORITY_FAILSAFE = TRIPLE | QUORUM | FAILSAFE | {"CRASHES": 0}

CHECKS = {
    "two members": (PAIR, SAFETY),
    "two members, the normal chain goes on": (PAIR | {"NORMAL_GOES_ON": 1}, SAFETY),
    "three members": (TRIPLE, SAFETY),
    "three members, overtaking": (OVERTAKING, SAFETY),
    "three members, star": (TRIPLE | {"STAR": 1}, SAFETY),
    "three members, majority": (TRIPLE | QUORUM | {"CRASHES": 0}, SAFETY),
    "three members, majority, overtaking": (MAJORITY, LONG),
    "four members": (FOUR, SAFETY),
    "two members, failsafe chain": (PAIR_FAILSAFE, SAFETY),
    "three members, failsafe chain, overtaking": (OVERTAKING | FAILSAFE, SAFETY),
    "three members, failsafe chain, majority": (MAJORITY_FAILSAFE, SAFETY),
    "four members, failsafe chain": (FOUR | FAILSAFE, SAFETY),
    "two members, agreement as a formula": (SMALL | {"FAIR": 1}, LIVENESS),
    "two members, failsafe chain, agreement as a formula": (SMALL | FAILSAFE | {"FAIR": 1}, LIVENESS),
}
LARGE = {
    "two members, three attempts": (PAIR | {"STARTS": 3}, LONG),
    "three members, overtaking and a crash": (OVERTAKING | {"CRASHES": 1}, BITSTATE),
    "three members, majority and a crash": (TRIPLE | QUORUM, BITSTATE),
    "four members and a crash": (FOUR | {"CRASHES": 1}, BITSTATE),
    "four members, majority": (FOUR | QUORUM | {"QUIET_STARTS": 2}, BITSTATE),
    "two members, failsafe chain, three attempts": (PAIR_FAILSAFE | {"STARTS": 3}, LONG),
    "three members, failsafe chain, majority, overtaking": (
        MAJORITY_FAILSAFE | {"STARTS": 2, "QUIET_STARTS": 2}, BITSTATE),
}
# What is planted, where, and what must be said of it.
ASSERTION = "assertion violated"
BUGS = {
    "BUG_UNSTORED": (PAIR, SAFETY, ASSERTION),
    "BUG_COMMIT_ON_SEC": (PAIR, SAFETY, ASSERTION),
    "BUG_LEFT_SEF": (PAIR, SAFETY, ASSERTION),
    "BUG_JOIN_BELOW": (PAIR, SAFETY, ASSERTION),
    "BUG_OLD_CONTRIBUTION": (PAIR, SAFETY, ASSERTION),
    "BUG_OTHER_E": (PAIR, SAFETY, ASSERTION),
    "BUG_HIGH_IS_COMMITTED": (PAIR, SAFETY, ASSERTION),
    "BUG_CHAINS_APART": (PAIR | {"QUIET_STARTS": 1, "GIVEUPS": 2}, SAFETY, ASSERTION),
    "BUG_P_SHRINKS": (MAJORITY, SAFETY, ASSERTION),
    "BUG_FAILSAFE_KEPT": (MAJORITY_FAILSAFE, SAFETY, ASSERTION),
    "BUG_SPENT_EARLY": (PAIR_FAILSAFE, SAFETY, "invalid end state"),
    "BUG_FALLBACK_KEPT": (PAIR_FAILSAFE, SAFETY, "invalid end state"),
    "BUG_HIGH_OF_NORMAL": (PAIR_FAILSAFE, SAFETY, ASSERTION),
    "BUG_NO_RETRY": (SMALL, SAFETY, "invalid end state"),
    "BUG_NO_RETRY FAIR": (SMALL, LIVENESS, "acceptance cycle"),
}


def run(defines, options, folder):
    """What pan prints for one configuration, and the seconds it took."""
    macros = [f"-D{name}={value}" for name, value in defines.items()]
    subprocess.run(["spin", *macros, "-a", MODEL], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*COMPILE, *options, "-o", "pan", "pan.c"], cwd=folder, check=True)
    arguments = ["-m100000", *(["-a"] if options is LIVENESS else []),
                 *(["-w33", "-k3"] if options is BITSTATE else [])]
    began = time.monotonic()
    said = subprocess.run(["./pan", *arguments], cwd=folder, check=False, capture_output=True, text=True).stdout
    return said, time.monotonic() - began


def figure(pattern, said):
    found = re.search(pattern, said)
    return found.group(1) if found else "-"


def report(name, said, seconds):
    states = figure(r"([0-9.e+]+) states, stored", said)
    depth = figure(r"depth reached (\d+)", said)
    memory_mb = figure(r"([0-9.]+)\ttotal actual memory", said)
    factor = figure(r"hash factor: ([0-9.]+)", said)
    print(f"{name}: {states} states, depth {depth}, {memory_mb} MB, {seconds:.0f} s, hash factor {factor}", flush=True)


def steps_of_text():
    """The MOVEs of the model, without the one that defines them."""
    return {step for file in FILES for step in re.findall(r":: MOVE\((\w+), (\w+), (\w+)\)", file.read_text())}


def check(configurations, folder):
    failed = False
    taken = set()
    for name, (defines, options) in configurations.items():
        said, seconds = run(defines, options, folder)
        report(name, said, seconds)
        taken |= set(re.findall(r"moved (\w+) (\w+) (\w+) \d+", said))
        if "errors: 0" not in said or "Search not completed" in said or "max search depth" in said:
            print(said)
            failed = True
    return failed, taken


def find_bugs(folder):
    failed = False
    for bug, (defines, options, wanted) in BUGS.items():
        planted = dict.fromkeys(bug.split(), 1)
        said, seconds = run(defines | planted, options, folder)
        found = re.search(rf"pan:\d+: (.*{wanted}.*)", said)
        # Bounds that were too small are no proof of anything.
        good = found and "CANDIDATES" not in said and "t2<" not in found.group(1)
        print(f"{bug}: {found.group(1)[:90] if good else 'NOT FOUND'} ({seconds:.1f} s)", flush=True)
        failed |= not good
    return failed


def compare_words(program, folder):
    """PROGRAM says yes to the model, and no to each disturbed copy of its steps."""
    text = STEPS.read_text()
    step = ":: MOVE(SEF, final, SE)"
    assert text.count(step) == 1
    copies = {
        "as it is": (text, 0),
        "a step that the table forbids": (text.replace(step, step + "\n    :: MOVE(SE, final, SEF)"), 1),
        "a step less": (text.replace(step, ""), 1),
        "a word that the table does not know": (text.replace(step, step + "\n    :: MOVE(SEF, finale, SE)"), 1),
        "a step that is listed as left out": (text.replace(step, step + "\n    :: MOVE(SEF, repeat, SEF)"), 1),
    }
    failed = False
    copy = pathlib.Path(folder) / "copy.pml"
    for name, (content, wanted) in copies.items():
        copy.write_text(content)
        others = [file for file in FILES if file != STEPS]
        done = subprocess.run([program, copy, *others], check=False, capture_output=True, text=True)
        good = done.returncode == wanted
        print(f"{name}: {'as it should' if good else 'WRONG'}\n{done.stdout}", end="")
        failed |= not good
    return failed


def main():
    if sys.argv[1] == "words":
        with tempfile.TemporaryDirectory() as folder:
            return compare_words(sys.argv[2], folder)
    if shutil.which("spin") is None:
        print("skipped: Spin is not installed (Debian package spin)")
        return 77
    what = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        if what == "bugs":
            return find_bugs(folder)
        failed, taken = check(LARGE if what == "large" else CHECKS, folder)
        if what == "check":
            for step in sorted(steps_of_text() - taken):
                print("no run takes the step " + " ".join(step))
                failed = True
        return failed


if __name__ == "__main__":
    sys.exit(main())
