"""Money that many questions share is never spent twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_magic.api.budget import Limit
from claude_magic.mapping.purse import MapPurse

USD = st.floats(0.0, 1.0)
SHARE = st.floats(0.0, 1.0)


@given(
    st.lists(st.tuples(USD, USD), min_size=1, max_size=3),
    st.lists(st.tuples(st.floats(0.0001, 0.3), SHARE, SHARE, SHARE, st.booleans()), max_size=80),
    st.integers(1, 16),
)
def test_no_limit_is_passed_and_nobody_waits_for_ever(
    limits: list[tuple[float, float]],
    questions: list[tuple[float, float, float, float, bool]],
    at_once: int,
) -> None:
    purse = MapPurse([Limit("this map", usd, spent, "raise it") for usd, spent in limits])
    most = min(usd - spent for usd, spent in limits)
    spent = 0.0
    under_way: list[tuple[float, float]] = []

    def settle() -> None:
        nonlocal spent
        granted, share = under_way.pop(0)
        spent += granted * share  # the API keeps an answer within what was granted for it
        purse.settle(granted, granted * share)
        assert spent <= most + 1e-9

    for whole, enough, least, share, early in questions:
        wanted = (whole, whole * max(enough, least), whole * least)
        while (granted := purse.grant(*wanted)) is None and under_way:
            settle()
        if granted is None:
            assert most - spent < wanted[2] + 1e-9
            return
        assert granted <= max(most - spent, 0.0) + 1e-9
        under_way.append((granted, share))
        if early or len(under_way) >= at_once:
            settle()
    while under_way:
        settle()


def test_without_limits_everything_goes() -> None:
    purse = MapPurse(())
    assert purse.grant(1e9, 1e9, 1e9) == 0.0
    purse.settle(0.0, 5.0)
    assert purse.grant(1.0, 1.0, 1.0) == 0.0
