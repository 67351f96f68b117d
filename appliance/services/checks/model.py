"""What a check looks at and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ERROR, WARNING, INFO = "error", "warning", "info"
WORST_FIRST = (ERROR, WARNING, INFO)

CLOCK_SET_S = 1_700_000_000.0
"""A clock before this (November 2023) has never been set, and no age can be told."""
AHEAD_S = 86400.0
"""Less is no sign of a wrong clock: it may have been set a little since."""

Data = dict[str, Any]


def ahead(at: float, now: float) -> bool:
    """Does `at` come from a clock that was ahead? Both in Unix seconds."""
    return at > now + AHEAD_S


@dataclass(frozen=True)
class Facts:
    """The state of the box at one moment, gathered by control. Times in Unix seconds.

    system: `status` of the system daemon, {} where there is none (not on the flashed box); system_problem:
    why a flashed box has none; messages: as records, of short messages;
    certificate_end: when the pages' certificate ends; smart: what `image.box.smart` has found.
    The rest are parts of control's own `status`.
    """

    now: float
    database_problem: str = ""
    database_since: float = 0.0
    fallback: Data | None = None
    returned: Data | None = None
    plan: Data = field(default_factory=dict)
    disk: Data = field(default_factory=dict)
    engine: Data = field(default_factory=dict)
    engine_health: Data = field(default_factory=dict)
    lines: tuple[Data, ...] = ()
    records: Data = field(default_factory=dict)
    messages: Data = field(default_factory=dict)
    retention_problems: tuple[str, ...] = ()
    backups: tuple[Data, ...] = ()
    backup_daily: bool = True
    backup_problem: Data = field(default_factory=dict)
    share_problem: Data = field(default_factory=dict)
    key_on_paper: bool = True
    restore: Data | None = None
    system: Data = field(default_factory=dict)
    system_problem: str = ""
    certificate_end: float | None = None
    smart: Data = field(default_factory=dict)
    started_at: float = 0.0


@dataclass(frozen=True)
class Finding:
    """Something that people should know. text and advice are English sentences with %(name)s for params;
    since: Unix seconds, None where nobody knows; repair: id of the repair that a button offers."""

    severity: str
    text: str
    advice: str
    params: Data = field(default_factory=dict)
    since: float | None = None
    repair: str = ""


def joined(items: Any) -> str:
    """Names in one sentence."""
    return ", ".join(str(item) for item in items)
