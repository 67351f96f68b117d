"""The whole tick: everything that the engine does with the sound of 64 ports in 20 ms.

Two boxes, as neither has everything on: one full of conversations, and one full of callers who hear prompts.
The target is judged on the dearer of the two. `hour` is for `python -m tests.bench.dsp --long ticks`.
"""

from __future__ import annotations

import tempfile
import time

import numpy as np

from appliance.engine import pace
from tests.bench.dsp.kept import AN_HOUR
from tests.bench.office import Costs, PromptCalls, prompt_ticks, talking_ticks

PORTS, SECONDS = 64, 30.0
PER_REPORT = 15_000


def measure(findings):
    findings.begin("tick", f"{PORTS} ports, {SECONDS:g} s each, processor time of the tick's thread")
    kinds = {
        "conversations on all ports, all talking and recorded": talking_ticks(PORTS, SECONDS),
        "callers hear prompts, half of them talk, everything on": prompt_ticks(PORTS, SECONDS),
    }
    dearer = max(kinds, key=lambda what: np.mean(kinds[what].cpu_ms))
    for what, costs in kinds.items():
        share, p99_ms = np.mean(costs.cpu_ms) / 20, np.percentile(costs.cpu_ms, 99)
        judged = what == dearer
        findings.add(
            f"whole tick, 64 channels: {what}" + (" (the dearer, judged)" if judged else ""),
            "≤ 5 % of a core, 99th percentile ≤ 4 ms",
            f"{100 * share:.1f} % (99th percentile {p99_ms:.1f} ms, most {max(costs.cpu_ms):.1f} ms); "
            f"rows on: {costs.said()}",
            share <= 0.05 and p99_ms <= 4.0 if judged else None,
        )


def hour(ticks=AN_HOUR):
    """An hour's ticks as fast as they go, lines hearing prompts with everything on: what each takes of the
    processor, with the collection of garbage that the engine does after it."""
    begin_s = time.monotonic()
    costs, collecting_ms = Costs(), np.zeros(ticks)
    with tempfile.TemporaryDirectory() as root:
        calls = PromptCalls(root, PORTS)
        rubbish = pace.Rubbish()
        for i in range(ticks):
            calls.live()
            costs.tick(calls.box)
            begin_cpu_s = time.thread_time()
            rubbish.tick_done(calls.box.engine.idle, pace.TICK_S)
            collecting_ms[i] = (time.thread_time() - begin_cpu_s) * 1000
            if (i + 1) % PER_REPORT == 0:
                print(f"  {i + 1} ticks, most {max(costs.cpu_ms):.1f} ms", flush=True)
        rubbish.close()
        calls.check(costs)
        calls.box.close()
    spent_ms = np.array(costs.cpu_ms) + collecting_ms
    return {
        "ticks": ticks,
        "ports": PORTS,
        "rows_on": costs.said(),
        "mean_ms": round(float(spent_ms.mean()), 3),
        "p99_ms": round(float(np.percentile(spent_ms, 99)), 2),
        "p99_9_ms": round(float(np.percentile(spent_ms, 99.9)), 2),
        "worst_ms": round(float(spent_ms.max()), 2),
        "over_20_ms": int((spent_ms > 20).sum()),
        "took_s": round(time.monotonic() - begin_s),
    }
