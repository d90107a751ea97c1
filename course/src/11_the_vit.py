# ---
# title: The whole ViT, and cross-entropy
# question: How do the parts become one function with one loss, and how does its gradient find the way back to every parameter?
# sentence: A Vision Transformer in forty lines, cross-entropy from the likelihood, and the whole backward by hand, equal to the library's and to finite differences.
# minutes: 115
# needs: [4, 5, 6, 7, 8, 9, 10]
# gpu: of no use
# ---

# %% [markdown]
# All parts are there: patches, tokens, positions, norms, heads, MLPs, residuals. In this chapter they become one function, from pixels to
# ten logits, and get one number to make small, the loss. Then we walk back, from the loss to every parameter, line by
# line. The MLP (chapter 09) and the residuals (10) are written out once more, as explicit pairs. At the end there is no part of a Vision Transformer left that you have not
# walked in both directions (Dosovitskiy et al., [arXiv 2010.11929](https://arxiv.org/abs/2010.11929), equations 1 to 4).

# %% role="setup"
import dataclasses

import numpy as np

from minivit import ViT, ViTConfig, check, draw, load_mnist, ops
from minivit.data import TRAINED_DIGITS
from minivit.gradcheck import numerical_gradient
from minivit.model import count_parameters
from minivit.proof import order_one_parameters

rng = np.random.default_rng(0)
digits = load_mnist()
trained = ViT.load(TRAINED_DIGITS)  # a small ViT, trained on the 8,000 digits (chapter 13 trains such a one)
config = trained.config
params = {name: array.astype(np.float64) for name, array in trained.params.items()}
model = ViT(config, params=params)  # the same in float64, to compare to the last digit
raw, labels = digits.test_images[[4, 3]], digits.test_labels[[4, 3]]  # B = 2 digits that it has not seen
images = model.normalize(raw)  # (pixel − mean) / standard deviation

# %% [markdown]
# ## The picture first
#
# What goes in, what comes out, and two stations on the way.

# %%
draw.matrices(
    [
        ("a digit", raw[0, :, :, 0] / 255), ("50 tokens", model.tokens(images)[0]),
        {"array": model.predict(raw)[0][:, None], "title": "class", "row_labels": list("0123456789"), "values": False},
    ],
    between=["3 blocks", "head"], share=False, diverging=True,
    alt="A handwritten five; the words three blocks, and a matrix of 50 rows of 48 numbers, red and blue; the word head, "
    "and a column of ten classes, of which the 5 alone is dark red.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A row of the matrix is a token at the end of the way, after the last norm: the class token
# first, then one for each of the 49 patches. Each has heard of all others. (2) The head reads the first row alone. (3)
# The answer is ten probabilities, and nearly all of it stands in one place.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B | images in a batch | 2 |
# | P, C | side of a patch, channels | 4, 1 |
# | N | tokens: 49 patches and the class token | 50 |
# | D, M | width, and width inside the MLP | 48, 96 |
# | L, H | blocks, heads | 3, 4 |
# | K | classes | 10 |
# | z | tokens, between any two blocks | (2, 50, 48) |
# | logits (a, for one image), and p, their softmax | what the head says | (2, 10) |
# | y | the label, as a row with a single 1 | (2, 10) |
#
# ## The idea
#
# $$\begin{aligned} z_0 = {} & [\,\text{cls}\,;\; \text{patches}\, E + b_E\,] \\
# & + \text{positions} \end{aligned} \tag{1}$$
#
# $$z' = z + \mathrm{MSA}(\mathrm{LN}(z)) \tag{2}$$
#
# $$z'' = z' + \mathrm{MLP}(\mathrm{LN}(z')) \tag{3}$$
#
# $$\text{logits} = \mathrm{LN}(z_L[\text{cls}])\, W + b_W \tag{4}$$
#
# In (1) the class token, one row, is put on top of the patches' rows. Equations (2) and (3) are a **block**, and there
# are L of them. In the first half tokens hear of each other (MSA, the many heads of chapter 08). In the second half
# each token works by itself. Neither replaces $z$: each *adds* to it. That is the **residual** connection. The norm
# stands inside the branch, before the work, which is called pre-norm.
#
# **The MLP** takes each token from D up to M numbers by a linear layer, bends them, and takes them down to D by another.
# Without the bend, the two layers would be one: $(h\,W_1)\,W_2 = h\,(W_1 W_2)$.
#
# **GELU** is the bend: $\mathrm{GELU}(h) = h\,\Phi(h)$, where $\Phi$ is the normal distribution's cumulative probability,
# which rises smoothly from 0 to 1. So a large $h$ passes nearly whole, and a very negative one is stopped. The forward
# below takes GELU from the library (chapter 09 derives it).
#
# ## The forward, by hand
#
# Every operation returns its result and a cache for the way back. A model's parameters are a dict; `take` picks some.

# %%
NORM1, NORM2 = ("norm1.weight", "norm1.bias"), ("norm2.weight", "norm2.bias")
MSA = ("attn.qkv.weight", "attn.qkv.bias", "attn.proj.weight", "attn.proj.bias")
MLP = ("mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias")
EMBED = ("patch_embed.proj.weight", "patch_embed.proj.bias")
NORM, HEAD = ("norm.weight", "norm.bias"), ("head.weight", "head.bias")


def take(params, names, block=""):
    return [params[block + name] for name in names]


def msa_forward(x, qkv_weight, qkv_bias, proj_weight, proj_bias, heads):
    qkv, first = ops.linear_forward(x, qkv_weight, qkv_bias)
    out, attend = ops.self_attention_forward(qkv, heads=heads)  # of chapter 08, from split to merge
    y, last = ops.linear_forward(out, proj_weight, proj_bias)
    return y, (first, attend, last)


# %%
def mlp_forward(x, W1, b1, W2, b2):
    h, up = ops.linear_forward(x, W1, b1)
    g, bend = ops.gelu_forward(h)
    y, down = ops.linear_forward(g, W2, b2)
    return y, (up, bend, down)


def block_forward(z, params, block, heads):
    h, norm1 = ops.layernorm_forward(z, *take(params, NORM1, block))
    h, msa = msa_forward(h, *take(params, MSA, block), heads)
    z = z + h  # (2)
    h, norm2 = ops.layernorm_forward(z, *take(params, NORM2, block))
    h, mlp = mlp_forward(h, *take(params, MLP, block))
    return z + h, (norm1, msa, norm2, mlp)  # (3)


# %%
def vit_forward(images, params, config):
    patches, cut = ops.patchify_forward(images, config.patch_size)
    z, embed = ops.linear_forward(patches, *take(params, EMBED))
    z, cls = ops.prepend_forward(z, params["cls_token"])  # the same row on top of every image's
    z, pos = ops.add_position_forward(z, params["pos_embed"])  # (1)
    blocks = []
    for i in range(config.depth):
        z, cache = block_forward(z, params, f"blocks.{i}.", config.heads)
        blocks.append(cache)
    first, pool = ops.pool_forward(z, "cls")  # the class token alone, (B, D)
    first, norm = ops.layernorm_forward(first, *take(params, NORM))
    logits, head = ops.linear_forward(first, *take(params, HEAD))  # (4)
    return logits, (cut, embed, cls, pos, blocks, pool, norm, head)


logits, cache = vit_forward(images, params, config)
check.close(logits, model(images), "the library's", tol=1e-12)
# The naive loop: one image at a time.
alone = np.concatenate([vit_forward(image[None], params, config)[0] for image in images])
check.close(logits, alone, "image by image", tol=1e-12)

# %% [markdown]
# The first check says: this is the library's ViT, to the last digits of a float64. The second: no image in a batch knows
# of the others. (Chapter 06 showed a norm of which that is not true.)
#
# ## The loss: from likelihood to cross-entropy
#
# How good are the logits? Softmax makes probabilities of them, $p _k = e^{a _k} / \sum_j e^{a _j}$, where $a$ are the
# logits of one image. Then the model gives the labels of B independent images, the rows $r$ of a batch, the
# probability, or *likelihood*,
#
# $$\prod_r p _{r,\,\text{label}(r)} \tag{5}$$
#
# We want it large. A product of many small numbers underflows, so we take the logarithm, which rises with it; we want
# something to make small, so we take the negative; and a number that does not grow with the batch, so we divide by B:
#
# $$\begin{aligned} \text{loss} &= -\frac 1B \sum_r \log p _{r,\,\text{label}(r)} \\
# &= -\frac 1B \sum_r \sum_k y _{rk} \log p _{rk} \end{aligned} \tag{6}$$
#
# with $y _{rk}$ = 1 for the label and 0 for the rest. The right-hand side is the **cross-entropy** of $y$ and $p$; it
# makes sense for any $y$ that is nowhere negative and sums to 1. Put softmax in:
#
# $$\begin{aligned} \log p _k &= a _k - \log \sum_j e^{a _j}, \\
# \log \sum_j e^{a _j} &= m + \log \sum_j e^{a _j - m} \end{aligned} \tag{7}$$
#
# The second holds for any $m$: take $e^m$ out of the sum. With the largest logit for $m$, no exponential exceeds 1.
# *Predict: what does the loop below say to a logit of 1,000?*


# %%
def cross_entropy_loop(logits, labels):
    total = 0.0
    for a, label in zip(logits, labels, strict=True):
        total -= np.log(np.exp(a[label]) / np.exp(a).sum())  # (6), as it stands
    return total / len(logits)


def cross_entropy(logits, labels):
    m = logits.max(axis=1, keepdims=True)
    log_p = logits - m - np.log(np.exp(logits - m).sum(axis=1, keepdims=True))  # (7)
    loss = -log_p[np.arange(len(labels)), labels].mean()  # (6)
    return loss, (np.exp(log_p), labels)


check.close(cross_entropy(logits, labels)[0], cross_entropy_loop(logits, labels), "array against loop")
check.close(ops.cross_entropy_forward(logits, labels)[0], cross_entropy_loop(logits, labels), "library against loop")
large = np.array([[1000.0, 0.0, 0.0]])
with np.errstate(all="ignore"):
    print("a logit of 1,000: loop", cross_entropy_loop(large, [1]), " array", cross_entropy(large, [1])[0])

# %% [markdown]
# The loop divides by an infinity, gets 0, and the logarithm of 0 has no bound. The array version is right: with the
# label's logit at 0, the loss is $\log(e^{1000} + 2)$, and that is 1000 to the last digit.
#
# ### The first loss
#
# A model that knows nothing gives each class $1/K$, and $-\log(1/K) = \log K$. *Predict the loss of a fresh model on
# our ten classes.* It will not be log 10 to the last digit, since a fresh model's logits are small, and not
# zero. But a first loss that is far from it tells of a mistake, in the labels, the head or the start.

# %%
print(f"log 10     {np.log(10):.4f}")
some = model.normalize(digits.test_images[:100])  # which the trained model has not seen, either
for seed in range(3):
    fresh = ViT(config, seed=seed, dtype=np.float64)
    print(f"seed {seed}     {cross_entropy(fresh(some), digits.test_labels[:100])[0]:.4f}")
print(f"trained    {cross_entropy(model(some), digits.test_labels[:100])[0]:.4f}")

# %% [markdown]
# ### Its gradient
#
# *By index.* For one image, by (6) and (7), the loss is $-\sum_k y _k a _k + \log \sum_j e^{a _j}$, since
# $\sum_k y _k = 1$. The derivative of the logarithm is softmax again:
#
# $$\begin{aligned} \frac{\partial\, \text{loss}}{\partial a _k} &= -y _k + \frac{e^{a _k}}{\sum_j e^{a _j}} \\
# &= p _k - y _k \\
# d\text{logits} _{rk} &= \frac{p _{rk} - y _{rk}}{B} \end{aligned} \tag{8}$$
#
# where the last line is for a batch.
#
# *In matrix form*, $d\text{logits} = (P - Y)/B$. What the model says, minus what is right. *In code*:


# %%
def cross_entropy_backward(dloss, cache):
    p, labels = cache
    y = np.eye(p.shape[1])[labels]  # (B, K), a single 1 in each row
    return dloss * (p - y) / len(p)  # (8)


check.grad(lambda a: cross_entropy(a, [2, 0, 4]), cross_entropy_backward, {"logits": rng.standard_normal((3, 5))})
check.close(
    cross_entropy_backward(1.0, cross_entropy(logits, labels)[1]),
    ops.cross_entropy_backward(1.0, ops.cross_entropy_forward(logits, labels)[1]), "library, dlogits",
)  # fmt: skip

# %% [markdown]
# Here are six digits that the model reads right, and two that it does not.

# %%
probabilities = model.predict(digits.test_images[:200])
wrong = np.flatnonzero(probabilities.argmax(axis=1) != digits.test_labels[:200])[:2]
eight = np.concatenate(([3, 4, 6, 7, 8, 13], wrong))
answers = digits.test_labels[eight]
draw.matrix(
    np.round(probabilities[eight] - np.eye(10)[answers], 2) + 0.0, title="p − y", diverging=True, columns="class",
    row_labels=[f"a {label}" for label in answers], column_labels=list("0123456789"), limits=(-1, 1), colorbar=False,
    alt="A table of eight digits by ten classes. In the first six rows nearly all numbers are 0. In the last two rows, the "
    "misread digits, there is a blue number at the right class and a red one at the class that the model chose.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Where the model is sure and right, there is next to nothing to learn. (2) Where it is wrong, it
# is pushed: up at the label (the gradient is negative there, and we walk against it), down at the wrong choice. (3) Each row sums to 0, but for rounding, since $p$ and $y$ both sum to 1.
#
# *Label smoothing* uses $(1-\varepsilon)\,y + \varepsilon/K$ in place of $y$, so that no logit is ever pushed to
# infinity; the gradient is (8) with this target.
#
# ## The MLP, there and back
#
# Two linear layers (chapter 02), and GELU between them. For one image, with its tokens as rows:
#
# $$\begin{aligned} h &= x\,W_1 + b_1, \\
# g &= \mathrm{GELU}(h) = h\,\Phi(h), \\
# y &= g\,W_2 + b_2 \end{aligned} \tag{9}$$
#
# GELU works on each number by itself, so its backward multiplies each by its own derivative. By the product rule, with
# $\varphi(h) = e^{-h^2/2}/\sqrt{2\pi}$, the normal density, for the derivative of $\Phi$:
#
# $$\begin{aligned} \mathrm{GELU}'(h) &= \Phi(h) + h\,\varphi(h), \\
# dh _{nk} &= \Big(\sum_o dy _{no}\, W _{2,ko}\Big) \\
# & \qquad \cdot \mathrm{GELU}'(h _{nk}) \end{aligned} \tag{10}$$
#
# In matrix form, with $\odot$ for the product number by number; the biases' gradients are sums over the tokens:
#
# $$\begin{aligned} dh &= dy\,W_2^\top \odot \mathrm{GELU}'(h), \\
# dx &= dh\,W_1^\top, \\
# dW_1 &= x^\top dh, \\
# dW_2 &= g^\top dy \end{aligned} \tag{11}$$


# %%
def gelu(h):
    cdf = (1 + ops.erf(h / np.sqrt(2))) / 2  # Φ(h)
    return h * cdf, (h, cdf)  # (9)


def gelu_backward(dg, cache):
    h, cdf = cache
    density = np.exp(-h * h / 2) / np.sqrt(2 * np.pi)  # φ(h)
    return dg * (cdf + h * density)  # (10)


def mlp_backward(dy, cache):
    up, bend, down = cache
    dg, dW2, db2 = ops.linear_backward(dy, down)
    dh = ops.gelu_backward(dg, bend)
    dx, dW1, db1 = ops.linear_backward(dh, up)
    return dx, dW1, db1, dW2, db2  # (11)


# %%
h, dg = rng.standard_normal((2, 5, 7))
check.grad(gelu, gelu_backward, {"h": h})
check.close(gelu_backward(dg, gelu(h)[1]), ops.gelu_backward(dg, ops.gelu_forward(h)[1]), "library, GELU")
shapes = {"x": (5, 4), "W1": (4, 7), "b1": (7,), "W2": (7, 4), "b2": (4,)}
check.grad(mlp_forward, mlp_backward, {name: rng.standard_normal(shape) for name, shape in shapes.items()})

# %% [markdown]
# ## Residual: the gradient goes both ways
#
# In $z' = z + f(z)$ the token is used twice: by itself, and in the branch. With $J _{ij} = \partial f _i/\partial z _j$,
#
# $$\begin{aligned} \frac{\partial z' _i}{\partial z _j} &= \delta _{ij} + J _{ij}, \\
# dz _j &= \sum_i dz' _i\,(\delta _{ij} + J _{ij}) \\
# &= dz' _j + \sum_i dz' _i\, J _{ij} \end{aligned} \tag{12}$$
#
# or $dz = (I + J)^\top dz'$. In code, `dz = dz + dbranch`: no multiplication with the $I$. Here is the matrix for the MLP
# branch of the last block, at the class token: 48 backwards, each with a single 1 as its $dz'$, give its 48 rows.

# %%
cut, embed, cls, pos, blocks, pool, norm, head = cache
_, _, norm2, branch = blocks[-1]  # what the last block kept
J = np.empty((48, 48))
for i in range(48):
    one = np.zeros((2, 50, 48))
    one[0, 0, i] = 1  # number i of the first image's class token
    dh, *_ = mlp_backward(one, branch)
    J[i] = ops.layernorm_backward(dh, norm2)[0][0, 0]  # row i, by (12)
draw.matrices(
    [("I", np.eye(48)), ("J, the branch", J), ("I + J", np.eye(48) + J)], between=["+", "="], diverging=True, limits=(-0.3, 0.3),
    alt="Three matrices of 48 by 48: the identity; J, faint red and blue all over; their sum, in which the diagonal of "
    "the identity still stands out.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The identity is there, whatever the branch does: its ones are off the scale, which ends at 0.3
# so that J is seen at all. (2) Two such steps give $(I + J_2)(I + J_1) = I + J_1 + J_2 + J_2 J_1$, and however many there
# are, one term is $I$: a part of the gradient reaches the first block untouched. (3) With $f = 0$ nothing happens to $z$,
# so a branch has only to learn what to change.
#
# ## The whole backward, by hand
#
# The forward's lines, last one first. Each operation gives the gradient of what came in and of its parameters; `put`
# files the latter under the names of the former.


# %%
def put(grads, names, arrays, block=""):
    grads |= {block + name: array for name, array in zip(names, arrays, strict=True)}


def msa_backward(dy, cache):
    first, attend, last = cache
    dout, *dproj = ops.linear_backward(dy, last)
    dqkv, _ = ops.self_attention_backward(dout, attend)  # _ would be of a bias on the scores
    dx, *dfirst = ops.linear_backward(dqkv, first)
    return dx, *dfirst, *dproj


def block_backward(dz, cache, block, grads):
    norm1, msa, norm2, mlp = cache
    dh, *g = mlp_backward(dz, mlp)
    put(grads, MLP, g, block)
    dh, *g = ops.layernorm_backward(dh, norm2)
    put(grads, NORM2, g, block)
    dz = dz + dh  # (12) for (3)
    dh, *g = msa_backward(dz, msa)
    put(grads, MSA, g, block)
    dh, *g = ops.layernorm_backward(dh, norm1)
    put(grads, NORM1, g, block)
    return dz + dh  # (12) for (2)


# %%
def vit_backward(dlogits, cache):
    cut, embed, cls, pos, blocks, pool, norm, head = cache
    grads = {}
    dfirst, *g = ops.linear_backward(dlogits, head)  # (4)
    put(grads, HEAD, g)
    dfirst, *g = ops.layernorm_backward(dfirst, norm)
    put(grads, NORM, g)
    dz = ops.pool_backward(dfirst, pool)  # zeros, but for the class token
    for i in reversed(range(len(blocks))):
        dz = block_backward(dz, blocks[i], f"blocks.{i}.", grads)
    dz, grads["pos_embed"] = ops.add_position_backward(dz, pos)  # (1)
    dz, grads["cls_token"] = ops.prepend_backward(dz, cls)  # the first row, summed over images
    dpatches, *g = ops.linear_backward(dz, embed)
    put(grads, EMBED, g)
    return grads, ops.patchify_backward(dpatches, cut)


loss, loss_cache = cross_entropy(logits, labels)
grads, dimages = vit_backward(cross_entropy_backward(1.0, loss_cache), cache)
their_loss, theirs = model.loss_and_grads(images, labels)
check.close(loss, their_loss, "loss", tol=1e-12)
assert set(grads) == set(theirs)
flat = lambda arrays: np.concatenate([array.ravel() for array in arrays])
ours, theirs = flat(grads.values()), flat(theirs[name] for name in grads)
check.close(ours, theirs, f"{len(grads)} arrays, {ours.size:,} gradients", tol=1e-12)

# %% [markdown]
# The class token alone gets a gradient from the head. How does it come to the patches? By attention, on the way back:
# the class token has read them, so it hands its gradient on to them. And from the patches it goes on to the pixels.
# Here it is for a digit that the model misreads: *where would more ink, or less, raise the loss?* Then every pixel moves
# against its gradient, by a fortieth of the way from paper to ink. *Will you see it? Will the model?*

# %%
x, right = model.normalize(digits.test_images[wrong[:1]]), digits.test_labels[wrong[:1]]
out, back = vit_forward(x, params, config)
_, dx = vit_backward(cross_entropy_backward(1.0, cross_entropy(out, right)[1]), back)
moved = np.clip(x - np.ptp(x) / 40 * np.sign(dx), x.min(), x.max())  # no lighter than paper, no darker than ink
for name, pixels in (("as it is", x), ("moved", moved)):
    p = ops.softmax_forward(model(pixels))[0][0]
    print(f"a {right[0]}, {name}: read as a {p.argmax()}; p of a {right[0]} {p[right[0]]:.2f}")
digit, step = ((pixels[0, :, :, 0] - x.min()) / np.ptp(x) for pixels in (x, moved))  # paper 0, ink 1
draw.matrices(
    [("the digit", digit), ("dloss / dpixel", dx[0, :, :, 0] / np.abs(dx).max()), ("the digit, moved", step)],
    diverging=True, colorbar=False,
    alt="A handwritten digit; the gradient of the loss for each pixel, red and blue spots side by side; and the digit "
    "after the step, which looks the same but for faint spots on the paper.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Red: more ink there raises the loss; blue: it lowers it. (2) It is rough, red beside blue: a
# gradient tells what the model reacts to, pixel by pixel, and not what a reader would draw. (3) The step can hardly be
# seen, and the model now reads the digit right: hundreds of small changes, each to the better, add up. Such steps in
# the other direction make a model misread (Goodfellow et al., [arXiv 1412.6572](https://arxiv.org/abs/1412.6572)).
#
# ## Is it right? All of it, against the definition
#
# Equal to the library is one thing. Equal to finite differences is the test: every parameter of a small ViT is moved a
# little, and the loss watched. L = 2, B = 3, H = 4, K = 5, N = 7, D = 8 and M = 10 all differ, so that no transpose can
# hide behind equal lengths, and the parameters are of order one, so that no gradient can hide behind its smallness.

# %%
tiny = ViTConfig(image_size=(4, 9), patch_size=(2, 3), channels=2, classes=5, width=8, depth=2, heads=4, mlp_ratio=1.25)
q = order_one_parameters(tiny)  # random, and of a size at which no gradient is tiny
x, targets = rng.standard_normal((3, 4, 9, 2)), np.array([4, 0, 2])


def tiny_loss():
    return cross_entropy(vit_forward(x, q, tiny)[0], targets)[0]


out, back = vit_forward(x, q, tiny)
ours, _ = vit_backward(cross_entropy_backward(1.0, cross_entropy(out, targets)[1]), back)


def worst_error(name):  # of an array's gradients, each compared with the largest of them
    return np.abs(ours[name] - numerical_gradient(tiny_loss, q[name])).max() / np.abs(ours[name]).max()


said = f"{len(q)} arrays, {sum(array.size for array in q.values()):,} numbers: largest error"
check.close(np.max([worst_error(name) for name in q]), 0, said, tol=1e-6)

# %% [markdown]
# `python -m minivit check` does this for every option that the library has.
#
# ## The same, said once
#
# Every backward above walks its forward's lines from the last to the first, and each half of a block ends in `dz + dh`.
# The library says so once, for all models, in two *joints*: `Chain`, one after the other (chapter 08), and `Residual`,
# equation (12). This is how they go back:

# %%
import inspect

from minivit.layers import Chain, Residual, parts

print(inspect.getsource(Chain.backward))
print(inspect.getsource(Residual.backward))

# %% [markdown]
# Our `dz + dh` is `both(dx, dh)` there, the sum of the two, or the one that there is: the shortcut hands dy through unless
# it is told otherwise. Our `put` is `add`. A chain lets go of each cache at once, so a cache serves one backward; ours
# served 48 for J. With the joints, a block needs no code of its own. It is *described*, equations (2) and (3) in two lines, and forward, backward, names, shapes and
# counts follow:


# %%
def block(name, D, H, M):
    return Chain(
        Residual(parts.norm(f"{name}.norm1", D), parts.attention(f"{name}.attn", D, H)),  # (2)
        Residual(parts.norm(f"{name}.norm2", D), parts.mlp(f"{name}.mlp", D, M)),  # (3)
    )


print(block("blocks.0", 48, 4, 96))

# %% [markdown]
# `model.layers` describes the whole ViT, and its last block spares something. The head reads the class token alone, so
# nobody reads what the last block makes of the 49 patches: our backward sends zeros through them. The library takes
# their keys and values, and no more. *Predict: which share of the block's products is left?*


# %%
def compare(layers, name, read):  # read: how many of the tokens that come out somebody reads
    z, dy = rng.standard_normal((2, 2, 50, 48))
    dy[:, read:] = 0
    y, kept = block_forward(z, params, f"{name}.", config.heads)
    grads = {}
    dz = block_backward(dy, kept, f"{name}.", grads)
    their_y, caches = layers.forward(ops, params, z)
    their_dz, theirs = layers.backward(ops, dy[:, :read], caches)
    check.close(their_y, y[:, :read], f"{name}, forward", tol=1e-12)
    theirs = flat([their_dz, *(theirs[name] for name in grads)])
    check.close(theirs, flat([dz, *grads.values()]), f"{name}, backward", tol=1e-12)


last = model.layers.parts[0].parts[-1]
compare(block("blocks.0", 48, 4, 96), "blocks.0", read=50)
compare(last, "blocks.2", read=1)
N, D, M = 50, 48, 96
every, one = N * (4 * D * D + 2 * N * D + 2 * D * M), (2 * N + 2) * D * D + 2 * N * D + 2 * D * M
print(f"products for an image: {every:,} for all tokens, {one:,} for the class token, {one / every:.0%}")
print(last.parts[0])  # its first half

# %% [markdown]
# `tokens(stop=1)` takes the class token, for its query and for the shortcut. `Let` gives the keys and values of all
# tokens a name, under which the attention reads them.
#
# ## How many parameters?
#
# Embedding and class token, positions, L blocks of two norms, attention and MLP (the table above), the last norm and the
# head:
#
# $$\begin{aligned} & (P^2C\,D + D) + D + ND \\
# & + L\,\big[\,4D + (4D^2 + 4D) \\
# & \qquad\quad + (2DM + M + D)\,\big] \\
# & + 2D + (DK + K) \end{aligned} \tag{13}$$


# %%
def formula(P, C, N, D, M, L, K):
    return (
        (P * P * C * D + D) + D + N * D + L * (4 * D + (4 * D * D + 4 * D) + (2 * D * M + M + D)) + 2 * D + (D * K + K)
    )


check.answer(formula(4, 1, 50, 48, 96, 3, 10), sum(a.size for a in params.values()), "this one")
check.answer(formula(16, 3, 197, 768, 3072, 12, 1000), count_parameters(ViTConfig.from_name("ViT-B/16")), "ViT-B/16")

# %% [markdown]
# The three blocks have nearly all of it, $3 \cdot 18{,}960$ of 60,730, attention and MLPs alike. With M = 4D, as usual in
# larger models, the MLPs have twice as many as attention. The head, which alone knows the classes, has 490.

# %% [markdown] exercise="Before you run it" kind="predict" stars=1 minutes=5
# A fresh model with 100 classes: what is its first loss, about (`first_loss`, to two decimals)? If all logits of an
# image rise by 3, by how much does its loss rise (`rise`)? A batch has B = 4 images; on one of them the model gives the
# label p = 0.25: what is the gradient of the loss for the label's logit of that image (`gradient`, to four decimals)?
# And a model has D = 64, L = 4, M = 4D: how many parameters has one MLP (`mlp`)?

# %% role="solution"
# YOUR TURN
first_loss = 4.61
rise = 0
gradient = -0.1875
mlp = 33088
# END

# %% role="check"
check.answer(
    first_loss, np.log(100), "first_loss", tol=0.005, reasons={2: "log is the natural logarithm", 2.3: "100 classes"}
)
check.answer(rise, 0, "rise", reasons={3: "p does not change, and so neither does −log p", -3: "p does not change"})
check.answer(
    gradient, (0.25 - 1) / 4, "gradient", tol=5e-4,
    reasons={-0.75: "the loss is a mean over the batch", 0.0625: "p minus y, and y is 1 there", 0.25: "p minus y, over B",
             0.1875: "the sign: a larger logit there lowers the loss"},
)  # fmt: skip
check.answer(
    mlp, 2 * 64 * 256 + 256 + 64, "mlp", reasons={32768: "and the biases?", 16640: "there are two layers, up and down",
                                                  132352: "of one block, not of all"},
)  # fmt: skip

# %% [markdown] role="hint"
# Use: log K; what softmax does not see; equation (8); D → M → D, with a bias each.

# %% role="wrong"
{
    "the logarithm to base ten": ("first_loss = 4.61", "first_loss = 2", "natural logarithm"),
    "the logits as the loss": ("rise = 0", "rise = 3", "does not change"),
    "not averaged": ("gradient = -0.1875", "gradient = -0.75", "mean over the batch"),
    "without biases": ("mlp = 33088", "mlp = 32768", "biases"),
}

# %% [markdown] exercise="Two functions of a colleague" kind="break" stars=2 minutes=10
# The first tokens, and a pooling by the mean of the patches. Shapes are right, a gradient check finds nothing, and a
# model can be trained with them. Each has a mistake: find them and mend them. As in equation (1), the class token has a position of its own, the first row of `pos`.


# %% role="broken"
def first_tokens(patches, cls, pos):
    """patches (B, N−1, D), already embedded; cls (1, 1, D); pos (1, N, D) -> z_0 (B, N, D)."""
    patches = patches + pos[:, 1:]
    cls = np.broadcast_to(cls, (len(patches), 1, patches.shape[2]))
    return np.concatenate((cls, patches), axis=1)


def mean_of_patches(z):
    """z (B, N, D), the class token first -> the mean of the patches (B, D)."""
    return z.mean(axis=1)


# %% role="solution"
def first_tokens(patches, cls, pos):
    """patches (B, N−1, D), already embedded; cls (1, 1, D); pos (1, N, D) -> z_0 (B, N, D)."""
    cls = np.broadcast_to(cls, (len(patches), 1, patches.shape[2]))
    return np.concatenate((cls, patches), axis=1) + pos


def mean_of_patches(z):
    """z (B, N, D), the class token first -> the mean of the patches (B, D)."""
    return z[:, 1:].mean(axis=1)


# %% role="check"
some, token, table = (rng.standard_normal(shape) for shape in ((2, 6, 4), (1, 1, 4), (1, 7, 4)))
both = ops.prepend_forward(some, token)[0]
check.close(
    first_tokens(some, token, table), both + table, "z_0",
    mistakes={"The class token is added after the positions, and has none.":
              np.concatenate((both[:, :1], some + table[:, 1:]), axis=1)},
)  # fmt: skip
z = rng.standard_normal((2, 7, 4))
check.close(
    mean_of_patches(z), ops.pool_forward(z, "gap", 1)[0], "mean",
    mistakes={"The class token is counted among the patches.": z.mean(axis=1),
              "The class token is counted, and the last patch is not.": z[:, :-1].mean(axis=1),
              "The sum is right; by how many is it divided?": z[:, 1:].sum(axis=1) / 7},
)  # fmt: skip

# %% [markdown] role="hint"
# How many rows of `pos` does each function use? Over how many tokens does the mean go?

# %% role="wrong"
{
    "only the pooling mended": (
        "return np.concatenate((cls, patches), axis=1) + pos",
        "return np.concatenate((cls, patches + pos[:, 1:]), axis=1)",
        "added after the positions",
    ),
    "only the tokens mended": ("z[:, 1:].mean(axis=1)", "z.mean(axis=1)", "counted among the patches"),
    "the wrong end": ("z[:, 1:].mean(axis=1)", "z[:, :-1].mean(axis=1)", "the last patch is not"),
    "divided by N": ("z[:, 1:].mean(axis=1)", "z[:, 1:].sum(axis=1) / z.shape[1]", "by how many"),
}

# %% [markdown] exercise="A model that cannot make up its mind" kind="break" stars=1 minutes=6
# `noisy` was given dropout for its training. Somebody evaluates it with the function below, and gets another accuracy
# each time. Mend `evaluate`; leave the model alone. It takes raw images, and returns the logits (B, K).

# %% role="given"
noisy = ViT(dataclasses.replace(config, dropout=0.2), params=params)


# %% role="broken"
def evaluate(model, raw_images, rng):
    logits, _ = model.forward(model.normalize(raw_images), rng)
    return logits


# %% role="solution"
def evaluate(model, raw_images, rng):
    return model(model.normalize(raw_images))


# %% role="check"
three = digits.test_images[:3]
first = evaluate(noisy, three, rng)
check.close(evaluate(noisy, three, rng), first, "the same digits, asked twice")
check.close(
    first, noisy(noisy.normalize(three)), "logits", mistakes={"Raw pixels went into the model: it was trained on normalised "
    "ones.": noisy(three / 255), "These are probabilities; logits are asked for.": noisy.predict(three)},
)  # fmt: skip
assert not np.allclose(noisy.forward(noisy.normalize(three), rng)[0], first), "the model must keep its dropout"

# %% [markdown] role="hint"
# Read what `ViT.forward` says of `rng`: `help(ViT.forward)`.

# %% role="wrong"
{
    "the mean of a few": (
        "return model(model.normalize(raw_images))",
        "return sum(model.forward(model.normalize(raw_images), rng)[0] for _ in range(3)) / 3",
        "asked twice",
    ),
    "always the same elements": (
        "return model(model.normalize(raw_images))",
        "return model.forward(model.normalize(raw_images), np.random.default_rng(0))[0]",
        "logits  max",
    ),
    "not normalised": ("model(model.normalize(raw_images))", "model(raw_images / 255)", "Raw pixels"),
    "probabilities": ("model(model.normalize(raw_images))", "model.predict(raw_images)", "These are probabilities"),
}

# %% [markdown] exercise="In several bites" kind="build" stars=2 minutes=12
# A batch may be too large for the memory. Then it is fed in parts, and their gradients are combined: *gradient
# accumulation*. Write `in_parts`, which gives the loss and the gradients of the whole batch, but calls
# `model.loss_and_grads(images, labels)` (it returns the mean loss of what it is given, and a dict of gradients) for
# each part by itself. `sizes` says how many images each part has, in order; they may differ, and sum to B. The names
# of the gradients are those of `model.params`.


# %% role="solution"
def in_parts(model, images, labels, sizes):
    """-> the loss, and a dict of the gradients: those of the whole batch."""
    # YOUR TURN
    total, grads, start = 0.0, {name: 0.0 for name in model.params}, 0
    for size in sizes:
        part = slice(start, start + size)
        loss, part_grads = model.loss_and_grads(images[part], labels[part])
        total += loss * size / len(images)
        grads = {name: grads[name] + part_grads[name] * size / len(images) for name in grads}
        start += size
    return total, grads
    # END


# %% role="check"
class Counted:
    """The model, with a list of the sizes that it was called with."""

    def __init__(self):
        self.params, self.sizes = model.params, []

    def loss_and_grads(self, images, labels):
        self.sizes.append(len(images))
        return model.loss_and_grads(images, labels)


batch, targets, sizes = model.normalize(digits.test_images[:10]), rng.integers(0, 10, 10), (5, 3, 2)
whole_loss, whole = model.loss_and_grads(batch, targets)
pieces = [model.loss_and_grads(batch[a:b], targets[a:b]) for a, b in ((0, 5), (5, 8), (8, 10))]
counted = Counted()
got_loss, got = in_parts(counted, batch, targets, sizes)
check.answer(
    tuple(counted.sizes), sizes, "sizes of the parts", reasons={(10,): "the whole batch went in at once",
    (1,) * 10: "each image went in alone: `sizes` says how many go together"},
)  # fmt: skip
check.close(
    got_loss, whole_loss, "loss",
    mistakes={"This is the mean of the parts' means: a part of 2 has the say of a part of 5.":
              np.mean([piece[0] for piece in pieces]),
              "This is the sum of the parts' means.": np.sum([piece[0] for piece in pieces])},
)  # fmt: skip
assert set(got) == set(whole), "a gradient for every parameter"
off = [name for name in whole if np.shape(got[name]) != whole[name].shape or not np.allclose(got[name], whole[name])]
for name in off[:1] or ["head.weight"]:  # the first that is wrong
    parts = [piece[1][name] for piece in pieces]
    check.close(
        got[name], whole[name], name,
        mistakes={"This is the mean of the parts' means: a part of 2 has the say of a part of 5.": np.mean(parts, axis=0),
                  "This is the sum of the parts' means.": np.sum(parts, axis=0),
                  "This is the last part's share alone.": parts[-1] * 2 / 10},
    )  # fmt: skip

# %% [markdown] role="hint"
# The loss of a part is a sum over its images, divided by its own size. Undo that division, add up, and divide by B: once.

# %% role="wrong"
{
    "a mean of means": (
        "part_grads[name] * size / len(images)",
        "part_grads[name] / len(sizes)",
        "the say of a part of 5",
    ),
    "the sum": ("part_grads[name] * size / len(images)", "part_grads[name]", "sum of the parts' means"),
    "averaged twice": (
        "part_grads[name] * size / len(images)",
        "part_grads[name] * size / len(images) / len(sizes)",
        "1/3: a factor is missing, or there is one too many",
    ),
    "the last part alone": ("grads[name] + part_grads", "part_grads", "last part's share alone"),
    "the sizes ignored": ("for size in sizes:", "for size in [len(images)]:", "the whole batch went in at once"),
    "the head alone": (
        "grads = {name: grads[name] + part_grads[name] * size / len(images) for name in grads}",
        'grads = part_grads | {"head.weight": grads["head.weight"] + part_grads["head.weight"] * size / len(images)}',
        "patch_embed.proj.weight  max",
    ),
}

# %% [markdown] exercise="Label smoothing" kind="further" stars=3 minutes=15
# With smoothing $\varepsilon$ the target is $t = (1-\varepsilon)\,y + \varepsilon/K$, and the loss
# $-\frac 1B \sum_r \sum_k t _{rk} \log p _{rk}$. Write forward and backward, safe for logits of 1,000. Then find the
# smallest loss that any logits can reach, `least(K, eps)`: unlike that of plain cross-entropy it is not 0. (Where is the
# gradient zero? Put that into the loss.)


# %% role="solution"
def smooth_forward(logits, labels, eps):
    """logits (B, K), labels (B,) -> the loss, cache."""
    # YOUR TURN
    B, K = logits.shape
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    target = (1 - eps) * np.eye(K)[labels] + eps / K
    return -(target * log_p).sum() / B, (np.exp(log_p), target)
    # END


def smooth_backward(dloss, cache):
    """-> dlogits (B, K)."""
    # YOUR TURN
    p, target = cache
    return dloss * (p - target) / len(p)
    # END


def least(K, eps):
    """The smallest loss that K logits can reach, for 0 < eps < 1."""
    # YOUR TURN
    right, other = 1 - eps + eps / K, eps / K
    return -right * np.log(right) - (K - 1) * other * np.log(other)
    # END


# %% role="check"
z, t = rng.standard_normal((3, 5)), np.array([2, 0, 4])
shifted = np.eye(5)[t] * 0.8 + (1 - np.eye(5)[t]) * 0.2 / 4
check.close(
    smooth_forward(z, t, 0.2)[0], ops.cross_entropy_forward(z, t, 0.2)[0], "loss",
    mistakes={"ε/K goes to every class, the label included; here ε is spread over the others.":
              ops.cross_entropy_forward(z, shifted)[0]},
)  # fmt: skip
with np.errstate(all="ignore"):  # a wrong answer overflows, and the check says so
    large = smooth_forward(1e3 * z, t, 0.2)[0]
check.close(large, ops.cross_entropy_forward(1e3 * z, t, 0.2)[0], "large logits")
check.grad(lambda z: smooth_forward(z, t, 0.2), smooth_backward, {"logits": z})
for K, eps in ((5, 0.2), (3, 0.5)):
    best = np.log(eps / K + (1 - eps) * np.eye(K)[[0]])
    check.close(least(K, eps), ops.cross_entropy_forward(best, np.array([0]), eps)[0], f"least({K}, {eps})")

# %% [markdown] role="hint"
# The gradient is zero where p = t. The least loss is the entropy of t, $-\sum_k t _k \log t _k$: one term for the label
# and K − 1 equal ones.

# %% role="wrong"
{
    "spread over the others alone": (
        "target = (1 - eps) * np.eye(K)[labels] + eps / K",
        "target = (1 - eps) * np.eye(K)[labels] + eps / (K - 1) * (1 - np.eye(K)[labels])",
        "the label included",
    ),
    "overflow": ("shifted = logits - logits.max(axis=1, keepdims=True)", "shifted = logits", "large logits"),
    "not averaged": ("dloss * (p - target) / len(p)", "dloss * (p - target)", "times 3"),
    "the label's term alone": (" - (K - 1) * other * np.log(other)", "", "least(5, 0.2)  max"),
    "for K = 5 alone": (
        "right, other = 1 - eps + eps / K, eps / K",
        "right, other, K = 0.84, 0.04, 5",
        "least(3, 0.5)  max",
    ),
}

# %% [markdown]
# ## What you can do now
#
# - Write a whole Vision Transformer from its operations, and its backward by reading the forward from below; and describe
#   both in two lines a block.
# - Derive cross-entropy from the likelihood, keep it from overflowing, and know its gradient, $(p - y)/B$, by heart.
# - Check a model three ways: against a reference, against $\log K$, against finite differences; and count its parameters.
#
# In the library: `minivit/layers/layer.py`, `minivit/layers/parts.py`, `minivit/model/vit.py`,
# `minivit/ops/cross_entropy.py`, `minivit/proof/proof.py`.
# Sources: A. Dosovitskiy et al., *An Image is Worth 16x16 Words*, arXiv 2010.11929, section 3.1; label smoothing: C.
# Szegedy et al., arXiv 1512.00567, section 7; gradients that pass through: K. He et al., *Identity Mappings in Deep
# Residual Networks*, arXiv 1603.05027.
