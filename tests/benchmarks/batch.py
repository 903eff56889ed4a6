"""What a batch of 100,000 rows, or of ROWS, costs: ``python -m tests.benchmarks.batch [ROWS]``.

The local API runs in its own process; the memory is that of this one, which sends and fetches.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from anthropic import Anthropic, DefaultHttpxClient

from claude_magic import batching, offline
from claude_magic.api import models
from claude_magic.api.files import Files
from claude_magic.api.patience import Patience
from claude_magic.api.spool import Spool
from claude_magic.conversation.batch_values import Run
from claude_magic.conversation.store import Store
from claude_magic.display.bar import NoBar
from claude_magic.question import Question
from claude_magic.rows import rows_of
from claude_magic.stop import Stop

BAR = 300_000_000
"""Bytes of memory at most."""
POLL = 1.0


def peak() -> int:
    """Bytes of memory this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(count: int) -> None:
    """Send and fetch; print times and memory after each step."""
    model = models.find("claude-haiku-5-5")
    assert model is not None

    def tell(step: str, began: float) -> None:
        spent, held = time.perf_counter() - began, peak() / 1e6
        print(f"{step:<28} {spent:8.1f} s   peak {held:6.1f} MB")

    with (
        tempfile.TemporaryDirectory() as folder,
        offline.start(pace=0, batches=offline.Pledge(delay=0.0)) as api,
        Anthropic(
            base_url=api.url,
            api_key=api.token,
            http_client=DefaultHttpxClient(trust_env=False),
        ) as client,
    ):
        store = Store.open(Path(folder) / "store.db")
        spool = Spool(Path(folder) / "spool")
        began = time.perf_counter()
        with Stop() as stop:
            means = batching.BatchMeans(
                client, Files(client), store.batches, spool, stop, Patience(), NoBar(), lambda _: None
            )
            question = Question("say: row {{ row }}", model, {}, max_tokens=100, host="here", goes_on=False)
            run = Run(0, time.time(), "book", "talk", "", means.host, model.id, question.prompt, "out")
            tell("imported, server started", began)
            began = time.perf_counter()
            spooled = batching.spool_rows(question, rows_of(range(count)), run, means, store.asked.found)
            size = sum(path.stat().st_size for path in spool.folder.iterdir())
            tell(f"on disk ({size / 1e6:.0f} MB)", began)
            began = time.perf_counter()
            batching.submit(spooled.parts, means)
            tell(f"sent as {len(spooled.parts)}", began)
            began = time.perf_counter()
            while any(one.status == "in_progress" for one in store.batches.batches()):
                time.sleep(POLL)
                for one in store.batches.batches():
                    batching.refresh(one, means)
            tell("answered by the local API", began)
            began = time.perf_counter()
            for one in store.batches.batches():
                batching.fetch(one, means)
            tell("fetched and kept", began)
            began = time.perf_counter()
            table = batching.run_table(store.batches.told(spooled.run.key), None)
            tell(f"as a table of {len(table):,}", began)
        assert sum(one.answered for one in store.batches.batches()) == count
        assert table["answer"].tolist() == [f"row {number}" for number in range(count)]
        store.close()
    held = peak()
    print(f"peak {held / 1e6:.0f} MB, bar {BAR / 1e6:.0f} MB: {'kept' if held < BAR else 'NOT KEPT'}")
    sys.exit(held >= BAR)


if __name__ == "__main__":
    main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 100_000)
