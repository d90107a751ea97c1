# ---
# title: A masked autoencoder
# question: What can be learned from pictures that nobody has labelled?
# sentence: Hide three quarters of a digit, learn to fill it in, and keep an encoder that needs few labels; masking as a permutation, and its backward.
# minutes: 45
# needs: [1, 4, 5, 11, 13]
# gpu: of no use
# ---

# %% [markdown]
# The models of the chapters before learned from labels: for each of 8,000 digits, somebody had said what it is. Pictures
# are cheap and labels are dear. A **masked autoencoder** (MAE, He et al.,
# [arXiv 2111.06377](https://arxiv.org/abs/2111.06377)) makes the task out of the picture itself: most of it is hidden,
# and the model must say what was there.

# %% role="setup"
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from minivit import ViT, check, draw, load, load_mnist, ops
from minivit.data import TRAINED_MAE, TRAINED_MAE_RESULTS
from minivit.train import TrainConfig, Trainer, evaluate

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
digits = load_mnist()
mae = load(TRAINED_MAE)  # has seen 7,000 digits 30 times, and not one label

# %% [markdown]
# ## The picture first
#
# *Predict: of the 49 patches of a digit it sees 12. Which digits will it get wrong?* In go ten digits that it has never
# seen; out come the pixels of the hidden patches.

# %%
_, firsts = np.unique(digits.test_labels, return_index=True)  # one of each class
images = digits.test_images[firsts] / 255
filled, hidden = mae.fill_in(images, np.random.default_rng(1))
seen, filled = np.where(hidden, 0.5, images), np.where(hidden, filled, images)
draw.digits(
    np.concatenate((seen, filled, images)), [*["seen"] * 10, *["filled in"] * 10, *["true"] * 10], columns=10,
    alt="Three rows of ten digits. Above, three quarters of each are covered with grey squares. In the middle, the same with "
    "the squares filled in, somewhat blurred. Below, the true digits. Most are much like the ones in the middle; where "
    "little ink was seen, the middle shows another stroke, or a blur.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) It continues strokes, and closes curves: it has learned how digits go on. (2) Where all depends
# on a patch that it did not see, it paints a grey compromise: the loss is a squared error, and the best answer to two
# possibilities is their mean. (3) What was seen is pasted back here; the loss does not even ask for it.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B | images in a batch | 10 |
# | N | patches of 4 × 4 | 49 |
# | K | patches that are kept: int(N · (1 − 0.75)) | 12 |
# | n | numbers of a patch | 16 |
# | D | width of the encoder; of the decoder | 64; 32 |
# | x | tokens of all patches | (B, N, D) |
# | order, restore | which token stands where | (B, N) each |
# | m | the mask: 1 where a patch was hidden | (B, N) |
#
# ## The idea
#
# An **encoder**, a plain ViT, gets the kept patches only, each with its position: 13 tokens with the class token instead
# of 50, and so a quarter of the work. A small **decoder** gets the encoder's tokens back at their places, and one learned
# *mask token* at all other places, again with positions, and says the pixels of every patch. When training is over, the
# decoder is thrown away, and the encoder is a ViT that knows what digits look like.

# %%
draw.shapes(
    [
        ("patches", "(B, 49, 64)"), "hide", ("kept", "(B, 12, 64)"), "encoder", ("known", "(B, 12, 64)"), "dense",
        ("narrow", "(B, 12, 32)"), "mask tokens", ("all", "(B, 49, 32)"), "decoder", ("pixels", "(B, 49, 16)"),
    ],
    alt="Boxes joined by arrows: patches (B, 49, 64), hide, kept (B, 12, 64), encoder, known (B, 12, 64), dense, narrow "
    "(B, 12, 32), mask tokens, all (B, 49, 32), decoder, pixels (B, 49, 16).",
)  # fmt: skip

# %% [markdown]
# Two things are easily done the other way round. Positions are added *before* anything is hidden, since a kept patch must
# say where it was. And mask tokens come *after* the encoder: in one that saw them, three quarters of the work would go into
# tokens that say nothing, and at the first whole picture it would meet what it was never trained on.
#
# ## To hide is to sort
#
# Each patch draws a random number. The K patches with the smallest numbers are kept. That is a lottery without
# replacement, with exactly K winners in each image, so that the arrays stay rectangular. As a loop:


# %%
def keep_loop(x, noise, K):
    kept = []
    for tokens, numbers in zip(x, noise, strict=True):
        order = sorted(range(len(numbers)), key=lambda n: numbers[n])
        kept.append([tokens[n] for n in order[:K]])
    return np.array(kept)


def restore_loop(z, token, noise):
    """The way back: (B, K, D) -> (B, N, D), with `token` where nothing was kept."""
    full = np.empty((*noise.shape, z.shape[-1]))
    for b, numbers in enumerate(noise):
        order = sorted(range(len(numbers)), key=lambda n: numbers[n])
        for i, n in enumerate(order):
            full[b, n] = z[b, i] if i < z.shape[1] else token
    return full


# %% [markdown]
# The array version needs two index arrays. `order[b, i]` is the patch with the i-th smallest number. And `restore[b, n]`
# is the opposite question: at which place in that order does patch n stand? To sort the order answers it, since the
# inverse of a permutation is what brings its numbers back to 0, 1, 2, …


# %%
def shuffle(noise):
    order = np.argsort(noise, axis=1)
    return order, np.argsort(order, axis=1)


def take(x, index):
    """Of each image b the tokens index[b]."""
    return np.take_along_axis(x, index[:, :, None], axis=1)


def keep(x, order, K):
    return take(x, order[:, :K])


def fill(z, token, restore):
    absent = np.broadcast_to(token, (len(z), restore.shape[1] - z.shape[1], z.shape[2]))
    return take(np.concatenate((z, absent), axis=1), restore)


# %%
x, noise = rng.standard_normal((2, 9, 4)), rng.random((2, 9))
order, restore = shuffle(noise)
z, token = keep(x, order, 3), rng.standard_normal(4)
check.close(z, keep_loop(x, noise, 3), "kept")
check.close(fill(z, token, restore), restore_loop(z, token, noise), "filled")
check.close(z, ops.keep_tokens_forward(x, *ops.shuffle(noise), count=3)[0], "the library's")
draw.matrices(
    [("noise", noise[:1]), ("order", order[:1]), ("restore", restore[:1]), ("hidden", restore[:1] >= 3)], colorbar=False,
    alt="Four rows of nine numbers: the noise; the order, which names the patches from the smallest noise to the largest; "
    "restore, the place of each patch in that order; and a row that is 1 where restore is 3 or more.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Patch n is kept exactly if `restore[n]` is less than K: the mask is `restore >= K`. (2) `order`
# and `restore` are different arrays, and swapping them gives no error and no wrong shape.
#
# ## The backward
#
# *By index*, for one image, with $o$ for order and $r$ for restore. Keeping is $z _i = x _{o(i)}$ for $i < K$. Each token is
# used once, or not at all:
#
# $$dx _n = \begin{cases} dz _{r(n)} & r(n) < K \\ 0 & \text{else} \end{cases} \tag{1}$$
#
# Filling is $f _n = z _{r(n)}$ where $r(n) < K$, else the mask token $t$. So, with $n = o(i)$,
#
# $$\begin{aligned} dz _i &= df _{o(i)} \\
# dt &= \sum _{n:\, r(n) \ge K} df _n \end{aligned} \tag{2}$$
#
# *In matrix form*: let $\Pi$ be the permutation with $\Pi _{i,\,o(i)} = 1$. Keeping is the first K rows of $\Pi x$, and
# filling is $\Pi^{-1}$ of what was kept and the mask tokens. A permutation's inverse is its transpose, and a transpose is
# what a backward multiplies with. So *what the one does forward, the other does backward*: (1) is a filling with zeros, (2)
# a keeping.


# %%
def keep_backward(dz, restore):
    return fill(dz, np.zeros(dz.shape[-1]), restore)  # (1)


def fill_backward(df, order, K):
    sorted_back = take(df, order)
    return sorted_back[:, :K], sorted_back[:, K:].sum(axis=(0, 1))  # (2)


# %%
check.grad(lambda x: (keep(x, order, 3), None), lambda dz, _: (keep_backward(dz, restore),), {"x": x})
check.grad(
    lambda z, token: (fill(z, token, restore), None),
    lambda df, _: fill_backward(df, order, 3),
    {"z": z, "token": token},
)

# %% [markdown]
# ## The loss
#
# The target is the picture. The error counts where the patch was hidden, and nowhere else: what a model has seen it could
# copy, and it would learn to.
#
# $$\begin{aligned} L = {} & \frac{1}{\sum m} \sum _{b,n} m _{bn} \\
# & \cdot \frac1n \sum_j \left( \hat p _{bnj} - p _{bnj} \right)^2 \end{aligned} \tag{3}$$
#
# Exercise 2 is its backward. *Predict: what is the loss of a model that says the mean of all pixels for each? And how far
# below it does the trained one come?*

# %%
normalised = mae.normalize(digits.test_images[:500])
noise = np.random.default_rng(0).random((500, 49))
(prediction, mask), target = mae(normalised, noise=noise), mae.target(normalised)
trained, _ = ops.masked_mse_forward(prediction, target, mask)
mean, _ = ops.masked_mse_forward(np.full_like(target, target.mean()), target, mask)
every, _ = ops.masked_mse_forward(np.broadcast_to(target.mean(axis=0), target.shape), target, mask)
print(f"the mean of all pixels {mean:.2f}; each pixel's own mean {every:.2f}; the trained model {trained:.2f}")

# %% [markdown]
# ## What it is worth
#
# The encoder is a ViT (`mae.vit(10)` gives it a head of zeros). Does it need fewer labels than one that starts from random
# numbers? Both now learn from the same 100 digits, ten looks at each and more, without augmentation; each at the rate that
# was best for it on held-out digits.


# %%
def train_on(model, count, rate, steps):
    recipe = TrainConfig(
        epochs=steps * 50 // count, batch_size=50, shard_size=50, learning_rate=rate, shift=0, rotation=0, scale=0
    )
    trainer = Trainer(model, digits.train_images[:count], digits.train_labels[:count], recipe)
    with ThreadPoolExecutor(1) as pool:
        while trainer.step_count < trainer.steps:
            trainer.step(pool)
    return evaluate(model, digits.test_images[:1000], digits.test_labels[:1000])[1]


# %%
steps = 4 if FAST else 200
pretrained = mae.vit(10)
scratch = ViT(pretrained.config, init="fan_in")
for name, model, rate in (("pre-trained", pretrained, 1.5e-3), ("from scratch", scratch, 4e-3)):
    print(f"{name}: {train_on(model, 100, rate, steps):.0%} of 1,000 test digits")

# %% [markdown]
# One run is an anecdote: other 100 digits, another number. `benchmarks/family/masked.py` made more, each with a draw of
# digits of its own. Pre-training shifts its digits by up to 2 pixels, so there is a third curve: from scratch, with the same
# shifts. Printed is each run; the curves are means.

# %%
results = json.loads(TRAINED_MAE_RESULTS.read_text(encoding="utf-8"))
named = {"pre-trained": "pre-trained", "scratch, shifted": "from scratch, shifted", "scratch": "from scratch"}
curves = {}
for way, name in named.items():
    curves[name] = [int(count) for count in results[way]], [100 * np.mean(found) for found in results[way].values()]
    for count, found in results[way].items():
        print(f"{name:>21}, {count:>4} labels: {', '.join(f'{one:.1%}' for one in found)}")
draw.lines(
    curves, xlabel="labels", ylabel="test digits read right (%)", logx=True,
    alt="Three curves of accuracy against 100, 300 and 1,000 labels, all rising. The pre-trained one lies highest "
    "everywhere, most of all at 100 labels; from scratch without shifts lies lowest.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Against plain training from scratch: the fewer labels, the more the encoder's knowledge is worth.
# (2) With 100 labels more than half of that can be had more cheaply, by shifts alone. (3) What filling in is worth beside
# the shifts is less, and still nine points or more at each number of labels.
#
# The encoder's tokens are good for more than a start. A linear head on their mean, with the encoder left as it is, reads
# digits about as well from 100 labels as all of the model does after fine-tuning: what is learned from 100 labels is hardly
# more than which of the things that the encoder tells apart is called a 3.
#
# Why hide so much? With a quarter hidden, the neighbours give each patch away, and a blur between them is a fair answer.
# With three quarters hidden, one must know digits. On photographs He et al. found 75 % to be a good ratio (their figure 5);
# `python benchmarks/family/masked.py ratios` tries four on digits.

# %% [markdown] exercise="What hiding saves" kind="predict" stars=1 minutes=5
# A ViT-B/16 sees photographs of 224 × 224 pixels, of which 75 % of the patches are hidden. How many tokens does the
# encoder see, with the class token (`tokens`)? A head's scores are a table with a row and a column for each token: how many
# times fewer numbers are in it than if nothing were hidden (`smaller`, to one decimal)? With 49 patches and a ratio of
# 0.9, how many are hidden (`hidden`), if the number that is kept is rounded down?

# %% role="solution"
# YOUR TURN
tokens = 50
smaller = 15.5
hidden = 45
# END

# %% role="check"
check.answer(
    tokens, 196 // 4 + 1, "tokens",
    reasons={49: "and the class token?", 148: "those are the hidden ones, and one more", 147: "those are hidden",
             197: "that is all of them", 13: "that is for a digit", 56: "224 / 4 are no patches: a patch has 16 pixels a side"},
)  # fmt: skip
check.answer(
    smaller, 197**2 / 50**2, "smaller", tol=0.01,
    reasons={16: "nearly: the class token is in both", 3.94: "a table of pairs has as many rows as columns",
             3.9: "a table of pairs has as many rows as columns",
             4: "a table of pairs has as many rows as columns", 1 / 15.5: "the other way round: how many times smaller?"},
)  # fmt: skip
check.answer(
    hidden, 49 - int(49 * (1 - 0.9)), "hidden",
    reasons={44: "4.9 patches would be kept: rounded down", 4: "those are kept", 45.9: "a whole number", 5: "those are kept",
             44.1: "a whole number of patches is kept: 4.9, rounded down"},
)  # fmt: skip

# %% [markdown] role="hint"
# (224 / 16)² patches. The scores of T tokens are T · T numbers.

# %% role="wrong"
{
    "without the class token": ("tokens = 50", "tokens = 49", "class token"),
    "the hidden ones": ("tokens = 50", "tokens = 147", "are hidden"),
    "not squared": ("smaller = 15.5", "smaller = 3.94", "as many rows as columns"),
    "without the class token, squared": ("smaller = 15.5", "smaller = 16", "in both"),
    "rounded up": ("hidden = 45", "hidden = 44", "rounded down"),
    "the kept ones": ("hidden = 45", "hidden = 4", "are kept"),
}

# %% [markdown] exercise="The loss of what was hidden" kind="build" stars=2 minutes=10
# Write the chapter's loss (3) and its backward: the squared error, averaged over the n numbers of a patch, and that over
# all hidden patches of the batch. `prediction` and `target` are (B, N, n), `mask` is (B, N), 1 where a patch was hidden;
# `dloss`, the gradient of the loss, is a number. The backward returns the gradient for the prediction alone.


# %% role="solution"
def masked_loss(prediction, target, mask):
    """-> the loss, and the cache."""
    # YOUR TURN
    difference = prediction - target
    errors = (difference**2).mean(axis=-1)
    return (mask * errors).sum() / mask.sum(), (difference, mask)
    # END


def masked_loss_backward(dloss, cache):
    """-> dprediction (B, N, n)."""
    # YOUR TURN
    difference, mask = cache
    return dloss * 2 * mask[:, :, None] * difference / (difference.shape[-1] * mask.sum())
    # END


# %% role="check"
a, b = rng.standard_normal((2, 2, 5, 3))
m = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 1.0]])
squares = ((a - b) ** 2).mean(axis=-1)
of_image = m / m.sum(axis=1, keepdims=True) / 2
check.close(
    check.pair(masked_loss, prediction=a, target=b, mask=m)[0], ops.masked_mse_forward(a, b, m)[0], "loss",
    mistakes={
        "The errors of all patches are summed: only those of the hidden ones count.": squares.sum() / m.sum(),
        "All patches are counted: the error counts where the patch was hidden.": squares.mean(),
        "The sum over the hidden patches is divided by the number of all.": (m * squares).mean(),
        "The patches that were seen are counted, and not the hidden ones.": ((1 - m) * squares).sum() / (1 - m).sum(),
        "The errors of a patch are summed, not averaged.": 3 * (m * squares).sum() / m.sum(),
        "Each image has a mean of its own, of which the mean is taken: all hidden patches of the batch weigh the same.":
            (of_image * squares).sum(),
        "The errors are not squared.": (m * np.abs(a - b).mean(axis=-1)).sum() / m.sum(),
    },
)  # fmt: skip
check.grad(
    lambda prediction: masked_loss(prediction, b, m), lambda dloss, cache: (masked_loss_backward(dloss, cache),),
    {"prediction": a},
    mistakes={
        "The mask is missing: patches that were seen have no gradient.":
            lambda dloss, cache: (dloss * 2 * (a - b) / (3 * m.sum()),),
        "Each patch's mean has a part in the gradient, too: 1/n.":
            lambda dloss, cache: (dloss * 2 * m[:, :, None] * (a - b) / m.sum(),),
        "The loss is divided by the number of hidden patches; so is its gradient.":
            lambda dloss, cache: (dloss * 2 * m[:, :, None] * (a - b) / 3,),
        "The slope of a square is twice its base.":
            lambda dloss, cache: (dloss * m[:, :, None] * (a - b) / (3 * m.sum()),),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Average over the last axis first. In the backward, each number of a hidden patch has the weight $1 / (n \sum m)$, and
# the slope of $u^2$ is $2u$.

# %% role="wrong"
{
    "all patches": ("(mask * errors).sum() / mask.sum()", "errors.mean()", "All patches are counted"),
    "all are summed": ("(mask * errors).sum() / mask.sum()", "errors.sum() / mask.sum()", "all patches are summed"),
    "divided by all": ("(mask * errors).sum() / mask.sum()", "(mask * errors).mean()", "the number of all"),
    "the seen ones": (
        "(mask * errors).sum() / mask.sum()", "((1 - mask) * errors).sum() / (1 - mask).sum()", "The patches that were seen"
    ),
    "image by image": (
        "(mask * errors).sum() / mask.sum()", "((mask * errors).sum(1) / mask.sum(1)).mean()", "all hidden patches of the batch"
    ),
    "summed": (".mean(axis=-1)", ".sum(axis=-1)", "summed, not averaged"),
    "the backward without the mask": ("2 * mask[:, :, None] * difference", "2 * difference", "The mask is missing"),
    "the backward without n": ("(difference.shape[-1] * mask.sum())", "mask.sum()", "1/n"),
    "the backward not divided": ("(difference.shape[-1] * mask.sum())", "difference.shape[-1]", "so is its gradient"),
    "its input changed": ("difference = prediction - target", "difference = prediction; difference -= target", "changed its input"),
    "the backward without 2": ("dloss * 2 * mask", "dloss * mask", "twice its base"),
}  # fmt: skip

# %% [markdown] exercise="It runs, and fills in a puzzle" kind="break" stars=2 minutes=8
# A colleague's masking gives arrays of the right shapes, a loss that falls, and pictures that look like a jigsaw puzzle.
# Mend it: there are two mistakes.


# %% role="given"
def take(x, index):
    """Of each image b the tokens index[b]."""
    return np.take_along_axis(x, index[:, :, None], axis=1)


# %% role="broken"
def masking_colleague(x, token, noise, K):
    """-> what is kept (B, K, D), the smallest noise first; all places filled (B, N, D), each patch at its own place and
    `token` where one was hidden; the mask (B, N), 1 for a patch that was hidden."""
    order = np.argsort(noise, axis=1)
    z = take(x, order[:, :K])
    absent = np.broadcast_to(token, (len(x), x.shape[1] - K, x.shape[2]))
    full = take(np.concatenate((z, absent), axis=1), order)
    mask = np.arange(x.shape[1]) >= np.full((len(x), 1), K)
    return z, full, mask


# %% role="solution"
def masking_colleague(x, token, noise, K):
    """-> what is kept (B, K, D), the smallest noise first; all places filled (B, N, D), each patch at its own place and
    `token` where one was hidden; the mask (B, N), 1 for a patch that was hidden."""
    order = np.argsort(noise, axis=1)
    restore = np.argsort(order, axis=1)
    z = take(x, order[:, :K])
    absent = np.broadcast_to(token, (len(x), x.shape[1] - K, x.shape[2]))
    full = take(np.concatenate((z, absent), axis=1), restore)
    mask = restore >= K
    return z, full, mask


# %% role="check"
x, t, noise = rng.standard_normal((3, 8, 2)), rng.standard_normal(2), rng.random((3, 8))
by_noise, place_of = ops.shuffle(noise)
answer = check.call(masking_colleague, x=x, token=t, noise=noise, K=3)
if not isinstance(answer, tuple) or len(answer) != 3:
    raise check.Wrong(f"your function returns {type(answer).__name__}, expected three values: z, full, mask")
z, full, mask = answer
right, _ = ops.keep_tokens_forward(x, by_noise, place_of, count=3)
check.close(
    z, right, "kept",
    mistakes={"Those of the largest numbers are kept, not those of the smallest.": take(x, by_noise[:, ::-1][:, :3]),
              "restore says at which place a patch stands, not which patch stands at a place.": take(x, place_of[:, :3]),
              "These are the right patches in reading order: they go out in the order of their noise.":
                  take(x, np.sort(by_noise[:, :3], axis=1))},
)  # fmt: skip
shuffled = np.concatenate((right, np.broadcast_to(t, (3, 5, 2))), axis=1)
check.close(
    full, ops.restore_tokens_forward(right, t[None, None], by_noise, place_of)[0], "filled",
    mistakes={"The tokens are shuffled once more, not back: that needs the inverse permutation.": take(shuffled, by_noise),
              "Nothing is put back: the kept tokens stand in front.": shuffled},
)  # fmt: skip
check.close(
    mask, place_of >= 3, "mask",
    mistakes={"The mask is in the order of the noise: who are the hidden patches?": np.arange(8) >= np.full((3, 1), 3),
              "The mask is inverted: it is 1 where a patch was hidden.": place_of < 3,
              "order says which patch stands at a place; the mask asks at which place a patch stands.": by_noise >= 3,
              "One patch too few is hidden.": place_of > 3},
)  # fmt: skip

# %% [markdown] role="hint"
# `take(x, order)` shuffles. What shuffles back? And the mask has an entry for each *patch*, in reading order.

# %% role="wrong"
{
    "the filling left as it was": (
        "full = take(np.concatenate((z, absent), axis=1), restore)",
        "full = take(np.concatenate((z, absent), axis=1), order)",
        "inverse permutation",
    ),
    "the mask left as it was": (
        "mask = restore >= K", "mask = np.arange(x.shape[1]) >= np.full((len(x), 1), K)", "in the order of the noise"
    ),
    "an inverted mask": ("mask = restore >= K", "mask = restore < K", "inverted"),
    "a mask of the order": ("mask = restore >= K", "mask = order >= K", "at which place a patch stands"),
    "one too few": ("mask = restore >= K", "mask = restore > K", "One patch too few"),
    "the kept in reading order": (
        "z = take(x, order[:, :K])", "z = take(x, np.sort(order[:, :K], axis=1))", "in the order of their noise"
    ),
    "nothing put back": (
        "full = take(np.concatenate((z, absent), axis=1), restore)",
        "full = np.concatenate((z, absent), axis=1)",
        "Nothing is put back",
    ),
}  # fmt: skip

# %% [markdown] exercise="Hide what you like" kind="further" stars=2 minutes=8
# Each patch has a number, its noise, and the model keeps the 12 patches with the smallest. Nobody asks where the numbers
# come from. Write `inkiest`: numbers with which it sees the 12 patches with the most ink, and has to guess the paper. `image` is one digit (28, 28), 0 the paper and up to 1
# the ink; a patch is 4 × 4, and patches are counted in reading order. Then look at what it fills in
# (`mae.fill_in(image[None, :, :, None], noise=inkiest(image))`), and think of others: the left half alone, a chessboard.


# %% role="solution"
def inkiest(image):
    """-> noise (1, 49)."""
    # YOUR TURN
    patches = image.reshape(7, 4, 7, 4).transpose(0, 2, 1, 3).reshape(1, 49, 16)
    return -patches.sum(axis=2)
    # END


# %% role="check"
image = digits.test_images[3, :, :, 0] / 255
ink = ops.patchify_forward(image[None, :, :, None], (4, 4))[0].sum(axis=-1)
given = np.asarray(check.call(inkiest, image=image), float)
check.shape(given, (1, 49), "noise")
shown = lambda noise: np.sort(ink[0, np.argsort(noise, axis=1)[0, :12]])
torn = image.reshape(49, 16).sum(axis=1)[None]
check.close(
    shown(given), shown(-ink), "the ink of the kept patches, from the least to the most",
    mistakes={"That is the patches' numbers in order of their ink. The model asks for a number of each patch.":
                  shown(np.argsort(-ink, axis=1)),
              "The emptiest are kept: the smallest numbers win.": shown(ink),
              "These are rows of 16 pixels, not patches of 4 x 4: see chapter 01.": shown(-torn),
              "These are the patches with the largest single pixel.":
                  shown(-ops.patchify_forward(image[None, :, :, None], (4, 4))[0].max(axis=-1)),
              "Columns are counted first, and rows second.": shown(-ink.reshape(7, 7).T.reshape(1, 49))},
)  # fmt: skip

# %% [markdown] role="hint"
# `ops.patchify_forward(image[None, :, :, None], (4, 4))` or a reshape and a transpose give the patches (1, 49, 16). The
# smallest numbers win, so much ink must be a small number.

# %% role="wrong"
{
    "the order": ("-patches.sum(axis=2)", "np.argsort(-patches.sum(axis=2), axis=1)", "a number of each patch"),
    "the emptiest": ("return -patches", "return patches", "The emptiest are kept"),
    "rows of pixels": (
        "image.reshape(7, 4, 7, 4).transpose(0, 2, 1, 3).reshape(1, 49, 16)", "image.reshape(1, 49, 16)", "rows of 16 pixels"
    ),
    "columns first": ("transpose(0, 2, 1, 3)", "transpose(2, 0, 1, 3)", "Columns are counted first"),
    "the largest pixel": (".sum(axis=2)", ".max(axis=2)", "largest single pixel"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Hide tokens and put them back with two index arrays, and say why each of the two is the other's backward.
# - Say why the loss asks for hidden patches only, and why so many are hidden.
# - Start a classifier from an encoder that has seen no label (`python -m minivit train --pretrain mae`).
#
# In the library: `minivit/ops/masking.py`, `minivit/ops/pixel_loss.py`, `minivit/family/mae.py`. Sources: K. He et al.,
# *Masked Autoencoders Are Scalable Vision Learners*, arXiv 2111.06377.
