"""The magics of cassettes: recording what is asked and answered, and answering from there."""

from __future__ import annotations

from IPython.core.magic import line_magic, magics_class

from claude_magic import flags
from claude_magic.errors import UsageProblem, at_the_door
from claude_magic.session_magics import SessionMagics


@magics_class
class CassetteMagics(SessionMagics):
    """Cassettes: ``%claude_record`` and ``%claude_replay``."""

    @line_magic
    @flags.documented(flags.RECORD)
    @at_the_door
    def claude_record(self, line: str) -> None:
        """Record what is asked and answered on a cassette, from which %claude_replay answers again.

        ::

            %claude_record talk.cassette
            %claude_record --off

        From then on every request goes out as always, and its answer is written as it comes: streams event
        by event, counts, models, uploads, and faults too. A line of JSON is one exchange, so that a cassette
        can be read, compared and kept with a notebook. Pictures, PDFs and uploads stand there by their
        SHA-256 and size; neither the key nor anything else that authorises is in it. Prompts and
        answers are: look it through before you publish it. The file is yours alone (mode 0600).

        A cassette of that name is begun anew with the first answer; the one before is kept beside it, as
        talk.cassette~. A file that is no cassette is never written to.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.RECORD, "%claude_record")
        if parsed.has("off"):
            self._off(parsed, "%claude_record")
            return
        name = self._put_in(parsed, "record", "instant", "%claude_record")
        print(f"What is asked and answered is recorded on {name}; %claude_record --off ends it.")  # noqa: T201

    @line_magic
    @flags.documented(flags.REPLAY)
    @at_the_door
    def claude_replay(self, line: str) -> None:
        """Answer from a cassette, as it was recorded; without a key, a network and a cost.

        ::

            %claude_replay talk.cassette
            %claude_replay --mode auto talk.cassette     ask what it lacks, and record that
            %claude_replay --pace recorded talk.cassette
            %claude_replay --off

        A request is answered that is equal to a recorded one: model, system prompt, tools, parameters,
        messages, and attachments by their content. What was asked more than once gets its answers in their
        order, the last of them again and again. Each answer is marked as replayed, with the day it was
        recorded, and counts as no money spent. Tools run here, as always.

        For a request that is not there, one line tells which part differs from the nearest recorded one, and
        nothing is sent, except in the mode auto. The same without a magic, for CI:
        CLAUDE_MAGIC_CASSETTE=auto:talk.cassette (or replay:…, record:…), which is the setting cassette.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.REPLAY, "%claude_replay")
        if parsed.has("off"):
            self._off(parsed, "%claude_replay")
            return
        mode = flags.chosen(parsed, flags.REPLAY, "mode")
        pace = flags.chosen(parsed, flags.REPLAY, "pace")
        name = self._put_in(parsed, mode, pace, "%claude_replay")
        does = {
            "replay": f"Answers come from {name}, and nothing is sent",
            "auto": f"Answers come from {name}; what it lacks is asked and recorded there",
            "record": f"What is asked and answered is recorded on {name}",
        }
        print(f"{does[mode]}; %claude_replay --off ends it.")  # noqa: T201 - the magic's own answer

    def _put_in(self, parsed: flags.Line, mode: str, pace: str, magic: str) -> str:
        """Open the cassette, then make it the setting; return its name."""
        path = flags.unquoted(parsed.rest)
        if not path.strip():
            raise UsageProblem(f"{magic} needs a file: {magic} talk.cassette. Nothing was changed.")
        name = self._open().put_in(f"{mode}:{path}", paced=pace == "recorded")
        self._settings.assign([("cassette", f"{mode}:{path}"), ("cassette_pace", pace)], magic)
        return name

    def _off(self, parsed: flags.Line, magic: str) -> None:
        if parsed.rest:
            raise UsageProblem(f"{magic} --off takes no file. Nothing was changed.")
        self._open().put_in("", paced=False)
        self._settings.assign([("cassette", ""), ("cassette_pace", "instant")], magic)
        print("No cassette any more.")  # noqa: T201 - the magic's own answer
