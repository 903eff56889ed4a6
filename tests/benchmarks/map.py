"""How fast ``%%claude_map`` asks, as a ratio to a bare asyncio loop over the SDK's async client.

``python -m tests.benchmarks.map`` prints a table. Both stream the same requests from the same local API, a
process of its own, 16 at once, in turns; ours keeps each answer on disk. ``--profile`` prints where ours
spends its time.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from claude_magic import offline
from tests.benchmarks.cell import timed
from tests.kernels import Kernel, running_kernel

AT_ONCE = 16
BARE = """
import anthropic, asyncio
async def _bare(count, run):
    gate = asyncio.Semaphore({at_once})
    http = anthropic.DefaultAsyncHttpxClient(trust_env=False)
    async with anthropic.AsyncAnthropic(http_client=http) as client:
        async def one(number):
            content = f"write {words} words: {{run}} {{number}}"
            async with gate, client.messages.stream(model="claude-sonnet-5-5", max_tokens=16000,
                    messages=[{{"role": "user", "content": content}}]) as stream:
                return "".join([text async for text in stream.text_stream])
        return await asyncio.gather(*(one(number) for number in range(count)))
"""
OURS = (
    "get_ipython().run_cell_magic('claude_map', '--over range({count}) --into out --concurrency {at_once}', "
    "'write {words} words: {run} {{{{ row }}}}')"
)
PROFILED = """
import cProfile, pstats
_p = cProfile.Profile(); _p.enable()
{}
_p.disable(); pstats.Stats(_p).sort_stats("cumulative").print_stats(45)
"""


@contextmanager
def asker(api: offline.LocalApi) -> Iterator[Kernel]:
    """A kernel of its own, that asks the local API."""
    where = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": api.token}
    with tempfile.TemporaryDirectory() as home, running_kernel(Path(home), **where) as running:
        running.run("import time")
        yield running


def ratio_rows(count: int, words: int, turns: int = 5) -> Iterator[tuple[str, float, str]]:
    api = offline.start(pace=0)
    try:
        with asker(api) as ours, asker(api) as bare:
            assert ours.run("%load_ext claude_magic\n%claude_config quiet=True").status == "ok"
            told = BARE.format(at_once=AT_ONCE, words=words)
            assert bare.run(told).status == "ok"
            asked, loops = [], []
            for run in range(-1, turns):
                loop = f"_texts = await _bare({count}, {run})"
                wall, cpu = timed(bare, loop)
                here = OURS.format(count=count, at_once=AT_ONCE, words=words, run=f"ours {run}")
                wall_here, cpu_here = timed(ours, here.replace("get_ipython", "_ = get_ipython"))
                if run >= 0:
                    loops.append((wall, cpu))
                    asked.append((wall_here, cpu_here))
            assert ours.value("set(out['claude_stage'])") == "{'complete'}"
            assert int(bare.value("len(_texts)")) == count
    finally:
        api.stop()
    wall, wall_here = (statistics.median(wall for wall, _ in one) for one in (loops, asked))
    cpu, cpu_here = (statistics.median(cpu for _, cpu in one) for one in (loops, asked))
    name = f"{count} rows of {words} words, {AT_ONCE} at once"
    yield f"{name}: throughput / bare asyncio", wall / wall_here, ">= 0.80"
    yield f"{name}: CPU / bare asyncio", cpu_here / cpu, ""
    yield f"{name}: rows a second", count / wall_here, ""


def profile(count: int, words: int) -> None:
    api = offline.start(pace=0)
    try:
        with asker(api) as ours:
            ours.run("%load_ext claude_magic\n%claude_config quiet=True")
            for run in range(2):
                here = OURS.format(count=count, at_once=AT_ONCE, words=words, run=run)
                ran = ours.run(PROFILED.format(here))
            print(ran.stdout)
    finally:
        api.stop()


def main() -> None:
    if "--profile" in sys.argv:
        profile(400, 60)
        return
    for name, value, bar in (*ratio_rows(400, 60), *ratio_rows(50, 600, turns=3)):
        print(f"{name:<62} {value:>10.3f}   {bar}")


if __name__ == "__main__":
    main()
