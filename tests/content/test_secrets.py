"""Secrets are found by kind and place, prose and code about them are not. None stands in this file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.content.secrets import Secret, find_secrets


def joined(*parts: str) -> str:
    """Put a token together at run time, so that none stands in the source."""
    return "".join(parts)


ASSIGNED = "password or key in an assignment"
LINK = "connection string with password"

FOUND = [
    ("private key", joined("-----BEGIN", " PRIVATE KEY-----")),
    ("private key", joined("-----BEGIN RSA", " PRIVATE KEY-----")),
    ("private key", joined("-----BEGIN OPENSSH", " PRIVATE KEY-----")),
    ("private key", joined("-----BEGIN PGP", " PRIVATE KEY BLOCK-----")),
    ("Anthropic API key", joined("sk-", "ant-", "api03-", "aB3" * 30)),
    ("AWS access key id", joined("AK", "IA", "QWERTYUIOP234567")),
    ("AWS access key id", joined("AS", "IA", "QWERTYUIOP234567")),
    ("AWS secret access key", joined("aws_secret_access_key = ", "aB3/" * 10)),
    ("GitHub token", joined("gh", "p_", "aB3x" * 9)),
    ("GitHub token", joined("github", "_pat_", "aB3x" * 20)),
    ("GitLab token", joined("gl", "pat-", "aB3x" * 5)),
    ("Slack token", joined("xo", "xb-", "123456789012-", "aB3x" * 6)),
    ("Google API key", joined("AI", "za", "aB3x_" * 7)),
    ("JSON web token", joined("ey", "J", "hbGciOiJIUzI1", ".ey", "JzdWIiOiIxMjM0", ".", "aB3x" * 10)),
    (LINK, joined("postgres", "://admin:", "s3cr3t", "@db.example.org/prod")),
    (LINK, joined("redis", "://:", "s3cr3t", "@localhost:6379")),
    (ASSIGNED, joined("PASS", "WORD=", "hunter22")),
    (ASSIGNED, joined("export DB_PASS", "WORD='", "hunter22'")),
    (ASSIGNED, joined("STRIPE_API_", "KEY = ", "aB3xaB3x  # live")),
    (ASSIGNED, joined("db_pass", "word = ", '"correct', 'horse"')),
    (ASSIGNED, joined('{"api_', 'key": "', "aB3xaB3xaB3x", '"}')),
]


@pytest.mark.parametrize(("kind", "token"), FOUND)
def test_each_kind_is_found_at_its_line(kind: str, token: str) -> None:
    (secret,) = find_secrets(f"first line\r\nsecond\n{token}\nlast")
    assert (secret.kind, secret.line) == (kind, 3)
    assert secret.column >= 1


def test_the_place_is_exact_and_the_value_is_not_kept() -> None:
    token = FOUND[4][1]
    assert find_secrets(f"\n\nkey: {token}, {token}") == [
        Secret("Anthropic API key", 3, 6),
        Secret("Anthropic API key", 3, 8 + len(token)),
    ]
    assert token not in repr(find_secrets(token))


def test_a_token_in_an_assignment_is_one_secret_of_the_exact_kind() -> None:
    text = joined("ANTHROPIC_API_", "KEY=", FOUND[4][1])
    assert [secret.kind for secret in find_secrets(text)] == ["Anthropic API key"]


@pytest.mark.parametrize(
    "text",
    [
        "The password must have eight characters; never write PASSWORD=... into a file.",
        "password = getpass.getpass()",
        'password = os.environ["DB_PASSWORD"]',
        "PASSWORD=$SECRET_FROM_VAULT",
        "PASSWORD=${DB_PASSWORD}",
        "PASSWORD=<your password>",
        "PASSWORD=your-password-here",
        "PASSWORD=changeme",
        "PASSWORD=********",
        "API_KEY=",
        "TOKEN = tokenizer.eos_token",
        "MAX_TOKENS=4096000",
        "SECRET_PATTERN = re.compile(x)",
        'client = Anthropic(api_key="your-api-key")',
        "keys look like sk-ant-... and begin with sk-ant-",
        "an AKIA prefix, AKIAlowercase, MAKIAQWERTYUIOP234567",
        "https://example.org:8080/path?user=a@b.org",
        "postgres://user:password@localhost/db",
        "postgres://{user}:{password}@{host}/db",
        "ssh://git@github.com:owner/name.git",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "ghp_ is the prefix of GitHub tokens; xoxb- that of Slack",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
        "eyJust a word.eyJust another.third",
        "def test_password_is_long(password: str) -> None: ...",
        'password: "short"',
    ],
)
def test_prose_code_and_placeholders_are_no_secrets(text: str) -> None:
    assert find_secrets(text) == []


def test_the_code_of_libraries_holds_no_secrets() -> None:
    import argparse
    import http.client
    import inspect

    for module in (argparse, inspect, http.client):
        assert find_secrets(inspect.getsource(module)) == []


@pytest.mark.parametrize(
    "unit",
    [
        "eyJ", "AKIA", "://a:", "PASSWORD=", "A", "TOKEN_", "password: '", "-----BEGIN ", "sk-ant-", " ",
        "xoxb-", "api_key = ", "PASSWORD_A_A\n", "gh", "\n", joined("sk-", "ant-", "a" * 20, " "),
    ],
)  # fmt: skip
def test_hostile_repetitions_end(unit: str) -> None:
    # The test's own timeout is the bound: anything worse than linear needs minutes here.
    find_secrets(unit * (3_000_000 // len(unit)))


@given(st.text())
def test_any_text_is_searched(text: str) -> None:
    assert isinstance(find_secrets(text), list)
