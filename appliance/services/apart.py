"""Work on a place that may fall silent, in a process of its own: the kernel may keep whoever asks a server
that is gone waiting for ever, and a thread cannot be ended.

    control ──(JSON: what, where, with what)──► process ──(JSON lines: steps, then the end)──► control

A process that says nothing for `QUIET_S`, because not one byte has moved, is killed.
"""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.services import backup, copies
from appliance.services.backup import Step, quiet
from appliance.services.backup_errors import BackupError
from appliance.services.copies import Place

log = logging.getLogger(__name__)

QUIET_S = 75.0
"""Longer than the kernel waits for a server before it names what is wrong."""
END_S = 2.0
"""A killed process that still waits in the kernel is left to it."""
SILENT = "share_silent"


class Lost(BackupError):
    """The process was killed or has failed: what it had begun is as it left it."""


Words = dict[str, Any]
"""The arguments of a piece of work: plain data."""


def _copy_daily(place: Place, words: Words, step: Step) -> None:
    made = backup.look(Path(words["path"]))
    copies.copy_daily(made, place, words["keep"], words["most"], step)


def _copy(place: Place, words: Words, step: Step) -> None:
    copies.copy(Path(words["path"]), place, step)


def _fetch(place: Place, words: Words, step: Step) -> None:
    copies.fetch(place, words["name"], Path(words["target"]), step)


WORK: dict[str, Callable[[Place, Words, Step], Any]] = {
    "probe": lambda place, words, step: copies.probe(place),
    "listed": lambda place, words, step: copies.listed(place, words["own_key"]),
    "copy": _copy,
    "copy_daily": _copy_daily,
    "fetch": _fetch,
}


class Apart:
    """Does one piece of work at a time in a process of its own."""

    def __init__(
        self, command: tuple[str, ...] = (sys.executable, "-m", __name__), quiet_s: float = QUIET_S
    ) -> None:
        self._command = command
        self._quiet_s = quiet_s

    def run(self, what: str, place: Place, step: Step = quiet, **words: Any) -> Any:
        """What the function `what` of `WORK` returns. Raises BackupError."""
        request = {"what": what, "place": asdict(place) | {"mount": str(place.mount)}, "words": words}
        try:
            with _running(self._command, json.dumps(request).encode()) as source:
                for reply in self._replies(source):
                    if "step" in reply:
                        step(*reply["step"])
                    elif "problem" in reply:
                        raise BackupError(**reply["problem"])
                    else:
                        return reply["result"]
            raise Lost("failed", f"the process that had to {what} has ended before it was done")
        except TimeoutError as error:
            text = f"{place.name} has not answered for {self._quiet_s:g} s"
            raise Lost(SILENT, text, f"{self._quiet_s:g}") from error
        except OSError as error:
            raise Lost("failed", f"the process that had to {what} has failed: {error}") from error

    def _replies(self, source: int) -> Iterator[dict[str, Any]]:
        """Raises TimeoutError when none comes for too long."""
        rest = b""
        while select.select([source], [], [], self._quiet_s)[0]:
            data = os.read(source, 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from map(json.loads, lines)
        raise TimeoutError


@contextmanager
def _running(command: tuple[str, ...], request: bytes) -> Iterator[int]:
    """A process that has this request: where to read what it says. It is killed in the end, however far it
    is. Raises OSError."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        with process.stdin:
            process.stdin.write(request)
        yield process.stdout.fileno()
    finally:
        process.kill()
        process.stdout.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            log.warning("process %d waits in the kernel and has not ended yet", process.pid)


def main() -> None:
    """The process's whole life."""

    def say(**said: Any) -> None:
        print(json.dumps(said), flush=True)

    request = json.load(sys.stdin)
    place = Place(**request["place"] | {"mount": Path(request["place"]["mount"])})
    try:
        result = WORK[request["what"]](place, request["words"], lambda *step: say(step=step))
    except BackupError as error:
        say(problem=error.as_dict())
    except OSError as error:
        say(problem=BackupError("failed", str(error)).as_dict())
    else:
        say(result=result)


if __name__ == "__main__":
    main()
