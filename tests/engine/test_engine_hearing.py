"""Voice and silence of a line that is watched for progress: told once each, and to nobody else."""

import numpy as np
import pytest

from appliance.core import events as core
from appliance.core.plan import LinePlan
from appliance.engine.hearing import Hearing
from appliance.engine.ports import Port
from appliance.engine.powers import Powers
from board import api
from tests.dsp import echo_lines

SECOND = 50
ROWS = 4


def hearing():
    """A box of three lines, all in calls; the first is watched for progress."""
    info = [api.PortInfo(i, api.PortKind.FXO, f"sim/{i}") for i in range(3)]
    lines = [LinePlan(f"L{i + 1}", f"sim/{i}") for i in range(3)]
    ports = [Port(i, 0, i, info[i], lines[i].id, lines[i], in_use=True) for i in range(3)]
    box = Hearing(ports, "CN", ROWS)
    for port, wanted in zip(ports, ({"progress"}, {"answer"}, {"disconnect"}), strict=True):
        box.watch(port, frozenset(wanted))
    return box, ports


def listen(box, seconds, loud, dialling=False):
    """Seconds of speech or of silence on all lines; what was told, and in which tick of them."""
    said = echo_lines.speech(1, seconds, 3)[0] if loud else np.zeros(round(seconds * 8000))
    told = []
    for tick in range(round(seconds * SECOND)):
        heard = np.tile(said[tick * 160 : (tick + 1) * 160].astype(np.float32), (ROWS, 1))
        powers = Powers.of(heard, np.zeros_like(heard))
        events = box.listen(heard, powers, np.full(ROWS, dialling))
        told += [(tick, event) for event in events if isinstance(event, core.ToneHeard)]
    return told


def test_voice_and_silence_are_told_once_each_and_only_where_progress_is_watched():
    box, _ = hearing()
    assert [event for _, event in listen(box, 3, True)] == [core.ToneHeard("L1", "voice")]
    assert listen(box, 0.8, False) + listen(box, 2, True) == [], "a pause between words"
    [(tick, event)] = listen(box, 4, False)
    assert event == core.ToneHeard("L1", "silence") and SECOND <= tick <= 1.5 * SECOND
    assert [event for _, event in listen(box, 2, True)] == [core.ToneHeard("L1", "voice")]


def test_while_a_number_is_dialled_it_is_neither():
    box, _ = hearing()
    assert listen(box, 3, True, dialling=True) == []


@pytest.mark.parametrize("anew", ["restart", "watch"])
def test_a_new_call_is_told_anew(anew):
    box, ports = hearing()
    assert [event.tone for _, event in listen(box, 3, False)] == ["silence"]
    if anew == "restart":
        box.restart(ports[0])
    else:
        box.watch(ports[0], frozenset())
        assert listen(box, 2, False) == []
        box.watch(ports[0], frozenset({"progress"}))
    assert [event.tone for _, event in listen(box, 3, False)] == ["silence"]


def test_a_tone_is_neither_voice_nor_silence_not_in_its_gaps_either():
    """Ringback of 1 s on and 4 s off."""
    box, _ = hearing()
    on = np.arange(5 * 8000) < 8000
    ringing = np.tile(4000 * np.sin(2 * np.pi * 450 * np.arange(5 * 8000) / 8000) * on, 3).astype(np.float32)
    told = []
    for at in range(0, len(ringing), 160):
        heard = np.tile(ringing[at : at + 160], (ROWS, 1))
        powers = Powers.of(heard, np.zeros_like(heard))
        told += box.listen(heard, powers, np.zeros(ROWS, bool))
    assert told == [core.ToneHeard("L1", "ringback")]
    box.set_country("US")
    assert [event.tone for _, event in listen(box, 3, True)] == ["voice"], "another network, heard anew"
