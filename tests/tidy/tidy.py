#!/usr/bin/env python3
"""Lints the tree for what no compiler checks: edges between layers, lengths, banned calls, tests of the same name,
links between documents.

tidy.py [ROOT]   prints one line a finding (path:line: what, and what to do) and exits 1 when there is any.
tidy.py --self   proves that each rule can fail, on small bad trees made in a temporary folder.
"""
import pathlib
import re
import sys
import tempfile

FILE_LINES = 500
FUNCTION_LINES = 70  # "about 60": the house rule with room for a long table of fields
MAIN_LINES = 100

# layer -> layers whose headers it may include (ARCHITECTURE.md, "Edges"); itself is always allowed.
EDGES = {
    "daemon/base": [],
    "daemon/crypto": ["daemon/base"],
    "daemon/protocol": ["daemon/base", "daemon/crypto"],
    "daemon/policy": ["daemon/base", "daemon/crypto", "daemon/protocol"],
    "daemon/io": ["daemon/base"],
    "daemon/store": ["daemon/base", "daemon/crypto"],
    "keyring": ["daemon/base", "daemon/crypto"],
    "bpf/loader": ["daemon/base", "bpf/include"],
    "dbus": ["daemon/base"],
    "daemon/service": ["daemon/base", "daemon/crypto", "daemon/protocol", "daemon/policy", "daemon/io", "daemon/store",
                       "keyring", "dbus"],
    "daemon/sentry": ["daemon/base", "daemon/crypto", "daemon/protocol", "daemon/policy", "daemon/io", "daemon/store",
                      "daemon/service", "keyring", "bpf/loader"],
    "daemon/watch": ["daemon/base", "daemon/crypto", "daemon/protocol", "daemon/policy", "daemon/io", "daemon/store",
                     "daemon/service", "keyring"],
    "daemon/node": ["daemon/base", "daemon/crypto", "daemon/protocol", "daemon/policy", "daemon/io", "daemon/store",
                    "daemon/service", "daemon/sentry", "daemon/watch", "keyring", "dbus", "bpf/loader", "bpf/include"],
    "daemon/nmm": ["daemon/base", "daemon/crypto", "daemon/protocol", "daemon/policy", "daemon/io", "daemon/store",
                   "daemon/service", "daemon/sentry", "daemon/watch", "keyring", "dbus"],
    "daemon/root": ["daemon/base", "daemon/crypto", "daemon/protocol", "daemon/policy", "daemon/io", "daemon/store",
                    "daemon/service", "keyring", "dbus"],
    "tools/akmctl": ["daemon/base", "daemon/policy", "dbus"],
    "tools/akm-bench": ["daemon/base", "daemon/crypto", "daemon/protocol", "daemon/policy", "daemon/io", "daemon/store",
                        "keyring"],
    "tools/akm-sim": ["daemon/base", "daemon/crypto", "daemon/protocol", "daemon/policy"],
}
# Single files that a layer may include beside its edges: the ports through which the bus knows a role.
# Each level takes up a little of the one below: to its Root an NMM is what a node is to an NMM.
# The gate on the port is the one piece of bpf that more than a node has.
PORTS = {"tools/akmctl": {"daemon/store/audit_check.h",  # a log is read where no daemon is, and so are policies
                          "daemon/service/config.h", "daemon/service/policy_file.h",
                          "daemon/service/recovery_text.h"},
         "daemon/service": {"bpf/loader/gate.h", "bpf/loader/gate_hook.h", "bpf/include/akm_gate.h"},
         "dbus": {"daemon/node/control_port.h", "daemon/nmm/control_port.h", "daemon/root/control_port.h"},
         "daemon/nmm": {"daemon/node/control_port.h", "daemon/node/hardware.h",
                        "daemon/node/nmm_link.h",
                        "daemon/node/node_record.h", "daemon/node/tpm_import.h"},
         "daemon/root": {"daemon/node/nmm_link.h", "daemon/nmm/bundle_drive.h", "daemon/nmm/bundle_writing.h",
                         "daemon/nmm/tpm_writing.h",
                         "daemon/nmm/due_times.h", "daemon/nmm/requests.h",
                         "daemon/nmm/root_secret.h", "daemon/nmm/running_clock.h"}}
# The core takes time and randomness as arguments and touches no descriptor, clock, thread or log (rule 3).
PURE = ("daemon/protocol", "daemon/policy")
IMPURE = re.compile(r'#include [<"](unistd\.h|fcntl\.h|sys/|thread|mutex|fstream|iostream|filesystem|ctime|time\.h|'
                    r'daemon/base/(log|unique_fd|atomic_file)\.h)')
BANNED = [
    (re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|tmpnam|mktemp)\s*\("),
     "unbounded or racy C call"),
    (re.compile(r"(?<![\w.>:])(system|popen)\s*\("), "a shell: call the program with an argument vector"),
    (re.compile(r"(?<![\w.>])(rand|srand|drand48|rand_r)\s*\("), "not a source of randomness: take a RandomSource"),
    (re.compile(r"std::(cout|cerr|clog)\b"), "streams: use log (daemons) or fmt (tools)"),
    (re.compile(r"\.value_or\s*\(.*toml|toml.*\.value_or\s*\("), "value_or hides a wrong type (0x81000001 became 0)"),
    # Except a timerfd that is never due: the kernel cancels it when a suspend ends (daemon/io/loop_base.cpp).
    (re.compile(r"\b(system_clock|gettimeofday|CLOCK_REALTIME(?!, TFD_))\b"), "wall clock: nothing here depends on it"),
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "unfinished: do it, or say it in the note"),
    (re.compile(r"NOLINT(?!(NEXTLINE|BEGIN|END)?\([\w.,* -]+\))|NOLINT(NEXTLINE|BEGIN)?\([^)]*\)(?!: \S)"),
     "NOLINT without the check's name and the reason: NOLINT(name): why"),
]
# Where the wall clock is right: time stamps for people, the timer that notices suspend, tests that falsify or set it.
WALL_CLOCK = {"daemon/base/log.cpp", "daemon/base/wall_time.cpp", "daemon/base/wall_time.h",
              "daemon/io/loop_base.cpp", "tests/support/wall_clock.cpp", "tests/attacks/on_clock.cpp"}
NO_FUNCTION = re.compile(r"(namespace|extern|struct|class|enum|union)\b")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")
SOURCE_DIRS = ("daemon", "keyring", "bpf", "dbus", "tools", "tests")
# Wrappers of one library each, main programs and generated code have no unit test of their own.
NO_UNIT_TEST = {"main.cpp", "secret_observer_none.cpp"}


def sources(root, *suffixes):
    for folder in SOURCE_DIRS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and "build" not in path.parts:
                yield path


def layer_of(relative):
    """The longest layer that is a prefix of the path, or None."""
    best = None
    for layer in EDGES:
        if relative.startswith(layer + "/") and (best is None or len(layer) > len(best)):
            best = layer
    return best


def check_edges(relative, lines):
    layer = layer_of(relative)
    if layer is None:
        return
    allowed = set(EDGES[layer]) | {layer}
    for number, line in enumerate(lines, 1):
        if relative.startswith(PURE) and IMPURE.search(line):
            yield number, f"{layer} is pure: no descriptor, clock, thread or log ({line.strip()})"
        match = re.match(r'\s*#include "([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        if target in PORTS.get(layer, ()) or "/" not in target:
            continue
        other = layer_of(target)
        if other is not None and other not in allowed:
            yield number, f"edge {layer} -> {other} is not allowed (ARCHITECTURE.md, Edges)"


def check_lengths(relative, lines):
    if len(lines) > FILE_LINES:
        yield len(lines), f"{len(lines)} lines in a file, at most {FILE_LINES}: split it by noun"
    if relative.endswith("main.cpp") and len(lines) > MAIN_LINES:
        yield len(lines), f"main.cpp has {len(lines)} lines, at most {MAIN_LINES}: main wires, libraries work"
    start = None
    for number, line in enumerate(lines, 1):
        # clang-format puts definitions and their closing brace in column 0; namespaces close with a comment.
        if line.endswith("{") and line[:1] not in (" ", "}", "#", "") and not NO_FUNCTION.match(line):
            start = number if start is None else start
        elif start is None and re.match(r"[A-Za-z_~].*\($|[A-Za-z_~].*[(,]$", line):
            start = number
        elif line.startswith("}") or (line.endswith(";") and not line.startswith(" ") and start):
            length = number - start + 1 if start is not None and line.startswith("}") else 0
            if length > FUNCTION_LINES and not line.startswith("};"):
                yield start, f"{length} lines in a function, at most {FUNCTION_LINES}: split it"
            start = None


def check_calls(relative, lines):
    if relative.startswith("tests/tidy/"):
        return
    for number, line in enumerate(lines, 1):
        code = line.split("//")[0]
        for pattern, why in BANNED:
            if "wall clock" in why and relative in WALL_CLOCK:
                continue
            if pattern.search(line if re.search("TODO|NOLINT", pattern.pattern) else code):
                yield number, f"banned: {why}"


def check_header(relative, lines):
    if relative.endswith(".h") and not relative.endswith(".bpf.h") and "#pragma once" not in lines[:6] \
            and not any(line.startswith("#ifndef") for line in lines[:12]):
        yield 1, "a header starts with #pragma once"


def check_tests(root):
    tests = {path.name for path in root.glob("tests/**/test_*.cpp")}
    for path in sources(root, ".cpp"):
        relative = path.relative_to(root).as_posix()
        layer = layer_of(relative)
        if layer is None or path.name in NO_UNIT_TEST or layer.startswith("tools/"):
            continue
        if f"test_{path.stem}.cpp" not in tests:
            yield relative, 1, f"has no test of the same name (tests/**/test_{path.stem}.cpp)"


def check_links(root):
    """What documents refer to is there."""
    for path in sorted([*root.glob("*.md"), *root.glob("docs/*.md")]):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for target in LINK.findall(line):
                if not (path.parent / target).exists():
                    yield path.relative_to(root).as_posix(), number, f"a link to nothing: {target}"


def tidy(root):
    findings = []
    for path in sources(root, ".cpp", ".h", ".c"):
        relative = path.relative_to(root).as_posix()
        lines = path.read_text(errors="replace").splitlines()
        for check in (check_edges, check_lengths, check_calls, check_header):
            findings += [(relative, number, what) for number, what in check(relative, lines)]
    findings += [*check_tests(root), *check_links(root)]
    return findings


BAD = {
    "edge": ("daemon/crypto/a.h", '#pragma once\n#include "daemon/io/loop.h"\n'),
    "pure": ("daemon/protocol/a.h", "#pragma once\n#include <unistd.h>\n"),
    "file length": ("daemon/base/a.h", "#pragma once\n" + "int x;\n" * 501),
    "function length": ("daemon/base/a.h", "#pragma once\nint f() {\n" + "  g();\n" * 80 + "}\n"),
    "wrapped signature": ("daemon/base/a.h", "#pragma once\nint f(int a,\n      int b) {\n" + "  g();\n" * 80 + "}\n"),
    "banned": ("daemon/base/a.h", "#pragma once\ninline void f(char* p) { strcpy(p, p); }\n"),
    "NOLINT of everything": ("daemon/base/a.h", "#pragma once\nint* x = 0;  // NOLINT\n"),
    "NOLINT without a reason": ("daemon/base/a.h", "#pragma once\nint* x = 0;  // NOLINT(modernize-use-nullptr)\n"),
    "main": ("daemon/node/main.cpp", "int x;\n" * 101),
    "pragma": ("daemon/base/a.h", "int x;\n"),
    "test": ("daemon/base/lonely.cpp", "int x;\n"),
    "link": ("docs/a.md", "see [b](b.md#part) and [web](https://example.org/c.md)\n"),
}


def self_test():
    failed = 0
    for name, (path, text) in BAD.items():
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / path
            file.parent.mkdir(parents=True)
            file.write_text(text)
            found = tidy(pathlib.Path(folder))
            print(f"{'ok' if found else 'NOT FOUND'}: {name}")
            failed += not found
    return failed


if __name__ == "__main__":
    if "--self" in sys.argv:
        sys.exit(1 if self_test() else 0)
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    found = tidy(root)
    for relative, number, what in found:
        print(f"{relative}:{number}: {what}")
    print(f"tidy: {len(found)} findings")
    sys.exit(1 if found else 0)
