// The host of the page that is exported: it answers what session.py answers, as far as a forward goes. `inside` is what
// export.py has put into the page: the model's sizes and weights, some test digits, and the walk's names.

function host(inside) {
  const { config, parameters, digits, steps, sources } = inside;
  const p = named(parameters, floats(inside.weights));
  const untrained = named(parameters, fresh(parameters));
  const test = bytes(digits.pixels);
  const listeners = [];

  const answers = {
    see({ pixels, ...knobs }) {
      const { logits, maps, lens } = forward(config, p, pixels, knobs);
      const blank = forward(config, untrained, pixels, knobs);
      const K = logits.length;
      const flat = Float32Array.from(lens.flatMap((row) => Array.from(row)));
      return { logits: { shape: [K], data: logits }, maps, lens: { shape: [lens.length, K], data: flat }, untrained: blank.maps };
    },
    walk({ pixels, ...knobs }) {
      const arrays = [];
      forward(config, p, pixels, knobs, (array) => arrays.push(array));
      const drawn = (step, { data, rows, columns }) => {
        if (step.op !== "attention_weights") return { shape: [rows, columns], data };
        const heads = rows / columns; // side by side, as Python lays them
        const wide = new Float32Array(data.length);
        data.forEach((value, i) => {
          const [row, column] = [Math.floor(i / columns), i % columns];
          wide[(row % columns) * heads * columns + Math.floor(row / columns) * columns + column] = value;
        });
        return { shape: [columns, heads * columns], data: wide };
      };
      return { sources, steps: steps.map((step, i) => ({ ...step, array: drawn(step, arrays[i]) })) };
    },
    digit() {
      const [i, size] = [Math.floor(Math.random() * digits.labels.length), config.side ** 2];
      return { pixels: Array.from(test.subarray(i * size, (i + 1) * size)), label: digits.labels[i] };
    },
  };
  return {
    get: (name) => inside[name],
    on: (_event, listener) => listeners.push(listener),
    send(request) {
      const start = performance.now();
      const answer = answers[request.ask]?.(request) ?? { error: `this page cannot answer ${request.ask}: it has no Python` };
      const told = { ...answer, id: request.id, milliseconds: performance.now() - start };
      setTimeout(() => listeners.forEach((listener) => listener(told, [])));
    },
  };
}

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const floats = (base64) => new Float32Array(bytes(base64).buffer);

function named(parameters, values) {
  let at = 0;
  return Object.fromEntries(parameters.map(({ name, size }) => [name, values.subarray(at, (at += size))]));
}

// Parameters as they are before training: N(mean, std²), from a generator with a fixed seed (mulberry32).
function fresh(parameters) {
  let seed = 1;
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()); // Box and Muller
  return Float32Array.from(parameters.flatMap(({ size, mean, std }) => Array.from({ length: size }, () => mean + (std && std * normal()))));
}
