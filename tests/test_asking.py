"""Who knows of a question under way, and who can end its reply."""

from __future__ import annotations

import threading

from claude_magic.stop import Asking


def free_elsewhere(asking: Asking) -> bool:
    """Whether another thread finds no question under way."""
    found: list[bool] = []

    def look() -> None:
        with asking.between() as free:
            found.append(free)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(20)
    return found == [True]


def test_a_question_is_told_from_its_beginning_to_its_end() -> None:
    asking = Asking()
    told: list[bool] = []
    asking.watchers = (told.append,)
    assert free_elsewhere(asking)
    with asking.question():
        assert not free_elsewhere(asking)
        with asking.reply() as stop, asking.between() as free:
            assert free  # for its own thread, which knows what it does
            assert told == [True]
            asking.stop()
            assert stop.asked
            assert not stop.interrupted
        assert not free_elsewhere(asking)
        assert told == [True]
    assert told == [True, False]
    assert free_elsewhere(asking)
    asking.stop()


def test_a_question_within_a_question_is_not_the_end_of_both() -> None:
    asking = Asking()
    with asking.question():
        with asking.question():
            pass
        assert not free_elsewhere(asking)
    assert free_elsewhere(asking)


def test_a_question_that_fails_is_over() -> None:
    asking = Asking()
    told: list[bool] = []
    asking.watchers = (told.append,)
    try:
        with asking.question(), asking.reply():
            raise ValueError
    except ValueError:
        pass
    assert told == [True, False]
    assert free_elsewhere(asking)
