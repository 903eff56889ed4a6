"""Calls answered one by one, without a kernel: results, leave, interrupts."""

from __future__ import annotations

import _thread
import asyncio
import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from claude_magic.api.functions import define
from claude_magic.content import blocks_of
from claude_magic.display.frontend import Guarded, NoView
from claude_magic.display.status import Status
from claude_magic.display.terminal import TextView
from claude_magic.errors import UsageProblem
from claude_magic.stop import Stop
from claude_magic.tools.loop import Loop
from claude_magic.tools.results import MOST_TEXT
from claude_magic.tools.running import Approvals, Runner, Tool
from claude_magic.values import Block, Call, Leave, ToolUsePart, Usage, text_block


def told(value: Any, name: str) -> tuple[Block, ...]:
    """As the toolbox has it: a text as it is, anything else as an attachment."""
    return (text_block(value),) if isinstance(value, str) else blocks_of(value, name)


def runner(
    *functions: Callable[..., Any], approvals: Approvals | None = None, approval: bool = True
) -> Runner:
    tools = [Tool(one.__name__, one, define(one, one.__name__).check, approval) for one in functions]
    return Runner(tools, approvals or Approvals(), told, Loop())


def answered(
    function: Callable[..., Any], given: str = "{}", say: Leave = "once", stop: Stop | None = None
) -> Call:
    call = ToolUsePart("t1", function.__name__, given)
    return runner(function).answer(call, lambda _: say, stop or Stop())


def returned(brought: object) -> Call:
    """The answer to a call of a function that returns this."""

    def value() -> object:
        """Return what the test says."""
        return brought

    return answered(value)


@pytest.mark.parametrize(
    ("brought", "text"),
    [
        (None, "Done; it returned nothing."),
        ("", "Done; it returned an empty text."),
        ("plain", "plain"),
        (3, "3"),
        ({"a": [1, 2]}, '{\n  "a": [1, 2]\n}'),
        (b"bytes of text", "bytes of text"),
    ],
)
def test_a_result_becomes_text(brought: object, text: str) -> None:
    call = returned(brought)
    assert not call.error
    assert text in "".join(block.text for block in call.result)


def pictures() -> dict[str, Any]:
    import altair as alt
    import matplotlib.figure
    import numpy as np
    import pandas as pd
    from PIL import Image

    figure = matplotlib.figure.Figure()
    figure.add_subplot().plot([1, 2])
    image = Image.new("RGB", (40, 30), "red")
    return {
        "figure": figure,
        "pil": image,
        "array": np.zeros((20, 20, 3), np.uint8),
        "list of pictures": [image, Image.new("RGB", (30, 30))],
        "altair": alt.Chart(pd.DataFrame({"x": [1]})).mark_point(),
    }


@pytest.mark.parametrize("what", ["figure", "pil", "array", "list of pictures", "altair"])
def test_a_picture_comes_back_as_an_image(what: str) -> None:
    call = returned(pictures()[what])
    assert not call.error, call.result
    assert {block.kind for block in call.result} >= {"image"}


def test_frames_and_own_types_come_back() -> None:
    import pandas as pd

    class Own:
        def __claude_content__(self) -> list[str]:
            return ["one", "two"]

    for brought, says in ((pd.DataFrame({"price": [1.5]}), "price"), (Own(), "two")):
        assert says in "".join(block.text for block in returned(brought).result)


def test_a_large_result_is_cut_and_said_so() -> None:
    call = returned("x" * (MOST_TEXT + 1234))
    (block,) = call.result
    assert len(block.text) < MOST_TEXT + 100
    assert "1,234 more characters" in block.text
    assert "1,234 more characters" in call.note


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LookupError("not there"), "LookupError: not there"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (Mute(), "Mute"),
        (asyncio.CancelledError(), "CancelledError"),
        (UsageProblem("Of ours."), "UsageProblem: Of ours."),
    ],
)
def test_an_exception_is_told_by_type_and_message(error: BaseException, text: str) -> None:
    def fails() -> None:
        """Fail."""
        raise error

    call = answered(fails)
    assert (call.error, call.note, call.result[0].text) == (True, "failed", text)


def test_a_result_that_cannot_be_sent_is_told() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("torn")

    call = returned(Broken())
    assert call.error
    assert call.result[0].text.startswith("It ran, but its result could not be sent: ")
    assert "Nothing was sent" not in call.result[0].text


@pytest.mark.parametrize(
    "given", ['{"x": ', "[1]", '{"x": NaN}', '{"x": "a"}', '{"y": 1}', "{}", '{"x": 1, "x": 2}']
)
def test_neither_asked_nor_run_on_bad_input(given: str) -> None:
    def f(x: int) -> None:
        """Never."""
        raise AssertionError(x)

    def ask(_: ToolUsePart) -> Leave:
        raise AssertionError("asked")

    call = runner(f).answer(ToolUsePart("t1", "f", given), ask, Stop())
    assert (call.error, call.note) == (True, "not run: invalid input")
    assert call.result[0].text.startswith("Not run, because ")


class Raising(NoView):
    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        raise RuntimeError(f"the page is gone: {call}{status}")


STATUS = Status("m", "waiting", Usage(), None, 0.0)


def test_only_once_and_always_are_a_yes() -> None:
    def f() -> str:
        """Run."""
        ran.append(1)
        return "x"

    ran: list[int] = []
    view = Guarded(Raising())
    for say in ("no", "", "yes", True, None, "ONCE"):
        assert answered(f, say=say).note == "not allowed"  # type: ignore[arg-type]
    call = runner(f).answer(ToolUsePart("t", "f", "{}"), lambda one: view.may_run(one, STATUS), Stop())
    assert call.note == "not allowed"
    assert "could not be asked" in call.result[0].text
    assert ran == []


def saying(answer: str | BaseException) -> Callable[[str], str]:
    def read(_: str = "") -> str:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return read


@pytest.mark.parametrize(
    ("answer", "leave"),
    [
        ("y", "once"), (" YES ", "once"), ("a", "always"), ("Always", "always"), ("", "no"), ("yess", "no"),
        ("yes always", "no"), ("1", "no"), (EOFError(), "no"), (KeyboardInterrupt(), "no"),
        (OSError("reading from stdin while output is captured"), "unasked"),
        (NotImplementedError(), "unasked"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), "unasked"),
    ],
)  # fmt: skip
def test_the_terminal_takes_a_clear_yes_only(
    answer: str | BaseException, leave: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", saying(answer))
    assert TextView(Stop()).may_run(ToolUsePart("t", "f", "{}"), STATUS) == leave
    assert NoView().may_run(ToolUsePart("t", "f", "{}"), STATUS) == "unasked"


def test_always_holds_for_the_function_not_for_its_name() -> None:
    def asked(call: ToolUsePart) -> Leave:
        questions.append(call.name)
        return "always"

    def f() -> str:
        """One."""
        return "one"

    questions: list[str] = []
    approvals = Approvals()
    for _ in range(3):
        runner(f, approvals=approvals).answer(ToolUsePart("t", "f", "{}"), asked, Stop())
    assert questions == ["f"]
    other = Tool("f", lambda: "two", lambda _: ([], {}))
    Runner([other], approvals, told, Loop()).answer(ToolUsePart("t", "f", "{}"), asked, Stop())
    assert questions == ["f", "f"]


def sleeps() -> None:
    """Sleep."""
    time.sleep(30)


def spins() -> None:
    """Spin."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        pass


async def waits() -> None:
    """Wait."""
    await asyncio.sleep(30)


@pytest.mark.parametrize("function", [sleeps, spins, waits])
@pytest.mark.parametrize("way", ["button", "interrupt"])
def test_what_runs_is_broken_off(function: Callable[[], Any], way: str) -> None:
    uses = [ToolUsePart(f"t{number}", function.__name__, "{}") for number in range(3)]
    with Stop() as stop:
        strike: Callable[[], object] = stop.ask if way == "button" else _thread.interrupt_main
        if way == "interrupt" and function is sleeps:
            strike = functools.partial(os.kill, os.getpid(), signal.SIGINT)  # which wakes it
        threading.Timer(0.3, strike).start()
        one = runner(function, approval=False)
        calls = [one.answer(use, lambda _: "no", stop) for use in uses]
        assert (stop.asked, stop.interrupted) == (True, way == "interrupt")
    assert [call.note for call in calls] == ["interrupted", "not run", "not run"]
    assert all(call.error for call in calls)


def test_the_buttons_signal_never_falls_outside() -> None:
    for number in range(200):
        with Stop() as stop:
            thread = threading.Thread(target=stop.ask)
            try:
                stop.breaking(lambda go=thread.start, n=number: (go(), [None for _ in range(n * 20)]))  # type: ignore[misc]
            except KeyboardInterrupt:
                assert stop.asked
            thread.join()
            time.sleep(0)
            assert not stop.interrupted


def test_who_swallows_an_interrupt_keeps_the_result() -> None:
    def stubborn() -> str:
        """Go on."""
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            return "all the same"
        return "slept"

    with Stop() as stop:
        threading.Timer(0.3, stop.ask).start()
        one = runner(stubborn, approval=False)
        calls = [one.answer(ToolUsePart("a", "stubborn", "{}"), lambda _: "no", stop) for _ in range(2)]
    assert [call.note for call in calls] == ["", "not run"]
    assert calls[0].result[0].text == "all the same"


def test_stop_while_the_user_is_asked_is_a_no() -> None:
    stop = Stop()

    def asked(_: ToolUsePart) -> Leave:
        stop.ask()
        return "once"

    call = runner(sleeps).answer(ToolUsePart("t", "sleeps", "{}"), asked, stop)
    assert call.note == "not run"


def test_async_tools_share_one_loop() -> None:
    async def which() -> str:
        """Tell."""
        return str(id(asyncio.get_running_loop()))

    one = runner(which, approval=False)
    first, second = (one.answer(ToolUsePart(name, "which", "{}"), lambda _: "no", Stop()) for name in "ab")
    assert first.result == second.result
    assert not first.error
