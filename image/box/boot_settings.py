"""At every boot, before the network: the confirmed network settings and host name."""

from __future__ import annotations

import logging
import sys

from image.box import clock, commands, files, netapply
from image.box.places import Places

log = logging.getLogger(__name__)


def run(places: Places) -> int:
    """Put all of it to use; what cannot be used leaves a named state and does not stop the boot."""
    states: list[str] = []
    settings, problem = netapply.load(places)
    if problem == "network_socket_gone":
        # It may have the kernel's name still: udev is told to look at network sockets first.
        commands.run("udevadm", "trigger", "--settle", "--action=add", "--subsystem-match=net", timeout_s=20)
        settings, problem = netapply.load(places)
    netapply.write(places, settings)
    # A trial that was going on before a reboot is over: /run was emptied, only confirmed settings came back.
    states += [problem] if problem else []
    states += ["clock_unset"] if clock.unset(places, synced=False) else []
    files.write_json(places.run / "boot-states.json", {"states": states})
    for one in states:
        log.warning("state at boot: %s", one)
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    sys.exit(run(Places()))
