"""Find secrets in what is about to be sent: their kind and place, never their value.

Each kind has markers that are searched as plain text, and a pattern that is tried only there, so the
time is linear in the text. The patterns ask for the shape of a real secret: prose and code that talk
about passwords are no hits.
"""

from __future__ import annotations

import itertools
import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from claude_magic.values import Block


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's kind and where it begins, both counted from 1. The value is kept nowhere."""

    kind: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """A kind of secret: plain markers, and the pattern that must begin at one of them."""

    kind: str
    markers: tuple[str, ...]
    pattern: re.Pattern[str]


# (?<!…) lets a pattern start only where a run of its characters starts: each run is read once.
_SHAPES = (
    _Shape(
        "private key",
        ("-----BEGIN ",),
        re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"),
    ),
    _Shape("Anthropic API key", ("sk-ant-",), re.compile(r"(?<![A-Za-z0-9_-])sk-ant-[A-Za-z0-9_-]{16}")),
    _Shape("OpenAI API key", ("sk-proj-",), re.compile(r"(?<![A-Za-z0-9_-])sk-proj-[A-Za-z0-9_-]{20}")),
    _Shape(
        "AWS access key id",
        ("AKIA", "ASIA"),
        re.compile(r"(?<![A-Za-z0-9])A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ),
    _Shape(
        "AWS secret access key",
        ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
        re.compile(r"\w{15,21}[\"']?[ \t]{0,9}[=:][ \t]{0,9}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    ),
    _Shape(
        "GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        re.compile(r"(?<![A-Za-z0-9_])gh[pousr]_[A-Za-z0-9]{36}"),
    ),
    _Shape("GitHub token", ("github_pat_",), re.compile(r"(?<![A-Za-z0-9_])github_pat_[A-Za-z0-9_]{40}")),
    _Shape("GitLab token", ("glpat-",), re.compile(r"(?<![A-Za-z0-9_])glpat-[A-Za-z0-9_-]{20}")),
    _Shape(
        "Slack token",
        ("xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-", "xapp-"),
        re.compile(r"(?<![A-Za-z0-9])(?:xox[baprs]|xapp)-[A-Za-z0-9]{1,30}-[A-Za-z0-9-]{10}"),
    ),
    _Shape(
        "Slack webhook",
        ("hooks.slack.com/services/",),
        re.compile(r"hooks\.slack\.com/services/T\w{6,20}/B\w{6,20}/\w{20}"),
    ),
    _Shape(
        "Google API key", ("AIza",), re.compile(r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])")
    ),
    _Shape(
        "Stripe key", ("sk_live_", "rk_live_"), re.compile(r"(?<![A-Za-z0-9_])[sr]k_live_[A-Za-z0-9]{20}")
    ),
    _Shape("Hugging Face token", ("hf_",), re.compile(r"(?<![A-Za-z0-9_])hf_[A-Za-z]{34}(?![A-Za-z0-9_])")),
    _Shape(
        "JSON web token",
        ("eyJ",),
        re.compile(
            r"(?<![A-Za-z0-9_.-])eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{20}"
        ),
    ),
    _Shape(
        "connection string with password",
        ("://",),
        re.compile(r"://[^\s:/@\"'<>]{0,100}:(?P<value>[^\s/@\"'<>]{3,200})@[\w.\[-]"),
    ),
)

# Names as in .env files, at the start of a line; the value must be one word.
_ENV = re.compile(
    r"^[ \t]{0,40}(?:export[ \t]{1,9}|ENV[ \t]{1,9}|set[ \t]{1,9})?"
    r"(?=[A-Z][A-Z0-9_]{2,60}[ \t]{0,9}=)"
    r"[A-Z0-9_]{0,50}(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY)"
    r"(?:_[A-Z0-9_]{0,20})?[ \t]{0,9}=[ \t]{0,9}(?P<quote>[\"']?)(?P<value>[^\s\"'#]{6,500})(?P=quote)"
    r"[ \t]{0,40}(?:#.{0,400})?\r?$",
    re.MULTILINE,
)

# In code and settings the value must be quoted. It is found first: quotes behind a = or : are rare.
_QUOTED = re.compile(r"[:=][ \t]{0,9}(?P<quote>[\"'])(?P<value>[^\s\"'\\]{8,200})(?P=quote)")
_NAMED = re.compile(
    r"(?<![A-Za-z0-9])(?:password|passwd|passphrase|api_?key|secret_?key|client_secret|access_token|"
    r"auth_token)[\"']?[ \t]{0,9}$",
    re.IGNORECASE,
)
_LONGEST_NAME = 40

_CODE = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)*[,;]?|[\w.]+[(\[].*")
"""An unquoted value that is a name or a call: code, unless it stands in a shell's ``KEY=value``."""

_PLACEHOLDER = re.compile(
    r"[*•x.…_-]+|<.*|\$.*|%.*|\{.*|[\w.]+[(\[].*|.*\.\.\.|"
    r"(?:your|my|some|example|sample|dummy|fake|test|change|insert|replace|placeholder|todo|xxx)[\w.-]*|"
    r"(?:pass|password|passwd|pwd|secret|token|none|null|true|false|required|optional|string|redacted|hidden)",
    re.IGNORECASE,
)
"""What stands where a secret would, in templates, documentation and code."""


def find_secrets(text: str) -> list[Secret]:
    """Find what looks like a secret.

    Parameters
    ----------
    text : str
        Of any length; the time is linear in it.

    Returns
    -------
    list of Secret
        In the order of their places; one for each place, the more exact kind where two would fit.
    """
    exact = sorted(_shaped(text))
    spans = sorted([*exact, *_assigned(text, [at for at, _, _ in exact])])
    found: list[Secret] = []
    line, line_start, counted, covered = 1, 0, 0, -1
    for start, end, kind in spans:
        if start < covered:
            continue
        covered = end
        passed = text.count("\n", counted, start)
        if passed:
            line += passed
            line_start = text.rindex("\n", counted, start) + 1
        counted = start
        found.append(Secret(kind, line, start - line_start + 1))
    return found


def _shaped(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and kind of what has the shape of a known secret."""
    for shape in _SHAPES:
        for marker in shape.markers:
            at = text.find(marker)
            while at >= 0:
                match = shape.pattern.match(text, at)
                if match is not None and not _placeholder(match):
                    yield at, match.end(), shape.kind
                at = text.find(marker, match.end() if match is not None else at + len(marker))


def _assigned(text: str, exact: list[int]) -> Iterator[tuple[int, int, str]]:
    """Yield assignments of secrets by their names, unless an exact shape stands in them."""
    quoted = (
        match
        for match in _QUOTED.finditer(text)
        if _NAMED.search(text[max(0, match.start() - _LONGEST_NAME) : match.start()])
    )
    for match in itertools.chain(_ENV.finditer(text), quoted):
        behind = bisect_left(exact, match.start())
        spaced = not match["quote"] and text[match.start("value") - 1] != "="
        if (
            _placeholder(match)
            or (spaced and _CODE.fullmatch(match["value"]))
            or (behind < len(exact) and exact[behind] < match.end())
        ):
            continue
        yield *match.span("value"), "password or key in an assignment"


def _placeholder(match: re.Match[str]) -> bool:
    """Whether the value found is one of those that stand for a secret."""
    value = match.groupdict().get("value")
    return value is not None and _PLACEHOLDER.fullmatch(value) is not None


def document_text(block: Block) -> str:
    """The text of a block as the user knows it, so that the lines of what is found are right; else ``""``."""
    if block.kind == "document" and b'"type":"text"' in block.json[:200]:
        return str(json.loads(block.json)["source"]["data"])
    # A text that was attached stands between two tags.
    return block.text.partition("\n")[2] if block.text.startswith("<document name=") else block.text
