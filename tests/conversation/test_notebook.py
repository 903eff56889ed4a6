"""Which notebook this is: hints confirmed by the file, and a table of renames, moves and copies."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.conversation.notebook import (
    Decision,
    canonical,
    cell_ids,
    conversation_ids,
    identify,
    is_kin,
    is_notebook,
    settle,
)

A, B, C, D = (letter * 32 for letter in "abcd")


def notebook(path: Path, *ids: object, cells: Sequence[str] = (), **more: Any) -> Path:
    """A notebook whose outputs name these conversations; its cells have their places as ids, or these."""
    names = cells or [f"{path.stem}-{n}" for n in range(len(ids) or 1)]
    made: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": name,
            "source": "%%claude\nhi",
            "metadata": {},
            "execution_count": None,
            "outputs": [
                {
                    "output_type": "display_data",
                    "data": {},
                    "metadata": {"claude_magic": {"conversation": one}},
                }
                for one in ids[n : n + 1]
            ],
        }
        for n, name in enumerate(names)
    ]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}))
    return path


@pytest.mark.parametrize("how", ["lab", "colab", "vscode", "unknown", "something else"])
def test_the_session_name_counts_where_a_notebook_is(tmp_path: Path, how: str) -> None:
    file = notebook(tmp_path / "a.ipynb")
    found = identify({}, str(file), how, "k1")
    assert found.path == found.key == canonical(str(file))
    assert found.how == (how if how != "something else" else "unknown")
    assert found.session == "k1"


def test_vs_code_tells_by_a_name_in_the_namespace(tmp_path: Path) -> None:
    file, other = notebook(tmp_path / "a.ipynb"), notebook(tmp_path / "b.ipynb")
    found = identify({"__vsc_ipynb_file__": str(file)}, str(other), "vscode", "k1")
    assert found.path == canonical(str(file))


def test_an_untitled_notebook_of_vs_code_has_no_path(tmp_path: Path) -> None:
    found = identify({"__vsc_ipynb_file__": str(tmp_path / "Untitled-1.ipynb")}, "", "vscode", "k1")
    assert (found.path, found.key) == ("", "session:k1")


@pytest.mark.parametrize("how", ["headless", "terminal"])
def test_an_inherited_session_name_is_not_believed(tmp_path: Path, how: str) -> None:
    file = notebook(tmp_path / "parent.ipynb")
    assert identify({}, str(file), how, "k1").path == ""


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a.ipynb",
        "6c8a1f0e-3b52-4c1e-9a54-0d4a3f2f9d11",
        "/nowhere/at/all.ipynb",
        "/tmp/with\0nul.ipynb",
        "/" + "x" * 5_000,
        "/\ud800.ipynb",
    ],
)
def test_a_session_name_that_leads_nowhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(notebook(tmp_path / "a.ipynb").parent)
    assert identify({}, name, "lab", "k1").path == ""


@pytest.mark.parametrize("value", [None, 7, b"/a.ipynb", Path("/a.ipynb"), ["x"]])
def test_a_name_in_the_namespace_that_is_no_text(value: object) -> None:
    assert identify({"__vsc_ipynb_file__": value}, "", "vscode", "k1").path == ""


def test_links_lead_to_one_key(tmp_path: Path) -> None:
    file = notebook(tmp_path / "a.ipynb")
    (tmp_path / "link.ipynb").symlink_to(file)
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    keys = {
        identify({}, str(path), "lab", "k1").key
        for path in (file, tmp_path / "link.ipynb", tmp_path / "folder" / "a.ipynb")
    }
    assert keys == {canonical(str(file))}


def test_a_rename_makes_the_session_name_stale(tmp_path: Path) -> None:
    file = notebook(tmp_path / "a.ipynb")
    file.rename(tmp_path / "b.ipynb")
    assert identify({}, str(file), "lab", "k1").path == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", False),
        (b"{}", False),
        (b"[]", False),
        (b"null", False),
        (b'{"nbformat": 4}', True),
        (b'{"nbformat": "4", "cells": []}', False),
        (b'{"cells": [], "nbformat": 4, "nbformat_minor": 5}', True),
        (b'{"worksheets": [{"cells": []}], "nbformat": 3}', True),
        (b'{"cells": [], "nbformat": 4, "nbformat_min', False),
        (b"\xff\xfe\x00", False),
        (b"[" * 100_000, False),
        (b"print('hello')", False),
        (
            b'{"cells": [], "metadata": "' + b"x" * 1_100_000 + b'", "nbformat": 4, "nbformat_minor": 5}\n',
            True,
        ),
        (b'{"nbformat": 4, "cells": [], "metadata": "' + b"x" * 1_100_000 + b'"}', True),
        (b'{"nbformat": 4, "cells": [], "metadata": "' + b"x" * 1_100_000, False),
        (b"x" * 1_100_000, False),
    ],
)
def test_what_is_a_notebook(content: bytes, expected: bool, tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_bytes(content)
    assert is_notebook(str(file)) is expected


def test_folders_pipes_and_giants_are_no_notebooks(tmp_path: Path) -> None:
    assert not is_notebook(str(tmp_path))
    pipe = tmp_path / "pipe.ipynb"
    os.mkfifo(pipe)
    answers: list[object] = []
    # Reading a pipe would wait for ever, so it is asked from a thread that may be left behind.
    thread = threading.Thread(
        target=lambda: answers.extend((is_notebook(str(pipe)), conversation_ids(str(pipe)))), daemon=True
    )
    thread.start()
    thread.join(30)
    assert answers == [False, ()]
    giant = notebook(tmp_path / "giant.ipynb", A)
    with giant.open("r+b") as file:
        file.truncate(200_000_001)
    assert not is_notebook(str(giant))
    assert conversation_ids(str(giant)) == ()


def test_the_ids_of_a_notebook_in_order(tmp_path: Path) -> None:
    dashed = "01234567-89ab-cdef-0123-456789abcdef"
    file = notebook(tmp_path / "a.ipynb", B, A, B, dashed)
    assert conversation_ids(str(file)) == (B, A, B, dashed)
    assert cell_ids(str(file)) == {"a-0", "a-1", "a-2", "a-3"}


def test_ids_that_are_none_are_left_out(tmp_path: Path) -> None:
    forged = ["", "a" * 31, "A" * 32, "a" * 33, "../" + "a" * 29, 7, None, [A], {"conversation": A}, A + "\n"]
    assert conversation_ids(str(notebook(tmp_path / "a.ipynb", *forged, C))) == (C,)


def test_ids_of_an_old_notebook(tmp_path: Path) -> None:
    output = {"output_type": "display_data", "metadata": {"claude_magic": {"conversation": A}}}
    sheets = [{"cells": [{"cell_type": "code", "outputs": [output]}]}, 7]
    file = tmp_path / "a.ipynb"
    file.write_text(json.dumps({"nbformat": 3, "worksheets": sheets}))
    assert conversation_ids(str(file)) == (A,)
    assert cell_ids(str(file)) == frozenset()


@pytest.mark.parametrize(
    "cells",
    [
        7,
        "cells",
        {"outputs": []},
        [None, 7, [], "x"],
        [{"outputs": 7}],
        [{"outputs": [7, None, {"metadata": 7}, {"metadata": {"claude_magic": [A]}}]}],
        [{"id": {"a": 1}}, {"id": ["x"]}],
    ],
)
def test_a_malformed_notebook_names_nothing(cells: object, tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_text(json.dumps({"cells": cells, "nbformat": 4, "x": {"claude_magic": 1}}))
    assert conversation_ids(str(file)) == ()
    assert cell_ids(str(file)) == frozenset()


def test_a_file_that_is_gone_names_nothing(tmp_path: Path) -> None:
    assert conversation_ids(str(tmp_path / "gone.ipynb")) == ()
    assert cell_ids(str(tmp_path / "a\0b.ipynb")) == frozenset()


HERE, THERE, GONE, ELSEWHERE = "/n/here.ipynb", "/n/there.ipynb", "/n/gone.ipynb", "/n/elsewhere.ipynb"

TABLE: Mapping[str, tuple[str, list[str], dict[str, str], Decision]] = {
    "nothing said yet": (HERE, [], {}, Decision("new")),
    "where it was": (HERE, [A, A], {A: HERE}, Decision("same")),
    "where it was, outputs cleared": (HERE, [], {A: HERE}, Decision("same")),
    "renamed": (HERE, [A, A], {A: GONE}, Decision("moved", rebind=(A,), was=GONE)),
    "renamed, two chats": (HERE, [B, A], {A: GONE, B: GONE}, Decision("moved", rebind=(B, A), was=GONE)),
    "renamed, a chat without outputs": (
        HERE, [A], {A: GONE, B: GONE, C: THERE}, Decision("moved", rebind=(A, B), was=GONE),
    ),
    "copied": (HERE, [A], {A: THERE}, Decision("copy", fork=(A,), was=THERE)),
    "copied, two chats": (HERE, [A, B], {A: THERE, B: THERE}, Decision("copy", fork=(A, B), was=THERE)),
    "a stranger's": (HERE, [A, B, A], {}, Decision("foreign", foreign=(A, B))),
    "a stranger's, store knows others": (HERE, [A], {B: THERE}, Decision("foreign", foreign=(A,))),
    "path learnt late": (
        HERE, [A], {A: "session:k1"}, Decision("moved", rebind=(A,), was="session:k1"),
    ),
    "path learnt late, another chat of that kernel": (
        HERE, [A], {A: "session:k1", B: "session:k1"}, Decision("moved", rebind=(A,), was="session:k1"),
    ),
    "never bound": (HERE, [A], {A: "", B: ""}, Decision("moved", rebind=(A,), was="")),
    "a cell pasted from another notebook": (HERE, [B, A], {A: HERE, B: THERE}, Decision("same")),
    "a stranger's cell pasted": (HERE, [A, D], {A: HERE}, Decision("same", foreign=(D,))),
    "pasted cells in a renamed notebook": (
        HERE, [B, A, A], {A: GONE, B: THERE}, Decision("moved", rebind=(A,), was=GONE),
    ),
    "pasted cells in a copied notebook": (
        HERE, [B, A, A], {A: THERE, B: GONE}, Decision("copy", fork=(A,), was=THERE),
    ),
    "mostly a stranger's, one known": (
        HERE, [C, C, D, A], {A: THERE}, Decision("copy", fork=(A,), foreign=(C, D), was=THERE),
    ),
    "one of each: the first": (
        HERE, [B, A], {A: GONE, B: THERE}, Decision("copy", fork=(B,), was=THERE),
    ),
    "path not known": ("", [A, D], {A: ""}, Decision("foreign", foreign=(D,))),
    "path not known, nothing in it": ("", [], {A: ""}, Decision("new")),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_what_a_notebook_is_to_the_store(case: str) -> None:
    path, ids, known, expected = TABLE[case]
    assert settle(path, ids, known, {THERE, ELSEWHERE}.__contains__) == expected


places = st.sampled_from([HERE, THERE, GONE, "", "session:k1"])


@given(st.lists(st.sampled_from([A, B, C, D])), st.dictionaries(st.sampled_from([A, B, C, D]), places))
def test_no_notebook_takes_what_another_still_has(ids: list[str], known: dict[str, str]) -> None:
    decision = settle(HERE, ids, known, {THERE}.__contains__)
    assert not any(known[one] in (THERE, HERE) for one in decision.rebind)
    assert all(known[one] == THERE for one in decision.fork)
    assert set(decision.foreign) == set(ids) - set(known)
    assert not (decision.rebind and decision.fork)


def kin(path: Path, other: Path) -> bool:
    return is_kin(str(path), str(other))


def test_a_copy_has_its_original(tmp_path: Path) -> None:
    a = notebook(tmp_path / "a.ipynb", A, cells=["x", "y"])
    b = notebook(tmp_path / "b.ipynb", A, cells=["x", "y", "z"])
    assert kin(a, b)


def test_a_copy_has_its_original_whose_outputs_were_cleared(tmp_path: Path) -> None:
    a = notebook(tmp_path / "a.ipynb", cells=["x", "y"])
    b = notebook(tmp_path / "b.ipynb", A, cells=["x", "y"])
    assert kin(a, b)


def test_a_new_notebook_at_the_old_place_is_no_original(tmp_path: Path) -> None:
    renamed = notebook(tmp_path / "b.ipynb", A, cells=["x", "y"])
    assert not kin(notebook(tmp_path / "a.ipynb", B, cells=["v"]), renamed)


def test_in_doubt_there_is_an_original(tmp_path: Path) -> None:
    here = notebook(tmp_path / "b.ipynb", A)
    half_written = tmp_path / "a.ipynb"
    half_written.write_text('{"cells": [')
    assert kin(half_written, here)


def test_a_file_that_is_gone_or_this_very_one_is_no_original(tmp_path: Path) -> None:
    here = notebook(tmp_path / "b.ipynb", A)
    os.link(here, tmp_path / "a.ipynb")
    assert not kin(tmp_path / "a.ipynb", here)
    assert not kin(tmp_path / "gone.ipynb", here)
    assert not is_kin("session:k1", str(here))
    assert not is_kin("/a\0b", str(here))
