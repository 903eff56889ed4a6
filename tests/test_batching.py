"""Rows as Message Batches, from the disk to the API and back: real sockets, a real store, no kernel."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from claude_magic import batching, offline
from claude_magic.api import models
from claude_magic.api.budget import Limit
from claude_magic.api.files import Files
from claude_magic.api.options import Options
from claude_magic.api.patience import Patience
from claude_magic.api.spool import Most, Spool
from claude_magic.batching.lines import fetched_line
from claude_magic.conversation.batch_values import Came, Run, Sent, Told
from claude_magic.conversation.history import Conversation
from claude_magic.conversation.store import Store
from claude_magic.display.bar import NoBar
from claude_magic.errors import ApiProblem, StoreProblem, UsageProblem
from claude_magic.question import Question
from claude_magic.rows import rows_of
from claude_magic.stop import Stop, Stopped
from claude_magic.values import Answer, OtherPart, TextPart, Turn

HAIKU = models.find("claude-haiku-5-5")
assert HAIKU is not None


class Bench:
    """One kernel's batches, without the kernel; another one of the same store is another kernel."""

    def __init__(self, folder: Path, url: str, token: str, most: int = 100_000) -> None:
        self.store = Store.open(folder / "store.db")
        self.spool = Spool(folder / "store-batches", Most(requests=most))
        http = anthropic.DefaultHttpxClient(trust_env=False, verify=False)
        self.client = anthropic.Anthropic(base_url=url, api_key=token, max_retries=0, http_client=http)
        self.turns: list[Turn] = []
        self.stop = Stop()
        self.means = batching.BatchMeans(
            self.client, Files(self.client), self.store.batches, self.spool, self.stop,
            Patience(retries=1), NoBar(), self.turns.append,
        )  # fmt: skip
        self.talk = "talk"
        self.store.create(Conversation(self.talk), "book")

    def close(self) -> None:
        self.client.close()
        self.store.close()

    def spooled(self, rows: Any, prompt: str = "say: {{ row }}", **more: Any) -> batching.Spooled:
        again, retry = more.pop("again", False), more.pop("retry_failed", False)
        assert HAIKU is not None
        more = {"namespace": {}, "max_tokens": 100, **more}
        question = Question(prompt, HAIKU, host="here", goes_on=False, **more)
        how = {"data": question.options.data, "thinking": question.options.thinking, "fields": None}
        run = Run(0, time.time(), "book", self.talk, "cell", self.means.host, HAIKU.id, prompt, "out", how)
        known = self.store.asked.found
        return batching.spool_rows(
            question, rows_of(rows), run, self.means, known, again=again, retry_failed=retry
        )

    def sent(self, rows: Any, prompt: str = "say: {{ row }}", **more: Any) -> list[Sent]:
        return batching.submit(self.spooled(rows, prompt, **more).parts, self.means)

    def known(self) -> list[Sent]:
        """All batches, the oldest first."""
        return self.store.batches.batches()[::-1]

    def ended(self, key: int) -> Sent:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            one = next(one for one in self.known() if one.key == key)
            if one.status == "ended":
                return one
            assert batching.refresh(one, self.means) == ""
            time.sleep(0.02)
        raise AssertionError("the batch did not end")

    def fetched(self, *sent: Sent) -> None:
        for one in sent:
            batching.fetch(self.ended(one.key), self.means)

    def told(self, run: int = 1) -> list[Told]:
        return list(self.store.batches.told(run))

    def outcomes(self, run: int = 1) -> list[str]:
        return [one.row.outcome for one in self.told(run)]

    def files(self) -> list[Path]:
        return sorted(self.spool.folder.glob("*")) if self.spool.folder.exists() else []


Start = Callable[..., Bench]


@pytest.fixture
def start(tmp_path: Path, local_api: offline.LocalApi) -> Iterator[Start]:
    """Starts a bench; with a pledge at a server of its own."""
    with contextlib.ExitStack() as stack:

        def start(most: int = 100_000, url: str = "", **pledge: float) -> Bench:
            api = local_api
            if pledge:
                api = stack.enter_context(offline.start(pace=0, batches=offline.Pledge(**pledge)))
            bench = Bench(tmp_path, url or api.url, api.token, most)
            stack.callback(bench.close)
            return bench

        yield start


def test_rows_become_turns_at_half_price(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["a", "b", "c"])
    assert one.id.startswith("msgbatch_")
    assert (one.status, one.total, one.demo) == ("in_progress", 3, True)
    bench.fetched(one)
    assert [(told.row.label, told.stage, told.text) for told in bench.told()] == [
        (0, "complete", "a"), (1, "complete", "b"), (2, "complete", "c"),
    ]  # fmt: skip
    assert sorted(turn.text for turn in bench.turns) == ["a", "b", "c"]
    for turn in bench.turns:
        assert HAIKU is not None
        assert turn.usage.service_tier == "batch"
        full = models.cost(HAIKU, replace(turn.usage, service_tier="standard"))
        assert turn.cost is not None
        assert full is not None
        assert turn.cost == pytest.approx(full / 2)
        assert (turn.prompt, turn.blocks[0].text[:5]) == ("say: {{ row }}", "say: ")
        assert (turn.demo, turn.conversation, turn.cell_id) == (True, "talk", "cell")
        kept = bench.store.answered(bench.told()["abc".index(turn.text)].row.question)
        assert kept is not None
        assert (kept.answer, kept.shown, kept.blocks) == (turn.answer, turn.shown, turn.blocks)
    assert bench.files() == []
    assert bench.known()[0].status == "fetched"


def test_equal_and_answered_rows_are_sent_once(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["a", "b", "a", "a"])
    assert one.total == 2
    under_way = bench.spooled(["a", "c"])
    assert (under_way.asked, sum(under_way.underway.values())) == (1, 1)
    assert list(under_way.underway) == [one.key]
    bench.fetched(one)
    assert [told.text for told in bench.told()] == ["a", "b", "a", "a"]
    table = batching.run_table(bench.told(), None)
    assert table["answer"].tolist() == ["a", "b", "a", "a"]
    # Four rows, two questions: what is told of the batch counts questions.
    assert fetched_line(bench.known()[:1], "out").startswith("out: 2 questions answered · ")
    listed = batching.batches_table(bench.known()[:1], every=False)
    assert dict(zip(listed.columns, listed.rows[0], strict=True))["asked"] == "2"
    assert sum(table["claude_cost"]) == pytest.approx(one_cost(bench))
    again = bench.spooled(["a", "b", "d"])
    assert (again.asked, again.known) == (1, 2)
    (rest,) = batching.submit(again.parts, bench.means)
    bench.fetched(rest)
    assert [told.text for told in bench.told(again.run.key)] == ["a", "b", "d"]
    # What was known from before, or another run has paid, costs nothing again.
    costs = batching.run_table(bench.told(again.run.key), None)["claude_cost"].tolist()
    assert costs == [0.0, 0.0, bench.turns[-1].cost]
    # What another run has asked is found by what was asked.
    assert [(told.text, told.cost) for told in bench.told(under_way.run.key)] == [("a", 0.0), ("", 0.0)]
    assert bench.spooled(["a"], again=True).asked == 1


def one_cost(bench: Bench) -> float:
    return sum(turn.cost or 0.0 for turn in bench.turns)


def test_partial_failures_are_sent_again_until_all_have_an_answer(start: Start) -> None:
    bench = start(delay=0.0, errored=0.3, expired=0.2)
    sent = bench.sent(range(20))
    bench.fetched(*sent)
    first = bench.outcomes()
    assert first.count("errored") == 6
    assert first.count("expired") >= 2
    assert first.count("answered") == 20 - first.count("errored") - first.count("expired")
    failed = next(told for told in bench.told() if told.row.outcome == "errored")
    assert failed.row.error == "api_error: Internal server error"
    assert len(bench.files()) == 1
    for _ in range(10):
        left = [one for one in bench.known() if one.unanswered]
        if not left:
            break
        assert len(left) == 1
        bench.fetched(*batching.resend(left[0], (), bench.means))
    assert bench.outcomes() == ["answered"] * 20
    assert [told.text for told in bench.told()] == [str(number) for number in range(20)]
    assert len(bench.turns) == 20
    assert bench.files() == []
    with pytest.raises(UsageProblem, match="Nothing of this batch is errored"):
        batching.resend(bench.known()[0], (), bench.means)


def test_invalid_requests_are_errored_with_the_apis_word(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["a"], extra='{"top_k": 5}')
    bench.fetched(one)
    (told,) = bench.told()
    assert told.row.outcome == "errored"
    assert "top_k" in told.row.error


def test_a_map_too_large_for_one_batch_is_split_and_put_together(start: Start) -> None:
    bench = start(most=3)
    sent = bench.sent(range(8))
    assert [one.total for one in sent] == [3, 3, 2]
    bench.fetched(*sent[1:])
    stages = [told.row.outcome for told in bench.told()]
    assert stages == [""] * 3 + ["answered"] * 5
    table = batching.run_table(bench.told(), None)
    assert table["claude_stage"].tolist() == ["pending"] * 3 + ["complete"] * 5
    bench.fetched(sent[0])
    assert [told.text for told in bench.told()] == [str(number) for number in range(8)]


def test_what_a_dead_kernel_has_not_sent_is_found_and_sent(start: Start) -> None:
    bench = start(most=3)
    spooled = bench.spooled(range(7))
    batching.submit(spooled.parts[:1], bench.means)
    other = start(most=3)  # another kernel: nothing but the store and the files
    first, *rest = other.known()
    assert first.id
    assert [(one.id, one.status) for one in rest] == [("", "spooled")] * 2
    table = repr(batching.batches_table(other.known()[::-1], every=False))
    assert table.count("  not sent  ") == 2
    assert "--resend ID sends it" in table
    assert f"unsent-{rest[0].key}" in table
    batching.resend(rest[0], (), other.means)
    batching.drop(rest[1], other.means)
    other.fetched(*other.known())
    assert [told.text for told in other.told()] == [*map(str, range(6)), ""]
    assert other.told()[6].row.error == "it was not sent"
    assert other.files() == []


def test_what_was_asked_since_is_not_sent_twice(start: Start) -> None:
    bench = start()
    old = bench.spooled(range(3))  # and the kernel dies
    bench.fetched(*bench.sent([1, 7]))
    with pytest.raises(
        UsageProblem, match=r"1 of its 3 questions have been asked since.*--cancel unsent-1 gives"
    ):
        batching.resend(bench.known()[0], (), bench.means)
    batching.drop(bench.known()[0], bench.means)
    assert [told.text for told in bench.told(old.run.key)] == ["", "1", ""]


def test_what_was_to_be_asked_again_is_sent_whatever_was_known_before(start: Start) -> None:
    bench = start()
    bench.fetched(*bench.sent(["a"]))
    bench.sent(["b"])  # under way
    again = bench.spooled(["a", "b"], again=True)  # and the kernel dies
    bench.fetched(*batching.resend(bench.known()[-1], (), bench.means))
    assert [told.row.outcome for told in bench.told(again.run.key)] == ["answered"] * 2
    assert len(bench.turns) == 3


def test_files_that_nobody_knows_go_after_a_day(start: Start) -> None:
    bench = start()
    bench.spooled(["a"])
    (known,) = bench.files()
    lost, fresh = (bench.spool.folder / f"{letter * 32}.json" for letter in "ab")
    for path in (lost, fresh, known):
        path.touch()
    for path in (lost, known):
        os.utime(path, (0, 0))
    bench.spooled(["b"])
    assert lost not in bench.files()
    assert {fresh, known} <= set(bench.files())


def test_a_canceled_batch_keeps_what_came_and_sends_the_rest_again(start: Start) -> None:
    bench = start(delay=40.0)  # one a second
    (one,) = bench.sent(range(40))
    time.sleep(2.5)
    bench.client.messages.batches.cancel(one.id)
    bench.fetched(one)
    outcomes = bench.outcomes()
    assert set(outcomes) == {"answered", "canceled"}
    again = batching.resend(bench.known()[0], (), bench.means)
    assert again[0].total == outcomes.count("canceled")


def test_results_come_in_pieces_and_a_stop_between_loses_none(start: Start, tmp_path: Path) -> None:
    bench = start()
    (one,) = bench.sent(range(450))
    one = bench.ended(one.key)
    seen: list[int] = []

    class StopsAtOnce(NoBar):
        def show(self, done: int, total: int, **_: str) -> None:
            seen.append(done)
            bench.stop.ask()

    with pytest.raises(Stopped):
        batching.fetch(one, replace(bench.means, progress=StopsAtOnce()))
    assert seen == [200]
    assert bench.outcomes().count("answered") == 200
    bench.stop.asked = False
    batching.fetch(one, bench.means)
    batching.fetch(one, bench.means)  # twice is once
    assert len(bench.turns) == 450
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as store:
        assert store.execute("SELECT COUNT(*), COUNT(DISTINCT reuse_key) FROM turns").fetchone() == (450, 450)
        assert store.execute("SELECT cost FROM batches").fetchone()[0] == pytest.approx(one_cost(bench))


def test_two_kernels_that_fetch_one_batch_account_each_answer_once(start: Start) -> None:
    bench, other = start(), start()
    (one,) = bench.sent(range(250))
    one = bench.ended(one.key)

    class MeanwhileTheOther(NoBar):
        def show(self, done: int, total: int, **_: str) -> None:
            if not other.turns:
                batching.fetch(one, other.means)

    batching.fetch(one, replace(bench.means, progress=MeanwhileTheOther()))
    assert [len(each.turns) for each in (bench, other)] == [200, 50]
    assert bench.outcomes() == ["answered"] * 250
    assert bench.known()[0].cost == pytest.approx(one_cost(bench) + one_cost(other))


def test_a_store_that_fails_while_answers_come_loses_none(start: Start, tmp_path: Path) -> None:
    bench = start()
    (one,) = bench.sent(range(3))
    one = bench.ended(one.key)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as store:
        store.execute("CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(FAIL, 'full'); END")
        with pytest.raises(StoreProblem, match="still at the API: fetch them again"):
            batching.fetch(one, bench.means)
        assert bench.outcomes() == [""] * 3
        store.execute("DROP TRIGGER full")
    bench.fetched(one)
    assert bench.outcomes() == ["answered"] * 3


def test_an_answer_that_cannot_be_kept_is_an_error_of_its_row_alone(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["a", "b"])
    questions = [told.row.question for told in bench.told()]
    odd = Turn("", (), answer=Answer((OtherPart("odd", {"type": object()}),)), stage="complete", id="odd")
    plain = Turn("", (), answer=Answer((TextPart("b"),)), stage="complete", id="plain")
    came = [Came(questions[0], "answered", "", odd), Came(questions[1], "answered", "", plain)]
    assert bench.store.batches.keep(one, came) == came
    assert bench.outcomes() == ["errored", "answered"]
    assert "cannot be kept" in bench.told()[0].row.error


def test_results_that_have_gone_are_told_and_sent_again(start: Start) -> None:
    bench = start(delay=0.0, kept=0.01)
    (one,) = bench.sent(["a"])
    end = time.monotonic() + 20
    while (note := batching.refresh(bench.known()[0], bench.means)) == "" and time.monotonic() < end:
        time.sleep(0.05)
    assert "keeps them 29 days" in note
    assert one.id in note
    again = batching.resend(bench.known()[0], (), bench.means)
    assert again[0].id not in ("", one.id)


def test_a_batch_that_the_api_does_not_know_is_told(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["a"])
    bench.ended(one.key)
    bench.client.messages.batches.delete(one.id)
    note = batching.refresh(bench.known()[0], bench.means)
    assert "deleted, or sent with another key" in note
    assert bench.known()[0].status == "gone"
    assert bench.outcomes() == [""]  # another key may still fetch it
    again = batching.resend(bench.known()[0], (), bench.means)
    bench.fetched(*again)
    assert bench.outcomes() == ["answered"]


def test_a_batch_of_another_host_is_left_alone(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["a"])
    elsewhere = start(delay=0.0)
    note = batching.refresh(one, elsewhere.means)
    assert one.run.host in note
    assert elsewhere.means.host in note
    assert elsewhere.known()[0].status == "in_progress"


class Losing:
    """A way to the API on which the answer to a batch is lost once, or only slow."""

    def __init__(self, url: str, *, arrives: bool = True, status: int = 0, slow: float = 0.0) -> None:
        outer = self
        self.lost = 0
        self.posted: Callable[[], None] = lambda: None
        self.busy = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = dict(self.headers.items()) | {"Host": url.removeprefix("http://")}
                if self.command == "POST":
                    outer.posted()
                if outer.busy and self.path.startswith("/v1/files"):
                    outer.busy -= 1
                    self.send_error(529)
                    return
                time.sleep(slow)
                lose = self.command == "POST" and not outer.lost and not slow
                if lose and not arrives:
                    outer.lost += 1
                    self.close_connection = True
                    return
                with httpx2.Client(trust_env=False) as client:
                    got = client.request(self.command, url + self.path, content=body, headers=headers)
                if lose:
                    outer.lost += 1
                    self.close_connection = True
                    if status:
                        self.send_error(status)
                    return
                self.send_response(got.status_code)
                self.send_header("Content-Type", got.headers["content-type"])
                self.send_header("Content-Length", str(len(got.content)))
                self.end_headers()
                self.wfile.write(got.content)

            do_POST = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Losing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.mark.parametrize("status", [0, 504])
def test_a_batch_whose_answer_was_lost_is_found_and_not_sent_twice(
    start: Start, local_api: offline.LocalApi, status: int
) -> None:
    with Losing(local_api.url, arrives=True, status=status) as way:
        bench = start(url=way.url)
        before = len(bench.client.messages.batches.list(limit=1000).data)
        (one,) = bench.sent([f"lost {status} {number}" for number in range(11)])
        assert way.lost == 1
        assert one.id
        assert len(bench.client.messages.batches.list(limit=1000).data) == before + 1
        bench.fetched(one)
    assert bench.outcomes() == ["answered"] * 11


def test_a_batch_that_did_not_arrive_stays_on_disk(start: Start, local_api: offline.LocalApi) -> None:
    with Losing(local_api.url, arrives=False) as way:
        bench = start(url=way.url)
        spooled = bench.spooled([f"nowhere {number}" for number in range(17)])
        with pytest.raises(ApiProblem, match=r"0 of 1 batches are sent, 1 is kept on disk.*--resend"):
            batching.submit(spooled.parts, bench.means)
        assert {(one.id, one.status) for one in bench.known()} == {("", "spooled")}
        for one in bench.known():
            batching.resend(one, (), bench.means)
        bench.fetched(*bench.known())
    assert bench.outcomes() == ["answered"] * 17


def test_a_stop_while_a_batch_is_sent_does_not_lose_its_id(start: Start, local_api: offline.LocalApi) -> None:
    with Losing(local_api.url, slow=0.5) as way:
        bench = start(url=way.url)
        spooled = bench.spooled(["a"])
        way.posted = bench.stop.ask
        with pytest.raises(Stopped):
            batching.submit(spooled.parts, bench.means)
        assert bench.known()[0].id == ""
        end = time.monotonic() + 20
        while not bench.known()[0].id and time.monotonic() < end:
            time.sleep(0.02)
    assert bench.known()[0].status == "in_progress"


def test_a_stop_before_a_batch_is_sent_leaves_it_on_disk(start: Start) -> None:
    bench = start(most=2)
    spooled = bench.spooled(range(4))
    before = len(bench.client.messages.batches.list(limit=1000).data)

    class StopsAfterTheFirst(NoBar):
        def show(self, done: int, total: int, **_: str) -> None:
            bench.stop.ask()

    with pytest.raises(Stopped):
        batching.submit(spooled.parts, replace(bench.means, progress=StopsAfterTheFirst()))
    assert [bool(one.id) for one in bench.known()] == [True, False]
    assert bench.known()[1].status == "spooled"
    assert len(bench.client.messages.batches.list(limit=1000).data) == before + 1


def test_a_demo_that_ended_while_a_batch_was_sent_holds_up_nothing(
    start: Start, local_api: offline.LocalApi
) -> None:
    over = threading.Event()
    with Losing(local_api.url, arrives=False) as way:
        bench = start(url=way.url)
        spooled = bench.spooled(["a"])

        def stays() -> None:
            bench.stop.ask()
            over.wait(30)

        way.posted = stays
        with pytest.raises(Stopped):
            batching.submit(spooled.parts, bench.means)
    over.set()
    bench.stop.asked = False
    shelf = bench.store.batches
    (one,) = bench.known()
    assert (one.id, one.status, one.demo) == ("", "sending", True)
    assert [shelf.outstanding("book", one.sent - 1, demo=demo) > 0 for demo in (True, False)] == [True, False]
    batching.give_up_ended_demos(shelf)
    assert bench.known()[0].status == "gone"
    assert shelf.outstanding("book", one.sent - 1, demo=True) == 0
    assert bench.spooled(["a"]).asked == 1


def test_a_limit_is_kept_whatever_the_answers(start: Start) -> None:
    bench = start()
    spooled = bench.spooled(range(100))
    assert spooled.most_cost is not None
    assert spooled.input_cost is not None
    told = (spooled.asked, spooled.most_cost, spooled.input_cost, ("claude-haiku-5-5", 100))
    enough = Limit("this map", spooled.most_cost * 1.001, 0.0, "raise it")
    batching.check_limits(*told, [enough])
    half = Limit("this map", spooled.most_cost / 2, 0.0, "raise it")
    with pytest.raises(
        UsageProblem, match=r"--max-tokens \d+ keeps within it.*Nothing was sent\.$"
    ) as caught:
        batching.check_limits(*told, [half])
    assert "batch prices" in str(caught.value)
    with pytest.raises(UsageProblem, match="No price is known"):
        batching.check_limits(100, None, None, ("claude-new", 100), [half])
    sent = batching.submit(spooled.parts, bench.means)
    since = sent[0].sent - 1
    assert bench.store.batches.outstanding("book", since, demo=True) == pytest.approx(spooled.most_cost)
    bench.fetched(*sent)
    assert bench.store.batches.outstanding("book", since, demo=True) == 0
    assert one_cost(bench) < spooled.most_cost


def test_rows_that_cannot_be_asked_say_why_and_the_others_are(start: Start) -> None:
    bench = start()
    spooled = bench.spooled([{"a": 1}, {"b": 2}], "say: {{ row['a'] }}")
    assert (spooled.asked, spooled.refused) == (1, 1)
    bench.fetched(*batching.submit(spooled.parts, bench.means))
    good, bad = bench.told()
    assert (good.text, bad.row.outcome) == ("1", "refused")
    assert "KeyError" in bad.row.error
    table = batching.run_table(bench.told(), None)
    assert table["claude_stage"].tolist() == ["complete", "failed"]


def test_an_upload_is_tried_again_and_its_failure_is_no_rows_own(
    start: Start, local_api: offline.LocalApi
) -> None:
    image = pytest.importorskip("PIL.Image")
    picture: dict[str, Any] = {
        "namespace": {"picture": image.effect_noise((300, 300), 50)},
        "attach": ("picture",),
    }
    with Losing(local_api.url, slow=0.001) as way:
        bench = start(url=way.url)
        bench.means = replace(bench.means, patience=Patience(retries=1, hurry=True))
        way.busy = 2
        with pytest.raises(ApiProblem, match=r"529.*2 tries were made\..*Nothing was sent\.$"):
            bench.spooled(range(3), upload_above=1000, **picture)
        assert (way.busy, bench.known(), bench.files()) == (0, [], [])
        way.busy = 1
        spooled = bench.spooled(range(3), upload_above=1000, **picture)
        assert (way.busy, spooled.asked, spooled.refused) == (0, 3, 0)


def test_a_failure_while_rows_are_written_leaves_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = start(most=2)

    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    bench.stop.ask()  # an interrupt in the middle of the user's own expressions
    with pytest.raises(KeyboardInterrupt):
        bench.spooled(range(5))
    bench.stop.asked = False
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UsageProblem, match=r"No space left on device.*Nothing was sent"):
        bench.spooled(range(5))
    assert bench.known() == []
    assert bench.files() == []


def test_without_a_store_nothing_is_sent(tmp_path: Path, local_api: offline.LocalApi) -> None:
    (tmp_path / "file").write_text("")
    bench = Bench(tmp_path, local_api.url, local_api.token)
    bench.store = Store.open(tmp_path / "file" / "store.db")
    bench.means = replace(bench.means, shelf=bench.store.batches)
    with pytest.raises(StoreProblem, match="Nothing was sent"):
        bench.spooled(["a"])
    bench.close()


SCHEMA = json.dumps({
    "type": "object", "properties": {"mood": {"type": "string"}, "stars": {"type": "integer"}},
    "required": ["mood", "stars"], "additionalProperties": False,
})  # fmt: skip


def test_data_become_columns(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["good", "bad"], "Rate {{ row }}", options=Options(schema=SCHEMA))
    bench.fetched(one)
    table = batching.run_table(bench.told(), {"mood": "string", "stars": "integer"})
    assert list(table.columns)[:2] == ["mood", "stars"]
    assert table["claude_stage"].tolist() == ["complete"] * 2
    assert str(table["stars"].dtype) == "int64"
    assert json.loads(bench.told()[0].text)["mood"] == table["mood"].tolist()[0]


def test_labels_and_long_answers_come_back_as_they_were(start: Start) -> None:
    pandas = pytest.importorskip("pandas")
    bench = start()
    frame = pandas.DataFrame({"n": [300, 2]}, index=["long", "short"])
    (one,) = bench.sent(frame, "write {{ row.n }} words")
    bench.fetched(one)
    table = batching.run_table(bench.told(), None)
    assert table.index.tolist() == ["long", "short"]
    assert table["claude_stage"].tolist() == ["max_tokens", "complete"]
    assert table["claude_error"].tolist()[0]
    assert table["answer"].tolist()[0]  # what came is there, and is asked anew only when told to
    again = bench.spooled(frame, "write {{ row.n }} words")
    assert (again.asked, again.known) == (0, 2)
    assert [told.stage for told in bench.told(again.run.key)] == ["max_tokens", "complete"]
    retried = bench.spooled(frame, "write {{ row.n }} words", retry_failed=True)
    assert (retried.asked, retried.known) == (1, 1)
    with pytest.raises(UsageProblem, match="Nothing of this batch is errored"):
        batching.resend(bench.known()[0], (), bench.means)


def test_a_lost_spool_costs_no_answer(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["a"])
    for path in bench.files():
        path.unlink()
    bench.fetched(one)
    assert [told.text for told in bench.told()] == ["a"]
    assert bench.turns[0].blocks[0].text == "say: {{ row }}"


def test_an_id_is_found_by_its_beginning(start: Start) -> None:
    bench = start()
    sent: Sequence[Sent] = [*bench.sent(["a"]), *bench.sent(["b"])]
    listed = bench.store.batches.batches()
    assert [one.id for one in batching.matching(listed, "last")] == [sent[1].id]
    for one in sent:
        bare = one.id.removeprefix("msgbatch_local_")
        assert batching.matching(listed, one.id) == batching.matching(listed, bare[:12])
        assert [found.id for found in batching.matching(listed, bare[:12])] == [one.id]
        assert batching.matching(listed, f"msgbatch_{bare[:12]}") == batching.matching(listed, one.id)
        assert bare[:6] in repr(batching.batches_table(listed, every=False))
    assert len(batching.matching(listed, "msgbatch")) == 2
    assert [batching.numbered(listed, name) for name in ("1", "2", "3", "0", "01")] == [
        [listed[0]], [listed[1]], [], [], [],
    ]  # fmt: skip
    table = batching.batches_table(listed, every=False)
    assert {"expires", "question"} <= set(table.columns)
    assert not {"cost", "done"} & set(table.columns)
    twins = [replace(listed[0], id=f"msgbatch_01AbCdEf{letter}z") for letter in "xy"]
    shown = batching.batches_table([*twins, listed[0]], every=False)
    assert [row[0] for row in shown.rows] == ["01AbCdEfx", "01AbCdEfy", listed[0].id[15:21]]
    assert batching.matching(listed, "nothing") == []


def test_a_name_means_a_batch_of_this_notebook_first(start: Start) -> None:
    bench = start()
    (one,) = bench.sent(["a"])
    mine, other, third = (replace(one, id=f"msgbatch_{name}") for name in ("01AbC", "01AbD", "02Xyz"))
    every = [other, mine, third]
    assert batching.chosen([mine], every, "01Ab") == mine
    assert batching.chosen([mine], every, "1") == mine
    assert batching.chosen([mine], every, "last") == mine
    assert batching.chosen([mine], every, "02") == third
    assert batching.chosen(every, every, "3") == third
    with pytest.raises(UsageProblem, match="2 batches begin with '01A'"):
        batching.chosen([], every, "01A")
    for name in ("last", "9", "03"):
        with pytest.raises(UsageProblem, match="No such batch"):
            batching.chosen([], every, name)
