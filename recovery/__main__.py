"""The recovery system as a process: finishes what was cut off, obeys a stick, shows menu and page."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

from image.box import bootstate, certificate, door
from image.box.places import Places
from recovery import runner, tls
from recovery.desk import Desk
from recovery.find import find
from recovery.menu import Menu
from recovery.page import listener, serve
from recovery.refused import Refused
from recovery.words import LANGUAGES

TERMINALS = {Path("/dev/tty1"): ("en",), Path("/dev/ttyS0"): tuple(LANGUAGES)}
"""With the languages that each can show: the kernel draws no Chinese on the screen; the program that somebody
has at the serial port does."""
PORT, DOOR_PORT = 443, 80
LOOK_S = 2.0

menus: dict[Path, Menu] = {}
"""The menu of each terminal."""


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


def show_on(desk: Desk, terminal: Path, page: Places | None) -> None:
    """The menu on one terminal, for ever."""
    while True:
        try:
            menu_on(desk, terminal, page)
        except Exception as error:  # whatever it is: the menu comes back
            print(f"Zongji: {terminal}: {type(error).__name__}: {error}", flush=True)
        time.sleep(LOOK_S)


def menu_on(desk: Desk, terminal: Path, page: Places | None) -> None:
    """The menu, until the terminal is hung up. page: where the page's certificate is; None where there is no
    page. Raises OSError."""
    # Two files: a terminal cannot be sought, which "r+" wants. Not ours to control: Ctrl-C ends nothing.
    handle = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    with (
        os.fdopen(handle, "r", encoding="utf-8", errors="replace") as keys,
        os.fdopen(os.dup(handle), "w", encoding="utf-8", errors="replace") as screen,
    ):
        mark = certificate.fingerprint(page) if page else ""
        languages = TERMINALS.get(terminal, tuple(LANGUAGES))
        menus[terminal] = Menu(
            desk, keys, screen, addresses if page else list, fingerprint=mark, languages=languages
        )
        try:
            menus[terminal].run()
        finally:
            del menus[terminal]


def watch(desk: Desk) -> None:
    """Sticks that are put in later, and a box that nobody looks after; for ever."""
    while True:
        time.sleep(LOOK_S)
        try:
            look(desk)
        except Exception as error:  # nobody else would start the box again
            print(f"Zongji: {type(error).__name__}: {error}", flush=True)


def look(desk: Desk) -> None:
    """Once: is there a new stick, has nobody come? Raises OSError."""
    if desk.busy:
        return
    desk.look_again()
    for menu in list(menus.values()):
        menu.look()
    if desk.box.stick is None:
        desk.seen = None
    elif desk.box.stick != desk.seen:
        begin(desk)
    if desk.retry_in_s() == 0.0:
        print("Zongji: nobody is here: the box tries its systems again", flush=True)
        desk.wait_again()
        restart(desk)


def begin(desk: Desk) -> None:
    """Finish what was cut off, do what was ordered, obey the stick: at the start and for every stick."""
    try:
        ordered = desk.resume()
    except Refused as refused:
        print(f"Zongji: {refused.text}", flush=True)
        return
    except OSError as error:  # menu and page must come up all the same
        print(f"Zongji: what was ordered cannot be told: {error}", flush=True)
        ordered = None
    if ordered is not None:
        print(f"Zongji: {ordered['action']}: {ordered['code']}: {ordered['text']}", flush=True)
    if ordered is not None and ordered["ok"]:
        restart(desk)
    else:
        obey_stick(desk)


def came_up(desk: Desk) -> None:
    """Tell the boot loader that the disk's own recovery system does start. What was ordered from one that did
    not is forgotten, if it was not begun."""
    box = desk.box
    if box.boot is None:
        return
    try:
        runner.drop_given_up(box)
    except OSError as error:
        print(f"Zongji: what was ordered cannot be forgotten: {error}", flush=True)
    if box.from_stick:
        return
    try:
        bootstate.recovery_is_up(box.boot)
    except OSError as error:
        print(f"Zongji: the boot state cannot be written: {error}", flush=True)


def restart(desk: Desk) -> None:
    """Start the box again; what hinders it is told."""
    try:
        desk.restart()
    except Refused as refused:
        print(f"Zongji: {refused.text}", flush=True)


def obey_stick(desk: Desk) -> None:
    """What recovery.json says; after something was done to the box, it starts again."""
    try:
        result = desk.obey()
    except Refused as refused:
        print(f"Zongji: {refused.text}", flush=True)
        return
    if result is None:
        return
    print(f"Zongji: {result['action']}: {result['code']}: {result['text']}", flush=True)
    if result["ok"] and result["action"] not in ("restart", "write_image"):
        restart(desk)


def page_of(desk: Desk) -> Places | None:
    """Where the page's certificate is; None where none can be made: there is the menu all the same."""
    try:
        return tls.choose(desk.box)
    except (certificate.NoCertificate, OSError) as error:
        print(f"Zongji: there is no page on the network: {error}", flush=True)
        return None


def serve_for_ever(name: str, server: Callable[[], ThreadingHTTPServer]) -> None:
    """A server, made anew when it fails."""
    while True:
        try:
            server().serve_forever()
        except OSError as error:
            print(f"Zongji: {name} cannot be served: {error}", flush=True)
            time.sleep(LOOK_S)


def main() -> int:
    """Until the machine goes down."""
    desk = Desk(find, time.monotonic)
    print(f"Zongji: recovery ({desk.box.cause or 'started'}), box {desk.box.serial or 'unknown'}", flush=True)
    page = page_of(desk)
    work = [
        threading.Thread(target=show_on, args=(desk, terminal, page), name=terminal.name, daemon=True)
        for terminal in TERMINALS
        if terminal.exists()
    ]
    if page is not None:
        servers: dict[str, Callable[[], ThreadingHTTPServer]] = {
            "the page": lambda: serve(desk, "", PORT, page),
            "the way to the page": lambda: door.serve(listener("", DOOR_PORT), "", explains=False),
        }
        work += [
            threading.Thread(target=serve_for_ever, args=one, name=one[0], daemon=True)
            for one in servers.items()
        ]
    for thread in work:
        thread.start()
    came_up(desk)
    begin(desk)
    watch(desk)
    return 0


if __name__ == "__main__":
    sys.exit(main())
