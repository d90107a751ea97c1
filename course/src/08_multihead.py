# ---
# title: Many heads
# question: Why does attention look in several ways at once, and how is that no more than a reshape?
# sentence: Cut the width into heads, let each look by itself, mix what they found; with the backward of all of it, and what each head of a trained model is good for.
# minutes: 95
# needs: [1, 2, 4, 5, 6, 7]
# gpu: of no use
# ---

# %% [markdown]
# In chapter 07 a token asked one question, and got one answer: an average of all tokens. Here it asks several questions
# at once. Each question has a **head**: its own queries, keys and values, and so its own average. This is *multi-head
# attention* (Vaswani et al., [arXiv 1706.03762](https://arxiv.org/abs/1706.03762), section 3.2.2), and it is the only
# place in the blocks of a Vision Transformer where tokens hear of each other.

# %% role="setup"
import os

import numpy as np

from minivit import ViT, check, draw, load_mnist, ops
from minivit.data import TRAINED_DIGITS
from minivit.inspect import attention_maps
from minivit.ops import attention_backward, attention_forward, merge_heads, split_heads

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
digits = load_mnist()
model = ViT.load(TRAINED_DIGITS)  # a small ViT, trained on the 8,000 digits (chapter 13 trains such a one)
images = digits.test_images[[4, 3]] / 255  # B = 2 real digits that it has not seen

# %% [markdown]
# ## The picture first
#
# A trained ViT reads a digit through 3 blocks, each with 4 heads. Below, the digit, and what its class token looks at in
# the last block: a map for each head.


# %%
def last_maps(model):
    return attention_maps(model, images[:1])[-1, 0]  # the last block's: (H, rows of patches, columns of patches)


seen, fresh = last_maps(model), last_maps(ViT(model.config))  # trained, and not yet trained
print("the trained model's maps sum to", seen.sum(axis=(1, 2)).round(3))
for name, maps in (("fresh", fresh), ("trained", seen)):
    print(f"{name}: on a patch, two heads' weights differ by up to {np.ptp(maps, axis=0).max():.4f}")
draw.maps(
    images[0], seen, [f"head {h}" for h in range(4)], columns=5,
    alt="A handwritten digit, and the same digit four times with a coloured map over it, one for each head of the last "
    "block. The bright patches lie in other places on each of the four.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The heads differ: two look at a few pieces of the digit, two at the paper around it. (2) No one
# told them to: in a fresh model all four look alike, and training pulls them apart, as the printed numbers show. (3) Each
# map is one row of probabilities, as in chapter 07, without the class token's look at itself: so it sums to a little less
# than 1.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B | images in a batch | 2 |
# | N | tokens: 49 patches and the class token | 50 |
# | D | width: numbers in a token | 48 |
# | H | heads | 4 |
# | d | numbers in a query, a key or a value: D / H | 12 |
# | x, y | what goes in and what comes out | (2, 50, 48) |
# | Q, K, V | of all heads | (2, 4, 50, 12) each |
# | S, P | scores, and probabilities: who looks at whom | (2, 4, 50, 50) |
#
# ## Why one head is not enough
#
# One head gives token $n$ the output $\sum_m P_{nm}\, v_m$: *one* average. Take a token that needs two things: what
# stands on its right, $v_R$, and what stands on its left, $v_L$. Hold the weights fixed at $p$ and $r$ (say that queries
# and keys see positions only). Now change the picture, $v_R$ by $+r\,u$ and $v_L$ by $-p\,u$, for any $u$:
#
# $$\begin{aligned} & p\,(v_R + r\,u) + r\,(v_L - p\,u) \\
# &= p\,v_R + r\,v_L + (p\,r - r\,p)\,u \\
# &= p\,v_R + r\,v_L \end{aligned} \tag{1}$$
#
# Whatever the weights, there is a change that the average does not show. The matrix that makes values out of tokens is
# no help: the average of the mapped is the map of the average. Worse, softmax gives no negative weight, and a difference
# $v_R - v_L$, an edge, needs one of each sign.
#
# *Predict: which weight on the right neighbour, from 0 to 1, comes closest to the edges of a digit?* We read each line
# of the digit as a sequence of 28 tokens, one pixel of ink each. What follows a head may multiply by any factor: we give
# it the best one, and ask which share of the edges' sum of squares is left over.

# %%
ink = images[0, :, :, 0]  # (28 sequences, N = 28 tokens)
right, left = np.eye(28, k=1), np.eye(28, k=-1)  # P of a head that looks to the right, and to the left
right[-1, -1] = left[0, 0] = 1  # at the border, a token looks at itself: each row still sums to 1
one, other = ink @ right.T, ink @ left.T  # out_n = Σ_m P_nm v_m for every line of the picture
edges = one - other
for p in (0, 0.25, 0.5, 0.75, 1):
    average = p * one + (1 - p) * other  # one head: (1) with r = 1 − p
    factor = (average * edges).sum() / (average * average).sum()  # the best one
    left_over = ((edges - factor * average) ** 2).sum() / (edges**2).sum()
    print(f"one head, {p:4.0%} to the right: {left_over:.0%} left over")

# %% [markdown]
# Half and half, the fairest average, knows nothing about the edges. The two moved pictures have the same sum of
# squares, so $\sum (v_R + v_L)(v_R - v_L)$ $= \sum v_R^2 - \sum v_L^2 = 0$, and the best factor is 0. One-sided looks are
# better, and still leave most. Two heads have no such trouble: one looks right, one left, and the projection after them
# takes the difference.

# %%
draw.matrices(
    [("the digit", ink), ("head 0: right", one), ("head 1: left", other), ("head 0 − head 1", edges)],
    diverging=True, colorbar=False,
    alt="Four pictures of a digit: the digit, the digit moved one pixel to the left, moved one pixel to the right, and "
    "the difference of the two, where each stroke has a red edge on one side and a blue edge on the other.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A head that looks to the right moves the whole picture to the left. (2) The difference has both
# signs, red and blue: no single average of ink has, since its weights have the same sign. (3) So each
# vertical stroke has two edges, and a horizontal stroke nearly none.
#
# ## The idea, as a loop over heads
#
# Above, each head had the whole width, 1. With a larger width that would cost H times as much. So the width is cut: head
# $h$ gets $d = D/H$ numbers of each query, key and value. Cut heads carry no more numbers than one head of width D: they
# let different numbers come from different places. With $W$ (D, 3D) for all three, with $b$, its bias, and with U (D, D)
# and $c$ for the projection at the end:
#
# $$\begin{aligned} Q^h &= x\,W _{q}^h + b _q^h, \\
# K^h &= x\,W _{k}^h + b _k^h, \\
# V^h &= x\,W _{v}^h + b _v^h \end{aligned} \tag{2}$$
#
# $$\begin{aligned} P^h &= \mathrm{softmax}\left(Q^h K^{h\top} / \sqrt d\right) \\
# O^h &= P^h\, V^h \end{aligned} \tag{3}$$
#
# $$y = [\,O^0 \;\; O^1 \cdots O^{H-1}\,]\,U + c \tag{4}$$
#
# $W _q^h$ is (D, d): each head reads all D numbers of a token, and makes $d$ of them. It is $\sqrt d$, not $\sqrt D$: a
# score is a sum of $d$ products (chapter 07). And which columns of $W$ are $W _q^h$? A convention, that of timm
# and of this library: first all queries, then all keys, then all values; within each, head after head. The numbers
# below are the first of each block's $d$ columns.

# %%
draw.matrix(
    np.arange(0, 3 * 48, 12).reshape(3, 4), title="columns of W: where each block of 12 begins",
    row_labels=["queries", "keys", "values"], column_labels=[f"head {h}" for h in range(4)], colormap="attention",
    colorbar=False, alt="A table of three rows, queries, keys and values, and four columns, the heads: 0, 12, 24, 36; "
    "48, 60, 72, 84; 96, 108, 120, 132.",
)  # fmt: skip


# %%
def multihead_loop(x, qkv_weight, qkv_bias, proj_weight, proj_bias, H):
    D = x.shape[-1]
    d = D // H
    outs = []
    for h in range(H):
        starts = (h * d, D + h * d, 2 * D + h * d)  # where head h has its query, key and value
        q, k, v = (x @ qkv_weight[:, s : s + d] + qkv_bias[s : s + d] for s in starts)  # (2), each (B, N, d)
        outs.append(attention_forward(q, k, v)[0])  # (3)
    return np.concatenate(outs, axis=-1) @ proj_weight + proj_bias  # (4)


# %% [markdown]
# Let us feed it with what it gets in the trained model: the tokens of the two digits, after the first block's norm, and
# that block's parameters, all in float64.

# %%
params = {name: array.astype(np.float64) for name, array in model.params.items()}
patches, _ = ops.patchify_forward(model.normalize(images), (4, 4))  # chapter 01
tokens = patches @ params["patch_embed.proj.weight"] + params["patch_embed.proj.bias"]  # chapter 02
z = ops.prepend_forward(tokens, params["cls_token"])[0] + params["pos_embed"]  # chapter 04
x, _ = ops.layernorm_forward(z, params["blocks.0.norm1.weight"], params["blocks.0.norm1.bias"])  # chapter 06
names = [f"blocks.0.attn.{name}" for name in ("qkv.weight", "qkv.bias", "proj.weight", "proj.bias")]
weights = [params[name] for name in names]  # W, b, U, c
check.shape(multihead_loop(x, *weights, 4), (2, 50, 48), "y")

# %% [markdown]
# ## The same, without a loop
#
# Column number $tD + hd + i$ is a number of three digits: $t$ says query, key or value, $h$ which head, $i$ which of its
# numbers. As with the patches of chapter 01, `reshape` reads the digits off, and moves nothing in memory. Then a
# transpose brings (B, H) to the front, since `@` multiplies the last two axes and repeats over all others: H heads are
# then no different from H times as many images.


# %%
def split(qkv, H):
    B, N, width = qkv.shape
    qkv = qkv.reshape(B, N, 3, H, width // (3 * H))  # 3D = (query, key or value) · (head) · (d)
    return qkv.transpose(2, 0, 3, 1, 4)  # (3, B, H, N, d)


def merge(out):
    B, H, N, d = out.shape
    return out.transpose(0, 2, 1, 3).reshape(B, N, H * d)  # each token's heads side by side


def multihead(x, qkv_weight, qkv_bias, proj_weight, proj_bias, H):
    q, k, v = split(x @ qkv_weight + qkv_bias, H)  # (2), one product for all
    out, attn_cache = attention_forward(q, k, v)  # (3), all heads at once
    y = merge(out) @ proj_weight + proj_bias  # (4)
    return y, (x, qkv_weight, proj_weight, merge(out), attn_cache, H)


# %%
y, cache = multihead(x, *weights, 4)
check.close(y, multihead_loop(x, *weights, 4), "array against loop")
qkv = rng.standard_normal((2, 5, 18))
check.close(split(qkv, 3), split_heads(qkv, parts=3, heads=3), "split")
check.close(merge(split(qkv, 3)[0]), merge_heads(split(qkv, 3)[0]), "merge")

# %%
draw.shapes(
    [
        ("x", "(B, N, D)"), "@ W + b", ("qkv", "(B, N, 3D)"), "reshape", ("qkv", "(B, N, 3, H, d)"), "transpose",
        ("Q, K, V", "(B, H, N, d)"), "attention", ("O", "(B, H, N, d)"), "transpose,\nreshape",
        ("heads", "(B, N, D)"), "@ U + c", ("y", "(B, N, D)"),
    ],
    alt="Boxes joined by arrows: x (B, N, D), times W plus b, qkv (B, N, 3D), reshape, (B, N, 3, H, d), transpose, "
    "Q, K, V (B, H, N, d), attention, O (B, H, N, d), transpose and reshape, heads (B, N, D), times U plus c, y.",
)  # fmt: skip

# %% [markdown]
# `qkv[..., :D].reshape(B, H, N, d)`, without the transpose, has the right shape, too. It gives each "head" a stretch of
# *tokens*, not a stretch of each token's numbers.
#
# In the library, multi-head attention is a **chain** of three operations. A chain holds no numbers: it knows by name what
# it reads from the dict `params`.

# %%
from minivit.layers import Chain, Op
from minivit.layers.parts import dense

layers = Chain(
    dense("blocks.0.attn.qkv", 48, 3 * 48),  # (2), with blocks.0.attn.qkv.weight and blocks.0.attn.qkv.bias
    Op("self_attention", heads=4),  # ops.self_attention_forward: split, (3) and merge
    dense("blocks.0.attn.proj", 48, 48),  # (4)
)
their_y, their_cache = layers.forward(ops, params, x)
check.close(y, their_y, "the library's chain")

# %% [markdown]
# ## The projection is a sum over heads
#
# Write equation (4) by index. The column of head $h$'s number $i$ is $hd + i$, so the sum over D columns is a sum over
# heads, and within each over its $d$ numbers. With $U^h$, rows $hd$ to $hd + d - 1$ of U:
#
# $$\begin{aligned} y _{no} &= \sum_h \sum_i O^h _{ni}\, U _{hd+i,\,o} + c _o \\
# y &= \sum_h O^h\, U^h + c \end{aligned} \tag{5}$$
#
# Each head adds its own vector to the token, through its own rows of U. Concatenation is bookkeeping.

# %%
out = attention_forward(*split(x @ weights[0] + weights[1], 4))[0]  # O (B, H, N, d)
U = weights[2].reshape(4, 12, 48)  # (H, d, D): each head's rows
check.close(sum(out[:, h] @ U[h] for h in range(4)) + weights[3], y, "sum over heads")
print("parameters:", sum(w.size for w in weights), "=", 4 * 48**2 + 4 * 48)

# %% [markdown]
# **What it costs.** W and $b$ have $3D^2 + 3D$ numbers, U and $c$ have $D^2 + D$: together $4D^2 + 4D$, whatever H is,
# here 9,408. The products with Q, K and V cost the same for every H, too: $H \cdot N^2 d = N^2 D$. What grows is P, with
# H·N² probabilities. And $d$ shrinks: many heads are many coarse looks.

# %% [markdown]
# ## The backward
#
# Given $dy$, we walk the equations from the last to the first. *By index*, for one image:
#
# Equation (5) is a linear layer for each head:
#
# $$dO^h _{ni} = \sum_o dy _{no}\, U _{hd+i,\,o} \tag{6}$$
#
# $$\begin{aligned} dU _{hd+i,\,o} &= \sum_n O^h _{ni}\, dy _{no}, \\
# dc _o &= \sum_n dy _{no} \end{aligned} \tag{7}$$
#
# Equation (3) is the attention of chapter 07, head by head: it turns $dO^h$ into $dQ^h$, $dK^h$ and $dV^h$. $\quad$ (8)
#
# Splitting put each column of $qkv$ into one place, and only one. So its gradient, call it G, gathers the three from
# their places:
#
# $$\begin{aligned} G _{n,\,hd+i} &= dQ^h _{ni}, \\
# G _{n,\,D+hd+i} &= dK^h _{ni}, \\
# G _{n,\,2D+hd+i} &= dV^h _{ni} \end{aligned} \tag{9}$$
#
# And equation (2) is a linear layer again, $qkv = x\,W + b$:
#
# $$\begin{aligned} dx _{nj} &= \sum _{e=0}^{3D-1} G _{ne}\, W _{je}, \\
# dW _{je} &= \sum_n x _{nj}\, G _{ne}, \\
# db _e &= \sum_n G _{ne} \end{aligned} \tag{10}$$
#
# *In matrix form*, the same four steps:
#
# $$\begin{aligned} dO^h &= dy\, U^{h\top} \\ dU^h &= O^{h\top} dy \\
# dW &= x^\top G \end{aligned} \tag{11}$$
#
# $$\begin{aligned} dx &= G\,W^\top \\
# &= \sum_h \bigl( dQ^h\, W _q^{h\top} \\
# &\qquad + dK^h\, W _k^{h\top} \\
# &\qquad + dV^h\, W _v^{h\top} \bigr) \end{aligned} \tag{12}$$
#
# A token is used in three ways: it asks, it is asked, and it is read. Its gradient is the sum over the three paths, and
# over the heads.
#
# *In code*:


# %%
def multihead_backward(dy, cache):
    x, qkv_weight, proj_weight, merged, attn_cache, H = cache
    B, N, D = x.shape
    rows = dy.reshape(-1, D)  # all tokens of all images, one below the other: their gradients add up
    dproj_weight = merged.reshape(-1, D).T @ rows  # (7)
    dproj_bias = rows.sum(axis=0)  # (7)
    dmerged = dy @ proj_weight.T  # (6), all heads side by side
    dout = dmerged.reshape(B, N, H, D // H).transpose(0, 2, 1, 3)  # merge, backwards
    dq, dk, dv, _ = attention_backward(dout, attn_cache)  # (8); the last: for a bias on the scores, not used here
    dqkv = np.stack((dq, dk, dv)).transpose(1, 3, 0, 2, 4).reshape(B, N, 3 * D)  # (9): split, backwards
    dx = dqkv @ qkv_weight.T  # (10)
    dqkv_weight = x.reshape(-1, D).T @ dqkv.reshape(-1, 3 * D)  # (10)
    dqkv_bias = dqkv.sum(axis=(0, 1))  # (10)
    return dx, dqkv_weight, dqkv_bias, dproj_weight, dproj_bias


# %% [markdown]
# Mind the transpose for (9). Splitting used `(2, 0, 3, 1, 4)`, which took axis 2 to the front. The way back is the
# *inverse* permutation, `(1, 3, 0, 2, 4)`: the axes (3, B, H, N, d) return to (B, N, 3, H, d).
#
# ## Is it right?

# %%
small = {
    "x": (2, 5, 6), "qkv_weight": (6, 18), "qkv_bias": (18,), "proj_weight": (6, 6), "proj_bias": (6,),
}  # fmt: skip
small = {name: rng.standard_normal(shape) for name, shape in small.items()}  # N = 5, D = 6, H = 3, d = 2: none equal
check.grad(lambda *a: multihead(*a, 3), multihead_backward, small)

dy = rng.standard_normal(y.shape)
ours = multihead_backward(dy, cache)
their_dx, grads = layers.backward(ops, dy, their_cache)  # the chain's operations, from the last to the first
for name, a, b in zip(small, ours, (their_dx, *(grads[name] for name in names)), strict=True):
    check.close(a, b, f"the library's chain, d{name}")

# %% [markdown]
# ## A bias that learns nothing
#
# *Predict: of the gradient of the 3D numbers in $b$, a third is zero, always. Which third?*

# %%
for part, grad in zip(("query", "key", "value"), np.split(ours[2], 3), strict=True):
    print(f"d{part} bias: largest {np.abs(grad).max():.1e}")
moved = [weights[0], weights[1] + 7 * np.repeat((0, 1, 0), 48), *weights[2:]]  # every key, moved by 7
check.close(multihead(x, *moved, 4)[0], y, "y with other keys")

# %% [markdown]
# The bias of the keys. Write $K _m$ for a key without its bias, for now. The score of query $n$ and key $m$ is
#
# $$\begin{aligned} S _{nm} &= Q _n \cdot (K _m + b _k)/\sqrt d \\
# &= Q _n \cdot K _m/\sqrt d \\
# &\quad + Q _n \cdot b _k/\sqrt d \end{aligned} \tag{13}$$
#
# The last term does not depend on $m$: it is added to the whole row, and softmax does not see what is added to a whole
# row (chapter 07). So $y$ does not depend on $b_k$, and the gradient is zero, but for rounding. Some models, BEiT for
# one, leave this bias out. Most keep it: one product with one bias for all three is the shorter code.
#
# ## What is each head good for?
#
# By equation (5) a head speaks through its $d$ rows of U, and through nothing else. Set them to zero and it is silent,
# while the rest of the model works on. *Predict: how many of the test digits does the model lose when one head of its
# twelve is silent? Which block's heads matter most?*


# %%
def silenced(model, block, h):
    d = model.config.width // model.config.heads
    name = f"blocks.{block}.attn.proj.weight"
    U = model.params[name].copy()
    U[h * d : (h + 1) * d] = 0
    return ViT(model.config, params=model.params | {name: U})


count = 50 if FAST else 500
test, labels = digits.test_images[:count], digits.test_labels[:count]
right_before = (model.predict(test).argmax(axis=1) == labels).sum()
lost = [
    [right_before - (silenced(model, block, h).predict(test).argmax(axis=1) == labels).sum() for h in range(4)]
    for block in range(3)
]
print(f"{right_before} of {count} right, with all heads")
draw.matrix(
    np.array(lost), title="digits lost when one head is silent (net)", row_labels=[f"block {i}" for i in range(3)],
    column_labels=[f"head {h}" for h in range(4)], colormap="attention", colorbar=False,
    alt="A table of three blocks by four heads: in each place, how many test digits fewer are read when that head is "
    "silent. Most are lost in the first block, and fewest in the last.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) In the first block the heads are missed most, three of them by far. (2) Later, less is lost, and
# least in the last block. One head there has a 0: its silence saves as many digits as it costs. (3) This is one model,
# and another seed's may share the work otherwise. And it was never trained to miss a head.
#
# ## A cheaper relative
#
# P has N² numbers a head, and N grows with the area of the picture. *Axial attention* (arXiv 1912.12180) lets a token
# look along its row of the grid, then along its column: on 14 × 14, at 28 tokens instead of 196. After both it has heard
# of every other, by way of the token in its own column and the other's row. The code is this chapter's: rows, and then
# columns, become images of their own (`minivit/ops/axial.py`; chapter 33 is about it).

# %% [markdown] exercise="Columns and rows" kind="predict" stars=1 minutes=5
# A model has D = 96 and H = 6 heads; heads, columns, rows and the numbers in a key are counted from 0. In which of the
# 288 columns of `qkv` is number 5 of head 2's key (`column`)? Which is the first row of `proj_weight` through which
# head 4 speaks (`row`)? If someone divides the scores by √D instead of √d, by which factor are they too small
# (`factor`, to two decimals)? With 12 heads instead of 6, how many parameters does the attention have more (`more`)?

# %% role="solution"
# YOUR TURN
column = 133
row = 64
factor = 2.45
more = 0
# END

# %% role="check"
one = np.zeros((1, 1, 288))
one[..., 96 + 2 * 16 + 5] = 1
assert split_heads(one, parts=3, heads=6)[1, 0, 2, 0, 5] == 1
check.answer(
    column, int(one.argmax()), "column",
    reasons={37: "that is the query's: the keys come after all queries", 117: "first all queries, then all keys, then "
             "all values; the heads come second", 134: "counted from 0", 101: "that is head 0's: which columns has head 2?",
             128: "there begins head 2's key: and its number 5?"},
)  # fmt: skip
check.answer(
    row, 4 * 96 // 6, "row",
    reasons={24: "4 heads stand before it, of d = D/H numbers each", 65: "counted from 0", 96: "d = D/H, and H is 6"},
)  # fmt: skip
root, inverse = "the factor stands under a root", "the other way round: by which factor too small?"
check.answer(
    factor, (96 / 16) ** 0.5, "factor", tol=0.01,
    reasons={6: root, 0.41: inverse, 1 / 6: f"{root}, and {inverse}", 0.17: f"{root}, and {inverse}"},
)  # fmt: skip
check.answer(more, 0, "more", reasons={36864: "d is halved when H is doubled"})

# %% [markdown] role="hint"
# d = 96 / 6 = 16. Column = (0 for query, 1 for key, 2 for value) · D + head · d + number.

# %% role="wrong"
{
    "the query's column": ("column = 133", "column = 37", "after all queries"),
    "heads first": ("column = 133", "column = 117", "heads come second"),
    "head 0's": ("column = 133", "column = 101", "head 0's"),
    "the first of the head's": ("column = 133", "column = 128", "and its number 5"),
    "d for four heads": ("row = 64", "row = 96", "H is 6"),
    "without the root": ("factor = 2.45", "factor = 6", "under a root"),
    "without the root, inverted": ("factor = 2.45", "factor = 0.17", "under a root, and the other way round"),
    "more heads cost more": ("more = 0", "more = 36864", "d is halved"),
}

# %% [markdown] exercise="Other numbers for the heads" kind="build" stars=2 minutes=12
# The heads of a model have no order of their own: whoever renumbers them has the same function. Write `renumber`: head
# number h of the new parameters is head `order[h]` of the old ones, and the attention gives the same y as before. Return
# the new `qkv_weight` (D, 3D), `qkv_bias` (3D,) and `proj_weight` (D, D). H is `len(order)`.


# %% role="solution"
def renumber(qkv_weight, qkv_bias, proj_weight, order):
    """order: a permutation of 0 … H−1. -> new qkv_weight, qkv_bias, proj_weight."""
    # YOUR TURN
    D, H = len(proj_weight), len(order)
    columns = np.arange(3 * D).reshape(3, H, D // H)[:, order].ravel()
    rows = np.arange(D).reshape(H, D // H)[order].ravel()
    return qkv_weight[:, columns], qkv_bias[columns], proj_weight[rows]
    # END


# %% role="check"
order = [2, 0, 3, 1]  # four heads: with three, the axes of qkv and of the heads would be as long
x = rng.standard_normal((2, 5, 8))
old = [rng.standard_normal(shape) for shape in ((8, 24), (24,), (8, 8))]
new = renumber(*old, order)
for name, a, b in zip(("qkv_weight", "qkv_bias", "proj_weight"), new, old, strict=True):
    check.shape(a, b.shape, name)
attend = lambda W, b, U: ops.self_attention_forward(x @ W + b, heads=4)[0] @ U
y = attend(*old)
U, back = old[2], np.argsort(order)
mistakes = {
    "The rows of the projection kept their order: what one head found is handed through the rows of another.":
        (*new[:2], U),
    "The bias kept its order: its 3D numbers belong to the columns.": (new[0], old[1], new[2]),
    "The rows of the projection are in the inverse order.": (*new[:2], U.reshape(4, 2, 8)[back].reshape(8, 8)),
    "The columns of the projection are reordered: a head speaks through its rows.":
        (*new[:2], U.reshape(8, 4, 2)[:, order].reshape(8, 8)),
}  # fmt: skip
mistakes = {said: attend(*wrong) for said, wrong in mistakes.items()}
check.close(attend(*new), y, "y", mistakes=mistakes)
values = (x @ new[0] + new[1]).reshape(2, 5, 3, 4, 2)
before = (x @ old[0] + old[1]).reshape(2, 5, 3, 4, 2)
check.close(
    values, before[:, :, :, order], "queries, keys and values", mistakes={"This is the inverse: new head h must be old "
    "head order[h], not the other way round.": before[:, :, :, back]},
)  # fmt: skip

# %% [markdown] role="hint"
# Reshape the numbers 0 … 3D−1 to (3, H, d), reorder the axis of the heads, and flatten: these are the columns to take.
# For the projection the same with (H, d): rows, not columns.

# %% role="wrong"
{
    "the projection forgotten": ("proj_weight[rows]", "proj_weight", "rows of the projection kept their order"),
    "the projection's columns": ("proj_weight[rows]", "proj_weight[:, rows]", "speaks through its rows"),
    "the bias forgotten": ("qkv_bias[columns]", "qkv_bias", "The bias kept its order"),
    "heads before q, k, v": (
        "np.arange(3 * D).reshape(3, H, D // H)",
        "np.arange(3 * D).reshape(H, 3, D // H)",
        "out of bounds",
    ),
    "the projection inverted": ("proj_weight[rows]", "proj_weight[np.argsort(rows)]", "inverse order"),
    "the inverse order": (
        "D, H = len(proj_weight), len(order)",
        "D, H, order = len(proj_weight), len(order), np.argsort(order)",
        "This is the inverse",
    ),
}

# %% [markdown] exercise="Right shapes" kind="break" stars=2 minutes=10
# A colleague splits and merges the heads with two functions. All shapes are right, no number is lost, and a model can be
# trained with them. Each has a mistake: find both and mend them.


# %% role="broken"
def split_colleague(qkv, H):
    """(B, N, 3D) -> q, k and v, each (B, H, N, d)."""
    B, N, width = qkv.shape
    d = width // (3 * H)
    return [part.reshape(B, H, N, d) for part in np.split(qkv, 3, axis=-1)]


def merge_colleague(out):
    """(B, H, N, d) -> (B, N, D): each token's heads side by side."""
    B, H, N, d = out.shape
    return out.transpose(0, 2, 3, 1).reshape(B, N, H * d)


# %% role="solution"
def split_colleague(qkv, H):
    """(B, N, 3D) -> q, k and v, each (B, H, N, d)."""
    B, N, width = qkv.shape
    d = width // (3 * H)
    return [part.reshape(B, N, H, d).transpose(0, 2, 1, 3) for part in np.split(qkv, 3, axis=-1)]


def merge_colleague(out):
    """(B, H, N, d) -> (B, N, D): each token's heads side by side."""
    B, H, N, d = out.shape
    return out.transpose(0, 2, 1, 3).reshape(B, N, H * d)


# %% role="check"
qkv = rng.standard_normal((2, 5, 18))  # N = 5, H = 3, d = 2
right = split_heads(qkv, parts=3, heads=3)
torn = [part.reshape(2, 3, 5, 2) for part in np.split(qkv, 3, axis=-1)]
for name, a, b, tear in zip("qkv", split_colleague(qkv, 3), right, torn, strict=True):
    check.close(
        a, b, name, mistakes={"The transpose is missing: a head has a stretch of the tokens, with all of their numbers, "
        "instead of a stretch of each token's numbers.": tear},
    )  # fmt: skip
check.close(
    merge_colleague(right[0]), merge_heads(right[0]), "merged", mistakes={"The transpose is missing: tokens of one head "
    "stand side by side, instead of the heads of one token.": right[0].reshape(2, 5, 6), "In each token the heads are shuffled like "
    "cards: the axis of the heads must come before that of their numbers.": right[0].transpose(0, 2, 3, 1).reshape(2, 5, 6)},
)  # fmt: skip

# %% [markdown] role="hint"
# Follow one number: `qkv = np.arange(30.0).reshape(1, 5, 6)` for H = 2, d = 1. To which token and head does each number
# of the result belong?

# %% role="wrong"
{
    "only the merging mended": (
        ".reshape(B, N, H, d).transpose(0, 2, 1, 3)",
        ".reshape(B, H, N, d)",
        "stretch of the tokens",
    ),
    "only the splitting mended": (
        "return out.transpose(0, 2, 1, 3)",
        "return out.transpose(0, 2, 3, 1)",
        "shuffled like cards",
    ),
    "numbers before heads": (
        ".reshape(B, N, H, d).transpose(0, 2, 1, 3)",
        ".reshape(B, N, d, H).transpose(0, 3, 1, 2)",
        "q  max",
    ),
    "a merge without the transpose": ("return out.transpose(0, 2, 1, 3)", "return out", "tokens of one head"),
}

# %% [markdown] exercise="The gradient check says ok" kind="break" stars=3 minutes=12
# This pair passes every gradient check, as the check cell says first. And yet it is not attention as
# equation (3) has it. A gradient check compares a backward with *its own* forward, so a mistake that is made in both is
# no mistake to it. There are two here. Find them by what the forward computes, and mend both functions.

# %% role="given"
from minivit.ops import softmax_backward, softmax_forward


# %% role="broken"
def heads_forward(q, k, v):
    """q, k, v (B, H, N, d) -> out (B, H, N, d) and the cache."""
    scale = (q.shape[1] * q.shape[3]) ** -0.5
    P, _ = softmax_forward(k @ q.swapaxes(-1, -2) * scale)
    return P @ v, (q, k, v, P, scale)


def heads_backward(dout, cache):
    """dout (B, H, N, d) -> dq, dk, dv."""
    q, k, v, P, scale = cache
    dv = P.swapaxes(-1, -2) @ dout
    dS = softmax_backward(dout @ v.swapaxes(-1, -2), P) * scale
    return dS.swapaxes(-1, -2) @ k, dS @ q, dv


# %% role="solution"
def heads_forward(q, k, v):
    """q, k, v (B, H, N, d) -> out (B, H, N, d) and the cache."""
    scale = q.shape[3] ** -0.5
    P, _ = softmax_forward(q @ k.swapaxes(-1, -2) * scale)
    return P @ v, (q, k, v, P, scale)


def heads_backward(dout, cache):
    """dout (B, H, N, d) -> dq, dk, dv."""
    q, k, v, P, scale = cache
    dv = P.swapaxes(-1, -2) @ dout
    dS = softmax_backward(dout @ v.swapaxes(-1, -2), P) * scale
    return dS @ k, dS.swapaxes(-1, -2) @ q, dv


# %% role="check"
q, k, v = rng.standard_normal((3, 2, 3, 5, 4))  # B = 2, H = 3, N = 5, d = 4


def half_mended(dout, _):
    P, _ = softmax_forward(q @ k.swapaxes(-1, -2) / 2)  # √d = 2
    dS = softmax_backward(dout @ v.swapaxes(-1, -2), P) / 2
    return dS.swapaxes(-1, -2) @ k, dS @ q, P.swapaxes(-1, -2) @ dout


check.grad(
    heads_forward, heads_backward, {"q": q, "k": k, "v": v},
    mistakes={"The forward is mended, and the backward is not: its dq and dk belong to the transposed scores.": half_mended},
)  # fmt: skip
small = 3**-0.5  # √d / √D
check.close(
    heads_forward(q, k, v)[0], attention_forward(q, k, v)[0], "out",
    mistakes={
        "Queries and keys are exchanged: the matrix of the scores is the transpose of what it should be.":
            attention_forward(k, q, v)[0],
        "The scores are divided by √D: each is a sum of d products.": attention_forward(q * small, k, v)[0],
        "Queries and keys are exchanged, and more than that.": attention_forward(k * small, q, v)[0],
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Row n of P belongs to the query n, and sums to 1 over the keys. Which of the two stands in the rows of `k @ qᵀ`? And
# how many products does one score add up?

# %% role="wrong"
{
    "only the scale mended": (
        "",
        """
def heads_forward(q, k, v):
    scale = q.shape[3] ** -0.5
    P, _ = softmax_forward(k @ q.swapaxes(-1, -2) * scale)
    return P @ v, (q, k, v, P, scale)


def heads_backward(dout, cache):
    q, k, v, P, scale = cache
    dS = softmax_backward(dout @ v.swapaxes(-1, -2), P) * scale
    return dS.swapaxes(-1, -2) @ k, dS @ q, P.swapaxes(-1, -2) @ dout
""",
        "Queries and keys are exchanged: the matrix",
    ),
    "only the order mended": (
        "scale = q.shape[3] ** -0.5",
        "scale = (q.shape[1] * q.shape[3]) ** -0.5",
        "divided by √D",
    ),
    "the backward left as it was": (
        "return dS @ k, dS.swapaxes(-1, -2) @ q, dv",
        "return dS.swapaxes(-1, -2) @ k, dS @ q, dv",
        "The forward is mended, and the backward is not",
    ),
    "a root too many": ("scale = q.shape[3] ** -0.5", "scale = q.shape[3] ** -0.25", "out  max"),
}

# %% [markdown] exercise="One key for all heads" kind="further" stars=3 minutes=12
# Large language models often share keys and values among the heads, to keep fewer of them in memory: *multi-query
# attention* (Shazeer, arXiv 1911.02150). Each head has its own queries, q (B, H, N, d); there is one k (B, N, d) and
# one v (B, N, d) for all heads. Write the forward and the backward, with scores scaled by √d. You may use
# `attention_forward` and `attention_backward`: they broadcast.


# %% role="solution"
def multi_query_forward(q, k, v):
    """q (B, H, N, d), k and v (B, N, d) -> out (B, H, N, d), cache."""
    # YOUR TURN
    return attention_forward(q, k[:, None], v[:, None])
    # END


def multi_query_backward(dout, cache):
    """dout (B, H, N, d) -> dq (B, H, N, d), dk and dv (B, N, d)."""
    # YOUR TURN
    dq, dk, dv, _ = attention_backward(dout, cache)
    return dq, dk.sum(axis=1), dv.sum(axis=1)
    # END


# %% role="check"
q, k, v = rng.standard_normal((3, 3, 5, 4)), *rng.standard_normal((2, 3, 5, 4))  # B = H: NumPy takes one for the other
check.close(
    multi_query_forward(q, k, v)[0], np.stack([attention_forward(q[:, h], k, v)[0] for h in range(3)], axis=1), "B = H",
    mistakes={"Head h got the key and value of image h: give k and v an axis for the heads.": attention_forward(q, k, v)[0]},
)  # fmt: skip
q, k, v = rng.standard_normal((2, 3, 5, 4)), *rng.standard_normal((2, 2, 5, 4))
repeated = [np.stack([a] * 3, axis=1) for a in (k, v)]
check.close(multi_query_forward(q, k, v)[0], attention_forward(q, *repeated)[0], "out")
check.grad(multi_query_forward, multi_query_backward, {"q": q, "k": k, "v": v})

# %% [markdown] role="hint"
# `k[:, None]` is (B, 1, N, d): NumPy repeats it for every head. What is used H times in the forward collects H
# gradients in the backward.

# %% role="wrong"
{
    "a mean over the heads": ("dk.sum(axis=1)", "dk.mean(axis=1)", "times 0.3333"),
    "one head's gradient alone": ("dv.sum(axis=1)", "dv[:, 0]", "dv"),
    "not summed": ("dk.sum(axis=1)", "dk", "is a sum over"),
    "no axis for the heads": (
        "attention_forward(q, k[:, None], v[:, None])",
        "attention_forward(q, k, v)",
        "Head h got the key and value of image h",
    ),
}

# %% [markdown]
# ## What you can do now
#
# - Say what a head can do and what it cannot, and why H heads of width D/H cost what one of width D costs.
# - Split and merge heads with a reshape and a transpose, find any head's columns and rows, and silence it.
# - Derive the backward: three paths into each token, gathered in the columns that the forward cut; and tell which bias
#   learns nothing.
#
# In the library: `minivit/ops/self_attention.py`, and the chain, `attention` in `minivit/layers/parts.py`; chapter
# 10 builds the block around it. Sources: A. Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section
# 3.2.2; A. Dosovitskiy et al., arXiv 2010.11929, appendix A.
