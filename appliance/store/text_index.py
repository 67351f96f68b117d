"""Text for SQLite's FTS5: Chinese has no spaces, so each of its characters becomes a word,
and a search for several of them becomes a phrase."""

from __future__ import annotations

import re
import unicodedata

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_ONE_CJK = re.compile(f"([{_CJK}])")
_WORDS = re.compile(rf"[{_CJK}]|[^\W{_CJK}_]+")


def for_index(*parts: str) -> str:
    """What is put into the index for these texts."""
    joined = unicodedata.normalize("NFKC", " \n ".join(parts)).casefold()
    return _ONE_CJK.sub(r" \1 ", joined)


def for_query(term: str) -> str:
    """FTS5 query that finds what begins with (Chinese: contains) `term`; "" when it holds no word."""
    words = _WORDS.findall(unicodedata.normalize("NFKC", term).casefold())
    return f'"{" ".join(words)}" *' if words else ""
