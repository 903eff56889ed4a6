"""Presets in real files, what a stranger's may set, and the parameters of ``extra``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_magic import flags, presets
from claude_magic.api import extra
from claude_magic.errors import UsageProblem
from claude_magic.presets import FILE
from tests.faults import FaultServer, Seen
from tests.kernels import Kernel, running_kernel

KEY = "sk-ant-api03-presets"


class Places:
    """A home with a project in it, and Jupyter's configuration directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.configuration = home / ".jupyter"
        self.project = home / "project"
        self.notebook = self.project / "deep" / "down"
        self.notebook.mkdir(parents=True)
        self.configuration.mkdir()
        self.told: list[str] = []

    @property
    def found(self) -> tuple[presets.Source, ...]:
        return presets.sources(self.notebook, self.configuration, self.home)

    @property
    def paths(self) -> list[Path]:
        return [source.path for source in self.found]

    def own(self, text: str) -> None:
        (self.configuration / FILE).write_text(text, "utf-8")

    def strange(self, text: str) -> None:
        (self.project / FILE).write_text(text, "utf-8")

    def line(self, cell: str) -> flags.Line:
        parsed = flags.parse(cell, flags.ASK, "%claude")
        return presets.applied(parsed, self.found, self.told.append, self.configuration)

    def refused(self, cell: str) -> str:
        with pytest.raises(UsageProblem) as caught:
            self.line(cell)
        line = str(caught.value)
        assert "\n" not in line
        assert line.endswith("Nothing was sent.")
        return line


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_a_flag_on_the_cell_wins_over_the_preset(places: Places) -> None:
    places.own(
        '[preset.terse]\nmodel = "opus"\nsystem = "Be terse."\nstop = ["A", "B"]\nquiet = true\n'
        'flags = ["--max-tokens", "500", "--cache=1h", "--cite"]\nextra = {speed = "fast"}\n'
    )
    line = places.line("--preset terse -m haiku --stop C hi")
    assert line.rest == "hi"
    assert line.one("model") == "haiku"
    assert line.all("stop") == ("C",)
    assert (line.one("system"), line.one("max_tokens"), line.one("cache")) == ("Be terse.", "500", "1h")
    assert line.has("quiet")
    assert line.has("cite")
    assert json.loads(line.one("extra")) == {"speed": "fast"}
    assert places.line("--preset terse hi").all("stop") == ("A", "B")
    assert places.told == []


def test_the_projects_preset_wins_by_name_and_says_so(places: Places) -> None:
    places.own('[preset.a]\nmodel = "haiku"\n[preset.b]\nmodel = "opus"\n')
    places.strange('[preset.a]\nmodel = "sonnet"\nmax_tokens = 9\n')
    assert places.line("--preset a hi").one("model") == "sonnet"
    assert places.line("--preset b hi").one("model") == "opus"
    (said,) = places.told
    assert said == f"preset a of {places.project / FILE}, in the place of your own: sets model, max_tokens"


def test_the_search_ends_at_the_repository_or_the_home(places: Places, tmp_path: Path) -> None:
    text = '[preset.a]\nmodel = "opus"\n'
    (places.home / FILE).write_text(text)
    assert places.paths == [places.home / FILE]
    (places.project / ".git").mkdir()
    assert places.paths == []
    places.strange(text)
    assert places.paths == [places.project / FILE]
    (places.notebook / FILE).write_text(text)
    assert places.paths == [places.notebook / FILE]
    outside = tmp_path / "shared" / "folder"
    outside.mkdir(parents=True)
    (outside.parent / FILE).write_text(text)
    assert presets.sources(outside, places.configuration, tmp_path / "else") == ()
    assert presets.sources(None, places.configuration, tmp_path) == ()


def test_an_unknown_preset_names_its_like_and_the_files(places: Places) -> None:
    line = places.refused("--preset reviewer hi")
    assert f"{places.configuration / FILE} (not there); no {FILE} by the notebook." in line
    places.strange('[preset.reviewer]\nmodel = "opus"\n')
    line = places.refused("--preset reveiwer hi")
    assert "No preset 'reveiwer'. Did you mean 'reviewer'?" in line
    assert str(places.project / FILE) in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'[preset.a]\nmodel = opus"\n', f"{FILE}: line 2: Invalid value. It is no TOML."),
        (b'[preset.a]\nmodel = "\xff"\n', "it is no UTF-8 text."),
        (b"x = " + b"[" * 5000, "it is nested too deep."),
        (b"[presets.a]\n", "no 'presets' belongs there"),
        (b"preset = 1\n", "presets are tables [preset.NAME]."),
        (b'[preset.a]\nmodle = "opus"\n', "preset a: a preset cannot set 'modle'. Did you mean 'model'?"),
        (b'[preset.a]\nattach = ["x"]\n', "a preset cannot set attach; give it on the cell."),
        (b'[preset.a]\npreset = "a"\n', "a preset cannot set preset"),
        (b'[preset.a]\nstore = "x"\n', "a preset cannot set 'store'."),
        (b"[preset.a]\nmodel = [1]\n", "model takes a text or a number."),
        (b"[preset.a]\nquiet = false\n", "quiet takes true"),
        (b'[preset.a]\nmodel = "x"\nflags = ["-m", "y"]\n', "model is set twice."),
        (b'[preset.a]\nflags = ["--max-tokens"]\n', "--max-tokens needs a value: --max-tokens N."),
        (b'[preset.a]\nflags = ["--quiet=1"]\n', "--quiet takes no value."),
        (b'[preset.a]\nflags = ["--modle", "y"]\n', "no flag '--modle'. Did you mean '--model'?"),
        (b'[preset.a]\nflags = "-m opus"\n', "flags is a list of texts"),
        (b"[preset.a]\nextra = {a = nan}\n", "extra has a value that is no JSON."),
        (b'[preset.a]\nsystem = "@gone.md"\n', "system @gone.md: No such file or directory."),
    ],
)
def test_mistakes_are_one_line(places: Places, text: bytes, said: str) -> None:
    (places.configuration / FILE).write_bytes(text)
    assert said in places.refused("--preset a hi")
    ((_, told, _, means),) = presets.rows(places.found)
    assert told in ("cannot be read", "cannot be used")
    assert said in means


@pytest.mark.parametrize(
    "text",
    [
        "urls = true", "max_cost = 100", 'cache = "1h"', "quiet = true", "reuse = true", 'chat = "x"',
        "no_history = true", 'flags = ["--urls"]', 'extra = {metadata = {user_id = "x"}}', 'store = "/tmp/x"',
        'hosts = "evil.example"', "allow_secrets = true", "budget = 1000", 'attach = "~/.ssh/id_rsa"',
        'into = "x"', 'password = "x"', "session_budget = 9", "no-history = true",
    ],
)  # fmt: skip
def test_a_strangers_preset_sets_nothing_that_could_harm(places: Places, text: str) -> None:
    places.strange(f"[preset.a]\n{text}\n")
    assert "preset a:" in places.refused("--preset a hi")
    assert places.told == []


def test_a_strangers_preset_reads_no_file_outside_its_folder(places: Places) -> None:
    (places.home / "private.txt").write_text("private")
    (places.project / ".env").write_text("private")
    (places.project / "link.md").symlink_to(places.home / "private.txt")
    (places.project / "loop.md").symlink_to(places.project / "loop.md")
    whole = str(places.home / "private.txt")
    names = ["../private.txt", whole, "~/private.txt", ".env", "link.md", "loop.md", "deep", "\\u0000", ""]
    names.append("deep/../../private.txt")
    for name in names:
        places.strange(f'[preset.a]\nsystem = "@{name}"\n')
        assert "system @" in places.refused("--preset a hi")
    (places.project / "prompt.md").write_text("@../private.txt")
    places.strange('[preset.a]\nflags = ["-s", "@prompt.md"]\n')
    value = places.line("--preset a hi").one("system")
    assert isinstance(value, flags.Verbatim)  # the text of a file names no further file
    assert value == "@../private.txt"
    places.strange('[preset.a]\nsystem = "secret"\n')
    assert isinstance(places.line("--preset a hi").one("system"), flags.Verbatim)  # no kernel variable


def test_your_own_preset_reads_the_files_beside_it(places: Places) -> None:
    (places.configuration / "prompts").mkdir()
    (places.configuration / "prompts" / "a.md").write_text("From a file.")
    places.own('[preset.a]\nsystem = "@prompts/a.md"\n')
    assert places.line("--preset a hi").one("system") == "From a file."


def test_extra_knows_what_the_sdk_knows_and_leaves_out_what_has_a_place() -> None:
    assert {"service_tier", "metadata", "inference_geo", "speed"} <= extra.KNOWN
    assert extra.merged(("", "")) == ""
    one = extra.merged(('{"speed": "fast", "service_tier": "auto"}', '{"service_tier": "standard_only"}'))
    assert one == extra.merged(('{"service_tier": "standard_only", "speed": "fast"}',))
    assert extra.counted(one) == {"speed": "fast"}
    for text, said in (
        ('{"servicetier": 1}', "no parameter 'servicetier'. Did you mean 'service_tier'?"),
        ('{"model": "x"}', "model is set by claude_magic itself"),
        ('{"stream": false}', "stream is set by claude_magic itself"),
        ("[1]", "is no JSON object"),
        ('{"metadata": {"user_id": "\\ud800"}}', "is no JSON object"),
        ('{"speed": NaN}', "is no JSON object"),
    ):
        with pytest.raises(UsageProblem) as caught:
            extra.merged((text,))
        assert said in str(caught.value)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("presets")


@pytest.fixture(scope="module")
def kernel(home: Path, server: FaultServer) -> Iterator[Kernel]:
    """A kernel that talks to a server which remembers the bodies."""
    address = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": KEY}
    with running_kernel(home, JUPYTER_CONFIG_DIR=str(home / "config"), **address) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


def asked(kernel: Kernel, server: FaultServer, code: str) -> tuple[Seen, str]:
    """Run a cell; return the one request it sent, and what it printed."""
    before = len(server.requests)
    ran = kernel.run(code, allow_stdin=False)
    assert ran.status == "ok", ran.error
    (seen,) = server.requests[before:]
    return seen, ran.stdout


def test_a_preset_reaches_the_request(kernel: Kernel, home: Path, server: FaultServer) -> None:
    (home / FILE).write_text('[preset.near]\nmodel = "haiku"\nsystem = "Be near."\nmax_tokens = 77\n')
    (home / "config").mkdir()
    (home / "config" / FILE).write_text('[preset.mine]\nflags = ["-m", "opus"]\nextra = {speed = "fast"}\n')
    kernel.run("%claude_config max_tokens=55")
    seen, said = asked(kernel, server, "%%claude --no-history --cache off --preset near\nhi")
    assert seen.body["model"] == "claude-haiku-5-5"
    assert (seen.body["system"], seen.body["max_tokens"]) == ("Be near.", 77)
    assert said.splitlines() == [f"preset near of {home / FILE}: sets model, system, max_tokens"]
    seen, said = asked(kernel, server, "%%claude --no-history --preset near --max-tokens 66\nhi again")
    assert seen.body["max_tokens"] == 66
    assert said == ""
    seen, said = asked(kernel, server, "%%claude --no-history --preset mine\nhi")
    assert seen.body["model"] == "claude-opus-5-5"
    assert (seen.body["speed"], seen.body["max_tokens"]) == ("fast", 55)
    assert "Be near." in kernel.run("%claude --dry-run --preset near hi").result
    table = kernel.run("%claude_config").result
    rows = {line.split("  ")[0]: line for line in table.splitlines() if line}
    assert "model=haiku, system=Be near., max_tokens=77" in rows["preset near"]
    assert str(home / "config" / FILE) in rows["preset mine"]
    ran = kernel.run("%claude --preset naer hi", allow_stdin=False)
    assert "No preset 'naer'. Did you mean 'near'?" in ran.error


def test_extra_reaches_the_request_and_the_key_of_reuse(kernel: Kernel, server: FaultServer) -> None:
    once = "%%claude --new --reuse\nthe same"
    plain, _ = asked(kernel, server, once)
    assert "service_tier" not in plain.body
    before = len(server.requests)
    assert kernel.run(once, allow_stdin=False).status == "ok"
    assert len(server.requests) == before  # reused
    code = """%claude_config extra='{"service_tier": "standard_only", "metadata": {"user_id": "u"}}'"""
    assert kernel.run(code).status == "ok"
    seen, _ = asked(kernel, server, once)
    assert (seen.body["service_tier"], seen.body["metadata"]) == ("standard_only", {"user_id": "u"})
    assert "standard_only" in kernel.run("%claude --dry-run hi").result
    ran = kernel.run("""%claude_config quiet=True extra='{"servicetier": "auto"}'""")
    assert "Did you mean 'service_tier'?" in ran.error
    assert "Nothing was changed." in ran.error
    assert "is no JSON object" in kernel.run("%claude_config extra=fast").error
    assert kernel.value("get_ipython().magics_manager.registry['ClaudeMagics'].quiet") == "False"
    assert kernel.run("%claude_config extra=").status == "ok"


def test_a_fast_question_is_held_against_limits_at_its_price(kernel: Kernel) -> None:
    words = "hello " * 5000
    normal = kernel.run(f"%claude --dry-run -m opus {words}").result
    fast = kernel.run(f"%claude --dry-run --preset mine {words}").result
    cheap, dear = (float(table.rsplit("$", 1)[1].split()[0]) for table in (normal, fast))
    assert dear > cheap * 1.5
    between = f"--max-cost {(cheap + dear) / 2}"
    assert kernel.run(f"%claude --quiet --no-history -m opus {between} {words}").status == "ok"
    refused = kernel.run(f"%claude --quiet --no-history --preset mine {between} {words}")
    assert "Over the limit" in refused.error
