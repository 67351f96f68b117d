"""The bill of materials (CycloneDX 1.5, JSON): packages of Debian, Python and the web, with licences."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from image.build.steps import REPOSITORY, source_date
from image.build.wheels import SITE

Component = dict[str, Any]


def components(root: Path) -> list[Component]:
    """Every component of a root, sorted."""
    found = [*_debian(root), *_python(root), *_web()]
    return sorted(found, key=lambda item: (item["purl"], item["version"]))


def _component(kind: str, name: str, version: str, purl: str, licences: list[str]) -> Component:
    return {
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"license": {"name": licence}} for licence in licences]
        or [{"license": {"name": "unknown"}}],
    }


def _debian(root: Path) -> list[Component]:
    documents = root / "usr" / "share" / "doc"
    found = []
    for line in (documents / "packages.tsv").read_text("utf-8").splitlines():
        name, version, _ = line.split("\t")
        found.append(_deb(name, version, documents / name / "copyright"))
    for line in (documents / "versions.txt").read_text("utf-8").splitlines():
        name, version = line.split()
        short = name.partition("-")[0]
        found.append(_deb(name, version, documents / f"copyright.{short}"))
    return found


def _deb(name: str, version: str, copyright_file: Path) -> Component:
    return _component(
        "library", name, version, f"pkg:deb/debian/{name}@{version}", debian_licences(copyright_file)
    )


def debian_licences(path: Path) -> list[str]:
    """The short names of a machine-readable copyright file, or the licences that an old one points to."""
    if not path.is_file():
        return []
    text = path.read_text("utf-8", "replace")
    names = {name.strip() for name in re.findall(r"^License:[ \t]*(\S[^\n]*)$", text, re.MULTILINE)}
    if not names:
        names = set(re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])", text))
    return sorted(names) or _licences_of(text)


def _licences_of(text: str) -> list[str]:
    """What a licence's own words say."""
    if "public domain" in text.lower():
        return ["public domain"]
    if re.search(r"\bMIT\b|Permission is hereby granted", text):
        return ["MIT"]
    if re.search(r"Permission to use, copy, modify, distribute,? and sell this software", text):
        return ["X11"]
    if "Redistribution and use in source and binary forms" in text:
        return ["BSD"]
    return []


def _python(root: Path) -> list[Component]:
    found = []
    for path in sorted((root / SITE.lstrip("/")).glob("*.dist-info/METADATA")):
        head = HeaderParser().parsestr(path.read_text("utf-8"))
        name, version = head["Name"], head["Version"]
        licence = head.get("License-Expression") or (head.get("License") or "").strip().splitlines()[:1]
        names = [licence] if isinstance(licence, str) else [text for text in licence if len(text) < 80]
        if not names:
            classes = [
                text.rpartition(" :: ")[2]
                for text in head.get_all("Classifier", [])
                if text.startswith("License")
            ]
            names = classes
        if not names:
            texts = [file.read_text("utf-8", "replace") for file in sorted(path.parent.glob("licenses/*"))]
            names = sorted({name for text in texts for name in _licences_of(text)})
        found.append(_component("library", name, version, f"pkg:pypi/{name.lower()}@{version}", names))
    return found


def _web() -> list[Component]:
    lock = json.loads((REPOSITORY / "package-lock.json").read_text("utf-8"))
    found = []
    for place, entry in lock["packages"].items():
        if place and not entry.get("dev"):
            name = place.rpartition("node_modules/")[2]
            purl = f"pkg:npm/{name.replace('@', '%40')}@{entry['version']}"
            found.append(
                _component(
                    "library", name, entry["version"], purl, [entry["license"]] if "license" in entry else []
                )
            )
    return found


def write(root: Path, target: Path, version: str, squashfs_sha256: str) -> None:
    """Write the bill; the same text for the same root."""
    stamp = datetime.fromtimestamp(int(source_date()), UTC)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'zongji:{version}:{squashfs_sha256}')}",
        "version": 1,
        "metadata": {
            "timestamp": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "firmware",
                "name": "zongji",
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": squashfs_sha256}],
            },
        },
        "components": components(root),
    }
    target.write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
