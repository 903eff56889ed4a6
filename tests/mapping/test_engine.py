"""What the asking of many rows does with what comes at once, or with a disk that fails: no kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import anthropic
import pytest

from claude_magic.api import models
from claude_magic.api.files import Files
from claude_magic.api.patience import Patience
from claude_magic.conversation.asked import Kept
from claude_magic.conversation.store import Store
from claude_magic.display.frontend import NoView
from claude_magic.errors import RequestRefused
from claude_magic.exchange import Means, NotKept
from claude_magic.mapping import engine
from claude_magic.mapping.engine import ALIKE, Asker, MapMeans, _Done, _Job
from claude_magic.mapping.plan import Plan, plan
from claude_magic.mapping.summary import summary
from claude_magic.mapping.tally import Tally
from claude_magic.question import Question
from claude_magic.rows import rows_of
from claude_magic.stop import Stop
from tests.conversation.made import a_turn

HAIKU = models.find("claude-haiku-5-5")
assert HAIKU is not None


class Unwatched:
    """Nobody is told."""

    def update(self, tally: Tally) -> None:
        """Tell nobody."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store.db")
    yield store
    store.close()


def planned(store: Store, count: int) -> Plan:
    assert HAIKU is not None
    question = Question("say: {{ row }}", HAIKU, {}, host="here", goes_on=False)
    return plan(question, rows_of(range(count)), store.asked.found, lambda call: call())


def asker(made: Plan, store: Store) -> Asker:
    client = anthropic.Anthropic(base_url="http://127.0.0.1:9", api_key="none", max_retries=0)
    means = Means(client, Files(client), NoView(), NotKept(), Stop(), Patience())
    return Asker(made, MapMeans(means, store.asked, "talk", lambda _: None, lambda _: None, Unwatched()))


def test_what_comes_after_giving_up_leaves_no_failure_of_those_alike(store: Store) -> None:
    made = planned(store, 3 * ALIKE)
    one = asker(made, store)
    problem = RequestRefused("The API rejected the credential.")
    other = RequestRefused("The API refused the request (400).")
    ends = [*[problem] * ALIKE, None, problem, other]
    for task, end in zip(made.tasks, ends, strict=False):
        assert task.prepared is not None
        one._todo.popleft()
        job = one._under_way[task.key] = _Job(task, task.prepared, 0.0)
        turn = a_turn("q") if end is None else a_turn("q", stage="failed")
        one._done.put(_Done(job, turn, end, True))
    one._take()
    found = store.asked.found(task.key for task in made.tasks)
    well, odd = made.tasks[ALIKE].key, made.tasks[ALIKE + 2].key
    assert {key: kept.error for key, kept in found.items()} == {well: "", odd: str(other)}
    assert len(planned(store, 3 * ALIKE).tasks) == 3 * ALIKE - 2  # the next run asks what is missing


@pytest.mark.parametrize("failures", [1, 9])
def test_what_the_disk_did_not_take_is_tried_once_more_and_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    tries, record = [False] * failures, store.asked.record

    def fails_at_first(ended: Sequence[Kept]) -> bool:
        return tries.pop() if tries else record(ended)

    monkeypatch.setattr(store.asked, "record", fails_at_first)
    monkeypatch.setattr(engine, "ask", lambda *_: (a_turn("q"), None))
    made = planned(store, 1)
    result = asker(made, store).run()
    assert result.outcomes[0].text == "An answer to: q"
    assert result.unkept == (failures > 1)
    assert bool(store.asked.found([made.tasks[0].key])) == (failures == 1)
    told = "1 row could not be kept in the store; the next run asks again"
    assert (told in summary(result, made.rows, "out").foot) == (failures > 1)
