# ---
# title: Class token or mean
# question: A picture has become 49 tokens, and there is one answer to give. What should the classifier look at?
# sentence: All tokens side by side, their mean, or a token more that belongs to none of them. What each can see, where its gradient goes, and both trained from three seeds.
# minutes: 50
# needs: [1, 2]
# gpu: of no use
# ---

# %% [markdown]
# Chapters 01 and 02 made tokens: 49 rows of D numbers for a digit. Later chapters let them hear of each other. At the
# end there are still 49 rows, and the answer is one row of ten numbers, a score for each class. Something must make
# one of many. This is called **pooling**, and there are two ways in use, so different that one needs a token more.

# %% role="setup"
import os

import numpy as np
from threadpoolctl import threadpool_limits

from minivit import ViT, ViTConfig, check, draw, load_mnist
from minivit.data import TRAINED_DIGITS
from minivit.ops import (
    cross_entropy_backward,
    cross_entropy_forward,
    linear_backward,
    linear_forward,
    patchify_forward,
    pool_backward,
    pool_forward,
    prepend_backward,
    prepend_forward,
    relu_backward,
    relu_forward,
)
from minivit.train.optimizer import AdamW, FlatParameters
from minivit.train.schedule import warmup_cosine

# %% role="setup"
FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(3)
digits = load_mnist()
model = ViT.load(TRAINED_DIGITS)  # a small ViT that has learned to read digits: see chapter 13

# %% [markdown]
# ## The picture first
#
# What a trained model has made of a digit, in its last layer: 49 rows for the patches, and above them one that stands
# for no patch, the **class token**. On the right, what the two ways hand on: the class token alone, or the mean of
# the 49.

# %%
digit = digits.test_images[4:5]
z = model.tokens(model.normalize(digit)).astype(np.float64)  # (1, 50, 48): the class token first
draw.matrices(
    [("the digit", digit[0, :, :, 0] / 255), {"title": "tokens", "array": z[0], "columns": "D", "rows": "N + 1"},
     {"title": "class token", "array": z[0, :1], "values": False}, {"title": "mean", "array": z[0, 1:].mean(0, keepdims=True), "values": False}],
    between=["the model", "one row:", "or:"], diverging=True, share=False,
    alt="A handwritten digit; a matrix of 50 rows of 48 numbers, red and blue; and two single rows: the first row of the "
    "matrix, with strong colours, and the mean of the other 49.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Each row is different, and all 49 know something. (2) The class token is a row like any
# other: it has gone through the same layers. (3) The mean is a row, too. A classifier sees D numbers in either case,
# and cannot tell where they are from.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | B, N, D | images, patches, numbers in a token | | 2, 49, 48 |
# | x | the patches' tokens | (B, N, D) | (2, 49, 48) |
# | c | the class token, a parameter: one for all images | (1, 1, D) | (1, 1, 48) |
# | z | with the class token before them | (B, N + 1, D) | (2, 50, 48) |
# | f | what the classifier sees | (B, D) | (2, 48) |
# | K | classes | | 10 |
#
# ## Side by side
#
# The first thought: put all rows one after the other, N · D = 2,352 numbers, and give each of them a weight for each
# class. It has three faults. It costs N times as many weights; it works for one N alone, so for one size of picture;
# and a weight belongs to one *place*: a stroke that moves by a patch meets weights that have never seen it.
#
# ## The mean
#
# $$f_d = \frac 1N \sum_n x_{nd} \tag{1}$$
#
# It has no parameters, and takes any N. Each $x_{nd}$ goes into one $f_d$, with the factor 1/N. So (equation by
# equation as in chapter 02)
#
# $$dx_{nd} = \frac 1N\, df_d \tag{2}$$
#
# Every patch gets the same gradient, a small one. In matrix form: $f = \frac1N \mathbf 1^\top x$, $dx = \frac1N
# \mathbf 1\, df$. The loop and the array:


# %%
def mean_loop(x):
    f = np.zeros((x.shape[0], x.shape[2]))
    for b, n in np.ndindex(x.shape[:2]):
        f[b] += x[b, n] / x.shape[1]  # (1)
    return f


def mean_forward(x):
    return x.mean(axis=1), x.shape


def mean_backward(df, shape):
    return np.broadcast_to(df[:, None] / shape[1], shape)  # (2)


x, df = rng.standard_normal((2, 49, 48)), rng.standard_normal((2, 48))
check.close(mean_forward(x)[0], mean_loop(x), "mean, array against loop")
check.close(mean_forward(x)[0], pool_forward(x, "gap")[0], "mean, library against array")
check.close(
    mean_backward(df, x.shape), pool_backward(df, pool_forward(x, "gap")[1]), "its backward, library against ours"
)
check.grad(mean_forward, mean_backward, {"x": x[:, :5, :3]})

# %% [markdown]
# "gap" is the library's name: *global average pooling*, as in CNNs.
#
# ## The class token
#
# BERT had the other idea for sentences, and ViT took it over (Dosovitskiy et al., [arXiv
# 2010.11929](https://arxiv.org/abs/2010.11929), equation 1): put a row of D *learned* numbers, the same for every
# image, before the patches. The layers that follow treat it like any other. At the end, take this row, and forget the
# rest:
#
# $$\begin{aligned} z_{b0d} &= c_d \qquad z_{b,n,d} = x_{b,n-1,d} \\
# f_{bd} &= z^{\text{end}} _{b0d} \end{aligned} \tag{3}$$
#
# Ask of each number where it goes. $c_d$ goes into $z_{b0d}$ of *every* image. A row at the end that is no class
# token goes nowhere:
#
# $$\begin{aligned} dc_d &= \sum_b dz_{b0d} \\
# dz^{\text{end}} _{bnd} &= \begin{cases} df_{bd} & n = 0 \\ 0 & n > 0 \end{cases} \end{aligned} \tag{4}$$


# %%
def prepend(x, c):
    return np.concatenate((np.broadcast_to(c, (len(x), *c.shape[1:])), x), axis=1), None


def prepend_back(dz, _):
    return dz[:, 1:], dz[:, :1].sum(axis=0, keepdims=True)  # (4)


c, dz = rng.standard_normal((1, 1, 48)), rng.standard_normal((2, 50, 48))
check.close(prepend(x, c)[0], prepend_forward(x, c)[0], "z, library against ours")
for name, ours, theirs in zip(("dx", "dc"), prepend_back(dz, None), prepend_backward(dz, 1), strict=True):
    check.close(theirs, ours, f"{name}, library against ours")
check.grad(prepend, prepend_back, {"x": x[:, :4, :3], "c": c[..., :3]})

# %%
score = np.abs(rng.standard_normal((1, 48)))  # a gradient that comes from the classifier
both = [pool_backward(score, pool_forward(z, kind, prefix=1)[1])[0] for kind in ("cls", "gap")]
draw.matrices(
    [{"title": "class token", "array": both[0][:12], "rows": "12 tokens"}, {"title": "mean: 49 times as faint", "array": both[1][:12]}],
    share=False, colormap="attention", colorbar=False,
    alt="Two matrices of 12 rows, gradients of the last tokens. Class token: the first row has all, the others are white. Mean: "
    "the first row is white, and all others are alike.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) With the class token, the gradient of the last tokens sits in one row; how it comes to the
# patches is the later layers' business (attention, chapter 07). (2) With the mean it goes to all patches alike, and
# the class token, if there is one, gets nothing.
#
# ## What can they see?
#
# *Suppose there are no layers in between: the tokens go straight into the pooling. What does each classifier know of
# the digit?* The class token knows nothing at all: it is the same for every image, and so is the answer. The mean
# knows which patches there are, and not where. We try three classifiers: all pixels side by side; the mean of the raw
# patches; and the mean of tokens that were bent, $\max(xE + b, 0)$, so that each of 48 numbers can say "there is a
# patch of my kind".


# %%
cut = lambda images: ((patchify_forward(images / 255, (4, 4))[0] - 0.1307) / 0.3081).astype(np.float32)  # (B, 49, 16)
train_patches, test_patches = cut(digits.train_images), cut(digits.test_images)


def features(kind, x, E, b):
    if kind == "side by side":
        return x.reshape(len(x), -1), None
    if kind == "mean of patches":
        return x.mean(axis=1), None
    h, first = linear_forward(x, E, b)
    a, second = relu_forward(h)
    return a.mean(axis=1), (first, second)


# %%
def accuracy(kind, seed, rate, epochs):
    rng = np.random.default_rng(seed)
    size = {"side by side": 784, "mean of patches": 16, "mean of bent tokens": 48}[kind]
    p = [rng.standard_normal((16, 48)) / 4, np.zeros(48), np.zeros((size, 10)), np.zeros(10)]
    p = [array.astype(np.float32) for array in p]
    for batch in np.concatenate([rng.permutation(8000).reshape(-1, 50) for _ in range(epochs)]):
        f, cache = features(kind, train_patches[batch], *p[:2])
        logits, last = linear_forward(f, *p[2:])
        dlogits = cross_entropy_backward(1.0, cross_entropy_forward(logits, digits.train_labels[batch])[1])
        df, *grads = linear_backward(dlogits, last)
        if cache:
            da = np.repeat(df[:, None] / 49, 49, axis=1)  # (2)
            grads = [*linear_backward(relu_backward(da, cache[1]), cache[0])[1:], *grads]
        for array, grad in zip(p[-len(grads) :], grads, strict=True):
            array -= np.float32(rate) * grad
    return np.mean((features(kind, test_patches, *p[:2])[0] @ p[2] + p[3]).argmax(axis=1) == digits.test_labels)


# %%
results = {
    "class token, no layers": [np.mean(digits.test_labels == k) for k in (1,)]
}  # one answer for all: at best this
with threadpool_limits(1):
    for kind, rate in (("mean of patches", 0.5), ("mean of bent tokens", 1.0), ("side by side", 0.01)):
        results[kind] = [accuracy(kind, seed, rate, 1 if FAST else 8) for seed in range(1 if FAST else 3)]
draw.bars(
    {name: float(np.mean(values)) for name, values in results.items()},
    errors={name: float(np.ptp(values) / 2) for name, values in results.items()}, number="{:.0%}",
    ylabel="accuracy, mean of 3 seeds",
    alt="Four bars, accuracy on unseen digits. Class token without layers: 13 %. Mean of patches: 29 %. Mean of bent tokens: about a half, from 42 to 55 %. Side by side: 90 %.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) One answer for all reads at best the most frequent digit right. (2) The mean of raw patches
# is hardly more than the amount of ink. (3) A bag of 48 kinds of patches reads about half of the digits: *which*
# strokes there are says much, though not where. (4) Places matter: pixel by pixel, side by side, is far ahead here,
# where all digits stand in the middle. So the tokens themselves must know where they are (chapter 04) and hear of
# each other (07), *before* they are pooled. A class token needs the second; without it, it is deaf.
#
# ## Both, trained
#
# A small Vision Transformer (2 blocks, width 32, patches of 7 × 7; its layers are the business of chapters 05 to 11,
# its optimiser is that of chapter 12) goes twice through 8,000 digits, with either pooling, at three learning rates.
# All else is equal. ViT's authors first found the mean much worse than the class token, and then that it wanted
# another learning rate (their appendix D.3). *Predict: is one of them better here?*


# %%
def train(pool, rate, seed, epochs):
    config = ViTConfig(image_size=28, patch_size=7, channels=1, classes=10, width=32, depth=2, heads=2, pool=pool)
    vit, rng = ViT(config, seed=seed, init="fan_in"), np.random.default_rng(seed)
    flat, images = FlatParameters(vit.params), vit.normalize(digits.train_images)
    optimizer = AdamW(flat, decay=0.05)
    batches = np.concatenate([rng.permutation(8000).reshape(-1, 50) for _ in range(epochs)])
    for t, batch in enumerate(batches, 1):
        _, grads = vit.loss_and_grads(images[batch], digits.train_labels[batch])
        optimizer.step(flat.flatten(grads), warmup_cosine(t, len(batches), 48, rate))
    return np.mean(vit(vit.normalize(digits.test_images)).argmax(axis=1) == digits.test_labels)


rates = (0.003, 0.01) if FAST else (0.003, 0.006, 0.012)
found = {}
with threadpool_limits(1):
    for pool in ("cls", "gap"):
        found[pool] = np.array(
            [[train(pool, r, seed, 1 if FAST else 2) for seed in range(1 if FAST else 3)] for r in rates]
        )
for pool, values in found.items():
    for rate, row in zip(rates, values, strict=True):
        print(f"{pool}, rate {rate}: mean {row.mean():.1%}, lowest {row.min():.1%}, highest {row.max():.1%}")

# %%
draw.lines(
    {{"cls": "class token", "gap": "mean"}[pool]: (rates, values.mean(axis=1)) for pool, values in found.items()},
    logx=True, xlabel="learning rate", ylabel="accuracy, mean of 3 seeds", height=2.8,
    alt="Accuracy over three learning rates. Both curves lie between 79 and 84 percent. The class token is best at the middle rate and the mean at the largest; they cross between these two.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) At each rate, the spread from seed to seed is as large as the difference between the two.
# (2) Each at its best rate, they cannot be told apart: 83.5 % and 83.0 % on average, with single runs from 81.5 to
# 85.7 %. (3) Who had tried the smallest rate alone, or the largest, might have announced a winner: a comparison at *one*
# rate says little. That is what the authors report, too: equal, once the learning rate fits.
#
# Today both are in use: BERT, ViT and DeiT read the class token, Swin the mean. The
# library has both, and a third, the two side by side, for models that were trained so (`pool="cls"`, `"gap"`,
# `"cls_gap"`).

# %% [markdown] exercise="How many, and where to?" kind="predict" stars=1 minutes=7
# 1. A picture of 224 × 224 with patches of 16 × 16, and a class token: how many rows has z? (`rows`)
# 2. N = 49, D = 48, K = 10: how many parameters has a classifier (weights and biases) that sees all patches' tokens side
#    by side? (`side_by_side`) How many, if it sees their mean? (`mean`)
# 3. The mean, N = 49: $df_d$ is 0.98. What is the gradient of $x_{0d}$? (`share`)
# 4. The patches' tokens are shuffled, just before the pooling. Does the mean change? (`shuffled`: `True` or `False`)
# 5. In a batch of B = 8, $dz_{b0d}$ is 0.5 for each image. What is $dc_d$? (`total`)

# %% role="solution"
# YOUR TURN
rows = 197
side_by_side = 23530
mean = 490
share = 0.02
shuffled = False
total = 4.0
# END

# %% role="check"
check.answer(rows, 14 * 14 + 1, "rows", reasons={196: "and the class token?", 15: "14 along each side", 50: "that is for a digit",
                                                 225: "one class token, not a row and a column"})  # fmt: skip
check.answer(side_by_side, 49 * 48 * 10 + 10, "side_by_side", reasons={23520: "and the biases?", 24010: "the class token is no "
             "patch", 490: "that is the mean's", 2352: "for each of ten classes"})  # fmt: skip
check.answer(mean, 48 * 10 + 10, "mean", reasons={480: "and the biases?", 23530: "the mean has D numbers", 500: "D is 48", 58: "a "
             "weight for each number and each class"})  # fmt: skip
check.answer(share, 0.98 / 49, "share", tol=1e-6, reasons={0.98: "a 49th of it", 48.02: "divided by N, not multiplied", 0.0196: "the "
             "class token is not among the patches"})  # fmt: skip
check.answer(shuffled, False, "shuffled", reasons={True: "a sum does not know the order of its terms"})
check.answer(total, 4.0, "total", tol=1e-6, reasons={0.5: "one token served eight images", 0.0625: "a sum, not a mean"})

# %% [markdown] role="hint"
# Count the patches along a side. A dense layer from n numbers to K has n · K weights and K biases. Then (2) and (4).

# %% role="wrong"
{
    "no class token": ("rows = 197", "rows = 196", "class token?"),
    "no biases": ("side_by_side = 23530", "side_by_side = 23520", "the biases"),
    "as side by side": ("mean = 490", "mean = 23530", "D numbers"),
    "all of it": ("share = 0.02", "share = 0.98", "a 49th"),
    "order matters": ("shuffled = False", "shuffled = True", "order of its terms"),
    "one image's": ("total = 4.0", "total = 0.5", "eight images"),
    "the mean": ("total = 4.0", "total = 0.0625", "not a mean"),
}

# %% [markdown] exercise="Two tokens more" kind="build" stars=2 minutes=12
# DeiT has a second token of this kind, right after the class token (chapter 17 will say what for). Write the pair: z is
# $[c \mid e \mid x]$. And `read`: of the tokens at the end, both rows, (B, 2, D), with its backward.


# %% role="solution"
def two_forward(x, c, e):
    """x (B, N, D), c and e (1, 1, D) -> z (B, N + 2, D), and the cache."""
    # YOUR TURN
    B, _, D = x.shape
    first, second = (np.broadcast_to(token, (B, 1, D)) for token in (c, e))
    return np.concatenate((first, second, x), axis=1), None
    # END


def two_backward(dz, cache):
    """dz (B, N + 2, D) -> dx, dc, de."""
    # YOUR TURN
    return dz[:, 2:], dz[:, :1].sum(axis=0, keepdims=True), dz[:, 1:2].sum(axis=0, keepdims=True)
    # END


def read_forward(z):
    """z (B, N + 2, D) -> the first two rows (B, 2, D), and the cache."""
    # YOUR TURN
    return z[:, :2], z.shape
    # END


def read_backward(df, cache):
    """df (B, 2, D) -> dz (B, N + 2, D)."""
    # YOUR TURN
    dz = np.zeros(cache)
    dz[:, :2] = df
    return dz
    # END


# %% role="check"
_in = {"x": rng.standard_normal((3, 4, 5)), "c": rng.standard_normal((1, 1, 5)), "e": rng.standard_normal((1, 1, 5))}
_z = prepend_forward(*_in.values())[0]
check.close(
    check.pair(two_forward, **_in)[0], _z, "z",
    mistakes={"c comes first, then e.": _z[:, [1, 0, 2, 3, 4, 5]], "They come before the patches, not after them.":
              _z[:, [2, 3, 4, 5, 0, 1]]},
)  # fmt: skip
_one = lambda dz: (dz[:, 2:], dz[:1, :1], dz[:1, 1:2])
_means = lambda dz: (dz[:, 2:], dz[:, :1].mean(0, keepdims=True), dz[:, 1:2].mean(0, keepdims=True))
check.grad(
    two_forward, two_backward, _in,
    mistakes={"That is the gradient of one image: a token served all of them.": lambda dz, cache: _one(dz),
              "The sum over the images, not the mean.": lambda dz, cache: _means(dz)},
)  # fmt: skip
check.close(check.pair(read_forward, z=_z)[0], _z[:, :2], "what is read")
check.grad(read_forward, read_backward, {"z": _z})

# %% [markdown] role="hint"
# As `prepend` and `prepend_back`, with a row more. For `read`, ask of each row of z where it goes: most of them go
# nowhere.

# %% role="wrong"
{
    "in another order": ("(first, second, x)", "(second, first, x)", "c comes first"),
    "at the end": ("(first, second, x)", "(x, first, second)", "not after them"),
    "of one image": ("return dz[:, 2:], dz[:, :1].sum(axis=0, keepdims=True)", "return dz[:, 2:], dz[:1, :1]", "one image"),
    "the mean": ("dz[:, :1].sum(axis=0, keepdims=True), dz[:, 1:2].sum(axis=0, keepdims=True)",
                 "dz[:, :1].mean(axis=0, keepdims=True), dz[:, 1:2].mean(axis=0, keepdims=True)", "not the mean"),
    "no zeros": ("    dz = np.zeros(cache)\n    dz[:, :2] = df\n    return dz", "    return df", "dz: the shape is"),
    "one row read": ("return z[:, :2], z.shape", "return z[:, :1], z.shape", "what is read: the shape is"),
    "the class token not summed": ("dz[:, :1].sum(axis=0, keepdims=True)", "dz[:, :1]", "is a sum over"),
}  # fmt: skip

# %% [markdown] exercise="Pictures of several sizes" kind="break" stars=2 minutes=10
# A batch holds pictures with different numbers of patches, filled up with rows that are no patches. `real` (B, N) is
# `True` for patches. The mean should be over these alone. With this pair the model learns, but small pictures are
# read badly. Find the mistakes (one in each function), and mend them.


# %% role="broken"
def real_mean_forward(x, real):
    """x (B, N, D), real (B, N) of bools -> f (B, D), and the cache."""
    masked = x * real[:, :, None]
    return masked.mean(axis=1), real


def real_mean_backward(df, real):
    """df (B, D) -> dx (B, N, D)."""
    count = real.sum(axis=1)[:, None, None]
    return np.repeat(df[:, None], real.shape[1], axis=1) / count


# %% role="solution"
def real_mean_forward(x, real):
    """x (B, N, D), real (B, N) of bools -> f (B, D), and the cache."""
    masked = x * real[:, :, None]
    return masked.sum(axis=1) / real.sum(axis=1)[:, None], real


def real_mean_backward(df, real):
    """df (B, D) -> dx (B, N, D)."""
    count = real.sum(axis=1)[:, None, None]
    return df[:, None] * real[:, :, None] / count


# %% role="check"
_x = rng.standard_normal((3, 5, 4))
_real = np.arange(5) < np.array([[5], [2], [3]])
_f = np.stack([image[mask].mean(axis=0) for image, mask in zip(_x, _real, strict=True)])
check.close(
    check.pair(real_mean_forward, x=_x, real=_real)[0], _f, "f",
    mistakes={"It is divided by N: count what is real.": (_x * _real[..., None]).mean(axis=1), "What is no patch is counted, too.":
              _x.mean(axis=1), "The sum, not the mean.": (_x * _real[..., None]).sum(axis=1)},
)  # fmt: skip
check.grad(
    lambda x: real_mean_forward(x, _real), real_mean_backward, {"x": _x},
    mistakes={"Rows that are no patches went nowhere: their gradient is 0.":
              lambda df, real: np.repeat(df[:, None], 5, axis=1) / real.sum(axis=1)[:, None, None],
              "Divided by N; the forward divides by what is real.": lambda df, real: df[:, None] * real[..., None] / 5,
              "The forward divides by the count.": lambda df, real: df[:, None] * real[..., None]},
)  # fmt: skip

# %% [markdown] role="hint"
# The second picture has two patches. By what is their sum divided? And what is the gradient of its third row, which
# is not looked at?

# %% role="wrong"
{
    "only the forward": ("df[:, None] * real[:, :, None] / count", "np.repeat(df[:, None], real.shape[1], axis=1) / count", "went nowhere"),
    "only the backward": ("masked.sum(axis=1) / real.sum(axis=1)[:, None]", "masked.mean(axis=1)", "count what is real"),
    "all are counted": ("masked = x * real[:, :, None]\n    return masked.sum(axis=1) / real.sum(axis=1)[:, None], real",
                        "return x.mean(axis=1), real", "counted, too"),
    "the sum": ("masked.sum(axis=1) / real.sum(axis=1)[:, None]", "masked.sum(axis=1)", "not the mean"),
    "not divided": ("real[:, :, None] / count", "real[:, :, None]", "divides by the count"),
    "divided by N": ("real[:, :, None] / count", "real[:, :, None] / real.shape[1]", "Divided by N"),
}  # fmt: skip

# %% [markdown] exercise="Between the mean and the largest" kind="further" stars=3 minutes=18
# A mean hears a loud patch as a 49th. A maximum hears the loudest alone. With a number t > 0,
#
# $$f_d = \frac1t \log \Big(\frac 1N \sum_n e^{t\,x_{nd}}\Big)$$
#
# lies between the two: t near 0 gives the mean, a large t the maximum. Derive $\partial f_d / \partial x_{nd}$, and
# write the pair. It must be right for tokens of 1,000 and of −1,000 side by side (take the largest out of the sum).


# %% role="solution"
def soft_forward(x, t):
    """x (B, N, D), t a number -> f (B, D), and the cache."""
    # YOUR TURN
    largest = x.max(axis=1, keepdims=True)
    e = np.exp(t * (x - largest))
    return largest[:, 0] + np.log(e.mean(axis=1)) / t, e / e.sum(axis=1, keepdims=True)
    # END


def soft_backward(df, cache):
    """df (B, D) -> dx (B, N, D)."""
    # YOUR TURN
    return df[:, None] * cache
    # END


# %% role="check"
_x = rng.standard_normal((2, 6, 4))
_plain = lambda t: np.log(np.exp(t * _x).mean(axis=1)) / t
check.close(
    check.pair(lambda x: soft_forward(x, 2.0), x=_x)[0], _plain(2.0), "f, t = 2",
    mistakes={"The mean of the exponentials, not their sum.": np.log(np.exp(2 * _x).sum(axis=1)) / 2,
              "It is divided by t at the end.": np.log(np.exp(2 * _x).mean(axis=1)), "t multiplies x, too.":
              np.log(np.exp(_x).mean(axis=1)) / 2, "The largest was taken out of the sum, and is not put back.":
              _plain(2.0) - _x.max(axis=1),
              "The largest is put back in its own units: it is added to f, or t times it before the division by t.":
              _plain(2.0) + _x.max(axis=1),
              "The largest is put back in its own units: x's after the division by t, t times that before it.":
              _plain(2.0) - _x.max(axis=1) / 2},
)  # fmt: skip
check.close(soft_forward(_x, 0.3)[0], _plain(0.3), "f, t = 0.3")
with np.errstate(all="ignore"):  # a wrong answer overflows, and the check says so
    _large = soft_forward(1000 + _x, 2.0)[0]
check.close(_large, 1000 + _plain(2.0), "large tokens")
with np.errstate(all="ignore"):
    _apart = soft_forward(1000 * _x, 2.0)[0]
check.close(
    _apart, 1000 * _x.max(axis=1) - np.log(6) / 2, "large tokens, far apart",
    mistakes={"Infinite: take the largest out of the sum, and no other.": np.full((2, 4), np.inf)},
)  # fmt: skip
_e = np.exp(2 * _x)
_p = _e / _e.sum(axis=1, keepdims=True)
check.grad(
    lambda x: soft_forward(x, 2.0), soft_backward, {"x": _x},
    mistakes={"The inner derivative t and the 1/t in front cancel.": lambda df, cache: 2 * df[:, None] * _p,
              "The inner derivative t and the 1/t in front cancel: here 1/t is left.": lambda df, cache: df[:, None] * _p / 2,
              "The N of the mean cancels, too.": lambda df, cache: df[:, None] * _p / 6,
              "That is the mean's.": lambda df, cache: np.broadcast_to(df[:, None] / 6, _x.shape)},
)  # fmt: skip

# %% [markdown] role="hint"
# For any m, $\log \frac1N\sum e^{t x_n} = t m + \log \frac1N \sum e^{t (x_n - m)}$. The derivative of a logarithm is
# one over it, times the inner derivative. What is $e^{t x_n}$ divided by the sum of all? (Chapter 07 will meet it
# again.)

# %% role="wrong"
{
    "a sum": ("np.log(e.mean(axis=1))", "np.log(e.sum(axis=1))", "not their sum"),
    "not divided by t": ("np.log(e.mean(axis=1)) / t", "np.log(e.mean(axis=1))", "f, t = 2"),
    "the largest not put back": ("largest[:, 0] + np.log", "np.log", "not put back"),
    "put back undivided": ("largest[:, 0] + np.log", "t * largest[:, 0] + np.log", "its own units"),
    "overflow": ("largest = x.max(axis=1, keepdims=True)", "largest = 0 * x[:, :1]", "large tokens"),
    "the smallest": ("largest = x.max(axis=1, keepdims=True)", "largest = x.min(axis=1, keepdims=True)", "far apart"),
    "t left over": ("return df[:, None] * cache", "return 2 * df[:, None] * cache", "cancel"),
    "the mean's": ("return df[:, None] * cache", "return np.repeat(df[:, None], cache.shape[1], axis=1) / cache.shape[1]", "the mean's"),
    "over the wrong axis": ("e / e.sum(axis=1, keepdims=True)", "e / e.sum(axis=2, keepdims=True)", "dx  max"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Make one row of many in three ways, say what each can see, what it costs, and where its gradient goes.
# - Say why a class token's gradient is a sum over images, and why it needs layers that mix tokens.
# - Compare two designs fairly: each at several rates, from several seeds.
#
# In the library: `minivit/ops/tokens.py`, and `pool` in `minivit/model/config.py`. Sources: J. Devlin et al., *BERT*,
# arXiv 1810.04805 (the class token); A. Dosovitskiy et al., arXiv 2010.11929, equation 1 and appendix D.3; X. Zhai et
# al., *Scaling Vision Transformers*, arXiv 2106.04560, on the choice between the two.
