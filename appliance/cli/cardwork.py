"""`zongji board linetest PORT` and `zongji board firmware CARD FILE`.

While the engine runs it has the cards, so it does the work; otherwise the card is opened here.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from appliance.cli.main import UserError
from appliance.client import EngineClient, WireError
from board import api
from board.linecard import LinecardBoard, firmware
from board.linecard.linetest import LineTestRun
from board.linecard.update import FirmwareUpdate, Progress

Row = dict[str, Any]
Tell = Callable[[Row], None]

SILENT_S = 15.0
"""The engine tells every step; work of which nothing is heard for so long is not waited for."""
TEST_S = 60.0
RESTART_S = 60.0
NAMES = {
    "hemf": "hazardous foreign voltage",
    "femf": "foreign voltage",
    "rflt": "insulation resistance",
    "roh": "receiver off hook",
    "ringers": "ringers",
    "capacitance": "capacitance",
}


def add_arguments(name: str, one: argparse.ArgumentParser) -> None:
    """What the two commands take besides what all have."""
    if name == "linetest":
        one.add_argument("port", metavar="PORT", help="as `zongji board list` shows it, CARD/NUMBER")
    if name == "firmware":
        one.add_argument("card", metavar="CARD", help="as `zongji board list` shows it")
        one.add_argument("file", metavar="FILE", type=Path, help="firmware file of the card's maker")
        one.add_argument("--force", action="store_true", help="although a call is up on the card: it ends")


# --------------------------------------------------------------------- line test
def line_test(args: argparse.Namespace, client: EngineClient | None, opened: Callable[[], Any]) -> int:
    """One line test; 0 when nothing failed. `opened` opens the card when there is no engine."""
    if client is not None:
        done = _by_engine(client, lambda ref: client.line_test(ref, args.port), lambda row: None)
    else:
        with opened() as board:
            done = _line_test_here(_linecard(board, "line-test", "this card tests no lines"), args.port)
    failed = [one for one in done["results"] if one["quality"] == "fail"]
    if args.json:
        print(json.dumps({"port": args.port, "passed": not failed, "results": done["results"]}))
    else:
        print("\n".join(_result_text(one) for one in done["results"]))
        print(f"{args.port} {'FAILED' if failed else 'has no fault that the card can tell'}.")
    return 1 if failed else 0


def _line_test_here(board: LinecardBoard, name: str) -> Row:
    port = next((one for one in board.ports if one.name == name), None)
    if port is None:
        there = ", ".join(one.name for one in board.ports)
        raise UserError(f"the card has no port {name}; there are {there}")
    run = LineTestRun(board, port.index)
    _tick(board, lambda: run.state != "running", TEST_S)
    if run.state != "done":
        raise UserError(f"the line test failed: {run.reason or 'the card does not end it'}")
    return {"results": [one.as_dict() for one in run.results]}


def _result_text(one: Row) -> str:
    mark = {"pass": "pass", "fail": "FAIL", "unknown": "  - "}[one["quality"]]
    value = "unknown" if one["value"] is None else f"{one['value']:g} {one['unit']}".strip()
    if one["test"] == "roh" and one["value"] is not None:
        value = "yes" if one["value"] else "no"
    return f"{mark}  {NAMES.get(one['test'], one['test'])}: {value}"


# ---------------------------------------------------------------------- firmware
def update(args: argparse.Namespace, client: EngineClient | None, opened: Callable[[], Any]) -> int:
    """New firmware for one card; 0 when it has come back with it."""
    try:
        data = args.file.read_bytes()
        new = firmware.read(data)
    except OSError as error:
        raise UserError(f"{args.file} cannot be read: {error.strerror}") from error
    except firmware.FirmwareError as error:
        raise UserError(f"{args.file}: {error}") from error
    tell = _Meter(args.json)
    if client is not None:
        done = _by_engine(client, lambda ref: client.firmware(ref, args.card, data, args.force), tell)
    else:
        with opened() as board:
            done = _update_here(_linecard(board, "update", "this card takes no new firmware"), new, tell)
    if args.json:
        print(json.dumps({key: done[key] for key in ("card", "old", "version", "state")}))
    else:
        print(f"{done['card']} has started firmware {done['version']} (before: {done['old']}).")
    return 0


class _Meter:
    """Progress on the terminal: one line, every step once."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._last = ""

    def __call__(self, row: Row) -> None:
        percent = 100 * row["sent"] // max(1, row["size"])
        text = f"sending {percent} %" if row["step"] in ("", Progress.SENDING.value) else str(row["step"])
        text = "waiting for the card" if row["step"] == Progress.DONE.value else text
        if text != self._last:
            self._last = text
            if self._as_json:
                print(json.dumps({"step": row["step"], "percent": percent}), file=sys.stderr, flush=True)
            else:
                print(text, file=sys.stderr, flush=True)


def _update_here(board: LinecardBoard, new: firmware.Firmware, tell: Tell) -> Row:
    if reason := firmware.unfit(new, board.name, board.caps.features):
        raise UserError(reason)
    row = {"card": board.id, "old": board.caps.firmware, "version": new.version, "size": len(new.image)}
    run = FirmwareUpdate(board, new.image, new.version)

    def over() -> bool:
        tell({**row, "sent": run.sent_bytes, "step": run.progress.value})
        return run.progress in (Progress.DONE, Progress.FAILED)

    went = [False]

    def back() -> bool:
        went[0] = went[0] or not board.control_up
        return went[0] and board.control_up

    # 232 bytes a tick: a long image takes its time, and the link gives up a card that is silent.
    _tick(board, over, 60.0 + len(new.image) / 1000)
    if run.progress is not Progress.DONE:
        raise UserError(f"the card did not take the firmware: {run.reason or 'it does not go on'}")
    try:
        _tick(board, back, RESTART_S)
    except api.BoardError as error:
        raise UserError(f"the card has started {new.version} and is being found anew: {error}") from error
    if board.caps.firmware != new.version:
        raise UserError(f"the card came back with firmware {board.caps.firmware}")
    return {**row, "state": "done"}


# ----------------------------------------------------------------------- helpers
def _by_engine(client: EngineClient, ask: Callable[[str], None], tell: Tell) -> Row:
    """Let the engine do it. Raises UserError when it is refused or fails."""
    ref = secrets.token_hex(8)
    heard_s = time.monotonic()
    try:
        with client:
            ask(ref)
            while time.monotonic() - heard_s < SILENT_S + TEST_S:
                message = client.receive(1.0)
                if message is None or message["event"] != "card_work" or message["data"]["ref"] != ref:
                    continue
                row: Row = message["data"]
                heard_s = time.monotonic()
                if row["state"] in ("refused", "failed"):
                    raise UserError(row["reason"] or "the card did not do it")
                if row["work"] == "firmware":
                    tell(row)
                if row["state"] == "done":
                    return row
    except WireError as error:
        raise UserError(str(error)) from error
    raise UserError("the engine tells nothing of it any more: look at its log")


def _linecard(board: api.Board, feature: str, unable: str) -> LinecardBoard:
    if not isinstance(board, LinecardBoard):
        raise UserError(f"{board.id} is no card with the line card protocol")
    if feature not in board.caps.features:
        raise UserError(unable)
    return board


def _tick(board: LinecardBoard, over: Callable[[], bool], within_s: float) -> None:
    """Read and write silence until it is over, or the time is."""
    silence = np.zeros((len(board.ports), api.BLOCK_SAMPLES), np.int16)
    for _ in range(round(within_s * api.SAMPLE_RATE_HZ / api.BLOCK_SAMPLES)):
        if over():
            return
        board.read()
        board.write(silence)
