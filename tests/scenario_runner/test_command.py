"""`zongji scenario`: exit status and what is printed."""

import json
from pathlib import Path

from appliance.cli.main import main

GOOD = """story: Li hears the greeting
people:
  caller Li:
    - call line 1 from 13912345678
    - hear prompt greeting within 15 s
    - hang up
expect:
  records:
    - {caller_number: 13912345678, end_reason: abandoned_ivr}
"""


def story(tmp_path, text, name="one.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_story_that_comes_true(tmp_path, capsys):
    assert main(["scenario", story(tmp_path, GOOD)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ok   one.yaml: Li hears the greeting (1 records;")
    assert out.count("\n") == 1


def test_a_broken_expectation_is_one_readable_line(tmp_path, capsys):
    text = GOOD.replace("prompt greeting within 15 s", "tone busy within 4 s")
    assert main(["scenario", story(tmp_path, text)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL one.yaml: Li hears the greeting")
    assert lines[1].startswith("  one.yaml:5: at 4.")
    assert "caller Li expected to hear busy tone within 4 s; heard" in lines[1]


def test_should_fail_turns_it_round(tmp_path, capsys):
    failing = GOOD.replace("prompt greeting within 15 s", "tone busy within 4 s")
    assert main(["scenario", story(tmp_path, failing + "should fail: to hear busy tone\n")]) == 0
    assert main(["scenario", story(tmp_path, failing + "should fail: something else\n")]) == 1
    assert "it failed otherwise" in capsys.readouterr().out
    assert main(["scenario", story(tmp_path, GOOD + "should fail: anything\n")]) == 1
    assert "it came true" in capsys.readouterr().out


def test_a_file_that_cannot_be_understood(tmp_path, capsys):
    path = story(tmp_path, GOOD.replace("hang up", "hangg up"))
    assert main(["scenario", path]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"{path}:6: `hangg up` is not understood. Sentences like it: `hang up`")
    assert main(["scenario", str(tmp_path / "none.yaml")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_settings_that_the_box_refuses_name_their_line(tmp_path, capsys):
    path = story(tmp_path, GOOD + "box:\n  blacklist:\n    - {number: abc}\n")
    assert main(["scenario", path]) == 2
    assert f"{path}:12: the box refuses this: blacklist: 'abc' is not a number" in capsys.readouterr().err


def test_the_json_document(tmp_path, capsys):
    keep = tmp_path / "keep"
    assert main(["scenario", "--json", "--keep", str(keep), "--seed", "9", story(tmp_path, GOOD)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] and document["failures"] == []
    (record,) = document["records"]
    assert record["caller_number"] == "13912345678"
    (recording,) = document["recordings"]
    assert Path(recording).is_file() and Path(recording).is_relative_to(keep.resolve())
    assert recording.endswith(record["recording"])
    assert {event["source"] for event in document["events"]} == {"caller Li", "box"}
    assert document["virtual_s"] > 5
    # a second run may use the same place
    assert main(["scenario", "--keep", str(keep), story(tmp_path, GOOD)]) == 0


def test_a_box_that_breaks_down_is_a_failure_with_its_trace(tmp_path, capsys, monkeypatch):
    from appliance.engine.engine import Engine

    def broken(self, events):
        if self.now > 3:
            raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Engine, "_step", broken)
    assert main(["scenario", story(tmp_path, GOOD)]) == 1
    printed = capsys.readouterr()
    assert "expected the box to keep running; it broke down: ZeroDivisionError: a defect" in printed.out
    assert "Traceback" in printed.err


def test_a_folder_of_somebody_else_is_not_removed(tmp_path, capsys):
    (tmp_path / "keep" / "01-one" / "precious").mkdir(parents=True)
    assert main(["scenario", "--keep", str(tmp_path / "keep"), story(tmp_path, GOOD)]) == 2
    assert "choose another DIR" in capsys.readouterr().err
    assert (tmp_path / "keep" / "01-one" / "precious").is_dir()


def test_several_files_give_the_worst_status(tmp_path, capsys):
    bad = story(tmp_path, "story: x\n", "bad.yaml")
    assert main(["scenario", "--json", "--keep", str(tmp_path / "k"), story(tmp_path, GOOD), bad]) == 2
    good, broken = json.loads(capsys.readouterr().out)
    assert good["ok"] and not broken["ok"]
    assert broken["line"] == 1
