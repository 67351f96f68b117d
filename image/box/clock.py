"""The clock of the box: never before the last known time, its zone, and whether it can be believed."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import Any

from image.box import commands, files
from image.box.places import Places
from image.box.problem import Problem

log = logging.getLogger(__name__)

DEFAULT: dict[str, Any] = {"zone": "Asia/Shanghai", "ntp": True, "servers": []}
ZONES = Path("usr/share/zoneinfo")
EARLIEST_S = 1_767_225_600.0
"""2026-01-01: no box of this kind was made before."""
LATEST_S = 4_102_444_800.0
"""2100-01-01"""
SAVE_EVERY_S = 300.0
ZONE = re.compile(r"[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}")
SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?")
MAX_SERVERS = 4


def settings(places: Places) -> dict[str, Any]:
    """Zone and servers; the defaults where nothing usable is stored."""
    try:
        found = files.read_json(places.clock_settings) or {}
        return check({**DEFAULT, **found}, places)
    except (OSError, ValueError, Problem) as error:
        log.error("the time settings cannot be used, the defaults are: %s", error)
        return dict(DEFAULT)


def check(given: dict[str, Any], places: Places) -> dict[str, Any]:
    """Usable settings. Raises Problem."""
    zone, servers, ntp = given.get("zone"), given.get("servers"), given.get("ntp")
    if not isinstance(zone, str) or not ZONE.fullmatch(zone) or not (places.root / ZONES / zone).is_file():
        raise Problem("bad_zone", "there is no such time zone; choose one of the list", "zone")
    if not isinstance(ntp, bool):
        raise Problem("bad_ntp", "time from the network is on or off", "ntp")
    if not isinstance(servers, list) or len(servers) > MAX_SERVERS:
        raise Problem("too_many_servers", f"at most {MAX_SERVERS} time servers", "servers", most=MAX_SERVERS)
    if not all(isinstance(one, str) and SERVER.fullmatch(one) for one in servers):
        raise Problem(
            "bad_server", "a time server is a name or an address, such as ntp.aliyun.com", "servers"
        )
    return {"zone": zone, "ntp": ntp, "servers": list(servers)}


def zones(places: Places) -> list[str]:
    """Names of all time zones there are."""
    table = places.root / ZONES / "tzdata.zi"
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except OSError:
        return [str(DEFAULT["zone"])]
    names = {words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "Z"}
    names |= {words[2] for words in map(str.split, lines) if len(words) > 2 and words[0] == "L"}
    return sorted(name for name in names if "/" in name or name == "UTC")


def apply(places: Places, wanted: dict[str, Any]) -> None:
    """The zone's link and chrony's list of servers, under /run. Raises OSError."""
    link = places.run / "localtime"
    link.parent.mkdir(parents=True, exist_ok=True)
    half = link.with_name(".localtime.new")
    half.unlink(missing_ok=True)
    half.symlink_to(Path("/") / ZONES / wanted["zone"])
    half.replace(link)
    servers = wanted["servers"] or ["ntp.aliyun.com", "ntp.tencent.com", "cn.pool.ntp.org", "pool.ntp.org"]
    kinds = {True: [f"server {one} iburst" for one in servers], False: ["# time from the network is off"]}
    files.write(places.run / "chrony" / "zongji.sources", ("\n".join(kinds[wanted["ntp"]]) + "\n").encode())


def last_known(places: Places) -> float:
    """The latest time that this box has seen, Unix seconds; the earliest possible one when none is stored."""
    try:
        found = files.read_json(places.system / "clock.json") or {}
        seen = float(found.get("time", 0.0))
    except (OSError, ValueError, TypeError) as error:
        log.warning("the last known time cannot be read: %s", error)
        seen = 0.0
    return max(seen, EARLIEST_S) if seen < LATEST_S else EARLIEST_S


def at_boot(places: Places) -> None:
    """Zone and servers, and the lower bound for a clock that has lost its battery. Raises OSError.

    The system's clock alone would not tell: systemd has set it on to the day when it was built.
    """
    apply(places, settings(places))
    known, now = last_known(places), time.time()
    battery = battery_clock(places)
    unset = battery is None or min(battery, now) < known
    files.write_json(places.run / "clock.json", {"unset": unset, "set_back_to": known if unset else 0})
    if not unset:
        return
    log.warning("no battery clock, or one before the last known time: it is not believed until it is set")
    if now < known and str(places.root) == "/":
        time.clock_settime(time.CLOCK_REALTIME, known)


def battery_clock(places: Places) -> float | None:
    """What the clock says that goes on without power, Unix seconds; None where there is none."""
    try:
        return float((places.root / "sys/class/rtc/rtc0/since_epoch").read_text())
    except (OSError, ValueError) as error:
        log.warning("the battery clock cannot be read: %s", error)
        return None


def save(places: Places, synced: bool) -> None:
    """Remember the present time as lower bound; a bound that was wrong goes down again only by a time from
    outside. Raises OSError."""
    now = time.time()
    if synced or now > last_known(places):
        files.write_json(places.system / "clock.json", {"time": now})


def synchronised() -> tuple[bool, str]:
    """(does chrony follow a server, which one)."""
    done = commands.run("chronyc", "-c", "tracking", timeout_s=5.0)
    cells = done.out.strip().split(",")
    if not done.ok or len(cells) < 14:
        return False, ""
    return cells[13] != "Not synchronised" and cells[0] != "00000000" and cells[0] != "7F7F0101", cells[1]


def unset(places: Places, synced: bool) -> bool:
    """Is the time one that nobody has set? True until chrony follows a server or somebody sets the clock."""
    try:
        found = files.read_json(places.run / "clock.json") or {}
    except (OSError, ValueError):
        found = {}
    return bool(found.get("unset")) and not synced


def believe(places: Places) -> None:
    """The clock has been set: it stays so when the server is gone. Raises OSError."""
    if unset(places, synced=False):
        files.write_json(places.run / "clock.json", {"unset": False, "set_back_to": 0})


def set_now(places: Places, unix_s: float) -> None:
    """Somebody says what time it is. Raises Problem."""
    if not EARLIEST_S <= unix_s < LATEST_S:
        raise Problem("bad_time", "this time cannot be right; check the year", "time")
    if str(places.root) == "/":
        time.clock_settime(time.CLOCK_REALTIME, unix_s)
        done = commands.run("hwclock", "--systohc", "--utc")
        if not done.ok:
            log.warning("the battery clock was not set: %s", commands.last_line(done.text))
    believe(places)
    files.write_json(places.system / "clock.json", {"time": unix_s})
