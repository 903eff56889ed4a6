"""Where one kernel's questions go: the SDK's client, made once it is needed, and what it has uploaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from anthropic import Anthropic

from claude_magic.api.address import foreign_host
from claude_magic.api.cassettes import Cassette, Wanted
from claude_magic.api.client import Endpoint, connect, describe, place, replaying
from claude_magic.api.files import Files
from claude_magic.api.providers import ANTHROPIC, Provider
from claude_magic.consent import Consent
from claude_magic.errors import ConfigProblem
from claude_magic.settings import Settings


class Connection:
    """The client of one kernel.

    Parameters
    ----------
    consent : Consent
        Asks whether a host that is not Anthropic's may be asked.
    tell : callable
        Says a line to the user, once.
    moved : callable
        Called when questions go elsewhere from now on.
    """

    def __init__(self, consent: Consent, tell: Callable[[str], None], moved: Callable[[], None]) -> None:
        self._consent = consent
        self._tell = tell
        self._moved = moved
        self._endpoint = Endpoint()
        self._client: Anthropic | None = None
        self._files: Files | None = None
        self._cassette: Cassette | None = None
        self._cassette_at = ("", False)

    def client(self, settings: Settings) -> Anthropic:
        """The client; made once, after a yes where requests would go to a host that is not Anthropic's.

        Raises
        ------
        ConfigProblem
            When there is no credential, something of the environment cannot work, or there was no yes.
        """
        self.provider(settings)
        cassette = self.cassette(settings)
        if self._client is None:
            self._client = self._made(cassette, settings)
        return self._client

    def _made(self, cassette: Cassette | None, settings: Settings) -> Anthropic:
        anthropics = self._endpoint.provider is ANTHROPIC
        if cassette is not None and not cassette.sends:
            return replaying(cassette) if anthropics else connect(self._endpoint, self._tell, cassette)
        try:
            client = connect(self._endpoint, self._tell, cassette)
            try:
                self._consent.to_host(foreign_host(client), settings.hosts)
            except BaseException:
                client.close()
                raise
        except ConfigProblem as problem:
            if cassette is None or not len(cassette) or not anthropics:
                raise
            return replaying(cassette, str(problem))  # auto: what is recorded needs nothing else
        return client

    def cassette(self, settings: Settings) -> Cassette | None:
        """What answers, or is recorded on; opened when the setting names another one.

        Raises
        ------
        ConfigProblem
            When it cannot be. Nothing was sent.
        """
        wanted = settings.cassette, settings.cassette_pace == "recorded"
        if wanted != self._cassette_at:
            self.put_in(wanted[0], paced=wanted[1])
        return self._cassette

    def put_in(self, text: str, *, paced: bool) -> Cassette | None:
        """Begin a cassette from its beginning, by the texts of the settings; ``""`` takes it out.

        Raises
        ------
        ConfigProblem
            When it cannot be used; all stays as it was.
        """
        wanted = Wanted.read(text, paced=paced)
        cassette = Cassette(wanted, self._tell) if wanted is not None else None
        if not (cassette is None and self._cassette is None):
            self._cassette = cassette
            self.point_at(self._endpoint)
        self._cassette_at = text, paced
        return cassette

    def files(self, settings: Settings) -> Files:
        """What the client has uploaded."""
        client = self.client(settings)
        if self._files is None:
            self._files = Files(client)
        return self._files

    def point_at(self, endpoint: Endpoint) -> None:
        """Send requests there from now on."""
        if self._client is not None:
            self._client.close()
            self._client = self._files = None
        self._endpoint = endpoint
        self._moved()

    def provider(self, settings: Settings) -> Provider:
        """Whose service is asked from now on; a local Messages API goes before the setting."""
        if self._endpoint.chosen != settings.provider:
            self.point_at(replace(self._endpoint, chosen=settings.provider))
        return self._endpoint.provider

    @property
    def place(self) -> str:
        """Who is asked, as far as is known without asking: the models are listed apart for each."""
        if self._cassette is not None and not self._cassette.sends:
            return f"{self._cassette.name} (recorded)"  # what it lists is no news of the API's
        return place(self._client, self._endpoint)

    def described(self, settings: Settings) -> Iterable[tuple[str, str, str, str]]:
        """Where requests go and with what credential, as rows of the table of settings."""
        self.provider(settings)
        if self._cassette is not None and not self._cassette.sends:
            means = "No request leaves this machine, and no credential is needed."
            return [("API", f"replayed from {self._cassette.name}", "the setting cassette", means)]
        return describe(self._client, self._endpoint)
