"""The certificate of recovery's page: the box's own where it can be read, else one made in memory."""

from __future__ import annotations

from pathlib import Path

from image.box import certificate
from image.box.places import Places
from recovery.box import Box

MEMORY = Places(Path("/run/zongji/recovery"))
HOSTNAME = "zongji"


def choose(box: Box, memory: Places = MEMORY) -> Places:
    """Where key and certificate are. Raises NoCertificate, OSError."""
    if box.config is not None:
        own = Places(box.config.parent)
        if own.config == box.config and certificate.fits(own):
            return own
    if not certificate.fits(memory):
        certificate.make(memory, HOSTNAME, [], group=None)
    return memory
