"""The wheel and the sdist: what is in them, and that the wheel works where nothing else is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from claude_magic import __version__

ROOT = Path(__file__).parent.parent
NAME = f"claude_magic-{__version__}"


def tracked(*folders: str) -> set[str]:
    """The files of the repository, as it keeps them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """The folder with both, built from a working copy in which caches and notebooks' checkpoints lie."""
    with TemporaryDirectory() as folder:  # not pytest's: the tests in it name keys, which no artefact may
        yield _built(Path(folder))


def _built(folder: Path) -> Path:
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for junk in (
        "claude_magic/__pycache__/flags.cpython-311.pyc",
        "claude_magic/display/.ipynb_checkpoints/live-checkpoint.js",
        "notebooks/.ipynb_checkpoints/01_first_steps-checkpoint.ipynb",
        "notebooks/__pycache__/x.cpython-311.pyc",
        "tests/__pycache__/x.pyc",
        ".venv/bin/x.py",
    ):
        (folder / junk).parent.mkdir(parents=True, exist_ok=True)
        (folder / junk).write_text("x")
    run(sys.executable, "-m", "hatchling", "build", "-d", "out", cwd=folder)
    return folder / "out"


def test_the_wheel_holds_the_package_and_the_notebooks_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    wanted = tracked("claude_magic") | {f"claude_magic/{name}" for name in tracked("notebooks")}
    about = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    assert names == wanted | about | {f"{NAME}.dist-info/licenses/LICENSE"}
    assert {"claude_magic/py.typed", "claude_magic/display/live.js"} <= names


def test_the_sdist_holds_the_sources_and_makes_the_same_wheel(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    unpacked = built / "unpacked"
    with tarfile.open(sdist) as opened:
        names = {member.name.removeprefix(f"{NAME}/") for member in opened if member.isfile()}
        opened.extractall(unpacked, filter="data")
    sources = tracked("claude_magic", "notebooks", "tests", "README.md", "LICENSE", "pyproject.toml")
    assert names == sources | {"PKG-INFO", ".gitignore"}
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "again", cwd=unpacked / NAME)
    (wheel,) = built.glob("*.whl")
    again = unpacked / NAME / "again" / wheel.name
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {i.filename: i.CRC for i in other.infolist()}


def test_the_wheel_installs_alone_and_its_command_answers(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", "clean", cwd=tmp_path)
    here = tmp_path / "clean" / "bin"
    run(
        sys.executable, "-m", "pip", "--python", str(here / "python"), "--disable-pip-version-check",
        "install", "--quiet", "--no-deps", "--no-index", str(wheel), cwd=tmp_path,
    )  # fmt: skip
    code = "import claude_magic; print(claude_magic.__file__)"
    assert run(str(here / "python"), "-I", "-c", code, cwd=tmp_path).startswith(str(tmp_path / "clean"))
    assert run(str(here / "claude-magic"), "--version", cwd=tmp_path) == f"claude_magic {__version__}"
