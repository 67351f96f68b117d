"""Looking at the live board."""

from __future__ import annotations

from typing import Any

from appliance.scenario.actors import Actor
from appliance.scenario.vocabulary import ANYONE, Args, Script, verb

STATES = {
    "expect_agent": [
        "signed_out",
        "not_ready",
        "ready",
        "ringing",
        "talking",
        "hold",
        "consult",
        "conference",
        "wrap_up",
        "outbound",
        "internal",
        "phone_off",
    ],
    "expect_line": [
        "idle",
        "ringing",
        "ivr",
        "queued",
        "offered",
        "talking",
        "held",
        "dialling",
        "out_ringing",
        "out_talking",
        "blocked",
        "fault",
    ],
    "expect_phone": ["idle", "ringing", "off_hook", "dialling", "talking", "howler", "fault"],
}
"""Words of the live board, see docs/architecture.md."""

SOON_S = 1.0
"""The live board may lag behind by so much; without `within`, an expectation must hold by then."""


@verb(
    ANYONE,
    "(expect|see) agent {person} (is |to be |in state |)[in ]{state}[ because {reason}]",
    like=("expect agent Wang is wrap_up within 5 s", "expect agent Wang is not ready because lunch"),
    does="Waits until the agent is in that state: signed_out, not_ready, ready, ringing, talking, hold, "
    "consult, conference, wrap_up, outbound, internal or phone_off.",
    within_s=SOON_S,
)
def expect_agent(a: Actor, x: Args) -> Script:
    """Wait for an agent's state."""
    number = x["person"].number

    def now() -> str:
        row = _row(a, "agents", "number", number)
        return f"{row.get('state', 'unknown')}" + (f" because {row['reason']}" if row.get("reason") else "")

    def look() -> bool:
        row = _row(a, "agents", "number", number)
        return row.get("state") == x["state"] and x["reason"] in (None, row.get("reason"))

    because = f" because {x['reason']}" if x["reason"] else ""
    yield from a.until(
        look, f"{x['person'].title} to be {x['state']}{because}", lambda: f"the state was {now()}"
    )


@verb(
    ANYONE,
    "(expect|see) line {line} (is |to be |)[in ]{state}",
    like="expect line 1 is idle within 10 s",
    does="Waits until the line is in that state: idle, ringing, ivr, queued, offered, talking, held, "
    "dialling, out_ringing, out_talking, blocked or fault.",
    within_s=SOON_S,
)
def expect_line(a: Actor, x: Args) -> Script:
    """Wait for a line's state."""
    yield from _state(a, "lines", "id", x["line"], x["state"], f"line {x['line']}")


@verb(
    ANYONE,
    "(expect|see) phone {ext} (is |to be |)[in ]{state}",
    like="expect phone 801 is off_hook",
    does="Waits until the telephone is in that state: idle, ringing, off_hook, dialling, talking, howler "
    "or fault.",
    within_s=SOON_S,
)
def expect_phone(a: Actor, x: Args) -> Script:
    """Wait for a telephone's state."""
    yield from _state(a, "phones", "ext", x["ext"], x["state"], f"phone {x['ext']}")


@verb(
    ANYONE,
    "(expect|see) queue {queue} (has |to have |with |){count} [callers ]waiting",
    like="expect queue sales has 2 waiting within 20 s",
    does="Waits until so many callers are waiting in the queue.",
    within_s=SOON_S,
)
def expect_queue(a: Actor, x: Args) -> Script:
    """Wait for a queue's length."""
    yield from a.until(
        lambda: _row(a, "queues", "id", x["queue"]).get("waiting") == x["count"],
        f"{x['count']} waiting in queue {x['queue']}",
        lambda: f"{_row(a, 'queues', 'id', x['queue']).get('waiting')} were waiting",
    )


@verb(
    ANYONE,
    "(expect|see) {count} call[s][ in progress]",
    like=("expect 1 call", "expect 0 calls in progress within 10 s"),
    does="Waits until so many calls are in progress.",
    within_s=SOON_S,
)
def expect_calls(a: Actor, x: Args) -> Script:
    """Wait for a number of calls."""
    yield from a.until(
        lambda: len(a.stage.snapshot()["calls"]) == x["count"],
        f"{x['count']} calls in progress",
        lambda: f"there were {len(a.stage.snapshot()['calls'])}",
    )


@verb(
    ANYONE,
    "(expect|see) notice {state}",
    like="expect notice no_answer within 30 s",
    does="Waits until the box has given a notice with this code, now or earlier in the story.",
    within_s=SOON_S,
)
def expect_notice(a: Actor, x: Args) -> Script:
    """Wait for a notice."""
    yield from a.until(
        lambda: x["state"] in a.stage.notice_codes(),
        f"notice {x['state']}",
        lambda: f"notices so far: {', '.join(a.stage.notice_codes()) or 'none'}",
    )


def _row(a: Actor, table: str, key: str, value: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = a.stage.snapshot()[table]
    return next((row for row in rows if row[key] == value), {})


def _state(a: Actor, table: str, key: str, value: str, state: str, what: str) -> Script:
    yield from a.until(
        lambda: _row(a, table, key, value).get("state") == state,
        f"{what} to be {state}",
        lambda: f"the state was {_row(a, table, key, value).get('state', 'unknown')}",
    )
