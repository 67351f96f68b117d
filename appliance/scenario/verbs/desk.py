"""What agents and supervisors do in the browser: the same requests that the pages send to control."""

from __future__ import annotations

from typing import Any

from appliance.core.actions import ERRORS
from appliance.scenario.actors import Actor, Broken
from appliance.scenario.vocabulary import CHIEF, DESK, Args, Script, verb

REFUSALS = ERRORS | {"control_away", "engine_away", "store_away"}
"""Codes with which a desk request may be refused: by the call core, or because somebody is away."""

REFUSED = "[[,] but is refused[ (with|because) {state}]]"
"""Every desk sentence may end like this: the request must then be refused, with this code."""


def _ask(a: Actor, verb_name: str, x: Args, args: dict[str, Any], agent: str = "") -> Script:
    assert a.step is not None
    wants_refusal = "but is refused" in a.step.text.lower()
    code = x.get("state")
    error: list[str] = []
    a.stage.desk(agent or a.person.number, verb_name, args, error.append)
    end_s = a.now_s + 3.0
    while not error:
        if a.now_s > end_s:
            raise Broken(f"an answer to `{a.step.text}`", "the box did not answer for 3 s")
        yield
    got = error[0]
    if wants_refusal and not got:
        raise Broken(f"`{verb_name}` to be refused", "it was done")
    if wants_refusal and code is not None and got != code:
        raise Broken(f"`{verb_name}` to be refused with {code}", f"it was refused with {got}")
    if not wants_refusal and got:
        raise Broken(f"`{a.step.text}` to be done", f"the box refused with {got}")


@verb(
    DESK,
    "sign in[ at {ext}]" + REFUSED,
    like=("sign in", "sign in at 802", "sign in at 801 but is refused with phone_in_use"),
    does="Signs in at the own telephone or another one. The agent is then not ready.",
)
def sign_in(a: Actor, x: Args) -> Script:
    """Sign in."""
    if x["ext"]:
        a.person.ext = x["ext"]
    yield from _ask(a, "sign_in", x, {"phone": a.person.ext})


@verb(DESK, "sign out" + REFUSED, like="sign out", does="Signs out.")
def sign_out(a: Actor, x: Args) -> Script:
    """Sign out."""
    yield from _ask(a, "sign_out", x, {})


@verb(DESK, "[be ]ready" + REFUSED, like="ready", does="Takes calls from the queues from now on.")
def ready(a: Actor, x: Args) -> Script:
    """Be ready."""
    yield from _ask(a, "ready", x, {})


@verb(
    DESK,
    "[be ]not ready[ {reason}]" + REFUSED,
    like=("not ready lunch", "not ready"),
    does="Takes no more calls, with a reason of the settings (`break` when not said). During a call it takes "
    "effect when the call ends.",
)
def not_ready(a: Actor, x: Args) -> Script:
    """Be not ready."""
    yield from _ask(a, "not_ready", x, {"reason": x["reason"] or "break"})


@verb(
    DESK,
    "wrap up done" + REFUSED,
    "wrap-up done" + REFUSED,
    like="wrap up done",
    does="Ends wrap-up before its time.",
)
def wrap_up_done(a: Actor, x: Args) -> Script:
    """End wrap-up."""
    yield from _ask(a, "wrap_up_done", x, {})


@verb(
    DESK,
    "extend wrap(-up| up)" + REFUSED,
    like="extend wrap-up",
    does="Asks for more time for wrap-up, once.",
)
def extend_wrap_up(a: Actor, x: Args) -> Script:
    """More wrap-up."""
    yield from _ask(a, "wrap_up_extend", x, {})


@verb(DESK, "hold" + REFUSED, like="hold", does="Puts the other side on hold; music plays there.")
def hold(a: Actor, x: Args) -> Script:
    """Hold."""
    yield from _ask(a, "hold", x, {})


@verb(DESK, "retrieve" + REFUSED, like="retrieve", does="Takes the held call back.")
def retrieve(a: Actor, x: Args) -> Script:
    """Retrieve."""
    yield from _ask(a, "retrieve", x, {})


@verb(
    DESK,
    "transfer to {digits}" + REFUSED,
    like=("transfer to 802", "transfer to 899 but is refused with unknown_target"),
    does="Blind transfer of the call to an extension, an agent's number or an outside number.",
)
def transfer(a: Actor, x: Args) -> Script:
    """Blind transfer."""
    yield from _ask(a, "transfer", x, {"to": x["digits"]})


@verb(
    DESK,
    "(click to dial|click-to-dial|desk dial) {digits}" + REFUSED,
    like=("click to dial 13800138000", "desk dial 802"),
    does="Has the box call a number or extension from the own telephone; the telephone rings first when it "
    "is on the hook. No outside prefix.",
)
def click_to_dial(a: Actor, x: Args) -> Script:
    """Dial from the desk."""
    yield from _ask(a, "dial", x, {"number": x["digits"]})


@verb(
    DESK,
    "(hang up by desk|desk hang up)" + REFUSED,
    like="desk hang up",
    does="Ends the call with the button in the browser; the receiver stays where it is.",
)
def desk_hang_up(a: Actor, x: Args) -> Script:
    """Hang up from the desk."""
    yield from _ask(a, "hang_up", x, {})


@verb(
    DESK,
    "(pause|resume) recording" + REFUSED,
    like=("pause recording", "resume recording"),
    does="Pauses or resumes the recording of the own call (card numbers).",
)
def pause_recording(a: Actor, x: Args) -> Script:
    """Pause or resume the recording."""
    assert a.step is not None
    which = "record_pause" if a.step.text.lower().startswith("pause") else "record_resume"
    yield from _ask(a, which, x, {})


@verb(
    DESK,
    "note {rest}",
    like='note "wants a quote by Friday"',
    does="Writes a note into the agent's call, the one in progress or the last one.",
)
def note(a: Actor, x: Args) -> Script:
    """Save a note with the call."""
    text = x["rest"].strip("\"“”'")
    problem = a.stage.note(a, text)
    if problem:
        raise Broken("the note to be saved", problem)
    yield


@verb(
    DESK,
    "see [the |a ]pop[ (number|from) {number}][ name {text}][ customer {text2}][ line {line}][ queue {queue}]"
    "[ keys {keys}]",
    "see [the |a ]pop withheld",
    like=(
        "see pop number 13912345678",
        'see the pop from 13912345678 name "Li Lei" customer "李雷" line 1 queue sales keys 1',
        "see pop withheld",
    ),
    does="Waits until a call pops up on the agent's screen, and compares what it shows. `customer` is the "
    "name in the customer table.",
    within_s=40.0,
)
def see_pop(a: Actor, x: Args) -> Script:
    """Wait for a screen pop."""
    assert a.step is not None
    pop = yield from a.until(
        lambda: a.pops.popleft() if a.pops else None, "a call on the screen", lambda: a.stage.situation()
    )
    wanted = {
        "number": x.get("number"),
        "name": x.get("text"),
        "line": x.get("line"),
        "queue": x.get("queue"),
        "keys": x.get("keys"),
        "customer": x.get("text2"),
    }
    if a.step.text.lower().rstrip(".").endswith("withheld"):
        wanted["presentation"] = "withheld"
    for key, want in wanted.items():
        if want is None:
            continue
        got = a.stage.customer_name(pop) if key == "customer" else str(pop.get(key) or "")
        if got != want:
            raise Broken(f"the pop to show {key} {want}", f"it showed `{got}`")


@verb(
    DESK,
    "see no pop for {time}",
    like="see no pop for 10 s",
    does="Fails if a call pops up in that time.",
)
def see_no_pop(a: Actor, x: Args) -> Script:
    """Watch that nothing pops up."""
    yield from a.never(lambda: bool(a.pops), x["time"], f"no pop for {x['time']:g} s", "a call popped up")


@verb(
    CHIEF,
    "force {person} not ready[ {reason}]" + REFUSED,
    like="force agent Wang not ready meeting",
    does="Makes an agent not ready.",
)
def force_not_ready(a: Actor, x: Args) -> Script:
    """Force not ready."""
    yield from _ask(a, "force_not_ready", x, {"reason": x["reason"] or "forced"}, x["person"].number)


@verb(
    CHIEF,
    "force {person} to sign out" + REFUSED,
    like="force agent Wang to sign out",
    does="Signs an agent out.",
)
def force_sign_out(a: Actor, x: Args) -> Script:
    """Force sign-out."""
    yield from _ask(a, "force_sign_out", x, {}, x["person"].number)


@verb(
    CHIEF,
    "drop the call on line {line}" + REFUSED,
    like="drop the call on line 1",
    does="Ends the call on a line.",
)
def drop_call(a: Actor, x: Args) -> Script:
    """Drop a call."""
    call = a.stage.call_on(x["line"])
    if call is None:
        raise Broken(f"a call on line {x['line']}", "there is none")
    yield from _ask(a, "drop_call", x, {"call": call})
