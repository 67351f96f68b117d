"""Helper threads for work that may block: files, devices, never sums."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Aside:
    """Jobs that may never end (closing a device that hangs), each on a thread of its own."""

    def __init__(self, name: str, threaded: bool = True) -> None:
        """threaded: see `Worker`."""
        self._name = name
        self._threaded = threaded
        self._threads: list[threading.Thread] = []

    def submit(self, job: Job) -> None:
        """Begin a job; never blocks (unless there are no threads)."""
        if not self._threaded:
            _do(self._name, job)
            return
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=_do, args=(self._name, job), name=self._name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def finish(self, timeout_s: float) -> bool:
        """Wait for all jobs; False when some have not ended in that time."""
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


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
            _do(self._name, job)
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
            _do(self._name, job)


def _do(name: str, job: Job) -> None:
    try:
        job()
    except Exception:
        # A defect in one job (one file, one message) must not end the thread that
        # every other call relies on; the trace tells where the defect is.
        log.exception("%s: a job failed", name)
