"""What documents cost on their way into a block: ``python -m tests.benchmarks.documents``.

Ratios within one run: a PDF of 100 pages against its base64 alone; a summary of ten million rows against
the library's own ``describe``; the search for secrets in 5 MB against reading them as UTF-8. Medians.
"""

from __future__ import annotations

import inspect
import statistics
import sys
import time
from binascii import b2a_base64
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl

from claude_magic.content.pdfs import pdf_block
from claude_magic.content.secrets import find_secrets
from claude_magic.content.tables import table_block
from claude_magic.content.texts import decode, text_attachment
from claude_magic.values import Attaching
from tests.content import papers

HOW = Attaching()
ROWS = 10_000_000


def seconds(work: Callable[[], Any], against: Callable[[], Any], rounds: int) -> tuple[float, float, float]:
    """Median seconds of both, run in turn, and the median of their ratios."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        for kept, run in ((theirs, against), (ours, work)):
            start = time.perf_counter()
            run()
            kept.append(time.perf_counter() - start)
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return statistics.median(ours), statistics.median(theirs), statistics.median(ratios)


def row(
    what: str, work: Callable[[], Any], against: Callable[[], Any], most: float, rounds: int = 31
) -> bool:
    """Print one line; return whether the ratio is within its bar."""
    ours, theirs, ratio = seconds(work, against, rounds)
    print(f"{what:<58} {ours * 1e3:9.1f} ms {theirs * 1e3:9.1f} ms {ratio:7.3f}  (at most {most:g})")
    return ratio <= most


def long_frame() -> Any:
    """Ten million rows of ten mixed columns."""
    pd: Any = import_module("pandas")
    random = np.random.default_rng(1)
    colours = np.array(["red", "green", "blue"], dtype=object)
    columns: dict[str, Any] = {f"count {n}": random.integers(0, 1_000, ROWS) for n in range(3)}
    columns |= {f"share {n}": random.random(ROWS) for n in range(3)}
    columns["flag"] = random.random(ROWS) > 0.5
    columns["when"] = pd.date_range("2000-01-01", periods=ROWS, freq="s")
    columns["kind"] = pd.Categorical.from_codes(random.integers(0, 3, ROWS), ["x", "y", "z"])
    columns["name"] = colours[random.integers(0, 3, ROWS)]
    return pd.DataFrame(columns)


def main() -> int:
    """Print the rows; the exit status is 1 when one is over its bar."""
    print(f"{'':<58} {'ours':>12} {'against':>12} {'ratio':>7}")
    good = True
    for picture in (30_000, 60_000):
        data = papers.pdf(100, picture)
        what = f"PDF of 100 pages, {len(data) / 1e6:.1f} MB / base64 alone"
        block, alone = partial(pdf_block, data, "a.pdf", HOW), partial(b2a_base64, data, newline=False)
        good &= row(what, block, alone, 1.6)
    frame = long_frame()
    good &= row(
        "pandas, 10 million rows: summary / describe()",
        lambda: table_block(frame, "df", HOW),
        frame.describe,
        0.5,
        3,
    )
    lean = pl.DataFrame({name: frame[name].to_numpy() for name in list(frame)[:7]})
    good &= row(
        "polars, 10 million rows: summary / describe()",
        lambda: table_block(lean, "df", HOW),
        lean.describe,
        0.5,
        3,
    )
    source = (inspect.getsource(inspect) * 60)[:5_000_000].encode()
    text = source.decode()
    good &= row(
        "5 MB of code: decode and block / decode",
        lambda: text_attachment(decode(source)[0], "a", HOW),
        source.decode,
        100,
        5,
    )
    good &= row("5 MB of code: secrets / lower()", lambda: find_secrets(text), text.lower, 200, 5)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
