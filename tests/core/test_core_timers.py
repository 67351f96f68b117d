"""The timers against a list that is looked through from the beginning each time."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.core.timers import Timers

NAMES = [(kind, owner, what) for kind in ("call", "line") for owner in "12" for what in ("ring", "step")]

steps = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(NAMES), st.integers(0, 20).map(float)),
    st.tuples(st.just("cancel"), st.sampled_from(NAMES), st.just(0.0)),
    st.tuples(st.just("cancel_all"), st.sampled_from(NAMES), st.just(0.0)),
    st.tuples(st.just("pop"), st.just(NAMES[0]), st.integers(0, 20).map(float)),
)


@given(st.lists(steps, max_size=60))
def test_whatever_is_set_and_forgotten_the_earliest_is_told_and_comes_first(orders):
    timers, pending = Timers(), []
    for what, name, at in orders:
        match what:
            case "set":
                timers.set(name, at)
                pending = [*(one for one in pending if one[1] != name), (at, name)]
            case "cancel":
                timers.cancel(name)
                pending = [one for one in pending if one[1] != name]
            case "cancel_all":
                timers.cancel_all(*name[:2])
                pending = [one for one in pending if one[1][:2] != name[:2]]
            case "pop":
                due = [one for one in pending if one[0] <= at]
                first = min(due, key=lambda one: one[0]) if due else None  # of equals the one set first
                assert timers.pop(at) == (first[1] if first else None)
                pending = [one for one in pending if one is not first]
        assert timers.next_due() == min((one[0] for one in pending), default=None)
        assert {name: timers.due_at(name) for name in NAMES if timers.due_at(name) is not None} == {
            name: at for at, name in pending
        }
