"""Requests that only the system daemon of the flashed box can carry out, handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.client import CallFailed, ControlClient, PeerAway

GROUPS = (
    "status",
    "network",
    "ssh",
    "time",
    "update",
    "usb",
    "power",
    "recovery",
    "support",
    "board",
    "log",
    "certificate",
)
"""First words of the methods; each has a thread of its own, so that a slow one holds up only its like."""
TIMEOUT_S = 330.0

NO_DAEMON = "this is only on the flashed box; here its system daemon is not running"


def lane(method: str) -> str:
    """The thread for `method`. Raises ValueError for a method that there cannot be."""
    group = method.partition(".")[0]
    if group not in GROUPS:
        raise ValueError(f"the system daemon has no method {method!r}")
    return f"system-{group}"


def ask(socket: Path, method: str, params: dict[str, Any], timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """{"result": …} or {"problem": {"code", "message", "params"}}; code no_daemon where there is none."""
    try:
        return {"result": ControlClient(socket, timeout_s, "the system daemon").call(method, **params)}
    except CallFailed as error:
        return {"problem": {"params": {}, **error.details, "code": error.code, "message": str(error)}}
    except PeerAway as error:
        if not socket.exists():
            return {"problem": {"code": "no_daemon", "message": NO_DAEMON, "params": {}}}
        return {"problem": {"code": "daemon_away", "message": str(error), "params": {}}}
