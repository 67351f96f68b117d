"""What the store knows about a caller: answers for the call core and content for screen pops."""

from __future__ import annotations

from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from appliance.store import Store

CONTACTS = 5


def caller_answer(store: Store, number: str) -> dict[str, Any]:
    """Answer to the question "caller": {blocked, vip, customer, name, last_agent}."""
    customer = store.customers.by_phone(number)
    return {
        "blocked": bool(number) and store.blacklist.match(number) is not None,
        "vip": bool(customer and customer["vip"]),
        "customer": customer["id"] if customer else None,
        "name": (customer["name"] or customer["company"]) if customer else "",
        "last_agent": store.calls.last_agent(store.numbering().normalise(number)),
    }


def pop_content(store: Store, number: str, call: str, customer_id: Any = None) -> dict[str, Any]:
    """What is added to a pop: {customer (id or None), customer_name, company, vip, area, contacts, notes}.
    contacts: the last calls with their notes; notes: what was written in this call so far."""
    customer = store.customers.get(customer_id) if isinstance(customer_id, int) else None
    if customer is None:
        customer = store.customers.by_phone(number)
    numbering = store.numbering()
    customer_key = customer["id"] if customer else None
    return {
        "customer": customer_key,
        "customer_name": customer["name"] if customer else "",
        "company": customer["company"] if customer else "",
        "vip": bool(customer and customer["vip"]),
        "area": numbering.area(number, store.settings.get("language")),
        "contacts": store.calls.contacts(numbering.normalise(number), customer_key, CONTACTS, exclude=call),
        "notes": store.calls.notes(call),
    }


def hash_pin(pin: str) -> str:
    """Argon2id hash of a PIN for the agents table."""
    return PasswordHasher().hash(pin)


def check_pin(store: Store, agent: str, pin: str) -> str:
    """ "" when the PIN is this agent's, else "unknown_agent", "no_pin" or "wrong_pin"."""
    row = store.agents.get(agent)
    if row is None:
        return "unknown_agent"
    if not row["pin_hash"]:
        return "no_pin"
    try:
        PasswordHasher().verify(row["pin_hash"], pin)
    except VerifyMismatchError:
        return "wrong_pin"
    except (VerificationError, InvalidHashError):
        return "no_pin"
    return ""
