// A plain ViT's forward in JavaScript, for the page that is exported: no Python, no library, the operations of ../../ops
// in the order of ../../model/vit.py. Numbers are float64 here, weights the model's own float32. tests/live holds the
// logits equal to NumPy's.
//
// A matrix is { data: Float64Array, rows, columns }, row after row. A token is a row.

const matrix = (rows, columns, data = new Float64Array(rows * columns)) => ({ data, rows, columns });

// y = x W + b.   x (N, in), weight (in, out), bias (out). Four rows of W at a time: y is read and written a quarter as often.
function linear(x, weight, bias) {
  const y = matrix(x.rows, bias.length);
  const I = x.columns;
  const O = y.columns;
  for (let n = 0; n < x.rows; n++) {
    y.data.set(bias, n * O);
    let i = 0;
    for (; i + 3 < I; i += 4) {
      const at = n * I + i;
      const a = x.data[at];
      const b = x.data[at + 1];
      const c = x.data[at + 2];
      const d = x.data[at + 3];
      for (let o = n * O, w = i * O; o < (n + 1) * O; o++, w++)
        y.data[o] += a * weight[w] + b * weight[w + O] + c * weight[w + 2 * O] + d * weight[w + 3 * O];
    }
    for (; i < I; i++) // what four does not divide
      for (let o = 0; o < O; o++) y.data[n * O + o] += x.data[n * I + i] * weight[i * O + o];
  }
  return y;
}

// γ (x − μ) / √(σ² + ε) + β, each token by itself
function layernorm(x, gamma, beta, eps) {
  const y = matrix(x.rows, x.columns);
  const D = x.columns;
  for (let at = 0; at < x.data.length; at += D) {
    let mean = 0;
    let variance = 0;
    for (let d = 0; d < D; d++) mean += x.data[at + d] / D;
    for (let d = 0; d < D; d++) variance += (x.data[at + d] - mean) ** 2 / D;
    const rstd = 1 / Math.sqrt(variance + eps);
    for (let d = 0; d < D; d++) y.data[at + d] = (x.data[at + d] - mean) * rstd * gamma[d] + beta[d];
  }
  return y;
}

// softmax(Q Kᵀ / √d) of every head: qkv (N, 3D), its columns (q | k | v), head, d -> (H · N, N), rows sum to 1
function attentionWeights(qkv, heads, root) {
  const [N, D] = [qkv.rows, qkv.columns / 3];
  const d = D / heads;
  const scale = root ? 1 / Math.sqrt(d) : 1;
  const weights = matrix(heads * N, N);
  for (let head = 0; head < heads; head++)
    for (let query = 0; query < N; query++) {
      const scores = weights.data.subarray((head * N + query) * N, (head * N + query + 1) * N);
      const q = query * 3 * D + head * d;
      for (let key = 0; key < N; key++) {
        const k = key * 3 * D + D + head * d;
        let score = 0;
        for (let i = 0; i < d; i++) score += qkv.data[q + i] * qkv.data[k + i];
        scores[key] = score * scale;
      }
      softmaxInPlace(scores);
    }
  return weights;
}

function softmaxInPlace(values) {
  let [top, sum] = [-Infinity, 0];
  for (const value of values) top = Math.max(top, value);
  for (let i = 0; i < values.length; i++) sum += values[i] = Math.exp(values[i] - top);
  for (let i = 0; i < values.length; i++) values[i] /= sum;
}

// P V of every head, side by side: (N, D)
function attend(weights, qkv, heads) {
  const [N, D] = [qkv.rows, qkv.columns / 3];
  const [out, d] = [matrix(N, D), D / heads];
  for (let head = 0; head < heads; head++)
    for (let query = 0; query < N; query++) {
      const row = out.data.subarray(query * D + head * d, query * D + (head + 1) * d);
      for (let key = 0; key < N; key++) {
        const weight = weights.data[(head * N + query) * N + key];
        const v = key * 3 * D + 2 * D + head * d;
        for (let i = 0; i < d; i++) row[i] += weight * qkv.data[v + i];
      }
    }
  return out;
}

// erf: its Taylor series where it converges soon, the continued fraction of erfc beyond (Abramowitz and Stegun, 7.1.6 and
// 7.1.14)
function erf(x) {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  let sum;
  if (z < 2.5) {
    let term = (sum = z);
    for (let n = 1; term > 1e-17 * sum; n++) sum += term *= (2 * z * z) / (2 * n + 1);
    sum *= (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z);
  } else {
    let fraction = z;
    for (let n = 40; n > 0; n--) fraction = z + n / 2 / fraction;
    sum = 1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / fraction;
  }
  return x < 0 ? -sum : sum;
}

// x Φ(x), or with "tanh" the approximation
function gelu(x, kind) {
  const tanh = (v) => Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3));
  const twice = kind === "tanh" ? tanh : (v) => erf(v / Math.SQRT2);
  return matrix(x.rows, x.columns, x.data.map((v) => 0.5 * v * (1 + twice(v))));
}

const sum = (a, b) => matrix(a.rows, a.columns, a.data.map((value, i) => value + b.data[i]));

// pixels (side · side), 0 … 255 -> patches (N, P · P), in reading order
function patchify(pixels, { side, patch }) {
  const grid = side / patch;
  const out = matrix(grid * grid, patch * patch);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const n = Math.floor(y / patch) * grid + Math.floor(x / patch);
      out.data[n * out.columns + (y % patch) * patch + (x % patch)] = pixels.data[y * side + x];
    }
  return out;
}

// The whole model. config: side, patch, heads, depth, eps, gelu, mean, std; p: the parameters by their names.
// knobs: { root, positions }, false switches one off. note(array): is told each array on the way, in Python's order.
// Returns the logits (K), the attention of each block (H, N, N), and what the head says after each block (1 + L, K).
export function forward(config, p, pixels, { root = true, positions = true } = {}, note = () => {}) {
  const { side, heads, eps } = config;
  const kept = (x) => (note(x), x);
  const dense = (x, name) => kept(linear(x, p[`${name}.weight`], p[`${name}.bias`]));
  const norm = (x, name) => kept(layernorm(x, p[`${name}.weight`], p[`${name}.bias`], eps));
  const first = (x) => matrix(1, x.columns, x.data.slice(0, x.columns));
  const says = (z) => linear(layernorm(first(z), p["norm.weight"], p["norm.bias"], eps), p["head.weight"], p["head.bias"]).data;

  const image = kept(matrix(side, side, Float64Array.from(pixels, (value) => (value / 255 - config.mean) / config.std)));
  const patches = dense(kept(patchify(image, config)), "patch_embed.proj");
  let z = matrix(patches.rows + 1, patches.columns);
  z.data.set(p.cls_token);
  z.data.set(patches.data, z.columns);
  note(z);
  z = kept(positions ? sum(z, { data: p.pos_embed }) : z);
  const [maps, lens] = [[], [says(z)]];
  for (let i = 0; i < config.depth; i++) {
    const block = `blocks.${i}`;
    const qkv = dense(norm(z, `${block}.norm1`), `${block}.attn.qkv`);
    const weights = kept(attentionWeights(qkv, heads, root));
    const mixed = dense(kept(attend(weights, qkv, heads)), `${block}.attn.proj`);
    z = kept(sum(z, mixed)); // z' = z + MSA(LN(z))
    const wide = dense(norm(z, `${block}.norm2`), `${block}.mlp.fc1`);
    z = kept(sum(z, dense(kept(gelu(wide, config.gelu)), `${block}.mlp.fc2`))); // z'' = z' + MLP(LN(z'))
    maps.push({ shape: [heads, z.rows, z.rows], data: Float32Array.from(weights.data) });
    lens.push(says(z));
  }
  const logits = dense(norm(kept(first(z)), "norm"), "head");
  const probabilities = kept(matrix(1, logits.columns, logits.data.slice()));
  softmaxInPlace(probabilities.data);
  return { logits: logits.data, maps, lens };
}
