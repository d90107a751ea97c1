# ---
# title: Deformable DETR
# question: How does a query look at a few places instead of all, and learn which?
# sentence: A query says itself where to look, between the cells if need be; bilinear sampling with its gradients by value, by weight and by place, several maps, and what a trained detector loses without each of them.
# minutes: 60
# needs: [5, 7, 21]
# gpu: of no use
# ---

# %% [markdown]
# A query of DETR (chapter 21) compares itself with every place of the map, and at first it looks everywhere alike. A
# photograph has some 20,000 places, too many for all pairs of them; and who looks everywhere is slow to learn where to look.
# **Deformable DETR** (Zhu et al., [arXiv 2010.04159](https://arxiv.org/abs/2010.04159)) turns it around: a query *says* where
# it will look, at a handful of places, and nothing else is read.

# %% role="setup"
import numpy as np

from minivit import check, draw, ops

rng = np.random.default_rng(0)

# %%
import json
import os

from minivit import load, load_canvas
from minivit.data import DETECTION, TRAINED_DETECTORS
from minivit.inspect import plot_detector_sampling
from minivit.train.detection import evaluate_detector

FAST = bool(os.environ.get("MINIVIT_FAST"))
model = load(TRAINED_DETECTORS["deformable"])  # trained on canvases of other digits, see docs/benchmarks.md
images, targets = load_canvas("test", 20 if FAST else 200)  # (n, 64, 64, 1), and what is on each

# %% [markdown]
# ## The picture first
#
# In goes a canvas with digits, out come classes and boxes, as in chapter 21. Three layers of the decoder look, one after the
# other. *Predict: where will a query look for a digit, at its middle or at its edges?*

# %%
draw.picture(
    plot_detector_sampling(model, images[9:10]),
    alt="A canvas with a 5 and an 8 among scraps, six times: a row for each digit, a column for each of three layers. In the first column "
    "dots are strewn as a cross about a digit, some far away from it, and a box surrounds the digit. In the second and third column the "
    "dots lie on a cross within the box, from its middle to the middles of its sides, the darkest near these. The box hardly changes.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A dot is a look, the darker, the more it counts: 32 of them, where DETR's query has 64 places and
# compares itself with all. (2) In the first layer they lie around a point, and some go far astray; then around the box that
# the layer before has said (dotted). (3) The darkest are near the sides: where a digit ends is what a box must know.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | Q, D | queries, width | 16, 64 |
# | H, d | heads, numbers a head | 4, 16 |
# | L, P | maps, points a head has on each | 2, 4 |
# | F | a map's values, of one head | (16, 16, 16) and (8, 8, 16) |
# | r | a query's reference: a point, later a box | (B, Q, 2 or 4) |
# | Δ | offsets from it, in cells | (B, Q, H, L, P, 2) |
# | a | weights, for a query and head 1 in all | (B, Q, H, L, P) |
#
# ## The idea
#
# Three dense layers do it. One makes the values F, as in any attention. The other two are asked of the query alone, and no key
# is: offsets Δ, and logits, whose softmax over all points is a. With (x, y) from 0 to 1 across a map,
#
# $$\begin{aligned}
# y _h &= \sum _{l,p} a _{hlp}\, F ^l _h ( z _{hlp} ) \\
# z _{hlp} &= r + \Delta _{hlp} / (w _l, h _l)
# \end{aligned} \tag{1}$$
#
# The weights cannot tell what is at a place before it is read: there is no key. Places lie between cells, and this is no
# accident. If they were rounded, a small change of Δ would change nothing, and Δ could not learn. What does all of it save?

# %%
cells = [100 * 167, 50 * 84, 25 * 42, 13 * 21]  # the four maps of a photograph of 800 x 1,333 pixels
N = sum(cells)
print(f"{N:,} cells: {N**2:,} pairs a head; with 4 points on each map, {N * 16:,} looks")

# %% [markdown]
# ## Between the cells
#
# Cell j has its centre $j + \frac12$ cells from the edge. So, counted in centres, x is $u = xw - \frac12$, and y is
# $v = yh - \frac12$. A cell's share falls with its distance, along each axis like a tent, $k(t) = \max(0,\, 1 - |t|)$:
#
# $$\begin{aligned} F(u, v) = \sum _{i,j}\, & k(v - i)\, k(u - j) \\
# & F _{ij} \end{aligned} \tag{2}$$
#
# This is **bilinear** interpolation. Only the four cells around a place have a share. Beyond the map there are no cells, and
# what would be theirs counts as 0. The sum over all cells as it stands:


# %%
def look_loop(F, x, y):
    """F (h, w, d), a place from 0 to 1 -> (d,)"""
    h, w, d = F.shape
    u, v, out = x * w - 0.5, y * h - 0.5, np.zeros(d)
    for i in range(h):
        for j in range(w):
            out += max(0, 1 - abs(v - i)) * max(0, 1 - abs(u - j)) * F[i, j]
    return out


# %% [markdown]
# The array version visits the four cells alone. Along an axis, a place lies between two of them:


# %%
def between(t, size):
    """Places t (n,), in centres -> (n, 2) each: the two cells around, their shares, the shares' slopes."""
    low = np.floor(t)
    cells = np.stack((low, low + 1), axis=1)
    inside = (cells >= 0) & (cells < size)
    shares = np.stack((low + 1 - t, t - low), axis=1)
    return np.where(inside, cells, 0).astype(int), shares * inside, np.array([-1, 1]) * inside


def look_forward(F, places, a):
    """One head, one map: F (h, w, d), places (Q, P, 2), x first, weights a (Q, P) -> y (Q, d)."""
    h, w, d = F.shape
    x, y = places.reshape(-1, 2).T
    (columns, across, turn), (rows, down, tilt) = between(x * w - 0.5, w), between(y * h - 0.5, h)
    four = rows[:, :, None], columns[:, None]  # (n, 2, 2), n = QP
    V = np.einsum("ni,nj,nijd->nd", down, across, F[four]).reshape(*a.shape, d)  # (2)
    return np.einsum("qp,qpd->qd", a, V), (F, a, V, four, down, across, tilt, turn)  # (1)


# %%
F, a = rng.standard_normal((5, 7, 3)), rng.uniform(0, 1, (4, 6))
places = rng.integers(-1, (7, 5), (4, 6, 2)) + rng.uniform(0.1, 0.9, (4, 6, 2))  # none on a centre
places = (places + 0.5) / (7, 5)  # some are outside
y = [sum(a[q, p] * look_loop(F, *places[q, p]) for p in range(6)) for q in range(4)]
check.close(look_forward(F, places, a)[0], y, "arrays against the loop")

# %% [markdown]
# ## The backward
#
# *By index.* From (1) with one head and map, what a look has found, $V _{qp}$, counts $a _{qp}$ times:
#
# $$\begin{aligned} dV _{qp} &= a _{qp}\, dy _q \\
# da _{qp} &= V _{qp} \cdot dy _q \end{aligned} \tag{3}$$
#
# A cell was read by every look near it, and each had its share:
#
# $$\begin{aligned}
# dF _{ij} = \sum _{q,p}\, & k(v _{qp} - i)\, k(u _{qp} - j) \\
# & dV _{qp}
# \end{aligned} \tag{4}$$
#
# The place: if u grows, the right cells' shares grow at the rate 1, and the left ones' fall as fast. So
#
# $$\begin{aligned}
# du _{qp} = \sum _i\, & k(v - i) \\
# & (F _{i,j+1} - F _{ij}) \cdot dV _{qp}
# \end{aligned} \tag{5}$$
#
# with j the cell on the left, and $dv$ likewise with rows and columns exchanged. As $u = xw - \frac12$, $dx = w\, du$, and
# $dy = h\, dv$ for the y of a place.
#
# *In matrix form*, $y = WF$, where F is $(hw, d)$, and W has a row for each query, with at most 4P numbers that are not 0: an
# attention matrix (chapter 07) that nobody writes out. Then (4) is $dF = W ^\top dy$; (3) and (5) are
# $dW = dy\, F ^\top$, at those entries alone, led on to what they were made of. From Δ and a it goes on as ever, through a
# dense layer and a softmax, to the query: so it learns where to look.


# %%
def look_backward(dy, cache):
    """dy (Q, d) -> dF, dplaces, da."""
    F, a, V, four, down, across, tilt, turn = cache
    da = np.einsum("qpd,qd->qp", V, dy)
    dV = (a[..., None] * dy[:, None]).reshape(-1, dy.shape[1])  # (3)
    dF = np.zeros_like(F)
    np.add.at(dF, four, np.einsum("ni,nj,nd->nijd", down, across, dV))  # (4)
    dfour = np.einsum("nijd,nd->nij", F[four], dV)
    du = np.einsum("nij,ni,nj->n", dfour, down, turn)  # (5)
    dv = np.einsum("nij,ni,nj->n", dfour, tilt, across)
    dplaces = np.stack((du * F.shape[1], dv * F.shape[0]), axis=1)
    return dF, dplaces.reshape(*a.shape, 2), da


# %%
check.grad(look_forward, look_backward, {"F": F, "places": places, "a": a})
value, sizes = rng.standard_normal((1, 35 + 6, 8)), [(5, 7), (2, 3)]  # of two maps, and two heads of 4
spots, weights = rng.uniform(-0.1, 1.1, (1, 4, 2, 2, 6, 2)), rng.uniform(0, 1, (1, 4, 2, 2, 6))
y, _ = ops.deformable_attention_forward(value, spots, weights, sizes)
maps = value[0, :35].reshape(5, 7, 2, 4), value[0, 35:].reshape(2, 3, 2, 4)


def head(h):
    return sum(look_forward(maps[l][:, :, h], spots[0, :, h, l], weights[0, :, h, l])[0] for l in (0, 1))


check.close(np.concatenate((head(0), head(1)), axis=1), y[0], "the library's, all heads and maps")
one = value[:, :35, :4], spots[:, :, :1, :1], weights[:, :, :1, :1], sizes[:1]
theirs = ops.deformable_attention_backward(y[:, :, :4], ops.deformable_attention_forward(*one)[1])
mine = look_backward(y[0, :, :4], look_forward(maps[0][:, :, 0], one[1][0, :, 0, 0], one[2][0, :, 0, 0])[1])
for name, ours, its in zip(("values", "places", "weights"), mine, theirs, strict=True):
    check.close(ours.ravel(), its.ravel(), f"the library's gradient by {name}")

# %% [markdown]
# ## What a slope knows
#
# A look is moved by (5) alone. Here is a map of one row with a bump in it, and what a look finds as it moves across.
# *Predict: the bump is at cells 3 to 5. From which places is a look drawn to it?*

# %%
row = np.array([0, 0, 0, 1, 3, 1, 0, 0.0])[None, :, None]
u = np.linspace(-2.5, 9.5, 601)
found, cache = look_forward(row, np.stack(((u + 0.5) / 8, 0 * u + 0.5), axis=1)[:, None], np.ones((601, 1)))
slope = look_backward(np.ones_like(found), cache)[1][:, 0, 0] / 8  # by u
draw.lines(
    {"F(u), what is found": (u, found[:, 0]), "its slope": (u, slope)}, xlabel="u, in cells", ylabel="",
    alt="Two curves over u from −2.5 to 9.5. What is found is 0 up to u = 2, rises by straight pieces to 3 at u = 4, falls as it rose, and is "
    "0 again from 6 on. Its slope is made of steps: 1, then 2 up to u = 4, then −2, then −1, and 0 everywhere else.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Between two centres the slope is the difference of the two cells, and at a centre it jumps: gradient
# checks must stay away from there. (2) From two cells away the bump cannot be felt. A look learns from its neighbours
# alone. (3) Who has left the map finds 0, with a slope of 0, and does not come back by itself.
#
# So much depends on where the looks start, on having several, and on **several maps**: a cell of the coarse one is twice as
# wide, and so is what a look on it feels. Offsets count in cells of their own map. The layer that says Δ begins
# with its weights at 0, so all is in its bias: head h looks into the direction $2\pi h/H$, and its points lie at 1, 2, … P cells.
# All looks count alike. So the first step takes averages of a neighbourhood, and not of all places.
#
# ## From a point to a box
#
# The first layer's reference is a point, made of the query. Each layer says a box, as an offset from the reference, and this
# box is the next one's reference (no gradient goes back through it), with its size for a unit:
#
# $$\mathrm{place} = (c _x, c _y) + \frac{\Delta}{P} \cdot \frac{(w, h)}{2} \tag{6}$$
#
# so at the start P looks lead from the middle to the edge, however large the digit is. Where do they lie after training?

# %%
last = model.sampling(model.normalize(images))[2]  # of the third layer
all_logits, all_boxes = model.forward(model.normalize(images))[0]
sure = ops.sigmoid_forward(all_logits[2])[0].max(axis=-1) > 0.3  # (n, Q): queries that have found something
box, spots, a = all_boxes[1][sure], last["locations"][sure], last["weights"][sure]  # the second's boxes
where = (spots - box[:, None, None, None, :2]) / (box[:, None, None, None, 2:] / 2)  # ±1 is the box's edge
edges = [{5: "−1", 24: "1"}.get(i, "") for i in range(30)]
panels = []
for head in range(4):
    x, y = where[:, head].reshape(-1, 2).T
    share = np.histogram2d(y, x, 30, [(-1.5, 1.5), (-1.5, 1.5)], weights=a[:, head].ravel())[0] / len(box)
    panels.append({"title": f"head {head}", "array": share**0.5, "row_labels": edges, "column_labels": edges})
draw.matrices(
    panels, colorbar=False, colormap="attention",
    alt="Four squares, one for each head, with the box's edges at −1 and 1. Head 0 has a few small dark spots right of the middle, head 1 below "
    "it, head 2 left of it, head 3 above it; in each the darkest are near the edge. The rest of the squares is empty.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Each head has kept the direction in which it began: right, below, left, above. (2) The most
# weight is near an edge. (3) The spots are small: in the box's unit, nearly all queries look at the same places.
#
# ## What each part is worth
#
# We take from the trained model one thing at a time, in all three layers. *Predict: what does it miss most: to move its
# looks by what the query knows, to weight them, or one of its maps?*


# %%
def ap50(change):
    """With changed parameters: change(W, b, A, c) of the offsets' layer and the weights', in place."""
    changed = load(TRAINED_DETECTORS["deformable"])
    for i in range(3):
        name = f"transformer.decoder.layers.{i}.cross_attn"
        parts = (f"{name}.{part}" for part in ("sampling_offsets", "attention_weights"))
        change(*(changed.params[f"{part}.{kind}"] for part in parts for kind in ("weight", "bias")))
    return evaluate_detector(changed, images, targets).ap50


changes = {
    "as it was trained": lambda W, b, A, c: None,
    "the same offsets for all queries": lambda W, b, A, c: W.fill(0),
    "all looks at the reference": lambda W, b, A, c: (W.fill(0), b.fill(0)),
    "all looks count alike": lambda W, b, A, c: (A.fill(0), c.fill(0)),
    "the fine map alone": lambda W, b, A, c: c.reshape(4, 2, 4)[:, 1].fill(-1000),
    "the coarse map alone": lambda W, b, A, c: c.reshape(4, 2, 4)[:, 0].fill(-1000),
}
scores = {name: ap50(change) for name, change in changes.items()}
draw.bars(
    scores, ylabel=f"AP50 on {len(images)} canvases", number="{:.2f}",
    alt="Six bars of AP50. As it was trained 0.95, the same offsets for all queries 0.93, all looks at the reference 0.01, all looks count "
    "alike 0.87, the fine map alone 0.92, the coarse map alone 0.55.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) With all looks at one place nothing is left; with the same cross for everybody, hardly anything is
# lost (0.02 on 200 canvases may be chance). So in this model it is the reference that says where, and the offsets
# are a pattern around it. (2) The fine map alone nearly does, the coarse one does not: digits are small. (3) This says
# what *this* model leans on. One that had been trained without a part would have learned to do without.
#
# ## How fast it learns
#
# `benchmarks/detection.py` trained three detectors on the same canvases, three seeds each; what came of it ships with
# minivit. Each curve is the mean of three seeds. (Sparse R-CNN is the next chapter.)

# %%
runs, curves = json.loads(DETECTION.read_text(encoding="utf-8")), {}
for detector, name in (("deformable", "Deformable DETR"), ("sparse", "Sparse R-CNN"), ("detr", "DETR")):
    looks = np.array([run["looks"] for run in runs if run["detector"] == detector])  # (seeds, looks, 3)
    curves[name] = looks[0, :, 0], looks[:, :, 2].mean(axis=0)
    ends = ", ".join(f"{run['ap50']:.3f}" for run in runs if run["detector"] == detector)
    half = [int(its[its[:, 2] >= 0.5][0, 0]) for its in looks]
    print(f"{name}: AP50 0.5 after {half} steps; in the end {ends}")
draw.lines(
    curves, xlabel="steps of 16 canvases", ylabel="AP50",
    alt="Three curves of AP50 over steps. Deformable DETR is at 0.57 after 250 steps, at 0.9 after 1,000, and ends at 0.96 at 3,000. Sparse "
    "R-CNN begins at 0.09 and ends at 0.93. DETR stays near 0 for 1,000 steps, then climbs to 0.6 at 2,500 and ends at 0.91 at 9,000.",
)  # fmt: skip

# %% [markdown]
# AP50 was looked at every 250 steps, and the first look already finds Deformable DETR above 0.5, with each seed; DETR takes
# nine or ten times as long, with each. The two differ in more than the attention: here are two maps and refined boxes,
# another loss for the classes, and no encoder. So the figure confirms what the paper saw on photographs (a tenth of
# the epochs), and does not say how much of it each part has done.

# %% [markdown] exercise="Looks, counted" kind="predict" stars=1 minutes=8
# In the published model a query has 8 heads, and each head looks at 4 points on each of 4 maps.
#
# 1. How many numbers must the dense layer for the offsets Δ say, for one query (`offsets`)?
# 2. Each look has a weight a. What do all those of one query add up to (`total`)?
# 3. How many cells of the maps does one head of one query read, at most (`cells`)?
# 4. A map of 16 × 16 cells is 1 everywhere. What does a look at the middle of its left edge, at (x, y) = (0, ½), find (`edge`)?

# %% role="solution"
# YOUR TURN
offsets = 256
total = 8
cells = 64
edge = 0.5
# END

# %% role="check"
check.answer(
    offsets, 8 * 4 * 4 * 2, "offsets",
    reasons={128: "a place is two numbers, x and y", 32: "those are one head's", 64: "4 points on each of 4 maps",
             512: "the four cells around a place follow from it", 16: "those are one head's looks"},
)  # fmt: skip
check.answer(
    total, 8, "total",
    reasons={1: "that is one head's sum: each has a softmax of its own", 32: "the points of all maps share one softmax",
             128: "so many weights there are; what do they add up to?", 4: "one softmax a head, over the points of all maps",
             2: "they add up to 1 for each head"},
)  # fmt: skip
check.answer(
    cells, 4 * 4 * 4, "cells",
    reasons={16: "those are its looks: each lies between cells", 512: "those are the cells of all eight heads",
             4: "those are one look's", 32: "a look lies between two rows and two columns", 128: "those are the looks of all heads"},
)  # fmt: skip
check.answer(
    edge, 0.5, "edge", tol=0.01,
    reasons={1: "the first centre is half a cell further in: half of the look falls beyond the map, where there is 0",
             0: "it is on the edge, and not a cell beyond it", 0.25: "so it is in a corner: here both rows are there"},
)  # fmt: skip

# %% [markdown] role="hint"
# Each head has L · P looks, with one softmax over all of them, and a look has two coordinates. For the edge: which u is x = 0,
# and which shares do cells −1 and 0 have there?

# %% role="wrong"
{
    "one number a look": ("offsets = 256", "offsets = 128", "two numbers"),
    "one head": ("offsets = 256", "offsets = 32", "one head's"),
    "one map": ("offsets = 256", "offsets = 64", "each of 4 maps"),
    "one softmax": ("total = 8", "total = 1", "a softmax of its own"),
    "a softmax a map": ("total = 8", "total = 32", "share one softmax"),
    "the weights": ("total = 8", "total = 128", "so many weights"),
    "the looks": ("cells = 64", "cells = 16", "between cells"),
    "all heads": ("cells = 64", "cells = 512", "all eight heads"),
    "one look": ("cells = 64", "cells = 4", "one look's"),
    "the whole cell": ("edge = 0.5", "edge = 1", "beyond the map"),
    "nothing": ("edge = 0.5", "edge = 0", "not a cell beyond"),
    "the corner": ("edge = 0.5", "edge = 0.25", "in a corner"),
}

# %% [markdown] exercise="Around a box" kind="build" stars=2 minutes=15
# From the second layer on, a query looks around its box (6), at $(c _x, c _y) + \frac{\Delta}{P} \cdot \frac{(w, h)}{2}$. Write it and its
# backward, for one map: Q queries, H heads, P points a head; offsets Δ (Q, H, P, 2), boxes (Q, 4) as $(c _x, c _y, w, h)$, places
# (Q, H, P, 2).


# %% role="solution"
def around_forward(offsets, boxes):
    """offsets (Q, H, P, 2), boxes (Q, 4) -> places (Q, H, P, 2), cache."""
    # YOUR TURN
    P = offsets.shape[2]
    centre, size = boxes[:, None, None, :2], boxes[:, None, None, 2:]
    return centre + offsets * size / (2 * P), (offsets, size)
    # END


def around_backward(dy, cache):
    """dy (Q, H, P, 2) -> doffsets (Q, H, P, 2), dboxes (Q, 4)."""
    # YOUR TURN
    offsets, size = cache
    P = offsets.shape[2]
    dcentre, dsize = dy.sum(axis=(1, 2)), (dy * offsets).sum(axis=(1, 2)) / (2 * P)
    return dy * size / (2 * P), np.concatenate((dcentre, dsize), axis=1)
    # END


# %% role="check"
draws = np.random.default_rng(3)
moves, some = draws.standard_normal((6, 3, 5, 2)), draws.uniform(0.2, 0.8, (6, 4))
middle, sides = some[:, None, None, :2], some[:, None, None, 2:]
found = check.pair(around_forward, offsets=moves, boxes=some)[0]
check.close(
    found, middle + moves * sides / 10, "places",
    mistakes={
        "Δ is not divided by P: the looks of a head share the way to the edge.": middle + moves * sides / 2,
        "Half is missing: from the middle to the edge it is half a side.": middle + moves * sides / 5,
        "It is divided by the number of heads, and not by that of points.": middle + moves * sides / 6,
        "It is divided by 2 · 2: P is the last axis but one.": middle + moves * sides / 4,
        "It is divided by 2Q: P is the last axis but one.": middle + moves * sides / 12,
        "Width and height are exchanged: x goes with the width.": middle + moves * sides[..., ::-1] / 10,
        "The box's size is the unit of Δ, and here it is not.": middle + moves / 5,
        "The box's first two numbers are its middle, and no corner.": middle - sides / 2 + moves * sides / 10,
        "The box is its middle and its size, and not two corners.": (middle + sides) / 2 + moves * (sides - middle) / 10,
    },
)  # fmt: skip


def back(dy, way=1 / 10, grow=1 / 10, add=np.sum, far=moves):
    dsize = add(dy * far, axis=(1, 2)) * grow
    return dy * sides * way, np.concatenate((add(dy, axis=(1, 2)), dsize), axis=1)


check.grad(
    around_forward, around_backward, {"offsets": moves, "boxes": some},
    mistakes={
        "The offsets' gradient is not divided by 2P, as the offsets are.": lambda dy, _: back(dy, way=1),
        "The offsets' gradient lacks the half of the forward.": lambda dy, _: back(dy, way=1 / 5),
        "The offsets' gradient lacks the P of the forward.": lambda dy, _: back(dy, way=1 / 2),
        "The offsets' gradient is dy itself: but they were scaled by the box.": lambda dy, _: (dy, back(dy)[1]),
        "A box moves each of its looks, and is moved by all: a sum, and no mean.": lambda dy, _: back(dy, add=np.mean),
        "The further out a look is, the further it moves when the box grows: dy times the offset.":
            lambda dy, _: back(dy, far=np.ones_like(dy)),
        "The sides' gradient is not divided by 2P, as the offsets are.": lambda dy, _: back(dy, grow=1),
        "The sides' gradient lacks the half of the forward.": lambda dy, _: back(dy, grow=1 / 5),
        "The sides' gradient lacks the P of the forward.": lambda dy, _: back(dy, grow=1 / 2),
        "The middle's gradient and the sides' are exchanged.": lambda dy, _: (back(dy)[0], np.roll(back(dy)[1], 2, axis=1)),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# `boxes[:, None, None, :2]` is (Q, 1, 1, 2), and is added to all looks of a query. What many use has the sum of their
# gradients, here over axes 1 and 2.

# %% role="wrong"
{
    "no P": ("centre + offsets * size / (2 * P)", "centre + offsets * size / 2", "not divided by P"),
    "no half": ("centre + offsets * size / (2 * P)", "centre + offsets * size / P", "Half is missing"),
    "heads": ("P = offsets.shape[2]\n    centre", "P = offsets.shape[1]\n    centre", "number of heads"),
    "no size": ("centre + offsets * size / (2 * P)", "centre + offsets / P", "the unit of Δ"),
    "from the corner": ("centre + offsets * size / (2 * P)", "centre - size / 2 + offsets * size / (2 * P)", "no corner"),
    "two corners": ("centre + offsets * size / (2 * P)", "(centre + size) / 2 + offsets * (size - centre) / (2 * P)", "not two corners"),
    "not scaled back": ("return dy * size / (2 * P), np", "return dy, np", "dy itself"),
    "half scaled back": ("return dy * size / (2 * P), np", "return dy * size, np", "offsets' gradient is not divided"),
    "a mean": ("dy.sum(axis=(1, 2)), (dy * offsets).sum(axis=(1, 2)) / (2 * P)",
               "dy.mean(axis=(1, 2)), (dy * offsets).mean(axis=(1, 2)) / (2 * P)", "a sum, and no mean"),
    "no offset": ("(dy * offsets).sum", "dy.sum", "dy times the offset"),
    "sides not divided": ("sum(axis=(1, 2)) / (2 * P)\n", "sum(axis=(1, 2))\n", "sides' gradient is not divided"),
    "exchanged": ("np.concatenate((dcentre, dsize), axis=1)", "np.concatenate((dsize, dcentre), axis=1)", "are exchanged"),
}  # fmt: skip

# %% [markdown] exercise="Wide pictures" kind="break" stars=2 minutes=12
# A colleague's detector does well on square pictures. On wide ones it looks where nothing is, and even on square ones it reads
# too much at the left and at the upper edge. There are two mistakes: mend them.


# %% role="broken"
def look(F, places):
    """F (h, w, d), places (n, 2), x first, from 0 to 1 -> what lies there (n, d); beyond the map it is 0."""
    h, w, _ = F.shape
    u, v = (places * [h, w] - 0.5).T
    j, i = u.astype(int), v.astype(int)
    right, down = u - j, v - i
    found = 0
    for row, col, share in [(i, j, (1 - down) * (1 - right)), (i, j + 1, (1 - down) * right),
                            (i + 1, j, down * (1 - right)), (i + 1, j + 1, down * right)]:  # fmt: skip
        inside = (row >= 0) & (row < h) & (col >= 0) & (col < w)
        found = found + F[row % h, col % w] * (share * inside)[:, None]
    return found


# %% role="solution"
def look(F, places):
    """F (h, w, d), places (n, 2), x first, from 0 to 1 -> what lies there (n, d); beyond the map it is 0."""
    h, w, _ = F.shape
    u, v = (places * [w, h] - 0.5).T
    j, i = np.floor(u).astype(int), np.floor(v).astype(int)
    right, down = u - j, v - i
    found = 0
    for row, col, share in [(i, j, (1 - down) * (1 - right)), (i, j + 1, (1 - down) * right),
                            (i + 1, j, down * (1 - right)), (i + 1, j + 1, down * right)]:  # fmt: skip
        inside = (row >= 0) & (row < h) & (col >= 0) & (col < w)
        found = found + F[row % h, col % w] * (share * inside)[:, None]
    return found


# %% role="check"
def read(F, places, size=lambda h, w: (w, h), half=0.5, whole=np.floor, goes_on=False):
    h, w, _ = F.shape
    u, v = (places * size(h, w) - half).T
    j, i, found = whole(u).astype(int), whole(v).astype(int), 0
    for row, down in ((i, 1 - v + i), (i + 1, v - i)):
        for col, across in ((j, 1 - u + j), (j + 1, u - j)):
            share = down * across * ((row >= 0) & (row < h) & (col >= 0) & (col < w) | goes_on)
            found = found + F[row.clip(0, h - 1), col.clip(0, w - 1)] * share[:, None]
    return found


draws = np.random.default_rng(4)
for tall, wide, low, high, name in (
    (4, 9, 0.2, 0.8, "a wide map, well inside"), (6, 6, 0.2, 0.8, "a square map, well inside"),
    (6, 6, -0.08, 0.08, "its upper left edge"), (5, 8, 0.92, 1.1, "a lower right edge"), (3, 7, -0.3, 1.3, "all over"),
):  # fmt: skip
    given, spots = draws.standard_normal((tall, wide, 2)), draws.uniform(low, high, (9, 2))
    right_of = spots * [wide, tall] - 0.5  # of the first centres
    both = zip(right_of.T, (wide, tall), strict=True)
    across, down = (np.maximum(0, 1 - np.abs(t[:, None] - np.arange(n))) for t, n in both)
    check.close(
        check.call(look, F=given, places=spots), np.einsum("ni,nj,ijd->nd", down, across, given), name,
        mistakes={
            "x counts columns, and there are w of them: x first, so the width first.": read(given, spots, lambda h, w: (h, w)),
            "x goes down here, and y across: x counts columns.": read(given, spots[:, ::-1]),
            "astype(int) cuts off what follows the point, and makes 0 of −0.3: the cell on the left is −1.":
                read(given, spots, whole=np.trunc),
            "The nearest cell is not always the left one: the place may lie on its other side.": read(given, spots, whole=np.round),
            "That is the cell on the right, and the one after it.": read(given, spots, whole=np.ceil),
            "The half is gone: cell 0 has its centre half a cell from the edge.": read(given, spots, half=0),
            "Where a place is not between two cells, the one that is there still has its share.": read(given, spots)
            * ((right_of >= 0) & (right_of <= [wide - 1, tall - 1])).all(axis=1, keepdims=True),
            "The share is mirrored at the edge: −0.3 is not as good as 0.3.": read(given, (np.abs(right_of) + 0.5) / [wide, tall]),
            "Here the edge goes on for ever: beyond the map there should be 0.": read(given, spots, goes_on=True),
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# What does `np.array([-0.3, 0.3]).astype(int)` give? And which of h and w belongs to x?

# %% role="wrong"
{
    "only the cells mended": ("places * [w, h] - 0.5", "places * [h, w] - 0.5", "the width first"),
    "only the size mended": (
        "np.floor(u).astype(int), np.floor(v).astype(int)", "u.astype(int), v.astype(int)", "makes 0 of −0.3"
    ),
    "the nearest": (
        "np.floor(u).astype(int), np.floor(v).astype(int)", "np.round(u).astype(int), np.round(v).astype(int)",
        "not always the left one",
    ),
    "the right one": (
        "np.floor(u).astype(int), np.floor(v).astype(int)", "np.ceil(u).astype(int), np.ceil(v).astype(int)", "on the right"
    ),
    "no half": ("* [w, h] - 0.5", "* [w, h]", "The half is gone"),
    "the edge goes on": ("", """
def look(F, places):
    h, w, _ = F.shape
    u, v = (places * [w, h] - 0.5).T
    j, i = np.floor(u).astype(int), np.floor(v).astype(int)
    right, down = (u - j)[:, None], (v - i)[:, None]
    upper = F[i.clip(0, h - 1), j.clip(0, w - 1)] * (1 - right) + F[i.clip(0, h - 1), (j + 1).clip(0, w - 1)] * right
    lower = F[(i + 1).clip(0, h - 1), j.clip(0, w - 1)] * (1 - right)
    lower = lower + F[(i + 1).clip(0, h - 1), (j + 1).clip(0, w - 1)] * right
    return upper * (1 - down) + lower * down
""", "goes on for ever"),
}  # fmt: skip

# %% [markdown] exercise="A wider look" kind="further" stars=3 minutes=20
# The chapter's look feels the two cells beside it, by the tent $k(t) = \max(0,\, 1 - |t|)$. Let it be as wide as it likes: on a map of
# one row F (n, d), a look at u finds $\sum _j p _j F _j$, with the shares $p _j = k(t _j) / \sum _i k(t _i)$ and $t _j = (u - j)/s$. One
# width s for all looks is learned, too. Write it for m looks, and its backward by F, u and s. Every look has cells within its reach.


# %% role="solution"
def wide_forward(F, u, s):
    """F (n, d), places u (m,), in cells, one width s () -> (m, d), cache."""
    # YOUR TURN
    t = (u[:, None] - np.arange(len(F))) / s
    k = np.maximum(0, 1 - np.abs(t))
    total = k.sum(axis=1, keepdims=True)
    return k / total @ F, (F, s, t, k / total, total)
    # END


def wide_backward(dy, cache):
    """dy (m, d) -> dF (n, d), du (m,), ds ()."""
    # YOUR TURN
    F, s, t, p, total = cache
    dp = dy @ F.T
    dk = (dp - (dp * p).sum(axis=1, keepdims=True)) / total
    dt = -dk * np.sign(t) * (np.abs(t) < 1)
    return p.T @ dy, dt.sum(axis=1) / s, -(dt * t).sum() / s
    # END


# %% role="check"
draws = np.random.default_rng(5)
row, at, width = draws.standard_normal((8, 3)), np.array([0.3, 2.5, 4.1, 6.8, 7.3]), np.array(1.85)
away = at[:, None] - np.arange(8)


def shares(t):
    k = np.maximum(0, 1 - np.abs(t))
    return k / k.sum(axis=1, keepdims=True)


check.close(
    check.pair(wide_forward, F=row, u=at, s=width)[0], shares(away / width) @ row, "y",
    mistakes={
        "The shares are not divided by their sum.": np.maximum(0, 1 - np.abs(away / width)) @ row,
        "The distance is multiplied by s, and so a large s makes it narrow.": shares(away * width) @ row,
        "s is not used.": shares(away) @ row,
        "Shares below 0 are kept: beyond its reach a look takes nothing.":
            (1 - np.abs(away / width)) / (1 - np.abs(away / width)).sum(axis=1, keepdims=True) @ row,
        "k is the tent, max(0, 1 − |t|), and not Gauss's bell.": (lambda g: g / g.sum(axis=1, keepdims=True) @ row)(np.exp(-((away / width) ** 2) / 2)),
        "That is the nearest cell's: all cells within its reach have a share.": row[np.clip(np.round(at).astype(int), 0, 7)],
        "They are divided by their sum over the looks: it should be that over the cells.":
            np.maximum(0, 1 - np.abs(away / width)) / np.maximum(0, 1 - np.abs(away / width)).sum(axis=0) @ row,
    },
)  # fmt: skip


def back(dy, mean=1, slope=1, reach=1, scale=width, far=away / width, by=None):
    t, total = away / width, np.maximum(0, 1 - np.abs(away / width)).sum(axis=1, keepdims=True)
    p, dp = shares(t), dy @ row.T
    dk = (dp - mean * (dp * p).sum(axis=1, keepdims=True)) * (1 / total if by is None else by)
    dt = -slope * dk * np.sign(t) * ((np.abs(t) < 1) | (reach == 0))
    return p.T @ dy, dt.sum(axis=1) / scale, -(dt * far).sum() / scale


check.grad(
    wide_forward, wide_backward, {"F": row, "u": at, "s": width},
    mistakes={
        "The sum is taken for constant: if one share grows, the others shrink (chapter 07's softmax).": lambda dy, _: back(dy, mean=0),
        "That is softmax's backward: here k is no exponential, and dk is divided by its sum.":
            lambda dy, _: back(dy, by=shares(away / width)),
        "dk is divided by the sum of k, as k was.": lambda dy, _: back(dy, by=1),
        "Over the cells there is a sum to take, and no mean.": lambda dy, _: back(dy, mean=1 / 8),
        "F was read by the shares p, and not by k: so its gradient is, too.": lambda dy, _: (np.maximum(0, 1 - np.abs(away / width)).T @ dy, *back(dy)[1:]),
        "ds is −Σ dt t / s: t is missing, and the sign is wrong.": lambda dy, _: back(dy, far=-np.ones((5, 8))),
        "Only ds has the wrong sign: if the look is wider, each t is nearer to 0.":
            lambda dy, _: (*back(dy)[:2], -back(dy)[2]),
        "ds is divided by s twice: there is one s in t already.": lambda dy, _: (*back(dy)[:2], back(dy)[2] / width),
        "The tent's slope has the wrong sign: it falls with the distance.": lambda dy, _: back(dy, slope=-1),
        "Cells beyond its reach have a slope, too: there the tent is flat.": lambda dy, _: back(dy, reach=0),
        "t = (u − j)/s: what goes on to u and s is divided by s.": lambda dy, _: back(dy, scale=1),
        "ds lacks t: how far a cell's t moves with s depends on how far it is.": lambda dy, _: back(dy, far=np.ones((5, 8))),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Call the unnormalised shares k. From $p = k / \sum k$ comes $dk = (dp - \sum p\, dp) / \sum k$, row by row. The tent's slope is
# $-\operatorname{sign}(t)$ within its reach, and $ds = -\sum dt\, t / s$.

# %% role="wrong"
{
    "not normalised": ("return k / total @ F, (F, s, t, k / total, total)", "return k @ F, (F, s, t, k, 1)", "not divided by their sum"),
    "multiplied": ("np.arange(len(F))) / s", "np.arange(len(F))) * s", "makes it narrow"),
    "below nothing": ("np.maximum(0, 1 - np.abs(t))", "1 - np.abs(t)", "below 0 are kept"),
    "over the looks": ("k.sum(axis=1, keepdims=True)", "k.sum(axis=0, keepdims=True)", "over the looks"),
    "a constant sum": ("(dp - (dp * p).sum(axis=1, keepdims=True)) / total", "dp / total", "taken for constant"),
    "the sign": ("dt = -dk", "dt = dk", "wrong sign"),
    "no reach": (" * (np.abs(t) < 1)", "", "beyond its reach"),
    "no s": ("dt.sum(axis=1) / s, -(dt * t).sum() / s", "dt.sum(axis=1), -(dt * t).sum()", "divided by s"),
    "no t": ("-(dt * t).sum() / s", "-dt.sum() / s", "ds lacks t"),
    "k for p": ("return p.T @ dy,", "return (p * total).T @ dy,", "and not by k"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Read a map between its cells, and derive the gradient by what is read, by how much it counts, and by where.
# - Say what the slope of a look knows and what it cannot feel, and why several maps, points and a good start help.
# - Take a trained model's parts away one by one, and say what that shows and what not.
#
# In the library: `minivit/ops/deformable_attention.py`, `minivit/ops/sampling.py`, `minivit/ops/references.py`,
# `minivit/family/deformable_detr.py`. Yours to train: `benchmarks/detection.py`. Source: X. Zhu et al., *Deformable DETR:
# Deformable Transformers for End-to-End Object Detection*, arXiv 2010.04159.
