"""Run by umockdev-wrapper under Debian's Python: modem, cellular module and DAHDI cards come and go.

Arguments: the scene, then folders for sys.path. The modem and the module answer on the nodes that the
inventory names; time is the bench's own.
"""

from __future__ import annotations

import fcntl
import os
import sys

SCENE = sys.argv[1]
sys.path[:0] = sys.argv[2:]

import numpy as np  # noqa: E402
from at_bench import BenchTime, BenchWire  # noqa: E402
from mock_bed import Bed, say, tty, usb  # noqa: E402
from modem_emulator import USR, Modem  # noqa: E402
from module_emulator import Module, Sound  # noqa: E402

import board.cellular.card  # noqa: E402
import board.modem.card  # noqa: E402
from board.api import CallerIdReported, PortGone, SetHook  # noqa: E402
from board.atport import SerialWire  # noqa: E402

TIOCGPTN = 0x80045430
"""asm-generic/ioctls.h; Python has no name for it."""
PCI = "/devices/pci0000:00/0000:00:{}"
HOST = PCI.format("14.0") + "/usb1"


def number_of_pty(master):
    number = fcntl.ioctl(master, TIOCGPTN, bytes(4))
    return int.from_bytes(number, sys.byteorder)


class OnNode:
    """An emulator behind a node of the made-up kernel instead of a pty of its own."""

    bed: Bed
    node = ""

    def plug_in(self):
        self.master = self.bed.testbed.get_dev_fd(self.node)
        os.set_blocking(self.master, False)
        # umockdev wants each pty's number once only: this keeps it from being used again.
        self.slave = os.open(f"/dev/pts/{number_of_pty(self.master)}", os.O_RDWR | os.O_NOCTTY)
        self.path = self.node
        self.link.reset()
        self._out.clear()

    def unplug(self):
        """The node has gone already; now the line hangs up. The descriptor's number stays the testbed's."""
        self.link.gone = True
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, self.master)
        os.close(nothing)


def on_node(bed, kind, node, *args, **kwargs):
    """An emulator of this kind behind a node."""
    made = type(kind.__name__, (OnNode, kind), {"bed": bed, "node": node})
    return made(*args, **kwargs)


def open_card(address, time, wires):
    """The card at an address of the inventory. wires: node → emulator; links lead to nodes."""

    def wire(path):
        node = os.path.realpath(path)
        # A node that has gone is the product's business.
        return BenchWire(path, wires[node]) if node in wires else SerialWire(path)

    board.modem.card.SerialWire = board.cellular.card.SerialWire = wire
    scheme, _, rest = address.partition(":")
    if scheme == "modem":
        return board.modem.card.open_modem(rest, time=time)
    return board.cellular.card.open_cellular(rest, time=time)


def run(card, seconds):
    """(names of events, largest sample) of a card in a while."""
    events, peak = [], 0
    for _ in range(round(seconds * 50)):
        tick = card.read()
        events += tick.events
        peak = max(peak, int(np.abs(tick.audio.astype(int)).max()))
        card.write(np.zeros((1, 160), np.int16))
    numbers = [event.number for event in events if isinstance(event, CallerIdReported)]
    gone = [event.reason for event in events if isinstance(event, PortGone)]
    names = [type(event).__name__ for event in events]
    return {"events": names, "numbers": numbers, "gone": gone, "peak": peak}


def call(step, card, rings):
    """A call comes in and is answered; the other end speaks at 5000."""
    rings()
    say(f"{step} rings", **run(card, 3.0))
    card.command(0, SetHook(True))
    say(f"{step} talks", **run(card, 2.0))


def loud():
    return np.full(160, 5000, np.int16)


def modem_scene():
    """A voice modem: found, answers, is called, pulled in mid-call, comes back with another number."""
    bed = Bed()
    top, place = f"{HOST}/1-5", "pci-0000:00:14.0-usb-0:5:1.0"

    def plug(number):
        port = f"{top}/1-5:1.0/tty/ttyACM{number}"
        bed.plug(usb(top, "0baf:0303", "0002", "pci-0000:00:14.0-usb-0:5"), tty(port, number, "00", place))
        return port

    def use(step, number):
        [*_, found] = bed.see(step, 2 if step == "found" else 1)
        modem = on_node(bed, Modem, f"/dev/ttyACM{number}", USR)
        modem.incoming = loud
        card = open_card(found.card.address, BenchTime(modem), {modem.node: modem})

        def rings():
            modem.ring()
            modem.after(1.5, lambda: modem.caller_id("13800138000"))

        call(step, card, rings)
        return card, modem

    port = plug(5)
    card, modem = use("found", 5)
    bed.pull(top, port)
    modem.unplug()
    bed.see("pulled", 1)
    say("pulled, the card", **run(card, 1.0))
    card.close()
    plug(8)
    card, _ = use("again", 8)
    card.close()


def cellular_scene():
    """A cellular module: four serial ports and a sound card, of which two ports matter."""
    bed = Bed()
    top = f"{HOST}/1-4"
    sound = f"{top}/1-4:1.6/sound/card3"

    def ports(first):
        return [f"{top}/1-4:1.{n}/ttyUSB{first + n}/tty/ttyUSB{first + n}" for n in range(4)]

    def plug(first):
        texts = [
            tty(path, first + n, f"0{n}", f"pci-0000:00:14.0-usb-0:4:1.{n}")
            for n, path in enumerate(ports(first))
        ]
        bed.plug(usb(top, "2c7c:0125", "", "pci-0000:00:14.0-usb-0:4"))
        bed.see(f"{first} bare", 1)
        # The sound card comes first and is not needed: this module's sound is on a serial port.
        bed.plug(f"P: {sound}\nE: SUBSYSTEM=sound\n", *texts[:2])
        bed.change(sound, SOUND_INITIALIZED="1")
        bed.plug(*texts[2:])
        [*_, found] = bed.see(f"{first} found", 1)
        module = on_node(bed, Module, f"/dev/ttyUSB{first + 2}")
        module.sound.close()
        module.sound = on_node(bed, Sound, f"/dev/ttyUSB{first + 1}")
        module.incoming = loud
        wires = {module.node: module, module.sound.node: module.sound}
        card = open_card(found.card.address, BenchTime(module, module.sound), wires)
        call(f"{first}", card, module.ring)
        return card, module

    card, module = plug(0)
    bed.pull(top, *ports(0), sound)
    module.unplug()
    module.sound.unplug()
    bed.see("pulled", 1)
    say("pulled, the card", **run(card, 1.0))
    card.close()
    card, _ = plug(4)
    card.close()


def dahdi_scene():
    """A PCI card whose driver is installed, loaded and bound by and by; a channel bank without firmware."""
    state = {}
    bed = Bed(lambda driver: state.get(driver, "absent"))
    slot = PCI.format("1e.0/0000:05:02.0")
    card = (
        f"P: {slot}\nE: SUBSYSTEM=pci\nE: PCI_ID=E159:0001\nE: PCI_SUBSYS_ID=B1B9:0003\n"
        "E: ID_PATH=pci-0000:05:02.0\n"
    )
    bed.plug(card)
    bed.see("no driver", 1)
    state["wctdm"] = "installed"
    bed.tell(slot, "change")
    bed.see("not loaded", 1)
    state["wctdm"] = "loaded"
    bed.change(slot, DRIVER="wctdm")
    bed.see("not offered", 1)
    offered = f"{slot}/pci:0000:05:02.0"
    bed.plug(f"P: {offered}\nE: SUBSYSTEM=dahdi_devices\nA: hardware_id=\\n\n")
    bed.see("offered", 1)
    bed.pull(offered)
    bed.see("driver unloaded", 1)
    bed.pull(slot)
    bed.see("pulled", 1)

    bank = f"{HOST}/1-6"
    state["xpp_usb"] = "loaded"
    bed.plug(usb(bank, "e4e4:1150"))
    bed.see("no firmware", 1)
    bed.pull(bank)
    bed.see("renumerating", 1)
    bed.plug(usb(bank, "e4e4:1152", "X1056543"))
    bed.see("firmware loaded", 1)
    bed.plug(f"P: {bank}/1-6:1.0/xbus-00\nE: SUBSYSTEM=dahdi_devices\nA: hardware_id=usb:X1056543\\n\n")
    bed.see("bank offered", 1)

    bed.plug(f"P: {slot}\nE: SUBSYSTEM=pci\nE: PCI_ID=D161:8010\nE: PCI_SUBSYS_ID=D161:0000\n")
    bed.see("not in Debian", 1)


{"modem": modem_scene, "cellular": cellular_scene, "dahdi": dahdi_scene}[SCENE]()
