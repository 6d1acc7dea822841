#!/usr/bin/env python3
"""Debian's kernels, for guests: fetched and verified by apt, unpacked into a cache outside the tree, never installed.

    tests/vm/kernels.py 6.1 6.12      prints the folder of each, and fetches what is not there
    tests/vm/kernels.py --update 6.1  asks for a newer one

The lists of packages are private to the cache, so /etc/apt stays as it is. The cache is $AKM_VM_CACHE, else akm-vm in
the user's cache folder.
"""
import argparse
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCES = {
    "bookworm": ("deb [signed-by={keyring}] {mirror} bookworm main\n"
                 "deb [signed-by={keyring}] {mirror}-security bookworm-security main\n"),
    "backports": "deb [signed-by={keyring}] {mirror} bookworm-backports main\n",
}
# name: the suite, the package that always depends on the newest, and what its image is called
KERNELS = {
    "6.1": ("bookworm", "linux-image-cloud-amd64", r"linux-image-6\.1\..*-cloud-amd64"),
    "6.12": ("backports", "linux-image-cloud-amd64", r"linux-image-6\.12\..*-cloud-amd64"),
    # has USB and vfat, which cloud kernels do not
    "6.1-full": ("bookworm", "linux-image-amd64", r"linux-image-6\.1\.[^c]*-amd64"),
}


class Unreachable(Exception):
    """The kernel is not cached and cannot be had; the text says why."""


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("AKM_VM_CACHE") or pathlib.Path(base) / "akm-vm")


def mirror():
    """What this machine's apt uses already."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm"],
                          capture_output=True, text=True, check=False)
    found = done.stdout.split()
    if not found:
        raise Unreachable("apt of this machine knows no bookworm")
    return found[0].rstrip("/")


def _version(folder):
    return [int(part) if part.isdigit() else 0 for part in re.split(r"[^0-9]+", folder.name)]


def _newest(name):
    pattern = re.compile(KERNELS[name][2])
    found = [folder for folder in cache().glob("kernels/*") if pattern.fullmatch(folder.name)]
    return max(found, key=_version, default=None)


def _apt(suite):
    """The options of an apt that knows this suite only, with its lists in the cache."""
    folder = cache() / "apt" / suite
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(SOURCES[suite].format(keyring=KEYRING, mirror=mirror()))
    options = {"Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
               "Dir::State::lists": folder / "lists", "Dir::Cache": folder, "APT::Sandbox::User": "root",
               "Acquire::Languages": "none", "Acquire::AllowInsecureRepositories": "false",
               "APT::Get::AllowUnauthenticated": "false", "Acquire::Retries": "2", "APT::Update::Error-Mode": "any"}
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


def _run(argv, **kwargs):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, **kwargs)
    if done.returncode != 0:
        first = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[0]
        raise Unreachable(f"{argv[0]}: {first}")
    return done.stdout


def _fetch(name, seconds):
    suite, meta, _ = KERNELS[name]
    options = _apt(suite)
    try:
        _run(["apt-get", *options, "-q", "update"], timeout=seconds)
        depends = _run(["apt-cache", *options, "show", "--no-all-versions", meta])
        match = re.search(r"^Depends: (linux-image-\S+)", depends, re.M)
        if match is None:
            raise Unreachable(f"{meta} names no kernel")
        package = match.group(1)
        target = cache() / "kernels" / package
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(dir=cache()) as work:
            _run(["apt-get", *options, "-q", "download", package], cwd=work, timeout=seconds)
            archive = next(pathlib.Path(work).glob("*.deb"))
            _run(["dpkg-deb", "-x", archive, pathlib.Path(work) / "tree"])
            _run(["depmod", "-b", pathlib.Path(work) / "tree", release(pathlib.Path(work) / "tree")])
            target.parent.mkdir(exist_ok=True)
            (pathlib.Path(work) / "tree").rename(target)
    except subprocess.TimeoutExpired as late:
        raise Unreachable(f"{late.cmd[0]} took more than {seconds} s") from late
    return target


def release(folder):
    return next((folder / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")


def folder_of(name, update=False, seconds=600):
    """The unpacked package of a kernel of KERNELS; fetched when it is not cached. Unreachable says why not."""
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two tests that want one kernel fetch it once
        found = None if update else _newest(name)
        if found:
            return found
        missing = [program for program in ("apt-get", "dpkg-deb", "depmod") if shutil.which(program) is None]
        if missing:
            raise Unreachable(f"not installed: {', '.join(missing)}")
        return _fetch(name, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="ask for a newer one")
    parser.add_argument("--seconds", type=int, default=600, help="at most, for each step of fetching")
    parser.add_argument("names", nargs="+", choices=sorted(KERNELS))
    arguments = parser.parse_args()
    for name in arguments.names:
        try:
            print(folder_of(name, arguments.update, arguments.seconds))
        except Unreachable as why:
            sys.exit(f"{name}: {why}")


if __name__ == "__main__":
    main()
