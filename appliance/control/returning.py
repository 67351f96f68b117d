"""Who is signed in outlives the engine: it knows nothing of the time before its start, control does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def signed_in(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a live snapshot, whom the next engine has to sign in: number, phone, ready, reason.

    Who was in a call or in its notes is ready after it, as far as anybody can know.
    """
    return [
        {
            "number": agent["number"],
            "phone": agent["phone"],
            "ready": agent["state"] != "not_ready",
            "reason": agent["reason"] if agent["state"] == "not_ready" else "",
        }
        for agent in live.get("agents", ())
        if agent["state"] != "signed_out" and agent["phone"]
    ]
