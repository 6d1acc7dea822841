#!/usr/bin/env python3
"""The life of the packages on two Debian 12 machines under QEMU, with TPM, BPF LSM and AppArmor: apt install,
provisioned, a relationship between them, rebooted, upgraded while datagrams run, removed, installed again, purged.

    tests/packages/vm.py OLD NEW      folders with the .deb of two revisions (tools/package)

Without KVM it takes some minutes. It stops at the first thing that is not as it should be, and shows the journals.
"""
import concurrent.futures
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import guest_system
import kernels
import machine

COLLECT = "--collect" in sys.argv  # profiles in complain mode: what they lack is printed
MODE = "complain" if COLLECT else "enforce"
ASR = "line-1"
SOCKET = f"/run/akm/asr/{ASR}.sock"
DAEMONS = {"a": ("akmd", "akm-nmmd", "akm-rootd"), "b": ("akmd",)}
PACKAGES = {"a": ("policy", "node", "tools", "nmm", "root"), "b": ("policy", "node", "tools")}
DENIALS = ("journalctl -q -b --no-pager -o cat _TRANSPORT=audit + _TRANSPORT=kernel | "
           "grep -E 'apparmor=\"(DENIED|ALLOWED)\"'")
GONE = """
! ls -d /var/lib/akmd /var/lib/akm-nmmd /var/lib/akm-rootd /etc/akm /run/akm /sys/fs/bpf/akm /etc/apparmor.d/akm* \
  2>/dev/null | grep . && ! grep '^akm' /sys/kernel/security/apparmor/profiles && ! systemctl cat akmd.service 2>&1
"""


class Failed(Exception):
    pass


class Life:
    def __init__(self, guests):
        self.guests, self.began, self.checks = guests, time.monotonic(), 0
        self.pool = concurrent.futures.ThreadPoolExecutor(len(guests))

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def check(self, text, passed, detail=""):
        if not passed:
            self.say(f"NOT OK  {text}")
            print(f"{detail}".rstrip(), flush=True)
            raise Failed(text)
        self.checks += 1
        self.say(f"ok      {text}")

    def ran(self, text, guest, script, seconds=300):
        code, out = guest.run(script, seconds)
        self.check(f"{guest.name}: {text}", code == 0, "\n".join(out.splitlines()[-30:]))
        return out

    def both(self, act):
        """`act` on both at once; both have to come through."""
        return list(self.pool.map(act, self.guests))

    def until(self, text, asked, seconds=120):
        """Until `asked` gives something that is true; it is what is returned."""
        end = time.monotonic() + seconds
        while not (found := asked()) and time.monotonic() < end:
            time.sleep(0.5)
        self.check(text, found, "it did not come in time")
        return found


def asked(guest, words):
    """What akmctl says, as an object; {} when it cannot."""
    code, out = guest.run(f"akmctl --json {words}")
    try:
        return json.loads(out) if code == 0 else {}
    except json.JSONDecodeError:
        return {}


def view(guest):
    return asked(guest, f"asr show {ASR} --from node")


def agreed(guests):
    """(generation, epoch, check value) once all have one key."""
    views = [view(guest) for guest in guests]
    keys = {(one.get("generation"), one.get("epoch"), one.get("key_check")) for one in views}
    return keys.pop() if len(keys) == 1 and views[0].get("key_check") else None


def later(guests, before):
    """The same of an epoch after that: who starts has the session of before, and soon makes the next one."""
    found = agreed(guests)
    return found if found and found[1] > before[1] else None


def no_denials(life):
    """Neither a refusal nor, of a profile in complain mode, what would have been one."""
    for guest in life.guests:
        _, out = guest.run(DENIALS)
        short = sorted({re.sub(r"(audit\(|pid=|fsuid=|ouid=|msg=)\S*", "", line) for line in out.splitlines()})
        if COLLECT:
            print("\n".join(f"        {guest.name} | {line}" for line in short), flush=True)
        else:
            life.check(f"{guest.name}: AppArmor had nothing to refuse", not short, "\n".join(short))


def install(life, revision):
    def one(guest):
        files = " ".join(f"/srv/akm/{revision}/akm-{name}_*.deb" for name in PACKAGES[guest.name])
        life.ran(f"apt install of {revision}", guest, "export DEBIAN_FRONTEND=noninteractive\n"
                 f"apt-get -q -y --allow-downgrades -o Dpkg::Options::=--force-confold install {files}", 900)
    life.both(one)


def services(life):
    def one(guest):
        for name in DAEMONS[guest.name]:
            life.ran(f"{name} is up, enabled, its own user, confined", guest, f"""
                for i in $(seq 60); do systemctl -q is-active {name} && break; sleep 1; done
                pid=$(systemctl show -P MainPID {name})
                systemctl -q is-enabled {name} && [ "$(ps -o user:20= -p $pid)" = {name} ] &&
                  [ "$(cat /proc/$pid/attr/current)" = "{name} ({MODE})" ] && exit
                systemctl status {name}
                cat /proc/$pid/attr/current
                exit 1""")
    life.both(one)


def first_start(life):
    for guest in life.guests:
        out = life.ran("a TPM, packages for apt", guest, "cat /sys/kernel/security/lsm && ls /dev/tpmrm0 && "
                       "aa-enabled && tar xf /dev/vdb -C /srv/akm && apt-get -q update")
        life.check(f"{guest.name}: AppArmor and the BPF LSM are on", "apparmor" in out and "bpf" in out)
    install(life, "old")
    services(life)
    for guest in life.guests:
        life.until(f"{guest.name}: akmd answers, and waits to be provisioned",
                   lambda guest=guest: asked(guest, "node status").get("state") == "unprovisioned")
        for row in ("D1", "D7", "D10", "D11"):
            life.ran(f"the BPF LSM watches {row}", guest, f"akmctl node status | grep -E '^{row} .*lsm'")


def provision(life):
    a, b = life.guests
    a.run("mkdir -p /etc/akm/akm-nmmd.toml.d")
    a.put("/etc/akm/akm-nmmd.toml.d/10-here.toml", b'[network]\nadvertise = ["10.79.0.1:7401"]\n')
    life.ran("reload, nmm init", a, "systemctl reload akm-nmmd && akmctl nmm init")
    life.ran("udev tags the drive", a, "udevadm trigger --settle /dev/sda && udevadm info /dev/sda && "
             "udevadm info /dev/sda | grep -E '^E: (CURRENT_)?TAGS=.*:akm-drive:'")
    _, out = a.run("akmctl nmm bundle a --endpoint 10.79.0.1:7400 --to /dev/vdb --force")
    life.check("a disk of another kind is closed to the service", "DeviceAllow=" in out, out)
    # By a drive that the daemons mount themselves, and by a file.
    for guest, place in ((a, "/dev/sda"), (b, "/mnt")):
        made = asked(a, f"nmm bundle {guest.name} --endpoint {guest.address}:7400 --to {place}")
        life.check(f"a bundle for {guest.name} at {place}", made.get("code"), a.run("journalctl -n 5 -u akm-nmmd")[1])
        source = "--from /dev/sda"
        if guest is b:
            source = "/mnt/b.akmbundle"
            b.put(source, a.get(source))
        guest.put("/run/code", made["code"].encode())
        life.ran("node provision", guest, f"akmctl node provision {source} --code-file /run/code")
    for guest in (a, b):
        life.until(f"{guest.name} is active",
                   lambda guest=guest: asked(guest, "node status").get("state") == "active")
    life.until("asr create", lambda: a.run(f"akmctl asr create {ASR} a b")[0] == 0)
    return life.until("both hold one key", lambda: agreed(life.guests))


def reboot(life, before):
    no_denials(life)
    for name, hello in zip("ab", life.both(lambda guest: guest.reboot())):
        life.say(f"        {name} is up again after {hello[1]} s")
    services(life)
    after = life.until("after a reboot of both: one key", lambda: later(life.guests, before), 180)
    life.check(f"membership is unchanged, no epoch was used twice ({before[1]}, now {after[1]})",
               after[0] == before[0] and after[1] > before[1], (before, after))
    return after


def upgrade(life, before):
    a, b = life.guests
    for guest, act in ((b, "receive"), (a, "send")):
        life.ran(f"datagrams: {act}", guest,
                 f"systemd-run -q --unit=traffic /srv/akm/traffic.py {act} {SOCKET} /srv/{act}.json")
    life.ran("a person changes the configuration", b, "echo '# a person was here' >>/etc/akm/akmd.toml; sleep 2")
    install(life, "new")
    life.ran("the change is kept", b, "grep -q 'a person was here' /etc/akm/akmd.toml")
    services(life)
    after = life.until("after the upgrade of both: one key", lambda: later(life.guests, before))
    life.check(f"same membership, no epoch was used twice ({before[1]}, now {after[1]})",
               after[0] == before[0] and after[1] > before[1], (before, after))
    time.sleep(3)
    for guest in (a, b):
        guest.run("systemctl stop traffic")
    counted = {**json.loads(a.get("/srv/send.json")), **json.loads(b.get("/srv/receive.json"))}
    life.check(f"datagrams arrived: {counted}", 0 < counted["received"] <= counted["sent"] and counted["twice"] == 0)
    life.check("before and after the upgrade", min(counted["sender_connections"], counted["receiver_connections"]) >= 2)
    for guest in (a, b):
        refused = asked(guest, "node status").get("counters", {})
        life.check(f"{guest.name}: no datagram of an epoch that it does not know",
                   refused.get("refused_unknown_epoch") == 0, refused)
    return after


def attacked(life):
    """Root tries to write state: the BPF LSM refuses, and the hook runs, under the daemon's profile."""
    b = life.guests[1]
    b.run("mkdir -p /etc/akm/hooks /etc/akm/policy.toml.d")
    b.put("/etc/akm/hooks/say", b'#!/bin/sh\necho "$AKM_CLASS" >/run/akm/said\n')
    b.put("/etc/akm/policy.toml.d/50-hook.toml",
          b'[hook]\nprogram = "/etc/akm/hooks/say"\n[responses.state-tampering]\non_evidence = ["hook", "log"]\n')
    life.ran("a policy with a hook", b, "chmod 755 /etc/akm/hooks/say && systemctl reload akmd")
    # A reload is a start, and who has not started yet refuses nothing.
    life.until("b: akmd is back", lambda: asked(b, "node status").get("state") == "active")
    life.ran("root cannot write the state", b, "! touch /var/lib/akmd/x")
    life.until("b: the hook has run", lambda: b.run("cat /run/akm/said")[1].strip() == "state-tampering", 30)
    no_denials(life)
    b.run("rm -r /etc/akm/hooks")


def leave(life, before):
    b = life.guests[1]
    no_denials(life)
    life.ran("remove", b, "apt-get -q -y remove akm-node && ! systemctl -q is-active akmd && "
             "[ ! -e /usr/sbin/akmd ] && [ -s /var/lib/akmd/kek.sealed ]")
    life.ran("installed again", b, "apt-get -q -y install /srv/akm/new/akm-node_*.deb", 600)
    after = life.until("membership is still there: one key", lambda: later(life.guests, before))
    life.check("same membership, a later epoch", after[0] == before[0] and after[1] > before[1], (before, after))


def purge(life):
    for guest in life.guests:
        names = " ".join(f"akm-{name}" for name in PACKAGES[guest.name])
        out = life.ran("purge", guest, f"apt-get -q -y purge {names}", 600)
        for name in DAEMONS[guest.name]:
            life.check(f"{guest.name}: purge says that it erases the state of {name}",
                       f"Erasing the state of {name}" in out, out)
        life.ran("all of it is gone", guest, GONE)


def journals(life):
    for guest in life.guests:
        with contextlib.suppress(OSError, RuntimeError):
            _, out = guest.run("akmctl node status | cut -c1-160\n"
                               "journalctl --no-pager -b -o short-monotonic -u 'akm*' | tail -n 50\n"
                               f"{DENIALS} | tail -n 20")
            print(f"== machine {guest.name}\n{out}")


def packed(folder, old, new):
    tree = folder / "packages"
    for name, source in (("old", old), ("new", new)):
        (tree / name).mkdir(parents=True)
        for deb in source.glob("*.deb"):
            if "dbgsym" not in deb.name:
                (tree / name / deb.name).write_bytes(deb.read_bytes())
    (tree / "traffic.py").write_bytes((guest_system.HERE / "traffic.py").read_bytes())
    (tree / "traffic.py").chmod(0o755)
    subprocess.run(["tar", "-C", tree, "-cf", folder / "packages.tar", "."], check=True)
    return sorted((tree / "old").glob("*.deb"))


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if len(words) != 2:
        sys.exit("usage: tests/packages/vm.py OLD NEW")
    reason = machine.why_not(*guest_system.TOOLS)
    if reason:
        sys.exit(reason)
    kernel = kernels.folder_of("6.1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the machines go with us
    with tempfile.TemporaryDirectory(prefix="akm-packages.") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        base = guest_system.disk(packed(folder, *map(pathlib.Path, words)), kernel)
        image, initrd = guest_system.initrd(folder, kernel)
        guests = [guest_system.Guest(name, number, folder, image, initrd, base) for number, name in enumerate("ab", 1)]
        for guest in guests:
            stack.callback(guest.stop)
        life = Life(guests)
        for guest, hello in zip(guests, life.both(lambda guest: guest.begin())):
            life.say(f"        {guest.name} is up after {hello[1]} s")
        try:
            first_start(life)
            known = provision(life)
            known = reboot(life, known)
            known = upgrade(life, known)
            leave(life, known)
            attacked(life)  # the last: one that is suspected would lose its place by being removed
            purge(life)
        except (Failed, RuntimeError, OSError) as why:
            life.say(f"stopped: {why}")
            journals(life)
            return 1
        life.say(f"{life.checks} checks, all green")
    return 0


if __name__ == "__main__":
    sys.exit(main())
