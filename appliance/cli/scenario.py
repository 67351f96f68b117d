"""`zongji scenario FILE…`: run stories on the virtual clock.

Exit status: 0 all stories came true (or failed as they should), 1 one did not, 2 a file cannot be understood.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded

from appliance.cli.main import UserError
from appliance.scenario.performance import Outcome, play
from appliance.scenario.text import StoryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji scenario`."""
    parser.add_argument("file", nargs="+", type=Path, metavar="FILE", help="story, see docs/scenarios.md")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document; recordings are kept (see --keep)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the box's data (recordings, database) in DIR/STORY"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="seed of noise and timing instead of the file's"
    )
    parser.add_argument("--verbose", action="store_true", help="print the box's log to standard error")


def run(args: argparse.Namespace) -> int:
    """Run every file; returns the exit status."""
    logging.basicConfig(level=logging.INFO if args.verbose else logging.CRITICAL, stream=sys.stderr)
    if args.seed is not None and not 0 <= args.seed < 2**31:
        raise UserError("--seed must be from 0 to 2147483647")
    status = 0
    documents: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        root = _root(args, stack)
        for number, path in enumerate(args.file):
            try:
                outcome = _one(path, args, root / f"{number + 1:02d}-{path.stem}")
            except StoryError as error:
                print(f"{path}:{error.line}: {error.message}", file=sys.stderr)
                documents.append({"file": str(path), "ok": False, "error": str(error), "line": error.line})
                status = 2
                continue
            status = max(status, 0 if outcome.ok else 1)
            documents.append(outcome.document())
            if not args.json:
                print("\n".join(outcome.lines()), flush=True)
    if args.json:
        print(json.dumps(documents[0] if len(documents) == 1 else documents, ensure_ascii=False, indent=1))
    return status


def _root(args: argparse.Namespace, stack: contextlib.ExitStack) -> Path:
    """Where the boxes' data goes; thrown away at the end unless somebody wants it."""
    if args.keep is not None:
        try:
            args.keep.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--keep: cannot make {args.keep}: {error.strerror}") from error
        return Path(args.keep).resolve()
    root = Path(tempfile.mkdtemp(prefix="zongji-story-"))
    if args.json:
        print(f"recordings are kept in {root}", file=sys.stderr)
    else:
        stack.callback(shutil.rmtree, root)
    return root


def _one(path: Path, args: argparse.Namespace, home: Path) -> Outcome:
    if home.exists():
        if not (home / "db").is_dir():
            raise UserError(
                f"--keep: {home} is there already and is not the data of a story; choose another DIR"
            )
        shutil.rmtree(home)
    try:
        return play(path, home, args.seed)
    except OSError as error:
        doing = "read" if error.filename in (str(path), path) else "write"
        raise UserError(f"cannot {doing} {error.filename or path}: {error.strerror}") from error
