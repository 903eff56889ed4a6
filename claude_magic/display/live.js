// The live view of one reply.
//
// The kernel sends frames: `done` is HTML of blocks that will not change again, `tail` the HTML of the
// open block, of which the first `keep` characters stay. All HTML was made from Markdown and sanitised
// in the kernel; the status is put in as text. The model keeps what has come, each view draws it.
// @ts-check

/**
 * @typedef {{number: number, done: string, tail: string, status: string, ended: boolean, heard: boolean}} Frame
 */

/** How long the kernel has to hear Stop before its process is interrupted, in milliseconds. */
const PATIENCE = 700;

/** The same where it has heard this page while the cell runs: an interrupt too many would hit the next cell. */
const HEARD_PATIENCE = 5000;

/** How often is looked whether the reply has ended; a page that is busy itself looks later. */
const LOOK_EVERY = 100;

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
  frame.done += message.done ?? "";
  if ("tail" in message) frame.tail = (message.done ? "" : frame.tail.slice(0, message.keep)) + message.tail;
  frame.status = message.status ?? frame.status;
  notify(model, { done: message.done, tail: "tail" in message, status: "status" in message });
}

/** @param {any} model */
function replyOf(model) {
  const key = model.get("key");
  let reply = replies.get(key);
  if (!reply) {
    const frame = { number: -1, done: "", tail: "", status: "", ended: false, heard: false, ...model.get("frame") };
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
    root.append(mark, line);
    el.replaceChildren(root);

    const drawTail = () => {
      while (mark.nextSibling !== line) mark.nextSibling?.remove();
      line.before(fragment(frame.tail));
    };
    const drawStatus = () => {
      status.textContent = frame.status;
      if (performance.now() - spokenAt > SPOKEN_EVERY) {
        spokenAt = performance.now();
        spoken.textContent = frame.status;
      }
      root.setAttribute("aria-busy", String(!frame.ended));
      button.hidden = frame.ended;
    };
    const drawDone = (/** @type {string} */ html) => {
      const content = fragment(html);
      const nodes = [...content.children];
      mark.before(content);
      typeset(model, nodes);
    };
    const draw = (/** @type {any} */ change) => {
      if (change.whole) {
        while (root.firstChild !== mark) root.firstChild?.remove();
        drawDone(frame.done);
      } else if (change.done) {
        drawDone(change.done);
      }
      if (change.whole || change.tail) drawTail();
      if (change.whole || change.status) drawStatus();
    };
    draw({ whole: true });
    replyOf(model).views.add(draw);
    return () => {
      replyOf(model).views.delete(draw);
      try { model.send({ kind: "gone" }); } catch { /* the kernel has closed the model already */ }
    };
  },
};
