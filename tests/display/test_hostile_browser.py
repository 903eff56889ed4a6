"""Hostile texts in a real JupyterLab and a real Chromium: nothing runs, nothing loads, links are plain."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, Page

from claude_magic.display.leave import question_of
from claude_magic.display.live import CSS, MODULE, LiveView, _Asking
from claude_magic.display.static import TURN, bundle
from claude_magic.display.status import Status
from claude_magic.stop import Stop
from claude_magic.values import Answer, Section, TextPart, ToolUsePart, Turn, Usage
from tests.display.hostile import HTML, Payload, payloads
from tests.display.test_hostile import sections_of
from tests.pages import Notebook, Server, chromium, jupyter_server

LOAD = "%load_ext claude_magic"
SETTLED = 1_500
"""Milliseconds in which what was drawn has had its chance to run or load."""


# --- what counts --------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(handler: type[_Handler]) -> Iterator[int]:
    """Serve on a free port of loopback until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass
class Beacon:
    """A server that counts what is loaded from it."""

    port: int = 0
    hits: list[str] = field(default_factory=list)

    def numbers(self) -> set[int]:
        parts = [hit.split("/") for hit in self.hits if hit.startswith("/beacon/")]
        return {int(part[2]) for part in parts if part[2].isdigit()}


@pytest.fixture(scope="module")
def beacon() -> Iterator[Beacon]:
    seen = Beacon()

    class Counting(_Handler):
        def do_GET(self) -> None:
            if self.path == "/blank":
                self.answer(200, "text/html", b"<!doctype html><body></body>")
                return
            seen.hits.append(self.path)
            self.answer(200, "image/gif", b"GIF89a", Access_Control_Allow_Origin="*")

        do_POST = do_HEAD = do_OPTIONS = do_GET  # noqa: N815 - the base class looks for these names

    with serving(Counting) as port:
        seen.port = port
        yield seen


# --- a Messages API that says what it is told ------------------------------------------------------------


@dataclass
class Said:
    """What the API answers to a prompt: a stream of these deltas, or a status and a body."""

    deltas: list[str] = field(default_factory=list)
    model: str = "claude-sonnet-5-5"
    status: int = 200
    body: str = ""
    kind: str = "application/json"
    end: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    pause: float = 0.0


class Api:
    """A Messages API on loopback; what it answers is looked up by the prompt."""

    def __init__(self) -> None:
        self.said: dict[str, Said] = {}
        self.url = ""

    def handler(self) -> type[_Handler]:
        said = self.said

        class Answering(_Handler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                content = body["messages"][-1]["content"]
                prompt = content if isinstance(content, str) else content[-1]["text"]
                one = said[prompt.strip()]
                if one.status != 200:
                    self.answer(one.status, one.kind, one.body.encode(), x_should_retry="false")
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                for event in _events(one):
                    self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                    self.wfile.flush()
                    if one.pause and event["type"] == "content_block_delta":
                        time.sleep(one.pause)
                self.close_connection = True

        return Answering


def _events(said: Said) -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": 5, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": said.model, "content": []}
    yield {"type": "message_start", "message": {**message, "stop_reason": None, "usage": usage}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for delta in said.deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": delta}}
    if said.error is not None:
        yield {"type": "error", "error": said.error, "request_id": said.error.get("request_id")}
        return
    yield {"type": "content_block_stop", "index": 0}
    ended = {"stop_reason": "end_turn", "stop_sequence": None, **said.end}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 9}}
    yield {"type": "message_stop"}


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    saying = Api()
    with serving(saying.handler()) as port:
        saying.url = f"http://127.0.0.1:{port}"
        yield saying


# --- the page -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, api: Api) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    settings = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells and all outputs are drawn, not only those in sight.
    (settings / "tracker.jupyterlab-settings").write_text(
        '{"windowingMode": "none", "maxNumberOutputs": 9999}'
    )
    (folder / "config" / "jupyter_server_config.json").write_text(
        '{"LabApp": {"expose_app_in_browser": true}}'
    )
    with jupyter_server(folder, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY="sk-ant-test") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@dataclass
class Watch:
    """A browser whose pages tell what ran in them, in any frame, and what they asked for."""

    browser: Browser
    home: str
    ran: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    opened: int = 0

    def new_page(self, **kwargs: Any) -> Page:
        page = self.browser.new_page(**kwargs)
        page.context.expose_function("__owned", self._run)
        page.context.on("request", lambda request: self._ask(request.url))
        page.on("popup", self._open)
        page.on("dialog", lambda dialog: dialog.dismiss())
        return page

    def _run(self, number: int) -> None:
        self.ran.append(number)

    def _open(self, _: Page) -> None:
        self.opened += 1

    def _ask(self, url: str) -> None:
        if not url.startswith((f"{self.home}/", "data:", "blob:")):
            self.asked.append(url)

    def notebook(self, server: Server, cells: list[str], name: str, place: str = "lab") -> Notebook:
        return Notebook(cast("Browser", self), server, cells, name, place)

    def assert_nothing(self) -> None:
        assert (sorted(set(self.ran)), sorted(set(self.asked)), self.opened) == ([], [], 0)


@pytest.fixture
def watch(browser: Browser, server: Server, beacon: Beacon) -> Iterator[Watch]:
    beacon.hits.clear()
    watching = Watch(browser, server.url)
    yield watching
    assert beacon.hits == []


# Everything a person's pointer and keyboard may set off, on every element of the outputs; links are not
# followed.
TOUCH = """(roots) => {
  const stay = event => { if (event.target.closest?.('a')) event.preventDefault(); };
  document.addEventListener('click', stay);
  const names = ['click', 'dblclick', 'auxclick', 'contextmenu', 'mousedown', 'mouseup', 'mouseover',
    'mouseenter', 'mousemove', 'pointerdown', 'pointerover', 'pointerenter', 'wheel', 'scroll', 'keydown',
    'keyup', 'copy', 'cut', 'paste', 'dragstart', 'drag', 'drop', 'input', 'change', 'submit', 'focus',
    'focusin', 'blur', 'toggle', 'animationstart', 'animationend', 'transitionend'];
  let touched = 0;
  for (const root of document.querySelectorAll(roots)) {
    for (const node of root.querySelectorAll('*')) {
      if (node.closest('.jp-OutputPrompt, .claude-status button, .claude-copy')) continue;
      touched += 1;
      for (const name of names)
        node.dispatchEvent(new Event(name, {bubbles: name === 'click', cancelable: true}));
    }
  }
  document.removeEventListener('click', stay);
  return touched;
}"""

# What stands in the outputs that should not: elements, attributes, schemes, links that hide their target.
FAULTS = """(roots) => {
  const elements = new Set(('a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr li ol p pre s span ' +
    'strong table tbody td th thead tr ul button mjx-container details summary').split(' '));
  const attributes = new Set(('class href target rel title start align role aria-hidden aria-busy type ' +
    'hidden tabindex data-jupyter-id aria-label data-says disabled').split(' '));
  const found = [];
  const look = (node, where) => {
    const name = node.localName;
    if (name === 'mjx-container') {
      for (const inner of node.querySelectorAll('a, [href], [id], [onclick], img, image, [style*="url"],' +
        '[data-commandlinker-command], [class*="target"], [class*="jp-"]'))
        found.push(`${where}: in a formula: ${inner.outerHTML.slice(0, 200)}`);
      return;
    }
    const own = node.classList.contains('jp-InternalAnchorLink');
    if (name.startsWith('jp-') || node.classList.contains('jp-OutputPrompt')) return;
    if (name === 'input' && node.type === 'checkbox' && node.disabled) return;  // Lab's own, of a task list
    if (!elements.has(name)) found.push(`${where}: ${node.outerHTML.slice(0, 200)}`);
    for (const {name: key, value} of node.attributes)
      if (!attributes.has(key) && !(key === 'style' && /^text-align: ?\\w+;?$/.test(value)))
        found.push(`${where}: ${name} has ${key}=${value.slice(0, 100)}`);
    if (name === 'a' && !own) {
      const written = node.getAttribute('href') ?? '';
      const url = new URL(node.href, 'about:blank');
      if (!/^(https?:\\/\\/|mailto:)/.test(written)) found.push(`${where}: leads to ${written}`);
      const host = url.protocol === 'mailto:' ? url.pathname : url.host.replace(/^www\\./, '');
      const shown = node.textContent + (node.nextSibling?.textContent ?? '');
      if (!shown.includes(host)) found.push(`${where}: hides ${host}: ${shown.slice(0, 80)}`);
    }
    for (const child of node.children) look(child, where);
  };
  document.querySelectorAll(roots).forEach((root, at) => {
    for (const child of root.children) look(child, `${root.dataset.number ?? at}`);
  });
  return found;
}"""
RENDERED = ".jp-OutputArea-output.jp-RenderedMarkdown, .claude-magic"


def turn_of(text: str, **changes: Any) -> Turn:
    """A turn whose answer is this text."""
    answer = Answer((TextPart(text),), Usage(5, 9, final=True), stop_reason="end_turn", complete=True)
    given = {"prompt": "p", "blocks": (), "reply": b"", "shown": text, "answer": answer, "stage": "complete"}
    return Turn(**{**given, "model": "claude-sonnet-5-5", **changes})


def written(server: Server, name: str, turns: list[Turn], *, trusted: bool, most: int = 60) -> None:
    """Write a notebook with the outputs of these answers; only a trusted one is signed."""
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for begin in range(0, len(turns), most):
        cell = nbformat.v4.new_code_cell("%%claude\np", execution_count=1)
        for turn in turns[begin : begin + most]:
            data, metadata = bundle(turn)
            cell.outputs.append(nbformat.v4.new_output("display_data", data, metadata=metadata))
        book.cells.append(cell)
    nbformat.write(book, server.root / f"{name}.ipynb")
    if trusted:
        notary = NotebookNotary(data_dir=str(server.root.parent / "data"))
        notary.sign(nbformat.read(server.root / f"{name}.ipynb", as_version=4))


def drawn(notebook: Notebook, count: int) -> list[str]:
    """Wait until so many outputs are drawn, touch everything, and tell what is wrong."""
    page = notebook.page
    page.wait_for_function(
        "n => document.querySelectorAll('.jp-OutputArea-output.jp-RenderedMarkdown').length >= n",
        arg=count,
        timeout=60_000,
    )
    page.wait_for_timeout(SETTLED)
    assert page.evaluate(TOUCH, RENDERED) >= count
    page.wait_for_timeout(SETTLED)
    return list(page.evaluate(FAULTS, RENDERED))


def test_the_payloads_work_where_nothing_stops_them(browser: Browser, server: Server, beacon: Beacon) -> None:
    """The counting counts: put into a page as they are, most HTML payloads run or load."""
    corpus = [payload for payload in payloads(beacon.port) if payload.kind in HTML]
    watch = Watch(browser, server.url)
    page = watch.new_page()
    for begin in range(0, len(corpus), 100):
        page.goto(f"http://127.0.0.1:{beacon.port}/blank")
        page.evaluate(
            """texts => Promise.all(texts.map(text => new Promise(done => {
              const frame = document.createElement('iframe');
              setTimeout(done, 2000);
              frame.onload = () => {
                try { frame.contentDocument.querySelectorAll('.target').forEach(node => {
                  for (const name of ['click', 'dblclick', 'mouseover', 'keydown', 'input', 'submit', 'copy'])
                    node.dispatchEvent(new Event(name, {bubbles: true, cancelable: true}));
                }) } catch { }
              };
              frame.srcdoc = text;
              document.body.append(frame);
            })))""",
            [payload.text.encode("utf-8", "replace").decode() for payload in corpus[begin : begin + 100]],
        )
    page.close()
    works = (set(watch.ran) | beacon.numbers()) & {payload.number for payload in corpus}
    beacon.hits.clear()
    assert len(corpus) >= 220
    assert len(works) >= 200, len(works)


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])
def test_no_saved_answer_does_anything(watch: Watch, server: Server, beacon: Beacon, trusted: bool) -> None:
    corpus = payloads(beacon.port)
    name = "trusted" if trusted else "untrusted"
    written(server, name, [turn_of(payload.text) for payload in corpus], trusted=trusted)
    notebook = watch.notebook(server, [], name)
    faults = drawn(notebook, len(corpus))
    modes = notebook.page.evaluate(
        "() => [...new Set(jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.trusted))]"
    )
    notebook.close()
    assert modes == [trusted]
    watch.assert_nothing()
    assert faults == []


def test_no_saved_fold_does_anything(watch: Watch, server: Server, beacon: Beacon) -> None:
    corpus = sample(payloads(beacon.port), 5)
    turns = [turn_of("x", sections=(*sections_of(one.text), Section("text", "x"))) for one in corpus]
    written(server, "folds", turns, trusted=True)
    notebook = watch.notebook(server, [], "folds")
    page = notebook.page
    page.wait_for_function(
        "n => document.querySelectorAll('.jp-OutputArea .jp-RenderedMarkdown > p:last-child').length == n",
        arg=len(corpus),
        timeout=60_000,
    )
    shapes = page.evaluate(
        """() => [...document.querySelectorAll('.jp-OutputArea-output.jp-RenderedMarkdown')].map(root =>
             [...root.children].map(node => node.localName + (node.open ? ' open' : '')).join(' '))"""
    )
    assert [(one, shape) for one, shape in zip(corpus, shapes, strict=True) if shape != SHAPE] == []
    faults = drawn(notebook, len(corpus))
    notebook.close()
    watch.assert_nothing()
    assert faults == []


SHAPE = "details details details details p p"
"""The elements of such an output: each section in its own fold, the answer and its line below them."""


def messages(text: str, cuts: int, *, folds: bool = False) -> list[dict[str, Any]]:
    """What the live view sends of an answer that comes in parts of so many characters.

    With ``folds`` its thinking, tool calls and searches say the same, and a tool is asked about in its words.
    """
    view = LiveView.__new__(LiveView)
    sent: list[dict[str, Any]] = []

    class Sink:
        def send(self, message: dict[str, Any]) -> None:
            sent.append(message)

    LiveView.__init__(view, cast("Any", None), cast("Any", None), Stop(), inline=True)
    view._widget = cast("Any", Sink())
    view._heard.set()
    status = Status("claude-sonnet-5-5", "writing", Usage(), None, 1.0)
    for at in range(0, len(text), cuts):
        view.draw(text[at : at + cuts], status)
    if folds:
        for at in range(0, len(text), cuts):
            view.show(Section("thinking", text[at : at + cuts]), status)
        for section in sections_of(text)[1:]:
            view.show(section, status)
        question = question_of(ToolUsePart("t", text, json.dumps({text: text})))
        assert question is not None
        view._asking = _Asking(question)
        view.draw("", status)
    sent.append({"whole": view.whole_frame()})
    sent.append({"whole": {**view.whole_frame(), "number": view._number + 1, "ended": True}})
    return sent


# Draws the frames of many answers with the module itself, each change at once, with Lab's own typesetter.
DRAW = """async ({code, css, answers, faults, roots}) => {
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const live = (await import(url)).default;
  const style = document.createElement('style');
  style.textContent = css;
  document.head.append(style);
  const rendermime = jupyterapp.shell.currentWidget.content.rendermime;
  const host = document.createElement('div');
  document.querySelector('.jp-Notebook .jp-Cell').append(host);
  const look = eval(`(${faults})`);
  const found = [];
  let frames = 0;
  for (const [number, messages] of answers) {
    const heard = [];
    const model = {
      get: name => ({key: `k${number}`, frame: {}})[name],
      on: (_, listen) => heard.push(listen),
      send: () => {},
      widget_manager: {rendermime},
    };
    const el = document.createElement('div');
    host.append(el);
    live.initialize({model});
    live.render({model, el});
    el.firstChild.dataset.number = number;
    for (const message of messages) {
      for (const listen of heard) listen(message);
      frames += 1;
      const bad = el.querySelector('script, style, iframe, object, embed, form, input, link, meta, base,' +
        'img, video, audio, svg:not(mjx-container svg), [id], [name], [style], [srcdoc],' +
        '[data-commandlinker-command]');
      if (bad && !bad.closest('mjx-container')) found.push(`${number}: ${bad.outerHTML.slice(0, 200)}`);
    }
    if (number % 40 === 0) await new Promise(done => setTimeout(done, 20));
  }
  await new Promise(done => setTimeout(done, 1500));
  found.push(...look(roots));
  return {frames, found};
}"""


@pytest.mark.parametrize("folds", [False, True], ids=["text", "folds"])
def test_no_frame_of_the_live_view_does_anything(
    watch: Watch, server: Server, beacon: Beacon, folds: bool
) -> None:
    corpus = sample(payloads(beacon.port), 7 if folds else 1)
    notebook = watch.notebook(server, ["0"], f"frames-{folds}")
    page = notebook.page
    frames = 0
    found: list[str] = []
    for cuts in (9, 10_000) if folds else (1, 7, 10_000):
        answers = [
            [one.number, messages(one.text, cuts, folds=folds)]
            for one in corpus
            if cuts > 1 or len(one.text) < 500
        ]
        given = {"code": MODULE, "css": CSS, "answers": answers, "faults": FAULTS, "roots": ".claude-magic"}
        drawn = page.evaluate(DRAW, json.loads(json.dumps(given)))
        frames += drawn["frames"]
        found += drawn["found"]
        page.evaluate(TOUCH, ".claude-magic")
        page.evaluate("() => document.querySelectorAll('.claude-magic').forEach(node => node.remove())")
    page.wait_for_timeout(SETTLED)
    notebook.close()
    watch.assert_nothing()
    assert found == []
    assert frames > (1_500 if folds else 20_000)


def streamed(api: Api, name: str, text: str, size: int, pause: float = 0.0) -> str:
    """Let the API answer a text in parts; return the cell that asks for it."""
    api.said[name] = Said([text[at : at + size] for at in range(0, len(text), size)], pause=pause)
    return f"%%claude\n{name}"


def sample(corpus: list[Payload], step: int) -> list[Payload]:
    return [payload for at, payload in enumerate(corpus) if at % step == 0]


@pytest.mark.parametrize("place", ["lab", "notebooks"])
def test_no_streamed_answer_does_anything(
    watch: Watch, server: Server, beacon: Beacon, api: Api, place: str
) -> None:
    corpus = payloads(beacon.port)
    lab = place == "lab"
    whole = "\n\n".join(f"{one.number}\n\n{one.text}" for one in sample(corpus, 3 if lab else 12))
    cells = [LOAD, streamed(api, f"{place} whole", whole, len(whole))]
    cells.append(streamed(api, f"{place} split", whole, 11, 0.002))
    singles = sample(corpus, 60 if lab else 120)
    cells += [streamed(api, f"{place} {one.number}", one.text, 3, 0.01) for one in singles]
    notebook = watch.notebook(server, cells, f"streamed-{place}", place)
    notebook.run(0)
    for at in range(1, len(cells)):
        notebook.run(at)
    faults = drawn(notebook, len(cells) - 1)
    book = notebook.save()
    notebook.close()
    assert {kind for cell in book.cells[1:] for out in cell.outputs for kind in out.data} == {
        "text/markdown",
        "text/plain",
        "application/vnd.claude-magic.turn+json",
    }
    watch.assert_nothing()
    assert faults == []


LURE = "<img src=x onerror=__owned(9101)>"
HIDDEN = "\u202egpj\x9b31m\x1b]8;;http://127.0.0.1:9/x\x07 $5 $6"


def forged(server: Server) -> None:
    """Write a stranger's notebook whose saved outputs claim hostile turns."""
    record = {"version": 1, "prompt": LURE + HIDDEN, "model": LURE + HIDDEN, "stage": "complete"}
    book = nbformat.v4.new_notebook()
    data = {"text/plain": LURE + HIDDEN, "text/markdown": "x", TURN: record}
    book.cells = [
        nbformat.v4.new_code_cell("%%claude\nx", outputs=[nbformat.v4.new_output("display_data", data)])
    ]
    nbformat.write(book, server.root / "forged.ipynb")


def test_foreign_text_beside_the_answer_does_nothing(watch: Watch, server: Server, api: Api) -> None:
    hostile = LURE + HIDDEN
    page_503 = f"<html><script>__owned(9102)</script><body onload=__owned(9103)>{hostile}</body></html>"
    error = {"type": "invalid_request_error", "message": hostile}
    api.said |= {
        "model": Said(["x"], model=hostile),
        "nothing": Said([], model=hostile),
        "refused": Said(["x"], end={"stop_reason": "refusal", "stop_details": {"explanation": hostile}}),
        "reason": Said(["x"], end={"stop_reason": hostile, "stop_sequence": hostile}),
        "file": Said(list("a file"), pause=0.1),
        "html": Said(status=403, body=page_503, kind="text/html"),
        "json": Said(status=400, body=json.dumps({"type": "error", "error": error})),
        "mid": Said(["some <b>text</b>"], error=error),
    }
    forged(server)
    name = f"{LURE}.png"
    asked = [f"%%claude\n{name}" for name in ("model", "nothing", "refused", "reason")]
    cells = [
        LOAD,
        f"from PIL import Image\nImage.new('RGB', (40, 40)).save({name!r})",
        f"%%claude -a '{name}'\nfile",
        *asked,
        f"%claude --dry-run -a '{name}' {hostile[:40]}",
        "%claude_restore forged.ipynb",
        "%claude_restore forged.ipynb --yes",
        "%claude_history",
        "%claude_history --all",
        f"%claude_config system='{LURE}' model='sonnet'",
        "%claude_config",
        "%claude_export talk.ipynb",
        "%claude_export talk.md",
        f"%claude_chat --new '{LURE}'",
        *(f"%%claude\n{name}" for name in ("html", "json", "mid")),
        "%claude_chat",
    ]
    notebook = watch.notebook(server, cells, "beside")
    for at in range(len(cells)):
        notebook.run(at)
    page = notebook.page
    page.wait_for_timeout(SETTLED)
    assert page.evaluate(TOUCH, ".jp-Cell-outputArea") > len(cells)
    page.wait_for_timeout(500)
    faults = list(page.evaluate(FAULTS, RENDERED))
    shown = [notebook.output(at).inner_text() for at in range(len(cells))]
    book = notebook.save()
    notebook.close()
    assert faults == []
    assert [text for text in shown if "\u202e" in text or "\x9b" in text] == []
    assert sum("__owned(9101)" in text for text in shown) >= 9
    assert [
        key for cell in book.cells for out in cell.outputs for key in out.get("data", {}) if "html" in key
    ] == []
    exported = watch.notebook(server, [], "talk")
    faults = drawn(exported, 5)
    exported.close()
    watch.assert_nothing()
    assert faults == []
