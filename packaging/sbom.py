#!/usr/bin/env python3
"""SPDX 2.3 of the packages in a folder: their digests, and what they depend on as installed here. sbom.py FOLDER."""
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys


def field(deb, name):
    return subprocess.run(["dpkg-deb", "-f", str(deb), name], text=True, capture_output=True, check=True).stdout.strip()


def spdx_id(name):
    return "SPDXRef-Package-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def installed(name):
    """Version of a package of this machine, or None."""
    done = subprocess.run(["dpkg-query", "-W", "-f=${Version} ${Status}", name], text=True, capture_output=True,
                          check=False)
    return done.stdout.split()[0] if done.returncode == 0 and done.stdout.endswith("ok installed") else None


def package(name, version, **more):
    return {"SPDXID": spdx_id(name), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": f"pkg:deb/debian/{name}@{version}"}]} | more


def document(folder):
    packages, relations = {}, []
    for deb in sorted(folder.glob("*.deb")):
        name = field(deb, "Package")
        own = package(name, field(deb, "Version"), packageFileName=deb.name, licenseDeclared="Apache-2.0",
                      supplier="Organization: AKM maintainers",
                      checksums=[{"algorithm": "SHA256",
                                  "checksumValue": hashlib.sha256(deb.read_bytes()).hexdigest()}])
        packages[name] = own
        relations.append(("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"]))
    for name, deb in [(field(one, "Package"), one) for one in sorted(folder.glob("*.deb"))]:
        for choice in filter(None, (one.strip() for one in field(deb, "Depends").split(","))):
            needed = choice.split("|")[0].split("(")[0].split(":")[0].strip()
            if needed not in packages:
                version = installed(needed)
                packages[needed] = package(needed, version or "NOASSERTION", comment=choice)
            relations.append((packages[name]["SPDXID"], "DEPENDS_ON", packages[needed]["SPDXID"]))
    made = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    body = json.dumps(packages, sort_keys=True).encode()
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "akm",
            "documentNamespace": "https://akm.invalid/spdx/" + hashlib.sha256(body).hexdigest(),
            "creationInfo": {"created": made.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: akm-tools-package"]},
            "packages": [packages[name] for name in sorted(packages)],
            "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                              for a, kind, b in sorted(set(relations))]}


if __name__ == "__main__":
    json.dump(document(pathlib.Path(sys.argv[1])), sys.stdout, indent=1, sort_keys=True)
    print()
