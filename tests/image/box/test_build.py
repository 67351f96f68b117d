"""When `make test-image` builds the image anew."""

import shutil
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from image.build import __main__ as program
from image.build import bom, steps
from tests.image import conftest

MAKEFILE = Path(__file__).resolve().parents[3] / "Makefile"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Sources, and a build that only counts; `fails` makes it fail."""
    made = SimpleNamespace(path=tmp_path, builds=0, fails=False)
    for name in ("requirements.lock", "package-lock.json", "pyproject.toml", "webui/page.html", "image/boot"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(steps, "BUILD", tmp_path / "build")
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


@pytest.mark.parametrize(("free_gb", "there_mb", "fits"), [(3.1, 0, True), (2.9, 0, False), (2.9, 300, True)])
def test_an_image_that_does_not_fit_is_told_before_it_is_begun(
    tmp_path, monkeypatch, free_gb, there_mb, fits
):
    monkeypatch.setattr(steps, "BUILD", tmp_path / "build")
    monkeypatch.setattr(steps, "run", lambda *_: f"{there_mb * 1000}\tbuild\n")
    monkeypatch.setattr(steps.shutil, "disk_usage", lambda _: SimpleNamespace(free=free_gb * 1e9))
    if fits:
        steps.require_room()
        return
    with pytest.raises(steps.BuildError, match=r"needs 3 GB in .*; 0\.1 GB are missing: free them"):
        steps.require_room()


@pytest.mark.parametrize("free_gb", [7.99, 8.0])
def test_disks_of_machines_that_do_not_fit_end_the_run_before_it_begins(tmp_path, monkeypatch, free_gb):
    monkeypatch.setattr(conftest.shutil, "disk_usage", lambda _: SimpleNamespace(free=free_gb * 1e9))
    if free_gb == 8.0:
        conftest.require_room(tmp_path)
        return
    with pytest.raises(pytest.exit.Exception, match=r"need 8 GB in .*; 0\.1 GB are missing: free them"):
        conftest.require_room(tmp_path)


def test_a_build_that_fails_tells_its_steps_and_does_not_count(repository, capsys):
    repository.fails = True
    for _ in range(2):
        with pytest.raises(program.BuildError):
            program.build_if_changed(True)
        assert "a step" in capsys.readouterr().err
    assert repository.builds == 2


class Waiting:
    """Somebody on a thread who takes one of the folder's locks; `said` is set once they wait."""

    def __init__(self, monkeypatch, lock, order, name="second"):
        self.said, self.text = threading.Event(), ""
        monkeypatch.setattr(steps, "print", self._say, raising=False)
        self._lock, self._order, self._name = lock, order, name
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _say(self, text, **_):
        self.text = text
        self.said.set()

    def _take(self):
        with self._lock():
            self._order.append(self._name)

    def waits(self):
        assert self.said.wait(60), "it says that it waits"
        return self.text

    def ended(self):
        self.thread.join(60)
        return not self.thread.is_alive()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "BUILD", tmp_path / "build/image")
    return tmp_path / "build/image"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (steps.alone, steps.alone, "another build"),
        (steps.alone, steps.in_use, "another build"),
        (steps.alone, steps.beside_users, "another build"),
        (steps.in_use, steps.alone, "tests in machines are running on this image"),
        (steps.beside_users, steps.beside_users, "another build"),
    ],
)
def test_who_waits_in_a_build_folder_for_whom(folder, monkeypatch, first, second, words):
    order = []
    with first():
        other = Waiting(monkeypatch, second, order)
        assert words in other.waits()
        order.append("first")
    assert other.ended() and order == ["first", "second"]


def test_tests_go_on_together_and_make_their_variants_while_a_build_waits_for_them(folder, monkeypatch):
    order = []
    with steps.in_use(), steps.in_use():
        build = Waiting(monkeypatch, steps.alone, order)
        build.waits()
        assert Waiting(monkeypatch, steps.in_use, order, "test").ended()
        assert Waiting(monkeypatch, steps.beside_users, order, "variant").ended()
    assert build.ended() and order == ["test", "variant", "second"]


def test_a_lock_that_is_removed_while_somebody_waits_is_taken_anew(folder, monkeypatch):
    order = []
    with steps.alone():
        other = Waiting(monkeypatch, steps.alone, order)
        other.waits()
        shutil.rmtree(folder)  # as `make clean` does
    assert other.ended() and order == ["second"] and (folder / "lock").exists()


def test_who_has_nothing_to_build_waits_for_no_tests(repository):
    program.build_if_changed(True)
    with steps.in_use():
        other = threading.Thread(target=program.build_if_changed, args=(True,), daemon=True)
        other.start()
        other.join(60)
        assert not other.is_alive()
    assert repository.builds == 1


@pytest.mark.parametrize("lock", [steps.alone, steps.in_use])
def test_make_clean_removes_nothing_that_is_in_use(folder, tmp_path, lock):
    def clean():
        words = ["make", "-f", str(MAKEFILE), "clean"]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    with lock():
        done = clean()
        assert done.returncode and "build/image is in use" in done.stderr and (folder / "lock").exists()
    assert clean().returncode == 0 and not (tmp_path / "build").exists()
    assert clean().returncode == 0, "there is nothing"


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
