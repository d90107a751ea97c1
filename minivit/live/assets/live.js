// The page: draw a digit, and watch a model see it, answer and learn. One module, in the form that anywidget wants:
//
//   export default { render({ model, el }) }        model.get("about"), model.send(request), model.on("msg:custom", …)
//
// The host answers the requests that session.py lists: Python behind served.js, Python behind a notebook's kernel, or
// exported.js, which has the model's forward itself. Everything is drawn here, with no library and no network.

// ---- elements --------------------------------------------------------------------------------------------------------

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

const percent = (p) => `${(100 * p).toFixed(p > 0.9995 || p < 0.0005 ? 0 : 1)} %`;

// ---- colours: read from the style sheet, so that light and dark are said once ---------------------------------------------

function palette(el) {
  const style = getComputedStyle(el);
  const rgb = (name) => style.getPropertyValue(`--mv-${name}`).trim().split(/[ ,]+/).map(Number);
  return { paper: rgb("paper"), ink: rgb("ink"), warm: rgb("warm"), cool: rgb("cool") };
}

const mix = (a, b, t) => [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];

// A canvas of rows × columns pixels: put(data, 4 i, i) writes red, green and blue of each. Nothing is made anew for a pixel,
// since some twenty thousand of them follow each move of the pen.
function paint(canvas, rows, columns, put) {
  if (canvas.width !== columns || canvas.height !== rows) [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const { data } = image;
  for (let i = 0, at = 0; i < rows * columns; i++, at += 4) {
    put(data, at, i);
    data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// What is in data at `at` becomes the mixture of two colours.
function putMix(data, at, a, b, t) {
  data[at] = a[0] + (b[0] - a[0]) * t;
  data[at + 1] = a[1] + (b[1] - a[1]) * t;
  data[at + 2] = a[2] + (b[2] - a[2]) * t;
}

function largest(values) {
  let most = 1e-12;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}

// Below zero cool, above it warm, and the paper's colour between: the two also differ for who sees fewer colours.
function paintSigned(canvas, rows, columns, values, colours, scale = largest(values)) {
  paint(canvas, rows, columns, (data, at, i) => {
    const t = Math.max(-1, Math.min(1, values[i] / scale));
    putMix(data, at, colours.paper, t < 0 ? colours.cool : colours.warm, Math.abs(t) ** 0.7);
  });
}

// ---- from a drawing to what the model sees: as minivit/data/picture.py, which reads photographs ---------------------------

// How Pillow resizes (Image.Resampling.HAMMING), along one axis: for each place, where it begins to read and its weights.
function hamming(length, to) {
  const scale = length / to;
  const wide = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - wide + 0.5));
    const end = Math.min(length, Math.trunc(centre + wide + 0.5));
    const weights = [];
    for (let x = start; x < end; x++) {
      const t = Math.abs((x - centre + 0.5) / wide);
      const sinc = t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t);
      weights.push(t < 1 ? sinc * (0.54 + 0.46 * Math.cos(Math.PI * t)) : 0);
    }
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((weight) => weight / sum) };
  });
}

function resized(values, rows, columns, toRows, toColumns) {
  const across = hamming(columns, toColumns);
  const down = hamming(rows, toRows);
  const half = new Float32Array(rows * toColumns);
  for (let y = 0; y < rows; y++)
    across.forEach(({ start, weights }, x) => {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * values[y * columns + start + i];
      half[y * toColumns + x] = sum;
    });
  const out = new Float32Array(toRows * toColumns);
  down.forEach(({ start, weights }, y) => {
    for (let x = 0; x < toColumns; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * half[(start + i) * toColumns + x];
      out[y * toColumns + x] = sum;
    }
  });
  return out;
}

const even = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)); // as Python rounds

// Ink 0 … 255 on a square of `side` pixels -> size × size whole numbers: the ink's box fitted into 20/28 of it, its
// centre of mass in the middle, as MNIST's makers did it; null where there is no ink.
export function seen(ink, side, size = 28) {
  let [top, bottom, left, right] = [side, -1, side, -1];
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (ink[y * side + x] > 7) {
        if (top === side) top = y;
        bottom = y;
        if (x < left) left = x;
        if (x > right) right = x;
      }
  if (bottom < 0) return null;
  const [rows, columns] = [bottom - top + 1, right - left + 1];
  const cut = new Float32Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    const start = (top + y) * side + left;
    cut.set(ink.subarray(start, start + columns), y * columns);
  }
  const scale = Math.floor((size * 20) / 28) / Math.max(rows, columns);
  const [height, width] = [Math.max(1, even(rows * scale)), Math.max(1, even(columns * scale))];
  const small = resized(cut, rows, columns, height, width);
  const brightest = largest(small);
  let [mass, down, across] = [0, 0, 0];
  small.forEach((value, i) => {
    mass += value;
    down += value * Math.floor(i / width);
    across += value * (i % width);
  });
  const begin = (length, sum) => Math.min(Math.max(0, even(size / 2 - sum / mass)), size - length);
  const [y0, x0] = [begin(height, down), begin(width, across)];
  const field = new Uint8Array(size * size);
  small.forEach((value, i) => {
    field[(y0 + Math.floor(i / width)) * size + x0 + (i % width)] = even((value * 255) / brightest);
  });
  return field;
}

export function softmax(logits, temperature = 1) {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

// ---- questions to the host -------------------------------------------------------------------------------------------

function asker(model) {
  const waiting = new Map();
  const page = Math.random().toString(36).slice(2);
  let count = 0;
  const revived = (value, buffers) => {
    if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
    if (Array.isArray(value)) return value.map((one) => revived(one, buffers));
    if (typeof value.array === "number") {
      const { buffer, byteOffset, byteLength } = buffers[value.array];
      return { shape: value.shape, data: new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)) };
    }
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, revived(one, buffers)]));
  };
  model.on("msg:custom", (content, buffers) => {
    const answer = waiting.get(content.id);
    waiting.delete(content.id);
    answer?.(revived(content, buffers ?? []));
  });
  return (request) =>
    new Promise((resolve) => {
      const id = `${page}-${count++}`;
      waiting.set(id, resolve);
      model.send({ ...request, id });
    });
}

// ---- what all views share: the drawing, the last answer, where one points, and who wants to hear of a change ---------------

function notebook(model, el) {
  const about = model.get("about");
  const listeners = {};
  const page = {
    about,
    side: about.side,
    ask: asker(model),
    colours: palette(el),
    pixels: new Uint8Array(about.side ** 2), // what was drawn
    hidden: new Set(), // patches that are rubbed out
    knobs: { root: true, positions: true },
    temperature: 1,
    point: null, // [x, y] in parts of the picture; null: the class token, or all patches
    chosen: null, // { block, head } whose map lies over the picture; null: the last block's heads, on average
    answer: null,
    looks: 0, // answers so far
    on: (name, listener) => (listeners[name] ??= []).push(listener),
    tell: (name) => (listeners[name] ?? []).forEach((listener) => listener()),
  };
  page.cells = about.blocks[0]?.queries[1] || 7; // patches a side

  // The cell of a grid of cells × cells that a place (in parts of the picture) lies in, and that each pixel lies in.
  const cell = (x, y, cells) => Math.floor(y * cells) * cells + Math.floor(x * cells);
  const tables = new Map();
  page.places = (cells) => {
    if (!tables.has(cells)) {
      const part = (n) => (n + 0.5) / page.side;
      tables.set(cells, Uint16Array.from(page.pixels, (_, i) => cell(part(i % page.side), part(Math.floor(i / page.side)), cells)));
    }
    return tables.get(cells);
  };
  page.patch = (x, y) => cell(x, y, page.cells); // x and y stay below 1

  // The drawing without the patches that are rubbed out.
  page.shown = () => {
    const patches = page.places(page.cells);
    return page.hidden.size ? page.pixels.map((value, i) => (page.hidden.has(patches[i]) ? 0 : value)) : page.pixels;
  };

  page.request = (ask, more = {}) => page.ask({ ask, pixels: Array.from(page.shown()), ...page.knobs, ...more });

  // One request at a time: what has changed meanwhile is asked when the answer is there.
  let [busy, again] = [false, false];
  page.look = async () => {
    if (busy) return (again = true);
    busy = true;
    do {
      again = false;
      const answer = await page.request("see");
      if (answer.error) page.error = answer.error;
      else [page.answer, page.error] = [answer, null];
      page.looks += 1;
      page.tell("answer");
      if (page.looks === 1) page.tell("started"); // what can wait for the first answer
    } while (again);
    busy = false;
  };
  page.busy = () => busy;
  page.settle = debounced(() => page.tell("settled"), 120);
  page.changed = () => {
    page.look();
    page.settle();
  };
  return page;
}

function debounced(call, milliseconds) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds);
  };
}

// The weights of one head for the place that is pointed at, one for each key on the grid: a row of its attention.
export function row({ data, shape }, { queries, keys }, head, point) {
  const [, count, width] = shape;
  const start = head * count * width;
  const [before, side] = queries;
  let rows = [0]; // the class token's
  if (point) rows = [before + Math.min(side - 1, Math.floor(point[1] * side)) * side + Math.min(side - 1, Math.floor(point[0] * side))];
  else if (!before) rows = Array.from({ length: count }, (_, i) => i);
  const out = new Float32Array(width - keys[0]);
  for (const r of rows)
    for (let i = 0; i < out.length; i++) out[i] += data[start + r * width + keys[0] + i] / rows.length;
  return out;
}

// ---- pictures of the drawing -----------------------------------------------------------------------------------------

// The digit in ink on paper, warmer where `weights` (side × side of them) are larger; rubbed out patches are hatched.
function paintDigit(canvas, page, pixels, weights, hatch = false) {
  const { side, colours } = page;
  const most = weights ? largest(weights) : 1;
  const places = page.places(weights ? Math.round(Math.sqrt(weights.length)) : 1);
  const tints = Array.from(weights ?? [0], (weight) => mix(colours.paper, colours.warm, weight / most));
  const [patches, out] = [page.places(page.cells), hatch && page.hidden.size];
  const strength = (weights ? 0.6 : 0.9) / 255;
  paint(canvas, side, side, (data, at, i) => {
    let colour = tints[places[i]];
    if (out && page.hidden.has(patches[i])) colour = mix(colour, colours.cool, ((i % side) + Math.floor(i / side)) & 1 ? 0.55 : 0.2);
    putMix(data, at, colour, colours.ink, strength * pixels[i]);
  });
}

// Point at a patch, with whatever points: mouse, finger, or arrow keys. act(patch, how): how is "press", "drag" or "key".
function pointing(canvas, page, act) {
  let [down, last] = [false, null];
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((t) => Math.max(0, Math.min(0.999, t)));
  };
  const move = (point) => {
    page.point = point;
    page.tell("point");
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const point = at(event);
    [down, last] = [true, page.patch(...point)];
    move(point);
    act?.(last, "press");
  });
  canvas.addEventListener("pointermove", (event) => {
    const point = at(event);
    if (down && page.patch(...point) !== last) act?.((last = page.patch(...point)), "drag");
    move(point);
  });
  canvas.addEventListener("pointerup", () => (down = false));
  canvas.addEventListener("pointercancel", () => (down = false));
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && move(null)); // a finger's place stays
  canvas.addEventListener("blur", () => move(null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const [x, y] = page.point ?? [0.5, 0.5];
    if (step) move([x + step[0] / page.cells, y + step[1] / page.cells].map((t) => Math.max(0.5 / page.cells, Math.min(1 - 0.5 / page.cells, t))));
    else if (event.key === "Escape") move(null);
    else if (event.key === "Enter" || event.key === " ") act?.(page.patch(x, y), "key");
    else return;
    event.preventDefault();
  });
}

function card(page, title, sentence, view, ...children) {
  const link = page.about.chapters[view];
  const absent = page.about.absent?.[view];
  const chapter = link && h("a", { href: link, target: "_blank", rel: "noreferrer" }, `chapter ${link.match(/(\d\d)_/)[1]}`);
  const words = h("p", { class: "mv-say" }, sentence, " ", ...(chapter ? ["More: ", chapter, "."] : []));
  return h(
    "section",
    { class: `mv-card mv-${view}`, "aria-label": title },
    h("h2", {}, h("span", { class: "mv-number", "aria-hidden": "true" }), title),
    words,
    ...(absent ? [h("p", { class: "mv-absent" }, ...absent.split("`").map((words, i) => (i % 2 ? h("code", {}, words) : words)))] : children),
  );
}

const button = (words, press, more = {}) => h("button", { type: "button", onclick: press, ...more }, words);

// ---- 1: draw ---------------------------------------------------------------------------------------------------------

const PAPER = 280; // pixels a side of the paper that is drawn on
const [PEN, RUBBER] = [22, 46];

function drawing(page) {
  const canvas = h("canvas", {
    class: "mv-paper",
    width: PAPER,
    height: PAPER,
    tabindex: 0,
    role: "application",
    "aria-label": "Paper to draw a digit on. With the keyboard: arrow keys move the pen, Space puts it down or lifts it, Delete clears.",
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.lineCap = context.lineJoin = "round";
  let [example, erasing, last, keyboard] = [false, false, null, { x: PAPER / 2, y: PAPER / 4, down: false }];
  const cursor = h("span", { class: "mv-cursor", hidden: true });

  const read = () => {
    const { data } = context.getImageData(0, 0, PAPER, PAPER);
    const ink = new Uint8Array(PAPER * PAPER);
    for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3];
    page.pixels = seen(ink, PAPER, page.side) ?? new Uint8Array(page.side ** 2);
    page.label = null;
    page.tell("drawn");
    page.changed();
  };
  let waiting = false; // one reading a frame, however many points a pen sends
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      read();
    });
  };
  const line = (from, to, rub) => {
    context.globalCompositeOperation = rub ? "destination-out" : "source-over";
    context.lineWidth = rub ? RUBBER : PEN;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
    later();
  };
  const begin = (rub) => {
    if (!example || rub) return;
    context.clearRect(0, 0, PAPER, PAPER); // an example makes room for a drawing
    example = false;
  };
  const clear = () => {
    context.clearRect(0, 0, PAPER, PAPER);
    example = false;
    page.hidden.clear();
    read();
  };
  page.load = (pixels, label) => {
    const small = h("canvas", { width: page.side, height: page.side });
    const image = new ImageData(page.side, page.side);
    pixels.forEach((value, i) => (image.data[4 * i + 3] = value));
    small.getContext("2d").putImageData(image, 0, 0);
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, PAPER, PAPER);
    context.drawImage(small, 0, 0, PAPER, PAPER);
    page.hidden.clear();
    [page.pixels, page.label, example] = [Uint8Array.from(pixels), label, true];
    page.tell("drawn");
    page.changed();
  };

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * PAPER) / box.width, y: ((event.clientY - box.top) * PAPER) / box.height };
  };
  const rubs = (event) => erasing || (event.buttons & 32) !== 0; // a pen's other end
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0 && event.button !== 5) return;
    canvas.setPointerCapture(event.pointerId);
    begin(rubs(event));
    last = place(event);
    line(last, last, rubs(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
      const to = place(one);
      line(last, to, rubs(event));
      last = to;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (last = null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] }[event.key];
    if (step) {
      const to = { x: keyboard.x + step[0], y: keyboard.y + step[1], down: keyboard.down };
      [to.x, to.y] = [to.x, to.y].map((t) => Math.max(10, Math.min(PAPER - 10, t)));
      if (keyboard.down) line(keyboard, to, erasing);
      keyboard = to;
    } else if (event.key === " ") {
      keyboard.down = !keyboard.down;
      if (keyboard.down) {
        begin(erasing);
        line(keyboard, keyboard, erasing);
      }
    } else if (event.key === "Delete" || event.key === "Backspace") clear();
    else return;
    event.preventDefault();
    cursor.hidden = false;
    cursor.className = `mv-cursor ${keyboard.down ? "mv-down" : ""}`;
    cursor.style.left = `${(100 * keyboard.x) / PAPER}%`;
    cursor.style.top = `${(100 * keyboard.y) / PAPER}%`;
  });
  canvas.addEventListener("blur", () => (cursor.hidden = true));

  const rubber = button("Eraser", () => {
    erasing = !erasing;
    rubber.setAttribute("aria-pressed", erasing);
  }, { "aria-pressed": "false" });
  const random = button("Random test digit", async () => {
    const digit = await page.request("digit");
    if (!digit.error) page.load(digit.pixels, digit.label);
  });
  const examples = page.about.examples.map(({ label, pixels }) => {
    const small = h("canvas");
    const values = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
    const draw = () => paintDigit(small, page, values);
    draw();
    page.on("colours", draw);
    return button(small, () => page.load(values, label), { "aria-label": `Example: a ${label}`, class: "mv-thumb" });
  });
  page.start = () => {
    const three = page.about.examples[3];
    if (three) page.load(Uint8Array.from(atob(three.pixels), (letter) => letter.charCodeAt(0)), 3);
    else page.changed();
  };
  return card(
    page,
    "Draw a digit",
    "With mouse, finger or pen; the first stroke takes an example off the paper.",
    "draw",
    h("div", { class: "mv-sheet" }, canvas, cursor),
    h("div", { class: "mv-row" }, button("Clear", clear), rubber, page.about.examples.length ? random : undefined),
    h("div", { class: "mv-thumbs", role: "group", "aria-label": "Examples" }, ...examples),
  );
}

// ---- what the model sees, with the patches that can be rubbed out; and its answer ---------------------------------------------

function seeing(page) {
  const canvas = h("canvas", { class: "mv-pixels mv-seen", tabindex: 0, role: "application" });
  const frame = h("span", { class: "mv-frame", hidden: true });
  const words = h("p", { class: "mv-note" });
  let rubbing = false;
  const weights = () => {
    const { answer, about, chosen, point } = page;
    if (!answer || !about.blocks.length) return null;
    const block = chosen?.block ?? about.blocks.length - 1;
    const heads = chosen ? [chosen.head] : Array.from({ length: about.blocks[block].heads }, (_, i) => i);
    const rows = heads.map((head) => row(answer.maps[block], about.blocks[block], head, point));
    return rows[0].map((_, i) => rows.reduce((sum, one) => sum + one[i], 0) / rows.length);
  };
  const draw = () => {
    paintDigit(canvas, page, page.shown(), weights(), true);
    const { point, cells, chosen, about } = page;
    frame.hidden = !point;
    if (point) {
      const size = 100 / cells;
      frame.style.cssText = `width:${size}%;height:${size}%;left:${Math.floor(point[0] * cells) * size}%;top:${Math.floor(point[1] * cells) * size}%`;
    }
    if (!about.blocks.length) return (words.textContent = "This model has no attention on a grid to show.");
    const where = chosen ? `block ${chosen.block + 1}, head ${chosen.head + 1}` : `block ${about.blocks.length}, all heads`;
    words.textContent = `Warmer: where ${point ? "this patch" : about.reader} looks in ${where}.`;
  };
  canvas.setAttribute(
    "aria-label",
    `The ${page.side} by ${page.side} pixels that the model sees. Arrow keys point at a patch, Enter rubs it out or puts it back, Escape points at none.`,
  );
  let putting = false; // back, or out
  pointing(canvas, page, (patch, how) => {
    if (how !== "key" && !rubbing) return;
    if (how !== "drag") putting = page.hidden.has(patch);
    if (putting) page.hidden.delete(patch);
    else page.hidden.add(patch);
    page.changed();
  });
  const mode = button("Rub out patches", () => {
    rubbing = !rubbing;
    mode.setAttribute("aria-pressed", rubbing);
    canvas.classList.toggle("mv-rubbing", rubbing);
  }, { "aria-pressed": "false" });
  const back = button("Put all back", () => {
    page.hidden.clear();
    page.changed();
  });
  for (const name of ["answer", "point", "colours"]) page.on(name, draw);
  return card(
    page,
    "What the model sees",
    `Your ink, ${page.side} × ${page.side} pixels, cut into ${page.cells ** 2} patches, ${page.cells} × ${page.cells} of them; point at one, or rub some out: which does the answer hang on?`,
    "rub",
    h("div", { class: "mv-sheet mv-flat" }, canvas, frame),
    h("div", { class: "mv-row" }, mode, back),
    words,
  );
}

function answering(page) {
  const { names } = page.about;
  const best = h("output", { class: "mv-best", "aria-live": "polite" }, h("b"), h("span"));
  const shown = names.slice(0, 20);
  const rows = shown.map((name) => {
    const bar = h("span", { class: "mv-bar" });
    const value = h("span", { class: "mv-value" });
    return { bar, value, item: h("li", {}, h("span", { class: "mv-name" }, name), h("span", { class: "mv-track" }, bar), value) };
  });
  const took = h("p", { class: "mv-note" });
  page.on("answer", () => {
    if (page.error) return (took.textContent = page.error);
    const p = softmax(page.answer.logits.data, page.temperature);
    const top = p.indexOf(Math.max(...p));
    rows.forEach(({ bar, value, item }, i) => {
      const words = percent(p[i]);
      if (value.textContent === words && (item.className !== "") === (i === top)) return;
      bar.style.transform = `scaleX(${p[i]})`;
      value.textContent = words;
      item.className = i === top ? "mv-top" : "";
    });
    const words = `${names[top]}, ${percent(p[top])}`;
    if (best.dataset.words !== words) {
      best.dataset.words = words;
      best.firstChild.textContent = names[top];
      best.lastChild.textContent = percent(p[top]);
    }
    const knobs = [!page.knobs.root && "without √d", !page.knobs.positions && "without positions", page.temperature !== 1 && `temperature ${page.temperature}`];
    const altered = knobs.filter(Boolean).join(", ");
    took.textContent = `${page.answer.milliseconds.toFixed(1)} ms for answer and maps.${altered ? ` The model is altered: ${altered}.` : ""}`;
  });
  return card(
    page,
    "What it answers",
    "A probability for each class; they change while you draw. That it is sure does not mean that it is right.",
    "draw",
    best,
    h("ol", { class: "mv-bars", "aria-label": "Probabilities" }, ...rows.map(({ item }) => item)),
    took,
  );
}

// ---- attention, block by block and head by head, beside an untrained model's ---------------------------------------------------

function attending(page) {
  const { blocks, reader } = page.about;
  if (!blocks.length) return undefined;
  const words = h("p", { class: "mv-note" });
  const maps = [];
  const table = (kind, title) =>
    h(
      "figure",
      {},
      h("figcaption", {}, title),
      h(
        "div",
        { class: "mv-maps" },
        ...blocks.map(({ heads }, block) =>
          h(
            "div",
            { class: "mv-block" },
            h("span", { class: "mv-name" }, `block ${block + 1}`),
            ...Array.from({ length: heads }, (_, head) => {
              const canvas = h("canvas", { class: "mv-pixels", role: "img", "aria-label": `${title}: block ${block + 1}, head ${head + 1}` });
              const choose = () => {
                const same = page.chosen?.block === block && page.chosen?.head === head;
                page.chosen = same ? null : { block, head };
                page.tell("point");
              };
              const map = kind === "maps" ? h("button", { type: "button", class: "mv-map", "aria-label": `Show block ${block + 1}, head ${head + 1} over the picture`, onclick: choose }, canvas) : h("span", { class: "mv-map" }, canvas);
              maps.push({ kind, block, head, canvas, map });
              pointing(canvas, page);
              return map;
            }),
          ),
        ),
      ),
    );
  const draw = () => {
    if (!page.answer) return;
    const pixels = page.shown();
    for (const { kind, block, head, canvas, map } of maps) {
      paintDigit(canvas, page, pixels, row(page.answer[kind][block], blocks[block], head, page.point));
      if (kind === "maps") map.setAttribute("aria-pressed", page.chosen?.block === block && page.chosen?.head === head);
    }
    words.textContent = page.point
      ? `The patch in row ${Math.floor(page.point[1] * page.cells) + 1}, column ${Math.floor(page.point[0] * page.cells) + 1} looks where it is warmer; each map has its own scale.`
      : `Where ${reader} looks; each map has its own scale. Point at a patch in any picture.`;
  };
  const inFrame = once(draw);
  for (const name of ["answer", "point", "colours"]) page.on(name, inFrame);
  return card(
    page,
    "Where it looks",
    "Every head of every block has its own way of looking; the untrained model, with the same architecture and random numbers, shows how much of that was learned.",
    "attention",
    h("div", { class: "mv-pair" }, table("maps", "your model"), table("untrained", "untrained")),
    words,
  );
}

// At most one call a frame.
function once(call) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      call();
    });
  };
}

// ---- the ink that speaks for a class ---------------------------------------------------------------------------------------

function chooser(page, words, chosen) {
  const select = h("select", { "aria-label": words }, ...page.about.names.map((name, i) => h("option", { value: i }, name)));
  select.value = Math.min(chosen, page.about.names.length - 1);
  return select;
}

function gradient(page) {
  const canvas = h("canvas", { class: "mv-pixels", role: "img" });
  const words = h("p", { class: "mv-note", "aria-live": "polite" });
  const select = chooser(page, "Class", 9);
  let [answer, before, climbs] = [null, null, 0];
  const draw = () => {
    if (!answer) return;
    const name = page.about.names[select.value];
    const { side, colours } = page;
    const [pixels, values] = [page.shown(), answer.gradient.data];
    const most = largest(values);
    paint(canvas, side, side, (data, at, i) => {
      const t = values[i] / most;
      const colour = mix(colours.paper, t < 0 ? colours.cool : colours.warm, Math.abs(t) ** 0.7);
      putMix(data, at, colour, colours.ink, (0.35 * pixels[i]) / 255);
    });
    canvas.setAttribute("aria-label", `The gradient on the pixels for ${name}`);
    words.textContent = `Warm: more ink here speaks for “${name}”. Cool: against it. Log-odds of “${name}”: ${answer.odds.toFixed(1)}.`;
  };
  const ask = async () => {
    const found = await page.request("gradient", { class: Number(select.value) });
    if (found.error) return (words.textContent = found.error);
    answer = found;
    draw();
  };
  const climb = async (steps) => {
    before ??= page.pixels;
    const mine = ++climbs;
    for (let i = 0; i < steps; i++) {
      await ask();
      if (!answer || mine !== climbs) return; // something else was drawn or pressed meanwhile
      const values = answer.gradient.data;
      const most = largest(values);
      page.pixels = page.pixels.map((value, j) => Math.max(0, Math.min(255, Math.round(value + (40 * values[j]) / most))));
      await page.look();
    }
    page.settle();
  };
  select.addEventListener("change", ask);
  page.on("settled", ask);
  page.on("colours", draw);
  const forget = () => {
    before = null;
    climbs++;
  };
  const back = () => {
    if (before) page.pixels = before;
    forget();
    page.changed();
  };
  page.on("drawn", forget);
  return card(
    page,
    "Which ink speaks for a class?",
    "The gradient of a class's odds by every pixel, one backward pass; steps along it make the picture more like that class, to the model if not to you.",
    "gradient",
    h("div", { class: "mv-row" }, h("label", {}, "Speaks for ", select), button("One step", () => climb(1)), button("Ten", () => climb(10)), button("Back", back)),
    h("div", { class: "mv-sheet mv-flat mv-mid" }, canvas),
    words,
  );
}

// ---- the lens: what the head would say after each block --------------------------------------------------------------------------

function lens(page) {
  if (!page.about.lens) return undefined;
  const shown = page.about.names.slice(0, 20);
  const head = h("tr", {}, h("th", { scope: "col" }, "after"), ...shown.map((name) => h("th", { scope: "col" }, name)));
  const cells = Array.from({ length: page.about.lens }, () => shown.map(() => h("td")));
  const rows = cells.map((row, i) => h("tr", {}, h("th", { scope: "row" }, i ? `block ${i}` : "start"), ...row));
  const table = h("table", { class: "mv-lens" }, h("thead", {}, head), h("tbody", {}, ...rows));
  page.on("answer", () => {
    if (!page.answer?.lens) return;
    const { data, shape } = page.answer.lens;
    cells.forEach((row, i) => {
      const p = softmax(data.subarray(i * shape[1], (i + 1) * shape[1]), page.temperature);
      const top = Math.max(...p);
      row.forEach((cell, k) => {
        const words = p[k] > 0.005 ? String(Math.round(100 * p[k])) : "·";
        if (cell.textContent === words && cell.classList.contains("mv-top") === (p[k] === top)) return;
        cell.textContent = words;
        cell.style.setProperty("--p", p[k].toFixed(2));
        cell.className = p[k] === top ? "mv-top" : "";
      });
    });
  });
  return card(
    page,
    "A lens: what would it say by now?",
    `The head reads the tokens before block 1 and after each of the ${page.about.lens - 1} blocks, in percent: before any, all pictures look alike to it.`,
    "lens",
    h("div", { class: "mv-scroll" }, table),
  );
}

// ---- temperature, √d and positions ---------------------------------------------------------------------------------------------

function knobs(page) {
  const value = h("output", {}, "1");
  const slider = h("input", { type: "range", min: -2, max: 3, step: 0.1, value: 0, "aria-label": "Temperature of the answer" });
  slider.addEventListener("input", () => {
    page.temperature = Number((2 ** slider.value).toPrecision(2));
    value.textContent = page.temperature;
    page.tell("answer");
  });
  const knob = (name, words, sentence) => {
    const box = h("input", { type: "checkbox", checked: true, disabled: Boolean(page.about.fixed) });
    box.addEventListener("change", () => {
      page.knobs[name] = box.checked;
      page.changed();
    });
    return h("label", { class: "mv-knob" }, box, h("span", {}, h("b", {}, words), ` ${sentence}`));
  };
  return card(
    page,
    "Turn its knobs",
    "It was trained with all of these as they are: what breaks without them, and what does not?",
    "knobs",
    h("label", { class: "mv-knob mv-slider" }, h("span", {}, h("b", {}, "temperature "), value, ": logits are divided by it before the softmax. Cold is sure, hot is even."), slider),
    knob("root", "1/√d", "in attention: without it the scores are larger, and each head looks at fewer patches."),
    knob("positions", "positions", "without them the patches are a heap: shuffled, the digit would be the same digit."),
    page.about.fixed ? h("p", { class: "mv-note" }, page.about.fixed) : undefined,
  );
}

// ---- steps of training on what was drawn -----------------------------------------------------------------------------------------

function training(page) {
  const select = chooser(page, "What you drew", 3);
  const words = h("p", { class: "mv-note", "aria-live": "polite" });
  const filters = [h("canvas", { class: "mv-pixels", role: "img", "aria-label": "The filters" }), h("canvas", { class: "mv-pixels", role: "img", "aria-label": "What has changed in the filters" })];
  const places = [h("canvas", { class: "mv-pixels", role: "img", "aria-label": "Positions like this patch's, now" }), h("canvas", { class: "mv-pixels", role: "img", "aria-label": "What has changed in them" })];
  let learned = null;
  const draw = () => {
    if (!learned) return;
    const { colours } = page;
    if (learned.filters) {
      const [now, start] = learned.filters;
      const [count, rows, columns] = now.shape;
      const across = Math.ceil(Math.sqrt(count * 1.5));
      const down = Math.ceil(count / across);
      const [height, width] = [down * (rows + 1) - 1, across * (columns + 1) - 1];
      const tiles = (values) => {
        const out = new Float32Array(height * width);
        values.forEach((value, i) => {
          const [tile, y, x] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns];
          out[(Math.floor(tile / across) * (rows + 1) + y) * width + (tile % across) * (columns + 1) + x] = value;
        });
        return out;
      };
      const change = now.data.map((value, i) => value - start.data[i]);
      paintSigned(filters[0], height, width, tiles(now.data), colours);
      paintSigned(filters[1], height, width, tiles(change), colours, Math.max(largest(change), 1e-6));
    }
    if (learned.positions) {
      const [now, start] = learned.positions;
      const [, gh, gw] = now.shape;
      const [x, y] = page.point ?? [0.5, 0.5];
      const at = Math.floor(y * gh) * gw + Math.floor(x * gw);
      const part = ({ data }) => data.subarray(at * gh * gw, (at + 1) * gh * gw);
      paintSigned(places[0], gh, gw, part(now), colours, 1);
      const change = part(now).map((value, i) => value - part(start)[i]);
      paintSigned(places[1], gh, gw, change, colours, Math.max(largest(change), 1e-6));
    }
  };
  const show = (answer) => {
    if (answer.error) return (words.textContent = answer.error);
    learned = answer;
    const tried = answer.tried ? ` It reads ${answer.tried.right} of ${answer.tried.of} test digits.` : "";
    const losses = answer.losses.length ? ` Loss of your drawing: ${answer.losses.slice(-6).map((loss) => loss.toFixed(3)).join(" → ")}.` : " Say what you drew, right or wrong, and press One step.";
    words.textContent = `${answer.steps} step${answer.steps === 1 ? "" : "s"}.${losses}${tried}`;
    draw();
  };
  const step = async (steps) => {
    words.textContent = "A forward, a backward, an update …";
    show(await page.request("step", { label: Number(select.value), steps }));
    page.changed();
  };
  const reset = async () => {
    show(await page.request("reset"));
    page.changed();
  };
  page.on("settled", () => {
    if (page.label !== null && page.label !== undefined) select.value = page.label;
  });
  for (const name of ["point", "colours"]) page.on(name, once(draw));
  const absent = Boolean(page.about.absent?.train);
  page.on("started", async () => absent || show(await page.request("reset")));
  const figure = (title, ...canvases) => h("figure", {}, h("figcaption", {}, title), h("div", { class: "mv-two" }, ...canvases));
  return card(
    page,
    "Let it learn from you",
    "A step of AdamW on this one drawing: the loss falls, every number of the model moves a little; what happens to the other digits?",
    "train",
    h("div", { class: "mv-row" }, h("label", {}, "This is a ", select), button("One step", () => step(1)), button("Ten", () => step(10)), button("Start over", reset)),
    words,
    figure("filters of the first layer: now, and what has changed", ...filters),
    page.about.positions ? figure("positions like that of the patch you point at: now, and what has changed", ...places) : undefined,
  );
}

// ---- the whole forward -----------------------------------------------------------------------------------------------------------

const SAYS = {
  normalize: "The pixels, minus the mean of all training pixels, divided by their spread.",
  patchify: "The picture is cut into patches; each becomes a row of its pixels.",
  linear: "Every row times one matrix, plus a bias: the same for each token.",
  linear_columns: "Every row times some columns of a matrix, plus a bias.",
  prepend: "A learned token is put before the patches: it will collect the answer.",
  add_position: "Each token is told where it stands: its own learned row is added.",
  layernorm: "Each token is centred and scaled by its own mean and spread.",
  attention_weights: "Every token asks every other: softmax(QKᵀ/√d), a map a head; rows sum to 1.",
  self_attention: "Each token takes the mean of the values, weighted by where it looks.",
  cross_attention: "Queries take the mean of the values, weighted by where they look.",
  gelu: "A soft gate on each number: what is well below zero is shut off.",
  "x + branch(x)": "The residual: what the branch found is added to what was there.",
  pool: "Only what the head reads is kept.",
  softmax: "Logits become probabilities.",
};

function walking(page) {
  const list = h("div", { class: "mv-steps", role: "listbox", tabindex: 0, "aria-label": "Every array of the forward" });
  const large = h("canvas", { class: "mv-pixels", role: "img" });
  const [title, says, shape, where, code] = ["h3", "p", "p", "p", "pre"].map((tag) => h(tag));
  const shownStep = h("div", { class: "mv-step", hidden: true }, h("div", {}, title, says, shape, where, code), h("div", { class: "mv-large" }, large));
  let [walk, at, open, thumbs] = [null, 0, false, []];
  const draw = (canvas, { array: { data, shape } }) => paintSigned(canvas, shape[0], shape[1], data, page.colours, robust(data));
  const show = (i) => {
    at = Math.max(0, Math.min(walk.steps.length - 1, i));
    const step = walk.steps[at];
    const source = walk.sources[step.op];
    title.textContent = `${at + 1} of ${walk.steps.length} · ${step.op.replaceAll("_", " ")}`;
    says.textContent = SAYS[step.op] ?? "";
    const before = at ? ` from (${walk.steps[at - 1].shape.join(", ")})` : "";
    shape.textContent = `shape (${step.shape.join(", ")})${before}${step.reads ? `, with ${step.reads}` : ""}`;
    where.textContent = source ? `${source.file}, line ${source.line}` : "";
    code.textContent = source?.code ?? "";
    large.setAttribute("aria-label", `${step.op}, an array of shape ${step.shape.join(" by ")}`);
    draw(large, step);
    const [rows, columns] = step.array.shape;
    large.style.aspectRatio = `${columns} / ${Math.max(rows, columns / 12)}`;
    thumbs.forEach((thumb, j) => thumb.setAttribute("aria-selected", j === at));
    shownStep.hidden = false;
  };
  const ask = async () => {
    if (!open) return;
    const answer = await page.request("walk");
    if (answer.error) return;
    walk = answer;
    if (thumbs.length !== walk.steps.length) {
      thumbs = walk.steps.map((step, i) => h("div", { role: "option", class: "mv-thumb", title: `${step.op}, ${step.reads}`, onclick: () => show(i) }, h("canvas", { class: "mv-pixels" }), h("span", {}, step.op.replaceAll("_", " ")), h("span", { class: "mv-shape" }, step.shape.slice(1).join(" × "))));
      list.replaceChildren(...thumbs);
    }
    thumbs.forEach((thumb, i) => draw(thumb.firstChild, walk.steps[i]));
    show(at);
  };
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -1e6, End: 1e6 }[event.key];
    if (!step || !walk) return;
    event.preventDefault();
    show(at + step);
    thumbs[at].scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  const begin = button("Walk through this digit", () => {
    open = !open;
    begin.textContent = open ? "Close" : "Walk through this digit";
    begin.setAttribute("aria-expanded", open);
    list.hidden = !open;
    shownStep.hidden = !open;
    ask();
  }, { "aria-expanded": "false" });
  const previous = button("‹ Before", () => walk && show(at - 1));
  const next = button("Next ›", () => walk && show(at + 1));
  list.hidden = true;
  page.on("settled", ask);
  page.on("colours", () => walk && ask());
  return card(
    page,
    "Walk through the whole forward",
    "Every array from the pixels to the probabilities, drawn (cool below zero, warm above), with its shape and the lines of source that made it.",
    "walk",
    h("div", { class: "mv-row" }, begin, previous, next),
    list,
    shownStep,
  );
}

// The scale of a picture: the size that all but one number in a hundred keep to, so that a single one does not pale the rest.
function robust(values) {
  const sizes = Float32Array.from(values, Math.abs).sort();
  return sizes[Math.floor(0.99 * (sizes.length - 1))] || largest(values);
}

// ---- the page --------------------------------------------------------------------------------------------------------------------

function render({ model, el }) {
  el.classList.add("minivit-live");
  const page = notebook(model, el);
  const views = [drawing, seeing, answering, attending, gradient, lens, knobs, training].map((view) => view(page));
  const walk = walking(page);
  el.replaceChildren(
    h("header", {}, h("h1", {}, "Draw a digit, watch it think"), h("p", {}, page.about.summary)),
    h("div", { class: "mv-stage" }, ...views.slice(0, 3)),
    ...(views[3] ? [views[3]] : []),
    h("div", { class: "mv-cards" }, ...views.slice(4).filter(Boolean)),
    walk,
    h("footer", {}, page.about.foot ?? "All of this is computed on this machine; nothing is sent anywhere, and nothing is kept."),
  );
  el.querySelectorAll(".mv-number").forEach((element, i) => (element.textContent = i + 1));
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const recolour = () => {
    page.colours = palette(el);
    page.tell("colours");
  };
  scheme.addEventListener("change", recolour);
  requestAnimationFrame(recolour); // the style sheet may come after the page
  page.start();
  el.minivit = page; // for tests, and for the curious
  return () => scheme.removeEventListener("change", recolour);
}

export default { render };
