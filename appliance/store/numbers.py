"""Telephone numbers: as dialled for people, normalised for finding.

A valid number becomes E.164 ("+862155551234"); a short or special number
(110, 95588, an extension) keeps its digits.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat

from appliance.store.areas import areas

_NOT_DIGIT = re.compile(r"\D")
_NUMBERISH = re.compile(r"(tel:)?[\s\d+*#()\[\]./\-–—−‐‑‒·,;:ext]+", re.IGNORECASE)
MAX_DIGITS = 30


def digits_of(text: str) -> str:
    """The decimal digits of `text` as ASCII, full-width and other scripts included."""
    kept = (unicodedata.normalize("NFKC", text),)
    return "".join(str(unicodedata.decimal(c)) for c in kept[0] if c.isdecimal())


def looks_like_number(text: str) -> bool:
    """Whether somebody who typed `text` into a search box meant digits of a number."""
    plain = unicodedata.normalize("NFKC", text).strip()
    return bool(plain) and bool(_NUMBERISH.fullmatch(plain)) and bool(digits_of(plain))


def load_areas() -> None:
    """Open the table behind `Numbering.area` before somebody waits for it."""
    areas()


@dataclass(frozen=True)
class Numbering:
    """How numbers are read at the place where the box stands.

    country: ISO 3166 code; area_code: dialled before a local number ("021"), "" = unknown.
    """

    country: str = "CN"
    area_code: str = ""

    def normalise(self, text: str) -> str:
        """E.164 where valid, else the digits ("+" kept for a foreign one), "" where there are none.
        Idempotent, and the same for every spelling of one number."""
        seen = text
        for _ in range(8):
            found = self._once(seen)
            if found == seen:
                break
            seen = found
        return seen

    def _once(self, text: str) -> str:
        plain = unicodedata.normalize("NFKC", text).strip()
        digits = digits_of(plain)[:MAX_DIGITS]
        if not digits:
            return ""
        number = self._valid(plain) or self._valid(("+" if plain.startswith("+") else "") + digits)
        if (
            number is None
            and self.area_code
            and not plain.startswith(("+", "0", "1"))
            and len(digits) in (7, 8)
        ):
            number = self._valid(self.area_code + digits)
        if number is not None:
            return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))
        if plain.startswith("+"):
            own = str(phonenumbers.country_code_for_region(self.country))
            if digits.startswith(own) and len(digits) > len(own):
                return digits[len(own) :]
            return "+" + digits
        return digits

    def _valid(self, text: str) -> phonenumbers.PhoneNumber | None:
        try:
            number = phonenumbers.parse(text, self.country)
        except phonenumbers.NumberParseException:
            return None
        return number if phonenumbers.is_valid_number(number) else None

    def spellings(self, text: str) -> str:
        """The digit strings under which the number may be looked for, separated by spaces."""
        normal = self.normalise(text)
        forms = {digits_of(text)[:MAX_DIGITS], digits_of(normal)}
        forms.update(self.dialled_forms(text))
        return " ".join(sorted(form for form in forms if form))

    def forms(self, text: str) -> dict[str, str]:
        """The columns that tables keep beside a number."""
        return {"normal": self.normalise(text), "spellings": self.spellings(text)}

    def dialled_forms(self, text: str) -> list[str]:
        """The digit strings by which an exchange here may present this number as caller ID:
        national, with trunk prefix, local (inside the own area) and with country code."""
        normal = self.normalise(text)
        if not normal.startswith("+"):
            return [normal] if normal else []
        number = phonenumbers.parse(normal, None)
        country_code = str(number.country_code)
        national = str(phonenumbers.national_significant_number(number))
        forms = [country_code + national, "00" + country_code + national]
        if number.country_code == phonenumbers.country_code_for_region(self.country):
            forms = [national, *forms]
            trunk = phonenumbers.ndd_prefix_for_region(self.country, True) or ""
            if trunk:
                forms.insert(1, trunk + national)
            area = digits_of(self.area_code)
            if area and trunk + national == area + national[len(area) - len(trunk) :]:
                forms.append(national[len(area) - len(trunk) :])
        return list(dict.fromkeys(forms))

    def area(self, text: str, language: str) -> str:
        """Province and city (or country) that the number belongs to, "" where unknown (A7)."""
        normal = self.normalise(text)
        if not normal.startswith("+"):
            return ""
        return areas().describe(phonenumbers.parse(normal, None), language)
