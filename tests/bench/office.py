"""A box full of talking calls, set up on the virtual clock, that can be switched to real time."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from appliance.core.plan import Plan
from appliance.engine.engine import Engine
from appliance.paths import Home
from board.sim import OfficeConfig, OutsidePhone, SimBoard, TelephoneSet
from board.sim.pace import WallPace
from dsp.levels import rms_dbm0

SPEECH = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
START_UNIX_S = 1_700_000_000.0

FLOW = {
    "id": "main",
    "start": "greeting",
    "nodes": {
        "greeting": {"type": "play", "prompt": "greeting", "next": "menu"},
        "menu": {
            "type": "menu",
            "prompt": "menu",
            "timeout_s": 5,
            "keys": {"1": "sales"},
            "on_fail": "sales",
        },
        "sales": {"type": "queue", "queue": "sales"},
    },
}


def much_speech(seconds: float) -> np.ndarray:
    """Real speech, int16 [seconds · 8000]."""
    wanted, parts, have = round(seconds * 8000), [], 0
    paths = sorted(SPEECH.glob("*.wav"), key=lambda path: (-path.stat().st_size, path.name))
    while have < wanted:
        for path in paths:
            parts.append(soundfile.read(path, dtype="int16")[0])
            have += len(parts[-1])
            if have >= wanted:
                break
    return np.concatenate(parts)[:wanted]


class BenchPace:
    """Virtual until `go_wall`; notes when each wait was over, so that work can be told from waiting."""

    def __init__(self) -> None:
        self._wall: WallPace | None = None
        self.over_s = 0.0

    def go_wall(self) -> None:
        """A block every 20 ms from now on."""
        self._wall = WallPace()

    def wait(self) -> int:
        """The card's wait; samples lost."""
        lost = self._wall.wait() if self._wall is not None else 0
        self.over_s = time.perf_counter()
        return lost


class TimedBoard(SimBoard):
    """Knows how long the simulation itself took in this tick."""

    def __init__(self, config: OfficeConfig, pace: BenchPace) -> None:
        super().__init__(config, pace)
        self.bench_pace = pace
        self.spent_s = 0.0

    def read(self):
        """Next block, timed without the waiting."""
        tick = super().read()
        self.spent_s = time.perf_counter() - self.bench_pace.over_s
        self.brought = tick.audio
        return tick

    def write(self, audio) -> None:
        """Timed as well."""
        begin_s = time.perf_counter()
        super().write(audio)
        self.spent_s += time.perf_counter() - begin_s


class BenchBox:
    """Engine, core and office with agents signed in at all telephones."""

    def __init__(
        self, root: str, lines: int, phones: int, threaded: bool = False, erl_db: float | None = None
    ) -> None:
        """erl_db: what all hybrids lose, if not what they usually do."""
        self.home = Home(Path(root))
        self.home.create()
        self._write_prompts()
        self.pace = BenchPace()
        settings: dict[str, Any] = {"lines": lines, "phones": phones, "hearing_s": 10}
        if erl_db is not None:
            settings |= {"line": {"erl_db": erl_db}, "phone": {"erl_db": erl_db}}
        self.board = TimedBoard(OfficeConfig.from_dict(settings), self.pace)
        self.office = self.board.office
        self.records = 0
        self.notices: list[dict] = []
        plan = {
            "language": "en",
            "lines": [{"id": f"L{i + 1}", "port": f"sim/{i}"} for i in range(lines)],
            "phones": [{"ext": str(801 + i), "port": f"sim/{lines + i}"} for i in range(phones)],
            "agents": [
                {"number": str(1001 + i), "name": f"Agent {i + 1}", "queues": ["sales"]}
                for i in range(phones)
            ],
            "queues": [{"id": "sales", "name": "Sales", "wrap_up_s": 5, "announce_every_s": 0}],
            "flows": [FLOW],
        }
        self.engine = Engine(
            [self.board],
            self.home,
            Plan.from_dict(plan),
            lambda: START_UNIX_S + self.office.clock / 8000,
            self._publish,
            threaded=threaded,
        )
        for i in range(phones):
            agent = str(1001 + i)
            for verb, args in (("sign_in", {"phone": str(801 + i)}), ("ready", {})):
                message = {"cmd": "desk", "ref": i, "verb": verb, "agent": agent, "args": args}
                self.engine.command(message)
            self.engine.run_tick()

    def _write_prompts(self) -> None:
        folder = self.home.prompts / "en"
        folder.mkdir(parents=True)
        words = much_speech(40)
        lengths = {"greeting": 2, "menu": 4, "music": 30, "no_key": 1, "invalid_key": 1, "please_wait": 2}
        for name, seconds in lengths.items():
            soundfile.write(folder / f"{name}.wav", words[: seconds * 8000], 8000)

    def _publish(self, topic: str, data: dict) -> bool:
        if topic == "record":
            self.records += data["final"]
            self.engine.command({"cmd": "ack", "id": data["id"]})
        elif topic == "notice":
            self.notices.append(data)
        elif topic == "ask":
            self.engine.command({"cmd": "answer", "ref": data["ref"], "data": None})
        return True

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds * 50)):
            self.engine.run_tick()

    def connect_all(self, calls: int) -> list[tuple[OutsidePhone, TelephoneSet]]:
        """So many callers talk to an agent each; the pairs."""
        callers = [self.office.outside(f"caller {i}") for i in range(calls)]
        for i, caller in enumerate(callers):
            caller.call(i, number=f"138{i:08d}")
            self.run(0.1)
        pressed: set[int] = set()
        for _ in range(60 * 50):
            self.engine.run_tick()
            for i, caller in enumerate(callers):
                if caller.state == "talking" and i not in pressed:
                    pressed.add(i)
                    caller.press(",,1")
            for phone in self.office.phones:
                if phone.ringing and not phone.off_hook:
                    phone.lift()
            if self.engine.hands.bridges == calls:
                break
        else:
            raise RuntimeError(f"only {self.engine.hands.bridges} of {calls} calls were connected")
        self.run(1.0)
        return self.pairs(callers)

    def pairs(self, callers: list[OutsidePhone]) -> list[tuple[OutsidePhone, TelephoneSet]]:
        """Who talks with whom, by the live snapshot."""
        live = self.engine.snapshot()
        by_line = {call["line"]: call["phone"] for call in live["calls"]}
        out = []
        for i, caller in enumerate(callers):
            port = self.engine.table.by_name(by_line[f"L{i + 1}"])
            out.append((caller, self.office.phone(port.index)))
        return out

    def close(self) -> None:
        """Stop."""
        self.engine.close()


def talking_ticks(ports: int, seconds: float) -> tuple[list[float], list[float]]:
    """What each tick costs in ms, of the engine alone and with the office: half of the ports lines, half
    telephones, all talking and recorded."""
    calls = ports // 2
    with tempfile.TemporaryDirectory() as root:
        box = BenchBox(root, calls, calls, threaded=True)
        words = much_speech(seconds + 2)
        for caller, phone in box.connect_all(calls):
            caller.say(words)
            phone.say(words[::-1].copy())
        engine_only, with_office = [], []
        for _ in range(round(seconds * 50)):
            begin_s = time.perf_counter()
            box.engine.run_tick()
            total_s = time.perf_counter() - begin_s
            with_office.append(total_s * 1000)
            engine_only.append((total_s - box.board.spent_s) * 1000)
        box.close()
    return engine_only, with_office


def agent_alone(erl_db: float, calls: int = 8, seconds: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """By how much an agent who speaks alone hears himself less than the hybrids return, in each call after
    the first second; and how loudly he still does. In dB and dBm0, the line's noise included."""
    with tempfile.TemporaryDirectory() as root:
        box = BenchBox(root, calls, calls, erl_db=erl_db)
        pairs = box.connect_all(calls)
        words = much_speech(calls * (seconds + 1)).reshape(calls, -1)
        for (_, phone), said in zip(pairs, words, strict=True):
            phone.say(said)
        box.run(1)
        brought = []
        for _ in range(seconds * 50):
            box.engine.run_tick()
            brought.append(box.board.brought[:calls].copy())
        heard = np.stack([phone.heard(seconds) for _, phone in pairs])
        box.close()
    left_dbm0 = rms_dbm0(heard)
    return rms_dbm0(np.concatenate(brought, axis=1)) - left_dbm0, left_dbm0
