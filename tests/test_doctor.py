"""``claude-magic doctor`` as the shell runs it, in environments that are broken in several ways."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from claude_magic import offline
from tests.canary import keys_in
from tests.kernels import clean_environment

KEY = "sk-ant-canary-doctor-0123456789"
CHECKOUT = str(Path(__file__).parent.parent)


def doctor(home: Path, *arguments: str, path: Path | None = None, **extra: str) -> tuple[int, dict[str, str]]:
    """Run it; return its exit status and its lines by what they are about."""
    places = [*([str(path)] if path else []), CHECKOUT]
    environment = clean_environment(home, PYTHONPATH=os.pathsep.join(places), **extra)
    environment["PATH"] = extra.get("PATH") or os.pathsep.join(
        [str(Path(sys.executable).parent), environment["PATH"]]
    )
    run = subprocess.run(
        [sys.executable, "-m", "claude_magic.command", "doctor", *arguments],
        env=environment, cwd=home, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert not keys_in(run.stdout.encode() + run.stderr.encode())
    assert "Traceback" not in run.stderr, run.stderr
    lines = {line[6:20].strip(): line for line in run.stdout.splitlines()[:-1]}
    return run.returncode, lines


def installed(folder: Path, name: str, version: str) -> None:
    """Make a folder of the path say that this version of a package is installed."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_a_healthy_environment_passes_and_the_key_is_not_shown(
    tmp_path: Path, local_api: offline.LocalApi
) -> None:
    status, lines = doctor(
        tmp_path, "--online", ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token
    )
    assert status == 0, lines
    assert lines["credential"] == "ok    credential     API key (from ANTHROPIC_API_KEY)"
    assert lines["host"].startswith("ok    host           answers, and lists ")
    assert lines["local API"].startswith("ok ")
    assert lines["kernel"].startswith("ok ")
    assert lines["store"].endswith("begins with the first question")
    assert list(tmp_path.rglob("*.db")) == []  # it looks, it does not make


def test_old_and_broken_packages_and_a_damaged_store_are_told_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "site"
    installed(path, "ipykernel", "7.2.0")
    installed(path, "anywidget", "0.9.1")
    installed(path, "jupyterlab", "4.2.0")
    (path / "markdown_it.py").write_text("from markdown_it_is_broken import nothing\n")
    store = tmp_path / "kept.db"
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE somebody (s)")
    connection.close()
    status, lines = doctor(tmp_path, path=path, CLAUDE_MAGIC_STORE=str(store))
    assert status == 1
    assert lines["ipykernel"] == (
        "note  ipykernel      7.2.0 loses a cell now and then (ipykernel pull request 1529): "
        'pip install -U "ipykernel>=7.4"'
    )
    assert lines["anywidget"].startswith("fail  anywidget      0.9.1 is too old, 0.11 is needed: pip install")
    assert lines["jupyterlab"].startswith("note  jupyterlab     4.2.0")
    assert "markdown_it_is_broken" in lines["imports"]
    assert "none: set ANTHROPIC_API_KEY" in lines["credential"]
    assert lines["credential"].startswith("note ")  # the offline demo needs none
    assert "a database of something else: move it away" in lines["store"]
    assert store.stat().st_size > 0
    assert [one.name for one in tmp_path.glob("kept.db*")] == ["kept.db"]


def test_what_keeps_requests_from_going_out_is_named_by_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    status, lines = doctor(
        tmp_path,
        ANTHROPIC_API_KEY=f'"{KEY}"',
        HTTPS_PROXY="http://me:secret word@nowhere:99999",
        CLAUDE_MAGIC_STORE=str(tmp_path / "file" / "kept.db"),
    )
    assert status == 1
    assert "ANTHROPIC_API_KEY has quotes around the key" in lines["credential"]
    assert lines["proxy"].startswith("fail  proxy          HTTPS_PROXY is no proxy's address")
    assert "secret" not in str(lines)
    assert lines["store"].startswith("fail ")
    assert not any("Nothing was sent" in line for line in lines.values())


def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    status, lines = doctor(tmp_path, ANTHROPIC_API_KEY=KEY, SSL_CERT_FILE=str(tmp_path / "bad.pem"))
    assert status == 1
    assert "SSL_CERT_FILE names holds no certificates" in lines["client"]


def test_the_jupyter_of_another_environment_is_the_wrong_kernel_and_a_silent_host_is_told(
    tmp_path: Path,
) -> None:
    other = tmp_path / "bin"
    other.mkdir()
    python3 = {"spec": {"argv": [str(other / "python"), "-m", "ipykernel_launcher"]}}
    specs = tmp_path / "specs.json"
    specs.write_text(json.dumps({"kernelspecs": {"python3": python3}}))
    for name, text in {"jupyter": f"#!/bin/sh\ncat {specs}\n", "python": "#!/bin/sh\n"}.items():
        (other / name).write_text(text)
        (other / name).chmod(0o755)
    config = tmp_path / "config" / "labconfig"
    config.mkdir(parents=True)
    (config / "page_config.json").write_text('{"disabledExtensions": {"anywidget": true}}')
    status, lines = doctor(
        tmp_path,
        "--online",
        ANTHROPIC_BASE_URL="https://gateway.example",
        ANTHROPIC_API_KEY=KEY,
        PATH=f"{other}:{os.environ['PATH']}",
        JUPYTER_CONFIG_DIR=str(tmp_path / "config"),
    )
    assert lines["host"].startswith("note  host           gateway.example is not Anthropic's")  # not asked
    assert status == 1
    assert f"{other / 'jupyter'} runs cells in another Python" in lines["kernel"]
    assert "-m ipykernel install --user" in lines["kernel"]
    assert "anywidget is disabled" in lines["widget display"]
    specs.write_text(json.dumps({"kernelspecs": {}}))
    _, lines = doctor(tmp_path, ANTHROPIC_API_KEY=KEY, PATH=f"{other}:{os.environ['PATH']}")
    assert lines["kernel"].startswith("fail  kernel         ")
    assert "has no kernel at all, so that no cell can run: start " in lines["kernel"]
    ours = {"spec": {"argv": [sys.executable, "-m", "ipykernel_launcher"]}}
    specs.write_text(json.dumps({"kernelspecs": {"python3": python3, "mine": ours}}))
    status, lines = doctor(
        tmp_path,
        "--online",
        ANTHROPIC_BASE_URL="http://127.0.0.1:9",
        ANTHROPIC_API_KEY=KEY,
        PATH=f"{other}:{os.environ['PATH']}",
    )
    assert status == 1
    assert lines["host"].startswith("fail  host ")
    assert lines["kernel"].startswith("note ")
    assert "mine runs this Python" in lines["kernel"]


def test_its_help_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    from claude_magic.command import main

    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--help"])
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in ("ok, note", "the key is never shown", "exit status is 1", "--online"):
        assert words in told
