"""What a mouth and a finger do: speech, tones, keys."""

from __future__ import annotations

from typing import Any

from appliance.scenario import sounds
from appliance.scenario.actors import Actor, Broken
from appliance.scenario.vocabulary import EARS, Args, Script, verb


def _level(sound: sounds.Samples, level_dbm0: float | None) -> sounds.Samples:
    if level_dbm0 is None:
        return sound
    gain = 10.0 ** ((level_dbm0 - sounds.level_dbm0(sound)) / 20.0)
    return sounds.to_int16(sound.astype("float64") * gain)


def _say(a: Actor, sound: sounds.Samples) -> Script:
    yield from _talk_path(a, "speak")
    a.say(sound)
    while a.speaking:
        yield


def _talk_path(a: Actor, what: str) -> Script:
    """Wait until the box has answered; whoever has no receiver in the hand cannot wait for that."""
    if not a.stage.off_hook(a):
        raise Broken(f"to {what} into the telephone", f"{a.person.title} has no telephone off the hook")
    if a.person.role == "caller":
        yield from a.until(
            lambda: a.stage.caller_connected(a) or None,
            f"an answer before {a.person.title} can {what}",
            lambda: f"the call is {a.stage.caller_state(a)}",
        )


@verb(
    EARS,
    "say silence for {time}",
    like="say silence for 2 s",
    does="Keeps quiet for that long, with the telephone in the hand.",
)
def say_silence(a: Actor, x: Args) -> Script:
    """Be quiet."""
    yield from a.pause(x["time"])


@verb(
    EARS,
    "say tone {hz}[ Hz][ + {hz2}[ Hz]][ at {db} dBm0] for {time}",
    like=("say tone 1000 Hz for 2 s", "say tone 450 Hz + 480 Hz at -20 dBm0 for 1 s"),
    does="One or two sine tones into the transmitter; −10 dBm0 each when no level is given.",
    within_s=30.0,
)
def say_tone(a: Actor, x: Args) -> Script:
    """Play sines."""
    both = (x["hz"],) if x["hz2"] is None else (x["hz"], x["hz2"])
    level = -10.0 if x["db"] is None else x["db"]
    yield from _say(a, sounds.tone(both, level, x["time"]))


@verb(
    EARS,
    "start saying {file}[ at {db} dBm0]",
    like="start saying demo-instruct",
    does="Says a sound again and again while the script goes on, until `stop saying`, or for ever.",
)
def start_saying(a: Actor, x: Args) -> Script:
    """Loop a sound."""
    a.keep_saying(_level(x["file"], x["db"]))
    yield from ()


@verb(EARS, "stop saying", like="stop saying", does="Ends `start saying`.")
def stop_saying(a: Actor, x: Args) -> Script:
    """End the loop."""
    a.keep_saying(None)
    yield from ()


@verb(
    EARS,
    "say [speech ]{file}[ at {db} dBm0]",
    like=("say vm-goodbye", "say speech hello-world.wav", 'say "my words.wav" at -20 dBm0'),
    does="Speaks a sound file to its end; with a level, its mean power is set to it. A caller waits for the "
    "box's answer first.",
    within_s=30.0,
)
def say(a: Actor, x: Args) -> Script:
    """Speak a file."""
    yield from _say(a, _level(x["file"], x["db"]))


@verb(
    EARS,
    "(press|dial) {keys}[ for {time}][ with gaps of {time2}][ at {db} dBm0][ with twist {db2}[ dB]]",
    like=(
        "press 1",
        "press 12#",
        "press star",
        "dial 802",
        "press 123 for 60 ms with gaps of 50 ms at -12 dBm0 with twist -4 dB",
    ),
    does="Presses keys of the telephone (DTMF), each 100 ms long with gaps of 100 ms at −8 dBm0 unless said "
    "otherwise. The twist is the level of the high group over the low group. What is "
    "being said is silent meanwhile. A caller waits for the box's answer first.",
    within_s=30.0,
)
def press(a: Actor, x: Args) -> Script:
    """Send DTMF and wait until it has gone out."""
    yield from _talk_path(a, "press keys")
    options: dict[str, Any] = {
        "on_ms": 1000.0 * (x["time"] or 0.1),
        "off_ms": 1000.0 * (x["time2"] or 0.1),
        "level_dbm0": -8.0 if x["db"] is None else x["db"],
        "twist_db": x["db2"] or 0.0,
    }
    takes_s = len(x["keys"]) * (options["on_ms"] + options["off_ms"]) / 1000.0
    a.mute(takes_s)
    a.stage.press(a, x["keys"], **options)
    yield from a.pause(takes_s)
