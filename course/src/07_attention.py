# ---
# title: Softmax attention
# question: How does a patch learn what the other patches hold?
# sentence: Tokens ask, offer and give; softmax, its overflow and the square root of d; and the backward of attention, derived line by line and checked.
# minutes: 80
# needs: [5, 6]
# gpu: of no use
# ---

# %% [markdown]
# So far every token has been alone: it was cut out, embedded, normalised. To know a 4 from a 9, a patch must learn
# what the others hold. **Attention** (Vaswani et al., [arXiv 1706.03762](https://arxiv.org/abs/1706.03762), section
# 3.2) is the one place in a Transformer where tokens meet. This chapter builds one head of it; chapter 08 puts
# several side by side.

# %% role="setup"
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minivit import ViT, check, draw, layers, load_mnist, ops
from minivit.data import TRAINED_DIGITS
from minivit.ops import (
    attention_backward,
    attention_forward,
    attention_weights,
    layernorm_forward,
    patchify_forward,
    softmax_backward,
    softmax_forward,
)

rng = np.random.default_rng(7)
digits = load_mnist()
images = digits.train_images[:2] / 255  # B = 2 real digits
patches = patchify_forward(images, (4, 4))[0]  # (2, 49, 16)

# %% [markdown]
# ## The picture first
#
# Each token has three vectors: a **query** (what it asks for), a **key** (what it offers), and a **value** (what it
# gives). A model learns how to make them of the token; at the end of this chapter we look at what one has learned.
# Here we make them by hand, to see what attention does with them. Query and key are the patch itself, normalised as
# in chapter 06: so a patch asks for what looks like it. The value is the raw patch.

# %%
q = k = layernorm_forward(patches, np.ones(16), np.zeros(16))[0][:, None]  # (B, 1, N, d): one head, d = 16
v = patches[:, None]
P = attention_weights(q, k)  # who looks at whom: (2, 1, 49, 49)
asking = [24, 25, 16, 32, 0]
draw.maps(
    images[1], P[1, 0, asking].reshape(-1, 7, 7), [f"patch {n}: ≤ {P[1, 0, n].max():.2f}" for n in asking], columns=3,
    alt="A digit 4, and five times the same digit with the patches coloured that one patch looks at. Those with ink look "
    "at themselves most, and then at other pieces of the same kind of stroke; the empty patch 0 looks at all patches alike.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Each patch with ink looks at itself most (the darkest square; each map's colours run to its
# own largest weight, which stands under it), for nothing is more like it. (2) Patch 24 lies on the left edge of the
# slanted stroke. It finds two more places on that edge, one far above and one far below: distance plays no part. (3)
# Patch 0 is empty. Its query is 0, it asks for nothing in particular, and looks at all 49 patches alike: 1/49 is
# 0.02.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | q, k, v | query, key and value of each token | (B, H, N, d) | (2, 1, 49, 16) |
# | S | scores: how well query n matches key m | (B, H, N, N) | (2, 1, 49, 49) |
# | P | weights: S after the softmax; rows sum to 1 | (B, H, N, N) | (2, 1, 49, 49) |
# | out | for each token, a mean of the values | (B, H, N, d) | (2, 1, 49, 16) |
#
# H is the number of heads, here 1. In the model of chapters 00, 02 and 13, H is 4 and d is 12: together 48, the width
# of its tokens.
#
# ## The idea
#
# The larger their dot product, the better a query and a key match. Softmax turns a row of scores into weights that are
# positive and sum to 1. With these weights, token n takes the mean of all values:
#
# $$S_{nm} = \frac{1}{\sqrt d} \sum_i Q_{ni} K_{mi} \tag{1}$$
#
# $$P_{nm} = \frac{e^{S_{nm}}}{\sum_{j} e^{S_{nj}}} \tag{2}$$
#
# $$\text{out} _ {ni} = \sum_m P_{nm} V_{mi} \tag{3}$$


# %%
def attention_loop(q, k, v):
    B, H, N, d = q.shape
    out = np.zeros_like(v)
    for b, h, n in np.ndindex(B, H, N):
        scores = np.array([q[b, h, n] @ k[b, h, m] for m in range(N)]) / np.sqrt(d)  # (1)
        weights = np.exp(scores) / np.exp(scores).sum()  # (2)
        for m in range(N):
            out[b, h, n] += weights[m] * v[b, h, m]  # (3)
    return out


# %% [markdown]
# All N² dot products at once are one matrix product, and so are all the means:
#
# $$\begin{aligned} S &= \frac{Q K^\top}{\sqrt d} \\
# P &= \text{softmax}(S) \\
# \text{out} &= P\,V \end{aligned} \tag{4}$$


# %%
def attention(q, k, v):
    S = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    P = np.exp(S) / np.exp(S).sum(-1, keepdims=True)  # along the last axis: over the keys
    return P @ v


check.close(attention(q, k, v), attention_loop(q, k, v), "array against loop")
out, _ = attention_forward(q, k, v)
check.close(out, attention(q, k, v), "library against array")

# %%
S = q @ k.swapaxes(-1, -2) / 4
draw.matrices(
    [{"title": "S", "array": S[1, 0], "rows": "query", "columns": "key"},
     {"title": "P", "array": P[1, 0] ** 0.5, "rows": "query", "columns": "key"}],
    between=["softmax →"], share=False, colormap="attention",
    alt="Two matrices of 49 by 49. The scores S: symmetric, with bands of empty rows and columns. The weights P: a strong "
    "diagonal and a few strong places in rows of inky patches, uniform rows for the empty ones.",
)  # fmt: skip

# %% [markdown]
# (P is drawn as its square root, or the small weights could not be seen.) **What to notice.** (1) S is symmetric
# here, because query and key are the same; P is not, for each *row* is divided by its own sum. (2) The uniform rows
# are the empty patches: all their scores are 0 (in S, the orange that fills most of it). (3) A row is what one token
# looks at; a column is who looks at that token.
#
# Every row of P is a map of the digit. Here the asking patch walks along the strokes:


# %%
def looking(n, weights, title):
    figure = Figure((6, 2.9), layout="constrained")
    digit, middles = images[1, :, :, 0], np.arange(28) / 4 + 0.125  # of the pixels, in patches
    left, right = figure.subplots(1, 2)
    left.imshow(digit, cmap="Greys", extent=(0, 7, 7, 0))
    right.imshow(weights.reshape(7, 7), cmap="YlOrBr", extent=(0, 7, 7, 0), vmin=0, vmax=max(0.1, weights.max()))
    right.contour(middles, middles, digit, [0.5], colors="0.4", linewidths=0.8)
    for axes, name in ((left, "who asks"), (right, title)):
        axes.add_patch(Rectangle((n % 7, n // 7), 1, 1, fill=False, edgecolor="#0072B2", linewidth=3))
        axes.set(xticks=[], yticks=[], title=name)
    return figure


walk = [11, 18, 25, 24, 31, 38, 9, 16, 23, 31, 32, 33, 19]
draw.animation(
    [looking(n, P[1, 0, n], f"row {n} of P") for n in walk], seconds=0.6, still=4,
    alt="An animation of two panels: on the left a digit 4, on which a blue frame moves from patch to patch along the strokes; on "
    "the right the 7 by 7 weights of that patch's row of P, which change with it: dark at the patch itself and at patches alike.",
)  # fmt: skip

# %% [markdown]
# **What to watch:** the map on the right, when the frame moves on. (1) Patches with strokes of one direction share
# dark places. (2) Where the stroke turns, the map changes at once. (3) The frame itself stays dark: each patch looks
# at itself. The last one is empty, and looks at all alike.
#
# ## Softmax: only differences count
#
# Add the same number c to all scores of a row. It cancels:
#
# $$\begin{aligned} \frac{e^{S_m + c}}{\sum_j e^{S_j + c}} &= \frac{e^c\, e^{S_m}}{e^c \sum_j e^{S_j}} \\
# &= \frac{e^{S_m}}{\sum_j e^{S_j}} \end{aligned} \tag{5}$$
#
# That is good news, for the exponential overflows: $e^{710}$ is more than float64 can hold, $e^{89}$ more than float32.
# Take c = −max(S). Then the largest exponent is 0, and the sum is at least 1. *What will the next cell print first?*

# %%
scores = np.array([1000.0, 1001.0, 1002.0])
with np.errstate(over="ignore", invalid="ignore"):
    print("as it stands:      ", np.exp(scores) / np.exp(scores).sum())
print("less the maximum:  ", np.exp(scores - 1002) / np.exp(scores - 1002).sum())
print("the library:       ", softmax_forward(scores)[0])
print("of 0, 1 and 2:     ", softmax_forward(np.array([0.0, 1.0, 2.0]))[0])

# %% [markdown]
# The library (`minivit/ops/softmax.py`) takes the maximum away only where some score is beyond ±50: it costs time, and
# changes nothing below.
#
# If only differences count, then how large they are decides. Divide the scores by a **temperature** T: a small one
# lets the largest score take all, a large one makes the weights more even.

# %%
temperatures = 4.0 ** np.linspace(1, -1.5, 11)  # from 4 to an eighth
warm = [softmax_forward(S[1, 0, 24] / T)[0] for T in temperatures]
draw.animation(
    [looking(24, w, f"T = {T:.2f}: at most {w.max():.2f}") for T, w in zip(temperatures, warm, strict=True)], seconds=0.5, still=4,
    alt="An animation: what patch 24 of the digit 4 looks at while the temperature falls from 4 to an eighth. At first nearly all "
    "patches a little; then the slanted stroke; at the end hardly anything but itself.",
)  # fmt: skip

# %% [markdown]
# **What to watch:** the map empties as T falls. (1) At T = 4 it is nearly even: no weight is above 0.05, and 1/49 is
# 0.02. (2) Below 1/4 the patch looks at itself and hardly at any other: it learns next to nothing. (3) Nobody chose T
# here. What sets it is √d.
#
# ## Why the square root of d
#
# Let the entries of q and k be independent, with mean 0 and variance 1, as LayerNorm and the initialisation roughly
# make them. Then each product $q_i k_i$ has mean 0 and variance $\mathbb E[q_i^2]\,\mathbb E[k_i^2] = 1$, and
# variances of independent terms add:
#
# $$\text{Var}(q \cdot k) = \sum_{i=1}^{d} \text{Var}(q_i k_i) = d \tag{6}$$
#
# So without the root, d acts as a temperature of $1/\sqrt d$: larger heads would be colder. What is bad about that?
# Look at the slope. We derive below that $\partial p_i / \partial s_j = p_i (\delta_{ij} - p_j)$. The sum of its
# diagonal is $\sum_i p_i (1 - p_i) = 1 - \sum_i p_i^2$: nearly 1 when p is even, and 0 when one p is 1 and the others
# are 0. *Which way will it go as d grows?*

# %%
sizes = 2 ** np.arange(11)
spread, slope = [], {"q · k / √d": [], "q · k": []}
for d in sizes:
    queries, keys = rng.standard_normal((200, 1, d)), rng.standard_normal((200, 49, d))
    dots = queries @ keys.swapaxes(1, 2)  # 200 queries, each with 49 keys of its own
    spread.append(dots.var())
    for name, scores in zip(slope, (dots / np.sqrt(d), dots), strict=True):
        slope[name].append(np.mean(1 - (softmax_forward(scores)[0] ** 2).sum(-1)))
print("variance / d:", (np.array(spread) / sizes).round(2))
draw.lines(
    {name: (sizes, values) for name, values in slope.items()}, logx=True, xlabel="d, numbers in a query",
    ylabel="1 − Σ p², the slope that is left",
    alt="Two curves over d from 1 to 1024. With the square root the slope stays above nine tenths; without, it falls "
    "steadily to near zero.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The variance is d, as equation (6) says, up to the noise of 200 queries. (2) With the root,
# the slope is about the same for every d. (3) Without it, the softmax of a large head is nearly a constant 0 or 1:
# hardly any gradient comes back through it, and the head cannot learn to look elsewhere.
#
# ## It does not know the order
#
# Nothing in (1) to (3) asks where a token stands. Let Π permute the tokens. Then $(\Pi Q)(\Pi K)^\top = \Pi S
# \Pi^\top$: rows and columns are permuted. Softmax goes row by row and does not mind. So
#
# $$\Pi P \Pi^\top\, \Pi V = \Pi\,(P V) \tag{7}$$
#
# since $\Pi^\top \Pi = I$: the outputs are permuted, and otherwise the same. Attention is *permutation-equivariant*.

# %%
order = rng.permutation(49)
shuffled, _ = attention_forward(q[:, :, order], k[:, :, order], v[:, :, order])
check.close(shuffled, out[:, :, order], "shuffled before against shuffled after")

# %% [markdown]
# This is why a Vision Transformer must be told the positions (chapter 04).
#
# ## The backward, by index
#
# We are given $d\text{out}$, written dO (the d in front means "the gradient of"; the d under the root stays a size),
# and go through (3), (2), (1) from the last to the first. In (3), each $V_{mi}$ serves every token n, and each $P_{nm}$
# every feature i:
#
# $$\begin{aligned} dV_{mi} &= \sum_n P_{nm}\, dO_{ni} \\
# dP_{nm} &= \sum_i dO_{ni}\, V_{mi} \end{aligned} \tag{8}$$
#
# In (2), take one row, and write p and s for it. By the quotient rule, with $Z = \sum_j e^{s_j}$,
#
# $$\begin{aligned} \frac{\partial p_i}{\partial s_j} &= \frac{\delta_{ij}\, e^{s_i} Z - e^{s_i} e^{s_j}}{Z^2} \\
# &= p_i (\delta_{ij} - p_j) \end{aligned} \tag{9}$$
#
# $$\begin{aligned} ds_j &= \sum_i dp_i\, p_i (\delta_{ij} - p_j) \\
# &= p_j \Big( dp_j - \sum_i dp_i\, p_i \Big) \end{aligned} \tag{10}$$
#
# The sum in (10) is one number a row: the mean of dp under the weights p. A score's gradient asks: is this token better
# than what the row has on average? In (1), finally,
#
# $$\begin{aligned} dQ_{ni} &= \frac1{\sqrt d} \sum_m dS_{nm} K_{mi} \\
# dK_{mi} &= \frac1{\sqrt d} \sum_n dS_{nm}\, Q_{ni} \end{aligned} \tag{11}$$
#
# ## In matrix form
#
# $$\begin{aligned} dV &= P^\top dO \\ dP &= dO\, V^\top \\
# dS &= P \circ \big(dP \\
# &\qquad\quad - \text{rowsum}(dP \circ P)\big) \\
# dQ &= dS\, K / \sqrt d \\ dK &= dS^\top Q / \sqrt d \end{aligned} \tag{12}$$
#
# Here $\circ$ is the product element by element. Two things to remember: where the forward has a product of matrices,
# the backward has two, each with a transpose; and nothing but q, k, v and P is needed.
#
# ## In code


# %%
def attention_backward_ours(dout, q, k, v, P):
    scale = 1 / np.sqrt(q.shape[-1])
    dv = P.swapaxes(-1, -2) @ dout  # (8)
    dP = dout @ v.swapaxes(-1, -2)  # (8)
    dS = P * (dP - (dP * P).sum(-1, keepdims=True))  # (10)
    dq = dS @ k * scale  # (11)
    dk = dS.swapaxes(-1, -2) @ q * scale  # (11)
    return dq, dk, dv


dout = rng.standard_normal(out.shape)
_, cache = attention_forward(q, k, v)
ours = attention_backward_ours(dout, q, k, v, P)
for name, mine, library in zip(("dq", "dk", "dv"), ours, attention_backward(dout, cache), strict=False):
    check.close(library, mine, f"{name}, library against ours")

dS = softmax_backward(dout @ v.swapaxes(-1, -2), P)
print("largest sum of a row of dS:", f"{np.abs(dS.sum(-1)).max():.0e}")

# %% [markdown]
# The rows of dS sum to 0. That is equation (5) once more: adding a constant to a row changes nothing, so the gradient
# has nothing in that direction. (The library returns a fourth gradient, for a `bias` that may be added to S; it is
# `None` here.)
#
# ## Is it right?
#
# Random numbers, four heads, and no two sizes equal, so that no transpose can hide:

# %%
small = dict(zip(("q", "k", "v"), rng.standard_normal((3, 2, 4, 5, 3)), strict=True))
check.grad(attention_forward, lambda dout, cache: attention_backward(dout, cache)[:3], small)

# %% [markdown]
# ## Learned: three matrices
#
# In a model nobody makes q, k and v by hand. They are three dense layers of the token x (chapter 02):
#
# $$\begin{aligned} Q &= x W_q + b_q \\ K &= x W_k + b_k \\ V &= x W_v + b_v \end{aligned} \tag{13}$$
#
# Now x goes into three places, so its gradient has three terms, and each matrix has that of a dense layer (chapter 05):
#
# $$\begin{aligned} dx &= dQ\,W_q^\top + dK\,W_k^\top \\
# &\quad + dV\,W_v^\top \\ dW_q &= x^\top dQ \quad \text{and so on} \end{aligned} \tag{14}$$


# %%
def from_tokens(x, Wq, Wk, Wv):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    out, cache = attention_forward(q[:, None], k[:, None], v[:, None])
    return out[:, 0], (x, Wq, Wk, Wv, cache)


def from_tokens_backward(dout, cache):
    x, Wq, Wk, Wv, inner = cache
    dq, dk, dv = (d[:, 0] for d in attention_backward(dout[:, None], inner)[:3])
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T  # (14)
    return dx, *(np.einsum("bni,bno->io", x, d) for d in (dq, dk, dv))


sizes = {"x": (2, 5, 4), "Wq": (4, 3), "Wk": (4, 3), "Wv": (4, 3)}
check.grad(from_tokens, from_tokens_backward, {name: rng.standard_normal(size) for name, size in sizes.items()})

# %% [markdown]
# Here they are, of one head of a trained model: from D = 48 numbers to d = 12. (`qkv.weight` holds those of all its
# four heads side by side.) *Will a patch still look at itself most?*

# %%
model = ViT.load(TRAINED_DIGITS)  # a small ViT, trained on the 8,000 digits (chapter 13 trains such a one)
p = {name: array.astype(np.float64) for name, array in model.params.items()}
Wq, Wk, Wv = p["blocks.0.attn.qkv.weight"].reshape(48, 3, 4, 12)[:, :, 1].swapaxes(0, 1)  # head 1 of block 0
bq, bk, bv = p["blocks.0.attn.qkv.bias"].reshape(3, 4, 12)[:, 1]
digit = model.normalize(digits.train_images[1:2])
z = layers.Chain(*model.layers.parts[0].parts[:4])(
    ops, p, digit.astype(np.float64)
)  # the class token, then the patches
x = layernorm_forward(z, p["blocks.0.norm1.weight"], p["blocks.0.norm1.bias"])[0]  # (1, 50, 48)
learned = attention_weights((x @ Wq + bq)[:, None], (x @ Wk + bk)[:, None])[0, 0]  # (50, 50), by (13)
check.close(model.attention(digit)[0, 0, 1], learned, "P, the model against (13)", tol=1e-4)
draw.matrices(
    [("Wq", Wq), ("Wk", Wk), ("Wv", Wv), {"title": "P of the 49 patches", "array": learned[1:, 1:], "rows": "query", "columns": "key"}],
    share=False, diverging=True,
    alt="Three matrices of 48 by 12, red and blue, different from each other: the learned maps to queries, keys and values. And the "
    "weights P of the 49 patches: a few columns are dark in many rows, the diagonal does not stand out.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The three matrices share nothing: what is looked for, what is offered and what is handed
# over are learned apart. (2) So a patch has no reason to look at itself, and P is not nearly symmetric. (3) Dark
# columns are patches that many ask for. Chapter 14 looks at what the heads have learned.
#
# ## What it costs
#
# S and P have N² entries, for every head of every image. This is the reason for patches (chapter 01):

# %%
for what, N in (
    ("a digit, patches of 4 × 4", 49),
    ("224 × 224, of 16 × 16, and a class token", 197),
    ("each pixel of it", 50_177),
):
    print(f"{what:<41} N = {N:>6,}   N² = {N * N:>13,}   {4 * N * N / 1e6:>9,.2f} MB in float32")

# %% [markdown]
# With pixels as tokens, the weights of one head for one image would fill 10 GB; ViT-Base has 12 heads in each of 12
# blocks. In its parameters attention knows nothing of N: the same parameters serve 197 tokens or 785 (14² + 1 or
# 28² + 1), so a model can read larger images than it was trained on. And chapter 25 shows how a GPU computes `out`
# without ever storing S or P.

# %% [markdown] exercise="Before you compute" kind="predict" stars=1 minutes=6
# There are N = 49 tokens with random q, k and v.
#
# 1. One query is all zeros. Which `weight` does it give to each key? (A number, or a formula such as `1 / 7`.)
# 2. The same vector c is added to *every key*. Does out change? (`True` or `False`, as `keys_matter`.)
# 3. The same vector c is added to *every value*. What is added to each row of out? (`"nothing"`, `"c"` or `"49 c"`, as
#    `added`.)
# 4. All queries are multiplied by 2. Do the weights become `"sharper"`, `"flatter"`, or stay the `"same"`? (`doubled`)

# %% role="solution"
# YOUR TURN
weight = 1 / 49
keys_matter = False
added = "c"
doubled = "sharper"
# END

# %% role="check"
tokens = rng.standard_normal((3, 1, 1, 49, 16))
q_, k_, v_ = tokens
c = rng.standard_normal(16)
plain = attention_forward(q_, k_, v_)[0]
check.answer(
    weight, float(attention_weights(0 * q_, k_)[0, 0, 0, 0]), "weight", tol=0.01,
    reasons={0: "the scores are 0, but exp(0) is 1, and a row sums to 1", 1: "a row of weights sums to 1",
             0.02: "nearer, please: as a fraction"},
)  # fmt: skip
check.answer(
    keys_matter, not np.allclose(attention_forward(q_, k_ + c, v_)[0], plain), "keys_matter",
    reasons={True: "every score of row n grows by the same q_n · c: what does softmax make of that?"},
)  # fmt: skip
check.answer(
    added, "c" if np.allclose(attention_forward(q_, k_, v_ + c)[0], plain + c) else "?", "added",
    reasons={"nothing": "out is a mean of the values", "49 c": "the weights of a row sum to 1"},
)  # fmt: skip
peak = [attention_weights(f * q_, k_).max(-1).mean() for f in (1, 2)]
check.answer(
    doubled, "sharper" if peak[1] > peak[0] else "flatter", "doubled",
    reasons={"same": "softmax does not see a number that is added; one that multiplies, it does"},
)  # fmt: skip

# %% [markdown] role="hint"
# Write the score $q_n \cdot (k_m + c) / \sqrt d$ as a sum of two terms. Which one depends on m? For 3, put $V_{mi} +
# c_i$ into equation (3). For 4: twice the scores is half the temperature.

# %% role="wrong"
{
    "rounded": ("weight = 1 / 49", "weight = 0.02", "as a fraction"),
    "no score, no weight": ("weight = 1 / 49", "weight = 0", "exp(0) is 1"),
    "keys matter": ("keys_matter = False", "keys_matter = True", "grows by the same"),
    "summed, not averaged": ('added = "c"', 'added = "49 c"', "sum to 1"),
    "scale does not matter": ('doubled = "sharper"', 'doubled = "same"', "one that multiplies"),
}

# %% [markdown] exercise="A learned temperature" kind="build" stars=2 minutes=18
# Some models do not divide by √d, but multiply the scores by a number t that is learned like a weight (so does Swin
# Transformer V2, [arXiv 2111.09883](https://arxiv.org/abs/2111.09883), which also brings q and k to length 1):
#
# $$\begin{aligned} S &= t\, Q K^\top \\
# P &= \text{softmax}(S) \\
# \text{out} &= P V \end{aligned}$$
#
# Write the forward and the backward; you may use `softmax_forward` and `softmax_backward`. Here the queries may come
# from one image and keys and values from another: q is (B, H, N, d), k and v are (B, H, M, d), t is one number.
# Return `out, cache`, and `dq, dk, dv, dt`.


# %% role="solution"
def heated_forward(q, k, v, t):
    """q (B, H, N, d), k and v (B, H, M, d), t a number -> out (B, H, N, d), cache."""
    # YOUR TURN
    dots = q @ k.swapaxes(-1, -2)
    P, _ = softmax_forward(t * dots)
    return P @ v, (q, k, v, t, dots, P)
    # END


def heated_backward(dout, cache):
    """dout (B, H, N, d) -> dq, dk, dv of the shapes of q, k, v, and dt, a number."""
    # YOUR TURN
    q, k, v, t, dots, P = cache
    dv = P.swapaxes(-1, -2) @ dout
    dS = softmax_backward(dout @ v.swapaxes(-1, -2), P)
    dq = t * dS @ k
    dk = t * dS.swapaxes(-1, -2) @ q
    dt = (dS * dots).sum()
    return dq, dk, dv, dt
    # END


# %% role="check"
odd = {"q": rng.standard_normal((2, 2, 4, 3)), "k": rng.standard_normal((2, 2, 5, 3)),
       "v": rng.standard_normal((2, 2, 5, 3)), "t": np.array(1.3)}  # fmt: skip
by_hand = odd["q"] @ odd["k"].swapaxes(-1, -2)
check.close(
    heated_forward(*odd.values())[0], softmax_forward(1.3 * by_hand)[0] @ odd["v"], "out",
    mistakes={"The scores are also divided by √d.": softmax_forward(1.3 / np.sqrt(3) * by_hand)[0] @ odd["v"],
              "The scores are divided by t, not multiplied.": softmax_forward(by_hand / 1.3)[0] @ odd["v"]},
)  # fmt: skip


def t_twice(dout, _):
    dS = softmax_backward(dout @ odd["v"].swapaxes(-1, -2), softmax_forward(1.3 * by_hand)[0])
    return 0, 0, 0, 1.3 * (dS * by_hand).sum()


known = {"dt is t times too large: in S = t D, the factor of t is D, not S.": t_twice}
check.grad(heated_forward, heated_backward, odd, mistakes=known)

# %% [markdown] role="hint"
# The number t reaches every score: $S_{nm} = t\, D_{nm}$ with $D = QK^\top$, so $dt = \sum_{b,h,n,m} dS_{nm} D_{nm}$.
# Keep D in the cache. For dq and dk, t takes the place of $1/\sqrt d$.

# %% role="wrong"
{
    "still the square root": ("softmax_forward(t * dots)", "softmax_forward(t * dots / np.sqrt(q.shape[-1]))", "divided by √d"),
    "the pair, not its result": ("P, _ = softmax_forward(t * dots)", "P = softmax_forward(t * dots)", "Is [0] missing?"),
    "t forgotten in dq": ("dq = t * dS @ k", "dq = dS @ k", "a factor is missing"),
    "scores that hold t already": ("dt = (dS * dots).sum()", "dt = (dS * t * dots).sum()", "t times too large"),
    "dt not summed": ("(dS * dots).sum()", "dS * dots", "dt: the shape is"),
}  # fmt: skip

# %% [markdown] exercise="Weights that look fine" kind="break" stars=2 minutes=8
# A colleague's weights are positive and sum to 1, in a way. There are two mistakes. Mend both; q and k are (B, H, N,
# d).


# %% role="broken"
def weights_colleague(q, k):
    S = q @ k.swapaxes(-1, -2)
    E = np.exp(S - S.max(axis=-2, keepdims=True))
    return E / E.sum(axis=-2, keepdims=True)


# %% role="solution"
def weights_colleague(q, k):
    S = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    E = np.exp(S - S.max(axis=-1, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


# %% role="check"
q_, k_ = rng.standard_normal((2, 2, 3, 7, 5))
bare = q_ @ k_.swapaxes(-1, -2)


def half_mended(S):  # the sum is over the keys, the maximum still over the queries
    E = np.exp(S - S.max(axis=-2, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


half = "The maximum is taken over the queries: it cancels only if a row loses one number."
check.close(
    weights_colleague(q_, k_), attention_weights(q_, k_), "weights",
    mistakes={half: half_mended(bare / np.sqrt(5)),
              half + " And the scores are not divided by √d.": half_mended(bare),
              "The scores are not divided by the square root of d.": softmax_forward(bare)[0],
              "The scores are divided by d, not by its square root.": softmax_forward(bare / 5)[0],
              "Divided by √N: d is the last axis of q.": softmax_forward(bare / np.sqrt(7))[0]},
)  # fmt: skip
with np.errstate(over="ignore", invalid="ignore"):
    large = weights_colleague(1e4 * q_, k_)
check.close(large, attention_weights(1e4 * q_, k_), "large scores")

# %% [markdown] role="hint"
# Print `weights_colleague(q, k).sum(-1)` and `.sum(-2)`: which of them must be 1, if each query shares out its
# attention? Then draw a row. Is it as sharp as that of `attention_weights`?

# %% role="wrong"
{
    "no square root": (" / np.sqrt(q.shape[-1])", "", "not divided by the square root of d"),
    "softmax over the queries": ("E / E.sum(axis=-1, keepdims=True)", "E / E.sum(axis=-2, keepdims=True)", "Columns sum to 1"),
    "the sum's axis alone": ("S.max(axis=-1", "S.max(axis=-2", "The maximum is taken over the queries"),
    "√N for √d": ("q.shape[-1]", "q.shape[-2]", "Divided by √N"),
    "the maximum forgotten": ("S - S.max(axis=-1, keepdims=True)", "S", "large scores  max|Δ| nan"),
}  # fmt: skip

# %% [markdown] exercise="Nobody looks at nothing" kind="break" stars=2 minutes=8
# More than half of a digit's patches are empty. Nobody should look at them. A **mask** does it: to the score of each
# forbidden key, −∞ is added before the softmax, and $e^{-\infty} = 0$. In the library this is the fourth argument,
# `bias`, of shape (H, N, N), which is added to S.
#
# Below, `ink` (N,) is `True` for patches with ink. The function runs, the weights sum to 1, and it is wrong. (Even
# libraries do not agree: in PyTorch, `True` in a mask means "may be looked at" for `scaled_dot_product_attention`, and
# "must not" for `MultiheadAttention`.) Find the mistake and mend it.


# %% role="broken"
def attention_to_ink(q, k, v, ink):
    bias = np.where(ink, -np.inf, 0.0)  # (N,)
    bias = np.broadcast_to(bias, (q.shape[1], len(ink), len(ink)))  # (H, N, N), the last axis: keys
    return attention_forward(q, k, v, bias)[0]


# %% role="solution"
def attention_to_ink(q, k, v, ink):
    bias = np.where(ink, 0.0, -np.inf)  # (N,)
    bias = np.broadcast_to(bias, (q.shape[1], len(ink), len(ink)))  # (H, N, N), the last axis: keys
    return attention_forward(q, k, v, bias)[0]


# %% role="check"
ink = patches[0].any(-1)
q_, k_, v_ = rng.standard_normal((3, 1, 2, 49, 5))  # one image, two heads
only = [attention_forward(q_, k_[:, :, of], v_[:, :, of])[0] for of in (ink, ~ink)]
check.close(
    attention_to_ink(q_, k_, v_, ink), only[0], "out",
    mistakes={"The mask is inverted: only the empty patches are looked at.": only[1],
              "The mask does nothing: all patches are looked at.": attention_forward(q_, k_, v_)[0],
              "The scores of forbidden keys are set to 0, not to −∞: e⁰ is 1.":
                  softmax_forward(q_ @ k_.swapaxes(-1, -2) / np.sqrt(5) * ink)[0] @ v_,
              "The weights are masked after the softmax: the rows no longer sum to 1.":
                  attention_weights(q_, k_) * ink @ v_},
)  # fmt: skip

# %% [markdown] role="hint"
# Whose weight becomes 0: the one whose score has −∞ added, or the one with 0? `np.where(condition, a, b)` gives `a`
# where the condition is `True`.

# %% role="wrong"
{
    "inverted": ("np.where(ink, 0.0, -np.inf)", "np.where(ink, -np.inf, 0.0)", "The mask is inverted"),
    "no mask": ("np.where(ink, 0.0, -np.inf)", "np.where(ink, 0.0, 0.0)", "The mask does nothing"),
    "after the softmax": (
        "return attention_forward(q, k, v, bias)[0]", "return attention_weights(q, k) * ink @ v", "after the softmax"),
    "a score of 0": (
        "return attention_forward(q, k, v, bias)[0]",
        "return softmax_forward(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) * ink)[0] @ v",
        "set to 0, not to −∞",
    ),
}  # fmt: skip

# %% [markdown] exercise="In two parts" kind="further" stars=3 minutes=20
# Must the whole row of scores be there before the softmax? No. Suppose that the keys come in parts. Of each part,
# `part` keeps three things for every query: the largest score `m`, the sum `l` of $e^{S - m}$, and `o`, the sum of
# $e^{S - m}\, v$, not yet divided. Write `merge(first, second)`, which makes of two such triples the triple that
# `part` would give for both parts together, without seeing a score or a value again. In the end, out = o / l.
# (Chapter 25 builds a GPU kernel on this.)


# %% role="given"
def part(q, k, v):
    """q (N, d), k and v (M, d) -> m (N, 1), l (N, 1), o (N, d)."""
    S = q @ k.T / np.sqrt(q.shape[-1])
    m = S.max(-1, keepdims=True)
    E = np.exp(S - m)
    return m, E.sum(-1, keepdims=True), E @ v


# %% role="solution"
def merge(first, second):
    """Two triples (m, l, o), as `part` returns them -> the triple of both parts together."""
    # YOUR TURN
    m1, l1, o1 = first
    m2, l2, o2 = second
    m = np.maximum(m1, m2)
    f1, f2 = np.exp(m1 - m), np.exp(m2 - m)
    return m, f1 * l1 + f2 * l2, f1 * o1 + f2 * o2
    # END


# %% role="check"
q_, k_, v_ = 3 * rng.standard_normal((3, 9, 4))
q_[0] *= 300  # its scores are in the thousands
a, b = part(q_, k_[:2], v_[:2]), part(q_, k_[2:], v_[2:])
_, l_, _ = part(q_, k_, v_)
for i, (ours, expected) in enumerate(zip(merge(a, b), part(q_, k_, v_), strict=True)):
    known = {"Added as they are, but each part was made with a maximum of its own.": a[i] + b[i],
             "That is the first part's.": a[i], "That is the second part's.": b[i]}  # fmt: skip
    if i == 2:
        known["This o is already divided by l; it should be the sum, so that a third part can be added."] = (
            expected / l_
        )
    check.close(ours, expected, "mlo"[i], mistakes=known)
third = merge(merge(part(q_, k_[:2], v_[:2]), part(q_, k_[2:3], v_[2:3])), part(q_, k_[3:], v_[3:]))
expected = attention_forward(*(a[None, None] for a in (q_, k_, v_)))[0][0, 0]
check.close(third[2] / third[1], expected, "out, from three parts")

# %% [markdown] role="hint"
# $e^{S - m} = e^{S - m_1}\, e^{m_1 - m}$: a sum that was made with another maximum is right but for a factor. Which
# maximum do both parts together have? No exponent may be positive, or it can overflow.

# %% role="wrong"
{
    "added as they are": ("f1 * l1 + f2 * l2, f1 * o1 + f2 * o2", "l1 + l2, o1 + o2", "a maximum of its own"),
    "already divided": ("f1 * o1 + f2 * o2", "(f1 * o1 + f2 * o2) / (f1 * l1 + f2 * l2)", "already divided by l"),
    "o not rescaled": ("f1 * o1 + f2 * o2", "o1 + o2", "a maximum of its own"),
    "the wrong way round": ("np.exp(m1 - m), np.exp(m2 - m)", "np.exp(m2 - m), np.exp(m1 - m)", "l  max|Δ|"),
    "the first maximum": ("np.maximum(m1, m2)", "m1", "the first part's"),
}

# %% [markdown]
# ## What you can do now
#
# - Say what query, key and value do, and write attention as three lines of matrices, with softmax along the right axis.
# - Say why the maximum is taken away and why √d is divided by, and what goes wrong without.
# - Derive dQ, dK and dV, and recognise in the softmax's backward the mean that is taken away from each row.
#
# [The live page](../docs/live.md), `python -m minivit live`, shows every head's attention for what you draw, also without √d.
#
# In the library: `minivit/ops/attention.py` and `minivit/ops/softmax.py`. As CUDA kernels: `kernels/attention.cu`.
# Source: A. Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.2.
