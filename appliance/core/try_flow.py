"""Runs a menu flow on paper: which way does a caller go who presses these keys?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from appliance.core.ivr import Bye, FlowRun, JoinQueue, Listen, RingExtension, Say, Step
from appliance.core.plan import Flow

NO_KEY = "-"
"""In the keys to try: let the time run out."""


@dataclass(frozen=True)
class Stage:
    """One thing that happens to the caller, at a node of a flow.

    what: "say", "listen", "queue", "extension" or "hangup"; detail: prompts, seconds, queue or telephone.
    """

    flow: str
    node: str
    what: str
    detail: str


def try_flow(flows: Mapping[str, Flow], flow_id: str, keys: Iterable[str]) -> list[Stage]:
    """What a caller meets who hears every prompt out and answers each menu with the next key.

    It ends where the flow hands the caller over or hangs up, or at a menu for which no key is left.
    """
    run = FlowRun(flows, flow_id)
    left = iter(keys)
    step = run.start()
    stages: list[Stage] = []
    while True:
        stages.append(Stage(run.flow_id, run.node_id, *_describe(step)))
        if isinstance(step, Say):
            step = run.said()
        elif isinstance(step, Listen):
            key = next(left, None)
            if key is None:
                return stages
            answer = run.timed_out() if key == NO_KEY else run.key(key)
            assert answer is not None  # a listening menu always has an answer to a key
            step = answer
        else:
            return stages


def _describe(step: Step) -> tuple[str, str]:
    match step:
        case Say(prompts):
            return "say", " ".join(prompts)
        case Listen(timeout_s):
            return "listen", f"{timeout_s:g}"
        case JoinQueue(queue):
            return "queue", queue
        case RingExtension(ext):
            return "extension", ext
        case Bye(prompts):
            return "hangup", " ".join(prompts)
        case _:
            raise TypeError(f"no words for {step}")
