"""`zongji dsp`: ask a recording what is on the line; the answer is JSON.

Each subcommand is a function from samples to a dictionary, listed in `SUBCOMMANDS`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from appliance.cli.main import UserError
from appliance.cli.wavfile import read_wav, write_wav
from dsp import amd, answer, disconnect, learn, progress
from dsp.callerid import CallerIdReceiver
from dsp.countries import UnknownCountry
from dsp.dtmf import DtmfReceiver
from dsp.dtmf_plans import PLANS
from dsp.echo import EchoCanceller
from dsp.levels import SAMPLE_RATE_HZ, TICK_SAMPLES, Samples, lingering, rms_dbm0

Answer = dict[str, Any]

_NO_ECHO_DBM0 = -65.0


def dtmf(x: Samples, plan: str) -> Answer:
    """Keys in a recording [n]."""
    receiver = DtmfReceiver(1, plan)
    heard = receiver.process(lingering(x)[None, :])  # a key held to the end is over then
    keys = [event for event in heard if event.phase == "up"]
    return {
        "digits": "".join(key.digit for key in keys),
        "events": [
            {
                "digit": key.digit,
                "start_s": _seconds(key.start_samples),
                "duration_s": _seconds(min(key.duration_samples, len(x) - key.start_samples)),
                "level_dbm0": round(key.level_dbm0, 1),
                "twist_db": round(key.twist_db, 1),
            }
            for key in keys
        ],
    }


def callerid(x: Samples) -> Answer:
    """Caller-ID messages in a recording [n]."""
    receiver = CallerIdReceiver(1)
    return {
        "messages": [
            {
                "standard": message.standard,
                "format": message.format,
                "number": message.number,
                "name": message.name,
                "time": message.time,
                "reason": message.reason,
                "valid": message.valid,
                "start_s": _seconds(message.start_samples),
            }
            for message in receiver.process(lingering(x)[None, :])
        ]
    }


def echo(far: Samples, near: Samples, taps: int) -> tuple[Answer, Samples]:
    """Take the echo of `far` [n] out of `near` [m]; the answer, and near's m samples without it."""
    ticks = -(-len(near) // TICK_SAMPLES)
    sent, heard = (_exactly(x, ticks * TICK_SAMPLES) for x in (far, near))
    canceller = EchoCanceller(1, taps)
    clean = np.zeros_like(heard)
    for at in range(0, heard.shape[1], TICK_SAMPLES):
        tick = slice(at, at + TICK_SAMPLES)
        clean[:, tick] = canceller.process(sent[:, tick], heard[:, tick])
    clean = clean[:, : len(near)]
    erle_db = []
    for at in range(0, len(near), SAMPLE_RATE_HZ):
        second = slice(at, min(at + SAMPLE_RATE_HZ, len(near)))
        before, after = (_sound_dbm0(x[:, second]) for x in (heard, clean))
        # Where nothing comes back there is nothing to take away.
        erle_db.append(round(before - after, 1) if before > _NO_ECHO_DBM0 else 0.0)
    return {"erle_db_by_second": erle_db}, clean[0]


def _sound_dbm0(x: Samples) -> float:
    """Level of [1, n] without the direct current beside it."""
    return float(rms_dbm0(x - x.mean())[0])


def _exactly(x: Samples, n: int) -> Samples:
    """The recording as [1, n]: cut, or silence put after it."""
    return np.concatenate([x[:n], np.zeros(max(n - len(x), 0), np.float32)])[None, :]


def _seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE_HZ, 4)


# ---------------------------------------------------------------- arguments
@dataclass(frozen=True)
class Subcommand:
    """What a subcommand is for, the arguments it takes, and how it answers them."""

    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    answer: Callable[[argparse.Namespace], Answer]


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.wav", help="recording: mono, 16-bit linear, A-law or µ-law")


def _plan(text: str) -> str:
    """A plan's name as people write it. Raises argparse.ArgumentTypeError."""
    name = text.strip().lower().replace("&", "")
    if name not in PLANS:
        raise argparse.ArgumentTypeError(f"no plan {text!r}; there are {', '.join(sorted(PLANS))}")
    return name


def _file_and_plan(parser: argparse.ArgumentParser) -> None:
    _file(parser)
    names = ", ".join(sorted(PLANS))
    parser.add_argument("--plan", type=_plan, default="china", help=f"national limits: {names} (china)")


def _files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE.wav", nargs="+", help="recordings of whole calls")


def _echo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("far", metavar="FAR.wav", help="what was sent to the line")
    parser.add_argument("near", metavar="NEAR.wav", help="what came from the line at the same time")
    parser.add_argument("out", metavar="OUT.wav", help="where to write NEAR without the echo")
    parser.add_argument(
        "--taps", type=int, default=256, help="longest echo in samples of 1/8 ms (default: 256)"
    )


def _answer_echo(args: argparse.Namespace) -> Answer:
    try:
        found, clean = echo(read_wav(args.far), read_wav(args.near), args.taps)
    except ValueError as error:
        raise UserError(str(error)) from error
    write_wav(args.out, clean)
    return found


def _file_and_country(parser: argparse.ArgumentParser) -> None:
    _file(parser)
    parser.add_argument("--country", default="CN", help="whose tones to expect, two letters (default: CN)")


SUBCOMMANDS: dict[str, Subcommand] = {
    "dtmf": Subcommand(
        "keys, their times, levels and twist", _file_and_plan, lambda a: dtmf(read_wav(a.file), a.plan)
    ),
    "callerid": Subcommand(
        "caller-ID messages, FSK and DTMF, of a line on hook: in a call, keys that end with # look like one",
        _file,
        lambda a: callerid(read_wav(a.file)),
    ),
    "progress": Subcommand(
        "call-progress tones, voice and silence, with their times",
        _file_and_country,
        lambda a: {"segments": progress.segments(read_wav(a.file), a.country)},
    ),
    "disconnect": Subcommand(
        "when and why the call was over",
        _file_and_country,
        lambda a: dict(disconnect.hangup(read_wav(a.file), a.country)),
    ),
    "learn": Subcommand(
        "the disconnect tone that recorded calls end with",
        _files,
        lambda a: dict(learn.learn([read_wav(file) for file in a.files])),
    ),
    "echo": Subcommand("take the echo out of a recording", _echo_arguments, _answer_echo),
    "amd": Subcommand("person or answering machine", _file, lambda a: dict(amd.amd(read_wav(a.file)))),
    "answer": Subcommand(
        "when the far side of an outgoing call answered",
        _file_and_country,
        lambda a: dict(answer.answer(read_wav(a.file), a.country)),
    ),
}


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="WHAT", parser_class=_Parser)
    for name, subcommand in SUBCOMMANDS.items():
        subcommand.arguments(subparsers.add_parser(name, help=subcommand.help, description=subcommand.help))


def run(args: argparse.Namespace) -> int:
    """Print the answer to one subcommand."""
    try:
        answer = SUBCOMMANDS[args.subcommand].answer(args)
    except UnknownCountry as error:
        raise UserError(str(error)) from error
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    return 0
