"""Figures of line cards in real time. Run: python -m tests.bench.bench_linecard [--seconds 60].

The reference card runs as a process of its own with a crystal of its own; the back-end
reads it through pyalsaaudio (a user-space ALSA device) and a pty. Printed: how regularly
blocks come, what was lost, whether the delay moved; then two cards 100 ppm apart.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "board" / "linecard" / "ioplug" / "pcm_zongji.c"
sys.path.append(str(ROOT / "tests" / "board" / "linecard"))

from loopboard import DelayMeter, LoopBoard  # noqa: E402

from board.clocks import Clocks  # noqa: E402
from board.linecard import LinecardBoard  # noqa: E402
from board.linecard.reference.device import Device  # noqa: E402
from board.linecard.reference.plug import PluggedCard  # noqa: E402


def card_process(name: str, ports: int, where: Path, ppm: float) -> None:
    """What the child does: a card that returns what it is given."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    card = PluggedCard(Device(LoopBoard(ports), name), where / f"{name}.tty", where / f"{name}.pcm")
    card.rate_ppm = ppm
    print("ready", flush=True)
    try:
        card.run(lambda: bool(stopped))
    finally:
        card.close()


class Child:
    """A reference card in a process of its own."""

    def __init__(self, name: str, ports: int, where: Path, ppm: float) -> None:
        arguments = ["--card", name, "--ports", str(ports), "--where", str(where), "--ppm", str(ppm)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.bench_linecard", *arguments], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self.board = LinecardBoard(str(where / f"{name}.tty"), name)

    def close(self) -> None:
        """Give the card back and end its process."""
        self.board.close()
        self._process.terminate()
        self._process.communicate(timeout=10)


def one_card(where: Path, ports: int, seconds: float) -> None:
    """Regularity, losses and delay of one card."""
    child = Child("one", ports, where, 0.0)
    meter = DelayMeter(child.board)
    arrived_s, cpu_s = [], time.process_time()
    for _ in range(round(seconds * 50)):
        meter.tick()
        arrived_s.append(time.perf_counter())
    cpu_s = time.process_time() - cpu_s
    health = child.board.health()
    child.close()
    gaps_ms = np.diff(arrived_s) * 1000
    print(f"  {ports} ports, {len(arrived_s)} blocks in {arrived_s[-1] - arrived_s[0]:.1f} s")
    print(
        f"  between blocks: p50 {np.median(gaps_ms):.2f}  p99 {np.percentile(gaps_ms, 99):.2f}  "
        f"max {gaps_ms.max():.2f} ms; processor time {100 * cpu_s / seconds:.1f} %"
    )
    delays = ", ".join(
        f"{samples / 8:g} ms: {count}" for samples, count in sorted(Counter(meter.delays).items())
    )
    print(f"  there and back (blocks that took so long): {delays}")
    print("  " + ", ".join(f"{key} {value}" for key, value in health.items()))


def two_cards(where: Path, ports: int, seconds: float) -> None:
    """Drift found between two crystals, and what it cost."""
    children = [Child("a", ports, where, 0.0), Child("b", ports, where, 100.0)]
    clocks = Clocks([child.board for child in children])
    silence = np.zeros((ports, 160), np.int16)
    costs_ms = []
    for _ in range(round(seconds * 50)):
        clocks.boards[0].read()
        begin_s = time.perf_counter()
        clocks.boards[1].read()
        clocks.boards[0].write(silence)
        clocks.boards[1].write(silence)
        costs_ms.append((time.perf_counter() - begin_s) * 1000)
    for health in clocks.health():
        print("  " + ", ".join(f"{key} {value}" for key, value in health.items()))
    print(
        f"  following costs per tick: p50 {np.median(costs_ms):.2f}  p99 {np.percentile(costs_ms, 99):.2f} ms"
    )
    for child in children:
        child.close()


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="real time for each figure (default 60)")
    parser.add_argument("--ports", type=int, default=64)
    parser.add_argument("--card", help=argparse.SUPPRESS)
    parser.add_argument("--where", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ppm", type=float, default=0.0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.card:
        card_process(args.card, args.ports, args.where, args.ppm)
        return
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        plugin = where / "libasound_module_pcm_zongji.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-DPIC", "-O2", "-o", plugin, SOURCE, "-lasound"], check=True
        )
        names = "".join(
            f'pcm.{name} {{ type zongji path "{where}/{name}.pcm" }}\n' for name in ("one", "a", "b")
        )
        (where / "asound.conf").write_text(f'pcm_type.zongji {{ lib "{plugin}" }}\n{names}')
        os.environ["ALSA_CONFIG_PATH"] = str(where / "asound.conf")
        print(f"one line card (load of the machine: {os.getloadavg()[0]:.1f})")
        one_card(where, args.ports, args.seconds)
        print("two line cards, the second 100 ppm faster")
        two_cards(where, args.ports // 2, args.seconds)


if __name__ == "__main__":
    main()
