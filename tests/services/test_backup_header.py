"""The header of a backup, which anybody may have written: what is no such thing is refused by name."""

import json
import math
import time
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.services import backup, backup_file
from appliance.services.backup_errors import BackupError

from .conftest import NOW
from .test_backup import AGE_BEGINS, code_of


def with_header(path, told):
    """The file of an unsealed backup with this header, whatever it is."""
    text = told if isinstance(told, bytes) else json.dumps(told).encode()
    head = text.ljust(backup_file.HEADER_BYTES - 1) + b"\n"
    path.write_bytes(backup_file.UNSEALED + head[: backup_file.HEADER_BYTES] + b"age")
    return path


HEADER = {
    **{"made_at": NOW, "version": "0.1.0", "schema": 3, "box": "box-1", "key": "age1", "passphrase": ""},
    **{"recordings": False, "automatic": True, "files": 2, "content_bytes": 9},
    "total_bytes": AGE_BEGINS + 3,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("made_at", math.nan),
        ("made_at", math.inf),
        ("made_at", -1),
        ("made_at", 1e300),
        ("made_at", True),
        ("content_bytes", "9"),
        ("content_bytes", -9),
        ("content_bytes", 2.5),
        ("files", None),
        ("total_bytes", True),
        ("schema", 1.0),
        ("recordings", "no"),
        ("version", 1),
        ("box", ["box-1"]),
        ("box", "\ud800"),
        ("key", "age1\n"),
        ("passphrase", {}),
    ],
)
def test_a_header_with_a_field_of_another_kind_is_refused_and_the_field_named(tmp_path, field, value):
    path = with_header(tmp_path / "x.zjb", HEADER)
    assert backup_file.read_header(path).content_bytes == 9
    with pytest.raises(BackupError, match=f"its header: {field} is") as refused:
        backup_file.read_header(with_header(path, HEADER | {field: value}))
    assert refused.value.code == "tampered"
    assert backup.look(path).header is None and backup.look(path).problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*HEADER, "sealed", "more"]), JSON, max_size=4) | JSON)
def test_no_header_is_taken_that_this_program_would_not_write(tmp_path_factory, changes):
    told = HEADER | changes if isinstance(changes, dict) else changes
    path = with_header(tmp_path_factory.getbasetemp() / "property.zjb", told)
    try:
        header = backup_file.read_header(path)
    except BackupError as error:
        assert error.code in ("tampered", "truncated")
        return
    assert {name: type(value) for name, value in asdict(header).items()} | {"made_at": float} == {
        name: type(value) for name, value in (HEADER | {"sealed": False}).items()
    }
    assert 0 <= header.made_at < 1e12
    json.dumps(header.__dict__, allow_nan=False).encode()
    time.gmtime(header.made_at)


@pytest.mark.parametrize("text", [b"[" * 4000, b"9" * 4000, b"\xff", b"", b"[]"])
def test_a_header_that_is_no_object_is_refused(tmp_path, text):
    assert code_of(backup_file.read_header, with_header(tmp_path / "x.zjb", text)) == "tampered"
