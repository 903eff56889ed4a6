"""The search for keys finds them: in files, across the edges of what is read, in a kernel's words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests import canary
from tests.kernels import Kernel

KEY = "sk-ant-" + "canary-" + "x" * 20  # in two pieces, so that this file is no finding


def test_a_key_is_found_in_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "PIECE", 64)
    (tmp_path / "clean.txt").write_text("sk-ant-api and sk-local- alone are no keys", encoding="utf-8")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "note.bin").write_bytes(b"\0" * 50 + KEY.encode() + b"\0" * 50)
    with sqlite3.connect(inner / "store.db") as database:
        database.execute("create table t (x)")
        database.execute("insert into t values (?)", (KEY,))
    database.close()
    found = canary.files_with_keys(tmp_path)
    for path in found:
        path.unlink()  # else the search at the end of the suite finds them, too
    assert [path.name for path in found] == ["note.bin", "store.db"]


def test_a_key_is_found_in_what_a_kernel_says(fresh_kernel: Kernel) -> None:
    with pytest.raises(AssertionError, match="a key is in a message"):
        fresh_kernel.run("print('sk-ant-' + 'canary-' + 'x' * 20)")
