"""A ``%%claude`` cell from end to end: a real kernel, the real SDK, a real socket."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from claude_magic import offline
from claude_magic.offline import LocalApi
from tests.kernels import Kernel, Ran, running_kernel

TURN = "application/vnd.claude-magic.turn+json"
TURNS = """(lambda session: session._kept and [turn.id for turn in session._kept.current.turns])(
    get_ipython().magics_manager.registry['ClaudeMagics']._open())"""
WIDGET = "application/vnd.jupyter.widget-view+json"


def headless(kernel: Kernel, code: str) -> dict[str, Any]:
    """Run a cell as nbclient would and return the one bundle it shows."""
    ran = kernel.run(code, allow_stdin=False)
    assert ran.status == "ok", ran.error
    (data,) = ran.displayed
    return dict(data)


def refused(kernel: Kernel, code: str) -> str:
    """Run a cell that must fail without sending anything; return its one line."""
    turns = kernel.value(TURNS)
    ran = kernel.run(code, allow_stdin=False)
    assert ran.status == "error"
    assert ran.displayed == []
    assert kernel.value(TURNS) == turns
    line = ran.error
    assert "\n" not in line
    assert "Traceback" not in line
    return line


def test_headless_shows_exactly_one_static_output(kernel: Kernel) -> None:
    ran = kernel.run("%%claude --new\nsay: The median is **robust**.", allow_stdin=False)
    assert ran.status == "ok", ran.error
    assert len(ran.of("display_data")) == 1
    assert ran.updated == []
    assert [message["msg_type"] for message in ran.messages if message["msg_type"].startswith("comm")] == []
    (data,) = ran.displayed
    assert data["text/plain"] == "The median is **robust**."
    assert data["text/markdown"].startswith("The median is **robust**.\n\n*claude-sonnet-5-5 · ")
    assert set(data) == {"text/plain", "text/markdown", TURN}
    turn = data[TURN]
    assert turn["prompt"] == "say: The median is **robust**."
    assert (turn["model"], turn["stage"], turn["stop_reason"]) == (
        "claude-sonnet-5-5",
        "complete",
        "end_turn",
    )
    assert turn["usage"]["output_tokens"] > 0
    (content,) = ran.of("display_data")
    volatile = {"conversation", "turn", "message_id", "request_id", "seconds"}
    assert set(content["metadata"]["claude_magic"]) == volatile


def test_equal_runs_give_equal_outputs(kernel: Kernel) -> None:
    first = headless(kernel, "%%claude --no-history\nWhat is a mode?")
    second = headless(kernel, "%%claude --no-history\nWhat is a mode?")
    assert first == second


def test_a_notebook_page_gets_one_widget_and_then_the_static_output(kernel: Kernel) -> None:
    ran = kernel.run("%%claude --new\nwrite 400 words", cell_id="abc")
    assert ran.status == "ok", ran.error
    (shown,) = ran.displayed
    (final,) = ran.updated
    assert WIDGET in shown
    assert WIDGET not in final
    assert final["text/plain"] == kernel.value("_claude.text").strip("'\"").replace("\\n", "\n")


def test_the_drawing_module_is_sent_once_a_kernel(kernel: Kernel) -> None:
    kernel.run("%%claude --new\nsay: warm", cell_id="a")
    ran = kernel.run("%%claude --new\nsay: again", cell_id="b")
    opened = [message["content"] for message in ran.messages if message["msg_type"] == "comm_open"]
    assert len(opened) == 1
    assert len(json.dumps(opened)) < 4_000


def test_the_conversation_goes_on_from_cell_to_cell(kernel: Kernel) -> None:
    headless(kernel, "%%claude --new\nMy name is Ada.")
    assert "Ada" in headless(kernel, "%claude What is my name?")["text/plain"]
    assert "Ada" not in headless(kernel, "%claude --no-history What is my name?")["text/plain"]
    assert "Ada" in headless(kernel, "%claude What is my name?")["text/plain"]
    assert "Ada" not in headless(kernel, "%claude --new What is my name?")["text/plain"]


def test_a_question_mark_at_the_end_stays_a_question(kernel: Kernel) -> None:
    assert headless(kernel, "%claude --no-history what is France?")[TURN]["prompt"] == "what is France?"
    ran = kernel.run("r = %claude --no-history what is France?\nprint(r.turn.prompt)", allow_stdin=False)
    assert "what is France?" in ran.stdout
    assert "Ask Claude" in json.dumps(kernel.run("%claude?").payload)


def test_the_line_magic_returns_a_reply_that_is_not_shown_twice(kernel: Kernel) -> None:
    ran = kernel.run("%claude --no-history say: once", allow_stdin=False)
    assert len(ran.displayed) == 1
    assert ran.of("execute_result") == []
    ran = kernel.run("_claude")
    assert ran.result == "once"


def test_values_of_the_kernel_stand_in_the_prompt(kernel: Kernel) -> None:
    kernel.run("numbers = [3, 1, 2]")
    data = headless(kernel, '%%claude --no-history\nsay: {"sorted": {{ sorted(numbers) }}, "brace": {}}')
    assert data["text/plain"] == '{"sorted": [1, 2, 3], "brace": {}}'


def test_flags_reach_the_request(kernel: Kernel) -> None:
    assert headless(kernel, "%claude --no-history -m haiku hi")[TURN]["model"] == "claude-haiku-5-5"
    cut = headless(
        kernel, "%claude --no-history --max-tokens 5 say: one two three four five six seven eight nine ten"
    )
    assert cut[TURN]["stop_reason"] == "max_tokens"
    assert "cut at max_tokens" in cut["text/markdown"]
    stopped = headless(kernel, "%claude --no-history --stop END say: before END after")
    assert stopped["text/plain"].strip() == "before"
    kernel.run("pirate = 'Talk like a pirate, arr.'")
    assert "pirate, arr" in headless(kernel, "%claude --no-history -s pirate hello")["text/plain"]
    Path(kernel.value("__import__('os').getcwd()").strip("'"), "sys.txt").write_text("From a file.", "utf-8")
    assert "From a file" in headless(kernel, "%claude --no-history -s @sys.txt hello")["text/plain"]


def test_quiet_and_into(kernel: Kernel) -> None:
    ran = kernel.run("%%claude --no-history --quiet --into answer\nsay: silent", allow_stdin=False)
    assert ran.status == "ok"
    assert ran.displayed == []
    assert ran.stdout == ""
    assert kernel.value("answer") == "'silent'"
    assert kernel.value("_claude.text") == "'silent'"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%claude --modle opus hi", "no flag --modle. Did you mean '--model'?"),
        ("%claude -m sonet hi", "No model 'sonet'. Did you mean 'sonnet'?"),
        ("%claude -m claude-opus-5.5 hi", "Did you mean 'claude-opus-5-5'"),
        ("%%claude\n{{ pirat }}", "No kernel name 'pirat'. Did you mean 'pirate'?"),
        ("%claude -s pirat hi", "no kernel name 'pirat'. Did you mean 'pirate'?"),
        ("%claude -s @syss.txt hi", "No such file or directory. Did you mean 'sys.txt'?"),
        ("%claude --into 2x hi", "not a variable's name"),
        ("%claude --max-tokens many hi", "--max-tokens takes a whole number above 0, not 'many'"),
        ("%%claude opus\nhi", "'opus' is no flag; the prompt stands below the first line"),
        ("%%claude\n{{ '' }}", "The prompt is empty."),
        ("%claude", "The prompt is empty."),
    ],
)
def test_mistakes_are_one_line_and_send_nothing(kernel: Kernel, code: str, said: str) -> None:
    kernel.run("pirate = 'arr'; open('sys.txt', 'w').write('x')")
    line = refused(kernel, code)
    assert said in line
    assert "Nothing was sent." in line


def test_settings_show_their_value_and_source(kernel: Kernel) -> None:
    kernel.run("%claude_config max_tokens=1234")
    kernel.run("%config ClaudeMagics.system = 'Be brief.'")
    table = kernel.run("%claude_config").result
    rows = {line.split()[0]: line for line in table.splitlines() if line}
    assert "1234" in rows["max_tokens"]
    assert "%claude_config" in rows["max_tokens"]
    assert "Be brief." in rows["system"]
    assert "%config" in rows["system"]
    assert "default" in rows["view"]
    assert "API key" in rows["credential"]
    ran = kernel.run("%claude_config modle=opus")
    assert "No setting 'modle'. Did you mean 'model'?" in ran.error
    assert "is no value for max_tokens" in kernel.run("%claude_config max_tokens=lots").error
    kernel.run("%claude_config max_tokens=16000 system=''")


def test_without_a_credential_one_line_leads_out(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%load_ext claude_magic")
    ran = fresh_kernel.run("%%claude\nhello", allow_stdin=False)
    assert ran.error.endswith(
        "No credential for the API: set ANTHROPIC_API_KEY before the kernel starts, "
        "or run %claude_offline to use the local demo model. Nothing was sent."
    )
    assert "none" in fresh_kernel.run("%claude_config").result


def test_offline_and_back(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%load_ext claude_magic")
    assert "not Claude" in fresh_kernel.run("%claude_offline --pace 0").stdout
    assert "ffline demo model, not Claude" in headless(fresh_kernel, "%%claude\nhello")["text/plain"]
    fresh_kernel.run("%claude_offline --off")
    assert "No credential" in fresh_kernel.run("%%claude\nhello").error


def test_precedence_environment_over_file_and_session_over_environment(tmp_path: Path) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    config = "c = get_config()\nc.ClaudeMagics.model = 'haiku'\nc.ClaudeMagics.max_tokens = 77\n"
    (profile / "ipython_config.py").write_text(config, "utf-8")
    with running_kernel(tmp_path, CLAUDE_MAGIC_MODEL="opus") as kernel:
        kernel.run("%load_ext claude_magic")
        rows = {line.split()[0]: line for line in kernel.run("%claude_config").result.splitlines() if line}
        assert "opus" in rows["model"]
        assert "CLAUDE_MAGIC_MODEL" in rows["model"]
        assert "77" in rows["max_tokens"]
        assert "ipython_config.py" in rows["max_tokens"]
        kernel.run("%config ClaudeMagics.max_tokens = 78")
        kernel.run("%claude_config model=fable")
        rows = {line.split()[0]: line for line in kernel.run("%claude_config").result.splitlines() if line}
        assert "fable" in rows["model"]
        assert "%claude_config" in rows["model"]
        assert "78" in rows["max_tokens"]


def test_unload_and_reload_leave_nothing_behind(fresh_kernel: Kernel) -> None:
    state = (
        "ip = get_ipython()\n"
        "def state():\n"
        "    return (sorted(ip.magics_manager.magics['line']), sorted(ip.magics_manager.magics['cell']),"
        " sorted(ip.magics_manager.registry), len(ip.configurables), len(ip.input_transformers_cleanup),"
        " {k: len(v) for k, v in ip.events.callbacks.items()}, '_claude' in ip.user_ns)\n"
    )
    fresh_kernel.run(state)
    fresh_kernel.run("%lsmagic\n%unload_ext nothing")  # completes IPython's own lazy registration
    before = fresh_kernel.value("state()")
    fresh_kernel.run("%load_ext claude_magic")
    fresh_kernel.run("%claude_offline --pace 0")
    fresh_kernel.run("%claude hello", cell_id="x")
    pid = int(fresh_kernel.value("ip.magics_manager.registry['ClaudeMagics']._local.pid"))
    fresh_kernel.run("%unload_ext claude_magic")
    assert fresh_kernel.value("state()") == before
    assert not Path(f"/proc/{pid}").exists()
    fresh_kernel.run("%load_ext claude_magic\n%reload_ext claude_magic")
    fresh_kernel.run("%unload_ext claude_magic")
    assert fresh_kernel.value("state()") == before


def test_the_key_is_shown_nowhere(kernel: Kernel, local_api: LocalApi) -> None:
    for code in ("%claude_config", "_claude", "%claude --no-history hi", "%config ClaudeMagics"):
        ran = kernel.run(code, cell_id="k")
        assert local_api.token not in json.dumps(ran.messages, default=str)


def test_the_notebooks_interrupt_keeps_what_has_come_and_stops_the_queue(tmp_path: Path) -> None:
    with (
        offline.start(pace=100) as api,
        running_kernel(tmp_path, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.token) as kernel,
    ):
        kernel.run("%load_ext claude_magic")
        pid = int(kernel.value("__import__('os').getpid()"))
        request = kernel.send("%%claude\nwrite 2000 words", cell_id="long")
        seen = []
        for message in kernel.messages(request):
            seen.append(message)
            data = message["content"].get("data", {})
            if message["msg_type"] == "comm_msg" and "words" not in str(data) and "Part 1" in str(data):
                break
        os.kill(pid, signal.SIGINT)
        seen += kernel.messages(request)
        ran = Ran(messages=seen)
        assert re.sub(r"\x1b\[\d*m", "", ran.error) == (
            "Interrupted: stopped by an interrupt; what came is kept in _claude"
        )
        (final,) = ran.updated
        assert "stopped, the answer is partial" in final["text/markdown"]
        assert kernel.value("(_claude.stage, 'Part 1' in _claude.text)") == "('interrupted', True)"
        assert kernel.run("%claude say: next", cell_id="next").status == "ok"


def test_dry_run_needs_no_credential(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%load_ext claude_magic")
    assert "nothing was sent" in fresh_kernel.run("%claude --dry-run hello").result


def test_settings_change_all_or_none(kernel: Kernel) -> None:
    ran = kernel.run("%claude_config quiet=True max_tokens=abc")
    assert "Nothing was changed" in ran.error
    rows = {line.split()[0]: line for line in kernel.run("%claude_config").result.splitlines() if line}
    assert "False" in rows["quiet"]
