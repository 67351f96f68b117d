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


ONE_LONG_MENU = {
    "id": "main",
    "start": "menu",
    "nodes": {
        "menu": {
            "type": "menu",
            "prompt": "music",
            "timeout_s": 1,
            "keys": dict.fromkeys("0123456789", "menu"),
            "on_fail": "menu",
        }
    },
}
"""Half a minute of words, again and again; every key begins them anew."""


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
        self.spent_cpu_s = 0.0
        """The same of this thread's processor time."""

    def read(self):
        """Next block, timed without the waiting."""
        begin_s = time.thread_time()
        tick = super().read()
        self.spent_s = time.perf_counter() - self.bench_pace.over_s
        self.spent_cpu_s = time.thread_time() - begin_s
        self.brought = tick.audio
        return tick

    def write(self, audio) -> None:
        """Timed as well."""
        begin_s, begin_cpu_s = time.perf_counter(), time.thread_time()
        super().write(audio)
        self.spent_s += time.perf_counter() - begin_s
        self.spent_cpu_s += time.thread_time() - begin_cpu_s


class BenchBox:
    """Engine, core and office with agents signed in at all telephones."""

    def __init__(
        self,
        root: str,
        lines: int,
        phones: int,
        threaded: bool = False,
        flow: dict[str, Any] = FLOW,
        erl_db: float | None = None,
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
            "flows": [flow],
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


class Costs:
    """What ticks cost in ms, the simulated office taken off: by the clock, and of the tick's thread alone."""

    def __init__(self) -> None:
        self.clock_ms: list[float] = []
        self.cpu_ms: list[float] = []
        self.with_office_ms: list[float] = []
        self.on: dict[str, list[int]] = {}
        """On how many rows each detector was at work, tick by tick."""

    def tick(self, box: BenchBox) -> None:
        """One tick of the box."""
        begin_s, begin_cpu_s = time.perf_counter(), time.thread_time()
        box.engine.run_tick()
        cpu_s, clock_s = time.thread_time() - begin_cpu_s, time.perf_counter() - begin_s
        self.with_office_ms.append(clock_s * 1000)
        self.clock_ms.append((clock_s - box.board.spent_s) * 1000)
        self.cpu_ms.append((cpu_s - box.board.spent_cpu_s) * 1000)
        for name, rows in at_work(box.engine).items():
            self.on.setdefault(name, []).append(rows)

    def said(self) -> str:
        """The detectors that were on, and on how many rows on average."""
        means = {name: float(np.mean(rows)) for name, rows in self.on.items()}
        return ", ".join(f"{name} {mean:.0f}" for name, mean in means.items() if mean >= 0.5) or "nothing"


def at_work(engine: Engine) -> dict[str, int]:
    """On how many rows everything that listens is on in this tick."""
    hearing = engine.hearing
    return {
        "echo": int(engine._echo_active.sum()),
        "keys": int(hearing._keys.sum()),
        "disconnect and progress": int(hearing._tones.sum()),
        "voice": int(hearing._talk.sum()),
        "caller ID": int(hearing._ids.sum()),
        "recordings": engine.recorder.active,
    }


def talking_ticks(ports: int, seconds: float) -> Costs:
    """Half of the ports lines, half telephones, all in conversations, all talking and recorded."""
    calls = ports // 2
    with tempfile.TemporaryDirectory() as root:
        box = BenchBox(root, calls, calls, threaded=True)
        words = much_speech(seconds + 2)
        for caller, phone in box.connect_all(calls):
            caller.say(words)
            phone.say(words[::-1].copy())
        costs = Costs()
        for _ in range(round(seconds * 50)):
            costs.tick(box)
        box.close()
    return costs


class PromptCalls:
    """All ports are lines. On all but a few callers hear a prompt; half of them talk over it, in turns of ten
    seconds, and every second one presses a key. Each of these lines is recorded and watched for keys and
    disconnect tones, as the core wants it, and for progress, as it wants it for calls out. The few are idle;
    every two seconds one of them is called with caller ID, answered and left."""

    IDLE = 8
    VISIT_TICKS = 100
    TURN_TICKS = 500

    def __init__(self, root: str, ports: int) -> None:
        self.box = box = BenchBox(root, ports, 0, threaded=True, flow=ONE_LONG_MENU)
        self.steady = ports - self.IDLE
        self._callers = [box.office.outside(f"caller {i}") for i in range(self.steady)]
        self._visitors = [box.office.outside(f"visitor {i}") for i in range(self.IDLE)]
        self._words = much_speech(300)
        for i, caller in enumerate(self._callers):
            caller.call(i, number=f"138{i:08d}")
            box.run(0.1)
        for _ in range(60 * 50):
            box.engine.run_tick()
            if all(caller.state == "talking" for caller in self._callers):
                break
        else:
            raise RuntimeError("not all calls were answered")
        for port in box.engine.table.ports[: self.steady]:
            box.engine.hearing.watch(port, port.watch | {"progress"})
        self.begun = box.engine.samples

    def live(self) -> None:
        """What people do in the coming tick."""
        tick = (self.box.engine.samples - self.begun) // 160
        if tick % 50 == 0:
            i = tick // 50 % self.steady
            self._callers[i].press(str(tick // 50 % 10))
        if tick % self.TURN_TICKS == 0:
            turn = tick // self.TURN_TICKS
            for i, caller in enumerate(self._callers[turn % 2 :: 2]):
                at = (i * 40013 + tick * 160) % (len(self._words) - 80000)  # everybody says something else
                caller.say(self._words[at : at + self.TURN_TICKS * 160])
        if tick % self.VISIT_TICKS == 0:
            i = tick // self.VISIT_TICKS % self.IDLE
            visitor = self._visitors[i]
            if visitor.state == "idle":
                visitor.call(self.steady + i, number=f"139{tick % 10**8:08d}")
            else:
                visitor.hang_up()

    def check(self, costs: Costs) -> None:
        """Nothing was off that the figures are said to be of."""
        least = {name: min(rows) for name, rows in costs.on.items()}
        for name in ("echo", "keys", "disconnect and progress", "voice", "recordings"):
            if least[name] < self.steady:
                raise RuntimeError(f"{name}: at times on {least[name]} rows, not on {self.steady}")
        if np.mean(costs.on["caller ID"]) < 1:
            raise RuntimeError("caller ID was on no line")


def prompt_ticks(ports: int, seconds: float) -> Costs:
    """Callers on all lines hear prompts, with everything on (`PromptCalls`)."""
    with tempfile.TemporaryDirectory() as root:
        calls = PromptCalls(root, ports)
        costs = Costs()
        for _ in range(round(seconds * 50)):
            calls.live()
            costs.tick(calls.box)
        calls.check(costs)
        calls.box.close()
    return costs


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
