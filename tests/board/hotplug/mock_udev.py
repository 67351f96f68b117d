"""Run by umockdev-wrapper under Debian's Python: a line card is plugged in and out, prints what we see.

Arguments: folders for sys.path.
"""

import sys
import threading

sys.path[:0] = sys.argv[1:]

from mock_bed import Bed, say, told, usb  # noqa: E402

from board.hotplug import Inventory  # noqa: E402

TOP = "/devices/pci0000:00/0000:00:14.0/usb1/1-3"


def parts(number):
    """Paths of serial port and sound card; the kernel gives them other numbers each time."""
    return f"{TOP}/1-3:1.0/tty/ttyACM{number}", f"{TOP}/1-3:1.2/sound/card{number}"


def plug(number):
    tty, sound = parts(number)
    bed.plug(
        usb(TOP, "1209:5a4a", "ZJ0042"),
        f"""P: {tty}
E: DEVNAME=/dev/ttyACM{number}
E: SUBSYSTEM=tty
E: ID_SERIAL_SHORT=ZJ0042
E: ID_PATH=pci-0000:00:14.0-usb-0:3:1.0
E: ID_USB_INTERFACE_NUM=00
""",
        f"P: {sound}\nE: SUBSYSTEM=sound\n",
    )


def initialised(number):
    bed.change(parts(number)[1], SOUND_INITIALIZED="1")


bed = Bed()
plug(5)
# Whatever is waiting; nothing is expected of it.
say("added", changes=told(bed.inventory.step(bed.monitor.wait(0.5))))
initialised(5)
bed.see("ready", 1)
bed.pull(TOP, *parts(5))
bed.see("pulled", 1)
plug(8)
initialised(8)
bed.see("again", 1)
# A machine that starts with the card plugged in.
late = Inventory()
say("scan", changes=told(late.step(bed.monitor.scan())))
# Another thread ends the waiting.
threading.Timer(0.05, bed.monitor.wake).start()
say("woken", changes=[event.action for event in bed.monitor.wait(30.0)])
bed.monitor.close()
