"""What differs between the makers of cellular modules, one table each.

Call-state results are read by `signals`; they are told apart by their beginnings,
so that every profile understands all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Profile:
    """One maker.

    detect: in the answers to ATI and AT+CGMI. sound: commands that choose where the sound goes,
    by kind ("serial", "usb"); a kind that is missing cannot be done. sound_on, sound_off: around
    each call. early_sound: sound flows from dialling on (otherwise from the connection).
    setup: commands of its own; a refusal is not minded. keys_on: makes it report keys ("" when it
    cannot). send_key: how a key is sent. hang_up: tried in this order.
    """

    name: str
    detect: str
    sound: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sound_on: tuple[str, ...] = ()
    sound_off: tuple[str, ...] = ()
    early_sound: bool = True
    setup: tuple[str, ...] = ()
    keys_on: str = ""
    send_key: str = "AT+VTS={key}"
    hang_up: tuple[str, ...] = ("AT+CHUP", "ATH")


PROFILES: Mapping[str, Profile] = {
    "quectel": Profile(
        "quectel",
        r"QUECTEL|\bE[CG]2[05]",
        # Must precede the call: it has no effect on one that is under way.
        sound={"serial": ("AT+QPCMV=1,0",), "usb": ("AT+QPCMV=1,2",)},
        setup=('AT+QINDCFG="ccinfo",1,0', 'AT+QINDCFG="ring",1,0', "AT^DSCI=1"),
        keys_on="AT+QTONEDET=1",
        send_key='AT+VTS="{key}"',
    ),
    "simcom": Profile(
        "simcom",
        r"SIMCOM|SIM7[56]00",
        sound={"serial": ("AT+CPCMFRM=0",), "usb": ("AT+CUSBAUDIO=1",)},
        sound_on=("AT+CPCMREG=1",),
        sound_off=("AT+CPCMREG=0",),
        early_sound=False,
        setup=("AT+CLCC=1",),
        keys_on="AT+DDET=1",
    ),
    "huawei": Profile(
        "huawei",
        r"HUAWEI|\bE1[0-9]{2}|\bK[34][0-9]{3}",
        sound={"serial": ()},
        sound_on=("AT^DDSETEX=2",),
        setup=("AT^CURC=1", "AT^CVOICE=0"),
        send_key="AT^DTMF=1,{key}",
    ),
}

SUPPORTED = "Quectel EC20, EC25, EG25; SIMCom SIM7500, SIM7600; Huawei E1xx, K3xxx"


def detect(answers: str) -> Profile | None:
    """The profile that fits what a module says of itself; None when none does."""
    for profile in PROFILES.values():
        if re.search(profile.detect, answers, re.IGNORECASE):
            return profile
    return None
