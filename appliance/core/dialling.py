"""What the digits of an agent's telephone mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from appliance.core.plan import Plan

FEATURE_SIGN_IN = "*11"
FEATURE_SIGN_OUT = "*12"
FEATURE_READY = "*13"
FEATURE_NOT_READY = "*14"
FEATURES = (FEATURE_SIGN_IN, FEATURE_SIGN_OUT, FEATURE_READY, FEATURE_NOT_READY)

DIGITS = "0123456789"

AMBIGUOUS_EMERGENCY_S = 2.0
"""An emergency number that may also be the beginning of another (9-110 begins with 911) waits so long."""


class Kind(Enum):
    """What has been dialled."""

    NOTHING = "nothing"  # not complete
    WRONG = "wrong"
    INSIDE = "inside"  # an extension or an agent
    OUTSIDE = "outside"
    EMERGENCY = "emergency"
    FEATURE = "feature"


@dataclass(frozen=True)
class Dialled:
    """Meaning of the digits so far. `more`: further digits could change it; wait `wait_s` for them."""

    kind: Kind
    value: str = ""
    more: bool = False
    wait_s: float = 0.0


def meaning(plan: Plan, digits: str) -> Dialled:
    """What `digits` mean in this plan. A final # ends the number."""
    wait_s = plan.outside.digit_timeout_s
    if digits.startswith("*"):
        return _feature(digits, wait_s)
    ended = digits.endswith("#")
    number = digits.rstrip("#")
    if set(number) - set(DIGITS) or not number:
        return Dialled(Kind.WRONG)
    outside = plan.outside
    inside = [phone.ext for phone in plan.phones] + [agent.number for agent in plan.agents]
    prefixed = number.startswith(outside.prefix)
    rest = number[len(outside.prefix) :] if prefixed else ""
    # Further digits may follow when some known number, or any outside number, begins like this.
    more = not ended and (
        any(one != number and one.startswith(number) for one in (*inside, *outside.emergency))
        or outside.prefix.startswith(number)
        or (prefixed and len(rest) < outside.max_digits)
    )
    if number in outside.emergency:
        return Dialled(Kind.EMERGENCY, number, more, AMBIGUOUS_EMERGENCY_S)
    if number in inside:
        return Dialled(Kind.INSIDE, number, more and not _only_outside(plan, number), wait_s)
    if rest in outside.emergency:
        return Dialled(Kind.EMERGENCY, rest, more, AMBIGUOUS_EMERGENCY_S)
    if rest:
        return Dialled(Kind.OUTSIDE, rest, more, wait_s)
    return Dialled(Kind.NOTHING, "", True, wait_s) if more else Dialled(Kind.WRONG)


def _only_outside(plan: Plan, number: str) -> bool:
    """With no prefix every number could go on to an outside one; an extension wins at once."""
    inside = [phone.ext for phone in plan.phones] + [agent.number for agent in plan.agents]
    longer = (one for one in (*inside, *plan.outside.emergency) if one != number)
    return not any(one.startswith(number) for one in longer)


def _feature(digits: str, wait_s: float) -> Dialled:
    code = digits[:3]
    if len(digits) < 3:
        fits = any(feature.startswith(digits) for feature in FEATURES)
        return Dialled(Kind.NOTHING, "", True, wait_s) if fits else Dialled(Kind.WRONG)
    if code not in FEATURES:
        return Dialled(Kind.WRONG)
    if code == FEATURE_SIGN_IN:
        done = digits[3:].count("#") >= 2
        return Dialled(Kind.FEATURE, digits) if done else Dialled(Kind.NOTHING, "", True, wait_s * 2)
    if code == FEATURE_NOT_READY and len(digits) == 3:
        return Dialled(Kind.FEATURE, digits, True, wait_s)
    return Dialled(Kind.FEATURE, digits)


def is_barred(plan: Plan, number: str) -> bool:
    """Whether a number outside must not be dialled. Emergency numbers never are."""
    return number not in plan.outside.emergency and any(
        number.startswith(prefix) for prefix in plan.outside.barred
    )
