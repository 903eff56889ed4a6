// The live view of one reply.
//
// The kernel sends frames: `done` is HTML of blocks that will not change again, `tail` the HTML of the
// open block, of which the first `keep` characters stay. All HTML was made from Markdown and sanitised
// in the kernel. Thinking comes as text and is put in as text: `thought` is appended to the fold that is
// open, `folds` closes it. The status and what is asked are put in as text. The model keeps what has come,
// each view draws it.
// @ts-check

/**
 * @typedef {{id: string, name: string, arguments: string}} Question
 * @typedef {{number: number, done: string, thought: string, tail: string, status: string,
 *   question: Question | null, ended: boolean, heard: boolean}} Frame
 */

/** How long the kernel has to hear Stop before its process is interrupted, in milliseconds. */
const PATIENCE = 700;

/** The same where it has heard this page while the cell runs: an interrupt too many would hit the next cell. */
const HEARD_PATIENCE = 5000;

/** How often is looked whether the reply has ended; a page that is busy itself looks later. */
const LOOK_EVERY = 100;

/** How long a question stands there before it can be allowed: a click meant for something else is no yes. */
const SEEN = 400;

/** How long a button says that it has copied, in milliseconds. */
const SAID = 1500;

/** How often the status line is spoken, in milliseconds. */
const SPOKEN_EVERY = 6000;

/**
 * Replies by their key: what has come, and the views to tell. anywidget hands every call another wrapper
 * of the same model, so the model itself is no key.
 * @type {Map<string, {frame: Frame, views: Set<(change: any) => void>}>}
 */
const replies = new Map();

/** @param {any} model @param {any} message */
function take(model, message) {
  const frame = frameOf(model);
  if (message.whole) {
    if (message.whole.number < frame.number) return;
    Object.assign(frame, message.whole);
    notify(model, { whole: true });
    return;
  }
  if (message.number <= frame.number) return;
  if (message.number > frame.number + 1) {
    model.send({ kind: "hello", number: frame.number });
    return;
  }
  frame.number = message.number;
  if (message.folds) {
    frame.done += thoughtOf(frame.thought).outerHTML + "\n";
    frame.thought = "";
  }
  frame.done += message.done ?? "";
  frame.thought += message.thought ?? "";
  if ("tail" in message) frame.tail = (message.done ? "" : frame.tail.slice(0, message.keep)) + message.tail;
  frame.status = message.status ?? frame.status;
  if ("question" in message) frame.question = message.question;
  if (message.ended) frame.ended = true;
  notify(model, {
    folds: message.folds, done: message.done, thought: message.thought,
    tail: "tail" in message, status: "status" in message || message.ended, question: "question" in message,
  });
}

/** @param {any} model */
function replyOf(model) {
  const key = model.get("key");
  let reply = replies.get(key);
  if (!reply) {
    const empty = { number: -1, done: "", thought: "", tail: "", status: "", question: null, ended: false, heard: false };
    const frame = { ...empty, ...model.get("frame") };
    replies.set(key, (reply = { frame, views: new Set() }));
  }
  return reply;
}

/** @param {any} model @returns {Frame} */
const frameOf = (model) => replyOf(model).frame;

/** @param {any} model @param {any} change */
function notify(model, change) {
  for (const draw of replyOf(model).views) draw(change);
}

/** @param {string} html @returns {DocumentFragment} */
function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html; // sanitised in the kernel
  return template.content;
}

/** Let the page's own typesetter, where there is one, set the formulas. @param {any} model @param {Element[]} nodes */
function typeset(model, nodes) {
  try {
    const manager = model.widget_manager;
    const typesetter = (manager.rendermime ?? manager._rendermime)?.latexTypesetter;
    if (!typesetter) return;
    for (const node of nodes) {
      // Only what is a formula: in the text around it the typesetter would take $5 and $6 for one.
      for (const formula of node.querySelectorAll(".math")) typesetter.typeset(formula);
    }
  } catch { /* the formula's source stays readable */ }
}

/** @param {any} model @param {HTMLButtonElement} button */
function stop(model, button) {
  button.disabled = true;
  button.textContent = "Stopping…";
  model.send({ kind: "stop" });
  // Where the message cannot be heard while the cell runs, the kernel's interrupt can.
  const look = (/** @type {number} */ waited) => setTimeout(() => {
    if (!button.isConnected || frameOf(model).ended) return;
    if (waited < (frameOf(model).heard ? HEARD_PATIENCE : PATIENCE)) look(waited + LOOK_EVERY);
    else model.widget_manager?.kernel?.interrupt?.();
  }, LOOK_EVERY);
  look(LOOK_EVERY);
}

/** @param {string} tag @param {string} name @param {string} [text] */
function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

/** @param {string} name @param {string} text @param {(event: MouseEvent) => void} press */
function buttonOf(name, text, press) {
  const button = /** @type {HTMLButtonElement} */ (element("button", name, text));
  button.type = "button";
  button.addEventListener("click", press);
  return button;
}

/** Thinking as a fold: what the kernel makes of it when it has ended. @param {string} text */
function thoughtOf(text) {
  const fold = /** @type {HTMLDetailsElement} */ (element("details", "claude-fold claude-thinking"));
  fold.append(element("summary", "", "Thinking"), element("div", "claude-folded", text));
  fold.firstElementChild?.removeAttribute("class");
  return fold;
}

/** @param {string} text @returns {Promise<void>} */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not over plain http, nor in some frames
    const area = document.createElement("textarea");
    area.value = text;
    area.style.cssText = "position: fixed; opacity: 0";
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    before?.focus();
    if (!copied) throw new Error("the page may not copy");
  }
}

/**
 * Give blocks of code a button that copies what is seen. Its word is drawn by the style, and so no part of
 * the text that is selected or copied by hand.
 * @param {Element} node @param {(text: string) => void} say
 */
function copyButtons(node, say) {
  for (const block of node.matches("pre") ? [node] : node.querySelectorAll("pre")) {
    const code = block.querySelector("code");
    if (!code) continue;
    const button = buttonOf("claude-copy", "", async () => {
      let said = "Copied";
      // Without the last line end: it would run the line in a terminal.
      try { await copy((code.textContent ?? "").replace(/\n$/, "")); } catch { said = "Not copied"; }
      button.dataset.says = said;
      say(said);
      setTimeout(() => { button.dataset.says = "Copy"; }, SAID);
    });
    button.dataset.says = "Copy";
    button.setAttribute("aria-label", "Copy the code");
    block.append(button);
  }
}

/**
 * What is asked, as text, and its buttons. The answer names the question by its id, which the kernel made.
 * @param {any} model @param {Question} question
 */
function panelOf(model, question) {
  const panel = element("div", "claude-leave");
  panel.setAttribute("role", "group");
  panel.setAttribute("aria-label", `The model wants to run ${question.name}`);
  const head = element("p", "claude-leave-head", "The model wants to run ");
  const lines = question.arguments.split("\n").length;
  head.append(element("code", "", question.name), lines > 12 ? ` with these ${lines} lines (scroll):` : " with");
  const given = element("div", "claude-leave-arguments", question.arguments);
  given.tabIndex = 0;
  given.setAttribute("role", "region");
  given.setAttribute("aria-label", "Arguments");
  const row = element("div", "claude-leave-buttons");
  const answer = (/** @type {string} */ leave) => (/** @type {MouseEvent} */ event) => {
    if (!event.isTrusted) return; // a person's hand, not a script's
    for (const button of row.querySelectorAll("button")) button.disabled = true;
    model.send({ kind: "leave", question: question.id, leave });
  };
  const allowing = [
    buttonOf("claude-leave-once", "Run once", answer("once")),
    buttonOf("claude-leave-always", `Always run ${question.name}`, answer("always")),
  ];
  for (const button of allowing) button.disabled = true;
  const no = buttonOf("claude-leave-no", "Do not run", answer("no"));
  setTimeout(() => { for (const button of allowing) button.disabled = no.disabled; }, SEEN);
  row.append(...allowing, no);
  panel.append(head, given, row);
  return panel;
}

export default {
  /** @param {{model: any}} context */
  initialize({ model }) {
    model.on("msg:custom", (/** @type {any} */ message) => take(model, message));
    // The first may come before the kernel has a subshell to hear it with while the cell runs.
    const hello = () => {
      if (!frameOf(model).heard && !frameOf(model).ended) model.send({ kind: "hello", number: frameOf(model).number });
    };
    hello();
    const again = [400, 1500, 4000].map((delay) => setTimeout(hello, delay));
    return () => again.forEach(clearTimeout) ?? replies.delete(model.get("key"));
  },

  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el }) {
    const frame = frameOf(model);
    // Lab's own classes: the static output that takes this place is exactly as high.
    const root = document.createElement("div");
    root.className = "claude-magic jp-RenderedHTMLCommon jp-RenderedMarkdown";
    const part = model.get("part"); // of several replies side by side: their head, or a column
    if (part) root.classList.add(`claude-${part}`);
    const mark = document.createComment("the open block begins here");
    const line = document.createElement("p");
    line.className = "claude-status";
    const status = document.createElement("em");
    status.setAttribute("aria-hidden", "true");
    // What a screen reader hears: the same line, but only now and then.
    const spoken = document.createElement("span");
    spoken.setAttribute("role", "status");
    spoken.className = "claude-spoken";
    let spokenAt = -Infinity;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Stop";
    button.title = "Stop this reply; what has come is kept";
    button.addEventListener("click", () => stop(model, button));
    line.append(status, spoken, button);
    const asked = element("div", "claude-asked");
    root.append(mark, asked, line);
    el.replaceChildren(root);
    /** @type {HTMLElement | null} The thinking that grows, and the folds that the reader has turned. */
    let thinking = null;
    const turned = new WeakSet();
    root.addEventListener("click", (event) => {
      const summary = /** @type {Element} */ (event.target).closest("summary");
      if (summary?.parentElement) turned.add(summary.parentElement);
    });

    const say = (/** @type {string} */ text) => {
      spokenAt = performance.now();
      spoken.textContent = text;
    };
    const drawTail = () => {
      while (mark.nextSibling !== asked) mark.nextSibling?.remove();
      asked.before(fragment(frame.tail));
    };
    const drawStatus = () => {
      status.textContent = frame.status;
      if (part === "column") { // who answers stands above how far it is
        const [number, name, ...rest] = frame.status.split(" · ");
        status.replaceChildren(element("strong", "", `${number} · ${name}`), rest.join(" · "));
      }
      if (performance.now() - spokenAt > SPOKEN_EVERY) say(frame.status);
      root.setAttribute("aria-busy", String(!frame.ended));
      root.toggleAttribute("data-heard", frame.heard); // Stop reaches the kernel while the cell runs
      button.hidden = frame.ended || part === "column";
    };
    const drawQuestion = () => {
      const { question, ended } = frame;
      if (!question || ended) return asked.replaceChildren();
      asked.replaceChildren(panelOf(model, question));
      asked.scrollIntoView({ block: "nearest" });
      say(`The model wants to run ${question.name}. Run once, always, or do not run?`);
    };
    const drawDone = (/** @type {string} */ html) => {
      const content = fragment(html);
      const nodes = [...content.children];
      mark.before(content);
      typeset(model, nodes);
      for (const node of nodes) copyButtons(node, say);
    };
    const drawThought = (/** @type {string} */ text) => {
      if (!thinking) {
        thinking = thoughtOf("");
        thinking.classList.add("claude-growing");
        /** @type {HTMLDetailsElement} */ (thinking).open = true;
        mark.before(thinking);
      }
      const body = /** @type {HTMLElement} */ (thinking.lastElementChild);
      const follows = body.scrollHeight - body.scrollTop - body.clientHeight < 30;
      body.append(text);
      if (follows) body.scrollTop = body.scrollHeight;
    };
    const fold = () => {
      if (!thinking) return;
      thinking.classList.remove("claude-growing");
      if (!turned.has(thinking)) /** @type {HTMLDetailsElement} */ (thinking).open = false;
      thinking = null;
    };
    const drawWhole = () => {
      const open = [...root.querySelectorAll("details")].map((fold) => turned.has(fold) && fold.open);
      while (root.firstChild !== mark) root.firstChild?.remove();
      thinking = null;
      drawDone(frame.done);
      if (frame.thought) drawThought(frame.thought);
      root.querySelectorAll("details").forEach((fold, at) => {
        if (!open[at]) return;
        fold.open = true;
        turned.add(fold);
      });
    };
    let questionDrawn = "";
    const draw = (/** @type {any} */ change) => {
      if (change.whole) drawWhole();
      if (change.folds) fold();
      if (change.done) drawDone(change.done);
      if (change.thought) drawThought(change.thought);
      if (change.whole || change.tail) drawTail();
      if (change.whole || change.status) drawStatus();
      // Not drawn anew while it stands: the reader may be about to press.
      if ((change.whole || change.question) && questionDrawn !== (frame.question?.id ?? "")) {
        questionDrawn = frame.question?.id ?? "";
        drawQuestion();
      }
    };
    draw({ whole: true });
    replyOf(model).views.add(draw);
    return () => {
      replyOf(model).views.delete(draw);
      try { model.send({ kind: "gone" }); } catch { /* the kernel has closed the model already */ }
    };
  },
};
