"""Facts for the health checks that have to be looked up in files."""

from __future__ import annotations

import base64
import calendar
import json
import logging
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.paths import config_folder
from appliance.services.checks.model import Facts

log = logging.getLogger(__name__)

SMART = Path("/run/zongji/smart.json")
_TIMES = re.compile(rb"(?:\x17\x0d(\d{12}Z)|\x18\x0f(\d{14}Z))" * 2)


def complete(known: Facts, **looked_up: Any) -> Facts:
    """The facts of control with those from files."""
    config = config_folder()
    certificate = certificate_end(config / "tls" / "cert.pem") if config else None
    return replace(known, certificate_end=certificate, smart=_json(SMART), **looked_up)


def certificate_end(path: Path) -> float | None:
    """notAfter of an X.509 certificate in PEM, Unix seconds; None where it cannot be read.

    Validity is the only place in a certificate with two times in a row (RFC 5280, 4.1.2.5).
    """
    try:
        text = path.read_text(encoding="ascii")
        body = text.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
        found = _TIMES.search(base64.b64decode(body))
    except (OSError, IndexError, ValueError) as error:
        log.debug("%s: %s", path, error)
        return None
    if found is None:
        return None
    short, long = found[3], found[4]
    if short:
        return float(calendar.timegm(time.strptime(short.decode(), "%y%m%d%H%M%SZ")))
    return float(calendar.timegm(time.strptime(long.decode(), "%Y%m%d%H%M%SZ")))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return {}
    return found if isinstance(found, dict) else {}
