"""What the system daemon of a flashed box says, for pages."""

NOW = 1_795_000_000.0

STATUS = {
    "version": "0.2.0",
    "build": "4f2c91a",
    "hardware": "amd64",
    "serial": "ZJ-7K2PM-X94QD",
    "slot": "A",
    "confirmed": True,
    "boot_state": "ok",
    "states": [],
    "watchdog": "iTCO_wdt",
    "board": "auto",
    "up_s": 93_784,
    "ssh": {"open": False},
    "network_trial": None,
    "time": {"now": NOW, "unset": False, "synced": True},
    "update": {"state": "idle"},
    "pending": None,
    "fell_back": None,
}
OPEN_SSH = {
    "open": True,
    "left_s": 12_600,
    "fingerprint": "SHA256:9ZqvX1nFh2",
    "comment": "helper@maker",
    "by": "admin",
    "since": NOW - 1800,
}
SETTINGS = {
    "hostname": "zongji",
    "interface": "",
    "dns": [],
    "ipv4": {"method": "dhcp", "address": "", "gateway": ""},
    "ipv6": {"method": "auto", "address": "", "gateway": ""},
}
FIXED = SETTINGS | {"ipv4": {"method": "static", "address": "192.168.7.9/24", "gateway": "192.168.7.1"}}
NETWORK = {
    "settings": SETTINGS,
    "problem": "",
    "trial": None,
    "sockets": ["eth0"],
    "interfaces": [
        {
            "name": "eth0",
            "up": True,
            "mac": "52:54:00:0a:0b:0c",
            "addresses": ["192.168.7.50/24", "fd00::50/64"],
        }
    ],
    "gateways": ["192.168.7.1"],
    "name": "zongji.local",
}
TIME = {
    "now": NOW,
    "zone": "Asia/Shanghai",
    "ntp": True,
    "servers": [],
    "synced": True,
    "source": "203.107.6.88",
    "unset": False,
    "zones": ["Asia/Shanghai", "Europe/Berlin"],
}
BUNDLE = {
    "compatible": "zongji-amd64",
    "version": "0.3.0",
    "build": "8a1b2c3",
    "description": "",
    "size": 168_000_000,
    "image_bytes": 300_000_000,
}
UPDATES = {
    "update": {"state": "idle"},
    "pending": None,
    "fell_back": None,
    "uploads": [{"name": "zongji-0.3.0.raucb", "size": 168_000_000, "at": NOW - 600}],
    "history": [
        {"at": NOW - 86_400, "outcome": "confirmed", "version": "0.2.0"},
        {"at": NOW - 86_700, "outcome": "installed", "version": "0.2.0"},
        {
            "at": NOW - 90_000,
            "outcome": "failed",
            "version": "",
            "problem": {"code": "bundle_foreign", "message": "x", "params": {}},
        },
    ],
}
FELL_BACK = {
    "version": "0.3.0",
    "reason": "zongji-engine is failed",
    "log": [
        "2026-11-28T09:12:44 zongji-engine[212]: cannot open /dev/dahdi/channel",
        "2026-11-28T09:12:46 systemd[1]: failed",
    ],
    "at": NOW - 300,
}
STICKS = {
    "sticks": [
        {
            "name": "OFFICE-sdb1",
            "label": "OFFICE",
            "device": "sdb1",
            "fs": "vfat",
            "problem": "",
            "size": 16_000_000_000,
            "free": 9_000_000_000,
            "writable": True,
            "bundles": [{"name": "zongji-0.3.0.raucb", "size": 168_000_000}],
        },
        {
            "name": "sdc1",
            "label": "",
            "device": "sdc1",
            "fs": "apfs",
            "problem": "stick_format",
            "bundles": [],
        },
    ]
}
LOG = {
    "lines": [
        {
            "at": NOW - 3,
            "unit": "zongji-control.service",
            "priority": 6,
            "text": "control: connected to the engine",
        },
        {
            "at": NOW - 2,
            "unit": "zongji-engine.service",
            "priority": 4,
            "text": "pace: tick 212 is 3.1 ms late",
        },
    ]
}


def daemon():
    """Every method of a healthy box."""
    return {
        "status": STATUS,
        "network.get": NETWORK,
        "network.apply": {"token": "T0ken", "confirm_within_s": 30.0, "addresses": ["192.168.7.9"]},
        "network.confirm": {},
        "network.revert": {},
        "time.get": TIME,
        "time.set": {},
        "update.status": UPDATES,
        "update.inspect": {"bundle": BUNDLE, "running": "0.2.0", "problem": None},
        "update.install": {"job": "j1"},
        "update.cancel": {},
        "update.discard": {},
        "update.acknowledge": {},
        "usb.list": STICKS,
        "usb.eject": {},
        "ssh.enable": OPEN_SSH,
        "ssh.disable": {"open": False},
        "power.reboot": {},
        "power.off": {},
        "recovery.order": {},
        "board.set": {"board": "sim"},
        "log.tail": LOG,
    }
