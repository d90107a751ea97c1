# ---
# title: Learning from a teacher
# question: Can a ViT learn from another model what the labels do not say?
# sentence: Give a ViT a second token that listens to a teacher, derive the loss of both heads, hard and soft, and see when a teacher helps, and when it does not.
# minutes: 45
# needs: [5, 11, 13, 15]
# gpu: of no use
# ---

# %% [markdown]
# Chapter 15: with few labels a CNN reads far better than a ViT, because it knows something about pictures from the start. Can it pass
# that on? **DeiT** (Touvron et al., [arXiv 2012.12877](https://arxiv.org/abs/2012.12877)) lets a ViT, the *student*, learn
# from the labels *and* from the answers of a trained CNN, the *teacher*. This is **distillation**. For it the student has a token of its own. You
# need cross-entropy (11), the training loop (13) and chapter 15.

# %% role="setup"
import json

import numpy as np

from minivit import ResNet, ViT, check, draw, load_mnist
from minivit.data import DISTILLATION, DISTILLED
from minivit.ops import (
    cross_entropy_forward,
    hard_distillation_backward,
    hard_distillation_forward,
    soft_distillation_backward,
    soft_distillation_forward,
    softmax_forward,
)

rng = np.random.default_rng(0)
digits = load_mnist()
results = json.loads(DISTILLATION.read_text(encoding="utf-8"))  # accuracies of a few seeds, by name
teacher, student = ResNet.load(DISTILLED["teacher"]), ViT.load(DISTILLED["student"])

# %% [markdown]
# ## The picture first
#
# A CNN learns 300 labelled digits. Then a ViT of as many parameters learns, for 504 steps of 50 augmented pictures (chapter 13): from the same 300 labels
# alone; from labels and teacher, on the same 300 pictures; and from the teacher on *all* 8,000 pictures (4 whole epochs, 640 steps), where it is told 300 labels and, for the
# others, only what the teacher says. Nobody ever needs more than 300 labels. *Order the four by their accuracy on 2,000 other digits.* (`course/train_deit.py`
# trained them, in four minutes; its results ship.)

# %%
names = {
    "teacher: a CNN, 300 labels": "teacher", "ViT, 300 labels": "labels alone",
    "ViT, and the teacher's answers to these 300": "distilled, 300 pictures",
    "ViT, and its answers to 8,000 pictures": "distilled, 8,000 pictures",
}  # fmt: skip
means = {label: 100 * np.mean(results[name]) for label, name in names.items() if name in results}
spread = {label: 50 * np.ptp(results[names[label]]) for label in means}
print("seeds:", {name: len(results[name]) for name in names.values() if name in results})
draw.bars(
    means, ylabel="test digits read right (%), mean of the seeds, and their range", errors=spread, number="{:.1f}",
    mark=["ViT, and its answers to 8,000 pictures"],
    alt="Four bars of accuracy. The teacher, a CNN, is highest, at about 95 %. The ViT with the labels alone is about 10 points lower; "
    "the one with the teacher on the same pictures is within a few points of it. The ViT that was taught on 8,000 pictures is between "
    "them and the teacher.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) On the same few pictures the teacher changes little, and not with each seed for the better: mostly it answers with the labels that the student knows. (2) On
# other pictures each answer is news, and the gain is larger, without a single further label. (3) The student stays behind its teacher here; in
# DeiT's paper, with a million photographs, it overtakes it. (Read the printed numbers of seeds before you trust a difference.)
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | B, K | pictures, classes | | 3, 10 |
# | cls, dist | the two tokens in front of the patches, learned | (1, 1, D) | (1, 1, 48) |
# | pos | positions: a row for each of both, and for each patch | (1, 2 + N, D) | (1, 18, 48) |
# | z, z′ | logits of the class token's head, and of the distillation token's | (B, K) | (3, 10) |
# | t | the teacher's logits: data, no gradient goes there | (B, K) | (3, 10) |
# | y | the labels | (B,) | (3,) |
# | α | the teacher's part of the loss | | ½ |
# | T | a temperature | | 3 |
#
# ## The idea
#
# Beside the class token stands a second one, made in the same way. In the blocks it is a token like any other. At the end each has a
# dense head of its own. The class token's head is held to the labels. The other is held to the teacher, as if its best guess were a label; this is *hard* distillation:
#
# $$\begin{aligned} \mathcal L ={}& (1 - α)\, \text{CE}(z, y) \\ &+ α\, \text{CE}(z', \arg\max_k t_k) \end{aligned} \tag{1}$$
#
# Why two tokens? Label and teacher sometimes differ, for one because the picture was shifted or turned until something else is in it. One
# head would be pulled both ways; two may each have an opinion. In the end the answer is the mean of both. As a loop, and as two cross-entropies:


# %%
def hard_loop(z, z_dist, y, t, alpha=0.5):
    loss = 0.0
    for b in range(len(z)):
        p, p_dist = np.exp(z[b]) / np.exp(z[b]).sum(), np.exp(z_dist[b]) / np.exp(z_dist[b]).sum()
        guess = max(range(len(t[b])), key=lambda k: t[b, k])
        loss += -(1 - alpha) * np.log(p[y[b]]) - alpha * np.log(p_dist[guess])
    return loss / len(z)


def hard(z, z_dist, y, t, alpha=0.5):
    return (1 - alpha) * cross_entropy_forward(z, y)[0] + alpha * cross_entropy_forward(z_dist, t.argmax(axis=1))[0]


z, z_dist, t = rng.standard_normal((3, 3, 10))
y = np.array([3, 1, 4])
check.close(hard(z, z_dist, y, t), hard_loop(z, z_dist, y, t), "array against loop")
check.close(hard_distillation_forward(z, z_dist, y, t)[0], hard(z, z_dist, y, t), "library against array")

# %% [markdown]
# ### Soft: all that the teacher thinks
#
# A teacher that says "7, but 1 would be possible, and never 8" tells more than its best guess. *Soft* distillation (Hinton et al.,
# [arXiv 1503.02531](https://arxiv.org/abs/1503.02531)) holds the student to all its probabilities. A good teacher is nearly sure, so
# both logits are first divided by a temperature T, as in chapter 07: then the unlikely classes can be seen. With $q = \text{softmax}(t/T)$
# and $p = \text{softmax}(z'/T)$, how far p is from q is measured by the Kullback–Leibler divergence:
#
# $$\text{KL} = \sum_k q_k\, (\log q_k - \log p_k) \tag{2}$$
#
# It is 0 where p = q, and positive elsewhere. *Which digits will the teacher be unsure of? And what will T = 3 show?*

# %%
raw = digits.test_images[:2000] / 255
answers = teacher.predict(raw)  # (2000, 10): probabilities; their logarithms are logits but for a number a row
unsure = np.argsort(answers.max(axis=1))[:3]
print("the least sure of 2,000: digits", digits.test_labels[unsure])
hot = softmax_forward(np.log(answers[unsure] + 1e-30) / 3)[0]
named = {"rows": "picture", "columns": "class", "column_labels": list("0123456789")}
draw.matrices(
    [{"title": "T = 1", "array": answers[unsure], **named}, {"title": "T = 3", "array": hot, **named}], colormap="attention",
    alt="Two tables of three rows and ten columns, the teacher's probabilities for the three digits it is least sure of. At temperature 1 each "
    "row has two or three large numbers, at temperature 3 the other classes have visible shares, too.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Where it is unsure it is so between two or three classes: that is what it knows about likeness. (2) T = 3 keeps the order
# and lifts the small ones. (3) These are its three *worst* cases; on most digits at T = 1 nothing but one class could be seen.
#
# ## The backward
#
# *Hard, by index.* Each head meets its own term only. Chapter 11 derived for the cross-entropy $\partial \text{CE} / \partial z_{bk} = (p_{bk} - [k = y_b])/B$, so
#
# $$\begin{aligned} dz_{bk} &= \tfrac{1 - α}{B}\, (p_{bk} - [k = y_b]) \\
# dz'_{bk} &= \tfrac{α}{B}\, (p'_{bk} \\
# &\qquad - [k = \text{guess}_b]) \end{aligned} \tag{3, 4}$$
#
# *Soft, by index*, for one picture. In (2) only $-\sum_k q_k \log p_k$ depends on z′. With $\log p_k = z'_k/T - \log \sum_j e^{z'_j/T}$,
#
# $$\begin{aligned} \frac{\partial \log p_k}{\partial z'_i} &= \tfrac1T\, ([i = k] - p_i) \\
# \frac{\partial\, \text{KL}}{\partial z'_i} &= \tfrac1T\, (p_i - q_i) \end{aligned} \tag{5, 6}$$
#
# since the $q_k$ sum to 1. The form is that of (4), with the teacher's whole distribution in place of a single 1. At a high temperature
# p − q itself shrinks like 1/T, so the gradient shrinks like 1/T². To keep it of a size, the KL is multiplied by T²: a factor T is left. In matrix form: $dZ' = \frac{αT}{B} (P - Q)$. In code, and against the library:


# %%
def hard_backward(z, z_dist, y, t, alpha=0.5):
    B, K = z.shape
    dz = (1 - alpha) / B * (softmax_forward(z)[0] - np.eye(K)[y])  # (3)
    dz_dist = alpha / B * (softmax_forward(z_dist)[0] - np.eye(K)[t.argmax(axis=1)])  # (4)
    return dz, dz_dist


def soft_backward(z_dist, t, alpha=0.5, T=3.0):
    p, q = softmax_forward(z_dist / T)[0], softmax_forward(t / T)[0]
    return alpha * T / len(p) * (p - q)  # (6), times T² and α


_, cache = hard_distillation_forward(z, z_dist, y, t)
for name, ours, theirs in zip(
    ("dz", "dz'"), hard_backward(z, z_dist, y, t), hard_distillation_backward(1.0, cache), strict=True
):
    check.close(theirs, ours, f"hard {name}, library against ours")
_, cache = soft_distillation_forward(z, z_dist, y, t, 0.5, 3.0)
K = z.shape[1]  # as DeiT's code does, the library's KL is a mean over classes, too: 1/K of (2)
check.close(soft_distillation_backward(1.0, cache)[1] * K, soft_backward(z_dist, t), "soft dz', library against ours")
two = {"z": rng.standard_normal((4, 5)), "z_dist": rng.standard_normal((4, 5))}
labels, told = np.array([0, 4, 2, 2]), rng.standard_normal((4, 5))
check.grad(lambda z, d: hard_distillation_forward(z, d, labels, told, 0.3), hard_distillation_backward, two)
check.grad(lambda z, d: soft_distillation_forward(z, d, labels, told, 0.3, 3.0), soft_distillation_backward, two)

# %% [markdown]
# ## What the two tokens learned
#
# Here is the student of 8,000 pictures, of one seed. Its two heads can be asked one by one. *Which will read better? Which agrees more with the
# teacher?*

# %%
(cls_logits, dist_logits), _ = student.forward_both(student.normalize(raw))
truth, said = digits.test_labels[:2000], answers.argmax(axis=1)
for name, logits in (
    ("class token", cls_logits),
    ("distillation token", dist_logits),
    ("both", cls_logits + dist_logits),
):
    guess = logits.argmax(axis=1)
    print(f"{name:18} right {np.mean(guess == truth):.1%}, like the teacher {np.mean(guess == said):.1%}")
wrong = said != truth
print(f"where the teacher is wrong ({wrong.sum()} digits), the student says the same: "
      f"{np.mean((cls_logits + dist_logits).argmax(1)[wrong] == said[wrong]):.0%}")  # fmt: skip
start = [
    student.params[f"{name}_token"][0, 0] + student.params["pos_embed"][0, i] for i, name in enumerate(("cls", "dist"))
]
end = student.tokens(student.normalize(raw[:200]))[:, :2].swapaxes(0, 1)
for name, (a, b) in (("at the start", start), ("at the end", end)):
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    print(f"cosine of the two tokens {name}: {np.mean(cosine):.2f}")

# %%
A = student.attention(student.normalize(raw[3:4]))[:, 0].mean(axis=1)  # (blocks, 18, 18), the mean of the heads
both = A[:, :2, 2:].reshape(-1, 4, 4)  # what each of the two looks at, block by block
titles = [f"block {1 + i // 2}, {('class', 'distillation')[i % 2]}" for i in range(len(both))]
draw.maps(
    digits.test_images[3], both, titles, columns=6, first=None,
    alt="Six maps over a handwritten digit of 4 by 4 squares, for three blocks and two tokens. In each block the class token and "
    "the distillation token look at nearly the same squares: on the strokes in the first two, at the middle in the last.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The heads differ little in accuracy, and their mean is about as good as either. (2) The student repeats *some* of the
# teacher's mistakes and not all, although on most pictures it had nobody else to ask. (3) The two tokens begin as different vectors, end as twins, and look
# at the same squares. No wonder: for 7,700 of the 8,000 pictures both heads were told the same. In DeiT's paper, where labels and teacher are two voices, the
# cosine rises from 0.06 to 0.93 and no further; a second *class* token, without a teacher, becomes a twin there, too.
#
# ## What this does not prove
#
# The CNN's bias can be passed on through answers: that is shown for few labels and many pictures. In the paper *all* pictures have labels, and
# the teacher helps nevertheless: its answers fit the picture *as augmented*, where the label may not. Here a shifted 7 is still a 7. An idea from a paper holds for its setting; try it in yours.

# %% [markdown] exercise="Before you train" kind="predict" stars=1 minutes=6
# A DeiT-Ti/16 for 224 × 224 pixels: D = 192, K = 1,000 classes. It gets a distillation token.
#
# 1. How many tokens go through the blocks then, `tokens`?
# 2. How many more numbers does it learn than without, `more`? (Think of all three places.)
# 3. With α = 0 in (1), what is the gradient at the distillation head's logits: `"zero"`, `"half"` or `"unchanged"`? (`silent`)
# 4. The student's head says exactly the teacher's logits *plus 5* for every class. What is the KL of (2), `divergence`?

# %% role="solution"
# YOUR TURN
tokens = 14 * 14 + 2
more = 192 + 192 + 192 * 1000 + 1000
silent = "zero"
divergence = 0
# END

# %% role="check"
check.answer(tokens, 198, "tokens", reasons={197: "and the distillation token", 196: "and the two in front of them"})
check.answer(
    more, 193384, "more",
    reasons={193192: "the token has a position, too", 193000: "the token itself and its position", 192: "its position, and its head",
             384: "and its head", 192384: "a head has biases, too"},
)  # fmt: skip
check.answer(
    silent,
    "zero",
    "silent",
    reasons={"half": "α is the factor of its only term", "unchanged": "α is the factor of its only term"},
)
check.answer(
    divergence,
    0,
    "divergence",
    reasons={5: "what does softmax make of a number that is added to all?", 25: "it is not a square of differences"},
)

# %% [markdown] role="hint"
# What in a ViT has a row for each token? And what reads the token at the end? For 4: chapter 07, equation (5).

# %% role="wrong"
{
    "one token": ("tokens = 14 * 14 + 2", "tokens = 14 * 14 + 1", "and the distillation token"),
    "no position": ("more = 192 + 192 + 192 * 1000 + 1000", "more = 192 + 192 * 1000 + 1000", "has a position"),
    "no bias": ("more = 192 + 192 + 192 * 1000 + 1000", "more = 192 + 192 + 192 * 1000", "has biases"),
    "half": ('silent = "zero"', 'silent = "half"', "factor of its only term"),
    "the shift counts": ("divergence = 0", "divergence = 5", "added to all"),
}

# %% [markdown] exercise="The soft loss, and its gradient" kind="build" stars=2 minutes=18
# Write the pair for the teacher's part alone: $\mathcal L = \frac{T^2}{B} \sum_b \text{KL}_b$ with (2), for the student's logits z (B, K) and the
# teacher's t (B, K). The forward returns `loss, cache`; the backward, given dloss (a number), returns dz. Nothing may overflow for large logits:
# `softmax_forward` takes care of that, but a logarithm of a probability that has become 0 does not.


# %% role="solution"
def soft_forward(z, t, T):
    """z, t (B, K), T a number -> the loss, a number, and the cache."""
    # YOUR TURN
    log_p, log_q = (x - x.max(axis=1, keepdims=True) for x in (z / T, t / T))
    log_p, log_q = (x - np.log(np.exp(x).sum(axis=1, keepdims=True)) for x in (log_p, log_q))
    loss = T**2 * (np.exp(log_q) * (log_q - log_p)).sum() / len(z)
    return loss, (np.exp(log_p) - np.exp(log_q), T)
    # END


def soft_logits_backward(dloss, cache):
    """dloss, a number -> dz (B, K)."""
    # YOUR TURN
    difference, T = cache
    return dloss * T / len(difference) * difference
    # END


# %% role="check"
_draw = np.random.default_rng(3)
_z, _t = _draw.standard_normal((4, 5)), 2 * _draw.standard_normal((4, 5))


def _kl(z, t, T, T_teacher=None, power=2, swapped=False):
    p, q = softmax_forward(z / T)[0], softmax_forward(t / (T if T_teacher is None else T_teacher))[0]
    p, q = (q, p) if swapped else (p, q)
    return T**power * (q * np.log(q / p)).sum() / len(z)


_given = check.call(soft_forward, z=_z, t=_t, T=3.0)
if not isinstance(_given, tuple) or len(_given) != 2:
    raise check.Wrong("expected the pair (loss, cache)")
check.close(
    _given[0], _kl(_z, _t, 3.0), "the loss",
    mistakes={
        "T² is forgotten.": _kl(_z, _t, 3.0, power=0), "T stands where T² should.": _kl(_z, _t, 3.0, power=1),
        "Teacher and student are exchanged: q, the teacher's, weighs.": _kl(_z, _t, 3.0, swapped=True),
        "The teacher's logits are not divided by T.": _kl(_z, _t, 3.0, 1.0),
        "It is a mean over the classes, too.": _kl(_z, _t, 3.0) / 5, "It is not divided by B.": _kl(_z, _t, 3.0) * 4,
        "That is the cross-entropy of q and p: the entropy of q is missing.":
            -9 * (softmax_forward(_t / 3)[0] * np.log(softmax_forward(_z / 3)[0])).sum() / 4,
    },
)  # fmt: skip
check.grad(
    lambda z: soft_forward(z, _t, 3.0), soft_logits_backward, {"z": _z},
    mistakes={"Is it T, or T²? (6) has 1/T, and the loss T².":
              lambda dloss, _: dloss * 9 / 4 * (softmax_forward(_z / 3)[0] - softmax_forward(_t / 3)[0])},
)  # fmt: skip
with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
    _large = soft_forward(
        np.array([[3e3, 0, 0], [-3e3, -3e3, -6e3]]), np.array([[0, 3e3, 0], [-3e3, -3e3, -6e3]]), 1.0
    )[0]
check.close(_large, 1500.0, "large logits")

# %% [markdown] role="hint"
# Work with logarithms: $\log p = x - \log \sum e^x$ with $x = z/T$ less its maximum. The backward needs p − q, T and B alone.

# %% role="wrong"
{
    "T² forgotten": ("loss = T**2 * (np", "loss = (np", "T² is forgotten"),
    "exchanged": ("(np.exp(log_q) * (log_q - log_p))", "(np.exp(log_p) * (log_p - log_q))", "exchanged"),
    "the teacher without T": ("(z / T, t / T)", "(z / T, t)", "not divided by T"),
    "a mean over all": (".sum() / len(z)\n", ".mean()\n", "a mean over the classes"),
    "T² in the gradient": ("dloss * T / len", "dloss * T**2 / len", "T, or T²"),
    "dloss forgotten": ("dloss * T / len", "T / len", "does not depend on dy"),
    "the maximum forgotten": ("(x - x.max(axis=1, keepdims=True) for x in (z / T, t / T))", "(z / T, t / T)", "large logits"),
}  # fmt: skip

# %% [markdown] exercise="A teacher that is not heard" kind="break" stars=2 minutes=10
# This student trains, and is no better than one without a teacher. `forward(images)` gives the logits of both heads, and `teacher(images)` the
# teacher's, for pictures as they are. There are two mistakes: in what is learned, and in what is answered in the end. Mend both.


# %% role="broken"
def taught_loss(forward, teacher, images, y):
    """(1) with α = ½: images (B, ...), y (B,) -> the loss."""
    z, z_dist = forward(images)
    heard = teacher(images).argmax(axis=0)
    heard = np.resize(heard, len(y))
    return 0.5 * cross_entropy_forward(z, y)[0] + 0.5 * cross_entropy_forward(z, heard)[0]


def answer(forward, images):
    """The classes that the student says, (B,)."""
    z, _ = forward(images)
    return z.argmax(axis=1)


# %% role="solution"
def taught_loss(forward, teacher, images, y):
    """(1) with α = ½: images (B, ...), y (B,) -> the loss."""
    z, z_dist = forward(images)
    heard = teacher(images).argmax(axis=1)
    return 0.5 * cross_entropy_forward(z, y)[0] + 0.5 * cross_entropy_forward(z_dist, heard)[0]


def answer(forward, images):
    """The classes that the student says, (B,)."""
    z, z_dist = forward(images)
    return (z + z_dist).argmax(axis=1)


# %% role="check"
_pictures = np.random.default_rng(5).standard_normal((6, 4))
_w, _v, _u = np.random.default_rng(6).standard_normal((3, 4, 5))
_y = np.array([0, 3, 1, 1, 4, 2])


def _both(images):
    return images @ _w, 2 * images @ _v


def _teach(images):
    return images @ _u


_z, _d = _both(_pictures)
_heard, _by_class = _teach(_pictures).argmax(1), np.resize(_teach(_pictures).argmax(0), 6)


def _half(a, b, heard):
    return 0.5 * cross_entropy_forward(a, _y)[0] + 0.5 * cross_entropy_forward(b, heard)[0]


check.close(
    check.call(taught_loss, forward=_both, teacher=_teach, images=_pictures, y=_y), _half(_z, _d, _heard), "the loss",
    mistakes={
        "The teacher is heard by the class token's head: the distillation token learns nothing.": _half(_z, _z, _heard),
        "argmax over the pictures: for each class a picture. A guess is the best class of each row.": _half(_z, _d, _by_class),
        "Neither is mended: who hears the teacher, and over which axis is its best guess?": _half(_z, _z, _by_class),
        "The heads are exchanged: the class token's is held to the labels.": _half(_d, _z, _heard),
    },
)  # fmt: skip
check.close(
    check.call(answer, forward=_both, images=_pictures), (_z + _d).argmax(1), "the answer",
    mistakes={"The answer is still the class token's alone.": _z.argmax(1), "The answer is the distillation token's alone.": _d.argmax(1)},
)  # fmt: skip

# %% [markdown] role="hint"
# Follow `z_dist`: where does it go? What is the shape of the teacher's guess before `np.resize` hides it?

# %% role="wrong"
{
    "one head hears both": ("cross_entropy_forward(z_dist, heard)", "cross_entropy_forward(z, heard)", "learns nothing"),
    "the axis": ("argmax(axis=1)\n    return 0.5", "argmax(axis=0)\n    heard = np.resize(heard, len(y))\n    return 0.5", "argmax over the pictures"),
    "the answer of one": ("(z + z_dist).argmax(axis=1)", "z.argmax(axis=1)", "still the class token's alone"),
    "the other one": ("(z + z_dist).argmax(axis=1)", "z_dist.argmax(axis=1)", "distillation token's alone"),
}  # fmt: skip

# %% [markdown] exercise="Labels that nobody gave" kind="further" stars=3 minutes=15
# How sure must a teacher be before it is believed? Write `believed(probabilities, labels, threshold)`: probabilities (n, K) are the teacher's; labels
# (n,) are the known ones, or −1 where nobody gave one. Returns `keep`, the indices of the pictures to learn from, in rising order, and `told`, what each of these is told: the known label, whatever
# the teacher says; else the teacher's guess, where its probability is *at least* the threshold. The others are left out.


# %% role="solution"
def believed(probabilities, labels, threshold):
    """-> keep (m,), told (m,), whole numbers."""
    # YOUR TURN
    known = labels >= 0
    told = np.where(known, labels, probabilities.argmax(axis=1))
    keep = np.flatnonzero(known | (probabilities.max(axis=1) >= threshold))
    return keep, told[keep]
    # END


# %% role="check"
_p = softmax_forward(3 * np.random.default_rng(9).standard_normal((12, 4)))[0]
_p[[0, 1, 5]] = [[0.3, 0.3, 0.2, 0.2], [0.4, 0.3, 0.2, 0.1], [0.2, 0.1, 0.6, 0.1]]
_labels = np.array([2, -1, -1, 0, -1, -1, 3, -1, -1, -1, 1, -1])
_known, _sure = _labels >= 0, _p.max(1) >= 0.6
_told = np.where(_known, _labels, _p.argmax(1))
_answer = check.call(believed, probabilities=_p, labels=_labels, threshold=0.6)
if not isinstance(_answer, tuple) or len(_answer) != 2:
    raise check.Wrong("expected two arrays: keep, and told")
check.close(
    _answer[0], np.flatnonzero(_known | _sure), "keep",
    mistakes={
        "Pictures with a known label are kept even where the teacher is unsure.": np.flatnonzero(_sure),
        "Only those with a label are kept.": np.flatnonzero(_known),
        "At least: a probability that equals the threshold is enough.": np.flatnonzero(_known | (_p.max(1) > 0.6)),
        "Those without a label, where the teacher is sure, are to be kept as well as those with one.": np.flatnonzero(~_known & _sure),
    },
)  # fmt: skip
check.close(
    _answer[1], _told[_known | _sure], "told",
    mistakes={
        "Where there is a label, it counts, whatever the teacher says.": _p.argmax(1)[_known | _sure],
        "What is told is to be of the kept pictures alone.": _told,
        "Where nobody gave a label, −1 is no class.": _labels[_known | _sure],
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Two masks, (n,): `known`, and where the largest probability reaches the threshold. `np.where` chooses between label and guess,
# `np.flatnonzero` makes indices of a mask.

# %% role="wrong"
{
    "labels of the unsure lost": ("known | (probabilities", "(probabilities", "even where the teacher is unsure"),
    "more than": (">= threshold", "> threshold", "equals the threshold"),
    "the teacher over the label": ("np.where(known, labels, probabilities.argmax(axis=1))", "probabilities.argmax(axis=1)", "whatever the teacher says"),
    "all told": ("told[keep]", "told", "shape"),
    "no guess": ("np.where(known, labels, probabilities.argmax(axis=1))", "labels", "no class"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Say what the distillation token is, who talks to it, and why it is not a second class token.
# - Derive the gradients of hard and soft distillation, and say what T and T² are for.
# - Say when a teacher helps: where its answers are news.
#
# In the library: `minivit/ops/distillation.py`, `minivit/train/distillation.py`; `python -m minivit train --teacher model.npz`. Sources: H. Touvron et al., arXiv
# 2012.12877, section 4; G. Hinton, O. Vinyals, J. Dean, arXiv 1503.02531.
