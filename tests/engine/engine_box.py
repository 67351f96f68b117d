"""A whole box in memory: engine, call core and simulated office on the virtual clock."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from appliance.core.plan import Plan
from appliance.engine.engine import Engine
from appliance.paths import Home
from board.sim import OfficeConfig, SimBoard

SPEECH = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
"""Debian's asterisk-core-sounds-en-wav, installed by the set-up of the tests."""

START_UNIX_S = 1_700_000_000.0

FLOW = {
    "id": "main",
    "title": "Main",
    "start": "greeting",
    "nodes": {
        "greeting": {"type": "play", "prompt": "greeting", "next": "menu"},
        "menu": {
            "type": "menu",
            "prompt": "menu",
            "timeout_s": 5,
            "repeats": 2,
            "keys": {"1": "sales", "9": "bye"},
            "invalid_prompt": "beep",
            "timeout_prompt": "beep",
            "on_fail": "sales",
        },
        "sales": {"type": "queue", "queue": "sales"},
        "bye": {"type": "hangup", "prompt": "beep"},
    },
}


def speech(*names):
    """Real human speech, int16 at 8 kHz."""
    return np.concatenate([soundfile.read(SPEECH / f"{name}.wav", dtype="int16")[0] for name in names])


def plan_data(lines=2, phones=3, **changes):
    """A small office: all lines answer with the flow above, every telephone has its agent."""
    return {
        "language": "en",
        "lines": [{"id": f"L{i + 1}", "port": f"sim/{i}", "number": f"4008{i:03d}"} for i in range(lines)],
        "phones": [{"ext": str(801 + i), "port": f"sim/{lines + i}"} for i in range(phones)],
        "agents": [
            {"number": str(1001 + i), "name": f"Agent {i + 1}", "queues": ["sales"]} for i in range(phones)
        ],
        "queues": [{"id": "sales", "name": "Sales", "announce_every_s": 0, "wrap_up_s": 2}],
        "flows": [FLOW],
        **changes,
    }


def write_prompts(home, **sounds):
    """Own prompts of this box, by name; those that the plan needs have a default."""
    folder = home.prompts / "en"
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {
        "greeting": speech("queue-thankyou")[:16000],
        "menu": speech("vm-options")[:24000],
        "beep": speech("beep"),
        "music": speech("tt-monkeys")[:80000],
        "please_wait": speech("queue-thankyou")[:8000],
        "sorry_busy": speech("queue-thankyou")[8000:16000],
    }
    for name, samples in {**defaults, **sounds}.items():
        soundfile.write(folder / f"{name}.wav", samples, 8000)


class Box:
    """`say_to_core` actions, run for a while, and look at what came out."""

    def __init__(
        self, root, lines=2, phones=3, office=None, plan=None, listening=True, make_core=None, prompts=None
    ):
        self.home = Home(Path(root))
        self.home.create()
        write_prompts(self.home, **(prompts or {}))
        settings = {"lines": lines, "phones": phones, **(office or {})}
        self.board = SimBoard(OfficeConfig.from_dict(settings))
        self.office = self.board.office
        self.lines = len(self.office.fxo)
        self.listening = listening
        self.published = []
        self._ref = 0
        extra = {"make_core": make_core} if make_core else {}
        self.engine = Engine(
            [self.board],
            self.home,
            Plan.from_dict(plan or plan_data(lines, phones)),
            lambda: START_UNIX_S + self.office.clock / 8000,
            self._publish,
            **extra,
        )

    def _publish(self, topic, data):
        if self.listening:
            self.published.append((topic, json.loads(json.dumps(data))))
        return self.listening

    # ------------------------------------------------------------------ time
    def run(self, seconds):
        """Let time pass."""
        for _ in range(round(seconds * 50)):
            self.engine.run_tick()

    def until(self, what, within_s=10.0):
        """Run until `what()` holds; seconds that it took."""
        for tick in range(round(within_s * 50)):
            if what():
                return tick / 50
            self.engine.run_tick()
        raise AssertionError(f"did not happen within {within_s} s; notices: {self.of('notice')}")

    # --------------------------------------------------------------- people
    def phone(self, ext):
        """The telephone set of an extension."""
        return self.office.phone(self.engine.table.by_name(ext).index)

    def desk(self, agent, verb, **args):
        """A desk's wish; the reply."""
        self._ref += 1
        ref = self._ref
        self.engine.command({"cmd": "desk", "ref": ref, "verb": verb, "agent": agent, "args": args})
        self.until(lambda: any(reply["ref"] == ref for reply in self.of("reply")), 1.0)
        return next(reply for reply in self.of("reply") if reply["ref"] == ref)

    def sign_in(self, agent, ext):
        """An agent takes a seat and is ready."""
        assert self.desk(agent, "sign_in", phone=ext)["error"] == ""
        assert self.desk(agent, "ready")["error"] == ""

    # ----------------------------------------------------------------- facts
    def of(self, topic):
        """Everything published on a topic."""
        return [data for name, data in self.published if name == topic]

    def records(self):
        """Final call records, in order."""
        return [data["record"] for data in self.of("record") if data["final"]]

    def notices(self):
        """Codes of the notices so far."""
        return [data["code"] for data in self.of("notice")]

    def line_state(self, line="L1"):
        """Public state of a line."""
        return next(row["state"] for row in self.engine.snapshot()["lines"] if row["id"] == line)

    def agent_state(self, agent):
        """Public state of an agent."""
        return next(row["state"] for row in self.engine.snapshot()["agents"] if row["number"] == agent)

    def recording(self, record):
        """Samples of a record's recording."""
        samples, rate = soundfile.read(self.home.root / record["recording"], dtype="int16")
        assert rate == 8000
        return samples

    def close(self):
        """Stop the box."""
        self.engine.close()


def likeness(heard, wanted):
    """(best normalised correlation, its position in samples) of `wanted` within `heard`."""
    heard, wanted = heard.astype(np.float64), wanted.astype(np.float64)
    if len(heard) < len(wanted):
        return 0.0, 0
    size = 1 << int(np.ceil(np.log2(len(heard) + len(wanted))))
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    cross = np.fft.irfft(spectrum, size)[: len(heard) - len(wanted) + 1]
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    local = energy[len(wanted) :] - energy[: len(heard) - len(wanted) + 1]
    score = cross / np.sqrt(np.maximum(local, 1.0) * np.sum(wanted**2))
    at = int(score.argmax())
    return float(score[at]), at
