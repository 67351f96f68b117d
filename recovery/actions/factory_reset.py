"""Back to the state of delivery; recordings go or stay as asked. The box keeps its serial number."""

from __future__ import annotations

from pathlib import Path

from image.box import bootstate
from recovery.box import Box, Tell, remove_tree
from recovery.plan import Plan
from recovery.refused import Refused
from recovery.runner import Action, Options

KEPT_CONFIG = frozenset(
    {"identity.json", "machine-id", bootstate.ORDER_FILE, "lost+found", "headless-done.json"}
)


def plan(box: Box, options: Options) -> Plan:
    """Whose data goes."""
    if box.data is None and (_keeps(options) or _unreadable(box) is None):
        box.need_data()
    box.need_config()
    box.need_boot()
    if not isinstance(options.get("keep_recordings", True), bool):
        raise Refused("bad_option", "keep_recordings must be true or false")
    if box.data is None:
        return Plan("factory_reset_unreadable")
    return Plan("factory_reset") if _keeps(options) else Plan("factory_reset_all")


def _keeps(options: Options) -> bool:
    """Recordings are deleted only where that was said in so many words."""
    return options.get("keep_recordings", True) is not False


def _unreadable(box: Box) -> Path | None:
    """The data partition, where there is one and it cannot be mounted."""
    return box.disk.labels.get("data") if box.data is None and box.disk is not None else None


def wipe_data(box: Box, options: Options, tell: Tell) -> None:
    """Everything on the data partition. The database goes last: as long as it is there, nothing is
    half new."""
    unreadable = _unreadable(box)
    if unreadable is not None and not _keeps(options):
        tell("deleting", 0)
        status, text = box.run("mkfs.ext4", "-q", "-F", "-L", "data", "-m", "1", str(unreadable))
        if status:
            raise Refused("disk_bad", f"the data partition cannot be made anew: {text.strip()[-200:]}")
        return
    data = box.need_data()
    home = data / "zongji"
    entries = (
        [one for one in sorted(data.iterdir()) if one.name not in ("zongji", "lost+found")]
        if data.exists()
        else []
    )
    inside = sorted(home.iterdir(), key=lambda one: one.name == "db") if home.exists() else []
    entries += [one for one in inside if not (one.name == "recordings" and _keeps(options))]
    for number, entry in enumerate(entries):
        remove_tree(entry)
        tell("deleting", 100 * (number + 1) // len(entries))


def wipe_config(box: Box, options: Options, tell: Tell) -> None:
    """Network, certificate, keys: made anew at the next start."""
    for entry in sorted(box.need_config().iterdir()):
        if entry.name not in KEPT_CONFIG:
            remove_tree(entry)


ACTION = Action(plan, (wipe_data, wipe_config))
