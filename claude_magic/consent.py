"""What is asked of the person at the notebook before something goes out; no answer is a no."""

from __future__ import annotations

from collections.abc import Sequence

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.display.frontend import can_answer
from claude_magic.errors import ConfigProblem, UsageProblem


class Consent:
    """The yeses of one kernel.

    Parameters
    ----------
    shell : InteractiveShell
        Tells whether anybody can be asked.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._hosts: set[str] = set()

    def to_host(self, host: str, allowed: str) -> None:
        """Ask, once a kernel, whether requests and the key may go to a host that is not Anthropic's.

        Parameters
        ----------
        host : str
            ``""`` for one that needs no yes.
        allowed : str
            Hosts allowed beforehand, with spaces between.

        Raises
        ------
        ConfigProblem
            When the answer is anything but yes. Nothing was sent.
        """
        if not host or host in self._hosts or host in allowed.split():
            return
        advice = f"%claude_config hosts={host}, or CLAUDE_MAGIC_HOSTS, allows it. Nothing was sent."
        if not can_answer(self._shell):
            raise ConfigProblem(f"Requests and the key would go to {host}, not to Anthropic. {advice}")
        if not _yes(f"Requests and the key go to {host}, not to Anthropic. Is that right? [y/N] "):
            raise ConfigProblem(f"Not sent to {host}. {advice}")
        self._hosts.add(host)

    def to_secrets(self, found: Sequence[str]) -> None:
        """Ask whether something that looks like a secret may go out.

        Parameters
        ----------
        found : sequence of str
            Kinds and places, never values.

        Raises
        ------
        UsageProblem
            When the answer is anything but yes. Nothing was sent.
        """
        if not found:
            return
        what = "; ".join(found[:5])
        advice = "Take it out, or allow it by %claude_config allow_secrets=True. Nothing was sent."
        if not can_answer(self._shell):
            raise UsageProblem(f"This looks like a secret: {what}. {advice}")
        if not _yes(f"This looks like a secret: {what}. Send it all the same? [y/N] "):
            raise UsageProblem(f"Not sent, because it looks like a secret: {what}. {advice}")


def _yes(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
