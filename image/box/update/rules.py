"""May this bundle be installed on this box? Pure: everything that is asked for comes as an argument."""

from __future__ import annotations

from image.box import release
from image.box.problem import Problem
from image.box.release import Release
from image.box.update.bundle import Bundle

MAX_BUNDLE_BYTES = 400_000_000
SPARE_BYTES = 50_000_000
"""Left free on the data partition whatever is brought in: calls write there too."""


def problem(bundle: Bundle, here: Release, slot_bytes: int, downgrade_consent: bool) -> Problem | None:
    """Why not, the weightiest reason first; None when it may. slot_bytes: room in the slot."""
    product, _, hardware = bundle.compatible.partition("-")
    if product != here.product:
        return Problem(
            "wrong_product",
            f"this update is for {product}, this box is a {here.product}",
            theirs=product,
            ours=here.product,
        )
    if hardware != here.hardware:
        return Problem(
            "wrong_hardware",
            f"this update is for {hardware} hardware, this box has {here.hardware}",
            theirs=hardware,
            ours=here.hardware,
        )
    if bundle.size > MAX_BUNDLE_BYTES or bundle.image_bytes > slot_bytes:
        return too_large(bundle.size)
    if release.order(bundle.version) < release.order(here.version) and not downgrade_consent:
        return Problem(
            "downgrade",
            f"version {bundle.version} is older than {here.version}, which runs now: what was entered since "
            "may not be seen by the older one; agree to it, or choose a newer update",
            theirs=bundle.version,
            ours=here.version,
        )
    return None


def too_large(size: int) -> Problem:
    """The file cannot be an update of this box."""
    most = MAX_BUNDLE_BYTES
    return Problem(
        "too_large", f"the update has {size} bytes, this box takes at most {most}", size=size, most=most
    )


def room(needed: int, free: int) -> Problem | None:
    """Is there room for a file of this size?"""
    if needed + SPARE_BYTES <= free:
        return None
    return Problem(
        "no_space",
        f"the update needs {needed + SPARE_BYTES} bytes, {free} are free: delete recordings or old updates",
        needed=needed + SPARE_BYTES,
        free=free,
    )
