"""What each box has for itself alone: serial number, certificate. On later boots only what is missing is
made."""

from __future__ import annotations

import logging
import os
import secrets
import sys

from image.box import certificate, disk, files, netapply, release
from image.box.places import Places

log = logging.getLogger(__name__)

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""No letter that is mistaken for a digit: serial numbers are read out on the telephone."""
SERIAL_LETTERS = 10


def new_serial() -> str:
    """A serial number that nothing about the box tells (not its MAC address)."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(SERIAL_LETTERS))
    return f"ZJ-{letters[:5]}-{letters[5:]}"


def serial(places: Places) -> str:
    """The serial number of this box; "" before the first boot has made it."""
    try:
        return str((files.read_json(places.identity) or {}).get("serial", ""))
    except (OSError, ValueError):
        return ""


def run(places: Places, group: int | None = certificate.GROUP) -> int:
    """Make what is missing; the exit status."""
    try:
        product = release.read(places).product
        found = files.read_json(places.identity) or {}
    except (release.NoRelease, OSError, ValueError) as error:
        log.error("the identity of this box cannot be read, a new one is made: %s", error)
        product, found = "zongji", {}
    if not found.get("serial"):
        found = {"serial": new_serial(), "product": product}
        files.write_json(places.identity, found)
        log.info("this box is %s", found["serial"])
    if not places.engine_env.exists():
        files.write(places.engine_env, b"ZONGJI_BOARD=auto\n")
    try:
        fitting = certificate.fits(places)
    except certificate.NoCertificate as error:
        log.error("%s", error)
        return 1
    if not fitting:
        settings, _ = netapply.load(places)
        addresses = [one for row in netapply.state() for one in row["addresses"]]
        if places.key.exists() and not places.certificate.exists():
            log.warning("the certificate is missing: it is made anew with the old key")
        elif places.key.exists():
            log.error("key and certificate do not belong together: both are made anew")
            files.remove(places.key)
        try:
            certificate.make(places, settings["hostname"], addresses, group)
        except certificate.NoCertificate as error:
            log.error("%s", error)
            return 1
    return 0


def keep_copy() -> None:
    """Who this box is goes into the copy of the configuration at once, not at the next start."""
    copy = disk.config_copy()
    if not copy.copy.is_dir() or copy.usable:
        return
    try:
        copy.renew()
    except OSError as error:
        log.error("the configuration could not be copied, the next start does it: %s", error)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    os.umask(0o027)
    done = run(Places())
    keep_copy()
    sys.exit(done)
