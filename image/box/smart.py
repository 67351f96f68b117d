"""Asks the disks how they are, once a day; the health check reads what is found.

    /run/zongji/smart.json   {"at", "disks": [{"device", "model", "passed", "worn", "reason"}]}

passed None: the disk does not say (USB sticks, virtual disks), which is no alarm.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from image.box import commands, files
from image.box.places import Places

WORN_PERCENT = 95
"""NVMe: percentage_used of the rated endurance (NVM Express 1.4, 5.14.1.2)."""


def disks() -> list[str]:
    """Devices that smartctl knows how to ask."""
    done = commands.run("smartctl", "--scan", "--json")
    try:
        return [str(one["name"]) for one in json.loads(done.out).get("devices", [])]
    except (ValueError, KeyError, AttributeError):
        return []


def judge(told: dict[str, Any]) -> dict[str, Any]:
    """What one disk says, from smartctl's JSON."""
    passed = told.get("smart_status", {}).get("passed")
    used = told.get("nvme_smart_health_information_log", {}).get("percentage_used")
    worn = isinstance(used, int) and used >= WORN_PERCENT
    reason = f"{used} % of its life used" if worn else "fails its own test" if passed is False else ""
    return {"model": told.get("model_name", ""), "passed": passed, "worn": worn, "reason": reason}


def run(places: Places, now: float) -> int:
    """Write what is found; the exit status."""
    found = []
    for device in disks():
        done = commands.run("smartctl", "--json", "-H", "-A", "-i", device, timeout_s=60)
        try:
            found.append({"device": device, **judge(json.loads(done.out))})
        except (ValueError, AttributeError) as error:
            print(f"{device} gave no answer: {error}", file=sys.stderr)
    files.write_json(places.run / "smart.json", {"at": now, "disks": found})
    return 0


if __name__ == "__main__":
    sys.exit(run(Places(), time.time()))
