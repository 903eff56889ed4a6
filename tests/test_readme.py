"""The README's tables and commands, held against what they speak of."""

from __future__ import annotations

import re
from pathlib import Path

from claude_magic import flags
from claude_magic.api import providers
from claude_magic.batch_magics import BatchMagics
from claude_magic.cassette_magics import CassetteMagics
from claude_magic.chat_magics import ChatMagics
from claude_magic.compare_magics import CompareMagics
from claude_magic.magics import ClaudeMagics
from claude_magic.map_magics import MapMagics
from claude_magic.tool_magics import ToolMagics

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
CLASSES = (ClaudeMagics, ChatMagics, ToolMagics, MapMagics, BatchMagics, CompareMagics, CassetteMagics)


def test_the_table_of_flags_is_the_parsers() -> None:
    table = flags.markdown_table(flags.ASK)
    assert table in README, f"README.md should have:\n{table}"


def test_the_table_of_magics_is_complete() -> None:
    section = README.split("## Magics")[1].split("### Flags")[0]
    told = {name.lstrip("%") for name in re.findall(r"^\| `(%+\w+)", section, re.MULTILINE)}
    names = {name for one in CLASSES for kind in one.magics.values() for name in kind}
    assert told == names


def test_the_table_of_providers_is_complete() -> None:
    section = README.split("### Other providers")[1].split("\n## ")[0]
    rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| ")][1:]
    known = [one for one in providers.PROVIDERS if one is not providers.ANTHROPIC]
    assert [(row[0].lstrip("| "), row[1].strip("`")) for row in rows] == [
        (one.title, one.name) for one in known
    ]
    for row, one in zip(rows, known, strict=True):
        assert (f'"anthropic[{one.extra}]"' in row[2]) == bool(one.extra)
        if one.key and "as above" not in row[3]:
            assert f"`{one.key}`" in row[3]
        for _, told in one.wants:
            variable = re.search(r"set ([A-Z_]{5,})", told)
            assert variable is None or f"`{variable[1]}`" in " ".join(row), told


def test_every_magic_has_a_manual_page() -> None:
    for one in CLASSES:
        for kind in one.magics.values():
            for name, method in kind.items():
                page = getattr(one, method if isinstance(method, str) else name).__doc__ or ""
                assert len(page.splitlines()) > 2, name
                assert "{flags}" not in page, name


def test_ci_runs_the_readmes_test_command() -> None:
    ci = (Path(__file__).parent.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert "bash tests/run" in ci
    assert "\nbash tests/run\n" in README
