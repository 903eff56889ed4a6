"""Strange environments: a foreign host, a proxy, packages that are missing. One line each leads out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults import GOOD, FaultServer
from tests.kernels import Kernel, answer_input, running_kernel

KEY = "sk-ant-canary-0123456789"
GATEWAY = "http://gateway.example"


def line_of(kernel: Kernel, code: str, *, allow_stdin: bool = False) -> str:
    """The one line a cell ends in."""
    line = re.sub(r"\x1b\[\d*m", "", kernel.run(code, allow_stdin=allow_stdin).error)
    assert "\n" not in line
    return line


def test_a_foreign_host_is_asked_about_once_and_never_without_a_yes(tmp_path: Path) -> None:
    with (
        FaultServer() as proxy,
        running_kernel(
            tmp_path, ANTHROPIC_BASE_URL=GATEWAY, ANTHROPIC_API_KEY=KEY, HTTP_PROXY=proxy.url, NO_PROXY=""
        ) as kernel,
    ):
        kernel.run("%load_ext claude_magic")
        assert line_of(kernel, "%%claude\nhello").startswith(
            "ConfigProblem: Requests and the key would go to gateway.example, not to Anthropic. "
            "%claude_config hosts=gateway.example, or CLAUDE_MAGIC_HOSTS, allows it. Nothing was sent."
        )
        request = kernel.send("%%claude\nhello")
        answer_input(kernel, "n")
        assert "Not sent to gateway.example" in kernel.collect(request).error
        assert proxy.requests == []
        proxy.answers([GOOD, GOOD])
        request = kernel.send("%%claude\nhello")
        answer_input(kernel, "y")
        ran = kernel.collect(request)
        assert ran.status == "ok", ran.error
        assert kernel.run("%%claude\nhello again", allow_stdin=False).status == "ok"  # asked once
        assert len(proxy.requests) == 2
        assert "gateway.example" in kernel.run("%claude_config").result


def test_a_foreign_host_may_be_allowed_beforehand(tmp_path: Path) -> None:
    allowed = {"CLAUDE_MAGIC_HOSTS": "gateway.example other.example"}
    with (
        FaultServer() as proxy,
        running_kernel(
            tmp_path, ANTHROPIC_BASE_URL=GATEWAY, ANTHROPIC_API_KEY=KEY, HTTP_PROXY=proxy.url, **allowed
        ) as kernel,
    ):
        kernel.run("%load_ext claude_magic")
        proxy.answers([GOOD])
        assert kernel.run("%%claude\nhello", allow_stdin=False).status == "ok"


def test_an_unreachable_proxy_is_named_by_its_variable(tmp_path: Path) -> None:
    with running_kernel(
        tmp_path,
        ANTHROPIC_BASE_URL=GATEWAY,
        ANTHROPIC_API_KEY=KEY,
        HTTP_PROXY="http://me:secret@127.0.0.1:9",
        CLAUDE_MAGIC_HOSTS="gateway.example",
        CLAUDE_MAGIC_RETRIES="0",
    ) as kernel:
        kernel.run("%load_ext claude_magic")
        line = line_of(kernel, "%%claude\nhello")
        assert "HTTP_PROXY names a proxy that cannot be reached" in line
        assert "secret" not in line


def test_base_urls_are_corrected_or_refused(tmp_path: Path) -> None:
    with FaultServer() as server:
        for url, said in [
            (f"{server.url}/v1/", ""),
            (server.url.removeprefix("http://"), "http:// or https://"),
        ]:
            home = tmp_path / url.strip("/").rpartition("/")[2].replace(":", "-")
            home.mkdir()
            with running_kernel(home, ANTHROPIC_BASE_URL=url, ANTHROPIC_API_KEY=KEY) as kernel:
                kernel.run("%load_ext claude_magic")
                server.answers([GOOD])
                line = line_of(kernel, "%%claude\nhello")
                assert said in line
                assert bool(line) == bool(said)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("anthropic", "anthropic"),
        ("anywidget", "anywidget"),
        ("ipywidgets", "ipywidgets"),
        ("PIL", "pillow"),
        ("pypdf", "pypdf"),
        ("markdown_it", "markdown-it-py"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_brings_it(
    fresh_kernel: Kernel, module: str, package: str
) -> None:
    fresh_kernel.run(f"import sys\nsys.modules[{module!r}] = None\n%load_ext claude_magic")
    for _ in range(2):
        line = line_of(fresh_kernel, "%%claude\nhello")
        assert line.startswith(
            f"ConfigProblem: The package {package} is missing: run %pip install -U '{package}"
        )
        assert line.endswith("and restart the kernel. Nothing was sent.")


def test_an_sdk_that_is_too_old_is_told(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("import anthropic\nanthropic.__version__ = '2.10.9'\n%load_ext claude_magic")
    assert "anthropic is too old (2.10.9, 2.11 is needed)" in line_of(fresh_kernel, "%%claude\nhello")


def test_an_error_leaves_nothing_behind_to_look_into(kernel: Kernel) -> None:
    kernel.run("import sys")
    kernel.run("%%claude -m no-such-model\nhello")
    assert kernel.value("[sys.last_value.__context__, sys.last_value.__cause__]") == "[None, None]"
    assert "Traceback" not in kernel.run("%tb").stdout
    kernel.run("%xmode Verbose")
    assert "Traceback" not in kernel.run("%claude -a nowhere what").error
    kernel.run("%xmode Context")


def test_a_cell_of_one_line_is_asked_too(kernel: Kernel) -> None:
    empty = kernel.run("%%claude")  # IPython's own words: in a console its body is yet to be typed
    assert "the cell body is empty" in str(empty.messages)
    assert "nothing to go on from" in line_of(kernel, "%%claude --chat unheard-of --continue")
    assert kernel.run("%%claude?").payload
