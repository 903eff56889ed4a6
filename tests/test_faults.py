"""What a fault costs in a notebook: one line and nothing else. A real kernel, the real SDK, raw sockets."""

from __future__ import annotations

import json
import re
import threading
import time
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from claude_magic import errors
from claude_magic.offline.models import Catalogue
from claude_magic.offline.service import Service
from tests.fault_table import ENDLESS, HOSTILE, SCENARIOS, Scenario, limited
from tests.faults import (
    GOOD,
    SO_FAR,
    TEXT,
    WELL,
    FaultServer,
    Hang,
    Pings,
    Script,
    ended,
    refusal,
    sse,
    start,
    streamed,
    text,
)
from tests.kernels import Kernel, Ran, running_kernel

KEY = "sk-ant-canary-0123456789"
LONGEST = 20.0
"""Seconds after which a cell is stopped and has failed its test."""
FOREIGN = re.compile(
    r"Traceback|(?<!api\.)anthropic\.|httpx2?\b|httpcore|\b(API\w*Error|\w*StatusError|OverloadedError|RateLimitError|ReadError"
    r"|ReadTimeout|RemoteProtocolError|ConnectError|JSONDecodeError|UnicodeDecodeError|AssertionError|IndexError"
    r"|TypeError|AttributeError|ValueError|DecodingError)\b|<html|<script"
)
QUICK = {
    "CLAUDE_MAGIC_RETRIES": "1",
    "CLAUDE_MAGIC_FIRST_EVENT": "1.5",
    "CLAUDE_MAGIC_SILENCE": "1.5",
    "CLAUDE_MAGIC_HOSTS": "nowhere.invalid",
}
RETRIED = [row for row in SCENARIOS if row.tries == 2 and row.error]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[FaultServer]:
    """A server that must never be asked."""
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="module")
def server(elsewhere: FaultServer) -> Iterator[FaultServer]:
    with FaultServer(elsewhere=elsewhere.url) as running:
        yield running


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, server: FaultServer) -> Iterator[Kernel]:
    """A kernel with the extension loaded that asks the fault server and is quick to give up."""
    home = tmp_path_factory.mktemp("faults")
    with running_kernel(home, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=KEY, **QUICK) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


def ask(kernel: Kernel, server: FaultServer, code: str, *scripts: Script, cell_id: str | None = None) -> Ran:
    """Run a cell against some scripts; one that does not end is stopped, and that is a failure."""
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        kernel.manager.interrupt_kernel()
        time.sleep(1)
        server.drop()

    server.answers(scripts)
    guard = threading.Timer(LONGEST, stop)
    guard.start()
    try:
        ran = kernel.run(code, cell_id=cell_id, allow_stdin=False)
    finally:
        guard.cancel()
        guard.join()
        server.answers(())
    assert not stopped.is_set(), f"the cell did not end in {LONGEST:.0f} s; it was stopped: {line_of(ran)}"
    assert KEY not in json.dumps(ran.messages, default=str)
    return ran


def line_of(ran: Ran) -> str:
    """The one line a cell ended in, without colours; "" when it ended well."""
    line = re.sub(r"\x1b\[\d*m", "", ran.error)
    assert "\n" not in line.rstrip("\n"), line
    assert not FOREIGN.search(line), line
    for content in ran.of("error"):
        assert not FOREIGN.search(f"{content['ename']}: {content['evalue']}"), content
    return line


def state(kernel: Kernel) -> tuple[str, str]:
    """The text received and the stage of the last turn."""
    ran = kernel.run("import json; print(json.dumps([_claude.text, _claude.stage]))")
    kept, stage = json.loads(ran.stdout)
    return kept, stage


def history(kernel: Kernel) -> str:
    ran = kernel.run("%claude_history")
    assert ran.status == "ok", ran.error
    return ran.result


def check_messages(messages: list[dict[str, Any]]) -> None:
    """What the API would insist on: turns in turn, nothing empty, no call of a tool without its result."""
    roles = [message["role"] for message in messages]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"], roles
    for message in messages:
        assert message["content"], message
        for block in message["content"]:
            assert block["type"] in ("text", "thinking"), block
            assert block["type"] != "text" or block["text"].strip(), message


def texts(message: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in message["content"])


def check_closed(server: FaultServer) -> None:
    """No connection of the cell is open but idle ones; what is open must not trouble the next test."""
    settled = server.settled()
    if not settled:
        server.drop()
    assert settled, "a connection stays open"


def point_at(kernel: Kernel, url: str) -> None:
    code = f"import os; os.environ['ANTHROPIC_BASE_URL'] = {url!r}\n%reload_ext claude_magic"
    assert kernel.run(code).status == "ok"


@pytest.fixture
def pointed(request: pytest.FixtureRequest, kernel: Kernel, server: FaultServer) -> Iterator[Scenario]:
    """A scenario, with the kernel pointed at its base URL while it runs."""
    import socket

    row: Scenario = request.param
    with socket.socket() as unheard:  # bound, so that nobody else gets the port; it does not listen
        unheard.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{unheard.getsockname()[1]}"
        if row.base == "{url}":
            yield row
        else:
            point_at(kernel, row.base.format(url=server.url, host=server.host, closed=closed))
            yield row
            point_at(kernel, server.url)


@pytest.mark.parametrize("pointed", SCENARIOS, ids=lambda row: f"{row.row}-{row.what}", indirect=True)
def test_a_fault_costs_one_line_and_nothing_else(
    kernel: Kernel, server: FaultServer, elsewhere: FaultServer, pointed: Scenario
) -> None:
    row = pointed
    before = len(server.requests)
    question = f"What of {row.row}, {row.what}?"
    ran = ask(kernel, server, f"%%claude --new\n{question}", *row.answers)
    line = line_of(ran)
    asked = server.requests[before:]
    if row.error:
        assert ran.status == "error"
        kind = line.partition(": ")[0]
        assert issubclass(getattr(errors, kind), errors.ClaudeMagicError)
        assert re.fullmatch(row.error, kind), line
        assert re.search(row.says.replace("{closed}", ""), line), line
    else:
        assert ran.status == "ok", line
    assert len(asked) == row.tries, line
    if row.row == "H16" and row.tries == 2:
        assert asked[1].at - asked[0].at >= 0.9
    assert elsewhere.requests == []
    check_closed(server)
    if row.error != "ConfigProblem":
        assert state(kernel) == (row.received, row.stage)
        assert question[:30] in history(kernel)
    if row.base == "{url}":
        the_next_cell_works(kernel, server, row, question)


def the_next_cell_works(kernel: Kernel, server: FaultServer, row: Scenario, question: str) -> None:
    """What was received is the assistant's message in the next request, or the exchange is left out."""
    ran = ask(kernel, server, "%%claude\nAnd then?", GOOD)
    assert ran.status == "ok", ran.error
    assert state(kernel) == (WELL, "complete")
    messages = server.requests[-1].messages
    assert texts(messages[-1]) == "And then?"
    if row.received == WELL:  # a step on the way stands before it: whatever it was, the API takes it
        told = {name: server.requests[-1].body[name] for name in ("model", "messages")}
        Service(Catalogue()).count(json.dumps(told).encode())
        return
    check_messages(messages)
    if row.received.strip() and row.sent_back:
        received = row.received.replace("\0", "\ufffd")  # which no request can carry
        assert [texts(message) for message in messages] == [question, received, "And then?"]
    else:
        assert len(messages) == 1, messages


@pytest.mark.parametrize("row", RETRIED, ids=lambda row: f"{row.row}-{row.what}")
def test_a_fault_that_passes_costs_nothing(kernel: Kernel, server: FaultServer, row: Scenario) -> None:
    before = len(server.requests)
    ran = ask(kernel, server, "%%claude --new\nAnd now?", row.answers[0], GOOD)
    assert ran.status == "ok", line_of(ran)
    assert state(kernel) == (WELL, "complete")
    assert len(server.requests) == before + 2
    assert [message["role"] for message in server.requests[-1].messages] == ["user"]


def test_control_characters_are_visible_in_every_form(kernel: Kernel, server: FaultServer) -> None:
    hostile = streamed(sse(start(), *text(HOSTILE), *ended()))
    for cell_id in (None, "s33"):
        ran = ask(kernel, server, "%%claude --new\nWhat?", hostile, cell_id=cell_id)
        shown = [*ran.displayed, *ran.updated, *ran.of("comm_msg"), *ran.of("stream")]
        assert "red" in json.dumps(shown)
        hidden = {c for c in strings(shown) if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf")}
        assert hidden == set()


def strings(value: object) -> str:
    """All the text inside a value of JSON."""
    match value:
        case str():
            return value
        case dict():
            return "".join(map(strings, value.values()))
        case list():
            return "".join(map(strings, value))
    return ""


# --- waiting, interrupts


class Running:
    """A cell under way in a page with widgets: its messages as they come."""

    def __init__(self, kernel: Kernel, code: str) -> None:
        self.kernel = kernel
        self.request = kernel.send(code, cell_id=f"cell-{time.monotonic_ns()}")
        self.ran = Ran()

    def read(self, until: str = "", seconds: float = 15) -> bool:
        """Take messages in until a pattern is found in one, or the cell ends; False when time is over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not self.kernel.client.iopub_channel.msg_ready():
                time.sleep(min(left, 0.02))
                continue
            message = self.kernel.client.get_iopub_msg(timeout=1)
            if message["parent_header"].get("msg_id") != self.request:
                continue
            self.ran.messages.append(message)
            if until and re.search(until, json.dumps(message["content"], default=str)):
                return True
            if not until and message["content"].get("execution_state") == "idle":
                return True
        return False

    def interrupt(self) -> float:
        """The notebook's interrupt; return after how many seconds the cell had ended."""
        began = time.monotonic()
        self.kernel.manager.interrupt_kernel()
        assert self.read(), "the cell did not end"
        return time.monotonic() - began


def interrupted(kernel: Kernel, server: FaultServer, cell: Running) -> None:
    """Interrupt a cell: it ends at once, in one line, and leaves no connection behind."""
    seconds = cell.interrupt()
    assert line_of(cell.ran).startswith("Interrupted: ")
    assert seconds < 1
    check_closed(server)
    assert KEY not in json.dumps(cell.ran.messages, default=str)


@pytest.fixture
def freed(kernel: Kernel, server: FaultServer) -> Iterator[None]:
    """Whatever a test leaves running in the kernel is stopped."""
    yield
    server.answers(())
    if kernel.manager.is_alive():
        kernel.manager.interrupt_kernel()
        time.sleep(0.3)
        server.drop()
    assert ask(kernel, server, "1 + 1").status == "ok"


@pytest.mark.usefixtures("freed")
def test_a_countdown_is_shown_and_an_interrupt_ends_it(kernel: Kernel, server: FaultServer) -> None:
    server.answers([limited("61")] * 2)
    before = len(server.requests)
    cell = Running(kernel, "%%claude --new\nHow long?")
    assert cell.read(r"rate limit \(429\), try 2 of 2 in 6\d s"), "no countdown"
    assert cell.read("try 2 of 2 in 59 s", 5), "it does not count down"
    interrupted(kernel, server, cell)
    assert len(server.requests) == before + 1
    assert state(kernel) == ("", "interrupted")


@pytest.mark.usefixtures("freed")
@pytest.mark.parametrize(
    ("answer", "received"),
    [
        ((Hang(),), ""),
        (streamed(Hang()), ""),
        (streamed(Pings(0.2)), ""),
        (streamed(SO_FAR, Hang()), TEXT),
        (ENDLESS, TEXT),
    ],
    ids=["before headers", "after headers", "pings only", "in the text", "pings after text"],
)
def test_an_interrupt_ends_any_wait(
    kernel: Kernel, server: FaultServer, answer: Script, received: str
) -> None:
    server.answers([answer])
    before = len(server.requests)
    cell = Running(kernel, "%%claude --new\nAre you there?")
    assert server.wait_for(before + 1)
    if received:
        assert cell.read("so far")
    cell.read("never", 0.3)
    interrupted(kernel, server, cell)
    assert state(kernel) == (received, "interrupted")
    ran = ask(kernel, server, "%%claude\nAnd then?", GOOD)
    assert ran.status == "ok", ran.error
    check_messages(server.requests[-1].messages)


# --- going on after a partial answer


@pytest.mark.parametrize(
    "code", ["%claude --continue", "%%claude --continue", "%%claude --continue\nGo on, shorter."]
)
@pytest.mark.parametrize("what", ["cut", "max_tokens"])
def test_continue_asks_the_model_to_go_on(kernel: Kernel, server: FaultServer, what: str, code: str) -> None:
    partial = streamed(SO_FAR) if what == "cut" else streamed(sse(start(), *text(TEXT), *ended("max_tokens")))
    ask(kernel, server, "%%claude --new\nTell me all.", partial)
    assert state(kernel) == (TEXT, what)
    went_on(kernel, server, code)


@pytest.mark.usefixtures("freed")
def test_continue_after_an_interrupt(kernel: Kernel, server: FaultServer) -> None:
    server.answers([streamed(SO_FAR, Hang())])
    cell = Running(kernel, "%%claude --new\nTell me all.")
    assert cell.read("so far")
    cell.interrupt()
    went_on(kernel, server, "%claude --continue")


def went_on(kernel: Kernel, server: FaultServer, code: str) -> None:
    ran = ask(kernel, server, code, GOOD)
    assert ran.status == "ok", line_of(ran) or ran.stdout
    messages = server.requests[-1].messages
    check_messages(messages)
    assert [texts(message) for message in messages[:2]] == ["Tell me all.", TEXT]
    assert len(messages) == 3
    assert code.partition("\n")[2] in texts(messages[2])
    assert WELL in state(kernel)[0]


def test_continue_has_nothing_to_continue(kernel: Kernel, server: FaultServer) -> None:
    ask(kernel, server, "%%claude --new\nTell me all.", GOOD)
    before = len(server.requests)
    ran = ask(kernel, server, "%claude --continue", GOOD)
    assert line_of(ran).startswith("UsageProblem: ")
    assert "Nothing was sent" in line_of(ran)
    assert len(server.requests) == before


def test_the_default_is_four_retries(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("patience")
    with (
        FaultServer() as server,
        running_kernel(home, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=KEY) as kernel,
    ):
        kernel.run("%load_ext claude_magic")
        soon = refusal(529, "overloaded_error", "Overloaded", retry_after_ms="50")
        ran = ask(kernel, server, "%%claude\nPatience?", *[soon] * 6)
        assert line_of(ran).startswith("ApiBusy: ")
        assert len(server.requests) == 5
        assert state(kernel) == ("", "failed")
