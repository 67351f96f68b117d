"""Tone tables: the facts a telephone engineer would look up, and what happens with ones nobody has."""

import pytest

from dsp.countries import COUNTRIES, BadToneText, UnknownCountry, parse_tone, tone_table


def test_01_china_is_exact():
    cn = tone_table("CN")
    assert cn["dial"].frequencies_hz == (450.0,) and cn["dial"].continuous
    assert cn["ringback"].cadence_ms == (1000, 4000)
    assert cn["busy"].cadence_ms == (350, 350)
    assert cn["congestion"].cadence_ms == (700, 700)
    assert cn["call_waiting"].cadence_ms == (400, 4000)
    assert cn["unobtainable"].cadence_ms == (100, 100, 100, 100, 100, 100, 400, 400)
    assert cn.ring_ms == (1000, 4000)


def test_02_the_united_states_are_exact():
    us = tone_table("US")
    assert us["dial"].frequencies_hz == (350.0, 440.0)
    assert (us["ringback"].frequencies_hz, us["ringback"].cadence_ms) == ((440.0, 480.0), (2000, 4000))
    assert (us["busy"].frequencies_hz, us["busy"].cadence_ms) == ((480.0, 620.0), (500, 500))
    assert us["congestion"].cadence_ms == (250, 250)
    assert us.ring_ms == (2000, 4000)


def test_russia_and_the_philippines_have_the_tones_of_both_their_sources_and_venezuela_its_own():
    def cadences(code, tone):
        return {form.cadence_ms for form in tone_table(code).variants[tone]}

    assert cadences("RU", "ringback") == {(800, 3200), (1000, 4000)}
    assert cadences("RU", "busy") == {(400, 400), (350, 350)}
    assert cadences("RU", "congestion") == {(250, 250), (175, 175)}
    assert (cadences("VE", "busy"), cadences("VE", "congestion")) == ({(500, 500)}, {(250, 250)})
    assert (480.0, 620.0) in {form.frequencies_hz for form in tone_table("PH").variants["busy"]}


def test_a_country_of_which_no_tone_is_known_says_so_and_has_those_of_the_recommendation():
    table = tone_table("VN")
    assert set(table.assumed) == {"dial", "ringback", "busy", "congestion"}
    assert (table["busy"].frequencies_hz, table["busy"].cadence_ms) == ((425.0,), (500, 500))


def test_the_united_kingdom_is_known_by_the_code_of_asterisk_too():
    assert tone_table("uk") is tone_table("GB")


def test_03_every_country_has_the_four_tones_a_ring_and_a_source():
    assert len(COUNTRIES) >= 150
    for code in COUNTRIES:
        table = tone_table(code)
        assert len(code) == 2 and code.isupper() and table.country == code
        assert table.name and table.source
        assert len(table.ring_ms) % 2 == 0 and min(table.ring_ms) > 0
        assert {"dial", "ringback", "busy", "congestion", "sit"} <= set(table.tones)
        assert set(table.assumed) <= {"dial", "ringback", "busy", "congestion"}
        for name in ("ringback", "busy", "congestion"):
            assert table[name].cadence_ms, f"{code} {name} never pauses"


def test_04_no_busy_tone_is_also_the_ringback_of_its_country():
    for code in COUNTRIES:
        table = tone_table(code)
        ringing = {(t.lines_hz, t.cadence_ms) for t in table.variants["ringback"]}
        for name in ("busy", "congestion"):
            for tone in table.variants[name]:
                assert (tone.lines_hz, tone.cadence_ms) not in ringing, f"{code} {name}"


def test_05_an_unknown_country_says_what_to_do():
    with pytest.raises(UnknownCountry, match=r"two-letter ISO code, one of .*CN"):
        tone_table("XX")
    with pytest.raises(KeyError):
        tone_table("")


def test_06_lower_case_is_understood():
    assert tone_table("cn") is tone_table("CN")


def test_07_a_modulated_tone_has_its_sidebands():
    tone = parse_tone("ringback", "400*25 400/200/400/2000")
    assert tone.frequencies_hz == (400.0,)
    assert tone.lines_hz == (375.0, 400.0, 425.0)
    assert tone.cadence_ms == (400, 200, 400, 2000)


def test_08_tones_in_a_row_make_one_burst():
    sit = tone_table("CN")["sit"]
    assert [step.frequencies_hz for step in sit.steps] == [(950.0,), (1400.0,), (1800.0,), ()]
    assert sit.cadence_ms == (990, 1000)


@pytest.mark.parametrize("text", ["", "450 350/x", "450 0/350", "9000", "- 500", "450, 300", "450 1 2"])
def test_09_a_wrong_tone_is_refused(text):
    with pytest.raises(BadToneText):
        parse_tone("busy", text)
