"""Server-sent events: the live state and what concerns the reader, pushed to pages.

WHATWG HTML, 9.2 "Server-sent events".
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, stream_with_context
from flask_login import current_user

from webui.accounts import Watch, sessions
from webui.box import box, store
from webui.hub import Hub, Message
from webui.roles import STAFF, allow
from webui.screenpop import enriched
from webui.visible import live_for, may_read_messages

blueprint = Blueprint("events", __name__)

BEAT_S = 10.0
"""A comment line at least this often, so that both ends notice a dead connection."""
LIFE_S = 3600.0
"""A stream ends after this; the browser reconnects, with its rights checked anew."""


def line(topic: str, data: dict[str, Any]) -> str:
    """One event in the wire format."""
    return f"event: {topic}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def newest(first: Message, mailbox: queue.Queue[Message]) -> list[Message]:
    """`first` and all that waits behind it; of several `live` only the last."""
    batch = [first]
    while True:
        try:
            batch.append(mailbox.get_nowait())
        except queue.Empty:
            break
    last_live = max((i for i, m in enumerate(batch) if m.topic == "live"), default=-1)
    return [m for i, m in enumerate(batch) if m.topic != "live" or i == last_live]


def stream(
    hub: Hub, role: str, agent: str, over: Callable[[], bool], messages: Callable[[], bool]
) -> Iterator[str]:
    """Events for one page of a user with this role and work number, until over().
    messages(): whether the reader may see short messages now."""
    ends_s = time.monotonic() + LIFE_S
    with hub.listen() as mailbox:
        yield "retry: 1000\n\n"
        yield line("back" if hub.connected else "away", {})
        if hub.status:
            yield line("status", hub.status)
        snapshot = hub.snapshot
        if snapshot:
            yield line("live", live_for(snapshot, role, agent))
        pop = hub.pop_of(agent) if agent else None
        if pop:
            yield line("pop", enriched(pop, role, agent))
        # One that begins after the hub was closed is not told so any more.
        while not hub.closing and time.monotonic() < ends_s:
            try:
                message = mailbox.get(timeout=BEAT_S)
            except queue.Empty:
                message = Message("beat")
                yield ": beat\n\n"
            if over():
                return
            for each in newest(message, mailbox):
                if each.topic == "closing":
                    return
                if each.topic == "live":
                    yield line("live", live_for(each.data, role, agent))
                elif each.topic in ("away", "back", "status", "notice"):
                    yield line(each.topic, each.data)
                elif each.topic == "message" and messages():
                    yield line("message", each.data)
                elif each.topic == "call":
                    yield line("call", {"id": each.data.get("id", "")})
                elif each.topic in ("pop", "pop_end") and agent and each.data.get("agent") == agent:
                    data = enriched(each.data, role, agent) if each.topic == "pop" else each.data
                    yield line(each.topic, data)


@blueprint.get("/events")
@allow(*STAFF)
def events() -> Response:
    """The stream of this user; it ends with the session."""
    watch = Watch(sessions(), store().users.get)
    role, settings = current_user.role, store().settings

    def messages() -> bool:
        return may_read_messages(str(settings.get("messages.who")), role)

    body = stream_with_context(stream(box().hub, role, current_user.agent, watch.over, messages))
    response = Response(body, mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response
