"""The real things tests talk to: a local Messages API, a real kernel, and further down a real browser."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from claude_magic import offline
from tests.canary import files_with_keys
from tests.kernels import Kernel, running_kernel

BROWSING = ("tests.pages", "tests.display.books")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives a browser: the tests of modules that use `tests.pages`."""
    for item in items:
        names = vars(item.module) if isinstance(item, pytest.Function) else {}
        if any(getattr(value, "__module__", "") in BROWSING for value in names.values()):
            item.add_marker(pytest.mark.browser)


def _text_of(page: Page) -> str:
    try:
        return page.locator("body").inner_text(timeout=5_000)
    except PlaywrightError as error:  # a page that has crashed must not end the run
        return f"nothing can be read: {error}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of a test that failed what stood in its pages."""
    report = yield
    if report.failed and item.get_closest_marker("browser") and isinstance(item, pytest.Function):
        for browser in [value for value in item.funcargs.values() if hasattr(value, "contexts")]:
            pages = [page for context in browser.contexts for page in context.pages]
            report.sections += [(page.url, _text_of(page)) for page in pages]
    return report


@pytest.fixture(scope="session", autouse=True)
def _no_key_in_any_artefact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """When all tests have run, no file that any of them left holds a key."""
    yield
    assert files_with_keys(tmp_path_factory.getbasetemp()) == []


@pytest.fixture(scope="session")
def local_api() -> Iterator[offline.LocalApi]:
    """The local Messages API in a process of its own, answering as fast as it can."""
    api = offline.start(pace=0)
    yield api
    api.stop()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, local_api: offline.LocalApi) -> Iterator[Kernel]:
    """A kernel with the extension loaded, pointed at the local API by the SDK's own variables."""
    home = tmp_path_factory.mktemp("kernel")
    with running_kernel(home, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """IPython's shell in this process, for what asks its display formatter."""
    running = InteractiveShell.instance()
    yield running
    InteractiveShell.clear_instance()


@pytest.fixture
def fresh_kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with nothing loaded and no credential."""
    with running_kernel(tmp_path) as running:
        yield running
