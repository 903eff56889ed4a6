// The panel's Stop button. It ends the running reply as the reply's own button does: by a message, and
// where nobody hears that while the cell runs, by the kernel's interrupt.
// @ts-check

/** How long the kernel has to hear it before its process is interrupted, in milliseconds. */
const PATIENCE = 700;

/** The same where it was heard: an interrupt too many would hit the next cell. */
const HEARD_PATIENCE = 5000;

/** How often is looked whether the reply has ended. */
const LOOK_EVERY = 100;

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el }) {
    let asked = "";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "claude-stop";
    button.title = "Stop the running reply; what has come is kept";
    const draw = () => {
      const reply = model.get("reply");
      button.disabled = !reply || asked === reply;
      button.textContent = reply && asked === reply ? "Stopping…" : "Stop";
    };
    const stop = () => {
      const reply = model.get("reply");
      if (!reply) return;
      asked = reply;
      draw();
      model.send({ kind: "stop", reply });
      const look = (/** @type {number} */ waited) => setTimeout(() => {
        if (model.get("reply") !== reply) return;
        if (waited < (model.get("heard") === reply ? HEARD_PATIENCE : PATIENCE)) look(waited + LOOK_EVERY);
        else model.widget_manager?.kernel?.interrupt?.();
      }, LOOK_EVERY);
      look(LOOK_EVERY);
    };
    button.addEventListener("click", stop);
    model.on("change:reply", draw);
    draw();
    el.replaceChildren(button);
    return () => model.off("change:reply", draw);
  },
};
