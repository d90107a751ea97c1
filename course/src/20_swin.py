# ---
# title: Windows that shift
# question: How can each token look at a few others only, and all hear of each other in the end?
# sentence: Attention within windows, whose borders move every second time; Swin's cutting, rolling, mask and table, each with its backward, and how far a token then sees.
# minutes: 75
# needs: [1, 4, 7, 8, 10]
# gpu: of no use
# ---

# %% [markdown]
# Attention compares all tokens with all others. For the 49 patches of a digit that costs little; for a photograph cut into
# patches of 4 × 4 pixels it is what costs most. **Swin** (Liu et al., [arXiv 2103.14030](https://arxiv.org/abs/2103.14030))
# cuts the map of tokens into **windows**, and lets each token look at its own window alone.

# %% role="setup"
from dataclasses import replace

import numpy as np

from minivit import Swin, SwinConfig, check, draw, load_mnist, ops
from minivit.family.swin import block
from minivit.layers import Chain
from minivit.ops import attention_forward, self_attention_backward, self_attention_forward

rng = np.random.default_rng(0)
image = load_mnist().test_images[4, :, :, 0] / 255  # a digit, 28 × 28

# %% [markdown]
# ## The picture first
#
# Patches of 2 × 2 pixels make a digit a map of 14 × 14 tokens, and windows of 7 × 7 tokens cut it in four. The next block
# moves the borders by 3 tokens. *Predict: into how many pieces do the moved borders cut the map?*


# %%
def framed(picture, M, s=0, token=None, zoom=8):
    """A picture (g, g), enlarged, with a border every M pixels; the first comes after s, or after M."""
    big = np.repeat(np.kron(picture, np.ones((zoom, zoom)))[..., None], 3, axis=2)
    for i in range(s or M, len(picture), M):
        where = slice(zoom * i - 1, zoom * i + 1)
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
# All pairs are N². In windows, each of N tokens has M² keys: N·M² pairs. A pair costs 2D multiplications, one half for its
# score and one for its part in the average; the dense layers before and after cost 4·N·D² in any case. M stays as it is when
# pictures grow, so all of it grows with the number of tokens, and no longer with its square.

# %%
for side in (14, 28, 56, 112):
    N = side**2
    print(
        f"{side:>3} × {side:<3} tokens: {N**2:>11,} pairs, {N * 49:>7,} in windows of 7 × 7: {N / 49:3.0f} times fewer"
    )

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
# Now cut, attend, put together, roll back. To attention, windows are no different from more images: they stand in an axis
# of their own, in front. The result must be what the loop computes:


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
for name, bias in (("reach the corner, no mask", None), ("with the mask", m)):
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
# $$\begin{aligned} S _{bwhpq} &= \tfrac{1}{\sqrt d}\, Q _p \cdot K _q \\
# &\quad + T _{e(p,q),\,h} + m _{wpq} \end{aligned} \tag{3}$$
#
# The mask is constant, and needs no gradient. It stops that of the others: in chapter 07, $dS _{pq}$ is $P _{pq}$ times
# something, and so 0 where $P _{pq}$ is 0.
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
# **What to notice.** (1) (7 − |rows|) · (7 − |columns|) pairs, from 49 to 1: entries of short offsets learn from many, those in
# the corners from one pair a window. (2) 169 numbers a head serve 2,401 pairs.
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
# A block is a ViT's (chapter 10) but for its attention. The library's whole model is `minivit/family/swin.py`:

# %%
config = SwinConfig(
    image_size=28, patch_size=2, channels=1, classes=10, width=24, depths=(2, 2), heads=(3, 6), window=7
)
model = Swin(config)
print(
    model(model.normalize(image[None, :, :, None])).shape, f"{sum(p.size for p in model.params.values()):,} parameters"
)
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
maps = [
    (name, count, seen(kind, count)) for name, kind in (("shifted", stage), ("still", still)) for count in (1, 2, 3)
]

# %%
draw.digits(
    np.stack([framed(0.25 + 0.75 * where, 4, token=(13, 13), zoom=6) for _, _, where in maps]),
    [f"{name}, {count} block{'s' * (count > 1)}: {where.sum()} tokens" for name, count, where in maps], columns=3, side=2,
    alt="Six maps of 28 by 28 under a grid of windows of 4 by 4, with a marked token. Shifted: a bright window of 4 by 4 "
    "after one block, a square of 8 by 8 after two, and of 12 by 12 after three. Never shifted: the window of 4 by 4 each time.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Without the shift a token never leaves its window, however deep the model is. (2) With it, the square's
# side grows by a window's with each block: 4, 8, 12 tokens. (3) The token stands in the square where the windows' borders put it, seldom in the middle: a convolution would see as far
# to each side.
#
# ## What it is worth
#
# `docs/experiments.md` has a Swin for digits, as it is and never shifted, each trained on 1,000 digits, and judged also on
# digits that are pushed by 4 pixels. On so small a picture the shift is not what decides: there are few windows, they meet in
# the merging, and the last stage has one. On photographs the authors' ablation (their table 4) finds it of use, most of all
# where objects are to be found. The other lesson of that page is that windows are no convolutions: they lie where they lie,
# and a pushed digit meets other borders. `python benchmarks/family/variants.py --seeds 0 1 2` makes the runs anew.

# %% [markdown] exercise="What windows save" kind="predict" stars=1 minutes=6
# A picture of 224 × 224 pixels is cut into patches of 4 × 4, and their map into windows of 7 × 7 tokens. How many windows
# are there (`windows_there`)? How many pairs of query and key does a head compare in all of them (`pairs`)? How many numbers
# has its relative table (`entries`)? If the picture is twice as high and twice as wide, by which factor do the pairs grow
# (`growth`)?

# %% role="solution"
# YOUR TURN
windows_there = 64
pairs = 153664
entries = 169
growth = 4
# END

# %% role="check"
side = 224 // 4
check.answer(
    windows_there, (side // 7) ** 2, "windows_there",
    reasons={8: "that is a row of windows", 1024: "a window has 7 tokens a side, and a token 4 pixels",
             448: "8 windows side by side: and how many rows of them?", 9: "cut where nothing is shifted: 56 / 7 a side",
             81: "moved borders cut more pieces, but rolled there are as many windows as before"},
)  # fmt: skip
check.answer(
    pairs, side**2 * 49, "pairs",
    reasons={side**4: "those are all pairs of the map: each token has the 49 keys of its window", 49**2: "in one window",
             side**2 * 7: "a window has 7 · 7 tokens", 64 * 49: "those are the tokens: how many keys has each?",
             64**2: "windows are not compared: tokens are"},
)  # fmt: skip
check.answer(
    entries, 13**2, "entries",
    reasons={49: "that is one for each token: count offsets, from −6 to 6 each way", 49**2: "that is one for each pair: "
             "pairs with the same offset share one", 13: "offsets have rows and columns", 196: "from −6 to 6 there are 13, "
             "the 0 among them", 172: "three more are for a class token, and Swin has none"},
)  # fmt: skip
check.answer(
    growth, 4, "growth",
    reasons={16: "so do all pairs: but a token still has 49 keys", 2: "there are four times as many tokens",
             1: "each token has 49 keys as before, but there are more tokens"},
)  # fmt: skip

# %% [markdown] role="hint"
# The map has 56 × 56 tokens. Each looks at 49, its own window. Offsets in a window run from −6 to 6, down and across.

# %% role="wrong"
{
    "a row of windows": ("windows_there = 64", "windows_there = 8", "a row of windows"),
    "windows of pixels": ("windows_there = 64", "windows_there = 1024", "a token 4 pixels"),
    "all pairs": ("pairs = 153664", "pairs = 9834496", "all pairs of the map"),
    "one window's": ("pairs = 153664", "pairs = 2401", "in one window"),
    "the tokens": ("pairs = 153664", "pairs = 3136", "how many keys has each"),
    "one a token": ("entries = 169", "entries = 49", "one for each token"),
    "one a pair": ("entries = 169", "entries = 2401", "share one"),
    "with a class token's": ("entries = 169", "entries = 172", "Swin has none"),
    "as all pairs grow": ("growth = 4", "growth = 16", "still has 49 keys"),
    "one side": ("growth = 4", "growth = 2", "four times as many tokens"),
}

# %% [markdown] exercise="Windows that are not square" kind="build" stars=2 minutes=12
# Write `cut` and its backward for maps, windows and shifts that need not be square: `grid` = (rows, columns) of the map,
# `window` = (rows, columns) of a window, which divide it, `shift` = (down, across). Windows, and tokens in them, come in
# reading order.


# %% role="solution"
def cut(x, grid, window, shift):
    """x (B, rows · columns, D) -> (B, W, n, D)"""
    # YOUR TURN
    (gh, gw), (mh, mw), (B, N, D) = grid, window, x.shape
    rolled = np.roll(x.reshape(B, gh, gw, D), (-shift[0], -shift[1]), axis=(1, 2))
    tiles = rolled.reshape(B, gh // mh, mh, gw // mw, mw, D).transpose(0, 1, 3, 2, 4, 5)
    return tiles.reshape(B, N // (mh * mw), mh * mw, D)
    # END


def cut_backward(dy, grid, window, shift):
    """dy (B, W, n, D) -> dx (B, rows · columns, D)"""
    # YOUR TURN
    (gh, gw), (mh, mw), (B, _, _, D) = grid, window, dy.shape
    tiles = dy.reshape(B, gh // mh, gw // mw, mh, mw, D).transpose(0, 1, 3, 2, 4, 5)
    return np.roll(tiles.reshape(B, gh, gw, D), shift, axis=(1, 2)).reshape(B, gh * gw, D)
    # END


# %% role="check"
x, place = rng.standard_normal((2, 36, 3)), ((4, 9), (2, 3), (1, 2))


def rolled_by(x, down, across):
    return np.roll(x.reshape(2, 4, 9, 3), (down, across), axis=(1, 2)).reshape(2, 36, 3)


def tiled(x, order=(0, 1, 3, 2, 4, 5)):
    return x.reshape(2, 2, 2, 3, 3, 3).transpose(order).reshape(2, 6, 6, 3)


found = check.call(lambda x: cut(x, *place), x=x)
check.close(
    found, ops.windows_forward(x, *place)[0], "y",
    mistakes={
        "The transpose is missing: six tokens in a row are no window.": rolled_by(x, -1, -2).reshape(2, 6, 6, 3),
        "It is rolled the other way: windows that lie further down and to the right begin where the map, rolled up and to "
        "the left, does.": tiled(rolled_by(x, 1, 2)),
        "Nothing is rolled.": tiled(x),
        "Down and across are exchanged in the roll.": tiled(rolled_by(x, -2, -1)),
        "The windows come column by column.": tiled(rolled_by(x, -1, -2), (0, 3, 1, 2, 4, 5)),
        "The tokens of a window come column by column.": tiled(rolled_by(x, -1, -2), (0, 1, 3, 4, 2, 5)),
        "The axes of the images and the rows are rolled, not those of rows and columns.":
            tiled(np.roll(x.reshape(2, 4, 9, 3), (-1, -2), axis=(0, 1))),
    },
)  # fmt: skip


def untiled(dy):
    return ops.unwindows_forward(dy, (4, 9), (2, 3))[0]


check.grad(
    lambda x: (cut(x, *place), None), lambda dy, _: (cut_backward(dy, *place),), {"x": x},
    mistakes={
        "It is rolled as in the forward: the way back goes down and to the right.":
            lambda dy, _: (rolled_by(untiled(dy), -1, -2),),
        "It is not rolled back.": lambda dy, _: (untiled(dy),),
        "The tokens stay as they lie in the windows: transpose back before they become a map.":
            lambda dy, _: (rolled_by(dy.reshape(2, 36, 3), 1, 2),),
        "The tokens are taken apart as if they lay in reading order: first split windows and tokens, then transpose.":
            lambda dy, _: (rolled_by(tiled(dy).reshape(2, 36, 3), 1, 2),),
    },
)  # fmt: skip
again = rng.standard_normal((1, 60, 2)), ((6, 10), (3, 2), (0, 1))
check.close(cut(again[0], *again[1]), ops.windows_forward(again[0], *again[1])[0], "y, windows of 3 × 2")
dy = rng.standard_normal((1, 10, 6, 2))
check.close(cut_backward(dy, *again[1]), ops.unwindows_forward(dy, *again[1])[0], "dx, windows of 3 × 2")

# %% [markdown] role="hint"
# The chapter's `windows` and `unwindows`, with two numbers wherever they have g, M or s. The backward undoes what the
# forward did, the last thing first.

# %% role="wrong"
{
    "no transpose": (
        "tiles = rolled.reshape(B, gh // mh, mh, gw // mw, mw, D).transpose(0, 1, 3, 2, 4, 5)", "tiles = rolled",
        "no window",
    ),
    "rolled the other way": ("(-shift[0], -shift[1])", "shift", "the other way"),
    "exchanged": ("(-shift[0], -shift[1])", "(-shift[1], -shift[0])", "are exchanged in the roll"),
    "the images rolled": (
        "(-shift[0], -shift[1]), axis=(1, 2)", "(-shift[0], -shift[1]), axis=(0, 1)", "axes of the images"
    ),
    "windows by column": (
        "rolled.reshape(B, gh // mh, mh, gw // mw, mw, D).transpose(0, 1, 3, 2, 4, 5)",
        "rolled.reshape(B, gh // mh, mh, gw // mw, mw, D).transpose(0, 3, 1, 2, 4, 5)",
        "The windows come column by column",
    ),
    "tokens by column": (
        "rolled.reshape(B, gh // mh, mh, gw // mw, mw, D).transpose(0, 1, 3, 2, 4, 5)",
        "rolled.reshape(B, gh // mh, mh, gw // mw, mw, D).transpose(0, 1, 3, 4, 2, 5)",
        "The tokens of a window",
    ),
    "the backward rolls as the forward": (
        "np.roll(tiles.reshape(B, gh, gw, D), shift, axis=(1, 2)).reshape(B, gh * gw, D)",
        "np.roll(tiles.reshape(B, gh, gw, D), (-shift[0], -shift[1]), axis=(1, 2)).reshape(B, gh * gw, D)",
        "rolled as in the forward",
    ),
    "the backward does not roll": (
        "np.roll(tiles.reshape(B, gh, gw, D), shift, axis=(1, 2)).reshape(B, gh * gw, D)",
        "tiles.reshape(B, gh * gw, D)", "not rolled back",
    ),
    "the backward does not transpose": (
        "tiles = dy.reshape(B, gh // mh, gw // mw, mh, mw, D).transpose(0, 1, 3, 2, 4, 5)", "tiles = dy",
        "as they lie in the windows",
    ),
    "the backward cuts again": (
        "dy.reshape(B, gh // mh, gw // mw, mh, mw, D)", "dy.reshape(B, gh // mh, mh, gw // mw, mw, D)", "taken apart"
    ),
}  # fmt: skip

# %% [markdown] exercise="A mask that lets some through" kind="break" stars=2 minutes=10
# A colleague's mask has the right shape, and a model trains with it. Yet some tokens look at the other end of the picture,
# and some do not look at their neighbours. There are two mistakes: mend them.


# %% role="broken"
def mask_colleague(g, M, s):
    """-> (windows, M·M, M·M): −1000 between two tokens that only the roll made neighbours, else 0."""
    around = (np.arange(g) < s).astype(int)
    region = around[:, None] + around
    cut = ops.windows_forward(region.reshape(1, g * g, 1), (g, g), (M, M))[0][0, :, :, 0]
    return np.where(cut[:, :, None] == cut[:, None], 0.0, -1000.0)


# %% role="solution"
def mask_colleague(g, M, s):
    """-> (windows, M·M, M·M): −1000 between two tokens that only the roll made neighbours, else 0."""
    around = (np.arange(g) >= g - s).astype(int)
    region = 2 * around[:, None] + around
    cut = ops.windows_forward(region.reshape(1, g * g, 1), (g, g), (M, M))[0][0, :, :, 0]
    return np.where(cut[:, :, None] == cut[:, None], 0.0, -1000.0)


# %% role="check"
def as_said(around, region):
    a = around.astype(int)
    cut = ops.windows_forward(region(a[:, None], a).reshape(1, -1, 1), (len(a),) * 2, (4, 4))[0][0, :, :, 0]
    return np.where(cut[:, :, None] == cut[:, None], 0.0, -1000.0)


for g, s in ((8, 1), (12, 3)):
    r, late, both = np.arange(g), np.arange(g) >= g - s, lambda rows, columns: 2 * rows + columns
    right = ops.window_mask((g, g), (4, 4), (s, s))[:, 0]
    check.close(
        mask_colleague(g, 4, s), right, f"mask of {g} × {g}, shift {s}",
        mistakes={
            "What came around on the right, and what came around below, have the same number, and in the last window they "
            "look at each other.": as_said(late, lambda rows, columns: rows + columns),
            "Who came around stands at the end of the rolled map: a roll up and to the left takes from the beginning.":
                as_said(r < s, both),
            "One row and one column too few are marked.": as_said(r > g - s, both),
            "The last M − s are marked: those came around that the shift pushed out, s of them.":
                as_said(r >= g - 4 + s, both),
            "It is inverted: those that may look at each other are kept apart.": -1000 - right,
            "Columns are forgotten: only what came around below is kept apart.": as_said(late, lambda rows, columns: rows + 0 * columns),
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# Print `np.roll(np.arange(8), -1)`: where is what came around? And which numbers get the four kinds of places, of which
# a row came around or not, and a column or not? They must be four numbers.

# %% role="wrong"
{
    "only the places mended": (
        "region = 2 * around[:, None] + around", "region = around[:, None] + around", "have the same number"
    ),
    "only the numbers mended": ("np.arange(g) >= g - s", "np.arange(g) < s", "stands at the end"),
    "one too few": ("np.arange(g) >= g - s", "np.arange(g) > g - s", "too few"),
    "the rest of the window": ("np.arange(g) >= g - s", "np.arange(g) >= g - M + s", "The last M − s"),
    "inverted": ("cut[:, :, None] == cut[:, None]", "cut[:, :, None] != cut[:, None]", "It is inverted"),
    "rows alone": (
        "region = 2 * around[:, None] + around", "region = around[:, None] + 0 * around", "Columns are forgotten"
    ),
}  # fmt: skip

# %% [markdown] exercise="Sight, reckoned" kind="further" stars=3 minutes=15
# How many tokens reach the one at (`row`, `column`) of a g × g map after `blocks` blocks? Blocks 0, 2, … have windows of
# M × M tokens from the corner on, blocks 1, 3, … windows moved by s; M divides g. Reckon it, without a gradient: what a token
# sees is a rectangle, and rows and columns do not need each other.


# %% role="solution"
def sight(row, column, blocks, g, M, s):
    """-> how many tokens of the input reach it."""

    # YOUR TURN
    def length(place):
        first = last = place
        for i in reversed(range(blocks)):  # the last block looks first
            by = s if i % 2 else 0
            first = max(0, (first - by) // M * M + by)
            last = min(g - 1, (last - by) // M * M + by + M - 1)
        return last - first + 1

    return length(row) * length(column)
    # END


# %% role="check"
def lengths(g, M, s, blocks, order=reversed, first=0, before=0, after=0):
    """How many places of an axis, which may be longer, reach each place: by matrices of who sees whom."""
    place = np.arange(-before, g + after)
    reach = np.eye(len(place), dtype=bool)
    for i in order(range(blocks)):
        window = (place - s * ((i + first) % 2)) // M
        reach = reach @ (window[:, None] == window)
    return reach.sum(axis=1)[before : before + g]


for g, M, s in ((28, 4, 2), (12, 6, 2), (9, 3, 1)):
    for blocks in range(5):
        one = lengths(g, M, s, blocks)
        found = [[check.call(sight, row=r, column=c, blocks=blocks, g=g, M=M, s=s) for c in range(g)] for r in range(g)]
        forward, other = (lengths(g, M, s, blocks, **how) for how in ({"order": iter}, {"first": 1}))
        still, far = lengths(g, M, 0, blocks), 9 * M
        ends = ((far, far), (0, far), (far, 0))
        free, below, above = (lengths(g, M, s, blocks, before=b, after=a) for b, a in ends)
        check.close(
            found, one[:, None] * one, f"g {g}, M {M}, s {s}, blocks {blocks}",
            mistakes={
                "It goes on beyond the map: the first and the last windows are cut off at its border.": free[:, None] * free,
                "It goes on below the map and on its right: the last window is cut off there.": below[:, None] * below,
                "It goes on above the map and on its left: the first window is cut off there.": above[:, None] * above,
                "The blocks are gone through from the first to the last. The last one looks at the tokens which the block "
                "before has left, and so on back: begin with the last.": forward[:, None] * forward,
                "Block 0 is shifted: it should be 1, 3, …": other[:, None] * other,
                "No block is shifted.": still[:, None] * still,
                "Rows and columns are added: a rectangle has as many tokens as their product.": one[:, None] + one,
                "Only rows are counted.": one[:, None] + 0 * one,
            },
        )  # fmt: skip

# %% [markdown] role="hint"
# For one axis: keep the first and the last place that are seen. A block moves the first to the beginning of its window, and
# the last to the end of its own. Row r lies in the window that begins at `(r - s) // M * M + s`, which may be before the map.

# %% role="wrong"
{
    "not cut off below": ("min(g - 1, (last - by) // M * M + by + M - 1)", "(last - by) // M * M + by + M - 1", "on below the map"),
    "not cut off above": ("max(0, (first - by) // M * M + by)", "(first - by) // M * M + by", "on above the map"),
    "not cut off at all": (
        "",
        """
def sight(row, column, blocks, g, M, s):
    def length(place):
        first = last = place
        for i in reversed(range(blocks)):
            by = s if i % 2 else 0
            first = (first - by) // M * M + by
            last = (last - by) // M * M + by + M - 1
        return last - first + 1

    return length(row) * length(column)
""",
        "beyond the map",
    ),
    "from the first block on": ("reversed(range(blocks))", "range(blocks)", "from the first to the last"),
    "block 0 shifted": ("by = s if i % 2 else 0", "by = 0 if i % 2 else s", "Block 0 is shifted"),
    "never shifted": ("by = s if i % 2 else 0", "by = 0", "No block is shifted"),
    "added": ("length(row) * length(column)", "length(row) + length(column)", "Rows and columns are added"),
    "rows alone": ("length(row) * length(column)", "length(row)", "Only rows"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Cut a map into windows and put it together again with a reshape, a transpose and a roll, and say why each way is the other's
#   backward.
# - Say which neighbours only the roll made, and mask them; sum the gradient of a relative table over images, windows and pairs.
# - Say what windows cost, how far a token sees after any number of blocks, and what the shift has to do with it.
#
# In the library: `minivit/ops/windows.py`, `minivit/ops/positions.py`, `minivit/family/swin.py`; `python -m minivit train
# --architecture swin` trains one. Where windows do not divide a map, published models pad it, and do not agree how: the
# library has both ways. Source: Z. Liu et al., *Swin Transformer: Hierarchical Vision Transformer using Shifted Windows*,
# arXiv 2103.14030, sections 3.1 and 3.2.
