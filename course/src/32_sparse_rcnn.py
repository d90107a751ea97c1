# ---
# title: Sparse R-CNN
# question: Can ten boxes be enough, where detectors used to try a hundred thousand?
# sentence: Ten learned boxes, each with a vector that says what to look for; RoIAlign as two matrix products, weights that are another layer's output, and boxes that are moved round after round.
# minutes: 60
# needs: [2, 7, 21, 31]
# gpu: of no use
# ---

# %% [markdown]
# Before DETR, detectors laid a hundred thousand boxes over a picture, of all sizes and everywhere, judged each, and removed what
# was found twice. **Sparse R-CNN** (Sun et al., [arXiv 2011.12450](https://arxiv.org/abs/2011.12450)) keeps their way to look
# *into* a box, and takes from DETR that there need be only a few, which are learned, and a loss that matches one to one.

# %% role="setup"
import numpy as np

from minivit import check, draw, ops

rng = np.random.default_rng(0)

# %%
import os

from minivit import load, load_canvas
from minivit.data import TRAINED_DETECTORS
from minivit.family.detections import answer, in_pixels
from minivit.family.matching import match
from minivit.family.sparse_rcnn import heads, look
from minivit.inspect import plot_detector_rounds
from minivit.layers import Chain
from minivit.train import average_precision

FAST = bool(os.environ.get("MINIVIT_FAST"))
model = load(TRAINED_DETECTORS["sparse"])  # trained on canvases of other digits, see docs/benchmarks.md
images, targets = load_canvas("test", 20 if FAST else 200)  # (n, 64, 64, 1), and what is on each
truth = [target | {"boxes": in_pixels(target["boxes"], (64, 64))} for target in targets]

# %% [markdown]
# ## The picture first
#
# In goes a canvas, and with it ten boxes, the same for every canvas. Three rounds move them; those that are sure of a digit
# in the end have a colour. *Predict: does a box mend itself in small steps, or at one stroke?*

# %%
draw.picture(
    plot_detector_rounds(model, images[:2]),
    alt="Two canvases, four times each. At first all ten boxes are about as large as the canvas. After round 1 each lies on a digit or a scrap, "
    "or beside one, and is about as large. After rounds 2 and 3 the coloured ones fit their digits: a 7, a large and a small 6 above, a 5, a 3 "
    "and a 6 below. The loop of the large 6 has a coloured box of its own. Grey ones lie on scraps, or nearly on a coloured one.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) All boxes begin as nearly the whole canvas. So they began before training, and there they have stayed.
# (2) The first round does most of it, at one stroke. (3) Ten boxes that see the same go to ten places: only their vectors can
# have told them. (The loop of the large 6 has become a digit of its own. It is a mistake.)
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | N, D | boxes; width | 10, 64 |
# | b | boxes, two corners in pixels | (N, 4) |
# | x | of each box the vector that says what to look for | (N, D) |
# | F | the map, a cell for 4 × 4 pixels | (16, 16, D) |
# | S | cells a side that any box is cut into | 5 |
# | R | what lies in the boxes | (N, S², D) |
# | k | width between the two matrices that x makes | 16 |
# | $M _n$ | the first of them | (D, k) |
#
# ## The idea
#
# A round does four things. It cuts out what lies in each box, as a small map of always S × S cells: **RoIAlign**. The vectors x
# look at each other (attention, without any places). Then each x makes two matrices, and these filter the
# cells of its own box: the **dynamic head**. What comes out is the new x, which says a class, and how to move the box.
# The next round looks into the moved boxes, with weights of its own. Nothing ever looks at the whole picture.
#
# ## RoIAlign
#
# Along one axis a box reaches from $u _0$ to $u _1$, counted in the centres of cells: a pixel x is at $u = x/4 - \frac12$. It is cut
# into S bins, and a bin looks at two points, at ¼ and ¾ of it. Point m of 2S lies at $u _0 + (u _1 - u _0)(m + \frac12)/2S$.
# Both axes together, a bin has four points, each read between the cells as in chapter 31, with the tent
# $\tau(t) = \max(0,\, 1 - |t|)$. As a loop:


# %%
def roi_loop(F, box, S, stride):
    """F (h, w, D), one box within the map -> (S, S, D)"""
    h, w, D = F.shape
    u0, v0, u1, v1 = box / stride - 0.5
    out = np.zeros((S, S, D))
    for m in range(2 * S):
        for n in range(2 * S):
            v, u = v0 + (v1 - v0) * (m + 0.5) / (2 * S), u0 + (u1 - u0) * (n + 0.5) / (2 * S)
            for i in range(h):
                for j in range(w):
                    out[m // 2, n // 2] += max(0, 1 - abs(v - i)) * max(0, 1 - abs(u - j)) * F[i, j] / 4
    return out


# %% [markdown]
# The four points of a bin are two rows times two columns, and so is the tent's share. The mean therefore comes apart,
#
# $$A ^x _{tj} = \tfrac12 \sum _{n \in t} \tau(u _n - j) \tag{1}$$
#
# over the two points n of bin t, alike $A ^y$ for rows, and
#
# $$R _{st} = \sum _{i,j} A ^y _{si}\, F _{ij}\, A ^x _{tj} \tag{2}$$
#
# *In matrix form*, channel by channel, $R = A ^y F (A ^x) ^\top$: no gathering, two products. Boxes may leave the map. A
# point less than a cell outside takes what stands at the edge, one further out takes nothing.


# %%
def bins(low, high, S, cells):
    """Boxes along one axis, from low to high (N,), in centres -> A (N, S, cells). (1)"""
    u = low[:, None] + (high - low)[:, None] * (np.arange(2 * S) + 0.5) / (2 * S)
    inside = (u >= -1) & (u <= cells)
    shares = np.maximum(0, 1 - np.abs(u.clip(0, cells - 1)[..., None] - np.arange(cells)))
    return (shares * inside[..., None]).reshape(len(u), S, 2, cells).mean(axis=2)


def roi_forward(F, boxes, S, stride):
    """F (h, w, D), boxes (N, 4) -> R (N, S, S, D), cache."""
    u0, v0, u1, v1 = (boxes / stride - 0.5).T
    Ay, Ax = bins(v0, v1, S, F.shape[0]), bins(u0, u1, S, F.shape[1])
    return np.einsum("nsi,ijd,ntj->nstd", Ay, F, Ax), (Ay, Ax)  # (2)


# %%
F = rng.standard_normal((9, 12, 3))
boxes = np.array([[6.0, 4.0, 21.0, 30.0], [10.0, 8.0, 40.0, 25.0], [-9.0, 20.0, 60.0, 39.0]])  # one leaves
R, cache = roi_forward(F, boxes, 5, 4)
check.close(R[:2], [roi_loop(F, box, 5, 4) for box in boxes[:2]], "products against the loop")
R_theirs, cache_theirs = ops.roi_align_forward(F.reshape(1, 108, 3), boxes[None], [(9, 12)], 5, (4,))
check.close(R.reshape(1, 3, 25, 3), R_theirs, "the library's")

# %% [markdown]
# Here is one digit. For once its pixels, averaged in fours, stand for the map.

# %%
pixels = images[0, ..., 0].reshape(16, 4, 16, 4).mean(axis=(1, 3))
which = np.argmax(np.prod(truth[0]["boxes"][:, 2:] - truth[0]["boxes"][:, :2], axis=1))  # the largest
digit, (Ay, Ax) = roi_forward(pixels[..., None], truth[0]["boxes"][[which]], 5, 4)
result = {"title": "R", "array": digit[0, ..., 0], "values": False}
draw.matrices(
    [("Aʸ", Ay[0]), ("F", pixels), ("(Aˣ)ᵀ", Ax[0].T), result],
    between=["@", "@", "="], share=False,
    alt="A product of three matrices. Aʸ, 5 by 16, has two or three bright numbers in each row, from the middle column to the last, further right "
    "from row to row. F, 16 by 16, is a canvas with a 7, a large and a small 6. Aˣ transposed, 16 by 5, has two or three bright numbers in each "
    "column, further down from column to column. Their product R, 5 by 5, is the large 6.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A row of $A ^y$ says which rows of F a bin is made of, and how much of each; it sums to 1. (2) Nothing is
# rounded: where the box begins within a cell, the shares say so. (3) R is square, whatever the box was. How large it was, and
# where, R does not tell.
#
# *The backward, by index.* A cell is used by every bin that has a share in it, of every box:
#
# $$dF _{ij} = \sum _n \sum _{s,t} A ^y _{nsi}\, dR _{nst}\, A ^x _{ntj} \tag{3}$$
#
# *In matrix form*, $dF = \sum _n (A ^y _n) ^\top dR _n\, A ^x _n$. Boxes could have a gradient, too, as places had in chapter 31. By
# custom they get none: the published implementations leave it out. Exercise 4 does not.


# %%
def roi_backward(dR, cache):
    """dR (N, S, S, D) -> dF (h, w, D). (3)"""
    Ay, Ax = cache
    return np.einsum("nsi,nstd,ntj->ijd", Ay, dR, Ax)


check.grad(lambda F: roi_forward(F, boxes, 5, 4), lambda dy, cache: (roi_backward(dy, cache),), {"F": F})
dF = ops.roi_align_backward(R_theirs, cache_theirs)
check.close(roi_backward(R, cache), dF.reshape(9, 12, 3), "the library's backward")

# %% [markdown]
# ## Weights that are an answer
#
# All weights so far were parameters. Here $W$ and $b$ are, and they make of each $x _n$ a matrix, its own:
#
# $$M _n = \mathrm{reshape}(x _n W + b) \tag{4}$$
#
# $$Z _{nck} = \sum _d R _{ncd}\, M _{ndk} \tag{5}$$
#
# for the cells c of its box. Attention would say how much each *cell* counts; this says, in each cell, which *channels* count,
# and how they are mixed. *The backward, by index*: (5) is a dense layer (chapter 02), and a gradient is summed as far as what
# it belongs to was used. $M _n$ was used in all cells of box n, W for all boxes:
#
# $$\begin{aligned} dR _{ncd} &= \sum _k dZ _{nck}\, M _{ndk} \\
# dM _{ndk} &= \sum _c R _{ncd}\, dZ _{nck} \end{aligned} \tag{6}$$
#
# $$dW _{em} = \sum _n x _{ne}\, \mathrm{vec}(dM _n) _m \tag{7}$$
#
# *In matrix form*: $dR _n = dZ _n M _n ^\top$, $dM _n = R _n ^\top dZ _n$, and with all $\mathrm{vec}(dM _n)$ as the rows of
# dM, $dW = x ^\top dM$ and $dx = dM\, W ^\top$. So what was found in a box tells x what it should have looked for.


# %%
def dynamic_forward(x, W, b, R):
    """x (N, D), W (D, D·k), b (D·k,), R (N, cells, D) -> Z (N, cells, k), cache."""
    M = (x @ W + b).reshape(len(x), R.shape[-1], -1)  # (4)
    return R @ M, (x, W, R, M)  # (5)


def dynamic_backward(dZ, cache):
    """dZ (N, cells, k) -> dx, dW, db, dR."""
    x, W, R, M = cache
    dR, dM = dZ @ M.swapaxes(1, 2), R.swapaxes(1, 2) @ dZ  # (6)
    dM = dM.reshape(len(x), -1)
    return dM @ W.T, x.T @ dM, dM.sum(axis=0), dR  # (7)


# %%
x, W, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 8)), rng.standard_normal(8)
cells = rng.standard_normal((3, 6, 4))
check.grad(dynamic_forward, dynamic_backward, {"x": x, "W": W, "b": b, "R": cells})
Z, cache = dynamic_forward(x, W, b, cells)
theirs, its_cache = ops.dynamic_linear_forward(cells[None], (x @ W + b)[None], n_out=2)
check.close(Z, theirs[0], "the library's")
dR, dM = ops.dynamic_linear_backward(theirs, its_cache)
check.close(dynamic_backward(Z, cache)[0], dM[0] @ W.T, "dx, by the library's dM")

# %% [markdown]
# The head does it twice, with two matrices of each x, (D, k) and (k, D), and LayerNorm and ReLU behind both. What that makes of
# the S² cells is laid side by side, and a dense layer makes a vector of D numbers of it. W is then $64 \cdot 2048$ numbers in
# each round, in all rounds 0.4 of the model's 0.9 million: the price of saying a matrix.
#
# ## Moving a box
#
# A round says four numbers for each box with centre c and size s (width, height):
#
# $$\begin{aligned} c' &= c + \tfrac12\, \delta _{xy}\, s \\
# s' &= s\, e ^{\delta _{wh}} \end{aligned} \tag{8}$$
#
# In parts of its own size, so that the same numbers mean the same to a large box and a small one, and no size comes out negative.
# Each round has its loss, matched anew (chapter 21). The boxes that go on to the next round are taken as given: no gradient goes
# back through them, and each round answers for its own move. x goes on with its gradient. The rounds, run by hand with the
# library's layers:

# %%
backbone, states, _ = model.layers.parts
_, given = model.looked_at(model.normalize(images), None)
F = model.run_on(Chain(backbone, states.value), model.normalize(images))  # (n, 256, 64)
p = model.arrays(model.layers) | given | {"memory": F}
n, learned = len(images), ops.corners_forward(p["init_proposal_boxes.weight"])[0] * 64


def rounds(first=learned, into=lambda boxes: boxes, x=p["init_proposal_features.weight"], order=(0, 1, 2)):
    """Boxes to start from (10, 4), where to look, vectors (10, 64), rounds -> of each logits, boxes."""
    x, boxes, said = np.tile(x, (n, 1, 1)), np.tile(first, (n, 1, 1)).astype(x.dtype), []
    for i in order:
        name = f"head_series.{i}"
        x = look(model.config, name)(ops, p | {"boxes": into(boxes)}, x)
        logits, boxes = heads(model.config, name)(ops, p | {"boxes": boxes}, x)  # moved, (8)
        said.append((logits, boxes))
    return said


all_logits, all_boxes = model.forward(model.normalize(images))[0]
check.close(rounds()[2][0], all_logits[2], "the third round's logits", tol=1e-4)
check.close(ops.centres_forward(rounds()[2][1] / 64)[0], all_boxes[2], "its boxes", tol=1e-4)

# %% [markdown]
# ## What each round does
#
# For each round: AP50; the IoU of boxes with the digits that they are matched with; and how many of these are named rightly.
# *Predict: which comes first, where a digit is, or which it is?*


# %%
def precision(logits, boxes):
    boxes, _ = ops.centres_forward(boxes / 64)
    found = [answer(*its, model.config) for its in zip(logits, boxes, strict=True)]
    found = [its | {"boxes": in_pixels(its["boxes"], (64, 64))} for its in found]
    return average_precision(found, truth, 10).ap50


labels, wanted = ([target[name] for target in targets] for name in ("labels", "boxes"))
for i, pairs in enumerate(match(all_logits, all_boxes, labels, wanted, model.config.criterion)):
    covers, named = [], []
    for image, (query, digit) in enumerate(pairs):
        corners, there = ops.corners_forward(all_boxes[i, image, query])[0], truth[image]["boxes"][digit] / 64
        covers.extend(ops.iou_forward(corners, there)[0])
        named.extend(all_logits[i, image, query].argmax(axis=1) == labels[image][digit])
    score = precision(*rounds()[i])
    print(f"round {i + 1}: AP50 {score:.2f}, IoU {np.mean(covers):.2f}, named rightly {np.mean(named):.0%}")

# %% [markdown]
# The first round looks into the whole canvas, cut into 5 × 5 cells of some 13 pixels a side. That is enough to see where
# something is, and not to see what. The second looks into the box that the first has moved, and can read.
#
# Now we interfere. *Predict: what is left of AP50 if rounds look into the first boxes, for ever? Into their neighbour's? If all
# boxes begin as the whole canvas? If all vectors begin as their mean? And does the third round help once more, if it is run
# a second time?*

# %%
vectors = p["init_proposal_features.weight"]
ways = {
    "as it was trained": {},
    "always into the first boxes": {"into": lambda boxes: np.tile(learned, (n, 1, 1))},
    "into the neighbour's box": {"into": lambda boxes: np.roll(boxes, 1, axis=1)},
    "all begin as the canvas": {"first": np.tile([0, 0, 64, 64], (10, 1))},
    "all begin as the mean vector": {"x": np.tile(vectors.mean(axis=0), (10, 1))},
    "the third round twice": {"order": (0, 1, 2, 2)},
}
scores = {name: precision(*rounds(**way)[-1]) for name, way in ways.items()}
draw.bars(
    scores, ylabel=f"AP50 on {n} canvases", number="{:.2f}",
    alt="Six bars of AP50: as it was trained 0.94, always into the first boxes 0.00, into the neighbour's box 0.01, all begin as the canvas 0.91, "
    "all begin as the mean vector 0.06, the third round twice 0.85.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A vector filters what it expects to find: shown another box, it says nothing of use. (2) The learned
# boxes are hardly missed, and the vectors are everything: without them ten boxes do the same, and attention, which knows no
# places, cannot part them. (3) Another round does harm. The third one expects what the second leaves: rounds with weights of
# their own are no rule that is applied until nothing moves. All this is one model, which was never trained to do without.
#
# How fast it learns stands in chapter 31, and in docs/benchmarks.md: on these canvases far faster than DETR, more slowly
# than Deformable DETR, in both cases with each of three seeds.

# %% [markdown] exercise="Four numbers" kind="predict" stars=1 minutes=8
# 1. A box has the corners (10, 20) and (30, 60), and of it a round says δ = (1, 0, ln 2, 0), for x, y, width and height. By (8),
#    $c' = c + \frac12 \delta _{xy} s$ and $s' = s\, e ^{\delta _{wh}}$ for its centre c and its size s. Which corners has it then
#    (`moved`, four numbers)?
# 2. Another box reaches from pixel 8 to pixel 40 across. Its map has a cell for 4 pixels, and RoIAlign cuts the box into S = 5 bins
#    with two points each. Where lies the first of these ten points, counted in the centres of cells (`first`)?
# 3. A batch has 16 canvases, and there are 10 learned boxes, each with a learned vector x, of which the dynamic head makes two
#    matrices. How many different ones are there of the first of the two, $M _n$, in the first round (`early`)?
# 4. And how many in the second round (`late`)?

# %% role="solution"
# YOUR TURN
moved = (10, 20, 50, 60)
first = 1.9
early = 10
late = 160
# END

# %% role="check"
check.answer(
    moved, (10, 20, 50, 60), "moved", tol=0.01,
    reasons={(20, 20, 60, 60): "δ moves the middle by half of the size", (30, 40, 40, 40): "that is its middle and its size: corners are asked for",
             (20, 20, 40, 60): "the middle moves right, and then the box grows to both sides", (0, 20, 40, 60): "it has grown, and has not moved",
             (10, 20, 37.7, 60): "e to the ln 2 is 2", (20, 20, 60, 100): "only the width grows: δ is 0 for the height, and e⁰ is 1",
             (1, 20, 41, 60): "δ counts in sizes, and not in pixels", (0.5, 20, 40.5, 60): "δ counts in sizes, and not in pixels",
             (20, 20, 40.5, 60): "δ counts in sizes, and not in pixels", (20, 20, 50, 60): "the middle moves to (30, 40), and the width is 40",
             (10, 0, 50, 80): "only the width grows: δ is 0 for the height, and e⁰ is 1", (10, 20, 30, 60): "that is the box before it is moved",
             (30, 40): "that is the new middle"},
)  # fmt: skip
check.answer(
    first, 1.9, "first", tol=0.001,
    reasons={1.5: "that is the box's edge: the first point is a quarter of a bin further in", 2.4: "cell 0 has its centre half a cell from the edge",
             2.3: "that is the middle of the first bin: its two points are at ¼ and ¾", 7.6: "that is in pixels from the first centre: a cell is 4",
             2.7: "that is the second", 9.6: "that is in pixels", 2: "that is the edge, without the half cell"},
)  # fmt: skip
check.answer(
    early, 10, "early",
    reasons={160: "before they have looked, can the vectors differ from canvas to canvas?", 1: "each box has a vector of its own",
             16: "each box has a vector of its own, and no canvas has been seen yet", 20: "the first of the two matrices alone"},
)  # fmt: skip
check.answer(
    late, 160, "late",
    reasons={10: "now each vector has seen what lies in its box, and that on another canvas is another",
             16: "each of the ten boxes of a canvas has its own", 1: "each x makes its own", 320: "the first of the two matrices alone",
             20: "each vector has seen its canvas by now"},
)  # fmt: skip

# %% [markdown] role="hint"
# The box is 20 wide and 40 high, with its middle at (20, 40). Across the other one, bins are 1.6 cells wide. What does x
# depend on, before the first round has looked into a box, and after?

# %% role="wrong"
{
    "not halved": ("moved = (10, 20, 50, 60)", "moved = (20, 20, 60, 60)", "by half of the size"),
    "no corners": ("moved = (10, 20, 50, 60)", "moved = (30, 40, 40, 40)", "corners are asked for"),
    "not moved": ("moved = (10, 20, 50, 60)", "moved = (0, 20, 40, 60)", "has not moved"),
    "not grown": ("moved = (10, 20, 50, 60)", "moved = (20, 20, 40, 60)", "grows to both sides"),
    "the edge": ("first = 1.9", "first = 1.5", "the box's edge"),
    "no half": ("first = 1.9", "first = 2.4", "half a cell from the edge"),
    "the bin's middle": ("first = 1.9", "first = 2.3", "the middle of the first bin"),
    "one a canvas and box": ("early = 10", "early = 160", "before they have looked"),
    "one for all": ("early = 10", "early = 1", "a vector of its own"),
    "seen nothing": ("late = 160", "late = 10", "on another canvas"),
    "one a canvas": ("late = 160", "late = 16", "each of the ten boxes"),
}

# %% [markdown] exercise="Moving a box" kind="build" stars=2 minutes=15
# A round says δ = $(\delta _{xy}, \delta _{wh})$, four numbers, and a box with centre c and size s becomes, by (8), the one with
#
# $$c' = c + \tfrac12\, \delta _{xy}\, s, \qquad s' = s\, e ^{\delta _{wh}}$$
#
# Write it for boxes that are given, and returned, by their corners $(x _0, y _0, x _1, y _1)$; and its backward, by δ and by the box.


# %% role="solution"
def move_forward(deltas, boxes):
    """deltas (N, 4), boxes (N, 4), corners -> boxes (N, 4), corners, cache."""
    # YOUR TURN
    size, grow = boxes[:, 2:] - boxes[:, :2], np.exp(deltas[:, 2:])
    centre = boxes[:, :2] + size / 2 + deltas[:, :2] / 2 * size
    return np.concatenate((centre - size * grow / 2, centre + size * grow / 2), axis=1), (deltas, size, grow)
    # END


def move_backward(dy, cache):
    """dy (N, 4) -> ddeltas (N, 4), dboxes (N, 4)."""
    # YOUR TURN
    deltas, size, grow = cache
    dcentre, dnew = dy[:, :2] + dy[:, 2:], (dy[:, 2:] - dy[:, :2]) / 2
    ddeltas = np.concatenate((dcentre * size / 2, dnew * size * grow), axis=1)
    dsize = dcentre * (1 + deltas[:, :2]) / 2 + dnew * grow
    return ddeltas, np.concatenate((dcentre - dsize, dsize), axis=1)
    # END


# %% role="check"
draws = np.random.default_rng(6)
says, some = draws.standard_normal((5, 4)), draws.uniform(0, 20, (5, 4)) + [0, 0, 25, 30]
low, sides = some[:, :2], some[:, 2:] - some[:, :2]


def put(shift, new, middle=low + sides / 2):
    return np.concatenate((middle + shift - new / 2, middle + shift + new / 2), axis=1)


shift, new = says[:, :2] / 2 * sides, sides * np.exp(says[:, 2:])
check.close(
    check.pair(move_forward, deltas=says, boxes=some)[0], put(shift, new), "boxes",
    mistakes={
        "The middle moves by half of δ times the size.": put(2 * shift, new),
        "The middle moves in parts of the size: here δ counts in pixels.": put(says[:, :2] / 2, new),
        "The middle moves in parts of the old size, and not of the new one.": put(says[:, :2] / 2 * new, new),
        "The size is multiplied by e to the power of δ, and not by δ.": put(shift, sides * says[:, 2:]),
        "The size is multiplied by e to the power of δ, and not by 1 + δ.": put(shift, sides * (1 + says[:, 2:])),
        "A box grows to both sides of its middle: here its upper left corner stays.": np.concatenate((low + shift, low + shift + new), axis=1),
        "From the middle it is half of the new size to both sides.": np.concatenate(
            (low + sides / 2 + shift, low + sides / 2 + shift + new), axis=1),
        "Two corners are given: the size is their difference.":
            put(says[:, :2] / 2 * some[:, 2:], some[:, 2:] * np.exp(says[:, 2:]), low),
        "That is middle and size: corners are asked for.": np.concatenate((low + sides / 2 + shift, new), axis=1),
        "It moves from its upper left corner: it should from its middle.": put(shift, new, low),
    },
)  # fmt: skip


def back(dy, shifted=sides / 2, grown=new, ends=0.5, own=0.5, moves=1, grows=1, sign=1):
    dcentre, dnew = dy[:, :2] + dy[:, 2:], (dy[:, 2:] - dy[:, :2]) * ends
    dsize = sign * (dcentre * moves * says[:, :2] / 2 + grows * dnew * new / sides)
    dboxes = np.concatenate((own * dcentre - dsize, own * dcentre + dsize), axis=1)
    return np.concatenate((dcentre * shifted, dnew * grown), axis=1), dboxes


check.grad(
    move_forward, move_backward, {"deltas": says, "boxes": some},
    mistakes={
        "δ moved the middle by half of it times the size: so its gradient has this half.": lambda dy, _: back(dy, shifted=sides),
        "δ was multiplied by the size: so its gradient is, too.": lambda dy, _: back(dy, shifted=0.5),
        "e to the power of δ is its own slope: the new size, and not the old one.": lambda dy, _: back(dy, grown=sides),
        "The new size is the old one times e to the power of δ, and so is its slope.": lambda dy, _: back(dy, grown=new / sides),
        "Each corner is half a size away from the middle: half of their difference goes to the size.": lambda dy, _: back(dy, ends=1),
        "A larger box is moved further by the same δ: this part of the box's gradient is missing.": lambda dy, _: back(dy, moves=0),
        "A larger box becomes a larger one: this part of the box's gradient is missing.": lambda dy, _: back(dy, grows=0),
        "If the box moves, so does the new one, whatever δ is: this part of the gradient is missing.": lambda dy, _: back(dy, own=0),
        "A corner moves the middle by half of what it moves.": lambda dy, _: back(dy, own=1),
        "The first corner makes the box smaller, and the second larger.": lambda dy, _: back(dy, sign=-1),
        "The box's gradient is dy itself: so it would be if its size were not used.": lambda dy, _: (back(dy)[0], dy),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# From the corners' gradient get those of the new middle, $dc' = dy _0 + dy _1$, and size, $ds' = (dy _1 - dy _0)/2$. The old size
# is in c, in c' and in s'. And $s = b _1 - b _0$, $c = b _0 + s/2$.

# %% role="wrong"
{
    "δ whole": ("deltas[:, :2] / 2 * size\n", "deltas[:, :2] * size\n", "by half of δ"),
    "pixels": ("deltas[:, :2] / 2 * size\n", "deltas[:, :2] / 2\n", "counts in pixels"),
    "the new size": ("deltas[:, :2] / 2 * size\n", "deltas[:, :2] / 2 * size * grow\n", "of the old size"),
    "no e": ("np.exp(deltas[:, 2:])", "deltas[:, 2:]", "not by δ."),
    "one and δ": ("np.exp(deltas[:, 2:])", "1 + deltas[:, 2:]", "1 + δ"),
    "from the corner": ("boxes[:, :2] + size / 2 + deltas", "boxes[:, :2] + deltas", "from its middle"),
    "no half in the backward": ("dcentre * size / 2", "dcentre * size", "has this half"),
    "the old size's slope": ("dnew * size * grow", "dnew * size", "its own slope"),
    "whole ends": ("(dy[:, 2:] - dy[:, :2]) / 2", "dy[:, 2:] - dy[:, :2]", "half of their difference"),
    "not moved further": ("dcentre * (1 + deltas[:, :2]) / 2", "dcentre / 2", "moved further"),
    "not larger": (" + dnew * grow", "", "becomes a larger one"),
    "dy itself": ("np.concatenate((dcentre - dsize, dsize), axis=1)", "dy", "dy itself"),
}  # fmt: skip

# %% [markdown] exercise="All rounds alike" kind="break" stars=2 minutes=10
# By a colleague's log all rounds of his detector have the same AP50, the first as good as the last; and it is worse than with one
# round. His function runs the rounds: a step, given the vectors and the boxes so far, returns the new vectors, and the δ by which
# the boxes are to move. There are two mistakes: mend them.


# %% role="broken"
def run_rounds(boxes, x, steps):
    """boxes (N, 4), corners; x (N, D); steps: functions (x, boxes) -> (new x, deltas). -> boxes after each (R, N, 4)."""
    said = []
    for step in steps:
        _, deltas = step(x, boxes)
        boxes[:] = ops.box_deltas_forward(deltas, boxes)[0]  # (8)
        said.append(boxes)
    return np.array(said)


# %% role="solution"
def run_rounds(boxes, x, steps):
    """boxes (N, 4), corners; x (N, D); steps: functions (x, boxes) -> (new x, deltas). -> boxes after each (R, N, 4)."""
    said = []
    for step in steps:
        x, deltas = step(x, boxes)
        boxes = ops.box_deltas_forward(deltas, boxes)[0]  # (8)
        said.append(boxes)
    return np.array(said)


# %% role="check"
draws = np.random.default_rng(7)
boxes, x = draws.uniform(0, 20, (4, 4)) + [0, 0, 25, 30], draws.standard_normal((4, 3))
A, C, U = (0.5 * draws.standard_normal((3, *shape)) for shape in ((3, 3), (4, 3), (3, 4)))
steps = [
    lambda x, b, a=a, c=c, u=u: (np.tanh(x @ a + b / 64 @ c), np.tanh(x @ a + b / 64 @ c) @ u)
    for a, c, u in zip(A, C, U, strict=True)
]


def rounds_with(new_x=lambda first, now: now, see=lambda first, now: now, move=lambda first, now: now, adds=False):
    y, now, said = x, boxes, []
    for step in steps:
        y_next, deltas = step(new_x(x, y), see(boxes, now))
        y, now = y_next + y * adds, ops.box_deltas_forward(deltas, move(boxes, now))[0]
        said.append(now)
    return np.array(said)


def first(first, now):
    return first


right, forgets = rounds_with(), rounds_with(new_x=first)
one = "All rounds have the last one's boxes: the list holds one array, three times, and boxes[:] = … writes into it."
old = "Every round begins with the first x, and what the round before has found is lost."
check.close(
    check.call(lambda: run_rounds(boxes.copy(), x.copy(), steps)), right, "boxes after each round",
    mistakes={
        one: np.broadcast_to(right[-1], right.shape), old: forgets, f"{one} {old}": np.broadcast_to(forgets[-1], right.shape),
        "Each round moves the first boxes: it should move the last ones.": rounds_with(move=first),
        "Each round looks into the first boxes: it should look into the last ones.": rounds_with(see=first),
        "Each round looks into the first boxes, and moves these.": rounds_with(see=first, move=first),
        "A step returns the new x, and not what is to be added to x.": rounds_with(adds=True),
        "These are the boxes before each round: those after it are asked for.": np.concatenate((boxes[None], right[:-1])),
        "The boxes that all begins with are among them.": np.concatenate((boxes[None], right)),
        "The boxes are right, and come in the opposite order.": right[::-1],
    },
)  # fmt: skip
again = check.call(run_rounds, boxes=boxes, x=x, steps=steps[:2])
check.close(again, right[:2], "two rounds, and what was given is as it was")

# %% [markdown] role="hint"
# How many arrays does the list hold? `said[0] is said[1]` tells. And what is the underscore?

# %% role="wrong"
{
    "only x mended": ("boxes = ops", "boxes[:] = ops", "the list holds one array"),
    "only the boxes mended": ("x, deltas = step", "_, deltas = step", "what the round before has found"),
    "x added": (
        "x, deltas = step(x, boxes)", "dx, deltas = step(x, boxes)\n        x = x + dx", "what is to be added to x"
    ),
    "a copy for the list": (
        "boxes = ops.box_deltas_forward(deltas, boxes)[0]  # (8)\n        said.append(boxes)",
        "boxes[:] = ops.box_deltas_forward(deltas, boxes)[0]  # (8)\n        said.append(boxes.copy())",
        "changed its input boxes",
    ),
    "before the move": (
        "boxes = ops.box_deltas_forward(deltas, boxes)[0]  # (8)\n        said.append(boxes)",
        "said.append(boxes)\n        boxes = ops.box_deltas_forward(deltas, boxes)[0]",
        "before each round",
    ),
    "always the first boxes": (
        "boxes = ops.box_deltas_forward(deltas, boxes)[0]  # (8)\n        said.append(boxes)",
        "said.append(ops.box_deltas_forward(deltas, boxes)[0])",
        "and moves these",
    ),
}  # fmt: skip

# %% [markdown] exercise="A gradient for the box" kind="further" stars=3 minutes=20
# Every published RoIAlign keeps its boxes' gradient back. Give them one, along one axis: a map of one row F (w, d), boxes from
# `low` to `high` (N,), counted in the centres of cells and within the map. A box has three bins, and a bin is the mean of what its
# two points find, (1) and (2). Point m of the six lies at $u = \mathrm{low} + (\mathrm{high} - \mathrm{low})(m + \frac12)/6$, and
# finds $\sum _j \max(0,\, 1 - |u - j|)\, F _j$, as in chapter 31. Write the forward, and the backward by F, low and high.


# %% role="solution"
def strip_forward(F, low, high):
    """F (w, d), low (N,), high (N,) -> (N, 3, d), cache."""
    # YOUR TURN
    part = (np.arange(6) + 0.5) / 6
    apart = (low[:, None] + (high - low)[:, None] * part)[..., None] - np.arange(len(F))  # (N, 6, w)
    A = np.maximum(0, 1 - np.abs(apart)).reshape(len(low), 3, 2, len(F)).mean(axis=2)
    return A @ F, (F, A, part, apart)
    # END


def strip_backward(dy, cache):
    """dy (N, 3, d) -> dF (w, d), dlow (N,), dhigh (N,)."""
    # YOUR TURN
    F, A, part, apart = cache
    dA = np.repeat(dy @ F.T, 2, axis=1) / 2  # (N, 6, w): of each point's shares
    du = (dA * -np.sign(apart) * (np.abs(apart) < 1)).sum(axis=2)
    return np.einsum("nsw,nsd->wd", A, dy), (du * (1 - part)).sum(axis=1), (du * part).sum(axis=1)
    # END


# %% role="check"
draws = np.random.default_rng(8)
row, begin, end = draws.standard_normal((10, 2)), np.array([0.4, 2.7, 1.3, 4.6]), np.array([5.3, 8.6, 3.9, 8.2])
six = (np.arange(6) + 0.5) / 6


def shares(part=six, low=begin, high=end):
    return np.maximum(0, 1 - np.abs((low[:, None] + (high - low)[:, None] * part)[..., None] - np.arange(10)))


def in_bins(k, how=np.mean):
    return how(k.reshape(4, 3, 2, 10), axis=2)


check.close(
    check.pair(strip_forward, F=row, low=begin, high=end)[0], in_bins(shares()) @ row, "y",
    mistakes={
        "A bin is the mean of its points, and no sum.": in_bins(shares(), np.sum) @ row,
        "The first and the last point lie on the box's edges: they should be at ¼ and ¾ of their bins.":
            in_bins(shares(np.linspace(0, 1, 6))) @ row,
        "The points are at the beginning and the middle of their bins: they should be at ¼ and ¾.": in_bins(shares(np.arange(6) / 6)) @ row,
        "A bin has one point, in its middle: it should be two.": shares((np.arange(3) + 0.5) / 3) @ row,
        "A bin's two points are neighbours: here they are three apart.": shares().reshape(4, 2, 3, 10).mean(axis=1) @ row,
        "A bin's points are at ⅓ and ⅔ of it: they should be at ¼ and ¾.": in_bins(shares((np.arange(6) // 2 + (1 + np.arange(6) % 2) / 3) / 3)) @ row,
        "A point takes the nearest cell: it lies between two, and each has a share.":
            row[np.round(begin[:, None] + (end - begin)[:, None] * six).astype(int)].reshape(4, 3, 2, 2).mean(axis=2),
        "The places are in centres already: no half is to be taken off.": in_bins(shares(six, begin - 0.5, end - 0.5)) @ row,
    },
)  # fmt: skip


def last_written(dy):
    """dF where F[left] += … is to add, and only the last of those with one cell stays."""
    dF, g, u = np.zeros_like(row), np.repeat(dy, 2, axis=1) / 2, begin[:, None] + (end - begin)[:, None] * six
    left = np.floor(u).astype(int)
    dF[left] += g * (left + 1 - u)[..., None]
    dF[left + 1] += g * (u - left)[..., None]
    return dF


def back(dy, mean=0.5, slope=1, reach=1, points=(0, 0, 1, 1, 2, 2), of_low=1 - six, of_high=six):
    away = (begin[:, None] + (end - begin)[:, None] * six)[..., None] - np.arange(10)
    dA = (dy @ row.T)[:, points] * mean
    du = (dA * -slope * np.sign(away) * (np.abs(away) < reach)).sum(axis=2)
    return np.einsum("nsw,nsd->wd", in_bins(shares()), dy), (du * of_low).sum(axis=1), (du * of_high).sum(axis=1)


check.grad(
    strip_forward, strip_backward, {"F": row, "low": begin, "high": end},
    mistakes={
        "A bin is the mean of two points, and each gets half of its gradient.": lambda dy, _: back(dy, mean=1),
        "The tent's slope has the wrong sign: it falls with the distance.": lambda dy, _: back(dy, slope=-1),
        "A cell that is further than 1 from a point has no share, and no slope.": lambda dy, _: back(dy, reach=99),
        "Points 0 and 1 are the first bin's, and not 0 and 3: np.repeat, not np.tile.": lambda dy, _: back(dy, points=(0, 1, 2, 0, 1, 2)),
        "dF[left] += … adds once to a cell that several points have read: np.add.at adds each.": lambda dy, _: (last_written(dy), *back(dy)[1:]),
        "Both points of a bin move as its middle does: each has a part of its own.":
            lambda dy, _: back(dy, of_low=1 - (six[::2].repeat(2) + 1 / 12), of_high=six[::2].repeat(2) + 1 / 12),
        "Both ends move a point the same way: u = (1 − part) · low + part · high.": lambda dy, _: back(dy, of_low=-six),
        "low and high are exchanged: near the beginning, it is low that moves the points.": lambda dy, _: back(dy, of_low=six, of_high=1 - six),
        "A point is moved by both ends, and by each in part: u = (1 − part) · low + part · high.":
            lambda dy, _: back(dy, of_low=1, of_high=1),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# $u = (1 - \pi)\, \mathrm{low} + \pi\, \mathrm{high}$ with $\pi = (m + \frac12)/6$. First $dA = dR\, F ^\top$, which each of a bin's two
# points gets by half; then the tent's slope, as in chapter 31; then both ends.

# %% role="wrong"
{
    "a sum": (".mean(axis=2)", ".sum(axis=2)", "and no sum"),
    "on the edges": ("part = (np.arange(6) + 0.5) / 6", "part = np.linspace(0, 1, 6)", "on the box's edges"),
    "beginnings": ("part = (np.arange(6) + 0.5) / 6", "part = np.arange(6) / 6", "the beginning and the middle"),
    "three apart": (".reshape(len(low), 3, 2, len(F)).mean(axis=2)", ".reshape(len(low), 2, 3, len(F)).mean(axis=1)", "three apart"),
    "the half again": ("- np.arange(len(F))  # (N, 6, w)", "- 0.5 - np.arange(len(F))", "in centres already"),
    "whole gradients": ("axis=1) / 2  #", "axis=1)  #", "each gets half"),
    "the sign": ("dA * -np.sign", "dA * np.sign", "wrong sign"),
    "exchanged": ("(du * (1 - part)).sum(axis=1), (du * part).sum(axis=1)", "(du * part).sum(axis=1), (du * (1 - part)).sum(axis=1)", "exchanged"),
    "both in full": ("(du * (1 - part)).sum(axis=1), (du * part).sum(axis=1)", "du.sum(axis=1), du.sum(axis=1)", "by each in part"),
    "thirds": ("part = (np.arange(6) + 0.5) / 6", "part = (np.arange(6) // 2 + (1 + np.arange(6) % 2) / 3) / 3", "at ⅓ and ⅔"),
    "low in full": ("(du * (1 - part)).sum(axis=1), (du", "du.sum(axis=1), (du", "by each in part"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Cut any box into S × S cells by two products, and say where its points lie, to the half cell.
# - Derive the gradient of weights that are another layer's output: summed as far as they were used, and led on.
# - Say why boxes move in parts of their size, why their gradient stops between rounds, and what each round adds.
#
# In the library: `minivit/ops/roi_align.py`, `minivit/ops/dynamic_interaction.py`, `minivit/ops/box_deltas.py`,
# `minivit/family/iterated.py`, `minivit/family/sparse_rcnn.py`. Yours to train: `benchmarks/detection.py`. Sources: P. Sun et al.,
# *Sparse R-CNN: End-to-End Object Detection with Learnable Proposals*, arXiv 2011.12450; K. He et al., *Mask R-CNN*, arXiv
# 1703.06870 (RoIAlign).
