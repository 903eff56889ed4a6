"""Any object of a kernel is told in bounded text, and comes to no harm, nor do we."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.content.deadline import Deadline, Failed
from claude_magic.content.glimpse import glimpse
from claude_magic.content.objects import BUDGET, describe
from claude_magic.errors import UsageProblem

MOST = BUDGET + 200


class Says:
    """An object whose ``repr`` runs this."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work

    def __repr__(self) -> Any:
        return self.work()


def forever() -> None:
    while True:
        pass


def failing() -> str:
    raise ValueError("message with a secret")


@dataclasses.dataclass
class Station:
    name: str
    parts: list[Any]
    key: str = dataclasses.field(default="hidden value", repr=False)


class Model(pydantic.BaseModel):
    n: int = 1
    token: pydantic.SecretStr = pydantic.SecretStr("hidden value")


def refusal(value: Any) -> str:
    with pytest.raises(UsageProblem) as problem:
        describe(value, "thing")
    said = str(problem.value)
    assert said.startswith("thing cannot be described")
    assert said.endswith("Nothing was sent.")
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (failing, "raised ValueError"),
        (lambda: 7, "raised TypeError"),
        (lambda: sys.exit(3), "raised SystemExit"),
        (lambda: repr(Says(lambda: time.sleep(60))), "took over 2 s"),
        (forever, "took over 2 s"),
    ],
    ids=["raises", "number", "exits", "sleeps", "loops"],
)
def test_an_object_whose_repr_fails_is_refused(work: Callable[[], Any], said: str) -> None:
    text = refusal(Says(work))
    assert said in text
    assert "secret" not in text


def test_a_loop_is_stopped_not_left_burning() -> None:
    refusal(Says(forever))
    running = {"forever"}
    end = time.monotonic() + 20
    while "forever" in running and time.monotonic() < end:
        time.sleep(0.02)
        running = {frame.f_code.co_name for frame in sys._current_frames().values()}
    assert "forever" not in running


def test_inside_containers_a_placeholder_stands_for_it() -> None:
    text = describe({"good": 1, "bad": Says(failing), "also": [Says(lambda: 7)]}, "thing")
    read = json.loads(text)
    assert read["good"] == 1
    assert read["bad"].endswith("Says: its repr raised ValueError>")
    assert read["also"][0].endswith("its repr raised TypeError>")


def test_many_slow_objects_share_one_deadline() -> None:
    started = time.monotonic()
    text = describe([Says(lambda: time.sleep(60)) for _ in range(50)], "thing")
    assert time.monotonic() - started < 30
    assert text.count("took over 2 s") == 50


def test_prints_are_swallowed(capfd: pytest.CaptureFixture[str]) -> None:
    assert describe(Says(lambda: print("noise") or print("noise", file=sys.stderr) or "fine"), "x") == "fine"
    assert capfd.readouterr() == ("", "")


class Evil:
    """Every attribute raises, even ``__class__``."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        return "quiet"


class LyingText(str):
    __slots__ = ()

    def __getitem__(self, key: Any) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


def test_objects_that_lie() -> None:
    assert describe(Evil(), "x") == "quiet"
    assert describe(Says(lambda: LyingText("plain")), "x") == "plain"
    assert type(describe(Says(lambda: LyingText("plain")), "x")) is str


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def circle() -> list[Any]:
    ring: list[Any] = [1]
    ring.append({"ring": ring})
    return ring


@pytest.mark.parametrize(
    "make",
    [
        lambda: "a" * 100_000_000,
        lambda: ["a" * 100_000_000],
        lambda: b"a" * 100_000_000,
        lambda: 10**1_000_000,
        lambda: [-(10**10_000)],
        lambda: nested(100_000),
        lambda: tuple(nested(100_000)),
        circle,
        lambda: list(range(1_000_000)),
        lambda: {n: n for n in range(1_000_000)},
        lambda: set(range(1_000_000)),
        lambda: {"k" * 10_000_000: 1},
        lambda: {("a", 1): {2, 3}},
        lambda: Says(lambda: "x" * 50_000_000),
        lambda: Station("x", [Station("y", list(range(1_000_000)))]),
        lambda: range(10**30),
        lambda: float("nan"),
        lambda: ...,
    ],
)
def test_everything_is_bounded(make: Callable[[], Any]) -> None:
    value = make()
    assert len(describe(value, "thing")) <= MOST
    assert len(glimpse(value, 80)) <= 80
    assert "\n" not in glimpse(value, 80)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(JSON) | st.dictionaries(st.text(), JSON))
def test_plain_json_reads_back_equal(value: Any) -> None:
    assert json.loads(describe(value, "x")) == value


def test_a_long_list_is_cut_with_its_count() -> None:
    text = describe(["item"] * 1_000_000, "x")
    assert text.endswith("… (1,000,000 items in all)")
    assert describe({str(n): n for n in range(100_000)}, "x").endswith("… (100,000 keys in all)")
    assert "cut at 50,000 characters; attach a part of thing" in describe("a" * 60_000, "thing")


def generator() -> Iterator[int]:
    yield 1
    yield 2


async def stream() -> AsyncIterator[int]:
    yield 1


def test_what_would_be_consumed_is_told_by_its_type(tmp_path: Path) -> None:
    numbers = generator()
    assert describe(numbers, "x") == "<generator, not read>"
    assert list(numbers) == [1, 2]
    file = tmp_path / "file.txt"
    file.write_text("content")
    with file.open() as handle:
        assert describe(handle, "x") == "<_io.TextIOWrapper, not read>"
        assert handle.read() == "content"
    rows = iter([1, 2])
    assert describe(rows, "x") == "<list_iterator, not read>"
    assert next(rows) == 1
    coroutine = asyncio.sleep(0)
    assert describe(coroutine, "x") == "<coroutine, not read>"
    coroutine.close()
    connection = sqlite3.connect(":memory:")
    with socket.socket() as plug:
        others = [stream(), threading.Lock(), threading.RLock(), io.BytesIO(b"x"), plug, connection]
        for other in [*others, connection.cursor(), threading.current_thread(), memoryview(b"x")]:
            assert describe(other, "x").endswith(", not read>")
    connection.close()


def test_dataclasses_and_models_are_their_fields() -> None:
    text = describe(Station("Hohe Warte", [1, {"a": None}]), "x")
    assert json.loads(text[text.index("{") :]) == {
        "name": "Hohe Warte",
        "parts": [1, {"a": None}],
        "key": "<hidden>",
    }
    assert json.loads(describe(Model(), "x")) == {"n": 1, "token": "**********"}
    assert "hidden value" not in text + describe([Station("a", []), Model()], "x")


def test_functions_and_classes_are_their_source() -> None:
    assert describe(generator, "x").startswith("def generator() -> Iterator[int]:\n    yield 1")
    assert describe(Station, "x").startswith("@dataclasses.dataclass\nclass Station:")
    assert describe(Says(failing).__repr__, "x").lstrip().startswith("def __repr__")
    assert describe(len, "x").startswith("def len(obj, /): ...")
    assert describe(dict, "x").startswith("class dict")
    made: Any = eval("lambda a, b=1: a", {})
    assert describe(made, "x").startswith("def <lambda>(a, b=1): ...")


def test_modules_are_told_by_what_they_hold() -> None:
    text = describe(json, "x")
    assert text.startswith("module json")
    assert "loads" in text


def raised() -> Exception:
    try:
        try:
            dict[str, int]()["missing"]
        except KeyError as error:
            raise ValueError("not there") from error
    except ValueError as error:
        return error
    raise AssertionError


def test_exceptions_are_their_traceback_with_causes() -> None:
    text = describe(raised(), "x")
    assert (
        text.index("KeyError: 'missing'") < text.index("direct cause") < text.index("ValueError: not there")
    )
    assert "in raised" in text
    group = ExceptionGroup("several", [ValueError("one"), TypeError("two")])
    assert "TypeError: two" in describe(group, "x")


def test_frames_of_ipython_are_left_out() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell: Any = InteractiveShell()
    result = shell.run_cell("def inner():\n    return 1 / 0\ninner()", silent=True)
    text = describe(result.error_in_exec, "x")
    assert "return 1 / 0" in text
    assert "run_code" not in text
    assert "/IPython/" not in text


def test_an_exception_whose_message_fails() -> None:
    class Bad(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Slow(Exception):
        def __str__(self) -> str:
            time.sleep(60)
            return ""

    assert "Bad" in describe(Bad(), "x")
    assert "its message took over 2 s" in describe(Slow(), "x")


def test_a_deep_recursion_is_told() -> None:
    def down(n: int) -> int:
        return down(n + 1)

    with pytest.raises(RecursionError) as caught:
        down(0)
    text = describe(caught.value, "x")
    assert "RecursionError" in text
    assert len(text) <= MOST


def test_notebooks_are_their_cells() -> None:
    output = nbformat.v4.new_output("execute_result", data={"text/plain": "42\x1b[0m", "image/png": "xx"})
    picture = nbformat.v4.new_output("display_data", data={"image/png": "A" * 100_000})
    cells = [
        nbformat.v4.new_markdown_cell("# Title"),
        nbformat.v4.new_code_cell("6 * 7", outputs=[output, picture]),
        nbformat.v4.new_code_cell("x" * 100, outputs=[nbformat.v4.new_output("stream", text="y" * 10_000)]),
    ]
    text = describe(nbformat.v4.new_notebook(cells=cells), "x")
    assert text.startswith("# Cell 1 (markdown)\n# Title\n\n# Cell 2 (code)\n6 * 7\n# Output\n42\\x1b[0m\n")
    assert "# Output (image/png)" in text
    assert "AAAA" not in text
    assert text.count("y") < 2_100
    many = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("z" * 1_000) for _ in range(500)])
    assert describe(many, "x").endswith("… (500 cells in all)")


def test_a_deadline_returns_raises_and_is_spent() -> None:
    deadline = Deadline(0.2)
    assert deadline.run(lambda: 42) == 42
    with pytest.raises(Failed, match="raised ValueError"):
        deadline.run(failing)
    for _ in range(3):
        with pytest.raises(Failed, match=r"took over 0\.2 s"):
            deadline.run(lambda: time.sleep(60))
    assert sys.stdout is not None


@given(st.one_of(st.text(), st.binary(), st.lists(st.floats()), st.tuples(st.integers()), st.sets(st.text())))
def test_glimpses_of_plain_values_are_their_repr(value: Any) -> None:
    said = glimpse(value, 10_000)
    if not isinstance(value, str | set | list) or repr(value).isprintable():
        assert "…" in said or said.replace("frozenset({})", "") == repr(value)
