"""What would be sent: the whole request as a table, for ``--dry-run`` and ``--count``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from claude_magic.display.strip import data_size, told
from claude_magic.display.table import Table
from claude_magic.values import Block, Turn

_START = 120


def preview(
    *,
    model: str,
    system: str,
    history: Sequence[Turn],
    blocks: Sequence[Block],
    size: int,
    total: str,
    done: str,
    extra: str = "",
    options: str = "",
    tools: Sequence[bytes] = (),
    prefill: str = "",
) -> Table:
    """The parts of a request in the order in which they would go out.

    Parameters
    ----------
    size : int
        Bytes of the whole request.
    total : str
        What it comes to: tokens and cost.
    done : str
        What was done with it.
    extra : str
        Further parameters, as JSON.
    options : str
        How the model is to answer, as JSON: effort, thinking, a schema.
    tools : sequence of bytes
        What it may call, as JSON.
    prefill : str
        How the answer is to begin.
    """
    rows = [("model", model, "")]
    if system:
        rows.append(("system", _start(system), _about(len(system))))
    if extra:
        rows.append(("extra", _start(extra), ""))
    rows += _asked(json.loads(options) if options else {})
    for tool in map(json.loads, tools):
        told = " ".join(str(tool.get(field) or "") for field in ("type", "description")).strip()
        rows.append((f"tool {tool.get('name')}", _start(told), _about(len(str(tool)))))
    for number, turn in enumerate(history, 1):
        rows += [(f"turn {number}, user", *_row(block)) for block in turn.blocks]
        rows.append((f"turn {number}, assistant", _start(turn.text), _about(len(turn.text))))
    rows += [("user", *_row(block)) for block in blocks]
    if prefill:
        rows.append(("assistant", _start(prefill), _about(len(prefill))))
    rows.append(("request", f"{data_size(size)}, {done}", total))
    return Table(("part", "content", "tokens"), tuple(rows))


def _asked(options: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """How the model is to answer: ``output_config`` by its fields, the rest as it is."""
    for name, value in {**options, **options.get("output_config", {})}.items():
        if name == "format":
            schema = json.dumps(value.get("schema"), ensure_ascii=False)
            yield "schema", _start(schema), _about(len(schema))
        elif name != "output_config":
            pairs = value.items() if isinstance(value, dict) else ()
            yield name, _start(", ".join(f"{key} {one}" for key, one in pairs) or str(value)), ""


def _row(block: Block) -> tuple[str, str]:
    if block.name:
        return f"{block.kind}: {told(block, tokens=False)}", f"≈{block.tokens:,}" if block.tokens else ""
    return _start(block.text), _about(len(block.text))


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _START else line[: _START - 1] + "…"


def _about(characters: int) -> str:
    return f"≈{max(1, round(characters / 3.3)):,}"
