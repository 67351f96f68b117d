"""What of the live state a role may see."""

from __future__ import annotations

from typing import Any


def live_for(snapshot: dict[str, Any], role: str, agent: str) -> dict[str, Any]:
    """The snapshot for this reader: agents see colleagues and queues, but only their own calls."""
    if role != "agent":
        return snapshot
    cut = dict(snapshot)
    cut["calls"] = [c for c in snapshot.get("calls", []) if agent and c.get("agent") == agent]
    cut["lines"] = [
        {k: v for k, v in line.items() if k not in ("caller_number", "caller_name")}
        for line in snapshot.get("lines", [])
    ]
    return cut


def may_read_messages(who: str, role: str) -> bool:
    """May this role read and write short messages? who: the setting `messages.who`."""
    return who == "everybody" or (who == "leaders" and role != "agent")


def may_open(call: dict[str, Any], role: str, agent: str) -> bool:
    """May this reader open the call, with its recording? Agents: those they took part in; the others: all."""
    return role != "agent" or bool(agent and agent in {call["agent"], *call["agents"]})
