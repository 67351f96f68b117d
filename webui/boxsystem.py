"""The flashed box behind the pages: requests to its system daemon, by way of control, and their problems in
words."""

from __future__ import annotations

import threading
import time
from typing import Any

from flask import current_app

from appliance.client import ControlClient, WireError
from webui import problems
from webui.box import box

TIMEOUT_S = 340.0
FRESH_S = 5.0
STATUS_TIMEOUT_S = 2.0
"""Every page waits for it: a box that hangs must not take the pages along."""
NO_DAEMON = "no_daemon"


class SystemProblem(Exception):
    """The box refused, or could not; the text is in the reader's language."""

    def __init__(self, problem: dict[str, Any]) -> None:
        self.code = str(problem.get("code", "failed"))
        self.field = str(problem.get("field", ""))
        params = problem.get("params")
        several = params.get("problems") if isinstance(params, dict) else None
        self.parts = [SystemProblem(one) for one in several] if isinstance(several, list) else []
        super().__init__(problems.in_words(problem))


def ask(method: str, **params: Any) -> dict[str, Any]:
    """Result of a method of the system daemon. Raises SystemProblem."""
    return _ask(TIMEOUT_S, method, params)


def _ask(timeout_s: float, method: str, params: dict[str, Any]) -> dict[str, Any]:
    control = ControlClient(box().home.control_socket, timeout_s)
    try:
        answer = control.call("system", method=method, params=params)["answer"]
    except (WireError, KeyError, TypeError) as error:
        raise SystemProblem({"code": "control_away", "message": str(error)}) from error
    if "problem" in answer:
        raise SystemProblem(answer["problem"])
    result = answer.get("result")
    return result if isinstance(result, dict) else {}


class Status:
    """What the daemon's `status` says, asked at most every few seconds however many pages want it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_s = -FRESH_S
        self._found: dict[str, Any] = {}

    def get(self) -> dict[str, Any]:
        """The status; {} where there is no daemon or it does not answer."""
        with self._lock:
            if not box().hub.connected:
                return {}
            if time.monotonic() - self._asked_s >= FRESH_S:
                try:
                    self._found = _ask(STATUS_TIMEOUT_S, "status", {})
                except SystemProblem as problem:
                    self._found = {} if problem.code == NO_DAEMON else {"problem": str(problem)}
                self._asked_s = time.monotonic()
            return self._found

    def forget(self) -> None:
        """Something was changed: ask anew."""
        with self._lock:
            self._asked_s = -FRESH_S


def status() -> dict[str, Any]:
    """The box's own state, for the start page and the banner."""
    found: Status = current_app.extensions["box_status"]
    return found.get()


def changed() -> None:
    """A page has changed something about the box."""
    found: Status = current_app.extensions["box_status"]
    found.forget()
