"""The certificate of the pages: made on the box, for the box alone, by the openssl program."""

from __future__ import annotations

import ipaddress
import os
import shutil
import tempfile
from pathlib import Path

from image.box import commands, files
from image.box.places import Places

DAYS = 3650
GROUP = 900
"""The product's group (fixed): the pages read the key, nobody else does."""


class NoCertificate(Exception):
    """openssl could not make it; the text says why."""


def names(hostname: str, addresses: list[str]) -> list[str]:
    """What a browser may call the box, as subjectAltName entries."""
    found = [f"DNS:{hostname}.local", f"DNS:{hostname}", "DNS:zongji.local", "DNS:localhost"]
    for text in [*addresses, "127.0.0.1", "::1"]:
        found.append(f"IP:{ipaddress.ip_address(text.partition('/')[0].partition('%')[0])}")
    return list(dict.fromkeys(found))


def make(places: Places, hostname: str, addresses: list[str], group: int | None = GROUP) -> None:
    """Make key (kept when there is one) and certificate. Raises NoCertificate, OSError.

    group: who may read the key besides root; None leaves it as it is.
    """
    folder = Path(tempfile.mkdtemp(prefix="zongji-tls-"))
    try:
        key, certificate = folder / "key.pem", folder / "cert.pem"
        if places.key.exists():
            shutil.copyfile(places.key, key)
        else:
            _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key))
        _openssl(
            *(
                "req",
                "-new",
                "-x509",
                "-key",
                str(key),
                "-out",
                str(certificate),
                "-days",
                str(DAYS),
                "-sha256",
            ),
            *("-subj", f"/CN={hostname}.local/O=Zongji", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=serverAuth"),
            *("-addext", "subjectAltName=" + ",".join(names(hostname, addresses))),
        )
        # The key first: a certificate without its key would keep the pages away.
        if not places.key.exists():
            files.write(places.key, key.read_bytes(), 0o640)
            if group is not None:
                os.chown(places.key, 0, group)
        files.write(places.certificate, certificate.read_bytes())
    finally:
        shutil.rmtree(folder)


def fits(places: Places) -> bool:
    """Are there certificate and key that belong together? Raises NoCertificate when openssl cannot tell."""
    if not places.key.exists() or not places.certificate.exists():
        return False
    public = commands.run("openssl", "pkey", "-in", str(places.key), "-pubout")
    certified = commands.run("openssl", "x509", "-in", str(places.certificate), "-noout", "-pubkey")
    for done in (public, certified):
        if done.status in (commands.MISSING, commands.TOO_LATE):
            raise NoCertificate(f"key and certificate were not compared: {done.text}")
    return public.ok and certified.ok and public.out.strip() == certified.out.strip()


def fingerprint(places: Places) -> str:
    """SHA-256 of the certificate as browsers show it; "" when there is none."""
    done = commands.run(
        "openssl", "x509", "-in", str(places.certificate), "-noout", "-fingerprint", "-sha256"
    )
    return done.out.strip().partition("=")[2] if done.ok else ""


def _openssl(*words: str) -> None:
    done = commands.run("openssl", *words, timeout_s=60)
    if not done.ok:
        raise NoCertificate(f"openssl {words[0]} failed: {done.text.strip()[-300:]}")
