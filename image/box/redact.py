"""Takes secrets and customers' data out of texts and JSON that leave the box."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

GONE = "[removed]"

SECRET_FIELD = re.compile(
    r"pass(word|wd|phrase)?$|hash|secret|token|cookie|credential|psk|(^|_)(pin|key|code)$|private|claim",
    re.IGNORECASE,
)
"""Names of JSON fields whose values are secrets."""

PERSONAL_FIELD = re.compile(
    r"^(caller_name|caller_number|called_number|customer(_name)?|name|company|address|terminal_address|notes?"
    r"|outcome|number|line_number|peer|text|username|who|by|comment|label|normal|spellings|refused)$"
)
"""Names of JSON fields that hold people's data."""

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*-----|\Z)", re.DOTALL), GONE),
    (re.compile(r"AGE-SECRET-KEY-1(?:\s?[A-Z0-9]){20,80}", re.IGNORECASE), GONE),
    (re.compile(r"\$(?:argon2\w*|scrypt|pbkdf2[\w-]*|[1256y]|2[aby])\$[^\s\"',;]+"), GONE),
    (re.compile(r"\b(?:scrypt|pbkdf2):[^\s\"',;]+"), GONE),
    (re.compile(r"((?:ssh-(?:rsa|ed25519)|ecdsa-[\w-]+)\s+)[A-Za-z0-9+/=]{20,}"), r"\1" + GONE),
    (
        re.compile(
            r"(?i)\b((?:pass(?:word|wd|phrase)?|secret|token|cookie|authorization|session|api[_-]?key|pin|psk"
            r"|claim(?:[ _-]code)?|code)\w*[\"']?\s*(?:[:=]|\bis\b)\s*[\"']?)(?:bearer\s+)?[^\s\"',;&}]+"
        ),
        r"\1" + GONE,
    ),
    (
        re.compile(
            r"(?<![\w.-])\+?(?!20\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])-)\d(?:[ -]?\d){5,18}(?![\w.-]?\d)"
        ),
        "[number]",
    ),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[address]"),
)
"""In order. The last but one is a telephone number; what is left alone looks like a day before a hyphen,
which is how the name of a call begins, like a decimal fraction, or like a part of a longer name."""

_TECHNICAL = re.compile(r"[a-z0-9_./:-]{1,40}")
"""A socket, a queue, a partition: no person."""
_TIMES = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d")


class Redactor:
    """Knows the secrets of one box. known: exact texts that must not appear, such as customers' names."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        texts = sorted({text for text in known if len(text) >= 2}, key=len, reverse=True)
        self._known = [
            re.compile("|".join(map(re.escape, texts[i : i + 500]))) for i in range(0, len(texts), 500)
        ]

    def text(self, text: str) -> str:
        """The text without what must not leave the box."""
        for pattern in self._known:
            text = pattern.sub(GONE, text)
        kept: list[str] = []

        def put_by(match: re.Match[str]) -> str:
            kept.append(match[0])
            return f"\x00{len(kept) - 1:x}\x00"

        text = _TIMES.sub(put_by, text.replace("\x00", ""))
        for pattern, instead in PATTERNS:
            text = pattern.sub(instead, text)
        return re.sub("\x00([0-9a-f]+)\x00", lambda match: kept[int(match[1], 16)], text)

    def data(self, value: Any) -> Any:
        """JSON data without it; keys stay."""
        if isinstance(value, dict):
            return {self.text(str(key)): self._field(str(key), one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(one) for one in value]
        if isinstance(value, str):
            return self.text(value)
        return value

    def _field(self, key: str, value: Any) -> Any:
        if isinstance(value, bool) or value in (None, "", [], {}):
            return value
        if key == "name" and isinstance(value, str) and _TECHNICAL.fullmatch(value):
            return self.text(value)
        if SECRET_FIELD.search(key) or (PERSONAL_FIELD.search(key) and not isinstance(value, dict | list)):
            return GONE
        return self.data(value)
