# ---
# title: Inductive bias
# question: What does a CNN know of pictures before it has seen one, and what is that worth?
# sentence: Show that a convolution is a dense layer that may not tell places apart, test who follows a moved digit, and compare a CNN with a ViT of as many parameters, from 100 digits to 8,000.
# minutes: 55
# needs: [2, 4, 5, 13]
# gpu: of no use
# ---

# %% [markdown]
# A ViT must be *told* where a patch is (chapter 04), and what that means it must *learn*. A **convolutional network**, CNN for
# short, knows two things from the start: neighbours belong together, and a thing is the same thing elsewhere. Such
# knowledge, put into a model before any data, is its **inductive bias**. This chapter derives it, measures it, and asks
# when it helps. You need dense layers (05), patches (02) and the training loop (13).

# %% role="setup"
import json
import os

import numpy as np

from minivit import ResNet, ViT, check, count_parameters, draw, evaluate, load_mnist
from minivit.data import INDUCTIVE_BIAS
from minivit.devices.workers import worker_pool
from minivit.ops import convolution_backward, convolution_forward
from minivit.train import TrainConfig, Trainer
from minivit.train.recipes import recipe

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
digits = load_mnist()
runs = json.loads(INDUCTIVE_BIAS.read_text(encoding="utf-8"))  # a dict for each training of an experiment

# %% [markdown]
# ## The picture first
#
# Seven models, each of about 60,000 parameters, learned from 100 to 8,000 digits, at each number all with equally many steps:
# 400 or so at 100 and 300, up to 960 at 8,000, so part of each rise is longer training. In goes
# the number of digits, out comes the accuracy on 2,000 others. The experiment is `benchmarks/family/inductive_bias.py`;
# its results ship with minivit, and we draw four of the seven. (A *hybrid* is a ViT whose patches are cut from the map of a
# small CNN; MobileViT alternates the two.) *Which curve will be highest at 100 digits, and will they meet?*


# %%
def rows(name, augmented=False, **key):
    wanted = {"architecture": name, "data": "digits", "augmented": augmented} | key
    return [run for run in runs if wanted.items() <= run.items()]


NAMES = {"CNN": "resnet", "ViT": "vit", "hybrid": "hybrid", "MobileViT": "mobilevit"}
AMOUNTS = [100, 300, 1000, 3000, 8000]
means = {
    label: [100 * np.mean([run["accuracy"] for run in rows(name, images=n)]) for n in AMOUNTS]
    for label, name in NAMES.items()
}
print("trainings at each point:", {len(rows(name, images=n)) for name in NAMES.values() for n in AMOUNTS})
draw.lines(
    {label: (AMOUNTS, mean) for label, mean in means.items()}, logx=True, xlabel="digits to learn from",
    ylabel="test digits read right (%)",
    alt="Accuracy against the digits to learn from, 100 to 8,000, logarithmic. Four curves rise: the CNN and MobileViT are "
    "highest throughout, the hybrid between, the ViT lowest. The distance between CNN and ViT is about 10 points or more at "
    "100, largest at 300, and then shrinks to a few points at 8,000.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The ViT is lowest everywhere, and the less there is to learn from the more it lags: at 300 digits
# most. (2) More digits close the gap, steadily; here they do not close it altogether. (3) A CNN *in front of* a ViT, the
# hybrid, gives it back much of what it lacks.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | x, y | a picture and what a layer makes of it | (height, width) | (6, 6), (28, 28) |
# | w | a kernel | (3, 3) | one, of 9 numbers |
# | M | the same layer as a matrix, all pixels in a row | (height · width)² | (36, 36) |
# | S | moves a picture by a pixel | (height, width) → the same | |
# | P | side of a patch | | 7 |
#
# ## The idea
#
# A dense layer from 36 pixels to 36 numbers has 1,296 weights: each output has an opinion of its own on every pixel. Forbid
# two things. *Locality*: an output may look at its 3 × 3 neighbours only. *Sharing*: all outputs must use the same
# nine weights. What is left is a **convolution** with a kernel $w$,
#
# $$y_{ij} = \sum_{a=-1}^{1} \sum_{b=-1}^{1} w_{ab}\; x_{i+a,\,j+b} \tag{1}$$
#
# where pixels outside the picture count as 0. As a loop, and as the matrix that it is. *How many different numbers will the
# matrix hold?*


# %%
def convolve_loop(x, w):
    """x (height, width), w (3, 3), its middle is a = b = 0 -> (height, width)."""
    y = np.zeros_like(x)
    for i, j in np.ndindex(x.shape):
        for a, b in np.ndindex(3, 3):
            row, column = i + a - 1, j + b - 1
            if 0 <= row < x.shape[0] and 0 <= column < x.shape[1]:
                y[i, j] += w[a, b] * x[row, column]
    return y


def convolve(x, w):
    around = np.pad(x, 1)
    return sum(w[a, b] * around[a : a + len(x), b : b + x.shape[1]] for a in range(3) for b in range(3))


x, w = rng.standard_normal((6, 6)), rng.standard_normal((3, 3))
M = np.stack([convolve(one.reshape(6, 6), w).ravel() for one in np.eye(36)], axis=1)  # column by column
check.close(convolve(x, w), convolve_loop(x, w), "array against loop")
check.close((M @ x.ravel()).reshape(6, 6), convolve(x, w), "matrix against array")
library, cache = convolution_forward(x[None, ..., None], w[..., None, None])
check.close(library[0, ..., 0], convolve(x, w), "library against array")
print("different numbers in M:", len(np.unique(M)), "of", M.size)

# %%
draw.matrices(
    [("a dense layer may be anything", rng.standard_normal((36, 36))), ("a convolution: 9 weights", M)], diverging=True,
    alt="Two matrices of 36 by 36 numbers. The first is full of random numbers. The second is empty but for nine diagonals "
    "in three bands; along a diagonal all numbers are alike, with gaps where a row of the picture ends.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The zeros off the bands are locality. (2) Each diagonal is one weight: sharing. (3) A dense layer
# *could* learn this matrix. But it would have to find 1,296 numbers from examples, where the convolution needs 9.
#
# ## A thing is the same thing elsewhere
#
# Let $S$ move a picture down by one pixel: $(Sx)_{ij} = x_{i-1,\,j}$. Put the moved picture into (1):
#
# $$\begin{aligned} \text{conv}(Sx)_{ij} &= \sum_{a,b} w_{ab}\, x_{i-1+a,\,j+b} \\ &= \text{conv}(x)_{i-1,\,j} \end{aligned}
# \tag{2}$$
#
# So $\text{conv}(Sx) = S\,\text{conv}(x)$: move the input, and the output moves along. That is **equivariance**. (At the
# border it fails, where zeros come in; digits have an empty border.) It holds for any layer that does the same at each
# place, so also for ReLU; and if in the end a mean over all places is taken, nothing is left of the move: the answer is
# **invariant**.
#
# The reverse is true as well: a linear layer that commutes with all moves *is* a convolution. For its matrix then says
# $M_{p+s,\,q+s} = M_{pq}$, the same number wherever the two places $p$ and $q$ have the same offset. Nobody who wants
# equivariance has a choice.
#
# And a ViT? Its patch embedding is a convolution with *stride* P (chapter 02): it does the same at every seventh pixel. So
# moves by 7 pixels it follows, moves by 1 it does not. *Then come the positions: what will they do to moves by 7?*


# %%
def off(layer, move, x):
    """How far layer(moved x) is from layer(x) moved along; 0: it is equivariant. Relative to the largest output."""
    steps = np.divide(move, x.shape[1] // layer(x).shape[1])  # pixels of the output
    if any(steps % 1):
        return "moves by part of a token: nothing to compare"
    expected = np.roll(layer(x), steps.astype(int), axis=(1, 2))
    return f"{np.abs(layer(np.roll(x, move, axis=(1, 2))) - expected).max() / np.abs(expected).max():.0e}"


kernel, patch = rng.standard_normal((3, 3, 1, 8)), rng.standard_normal((7, 7, 1, 8))
dense, place = rng.standard_normal((784, 784)) / 28, rng.standard_normal((1, 4, 4, 8))
layers = {
    "a convolution": lambda x: convolution_forward(x, kernel)[0],
    "a dense layer": lambda x: (x.reshape(len(x), -1) @ dense).reshape(x.shape),
    "patches of 7": lambda x: convolution_forward(x, patch, 7, 0)[0],
    "patches of 7, with positions": lambda x: convolution_forward(x, patch, 7, 0)[0] + place,
}
small = np.pad(digits.test_images[:1, 9:19, 9:19] / 255, ((0, 0), (9, 9), (9, 9), (0, 0)))  # with room to move
for name, layer in layers.items():
    print(f"{name:29} by 1 pixel: {off(layer, (1, 0), small)}, by 7: {off(layer, (7, 0), small)}")

# %% [markdown]
# The attention that follows treats all tokens alike (chapter 07), and so does each token's MLP. It is the positions that
# make a place a place. Without them a ViT would not care about order *at all*, which is too much: it could not tell a picture
# from its shuffled patches. A convolution sits between: it knows who is whose neighbour, and not where.
#
# ## The backward
#
# Who shares weights learns from every place at once. Given $dy$, ask where each number goes (chapter 05). The weight
# $w_{ab}$ goes into *every* output, with the pixel at that offset. The pixel $x_{rc}$ goes into the nine outputs around it:
#
# $$\begin{aligned} dw_{ab} &= \sum_{i,j} dy_{ij}\; x_{i+a,\,j+b} \\ dx_{rc} &= \sum_{a,b} dy_{r-a,\,c-b}\; w_{ab} \end{aligned} \tag{3, 4}$$
#
# In matrix form: $y = Mx$ gives $dx = M^\top dy$, as ever, and $dM = dy\,x^\top$; each weight sums $dM$ along its diagonal.
# And (4) is a convolution itself, with the kernel turned by 180°, for the offsets have changed their sign. In code:


# %%
def convolve_backward(dy, x, w):
    around = np.pad(x, 1)
    h, wide = dy.shape
    dw = np.array([[(dy * around[a : a + h, b : b + wide]).sum() for b in range(3)] for a in range(3)])  # (3)
    return convolve(dy, w[::-1, ::-1]), dw  # (4)


dy = rng.standard_normal((6, 6))
dx, dw = convolve_backward(dy, x, w)
theirs = convolution_backward(dy[None, ..., None], cache)
check.close(dx.ravel(), M.T @ dy.ravel(), "dx against the matrix")
check.close(theirs[0][0, ..., 0], dx, "dx, library against ours")
check.close(theirs[1][..., 0, 0], dw, "dw, library against ours")
odd = {"x": rng.standard_normal((2, 4, 5, 3)), "w": rng.standard_normal((3, 3, 3, 2))}
check.grad(convolution_forward, convolution_backward, odd)

# %% [markdown]
# A digit thus gives each of the nine weights 784 terms, where each weight of a dense layer gets one. That is why few digits
# go far.
#
# ## A race of your own
#
# Two models of the experiment: the CNN, a ResNet of convolutions (its last step is the mean over all places), and the ViT with 16
# patches of 7 × 7. Each sees 300 digits, 120 batches of 50, from three seeds. (That is less than a third of the steps in the
# picture above, so both are lower.) Then the test digits are moved: up, down, left and right; they have four empty pixels
# around them. No digit to learn from was moved. *By how many pixels until the ViT reads less than half? And the CNN?*


# %%
def train(kind, name, rate, seed, images=300, steps=120):
    model = kind(recipe(name, None, "digits")[0], seed=seed, init="fan_in")
    some = np.random.default_rng(seed).permutation(8000)[:images]
    epochs = steps * 50 // images
    how = TrainConfig(epochs=epochs, batch_size=50, shard_size=50, learning_rate=rate, shift=0, rotation=0, scale=0)
    trainer = Trainer(model, digits.train_images[some], digits.train_labels[some], how, seed)
    with worker_pool(1) as pool:
        for _ in range(trainer.steps):
            trainer.step(pool)
    return model


def moved_accuracy(model, pixels, count=100 if FAST else 500):
    moves = [(pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)] if pixels else [(0, 0)]
    images, labels = digits.test_images[:count], digits.test_labels[:count]
    return 100 * np.mean([evaluate(model, np.roll(images, move, (1, 2)), labels)[1] for move in moves])


# %%
seeds, steps = (range(1), 12) if FAST else (range(3), 120)
entrants = {"CNN": (ResNet, "resnet", 0.01), "ViT": (ViT, "vit", 0.005)}
race = {name: [train(*entrant, seed, steps=steps) for seed in seeds] for name, entrant in entrants.items()}
live = {name: [[moved_accuracy(m, s) for s in range(5)] for m in models] for name, models in race.items()}
for name, models in race.items():
    still = [row[0] for row in live[name]]
    print(f"{name}: {count_parameters(models[0].config):,} parameters, {np.mean(still):.1f} % of digits that are not "
          f"moved ({min(still):.1f} to {max(still):.1f})")  # fmt: skip

# %%
learned = {name: [100 * np.array(run["shifted_accuracy"]) for run in rows(NAMES[name], images=8000)] for name in live}
curves = {f"{name}, 300 digits, here": (range(5), np.mean(live[name], axis=0)) for name in live}
curves |= {f"{name}, 8,000": (range(5), np.mean(learned[name], axis=0)) for name in live}
draw.lines(
    curves, xlabel="moved by, pixels", ylabel="read right (%)",
    alt="Accuracy against the move of the test digits, 0 to 4 pixels, for a CNN and a ViT that learned from 300 digits and "
    "from 8,000. All fall. The CNN of 8,000 digits falls least, to about three quarters; both ViTs fall to about a third or "
    "less by 4 pixels, the one with 8,000 digits from above 90.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Unmoved, the ViT of 8,000 digits is near the CNN. Moved by 3 or 4 pixels it is nearer to the ViT that
# saw 300 than to the CNN of 8,000, and below even the CNN of 300: it has
# learned digits *where they lie*, and more of the same does not tell it more. (2) The CNN is not invariant
# either: its strides skip every second pixel, and zeros come in at the border. (3) A score on unmoved digits
# tells nothing of this: test what you will need.
#
# ## Bias from data
#
# What is not in the model may be put into the data. Move, turn and stretch the digits at random in training (chapter
# 13), and the ViT is told by examples what the convolution is told by its shape. The experiment's rows at 300 digits:

# %%
gain = {}
for label, name in {"ViT": "vit", "hybrid": "hybrid", "CNN": "resnet", "MobileViT": "mobilevit"}.items():
    plain, more = (100 * np.mean([r["accuracy"] for r in rows(name, a, images=300)]) for a in (False, True))
    gain[label] = more - plain
draw.bars(
    gain, ylabel="points of accuracy added", number="{:.1f}", mark=["ViT"],
    alt="Four bars: what augmentation adds at 300 digits. Most for the ViT, more than 15 points, and for the hybrid, a little "
    "less; about half as much for the CNN; least for MobileViT.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Who knew least gains most. (2) The CNN gains, too: nobody told it that a digit may lean. (3) Even so
# augmented, the ViT of 300 digits is behind the CNN *without* augmentation in the first picture, or about level with it.
#
# ## What this does not prove
#
# A bias is a bet. It is right for digits and photographs, and wrong where places do matter: on a chessboard, say. And it
# *limits*: a model that has to find out for itself may find something better. The ViT paper (Dosovitskiy et al.,
# [arXiv 2010.11929](https://arxiv.org/abs/2010.11929), figure 3) pre-trains on up to 300 million photographs: on the
# smallest set its large ViTs are behind the ResNets, on the largest ahead. With 8,000 digits we see the approach and not the
# crossing. These are small models that stop early, at equal parameters and steps, not at equal work: a step of the CNN costs about three of the ViT's (`docs/experiments.md`
# counts). Each point is the mean of as many trainings as the printed set says: read gaps of a point or two as nothing.

# %% [markdown] exercise="Who follows?" kind="predict" stars=1 minutes=6
# A picture of 28 × 28 with a small thing in its middle, and plenty of empty border, is moved. Say of each model whether its
# *answer* (the logits) stays the same, up to rounding, whatever its weights: `True` or `False`.
#
# 1. `cnn`: convolutions with stride 1, ReLU, then the mean over all places, then a dense layer. The move: 3 pixels.
# 2. `vit`: patches of 7, learned positions, class token. The move: 7 pixels.
# 3. `bag`: as 2, but without positions. The move: 7 pixels.
# 4. `bag_by_one`: as 3. The move: 1 pixel.
# 5. `weights`: how many numbers does a convolution with kernels of 3 × 3 from 16 channels to 32 have, without biases?

# %% role="solution"
# YOUR TURN
cnn = True
vit = False
bag = True
bag_by_one = False
weights = 3 * 3 * 16 * 32
# END

# %% role="check"
check.answer(cnn, True, "cnn", reasons={False: "each layer moves its output along, and the mean forgets where it was"})
check.answer(vit, False, "vit", reasons={True: "the same patches meet other rows of the position table"})
check.answer(bag, True, "bag", reasons={False: "the patches hold the same, in another order: and who sees the order?"})
check.answer(
    bag_by_one, False, "bag_by_one", reasons={True: "by one pixel, each patch is cut elsewhere: it holds other numbers"}
)
check.answer(
    weights, 4608, "weights",
    reasons={9: "that is one kernel, from one channel to one", 144: "that is one output channel: there are 32",
             288: "each of the 32 kernels looks at all 16 channels", 9 * 16 * 32 * 784: "the places share their weights"},
)  # fmt: skip

# %% [markdown] role="hint"
# For 1 to 4 ask two questions. Are the numbers that go into the tokens the same, perhaps at other places? And does anything
# that comes after know the place?

# %% role="wrong"
{
    "a CNN must see the move": ("cnn = True", "cnn = False", "the mean forgets"),
    "whole patches, so nothing happens": ("vit = False", "vit = True", "other rows of the position table"),
    "the order counts": ("bag = True", "bag = False", "who sees the order"),
    "any move is alike": ("bag_by_one = False", "bag_by_one = True", "cut elsewhere"),
    "one kernel": ("3 * 3 * 16 * 32", "3 * 3", "one kernel"),
    "a depthwise one": ("3 * 3 * 16 * 32", "3 * 3 * 32", "all 16 channels"),
}

# %% [markdown] exercise="The matrix of a convolution" kind="build" stars=2 minutes=15
# Write `matrix_of(w, height, width)`: the matrix M of equation (1) for a picture of any size, (height · width, height ·
# width), so that `M @ x.ravel()` is the convolution. The kernel is (kh, kw), both odd, and its middle is the offset (0, 0).
# Pixels in a row, in reading order. Do it *without* running a convolution: put the weights where they belong.


# %% role="solution"
def matrix_of(w, height, width):
    """w (kh, kw), odd -> M (height·width, height·width)."""
    # YOUR TURN
    kh, kw = w.shape
    M = np.zeros((height, width, height, width))
    for i, j in np.ndindex(height, width):
        for a, b in np.ndindex(kh, kw):
            row, column = i + a - kh // 2, j + b - kw // 2
            if 0 <= row < height and 0 <= column < width:
                M[i, j, row, column] = w[a, b]
    return M.reshape(height * width, height * width)
    # END


# %% role="check"
def _matrix(w, height, width, side="same"):
    kh, kw = w.shape
    pictures = np.eye(height * width).reshape(-1, height, width)
    mode = {"same": "constant", "half": "wrap"}.get(side, side)
    around = np.pad(pictures, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2)), mode=mode)
    if side == "half":
        around[:, height + kh // 2 :] = around[:, :, width + kw // 2 :] = 0
    moved = (w[a, b] * around[:, a : a + height, b : b + width] for a in range(kh) for b in range(kw))
    return sum(moved).reshape(height * width, -1).T


for size, kernel_size in (((4, 6), (3, 3)), ((5, 4), (5, 3)), ((2, 3), (1, 5))):
    w_ = np.random.default_rng(1).standard_normal(kernel_size)
    check.close(
        check.call(matrix_of, w=w_, height=size[0], width=size[1]), _matrix(w_, *size), f"M, kernel {kernel_size}, picture {size}",
        mistakes={
            "This is the transpose, or, which is the same, the kernel turned by 180°: row p holds what output p looks "
            "at, and offset a looks at pixel i + a.": _matrix(w_, *size).T,
            "The picture is wrapped round: a negative index counts from the end.": _matrix(w_, *size, "wrap"),
            "A negative index counts from the end: the picture is wrapped round at two of its sides.": _matrix(w_, *size, "half"),
            "Beyond the border stands the nearest pixel, where (1) has 0.": _matrix(w_, *size, "edge"),
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# Think of M as having four indices, $M_{ij,\,rc}$: output (i, j) looks at pixel (r, c) with the weight $w_{ab}$ where
# $r = i + a$ and $c = j + b$, if that is inside. Fill an array (height, width, height, width), then reshape.

# %% role="wrong"
{
    "no look at the border": ("if 0 <= row < height and 0 <= column < width:", "if row < height and column < width:", "wrapped round"),
    "transposed": ("M[i, j, row, column] = w[a, b]", "M[row, column, i, j] = w[a, b]", "transpose"),
    "a real convolution": ("i + a - kh // 2, j + b - kw // 2", "i - a + kh // 2, j - b + kw // 2", "turned by 180°"),
    "the middle of 3": ("j + b - kw // 2", "j + b - 1", "max|Δ|"),
    "the edge repeated": (
        "            if 0 <= row < height and 0 <= column < width:\n                M[i, j, row, column] = w[a, b]",
        "            M[i, j, min(max(row, 0), height - 1), min(max(column, 0), width - 1)] += w[a, b]",
        "nearest pixel",
    ),
}  # fmt: skip

# %% [markdown] exercise="An unfair race" kind="break" stars=2 minutes=10
# Somebody compares two models at several amounts of data, `amounts`, and reports the accuracy at each. `train_at(n, steps, rate)`
# trains a model on n digits for so many steps of 50 digits, at a learning rate, and returns it; `score(model, which)` is
# its accuracy on the digits "validation" or "test". The curve comes out fine. Two things in this protocol are not fair, each
# of which makes the numbers say something else than they seem to. Mend them: each amount gets `steps` steps, and what is
# reported has decided nothing.


# %% role="broken"
def curve(train_at, score, amounts, steps, rates):
    """Returns the accuracy for each amount, at the best of the rates for that amount."""
    found = []
    for n in amounts:
        models = [train_at(n, steps * n // amounts[-1], rate) for rate in rates]
        found.append(max(score(model, "test") for model in models))
    return found


# %% role="solution"
def curve(train_at, score, amounts, steps, rates):
    """Returns the accuracy for each amount, at the best of the rates for that amount."""
    found = []
    for n in amounts:
        models = [train_at(n, steps, rate) for rate in rates]
        best = max(models, key=lambda model: score(model, "validation"))
        found.append(score(best, "test"))
    return found


# %% role="check"
def _train_at(n, steps, rate):
    return n, steps, rate


def _score(model, which):
    n, steps, rate = model
    table = {"validation": {0.01: 0.5, 0.02: 0.7, 0.04: 0.6}, "test": {0.01: 0.4, 0.02: 0.55, 0.04: 0.65}}
    return table[which][rate] + n / 1e5 + steps / 1e4


_amounts, _rates = [100, 300, 1000], [0.01, 0.02, 0.04]
_few = [200 * n // 1000 for n in _amounts]


def _protocol(steps, chosen, reported):
    models = [[(n, s, rate) for rate in _rates] for n, s in zip(_amounts, steps, strict=True)]
    return [_score(max(three, key=lambda m: _score(m, chosen)), reported) for three in models]


check.close(
    check.call(curve, train_at=_train_at, score=_score, amounts=_amounts, steps=200, rates=_rates), _protocol([200] * 3, "validation", "test"), "the curve",
    mistakes={
        "The test digits still choose the rate: the best of three lucky draws is no measure.": _protocol([200] * 3, "test", "test"),
        "Small amounts still get fewer steps: then less data and less training are one.": _protocol(_few, "validation", "test"),
        "Reported is the accuracy on the digits that chose the rate.": _protocol([200] * 3, "validation", "validation"),
        "Neither is mended: fewer steps for less data, and the test digits choose.": _protocol(_few, "test", "test"),
        "Every amount has n steps, where each is to have `steps`.": _protocol(_amounts, "validation", "test"),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Of two models, one trained on a tenth of the data *and* for a tenth of the steps: which of the two do you see? And of three
# accuracies on the same test digits, the largest is partly luck. Who may choose?

# %% role="wrong"
{
    "the steps alone": ('score(model, "validation")', 'score(model, "test")', "still choose the rate"),
    "the choice alone": ("train_at(n, steps, rate)", "train_at(n, steps * n // amounts[-1], rate)", "still get fewer steps"),
    "the validation reported": ('score(best, "test")', 'score(best, "validation")', "digits that chose the rate"),
    "one pass over each amount": ("train_at(n, steps, rate)", "train_at(n, n, rate)", "has n steps"),
}  # fmt: skip

# %% [markdown] exercise="Attention that is a convolution" kind="further" stars=3 minutes=20
# A ViT *can* learn to be local: nine heads can do what a kernel of 3 × 3 does (Cordonnier et al.,
# [arXiv 1911.03584](https://arxiv.org/abs/1911.03584)). Each head looks at one offset only: with
# weight 1 at the patch that lies there, 0 elsewhere. Its values are the tokens times a matrix of its own, and the heads
# are added:
#
# $$y = \sum_{a,b} P^{(ab)}\, x\; w_{ab}$$
#
# with x (N, C), the tokens of a grid (gh, gw) in reading order, $w_{ab}$ (C, O), and $P^{(ab)}$ (N, N). Write
# `looking(gh, gw)`, which returns the nine P as (3, 3, N, N): head (a, b) looks from patch (i, j) to (i + a − 1, j + b − 1).
# A row of attention must sum to 1, so at the border it cannot look at nothing: there the grid is *wrapped round*, and the
# neighbour above the first row is the last row.


# %% role="solution"
def looking(gh, gw):
    """-> P (3, 3, gh·gw, gh·gw); each row has a single 1."""
    # YOUR TURN
    P = np.zeros((3, 3, gh * gw, gh * gw))
    for a, b, i, j in np.ndindex(3, 3, gh, gw):
        P[a, b, i * gw + j, (i + a - 1) % gh * gw + (j + b - 1) % gw] = 1
    return P
    # END


# %% role="check"
gh_, gw_ = 4, 6
x_, w_ = rng.standard_normal((gh_ * gw_, 2)), rng.standard_normal((3, 3, 2, 5))
P_ = check.call(looking, gh=gh_, gw=gw_)
check.shape(P_, (3, 3, 24, 24), "P")
inside = [[[0 <= i + a < gh_ and 0 <= j + b < gw_ for i in range(gh_) for j in range(gw_)]
           for b in (-1, 0, 1)] for a in (-1, 0, 1)]  # fmt: skip
check.close(
    np.sum(P_, axis=-1), np.ones((3, 3, 24)), "rows of P sum to 1",
    mistakes={"At the border some look at nothing: wrap the grid round.": np.array(inside, float)},
)  # fmt: skip
wrapped = np.pad(x_.reshape(gh_, gw_, 2), ((1, 1), (1, 1), (0, 0)), mode="wrap")[None]


def _by(P):
    return sum(P[a, b] @ x_ @ w_[a, b] for a in range(3) for b in range(3))


expected = convolution_forward(wrapped, w_, 1, 0)[0].reshape(-1, 5)
mirrored = convolution_forward(wrapped, w_[::-1, ::-1], 1, 0)[0].reshape(-1, 5)
check.close(
    _by(P_), expected, "nine heads against a convolution",
    mistakes={"The heads look the other way: a = 0 is the row above.": mirrored,
              "Rows and columns of the offset are exchanged.": convolution_forward(wrapped, w_.swapaxes(0, 1), 1, 0)[0].reshape(-1, 5),
              "A row of the grid has gw patches: the number of patch (i, j) is i · gw + j.": _by(np.stack([[np.stack([
                  np.eye(24)[((i + a - 1) % gh_ * gh_ + (j + b - 1) % gw_) % 24] for i in range(gh_) for j in range(gw_)])
                  for b in range(3)] for a in range(3)]))},
)  # fmt: skip

# %% [markdown] role="hint"
# The patch (i, j) is token i · gw + j. `%` wraps round: (i − 1) % gh is gh − 1 for i = 0. In each row of each P there is one 1.

# %% role="wrong"
{
    "nothing beyond the border": (
        "        P[a, b, i * gw + j, (i + a - 1) % gh * gw + (j + b - 1) % gw] = 1\n",
        "        if 0 <= i + a - 1 < gh and 0 <= j + b - 1 < gw:\n"
        "            P[a, b, i * gw + j, (i + a - 1) * gw + j + b - 1] = 1\n",
        "look at nothing",
    ),
    "the other way": ("(i + a - 1) % gh * gw + (j + b - 1) % gw", "(i - a + 1) % gh * gw + (j - b + 1) % gw", "the other way"),
    "rows and columns exchanged": ("P[a, b, i", "P[b, a, i", "exchanged"),
    "who looks and who is looked at": (
        "P[a, b, i * gw + j, (i + a - 1) % gh * gw + (j + b - 1) % gw]",
        "P[a, b, (i + a - 1) % gh * gw + (j + b - 1) % gw, i * gw + j]",
        "the other way",
    ),
    "rows of gh patches": ("(i + a - 1) % gh * gw +", "(i + a - 1) % gh * gh +", "has gw patches"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Say what a convolution assumes, show it as a matrix, and derive why weights that are shared learn from every place.
# - Test a model for equivariance, and say which of its parts keep it and which do not.
# - Compare two models fairly, at equal parameters and steps, over amounts of data, and not claim more than the seeds allow.
#
# In the library: `minivit/ops/convolution.py` and `minivit/family/resnet.py`; the experiment:
# `benchmarks/family/inductive_bias.py`, and what was found: `docs/experiments.md` in the repository. Sources: A. Dosovitskiy et al., arXiv
# 2010.11929, section 3.1 (inductive bias) and 4.3; J.-B. Cordonnier, A. Loukas, M. Jaggi, arXiv 1911.03584.
