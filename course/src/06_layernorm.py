# ---
# title: LayerNorm, and why not BatchNorm
# question: How do we give every token the same scale, without asking what the other tokens are?
# sentence: Normalise each token by itself, derive the backward and see it as a projection, and watch BatchNorm change an image because of its neighbours.
# minutes: 75
# needs: [1, 5]
# gpu: of no use
# ---

# %% [markdown]
# A deep network multiplies and adds again and again. If the numbers in a token grow a little in each block, they explode
# after twelve; if they shrink, they vanish. So every block of a Vision Transformer first brings its tokens to a common
# scale. It does so for each token by itself: this is **LayerNorm** (Ba, Kiros and Hinton,
# [arXiv 1607.06450](https://arxiv.org/abs/1607.06450)).

# %% role="setup"
import numpy as np

from minivit import check, draw, load_mnist
from minivit.ops import layernorm_backward, layernorm_forward, patchify_forward, unpatchify

rng = np.random.default_rng(0)
digits = load_mnist()
images = digits.train_images[:2] / 255  # B = 2 real digits, ink from 0 to 1
x = patchify_forward(images, (4, 4))[0]  # tokens: B = 2, N = 49, D = 16

# %% [markdown]
# ## The picture first
#
# Here each token is a patch of 4 × 4 pixels, raw, so that we can look at it. One digit, first in faint ink (a fifth of the
# real one), then as it is; and what LayerNorm makes of both.

# %%
pen = np.concatenate((0.2 * x[1:], x[1:]))  # the same digit, faint and full
normal, _ = layernorm_forward(pen, np.ones(16), np.zeros(16))
faint, full, faint_normal, full_normal = unpatchify(np.concatenate((pen, normal)), (28, 28), (4, 4))[..., 0]
line = np.full((1, 28), np.nan)
draw.matrices(
    [("ink", np.concatenate((faint, line, full))), ("LayerNorm", np.concatenate((faint_normal, line, full_normal)))],
    between=["→"], diverging=True, limits=(-2, 2),
    alt="A digit 4 in pale ink and under it the same digit in full ink. After LayerNorm the two can hardly be told apart: "
    "strokes are red, the paper around them in the same patch is blue, and empty patches are white.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Above the line the pen is faint, below it is not; after LayerNorm both look alike. (2) Each patch
# has its own zero: its inkier part is red, its emptier part blue. (3) Empty patches are white, exactly 0. There we must be
# careful: a constant patch has no spread to divide by.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | x | tokens | (B, N, D) | (2, 49, 16) |
# | μ, σ² | mean and variance of a token | (B, N, 1) | (2, 49, 1) |
# | x̂ | the normalised tokens | (B, N, D) | (2, 49, 16) |
# | γ, β | learned scale and shift, one number a feature | (D,) | (16,) |
# | y | the result | (B, N, D) | (2, 49, 16) |
#
# In the model that chapters 00, 02 and 13 use, D is 48. Nothing below depends on it.
#
# ## The idea
#
# Take one token, D numbers. Take away their mean, divide by their standard deviation, and let the model choose a new scale
# and shift for each feature:
#
# $$\begin{aligned} \mu &= \frac1D \sum_i x_i \\
# \sigma^2 &= \frac1D \sum_i (x_i - \mu)^2 \end{aligned} \tag{1}$$
#
# $$\begin{aligned} \hat x_i &= \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}} \\
# y_i &= \gamma_i\, \hat x_i + \beta_i \end{aligned} \tag{2}$$
#
# The variance is divided by D, not by D − 1: it is not an estimate of something larger, it is the spread of these D numbers
# (statisticians call it *biased*). ε is 0.000001; it stands inside the root, and we come to it soon. As a loop:


# %%
def layernorm_loop(x, gamma, beta, eps=1e-6):
    y = np.empty_like(x)
    B, N, D = x.shape
    for b in range(B):
        for n in range(N):
            mean = sum(x[b, n]) / D
            variance = sum((x[b, n] - mean) ** 2) / D
            for i in range(D):
                y[b, n, i] = gamma[i] * (x[b, n, i] - mean) / np.sqrt(variance + eps) + beta[i]
    return y


# %% [markdown]
# No token looks at another: the two outer loops only repeat. So as arrays, every sum runs over the last axis, and
# `keepdims=True` lets the (B, N, 1) results meet the (B, N, D) tokens:


# %%
def layernorm(x, gamma, beta, eps=1e-6):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(variance + eps)  # (B, N, 1)
    xhat = centred * rstd
    return gamma * xhat + beta, (xhat, rstd, gamma)


gamma, beta = rng.standard_normal((2, 16))
y, (xhat, rstd, _) = layernorm(x, gamma, beta)
check.close(y, layernorm_loop(x, gamma, beta), "array against loop")
check.close(layernorm_forward(x, gamma, beta)[0], y, "library against array")

# %% [markdown]
# The library (`minivit/ops/layernorm.py`) takes the same steps. Its sums are products with a vector of ones
# (`minivit/ops/sums.py`): the same numbers, sooner. It keeps x̂ and `rstd` for the backward; we shall see that no more is
# needed, neither x nor μ.
#
# Why centre first? $\sigma^2 = \overline{x^2} - \mu^2$ is the same number on paper. *Which of the two would you trust in
# float32, where a number has seven digits, if the mean is 3,000?*

# %%
token = (x[0, 25] + 3000).astype(np.float32)
print("variance of the ink    ", x[0, 25].var())
print("mean of (x − μ)²       ", np.mean((token - token.mean()) ** 2))
print("mean of x², less μ²    ", np.mean(token * token) - token.mean() ** 2)

# %% [markdown]
# Near 9,000,000, the float32 numbers are 1 apart: a variance of 0.19 falls between them.
#
# ## What ε does
#
# More than half of all patches in these digits are empty. Their variance is exactly 0:

# %%
empty = x.var(-1) == 0
print("empty patches in the two digits:", empty.sum(-1), "of 49")
with np.errstate(invalid="ignore"):
    print("without ε, 0 / 0:", np.float64(0) / 0)
print("with ε, largest |x̂| of an empty patch:", np.abs(xhat[empty]).max(), "· its rstd:", rstd[empty].max())

# %% [markdown]
# An empty patch gives x̂ = 0: the numerator is 0, and ε keeps the denominator away from it. Then y = β. Note `rstd`: a
# thousand. The backward multiplies by it, so such a token has a steep slope.
#
# Where ε stands matters. Inside the root, x̂ has the standard deviation $\sigma / \sqrt{\sigma^2 + \varepsilon}$;
# outside, it would be $\sigma / (\sigma + \varepsilon)$. *With ε = 10⁻⁶, at which σ does each of the two begin to
# fade?*

# %%
sigma = np.logspace(-8, 0, 200)
draw.lines(
    {
        "inside: σ / √(σ² + ε)": (sigma, sigma / np.sqrt(sigma**2 + 1e-6)),
        "outside: σ / (σ + ε)": (sigma, sigma / (sigma + 1e-6)),
    },
    logx=True, xlabel="σ, the standard deviation of a token", ylabel="that of x̂",
    notes=[(1 / 255 * np.sqrt(15) / 16, 0.69, "one pixel of 1/255")],
    alt="Two S-shaped curves from 0 to 1 over a logarithmic axis. With ε inside the root the curve rises around a "
    "thousandth, with ε outside around a millionth. A patch with one pixel of the faintest ink lies at 0.69.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) For an ordinary stroke (σ about 0.3) both are 1: a test on such tokens cannot tell them apart.
# (2) Inside, the bend is at $\sqrt\varepsilon = 10^{-3}$; outside, at $10^{-6}$. (3) A patch whose only ink is one pixel of
# the faintest grey stands right on the bend.
#
# There is a second reason. Outside, one must take the root of the bare variance, and the slope of that root is
# $1 / (2\sigma)$: for an empty patch a division by zero, in the backward.
#
# ## Why not BatchNorm?
#
# BatchNorm (Ioffe and Szegedy, [arXiv 1502.03167](https://arxiv.org/abs/1502.03167)), which most CNNs use, has the same two
# equations. But its mean and variance belong to a *feature*, and are taken over all tokens of all images in the batch:


# %%
def batchnorm(x, gamma, beta, eps=1e-6):
    mean, variance = x.mean((0, 1)), x.var((0, 1))  # (D,) each: over B and N
    return gamma * (x - mean) / np.sqrt(variance + eps) + beta


# %% [markdown]
# Let us put the same 4 into two batches: with seven 1s, and with seven 0s. *Will its own result change?*

# %%
train = digits.train_images[:2000] / 255
four, results = images[1:], {}
for company in (1, 0):
    others = train[digits.train_labels[:2000] == company][:7]
    tokens = patchify_forward(np.concatenate((four, others)), (4, 4))[0]
    results[company] = [norm(tokens, np.ones(16), np.zeros(16)) for norm in (batchnorm, layernorm)]
pixels = {c: unpatchify(batch[:1], (28, 28), (4, 4))[0, ..., 0] for c, (batch, _) in results.items()}
print("LayerNorm, largest difference:", np.abs(results[1][1][0][0] - results[0][1][0][0]).max())
draw.matrices(
    [("BatchNorm, with seven 1s", pixels[1]), ("with seven 0s", pixels[0]), ("difference", pixels[1] - pixels[0])],
    diverging=True, alt="A digit 4 after BatchNorm in a batch with seven ones: dark red. The same in a batch with seven "
    "noughts: paler. The third panel, the difference, shows the whole digit.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) It is the same 4, and comes out differently: a 1 has little ink, so among them a 4 stands out.
# (2) The difference is not noise; it is the digit itself. (3) With LayerNorm the difference is exactly 0.
#
# From this one fact four troubles follow.
#
# (1) *A batch of one.* Take one vector per image, as the class token is. With one image in the batch, each feature is
# its own mean, and BatchNorm answers 0 whatever the image.
#
# (2) *Two functions.* To predict for one image, BatchNorm uses running averages that it collected in training. So the model
# that is tested is not the one that was trained.
#
# (3) *Tokens are not independent.* The tokens of an image share its pen and its writer. So 49 tokens of one image tell less
# about the mean ink than 49 tokens of 49 images:

# %%
tokens = patchify_forward(train, (4, 4))[0]
pooled = tokens.mean(1, keepdims=True)  # one vector an image: (2000, 1, 16)
print("batch of one, largest |x̂|:", np.abs(batchnorm(pooled[:1], 1, 0)).max())

mean, variance = np.zeros(16), np.ones(16)  # the running averages
for batch in tokens.reshape(250, 8, 49, 16):
    mean, variance = 0.9 * mean + 0.1 * batch.mean((0, 1)), 0.9 * variance + 0.1 * batch.var((0, 1))
tested = (tokens[:8] - mean) / np.sqrt(variance + 1e-6)
print("in training against in testing, largest |Δ|:", np.abs(batchnorm(tokens[:8], 1, 0) - tested).max().round(2))

one_each = tokens[rng.integers(2000, size=(2000, 49)), np.arange(49)]  # each patch from an image of its own
print("mean ink of 49 tokens, its standard deviation: of one image", tokens.mean((1, 2)).std().round(3), end=" · ")
print("of 49 images", one_each.mean((1, 2)).std().round(3))

# %% [markdown]
# (4) *Lengths.* A sequence may be long or short: a larger image has more tokens (chapter 16), and a text is filled up with
# padding. BatchNorm's averages would count all of that. LayerNorm sees one token and needs no rule.
#
# A CNN lives well with all this: it has large batches, of images of one size. For sequences, LayerNorm is the simpler
# promise: *a token's result depends on the token*.
#
# ## The backward, by index
#
# We are given $dy_i = \partial \mathcal L / \partial y_i$ for one token. From $y_i = \gamma_i \hat x_i + \beta_i$ at once
#
# $$\begin{aligned} d\hat x_i &= \gamma_i\, dy_i \\
# d\gamma_i &= \sum_{b,n} dy_{bni}\, \hat x_{bni} \\
# d\beta_i &= \sum_{b,n} dy_{bni} \end{aligned} \tag{3}$$
#
# since γ and β serve all tokens of all images: each adds its part. Now x. A single $x_j$ reaches $\hat x_i$ in three ways:
# directly (if i = j), through μ, and through σ². Write $r = 1/\sqrt{\sigma^2 + \varepsilon}$. From (1):
#
# $$\begin{aligned} \frac{\partial \mu}{\partial x_j} &= \frac1D \\
# \frac{\partial \sigma^2}{\partial x_j} &= \frac2D (x_j - \mu) \\
# \frac{\partial r}{\partial x_j} &= -\tfrac12 r^3\, \frac2D (x_j - \mu) \\
# &= -\frac{r^2}{D}\, \hat x_j \end{aligned} \tag{4}$$
#
# In the second, μ moves too, but that adds $-\frac2D \sum_i (x_i - \mu) \cdot \frac1D = 0$: centred numbers sum to zero.
# The product rule on $\hat x_i = (x_i - \mu)\, r$, with $(x_i - \mu)\, r = \hat x_i$ once more, gives
#
# $$\begin{aligned} \frac{\partial \hat x_i}{\partial x_j} &= r\left(\delta_{ij} - \frac1D\right) \\
# &\quad - (x_i - \mu)\, \frac{r^2}{D}\, \hat x_j \\
# &= r \left( \delta_{ij} - \frac1D - \frac{\hat x_i \hat x_j}{D} \right) \end{aligned} \tag{5}$$
#
# And the chain rule, $dx_j = \sum_i d\hat x_i\, \partial \hat x_i / \partial x_j$, turns the last two terms into two means:
#
# $$\begin{aligned} dx_j = r \Big( d\hat x_j &- \underbrace{\tfrac1D \textstyle\sum_i d\hat x_i} _ {\text{mean of } d\hat x} \\
# &- \hat x_j\, \underbrace{\tfrac1D \textstyle\sum_i d\hat x_i\, \hat x_i} _ {\text{mean of } d\hat x\, \hat x} \Big) \end{aligned} \tag{6}$$
#
# ## In matrix form: a projection
#
# Equation (5) is a matrix, the Jacobian, and it is symmetric:
#
# $$J = r \left( I - \tfrac1D \mathbf 1 \mathbf 1^\top - \tfrac1D \hat x \hat x^\top \right) \tag{7}$$

# %%
n = 24  # a patch of the 4, in the middle of its stroke
_, (xh, r, _) = layernorm_forward(x[1, n], np.ones(16), np.zeros(16))
ones = np.ones((16, 16)) / 16
J = r * (np.eye(16) - ones - np.outer(xh, xh) / 16)
draw.matrices(
    [("I", np.eye(16)), ("$\\mathbf{1}\\,\\mathbf{1}$ᵀ / D", ones), ("x̂ x̂ᵀ / D", np.outer(xh, xh) / 16), ("J / r", J / r)],
    between=["−", "−", "="], diverging=True, limits=(-0.5, 0.5),
    alt="Four 16 by 16 matrices: the identity, minus a matrix of equal small numbers, minus the products of the patch's "
    "own numbers, gives the Jacobian divided by r: a strong diagonal with a pattern of small numbers beside it.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The diagonal is the direct way; all else is the price of the mean and of the variance. (2) The
# third matrix is a picture of the patch, times itself. (3) J is its own transpose, so $dx = J\, d\hat x$.
#
# Which directions does J destroy? Multiply it by **1**: since $\mathbf 1^\top \mathbf 1 = D$ and $\hat x^\top \mathbf 1
# = 0$, we get 0. Multiply by x̂: its square sum is $D \sigma^2 r^2$, so $J \hat x = r (1 - \sigma^2 r^2)\, \hat x = r^3
# \varepsilon\, \hat x$, and that is nearly 0. *So how many of the 16 eigenvalues will be about zero?*

# %%
print("eigenvalues of J / r:", np.linalg.eigvalsh(J / r).round(3) + 0.0)
print("r² ε:                ", (r**2 * 1e-6)[0])

# %% [markdown]
# Two, and the other fourteen are 1. So J / r is a **projection**: it removes from the gradient what points along **1**, and
# what points along x̂. It must. Moving x along **1** puts more ink on all of a patch; along x̂, it gains contrast.
# LayerNorm undoes both, so the loss cannot feel them, so the gradient has nothing there. Geometrically (for ε = 0): the
# results x̂ lie on a sphere of radius √D, among the vectors whose numbers sum to 0, and a gradient is tangent to that
# sphere. Let us see it. *Of three changes to a patch, each of the same length, which will move x̂?*

# %%
kept = J @ rng.standard_normal(16)  # a direction that J keeps
moves = {"x": 0, "x + ½ 1": np.ones(16), "x + ½ x̂": xh, "x + ½ u": 4 * kept / np.linalg.norm(kept)}
panels = []
for name, move in moves.items():
    moved = x[1, n] + 0.5 * move
    result = layernorm_forward(moved, np.ones(16), np.zeros(16))[0]
    both = np.concatenate((moved.reshape(4, 4), np.full((1, 4), np.nan), result.reshape(4, 4)))
    panels.append({"title": name.replace("½ 1", "½ $\\mathbf{1}$"), "array": both, "values": False})
    print(f"{name:<13} moves x̂ by {np.linalg.norm(result - xh):.2f}")
draw.matrices(
    panels, diverging=True, limits=(-2, 2),
    alt="Four patches, and under each its x̂: the patch itself, with more ink everywhere, with more contrast, and changed in another "
    "direction. Under the first three the same picture of x̂ appears; under the fourth another one.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Above the grey line stands the patch, below it its x̂. (2) Along **1** and along x̂ the patch
# changes and x̂ does not. (3) The direction u is one that J keeps, and x̂ follows it.
#
# ## In code
#
# Equation (6) is one line. Only x̂, r and γ were needed: that is what the forward keeps.


# %%
def layernorm_backward_ours(dy, cache):
    xhat, r, gamma = cache
    dgamma, dbeta = (dy * xhat).sum((0, 1)), dy.sum((0, 1))  # (3)
    dxhat = gamma * dy  # (3)
    dx = r * (dxhat - dxhat.mean(-1, keepdims=True) - xhat * (dxhat * xhat).mean(-1, keepdims=True))  # (6)
    return dx, dgamma, dbeta


small = {"x": rng.standard_normal((2, 3, 5)), "gamma": rng.standard_normal(5), "beta": rng.standard_normal(5)}
y, cache = layernorm_forward(*small.values())
dy = rng.standard_normal(y.shape)
for ours, library, name in zip(layernorm_backward_ours(dy, cache), layernorm_backward(dy, cache), small, strict=True):
    check.close(library, ours, f"d{name}, library against ours")

# %% [markdown]
# ## Is it right?
#
# Both could share a mistake, so we ask the definition of a derivative (chapter 05). Then, on the strokes of the digits, the
# two directions that no gradient may have (√16 = 4 is the length of **1** and of x̂):

# %%
check.grad(layernorm_forward, layernorm_backward_ours, small)

_, cache = layernorm_forward(x, gamma, beta)
strokes = x.std(-1) > 0.1
dx = layernorm_backward(rng.standard_normal(x.shape), cache)[0][strokes]  # (strokes, 16)
dx /= np.linalg.norm(dx, axis=-1, keepdims=True)  # each of length 1
print("along 1: at most", f"{np.abs(dx @ np.ones(16) / 4).max():.0e}", "of the gradient's length")
print("along x̂: at most", f"{np.abs((dx * cache[0][strokes]).sum(-1) / 4).max():.0e}", "(for ε is not 0)")

# %% [markdown] exercise="What it does not see" kind="predict" stars=1 minutes=6
# In this exercise ε = 0, γ = 1 and β = 0.
#
# 1. A token has two features, `(3, 7)`. What is `xhat`? (A pair of numbers.)
# 2. A token x with 16 different positive numbers is changed in one of five ways: `"a"` 5 is added to each number; `"b"`
# each    is multiplied by 3; `"c"` each is multiplied by −1; `"d"` each is squared; `"e"` the first number alone is
# doubled.    After which of them is x̂ what it was? Give a set of letters as `same`, as in `{"c", "d"}`.

# %% role="solution"
# YOUR TURN
xhat = (-1, 1)
same = {"a", "b"}
# END

# %% role="check"
check.answer(
    xhat, (-1, 1), "xhat", tol=1e-3,
    reasons={(-2, 2): "centred, but not yet divided by the standard deviation", (3, 7): "nothing was done to it",
             (-0.5, 0.5): "divide by the standard deviation, not by the variance",
             (-(0.5**0.5), 0.5**0.5): "the variance is divided by D, not by D − 1"},
)  # fmt: skip
check.answer(
    same, {"a", "b"}, "same",
    reasons={frozenset("abc"): "with −x, the mean and each difference from it change sign; what about the root?",
             frozenset("a"): "a larger contrast has a larger standard deviation, too",
             frozenset("b"): "what does adding 5 do to the mean?"},
)  # fmt: skip

# %% [markdown] role="hint"
# The mean of 3 and 7 is 5; the differences from it are −2 and 2; the variance is (4 + 4) / 2. For the second question:
# which directions did the Jacobian send to zero? And the root is never negative.

# %% role="wrong"
{
    "D − 1": ("xhat = (-1, 1)", "xhat = (-1 / np.sqrt(2), 1 / np.sqrt(2))", "not by D − 1"),
    "D − 1, rounded": ("xhat = (-1, 1)", "xhat = (-0.707, 0.707)", "not by D − 1"),
    "not divided": ("xhat = (-1, 1)", "xhat = (-2, 2)", "not yet divided"),
    "the sign forgotten": ('{"a", "b"}', '{"a", "b", "c"}', "what about the root"),
}

# %% [markdown] exercise="BatchNorm, backwards" kind="build" stars=2 minutes=12
# The same two equations, other axes: so the backward is already derived, if you read equation (6) with other means.
# Below is BatchNorm with a cache. Write `batchnorm_backward(dy, cache)`: dy (B, N, D), and it returns `dx, dgamma,
# dbeta` of the shapes (B, N, D), (D,), (D,).


# %% role="given"
def batchnorm_forward(x, gamma, beta, eps=1e-6):
    mean, variance = x.mean((0, 1)), x.var((0, 1))  # (D,)
    rstd = 1 / np.sqrt(variance + eps)  # (D,)
    xhat = (x - mean) * rstd  # (B, N, D)
    return gamma * xhat + beta, (xhat, rstd, gamma)


# %% role="solution"
def batchnorm_backward(dy, cache):
    """dy (B, N, D) -> dx (B, N, D), dgamma (D,), dbeta (D,)."""
    # YOUR TURN
    xhat, rstd, gamma = cache
    dgamma = (dy * xhat).sum((0, 1))
    dbeta = dy.sum((0, 1))
    dxhat = gamma * dy
    dx = rstd * (dxhat - dxhat.mean((0, 1)) - xhat * (dxhat * xhat).mean((0, 1)))
    return dx, dgamma, dbeta
    # END


# %% role="check"
def over_features(dy, cache):
    xhat, rstd, gamma = cache
    dxhat = gamma * dy
    means = (dxhat.mean(-1, keepdims=True), (dxhat * xhat).mean(-1, keepdims=True))
    return rstd * (dxhat - means[0] - xhat * means[1]), (dy * xhat).sum((0, 1)), dy.sum((0, 1))


def frozen(dy, cache):
    xhat, rstd, gamma = cache
    return rstd * gamma * dy, (dy * xhat).sum((0, 1)), dy.sum((0, 1))


odd = {"x": rng.standard_normal((2, 3, 5)), "gamma": rng.standard_normal(5), "beta": rng.standard_normal(5)}


def over_images(dy, cache):
    xhat, rstd, gamma = cache
    dxhat = gamma * dy
    dx = rstd * (dxhat - dxhat.mean(0) - xhat * (dxhat * xhat).mean(0))
    return dx, (dy * xhat).sum((0, 1)), dy.sum((0, 1))


known = {"The means run over the features: that is LayerNorm's backward.": over_features,
         "The means run over the images alone; the forward's run over their tokens, too.": over_images,
         "Mean and variance depend on every x of the batch; here they are treated as constants.": frozen}  # fmt: skip
check.grad(batchnorm_forward, batchnorm_backward, odd, mistakes=known)

# %% [markdown] role="hint"
# In LayerNorm the D numbers of a token share a mean. Which numbers share one here, and how many are they? `keepdims` is not
# needed: (D,) meets (B, N, D) at the last axis.

# %% role="wrong"
{
    "LayerNorm's means": (
        "dxhat.mean((0, 1)) - xhat * (dxhat * xhat).mean((0, 1))",
        "dxhat.mean(-1, keepdims=True) - xhat * (dxhat * xhat).mean(-1, keepdims=True)",
        "that is LayerNorm's backward",
    ),
    "over the images alone": (
        "dxhat.mean((0, 1)) - xhat * (dxhat * xhat).mean((0, 1))",
        "dxhat.mean(0) - xhat * (dxhat * xhat).mean(0)",
        "over the images alone",
    ),
    "constants": ("(dxhat - dxhat.mean((0, 1)) - xhat * (dxhat * xhat).mean((0, 1)))", "dxhat", "treated as constants"),
    "not summed over the images": ("dy.sum((0, 1))", "dy.sum(1)", "dbeta: the shape is (2, 5), expected (5,)"),
}

# %% [markdown] exercise="Two mistakes" kind="break" stars=2 minutes=8
# A colleague's LayerNorm trains well. But published weights give a slightly different answer in it, and now and then a
# token is far off. There are two mistakes, each in one place. Mend both.


# %% role="broken"
def layernorm_colleague(x, gamma, beta, eps=1e-6):
    mean = x.mean(-1, keepdims=True)
    std = x.std(-1, keepdims=True, ddof=1)
    return gamma * (x - mean) / (std + eps) + beta


# %% role="solution"
def layernorm_colleague(x, gamma, beta, eps=1e-6):
    mean = x.mean(-1, keepdims=True)
    variance = x.var(-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + eps) + beta


# %% role="check"
faint = np.concatenate((x, 0.003 * x))  # strokes, and strokes in very faint ink
g, b = rng.standard_normal((2, 16))
centred = faint - faint.mean(-1, keepdims=True)
answers = {
    "Both mistakes are still there.": g * centred / (faint.std(-1, keepdims=True, ddof=1) + 1e-6) + b,
    "The variance is divided by D − 1 (that is what ddof=1 does), not by D.":
        g * centred / np.sqrt(faint.var(-1, keepdims=True, ddof=1) + 1e-6) + b,
    "ε stands outside the root.": g * centred / (faint.std(-1, keepdims=True) + 1e-6) + b,
    "There is no root.": g * centred / (faint.var(-1, keepdims=True) + 1e-6) + b,
    "There is no ε.": g * centred / np.where(centred.any(-1, keepdims=True), faint.std(-1, keepdims=True), 1) + b,
}  # fmt: skip
check.close(layernorm_colleague(faint, g, b), layernorm_forward(faint, g, b)[0], "y", mistakes=answers)

# %% [markdown] role="hint"
# Compare with equations (1) and (2), sign by sign: by what is the sum of squares divided, and what is under the root? The
# first mistake changes every token a little, the second only tokens with little contrast.

# %% role="wrong"
{
    "still D − 1": ("x.var(-1, keepdims=True)", "x.var(-1, keepdims=True, ddof=1)", "divided by D − 1"),
    "ε still outside": ("np.sqrt(variance + eps)", "(np.sqrt(variance) + eps)", "ε stands outside the root"),
    "no root": ("np.sqrt(variance + eps)", "(variance + eps)", "There is no root."),
    "keepdims forgotten": ("x.mean(-1, keepdims=True)", "x.mean(-1)", "could not be broadcast"),
}

# %% [markdown] exercise="A test that is not fooled" kind="break" stars=2 minutes=12
# Most wrong LayerNorms pass most tests, because the tokens in the test are too kind. Write `test(norm)`: it calls
# `norm(tokens, gamma, beta)`, where `norm` is some function with the arguments of `layernorm_forward` that returns y alone,
# and returns `True` if `norm` is right and `False` if it is not. You may compare with `layernorm_forward(…)[0]`, and must
# allow for rounding: differences up to 0.0001 are no mistake. What matters is which tokens, γ and β you try.


# %% role="solution"
def test(norm):
    # YOUR TURN
    own = np.random.default_rng(1)
    tokens, gamma, beta = 3 + own.standard_normal((4, 5, 6)), own.standard_normal(6), own.standard_normal(6)
    tokens[:, 0] *= 1e-3  # little contrast: here ε matters
    tokens[1] *= 10  # images of different scale
    return np.abs(norm(tokens, gamma, beta) - layernorm_forward(tokens, gamma, beta)[0]).max() < 1e-4
    # END


# %% role="check"
def variant(axis=-1, ddof=0, centred=True, outside=False, scale=True, shift=True):
    """A LayerNorm with one thing changed."""

    def norm(x, gamma, beta, eps=1e-6):
        square = x.var(axis, keepdims=True, ddof=ddof)
        root = np.sqrt(square) + eps if outside else np.sqrt(square + eps)
        y = (x - x.mean(axis, keepdims=True) if centred else x) / root
        return (gamma if scale else 1) * y + (beta if shift else 0)

    return norm


check.catches(
    test, lambda *arguments: layernorm_forward(*arguments)[0].astype(np.float32),  # right, but for rounding
    {"variance over D − 1": variant(ddof=1), "ε outside the root": variant(outside=True), "not centred": variant(centred=False),
     "γ forgotten": variant(scale=False), "β forgotten": variant(shift=False), "over the tokens": variant(axis=-2),
     "over the whole image": variant(axis=(-2, -1)), "BatchNorm": variant(axis=(0, 1)),
     "all numbers too low": lambda *arguments: (lambda y: y - 0.1 * np.abs(y))(layernorm_forward(*arguments)[0])},
)  # fmt: skip

# %% [markdown] role="hint"
# For each mistake, ask what input hides it. γ = 1 hides a forgotten γ. Tokens with mean 0 hide a forgotten mean. Large
# contrast hides where ε stands. Tokens that all have the same mean and spread hide the wrong axis.

# %% role="wrong"
{
    "γ is 1 and β is 0": (
        "own.standard_normal(6), own.standard_normal(6)", "np.ones(6), np.zeros(6)", "γ forgotten; β forgotten"),
    "no token with little contrast": ("tokens[:, 0] *= 1e-3", "tokens[:, 0] *= 1", "pass: ε outside the root"),
    "no room for rounding": ("< 1e-4", "== 0", "your test refuses the right function"),
    "no absolute value": (
        "np.abs(norm(tokens, gamma, beta) - layernorm_forward(tokens, gamma, beta)[0])",
        "(norm(tokens, gamma, beta) - layernorm_forward(tokens, gamma, beta)[0])",
        "pass: all numbers too low",
    ),
    "too large a tolerance": ("< 1e-4", "< 10", "pass: variance over D − 1; ε outside the root"),
}  # fmt: skip

# %% [markdown] exercise="RMSNorm" kind="further" stars=3 minutes=20
# Many language models leave the mean alone and divide only by the root of the mean square (Zhang and Sennrich,
# [arXiv 1910.07467](https://arxiv.org/abs/1910.07467)); there is no β:
#
# $$\begin{aligned} y_i &= \gamma_i\, \hat x_i, \\
# \hat x_i &= x_i\, r, \\
# r &= \frac{1}{\sqrt{\frac1D \sum_j x_j^2 + \varepsilon}} \end{aligned}$$
#
# Derive its backward as above: which of the three ways from $x_j$ to $\hat x_i$ is gone? Write both functions, for
# x of any shape (…, D), say (B, N, D). `rmsnorm_forward` returns `y, cache` (the cache is yours to choose), and
# `rmsnorm_backward(dy, cache)` returns `dx, dgamma` of the shapes of x and γ.


# %% role="solution"
def rmsnorm_forward(x, gamma, eps=1e-6):
    """x (B, N, D), gamma (D,) -> y (B, N, D), cache."""
    # YOUR TURN
    r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    xhat = x * r
    return gamma * xhat, (xhat, r, gamma)
    # END


def rmsnorm_backward(dy, cache):
    """dy (B, N, D) -> dx (B, N, D), dgamma (D,)."""
    # YOUR TURN
    xhat, r, gamma = cache
    dxhat = gamma * dy
    dx = r * (dxhat - xhat * (dxhat * xhat).mean(-1, keepdims=True))
    return dx, (dy * xhat).sum((0, 1))
    # END


# %% role="check"
tokens, g = 1 + rng.standard_normal((2, 3, 5)), rng.standard_normal(5)
check.close(
    rmsnorm_forward(tokens, g)[0], g * tokens / np.sqrt((tokens**2).mean(-1, keepdims=True) + 1e-6), "y",
    mistakes={"The mean is taken away: that is LayerNorm.": layernorm_forward(tokens, g, np.zeros(5))[0],
              "The squares are summed, not averaged: 1/D is missing.":
                  g * tokens / np.sqrt((tokens**2).sum(-1, keepdims=True) + 1e-6)},
)  # fmt: skip


def with_the_mean(dy, _):
    r = 1 / np.sqrt((tokens**2).mean(-1, keepdims=True) + 1e-6)
    xhat, dxhat = r * tokens, g * dy
    dx = r * (dxhat - dxhat.mean(-1, keepdims=True) - xhat * (dxhat * xhat).mean(-1, keepdims=True))
    return dx, (dy * xhat).sum((0, 1))


def without_xhat(dy, _):
    return rmsnorm_backward(dy, rmsnorm_forward(tokens, g)[1])[0], dy.sum((0, 1))


def r_held_fixed(dy, _):
    r = 1 / np.sqrt((tokens**2).mean(-1, keepdims=True) + 1e-6)
    return r * g * dy, (dy * r * tokens).sum((0, 1))


known = {"The mean of dx̂ is taken away: no mean was in the forward.": with_the_mean,
         "Here r is treated as a constant; but it depends on every x of the token.": r_held_fixed,
         "γ is multiplied by x̂, so its gradient has x̂ in it.": without_xhat}  # fmt: skip
check.grad(rmsnorm_forward, rmsnorm_backward, {"x": tokens, "gamma": g}, mistakes=known)

# %% [markdown] role="hint"
# There is no μ, so the term 1/D disappears from equation (5). What becomes of the second mean in (6)? Which directions does
# this Jacobian send to zero?

# %% role="wrong"
{
    "LayerNorm without β": (
        "",
        "def rmsnorm_forward(x, gamma):\n    return layernorm_forward(x, gamma, np.zeros(5))\n"
        "def rmsnorm_backward(dy, cache):\n    return layernorm_backward(dy, cache)[:2]",
        "that is LayerNorm",
    ),
    "LayerNorm's backward": (
        "(dxhat - xhat *", "(dxhat - dxhat.mean(-1, keepdims=True) - xhat *", "no mean was in the forward"),
    "a sum of squares": ("(x * x).mean(-1", "(x * x).sum(-1", "summed, not averaged"),
    "dγ without x̂": ("(dy * xhat).sum((0, 1))", "dy.sum((0, 1))", "has x̂ in it"),
    "r held fixed": ("(dxhat - xhat * (dxhat * xhat).mean(-1, keepdims=True))", "dxhat", "treated as a constant"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Write LayerNorm and its backward from the formula, and say why it keeps x̂ and 1/√(σ² + ε) and no more.
# - See the Jacobian as a projection, and know which two directions a gradient through it can never have.
# - Say why a token should not depend on its batch, and where ε and the D in the variance make a difference.
#
# In the library: `minivit/ops/layernorm.py`. As a CUDA kernel: `kernels/layernorm.cu`, which chapter 24 builds.
# Sources: J. L. Ba, J. R. Kiros and G. E. Hinton, *Layer Normalization*, arXiv 1607.06450; S. Ioffe and C. Szegedy,
# *Batch Normalization*, arXiv 1502.03167.
