"""A helper thread for work that may block: files, never sums."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Worker:
    """Does jobs one after the other, in the order given.

    With `threaded=False` each job is done at once in the caller: on the virtual
    clock the same story then gives the same events.
    """

    def __init__(self, name: str, threaded: bool = True) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    @property
    def backlog(self) -> int:
        """Jobs not begun yet."""
        return self._jobs.qsize()

    def submit(self, job: Job) -> None:
        """Queue a job; never blocks (unless the worker has no thread)."""
        if self._thread is None:
            self._do(job)
        else:
            self._jobs.put(job)

    def close(self, timeout_s: float = 6.0) -> bool:
        """Finish what is queued and end; False when that took longer than `timeout_s`."""
        if self._thread is None:
            return True
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._do(job)

    def _do(self, job: Job) -> None:
        try:
            job()
        except Exception:
            # A defect in one job (one file, one message) must not end the thread that
            # every other call relies on; the trace tells where the defect is.
            log.exception("%s: a job failed", self._name)
