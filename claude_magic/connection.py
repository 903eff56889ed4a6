"""Where one kernel's questions go: the SDK's client, made once it is needed, and what it has uploaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from anthropic import Anthropic

from claude_magic.api.address import foreign_host
from claude_magic.api.client import Endpoint, connect, describe, place
from claude_magic.api.files import Files
from claude_magic.api.providers import Provider
from claude_magic.consent import Consent
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

    def client(self, settings: Settings) -> Anthropic:
        """The client; made once, after a yes where requests would go to a host that is not Anthropic's.

        Raises
        ------
        ConfigProblem
            When there is no credential, something of the environment cannot work, or there was no yes.
        """
        self.provider(settings)
        if self._client is None:
            client = connect(self._endpoint, self._tell)
            try:
                self._consent.to_host(foreign_host(client), settings.hosts)
            except BaseException:
                client.close()
                raise
            self._client = client
        return self._client

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
        return place(self._client, self._endpoint)

    def described(self, settings: Settings) -> Iterable[tuple[str, str, str, str]]:
        """Where requests go and with what credential, as rows of the table of settings."""
        self.provider(settings)
        return describe(self._client, self._endpoint)
