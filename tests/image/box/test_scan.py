"""The build's last look: what must not be in an image is found."""

import subprocess

import pytest

from image.build import scan


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc/ssh").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "etc/shadow").write_text("root:!*:1:0:99999:7:::\ndaemon:*:1:0:99999:7:::\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (tmp_path / "etc/machine-id").write_text("")
    return tmp_path


def test_a_clean_root_has_no_findings(root):
    (root / "usr/bin/zongji").write_text('if "-----BEGIN PRIVATE KEY-----" in text: …')
    assert list(scan.findings(root)) == []


@pytest.mark.parametrize("kind", ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:prime256v1"])
def test_a_private_key_is_found_whatever_the_file_is_called(root, kind):
    words = f"openssl req -x509 -nodes -newkey {kind} -subj /CN=x -out /dev/null -keyout"
    subprocess.run([*words.split(), root / "usr/bin/notes.txt"], check=True, capture_output=True)
    assert list(scan.findings(root)) == ["usr/bin/notes.txt holds a private key"]


@pytest.mark.parametrize("hidden", ["", "$y$j9T$salt$hash"])
def test_a_password_and_the_want_of_one_are_found(root, hidden):
    (root / "etc/shadow").write_text(f"root:{hidden}:1:0:99999:7:::\n")
    (found,) = scan.findings(root)
    assert "root" in found and "password" in found


@pytest.mark.parametrize("name", ["gcc", "gcc-12", "ld.bfd", "cc", "make", "perl"])
def test_a_compiler_is_found(root, name):
    (root / "usr/bin" / name).write_text("")
    assert list(scan.findings(root)) == [f"usr/bin/{name}: a compiler"]


def test_what_belongs_to_one_box_alone_is_found(root):
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/ssh/ssh_host_ed25519_key").write_text("x")
    assert len(list(scan.findings(root))) == 2


def test_a_new_program_with_anothers_rights_is_found(root):
    program = root / "usr/bin/helper"
    program.write_text("")
    program.chmod(0o4755)
    (found,) = scan.findings(root)
    assert "another user's rights" in found
