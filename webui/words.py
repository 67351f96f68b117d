"""Words for the store's fields: label, one line of help, and what a pattern asks for."""

from __future__ import annotations

from typing import Any

from webui.tongue import lazy_gettext as _l

SHORT_NAME = _l("Small letters, digits, - and _, beginning with a letter.")

LABELS: dict[str, dict[str, Any]] = {
    "lines": {
        "id": _l("Line"),
        "port": _l("Socket"),
        "number": _l("Public number"),
        "label": _l("Display name"),
        "group": _l("Group"),
        "flow": _l("Menu that answers"),
        "extension": _l("Straight to telephone"),
        "fallback_queue": _l("Queue when nobody answers there"),
        "inbound": _l("Answer calls on this line"),
        "outbound": _l("Use this line for calls out"),
        "answer_after_rings": _l("Answer after rings"),
        "battery_drop_is_hangup": _l("A drop of line power means the caller hung up"),
        "polarity": _l("The exchange reverses polarity on answer and hang-up"),
        "automatic_gain": _l("Bring callers to a common loudness"),
    },
    "phones": {
        "ext": _l("Extension"),
        "port": _l("Socket"),
        "label": _l("Place or name"),
        "automatic_gain": _l("Bring whoever speaks here to a common loudness"),
    },
    "agents": {
        "number": _l("Work number"),
        "name": _l("Name"),
        "queues": _l("Queues"),
        "outbound": _l("May dial outside numbers"),
    },
    "queues": {
        "id": _l("Short name"),
        "name": _l("Display name"),
        "strategy": _l("Who is offered a call"),
        "weight": _l("Weight"),
        "ring_s": _l("Ringing time"),
        "wrap_up_s": _l("Wrap-up time"),
        "max_wait_s": _l("Longest wait"),
        "max_waiting": _l("Most callers waiting"),
        "misses_allowed": _l("Missed calls allowed"),
        "music": _l("Music"),
        "announce_every_s": _l("Announcement every"),
        "announce": _l("Announcement"),
        "overflow": _l("Prompt when sent away"),
        "answer_when_nobody": _l("Callers may wait although nobody is signed in"),
    },
    "blacklist": {
        "pattern": _l("Number"),
        "action": _l("What the caller gets"),
        "prompt": _l("Message"),
        "note": _l("Why"),
    },
}
HELP: dict[str, dict[str, Any]] = {
    "lines": {
        "id": _l("L1, L2, … as written on the box."),
        "port": _l("Card and socket, for example sim/0."),
        "number": _l("Shown to agents and used in reports."),
        "label": _l("What people call this line."),
        "group": _l("Lines of one group share the calls out."),
        "flow": _l("Used unless the line goes straight to a telephone."),
        "extension": _l("Rings only this telephone, without a menu."),
        "fallback_queue": _l("Only for lines that go straight to a telephone."),
        "answer_after_rings": _l("At the latest; earlier once the caller's number is known."),
    },
    "phones": {
        "ext": _l("What colleagues dial, for example 801."),
        "port": _l("Card and socket, for example sim/8."),
        "label": _l("So that agents find it when they sign in."),
    },
    "agents": {
        "number": _l("Used for signing in at a telephone, for example 1001."),
        "name": _l("Shown to colleagues."),
        "queues": _l("Calls of these queues are offered to the agent."),
    },
    "queues": {
        "id": _l("Used in menus; it cannot be changed later."),
        "name": _l("Shown to agents."),
        "weight": _l("An agent of several queues gets calls of the heavier queue first."),
        "ring_s": _l("Then the next agent is tried and the caller keeps the place."),
        "wrap_up_s": _l("Time for notes after a call before the next one comes."),
        "max_wait_s": _l("0 = no limit. Then the caller hears the prompt below."),
        "max_waiting": _l("0 = no limit."),
        "misses_allowed": _l("After this many the agent becomes not ready."),
        "music": _l("Name of the prompt that waiting callers hear."),
        "announce_every_s": _l("0 = none."),
        "announce": _l("Name of the prompt played between the music."),
        "overflow": _l("Empty: the usual apology."),
    },
    "blacklist": {
        "pattern": _l("A number, the beginning of numbers with * (0755*), or “withheld”."),
        "prompt": _l("Name of the prompt, for “play a message”."),
        "note": _l("Who asked for it, and why."),
    },
}
HINTS: dict[str, dict[str, Any]] = {
    "lines": {
        "id": _l("A capital L and a number, for example L3."),
        "extension": _l("An extension of 2 to 6 digits."),
    },
    "phones": {"ext": _l("2 to 6 digits.")},
    "agents": {"number": _l("2 to 8 digits.")},
    "queues": {
        "id": SHORT_NAME,
        "music": _l("The name of a prompt: letters, digits, - and _."),
        "announce": _l("The name of a prompt: letters, digits, - and _."),
        "overflow": _l("The name of a prompt: letters, digits, - and _."),
    },
    "blacklist": {
        "pattern": _l("Digits, digits with * at the end, or “withheld”."),
        "prompt": _l("The name of a prompt: letters, digits, - and _."),
    },
}
UNITS = {"ring_s": _l("s"), "wrap_up_s": _l("s"), "max_wait_s": _l("s"), "announce_every_s": _l("s")}
STRATEGY = {"longest_idle": _l("Whoever has been idle longest")}
