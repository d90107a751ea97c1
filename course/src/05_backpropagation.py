# ---
# title: Backpropagation by hand
# question: Which way must each number of a model be moved, and how do you know that your answer is right?
# sentence: Derive the gradient of a dense layer by index and as matrices, train a net of two layers with it, and learn to check any gradient, and to distrust a check.
# minutes: 90
# needs: [1, 2]
# gpu: of no use
# ---

# %% [markdown]
# A model is a long calculation with many numbers in it that may be changed, its parameters. At the end stands one
# number, the loss, which says how wrong the answer is. The **gradient** says, for each parameter, how the loss
# changes when this parameter alone is moved a little. Training goes against it, step by step.
#
# Frameworks compute gradients unseen. Here we derive them, because that is the best way to understand what a model
# learns from. Chapter 02 did it for the dense layer that makes tokens; here every step is taken slowly, and the layer
# is one of two. You need derivatives, sums and matrix products.

# %% role="setup"
import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from minivit import check, draw, load_mnist
from minivit.gradcheck import gradcheck, numerical_gradient
from minivit.ops import linear_backward, linear_forward, relu_backward, relu_forward

rng = np.random.default_rng(0)
digits = load_mnist()
pixels = digits.train_images.reshape(-1, 784) / 255  # (8000, 784): each digit as one row of numbers, ink from 0 to 1
targets = 2.0 * np.eye(10)[digits.train_labels] - 1  # (8000, 10): +1 for the right class, −1 for the nine others

# %% [markdown]
# ## The picture first
#
# The smallest model of all: a **dense layer**, $y = xW + b$, from the 784 pixels of a digit to one score for each of
# the ten classes. A score should be +1 for the right class and −1 for the others. All parameters are 0 now. The
# picture shows one digit, and then the gradient of the loss for two columns of $W$: one column holds the 784 weights
# of one class, so it can be drawn as an image.

# %%
x, t = pixels[:1], targets[:1]  # one digit (1, 784), its targets (1, 10)
dy = np.zeros((1, 10)) - t  # scores minus targets, equation (8); the scores are all 0
dW = x.T @ dy  # equation (6), which we are going to derive
label = int(digits.train_labels[0])
other = next(k for k in range(10) if k != label)
panels = [("the digit", x.reshape(28, 28))]
panels += [(f"dW for class {k}", dW[:, k].reshape(28, 28)) for k in (label, other)]
draw.matrices(
    panels, diverging=True,
    alt="Three images of 28 by 28 numbers, blue below zero, red above. The first is a handwritten digit in red. The second, "
    "the gradient for the digit's own class, is the same digit times −1, in blue; for another class it is the digit itself.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Each gradient *is* the digit, times a number: −1 for its own class, +1 for the others. (2) A
# step goes against the gradient: so it adds the digit to the weights of its class and takes it away from the others'.
# (3) White pixels have gradient 0: from a digit without ink there, nothing can be learned about their weights.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | B | digits in a batch | | 2, later 50 |
# | x | the input | (B, 784) | (2, 784) |
# | W, b | the parameters of a dense layer | (784, K), (K,) | K = 10 classes |
# | W1, b1 | those of the first of two layers | (784, M), (M,) | M = 32 |
# | W2, b2 | those of the second | (M, K), (K,) | |
# | h, a | what lies between the two | (B, M) | |
# | y, t | scores and targets | (B, K) | (2, 10) |
# | ℒ | the loss, $\frac{1}{2B} \sum (y - t)^2$ | one number | |
# | dx | short for ∂ℒ/∂x: for each number of x, how the loss changes with it | that of x | (2, 784) |
#
# The last line is the one to remember: **a gradient has the shape of what it is the gradient of.**
#
# ## The chain rule, from one number to many
#
# *One number after the other.* If $y = w x$ and $\mathcal L = \frac12 (y - t)^2$, then a small change of $w$ changes
# $y$ $x$ times as much, and that changes the loss $(y - t)$ times as much: $\partial \mathcal L / \partial w = (y -
# t)\,x$. The first factor comes from above, from what is done with $y$ later. It is called the **upstream gradient**,
# $dy$. The second is the layer's own business. This split is what makes everything work: a layer needs to know
# nothing about the rest of the model but $dy$.
#
# *Many numbers.* If one number $u$ goes into several others, $y_1, y_2, \dots$, then each of them carries its change on
# to the loss, and to first order changes add up:
#
# $$\frac{\partial \mathcal L}{\partial u} = \sum_o dy_o\, \frac{\partial y_o}{\partial u} \tag{1}$$
#
# That is all of backpropagation. What remains is to find out, for each $u$, which $y_o$ it goes into.
#
# ## The backward of a dense layer
#
# *By index.* With $r$ for the row (which digit), $i$ for the input and $o$ for the output,
#
# $$y_{ro} = \sum_i x_{ri} W_{io} + b_o \tag{2}$$
#
# Now ask equation (1) three times. The pixel $x_{ri}$ goes into all outputs of its own row, with the factor $W_{io}$.
# The weight $W_{io}$ goes into output $o$ of *every* row, with the factor $x_{ri}$. So does $b_o$, with the factor 1:
#
# $$\begin{aligned} dx_{ri} &= \sum_o dy_{ro} W_{io} \\
# dW_{io} &= \sum_r x_{ri}\, dy_{ro} \\
# db_o &= \sum_r dy_{ro} \end{aligned} \tag{3, 4, 5}$$
#
# *As a loop*, word for word:


# %%
def linear_backward_loop(dy, x, W):
    dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros(W.shape[1])
    for r in range(x.shape[0]):
        db += dy[r]  # (5)
        for i in range(x.shape[1]):
            for o in range(W.shape[1]):
                dx[r, i] += dy[r, o] * W[i, o]  # (3)
                dW[i, o] += x[r, i] * dy[r, o]  # (4)
    return dx, dW, db


# %% [markdown]
# *In matrix form.* A matrix product sums over the index that its factors share, which must stand last in the first
# factor and first in the second. In (3) the shared index is $o$, last in both: $W$ must be transposed. In (4) it is
# $r$, first in both: $x$ must be transposed. And a sum over rows is a product with ones, as in chapter 02:
#
# $$\begin{aligned} dx &= dy\, W^\top \\
# dW &= x^\top dy \\
# db &= dy^\top \mathbf 1 \end{aligned} \tag{6}$$
#
# The shapes leave no other choice: (B, K) and (784, K) can only give (B, 784) in one way. *In code*:


# %%
def linear_backward_ours(dy, x, W):
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)  # (6)


x, W, b = pixels[:2], rng.standard_normal((784, 10)) / 28, rng.standard_normal(10)  # 1/28 = 1/√784
dy = rng.standard_normal((2, 10))
library = linear_backward(dy, linear_forward(x, W, b)[1])
for name, loop, ours, theirs in zip(
    ("dx", "dW", "db"), linear_backward_loop(dy, x, W), linear_backward_ours(dy, x, W), library, strict=True
):
    check.close(ours, loop, f"{name}, matrices against loop")
    check.close(theirs, loop, f"{name}, library against loop")

# %% [markdown]
# From here on we use the library's pair: `y, cache = linear_forward(x, W, b)` keeps in the cache what the backward
# needs, x and W, and `dx, dW, db = linear_backward(dy, cache)`.
#
# ## The matrix that nobody forms
#
# Textbooks write (1) with the **Jacobian**, the matrix of all $\partial y_o / \partial u$, a row for each output.
# Then $du = J^\top dy$, with dy laid out row by row as one column: a *vector-Jacobian product*. Let us look at one,
# for B = 2 rows of 3 inputs and 2 outputs. *Before you run the cell: where will it be zero?*

# %%
small_x, small_W = rng.standard_normal((2, 3)), rng.standard_normal((3, 2))
moves = np.eye(6).reshape(6, 2, 3)  # six inputs, each with a 1 in one place
J = np.stack([(move @ small_W).ravel() for move in moves], axis=1)  # column by column; y is linear in x
small_dy = rng.standard_normal((2, 2))
check.close((J.T @ small_dy.ravel()).reshape(2, 3), small_dy @ small_W.T, "with the Jacobian, and without")
draw.matrix(
    J, title="∂y / ∂x", diverging=True, row_labels=["y₀₀", "y₀₁", "y₁₀", "y₁₁"],
    column_labels=["x₀₀", "x₀₁", "x₀₂", "x₁₀", "x₁₁", "x₁₂"],
    alt="A matrix of 4 rows and 6 columns. Two equal blocks of 2 by 3 numbers lie on its diagonal, the rest is zero.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Two blocks: a row of y depends on its own row of x alone. (2) Both blocks are the same:
# $W^\top$. (3) All that the matrix knows is in $W$, six numbers. The rest is copies and zeros.
#
# Its size grows with the product of both sides:

# %%
B, inputs, outputs = 50, 784, 32
print(f"Jacobian: {B * outputs * B * inputs:,} numbers, W: {inputs * outputs:,}")

# %% [markdown]
# So no library forms it. A backward computes $J^\top dy$ from what is known about $J$. That is why a backward takes
# $dy$ as its argument, and why it costs only about twice what the forward costs: two products of that size in place
# of one.
#
# ## Two layers, trained by hand
#
# Between two dense layers we put $a = \max(h, 0)$, **ReLU**. Each $a_j$ depends on its own $h_j$ alone, with slope 1
# where $h_j > 0$ and slope 0 elsewhere. The loss comes last, and its derivative is that of a square:
#
# $$\begin{aligned} dh_j &= \begin{cases} da_j & h_j > 0 \\ 0 & \text{else} \end{cases} \\
# dy &= (y - t) / B \end{aligned} \tag{7, 8}$$
#
# The backward is the list of the forward's lines, read from the bottom up. It begins with dloss, the gradient of the
# loss with respect to itself: 1.


# %%
def forward(x, t, W1, b1, W2, b2):
    h, cache1 = linear_forward(x, W1, b1)  # (B, 784) -> (B, M)
    a, cache2 = relu_forward(h)  # (B, M)
    y, cache3 = linear_forward(a, W2, b2)  # (B, M) -> (B, 10)
    return np.sum((y - t) ** 2) / (2 * len(x)), (y - t, cache1, cache2, cache3)


def backward(dloss, cache):
    error, cache1, cache2, cache3 = cache
    dy = dloss * error / len(error)  # (8)
    da, dW2, db2 = linear_backward(dy, cache3)  # (6)
    dh = relu_backward(da, cache2)  # (7)
    _, dW1, db1 = linear_backward(dh, cache1)  # (6)
    return dW1, db1, dW2, db2


# %% [markdown]
# The same, for one digit, as it happens: first the forward, from the left, then the backward.

# %%
p = [rng.standard_normal((784, 32)) / 28, np.zeros(32), rng.standard_normal((32, 10)) / 32**0.5, np.zeros(10)]
h, cache1 = linear_forward(pixels[:1], *p[:2])
a, cache2 = relu_forward(h)
y, cache3 = linear_forward(a, *p[2:])
dy = y - targets[:1]
da, dW2, _ = linear_backward(dy, cache3)
dh = relu_backward(da, cache2)
dW1 = linear_backward(dh, cache1)[1][:, np.abs(dh[0]).argmax()]  # of one of the 32 columns: a weight for each pixel
way = [("x", 0, pixels[0].reshape(28, 28)), ("h", 1, h.T), ("a", 2, a.T), ("y", 4, y.T), ("dy", 9, dy.T), ("dW2", 8, dW2),
       ("da", 7, da.T), ("dh", 6, dh.T), ("dW1, part", 5, dW1.reshape(28, 28))]  # fmt: skip


# %%
def known(count):
    figure = Figure((7, 3.4), layout="constrained")
    axes = figure.subplots(2, 5).ravel()
    for i, (name, place, array) in enumerate(way):
        seen = array if i < count else np.full(array.shape, np.nan)
        axes[place].imshow(seen, cmap="RdBu_r", vmin=-np.abs(array).max(), vmax=np.abs(array).max(), aspect="auto")
        axes[place].set_title(
            name, color="black" if i < count else "0.75", weight="bold" if i == count - 1 else "normal"
        )
        axes[place].set(xticks=[], yticks=[])
    axes[3].axis("off")
    return figure


draw.animation(
    [known(count) for count in range(1, 10)], seconds=0.8,
    alt="An animation of nine panels in two rows that fill one after the other. Above, from the left: the digit x, then h, a "
    "and y as columns of numbers. Below, from the right: dy, dW2, da, dh, and a column of dW1, which is the digit again.",
)  # fmt: skip

# %% [markdown]
# **What to watch:** each gradient appears under its own number, and from the right to the left. (1) a is white where
# h is blue, and so is dh: what ReLU has stopped gets no gradient. (2) dW2 is a table of products, a's column by dy's.
# (3) dW1's column is the digit once more, as in the first picture.
#
# One sweep from the loss down gives the gradients of all 25,450 parameters. Now training: 50 digits at a time, each
# parameter moved against its gradient. Three runs from different random starts, five times through the 8,000 digits,
# then 2,000 digits that were not seen. *What do you expect: 50 %, 80 %, 90 %?*


# %%
def train(seed, backward, epochs=5, rate=0.05, M=32):
    rng = np.random.default_rng(seed)
    params = [rng.standard_normal((784, M)) / 28, np.zeros(M), rng.standard_normal((M, 10)) / M**0.5, np.zeros(10)]
    for _ in range(epochs):
        for batch in rng.permutation(8000).reshape(-1, 50):
            _, cache = forward(pixels[batch], targets[batch], *params)
            for p, dp in zip(params, backward(1.0, cache), strict=True):
                p -= rate * dp
    W1, b1, W2, b2 = params
    scores = np.maximum(digits.test_images.reshape(-1, 784) / 255 @ W1 + b1, 0) @ W2 + b2
    return np.mean(scores.argmax(axis=1) == digits.test_labels)


def three_seeds(backward):
    with threadpool_limits(1):  # products as small as these are faster on one core
        accuracies = [train(seed, backward) for seed in range(3)]
    return f"mean {np.mean(accuracies):.1%}, lowest {min(accuracies):.1%}, highest {max(accuracies):.1%}"


print(three_seeds(backward))

# %% [markdown]
# It learned. Is the gradient right, then? Let us forget line (7): every $h$ is treated as if it were positive. *Your
# guess?*


# %%
def forgetful(dloss, cache):
    error, cache1, _, cache3 = cache
    return backward(dloss, (error, cache1, True, cache3))  # wrong: dh = da · True, which is da, everywhere


print(three_seeds(forgetful))

# %% [markdown]
# A wrong gradient trains, too, and no error message tells. So a model that learns proves nothing. We need another
# witness.
#
# ## The second witness: differences
#
# A derivative is a limit: move a number by $h$, and see how far the result moves. Expand $f(x \pm h)$ in powers of $h$;
# in the difference of both the even terms cancel:
#
# $$\begin{aligned} & \frac{f(x+h) - f(x-h)}{2h} \\
# & = f' + \frac{h^2}{6} f''' + \dots \end{aligned} \tag{9}$$
#
# The term that is left over came from $\frac{h^3}{3} f'''$ in the difference. With $2h$ in place of $h$ it is 8 times
# as large. So 8 times the first difference minus the second is free of it. That is the **four-point** rule, which the
# library uses:
#
# $$\begin{aligned} & \frac{8\,[f(x+h) - f(x-h)]}{12h} \\
# & \quad - \frac{f(x+2h) - f(x-2h)}{12h} \\
# & = f' - \frac{h^4}{30} f^{(5)} + \dots \end{aligned} \tag{10}$$
#
# What is left out is the *truncation error*: small steps are better. But a computer stores $f$ with a relative error
# of ε (1e-16 in float64, 6e-8 in float32), and the difference is divided by $h$. This *rounding error*, about $ε f /
# h$, wants large steps. We try both rules on $e^x$ at $x = 1$, where every derivative is $e$. *Predict: where is the
# best $h$ of each, and is a smaller step ever worse?*


# %%
def two_point(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def four_point(f, x, h):
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


steps = 10.0 ** np.linspace(-9, -0.3, 60)
curves = {}
for kind in (np.float64, np.float32):
    for name, rule in (("two points", two_point), ("four points", four_point)):
        slopes = np.array([rule(np.exp, kind(1), kind(h)) for h in steps], float)
        curves[f"{name}, {kind.__name__}"] = (steps, np.maximum(np.abs(slopes / np.e - 1), 1e-16))
draw.lines(
    curves, logx=True, logy=True, xlabel="step h", ylabel="relative error", height=3.6,
    notes=[(0.1, 0.01 / 6, "h²/6"), (0.1, 1e-4 / 30, "h⁴/30")],
    alt="Relative error against the step from 1e-9 to 0.5, both logarithmic. Each of four curves is a V: it falls as the step "
    "shrinks, then rises again, ragged. In float64 two points reach about 1e-11, four points less than 1e-13; in float32 "
    "both stay above 1e-6, but for a dip of each, and turn at steps of about 0.01.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) On the right the curves are straight: truncation, with slopes 2 and 4 as in (9) and (10).
# (2) On the left they are ragged and rise as $h$ shrinks: rounding. Smaller is not better. (3) In float32 the error
# stays above 1e-6 but for two lucky dips, and differences tell little: **check in float64**.
#
# Where both errors are equal the sum is about least: $h^2 = ε/h$ gives $h = ε^{1/3}$, about 1e-5, and $h^4 = ε/h$ gives
# $h = ε^{1/5}$, about 1e-3. The library's step is 1e-3.
#
# For an array, each number is moved by itself, and we need *one* result to watch. We take $\sum y \cdot dy$: its
# gradient is exactly what a backward makes of $dy$, by equation (1).
#
# The thing to test: **shares**. Each row of positive numbers is divided by its sum, so that it sums to 1 (with such
# rows a model will say what it believes). With $S = \sum_j x_j$ for one row, the quotient rule gives
#
# $$\begin{aligned} y_i &= \frac{x_i}{S} \\
# \frac{\partial y_i}{\partial x_j} &= \frac{\delta_{ij} - y_i}{S} \\
# dx_j &= \frac1S \Big( dy_j - \sum_i dy_i\, y_i \Big) \end{aligned} \tag{11}$$
#
# where $\delta_{ij}$ is 1 for $i = j$, else 0, and the last line is (1).


# %% role="setup"
def shares_forward(x):
    S = x.sum(axis=-1, keepdims=True)
    return x / S, (x / S, S)


def shares_backward(dy, cache):
    y, S = cache
    return (dy - (dy * y).sum(axis=-1, keepdims=True)) / S  # (11)


# %%
def differences(f, x, h=1e-3):
    """The gradient of f(), one number, for every element of x, which f reads."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        centre, values = x[index], []
        for k in (1, -1, 2, -2):
            x[index] = centre + k * h
            values.append(f())
        x[index] = centre  # put it back
        gradient[index] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * h)  # (10)
    return gradient


z, dy = rng.uniform(0.5, 2, (3, 5)), rng.standard_normal((3, 5))
ours = differences(lambda: np.sum(shares_forward(z)[0] * dy), z)
check.close(numerical_gradient(lambda: np.sum(shares_forward(z)[0] * dy), z), ours, "library against ours")
check.close(shares_backward(dy, shares_forward(z)[1]), ours, "the backward against differences")

# %% [markdown]
# How near must the two be? Not in absolute terms: a gradient of 1e-6 can be all wrong and still be within 1e-5. The
# **relative error** of the analytic $a$ and the numeric $n$, $|a - n| / (|a| + |n|)$, does not depend on the size: it
# is 1 for zeros or a wrong sign, 1/3 where a factor of 2 is missing. A right gradient reaches 1e-9; above 1e-6
# something is wrong. Where the true gradient is 0 or tiny, the difference is all rounding, and even a right answer
# can have a relative error of 1: so `gradcheck` puts a floor of 1e-6 under $|a| + |n|$. `check.grad` divides by the
# largest number of the whole gradient, and wants less than 1e-7.
#
# ## Four ways in which a check deceives
#
# *1. An upstream gradient of ones.* Rows of shares sum to 1, whatever the input is. So with $dy = 1$ the watched sum
# never moves, the true gradient is 0, and *every multiple of it is right*:


# %%
def five_times(dy, cache):
    return 5 * shares_backward(dy, cache)  # wrong


def compare(dy):
    true = numerical_gradient(lambda: float(np.sum(shares_forward(z)[0] * dy)), z)
    off = np.abs(five_times(dy, shares_forward(z)[1]) - true)
    return f"largest gradient {np.abs(true).max():.0e}, the wrong backward is off by {off.max():.0e}"


print("dy of ones:  ", compare(np.ones((3, 5))))
print("dy at random:", compare(rng.standard_normal((3, 5))))

# %% [markdown]
# With random numbers nothing cancels. `check.grad` and `gradcheck` always draw them.
#
# *2. Dead inputs.* Where all inputs of ReLU are negative, it is flat, and the true gradient is 0. A backward that
# returns zeros, whatever it is given, passes there.
#
# *3. A tolerance that is larger than the gradient.* A loss that is a mean over many numbers has small gradients, and
# "equal to within 1e-3" then says nothing:

# %%
negative = -np.abs(rng.standard_normal((3, 4)))
dy = rng.standard_normal((3, 4))
slope = numerical_gradient(lambda: float(np.sum(relu_forward(negative)[0] * dy)), negative)
print("dead inputs:  zeros pass?", np.allclose(slope, np.zeros_like(slope), rtol=0, atol=1e-9))

many = rng.standard_normal((100, 100))  # the gradient of ½ mean(x²) is x / size
print("atol=1e-3:    zeros pass?", np.allclose(0, many / many.size, rtol=0, atol=1e-3))
print("relative:     zeros pass?", np.allclose(0, many / many.size, rtol=1e-6, atol=0))

# %% [markdown]
# *4. Kinks.* ReLU has none of the derivatives that (9) needs at 0. If a step reaches across the kink, the
# *difference* is wrong, and the backward is not to blame. Two points with $h = 0.1$:

# %%
near = np.linspace(-0.3, 0.3, 61)
watched = two_point(lambda x: np.maximum(x, 0), near, 0.1)
draw.lines(
    {"differences, h = 0.1": (near, watched), "the backward": (near, relu_backward(np.ones(61), near > 0))},
    xlabel="x", ylabel="slope of max(x, 0)", height=2.6,
    alt="The slope of ReLU against x from −0.3 to 0.3. The backward jumps from 0 to 1 at x = 0. The differences rise in a "
    "straight ramp from 0 at x = −0.1 to 1 at x = 0.1, and agree with the backward only beyond.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Beyond $h$ from the kink the two agree up to rounding. (2) Within it, the difference is a
# mixture of both slopes. (3) The ramp reaches one step to each side (with four points, two). So keep the inputs of a
# check away from kinks, or use functions that have none, such as GELU, a smooth relative of ReLU that a ViT uses.
#
# ## Is it right?
#
# `gradcheck` puts it all together: float64, four points, a random upstream gradient, relative errors, every element.
# For our net, made small, since each parameter costs four forwards:

# %%
small = {
    "W1": rng.standard_normal((6, 5)), "b1": rng.standard_normal(5),
    "W2": rng.standard_normal((5, 3)), "b2": rng.standard_normal(3),
}  # fmt: skip
inputs, wanted = rng.standard_normal((4, 6)), rng.standard_normal((4, 3))
h = linear_forward(inputs, small["W1"], small["b1"])[0]
print(f"the nearest to a kink: {np.abs(h).min():.3f}, live: {np.mean(h > 0):.0%}\n")
report = gradcheck(lambda *params: forward(inputs, wanted, *params), backward, small)
print(report)
assert report.ok

# %% [markdown] exercise="Two points and four" kind="predict" stars=1 minutes=5
# Take $f(x) = x^3$ at $x = 1$, whose derivative is 3, and the large step $h = 0.1$. With paper and pencil: what do the
# two-point rule, equation (9), and the four-point rule, equation (10), give, apart from rounding?

# %% role="solution"
# YOUR TURN
two_points = 3.01
four_points = 3.0
# END

# %% role="check"
values = {k: (1 + 0.1 * k) ** 3 for k in (-2, -1, 1, 2)}
check.answer(
    two_points, (values[1] - values[-1]) / 0.2, "two points", tol=1e-9,
    reasons={
        3.0: "the third derivative of x³ is 6, not 0", 3.31: "that is the one-sided difference",
        2.99: "in (9) the h² term has a plus", 3.06: "(9) divides the third derivative by 6",
    },
)  # fmt: skip
check.answer(
    four_points, (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / 1.2, "four points", tol=1e-9,
    reasons={3.01: "four points remove the h² term", 2.99: "four points remove the h² term"},
)  # fmt: skip

# %% [markdown] role="hint"
# Both equations name the derivative on which their error depends. What are the third and the fifth derivative of x³?

# %% role="wrong"
{
    "no error at all": ("two_points = 3.01", "two_points = 3.0", "third derivative"),
    "one-sided": ("two_points = 3.01", "two_points = 3.31", "one-sided"),
    "a sign": ("two_points = 3.01", "two_points = 2.99", "has a plus"),
    "the sixth forgotten": ("two_points = 3.01", "two_points = 3.06", "divides the third derivative"),
    "an h² term in four points": ("four_points = 3.0", "four_points = 3.01", "remove the h² term"),
}

# %% [markdown] exercise="Scale and shift" kind="build" stars=2 minutes=12
# At the end of LayerNorm (chapter 06) stands $y_{bnd} = x_{bnd}\,γ_d + β_d$, with x (B, N, D) and γ, β (D,). Derive the
# three gradients by index, and write the backward. It gets dy (B, N, D) and the cache, and returns dx, dgamma, dbeta.


# %% role="given"
def scale_forward(x, gamma, beta):
    """x (B, N, D), gamma (D,), beta (D,) -> y (B, N, D), and the cache."""
    return x * gamma + beta, (x, gamma)


# %% role="solution"
def scale_backward(dy, cache):
    """dy (B, N, D) -> dx (B, N, D), dgamma (D,), dbeta (D,)."""
    # YOUR TURN
    x, gamma = cache
    dx = dy * gamma
    dgamma = (dy * x).sum(axis=(0, 1))
    dbeta = dy.sum(axis=(0, 1))
    return dx, dgamma, dbeta
    # END


# %% role="check"
check.grad(
    scale_forward, scale_backward,
    {"x": rng.standard_normal((2, 3, 4)), "gamma": rng.standard_normal(4), "beta": rng.standard_normal(4)},
    mistakes={"The factor is forgotten: by (1), each dy counts with ∂y/∂u.":
        lambda dy, cache: (dy, dy.sum(axis=(0, 1)), 0 * cache[1])},
)  # fmt: skip

# %% [markdown] role="hint"
# Into how many of the B · N · D numbers of y does one $γ_d$ go? By (1) its gradient has as many terms.

# %% role="wrong"
{
    "the sum forgotten": ("(dy * x).sum(axis=(0, 1))", "dy * x", "is a sum over axes (0, 1)"),
    "summed over the batch alone": ("dbeta = dy.sum(axis=(0, 1))", "dbeta = dy.sum(axis=0)", "is a sum over axis 0"),
    "the mean": ("dbeta = dy.sum(axis=(0, 1))", "dbeta = dy.mean(axis=(0, 1))", "that is 1/6"),
    "a sign": ("dx = dy * gamma", "dx = -dy * gamma", "wrong sign"),
    "γ forgotten": ("dx = dy * gamma", "dx = dy", "factor is forgotten"),
    "x forgotten": ("(dy * x).sum(axis=(0, 1))", "dy.sum(axis=(0, 1))", "factor is forgotten"),
    "written into dy": (
        "    dx = dy * gamma\n    dgamma = (dy * x).sum(axis=(0, 1))\n    dbeta = dy.sum(axis=(0, 1))\n",
        "    dgamma = (dy * x).sum(axis=(0, 1))\n    dbeta = dy.sum(axis=(0, 1))\n    dy *= gamma\n    dx = dy\n",
        "changed its input dy",
    ),
}

# %% [markdown] exercise="Bad advice" kind="break" stars=2 minutes=10
# This model trains, slowly, and a friend advises a larger learning rate. Do not take the advice: its gradients are
# wrong. The loss is the *mean* over the batch, of half the squared error: that line is right. Find the mistake, and
# mend the gradients (two lines).


# %% role="broken"
def mean_loss_and_grads(x, t, W, b):
    """x (B, I), t (B, K), W (I, K), b (K,) -> loss, dW, db."""
    error = x @ W + b - t
    loss = np.sum(error**2) / (2 * len(x))
    dy = error / len(x)
    dW = x.T @ dy / len(x)
    db = dy.mean(axis=0)
    return loss, dW, db


# %% role="solution"
def mean_loss_and_grads(x, t, W, b):
    """x (B, I), t (B, K), W (I, K), b (K,) -> loss, dW, db."""
    error = x @ W + b - t
    loss = np.sum(error**2) / (2 * len(x))
    dy = error / len(x)  # the one division by B: the loss has one
    dW = x.T @ dy
    db = dy.sum(axis=0)
    return loss, dW, db


# %% role="check"
batch, wanted = rng.standard_normal((5, 4)), rng.standard_normal((5, 3))


def _forward(W, b):
    return mean_loss_and_grads(batch, wanted, W, b)[0], (W, b)


def _backward(dloss, cache):
    return tuple(dloss * gradient for gradient in mean_loss_and_grads(batch, wanted, *cache)[1:])


W, b = rng.standard_normal((4, 3)), rng.standard_normal(3)
check.grad(_forward, _backward, {"W": W, "b": b})
check.close(_forward(W, b)[0], np.sum((batch @ W + b - wanted) ** 2) / 10, "the loss")

# %% [markdown] role="hint"
# In the loss there is one division by B. In the way from the loss to dW there must be one, too. Count. Then do it for
# db: what does `mean` hide?

# %% role="wrong"
{
    "db still a mean": ("db = dy.sum(axis=0)", "db = dy.mean(axis=0)", "that is 1/5"),
    "dW still divided": ("dW = x.T @ dy", "dW = x.T @ dy / len(x)", "that is 1/5"),
    "no division at all": ("dy = error / len(x)", "dy = error", "times 5"),
    "the loss changed to fit": ("(2 * len(x))", "(2 * len(x) ** 2)", "times 5"),
}

# %% [markdown] exercise="A test that can fail" kind="build" stars=2 minutes=12
# Now you are the judge. Write `is_right(backward)`: True if `dx = backward(dy, cache)` is the backward of
# `shares_forward`, and False if it is not. It will be given the right one, and seven that are wrong. Judge by
# differences: `numerical_gradient(f, x)`, where f() takes no argument, computes one number from x anew each time, and
# x is moved meanwhile.


# %% role="solution"
def is_right(backward):
    """backward(dy, cache) -> dx: is it the backward of shares_forward? True or False."""
    # YOUR TURN
    x, dy = np.exp(rng.standard_normal((3, 5))), rng.standard_normal((3, 5))
    _, cache = shares_forward(x)
    numeric = numerical_gradient(lambda: float(np.sum(shares_forward(x)[0] * dy)), x)
    return np.abs(backward(dy, cache) - numeric).max() < 1e-8
    # END


# %% role="check"
def first_row_alone(dy, cache):
    dx = np.zeros_like(dy)
    dx[0] = shares_backward(dy, cache)[0]
    return dx


check.catches(
    is_right, shares_backward,
    {
        "zeros": lambda dy, cache: np.zeros_like(dy),
        "1.001 times the right one": lambda dy, cache: 1.001 * shares_backward(dy, cache),
        "without the second term": lambda dy, cache: dy / cache[1],
        "a wrong sign": lambda dy, cache: (dy + np.sum(dy * cache[0], axis=-1, keepdims=True)) / cache[1],
        "right in the first row alone": first_row_alone,
        "0.01 less than the right one": lambda dy, cache: shares_backward(dy, cache) - 0.01,
        "a sum over all rows": lambda dy, cache: (dy - np.sum(dy * cache[0])) / cache[1],
    },
)  # fmt: skip

# %% [markdown] role="hint"
# f() must call `shares_forward(x)` itself: what was computed before x moved does not move. Then read "Four ways in
# which a check deceives" again. What must dy be? How many rows must x have? How large are these gradients, and how
# large may your tolerance be, then? And x must be positive, or a row's sum may be next to 0.

# %% role="wrong"
{
    "an upstream gradient of ones": ("np.exp(rng.standard_normal((3, 5))), rng.standard_normal((3, 5))",
                                     "np.exp(rng.standard_normal((3, 5))), np.ones((3, 5))", "pass: zeros"),
    "too large a tolerance": ("< 1e-8", "< 1e-2", "1.001 times"),
    "one row looked at": ("(backward(dy, cache) - numeric)", "(backward(dy, cache) - numeric)[0]", "first row alone"),
    "a tolerance below rounding": ("< 1e-8", "< 1e-18", "refuses the right function"),
    "f is computed once": (
        "    numeric = numerical_gradient(lambda: float(np.sum(shares_forward(x)[0] * dy)), x)\n",
        "    value = float(np.sum(shares_forward(x)[0] * dy))\n    numeric = numerical_gradient(lambda: value, x)\n",
        "refuses the right function"),
    "it crashes": ("backward(dy, cache) - numeric", "backward(dy) - numeric", "with TypeError"),
    "the sign of the error forgotten": ("np.abs(backward(dy, cache) - numeric).max()", "(backward(dy, cache) - numeric).max()",
                                        "0.01 less"),
    "no return": ("return np.abs(", "np.abs(", "your test returned None"),
    "an array": (".max() < 1e-8", " < 1e-8", "your test returned an array"),
}  # fmt: skip

# %% [markdown] exercise="No subtraction, no cancellation" kind="further" stars=3 minutes=15
# Rounding hurts because nearly equal numbers are subtracted: their leading digits cancel. There is a way without:
# step into the *imaginary* direction. Expand $f(x + ih)$ in powers of $h$, look at its imaginary part, and write
# `complex_step(f, x)`: the gradient, like x, of f, which takes an array and returns one number. Choose $h$ as small
# as you dare. (f must be made of functions that NumPy knows for complex numbers, such as exp; max and abs are not
# among them.)


# %% role="solution"
def complex_step(f, x):
    """x float64, any shape; f(array) -> one number. Returns the gradient of f at x, shaped like x."""
    # YOUR TURN
    h = 1e-20
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[index] += 1j * h
        gradient[index] = f(moved).imag / h
    return gradient
    # END


# %% role="check"
place, upstream = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))


def _watched(x):
    return np.sum(upstream * np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True))


expected = np.exp(place) * shares_backward(upstream, shares_forward(np.exp(place))[1])
check.close(
    complex_step(_watched, place), expected, "the gradient", tol=1e-14,
    mistakes={
        "All are zero, or next to it. Was h imaginary, and is the imaginary part divided by h?": np.zeros((3, 4)),
        "It is nearly right. Was h imaginary? What is left out is of order h²: how small may h be?":
            numerical_gradient(lambda: _watched(place), place),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# $f(x + ih) = f + ih f' - \frac{h^2}{2} f'' - \dots$ What is its imaginary part, divided by $h$? With $h$ = 1e-20 the
# next term is 1e-40 times a number: nothing.

# %% role="wrong"
{
    "a real step": ("1j * h", "h", "Was h imaginary"),
    "real differences": ("        gradient[index] = f(moved).imag / h\n", "    return numerical_gradient(lambda: f(x), x)\n",
                         "Was h imaginary"),
    "the imaginary part not taken": ("np.empty(x.shape)", "np.empty(x.shape, complex)", "take .imag"),
    "not divided by h": (".imag / h", ".imag", "divided by h"),
    "a step too large": ("h = 1e-20", "h = 1e-3", "of order h²"),
    "never put back": ("    for index in np.ndindex(x.shape):\n        moved = x.astype(complex)\n",
                       "    moved = x.astype(complex)\n    for index in np.ndindex(x.shape):\n", "Only index 0 of axis 1"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Derive a backward: write the forward by index, ask of each number where it goes, sum over these places, and read the
#   sum as a matrix product.
# - Say why a gradient has the shape of its array, why sums appear wherever one number served many, and why no
#   Jacobian is formed.
# - Check a gradient so that the check could have failed: float64, four points, random upstream, relative error, live
#   inputs, no kinks.
#
# In the library: `minivit/ops/linear.py`, `minivit/gradcheck.py`, and `python -m minivit check`, which does this for
# every operation and for whole models. Sources: D. Rumelhart, G. Hinton, R. Williams, *Learning representations by
# back-propagating errors*, Nature 323, 1986; the notes of Stanford's CS231n on [gradient
# checks](https://cs231n.github.io/neural-networks-3/#gradcheck).
