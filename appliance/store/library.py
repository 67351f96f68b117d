"""sqlite-utils, loaded without numpy.

Where it is installed sqlite-utils loads numpy, only to know the column types of its numbers. Nothing of ours
stores such numbers, and to control and the pages it would cost 25 MB of memory and a seventh of their start.
"""

from __future__ import annotations

import sys

_ABSENT = "numpy" not in sys.modules
if _ABSENT:
    sys.modules["numpy"] = None  # type: ignore[assignment]
try:
    import sqlite_utils
finally:
    if _ABSENT:
        del sys.modules["numpy"]

__all__ = ["sqlite_utils"]
