"""Settings and tables of the store become the plan that the engine works from."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.control.seats import stand_in
from appliance.core.flow import validate_flow
from appliance.core.plan import Plan, PlanError
from appliance.store import Store


@dataclass(frozen=True)
class Compiled:
    """Outcome of a compilation. plan is None when it cannot be used; `problems` say why, `warnings`
    what will be heard wrong in one that can. empty: nothing has been set up yet."""

    plan: dict[str, Any] | None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    empty: bool = False


@dataclass(frozen=True)
class Ports:
    """What the board has, in the order of its sockets; country of its exchange, "" where cards do not say."""

    lines: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    country: str = ""


NO_PORTS = Ports()


def compile_plan(
    store: Store,
    prompts: Collection[str],
    claim: Mapping[str, str] | None = None,
    ports: Ports = Ports(),
) -> Compiled:
    """The plan of the store's present content. prompts: names that can be played; claim: what a lifted
    telephone says, see `claiming.spoken`; ports: what there is. Raises StoreError."""
    with store.snapshot():
        data = plan_data(store)
    data["lines"] = stand_in(data["lines"], ports.lines)
    data["phones"] = stand_in(data["phones"], ports.phones)
    if claim:
        data["claim"] = dict(claim)
    if not data["lines"] and not data["phones"]:
        return Compiled(None, ["no line and no telephone has been set up yet"], empty=True)
    try:
        plan = Plan.from_dict(data)
    except PlanError as error:
        return Compiled(None, list(error.problems))
    return Compiled(plan.as_dict(), [], prompt_warnings(data, prompts))


def plan_data(store: Store) -> dict[str, Any]:
    """The plan as plain data, not yet validated."""
    settings = store.settings.all()

    def section(name: str) -> dict[str, Any]:
        return {key.split(".")[1]: value for key, value in settings.items() if key.startswith(name + ".")}

    return {
        "version": 1,
        "country": settings["country"],
        "language": settings["language"],
        "lines": store.lines.list(),
        "phones": store.phones.list(),
        "agents": [
            {key: value for key, value in row.items() if key != "pin_hash"} for row in store.agents.list()
        ],
        "queues": store.queues.list(),
        "flows": [
            {
                "id": flow["id"],
                "title": flow["title"],
                "start": flow["definition"]["start"],
                "nodes": flow["definition"]["nodes"],
            }
            for flow in store.flows.published()
        ],
        "blocked": blocked(store),
        "outside": section("outside"),
        "recording": {"enabled": settings["recording.enabled"]},
        "sound": section("sound"),
        "silence": section("silence"),
        "fax": section("fax"),
        "max_call_s": settings["max_call_s"],
        "not_ready_reasons": settings["not_ready_reasons"],
    }


def blocked(store: Store) -> list[dict[str, Any]]:
    """The blacklist as the engine compares it, digit by digit: a whole number in every form in which an
    exchange may deliver it."""
    rules = []
    for row in reversed(store.blacklist.list()):
        pattern = row["pattern"]
        whole = pattern != "withheld" and not pattern.endswith("*")
        forms = [pattern, *store.numbering().dialled_forms(pattern)] if whole else [pattern]
        rules += [
            {"pattern": form, "action": row["action"], "prompt": row["prompt"]}
            for form in dict.fromkeys(forms)
        ]
    return rules


def prompt_warnings(data: dict[str, Any], prompts: Collection[str]) -> list[str]:
    """Prompts that the plan names and nobody has recorded: one sentence each."""
    queues = {row["id"] for row in data["queues"]}
    extensions = {row["ext"] for row in data["phones"]}
    flows = {flow["id"] for flow in data["flows"]}
    found = []
    for flow in data["flows"]:
        found += validate_flow(flow, prompts, queues, extensions, flows)
    wanted = [
        (f"queue {row['id']}", row[name])
        for row in data["queues"]
        for name in ("music", "announce", "overflow")
        if row[name] and (name != "announce" or row["announce_every_s"])
    ]
    wanted += [("blacklist", row["prompt"]) for row in data["blocked"] if row["action"] == "message"]
    for place, name in dict.fromkeys(wanted):
        if name not in prompts:
            found.append(f"{place}: there is no prompt {name!r}; record it or choose another one")
    return found


def check_flow(store: Store, flow: Any, prompts: Collection[str]) -> list[str]:
    """What is wrong with a flow definition before it is published: one sentence per problem."""
    queues = {row["id"] for row in store.queues.list()}
    extensions = {row["ext"] for row in store.phones.list()}
    own = {flow["id"]} if isinstance(flow, dict) and isinstance(flow.get("id"), str) else set()
    flows = {row["id"] for row in store.flows.published()} | own
    return validate_flow(flow, prompts, queues, extensions, flows)


def write_plan(path: Path, plan: dict[str, Any]) -> None:
    """Replace the file at `path` in one step; it is on the disk when this returns. Raises OSError."""
    half = path.with_name(path.name + ".new")
    with half.open("w", encoding="utf-8") as file:
        json.dump(plan, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
