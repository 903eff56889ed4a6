"""Claude calls functions of the kernel: a real kernel, the real SDK, models of every kind."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

from claude_magic.offline.models import Catalogue
from claude_magic.offline.service import Service
from tests.faults import (
    GOOD,
    WELL,
    FaultServer,
    Hang,
    Raw,
    Script,
    Seen,
    chunk,
    ended,
    sse,
    start,
    streamed,
    text,
    tool,
)
from tests.kernels import Kernel, Ran, answer_input, running_kernel
from tests.tools.scripts import FUNCTIONS, call, calling

KEY = "sk-ant-canary-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, server: FaultServer) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("tools")
    with running_kernel(home, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=KEY) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


@pytest.fixture(autouse=True)
def _anew(kernel: Kernel, server: FaultServer) -> Iterator[None]:
    """Fresh functions, nothing called yet, nothing allowed."""
    assert kernel.run(FUNCTIONS).status == "ok"
    yield
    server.answers(())


def ask(
    kernel: Kernel,
    server: FaultServer,
    code: str,
    *scripts: Script,
    say: tuple[str, ...] = (),
    cell_id: str | None = None,
) -> tuple[Ran, list[Seen], list[str]]:
    """Run a cell in a console that answers what it is asked; also the requests, and the questions."""
    before = len(server.requests)
    server.answers(scripts)
    request = kernel.send(code, cell_id=cell_id)
    asked = [answer_input(kernel, one) for one in say]
    ran = kernel.collect(request)
    for seen in server.requests[before:]:  # the strict API takes each of them
        told = {name: seen.body[name] for name in ("model", "messages", "tools") if name in seen.body}
        Service(Catalogue()).count(json.dumps(told).encode())
    return ran, server.requests[before:], asked


def line_of(ran: Ran) -> str:
    return re.sub(r"\x1b\[\d*m", "", ran.error)


def results(seen: Seen, number: int = -1) -> list[dict[str, Any]]:
    """The tool results in a message of a request."""
    return [block for block in seen.messages[number]["content"] if block["type"] == "tool_result"]


def said(result: dict[str, Any]) -> str:
    content = result["content"]
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


def marked(body: Any) -> list[tuple[object, ...]]:
    """Where a request's cache marks are: ``tools``, or the numbers of message and block."""
    places: list[tuple[object, ...]] = [("tools",) for one in body.get("tools", []) if "cache_control" in one]
    return places + [
        (number, index)
        for number, message in enumerate(body["messages"])
        for index, block in enumerate(message["content"])
        if "cache_control" in block
    ]


def test_the_shape_of_each_rounds_request(kernel: Kernel, server: FaultServer) -> None:
    first = calling(call("add", '{"a": 3}', "t1", 1), call("later", '{"seconds": 0}', "t2", 2))
    second = calling(call("fails", '{"why": "so"}', "t3"), said="")
    ran, seen, asked = ask(
        kernel, server, "%%claude --new --tools later,add,fails\nGo.", first, second, GOOD,
        say=("y", "yes", "a"),
    )  # fmt: skip
    assert ran.status == "ok", ran.error
    shown = [
        re.fullmatch(r"The model wants to run (\w+) with\n(.*)\n\[y\]es.*", one, re.DOTALL) for one in asked
    ]
    assert [(one[1], json.loads(one[2])) for one in shown if one] == [
        ("add", {"a": 3}), ("later", {"seconds": 0}), ("fails", {"why": "so"}),
    ]  # fmt: skip
    assert [[one["name"] for one in each.body["tools"]] for each in seen] == [["add", "fails", "later"]] * 3
    assert "system" not in seen[0].body
    roles = ["user", "assistant"] * 3
    for number, each in enumerate(seen):
        assert [message["role"] for message in each.messages] == roles[: 2 * number + 1]
    # Each request begins with the one before, byte for byte but for its marks.
    plain = [
        json.loads(re.sub(r', "cache_control": \{[^}]*\}', "", json.dumps(each.messages))) for each in seen
    ]
    assert plain[2][:3] == plain[1][:3]
    assert plain[1][:1] == plain[0]
    assert [marked(each.body) for each in seen] == [
        [("tools",), (0, 0)],
        [("tools",), (0, 0), (2, 1)],
        [("tools",), (2, 1), (4, 0)],
    ]
    one, two = results(seen[1])
    assert (one["tool_use_id"], said(one), two["tool_use_id"], said(two)) == ("t1", "5", "t2", "waited")
    assert "is_error" not in one
    (three,) = results(seen[2])
    assert (said(three), three["is_error"]) == ("LookupError: so", True)
    assert kernel.value("ran") == "['add 3 2', 'later', 'fails']"
    assert "waiting in the tool" in ran.stdout
    assert kernel.value("[(one.name, one.error, one.note) for one in _claude.calls]") == (
        "[('add', False, ''), ('later', False, ''), ('fails', True, 'failed')]"
    )
    assert "[add(a=3) · 0.0 s]" in ran.stdout
    # The next question carries all of it; so does the same cell's answer from the store.
    _, (seen_next,), _ = ask(kernel, server, "%%claude\nAnd?", GOOD)
    assert [message["role"] for message in seen_next.messages] == [*roles, "user"]


def test_a_call_that_is_not_allowed_is_answered_and_the_loop_goes_on(
    kernel: Kernel, server: FaultServer
) -> None:
    two = calling(call("add", '{"a": 1}', "t1", 1), call("look", '{"at": "x"}', "t2", 2))
    ran, seen, _ = ask(kernel, server, "%%claude --new --tools add,look\nGo.", two, GOOD, say=("n",))
    assert ran.status == "ok", ran.error
    one, other = results(seen[1])
    assert one["is_error"]
    assert "The user did not allow this call" in said(one)
    assert said(other) == "seen x"
    assert kernel.value("ran") == "['look']"
    assert "add(a=1) · not allowed" in ran.stdout


def test_always_is_for_this_function_until_it_is_another(kernel: Kernel, server: FaultServer) -> None:
    kernel.run("%claude_tools add add")
    for say in (("a",), ()):
        _, _, asked = ask(
            kernel, server, "%%claude --new\nGo.", calling(call("add", '{"a": 1}')), GOOD, say=say
        )
    assert "always given" in kernel.run("%claude_tools").result
    kernel.run("def add(a: int) -> str:\n    'Other.'\n    ran.append('other')\n    return 'other'")
    assert "asked each time" in kernel.run("%claude_tools").result
    _, _, asked = ask(
        kernel, server, "%%claude --new\nGo.", calling(call("add", '{"a": 1}')), GOOD, say=("n",)
    )
    assert len(asked) == 1
    assert kernel.value("ran") == "['add 1 2', 'add 1 2']"
    assert kernel.run("%claude_tools remove add").status == "ok"


def test_methods_callables_and_names(kernel: Kernel, server: FaultServer) -> None:
    both = calling(call("find", '{"name": "x"}', "t1", 1), call("desk", '{"x": 2}', "t2", 2))
    _, seen, _ = ask(kernel, server, "%%claude --new --tools desk.find,desk\nGo.", both, GOOD, say=("y", "y"))
    assert [said(one) for one in results(seen[1])] == ["found x", "4.0"]
    before = len(server.requests)
    for words, says in (
        ("ad", "Did you mean 'add'"),
        ("ran", "of type list"),
        ("untyped", "parameter a has no annotation"),
    ):
        line = line_of(kernel.run(f"%%claude --tools {words}\nGo."))
        assert re.search(says, line), line
        assert line.startswith("ToolProblem: ")
        assert line.endswith("Nothing was sent.")
    assert len(server.requests) == before
    kernel.run("%claude_tools add later,look desk.find")
    table = kernel.run("%claude_tools").result
    assert re.search(r"later +seconds +Wait\. +asked each time", table)
    assert re.search(r"look +at= +Look without asking\. +needs none", table)
    assert "tool find" in kernel.run("%%claude --dry-run\nGo.").result
    kernel.run("%claude_tools remove later look desk.find")
    assert line_of(kernel.run("%claude_tools ad add")).startswith(
        "UsageProblem: %claude_tools has no 'ad'. Did"
    )


UNWHOLE = [*tool(1, '{"a": 1}')[:-1]]
NEVER = {
    "end_turn": calling(call("add", '{"a": 1}'), reason="end_turn"),
    "a new reason": calling(call("add", '{"a": 1}'), reason="from_the_future"),
    "max_tokens": calling(call("add", '{"a": 1}'), reason="max_tokens"),
    "max_tokens in the call": calling(call("add", '{"a": '), reason="max_tokens"),
    "refusal": calling(call("add", '{"a": 1}'), reason="refusal"),
    "pause": calling(call("add", '{"a": 1}'), reason="pause_turn"),
    "cut JSON": calling(call("add", '{"a": ')),
    "invalid JSON": calling(call("add", '{"a": oops}')),
    "an array": calling(call("add", "[1]")),
    "NaN": calling(call("add", '{"a": NaN}')),
    "digits": calling(call("add", '{"a": ' + "9" * 400 + "}")),
    "deep": calling(call("add", '{"a": ' + "[" * 5000 + "]" * 5000 + "}")),
    "another schema": calling(call("add", '{"a": "one"}')),
    "unknown": calling(call("ad", '{"a": 1}')),
    "odd name": calling(call("no such!", "{}")),
    "block without end": calling(UNWHOLE),
    "EOF after the call": streamed(sse(start(), *text("Well."), *tool(1, '{"a": 1}'))),
    "EOF before message_stop": streamed(
        sse(start(), *text("Well."), *tool(1, '{"a": 1}'), *ended("tool_use")[:1])
    ),
    "EOF in the call": streamed(sse(start(), *text("Well."), *tool(1, '{"a": 1}')[:2])),
}  # fmt: skip


@pytest.mark.parametrize("what", NEVER)
def test_never_run_never_asked(kernel: Kernel, server: FaultServer, what: str) -> None:
    kernel.run("claude_magic.tool(approval=False)(add)")
    ask(kernel, server, "%%claude --new --tools add\nGo.", NEVER[what], GOOD)
    assert kernel.value("ran") == "[]"
    ran, seen, _ = ask(kernel, server, "%%claude\nAnd now?", GOOD)
    assert ran.status == "ok", line_of(ran)
    assert kernel.value("_claude.text") == repr(WELL)
    assert said({"content": seen[0].messages[-1]["content"]}) == "And now?"


def test_the_model_is_told_what_was_wrong(kernel: Kernel, server: FaultServer) -> None:
    calls = [
        call("add", '{"a": "x"}', "t1", 1), call("add", '{"a": oops}', "t2", 2), call("ad", "{}", "t3", 3),
        call("look", "{}", "t4", 4), call("look", "{}", "t4", 5),
    ]  # fmt: skip
    _, seen, _ = ask(kernel, server, "%%claude --new --tools add,look\nGo.", calling(*calls), GOOD)
    told = results(seen[1])
    assert len({one["tool_use_id"] for one in told}) == 5
    for one, says in zip(
        told, ("a: Input should be a valid integer", "no JSON", "no such tool.*Tools: add", "seen",
               "repeats"), strict=True,
    ):  # fmt: skip
        assert re.search(says, said(one)), one
    assert kernel.value("ran") == "['look']"


def test_fifty_parallel_calls_are_each_answered_once(kernel: Kernel, server: FaultServer) -> None:
    calls = [call("look", f'{{"at": "{number}"}}', f"t{number}", number) for number in range(1, 51)]
    _, seen, _ = ask(kernel, server, "%%claude --new --tools look\nGo.", calling(*calls), GOOD)
    assert [said(one) for one in results(seen[1])] == [f"seen {number}" for number in range(1, 51)]
    assert len(seen[1].messages) == 3


def test_the_rounds_have_a_limit_and_continue_goes_on(kernel: Kernel, server: FaultServer) -> None:
    again = [calling(call("look", id=f"t{number}")) for number in range(9)]
    ran, seen, _ = ask(kernel, server, "%%claude --new --tools look --rounds 3\nGo.", *again)
    assert line_of(ran).startswith("UsageProblem: Stopped after 3 rounds")
    assert len(seen) == 4
    assert kernel.value("ran") == "['look', 'look', 'look']"
    ran, seen, _ = ask(kernel, server, "%claude --continue", GOOD)
    assert ran.status == "ok", line_of(ran)
    assert [said(one) for one in results(seen[0], -3)] == ["seen "]


def test_what_it_may_cost_ends_the_loop(kernel: Kernel, server: FaultServer) -> None:
    begin = start()
    begin["message"]["usage"] = {"input_tokens": 10_000, "output_tokens": 1}
    again = [
        streamed(sse(begin, *call("look", id=f"t{number}", index=0), *ended("tool_use")))
        for number in range(30)
    ]
    ran, seen, _ = ask(kernel, server, "%%claude --new --tools look --max-cost 0.1\nGo.", *again)
    assert "Over the limit of $0.1000 for this question" in line_of(ran)
    assert 1 < len(seen) < 20
    assert float(kernel.value("_claude.cost")) <= 0.1
    assert kernel.value("len(_claude.calls)") == str(len(seen))
    assert all(
        later.body["max_tokens"] <= before.body["max_tokens"] for before, later in itertools.pairwise(seen)
    )


def test_reuse_runs_nothing(kernel: Kernel, server: FaultServer) -> None:
    code = "%%claude --new --reuse --tools look\nReuse me."
    ask(kernel, server, code, calling(call("look")), GOOD)
    ran, seen, _ = ask(kernel, server, code)
    assert (ran.status, seen, kernel.value("ran")) == ("ok", [], "['look']")
    assert kernel.value("(_claude.text, len(_claude.calls))") == f"({WELL!r}, 1)"


FIGURES = """
@claude_magic.tool(approval=False)
def wide() -> object:
    "A wide picture."
    from PIL import Image
    import os
    return Image.frombytes("RGB", (2400, 60), os.urandom(2400 * 60 * 3))
"""


def test_pictures_of_tools_count_in_the_crowd(kernel: Kernel, server: FaultServer) -> None:
    kernel.run(FIGURES)
    rounds = [
        calling(*(call("wide", id=f"t{number}-{index}", index=index) for index in range(1, 8)))
        for number in range(3)
    ]
    code = "%%claude --new -m opus --detail full --tools wide\nGo."
    _, seen, _ = ask(kernel, server, code, *rounds, GOOD)
    widths = [
        [
            Image.open(io.BytesIO(base64.b64decode(block["source"]["data"]))).width
            for number in range(len(each.messages))
            for result in results(each, number)
            for block in result["content"]
        ]
        for each in seen
    ]
    assert [len(one) for one in widths] == [0, 7, 14, 21]
    assert set(widths[2]) == {2400}
    assert max(widths[3]) <= 2000


def test_an_interrupt_ends_a_tool_and_the_conversation_goes_on(kernel: Kernel, server: FaultServer) -> None:
    calls = [call("look", "{}", "t1", 1), call("hang", "{}", "t2", 2), call("look", "{}", "t3", 3)]
    server.answers([calling(*calls)])
    request = kernel.send("%%claude --new --tools look,hang\nGo.")
    answer_input(kernel, "y")
    for message in kernel.messages(request):
        if "hanging" in message["content"].get("text", ""):
            kernel.manager.interrupt_kernel()
    assert kernel.collect_reply(request)["content"]["ename"] == "Interrupted"
    assert kernel.value("[one.note for one in _claude.calls]") == "['', 'interrupted', 'not run']"
    assert kernel.value("(ran, _claude.stage)") == "(['look', 'hang'], 'interrupted')"
    ran, seen, _ = ask(kernel, server, "%claude --continue", GOOD)
    assert ran.status == "ok", line_of(ran)
    assert [said(one) for one in results(seen[0], 2)] == [
        "seen ",
        "The user interrupted this call while it ran.",
        "Not run: the user stopped before it was its turn.",
    ]


PRESSED = """
def pressed() -> str:
    "Press Stop from another thread, as the page does."
    import gc, threading
    from claude_magic.stop import Stop
    stop = next(one for one in gc.get_objects() if isinstance(one, Stop) and one._breakable)
    ran.append("pressed")
    threading.Timer(0.2, stop.ask).start()
    time.sleep(60)
"""


def test_stop_ends_a_tool_and_queued_cells_go_on(kernel: Kernel, server: FaultServer) -> None:
    kernel.run(PRESSED)
    calls = [call("pressed", "{}", "t1", 1), call("look", "{}", "t2", 2)]
    ran, _, _ = ask(kernel, server, "%%claude --new --tools pressed,look\nGo.", calling(*calls), say=("y",))
    assert ran.status == "ok", line_of(ran)
    assert kernel.value("[one.note for one in _claude.calls]") == "['interrupted', 'not run']"
    ran, _, _ = ask(kernel, server, "%claude --continue", GOOD)
    assert ran.status == "ok", line_of(ran)


def test_an_interrupt_while_the_user_is_asked_is_a_no(kernel: Kernel, server: FaultServer) -> None:
    server.answers([calling(call("add", '{"a": 1}'))])
    request = kernel.send("%%claude --new --tools add\nGo.")
    assert kernel.client.get_stdin_msg(timeout=30)["msg_type"] == "input_request"
    kernel.manager.interrupt_kernel()
    assert kernel.collect(request).status == "error"
    assert kernel.value("(ran, [one.note for one in _claude.calls])") == "([], ['not run'])"


def test_saved_output_has_each_round_folded(kernel: Kernel, server: FaultServer) -> None:
    server.answers([calling(call("look", '{"at": "<b>`x`"}', "t1")), GOOD])
    ran = kernel.run("%%claude --new --tools look\nGo.", allow_stdin=False)
    (shown,) = [data["text/markdown"] for data in ran.displayed]
    (folded,) = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", shown, re.DOTALL)
    assert folded[0].startswith("look&#40;at=")
    assert "<b>" not in folded[0]
    assert "seen" in folded[1]
    assert shown.index("Let me see") < shown.index("<details>") < shown.index(WELL)


def sizes(ran: Ran) -> int:
    return sum(
        len(json.dumps(message["content"], default=str))
        for message in ran.messages
        if message["msg_type"] in ("comm_msg", "comm_open", "display_data", "update_display_data", "stream")
    )


def test_a_loop_of_fifty_rounds_sends_the_page_no_more_than_it_has_to(
    kernel: Kernel, server: FaultServer
) -> None:
    sent = {}
    for rounds in (10, 50):
        again = [calling(call("look", f'{{"at": "{"x" * 200}"}}', f"t{number}")) for number in range(rounds)]
        server.answers([*again, GOOD])
        code = f"%%claude --new --tools look --rounds {rounds}\nGo."
        ran = kernel.run(code, cell_id=f"loop-{rounds}")
        assert ran.status == "ok", line_of(ran)
        assert kernel.value("len(_claude.calls)") == str(rounds)
        sent[rounds] = sizes(ran)
    assert sent[50] < 5.5 * sent[10], sent


def test_a_kernel_that_dies_in_a_round_keeps_those_before_it(tmp_path: Path, server: FaultServer) -> None:
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "book.ipynb")
    where = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": KEY}
    where["JPY_SESSION_NAME"] = str(tmp_path / "book.ipynb")
    two = [
        calling(call("look", f'{{"at": "{number}"}}', f"t{number}"), said=f"Step {number}.")
        for number in (1, 2)
    ]
    half = (*streamed(sse(start(), *text("And the"), *text(" third", index=1)))[:-1], Hang())
    for last, then in ((half, ""), (calling(call("hang", "{}", "t3"), said="Now."), "hanging")):
        server.answers([*two, last])
        with running_kernel(tmp_path, **where) as kernel:
            kernel.run("%load_ext claude_magic")
            pid = int(kernel.value("__import__('os').getpid()"))
            kernel.run(FUNCTIONS + "\nhang = claude_magic.tool(approval=False)(hang)")
            request = kernel.send("%%claude --new --tools look,hang\nGo.", cell_id="c1")
            waited = time.monotonic() + 30
            while time.monotonic() < waited:  # until it hangs in the stream, or in the tool
                message = kernel.client.get_iopub_msg(timeout=30)
                if message["parent_header"].get("msg_id") == request and (then or "third") in json.dumps(
                    message["content"]
                ):
                    break
            time.sleep(1)
            os.kill(pid, signal.SIGKILL)
        with running_kernel(tmp_path, **where) as kernel:
            kernel.run("%load_ext claude_magic")
            _, (seen,), _ = ask(kernel, server, "%%claude\nAnd?", GOOD, cell_id="c2")
            told = [said(one) for number in range(len(seen.messages)) for one in results(seen, number)]
            assert told[:2] == ["seen 1", "seen 2"]
            if then:
                assert "it is not known how far it came" in told[2]
            else:
                assert "And the" in json.dumps(seen.messages[-2])
        server.drop()


def test_a_function_of_the_kernel_is_called_by_the_demo_model(kernel: Kernel) -> None:
    kernel.run("%claude_offline --pace 0")
    try:
        ran = kernel.run("%%claude --new --tools look\nPlease look at this.", allow_stdin=False)
        assert ran.status == "ok", line_of(ran)
        assert kernel.value("ran") == "['look']"
        assert kernel.value("_claude.stage") == "'complete'"
    finally:
        kernel.run("%claude_offline --off")


def test_many_pieces_of_json_are_one_call(kernel: Kernel, server: FaultServer) -> None:
    pieces = [f"{number:04}" for number in range(8000)]
    events = sse(start(), *tool(0, '{"at": "', *pieces, '"}', name="look"), *ended("tool_use"))
    script: Script = (*streamed()[:1], Raw(chunk(events)), Raw(chunk(b"")))
    _, seen, _ = ask(kernel, server, "%%claude --new --tools look\nGo.", script, GOOD)
    assert said(results(seen[1])[0]) == f"seen {''.join(pieces)}"


def test_a_tool_may_ask_elsewhere_and_each_turn_stands_where_it_was_asked(
    kernel: Kernel, server: FaultServer
) -> None:
    kernel.run(
        "import claude_magic\n@claude_magic.tool(approval=False)\ndef elsewhere(x: int) -> str:\n"
        "    return get_ipython().run_line_magic('claude', '--quiet -c helper Help me.').text"
    )
    first = calling(call("elsewhere", '{"x": 1}', "t1"))
    ran, _, _ = ask(kernel, server, "%%claude --new --tools elsewhere\nGo outside.", first, GOOD, GOOD)
    assert ran.status == "ok", ran.error
    here = kernel.run("%claude_history").result
    assert "Go outside." in here
    assert "Help me." not in here
    kernel.run("%claude_chat helper")
    there = kernel.run("%claude_history").result
    assert "Help me." in there
    assert "Go outside." not in there


def test_what_a_tool_returns_is_looked_at_for_secrets(kernel: Kernel, server: FaultServer) -> None:
    secret = "sk-ant-" + "api03-" + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7"
    marked = "import claude_magic\n@claude_magic.tool(approval=False)\n"
    kernel.run(f"{marked}def leak(x: int) -> str:\n    return {secret!r}")
    first = calling(call("leak", '{"x": 1}', "t1"))
    ran, seen, _ = ask(kernel, server, "%%claude --new --tools leak\nGo.", first, GOOD, say=("n",))
    assert ran.status == "ok", ran.error
    assert secret not in json.dumps([one.body for one in seen])
    (told,) = results(seen[1])
    assert told["is_error"]
    assert "looks like a secret" in said(told)


def test_a_page_that_speaks_while_a_cell_runs_runs_no_hooks_of_cells(kernel: Kernel) -> None:
    ran = kernel.run(
        """
import ipywidgets
from claude_magic.display.live import hear_while_busy
slider, hooks = ipywidgets.IntSlider(), []
hear_while_busy(slider)
for name in ("pre_execute", "post_execute"):
    get_ipython().events.register(name, lambda name=name: hooks.append(name))
slider.comm.handle_msg({"content": {"data": {"method": "update", "state": {"value": 7}}}, "buffers": []})
print(slider.value, hooks)
"""
    )
    assert ran.stdout.strip() == "7 []", ran.error


def test_a_cell_of_many_lines_can_be_typed_in_the_terminal(kernel: Kernel) -> None:
    for begun in ("%%claude", "%%claude -m haiku", "%%claude_count"):
        assert kernel.value(f"get_ipython().check_complete({begun!r})[0]") == "'incomplete'"
    assert kernel.value("get_ipython().check_complete('%%claude --error')[0]") == "'complete'"
