# ---
# title: Another resolution
# question: A model has learned pictures of 28 × 28 pixels. What must change before it reads 56 × 56?
# sentence: Resize the learned positions as a picture, derive linear and cubic interpolation and their backward, and see what it saves in fine-tuning.
# minutes: 50
# needs: [2, 4, 5, 13]
# gpu: of no use
# ---

# %% [markdown]
# Larger pictures show more, so a ViT that was trained cheaply on small ones is often **fine-tuned**, trained on for a
# short while, on large ones. The ViT paper goes from 224 × 224 to 384 × 384 that way. Nearly all of the model does not
# notice: this chapter is about the one part that does. You need patches and positions (02, 04), matrices of gradients (05),
# and the loop of 13.

# %% role="setup"
import dataclasses
import os

import numpy as np

from minivit import ViT, check, draw, evaluate, load_mnist
from minivit.data import TRAINED_DIGITS
from minivit.devices.workers import worker_pool
from minivit.ops import resize_positions_backward, resize_positions_forward
from minivit.ops.resize import resize_matrix
from minivit.train import FINETUNE, TrainConfig, Trainer
from minivit.train.finetuning import for_task
from minivit.train.recipes import recipe

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
digits = load_mnist()
trained = ViT.load(TRAINED_DIGITS)  # 28 × 28 pixels in patches of 4 × 4: a grid of 7 × 7
table = trained.params["pos_embed"].astype(float)  # (1, 1 + 49, 48): the class token's row first

# %% [markdown]
# ## The picture first
#
# In: the learned table of positions, a row of D = 48 numbers for each of the 49 places. Take one of the 48 and lay its 49
# values out as the grid: a small picture, of 7 × 7 pixels. Out: the same picture, enlarged to 14 × 14, for images
# of 56 × 56. We draw the number that differs most between neighbours and far places.

# %%
grid = table[0, 1:].reshape(7, 7, 48)
across = np.abs(np.diff(grid, axis=1)).mean((0, 1))  # how rough each of the 48 pictures is
channel = int(np.argmax(grid.std((0, 1)) / across))
larger, _ = resize_positions_forward(table, (7, 7), (14, 14), prefix=1, method="bicubic")
draw.matrices(
    [{"title": "learned, 7 × 7", "array": grid[..., channel], "values": False},
     {"title": "resized, 14 × 14", "array": larger[0, 1:].reshape(14, 14, 48)[..., channel]}],
    between=["→"], diverging=True,
    alt="Two pictures of numbers, red above 0 and blue below. The left one, 7 by 7, has smooth regions: neighbours have "
    "similar colours. The right one, 14 by 14, shows the same regions, with finer steps between them.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Neighbours have similar values: that the training made so (chapter 04) is what makes a value
# *between* two places meaningful. (2) Each of the 48 numbers is enlarged by itself. (3) The class token's row is no place;
# it stays as it is.
#
# ## The shapes
#
# | symbol | meaning | before | after |
# |---|---|---|---|
# | image | pixels | (28, 28) | (56, 56) |
# | P | side of a patch, which does *not* change | 4 | 4 |
# | gh, gw | the grid | 7, 7 | 14, 14 |
# | N | patches | 49 | 196 |
# | pos | positions, with the class token | (1, 50, 48) | (1, 197, 48) |
# | R | how each new row of the grid is made of the old ones | | (14, 7) |
# | everything else | patch embedding, blocks, head | the same | the same |
#
# Why does the rest not change? The patch embedding, norms and MLPs work on each token by itself. Attention has weights for queries, keys
# and values of *one* token; how many there are it never asks (chapter 07). Only the table of positions has a row for
# each place.
#
# ## The idea
#
# Two rules from one axis to two: resize the columns, then the rows. So it is enough to know how $n$ values in a row
# become $n'$. Where among the old places does new place $i$ lie? There are two opinions. *Corners aligned*: the first and the
# last stay the first and the last. *Pixels*: each place is a square with a width, and the picture's edges stay:
#
# $$\begin{aligned} s_i &= i\,\frac{n-1}{n'-1} \quad \text{(corners)} \\
# s_i &= \left(i + \tfrac12\right) \frac{n}{n'} - \tfrac12 \end{aligned} \tag{1, 2}$$
#
# *Linear* interpolation mixes the two neighbours of $s$: with $f = s - \lfloor s \rfloor$, the left one counts $1 - f$ and
# the right one $f$. Neighbours that do not exist are replaced by the edge. First as a loop; then as a matrix, because what
# is made by fixed weights is a product with a matrix of them:


# %%
def place(i, old, new, align_corners):
    return i * (old - 1) / (new - 1) if align_corners else (i + 0.5) * old / new - 0.5


def linear_loop(values, new, align_corners):
    """values (n,) -> (n',)."""
    old, out = len(values), np.zeros(new)
    for i in range(new):
        s = place(i, old, new, align_corners)
        left, f = int(np.floor(s)), s - np.floor(s)
        out[i] = (1 - f) * values[max(left, 0)] + f * values[min(left + 1, old - 1)]
    return out


def linear_matrix(old, new, align_corners):
    return np.stack([linear_loop(one, new, align_corners) for one in np.eye(old)], axis=1)  # (n', n)


values = rng.standard_normal(7)
for align, name in ((True, "bilinear_align_corners"), (False, "bilinear")):
    R = resize_matrix(7, 14, name)
    check.close(R @ values, linear_loop(values, 14, align), f"{name}: matrix of the library against loop")
    check.close(linear_matrix(7, 14, align), R, f"{name}: our matrix")

# %% [markdown]
# ### Smoother: four neighbours
#
# Linear interpolation has a kink at every old place. *Cubic* takes four neighbours, each weighted by a kernel $k$ of its
# distance. What do we ask of $k$, a cubic on $[0, 1]$ and another on $[1, 2]$? At an old place its own value and no other:
# $k(0) = 1$, $k(1) = k(2) = 0$. No kinks: slope 0 at 0 and at 2, and one slope, $a$, from both sides at 1. Eight
# conditions for eight numbers, but for the free $a$ (Keys, 1981):
#
# $$\begin{aligned} & s \le 1: \\ & k = (a+2) s^3 - (a+3) s^2 + 1 \\
# & 1 < s < 2: \\ & k = a\,(s^3 - 5 s^2 + 8 s - 4) \end{aligned} \tag{3}$$
#
# PyTorch has $a = -\tfrac34$, and so have the published DeiT, MAE and DINOv2. *One of the weights in a row will be
# negative: why must it?*


# %%
def cubic(s, a=-0.75):
    s = np.abs(s)
    return np.where(s <= 1, (a + 2) * s**3 - (a + 3) * s**2 + 1, np.where(s < 2, a * (s**3 - 5 * s**2 + 8 * s - 4), 0))


def cubic_matrix(old, new, align_corners):
    R = np.zeros((new, old))
    for i in range(new):
        s = place(i, old, new, align_corners)
        for neighbour in range(int(np.floor(s)) - 1, int(np.floor(s)) + 3):
            R[i, np.clip(neighbour, 0, old - 1)] += cubic(s - neighbour)
    return R


for align, name in ((True, "bicubic_align_corners"), (False, "bicubic")):
    check.close(cubic_matrix(7, 14, align), resize_matrix(7, 14, name), f"{name}: our matrix")
print("rows sum to", np.unique(cubic_matrix(7, 14, False).sum(axis=1).round(12)))
draw.matrices(
    [("linear, corners aligned", linear_matrix(7, 14, True)), ("linear, pixels", linear_matrix(7, 14, False)),
     ("cubic, pixels", cubic_matrix(7, 14, False))], diverging=True,
    alt="Three matrices of 14 rows and 7 columns, each a staircase of positive weights from top left to bottom right. With "
    "corners aligned the first and last rows have one weight of 1. The cubic one has small negative weights on both sides.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Each row says of which old places a new one is made. (2) Corners aligned, two of the new places *are* old
# ones, at the ends; with pixels none is, and the ends are the edge's value alone (linear). (3) Cubic weights go below 0: a
# curve through four points swings beyond them, a straight line cannot.
#
# For the table seen as a picture $T$ (gh, gw) in each of the D numbers,
#
# $$T' = R_h\, T\, R_w^\top \tag{4}$$

# %%
R = cubic_matrix(7, 14, False)
by_hand = np.einsum("ai,ijd,bj->abd", R, grid, R)  # (14, 14, 48)
check.close(larger[0, 1:], by_hand.reshape(196, 48), "library against (4)")
check.close(larger[0, 0], table[0, 0], "the class token's row")

# %% [markdown]
# ## The backward
#
# Usually the table is resized once, and the larger one is then trained. Some models resize it *every time* they run, and
# train the small one through it. Then we need the gradient. By index, (4) says $T'_{ab} = \sum_{ij} R_{ai} T_{ij}
# R_{bj}$, so the old number $T_{ij}$ goes into each new one, with the factor $R_{ai} R_{bj}$, and chapter 05's rule (sum
# over where it goes) gives
#
# $$\begin{aligned} dT_{ij} &= \sum_{a,b} R_{ai}\, dT'_{ab}\, R_{bj} \\ dT &= R_h^\top\, dT'\, R_w \end{aligned} \tag{5}$$
#
# Enlarging spreads each number over several; its backward gathers them. In code:

# %%
dlarger = rng.standard_normal(larger.shape)
_, cache = resize_positions_forward(table, (7, 7), (14, 14), prefix=1, method="bicubic")
dgrid = np.einsum("ai,abd,bj->ijd", R, dlarger[0, 1:].reshape(14, 14, 48), R)  # (5)
check.close(resize_positions_backward(dlarger, cache)[0, 1:], dgrid.reshape(49, 48), "dtable, library against (5)")
check.grad(
    lambda table: resize_positions_forward(table, (2, 3), (4, 5), 1, "bicubic"), resize_positions_backward,
    {"table": rng.standard_normal((1, 1 + 6, 2))},
)  # fmt: skip

# %% [markdown]
# ## What is it worth?
#
# Digits can be enlarged by the very same matrices. The trained model reads them at 28, 36, 44 and 56 pixels, *without any
# training* at the new size, with the positions resized by two rules; with the old rows used up *in order*, as if
# there were no geometry; and with random ones. At 28, nothing is resized. *What will each lose at 56?*


# %%
def enlarge(images, size):
    R = resize_matrix(28, size, "bilinear")
    return np.clip(np.rint(R @ images[..., 0] @ R.T), 0, 255).astype(np.uint8)[..., None]


def with_table(model, size, way, seed=0):
    old, new = (
        model.params["pos_embed"][:, 1:],
        for_task(model, size, position_resize=way if "bi" in way else "bicubic"),
    )
    rows = new.params["pos_embed"][:, 1:]  # a view: what is written here is the model's
    if way == "in order":
        rows[...] = np.resize(old, rows.shape)
    elif way == "random":
        rows[...] = np.random.default_rng(seed).normal(0, old.std(), rows.shape)
    return new


# %%
sizes = [28, 36, 56] if FAST else [28, 36, 44, 56]
count = 50 if FAST else 300
accuracy = {way: [] for way in ("bicubic", "bilinear_align_corners", "in order", "random")}
for size in sizes:
    images = enlarge(digits.test_images[:count], size)
    for way, found in accuracy.items():
        model = trained if size == 28 and way != "random" else with_table(trained, size, way)
        found.append(100 * evaluate(model, images, digits.test_labels[:count])[1])

# %%
draw.lines(
    {way: (sizes, found) for way, found in accuracy.items()}, xlabel="side of the image, pixels", ylabel="read right (%)",
    alt="Accuracy without fine-tuning against the side of the image, 28 to 56 pixels. Bicubic starts at 98 % and falls "
    "slowly, to about 93; bilinear with aligned corners falls a little faster. In order starts at 98 and drops to about 20 "
    "at once; random positions stay at about 20 throughout.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Resized positions read most of the large digits at once, and every new row is a guess. (2) In
# order, all is lost from the first larger grid on: row 7 of the table was the left end of the second row of patches, and
# is now in the middle of the first. (3) The price of a size without training remains: a patch of 4 × 4 now holds a
# quarter of the strokes it was trained on. This is one model, and 300 digits: no more than a look.
#
# ## Fine-tuning
#
# Now an experiment with three seeds. A small ViT (patches of 7, a grid of 4 × 4) learns 2,000 digits of 28 × 28. Then
# 40 steps with digits of 56 × 56, a grid of 8 × 8: once from resized positions, once from random ones, and once a model that
# starts from nothing. The recipe is the ViT paper's: plain SGD with momentum, a cosine, a small rate. *How many steps
# of training will a good table save?*


# %%
def learn(model, images, how, seed, steps, look=()):
    trainer, seen = Trainer(model, images, digits.train_labels[: len(images)], how, seed), []
    with worker_pool(1) as pool:
        for step in range(steps + 1):
            if step in look:
                seen.append(100 * evaluate(trainer.model, large_test, digits.test_labels[: len(large_test)])[1])
            if step < steps:
                trainer.step(pool)
    return trainer.model, seen


seeds, steps, tests = (range(1), 20, 50) if FAST else (range(3), 400, 500)
start_recipe = TrainConfig(epochs=10, batch_size=50, shard_size=50, learning_rate=0.005)
tuning = dataclasses.replace(FINETUNE, epochs=1, batch_size=50, shard_size=50)
large_train, large_test = enlarge(digits.train_images[:2000], 56), enlarge(digits.test_images[:tests], 56)
look = [0, 5, 10] if FAST else [0, 5, 10, 20, 40]
small_model = recipe("vit", None, "digits")[0]
curves = {"positions resized": [], "positions random": [], "all from nothing": []}
for seed in seeds:
    model, _ = learn(ViT(small_model, seed=seed, init="fan_in"), digits.train_images[:2000], start_recipe, seed, steps)
    fresh = ViT(dataclasses.replace(small_model, image_size=56), seed=seed, init="fan_in")
    starts = (with_table(model, 56, "bicubic"), with_table(model, 56, "random", seed), fresh)
    for start, found in zip(starts, curves.values(), strict=True):
        found.append(learn(start, large_train, tuning, seed, max(look), look)[1])

# %%
for name, found in curves.items():
    print(f"{name:18} after {look[-1]} steps: " + ", ".join(f"{each[-1]:.1f}" for each in found) + " %")
draw.lines(
    {name: (look, np.mean(found, axis=0)) for name, found in curves.items()}, xlabel="steps at 56 × 56",
    ylabel="read right (%)", height=2.8,
    alt="Accuracy at 56 by 56 against the steps of fine-tuning, means of three seeds. With resized positions it starts near "
    "45 % and rises to more than 70; with random ones from about 25 to about 50; a model from nothing rises from 10 to less than 30.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Resized positions start where random ones arrive only after most of the steps. (2) Random ones are far
# better than nothing: the blocks still know strokes. (3) They do not catch up here. The longer experiment in
# `benchmarks/resolution.py` (its table stands in `docs/models.md`) compares more rules, on all digits.
#
# Which rule? "Interpolate the positions" is six functions in published code, and a model gives its published numbers with its
# own one only: `minivit/ops/resize.py` names who uses which. All this is needed for *learned* tables. Sines (chapter 04)
# can be computed for any place.

# %% [markdown] exercise="ViT-B/16 at 384" kind="predict" stars=1 minutes=6
# ViT-B/16 (patches of 16 × 16, D = 768, a class token) goes from 224 × 224 pixels to 384 × 384.
#
# 1. How many `tokens` does it have then, with the class token?
# 2. How many numbers are in its new table of positions, `numbers`?
# 3. How many times as many entries has an attention matrix as before, `ratio`? (To two digits, or as a formula.)
# 4. Which share of its parameters must be made anew: `"the positions"`, `"positions and patch embedding"` or `"all"`? (`anew`)

# %% role="solution"
# YOUR TURN
tokens = 577
numbers = 577 * 768
ratio = 577**2 / 197**2
anew = "the positions"
# END

# %% role="check"
side = 384 // 16
check.answer(
    tokens,
    side**2 + 1,
    "tokens",
    reasons={576: "and the class token", 197: "that is at 224", 24: "along one side", 25: "along one side"},
)
check.answer(
    numbers, (side**2 + 1) * 768, "numbers",
    reasons={576 * 768: "the class token has a row, too", 197 * 768: "that is the old table", 577: "rows of 768 numbers each"},
)  # fmt: skip
check.answer(
    ratio, (side**2 + 1) ** 2 / 197**2, "ratio", tol=0.002,
    reasons={577 / 197: "that many times as many tokens: each looks at all", (384 / 224) ** 2: "that is the ratio of pixels",
             384 / 224: "that is along one side"},
)  # fmt: skip
check.answer(
    anew, "the positions", "anew",
    reasons={"positions and patch embedding": "patches are still 16 × 16 pixels", "all": "what else knows how many tokens there are?"},
)  # fmt: skip

# %% [markdown] role="hint"
# 384/16 patches along a side. A row of the table for each token. Attention has an entry for each pair of tokens.

# %% role="wrong"
{
    "no class token": ("tokens = 577", "tokens = 576", "and the class token"),
    "no class row": ("577 * 768", "576 * 768", "has a row, too"),
    "not squared": ("577**2 / 197**2", "577 / 197", "each looks at all"),
    "pixels": ("577**2 / 197**2", "(384 / 224) ** 2", "ratio of pixels"),
    "the embedding": ('"the positions"', '"positions and patch embedding"', "still 16 × 16"),
}

# %% [markdown] exercise="Linear, by either rule" kind="build" stars=2 minutes=15
# Write `weights(old, new, align_corners)`: the matrix R, (new, old), of linear interpolation along one axis, by equation (1) or
# (2). Neighbours outside are the edge: their weight goes to it. It must also work when the grid gets *smaller*, and for `new`
# = 1, where with aligned corners the first place is taken.


# %% role="solution"
def weights(old, new, align_corners):
    """-> R (new, old): new values = R @ old values."""
    # YOUR TURN
    i = np.arange(new)
    s = i * (old - 1) / max(new - 1, 1) if align_corners else (i + 0.5) * old / new - 0.5
    left = np.floor(s).astype(int)
    f = s - left
    R = np.zeros((new, old))
    np.add.at(R, (i, np.clip(left, 0, old - 1)), 1 - f)
    np.add.at(R, (i, np.clip(left + 1, 0, old - 1)), f)
    return R
    # END


# %% role="check"
def _mixed(s, old, exchanged=False):
    R, left = np.zeros((len(s), old)), np.floor(s).astype(int)
    for a, weight in ((0, 1 - s % 1), (1, s % 1)):
        np.add.at(R, (np.arange(len(s)), np.clip(left + (1 - a if exchanged else a), 0, old - 1)), weight)
    return R


def _overwritten(s, old):
    R, left = np.zeros((len(s), old)), np.floor(s).astype(int)
    for a, weight in ((0, 1 - s % 1), (1, s % 1)):
        R[np.arange(len(s)), np.clip(left + a, 0, old - 1)] = weight
    return R


def _without_edge(old, new):
    R = resize_matrix(old, new, "bilinear").copy()
    s = (np.arange(new) + 0.5) * old / new - 0.5
    for row, at in zip(R, s, strict=True):
        if at < 0 or at > old - 1:
            row[row > 0] *= 1 - abs(at - np.clip(at, 0, old - 1))
    return R


for old_, new_ in ((4, 6), (4, 9), (5, 2), (6, 3), (5, 5), (3, 1), (1, 3)):
    pixels, corners = resize_matrix(old_, new_, "bilinear"), resize_matrix(old_, new_, "bilinear_align_corners")
    i_ = np.arange(new_)
    half, at = _mixed(i_ * old_ / new_, old_), (i_ + 0.5) * old_ / new_ - 0.5
    turned = {True: _mixed(i_ * (old_ - 1) / max(new_ - 1, 1), old_, True), False: _mixed(at, old_, True)}
    lost = {True: _overwritten(i_ * (old_ - 1) / max(new_ - 1, 1), old_), False: _overwritten(at, old_)}
    for align, expected in ((True, corners), (False, pixels)):
        check.close(
            check.call(weights, old=old_, new=new_, align_corners=align), expected, f"R, {old_} to {new_}, {'corners aligned' if align else 'pixels'}",
            mistakes={
                "The neighbours' weights are exchanged: the nearer one counts more.": turned[align],
                "At the edge both neighbours are one place: add the second weight, do not write over the first.": lost[align],
                "The other rule: align_corners is (1), pixels are (2).": pixels if align else corners,
                "A half is missing in (2): a pixel's middle is at i + ½.": half,
                "Beyond the edge, the missing neighbour's weight is lost; it goes to the edge.": _without_edge(old_, new_),
                "It is transposed: a row for each new place.": np.full((1, 1), np.nan) if old_ == new_ else expected.T,
            },
        )  # fmt: skip

# %% [markdown] role="hint"
# Compute all s, their `np.floor` as int, and f. Then, for each new place, add 1 − f at `left` and f at `left + 1`, both
# clipped to the old places. Adding, not writing: at the edge both are the same place. And (1) divides by n′ − 1.

# %% role="wrong"
{
    "weights exchanged": ("old - 1)), 1 - f)", "old - 1)), f)", "max|Δ|"),
    "both exchanged": (
        "    np.add.at(R, (i, np.clip(left, 0, old - 1)), 1 - f)\n    np.add.at(R, (i, np.clip(left + 1, 0, old - 1)), f)\n",
        "    np.add.at(R, (i, np.clip(left, 0, old - 1)), f)\n    np.add.at(R, (i, np.clip(left + 1, 0, old - 1)), 1 - f)\n",
        "the nearer one counts more",
    ),
    "written, not added": (
        "    np.add.at(R, (i, np.clip(left, 0, old - 1)), 1 - f)\n    np.add.at(R, (i, np.clip(left + 1, 0, old - 1)), f)\n",
        "    R[i, np.clip(left, 0, old - 1)] = 1 - f\n    R[i, np.clip(left + 1, 0, old - 1)] = f\n",
        "do not write over the first",
    ),
    "rules exchanged": ("if align_corners else", "if not align_corners else", "The other rule"),
    "no half": ("(i + 0.5) * old / new - 0.5", "i * old / new", "A half is missing"),
    "division by zero": ("max(new - 1, 1)", "(new - 1)", "not finite"),
}  # fmt: skip

# %% [markdown] exercise="A model that got dizzy" kind="break" stars=2 minutes=10
# This function resizes a table for rectangular grids. On square pictures nobody complained, although accuracy at a new
# size was lower than it should be. There are two mistakes. `resize(picture, new)` is right: it takes (gh, gw, D) to (gh', gw', D).


# %% role="given"
def resize(picture, new):
    """picture (gh, gw, D), new (gh', gw') -> (gh', gw', D)."""
    rows, columns = (resize_matrix(n, m, "bicubic") for n, m in zip(picture.shape, new, strict=False))
    return np.einsum("ai,ijd,bj->abd", rows, picture, columns)


# %% role="broken"
def resized_table(pos, old, new):
    """pos (1, 1 + gh·gw, D), the class token's row first; old (gh, gw), new (gh', gw') -> (1, 1 + gh'·gw', D)."""
    D = pos.shape[2]
    places = pos[0, : old[0] * old[1]].reshape(old[1], old[0], D).swapaxes(0, 1)
    return np.concatenate((pos[:, :1], resize(places, new).reshape(1, -1, D)), axis=1)


# %% role="solution"
def resized_table(pos, old, new):
    """pos (1, 1 + gh·gw, D), the class token's row first; old (gh, gw), new (gh', gw') -> (1, 1 + gh'·gw', D)."""
    D = pos.shape[2]
    places = pos[0, 1:].reshape(old[0], old[1], D)
    return np.concatenate((pos[:, :1], resize(places, new).reshape(1, -1, D)), axis=1)


# %% role="check"
pos_ = rng.standard_normal((1, 1 + 3 * 5, 4))


def _made(first, turned, new=(6, 7)):
    rows = pos_[0, first : first + 15]
    picture = rows.reshape(5, 3, 4).swapaxes(0, 1) if turned else rows.reshape(3, 5, 4)
    return np.concatenate((pos_[:, :1], resize(picture, new).reshape(1, -1, 4)), axis=1)


check.close(
    check.call(resized_table, pos=pos_, old=(3, 5), new=(6, 7)), resize_positions_forward(pos_, (3, 5), (6, 7), 1, "bicubic")[0], "the new table",
    mistakes={
        "The class token's row is still taken for a place: all places have moved by one.": _made(0, False),
        "Rows and columns are still exchanged: the table is in reading order.": _made(1, True),
        "Both mistakes are still there.": _made(0, True),
        "The rows are read right, but the picture comes out transposed.":
            np.concatenate((pos_[:, :1], resize(pos_[0, 1:].reshape(3, 5, 4), (6, 7)).swapaxes(0, 1).reshape(1, -1, 4)), axis=1),
        "The class token's row is resized, too: the first row must stay as it is.":
            np.concatenate((_made(1, False)[:, 1:2], _made(1, False)[:, 1:]), axis=1),
    },
)  # fmt: skip
check.close(resized_table(pos_, (3, 5), (3, 5)), pos_, "the same grid again")

# %% [markdown] role="hint"
# Resize to the *same* grid: the table must come back unchanged. Where does row 1 of the table end up, and where row 2?

# %% role="wrong"
{
    "still off by one": ("pos[0, 1:]", "pos[0, : old[0] * old[1]]", "all places have moved by one"),
    "still turned": (".reshape(old[0], old[1], D)", ".reshape(old[1], old[0], D).swapaxes(0, 1)", "still exchanged"),
    "turned afterwards": ("resize(places, new).reshape", "resize(places, new).swapaxes(0, 1).reshape", "comes out transposed"),
    "the class token lost": ("(pos[:, :1], resize", "(resize(places, new)[:1, :1].reshape(1, 1, D), resize", "must stay as it is"),
}  # fmt: skip

# %% [markdown] exercise="Other patches, the same tokens" kind="further" stars=3 minutes=20
# There is another way to a larger picture: keep the grid, and make the *patches* larger. Then the positions fit, and the patch
# embedding does not: it has a row of weights for each pixel of a patch. Let B (p², q) be the matrix that enlarges a patch
# of q pixels to p² (each a row of numbers), $x' = Bx$. We want new weights w′ that see in an enlarged patch what w, (q, D), saw in
# the small one: $x'^\top w' = x^\top w$ for every x. There are many such w′. Write `flexible(w, B)`, which returns the
# *smallest* of them, the one with the least $\sum w'^2$ (Beyer et al., FlexiViT, [arXiv 2212.08013](https://arxiv.org/abs/2212.08013)).
# Where B makes a patch smaller no w′ fits exactly: then it is to come as near as it can.


# %% role="given"
enlarge_patch = np.kron(resize_matrix(4, 7, "bilinear"), resize_matrix(4, 7, "bilinear"))  # (49, 16): 4 × 4 → 7 × 7
patch_weights = rng.standard_normal((16, 6))


# %% role="solution"
def flexible(w, B):
    """w (q, D), B (p, q) -> w' (p, D), so that (B x)ᵀ w' = xᵀ w."""
    # YOUR TURN
    return np.linalg.pinv(B.T) @ w
    # END


# %% role="check"
shrink_patch = np.kron(resize_matrix(4, 3, "bilinear"), resize_matrix(4, 3, "bilinear"))  # (9, 16)
x_ = rng.standard_normal((5, 16))
for B_, name in ((enlarge_patch, "4 × 4 to 7 × 7"), (shrink_patch, "4 × 4 to 3 × 3")):
    best = np.linalg.lstsq(B_.T, patch_weights, rcond=None)[0]
    check.close(
        check.call(flexible, w=patch_weights, B=B_), best, f"w', {name}", tol=1e-6,
        mistakes={
            "The weights are enlarged like a picture: the tokens of an enlarged patch are then longer than they were.": B_ @ patch_weights,
            "Not Bᵀw' = w: which of B and Bᵀ is to be inverted?": np.linalg.pinv(B_).T @ patch_weights if B_.shape[0] == 16 else np.nan,
            "It sees enough, but is not the smallest: any part that no enlarged patch can see may go.":
                best + (np.eye(len(B_)) - np.linalg.pinv(B_.T) @ B_.T) @ np.arange(best.size).reshape(best.shape) / 100,
            "Enlarged and divided by the ratio of pixels: nearly, but not for every x.": B_ @ patch_weights * B_.shape[1] / len(B_),
        },
    )  # fmt: skip
check.close(x_ @ enlarge_patch.T @ flexible(patch_weights, enlarge_patch), x_ @ patch_weights, "the tokens")

# %% [markdown] role="hint"
# For every x: $x^\top B^\top w' = x^\top w$, so $B^\top w' = w$: q equations for each of the D columns, with more unknowns than equations. What
# solves a linear system with the smallest solution, or by least squares? NumPy has it in `np.linalg`, in two functions.

# %% role="wrong"
{
    "enlarged like a picture": ("np.linalg.pinv(B.T) @ w", "B @ w", "like a picture"),
    "and rescaled": ("np.linalg.pinv(B.T) @ w", "B @ w * B.shape[1] / B.shape[0]", "ratio of pixels"),
    "not the smallest": (
        "np.linalg.pinv(B.T) @ w",
        "np.linalg.pinv(B.T) @ w + (np.eye(len(B)) - np.linalg.pinv(B.T) @ B.T) @ np.arange(len(B) * w.shape[1]).reshape(len(B), -1) / 100",
        "not the smallest",
    ),
    "the inverse of B": ("np.linalg.pinv(B.T) @ w", "np.linalg.pinv(B) @ w", "fails with ValueError"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Say what of a ViT depends on the size of the picture, and make any learned table fit another grid.
# - Derive the weights of linear and cubic interpolation by either rule of where a place lies, and their backward.
# - Fine-tune at another size, and show what the resized positions were worth.
#
# In the library: `minivit/ops/resize.py`, `minivit/model/resolution.py`, and `minivit.finetune(model, …, image_size=56)`.
# Sources: A. Dosovitskiy et al., arXiv 2010.11929, section 3.2; R. Keys, *Cubic Convolution
# Interpolation for Digital Image Processing*, IEEE Transactions on Acoustics, Speech, and Signal Processing 29, 1981.
