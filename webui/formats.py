"""How times, lengths and numbers are written on pages; all times local."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Flask, request

from webui.linewords import disconnect_tone
from webui.tongue import gettext as _


def local(unix_s: float) -> datetime:
    """Local time of the box."""
    return datetime.fromtimestamp(unix_s, UTC).astimezone()


def when(unix_s: float | None) -> str:
    """Date and time to the second: 2026-11-21 14:03:07; "today" shortens it."""
    if not unix_s:
        return ""
    moment = local(unix_s)
    today = local(time.time()).date()
    clock = moment.strftime("%H:%M:%S")
    if moment.date() == today:
        return _("today %(clock)s", clock=clock)
    if moment.date() == today - timedelta(days=1):
        return _("yesterday %(clock)s", clock=clock)
    return f"{moment:%Y-%m-%d} {clock}"


def full_time(unix_s: float | None) -> str:
    """2026-11-21 14:03:07, always in full."""
    return "" if not unix_s else f"{local(unix_s):%Y-%m-%d %H:%M:%S}"


def clock_time(unix_s: float | None) -> str:
    """14:03:07."""
    return "" if not unix_s else f"{local(unix_s):%H:%M:%S}"


def length(seconds: float | None) -> str:
    """0:07, 12:34, 1:02:03.

    >>> length(3723.4)
    '1:02:03'
    """
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def size(octets: float | None) -> str:
    """12.3 GB.

    >>> size(1536)
    '1.5 KB'
    """
    if octets is None:
        return ""
    value = float(octets)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """3 h 20 min; 2 d 4 h; under a minute 1 min."""
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return _("%(minutes)s min", minutes=minutes)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)
    return _("%(days)s d %(hours)s h", days=hours // 24, hours=hours % 24)


def day_start(text: str) -> float | None:
    """Unix seconds of a local day "2026-11-21"'s beginning; None for anything else."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day).astimezone().timestamp()


def day_end(text: str) -> float | None:
    """Unix seconds of the first instant after a local day."""
    start = day_start(text)
    if start is None:
        return None
    following = date.fromisoformat(text.strip()) + timedelta(days=1)
    return datetime(following.year, following.month, following.day).astimezone().timestamp()


def here_with(**changes: Any) -> str:
    """The present address with some query parameters changed; None removes one."""
    query = {k: v for k, v in request.args.items() if v != ""}
    for key, value in changes.items():
        if value is None:
            query.pop(key, None)
        else:
            query[key] = str(value)
    return request.path + ("?" + urlencode(query) if query else "")


def install(app: Flask) -> None:
    """Template filters."""
    app.jinja_env.filters.update(
        when=when,
        full_time=full_time,
        clock_time=clock_time,
        length_of=length,
        size=size,
        duration=duration,
        disconnect_tone=disconnect_tone,
    )
    app.jinja_env.globals.update(here_with=here_with)
