# ---
# title: Rows, then columns
# question: If a token may look along its row and its column only, what is saved, and what is lost?
# sentence: Axial attention, along rows and then along columns, the permutation behind it and its backward; what it costs, who reaches whom, and which looks two layers cannot have.
# minutes: 60
# needs: [1, 7, 8, 10, 20]
# gpu: of no use
# ---

# %% [markdown]
# Attention compares all tokens with all others, and that is dear on a large map. Chapter 20 cut the map into windows.
# **Axial attention** (Ho et al., [arXiv 1912.12180](https://arxiv.org/abs/1912.12180); Wang et al.,
# [arXiv 2003.07853](https://arxiv.org/abs/2003.07853)) cuts it into lines: a token looks along its whole row, and in the
# next layer along its whole column.

# %% role="setup"
import os
from time import process_time

import numpy as np

from minivit import ViT, ViTConfig, check, draw, load_mnist, ops
from minivit.layers import Chain, Op
from minivit.layers.parts import attention
from minivit.model.vit import block
from minivit.ops import attention_forward, self_attention_backward, self_attention_forward

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)

# %% [markdown]
# ## The picture first
#
# Patches of 2 × 2 pixels make a digit a map of 14 × 14 tokens. The blue one looks at the orange ones. *Predict: after a
# layer along rows and one along columns, who in the map can have changed it?*


# %%
image = load_mnist().test_images[4, :, :, 0] / 255  # 28 × 28


def lit(where, token=(5, 8), zoom=4):
    """The digit, with the tokens of a map (14, 14) in orange and the one that looks in blue."""
    big = np.repeat(np.kron(image, np.ones((zoom, zoom)))[..., None], 3, axis=2)
    tint = np.kron(where, np.ones((2 * zoom, 2 * zoom)))[..., None]
    big = np.where(tint > 0, 0.5 * big + np.array([0.45, 0.3, 0]), big)
    row, column = (slice(2 * zoom * i, 2 * zoom * (i + 1)) for i in token)
    big[row, column] = 0, 0.45, 0.7
    return big


row, column = (np.arange(14) == 5)[:, None], np.arange(14) == 8
maps = [np.ones((14, 14)), row * np.ones((14, 14)), column * np.ones((14, 14))]
draw.digits(
    np.stack([lit(where) for where in maps]), ["full: 196 keys", "along its row: 14", "along its column: 14"], columns=3, side=2,
    alt="A handwritten digit three times, with a blue token in it. First the whole square is orange; then the row of the "
    "blue token; then its column.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A line is as long as the map is wide, not as large as it is. (2) It reaches from border to border,
# as no window does. (3) All that lies off the cross is seen by neither layer alone.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B | maps in a batch | 2 |
# | gh, gw | rows and columns of the map; not equal, and we shall see why | 4, 6 |
# | N | tokens, gh · gw, in reading order: number $g_w r + c$ stands in row r, column c | 24 |
# | D, H | width, heads | 12, 2 |
# | x | tokens | (B, N, D) |
# | rows | as many maps of one row | (B · gh, gw, D) |
# | columns | as many maps of one column | (B · gw, gh, D) |
# | R, C | a head's weights along rows, along columns | (gh, gw, gw), (gw, gh, gh) |
#
# ## The idea
#
# Each of N tokens has $g_w$ keys in its row, and $g_h$ in its column. A pair of query and key costs 2D multiplications, the
# dense layers around an attention $4ND^2$; and there are two layers now where there was one. On a map of g × g, with D = 64 below:
#
# $$\begin{aligned} \text{full} &= N D\,(4D + 2g^2) \\ \text{axial} &= N D\,(8D + 4g) \end{aligned} \tag{1}$$

# %%
for g in (7, 14, 28, 56, 112):
    full, axial = (g * g * 64 * each / 1e6 for each in (4 * 64 + 2 * g**2, 8 * 64 + 4 * g))
    print(f"{g:>3} × {g:<3} tokens: {full:>9,.1f} million, axial {axial:>6,.1f}: {full / axial:4.1f} times fewer")

# %% [markdown]
# As a loop: a token's keys are those with the same number of a row, or of a column.


# %%
def axial_loop(q, k, v, grid, along):
    """q, k, v (N, d): one head of one map. -> (N, d)"""
    rows, columns = np.divmod(np.arange(len(q)), grid[1])
    line = rows if along == "row" else columns
    out = np.empty_like(v)
    for t in range(len(q)):
        keys = line == line[t]
        out[t] = attention_forward(q[[t]], k[keys], v[keys])[0][0]
    return out


# %% [markdown]
# ## Lines as maps of their own
#
# To attention, the lines of a map are no different from more maps: they stand in the axis of the batch. In reading order a
# row's tokens stand side by side already, and rows are a reshape. A column's lie $g_w$ apart: they have to be moved.
#
# $$\begin{aligned} \text{rows:} && y _{(b,r),\,c} &= x _{b,\,g_w r + c} \\
# \text{columns:} && y _{(b,c),\,r} &= x _{b,\,g_w r + c} \end{aligned} \tag{2}$$


# %%
def lines(x, grid, along):
    """(B, N, D) -> rows (B · gh, gw, D), or columns (B · gw, gh, D)."""
    (gh, gw), D = grid, x.shape[-1]
    if along == "row":
        return x.reshape(-1, gw, D)
    return x.reshape(-1, gh, gw, D).swapaxes(1, 2).reshape(-1, gh, D)  # b, r, c -> b, c, r


def unlines(y, grid, along):
    """The way back, to (B, N, D)."""
    (gh, gw), D = grid, y.shape[-1]
    if along == "column":
        y = y.reshape(-1, gw, gh, D).swapaxes(1, 2)  # b, c, r -> b, r, c
    return y.reshape(-1, gh * gw, D)


def axial(qkv, grid, along, heads=1):
    """qkv (B, N, 3D) -> (B, N, D), and attention's cache."""
    out, cache = self_attention_forward(lines(qkv, grid, along), None, heads)
    return unlines(out, grid, along), cache


# %%
grid, x = (4, 6), rng.standard_normal((2, 24, 12))
q, k, v = rng.standard_normal((3, 24, 5))
for along, shape in (("row", (8, 6, 12)), ("column", (12, 4, 12))):
    y = lines(x, grid, along)
    check.shape(y, shape, along)
    check.close(y, ops.lines_forward(x, grid, along)[0], "the library's lines")
    check.close(unlines(y, grid, along), x, "there and back")
    ours = axial(np.concatenate((q, k, v), axis=1)[None], grid, along)[0][0]
    check.close(ours, axial_loop(q, k, v, grid, along), "arrays against the loop")

# %% [markdown]
# ## The backward
#
# *By index*: by (2) each number of x goes to one place of y, so its gradient comes back from there:
#
# $$\begin{aligned} \text{rows:} && dx _{b,\,g_w r + c} &= dy _{(b,r),\,c} \\
# \text{columns:} && dx _{b,\,g_w r + c} &= dy _{(b,c),\,r} \end{aligned} \tag{3}$$
#
# *In matrix form*: $y = \Pi x$, where $\Pi$ takes number $g_w r + c$ to place $g_h c + r$. It has a single 1 in each row and
# each column, it is a permutation, and so $dx = \Pi^\top dy = \Pi^{-1} dy$: the way back is the inverse, `unlines`. And which
# matrix is that? What takes $g_h c + r$ to $g_w r + c$ is the same exchange, of a map with $g_w$ rows and $g_h$ columns:
#
# $$\Pi _{h \times w}^{-1} = \Pi _{w \times h} \tag{4}$$


# %%
def permutation(grid):
    """Π: (N, N)"""
    return lines(np.eye(grid[0] * grid[1])[None], grid, "column").reshape(grid[0] * grid[1], -1)


check.close(permutation((3, 4)).T, permutation((4, 3)), "transposed, Π of 3 × 4 is Π of 4 × 3")
shown = {"Π of 3 × 4": (3, 4), "its inverse": (4, 3), "Π of 4 × 4": (4, 4)}
draw.matrices(
    [{"array": permutation(grid), "title": title, "values": False} for title, grid in shown.items()],
    colorbar=False, colormap="attention",
    alt="Three square matrices with one dark place in each row and column. In the first, 12 by 12, they lie on three steep "
    "lines; in the second, on four flat ones; in the third, 16 by 16, on lines that are symmetric about the diagonal.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Each matrix has one 1 in each row and column. (2) The first is not symmetric: to do the same thing
# again is not the way back. (3) The third is. On a square map the two ways are the same, and *a test with a square map lets
# pass what exchanges them*. That is why ours is 4 × 6.
#
# *In code*, each of the two is the other's backward, and attention does not know that its maps are lines:


# %%
def axial_backward(dy, cache, grid, along):
    dqkv, _ = self_attention_backward(lines(dy, grid, along), cache)  # the backward of unlines is lines, by (3)
    return unlines(dqkv, grid, along)


for way in ("row", "column"):
    check.grad(
        lambda qkv, way=way: axial(qkv, (2, 3), way, heads=2),
        lambda dy, cache, way=way: (axial_backward(dy, cache, (2, 3), way),),
        {"qkv": rng.standard_normal((2, 6, 12))},
    )

# %% [markdown]
# ## Two layers as one matrix
#
# What does a token get in the end? Of one head: token $(r, c)$ takes from $(s, c)$, in its column, with weight
# $C _{c,r,s}$; and $(s, c)$ has taken from $(s, e)$, in its row, with weight $R _{s,c,e}$. There is no other way from $(s, e)$
# to $(r, c)$, and so the sum over all ways has one term:
#
# $$A _{(r,c),\,(s,e)} = C _{c,r,s}\, R _{s,c,e} \tag{5}$$
#
# Of a full attention, A would be free. *Before you look: in the product of the two below, will any entry be 0?*


# %%
def spread(weights, grid, along):
    """Weights within lines -> (N, N), with 0 where two tokens share no line."""
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    line, place = (rows, columns) if along == "row" else (columns, rows)
    return np.where(line[:, None] == line, weights[line[:, None], place[:, None], place], 0)


R, C = (ops.softmax_forward(2 * rng.standard_normal(shape))[0] for shape in ((3, 4, 4), (4, 3, 3)))
by_rows, by_columns = spread(R, (3, 4), "row"), spread(C, (3, 4), "column")
A = by_columns @ by_rows  # the columns' layer reads what the rows' layer has left
shown = {"along columns": by_columns, "along rows": by_rows, "both: A": A}
draw.matrices(
    [{"array": array, "title": title, "values": False} for title, array in shown.items()], between=["@", "="],
    colormap="attention", share=False,
    alt="A product of matrices of 12 by 12, queries by keys. Along columns: three by three diagonals. Along rows: three dark "
    "blocks of 4 by 4 on the main diagonal. Their product has no empty place.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Along rows, three blocks of 4 × 4; along columns, four interleaved ones of 3 × 3, by Π. (2) The
# product is full: after two layers a token has heard of every other. (3) It looks like any attention, and is not. Take the
# tokens of one *column* as queries, and one *row* as keys. By (5) their block of A is $C _{c,r,s}$, a number for each query,
# times $R _{s,c,e}$, a number for each key: an outer product. All tokens of a column see a row alike, louder or softer.

# %%
free = ops.softmax_forward(2 * rng.standard_normal((12, 12)))[0]
for name, weights in (("full", free), ("axial", A)):
    blocks = weights.reshape(3, 4, 3, 4).transpose(1, 2, 0, 3)  # c, s, and a block of r by e
    values = np.linalg.svd(blocks, compute_uv=False)  # of an outer product, all but the first are 0
    ratio = np.mean(values[..., 1] / values[..., 0])
    print(f"{name:>5}: the second singular value is {ratio:.2f} of the first, on average")

# %% [markdown]
# So if one token of column 1 wants the left end of row 2, and another its right end, two axial layers of one head cannot
# serve both. More heads, and more layers, can. N · (gh + gw) numbers for N² places: something had to go.
#
# ## Who reaches whom
#
# In a model, a residual and a norm lie around each layer (chapter 10), and an MLP follows both. The library's block, with a
# gradient sent back from the blue token: which tokens does it arrive at?

# %%
small = ViTConfig(
    image_size=28, patch_size=2, channels=1, classes=0, width=16, depth=1, heads=2, pool="gap", attention="axial"
)
vit = ViT(small, dtype=np.float64, init="fan_in")
layers = block(small, 0).parts  # along rows, along columns, MLP
reached, start = [], rng.standard_normal((1, 196, 16))
for count in (1, 2):
    _, cache = Chain(*layers[:count]).forward(ops, vit.params, start)
    dy = np.zeros((1, 196, 16))
    dy[0, 14 * 5 + 8] = rng.standard_normal(16)
    dx, _ = Chain(*layers[:count]).backward(ops, dy, cache)
    reached.append((np.abs(dx[0]).max(axis=-1) > 0).reshape(14, 14))
draw.digits(
    np.stack([lit(where) for where in reached]),
    [f"{name}: {where.sum()} tokens" for name, where in zip(("rows", "rows, then columns"), reached, strict=True)],
    columns=2, side=2,
    alt="The digit twice: after the layer along rows the blue token's row is orange, 14 tokens; after the layer along columns "
    "the whole square, 196 tokens.",
)  # fmt: skip

# %% [markdown]
# Windows reach a square, and need the more layers the larger the map is (chapter 20). Lines reach all of it in two, whatever its size.
#
# ## What it costs
#
# Counting is one thing, time another. *From which map on will the two layers along lines be faster than the one full
# layer?* Four heads, D = 64, one map, forward alone; CPU time, the least of three.


# %%
def milliseconds(layer, g):
    p = {one.name: 0.2 * rng.standard_normal(one.shape).astype(np.float32) for one in layer.parameters}
    x, times = rng.standard_normal((1, g * g, 64)).astype(np.float32), []
    for _ in range(3):
        start = process_time()
        layer(ops, p, x)
        times.append(1000 * (process_time() - start))
    return min(times)


def along_lines(g):
    """The two layers, without norm and residual."""
    parts = []
    for along in ("row", "column"):
        where = {"grid": (g, g), "along": along}
        parts += [Op("lines", **where), attention(along, 64, 4), Op("unlines", **where)]
    return Chain(*parts)


# %%
sides = (7, 14) if FAST else (7, 14, 28, 56)
times = {"full": [milliseconds(attention("full", 64, 4), g) for g in sides],
         "axial": [milliseconds(along_lines(g), g) for g in sides]}  # fmt: skip
for g, full, axial_ in zip(sides, *times.values(), strict=True):
    print(f"{g:>2} × {g:<2}: full {full:7.2f} ms, axial {axial_:6.2f} ms")
draw.lines(
    {name: ([g * g for g in sides], found) for name, found in times.items()}, logx=True, logy=True, xlabel="tokens",
    ylabel="CPU milliseconds", height=2.8,
    alt="Milliseconds against tokens, from 49 to 3,136, both axes logarithmic. Axial attention begins above full attention; "
    "they cross below 200 tokens; at 3,136 full attention takes many times as long.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) On the 7 × 7 map of most chapters lines are slower: the dense layers are there twice. (2) From 28 × 28
# on they are, and by more than (1) says: full attention writes and reads N² numbers a head, and (1) counts multiplications
# alone. (3) What a pair costs in time depends on the machine, and on what else it has to do; which of the two
# wins on a large map does not.
#
# ## What it is worth
#
# *What would you expect on digits of 7 × 7 patches: is it worse to look along lines only?* `benchmarks/family/axial.py` has trained both
# on 1,000 digits, with as many parameters (four full blocks, or three axial ones, with two attentions each) and each at the
# better of two rates. Of 2,000 test digits three seeds read 76.2, 76.3 and 76.1 % with full attention, and 85.5, 83.9 and 84.5 % with
# lines.
#
# They are eight points *better*. That is not what lines were made for, and it is one experiment on small pictures. A likely reason,
# which was not tested: full attention has to learn from its positions who stands in a token's row. Lines are told, and with few digits
# it is worth much to be told (chapter 15). With more digits, or on larger pictures, it may be otherwise: that has not been run.

# %% [markdown] exercise="What lines save" kind="predict" stars=1 minutes=6
# 1. A photograph of 224 × 224 pixels in patches of 4 × 4 is a map of 56 × 56 tokens. How many pairs of query and key does a head
#    compare in the two layers, along rows and along columns, together (`pairs`)?
# 2. On a map of 14 × 14, how many tokens reach one token after two layers *along rows* (`rows_twice`)? It is one of them.
# 3. By (1), on a map of g × g with N = g² tokens, a full layer costs $ND(4D + 2g^2)$ multiplications, and the two layers along lines
#    together $ND(8D + 4g)$. With D = 64, which is the smallest side g at which the two cost fewer (`side`)?

# %% role="solution"
# YOUR TURN
pairs = 351232
rows_twice = 14
side = 13
# END

# %% role="check"
check.answer(
    pairs, 56**2 * (56 + 56), "pairs",
    reasons={56**4: "those are all pairs of the map: a token has the 56 keys of a line", 56**3: "in one of the two layers",
             112: "those of one token", 56**2 * 111: "in both layers a token is compared with itself, too",
             2 * 56**2: "each of the 3,136 tokens has 56 keys in each layer", 56**2 * 224: "a token has 56 keys in a layer, not 112"},
)  # fmt: skip
check.answer(
    rows_twice, 14, "rows_twice",
    reasons={196: "so it would be if the second layer ran along columns", 28: "the second layer has no other line than the first",
             27: "that is a row and a column", 1: "a line has 14 tokens", 13: "it is among its own keys"},
)  # fmt: skip
check.answer(
    side, 13, "side",
    reasons={12: "nearly: there the two layers still cost more", 14: "it is less there, but not there first",
             3: "and the dense layers? There are twice as many of them", 2: "and the dense layers? There are twice as many of them",
             16: "divided by 2ND, (1) says 2D + g² against 4D + 2g", 17: "divided by 2ND, (1) says 2D + g² against 4D + 2g",
             12.36: "a map has a whole number of rows", 12.4: "a map has a whole number of rows", 64: "not the width: compare the two lines of (1)"},
)  # fmt: skip

# %% [markdown] role="hint"
# 56 · 56 tokens have 56 keys in each layer. For the last one, divide both lines of (1) by 2ND: when is 2D + g² more than
# 4D + 2g?

# %% role="wrong"
{
    "all pairs": ("pairs = 351232", "pairs = 9834496", "all pairs of the map"),
    "one layer's": ("pairs = 351232", "pairs = 175616", "one of the two layers"),
    "itself once": ("pairs = 351232", "pairs = 348096", "compared with itself"),
    "everything": ("rows_twice = 14", "rows_twice = 196", "ran along columns"),
    "two lines": ("rows_twice = 14", "rows_twice = 28", "no other line"),
    "without the dense layers": ("side = 13", "side = 3", "twice as many"),
    "one too few": ("side = 13", "side = 12", "still cost more"),
    "one too many": ("side = 13", "side = 14", "not there first"),
}  # fmt: skip

# %% [markdown] exercise="Along any axis" kind="build" stars=2 minutes=12
# A video has three axes: time, rows, columns. Write `along` and its backward for a `grid` of any number of axes: the tokens
# (B, N, D) stand in reading order, the last axis fastest; `axis` = 0, 1, … says which one the lines run along. The lines come in
# the order of the axes that are left, the batch first.


# %% role="solution"
def along(x, grid, axis):
    """x (B, N, D) -> (B · N / n, n, D), n = grid[axis]."""
    # YOUR TURN
    B, _, D = x.shape
    moved = np.moveaxis(x.reshape(B, *grid, D), 1 + axis, -2)
    return moved.reshape(-1, grid[axis], D)
    # END


def along_backward(dy, grid, axis):
    """dy (B · N / n, n, D) -> dx (B, N, D)."""
    # YOUR TURN
    _, n, D = dy.shape
    others = grid[:axis] + grid[axis + 1 :]
    moved = np.moveaxis(dy.reshape(-1, *others, n, D), -2, 1 + axis)
    return moved.reshape(len(moved), -1, D)
    # END


# %% role="check"
_grids = ((2, 3, 4), 1), ((2, 3, 4), 0), ((2, 3, 4), 2), ((3, 5), 0), ((2, 1, 3, 2), 1), ((3, 2, 3), 0)
for _grid, _axis in _grids:
    _x, _n, _last = rng.standard_normal((2, int(np.prod(_grid)), 2)), _grid[_axis], len(_grid)
    _full = _x.reshape(2, *_grid, 2)
    _right = np.moveaxis(_full, 1 + _axis, -2).reshape(-1, _n, 2)
    _found = check.call(along, x=_x, grid=_grid, axis=_axis)
    check.close(
        _found, _right, f"y, axis {_axis} of {_grid}",
        mistakes={
            "Nothing is moved: that cuts the row of all tokens into pieces of n, whichever axis is asked for.": _x.reshape(-1, _n, 2),
            "The axis is exchanged with the last one, so that the others are in another order: it is to be moved, and the rest stays "
            "as it is.": _full.swapaxes(1 + _axis, _last).reshape(-1, _n, 2),
            "The lines run along the last axis, whichever is asked for.": _full.reshape(-1, _grid[-1], 2),
            "The axis that is moved is one too far in front: the batch is an axis, too.": np.moveaxis(_full, _axis, -2).reshape(-1, _n, 2),
            "The axis is moved to the very end, behind the D numbers: it is to be the last but one.":
                np.moveaxis(_full, 1 + _axis, -1).reshape(-1, _n, 2),
            "The axis is moved to the front, before the batch: it is to be the last but one.":
                np.moveaxis(_full, 1 + _axis, 0).reshape(-1, _n, 2),
            "The axis is moved to the front of the others: it is to be the last of them.": np.moveaxis(_full, 1 + _axis, 1).reshape(-1, _n, 2),
            "The batch does not come first: the lines of the two images alternate.":
                np.moveaxis(_right.reshape(2, -1, _n, 2), 0, 1).reshape(-1, _n, 2),
        },
    )  # fmt: skip
    _dy, _others = rng.standard_normal(_right.shape), _grid[:_axis] + _grid[_axis + 1 :]
    _back = np.moveaxis(_dy.reshape(2, *_others, _n, 2), -2, 1 + _axis)
    check.close(
        check.call(along_backward, dy=_dy, grid=_grid, axis=_axis), _back.reshape(_x.shape), f"dx, axis {_axis} of {_grid}",
        mistakes={
            "Nothing is moved back.": _dy.reshape(_x.shape),
            "It is taken apart as if the tokens stood in reading order, and then moved as in the forward: first split the lines, "
            "then move the last axis back.": np.moveaxis(_dy.reshape(2, *_grid, 2), 1 + _axis, -2).reshape(_x.shape),
            "The lines are split as if the tokens stood in reading order: they stand in the order of the other axes, then n.":
                np.moveaxis(_dy.reshape(2, *_grid, 2), -2, 1 + _axis).reshape(_x.shape),
            "The same move is made once more: the way back is from the last but one to where the axis was.":
                np.moveaxis(_dy.reshape(2, *_others, _n, 2), 1 + _axis, -2).reshape(_x.shape),
            "The axis is exchanged with the last one: that is the way back of an exchange.":
                _dy.reshape(2, *_others, _n, 2).swapaxes(-2, 1 + _axis).reshape(_x.shape),
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# `x.reshape(B, *grid, D)` has an axis for each number of the place, and `np.moveaxis(array, from, to)` moves one and leaves the
# others in order. The axis asked for becomes the last but one. What shape has the array just before the last reshape of the
# forward? The backward begins there.

# %% role="wrong"
{
    "no move": ("moved = np.moveaxis(x.reshape(B, *grid, D), 1 + axis, -2)", "moved = x", "Nothing is moved:"),
    "an exchange": (
        "np.moveaxis(x.reshape(B, *grid, D), 1 + axis, -2)", "x.reshape(B, *grid, D).swapaxes(1 + axis, -2)", "exchanged with the last one"
    ),
    "the batch forgotten": ("np.moveaxis(x.reshape(B, *grid, D), 1 + axis, -2)", "np.moveaxis(x.reshape(B, *grid, D), axis, -2)", "the batch is an axis"),
    "images alternate": (
        "return moved.reshape(-1, grid[axis], D)", "return np.moveaxis(moved.reshape(B, -1, grid[axis], D), 0, 1).reshape(-1, grid[axis], D)", "alternate"
    ),
    "nothing moved back": ("moved = np.moveaxis(dy.reshape(-1, *others, n, D), -2, 1 + axis)", "moved = dy.reshape(-1, int(np.prod(grid)), D)", "Nothing is moved back"),
    "moved as in the forward": (
        "np.moveaxis(dy.reshape(-1, *others, n, D), -2, 1 + axis)", "np.moveaxis(dy.reshape(-1, *grid, D), 1 + axis, -2)", "as in the forward"
    ),
    "others by their size": ("others = grid[:axis] + grid[axis + 1 :]", "others = tuple(side for side in grid if side != n)", "axis 0 of (3, 2, 3)"),
    "an exchange back": ("np.moveaxis(dy.reshape(-1, *others, n, D), -2, 1 + axis)", "dy.reshape(-1, *others, n, D).swapaxes(-2, 1 + axis)", "way back of an exchange"),
}  # fmt: skip

# %% [markdown] exercise="Good on squares" kind="break" stars=2 minutes=10
# A colleague's layer adds to each token what it sees along its row, and then, of the map that this has made, what it sees along its
# column. It takes maps of any sides, and gives back the right shape. Yet a gradient that is sent back from one token does not arrive at
# all the tokens that it should reach. There are two mistakes: mend them. `look` is any attention within lines, (lines, n, D) → the
# same shape.


# %% role="broken"
def axial_colleague(x, grid, look):
    """x (B, gh · gw, D) -> the same shape: x and along rows, then that and along columns."""
    (gh, gw), (B, N, D) = grid, x.shape
    rows = look(x.reshape(B * gh, gw, D)).reshape(B, N, D)
    columns = x.reshape(B, gw, gh, D).swapaxes(1, 2).reshape(B * gw, gh, D)
    columns = look(columns).reshape(B, gw, gh, D).swapaxes(1, 2).reshape(B, N, D)
    return x + rows + columns


# %% role="solution"
def axial_colleague(x, grid, look):
    """x (B, gh · gw, D) -> the same shape: x and along rows, then that and along columns."""
    (gh, gw), (B, N, D) = grid, x.shape
    x = x + look(x.reshape(B * gh, gw, D)).reshape(B, N, D)
    columns = x.reshape(B, gh, gw, D).swapaxes(1, 2).reshape(B * gw, gh, D)
    columns = look(columns).reshape(B, gw, gh, D).swapaxes(1, 2).reshape(B, N, D)
    return x + columns


# %% role="check"
def _look(lines):
    return attention_forward(lines, lines[..., ::-1].copy(), 0.5 * lines)[0]


for _grid in ((2, 3), (3, 3), (3, 2), (1, 4)):
    (_gh, _gw), _x = _grid, rng.standard_normal((2, _grid[0] * _grid[1], 4))

    def _rows(x, n=_gw):
        return _look(x.reshape(-1, n, 4)).reshape(x.shape)

    def _columns(x, cut=(_gh, _gw), back=(_gw, _gh), n=_gh):
        seen = _look(x.reshape(2, *cut, 4).swapaxes(1, 2).reshape(-1, n, 4))
        return (seen.reshape(2, *back, 4).swapaxes(1, 2) if back else seen).reshape(x.shape)

    _first, _cut_wrong = _x + _rows(_x), _x + _rows(_x, n=_gh)
    check.close(
        check.call(axial_colleague, x=_x, grid=_grid, look=_look), _first + _columns(_first), f"y, {_gh} × {_gw}",
        mistakes={
            "Along columns it looks at x as it came in, not at what the rows' layer has left: nobody hears of what is off its cross.":
                _first + _columns(_x),
            "The columns are not columns: gh and gw are exchanged where x is cut. On a square map nobody notices.":
                _first + _columns(_first, (_gw, _gh)),
            "Along columns it looks at what came of the rows alone, without x: the shortcut is part of what the rows' layer leaves.":
                _first + _columns(_rows(_x)),
            "The columns' tokens are not brought back to reading order.": _first + _columns(_first, back=None),
            "gh and gw are exchanged in both places, where x is cut into columns and where these are put together.":
                _first + _columns(_first, (_gw, _gh), (_gh, _gw)),
            "The rows are not rows: B · gh of them, each of gw tokens.": _cut_wrong + _columns(_cut_wrong),
            "They are cut rightly now, and gh and gw are exchanged where they are put together.": _first + _columns(_first, back=(_gh, _gw)),
            "What was seen along rows is added twice.": _first + _columns(_first) + _rows(_x),
            "x is there twice.": _x + _first + _columns(_first),
            "The first shortcut is missing: x itself is part of what the rows' layer leaves.": _rows(_x) + _columns(_rows(_x)),
            "The second shortcut is missing: to what the rows' layer has left, the columns' is added.": _columns(_first),
            "The second shortcut begins at x: it should begin at what the rows' layer has left.": _x + _columns(_first),
            "Columns come first.": _x + _columns(_x) + _rows(_x + _columns(_x)),
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# Try it on `x = np.arange(6.0).reshape(1, 6, 1)`, which is a map of 2 × 3, with a `look` that prints what it gets: are the second
# call's lines the columns? Of which map?

# %% role="wrong"
{
    "only the cut mended": (
        "",
        """
def axial_colleague(x, grid, look):
    (gh, gw), (B, N, D) = grid, x.shape
    rows = look(x.reshape(B * gh, gw, D)).reshape(B, N, D)
    columns = x.reshape(B, gh, gw, D).swapaxes(1, 2).reshape(B * gw, gh, D)
    columns = look(columns).reshape(B, gw, gh, D).swapaxes(1, 2).reshape(B, N, D)
    return x + rows + columns
""",
        "at x as it came in",
    ),
    "only the order mended": (
        "columns = x.reshape(B, gh, gw, D)", "columns = x.reshape(B, gw, gh, D)", "The columns are not columns"
    ),
    "without the first shortcut": ("x = x + look(", "x = look(", "The first shortcut is missing"),
    "without the second shortcut": ("return x + columns", "return columns", "The second shortcut is missing"),
    "left in columns": (
        "look(columns).reshape(B, gw, gh, D).swapaxes(1, 2).reshape(B, N, D)", "look(columns).reshape(B, N, D)", "not brought back"
    ),
    "exchanged in the end": ("look(columns).reshape(B, gw, gh, D)", "look(columns).reshape(B, gh, gw, D)", "where they are put together"),
}  # fmt: skip

# %% [markdown] exercise="Where two layers look" kind="further" stars=3 minutes=12
# In row r, a head lets the token at column c look at the one at column e with weight $R _{r,c,e}$; in column c, the one in row r at the
# one in row s with weight $C _{c,r,s}$. A layer along rows and then one along columns are together one matrix, queries by keys:
#
# $$A _{(r,c),\,(s,e)} = C _{c,r,s}\, R _{s,c,e}$$
#
# That is (5). Make A (N, N) of R (gh, gw, gw) and C (gw, gh, gh), tokens in reading order, row by row. No product of N × N matrices
# is needed: each entry is a product of two numbers.


# %% role="solution"
def combined(R, C):
    """R (gh, gw, gw), C (gw, gh, gh) -> A (N, N)."""
    # YOUR TURN
    N = R.shape[0] * R.shape[1]
    return np.einsum("crs,sce->rcse", C, R).reshape(N, N)
    # END


# %% role="check"
for _gh, _gw in ((2, 3), (3, 3), (4, 2)):
    _R, _C = (ops.softmax_forward(rng.standard_normal(shape))[0] for shape in ((_gh, _gw, _gw), (_gw, _gh, _gh)))
    _r, _c, _s, _e = np.ix_(range(_gh), range(_gw), range(_gh), range(_gw))
    _N = _gh * _gw
    _right = (_C[_c, _r, _s] * _R[_s, _c, _e]).reshape(_N, _N)
    _mistakes = {
        "That is a layer along columns and then one along rows.": _R[_r, _c, _e] * _C[_e, _r, _s],
        "The weights along the row are those of the query's own row: it is row s that (s, c) has looked along.":
            _C[_c, _r, _s] * _R[_r, _c, _e],
        "The weights along the column are those of the key's column e: the token looks along its own, c.":
            _C[_e, _r, _s] * _R[_s, _c, _e],
        "Query and key are exchanged in C.": _C[_c, _s, _r] * _R[_s, _c, _e],
        "Query and key are exchanged in R.": _C[_c, _r, _s] * _R[_s, _e, _c],
        "The two weights are added: one goes through both, one after the other.": _C[_c, _r, _s] + _R[_s, _c, _e],
        "The two weights are averaged: one goes through both, one after the other.":
            (_C[_c, _r, _s] + _R[_s, _c, _e]) / 2,
    }  # fmt: skip
    _mistakes = {_said: _array.reshape(_N, _N) for _said, _array in _mistakes.items()}
    _mistakes["It is transposed: rows are queries."] = _right.T
    _mistakes["The queries are in the order of columns: reading order is row by row."] = (
        _right.reshape(_gh, _gw, _N).swapaxes(0, 1).reshape(_N, _N)
    )
    _mistakes["Queries and keys are in the order of columns: reading order is row by row."] = (
        _right.reshape(_gh, _gw, _gh, _gw).transpose(1, 0, 3, 2).reshape(_N, _N)
    )
    _mistakes["The keys are in the order of columns: reading order is row by row."] = (
        _right.reshape(_N, _gh, _gw).swapaxes(1, 2).reshape(_N, _N)
    )
    _mistakes["Queries and keys are mixed: first r and c, which are the query, then s and e."] = (
        _right.reshape(_gh, _gw, _gh, _gw).transpose(0, 2, 1, 3).reshape(_N, _N)
    )
    check.close(check.call(combined, R=_R, C=_C), _right, f"A of {_gh} × {_gw}", mistakes=_mistakes)

# %% [markdown] role="hint"
# A has four indices r, c, s, e before it is reshaped. `np.einsum("…,…->rcse", C, R)` takes from (5) the letters of each array,
# and sums over none.

# %% role="wrong"
{
    "the other order": ('np.einsum("crs,sce->rcse", C, R)', 'np.einsum("ers,rce->rcse", C, R)', "along columns and then one along rows"),
    "the query's row": ('"crs,sce->rcse"', '"crs,rce->rcse"', "the query's own row"),
    "transposed": ('"crs,sce->rcse"', '"crs,sce->serc"', "It is transposed"),
    "R transposed": ('"crs,sce->rcse"', '"crs,sec->rcse"', "exchanged in R"),
    "C transposed": ('"crs,sce->rcse"', '"csr,sce->rcse"', "exchanged in C"),
    "keys by column": ('"crs,sce->rcse"', '"crs,sce->rces"', "The keys are in the order of columns"),
    "queries by column": ('"crs,sce->rcse"', '"crs,sce->crse"', "The queries are in the order of columns"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Lay the rows or the columns of a map side by side and put them back, and say why each way is the other's backward, and what a
#   square map hides.
# - Count what lines cost against all pairs, and say from which map on they are cheaper.
# - Write two layers as one matrix, and say who reaches whom in it, and what it cannot say.
#
# In the library: `minivit/ops/axial.py`, `minivit/model/variants.py`; `ViTConfig(attention="axial", pool="gap")` is such a ViT.
# Sources: J. Ho et al., *Axial Attention in Multidimensional Transformers*, arXiv 1912.12180; H. Wang et al., *Axial-DeepLab*,
# arXiv 2003.07853.
