"""Install an update bundle from the stick through RAUC.

Before anything is written it is checked as the running system does it (`image.box.update`): RAUC itself would
find a changed block with half a system written. Going back needs a word of its own, as on the pages: what
counts is the version that would be left; recovery is as old as the flashing, or as new as the stick.
The bundle's own check asks for consent too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image.box import bootstate, commands, files, release
from image.box.problem import Problem
from image.box.update import rules
from image.box.update.bundle import Bundle, look, verify_content
from recovery import versions
from recovery.box import Box, Tell, device_bytes
from recovery.plan import Plan, content
from recovery.refused import Refused
from recovery.runner import Action, Options

SUFFIX = ".raucb"
DEVICES = Path("/dev/zongji")
"""Where RAUC looks for the systems (etc/rauc/system.conf). After a start from the stick they are not there:
udev names only the partitions of the disk that was started from."""
SERVICE = "zongji-recovery-rauc.service"
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
    """Is it signed, for this box, and of which version?"""
    path = bundle(box, options)
    room = min(device_bytes(box.slot(name)) for name in bootstate.SLOTS)
    box.need_boot()
    new, here = examined(path, room).version, versions.left(box)
    of = {"bundle": content(path), "stick": box.plugged}
    if release.order(new) < release.order(here):
        if options.get("older") is not True:
            raise Refused(
                "downgrade",
                f"version {new} is older than {here}; what was entered since may not be seen by the older "
                "one: the word older goes back to it",
            )
        return Plan("install_older", {"here": here, "new": new, "file": path.name}, of=of)
    return Plan("install", {"file": path.name, "new": new}, of=of)


def examined(path: Path, room: int) -> Bundle:
    """What the bundle says about itself, when it is signed, and for this box. room: bytes of a system's
    partition. Raises Refused, OSError."""
    with _refusing(path):
        size = path.stat().st_size
        if size > rules.MAX_BUNDLE_BYTES:
            raise rules.too_large(size)
        found = look(path)
        # Going back is asked about with the versions of the systems, not with recovery's own.
        if wrong := rules.problem(found, versions.own(), room, downgrade_consent=True):
            raise wrong
    return found


def check(box: Box, options: Options, tell: Tell) -> None:
    """Is every byte what was signed?"""
    path = bundle(box, options)
    with _refusing(path):
        verify_content(path, lambda percent: tell("checking", percent))


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """What the running system's checks say, as recovery does."""
    try:
        yield
    except Problem as problem:
        raise Refused(problem.code, f"{path.name}: {problem.text}") from problem


def install(box: Box, options: Options, tell: Tell) -> None:
    """RAUC writes the slot that is not the good one, and makes it the next to start."""
    state = bootstate.load(box.need_boot())
    keep = next(iter(versions.good(state)), "B")
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
        with _refusing(path):
            files.write(CONSENT, look(path).version.encode())
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


ACTION = Action(plan, (install,), sets_boot=True, check=check, agreed={"older": True})
