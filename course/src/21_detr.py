# ---
# title: DETR
# question: How does a Transformer say what is where, when nobody tells it in which order to say it?
# sentence: Ten learned queries ask a canvas of digits, and answer all at once; matching one to one, generalised IoU in both directions, the loss of a set, and what a weight does to a probability.
# minutes: 75
# needs: [5, 7, 8, 11]
# gpu: of no use
# ---

# %% [markdown]
# The models so far said *what* a picture shows: one word for all of it. A **detector** says what is *where*: a class and
# a box for each object, however many there are. DETR (Carion et al., [arXiv 2005.12872](https://arxiv.org/abs/2005.12872))
# does it with the Transformer of the chapters before, and one new thought: its answers are a *set*, and so is the truth.

# %% role="setup"
import os
from collections import Counter
from itertools import permutations

import numpy as np

from minivit import check, draw, load, load_canvas, ops
from minivit.data import TRAINED_DETECTORS
from minivit.family.detections import answer, in_pixels
from minivit.family.matching import assign, matching_costs
from minivit.inspect import detection_mistakes, plot_detections, plot_detector_attention, plot_detector_queries
from minivit.layers import Chain
from minivit.train import average_precision

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
model = load(TRAINED_DETECTORS["detr"])  # trained on canvases of other digits, see docs/benchmarks.md
Q, K = model.config.queries, model.config.classes  # 10 queries, 10 digits
images, targets = load_canvas("test", 20 if FAST else 200)  # (n, 64, 64, 1), and what is on each

# %% [markdown]
# ## The picture first
#
# In go canvases: up to five digits, of any size, among scraps of others. Out come ten answers for each, and most of them
# should be "no object". *Predict: nothing in the model removes an answer that is given twice. Will there be any?*


# %%
def answers(logits, boxes):
    """(n, Q, K + 1) and (n, Q, 4) -> of each image the scores, labels and boxes, corners in pixels, the surest first."""
    found = [answer(*its, model.config) for its in zip(logits, boxes, strict=True)]
    return [its | {"boxes": in_pixels(its["boxes"], (64, 64))} for its in found]


all_logits, all_boxes = model.forward(model.normalize(images))[0]  # of each decoder layer: (3, n, Q, …)
truth = [target | {"boxes": in_pixels(target["boxes"], (64, 64))} for target in targets]
found = answers(all_logits[-1], all_boxes[-1])
draw.picture(
    plot_detections(images[:4], found[:4], truth[:4], rows=1),
    alt="Four canvases with dark digits and scraps on white. Dotted green boxes show where the 13 digits are. Blue boxes, each with a "
    "digit and a percentage, lie close on ten of them. An orange box says that the right half of a 6 is a 0; a pale 3 has no box; and on the "
    "last canvas two zeros have an orange box each beside the blue one: they are found twice.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Boxes are dotted green where a digit is, blue where an answer is right, orange where it is
# wrong. (2) Classes are mostly right, and boxes a little loose. (3) Two zeros are said twice, with much confidence. Keep
# this in mind: the reason is in the loss, and we shall find it.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | N, D, H | places of the map, 8 × 8; width; heads | 64, 64, 4 |
# | x, p | the encoder's tokens; sines of their places | (B, 64, 64), (64, 64) |
# | Q, e | queries; what is learned of each | 10, (10, 64) |
# | K | classes; class number K is "no object" | 10 |
# | T | objects on a canvas | 1 to 5 |
# | $p _{qc}$ | probability of class c in query q's answer | (B, 10, 11) |
# | $b _q$ | its box $(c _x, c _y, w, h)$, from 0 to 1 | (B, 10, 4) |
# | C | cost of query q for object t | (10, T) |
#
# ## The idea
#
# A few convolutions make the canvas a map of 8 × 8 tokens; an encoder layer lets them look at each other. Then come Q
# **queries**, learned vectors like the class token, that belong to no place. In each layer of the *decoder* they look at
# each other, then at the tokens, and answer. No query owns an object: training **matches** the answers with the objects,
# one to one, as cheaply as can be. A matched query must say its object; all others must say "no object". Who says a digit
# twice is punished once, and so learns not to.

# %%
draw.shapes(
    [
        ("canvas", "(B, 64, 64, 1)"), "convolutions", ("map", "(B, 8, 8, 64)"), "encoder", ("tokens x", "(B, 64, 64)"),
        "queries look", ("answers y", "(B, 10, 64)"), "two heads", ("classes, boxes", "(B, 10, 11), (B, 10, 4)"),
    ],
    alt="Boxes joined by arrows: canvas (B, 64, 64, 1), convolutions, map (B, 8, 8, 64), encoder, tokens x (B, 64, 64), queries look, "
    "answers y (B, 10, 64), two heads, classes (B, 10, 11) and boxes (B, 10, 4).",
)  # fmt: skip

# %% [markdown]
# ## One to one
#
# What would it cost to make query q answer for object t, of class $c _t$ with box $b _t$?
#
# $$\begin{aligned} C _{qt} &= -p _{q c _t} + 5\, \lVert b _q - b _t \rVert _1 \\
# &\quad - 2\, G(b _q, b _t) \end{aligned} \tag{1}$$
#
# with the sum of the four absolute differences, and G, the *generalised IoU*, which comes next. A matching $\sigma$ gives
# each object a query of its own, and the best one is
#
# $$\hat \sigma = \arg\min _\sigma \sum _t C _{\sigma(t)\, t} \tag{2}$$
#
# This is the *assignment problem*. By hand, we try every way there is: $Q\,(Q-1) \cdots (Q-T+1)$ of them.


# %%
def cheapest(C):
    """(Q, T) -> the query of each object, by trying all."""
    return min(permutations(range(len(C)), C.shape[1]), key=lambda q: C[q, range(C.shape[1])].sum())


def costs(layer, i):
    """(1) for canvas i, by the library."""
    said = (all_logits[layer, i][None, None], all_boxes[layer, i][None, None])
    return matching_costs(*said, [targets[i]["labels"]], [targets[i]["boxes"]], model.config.criterion)[0, 0]


for i in range(5 if FAST else 12):
    C = costs(-1, i)
    queries, objects = assign(C)  # as pairs, in the order of the queries
    if C.shape[1] < 5:  # 30,240 ways take a moment
        assert list(cheapest(C)) == list(queries[np.argsort(objects)])
print("the cheapest of all permutations is the library's; for 5 objects there are", 10 * 9 * 8 * 7 * 6)

# %% [markdown]
# `assign` is SciPy's `linear_sum_assignment`, which needs some $Q\,T^2$ steps instead. Here is C for the last of the
# four canvases above, that with the two zeros, its cheapest places framed. *Predict: would each object get the same query,
# if the objects came one after the other, and each took the cheapest one?*

# %%
C = costs(-1, 3)
queries, objects = assign(C)
trap = np.array([[1.0, 2.0], [2.0, 9.0]])
greedy = trap[0, 0] + trap[1, 1]  # object 0 takes query 0; object 1 must take what is left
print(f"on {trap.tolist()}: one after the other costs {greedy:.0f}, together {trap[assign(trap)].sum():.0f}")
draw.matrix(
    C.T, mark=list(zip(objects, queries, strict=True)), title="C, transposed", rows="objects", columns="queries",
    row_labels=[f"a {label}" for label in targets[3]["labels"]], column_labels=[str(q) for q in range(Q)], colorbar=False,
    alt="Three rows of ten costs, for a 0, a 4 and a 0. The smallest of each row is framed: query 7, query 9, query 0, each below minus 2. "
    "In the first row three more are about as low, in the last row one; in the row of the 4 all others are above 0.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) −3 is the least that (1) can be: sure, and exactly there. (2) Here each object's own favourite is
# free, so any order does. In the small example it is not, and to be greedy costs 10 instead of 4. (3) Four queries fit the
# first zero, and two the other. One of each is matched; the others must say "no object". Not all of them do, as we saw.
#
# No gradient flows through the matching: a choice has no slope. It says *which* numbers the loss compares.
#
# ## Boxes that do not meet
#
# How well does box a cover box b? The usual answer is IoU, the area that both cover over the area that either covers. It is
# 0 for all boxes that do not meet, near or far: no slope, nothing to learn from. The **generalised IoU** (Rezatofighi et
# al., [arXiv 1902.09630](https://arxiv.org/abs/1902.09630)) looks at the *hull*, the smallest box around both, and takes off
# the share of it that neither covers. With I the common area, U the union's, A the hull's:
#
# $$\begin{aligned} G &= \frac IU - \frac{A - U}{A} \\
# &= \frac IU + \frac UA - 1 \end{aligned} \tag{3}$$
#
# With corners $(x _0, y _0)$, $(x _1, y _1)$ and primes for b, the sides of I and A are differences of minima and maxima:
#
# $$\begin{aligned} w _I &= \max(0,\ \min(x _1, x _1') \\
# &\qquad\qquad - \max(x _0, x _0')) \\
# w _A &= \max(x _1, x _1') - \min(x _0, x _0') \end{aligned} \tag{4}$$
#
# and alike for the heights; $I = w _I h _I$, $A = w _A h _A$, $U = \mathrm{area}(a) + \mathrm{area}(b) - I$.


# %%
def sides(a, b):
    """Of the common part, of the hull, and of a itself: (..., 2) each, width and height. (4)"""
    common = np.maximum(0, np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]))
    return common, np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2]), a[..., 2:] - a[..., :2]


def giou_forward(a, b):
    """Corners (..., 4), both -> (...)."""
    common, hull, own = sides(a, b)
    I, A = common.prod(-1), hull.prod(-1)
    U = own.prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - I
    return I / U + U / A - 1, (a, b, I, U, A)  # (3)


d = np.linspace(0, 3, 61)
a = np.stack((d, 0 * d, d + 1, 0 * d + 1), axis=-1)  # a square that slides away from the unit square
curves = {"IoU": (d, ops.iou_forward(a, a[:1])[0]), "GIoU": (d, giou_forward(a, a[:1])[0])}
draw.lines(
    curves, xlabel="how far a square of side 1 is moved", ylabel="how well they cover each other",
    alt="Two curves fall from 1 at a distance of 0. They are the same until the squares just touch, at a distance of 1. From there IoU stays "
    "at 0, flat, while GIoU goes on falling, to minus 0.5 at a distance of 3.",
)  # fmt: skip

# %% [markdown]
# ## The backward
#
# The box b is data, so only a needs a gradient. *First the areas*, from (3), with dG from above. U is made of I, so I gets
# what comes through U, too:
#
# $$\begin{aligned} dU &= dG \left( \tfrac1A - \tfrac{I}{U^2} \right) \\
# dA &= -dG\, \tfrac{U}{A^2} \\
# dI &= dG\, \tfrac1U - dU \\
# d\,\mathrm{area}(a) &= dU \end{aligned} \tag{5}$$
#
# *Then the sides*: an area's slope along its width is its height, so $dw _I = dI\, h _I$, and 0 where $w _I$ is 0. *Then the
# corners, by index*: a minimum's slope is 1 for the smaller of the two, and 0 for the other. For $x _1$, and alike for
# $y _1$:
#
# $$\begin{aligned} dx _1 &= dw _I\, [x _1 < x _1'] \\
# &\quad + dw _A\, [x _1 > x _1'] + dU\, h _a \\
# dx _0 &= -dw _I\, [x _0 > x _0'] \\
# &\quad - dw _A\, [x _0 < x _0'] - dU\, h _a \end{aligned} \tag{6}$$
#
# *In matrix form* there is nothing to say: each pair of boxes is by itself. A box that does not meet b has $dw _I = 0$, and
# is still moved, by the hull.


# %%
def giou_backward(dy, cache):
    """dy (...) -> da (..., 4)."""
    a, b, I, U, A = cache
    common, hull, own = (side[..., ::-1] for side in sides(a, b))  # an area's slope along x is its extent along y
    dU, dA = dy * (1 / A - I / U**2), -dy * U / A**2  # (5)
    dI = dy / U - dU
    dcommon = dI[..., None] * common * (common[..., ::-1] > 0)
    dhull, down = dA[..., None] * hull, dU[..., None] * own
    first, last = a[..., :2], a[..., 2:]
    dfirst = -dcommon * (first > b[..., :2]) - dhull * (first < b[..., :2]) - down  # (6)
    dlast = dcommon * (last < b[..., 2:]) + dhull * (last > b[..., 2:]) + down
    return np.concatenate((dfirst, dlast), axis=-1)


# %%
a, b = (ops.corners_forward(rng.uniform(0.2, 0.8, (8, 4)))[0] for _ in range(2))
b[:2] += 1  # two pairs that do not meet
check.grad(lambda a: giou_forward(a, b), lambda dy, cache: (giou_backward(dy, cache),), {"a": a})
y, cache = ops.giou_forward(a, b)
check.close(giou_forward(a, b)[0], y, "the library's forward")
check.close(giou_backward(y, giou_forward(a, b)[1]), ops.giou_backward(y, cache)[0], "the library's backward")

# %% [markdown]
# ## The loss of a set
#
# Once matched, all is known: query q is asked for class $a _q$, its object's or K. "No object" is asked nine times out of
# ten, so it counts with the weight w = 0.1:
#
# $$\begin{aligned} L = &-\frac{\sum _q w _{a _q} \log p _{q a _q}}{\sum _q w _{a _q}} \\
# &+ \frac 1T \sum _t \left( 5\, \ell _t + 2\, (1 - G _t) \right) \end{aligned} \tag{7}$$
#
# with $\ell _t = \lVert b _{\sigma(t)} - b _t \rVert _1$ and $G _t$ that pair's GIoU; over a batch, both fractions have one
# denominator for all. Each layer of the decoder answers, is matched anew and has its loss, so that none must wait for the
# last one. By hand, for one canvas and the last layer:


# %%
def set_loss(logits, boxes, target, C):
    """(Q, K + 1), (Q, 4), what is there, and (1) -> the three terms of (7)."""
    queries, objects = assign(C)
    asked = np.full(Q, K)
    asked[queries] = target["labels"][objects]
    weight = np.where(asked == K, 0.1, 1)
    p, _ = ops.softmax_forward(logits)
    classes = -(weight * np.log(p[range(Q), asked])).sum() / weight.sum()
    said, there = boxes[queries], target["boxes"][objects]
    G, _ = giou_forward(ops.corners_forward(said)[0], ops.corners_forward(there)[0])
    return classes, np.abs(said - there).sum() / len(there), (1 - G).mean()


loss, terms, grads, _ = model.losses_and_all_grads(model.normalize(images[3:4]), targets[3:4])
ours = set_loss(all_logits[-1, 3], all_boxes[-1, 3], targets[3], C)
check.close(ours, [terms[f"loss_{name}"] for name in ("ce", "bbox", "giou")], "(7)", tol=1e-4)  # in float32

# %% [markdown]
# ## What a query asks
#
# In the decoder, attention has three different inputs: queries ask with $y + e$, keys are $x + p$, values are x. Places are
# in the question and in what is asked for, never in what is taken. At the start y = 0. So in the first self-attention all
# values are the same, and every query hears the same, whoever it looks at. Only in the second layer can one query know what
# another has found. Two consequences can be seen: we do the first look at the canvas by hand, with nothing but e to tell the
# queries apart; and the weights of the first self-attention have no gradient.


# %%
def dense(x, name):
    return x @ model.params[f"{name}.weight"] + model.params[f"{name}.bias"]


first = "transformer.decoder.layers.0"
backbone, states, _ = model.layers.parts
x = model.run_on(Chain(backbone, states.value), model.normalize(images[2:3]))[0]  # the encoder's tokens (64, 64)
value = model.params[f"{first}.self_attn.qkv.bias"][128:]  # every query's, and so every average of them
norm = model.params[f"{first}.norm1.weight"], model.params[f"{first}.norm1.bias"]
y = ops.layernorm_forward(dense(value, f"{first}.self_attn.proj"), *norm, eps=1e-5)[0]
asks = dense(y + model.params["query_embed.weight"], f"{first}.multihead_attn.qkv")[:, :64]
shown = dense(x + ops.sine_positions(np.ones((1, 8, 8), bool), 64)[0], f"{first}.multihead_attn.qkv")[:, 64:128]
(asks,), (shown,) = ops.split_heads(asks, 1, 4), ops.split_heads(shown, 1, 4)  # (H, Q, 16) and (H, N, 16)
looks = ops.softmax_forward(asks @ shown.swapaxes(-1, -2) / 16**0.5)[0]
check.close(looks, model.attention(model.normalize(images[2:3]))["decoder"][0, 0], "the first look", tol=1e-4)
for name in ("self_attn.qkv.weight", "multihead_attn.qkv.weight"):
    print(f"largest gradient of {name}: {np.abs(grads[f'{first}.{name}']).max():.0e}")

# %% [markdown]
# *Predict: all queries are trained alike. Will each answer for any place?*

# %%
draw.picture(
    plot_detector_queries(model, images),
    alt="Ten squares, one for each query, with a dot for every box that it has said over all canvases. In nine of them the dots make one "
    "cloud that fills a tenth of the square or so, each in another part: upper left, upper middle, right, lower middle, lower left. "
    "One square is empty.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Each query has its district, although the matching has no idea of places. A likely reason: who is
# nearest gets the gradient, and is nearer still the next time. (2) Query 1 has given up: not once is it sure of anything.
# (3) Districts overlap, and where they do, a digit may be said twice.
#
# Now the last layer's look at one canvas:

# %%
draw.picture(
    plot_detector_attention(model, images[2:3]),
    alt="Three rows, one for each of a canvas's surest digits, two zeros and a 7, with their boxes. In each of five columns, the mean and "
    "four heads, a few of the 64 places are orange. They lie on the digit or at an edge of its box, most often at the lower and the right one.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A query looks at a handful of the 64 places, many of them where its digit ends: that is what a box
# needs. (2) Nothing told it to look near by. It had to learn that from nothing, and this is slow: in docs/benchmarks.md,
# two later detectors, which look at few places from the first step on, come as far in a fraction of the steps.
#
# ## Said twice
#
# AP50, *average precision*, is the usual mark: the area under precision over recall, where a hit has an IoU of at least 0.5,
# and a second answer for the same object is a miss. We measure that of the model that ships, layer by layer, and count.


# %%
def report(shift):
    for layer in range(3):
        found = answers(all_logits[layer] + shift * (np.arange(K + 1) == K), all_boxes[layer])
        kinds = Counter(m.kind for its in zip(found, truth, strict=True) for m in detection_mistakes(*its))
        ap50 = average_precision(found, truth, K).ap50
        print(f"layer {layer}: AP50 {ap50:.2f}, said twice {kinds['twice']:3}, missed {kinds['missed']:3}")


objects = sum(len(target["labels"]) for target in targets)
print(f"{len(images)} canvases, {objects} digits, answers of at least 50 %")
report(shift=0)

# %% [markdown]
# The answers are good, and many come twice. Here is the reason. Say that in a share $\pi$ of all such cases a query is
# matched. The best probability p of "there is something" minimises $-\pi \log p - w\,(1 - \pi) \log (1 - p)$:
#
# $$\begin{aligned} \frac{\pi}{p} &= \frac{w\,(1 - \pi)}{1 - p}, \quad \text{and so} \\
# \frac{p}{1 - p} &= \frac1w \cdot \frac{\pi}{1 - \pi} \end{aligned} \tag{8}$$
#
# With w = 0.1 the odds are *ten times too high*: who says "50 %" is right once in 11 times. The weight helps training, where
# "no object" would drown all else, and distorts what comes out. But (8) also says how to undo it: add $\log 10$ to the logit
# of "no object". Do these probabilities say the truth?

# %%
matched = np.zeros((len(images), Q), bool)
for i in range(len(images)):
    matched[i, assign(costs(-1, i))[0]] = True
for name, shift in (("as they come", 0), ("corrected", np.log(10))):
    p = 1 - ops.softmax_forward(all_logits[-1] + shift * (np.arange(K + 1) == K))[0][..., K]
    for low, high in ((0.1, 0.5), (0.5, 0.9), (0.9, 1)):
        those = (p >= low) & (p <= high)
        print(f"{name:>12}: said {p[those].mean():.0%} on average, true of {matched[those].mean():.0%}")

# %% [markdown]
# *Predict: what happens to the doubles, and what to AP50?*

# %%
report(shift=np.log(10))

# %% [markdown]
# Most doubles are gone, at the price of some digits that are no longer said with at least 50 %; AP50, which looks at the
# order of the answers and not at a threshold, moves little. And the first layer doubles more than the others: its
# queries have not heard of each other. This is one model, on few canvases. How fast three detectors learn is in
# docs/benchmarks.md, made by `benchmarks/detection.py`.

# %% [markdown] exercise="Four numbers" kind="predict" stars=1 minutes=8
# In how many ways can 3 objects be matched with 5 queries (`ways`)? What is the GIoU of two squares of side 1 with a gap of 3
# between them, side by side (`far`)? A canvas has 3 objects, and the model 10 queries: what is the first denominator in (7),
# with w = 0.1 (`weights`)? And with w = 0.2: a query is matched in one of six cases of a kind. Which probability of "there is
# something" minimises the loss (`sure`)?

# %% role="solution"
# YOUR TURN
ways = 60
far = -0.6
weights = 3.7
sure = 0.5
# END

# %% role="check"
check.answer(
    ways, 5 * 4 * 3, "ways",
    reasons={10: "those are the choices of three queries: which object each of them gets counts, too",
             125: "no two objects may have the same query", 243: "no two objects may have the same query",
             6: "those are the orders of three queries: which three?", 15: "those are the pairs in the table of costs",
             120: "that is 5!: queries that have no object have no order"},
)  # fmt: skip
check.answer(
    far, 0 + 2 / 5 - 1, "far", tol=0.01,
    reasons={0: "that is the IoU: they do not meet", 0.6: "the sign: the share of the hull that neither covers is taken off",
             -0.5: "the hull is 5 wide: a square, the gap, a square", -1 / 3: "the hull is 5 wide: a square, the gap, a square",
             -1: "that would be boxes endlessly far apart", -1.5: "A − U is divided by A, and not by U",
             -3: "GIoU is made of shares, and does not come below −1"},
)  # fmt: skip
check.answer(
    weights, 3 + 7 * 0.1, "weights", tol=0.001,
    reasons={10: "queries without an object count less", 3: "that is the other denominator, T: here all queries count",
             4: "7 queries are left without an object, not 10", 1: "7 queries without an object, and 3 that count in full",
             0.7: "and those that are matched?", 7.3: "the other way round: a matched query counts 1"},
)  # fmt: skip
check.answer(
    sure, 0.5, "sure", tol=0.01,
    reasons={1 / 6: "that is the share itself: so it would be with w = 1", 5 / 6: "those are the cases where it is not matched",
             1: "those are the odds: p / (1 − p)", 1 / 26: "the other way round: a small w makes it say more",
             2 / 3: "with w = 0.1: here it is 0.2"},
)  # fmt: skip

# %% [markdown] role="hint"
# The first object has 5 queries to choose from, the second 4. The hull of the squares is 5 wide and 1 high. In (8), the odds
# of one in six are 1 : 5.

# %% role="wrong"
{
    "choices": ("ways = 60", "ways = 10", "which object each of them gets"),
    "queries shared": ("ways = 60", "ways = 125", "no two objects"),
    "all orders": ("ways = 60", "ways = 120", "have no order"),
    "the IoU": ("far = -0.6", "far = 0", "that is the IoU"),
    "the sign": ("far = -0.6", "far = 0.6", "the sign"),
    "a narrow hull": ("far = -0.6", "far = -0.5", "5 wide"),
    "every query alike": ("weights = 3.7", "weights = 10", "count less"),
    "the objects": ("weights = 3.7", "weights = 3", "the other denominator"),
    "ten of them": ("weights = 3.7", "weights = 4", "not 10"),
    "the share": ("sure = 0.5", "sure = 1 / 6", "the share itself"),
    "the odds": ("sure = 0.5", "sure = 1", "those are the odds"),
    "the chapter's weight": ("sure = 0.5", "sure = 2 / 3", "here it is 0.2"),
}

# %% [markdown] exercise="A table of costs" kind="build" stars=2 minutes=12
# Write (1) for all queries and objects at once, without a loop. You may use `ops.softmax_forward`, `ops.corners_forward` and
# `ops.giou_forward`, which takes corners, and broadcasts: (Q, 1, 4) against (T, 4) gives (Q, T).


# %% role="solution"
def cost_table(logits, boxes, labels, there):
    """logits (Q, K + 1), boxes (Q, 4); labels (T,), there (T, 4); boxes are (cx, cy, w, h). -> C (Q, T)"""
    # YOUR TURN
    p, _ = ops.softmax_forward(logits)
    apart = np.abs(boxes[:, None] - there).sum(axis=-1)
    a, b = ops.corners_forward(boxes)[0], ops.corners_forward(there)[0]
    giou, _ = ops.giou_forward(a[:, None], b)
    return -p[:, labels] + 5 * apart - 2 * giou
    # END


# %% role="check"
for count in (4, 3):  # with as many objects as queries, NumPy also takes pairs for a table
    logits, boxes, there = rng.standard_normal((4, 6)), rng.uniform(0.2, 0.8, (4, 4)), rng.uniform(0.2, 0.8, (count, 4))
    labels = np.array([2, 4, 2, 0])[:count]
    C = matching_costs(logits[None, None], boxes[None, None], [labels], [there], model.config.criterion)[0, 0]
    chance = ops.softmax_forward(logits)[0]
    difference = boxes[:, None] - there
    l1 = np.abs(difference).sum(axis=-1)
    a, b = ops.corners_forward(boxes)[0][:, None], ops.corners_forward(there)[0]
    mistakes = {
        "GIoU is taken of (cx, cy, w, h): it wants corners.":
            C + 2 * ops.giou_forward(a, b)[0] - 2 * ops.giou_forward(boxes[:, None], there)[0],
        "The differences are those of corners: (1) takes them of (cx, cy, w, h).":
            C + 5 * (np.abs(ops.corners_forward(difference)[0]).sum(axis=-1) - l1),
        "The four differences are averaged, and not summed.": C - 5 * l1 * 3 / 4,
        "Absolute values first, then the sum: differences of opposite signs have cancelled out.":
            C + 5 * (np.abs(difference.sum(axis=-1)) - l1),
        "The class costs −log p here, and −p in (1).": C + chance[:, labels] - np.log(chance[:, labels]),
        "The class costs the logit, and not the probability.": C + chance[:, labels] - logits[:, labels],
        "The class's sign is wrong: a query that is sure of it must be cheap.": C + 2 * chance[:, labels],
        "GIoU is added: boxes that cover each other must be cheap.": C + 4 * ops.giou_forward(a, b)[0],
        "Each query's likeliest class is taken: it is the object's class that counts.":
            C + chance[:, labels] - chance.max(axis=1, keepdims=True),
    }  # fmt: skip
    if count == 4:
        pairs = np.abs(boxes - there).sum(axis=-1)
        alone = "Query t is compared with object t alone, and not each with each: boxes[:, None]."
        mistakes[alone] = C + 5 * (pairs - l1)
    check.close(cost_table(logits, boxes, labels, there), C, f"C for {count} objects", mistakes=mistakes)

# %% [markdown] role="hint"
# `p[:, labels]` is (Q, T): of each query the probability of each object's class. `boxes[:, None] - there` is (Q, T, 4).

# %% role="wrong"
{
    "no corners": ("ops.giou_forward(a[:, None], b)", "ops.giou_forward(boxes[:, None], there)", "it wants corners"),
    "corners everywhere": (
        "np.abs(boxes[:, None] - there)", "np.abs(ops.corners_forward(boxes[:, None] - there)[0])", "those of corners"
    ),
    "averaged": (".sum(axis=-1)", ".mean(axis=-1)", "averaged, and not summed"),
    "summed first": (
        "np.abs(boxes[:, None] - there).sum(axis=-1)", "np.abs((boxes[:, None] - there).sum(axis=-1))", "cancelled out"
    ),
    "pairs": ("boxes[:, None] - there", "boxes - there", "not each with each"),
    "a logarithm": ("-p[:, labels]", "-np.log(p[:, labels])", "−log p here"),
    "the logits": ("-p[:, labels]", "-logits[:, labels]", "the logit"),
    "the class's sign": ("-p[:, labels]", "p[:, labels]", "sign is wrong"),
    "the likeliest": ("-p[:, labels]", "-p.max(axis=1, keepdims=True)", "likeliest class"),
    "GIoU added": ("- 2 * giou", "+ 2 * giou", "GIoU is added"),
}  # fmt: skip

# %% [markdown] exercise="What each query is asked" kind="break" stars=2 minutes=10
# A colleague's detector trains, its loss falls, and it says some digits twice, some never, and never that there is nothing.
# This function tells each query which class it is to say. Mend it.


# %% role="broken"
def asked_classes(C, labels, K):
    """costs (Q, T), the objects' classes (T,) -> of each query the class that it is to say (Q,); K is "no object"."""
    asked = np.zeros(len(C), int)
    asked[C.argmin(axis=0)] = labels
    return asked


# %% role="solution"
def asked_classes(C, labels, K):
    """costs (Q, T), the objects' classes (T,) -> of each query the class that it is to say (Q,); K is "no object"."""
    asked = np.full(len(C), K)
    queries, objects = assign(C)
    asked[queries] = labels[objects]
    return asked


# %% role="check"
C = np.array([[1, 1.5, 8], [2, 8, 9], [9, 9, 2], [9, 7, 3]])
nothing = 'A query without an object is asked for class 0: "no object" is class K, the last.'
shared = "Two objects took the same query, and one of them is lost: match them one to one."
greedy = "The objects chose one after the other: together they can have it cheaper."
order = "The queries are right, and have each other's objects: assign gives pairs, queries[i] with objects[i]."
wrong = {nothing: [5, 3, 4, 0], shared: [5, 10, 4, 10], greedy: [3, 10, 4, 5], order: [3, 5, 4, 10],
         f"{shared} {nothing}": [5, 0, 4, 0], "These are the dearest pairs: the costs are to be small.": [10, 4, 5, 3],
         f"{greedy} {nothing}": [3, 0, 4, 5], f"{order} {nothing}": [3, 5, 4, 0]}  # fmt: skip
check.close(asked_classes(C, np.array([3, 5, 4]), 10), [5, 3, 4, 10], "asked", mistakes=wrong)
for count in (4, 7):
    C, labels, expected = rng.standard_normal((7, count)), rng.integers(0, 9, count), np.full(7, 9)
    queries, objects = assign(C)
    expected[queries] = labels[objects]
    check.close(asked_classes(C, labels, 9), expected, f"asked, {count} objects and 7 queries")

# %% [markdown] role="hint"
# Two objects may be nearest to the same query. And what are queries asked to say that no object has taken?

# %% role="wrong"
{
    "the nearest still": (
        "",
        """
def asked_classes(C, labels, K):
    asked = np.full(len(C), K)
    asked[C.argmin(axis=0)] = labels
    return asked
""",
        "Two objects took the same query",
    ),
    "class 0 still": ("np.full(len(C), K)", "np.zeros(len(C), int)", "is asked for class 0"),
    "the objects' order": ("labels[objects]", "labels", "each other's objects"),
    "the dearest": ("assign(C)", "assign(-C)", "dearest pairs"),
    "one after the other": (
        "",
        """
def asked_classes(C, labels, K):
    asked = np.full(len(C), K)
    for t in range(len(labels)):
        free = np.where(asked == K, C[:, t], np.inf)
        asked[free.argmin()] = labels[t]
    return asked
""",
        "one after the other",
    ),
}

# %% [markdown] exercise="The distance of the centres" kind="further" stars=3 minutes=20
# *Distance IoU* (Zheng et al., arXiv 1911.08287) moves boxes that do not meet straight towards each other:
# $\mathrm{DIoU} = \mathrm{IoU} - \rho^2 / c^2$, with $\rho$ the distance of the two centres and c the diagonal of the hull. Write it and
# its backward for a. `ops.iou_forward` and `ops.iou_backward(dy, cache)`, which returns da and db, do the first part.


# %% role="solution"
def diou_forward(a, b):
    """Corners (..., 4), both -> (...), cache."""
    # YOUR TURN
    iou, inner = ops.iou_forward(a, b)
    between = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    hull = np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])
    rho2, c2 = (between**2).sum(axis=-1), (hull**2).sum(axis=-1)
    return iou - rho2 / c2, (a, b, inner, between, hull, rho2, c2)
    # END


def diou_backward(dy, cache):
    """dy (...) -> da (..., 4)."""
    # YOUR TURN
    a, b, inner, between, hull, rho2, c2 = cache
    da, _ = ops.iou_backward(dy, inner)
    dbetween = (-dy / c2)[..., None] * 2 * between
    dhull = (dy * rho2 / c2**2)[..., None] * 2 * hull
    dfirst = dbetween / 2 - dhull * (a[..., :2] < b[..., :2])
    dlast = dbetween / 2 + dhull * (a[..., 2:] > b[..., 2:])
    return da + np.concatenate((dfirst, dlast), axis=-1)
    # END


# %% role="check"
draws = np.random.default_rng(16)  # no two corners nearer than 0.02: there is a kink where they meet
a, b = (ops.corners_forward(draws.uniform(0.2, 0.8, (7, 4)))[0] for _ in range(2))
b[:2], b[2, :2], b[2, 2:] = b[:2] + 1, a[2, :2] + 0.02, a[2, 2:] - 0.03  # two that do not meet, one within the other
a, b = a[:, None], b[:, None]  # (7, 1, 4)
towards = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
around = np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])
near, wide, (covered, covering) = (towards**2).sum(-1), (around**2).sum(-1), ops.iou_forward(a, b)
check.close(
    diou_forward(a, b)[0], covered - near / wide, "DIoU",
    mistakes={
        "The lengths are not squared.": covered - (near / wide) ** 0.5,
        "The hull's area stands where the square of its diagonal should.": covered - near / around.prod(-1),
        "The distance is taken off, and not added: near boxes have the higher DIoU.": covered + near / wide,
        "A centre is half the sum of two corners.": covered - 4 * near / wide,
        "The distance is that of the first corners: take the centres.": covered - ((a - b)[..., :2] ** 2).sum(-1) / wide,
    },
)  # fmt: skip


def moved(dy, half=0.5, turn=1, sign=1):
    to = half * (-dy / wide)[..., None] * 2 * towards
    out = turn * (dy * near / wide**2)[..., None] * 2 * around
    ends = to - out * (a[..., :2] < b[..., :2]), to + out * (a[..., 2:] > b[..., 2:])
    return ops.iou_backward(dy, covering)[0] + sign * np.concatenate(ends, axis=-1)


check.grad(
    lambda a: diou_forward(a, b), lambda dy, cache: (diou_backward(dy, cache),), {"a": a},
    mistakes={
        "The hull is taken for fixed: where a corner of a is a corner of the hull, it moves it.": lambda dy, _: (moved(dy, turn=0),),
        "A corner moves the centre by half of what it moves.": lambda dy, _: (moved(dy, half=1),),
        "The hull's part has the wrong sign: a larger hull makes the quotient smaller.": lambda dy, _: (moved(dy, turn=-1),),
        "The distance's part has the wrong sign: it is taken off.": lambda dy, _: (moved(dy, sign=-1),),
        "What is missing is the IoU's own gradient.": lambda dy, _: (moved(dy) - ops.iou_backward(dy, covering)[0],),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# With $s = \rho^2$ and $g = c^2$: $d(-s/g) = -ds/g + s\,dg/g^2$. A corner moves the centre by half, and the hull wholly, or
# not at all.

# %% role="wrong"
{
    "not squared": ("iou - rho2 / c2", "iou - (rho2 / c2) ** 0.5", "not squared"),
    "the hull's area": ("(hull**2).sum(axis=-1)", "hull.prod(axis=-1)", "hull's area"),
    "added": ("iou - rho2 / c2", "iou + rho2 / c2", "taken off, and not added"),
    "the sums for centres": ("b[..., 2:]) / 2", "b[..., 2:])", "half the sum"),
    "a fixed hull": ("dfirst = dbetween / 2 - dhull * (a[..., :2] < b[..., :2])\n    dlast = dbetween / 2 + dhull * (a[..., 2:] > b[..., 2:])",
                     "dfirst = dlast = dbetween / 2", "hull is taken for fixed"),
    "a whole centre": ("[..., None] * 2 * between", "[..., None] * 4 * between", "by half of what it moves"),
    "the hull's sign": ("(dy * rho2 / c2**2)", "(-dy * rho2 / c2**2)", "a larger hull"),
    "the IoU forgotten": ("return da + np", "return np", "IoU's own gradient"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Match two sets one to one, and say why neither the nearest nor one after the other will do.
# - Derive a loss of boxes that has a slope where they do not meet, in both directions.
# - Read a decoder: what asks, what is asked, what is taken; and undo what a class weight did to a probability.
#
# In the library: `minivit/family/detr.py`, `minivit/family/matching.py`, `minivit/family/set_loss.py`, `minivit/ops/giou.py`.
# Yours to train: `benchmarks/detection.py`. Sources: N. Carion et al., *End-to-End Object Detection with Transformers*, arXiv
# 2005.12872; H. Rezatofighi et al., *Generalized Intersection over Union*, arXiv 1902.09630.
