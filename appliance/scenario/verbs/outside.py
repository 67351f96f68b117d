"""What an outside subscriber does with the telephone at home."""

from __future__ import annotations

import re

from appliance.scenario.actors import Actor, Broken
from appliance.scenario.vocabulary import CALLER, Args, Script, verb

TAKEN = "[[,] but (it|the line) is (busy|taken)]"
"""How a call may end that must not get through."""


@verb(
    CALLER,
    "call [line ]{line} [from|with number ](withheld|unavailable)[ by {cid}]" + TAKEN,
    like=("call line 1 withheld", "call line 1 with number withheld by dtmf", "call L2 unavailable"),
    does="Like `call`, but the caller's number is kept back (withheld) or not known to the exchange "
    "(unavailable).",
    within_s=5.0,
)
def call_withheld(a: Actor, x: Args) -> Script:
    """Call without a number."""
    assert a.step is not None
    presentation = "withheld" if "withheld" in a.step.text.lower() else "unavailable"
    yield from _place(a, x["line"], "", "", x["cid"], presentation)


@verb(
    CALLER,
    "call [line ]{line}[ from {number}][ name {text}][ by {cid}]" + TAKEN,
    "call [line ]{line}[ as {text}][ from {number}][ by {cid}]" + TAKEN,
    like=(
        "call line 1",
        "call line 1 from 13912345678",
        'call line 1 from 13912345678 name "Li Lei" by fsk',
        "call L2 from 010-66554433 by dtmf",
        "call line 1 but it is busy",
    ),
    does="Calls the box on a line. The exchange sends the caller's number (and name) as FSK between the "
    "first two rings, as DTMF before the first ring, or not at all (`none`); without `by`, in the way the "
    "line is set (`callerid:`), which is FSK. Without `from`, the caller's `number:` is sent. Goes on at "
    "once: the line may still be ringing. Fails when the line is taken, unless the sentence says so.",
    within_s=5.0,
)
def call(a: Actor, x: Args) -> Script:
    """Call the box."""
    yield from _place(a, x["line"], x["number"] or a.person.number, x["text"] or "", x["cid"], "shown")


def _place(a: Actor, line: str, number: str, name: str, cid: str | None, presentation: str) -> Script:
    if a.stage.off_hook(a):
        raise Broken(f"{a.person.title} to call", "is still in another call; `hang up` first")
    a.listen_from_now()
    assert a.step is not None
    taken = a.stage.place_call(a, line, number, name, cid, presentation)
    wants_busy = re.search(r"but (it|the line) is (busy|taken)", a.step.text.lower()) is not None
    if taken and not wants_busy:
        raise Broken(f"a call to line {line}", "the line was taken, busy tone came")
    if wants_busy and not taken:
        raise Broken(f"line {line} to be taken", "the call went through")
    yield


@verb(
    CALLER,
    "wait for [an ]answer",
    "wait to be answered",
    like=("wait for answer within 15 s", "wait to be answered"),
    does="Waits until the box has taken the call.",
    within_s=30.0,
)
def wait_for_answer(a: Actor, x: Args) -> Script:
    """Wait until the box answers."""
    yield from a.until(
        lambda: a.stage.caller_connected(a) or None,
        "an answer",
        lambda: f"the call is {a.stage.caller_state(a)}",
    )


@verb(
    CALLER,
    "(not be answered|stay unanswered) for {time}",
    like=("not be answered for 20 s", "stay unanswered for 10 s"),
    does="Fails if the box takes the call in that time.",
)
def stay_unanswered(a: Actor, x: Args) -> Script:
    """Watch that the box does not answer."""
    yield from a.never(
        lambda: a.stage.caller_connected(a), x["time"], f"no answer for {x['time']:g} s", "the box answered"
    )


@verb(
    CALLER,
    "wait for [a ]call[ to {number}]",
    like=("wait for a call within 40 s", "wait for call to 13800138000"),
    does="Waits until this telephone rings because the box calls it. The caller needs a `number:`, or it "
    "is said here.",
    within_s=60.0,
)
def wait_for_call(a: Actor, x: Args) -> Script:
    """Wait until the box calls."""
    yield from a.until(
        lambda: a.stage.caller_rings(a) or None,
        f"the box to call {a.person.number}",
        lambda: (
            f"the telephone is {a.stage.caller_state(a)}; numbers dialled so far: {a.stage.dialled_so_far()}"
        ),
    )


@verb(
    CALLER,
    "(answer|lift|pick up)[ the (call|phone|receiver|telephone)]",
    like=("answer", "pick up"),
    does="Lifts the ringing telephone and so answers the box's call.",
)
def answer(a: Actor, x: Args) -> Script:
    """Answer a call from the box."""
    if not a.stage.caller_rings(a):
        raise Broken(f"the telephone of {a.person.title} to ring", f"it is {a.stage.caller_state(a)}")
    a.listen_from_now()
    a.stage.caller_answers(a)
    yield


@verb(
    CALLER,
    "hang up",
    like="hang up",
    does="Puts the receiver down; ends the call, or gives up while it rings.",
)
def hang_up_outside(a: Actor, x: Args) -> Script:
    """Hang up an outside telephone."""
    a.say_nothing()
    a.stage.caller_hangs_up(a)
    yield


@verb(
    CALLER,
    "wait for [a |the ](hang-up|hangup|hang up|end of the call)",
    like=("wait for hang-up within 20 s", "wait for the end of the call"),
    does="Waits until the box has left the call.",
    within_s=60.0,
)
def wait_for_release(a: Actor, x: Args) -> Script:
    """Wait until the box has gone on hook."""
    yield from a.until(
        lambda: a.stage.caller_left_alone(a) or None,
        "the box to hang up",
        lambda: f"the call is {a.stage.caller_state(a)}",
    )
