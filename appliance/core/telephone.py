"""What happens to a telephone, in one table: dial tone, digits, codes, busy tone and howler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.core import desk, outbound, talk
from appliance.core.agent import AgentEvent, Refused
from appliance.core.call import CallEvent, CallState
from appliance.core.dialling import (
    FEATURE_NOT_READY,
    FEATURE_READY,
    FEATURE_SIGN_IN,
    FEATURE_SIGN_OUT,
    Dialled,
    Kind,
    meaning,
)
from appliance.core.plan import ClaimPlan
from appliance.core.port import Phone, PhoneEvent, PhoneState
from appliance.core.world import World

S, E = PhoneState, PhoneEvent
Args = Mapping[str, Any]
Handler = Callable[[World, Phone, Args], None]

FIRST_DIGIT_S = 15.0
HOWLER_AFTER_S = 60.0
CODE_TONE_S = 5.0
"""After a code (confirm or error tone) the telephone should be hung up within this time."""

REFUSED_TONE_S = 3.0
"""So long the tone lasts that says a party cannot be handed over."""

PIN_QUESTION_S = 3.0
CLAIM_S = 180.0
"""So long a telephone of a new box says again and again how to claim it."""


def timer(world: World, phone: Phone, after_s: float) -> None:
    """The telephone's one timer."""
    world.timers.set(("phone", phone.key, "timer"), world.now + after_s)


def no_timer(world: World, phone: Phone) -> None:
    """Forget it."""
    world.timers.cancel(("phone", phone.key, "timer"))


# ----------------------------------------------------------------- on hook
def lifted(world: World, phone: Phone, args: Args) -> None:
    """Dial tone; on a box that nobody has claimed yet, how to claim it."""
    phone.call = ""
    collect(world, phone)
    if world.plan.claim.code:
        world.play(phone.key, claim_prompts(world.plan.claim), loop=True)
        timer(world, phone, CLAIM_S)


def claim_prompts(claim: ClaimPlan) -> tuple[str, ...]:
    """Address and code, digit by digit, in both languages: which one is wanted has not been asked yet."""
    said: list[str] = []
    for language in ("zh", "en"):
        if claim.address:
            said.append(f"claim_{language}_address")
            said += [f"say_{language}_{'dot' if sign == '.' else sign}" for sign in claim.address]
        said.append(f"claim_{language}_code")
        said += [f"say_{language}_{digit}" for digit in claim.code]
    return tuple(said)


def collect(world: World, phone: Phone) -> None:
    """Dial tone and an open ear for digits."""
    phone.digits, phone.busy_with_code = "", False
    world.move(phone, S.COLLECTING)
    world.watch(phone.key, "keys")
    world.tone(phone.key, "dial")
    timer(world, phone, FIRST_DIGIT_S)


def ring(world: World, phone: Phone, args: Args) -> None:
    """Rings for a call."""
    phone.call = args["call"]
    world.move(phone, S.RINGING)


def answer(world: World, phone: Phone, args: Args) -> None:
    """Lifted while it rang."""
    world.move(phone, S.IN_CALL)
    world.watch(phone.key, "keys")
    call = world.calls[phone.call]
    world.fire(call, CallEvent.LIFTED)


def stop(world: World, phone: Phone, args: Args) -> None:
    """No longer wanted."""
    phone.call = ""
    world.move(phone, S.IDLE)


# ---------------------------------------------------------------- off hook
def on_hook(world: World, phone: Phone, args: Args) -> None:
    """Hung up; a call it was in, or holds, hears of it."""
    call = world.calls.get(phone.call)
    far = call is not None and call.far == phone.key
    phone.call, phone.digits = "", ""
    no_timer(world, phone)
    world.quiet(phone.key)
    world.watch(phone.key)
    world.move(phone, S.IDLE)
    if call is not None:
        world.fire(call, CallEvent.FAR_GONE if far else CallEvent.NEAR_GONE, by=phone.key)
    world.fire_agent_at(phone.key, AgentEvent.PHONE_ON)


def leave(world: World, phone: Phone, args: Args) -> None:
    """The call is over, the handset is not back yet."""
    no_timer(world, phone)
    phone.call = ""
    park(world, phone, args["tone"])


def park(world: World, phone: Phone, tone: str) -> None:
    """A tone until it is hung up; the howler after a while."""
    world.move(phone, S.OFF_HOOK)
    world.tone(phone.key, tone)
    timer(world, phone, HOWLER_AFTER_S)


def unattended(world: World, phone: Phone, tone: str) -> None:
    """Off hook with nobody doing anything: the agent cannot be reached."""
    park(world, phone, tone)
    world.fire_agent_at(phone.key, AgentEvent.PHONE_OFF, reason="phone_off_hook")


def howl(world: World, phone: Phone, args: Args) -> None:
    """A minute of busy tone was not heeded."""
    world.move(phone, S.HOWLER)
    world.tone(phone.key, "howler")
    world.fire_agent_at(phone.key, AgentEvent.PHONE_OFF, reason="phone_off_hook")


def join(world: World, phone: Phone, args: Args) -> None:
    """Into a call."""
    no_timer(world, phone)
    phone.call = args["call"]
    world.quiet(phone.key)
    world.move(phone, S.IN_CALL)


def flash(world: World, phone: Phone, args: Args) -> None:
    """Hook flash in a conversation puts the other party on hold and gives dial tone."""
    call = world.calls.get(phone.call)
    if call is not None and call.state is CallState.TALKING:
        world.fire(call, CallEvent.HOLD, by=phone.key, dial=True)
    elif call is not None and call.state is CallState.HELD and call.near == phone.key:
        world.fire(call, CallEvent.RETRIEVE, by=phone.key)


def consult(world: World, phone: Phone, args: Args) -> None:
    """Dial tone while somebody is on hold."""
    collect(world, phone)


def flash_back(world: World, phone: Phone, args: Args) -> None:
    """Flash while dialling: back to the party on hold, or a fresh dial tone."""
    call = world.calls.get(phone.call)
    if call is not None and call.state is CallState.HELD:
        world.fire(call, CallEvent.RETRIEVE, by=phone.key)
    else:
        collect(world, phone)


def lost(world: World, phone: Phone, args: Args) -> None:
    """Vanished: its call hears of it, and whoever sits there is out of reach."""
    call = world.calls.get(phone.call)
    no_timer(world, phone)
    phone.call, phone.digits = "", ""
    world.move(phone, S.FAULT)
    world.notice("error", "phone_lost", phone=phone.key, reason=args["reason"])
    if call is not None:
        world.fire(call, CallEvent.PHONE_LOST, ext=phone.key)
    world.fire_agent_at(phone.key, AgentEvent.PHONE_OFF, reason="phone_unavailable")


def back(world: World, phone: Phone, args: Args) -> None:
    """Usable again, on hook."""
    world.move(phone, S.IDLE)
    world.notice("info", "phone_back", phone=phone.key)
    world.fire_agent_at(phone.key, AgentEvent.PHONE_ON)


# ------------------------------------------------------------------- digits
def key(world: World, phone: Phone, args: Args) -> None:
    """One more digit."""
    if phone.busy_with_code:
        return
    if not phone.digits:
        world.quiet(phone.key)
    phone.digits += args["key"]
    dialled = meaning(world.plan, phone.digits)
    if dialled.kind is Kind.NOTHING or dialled.more:
        timer(world, phone, dialled.wait_s)
    else:
        act(world, phone, dialled)


def digits_over(world: World, phone: Phone, args: Args) -> None:
    """No further digit came. Somebody on hold is not left there: they talk on."""
    held = world.calls.get(phone.call)
    if held is not None and (phone.busy_with_code or not phone.digits):
        world.fire(held, CallEvent.RETRIEVE, by=phone.key)
    elif phone.busy_with_code or not phone.digits:
        unattended(world, phone, "congestion")
    else:
        act(world, phone, meaning(world.plan, phone.digits))


def act(world: World, phone: Phone, dialled: Dialled) -> None:
    """Do what was dialled."""
    no_timer(world, phone)
    held = world.calls.get(phone.call)
    if dialled.kind is Kind.EMERGENCY:
        if held is not None:
            talk.let_go(world, held)
        outbound.call_outside(world, phone, dialled.value)
    elif held is not None:
        hand_over(world, phone, dialled)
    elif dialled.kind is Kind.INSIDE:
        outbound.call_inside(world, phone, dialled.value)
    elif dialled.kind is Kind.OUTSIDE:
        outbound.call_outside(world, phone, dialled.value)
    elif dialled.kind is Kind.FEATURE:
        code(world, phone, dialled.value)
    else:
        unattended(world, phone, "congestion")


def hand_over(world: World, phone: Phone, dialled: Dialled) -> None:
    """Digits after a flash: blind transfer. What cannot be rung gives a tone, then they talk on."""
    call = world.calls[phone.call]
    try:
        if dialled.kind is not Kind.INSIDE:
            raise Refused("unknown_target")
        world.fire(call, CallEvent.TRANSFER, to=dialled.value, by=phone.key)
    except Refused as refused:
        world.notice("info", "transfer_refused", call=call.id, why=refused.code)
        phone.digits, phone.busy_with_code = "", True
        world.tone(phone.key, "busy" if refused.code == "target_busy" else "error")
        timer(world, phone, REFUSED_TONE_S)


# -------------------------------------------------------------------- codes
def code(world: World, phone: Phone, digits: str) -> None:
    """Sign in, sign out, ready, not ready by telephone."""
    feature, rest = digits[:3], digits[3:]
    phone.busy_with_code = True
    if feature == FEATURE_SIGN_IN:
        number, _, pin = rest.strip("#").partition("#")
        if number not in world.agents or not pin:
            code_done(world, phone, "unknown_agent", number)
            return
        data = {"agent": number, "pin": pin}
        world.ask(phone, "phone_sign_in", data, PIN_QUESTION_S)
        phone.signing_in = number
        timer(world, phone, PIN_QUESTION_S + CODE_TONE_S)
        return
    agent = world.agent_at(phone.key)
    if agent is None:
        code_done(world, phone, "not_signed_in")
        return
    try:
        if feature == FEATURE_SIGN_OUT:
            world.fire(agent, AgentEvent.SIGN_OUT)
        elif feature == FEATURE_READY:
            world.fire(agent, AgentEvent.READY)
        elif feature == FEATURE_NOT_READY:
            world.fire(agent, AgentEvent.NOT_READY, reason=reason_of(world, rest))
    except Refused as refused:
        code_done(world, phone, refused.code)
    else:
        code_done(world, phone, "")


def reason_of(world: World, digit: str) -> str:
    """*14 and a digit name a reason in the order of the plan; none is a reason too. Raises Refused."""
    if not digit:
        return ""
    reasons = world.plan.not_ready_reasons
    if not digit.isdigit() or not 1 <= int(digit) <= len(reasons):
        raise Refused("bad_request")
    return reasons[int(digit) - 1]


def pin_checked(world: World, phone: Phone, data: Mapping[str, Any] | None) -> None:
    """Control's word on a sign-in by telephone; silence counts as no."""
    number, phone.signing_in = phone.signing_in, ""
    if phone.state is not S.COLLECTING or not number:
        return
    if not data or not data.get("ok"):
        why = str(data.get("error") or "wrong_pin") if data else "no_answer_from_control"
        code_done(world, phone, why, number)
        return
    try:
        desk.sign_in_at(world, number, phone.key)
    except Refused as refused:
        code_done(world, phone, refused.code, number)
    else:
        code_done(world, phone, "")


def code_done(world: World, phone: Phone, error: str, agent: str = "") -> None:
    """Confirm or error tone; the supervisor is told what the tone cannot say (no PIN set, locked, …)."""
    if error:
        world.notice("info", "phone_code_refused", phone=phone.key, agent=agent, why=error)
    world.tone(phone.key, "error" if error else "confirm")
    timer(world, phone, CODE_TONE_S)


OFF = frozenset({S.COLLECTING, S.IN_CALL, S.OFF_HOOK, S.HOWLER})

TABLE: dict[tuple[PhoneState, PhoneEvent], Handler] = {
    (S.IDLE, E.LIFTED): lifted,
    (S.IDLE, E.RING): ring,
    (S.RINGING, E.LIFTED): answer,
    (S.RINGING, E.STOP): stop,
    (S.COLLECTING, E.KEY): key,
    (S.COLLECTING, E.FLASHED): flash_back,
    (S.COLLECTING, E.TIMER): digits_over,
    (S.COLLECTING, E.JOIN): join,
    (S.COLLECTING, E.LEAVE): leave,
    (S.IN_CALL, E.FLASHED): flash,
    (S.IN_CALL, E.LEAVE): leave,
    (S.IN_CALL, E.CONSULT): consult,
    (S.IN_CALL, E.JOIN): join,
    (S.OFF_HOOK, E.TIMER): howl,
    (S.OFF_HOOK, E.JOIN): join,
    **{(state, E.HUNG_UP): on_hook for state in OFF},
    **{(state, E.LOST): lost for state in PhoneState if state is not S.FAULT},
    (S.FAULT, E.READY): back,
}
"""What happens in which state. A pair is here or in IGNORED."""

IGNORED: frozenset[tuple[PhoneState, PhoneEvent]] = frozenset(
    # Signals that say again what is known, or make no sense where they come.
    {(state, E.LIFTED) for state in OFF}
    | {(state, event) for state in (S.IDLE, S.RINGING) for event in (E.HUNG_UP, E.FLASHED, E.KEY)}
    | {(state, E.READY) for state in PhoneState if state is not S.FAULT}
    # Keys in a conversation go to the other party; after it they mean nothing.
    | {(state, E.KEY) for state in (S.IN_CALL, S.OFF_HOOK, S.HOWLER)}
    | {(state, E.FLASHED) for state in (S.OFF_HOOK, S.HOWLER)}
    # The core rings idle telephones only, and stops only what rings.
    | {(state, E.RING) for state in PhoneState if state is not S.IDLE}
    | {(state, E.STOP) for state in PhoneState if state is not S.RINGING}
    | {(state, E.CONSULT) for state in PhoneState if state is not S.IN_CALL}
    # Nobody is on a telephone that is on hook.
    | {(state, event) for state in (S.IDLE, S.RINGING) for event in (E.JOIN, E.LEAVE)}
    | {(state, E.LEAVE) for state in (S.OFF_HOOK, S.HOWLER)}
    | {(S.HOWLER, E.JOIN)}
    # No timer runs there.
    | {(state, E.TIMER) for state in (S.IDLE, S.RINGING, S.IN_CALL, S.HOWLER)}
    # A faulty telephone comes back by READY alone.
    | {(S.FAULT, event) for event in PhoneEvent if event is not E.READY}
)
