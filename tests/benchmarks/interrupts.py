"""Interrupts at random moments of a cell, in a real kernel: how soon each ends, and what is kept.

``python -m tests.benchmarks.interrupts [COUNT]`` prints the figures; 500 take about six minutes.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from claude_magic import offline
from tests.kernels import Kernel, Ran, running_kernel

LOOK = """
import json as _json
print(_json.dumps([_claude.turn.prompt, _claude.stage, _claude.text,
                   [t.prompt for t in get_ipython().magics_manager.registry["ClaudeMagics"]
                    ._session._kept.current.turns][-1]]))
"""


@dataclass(frozen=True)
class Ended:
    """How one interrupted cell ended.

    Parameters
    ----------
    seconds : float
        From the interrupt to the cell's end.
    phase : str
        ``before`` anything was asked, ``waiting`` for text, ``writing``, or ``whole``.
    wrong : str
        What should not have happened, ``""`` for nothing.
    """

    seconds: float
    phase: str
    wrong: str


def interrupted_once(kernel: Kernel, number: int, after: float) -> Ended:
    """Run a cell, interrupt it after so many seconds, look at what is kept, and ask again."""
    prompt = f"write 4000 words, number {number}"
    request = kernel.send(f"%%claude\n{prompt}", cell_id=f"cell-{number}")
    kernel.begun(request)
    time.sleep(after)
    struck = time.monotonic()
    kernel.manager.interrupt_kernel()
    ran = kernel.collect(request)
    seconds = time.monotonic() - struck
    phase, wrong = _kept(kernel, ran, prompt)
    again = kernel.run(f"print(get_ipython().run_line_magic('claude', '--quiet say: fine {number}').text)")
    if again.stdout.strip() != f"fine {number}":
        wrong = wrong or f"the next question failed: {again.error or again.stdout}"
    return Ended(seconds, phase, wrong)


def _kept(kernel: Kernel, ran: Ran, prompt: str) -> tuple[str, str]:
    """The phase the interrupt fell into, and what is wrong with what was kept."""
    error = ran.error.replace("\x1b[31m", "").replace("\x1b[39m", "")
    if "claude_magic" in error and "Traceback" in error:
        return "", f"a traceback: {error[-400:]}"
    look = kernel.run(LOOK)
    asked, stage, text, last = json.loads(look.stdout) if look.status == "ok" else ("", "", "", "")
    if asked != prompt:
        plain = "KeyboardInterrupt" in error or error.endswith("stopped by an interrupt")
        return "before", "" if plain else f"not kept, though the cell said: {error or ran.status}"
    if last != prompt:
        return "", "the prompt is not in the conversation"
    if ran.status == "ok" and stage != "complete":
        return "", f"the cell succeeded, but its turn is {stage}"
    if stage == "complete":
        return "whole", ""
    shown = (ran.updated or ran.displayed)[-1]["text/plain"]
    if stage != "interrupted" or not shown.startswith(text[:2000]):
        return "", f"{stage}: {shown[:80]!r} is not {text[:80]!r}"
    return ("writing" if text else "waiting"), ""


def interrupts(count: int, home: Path, seed: int = 1) -> list[Ended]:
    """So many interrupts, the moments spread over the first second of a cell."""
    dice = random.Random(seed)
    api = offline.start(pace=400)
    try:
        with running_kernel(home, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.token) as kernel:
            assert kernel.run("%load_ext claude_magic").status == "ok"
            kernel.run("%claude --quiet say: warm")
            ended = []
            for number in range(count):
                # Every third falls into the first moments, before anything has come.
                after = dice.random() * (0.03 if number % 3 == 0 else 1.0)
                ended.append(interrupted_once(kernel, number, after))
                if number % 20 == 19:
                    kernel.run("%claude_chat --new")
            return ended
    finally:
        api.stop()


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as folder:
        ended = interrupts(count, Path(folder))
    times = sorted(one.seconds for one in ended)
    phases = {
        phase: sum(one.phase == phase for one in ended) for phase in ("before", "waiting", "writing", "whole")
    }
    wrong = [one.wrong for one in ended if one.wrong]
    print(f"{count} interrupts: median {times[len(times) // 2] * 1000:.0f} ms,", end=" ")
    print(f"p99 {times[int(len(times) * 0.99)] * 1000:.0f} ms, longest {times[-1] * 1000:.0f} ms; {phases}")
    print(f"{len(wrong)} wrong", *wrong[:5], sep="\n  ")


if __name__ == "__main__":
    main()
