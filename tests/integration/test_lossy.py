"""Groups that rekey while every link loses one datagram in ten: a mesh of 16, a star of 64."""
import json
import time
import unittest

from support import BPFFS, BUILD, ROOT, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, run

REKEYS = 5
FILTER = "tc qdisc add dev lo clsact && tc filter add dev lo ingress bpf da bytecode '1,6 0 0 4294967295'"


class Lossy(IntegrationTest):
    needed = ("bpftool", "clang-14", "tc", "unshare")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not BPFFS.is_mount():
            raise unittest.SkipTest("no bpffs is mounted")
        done = run("unshare", "--net", "sh", "-c", FILTER, check=False)
        if done.returncode != 0:
            raise unittest.SkipTest(f"no BPF filters of traffic (sch_ingress, cls_bpf): {done.stderr.strip()}")

    def rekeys(self, members, topology):
        names = [f"n{i + 1}" for i in range(members)]
        with Lab(BUILD, nodes=names) as lab:
            for host in lab.hosts:  # neither TPM nor probes are what is tested: the start of many is cheap without
                host.overrides |= {"sealing.mode": "software", "probes.enabled": False}
            cluster.activate_all(lab)
            key = cluster.create(lab, names=names, topology=topology)
            counted = self.lose(lab)
            for number in range(REKEYS):
                began = time.monotonic()
                lab.nodes[names[number]].akmctl("asr", "rekey", "asr-1", check=False)
                key = cluster.wait_agreed(lab, names, "asr-1", epoch=key[1] + 1, seconds=90)
                print(f"{topology} of {members}: epoch {key[1]} after {time.monotonic() - began:.1f} s", flush=True)
            sent, lost = counted()
            print(f"{topology} of {members}: {lost} of {sent} datagrams lost, {100 * lost / sent:.1f} %", flush=True)
            self.assertGreater(sent, 2000, "enough for a share")
            self.assertTrue(0.07 < lost / sent < 0.13, f"the links lose one datagram in ten: {lost} of {sent}")

    def lose(self, lab):
        """Makes every link lossy, in the direction from the host; returns what counts since then: sent, lost."""
        program = lab.folder / "lossy.o"
        run("clang-14", "-O2", "-g", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu", "-c",
            ROOT / "tests/support/lossy.bpf.c", "-o", program)
        pin = BPFFS / f"{lab.prefix}-lossy"
        run("bpftool", "prog", "load", program, pin, "type", "classifier")
        try:
            counts = json.loads(run("bpftool", "-j", "prog", "show", "pinned", pin).stdout)["map_ids"][0]
            for number in range(len(lab.hosts)):
                port = f"v{number + 1}"
                run(*lab.inside(lab.switch, "tc", "qdisc", "add", "dev", port, "clsact"))
                run(*lab.inside(lab.switch, "tc", "filter", "add", "dev", port, "ingress", "bpf", "da", "pinned", pin))
        finally:
            pin.unlink()  # the filters hold it

        def counted():
            dump = json.loads(run("bpftool", "-j", "map", "dump", "id", counts).stdout)
            variables = {name: count for one in dump[0]["formatted"]["value"][".bss"] for name, count in one.items()}
            return variables["sent"], variables["lost"]
        return counted

    def test_mesh_of_16(self):
        self.rekeys(16, "mesh")

    def test_star_of_64(self):
        self.rekeys(64, "star")


if __name__ == "__main__":
    main()
