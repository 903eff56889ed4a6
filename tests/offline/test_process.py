"""The server's life: quick to start, gone with its parent, deaf to interrupts, silent about its token."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import psutil
import pytest

from claude_magic import offline

ROOT = Path(__file__).parents[2]
PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from claude_magic.offline import start
api = start(pace=0)
print(api.pid, flush=True)
time.sleep(600)
"""
WAIT = 15  # seconds


def gone(pid: int) -> bool:
    """Wait until no such process runs; a zombie does not count as running."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_however_its_parent_ends(how: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(ROOT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        text=True,
    ) as parent:
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert psutil.pid_exists(pid)
        finally:
            os.kill(parent.pid, how)
            parent.wait(timeout=WAIT)
    assert gone(pid)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_server_ends_even_when_a_fork_of_the_parent_holds_its_input(tmp_path: Path) -> None:
    fork = "import os\nfork = os.fork()\nif fork: print(fork, flush=True)\ntime.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.replace("time.sleep(600)", fork), str(ROOT)],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        os.kill(parent.pid, signal.SIGKILL)
        try:
            parent.wait(timeout=WAIT)
            assert gone(pids[0])
        finally:
            os.kill(pids[1], signal.SIGKILL)


def test_an_interrupt_leaves_it_running_and_a_termination_ends_it() -> None:
    with offline.start(pace=0) as api:
        os.kill(api.pid, signal.SIGINT)
        headers = {"x-api-key": api.token, "anthropic-version": "2026-10-21"}
        with httpx2.Client(trust_env=False, headers=headers, timeout=WAIT) as wire:
            assert wire.get(f"{api.url}/v1/models").status_code == 200
        os.kill(api.pid, signal.SIGTERM)
        api._process.wait(timeout=WAIT)
        assert not api.alive


def test_it_is_not_in_the_process_group_that_a_notebook_interrupts() -> None:
    with offline.start() as api:
        assert os.getpgid(api.pid) != os.getpgrp()


def test_stopping_twice_is_fine() -> None:
    api = offline.start()
    assert api.alive
    api.stop()
    api.stop()
    assert not api.alive


def test_a_forgotten_server_ends() -> None:
    api = offline.start()
    pid = api.pid
    del api
    gc.collect()
    assert gone(pid)


def test_the_token_is_random_and_not_shown() -> None:
    with offline.start() as one, offline.start() as other:
        assert one.token != other.token
        assert one.token.startswith("sk-local-")
        assert one.token not in repr(one)
        assert one.token not in " ".join(psutil.Process(one.pid).cmdline())


def test_a_stray_module_in_the_current_folder_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tornado.py").write_text("raise SystemExit('stray')")
    (tmp_path / "random.py").write_text("raise SystemExit('stray')")
    monkeypatch.chdir(tmp_path)
    with offline.start() as api:
        assert api.alive


def test_only_the_chosen_models_are_on_offer() -> None:
    with offline.start(models=["claude-haiku-5-5"]) as api:
        headers = {"x-api-key": api.token, "anthropic-version": "2026-10-21"}
        with httpx2.Client(trust_env=False, headers=headers, timeout=WAIT) as wire:
            page = wire.get(f"{api.url}/v1/models").json()
    assert [model["id"] for model in page["data"]] == ["claude-haiku-5-5"]


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(offline.LocalApiFailed, match="claude-nought"):
        offline.start(models=["claude-nought"])


def test_a_server_that_does_not_listen_in_time_is_given_up() -> None:
    with pytest.raises(offline.LocalApiFailed, match=r"within 1e-06 s"):
        offline.start(timeout=1e-6)


def test_an_interpreter_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(offline.LocalApiFailed, match="nonexistent"):
        offline.start()


def test_importing_the_package_loads_the_standard_library_only() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import claude_magic.offline; "
        "print([m for m in ('tornado', 'anthropic', 'PIL', 'pypdf', 'pydantic') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"


def test_no_module_of_it_imports_the_rest_of_the_package() -> None:
    for path in (ROOT / "claude_magic" / "offline").glob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.strip().startswith(("from ..", "from claude_magic", "import claude_magic")), path


def test_it_can_be_kept_for_people(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "claude_magic.offline", "--keep", "--token", "sk-mine", "--pace", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = "".join(process.stdout.readline() for _ in range(4))
            assert "not Claude" in said
            assert "ANTHROPIC_API_KEY=sk-mine" in said
            url = said.partition("ANTHROPIC_BASE_URL=")[2].split()[0]
            headers = {"x-api-key": "sk-mine", "anthropic-version": "2026-10-21"}
            with httpx2.Client(trust_env=False, headers=headers, timeout=WAIT) as wire:
                assert wire.get(f"{url}/v1/models").status_code == 200
        finally:
            os.kill(process.pid, signal.SIGINT)
            process.wait(timeout=WAIT)
    assert process.returncode == 0
