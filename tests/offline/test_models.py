"""The Models API of the local server, read by the real SDK."""

from __future__ import annotations

import typing

import anthropic
import pytest
from anthropic.types import Model


def test_the_list_pages_newest_first_with_what_is_in_use(client: anthropic.Anthropic) -> None:
    models = list(client.models.list(limit=3))
    names = [model.id for model in models]
    assert len(names) == len(set(names)) > 10
    assert {model.lifecycle for model in models} == {"active", "deprecated"}
    assert names.index("claude-opus-5-5") < names.index("claude-opus-5") < names.index("claude-haiku-4-5")


def test_a_page_can_be_read_backwards(client: anthropic.Anthropic) -> None:
    names = [model.id for model in client.models.list(limit=1000).data]
    page = client.models.list(before_id=names[5], limit=2)
    assert [model.id for model in page.data] == names[3:5]
    assert page.has_more
    assert [model.id for model in client.models.list(after_id=names[-2]).data] == names[-1:]


def test_retired_models_are_listed_only_when_asked_for(client: anthropic.Anthropic) -> None:
    retired = list(client.models.list(lifecycle=["retired"]))
    assert "claude-opus-4-20250514" in [model.id for model in retired]
    assert {model.lifecycle for model in retired} == {"retired"}


def test_a_model_is_described_in_full(client: anthropic.Anthropic) -> None:
    model = client.models.retrieve("claude-opus-5-5")
    assert (model.line, model.max_input_tokens, model.max_tokens) == ("opus", 1_000_000, 128_000)
    assert model.capabilities is not None
    assert model.capabilities.thinking.types.adaptive.supported
    assert not model.capabilities.thinking.types.disabled.supported
    old = client.models.retrieve("claude-sonnet-4-5-20250929")
    assert (old.lifecycle, old.max_input_tokens) == ("deprecated", 200_000)
    assert old.retires_at is not None
    assert old.retires_at.date().isoformat() == "2026-11-30"


def test_every_model_the_sdk_names_is_known_but_the_retired_preview(client: anthropic.Anthropic) -> None:
    named = {name for part in typing.get_args(Model) for name in typing.get_args(part)}
    for name in named - {"claude-mythos-preview"}:
        assert client.models.retrieve(name).id == name


@pytest.mark.parametrize("name", ["claude-nought", "..%2f..%2fetc", "a b", "<script>"])
def test_an_unknown_model_is_not_found(client: anthropic.Anthropic, name: str) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve(name)
    assert caught.value.type == "not_found_error"


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"after_id": "nought"}])
def test_a_wrong_query_is_refused_by_its_name(client: anthropic.Anthropic, query: dict[str, object]) -> None:
    with pytest.raises(anthropic.BadRequestError, match=next(iter(query))):
        client.models.list(extra_query=query)


def test_newer_tokenizers_make_more_tokens_of_the_same_text(client: anthropic.Anthropic) -> None:
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "The same sentence. " * 300}]
    old, new = (
        client.messages.count_tokens(model=name, messages=messages).input_tokens
        for name in ("claude-sonnet-4-6", "claude-sonnet-5-5")
    )
    assert new / old == pytest.approx(1.3, abs=0.02)
