"""What the page of the cards shows: finder, shelf, clocks, sockets, lines and work on cards put together."""

from __future__ import annotations

from typing import Any

from webui.labels import REASON_BAD, label
from webui.sentences import N_, all_in_words, in_words
from webui.tongue import gettext as translated

Row = dict[str, Any]

COUNTED = ("slips", "underruns", "play_underruns", "lost_samples")
"""Of a clock: what should be 0."""

NOTICES = {
    "no_cards": N_("No card can be used: %(reason)s"),
    "card_added": N_("Card %(card)s was added: %(ports)s ports"),
    "card_back": N_("Card %(card)s is back: %(ports)s ports"),
    "card_lost": N_("Card %(card)s is lost: %(reason)s"),
    "card_refused": N_("Card %(card)s is not used: %(reason)s"),
    "line_lost": N_("Line %(line)s cannot be used: %(reason)s"),
    "line_back": N_("Line %(line)s can be used again"),
    "call_kept": N_("The call engine was started anew: the caller on line %(line)s stayed on the line"),
    "line_quarantined": N_("Line %(line)s is out of use for calls out and is being checked: %(reason)s"),
    "line_released": N_("Line %(line)s was checked and is in use again"),
    "no_dial_tone": N_("Line %(line)s gives no dial tone"),
    "phone_lost": N_("Telephone %(phone)s cannot be used: %(reason)s"),
    "phone_back": N_("Telephone %(phone)s can be used again"),
}
"""Notices about cards and what is plugged into them; others are not shown here."""

TESTS = {
    "hemf": N_("Hazardous foreign voltage"),
    "femf": N_("Foreign voltage"),
    "rflt": N_("Insulation resistance"),
    "roh": N_("Receiver off hook"),
    "ringers": N_("Ringers"),
    "capacitance": N_("Capacitance"),
}


def cards(health: Row, live: Row) -> list[Row]:
    """All cards that were found or are in use, those with a problem first."""
    shelf = {row["id"]: row for row in health.get("shelf", [])}
    found = list(health.get("hardware", []))
    named = {row.get("card") for row in found}
    found += [
        {"name": name, "card": name, "state": "in use" if row["state"] == "in use" else "problem"}
        for name, row in shelf.items()
        if name not in named
    ]
    shown = [_card(row, shelf.get(row.get("card", "")), health, live) for row in found]
    return sorted(shown, key=lambda card: (card["state"] == "in use", card["id"]))


def _card(found: Row, held: Row | None, health: Row, live: Row) -> Row:
    name = found.get("card") or found.get("name", "")
    clocks = {row["card"]: row for row in health.get("cards", [])}
    lost = held is not None and held["state"] != "in use"
    problem = found.get("problem", "")
    work = [row for row in health.get("work", []) if row["card"] == name]
    return {
        "id": name,
        "model": found.get("model", ""),
        "scheme": found.get("scheme", ""),
        "driver": found.get("driver", ""),
        "address": found.get("address", ""),
        "state": "lost" if lost and found.get("state") != "problem" else found.get("state", ""),
        "problem": in_words(problem) if problem else "",
        "firmware": (held or {}).get("firmware", ""),
        "features": (held or {}).get("features", []),
        "clock": _clock(clocks.get(name)),
        "ports": [
            _port(row, health, live, work)
            for row in health.get("sockets", [])
            if row["name"].rpartition("/")[0] == name
        ],
        "update": next((_work(row) for row in work if row["work"] == "firmware"), None),
    }


def _clock(clock: Row | None) -> Row | None:
    if clock is None:
        return None
    own = {key: value for key, value in clock["device"].items() if isinstance(value, int)}
    own.pop("sessions", None)
    return {
        "leads": clock["leads"],
        "drift_ppm": clock["drift_ppm"],
        "fill_ms": clock["fill_ms"],
        "counted": {key: clock.get(key, 0) for key in COUNTED},
        "device": own,
    }


def _port(socket: Row, health: Row, live: Row, work: list[Row]) -> Row:
    line: Row = next((row for row in health.get("lines", []) if row["port"] == socket["name"]), {})
    state, reason = _state(socket, live)
    test = next((row for row in work if row["work"] == "line_test" and row["port"] == socket["name"]), None)
    return {
        "name": socket["name"],
        "kind": socket["kind"],
        "used_as": socket["used_as"],
        "state": state,
        "reason": reason,
        "volts": line.get("volts"),
        "radio": socket.get("radio"),
        "test": _work(test) if test is not None else None,
    }


def _state(socket: Row, live: Row) -> tuple[str, str]:
    """State as the live board names it ("unused" for a socket that the plan does not use) and why."""
    name, said = socket["used_as"], socket["state"]
    gone = said not in ("idle", "in use")
    if not name:
        return ("fault", in_words(said)) if gone else ("unused", "")
    rows = [*live.get("lines", []), *live.get("phones", [])]
    row: Row = next((one for one in rows if name in (one.get("id"), one.get("ext"))), {})
    state = row.get("state") or ("fault" if gone else "idle")
    reason = str(row.get("reason") or (said if gone else ""))
    return state, label(REASON_BAD, reason) if reason in REASON_BAD else in_words(reason) if reason else ""


def _work(row: Row) -> Row:
    """A line test or an update, with its sentences in the reader's language."""
    results = [
        {**one, "name": translated(TESTS[one["test"]]) if one["test"] in TESTS else one["test"]}
        for one in row.get("results", [])
    ]
    return {**row, "results": results, "reason": in_words(row["reason"]) if row["reason"] else ""}


def notices(told: list[Row]) -> list[Row]:
    """{at, level, text} of those about cards and lines, in the reader's language."""
    shown = []
    for notice in told:
        pattern = NOTICES.get(str(notice.get("code")))
        if pattern is None:
            continue
        data = {key: str(value) for key, value in (notice.get("data") or {}).items()}
        if reason := data.get("reason", ""):
            known = reason in REASON_BAD
            data["reason"] = label(REASON_BAD, reason) if known else " ".join(all_in_words([reason]))
        try:
            text = translated(pattern) % data
        except KeyError:
            text = f"{notice['code']} {data}"
        shown.append({"at": notice.get("at"), "level": notice.get("level", ""), "text": text})
    return shown
