#!/usr/bin/env python3
"""docs/dbus.md and docs/configuration.md, from what the manual pages are made of.

    reference.py dbus XML...                 the D-Bus reference, to standard output
    reference.py configuration PROGRAM...    that of the files, from what the daemons print
    reference.py --check FILE ...            with either of these: exits 1 where FILE is not what would be printed
"""
import pathlib
import subprocess
import sys
import xml.dom.minidom

import config_page
import interface_page

DBUS = """# D-Bus reference

Made from `dbus/interfaces/*.xml`, which is the API: `packaging/man/reference.py dbus dbus/interfaces/*.xml`. Each
interface is a manual page too (`man org.akm.Node1`), and the files are installed in `/usr/share/dbus-1/interfaces`.
Types are those of the D-Bus specification. Who may call what: [security.md](security.md).
"""
CONFIGURATION = """# Configuration reference

Made from the tables in the code: `packaging/man/reference.py configuration akmd akm-nmmd akm-rootd`, with the paths of
the programs. `/etc/akm/PROGRAM.toml` is TOML; drop-ins `/etc/akm/PROGRAM.toml.d/*.toml` are read after it, in the order
of their names, and a later one wins; tables of an array (`[[name]]`) add up. A key that is not listed here, a value of
another type or out of bounds is an error that names file and line. `PROGRAM --check-config` says so beforehand;
`systemctl reload PROGRAM` takes a valid configuration only. Each key is shown with its default. The policy on
detections has a file of its own: [policy.md](policy.md).
"""


def plain(text):
    """As running text: nothing in it is markup."""
    for mark in "\\<*_|`":
        text = text.replace(mark, "\\" + mark)
    return text


def dbus(files):
    yield DBUS
    for file in files:
        interface = xml.dom.minidom.parse(file)
        yield f"## {interface_page.name_of(interface)}\n"
        yield from (plain(text) + "\n" for text in interface_page.about(interface))
        all_members = list(interface_page.members(interface_page.element(interface)))
        for kind, title in interface_page.KINDS.items():
            chosen = [one for one in all_members if one[0] == kind]
            if chosen:
                yield f"### {title.capitalize()}\n"
            for _, signature, texts in chosen:
                yield f"- `{signature}`" + "".join("  \n  " + plain(text) for text in texts)
            if chosen:
                yield ""


def configuration(programs):
    yield CONFIGURATION
    for program in programs:
        printed = subprocess.run([program, "--print-config"], check=True, capture_output=True, text=True).stdout
        yield f"## {pathlib.Path(program).name}.toml"
        for kind, text, doc in config_page.entries(printed.splitlines()):
            if kind == "table":
                yield f"\n### `{text}`\n\n| key | default | meaning |\n| --- | --- | --- |"
            else:
                key, default = text.split(" = ", 1)
                yield f"| `{key}` | `{default}` | {plain(doc)} |"
        yield ""


def main(words):
    committed = words[1] if words[:1] == ["--check"] else None
    kind, *sources = words[2:] if committed else words
    text = "\n".join({"dbus": dbus, "configuration": configuration}[kind](sources)).rstrip() + "\n"
    if not committed:
        print(text, end="")
    elif pathlib.Path(committed).read_text(encoding="utf-8") != text:
        sys.exit(f"{committed} is not what packaging/man/reference.py {kind} prints: write it anew")


if __name__ == "__main__":
    main(sys.argv[1:])
