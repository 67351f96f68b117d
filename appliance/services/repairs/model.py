"""What a repair works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from appliance.paths import Home
from appliance.services.backup import Step
from appliance.store import Store

REPUBLISH, REOPEN, NOTHING = "republish", "reopen", ""
"""What control does after a repair: compile the plan, open the database anew, nothing."""


@dataclass(frozen=True)
class Tools:
    """store is None while the database cannot be used. system(method, params): a request to the system
    daemon, which raises appliance.client.WireError. now: Unix seconds."""

    home: Home
    store: Store | None
    now: float
    version: str
    box: str
    system: Callable[[str, dict[str, Any]], Any]
    step: Step
