# ---
# title: Sixty seconds to a trained ViT
# question: Can a Transformer learn to see in a minute, and what happens in it when it does?
# sentence: Train one, see what it reads right and wrong and where it looks, and walk through it once, from the pixels to the answer. With the map of the course.
# minutes: 25
# needs: []
# gpu: of no use
# ---

# %% [markdown]
# A **Vision Transformer**, ViT for short, is a program that takes a picture and says what is on it. Nobody writes down the
# rules by which it decides. It has some tens of thousands of numbers, its *parameters*, which start at random and are
# then changed, step by step, until its answers are right. This course takes one apart, down to the last number, in both
# directions: from the picture to the answer, and from the mistake back to the numbers. Here, we only look on.

# %% role="setup"
import os

import numpy as np

import minivit
from minivit import check, draw, inspect

FAST = bool(os.environ.get("MINIVIT_FAST"))  # for a quick trial of this notebook
digits = minivit.load_mnist()

# %% [markdown]
# ## The picture first
#
# These digits were written by people, and scanned: 28 × 28 pixels each. They ship with minivit, 10,000 of them. 8,000 are
# for learning; the other 2,000 the model will see for the first time when it is examined.

# %%
draw.digits(
    digits.test_images[:16], [str(label) for label in digits.test_labels[:16]],
    alt="Sixteen handwritten digits in two rows, each with its name below. Some are slanted, some thick, some sloppy.",
)  # fmt: skip

# %% [markdown]
# What goes in is such a picture: 784 numbers between 0 and 255. What should come out is one of ten names. *Take a moment
# before you go on: how would you write a program that tells a 4 from a 9?*
#
# ## Train
#
# One call. A line is an *epoch*: every one of the 8,000 digits has been looked at once more, a little shifted, turned and
# stretched each time. The *loss* says how surprised the model is by the right answer: 2.30 (that is −log 1/10) is a blind
# guess among ten, 0 is certainty.

# %%
result = minivit.train_mnist("quick", epochs=1 if FAST else None)
model = result.model

# %% [markdown]
# The accuracy is that of the 2,000 digits that it did not learn from. That the train loss is mostly the larger of the two
# need not surprise: it is a mean over the whole epoch, from its less able beginning on, and of digits that were shifted,
# turned and stretched. Three runs that began with other random numbers came
# to 97.40, 97.05 and 97.40 %, for 30 seconds of one processor core each.
#
# ## What it reads right, and wrong

# %%
draw.picture(
    inspect.plot_predictions(digits.test_images, digits.test_labels, result.probabilities),
    alt="A page of digits. Above, eight that were read right, with how sure the model was. Below, sixteen that were read "
    "wrong, those first of which it was surest.",
)

# %% [markdown]
# **What to notice.** (1) Above each digit stands how sure it was. (2) Among the mistakes are digits that you may have
# to look at twice yourself. (3) It can be sure and wrong. A probability that a model states is its opinion.
#
# ## What happens inside
#
# | letter | meaning | here |
# |---|---|---|
# | B | pictures at a time | any |
# | P | side of a patch, in pixels | 7 |
# | N | tokens: patches, and one more | 16 + 1 |
# | D | numbers in a token | 48 |
# | L | blocks | 3 |
# | H | heads in each block | 4 |
# | K | classes | 10 |

# %%
draw.shapes(
    [
        ("pictures", "(B, 28, 28, 1)"), "cut (01)", ("patches", "(B, 16, 49)"), "project (02)", ("tokens", "(B, 16, 48)"),
        "+ class token,\n+ positions (04)", ("tokens", "(B, 17, 48)"), "3 blocks\n(06 to 11)", ("tokens", "(B, 17, 48)"),
        "class token", ("features", "(B, 48)"), "head (11)", ("logits", "(B, 10)"),
    ],
    alt="A row of boxes: pictures (B, 28, 28, 1), cut into patches (B, 16, 49), projected to tokens (B, 16, 48), with class "
    "token and positions (B, 17, 48), through 3 blocks, the class token's features (B, 48), and by the head logits (B, 10).",
)  # fmt: skip

# %% [markdown]
# The numbers in brackets are chapters. Let us walk along, with four digits.
#
# **Patches (chapter 01).** The picture is cut into 16 squares of 7 × 7 pixels. Now there is a *sequence*, and sequences are
# what Transformers were made for.
#
# **Tokens (02).** A **token** is a list of numbers that stands for a piece of the picture, and in which the model keeps
# notes on that piece. Here it has 48 of them. The first notes are weighted sums of the patch's pixels.
#
# **Class token and positions (04).** A 17th token is put in front, the same for all pictures: an empty sheet on which the
# answer will be gathered. And to each token something is added that says where it stands; otherwise the model would see
# a heap of patches, in no order.
#
# **Blocks (06 to 11).** Three times, the same two steps: the tokens look at one another, and each takes over what it finds
# useful (*attention*, 07 and 08); then each thinks for itself (a small network, the *MLP*). Before each step, LayerNorm
# (06) brings their numbers to a common size.
#
# **Head (11).** After one more LayerNorm, which the picture leaves out, a product makes of the class token ten numbers,
# the *logits*: the larger, the likelier. We can do that last step by hand:

# %%
images = model.normalize(digits.test_images[:4])  # the model computes with (pixel - mean) / std, not with 0 to 255
features = model.features(images)
for name, array in {"images": images, "tokens, at the end": model.tokens(images), "features": features}.items():
    print(f"{name:18}", array.shape)
by_hand = features @ model.params["head.weight"] + model.params["head.bias"]
check.close(by_hand, model(images), "logits", tol=1e-6)

probabilities = np.exp(by_hand) / np.exp(by_hand).sum(axis=1, keepdims=True)  # the softmax: positive, sums to 1
check.close(probabilities, model.predict(digits.test_images[:4]), "probabilities", tol=1e-5)
print("it says", probabilities.argmax(axis=1), "and it is", digits.test_labels[:4])

# %% [markdown]
# ## Where it looks
#
# When the class token gathers the answer, it gives every patch a weight. These weights can be drawn. Each of the four
# *heads* of the last block has its own:

# %%
order = [int(np.flatnonzero(digits.test_labels == label)[0]) for label in range(10)]
draw.picture(
    inspect.plot_attention(model, digits.test_images[order], digits.test_labels[order]),
    alt="A table: ten digits from 0 to 9 as columns; below each, the mean of four heads and the four heads, with a coloured "
    "square for each of the 16 patches: the darker, the more attention.",
)

# %% [markdown]
# **What to notice.** (1) The heads differ: each looks for something of its own. (2) A head that marks the same patch in
# nearly every column has learned a place (in the run shown here, heads 1 and 4); one that follows the ink, a shape. (3)
# A map says where numbers were taken from, not why the answer is what it is; chapter 14 tests how much a map may be
# believed.
#
# ## One step of learning
#
# *Before you run the next cell:* the loss depends on all 60,730 parameters. What would you need to know about it to lower
# it?

# %%
labels = digits.train_labels[:200]
fresh = minivit.ViT(model.config, seed=1, init="fan_in")  # a model that has learned nothing yet
pixels = fresh.normalize(digits.train_images[:200])
loss, gradients = fresh.loss_and_grads(pixels, labels)
for name, gradient in gradients.items():
    fresh.params[name] -= 0.05 * gradient  # a little downhill, each parameter in its own direction
after, _ = fresh.loss_and_grads(pixels, labels)
print(f"{sum(g.size for g in gradients.values()):,} parameters; loss {loss:.3f}, after one step {after:.3f}")

# %% [markdown]
# The **gradient** says of every parameter how the loss would change if that parameter grew a little. So each is moved a
# little the other way. Training is this step, repeated: in the run above two thousand times, each time with another
# batch of 64 digits. How to compute 60,730
# such numbers at once, exactly, and how to know that they are right, is half of this course: it begins in chapter 05.
#
# ## The map of the course
#
# | | chapter | what you will have built |
# |---|---|---|
# | 01 | Patchify | a picture as a sequence |
# | 02 | Patch embedding | tokens, and your first backward |
# | 04 | Positions | five ways to say where a patch is |
# | 05 | Backpropagation by hand | gradients, and the check that they are right |
# | 06 | LayerNorm | the first backward that is not obvious |
# | 07 | Softmax attention | tokens that look at one another, forward and backward |
# | 08 | Many heads | the same, several times at once |
# | 09 | GELU and the MLP | what each token does by itself |
# | 10 | The block | the chain, there and in reverse |
# | 11 | The whole ViT | all of it in one piece, with the loss |
# | 12 | AdamW | every optimiser from its formula |
# | 13 | Train on MNIST | the training loop, and honest results |
# | 14 | Looking inside | what the model attends to, and what that proves |
# | 22b | What a GPU is | a machine with 32 lanes a warp, drawn |
# | 23 | The first kernel | a program for a GPU, run and checked without one |
# | 24 | LayerNorm kernels | four versions, and what each saves |
# | 25 | Fused attention | attention that never stores its largest matrix |
#
# That is the main line. The other chapters are side roads, and [the map](README.md) shows where each begins: convolutions,
# teachers, pictures without labels, windows, detectors. You need Python, NumPy, matrices and derivatives. You do not
# need a GPU, another framework, or to take anything on faith.

# %% [markdown] exercise="Count the tokens" kind="predict" stars=1 minutes=4
# The chapter's model cuts pictures of 28 × 28 into patches of 7 × 7 and has 16 + 1 tokens. How many tokens, the class token
# included, would it have with patches of 4 × 4 (`tokens_4`)? With patches of 14 × 14 (`tokens_14`)? And how many
# numbers has the head, from 48 features to 10 logits, weight and bias (`head`)?

# %% role="solution"
# YOUR TURN
tokens_4 = 50
tokens_14 = 5
head = 490
# END


# %% role="check"
def count(patch_size):
    return minivit.ViT(
        minivit.ViTConfig(image_size=28, patch_size=patch_size, channels=1, classes=10, width=48, depth=1, heads=4)
    )


images = np.zeros((1, 28, 28, 1), np.float32)
check.answer(
    tokens_4,
    count(4).tokens(images).shape[1],
    "tokens_4",
    reasons={49: "and the class token?", 8: "7 patches lie across, and 7 down"},
)
check.answer(
    tokens_14,
    count(14).tokens(images).shape[1],
    "tokens_14",
    reasons={4: "and the class token?", 3: "2 patches lie across, and 2 down"},
)
sizes = [count(14).params[name].size for name in ("head.weight", "head.bias")]
check.answer(head, sum(sizes), "head", reasons={480: "and the bias?", 528: "a logit has a bias, not a feature"})

# %% [markdown] role="hint"
# How many patches stand in a row, and how many rows are there? For the head: every logit is a weighted sum of all 48
# features, and a bias.

# %% role="wrong"
{
    "the class token forgotten": ("tokens_4 = 50", "tokens_4 = 49", "and the class token"),
    "the bias forgotten": ("head = 490", "head = 480", "and the bias"),
    "patches in a row": ("tokens_14 = 5", "tokens_14 = 3", "2 patches lie across"),
    "a bias for each feature": ("head = 490", "head = 528", "a logit has a bias"),
}

# %% [markdown] exercise="Accuracy" kind="build" stars=1 minutes=6
# Write `accuracy(model, images, labels)`: which part of the raw pictures (uint8, (n, 28, 28, 1)) the model reads right,
# a number between 0 and 1. Use `model.predict`, which takes raw pictures and returns probabilities (n, 10).

# %% role="given"
from minivit.data import TRAINED_DIGITS

model = minivit.ViT.load(TRAINED_DIGITS)  # trained already: chapter 13 shows how


# %% role="solution"
def accuracy(model, images, labels):
    # YOUR TURN
    said = model.predict(images).argmax(axis=1)
    return np.mean(said == labels)
    # END


# %% role="check"
some, others = slice(0, 300), slice(300, 420)
for part in (some, others):
    _, expected, _ = minivit.evaluate(model, digits.test_images[part], digits.test_labels[part])
    known = {"That is the number that were read right, not the part.": expected * (part.stop - part.start),
             "That is in per cent; expected is a number between 0 and 1.": 100 * expected,
             "None is right: is argmax taken along axis 1, the ten classes of each picture?": 0.0}  # fmt: skip
    given = accuracy(model, digits.test_images[part], digits.test_labels[part])
    check.close(given, expected, "accuracy", mistakes=known)

# %% [markdown] role="hint"
# The class that the model finds likeliest is the place of the largest number in each row. `True` counts as 1 in a mean.

# %% role="wrong"
{
    "the largest of each column": ("argmax(axis=1)", "argmax(axis=0)", "shape"),
    "the largest of all": ("argmax(axis=1)", "argmax()", "along axis 1"),
    "a count": ("np.mean", "np.sum", "not the part"),
    "per cent": ("np.mean(", "100 * np.mean(", "in per cent"),
    "how sure it is": ("np.mean(said == labels)", "model.predict(images).max(axis=1).mean()", "accuracy"),
}

# %% [markdown] exercise="A model that suddenly cannot read" kind="break" stars=2 minutes=6
# `model(images)` computes the logits. A colleague wrote `read`, which returns the digits that the model sees in raw
# pictures. It is right less often than it should be, and no error is raised. Mend it.

# %% role="given"
from minivit.data import TRAINED_DIGITS

model = minivit.ViT.load(TRAINED_DIGITS)


# %% role="broken"
def read(model, images):
    """images, uint8 (n, 28, 28, 1) -> the digits that the model sees (n,)."""
    pixels = (images / 255).astype(np.float32)
    return model(pixels).argmax(axis=1)


# %% role="solution"
def read(model, images):
    """images, uint8 (n, 28, 28, 1) -> the digits that the model sees (n,)."""
    pixels = model.normalize(images)
    return model(pixels).argmax(axis=1)


# %% role="check"
right = model.predict(digits.test_images[:120]).argmax(axis=1)
print("agrees with model.predict on", np.sum(read(model, digits.test_images[:120]) == right), "of 120")
raw = digits.test_images[:120].astype(np.float32)
known = {
    "The pixels go from 0 to 255; model.normalize gives what the model was trained with.": model(raw),
    "The pixels go from 0 to 1; the model was trained with their mean taken away: model.normalize.": model(raw / 255),
    "The pixels go from -1 to 1; the model was trained with another mean: model.normalize.": model(raw / 127.5 - 1),
    "These are the least likely digits.": -model(model.normalize(raw / 255)),
}
known = {said: logits.argmax(axis=1) for said, logits in known.items()}
check.close(read(model, digits.test_images[:120]), right, "digits", mistakes=known)

# %% [markdown] role="hint"
# What did `images` go through before they were given to the model, in "What happens inside"?

# %% role="wrong"
{
    "from 0 to 255": ("model.normalize(images)", "images.astype(np.float32)", "go from 0 to 255"),
    "from -1 to 1": ("model.normalize(images)", "(images / 127.5 - 1).astype(np.float32)", "go from -1 to 1"),
    "logits": ("model(pixels).argmax(axis=1)", "model(pixels)", "shape"),
    "the smallest logit": ("argmax", "argmin", "least likely"),
}

# %% [markdown] exercise="Shuffled patches" kind="further" stars=3 minutes=12
# Cut each picture into squares of P × P, put the squares in another order, and make a picture of them again: write
# `shuffle_patches(images, order, P)`. Square number `order[i]`, in reading order, goes to place i. (The check cuts 4 ×
# 4, so `order` has 49 entries.) A loop over the places is good enough; chapter 01 does without. Then see what the model
# makes of it: does it still read? Chapter 04 explains.

# %% role="given"
from minivit.data import TRAINED_DIGITS

model = minivit.ViT.load(TRAINED_DIGITS)


# %% role="solution"
def shuffle_patches(images, order, P):
    """images (n, height, width, 1) -> the same shape, the squares of P x P in another order."""
    # YOUR TURN
    shuffled = np.empty_like(images)
    across = images.shape[2] // P  # squares in a row
    for place, number in enumerate(order):
        row, column = place // across * P, place % across * P
        from_row, from_column = number // across * P, number % across * P
        square = images[:, from_row : from_row + P, from_column : from_column + P]
        shuffled[:, row : row + P, column : column + P] = square
    return shuffled
    # END


# %% role="check"
def square(images, number):
    row, column = divmod(int(number), 7)
    return images[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]


order = np.random.default_rng(0).permutation(49)
some = digits.test_images[:300]
shuffled = shuffle_patches(some, order, 4)
check.shape(shuffled, some.shape, "the shuffled pictures")
inky = order.tolist().index(24)  # where the square from the middle of the picture goes
for place in (inky, 0, 8, 30):
    known = {"Each square stands where it stood.": square(some, place),
             "Square i went to place order[i]; place i should hold square order[i].":
                 square(some, order.tolist().index(place)),
             "Squares are counted along the columns; reading order goes along the rows.":
                 square(some, order[place] % 7 * 7 + order[place] // 7),
             "Places are counted along the columns; reading order goes along the rows.":
                 square(some, order[place % 7 * 7 + place // 7])}  # fmt: skip
    check.close(square(shuffled, place), square(some, order[place]), f"place {place}", mistakes=known)
for name, images in (("as they are", some), ("shuffled", shuffled)):
    print(name, (model.predict(images).argmax(axis=1) == digits.test_labels[:300]).mean())

# %% [markdown] role="hint"
# There are 7 squares in a row. So square number n begins in pixel row 4 · (n // 7), and in pixel column 4 · (n % 7); a
# square is a slice of the images, and a slice can be assigned to.

# %% role="wrong"
{
    "the other way round": ("enumerate(order)", "enumerate(np.argsort(order))", "Square i went to place order[i]"),
    "row and column exchanged": (
        "number // across * P, number % across * P",
        "number % across * P, number // across * P",
        "Squares are counted along the columns",
    ),
    "places along the columns": (
        "place // across * P, place % across * P",
        "place % across * P, place // across * P",
        "Places are counted along the columns",
    ),
    "nothing": ("enumerate(order)", "enumerate(range(len(order)))", "stands where it stood"),
}

# %% [markdown]
# ## What you can do now
#
# - Train a Vision Transformer, read its log, and look at its mistakes before you believe its accuracy.
# - Name the stages from the picture to the answer, with the shape after each.
# - Say what a token, a logit, a loss and a gradient are, in a sentence each.
#
# Draw a digit of your own and watch all this happen to it: `python -m minivit live` ([the live page](../docs/live.md)).
#
# In the library: `minivit/train/mnist.py`, and `minivit/model/vit.py`, which is the picture with the boxes, in code.
# Source: A. Dosovitskiy et al., *An Image is Worth 16x16 Words*, arXiv 2010.11929, Figure 1.
