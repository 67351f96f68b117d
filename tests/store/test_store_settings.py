"""Every parameter has a type, bounds, a default and help; every change is remembered."""

import pytest

from appliance.store import SETTINGS, InvalidRow


def test_every_setting_is_described_in_both_languages():
    for key, setting in SETTINGS.items():
        for texts in (setting.label, setting.help):
            assert set(texts) == {"zh", "en"} and all(texts.values()), key
        assert setting.section


def test_every_default_is_a_value_that_may_be_set(store):
    for key, setting in SETTINGS.items():
        assert store.settings.get(key) == setting.default
        assert store.settings.set(key, setting.default, "me") == setting.default
    assert store.settings.history() == [], "setting the same value is no change"
    assert set(store.settings.all()) == set(SETTINGS)


@pytest.mark.parametrize(
    ("key", "given", "stored"),
    [
        ("company", "  总机公司 ", "总机公司"),
        ("country", "US", "US"),
        ("area_code", "021", "021"),
        ("max_call_s", "3600", 3600.0),
        ("outside.max_digits", 12.0, 12),
        ("outside.prefix", "", ""),
        ("outside.barred", "00, 0900；400", ["00", "0900", "400"]),
        ("outside.emergency", ["110", "110"], ["110"]),
        ("recording.enabled", "off", False),
        ("not_ready_reasons", "午餐,会议", ["午餐", "会议"]),
    ],
)
def test_a_value_is_stored_in_its_type(store, key, given, stored):
    assert store.settings.set(key, given, "me") == stored
    value = store.settings.get(key)
    assert value == stored and type(value) is type(stored)
    assert store.settings.all()[key] == stored


@pytest.mark.parametrize(
    ("key", "given", "problem"),
    [
        ("max_call_s", 5, "max_call_s must be from 60 to 86400, not 5"),
        ("max_call_s", "long", "max_call_s must be a number"),
        ("max_call_s", float("nan"), "must be a number"),
        ("outside.max_digits", 2.5, "whole number"),
        ("outside.max_digits", True, "must be a number"),
        ("recording.enabled", "perhaps", "must be yes or no"),
        ("country", "XX", "must be one of CN, US"),
        ("area_code", "abc", "must be the area code"),
        ("outside.emergency", ["one"], "must be digits"),
        ("company", "x" * 81, "longer than 80"),
        ("company", 5, "must be text"),
        ("company", "a\x1bb", "control characters"),
        ("disk.warn_percent", 95, r"warning \(95 %\) must be below the disk alarm \(90 %\)"),
        ("shoe_size", 42, "there is no setting 'shoe_size'"),
    ],
)
def test_a_value_out_of_bounds_is_refused_in_words(store, key, given, problem):
    with pytest.raises(InvalidRow, match=problem):
        store.settings.set(key, given, "me")
    assert store.settings.history() == []


def test_history_tells_who_when_what(store, clock):
    store.settings.set("company", "A", "anna")
    clock.now += 60
    store.settings.set("company", "B", "ben")
    store.settings.set("country", "US", "ben")
    assert store.settings.history("company") == [
        {"key": "company", "at": clock.now, "who": "ben", "old": "A", "new": "B"},
        {"key": "company", "at": clock.now - 60, "who": "anna", "old": "", "new": "A"},
    ]
    assert len(store.settings.history()) == 3
    assert len(store.settings.history(limit=1)) == 1


def test_a_damaged_stored_value_is_named(store):
    with store._database.write() as db:
        db.execute("INSERT INTO settings VALUES ('max_call_s', '\"soon\"', 0)")
    with pytest.raises(InvalidRow, match="max_call_s must be a number, not 'soon'; set it again"):
        store.settings.get("max_call_s")
    store.settings.set("company", "works", "me")
