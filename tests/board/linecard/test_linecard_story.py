"""Whole calls through the engine on the reference card: real ALSA calls and a real pty."""

from card_box import card_box
from engine_box import likeness, speech

__all__ = ["card_box"]


def test_a_caller_is_greeted_presses_a_key_is_queued_talks_and_is_recorded(card_box):
    box = card_box()
    box.sign_in("1001", "801")
    phone = box.office.phone(1)
    caller = box.office.outside("Anna")
    box.rig.act(lambda: caller.call(0, number="13800001111"))
    box.until(lambda: caller.talking)
    box.run(1.0)
    greeting = speech("queue-thankyou")[:16000]
    score, _ = likeness(box.rig.act(lambda: caller.ear.heard(3.0)), greeting[:4000])
    assert score > 0.7, "the caller must hear the greeting"
    box.run(1.5)
    box.rig.act(lambda: caller.press("1"))
    box.until(lambda: phone.ringing)
    box.rig.act(phone.lift)
    box.run(1.0)
    words = speech("vm-options")[:16000]
    box.rig.act(lambda: caller.say(words))
    box.run(2.5)
    score, _ = likeness(box.rig.act(lambda: phone.ear.heard(3.0)), words[:12000])
    assert score > 0.7, "the agent must hear the caller"
    box.rig.act(caller.hang_up)
    box.until(lambda: any(data["final"] for data in box.of("record")), within_s=30)
    record = next(data["record"] for data in box.of("record") if data["final"])
    assert record["caller_number"] == "13800001111"
    assert record["keys"] == "1"
    assert (box.home.root / record["recording"]).stat().st_size > 8000
    (health,) = box.engine.health()["cards"]
    device = health["device"]
    assert health["leads"] and device["control"] == "up"
    assert (device["overruns"], device["underruns"], device["bad_frames"]) == (0, 0, 0)


def test_a_call_ends_with_the_control_port_and_the_next_one_works(card_box):
    box = card_box()
    caller = box.office.outside("Anna")
    box.rig.act(lambda: caller.call(0, number="13800001111"))
    box.until(lambda: caller.talking)
    box.rig.card.talking = False
    box.until(lambda: any(data["final"] for data in box.of("record")), within_s=10)
    box.rig.card.talking = True
    box.until(lambda: box.engine.health()["cards"][0]["device"]["control"] == "up")
    box.until(lambda: box.engine.snapshot()["lines"][0]["state"] == "idle", within_s=20)
    box.rig.act(caller.hang_up)
    box.run(2.0)
    box.rig.act(lambda: caller.call(0, number="13800001111"))
    box.until(lambda: caller.talking)
