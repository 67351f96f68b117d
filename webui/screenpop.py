"""What an agent sees of a caller before answering: customer, past contacts, notes so far."""

from __future__ import annotations

from typing import Any

from appliance.store import StoreError
from webui.box import store

HISTORY = 12


def customer_card(number: str, customer_id: int | None = None) -> dict[str, Any]:
    """{"customer", "history"} for a number; customer is None when nobody has it."""
    known = store()
    customer = known.customers.get(customer_id) if customer_id else None
    if customer is None and number:
        customer = known.customers.by_phone(number)
    if customer is not None:
        return {"customer": customer, "history": known.customers.history(int(customer["id"]), HISTORY)}
    if not number:
        return {"customer": None, "history": []}
    rows, _total = known.calls.search(number=number, limit=HISTORY)
    return {"customer": None, "history": rows}


def enriched(pop: dict[str, Any]) -> dict[str, Any]:
    """A `pop` message with the customer, the history and the notes already written in this call."""
    try:
        card = customer_card(str(pop.get("number", "")), pop.get("customer"))
        return {**pop, **card, "notes": store().calls.notes(str(pop.get("call", "")))}
    except StoreError:
        # The call matters more than the card: number and line are shown, and what control had joined.
        return {
            **pop,
            "customer": None,
            "history": pop.get("contacts") or [],
            "notes": pop.get("notes") or [],
        }
