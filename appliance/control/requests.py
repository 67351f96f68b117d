"""Requests of clients that wait for the engine, each with a deadline and a clear error."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.control.effects import Effect, Message, ToClient

TIMEOUT_S = 2.0
ENGINE_AWAY = "the call engine does not answer; telephones may still work, try again in a few seconds"


def result(client: int, request: object, value: object) -> ToClient:
    """Successful answer to a request."""
    return ToClient(client, {"id": request, "result": value})


def failure(client: int, request: object, code: str, message: str) -> ToClient:
    """Error answer to a request."""
    return ToClient(client, {"id": request, "error": {"code": code, "message": message}})


@dataclass(frozen=True)
class _Waiting:
    client: int
    request: object
    until_s: float


class Requests:
    """Who waits for which reply of the engine. `ref` 0 stands for the next `live`."""

    LIVE = 0

    def __init__(self) -> None:
        self._waiting: dict[int, list[_Waiting]] = {}
        self._last_ref = 0

    def add(self, client: int, request: object, now: float) -> int:
        """A new ref, whose reply goes to this client."""
        self._last_ref += 1
        self._waiting[self._last_ref] = [_Waiting(client, request, now + TIMEOUT_S)]
        return self._last_ref

    def add_live(self, client: int, request: object, now: float) -> None:
        """This client waits for the next snapshot."""
        self._waiting.setdefault(self.LIVE, []).append(_Waiting(client, request, now + TIMEOUT_S))

    def answer(self, ref: int, value: Message) -> list[Effect]:
        """The reply has come."""
        return [result(one.client, one.request, value) for one in self._waiting.pop(ref, [])]

    def tick(self, now: float) -> list[Effect]:
        """Tell those who have waited too long."""
        return self._end(lambda one: one.until_s <= now)

    def engine_lost(self) -> list[Effect]:
        """Tell everybody."""
        return self._end(lambda one: True)

    def due(self) -> float | None:
        """When the next one has waited too long."""
        return min((one.until_s for some in self._waiting.values() for one in some), default=None)

    def _end(self, late: object) -> list[Effect]:
        assert callable(late)
        effects: list[Effect] = []
        for ref, some in list(self._waiting.items()):
            effects += [failure(w.client, w.request, "engine_away", ENGINE_AWAY) for w in some if late(w)]
            self._waiting[ref] = [one for one in some if not late(one)]
            if not self._waiting[ref]:
                del self._waiting[ref]
        return effects
