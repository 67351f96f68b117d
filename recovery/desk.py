"""What menu, page and stick share: the box, one action at a time, its progress, whether anybody is there."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recovery import headless, runner
from recovery.box import Box
from recovery.choices import Choice, with_answers
from recovery.plan import Plan
from recovery.refused import Changed, Refused

BUSY = "something else is being done; wait until it has ended"
CODE_DIGITS = 6
TRIES = 5
LOCK_S = 60.0
RETRY_S = 15 * 60.0
WAIT_S = 0.2


Result = dict[str, Any]
Told = tuple[Result | None, str]
"""A result and the last word to it."""


class Desk:
    """One recovery. `now()`: seconds that never go back."""

    def __init__(self, find: Callable[[], Box], now: Callable[[], float]) -> None:
        self._find = find
        self._now = now
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        """Held by whoever looks at the box's disk or changes it: finding a box mounts and checks, and so does
        a plan."""
        self._plans = threading.Lock()
        """Held by whoever plans."""
        self.box = find()
        self.code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
        self.step: tuple[str, int] | None = None
        self.result: dict[str, Any] | None = None
        self.told = ""
        """The last word of what was done last, such as a new password."""
        self.seen: Path | None = None
        """The stick that was last asked for an order."""
        self._wrong = 0
        self._locked_until = 0.0
        self._touched = False
        self._began_s = now()

    # ----------------------------------------------------------------- presence
    def locked_s(self) -> float:
        """Seconds until another code is taken."""
        return max(0.0, self._locked_until - self._now())

    def present(self, code: str) -> bool:
        """Is this the code on the screen? After TRIES wrong ones nothing is taken for LOCK_S."""
        with self._lock:
            if self.locked_s():
                return False
            if secrets.compare_digest(code.strip().encode(), self.code.encode()):
                self._wrong = 0
                self.touch()
                return True
            self._wrong += 1
            if self._wrong >= TRIES:
                self._wrong, self._locked_until = 0, self._now() + LOCK_S
            return False

    def touch(self) -> None:
        """Somebody is here: the box does not start by itself any more."""
        self._touched = True

    def wait_again(self) -> None:
        """From now on it is RETRY_S again until the box tries its systems."""
        self._began_s = self._now()

    def retry_in_s(self) -> float | None:
        """When a box that ended here by itself tries its systems again; None when it does not."""
        if self._touched or self.busy or self.box.cause not in ("exhausted", "ordered", "lost"):
            return None
        return max(0.0, self._began_s + RETRY_S - self._now())

    # ------------------------------------------------------------------ actions
    @property
    def busy(self) -> bool:
        """Is something being done?"""
        return self.step is not None

    def tell(self, text: str, percent: int | None) -> None:
        """Progress of the action, or its last word."""
        if percent is None:
            self.told = text
        else:
            self.step = (text, percent)

    def look_again(self) -> None:
        """A stick may have been put in. Nothing where somebody else looks at the disk or changes it."""
        if not self._disk.acquire(blocking=False):
            return
        try:
            if not self.busy:
                self.box = self._find()
        finally:
            self._disk.release()

    def plan(self, choice: Choice, answers: dict[str, str]) -> Plan:
        """What would be done. Raises Refused, also while something is being done or planned."""
        if not self._plans.acquire(blocking=False):
            raise Refused("busy", BUSY)
        try:
            # Looking for a stick ends soon and is waited for, an action is not.
            while not self._disk.acquire(timeout=WAIT_S):
                self._refuse_busy()
            try:
                self._refuse_busy()
                self.box = self._find()
                return runner.plan(self.box, choice.action, with_answers(choice, answers))
            finally:
                self._disk.release()
        except Refused:
            raise
        except OSError as error:
            raise Refused("failed", str(error)) from error
        except Exception as error:  # a program that does not end, a defect: whoever asked is told
            raise Refused("failed", f"{type(error).__name__}: {error}") from error
        finally:
            self._plans.release()

    def _refuse_busy(self) -> None:
        if self.busy:
            raise Refused("busy", BUSY)

    def do(self, choice: Choice, answers: dict[str, str], agreed: str, source: str) -> dict[str, Any]:
        """Do it; the result. agreed: mark of the plan that was shown. Raises Changed when it would be another
        one now; Refused when something else is being done, or the serial number that a reset asks for is not
        this box's."""
        before = self._ready(choice, answers, agreed)
        return self._done(choice, answers, agreed, source, before)

    def start(self, choice: Choice, answers: dict[str, str], agreed: str, source: str) -> None:
        """The same, on a thread of its own. Raises as `do` does, and Refused where no thread is to be had."""
        before = self._ready(choice, answers, agreed)
        words = (choice, answers, agreed, source, before)
        try:
            threading.Thread(target=self._done, args=words, name="action", daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            self._end(*before)
            why = str(error) or type(error).__name__
            raise Refused("not_begun", f"nothing was begun ({why}): try again, or restart the box") from error

    def _ready(self, choice: Choice, answers: dict[str, str], agreed: str) -> Told:
        """From now on nothing else is done; what was told before."""
        made = self.plan(choice, answers)
        self.check_name(choice, answers)
        if made.mark != agreed:
            raise Changed(made)
        return self._claim()

    def _done(
        self, choice: Choice, answers: dict[str, str], agreed: str, source: str, before: Told
    ) -> dict[str, Any]:
        def work() -> Result:
            options = with_answers(choice, answers)
            return runner.run(self.box, choice.action, options, self.tell, source, agreed)

        result = self._carry_out(work, choice.action, source, before)
        assert result is not None
        return result

    def check_name(self, choice: Choice, answers: dict[str, str]) -> None:
        """Was this box's serial number typed, where the choice asks for it? Yes, where it has none. Raises
        Refused."""
        wanted = self.box.serial or "yes"
        if choice.serial and answers.get("serial", "").strip().upper() != wanted.upper():
            raise Refused("wrong_serial", f"this box is {self.box.serial or 'without a serial number'}")

    def resume(self) -> dict[str, Any] | None:
        """Finish what was cut off or ordered."""
        order = runner.pending(self.box)
        name = str(order["action"]) if order else "?"
        return self._one(lambda: runner.resume(self.box, self.tell), name, "order")

    def obey(self) -> dict[str, Any] | None:
        """What an order on the stick says; None where there is nothing new. Raises Refused when something
        else is being done."""
        stick = self.box.stick
        found = self._one(lambda: headless.run(self.box, self.tell), "?", "stick")
        self.seen = stick
        return found

    def restart(self) -> None:
        """Start the box again without being asked. What was done before stays the last result, on the stick
        too. Raises Refused when something else is being done, or the box does not restart."""

        def again() -> None:
            for step in runner.action("restart").steps:
                step(self.box, {}, self.tell)

        problem = self._one(again, "restart", "")
        if problem is not None:
            raise Refused(problem["code"], problem["text"])

    def _one(self, work: Callable[[], Result | None], name: str, source: str) -> Result | None:
        """What comes of it; None where there was nothing to do, and what was told before stays."""
        return self._carry_out(work, name, source, self._claim())

    def _claim(self) -> Told:
        """Busy from now on; what was told before. Raises Refused."""
        with self._lock:
            self._refuse_busy()
            before = self.result, self.told
            self.step, self.told = ("begin", 0), ""
        return before

    def _carry_out(
        self, work: Callable[[], Result | None], name: str, source: str, before: Told
    ) -> Result | None:
        found: Result | None = None
        try:
            with self._disk:
                found = work()
        except BaseException as problem:  # a defect in one action must not take the others away
            found = self._refused(name, problem, source)
            if not isinstance(problem, Exception):
                raise
        finally:
            self._end(*((found, self.told) if found is not None else before))
        return found

    def _refused(self, name: str, problem: BaseException, source: str) -> Result:
        try:
            return runner.refused(self.box, name, problem, source)
        except Exception as another:  # box or stick cannot even be asked
            text = f"{type(problem).__name__}: {problem}; then {type(another).__name__}: {another}"
            return {
                "action": name,
                "ok": False,
                "code": "failed",
                "text": text,
                "serial": "",
                "source": source,
            }

    def _end(self, result: Result | None, told: str) -> None:
        """Nothing is being done any more."""
        self.result, self.told, self.step = result, told, None
