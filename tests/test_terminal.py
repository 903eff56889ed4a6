"""A real IPython terminal: streamed text, a one-line summary, Ctrl-C."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from claude_magic import offline
from tests.kernels import clean_environment


@pytest.fixture
def terminal(tmp_path: Path, local_api: offline.LocalApi) -> Iterator[pexpect.spawn]:
    environment = clean_environment(
        tmp_path, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token, TERM="dumb"
    )
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor", "--no-confirm-exit"],
        env=environment, cwd=str(tmp_path), encoding="utf-8", timeout=60, dimensions=(50, 200),
    )  # fmt: skip
    child.expect(r"In \[1\]: ")
    child.sendline("%load_ext claude_magic")
    child.expect(r"In \[2\]: ")
    yield child
    child.close(force=True)


def test_text_is_streamed_and_summed_up_in_a_line(terminal: pexpect.spawn) -> None:
    terminal.sendline("r = %claude say: Hello from the terminal.")
    terminal.expect(r"In \[3\]: ")
    shown = re.sub(r"\x1b\[\d*m", "", terminal.before).replace("\r\n", "\n")
    assert shown.endswith("\nHello from the terminal.\n\nclaude-sonnet-5-5 · " + shown.split("5-5 · ")[1])
    assert re.search(r"\d+ in · \d+ out · [<$]", shown)
    terminal.sendline("print(r.text, _claude is r)")
    terminal.expect(r"In \[4\]: ")
    assert "Hello from the terminal. True" in terminal.before


def test_control_characters_are_made_visible(terminal: pexpect.spawn) -> None:
    terminal.sendline("evil = 'a' + chr(27) + ']0;title' + chr(7) + 'b'")
    terminal.expect(r"In \[3\]: ")
    terminal.sendline("r = %claude say: {{ evil }}")
    terminal.expect(r"In \[4\]: ")
    assert "␛]0;title␇" in terminal.before
    assert "\x1b]" not in terminal.before


def test_errors_are_one_line(terminal: pexpect.spawn) -> None:
    terminal.sendline("%claude -m opsu hi")
    terminal.expect(r"In \[3\]: ")
    assert "ConfigProblem: No model 'opsu'. Did you mean 'opus'" in re.sub(r"\x1b\[\d*m", "", terminal.before)
    assert "Traceback" not in terminal.before


def test_thinking_stands_apart_and_a_search_is_one_line(terminal: pexpect.spawn) -> None:
    terminal.sendline("r = %claude --thinking --web Search the web for tides.")
    terminal.expect(r"In \[3\]: ")
    shown = re.sub(r"\x1b\[\d*m", "", terminal.before).replace("\r\n", "\n")
    assert "so I describe what I was sent.\n\n*Offline demo model" in shown
    assert "\n[Searched the web: Search the web for tides.]\n" in shown
    assert " · 1 web search · " in shown


def test_jupyter_console_streams_text_too(tmp_path: Path, local_api: offline.LocalApi) -> None:
    environment = clean_environment(
        tmp_path, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token, TERM="dumb"
    )
    child = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_console", "--simple-prompt", "--no-confirm-exit"],
        env=environment, cwd=str(tmp_path), encoding="utf-8", timeout=60, dimensions=(50, 200),
    )  # fmt: skip
    try:
        child.expect(r"In \[1\]: ")
        child.sendline("%load_ext claude_magic")
        child.expect(r"In \[2\]: ")
        child.sendline("r = %claude say: Hello from the console.")
        child.expect(r"In \[3\]: ")
        assert re.search(r"\nHello from the console\.\s+claude-sonnet-5-5 · \d+ in", child.before)
        child.sendline("%claude -m opsu hi")
        child.expect(r"In \[4\]: ")
        assert "No model 'opsu'. Did you mean 'opus'" in child.before
        assert "Traceback" not in child.before
        child.sendline("exit")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
