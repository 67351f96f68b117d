"""Text for SQLite's FTS5: Chinese has no spaces, so each of its characters becomes a word,
and a search for several of them becomes a phrase. Case, width and accents do not count.

The words are cut here, for the index and for queries alike; FTS5 only sees them with
spaces between (its "ascii" tokenizer takes everything beyond ASCII for letters).
"""

from __future__ import annotations

import re
import unicodedata

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_WORDS = re.compile(rf"[{_CJK}]|[^\W{_CJK}_]+")


def words(text: str) -> list[str]:
    """The words of `text` as they are compared."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    return _WORDS.findall(unicodedata.normalize("NFKC", plain).casefold())


def for_index(*parts: str) -> str:
    """What is put into the index for these texts."""
    return " ".join(word for part in parts for word in words(part))


def for_query(term: str) -> str:
    """FTS5 query that finds what begins with (Chinese: contains) `term`; "" when it holds no word."""
    wanted = words(term)
    return f'"{" ".join(wanted)}" *' if wanted else ""
