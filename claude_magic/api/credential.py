"""The key: checked before anything is sent with it, and never shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import NoReturn, SupportsIndex

from anthropic import Anthropic

from claude_magic.errors import ConfigProblem

NO_CREDENTIAL = (
    "No credential for the API: set ANTHROPIC_API_KEY before the kernel starts, "
    "or run %claude_offline to use the local demo model. Nothing was sent."
)
CUSTOM_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"

_QUOTES = frozenset("\"'`´“”„‘’‚«»‹›")
_DEFECTS = {
    "Cc": "a control character inside",
    "Cf": "an invisible character (such as a zero-width space)",
    "Zl": "a line break inside",
    "Zp": "a line break inside",
    "Zs": "a blank inside",
    "Pd": "a typographic dash where a hyphen belongs",
}
_AUTHORISING = frozenset({"authorization", "x-api-key"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LIKE_A_KEY = re.compile(r"sk-ant-[^\s\"'<>,;]+")
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")


class Secret(str):
    """A text that does not show itself: its ``repr`` is stars, and it is not pickled.

    Debuggers and tracebacks that print variables show the ``repr``; the SDK, which writes the text into
    a header, gets the text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a key is not pickled")


def checked(key: Secret, origin: str) -> tuple[Secret, str]:
    """The key as it may be sent.

    Parameters
    ----------
    key : Secret
        As found; not empty.
    origin : str
        Where it was found, for the messages: a variable's name.

    Returns
    -------
    tuple
        The key without blanks around it, and a note for the user when there were any, else ``""``.

    Raises
    ------
    ConfigProblem
        When it cannot be a key. The line names the defect and repeats nothing of the key.
    """
    bare = Secret(key.strip())
    found = defect(bare)
    if found:
        raise ConfigProblem(f"{origin} has {found}: set it to the key alone, as issued. Nothing was sent.")
    return (
        bare,
        f"{origin} has blanks or a line break around the key; they are left out." if bare != key else "",
    )


def defect(key: str) -> str:
    """What keeps a text from being a key, in a few words; ``""`` for nothing."""
    if not key:
        return "no key in it"
    if key[0] in _QUOTES or key[-1] in _QUOTES:
        return "quotes around the key"
    for character in key:
        if character in "\r\n\x85":
            return "a line break inside"
        kind = unicodedata.category(character)
        if kind in _DEFECTS and character != "-":
            return _DEFECTS[kind]
        if not character.isascii():
            return "a character inside that no key has (an accent, a letter of another script)"
    return ""


def kind_and_origin(client: Anthropic, given: str) -> tuple[str, str]:
    """The kind of credential a client uses and where it comes from; the kind is ``""`` for none.

    Parameters
    ----------
    given : str
        What to call a key that was handed to the client; ``""`` when it comes from the environment.
    """
    if client.api_key and client.api_key.strip():
        return "API key", given or "ANTHROPIC_API_KEY"
    if client.auth_token and client.auth_token.strip():
        return "auth token", "ANTHROPIC_AUTH_TOKEN"
    if client.credentials is not None:
        profile = getattr(client.credentials, "profile", None)
        if isinstance(profile, str):
            return "profile", masked(f"profile {profile}")
        return "workload identity", "ANTHROPIC_IDENTITY_TOKEN, …"
    if any(name.lower() in _AUTHORISING for name in custom_headers(client)):
        return "custom header", CUSTOM_HEADERS
    return "", "environment"


def custom_headers(client: Anthropic) -> dict[str, str]:
    """The headers ``ANTHROPIC_CUSTOM_HEADERS`` adds to each request."""
    found: Mapping[str, object] = client._custom_headers  # noqa: SLF001 - the SDK shows them only mixed with its own
    return {name: Secret(value) for name, value in found.items() if isinstance(value, str)}


def check_custom_headers(client: Anthropic) -> None:
    """See that the custom headers can be sent.

    Raises
    ------
    ConfigProblem
        Naming the header; its value is not repeated.
    """
    for name, value in custom_headers(client).items():
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigProblem(
                f"{CUSTOM_HEADERS} has a line that is no header: write 'Name: value', one a line. "
                "Nothing was sent."
            )
        authorising = name.lower() in _AUTHORISING
        found = defect(Secret(value.replace(" ", ""))) if authorising else _unsendable(value)
        if found:
            raise ConfigProblem(f"{CUSTOM_HEADERS}: {masked(name)} has {found}. Nothing was sent.")


def _unsendable(value: str) -> str:
    control = any(unicodedata.category(character) in ("Cc", "Cs") for character in value if character != "\t")
    return "a control character in its value" if control else ""


def masked(text: str, client: Anthropic | None = None) -> str:
    """A foreign text without keys: neither the client's own, nor what looks like one, nor a URL's password.

    Mask before shortening: half a key is not recognised any more.
    """
    if client is not None:
        headers = [value for name, value in custom_headers(client).items() if name.lower() in _AUTHORISING]
        credentials = getattr(client, "credentials", None) or getattr(client, "google_credentials", None)
        held = [getattr(client, name, None) for name in ("api_key", "auth_token", "access_token")]
        held.append(getattr(credentials, "token", None))
        for key in (*held, *(header.rpartition(" ")[2] for header in headers)):
            if isinstance(key, str) and len(key) >= 8:  # shorter is no key, and may be a word of the text
                text = text.replace(key, "***")
    return _USERINFO.sub("", _LIKE_A_KEY.sub("sk-ant-***", text))
