"""Asking the flashed box's system daemon, which is not there in development."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from appliance.client import ControlClient, WireError
from appliance.paths import config_folder, system_socket

log = logging.getLogger(__name__)

STICKS = Path("/run/zongji/usb")


class System:
    """The system daemon's socket, by default where the flashed box has it."""

    def __init__(self, socket: Path | None = None, sticks: Path = STICKS) -> None:
        self._socket = socket or system_socket()
        self._sticks = sticks

    @property
    def there(self) -> bool:
        """Is this a flashed box?"""
        return self._socket.exists()

    def call(self, method: str, params: dict[str, Any], timeout_s: float = 15.0) -> Any:
        """A request. Raises WireError."""
        return ControlClient(self._socket, timeout_s, "the system daemon").call(method, **params)

    def status(self) -> tuple[dict[str, Any], str]:
        """The daemon's `status`, or why a flashed box has none; ({}, "") elsewhere."""
        if not self.there and config_folder() is None:
            return {}, ""
        try:
            answer = self.call("status", {})
        except WireError as error:
            return {}, str(error)
        return (answer, "") if isinstance(answer, dict) else ({}, "its answer makes no sense")

    def ask(self, method: str) -> dict[str, Any]:
        """A request whose answer may be missing: {} without the daemon, or when it refuses."""
        if not self.there:
            return {}
        try:
            answer = self.call(method, {})
        except WireError as error:
            log.warning("the system daemon was asked for %s in vain: %s", method, error)
            return {}
        return answer if isinstance(answer, dict) else {}

    def mount(self, name: str) -> Path | None:
        """Where a USB stick of this name is mounted."""
        if not name or "/" in name or name.startswith("."):
            return None
        return self._sticks / name
