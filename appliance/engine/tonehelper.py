"""Looks for the disconnect tone at a call's end in a process of its own: sums of a tenth of a second
have no place beside a tick of 20 ms.

    engine ──(length, int16 samples)──► helper ──(one JSON line: an `Ending`, or null)──► engine

The helper runs at the lowest priority and ends when its input does.
"""

from __future__ import annotations

import json
import logging
import os
import select
import struct
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsp.learn import Ending, Observation, ending

log = logging.getLogger(__name__)

LENGTH = struct.Struct("<I")
"""Bytes of samples that follow."""
PATIENCE_S = 60.0
"""A helper that is not done by then (a starved machine, a defect) is ended; the call teaches nothing."""


class ToneHelper:
    """The helper process as the engine sees it; started with the first call, again after a failure.

    One thread uses `study` at a time.
    """

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", __name__)) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def study(self, samples: NDArray[np.int16]) -> Ending | None:
        """What the end of a call `[n]` says; None too where the helper has failed (logged)."""
        try:
            return _read(self._ask(samples.tobytes()))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            log.error("the end of a call could not be looked at: %s: %s", type(error).__name__, error)
            self.close()
            return None

    def _ask(self, data: bytes) -> str:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(LENGTH.pack(len(data)) + data)
        process.stdin.flush()
        if not select.select([process.stdout], [], [], PATIENCE_S)[0]:
            raise TimeoutError(f"no answer within {PATIENCE_S:g} s")
        line = process.stdout.readline()
        if not line:
            raise EOFError(f"the helper has ended with status {process.wait()}")
        return line.decode()

    def close(self) -> None:
        """End the helper. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _read(line: str) -> Ending | None:
    data = json.loads(line)
    if data is None:
        return None
    tone: dict[str, Any] = data["tone"]
    tone["frequencies_hz"] = tuple(tone["frequencies_hz"])
    return Ending(Observation(**tone), data["lasted_s"], data["followed"])


def main() -> None:
    """The helper's whole life."""
    # An engine that runs in real time hands its scheduling on, and that knows nothing of nice.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(19)
    source, sink = sys.stdin.buffer, sys.stdout
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        size = LENGTH.unpack(head)[0]
        data = source.read(size)
        if len(data) < size:
            return
        found = ending(np.frombuffer(data, np.int16))
        print(json.dumps(None if found is None else asdict(found)), file=sink, flush=True)


if __name__ == "__main__":
    main()
