"""The house of claude_magic: who may import whom. A failure prints the row that is off."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "claude_magic"

# Room → the rooms it may import. A room is a module or a folder of the package.
MAP = {
    "__init__": {"content", "from_python", "magics", "reply", "tools"},
    "errors": set(),
    "file_names": set(),
    "values": set(),
    "stop": set(),
    "characters": set(),
    "readable": set(),
    "citations": {"values"},
    "wording": set(),
    "served": {"values", "wording"},
    "sections": {"citations", "served", "values", "wording"},
    "flags": {"errors"},
    "settings": {"errors"},
    "content": {"characters", "errors", "file_names", "values"},
    "conversation": {"errors", "file_names", "values"},
    "api": {"characters", "citations", "errors", "file_names", "readable", "served", "stop", "values"},
    "structured": {"api", "content", "errors", "file_names", "values"},
    "tools": {"characters", "errors", "stop", "values"},
    "display": {"citations", "stop", "values", "wording"},
    "offline": set[str](),
    "ending": {"api", "citations", "display", "readable", "sections", "values"},
    "question": {"api", "structured", "values"},
    "prepared": {"api", "characters", "citations", "content", "ending", "errors", "question", "values"},
    "rows": {"errors"},
    "mapping": {
        "api", "around", "content", "conversation", "display", "errors", "evaluation", "exchange", "flags",
        "prepared", "preview_table", "question", "rows", "settings", "stop", "structured", "values",
    },
    "batching": {
        "api", "around", "chats", "citations", "conversation", "display", "ending", "errors", "flags",
        "intake", "mapping", "question", "rows", "settings", "stop", "values",
    },
    "evaluation": {"api", "content", "errors", "prepared", "question", "values"},
    "progress": {"api", "display", "question", "values"},
    "concessions": {"api", "errors", "prepared"},
    "exchange": {
        "api", "concessions", "display", "ending", "errors", "prepared", "progress", "sections", "stop",
        "tools", "values",
    },
    "reply": {"display", "values"},
    "accounts": {"api", "settings", "values"},
    "asides": {"conversation", "ending", "values"},
    "chats": {"asides", "conversation", "ending", "errors", "places", "values"},
    "compact": {"chats", "conversation", "display", "errors", "prepared", "values"},
    "connection": {"api", "consent", "errors", "settings"},
    "cassette_magics": {"errors", "flags", "session_magics"},
    "consent": {"display", "errors"},
    "intake": {"api", "conversation", "errors", "file_names", "flags", "settings", "structured", "values"},
    "presets": {"errors", "file_names", "flags"},
    "lineup": {"api", "conversation", "errors"},
    "models_table": {"api", "display"},
    "preview_table": {"api", "display", "prepared"},
    "comparing": {
        "api", "around", "asides", "chats", "content", "conversation", "display", "errors", "evaluation",
        "exchange", "flags", "intake", "notices", "places", "prepared", "question", "reply", "rows",
        "settings", "stop", "structured", "values",
    },
    "compare_magics": {"errors", "flags", "session_magics"},
    "notices": {"api", "display", "errors", "prepared", "stop", "values"},
    "usage": {"conversation", "display", "errors", "file_names"},
    "recorder": set(),
    "context": {"content", "conversation", "errors", "recorder", "values"},
    "last_error": {"content", "errors", "values"},
    "preparing": {
        "accounts", "api", "chats", "connection", "context", "display", "errors", "evaluation", "flags",
        "intake", "last_error", "lineup", "places", "prepared", "question", "recorder", "settings", "values",
    },
    "code_cells": {"display", "values"},
    "toolbox": {"api", "content", "display", "errors", "tools", "values"},
    "tool_magics": {"display", "errors", "session_magics"},
    "desk": {
        "api", "chats", "code_cells", "content", "conversation", "display", "errors", "file_names", "usage",
        "values",
    },
    "panel": {
        "accounts", "api", "chats", "conversation", "display", "errors", "lineup", "models_table", "settings",
        "stop", "values",
    },
    "batch_magics": {"display", "errors", "flags", "session_magics"},
    "map_magics": {"display", "errors", "flags", "session_magics"},
    "chat_magics": {"desk", "display", "errors", "flags", "session_magics", "usage"},
    "around": {
        "accounts", "api", "chats", "connection", "display", "exchange", "flags", "intake", "places",
        "prepared", "preparing", "settings", "stop",
    },
    "places": {"conversation", "errors", "values"},
    "session_magics": {"session", "settings"},
    "session": {
        "accounts", "api", "around", "batching", "chats", "code_cells", "compact", "comparing", "connection",
        "consent", "conversation", "desk", "display", "errors", "exchange", "flags", "intake", "lineup",
        "mapping", "models_table", "notices", "panel", "places", "prepared", "preparing", "presets",
        "preview_table", "recorder", "reply", "settings", "stop", "structured", "toolbox", "values",
    },
    "completion": {"errors", "file_names", "flags", "rows", "settings"},
    "magics": {
        "api", "batch_magics", "cassette_magics", "chat_magics", "compare_magics", "comparing", "completion",
        "display", "errors", "flags", "map_magics", "offline", "recorder", "reply", "session", "settings",
        "tool_magics",
    },
    "given": {"errors", "file_names", "flags", "rows"},
    "from_python": {"api", "errors", "flags", "given", "magics", "reply"},
    "doctor": {"api", "conversation", "errors", "intake", "lineup", "offline", "session", "settings"},
    "command": {"__init__", "doctor", "offline"},
}  # fmt: skip

# What only some rooms may touch.
RESERVED = {
    # All but api name the client's type only.
    "anthropic": {"api", "batching", "connection", "doctor", "exchange", "lineup", "offline"},
    "httpx2": {"api"},
    "boto3": {"api"},
    "google": {"api"},
    "ipywidgets": {"display"},
    "tqdm": {"display"},
    "anywidget": {"display"},
    "PIL": {"content", "display", "offline"},
    "pypdf": {"content", "offline"},
    "tornado": {"offline"},
}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> set[str]:
    """The dotted names a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "claude_magic":
                names |= {
                    f"claude_magic.{alias.name.replace('__version__', '__init__')}" for alias in node.names
                }
            else:
                names.add(node.module)
    return names


def files() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        found.append((relative.parts[0].removesuffix(".py"), path))
    return found


def test_every_room_imports_only_what_the_map_allows() -> None:
    off = []
    for room, path in files():
        for name in imports(path):
            if name.split(".")[0] == "claude_magic":
                other = room_of(name)
                if other != room and other not in MAP[room]:
                    off.append(
                        f"{path.relative_to(PACKAGE)}: {room} imports {other}, allowed: {sorted(MAP[room])}"
                    )
    assert not off, "\n".join(off)


def test_reserved_packages_stay_in_their_rooms() -> None:
    off = []
    for room, path in files():
        for name in imports(path):
            top = name.split(".")[0]
            if room not in RESERVED.get(top, {room}):
                off.append(f"{path.relative_to(PACKAGE)}: {top} belongs to {sorted(RESERVED[top])}")
    assert not off, "\n".join(off)


def test_only_settings_reads_the_environment() -> None:
    off = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for room, path in files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if room != "settings" and isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert off == []


def test_modules_stay_small() -> None:
    long = {
        str(path.relative_to(PACKAGE)): count
        for _, path in files()
        if (count := len(path.read_text("utf-8").splitlines())) > 400
    }
    assert long == {}


def test_no_mutable_module_globals() -> None:
    off = []
    for _, path in files():
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.List | ast.Set):
                names = [
                    ast.unparse(t) for t in (node.targets if isinstance(node, ast.Assign) else [node.target])
                ]
                if names != ["__all__"]:
                    off.append(f"{path.relative_to(PACKAGE)}: {names}")
    assert off == []


@pytest.mark.parametrize(
    "heavy", ["anthropic", "pydantic", "PIL", "ipywidgets", "anywidget", "markdown_it", "pypdf"]
)
def test_loading_the_extension_imports_nothing_heavy(heavy: str) -> None:
    code = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "before = set(sys.modules)\n"
        "shell.run_line_magic('load_ext', 'claude_magic')\n"
        "print(*(set(sys.modules) - before))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    new = run.stdout.split()
    assert heavy not in new
    assert len(new) <= 40, sorted(new)
