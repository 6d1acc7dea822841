"""The USB drive as one: QEMU plugs a stick with vfat into a guest with its own kernel, where NMM and node run.

AKM_VM_KERNEL, the folder of an unpacked kernel package, is used instead of the cached one where it is set.
"""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import kernels
import machine
from vm_test import main

sys.path.insert(0, str(machine.HERE.parent / "attacks"))
import results  # noqa: E402  (beside tests/attacks)

MODULES = ("xhci_pci", "usb_storage", "sd_mod", "vfat", "nls_cp437", "nls_ascii", "nls_utf8")
COMMON = """[sealing]
mode = "software"
[bus]
address = "unix:path=/run/bus"
polkit = false
[log]
target = "text"
[state]
folder = "/tmp/{0}"
"""
NODE = COMMON.format("node") + """[network]
listen = "127.0.0.1:7400"
[probes]
enabled = false
[data]
folder = ""
"""
NMM = COMMON.format("nmm") + """[network]
listen = "127.0.0.1:7401"
advertise = ["127.0.0.1:7401"]
[probes]
pin_folder = ""
"""


class UsbInAMachine(unittest.TestCase):
    def setUp(self):
        reason = machine.why_not("mkfs.vfat", "mdir")
        if reason:
            self.skipTest(reason)
        own = os.environ.get("AKM_VM_KERNEL")
        try:
            self.kernel = pathlib.Path(own) if own else kernels.folder_of("6.1-full")
        except kernels.Unreachable as why:
            self.skipTest(f"no kernel: {why}")

    def machine(self, folder, stick):
        image = machine.Image(folder, self.kernel)
        image.put_daemons()
        image.write("/node.toml", NODE)
        image.write("/nmm.toml", NMM)
        image.put_modules(*MODULES)
        machine.output("truncate", "-s", "16M", stick)
        machine.output("mkfs.vfat", "-n", "STICK", stick)
        initrd = image.pack("usb.sh")
        devices = ("-blockdev", f"driver=raw,node-name=stick,file.driver=file,file.filename={stick}",
                   "-device", "qemu-xhci,id=xhci",
                   "-device", "usb-storage,bus=xhci.0,drive=stick,id=usb,removable=on,serial=AKM0001")
        guest = machine.started(lambda: machine.Machine(image, initrd, devices=devices))
        self.addCleanup(guest.stop)
        return guest

    def test_stick(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="akm-vm-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        stick = folder / "stick.img"
        guest = self.machine(folder, stick)
        self.assertIn("UNPLUG", guest.wait_for("UNPLUG", "RESULT failed"))
        self.assertIn("a.akmbundle", machine.output("mdir", "-b", "-i", stick, "::"))
        guest.command("device_del", id="usb")
        self.assertIn("\nPLUG", guest.wait_for("\nPLUG", "RESULT failed"))
        guest.command("device_add", driver="usb-storage", bus="xhci.0", drive="stick", id="usb2", removable=True,
                      serial="AKM0001")
        said = guest.wait_for("RESULT active", "RESULT failed")
        self.assertIn("RESULT active", said)
        self.assertIn("RESULT removable 1", said)
        self.assertIn("(5 tries left): akmctl node provision --from /dev/sda/a.akmbundle", said)
        self.assertIn("4 tries remain", said)
        self.insertions(guest)
        guest.process.wait(timeout=60)
        names = machine.output("mdir", "-b", "-i", stick, "::")
        self.assertIn("a.akmreceipt", names)
        self.assertNotIn("a.akmbundle", names)

    def insertions(self, guest):
        """D21: what is plugged into a node that is at work. A hub is nothing by itself; a mouse behind it is."""
        book = results.Book("usb", "vm-6.1")
        for device, properties in (("hub", {"driver": "usb-hub", "port": "3"}),
                                   ("keyboard", {"driver": "usb-kbd", "port": "4"}),
                                   ("mouse", {"driver": "usb-mouse", "port": "3.1"})):
            self.assertIn(f"USB {device}", guest.wait_for(f"USB {device}", "RESULT failed"))
            guest.command("device_add", bus="xhci.0", id=device, **properties)
        self.assertIn("USB stick", guest.wait_for("USB stick", "RESULT failed"))
        guest.command("device_del", id="usb2")
        guest.plug(driver="usb-storage", bus="xhci.0", drive="stick", id="usb3", removable=True, serial="AKM0001")
        self.assertIn("RESULT stick told", guest.wait_for("RESULT stick told", "RESULT failed"))
        book.silent("D21", "a hub plugged in")
        book.detected("D21", "a keyboard plugged in")
        book.detected("D21", "a stick plugged in")
        book.detected("D21", "a mouse behind a hub", around=True)


if __name__ == "__main__":
    main()
