"""Health checks: one small file each, named after what it looks for.

A check has `look(facts) -> Finding | None`; its name is its id. Nothing here opens a file: what is looked at
is in `Facts`, so that each can be tested with plain data.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from typing import Any

from appliance.services.checks.model import ERROR, WORST_FIRST, Facts, Finding

log = logging.getLogger(__name__)

NAMES = tuple(sorted(one.name for one in pkgutil.iter_modules(__path__) if one.name != "model"))
"""Every check there is."""

BROKEN = Finding(
    ERROR,
    "The health check %(check)s failed: %(problem)s",
    "The box may be well all the same. Send a support bundle to whoever looks after it.",
)


def run(facts: Facts) -> list[dict[str, Any]]:
    """All findings, worst first, as plain data {id, severity, text, advice, params, since, repair}."""
    found = []
    for name in NAMES:
        try:
            finding: Finding | None = importlib.import_module(f"{__name__}.{name}").look(facts)
        except Exception as error:  # one that fails must not hide the others
            log.exception("the check %s failed", name)
            found.append(("check_failed", BROKEN, {"check": name, "problem": str(error)}))
            continue
        if finding is not None:
            found.append((name, finding, finding.params))
    found.sort(key=lambda one: (WORST_FIRST.index(one[1].severity), one[0]))
    return [
        {
            "id": name,
            "severity": finding.severity,
            "text": finding.text,
            "advice": finding.advice,
            "params": params,
            "since": finding.since,
            "repair": finding.repair,
        }
        for name, finding, params in found
    ]
