"""Figures of the whole box on this machine. Run: python -m tests.bench [--minutes 10].

Prints what was measured and nothing else: cost of a tick, speed of a busy
simulated hour, punctuality and delay in real time with 16 talking calls, memory.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded

import argparse
import logging
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from appliance.core.plan import Plan
from appliance.engine import pace
from appliance.engine.engine import Engine
from appliance.engine.pace import Stopwatch
from appliance.engine.process import SPARE_PORTS
from appliance.paths import Home
from board.sim.config import OfficeConfig
from board.sim.mouth import Ear
from tests.bench.dsp.__main__ import measure as signal_processing
from tests.bench.office import FLOW, BenchBox, BenchPace, TimedBoard, much_speech, talking_ticks
from tests.bench.pop import pop_latency
from tests.bench.starts import killed_to_ready

TALKING_CALLS = 16
PIECE_S = 2.0


def machine() -> str:
    """Processor, cores, versions."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, numpy {np.__version__}"


def percentiles(values: list[float] | np.ndarray) -> str:
    """Median, 99th percentile, maximum."""
    ordered = np.sort(values)
    return f"p50 {np.median(ordered):6.2f}  p99 {np.percentile(ordered, 99):6.2f}  max {ordered[-1]:6.2f}"


def tick_cost(ports: int, seconds: float) -> None:
    """Half of the ports lines, half telephones, all talking and recorded."""
    costs = talking_ticks(ports, seconds)
    print(
        f"  {ports:3d} ports, {ports // 2:2d} calls talking   engine alone: {percentiles(costs.clock_ms)} ms"
    )
    print(f"                               with the office: {percentiles(costs.with_office_ms)} ms")


def idle_cost(ports: int, seconds: float) -> None:
    """Half of the ports lines, half telephones, nothing in use; beside them the rows kept for more cards."""
    half = ports // 2
    config = OfficeConfig.from_dict({"lines": half, "phones": half}) if ports else None
    plan = {
        "language": "en",
        "lines": [{"id": f"L{i + 1}", "port": f"sim/{i}"} for i in range(half)],
        "phones": [{"ext": str(801 + i), "port": f"sim/{half + i}"} for i in range(half)],
        "queues": [{"id": "sales", "name": "Sales"}],
        "flows": [FLOW],
    }
    with tempfile.TemporaryDirectory() as root:
        home = Home(Path(root))
        home.create()
        board = TimedBoard(config, BenchPace()) if config else None
        engine = Engine(
            [board] if board else [],
            home,
            Plan.from_dict(plan),
            time.time,
            threaded=True,
            spare_ports=SPARE_PORTS,
            without_cards=lambda: 0,
        )
        costs = []
        for _ in range(round(seconds * 50)):
            begin_s = time.perf_counter()
            engine.run_tick()
            spent_s = board.spent_s if board else 0.0
            costs.append((time.perf_counter() - begin_s - spent_s) * 1000)
        engine.close()
    print(f"  {ports:3d} ports, nothing in use   engine alone: {percentiles(costs)} ms")


def busy_hour(minutes: float) -> None:
    """8 lines and 16 agents: callers come, wait, talk for one to three minutes and go."""
    rng = np.random.default_rng(7)
    words = much_speech(180)
    with tempfile.TemporaryDirectory() as root:
        box = BenchBox(root, 8, 16)
        callers = [box.office.outside(f"caller {i}") for i in range(8)]
        due_s = rng.uniform(0, 20, 8)
        talk_s = np.zeros(8)
        pressed, talking = np.zeros(8, bool), np.zeros(8, bool)
        lift_at_s: dict[int, float] = {}
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        while (now_s := box.engine.now) < minutes * 60:
            box.engine.run_tick()
            if box.engine.samples % 1600:
                continue
            for i, caller in enumerate(callers):
                if caller.state == "idle" and now_s > due_s[i]:
                    caller.call(i, number=f"139{i:08d}")
                    pressed[i] = talking[i] = False
                    due_s[i] = now_s + 180
                elif caller.state == "talking" and not pressed[i]:
                    pressed[i] = True
                    caller.press(",,1")
                    talk_s[i] = rng.uniform(60, 180)
                    due_s[i] = now_s + talk_s[i]
                elif caller.state == "talking" and not talking[i] and not caller.pending:
                    talking[i] = True
                    caller.say(words[: int(talk_s[i]) * 8000])
                elif caller.state != "idle" and now_s > due_s[i]:
                    caller.hang_up()
                    due_s[i] = now_s + rng.uniform(5, 30)
            for phone in box.office.phones:
                if phone.ringing and not phone.off_hook:
                    if now_s > lift_at_s.setdefault(phone.index, now_s + rng.uniform(2, 6)):
                        phone.lift()
                        phone.say(words[: 60 * 8000])
                elif phone.off_hook:
                    lift_at_s.pop(phone.index, None)
                    if not box.engine.table.ports[phone.index].in_use or _alone(box, phone.index):
                        phone.hang_up()
        took_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
        calls = box.records
        box.close()
    print(
        f"  {minutes:g} simulated minutes, 8 lines, 16 agents, {calls} calls: {took_s:.1f} s, "
        f"{minutes * 60 / took_s:.1f} times real time (processor time {cpu_s:.1f} s, "
        f"{minutes * 60 / cpu_s:.1f} times)"
    )


def _alone(box: BenchBox, row: int) -> bool:
    """The telephone is up and nobody talks with it any more."""
    return not box.engine.mixer.matrix[row].any()


def resident_mb() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def real_time(seconds: float, first: bool) -> None:
    """16 talking calls at the pace of real time: punctuality, delay, memory. first: before other programs."""
    with tempfile.TemporaryDirectory() as root:
        box = BenchBox(root, TALKING_CALLS, TALKING_CALLS, threaded=True)
        words = much_speech(240)
        pairs = box.connect_all(TALKING_CALLS)
        # Everybody talks all the time, each other words: offsets into the same speech, in blocks.
        mouths = [mouth for pair in pairs for mouth in pair]
        ears = [ear for caller, phone in pairs for ear in (phone.ear, caller.ear)]
        offsets = [round(i * len(words) / len(mouths)) // 160 * 160 for i in range(len(mouths))]
        pace.hurry_threads()
        rubbish = pace.Rubbish()
        box.engine.stopwatch = watch = Stopwatch()
        watch.beats = True
        ticks = round(seconds * 50)
        costs = np.zeros(ticks)
        refused = pace.RealTime().begin() if first else "not asked for"
        before_mb = resident_mb()
        began = box.office.clock
        box.pace.go_wall()
        for tick in range(ticks):
            for mouth, offset in zip(mouths, offsets, strict=True):
                at = (offset + tick * 160) % len(words)
                mouth.feed(words[at : at + 160])
            box.engine.run_tick()
            costs[tick] = (time.perf_counter() - box.pace.over_s) * 1000
            rubbish.tick_done(False, watch.left_s())
        rubbish.close()
        grown_mb = resident_mb() - before_mb
        bridges = box.engine.hands.bridges
        delays = [
            _delay_ms(box.office.clock - began, words, offset, ear)
            for offset, ear in zip(offsets, ears, strict=True)
        ]
        report = watch.report()
        box.close()
    print(f"  {seconds:g} s, {bridges} talking calls, all recorded, {len(costs)} ticks")
    print(f"  real-time scheduling: {refused or 'on'}; load of the machine: {os.getloadavg()[0]:.1f}")
    print(f"  work per tick, office included: {percentiles(costs)} ms")
    late, latest_ms = report["late"], report["latest_ms"]
    print(f"  ticks that ended more than 20 ms after their beat: {late}, by at most {latest_ms} ms")
    print(f"      target: no late tick | {'met' if not late else 'NOT MET'} in these {seconds:g} s")
    print(f"  echo cancellation shed: {report['shed']} ticks")
    found = sorted(delay for delay in delays if delay is not None)
    print(
        f"  mouth to ear: {len(found)} of {len(delays)} ways found, "
        f"least {found[0]:.2f} ms, greatest {found[-1]:.2f} ms"
    )
    print(f"  memory grew by {grown_mb:.1f} MB")


def _delay_ms(said_samples: int, words: np.ndarray, offset: int, ear: Ear) -> float | None:
    """How much later a piece of what was said is heard; None when it cannot be found."""
    span = round(PIECE_S * 8000)
    heard = ear.heard(3 * PIECE_S).astype(float)
    start = said_samples - len(heard) + span // 2
    piece = words[(offset + start + np.arange(span)) % len(words)].astype(float)
    size = 1 << int(np.ceil(np.log2(len(heard) + span)))
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(piece, size)), size)
    at = int(cross[: len(heard) - span].argmax())
    window = heard[at : at + span]
    if cross[at] < 0.5 * np.sqrt((window**2).sum() * (piece**2).sum()):
        return None
    return (at - span // 2) / 8


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=1.0, help="real time with 16 talking calls (default: 1)"
    )
    parser.add_argument(
        "--story", type=float, default=60.0, help="simulated minutes of the busy hour (default: 60)"
    )
    parser.add_argument("--cost", type=float, default=20.0, help="seconds per tick-cost figure (default: 20)")
    parser.add_argument(
        "--pops", type=int, default=10, help="calls for the screen pop figure, 0 for none (default: 10)"
    )
    parser.add_argument("--realtime", action="store_true", help="ask for real-time scheduling (SCHED_FIFO)")
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    print(machine())
    print("cost of a tick (20 ms of all ports)")
    for ports in (8, 32, 64):
        tick_cost(ports, args.cost)
    for ports in (0, 8, 64):
        idle_cost(ports, args.cost)
    print("busy hour, in memory")
    busy_hour(args.story)
    if args.pops:
        print("screen pop, real processes and browser")
        pop_latency(args.pops)
    print("real time")
    real_time(args.minutes * 60, args.realtime)
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  memory of this process, at most: {most_mb:.0f} MB")
    print("a process that died or hung")
    killed_to_ready()
    print("signal processing next to its peers")
    signal_processing()


if __name__ == "__main__":
    main()
