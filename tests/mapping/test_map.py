"""``%%claude_map`` from end to end: a real kernel, real sockets, a real store."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from claude_magic import offline
from tests.faults import (
    SO_FAR,
    FaultServer,
    Fin,
    Hang,
    Script,
    Seen,
    ended,
    refusal,
    sse,
    start,
    streamed,
    text,
)
from tests.kernels import Kernel, Ran, running_kernel

STAGES = "out['claude_stage'].value_counts().to_dict()"
BUSY = refusal(429, "rate_limit_error", "Slow down.", retry_after="0.05")
OVERLOADED = refusal(529, "overloaded_error", "Too many.", retry_after="0.05")
CUT = streamed(SO_FAR, end=(Fin(),))


def asked(seen: Seen) -> str:
    """The text of a question."""
    content = seen.messages[-1]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


def echo(seen: Seen) -> Script:
    return streamed(sse(start(), *text(f"re: {asked(seen)}"), *ended()))


@contextmanager
def asking(home: Path, url: str, **more: str) -> Iterator[Kernel]:
    """A kernel that asks a server, with the extension loaded; its store stays in its home."""
    more = {"ANTHROPIC_API_KEY": "sk-ant-test", **more}
    with running_kernel(home, ANTHROPIC_BASE_URL=url, **more) as kernel:
        assert kernel.run("%load_ext claude_magic\nimport pandas as pd").status == "ok"
        yield kernel


def mapped(kernel: Kernel, flags: str, template: str = "{{ row }}") -> Ran:
    return kernel.run(f"%%claude_map --into out {flags}\n{template}", allow_stdin=False)


def refused(kernel: Kernel, flags: str, template: str = "{{ row }}") -> str:
    """The one line in which a map ends."""
    ran = mapped(kernel, flags, template)
    assert ran.status == "error"
    line = re.sub(r"\x1b\[\d*m", "", ran.error)
    assert "\n" not in line
    return line


def shown(ran: Ran) -> str:
    """The summary of a map."""
    assert ran.status == "ok", ran.error
    (data,) = ran.displayed
    assert set(data) == {"text/plain", "text/markdown"}
    return str(data["text/plain"])


def test_a_thousand_rows_through_every_fault(tmp_path: Path) -> None:
    chance, lock = random.Random(8), threading.Lock()
    told: dict[str, list[str]] = {}

    def choose(seen: Seen) -> Script:
        with lock:
            draw = chance.random()
            kind = "429" if draw < 0.05 else "529" if draw < 0.07 else "cut" if draw < 0.08 else "well"
            told.setdefault(asked(seen), []).append(kind)
        return {"429": BUSY, "529": OVERLOADED, "cut": CUT, "well": echo(seen)}[kind]

    with FaultServer(choose) as server, asking(tmp_path, server.url) as kernel:
        summary = shown(mapped(kernel, "--over range(1000) --concurrency 16", "n{{ row }}"))
        rows = json.loads(kernel.value("out.to_json(orient='records')").strip("'").replace("\\\\", "\\"))
        assert len(rows) == len(told) == 1000
        ends = Counter(kinds[-1] for kinds in told.values())
        assert set(ends) == {"well", "cut"}
        assert min(sum(map(len, told.values())) - 1000, ends["cut"]) > 0  # the faults were there
        for number, row in enumerate(rows):
            # A further try has a cause: the API said no. What was cut is kept and marked.
            *before, last = told[f"n{number}"]
            assert set(before) <= {"429", "529"}
            assert row["claude_stage"] == ("complete" if last == "well" else "cut")
            assert row["answer"] == (f"re: n{number}" if last == "well" else "The text so far")
            assert bool(row["claude_error"]) == (last == "cut")
        assert summary.startswith(f"1,000 rows: {ends['well']} answered, {ends['cut']} failed, 0 not asked")
        assert f"\n{ends['cut']} × " in summary
        # Again: nothing is asked; then only what has failed.
        count = len(server.requests)
        again = shown(mapped(kernel, "--over range(1000)", "n{{ row }}"))
        assert again.startswith(f"1,000 rows: 0 answered, {ends['well']} reused, {ends['cut']} failed")
        assert len(server.requests) == count
        cut = {key for key, kinds in told.items() if kinds[-1] == "cut"}
        mapped(kernel, "--over range(1000) --retry-failed", "n{{ row }}")
        assert {asked(seen) for seen in server.requests[count:]} == cut


def test_a_killed_kernel_has_lost_no_answer(tmp_path: Path) -> None:
    with FaultServer(echo) as server:
        with asking(tmp_path, server.url) as kernel:
            pid = int(kernel.value("__import__('os').getpid()"))
            kernel.send("%%claude_map --over range(250) --into out --concurrency 4\n{{ row }}")
            assert server.wait_for(80, 60)
            os.kill(pid, signal.SIGKILL)
            assert server.settled(30)
        first = Counter(map(asked, server.requests))
        assert max(first.values()) == 1
        with asking(tmp_path, server.url) as kernel:
            said = shown(mapped(kernel, "--over range(250)"))
            assert kernel.value(STAGES) == "{'complete': 250}"
        second = Counter(asked(seen) for seen in server.requests[len(first) :])
        assert max(second.values()) == 1
        assert set(first) | set(second) == {str(number) for number in range(250)}
        # What was under way, or had come and was not yet written, is asked again; nothing else is.
        assert len(set(first) & set(second)) <= 60
        assert f"{len(second)} answered, {250 - len(second)} reused" in said
        assert len(second) < 250


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, FaultServer, list[Any]]]:
    """A kernel and the server it asks; what stands in the list answers in the server's place."""
    instead: list[Callable[[Seen], Script | None]] = []

    def choose(seen: Seen) -> Script:
        script = instead[0](seen) if instead else None
        return script or echo(seen)

    home = tmp_path_factory.mktemp("world")
    with FaultServer(choose) as server, asking(home, server.url, CLAUDE_MAGIC_RETRIES="2") as kernel:
        yield kernel, server, instead


World = tuple[Kernel, FaultServer, list[Any]]


def new_requests(server: FaultServer, before: int) -> list[str]:
    return [asked(seen) for seen in server.requests[before:]]


def test_equal_questions_are_asked_once_and_labels_stay(world: World) -> None:
    kernel, server, _ = world
    before = len(server.requests)
    kernel.run("df = pd.DataFrame({'w': ['a', 'b', 'a']}, index=['x', 'y', 'z']); kept = df.copy()")
    said = shown(mapped(kernel, "--over df", "twin {{ row.w }}"))
    assert sorted(new_requests(server, before)) == ["twin a", "twin b"]
    assert said.startswith("3 rows: 2 answered, 1 reused, 0 failed, 0 not asked")
    assert kernel.value("(list(out.index), list(out['answer']), df.equals(kept))") == (
        "(['x', 'y', 'z'], ['re: twin a', 're: twin b', 're: twin a'], True)"
    )
    assert kernel.value("float(out['claude_cost']['z'])") == "0.0"
    kernel.run("import polars as pl")
    before = len(server.requests)
    mapped(kernel, "--over pl.from_pandas(df)", "twin {{ row.w }}")
    assert len(server.requests) == before  # the content decides, not the frame
    assert kernel.value("(type(out).__module__.split('.')[0], out['w'].to_list())") == (
        "('polars', ['a', 'b', 'a'])"
    )
    mapped(kernel, "--over df --again", "twin {{ row.w }}")
    assert len(server.requests) == before + 2


def test_a_page_gets_a_bar_and_a_run_without_one_nothing_volatile(world: World) -> None:
    kernel, _, _ = world
    first = mapped(kernel, "--over range(9)", "still {{ row }}")
    again = mapped(kernel, "--over range(9) --again", "still {{ row }}")
    assert shown(first) == shown(again)
    assert first.stdout == again.stdout
    assert first.stdout.startswith("9 rows: 9 questions to ask · ≈")
    page = kernel.run("%%claude_map --over range(9) --into out --again\nstill {{ row }}", cell_id="p")
    assert page.status == "ok", page.error
    (bar,) = page.displayed
    assert "application/vnd.jupyter.widget-view+json" in bar
    # What stays in its place needs no widget.
    assert page.updated[-1]["text/plain"] == shown(again)


def test_stop_keeps_what_is_done_and_running_again_asks_the_rest(world: World) -> None:
    kernel, server, instead = world
    before = len(server.requests)
    instead[:] = [lambda seen: streamed(SO_FAR, Hang()) if asked(seen) == "stop 30" else None]
    watch = (
        "import threading, time\n"
        "session = get_ipython().magics_manager.registry['ClaudeMagics']._open()\n"
        "def _stop():\n"
        "    while 'out' not in globals() or 'kept' in globals() and out is kept or "
        "(out['claude_stage'] == 'complete').sum() < 20: time.sleep(0.05)\n"
        "    session.asking.stop()\n"
        "out = kept = None\n"
    )
    kernel.run(watch + "out = pd.DataFrame({'claude_stage': []})\nthreading.Thread(target=_stop).start()")
    said = shown(mapped(kernel, "--over range(500) --concurrency 2", "stop {{ row }}"))
    sent = set(new_requests(server, before))
    stages = json.loads(kernel.value(f"__import__('json').dumps({STAGES})").strip("'"))
    # Two may have been stopped on their way out.
    assert len(sent) <= stages["complete"] + stages["interrupted"] <= len(sent) + 2 < 400
    assert sum(stages.values()) == 500
    assert f"0 failed, {stages['interrupted']} stopped, {stages['not asked']} not asked" in said
    instead.clear()
    before = len(server.requests)
    mapped(kernel, "--over range(500)", "stop {{ row }}")
    assert kernel.value(STAGES) == "{'complete': 500}"
    assert len(new_requests(server, before)) == 500 - stages["complete"]


def test_an_interrupt_keeps_what_is_done_and_ends_the_cell(world: World) -> None:
    kernel, server, instead = world
    before = len(server.requests)
    instead[:] = [lambda seen: streamed(SO_FAR, Hang()) if asked(seen) == "int 7" else None]
    request = kernel.send("%%claude_map --over range(8) --into out --concurrency 1\nint {{ row }}")
    assert server.wait_for(before + 8)
    kernel.manager.interrupt_kernel()
    ran = kernel.collect(request)
    instead.clear()
    assert "Interrupted" in ran.error
    assert "stopped by an interrupt; 7 of 8 rows are kept" in ran.error
    assert kernel.value(STAGES) == "{'complete': 7, 'interrupted': 1}"
    before = len(server.requests)
    mapped(kernel, "--over range(8)", "int {{ row }}")
    assert new_requests(server, before) == ["int 7"]


def test_failures_are_remembered_until_they_are_to_be_retried(world: World) -> None:
    kernel, server, instead = world
    odd = refusal(400, "invalid_request_error", "<b>odd</b> | row")
    instead[:] = [lambda seen: odd if asked(seen) in ("bad 1", "bad 3") else None]
    said = shown(mapped(kernel, "--over range(5)", "bad {{ row }}"))
    assert "3 answered, 2 failed" in said
    assert "2 × The API refused the request (400): <b>odd</b> | row" in said
    instead.clear()
    before = len(server.requests)
    assert "3 reused, 2 failed" in shown(mapped(kernel, "--over range(5)", "bad {{ row }}"))
    assert new_requests(server, before) == []
    assert "odd" in kernel.value("out['claude_error'][1]")
    said = shown(mapped(kernel, "--over range(5) --retry-failed", "bad {{ row }}"))
    assert sorted(new_requests(server, before)) == ["bad 1", "bad 3"]
    assert said.startswith("5 rows: 2 answered, 3 reused, 0 failed")
    assert "5 reused, 0 failed" in shown(mapped(kernel, "--over range(5)", "bad {{ row }}"))


def test_where_all_rows_fail_alike_the_rest_is_not_asked(world: World) -> None:
    kernel, server, instead = world
    before = len(server.requests)
    instead[:] = [lambda _: refusal(401, "authentication_error", "invalid x-api-key")]
    line = refused(kernel, "--over range(300)", "alike {{ row }}")
    instead.clear()
    assert line.startswith("RequestRefused: The API rejected the credential: invalid x-api-key.")
    assert "run again, it asks only what is missing" in line
    assert len(server.requests) - before < 40
    stages = kernel.value(STAGES)
    assert "'not asked'" in stages
    mapped(kernel, "--over range(300)", "alike {{ row }}")
    assert kernel.value(STAGES) == "{'complete': 300}"  # the key's fault is no row's


def test_a_no_of_the_api_holds_all_rows_back(world: World) -> None:
    kernel, server, instead = world
    before = len(server.requests)
    refusals: list[float] = []

    def choose(seen: Seen) -> Script | None:
        if asked(seen) == "hold 40" and not refusals:
            refusals.append(seen.at)
            return refusal(429, "rate_limit_error", "Slow down.", retry_after="1")
        return None

    instead[:] = [choose]
    mapped(kernel, "--over range(200) --concurrency 8", "hold {{ row }}")
    instead.clear()
    assert kernel.value(STAGES) == "{'complete': 200}"
    after = [seen.at - refusals[0] for seen in server.requests[before:]]
    # What was on its way when the no came; a storm would be the hundred that are left.
    assert sum(0 < moment < 1 for moment in after) <= 24
    assert sum(moment >= 1 for moment in after) > 50


def test_what_is_nearly_used_up_is_spread_before_the_api_says_no(world: World) -> None:
    kernel, server, instead = world
    before = len(server.requests)
    told: list[float] = []

    def choose(seen: Seen) -> Script | None:
        if asked(seen) != "spread 30":
            return None
        told.append(seen.at)
        return streamed(
            sse(start(), *text("re"), *ended()),
            anthropic_ratelimit_requests_limit="50",
            anthropic_ratelimit_requests_remaining="0",
            anthropic_ratelimit_requests_reset="2026-05-01T12:00:01Z",
            date="Fri, 01 May 2026 12:00:00 GMT",
        )

    instead[:] = [choose]
    mapped(kernel, "--over range(150) --concurrency 4", "spread {{ row }}")
    instead.clear()
    after = [seen.at - told[0] for seen in server.requests[before:]]
    assert sum(0 < moment < 1 for moment in after) <= 24
    assert sum(moment >= 1 for moment in after) > 50


def test_money_is_kept_to(world: World) -> None:
    kernel, server, instead = world
    before = len(server.requests)
    line = refused(kernel, "--over range(100) --max-cost 0.001", "money {{ row }}")
    assert line.startswith("UsageProblem: Over the limit of $0.0010 for this map: 100 questions would cost")
    assert new_requests(server, before) == []

    def long(seen: Seen) -> Script:
        size = min(seen.body["max_tokens"], 400)
        delta, stop = ended("end_turn" if size == 400 else "max_tokens")
        return streamed(sse(start(), *text("long"), {**delta, "usage": {"output_tokens": size}}, stop))

    instead[:] = [long]
    said = refused(kernel, "--over range(100) --max-cost 0.2 -m opus", "money {{ row }}")
    instead.clear()
    assert re.search(r"The limit of \$0.2000 for this map is reached: \d+ rows were not asked\.", said), said
    # A hair more than the limit: the input is an estimate until the API has counted it.
    assert 0.15 < float(kernel.value("float(out['claude_cost'].sum())")) <= 0.2 + 0.002
    assert len(new_requests(server, before)) == int(
        kernel.value("int((out['claude_stage'] != 'not asked').sum())")
    )


def test_what_cannot_be_asked_is_told_before_anything_is_sent(world: World) -> None:
    kernel, server, _ = world
    before = len(server.requests)
    kernel.run("df = pd.DataFrame({'review': ['a']})")
    for flags, template, line in (
        ("--over df", "{{ row.revew }}", "df has no column 'revew'. Did you mean 'review'?"),
        ("--over dff", "{{ row }}", "No kernel name 'dff'. Did you mean 'df'?"),
        ("--over 3", "{{ row }}", "--over 3: an int has no rows"),
        ("--over df --concurrency 0", "{{ row }}", "--concurrency takes a whole number above 0"),
        ("--over df -m haiku -m sonnet", "{{ row.review }}", "A map asks one model; %%claude -m … -m … or"),
        ("--over df --tools f", "{{ row }}", "has no flag --tools"),
        ("", "{{ row }}", "%%claude_map needs rows: --over df."),
        ("--over df", "{{ row.review }} sk-ant-api03-" + "aB3" * 30 + "AA", "This looks like a secret"),
    ):
        said = refused(kernel, flags, template)
        assert line in said, said
        assert said.endswith("Nothing was sent.")
    ran = kernel.run("%%claude_map --over df\n{{ row }}", allow_stdin=False)
    assert "needs a name for the answers: --into out" in ran.error
    assert new_requests(server, before) == []


def test_hostile_cells_do_no_harm_in_the_summary(world: World) -> None:
    kernel, _, instead = world
    evil = "<img src=x onerror=alert(1)> | \x1b[31m\u202e ![x](http://e.vil/p.png)"
    instead[:] = [lambda _: streamed(sse(start(), *text(evil), *ended()))]
    kernel.run(f"df = pd.DataFrame({{'w': ['a']}}, index=[{evil!r}])")
    ran = mapped(kernel, "--over df", "hostile {{ row.w }}")
    instead.clear()
    (data,) = ran.displayed
    for said in data.values():
        assert "\x1b" not in said
        assert "\u202e" not in said
    assert "<img" not in data["text/markdown"]
    assert "![x](" not in data["text/markdown"]


def test_the_preview_shows_the_first_row_and_what_all_come_to(world: World) -> None:
    kernel, server, _ = world
    before = len(server.requests)
    for flag in ("--dry-run", "--count"):
        ran = kernel.run(f"%%claude_map --over range(7) {flag}\nlook {{{{ row }}}}", allow_stdin=False)
        assert ran.status == "ok", ran.error
        assert "look 0" in ran.result
        assert "Row 0 is shown. All: 7 rows: 7 questions to ask · ≈" in ran.result
    assert new_requests(server, before) == []


def test_the_line_before_asking_tells_no_more_than_the_limit_leaves(world: World) -> None:
    kernel, _, _ = world
    for flags in ("--max-cost 0.5", "--max-cost 0.5 --again"):
        said = mapped(kernel, f"--over range(40) {flags}", "limit {{ row }}").stdout
        assert "at most $0.5000 in all, which the limit for this map leaves" in said, said
    plain = "--over range(40) --max-tokens 100 -m haiku --again"
    assert "for answers of 100 tokens" in mapped(kernel, f"{plain} --max-cost 0.5", "limit {{ row }}").stdout


def test_the_preview_of_a_batch_tells_half_the_price(world: World) -> None:
    kernel, _, _ = world
    for how in ("--dry-run", "--count"):
        told = []
        for flags in (how, f"--batch {how}"):
            line = f"%%claude_map --over range(1000) {flags} --max-tokens 1000 -m haiku"
            ran = kernel.run(f"{line}\nhalf {{{{ row }}}}", allow_stdin=False)
            told.append(float(re.findall(r"at most \$([\d.]+) ", ran.result)[-1]))
            assert ("at half price" in ran.result) == ("--batch" in flags)
        assert told[0] / 2 <= told[1] < told[0] / 2 * 1.1


def test_a_long_prompt_makes_its_answer_dearer(world: World) -> None:
    kernel, _, _ = world
    kernel.run("long = 'word ' * 150_000")
    for flags, factor in (("", 5), ("--batch", 2.5)):
        line = f"%%claude_map --over range(2) {flags} --dry-run --max-tokens 4000 -m haiku"
        told = kernel.run(f"{line}\n{{{{ long }}}} {{{{ row }}}}", allow_stdin=False).result
        asked, most = (float(re.findall(rf"{word} ?\$([\d.]+) ", told)[-1]) for word in ("≈", "at most"))
        answers = 2 * 4000 * 0.5e-6 * factor
        assert most == pytest.approx(answers + (asked if flags else 0.0), abs=2e-4), told


def test_rows_that_ask_the_same_and_rows_without_a_value_are_told_before(world: World) -> None:
    kernel, server, _ = world
    before = len(server.requests)
    alike = (
        "The template names neither row nor index: all 500 rows ask the same question.\n500 rows: 1 question"
    )
    assert mapped(kernel, "--over range(500)", "the same of all").stdout.startswith(alike)
    assert new_requests(server, before) == ["the same of all"]
    for template in ("row {{ row }}", "at {{ index }}", "one {{ 1 + len(str(row)) }}"):
        assert "names neither" not in mapped(kernel, "--over range(2)", template).stdout
    kernel.run("df = pd.DataFrame({'n': [1.5, None, float('nan'), 2], 'w': ['a', 'b', None, 'NaT']})")
    said = mapped(kernel, "--over df", "gap {{ row.n }} {{ row.w }}").stdout
    assert said.startswith("4 rows: 4 questions to ask · 2 rows have missing values · ≈"), said
    assert "1 row has missing values" in mapped(kernel, "--over df", "hole {{ row.w }}").stdout


def test_failures_of_one_kind_are_one_line(world: World) -> None:
    kernel, _, instead = world
    instead[:] = [lambda seen: streamed(sse(start(), *text(asked(seen).split()[-1]), *ended()))]
    kernel.run(
        "from typing import Annotated\nfrom pydantic import Field\nStars = Annotated[int, Field(le=5)]"
    )
    said = shown(mapped(kernel, "--over range(12) --schema Stars", "{{ row }}"))
    instead.clear()
    told = [line for line in said.splitlines() if "The answer is not" in line and "such as" in line]
    assert len(told) == 1, said
    assert told[0].startswith("6 such as The answer is not"), said


# --- with the local API


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, local_api: offline.LocalApi) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("demo")
    with asking(home, local_api.url, ANTHROPIC_API_KEY=local_api.token) as kernel:
        yield kernel


def test_answers_as_data_become_typed_columns(demo: Kernel) -> None:
    demo.run(
        "from pydantic import BaseModel\n"
        "class Rating(BaseModel):\n    stars: int\n    share: float\n    kind: bool\n    words: list[str]\n"
        "df = pd.DataFrame({'review': ['fine', 'odd']})"
    )
    said = shown(mapped(demo, "--over df --schema Rating", "Rate {{ row.review }}"))
    assert "2 answered" in said
    dtypes = demo.value("[str(out[name].dtype) for name in Rating.model_fields]")
    assert dtypes == "['int64', 'float64', 'bool', 'object']"
    assert demo.value("type(out['words'][0]).__name__") == "'list'"
    mapped(demo, "--over df --schema Rating --max-tokens 3 --limit 1", "Rate {{ row.review }}")
    assert demo.value("(out['claude_stage'][0], str(out['stars'].dtype))") == "('max_tokens', 'Int64')"
    assert "No data: cut at max_tokens" in demo.value("out['claude_error'][0]")


def test_each_row_has_its_own_picture(demo: Kernel) -> None:
    demo.run(
        "from PIL import Image\n"
        "made = [Image.new('RGB', (40 + 8 * n, 30), (9 * n, 0, 0)) for n in range(3)]\n"
        "df = pd.DataFrame({'picture': made})"
    )
    mapped(demo, "--over df -a row.picture", "What is in the picture?")
    assert demo.value(STAGES) == "{'complete': 3}"
    for number in range(3):
        assert f"{40 + 8 * number}" in demo.value(f"out['answer'][{number}]")


def test_a_shared_document_is_read_from_the_cache_by_all_but_the_first(demo: Kernel) -> None:
    demo.run("document = '\\n'.join(f'{n}: a line of the shared document of this test' for n in range(900))")
    mapped(demo, "--over range(12) -a document --concurrency 8", "say: {{ row }}")
    rows = "[(r.cache_write_5m, r.cache_read) for r in get_ipython().run_line_magic('claude_usage', '').rows]"
    pairs = json.loads(demo.value(f"__import__('json').dumps({rows})").strip("'"))[-12:]
    assert sum(written > 5_000 and read == 0 for written, read in pairs) == 1
    assert sum(written == 0 and read > 5_000 for written, read in pairs) == 11
    assert float(demo.value("float(out['claude_cost'].iloc[1] / out['claude_cost'].iloc[0])")) < 0.2


def test_a_large_attachment_of_all_rows_is_uploaded_once(demo: Kernel) -> None:
    demo.run(
        "%claude_config upload_above=1000\nfrom PIL import Image\n"
        "picture = Image.effect_noise((300, 200), 90)\n"
    )
    mapped(demo, "--over range(6) -a picture --cache off", "say: {{ row }} of one picture")
    files = "get_ipython().magics_manager.registry['ClaudeMagics']._open()._connection._files._uploaded"
    assert demo.value(f"(len({files}), {STAGES})") == "(1, {'complete': 6})"
    demo.run("%claude_config upload_above=4000000")


def test_what_is_too_much_to_be_held_is_made_again_when_it_is_asked(demo: Kernel) -> None:
    demo.run("import claude_magic.mapping.plan as _plan; _held = _plan.HELD; _plan.HELD = 0")
    mapped(demo, "--over range(5)", "say: held {{ row }}")
    demo.run("_plan.HELD = _held")
    assert demo.value("list(out['answer'])") == str([f"held {number}" for number in range(5)])
    assert demo.value(STAGES) == "{'complete': 5}"


def test_an_interrupt_while_the_rows_are_looked_at_sends_nothing(demo: Kernel) -> None:
    demo.run("import time\ndef slow(row):\n    print('looking', flush=True)\n    time.sleep(60)")
    errors = []
    request = demo.send("%%claude_map --over range(5) --into never\n{{ slow(row) }}")
    for message in demo.messages(request):
        if message["msg_type"] == "stream" and "looking" in message["content"]["text"]:
            demo.manager.interrupt_kernel()
        if message["msg_type"] == "error":
            errors.append(message["content"]["evalue"])
    demo.collect_reply(request)
    assert errors == ["stopped by an interrupt; nothing was sent"]
    assert demo.value("'never' in globals()") == "False"
