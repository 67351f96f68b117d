"""Cost of one tick of the simulated office. Run: python tests/bench/bench_office.py [seconds]."""

from __future__ import annotations

import sys
import time

import numpy as np

from board.api import SetHook
from board.sim import LineConfig, OfficeConfig, PhoneConfig, SimBoard

SAYING_S = 60


def office(lines: int, phones: int, calls: int) -> SimBoard:
    """An office with `calls` callers talking to the box and as many telephones off hook."""
    board = SimBoard(OfficeConfig(lines=(LineConfig(),) * lines, phones=(PhoneConfig(),) * phones))
    rng = np.random.default_rng(1)
    speech = (rng.standard_normal(SAYING_S * 8000) * 2000).astype(np.int16)
    for i in range(calls):
        caller = board.office.outside(f"caller {i}")
        caller.call(i)
        board.command(i, SetHook(True))
        caller.say(speech)
        telephone = board.office.phone(lines + i)
        telephone.lift()
        telephone.say(speech)
    for _ in range(50):
        board.read()
    return board


def measure(lines: int, phones: int, calls: int, seconds: float) -> tuple[float, float]:
    """(median, 99th percentile) milliseconds per tick, writing sound to every port."""
    board = office(lines, phones, calls)
    rng = np.random.default_rng(2)
    out = (rng.standard_normal((lines + phones, 160)) * 1000).astype(np.int16)
    took = []
    for _ in range(int(seconds * 50)):
        begin = time.perf_counter()
        board.write(out)
        board.read()
        took.append((time.perf_counter() - begin) * 1000.0)
    return float(np.median(took)), float(np.percentile(took, 99))


def main() -> None:
    """Print a table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    print("ports  talking   median ms   p99 ms")
    for lines, phones, calls in ((4, 4, 2), (8, 16, 0), (8, 16, 8), (32, 32, 16), (32, 32, 32)):
        median, p99 = measure(lines, phones, calls, seconds)
        print(f"{lines + phones:5d} {2 * calls:8d} {median:11.3f} {p99:8.3f}")


if __name__ == "__main__":
    main()
