"""Lines on which all is weak: whatever is missing there, no detector may fail over it."""

import numpy as np
import pytest

from dsp.answer import AnswerDetector, answer
from dsp.callerid import CallerIdReceiver
from dsp.countries import tone_table
from dsp.disconnect import DisconnectDetector
from dsp.dtmf import DtmfReceiver
from dsp.fax import FaxDetector
from dsp.progress import ProgressDetector, segments
from dsp.voice import VoiceActivity
from tests.dsp import signals
from tests.dsp import signals_progress as S
from tests.dsp.corpora import SPEECH, recordings

LEVELS_DBM0 = range(-20, -61, -1)


def whole_call(country):
    """Dial tone, ringback, speech and busy tone; the tones at 0 dBm0."""
    table = tone_table(country)

    def national(name, duration_s):
        return S.tone(table[name].frequencies_hz, table[name].cadence_ms, duration_s, 0.0)

    speech = S.at_level(recordings(SPEECH, True)[3][:16000], -5)
    parts = [S.silence(0.5), national("dial", 2), S.silence(1), national("ringback", 9), speech]
    return np.concatenate([*parts, S.silence(0.5), national("busy", 5), S.silence(1)])


def at_all_levels(x):
    """The same sound at each of the levels, `[levels, n]` as a 16-bit converter makes it."""
    return np.rint(x[None, :] * 10 ** (np.array(LEVELS_DBM0)[:, None] / 20)).astype(np.float32)


@pytest.mark.parametrize("country", ["CN", "US", "GB"])
def test_all_detectors_of_a_line_hear_a_call_however_weak(country):
    x = at_all_levels(whole_call(country))
    progress = ProgressDetector(len(x), country)
    answers = AnswerDetector(len(x), country, progress)
    others = DisconnectDetector(len(x), country, progress.scan), FaxDetector(len(x), country, progress.scan)
    named = set()
    for frame in progress.scan.process(x):
        events = progress.process_frame(frame)
        named |= {(event.port, event.tone) for event in events}
        answers.process_frame(frame, events)
        for detector in others:
            detector.process_frame(frame)
    assert {(0, "dial"), (0, "ringback"), (0, "busy")} <= named


def test_keys_and_caller_ids_however_weak():
    message, keys = (
        signals.fsk(signals.mdmf("5551234"), mark_dbm0=0.0),
        signals.keys("19#D", 60, 60, low_dbm0=0),
    )
    x = at_all_levels(np.concatenate([S.silence(0.3), message, S.silence(0.3), keys]))
    assert {event.port for event in DtmfReceiver(len(x)).process(x)} >= {0, 10}
    assert {message.port for message in CallerIdReceiver(len(x)).process(x) if message.valid} >= {0, 20}
    VoiceActivity(len(x)).process(x)


@pytest.mark.parametrize("country", ["CN", "GB"])
def test_a_recording_of_a_call_is_read_however_weak_it_is(country):
    for x in at_all_levels(whole_call(country)):
        assert segments(x, country)[-1]["end_s"] == pytest.approx(len(x) / 8000, abs=0.001)
        assert answer(x, country)["how"] in ("inferred", "none")


@pytest.mark.parametrize(("dial_dbm0", "ring_dbm0"), [(-44.0, -46.0), (-44.0, -47.0), (-43.0, -46.0)])
def test_a_ringing_tone_that_sinks_under_what_counts_as_a_tone(dial_dbm0, ring_dbm0):
    dial, ring = S.tone((450,), (), 2, dial_dbm0), S.tone((450,), (1000, 4000), 6, ring_dbm0)
    x = np.rint(np.concatenate([S.silence(0.5), dial, S.silence(1), ring]))
    assert [s["tone"] for s in segments(x, "CN")][:2] == ["silence", "dial"]
