"""The plan on disk: what the engine starts with when control is not there."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.core.plan import Plan, PlanError
from appliance.engine.reasons import reason_text
from appliance.paths import Home

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """The plan to start with. `code` and `data`: what people should be told; "" for nothing."""

    plan: Plan
    code: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def _read(path: Path) -> Plan:
    """Raises PlanError whose text names what is wrong."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlanError([f"{path.name} does not exist"]) from error
    except OSError as error:
        raise PlanError([f"{path.name} cannot be read: {reason_text(error)}"]) from error
    except ValueError as error:
        raise PlanError([f"{path.name} is damaged: {error}"]) from error
    if not isinstance(data, dict):
        raise PlanError([f"{path.name} is damaged: it must hold an object"])
    return Plan.from_dict(data)


def load(home: Home) -> Found:
    """The plan, else the last good one, else the copy of that with the box's settings, else an empty one;
    never an error."""
    problems: list[str] = []
    new = True
    for path in filter(None, (home.plan, home.good_plan, home.kept_plan)):
        try:
            plan = _read(path)
        except PlanError as error:
            new = new and isinstance(error.__cause__, FileNotFoundError)
            problems.append(str(error))
            continue
        if not problems:
            return Found(plan)
        reason = "; ".join(problems)
        log.error("the plan cannot be used (%s): the last good one is taken, %s", reason, path)
        return Found(plan, "plan_damaged", {"reason": reason})
    reason = "; ".join(problems)
    if new:
        log.info("this box is new: lines are answered as soon as control has sent the plan")
        return Found(Plan())
    log.error("no plan can be used (%s): no line is answered until control sends one", reason)
    return Found(Plan(), "plan_missing", {"reason": reason})


def keep(home: Home, data: dict[str, Any]) -> None:
    """Remember an accepted plan as the last good one, atomically."""
    temporary = home.good_plan.with_suffix(".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(home.good_plan)
    except OSError as error:
        log.error("the last good plan could not be kept: %s", reason_text(error))
