"""What telephones are sent is what the standard's receiver reads."""

import numpy as np
import pytest

from dsp.callerid import CallerIdReceiver
from dsp.callerid_send import display_samples, send_plan
from dsp.levels import peak_from_dbm0


def heard(samples):
    x = np.concatenate([np.zeros(1234, np.float32), samples, np.zeros(8000, np.float32)])
    return CallerIdReceiver(1).process(x[None])


@pytest.mark.parametrize(
    ("country", "standard"),
    [("CN", "bell202"), ("us", "bell202"), ("DE", "v23"), ("GB", "v23"), ("ZZ", "bell202")],
)
def test_fsk(country, standard):
    plan = send_plan(country)
    samples = display_samples(plan, "+86 139-1234", "Anna", "11281130")
    [message] = heard(samples)
    assert (message.standard, message.format, message.valid) == (standard, "mdmf", True)
    assert (message.number, message.name, message.time) == ("+861391234", "Anna", "11281130")
    assert np.abs(samples).max() <= peak_from_dbm0(-10.0)


def test_britain_is_alerted_first():
    samples = display_samples(send_plan("GB"), "020", "", "01010000")
    spectrum = np.abs(np.fft.rfft(samples[100:700] * np.hanning(600)))
    peaks = sorted(np.argsort(spectrum)[-6:] * 8000 / 600)
    assert {round(hz, -2) for hz in peaks} == {2100.0, 2700.0} or {round(hz / 10) for hz in peaks} >= {
        213,
        275,
    }
    assert not np.any(samples[820:1560])


@pytest.mark.parametrize(("country", "keys"), [("NL", "DC"), ("DK", "A#")])
def test_dtmf(country, keys):
    [message] = heard(display_samples(send_plan(country), "0301234567", "Anna", "11281130"))
    assert (message.standard, message.number) == ("dtmf", "0301234567")
    assert send_plan(country).keys == keys
    [message] = heard(display_samples(send_plan("NL"), "", "", "11281130", "withheld"))
    assert message.reason == "withheld"


def test_names_are_cut_between_characters():
    [message] = heard(display_samples(send_plan("CN"), "1", "南" * 40, "11281130"))
    assert message.name == "南" * 25
    [message] = heard(display_samples(send_plan("US"), "1", "Bartholomew Higginbotham", "11281130"))
    assert message.name == "Bartholomew Hig"
    [message] = heard(display_samples(send_plan("DE"), "1", "李雷", "11281130"))
    assert (message.name, message.number) == ("", "1")


def test_who_is_not_to_be_known_is_not_named():
    [message] = heard(display_samples(send_plan("CN"), "", "李雷", "11281130", "withheld"))
    assert (message.number, message.name, message.reason) == ("", "", "withheld")
    [message] = heard(display_samples(send_plan("CN"), "", "", "11281130"))
    assert message.reason == "unavailable"


def test_the_end_of_a_very_long_number_is_sent():
    [message] = heard(display_samples(send_plan("CN"), "1234567890" * 3 + "77", "", "11281130"))
    assert message.number == ("1234567890" * 3 + "77")[-20:]
