"""What disks say about themselves."""

import json

import pytest

from image.box import commands, smart
from image.box.places import Places

NVME = {"model_name": "NV 256", "smart_status": {"passed": True}}


@pytest.mark.parametrize(
    ("told", "passed", "worn"),
    [
        (NVME, True, False),
        (NVME | {"nvme_smart_health_information_log": {"percentage_used": 97}}, True, True),
        (NVME | {"smart_status": {"passed": False}}, False, False),
        ({}, None, False),
    ],
)
def test_a_disk_is_judged_by_what_it_says(told, passed, worn):
    found = smart.judge(told)
    assert (found["passed"], found["worn"]) == (passed, worn)
    assert bool(found["reason"]) is (passed is False or worn)


def test_what_was_found_is_left_for_the_health_check(tmp_path, monkeypatch):
    answers = {"--scan": json.dumps({"devices": [{"name": "/dev/sda"}, {"name": "/dev/sdb"}]})}

    def run(*command, **more):
        out = answers.get(command[1], json.dumps(NVME) if command[-1] == "/dev/sda" else "no such device")
        return commands.Done(0, out, out)

    monkeypatch.setattr(commands, "run", run)
    assert smart.run(Places(tmp_path), 5.0) == 0
    found = json.loads((tmp_path / "run" / "zongji" / "smart.json").read_text())
    assert [one["device"] for one in found["disks"]] == ["/dev/sda"], "one that is silent is no alarm"
