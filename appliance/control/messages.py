"""Short messages in control: those of the engine are stored, those of the pages are written and handed on."""

from __future__ import annotations

from appliance.control.effects import Effect, Message, Stream, ToEngine
from appliance.control.records import Kind, Received
from appliance.store import Store

SUMMARY = ("id", "direction", "state", "peer", "number", "customer", "customer_name", "line", "at")
"""What subscribers are told of a message; its text is read from the store by those who may."""


def _save(store: Store, one: Received) -> Message:
    return store.save_message(one.call, one.record, one.final)


def tell(row: Message) -> list[Effect]:
    """A message is new or has changed."""
    return [Stream("message", {name: row[name] for name in SUMMARY})] if row else []


MESSAGES = Kind("message", "ack_message", _save, tell)


def hand_over(row: Message) -> ToEngine:
    """Ask the engine to send it; it knows what it has been asked before."""
    return ToEngine(
        {"cmd": "sms", "id": row["id"], "number": row["dial"], "text": row["text"], "port": row["port"]}
    )


def write(store: Store, params: Message) -> Message:
    """Write what a page wants sent: `again` (id of a message that failed), or number, text, line; and who.
    Raises InvalidRow, NotFound."""
    who = str(params.get("who") or "")
    if params.get("again"):
        return store.messages.write_again(str(params["again"]), who)
    number, text, line = (str(params.get(key) or "") for key in ("number", "text", "line"))
    return store.messages.write(number, text, who, line)
