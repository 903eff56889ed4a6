"""The beginning of an answer, and system messages inside a conversation."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.api import caching
from claude_magic.api.check import check
from claude_magic.api.repair import repaired
from claude_magic.api.request import Message, Request, asked, system_message
from claude_magic.conversation.portable import dump, load
from claude_magic.errors import UsageProblem
from claude_magic.values import Turn, text_block
from tests.faults import FaultServer, Fin, Hang, ended, sse, start, streamed, text
from tests.kernels import Kernel, Ran, running_kernel

KEY = "sk-ant-canary-0123456789"
OLD = "-m claude-haiku-4-5"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, server: FaultServer) -> Iterator[Kernel]:
    """A kernel whose requests can be looked at."""
    home = tmp_path_factory.mktemp("prefill")
    with running_kernel(home, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=KEY) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


def line_of(ran: Ran) -> str:
    line = re.sub(r"\x1b\[\d*m", "", ran.error).strip()
    assert "\n" not in line
    return line


def said(server: FaultServer, *pieces: str) -> None:
    server.answers([streamed(sse(start(), *text(*pieces), *ended()))])


def spoken(server: FaultServer) -> list[tuple[str, list[str]]]:
    """The last request's messages: who, and the texts."""
    messages = server.requests[-1].messages
    return [(one["role"], [block["text"] for block in one["content"]]) for one in messages]


# -- prefill


def test_the_answer_is_its_beginning_and_what_follows(asking: Kernel, server: FaultServer) -> None:
    said(server, ' "Ada', '"}')
    ran = asking.run(f"%%claude --new {OLD} --prefill '{{\"name\":  ' --into answer\nWho?", allow_stdin=False)
    assert ran.status == "ok", ran.error
    assert spoken(server) == [("user", ["Who?"]), ("assistant", ['{"name":'])]  # no blanks at its end
    assert asking.value("answer") == repr('{"name": "Ada"}')
    assert ran.displayed[0]["text/plain"] == '{"name": "Ada"}'
    asking.run(f"%%claude {OLD}\nAnd?", allow_stdin=False)
    assert spoken(server) == [("user", ["Who?"]), ("assistant", ['{"name": "Ada"}']), ("user", ["And?"])]


def test_the_live_view_begins_with_the_beginning(asking: Kernel, server: FaultServer) -> None:
    said(server, " small", " step")
    ran = asking.run(f"%%claude --no-history {OLD} --prefill 'One'\nGo.", cell_id="p")
    assert ran.updated[-1]["text/plain"] == "One small step"


def test_where_nothing_comes_nothing_is_made_up(asking: Kernel, server: FaultServer) -> None:
    server.answers([streamed(sse(start(), *ended("refusal")))])
    asking.run(f"%%claude --new {OLD} --prefill 'Sure:'\nGo.", allow_stdin=False)
    assert asking.value("(_claude.text, _claude.stage)") == "('', 'refused')"


def test_a_cut_answer_has_its_beginning(asking: Kernel, server: FaultServer) -> None:
    server.answers([streamed(sse(start(), *text(" small step")[:-1]), end=(Fin(),))])
    asking.run(f"%%claude --new {OLD} --prefill 'One'\nGo.", allow_stdin=False)
    assert asking.value("(_claude.text, _claude.stage)") == "('One small step', 'cut')"


def test_the_beginning_survives_a_dying_kernel(tmp_path: Path, server: FaultServer) -> None:
    count = len(server.requests) + 1
    book = tmp_path / "book.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), book)
    where = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": KEY, "JPY_SESSION_NAME": str(book)}
    with running_kernel(tmp_path, **where) as kernel:
        kernel.run("%load_ext claude_magic")
        kernel.run("%%claude\nHi.", cell_id="o")
        server.answers([streamed(sse(start(), *text(" small step")[:-1]), Hang())])
        pid = int(kernel.value("__import__('os').getpid()"))
        request = kernel.send(f"%%claude {OLD} --prefill 'One'\nGo.", cell_id="p")
        for message in kernel.messages(request):
            if message["msg_type"] == "comm_msg" and "small step" in str(message["content"]):
                break
        assert server.wait_for(count + 1)
        _journaled(tmp_path)
        os.kill(pid, signal.SIGKILL)
    with running_kernel(tmp_path, **where) as kernel:
        kernel.run("%load_ext claude_magic")
        assert "One small step" in kernel.run("%claude_history", cell_id="h").result


def _journaled(home: Path) -> None:
    """Wait until the store holds what has come."""
    for _ in range(100):
        if any(b"small step" in one.read_bytes() for one in home.rglob("conversations.db*")):
            return
        time.sleep(0.1)
    raise AssertionError("nothing was journaled")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            "-m sonnet --prefill {",
            "takes no beginning of its answer: say in the prompt how the answer begins",
        ),
        (f"{OLD} --prefill ' '", "there is nothing in it"),
        (f"{OLD} --prefill x --thinking", "takes no beginning of its answer while it thinks"),
        (f"{OLD} --prefill x --schema int", "the schema says how the answer begins"),
        ("-m claude-opus-4-7 --system-message 'x y'", "takes no system message inside a conversation"),
        ("--system-message ' '", "there is nothing in it"),
        ("--system-message nowhere", "no kernel name 'nowhere'"),
        ("--system-message @no.txt", "System message @no.txt: No such file"),
    ],
)
def test_what_a_model_does_not_take_is_told_and_not_sent(
    asking: Kernel, server: FaultServer, flags: str, line: str
) -> None:
    count = len(server.requests)
    told = line_of(asking.run(f"%%claude --no-history {flags}\nGo.", allow_stdin=False))
    assert line in told
    assert told.endswith("Nothing was sent.")
    assert len(server.requests) == count


def test_what_is_reused_asked_the_same(asking: Kernel, server: FaultServer) -> None:
    for flags in ("", "--prefill One", "--prefill Two", "--prefill One"):
        said(server, " more")
        asking.run(f"%%claude --new --reuse {OLD} {flags}\nGo on.", allow_stdin=False)
    assert asking.value("(_claude.text, _claude.turn.reused)") == "('One more', True)"
    count = len(server.requests)
    asking.run("%%claude --new --reuse\nAnswer in French.", allow_stdin=False)
    asking.run("%%claude --new --reuse --system-message 'Answer in French.'\nHi.", allow_stdin=False)
    asking.run("%%claude --new --reuse --system-message 'Answer in Latin.'\nHi.", allow_stdin=False)
    assert len(server.requests) == count + 3


# -- system messages


def test_a_system_message_stands_where_it_was_said(asking: Kernel, server: FaultServer) -> None:
    asking.run("%%claude --new\nOne.", allow_stdin=False)
    asking.run("tone = 'Be brief.'")
    ran = asking.run("%%claude --system-message tone\nTwo.", allow_stdin=False)
    assert "attached: system message, “Be brief.”" in ran.displayed[0]["text/markdown"]
    asking.run("%%claude\nThree.", allow_stdin=False)
    well = ("assistant", ["All is well."])
    above = [("user", ["One."]), well, ("user", ["Two."]), ("system", ["Be brief."]), well]
    assert spoken(server) == [*above, ("user", ["Three."])]
    marked = [
        message["role"]
        for message in server.requests[-1].messages
        for block in message["content"]
        if "cache_control" in block
    ]
    assert marked == ["user", "user"]
    # Elsewhere it is left out, and that is said once.
    told = [asking.run(f"%%claude {OLD}\nFour.", allow_stdin=False).stdout for _ in range(2)]
    assert [role for role, _ in spoken(server)] == ["user", "assistant"] * 4 + ["user"]
    assert [("system message above was left out" in one) for one in told] == [True, False]


def test_the_local_api_takes_it_where_the_model_does(kernel: Kernel) -> None:
    kernel.run("%%claude --new\nMy name is Ada.")
    assert kernel.run("%%claude --system-message 'Be brief.'\nGo.").status == "ok"
    assert "Ada" in kernel.run("%claude What is my name?", allow_stdin=False).displayed[0]["text/plain"]
    shown = kernel.run("%claude --dry-run --system-message 'Be loud.' Hi").result
    assert "system message, “Be loud.”" in shown
    assert "system message, “Be brief.”" in shown
    assert kernel.run("%claude --count --system-message 'Be loud.' Hi").status == "ok"


def test_secrets_in_both_are_asked_about(asking: Kernel, server: FaultServer) -> None:
    count = len(server.requests)
    secret = "ghp_" + "a1B2" * 9
    for flags, place in ((f"{OLD} --prefill", "the prefill"), ("--system-message", "the system message")):
        ran = asking.run(f"%%claude --no-history {flags} '{secret}'\nGo.", allow_stdin=False)
        assert ran.status == "error"
        assert place.removeprefix("the ") in line_of(ran)
        assert secret not in ran.error
    assert len(server.requests) == count


def test_exports_keep_it_and_tell_it(asking: Kernel) -> None:
    folder = Path(asking.value("__import__('os').getcwd()").strip("'"))
    asking.run("%%claude --new --system-message 'Be brief.'\nOne.", allow_stdin=False)
    for suffix in ("md", "ipynb", "json"):
        assert asking.run(f"%claude_export out.{suffix} --force").status == "ok"
        assert "Be brief." in (folder / f"out.{suffix}").read_text("utf-8")
    (turn,) = load((folder / "out.json").read_bytes())
    assert [block.kind for block in turn.blocks] == ["text", "system"]


def test_the_portable_format_reads_it_back() -> None:
    turn = Turn("Hi.", (text_block("Hi."), system_message("Be brief.")), id="a")
    assert load(dump([turn], "t")) == (turn,)


def texts(*messages: tuple[str, str]) -> list[Message]:
    return [Message(role, (text_block(said).json,)) for role, said in messages]


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.sampled_from(["x", " "]))))
def test_whatever_was_said_is_repaired_to_what_the_api_takes(roles: list[tuple[str, str]]) -> None:
    sent = repaired(texts(*roles))
    if not sent:
        assert ("user", "x") not in roles
        return
    check(Request("claude-opus-5-5", 10, sent))
    marks = caching.marks(sent, "5m")
    assert all(sent[place].role != "system" for place, _ in marks.blocks)


@pytest.mark.parametrize(
    "roles",
    [
        ("system", "user"),
        ("user", "assistant", "system"),
        ("user", "system", "user"),
        ("user", "system", "system"),
    ],
)
def test_a_system_message_out_of_place_is_refused(roles: tuple[str, ...]) -> None:
    with pytest.raises(UsageProblem):
        check(Request("m", 10, tuple(texts(*((role, "x") for role in roles)))))


def test_the_messages_of_a_question() -> None:
    blocks = (text_block("Hi."), system_message("Be brief."))
    assert [one.role for one in asked(blocks)] == ["user", "system"]
    assert [one.role for one in asked(blocks, system=False)] == ["user"]
    body = json.loads(Request("m", 10, tuple(asked(blocks)), prefill="Well").body())
    assert [one["role"] for one in body["messages"]] == ["user", "system", "assistant"]
    for wrong in ("Well ", "\ud800"):
        with pytest.raises(UsageProblem):
            check(Request("m", 10, tuple(asked(blocks)), prefill=wrong))
