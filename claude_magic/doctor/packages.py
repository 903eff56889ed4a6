"""Python and the packages of its environment: there, new enough, and able to be imported."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from jupyter_core.paths import jupyter_config_path, jupyter_path

from claude_magic.doctor.finding import Finding, fail, note, ok
from claude_magic.errors import ConfigProblem, missing

OLDEST_PYTHON = (3, 11)
LOSING_CELLS = ((7, 0), (7, 4))
"""From which version of ipykernel on, and up to which, a request is lost now and then."""

_NAMED = ("anthropic", "ipython", "ipykernel", "ipywidgets", "anywidget")
_WIDGETS = {"@jupyter-widgets/jupyterlab-manager": (5, "jupyterlab_widgets"), "anywidget": (0, "anywidget")}
"""JupyterLab's extensions that widgets need: the least major version, and the package that brings each."""


def python() -> Iterator[Finding]:
    """The Python that runs this."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield fail("Python", f"{version} is too old", "make an environment with Python 3.11 or newer")
    else:
        yield ok("Python", f"{version} ({sys.executable})")


def required() -> Iterator[Finding]:
    """The packages that claude_magic needs: those that are most often wrong by name, the rest in one line."""
    well = 0
    for name, least in _requirements(extras=False):
        found = version_of(name)
        if not found or numbers(found) < numbers(least):
            said = f"{found} is too old, {least} is needed" if found else "is missing"
            yield fail(name, said, f'pip install -U "{name}>={least}"')
        elif name == "ipykernel":
            yield _ipykernel(found)
        elif name in _NAMED:
            yield ok(name, found)
        else:
            well += 1
    yield ok("other packages", f"{well} as needed")


def optional() -> Iterator[Finding]:
    """JupyterLab and Notebook, where they are in this environment."""
    for name, least in dict(_requirements(extras=True)).items():
        found = version_of(name) if name in ("jupyterlab", "notebook") else ""
        if found and numbers(found) < numbers(least):
            said = f"{found}: not tried; cells run, the live view may not"
            yield note(name, said, f'pip install -U "{name}>={least}"')
        elif found:
            yield ok(name, found)


def widgets() -> Iterator[Finding]:
    """What JupyterLab and Notebook need to show a widget: extensions of the environment they run in."""
    if not (version_of("jupyterlab") or version_of("notebook")):
        fix = "where Jupyter runs in another environment, install ipywidgets and anywidget there too"
        yield note("widget display", "neither JupyterLab nor Notebook is in this environment", fix)
        return
    disabled = _disabled()
    for extension, (least, package) in _WIDGETS.items():
        found = _extension(extension)
        if found is None or numbers(found)[:1] < (least,):
            said = f"{extension} {'is missing' if found is None else f'{found} is too old'}"
            fix = f"pip install -U --force-reinstall {package}, then restart Jupyter"
            yield fail("widget display", said, fix)
        elif extension in disabled:
            fix = f"jupyter labextension enable {extension}, then reload the page"
            yield fail("widget display", f"{extension} is disabled", fix)
        else:
            yield ok("widget display", f"{extension} {found}")


def imports() -> Iterator[Finding]:
    """Whether all that a question needs can be imported."""
    try:
        importlib.import_module("claude_magic.session")
    except ImportError as error:
        try:
            line = str(missing(error))
        except ImportError:
            line = f"{error} ({error.name}): pip install -U --force-reinstall claude_magic"
        yield fail("imports", plain(line))
    else:
        yield ok("imports", "everything a question needs")


def plain(problem: ConfigProblem | str) -> str:
    """An error's line as the shell is to read it: nothing was to be sent, and pip is no magic there."""
    line = str(problem).removesuffix(" Nothing was sent.").replace("%pip", "pip").rstrip(".")
    return re.sub(r",? (?:and|then) restart the kernel$", "", line)


def version_of(name: str) -> str:
    """The version of an installed package, ``""`` for none."""
    try:
        return metadata.version(name) or ""
    except metadata.PackageNotFoundError:
        return ""


def numbers(version: str) -> tuple[int, ...]:
    """``"7.4.0"`` as numbers that compare; what is no number ends it."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    parts = [int(part) for part in found[0].split(".")] if found else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _ipykernel(found: str) -> Finding:
    first, fixed = LOSING_CELLS
    if first <= numbers(found)[:2] < fixed or numbers(found) == (7,):
        said = f"{found} loses a cell now and then (ipykernel pull request 1529)"
        return note("ipykernel", said, 'pip install -U "ipykernel>=7.4"')
    if numbers(found) < first[:1]:
        said = f"{found}: the Stop button works by interrupting the kernel only"
        return note("ipykernel", said, 'pip install -U "ipykernel>=7.4", if nothing else pins it')
    return ok("ipykernel", found)


def _requirements(*, extras: bool) -> Iterator[tuple[str, str]]:
    """The packages that claude_magic's metadata asks for, each with its least version."""
    try:
        requirements = metadata.requires("claude_magic") or ()
    except metadata.PackageNotFoundError:  # a folder on the path, never installed
        return
    for requirement in requirements:
        wanted, _, condition = requirement.partition(";")
        found = re.match(r"\s*([\w.-]+)(?:\[[^]]*\])?\s*\(?>=\s*([\w.]+)", wanted)
        if found and ("extra" in condition) == extras:
            yield found[1], found[2]


def _extension(name: str) -> str | None:
    """The version of a labextension, as Jupyter would find it; None for none."""
    for folder in jupyter_path("labextensions"):
        try:
            package = json.loads((Path(folder) / name / "package.json").read_text(encoding="utf-8"))
            return str(package["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _disabled() -> set[str]:
    """The labextensions that a page_config.json switches off."""
    found: set[str] = set()
    for folder in jupyter_config_path():
        try:
            page = json.loads((Path(folder) / "labconfig" / "page_config.json").read_text(encoding="utf-8"))
            disabled = page["disabledExtensions"]
            found |= {name for name in disabled if not isinstance(disabled, dict) or disabled[name]}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
