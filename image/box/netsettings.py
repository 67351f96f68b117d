"""Network settings: checked, and written as files for systemd-networkd. No I/O.

    {"hostname": "zongji", "interface": "", "dns": ["192.168.1.1"],
     "ipv4": {"method": "dhcp" | "static" | "off", "address": "192.168.1.10/24", "gateway": "192.168.1.1"},
     "ipv6": {"method": "auto" | "static" | "off", "address": "fd00::10/64", "gateway": ""}}

An empty interface stands for every wired one.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from image.box.problem import Problem

DEFAULT: dict[str, Any] = {
    "hostname": "zongji",
    "interface": "",
    "dns": [],
    "ipv4": {"method": "dhcp", "address": "", "gateway": ""},
    "ipv6": {"method": "auto", "address": "", "gateway": ""},
}
FILE = "10-zongji.network"
HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
MAX_DNS = 3

Settings = dict[str, Any]


def check(given: Any, interfaces: list[str]) -> tuple[Settings, list[Problem]]:
    """(settings in their full form, what is wrong with them); `interfaces`: the wired ones of this box."""
    if not isinstance(given, dict) or not set(given) <= set(DEFAULT):
        return DEFAULT, [
            Problem("network_form", "these are no network settings; send all fields of the form")
        ]
    problems: list[Problem] = []
    made: Settings = {
        "hostname": str(given.get("hostname", "")).strip().lower(),
        "interface": str(given.get("interface", "")).strip(),
        "ipv4": _family(given.get("ipv4"), 4, ("dhcp", "static", "off"), problems),
        "ipv6": _family(given.get("ipv6"), 6, ("auto", "static", "off"), problems),
        "dns": _dns(given.get("dns"), problems),
    }
    if not HOSTNAME.fullmatch(made["hostname"]):
        problems.append(
            Problem(
                "bad_hostname",
                "the name may have letters a to z, digits and hyphens inside, at most 63",
                "hostname",
            )
        )
    if made["interface"] and (
        not INTERFACE.fullmatch(made["interface"]) or made["interface"] not in interfaces
    ):
        problems.append(Problem("no_interface", "this box has no such network socket", "interface"))
    static = "static" in (made["ipv4"]["method"], made["ipv6"]["method"])
    if static and not made["interface"] and len(interfaces) > 1:
        problems.append(
            Problem(
                "which_interface", "a fixed address belongs to one network socket; choose which", "interface"
            )
        )
    if made["ipv4"]["method"] == made["ipv6"]["method"] == "off":
        problems.append(
            Problem("no_address", "with both off nobody could reach the box; leave one on", "ipv4.method")
        )
    return made, problems


def _family(given: Any, version: int, methods: tuple[str, ...], problems: list[Problem]) -> dict[str, str]:
    name = f"ipv{version}"
    values = given if isinstance(given, dict) else {}
    made = {key: str(values.get(key, "")).strip() for key in ("method", "address", "gateway")}
    if made["method"] not in methods:
        problems.append(Problem("bad_method", f"choose one of {', '.join(methods)}", f"{name}.method"))
        return made
    if made["method"] != "static":
        return made | {"address": "", "gateway": ""}
    try:
        address = ipaddress.ip_interface(made["address"])
        if address.version != version or "/" not in made["address"]:
            raise ValueError
    except ValueError:
        example = "192.168.1.10/24" if version == 4 else "fd00:1::10/64"
        problems.append(
            Problem(
                "bad_address",
                f"write address and length of the network, such as {example}",
                f"{name}.address",
                example=example,
            )
        )
        return made
    made["address"] = str(address)
    wrong = _unusable(address)
    if wrong:
        problems.append(Problem(wrong[0], wrong[1], f"{name}.address"))
    elif not address.is_private or address.ip in ipaddress.ip_network(
        "100.64.0.0/10" if version == 4 else "::/128"
    ):
        problems.append(
            Problem(
                "public_address",
                "this is an address of the internet; the box is for the local network only",
                f"{name}.address",
            )
        )
    made["gateway"] = _gateway(made["gateway"], address, name, problems)
    return made


def _unusable(address: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> tuple[str, str] | None:
    network = address.network
    if address.ip.is_loopback or address.ip.is_multicast or address.ip.is_unspecified:
        return "special_address", "this address has a special meaning and cannot be a box's own"
    if network.prefixlen == 0 or network.num_addresses < 2:
        return "bad_length", "the length of the network leaves no room for a neighbour; usual is /24"
    if network.version == 4 and network.prefixlen < 31 and address.ip == network.network_address:
        return "network_address", "this is the network's own address; choose one inside it"
    if network.version == 4 and network.prefixlen < 31 and address.ip == network.broadcast_address:
        return "broadcast_address", "this is the address of all in the network; choose one inside it"
    return None


def _gateway(
    text: str,
    address: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
    name: str,
    problems: list[Problem],
) -> str:
    if not text:
        return ""
    try:
        gateway = ipaddress.ip_address(text)
        if gateway.version != address.version:
            raise ValueError
    except ValueError:
        problems.append(Problem("bad_gateway", "the gateway is no address of this kind", f"{name}.gateway"))
        return text
    if gateway == address.ip:
        problems.append(
            Problem(
                "gateway_is_self",
                "the gateway is the box itself; write the router's address",
                f"{name}.gateway",
            )
        )
    elif gateway not in address.network and not gateway.is_link_local:
        problems.append(
            Problem(
                "gateway_outside",
                "the gateway is not in the box's own network",
                f"{name}.gateway",
                network=str(address.network),
            )
        )
    return str(gateway)


def _dns(given: Any, problems: list[Problem]) -> list[str]:
    entries = [str(one).strip() for one in given] if isinstance(given, list) else []
    entries = [one for one in entries if one]
    try:
        made = [str(ipaddress.ip_address(one)) for one in entries]
    except ValueError:
        problems.append(
            Problem("bad_dns", "a name server is written as an address, such as 192.168.1.1", "dns")
        )
        return entries
    if len(made) > MAX_DNS:
        problems.append(Problem("too_many_dns", f"at most {MAX_DNS} name servers", "dns", most=MAX_DNS))
    return made


def networkd_file(settings: Settings) -> str:
    """The `.network` file of checked settings."""
    four, six = settings["ipv4"], settings["ipv6"]
    match = f"Name={settings['interface']}" if settings["interface"] else "Type=ether"
    dhcp = {(True, True): "yes", (True, False): "ipv4", (False, True): "ipv6", (False, False): "no"}
    # Without a DHCP server the box is still found by its name over addresses it gives itself.
    local = {(True, True): "yes", (True, False): "ipv4", (False, True): "ipv6", (False, False): "no"}
    lines = [
        "# Made from the network settings of the box; changes here are lost.",
        "[Match]",
        match,
        "",
        "[Link]",
        "RequiredForOnline=no",
        "",
        "[Network]",
        f"DHCP={dhcp[four['method'] == 'dhcp', six['method'] == 'auto']}",
        f"LinkLocalAddressing={local[four['method'] == 'dhcp', six['method'] != 'off']}",
        f"IPv6AcceptRA={'yes' if six['method'] == 'auto' else 'no'}",
        "MulticastDNS=yes",
        "LLMNR=no",
    ]
    lines += [f"DNS={one}" for one in settings["dns"]]
    for family in (four, six):
        if family["method"] == "static":
            lines.append(f"Address={family['address']}")
            if family["gateway"]:
                lines.append(f"Gateway={family['gateway']}")
    lines += ["", "[DHCPv4]", "UseHostname=no", "UseDomains=no", "ClientIdentifier=mac"]
    if settings["dns"]:
        lines += ["UseDNS=no", "", "[DHCPv6]", "UseDNS=no", "", "[IPv6AcceptRA]", "UseDNS=no"]
    return "\n".join(lines) + "\n"


def addresses(settings: Settings) -> list[str]:
    """The fixed addresses, without their length."""
    families = (settings["ipv4"], settings["ipv6"])
    return [one["address"].partition("/")[0] for one in families if one["method"] == "static"]
