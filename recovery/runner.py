"""Carries an action out step by step, so that a power cut at any instant is made good by the next start.

    order.json: {"action", "options", "step", "serial", "source", "of"}   in /config, or on the
                    ESP where config cannot be written; of: Plan.contents, what its first step is held to
    boot state: RECOVERY=1 from before the first step until after the last

Every step may be done twice. What `plan` or `check` refuses has changed nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pkgutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from image.box import bootstate, files
from recovery import actions
from recovery.box import Box, Tell, write_result
from recovery.plan import Plan
from recovery.refused import Changed, Refused

WANTS_STICK = ("no_stick", "no_backup", "no_bundle")
"""Refusals that a stick may mend; at the start it is found only after a few seconds."""
NAMES = tuple(sorted(one.name for one in pkgutil.iter_modules(actions.__path__)))
"""Every action there is."""

MOST_BEGINNINGS = 9
"""Times that what was begun is gone on with by itself, at a start or when a stick comes: a power cut ends
one, and so may the step itself."""

Options = dict[str, Any]
Step = Callable[[Box, Options, Tell], None]


def _nothing_more(box: Box, options: Options, tell: Tell) -> None:
    """What `plan` has looked at is all."""


@dataclass(frozen=True)
class Action:
    """plan: looks and refuses; returns what will be done. check: refuses, too, and may take its time: it is
    asked when all is agreed to and nothing of the box is written. steps: in order, each repeatable.
    sets_boot: the last step has set the boot state itself. agreed: options that whoever began it has agreed
    to, or did not need: after a power cut, with half of it done, nobody is asked for them."""

    plan: Callable[[Box, Options], Plan]
    steps: tuple[Step, ...]
    sets_boot: bool = False
    needs_box: bool = True
    check: Step = _nothing_more
    agreed: Options = field(default_factory=dict)


def action(name: str) -> Action:
    """The action of this name. Raises Refused."""
    if name not in NAMES:
        raise Refused("unknown_action", f"there is no action {name!r}; there are: {', '.join(NAMES)}")
    found: Action = importlib.import_module(f"recovery.actions.{name}").ACTION
    return found


def plan(box: Box, name: str, options: Options) -> Plan:
    """What the action would do, with its mark: the same only for the same action and options, on the same box
    and disk, with the same contents. Raises Refused, OSError."""
    return _marked(box, name, options, action(name).plan(box, options))


def _marked(box: Box, name: str, options: Options, made: Plan) -> Plan:
    disk = box.disk and (box.disk.path, box.disk.serial, box.disk.model, box.disk.size)
    told = json.dumps(
        (name, options, made.key, made.values, made.of, box.serial, disk), sort_keys=True, default=str
    )
    return replace(made, mark=hashlib.sha256(told.encode()).hexdigest())


def run(
    box: Box, name: str, options: Options, tell: Tell, source: str = "menu", agreed: str | None = None
) -> dict[str, Any]:
    """Plan, note the order, carry it out; the result. agreed: mark of the plan that it has to be; None where
    nobody was asked. Raises Refused, Changed too, and OSError."""
    chosen = action(name)
    made = plan(box, name, options)
    if agreed not in (None, made.mark):
        raise Changed(made)
    chosen.check(box, options, tell)
    if chosen.needs_box and chosen.steps:
        order = {"action": name, "options": options, "step": 0, "serial": box.serial, "source": source}
        order["of"] = made.contents
        # In this sequence: with RECOVERY=1 first, a cut in between would bring an old order to life.
        _note(box, order)
        bootstate.order_recovery(box.need_boot())
        return _carry_out(box, chosen, order, tell)
    for step in chosen.steps:
        step(box, options, tell)
    return _finished(box, name, source)


def pending(box: Box) -> dict[str, Any] | None:
    """The order that is under way, or was left by the running system; None where there is none.

    It counts only while the boot state orders recovery: a file that a power cut left before or after that is
    stale, and must not be carried out when somebody comes here for another reason, weeks later.
    """
    if box.boot is None or not bootstate.load(box.boot).recovery:
        return None
    for folder in _places(box):
        try:
            found = files.read_json(folder / bootstate.ORDER_FILE)
        except (OSError, ValueError):
            continue  # half written by something else: as if there were none
        if found and isinstance(found.get("action"), str):
            return found
    return None


def resume(box: Box, tell: Tell) -> dict[str, Any] | None:
    """Finish what was cut off, or begin what the running system ordered. An order that wants a stick waits
    for one, and one of which the first step was cut off for the stick that it began with. Raises Refused,
    Changed too, and OSError."""
    order = pending(box)
    if order is None:
        forget_order(box)
        return None
    if order["action"] == "menu":
        forget(box)
        return None
    chosen, options = action(order["action"]), order.get("options") or {}
    fresh = "step" not in order
    if fresh:
        try:
            made = chosen.plan(box, options)
        except Refused as refused:
            if box.stick is not None or refused.code not in WANTS_STICK:
                forget(box)
            raise
    elif order["step"] == 0 and order.get("of"):
        made = chosen.plan(box, {**options, **chosen.agreed})
        if made.contents != order["of"]:
            raise Changed(_marked(box, order["action"], options, made))
    order["begun"] = int(order.get("begun", 0)) + 1
    if order["begun"] > MOST_BEGINNINGS:
        if fresh:
            forget(box)
        raise Refused(
            "given_up",
            f"{order['action']} was begun {MOST_BEGINNINGS} times and never ended: do it by the menu",
        )
    _note(box, order)
    if not order.get("step"):
        try:
            chosen.check(box, options, tell)
        except Refused:
            if fresh:
                forget(box)
            raise
    if fresh:  # only now: while it is looked at nothing is written, and it counts as not begun
        order |= {"step": 0, "source": "order", "of": made.contents}
        _note(box, order)
    return _carry_out(box, chosen, order, tell)


def _carry_out(box: Box, chosen: Action, order: dict[str, Any], tell: Tell) -> dict[str, Any]:
    options = order.get("options") or {}
    print(f"Zongji: {order['action']} is being carried out", flush=True)
    for number in range(int(order["step"]), len(chosen.steps)):
        chosen.steps[number](box, options, tell)
        os.sync()  # what is deleted comes back with a power cut, as long as it is in memory alone
        order = order | {"step": number + 1}
        _note(box, order)
    result = _finished(box, order["action"], str(order.get("source", "")))
    if chosen.sets_boot:
        forget_order(box)  # RECOVERY went with the last step
    else:
        forget(box)
    return result


def _finished(box: Box, name: str, source: str) -> dict[str, Any]:
    result = {
        "action": name,
        "ok": True,
        "code": "done",
        "text": "done",
        "serial": box.serial,
        "source": source,
    }
    result["at"] = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    write_result(box, result)
    return result


def refused(box: Box, name: str, problem: BaseException, source: str) -> dict[str, Any]:
    """The result of something that was not done, also on the stick."""
    code, text = (problem.code, problem.text) if isinstance(problem, Refused) else ("failed", str(problem))
    if not isinstance(problem, Refused | OSError):
        text = f"{type(problem).__name__}: {text}"
    result = {"action": name, "ok": False, "code": code, "text": text, "serial": box.serial, "source": source}
    result["at"] = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    write_result(box, result)
    return result


def drop_given_up(box: Box) -> None:
    """Forget an order that was not begun before the boot loader gave it up: nobody may want it any more.

    Raises OSError.
    """
    if box.boot is None or box.cause == "ordered":  # the last of its starts is one, too
        return
    order = pending(box)
    if order and "step" not in order and not bootstate.load(box.boot).recovery_tries:
        bootstate.clear_recovery(box.boot)  # first: a file that cannot be removed counts no more without it
        forget_order(box)


def forget(box: Box) -> None:
    """The order is done. A cut in between only starts recovery once more, with nothing to do."""
    forget_order(box)
    if box.boot is not None:
        bootstate.clear_recovery(box.boot)


def forget_order(box: Box) -> None:
    """No order any more. Raises OSError."""
    for folder in _places(box):
        if (folder / bootstate.ORDER_FILE).exists():
            files.remove(folder / bootstate.ORDER_FILE)


def _places(box: Box) -> list[Path]:
    return [folder for folder in (box.config, box.boot) if folder is not None and folder.is_dir()]


def _note(box: Box, order: dict[str, Any]) -> None:
    problem: OSError | None = None
    for folder in _places(box):
        try:
            files.write_json(folder / bootstate.ORDER_FILE, order, 0o600)
            return
        except OSError as error:
            problem = error
    raise Refused("no_box", f"the order cannot be noted on the box's disk: {problem or 'there is none'}")
