// The host that asks Python on this machine: a model as anywidget hands it to render (get, on, send), by fetch.
import live from "./live.js";

const listeners = [];
const model = {
  get: (name) => (name === "about" ? JSON.parse(document.getElementById("about").textContent) : undefined),
  on: (_event, listener) => listeners.push(listener),
  async send(request) {
    let answer = { id: request.id, error: "the server does not answer: start `python -m minivit live` again" };
    let buffers = [];
    try {
      const response = await fetch("ask", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(request),
      });
      if (response.ok) [answer, buffers] = unpack(await response.arrayBuffer());
      else answer.error = `the server refused: ${response.status}`;
    } catch (error) {
      console.warn(error.message);
    }
    for (const listener of listeners) listener(answer, buffers);
  },
};

// The length of the JSON, the JSON, and one after the other the arrays that it names: see wire.py.
function unpack(bytes) {
  const length = new DataView(bytes).getUint32(0, true);
  const answer = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const buffers = [];
  let at = 4 + length;
  const measure = (value) => {
    if (value === null || typeof value !== "object") return;
    if (typeof value.array !== "number") return Object.values(value).forEach(measure);
    const size = 4 * value.shape.reduce((a, b) => a * b, 1);
    buffers[value.array] = new DataView(bytes, at, size);
    at += size;
  };
  measure(answer);
  return [answer, buffers];
}

live.render({ model, el: document.getElementById("minivit") });
