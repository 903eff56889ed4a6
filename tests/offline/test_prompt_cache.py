"""Usage over a conversation: what the prompt cache gives, what is written to it, and why it missed."""

from __future__ import annotations

import itertools
from typing import Any

import anthropic
import pytest

from claude_magic.offline.cache import PromptCache, lay_out
from claude_magic.offline.media import Inspector
from claude_magic.offline.models import Catalogue
from claude_magic.offline.tokens import Counter
from claude_magic.offline.turns import read

from .samples import Json, assistant, user

LONG = "A long system prompt that is worth caching. " * 200
_numbers = itertools.count()


def total(usage: Any) -> int:
    return int(usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens)


@pytest.fixture
def base() -> Json:
    """A request whose prefix no other test has sent."""
    return {
        "model": "claude-sonnet-5-5",
        "max_tokens": 200,
        "system": f"Case {next(_numbers)}. {LONG}",
        "cache_control": {"type": "ephemeral"},
        "messages": [user("First question")],
    }


def test_a_growing_conversation_reads_what_the_turn_before_wrote(
    client: anthropic.Anthropic, base: Json
) -> None:
    first = client.messages.create(**base)
    assert first.usage.cache_read_input_tokens == 0
    assert first.usage.cache_creation_input_tokens == total(first.usage)
    assert first.usage.input_tokens == 0
    messages = [*base["messages"], {"role": "assistant", "content": first.content}, user("Second question")]
    second = client.messages.create(**{**base, "messages": messages})
    assert second.usage.cache_read_input_tokens == total(first.usage)
    assert second.usage.cache_creation_input_tokens == total(second.usage) - total(first.usage)
    again = client.messages.create(**{**base, "messages": messages})
    assert again.usage.cache_read_input_tokens == total(second.usage)
    assert again.usage.cache_creation_input_tokens == 0


def test_the_counts_agree_with_count_tokens(client: anthropic.Anthropic, base: Json) -> None:
    counted = client.messages.count_tokens(**{k: v for k, v in base.items() if k != "max_tokens"})
    assert counted.input_tokens == total(client.messages.create(**base).usage)


def test_counting_writes_nothing(client: anthropic.Anthropic, base: Json) -> None:
    client.messages.count_tokens(**{k: v for k, v in base.items() if k != "max_tokens"})
    assert client.messages.create(**base).usage.cache_read_input_tokens == 0


def test_without_a_breakpoint_nothing_is_cached(client: anthropic.Anthropic, base: Json) -> None:
    del base["cache_control"]
    for _ in range(2):
        usage = client.messages.create(**base).usage
        assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (0, 0)
        assert usage.input_tokens > 512


def test_a_short_prompt_is_silently_not_cached(client: anthropic.Anthropic, base: Json) -> None:
    base["system"] = "Short."
    for _ in range(2):
        usage = client.messages.create(**base).usage
        assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (0, 0)


def test_the_shortest_prefix_depends_on_the_model(client: anthropic.Anthropic, base: Json) -> None:
    base["model"] = "claude-opus-4-6"  # 4,096 tokens
    assert client.messages.create(**base).usage.cache_creation_input_tokens == 0


def test_a_zero_token_request_warms_the_cache(client: anthropic.Anthropic, base: Json) -> None:
    warmed = client.messages.create(**{**base, "max_tokens": 0})
    assert (warmed.content, warmed.stop_reason, warmed.usage.output_tokens) == ([], "max_tokens", 0)
    assert client.messages.create(**base).usage.cache_read_input_tokens == total(warmed.usage)


def test_both_lives_are_told_apart(client: anthropic.Anthropic, base: Json) -> None:
    base["system"] = [
        {"type": "text", "text": base["system"], "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    base["messages"] = [user(LONG)]
    usage = client.messages.create(**base).usage
    assert usage.cache_creation is not None
    assert usage.cache_creation.ephemeral_1h_input_tokens > 512
    assert usage.cache_creation.ephemeral_5m_input_tokens > 512
    assert usage.input_tokens == 0
    base["messages"] = [user(f"Other. {LONG}")]
    other = client.messages.create(**base).usage
    assert other.cache_read_input_tokens == usage.cache_creation.ephemeral_1h_input_tokens


def test_the_caches_of_two_models_are_apart(client: anthropic.Anthropic, base: Json) -> None:
    client.messages.create(**base)
    assert client.messages.create(**{**base, "model": "claude-opus-5-5"}).usage.cache_read_input_tokens == 0


def change_nothing(body: Json) -> None:
    body["messages"] = [*body["messages"], assistant("An answer"), user("More")]


def change_model(body: Json) -> None:
    body["model"] = "claude-haiku-5-5"


def change_system(body: Json) -> None:
    body["system"] = "Another. " + body["system"]


def change_tools(body: Json) -> None:
    body["tools"] = [{"name": "look", "input_schema": {"type": "object"}}]


def change_messages(body: Json) -> None:
    body["messages"] = [user("An edited first question"), assistant("An answer"), user("More")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_nothing, None),
        (change_model, "model_changed"),
        (change_system, "system_changed"),
        (change_tools, "tools_changed"),
        (change_messages, "messages_changed"),
    ],
)
def test_diagnostics_say_what_changed(
    client: anthropic.Anthropic, base: Json, change: Any, reason: str | None
) -> None:
    first = client.messages.create(**base, diagnostics={"previous_message_id": None})
    assert first.diagnostics is None
    change(base)
    second = client.messages.create(**base, diagnostics={"previous_message_id": first.id})
    if reason is None:
        assert second.diagnostics is None
    else:
        assert second.diagnostics is not None
        assert second.diagnostics.cache_miss_reason is not None
        assert second.diagnostics.cache_miss_reason.type == reason
        missed = second.diagnostics.cache_miss_reason.to_dict()["cache_missed_input_tokens"]
        assert isinstance(missed, int)
        assert 0 < missed <= total(first.usage)


def test_diagnostics_against_an_unknown_message_say_so(client: anthropic.Anthropic, base: Json) -> None:
    message = client.messages.create(**base, diagnostics={"previous_message_id": "msg_nought"})
    assert message.diagnostics is not None
    assert message.diagnostics.cache_miss_reason is not None
    assert message.diagnostics.cache_miss_reason.type == "previous_message_not_found"


class Bench:
    """A prompt cache with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cache = PromptCache(lambda: self.now)
        self.model = Catalogue().usable("claude-sonnet-5-5")
        self.counter = Counter(Inspector())

    def read(self, *blocks: Json | str) -> int:
        body = {"messages": [user(*blocks)]}
        prompt = lay_out(body, read(body["messages"]), self.model, self.counter)
        return self.cache.account(prompt, self.model).read


def marked(text: str, ttl: str = "5m") -> Json:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}}


@pytest.mark.parametrize(("ttl", "life"), [("5m", 300), ("1h", 3600)])
def test_an_entry_lives_its_time_and_a_hit_renews_it(ttl: str, life: int) -> None:
    bench = Bench()
    block = marked(LONG, ttl)
    assert bench.read(block) == 0
    bench.now += life - 1
    assert bench.read(block) > 0
    bench.now += life - 1
    assert bench.read(block) > 0
    bench.now += life + 1
    assert bench.read(block) == 0


@pytest.mark.parametrize(("between", "found"), [(18, True), (19, True), (20, False), (30, False)])
def test_a_breakpoint_looks_back_over_twenty_blocks(between: int, found: bool) -> None:
    bench = Bench()
    bench.read(marked(LONG))
    filler = [f"block {number}" for number in range(between - 1)]
    assert (bench.read({"type": "text", "text": LONG}, *filler, marked("end")) > 0) is found


def test_where_the_breakpoints_stand_is_no_part_of_the_prefix() -> None:
    bench = Bench()
    bench.read(marked(LONG))
    assert bench.read({"type": "text", "text": LONG}, marked("end")) > 0
