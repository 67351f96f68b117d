"""What an agent sees of a caller before answering: customer, past contacts, notes so far."""

from __future__ import annotations

from typing import Any

from appliance.store import StoreError
from webui.box import store
from webui.visible import may_open

HISTORY = 12


def customer_card(number: str, role: str, agent: str, customer_id: int | None = None) -> dict[str, Any]:
    """{"customer", "history"} for a number; customer is None when nobody has it. In the history `open`
    says whether the reader with this role and work number may look at more than what is listed."""
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
    }


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
            "notes": pop.get("notes") or [],
        }
