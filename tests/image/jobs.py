"""What the page of backups has the box do, one job at a time."""

import time

from tests.image.livebox import Box
from tests.image.vm import PATIENCE_S, VmError


def done(box: Box, path: str, **fields) -> dict:
    """Ask the page for a job and wait for its end: what it leaves on the page."""
    begin(box, path, **fields)
    return ended(box)


def begin(box: Box, path: str, **fields) -> None:
    """Ask the page for a job."""
    page = box.pages.post(path, form_at="/admin/backups/", **fields)
    assert page.status == 200, page


def ended(box: Box) -> dict:
    """Wait for the end of the job: what it leaves on the page."""
    until = time.monotonic() + PATIENCE_S
    while not (job := box.pages.json("/admin/backups/state")["job"])["ended"]:
        if time.monotonic() > until:
            raise VmError(f"it does not end: {job}")
        time.sleep(0.5)
    return job
