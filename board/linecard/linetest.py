"""One line test of one port, as the card does it (Telcordia GR-909 and the capacitance)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from board.linecard import messages as msg
from board.linecard.board import LinecardBoard

ALL = msg.LineTest(sum(msg.LineTest))

_SCALE: dict[msg.LineTest, tuple[float, str]] = {
    msg.LineTest.HEMF: (0.1, "V"),
    msg.LineTest.FEMF: (0.1, "V"),
    msg.LineTest.RFLT: (1.0, "ohm"),
    msg.LineTest.ROH: (1.0, ""),
    msg.LineTest.RINGERS: (0.01, "REN"),
    msg.LineTest.CAPACITANCE: (1.0, "nF"),
}


@dataclass(frozen=True)
class TestResult:
    """What one test found. test: name of a `LineTest` in small letters. value: in `unit`, None with the
    quality "unknown", which is never shown as good. quality: "pass", "fail" or "unknown"."""

    __test__ = False

    test: str
    quality: str
    value: float | None
    unit: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


class LineTestRun:
    """A test under way. It moves on as the card is read."""

    def __init__(self, board: LinecardBoard, port: int, tests: msg.LineTest = ALL) -> None:
        """port: index on the card, on which there is no call. Raises BoardError when the card is lost."""
        self.results: list[TestResult] = []
        self.state = "running"
        """running, done or failed."""
        self.reason = ""
        board.line_test(port, tests, self._told)

    def _told(self, message: msg.LinetestResult | msg.Done | msg.Failed) -> None:
        match message:
            case msg.LinetestResult():
                self._result(message)
            case msg.Done():
                self.state = "done"
            case msg.Failed(reason=reason):
                self.state, self.reason = "failed", reason

    def _result(self, found: msg.LinetestResult) -> None:
        try:
            test, quality = msg.LineTest(found.test), msg.Quality(found.quality)
            scale, unit = _SCALE[test]
        except (ValueError, KeyError):
            self.results.append(TestResult(f"test {found.test}", "unknown", None, ""))
            return
        known = quality is not msg.Quality.UNKNOWN
        value = round(found.value * scale, 2) if known else None
        name = (test.name or "").lower()
        self.results.append(TestResult(name, quality.name.lower(), value, unit))
