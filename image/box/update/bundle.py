"""What a bundle says about itself, once its signature has been found good."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from image.box import commands
from image.box.problem import Problem
from image.box.update import verity

VERIFY_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Bundle:
    """An update. `size`: bytes of the bundle's file; `image_bytes`: what is written to the slot."""

    compatible: str
    version: str
    build: str
    description: str
    size: int
    image_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """For the wire."""
        return asdict(self)


def look(path: Path) -> Bundle:
    """Check the signature and read the manifest. Raises Problem: truncated, unsigned, foreign, tampered,
    clock; OSError."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            verity.signature(file)
    except verity.Unsigned as error:
        raise _unsigned(str(error)) from error
    except verity.Damaged as error:
        raise Problem(
            "bundle_truncated", f"this is no whole update file: {error}; fetch it again", detail=str(error)
        ) from error
    done = commands.run("rauc", "info", "--output-format=json", str(path), timeout_s=VERIFY_TIMEOUT_S)
    if not done.ok:
        raise _refusal(done.text)
    try:
        found = json.loads(done.out)
        images = [image for entry in found["images"] for image in entry.values()]
        return Bundle(
            str(found["compatible"]),
            str(found["version"] or ""),
            str(found.get("build") or ""),
            str(found.get("description") or ""),
            size,
            sum(int(image["size"]) for image in images),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            "bundle_unreadable", "the update's description cannot be read; fetch it again"
        ) from error


def verify_content(path: Path, tell: Callable[[int], None] = lambda percent: None) -> None:
    """Compare every block with the signed hash, before anything is written; `tell` hears percents. Raises
    Problem, OSError."""
    try:
        verity.check(path, tell)
    except verity.Damaged as error:
        raise Problem(
            "bundle_tampered", f"{error}; it was refused and nothing was changed", detail=str(error)
        ) from error


def wrong_time(text: str) -> bool:
    """Does RAUC say that the certificate is not valid yet, or not any more?"""
    lowered = text.lower()
    return any(words in lowered for words in ("certificate is not yet valid", "certificate has expired"))


def _unsigned(detail: str) -> Problem:
    return Problem(
        "bundle_unsigned",
        "the update bears no signature: nobody has signed it, or its end is missing; it was refused and "
        "nothing was changed; fetch it again, or ask its maker for a signed one",
        detail=detail,
    )


def _refusal(text: str) -> Problem:
    reason = commands.last_line(text)
    lowered = text.lower()
    if wrong_time(text):
        return Problem(
            "bundle_clock",
            f"the update was signed at a time at which its certificate was not valid "
            f"({reason.rpartition(': ')[2]}); nothing was changed: ask the maker for an update signed anew",
            detail=reason,
        )
    if "no valid cms" in lowered:
        return _unsigned(reason)
    if "invalid bundle format" in lowered or ("not a multiple" in lowered and "verif" not in lowered):
        return Problem(
            "bundle_truncated", f"this is no whole update file: {reason}; fetch it again", detail=reason
        )
    if any(word in lowered for word in ("digest", "content", "bad signature", "signature failure")):
        return Problem(
            "bundle_tampered", f"the update was changed after it was signed: {reason}", detail=reason
        )
    if "signature" in lowered or "verif" in lowered or "certificate" in lowered:
        return Problem(
            "bundle_foreign",
            "the update is not signed by this product's maker; it was refused, nothing was changed",
            detail=reason,
        )
    return Problem("bundle_refused", f"the update cannot be read: {reason}", detail=reason)
