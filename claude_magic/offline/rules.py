"""The rules of a request that its types cannot say: parameters, system prompt and tools against the model.

What holds between the messages is in `dialogue`, what is inside images and PDFs in `media`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .dialogue import check_dialogue
from .errors import invalid
from .media import MANY, MAX_SIDE_OF_MANY
from .sources import with_files
from .turns import everything, read

if TYPE_CHECKING:
    from .files import FileStore
    from .media import Inspector
    from .models import Model
    from .turns import Turn

_MAX_MESSAGES = 100_000
_MAX_BREAKPOINTS = 4
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
CONTAINER = "container_local_"
"""How the id of each container begins in which code would be run."""

_SERVER_TOOL = re.compile(r"(?:web_search|web_fetch|code_execution)_(\d{8})")
_FIRST_OF_2026 = "20260101"
_EMPTY_TEXT = "text content blocks must be non-empty"


def check(body: dict[str, Any], model: Model, inspector: Inspector, files: FileStore) -> tuple[Turn, ...]:
    """Refuse what the API would refuse, and return the turns, uploaded files put in their places.

    Parameters
    ----------
    body
        A body whose structure has been checked.
    model
        The model it names.
    inspector
        Opens the images and PDFs.
    files
        The uploaded files.

    Raises
    ------
    ApiError
        400, naming the field; 404, naming a file that is not there.
    """
    messages = body["messages"]
    if not messages:
        raise invalid("messages", "at least one message is required")
    if len(messages) > _MAX_MESSAGES:
        raise invalid("messages", f"at most {_MAX_MESSAGES} messages are allowed")
    _check_parameters(body, model)
    _check_thinking(body, model)
    _check_system(body)
    _check_tools(body, model)
    turns = read(messages)
    check_dialogue(messages, turns, model, structured=_format(body) is not None)
    _check_container(body, turns)
    turns = with_files(turns, files)
    _check_media(turns, model, inspector)
    _check_breakpoints(body, turns)
    _check_structured(body, turns)
    return turns


def _format(body: dict[str, Any]) -> dict[str, Any] | None:
    chosen: dict[str, Any] | None = (body.get("output_config") or {}).get("format")
    return chosen


def _check_parameters(body: dict[str, Any], model: Model) -> None:
    limit = body.get("max_tokens")
    if limit is not None and limit < 0:
        raise invalid("max_tokens", "Input should be greater than or equal to 0")
    if limit is not None and limit > model.max_output:
        raise invalid(
            "max_tokens",
            f"{limit} > {model.max_output}, which is the maximum allowed number of output tokens "
            f"for {body['model']}",
        )
    for index, stop in enumerate(body.get("stop_sequences") or ()):
        if not stop.strip():
            raise invalid(f"stop_sequences.{index}", "each stop sequence must contain non-whitespace")
    if body.get("speed") == "fast" and not model.fast:
        raise invalid("speed", f"fast mode is not supported by {body['model']}")
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None and not model.efforts:
        raise invalid("output_config.effort", "This model does not support the effort parameter.")
    if effort is not None and effort not in model.efforts:
        raise invalid("output_config.effort", f"This model does not support effort level '{effort}'.")


def _check_thinking(body: dict[str, Any], model: Model) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    form = thinking["type"]
    if form not in model.thinking:
        raise invalid("thinking.type", f'"thinking.type.{form}" is not supported for this model.')
    effort = (body.get("output_config") or {}).get("effort")
    if form == "disabled" and effort and effort not in model.quiet_efforts:
        raise invalid("thinking.type", f"thinking cannot be disabled at effort level '{effort}'.")
    if form == "enabled":
        budget = thinking["budget_tokens"]
        if budget < 1024:
            raise invalid("thinking.budget_tokens", "Input should be greater than or equal to 1024")
        if "max_tokens" in body and budget >= body["max_tokens"]:
            raise invalid(
                "thinking.budget_tokens", "`max_tokens` must be greater than `thinking.budget_tokens`"
            )
        if (body.get("tool_choice") or {}).get("type") in {"any", "tool"}:
            raise invalid("tool_choice", "Thinking may not be enabled when tool_choice forces tool use.")


def _check_system(body: dict[str, Any]) -> None:
    system = body.get("system")
    if not isinstance(system, list):
        return  # an empty string is no system prompt, and allowed
    for index, block in enumerate(system):
        if not block["text"].strip():
            raise invalid(f"system.{index}.text", _EMPTY_TEXT)
        if block.get("citations"):
            raise invalid(f"system.{index}.citations", "citations are not permitted here")


def _check_tools(body: dict[str, Any], model: Model) -> None:
    names: set[str] = set()
    for index, tool in enumerate(body.get("tools") or ()):
        name = tool.get("name")
        if name is None:
            continue  # a toolset: its members bring their own names
        kind = str(tool.get("type") or "")
        dated = _SERVER_TOOL.fullmatch(kind)
        if dated and dated[1] >= _FIRST_OF_2026 and not model.newest_tools:
            raise invalid(f"tools.{index}", f"'{model.id}' does not support tool types: {kind}.")
        if not _TOOL_NAME.fullmatch(name):
            raise invalid(f"tools.{index}.name", "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
        if name in names:
            raise invalid(f"tools.{index}.name", "Tool names must be unique.")
        names.add(name)
        schema = tool.get("input_schema")
        if schema is not None and schema.get("type") != "object":
            raise invalid(f"tools.{index}.input_schema.type", "Input should be 'object'")
    choice = body.get("tool_choice")
    if choice is None:
        return
    if choice["type"] != "none" and not body.get("tools"):
        raise invalid("tool_choice", "tool_choice may only be specified while providing tools.")
    if choice["type"] == "tool" and choice["name"] not in names:
        raise invalid("tool_choice.name", f"Tool '{choice['name']}' not found in provided tools")
    if choice["type"] in {"any", "tool"} and not model.forced_tools:
        raise invalid("tool_choice.type", f"tool_choice '{choice['type']}' is not supported for this model.")


def _check_container(body: dict[str, Any], turns: tuple[Turn, ...]) -> None:
    container = body.get("container")
    if container is not None and not str(container).startswith(CONTAINER):
        raise invalid("container", f"Container not found: {container}")
    if turns[-1].role != "assistant" or container is not None:
        return
    done = {block.value.get("tool_use_id") for block in turns[-1].blocks}
    for block in turns[-1].of("server_tool_use"):
        if block.value["name"].endswith("code_execution") and block.value["id"] not in done:
            raise invalid(
                "container",
                "container_id is required when there are pending tool uses generated by code execution "
                "with tools.",
            )


def _check_media(turns: tuple[Turn, ...], model: Model, inspector: Inspector) -> None:
    blocks = list(everything(turns))
    images = [block for block in blocks if block.kind == "image"]
    if len(images) > model.many_media:
        raise invalid("messages", f"too many images: {len(images)} > {model.many_media}")
    pages = 0
    for block in blocks:
        source, path = block.value.get("source"), f"{block.path}.source"
        if block.kind not in {"image", "document"} or not isinstance(source, dict):
            continue
        if source["type"] == "url" and not re.match(r"https?://[^\s/]", source["url"]):
            raise invalid(f"{path}.url", "Only http and https URLs are supported")
        if source["type"] == "text" and not source["data"].strip():
            raise invalid(f"{path}.data", "The document is empty")
        if source["type"] == "base64" and block.kind == "document":
            pages += inspector.paper(source, path).pages
            if pages > model.many_media:
                raise invalid(path, f"A maximum of {model.many_media} PDF pages may be provided.")
        elif source["type"] == "base64":
            _check_picture(block.value, path, len(images), model, inspector)


def _check_picture(block: dict[str, Any], path: str, many: int, model: Model, inspector: Inspector) -> None:
    picture = inspector.picture(block["source"], path)
    longest = max(picture.width, picture.height)
    if many > MANY and longest > MAX_SIDE_OF_MANY:
        raise invalid(
            f"{path}.data",
            "At least one of the image dimensions exceed max allowed size for many-image requests: "
            f"{MAX_SIDE_OF_MANY} pixels",
        )
    if (block.get("transformations") or {}).get("oversized_image") == "error" and longest > model.long_edge:
        raise invalid(
            path,
            f"image is {picture.width}x{picture.height} pixels; its longer side may be "
            f"{model.long_edge} pixels",
        )


def _check_breakpoints(body: dict[str, Any], turns: tuple[Turn, ...]) -> None:
    system = body.get("system")
    marked = [
        *(body.get("tools") or ()),
        *(system if isinstance(system, list) else ()),
        *(block.value for block in everything(turns)),
    ]
    if not (turns[-1].blocks and turns[-1].blocks[-1].value.get("cache_control")):
        marked.append(body)  # the automatic mark falls on the last block, unless that has its own
    lives = [item["cache_control"].get("ttl", "5m") for item in marked if item.get("cache_control")]
    if len(lives) > _MAX_BREAKPOINTS:
        raise invalid(
            "cache_control",
            f"A maximum of {_MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(lives)}.",
        )
    if "5m" in lives and "1h" in lives[lives.index("5m") :]:
        raise invalid(
            "cache_control.ttl", "a ttl='1h' cache_control block must not come after a ttl='5m' one."
        )


def _check_structured(body: dict[str, Any], turns: tuple[Turn, ...]) -> None:
    form = _format(body)
    if form is None:
        return
    for block in everything(turns):
        asked = block.kind in {"document", "search_result"} and block.value.get("citations")
        if asked and asked.get("enabled"):
            raise invalid(
                "output_config.format", "citations cannot be used together with structured outputs."
            )
    _check_closed(form["schema"], "output_config.format.schema")


def _check_closed(schema: Any, path: str) -> None:
    """Refuse a schema with an open-ended object anywhere in it, as structured outputs do."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            _check_closed(item, f"{path}.{index}")
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(path, "For 'object' type, 'additionalProperties' must be explicitly set to false")
    for name, item in schema.items():
        if name in {"properties", "$defs", "definitions"} and isinstance(item, dict):
            for key, inner in item.items():
                _check_closed(inner, f"{path}.{name}.{key}")
        elif name in {"items", "anyOf", "oneOf", "allOf", "prefixItems"}:
            _check_closed(item, f"{path}.{name}")
