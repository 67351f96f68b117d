"""Every sentence in three languages, none hard-coded, every icon in the sprite."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import webui
from webui.build_assets import FILLED, ICONS, VENDOR
from webui.build_translations import LANGUAGES, TRANSLATIONS, untranslated

HERE = Path(webui.__file__).parent
TEMPLATES = sorted((HERE / "templates").rglob("*.html"))
SCRIPTS = sorted((HERE / "static" / "js").glob("*.js"))
PLACE = re.compile(r"%\(\w+\)[sd]|%%")

# Words that are the same in every language, or names.
SAME = {
    "总机", "Zongji", "Ctrl", "Alt", "Space",
    "g", "d", "b", "c", "k", "r", "n", "w", "e", "h", "t", "x", "m", "s",
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language):
    assert list(untranslated(language)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_their_places(language):
    with (TRANSLATIONS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    for message in catalogue:
        if not message.id:
            continue
        plural = not isinstance(message.id, str)
        source = message.id[-1] if plural else message.id
        for text in message.string if plural else (message.string,):
            if plural and text == message.id[0]:
                continue
            assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(source)), (source, text)


def test_traditional_is_not_simplified():
    with (TRANSLATIONS / "zh_Hant" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        text = "".join(m.string for m in read_po(file) if isinstance(m.string, str))
    assert not set("电话线设队户录应断这发输历") & set(text)


def visible_words(template):
    text = re.sub(r"\{% block body_class %\}.*?\{% endblock %\}", " ", template)
    text = re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text)
    text = re.sub(r"(?s)<(script|style|pre)\b.*?</\1>", " ", text)
    attributes = re.findall(r'\b(?:title|placeholder|aria-label|alt|data-confirm)="([^"]*)"', text)
    text = re.sub(r"<[^>]*>", " ", text)
    for piece in [text, *attributes]:
        yield from re.findall(r"[^\W\d_]+", re.sub(r"&\w+;", " ", piece))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_no_template_has_a_hard_coded_sentence(path):
    assert set(visible_words(path.read_text(encoding="utf-8"))) - SAME == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_no_script_has_a_hard_coded_sentence(path):
    code = re.sub(
        r"(?s)/\*.*?\*/|(?m)(?<![:\"'])//.*$".replace("(?m)", ""), " ", path.read_text(encoding="utf-8")
    )
    code = re.sub(r'\bt\((?:[^()"]|"[^"]*")*', " ", code)
    shown = re.findall(
        r'(?:\btext\((?:[^(),]|\([^()]*\))+,|toast\(|Error\(|append\(|title:|placeholder:|"aria-label":)\s*"([^"]*[^\W\d_]{2,}[^"]*)"',
        code,
    )
    assert shown == []
    assert not re.search(r"[\u4e00-\u9fff]", code.replace("总机", ""))


def used_icons():
    for path in [*TEMPLATES, *SCRIPTS, *HERE.rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        yield from re.findall(r'\bicon\("([a-z0-9-]+)"', text)
        yield from re.findall(r'\bempty\("([a-z0-9-]+)"', text)


def test_every_icon_is_in_the_sprite():
    assert set(used_icons()) <= set(ICONS) | {f"{n}-filled" for n in FILLED}


def test_the_sprite_has_what_it_should():
    sprite = (VENDOR / "icons.svg").read_text(encoding="utf-8")
    assert set(re.findall(r'<symbol id="([^"]+)"', sprite)) == set(ICONS) | {f"{n}-filled" for n in FILLED}


def test_vendor_files_bring_their_licences_and_no_map():
    names = {p.name for p in VENDOR.iterdir()}
    assert {"wavesurfer.LICENSE", "tabler-icons.LICENSE"} <= names
    assert b"sourceMappingURL" not in (VENDOR / "tabler.min.js").read_bytes()


def test_the_lock_file_names_no_registry():
    text = (HERE.parent / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert text.count('"integrity": "sha512-') == 4


def test_no_template_runs_inline_code():
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'\son\w+="|javascript:|style="', text), path.name
        for tag in re.findall(r"<script\b[^>]*>", text):
            assert "src=" in tag or 'type="application/json"' in tag, (path.name, tag)


def test_codes_of_the_core_have_words():
    from appliance.core.actions import ERRORS
    from appliance.core.record import END_REASONS
    from webui import labels

    assert set(labels.END_REASON) == END_REASONS
    assert set(labels.DESK_ERROR) >= ERRORS


def test_what_the_pages_note_in_the_log_has_words():
    from webui import labels

    noted = set()
    for path in HERE.rglob("*.py"):
        noted |= set(re.findall(r'audit\.note\(\s*"([^"]+)"', path.read_text(encoding="utf-8")))
    assert len(noted) > 20
    assert noted - set(labels.AUDIT) == set()
