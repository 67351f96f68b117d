"""A new password for an administrator. Whoever stands before the box, or has its presence code, may do it."""

from __future__ import annotations

from recovery.box import Box, Tell, product
from recovery.plan import Plan
from recovery.refused import Refused
from recovery.runner import Action, Options


def plan(box: Box, options: Options) -> Plan:
    """Is there a database?"""
    if not (box.home / "db" / "zongji.db").exists():
        raise Refused("no_database", "this box has no database yet; claim it with the code on its screen")
    return Plan("reset_password")


def reset(box: Box, options: Options, tell: Tell) -> None:
    """The product makes and stores it; it is told once."""
    words = ["reset-password"] + (["--user", str(options["user"])] if options.get("user") else [])
    tell(product(box, *words).strip().splitlines()[-1], None)


ACTION = Action(plan, (reset,), needs_box=False)
