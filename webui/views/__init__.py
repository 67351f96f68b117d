"""The pages, one module per area."""

from __future__ import annotations

from flask import Blueprint


def all_blueprints() -> list[Blueprint]:
    """Every blueprint of the application."""
    from webui.views import (
        admin,
        api,
        audit_log,
        backups,
        blacklist,
        board,
        calls,
        cards,
        clock,
        customers,
        desk,
        entry,
        events,
        flows,
        messages,
        network,
        office,
        power,
        remote,
        rescue,
        settings,
        tables,
        updates,
        users,
    )

    return [
        entry.blueprint,
        events.blueprint,
        board.blueprint,
        desk.blueprint,
        calls.blueprint,
        customers.blueprint,
        messages.blueprint,
        admin.blueprint,
        cards.blueprint,
        *tables.blueprints(),
        flows.blueprint,
        blacklist.blueprint,
        users.blueprint,
        settings.blueprint,
        audit_log.blueprint,
        backups.blueprint,
        rescue.blueprint,
        network.blueprint,
        updates.blueprint,
        clock.blueprint,
        remote.blueprint,
        power.blueprint,
        office.blueprint,
        api.blueprint,
    ]
