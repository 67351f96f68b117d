"""Keys are heard by the limits of the box's country."""

import numpy as np
import pytest

from appliance.core import events as core
from appliance.engine.hearing import Hearing
from appliance.engine.ports import Port
from appliance.engine.powers import Powers
from board.api import PortInfo, PortKind
from dsp.countries import COUNTRIES
from dsp.dtmf_plans import PLANS, plan_of
from tests.dsp import signals

TWICE = {"pause_ms": 24, "china": 1, "etsi": 1, "att": 1, "ntt": 2, "brazil": 2}
LONGER = {"pause_ms": 28, "china": 2, "etsi": 1, "att": 2, "ntt": 2, "brazil": 2}


def hearing(country):
    port = Port(0, 0, 0, PortInfo(0, PortKind.FXS, "sim/0", frozenset()))
    port.name = "101"
    ears = Hearing([port], country, 1)
    ears.watch(port, frozenset({"keys"}))
    return ears


def heard(ears, x):
    """What is heard in a sound, and in the quiet after it."""
    x = np.concatenate([x, np.zeros(4000)])
    found = []
    none = np.zeros((1, 160), np.float32)
    powers = Powers.of(none, none)
    for block in x[: len(x) // 160 * 160].reshape(-1, 1, 160).astype(np.float32):
        found += ears.listen(block, powers, np.zeros(1, np.bool_))
    return found


def pressed(ears, x):
    return "".join(event.key for event in heard(ears, x) if isinstance(event, core.KeyPressed))


@pytest.mark.parametrize(
    ("country", "plan"),
    [
        ("CN", "china"),
        ("AU", "china"),
        ("US", "att"),
        ("JP", "ntt"),
        ("BR", "brazil"),
        ("DE", "etsi"),
        ("DK", "etsi"),
    ],
)
def test_a_pause_counts_as_the_country_has_it(country, plan):
    for wanted in (TWICE, LONGER):
        x = signals.keys("55", 60, wanted["pause_ms"])
        assert pressed(hearing(country), x) == "5" * wanted[plan]


def test_brazil_takes_a_key_whose_tones_are_further_apart():
    x = signals.keys("159", 60, 60, low_dbm0=-20, high_dbm0=-10.4)
    assert (pressed(hearing("BR"), x), pressed(hearing("CN"), x)) == ("159", "")


def test_the_limits_change_with_the_country():
    ears, x = hearing("CN"), signals.keys("55", 60, TWICE["pause_ms"])
    assert pressed(ears, x) == "5"
    ears.set_country("JP")
    assert pressed(ears, x) == "55"
    ears.set_country("CN")
    assert pressed(ears, x) == "5"


def test_every_country_has_a_plan():
    assert {plan_of(country) for country in COUNTRIES} == set(PLANS) - {"denmark"}
    assert plan_of("us") == "att" and plan_of("ZZ") == "china"


def test_what_a_caller_keys_in_is_no_caller_id():
    """A bare number with # is one on a line on hook, where nobody but the exchange can send keys."""
    port = Port(0, 0, 0, PortInfo(0, PortKind.FXO, "sim/0", frozenset()))
    port.name = "L1"
    ears = Hearing([port], "CN", 1)
    x = signals.keys("1590#", 70, 70)
    ears.watch(port, frozenset({"callerid"}))
    assert [event.number for event in heard(ears, x)] == ["1590"]
    port.in_use = True
    ears.restart(port)
    ears.watch(port, frozenset({"keys", "disconnect"}))
    assert [type(event) for event in heard(ears, x)] == [core.KeyPressed] * 5
