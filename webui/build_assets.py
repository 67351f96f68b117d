"""Copies what the pages need from node_modules to webui/static/vendor, licences included.

Run as `python -m webui.build_assets` after `npm ci`. The icons become one sprite.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ROOT / "node_modules"
VENDOR = Path(__file__).with_name("static") / "vendor"

FILES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
    "@tabler/core/dist/js/tabler.min.js": "tabler.min.js",
    "@tabler/icons/LICENSE": "tabler-icons.LICENSE",
    "wavesurfer.js/dist/wavesurfer.min.js": "wavesurfer.min.js",
    "wavesurfer.js/LICENSE": "wavesurfer.LICENSE",
}
ICONS = [
    "address-book",
    "adjustments",
    "alert-circle",
    "alert-triangle",
    "arrow-back-up",
    "arrow-forward-up",
    "arrow-left",
    "ban",
    "bell",
    "bell-ringing",
    "building-community",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "chevron-up",
    "circle",
    "circle-check",
    "circle-dashed",
    "circle-minus",
    "clock",
    "clock-plus",
    "cpu",
    "database",
    "database-off",
    "device-floppy",
    "device-tv",
    "dialpad",
    "dots",
    "download",
    "external-link",
    "eye",
    "file-import",
    "file-x",
    "filter",
    "headset",
    "headset-off",
    "heartbeat",
    "help-circle",
    "history",
    "hourglass",
    "info-circle",
    "key",
    "keyboard",
    "language",
    "layout-dashboard",
    "lifebuoy",
    "list-check",
    "list-numbers",
    "list-search",
    "lock",
    "logout",
    "map-search",
    "maximize",
    "messages",
    "microphone",
    "network",
    "note",
    "pencil",
    "phone",
    "phone-call",
    "phone-incoming",
    "phone-off",
    "phone-outgoing",
    "phone-x",
    "player-pause",
    "player-play",
    "player-record",
    "plug-connected",
    "plug-connected-x",
    "plus",
    "power",
    "refresh",
    "rotate",
    "server-2",
    "search",
    "settings",
    "shield-lock",
    "sitemap",
    "star",
    "tool",
    "trash",
    "upload",
    "usb",
    "user",
    "user-plus",
    "user-shield",
    "users",
    "users-group",
    "volume",
    "wave-sine",
    "x",
]
FILLED = ("star",)


class BuildError(Exception):
    """A file is missing; the text says what to run."""


def sprite() -> str:
    """All icons as one SVG of symbols; filled ones are named NAME-filled."""
    parts = []
    wanted = [("outline", n, n) for n in ICONS] + [("filled", n, f"{n}-filled") for n in FILLED]
    for style, name, symbol in wanted:
        path = MODULES / "@tabler/icons/icons" / style / f"{name}.svg"
        text = path.read_text(encoding="utf-8")
        inner = re.sub(r"(?s)^.*?<svg[^>]*>|</svg>\s*$", "", text)
        inner = re.sub(r'<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*/>', "", inner)
        paint = (
            'fill="none" stroke="currentColor" stroke-width="1.75" '
            'stroke-linecap="round" stroke-linejoin="round"'
            if style == "outline"
            else 'fill="currentColor"'
        )
        parts.append(f'<symbol id="{symbol}" viewBox="0 0 24 24" {paint}>{" ".join(inner.split())}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "\n".join(parts) + "</svg>\n"


def build() -> None:
    """Make the vendor folder anew. Raises BuildError."""
    half = VENDOR.with_name("vendor.new")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        for source, name in FILES.items():
            content = (MODULES / source).read_bytes()
            (half / name).write_bytes(re.sub(rb"/[*/][#@] sourceMappingURL=\S+( \*/)?", b"", content))
        (half / "icons.svg").write_text(sprite(), encoding="utf-8")
    except FileNotFoundError as error:
        raise BuildError(f"{error.filename} is missing: run `npm ci` first") from error
    shutil.rmtree(VENDOR, ignore_errors=True)
    half.rename(VENDOR)


def main() -> int:
    """Build; returns the exit status."""
    try:
        build()
    except BuildError as error:
        print(f"build_assets: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
