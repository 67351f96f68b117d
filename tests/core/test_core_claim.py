"""A telephone of a box that nobody has claimed says how to claim it, and can be used all the same."""

from appliance.core.plan import ClaimPlan
from appliance.core.telephone import claim_prompts


def test_address_and_code_are_said_digit_by_digit_in_both_languages():
    said = claim_prompts(ClaimPlan("705", "10.0.2.15"))
    address = ("1", "0", "dot", "0", "dot", "2", "dot", "1", "5")
    for language in ("zh", "en"):
        begin = said.index(f"claim_{language}_address")
        assert said[begin + 1 : begin + 10] == tuple(f"say_{language}_{sign}" for sign in address)
        code = said.index(f"claim_{language}_code")
        assert said[code + 1 : code + 4] == tuple(f"say_{language}_{digit}" for digit in "705")


def test_without_an_address_the_code_alone_is_said():
    assert "claim_zh_address" not in claim_prompts(ClaimPlan("705"))
