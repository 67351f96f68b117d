"""Requests about the box as a whole: which cards, restart, recovery, its log, a support bundle."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from image.box import bootstate, commands, files, firstboot, goingback, release, support
from image.box.places import Places
from image.box.problem import Problem
from image.box.system import ask

log = logging.getLogger(__name__)

BOARDS = {"auto": "auto", "sim": "sim:"}
LOG_LINES = 500
UNITS = ("engine", "control", "web", "system", "confirm", "firstboot", "ssh", "door", "network-apply")
FLASHED = Path("/dev/zongji/recovery")
"""Partition with the system that a reinstallation writes."""
RECOVERY_ACTIONS = ("menu", "reinstall", "factory_reset", "restore", "install", "diagnose")


class Whole:
    """The box as a whole."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def board(self) -> str:
        """auto or sim."""
        try:
            lines = self._places.engine_env.read_text(encoding="utf-8").splitlines()
        except OSError:
            lines = []
        address = next((line.partition("=")[2] for line in lines if line.startswith("ZONGJI_BOARD=")), "auto")
        return next((name for name, value in BOARDS.items() if value == address.strip()), address.strip())

    def board_set(self, params: ask.Params) -> dict[str, Any]:
        """Choose real cards or the simulated office; the engine is started anew, calls end. Raises
        Problem."""
        wanted = ask.choice(params, "board", tuple(BOARDS))
        files.write(self._places.engine_env, f"ZONGJI_BOARD={BOARDS[wanted]}\n".encode())
        done = commands.run("systemctl", "restart", "zongji-engine.service", timeout_s=90)
        if not done.ok:
            raise Problem("engine_refused", f"the call engine did not start: {commands.last_line(done.text)}")
        return {"board": wanted}

    def reboot(self, params: ask.Params) -> dict[str, Any]:
        """Start the box anew. Raises Problem."""
        return self._down("reboot")

    def off(self, params: ask.Params) -> dict[str, Any]:
        """Shut the box down. Raises Problem."""
        return self._down("poweroff")

    def recovery(self, params: ask.Params) -> dict[str, Any]:
        """Leave an order for the recovery system and start it. A factory reset wants this box's serial
        number, a reinstallation that goes back to an older version the option `older`. Raises Problem,
        OSError."""
        action = ask.choice(params, "action", RECOVERY_ACTIONS)
        serial = firstboot.serial(self._places)
        if action == "factory_reset" and ask.text(params, "serial", default="").strip().upper() != serial:
            raise Problem("wrong_serial", f"this box is {serial or 'without a serial number'}", "serial")
        options = params.get("options", {})
        if not isinstance(options, dict):
            raise Problem("bad_request", "options must be a group", "options")
        self._refuse_unfinished()
        if action == "reinstall" and options.get("older") is not True:
            self._refuse_going_back()
        order = {
            "action": action,
            "serial": serial,
            "options": options,
            "at": time.time(),
        }
        path = self._places.config / bootstate.ORDER_FILE
        files.write_json(path, order, 0o600)
        bootstate.order_recovery()
        try:
            return self._down("reboot")
        except Problem:
            # It was refused: a restart for another reason, weeks later, must not carry it out.
            bootstate.clear_recovery()
            files.remove(path)
            raise

    def recovery_forget(self, params: ask.Params) -> dict[str, Any]:
        """That recovery did not come up was read; what it did not begin to do is given up. Raises Problem,
        OSError."""
        self._refuse_unfinished()
        bootstate.recovery_told()
        bootstate.drop_order(self._places.config)
        return {}

    def _refuse_unfinished(self) -> None:
        if bootstate.load().recovery and bootstate.order_begun(self._places.config):
            raise Problem(
                "recovery_unfinished", "what recovery has begun must be finished: start the recovery stick"
            )

    def _refuse_going_back(self) -> None:
        """Recovery would refuse it, too, with nobody taking calls. What cannot be read here, it finds."""
        place = self._places.run / "flashed"
        flashed = release.inside(FLASHED, place, lambda *words: commands.run(*words).ok)
        back = flashed and goingback.look(flashed, release.read(self._places).version, self._places.home)
        if back:
            raise Problem(
                "downgrade",
                f"version {back.new} would be written, {back.here} runs now; what was entered since may not "
                "be seen by the older one: agree to it",
                "older",
                why=f"reinstall_{back.database}",
                theirs=back.new,
                ours=back.here,
                day=back.day,
            )

    def log_tail(self, params: ask.Params) -> dict[str, Any]:
        """The last lines of the journal: {"lines": [{"at", "unit", "priority", "text"}]}."""
        count = int(ask.number(params, "lines", 1, LOG_LINES, 100))
        unit = ask.text(params, "unit", 40, "")
        if unit and unit not in UNITS:
            raise Problem("bad_request", f"unit must be one of {', '.join(UNITS)}", "unit")
        words = ["journalctl", "-o", "json", "-n", str(count), "--no-pager", "-b"]
        words += ["-u", f"zongji-{unit}.service"] if unit else []
        done = commands.run(*words)
        if not done.ok:
            raise Problem("no_log", f"the log cannot be read: {commands.last_line(done.text)}")
        return {"lines": [line for line in map(_entry, done.out.splitlines()) if line]}

    def support(self, params: ask.Params) -> dict[str, Any]:
        """Make a support bundle; {"path"}. Raises Problem."""
        done = commands.run(sys.executable, "-m", "image.box.support", timeout_s=300)
        path = Path(commands.last_line(done.out))
        if not done.ok or path.parent not in (self._places.support, support.IN_MEMORY):
            raise Problem("no_support", f"the support bundle was not made: {commands.last_line(done.text)}")
        path.chmod(0o640)
        return {"path": str(path), "name": path.name, "size": path.stat().st_size}

    @staticmethod
    def _down(verb: str) -> dict[str, Any]:
        log.warning("%s was asked for", verb)
        done = commands.run("systemctl", "--no-block", verb)
        if not done.ok:
            raise Problem("not_down", f"the box does not go down: {commands.last_line(done.text)}")
        return {}


def _entry(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
        text = found.get("MESSAGE", "")
        return {
            "at": int(found.get("__REALTIME_TIMESTAMP", 0)) / 1e6,
            "unit": str(found.get("_SYSTEMD_UNIT") or found.get("SYSLOG_IDENTIFIER") or ""),
            "priority": int(found.get("PRIORITY", 6)),
            "text": text if isinstance(text, str) else bytes(text or []).decode("utf-8", "replace"),
        }
    except (ValueError, TypeError, AttributeError):
        return None
