"""Thirty spellings of a number are one number."""

import random
import sqlite3
import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import geocoder
from phonenumbers.geodata import GEOCODE_DATA, GEOCODE_LONGEST_PREFIX

from appliance.store import areas, build_areas
from appliance.store.numbers import Numbering, digits_of, looks_like_number

CN = Numbering("CN")
SHANGHAI = Numbering("CN", "021")
US = Numbering("US")

MOBILE = [
    *("13800138000", "138 0013 8000", "138-0013-8000", "138.0013.8000", "1380013 8000", "(138)00138000"),
    *("013800138000", "0 138 0013 8000", "0-13800138000"),
    *("8613800138000", "86 138 0013 8000", "86-13800138000", "(86)13800138000"),
    *("+8613800138000", "+86 138 0013 8000", "+86-138-0013-8000", "+86 (138) 0013-8000", "+86(0)13800138000"),
    *("008613800138000", "00 86 138 0013 8000", "0086-138-0013-8000", "(0086)13800138000"),
    *(
        "１３８００１３８０００",
        "＋８６１３８００１３８０００",
        "138　0013　8000",
        "138–0013–8000",
        "138‑0013‑8000",
    ),
    *(
        "tel:+86-138-0013-8000",
        "  13800138000  ",
        "138/0013/8000",
        "138\u00a00013\u00a08000",
        "１３８－００１３－８０００",
    ),
]


@pytest.mark.parametrize("text", MOBILE)
def test_thirty_spellings_of_a_mobile(text):
    assert CN.normalise(text) == "+8613800138000"


def test_there_are_thirty():
    assert len(set(MOBILE)) >= 30


@pytest.mark.parametrize(
    ("numbering", "text", "normal"),
    [
        (CN, "021-5555 1234", "+862155551234"),
        (CN, "(021) 55551234", "+862155551234"),
        (CN, "+86 21 5555 1234", "+862155551234"),
        (CN, "0755 8888 6666", "+8675588886666"),
        (SHANGHAI, "5555 1234", "+862155551234"),
        (CN, "5555 1234", "55551234"),
        (SHANGHAI, "95588", "95588"),
        (CN, "+86 95588", "95588"),
        (CN, "110", "110"),
        (CN, "801", "801"),
        (CN, "400-820-8820", "+864008208820"),
        (CN, "800 810 8888", "+868008108888"),
        (CN, "+1 212 555 2368", "+12125552368"),
        (CN, "00 1 212 555 2368", "+12125552368"),
        (US, "(212) 555-2368", "+12125552368"),
        (US, "1-212-555-2368", "+12125552368"),
        (US, "011 86 138 0013 8000", "+8613800138000"),
        (US, "911", "911"),
        (CN, "", ""),
        (CN, "withheld", ""),
        (CN, "+", ""),
        (CN, "no digits", ""),
    ],
)
def test_normalised(numbering, text, normal):
    assert numbering.normalise(text) == normal


numberish = st.text(st.sampled_from("0123456789+-() .*#ext０１８６"), max_size=40)


@given(st.one_of(numberish, st.text(max_size=40)), st.sampled_from([CN, SHANGHAI, US]))
def test_normalising_twice_changes_nothing(text, numbering):
    once = numbering.normalise(text)
    assert numbering.normalise(once) == once
    assert set(once) <= set("+0123456789")


@given(st.sampled_from(["13", "15", "18"]), st.integers(0, 10**9 - 1), st.data())
def test_separators_prefixes_and_widths_do_not_matter(start, rest, data):
    national = f"{start}{rest:09d}"
    expected = CN.normalise(national)
    written = data.draw(st.sampled_from(["", "0", "86", "+86", "0086", "+86 (0)"])) + national
    if data.draw(st.booleans()):
        written = written.translate({ord("0") + i: 0xFF10 + i for i in range(10)})
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(1, len(written) - 1))
        written = written[:at] + data.draw(st.sampled_from(list(" -.·"))) + written[at:]
    if expected.startswith("+"):
        assert CN.normalise(written) == expected


@given(st.text(max_size=60))
def test_any_text_at_all_is_survived(text):
    assert isinstance(SHANGHAI.spellings(text), str)
    assert isinstance(looks_like_number(text), bool)
    assert set(digits_of(text)) <= set("0123456789")


@pytest.mark.parametrize("text", ["138 0013", "+86 (21)", "021-5555 1234", "12*", "tel:110"])
def test_looks_like_a_number(text):
    assert looks_like_number(text)


@pytest.mark.parametrize("text", ["王 8000", "room 12 b", "", "---", "A12"])
def test_does_not_look_like_a_number(text):
    assert not looks_like_number(text)


def test_the_forms_in_which_an_exchange_may_deliver_a_number():
    assert SHANGHAI.dialled_forms("+86 21 5555 1234") == [
        "2155551234",
        "02155551234",
        "862155551234",
        "00862155551234",
        "55551234",
    ]
    assert CN.dialled_forms("+1 212 555 2368") == ["12125552368", "0012125552368"]
    assert CN.dialled_forms("95588") == ["95588"]
    assert CN.dialled_forms("withheld") == []


def test_area_of_a_number():
    assert CN.area("0755-8888 6666", "zh") == "广东省深圳市"
    assert CN.area("021-5555 1234", "en") == "Shanghai"
    assert CN.area("110", "zh") == ""


def test_areas_are_those_of_the_whole_tables():
    rng = random.Random(4)
    shown = 0
    for prefix in rng.sample(sorted(GEOCODE_DATA), 1500):
        digits = prefix + "".join(rng.choices("0123456789", k=rng.choice((11, 12, 13)) - len(prefix)))
        number = phonenumbers.parse("+" + digits)
        for language in ("en", "zh"):
            wanted = geocoder.description_for_number(number, language)
            assert areas.areas().describe(number, language) == wanted, digits
            shown += bool(wanted)
    assert shown > 500
    assert GEOCODE_LONGEST_PREFIX <= areas.LONGEST_PREFIX


def test_a_number_without_an_area_has_its_country():
    assert CN.area("+49 151 23456789", "en") == "Germany"
    assert CN.area("+54 9 11 2345 6789", "en") == "Buenos Aires"
    assert CN.area("+1 800 555 2368", "zh") == "", "of all countries of +1"


def test_the_table_is_made_once_per_version(tmp_path):
    target = tmp_path / "built" / "areas.db"
    assert build_areas.build(target)
    made = target.stat().st_mtime_ns
    assert not build_areas.build(target) and target.stat().st_mtime_ns == made
    with sqlite3.connect(target) as table:
        table.execute("UPDATE version SET version = '1.0'")
    table.close()
    assert build_areas.build(target)
    assert sorted(path.name for path in target.parent.iterdir()) == ["areas.db"]


def test_where_set_up_was_not_run_the_table_is_made_in_memory(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(areas, "BUILT", tmp_path / "areas.db")
    made = areas.areas.__wrapped__()
    assert made.describe(phonenumbers.parse("+8675588886666"), "zh") == "广东省深圳市"
    assert "run make setup" in caplog.text
    made.close()


def test_neither_control_nor_the_pages_load_the_big_tables():
    """Each would hold a hundred megabytes of areas, and thirty of numpy."""
    ask = (
        "import sys; import appliance.control.server, webui.app; from appliance.store.numbers import *; "
        "load_areas(); assert Numbering('CN', '021').area('0755-88886666', 'en'); "
        "print([name for name in ('numpy', 'phonenumbers.geodata') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
