"""The shell command ``claude-magic``: the demo, and the doctor."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from claude_magic import __version__

FOLDER = "claude-magic-demo"
FIRST = "01_first_steps.ipynb"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="claude-magic", description="%%claude cells for Jupyter.")
    parser.add_argument("--version", action="version", version=f"claude_magic {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="open the first notebook in JupyterLab, on the local Messages API: no key, no network",
        description=f"Copies the tutorial notebooks into ./{FOLDER} and opens the first in JupyterLab. It "
        "talks to a local Messages API, where an offline demo model answers, not Claude.",
    )
    demo.add_argument(
        "--check", action="store_true", help="run the notebook without a browser and print its answers"
    )
    doctor = commands.add_parser(
        "doctor",
        help="check versions, widgets, kernel, key, host, store and local API: one line each, with the fix",
        description="Checks what claude_magic needs in this environment and with these variables. Each line "
        "begins with ok, note (it works all the same) or fail, and ends with the fix. Nothing is changed, "
        "nothing leaves this machine without --online, and the key is never shown. Run it where Jupyter is "
        "started: in a notebook, !claude-magic doctor. The exit status is 1 where something fails.",
    )
    doctor.add_argument(
        "--online", action="store_true", help="also ask the API for its list of models, which costs nothing"
    )
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal of few letters
        sys.stdout.reconfigure(errors="replace")
    try:
        if options.command == "doctor":
            return examine(online=options.online)
        return check() if options.check else open_lab()
    except KeyboardInterrupt:
        return 130


def examine(*, online: bool) -> int:
    """Print what the doctor finds, as it is found; 0 when nothing fails."""
    from claude_magic.doctor import findings, summary  # noqa: PLC0415 - the demo needs none of it

    found = []
    for one in findings(online=online):
        found.append(one)
        print(one, flush=True)
    print(summary(found))
    return int(any(one.grade == "fail" for one in found))


def notebooks() -> Path:
    """The folder of the tutorial notebooks: inside an installed package, beside a checkout's."""
    here = Path(__file__).parent
    inside = here / "notebooks"
    return inside if inside.is_dir() else here.parent / "notebooks"


def open_lab() -> int:
    """Open the first notebook in JupyterLab."""
    folder = Path.cwd() / FOLDER
    folder.mkdir(exist_ok=True)
    for file in sorted((*notebooks().glob("*.ipynb"), *notebooks().glob("*.cassette"))):
        if not (folder / file.name).exists():  # what the user changed stays
            shutil.copy(file, folder)
    print(f"The notebooks are in {folder}. Ctrl-C ends JupyterLab.")
    command = [sys.executable, "-m", "jupyterlab", str(folder / FIRST), f"--ServerApp.root_dir={folder}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    command += ["--ServerApp.answer_yes=True"]  # Ctrl-C ends it without asking
    server = subprocess.Popen(command)
    while True:
        try:
            return server.wait()
        except KeyboardInterrupt:
            continue  # the server has heard it too, and ends in its own time


def check() -> int:
    """Run the first notebook headless and print what it answers; 0 when every cell ran."""
    try:
        import nbformat  # noqa: PLC0415 - the demo's packages are an extra
        from nbclient import NotebookClient  # noqa: PLC0415
        from nbclient.exceptions import CellExecutionError  # noqa: PLC0415
    except ImportError as error:
        print(
            f"The demo needs its extra packages ({error.name} is missing): pip install 'claude_magic[demo]'"
        )
        return 1
    notebook = nbformat.read(notebooks() / FIRST, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}})
        kernel: Any = client.create_kernel_manager()
        kernel.kernel_spec.argv[0] = sys.executable
        try:
            asyncio.run(client.async_execute())
        except CellExecutionError as error:
            print(error)
            return 1
    answers = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "application/vnd.claude-magic.turn+json" in output.get("data", {}):
                answers += 1
                print(f"In  {cell.source}\n\nOut {output.data['text/plain']}\n{'─' * 72}")
    print(f"{answers} answers of the offline demo model, not Claude.")
    return 0 if answers else 1


if __name__ == "__main__":
    sys.exit(main())
