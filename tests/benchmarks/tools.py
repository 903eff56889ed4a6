"""What tool calls cost: 8,000 pieces of JSON against the bare SDK, and a loop of many rounds.

``python -m tests.benchmarks.tools`` prints a table. Each row runs in a real kernel, against a server whose
replies are made beforehand; iopub bytes are counted at the client.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.benchmarks.cell import kernel, size, timed
from tests.faults import GOOD, FaultServer, Raw, Script, Seen, chunk, ended, head, sse, start, tool
from tests.kernels import Kernel
from tests.tools.scripts import FUNCTIONS, call, calling

PIECES = 8_000
RAW = """
import anthropic
client = anthropic.Anthropic(http_client=anthropic.DefaultHttpxClient(trust_env=False))
def raw():
    for event in client.messages.create(model="claude-sonnet-5-5", max_tokens=1000, stream=True,
                                        messages=[{"role": "user", "content": "go"}]):
        pass
"""


def pieces() -> Script:
    """One call, its JSON in many pieces, all sent at once."""
    text = [f"{number:04}" for number in range(PIECES)]
    events = sse(start(), *tool(0, '{"at": "', *text, '"}', name="look"), *ended("tool_use"))
    return (Raw(head()), Raw(chunk(events)), Raw(chunk(b"")))


def piece_rows() -> Iterator[tuple[str, float, str]]:
    flood = pieces()

    def choose(seen: Seen) -> Script:
        return flood if len(seen.messages) == 1 else GOOD

    with FaultServer(choose) as server, kernel(server.url) as running:
        running.run("%load_ext claude_magic")
        running.run(FUNCTIONS + RAW)
        asking = "get_ipython().run_cell_magic('claude', '--no-history --tools look', 'go')"
        times: dict[str, list[tuple[float, float]]] = {"raw()": [], asking: []}
        for _ in range(9):
            for code, taken in times.items():
                taken.append(timed(running, code, cell_id="bench"))
        for number, what in enumerate(("wall", "CPU")):
            raw, ours = (statistics.median(one[number] for one in taken[1:]) for taken in times.values())
            print(f"  {what}: bare SDK {raw:.3f} s, with two requests, check and run {ours:.3f} s")
            yield f"{PIECES:,} pieces of tool JSON / create(stream=True), {what}", ours / raw, "<= 1"


def loop(running: Kernel, server: FaultServer, rounds: int) -> tuple[float, float, float]:
    """Wall and CPU seconds, and bytes sent to the page, of one question with so many rounds."""
    given = f'{{"at": "{"x" * 500}"}}'
    server.answers([*(calling(call("look", given, f"t{number}")) for number in range(rounds)), GOOD])
    code = f"get_ipython().run_cell_magic('claude', '--new --tools look --rounds {rounds}', 'go')"
    wall, cpu = timed(running, code, cell_id="loop")
    server.answers([*(calling(call("look", given, f"t{number}")) for number in range(rounds)), GOOD])
    ran = running.run(f"%%claude --new --tools look --rounds {rounds}\ngo", cell_id="bytes")
    return wall, cpu, sum(size(ran.messages))


def loop_rows() -> Iterator[tuple[str, float, str]]:
    with FaultServer() as server, kernel(server.url) as running:
        running.run("%load_ext claude_magic")
        running.run(FUNCTIONS)
        loop(running, server, 5)
        found = {rounds: loop(running, server, rounds) for rounds in (10, 25, 50, 100)}
    for rounds, (wall, cpu, sent) in found.items():
        each = f"{1000 * wall / rounds:.1f} ms wall, {1000 * cpu / rounds:.1f} ms CPU"
        print(f"  {rounds} rounds, of each: {each}, {sent / rounds:,.0f} bytes to the page")
    for number, what in enumerate(("wall", "CPU", "bytes to the page")):
        yield f"50 rounds / 10 rounds, {what}", found[50][number] / found[10][number], "<= 7"


def main() -> None:
    rows = [*piece_rows(), *loop_rows()]
    for what, ratio, target in rows:
        print(f"{what:<70} {ratio:8.2f}   {target}")


if __name__ == "__main__":
    main()
