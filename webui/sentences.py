"""What the other rooms say about bad data, in the reader's language.

The core, control and the store complain in English sentences made from fixed patterns: a place
("flow main, node hello, next"), a colon and what is wrong there. Each pattern is written here once more, with
`%(name)s` where values stand; a sentence is matched, its values taken over, and said with the
translation of its pattern. A sentence that no pattern fits is shown as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from webui import words
from webui.tongue import gettext as _
from webui.tongue import lazy_gettext as _l


def N_(sentence: str) -> str:
    """Marks a sentence that is translated later."""
    return sentence


PLAIN = (
    N_("the call engine refuses the plan: %(problem)s"),
    N_("a flow is a group with id, start and nodes; this is something else"),
    N_("%(name)s names a line and a telephone; rename one of them"),
    N_("%(name)s is the number of an agent and of a telephone; change one of them"),
    N_("number %(name)s begins with the outside prefix %(value)s; change one of them"),
    N_("number %(name)s is an emergency number; give the telephone or agent another one"),
    N_(
        "blocked number %(value)s is not usable; write digits, digits with a * at the end, or withheld",
    ),
    N_("%(kind)s %(name)s is there %(count)s times; keep one"),
    N_("no line and no telephone has been set up yet"),
    N_("the new settings are not a plan"),
    N_("no reason was given"),
    N_("not connected yet"),
    N_("the database has not been opened yet"),
    N_("the database %(path)s has been replaced or removed"),
    N_(
        "the database %(path)s is locked by another program; close that program or wait, nothing is lost "
        "meanwhile"
    ),
    N_(
        "the data disk cannot be read, so there is no database: calls go on with the last settings, nothing "
        "is stored and nothing can be changed; restart the box, and if this stays, start recovery or replace "
        "the disk"
    ),
    N_("the disk takes nothing any more: calls go on, but nothing is stored; restart the box"),
    N_("the disk that holds %(path)s is full; free some space"),
    N_(
        "the database was written by a newer version of this program (schema %(schema)s, this one knows "
        "%(own)s), and the copy made before that, %(name)s, %(problem)s; install the newer version again, or "
        "restore a backup that was made before it"
    ),
    N_("%(path)s cannot be written; check its owner and permissions"),
    N_("the database %(path)s cannot be used (%(detail)s); restore a backup"),
    N_("the database %(path)s is damaged (%(detail)s); it was left as it is: restore a backup"),
    N_(
        "the disk is %(percent)s %% full, %(free)s GB are free: delete recordings that are no longer needed, "
        "or keep them for fewer days; recording stops before calls do"
    ),
    N_("the call engine does not answer; telephones may still work, try again in a few seconds"),
    N_("there is already a user %(name)s"),
    N_("the last administrator cannot be removed; make another one first"),
    N_("port %(name)s already belongs to %(kind)s %(value)s"),
    N_("%(name)s is already on the blacklist"),
    N_("has %(count)s cells but there are %(columns)s columns"),
    N_("the database refuses this row: %(detail)s"),
    N_("this cannot be stored: %(detail)s"),
    N_("%(value)s is not a telephone number: write digits"),
    N_("a message must have from 1 to %(count)s characters"),
    N_("only a message that failed can be sent again, and only once"),
    N_("there is no message %(name)s"),
    N_("the network could not deliver it"),
    N_("a backup was restored that does not know what became of it"),
    N_("no cellular module is plugged in"),
    N_("no cellular module can send now: %(detail)s"),
    N_("no cellular module can send now"),
    N_("the engine stopped while it was being sent"),
    N_("the cellular module was lost while it was being sent"),
    N_("the disk takes nothing: make room, then send it again"),
    N_("the network does not know this number (%(detail)s)"),
    N_("the network refuses it: may this SIM card send, has it credit? (%(detail)s)"),
    N_("the network cannot take messages now: try again later (%(detail)s)"),
    N_("the SIM card does not work: try another one (%(detail)s)"),
    N_("the SIM card does not know its message centre: set it in a telephone (%(detail)s)"),
    N_("the network does not take it (%(detail)s)"),
    N_("the message would need %(count)s parts; at most %(most)s are sent"),
    N_("the module has restarted"),
    N_("firmware missing: install %(firmware)s, then plug it in again"),
    N_("driver %(driver)s is not installed: install %(package)s"),
    N_("driver %(driver)s is not loaded: run modprobe %(name)s"),
    N_("the driver %(bound)s has taken it: unload %(name)s, so that %(driver)s gets it"),
    N_("driver %(driver)s is loaded but does not offer it (yet): see the kernel log; it needs %(firmware)s"),
    N_("driver %(driver)s is loaded but does not offer it (yet): see the kernel log"),
    N_("another card has the serial number %(name)s too: use one of them"),
    N_("a card %(name)s is in use already"),
    N_("there is no room for %(count)s more ports: start the engine again to use it"),
    N_("no battery: is the line plugged in?"),
    N_("there is no socket %(name)s on the cards: fit the card or change the port"),
    N_("there is no socket %(name)s on the cards: see `zongji board list`"),
    N_("the card's control port does not answer: check its cable and power"),
    N_("the card has started anew"),
    N_("there is no SIM card in the module: put one in"),
    N_("the SIM card needs its PIN: add pin=… to the card's address, or switch the PIN off"),
    N_("the SIM card is locked and needs its PUK: unlock it in a telephone"),
    N_("the SIM card does not work: try another one"),
    N_("the SIM card refuses its PIN: correct pin=… (it is not tried again)"),
    N_("the network refuses this SIM card"),
    N_("the module does not look for a network"),
    N_("no network yet: check the aerial"),
    N_("the device is being set up"),
    N_("sound device %(name)s gives no samples"),
    N_("control port %(name)s was lost: it has been pulled out"),
    N_("no line card %(name)s is plugged in; there: %(others)s"),
    N_("%(port)s is in use: wait for the end of the call"),
    N_("a call is up on %(ports)s: wait for its end, or use --force, which ends it"),
    N_("this is no firmware file of a line card: get the right file from the maker"),
    N_("the firmware file is cut short (%(have)s of %(size)s bytes): copy it again"),
    N_("the firmware file is damaged (its SHA-256 does not agree): copy it again"),
    N_("the head of the firmware file is damaged: copy the file again"),
    N_("this firmware is for %(name)s; the card is %(card)s"),
    N_("this card (%(name)s) takes no new firmware"),
    N_("the card came back with firmware %(version)s"),
    N_("the card does not go on: try again, then replug it"),
    N_("other work on this card goes on: wait for its end"),
    N_(
        "no line card was found: plug one in and it is used at once "
        "(`zongji board list` shows what is seen; --board sim: is the simulated office)"
    ),
    N_("no line card can be used: %(problems)s"),
    N_("the module does not answer"),
    N_("%(command)s was answered with %(detail)s"),
    N_("no answer to %(command)s"),
    N_("flow %(name)s answers %(lines)s; give these lines another flow first"),
)
"""Whole sentences."""

BODIES = (
    N_("there are no nodes; add at least one"),
    N_("it starts at node %(name)s, which does not exist; add it or start elsewhere"),
    N_("no way leads to node %(name)s; connect it or remove it"),
    N_("it is not a group of settings; write type = …"),
    N_("type is %(value)s; use one of: %(choices)s"),
    N_("unknown setting %(name)s; a %(type)s node has: %(choices)s"),
    N_("unknown setting %(name)s; remove it or use one of: %(choices)s"),
    N_("unknown setting %(name)s; remove it"),
    N_("%(name)s is missing; say how many seconds a caller has to press a key"),
    N_("%(name)s is missing; say where each key leads"),
    N_("%(name)s is missing; say where the caller goes then, so that nobody ends in silence"),
    N_("%(name)s is missing; add it"),
    N_("is %(value)s; use 1 to 120 seconds"),
    N_("is %(value)s; use 0 to 9"),
    N_("is %(value)s; write the name of a %(kind)s"),
    N_("is %(value)s; use one of: %(choices)s"),
    N_("is %(value)s; use %(low)s or more"),
    N_("is %(value)s; use %(high)s or less"),
    N_("is %(value)s; %(wrong)s cannot be dialled, use only %(choices)s"),
    N_("is empty; name a prompt"),
    N_("is empty; fill it in"),
    N_("there is no %(kind)s %(name)s; record or upload it, or choose another one"),
    N_("there is no %(kind)s %(name)s; record it or choose another one"),
    N_("there is no %(kind)s %(name)s; add it or choose another one"),
    N_("there is no telephone %(name)s; choose one that exists"),
    N_("there is no flow %(name)s; choose a published flow or a telephone"),
    N_("there is no queue %(name)s to fall back to"),
    N_("there is no queue %(name)s; take it off the agent"),
    N_("no key leads anywhere; add at least one"),
    N_("%(value)s is not a key of a telephone; use one of %(choices)s"),
    N_("%(value)s is a circle without a way out; break it"),
    N_("expected a group of settings, found %(value)s; write it as key = value"),
    N_("expected a group of settings, found %(value)s"),
    N_("expected a list, found %(value)s"),
    N_("expected true or false, found %(value)s"),
    N_("expected a whole number, found %(value)s"),
    N_("expected a number, found %(value)s"),
    N_("expected text, found %(value)s"),
    N_("%(value)s is not a telephone number"),
    N_("at most %(count)s telephone numbers"),
    N_("give at least a name, a company or a telephone number"),
    N_("phones must be a list of {number, label}"),
    N_("larger than %(count)s characters"),
    N_("definition is missing"),
    N_("definition must have a start and nodes"),
    N_("%(field)s is missing"),
    N_("%(field)s must not contain control characters"),
    N_("%(field)s must not be empty"),
    N_("%(field)s must not be longer than %(count)s characters"),
    N_("%(field)s must not have more than %(count)s entries"),
    N_("%(field)s must be yes or no, not %(value)s"),
    N_("%(field)s must be a whole number, not %(value)s"),
    N_("%(field)s must be a number, not %(value)s"),
    N_("%(field)s must be from %(low)s to %(high)s, not %(value)s"),
    N_("%(field)s must be one of %(choices)s, not %(value)s"),
    N_("%(field)s must be a list, not %(value)s"),
    N_("%(field)s must be text of at most %(count)s characters"),
    N_("%(field)s must be text, not %(value)s"),
    N_("%(field)s must be %(meaning)s, not %(value)s"),
)
"""What stands behind a place; the more particular ones first."""

TOML = (
    N_("Expected '=' after a key in a key/value pair"),
    N_("Expected newline or end of document after a statement"),
    N_("Expected ']' at the end of a table declaration"),
    N_("Cannot declare %(name)s twice"),
    N_("Cannot overwrite a value"),
    N_("Duplicate inline table key %(name)s"),
    N_("Unclosed array"),
    N_("Unclosed inline table"),
    N_("Unterminated string"),
    N_("Illegal character %(value)s"),
    N_("Invalid initial character for a key part"),
    N_("Invalid value"),
    N_("Invalid statement"),
)
"""What Python's tomllib complains about."""

KINDS = {
    "flow": _l("menu"),
    "node": _l("node"),
    "line": _l("line"),
    "lines": _l("line no."),
    "phone": _l("telephone"),
    "phones": _l("telephone no."),
    "telephone": _l("telephone"),
    "extension": _l("telephone"),
    "agent": _l("agent"),
    "agents": _l("agent no."),
    "queue": _l("queue"),
    "queues": _l("queue no."),
    "prompt": _l("prompt"),
    "port": _l("socket"),
    "plan": _l("settings"),
    "customer": _l("customer"),
    "user": _l("user"),
    "blacklist": _l("blacklist"),
}
FIELDS = {
    "name": _l("Name"),
    "company": _l("Company"),
    "address": _l("Address"),
    "terminal_address": _l("Installation address"),
    "notes": _l("Notes"),
    "vip": _l("Important customer"),
    "kind": _l("Type"),
    "username": _l("User name"),
    "role": _l("Role"),
    "title": _l("Title"),
    "id": _l("Short name"),
    **{name: word for table in words.LABELS.values() for name, word in table.items() if name != "id"},
}
FOUND = {"nothing": _l("nothing"), "a list": _l("a list"), "a group of settings": _l("a group of settings")}
MEANINGS = {
    "a work number": _l("a work number"),
    "a language code": _l("a language code"),
    "up to 40 characters without blanks, / and :": _l("up to 40 characters without blanks, / and :"),
}
_SLOT = re.compile(r"%\((\w+)\)s")


@cache
def _matcher(pattern: str) -> re.Pattern[str]:
    """A regular expression for the English pattern."""
    pieces = _SLOT.split(pattern.replace("%%", "%"))
    text = [f"(?P<{piece}>.+?)" if n % 2 else re.escape(piece) for n, piece in enumerate(pieces)]
    return re.compile("".join(text), re.DOTALL)


def _said(patterns: Iterable[str], sentence: str) -> str | None:
    """The sentence by the first pattern that fits it."""
    for english in patterns:
        found = _matcher(english).fullmatch(sentence)
        if found and found.groupdict().get("kind", "line") in KINDS:
            return _(english, **{name: _value(name, text) for name, text in found.groupdict().items()})
    return None


def _value(name: str, text: str) -> str:
    if name == "kind":
        return str(KINDS.get(text, text))
    if name == "field":
        return str(FIELDS.get(text, text))
    if name == "value" and (text in FOUND or text.startswith("the text ")):
        return str(FOUND.get(text, "")) or text.removeprefix("the text ")
    if name == "meaning":
        return str(MEANINGS.get(text, text))
    return in_words(text) if name == "problem" else text


def _place(text: str) -> str | None:
    """ "flow main, node hello, next" in words; None when this is no place."""
    found = []
    for n, piece in enumerate(text.split(", ")):
        kind, blank, name = piece.partition(" ")
        if kind in KINDS:
            found.append(f"{KINDS[kind]}{blank}{name}")
        elif n == 0 or blank:
            return None
        else:
            found.append(str(FIELDS[piece]) if piece in FIELDS and not text.startswith("flow ") else piece)
    return " › ".join(found)


def in_words(sentence: str) -> str:
    """The sentence in the reader's language; as it came where it is not known."""
    said = _said(PLAIN, sentence)
    if said is not None:
        return said
    for colon in re.finditer(": ", sentence):
        place = _place(sentence[: colon.start()])
        body = None if place is None else _said(BODIES, sentence[colon.end() :])
        if body is not None:
            return _("%(place)s: %(problem)s", place=place, problem=body)
    return _said(BODIES, sentence) or sentence


def all_in_words(sentences: Iterable[Any]) -> list[str]:
    """Each in the reader's language."""
    return [in_words(str(sentence)) for sentence in sentences]


def toml_in_words(complaint: str) -> str:
    """A complaint of tomllib, "what (at line 3, column 5)", in the reader's language."""
    what, _bracket, where = complaint.partition(" (at ")
    said = _said(TOML, what) or _("this is not written as it should be")
    line = re.search(r"line (\d+)", where)
    if line:
        return _("line %(line)s: %(problem)s", line=line.group(1), problem=said)
    return _("at the end of the text: %(problem)s", problem=said)
