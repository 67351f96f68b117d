"""The first page of the administrator: is the box well?"""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from appliance.client import WireError
from webui.box import box, store
from webui.findings import finding_words
from webui.roles import ADMIN, allow

LOG = logging.getLogger("zongji.web")

blueprint = Blueprint("admin", __name__, url_prefix="/admin")


def status() -> tuple[dict[str, Any], str]:
    """(status of control, why it could not be had)."""
    try:
        answer = box().control.call("status")
    except WireError as error:
        return {}, str(error)
    return answer if isinstance(answer, dict) else {}, ""


def health() -> list[dict[str, Any]]:
    """What the health checks found, worst first, in the reader's language."""
    try:
        answer = box().control.call("checks")
    except WireError as error:
        LOG.warning("the health checks: %s", error)
        return []
    return [finding_words(one) for one in answer["findings"]]


@blueprint.get("/")
@allow(ADMIN)
def start() -> ResponseReturnValue:
    """Health, disk, versions, and what is still to be set up."""
    known = store()
    found, problem = status()
    findings = health() if not problem else []
    todo = {
        "lines": len(known.lines.list()),
        "phones": len(known.phones.list()),
        "queues": len(known.queues.list()),
        "agents": len(known.agents.list()),
        "people": sum(bool(u["agent_number"]) for u in known.users.list()),
    }
    return render_template(
        "admin/start.html",
        status=found,
        problem=problem,
        todo=todo,
        findings=findings,
        live=box().hub.snapshot or {},
    )
