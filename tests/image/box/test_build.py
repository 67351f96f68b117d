"""When `make test-image` builds the image anew."""

import threading
from types import SimpleNamespace

import pytest

from image.build import __main__ as program
from image.build import bom, steps


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Sources, and a build that only counts; `fails` makes it fail."""
    made = SimpleNamespace(path=tmp_path, builds=0, fails=False)
    for name in ("requirements.lock", "package-lock.json", "pyproject.toml", "webui/page.html", "image/boot"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(program, "REPOSITORY", tmp_path)
    monkeypatch.setattr(program, "RECIPES", tmp_path / "image")
    monkeypatch.setattr(program, "MADE_OF", tmp_path / "made-of")
    monkeypatch.setattr(program.root, "product_files", lambda: [(tmp_path / "webui/page.html")])
    monkeypatch.setattr(program.keys, "signer", lambda: SimpleNamespace(certificate="our own"))

    def build(quick, check):
        made.builds += 1
        print("a step")
        if made.fails:
            raise program.BuildError("no room")
        program.MADE_OF.write_text(program.sources())

    monkeypatch.setattr(program, "build", build)
    return made


def test_an_image_is_built_once_for_the_same_sources(repository, capsys):
    program.build_if_changed(True)
    program.build_if_changed(True)
    assert repository.builds == 1
    assert capsys.readouterr().out.count("\n") == 1, "one line for all steps"


@pytest.mark.parametrize("name", ["webui/page.html", "image/boot", "requirements.lock", "image/new"])
def test_a_changed_source_makes_a_new_image(repository, name):
    program.build_if_changed(True)
    (repository.path / name).write_text("changed")
    program.build_if_changed(True)
    assert repository.builds == 2


def test_a_build_that_fails_tells_its_steps_and_does_not_count(repository, capsys):
    repository.fails = True
    for _ in range(2):
        with pytest.raises(program.BuildError):
            program.build_if_changed(True)
        assert "a step" in capsys.readouterr().err
    assert repository.builds == 2


def test_two_builds_in_one_folder_come_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "BUILD", tmp_path / "build")
    waits, order = threading.Event(), []
    monkeypatch.setattr(steps, "print", lambda *_words, **_how: waits.set(), raising=False)

    def second():
        with steps.alone():
            order.append("second")

    other = threading.Thread(target=second)
    with steps.alone():
        other.start()
        assert waits.wait(60), "the second one says that it waits"
        order.append("first")
    other.join(60)
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        ("Permission is hereby granted, free of charge, to any person", ["MIT"]),
        ("Permission to use, copy, modify, distribute, and sell this software", ["X11"]),
        ("Redistribution and use in source and binary forms, with or without", ["BSD"]),
        ("This is in the public domain.", ["public domain"]),
        ("All rights reserved.", []),
    ],
)
def test_a_copyright_file_without_names_is_told_by_its_words(tmp_path, words, licence):
    path = tmp_path / "copyright"
    path.write_text(words)
    assert bom.debian_licences(path) == licence


def test_the_bill_names_kernel_drivers_and_boot_loader(tmp_path, monkeypatch):
    monkeypatch.setattr(bom, "_web", list)
    documents = tmp_path / "usr/share/doc"
    documents.mkdir(parents=True)
    (documents / "packages.tsv").write_text("")
    versions = {"linux-image-6.1": "6.1.1", "dahdi-source": "3.1", "grub-pc-bin": "2.06"}
    (documents / "versions.txt").write_text("".join(f"{name} {one}\n" for name, one in versions.items()))
    for short in ("linux", "dahdi", "grub"):
        (documents / f"copyright.{short}").write_text(f"License: {short}-licence\n")
    told = {
        one["name"]: (one["version"], one["licenses"][0]["license"]["name"])
        for one in bom.components(tmp_path)
    }
    assert told == {name: (one, f"{name.partition('-')[0]}-licence") for name, one in versions.items()}
