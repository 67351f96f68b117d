"""Programs of the system, run with a time limit and without a shell."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
MAX_TEXT = 1 << 20
MISSING, TOO_LATE = 127, 124
"""Exit status of a program that is not there, and of one that took too long (as sh and timeout have it)."""


@dataclass(frozen=True)
class Done:
    """How a program ended. `text` is what it wrote on both outputs, `out` on the first alone."""

    status: int
    out: str
    text: str

    @property
    def ok(self) -> bool:
        """Did it do its work?"""
        return self.status == 0


def run(*command: str, timeout_s: float = TIMEOUT_S, stdin: bytes = b"", asks: bool = False) -> Done:
    """Run a program. A missing one or one that takes too long is a failure with its reason as text.

    asks: "no" is an answer as good as another, and not worth a line in the log.
    """
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, timeout=timeout_s, check=False, env=None
        )
    except FileNotFoundError:
        return Done(MISSING, "", f"the program {command[0]} is missing")
    except subprocess.TimeoutExpired:
        return Done(TOO_LATE, "", f"{command[0]} gave no answer in {timeout_s:g} s")
    out = done.stdout[-MAX_TEXT:].decode("utf-8", "replace")
    found = Done(done.returncode, out, out + done.stderr[-MAX_TEXT:].decode("utf-8", "replace"))
    if not found.ok and not asks:
        log.warning("%s ended with %d: %.300s", " ".join(command), found.status, found.text.strip())
    return found


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def start(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a program whose output is read line by line, both outputs as one. Raises FileNotFoundError."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
