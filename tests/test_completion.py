"""Tab on the lines of our magics: through a real kernel, and in a real terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pexpect
import pytest

from claude_magic import flags
from claude_magic.completion import matcher
from claude_magic.completion.spot import where
from claude_magic.offline import LocalApi
from claude_magic.values import DataView
from tests.kernels import PATIENCE, Kernel, clean_environment, running_kernel


def completed(kernel: Kernel, code: str, cursor: int | None = None) -> dict[str, Any]:
    """The kernel's reply to Tab."""
    request = kernel.client.complete(code, cursor)
    return dict(kernel.collect_reply(request)["content"])


def offered(kernel: Kernel, code: str, cursor: int | None = None) -> list[str]:
    """The lines that Tab would make of a cell, as far as the cursor."""
    reply = completed(kernel, code, cursor)
    assert reply["status"] == "ok"
    return [code[: reply["cursor_start"]] + match for match in reply["matches"]]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, local_api: LocalApi) -> Iterator[Kernel]:
    """A kernel with values, files, conversations and a preset."""
    home = tmp_path_factory.mktemp("completing")
    (home / "my report.pdf").write_text("x")
    (home / "data").mkdir()
    (home / "data" / "rows.csv").write_text("x")
    (home / "claude_magic.toml").write_text('[preset.reviewer]\nmodel = "opus"\n')
    with running_kernel(home, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token) as kernel:
        kernel.run("%load_ext claude_magic")
        kernel.run(
            "class Reading:\n    length = 1\ndef rows(): ...\nfigure = 1\nfirm = 'Be firm.'\nr = Reading()\n"
            "import pandas\nreviews = pandas.DataFrame({'text': ['a'], 'two words': ['b'], 'tag': [1]})\n"
            "readings = [r]\nrecords = [{'name': 1}]\nreader = (one for one in 'x')"
        )
        assert kernel.run("%%claude -c ideas\nhi").status == "ok"
        assert kernel.run('%%claude -c "two words"\nhi').status == "ok"
        yield kernel


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("%%claude --no", ["%%claude --no-history"]),
        ("%claude -q --max-c", []),
        ("x = %claude --quiet --max-c", ["x = %claude --quiet --max-cost"]),
        ("%%claude -m so", ["%%claude -m sonnet"]),
        ("%%claude -m=claude-opus-4-8", ["%%claude -m=claude-opus-4-8"]),
        ("%%claude -a fi", ["%%claude -a figure", "%%claude -a firm"]),
        ("%%claude -a my", ['%%claude -a "my report.pdf"']),
        ("%%claude -a 'my", ["%%claude -a 'my report.pdf'"]),
        ("%%claude -a data/r", ["%%claude -a data/rows.csv"]),
        ("%%claude -a r.len", ["%%claude -a r.length"]),
        ("%%claude -s fi", ["%%claude -s firm"]),
        ("%%claude -s @dat", ["%%claude -s @data/"]),
        ("%%claude -c i", ["%%claude -c ideas"]),
        ("%%claude -c tw", ['%%claude -c "two words"']),
        ("%claude_chat --delete id", ["%claude_chat --delete ideas"]),
        ("%claude_chat tw", ['%claude_chat "two words"']),
        ("%%claude --preset r", ["%%claude --preset reviewer"]),
        ("%%claude --tools figure,ro", ["%%claude --tools figure,rows"]),
        ("%claude_tools add ro", ["%claude_tools add rows"]),
        ("%%claude --schema list[Re", ["%%claude --schema list[Reading"]),
        ("%%claude --effort x", ["%%claude --effort xhigh"]),
        ("%%claude --cache ", ["%%claude --cache 5m", "%%claude --cache 1h", "%%claude --cache off"]),
        ("%%claude --detail s", ["%%claude --detail standard"]),
        ("%%claude --data s", ["%%claude --data schema"]),
        ("%claude_config model=opus max_t", ["%claude_config model=opus max_tokens="]),
        ("%claude_config cache=o", ["%claude_config cache=off"]),
        ("%claude_history 2 --a", ["%claude_history 2 --all"]),
        ("%claude_export data/", ["%claude_export data/rows.csv"]),
        ("%%time\n%claude -m ha", ["%%time\n%claude -m haiku"]),
        ("%%claude\nfi", []),
        ("%%claude\nimport o", []),
        ("%%claude\n{{ fi", ["%%claude\n{{ figure", "%%claude\n{{ firm"]),
        ("%%claude\na {{ r.len", ["%%claude\na {{ r.length"]),
        ("%%claude\n\\{{ fi", []),
        ("%%claude\n{{ figure }} fi", []),
        ("%claude why fi", []),
        ("%claude why {{ firm", ["%claude why {{ firm"]),
        ("%%claude --nonsense fi", []),
        (
            "%%claude_map --over reviews\n{{ row.t",
            [f"%%claude_map --over reviews\n{{{{ row.{name}" for name in ("text", "tag")],
        ),
        ("%%claude_map --over reviews\n{{ row['tw", ["%%claude_map --over reviews\n{{ row['two words']"]),
        ("%%claude_map --over reviews -a row.te", ["%%claude_map --over reviews -a row.text"]),
        (
            "%%claude_map --over=reviews -a ro",
            ["%%claude_map --over=reviews -a row", "%%claude_map --over=reviews -a rows"],
        ),
        ("%%claude_map --over readings\n{{ row.", ["%%claude_map --over readings\n{{ row.length"]),
        ('%%claude_map --over records\n{{ row["', ['%%claude_map --over records\n{{ row["name"]']),
        ("%%claude_map --over reader\n{{ row.", []),
        ("%%claude_map --over list(reader)\n{{ row.", []),
        ("%%claude_map --over x\n{{ ind", ["%%claude_map --over x\n{{ index"]),
        ("%%claude\n{{ ind", []),
        (
            "%%claude_map --over r",
            [f"%%claude_map --over {name}" for name in ("readings", "records", "reviews", "r", "reader")],
        ),
        ("%%claude_map --over da", []),
        (
            "%claude_compare --over reviews --column t",
            [f"%claude_compare --over reviews --column {name}" for name in ("text", '"two words"', "tag")],
        ),
        ("%claude_compare --pick ", []),
        ("%claude_replay --mode a", ["%claude_replay --mode auto"]),
        ("%claude_replay --pace r", ["%claude_replay --pace recorded"]),
        ("%claude_offline --pace r", []),
    ],
)
def test_tab(busy: Kernel, code: str, lines: list[str]) -> None:
    assert offered(busy, code) == lines


def test_pick_offers_the_last_answers(busy: Kernel) -> None:
    assert busy.run("%%claude -m haiku -m sonnet\nhi").status == "ok"
    takes = ["1", "2", "haiku", "sonnet"]
    assert offered(busy, "%claude_compare --pick ") == [f"%claude_compare --pick {one}" for one in takes]


@pytest.mark.parametrize("code", ["%claude_usage --csv ~nobody-of-that-name/", "%%claude -s @/proc/1/fd/"])
def test_files_that_cannot_be_listed_are_none(busy: Kernel, code: str) -> None:
    assert offered(busy, code) == []


def test_a_flag_is_offered_once(busy: Kernel) -> None:
    reply = completed(busy, "%%claude -m opus --max-tokens 9 --")
    told = {one["text"]: one["type"] for one in reply["metadata"]["_jupyter_types_experimental"]}
    assert "--max-tokens" not in told
    assert told["--model"] == "flag"  # several models may be asked
    assert told["--attach"] == "flag"  # a page's menu has no room for the help
    assert set(told) == {flag.names[-1] for flag in flags.ASK} - {"--max-tokens"}


def test_the_first_line_completes_also_when_the_body_is_there(busy: Kernel) -> None:
    assert offered(busy, "%%claude -m so\nWhy?", 14) == ["%%claude -m sonnet"]


def test_python_completes_as_ever_and_ours_is_gone_when_unloaded(busy: Kernel) -> None:
    assert "%%claude" in completed(busy, "%%clau")["matches"]
    matchers = "len(get_ipython().Completer.custom_matchers)"
    assert busy.value(matchers) == "1"
    busy.run("%reload_ext claude_magic")
    assert busy.value(matchers) == "1"
    assert offered(busy, "%%claude -m so") == ["%%claude -m sonnet"]
    busy.run("%unload_ext claude_magic")
    assert busy.value(matchers) == "0"
    busy.run("%load_ext claude_magic")


def test_what_has_a_kind_is_a_flag() -> None:
    (data,) = (flag for flag in flags.ASK if flag.key == "data")
    assert data.choices == get_args(DataView)
    named = {flag.key for table in vars(flags).values() if isinstance(table, tuple) for flag in table}
    assert set(matcher._KINDS) <= named


def test_where_the_cursor_stands_agrees_with_the_parser() -> None:
    spot = where(' -a df[df.x > 3] -s "two words" --model op', flags.ASK, ends=True)
    assert spot is not None
    assert spot.flag is not None
    assert (spot.flag.key, spot.fragment) == ("model", "op")


def test_in_the_terminal(tmp_path: Path, local_api: LocalApi) -> None:
    environment = clean_environment(
        tmp_path, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token, TERM="xterm",
        PROMPT_TOOLKIT_NO_CPR="1",
    )  # fmt: skip
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--no-banner", "--colors=nocolor", "--no-confirm-exit"],
        env=environment, cwd=str(tmp_path), encoding="utf-8", timeout=PATIENCE, dimensions=(50, 160),
    )  # fmt: skip
    try:
        child.expect(r"In \[1\]:")
        child.send("%load_ext claude_magic\r")
        child.expect(r"In \[2\]:")
        child.send("%claude --thi\t")
        child.expect("nking")
        child.send(" -m hai\t")
        child.expect("ku")
        child.send(" --c\t")
        child.expect("--cite")
    finally:
        child.close(force=True)
