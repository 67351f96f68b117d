"""The whole tick: everything that the engine does with the sound of 64 ports in 20 ms."""

from __future__ import annotations

import numpy as np

from tests.bench.office import talking_ticks

PORTS, SECONDS = 64, 30.0


def measure(findings):
    findings.begin("tick", f"{PORTS} ports, {PORTS // 2} calls, all talking and recorded, {SECONDS:g} s")
    spent_ms, _ = talking_ticks(PORTS, SECONDS)
    share, p99_ms = float(np.mean(spent_ms)) / 20.0, float(np.percentile(spent_ms, 99))
    findings.add(
        "whole tick, 64 channels, everything on",
        "≤ 5 % of a core, 99th percentile ≤ 4 ms",
        f"{100 * share:.1f} % (99th percentile {p99_ms:.1f} ms, most {max(spent_ms):.1f} ms)",
        share <= 0.05 and p99_ms <= 4.0,
    )
