"""A whole call through the engine on a voice modem."""

import pytest
from at_bench import BenchTime, BenchWire
from at_story import AtBox, FarEnd, likeness, speech
from modem_emulator import CONEXANT, Modem

from board.registry import open_board


@pytest.mark.parametrize("ends_by", ["busy tone", "loop break"])
def test_a_caller_is_greeted_led_and_talks_on_a_voice_modem(tmp_path, monkeypatch, ends_by):
    modem, far = Modem(CONEXANT, ends=(b"^",)), FarEnd()
    modem.incoming, modem.outgoing = far.block, far.hear
    time = BenchTime(modem)
    monkeypatch.setattr("board.modem.card.SerialWire", lambda path: BenchWire(path, modem))
    monkeypatch.setattr("board.atcard.RealTime", lambda: time)
    box = AtBox(tmp_path, open_board("modem:/dev/ttyACM0"), time)
    try:
        for when in (0.1, 5.1):
            modem.after(when, modem.ring)
        modem.after(2.0, lambda: modem.caller_id("13800138000", "ZHANG"))
        box.until(lambda: box.line_state() == "ivr", 8)
        box.run(2.5)
        assert likeness(far.heard(), speech("queue-thankyou")[2000:12000])[0] > 0.9
        far.press("1")
        box.until(lambda: box.phone.ringing, 3)
        [pop] = box.of("pop")
        assert (pop["number"], pop["name"], pop["keys"]) == ("13800138000", "ZHANG", "1")
        box.phone.lift()
        box.until(lambda: box.agent_state() == "talking")
        box.run(0.3)
        heard_by_agent, heard_by_caller = box.talk(far)
        assert heard_by_agent > 0.9 and heard_by_caller > 0.9
        if ends_by == "busy tone":
            far.busy_tone()
        else:
            modem.event("l")
        record = box.record()
        assert record["end_reason"] == "caller_hangup"
        assert record["cue"] == ("tone" if ends_by == "busy tone" else "battery")
        assert (record["caller_number"], record["keys"]) == ("13800138000", "1")
        assert record["recording_s"] > 5
        box.until(lambda: not modem.off_hook, 2)
        assert box.line_state() == "idle"
    finally:
        box.engine.close()
        modem.close()
