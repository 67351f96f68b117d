"""Rate limits: counted in memory, per address; there is one web process."""

from __future__ import annotations

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

SIGN_IN_LIMIT = "30 per minute"
CLAIM_LIMIT = "10 per minute"

limiter = Limiter(get_remote_address, storage_uri="memory://", strategy="moving-window")
