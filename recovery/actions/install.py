"""Install an update bundle from the stick through RAUC, which checks its signature."""

from __future__ import annotations

import time
from pathlib import Path

from image.box import bootstate, commands
from image.box.update.bundle import wrong_time
from recovery.box import Box, Tell
from recovery.refused import Refused
from recovery.runner import Action, Options

SUFFIX = ".raucb"
DEVICES = Path("/dev/zongji")
"""Where RAUC looks for the systems (etc/rauc/system.conf). After a start from the stick they are not there:
udev names only the partitions of the disk that was started from."""
SERVICE = "zongji-recovery-rauc.service"


def bundle(box: Box, options: Options) -> Path:
    """The bundle that is meant: by name, or the only one. Raises Refused."""
    found = sorted(box.need_stick().glob(f"*{SUFFIX}"))
    name = str(options.get("file") or "")
    match = [path for path in found if not name or path.name == name]
    if not match:
        raise Refused("no_bundle", f"there is no update bundle{' ' + name if name else ''} on the stick")
    if len(match) > 1:
        raise Refused(
            "which_bundle", f"there are several bundles on the stick: {', '.join(p.name for p in match)}"
        )
    return match[0]


def plan(box: Box, options: Options) -> str:
    """Is it signed for this box?"""
    path = bundle(box, options)
    box.slot("A")
    box.need_boot()
    status, text = box.run("rauc", "info", str(path), timeout_s=300)
    if status and wrong_time(text):
        now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        raise Refused(
            "bundle_clock",
            f"{path.name} is refused, by its times its signature is not valid ({commands.last_line(text)}); "
            f"this box has {now} UTC: set its clock in the firmware's setup, or, if it is right, use a newer "
            "bundle",
        )
    if status:
        raise Refused(
            "bad_bundle",
            f"{path.name} is refused: {commands.last_line(text) or status}",
        )
    return f"install {path.name}; settings, calls and recordings stay"


def install(box: Box, options: Options, tell: Tell) -> None:
    """RAUC writes the slot that is not the good one, and makes it the next to start."""
    state = bootstate.load(box.need_boot())
    keep = next((name for name in state.order if state.slot(name).confirmed), "B")
    tell("writing", 0)
    _name_systems(box)
    # Recovery was started from neither system: RAUC's service has to be told which one is the good one.
    _rauc(
        box,
        *("systemd-run", f"--unit={SERVICE}", "--collect", "--service-type=dbus"),
        *(
            "--property=BusName=de.pengutronix.rauc",
            "--property=RuntimeDirectory=rauc",
            "rauc",
            "service",
            f"--override-boot-slot={keep}",
        ),
    )
    try:
        _rauc(box, "rauc", "install", str(bundle(box, options)))
    finally:
        box.run("systemctl", "stop", SERVICE)
    bootstate.set_primary("A" if keep == "B" else "B", box.need_boot())


def _name_systems(box: Box) -> None:
    DEVICES.mkdir(exist_ok=True)
    for name in bootstate.SLOTS:
        link = DEVICES / f"rootfs-{name.lower()}"
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(box.slot(name))


def _rauc(box: Box, *command: str) -> None:
    status, text = box.run(*command)
    if status:
        raise Refused("not_installed", commands.last_line(text) or "RAUC failed")


ACTION = Action(plan, (install,), sets_boot=True)
