"""Every detector on two ports at once: rubbish on one, a call on the other, in blocks of any length.

Rubbish is what broken hardware sends. Nothing may be heard in it, nothing may break, and the
neighbour's call is heard as if it were alone.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.answer import AnswerDetector
from dsp.callerid import CallerIdReceiver
from dsp.disconnect import DisconnectDetector
from dsp.dtmf import DtmfReceiver
from dsp.fax import FaxDetector
from dsp.progress import ProgressDetector
from tests.dsp import signals
from tests.dsp import signals_progress as S

N = 8000
T = np.arange(N) / 8000
RUBBISH = {
    "not a number": np.full(N, np.nan),
    "infinite": np.where(np.arange(N) % 7 == 0, np.inf, -np.inf),
    "huge": np.full(N, 1e30) * np.where(np.arange(N) % 2, 1, -1),
    "silent": np.zeros(N),
    "all ones": np.full(N, -1.0),
    "offset": np.full(N, 15000.0),
    "square": 32767 * np.sign(np.sin(2 * np.pi * 1000 * T + 0.1)),
    "clipped": np.clip(90000 * np.sin(2 * np.pi * 313 * T), -32768, 32767),
    "impulses": np.where(np.arange(N) % 1777 == 0, 32767.0, 0.0),
    "alternating": np.where(np.arange(N) % 2 == 0, 32767.0, -32768.0),
    "noise": np.random.default_rng(1).uniform(-32768, 32767, N),
}
CALLS = {
    "keys": (DtmfReceiver, (), signals.keys("159#", 60, 60)),
    "caller ID": (
        CallerIdReceiver,
        (),
        np.concatenate([signals.silence(200), signals.fsk(signals.mdmf("13800138000", b"LI"))]),
    ),
    "busy": (DisconnectDetector, ("CN",), S.tone((450,), (350, 350), 3, -15)),
    "ringback": (
        ProgressDetector,
        ("CN",),
        np.concatenate([S.silence(0.5), S.tone((450,), (1000, 4000), 8, -15)]),
    ),
    "fax": (FaxDetector, (), S.tone((1100,), (500, 3000), 8, -15)),
    "answer": (
        AnswerDetector,
        ("CN",),
        np.concatenate([S.silence(0.5), S.tone((450,), (1000, 4000), 7, -15), S.tone((450,), (), 0.3, -15)]),
    ),
}
SILENCE = np.zeros(3200)


def heard(make, arguments, x, block):
    detector = make(x.shape[0], *arguments)
    found = []
    for at in range(0, x.shape[1], block):
        found += detector.process(x[:, at : at + block].astype(np.float32))
    return found


@pytest.mark.parametrize("call", CALLS)
@settings(max_examples=12, deadline=None)
@given(
    parts=st.lists(st.sampled_from(sorted(RUBBISH)), min_size=1, max_size=4),
    block=st.sampled_from((53, 160, 400)),
)
def test_rubbish_on_one_port_and_a_call_on_the_other(call, parts, block):
    make, arguments, wanted = CALLS[call]
    wanted = np.concatenate([wanted, SILENCE])
    alone = [event.__class__.__name__ for event in heard(make, arguments, wanted[None, :], block)]
    rubbish = np.resize(np.concatenate([RUBBISH[part] for part in parts]), len(wanted))
    with np.errstate(over="ignore"):
        events = heard(make, arguments, np.stack([rubbish, wanted]), block)
    assert [event for event in events if event.port == 0] == []
    assert [event.__class__.__name__ for event in events] == alone
    assert alone or call == "answer"
