"""What a ``%%claude`` cell costs, as ratios to the bare SDK in the same run.

``python -m tests.benchmarks.cell`` prints a table. Each row runs in a real kernel, against a server that
only streams; iopub bytes are counted at the client.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.session import Session

from tests.kernels import Kernel, running_kernel

SDK = """
import time, anthropic
client = anthropic.Anthropic(http_client=anthropic.DefaultHttpxClient(trust_env=False))
def raw():
    with client.messages.stream(model="claude-sonnet-5-5", max_tokens=1000,
                                messages=[{"role": "user", "content": "go"}]) as stream:
        for text in stream.text_stream:
            pass
"""
TIMED = """
_w, _c = time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - _w, time.process_time() - _c)
"""


@contextmanager
def flood(deltas: int, seconds: float = 0) -> Iterator[str]:
    """A streaming server; yields its address."""
    command = [sys.executable, "-m", "tests.benchmarks.flood", str(deltas), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.communicate(timeout=20)


@contextmanager
def kernel(url: str) -> Iterator[Kernel]:
    with (
        tempfile.TemporaryDirectory() as home,
        running_kernel(Path(home), ANTHROPIC_BASE_URL=url, ANTHROPIC_API_KEY="sk-bench") as running,
    ):
        running.run("import time")
        yield running


def timed(running: Kernel, code: str, cell_id: str | None = None) -> tuple[float, float]:
    """Wall and CPU seconds of a statement in the kernel."""
    ran = running.run(TIMED.format(code), cell_id=cell_id)
    assert ran.status == "ok", ran.error
    wall, cpu = ran.stdout.split()
    return float(wall), float(cpu)


def size(messages: list[dict[str, Any]]) -> list[int]:
    """Bytes of each message as it stood on the wire, about: its parts as JSON."""
    session = Session()
    return [
        sum(len(session.pack(message[part])) for part in ("header", "parent_header", "metadata", "content"))
        for message in messages
        if message["msg_type"] not in ("status", "execute_input")
    ]


def load_rows() -> Iterator[tuple[str, float, str]]:
    loads, imports, modules = [], [], 0.0
    for _ in range(3):
        with kernel("http://127.0.0.1:9") as running:
            running.run("1 + 1")
            loads.append(timed(running, "get_ipython().run_line_magic('load_ext', 'claude_magic')")[0])
        with kernel("http://127.0.0.1:9") as running:
            imports.append(timed(running, "import anthropic")[0])
        with kernel("http://127.0.0.1:9") as running:
            running.run("import sys, resource; _before = set(sys.modules)")
            count = "%load_ext claude_magic\nprint(len(set(sys.modules) - _before))"
            modules = float(running.run(count).stdout)
    yield "load_ext / import anthropic", statistics.median(loads) / statistics.median(imports), "<= 0.05"
    yield "modules added by load", modules, "<= 40"


def first_rows() -> Iterator[tuple[str, float, str]]:
    ours, raws = [], []
    with flood(20) as url:
        for _ in range(3):
            with kernel(url) as running:
                running.run("%load_ext claude_magic")
                time.sleep(2)
                begun = time.perf_counter()
                ran = running.run("%%claude\ngo", cell_id="a")
                ours.append(time.perf_counter() - begun)
                assert ran.status == "ok", ran.error
            with kernel(url) as running:
                time.sleep(2)
                begun = time.perf_counter()
                assert running.run(SDK + "raw()").status == "ok"
                raws.append(time.perf_counter() - begun)
    yield (
        "first answer after 2 s pause / raw SDK",
        statistics.median(ours) / statistics.median(raws),
        "<= 0.20",
    )


def stream_rows(deltas: int) -> Iterator[tuple[str, float, str]]:
    with flood(deltas) as url, kernel(url) as running:
        running.run("%load_ext claude_magic")
        running.run(SDK)
        ask = "get_ipython().run_cell_magic('claude', '--new', 'go')"
        running.run("raw()")
        running.run(ask, cell_id="warm")
        walls, cpus, raw_walls, raw_cpus, sizes, counts = [], [], [], [], [], []
        for number in range(3):
            request = running.send(TIMED.format(ask), cell_id=f"c{number}")
            ran = running.collect(request)
            assert ran.status == "ok", ran.error
            wall, cpu = map(float, ran.stdout.split())
            walls.append(wall)
            cpus.append(cpu)
            sizes.append(sum(size(ran.messages)))
            counts.append(sum(message["msg_type"] == "comm_msg" for message in ran.messages))
            wall, cpu = timed(running, "raw()")
            raw_walls.append(wall)
            raw_cpus.append(cpu)
        reply = float(running.value("len(_claude.text)"))
    yield (
        f"{deltas} deltas: wall / raw SDK",
        statistics.median(walls) / statistics.median(raw_walls),
        "<= 0.50",
    )
    yield f"{deltas} deltas: CPU / raw SDK", statistics.median(cpus) / statistics.median(raw_cpus), "<= 0.50"
    yield f"{deltas} deltas: wall, s", statistics.median(walls), ""
    yield f"{deltas} deltas: (iopub - 20 KB) / reply", (statistics.median(sizes) - 20_000) / reply, "<= 5"
    yield f"{deltas} deltas: iopub bytes", statistics.median(sizes), ""
    yield f"{deltas} deltas: messages", statistics.median(counts), ""


def first_text_rows() -> Iterator[tuple[str, float, str]]:
    with flood(40, 0.5) as url, kernel(url) as running:
        running.run("%load_ext claude_magic")
        running.run("%claude --new go", cell_id="warm")
        times = [first_text(running, "%claude --new go")[0] for _ in range(5)]
    yield "first text after the cell was sent, warm, ms", statistics.median(times) * 1000, "<= 30"


def first_text(running: Kernel, code: str) -> tuple[float, list[dict[str, Any]]]:
    """Seconds until the first of the answer's text is on the wire; and all messages of the cell."""
    request = running.send(code, cell_id="p")
    sent, first = time.perf_counter(), 0.0
    messages = []
    for message in running.messages(request):
        messages.append(message)
        data = message["content"].get("data", {})
        content = data.get("content", {}) if isinstance(data, dict) else {}
        if not first and (content.get("tail") or content.get("done") or content.get("whole", {}).get("tail")):
            first = time.perf_counter() - sent
    while running.client.get_shell_msg(timeout=30)["parent_header"]["msg_id"] != request:
        pass
    return first, messages


def paced_rows(seconds: float = 10, deltas: int = 2_000) -> Iterator[tuple[str, float, str]]:
    with flood(deltas, seconds) as url, kernel(url) as running:
        running.run("%load_ext claude_magic")
        running.run(SDK)
        time.sleep(3)  # the background import is another row's
        ask = "get_ipython().run_cell_magic('claude', '--new', 'go')"
        _, messages = first_text(running, TIMED.format(ask))
        printed = "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")
        cpu = float(printed.split()[1])
        raw = timed(running, "raw()")[1]
        reply = float(running.value("len(_claude.text)"))
        comms = [message for message in messages if message["msg_type"] == "comm_msg"]
        # A kernel's first question also brings the page the view's own code, once.
        own = [message for message in messages if message["msg_type"] != "comm_open"]
    yield "paced 10 s: CPU / raw SDK", cpu / raw, "<= 1.00"
    yield (
        "paced 10 s: iopub bytes beyond 5 x reply, per s",
        (sum(size(messages)) - 5 * reply) / seconds,
        "<= 30000",
    )
    yield "paced 10 s: messages a second", len(comms) / seconds, "<= 20"
    yield (
        "paced 10 s: largest message / (2.1 x reply + 4 KB)",
        max(size(own)) / (2.1 * reply + 4096),
        "<= 1",
    )


PICTURE = """
import io, base64, numpy as np
from PIL import Image
_noise = np.random.default_rng(0).integers(0, 255, (1100, 1320, 3), dtype="uint8")
_b = io.BytesIO(); Image.fromarray(_noise).save(_b, "JPEG", quality=97)
picture = _b.getvalue()
messages = []
def raw(image=None):
    content = [{"type": "text", "text": "go"}]
    if image:
        data = base64.b64encode(image).decode()
        source = {"type": "base64", "media_type": "image/jpeg", "data": data}
        content.insert(0, {"type": "image", "source": source})
    messages.append({"role": "user", "content": content})
    with client.messages.stream(model="claude-sonnet-5-5", max_tokens=1000, messages=messages) as stream:
        text = "".join(stream.text_stream)
    messages.append({"role": "assistant", "content": text})
"""


def follow_rows(turns: int = 100) -> Iterator[tuple[str, float, str]]:
    """Late turns of a conversation with answers of 1 KB, against the SDK keeping its own list of messages."""
    ask = "get_ipython().run_cell_magic('claude', {!r}, 'go')"
    for kind, bar in (("text", "<= 1.0"), ("a 2 MB picture", "<= 0.80")):
        picture = kind != "text"
        with flood(256) as url, kernel(url) as running:
            running.run("%load_ext claude_magic")
            running.run(SDK)
            assert running.run(PICTURE).status == "ok"
            first = ask.format("--new -a picture" if picture else "--new")
            running.run(f"raw({'picture' if picture else ''})\n{first}", cell_id="first")
            ours, raws = [], []
            for number in range(turns):
                ours.append(timed(running, ask.format(""), cell_id=f"t{number}"))
                raws.append(timed(running, "raw()"))
        early, late = ours[2:12], ours[-10:]
        ratio = sum(cpu for _, cpu in late) / sum(cpu for _, cpu in raws[-10:])
        yield f"turns {turns - 9}-{turns}, {kind}: CPU / raw SDK", ratio, bar
        growth = statistics.median(wall for wall, _ in late) / statistics.median(wall for wall, _ in early)
        yield f"turn {turns} / turn 3-12, {kind}: wall", growth, "<= 1.15"


def main() -> None:
    wanted = sys.argv[1:] or ["load", "first", "stream", "paced", "follow"]
    rows: list[tuple[str, float, str]] = []
    if "load" in wanted:
        rows += load_rows()
    if "first" in wanted:
        rows += first_rows()
    if "stream" in wanted:
        small, large = list(stream_rows(10_000)), list(stream_rows(50_000))
        rows += [*small, *large]
        figures = {name: value for name, value, _ in (*small, *large)}
        growth = figures["50000 deltas: iopub bytes"] / figures["10000 deltas: iopub bytes"]
        rows.append(("iopub growth, reply x 5", growth, "<= 5.2"))
    if "follow" in wanted:
        rows += follow_rows()
    if "paced" in wanted:
        rows += first_text_rows()
        rows += paced_rows()
    for name, value, bar in rows:
        print(f"{name:<52} {value:>12.3f}   {bar}")


if __name__ == "__main__":
    main()
