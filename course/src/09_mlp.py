# ---
# title: GELU and the MLP
# question: What does a token do with what it has heard?
# sentence: Two dense layers and a bend, for each token by itself; GELU from a coin that knows the normal distribution; its slope, the MLP's backward, and what its hidden numbers react to.
# minutes: 60
# needs: [5, 6, 7]
# gpu: of no use
# ---

# %% [markdown]
# Attention (07, 08) lets tokens hear of each other. What it brings is a mean of values: a sum of vectors, with
# weights. The second half of a Transformer's block works on what was heard. It is a small net that each token goes
# through alone, the **MLP** (multi-layer perceptron): up to more numbers, a bend, and down again. It holds half to
# two thirds of a block's parameters.

# %% role="setup"
import math

import numpy as np

from minivit import ViT, check, draw, layers, load_mnist, ops
from minivit.data import TRAINED_DIGITS
from minivit.ops import gelu_backward, gelu_forward, layernorm_forward, linear_backward, linear_forward, relu_forward

rng = np.random.default_rng(9)
digits = load_mnist()
model = ViT.load(TRAINED_DIGITS)  # a small ViT, trained on the 8,000 digits (chapter 13 trains such a one)
p = {name: array.astype(np.float64) for name, array in model.params.items()}

# %% [markdown]
# ## The picture first
#
# One digit in the first block of a trained model: 50 tokens of 48 numbers, after attention and the norm. $W_1$ makes 96
# **hidden** numbers of each; GELU bends them; $W_2$ makes 48 again.

# %%
embed, block = layers.Chain(*model.layers.parts[0].parts[:4]), model.layers.parts[0].parts[4]


def into_mlp(raw):  # what the first block's MLP is given, (B, 50, 48)
    z = block.parts[0](ops, p, embed(ops, p, model.normalize(raw).astype(np.float64)))
    return layernorm_forward(z, p["blocks.0.norm2.weight"], p["blocks.0.norm2.bias"])[0]


W1, b1, W2, b2 = (p[f"blocks.0.mlp.{name}"] for name in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"))
x = into_mlp(digits.test_images[4:5])
h = x @ W1 + b1
g = gelu_forward(h)[0]
draw.matrices(
    [("x", x[0]), ("h", h[0]), ("GELU(h)", g[0]), ("y", (g @ W2 + b2)[0])], between=["W₁", "bend", "W₂"],
    diverging=True, limits=(-4, 4),
    alt="Four matrices of 50 rows, one for each token. x: red and blue. h, twice as wide: mostly blue, with red places. GELU "
    "of h: white, and red where h was red. y: faint, but strong in the rows where much has passed.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Row n of each matrix is made of row n of the one before: no token looks at another. (2) Most
# of h is negative, and the bend makes it nearly 0: only a few of a token's 96 hidden numbers pass. (3) Which ones
# pass differs from row to row: each token uses its own part of $W_2$.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | x, y | a token's numbers, going in and coming out | (B, N, D) | (1, 50, 48) |
# | M | hidden numbers, 2 to 4 times D | | 96 |
# | h, g | before and after the bend | (B, N, M) | (1, 50, 96) |
# | W₁, b₁ | up | (D, M), (M,) | (48, 96) |
# | W₂, b₂ | down | (M, D), (D,) | (96, 48) |
# | Φ, φ | the normal distribution's probability, and density | as h | |
#
# ## The idea
#
# $$\begin{aligned} h_{nk} &= \sum_i x_{ni} W_{1,ik} + b_{1,k} \\ g_{nk} &= \mathrm{GELU}(h_{nk}) \\
# y_{no} &= \sum_k g_{nk} W_{2,ko} + b_{2,o} \end{aligned} \tag{1}$$
#
# Read the last line so: y is a *sum of rows of* $W_2$. Row k comes in with the weight $g_{nk}$. And $h_{nk}$ is a dot
# product of the token with *column k of* $W_1$. So each hidden number is a question (how much are you like this
# column?) with an answer (then this row is added). M questions, M answers (Geva et al., [arXiv
# 2012.14913](https://arxiv.org/abs/2012.14913)).


# %%
def mlp_loop(x, W1, b1, W2, b2):
    y = np.zeros(x.shape[:-1] + (W2.shape[1],)) + b2
    for n in np.ndindex(x.shape[:-1]):
        for k in range(W1.shape[1]):
            h = x[n] @ W1[:, k] + b1[k]  # question k
            y[n] += h * (1 + math.erf(h / math.sqrt(2))) / 2 * W2[k]  # GELU(h), of which below, times answer k
    return y


def mlp(x, W1, b1, W2, b2):
    h, up = linear_forward(x, W1, b1)
    g, bend = gelu_forward(h)
    y, down = linear_forward(g, W2, b2)
    return y, (up, bend, down)


y, _ = mlp(x, W1, b1, W2, b2)
check.close(y, mlp_loop(x, W1, b1, W2, b2), "array against loop")
check.close(y, block.parts[1].parts[1](ops, p, x), "library against array")

# %% [markdown]
# The MLP is the other half of what attention does. For fixed weights P, attention mixes *tokens*: each number of the
# output is a mean of the same number of the others' values, and nothing is bent. The MLP mixes the *numbers of one
# token*, and bends them. Tokens are rows and numbers are columns, so one works along each axis of the matrix, in
# turn, block after block. Seen as a map of 7 × 7 patches with 48 channels, the MLP is two convolutions with kernels
# of 1 × 1: the same weights at every place, and no neighbours. *If the tokens are shuffled, what happens to y?*

# %%
order = rng.permutation(50)
check.close(mlp(x[:, order], W1, b1, W2, b2)[0], y[:, order], "shuffled before against shuffled after")
alone = x.copy()
alone[0, 3] += 1
print(
    "token 3 changes; tokens of y that change:", np.flatnonzero((mlp(alone, W1, b1, W2, b2)[0] != y).any(axis=(0, 2)))
)

# %% [markdown]
# ## Why there must be a bend
#
# Without it, $(x W_1) W_2 = x\,(W_1 W_2)$: two layers are one, and its matrix has a rank of at most M. A sum of
# straight lines is a straight line. *With a bend, what can 8 hidden numbers draw?* One number goes in, one comes out;
# $W_1$ and $b_1$ are random, and $W_2$ is the best there is (least squares).

# %%
across = np.linspace(-3, 3, 121)[:, None]
wanted = np.sin(2 * across)
hidden = across @ rng.standard_normal((1, 8)) * 2 + rng.standard_normal(8) * 2
curves = {"wanted": (across[:, 0], wanted[:, 0])}
for name, bent in (("no bend", hidden), ("ReLU", relu_forward(hidden)[0]), ("GELU", gelu_forward(hidden)[0])):
    bent = np.concatenate((bent, np.ones_like(across)), axis=1)  # the ones: b₂
    curves[name] = (across[:, 0], (bent @ np.linalg.lstsq(bent, wanted, rcond=None)[0])[:, 0])
draw.lines(
    curves, xlabel="x", ylabel="y", height=2.8,
    alt="A sine over two periods, and three tries to draw it. No bend: a straight, nearly level line. ReLU: a polygon with "
    "corners. GELU: a smooth curve, near the sine in most places.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Eight numbers without a bend draw what one could. (2) Each ReLU gives one corner. (3) GELU
# gives a soft one.
#
# ## GELU: a coin that knows the normal distribution
#
# ReLU lets a number pass if it is positive. Dropout lets it pass by a coin. Put both together (Hendrycks & Gimpel,
# [arXiv 1606.08415](https://arxiv.org/abs/1606.08415)): let h pass with the probability Φ(h) that a normal random
# number is below it, and take the mean over the coin:
#
# $$\begin{aligned} & \mathrm{GELU}(h) \\ &= h\,\Phi(h) + 0 \cdot (1 - \Phi(h)) \\
# &= h\,\Phi(h) \end{aligned} \tag{2}$$
#
# $$\begin{aligned} \Phi(h) &= \int_{-\infty}^{h} \varphi(t)\, dt \\
# &= \tfrac12 \Big(1 + \mathrm{erf}\frac{h}{\sqrt 2}\Big) \\
# \varphi(t) &= \frac{1}{\sqrt{2\pi}}\, e^{-t^2/2} \end{aligned} \tag{3}$$
#
# NumPy has no erf; the library's own (`minivit/ops/erf.py`) is right to 1e-12. There is also a cheaper Φ, made of a
# tanh, which some models were trained with. To load their weights one must use theirs. *Toss the coin:*

# %%
for h in (-2.0, -0.5, 1.0):
    passed = h * (rng.standard_normal(400_000) < h)
    print(f"h = {h:4}: mean of 400,000 tosses {passed.mean():7.4f}, GELU {gelu_forward(np.array(h))[0]:7.4f}")
far = np.linspace(-6, 6, 2001)
print(f"tanh against erf: at most {np.abs(gelu_forward(far, 'tanh')[0] - gelu_forward(far)[0]).max():.1e} apart")

# %% [markdown]
# ## The backward
#
# *GELU.* The derivative of an integral with respect to its upper end is the integrand: $\Phi' = \varphi$. By the
# product rule,
#
# $$\mathrm{GELU}'(h) = \Phi(h) + h\,\varphi(h) \tag{4}$$
#
# *The MLP, by index.* From the last line of (1) to the first, with equation (1) of chapter 05: $g_{nk}$ goes into all
# $y_{no}$, $h_{nk}$ into $g_{nk}$ alone:
#
# $$\begin{aligned} dg_{nk} &= \sum_o dy_{no}\, W_{2,ko} \\ dh_{nk} &= dg_{nk}\, \mathrm{GELU}'(h_{nk}) \\
# dx_{ni} &= \sum_k dh_{nk}\, W_{1,ik} \end{aligned} \tag{5}$$
#
# *In matrix form*, for one image, with $\odot$ for the product number by number; biases get sums over the tokens:
#
# $$\begin{aligned} dh &= dy\,W_2^\top \odot \mathrm{GELU}'(h) \\ dx &= dh\,W_1^\top \\
# dW_1 &= x^\top dh \qquad dW_2 = g^\top dy \end{aligned} \tag{6}$$


# %%
def gelu(h):
    cdf = np.vectorize(math.erf)(h / math.sqrt(2)) / 2 + 0.5  # Φ(h), (3)
    return h * cdf, (h, cdf)  # (2)


def gelu_back(dg, cache):
    h, cdf = cache
    return dg * (cdf + h * np.exp(-h * h / 2) / math.sqrt(2 * math.pi))  # (4)


def mlp_back(dy, cache):
    up, bend, down = cache
    dg, dW2, db2 = linear_backward(dy, down)
    dh = gelu_backward(dg, bend)
    dx, dW1, db1 = linear_backward(dh, up)
    return dx, dW1, db1, dW2, db2  # (6)


h, dg = rng.standard_normal((2, 5, 7))
check.grad(gelu, gelu_back, {"h": h})
check.close(gelu_backward(dg, gelu_forward(h)[1]), gelu_back(dg, gelu(h)[1]), "dh, library against ours")
shapes = {"x": (2, 5, 4), "W1": (4, 7), "b1": (7,), "W2": (7, 3), "b2": (3,)}
check.grad(mlp, mlp_back, {name: rng.standard_normal(shape) for name, shape in shapes.items()})

# %% [markdown]
# Where does ReLU's kink go? *Predict: is GELU's slope ever negative, ever above 1?*

# %%
near = np.linspace(-4, 4, 161)
draw.lines(
    {"GELU": (near, gelu(near)[0]), "its slope": (near, gelu_back(1.0, gelu(near)[1])), "ReLU": (near, relu_forward(near)[0]),
     "ReLU's slope": (near, near > 0)}, xlabel="h", ylabel="", height=3,
    alt="GELU lies a little below ReLU around 0, dips to −0.17 near −0.75, and is equal to it far away. Its slope rises "
    "smoothly from 0, first dips below 0, is one half at 0, goes a little above 1 and returns to 1; ReLU's jumps at 0.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) No kink: differences judge it everywhere (chapter 05). (2) Below −0.75 its slope is
# negative: it is not monotone. (3) ReLU gives no gradient at all on the left; GELU a small one down to about −3, so a
# number that never passes can still learn to.
#
# ## What do the hidden numbers ask?
#
# We give 400 unseen digits to the trained model and look for the six tokens at which a hidden number of the first
# block is largest. Drawn is what lies around each of these patches, 12 × 12 pixels. (Attention has already mixed in
# other patches; so it is not the patch alone.)

# %%
several = digits.test_images[:400]
h = into_mlp(several)[:, 1:] @ W1 + b1  # (400, 49, 96), without the class token
peaks = np.sort(h.reshape(-1, 96), axis=0)[-6:].mean(axis=0)  # of each hidden number, at its six tokens
asked = np.argsort(-peaks / h.std(axis=(0, 1)))[:4]  # the most selective
padded, crops = np.pad(several[..., 0], ((0, 0), (4, 4), (4, 4))), []
for k in asked:
    for place in np.argsort(-h[..., k].ravel())[:6]:
        image, patch = divmod(place, 49)
        row, column = 4 * (patch // 7), 4 * (patch % 7)
        crops.append(padded[image, row : row + 12, column : column + 12, None])
draw.digits(
    np.stack(crops), columns=6,
    alt="Four rows of six small pieces of digits. First and second row: an upright stroke, straight or bent, with paper on both "
    "sides. Third: two thick strokes one above the other, with a small gap between them. Fourth: a level stroke with paper below.",
)  # fmt: skip

# %%
on = (h > 0).mean(axis=(0, 1))  # how often each hidden number passes
print(
    f"of all hidden numbers {np.mean(h > 0):.0%} are positive; the rarest {on.min():.1%}, the most common {on.max():.0%}"
)
for name, D, M in (("this model", 48, 96), ("ViT-B/16", 768, 3072)):
    mine, attention = 2 * D * M + M + D, 4 * D * D + 4 * D
    print(f"{name:<11} the MLP has {mine:>9,} parameters of a block, attention {attention:>9,}")

# %% [markdown]
# **What to notice.** (1) Each row is one question. The pieces of a row have something in common: in the third two
# strokes with a narrow gap, in the fourth a level stroke with paper below. (2) Nobody told the model to ask it, and
# not every question is as easily put into words: look at the other 92. (3) With M = 2D the MLP has nearly as many
# parameters as attention, with M = 4D twice as many.

# %% [markdown] exercise="By heart" kind="predict" stars=1 minutes=8
# 1. What is GELU's slope at 0? (`slope`)
# 2. What is GELU(−10) + 10, to one decimal, and what is GELU(10)? (`low`, `high`)
# 3. D = 192, M = 768: how many parameters has the MLP? (`count`)
# 4. D = 64, M = 16, and no bend: what is the largest rank of the one matrix that the two layers are? (`rank`)
# 5. Token 3 of 50 changes. In how many tokens does the MLP's output change? (`changed`)

# %% role="solution"
# YOUR TURN
slope = 0.5
low = 10.0
high = 10.0
count = 295872
rank = 16
changed = 1
# END

# %% role="check"
check.answer(slope, 0.5, "slope", reasons={0: "(4) has two terms; Φ(0) is not 0", 1: "Φ(0) is the chance to be below 0",
                                           0.4: "φ is multiplied by h"}, tol=1e-3)  # fmt: skip
check.answer(low, 10.0, "low", tol=1e-3, reasons={0: "GELU(−10) is next to 0, and 10 is added", -10: "mind the sign"})
check.answer(high, 10.0, "high", tol=1e-3, reasons={1: "Φ(10) is 1, and h is multiplied by it", 0: "a large h passes whole",
                                                    5: "Φ(10) is not one half"})  # fmt: skip
check.answer(
    count, 2 * 192 * 768 + 768 + 192, "count",
    reasons={294912: "and the biases?", 147456: "there are two layers", 148224: "there are two layers", 296448: "b₂ has D numbers",
             295680: "b₁ and b₂", 295104: "b₁ and b₂"},
)  # fmt: skip
check.answer(rank, 16, "rank", reasons={64: "it must pass through 16 numbers", 80: "a rank is at most the smallest side", 48: "a "
             "rank is at most the smallest side"})  # fmt: skip
check.answer(
    changed,
    1,
    "changed",
    reasons={50: "that is attention", 0: "its own", 49: "that is attention, and its own changes, too"},
)

# %% [markdown] role="hint"
# Look at (4) and at the picture of GELU. Count each weight matrix and each bias. For the last: equation (1) has one n.

# %% role="wrong"
{
    "Φ(0) is 0": ("slope = 0.5", "slope = 0", "two terms"),
    "ReLU's": ("slope = 0.5", "slope = 1", "chance to be below"),
    "nothing added": ("low = 10.0", "low = 0.0", "10 is added"),
    "Φ alone": ("high = 10.0", "high = 1.0", "multiplied by it"),
    "no biases": ("count = 295872", "count = 294912", "the biases"),
    "one layer": ("count = 295872", "count = 147456", "two layers"),
    "the wide side": ("rank = 16", "rank = 64", "pass through 16"),
    "as attention": ("changed = 1", "changed = 50", "that is attention"),
}

# %% [markdown] exercise="SiLU" kind="build" stars=2 minutes=12
# Another soft ReLU: $\mathrm{SiLU}(x) = x\,\sigma(x)$ with $\sigma(x) = 1 / (1 + e^{-x})$. Derive σ' as a formula of
# σ alone, then write the pair. The forward must not warn of an overflow at x = ±1000 in float64 ($e^{1000}$ is too
# large).


# %% role="solution"
def silu_forward(x):
    """x, any shape -> y like x, and the cache."""
    # YOUR TURN
    small = np.exp(-np.abs(x))
    sigma = np.where(x >= 0, 1, small) / (1 + small)
    return x * sigma, (x, sigma)
    # END


def silu_backward(dy, cache):
    """dy -> dx, like it."""
    # YOUR TURN
    x, sigma = cache
    return dy * (sigma + x * sigma * (1 - sigma))
    # END


# %% role="check"
_x = rng.standard_normal((4, 5)) * 2
_sigma = 1 / (1 + np.exp(-_x))
check.close(
    check.pair(silu_forward, x=_x)[0], _x * _sigma, "y",
    mistakes={"That is σ(x); SiLU multiplies it by x.": _sigma, "The sign in the exponent: σ rises.": _x * (1 - _sigma)},
)  # fmt: skip
with np.errstate(all="raise", under="ignore"):
    try:
        _far = silu_forward(np.array([-1000.0, 1000.0, 0.0]))[0]
    except FloatingPointError as _error:
        raise check.Wrong(
            f"at ±1000 the forward runs over: {_error}. Which exponentials cannot be too large?"
        ) from None
check.close(_far, [0.0, 1000.0, 0.0], "far out, and at 0")
check.grad(
    silu_forward, silu_backward, {"x": _x},
    mistakes={"The product rule has two terms: x σ' is missing.": lambda dy, cache: dy * _sigma,
              "The product rule has two terms: σ is missing.": lambda dy, cache: dy * _x * _sigma * (1 - _sigma),
              "That is σ' alone: SiLU is a product, of x and σ.": lambda dy, cache: dy * _sigma * (1 - _sigma),
              "x is missing in x σ'.": lambda dy, cache: dy * (_sigma + _sigma * (1 - _sigma)),
              "σ' is σ (1 − σ).": lambda dy, cache: dy * (_sigma + _x * (1 - _sigma))},
)  # fmt: skip

# %% [markdown] role="hint"
# σ' = σ (1 − σ): the quotient rule. Of $e^{-x}$ and $e^{x}$ one is at most 1: $e^{-|x|}$. For negative x multiply σ's
# numerator and denominator by $e^{x}$.

# %% role="wrong"
{
    "σ alone": ("return x * sigma, (x, sigma)", "return sigma, (x, sigma)", "multiplies it by x"),
    "it overflows": (
        "    small = np.exp(-np.abs(x))\n    sigma = np.where(x >= 0, 1, small) / (1 + small)\n",
        "    sigma = 1 / (1 + np.exp(-x))\n",
        "runs over",
    ),
    "one term": ("sigma + x * sigma * (1 - sigma)", "sigma", "x σ' is missing"),
    "the other term": ("sigma + x * sigma * (1 - sigma)", "x * sigma * (1 - sigma)", "σ is missing"),
    "σ' alone": ("sigma + x * sigma * (1 - sigma)", "sigma * (1 - sigma)", "That is σ' alone"),
    "no x": ("sigma + x * sigma * (1 - sigma)", "sigma + sigma * (1 - sigma)", "x is missing"),
    "upside down": ("np.where(x >= 0, 1, small)", "np.where(x >= 0, small, 1)", "σ rises"),
}

# %% [markdown] exercise="Nearly GELU" kind="break" stars=2 minutes=12
# The tanh form: $\mathrm{GELU}(x) \approx \frac x2 (1 + \tanh u)$ with $u = \sqrt{2/\pi}\,(x + 0.044715\, x^3)$. A
# colleague's version is a little off, and its backward does not fit it. There is a mistake in each function. Mend
# both.


# %% role="broken"
def tanh_gelu_forward(x):
    """x, any shape -> y, and the cache."""
    u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**2)
    t = np.tanh(u)
    return 0.5 * x * (1 + t), (x, t)


def tanh_gelu_backward(dy, cache):
    """dy -> dx, like it."""
    x, t = cache
    du = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t) * du)


# %% role="solution"
def tanh_gelu_forward(x):
    """x, any shape -> y, and the cache."""
    u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    t = np.tanh(u)
    return 0.5 * x * (1 + t), (x, t)


def tanh_gelu_backward(dy, cache):
    """dy -> dx, like it."""
    x, t = cache
    du = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du)


# %% role="check"
_x = rng.standard_normal((4, 6)) * 2
_root = np.sqrt(2 / np.pi)
_of = lambda u: 0.5 * _x * (1 + np.tanh(u))
check.close(
    check.pair(tanh_gelu_forward, x=_x)[0], gelu_forward(_x, "tanh")[0], "y",
    mistakes={"Look at the power of x: without the right one GELU is not what it was for −x.": _of(_root * (_x + 0.044715 * _x**2)),
              "The cube is outside the root's bracket.": _of(_root * _x + 0.044715 * _x**3),
              "The factor is the root of 2/π.": _of(2 / np.pi * (_x + 0.044715 * _x**3)),
              "The cube is forgotten.": _of(_root * _x)},
)  # fmt: skip
_t = np.tanh(_root * (_x + 0.044715 * _x**3))
_slope = _root * (1 + 3 * 0.044715 * _x**2)
check.grad(
    tanh_gelu_forward, tanh_gelu_backward, {"x": _x},
    mistakes={"The derivative of tanh is 1 − tanh².": lambda dy, c: dy * (0.5 * (1 + _t) + 0.5 * _x * (1 - _t) * _slope),
              "The chain rule: u' is missing.": lambda dy, c: dy * (0.5 * (1 + _t) + 0.5 * _x * (1 - _t**2)),
              "The first term of the product rule is missing.": lambda dy, c: dy * 0.5 * _x * (1 - _t**2) * _slope,
              "The second term of the product rule is missing.": lambda dy, c: dy * 0.5 * (1 + _t)},
)  # fmt: skip

# %% [markdown] role="hint"
# Compare u with the formula in the text, sign by sign. What is the derivative of tanh, in terms of tanh?

# %% role="wrong"
{
    "only the forward": ("(1 - t * t)", "(1 - t)", "1 − tanh²"),
    "only the backward": ("0.044715 * x**3", "0.044715 * x**2", "power of x"),
    "out of the bracket": (
        "np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)",
        "np.sqrt(2 / np.pi) * x + 0.044715 * x**3",
        "outside",
    ),
    "no u'": ("(1 - t * t) * du", "(1 - t * t)", "u' is missing"),
    "no cube": (" + 0.044715 * x**3)", ")", "cube is forgotten"),
    "one term": ("0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du", "0.5 * (1 + t)", "second term"),
}

# %% [markdown] exercise="A gate" kind="further" stars=3 minutes=18
# Many newer models, DINOv2's largest among them, give the MLP a gate (Shazeer, [arXiv
# 2002.05202](https://arxiv.org/abs/2002.05202)):
#
# $$\begin{aligned} a &= x\,W_1 \qquad c = x\,W_3 \\ y &= (\mathrm{GELU}(a) \odot c)\, W_2 \end{aligned}$$
#
# Here without biases, and with GELU. One half asks, the other says how much. Write the pair, with the library's
# `gelu_forward` and `gelu_backward`. x may have any leading axes, (B, N, D) among them.


# %% role="solution"
def gated_forward(x, W1, W3, W2):
    """x (..., D), W1 and W3 (D, M), W2 (M, D) -> y (..., D), and the cache."""
    # YOUR TURN
    c = x @ W3
    bent, bend = gelu_forward(x @ W1)
    return (bent * c) @ W2, (x, W1, W3, W2, c, bent, bend)
    # END


def gated_backward(dy, cache):
    """dy (..., D) -> dx, dW1, dW3, dW2."""
    # YOUR TURN
    x, W1, W3, W2, c, bent, bend = cache
    rows = lambda array: array.reshape(-1, array.shape[-1])
    dm = dy @ W2.T
    da = gelu_backward(dm * c, bend)
    dc = dm * bent
    dx = da @ W1.T + dc @ W3.T
    return dx, rows(x).T @ rows(da), rows(x).T @ rows(dc), rows(bent * c).T @ rows(dy)
    # END


# %% role="check"
_sizes = {"x": (2, 3, 4), "W1": (4, 5), "W3": (4, 5), "W2": (5, 4)}
_in = {name: rng.standard_normal(size) for name, size in _sizes.items()}
_a, _c = _in["x"] @ _in["W1"], _in["x"] @ _in["W3"]
_bent = lambda h: gelu_forward(h)[0]
_g = _bent(_a)
check.close(
    check.pair(gated_forward, **_in)[0], (_bent(_a) * _c) @ _in["W2"], "y",
    mistakes={"The gate c is not bent.": (_bent(_a) * _bent(_c)) @ _in["W2"], "The other half is bent: GELU is of x W₁.":
              (_a * _bent(_c)) @ _in["W2"], "No bend.": (_a * _c) @ _in["W2"], "They are multiplied, not added.":
              (_bent(_a) + _c) @ _in["W2"], "The bend is of both, multiplied.": _bent(_a * _c) @ _in["W2"]},
)  # fmt: skip


def _parts(dy, c, bent):
    dm = dy @ _in["W2"].T
    return gelu_backward(dm * c, gelu_forward(_a)[1]) @ _in["W1"].T, (dm * bent) @ _in["W3"].T


check.grad(
    gated_forward, gated_backward, _in,
    mistakes={"x goes into both halves: the gate's share is missing.": lambda dy, cache: (_parts(dy, _c, _g)[0], 0, 0, 0),
              "x goes into both halves: that of GELU is missing.": lambda dy, cache: (_parts(dy, _c, _g)[1], 0, 0, 0),
              "In a product, GELU(a)'s gradient is dm times c: c is missing.":
                  lambda dy, cache: (sum(_parts(dy, 1, _g)), 0, 0, 0),
              "In a product, c's gradient is dm times GELU(a): that is missing.":
                  lambda dy, cache: (sum(_parts(dy, _c, 1)), 0, 0, 0)},
)  # fmt: skip

# %% [markdown] role="hint"
# A product of two: each one's gradient is dm times the other. x is used twice: two terms. For the weights, lay the
# leading axes out as rows, as in chapter 05's exercise.

# %% role="wrong"
{
    "the other one is bent": ("(bent * c) @ W2, (", "((x @ W1) * gelu_forward(c)[0]) @ W2, (", "GELU is of x W₁"),
    "added": ("return (bent * c) @ W2", "return (bent + c) @ W2", "not added"),
    "the gate's share forgotten": ("da @ W1.T + dc @ W3.T", "da @ W1.T", "gate's share is missing"),
    "the other share": ("da @ W1.T + dc @ W3.T", "dc @ W3.T", "that of GELU is missing"),
    "in another order": ("return dx, rows(x).T @ rows(da), rows(x).T @ rows(dc)", "return dx, rows(x).T @ rows(dc), rows(x).T @ rows(da)",
                         "come in the order of the arguments"),
    "the gate not used": ("gelu_backward(dm * c, bend)", "gelu_backward(dm, bend)", "c is missing"),
    "GELU(a) not used": ("dc = dm * bent", "dc = dm", "that is missing"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Read an MLP as M questions and M answers, each token by itself, and say why there must be a bend.
# - Derive GELU from a coin, and its slope; write the backward of the MLP by index, as matrices, in code.
# - Count what an MLP costs, and look at what its hidden numbers react to.
#
# In the library: `minivit/ops/gelu.py`, `minivit/ops/erf.py`, `minivit/layers/parts.py` (`mlp`),
# `minivit/ops/swiglu.py` (a gate). Sources: D. Hendrycks, K. Gimpel, *Gaussian Error Linear Units*, arXiv 1606.08415;
# the MLP of a ViT: A. Dosovitskiy et al., arXiv 2010.11929, section 3.1.
