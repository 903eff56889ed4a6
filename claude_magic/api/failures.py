"""From whatever the SDK and the network raise to one line of our own error tree.

A line says what happened, what is kept where anything is, and what to do. What may pass by itself
carries a ``pause``: the seconds before a first further try. What to do about a reply that was cut is said
by who knows where it is kept.
"""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping

import anthropic
import httpx2
from anthropic import Anthropic

from claude_magic.api import models, providers
from claude_magic.api.address import name_of, proxy_of
from claude_magic.api.credential import masked
from claude_magic.api.events import StreamError
from claude_magic.errors import (
    ApiBusy,
    ApiProblem,
    ConnectionProblem,
    RequestRefused,
    StreamCut,
    did_you_mean,
)

PAUSE_LOST, PAUSE_FAULT, PAUSE_BUSY = 0.5, 1.0, 2.0
"""Seconds before a first further try: after a lost connection, a fault of the server, too much load."""

_BUSY = {
    "rate_limit_error": ("rate limit", PAUSE_BUSY),
    "overloaded_error": ("overloaded", PAUSE_BUSY),
    "api_error": ("a fault of the API", PAUSE_FAULT),
    "timeout_error": ("a timeout of the API", PAUSE_FAULT),
    # What Amazon Bedrock calls them.
    "throttlingException": ("rate limit", PAUSE_BUSY),
    "serviceUnavailableException": ("overloaded", PAUSE_BUSY),
    "internalServerException": ("a fault of the API", PAUSE_FAULT),
    "modelStreamErrorException": ("a fault of the API", PAUSE_FAULT),
    "modelTimeoutException": ("a timeout of the API", PAUSE_FAULT),
}
_STATUS_OF = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
}
_BUSY_STATUS = {
    408: ("a timeout of the API", PAUSE_FAULT),
    409: ("a conflict", PAUSE_FAULT),
    429: ("rate limit", PAUSE_BUSY),
    529: ("overloaded", PAUSE_BUSY),
}
_LONGEST = 300
_TOO_LONG = re.compile(r"too long|context (?:window|length|limit)|exceed\w* .*context", re.IGNORECASE)


def cut(request_id: str, *, ended: bool) -> StreamCut:
    """The stream ended without ``message_stop``; ``ended`` where its last word had been said."""
    if ended:
        return StreamCut("The end of the reply was not confirmed; the text received is kept.", request_id)
    return StreamCut("The reply was cut before its end; what came is kept.", request_id)


def nothing_came(request_id: str) -> ConnectionProblem:
    """The stream ended before its first event."""
    return ConnectionProblem(
        "The connection closed before any answer.",
        request_id,
        advice="Ask again.",
        charged=True,
        brief="the connection closed",
        pause=PAUSE_LOST,
    )


def silent(host: str, seconds: float, request_id: str, *, begun: bool) -> ApiProblem:
    """Nothing arrived for longer than a deadline."""
    if begun:
        return StreamCut(f"Nothing more came from {host} for {seconds:.0f} s; what came is kept.", request_id)
    return ConnectionProblem(
        f"No answer from {host} in {seconds:.0f} s.",
        request_id,
        advice="Ask again, or give it more time, as by %claude_config first_event=300.",
        charged=True,
        brief=f"no answer in {seconds:.0f} s",
        pause=PAUSE_LOST,
    )


def malformed(message: str, request_id: str) -> StreamCut:
    """A piece of the stream that cannot be read."""
    return StreamCut(f"The reply broke off: {line(message)}; what came before is kept.", request_id)


def from_stream(event: StreamError, client: Anthropic, request_id: str, *, begun: bool) -> ApiProblem:
    """An ``error`` event inside the stream; ``begun`` where some of the reply had come before it."""
    named = line(event.request_id) or request_id
    message = line(event.message, client)
    said = f"{line(event.kind)}: {message}" if message else line(event.kind)
    if event.kind in _BUSY:
        brief, pause = _BUSY[event.kind]
        if begun:
            return ApiBusy(f"The API broke the reply off ({said}); what came is kept.", named)
        told = f"The API cannot answer now ({said})."
        return ApiBusy(told, named, advice="Ask again in a moment.", brief=brief, pause=pause)
    if begun:
        return StreamCut(f"The reply ended in an error ({said}); what came is kept.", named)
    code = _STATUS_OF.get(event.kind, 400)
    return RequestRefused(_refusal(code, message or line(event.kind), client), named)


def not_a_stream(response: httpx2.Response, client: Anthropic, request_id: str) -> ConnectionProblem:
    """A successful response that is not an event stream; a JSON error in it is shown."""
    kind = line(response.headers.get("content-type", "")) or "missing"
    said = ""
    if "json" in kind:
        said = _said(response, client)
    what = f"{said}. " if said else "A proxy or a login page? "
    return ConnectionProblem(
        f"The answer is not a Messages API reply (content type {kind}). {what}"
        "%claude_config shows where requests go.",
        request_id,
    )


def no_api(client: Anthropic) -> ConnectionProblem:
    """A successful answer that is none of the Messages API."""
    return ConnectionProblem(
        f"The answer of {name_of(client.base_url)} is not one of the Messages API. A proxy or a login page? "
        "%claude_config shows where requests go."
    )


def from_sdk(error: Exception, client: Anthropic, request_id: str, *, begun: bool = False) -> ApiProblem:
    """Map what was raised while a request was made, or its stream was read.

    Parameters
    ----------
    begun : bool
        Whether any of the reply had come.
    """
    for one in (error, error.__cause__):
        if isinstance(one, ApiProblem):
            return one
    if isinstance(error, anthropic.APIStatusError):
        return _from_status(error, client)
    if providers.is_credential_error(error):
        provider = providers.of(client)
        said = line(str(error), client) or type(error).__name__
        return ConnectionProblem(
            f"{provider.title} cannot be asked: the credential cannot be used ({said}). "
            f"Set {provider.credentials}. Nothing was sent."
        )
    host = name_of(client.base_url)
    if begun:
        return StreamCut(
            f"The connection to {host} broke in the middle of the reply; what came is kept.",
            request_id,
        )
    root = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    if isinstance(root, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        slow = " in time" if isinstance(root, httpx2.ConnectTimeout) else ""
        if "SSL" in str(root):
            slow = " by TLS (is it http:// rather than https://?)"
        proxy = proxy_of(client)
        advice = (
            f"{proxy} names a proxy that cannot be reached or refuses: correct it, or except the host by "
            "NO_PROXY, and restart the kernel."
            if proxy
            else "Check the network and the base URL, or use %claude_offline."
        )
        return ConnectionProblem(
            f"No connection to {host}{slow}. {advice}",
            brief="no connection",
            pause=PAUSE_LOST,
        )
    if isinstance(root, httpx2.DecodingError):
        return ConnectionProblem(f"What came from {host} cannot be unpacked: a proxy in between?", request_id)
    if isinstance(root, httpx2.TransportError | anthropic.APIConnectionError):
        return ConnectionProblem(
            f"The connection to {host} broke before any answer.",
            request_id,
            advice="Ask again.",
            charged=True,
            brief="the connection broke",
            pause=PAUSE_LOST,
        )
    return ConnectionProblem(
        f"The answer of {host} cannot be read: {line(str(error), client) or 'it is no reply'}.",
        request_id,
    )


def _from_status(error: anthropic.APIStatusError, client: Anthropic) -> ApiProblem:
    code, request_id = error.status_code, id_of(error.response.headers)
    message = line(error.api_message or "", client) or _said(error.response, client)
    message = message or f"HTTP {code}, without a message"
    again = error.response.headers.get("x-should-retry", "")
    busy = code in _BUSY_STATUS or code >= 500
    if busy:
        brief, pause = _BUSY_STATUS.get(code, ("a fault of the API", PAUSE_FAULT))
        return ApiBusy(
            f"The API cannot answer now ({code}: {message}).",
            request_id,
            advice="Ask again in a moment.",
            brief=f"{brief} ({code})",
            pause=None if again == "false" else pause,
            retry_after=retry_after(error.response.headers),
        )
    return RequestRefused(
        _redirect(error.response) if 300 <= code < 400 else _refusal(code, message, client),
        request_id,
        brief=f"refused ({code})",
        pause=PAUSE_FAULT if again == "true" else None,
    )


def _redirect(response: httpx2.Response) -> str:
    host = line(httpx2.URL(response.headers.get("location", "")).host) or "another address"
    return (
        f"The answer is a redirect to {host}, which is not followed, so that the key stays here. "
        "Check the base URL in %claude_config."
    )


def _refusal(code: int, message: str, client: Anthropic) -> str:
    provider = providers.of(client)
    match code:
        case 400 if _TOO_LONG.search(message):
            return (
                f"The conversation is too long for this model: {message}. %claude_undo takes turns back, "
                "--new begins anew; nothing was dropped."
            )
        case 401:
            return (
                f"The API rejected the credential: {message}. %claude_config shows whether a key, a token or "
                f"a profile is in use; set {provider.credentials} and restart the kernel."
            )
        case 403 if provider.cloud:
            return f"{provider.title} does not allow this: {message}. Credentials: {provider.credentials}."
        case 402:
            return f"The API wants payment first: {message}. See the account's billing page."
        case 403:
            return f"The API does not allow this: {message}. Another model, or another key, may be allowed."
        case 404 if "file" in message:
            return f"An attachment that was uploaded is gone: {message}. Ask again to upload it anew."
        case 404:
            near = did_you_mean(message.rpartition(" ")[2], [model.id for model in models.CATALOGUE])
            return f"Not found: {message}.{near} %claude_config model=… chooses another."
        case 413:
            return f"The request is too large: {message}. Attach less, or begin anew with --new."
        case _:
            return f"The API refused the request ({code}): {message}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds a response asks to wait; None where it asks nothing that makes sense.

    Parameters
    ----------
    headers : mapping
        Of the response: ``retry-after-ms``, or ``retry-after`` as seconds or as a date.
    """
    said = headers.get("retry-after", "")
    for text, unit in ((headers.get("retry-after-ms", ""), 0.001), (said, 1.0)):
        try:
            seconds = float(text) * unit
        except ValueError:
            continue
        return seconds if seconds > 0 else None
    date = email.utils.parsedate_tz(said)
    try:
        left = email.utils.mktime_tz(date) - time.time() if date is not None else math.nan
    except (ValueError, OverflowError):
        return None
    return left if left > 0 else None


def _said(response: httpx2.Response, client: Anthropic) -> str:
    """The message in an error's body, or its beginning as plain text; a page of HTML says nothing."""
    try:
        text = response.read().decode("utf-8", "replace")
    except (httpx2.HTTPError, httpx2.StreamError):
        return ""
    if text.lstrip()[:1] == "<":
        return "a web page, as of a proxy"
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return line(text, client)
    raw = raw[0] if isinstance(raw, list) and raw else raw  # as Google streams an error
    error = raw.get("error", raw.get("message", raw.get("Message"))) if isinstance(raw, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return line(message if isinstance(message, str) else text, client)


def id_of(headers: Mapping[str, str]) -> str:
    """The id of a request that an answer's headers tell; ``""`` for none."""
    return line(headers.get("request-id") or headers.get("x-amzn-requestid") or "")


def line(text: str, client: Anthropic | None = None) -> str:
    """One plain line of foreign text, without keys, shortened, without a full stop at its end.

    Parameters
    ----------
    client : Anthropic or None
        Whose key must not be repeated, whatever it looks like.
    """
    plain = masked(text[: 8 * _LONGEST], client)
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in plain).split())
    return (plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…").rstrip(".")
