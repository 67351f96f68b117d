"""Install an update bundle from the stick through RAUC, which checks its signature.

Going back needs a word of its own, as on the pages: what counts is the version that would be left, which
recovery, as old as the flashing or as new as the stick, is not. The bundle's own check asks for consent too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from image.box import bootstate, commands, files, release
from image.box.places import Places
from image.box.update.bundle import wrong_time
from recovery.box import Box, Tell
from recovery.plan import Plan, content
from recovery.refused import Refused
from recovery.runner import Action, Options

SUFFIX = ".raucb"
DEVICES = Path("/dev/zongji")
"""Where RAUC looks for the systems (etc/rauc/system.conf). After a start from the stick they are not there:
udev names only the partitions of the disk that was started from."""
SERVICE = "zongji-recovery-rauc.service"
MOUNTED = Path("/run/zongji/slot")
CONSENT = Path("/run/zongji/downgrade-consent")
"""What install-check.sh of a bundle reads: the version that may be installed though it is older."""


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


def plan(box: Box, options: Options) -> Plan:
    """Is it signed for this box?"""
    path = bundle(box, options)
    box.slot("A")
    box.need_boot()
    status, text = box.run("rauc", "info", "--output-format=json", str(path), timeout_s=300)
    if status and wrong_time(text):
        raise Refused(
            "bundle_clock",
            f"{path.name} was signed at a time at which its certificate was not valid "
            f"({commands.last_line(text)}): use one that was signed anew",
        )
    if status:
        raise Refused(
            "bad_bundle",
            f"{path.name} is refused: {commands.last_line(text) or status}",
        )
    new, here = version(path, text), left(box)
    of = {"bundle": content(path), "stick": box.plugged}
    if here and release.order(new) < release.order(here):
        if options.get("older") is not True:
            raise Refused(
                "downgrade",
                f"version {new} is older than {here}; what was entered since may not be seen by the older "
                "one: the word older goes back to it",
            )
        return Plan("install_older", {"here": here, "new": new, "file": path.name}, of=of)
    return Plan("install", {"file": path.name, "new": new}, of=of)


def version(path: Path, text: str) -> str:
    """The version that `rauc info` has told of a bundle. Raises Refused."""
    told = next((line for line in reversed(text.splitlines()) if line.startswith("{")), "")
    try:
        found: dict[str, Any] = json.loads(told)
        return str(found["version"])
    except (ValueError, KeyError) as error:
        raise Refused("bad_bundle", f"what {path.name} is cannot be read: {error}") from error


def left(box: Box) -> str:
    """The version that is good and would be left: of the first confirmed system that can be read, else of the
    newest that can be read, else of this recovery; "" where none is known."""
    state = bootstate.load(box.need_boot())
    found = {name: _version_in(box, name) for name in state.order}
    confirmed = [found[name] for name in state.order if state.slot(name).confirmed and found[name]]
    if confirmed:
        return confirmed[0]
    try:
        own = release.read(Places()).version
    except release.NoRelease:
        own = ""
    return max(filter(None, found.values()), key=release.order, default=own)


def _version_in(box: Box, name: str) -> str:
    MOUNTED.mkdir(parents=True, exist_ok=True)
    words = ("-t", "squashfs", "-o", "ro,nosuid,nodev,noexec")
    status, _ = box.run("mount", *words, str(box.slot(name)), str(MOUNTED))
    if status:
        return ""  # no system, or half of one
    try:
        text = (MOUNTED / Places().release.relative_to("/")).read_text(encoding="utf-8")
        return release.parse(text).version
    except (OSError, ValueError, release.NoRelease):
        return ""
    finally:
        box.run("umount", str(MOUNTED))


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
    path = bundle(box, options)
    try:
        # Whether it is older than what is left `plan` has asked; its own check would ask for more than this
        # recovery has.
        _, text = box.run("rauc", "info", "--output-format=json", str(path), timeout_s=300)
        files.write(CONSENT, version(path, text).encode())
        _rauc(box, "rauc", "install", str(path))
    finally:
        CONSENT.unlink(missing_ok=True)
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
