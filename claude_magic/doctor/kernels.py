"""Which Python runs the notebook's cells: the usual mistake is another than the one claude_magic is in."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from claude_magic.doctor.finding import Finding, fail, note, ok

_PATIENCE = 30.0
"""Seconds that the jupyter command may take to list its kernels."""


def kernel() -> Iterator[Finding]:
    """Whether the ``jupyter`` of the shell runs cells in this environment."""
    command = shutil.which("jupyter")
    if command is None:
        fix = f"start it by {shlex.quote(sys.executable)} -m jupyterlab"
        yield note("kernel", "there is no jupyter on the PATH", fix)
        return
    try:
        listed = subprocess.run(
            [command, "kernelspec", "list", "--json"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        specs = json.loads(listed.stdout)["kernelspecs"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        yield note("kernel", f"{command} does not list its kernels", "jupyter kernelspec list tells why")
        return
    if not specs:
        yield fail("kernel", f"{command} has no kernel at all, so that no cell can run", _start())
        return
    own = python_of(command)
    ours = [name for name, one in specs.items() if _runs_here(one.get("spec", {}).get("argv", ()), own)]
    yield _judged(command, ours, "python3" in ours)


def python_of(command: str) -> str:
    """The Python that an installed script names in its first line, ``""`` where it names none."""
    try:
        with Path(command).open("rb") as file:
            head = file.read(2000)
    except OSError:
        return ""
    # Where the path is long or has blanks, pip writes a line for sh that names it in quotes.
    found = re.match(rb"#!(?:/bin/sh\s+'''exec' \"?([^\"\n]+?)\"? \"\$0\"|(/[^\n]*?python[\w.]*)\s*\n)", head)
    return os.fsdecode(found[1] or found[2]) if found else ""


def _judged(command: str, ours: list[str], default: bool) -> Finding:
    if default:
        return ok("kernel", f"{command} runs cells in this Python")
    if ours:
        said = f"of the kernels of {command}, {' and '.join(sorted(ours))} runs this Python"
        return note("kernel", f"{said}, python3 another", "choose it in the notebook: Kernel > Change Kernel")
    return fail(
        "kernel", f"{command} runs cells in another Python, which does not see this claude_magic", _start()
    )


def _start() -> str:
    here = shlex.quote(sys.executable)
    return (
        f"start {here} -m jupyterlab, or {here} -m ipykernel install --user --name claude_magic and "
        "choose that kernel"
    )


def _runs_here(argv: object, own: str) -> bool:
    """Whether a kernel's command starts this Python; a bare ``python`` means the server's own."""
    if not isinstance(argv, list) or not argv or not isinstance(argv[0], str):
        return False
    program = argv[0]
    if program in (
        "python",
        f"python{sys.version_info[0]}",
        f"python{sys.version_info[0]}.{sys.version_info[1]}",
    ):
        program = own or program
    found = shutil.which(program)
    return found is not None and _home(found) == _home(sys.executable)


def _home(program: str) -> str:
    """The folder a Python stands in; links are not followed, for an environment's Python is one."""
    return os.path.normcase(os.path.realpath(Path(program).parent))
