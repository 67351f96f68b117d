"""Requests about the share of the network that backups are copied to. Mounting is `image.box.share`."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from image.box import commands
from image.box.problem import Problem
from image.box.system import ask

SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
SHARE = re.compile(r"[^\x00-\x1f\\/:*?\"<>|,]{1,80}")
LONGEST_S = 90
"""For mounting and for letting go: the kernel gives a silent server up after a minute."""


class Shares:
    """At most one share is mounted."""

    def open(self, params: ask.Params) -> dict[str, Any]:
        """Mount //server/name for control, in place of what was mounted; {"path"}. Raises Problem."""
        wanted = {"server": _matching(params, "server", SERVER), "name": _matching(params, "name", SHARE)}
        for name in ("user", "password", "domain"):
            wanted[name] = ask.text(params, name, 256, "")
            if not wanted[name].isprintable():
                raise Problem("bad_request", f"{name} must not have control characters", name)
        return _run("open", json.dumps(wanted).encode())

    def close(self, params: ask.Params) -> dict[str, Any]:
        """Let go of it; nothing mounted is fine. Raises Problem."""
        return _run("close")


def _matching(params: ask.Params, name: str, pattern: re.Pattern[str]) -> str:
    found = ask.text(params, name)
    if not pattern.fullmatch(found):
        raise Problem("bad_request", f"{name} is no name that a server or share can have", name)
    return found


def _run(action: str, stdin: bytes = b"") -> dict[str, Any]:
    """Run `image.box.share` where all see what it mounts, and not longer than it may take."""
    words = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--unit=zongji-share"]
    words += [f"--property=RuntimeMaxSec={LONGEST_S}", "--property=KillSignal=SIGKILL"]
    words += ["--setenv=PYTHONDONTWRITEBYTECODE=1", sys.executable, "-m", "image.box.share", action]
    done = commands.run(*words, timeout_s=LONGEST_S + 10, stdin=stdin)
    try:
        found = json.loads(commands.last_line(done.out)) if done.ok else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        detail = commands.last_line(done.text) or "no answer in time"
        raise Problem("share_refused", f"the share cannot be used: {detail}", detail=detail)
    if "problem" in found:
        told = found["problem"]
        raise Problem(told["code"], told["message"], told.get("field", ""), **told["params"])
    return found
