"""Run by umockdev-wrapper under Debian's Python: plugs made-up devices in and out, prints what we see.

Arguments: folders for sys.path. One JSON line per step: {"step", "changes": [[kind, name, address]]}.
"""

import json
import sys
import threading

sys.path[:0] = sys.argv[1:]

import gi  # noqa: E402

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

from board.hotplug import Inventory  # noqa: E402
from board.hotplug.udev import Monitor  # noqa: E402

TOP = "/devices/pci0000:00/0000:00:14.0/usb1/1-3"
USB = f"""P: {TOP}
E: DEVTYPE=usb_device
E: DRIVER=usb
E: SUBSYSTEM=usb
E: ID_VENDOR_ID=1209
E: ID_MODEL_ID=5a4a
E: ID_SERIAL_SHORT=ZJ0042
E: ID_MODEL=Line_card_16
A: idVendor=1209
A: idProduct=5a4a
"""


def parts(number):
    """Paths of serial port and sound card; the kernel gives them other numbers each time."""
    return f"{TOP}/1-3:1.0/tty/ttyACM{number}", f"{TOP}/1-3:1.2/sound/card{number}"


def texts(number):
    tty, sound = parts(number)
    return (
        USB,
        f"""P: {tty}
E: DEVNAME=/dev/ttyACM{number}
E: SUBSYSTEM=tty
E: ID_SERIAL_SHORT=ZJ0042
E: ID_PATH=pci-0000:00:14.0-usb-0:3:1.0
E: ID_USB_INTERFACE_NUM=00
""",
        f"""P: {sound}
E: SUBSYSTEM=sound
""",
    )


testbed = UMockdev.Testbed.new()
monitor = Monitor()
inventory = Inventory(lambda driver: "loaded")


def see(step, wanted):
    """Collect changes until `wanted` of them are there (or ten seconds of silence)."""
    changes = []
    while len(changes) < wanted:
        events = monitor.wait(10.0)
        if not events:
            break
        changes += inventory.step(events)
    told = [[type(one).__name__, one.card.name, one.card.address] for one in changes]
    print(json.dumps({"step": step, "changes": told}), flush=True)


def drain(step):
    """Whatever is waiting; nothing is expected of it."""
    changes = inventory.step(monitor.wait(0.5))
    print(json.dumps({"step": step, "changes": [type(one).__name__ for one in changes]}), flush=True)


def plug(number):
    for text in texts(number):
        testbed.add_from_string(text)
    for path in (TOP, *parts(number)):
        testbed.uevent("/sys" + path, "add")


def pull(number):
    for path in (*reversed(parts(number)), TOP):
        testbed.uevent("/sys" + path, "remove")
        testbed.remove_device("/sys" + path)


def initialised(number):
    sound = "/sys" + parts(number)[1]
    testbed.set_property(sound, "SOUND_INITIALIZED", "1")
    testbed.uevent(sound, "change")


assert inventory.step(monitor.scan()) == []
plug(5)
drain("added")
initialised(5)
see("ready", 1)
pull(5)
see("pulled", 1)
plug(8)
initialised(8)
see("again", 1)
# A machine that starts with the card plugged in.
late = Inventory(lambda driver: "loaded")
told = [[type(one).__name__, one.card.name, one.card.address] for one in late.step(monitor.scan())]
print(json.dumps({"step": "scan", "changes": told}), flush=True)
# Another thread ends the waiting.
threading.Timer(0.05, monitor.wake).start()
events = monitor.wait(30.0)
print(json.dumps({"step": "woken", "changes": [event.action for event in events]}), flush=True)
monitor.close()
