"""Common mistakes: each gets one line that leads out.

Ten of them, and where the others are held: no key (`test_cell`, `test_key`), a wrong model, a typo in a flag
and a missing file (`test_cell`, `test_flags`, `content/test_attach`), an empty cell (`test_environment`), no
network (`test_faults`), a wrong kernel and old widgets (`test_doctor`), a notebook that is not trusted
(`display/test_hostile_browser`). Here: a key that was pasted into a cell.
"""

from __future__ import annotations

import re

import pytest

from tests.kernels import Kernel

KEY = "sk-ant-api03-" + "Zq7Vx0Lk3n" * 8


@pytest.mark.parametrize(
    "code",
    [
        f"%%claude {KEY}\nhello",
        f"%%claude --key {KEY}\nhello",
        f"%%claude --{KEY}\nhello",
        f"%%claude -m {KEY}\nhello",
        f"%claude_config api_key={KEY}",
        f"%claude_config {KEY}",
        f"%claude_config model={KEY}",
        f"%claude_chat {KEY}",
        f"%claude_tools {KEY}",
        f"%claude -m {KEY} hello",
        f"%claude {KEY}",
        f"%%claude\nuse {KEY}",
        f"%%claude\nuse {{{{ '{KEY}' }}}}",
    ],
)
def test_a_key_in_a_cell_is_refused_and_not_repeated(kernel: Kernel, code: str) -> None:
    ran = kernel.run(code, allow_stdin=False)
    line = re.sub(r"\x1b\[\d*m", "", ran.error)
    assert re.match(r"(UsageProblem|ConfigProblem): ", line)
    assert "\n" not in line
    said = str([message for message in ran.messages if message["msg_type"] != "execute_input"])
    assert KEY[20:] not in said
    told = "A key stands on this line", "looks like a secret", "No model 'sk-ant-***'"
    assert any(words in line for words in told), line
    assert line.endswith("Nothing was sent.")
    settings = kernel.run("%claude_config").result
    assert "model" in settings
    assert "sk-ant" not in settings


def test_a_wrong_pace_leaves_the_notebook_where_it_was(kernel: Kernel) -> None:
    host = re.compile(r"127\.0\.0\.1:\d+")
    before = set(host.findall(kernel.run("%claude_config").result))
    assert before
    assert kernel.run("%claude_offline").status == "ok"
    demo = set(host.findall(kernel.run("%claude_config").result))
    assert demo != before
    assert "--pace" in kernel.run("%claude_offline --pace slow").error
    assert set(host.findall(kernel.run("%claude_config").result)) == demo
    assert kernel.run("%claude_offline --off").status == "ok"
    assert set(host.findall(kernel.run("%claude_config").result)) == before


@pytest.mark.parametrize(
    "code",
    [
        "%%claude -a ~nobody-of-that-name/a.png\nlook",
        "%%claude -s @~nobody-of-that-name/a.txt\nlook",
        "%%claude --schema @~nobody-of-that-name/a.json\nlook",
        "%claude_export ~nobody-of-that-name/a.ipynb",
        "%claude_restore ~nobody-of-that-name/a.ipynb",
        "%claude_usage --csv ~nobody-of-that-name/a.csv",
        "%claude_record ~nobody-of-that-name/a.cassette",
        "%claude_replay ~nobody-of-that-name/a.cassette",
    ],
)
def test_the_home_of_nobody_is_one_line(kernel: Kernel, code: str) -> None:
    assert kernel.run("%%claude\nsay: there is something to keep").status == "ok"
    ran = kernel.run(code, allow_stdin=False)
    assert ran.status == "error"
    line = re.sub(r"\x1b\[\d*m", "", ran.error)
    assert re.match(r"\w+Problem: .*\ba\.\w+", line), line
    assert "\n" not in line
