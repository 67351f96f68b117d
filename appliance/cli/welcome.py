"""`zongji welcome`: wait until the pages answer, then say where and with which code."""

from __future__ import annotations

import argparse
import time
import urllib.error
import urllib.request
from pathlib import Path

from appliance.cli.main import UserError, port_number
from appliance.client import CallFailed, ControlClient, PeerAway
from appliance.paths import Home
from appliance.store import StoreError, open_store

PATIENCE_S = 60.0
ENGINE_PATIENCE_S = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji welcome`."""
    parser.add_argument("--home", type=Path, required=True, help="data directory")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=port_number, required=True)


def run(args: argparse.Namespace) -> int:
    """Print the address, and the one-time claim code while the box belongs to nobody."""
    host = f"[{args.host}]" if ":" in args.host else args.host
    address = f"http://{host}:{args.port}/"
    wait_for(address)
    problem = wait_for_engine(Home(args.home))
    try:
        code = open_store(Home(args.home).database).claim.code()
    except StoreError as error:
        raise UserError(str(error)) from error
    print(f"\n  Zongji 总机 is ready:  {address}")
    if code:
        print(f"  Claim code 认领码:     {code}   (once, to make the administrator)")
    print("  Ctrl-C stops it.\n", flush=True)
    if problem:
        raise UserError(f"the pages are there, but no call can come yet: {problem}")
    return 0


def wait_for_engine(home: Home) -> str:
    """Wait until the engine works by a plan, so that the first call goes through; "" or why it does not."""
    deadline_s = time.monotonic() + ENGINE_PATIENCE_S
    while problem := engine_problem(home):
        if time.monotonic() > deadline_s:
            return problem
        time.sleep(0.1)
    return ""


def engine_problem(home: Home) -> str:
    """Why no call can come now; "" when one can."""
    try:
        status = ControlClient(home.control_socket).call("status")
    except (PeerAway, CallFailed) as error:
        return str(error)
    if not status["engine"]["up"]:
        return str(status["engine"]["problem"])
    plan = status["plan"]
    if not plan["published"]:
        return "; ".join(plan["problems"]) or "the settings are still being read"
    return ""


def wait_for(address: str) -> None:
    """Return when something answers at `address`; raise UserError when nothing does."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # an error page is an answer too
        except OSError as error:
            if time.monotonic() > deadline_s:
                raise UserError(
                    f"the pages do not answer at {address}: {error}. The messages above say why"
                ) from error
            time.sleep(0.2)
