"""What a telephone of a new box says when it is lifted: where the box is, and the code that claims it."""

from __future__ import annotations

from typing import Any

from appliance.control import system
from appliance.paths import system_socket
from appliance.store import Store

LOOK_EVERY_S = 10.0
"""The address comes when the network does, and a code that was guessed at too often is replaced."""

NETWORK_S = 5.0
"""A daemon that takes longer must not hold up the plan: the code is said without the address then."""


def spoken(store: Store) -> dict[str, str]:
    """{"code", "address"} for the plan of a flashed box that has no administrator yet; {} otherwise.

    Whoever lifts a telephone is present in the office; in development the code is printed instead.
    Raises StoreError.
    """
    socket = system_socket()
    code = store.claim.code() if socket.exists() else None
    if not code:
        return {}
    answer = system.ask(socket, "network.get", {}, NETWORK_S)
    return {"code": code, "address": speakable(answer.get("result", {}).get("interfaces", []))}


def speakable(interfaces: list[dict[str, Any]]) -> str:
    """The IPv4 address to type into a browser; "" while there is none. One from a router goes before one that
    the box gave itself."""
    found = [one.partition("/")[0] for row in interfaces for one in row.get("addresses", [])]
    four = [one for one in found if one.replace(".", "").isdecimal()]
    return next(iter(sorted(four, key=lambda one: one.startswith("169.254."))), "")
