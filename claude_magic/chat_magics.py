"""The magics of the conversation: chats, history, undo, export, restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from IPython.core.magic import line_magic, magics_class

from claude_magic import flags
from claude_magic.errors import UsageProblem, at_the_door
from claude_magic.session_magics import SessionMagics

if TYPE_CHECKING:
    from claude_magic.desk import Desk
    from claude_magic.display.table import Table
    from claude_magic.usage import By, Report


@magics_class
class ChatMagics(SessionMagics):
    """What was said in this notebook: ``%claude_chat``, ``%claude_history`` and their like."""

    def _desk(self) -> Desk:
        return self._open().desk(self._settings)

    @line_magic
    @flags.documented(flags.CHAT)
    @at_the_door
    def claude_chat(self, line: str) -> Table:
        """List this notebook's conversations, or switch to another.

        ::

            %claude_chat                  the conversations of this notebook
            %claude_chat ideas            speak in that one from now on
            %claude_chat "main, whole"    in the one that %claude_compact has kept
            %claude_chat --new ideas      begin one
            %claude_chat --fork ideas     go on from here in one of its own, with the same past

        A cell speaks in the conversation that holds its turn; a new cell in the current one. Each notebook
        keeps its conversations across restarts, also when it is renamed or moved; a copy of it forks.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.CHAT, "%claude_chat")
        desk = self._desk()
        given = [key for key in ("new", "fork", "delete") if parsed.has(key)]
        if len(given) + bool(parsed.rest) > 1:
            raise UsageProblem("%claude_chat takes one of NAME, --new, --fork and --delete. Nothing changed.")
        if parsed.has("new"):
            desk.chats.begin_new(parsed.one("new"))
        elif parsed.has("fork"):
            desk.chats.fork(parsed.one("fork"))
        elif parsed.has("delete"):
            desk.chats.delete(parsed.one("delete"))
        elif parsed.rest:
            desk.chats.switch(flags.unquoted(parsed.rest))
        return desk.chats_table()

    @line_magic
    @flags.documented(flags.HISTORY)
    @at_the_door
    def claude_history(self, line: str) -> Table | None:
        """Show the turns of the conversation, numbered, with tokens, cost and marks.

        ::

            %claude_history               the turns of the current conversation
            %claude_history 3             turn 3, whole
            %claude_history --all         also the turns that were replaced or taken back
            %claude_history --search mean turns of all this machine's notebooks that say "mean"

        A turn is marked stale when something above it has changed since it was answered.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.HISTORY, "%claude_history")
        desk = self._desk()
        if parsed.has("search"):
            words = f"{parsed.one('search')} {parsed.rest}".strip()
            return desk.search_table(words)
        if parsed.rest:
            desk.show(flags.whole_number(parsed.rest, "%claude_history"))
            return None
        return desk.history_table(every=parsed.has("all"))

    @line_magic
    @at_the_door
    def claude_undo(self, line: str) -> None:
        """Take the last exchange back, or the last N: ``%claude_undo 2``.

        What is taken back is no longer sent; it stays in the store, and %claude_history --all shows it.
        """
        count = flags.whole_number(line.strip(), "%claude_undo") if line.strip() else 1
        gone = self._desk().chats.undo(count)
        print(f"{gone} exchange{'' if gone == 1 else 's'} taken back.")  # noqa: T201 - the magic's answer

    @line_magic
    @at_the_door
    def claude_code(self, line: str) -> None:
        """Put the blocks of code of an answer into a new cell below, which is not run by itself.

        ::

            %claude_code                  of the last answer
            %claude_code 3                of turn 3, as %claude_history numbers them
            %%claude --code               of the answer to this question, when it has come

        All blocks come into one cell, numbered by comments. Python stays as it is; what is in another
        language is commented out, but for a block of shell or HTML that is alone: it gets its %%bash, %%sh
        or %%html. Characters that cannot be seen are made visible. Of an answer that was stopped or cut a
        comment says so. In a terminal the next prompt is filled in. Where no cell can be added (nbclient,
        Colab) the code is printed.
        """
        word = line.strip()
        self._desk().code(flags.whole_number(word, "%claude_code") if word else 0)

    @line_magic
    @flags.documented(flags.USAGE)
    @at_the_door
    def claude_usage(self, line: str) -> Report:
        """Show what was used and what it cost, turn by turn or summed up, and what the prompt cache saved.

        ::

            %claude_usage                 the turns of the current conversation
            %claude_usage --by model      this notebook, by model; also --by day, --by conversation
            %claude_usage --all --by day  all notebooks
            %claude_usage --plot          with a plot that stays in the saved notebook
            %claude_usage --csv cost.csv
            u = %claude_usage             u.total.cost, u.rows, u.frame (pandas), u.plot

        It is read from the store, so it outlives the kernel. Each turn counts once, where it was asked: a
        fork's shared past counts where it came from, an answer that was replaced counts like any other, one
        that was cut counts what the API told (≈ where it did not tell), one that was reused counts nothing.
        The offline demo charges nothing: what it would have cost is told apart and in no sum of money.
        Questions of --no-history are not kept, and so not counted. Days are this machine's.

        The saving is the difference between these tokens uncached and as they were, at list prices. A model
        without a known price counts with its tokens only.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.USAGE, "%claude_usage")
        if parsed.rest:
            raise UsageProblem(
                f"%claude_usage takes flags only, not {parsed.rest!r}. %claude_usage? tells them."
            )
        by = flags.chosen(parsed, flags.USAGE, "by")
        report = self._desk().usage(cast("By", by), every=parsed.has("all"), plotted=parsed.has("plot"))
        if parsed.has("csv"):
            written = report.write_csv(parsed.one("csv"))
            print(f"Written to {written}.")  # noqa: T201 - the magic's answer
        return report

    @line_magic
    @flags.documented(flags.EXPORT)
    @at_the_door
    def claude_export(self, line: str) -> None:
        """Write the conversation to a file: Markdown, a notebook, or JSON.

        ::

            %claude_export talk.md
            %claude_export talk.ipynb
            %claude_export talk.json      %claude_restore talk.json reads it again

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.EXPORT, "%claude_export")
        if not parsed.rest:
            raise UsageProblem("%claude_export needs a file: talk.md, talk.ipynb or talk.json.")
        count = self._desk().export(parsed.rest, force=parsed.has("force"))
        print(f"{count} turn{'' if count == 1 else 's'} written to {parsed.rest}.")  # noqa: T201 - the magic's answer

    @line_magic
    @flags.documented(flags.RESTORE)
    @at_the_door
    def claude_restore(self, line: str) -> Table | None:
        """Take in the conversation that a notebook's saved outputs hold, or an exported JSON file.

        ::

            %claude_restore               this notebook's own outputs: shows what would be taken in
            %claude_restore --yes         takes it in
            %claude_restore other.ipynb   those of another notebook

        Only prompts and answers are taken in, as plain text: never a system prompt, a tool, an approval, an
        address or a budget of a stranger.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.RESTORE, "%claude_restore")
        return self._desk().restore(parsed.rest, accepted=parsed.has("yes"))
