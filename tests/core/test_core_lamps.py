"""Message lamps: lit where an agent could serve somebody who waits."""

from core_office import Office

from appliance.core import events as ev


def test_lit_while_somebody_waits_for_an_agent_who_is_not_free():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.given_caller_in_queue("L1")
    assert office.lamps == set(), "who is rung through does not wait"
    office.when_lifted("801")
    office.given_caller_in_queue("L2")
    assert office.lamps == {"801"}
    office.when_caller_hangs_up("L2")
    assert office.lamps == set()


def test_only_where_the_queue_is_served_and_somebody_is_signed_in():
    office = Office()
    office.given_signed_in(("1001", "801"), ready=False)
    office.given_caller_in_queue("L1")
    assert office.lamps == {"801"}
    served = next(call["queue"] for call in office.calls())
    for agent, phone in (("1002", "802"), ("1003", "803")):
        assert office.desk("sign_in", agent, phone=phone) == ""
        expected = served in office.agent(agent)["queues"]
        assert (phone in office.lamps) is expected
    assert office.desk("sign_out", "1001") == ""
    assert "801" not in office.lamps


def test_lit_again_on_a_port_that_was_lost():
    office = Office()
    office.given_signed_in(("1001", "801"), ready=False)
    office.given_caller_in_queue("L1")
    office.step(ev.PortLost("801", "pulled out"))
    office.lamps.clear()  # the card comes back dark
    office.step(ev.PortReady("801"))
    assert office.lamps == ({"801"} if office.agent("1001")["phone"] == "801" else set())
