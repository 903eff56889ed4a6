"""``claude_magic.ask``, ``count`` and ``map``: in a kernel, in threads, in a plain process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import claude_magic
from claude_magic.offline import LocalApi
from tests.kernels import Kernel, running_kernel

TURN = "application/vnd.claude-magic.turn+json"


@pytest.fixture(scope="module", autouse=True)
def _imported(kernel: Kernel) -> None:
    """What the tests name, in the module's kernel."""
    names = "import claude_magic, dataclasses; import pandas as pd; from pathlib import Path"
    assert kernel.run(names).status == "ok"


def ran(kernel: Kernel, code: str) -> str:
    """Run a cell that must show nothing but what it prints; return that."""
    done = kernel.run(code, allow_stdin=False)
    assert done.status == "ok", done.error
    assert done.displayed == []
    return done.stdout.strip()


def test_it_works_before_the_extension_is_loaded(tmp_path: Path, local_api: LocalApi) -> None:
    environment = {"ANTHROPIC_BASE_URL": local_api.url, "ANTHROPIC_API_KEY": local_api.token}
    with running_kernel(tmp_path, **environment) as kernel:
        assert ran(kernel, "import claude_magic; print(claude_magic.ask('say: early').text)") == "early"
        assert ran(kernel, "%load_ext claude_magic") == (
            "The claude_magic extension is already loaded. To reload it, use:\n  %reload_ext claude_magic"
        )
        assert ran(kernel, "%reload_ext claude_magic\nprint(claude_magic.ask('say: on').text)") == "on"
        assert kernel.run("%unload_ext claude_magic").status == "ok"
        assert ran(kernel, "print(claude_magic.ask('say: again').text)") == "again"


def test_data_in_a_prompt_is_never_evaluated(kernel: Kernel) -> None:
    kernel.run("hit = []")
    assert ran(kernel, r"print(claude_magic.ask('say: {{ hit.append(1) }} \\{{').text, hit)") == (
        r"{{ hit.append(1) }} \\{{ []".replace(r"\\", "\\")
    )
    Path(kernel.value("__import__('os').getcwd()").strip("'"), "hit.append(2)").write_text("as a file")
    code = (
        "r = claude_magic.ask('hello', 'hit.append(1)', Path('hit.append(2)'))\n"
        "print(hit, [b.name for b in r.turn.blocks])"
    )
    assert ran(kernel, code) == "[] ['text', 'hit.append(2)', '']"
    for path in ("hit.append(3)", "hit"):  # no such files
        done = kernel.run(f"claude_magic.ask('hello', Path({path!r}))")
        assert "no such file" in done.error
    assert kernel.value("hit") == "[]"
    assert "hit.append" in ran(kernel, "print(claude_magic.ask('hello', system='hit.append(4)').text, hit)")


def test_attachments_are_named_as_the_kernel_or_their_type_names_them(kernel: Kernel) -> None:
    kernel.run("prices = pd.DataFrame({'a': [1]})")
    code = (
        "r = claude_magic.ask('hello', prices, pd.DataFrame({'b': [1]}), pd.DataFrame({'c': [1]}), {'k': 1},"
        " 'x')\nprint([b.name for b in r.turn.blocks])"
    )
    assert ran(kernel, code) == "['prices', 'DataFrame', 'DataFrame_2', 'dict', 'text', '']"


def test_data_of_a_schema(kernel: Kernel) -> None:
    code = (
        "@dataclasses.dataclass\nclass Point:\n    x: int\n    y: str\n"
        "one = claude_magic.ask('a point', schema=Point).data\n"
        "many = claude_magic.ask('points', schema=list[Point], frame=True).data\n"
        "print(type(one).__name__, type(many).__name__, list(many.columns))"
    )
    assert ran(kernel, code) == "Point DataFrame ['x', 'y']"


def test_the_live_view_only_on_wish_and_a_reply_shows_itself(kernel: Kernel) -> None:
    done = kernel.run("r = claude_magic.ask('say: seen', show=True)", allow_stdin=False)
    assert [data["text/plain"] for data in done.displayed] == ["seen"]
    done = kernel.run("claude_magic.ask('say: as a value')", allow_stdin=False)
    assert done.displayed == []
    assert [content["data"]["text/plain"] for content in done.of("execute_result")] == ["as a value"]
    assert TURN in done.of("execute_result")[0]["data"]


def test_a_conversation_of_its_own_leaves_the_notebooks_alone(kernel: Kernel) -> None:
    kernel.run("%claude --new My name is Ada.")
    asked = "print(claude_magic.ask('What is my name?'{}).text)"
    assert "Ada" not in ran(kernel, asked.format(""))
    assert "Ada" not in ran(kernel, asked.format(", chat='side'"))
    ran(kernel, "claude_magic.ask('My name is Bob.', chat='side') and None")
    assert "Bob" in ran(kernel, asked.format(", chat='side'"))
    assert "Ada" in kernel.run("%claude What is my name?", allow_stdin=False).displayed[0]["text/plain"]


def test_asked_inside_an_expression_and_inside_a_tool(kernel: Kernel) -> None:
    kernel.run(
        "@claude_magic.tool(approval=False)\ndef oracle(about: str) -> str:\n    'Say.'\n"
        "    return claude_magic.ask('say: deep ' + about, chat='oracle').text\n%claude --new My name is Eve."
    )
    done = kernel.run("%%claude\nsay: {{ claude_magic.ask('say: inner').text }}", allow_stdin=False)
    assert done.displayed[0]["text/plain"] == "inner"
    done = kernel.run('%%claude --tools oracle\ncall oracle with about="sea"', allow_stdin=False)
    assert "deep sea" in done.displayed[0]["text/plain"]
    assert "Eve" in kernel.run("%claude What is my name?", allow_stdin=False).displayed[0]["text/plain"]


def test_threads_ask_at_once(kernel: Kernel) -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(6) as pool:\n"
        "    told = list(pool.map(lambda n: claude_magic.ask(f'say: {n}').text, range(12)))\n"
        "print(told == list(map(str, range(12))))"
    )
    assert ran(kernel, code) == "True"


def test_a_conversation_waits_for_no_other_thread(kernel: Kernel) -> None:
    held = (
        "import threading\nready, done = threading.Event(), threading.Event()\n"
        "asking = get_ipython().magics_manager.registry['ClaudeMagics'].session.asking\n"
        "def hold():\n    with asking.question():\n        ready.set()\n        done.wait(30)\n"
        "thread = threading.Thread(target=hold)\nthread.start()\nready.wait(30)"
    )
    kernel.run(held)
    assert "Another thread is asking" in kernel.run("claude_magic.ask('x', chat='y')").error
    assert ran(kernel, "print(claude_magic.ask('say: apart').text)") == "apart"
    kernel.run("done.set()\nthread.join(30)")
    assert ran(kernel, "print(claude_magic.ask('say: now', chat='y').text)") == "now"


def test_the_tools_of_a_question_are_its_own(kernel: Kernel) -> None:
    kernel.run("def double(n: int) -> int:\n    'Double.'\n    return 2 * n\n%claude_tools add double")
    assert ran(kernel, "print(claude_magic.ask('call double with n=21').calls)") == "()"
    done = kernel.run("claude_magic.ask('call double with n=21', tools=[double])", allow_stdin=False)
    assert "Nobody could be asked whether double may run" in done.error
    marked = "claude_magic.tool(approval=False)(double)"
    code = f"print(claude_magic.ask('call double with n=21', tools=[{marked}]).calls[0].text)"
    assert ran(kernel, code) == "42"
    kernel.run("%claude_tools remove double")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("ask('x', modle='opus')", "modle= is nothing that can be asked for. Did you mean 'model'?"),
        ("ask('x', model='sonet')", "No model 'sonet'. Did you mean 'sonnet'?"),
        ("ask(' ')", "The prompt is empty."),
        ("ask(3)", "The prompt is a str, not int"),
        ("ask('x', system=3)", "system= is a str, not int."),
        ("ask('x', 'here.txt')", "give pathlib.Path('here.txt') for the file"),
        ("ask('x', Path('her.txt'))", "no such file. Did you mean 'here.txt'?"),
        ("ask('x', tools=['f'])", "tools= takes functions, not a value of type str."),
        ("ask('x', schema='str')", "a type or a JSON schema (dict) is wanted"),
        ("ask('x', extra={'a': {1}})", "extra= holds a value that is no JSON"),
        ("map([1], '{{ nosuch }}')", "No kernel name 'nosuch'."),
        ("map(3, 'x')", "an int has no rows"),
        ("map([1], 'x', thinking=True)", "thinking= is nothing that can be asked for."),
        ("map([1], ' ')", "The prompt is empty."),
        ("map([1], 'x', batch=True)", "Batches are for %%claude_map --batch."),
        ("count('x', max_tokens=3)", "max_tokens= is nothing that can be asked for."),
    ],
)
def test_mistakes_are_exceptions_with_one_line(kernel: Kernel, call: str, said: str) -> None:
    kernel.run("open('here.txt', 'w').write('x')")
    code = (
        f"try:\n    claude_magic.{call}\n"
        "except (claude_magic.errors.UsageProblem, claude_magic.errors.ConfigProblem) as error:\n"
        "    print(error, error.__cause__, error.__context__)"
    )
    told = ran(kernel, code)
    assert said in told
    assert told.endswith("Nothing was sent. None None")
    assert "\n" not in told


def test_counting_tells_the_cost_too(kernel: Kernel) -> None:
    told = ran(
        kernel,
        "n = claude_magic.count('hello there', [1, 2], model='opus')\nprint(n, n > 1, n.cost, n.model)",
    )
    tokens, more, cost, model = told.split()
    assert int(tokens) > 5
    assert more == "True"
    assert 0 < float(cost) < 0.01
    assert model == "claude-opus-5-5"


def test_a_question_of_many_rows(kernel: Kernel) -> None:
    kernel.run("frame = pd.DataFrame({'word': ['one', 'two', '{{ 1/0 }}']}, index=list('abc'))")
    code = (
        "out = claude_magic.map(frame, 'say: {{ row.word }} {{ index }}')\n"
        "print(list(out.answer), list(out.index), list(out.claude_stage), 'answer' in frame)"
    )
    assert ran(kernel, code) == (
        "['one a', 'two b', '{{ 1/0 }} c'] ['a', 'b', 'c'] ['complete', 'complete', 'complete'] False"
    )
    kernel.run(
        "@dataclasses.dataclass\nclass Point:\n    x: int\n    y: str\n"
        "row, seen = {'shared': 1}, []\ndef own(value):\n    seen.append(value)\n    return [value]"
    )
    code = (
        "out = claude_magic.map([1, 2], 'a point for {{ row }}', row, own, schema=Point, max_cost=1)\n"
        "print(list(out.columns)[:3], sorted(set(seen)))"
    )
    assert ran(kernel, code) == "['item', 'x', 'y'] [1, 2]"


def test_what_a_map_is_given_takes_no_name_from_its_template(kernel: Kernel) -> None:
    kernel.run("text = 'mine'")
    code = (
        "prompt = 'say: {{ text }} {{ int(row) + len(list(row)) }}'\n"
        "rows = claude_magic.map(['7'], prompt, 'a guideline', [1])\n"
        "print(rows.answer[0])"
    )
    assert ran(kernel, code) == "mine 8"
    kernel.run("del text")


def test_a_key_in_an_attachment_is_asked_about_as_elsewhere(kernel: Kernel) -> None:
    done = kernel.run("claude_magic.ask('hello', 'my sk-ant-' + 'canary-' + 'y' * 30)", allow_stdin=False)
    assert done.status == "error"
    assert "on this line" not in done.error
    assert "key" in done.error


def test_a_map_in_a_tool_and_in_a_thread(kernel: Kernel) -> None:
    kernel.run(
        "@claude_magic.tool(approval=False)\ndef spread(n: int) -> str:\n    'Spread.'\n"
        "    return ' '.join(claude_magic.map(range(n), 'say: <{{ row }}>').answer)"
    )
    done = kernel.run("%%claude --no-history --tools spread\ncall spread with n=3", allow_stdin=False)
    assert "<0> <1> <2>" in done.displayed[0]["text/plain"]
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool:\n"
        "    told = pool.map(lambda n: list(claude_magic.map([n], 'say: {{ row }}!').answer), range(3))\n"
        "print(list(told))"
    )
    assert ran(kernel, code) == "[['0!'], ['1!'], ['2!']]"


def test_a_plain_script(tmp_path: Path, local_api: LocalApi) -> None:
    """Nothing of IPython shows in it, and its own namespace stays its own."""
    code = (
        "import builtins, json, sys\n"
        "before = set(globals()), set(vars(builtins)), set(vars(sys)), sys.modules['__main__']\n"
        "import claude_magic\n"
        "reply = claude_magic.ask('say: plain', [1])\n"
        "claude_magic.ask('say: shown', show=True)\n"
        "from IPython import get_ipython\n"
        "print(json.dumps([reply.text, repr(reply), get_ipython() is None,\n"
        "  sorted(set(vars(builtins)) - before[1]),\n"
        "  sorted(n for n in set(vars(sys)) - before[2] if n[:2] == 'ps'),\n"
        "  sys.modules['__main__'] is before[3], sorted(set(globals()) - before[0])]))\n"
    )
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(claude_magic.__file__).parent.parent),
        "ANTHROPIC_BASE_URL": local_api.url,
        "ANTHROPIC_API_KEY": local_api.token,
        "CLAUDE_MAGIC_STORE": "memory",
    }
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    shown, _, last = run.stdout.rstrip().rpartition("\n")
    assert shown.startswith("shown\n\nclaude-sonnet-5-5")
    found: list[Any] = json.loads(last)
    assert found[:6] == ["plain", repr_of(found[1]), True, [], [], True]
    assert found[6] == ["before", "claude_magic", "get_ipython", "reply"]


def repr_of(text: str) -> str:
    assert text.startswith("<Reply: claude-sonnet-5-5")
    return text


def test_a_plain_script_without_a_key_gets_one_line(tmp_path: Path) -> None:
    code = (
        "import claude_magic\ntry:\n    claude_magic.ask('x')\nexcept Exception as error:\n"
        "    print(type(error).__name__, error)"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
    source = str(Path(claude_magic.__file__).parent.parent)
    environment = {**kept, "HOME": str(tmp_path), "PYTHONPATH": source, "CLAUDE_MAGIC_STORE": "memory"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert run.stdout.startswith("ConfigProblem ")
    assert "CLAUDE_MAGIC_CASSETTE" in run.stdout
    assert "%" not in run.stdout  # no magic can be run there
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""
