"""What the engine tells of itself once a second: pace, cards, sockets, lines, recordings."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from appliance.engine.mailbox import Message
from appliance.engine.ports import Port
from board.sim import SimBoard

if TYPE_CHECKING:
    from appliance.engine.engine import Engine


def describe(engine: Engine) -> Message:
    """The topic `health` of engine.sock."""
    return {
        **engine.stopwatch.report(),
        "now": engine.unix_s,
        "uptime_s": engine.now,
        "ports": len(engine.table),
        "sockets": [
            {
                "name": port.info.name,
                "kind": port.info.kind.value,
                "used_as": port.name,
                "state": port.gone or ("in use" if port.in_use else "idle"),
                "can": sorted(port.info.can),
                "radio": _radio(engine, port),
            }
            for port in engine.table.ports
        ],
        "country": _country(engine),
        "shelf": engine.shelf.describe(),
        "hardware": engine.hardware(),
        "lines": [row | {"tone": engine.tones.report(row["port"])} for row in engine.care.report()],
        "lost_cards": [engine.boards[card].id for card in sorted(engine.shelf.lost)],
        "cards": engine.clocks.health(),
        "bridges": engine.hands.bridges,
        "recordings": engine.recorder.active,
        "recording_ok": engine.recording_ok,
        "recording_blocks_lost": engine.recorder.lost_blocks,
        "records_waiting": engine.spool.waiting,
        "messages": engine.messages.report(),
        "work": engine.work.report(),
        "files_backlog": engine.files_backlog,
    }


def _radio(engine: Engine, port: Port) -> Message | None:
    """SIM, registration and signal of a cellular port; None of all others, and of a lost one."""
    if "radio" not in port.info.can or port.card in engine.shelf.lost:
        return None
    measure = engine.measure(port)
    return asdict(measure.radio) if measure is not None and measure.radio is not None else None


def _country(engine: Engine) -> str | None:
    """Country of the exchange, where a card knows it: only the simulated office does."""
    return next((b.office.config.country for b in engine.cards if isinstance(b, SimBoard)), None)
