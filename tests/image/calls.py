"""A call on the box's simulated office, held by a program on the box for as long as a test wants."""

import shlex

from tests.image.livebox import PYTHON, Box

TALK = """
import time
from pathlib import Path
from appliance.client import OfficeClient, PeerAway

office = Path("/data/zongji/run/office.sock")

def rings(phone, patience_s=15.0):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        message = phone.receive(0.2)
        if message and "ringing" in str(message.get("state")):
            return True
    return False

def talk(one, two):
    one.do("lift")
    time.sleep(1.0)
    one.do("press", keys="802")
    if rings(two):
        two.do("lift")
        while True:
            one.receive(0.5)
            two.receive(0.5)

while True:  # until the box knows its telephones
    try:
        with OfficeClient(office, "phone:801") as one, OfficeClient(office, "phone:802") as two:
            talk(one, two)
    except PeerAway:
        time.sleep(0.5)
"""
TALKING = (
    "import sys; from pathlib import Path; from appliance.client import ControlClient as C; "
    "sys.exit(not C(Path('/data/zongji/run/control.sock')).call('snapshot')['calls'])"
)


def simulated_office(box: Box) -> None:
    """Let the box work on its simulated office; it is ready when this returns."""
    box.system("board.set", board="sim")
    box.shell("until [ -S /data/zongji/run/office.sock ]; do sleep 0.5; done")


def begin_call(box: Box) -> None:
    """801 talks with 802 from now on."""
    box.shell(f"systemd-run -q --unit=test-call {PYTHON} -c {shlex.quote(TALK)}")
    talking = f"{PYTHON} -c {shlex.quote(TALKING)}"
    box.shell(f"until {talking}; do systemctl is-active -q test-call || exit 1; sleep 0.5; done")


def end_call(box: Box) -> None:
    """Both have hung up."""
    box.shell("systemctl stop test-call")
