#!/usr/bin/env python3
"""Each MESSAGE_ID of daemon/base/message_ids.h is in packaging/catalog/akm.catalog, and the other way round."""
import pathlib
import re
import sys


def compare(header, catalog):
    """Sentences about what is missing or wrong; none when all is well."""
    ids = re.findall(r'\b(k\w+) = "([0-9a-f]{32})"', header)
    entries = re.findall(r"^-- (\S+)\n((?:[A-Z][A-Za-z-]*: .*\n)+)\n(.+)", catalog, re.MULTILINE)
    known = [entry[0] for entry in entries]
    for name, number in ids:
        if number not in known:
            yield f"{name} ({number}) is not in the catalog"
    for number in known:
        if number not in [one for _, one in ids]:
            yield f"{number} of the catalog is no message id"
    for kind, numbers in (("message id", [one for _, one in ids]), ("entry of the catalog", known)):
        yield from (f"{one} is twice a {kind}" for one in sorted(set(numbers)) if numbers.count(one) > 1)
    for number, head, _ in entries:
        for field in ("Subject", "Defined-By", "Documentation"):
            if not re.search(rf"^{field}: \S", head, re.MULTILINE):
                yield f"{number} has no {field}"
    for part in re.split(r"^-- ", catalog, flags=re.MULTILINE)[1:]:
        if not re.search(r"^To do: \S", part, re.MULTILINE):
            yield f"{part.split()[0]} does not say what to do"
    if catalog.count("\n-- ") != len(entries):
        yield "an entry of the catalog has no text"


def self_test():
    good = "\n-- " + "a" * 32 + "\nSubject: s\nDefined-By: AKM\nDocumentation: man:x(1)\n\ntext\n\nTo do: x\n"
    header = 'kOne = "' + "a" * 32 + '";'
    assert not list(compare(header, good))
    for other, text in ((header + 'kTwo = "' + "b" * 32 + '";', good), ("", good), (header, ""),
                        (header, good.replace("Subject: s\n", "")),
                        (header, good.replace("To do: x\n", "")), (header, good + good),
                        (header, good + "\n-- " + "a" * 31 + "\n")):
        assert list(compare(other, text)), text


def main():
    self_test()
    root = pathlib.Path(__file__).resolve().parents[2]
    wrong = list(compare((root / "daemon/base/message_ids.h").read_text(),
                         (root / "packaging/catalog/akm.catalog").read_text()))
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
