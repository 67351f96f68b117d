"""The recovery system as a process: finishes what was cut off, obeys a stick, shows menu and page."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from recovery import headless
from recovery.choices import CHOICES
from recovery.desk import Desk
from recovery.find import find
from recovery.menu import Menu
from recovery.page import serve
from recovery.refused import Refused

TERMINALS = (Path("/dev/tty1"), Path("/dev/ttyS0"))
PORT = 80
LOOK_S = 2.0


def addresses() -> list[str]:
    """Addresses of this machine that a browser can use."""
    try:
        done = subprocess.run(
            ["ip", "-o", "addr", "show", "scope", "global"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = [line.split()[3].partition("/")[0] for line in done.stdout.splitlines() if len(line.split()) > 3]
    return [f"[{one}]" if ":" in one else one for one in found]


def show_on(desk: Desk, terminal: Path) -> None:
    """The menu on one terminal, for ever."""
    while True:
        try:
            with terminal.open("r+", buffering=1, encoding="utf-8", errors="replace") as line:
                Menu(desk, line, line, addresses()).run()
        except OSError as error:
            print(f"Zongji: {terminal}: {error}", flush=True)
        time.sleep(LOOK_S)


def watch(desk: Desk) -> None:
    """Sticks that are put in later, and a box that nobody looks after."""
    restart = next(choice for choice in CHOICES if choice.key == "restart")
    while True:
        time.sleep(LOOK_S)
        if desk.busy:
            continue
        had = desk.box.stick
        desk.look_again()
        if desk.box.stick is not None and desk.box.stick != had:
            obey_stick(desk)
        if desk.retry_in_s() == 0.0:
            print("Zongji: nobody is here: the box tries its systems again", flush=True)
            try:
                desk.do(restart, {}, "timeout")
            except Refused as refused:
                print(f"Zongji: {refused.text}", flush=True)
            desk.touch()


def obey_stick(desk: Desk) -> None:
    """What recovery.json says; after something was done to the box, it starts again."""
    result = headless.run(desk.box, desk.tell)
    desk.step = None
    if result is None:
        return
    desk.result = result
    print(f"Zongji: {result['action']}: {result['code']}: {result['text']}", flush=True)
    if result["ok"]:
        restart = next(choice for choice in CHOICES if choice.key == "restart")
        if result["action"] not in ("restart", "write_image"):
            desk.do(restart, {}, "stick")


def main() -> int:
    """Until the machine goes down."""
    desk = Desk(find, time.monotonic)
    print(f"Zongji: recovery ({desk.box.cause or 'started'}), box {desk.box.serial or 'unknown'}", flush=True)
    ordered = desk.resume()
    if ordered is not None:
        print(f"Zongji: {ordered['action']}: {ordered['code']}: {ordered['text']}", flush=True)
        if ordered["ok"]:
            desk.do(next(choice for choice in CHOICES if choice.key == "restart"), {}, "order")
    obey_stick(desk)
    for terminal in TERMINALS:
        if terminal.exists():
            threading.Thread(target=show_on, args=(desk, terminal), name=terminal.name, daemon=True).start()
    threading.Thread(target=watch, args=(desk,), name="watch", daemon=True).start()
    while True:
        try:
            serve(desk, "::", PORT).serve_forever()
        except OSError as error:
            print(f"Zongji: the page cannot be served: {error}", flush=True)
            time.sleep(LOOK_S)


if __name__ == "__main__":
    sys.exit(main())
