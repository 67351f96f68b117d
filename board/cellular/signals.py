"""What modules say about calls, SIM and network, read into plain values.

Sources: 3GPP TS 27.007 (+CLCC 7.18, +CLIP 7.11, +CREG 7.2, +CSQ 8.5, +CPIN 8.3, +CME ERROR 9.2),
3GPP TS 24.008 annex H (causes), and the makers' AT manuals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from board.atline import fields

URCS = (
    "RING",
    "+CRING",
    "+CLIP:",
    "+CLCC:",
    "+CCWA:",
    "+CREG:",
    "+CEREG:",
    "+CGREG:",
    "+CPIN:",
    "+CSQ:",
    "+CMTI:",
    "+CDSI:",
    "+CFUN:",
    "+QIND:",
    "+QTONEDET:",
    "+QUSIM:",
    "+SIMCARD:",
    "+RXDTMF:",
    "+CMS FULL",
    "+COLP:",
    "+CUSD:",
    "VOICE CALL:",
    "MISSED_CALL:",
    "NO CARRIER",
    "BUSY",
    "NO ANSWER",
    "NO DIALTONE",
    "RDY",
    "PB DONE",
    "SMS DONE",
    "POWERED DOWN",
    "START",
    "^",
)
TWO_LINE_URCS = ("+CMT:", "+CDS:")

INCOMING, DIALLING, ALERTING, CONNECTED, ENDED = "incoming", "dialling", "alerting", "connected", "ended"

_CLCC = {0: CONNECTED, 1: CONNECTED, 2: DIALLING, 3: ALERTING, 4: INCOMING, 5: "waiting", 6: ENDED}
_DSCI = {1: CONNECTED, 2: DIALLING, 3: CONNECTED, 4: INCOMING, 5: "waiting", 6: ENDED, 7: ALERTING}


@dataclass(frozen=True)
class CallSign:
    """A hint at how the call stands. `state` "": only the number is told."""

    state: str
    number: str = ""
    presentation: str = ""
    cause: str = ""


def call_sign(line: str) -> CallSign | None:
    """What a line says about the call; None when it says nothing, or makes no sense."""
    head = re.match(r"[^:,]*", line)
    word = head.group().strip() if head else ""
    parts = fields(line)
    match word:
        case "RING" | "+CRING":
            return CallSign(INCOMING)
        case "+CLIP":
            return _clip(parts)
        case "+CLCC":
            return _listed(parts, _CLCC, state_at=2, mode_at=3, number_at=5)
        case "+QIND" if parts[0] == "ccinfo":
            return _listed(parts[1:], {**_CLCC, -1: ENDED}, state_at=2, mode_at=3, number_at=5)
        case "^DSCI":
            return _listed(parts, _DSCI, state_at=2, mode_at=3, number_at=4)
        case "VOICE CALL":
            return CallSign(CONNECTED if parts[0] == "BEGIN" else ENDED)
        case "MISSED_CALL" | "NO CARRIER":
            return CallSign(ENDED)
        case "BUSY":
            return CallSign(ENDED, cause="busy")
        case "NO ANSWER":
            return CallSign(ENDED, cause="no_answer")
        case "^ORIG":
            return CallSign(DIALLING)
        case "^CONF":
            return CallSign(ALERTING)
        case "^CONN":
            return CallSign(CONNECTED)
        case "^CEND":
            return CallSign(ENDED, cause=_cause(_number(parts, 3)))
    return None


def _listed(
    parts: list[str], states: dict[int, str], state_at: int, mode_at: int, number_at: int
) -> CallSign | None:
    state, mode = _number(parts, state_at), _number(parts, mode_at)
    # Mode 0 is a voice call; a data connection is listed too and is none of ours.
    if state is None or mode != 0:
        return None
    number = parts[number_at] if len(parts) > number_at else ""
    kind = _number(parts, number_at + 1)
    return CallSign(states.get(state, ENDED if state > 6 else ""), international(number, kind))


def _clip(parts: list[str]) -> CallSign:
    validity = _number(parts, 5) or 0
    number = international(parts[0], _number(parts, 1))
    if not number:
        return CallSign("", "", "withheld" if validity == 1 else "unavailable")
    return CallSign("", number, "shown")


def international(number: str, kind: int | None) -> str:
    """A number of type 145 has a +, whether the module writes it or not."""
    clean = re.sub(r"[^0-9*#+]", "", number)
    return f"+{clean}" if kind == 145 and clean and not clean.startswith("+") else clean


def _cause(code: int | None) -> str:
    if code == 17:
        return "busy"
    if code in (18, 19):
        return "no_answer"
    return "congestion" if code in (34, 38, 41, 42, 47) else ""


def _number(parts: list[str], at: int) -> int | None:
    try:
        return int(parts[at])
    except (IndexError, ValueError):
        return None


# ----------------------------------------------------------------------- radio
_REGISTRATION = {0: "off", 1: "home", 2: "searching", 3: "denied", 4: "searching", 5: "roaming"}


def is_registration_answer(line: str) -> bool:
    """Whether a +CREG line answers `AT+CREG?` (mode, state, …) and is not unsolicited (state, "area" …)."""
    _, _, rest = line.partition(":")
    values = rest.split(",")
    return len(values) >= 2 and '"' not in values[1] and values[1].strip().isdecimal()


def registration(line: str) -> str:
    """State in a +CREG or +CEREG line of either kind; "" when unknown."""
    state = _number(fields(line), 1 if is_registration_answer(line) else 0)
    return _REGISTRATION.get(state, "") if state is not None else ""


def signal_dbm(line: str) -> int | None:
    """Signal in a +CSQ line; None when unknown."""
    level = _number(fields(line), 0)
    return -113 + 2 * level if level is not None and 0 <= level <= 31 else None


def sim_state(line: str) -> str:
    """State in a +CPIN line or in the +CME ERROR that came instead; "" when not known yet."""
    text = line.upper()
    if text.startswith("+CPIN:"):
        what = text.removeprefix("+CPIN:").strip()
        if what == "READY":
            return "ready"
        if "PUK" in what:
            return "puk"
        return "pin" if "PIN" in what else ""
    code = re.search(r"\d+", text)
    # 10 not inserted, 11/17 PIN, 12/18 PUK, 13/15 failure or wrong, 14 busy.
    states = {10: "absent", 11: "pin", 17: "pin", 12: "puk", 18: "puk", 13: "failed", 15: "failed"}
    return states.get(int(code.group()), "") if code else ""


def key(line: str) -> str:
    """Key in a +QTONEDET (ASCII code) or +RXDTMF line; "" when it is none."""
    value = fields(line)[0].upper()
    if line.startswith("+QTONEDET:") and value.isdecimal() and int(value) < 128:
        value = chr(int(value)).upper()
    return value if len(value) == 1 and value in "0123456789*#ABCD" else ""
