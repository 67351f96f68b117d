"""Waiting, and people waiting for each other."""

from __future__ import annotations

from appliance.scenario.actors import Actor
from appliance.scenario.vocabulary import ANYONE, Args, Script, verb


@verb(
    ANYONE,
    "wait [for ]{time}",
    like=("wait 3 s", "wait for 500 ms"),
    does="Does nothing for that long.",
)
def wait(a: Actor, x: Args) -> Script:
    """Let time pass."""
    yield from a.pause(x["time"])


@verb(
    ANYONE,
    "(at|wait until) {time}",
    like=("at 5 s", "wait until 2 min"),
    does="Goes on at that time after the story's beginning; at once when it has passed. "
    "`at 5 s,` may also stand before any other sentence.",
)
def wait_until(a: Actor, x: Args) -> Script:
    """Let time pass until a moment."""
    while a.now_s < x["time"] - 1e-9:
        yield


@verb(
    ANYONE,
    "give signal {text}",
    like="give signal menu-heard",
    does="Lets everybody who waits for this signal go on, now and later.",
)
def give_signal(a: Actor, x: Args) -> Script:
    """Set a flag that others wait for."""
    a.stage.signals.add(x["text"].lower())
    yield from ()


@verb(
    ANYONE,
    "wait for signal {text}",
    like="wait for signal menu-heard within 60 s",
    does="Waits until somebody has given this signal.",
    within_s=120.0,
)
def wait_for_signal(a: Actor, x: Args) -> Script:
    """Wait for somebody's flag."""
    yield from a.until(
        lambda: x["text"].lower() in a.stage.signals or None,
        f"signal {x['text']}",
        lambda: f"signals given so far: {', '.join(sorted(a.stage.signals)) or 'none'}",
    )


@verb(
    ANYONE,
    "wait for {person} to finish",
    like="wait for caller Li to finish",
    does="Waits until somebody has done all steps of the script.",
    within_s=300.0,
)
def wait_for_person(a: Actor, x: Args) -> Script:
    """Wait for somebody's last step."""
    other = a.stage.actor(x["person"])
    yield from a.until(
        lambda: other.finished or None,
        f"{other.person.title} to finish",
        lambda: f"still at `{other.step.text if other.step else 'the beginning'}`",
    )
