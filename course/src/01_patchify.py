# ---
# title: Patchify
# question: How does a picture become a sequence?
# sentence: Cut an image into patches with one reshape and one transpose, put it together again, and see why the backward is the inverse.
# minutes: 40
# needs: [0]
# gpu: of no use
# ---

# %% [markdown]
# A Transformer reads a sequence: a list of vectors, all of the same length. A picture is a grid of pixels. The Vision
# Transformer (Dosovitskiy et al., [arXiv 2010.11929](https://arxiv.org/abs/2010.11929), section 3.1) makes one from
# the other in the simplest way there is: it cuts the picture into squares, **patches**, and reads them like words on
# a page, row by row.

# %% role="setup"
import numpy as np
from matplotlib.figure import Figure

from minivit import check, draw, load_mnist
from minivit.ops import patchify_backward, patchify_forward, unpatchify

rng = np.random.default_rng(0)
digits = load_mnist()
images = digits.train_images[:2] / 255  # B = 2 real digits, ink from 0 to 1

# %% [markdown]
# ## The picture first
#
# Below is a digit of 28 × 28 pixels, cut into patches of 4 × 4. That makes 7 rows of 7 patches.

# %%
draw.patches(
    images[0], 4, alt="A handwritten digit with a grid over it: 49 patches, numbered from 0 at the top left to 48 at the "
    "bottom right; beside it the same patches one after the other, in rows, in the order of their numbers."
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Patch 0 is at the top left, patch 6 at the end of the first row, patch 7 begins the second:
# this is *reading order*. (2) Many patches are empty. (3) On the right, the digit is hard to read: once the patches
# stand in a row, nothing says which were neighbours. Chapter 04 gives that back.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B | images in a batch | 2 |
# | height, width | pixels | 28, 28 |
# | C | channels: 1 is grey, 3 is colour | 1 |
# | P | side of a patch | 4 |
# | N | patches, (height / P) · (width / P) | 7 · 7 = 49 |
# | P·P·C | numbers in a patch | 16 |
#
# So `images` (2, 28, 28, 1) becomes `patches` (2, 49, 16). No number is lost and none is made:

# %%
print("numbers in the images: ", images.size)
print("numbers in the patches:", 2 * 49 * 16)

# %% [markdown]
# Why not make every pixel a word of its own? Because attention (chapter 07) compares each word with every other: a
# picture of 224 × 224 has 50,176 pixels, and 50,176² is 2.5 billion comparisons. In patches of 16 × 16 it has 196 words
# and 38,416 comparisons.
#
# ## The idea, as a loop
#
# Patch number n lies in row `n // 7` and column `n % 7` of the grid of patches (here, 7 patches stand in a row). Its
# pixels are a square of the image, written out row by row:
#
# $$\begin{aligned} & \text{patches}[b,\; n,\; (r P + s)\,C + c] \\
# & = \text{images}[b,\; P\,\lfloor n/7 \rfloor + r, \\
# & \qquad\qquad\;\; P\,(n \bmod 7) + s,\; c] \end{aligned} \tag{1}$$


# %%
def patchify_loop(images, P):
    B, height, width, C = images.shape
    columns = width // P
    patches = np.empty((B, height // P * columns, P * P * C))
    for b in range(B):
        for n in range(patches.shape[1]):
            top, left = P * (n // columns), P * (n % columns)
            patches[b, n] = images[b, top : top + P, left : left + P].ravel()  # (P, P, C) -> (P·P·C,)
    return patches


patches = patchify_loop(images, 4)
check.shape(patches, (2, 49, 16), "patches")

# %% [markdown]
# ## The same, without a loop
#
# Look at equation (1) again. The row of a pixel is `P · (patch row) + r`: a number written in two digits. `reshape`
# reads such digits off. It splits the axis of 28 rows into (7 patch rows, 4 rows within a patch), and likewise the
# columns, and moves nothing in memory:

# %%
grid = images.reshape(2, 7, 4, 7, 4, 1)  # (B, patch row, r, patch column, s, C)
print(grid[0, 3, :, 2, :, 0].round(1))  # the patch in row 3, column 2 of the grid

# %% [markdown]
# Now every patch is there, but its axes stand in the wrong order: a patch needs its two *own* axes (r, s) last. So the
# second step is a transpose, and the third glues the axes together again: two into N, three into P·P·C.
#
# Even the transpose moves nothing in memory. It changes the *strides*: how far apart the neighbours along an axis
# lie. But the last reshape must copy: the 16 numbers of a patch lay in four different lines.
#
# The last line of the next cell uses the library. Every forward of the library returns a pair: the result, and a
# *cache*, what its backward will need. `[0]` takes the result.


# %%
def patchify(images, P):
    B, height, width, C = images.shape
    grid = images.reshape(B, height // P, P, width // P, P, C)
    grid = grid.transpose(0, 1, 3, 2, 4, 5)  # (B, patch row, patch column, r, s, C)
    return grid.reshape(B, -1, P * P * C)  # (B, N, P·P·C)


check.close(patchify(images, 4), patchify_loop(images, 4), "array against loop")
check.close(patchify_forward(images, (4, 4))[0], patchify_loop(images, 4), "library against loop")

# %%
draw.shapes(
    [
        ("images", "(B, 28, 28, 1)"), "reshape", ("grid", "(B, 7, 4, 7, 4, 1)"), "transpose",
        ("grid", "(B, 7, 7, 4, 4, 1)"), "reshape", ("patches", "(B, 49, 16)"),
    ],
    alt="Boxes joined by arrows: images (B, 28, 28, 1), reshape, grid (B, 7, 4, 7, 4, 1), transpose, grid "
    "(B, 7, 7, 4, 4, 1), reshape, patches (B, 49, 16).",
)  # fmt: skip

# %% [markdown]
# Watch the pixels walk: the middle of the digit, 12 lines of 12 pixels, in patches of 4 × 4. At first the pixels
# stand as in the image. Then the axes are split, then exchanged, and at last each patch is one line of 16.

# %%
middle = images[0, 8:20, 8:20, 0]
line, place = np.divmod(np.arange(144), 12)  # of every pixel
(R, r), (S, s) = np.divmod(line, 4), np.divmod(place, 4)  # patch row and r, patch column and s
stations = [
    ("12 lines of 12", 16 + place, 4 + line), ("reshape: (3, 4, 3, 4)", 15 + place + S, 3 + line + R),
    ("transpose: (3, 3, 4, 4)", 5 * (3 * R + S) + s, 7 + r), ("reshape: (9, 16)", 14 + 4 * r + s, 5 + 3 * R + S),
]  # fmt: skip


def walking(time):
    figure = Figure((7, 2.9))
    axes = figure.add_axes((0, 0, 1, 0.88))
    i, part = int(time), time % 1  # between station i and the next
    part = part * part * (3 - 2 * part)  # slow at both ends
    (title, *here), (_, *there) = stations[i], stations[min(i + 1, 3)]
    x, y = ((1 - part) * a + part * b for a, b in zip(here, there, strict=True))
    axes.scatter(
        x, y, c=middle.ravel(), cmap="Greys", vmin=-0.25, vmax=1, marker="s", s=85, edgecolors="0.6", linewidths=0.4
    )
    axes.set(xlim=(-1.5, 45.5), ylim=(17, 1), title=title if part == 0 else "")
    axes.axis("off")
    return figure


# %%
times = np.concatenate([[i] * 3 + list(i + np.arange(1, 7) / 7) for i in range(3)] + [[3]])
draw.animation(
    [walking(time) for time in times], seconds=0.2, still=9,
    alt="An animation: 12 lines of 12 grey squares, a piece of a digit. Gaps open between three rows and three columns of "
    "patches; the nine patches walk side by side into one row; then each is laid out as one line of 16 squares, nine lines in all.",
)  # fmt: skip

# %% [markdown]
# **What to watch:** one patch, say the one in the middle. (1) The first reshape only opens gaps. (2) In the transpose
# whole patches walk, and each stays as it is. (3) The last reshape lays the four lines of a patch one behind the
# other.
#
# ## The mistake that everybody makes once
#
# `images.reshape(2, 49, 16)` has the right shape, too. No error, and a model trained on it even learns something.
# *Before you run the next cell: what does its first "patch" hold?*

# %%
wrong = images.reshape(2, 49, 16)
both = np.concatenate((unpatchify(patches[:1, 21:28], (4, 28), (4, 4)), unpatchify(wrong[:1, 21:28], (4, 28), (4, 4))))
draw.digits(
    both, ["transposed: seven real patches", "reshaped alone: seven scraps"], columns=1, side=3.5,
    alt="Two strips of seven patches. In the first, a part of the digit can be seen; in the second, the strokes are torn "
    "into short horizontal pieces.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The upper strip is a band of the digit: the fourth row of patches. (2) The lower one holds the
# very same 112 pixels, four lines of the image, but each of its "patches" is 16 pixels in the order of memory: most of
# one line, sometimes the end of one and the start of the next, folded into a square. (3) The shape cannot tell them
# apart. Shapes are necessary, and never enough: compare numbers.
#
# ## The backward
#
# Training needs to know how the *loss* $\mathcal L$, one number that says how wrong the model is, changes with every
# number before it. So write $dx$ for $\partial \mathcal L / \partial x$: an array of the shape of $x$, the
# **gradient**. A *backward* is given the gradient of what its forward returned, and computes that of what went in.
# Here: given the gradient of the patches, find that of the images. (Pixels are not updated in training; but this
# gradient shows what a model reacts to.)
#
# *By index.* Equation (1) puts every pixel in exactly one place. If $p = \text{place}(i)$ is where pixel $i$ goes, then
# $\text{patches} _ p = \text{images} _ i$, so
#
# $$\begin{aligned} & \frac{\partial \mathcal L}{\partial\, \text{images} _ i} \\
# &= \sum_p \frac{\partial \mathcal L}{\partial\,\text{patches} _ p} \frac{\partial\,\text{patches} _ p}{\partial\,\text{images} _ i} \\
# &= \frac{\partial \mathcal L}{\partial\, \text{patches} _ {\text{place}(i)}} \end{aligned} \tag{2}$$
#
# Of the sum one term is left: the derivative is 1 at that place, and 0 everywhere else.
#
# *In matrix form.* Write image and patches as long vectors. Then $\text{patches} = \Pi\,\text{images}$ with a
# permutation matrix $\Pi$: one 1 in each row and in each column. The derivative of patch number p by pixel i is
# $\Pi_{pi}$, so the sum in (2) runs over the rows of $\Pi$: the backward of a product with a matrix is a product with
# its transpose. And the transpose of a permutation is its inverse:
#
# $$\begin{aligned} d\text{images} &= \Pi^\top d\text{patches} \\
# &= \Pi^{-1} d\text{patches} \end{aligned} \tag{3}$$
#
# Let us see the matrix, for an image of 4 × 4 in patches of 2 × 2. Feed in one pixel at a time:

# %%
pixels = np.eye(16).reshape(16, 4, 4, 1)  # 16 images, each with one pixel of ink
Pi = patchify(pixels, 2).reshape(16, 16).T  # column i: where pixel i goes
check.close(Pi.T @ Pi, np.eye(16), "the transpose is the inverse")
draw.matrix(
    Pi, title="Π: patches = Π images", rows="number in the patches", columns="pixel", values=False, colorbar=False,
    alt="A 16 by 16 matrix with a single one in each row and column. The ones lie in short diagonals of two, because two "
    "pixels of a row stay together.",
)  # fmt: skip

# %% [markdown]
# *In code.* Undo the three steps in the opposite order: split N and P·P·C, exchange the same two axes again, glue.


# %%
def unpatchify_ours(patches, height, width, P):
    grid = patches.reshape(len(patches), height // P, width // P, P, P, -1)  # (B, patch row, patch column, r, s, C)
    grid = grid.transpose(0, 1, 3, 2, 4, 5)  # (B, patch row, r, patch column, s, C)
    return grid.reshape(len(patches), height, width, -1)  # (B, height, width, C)


check.close(unpatchify_ours(patches, 28, 28, 4), images, "there and back")

# %% [markdown]
# ## Is it right?
#
# A gradient is checked against its own definition: move one pixel a little, and see how much the result moves.
# Chapter 05 is about how and why; here we only use it, on random numbers (a digit's many zeros would hide mistakes)
# and on a picture that is not square and has two channels, since equal sizes hide mistakes, too.

# %%
small = rng.standard_normal((2, 4, 6, 2))
check.grad(lambda x: patchify_forward(x, (2, 3)), patchify_backward, {"images": small})

# %% [markdown] exercise="Which patch?" kind="predict" stars=1 minutes=4
# An image of 28 × 28 is cut into patches of 4 × 4. The pixel in row 13, column 22 (both counted from 0) lies in which
# `patch`? And at which `place`, of the 16 in it? Each answer is one number, counted from 0.

# %% role="solution"
# YOUR TURN
patch = 26
place = 6
# END

# %% role="check"
one = np.zeros((1, 28, 28, 1))
one[0, 13, 22] = 1
found = np.argwhere(patchify_forward(one, (4, 4))[0][0] == 1)[0]
check.answer(
    patch, found[0], "patch",
    reasons={38: "rows come first: 7 patches to a row", 27: "counted from 0",
             (3, 5): "row and column of the patch are right; which number has it in reading order?"},
)  # fmt: skip
check.answer(
    place, found[1], "place",
    reasons={9: "within a patch, too, rows come first", 7: "counted from 0",
             (1, 2): "row and column within the patch are right; which number has it in reading order?"},
)  # fmt: skip

# %% [markdown] role="hint"
# Divide with remainder: 13 = 4 · 3 + 1 and 22 = 4 · 5 + 2. Then use equation (1).

# %% role="wrong"
{
    "columns before rows": ("patch = 26", "patch = 38", "rows come first"),
    "counted from one": ("patch = 26", "patch = 27", "counted from 0"),
    "row and column": ("patch = 26", "patch = (3, 5)", "in reading order"),
    "the place, columns first": ("place = 6", "place = 9", "within a patch"),
}

# %% [markdown] exercise="Rectangles" kind="build" stars=2 minutes=10
# Write `patchify_any` for patches that are not square: `patch_size` is a pair, (height, width) of a patch. Use one
# reshape, one transpose and one reshape, and no loop.


# %% role="solution"
def patchify_any(images, patch_size):
    """images (B, height, width, C) -> patches (B, N, P_h·P_w·C)."""
    # YOUR TURN
    B, height, width, C = images.shape
    ph, pw = patch_size
    grid = images.reshape(B, height // ph, ph, width // pw, pw, C)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(B, -1, ph * pw * C)
    # END


# %% role="check"
picture = rng.standard_normal((2, 12, 20, 3))
expected = patchify_forward(picture, (3, 5))[0]
check.close(
    patchify_any(picture, (3, 5)), expected, "patches",
    mistakes={"The transpose is missing: each patch is a piece of the lines.": picture.reshape(2, 16, 45),
              "The channels come first in your patches; they must come last: (row, column, channel).":
                  expected.reshape(2, 16, 15, 3).swapaxes(2, 3).reshape(2, 16, 45)},
)  # fmt: skip

# %% [markdown] role="hint"
# The axis of the rows has height = (height / P_h) · P_h numbers: which of the two factors comes first in the reshape?

# %% role="wrong"
{
    "reshape without transpose": (".transpose(0, 1, 3, 2, 4, 5)", "", "transpose is missing"),
    "height and width of a patch exchanged": ("ph, pw = patch_size", "pw, ph = patch_size", "cannot reshape"),
    "patch columns before patch rows": ("(0, 1, 3, 2, 4, 5)", "(0, 3, 1, 2, 4, 5)", "another order along axis 1"),
    "pixels column by column": ("(0, 1, 3, 2, 4, 5)", "(0, 1, 3, 4, 2, 5)", "another order along axis 2"),
    "channels first": ("(0, 1, 3, 2, 4, 5)", "(0, 1, 3, 5, 2, 4)", "they must come last"),
}

# %% [markdown] exercise="It still trains" kind="break" stars=2 minutes=8
# A colleague's `patchify` gives the right shape, every number of the image is there, and a model trained on it reaches
# 90 %. Find the mistake and mend it.


# %% role="broken"
def patchify_colleague(images, P):
    B, height, width, C = images.shape
    grid = images.reshape(B, height // P, P, width // P, P, C)
    grid = grid.transpose(0, 3, 1, 4, 2, 5)
    return grid.reshape(B, -1, P * P * C)


# %% role="solution"
def patchify_colleague(images, P):
    B, height, width, C = images.shape
    grid = images.reshape(B, height // P, P, width // P, P, C)
    grid = grid.transpose(0, 1, 3, 2, 4, 5)
    return grid.reshape(B, -1, P * P * C)


# %% role="check"
colleague = images.reshape(2, 7, 4, 7, 4, 1).transpose(0, 3, 1, 4, 2, 5).reshape(2, 49, 16)
check.close(
    patchify_colleague(images, 4), patchify_forward(images, (4, 4))[0], "patches",
    mistakes={"The transpose is there; look at the order of its axes: two pairs are exchanged.": colleague,
              "A reshape alone leaves all numbers in the order of the memory.": images.reshape(2, 49, 16)},
)  # fmt: skip
in_colour = rng.standard_normal((3, 8, 12, 2))
check.close(patchify_colleague(in_colour, 4), patchify_forward(in_colour, (4, 4))[0], "patches of two channels")

# %% [markdown] role="hint"
# Draw what it returns: `draw.digits(unpatchify(patchify_colleague(images, 4), (28, 28), (4, 4)), alt="mine")`. Which
# two pairs of axes have changed places?

# %% role="wrong"
{
    "as it was": ("(0, 1, 3, 2, 4, 5)", "(0, 3, 1, 4, 2, 5)", "two pairs are exchanged"),
    "only the patches in order": ("(0, 1, 3, 2, 4, 5)", "(0, 1, 3, 4, 2, 5)", "another order along axis 2"),
    "only the pixels in order": ("(0, 1, 3, 2, 4, 5)", "(0, 3, 1, 2, 4, 5)", "another order along axis 1"),
    "channels first": ("(0, 1, 3, 2, 4, 5)", "(0, 1, 3, 5, 2, 4)", "another order along axis 2"),
    "no transpose": ("    grid = grid.transpose(0, 1, 3, 2, 4, 5)\n", "", "A reshape alone"),
}

# %% [markdown] exercise="Overlapping patches" kind="further" stars=3 minutes=15
# Some later models (T2T-ViT, PVT v2) cut patches that overlap: the window moves by `stride` < P pixels. Write the
# forward and its backward. Beware: now a pixel goes to *several* places, so equation (2) keeps several terms of its
# sum. The patches are in reading order, each flattened as (row, column, channel). The forward returns the pair
# (patches, cache); the cache is yours to choose, and `overlapping_backward(dpatches, cache)` gets it.

# %% role="given"
# np.lib.stride_tricks.sliding_window_view(images, (P, P), axis=(1, 2)) has shape (B, height-P+1, width-P+1, C, P, P)


# %% role="solution"
def overlapping_forward(images, P, stride):
    """images (B, height, width, C) -> patches (B, N, P·P·C), and the cache."""
    # YOUR TURN
    windows = np.lib.stride_tricks.sliding_window_view(images, (P, P), axis=(1, 2))[:, ::stride, ::stride]
    B, gh, gw, C = windows.shape[:4]
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(B, gh * gw, P * P * C)
    return patches, (images.shape, P, stride, gh, gw)
    # END


def overlapping_backward(dpatches, cache):
    """dpatches (B, N, P·P·C) -> dimages (B, height, width, C)."""
    # YOUR TURN
    shape, P, stride, gh, gw = cache
    dimages = np.zeros(shape)
    for n, dpatch in enumerate(dpatches.swapaxes(0, 1)):
        top, left = stride * (n // gw), stride * (n % gw)
        dimages[:, top : top + P, left : left + P] += dpatch.reshape(shape[0], P, P, shape[3])
    return dimages
    # END


# %% role="check"
picture = rng.standard_normal((4, 7, 5, 2))
apart = rng.standard_normal((2, 6, 4, 3))
expected = patchify_forward(apart, (2, 2))[0]
channels_first = expected.reshape(2, 6, 4, 3).swapaxes(2, 3).reshape(2, 6, 12)
check.close(
    overlapping_forward(apart, 2, 2)[0], expected, "patches that do not overlap",
    mistakes={"The channels come first in your patches; they must come last: (row, column, channel).": channels_first},
)  # fmt: skip
check.shape(overlapping_forward(picture, 3, 2)[0], (4, 6, 18), "patches")


def put_back(dpatches, step, keep):
    """The backward as it is not: other steps, or (keep 0) what was there is overwritten."""
    dimages = np.zeros(picture.shape)
    for n, dpatch in enumerate(dpatches.swapaxes(0, 1)):
        there = dimages[:, step * (n // 2) : step * (n // 2) + 3, step * (n % 2) : step * (n % 2) + 3]
        there[...] = keep * there + dpatch.reshape(4, 3, 3, 2)
    return dimages


known = {
    "A pixel that lies in several patches hears from all: add, do not overwrite.": lambda dy, _: put_back(dy, 2, 0),
    "The patches are put back one pixel apart, not `stride`.": lambda dy, _: put_back(dy, 1, 1),
}
check.grad(lambda x: overlapping_forward(x, 3, 2), overlapping_backward, {"images": picture}, mistakes=known)

# %% [markdown] role="hint"
# Forward: take every `stride`-th window, move C to the end. Backward: a loop over the N patches is fine. Add each
# patch's gradient to the square of the image that it was cut from: `+=`, not `=`.

# %% role="wrong"
{
    "overwritten, not added": ("+= dpatch", "= dpatch", "do not overwrite"),
    "a step of one": ("stride * (n // gw), stride * (n % gw)", "n // gw, n % gw", "one pixel apart"),
    "the channel before the pixels": ("(0, 1, 2, 4, 5, 3)", "(0, 1, 2, 3, 4, 5)", "The channels come first"),
    "the channel first, there and back": (
        "",
        "def overlapping_forward(images, P, stride):\n"
        "    windows = np.lib.stride_tricks.sliding_window_view(images, (P, P), axis=(1, 2))[:, ::stride, ::stride]\n"
        "    B, gh, gw, C = windows.shape[:4]\n"
        "    return windows.reshape(B, gh * gw, C * P * P), (images.shape, P, stride, gw)\n"
        "def overlapping_backward(dpatches, cache):\n"
        "    (B, height, width, C), P, stride, gw = cache\n"
        "    dimages = np.zeros((B, height, width, C))\n"
        "    for n, dpatch in enumerate(dpatches.swapaxes(0, 1)):\n"
        "        top, left = stride * (n // gw), stride * (n % gw)\n"
        "        square = dpatch.reshape(B, C, P, P).transpose(0, 2, 3, 1)\n"
        "        dimages[:, top : top + P, left : left + P] += square\n"
        "    return dimages",
        "The channels come first",
    ),
}

# %% [markdown]
# ## What you can do now
#
# - Turn a batch of images into a batch of sequences, with one reshape, one transpose and one reshape, and say what each
#   does to the memory.
# - Tell `reshape` from `reshape and transpose` by looking at the numbers, not at the shape.
# - Derive the backward of any rearrangement: it is the inverse; where a number is used more than once, a sum.
#
# In the library: `minivit/ops/patches.py` (32 lines). As a CUDA kernel: `kernels/patchify.cu`.
# Source: A. Dosovitskiy et al., *An Image is Worth 16x16 Words*, arXiv 2010.11929, section 3.1.
