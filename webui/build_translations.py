"""Compiles the translations (.po, committed) to what the pages read (.mo, made at set-up).

Run as `python -m webui.build_translations`. Up-to-date files are left alone.
Translators run `python -m webui.build_translations update` after changing a sentence: it collects
all sentences anew into every .po, keeping what is translated.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

HERE = Path(__file__).parent
CHECKS = HERE.parent / "appliance" / "services" / "checks"
TRANSLATIONS = HERE / "translations"
LANGUAGES = ("zh_Hans", "zh_Hant", "en")
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2"), ("static/js/**.js", "javascript")]
OPTIONS = {"templates/**.html": {"trimmed": "true", "encoding": "utf-8"}}
KEYWORDS = {"_": None, "_l": None, "N_": None, "gettext": None, "ngettext": (1, 2), "t": None}


def sentences() -> Catalog:
    """Every sentence of the pages, and the words of the settings (which the store brings along)."""
    from appliance.store import SETTINGS

    found = Catalog(domain="messages", project="Zongji", charset="utf-8")
    for name, line, message, comments, _context in extract_from_dir(
        HERE, METHODS, OPTIONS, KEYWORDS, directory_filter=_ours
    ):
        found.add(message, None, [(name, line)], auto_comments=comments)
    for name, sentence in checks():
        found.add(sentence, None, [(f"checks/{name}", 0)])
    for setting in SETTINGS.values():
        for words in (setting.label, setting.help):
            found.add(words["en"], None, [("settings", 0)], auto_comments=[words["zh"]])
    return found


def checks() -> Iterator[tuple[str, str]]:
    """(check, sentence) of every finding of the health checks: the first two texts of each `Finding(...)`."""
    for path in sorted(CHECKS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                for argument in node.args[1:3]:
                    yield path.stem, ast.literal_eval(argument)


def _ours(folder: str | os.PathLike[str]) -> bool:
    return Path(folder).name not in ("vendor", "translations", "__pycache__")


def read(language: str) -> Catalog:
    """The committed catalogue of a language; an empty one where there is none yet."""
    path = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return Catalog(locale=language, domain="messages")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update() -> None:
    """Collect all sentences into every .po. English is its own translation."""
    template = sentences()
    for language in LANGUAGES:
        catalogue = read(language)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        if language == "en":
            for message in catalogue:
                if message.id:
                    message.string = message.id
        path = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalogue, width=100, omit_header=False, sort_output=True, no_location=True)


def untranslated(language: str) -> Iterator[str]:
    """Sentences of the pages that have no translation in this language."""
    catalogue = read(language)
    for message in sentences():
        if not message.id:
            continue
        known = catalogue.get(message.id if isinstance(message.id, str) else message.id[0])
        strings = (
            (known.string,) if known and isinstance(known.string, str) else (known.string if known else ())
        )
        if not strings or not all(strings) or (known and known.fuzzy):
            yield message.id if isinstance(message.id, str) else message.id[0]


def compile_all() -> None:
    """Write the .mo of every .po that is newer."""
    for path in sorted(TRANSLATIONS.glob("*/LC_MESSAGES/*.po")):
        target = path.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= path.stat().st_mtime:
            continue
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.parts[-3])
        half = target.with_suffix(".new")
        with half.open("wb") as file:
            write_mo(file, catalogue)
        half.replace(target)


def main(arguments: list[str]) -> int:
    """Compile, or update and compile."""
    if arguments == ["update"]:
        update()
    elif arguments:
        print("usage: python -m webui.build_translations [update]", file=sys.stderr)
        return 2
    compile_all()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
