"""``--error``: the last error of a real kernel, with its cells, its traceback and its variables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_magic.content.crash import crash_blocks
from claude_magic.errors import UsageProblem, at_the_door, last_error
from claude_magic.last_error import WHY
from claude_magic.offline import LocalApi
from tests.kernels import Kernel, running_kernel

BLOCKS = "print('\\n'.join(block.text for block in _claude.turn.blocks if block.name))"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, local_api: LocalApi) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("errors")
    key = local_api.token
    with running_kernel(home, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=key) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


def failed(kernel: Kernel, *cells: str) -> str:
    """Run cells, the last of which fails; return what is sent of it."""
    for code in cells[:-1]:
        ran = kernel.run(code, allow_stdin=False)
        assert ran.status == "ok", ran.error
    assert kernel.run(cells[-1], allow_stdin=False).status == "error"
    return asked(kernel)


def asked(kernel: Kernel, code: str = "%%claude --no-history --error") -> str:
    ran = kernel.run(code, allow_stdin=False)
    assert ran.status == "ok", ran.error
    return kernel.run(BLOCKS).stdout


def test_without_an_error_one_line_says_so(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%load_ext claude_magic")
    fresh_kernel.run("%claude_offline")
    for _ in range(2):  # the line itself is no error to ask about
        ran = fresh_kernel.run("%%claude --error", allow_stdin=False)
        assert ran.status == "error"
        assert "no error was raised in this kernel so far. Nothing was sent." in ran.error
        assert "\n" not in ran.error


def test_an_error_in_a_function_of_another_cell(desk: Kernel) -> None:
    text = failed(
        desk,
        "import pandas as pd, numpy as np\ndf = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
        "def total(frame, factor):\n    weights = np.ones((2, 3))\n    return frame['c'] * factor + weights",
        "unused = 'not named'\ntotal(df, factor=2)",
    )
    assert "which failed\n```python\nunused = 'not named'" in text
    assert "also in the traceback\n```python\ndef total(frame" in text
    assert "line 3, in total" in text
    assert "return frame['c'] * factor" in text
    assert "KeyError: 'c'" in text
    # Where it was raised, one frame of the library; and one of its cause, which it has itself.
    assert text.count('File "pandas/core/') == 1
    assert text.count('File "pandas/') == 2
    assert "ipykernel" not in text
    variables = text.split("### Variables")[1]
    assert "in total, cell [3], line 3" in variables
    assert "2 rows × 2 columns" in variables
    assert "    b: str" in variables or "    b: object" in variables
    assert "factor: int = 2" in variables
    assert "weights: numpy.ndarray, shape (2, 3), float64" in variables
    assert "not named" not in variables


def test_alone_it_asks_for_cause_and_fix_and_a_body_asks_what_it_says(desk: Kernel) -> None:
    failed(desk, "nothing_of_this_name")
    ran = desk.run("%%claude --no-history --error", allow_stdin=False)
    assert "attached: last error, NameError in cell [" in ran.displayed[0]["text/markdown"]
    assert desk.value("_claude.turn.prompt") == repr(WHY)
    asked(desk, "%%claude --no-history --error\nsay: no idea")
    assert desk.value("(_claude.turn.prompt, _claude.text)") == "('say: no idea', 'no idea')"
    assert "NameError" in asked(desk, "%claude --no-history --error")
    table = desk.run("%claude --dry-run --no-history --error", allow_stdin=False).result
    assert "text: last error, NameError in cell [" in table


def test_a_syntax_error(desk: Kernel) -> None:
    text = failed(desk, "x = 1\ny = (2,\nz = 3")
    assert "which failed\n```python\nx = 1\ny = (2,\nz = 3" in text
    assert 'File "Cell [' in text
    assert "SyntaxError" in text
    assert "IndentationError" in failed(desk, "if True:\nprint('x')")


def test_causes_groups_and_recursion(desk: Kernel) -> None:
    text = failed(
        desk, "try:\n    {}['low']\nexcept KeyError as error:\n    raise ValueError('high') from error"
    )
    assert "KeyError: 'low'" in text
    assert "ValueError: high" in text
    assert "direct cause" in text
    text = failed(
        desk,
        "def part(number):\n    amount = number * 7\n    raise TypeError(amount)",
        "errors = []\nfor number in (1, 2):\n    try:\n        part(number)\n"
        "    except TypeError as error:\n        errors.append(error)\nraise ExceptionGroup('both', errors)",
    )
    assert "ExceptionGroup: both (2 sub-exceptions)" in text
    assert "TypeError: 14" in text
    assert "amount: int = 7" in text
    text = failed(desk, "import asyncio\nasync def late():\n    speed = 3\n    speed / 0\nawait late()")
    assert "in late" in text
    assert "speed: int = 3" in text


def test_an_error_in_a_module_of_the_users(desk: Kernel) -> None:
    home = Path(desk.value("__import__('os').getcwd()").strip("'"))
    (home / "mine.py").write_text(
        "import json\n\ndef read(raw):\n    length = len(raw)\n    return json.loads(raw)\n"
    )
    text = failed(desk, "import mine\nmine.read('{broken')")
    assert "mine.py" in text
    assert "return json.loads(raw)" in text
    assert "raw: str, 7 characters = '{broken'" in text
    assert "length: int = 7" in text
    assert text.count("json/decoder.py") == 1
    assert "json/__init__.py" not in text


def test_our_own_errors_are_not_the_last_error(desk: Kernel) -> None:
    failed(desk, "1 / 0")
    for line in ("%%claude --bogus\nx", "%claude_config nothing=1", "%%claude -a no_such\nwhat?"):
        assert desk.run(line, allow_stdin=False).status == "error"
    assert "ZeroDivisionError" in asked(desk)
    assert "UsageProblem" not in asked(desk)


HOSTILE = """
import time
class Hostile:
    def __init__(self, act): self.act = act
    def __repr__(self): return self.act()
    __str__ = __repr__
    def __getattr__(self, name): raise SystemExit(name)
    def __len__(self): raise SystemExit
slow, broken, liar = Hostile(lambda: time.sleep(60)), Hostile(lambda: 1 / 0), Hostile(lambda: 7)
class Unprintable(Exception):
    def __str__(self): raise SystemExit
"""


def test_hostile_values_and_errors_harm_nothing(desk: Kernel) -> None:
    text = failed(desk, HOSTILE, "plain = 5\n(plain, slow, broken, liar).nothing")
    assert "AttributeError" in text
    assert "plain: int = 5" in text
    assert "took over" in text
    text = failed(desk, "fine = 3\nraise Unprintable(fine)")
    assert "Unprintable" in text
    assert "line 2" in text
    text = failed(desk, "raise ValueError('\\x1b[31mred\\x1b[0m ```\\n```` out \\u202e')")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\n`````\n" in text
    huge = failed(desk, "rows = ['x' * 1000] * 100_000\nrows.nothing")
    assert "rows: list, 100,000 items" in huge
    assert len(huge) < 3_000


def test_secrets_in_variables_are_asked_about(desk: Kernel) -> None:
    assert desk.run("api_key = 'correct-horse-7battery'\napi_key + 1", allow_stdin=False).status == "error"
    ran = desk.run("%%claude --no-history --error", allow_stdin=False)
    assert ran.status == "error"
    assert "looks like a secret" in ran.error
    assert "horse" not in ran.error


def test_with_the_cells_above_too(desk: Kernel) -> None:
    failed(desk, "for_the_context = 1", "1 / 0")
    text = asked(desk, "%%claude --no-history --context 4 --error")
    assert text.index("for_the_context = 1") < text.index("This is the last error")


class Endless(Exception):
    """Never says what it is."""

    def __str__(self) -> str:
        for _ in range(6_000):
            time.sleep(0.01)
        return ""


def test_an_error_that_never_says_what_it_is() -> None:
    try:
        raise Endless
    except Endless as error:
        (block,) = crash_blocks(error, {})
    assert "raise Endless" in block.text
    assert "<its message took over 2 s>" in block.text


def test_a_recursion_is_told_once() -> None:
    def deeper(level: int) -> int:
        return deeper(level + 1)

    try:
        deeper(0)
    except RecursionError as error:
        (block,) = crash_blocks(error, {})
    assert "more times]" in block.text
    assert "RecursionError" in block.text
    assert len(block.text) < 5_000


def test_an_error_of_ours_remembers_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    @at_the_door
    def refuse() -> None:
        raise UsageProblem("no")

    users = ValueError("mine")
    for name in ("last_value", "last_exc"):
        monkeypatch.setattr("sys." + name, users, raising=False)
    for _ in range(3):
        with pytest.raises(UsageProblem) as caught:
            refuse()
        for name in ("last_value", "last_exc"):
            monkeypatch.setattr("sys." + name, caught.value, raising=False)
    assert last_error() is users
