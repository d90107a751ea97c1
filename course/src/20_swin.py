# ---
# title: Windows that shift
# question: How can each token look at a few others only, and all hear of each other in the end?
# sentence: Attention within windows, whose borders move every second time; Swin's cutting, rolling, mask and table, each with its backward, and how far a token then sees.
# minutes: 40
# needs: [1, 4, 7, 8, 11]
# gpu: of no use
# ---

# %% [markdown]
# Attention compares all tokens with all others. For the 49 patches of a digit that costs little; for a photograph cut into
# patches of 4 × 4 pixels it is out of reach. **Swin** (Liu et al., [arXiv 2103.14030](https://arxiv.org/abs/2103.14030))
# cuts the map of tokens into **windows**, and lets each token look at its own window alone.

# %% role="setup"
import os
from dataclasses import replace

import numpy as np

from minivit import Swin, SwinConfig, check, draw, load_mnist, ops
from minivit.family.swin import block
from minivit.layers import Chain
from minivit.ops import attention_forward, self_attention_backward, self_attention_forward

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
image = load_mnist().test_images[4, :, :, 0] / 255  # a digit, 28 × 28

# %% [markdown]
# ## The picture first
#
# Patches of 2 × 2 pixels make a digit a map of 14 × 14 tokens, and windows of 7 × 7 tokens cut it in four. The next block
# moves the borders by 3 tokens. *Predict: into how many pieces do the moved borders cut the map?*


# %%
def framed(picture, M, s=0, token=None, zoom=8):
    """A picture (g, g), enlarged, with borders every M pixels, the first after s."""
    big = np.repeat(np.kron(picture, np.ones((zoom, zoom)))[..., None], 3, axis=2)
    for i in range(s, len(picture), M):
        where = slice(max(0, zoom * i - 1), zoom * i + 1)
        big[where] = big[:, where] = 0.9, 0.6, 0
    if token is not None:
        row, column = (slice(zoom * i, zoom * (i + 1)) for i in token)
        big[row, column] = 0, 0.45, 0.7
    return big


rolled = np.roll(image, (-6, -6), axis=(0, 1))  # 3 tokens are 6 pixels
draw.digits(
    np.stack([framed(image, 14), framed(image, 14, 6), framed(rolled, 14)]),
    ["four windows", "moved by 3 tokens", "rolled by 3 tokens"], columns=3, side=2,
    alt="A handwritten digit three times. First with one horizontal and one vertical line, which make four windows. Then with "
    "two lines each way, further down and to the right, which make nine pieces. Then the digit moved up and to the left, "
    "with the four windows of the first picture; what left above and on the left has come in below and on the right.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A border cuts strokes wherever it happens to lie, and what stands on its two sides cannot hear of
# each other; the moved border leaves them together. (2) The moved borders make nine pieces of unequal sizes. (3) Roll the
# map up and to the left, what falls out coming in at the other side, and there are four equal windows again. Three of them
# hold pieces from opposite sides of the digit, which must be kept apart.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B | images in a batch | 2 |
# | g | side of the map in tokens: N = g² of them | 14: 196 |
# | M | side of a window: it has n = M² tokens | 7: 49 |
# | W | windows: (g / M)² | 4 |
# | s | the shift, 0 in every first block, else half of M, rounded down | 3 |
# | D, H, d | width, heads, numbers a head | 24, 3, 8 |
# | x | tokens, in reading order | (B, N, D) |
# | y | tokens in their windows | (B, W, n, D) |
# | T | a bias for each offset and head | ((2M−1)², H) |
#
# ## The idea
#
# All pairs are N². In windows, each of N tokens has M² keys: N·M² pairs. M stays as it is when pictures grow, so the cost
# grows with the number of tokens, and no longer with its square.

# %%
for side in (14, 28, 56, 112):
    N = side**2
    print(f"{side:>3} × {side:<3} tokens: {N**2:>11,} pairs, {N * 49:>7,} in windows of 7 × 7: {N / 49:3.0f} times fewer")

# %% [markdown]
# As a loop, the moved windows are simple. Row $r$ lies in the row of windows $\lfloor (r - s) / M \rfloor$, columns
# likewise, and each token looks at those with the same two numbers:


# %%
def swin_loop(q, k, v, g, M, s):
    """q, k, v (N, d): one head, no bias. -> (N, d)"""
    rows, columns = np.divmod(np.arange(g * g), g)
    window = np.stack([(rows - s) // M, (columns - s) // M])
    out = np.empty_like(v)
    for t in range(g * g):
        keys = (window == window[:, [t]]).all(axis=0)
        out[t] = attention_forward(q[[t]], k[keys], v[keys])[0][0]
    return out


# %% [markdown]
# ## Cut: a reshape and a transpose
#
# The array version wants windows of one size, and so it rolls. In the rolled map row $Ma + i$ is row $i$ of the $a$-th
# row of windows, and column $Mb + j$ is its column $j$. A token's number in reading order is a number of four digits,
# $a, i, b, j$: `reshape` reads them off, the transpose makes them $a, b, i, j$, and a second `reshape` joins the first two
# and the last two. It is patchify (chapter 01) with tokens for pixels, after a roll:
#
# $$\begin{aligned} y _{(a,b),\,(i,j)} &= x _{r,\,c} \\
# r &= (Ma + i + s) \bmod g \\
# c &= (Mb + j + s) \bmod g \end{aligned} \tag{1}$$


# %%
def windows(x, g, M, s):
    """(B, g·g, D) -> (B, W, M·M, D)"""
    B, _, D = x.shape
    rolled = np.roll(x.reshape(B, g, g, D), (-s, -s), axis=(1, 2))
    tiles = rolled.reshape(B, g // M, M, g // M, M, D).transpose(0, 1, 3, 2, 4, 5)  # a, i, b, j -> a, b, i, j
    return tiles.reshape(B, -1, M * M, D)


def unwindows(y, g, M, s):
    """The way back: (B, W, M·M, D) -> (B, g·g, D)"""
    B, D = len(y), y.shape[-1]
    tiles = y.reshape(B, g // M, g // M, M, M, D).transpose(0, 1, 3, 2, 4, 5)  # a, b, i, j -> a, i, b, j
    return np.roll(tiles.reshape(B, g, g, D), (s, s), axis=(1, 2)).reshape(B, g * g, D)


# %%
x, sizes = rng.standard_normal((2, 196, 24)), ((14, 14), (7, 7), (3, 3))
y = windows(x, 14, 7, 3)
check.shape(y, (2, 4, 49, 24), "y")
check.close(y, ops.windows_forward(x, *sizes)[0], "the library's windows")
check.close(unwindows(y, 14, 7, 3), x, "there and back")

# %% [markdown]
# ## The mask
#
# In the rolled map, the last $s$ rows are those that came around. Two tokens of a window are neighbours in the picture if
# both came around, or neither did; and the same for columns. So give each token of the rolled map a *region*: 2 if its row
# came around, plus 1 if its column did. Where regions differ, a large negative number is added to the score, and softmax
# makes a weight of 0 of it.


# %%
def mask(g, M, s):
    """What is added to the scores: (W, 1, n, n), the same for all heads."""
    around = np.arange(g) >= g - s
    region = 2 * around[:, None] + around
    region = windows(region.reshape(1, g * g, 1), g, M, 0)[0, :, :, 0]  # it is rolled already: (W, n)
    return np.where(region[:, :, None] == region[:, None], 0.0, -1000.0)[:, None]


m = mask(14, 7, 3)
check.close(m, ops.window_mask(*sizes), "the library's mask")
draw.matrices(
    [(f"window {w}", m[w, 0] == 0) for w in range(4)], colorbar=False, colormap="attention",
    alt="Four squares of 49 by 49, queries by keys; dark is allowed. Window 0 is dark all over. Window 1 has a chessboard of "
    "small squares, four or three tokens wide; window 2 one large dark square at each end of the diagonal; window 3 the "
    "chessboard within those two squares.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Window 0 is a piece of the picture, and has no mask. (2) Window 1, on the right, has four columns
# from the right border of the digit and three from the left: in reading order, they alternate. (3) Window 3 holds all four
# corners, and each sees itself alone.
#
# *Why −1000?* Published code has −100, and $e^{-100}$ is not quite 0: in float32 it is a subnormal number, with which a
# CPU is slow. $e^{-1000}$ is 0. (And −∞ makes NaN of a row that is masked throughout.)
#
# Now cut, attend, put together, roll back. It must be what the loop computes, on whole maps:


# %%
def swin(qkv, g, M, s, heads=1, bias=None):
    """qkv (B, N, 3D), bias (H, n, n) or None -> (B, N, D), and attention's cache."""
    scores_bias = (0 if bias is None else bias) + mask(g, M, s)
    out, cache = self_attention_forward(windows(qkv, g, M, s), scores_bias, heads)
    return unwindows(out, g, M, s), cache


# %%
q, k, v = rng.standard_normal((3, 196, 8))
qkv = np.concatenate((q, k, v), axis=1)[None]
for s in (0, 3):
    check.close(swin(qkv, 14, 7, s)[0][0], swin_loop(q, k, v, 14, 7, s), f"shift {s}, arrays against the loop")

# %% [markdown]
# And if one forgets the mask? Take the token in the lower right corner of the map, and ask whose values reach it:

# %%
regions = 2 * (np.arange(14) >= 11)[:, None] + (np.arange(14) >= 11)
free, _ = self_attention_forward(windows(qkv, 14, 7, 3))
dout = np.zeros((1, 196, 8))
dout[0, -1] = 1
reached = {}
for name, bias in (("without the mask", None), ("with the mask", m)):
    _, cache = self_attention_forward(windows(qkv, 14, 7, 3), bias)
    dqkv = unwindows(self_attention_backward(windows(dout, 14, 7, 3), cache)[0], 14, 7, 3)
    reached[name] = (dqkv[0, :, 16:].reshape(14, 14, 8) != 0).any(axis=-1)  # the values' gradient
draw.matrices(
    [("regions of the rolled map", regions), *((name, 3 * where) for name, where in reached.items())], colorbar=False,
    alt="Three maps of 14 by 14. The first has four regions: a large one, a strip on the right, a strip below, and a corner. "
    "The second, without the mask, is bright in all four corners of the map; the third in the lower right corner alone.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Without the mask the corner hears of the three other corners, a whole picture away. Nothing
# crashes, and a model even trains so. (2) With it, only the 4 × 4 tokens of its own piece are left: pieces at the border
# are smaller.
#
# ## The backward
#
# *Cutting.* By (1) each token goes to one place. So its gradient comes back from there:
#
# $$\begin{aligned} dx _{r,\,c} &= dy _{(a,b),\,(i,j)} \quad\text{with} \\
# Ma + i &= (r - s) \bmod g \\
# Mb + j &= (c - s) \bmod g \end{aligned} \tag{2}$$
#
# *In matrix form*, $y = \Pi x$ with a permutation $\Pi$, and $dx = \Pi^\top dy = \Pi^{-1} dy$: the backward of `windows` is
# `unwindows`, and the other way round.
#
# *The scores.* In image $b$, window $w$ and head $h$, a query $p$ and a key $q$ have
#
# $$S _{bwhpq} = \tfrac{1}{\sqrt d}\, Q _p \cdot K _q + T _{e(p,q),\,h} + m _{wpq} \tag{3}$$
#
# The mask is constant, and needs no gradient. It stops that of the others: chapter 07's $dS _{pq} = P _{pq}(dP _{pq} -
# \ldots)$ is 0 where $P _{pq}$ is.
#
# *The table.* Swin has no positions but $T$ (chapter 04, "relative"): $e(p, q)$ numbers the offset from key to query, of
# which there are $(2M-1)^2$. All images and all windows use the same table, and within a window all pairs with one offset
# the same entry. So it is a sum over all of them:
#
# $$dB _{hpq} = \sum_b \sum_w dS _{bwhpq} \tag{4}$$
#
# $$dT _{e,\,h} = \sum _{p,\,q\,:\, e(p,q) = e} dB _{hpq} \tag{5}$$


# %%
def table_backward(dS, index, entries):
    """dS (W, H, n, n), summed over the images -> (entries, H)"""
    dB = dS.sum(axis=0)  # (4)
    return np.stack([dB[:, index == e].sum(axis=1) for e in range(entries)])  # (5)


def attend(qkv, T):
    return swin(qkv, 4, 2, 1, heads=2, bias=T[small].transpose(2, 0, 1))


def attend_backward(dy, cache):
    dqkv, dS = self_attention_backward(windows(dy, 4, 2, 1), cache)  # the backward of unwindows is windows
    return unwindows(dqkv, 4, 2, 1), table_backward(dS, small, 9)


# %%
small = ops.relative_index((2, 2), class_token=False)  # e(p, q) in windows of 2 × 2: (4, 4)
qkv, T = rng.standard_normal((2, 16, 12)), rng.standard_normal((9, 2))
check.grad(attend, attend_backward, {"qkv": qkv, "T": T})
out, cache = attend(qkv, T)
dS = self_attention_backward(windows(out, 4, 2, 1), cache)[1]
theirs = ops.relative_bias_backward(ops.add_mask_backward(dS, None), (small, T.shape))
check.close(table_backward(dS, small, 9), theirs, "the library's dT")

# %% [markdown]
# *Predict: in a window of 7 × 7, how many pairs share the offset (0, 0), and how many (6, 6)?*

# %%
index = ops.relative_index((7, 7), class_token=False)
pairs = np.bincount(index.ravel(), minlength=169).reshape(13, 13)
offsets = [str(o) if o % 3 == 0 else "" for o in range(-6, 7)]
draw.matrix(
    pairs, title="pairs that share an entry of T", row_labels=offsets, column_labels=offsets, rows="rows from key to query",
    columns="columns from key to query", values=False,
    alt="A square of 13 by 13, a pyramid: brightest in the middle, at the offset 0, 0, with 49, and falling to 1 in the corners.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) (7 − |rows|) · (7 − |columns|) pairs: entries of short offsets learn from many, those in the corners
# from one pair a window. (2) 169 numbers a head serve 2,401 pairs.
#
# ## Merging: a pyramid
#
# Between two stages, 2 × 2 tokens become one: their numbers side by side, 4D, then LayerNorm and a dense layer to 2D. It is a
# cut once more, with a twist: Swin's order in a square is column by column.


# %%
def merge(x, g):
    """(B, g·g, D) -> (B, g·g/4, 4D): upper left, lower left, upper right, lower right."""
    B, _, D = x.shape
    squares = x.reshape(B, g // 2, 2, g // 2, 2, D).transpose(0, 1, 3, 4, 2, 5)
    return squares.reshape(B, -1, 4 * D)


check.close(merge(x, 14), ops.merge_patches_forward(x, (14, 14))[0], "the library's merging")
print(merge(np.arange(16.0).reshape(1, 16, 1), 4)[0].astype(int).tolist())
draw.shapes(
    [
        ("images", "(B, 28, 28, 1)"), "patches", ("x", "(B, 196, 24)"), "2 blocks:\nwindows, shifted",
        ("x", "(B, 196, 24)"), "merge", ("squares", "(B, 49, 96)"), "LN, dense", ("x", "(B, 49, 48)"),
        "2 blocks:\none window", ("x", "(B, 49, 48)"), "LN, mean,\ndense", ("logits", "(B, 10)"),
    ],
    alt="Boxes joined by arrows: images (B, 28, 28, 1), patches, x (B, 196, 24), two blocks, merge, squares (B, 49, 96), "
    "LayerNorm and dense, x (B, 49, 48), two blocks with one window, mean and dense, logits (B, 10).",
)  # fmt: skip

# %% [markdown]
# A block is a ViT's (chapter 11) but for its attention. The library's whole model is `minivit/family/swin.py`:

# %%
config = SwinConfig(
    image_size=28, patch_size=2, channels=1, classes=10, width=24, depths=(2, 2), heads=(3, 6), window=7
)
model = Swin(config)
print(model(model.normalize(image[None, :, :, None])).shape, f"{sum(p.size for p in model.params.values()):,} parameters")
for stage in config.stages:
    print(f"map {stage.grid}, window {stage.window}, shift {stage.shift}, {stage.width} wide")

# %% [markdown]
# ## How far does a token see?
#
# A place can change a token exactly where the token's gradient by that place is not 0. No training is needed for this.
# *Predict: a map of 28 × 28, windows of 4 × 4. Which tokens reach the one at (13, 13) after 1, 2 and 3 blocks, the second
# of them shifted by 2? And if none is?*


# %%
def seen(stage, count, token=(13, 13)):
    """After `count` blocks: (28, 28), 1 where a token of the input reaches `token`."""
    layers = Chain(*(block(looking.config, stage, 0, i) for i in range(count)))
    start = np.random.default_rng(0).standard_normal((1, 784, 8))
    end, cache = layers.forward(ops, looking.arrays(layers), start)
    dend = np.zeros_like(end)
    dend.reshape(28, 28, 8)[token] = np.random.default_rng(1).standard_normal(8)
    dstart, _ = layers.backward(ops, dend, cache)
    return (np.abs(dstart).sum(axis=-1) > 0).reshape(28, 28)


sizes = dict(image_size=28, patch_size=1, channels=1, classes=0, width=8, depths=(3,), heads=(1,), window=4)
looking = Swin(SwinConfig(**sizes), dtype=np.float64)
(stage,) = looking.config.stages
still = replace(stage, shift=(0, 0))  # the same, never shifted
maps = [(name, count, seen(kind, count)) for name, kind in (("shifted", stage), ("still", still)) for count in (1, 2, 3)]

# %%
draw.digits(
    np.stack([framed(0.25 + 0.75 * where, 4, token=(13, 13), zoom=6) for _, _, where in maps]),
    [f"{name}, {count} block{'s' * (count > 1)}: {where.sum()} tokens" for name, count, where in maps], columns=3, side=2,
    alt="Six maps of 28 by 28 under a grid of windows of 4 by 4, with a marked token. Shifted: a bright window of 4 by 4 "
    "after one block, a square of 8 by 8 after two, and of 12 by 12 after three. Never shifted: the window of 4 by 4 each time.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Without the shift a token never leaves its window, however deep the model is. (2) With it, the square
# grows with each block, by half a window on two sides or all around; here it has 64 tokens after two blocks, 144 after three.
# (3) The token stands in the square where the windows' borders put it, seldom in the middle: a convolution would see as far
# to each side.
#
# ## What it is worth
#
# `docs/experiments.md` has a Swin for digits, as it is and never shifted, each trained on 1,000 digits, and judged also on
# digits that are pushed by 4 pixels. On so small a picture the shift is not what decides: there are few windows, they meet in
# the merging, and the last stage has one. On photographs the authors' ablation (their table 4) finds it of use, most of all
# where objects are to be found. The other lesson of that page is that windows are no convolutions: they lie where they lie,
# and a pushed digit meets other borders. `python benchmarks/family/variants.py --seeds 0 1 2` makes the runs anew.

