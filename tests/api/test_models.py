"""The models: names, what they refuse, when they leave; and the list of an API over the shipped table."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic import offline
from claude_magic.api import catalogue, models
from claude_magic.api.capabilities import Wanted, refuse
from claude_magic.api.catalogue import SHIPPED, Catalogue, Listed, fetch, from_text, merged, to_text
from claude_magic.api.client import Endpoint, connect, place
from claude_magic.api.models import CATALOGUE, LINES, RETIRED, Model, find, unknown, unlisted
from claude_magic.api.patience import Patience
from claude_magic.api.retiring import farewell
from claude_magic.conversation.store import Store
from claude_magic.errors import ApiProblem, ConfigProblem, UsageProblem
from claude_magic.lineup import Lineup

DAY = date(2026, 11, 21)
ONCE = Patience(retries=0)


def model(name: str) -> Model:
    found = find(name)
    assert found is not None
    return found


# -- the shipped table


def test_short_names_mean_the_first_of_their_line() -> None:
    assert LINES == ("fable", "mythos", "opus", "sonnet", "haiku")
    assert [model(line).id for line in LINES] == [
        "claude-fable-5-2",
        "claude-mythos-5-2",
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
    ]
    assert find("") is None
    assert find("claude") is None


def test_every_row_is_whole() -> None:
    for one in CATALOGUE:
        assert one.title.startswith("Claude "), one
        assert one.thinking is not None
        assert one.effort is not None
        assert None not in (one.prefill, one.forced_tools, one.images, one.pdfs, one.structured)
        assert (one.window, one.max_output) in ((1_000_000, 128_000), (200_000, 64_000))
        assert not one.default_effort or one.default_effort in one.effort
        assert set(one.thinking.quiet) <= set(models.EFFORTS)
        if one.dated:
            assert replace(model(one.dated), id=one.id, dated=one.dated) == one
    for one in (*CATALOGUE, *RETIRED):
        assert not one.successor or model(one.successor).lifecycle == "active"
    assert len({one.id for one in (*CATALOGUE, *RETIRED)}) == len(CATALOGUE) + len(RETIRED)


@pytest.mark.parametrize(
    ("name", "cache", "thinking", "effort", "prefill", "forced"),
    [
        ("claude-fable-5-1", 512, "always", "high", False, False),
        ("claude-opus-5-5", 512, "always", "medium", False, False),
        ("claude-sonnet-5-5", 512, "between", "high", False, False),
        ("claude-haiku-5-5", 512, "on", "medium", False, True),
        ("claude-opus-5", 512, "on", "high", False, True),
        ("claude-fable-5", 512, "always", "high", False, True),
        ("claude-sonnet-5", 1024, "on", "high", False, True),
        ("claude-opus-4-8", 1024, "off", "high", False, True),
        ("claude-opus-4-7", 2048, "off", "high", False, True),
        ("claude-opus-4-6", 4096, "either", "high", False, True),
        ("claude-sonnet-4-6", 1024, "either", "high", False, True),
        ("claude-haiku-4-5", 4096, "budget", "", True, True),
        ("claude-sonnet-4-5", 1024, "budget", "", True, True),
        ("claude-opus-4-5", 4096, "budget", "high", True, True),
    ],
)
def test_the_table_is_the_published_one(
    name: str, cache: int, thinking: str, effort: str, prefill: bool, forced: bool
) -> None:
    one = model(name)
    assert one.thinking is not None
    forms = {
        "always": (("adaptive",), True),
        "between": (("adaptive", "between_tools"), True),
        "on": (("adaptive", "disabled"), True),
        "off": (("adaptive", "disabled"), False),
        "either": (("adaptive", "enabled", "disabled"), False),
        "budget": (("enabled", "disabled"), False),
    }
    assert (one.thinking.modes, one.thinking.by_itself) == forms[thinking]
    assert one.thinking.always == (thinking == "always")
    assert (one.min_cache, one.default_effort) == (cache, effort)
    assert (one.prefill, one.forced_tools) == (prefill, forced)


def test_unknown_names_get_the_nearest() -> None:
    assert "Did you mean 'claude-opus-5-5'" in str(unknown("claude-opus-5.5"))
    assert "Short names: fable, mythos, opus, sonnet, haiku." in str(unknown("xyzzy"))


@pytest.mark.parametrize(
    ("name", "today", "said"),
    [
        (
            "claude-sonnet-4-5",
            date(2026, 11, 21),
            (
                "claude-sonnet-4-5 retires in 9 days (2026-11-30); its successor is claude-sonnet-5-5."
                " %claude_compare -m claude-sonnet-4-5 -m claude-sonnet-5-5 tells what would change."
            ),
        ),
        (
            "claude-sonnet-4-5-20250929",
            date(2026, 11, 29),
            (
                "claude-sonnet-4-5-20250929 retires tomorrow (2026-11-30); its successor is "
                "claude-sonnet-5-5. %claude_compare -m claude-sonnet-4-5-20250929 -m "
                "claude-sonnet-5-5 tells what would change."
            ),
        ),
        (
            "claude-sonnet-4-5",
            date(2026, 11, 30),
            (
                "claude-sonnet-4-5 retires today (2026-11-30); its successor is claude-sonnet-5-5."
                " %claude_compare -m claude-sonnet-4-5 -m claude-sonnet-5-5 tells what would change."
            ),
        ),
        (
            "claude-sonnet-4-5",
            date(2026, 12, 2),
            (
                "claude-sonnet-4-5 was to retire on 2026-11-30; its successor is claude-sonnet-5-5."
                " %claude_compare -m claude-sonnet-4-5 -m claude-sonnet-5-5 tells what would change."
            ),
        ),
        (
            "claude-opus-4-20250514",
            DAY,
            (
                "claude-opus-4-20250514 was retired on 2026-06-15; its successor is claude-opus-5-5. "
                "The API is asked all the same."
            ),
        ),
        ("claude-opus-5", DAY, ""),
    ],
)
def test_days_left_and_the_successor(name: str, today: date, said: str) -> None:
    assert farewell(model(name), today) == said


def test_a_deprecated_model_without_a_day() -> None:
    assert farewell(Model("x", "", None, lifecycle="deprecated"), DAY) == "x is deprecated."


# -- refusals


CASES: tuple[tuple[str, Wanted, str, str], ...] = (
    (
        "claude-haiku-4-5",
        Wanted(max_tokens=100_000),
        "answers with at most 64,000 tokens, not 100,000",
        "use --max-tokens 64000, or use claude-haiku-5-5",
    ),
    (
        "opus",
        Wanted(max_tokens=128_001),
        "answers with at most 128,000 tokens, not 128,001",
        "use --max-tokens 128000",
    ),
    (
        "claude-haiku-4-5",
        Wanted(effort="low"),
        "takes no effort",
        "leave --effort out, or use claude-haiku-5-5",
    ),
    (
        "claude-opus-4-5",
        Wanted(effort="max"),
        "takes no effort 'max'",
        "use low, medium or high, or use claude-opus-5-5",
    ),
    ("opus", Wanted(effort="much"), "takes no effort 'much'", "use low, medium, high, xhigh or max"),
    (
        "opus",
        Wanted(thinking="disabled"),
        "always thinks",
        "lower the effort for less, or use claude-opus-5",
    ),
    (
        "opus",
        Wanted(thinking="between_tools"),
        "always thinks",
        "lower the effort for less, or use claude-sonnet-5-5",
    ),
    (
        "opus",
        Wanted(thinking="enabled"),
        "takes no budget for thinking",
        "say how much by --effort, or use claude-opus-4-6",
    ),
    ("sonnet", Wanted(thinking="disabled"), "has no thinking 'disabled'", "'between_tools' turns it off"),
    (
        "claude-sonnet-4-6",
        Wanted(thinking="between_tools"),
        "has no thinking 'between_tools'",
        "'disabled' turns it off",
    ),
    (
        "haiku",
        Wanted(thinking="disabled", effort="max"),
        "cannot do without thinking at effort max",
        "use effort low, medium or high",
    ),
    (
        "claude-sonnet-4-5",
        Wanted(thinking="adaptive"),
        "thinks by a budget only",
        "give it one, or use claude-sonnet-5-5",
    ),
    (
        "opus",
        Wanted(prefill=True),
        "takes no beginning of its answer",
        "say in the prompt how the answer begins, or use claude-opus-4-5",
    ),
    (
        "claude-haiku-4-5",
        Wanted(prefill=True, thinking="enabled"),
        "takes no beginning of its answer while it thinks",
        "leave out one",
    ),
    (
        "claude-opus-4-7",
        Wanted(system_message=True),
        "takes no system message inside a conversation",
        "say it in the prompt or with -s, or use claude-opus-5-5",
    ),
    ("sonnet", Wanted(fast=True), "has no fast mode", "leave it out, or use claude-opus-5-5"),
    ("sonnet", Wanted(images=601), "takes 600", "begin a new one with --new"),
    (
        "claude-haiku-4-5",
        Wanted(pages=101),
        "takes 100",
        "begin a new one with --new, or use claude-haiku-5-5",
    ),
)


@pytest.mark.parametrize(("name", "wanted", "what", "instead"), CASES)
def test_what_a_model_refuses_is_refused_here_with_the_alternative(
    name: str, wanted: Wanted, what: str, instead: str
) -> None:
    with pytest.raises(UsageProblem) as caught:
        refuse(model(name), wanted)
    line = str(caught.value)
    assert line.endswith(f"{model(name).id} {what}: {instead}. Nothing was sent.")
    assert "\n" not in line


@pytest.mark.parametrize("wanted", [Wanted(images=1), Wanted(pages=1), Wanted(structured=True)])
def test_what_only_a_list_tells_is_refused_too(wanted: Wanted) -> None:
    blind = replace(model("sonnet"), images=False, pdfs=False, structured=False)
    with pytest.raises(UsageProblem, match="or use claude-sonnet-5"):
        refuse(blind, wanted)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("claude-haiku-4-5", Wanted(64_000, 100, 100, thinking="disabled", prefill=True)),
        ("haiku", Wanted(128_000, 600, 600, "high", "disabled", structured=True)),
        ("sonnet", Wanted(effort="max", thinking="between_tools", system_message=True)),
        ("opus", Wanted(effort="xhigh", thinking="adaptive", fast=True)),
        ("claude-opus-4-8", Wanted(effort="max", thinking="disabled", fast=True)),
    ],
)
def test_what_a_model_takes_passes(name: str, wanted: Wanted) -> None:
    refuse(model(name), wanted)


def test_of_an_unlisted_model_nothing_is_refused_but_a_crowd() -> None:
    everything = Wanted(
        10**6,
        1,
        1,
        "max",
        "disabled",
        prefill=True,
        structured=True,
        fast=True,
        system_message=True,
    )
    refuse(unlisted("claude-new"), everything)


# -- the list of an API


@pytest.fixture
def client(local_api: offline.LocalApi) -> Iterator[anthropic.Anthropic]:
    made = connect(Endpoint(local_api.url, local_api.token))
    yield made
    made.close()


@pytest.mark.parametrize("page", [1000, 3])
def test_the_list_over_http_agrees_with_the_table(client: anthropic.Anthropic, page: int) -> None:
    found = fetch(client, "here:1", DAY, page=page)
    assert (found.host, found.asked) == ("here:1", DAY)
    for name in (*LINES, *(one.id for one in CATALOGUE)):
        shipped = find(name)
        assert shipped is not None
        agreed = replace(shipped, web_search=True, code_execution=True)  # what the table does not say
        assert found.find(name) == agreed, "the local API tells another story than the table"


def test_the_list_goes_before_the_table() -> None:
    told = Listed(
        "claude-opus-5",
        title="Opus Five",
        lifecycle="deprecated",
        retires="2027-05-01",
        window=500_000,
        max_output=99,
        images=False,
        effort=("low", "medium"),
        thinking=("adaptive",),
    )
    one = merged((told,), "h", DAY).find("claude-opus-5")
    assert one is not None
    assert (one.title, one.window, one.max_output, one.images) == ("Opus Five", 500_000, 99, False)
    assert (one.effort, one.default_effort) == (("low", "medium"), "")
    assert one.thinking is not None
    assert one.thinking.always
    assert (one.prices, one.prefill, one.min_cache) == (model("claude-opus-5").prices, False, 512)
    assert (
        farewell(one, DAY)
        == "claude-opus-5 retires in 161 days (2027-05-01); its successor is claude-opus-5-5."
        " %claude_compare -m claude-opus-5 -m claude-opus-5-5 tells what would change."
    )


def test_newer_models_of_a_list_take_the_short_name_older_ones_do_not() -> None:
    listed = (
        Listed("claude-opus-5-6", line="opus", created="2026-12-01"),
        Listed("claude-opus-6", line="opus", created="2027-02-01"),
        Listed("claude-opus-5-1", line="opus", created="2026-03-01"),
        Listed("claude-sonnet-x", line="sonnet"),
        Listed("claude-haiku-6", line="haiku", created="2027-01-01", lifecycle="retired"),
        Listed("claude-ode-1", line="ode", created="2027-01-01"),
    )
    found = merged(listed, "h", DAY)
    named = {line: one.id for line in (*LINES, "ode") if (one := found.find(line))}
    assert named["opus"] == "claude-opus-6"
    assert named["sonnet"] == "claude-sonnet-5-5"
    assert named["haiku"] == "claude-haiku-5-5"
    assert named["ode"] == "claude-ode-1"
    opus = found.find("opus")
    assert opus is not None
    assert opus.prices is None
    assert "Did you mean 'claude-opus-6'" in str(found.unknown("claude-opus-66"))


def test_a_dated_id_tells_of_the_plain_one() -> None:
    listed = (Listed("claude-haiku-4-5-20251001", lifecycle="deprecated", retires="2027-01-15"),)
    plain = merged(listed, "h", DAY).find("claude-haiku-4-5")
    assert plain is not None
    assert farewell(plain, DAY) == (
        "claude-haiku-4-5 retires in 55 days (2027-01-15); its successor is claude-haiku-5-5."
        " %claude_compare -m claude-haiku-4-5 -m claude-haiku-5-5 tells what would change."
    )


def test_a_catalogue_comes_back_from_its_text(client: anthropic.Anthropic) -> None:
    found = fetch(client, "h", DAY).with_name("newest", Listed("claude-x", line="x", window=5))
    assert from_text(to_text(found), "h") == found
    assert from_text(to_text(found), "other") == SHIPPED
    one = found.find("newest")
    assert one is not None
    assert one.id == "claude-x"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_a_broken_text_is_never_an_error(models_kept: Any, field: Any) -> None:
    kept = {"host": "h", "asked": "2026-11-21", "models": models_kept, "names": {}}
    assert from_text(json.dumps(kept), "h").find("opus")
    names = Listed.__dataclass_fields__
    raw = {"id": "claude-opus-5-5", **{name: field for name in names if name != "id"}}
    found = from_text(json.dumps({**kept, "models": [raw]}), "h")
    assert found.find("claude-opus-5-5")
    assert from_text(json.dumps(field), "h").find("opus")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"host": "h"}', "[" * 100_000])
def test_what_cannot_be_read_is_the_table(text: str) -> None:
    assert from_text(text, "h") == SHIPPED


@pytest.fixture
def served() -> Iterator[tuple[anthropic.Anthropic, Callable[[Any], None], list[str]]]:
    """A client whose server answers every request with one JSON value; what to answer; what was asked."""
    answer: list[Any] = [None]
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps(answer[0]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        made = connect(Endpoint(f"http://127.0.0.1:{running.server_address[1]}", "sk-key-0123456789"))
        yield made, lambda value: answer.__setitem__(0, value), asked
        made.close()
        running.shutdown()
        thread.join()


def test_a_list_of_any_shape_is_no_crash(
    served: tuple[anthropic.Anthropic, Callable[[Any], None], list[str]],
) -> None:
    client, say, _ = served
    odd = {
        "id": "claude-odd-1",
        "line": 7,
        "created_at": "yesterday",
        "max_input_tokens": "many",
        "max_tokens": -1,
        "lifecycle": "zombie",
        "capabilities": {"image_input": True, "effort": [], "thinking": {"types": "all"}},
    }
    say({"data": [odd, {"id": None}, {"id": ""}, {"id": "claude-\x1b[31m"}, {}], "has_more": False})
    found = fetch(client, "h", DAY)
    one = found.find("claude-odd-1")
    assert one is not None
    assert one == unlisted("claude-odd-1")
    assert len(found.models) == len(SHIPPED.models) + 1


@pytest.mark.parametrize("answer", [None, [], "hello", {"data": None}, {"data": []}, {"data": 5}, {"a": 1}])
def test_what_is_no_list_is_one_line(
    served: tuple[anthropic.Anthropic, Callable[[Any], None], list[str]], answer: Any
) -> None:
    client, say, _ = served
    say(answer)
    with pytest.raises(ApiProblem) as caught:
        fetch(client, "h", DAY)
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_list_without_an_end_is_not_read_to_it(
    served: tuple[anthropic.Anthropic, Callable[[Any], None], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, say, asked = served
    monkeypatch.setattr(catalogue, "MOST", 20)
    say({"data": [{"id": "claude-again"}], "has_more": True, "last_id": "claude-again"})
    assert fetch(client, "h", DAY).find("claude-again")
    assert len(asked) <= 21


# -- kept in the store


def lineup(store: Store, api: offline.LocalApi) -> Lineup:
    return Lineup(store, place(None, Endpoint(api.url, api.token)), lambda: DAY)


def test_a_list_is_kept_with_its_day_and_host(
    tmp_path: Path, local_api: offline.LocalApi, client: anthropic.Anthropic
) -> None:
    path = tmp_path / "store" / "kept.db"
    store = Store.open(path)
    mine = lineup(store, local_api)
    assert mine.catalogue == SHIPPED
    mine.refresh(client, ONCE)
    store.close()
    store = Store.open(path)
    again = lineup(store, local_api).catalogue
    assert again == mine.catalogue
    assert (again.host, again.asked) == (local_api.url.removeprefix("http://"), DAY)
    assert again.age(date(2026, 12, 21)) == 30
    assert Lineup(store, "elsewhere:1").catalogue == SHIPPED
    assert Lineup(store, "127.0.0.1:1").catalogue == SHIPPED
    assert store.problem == ""
    store.close()


def test_a_name_is_looked_up_once_and_then_known(
    tmp_path: Path, served: tuple[anthropic.Anthropic, Callable[[Any], None], list[str]]
) -> None:
    client, say, asked = served
    store = Store.open(tmp_path / "kept.db")
    mine = Lineup(store, place(client, Endpoint()), lambda: DAY)
    say({"type": "model", "id": "claude-nova-1", "line": "nova", "max_input_tokens": 9, "max_tokens": 3})
    assert mine.find("nova-latest") is None
    found = mine.look_up("nova-latest", client, ONCE)
    assert (found.id, found.window, found.max_output, found.prices) == ("claude-nova-1", 9, 3, None)
    assert [path.partition("?")[0] for path in asked] == ["/v1/models/nova-latest", "/v1/models"]
    assert mine.find("nova-latest") == mine.find("claude-nova-1") == mine.find("nova") == found
    assert Lineup(store, place(client, Endpoint())).find("nova-latest") == found
    assert mine.catalogue.asked is None, "an API that lists nothing has no list"
    assert len(asked) == 2
    store.close()


def test_a_name_nobody_knows_asks_once(
    tmp_path: Path, local_api: offline.LocalApi, client: anthropic.Anthropic
) -> None:
    store = Store.open(tmp_path / "kept.db")
    mine = lineup(store, local_api)
    with pytest.raises(ConfigProblem, match="Did you mean 'sonnet'"):
        mine.look_up("sonet", client, ONCE)
    assert mine.catalogue == SHIPPED
    store.close()


def test_without_a_store_the_table_serves(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store.open(tmp_path / "file" / "kept.db")
    assert Lineup(store, "h").catalogue == SHIPPED
    store.set_setting("", "a", "b")
    assert store.setting("", "a") == "b", "in memory"
    store.close()


def test_a_fresh_catalogue_has_no_age() -> None:
    assert Catalogue().age(DAY) is None


def test_nothing_that_leaves_is_advised() -> None:
    leaving = (replace(model("claude-opus-4-5"), lifecycle="deprecated"), model("claude-haiku-4-5"))
    with pytest.raises(UsageProblem, match="or use claude-haiku-4-5"):
        refuse(model("opus"), Wanted(prefill=True), leaving)
    listed = (Listed("a", lifecycle="deprecated"), Listed("b", lifecycle="active"))
    first = merged(listed, "h", DAY).find("a")
    assert first is not None
    assert farewell(first, DAY) == "a is deprecated.", "what is in no line has no successor in it"
