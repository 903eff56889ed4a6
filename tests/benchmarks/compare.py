"""What a comparison of three models costs on the wire, as ratios to three single streams.

``python -m tests.benchmarks.compare`` prints a table. A real kernel is driven as a page drives it, against a
server that streams the same answer to each question at a model's pace; messages and bytes of iopub are
counted at the client. The last row, 40 KB of answer at once, exceeds the bar for bytes: hardly anything is
drawn then, and the saved output has its text in three forms where a single reply's has two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.cell import flood, kernel, size
from tests.kernels import Kernel

MODELS = ("haiku", "sonnet", "opus")


def counted(running: Kernel, code: str, cell_id: str) -> tuple[int, int]:
    """Messages and bytes of a cell."""
    ran = running.run(code, cell_id=cell_id)
    assert ran.status == "ok", ran.error
    sizes: list[int] = size(ran.messages)
    return len(sizes), sum(sizes)


def rows(deltas: int, seconds: float) -> Iterator[tuple[str, float, str]]:
    """One length and pace of answers."""
    with flood(deltas, seconds) as url, kernel(url) as running:
        running.run("%load_ext claude_magic")
        running.run("%%claude --new\ngo", cell_id="warm")
        alone = [counted(running, f"%%claude --new -m {one}\ngo", f"{one}-{seconds}") for one in MODELS]
        flags = " ".join(f"-m {one}" for one in MODELS)
        messages, size_ = counted(running, f"%%claude --new {flags}\ngo", f"all-{seconds}")
        texts: Any = running.value("(len({one.text for one in _claude}), len(_claude[1].text) > 100)")
    assert texts == "(1, True)", texts
    what = f"{deltas} deltas in {seconds:g} s"
    yield f"{what}: messages / three single streams", messages / sum(one for one, _ in alone), "<= 1.00"
    yield f"{what}: bytes / three single streams", size_ / sum(one for _, one in alone), "<= 1.00"
    yield f"{what}: messages", messages, ""
    yield f"{what}: bytes", size_, ""


def main() -> None:
    """Print the table."""
    for deltas, seconds in ((40, 0.5), (2_000, 10.0), (2_000, 0.0), (10_000, 0.0)):
        for name, value, bar in rows(deltas, seconds):
            print(f"{name:<62} {value:>12.3f}   {bar}")


if __name__ == "__main__":
    main()
