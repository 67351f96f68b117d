"""The call record: what remains of a call.

Times inside the core are `now` seconds; the engine turns every `*_at` into
Unix seconds (float, UTC) before the record leaves it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

END_REASONS = frozenset(
    {
        "caller_hangup",  # the outside party ended a connected conversation
        "agent_hangup",  # our side ended a connected conversation
        "abandoned_ringing",  # caller gave up before the box answered
        "abandoned_ivr",  # caller hung up while hearing greeting or menu
        "abandoned_queue",  # caller hung up while waiting or being offered
        "blocked",  # blacklist
        "flow_end",  # the flow hung up
        "no_answer",  # outbound / internal: rang out
        "busy",  # outbound / internal: busy
        "congestion",  # outbound: congestion, SIT
        "barred",  # outbound: not allowed
        "no_line",  # outbound: no free line
        "no_dial_tone",  # outbound: line gave no dial tone
        "cancelled",  # outbound / internal: we hung up before an answer
        "line_lost",  # the port or line vanished
        "max_length",  # length limit
        "forced",  # dropped by a supervisor
        "error",  # a fault of the box, see `detail`
    }
)


@dataclass
class CallRecord:
    """One call, as stored, exported and printed by stories.

    direction: "in", "out" or "internal". `cue`: how a hang-up on the line was seen
    ("tone", "battery", "polarity", "dialtone", "signalled", "silence", "").
    `answer_seen`: "seen", "inferred",
    "unknown" (nothing told, but it was no ringing tone either) or "" for outbound calls.
    `steps`: [{"at", "what", …}] what happened, in order
    (ring, callerid, answer, node, key, queue, offer, miss, connect, hold, retrieve,
    transfer, hangup), which gives marks for the recording player.
    """

    id: str
    direction: str
    line: str = ""
    line_number: str = ""
    caller_number: str = ""
    caller_name: str = ""
    caller_presentation: str = ""
    called_number: str = ""
    queue: str = ""
    agent: str = ""
    agents: list[str] = field(default_factory=list)
    phone: str = ""
    customer: int | None = None
    flow: str = ""
    keys: str = ""
    started_at: float = 0.0
    answered_at: float | None = None
    queued_at: float | None = None
    connected_at: float | None = None
    ended_at: float | None = None
    wait_s: float = 0.0
    talk_s: float = 0.0
    hold_s: float = 0.0
    end_reason: str = ""
    cue: str = ""
    answer_seen: str = ""
    detail: str = ""
    recording: str = ""
    recording_s: float = 0.0
    steps: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, JSON-ready."""
        return asdict(self)
