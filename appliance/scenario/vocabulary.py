"""The one table of verbs: English sentence → what a person, or the office, does.

A verb's pattern is the sentence itself: `{x}` is a blank (its name says what may stand there,
see BLANKS), `[…]` may be left out, `(a|b)` is a choice. The same text is what docs/scenarios.md
prints, and a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from appliance.scenario.actors import Actor

Script = Generator[None, None, None]
"""What a step does: runs until it needs time to pass, yields, and goes on in the next tick (20 ms)."""

Args = dict[str, Any]
"""The blanks of a sentence after conversion; what was left out is None."""

ROLES = ("caller", "agent", "phone", "supervisor", "office")
"""Kinds of people in a story: an outside subscriber, somebody with a desk and a telephone, a telephone
nobody has signed in at, somebody with a desk only, and the hand of fate."""

ANYONE = frozenset(ROLES)
CALLER = frozenset({"caller"})
TELEPHONE = frozenset({"agent", "phone"})
EARS = CALLER | TELEPHONE
DESK = frozenset({"agent"})
CHIEF = frozenset({"supervisor"})

_TIME = r"\d+(?:\.\d+)?\s*(?:ms|s|secs?|seconds?|min|minutes?|h|hours?|秒|分钟)"
_QUOTED = r'"[^"]*"|“[^”]*”|\'[^\']*\''
_DB = r"[-+]?\d+(?:\.\d+)?"

BLANKS: dict[str, tuple[str, str]] = {
    "line": (r"(?:line\s*|L)?\d{1,2}", "a line: `1`, `L1` or `line 1`"),
    "number": (rf"{_QUOTED}|\+?\d[\d\- ]*\d|\d", "a telephone number: `13912345678`, `010-6655 4433`"),
    "text": (rf"{_QUOTED}|\S+", 'one word, or a text in double quotes: `Li`, `"Li Lei"`'),
    "rest": (r"\S.*", "any text to the end of the sentence"),
    "keys": (
        rf"{_QUOTED}|(?:[0-9*#A-Da-d]+|star|hash|pound)(?:[ ,]+(?:[0-9*#A-Da-d]+|star|hash|pound))*",
        "keys `0`-`9`, `star` or `*`, `hash` or `#`, `A`-`D`",
    ),
    "digits": (r"\d[\d \-]*", "digits 0-9"),
    "time": (_TIME, "a duration: `5 s`, `300 ms`, `2 min`"),
    "db": (_DB, "decibels, a number such as `-45` or `6`"),
    "hz": (r"\d+(?:\.\d+)?", "a frequency in Hz"),
    "count": (r"\d+", "a whole number"),
    "factor": (r"[-+]?\d+(?:\.\d+)?", "a number"),
    "file": (rf"{_QUOTED}|\S+", "an audio file, looked up beside the story, then among the shipped sounds"),
    "person": (r"(?:\S.*?\S|\S)", "somebody in `people:`, by name or by the whole heading"),
    "prompt": (r"[\w\-]+", "a prompt of the box by its name: `greeting`, `menu`"),
    "tone": (r"dial|ringback|busy|congestion|howler", "`dial`, `ringback`, `busy`, `congestion` or `howler`"),
    "ext": (r"(?:phone\s+)?\d{2,6}", "a telephone by its extension: `801`"),
    "queue": (r"[\w\-]+", "a queue by its id: `sales`"),
    "port": (r"(?:L|line\s*|phone\s*)?\d{1,6}", "a line (`L1`) or a telephone (`801`)"),
    "state": (r"[\w ]+?", "a state in the words of the live board: `talking`, `wrap_up`"),
    "cid": (r"fsk|dtmf|none", "`fsk`, `dtmf` or `none`"),
    "reason": (r"\w+", "a not-ready reason: `lunch`, `break`"),
    "cue": (r"tone|battery|polarity|none", "`tone`, `battery`, `polarity` or `none`"),
    "fate": (
        r"busy|no answer|congestion|unobtainable",
        "`busy`, `no answer`, `congestion` or `unobtainable`",
    ),
}
"""Name of a blank → (regular expression, what may stand there)."""


@dataclass(frozen=True)
class Verb:
    """One thing that can be done. `perform(actor, args)` is its script."""

    name: str
    who: frozenset[str]
    patterns: tuple[str, ...]
    examples: tuple[str, ...]
    help: str
    perform: Callable[[Actor, Args], Script]
    expressions: tuple[re.Pattern[str], ...] = field(compare=False, default=())
    default_within_s: float | None = None
    """How long the step may take when the sentence does not say `within`; None: the verb needs no limit."""


TABLE: dict[str, Verb] = {}
"""Every verb by name, in the order of the reference."""


def verb(
    who: Iterable[str],
    *patterns: str,
    like: str | tuple[str, ...],
    does: str,
    within_s: float | None = None,
) -> Callable[[Callable[[Actor, Args], Script]], Callable[[Actor, Args], Script]]:
    """Put a script function into the table under its own name."""

    def put(function: Callable[[Actor, Args], Script]) -> Callable[[Actor, Args], Script]:
        name = function.__name__
        if name in TABLE:
            raise ValueError(f"two verbs are called {name}")
        TABLE[name] = Verb(
            name,
            frozenset(who),
            patterns,
            (like,) if isinstance(like, str) else like,
            does,
            function,
            tuple(compile_pattern(p) for p in patterns),
            within_s,
        )
        return function

    return put


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a sentence pattern; raises ValueError for an unknown blank."""
    out: list[str] = []
    for token in re.findall(r"\{\w+?\}|\[|\]|\(|\||\)|\s+|[^\s\[\](){}|]+", pattern):
        if token == "[":
            out.append("(?:")
        elif token == "]":
            out.append(")?")
        elif token == "(":
            out.append("(?:")
        elif token in ")|":
            out.append(token)
        elif token.isspace():
            out.append(r"\s+")
        elif token.startswith("{"):
            name = token[1:-1]
            kind = name.rstrip("0123456789")
            if kind not in BLANKS:
                raise ValueError(f"unknown blank {token} in {pattern!r}")
            out.append(f"(?P<{name}>{BLANKS[kind][0]})")
        else:
            out.append(re.escape(token))
    return re.compile("".join(out), re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """A sentence understood: the verb, the raw blanks, `at`/`after`/`within` in seconds (None: not said)."""

    verb: Verb
    blanks: Mapping[str, str | None]
    at_s: float | None = None
    after_s: float | None = None
    within_s: float | None = None


class NotUnderstood(ValueError):
    """A sentence that no verb of this role matches; the text says what could be written."""


_LEAD = re.compile(rf"(?P<word>at|after)\s+(?P<time>{_TIME})\s*(?:,|:)?\s+(?P<rest>\S.*)", re.IGNORECASE)
_WITHIN = re.compile(rf"(?P<rest>.*\S),?\s+within\s+(?P<time>{_TIME})", re.IGNORECASE)


def seconds(text: str) -> float:
    """A duration such as `300 ms` in seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(\S*)\s*", text)
    if found is None:
        raise ValueError(f"`{text}` is not a duration; write for example `5 s`")
    unit = found[2].lower()
    scale = (
        0.001
        if unit == "ms"
        else 60.0
        if unit.startswith(("min", "分"))
        else 3600.0
        if unit[:1] == "h"
        else 1.0
    )
    return float(found[1]) * scale


def understand(sentence: str, role: str) -> Sentence:
    """Match one sentence for a role. Raises NotUnderstood with the nearest verbs."""
    rest = re.sub(r"\s+", " ", sentence.strip()).rstrip(".。;")
    at_s = after_s = within_s = None
    lead = _LEAD.fullmatch(rest)
    if lead is not None:
        if lead["word"].lower() == "at":
            at_s = seconds(lead["time"])
        else:
            after_s = seconds(lead["time"])
        rest = lead["rest"]
    limit = _WITHIN.fullmatch(rest)
    if limit is not None:
        within_s, rest = seconds(limit["time"]), limit["rest"]
    elsewhere: Verb | None = None
    for wording in (rest, _imperative(rest)):
        for one in TABLE.values():
            for expression in one.expressions:
                found = expression.fullmatch(wording)
                if found is not None and role in one.who:
                    return Sentence(one, found.groupdict(), at_s, after_s, within_s)
                if found is not None:
                    elsewhere = one
    if elsewhere is not None:
        who = ", ".join(sorted(elsewhere.who))
        raise NotUnderstood(
            f"`{sentence}` is something for {_article(who)}, not for {_article(role)}. {_role_hint(role)}"
        )
    raise NotUnderstood(f"`{sentence}` is not understood.{_near(rest, role)}")


_THIRD_PERSON = re.compile(
    r"(call|hear|say|lift|pick|hang|wait|sign|hold|retrieve|transfer|answer|dial|expect|see|give|start|stop|"
    r"force|drop|note|flash|repeat|unplug|plug|pause|resume|extend|put|set)s\b|(press|flash)es\b",
    re.IGNORECASE,
)


def _imperative(sentence: str) -> str:
    """`hears prompt greeting` is as good as `hear prompt greeting`."""
    return (
        _THIRD_PERSON.sub(lambda found: found[1] or found[2], sentence, count=1)
        if (_THIRD_PERSON.match(sentence))
        else sentence
    )


def _article(word: str) -> str:
    return ("an " if word[:1] in "aeiou" else "a ") + word.replace(", ", " or ")


def _role_hint(role: str) -> str:
    if role == "office":
        return "Write it in the script of the person who does it."
    return "Write it in the script of such a person, under its own heading in `people:`."


def _near(rest: str, role: str) -> str:
    scored: list[tuple[float, str]] = []
    first = rest.lower().split(" ")[0]
    for one in TABLE.values():
        if role not in one.who:
            continue
        for example in one.examples:
            score = SequenceMatcher(None, rest.lower(), example.lower()).ratio()
            if example.lower().split(" ")[0] == first:
                score += 0.3
            scored.append((score, example))
    best = [example for score, example in sorted(scored, reverse=True)[:3] if score > 0.45]
    hint = " Sentences like it: " + "; ".join(f"`{b}`" for b in best) + "." if best else ""
    return f"{hint} All sentences are listed in docs/scenarios.md."


def unquote(text: str) -> str:
    """A text without the quotes around it."""
    if len(text) >= 2 and (text[0], text[-1]) in (('"', '"'), ("“", "”"), ("'", "'")):
        return text[1:-1]
    return text
