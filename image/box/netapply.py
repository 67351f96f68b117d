"""Network settings put to use: files for systemd-networkd, the host name, what addresses there are."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any

from image.box import commands, files
from image.box.netsettings import DEFAULT, FILE, Settings, check, networkd_file
from image.box.places import Places
from image.box.problem import Problem

log = logging.getLogger(__name__)


def wired(places: Places) -> list[str]:
    """Names of the wired network sockets of this box."""
    try:
        names = sorted(path.name for path in places.interfaces.iterdir())
    except OSError:
        return []
    return [name for name in names if _is_wired(places, name)]


def _is_wired(places: Places, name: str) -> bool:
    folder = places.interfaces / name
    try:
        kind = (folder / "type").read_text().strip()
    except OSError:
        return False
    return kind == "1" and (folder / "device").exists() and not (folder / "wireless").exists()


def load(places: Places) -> tuple[Settings, str]:
    """(the confirmed settings, "" or why the defaults stand in for them)."""
    try:
        found = files.read_json(places.network)
    except (OSError, ValueError) as error:
        log.error("the network settings cannot be read, DHCP is used: %s", error)
        return DEFAULT, "network_settings_damaged"
    if found is None:
        return DEFAULT, ""
    # Sockets may have been added or taken out since: that is no reason to be unreachable.
    made, problems = check(found, [str(found.get("interface", ""))])
    if problems:
        log.error("the network settings are not usable, DHCP is used: %s", problems[0].text)
        return DEFAULT, "network_settings_damaged"
    if made["interface"] and made["interface"] not in wired(places):
        return DEFAULT | {"hostname": made["hostname"]}, "network_socket_gone"
    return made, ""


def write(places: Places, settings: Settings) -> None:
    """Files and host name, before or while systemd-networkd runs. Raises OSError."""
    files.write(places.networkd / FILE, networkd_file(settings).encode())
    if str(places.root) == "/":
        socket.sethostname(settings["hostname"])


def apply(places: Places, settings: Settings) -> None:
    """Put settings to use now. Raises Problem when systemd-networkd refuses."""
    write(places, settings)
    for words in (("reload",), ("reconfigure", *wired(places))):
        done = commands.run("networkctl", *words)
        if not done.ok:
            raise Problem(
                "network_refused",
                f"the network service refused: {commands.last_line(done.text)}",
                detail=commands.last_line(done.text),
            )
    done = commands.run("systemctl", "try-restart", "systemd-resolved.service")
    if not done.ok:
        log.warning("the name service was not started anew: %s", commands.last_line(done.text))


def state() -> list[dict[str, Any]]:
    """Interfaces with their addresses, from the kernel: [{"name", "up", "mac", "addresses"}]."""
    done = commands.run("ip", "-json", "address", "show")
    try:
        rows = json.loads(done.out) if done.ok else []
    except ValueError:
        rows = []
    return [
        {
            "name": row.get("ifname", ""),
            "up": row.get("operstate") == "UP",
            "mac": row.get("address", ""),
            "addresses": [
                f"{one.get('local')}/{one.get('prefixlen')}"
                for one in row.get("addr_info", [])
                if not one.get("tentative")
            ],
        }
        for row in rows
        if row.get("link_type") == "ether"
    ]


def gateways() -> list[str]:
    """Addresses of the routers in use."""
    found: list[str] = []
    for version in ("-4", "-6"):
        done = commands.run("ip", "-json", version, "route", "show", "default")
        try:
            rows = json.loads(done.out) if done.ok else []
        except ValueError:
            rows = []
        found += [row["gateway"] for row in rows if "gateway" in row]
    return found
