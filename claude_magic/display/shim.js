// Sent with every reply: fetches the drawing module from the kernel's one Runtime model, once a page.
async function drawing({ model }) {
  const runtime = await model.widget_manager.get_model(model.get("runtime"));
  const key = `claude-magic-${runtime.model_id}`;
  globalThis[key] ??= (async () => {
    const url = URL.createObjectURL(new Blob([runtime.get("code")], { type: "text/javascript" }));
    const style = document.createElement("style");
    style.textContent = runtime.get("css");
    document.head.append(style);
    return (await import(url)).default;
  })();
  return globalThis[key];
}

export default {
  async initialize(context) { return (await drawing(context)).initialize(context); },
  async render(context) { return (await drawing(context)).render(context); },
};
