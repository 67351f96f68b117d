"""What an ear must hear, or must not."""

from __future__ import annotations

from collections.abc import Callable

from appliance.scenario.actors import Actor, Broken
from appliance.scenario.ear import (
    KNOWN_AT,
    SILENCE_DBM0,
    LoopListener,
    SoundListener,
    hears_tone,
    hears_voice,
    keys_heard,
)
from appliance.scenario.sounds import RATE_HZ, level_dbm0
from appliance.scenario.vocabulary import EARS, Args, Script, verb

LOOK_BACK_S = 12.0
EVERY_TICKS = 5
"""Ears are asked ten times a second: people are not faster, and correlation is not free."""
MUSIC_EVERY_TICKS = 20


def _now_and_then(a: Actor, look: Callable[[], bool], every: int = EVERY_TICKS) -> Callable[[], bool]:
    """`look` at most every 100 ms."""
    state = {"ticks": 0}

    def condition() -> bool:
        state["ticks"] += 1
        return state["ticks"] % every == 1 and look()

    return condition


def describe(a: Actor) -> str:
    """What is at the receiver now, in words."""
    if not a.stage.off_hook(a):
        return "the telephone was on the hook"
    audio = a.ear.cut(a.ear.end - 6 * RATE_HZ, a.ear.end)
    recent = audio[-2 * RATE_HZ :]
    level = level_dbm0(recent)
    for tone in a.stage.cadences:
        if hears_tone(audio, tone, a.stage.cadences):
            return f"heard {tone.name} tone"
    for other in a.stage.actors:
        if other is not a and (hears_voice(a.ear, other.voice) or 0.0) >= KNOWN_AT:
            return f"heard {other.person.title}"
    if level < SILENCE_DBM0:
        return f"heard silence ({level:.0f} dBm0)"
    for name, sound in a.stage.known_prompts():
        if LoopListener(sound).likeness(a.ear) >= KNOWN_AT:
            return f"heard prompt {name}"
    return f"heard something else ({level:.0f} dBm0)"


@verb(
    EARS,
    "hear [the ][whole ]prompt {prompt}[ to its end]",
    like=(
        "hear prompt greeting within 10 s",
        "hear whole prompt goodbye",
        "hear prompt menu_main to its end",
    ),
    does="Waits until a prompt of the box is heard from its beginning: about its first two seconds, or all "
    "of it with `whole` or `to its end`. Looks back to the end of what was heard before, so that nothing "
    "spoken while the script did something else is missed.",
    within_s=30.0,
)
def hear_prompt(a: Actor, x: Args) -> Script:
    """Wait for a prompt."""
    assert a.step is not None
    text = a.step.text.lower()
    whole = "whole" in text or "its end" in text
    listener = SoundListener(a.stage.prompt(x["prompt"]), a.mark, whole)

    def look() -> bool:
        found = listener.listen(a.ear)
        if found is None:
            return False
        a.mark = found.end
        return True

    yield from a.until(
        _now_and_then(a, look),
        f"to hear {'the whole ' if whole else ''}prompt {x['prompt']}",
        lambda: f"{describe(a)} (best likeness {listener.best:.2f}, {listener.needed} is needed)",
    )


@verb(
    EARS,
    "(not hear|do not hear|hear no) prompt {prompt} for {time}",
    like="not hear prompt greeting for 5 s",
    does="Fails if the prompt begins in that time.",
)
def not_hear_prompt(a: Actor, x: Args) -> Script:
    """Watch that a prompt does not come."""
    listener = SoundListener(a.stage.prompt(x["prompt"]), a.ear.end)
    yield from a.never(
        _now_and_then(a, lambda: listener.listen(a.ear) is not None),
        x["time"],
        f"not to hear prompt {x['prompt']} for {x['time']:g} s",
        "it was heard",
    )


@verb(
    EARS,
    "hear [waiting ]music",
    "hear music {prompt}",
    like=("hear music within 20 s", "hear music music"),
    does="Waits until 1.2 s of waiting music are heard, at any place of the piece.",
    within_s=30.0,
)
def hear_music(a: Actor, x: Args) -> Script:
    """Wait for looped music."""
    music = a.stage.music(x.get("prompt") or "music")
    begin = a.ear.end

    def look() -> bool:
        return a.ear.end - begin > 1.2 * RATE_HZ and music.likeness(a.ear) >= KNOWN_AT

    yield from a.until(
        _now_and_then(a, look, MUSIC_EVERY_TICKS), "to hear waiting music", lambda: describe(a)
    )
    a.mark = a.ear.end


@verb(
    EARS,
    "(not hear|do not hear|hear no) music for {time}",
    like="not hear music for 3 s",
    does="Fails if waiting music is heard in that time.",
)
def not_hear_music(a: Actor, x: Args) -> Script:
    """Watch that there is no music."""
    music = a.stage.music("music")
    begin = a.ear.end
    yield from a.never(
        _now_and_then(
            a,
            lambda: a.ear.end - begin > 1.2 * RATE_HZ and music.likeness(a.ear) >= KNOWN_AT,
            MUSIC_EVERY_TICKS,
        ),
        x["time"],
        f"not to hear music for {x['time']:g} s",
        "it was heard",
    )


@verb(
    EARS,
    "hear silence[ for {time}]",
    like=("hear silence for 2 s", "hear silence within 10 s"),
    does="Waits until nothing above −38 dBm0 has been heard for that long (1 s when not said).",
    within_s=30.0,
)
def hear_silence(a: Actor, x: Args) -> Script:
    """Wait for a quiet stretch."""
    need = round((x["time"] or 1.0) * RATE_HZ)
    begin = a.ear.end

    def look() -> bool:
        if a.ear.end - begin < need:
            return False
        audio = a.ear.cut(a.ear.end - need, a.ear.end)
        return all(level_dbm0(audio[k : k + 800]) < SILENCE_DBM0 for k in range(0, need - 799, 800))

    yield from a.until(_now_and_then(a, look), f"silence for {need / RATE_HZ:g} s", lambda: describe(a))


@verb(
    EARS,
    "hear (a sound|something|sound)",
    like="hear something within 5 s",
    does="Waits until anything louder than −38 dBm0 is heard for 0.2 s.",
    within_s=30.0,
)
def hear_something(a: Actor, x: Args) -> Script:
    """Wait for any sound."""
    begin = a.ear.end
    yield from a.until(
        lambda: (
            a.ear.end - begin >= 1600 and level_dbm0(a.ear.cut(a.ear.end - 1600, a.ear.end)) > SILENCE_DBM0
        ),
        "to hear something",
        lambda: describe(a),
    )


@verb(
    EARS,
    "hear [the ]keys {keys}",
    like="hear keys 123 within 10 s",
    does="Waits until these DTMF keys have been heard one after the other since the step began.",
    within_s=30.0,
)
def hear_keys(a: Actor, x: Args) -> Script:
    """Wait for DTMF from the other side."""
    begin = a.ear.end
    yield from a.until(
        _now_and_then(a, lambda: x["keys"] in keys_heard(a.ear.cut(begin, a.ear.end))),
        f"to hear keys {x['keys']}",
        lambda: f"heard keys {keys_heard(a.ear.cut(begin, a.ear.end)) or 'none'}",
    )


@verb(
    EARS,
    "(not hear|do not hear|hear no) keys for {time}",
    like="not hear keys for 5 s",
    does="Fails if any DTMF key is heard in that time.",
)
def not_hear_keys(a: Actor, x: Args) -> Script:
    """Watch that no keys come through."""
    begin = a.ear.end
    yield from a.never(
        _now_and_then(a, lambda: keys_heard(a.ear.cut(begin, a.ear.end)) != ""),
        x["time"],
        f"not to hear keys for {x['time']:g} s",
        "some were heard",
    )


@verb(
    EARS,
    "hear [the ]tone {tone}",
    "hear [the ]{tone}[ tone]",
    like=("hear tone dial within 3 s", "hear ringback", "hear busy tone within 15 s"),
    does="Waits for a supervisory tone of the country, told by frequencies and cadence: dial for more than a "
    "second, busy and congestion for two periods, ringback for a burst and a begun pause.",
    within_s=30.0,
)
def hear_tone(a: Actor, x: Args) -> Script:
    """Wait for a tone."""
    wanted = a.stage.cadence(x["tone"])
    floor = a.mark

    def look() -> bool:
        begin = max(floor, a.ear.end - round(LOOK_BACK_S * RATE_HZ))
        return hears_tone(a.ear.cut(begin, a.ear.end), wanted, a.stage.cadences)

    yield from a.until(_now_and_then(a, look), f"to hear {x['tone']} tone", lambda: describe(a))
    a.mark = a.ear.end


@verb(
    EARS,
    "(not hear|do not hear|hear no) [tone ]{tone}[ tone] for {time}",
    like=("not hear tone busy for 5 s", "hear no ringback for 6 s"),
    does="Fails if the tone is heard in that time.",
)
def not_hear_tone(a: Actor, x: Args) -> Script:
    """Watch that a tone does not come."""
    wanted = a.stage.cadence(x["tone"])
    begin = a.ear.end
    yield from a.never(
        _now_and_then(a, lambda: hears_tone(a.ear.cut(begin, a.ear.end), wanted, a.stage.cadences)),
        x["time"],
        f"not to hear {x['tone']} tone for {x['time']:g} s",
        "it was heard",
    )


@verb(
    EARS,
    "(not hear|do not hear) [person ]{person} for {time}",
    like="not hear person Wang for 5 s",
    does="Fails if the voice of somebody who speaks in that time gets through; watches for 1.4 s at least.",
)
def not_hear_person(a: Actor, x: Args) -> Script:
    """Watch that a voice does not get through."""
    other = a.stage.actor(x["person"])
    begin = a.ear.end
    yield from a.never(
        _now_and_then(a, lambda: (hears_voice(a.ear, other.voice, begin) or 0.0) >= KNOWN_AT),
        max(x["time"], 1.4),
        f"not to hear {other.person.title} for {x['time']:g} s",
        "the voice got through",
    )


@verb(
    EARS,
    "hear [person ]{person}",
    like=("hear person Wang within 30 s", "hear agent Wang"),
    does="Waits until what somebody is saying at this moment arrives here; the other must be speaking "
    "(`say …` or `start saying …`). Gain, loss, noise and up to 0.4 s of delay do not matter.",
    within_s=30.0,
)
def hear_person(a: Actor, x: Args) -> Script:
    """Wait for a voice."""
    other = a.stage.actor(x["person"])
    if other is a:
        raise Broken(f"{a.person.title} to hear somebody else", "nobody waits for the own voice")
    best = {"likeness": 0.0, "spoke": 0.0}
    since = a.mark

    def look() -> bool:
        likeness = hears_voice(a.ear, other.voice, since)
        if likeness is not None:
            best["spoke"] = 1.0
            best["likeness"] = max(best["likeness"], likeness)
        return likeness is not None and likeness >= KNOWN_AT

    def happened() -> str:
        if not best["spoke"]:
            return f"{other.person.title} said nothing in that time (`say …` or `start saying …`)"
        return f"{describe(a)} (best likeness {best['likeness']:.2f}, {KNOWN_AT} is needed)"

    yield from a.until(_now_and_then(a, look), f"to hear {other.person.title}", happened)
    a.mark = a.ear.end
