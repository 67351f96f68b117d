"""Opens and closes a device beside the tick: the kernel may hold either for half a minute.

A tty waits up to 30 s at closing until its output has gone (`closing_wait`), a driver for the
answers of a device that hangs. One device, one thing at a time, on a thread that lives
only as long as there is something to do:

    tick        close ─► · · · busy · · · open ─► · · · busy · · · take
    thread      ════ closing ════              ══════ opening ══════

What is opened after nobody wants it any more is closed again by the thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Door(Generic[T]):
    """Of one device. All methods but the jobs themselves return at once.

    With `threaded=False` each job is done at once in the caller (tests on a clock of their own).
    """

    def __init__(self, name: str, threaded: bool = True, done: Callable[[], None] | None = None) -> None:
        """done: called by the thread when nothing is under way any more."""
        self._name = name
        self._done = done
        self._threaded = threaded
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._working = False
        self._result: T | None = None
        self._error: Exception | None = None
        self._opening = False
        self._unwanted: Callable[[T], None] | None = None

    @property
    def busy(self) -> bool:
        """A device is being closed or opened."""
        with self._changed:
            return self._working

    @property
    def opening(self) -> bool:
        """`open` was asked for, and its outcome has not been taken."""
        return self._opening

    def close(self, what: Callable[[], None]) -> None:
        """Close something, after what is under way."""
        self._do(what)

    def open(self, what: Callable[[], T]) -> None:
        """Open something, after what is under way; once `take` has given the outcome of the last."""
        assert not self._opening, f"{self._name} is being opened already"
        self._opening = True

        def job() -> None:
            try:
                found = what()
            except Exception as error:  # every one is given to who asked, by `take`
                with self._changed:
                    self._error = error
                return
            with self._changed:
                unwanted = self._unwanted
                if unwanted is None:
                    self._result = found
            if unwanted is not None:
                unwanted(found)

        self._do(job)

    def take(self) -> T | None:
        """What was opened, once; None while it is under way. Raises what the opening has raised."""
        with self._changed:
            if self._result is None and self._error is None:
                return None
            found, error = self._result, self._error
            self._result = self._error = None
        self._opening = False
        if error is not None:
            raise error
        return found

    def shut(self, close: Callable[[T], None]) -> None:
        """Nothing more is wanted: what is opened or still being opened is closed. Idempotent."""
        with self._changed:
            self._unwanted = close
            found, self._result = self._result, None
        if found is not None:
            self._do(lambda: close(found))

    def wait(self, timeout_s: float) -> bool:
        """Until nothing is under way; False when that took longer. Not for the tick."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._working, timeout_s)

    def _do(self, job: Callable[[], None]) -> None:
        if not self._threaded:
            self._run_one(job)
            return
        with self._changed:
            self._jobs.append(job)
            if self._working:
                return
            self._working = True
        threading.Thread(target=self._work, name=f"door {self._name}", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._working = False
                    self._changed.notify_all()
                    break
                job = self._jobs.popleft()
            self._run_one(job)
        if self._done is not None:
            self._done()

    def _run_one(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:
            # A device that cannot be closed properly must not keep its successor from being opened.
            log.exception("%s: closing failed", self._name)
