"""The line of a magic: flags from the left, the rest as written."""

from __future__ import annotations

import pytest

from claude_magic import flags
from claude_magic.errors import UsageProblem


def parse(line: str) -> flags.Line:
    return flags.parse(line, flags.ASK, "%claude")


def test_the_rest_is_the_prompt_as_written() -> None:
    assert parse("what's  up with {'a': 1}?").rest == "what's  up with {'a': 1}?"
    assert parse("-m opus what's up?").rest == "what's up?"
    assert parse("-m opus -- --quiet is a flag?").rest == "--quiet is a flag?"
    assert parse("-3 + 5 = ?").rest == "-3 + 5 = ?"


@pytest.mark.parametrize(
    ("line", "key", "values"),
    [
        ("-m opus", "model", ("opus",)),
        ("--model=opus", "model", ("opus",)),
        ('-s "You are \\"terse\\"." x', "system", ('You are "terse".',)),
        ("--stop END --stop 'two words'", "stop", ("END", "two words")),
        ("--max-tokens 1_000", "max_tokens", ("1_000",)),
        ("--into f(x, [1, 2]) go", "into", ("f(x, [1, 2])",)),
        ("--quiet", "quiet", ("",)),
    ],
)
def test_values(line: str, key: str, values: tuple[str, ...]) -> None:
    assert parse(line).all(key) == values


def test_a_quoted_value_is_known_as_such() -> None:
    assert isinstance(parse("-s 'pirate'").one("system"), flags.Quoted)
    assert not isinstance(parse("-s pirate").one("system"), flags.Quoted)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--modle opus hi", "no flag --modle. Did you mean '--model'?"),
        ("-z hi", "no flag -z."),
        ("-m", "-m needs a value: -m NAME."),
        ("-m --quiet", "-m needs a value"),
        ("-s a -s b hi", "-s is given twice"),
        ("--quiet=yes", "--quiet takes no value"),
        ("-s 'open", "the quote ' is not closed"),
    ],
)
def test_mistakes_are_told_in_one_line_and_nothing_is_sent(line: str, said: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        parse(line)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("Nothing was sent.")


@pytest.mark.parametrize("text", ["0", "-5", "many", "1.5", "", "²"])
def test_whole_numbers_are_checked(text: str) -> None:
    with pytest.raises(UsageProblem):
        flags.whole_number(text, "--max-tokens")


def test_every_flag_has_its_own_key_and_a_sentence() -> None:
    for table in (
        flags.ASK,
        flags.OFFLINE,
        flags.CHAT,
        flags.COMPACT,
        flags.HISTORY,
        flags.USAGE,
        flags.EXPORT,
        flags.RESTORE,
    ):
        assert len({flag.key for flag in table}) == len(table)
        assert all(flag.help.endswith(".") for flag in table)


def test_flags_may_stand_behind_the_words_of_the_other_magics() -> None:
    line = flags.parse_words("2 --show", flags.HISTORY, "%claude_history")
    assert (line.rest, line.has("show")) == ("2", True)
    line = flags.parse_words('"my  --force talk.json" --force', flags.EXPORT, "%claude_export")
    assert (line.rest, line.has("force")) == ('"my  --force talk.json"', True)
    with pytest.raises(UsageProblem, match=r"^--mode is given twice\. "):
        flags.parse_words("--mode auto x --mode record", flags.REPLAY, "%claude_replay")
    line = flags.parse_words("my talk.json --force", flags.EXPORT, "%claude_export")
    assert (line.rest, line.has("force")) == ("my talk.json", True)
    with pytest.raises(UsageProblem, match=r"no flag --frce\. Did you mean '--force'"):
        flags.parse_words("talk.json --frce", flags.EXPORT, "%claude_export")
