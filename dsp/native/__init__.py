"""What of the signal processing is written in C, since it would take too much of a tick in numpy.

`echo.c` is the echo canceller behind `dsp.echo`, `keys.c` measures for `dsp.dtmf`. `python -m
dsp.native.build` (part of ./setup.sh) makes libraries of them, for processors whose vectors hold four numbers
and for those whose vectors hold eight. One is loaded when it is needed first.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
LIBRARIES = {lanes: FOLDER / "compiled" / f"dsp{lanes}.so" for lanes in (4, 8)}
"""By how many ports are worked on side by side. That for four runs on every processor, and knows whether the
other does."""
SOURCES = ("*.c", "*.h")

_ALIGNED = 64

_PLACE, _INT, _LONG, _REAL = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_double
SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "library_wide": (_INT, ()),
    "echo_bytes": (ctypes.c_size_t, (_INT, _INT)),
    "echo_hiss": (ctypes.c_size_t, (_INT,)),
    "echo_begin": (None, (_PLACE, _INT, _INT, _PLACE, _INT)),
    "echo_forget": (None, (_PLACE, _INT)),
    "echo_enable": (None, (_PLACE, _INT, _INT)),
    "echo_data_call": (None, (_PLACE, _INT)),
    "echo_cancelling": (_INT, (_PLACE, _INT)),
    "echo_bins": (_INT, (_PLACE,)),
    "echo_filter": (None, (_PLACE, _INT, _PLACE)),
    "echo_transforms": (_LONG, (_PLACE,)),
    "echo_block": (None, (_PLACE,) * 6),
    "keys_bytes": (ctypes.c_size_t, ()),
    "keys_begin": (None, (_PLACE,) * 6),
    "keys_bank": (_INT, (_PLACE, _PLACE, _INT, *(_PLACE,) * 6)),
    "keys_glance": (
        _INT,
        (_PLACE, _PLACE, _INT, _INT, _LONG, _PLACE, _INT, _PLACE, _PLACE, _REAL, _PLACE, _PLACE),
    ),
    "keys_follow": (_INT, (_PLACE, _INT, _PLACE, _REAL, _REAL, *(_PLACE,) * 4, _REAL, _REAL, *(_PLACE,) * 4)),
    "keys_envelopes": (None, (_PLACE, _PLACE, _PLACE, _INT, _PLACE, _PLACE)),
    "keys_runs": (None, (_PLACE, _INT, _REAL, _PLACE, _PLACE)),
    "keys_pauses": (None, (_PLACE, _INT, _PLACE, _REAL, _PLACE, _PLACE)),
    "keys_courses": (None, (_PLACE, _PLACE, _INT, *(_PLACE,) * 7)),
    "keys_rests": (None, (_PLACE, _PLACE, _INT, *(_PLACE,) * 6)),
}
"""Function -> what it returns and takes; see echo.c and keys.c. Pointers are addresses."""


class NotBuiltError(RuntimeError):
    """The library is missing, no library, or made from other sources."""


def sources() -> str:
    """What tells these sources from others; nothing where there are none, as on the flashed box."""
    found = sorted(path for pattern in SOURCES for path in FOLDER.glob(pattern))
    seen = hashlib.sha256(b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in found))
    return seen.hexdigest() if found else ""


@functools.cache
def library() -> ctypes.PyDLL:
    """The library for this processor. Raises NotBuiltError."""
    narrow = load(LIBRARIES[4])
    return load(LIBRARIES[8]) if narrow.library_wide() else narrow


def load(path: Path) -> ctypes.PyDLL:
    """A library, with the types of its functions set. Raises NotBuiltError."""
    try:
        loaded = ctypes.PyDLL(str(path))
        made_from = (
            ctypes.c_char_p(ctypes.addressof(ctypes.c_char.in_dll(loaded, "library_mark"))).value or b""
        )
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, ValueError, AttributeError) as error:
        raise NotBuiltError(f"{error}; run ./setup.sh, which makes {path.name}") from error
    if sources() not in made_from.decode():
        raise NotBuiltError(f"{path} was made from other sources; run ./setup.sh, which makes it anew")
    return loaded


def memory(size: int) -> NDArray[np.uint8]:
    """Zeros for what C keeps, `size` bytes from a multiple of 64 on."""
    whole = np.zeros(size + _ALIGNED, np.uint8)
    start = -address(whole) % _ALIGNED
    return whole[start : start + size]


def address(array: NDArray[np.generic]) -> int:
    """Where an array begins; it must be kept, and be as C takes it."""
    place: int = array.__array_interface__["data"][0]
    return place
