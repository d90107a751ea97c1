# ---
# title: Attention between convolutions
# question: How can a token look at a quarter of the others, and hear of all?
# sentence: MobileViT's tokens look at those with the same place in their patch, and a convolution has told these of their neighbours; unfolding and folding back, the block both ways, and what its tokens are worth.
# minutes: 60
# needs: [1, 7, 10, 15, 20]
# gpu: of no use
# ---

# %% [markdown]
# A convolution knows who its neighbours are, and nothing else (chapter 15); attention knows everybody, and nothing of
# neighbours. **MobileViT** (Mehta & Rastegari, [arXiv 2110.02178](https://arxiv.org/abs/2110.02178)) is a small CNN, for
# telephones, in whose later stages the two take turns. A convolution brings each place its neighbours. Then a place
# looks at every P-th place of every P-th row, and at nobody in between: P² small attentions instead of a large one. Swin
# saves by looking at *near* tokens (chapter 20), this one by looking at *far* ones.

# %% role="setup"
import json

import numpy as np

from minivit import MobileViT, check, draw, load_mnist, ops
from minivit.data import FAMILY_VARIANTS, INDUCTIVE_BIAS
from minivit.ops import attention_forward, self_attention_backward, self_attention_forward
from minivit.train.recipes import recipe

rng = np.random.default_rng(0)
image = load_mnist().test_images[4, :, :, 0] / 255  # a digit, 28 × 28

# %% [markdown]
# ## The picture first
#
# Cut a map into patches of 2 × 2. All tokens that stand first in their patch make one sequence, all second ones another,
# and so on. Here pixels are the tokens. *Predict: what will each sequence look like, put together as a picture?*


# %%
def enlarged(picture, times):
    return picture.repeat(times, axis=0).repeat(times, axis=1)


comb = [enlarged(image[i::2, j::2], 4) for i in (0, 1) for j in (0, 1)]
tiles = [enlarged(image[i : i + 14, j : j + 14], 4) for i in (0, 14) for j in (0, 14)]
places = [f"rows {i}, {i + 2}, …\ncolumns {j}, {j + 2}, …" for i in (0, 1) for j in (0, 1)]
draw.digits(
    np.stack([*comb, *tiles])[..., None], [*places, *(f"window {w}" for w in range(4))], columns=4, side=1.6,
    alt="Two rows of four pictures. Above, four small digits, complete and almost alike, of 14 by 14 pixels each: the rows and "
    "columns 0, 2, … of the digit, and so on. Below, the four quarters of the digit, each with a piece of its stroke.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Above, each sequence is the whole digit, at half its sharpness; below, Swin's windows of as many
# pixels: each is a quarter of the digit. (2) The four above hardly differ. What they lack is what lies between their pixels,
# and that a convolution can tell them beforehand. (3) Nobody in one sequence hears of the next one.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B | images in a batch | 2 |
# | g | side of the map: g² tokens | 14 |
# | P | side of a patch; it divides g | 2 |
# | N | patches, and so tokens in a sequence: (g / P)² | 49 |
# | C, d | channels of the map; numbers a token | 6, 8 |
# | x | the map | (B, g, g, C) |
# | t | its tokens, still as a map | (B, g, g, d) |
# | z | sequences | (B·P·P, N, d) |
#
# ## The idea
#
# The token in row $r$ and column $c$ has the remainders $r \bmod P$ and $c \bmod P$. It looks at those with the same
# remainders. The loop differs from Swin's (chapter 20) by one operator: there the *quotients* by the window's side are alike.


# %%
def far_loop(q, k, v, g, P):
    """q, k, v (g·g, d), in reading order: one image, one head. -> (g·g, d)"""
    rows, columns = np.divmod(np.arange(g * g), g)
    place = np.stack([rows % P, columns % P])  # Swin: rows // M, columns // M
    out = np.empty_like(v)
    for t in range(g * g):
        keys = (place == place[:, [t]]).all(axis=0)
        out[t] = attention_forward(q[[t]], k[keys], v[keys])[0][0]
    return out


# %% [markdown]
# Each of g² tokens has g² / P² keys: pairs are a P²-th of all. The array version reads a row as a number of two digits,
# $r = Pa + i$, and a column as $c = Pb + j$. Windows keep $a, b$ in front; here $i, j$ go in front. And since sequences
# do not hear of each other, they may as well be more images: they join the batch.
#
# $$z _{(n,i,j),\,(a,b)} = t _{n,\; Pa + i,\; Pb + j} \tag{1}$$


# %%
def unfold(t, P):
    """(B, height, width, d) -> (B·P·P, N, d)"""
    B, height, width, d = t.shape
    cut = t.reshape(B, height // P, P, width // P, P, d).transpose(0, 2, 4, 1, 3, 5)  # n, a, i, b, j -> n, i, j, a, b
    return cut.reshape(B * P * P, -1, d)


def fold(z, height, width, P):
    """The way back: (B·P·P, N, d) -> (B, height, width, d)"""
    cut = z.reshape(-1, P, P, height // P, width // P, z.shape[-1]).transpose(0, 3, 1, 4, 2, 5)
    return cut.reshape(-1, height, width, z.shape[-1])


# %%
q, k, v = rng.standard_normal((3, 196, 8))
qkv = np.concatenate((q, k, v), axis=-1).reshape(1, 14, 14, 24)
out = fold(self_attention_forward(unfold(qkv, 2))[0], 14, 14, 2)
check.close(out.reshape(196, 8), far_loop(q, k, v, 14, 2), "arrays against the loop")
check.close(unfold(qkv, 2), ops.unfold_forward(qkv, (2, 2))[0], "the library's unfold")
check.close(fold(unfold(qkv, 2), 14, 14, 2), qkv, "there and back")

# %%
rows, columns = np.divmod(np.arange(64), 8)  # a map of 8 × 8
alike = [(rows // 4, columns // 4), (rows % 2, columns % 2)]
who = [(a[:, None] == a) & (b[:, None] == b) for a, b in alike]
draw.matrices(
    [("all", np.ones((64, 64))), ("windows of 4 × 4", who[0]), ("unfolded by 2 × 2", who[1])],
    colorbar=False, colormap="attention", limits=(0, 1),
    alt="Three squares of 64 by 64, queries by keys of a map of 8 by 8 tokens; dark is who looks at whom. All: dark all over. "
    "Windows: two large squares on the diagonal, chessboards of fields four wide, and nothing beside them. Unfolded: a chessboard of "
    "fields eight wide all over the square, each of them a chessboard of single pairs.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) In the second and the third, each row has 16 keys of 64: the price is the same, a quarter. (2)
# Windows keep to the diagonal: near tokens. The unfolded ones reach from the first to the last.
#
# ## The backward of unfolding
#
# *By index.* By (1) each token goes to one place; so its gradient comes from there:
#
# $$\begin{aligned} dt _{n,\,r,\,c} &= dz _{(n,i,j),\,(a,b)} \quad\text{with} \\
# i &= r \bmod P, \;\; a = \lfloor r / P \rfloor \\
# j &= c \bmod P, \;\; b = \lfloor c / P \rfloor \end{aligned} \tag{2}$$
#
# *In matrix form* $z = \Pi t$ with a permutation, and $dt = \Pi^\top dz = \Pi^{-1} dz$. *In code*: the backward of `unfold`
# is `fold`, that of `fold` is `unfold`. Nothing need be kept but the sizes.
#
# ## The block
#
# With $F, G$ for convolutions of 3 × 3, U for unfolding, and one attention (published models have two to four whole blocks,
# as in chapter 10), the new block is
#
# $$t = G(x)\, W _1 \tag{3}$$
#
# $$u = U^{-1}\, \text{attention}(U t)\, W _2 \tag{4}$$
#
# $$y = F([\,x \mid u\,]) \tag{5}$$
#
# $W _1$ and $W _2$, convolutions of 1 × 1, are dense layers: from C channels to d, and back. There is no shortcut $x + u$: the
# map and what the tokens say of it stand side by side, 2C channels, and F mixes them. So its backward is a fork: what (5)
# sends back is cut in two, and $x$ gets the sum of both ways:
#
# $$[\,dx' \mid du\,] = F^\top dy \tag{6}$$
#
# $$dx = dx' + G^\top (dt\, W _1^\top) \tag{7}$$


# %%
def mix(x, G, W1, Wqkv, W2, F, P=2):
    """(3) to (5). x (B, height, width, C) -> y like x, and what the backward needs."""
    near, of_near = ops.convolution_forward(x, G)
    t = near @ W1  # (B, height, width, d)
    z = unfold(t, P)
    out, of_attention = self_attention_forward(z @ Wqkv)
    said = fold(out, *x.shape[1:3], P)
    y, of_both = ops.convolution_forward(np.concatenate((x, said @ W2), axis=-1), F)
    return y, (near, of_near, z, of_attention, said, of_both, W1, Wqkv, W2, P)


# %%
def product_backward(dy, x, W):
    """Of y = x W, as in chapter 02."""
    return dy @ W.T, x.reshape(-1, x.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])


def mix_backward(dy, cache):
    near, of_near, z, of_attention, said, of_both, W1, Wqkv, W2, P = cache
    dboth, dF = ops.convolution_backward(dy, of_both)
    dx, du = np.split(dboth, 2, axis=-1)  # (6)
    dsaid, dW2 = product_backward(du, said, W2)
    dqkv, _ = self_attention_backward(unfold(dsaid, P), of_attention)  # the backward of fold
    dz, dWqkv = product_backward(dqkv, z, Wqkv)
    dnear, dW1 = product_backward(fold(dz, *dy.shape[1:3], P), near, W1)  # of unfold
    dx2, dG = ops.convolution_backward(dnear, of_near)
    return dx + dx2, dG, dW1, dWqkv, dW2, dF  # (7)


# %%
sizes = {"x": (2, 4, 6, 3), "G": (3, 3, 3, 3), "W1": (3, 4), "Wqkv": (4, 12), "W2": (4, 3), "F": (3, 3, 6, 3)}
check.grad(mix, mix_backward, {name: rng.standard_normal(shape) / 2 for name, shape in sizes.items()})

# %% [markdown]
# The library's block has more in it: each convolution is followed by a BatchNorm (chapter 06) and a SiLU, $x\,\sigma(x)$,
# which is much like a GELU (chapter 09). Where P does not divide the map, it is resized for the tokens, and back (chapter 16).
#
# ## How far does a place hear?
#
# As in chapter 20, a place can change another exactly where the gradient is not 0. *Predict: a convolution of 3 × 3 and then
# tokens unfolded by 2 × 2; by 4 × 4. Which places reach the one at (13, 13)?*


# %%
def heard(P, kernel, g=28):
    """(g, g): 1 where a place of the map reaches the one at (13, 13). kernel 1: without neighbours, P = 0: without tokens."""
    t = rng.standard_normal((1, g, g, 4))
    near, cache = ops.convolution_forward(t, rng.standard_normal((kernel, kernel, 4, 12)))
    dnear = np.zeros_like(near)
    dnear[0, 13, 13] = rng.standard_normal(12)
    if P:
        out, kept = self_attention_forward(unfold(near, P))
        dout = unfold(dnear[..., :4], P)
        dnear = fold(self_attention_backward(dout, kept)[0], g, g, P)
    return (np.abs(ops.convolution_backward(dnear, cache)[0][0]).sum(axis=-1) > 0).astype(float)


cases = [("3 × 3 alone", 0, 3), ("tokens, P 2", 2, 1), ("both, P 2", 2, 3), ("both, P 4", 4, 3)]
maps = [(name, heard(P, kernel)) for name, P, kernel in cases]
draw.matrices(
    [(f"{name}: {reached.sum():.0f}", reached) for name, reached in maps], colorbar=False, colormap="attention",
    limits=(0, 1),
    alt="Four maps of 28 by 28; dark is what reaches the place at (13, 13). By the convolution alone: a square of 3 by 3. By the "
    "tokens alone: every second place of every second row. By both: all. By both with patches of 4 by 4: squares of 3 by 3 with white lines between.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Alone, each has little: nine places, or a quarter of all. One after the other they have all. (2)
# Each token has brought its neighbours along: squares of 3 × 3, one around every P-th place. (3) For P = 4 these leave
# gaps. So a patch should not be larger than the kernel; published models have P = 2 and kernels of 3.
#
# ## What it is worth
#
# MobileViT's CNN consists of *inverted residuals*, or MV2 units: a dense layer makes e times as many channels, a convolution
# filters each by itself (exercise 2), a dense layer makes few of them again. The recipe for digits
# (`minivit/train/recipes.py`) has one such unit on a map of 14 × 14, and one on 7 × 7 that is followed by the new block.
# *Predict its place in chapter 15's race of models with 60,000 parameters: with the CNN, the hybrid, or the ViT?*

# %%
config, _ = recipe("mobilevit", None, "digits")
for stage in config.stages:
    print(f"map {stage.map}, {stage.width} channels, {stage.blocks} transformer blocks of width {stage.d}")
print(f"{sum(p.size for p in MobileViT(config).params.values()):,} parameters")

races = json.loads(INDUCTIVE_BIAS.read_text(encoding="utf-8"))  # a dict for each training
plain = [run for run in races if run["data"] == "digits" and not run["augmented"]]
curves = {}
for label, name in {"CNN": "resnet", "MobileViT": "mobilevit", "hybrid": "hybrid", "ViT": "vit"}.items():
    runs = [run for run in plain if run["architecture"] == name]
    found = {n: [100 * run["accuracy"] for run in runs if run["images"] == n] for n in (100, 300, 1000, 3000, 8000)}
    found = {n: values for n, values in found.items() if len(values) >= 3}  # three seeds, or none
    curves[label] = list(found), [np.mean(values) for values in found.values()]
    print(f"{label:>9}", {n: f"{min(values):.1f} to {max(values):.1f}" for n, values in found.items()})
draw.lines(
    curves, xlabel="digits to learn from", ylabel="test digits read right (%)", logx=True,
    alt="Four curves of accuracy against the digits to learn from, 100 to 8,000, rising. MobileViT and the CNN lie close together and highest, the hybrid "
    "below them, the ViT lowest, 13 points and more below the two at 100 and at 1,000.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) It is a CNN, and reads like one: with 100 digits even better than the ResNet, which has as many
# parameters and little more than half the work. (2) That does not say what its *tokens* do. So take them away: once let each
# look at all, once put more MV2 units in their place. *Predict which of the three will be best.*

# %%
variants = json.loads(FAMILY_VARIANTS.read_text(encoding="utf-8"))
parts = {"as it is": [run for run in plain if (run["architecture"], run["images"]) == ("mobilevit", 1000)]}
for label, variant in {"every token looks at all": "not unfolded", "no tokens": "no tokens"}.items():
    parts[label] = [run for run in variants if (run["architecture"], run["variant"]) == ("mobilevit", variant)]
for label, runs in parts.items():
    each = ", ".join(f"{100 * run['accuracy']:.1f}" for run in runs)
    print(f"{label:>24}: {each} %; {runs[0]['flops'] / 1e6:.1f} million FLOPs, {runs[0]['parameters']:,} parameters")
draw.lines(
    {label: (range(5), 100 * np.mean([run["shifted_accuracy"] for run in runs], axis=0)) for label, runs in parts.items()},
    xlabel="test digits moved by, pixels", ylabel="read right (%)",
    alt="Accuracy against the move of the test digits, 0 to 4 pixels, three falling curves that begin close together at about 94. The one "
    "without tokens is highest from 1 pixel on and ends near 89, the model as it is near 85, the one in which every token looks at all near 82.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The convolutions that take the tokens' place read better than the tokens, by about a point, and
# moved digits too: here MobileViT is good because it is a CNN. (2) To unfold costs nothing: where every token looks at all
# 64, the model reads no better. (3) So it is with digits, whose last map of 7 × 7 is seen whole by convolutions alone. On
# photographs the authors report 78.4 % of ImageNet with 6 million parameters, 3.2 points more than a MobileNetV3 of that
# size (their abstract). What an idea is worth depends on what there is to see: measure on your own pictures.

# %% [markdown] exercise="Who looks at whom?" kind="predict" stars=1 minutes=6
# A photograph of 256 × 256 pixels has become a map of 32 × 32 places, and P is 2. Into how many sequences is its map
# unfolded (`sequences`), how many tokens has each (`tokens`), and how many pairs of query and key does a head compare in all
# of them (`pairs`)? Does the token in row 3, column 5 look at the one in row 9, column 8 (`looks`)? With a convolution of 3 × 3 before,
# does it hear of that place (`hears`)? And with one of 5 × 5 before, how large may P be, so that what a token
# hears of has no gaps between two tokens that it looks at (`largest`)?

# %% role="solution"
# YOUR TURN
sequences = 4
tokens = 256
pairs = 262144
looks = False
hears = True
largest = 5
# END

# %% role="check"
check.answer(
    sequences, 4, "sequences",
    reasons={256: "there are 256 patches: tokens with the same place in their patch make a sequence", 2: "a patch has rows and columns",
             16: "a patch has 2 · 2 places", 1024: "those are the tokens", 8: "of one image", 1: "one for each place in a patch"},
)  # fmt: skip
check.answer(
    tokens, 32**2 // 4, "tokens",
    reasons={1024: "those are all: they are shared out among the sequences", 4: "that is a patch: a sequence has one token of each patch",
             16: "that is one side of it", 512: "a patch has 2 · 2 places", 128**2: "that is in pixels of a patch: the map has 32 × 32 places"},
)  # fmt: skip
check.answer(
    pairs, 4 * 256**2, "pairs",
    reasons={256**2: "that is one sequence's: there are four", 1024**2: "that is without unfolding", 4 * 256: "those are the tokens: how many keys has each?",
             256 * 16: "that is in patches of 2 × 2: a token does not look at its own patch", 1024 * 4: "that is in patches of 2 × 2: a token does not look at its own patch"},
)  # fmt: skip
check.answer(looks, False, "looks", reasons={True: "the rows, 3 and 9, are both odd; but the columns?"})
check.answer(
    hears, True, "hears",
    reasons={False: "it looks at (9, 7) and (9, 9), and whom has the convolution told these of?"},
)  # fmt: skip
check.answer(
    largest, 5, "largest",
    reasons={4: "a step more: squares of 5 × 5, 5 apart, touch", 3: "that is for 3 × 3", 2: "that is how far it reaches to each side: the middle counts, too",
             6: "squares of 5 × 5 that are 6 apart leave gaps", 1: "then each looks at all"},
)  # fmt: skip

# %% [markdown] role="hint"
# Look at remainders: of 3 and 9, of 5 and 8, by 2. And draw a line of places with a kernel around every P-th.

# %% role="wrong"
{
    "the patches": ("sequences = 4", "sequences = 256", "there are 256 patches"),
    "one side": ("sequences = 4", "sequences = 2", "rows and columns"),
    "all tokens": ("tokens = 256", "tokens = 1024", "shared out"),
    "a patch": ("tokens = 256", "tokens = 4", "one token of each patch"),
    "one sequence's pairs": ("pairs = 262144", "pairs = 65536", "there are four"),
    "all pairs": ("pairs = 262144", "pairs = 1048576", "without unfolding"),
    "in patches": ("pairs = 262144", "pairs = 4096", "its own patch"),
    "rows alone": ("looks = False", "looks = True", "but the columns"),
    "does not hear": ("hears = True", "hears = False", "whom has the convolution told"),
    "how far it reaches": ("largest = 5", "largest = 2", "to each side"),
    "strictly less": ("largest = 5", "largest = 4", "a step more"),
    "with gaps": ("largest = 5", "largest = 6", "leave gaps"),
}  # fmt: skip

# %% [markdown] exercise="A filter for each channel" kind="build" stars=2 minutes=15
# The middle of an MV2 unit is a *depthwise* convolution: each channel has its own filter of $k \times k$ weights, and looks at no
# other channel. With $h = \lfloor k/2 \rfloor$ and zeros around the map,
#
# $$y _{ijc} = \sum _{u,v} x _{i+u-h,\; j+v-h,\; c}\; w _{uvc}$$
#
# Write it, derive its backward by index, and write that. k is odd. The backward returns `dx, dw`.


# %% role="solution"
def depthwise(x, w):
    """x (B, height, width, C), w (k, k, C) -> y like x, and the cache"""
    # YOUR TURN
    k, (_, height, width, _) = len(w), x.shape
    padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    y = np.zeros(x.shape)
    for u, v in np.ndindex(k, k):
        y += padded[:, u : u + height, v : v + width] * w[u, v]
    return y, (padded, w)
    # END


def depthwise_backward(dy, cache):
    """dy like y -> dx like x, dw like w"""
    # YOUR TURN
    padded, w = cache
    k, (_, height, width, _) = len(w), dy.shape
    dpadded, dw = np.zeros(padded.shape), np.zeros(w.shape)
    for u, v in np.ndindex(k, k):
        dpadded[:, u : u + height, v : v + width] += dy * w[u, v]
        dw[u, v] = (padded[:, u : u + height, v : v + width] * dy).sum(axis=(0, 1, 2))
    return dpadded[:, k // 2 : k // 2 + height, k // 2 : k // 2 + width], dw
    # END


# %% role="check"
x, w = rng.standard_normal((2, 4, 5, 3)), rng.standard_normal((3, 3, 3))
right = ops.depthwise_convolution_forward(x, w)[0]


def of(x, w, mode="constant"):
    padded, (height, width) = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=mode), x.shape[1:3]
    return sum(padded[:, u : u + height, v : v + width] * w[u, v] for u, v in np.ndindex(3, 3))


half = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
half[:, -1] = half[:, :, -1] = 0
half = of(half, w)[:, 1:-1, 1:-1]
whole = np.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0)))
begins = sum(whole[:, u : u + 4, v : v + 5] * w[u, v] for u, v in np.ndindex(3, 3))
last = np.zeros((3, 3, 1))
last[2, 2] = 1
check.close(
    check.pair(depthwise, x=x, w=w)[0], right, "y",
    mistakes={
        "The filter is turned by 180°: the place i + u − h grows with u.": of(x, w[::-1, ::-1]),
        "The filter's rows and columns are exchanged.": of(x, w.swapaxes(0, 1)),
        "All channels have the filter of the first.": of(x, w[:, :, :1] + 0 * w),
        "Channels are added up: each looks at itself alone.": right.sum(axis=-1),
        "Channels are added up and spread again: each looks at itself alone.": right.sum(axis=-1, keepdims=True) + 0 * x,
        "The map is wrapped round, or a negative index counts from the end: there are zeros around it.": of(x, w, "wrap"),
        "The border is repeated: there are zeros around the map.": of(x, w, "edge"),
        "A negative index counts from the end: above the map, and on its left, there are zeros.": half,
        "The filter begins at (i, j): its middle should lie there, i + u − h.": begins,
        "Only the last of the filter's weights counts: += where = stands.": of(x, w * last),
    },
)  # fmt: skip
pixels = lambda dy, u, v: np.pad(dy, ((0, 0), (1, 1), (1, 1), (0, 0)))[:, u : u + 4, v : v + 5]
own = lambda dy: np.array([[(pixels(x, u, v) * dy).sum(axis=(0, 1, 2)) for v in range(3)] for u in range(3)])
back = lambda dy: of(dy, w[::-1, ::-1])


def written(dy, places):
    dpadded = np.zeros((2, 6, 7, 3))
    for u, v in places:
        dpadded[:, u : u + 4, v : v + 5] = dy * w[u, v]
    return dpadded[:, 1:-1, 1:-1]


places = list(np.ndindex(3, 3))
check.grad(
    depthwise, depthwise_backward, {"x": x, "w": w},
    mistakes={
        "dy is filtered as x was: what x(r, s) went to lies at r − u + h, so the filter is turned by 180°.":
            lambda dy, _: (of(dy, w), own(dy)),
        "In dx only what was written last is left: a pixel went to several places, += and not =.":
            lambda dy, _: (written(dy, places), own(dy)),
        "In dx only what was written last is left: a pixel has gone to several places, += and not =.":
            lambda dy, _: (written(dy, places[::-1]), own(dy)),
        "dw(u, v) meets the pixel at i + u − h, j + v − h: here it is the one at (i, j) for all.":
            lambda dy, _: (back(dy), (x * dy).sum(axis=(0, 1, 2)) + 0 * w),
        "dw is that of the turned filter: dw(u, v) meets the pixel at i + u − h.": lambda dy, _: (back(dy), own(dy)[::-1, ::-1]),
        "dw is averaged over the places and images: it is a sum over all that used the weight.":
            lambda dy, _: (back(dy), own(dy) / dy[..., 0].size),
        "dw is averaged over the images.": lambda dy, _: (back(dy), own(dy) / len(dy)),
        "In dx all channels have the first one's filter.": lambda dy, _: (of(dy, w[::-1, ::-1, :1] + 0 * w), own(dy)),
        "dw is the same for all channels, a sum over them: each filter has met its own channel alone.":
            lambda dy, _: (back(dy), own(dy).sum(axis=-1, keepdims=True) + 0 * w),
    },
)  # fmt: skip
x, w = rng.standard_normal((1, 6, 3, 2)), rng.standard_normal((5, 5, 2))
check.close(depthwise(x, w)[0], ops.depthwise_convolution_forward(x, w)[0], "y, filters of 5 × 5")
check.grad(depthwise, depthwise_backward, {"x": x, "w": w})

# %% [markdown] role="hint"
# A loop over the k · k places of the filter, not over pixels: the map with a margin of zeros, moved, times one number a
# channel. The backward of `y += padded[place] * w[u, v]` is two lines in the same loop; then the margin is cut off.

# %% role="wrong"
{
    "turned": ("        y += padded[:, u : u + height, v : v + width] * w[u, v]", "        y += padded[:, u : u + height, v : v + width] * w[k - 1 - u, k - 1 - v]", "turned by 180°"),
    "exchanged": ("        y += padded[:, u : u + height, v : v + width] * w[u, v]", "        y += padded[:, u : u + height, v : v + width] * w[v, u]", "exchanged"),
    "one filter": ("        y += padded[:, u : u + height, v : v + width] * w[u, v]", "        y += padded[:, u : u + height, v : v + width] * w[u, v, 0]", "the filter of the first"),
    "wrapped": ("(0, 0)))\n    y", "(0, 0)), mode='wrap')\n    y", "wrapped round"),
    "repeated": ("(0, 0)))\n    y", "(0, 0)), mode='edge')\n    y", "The border is repeated"),
    "channels added": ("    return y, (padded, w)", "    return y.sum(axis=-1), (padded, w)", "Channels are added up"),
    "the backward does not turn": (
        "        dpadded[:, u : u + height, v : v + width] += dy * w[u, v]",
        "        dpadded[:, u : u + height, v : v + width] += dy * w[k - 1 - u, k - 1 - v]", "dy is filtered as x was",
    ),
    "the backward writes": ("+= dy * w[u, v]", "= dy * w[u, v]", "only what was written last"),
    "a mean": (".sum(axis=(0, 1, 2))", ".mean(axis=(0, 1, 2))", "a sum over all that used the weight"),
    "dw over the channels, too": (".sum(axis=(0, 1, 2))", ".sum()", "met its own channel alone"),
}  # fmt: skip

# %% [markdown] exercise="Sequences of the wrong kind" kind="break" stars=2 minutes=10
# A colleague wants each token of a map to look at those with the same place in their patch of P × P. Shapes are right, and
# it trains. There are two mistakes: mend them. (Queries, keys and values are the tokens themselves, and P divides both
# sides.)


# %% role="broken"
def far_colleague(x, P):
    """x (B, height, width, d) -> like x"""
    B, height, width, d = x.shape
    cut = x.reshape(B, height // P, P, width // P, P, d).transpose(0, 1, 3, 2, 4, 5)
    z = cut.reshape(B * P * P, -1, d)
    out, _ = attention_forward(z, z, z)
    cut = out.reshape(B, P, P, height // P, width // P, d)
    return cut.reshape(B, height, width, d)


# %% role="solution"
def far_colleague(x, P):
    """x (B, height, width, d) -> like x"""
    B, height, width, d = x.shape
    cut = x.reshape(B, height // P, P, width // P, P, d).transpose(0, 2, 4, 1, 3, 5)
    z = cut.reshape(B * P * P, -1, d)
    out, _ = attention_forward(z, z, z)
    cut = out.reshape(B, P, P, height // P, width // P, d).transpose(0, 3, 1, 4, 2, 5)
    return cut.reshape(B, height, width, d)


# %% role="check"
FAR, BACK, WINDOWS, AS_IT_IS = (0, 2, 4, 1, 3, 5), (0, 3, 1, 4, 2, 5), (0, 1, 3, 2, 4, 5), (0, 1, 2, 3, 4, 5)


def far(x, P, there=FAR, back=BACK, length=None):
    B, height, width, d = x.shape
    z = x.reshape(B, height // P, P, width // P, P, d).transpose(there).reshape(B * P * P, -1, d)
    z = z if length is None else z.reshape(-1, length, d)
    out = attention_forward(z, z, z)[0].reshape(B, P, P, height // P, width // P, d)
    return out.transpose(back).reshape(x.shape)


for shape, P in (((2, 4, 6, 3), 2), ((1, 6, 9, 2), 3)):
    x = rng.standard_normal(shape)
    height, width = shape[1:3]
    z = x.reshape(len(x), height // P, P, width // P, P, -1).transpose(WINDOWS).reshape(-1, P * P, shape[-1])
    own = attention_forward(z, z, z)[0].reshape(len(x), height // P, width // P, P, P, -1).transpose(WINDOWS)
    mixed = x.reshape(1, -1, shape[-1])
    cut = x.reshape(len(x), P, height // P, P, width // P, -1).transpose(WINDOWS)
    z = cut.reshape(len(x) * P * P, -1, shape[-1])
    other = attention_forward(z, z, z)[0].reshape(cut.shape).transpose(WINDOWS).reshape(x.shape)
    check.close(
        check.call(far_colleague, x=x, P=P), far(x, P), f"y, {height} × {width} in patches of {P} × {P}",
        mistakes={
            "The sequences are right. But they are put side by side, not back to their places: a transpose is missing.":
                far(x, P, back=AS_IT_IS),
            "Each goes back to the right place if it came from where it should. But the sequences are made of whole patches, one after "
            "the other: which axes must stand in front?": far(x, P, there=WINDOWS),
            "Neither is mended.": far(x, P, WINDOWS, AS_IT_IS),
            "The way back is the way there once more: it must be the inverse permutation.": far(x, P, back=FAR),
            "Each token looks at its own patch: those are windows.": own.reshape(x.shape),
            "Each token looks at all of its map: nothing is unfolded.":
                attention_forward(*[x.reshape(len(x), -1, shape[-1])] * 3)[0].reshape(x.shape),
            "Each token looks at all images: they should not hear of each other.": attention_forward(mixed, mixed, mixed)[0].reshape(x.shape),
            "The sides are split the wrong way round: row P a + i is row i of the a-th patch, so reshape to (height // P, P).": other,
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# Call the axes after the first reshape n, a, i, b, j. A token's place in its patch is (i, j), its patch (a, b). Which of
# them number the sequence, and which the token in it? On the way back the axes are n, i, j, a, b.

# %% role="wrong"
{
    "only the way there mended": ("transpose(0, 3, 1, 4, 2, 5)", "transpose(0, 1, 2, 3, 4, 5)", "a transpose is missing"),
    "only the way back mended": ("transpose(0, 2, 4, 1, 3, 5)", "transpose(0, 1, 3, 2, 4, 5)", "whole patches"),
    "there once more": ("transpose(0, 3, 1, 4, 2, 5)", "transpose(0, 2, 4, 1, 3, 5)", "inverse permutation"),
    "windows": (
        "",
        """
def far_colleague(x, P):
    B, height, width, d = x.shape
    cut = x.reshape(B, height // P, P, width // P, P, d).transpose(0, 1, 3, 2, 4, 5)
    z = cut.reshape(-1, P * P, d)
    out, _ = attention_forward(z, z, z)
    cut = out.reshape(B, height // P, width // P, P, P, d).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(B, height, width, d)
""",
        "those are windows",
    ),
    "all": (
        "",
        """
def far_colleague(x, P):
    z = x.reshape(len(x), -1, x.shape[-1])
    return attention_forward(z, z, z)[0].reshape(x.shape)
""",
        "nothing is unfolded",
    ),
    "all images": (
        "",
        """
def far_colleague(x, P):
    z = x.reshape(1, -1, x.shape[-1])
    return attention_forward(z, z, z)[0].reshape(x.shape)
""",
        "all images",
    ),
}  # fmt: skip

# %% [markdown] exercise="Gaps" kind="further" stars=3 minutes=12
# How many places of a g × g map reach the one at (`row`, `column`) by a convolution of k × k and then tokens unfolded by
# P × P? P divides g, and k is odd. Reckon it, without a gradient: rows and columns do not need each other.


# %% role="solution"
def reached(row, column, g, P, k):
    """-> how many places of the map reach it."""

    # YOUR TURN
    def length(place):
        near = set()
        for middle in range(place % P, g, P):
            near |= set(range(max(0, middle - k // 2), min(g, middle + k // 2 + 1)))
        return len(near)

    return length(row) * length(column)
    # END


# %% role="check"
def lengths(g, P, k, alike=np.mod, before=0, after=0):
    """How often a place of an axis, which may be longer, reaches each place: by matrices of who hears of whom."""
    here, place = np.arange(g), np.arange(-before, g + after)
    far = alike(here[:, None], P) == alike(here, P)
    return far.astype(int) @ (abs(here[:, None] - place) <= k // 2)


def places_of(*sizes, **how):
    return (lengths(*sizes, **how) > 0).sum(axis=1)


for g, P, k in ((16, 4, 3), (12, 2, 3), (10, 5, 7), (6, 3, 1)):
    one, times, near = places_of(g, P, k), lengths(g, P, k), places_of(g, P, k, alike=np.floor_divide)
    beyond, below, above = (places_of(g, P, k, before=b, after=a) for b, a in ((g, g), (0, g), (g, 0)))
    alone, double, first = places_of(g, g, k), places_of(g, P, 2 * k + 1), np.full(g, one[0])
    found = [[check.call(reached, row=r, column=c, g=g, P=P, k=k) for c in range(g)] for r in range(g)]
    check.close(
        found, one[:, None] * one, f"g {g}, P {P}, k {k}",
        mistakes={
            "Where two neighbourhoods overlap, their places are counted twice.": times.sum(axis=1)[:, None] * times.sum(axis=1),
            "The kernel reaches beyond the map: it is cut off at the border.": beyond[:, None] * beyond,
            "That is the convolution's part: the token has also looked at others, which had their neighbours.":
                alone[:, None] * alone,
            "That is the tokens' part: each had neighbours by the convolution before.": np.full((g, g), (g // P) ** 2),
            "That is all of the map: where the patch is larger than the kernel, there are gaps. A kernel of k × k reaches k // 2 to each side.":
                np.full((g, g), g * g),
            "A kernel of k × k reaches k // 2 to each side.": double[:, None] * double,
            "The kernel is cut off above and on the left alone: the map ends below and on the right, too.": below[:, None] * below,
            "The kernel is cut off below and on the right alone: the map begins above and on the left.": above[:, None] * above,
            "That is one kernel: the token has also looked at others, which had their neighbours.": np.full((g, g), k * k),
            "Those with the same quotient lie in its own patch: those with the same remainder look at each other.": near[:, None] * near,
            "The tokens are those of the first place in a patch: they should have this one's remainder.": first[:, None] * first,
            "Rows and columns are added: there are as many places as their product.": one[:, None] + one,
            "Only rows are counted.": one[:, None] + 0 * one,
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# For one axis: go through the places with the same remainder, from `place % P` in steps of P, and put the neighbours of each into a set,
# as far as they lie in the map.

# %% role="wrong"
{
    "counted twice": (
        "",
        """
def reached(row, column, g, P, k):
    def length(place):
        near = []
        for middle in range(place % P, g, P):
            near += [*range(max(0, middle - k // 2), min(g, middle + k // 2 + 1))]
        return len(near)

    return length(row) * length(column)
""",
        "counted twice",
    ),
    "beyond the map": ("set(range(max(0, middle - k // 2), min(g, middle + k // 2 + 1)))", "set(range(middle - k // 2, middle + k // 2 + 1))", "beyond the map"),
    "the convolution alone": ("range(place % P, g, P)", "[place]", "the convolution's part"),
    "the tokens alone": ("near |= set(range(max(0, middle - k // 2), min(g, middle + k // 2 + 1)))", "near |= {middle}", "the tokens' part"),
    "k to each side": ("set(range(max(0, middle - k // 2), min(g, middle + k // 2 + 1)))", "set(range(max(0, middle - k), min(g, middle + k + 1)))", "to each side"),
    "the first place": ("range(place % P, g, P)", "range(0, g, P)", "this one's remainder"),
    "added": ("length(row) * length(column)", "length(row) + length(column)", "Rows and columns are added"),
    "rows alone": ("length(row) * length(column)", "length(row)", "Only rows"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Unfold a map into sequences of tokens far apart and fold it back, and say in which axes that differs from windows.
# - Write the block both ways: a map, what tokens say of it beside it, and a backward that is a fork.
# - Say how far a place hears, why a patch may not be larger than a kernel, and ask of a model of two parts what each is worth.
#
# In the library: `minivit/ops/unfold.py`, `minivit/ops/depthwise_convolution.py`, `minivit/family/mobilevit.py`;
# `python -m minivit train --architecture mobilevit` trains one. Source: S. Mehta and M. Rastegari, *MobileViT: Light-weight,
# General-purpose, and Mobile-friendly Vision Transformer*, arXiv 2110.02178, section 3; MV2 units: M. Sandler et al., arXiv 1801.04381.
