"""The one way this server says no: an HTTP status, an error type and a message that names the field."""

from __future__ import annotations

from typing import Any

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    500: "api_error",
}
_BEGINNING, _END = 700, 300  # characters kept of a message that is longer


class ApiError(Exception):
    """A refusal of one request.

    Parameters
    ----------
    status
        The HTTP status, one of 400, 401, 403, 404, 405, 413, 500.
    message
        What is wrong, beginning with the field's dotted path where there is one.
    code
        The finer ``error_code``, such as ``file_expired``; none when empty.
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code

    def envelope(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body of the refusal, whose message is never long."""
        kind = _TYPES.get(self.status, "api_error")
        message = self.message
        if len(message) > _BEGINNING + _END:  # it quotes the request, which may hold anything
            message = f"{message[:_BEGINNING]} … {message[-_END:]}"
        error: dict[str, Any] = {"type": kind, "message": message}
        if self.code:
            error["details"] = {"error_code": self.code}
        return {"type": "error", "error": error, "request_id": request_id}


def invalid(field: str, message: str) -> ApiError:
    """Return the 400 that names a field, such as ``messages.0.content.1.text``."""
    return ApiError(400, f"{field}: {message}")
