"""Cassettes: recorded over real sockets, answered from with the server gone."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claude_magic import offline
from claude_magic.api.cassettes import Cassette, Wanted
from claude_magic.api.exchanges import Exchange, Requested, asked_of, differences
from claude_magic.api.patience import Patience
from claude_magic.conversation.store import Store
from claude_magic.errors import ApiBusy
from tests.canary import keys_in
from tests.faults import (
    GOOD,
    WELL,
    FaultServer,
    Hang,
    Reset,
    Script,
    Sleep,
    delta,
    ended,
    opened,
    refusal,
    squeezed,
    sse,
    start,
    streamed,
    text,
)
from tests.kernels import PATIENCE, Kernel, Ran, running_kernel

KEY = "sk-ant-canary-cassettes-0123456789"
TURN = "application/vnd.claude-magic.turn+json"
QUICK = {"CLAUDE_MAGIC_RETRIES": "1", "CLAUDE_MAGIC_SILENCE": "5"}
TAPE = "talk.cassette"


@contextmanager
def kernel_in(home: Path, **extra: str) -> Iterator[Kernel]:
    """A kernel with the extension loaded, in a home that outlives it."""
    home.mkdir(exist_ok=True)
    with running_kernel(home, **QUICK, **extra) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


def recording(home: Path, server: FaultServer, **extra: str) -> Any:
    return kernel_in(home, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=KEY, **extra)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory, server: FaultServer) -> Iterator[Kernel]:
    """A kernel that asks the fault server; its cassettes lie in its home."""
    with recording(tmp_path_factory.mktemp("recorder"), server) as kernel:
        yield kernel


def home_of(kernel: Kernel) -> Path:
    return Path(kernel.value("__import__('os').getcwd()").strip("'"))


def shown(ran: Ran) -> dict[str, Any]:
    assert ran.status == "ok", ran.error
    (data,) = ran.displayed
    return dict(data)


def run(kernel: Kernel, code: str) -> Ran:
    return kernel.run(code, allow_stdin=False)


def call(name: str, arguments: str) -> bytes:
    """A reply that calls a tool."""
    block = opened(0, type="tool_use", id="toolu_fault_1", name=name, input={})
    return sse(
        start(),
        block,
        delta("input_json_delta", partial_json=arguments),
        {"type": "content_block_stop", "index": 0},
        *ended("tool_use"),
    )


WHOLE_TALK: tuple[Script, ...] = (
    GOOD,
    streamed(call("double", '{"n": 21}')),
    GOOD,
    GOOD,
    refusal(529, "overloaded_error", "Overloaded"),
    streamed(squeezed(sse(start(), *text(WELL), *ended())), content_encoding="gzip"),
    streamed(sse(start(), *text("so far")[:2]), end=(Sleep(0.05), Reset())),
)
TALK = (
    "%%claude\nhello, you",
    "@claude_magic.tool(approval=False)\ndef double(n: int) -> int:\n    'Double.'\n    return 2 * n",
    "%%claude --tools double\ntwice 21?",
    "%%claude_count\nhow many?",
    "from PIL import Image\npicture = Image.new('RGB', (40, 30), 'red')",
    "%%claude -a picture\nwhat is it?",
    "%%claude\nagain, when busy",
)
MAPPED = (
    "import claude_magic\nout = claude_magic.map(list('abc'), 'say: <{{ row }}>')\n"
    "print(list(out.answer), sum(out.claude_cost))"
)
CUT = "%%claude\nand now?"


def test_a_talk_is_replayed_with_the_server_gone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with FaultServer() as server:
        server.answers(WHOLE_TALK)
        with recording(home, server) as kernel:
            assert run(kernel, "import claude_magic\n%claude_record talk.cassette").stdout.startswith(
                "What is asked"
            )
            first = [run(kernel, code) for code in TALK]
            assert [ran.error for ran in first] == [""] * len(TALK)
            cut = run(kernel, CUT)
            assert "broke in the middle" in cut.error
        asked = len(server.requests)
    path = home / TAPE
    data = path.read_bytes()
    assert keys_in(data) == []
    assert b"x-api-key" not in data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in data.splitlines()]
    assert lines[0] == {"claude_magic_cassette": 1, "api": "http://127.0.0.1"}
    assert len(lines) == 1 + asked + 1  # and the count
    (attached,) = set(re.findall(r'"data": "([^"]*)"', data.decode()))
    assert re.fullmatch(r"sha256:[0-9a-f]{64} \([\d,]+ bytes\)", attached)
    assert [line["response"]["status"] for line in lines[1:]] == [200, 200, 200, 200, 200, 529, 200, 200]
    assert [line["response"]["ended"] == "whole" for line in lines[1:]] == [True] * asked + [False]

    with kernel_in(tmp_path / "elsewhere") as kernel:  # no key, no server, another store
        (tmp_path / "elsewhere" / TAPE).write_bytes(data)
        said = run(kernel, "import claude_magic\n%claude_replay talk.cassette").stdout
        assert said == "Answers come from talk.cassette, and nothing is sent; %claude_replay --off ends it.\n"
        again = [run(kernel, code) for code in TALK]
        assert [ran.error for ran in again] == [""] * len(TALK)
        for old, new in zip(first, again, strict=True):
            assert [one["text/plain"] for one in old.displayed] == [
                one["text/plain"] for one in new.displayed
            ]
            for one in new.displayed:
                assert re.search(
                    r" · replayed from talk\.cassette, recorded \d{4}-\d\d-\d\d\*$", one["text/markdown"]
                )
                assert "$" not in one["text/markdown"]
                assert one[TURN]["replayed"].startswith("talk.cassette, recorded ")
        assert [old.result for old in first] == [new.result for new in again]  # the count
        assert "broke in the middle" in run(kernel, CUT).error
        assert kernel.value("_claude.text") == "'so far'"
        assert kernel.value("_claude.cost") == "0.0"


def test_a_miss_says_what_differs_and_sends_nothing(recorder: Kernel, server: FaultServer) -> None:
    kernel = recorder
    run(kernel, "%claude_record talk.cassette")
    run(
        kernel,
        "from PIL import Image\npicture, other = (Image.new('RGB', (9, 9), c) for c in ('red', 'blue'))",
    )
    for code in ("%%claude -a picture\nfirst", "%%claude\nsecond"):
        shown(run(kernel, code))
    run(kernel, "%claude_replay talk.cassette")
    asked = len(server.requests)
    for code, said in (
        (
            "%%claude --new -m opus -a picture\nfirst",
            "model (claude-opus-5-5, recorded claude-sonnet-5-5) differs",
        ),
        ("%%claude --new -s 'Be brief.' -a picture\nfirst", "system differs"),
        ("%%claude --new --max-tokens 9 -a picture\nfirst", "max_tokens (9, recorded 16000) differs"),
        ("%%claude --new -a other\nfirst", ": message 1 with an attachment differs"),
        ("%%claude --new -a picture\nfirst!", ": message 1 differs"),
        ("%%claude --no-history -m opus\nx", "differ from the nearest one recorded"),
        ("%%claude_count\nx", "nothing is recorded of POST /v1/messages/count_tokens."),
    ):
        ran = run(kernel, code)
        assert said in ran.error, code
        assert "Nothing was sent; %claude_replay --mode auto talk.cassette asks" in ran.error
        assert "\n" not in ran.error
    run(kernel, "picture = other")
    assert ": an attachment of message 1 differs" in run(kernel, "%%claude --new -a picture\nfirst").error
    run(kernel, "picture = Image.new('RGB', (9, 9), 'red')")
    # A third message after the same two.
    run(kernel, "%%claude --new -a picture\nfirst")
    ran = run(kernel, "%%claude\nthird")
    assert ": message 3 differs from the nearest one recorded." in ran.error
    assert len(server.requests) == asked
    assert run(kernel, "%claude_replay --off").stdout == "No cassette any more.\n"
    shown(run(kernel, "%%claude\nthird"))
    assert len(server.requests) == asked + 1


def test_auto_asks_and_records_what_is_missing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with FaultServer() as server:
        with recording(home, server, CLAUDE_MAGIC_CASSETTE="auto:talk.cassette") as kernel:
            assert "talk.cassette" not in shown(run(kernel, "%%claude --no-history\none"))["text/markdown"]
            assert "replayed" in shown(run(kernel, "%%claude --no-history\none"))["text/markdown"]
            assert len(server.requests) == 1
        with recording(home, server, CLAUDE_MAGIC_CASSETTE="auto:talk.cassette") as kernel:
            assert "replayed" in shown(run(kernel, "%%claude --no-history\none"))["text/markdown"]
            assert "replayed" not in shown(run(kernel, "%%claude --no-history\ntwo"))["text/markdown"]
            assert "CLAUDE_MAGIC_CASSETTE" in run(kernel, "%claude_config").result
        assert len(server.requests) == 2
    with kernel_in(home, CLAUDE_MAGIC_CASSETTE="auto:talk.cassette") as kernel:  # and without a key
        assert "replayed" in shown(run(kernel, "%%claude --no-history\ntwo"))["text/markdown"]
        assert "No credential" in run(kernel, "%%claude --no-history\nthree").error


def test_auto_asks_again_what_has_only_failed_in_passing(tmp_path: Path) -> None:
    home, auto = tmp_path / "home", {"CLAUDE_MAGIC_CASSETTE": "auto:talk.cassette"}
    busy, wrong = refusal(529, "overloaded_error", "Overloaded"), refusal(400, "invalid_request_error", "No.")
    with FaultServer() as server:
        server.answers([busy, GOOD, busy, busy, wrong, GOOD])
        with recording(home, server, **auto) as kernel:
            # The second try of the same question is a try, and not the first one's fault again.
            assert WELL in shown(run(kernel, "%%claude --no-history\none"))["text/plain"]
            assert "overloaded" in run(kernel, "%%claude --no-history\ntwo").error.lower()
            assert "(400): No" in run(kernel, "%%claude --no-history\nthree").error
            assert len(server.requests) == 5
        with recording(home, server, **auto) as kernel:
            assert "replayed" in shown(run(kernel, "%%claude --no-history\none"))["text/markdown"]
            assert "(400): No" in run(kernel, "%%claude --no-history\nthree").error
            assert len(server.requests) == 5
            assert "replayed" not in shown(run(kernel, "%%claude --no-history\ntwo"))["text/markdown"]
        assert len(server.requests) == 6


def test_the_environment_alone_replays_and_nothing_counts_as_spent(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        FaultServer() as server,
        recording(home, server, CLAUDE_MAGIC_CASSETTE="record:talk.cassette") as kernel,
    ):
        shown(run(kernel, "%%claude\none"))
        assert "$" in run(kernel, "%claude_usage").result
    store = {"CLAUDE_MAGIC_STORE": str(home / "other.db"), "CLAUDE_MAGIC_CASSETTE": "replay:talk.cassette"}
    with kernel_in(home, **store) as kernel:
        assert "replayed" in shown(run(kernel, "%%claude\none"))["text/markdown"]
        told = run(kernel, "%claude_usage").result
        assert "reused, free" in told
        assert not re.search(r"\$0\.\d|<\$", told)
    with closing(sqlite3.connect(home / "other.db")) as database:
        (row,) = database.execute("SELECT cost, reused FROM turns").fetchall()
        (conversation,) = database.execute("SELECT id FROM conversations").fetchone()
    assert row == (0.0, 1)
    opened_again = Store.open(home / "other.db")
    (turn,) = opened_again.load(conversation).turns  # the store remembers
    opened_again.close()
    assert turn.replayed.startswith("talk.cassette, recorded ")
    assert not turn.reused


def test_a_map_tells_what_was_replayed(recorder: Kernel) -> None:
    kernel = recorder
    run(kernel, "%claude_record map.cassette")
    cell = "%%claude_map --over [1, 2] --into out --again -m haiku --max-tokens 99\nmapped {{ row }}"
    assert "replayed" not in shown(run(kernel, cell))["text/plain"]
    run(kernel, "%claude_replay map.cassette")
    last = shown(run(kernel, cell))["text/plain"].splitlines()[-1]
    assert re.search(r"out · replayed from map\.cassette, recorded \d{4}-\d\d-\d\d$", last), last
    assert "$" not in last
    run(kernel, "%claude_replay --off")


def test_recording_anew_keeps_the_cassette_before(recorder: Kernel) -> None:
    kernel = recorder
    home = home_of(kernel)
    run(kernel, "%claude_record talk.cassette")
    shown(run(kernel, "%%claude --no-history\none"))
    before = (home / TAPE).read_bytes()
    run(kernel, "%claude_record talk.cassette")
    assert (home / TAPE).read_bytes() == before  # until there is an answer
    shown(run(kernel, "%%claude --no-history\ntwo"))
    assert (home / "talk.cassette~").read_bytes() == before
    assert len((home / TAPE).read_bytes().splitlines()) == 2


def test_the_offline_demo_stays_a_demo(tmp_path: Path, local_api: offline.LocalApi) -> None:
    home = tmp_path / "home"
    with kernel_in(home, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token) as kernel:
        run(kernel, "%claude_record talk.cassette\n%claude_config upload_above=1")
        run(kernel, "from PIL import Image\npicture = Image.new('RGB', (40, 30), 'red')")
        shown(run(kernel, "%%claude\nsay: hi"))
        uploaded = shown(run(kernel, "%%claude --no-history -a picture\nDescribe it."))["text/plain"]
        models = run(kernel, "%claude_models --refresh").result
        mapped = run(kernel, MAPPED).stdout
        assert mapped.startswith("['<a>', '<b>', '<c>'] ")
        assert not mapped.endswith(" 0.0\n")
    with kernel_in(home) as kernel:
        run(kernel, "%claude_replay talk.cassette\n%claude_config upload_above=1")
        run(kernel, "from PIL import Image\npicture = Image.new('RGB', (40, 30), 'red')")
        assert shown(run(kernel, "%%claude --no-history -a picture\nDescribe it."))["text/plain"] == uploaded
        assert run(kernel, MAPPED).stdout == "['<a>', '<b>', '<c>'] 0.0\n"
        again = run(kernel, "%claude_models --refresh").result
        assert again.partition(" listed them")[2] == models.partition(" listed them")[2] != ""
        assert "talk.cassette (recorded) listed them" in again
        said = shown(run(kernel, "%%claude\nsay: hi"))
        assert said["text/plain"] == "hi"
        assert "replayed from talk.cassette" in said["text/markdown"]
        assert said["text/markdown"].endswith("offline demo, not Claude*")
        assert said[TURN]["demo"] is True


def test_a_kernel_killed_while_recording_loses_no_whole_answer(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with FaultServer() as server:
        server.answers([GOOD, streamed(sse(start(), *text("half")[:2]), end=(Hang(),))])
        with recording(home, server) as kernel:
            run(kernel, "%claude_record talk.cassette")
            shown(run(kernel, "%%claude --no-history\none"))
            kernel.send("%%claude --no-history\ntwo")
            assert server.wait_for(2)
            kernel.manager.provisioner.process.kill()
            kernel.manager.provisioner.process.wait(PATIENCE)
    path = home / TAPE
    assert len(path.read_bytes().splitlines()) == 2
    with path.open("ab") as file:  # as a disk may leave it
        file.write(b'{"recorded": "2026-11-21", "request": {"met')
    with kernel_in(home) as kernel:
        said = run(kernel, "%claude_replay talk.cassette").stdout
        assert "talk.cassette: line 3 is broken (cut while it was written?) and left out." in said
        assert shown(run(kernel, "%%claude --no-history\none"))["text/plain"] == WELL
    with FaultServer() as server, recording(home, server) as kernel:
        run(kernel, "%claude_replay --mode auto talk.cassette")
        shown(run(kernel, "%%claude --no-history\ntwo"))
        run(kernel, "%claude_replay talk.cassette")
        for prompt in ("one", "two"):
            assert shown(run(kernel, f"%%claude --no-history\n{prompt}"))["text/plain"] == WELL
        assert len(server.requests) == 1


def test_what_the_user_stops_is_not_recorded(recorder: Kernel, server: FaultServer) -> None:
    run(recorder, "%claude_record stopped.cassette")
    server.answers([streamed(sse(start(), *text("half")[:2]), end=(Hang(),)), GOOD])
    asked = len(server.requests)
    request = recorder.send("%%claude --no-history\none", allow_stdin=False)
    assert server.wait_for(asked + 1)
    recorder.manager.interrupt_kernel()
    assert "stopped by an interrupt" in recorder.collect(request).error
    assert server.settled()
    shown(run(recorder, "%%claude --no-history\none"))
    run(recorder, "%claude_replay stopped.cassette")
    assert shown(run(recorder, "%%claude --no-history\none"))["text/plain"] == WELL
    assert len((home_of(recorder) / "stopped.cassette").read_bytes().splitlines()) == 2


def test_an_api_that_repeats_the_key_puts_none_into_a_cassette(recorder: Kernel, server: FaultServer) -> None:
    run(recorder, "%claude_record echo.cassette")
    server.answers([refusal(401, "authentication_error", f"invalid x-api-key: {KEY} no")])
    assert recorder.run("%%claude --no-history\none").status == "error"
    data = (home_of(recorder) / "echo.cassette").read_bytes()
    assert b"invalid x-api-key: " in data
    assert keys_in(data) == []
    run(recorder, "import claude_magic\n%claude_replay echo.cassette")
    assert "API" in run(recorder, "%claude_config").result
    assert "replayed from echo.cassette" in run(recorder, "%claude_config").result


def test_what_came_before_a_cut_is_in_the_error_also_when_replayed(
    recorder: Kernel, server: FaultServer
) -> None:
    run(recorder, "import claude_magic\n%claude_record cut.cassette")
    server.answers([streamed(sse(start(), *text("half")[:2]), end=(Sleep(0.05), Reset()))])
    code = (
        "try:\n    claude_magic.ask('one')\nexcept claude_magic.errors.StreamCut as error:\n"
        "    print(error.reply.text, error.reply.turn.replayed)"
    )
    assert run(recorder, code).stdout.strip() == "half"
    run(recorder, "%claude_replay cut.cassette")
    assert run(recorder, code).stdout.startswith("half cut.cassette, recorded ")


def test_a_recorded_wait_takes_no_time_again() -> None:
    problem = ApiBusy("busy", pause=2.0)
    asked = ApiBusy("busy", pause=2.0, retry_after=100.0)
    hurry = Patience(hurry=True)
    assert [hurry.wait(one, 1) for one in (problem, asked)] == [0.0, 0.0]
    assert hurry.wait(problem, 5) is None
    assert replace(hurry, longest_wait=50).wait(asked, 1) is None


def test_a_key_in_what_is_said_is_not_recorded() -> None:
    held = "sk-ant-" + "canary-" + "y" * 30
    content = [{"type": "text", "text": f"my key is {held}, keep it"}]
    body = {"messages": [{"role": "user", "content": content}], "metadata": {"a": held}}
    request = httpx2.Request("POST", "https://api.anthropic.com/v1/messages", json=body)
    asked = asked_of(request)
    line = Exchange(asked, "2026-11-21", 200, {}, ((0.0, "x"),)).line
    assert keys_in(line.encode()) == []
    assert Exchange.of(json.loads(line)).asked.key == asked.key


def test_where_nothing_can_be_written_the_answer_is_what_counts(tmp_path: Path) -> None:
    folder, notes = tmp_path / "gone", list[str]()
    folder.mkdir()
    cassette = Cassette(Wanted("record", folder / TAPE), notes.append)
    folder.rmdir()
    cassette.keep(Exchange(Requested("GET", "/v1/models", {}), "2026-11-21", 200, {}, ()), "")
    assert notes == ["talk.cassette: an answer was not recorded (No such file or directory); record it anew."]


def test_ids_of_earlier_answers_and_cache_marks_are_not_compared() -> None:
    def key(id_: str, **more: object) -> str:
        use = {"type": "tool_use", "id": id_, "name": "f", "input": {"id": 1}, **more}
        result = {"type": "tool_result", "tool_use_id": id_, "content": "msg_ is no id here"}
        return Requested("POST", "/v1/messages", {}, {"messages": [use, result]}).key

    assert key("toolu_1") == key("toolu_2", cache_control={"type": "ephemeral"})
    assert key("toolu_1") != key("toolu_1", name="g")


def test_what_looks_like_an_id_in_a_text_is_compared() -> None:
    def key(content: str) -> str:
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": content}
        return Requested("POST", "/v1/messages", {}, {"messages": [result]}).key

    assert key("msg_17") == key("msg_17")
    assert key("msg_17") != key("msg_18")


def test_uploads_that_differ_in_their_last_line_end_are_two() -> None:
    def key(data: bytes) -> str:
        files = {"file": ("a.txt", data, "text/plain")}
        return asked_of(httpx2.Request("POST", "https://api.anthropic.com/v1/files", files=files)).key

    assert key(b"one\r\n") == key(b"one\r\n")
    assert len({key(b"one"), key(b"one\n"), key(b"one\r\n"), key(b"\r\none")}) == 4


def test_diagnostics_are_no_difference() -> None:
    def asked(model: str, **more: object) -> Requested:
        return Requested("POST", "/v1/messages", {}, {"model": model, "messages": [], **more})

    diagnosed = asked("a", diagnostics={"previous_message_id": None})
    assert diagnosed.key == asked("a").key
    assert differences(diagnosed, asked("a")) == []
    assert differences(diagnosed, asked("b")) == ["model (a, recorded b)"]


def test_answers_come_as_slowly_as_they_did(recorder: Kernel, server: FaultServer) -> None:
    kernel = recorder
    server.answers([streamed(sse(start()), Sleep(0.7), sse(*text(WELL), *ended()))])
    run(kernel, "%claude_record talk.cassette")
    shown(run(kernel, "%%claude --no-history\none"))
    run(kernel, "%claude_replay --pace recorded talk.cassette")
    began = time.monotonic()
    shown(run(kernel, "%%claude --no-history\none"))
    assert time.monotonic() - began >= 0.6
    assert kernel.value("get_ipython().magics_manager.registry['ClaudeMagics'].cassette_pace") == "'recorded'"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%claude_replay nowhere.cassette", "No such file or directory. %claude_record records one."),
        ("%claude_replay notes.txt", "notes.txt is no cassette, and is left as it is."),
        ("%claude_record notes.txt", "notes.txt is no cassette, and is left as it is."),
        (
            "%claude_replay newer.cassette",
            "newer.cassette has the format version 2, and this claude_magic knows 1",
        ),
        ("%claude_replay empty.cassette", "empty.cassette is empty."),
        ("%claude_record .", "is no file."),
        ("%claude_record no/such/x.cassette", "there is no folder"),
        ("%claude_record", "%claude_record needs a file"),
        ("%claude_replay --mode rec x", "--mode rec: no such choice."),
        ("%claude_config cassette=talk.cassette", "record:FILE, replay:FILE or auto:FILE, or empty"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(kernel: Kernel, line: str, said: str) -> None:
    kernel.run(
        "open('notes.txt', 'w').write('mine')\nopen('empty.cassette', 'w').close()\n"
        "open('newer.cassette', 'w').write('{\"claude_magic_cassette\": 2}')"
    )
    ran = run(kernel, line)
    assert said in ran.error
    assert "\n" not in ran.error
    assert kernel.value("open('notes.txt').read()") == "'mine'"
    assert "default" in next(
        row for row in run(kernel, "%claude_config").result.splitlines() if row.startswith("cassette ")
    )
