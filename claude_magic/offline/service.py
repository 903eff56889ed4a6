"""From a request's bytes to an answer: parse, check, count, let the demo model answer, account."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any, NoReturn

from . import cache, demo, rules, schema
from .draft import Answer, finish
from .errors import ApiError, invalid
from .files import FileStore
from .media import Inspector
from .tokens import Counter

if TYPE_CHECKING:
    from .models import Catalogue, Model
    from .turns import Turn


# UTF-8 cannot hold half of a surrogate pair, so it can only come as an escape.
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class Service:
    """The Messages API without the network; safe to call from several threads.

    Parameters
    ----------
    catalogue
        The models on offer.
    files
        The uploaded files that a request may name; none by default.
    """

    def __init__(self, catalogue: Catalogue, files: FileStore | None = None) -> None:
        self._catalogue = catalogue
        self._files = FileStore() if files is None else files
        self._inspector = Inspector()
        self._counter = Counter(self._inspector)
        self._cache = cache.PromptCache()

    def prepare(self) -> None:
        """Import and compile what the first request would have to wait for."""
        schema.compile_types()

    def count(self, raw: bytes) -> dict[str, Any]:
        """Return the answer of ``count_tokens``; ApiError as the API would refuse."""
        body = _parsed(raw)
        schema.check_count(body)
        prompt, _, _ = self._read(body)
        return {"input_tokens": prompt.tokens}

    def create(self, raw: bytes) -> tuple[dict[str, Any], Answer, bool]:
        """Return the message, the answer in it, and whether to stream it; refuses as the API would."""
        body = _parsed(raw)
        message, answer = self._created(body)
        return message, answer, bool(body.get("stream"))

    def batched(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the message that answers one request of a batch; refuses as the API would."""
        if "stream" in params:
            raise invalid("stream", "Extra inputs are not permitted")
        schema.refuse_surrogates(params)
        message, _ = self._created(params)
        message["usage"]["service_tier"] = "batch"
        return message

    def _created(self, body: dict[str, Any]) -> tuple[dict[str, Any], Answer]:
        schema.check_create(body)
        prompt, turns, model = self._read(body)
        if prompt.tokens > model.window:
            raise ApiError(400, f"prompt is too long: {prompt.tokens} tokens > {model.window} maximum")
        drafts = demo.answer(body, turns, model, self._inspector)
        room = model.window - prompt.tokens
        answer = finish(
            drafts,
            limit=min(body["max_tokens"], room),
            stops=body.get("stop_sequences") or (),
            density=model.density,
        )
        if answer.stop_reason == "max_tokens" and room < body["max_tokens"]:
            answer = Answer(
                answer.drafts, "model_context_window_exceeded", None, answer.tokens, answer.thinking_tokens
            )
        return self._message(body, prompt, model, answer), answer

    def _read(self, body: dict[str, Any]) -> tuple[cache.Prompt, tuple[Turn, ...], Model]:
        model = self._catalogue.usable(body["model"])
        turns = rules.check(body, model, self._inspector, self._files)
        prompt = cache.lay_out(body, turns, model, self._counter)
        return prompt, turns, model

    def _message(
        self, body: dict[str, Any], prompt: cache.Prompt, model: Model, answer: Answer
    ) -> dict[str, Any]:
        message_id = f"msg_local_{secrets.token_hex(10)}"
        asked = body.get("diagnostics")
        diagnostics = None
        if asked and asked.get("previous_message_id"):
            diagnostics = self._cache.diagnose(prompt, asked["previous_message_id"])
        accounts = self._cache.account(prompt, model)
        self._cache.remember(message_id, prompt)
        thought = any(draft.kind == "thinking" for draft in answer.drafts)
        return {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [draft.block() for draft in answer.drafts],
            "stop_reason": answer.stop_reason,
            "stop_sequence": answer.stop_sequence,
            "stop_details": None,
            "container": _container(body, answer),
            "diagnostics": diagnostics,
            "usage": {
                **accounts.usage(),
                "output_tokens": answer.tokens,
                "output_tokens_details": {"thinking_tokens": answer.thinking_tokens} if thought else None,
                "server_tool_use": _server_tools(answer),
                "service_tier": "standard",
                "inference_geo": None,
                "speed": body.get("speed"),
            },
        }


def _server_tools(answer: Answer) -> dict[str, int] | None:
    names = [draft.fields["name"] for draft in answer.drafts if draft.kind == "server_tool_use"]
    if not names:
        return None
    return {
        "web_search_requests": names.count("web_search"),
        "web_fetch_requests": names.count("web_fetch"),
    }


def _container(body: dict[str, Any], answer: Answer) -> dict[str, str] | None:
    """The container in which code would have been run: the one the client names, else a new one."""
    if not any(str(draft.fields.get("name")).endswith("code_execution") for draft in answer.drafts):
        return None
    name = body.get("container") or f"{rules.CONTAINER}{secrets.token_hex(10)}"
    return {"id": name, "expires_at": "2100-01-01T00:00:00Z"}


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError:
        raise ApiError(400, "The request body is not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The request body must be a JSON object")
    if _SURROGATE_ESCAPE.search(raw):  # a full walk, so only where there is cause
        schema.refuse_surrogates(body)
    return body


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
