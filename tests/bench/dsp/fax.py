"""Fax: pages between two machines (spandsp's), one outside and one in the house, through the whole box."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from tests import fax
from tests.bench.dsp.peers import Missing

CALLS, PAGES = 10, 10
ROWS = 64
WEAK_ERL_DB = 10.0
WEAK_CALLS = 2
"""One in, one out."""


def measure(findings):
    findings.begin(
        "fax",
        f"{CALLS} calls of {PAGES} pages, half of them out, half with error correction; "
        "hybrids of 12 and 14 dB, 14400 bit/s",
    )
    pages = CALLS * PAGES
    what = (
        f"{pages} pages through the box, hybrids of 12 dB (line) and 14 dB (telephone), identical bit by bit"
    )
    try:
        found = _calls(CALLS)
    except Missing as error:
        findings.add(what, f"{pages} of {pages}", f"not measured: {error} is not installed", None)
        return
    arrived = _alike(found)
    findings.add(what, f"{pages} of {pages}", f"{arrived} of {pages}", arrived == pages)
    seconds = sum(transfer.seconds for _, transfer in found)
    spent_s = sum(transfer.spent_s for _, transfer in found) - 2 * fax.calls_s(round(seconds * 50))
    cost = f"{100 * spent_s / 2 / seconds:.2f} % of a core"
    findings.add("what a machine of spandsp's costs, per leg", "-", "-", None, spandsp=lambda: cost)
    for ecm in (False, True):
        found = _calls(WEAK_CALLS, ecm, erl_db=WEAK_ERL_DB, phone_erl_db=WEAK_ERL_DB)
        rates = sorted({transfer.bit_rate for _, transfer in found})
        findings.add(
            f"{WEAK_CALLS * PAGES} pages, both hybrids of {WEAK_ERL_DB:g} dB, "
            f"{'with' if ecm else 'without'} error correction",
            "-",
            f"{_alike(found)} of {WEAK_CALLS * PAGES}, at {' and '.join(map(str, rates))} bit/s",
            None,
        )


def _calls(count, ecm=None, **office):
    """So many calls, each with its pages, one after the other: the pages, and what became of them.

    ecm: error correction; by default in half of them.
    """
    rng = np.random.default_rng(17)
    found = []
    with tempfile.TemporaryDirectory() as root:
        box = fax.a_box(Path(root) / "box", **office)
        for call in range(count):
            pages = [fax.a_page(rng, ROWS) for _ in range(PAGES)]
            corrected = call % 4 in (1, 2) if ecm is None else ecm
            found.append((pages, fax.transfer(box, Path(root), pages, call % 2 == 0, corrected)))
        box.close()
    return found


def _alike(found):
    return sum(fax.alike(pages, transfer.pages) for pages, transfer in found)
