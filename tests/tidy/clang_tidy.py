#!/usr/bin/env python3
"""Runs clang-tidy-19 over what is compiled, and only over what has changed since it was last found clean.

clang_tidy.py BUILD          looks at the product's sources, as tools/check does; exits 1 when there is a finding.
clang_tidy.py BUILD --tests  looks at the tests too.
clang_tidy.py BUILD --deep   adds the slow checks: the static analyzer and names.
clang_tidy.py --self         proves on a small tree that a finding is reported, and a change looked at again.

BUILD is a finished Ninja build of the tree that this file stands in. A source is known to be clean while clang-tidy,
the settings, the compile command and the contents of the source and of all its headers are those that were found clean.
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOOL = "clang-tidy-19"
SETTINGS = pathlib.Path(__file__).parents[2] / ".clang-tidy"
PRODUCT = ("daemon/", "keyring/", "bpf/loader/", "dbus/", "tools/")
TESTS = ("tests/",)
KNOWN_FILES = 4000  # some ten changes of a header that everything includes
PRECOMPILED = re.compile(r"/cmake_pch\.hxx(\.gch)?$")
PRECOMPILED_FLAGS = re.compile(r" -Winvalid-pch\b| -fpch-preprocess\b| -include \S+/cmake_pch\.hxx\b")
FINDING = re.compile(r"^(\S+:\d+:\d+: (?:warning|error): .*\])$", re.MULTILINE)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@functools.cache
def version():
    return output(TOOL, "--version")


@functools.cache
def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def files_of_objects(build):
    """object -> the files that its compilation read, from Ninja's log."""
    found = {}
    current = None
    for line in output("ninja", "-C", str(build), "-t", "deps").splitlines():
        if line.startswith(" "):
            path = os.path.normpath(build / line.strip())
            if not PRECOMPILED.search(path):
                found[current].append(path)
        elif ": #deps" in line:
            current = line.split(":")[0]
            found[current] = []
    return found


def compilations(root, build, folders):
    """path below root -> (entry of the database, files read); the first target of a source stands for all."""
    files = files_of_objects(build)
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), root)
        if path.startswith(folders) and path not in found:
            target = re.search(r" -o (\S+)", entry["command"]).group(1)
            if target not in files:
                sys.exit(f"clang_tidy: {target} is not built: build {build} first")
            found[path] = ({**entry, "command": PRECOMPILED_FLAGS.sub("", entry["command"])}, files[target])
    return found


def key(root, entry, files, checks):
    """Names all that an answer depends on. Two clones of one tree agree on it, so paths are those below the root."""
    state = hashlib.sha256()
    for part in (version(), digest(SETTINGS), checks, entry["command"].replace(str(root), "")):
        state.update(part.encode() + b"\0")
    for path in sorted(files):
        state.update(f"{path.replace(str(root), '')} {digest(path)}\0".encode())
    return state.hexdigest()


def slow():
    """The checks that stand below the words "--deep" in the settings, and the static analyzer."""
    return ",".join(["clang-analyzer-*", *re.findall(r"^  - -(\S+)$", SETTINGS.read_text().split("--deep:")[1], re.M)])


def look_at(root, database, path, checks):
    """The findings of one source."""
    ran = subprocess.run([TOOL, "-p", database, "--quiet", f"--config-file={SETTINGS}", f"--checks={checks}",
                          "--warnings-as-errors=*", "--extra-arg=-Wno-error",  # else what is off is an error
                          root / path], capture_output=True, text=True)
    found = {line.replace(f"{root}/", "") for line in FINDING.findall(ran.stdout)}
    if ran.returncode != 0 and not found:
        found = {f"{path}:1:1: {TOOL} ended with {ran.returncode}: {(ran.stdout + ran.stderr)[-2000:]}"}
    return found


def look_at_all(root, entries, checks, jobs):
    """path -> its findings, as they come. clang-tidy cannot read what g++ precompiled: its database is its own."""
    with tempfile.TemporaryDirectory() as database, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        (pathlib.Path(database) / "compile_commands.json").write_text(json.dumps(list(entries.values())))
        yield from zip(entries, pool.map(lambda path: look_at(root, database, path, checks), entries))


def forget_oldest(known):
    for path in sorted(known.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[KNOWN_FILES:]:
        path.unlink(missing_ok=True)


def lint(root, build, folders, checks, known, jobs):
    """Returns (findings, sources, sources looked at); `known` is the folder of what was found clean."""
    digest.cache_clear()
    known.mkdir(parents=True, exist_ok=True)
    compiled = compilations(root, build, folders)
    marks = {path: known / key(root, entry, files, checks) for path, (entry, files) in compiled.items()}
    changed = {path: entry for path, (entry, _) in compiled.items() if not marks[path].exists()}
    for path in marks.keys() - changed.keys():
        marks[path].touch()  # the oldest are forgotten
    findings = set()
    for path, found in look_at_all(root, changed, checks, jobs):
        findings |= found
        if not found:
            marks[path].touch()  # at once: a run that is cut short is not lost
    forget_oldest(known)
    return sorted(findings), len(compiled), len(changed)


HEADER = "#pragma once\nconstexpr int kTwo = 2;\nint twice(int value);\n"
CLEAN = '#include "daemon/base/planted.h"\n\nint twice(int value) { return value * kTwo; }\n'
PLANTED = {
    "a finding in a source": ("planted.cpp", CLEAN + "int* nothing() { return 0; }\n"),
    "a finding in a header": ("planted.h", HEADER + "inline int* none() { return 0; }\n"),
    "a source that does not compile": ("planted.cpp", CLEAN + "int broken() { return missing; }\n"),
}
NINJA = """rule cxx
  command = c++ -std=c++23 -I{root} -Winvalid-pch -include {root}/build/cmake_pch.hxx -MD -MF $out.d -o $out -c $in
  depfile = $out.d
  deps = gcc
build planted.o: cxx {root}/daemon/base/planted.cpp
"""


def self_test(root):
    build, layer, known = root / "build", root / "daemon/base", root / "known"
    failed = 0

    def expect(what, findings, looked):
        nonlocal failed
        got = lint(root, build, PRODUCT, "", known, 1)
        good = bool(got[0]) == findings and got[2] == looked
        print(f"{'ok' if good else 'WRONG'}: {what} {'' if good else got}")
        failed += not good

    def write(name, text):
        (layer / name).write_text(text)

    build.mkdir()
    layer.mkdir(parents=True)
    write("planted.h", HEADER)
    write("planted.cpp", CLEAN)
    (build / "cmake_pch.hxx").write_text("#ifdef __clang__\n#error g++ alone reads this\n#endif\n")
    (build / "build.ninja").write_text(NINJA.format(root=root))
    output("ninja", "-C", str(build))
    (build / "compile_commands.json").write_text(output("ninja", "-C", str(build), "-t", "compdb"))
    expect("a clean source is looked at", False, 1)
    expect("... and not again", False, 0)
    write("planted.h", HEADER + "\n")
    expect("... until its header changes", False, 1)
    for what, (name, text) in PLANTED.items():
        before = (layer / name).read_text()
        write(name, text)
        expect(what, True, 1)
        expect("... is found again", True, 1)
        write(name, before)
    expect("what was clean before is known", False, 0)
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", type=pathlib.Path)
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--self", dest="self_test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        with tempfile.TemporaryDirectory() as folder:
            return 1 if self_test(pathlib.Path(folder).resolve()) else 0
    if options.build is None:
        parser.error("BUILD is missing")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    findings, total, looked = lint(SETTINGS.parent.resolve(), options.build.resolve(),
                                   PRODUCT + TESTS if options.tests else PRODUCT, slow() if options.deep else "",
                                   cache / "akm-clang-tidy", options.jobs)
    for finding in findings:
        print(finding)
    print(f"clang-tidy: {len(findings)} findings in {total} sources, of which {looked} had changed")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
