# ---
# title: Patch embedding is a strided convolution
# question: How does a patch of pixels become a vector that a Transformer can work with?
# sentence: One matrix turns every patch into a token; the same numbers are a convolution that does not overlap. The dense layer's backward, which all others resemble.
# minutes: 40
# needs: [1]
# gpu: of no use
# ---

# %% [markdown]
# Chapter 01 cut an image into patches: 49 vectors of 16 numbers. They are pixels, though, and 16 numbers is little room
# for what the model will want to note down about a patch. So each patch is multiplied with one learned matrix, and a bias
# added; what comes out, D numbers long, is its **token**. That is all there is to a *patch embedding*.

# %% role="setup"
import numpy as np

from minivit import ViT, check, draw, load_mnist
from minivit.data import TRAINED_DIGITS
from minivit.ops import convolution_forward, linear_backward, linear_forward, patchify_forward

rng = np.random.default_rng(0)
digits = load_mnist()
model = ViT.load(TRAINED_DIGITS)  # a small ViT that has learned to read digits: see chapter 13
images = model.normalize(digits.train_images[:2]).astype(np.float64)  # B = 2, (pixel - mean) / std
patches, _ = patchify_forward(images, (4, 4))  # (2, 49, 16)
weight = model.params["patch_embed.proj.weight"].astype(np.float64)  # (16, 48)
bias = model.params["patch_embed.proj.bias"].astype(np.float64)  # (48,)

# %% [markdown]
# ## The picture first
#
# Two rows of patches from the middle of a real digit, the weight of a model that was trained, and what comes out: the
# tokens, but for the bias, one more number for each of their 48 places. (0 is the mean of all pixels, so paper is
# negative.)

# %%
some = slice(21, 35)  # two rows of patches through the middle of the digit
draw.matrices(
    [
        {"array": patches[0, some], "title": "patches", "rows": "14 rows", "columns": "P·P·C = 16", "values": False},
        {"array": weight, "title": "weight", "rows": "16", "columns": "D = 48"},
        {"array": patches[0, some] @ weight, "title": "tokens, less their bias", "rows": "14 rows", "columns": "D = 48"},
    ],
    between=["@", "="], share=False, diverging=True,
    alt="Three coloured matrices: 14 patches of 16 numbers, times a weight of 16 by 48, gives 14 rows of 48 numbers. "
    "Equal patches give equal tokens.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A row on the left becomes a row on the right: each patch goes its own way, and the weight is
# the same for all. (2) Rows that look alike on the left, the empty patches, look alike on the right. (3) A row has grown
# from 16 numbers to 48.
#
# ## The shapes
#
# | symbol | meaning | here | in ViT-B/16 |
# |---|---|---|---|
# | B | images | 2 | any |
# | N | patches | 49 | 14 · 14 = 196 |
# | P·P·C | numbers in a patch | 4·4·1 = 16 | 16·16·3 = 768 |
# | D | numbers in a token: the *width* | 48 | 768 |
# | W | the weight, (P·P·C, D) | (16, 48) | (768, 768) |
# | b | the bias, (D,) | (48,) | (768,) |
#
# That a ViT-B/16 has 768 numbers in a patch and 768 in a token is a coincidence; its larger sisters have the same
# patches, and wider tokens.
#
# ## The idea, as a loop
#
# Number $d$ of a token is a weighted sum of the patch's pixels, and a bias:
#
# $$y_{bnd} = \sum_{i=0}^{P \cdot P \cdot C - 1} x_{bni}\, W_{id} + b_d \tag{1}$$


# %%
def embed_loop(x, W, b):
    y = np.empty((*x.shape[:2], W.shape[1]))
    for image in range(x.shape[0]):
        for n in range(x.shape[1]):
            for d in range(W.shape[1]):
                y[image, n, d] = np.sum(x[image, n] * W[:, d]) + b[d]
    return y


tokens = embed_loop(patches, weight, bias)
check.shape(tokens, (2, 49, 48), "tokens")

# %% [markdown]
# Equation (1) is a matrix product, and image and patch number play no part in it. So all patches of all images can be the
# rows of a single tall matrix, $X$ with $R = B \cdot N$ rows:
#
# $$\begin{aligned} Y &= X W + \mathbf 1\, b^\top \\
# (R, D) &= (R, P \cdot P \cdot C) \\
# &\quad (P \cdot P \cdot C, D) \\
# &\quad + (R, 1)\,(1, D) \end{aligned} \tag{2}$$

# %%
check.close(patches @ weight + bias, tokens, "array against loop")
check.close(linear_forward(patches, weight, bias)[0], tokens, "library against loop")

# %% [markdown]
# ## The same numbers, seen as a convolution
#
# Column $d$ of the weight has 16 numbers: as many as a patch has pixels. Fold it into a square, and it is a little picture,
# a **filter**. Equation (1) lays that filter over a patch, multiplies pixel by pixel, and adds up. Then it goes on to the
# next patch, four pixels further.
#
# A filter that is laid over a picture, multiplied, summed, and moved on: that is a convolution (strictly, a
# cross-correlation: the filter is not turned round). Its kernel is P × P, its *stride*, the step from place to place, is
# P, too. *Before you run the next cell: which reshape turns the weight into 48 filters?*

# %%
kernel = weight.reshape(4, 4, 1, 48)  # (row, column, channel) as in a flat patch, and then the filter


def convolve_loop(images, kernel, stride):
    size = kernel.shape[0]
    B, height, width, _ = images.shape
    rows, columns = (height - size) // stride + 1, (width - size) // stride + 1
    y = np.empty((B, rows, columns, kernel.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = images[:, stride * i : stride * i + size, stride * j : stride * j + size, :, None]
            y[:, i, j] = np.sum(window * kernel, axis=(1, 2, 3))
    return y


convolved = convolve_loop(images, kernel, 4) + bias  # (2, 7, 7, 48)
check.close(convolved.reshape(2, 49, 48), tokens, "convolution against patch embedding")
library, _ = convolution_forward(images, kernel, stride=4, padding=((0, 0), (0, 0)))
check.close((library + bias).reshape(2, 49, 48), tokens, "library's convolution against patch embedding")

# %% [markdown]
# This is why the papers and other libraries write the patch embedding as a convolution: "768 kernels of 16 × 16 × 3,
# stride 16". The picture of 224 × 224 × 3 becomes 14 × 14 × 768. Nothing overlaps, so nothing needs to be computed as a
# convolution; a reshape, a transpose and one product do it.
#
# Here are the filters that our model has learned:

# %%
from minivit import inspect

draw.picture(
    inspect.plot_patch_filters(model),
    alt="48 small pictures of 4 by 4 weights in red and blue, strongest first. A few have a red and a blue side; most look "
    "like noise.",
)

# %% [markdown]
# **What to notice.** (1) Red answers to ink, blue against it. The third in the first row is red at the left, and blue at
# the lower right: it answers to an *edge* between ink and paper there. The tenth is red along its top, and blue just below
# it. (2) Most look like noise. 48 filters of 16 numbers are three times as many as it takes to keep all of a
# patch: none has to make sense alone. (3) The order is by the size of the weights; size is not use. (In models trained on
# millions of photographs, the main components of the filters are clean waves: Figure 7 of the paper.)
#
# ## What sharing the weight means
#
# Every patch meets the same weight. So if the digit moves by one whole patch, its tokens move by one place, and are
# otherwise the same numbers. *What happens if it moves by one pixel?*

# %%
by_patch = convolve_loop(np.roll(images, 4, axis=2), kernel, 4)
by_pixel = convolve_loop(np.roll(images, 1, axis=2), kernel, 4)
still = convolve_loop(images, kernel, 4)
print("moved by 4 pixels, tokens moved by 1:", np.abs(by_patch - np.roll(still, 1, axis=2)).max())
print("moved by 1 pixel, largest change:    ", np.abs(by_pixel - still).max().round(2))
print("tokens that it changes, of 49:       ", (by_pixel != still).any(-1).sum((1, 2)), end=" · ")
print("patches with ink:", (patches > patches.min()).any(-1).sum(-1))

# %% [markdown]
# By one patch: the difference is zero. By one pixel: every patch with ink in it changes, and those that get ink from a
# neighbour; their new tokens need not equal any of the old ones. An ordinary convolution, with stride 1, would have moved
# along. This is a first piece of the *inductive bias* (what a network assumes before it has seen data) that a ViT gives
# up: it must learn from the data that a 7 is a 7 wherever it stands.
#
# ## The backward
#
# We are given $dY = \partial \mathcal L / \partial Y$, a number for each number of the tokens, and want the gradients of
# what went in: $dX$, $dW$ and $db$.
#
# *By index.* $W_{id}$ occurs in equation (1) once for every row $r$ (each patch of each image), times $x_{ri}$. All
# these occurrences move the loss, so their effects add. Likewise $b_d$ occurs in every row, times 1; and $x_{ri}$ occurs in
# all D numbers of its token, times $W_{id}$:
#
# $$\frac{\partial \mathcal L}{\partial W_{id}} = \sum_r x_{ri}\, dy_{rd} \tag{3}$$
#
# $$\frac{\partial \mathcal L}{\partial b_d} = \sum_r dy_{rd} \tag{4}$$
#
# $$\frac{\partial \mathcal L}{\partial x_{ri}} = \sum_d dy_{rd}\, W_{id} \tag{5}$$
#
# *In matrix form.* In (3) the sum runs over the first index of both: a product with the transpose on the left. In (5) it
# runs over the second index of both: a transpose on the right.
#
# $$\begin{aligned} dW &= X^\top dY \\
# db &= dY^\top \mathbf 1 \\
# dX &= dY\, W^\top \end{aligned} \tag{6}$$
#
# You need not remember where the transposes go: the shapes leave only one way. $dW$ must be (16, 48), and from $X$ (98, 16)
# and $dY$ (98, 48) there is one product of that shape.


# %%
def embed_backward(dy, cache):
    x, W = cache
    X, dY = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])  # R = B·N rows
    dW = X.T @ dY  # (3)
    db = dY.sum(axis=0)  # (4), over the batch and over the patches
    dx = (dY @ W.T).reshape(x.shape)  # (5)
    return dx, dW, db


small = {"x": rng.standard_normal((2, 5, 6)), "weight": rng.standard_normal((6, 3)), "bias": rng.standard_normal(3)}
check.grad(lambda x, W, b: (x @ W + b, (x, W)), embed_backward, small)
check.grad(linear_forward, linear_backward, small)

# %% [markdown]
# ## What a gradient of a filter looks like
#
# Equation (3) says something that one can see. Column $d$ of $dW$ is a sum of *patches*, each weighted with how much the
# loss would like that token's number $d$ to change. So the gradient of a filter is itself a little picture, made of pieces
# of the digits in the batch:

# %%
_, grads = model.loss_and_grads(model.normalize(digits.test_images[:256]), digits.test_labels[:256])
filters = inspect.patch_filters(model)[..., 0]  # (48, 4, 4)
gradients = grads["patch_embed.proj.weight"].T.reshape(48, 4, 4)
strongest = np.argsort(-np.abs(gradients).max(axis=(1, 2)))[:6]


def row(pictures):  # some pictures of 4 x 4 side by side, with empty columns between them
    return np.concatenate([np.pad(one, ((0, 0), (0, 1)), constant_values=np.nan) for one in pictures], axis=1)[:, :-1]


draw.matrices(
    [
        {"array": row(filters[strongest]), "title": "six filters", "values": False},
        {"array": row(gradients[strongest]), "title": "their gradients", "values": False},
    ],
    share=False, diverging=True,
    alt="Six filters of 4 by 4 weights at the left and their gradients at the right, in red and blue. The filters look ragged; the "
    "gradients change slowly from pixel to pixel, like pieces of strokes.",
)  # fmt: skip

# %%
for name, little in (("filters", filters), ("gradients", gradients)):
    steps = np.abs(np.diff(little, axis=1)).mean() + np.abs(np.diff(little, axis=2)).mean()
    print(f"{name:9}  mean size {np.abs(little).mean():.4f}, mean step between neighbours {steps / 2:.4f}")

# %% [markdown]
# **What to notice.** (1) Training would subtract a little of each picture on the right from the one on the left. (2) The
# gradients are smoother than the filters: from a pixel to its neighbour they change by less than their typical size, the
# filters by more. They are sums of patches, and patches of digits are smooth. (3) Left and right have scales of colours of
# their own: the gradients' numbers are far smaller.

# %% [markdown] exercise="ViT-B/16" kind="predict" stars=1 minutes=5
# A picture of 224 × 224 with 3 channels, patches of 16 × 16, D = 768. How many `tokens` are there? How many `parameters`
# has the patch embedding, weight and bias together? And how many, if the same model gets pictures of 384 × 384
# (`parameters_384`)?

# %% role="solution"
# YOUR TURN
tokens = 14 * 14
parameters = 768 * 768 + 768
parameters_384 = 768 * 768 + 768
# END

# %% role="check"
big = np.zeros((1, 224, 224, 3), np.float32)
cut, _ = patchify_forward(big, (16, 16))
check.answer(tokens, cut.shape[1], "tokens", reasons={197: "the class token comes later", 256: "224 / 16 is not 16"})
check.answer(
    parameters,
    cut.shape[2] * 768 + 768,
    "parameters",
    reasons={768 * 768: "and the bias?", 257 * 768: "a pixel has three numbers"},
)
check.answer(
    parameters_384, cut.shape[2] * 768 + 768, "parameters_384",
    reasons={24 * 24 * 768: "that is the number of numbers in the tokens; the weight is shared by all patches"},
)  # fmt: skip

# %% [markdown] role="hint"
# The weight is (P·P·C, D). Does any of these letters depend on how large the picture is?

# %% role="wrong"
{
    "the bias forgotten": ("parameters = 768 * 768 + 768", "parameters = 768 * 768", "and the bias"),
    "the class token counted": ("tokens = 14 * 14", "tokens = 14 * 14 + 1", "comes later"),
    "sixteen patches a side": ("tokens = 14 * 14", "tokens = 16 * 16", "224 / 16 is not 16"),
    "one channel": ("parameters = 768 * 768 + 768", "parameters = 256 * 768 + 768", "a pixel has three"),
    "more patches, more weights": ("parameters_384 = 768 * 768 + 768", "parameters_384 = 24 * 24 * 768", "shared"),
}

# %% [markdown] exercise="From PyTorch's layout" kind="build" stars=2 minutes=10
# PyTorch keeps the weight of a convolution as (D, C, P_h, P_w). Write `from_torch(kernel)`, which returns the weight
# (P_h·P_w·C, D) that our patch embedding needs, for patches that are flattened (row, column, channel).


# %% role="solution"
def from_torch(kernel):
    """kernel (D, C, P_h, P_w) -> weight (P_h·P_w·C, D)."""
    # YOUR TURN
    D = len(kernel)
    return kernel.transpose(2, 3, 1, 0).reshape(-1, D)
    # END


# %% role="check"
kernel = rng.standard_normal((5, 3, 2, 4))  # D = 5 filters of 2 x 4 pixels with 3 channels
picture = rng.standard_normal((2, 4, 8, 3))
by_hand = np.stack(
    [(picture[:, 2 * i : 2 * i + 2, 4 * j : 4 * j + 4, None].transpose(0, 3, 4, 1, 2) * kernel).sum((2, 3, 4))
     for i in range(2) for j in range(2)], axis=1,
)  # fmt: skip
check.shape(from_torch(kernel), (24, 5), "weight")
cut, _ = patchify_forward(picture, (2, 4))
check.close(
    cut @ from_torch(kernel), by_hand, "tokens",
    mistakes={
        "The channels come first in your rows; in a flat patch they come last.": cut @ kernel.reshape(5, -1).T,
        "In your rows the columns of a patch come before its rows.": cut @ kernel.transpose(3, 2, 1, 0).reshape(-1, 5),
        "The filters' axis is still in front; it must be the last before the reshape.": cut @ kernel.reshape(-1, 5),
        "The other axes are in order; but the filters' must come last before the reshape.":
            cut @ kernel.transpose(0, 2, 3, 1).reshape(-1, 5),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Of the four axes, which must come last? Which three, in which order, become the rows?

# %% role="wrong"
{
    "flattened as it is": (
        "kernel.transpose(2, 3, 1, 0).reshape(-1, D)",
        "kernel.reshape(D, -1).T",
        "channels come first",
    ),
    "columns before rows": ("transpose(2, 3, 1, 0)", "transpose(3, 2, 1, 0)", "columns of a patch come before"),
    "not transposed": ("kernel.transpose(2, 3, 1, 0).reshape(-1, D)", "kernel.reshape(-1, D)", "still in front"),
    "the filters in front": ("transpose(2, 3, 1, 0)", "transpose(0, 2, 3, 1)", "must come last"),
}

# %% [markdown] exercise="Two mistakes that cancel" kind="break" stars=3 minutes=12
# `make_pair` below makes pairs of functions: `cut(images, P_h, P_w)` makes patches of images, `paste(patches, height,
# width, P_h, P_w)` images of patches. One pair is right. In the others, a mistake in `cut` is undone by the same mistake
# in `paste`, so that going there and back gives the image again, always. (This happens in real code: all tests pass, until
# somebody loads published weights.)
#
# Write `is_right(pair)`, which returns True for the right pair alone. The check knows five pairs; `is_right` gets one pair
# (cut, paste) at a time.


# %% role="given"
def make_pair(order):
    """cut and paste with the axes (B, gh, P_h, gw, P_w, C) brought into this order."""

    def cut(images, ph, pw):
        B, height, width, C = images.shape
        grid = images.reshape(B, height // ph, ph, width // pw, pw, C)
        return grid.transpose(order).reshape(B, -1, ph * pw * C)

    def paste(patches, height, width, ph, pw):
        sizes = np.array([len(patches), height // ph, ph, width // pw, pw, patches[0].size // (height * width)])
        return patches.reshape(sizes[list(order)]).transpose(np.argsort(order)).reshape(len(patches), height, width, -1)

    return cut, paste


there_and_back = rng.standard_normal((2, 6, 8, 3))
for order in [(0, 1, 3, 2, 4, 5), (0, 3, 1, 2, 4, 5)]:
    cut, paste = make_pair(order)
    check.close(paste(cut(there_and_back, 3, 2), 6, 8, 3, 2), there_and_back, f"there and back, {order}")


# %% role="solution"
def is_right(pair):
    """True if cut gives patches in reading order, each with its numbers in the order (row, column, channel)."""
    cut, paste = pair
    # YOUR TURN
    image = np.arange(1 * 4 * 6 * 2).reshape(1, 4, 6, 2)
    second_patch = image[0, 0:2, 3:6].ravel()  # written out by hand, without cut
    return np.array_equal(cut(image, 2, 3)[0, 1], second_patch)
    # END


# %% role="check"
check.catches(
    is_right,
    make_pair((0, 1, 3, 2, 4, 5)),
    {
        "patches column by column": make_pair((0, 3, 1, 2, 4, 5)),
        "pixels column by column": make_pair((0, 1, 3, 4, 2, 5)),
        "channels first": make_pair((0, 1, 3, 5, 2, 4)),
        "no transpose": make_pair((0, 1, 2, 3, 4, 5)),
    },
)

# %% [markdown] role="hint"
# A function cannot be its own witness. Take a small image in which every number is different, write down by hand (by
# slicing) what one particular patch must hold, and compare. Patch 0 alone cannot tell all the candidates apart.

# %% role="wrong"
{
    "there and back": (
        "np.array_equal(cut(image, 2, 3)[0, 1], second_patch)",
        "np.array_equal(paste(cut(image, 2, 3), 4, 6, 2, 3), image)",
        "lets 4 of 4",
    ),
    "the first patch alone": (
        "np.array_equal(cut(image, 2, 3)[0, 1], second_patch)",
        "np.array_equal(cut(image, 2, 3)[0, 0], image[0, 0:2, 0:3].ravel())",
        "patches column by column",
    ),
    "the shape alone": (
        "np.array_equal(cut(image, 2, 3)[0, 1], second_patch)",
        "cut(image, 2, 3).shape == (1, 4, 12)",
        "lets 4 of 4",
    ),
    "its numbers in any order": (
        "np.array_equal(cut(image, 2, 3)[0, 1], second_patch)",
        "set(cut(image, 2, 3)[0, 1]) == set(second_patch)",
        "pixels column by column",
    ),
}

# %% [markdown] exercise="A model that trains badly" kind="break" stars=1 minutes=5
# With this backward the loss falls, and not as far as it should. Mend it.


# %% role="broken"
def embed_backward(dy, cache):
    """dy (B, N, D) -> dx (B, N, in), dW (in, D), db (D,)."""
    x, W = cache
    dW = np.einsum("bni,bnd->id", x, dy)
    db = dy.sum(axis=0).mean(axis=0)
    return dy @ W.T, dW, db


# %% role="solution"
def embed_backward(dy, cache):
    """dy (B, N, D) -> dx (B, N, in), dW (in, D), db (D,)."""
    x, W = cache
    dW = np.einsum("bni,bnd->id", x, dy)
    db = dy.sum(axis=(0, 1))
    return dy @ W.T, dW, db


# %% role="check"
small = {"x": rng.standard_normal((2, 5, 6)), "weight": rng.standard_normal((6, 3)), "bias": rng.standard_normal(3)}
known = {
    "The bias is used by every token of every image: this is the sum over the first image alone.": lambda dy, _: (
        dy @ small["weight"].T,
        np.einsum("bni,bnd->id", small["x"], dy),
        dy[0].sum(axis=0),
    ),
    "The weight is used by every image: this is the sum over the first image's tokens alone.": lambda dy, _: (
        dy @ small["weight"].T,
        small["x"][0].T @ dy[0],
        dy.sum(axis=(0, 1)),
    ),
}
check.grad(lambda x, W, b: (x @ W + b, (x, W)), embed_backward, small, mistakes=known)

# %% [markdown] role="hint"
# How many times does b occur in the forward? Equation (4).

# %% role="wrong"
{
    "the mean over the tokens": ("dy.sum(axis=(0, 1))", "dy.sum(axis=0).mean(axis=0)", "times 0.2"),
    "not summed over the tokens": ("dy.sum(axis=(0, 1))", "dy.sum(axis=0)", "a sum over axis 0"),
    "the first image alone": ("dy.sum(axis=(0, 1))", "dy[0].sum(axis=0)", "over the first image alone"),
    "the first image's tokens": ('np.einsum("bni,bnd->id", x, dy)', "x[0].T @ dy[0]", "first image's tokens alone"),
}

# %% [markdown] exercise="What does a filter like?" kind="further" stars=2 minutes=10
# A filter's favourite is the patch that gives the largest number. Write `favourite(images, weight, d)`, which returns the
# pair (image, patch): the indices of the patch whose product with filter `d` is the largest. No loop.


# %% role="solution"
def favourite(images, weight, d):
    """images (B, height, width, 1), weight (16, D) -> (image, patch) with the largest response to filter d."""
    # YOUR TURN
    patches, _ = patchify_forward(images, (4, 4))
    response = patches @ weight[:, d]  # (B, N)
    return np.unravel_index(response.argmax(), response.shape)
    # END


# %% role="check"
many = model.normalize(digits.train_images[:50])
responses = np.stack([[patch.ravel() @ weight for patch in cut] for cut in patchify_forward(many, (4, 4))[0]])
for d in (3, 17, 40):
    image, patch = favourite(many, weight, d)
    of, ink = responses[:, :, d], patchify_forward(many, (4, 4))[0].sum(axis=-1)
    known = {
        "This is the patch that gives the smallest number; a large negative one is not liked.": of.min(),
        "This is the brightest patch, whatever the filter.": of.ravel()[ink.argmax()],
        "This is the favourite of the filter before this one.": of.ravel()[responses[:, :, d - 1].argmax()],
    }
    check.close(of[image, patch], of.max(), f"filter {d}: response {of[image, patch]:.2f}", mistakes=known)

# %% [markdown] role="hint"
# `argmax` of a two-dimensional array gives one flat index; `np.unravel_index` makes a pair of it. Draw the winner beside
# its filter: do they look alike?

# %% role="wrong"
{
    "the wrong filter": ("weight[:, d]", "weight[:, d - 1]", "the filter before this one"),
    "the smallest": ("argmax", "argmin", "the smallest number"),
    "the brightest patch": ("patches @ weight[:, d]", "patches.sum(axis=-1)", "whatever the filter"),
    "the sign dropped": (
        "patches @ weight[:, d]",
        "np.abs(patches @ weight[:, d])",
        "a large negative one is not liked",
    ),
}

# %% [markdown]
# ## What you can do now
#
# - Turn patches into tokens with one product, and read the same product as a convolution of stride P.
# - Derive the backward of a dense layer by index, and see from the shapes where the transposes go. Every weight in this
#   course gets its gradient this way.
# - Say over what a gradient is summed: wherever a parameter is used more than once.
#
# In the library: `minivit/ops/linear.py`, `minivit/ops/patches.py`, `minivit/ops/convolution.py` (for the hybrid's stem).
# Sources: A. Dosovitskiy et al., arXiv 2010.11929, equation 1 and Figure 7 (left); V. Dumoulin and F. Visin, *A guide to
# convolution arithmetic for deep learning*, arXiv 1603.07285.
