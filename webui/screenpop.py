"""What an agent sees of a caller before answering: customer, past contacts, notes so far."""

from __future__ import annotations

from typing import Any

from appliance.store import StoreError
from webui.box import store
from webui.sentences import in_words
from webui.visible import may_open, may_read_messages

HISTORY = 12


def customer_card(number: str, role: str, agent: str, customer_id: int | None = None) -> dict[str, Any]:
    """{"customer", "history", "messages"} for a number; customer is None when nobody has it. In the history
    `open` says whether the reader with this role and work number may look at more than what is listed."""
    known = store()
    customer = known.customers.get(customer_id) if customer_id else None
    if customer is None and number:
        customer = known.customers.by_phone(number)
    rows: list[dict[str, Any]] = []
    if customer is not None:
        rows = known.customers.history(int(customer["id"]), HISTORY)
    elif number:
        rows, _total = known.calls.search(number=number, limit=HISTORY)
    return {
        "customer": customer,
        "history": [{**row, "open": may_open(row, role, agent)} for row in rows],
        "messages": messages_with(number, customer, role),
    }


def messages_with(
    number: str, customer: dict[str, Any] | None, role: str, most: int = HISTORY
) -> list[dict[str, Any]]:
    """The newest short messages with a customer, or with a number that nobody has; [] where not allowed."""
    known = store()
    if not may_read_messages(str(known.settings.get("messages.who")), role):
        return []
    if customer is not None:
        rows = known.messages.of_customer(int(customer["id"]), most)
    else:
        rows = known.messages.thread(number, most)[::-1] if number else []
    return [spoken(row) for row in rows]


def spoken(message: dict[str, Any]) -> dict[str, Any]:
    """A short message with the reason of its failure in the reader's language."""
    return {**message, "reason": in_words(message["reason"]) if message["reason"] else ""}


def enriched(pop: dict[str, Any], role: str, agent: str) -> dict[str, Any]:
    """A `pop` message with the customer, the history and the notes already written in this call."""
    try:
        card = customer_card(str(pop.get("number", "")), role, agent, pop.get("customer"))
        return {**pop, **card, "notes": store().calls.notes(str(pop.get("call", "")))}
    except StoreError:
        # The call matters more than the card: number and line are shown, and what control had joined.
        return {
            **pop,
            "customer": None,
            "history": pop.get("contacts") or [],
            "messages": [],
            "notes": pop.get("notes") or [],
        }
