"""Where a telephone number belongs: province and city, or the country.

libphonenumber's tables of areas take a hundred megabytes of memory once they are loaded. So set-up writes
what we show of them into a small SQLite file, and three look-ups in that answer a question:

    +86 755 8888 6666  ─►  867558888, 86755888, … 86755 ─►  广东省深圳市
    a mobile or unknown area  ─►  the country's name

`appliance/store/build_areas.py` makes it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from functools import cache
from pathlib import Path
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

log = logging.getLogger(__name__)

BUILT = Path(__file__).with_name("built") / "areas.db"
LONGEST_PREFIX = 9
"""Digits, country code included; the tables have none longer."""


class Areas:
    """The table. Any thread may ask."""

    def __init__(self, table: sqlite3.Connection) -> None:
        """table: made with check_same_thread=False."""
        self._table = table
        self._lock = threading.Lock()

    def describe(self, number: PhoneNumber, language: str) -> str:
        """Province and city of a number, else its country; "" where that is not known.
        language: zh, or any other for English."""
        kind = phonenumbers.number_type(number)
        if kind == PhoneNumberType.UNKNOWN:
            return ""
        language = "zh" if language.startswith("zh") else "en"
        area = ""
        if phonenumbers.is_number_type_geographical(kind, _code(number)):
            area = self._area(_without_mobile_token(number), language)
        return area or self._country(number, language)

    def _area(self, number: PhoneNumber, language: str) -> str:
        digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
        prefixes = [int(digits[:length]) for length in range(1, min(LONGEST_PREFIX, len(digits)) + 1)]
        marks = ", ".join("?" * len(prefixes))
        # The longest prefix is the greatest number.
        found = self._ask(
            f"SELECT names.name FROM {language} JOIN names ON names.id = {language}.name "
            f"WHERE prefix IN ({marks}) ORDER BY prefix DESC LIMIT 1",
            prefixes,
        )
        return found or ""

    def _country(self, number: PhoneNumber, language: str) -> str:
        known = phonenumbers.region_codes_for_country_code(_code(number))
        valid = phonenumbers.is_valid_number_for_region
        regions = [region for region in known if len(known) == 1 or valid(number, region)]
        if len(regions) != 1:
            return ""
        return self._ask(f"SELECT {language} FROM countries WHERE region = ?", [regions[0]]) or ""

    def _ask(self, sql: str, values: list[Any]) -> str | None:
        with self._lock:
            row = self._table.execute(sql, values).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Idempotent."""
        self._table.close()


def _code(number: PhoneNumber) -> int:
    assert number.country_code is not None  # every number that was parsed has one
    return number.country_code


def _without_mobile_token(number: PhoneNumber) -> PhoneNumber:
    """Argentina's mobile numbers have a 9 before the area code, which the table does not have."""
    token = phonenumbers.country_mobile_token(_code(number))
    national = phonenumbers.national_significant_number(number)
    if not token or not national.startswith(token):
        return number
    region = phonenumbers.region_code_for_country_code(_code(number))
    try:
        return phonenumbers.parse(national.removeprefix(token), region)
    except phonenumbers.NumberParseException:
        return number


@cache
def areas() -> Areas:
    """The table that set-up has made; one made now, in memory, where set-up was not run."""
    if BUILT.is_file():
        uri = f"{BUILT.resolve().as_uri()}?mode=ro&immutable=1"
        return Areas(sqlite3.connect(uri, uri=True, check_same_thread=False))
    log.warning("%s is missing and made in memory now, at the cost of time and memory: run make setup", BUILT)
    from appliance.store.build_areas import fill

    table = sqlite3.connect(":memory:", check_same_thread=False)
    fill(table)
    return Areas(table)
