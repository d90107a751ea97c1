# ---
# title: A pyramid with fewer keys
# question: How can every token look at the whole picture, and not at every token?
# sentence: A square of tokens makes one key, maps get coarser stage by stage, patches overlap; PVT's three ideas, each with its backward, what they save, and who tells a token where it is.
# minutes: 75
# needs: [1, 2, 6, 7, 15]
# gpu: of no use
# ---

# %% [markdown]
# In chapter 07 every token asks every other. The 49 patches of a digit can afford it. But whoever looks for small things in a
# photograph wants small patches, and patches of 4 × 4 pixels make 3,136 tokens of it: ten million pairs, in each head of each
# layer. The **Pyramid Vision Transformer**, PVT (Wang et al., [arXiv 2102.12122](https://arxiv.org/abs/2102.12122)), lets all
# tokens ask, and has few answer: a *square* of tokens makes one key. And stage by stage it goes over to coarser maps, as a
# CNN does.

# %% role="setup"
import json
import os
import time
from dataclasses import replace

import numpy as np
from PIL import Image

from minivit import PVT, PVTConfig, check, count_parameters, draw, evaluate, load_mnist, ops
from minivit.data import INDUCTIVE_BIAS, PHOTOGRAPHS
from minivit.devices.workers import worker_pool
from minivit.family.pvt import block, embedding, reduced_attention
from minivit.layers import Chain
from minivit.ops import attention_backward, attention_forward, layernorm_backward, layernorm_forward
from minivit.train import TrainConfig, Trainer
from minivit.train.recipes import recipe

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)

# %% [markdown]
# ## The picture first
#
# A photograph of 224 × 224 pixels becomes four maps, one after the other. In the first, a token stands for 4 × 4 pixels;
# each further one has half as many rows and columns. In the four stages a key is made of 8 × 8, 4 × 4, 2 × 2 and 1 × 1
# tokens. *Predict: how many tokens has each map, and how many keys?*

# %%
photograph = np.asarray(Image.open(PHOTOGRAPHS["cat"])) / 255  # (224, 224, 3)


def coarse(side):
    """Each square of side × side pixels in its mean colour."""
    squares = photograph.reshape(224 // side, side, 224 // side, side, 3).mean(axis=(1, 3))
    return squares.repeat(side, axis=0).repeat(side, axis=1)


draw.digits(
    np.stack([coarse(side) for side in (4, 8, 16, 32, 32)]),
    ["56 × 56 tokens", "28 × 28", "14 × 14", "7 × 7", "the keys\nof all four"], columns=5, side=1.5,
    alt="A cat five times, in squares of one colour each: 56 by 56 squares, in which all can be seen, 28 by 28, 14 by 14, and 7 by "
    "7, in which nothing can; then the keys of all four stages, the same 7 by 7 squares.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The map gets coarser, and the keys stay: 8 · 4, 4 · 8, 2 · 16 and 1 · 32 pixels are the side of the
# same square. Each stage has 49 keys. (2) So a token of the first stage compares itself with 49 pieces of the picture, and not
# with 3,136. It still hears of all of it, only less sharply. (Colours are a stand-in: a token is a vector, and what a key
# keeps of its square is learned.) (3) There are four maps to choose from. A detector takes them all: small things are found
# in fine ones, large things in coarse ones.
#
# ## The shapes
#
# | symbol | meaning | first stage | here |
# |---|---|---|---|
# | g | rows and columns of the map: N = g² tokens | 56: 3,136 | 7: 49 |
# | R | side of the square that makes a key | 8 | 2 |
# | M | keys: ⌊g / R⌋² | 49 | 9 |
# | D | width, all of it one head | 64 | 6 |
# | x, y | tokens, in reading order | (B, N, D) | (2, 49, 6) |
# | r | the reduced tokens | (B, M, D) | (2, 9, 6) |
# | S | scores | (B, N, M) | (2, 49, 9) |
# | P, s | side of an overlapping patch, and its stride | 7, 4 | 3, 2 |
#
# ## The idea
#
# Queries come from tokens, as ever. Keys and values come from squares: R · R tokens side by side are one long row, a dense
# layer $W _s$ makes D numbers of it, and a LayerNorm follows. It is a patch embedding (chapter 02) whose "pixels" are tokens.
# Then comes attention, with N queries and M keys. As a loop over squares:


# %%
def sra_loop(x, Wq, Ws, gamma, beta, Wkv, g, R):
    """One image x (g·g, D): each token asks, each square of R × R tokens answers."""
    reduced = []
    for a in range(g // R):
        for b in range(g // R):
            square = [x[(R * a + i) * g + R * b + j] for i in range(R) for j in range(R)]
            reduced.append(layernorm_forward(np.concatenate(square) @ Ws, gamma, beta)[0])
    k, v = np.split(np.stack(reduced) @ Wkv, 2, axis=-1)
    return attention_forward(x @ Wq, k, v)[0]


# %% [markdown]
# The array version cuts all squares at once, by chapter 01's patchify. If R does not divide g, a row and a column are left
# over and make no key: $7 = 3 \cdot 2 + 1$.


# %%
def squares(x, g, R):
    """(B, g·g, D) -> (B, M, R·R·D)"""
    whole = g // R * R
    return ops.patchify_forward(x.reshape(len(x), g, g, -1)[:, :whole, :whole], (R, R))[0]


def sra(x, Wq, Ws, gamma, beta, Wkv, g, R):
    """Spatial-reduction attention. x (B, g·g, D) -> y (B, g·g, D), and what the backward needs."""
    z = squares(x, g, R)
    r, norm = layernorm_forward(z @ Ws, gamma, beta)
    k, v = np.split(r @ Wkv, 2, axis=-1)
    y, cache = attention_forward(x @ Wq, k, v)
    return y, (x, Wq, Ws, Wkv, z, r, norm, cache, g, R)


def weights(D, R):
    shapes = (D, D), (R * R * D, D), (D,), (D,), (D, 2 * D)
    return [rng.standard_normal(shape) / np.sqrt(shape[0]) for shape in shapes]


# %%
x, W = rng.standard_normal((2, 49, 6)), weights(6, 2)
y, _ = sra(x, *W, 7, 2)
check.close(y[1], sra_loop(x[1], *W, 7, 2), "arrays against the loop")

sizes = {"widths": (6,), "depths": (1,), "heads": (1,), "strides": (4,), "patch_sizes": (7,), "mlp_ratios": (1,)}
config = PVTConfig(image_size=28, reductions=(2,), embed_eps=1e-6, **sizes)
names = "q.weight", "sr.weight", "norm.weight", "norm.bias", "kv.weight"
given = {f"sra.{name}": array for name, array in zip(names, W, strict=True)} | {"sra.proj.weight": np.eye(6)}
given |= {f"sra.{name}.bias": np.zeros(n) for name, n in (("q", 6), ("sr", 6), ("kv", 12), ("proj", 6))}
theirs, _ = reduced_attention(config, config.stages[0], "sra").forward(ops, given, x)
check.close(y, theirs, "the library's, whose other parameters do nothing here")

# %% [markdown]
# ## The backward
#
# *By index*, for one image. Let token $t$ lie in square $m(t)$, at slot $u(t)$ of its R · R, and let $W _u$ be the D rows of
# $W _s$ that slot $u$ meets. Without the norm, the forward is
#
# $$\begin{aligned} r _m &= \sum _{t\,:\, m(t) = m} x _t\, W _{u(t)} \\
# S _{tm} &= \tfrac{1}{\sqrt D}\; q _t \cdot k _m \end{aligned} \tag{1, 2}$$
#
# The scores are N × M now. A key is asked by *all* tokens, so its gradient is a sum over N, and a query's one over M:
#
# $$\begin{aligned} dk _m &= \tfrac{1}{\sqrt D} \sum_t dS _{tm}\, q _t \\
# dq _t &= \tfrac{1}{\sqrt D} \sum_m dS _{tm}\, k _m \end{aligned} \tag{3, 4}$$
#
# A token has two ways out: its own query, and the one square that it lies in. A slot's weights serve all squares:
#
# $$dx _t = dq _t\, W _q^\top + dr _{m(t)}\, W _{u(t)}^\top \tag{5}$$
#
# $$dW _u = \sum_m x _{t(m,u)}^\top\, dr _m \tag{6}$$
#
# Where a token lies in no square, the second term of (5) is missing: it asks, and nobody asks it.
#
# *In matrix form*: let $z = \Pi x$ be the cutting, a permutation if nothing is left over. Then $r = zW _s$, and
#
# $$dW _s = z^\top dr \tag{7}$$
#
# $$dx = dq\,W _q^\top + \Pi^\top (dr\,W _s^\top) \tag{8}$$
#
# *In code*, $\Pi^\top$ is to put the squares back into a map of zeros:


# %%
def squares_backward(dz, g, R):
    whole = g // R * R
    dx = np.zeros((len(dz), g, g, dz.shape[-1] // R**2))
    dx[:, :whole, :whole] = ops.unpatchify(dz, (whole, whole), (R, R))
    return dx.reshape(len(dz), g * g, -1)


def sra_backward(dy, cache):
    x, Wq, Ws, Wkv, z, r, norm, kept, g, R = cache
    dq, dk, dv, _ = attention_backward(dy, kept)  # (3), (4): chapter 07, with M keys
    dkv = np.concatenate((dk, dv), axis=-1)
    dr, dgamma, dbeta = layernorm_backward(dkv @ Wkv.T, norm)
    dx = dq @ Wq.T + squares_backward(dr @ Ws.T, g, R)  # (8)
    dWq, dWs, dWkv = ((a.swapaxes(1, 2) @ b).sum(axis=0) for a, b in ((x, dq), (z, dr), (r, dkv)))  # (7)
    return dx, dWq, dWs, dgamma, dbeta, dWkv


# %%
small = [rng.standard_normal((2, 25, 3)), *weights(3, 2)]  # 5 × 5 tokens: four squares, and nine that are in none
named = dict(zip(("x", "Wq", "Ws", "gamma", "beta", "Wkv"), small, strict=True))
check.grad(lambda *arrays: sra(*arrays, 5, 2), sra_backward, named)

# %% [markdown]
# ## What it saves
#
# Count multiplications. Queries cost $ND^2$, and so does the dense layer behind the attention, which we left out. So does the
# reduction, whatever R is: M squares of $R^2 D$ numbers are the same $ND$ numbers. Keys and values are M each, pairs are NM,
# and each pair costs D for its score and D for its part in the mean:
#
# $$3ND^2 + 2MD^2 + 2NMD \tag{9}$$
#
# With R = 1 there is nothing to reduce, and the first term is $2ND^2$. *Predict: with 3,136 tokens, 64 wide, and R = 8, by
# which factor does this shrink? And which term is then the largest?*


# %%
def multiplications(N, R, D=64):
    M = N // R**2
    return (3 if R > 1 else 2) * N * D**2, 2 * M * D**2, 2 * N * M * D


for R in (1, 2, 4, 8):
    terms = multiplications(3136, R)
    print(f"R {R}: {sum(terms) / 1e6:7.1f} million, of which for pairs {terms[2] / sum(terms):.0%}")


# %%
def milliseconds(side, R, D=64):
    x = rng.standard_normal((1, side**2, D)).astype(np.float32)
    W = [array.astype(np.float32) for array in weights(D, R)]
    spent = []
    for _ in range(4):
        start = time.process_time()
        y, cache = sra(x, *W, side, R)
        sra_backward(y, cache)
        spent.append(time.process_time() - start)
    return 1000 * min(spent)


sides = (8, 16, 32) if FAST else (8, 16, 32, 56)
draw.lines(
    {f"R = {R}": ([side**2 for side in sides], [milliseconds(side, R) for side in sides]) for R in (1, 2, 4, 8)},
    xlabel="tokens", ylabel="CPU milliseconds, there and back", logx=True, logy=True,
    alt="Four lines on logarithmic axes: CPU time of the chapter's attention against tokens, 64 to 3,136. With 64 tokens R 8 is "
    "slowest. R 1 rises most steeply, and with 3,136 tokens lies ten times and more above R 8, which is lowest there.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) R = 1 is the steepest: there the time grows with the square of the tokens. (2) With 3,136 tokens,
# R = 8 is many times faster. `docs/experiments.md` has the library's times: a twentieth. (3) With few tokens there is nothing
# to save: with 64, R = 8 is slowest, whose $W _s$ has $R^2D^2$ = 262,144 weights, to make one key. So stages with small maps
# have a small R, and the last one has 1.
#
# ## Patches that overlap
#
# Version 2 ([arXiv 2106.13797](https://arxiv.org/abs/2106.13797)) cuts each map so that patches see their neighbours'
# edges: squares of P × P, whose corners lie $s < P$ apart, with $h = \lfloor P/2 \rfloor$ zeros around the picture:
#
# $$\begin{aligned} y _{(i,j),\,(u,v,c)} &= x _{\rho,\,\sigma,\,c} \quad\text{with} \\
# \rho &= si + u - h \\
# \sigma &= sj + v - h \end{aligned} \tag{10}$$
#
# A pixel now goes to several places, so its gradient is a sum over these: all $i, u$ that lead to its row, and all $j, v$
# that lead to its column:
#
# $$dx _{\rho,\,\sigma,\,c} = \sum _{i,u} \sum _{j,v} dy _{(i,j),\,(u,v,c)} \tag{11}$$
#
# with ρ and σ as in (10).
#
# *In matrix form* $y = \Pi x$ and $dx = \Pi^\top dy$ again, but a column of $\Pi$ has as many ones as patches hold the pixel.
# *In code* a loop over the P · P slots, not over the patches: slot (u, v) of all patches is one slice with stride s.


# %%
def overlapping(x, P, s):
    """(B, height, width, C) -> (B, rows, columns, P, P, C), and the cache."""
    h, (B, height, width, C) = P // 2, x.shape
    rows, columns = ((n + 2 * h - P) // s + 1 for n in (height, width))
    padded = np.pad(x, ((0, 0), (h, h), (h, h), (0, 0)))
    y = np.empty((B, rows, columns, P, P, C))
    for u, v in np.ndindex(P, P):
        y[:, :, :, u, v] = padded[:, u : u + s * rows : s, v : v + s * columns : s]  # (10)
    return y, (padded.shape, P, s)


def overlapping_backward(dy, cache):
    shape, P, s = cache
    dpadded, h = np.zeros(shape), P // 2
    for u, v in np.ndindex(P, P):
        dpadded[:, u : u + s * dy.shape[1] : s, v : v + s * dy.shape[2] : s] += dy[:, :, :, u, v]  # (11)
    return dpadded[:, h : shape[1] - h, h : shape[2] - h]


# %%
picture = rng.standard_normal((2, 5, 6, 2))
check.grad(lambda x: overlapping(x, 3, 2), lambda dy, cache: (overlapping_backward(dy, cache),), {"x": picture})
y, _ = overlapping(picture, 3, 2)
check.close(y.reshape(2, 9, 18), ops.overlapping_patches_forward(picture, 3, 2)[0], "the library's patches")


def held(P, s):
    y, cache = overlapping(np.zeros((1, 28, 28, 1)), P, s)
    return overlapping_backward(np.ones_like(y), cache)[0, :, :, 0]  # each patch gives each of its pixels a 1


draw.matrices(
    [(f"patches of {P}, {s} apart", held(P, s)) for P, s in ((4, 4), (7, 4), (3, 2))],
    alt="Three maps of 28 by 28 pixels: in how many patches each pixel lies. Patches of 4, 4 apart: one everywhere. Of 7, 4 "
    "apart: a pattern of ones, twos and fours. Of 3, 2 apart: the same, finer. Fours make squares, or dots.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) In version 1's way every pixel has one patch. (2) With 7 and 4 most have four: their gradients are
# sums of four. (3) Patches of 3, 2 apart: a quarter of the pixels lie in one alone, a quarter in four, all others in two.
#
# ## Who tells a token where it is?
#
# Version 1 adds a learned table in each stage, with all that this means for another size (chapter 16). Version 2 has *no*
# positions. But its MLP has, between its two dense layers, a 3 × 3 convolution, channel by channel, and zeros around the
# map: a token at the border notices them. To see it, feed an untrained model a picture that is the same all over, and ask
# which tokens differ from the one in the middle. *Predict: what will three blocks do to it?*

# %%
sizes |= {"widths": (16,), "depths": (3,), "mlp_ratios": (2,)}
config = PVTConfig(image_size=56, channels=1, classes=0, reductions=(2,), **sizes)
model, plain = PVT(config, dtype=np.float64, init="fan_in"), np.ones((1, 56, 56, 1))
layers, maps = embedding(config, 0), []
for i in range(4):
    chain = Chain(*layers)
    tokens, _ = chain.forward(ops, model.arrays(chain), plain)
    tokens = tokens.reshape(14, 14, 16)
    maps.append(np.abs(tokens - tokens[7, 7]).max(axis=-1) > 1e-9)
    layers.append(block(config, 0, i) if i < 3 else None)
draw.matrices(
    [("patches alone", maps[0]), *((f"{i} block{'s' * (i > 1)}", maps[i]) for i in (1, 2, 3))], colorbar=False, colormap="attention",
    alt="Four maps of 14 by 14 tokens. After the patches alone, the first row and the first column are dark. With each block "
    "the dark frame grows by one token on all sides; after three blocks it is four wide above and on the left, three below and on the right.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The first row and column know already: the zeros around the picture reach into their patches.
# (2) With each block the news travels on by one token. On a digit's map of 7 × 7 that is soon everywhere. (3) Attention does not
# spread it: tokens that are alike ask alike, and get the same answer.
#
# ## What it is worth
#
# Does a model read worse if its tokens look less sharply? Three that differ in the first stage's R alone: its map of a digit
# has 7 × 7 tokens, which makes 49 keys, 9, or a single one. Each learns from 1,000 digits, from three seeds. *Predict: how much
# worse is the one with one key?*

# %%
digits = load_mnist()


def train(R, seed):
    config = replace(recipe("pvt", None, "digits")[0], reductions=(R, 1))
    model, some = PVT(config, seed=seed, init="fan_in"), np.random.default_rng(seed).permutation(8000)[:1000]
    how = TrainConfig(epochs=6, batch_size=50, shard_size=50, learning_rate=0.01, shift=0, rotation=0, scale=0)
    trainer = Trainer(model, digits.train_images[some], digits.train_labels[some], how, seed)
    with worker_pool(1) as pool:
        for _ in range(2 if FAST else trainer.steps):
            trainer.step(pool)
    count = 100 if FAST else 2000
    return model, evaluate(model, digits.test_images[:count], digits.test_labels[:count])[1]


for R in (1, 2, 7):
    found = [train(R, seed) for seed in range(1 if FAST else 3)]
    each = ", ".join(f"{100 * accuracy:.1f}" for _, accuracy in found)
    print(f"R {R}, keys {(7 // R) ** 2:2}: {each} % with {count_parameters(found[0][0].config):,} parameters")

# %% [markdown]
# With one key there is nothing to weigh: its weight is 1 for every token, whatever that asks. Yet this model is not behind.
# Its $W _s$ reads the whole map at once and tells all tokens the same; and the second stage, of 4 × 4 tokens and R = 1, looks at
# everything in any case. (Nine keys are the worst of the three, on a map that 2 does not divide. From 120 steps and three
# seeds not much follows.) Who looks where need not be what a model lives on: take it away and measure.
#
# So what is a PVT worth? In chapter 15's race of models with about 60,000 parameters, with 1,000 digits and 600 steps:

# %%
races = json.loads(INDUCTIVE_BIAS.read_text(encoding="utf-8"))  # a dict for each training
NAMES = {"CNN": "resnet", "PVT": "pvt", "Swin": "swin", "ViT, 16\npatches": "vit", "ViT, 49\npatches": "vit49"}
found = {}
for name, architecture in NAMES.items():
    runs = [run for run in races if run["architecture"] == architecture and run["images"] == 1000]
    found[name] = [100 * run["accuracy"] for run in runs if run["data"] == "digits" and not run["augmented"]]
means = {name: np.mean(values) for name, values in found.items()}
print("seeds:", {" ".join(name.split()): len(values) for name, values in found.items()})
draw.bars(
    means, errors={name: np.abs(np.array(found[name]) - mean).max() for name, mean in means.items()}, mark=["PVT"],
    ylabel="test digits read right (%)", number="{:.1f}",
    alt="Five bars, with the spread of three seeds: the CNN 95, PVT 90, Swin 86, ViTs of 16 and of 49 patches 81 and 78.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) PVT lies between ViT and CNN. It has two kinds of convolution in it, the overlapping patches and the
# filters of its MLPs; which of them does it, this picture does not say. (2) It costs less than half the work of the ViT with 49
# patches, as many as its own first map has (`docs/experiments.md`).

# %% [markdown] exercise="What squares save" kind="predict" stars=1 minutes=7
# A picture of 512 × 512 pixels is cut into patches of 4 × 4, a token has 96 numbers, and R is 8. How many keys are there
# (`keys`)? How many pairs of query and key does a head compare (`pairs`)? How many numbers has the matrix $W _s$ that
# reduces (`weights_of_s`)? If the picture is twice as high and twice as wide, by which factor do the pairs grow (`growth`)?
# And by which, if instead of squares of fixed size there are always 7 × 7 keys (`growth_linear`), as in version 2's *linear*
# attention?

# %% role="solution"
# YOUR TURN
keys = 256
pairs = 4194304
weights_of_s = 589824
growth = 16
growth_linear = 4
# END

# %% role="check"
tokens = (512 // 4) ** 2
check.answer(
    keys, tokens // 8**2, "keys",
    reasons={16: "that is a row of them", tokens: "those are the tokens", tokens // 8: "a key is made of 8 · 8 tokens",
             49: "that is so for a picture of 224 × 224", (512 // 8) ** 2: "a square has 8 tokens a side, and a token 4 pixels",
             64: "so many tokens make a key"},
)  # fmt: skip
check.answer(
    pairs, tokens**2 // 8**2, "pairs",
    reasons={tokens**2: "all tokens ask, and each square answers: those are the pairs without a reduction",
             (tokens // 64) ** 2: "queries are not reduced: all tokens ask", tokens * 49: "that is with 7 × 7 keys",
             tokens: "those are the tokens: how many keys does each ask?", tokens**2 // 8: "a square is 8 · 8 tokens"},
)  # fmt: skip
check.answer(
    weights_of_s, 8**2 * 96**2, "weights_of_s",
    reasons={96**2: "that is one slot's block: a square has 64 slots", 8 * 96**2: "a square has 8 · 8 slots",
             8**2 * 96: "that is a filter for each channel by itself: here each of the 6,144 numbers of a square meets all 96",
             2 * 8**2 * 96**2: "keys and values are made later, of what was reduced",
             8**2 * 96**2 + 96: "a bias is not in the matrix", (8**2 * 96, 96): "that is its shape: how many numbers are these?", 256 * 8**2 * 96**2: "all squares share the matrix",
             256 * 96**2: "that is a block for each square: all squares share the matrix, which has one for each slot"},
)  # fmt: skip
check.answer(
    growth, 16, "growth",
    reasons={4: "there are four times as many tokens, and four times as many keys, too", 2: "that is one side",
             8: "queries grow by 4: and keys?", 1: "squares have a fixed number of tokens, not of keys", 64: "queries grow by 4: and keys?"},
)  # fmt: skip
check.answer(
    growth_linear, 4, "growth_linear",
    reasons={1: "the keys stay, the queries do not", 16: "the keys stay: only the queries grow", 2: "there are four times as many tokens"},
)  # fmt: skip

# %% [markdown] role="hint"
# The map has 128 × 128 tokens. All ask; 8 × 8 of them make a key. $W _s$ makes D numbers of $R^2 D$.

# %% role="wrong"
{
    "a row of keys": ("keys = 256", "keys = 16", "a row of them"),
    "not squared": ("keys = 256", "keys = 2048", "8 · 8 tokens"),
    "squares of pixels": ("keys = 256", "keys = 4096", "a token 4 pixels"),
    "pairs of all": ("pairs = 4194304", "pairs = 268435456", "without a reduction"),
    "pairs of keys": ("pairs = 4194304", "pairs = 65536", "queries are not reduced"),
    "one slot": ("weights_of_s = 589824", "weights_of_s = 9216", "one slot's block"),
    "a filter a channel": ("weights_of_s = 589824", "weights_of_s = 6144", "each channel by itself"),
    "for keys and values": ("weights_of_s = 589824", "weights_of_s = 1179648", "made later"),
    "as the tokens": ("growth = 16", "growth = 4", "four times as many keys, too"),
    "one side": ("growth = 16", "growth = 2", "that is one side"),
    "linear is constant": ("growth_linear = 4", "growth_linear = 1", "the queries do not"),
    "linear as squares": ("growth_linear = 4", "growth_linear = 16", "only the queries grow"),
}  # fmt: skip

# %% [markdown] exercise="Always as many keys" kind="build" stars=2 minutes=15
# Version 2's linear attention asks for m × m keys of a map of any size: key $(a, b)$ is made of the *mean* of the rows from
# $\lfloor a\,g/m \rfloor$ to before $\lceil (a+1)\,g/m \rceil$, where $g$ is the number of rows, and of the columns likewise.
# Where m does not divide a side, neighbours share a row or a column. Write this pooling and its backward.


# %% role="solution"
def pool(x, m):
    """A map x (B, rows, columns, D) -> (B, m, m, D)"""
    # YOUR TURN
    B, rows, columns, D = x.shape
    y = np.empty((B, m, m, D))
    for a, b in np.ndindex(m, m):
        down = slice(a * rows // m, -(-(a + 1) * rows // m))
        across = slice(b * columns // m, -(-(b + 1) * columns // m))
        y[:, a, b] = x[:, down, across].mean(axis=(1, 2))
    return y
    # END


def pool_backward(dy, rows, columns):
    """dy (B, m, m, D) -> dx (B, rows, columns, D)"""
    # YOUR TURN
    B, m, _, D = dy.shape
    dx = np.zeros((B, rows, columns, D))
    for a, b in np.ndindex(m, m):
        down = slice(a * rows // m, -(-(a + 1) * rows // m))
        across = slice(b * columns // m, -(-(b + 1) * columns // m))
        cells = dx[:, down, across]
        cells += dy[:, a, b][:, None, None] / (cells.shape[1] * cells.shape[2])
    return dx
    # END


# %% role="check"
def cells_of(n, m, last=lambda a, n, m: -(-(a + 1) * n // m)):
    """(m, n): 1 where cell n belongs to key m."""
    key, cell = np.arange(m)[:, None], np.arange(n)
    return ((cell >= key * n // m) & (cell < last(key, n, m))).astype(float)


def by(rows, columns, x):
    return np.einsum("ai,bj,nijd->nabd", rows, columns, x)


def mean_of(cells):
    return cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)


for height, width, m in ((5, 8, 3), (3, 4, 4), (6, 6, 2)):
    x = rng.standard_normal((2, height, width, 3))
    own = cells_of(height, m), cells_of(width, m)
    rows, columns = map(mean_of, own)
    cut = [mean_of(cells_of(n, m, lambda a, n, m: (a + 1) * n // m)) for n in (height, width)]
    equal = [mean_of(((c := np.arange(n)) // max(1, n // m) == np.arange(m)[:, None]) * 1.0) for n in (height, width)]
    short, long = (
        [mean_of(cells_of(n, m, lambda a, n, m, e=e: -(-(a + 1) * n // m) + e)) for n in (height, width)]
        for e in (-1, 1)
    )
    most = np.array([[x[:, i][:, :, j].max(axis=(1, 2)) for j in own[1] > 0] for i in own[0] > 0]).transpose(2, 0, 1, 3)
    found = check.call(pool, x=x, m=m)
    check.close(
        found, by(rows, columns, x), f"y, {m} × {m} keys of a map of {height} × {width}",
        mistakes={
            "The ends are rounded down: neighbours share a row where m does not divide the side, ⌈…⌉.": by(*cut, x),
            "The cells are summed: it should be their mean.": by(*own, x),
            "Keys have squares of equal size, ⌊g/m⌋, and what is left over is lost: the ends are fractions of the side.":
                by(*equal, x),
            "Rows and columns are exchanged.": by(rows, columns, x).swapaxes(1, 2),
            "One too few: a slice ends before its second number, which is ⌈(a+1) g/m⌉ itself.": by(*short, x),
            "One too many: a slice ends before its second number, which is ⌈(a+1) g/m⌉ itself.": by(*long, x),
            "It is the largest of the cells: it should be their mean.": most,
            "One cell of each part is taken, not the mean of all.": x[:, [a * height // m for a in range(m)]][:, :, [b * width // m for b in range(m)]],
        },
    )  # fmt: skip
    size = own[0].sum(axis=1)[:, None] * own[1].sum(axis=1)
    owner = [np.array([np.flatnonzero(c)[-1] for c in one.T]) for one in own]
    check.grad(
        lambda x, m=m: (pool(x, m), None), lambda dy, _, h=height, w=width: (pool_backward(dy, h, w),), {"x": x},
        mistakes={
            "Where two keys share a cell, only the last one counts: += where = stands.": lambda dy, _, o=owner, s=size:
                ((dy / s[..., None])[:, o[0]][:, :, o[1]],),
            "Each cell has only its part of the mean: divide by the number of cells.": lambda dy, _, o=own: (by(o[0].T, o[1].T, dy),),
            "All keys are divided by the same number: they have different numbers of cells.":
                lambda dy, _, o=own, n=height * width / m**2: (by(o[0].T, o[1].T, dy) / n,),
            "The number of cells is that of rows and columns: here one of them is missing.":
                lambda dy, _, o=own: (by(o[0].T, mean_of(o[1]).T, dy),),
            "The number of cells is that of rows and columns: here one is missing.": lambda dy, _, o=own: (by(mean_of(o[0]).T, o[1].T, dy),),
            "Rows and columns of dy are exchanged.": lambda dy, _, r=rows, c=columns: (by(r.T, c.T, dy.swapaxes(1, 2)),),
            "It is divided by the number of keys: a cell has a part of one mean, of as many cells as that key has.":
                lambda dy, _, o=own, m=m: (by(o[0].T, o[1].T, dy) / m**2,),
            "The ends are rounded down, as the forward's are not.": lambda dy, _, c=cut: (by(c[0].T, c[1].T, dy),),
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# `-(-p // q)` is $\lceil p/q \rceil$ of whole numbers. A loop over the m · m keys will do. In the backward, each cell of a key
# gets that key's gradient, divided by how many cells it has; a cell of two keys gets both.

# %% role="wrong"
{
    "ends rounded down": (
        "        down = slice(a * rows // m, -(-(a + 1) * rows // m))\n        across = slice(b * columns // m, -(-(b + 1) * columns // m))\n        y",
        "        down = slice(a * rows // m, max((a + 1) * rows // m, a * rows // m + 0))\n        across = slice(b * columns // m, (b + 1) * columns // m)\n        y",
        "The ends are rounded down",
    ),
    "summed": (".mean(axis=(1, 2))", ".sum(axis=(1, 2))", "should be their mean"),
    "exchanged": ("y[:, a, b] = x", "y[:, b, a] = x", "Rows and columns are exchanged"),
    "the first alone": ("x[:, down, across].mean(axis=(1, 2))", "x[:, down, across][:, 0, 0]", "One cell of each part"),
    "squares of equal size": (
        "",
        """
def pool(x, m):
    B, rows, columns, D = x.shape
    h, w = max(1, rows // m), max(1, columns // m)
    y = np.zeros((B, m, m, D))
    for a, b in np.ndindex(m, m):
        part = x[:, a * h : (a + 1) * h, b * w : (b + 1) * w]
        y[:, a, b] = part.mean(axis=(1, 2)) if part.size else 0
    return y
""",
        "of equal size",
    ),
    "the backward writes": ("cells += dy[:, a, b][:, None, None] /", "cells[...] = dy[:, a, b][:, None, None] /", "only the last one counts"),
    "the backward does not divide": (" / (cells.shape[1] * cells.shape[2])", "", "divide by the number of cells"),
    "the backward divides by one number": (" / (cells.shape[1] * cells.shape[2])", " / (rows * columns / m**2)", "the same number"),
}  # fmt: skip

# %% [markdown] exercise="Fewer keys, of odd pieces" kind="break" stars=2 minutes=10
# A colleague's reduced attention has the right shapes everywhere, and a model trains with it; only not as well. One image
# at a time or many, it is the same. There are two mistakes: mend them. (It has one head and no norm, and R divides g.)


# %% role="broken"
def sra_colleague(x, Wq, Ws, Wkv, g, R):
    """x (B, g·g, D), Wq (D, D), Ws (R·R·D, D), Wkv (D, 2D) -> (B, g·g, D)"""
    B, N, D = x.shape
    r = x.reshape(B, N // R**2, R**2 * D) @ Ws
    k, v = np.split(r @ Wkv, 2, axis=-1)
    S = x @ Wq @ k.swapaxes(1, 2) / np.sqrt(D)
    P = np.exp(S - S.max(axis=1, keepdims=True))
    return P / P.sum(axis=1, keepdims=True) @ v


# %% role="solution"
def sra_colleague(x, Wq, Ws, Wkv, g, R):
    """x (B, g·g, D), Wq (D, D), Ws (R·R·D, D), Wkv (D, 2D) -> (B, g·g, D)"""
    B, N, D = x.shape
    r = x.reshape(B, g // R, R, g // R, R, D).transpose(0, 1, 3, 2, 4, 5).reshape(B, N // R**2, R**2 * D) @ Ws
    k, v = np.split(r @ Wkv, 2, axis=-1)
    S = x @ Wq @ k.swapaxes(1, 2) / np.sqrt(D)
    P = np.exp(S - S.max(axis=-1, keepdims=True))
    return P / P.sum(axis=-1, keepdims=True) @ v


# %% role="check"
def reduced(x, Wq, Ws, Wkv, g, R, order=(0, 1, 3, 2, 4, 5), axis=-1, by=None, swapped=False, top=None, split=None):
    B, N, D = x.shape
    split = split or (g // R, R, g // R, R)
    r = x.reshape(B, *split, D).transpose(order).reshape(B, -1, R * R * D) @ Ws
    k, v = np.split(r @ Wkv, 2, axis=-1)[:: -1 if swapped else 1]
    S = x @ Wq @ k.swapaxes(1, 2) / np.sqrt(by or D)
    P = np.exp(S - S.max(axis=axis if top is None else top, keepdims=True))
    return P / P.sum(axis=axis, keepdims=True) @ v


for g, R, D in ((6, 2, 5), (9, 3, 4)):
    given = [
        rng.standard_normal((2, g * g, D)),
        *(rng.standard_normal(shape) / 2 for shape in ((D, D), (R * R * D, D), (D, 2 * D))),
        g,
        R,
    ]
    asked = dict(zip(("x", "Wq", "Ws", "Wkv", "g", "R"), given, strict=True))
    row, down = tuple(range(6)), (0, 1, 3, 4, 2, 5)
    check.close(
        check.call(sra_colleague, **asked), reduced(*given), f"y, g {g}, R {R}",
        mistakes={
            "R · R tokens in a row are no square: reshape, transpose, reshape.": reduced(*given, order=row),
            "The weights of a key sum to 1 over the queries: those of a query should, over the keys.": reduced(*given, axis=1),
            "Neither is mended: look at what each key is made of, and at which axis softmax runs along.":
                reduced(*given, order=row, axis=1),
            "The sums are mended, the maximum is not: what is taken from a query's scores must be one number for all its keys.":
                reduced(*given, top=1),
            "The maximum is mended, the sum is not: a query's weights sum to 1.": reduced(*given, axis=1, top=-1),
            "The side is split the wrong way round: row R a + i is slot i of the a-th square, so reshape to (g // R, R).":
                reduced(*given, order=(0, 2, 4, 1, 3, 5), split=(R, g // R, R, g // R)),
            "The slots of a square come column by column: W_s expects reading order.": reduced(*given, order=down),
            "The squares are the scattered ones: tokens at the same place of their squares were put together.":
                reduced(*given, order=(0, 2, 4, 1, 3, 5)),
            "The scores are divided by the root of the number of keys: it is the width that makes a product large.":
                reduced(*given, by=(g // R) ** 2),
            "Keys and values are exchanged.": reduced(*given, swapped=True),
        },
    )  # fmt: skip
single = given[0][:1], *given[1:]
check.close(sra_colleague(*single), reduced(*single), "y, one image")
loud = given[0], 400 * given[1], *given[2:]
check.close(sra_colleague(*loud), reduced(*loud), "y, large scores")

# %% [markdown] role="hint"
# Print what `np.arange(16).reshape(1, 4, 4)` makes a row of: are these the tokens of a square of 2 × 2 in a map of 4 × 4?
# And add up `P` after the division: along which axis must it be 1?

# %% role="wrong"
{
    "the cutting left as it was": (
        "x.reshape(B, g // R, R, g // R, R, D).transpose(0, 1, 3, 2, 4, 5).reshape(B, N // R**2, R**2 * D)",
        "x.reshape(B, N // R**2, R**2 * D)", "are no square",
    ),
    "the softmax left as it was": (
        "    P = np.exp(S - S.max(axis=-1, keepdims=True))\n    return P / P.sum(axis=-1, keepdims=True) @ v",
        "    P = np.exp(S - S.max(axis=1, keepdims=True))\n    return P / P.sum(axis=1, keepdims=True) @ v",
        "those of a query should",
    ),
    "the sum left as it was": ("P.sum(axis=-1, keepdims=True)", "P.sum(axis=1, keepdims=True)", "the sum is not"),
    "the maximum left as it was": ("S.max(axis=-1, keepdims=True)", "S.max(axis=1, keepdims=True)", "the maximum is not"),
    "no maximum": ("np.exp(S - S.max(axis=-1, keepdims=True))", "np.exp(S)", "the exponential of a large number"),
    "column by column": ("transpose(0, 1, 3, 2, 4, 5)", "transpose(0, 1, 3, 4, 2, 5)", "column by column"),
    "scattered": ("transpose(0, 1, 3, 2, 4, 5)", "transpose(0, 2, 4, 1, 3, 5)", "scattered"),
    "by the keys": ("np.sqrt(D)", "np.sqrt(k.shape[1])", "number of keys"),
    "exchanged": ("k, v = np.split", "v, k = np.split", "Keys and values are exchanged"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Reduce the keys of attention by squares of tokens, and derive the backward: a key's gradient sums over all queries, and a
#   token has two ways back.
# - Count what a reduction saves and what it costs, and say at how many tokens it is of use.
# - Cut patches that overlap, sum their gradients, and say how zeros at a border tell tokens where they are.
#
# In the library: `minivit/family/pvt.py`, `minivit/ops/overlapping_patches.py`, `minivit/ops/depthwise_convolution.py`;
# `python -m minivit train --architecture pvt` trains one. Published files of PVT have two ε in one model: 1e-5 in the norms
# behind patches and reductions, 1e-6 in the others. Sources: W. Wang et al., arXiv 2102.12122, section 3, and 2106.13797, section 3.
