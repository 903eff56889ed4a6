"""From whatever the SDK and the network raise to one line of our own error tree."""

from __future__ import annotations

import anthropic
from anthropic import Anthropic

from claude_magic.api.events import StreamError
from claude_magic.errors import ApiBusy, ApiProblem, ConnectionProblem, RequestRefused, StreamCut

_BUSY = frozenset({"rate_limit_error", "overloaded_error", "api_error", "timeout_error"})
_LONGEST = 300


def cut(request_id: str) -> StreamCut:
    """The stream ended without ``message_stop``."""
    return StreamCut("The reply was cut before its end; the text received is kept. Ask again.", request_id)


def from_stream(event: StreamError) -> ApiProblem:
    """An ``error`` event inside the stream."""
    if event.kind in _BUSY:
        return ApiBusy(
            f"The API stopped in mid-reply ({event.kind}: {_line(event.message)}); "
            "the text received is kept. Ask again in a moment.",
            event.request_id,
        )
    return StreamCut(
        f"The reply ended in an error ({event.kind}: {_line(event.message)}); the text received is kept.",
        event.request_id,
    )


def not_a_stream(content_type: str, request_id: str) -> ConnectionProblem:
    """A successful response that is not an event stream."""
    return ConnectionProblem(
        f"The answer is not a reply of the Messages API (content type {_line(content_type) or 'missing'}): "
        "a proxy or a login page? Check the base URL in %claude_config.",
        request_id,
    )


def from_sdk(error: Exception, client: Anthropic, request_id: str) -> ApiProblem:
    """Map what was raised while the request was made or its stream was read."""
    if isinstance(error, ApiProblem):
        return error
    if isinstance(error, anthropic.APIStatusError):
        return _status(error)
    host = client.base_url.host
    if isinstance(error, anthropic.APITimeoutError):
        return ConnectionProblem(f"No answer from {host} in time. Try again.")
    if isinstance(error, anthropic.APIConnectionError):
        return ConnectionProblem(
            f"No connection to {host}. Check the network and the base URL, or use %claude_offline."
        )
    return StreamCut(
        f"The connection to {host} broke ({type(error).__name__}); the text received is kept. Ask again.",
        request_id,
    )


def _status(error: anthropic.APIStatusError) -> ApiProblem:
    message = _line(error.api_message or error.message)
    request_id = error.request_id or ""
    match error.status_code:
        case 401:
            return RequestRefused(f"The API rejected the credential: {message}", request_id)
        case 404:
            return RequestRefused(f"Not found: {message}. %claude_models lists the models.", request_id)
        case code if code in (408, 409, 429) or code >= 500:
            return ApiBusy(f"The API is busy ({code}: {message}). Try again in a moment.", request_id)
        case code:
            return RequestRefused(f"The API refused the request ({code}): {message}", request_id)


def _line(text: str) -> str:
    """One plain line of foreign text, shortened."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
