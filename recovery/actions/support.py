"""Collect the support bundle to the stick."""

from __future__ import annotations

import sys

from recovery.box import Box, Tell
from recovery.plan import Plan
from recovery.refused import Refused
from recovery.runner import Action, Options


def plan(box: Box, options: Options) -> Plan:
    """Is there somewhere to put it?"""
    box.need_stick()
    box.need_data()
    return Plan("support", of={"stick": box.plugged})


def collect(box: Box, options: Options, tell: Tell) -> None:
    """The same program as on the running box."""
    words = [
        sys.executable,
        "-m",
        "image.box.support",
        "--home",
        str(box.home),
        "--out",
        str(box.need_stick()),
    ]
    status, text = box.run(*words, env={"ZONGJI_CONFIG": str(box.config or "")})
    if status:
        raise Refused("no_support", text.strip()[-300:])
    tell("written", 100)


ACTION = Action(plan, (collect,), needs_box=False)
