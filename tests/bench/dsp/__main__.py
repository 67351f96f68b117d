"""Figures of the signal processing next to its peers.

python -m tests.bench.dsp            every row, printed
python -m tests.bench.dsp --report   the same, and docs/dsp-report.md with its plots
python -m tests.bench.dsp --long     false events over many hours of speech and music, and an hour's ticks;
                                     kept for the report, each with its date
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded

import argparse
import concurrent.futures
import time

from tests.bench.dsp import callers, echo, fax, kept, keys, lines, long, report, tick
from tests.bench.dsp.rows import Findings

GROUPS = {
    "keys": keys,
    "callers": callers,
    "lines": lines,
    "echo": echo,
    "fax": fax,
    "tick": tick,
    "kept": kept,
}
LONG_PARTS = (*long.SETS, "ticks")


def measure(groups=tuple(GROUPS)):
    """Run the groups one after the other; prints as it goes."""
    findings = Findings()
    begin_s = time.monotonic()
    for name in groups:
        GROUPS[name].measure(findings)
    not_met = [row.what for row in findings.rows if row.met is False]
    print(f"  {time.monotonic() - begin_s:.0f} s; not met: {', '.join(not_met) or 'none'}")
    return findings


def measure_long(parts, hours, hang_up_hours):
    """Each part by itself into docs/dsp-long.json, with its date and machine; others stay as they are.

    The sets are heard at the same time, on a core each; the ticks have the machine to themselves."""
    sets = [part for part in parts if part in long.SETS]
    with concurrent.futures.ProcessPoolExecutor(max(len(sets), 1)) as pool:
        heard = {part: pool.submit(long.run, part, hours, hang_up_hours) for part in sets}
        for part, found in heard.items():
            _keep(part, found.result())
    if "ticks" in parts:
        _keep("ticks", tick.hour())


def _keep(part, found):
    found |= {"machine": report.machine(), "date": report.today()}
    kept.keep(part, found)
    print(f"  {part}: {found}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "groups", nargs="*", help=f"only these: {', '.join(GROUPS)}; with --long {', '.join(LONG_PARTS)}"
    )
    parser.add_argument("--report", action="store_true", help="write docs/dsp-report.md and its plots")
    parser.add_argument("--long", action="store_true", help="false events over hours of speech and music")
    parser.add_argument("--hours", type=float, default=20.0, help="how many, with --long (default: 20)")
    parser.add_argument(
        "--hang-up-hours", type=float, default=100.0, help="how many for hang-ups, with --long (default: 100)"
    )
    args = parser.parse_args()
    there = LONG_PARTS if args.long else tuple(GROUPS)
    for name in args.groups:
        if name not in there:
            parser.error(f"there is no group {name!r}; there are {', '.join(there)}")
    if args.long:
        measure_long(args.groups or LONG_PARTS, args.hours, args.hang_up_hours)
        return
    findings = measure(args.groups or tuple(GROUPS))
    if args.report:
        if args.groups:
            parser.error("a report is of all groups")
        report.write(findings, kept.load())


if __name__ == "__main__":
    main()
