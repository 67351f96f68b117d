"""`zongji board list | watch | test PORT | linetest PORT | firmware CARD FILE`: what an installer needs.

`list`, `watch`, `linetest` and `firmware` ask the running engine when there is one; otherwise they open
the cards themselves. `test` always opens the card itself, so the engine must not have it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from appliance.cli import cardwork
from appliance.cli.main import UserError
from appliance.client import EngineClient, PeerAway, WireError
from appliance.paths import Home
from board import api
from board.hotplug import Inventory, udev

Row = dict[str, Any]

MEASURE_S = 1.5
"""Some cards measure their lines once a second."""
TICK_S = api.BLOCK_SAMPLES / api.SAMPLE_RATE_HZ


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    sub = parser.add_subparsers(dest="subcommand", required=True, metavar="WHAT")
    what = {
        "list": "cards, drivers, ports, their state and what is missing",
        "watch": "events and levels as they come, until Ctrl-C",
        "test": "test one port and say whether it is well",
        "linetest": "let a line card measure one line: foreign voltage, insulation, ringers (GR-909)",
        "firmware": "give a line card new firmware",
    }
    for name, text in what.items():
        one = sub.add_parser(name, help=text, description=text)
        one.add_argument("--json", action="store_true", help="answer in JSON (watch: one object per line)")
        one.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")
        one.add_argument(
            "--board", action="append", metavar="ADDRESS", help="open this card (default: all that are found)"
        )
        if name == "watch":
            one.add_argument("--seconds", type=float, metavar="N", help="stop after N seconds")
        cardwork.add_arguments(name, one)
        if name == "test":
            one.add_argument("port", metavar="PORT", help="as `zongji board list` shows it, CARD/NUMBER")
            one.add_argument("--country", default="CN", help="whose dial tone to expect (default: CN)")


def run(args: argparse.Namespace) -> int:
    """One subcommand."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    home = Home(args.home.resolve()) if args.home else Home.from_env()
    commands = {"list": _list, "watch": _watch, "test": _test, "linetest": _linetest, "firmware": _firmware}
    return commands[args.subcommand](args, home)


# ------------------------------------------------------------------------- list
def _list(args: argparse.Namespace, home: Home) -> int:
    health = None if args.board else _health(home)
    found = _from_engine(health) if health is not None else _by_ourselves(args.board)
    found["asked"] = "engine" if health is not None else "cards"
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    print(_listing(found))
    return 0


def _from_engine(health: Row) -> Row:
    """What the running engine says of its cards, and udev of those it does not have."""
    lines = {row["port"]: row for row in health.get("lines", [])}
    cards: list[Row] = []
    described = {row["card"]: row for row in health.get("hardware", []) if row.get("card")}
    clocks = {row["card"]: row for row in health.get("cards", [])}
    for card in health.get("shelf", []):
        more = described.get(card["id"], {})
        ports = []
        for socket in health.get("sockets", []):
            if socket["name"].rpartition("/")[0] != card["id"]:
                continue
            line = lines.get(socket["name"], {})
            ports.append(
                {
                    "port": socket["name"],
                    "kind": socket["kind"],
                    "name": socket.get("used_as", ""),
                    "state": socket.get("state", ""),
                    "volts": line.get("volts"),
                }
            )
        cards.append(
            {
                "card": card["id"],
                "model": more.get("model") or card["firmware"],
                "driver": more.get("driver", ""),
                "address": more.get("address", ""),
                "state": card["state"],
                "problem": more.get("problem", ""),
                "clock": clocks.get(card["id"]),
                "ports": ports,
            }
        )
    known = {card["card"] for card in cards if card["state"] == "in use"}
    rows = {row["address"] or row["name"]: row for row in health.get("hardware", [])}
    for seen in _inventory():
        rows.setdefault(seen["address"] or seen["name"], seen)
    for row in rows.values():
        if row.get("card") not in known and row.get("problem"):
            cards.append(_without_ports(row))
    return {"cards": cards}


def _without_ports(row: Row) -> Row:
    return {
        "card": row["name"],
        "model": row["model"],
        "driver": row["driver"],
        "address": row["address"],
        "state": "problem",
        "problem": row["problem"],
        "ports": [],
    }


def _inventory() -> list[Row]:
    """What udev sees."""
    inventory = Inventory(udev.driver_state)
    inventory.step(udev.scan())
    return [
        {
            "name": card.name,
            "model": card.model,
            "driver": card.driver,
            "address": card.address,
            "problem": card.problem,
        }
        for card in inventory.cards
    ]


def _by_ourselves(addresses: list[str] | None) -> Row:
    """Open every card for a moment."""
    if addresses:
        rows = [{"name": a, "model": "", "driver": "", "address": a, "problem": ""} for a in addresses]
    else:
        rows = _inventory()
    cards = []
    for row in rows:
        if row["problem"]:
            cards.append(_without_ports(row))
            continue
        try:
            with _opened(row["address"]) as board:
                cards.append(_look(board, row))
        except api.BoardError as error:
            cards.append(_without_ports({**row, "problem": str(error)}))
    return {"cards": cards}


def _look(board: api.Board, row: Row) -> Row:
    silence = np.zeros((len(board.ports), api.BLOCK_SAMPLES), np.int16)
    for _ in range(round(MEASURE_S / TICK_S)):
        board.read()
        board.write(silence)
    ports = []
    for port in board.ports:
        measure = board.measure(port.index)
        ports.append(
            {
                "port": port.name,
                "kind": port.kind.value,
                "name": "",
                "state": _state(port, measure),
                "volts": measure.volts,
            }
        )
    model = row["model"] or board.caps.firmware
    return {
        "card": board.id,
        "model": model,
        "driver": row["driver"],
        "address": row["address"],
        "state": "well",
        "problem": "",
        "ports": ports,
    }


def _state(port: api.PortInfo, measure: api.LineMeasure) -> str:
    if port.kind is api.PortKind.FXS:
        return "" if measure.off_hook is None else "off hook" if measure.off_hook else "on hook"
    if measure.radio is not None:
        return f"SIM {measure.radio.sim or 'unknown'}, {measure.radio.registration or 'no network'}"
    if measure.volts is None:
        return ""
    size = abs(measure.volts)
    return "no line" if size < 3 else "in use elsewhere" if size < 10 and not measure.off_hook else "idle"


def _listing(found: Row) -> str:
    if not found["cards"]:
        return (
            "No card was found. Known cards are in docs/hardware.md; "
            "--board sim: looks at the simulated office."
        )
    lines = []
    for card in found["cards"]:
        about = ", ".join(filter(None, (card["model"], card["driver"] and f"driver {card['driver']}")))
        lines.append(f"{card['card']}  {card['state']}  {about}")
        if card["problem"]:
            lines.append(f"    {card['problem']}")
        if card.get("clock"):
            lines.append(f"    {_clock_text(card['clock'])}")
        for port in card["ports"]:
            volts = "" if port["volts"] is None else f"{abs(port['volts']):5.1f} V"
            lines.append(
                f"    {port['port']:24} {port['kind']}  {port['name']:6} {volts:8} {port['state']}".rstrip()
            )
    return "\n".join(lines)


_COUNTED = ("slips", "underruns", "play_underruns", "lost_samples")


def _clock_text(clock: Row) -> str:
    """Of the engine: who paces, the drift, and what was counted, by the card itself too."""
    role = (
        "leads" if clock["leads"] else f"follows, {clock['drift_ppm']:+.1f} ppm, {clock['fill_ms']} ms queued"
    )
    counted = {key: clock[key] for key in _COUNTED}
    own = {
        key: value for key, value in clock["device"].items() if isinstance(value, int) and key != "sessions"
    }
    counted |= {f"card's {key}": value for key, value in own.items()}
    wrong = [f"{key.replace('_', ' ')} {value}" for key, value in counted.items() if value]
    return f"clock: {role}; " + (", ".join(wrong) or "nothing lost")


# ------------------------------------------------------------------------ watch
def _watch(args: argparse.Namespace, home: Home) -> int:
    end_s = None if args.seconds is None else time.monotonic() + args.seconds
    client = None if args.board else _engine(home)
    with contextlib.suppress(KeyboardInterrupt):
        if client is not None:
            with client:
                _watch_engine(client, args.json, end_s)
        else:
            _watch_cards(args.board, args.json, end_s)
    return 0


def _watch_engine(client: EngineClient, as_json: bool, end_s: float | None) -> None:
    states: dict[str, str] = {}
    client.snapshot()
    while end_s is None or time.monotonic() < end_s:
        message = client.receive(0.5)
        if message is None:
            continue
        topic, data = message["event"], message["data"]
        if topic == "live":
            for row in (*data["lines"], *data["phones"]):
                name = row.get("id") or row.get("ext")
                if states.get(name) != row["state"]:
                    seen = {"port": name, "state": row["state"], "reason": row.get("reason", "")}
                    states[name] = row["state"]
                    _say(as_json, "state", seen, f"{name} {row['state']} {seen['reason']}")
        elif topic == "notice":
            _say(as_json, "notice", data, f"{data['level']}: {data['code']} {data['data']}")
        elif topic == "health":
            for row in data.get("lines", []):
                _say(as_json, "line", row, _line_text(row))


_SHOWN = (
    ("volts", "{:.0f} V"),
    ("milliamps", "{:.0f} mA"),
    ("level_dbm0", "level {:.0f} dBm0"),
    ("hum_dbm0", "hum {:.0f} dBm0"),
    ("erl_db", "echo loss {:.0f} dB"),
    ("caller_id_percent", "caller ID {:.0f} %"),
    ("rings_before_caller_id", "after {} ring(s)"),
    ("hang_up_latency_s", "hang-up after {:.1f} s"),
)


def _line_text(row: Row) -> str:
    parts = [form.format(row[key]) for key, form in _SHOWN if row.get(key) is not None]
    if row.get("last_good_call"):
        parts.append("last good call " + time.strftime("%d.%m. %H:%M", time.localtime(row["last_good_call"])))
    return f"{row['id']} " + ", ".join(parts)


def _say(as_json: bool, kind: str, data: Row, text: str) -> None:
    if as_json:
        print(json.dumps({"at": time.time(), "kind": kind, **data}, ensure_ascii=False), flush=True)
    else:
        print(f"{time.strftime('%H:%M:%S')} {text}".rstrip(), flush=True)


def _watch_cards(addresses: list[str] | None, as_json: bool, end_s: float | None) -> None:
    """Without an engine: the first card that is given or found."""
    chosen = addresses or [row["address"] for row in _inventory() if not row["problem"]]
    if not chosen:
        raise UserError("no card can be watched: see `zongji board list`, or give --board ADDRESS")
    if len(chosen) > 1:
        raise UserError(f"several cards are there; choose one: {', '.join('--board ' + a for a in chosen)}")
    try:
        with _opened(chosen[0], pace="wall") as board:
            _watch_card(board, as_json, end_s)
    except api.BoardError as error:
        raise UserError(str(error)) from error


def _watch_card(board: api.Board, as_json: bool, end_s: float | None) -> None:
    from dsp.levels import rms_dbm0

    silence = np.zeros((len(board.ports), api.BLOCK_SAMPLES), np.int16)
    names = {port.index: port.name for port in board.ports}
    ticks = 0
    while end_s is None or time.monotonic() < end_s:
        tick = board.read()
        board.write(silence)
        for event in tick.events:
            kind = type(event).__name__
            more = {k: v for k, v in vars(event).items() if k not in ("port", "clock")}
            name = names.get(event.port, str(event.port))
            seen = {"port": name, "event": kind, "clock": event.clock}
            text = " ".join([name, kind, *(f"{key}={value}" for key, value in more.items())])
            _say(as_json, "event", {**seen, "more": {k: str(v) for k, v in more.items()}}, text)
        if ticks % 50 == 0:
            levels = rms_dbm0(tick.audio)
            for row, port in enumerate(sorted(board.ports, key=lambda port: port.index)):
                volts = board.measure(port.index).volts
                data = {"port": port.name, "volts": volts, "level_dbm0": round(float(levels[row]), 1)}
                shown = "" if volts is None else f"{abs(volts):.0f} V, "
                _say(as_json, "level", data, f"{port.name} {shown}{data['level_dbm0']} dBm0")
        ticks += 1


# ------------------------------------------------------------------------- test
class _AtTheTelephone:
    """A person reads what to do."""

    def lift(self) -> None:
        _ask("the telephone rings: lift it")

    def press(self) -> None:
        _ask("press 1, 2 and 3")

    def speak(self) -> None:
        _ask("say something: you hear yourself half a second later")

    def hang_up(self) -> None:
        _ask("hang up")


def _ask(text: str) -> None:
    print(f">>> {text}", file=sys.stderr, flush=True)


class _Simulated:
    """The simulated person at a simulated telephone."""

    def __init__(self, phone: Any) -> None:
        self._phone = phone

    def lift(self) -> None:
        self._phone.lift()

    def press(self) -> None:
        self._phone.press("123")

    def speak(self) -> None:
        t = np.arange(2 * api.SAMPLE_RATE_HZ) / api.SAMPLE_RATE_HZ
        self._phone.say((3000 * np.sin(2 * np.pi * 700 * t)).astype(np.int16))

    def hang_up(self) -> None:
        self._phone.hang_up()


def _test(args: argparse.Namespace, home: Home) -> int:
    from appliance.cli.porttest import Finding, Person, Wiring, test_port
    from board.sim import SimBoard
    from dsp.countries import UnknownCountry

    address = _address_of(args.port, args.board)
    if address.partition(":")[0] != "sim":
        _refuse_engine(home)

    def tell(finding: Finding) -> None:
        mark = {True: "pass", False: "FAIL", None: "  - "}[finding.passed]
        if not args.json:
            print(f"{mark}  {finding.text}", flush=True)

    try:
        with _opened(address) as board:
            port = next((one for one in board.ports if one.name == args.port), None)
            if port is None:
                there = ", ".join(one.name for one in board.ports)
                raise UserError(f"the card has no port {args.port}; there are {there}")
            person: Person = _AtTheTelephone()
            if isinstance(board, SimBoard) and port.kind is api.PortKind.FXS:
                person = _Simulated(board.office.phone(port.index))
            findings = test_port(Wiring(board, port), args.country, person, tell)
    except (api.BoardError, UnknownCountry) as error:
        raise UserError(str(error)) from error
    failed = [one for one in findings if one.passed is False]
    if args.json:
        result = {"port": args.port, "passed": not failed, "findings": [one.as_dict() for one in findings]}
        print(json.dumps(result, ensure_ascii=False))
    elif failed:
        print(f"{args.port} FAILED: " + "; ".join(one.text for one in failed))
    else:
        print(f"{args.port} passed.")
    return 1 if failed else 0


def _address_of(port: str, addresses: list[str] | None) -> str:
    """The card of a port. Raises UserError."""
    card, slash, _ = port.rpartition("/")
    if not slash or not card:
        raise UserError(f"{port!r} is no port; write it as `zongji board list` shows it: CARD/NUMBER")
    if addresses:
        if len(addresses) > 1:
            raise UserError("a test needs one card: give --board once")
        return addresses[0]
    if card == "sim":
        return "sim:"
    rows = _inventory()
    for row in rows:
        scheme, _, rest = row["address"].partition(":")
        if card in (row["name"], rest, f"{scheme}-{rest}"):
            if row["problem"]:
                raise UserError(f"the card {card} cannot be used: {row['problem']}")
            return str(row["address"])
    there = ", ".join(row["name"] for row in rows) or "none"
    raise UserError(f"no card {card!r} is plugged in (there: {there}); or give its address with --board")


def _refuse_engine(home: Home) -> None:
    """The engine has its cards for itself."""
    try:
        fd = os.open(home.run / "engine.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        raise UserError(
            f"the engine (process {pid or 'unknown'}) has the cards: stop it for the test, "
            "or use `zongji board watch`, which asks the engine"
        ) from error
    finally:
        os.close(fd)


# ------------------------------------------------------------------ work on cards
def _linetest(args: argparse.Namespace, home: Home) -> int:
    client = _worker(args, home)
    return _work(
        lambda: cardwork.line_test(args, client, lambda: _opened(_address_of(args.port, args.board)))
    )


def _firmware(args: argparse.Namespace, home: Home) -> int:
    client, port = _worker(args, home), f"{args.card}/0"
    return _work(lambda: cardwork.update(args, client, lambda: _opened(_address_of(port, args.board))))


def _worker(args: argparse.Namespace, home: Home) -> EngineClient | None:
    """The engine, when it has the cards; None when we may open the card."""
    client = None if args.board else _engine(home)
    if client is None:
        _refuse_engine(home)
    return client


def _work(do: Callable[[], int]) -> int:
    try:
        return do()
    except api.BoardError as error:
        raise UserError(str(error)) from error


# ---------------------------------------------------------------------- helpers
@contextlib.contextmanager
def _opened(address: str, **options: Any) -> Iterator[api.Board]:
    """The card, closed afterwards. Only simulated cards know a pace. Raises BoardError."""
    from board.registry import open_board

    board = open_board(address, **(options if address.partition(":")[0] == "sim" else {}))
    try:
        yield board
    finally:
        board.close()


def _engine(home: Home) -> EngineClient | None:
    """A connection to the running engine; None when none runs."""
    if not home.engine_socket.exists():
        return None
    try:
        return EngineClient(home.engine_socket)
    except PeerAway:
        return None
    except WireError as error:
        raise UserError(str(error)) from error


def _health(home: Home) -> Row | None:
    """What the running engine says of itself; None when none runs."""
    client = _engine(home)
    if client is None:
        return None
    with client:
        end_s = time.monotonic() + 5.0
        while time.monotonic() < end_s:
            message = client.receive(1.0)
            if message is not None and message["event"] == "health":
                return dict(message["data"])
    raise UserError("the engine runs, but says nothing of its health: look at its log")
