"""Groups that rekey while every link loses one datagram in ten: a mesh of 16, a star of 64."""
import time

from support import BUILD, ROOT, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, run

REKEYS = 5


class Lossy(IntegrationTest):
    def rekeys(self, members, topology):
        names = [f"n{i + 1}" for i in range(members)]
        with Lab(BUILD, nodes=names) as lab:
            for host in lab.hosts:  # keys are not what is tested: no TPM makes the start of many cheap
                host.overrides |= {"sealing.mode": "software"}
            cluster.activate_all(lab)
            key = cluster.create(lab, names=names, topology=topology)
            lost = self.lose(lab)
            for number in range(REKEYS):
                began = time.monotonic()
                lab.nodes[names[number]].akmctl("asr", "rekey", "asr-1", check=False)
                key = cluster.wait_agreed(lab, names, "asr-1", epoch=key[1] + 1, seconds=90)
                print(f"{topology} of {members}: epoch {key[1]} after {time.monotonic() - began:.1f} s", flush=True)
            self.assertGreater(lost(), members, "the links did lose something")

    def lose(self, lab):
        """Makes every link lossy, in the direction from the host; returns what counts the lost datagrams."""
        program = lab.folder / "lossy.o"
        run("clang-14", "-O2", "-g", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu", "-c",
            ROOT / "tests/support/lossy.bpf.c", "-o", program)
        ports = [f"v{i + 1}" for i in range(len(lab.hosts))]
        for port in ports:
            run(*lab.inside(lab.switch, "tc", "qdisc", "add", "dev", port, "clsact"))
            run(*lab.inside(lab.switch, "tc", "filter", "add", "dev", port, "ingress", "bpf", "da", "obj", program,
                            "sec", "classifier"))

        def dropped():
            told = [run(*lab.inside(lab.switch, "tc", "-s", "qdisc", "show", "dev", port)).stdout for port in ports]
            return sum(int(text.split("dropped ")[-1].split(",")[0]) for text in told)
        return dropped

    def test_mesh_of_16(self):
        self.rekeys(16, "mesh")

    def test_star_of_64(self):
        self.rekeys(64, "star")


if __name__ == "__main__":
    main()
