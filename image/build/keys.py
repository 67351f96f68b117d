"""Keys that sign update bundles: a development pair per build folder, or a release's, given from outside.

From outside: ZONGJI_RELEASE_KEY and ZONGJI_RELEASE_CERT (PEM files, or a PKCS#11 address for the key)
and ZONGJI_RELEASE_KEYRING (PEM: the authorities whose bundles the box takes). All three, or none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from image.build.steps import BUILD, BuildError, run

FOLDER = BUILD / "keys"
NAMES = ("ZONGJI_RELEASE_KEY", "ZONGJI_RELEASE_CERT", "ZONGJI_RELEASE_KEYRING")
SIGNER = (
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\n"
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)


@dataclass(frozen=True)
class Signer:
    """What signs a bundle, and what checks it."""

    key: str
    certificate: Path
    authorities: Path
    development: bool


def signer() -> Signer:
    """The release's keys where the environment names them, else this build folder's own."""
    given = [os.environ.get(name, "") for name in NAMES]
    if all(given):
        for name, path in zip(NAMES, given, strict=True):
            if not path.startswith("pkcs11:") and not Path(path).is_file():
                raise BuildError(f"{name}={path}: there is no such file")
        return Signer(given[0], Path(given[1]), Path(given[2]), False)
    if any(given):
        missing = [name for name, path in zip(NAMES, given, strict=True) if not path]
        raise BuildError(f"a release needs all of {', '.join(NAMES)}; missing: {', '.join(missing)}")
    return development(FOLDER, "Zongji development")


def development(folder: Path, name: str) -> Signer:
    """A pair that is good for this build folder only; made when it is not there."""
    found = Signer(str(folder / "signer.key.pem"), folder / "signer.cert.pem", folder / "ca.cert.pem", True)
    if found.certificate.is_file():
        return found
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    new_key = ("-newkey", "rsa:3072", "-nodes")
    run(
        "openssl", "req", "-x509", *new_key, "-days", "7300", "-keyout", folder / "ca.key.pem",
        "-out", found.authorities, "-subj", f"/O={name}/CN={name} authority",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    request = folder / "signer.csr"
    run(
        "openssl",
        "req",
        *new_key,
        "-keyout",
        found.key,
        "-out",
        request,
        "-subj",
        f"/O={name}/CN={name} bundles",
    )
    extensions = folder / "signer.ext"
    extensions.write_text(SIGNER)
    run(
        "openssl", "x509", "-req", "-in", request, "-CA", found.authorities, "-CAkey", folder / "ca.key.pem",
        "-CAcreateserial", "-days", "7300", "-extfile", extensions, "-out", found.certificate,
    )  # fmt: skip
    return found


def keyring() -> bytes:
    """The certificates that go into the image."""
    return signer().authorities.read_bytes()
