"""Menu flows: every change is a new version; one version is published, and can be taken back (C17)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from appliance.store.database import Database
from appliance.store.errors import InvalidRow, NotFound
from appliance.store.tables import ID, ID_MEANING

MAX_DEFINITION_CHARS = 500_000
Rows = list[dict[str, Any]]


class Flows:
    """A row is {id, title, version, published, definition {start, nodes}, at, who}; `version` is the newest,
    `published` the one that answers calls (0 = none yet). Whether a definition makes sense is
    for the flow checker of the core; here it only has to have the shape."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def list(self) -> Rows:
        """All flows in their newest version."""
        return [self._row(row) for row in self._database.read(f"{_NEWEST} ORDER BY f.id")]

    def get(self, flow_id: str, version: int | None = None) -> dict[str, Any] | None:
        """The flow in its newest or the given version, or None."""
        if version is None:
            row = self._database.one(f"{_NEWEST} WHERE f.id = ?", [flow_id])
        else:
            row = self._database.one(f"{_ANY} WHERE f.id = ? AND v.version = ?", [flow_id, version])
        return self._row(row) if row else None

    def published(self) -> Rows:
        """All flows that answer calls, each in its published version."""
        return [
            self._row(row)
            for row in self._database.read(f"{_ANY} WHERE v.version = f.published ORDER BY f.id")
        ]

    def versions(self, flow_id: str) -> Rows:
        """{version, at, who} of all versions, newest first."""
        return self._database.read(
            "SELECT version, at, who FROM flow_versions WHERE flow_id = ? ORDER BY version DESC", [flow_id]
        )

    def put(self, row: Mapping[str, Any], who: str = "") -> dict[str, Any]:
        """Save a new version (not yet published). row: {id, title, definition {start, nodes}}.
        Raises InvalidRow."""
        flow_id, title, definition = row.get("id"), row.get("title", ""), row.get("definition")
        problems = []
        if not isinstance(flow_id, str) or not re.fullmatch(ID, flow_id):
            problems.append(f"flow: id must be {ID_MEANING}, not {flow_id!r}")
        if not isinstance(title, str) or len(title) > 100:
            problems.append("flow: title must be text of at most 100 characters")
        if not isinstance(definition, Mapping):
            problems.append("flow: definition is missing")
        elif not isinstance(definition.get("start"), str) or not isinstance(definition.get("nodes"), Mapping):
            problems.append("flow: definition must have a start and nodes")
        if problems:
            raise InvalidRow(problems)
        text = json.dumps(definition, ensure_ascii=False)
        if len(text) > MAX_DEFINITION_CHARS:
            raise InvalidRow([f"flow {flow_id}: larger than {MAX_DEFINITION_CHARS} characters"])
        with self._database.write() as db:
            db.execute(
                "INSERT INTO flows (id, title) VALUES (?, ?)"
                " ON CONFLICT (id) DO UPDATE SET title = excluded.title",
                [flow_id, title],
            )
            db.execute(
                "INSERT INTO flow_versions SELECT ?, coalesce(max(version), 0) + 1, ?, ?, ?"
                " FROM flow_versions WHERE flow_id = ?",
                [flow_id, text, self._clock(), who, flow_id],
            )
            stored = self.get(str(flow_id))
            assert stored is not None
            return stored

    def publish(self, flow_id: str, version: int | None = None, who: str = "") -> dict[str, Any]:
        """Let a version (the newest by default) answer calls from now on. Raises NotFound."""
        with self._database.write() as db:
            flow = self.get(flow_id, version)
            if flow is None:
                raise NotFound("flow version", f"{flow_id}/{version}" if version else flow_id)
            db.execute("UPDATE flows SET published = ? WHERE id = ?", [flow["version"], flow_id])
            db.execute(
                "INSERT INTO flow_publications (flow_id, version, at, who) VALUES (?, ?, ?, ?)",
                [flow_id, flow["version"], self._clock(), who],
            )
            return flow | {"published": flow["version"]}

    def rollback(self, flow_id: str, who: str = "") -> dict[str, Any]:
        """Publish again what was published before the present version. Raises NotFound, InvalidRow."""
        with self._database.write():
            flow = self.get(flow_id)
            if flow is None:
                raise NotFound("flow", flow_id)
            before = self._database.one(
                "SELECT version FROM flow_publications WHERE flow_id = ? AND version < ? ORDER BY id DESC",
                [flow_id, flow["published"]],
            )
            if before is None:
                raise InvalidRow([f"flow {flow_id} has no earlier published version to go back to"])
            return self.publish(flow_id, int(before["version"]), who)

    def delete(self, flow_id: str) -> None:
        """Remove a flow with all versions. Raises NotFound, InvalidRow when a line uses it."""
        with self._database.write() as db:
            if self.get(flow_id) is None:
                raise NotFound("flow", flow_id)
            used = self._database.read("SELECT id FROM lines WHERE flow = ? ORDER BY id", [flow_id])
            if used:
                lines = ", ".join(row["id"] for row in used)
                raise InvalidRow([f"flow {flow_id} answers {lines}; give these lines another flow first"])
            db.table("flows").delete(flow_id)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"definition": json.loads(row["definition"])}


_ANY = """SELECT f.id, f.title, f.published, v.version, v.definition, v.at, v.who
    FROM flows f JOIN flow_versions v ON v.flow_id = f.id"""
_NEWEST = f"{_ANY} AND v.version = (SELECT max(version) FROM flow_versions WHERE flow_id = f.id)"
