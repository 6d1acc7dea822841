"""What busctl sees of running daemons is what the XML files say: each object, each interface of ours, each member."""
import xml.etree.ElementTree as ElementTree

from support import BUILD, ROOT, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, run

INTERFACES = ROOT / "dbus/interfaces"
SERVICES = {"node": "org.akm.Node1", "nmm": "org.akm.Nmm1", "root": "org.akm.Root1"}


def members(interface):
    """(kind, name, signatures) of each; signatures of what goes in and what comes out."""
    found = set()
    for member in interface:
        if member.tag in ("method", "signal", "property"):
            signatures = ["".join(arg.get("type") for arg in member.findall("arg")
                                  if (arg.get("direction") == "out") == (way == "out")) for way in ("in", "out")]
            found.add((member.tag, member.get("name"), member.get("type"), member.get("access"), *signatures))
    return found


def written():
    return {interface.get("name"): members(interface) for path in INTERFACES.glob("*.xml")
            for interface in ElementTree.parse(path).getroot().iter("interface")}


class Introspection(IntegrationTest):
    needed = ("busctl",)

    def busctl(self, host, *arguments):
        return run("busctl", f"--address={host.bus_address}", *arguments).stdout

    def test_every_object_of_every_daemon(self):
        wanted, seen = written(), set()
        with Lab(BUILD, nodes=("a", "b"), root=True) as lab:
            cluster.activate_all(lab)
            cluster.create(lab)
            for host in (lab.nodes["a"], lab.nmm, lab.root):
                service = SERVICES[host.role]
                paths = self.busctl(host, "tree", "--list", service).split()
                self.assertTrue(host.role == "root" or any("/asr/" in path for path in paths), paths)
                for path in paths:
                    document = ElementTree.fromstring(self.busctl(host, "introspect", "--xml-interface", service, path))
                    for interface in document.iter("interface"):
                        name = interface.get("name")
                        if name.startswith("org.akm."):
                            self.assertEqual(members(interface), wanted[name], f"{name} at {path} of {service}")
                            seen.add((service, name))
                # Its table: busctl reads every property.
                main_path = "/" + service.replace(".", "/")
                self.assertIn(".Version ", self.busctl(host, "introspect", service, main_path))
        self.assertEqual({name for _, name in seen}, set(wanted), "an interface that no daemon has")
        self.assertLessEqual({("org.akm.Node1", "org.akm.Asr1"), ("org.akm.Nmm1", "org.akm.Asr1")}, seen)


if __name__ == "__main__":
    main()
