"""Attachments from a cell to the API and back: a real kernel, the real SDK, a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_magic import offline
from tests.content import papers
from tests.kernels import Kernel, Ran, answer_input, running_kernel

TURNS = "len(get_ipython().magics_manager.registry['ClaudeMagics']._session._kept.current.turns)"
SETUP = """
import io, matplotlib
matplotlib.use("agg")
from matplotlib.figure import Figure
import numpy as np, pandas as pd, pypdf
fig = Figure(); fig.add_subplot().plot([1, 3, 2])
noise = np.random.default_rng(0).integers(0, 255, (1200, 1600, 3), dtype="uint8")
df = pd.DataFrame({"a": range(100), "b": list("xy") * 50})
def make_pdf(pages, payload=0):
    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if payload:
        writer.add_attachment("ballast", np.random.default_rng(0).bytes(payload))
    buffer = io.BytesIO(); writer.write(buffer); return buffer.getvalue()
report = make_pdf(5)
"""


@pytest.fixture(scope="module")
def desk(kernel: Kernel) -> Kernel:
    ran = kernel.run(SETUP)
    assert ran.status == "ok", ran.error
    return kernel


def ask(kernel: Kernel, code: str, *, cell_id: str | None = None) -> Ran:
    ran = kernel.run(code, cell_id=cell_id, allow_stdin=False)
    assert ran.status == "ok", ran.error
    return ran


def test_the_model_sees_what_was_attached_and_the_reader_a_line_of_it(desk: Kernel) -> None:
    (data,) = ask(desk, "%%claude --new -a fig -a report -a df\nDescribe.").displayed
    assert "Image 1: PNG, 1568×1176 px" in data["text/plain"]
    assert "5 pages" in data["text/plain"]
    assert "100 rows × 2 columns" in data["text/plain"]
    assert data["text/markdown"].startswith("*attached: fig, 1568×1176 PNG, ")
    turn = data["application/vnd.claude-magic.turn+json"]
    assert [one["name"] for one in turn["attachments"]] == ["fig", "report", "df"]


def test_values_stand_at_their_very_place(desk: Kernel) -> None:
    ask(desk, "%%claude --new\nbefore {{ fig }} after")
    kinds = desk.value("[block.kind for block in _claude.turn.blocks]")
    assert kinds == "['text', 'image', 'text']"
    assert desk.value("[b.text for b in _claude.turn.blocks if b.text]") == "['before ', ' after']"


def test_detail_changes_the_size_and_the_tokens(desk: Kernel) -> None:
    for flags, size in (
        ("--detail low", "768×576"),
        ("", "1568×1176"),
        ("--detail full -m opus", "1600×1200"),
    ):
        (data,) = ask(desk, f"%claude --new {flags} -a noise what?").displayed
        assert size in data["text/markdown"], flags


def test_cited_answers_show_numbered_sources(desk: Kernel) -> None:
    desk.run("open('facts.txt', 'w').write('The mast is 12 m high.\\nIt was built in 1931.')")
    (data,) = ask(desk, "%claude --new --cite -a facts.txt How high is the mast?").displayed
    shown = data["text/markdown"]
    assert "[1]" in shown
    assert "**Sources**" in shown
    assert "1. facts.txt, characters" in shown
    assert "**Sources**" not in data["text/plain"]
    folder = Path(desk.value("__import__('os').getcwd()").strip("'"))
    (folder / "said.pdf").write_bytes(papers.pdf(9))
    (data,) = ask(desk, "%claude --new --cite -a said.pdf[4-6] What is in it?").displayed
    assert "1. said.pdf, page 4: “" in data["text/markdown"]


def test_a_cited_answer_goes_back_into_the_conversation(desk: Kernel) -> None:
    ask(desk, "%claude --new --cite -a facts.txt How high is the mast?")
    ask(desk, "%claude And when was it built?")


def test_dry_run_and_count_show_the_request_and_ask_nothing(desk: Kernel) -> None:
    ask(desk, "%claude --new hello")
    before = desk.value(TURNS)
    table = ask(desk, "%claude --dry-run -s 'Be brief.' -a fig -a report what?").result
    for part in (
        "claude-sonnet-5-5",
        "Be brief.",
        "turn 1, user",
        "hello",
        "image: fig",
        "document: report",
        "≈",
    ):
        assert part in table
    counted = ask(desk, "%%claude_count -a fig\nwhat?").result
    total = next(line for line in counted.splitlines() if line.startswith("request"))
    assert "counted by the API, not asked" in total
    assert "nothing was sent" in table
    assert "≈" not in total
    assert "$0.00" in total
    after = desk.value(TURNS)
    assert after == before


def test_follow_up_turns_encode_nothing(desk: Kernel) -> None:
    ask(desk, "%claude --new -a noise what?")
    spy = """
import base64, PIL.Image
calls = []
real_save, real_b64 = PIL.Image.Image.save, base64.b64encode
PIL.Image.Image.save = lambda *a, **k: (calls.append("save"), real_save(*a, **k))[1]
base64.b64encode = lambda *a, **k: (calls.append("base64"), real_b64(*a, **k))[1]
"""
    desk.run(spy)
    ask(desk, "%claude and now?")
    desk.run("PIL.Image.Image.save, base64.b64encode = real_save, real_b64")
    assert desk.value("calls") == "[]"


def test_the_live_view_shows_a_thumbnail(desk: Kernel) -> None:
    ran = ask(desk, "%claude --new -a fig what?", cell_id="strip")
    opened = json.dumps([m["content"] for m in ran.messages if m["msg_type"] in ("comm_open", "comm_msg")])
    assert "claude-strip" in opened
    assert "data:image/" in opened


def test_secrets_are_asked_about_and_refused_where_nobody_answers(desk: Kernel) -> None:
    desk.run("token = 'ghp' + '_' + 'a1B2' * 9; open('.env', 'w').write('K=' + token)")
    for code in (
        "%claude --new look at {{ token }}",
        "%claude --new -a .env look",
        "%claude --new -s token look",
    ):
        ran = desk.run(code, allow_stdin=False)
        assert "looks like a secret: " in ran.error
        assert "GitHub token in" in ran.error
        assert "line 1" in ran.error
        assert "a1B2" not in ran.error
    request = desk.send("%claude --new look at {{ token }}")
    assert "a1B2" not in answer_input(desk, "n")
    assert "Not sent" in desk.collect(request).error
    request = desk.send("%claude --new look at {{ token }}")
    answer_input(desk, "y")
    assert desk.collect(request).status == "ok"
    desk.run("%claude_config allow_secrets=True")
    assert desk.run("%claude --new look at {{ token }}", allow_stdin=False).status == "ok"
    desk.run("%claude_config allow_secrets=False")


def test_more_than_twenty_pictures_keep_within_the_stricter_limit(desk: Kernel) -> None:
    desk.run("wide = np.random.default_rng(1).integers(0, 255, (300, 2500, 3), dtype='uint8')")
    ask(desk, "%claude --new -m opus --detail full -a wide one")
    desk.run("many = [noise[:40, i * 50 : i * 50 + 60] for i in range(20)]")
    ask(desk, "%claude -m opus -a many twenty more")
    assert desk.value("_claude.stop_reason") == "'end_turn'"


@pytest.fixture
def uploading(tmp_path: Path) -> Iterator[Kernel]:
    with (
        offline.start(pace=0, files_expire=3) as api,
        running_kernel(tmp_path, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.token) as kernel,
    ):
        kernel.run("%load_ext claude_magic\n%claude_config upload_above=1000000")
        kernel.run(SETUP + "\nlarge = make_pdf(2, 1_500_000)")
        yield kernel


FILES = "get_ipython().magics_manager.registry['ClaudeMagics']._session._connection._files._uploaded"


def test_large_attachments_are_uploaded_once_and_again_when_expired(uploading: Kernel) -> None:
    (data,) = ask(uploading, "%claude -a large what?").displayed
    assert "2 pages" in data["text/plain"]
    first = uploading.value(f"[one.file_id for one in {FILES}.values()]")
    assert first.startswith("['file_")
    ask(uploading, "%claude and now?")
    assert uploading.value(f"[one.file_id for one in {FILES}.values()]") == first
    uploading.run("import time; time.sleep(3.5)")
    ask(uploading, "%claude and after it has expired?")
    assert uploading.value(f"[one.file_id for one in {FILES}.values()]") != first


def test_without_a_files_endpoint_large_attachments_go_inline(tmp_path: Path) -> None:
    with (
        offline.start(pace=0, files=False) as api,
        running_kernel(tmp_path, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.token) as kernel,
    ):
        kernel.run("%load_ext claude_magic\n%claude_config upload_above=1000000")
        kernel.run(SETUP + "\nlarge = make_pdf(2, 1_500_000)")
        (data,) = ask(kernel, "%claude -a large what?").displayed
        assert "2 pages" in data["text/plain"]
