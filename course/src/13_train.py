# ---
# title: Train on MNIST
# question: What happens between an image and a better model?
# sentence: Take the training loop apart, put its step together by hand, train a ViT, and read its mistakes.
# minutes: 65
# needs: [11, 12]
# gpu: of no use
# ---

# %% [markdown]
# Chapter 11 has a model, a loss and the gradient of the loss for every parameter. This chapter makes the model *better*,
# one small step after another, until it reads digits that it has never seen. Training is a loop of six stations, and
# each of them can go wrong without an error message. So we visit all six, put a step together by hand, and compare it
# with the library's. Then we train, for one to two minutes on two cores, as the machine may be.

# %% role="setup"
import dataclasses
import json
import os

import numpy as np

from minivit import ViT, ViTConfig, check, draw, load_mnist
from minivit.data import TRAINED_DIGITS, TRAINED_RESULTS
from minivit.train import TrainConfig, Trainer, evaluate, fit, resume, save_checkpoint

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
digits = load_mnist()  # 8,000 to train, 2,000 to test
results = json.loads(TRAINED_RESULTS.read_text(encoding="utf-8"))
config, recipe = ViTConfig(**results["model"]), TrainConfig(**results["recipe"])

# %% [markdown]
# ## The picture first
#
# In go 8,000 digits with their labels. Out comes a model. Below is the accuracy of three models on 2,000 *other* digits,
# after each epoch, that is, each time that the model has gone through the 8,000. The three differ in nothing but the **seed**
# of the random numbers. They were trained by `course/train_models.py`, and their histories ship with minivit.

# %%
curves = {
    f"seed {seed}": ([row["epoch"] for row in history], [100 * row["test_accuracy"] for row in history])
    for seed, history in zip(results["seeds"], results["histories"], strict=True)
}
draw.lines(
    curves, xlabel="epoch", ylabel="test digits read right (%)", title="Three models, three seeds",
    alt="Three curves of accuracy against the epoch. All rise steeply, from a little over 30 % after the first epoch to over "
    "80 % after the sixth, then ever more slowly, and end close together at about 97 %; on the way they cross many times.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Most is learned in the first third. (2) The curves cross: which seed is ahead says little.
# (3) Early on they jump up and down, later hardly: the steps have become small. You will see why.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | n | training images | 8,000 |
# | B | images in a batch, one step | 128 |
# | S | shards of a batch, each of 64 images | 2 |
# | K | classes | 10 |
# | θ, g | all parameters in one array, and their gradient | 60,730 numbers each |
# | T | steps: 62 whole batches an epoch, times 30 epochs | 1,860 |
#
# The model is a ViT with 7 × 7 patches of 4 × 4 pixels and a class token, D = 48, 3 blocks, H = 4 heads. (Chapter 00's
# cuts 4 × 4 patches of 7 × 7, which is faster; its accuracy is in the README. It has as many parameters by accident: what
# larger patches cost in weights, fewer positions save. The small patches are for chapter 14: there is more to see in their
# maps.) A dense weight starts as random numbers of variance 1/in, in being how many numbers it takes: that is
# `init="fan_in"`. And this is the **recipe**, each number of which you will meet at its station:

# %%
for name in ("epochs", "batch_size", "shard_size", "learning_rate", "warmup", "weight_decay", "betas", "clip_norm"):
    print(f"{name:14} {getattr(recipe, name)}")

# %% [markdown]
# ## The idea
#
# The loss is a landscape over 60,730 directions. The gradient g says which way is *up*, so a step goes a little way in the
# other direction. To be cheap, a step computes g on 128 random images only: the mean over a random sample is an estimate of
# the mean over all 8,000. Every step walks the same six stations:
#
# **batch → augment → shards → loss and gradient → AdamW → schedule**
#
# (The schedule is last because it needs the most explaining. The step asks it for η before AdamW uses it.)
#
# ### Station 1: the batch
#
# An epoch is a shuffle of all images, cut into 62 whole batches. The 64 images that are left over come in another epoch,
# whose order is another. The order depends on the seed and the epoch alone, by a `SeedSequence`: it makes of a few whole
# numbers the start of a random generator, and other numbers make another. The 0 in the middle says "a shuffle":


# %%
def batch_of(step, n, B, seed):
    """Which images the step sees; steps count from 1."""
    epoch, place = divmod(step - 1, n // B)
    order = np.random.default_rng(np.random.SeedSequence((seed, 0, epoch + 1))).permutation(n)
    return order[place * B : (place + 1) * B]


print("step  1 sees images", batch_of(1, 8000, 128, seed=0)[:5], "…")
print("step 63 sees images", batch_of(63, 8000, 128, seed=0)[:5], "…")

# %% [markdown]
# ### Station 2: augment
#
# A digit that is shifted by a pixel is the same digit, but the model does not know that. So it never sees the same
# picture twice: each is shifted by up to 2 pixels, turned by up to 10° and scaled by up to 10 %, by a new draw each time.

# %%
from minivit.train.augment import random_affine

one = digits.train_images[:1] / 255
seven = random_affine(np.repeat(one, 7, axis=0), np.random.default_rng(1), shift=2, rotation=10, scale=0.1)
draw.digits(
    np.concatenate((one, seven)), ["as it is", *["augmented"] * 7], columns=8,
    alt="The same handwritten digit eight times: first as it is, then seven versions that lean, lie or are "
    "sized a little differently, all of them easy to read.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Every version is a picture that somebody could have written: that is the test of a good
# augmentation. (2) Nothing is mirrored: a mirrored 2 is no digit. Test images are never augmented, because the score
# must be about the digits as they are.
#
# ### Stations 3 and 4: shards, and the gradient
#
# The loss of a batch is the mean of the losses of its images. What is its gradient? The derivative of a sum is the sum of
# the derivatives, and a constant factor stays in front:
#
# $$\begin{aligned} L &= \frac{1}{B}\sum_{b=1}^{B} \ell_b \\
# \nabla L &= \frac{1}{B}\sum_{b=1}^{B} \nabla \ell_b \end{aligned} \tag{1}$$
#
# where ∇ stands for the derivatives with respect to all of θ.
#
# So a batch can be cut into **shards** of $B_s$ images, a thread takes each, and the gradients are added. A shard gives
# the mean of its own images, $\nabla L_s$, so it has to be weighted by its part of the batch:
#
# $$\nabla L = \sum_{s=1}^{S} \frac{B_s}{B}\,\nabla L_s \tag{2}$$
#
# The backward pass is the whole model's, derived piece by piece in chapters 05 to 11. First: is it right? In any
# direction u, the slope of the loss must be the inner product of g and u. We try a random direction, in float64 (chapter 05,
# the four-point rule):

# %%
model = ViT(config, seed=0, dtype=np.float64, init="fan_in")
images, labels = model.normalize(digits.train_images[:10]), digits.train_labels[:10]
loss, grads = model.loss_and_grads(images, labels)
u = {name: rng.standard_normal(array.shape) for name, array in model.params.items()}


def loss_along(t):
    moved = ViT(config, params={name: array + t * u[name] for name, array in model.params.items()})
    return moved.loss_and_grads(images, labels)[0]


slope = (8 * (loss_along(1e-5) - loss_along(-1e-5)) - (loss_along(2e-5) - loss_along(-2e-5))) / 12e-5
check.close(sum(np.sum(grads[name] * u[name]) for name in grads), slope, "g · u against the slope")
print(f"loss {loss:.3f}; ten classes, none preferred: log 10 = {np.log(10):.3f}")

# %% [markdown]
# Now equation (1) as a loop over single images, and equation (2) with three shards of 4, 4 and 2 images:


# %%
def gradient_by_image(model, images, labels):
    total = {name: np.zeros_like(array) for name, array in model.params.items()}
    for b in range(len(images)):
        for name, grad in model.loss_and_grads(images[b : b + 1], labels[b : b + 1])[1].items():
            total[name] += grad / len(images)
    return total


def gradient_by_shard(model, images, labels, size):
    total = {name: np.zeros_like(array) for name, array in model.params.items()}
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        weight = len(images[part]) / len(images)  # B_s / B: the last shard may be smaller
        for name, grad in model.loss_and_grads(images[part], labels[part])[1].items():
            total[name] += weight * grad
    return total


name = "blocks.1.attn.qkv.weight"
check.close(gradient_by_image(model, images, labels)[name], grads[name], "image by image, against the batch")
check.close(gradient_by_shard(model, images, labels, 4)[name], grads[name], "shards of 4, 4, 2, against the batch")

# %% [markdown]
# ### Station 5: AdamW
#
# Chapter 12 derives AdamW; here is what it does, in short. Where the gradient is longer than 1 it is scaled down to
# length 1, so that one odd batch cannot throw the model far (**clipping**). Then each parameter keeps two running averages,
# of its gradient (m) and of the square (v), and divides one by the root of the other:
#
# $$\begin{aligned} m &\leftarrow \beta_1 m + (1-\beta_1)\,g \\
# v &\leftarrow \beta_2 v + (1-\beta_2)\,g^2 \end{aligned} \tag{3}$$
#
# $$\begin{aligned} \theta &\leftarrow \theta - \eta\,\lambda\,\theta \\
# &\quad - \eta\,\frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \varepsilon} \end{aligned} \tag{4}$$
#
# The divisors $1-\beta^t$ undo that m and v start at zero. At t = 1 they leave g / |g| = ±1: every parameter goes a step of
# η, whatever the size of its gradient. The term with λ is **weight decay**, and λ is 0 for all but the dense weights. These
# multiply what flows through, and the larger they are, the more the output swings with a small change of the picture.
# Decay lets them be only as large as the data keep asking for. A norm's scale belongs near 1, a bias or a position multiplies
# nothing: decay would pull them to 0 for no gain.
#
# ### Station 6: the schedule
#
# η itself changes. It rises for the first tenth, $T_w$ steps, because m and v know little at first. Then it falls along half a
# cosine to almost 0: large steps to find a valley, small ones to reach its floor. At the steps t = 1 … T, with the peak
# $\eta_\text{max}$:
#
# $$\begin{aligned} \eta_t &= \eta_\text{max}\, \frac{t}{T_w} \quad (t \le T_w), \text{ else} \\
# \eta_t &= \frac{\eta_\text{max}}{2} \\
# & \cdot \left(1 + \cos \pi\, \frac{t - T_w}{T + 1 - T_w}\right) \end{aligned} \tag{5}$$
#
# The 1 in the divisor keeps the last step from being none: 0 would be reached at step T + 1. The library's
# rates, with (5) checked at one step; an exercise at the end has you write it for all.

# %%
trainer = Trainer(ViT(config, seed=0, init="fan_in"), digits.train_images, digits.train_labels, recipe, seed=0)
steps = np.arange(1, trainer.steps + 1)
rates = np.array([trainer.learning_rate(int(t)) for t in steps])
check.close(rates[1000 - 1], 0.008 / 2 * (1 + np.cos(np.pi * (1000 - 186) / (1861 - 186))), "(5) at step 1,000")
print(f"peak {rates.max()} at step {rates.argmax() + 1}; at the last step {rates[-1]:.1e}")
draw.lines(
    {"learning rate": (steps, rates)},
    xlabel="step", ylabel="learning rate η", title="Warm-up, then half a cosine", height=2.4,
    alt="The learning rate by step: a straight rise to 0.008 over the first tenth of the steps, then a smooth fall along "
    "half a cosine to almost zero at the end.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The accuracies in the first picture jump where this curve is high, and settle where it is low.
# (2) At the end it is almost 0: to train for longer, you need a longer curve from the start.
#
# ## Three steps by hand
#
# All stations in one function. By hand: the shuffle, the sum over shards, clipping and AdamW. From the library: the
# model's gradient, the augmentation, the schedule, and `params`, which keeps all of θ in one array. Its `.buffer` is that
# array, `.flatten` makes such a one of a dict of gradients, and `.groups` has its parts, each with a factor of the rate (1,
# here) and how many of its numbers decay: those come first. Each shard draws from a random `stream` of its own, named by
# seed, step and shard: so nothing depends on which thread is first. Why three steps? At the first m and v start from
# nothing, and β falls out of (4). *In float64: will all digits agree?*

# %%
from minivit.devices.workers import worker_pool


def steps_by_hand(trainer, count):
    """The first steps of a trainer that has taken none: its parameters after them, the array θ."""
    model, params, r = trainer.model, trainer.params, trainer.config
    (b1, b2), m, v = r.betas, 0, 0
    for t in range(1, count + 1):
        batch, g = batch_of(t, len(trainer.images), r.batch_size, trainer.seed), 0
        for s, part in enumerate(np.split(batch, range(r.shard_size, len(batch), r.shard_size))):
            stream = np.random.default_rng(np.random.SeedSequence((trainer.seed, t, s)))
            pixels = random_affine(trainer.images[part] / 255, stream, r.shift, r.rotation, r.scale)
            grads = model.loss_and_grads(model.normalize(pixels), trainer.labels[part], stream)[1]
            g = g + len(part) / len(batch) * params.flatten(grads)  # (2)
        print(f"step {t}: the gradient's length is {np.linalg.norm(g):.2f}")
        g = g * min(1, r.clip_norm / np.linalg.norm(g))
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2  # (3)
        rate, theta = trainer.learning_rate(t), params.buffer  # changed in place: the model's arrays are parts of it
        for part, _, decayed in params.groups:
            theta[part][:decayed] -= rate * r.weight_decay * theta[part][:decayed]  # (4)
        theta -= rate * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
    return params.buffer


# %%
def trainer_in_float64():
    model = ViT(config, seed=0, dtype=np.float64, init="fan_in")
    return Trainer(model, digits.train_images, digits.train_labels, recipe, seed=0)


mine, theirs = trainer_in_float64(), trainer_in_float64()
with worker_pool() as pool:
    for _ in range(3):
        theirs.step(pool)
check.close(steps_by_hand(mine, 3), theirs.params.buffer, "θ by hand, against Trainer.step", tol=1e-12)

# %% [markdown]
# Nearly all: the library groups its sums and products a little differently, and every grouping rounds in its own way.
# (Steps 2 and 3 were clipped.) Compared with *itself* it must do better. One thread or two, the same bits, in float32:


# %%
def train_steps(trainer, count, threads):
    with worker_pool(threads) as pool:
        for _ in range(count):
            trainer.step(pool)
    return trainer.params.buffer.copy()


short = dataclasses.replace(recipe, epochs=2, batch_size=32, shard_size=12)  # shards of 12, 12 and 8
some = digits.train_images[:128], digits.train_labels[:128]  # 4 steps an epoch


def new_trainer():
    return Trainer(ViT(config, seed=0, init="fan_in"), *some, short, seed=0)


one, two = (train_steps(new_trainer(), 3, threads) for threads in (1, 2))
print("one thread and two, the same bits:", np.array_equal(one, two))

# %% [markdown]
# ## Stop, and go on
#
# A run that is cut off must go on as if nothing had happened. For that a **checkpoint** holds the model, but also m, v,
# the number of steps, the recipe and the seed. Shuffles and augmentation follow from seed and step, so they need no
# room. We stop after one of two epochs, throw the trainer away, and resume from the file:

# %%
import tempfile

unbroken = train_steps(new_trainer(), 8, threads=2)
with tempfile.TemporaryDirectory() as folder:
    first = new_trainer()
    train_steps(first, 4, threads=2)
    save_checkpoint(first, f"{folder}/checkpoint.npz")
    del first
    resumed = resume(f"{folder}/checkpoint.npz", *some)
print("resumed at step", resumed.step_count)
print("stopped and resumed, the same bits:", np.array_equal(train_steps(resumed, 4, threads=2), unbroken))

# %% [markdown]
# ## Train
#
# Now a whole run, with seed 0. `fit` takes the steps, and after each epoch looks at the test images. To save you time it
# has 10 epochs, not 30, and so a shorter schedule. *The long run of seed 0 stood at some accuracy after its epoch 10. Will
# the short one end below it, at it or above?*

# %%
train, test = (digits.train_images, digits.train_labels), (digits.test_images, digits.test_labels)
epochs = 10  # 30: the whole recipe
if FAST:  # a trial: a few hundred images, one epoch
    train, epochs = tuple(array[:300] for array in train), 1
recipe = dataclasses.replace(recipe, epochs=epochs)
trainer = Trainer(ViT(config, seed=0, init="fan_in"), *train, recipe, seed=0)
history = fit(trainer, *test)
print(f"{sum(row['seconds'] for row in history):.0f} s for {trainer.step_count:,} steps")
long = results["histories"][0][epochs - 1]
print(f"the long run after epoch {epochs}: learning rate {long['learning_rate']:.4f}, test {long['test_accuracy']:.2%}")

# %% [markdown]
# The short run ends its schedule with small steps; the long one is still taking large ones at this point. One run of one
# seed is an indication, no more. With `epochs = 30` this cell does what `course/train_models.py` did: on a like
# machine with the same NumPy you get the committed model to the bit. Elsewhere matrix products may round otherwise. The
# difference starts in the last digit and grows, and after 1,860 steps a few digits fall on the other side.
#
# ## How good is it?
#
# One number from one seed says little. The three committed seeds, of 30 epochs each, give a mean and a spread: what another
# seed may change. What would 2,000 *other* test digits change? Each is right with probability p, so the number of right ones
# is binomial, and the part that is right has the standard deviation $\sqrt{p\,(1 - p) / 2000}$.

# %%
for seed, accuracy in zip(results["seeds"], results["accuracies"], strict=True):
    print(f"seed {seed}  {accuracy:.2%}")
p = np.mean(results["accuracies"])
print(f"mean of three seeds {p:.2%}")
print(f"standard deviation over seeds {np.std(results['accuracies'], ddof=1):.2%}")
print(f"standard deviation over draws of 2,000 test digits {np.sqrt(p * (1 - p) / len(test[1])):.2%}")

# %% [markdown]
# Both are some tenths of a point: which of two models is better by less, this test cannot say. And a caveat. The *weights* never
# saw these digits, but the *recipe* did: it was chosen by trials that looked at these same 2,000, so all the accuracies
# here are a little rosy. The clean way is a third set: choose on that, and look at the test digits once, at the end.
#
# Where is it wrong? The **confusion matrix** counts: row, what the digit is; column, what the model says. *Which two
# digits would you expect to be confused most?* This is the committed model of seed 0:

# %%
from minivit.inspect import confusion_matrix, worst_mistakes

loss, accuracy, probabilities = evaluate(ViT.load(TRAINED_DIGITS), *test)
said = probabilities.argmax(axis=1)
confusion = confusion_matrix(test[1], said, 10)
mistakes = confusion * (1 - np.eye(10, dtype=int))
draw.matrix(
    mistakes, title=f"The {mistakes.sum()} mistakes on the test digits", rows="the digit", columns="the model says", values=True,
    row_labels=list("0123456789"), column_labels=list("0123456789"), colormap="attention",
    alt="A ten by ten table of mistakes, the digit in rows and the answer in columns, with an empty diagonal: most places "
    "are 0 or 1, a few hold several mistakes.",
)  # fmt: skip

# %% [markdown]
# And the mistakes themselves, those first of which the model was surest:

# %%
worst = worst_mistakes(probabilities, test[1], 16)
draw.digits(
    test[0][worst], [f"a {test[1][i]}, read as {said[i]}\n{probabilities[i].max():.1%} sure" for i in worst],
    columns=8, alt="Sixteen handwritten digits that the model read wrong, each with the right label, the model's answer and "
    "how sure it was; many are untidy, cut off or unusually shaped.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Some of them you would get wrong, too. (2) The model can be nearly certain and wrong: a
# probability from a softmax is no promise. (3) No two digits stand out: 2 and 8 lead, with five, counted both ways, and
# five other pairs have four. With counts so small, another seed may have others in front.

# %% [markdown] exercise="How many steps, and how fast?" kind="predict" stars=1 minutes=5
# A recipe: 1,000 images, batches of 96, 7 epochs, a peak learning rate of 0.01 and a warm-up over the first tenth of all
# steps. Only whole batches count. How many `steps` are there in all? And what is the learning `rate` at step 3, to two
# digits?

# %% role="solution"
# YOUR TURN
steps = 70
rate = 0.01 * 3 / 7
# END

# %% role="check"
tiny = Trainer(
    ViT(config), digits.train_images[:1000], digits.train_labels[:1000],
    TrainConfig(epochs=7, batch_size=96, learning_rate=0.01, warmup=0.1),
)  # fmt: skip
check.answer(
    steps,
    tiny.steps,
    "steps",
    reasons={77: "40 images are left over: no whole batch", 72: "an epoch ends with a whole batch"},
)
check.answer(
    rate,
    tiny.learning_rate(3),
    "rate",
    tol=1e-2,
    reasons={
        0.01: "the warm-up is not over",
        0.003: "how many steps is a tenth?",
        0.00375: "a tenth of 70 steps, not of 77",
        0.01 * 2 / 7: "steps count from 1",
        0.03 / 70: "the peak is reached after a tenth of the steps, not at the last one",
    },
)

# %% [markdown] role="hint"
# 1000 / 96 = 10.4…, rounded down, times the epochs. In the warm-up, the rate grows in proportion to the step and reaches
# its peak at the last one.

# %% role="wrong"
{
    "the rest counted as a batch": ("steps = 70", "steps = 77", "left over"),
    "all images, then divided": ("steps = 70", "steps = 72", "whole batch"),
    "the peak at once": ("rate = 0.01 * 3 / 7", "rate = 0.01", "warm-up is not over"),
    "a tenth is ten": ("rate = 0.01 * 3 / 7", "rate = 0.003", "how many steps"),
    "steps from 0": ("rate = 0.01 * 3 / 7", "rate = 0.00286", "count from 1"),
    "a warm-up to the end": ("rate = 0.01 * 3 / 7", "rate = 0.00043", "after a tenth"),
}

# %% [markdown] exercise="The schedule" kind="build" stars=2 minutes=10
# Write `rates(T, warm, peak)`: equation (5) for the steps t = 1 … T, an array (T,), with $T_w$ = warm, 0 ≤ warm < T. With
# warm = 0 the cosine begins at once, and there must be no warning about a division.


# %% role="solution"
def rates(T, warm, peak):
    """T steps, a warm-up of `warm` of them, the peak -> the learning rate of each step, (T,)."""
    # YOUR TURN
    t = np.arange(1, T + 1)
    rise = t / max(warm, 1)
    fall = (1 + np.cos(np.pi * (t - warm) / (T + 1 - warm))) / 2
    return peak * np.where(t <= warm, rise, fall)
    # END


# %% role="check"
from minivit.train.schedule import warmup_cosine

for T, warm in ((23, 5), (9, 0), (7, 1)):
    steps_ = np.arange(1, T + 1)
    rise_, angle = steps_ / max(warm, 1), np.pi * (steps_ - warm) / (T + 1 - warm)
    wrong = {
        "The cosine begins at step 0, not at the end of the warm-up: it is t − T_w that counts.": np.cos(
            np.pi * steps_ / (T + 1)
        ),
        "The last rate is 0, and its step none: 0 is for step T + 1.": np.cos(np.pi * (steps_ - warm) / (T - warm)),
        "The cosine lasts T + 1 − T_w steps, not T + 1: it does not come down.": np.cos(
            np.pi * (steps_ - warm) / (T + 1)
        ),
    }
    mistakes = {said: np.where(steps_ <= warm, rise_, (1 + cosine) / 2) for said, cosine in wrong.items()}
    mistakes["1 + cos falls from 2 to 0: where is the half?"] = np.where(steps_ <= warm, rise_, 1 + np.cos(angle))
    mistakes["The cosine falls on from 1 to −1: lift it by 1 and halve it."] = np.where(
        steps_ <= warm, rise_, np.cos(angle)
    )
    mistakes["Steps count from 1, and here from 0."] = [0, *[warmup_cosine(k, T, warm, 1) for k in range(1, T)]]
    if warm < 2:
        mistakes = {}
    with np.errstate(divide="raise", invalid="raise"):
        found = rates(T, warm, 0.3)
    check.close(
        found, [warmup_cosine(k, T, warm, 0.3) for k in range(1, T + 1)], f"rates, T = {T}, warm = {warm}",
        mistakes={said: 0.3 * np.asarray(array) for said, array in mistakes.items()},
    )  # fmt: skip

# %% [markdown] role="hint"
# Compute both lines of (5) for all t, and let `np.where` choose. The line that is not chosen is computed, too: with
# warm = 0, what may stand in place of t / warm?

# %% role="wrong"
{
    "the cosine from step 0": ("np.pi * (t - warm) / (T + 1 - warm)", "np.pi * t / (T + 1)", "begins at step 0"),
    "0 at the last step": ("(T + 1 - warm)", "(T - warm)", "0 is for step T + 1"),
    "too long a cosine": ("(T + 1 - warm)", "(T + 1)", "does not come down"),
    "no half": ("(t - warm) / (T + 1 - warm))) / 2", "(t - warm) / (T + 1 - warm)))", "where is the half"),
    "not lifted": (
        "(1 + np.cos(np.pi * (t - warm) / (T + 1 - warm))) / 2",
        "np.cos(np.pi * (t - warm) / (T + 1 - warm))",
        "lift it",
    ),
    "steps from 0": ("np.arange(1, T + 1)", "np.arange(T)", "Steps count from 1"),
    "divided by 0": ("max(warm, 1)", "warm", "divide by zero"),
}

# %% [markdown] exercise="A little less than it could be" kind="break" stars=2 minutes=8
# This rule says which parameters AdamW shrinks. Training runs, the loss falls; the accuracy is a little lower than it
# could be. The rule should name the dense weights alone: print what `model.params` holds, and what the rule says of it.
# Mend it. `name` is a key of `model.params`, `param` its array.


# %% role="broken"
def decays(name, param):
    """Does weight decay shrink this parameter? True or False."""
    return name.endswith(".weight") or param.ndim >= 2


# %% role="solution"
def decays(name, param):
    """Does weight decay shrink this parameter? True or False."""
    return name.endswith(".weight") and param.ndim >= 2


# %% role="check"
fresh = ViT(config)
shrunk = {name for name, param in fresh.params.items() if decays(name, param)}
dense = {
    name
    for name in fresh.params
    if name.endswith((".proj.weight", "qkv.weight", "fc1.weight", "fc2.weight", "head.weight"))
}
for what, group in {
    "a norm's scale: it belongs near 1, not near 0": {n for n in fresh.params if "norm" in n and n.endswith("weight")},
    "a bias": {n for n in fresh.params if n.endswith("bias")},
    "positions or the class token": {"pos_embed", "cls_token"},
}.items():
    if shrunk & group:
        raise check.Wrong(f"{sorted(shrunk & group)[0]} is shrunk: {what}")
if dense - shrunk:
    raise check.Wrong(f"{sorted(dense - shrunk)[0]} is not shrunk, and it is a dense weight")
check.answer(frozenset(shrunk), frozenset(dense), "what is shrunk")

# %% [markdown] role="hint"
# Print `{name: array.shape for name, array in ViT(config).params.items()}`. What do all dense weights have in common, in
# name *and* in shape, that no other parameter has?

# %% role="wrong"
{
    "every weight, norms too": (" and param.ndim >= 2", "", "a norm's scale"),
    "every matrix, positions too": (
        'name.endswith(".weight") and param.ndim',
        "param.ndim",
        "positions or the class token",
    ),
    "everything": ('name.endswith(".weight") and param.ndim >= 2', "True", "is shrunk"),
    "some dense weights alone": (
        '".weight") and param.ndim >= 2',
        '"proj.weight")',
        "is not shrunk, and it is a dense weight",
    ),
}

# %% [markdown] exercise="The score that wobbles" kind="break" stars=2 minutes=8
# A colleague measures a model on the same digits twice and gets two different scores, both too low. The model has dropout
# (rate 0.3). Mend `test_logits`: two mistakes, and both belong to training alone. (`model.forward` says in its docstring
# what `rng` does.)

# %% role="given"
from minivit.train.augment import random_affine


# %% role="broken"
def test_logits(model, raw, rng):
    """Raw images (B, 28, 28, 1), floats in [0, 1] -> logits (B, 10) that measure the model."""
    pixels = random_affine(raw, rng, shift=2, rotation=10, scale=0.1)
    logits, cache = model.forward(model.normalize(pixels), rng)
    return logits


# %% role="solution"
def test_logits(model, raw, rng):
    """Raw images (B, 28, 28, 1), floats in [0, 1] -> logits (B, 10) that measure the model."""
    pixels = raw
    logits, cache = model.forward(model.normalize(pixels))
    return logits


# %% role="check"
dropping = ViT(dataclasses.replace(config, dropout=0.3), dtype=np.float64, init="fan_in")
raw = digits.test_images[:7] / 255
moved = random_affine(raw, np.random.default_rng(5), shift=2, rotation=10, scale=0.1)
check.close(
    test_logits(dropping, raw, np.random.default_rng(5)), dropping(dropping.normalize(raw)), "logits",
    mistakes={
        "Dropout is on: it is there while there is an rng.": dropping.forward(dropping.normalize(raw), np.random.default_rng(5))[0],
        "The test images are augmented: measure the digits as they are.": dropping(dropping.normalize(moved)),
        "The digits are not normalised: in training they were.": dropping(raw),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Which lines use random numbers? A measurement needs none.

# %% role="wrong"
{
    "dropout left on": ("model.normalize(pixels))", "model.normalize(pixels), rng)", "Dropout is on"),
    "not normalised": ("model.normalize(pixels))", "pixels)", "The digits are not normalised"),
    "normalised twice": ("pixels = raw", "pixels = model.normalize(raw)", "expected floats in [0, 1]"),
    "test images augmented": (
        "pixels = raw",
        "pixels = random_affine(raw, rng, shift=2, rotation=10, scale=0.1)",
        "augmented",
    ),
}

# %% [markdown] exercise="An average of the weights" kind="further" stars=3 minutes=15
# The last weights still carry the noise of the last batches. Many published models use an *average* of the weights
# instead, over the last steps (EMA). Write `ema(thetas, decay)`: thetas (T, n) holds θ after each of T steps. Start from
# $\bar\theta_0 = 0$, then $\bar\theta_t = \text{decay}\cdot\bar\theta_{t-1} + (1-\text{decay})\,\theta_t$. At the end undo that it
# started at zero, as AdamW does. Returns (n,).


# %% role="solution"
def ema(thetas, decay):
    """thetas (T, n) -> their running average after T steps, (n,), without the pull towards 0."""
    # YOUR TURN
    average = np.zeros_like(thetas[0])
    for theta in thetas:
        average = decay * average + (1 - decay) * theta
    return average / (1 - decay ** len(thetas))
    # END


# %% role="check"
walk = rng.standard_normal((5, 3)) + 10
powers = 0.8 ** np.arange(4, -1, -1)
expected = powers @ walk / powers.sum()  # the same as one weighted mean: the weights sum to 1
slow = 0.2 ** np.arange(4, -1, -1)
check.close(
    ema(walk, 0.8), expected, "average",
    mistakes={
        "The correction is missing: the average is pulled towards 0.": (1 - 0.8) * powers @ walk,
        "The new θ is multiplied by `decay` and the average by 1 − `decay`: exchanged.": slow @ walk / slow.sum() * (1 - 0.2**5) / (1 - 0.8**5),
        "The power in the correction is T, the number of steps: here it is one too small.": expected * (1 - 0.8**5) / (1 - 0.8**4),
        "This is the plain mean: late steps should count more.": walk.mean(axis=0),
    },
)  # fmt: skip
check.close(ema(np.full((4, 2), 3.0), 0.9), np.full(2, 3.0), "of equal numbers")

# %% [markdown] role="hint"
# If all θ are equal, the average must be that θ. Without a correction it is θ · (1 − decay + decay(1 − decay) + …), a
# geometric sum. Then collect `trainer.params.buffer.copy()` in a training loop, and test the averaged model.

# %% role="wrong"
{
    "without the correction": (" / (1 - decay ** len(thetas))", "", "pulled towards 0"),
    "a power too few": ("decay ** len(thetas)", "decay ** (len(thetas) - 1)", "one too small"),
    "the plain mean": ("return average / (1 - decay ** len(thetas))", "return thetas.mean(axis=0)", "the plain mean"),
    "the two weights exchanged": (
        "decay * average + (1 - decay) * theta",
        "(1 - decay) * average + decay * theta",
        "exchanged",
    ),
}

# %% [markdown]
# ## What you can do now
#
# - Name the six stations of a training step, and say of each what goes in, what comes out and which random numbers it uses.
# - Show that a gradient may be computed in parts, and weight the parts rightly.
# - Report an accuracy honestly: several seeds, test images that chose nothing, no run left out; and look at the mistakes.
#
# In the library: `minivit/train/trainer.py` (the step), `minivit/train/shards.py`, `minivit/train/augment.py`,
# `minivit/train/optimizer.py`, `minivit/train/schedule.py`, `minivit/train/checkpoint.py`; all of it in one call:
# `minivit.train_mnist()`. Sources: I. Loshchilov and F. Hutter, *Decoupled Weight Decay Regularization*, arXiv 1711.05101,
# and *SGDR*, arXiv 1608.03983.
