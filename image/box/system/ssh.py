"""Remote support: SSH with one public key for some hours, then closed by itself, also over reboots.

The time that is left is counted down in the time since boot and stored every minute, so that neither a
reboot nor a clock that was set can lengthen it by more than a minute.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from image.box import commands, files
from image.box.places import Places
from image.box.problem import Problem
from image.box.system import ask
from image.box.system.network import since_boot

log = logging.getLogger(__name__)

MAX_HOURS = 72.0
SAVE_EVERY_S = 60.0
KEY = re.compile(
    r"(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa|sk-ssh-ed25519@openssh\.com|"
    r"sk-ecdsa-sha2-nistp256@openssh\.com) ([A-Za-z0-9+/]{40,2000}={0,2})(?: ([^\r\n\x00-\x1f]{0,100}))?"
)
MIN_RSA_BITS = 3072
CLOSED = ("closed", "expired", "failed")
"""Ways in which remote support ends."""
UNIT = "zongji-ssh.service"
CHAIN = ("inet", "zongji", "support")


def check_key(text: str) -> tuple[str, str, str]:
    """(the line for sshd, fingerprint, comment) of one public key. Raises Problem."""
    line = text.strip()
    found = KEY.fullmatch(line)
    if not found:
        if "PRIVATE KEY" in text:
            raise Problem(
                "private_key",
                "this is a private key: it must never leave its owner. Give the .pub file's line",
                "key",
            )
        raise Problem("bad_key", "give one line of a public key, such as ssh-ed25519 AAAA… name", "key")
    done = commands.run("ssh-keygen", "-l", "-f", "-", stdin=line.encode() + b"\n")
    words = done.out.split()
    if not done.ok or len(words) < 2:
        raise Problem("bad_key", "this public key is damaged; copy the whole line", "key")
    if found[1] == "ssh-rsa" and (not words[0].isdecimal() or int(words[0]) < MIN_RSA_BITS):
        raise Problem(
            "weak_key", f"an RSA key needs {MIN_RSA_BITS} bits or more; better take ssh-ed25519", "key"
        )
    return f"{found[1]} {found[2]}", words[1], (found[3] or "").strip()


class Ssh:
    """The permission for remote support."""

    def __init__(self, places: Places, clock: Callable[[], float] = since_boot) -> None:
        self._places = places
        self._clock = clock
        self._file = places.ssh / "permission.json"
        self._open: dict[str, Any] | None = None
        self._until = 0.0
        self._saved = 0.0

    def start(self) -> None:
        """After a start of the daemon or the box: go on with what is left. Raises OSError."""
        try:
            found = files.read_json(self._file)
        except ValueError as error:
            log.error("the permission for remote support is damaged: it is closed (%s)", error)
            found = None
        if found and self._was_closed(found):
            log.warning("the permission for remote support was taken back, and could not be removed")
            found = None
        left = self._left(found) if found else 0.0
        if not found or left <= 0:
            self._close("expired" if found else "")
            return
        self._open, self._until = found, self._clock() + left
        try:
            self._let_in(str(found["line"]))
        except (Problem, KeyError) as error:
            log.error("remote support could not be opened again: %s", error)
            self._close("failed")

    def _was_closed(self, found: dict[str, Any]) -> bool:
        """Was this permission taken back while its file could not be removed? Its story is on another disk
        partition."""
        since = found.get("since")
        try:
            story = files.read_lines(self._story) if since is not None else []
        except OSError as error:
            log.error("the story of remote support cannot be read: %s", error)
            return False
        return any(one.get("what") in CLOSED and one.get("since") == since for one in story)

    @staticmethod
    def _left(found: dict[str, Any]) -> float:
        """What is left, less what passed by the clock while the box was off."""
        try:
            off = time.time() - float(found["saved_at"])
            return min(float(found["left_s"]), MAX_HOURS * 3600) - max(0.0, off)
        except (KeyError, TypeError, ValueError):
            return 0.0

    def status(self) -> dict[str, Any]:
        """{"open", "left_s", "fingerprint", "comment", "by"}"""
        if self._open is None:
            return {"open": False}
        shown = {name: self._open.get(name, "") for name in ("fingerprint", "comment", "by", "since")}
        return {"open": True, "left_s": max(0.0, round(self._until - self._clock())), **shown}

    def enable(self, params: ask.Params) -> dict[str, Any]:
        """Open for `hours` with `key`. Raises Problem, OSError."""
        hours = ask.number(params, "hours", 0.01, MAX_HOURS)
        line, fingerprint, comment = check_key(ask.text(params, "key", 4000))
        self._host_key()
        self._open = {
            "line": line,
            "fingerprint": fingerprint,
            "comment": comment,
            "by": ask.text(params, "by", default=""),
            "since": time.time(),
        }
        self._until = self._clock() + hours * 3600
        self._save()
        try:
            self._let_in(line)
        except Problem:
            self._close("failed")
            raise
        self._log("opened", hours=hours)
        return self.status()

    def disable(self, params: ask.Params) -> dict[str, Any]:
        """Close now; sessions end."""
        self._close("closed" if self._open else "")
        return self.status()

    def tick(self) -> None:
        """Close when the time is over; store what is left. Raises OSError."""
        if self._open is None:
            return
        now = self._clock()
        if now >= self._until:
            self._close("expired")
        elif now - self._saved >= SAVE_EVERY_S:
            self._save()

    def stop(self) -> None:
        """Before the box goes down: store what is left. Raises OSError."""
        if self._open is not None:
            self._save()

    # ------------------------------------------------------------------ its work
    def _save(self) -> None:
        assert self._open is not None
        self._saved = self._clock()
        left = {"left_s": self._until - self._saved, "saved_at": time.time()}
        files.write_json(self._file, self._open | left, 0o600)

    def _host_key(self) -> None:
        key = self._places.ssh / "host_ed25519"
        if key.exists() and commands.run("ssh-keygen", "-y", "-P", "", "-f", str(key)).ok:
            return
        for left in (key, key.with_suffix(".pub")):  # torn by a power cut: sshd would never start with it
            left.unlink(missing_ok=True)
        self._places.ssh.mkdir(parents=True, exist_ok=True, mode=0o700)
        done = commands.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "zongji", "-f", str(key))
        if not done.ok:
            raise Problem(
                "no_host_key", f"the box's own key could not be made: {commands.last_line(done.text)}"
            )

    @property
    def _story(self) -> Path:
        return self._places.system / "support-access.jsonl"

    @property
    def _keys(self) -> Path:
        return self._places.run / "ssh" / "authorized_keys"

    def _let_in(self, line: str) -> None:
        files.write(self._keys, f"restrict,pty {line}\n".encode(), 0o600)
        for words in (
            ("nft", "flush", "chain", *CHAIN),
            ("nft", "add", "rule", *CHAIN, "tcp", "dport", "22", "accept"),
            ("systemctl", "restart", UNIT),
        ):
            done = commands.run(*words)
            if not done.ok:
                raise Problem(
                    "ssh_refused", f"remote support could not be opened: {commands.last_line(done.text)}"
                )

    def _close(self, why: str) -> None:
        for words in (("nft", "flush", "chain", *CHAIN), ("systemctl", "stop", UNIT)):
            commands.run(*words)
        self._keys.unlink(missing_ok=True)
        # Permission and story lie on two partitions: what one does not take must not keep the other from it.
        try:
            if self._file.exists():
                files.remove(self._file)
        finally:
            try:
                if why:
                    self._log(why)
            finally:
                self._open = None

    def _log(self, what: str, **more: Any) -> None:
        about = {name: (self._open or {}).get(name, "") for name in ("fingerprint", "comment", "by")}
        log.warning("remote support %s: %s", what, about)
        more["since"] = (self._open or {}).get("since")
        files.append_json(self._story, {"at": time.time(), "what": what, **about, **more})
