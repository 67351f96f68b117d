"""Start the box again; the confirmed systems get another try."""

from __future__ import annotations

from image.box import bootstate
from recovery.box import Box, Tell
from recovery.plan import Plan
from recovery.refused import Refused
from recovery.runner import Action, Options, forget_order


def plan(box: Box, options: Options) -> Plan:
    """Always possible."""
    return Plan("restart")


def restart(box: Box, options: Options, tell: Tell) -> None:
    """RECOVERY goes, then the machine starts anew."""
    if box.boot is not None:
        bootstate.retry(box.boot)
        forget_order(box)
    status, text = box.run("systemctl", "--no-block", "reboot")
    if status:
        raise Refused("not_down", f"the machine does not restart: {text.strip()}")


ACTION = Action(plan, (restart,), needs_box=False)
