#!/usr/bin/env python3
"""akmd.toml(5) and its like, from what the daemon prints: config_page.py PROGRAM FILE."""
import pathlib
import re
import sys

TABLE = re.compile(r"^#?(\[\[?[\w.]+\]\]?)$")
KEY = re.compile(r"^#([\w.]+) = (.*)$")


def roff(text):
    """As running text: nothing in it is a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def entries(lines):
    """("table", name, "") and ("key", "name = default", doc), in the order of the file, after its title."""
    doc = []
    started = False
    for line in lines:
        table, key = TABLE.match(line), KEY.match(line)
        if table:
            started = True
            yield "table", table[1], ""
        elif key and started:
            yield "key", f"{key[1]} = {key[2]}", " ".join(doc)
        elif line.startswith("# ") and started:
            doc.append(line[2:])
            continue
        elif line:
            if started:
                raise ValueError(f"neither table, key nor comment: {line}")
        doc = []


def page(program, text):
    file = f"/etc/akm/{program}.toml"
    out = [f'.TH {program.upper()}.TOML 5 "2026" "AKM" "File formats"', ".SH NAME",
           f"{program}.toml \\- configuration of {program}(8)", ".SH SYNOPSIS", f".I {file}", ".br",
           f".I {file}.d/*.toml",
           ".SH DESCRIPTION",
           "TOML. Drop\\-ins are read after the file, in the order of their names, and a later one wins; tables of",
           "an array ([[name]]) add up. A key that is not listed here, a value of another type or out of bounds is an",
           "error that names file and line, and the daemon does not start.", f".B {program} \\-\\-check\\-config",
           "says so beforehand, and", ".B systemctl reload", "takes a valid configuration only.",
           "Each key is shown with its default."]
    for kind, name, doc in entries(text.splitlines()):
        if kind == "table":
            out.append(f'.SH "{roff(name)}"')
        else:
            out += [".TP", f"\\fB{roff(name)}\\fR", roff(doc)]
    out += [".SH FILES", ".TP", f".I {file}", "As installed it sets nothing: every key stands there as a comment.",
            ".SH SEE ALSO", f".BR {program} (8),", ".BR akm\\-policy (5),", ".BR akmctl (1)"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    print(page(sys.argv[1], pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")), end="")
