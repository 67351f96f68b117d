"""Figures of the built image in an emulated machine. Run: python -m tests.image.bench (make bench-image).

Prints what was measured, the target where there is one, and how much of it is used. The processor is
emulated: a real one is many times faster. On a busy machine all times are longer.
"""

import json
import os
import re
import shlex
import tempfile
import threading
import time
from pathlib import Path

from image.build.steps import in_use
from tests.image.conftest import REPOSITORY, Built, built_image
from tests.image.livebox import PYTHON, Box
from tests.image.sticks import make_stick
from tests.image.vm import Vm, overlay

TO_CALLS_S, IDLE_MB, BUNDLE_MB = 45, 350, 200
"""Targets."""
CALLS = 16
OFFICE = f"sim:lines={CALLS},phones=4"
UNITS = ("zongji-disk", "zongji-engine", "zongji-control", "zongji-web")

CALL_ALL = """
import json, sys, time
from appliance.client import ControlClient, OfficeClient, WireError
from appliance.paths import Home
home, wanted = Home.from_env(), int(sys.argv[1])
control = ControlClient(home.control_socket, timeout_s=60)
def snapshot():
    try:
        return control.call("snapshot")
    except WireError:
        return {}
while len(snapshot().get("lines") or ()) < wanted:
    time.sleep(1)
hands = []
for number in range(1, wanted + 1):
    hand = OfficeClient(home.office_socket, f"caller:{number}", timeout_s=60)
    hand.do("call", line=f"L{number}", number=f"139{number:08}", name="", callerid="none")
    hands.append(hand)
talking = set()
while len(talking) < wanted:
    for number, hand in enumerate(hands):
        message = hand.receive(0.05)
        if message and message.get("state") == "talking":
            talking.add(number)
        if message and "error" in message:
            sys.exit(message["error"])
print(json.dumps({"calls": len(snapshot().get("calls") or ())}))
sys.stdout.flush()
time.sleep(float(sys.argv[2]))
"""


def row(name: str, value: float, unit: str, target: float | None = None) -> None:
    """One line of the table."""
    beside = f"target {target:g} {unit}, {100 * value / target:.0f} % of it" if target else ""
    print(f"  {name:<58}{value:>8.1f} {unit:<3} {beside}".rstrip(), flush=True)


class Watch:
    """When something was first seen on the console, in seconds since power on."""

    def __init__(self, vm: Vm, *patterns: str):
        self.at: dict[str, float] = {}
        self._vm, self._patterns, self._over = vm, patterns, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.05) and len(self.at) < len(self._patterns):
            text = self._vm.log()
            for pattern in self._patterns:
                if pattern not in self.at and re.search(pattern, text):
                    self.at[pattern] = self._vm.elapsed_s()

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self._thread.join()


FIRMWARE, LOADER, CALLS_TAKEN = "press r for recovery", "Zongji: starting system", "State     takes calls"


def start(box: Box, name: str, tell_inside: bool) -> Watch:
    """Wait until calls are taken; how long that took. tell_inside: `inside` tells of the units later."""
    watch = Watch(box.vm, FIRMWARE, LOADER, CALLS_TAKEN)
    taken = box.wait_takes_calls()
    while len(watch.at) < 3:
        time.sleep(0.05)
    watch.end()
    row(f"{name}: power on to taking calls", taken, "s", TO_CALLS_S)
    row("  firmware", watch.at[FIRMWARE], "s")
    row("  boot loader", watch.at[LOADER] - watch.at[FIRMWARE], "s")
    if not tell_inside:
        row("  all else", taken - watch.at[LOADER], "s")
    return watch


def inside(box: Box, watch: Watch) -> None:
    """The rest of a start's phases, by the box's own clock."""
    times = {}
    wanted = "-P InactiveExitTimestampMonotonic -P ActiveEnterTimestampMonotonic"
    for unit in UNITS:
        began, ready = box.shell(f"systemctl show {wanted} {unit}").split()
        times[unit] = (int(began) / 1e6, int(ready) / 1e6)
    systemd = int(box.shell("systemctl show -P UserspaceTimestampMonotonic")) / 1e6
    before = box.vm.elapsed_s()
    uptime = float(box.shell("cat /proc/uptime").split()[0])
    kernel = (before + box.vm.elapsed_s()) / 2 - uptime  # the kernel's clock began here, to a second or so
    disk, engine = times["zongji-disk"], times["zongji-engine"]
    row("  unpacking the kernel (to a second)", kernel - watch.at[LOADER], "s")
    row("  kernel and first programs", systemd, "s")
    row("  systemd, until the disk is looked at", disk[0] - systemd, "s")
    row("  disk", disk[1] - disk[0], "s")
    row("  until the engine is started", engine[0] - disk[1], "s")
    row("  engine, until it is ready", engine[1] - engine[0], "s")
    row("  shown on the console", watch.at[CALLS_TAKEN] - kernel - engine[1], "s")
    for unit in ("zongji-control", "zongji-web"):
        row(f"  ({unit}: started to ready)", times[unit][1] - times[unit][0], "s")


def memory_mb(box: Box) -> int:
    """In use, what may be given back at once not counted."""
    return int(box.shell("free -m | awk '/^Mem/{print $2-$7}'"))


def calls(box: Box) -> None:
    """Memory with calls of the simulated office. The emulated processor is too slow for their sound."""
    box.shell(f"echo ZONGJI_BOARD={OFFICE} > /config/engine.env; systemctl restart zongji-engine")
    words = f"{PYTHON} -c {shlex.quote(CALL_ALL)} {CALLS} 600"
    box.shell(
        f"ZONGJI_HOME=/data/zongji nohup {words} > /run/calls.txt 2>&1 < /dev/null & "
        "until [ -s /run/calls.txt ]; do sleep 1; done"
    )
    said = box.shell("head -1 /run/calls.txt")
    assert json.loads(said)["calls"] == CALLS, said
    row(f"memory in use with {CALLS} calls", memory_mb(box), "MB")


def update(box: Box, built: Built, folder: Path) -> None:
    """From a stick: begun to written, and to taking calls again."""
    bundle = built.variant("good")
    box.vm.plug_stick(make_stick(folder / "stick.img", bundle, size_mb=1024))
    box.shell("until ls /run/zongji/usb/STICK-sda/*.raucb >/dev/null 2>&1; do sleep 0.2; done")
    began = box.vm.elapsed_s()
    box.system("update.install", source={"kind": "usb", "stick": "STICK-sda", "name": bundle.name})
    box.vm.wait_reset()
    row("update: begun to written", box.vm.elapsed_s() - began, "s")
    box.vm.wait_console("Zongji: starting system B")
    row("update: begun to taking calls again", box.wait_takes_calls() - began, "s")


def sizes(built: Built) -> None:
    """The disk image as it is on a disk, and as it is handed out."""
    row("disk image, as it is written", built.image.stat().st_size / 1e6, "MB")
    packed = built.image.with_name(f"{built.image.name}.xz")
    if packed.exists():
        row("disk image, packed", packed.stat().st_size / 1e6, "MB")
    else:
        print("  disk image, packed: there is none, the image was built with --quick", flush=True)


def main() -> None:
    """All of it; no build replaces the image meanwhile."""
    with in_use():
        measure(built_image())


def measure(built: Built) -> None:
    """Sizes, starts, memory, an update."""
    out = built.image.parent
    print(f"Zongji {built.version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    row("update bundle", (out / f"zongji-{built.version}.raucb").stat().st_size / 1e6, "MB", BUNDLE_MB)
    sizes(built)
    row("system (squashfs)", (REPOSITORY / "build/image/work/rootfs.squashfs").stat().st_size / 1e6, "MB")
    with tempfile.TemporaryDirectory(prefix="bench-image-") as text:
        folder = Path(text)
        with Box(Vm(overlay(built.image, folder / "efi.qcow2", "6G"), firmware="efi")) as box:
            start(box, "first start, EFI", tell_inside=False)
        disk = overlay(built.image, folder / "disk.qcow2", "6G")
        with Box(Vm(disk)) as box:
            watch = start(box, "first start, BIOS", tell_inside=True)
            box.claim()
            box.open_support(folder)
            inside(box, watch)
            box.shell("until /usr/lib/zongji/bootstate get-state A | grep -q good; do sleep 0.5; done; sync")
            row("memory in use, idle, remote support open", memory_mb(box), "MB", IDLE_MB)
            key = box.key
        with Box(Vm(disk), key) as box:
            watch = start(box, "later start, BIOS", tell_inside=True)
            box.sign_in()
            inside(box, watch)
            calls(box)
            box.shell("echo ZONGJI_BOARD=auto > /config/engine.env; systemctl restart zongji-engine")
            update(box, built, folder)


if __name__ == "__main__":
    main()
