"""``%%claude_map --batch`` and ``%claude_batches`` in real kernels: sent by one, fetched by another."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

from claude_magic import offline
from tests.kernels import PATIENCE, Kernel, running_kernel

FRAME = "import pandas as pd\ndf = pd.DataFrame({'n': range(6)}, index=list('abcdef'))"
MAP = "%%claude_map --over df --into out --batch --max-tokens 100\nsay: number {{ row.n }}"


@pytest.fixture(scope="module")
def api() -> Iterator[offline.LocalApi]:
    """A server whose batches take a moment."""
    with offline.start(pace=0, batches=offline.Pledge(delay=1.0)) as api:
        yield api


@contextmanager
def a_kernel(home: Path, store: Path, server: offline.LocalApi, **more: str) -> Iterator[Kernel]:
    """A kernel of the notebook beside the store."""
    home.mkdir()
    store.parent.mkdir(exist_ok=True)
    book = store.parent / "book.ipynb"
    if not book.exists():
        nbformat.write(nbformat.v4.new_notebook(), book)
    more |= {"CLAUDE_MAGIC_STORE": str(store), "JPY_SESSION_NAME": str(book)}
    more |= {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": server.token}
    with running_kernel(home, **more) as kernel:
        assert kernel.run("%load_ext claude_magic").status == "ok"
        assert kernel.run(FRAME).status == "ok"
        yield kernel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, api: offline.LocalApi) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("shared")
    with a_kernel(home / "kernel", home / "store" / "talks.db", api) as kernel:
        yield kernel


@pytest.fixture
def kernel(shared: Kernel, tmp_path: Path) -> Kernel:
    """The shared kernel, with a store that is empty."""
    assert shared.run(f"%claude_config store={tmp_path / 'talks.db'}").status == "ok"
    return shared


def line_of(kernel: Kernel, code: str) -> str:
    return re.sub(r"\x1b\[\d*m", "", kernel.run(code, cell_id="cell").error)


def said(kernel: Kernel, code: str) -> str:
    ran = kernel.run(code, cell_id="cell")
    assert ran.status == "ok", ran.error
    shown = [data["text/plain"] for data in ran.displayed if "row/s" not in data["text/plain"]]
    return "\n".join([ran.stdout, *shown, ran.result])


def test_a_batch_is_sent_by_a_kernel_that_dies_and_fetched_by_another(tmp_path: Path) -> None:
    store = tmp_path / "store" / "talks.db"
    # Long enough for what the first kernel does while it is under way.
    with offline.start(pace=0, batches=offline.Pledge(delay=10.0)) as slow:
        with a_kernel(tmp_path / "first", store, slow) as first:
            sent_and_killed(first, store)
        with a_kernel(tmp_path / "second", store, slow) as second:
            fetched_anew(second, store)


def sent_and_killed(first: Kernel, store: Path) -> None:
    sent = said(first, MAP)
    told = r"6 questions sent \(msgbatch_local_\w+\) · <\$0\.0001 for the input.* · %claude_batches"
    assert re.search(told, sent)
    assert "at half price" in sent
    under_way = line_of(first, MAP)
    assert re.search(
        r"6 rows are under way in msgbatch_\w+; .*--again asks anew\. Nothing was sent\.", under_way
    )
    assert line_of(first, MAP.replace(" --batch", "")) == under_way  # nor is it asked at full price
    one_more = MAP.replace(" --batch", "").replace("--over df", "--over [*range(3), 99]").replace(".n", "")
    assert "3 rows are under way in msgbatch_" in line_of(first, one_more)
    assert "still in progress; --wait waits for it" in line_of(first, "%claude_batches --fetch last")
    (spool,) = (store.parent / "talks-batches").iterdir()
    assert (spool.stat().st_mode & 0o777, spool.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    first.manager.shutdown_kernel(now=True)  # SIGKILL


def fetched_anew(second: Kernel, store: Path) -> None:
    listed = said(second, "%claude_batches")
    assert re.search(r"\b\w{6} +(in progress|ended) +6 ", listed)
    fetched = said(second, "%claude_batches --wait")
    assert "out: 6 questions answered" in fetched
    assert second.value("list(out.answer)") == str([f"number {n}" for n in range(6)])
    assert second.value("list(out.index)") == str(list("abcdef"))
    again = said(second, MAP)
    assert "0 questions to ask, 6 known from before" in again
    assert second.value("(list(out.columns)[:2], list(out.n), list(out.answer)[5])") == str(
        (["n", "answer"], list(range(6)), "number 5")
    )
    assert list((store.parent / "talks-batches").iterdir()) == []
    assert "fetched" in said(second, "%claude_batches")
    assert "6 turns" in said(second, "%claude_usage --by model")
    other = said(second, "%claude_batches --fetch last --into other")
    assert "other: 6 questions answered" in other
    assert second.value("other.answer.tolist() == out.answer.tolist()") == "True"


def test_what_cannot_be_done_is_told_in_one_line(kernel: Kernel) -> None:
    assert "Batches of this notebook: none" in said(kernel, "%claude_batches")
    for code, told in (
        ("%claude_batches --fetch last", "There is none"),
        ("%claude_batches --cancel 01AbC", "None begins with '01AbC'"),
        ("%claude_batches 01AbC", "takes flags only"),
        ("%claude_batches --fetch a --cancel b", "takes one of"),
        ("%claude_batches --fetch a --into 'a b'", "not a variable's name"),
        (MAP.replace("--max-tokens", "--max-cost 0.0001 --max-tokens"), r"Over the limit of \$0.0001"),
        ("%%claude_map --over [1] --into out --batch\n{{ nothing }}", "nothing"),
    ):
        assert re.search(told, line_of(kernel, code)), code
    kernel.run("%claude_config store=memory")
    assert re.search(r"need a store on disk.*Nothing was sent", line_of(kernel, MAP))


def test_cancel_resend_and_an_interrupted_wait(tmp_path: Path) -> None:
    with (
        offline.start(pace=0, batches=offline.Pledge(delay=600.0)) as slow,
        a_kernel(tmp_path / "kernel", tmp_path / "store" / "talks.db", slow) as kernel,
    ):
        said(kernel, MAP)
        request = kernel.send("%claude_batches --wait", cell_id="cell")
        kernel.begun(request)
        for _ in range(200):  # until it waits: the bar is shown
            message = kernel.client.get_iopub_msg(timeout=60)
            if message["msg_type"] in ("display_data", "stream"):
                break
        kernel.manager.interrupt_kernel()
        ran = kernel.collect(request)
        assert "what was sent goes on at the API" in ran.error
        assert "Interrupted" in ran.error
        assert "No further row of it is answered" in said(kernel, "%claude_batches --cancel last")
        fetched = said(kernel, "%claude_batches --wait")
        assert re.search(
            r"out: 0 questions answered · 6 without an answer, which --resend sends again", fetched
        )
        assert kernel.value("set(out.claude_stage)") == "{'canceled'}"
        listed = said(kernel, "%claude_batches")
        assert re.search(r"6 questions are errored, canceled", listed)
        assert re.search(r"fetched +6 +6 canceled", listed)
        assert "has ended already; --fetch brings" in line_of(kernel, "%claude_batches --cancel last")
        resent = said(kernel, "%claude_batches --resend last")
        assert re.search(r"6 questions sent again \(msgbatch_\w+\)", resent)
        (name,) = re.findall(r"(\w{6}) +in progress", said(kernel, "%claude_batches"))
        assert "in progress; --wait" in line_of(kernel, f"%claude_batches --resend {name}")
        assert "No further row" in said(kernel, f"%claude_batches --cancel msgbatch_{name}")
        end = time.monotonic() + PATIENCE
        while " ended " not in said(kernel, "%claude_batches"):
            assert time.monotonic() < end
            time.sleep(0.1)
        again = said(kernel, "%claude_batches --resend 1")  # fetched by itself
        assert re.search(r"6 questions sent again", again)
        assert "6 without" not in said(kernel, "%claude_batches")


def test_another_host_is_told(kernel: Kernel) -> None:
    said(kernel, MAP)
    kernel.run("%claude_offline")
    listed = said(kernel, "%claude_batches")
    assert re.search(r"is a batch of 127\.0\.0\.1:\d+; now 127\.0\.0\.1:\d+ is asked", listed)
    assert "is a batch of" in line_of(kernel, "%claude_batches --fetch last")
    assert "is a batch of" in line_of(kernel, "%claude_batches --resend last")
    assert "is a batch of" in line_of(kernel, "%claude_batches --cancel last")
    kernel.run("%claude_offline --off")
    said(kernel, "%claude_batches --wait")
    assert kernel.value("len(out)") == "6"


def test_what_was_never_sent_is_given_up_whoever_is_asked(kernel: Kernel, tmp_path: Path) -> None:
    for state, told in (("spooled", "now it will not be"), ("sending", "perhaps sent to 127.0.0.1:")):
        said(kernel, MAP)
        with contextlib.closing(sqlite3.connect(tmp_path / "talks.db")) as store, store:
            store.execute("UPDATE batches SET id = '', status = ? WHERE id <> ''", (state,))
        kernel.run("%claude_offline")
        assert told in said(kernel, "%claude_batches --cancel last")
        assert "Batches of this notebook: none" in said(kernel, "%claude_batches")
        kernel.run("%claude_offline --off")


def test_batches_of_a_demo_that_ended_are_given_up(kernel: Kernel) -> None:
    kernel.run("%claude_offline")
    said(kernel, MAP)
    assert "rows are under way" in line_of(kernel, MAP)
    assert kernel.run("%claude_offline --off").status == "ok"  # its server ends, as it does with a kernel
    listed = said(kernel, "%claude_batches")
    (ended,) = re.findall(r"(\w+) +gone  ", listed)
    assert listed.count("the offline demo's, which ended with its kernel") == 1
    assert "--resend" not in listed
    for name in ("--fetch", "--resend"):
        told = line_of(kernel, f"%claude_batches {name} last")
        assert "the offline demo's, which ended with its kernel: run its cell again" in told
    assert "6 questions sent" in said(kernel, MAP)  # they are under way no more
    assert "out: 6 questions answered" in said(kernel, "%claude_batches --wait")
    assert "it is listed no more" in said(kernel, f"%claude_batches --cancel {ended}")
    assert "gone" not in said(kernel, "%claude_batches")


def test_outputs_without_a_page_are_the_same_each_time(kernel: Kernel, tmp_path: Path) -> None:
    outputs = []
    kernel.run("%claude_config view=static")
    for name in ("one", "two"):
        kernel.run(f"%claude_config store={tmp_path / name}.db")
        (shown,) = kernel.run(MAP, cell_id="cell").of("display_data")
        (batch,) = shown["metadata"]["claude_magic"]["batches"]
        assert batch.startswith("msgbatch_")
        texts = [shown["data"]["text/plain"]]
        texts += [said(kernel, "%claude_batches --wait"), said(kernel, "%claude_batches")]
        assert batch not in "".join(texts)
        assert re.search(r"\n1 +fetched", texts[-1])
        assert "out: 6 questions answered" in said(kernel, "%claude_batches --fetch 1")
        outputs.append(texts)
    kernel.run("%claude_config view=auto")
    assert outputs[0] == outputs[1]


def test_a_split_map_is_one_table(kernel: Kernel) -> None:
    kernel.run("from claude_magic.api.spool import Most")
    kernel.run("magics = get_ipython().magics_manager.registry['ClaudeMagics']")
    assert kernel.run("magics._open().batches.most = Most(requests=2)").status == "ok"
    sent = said(kernel, MAP)
    assert re.search(r"6 questions sent as 3 batches \(msgbatch_\w+, msgbatch_\w+, msgbatch_\w+\)", sent)
    kernel.run("magics._open().batches.most = Most()")
    assert "out: 6 questions answered" in said(kernel, "%claude_batches --wait")
    assert kernel.value("list(out.answer)") == str([f"number {n}" for n in range(6)])
    assert kernel.value("list(out.n)") == str(list(range(6)))  # the rows are at hand still


def test_results_that_went_before_they_were_fetched_are_told_by_wait_too(tmp_path: Path) -> None:
    store = tmp_path / "store" / "talks.db"
    with (
        offline.start(pace=0, batches=offline.Pledge(delay=0.0, kept=0.01)) as api,
        a_kernel(tmp_path / "kernel", store, api) as kernel,
    ):
        said(kernel, MAP)
        for _ in range(200):
            if "gone: the API keeps them 29 days" in said(kernel, "%claude_batches"):
                break
        with contextlib.closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("UPDATE batches SET status = 'ended'")  # as it was listed before they went
        for flag in ("--wait", "--fetch last"):
            assert "are gone: the API keeps them 29 days. --resend" in line_of(
                kernel, f"%claude_batches {flag}"
            )
        assert re.search(r"gone +6", said(kernel, "%claude_batches"))


def test_a_quiet_batch_shows_nothing(kernel: Kernel) -> None:
    kernel.run(
        "import pathlib, jupyter_core.paths\n"
        "own = pathlib.Path(jupyter_core.paths.jupyter_config_dir(), 'claude_magic.toml')\n"
        "own.parent.mkdir(parents=True, exist_ok=True)\n"
        "own.write_text('[preset.hush]\\nquiet = true\\n'); None"
    )
    ran = kernel.run(MAP.replace("--batch", "--batch --preset hush"), cell_id="cell")
    assert ran.status == "ok", ran.error
    assert (ran.displayed, ran.stdout, ran.result) == ([], "", "")
    assert len(re.findall(r"\n\w{6}  ", said(kernel, "%claude_batches"))) == 1


def test_the_manual_has_the_flags(kernel: Kernel) -> None:
    ran = kernel.run("%claude_batches?")
    text = str(ran.payload)
    for word in ("--resend ID", "--fetch ID", "29 days", "%claude_batches --wait"):
        assert word in text


def test_an_iterator_is_read_once(kernel: Kernel) -> None:
    over = MAP.replace("--over df", "--over iter([3,4,5,6]) --limit 3").replace(".n", "")
    assert "3 questions sent" in said(kernel, over)
    said(kernel, "%claude_batches --wait")
    assert "3 rows: 0 questions to ask, 3 known from before" in said(kernel, over)
    assert kernel.value("list(out.answer)") == str([f"number {n}" for n in (3, 4, 5)])


def test_failed_rows_are_sent_when_they_are_to_be_asked_again(kernel: Kernel) -> None:
    kernel.run(
        "from typing import Annotated\nfrom pydantic import AfterValidator\n"
        "def refuse(number):\n    raise ValueError('never')\n"
        "Never = Annotated[int, AfterValidator(refuse)]"
    )
    live = "%%claude_map --over range(2) --into out --max-tokens 100 --schema Never\nRate {{ row }}"
    assert "2 rows: 2 questions to ask" in said(kernel, live)
    assert kernel.value("list(out.claude_stage)") == "['failed', 'failed']"
    batch = live.replace("--into", "--batch --into")
    assert "2 rows: 0 questions to ask, 2 known from before" in said(kernel, batch)
    assert "1 question sent (" in (sent := said(kernel, batch.replace("range(2)", "range(3)")))
    assert "2 known from before" in sent
    said(kernel, "%claude_batches --wait")
    again = batch.replace("--into", "--retry-failed --into")
    assert "3 questions sent (" in said(kernel, again.replace("range(2)", "range(3)"))
    said(kernel, "%claude_batches --wait")
    assert "2 questions sent (" in said(kernel, again)


def test_a_batch_under_way_counts_against_the_budget_of_all_questions(kernel: Kernel) -> None:
    kernel.run("%claude_config budget=0.0035")
    assert "6 questions sent" in said(kernel, MAP)
    live = MAP.replace("--batch", "--limit 2").replace("number", "another")
    over = [line_of(kernel, live), line_of(kernel, "%%claude --max-tokens 100\nsay: fine")]
    assert "out: 6 questions answered" in said(kernel, "%claude_batches --wait")
    done = kernel.run("%%claude --max-tokens 100\nsay: fine", cell_id="cell")
    kernel.run("%claude_config budget=0")
    for line in over:
        assert "Over the limit of $0.0035 for this notebook today" in line
        assert "is spent or under way" in line
        assert line.endswith("Nothing was sent.")
    assert done.status == "ok", done.error
