"""Kernels of the ipykernel versions that are still about, each as a kernelspec of its own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from pathlib import Path

OLDER = ("7.3.0", "7.2.0", "7.1.0", "6.31.0")
"""The newest of each line, as tests/run installs them."""
INSTALLED = importlib.metadata.version("ipykernel")
"""The version everything else is tested with."""
LAUNCHER = Path(__file__).with_name("older_kernel.py")


def folder(version: str) -> Path:
    """Where an older version is installed, without what it needs: that is there already."""
    return Path(sys.prefix, "ipykernels", version)


def check(version: str) -> None:
    """Fail, rather than skip, where a version is not installed."""
    if version != INSTALLED and not (folder(version) / "ipykernel").is_dir():
        raise AssertionError(f"ipykernel {version} is not in {folder(version)}: tests/run installs it")


def kernelspec(version: str) -> str:
    """The name of a version's kernelspec."""
    return "python3" if version == INSTALLED else f"ipykernel-{version}"


def write_kernelspecs(data: Path) -> None:
    """Write the kernelspecs of the older versions into a Jupyter data directory."""
    here = os.environ.get("PYTHONPATH", "")  # of a checkout that is not the one installed
    for version in OLDER:
        spec = {
            # -P: the folder of these tests is no place to import from.
            "argv": [sys.executable, "-P", str(LAUNCHER), "-f", "{connection_file}"],
            "display_name": f"ipykernel {version}",
            "language": "python",
            "env": {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder(version)), here)))},
        }
        place = data / "kernels" / kernelspec(version)
        place.mkdir(parents=True)
        (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
