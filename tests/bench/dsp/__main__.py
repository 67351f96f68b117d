"""Figures of the signal processing next to its peers.

python -m tests.bench.dsp            every row, printed
python -m tests.bench.dsp --report   the same, and docs/dsp-report.md with its plots
python -m tests.bench.dsp --long     false events over many hours of speech and music, kept for the report
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded

import argparse
import json
import time
from pathlib import Path

from tests.bench.dsp import callers, echo, fax, keys, lines, long, report, tick
from tests.bench.dsp.rows import Findings

GROUPS = {"keys": keys, "callers": callers, "lines": lines, "echo": echo, "fax": fax, "tick": tick}
LONG_FILE = Path(__file__).parents[3] / "docs" / "dsp-long.json"


def measure(groups=tuple(GROUPS)):
    """Run the groups one after the other; prints as it goes."""
    findings = Findings()
    begin_s = time.monotonic()
    for name in groups:
        GROUPS[name].measure(findings)
    not_met = [row.what for row in findings.rows if row.met is False]
    print(f"  {time.monotonic() - begin_s:.0f} s; not met: {', '.join(not_met) or 'none'}")
    return findings


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="*", help=f"only these: {', '.join(GROUPS)}")
    parser.add_argument("--report", action="store_true", help="write docs/dsp-report.md and its plots")
    parser.add_argument("--long", action="store_true", help="false events over hours of speech and music")
    parser.add_argument("--hours", type=float, default=20.0, help="how many, with --long (default: 20)")
    parser.add_argument(
        "--hang-up-hours", type=float, default=100.0, help="how many for hang-ups, with --long (default: 100)"
    )
    args = parser.parse_args()
    for name in args.groups:
        if name not in GROUPS:
            parser.error(f"there is no group {name!r}; there are {', '.join(GROUPS)}")
    if args.long:
        found = long.run(args.hours, args.hang_up_hours)
        LONG_FILE.parent.mkdir(parents=True, exist_ok=True)
        LONG_FILE.write_text(
            json.dumps(found | {"machine": report.machine(), "date": report.today()}, indent=2) + "\n"
        )
        return
    findings = measure(args.groups or tuple(GROUPS))
    if args.report:
        if args.groups:
            parser.error("a report is of all groups")
        report.write(findings, json.loads(LONG_FILE.read_text()) if LONG_FILE.exists() else None)


if __name__ == "__main__":
    main()
