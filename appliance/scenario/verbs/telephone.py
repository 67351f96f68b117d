"""What somebody does with a telephone of the box."""

from __future__ import annotations

import re

from appliance.scenario.actors import Actor, Broken
from appliance.scenario.vocabulary import EARS, TELEPHONE, Args, Script, verb

JUST_LIFTED_S = 1.0
"""So long after a receiver was lifted there may be no call yet that could end."""


@verb(
    TELEPHONE,
    "wait for (ringing|[the |a ]ring|[the ](phone|telephone) to ring)",
    like=("wait for ringing within 40 s", "wait for the telephone to ring"),
    does="Waits until the own telephone rings.",
    within_s=60.0,
)
def wait_for_ringing(a: Actor, x: Args) -> Script:
    """Wait for ringing current."""
    yield from a.until(
        lambda: a.stage.phone_rings(a) or None,
        f"telephone {a.person.ext} to ring",
        lambda: f"it did not ring; {a.stage.situation()}",
    )


@verb(
    TELEPHONE,
    "(not ring|be left in peace) for {time}",
    like=("not ring for 10 s", "be left in peace for 5 s"),
    does="Fails if the own telephone rings in that time.",
)
def not_ring(a: Actor, x: Args) -> Script:
    """Watch that the telephone is quiet."""
    yield from a.never(
        lambda: a.stage.phone_rings(a),
        x["time"],
        f"telephone {a.person.ext} not to ring for {x['time']:g} s",
        "it rang",
    )


@verb(
    TELEPHONE,
    "wait for (ringing|[the ](phone|telephone)) to stop[ ringing]",
    like="wait for ringing to stop within 30 s",
    does="Waits until the own telephone has not been rung for six seconds.",
    within_s=60.0,
)
def wait_for_quiet(a: Actor, x: Args) -> Script:
    """Wait until ringing is over."""
    quiet = {"since_s": a.now_s}

    def look() -> bool:
        if a.stage.phone_rings(a):
            quiet["since_s"] = a.now_s
        return a.now_s - quiet["since_s"] >= 6.0

    yield from a.until(look, f"telephone {a.person.ext} to stop ringing", lambda: "it still rings")


@verb(
    TELEPHONE,
    "see [the ]display[ show| of] {number}[ name {text}]",
    "see [the ]display[ show] withheld",
    like=(
        "see display 13912345678",
        'see the display show 13912345678 name "李雷" within 5 s',
        "see display withheld",
    ),
    does="Waits until the own telephone's caller display shows that; the set decodes it from what the box "
    "sends while the receiver is down. It shows the last caller until the receiver is put down.",
    within_s=20.0,
)
def see_display(a: Actor, x: Args) -> Script:
    """Wait for the caller display."""
    wanted = (x["number"], "shown") if x.get("number") else ("", "withheld")

    def shown() -> bool:
        number, name, presentation = a.stage.display(a)
        return (number, presentation) == wanted and x.get("text") in (None, name)

    words = " ".join(filter(None, (*wanted, x.get("text"))))
    yield from a.until(
        lambda: shown() or None,
        f"the display of telephone {a.person.ext} to show {words}",
        lambda: f"it shows `{' '.join(a.stage.display(a)).strip()}`; {a.stage.situation()}",
    )


@verb(
    TELEPHONE,
    "see [the ]lamp (lit|dark)",
    like=("see the lamp lit within 5 s", "see lamp dark"),
    does="Waits until the message lamp of the own telephone is lit, or dark. It is lit while callers wait "
    "whom this agent could serve.",
    within_s=5.0,
)
def see_lamp(a: Actor, x: Args) -> Script:
    """Wait for the message lamp."""
    assert a.step is not None
    lit = "lit" in re.split(r"\W+", a.step.text.lower())
    yield from a.until(
        lambda: a.stage.lamp(a) is lit or None,
        f"the lamp of telephone {a.person.ext} to be {'lit' if lit else 'dark'}",
        lambda: f"it was not; {a.stage.situation()}",
    )


@verb(
    TELEPHONE,
    "see nothing on [the ]display for {time}",
    like="see nothing on the display for 5 s",
    does="Fails if the own telephone's caller display shows something in that time.",
)
def see_no_display(a: Actor, x: Args) -> Script:
    """Watch that the display is empty."""
    yield from a.never(
        lambda: any(a.stage.display(a)),
        x["time"],
        f"nothing on the display of telephone {a.person.ext} for {x['time']:g} s",
        "it showed something",
    )


@verb(
    TELEPHONE,
    "(lift|pick up|answer)[ the (phone|receiver|telephone)]",
    like=("lift", "pick up the phone"),
    does="Takes the receiver off the hook; answers when it rings.",
)
def lift(a: Actor, x: Args) -> Script:
    """Off hook."""
    if a.stage.off_hook(a):
        raise Broken(f"telephone {a.person.ext} to be on the hook", "it is already lifted")
    a.listen_from_now()
    a.stage.lift(a)
    yield


@verb(
    TELEPHONE,
    "(hang up|put down)[ the (phone|receiver|telephone)]",
    like=("hang up", "put down the receiver"),
    does="Puts the receiver on the hook.",
)
def hang_up_phone(a: Actor, x: Args) -> Script:
    """On hook."""
    a.say_nothing()
    a.stage.hang_up_phone(a)
    yield


@verb(
    TELEPHONE,
    "flash[ for {time}]",
    like=("flash", "flash for 300 ms"),
    does="Opens the hook switch for a moment (100 ms when not said), as the R key does.",
)
def flash(a: Actor, x: Args) -> Script:
    """Hook flash."""
    a.stage.flash(a, 1000.0 * (x["time"] or 0.1))
    yield from a.pause((x["time"] or 0.1) + 0.1)


@verb(
    EARS,
    "(dial|press) {digits} by pulse[s]",
    like="dial 802 by pulse",
    does="Dials like an old telephone: ten interruptions of the loop a second.",
)
def dial_pulses(a: Actor, x: Args) -> Script:
    """Dial by loop interruptions."""
    a.stage.pulse(a, x["digits"])
    breaks = sum(int(d) or 10 for d in x["digits"])
    yield from a.pause(breaks * 0.1 + len(x["digits"]) * 0.8)


@verb(
    TELEPHONE,
    "wait for [a |the ](hang-up|hangup|hang up|end of the call)",
    like=("wait for hang-up within 20 s", "wait for the end of the call"),
    does="Waits until the call at the own telephone is over: the other side has gone or the box ended it.",
    within_s=90.0,
)
def wait_for_end(a: Actor, x: Args) -> Script:
    """Wait until the call at this telephone has ended."""
    begin_s = a.now_s
    while not a.stage.phone_in_call(a) and a.now_s < begin_s + JUST_LIFTED_S:
        yield
    yield from a.until(
        lambda: not a.stage.phone_in_call(a) or None,
        f"the call at telephone {a.person.ext} to end",
        lambda: f"it goes on; {a.stage.situation()}",
    )
