"""The client: what it takes from the environment, corrects and refuses; in one line, never with the key."""

from __future__ import annotations

import copy
import http.server
import io
import pickle
import socketserver
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import anthropic
import httpx2
import pytest
from anthropic import Anthropic

from claude_magic.api import address, client, credential
from claude_magic.api.client import Endpoint, connect, describe, look_up
from claude_magic.errors import ApiBusy, ApiProblem, ConfigProblem, ConnectionProblem, Interrupted

KEY = "sk-ant-canary-0123456789"
CANARY = "canary"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credential, no address, no proxy; a test sets what it is about."""
    import os

    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith(("ANTHROPIC_", "SSL_CERT")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def connected(endpoint: Endpoint = Endpoint()) -> tuple[Anthropic, list[str]]:  # noqa: B008 - it is frozen
    notes: list[str] = []
    made = connect(endpoint, notes.append)
    made.close()
    return made, notes


def refusal(endpoint: Endpoint = Endpoint()) -> str:  # noqa: B008
    """The one line of a refusal; no exception stands behind it, and nothing printed of it has the key."""
    with pytest.raises(ConfigProblem) as caught:
        connect(endpoint)
    return one_line(caught.value)


def one_line(problem: BaseException) -> str:
    assert problem.__cause__ is None
    assert problem.__context__ is None
    frames = traceback.TracebackException.from_exception(problem, capture_locals=True).stack
    where = ("client.py", "credential.py")
    variables = [frame.locals for frame in frames if Path(frame.filename).name in where]
    assert variables
    assert KEY not in repr(variables)
    line = str(problem)
    assert "\n" not in line
    assert CANARY not in line
    assert len(line) < 300
    return line


@dataclass
class Seen:
    """A server on this machine that answers everything alike, and what it was asked."""

    url: str
    requests: list[tuple[str, str]]
    answer: bytes
    status: int = 200
    location: str = ""
    content_type: str = "application/json"


@pytest.fixture
def server() -> Iterator[Seen]:
    seen = Seen("", [], b'{"type": "model", "id": "claude-new-1", "display_name": "New"}')

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.requests.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(seen.status)
            self.send_header("Content-Type", seen.content_type)
            self.send_header("Content-Length", str(len(seen.answer)))
            if seen.location:
                self.send_header("Location", seen.location)
            self.end_headers()
            self.wfile.write(seen.answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as running:
        seen.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield seen
        running.shutdown()
        thread.join()


# -- the key


@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
@pytest.mark.parametrize("found", [f"{KEY}\n", f"{KEY}\r\n", f"  {KEY}", f"\t{KEY} ", f"{KEY}\u00a0"])
def test_blanks_around_a_key_are_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, variable: str, found: str
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv(variable, found)
    made, (note,) = connected()
    assert made.auth_headers == {"Authorization": f"Bearer {KEY}"}
    assert note == f"{variable} has blanks or a line break around the key; they are left out."


def test_a_plain_key_needs_no_words() -> None:
    made, notes = connected()
    assert notes == []
    assert made.auth_headers == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
@pytest.mark.parametrize(
    ("found", "said"),
    [
        (f'"{KEY}"', "quotes around the key"),
        (f"'{KEY}'", "quotes around the key"),
        (f"“{KEY}”", "quotes around the key"),
        (f"{KEY}'", "quotes around the key"),
        (f"{KEY}\r\nX-Evil: 1", "a line break inside"),
        (f"{KEY}\n{KEY}", "a line break inside"),
        (f"{KEY}\u2028x", "a line break inside"),
        (f"{KEY}\x7f", "a control character inside"),
        (f"{KEY}\x1b[31m", "a control character inside"),
        (f"{KEY}\u200b", "an invisible character"),
        (f"\ufeff{KEY}", "an invisible character"),
        (KEY.replace("-", "\u2013"), "a typographic dash"),
        (KEY.replace("-", "\u2011"), "a typographic dash"),
        (f"Bearer {KEY}", "a blank inside"),
        (f"{KEY}é", "a character inside that no key has"),
        (f"{KEY}\u0430", "a character inside that no key has"),
        (f"{KEY}\udcff", "a character inside that no key has"),
    ],
)
def test_what_cannot_be_a_key_is_refused_by_its_defect(
    monkeypatch: pytest.MonkeyPatch, variable: str, found: str, said: str
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv(variable, found)
    line = refusal()
    assert line.startswith(f"{variable} has {said}")
    assert line.endswith("Nothing was sent.")
    rows = describe(None, Endpoint())
    assert ("credential", "cannot be used", variable, line) in rows
    assert CANARY not in repr(rows)


def test_a_key_that_was_handed_over_is_checked_too() -> None:
    assert refusal(Endpoint("http://127.0.0.1:1", f"{KEY}\r\nx")).startswith(
        "%claude_offline has a line break"
    )
    made, notes = connected(Endpoint("http://127.0.0.1:1", "token\n"))
    assert made.auth_headers == {"Authorization": "Bearer token"}
    assert len(notes) == 1


@pytest.mark.parametrize("found", ["", " ", "\n", "\t \r\n"])
def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", found)
    assert refusal() == credential.NO_CREDENTIAL
    assert describe(None, Endpoint())[-1][:3] == ("credential", "none", "environment")


def test_a_key_never_shows_itself() -> None:
    endpoint = Endpoint("https://gateway.example", KEY)
    made, _ = connected(endpoint)
    shown = [repr(endpoint), repr(made), repr(vars(made)), repr(made.api_key), repr([endpoint.api_key])]
    shown += [repr(replace(endpoint, base_url="")), repr(copy.deepcopy(endpoint)), repr(made._client.headers)]
    assert [text for text in shown if CANARY in text] == []
    for thing in (endpoint, made.api_key, vars(made)["api_key"]):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dump(thing, io.BytesIO())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"invalid key: {KEY}.", "invalid key: ***."),
        ("invalid key: 'sk-ant-other-xyz'", "invalid key: 'sk-ant-***'"),
        ("POST https://me:secret@host/v1 failed", "POST https://host/v1 failed"),
        ("no key here, not even a sk-", "no key here, not even a sk-"),
    ],
)
def test_foreign_text_is_masked(text: str, masked: str) -> None:
    assert credential.masked(text, connected()[0]) == masked


# -- other credentials


def test_a_custom_header_authorises_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", f"X-Team: blue\nAuthorization: Bearer {KEY}")
    made, notes = connected()
    assert notes == []
    rows = describe(made, Endpoint())
    assert ("credential", "custom header", "ANTHROPIC_CUSTOM_HEADERS") in [row[:3] for row in rows]
    assert ("headers", "2: Authorization, X-Team", "ANTHROPIC_CUSTOM_HEADERS") in [row[:3] for row in rows]
    assert CANARY not in repr(rows)
    assert "blue" not in repr(rows)
    assert credential.masked(f"no {KEY[7:]}", made) == f"no {KEY[7:]}"
    assert CANARY not in credential.masked(f"denied: {KEY}", made)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (f"X-A: {KEY}\rX-B: 1", "X-A has a control character"),
        (f"X A: {KEY}", "a line that is no header"),
        (f": {KEY}", "a line that is no header"),
        (f"Authorization: Bearer “{KEY}”", "Authorization has quotes"),
        (f"X-Api-Key: {KEY}\u200b", "X-Api-Key has an invisible character"),
    ],
)
def test_custom_headers_that_cannot_be_sent(monkeypatch: pytest.MonkeyPatch, headers: str, said: str) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", headers)
    assert said in refusal()


def test_a_profile_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "work.json").write_text(
        '{"authentication": {"type": "user_oauth"}, "base_url": "https://gateway.example"}', "utf-8"
    )
    (configs / "work.json").chmod(0o600)
    monkeypatch.setenv("ANTHROPIC_PROFILE", "work")
    made, notes = connected()
    assert notes == []
    assert [row[:3] for row in describe(made, Endpoint())] == [
        ("API", "gateway.example", "the profile's base_url"),
        ("credential", "profile", "profile work"),
    ]
    monkeypatch.setenv("ANTHROPIC_PROFILE", "none")
    assert "Config file not found" in refusal()
    assert describe(None, Endpoint())[0][1] == "cannot be used"


# -- the address


@pytest.mark.parametrize(
    ("found", "used"),
    [
        ("https://h.example/v1", "https://h.example"),
        ("https://h.example/v1/", "https://h.example"),
        ("https://h.example/v1/messages", "https://h.example"),
        ("https://h.example:8443/gateway/v1/ ", "https://h.example:8443/gateway"),
    ],
)
def test_the_version_at_the_end_is_taken_off_and_said(
    monkeypatch: pytest.MonkeyPatch, found: str, used: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", found)
    made, (note,) = connected()
    assert str(made.base_url).rstrip("/") == used
    assert note == f"ANTHROPIC_BASE_URL names the API's path, which is added anyway; requests go to {used}."


@pytest.mark.parametrize("found", ["", "  ", "https://api.anthropic.com", "https://api.anthropic.com/"])
def test_an_empty_address_is_anthropics(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", found)
    made, notes = connected()
    assert (made.base_url.scheme, made.base_url.host, notes) == ("https", "api.anthropic.com", [])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("localhost:8080", "needs http:// or https:// before the host"),
        ("api.example.com", "needs http:// or https:// before the host"),
        ("//api.example.com", "needs http:// or https:// before the host"),
        (KEY, "needs http:// or https:// before the host"),
        ("ftp://h.example", "neither an http:// nor an https:// address"),
        (f"{KEY}://x", "neither an http:// nor an https:// address"),
        ("https://", "names no host"),
        ("http:h.example", "names no host"),
        ("https://canary:pass@h.example", "a user name or password"),
        ("https://canary@h.example/v1", "a user name or password"),
        ("https://h.example/?key=canary", "a part after ? or #"),
        ("https://h.example/#canary", "a part after ? or #"),
        ("https://h.example:99999", "no address that can be used"),
        ("https://h.example:port", "no address that can be used"),
        ("https://h example", "no address that can be used"),
        ("https://h.exam\nple", "no address that can be used"),
        ("http://[::1", "no address that can be used"),
    ],
)
def test_an_address_that_cannot_be_meant(monkeypatch: pytest.MonkeyPatch, found: str, said: str) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", found)
    line = refusal()
    assert line.startswith("ANTHROPIC_BASE_URL ")
    assert said in line
    rows = describe(None, Endpoint())
    assert rows[0][:2] == ("API", "cannot be used")
    assert CANARY not in repr(rows)


def test_plain_http_is_said_but_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gateway.example:8080")
    (note,) = connected()[1]
    assert note == (
        "The connection to gateway.example:8080 is not encrypted: your key travels in the clear. Use https://."
    )


@pytest.mark.parametrize(
    ("url", "foreign"),
    [
        ("https://api.anthropic.com", ""),
        ("HTTPS://API.Anthropic.COM.", ""),
        ("https://eu.api.anthropic.com:8443", ""),
        ("http://localhost:8000", ""),
        ("http://LOCALHOST.", ""),
        ("http://127.3.4.5:1", ""),
        ("http://[::1]:1", ""),
        ("http://[::ffff:127.0.0.1]:1", ""),
        ("https://api.anthropic.com.evil.example", "api.anthropic.com.evil.example"),
        ("https://evilanthropic.com", "evilanthropic.com"),
        ("https://anthropic.com.", ""),
        ("https://\u0430nthropic.com:444", "xn--nthropic-06g.com:444"),
        ("https://xn--nthropic-06g.com", "xn--nthropic-06g.com"),
        ("https://localhost.evil.example", "localhost.evil.example"),
        ("http://0.0.0.0:1", "0.0.0.0:1"),
        ("http://2130706433", "2130706433"),
        ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example"),
        ("http://[2001:db8::1]:8", "[2001:db8::1]:8"),
        ("http://192.168.1.2", "192.168.1.2"),
    ],
)
def test_a_foreign_host_is_told_from_anthropics_and_this_machine(url: str, foreign: str) -> None:
    assert address.foreign_host(connected(Endpoint(url, KEY))[0]) == foreign


# -- how requests are made


def test_one_try_no_redirects_a_short_wait_for_the_connection(server: Seen) -> None:
    server.status, server.location = 307, "http://127.0.0.1:9/elsewhere"
    made = connect(Endpoint(server.url, KEY))
    assert made.max_retries == 0
    for timeout in (made.timeout, made._client.timeout):
        assert isinstance(timeout, httpx2.Timeout)
        assert timeout.connect == 15
    with pytest.raises(anthropic.APIStatusError) as caught:
        made.models.retrieve("x")
    assert caught.value.status_code == 307
    server.status, server.location = 503, ""
    with pytest.raises(anthropic.APIStatusError):
        made.models.retrieve("x")
    made.close()
    assert server.requests == [("/v1/models/x", f"Bearer {KEY}")] * 2


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_does_not_see_what_is_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, server: Seen, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody answers there
    made = connect(Endpoint(server.url, KEY))
    assert look_up("claude-new-1", made).id == "claude-new-1"
    made.close()
    assert address.proxy_of(made) == ""


@pytest.mark.parametrize(
    "broken",
    [
        {"ALL_PROXY": "socks5://h:1"},
        {"HTTP_PROXY": "::::"},
        {"SSL_CERT_FILE": "/none"},
        {"SSL_CERT_DIR": "/none"},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_broken_environment_does_not_stop_the_local_server(
    monkeypatch: pytest.MonkeyPatch, server: Seen, broken: dict[str, str]
) -> None:
    for name, value in broken.items():
        monkeypatch.setenv(name, value)
    made = connect(Endpoint(server.url, KEY))
    assert look_up("claude-new-1", made).id == "claude-new-1"
    made.close()


@pytest.mark.parametrize(
    ("proxies", "url", "name"),
    [
        ({}, "https://h.example", ""),
        ({"HTTPS_PROXY": "http://me:canary@p:1"}, "https://h.example", "HTTPS_PROXY"),
        ({"https_proxy": "p:1"}, "https://h.example", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "p:1"}, "http://h.example", ""),
        ({"HTTP_PROXY": "p:1", "ALL_PROXY": "q:1"}, "https://h.example", "ALL_PROXY"),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "example"}, "https://h.example", ""),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "other, .H.example"}, "https://a.h.example", ""),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "*.h.example"}, "https://a.h.example", ""),
        ({"ALL_PROXY": "q:1", "NO_PROXY": ".h.example"}, "https://h.example", ""),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "xample"}, "https://h.example", "ALL_PROXY"),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "*"}, "https://h.example", ""),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "10.0.0.0/8"}, "http://10.1.2.3:80", ""),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "10.0.0.0/8"}, "http://11.1.2.3", "ALL_PROXY"),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "h.example:8443"}, "https://h.example:8443", ""),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "h.example:8443"}, "https://h.example", "ALL_PROXY"),
        ({"ALL_PROXY": "q:1", "NO_PROXY": "2001:db8::/32"}, "http://[2001:db8::1]", ""),
    ],
)
def test_the_proxy_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str], url: str, name: str
) -> None:
    for variable, value in proxies.items():
        monkeypatch.setenv(variable, value)
    made, _ = connected(Endpoint(url, KEY))
    assert address.proxy_of(made) == name
    rows = describe(made, Endpoint(url, KEY))
    assert [row[2] for row in rows if row[0] == "proxy"] == ([name] if name else [])
    assert CANARY not in repr(rows)


def test_requests_go_through_the_proxy_unless_excepted(monkeypatch: pytest.MonkeyPatch, server: Seen) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "other.example, 2001:db8::/32")  # the SDK itself fails on a network
    made = connect(Endpoint("http://api.invalid", KEY))
    assert address.proxy_of(made) == "HTTP_PROXY"
    assert look_up("claude-new-1", made).id == "claude-new-1"
    made.close()
    assert [path for path, _ in server.requests] == ["http://api.invalid/v1/models/claude-new-1"]
    monkeypatch.setenv("NO_PROXY", "invalid")
    made = connect(Endpoint("http://api.invalid", KEY))
    with pytest.raises(ConnectionProblem):
        look_up("claude-new-1", made)
    made.close()
    assert len(server.requests) == 1


def test_a_proxy_for_others_may_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "::::")
    assert connected()[1] == []


@pytest.mark.parametrize(
    "found",
    ["::::", "http://", "ftp://me:canary@p:1", "http://me:canary@p:99999", "http://me:can\nary@p:1", "p p:1"],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, variable: str, found: str) -> None:
    monkeypatch.setenv(variable, found)
    assert refusal().startswith(f"{variable} is no proxy's address")
    rows = describe(None, Endpoint())
    assert CANARY not in repr(rows)


def test_a_socks_proxy_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:canary@p:1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    line = refusal()
    assert line.startswith("ALL_PROXY names a SOCKS proxy")
    assert "%pip install 'httpx2[socks]'" in line


@pytest.mark.parametrize(
    ("variable", "content", "said"),
    [
        ("SSL_CERT_FILE", None, "The file SSL_CERT_FILE names cannot be read"),
        ("SSL_CERT_FILE", "folder", "The file SSL_CERT_FILE names cannot be read"),
        ("SSL_CERT_FILE", "no certificate", "The file SSL_CERT_FILE names holds no certificates"),
        ("SSL_CERT_DIR", None, "SSL_CERT_DIR names no folder"),
        ("SSL_CERT_DIR", "a file", "SSL_CERT_DIR names no folder"),
    ],
)
def test_certificates_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None, said: str
) -> None:
    path = tmp_path / "certificates"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content, "utf-8")
    monkeypatch.setenv(variable, str(path))
    assert refusal().startswith(said)


def test_an_old_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anthropic, "__version__", "2.9.3")
    line = refusal()
    assert line.startswith("The package anthropic is too old (2.9.3, 2.11 is needed)")
    for newer in ("2.11.0", "2.100", "3.0.0rc1"):
        monkeypatch.setattr(anthropic, "__version__", newer)
        client._check_version()


# -- a model's name


@pytest.mark.parametrize(
    ("status", "answer", "kind", "error"),
    [
        (200, b"<html>log in</html>", "text/html", ConnectionProblem),
        (200, b"{]", "application/json", ApiProblem),
        (200, b"[]", "application/json", ConnectionProblem),
        (200, b"{}", "application/json", ConnectionProblem),
        (200, b"\xff\xfe", "application/json", ApiProblem),
        (404, b"{}", "application/json", ConfigProblem),
        (500, b"", "text/plain", ApiBusy),
    ],
)
def test_looking_a_model_up_fails_in_one_line(
    server: Seen, status: int, answer: bytes, kind: str, error: type[Exception]
) -> None:
    server.status, server.answer, server.content_type = status, answer, kind
    made = connect(Endpoint(server.url, KEY))
    with pytest.raises(error) as caught:
        look_up("claude-new-1", made)
    made.close()
    one_line(caught.value)


def test_an_interrupt_while_a_model_is_looked_up_shows_no_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", interrupted)
    made = connect(Endpoint("http://127.0.0.1:9", KEY))
    with pytest.raises(Interrupted) as caught:
        look_up("claude-new-1", made)
    made.close()
    one_line(caught.value)


def test_an_empty_name_is_no_model() -> None:
    with pytest.raises(ConfigProblem, match="No model ''"):
        look_up("", connected()[0])
