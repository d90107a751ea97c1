# ---
# title: AdamW, warm-up and cosine
# question: The gradient is known. How far, and which way, should each number move?
# sentence: Gradient descent, momentum, Adam and its decoupled decay, each from its formula; the ball in the valley, moving; warm-up and cosine; and what each is worth on digits.
# minutes: 60
# needs: [5, 10, 11]
# gpu: of no use
# ---

# %% [markdown]
# Chapters 05 to 11 found the gradient of every parameter. The step was a line: `p -= rate * dp`. A Vision Transformer
# is hardly ever trained so. It is trained with **AdamW**, a learning rate that first rises, and then falls along a
# cosine. Here each of these is taken from its formula, tried in a valley that can be drawn, and then on digits.

# %% role="setup"
import os

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from minivit import ViT, ViTConfig, check, draw, load_mnist
from minivit.train.optimizer import AdamW, FlatParameters
from minivit.train.schedule import warmup_cosine
from minivit.train.sgd import SGD

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(12)
digits = load_mnist()

# %% [markdown]
# ## The picture first
#
# A loss with two parameters, so that it can be seen from above: $\mathcal L = \frac12 (\theta_1^2 + 30\,\theta_2^2)$,
# a long valley. Its gradient is $(\theta_1, 30\,\theta_2)$. Three balls start at the same place, and each follows a
# rule of its own, which we shall derive: gradient descent (1), momentum (4), Adam (6).

# %%
curvature = np.array([1.0, 30.0])


def gradient(theta):
    return curvature * theta


def descend(theta, g, kept, t, rate=0.06):
    return theta - rate * g, None  # (1)


def momentum(theta, g, velocity, t, rate=0.015, mu=0.85):
    velocity = g if velocity is None else mu * velocity + g  # (4)
    return theta - rate * velocity, velocity


def adam(theta, g, kept, t, rate=0.3, beta1=0.9, beta2=0.999, eps=1e-8):
    m, v = (0 * g, 0 * g) if kept is None else kept
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g  # (5)
    return theta - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), (m, v)  # (6)


# %%
def walk(rule, steps, start=(-4.0, 1.2)):
    path, kept = [np.array(start)], None
    for t in range(1, steps + 1):
        theta, kept = rule(path[-1], gradient(path[-1]), kept, t)
        path.append(theta)
    return np.array(path)  # (steps + 1, 2)


rules = {"descent": (descend, "#0072B2", "o"), "momentum": (momentum, "#D55E00", "s"), "Adam": (adam, "#111111", "^")}
paths = {name: walk(rule, 30) for name, (rule, _, _) in rules.items()}
across, along = np.meshgrid(np.linspace(-4.5, 2, 60), np.linspace(-1.5, 1.5, 60))


def valley(t):
    figure = Figure((7, 3), layout="constrained")
    axes = figure.subplots()
    axes.contourf(across, along, np.sqrt(across**2 + 30 * along**2), levels=8, cmap="Greys", alpha=0.5)
    for name, (_, colour, marker) in rules.items():
        axes.plot(*paths[name][: t + 1].T, color=colour, linewidth=1.2)
        axes.plot(*paths[name][t], marker, color=colour, markersize=9, label=name)
    axes.set(xlim=(-4.5, 2), ylim=(-1.5, 1.5), xlabel="θ₁", ylabel="θ₂", title=f"step {t:2}")
    axes.legend(loc="lower right", frameon=False)
    return figure


# %%
draw.animation(
    [valley(t) for t in range(0, 31, 6 if FAST else 1)], seconds=0.25,
    alt="An animation: a long valley from above, three balls that start on its left wall. Descent jumps from wall to wall "
    "and then crawls along the floor; momentum swings a few times, gathers speed and runs past the lowest point and back; "
    "Adam goes straight, as far along as across, overshoots less on the walls and also runs past the lowest point.",
)  # fmt: skip

# %% [markdown]
# **What to watch:** the first six steps, across the valley; then who is fast along its floor. (1) Descent jumps from
# wall to wall, and crawls where the floor is nearly level: its steps are as long as the gradient. (2) Momentum swings
# too, and then it gathers speed. (3) Adam's first step goes as far along as across, though the slopes differ nine
# times: it does not see how steep a wall is.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | θ, g | all parameters, and their gradient | (P,) | 2, later 27,978 |
# | η | the learning rate, "rate" in code | a number | 0.06 |
# | μ, v | momentum, and the velocity | a number, (P,) | 0.85 |
# | β₁, β₂; m, s | Adam's memory; its running means of g, of g² | (P,) | 0.9, 0.999 |
# | λ | weight decay | a number | 0.05 |
# | t | step, from 1 | | |
#
# ## Descent: the steepest wall sets the rate
#
# $$\theta \leftarrow \theta - \eta\, g \tag{1}$$
#
# In the valley each parameter walks by itself, with curvature $a$ and $g = a\,\theta$:
#
# $$\begin{aligned} \theta_t &= (1 - \eta a)\,\theta_{t-1} \\
# &= (1 - \eta a)^t\, \theta_0 \end{aligned} \tag{2}$$
#
# It comes to rest where $|1 - \eta a| < 1$, that is $\eta < 2/a$. The *steepest* direction decides: here η < 2/30.
# Then the flat one has the factor $1 - \eta$, at best 0.933 a step. That a valley is 30 times steeper across than
# along costs us about 30 times the steps. *Which parameter would run away first at η = 0.07?*

# %%
t = np.arange(31)
closed = np.stack([(1 - 0.06 * a) ** t * start for a, start in zip(curvature, (-4.0, 1.2), strict=True)], axis=1)
check.close(paths["descent"], closed, "the walk, against (2)")
print("η = 0.07:", walk(lambda *args: descend(*args, rate=0.07), 30)[[1, 10, 20, 30]].round(2).tolist())

# %% [markdown]
# The gradient is a mean over a batch, one of many batches: $g = a\theta + n$, where the noise n has mean 0 and
# variance σ². (Hence *stochastic* gradient descent, **SGD**.) Then θ never rests. Its variance V must be the same
# before and after a step:
#
# $$\begin{aligned} V &= (1 - \eta a)^2\, V + \eta^2 \sigma^2 \\
# V &= \frac{\eta\, \sigma^2}{a\,(2 - \eta a)} \end{aligned} \tag{3}$$
#
# Half the rate, about half the variance: *this is why a rate should fall towards the end*.

# %%
for rate in (0.2, 0.1, 0.05):
    theta = np.zeros(4000)  # 4,000 balls, a = 1, σ = 1
    for _ in range(200):
        theta = theta - rate * (theta + rng.standard_normal(4000))
    print(f"η = {rate:<4}  variance {theta.var():.4f}, by (3) {rate / (2 - rate):.4f}")

# %% [markdown]
# ## Momentum: what agrees adds up
#
# $$v \leftarrow \mu v + g \qquad \theta \leftarrow \theta - \eta v \tag{4}$$
#
# Put (4) into itself: $v_t = g_t + \mu g_{t-1} + \mu^2 g_{t-2} + \dots$ A gradient that stays the same sums to
# $g\,(1 + \mu + \mu^2 + \dots) = g / (1 - \mu)$: with μ = 0.9 ten times the step. One that changes its sign each time
# sums to $g\,(1 - \mu + \mu^2 - \dots) = g/(1 + \mu)$: half of it. Along the floor it is fast, across it is damped.
#
# ## Adam: every number its own measure
#
# Kingma & Ba ([arXiv 1412.6980](https://arxiv.org/abs/1412.6980)) keep two running means, of the gradient and of its
# square:
#
# $$\begin{aligned} m &\leftarrow \beta_1 m + (1 - \beta_1)\, g \\ s &\leftarrow \beta_2 s + (1 - \beta_2)\, g^2 \end{aligned} \tag{5}$$
#
# (In the code above s is `v`.) Both begin at 0, and so are too small at first. If g stays the same, then
#
# $$\begin{aligned} m_t &= (1 - \beta_1)(1 + \beta_1 + \dots + \beta_1^{t-1})\, g \\
# &= (1 - \beta_1^t)\, g \end{aligned}$$
#
# and likewise s. Dividing by this factor mends it:
#
# $$\begin{aligned} \hat m &= \frac{m}{1 - \beta_1^t} \qquad \hat s = \frac{s}{1 - \beta_2^t} \\
# \theta &\leftarrow \theta - \frac{\eta\, \hat m}{\sqrt{\hat s} + \varepsilon} \end{aligned} \tag{6}$$
#
# Element by element. The first step is $\eta\, g/|g|$: each number moves by η, be its gradient large or small.
# Multiply the loss by 1,000, and nothing changes. Where gradients agree from step to step, $\hat m / \sqrt{\hat s}$
# is near ±1; where they are noise, near 0. *How long would the first step be without the correction?*

# %%
steps = np.arange(1, 301)
m, s = 1 - 0.9**steps, 1 - 0.999**steps  # of a gradient that is 1 at all steps
draw.lines(
    {"as in (6)": (steps, m / (1 - 0.9**steps) / np.sqrt(s / (1 - 0.999**steps))), "without correction": (steps, m / np.sqrt(s)),
     "only m corrected": (steps, 1 / np.sqrt(s))},
    xlabel="step", ylabel="length of a step, in η", logx=True, logy=True, height=2.8,
    alt="Length of Adam's step for a gradient that stays the same, against the step, both logarithmic. As in the formula: 1 "
    "throughout. Without correction: 3 at first, rises to above 6 near step 10, and falls. With only m corrected: 32 at "
    "first, falling.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Without the correction the first steps are three to six times too long, just when nothing is
# known yet. (2) The slow one matters: $1/(1-\beta_2)$ is 1,000 steps. (3) Even after 300 steps they are twice as long
# as they should be.
#
# ## The W: decay beside the gradient
#
# **Weight decay** draws weights towards 0. Classically one adds $\frac\lambda2\theta^2$ to the loss, so λθ to the
# gradient. In (6) it is then divided by $\sqrt{\hat s}$: weights with large gradients hardly decay. Loshchilov &
# Hutter ([arXiv 1711.05101](https://arxiv.org/abs/1711.05101)) take it out of the fraction:
#
# $$\theta \leftarrow \theta - \eta \lambda \theta - \frac{\eta\, \hat m}{\sqrt{\hat s} + \varepsilon} \tag{7}$$
#
# Now every weight decays alike. Only what multiplies should: weights of dense layers, not biases, norms, positions or
# the class token. We give two groups of weights, all 1 at first, gradients that are noise alone, small for the one
# and large for the other:


# %%
def decayed(coupled, noise, steps=400, rate=0.01, decay=0.5):
    rng, theta, kept, means = np.random.default_rng(0), np.ones(500), None, []
    for t in range(1, steps + 1):
        g = noise * rng.standard_normal(500)
        theta, kept = adam(theta - (0 if coupled else rate * decay * theta), g + coupled * decay * theta, kept, t, rate)
        means.append(theta.mean())
    return np.arange(1, steps + 1), np.array(means)


draw.lines(
    {f"{'λθ in the gradient' if coupled else 'AdamW'}, noise {noise}": decayed(coupled, noise)
     for coupled in (1, 0) for noise in (0.3, 10)},
    xlabel="step", ylabel="mean of 500 weights", height=2.8,
    alt="Mean of 500 weights over 400 steps. With decay in the gradient: the weights with small noise fall fastest of all, those "
    "with large noise hardly. AdamW: both fall along one curve, to less than a fifth.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) In the gradient, decay is strong where gradients are small and weak where they are large.
# (2) With AdamW both curves are the same, $(1 - \eta\lambda)^t$. (3) So λ can be chosen once for all weights.
#
# ## The library's
#
# `minivit/train/optimizer.py` keeps all parameters of a model in one array, so (5) and (7) are a few lines for all of
# them. Is it ours?

# %%
params = {"fc.weight": rng.standard_normal((4, 3)), "fc.bias": rng.standard_normal(3)}
flat = FlatParameters({name: array.copy() for name, array in params.items()})
optimizer, kept = AdamW(flat, decay=0.05), dict.fromkeys(params)
for t in range(1, 6):
    grads = {name: rng.standard_normal(array.shape) for name, array in params.items()}
    optimizer.step(flat.flatten(grads), 0.1)
    for name, theta in params.items():
        shrink = 0.1 * 0.05 * theta if name.endswith(".weight") else 0  # a bias does not decay
        params[name], kept[name] = adam(theta - shrink, grads[name], kept[name], t, rate=0.1)
check.close(flat.buffer, flat.flatten(params), "AdamW, five steps, library against ours")

# %% [markdown]
# ## Warm-up and cosine
#
# At the first steps $\hat s$ is a mean of a few gradients, and Adam steps by η in *every* number. So the rate begins
# small and rises in a straight line, for w steps: the **warm-up**. Then (3) asks for a rate that falls. Half a cosine
# does, slowly at first, slowly at the end (Loshchilov & Hutter, [arXiv
# 1608.03983](https://arxiv.org/abs/1608.03983)):
#
# $$\begin{aligned} \eta_t &= \eta\, t / w \quad (t \le w), \text{ else} \\
# \eta_t &= \frac{\eta}{2} \Bigl(1 + \cos \pi \frac{t - w}{T + 1 - w}\Bigr) \end{aligned} \tag{8}$$


# %%
def schedule(t, T, w, peak):
    return peak * t / w if t <= w else peak / 2 * (1 + np.cos(np.pi * (t - w) / (T + 1 - w)))  # (8)


ours = [schedule(t, 160, 16, 1.0) for t in range(1, 161)]
check.close(ours, [warmup_cosine(t, 160, 16, 1.0) for t in range(1, 161)], "library against ours")

# %% [markdown]
# ## On digits
#
# A small Vision Transformer (2 blocks, width 32, patches of 7 × 7), three times through 8,000 digits, 50 at a time.
# Each rule has the best of the rates that were tried beforehand with seed 0 (by its training loss at the end): 0.1,
# 0.3 and 0.5 for SGD, 0.015 to 0.1 with momentum, 0.002 to 0.005 for Adam, 0.005 to 0.02 with the schedule. *How far
# apart will they be after 480 steps?*


# %%
config = ViTConfig(image_size=28, patch_size=7, channels=1, classes=10, width=32, depth=2, heads=2)


def train(make, rate, seed, rounds, warmup):
    model, losses, rng = ViT(config, seed=seed, init="fan_in"), [], np.random.default_rng(seed)
    flat = FlatParameters(model.params)
    optimizer, images = make(flat), model.normalize(digits.train_images)
    batches = np.concatenate([rng.permutation(8000).reshape(-1, 50) for _ in range(rounds)])
    for t, batch in enumerate(batches, 1):
        loss, grads = model.loss_and_grads(images[batch], digits.train_labels[batch])
        optimizer.step(flat.flatten(grads), schedule(t, len(batches), warmup, rate) if warmup else rate)
        losses.append(loss)
    return losses, np.mean(model(model.normalize(digits.test_images)).argmax(axis=1) == digits.test_labels)


# %%
rounds, seeds = (1, 1) if FAST else (3, 3)
runs = {
    "SGD": (lambda flat: SGD(flat, momentum=0.0), 0.3, 0),
    "SGD, momentum 0.9": (SGD, 0.05, 0),
    "Adam": (AdamW, 0.003, 0),
    "AdamW, warm-up, cosine": (lambda flat: AdamW(flat, decay=0.05), 0.01, 48),
}
curves = {}
for name, (make, rate, warmup) in runs.items():
    with threadpool_limits(1):  # products as small as these are faster on one core
        losses, accuracies = zip(*(train(make, rate, seed, rounds, warmup) for seed in range(seeds)), strict=True)
    smooth = np.mean(losses, axis=0)[: 20 * (len(losses[0]) // 20)].reshape(-1, 20).mean(axis=1)
    curves[name] = (10 + 20 * np.arange(len(smooth)), smooth)
    print(f"{name:<23} mean {np.mean(accuracies):.1%}, lowest {min(accuracies):.1%}, highest {max(accuracies):.1%}")
draw.lines(
    curves, xlabel="step", ylabel="training loss, mean of 3 seeds",
    alt="Training loss over 480 steps, four falling curves. SGD is the highest all along. Momentum, Adam and AdamW with "
    "warm-up and cosine lie close together; the last begins highest and ends lowest.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Plain SGD is behind. (2) With each at its own best rate, momentum and Adam can hardly be
# told apart here: their accuracies overlap from seed to seed. (3) The schedule begins slowest and ends with the
# lowest loss; its accuracy, too, lies within the others' spread. Three seeds and a small model decide no more than
# that. With large Transformers the gap between SGD and Adam is wide; a reason that has been found is that their
# gradients have rare, very large values (Zhang et al., [arXiv 1912.03194](https://arxiv.org/abs/1912.03194)).

# %% [markdown] exercise="Before you compute" kind="predict" stars=1 minutes=8
# 1. A valley has curvatures 2 and 50. Which rate must descent stay below? (`limit`)
# 2. Momentum 0.95, a gradient that stays the same: how many times the plain step is a step in the long run? (`times`)
# 3. Adam's first step, η = 0.01, for a number whose gradient is −0.003: by how much does the number change, ε aside?
#    (`change`, with its sign)
# 4. The loss is multiplied by 100. Is Adam's path `"the same"`, `"100 times as far"` or `"10 times as far"`? (`scaled`)
# 5. Warm-up of 40 steps to a peak of 0.008, 200 steps in all. What is the rate at step 10, by (8)? (`rate_at_10`)

# %% role="solution"
# YOUR TURN
limit = 2 / 50
times = 20
change = 0.01
scaled = "the same"
rate_at_10 = 0.002
# END

# %% role="check"
check.answer(
    limit, 0.04, "limit", tol=1e-6,
    reasons={1.0: "the steepest direction runs away first", 0.02: "at 1/a it is there in one step; it may jump across",
             2 / 52: "that is the best rate, not the limit", 2 / 48: "2 over the curvature",
             2: "2 over the largest curvature"},
)  # fmt: skip
check.answer(
    times, 20, "times", tol=1e-6,
    reasons={10: "that is for 0.9", 1 / 1.95: "that is for a gradient that changes its sign", 1.95: "sum 1 + μ + μ² + …, to the end",
             0.05: "one over that", 19: "g itself is the first of the terms"},
)  # fmt: skip
check.answer(
    change, 0.01, "change", tol=1e-6,
    reasons={-0.01: "the step goes against the gradient", 0.00003: "divided by √ŝ, which is |g| at first",
             -0.00003: "divided by √ŝ, which is |g| at first", 0.003: "η is 0.01",
             -0.003: "that is g: the step's length is η", 0.0316: "both means are corrected",
             0.001: "m is corrected, too"},
)  # fmt: skip
check.answer(
    scaled, "the same", "scaled",
    reasons={"100 times as far": "√ŝ is 100 times as large, too", "10 times as far": "s is 10,000 times as large, and has a root"},
)  # fmt: skip
check.answer(
    rate_at_10, warmup_cosine(10, 200, 40, 0.008), "rate_at_10", tol=1e-6,
    reasons={0.008: "that is the peak, at step 40", 0.0004: "it rises over 40 steps, not over 200",
             warmup_cosine(10, 200, 0.01, 0.008): "it is still rising at step 10"},
)  # fmt: skip

# %% [markdown] role="hint"
# 1: (2). 2: the sum below (4). 3: put t = 1 into (6). 4: what do m and √s become? 5: $t \le w$.

# %% role="wrong"
{
    "the flat one": ("limit = 2 / 50", "limit = 1.0", "steepest direction"),
    "one over": ("limit = 2 / 50", "limit = 1 / 50", "may jump across"),
    "the one for 0.9": ("times = 20", "times = 10", "for 0.9"),
    "with the gradient": ("change = 0.01", "change = -0.01", "against the gradient"),
    "as plain descent": ("change = 0.01", "change = 0.00003", "which is |g|"),
    "scaled up": ('scaled = "the same"', 'scaled = "100 times as far"', "as large, too"),
    "over all steps": ("rate_at_10 = 0.002", "rate_at_10 = 0.0004", "not over 200"),
}

# %% [markdown] exercise="Signs alone" kind="build" stars=2 minutes=12
# A program searched for a better rule than Adam and found one with half its memory, *Lion* (Chen et al.,
# [arXiv 2302.06675](https://arxiv.org/abs/2302.06675)). It keeps m alone, and steps by η in every number, always:
#
# $$\begin{aligned} u &= \mathrm{sign}\big(\beta_1 m + (1 - \beta_1)\, g\big) \\
# \theta &\leftarrow \theta - \eta\,(u + \lambda\, \theta) \\ m &\leftarrow \beta_2 m + (1 - \beta_2)\, g
# \end{aligned}$$
#
# Write one step. It returns the new θ and the new m, and leaves the given ones as they are.


# %% role="solution"
def lion(theta, m, g, rate, beta1=0.9, beta2=0.99, decay=0.0):
    """theta, m, g (P,) -> the new theta and the new m, (P,) each."""
    # YOUR TURN
    u = np.sign(beta1 * m + (1 - beta1) * g)
    new_theta = theta - rate * (u + decay * theta)
    new_m = beta2 * m + (1 - beta2) * g
    return new_theta, new_m
    # END


# %% role="check"
_theta, _m, _g = rng.standard_normal((3, 60))
_g[:20] *= 5  # so that β₁ and β₂ make other signs
_settings = dict(rate=0.1, beta1=0.6, beta2=0.95, decay=0.3)
_u = np.sign(0.6 * _m + 0.4 * _g)
_got = check.pair(lambda theta, m, g: lion(theta, m, g, **_settings), theta=_theta, m=_m, g=_g)
_later = 0.95 * _m + 0.05 * _g
check.close(
    _got[0], _theta - 0.1 * (_u + 0.3 * _theta), "theta",
    mistakes={"No sign is taken.": _theta - 0.1 * (0.6 * _m + 0.4 * _g + 0.3 * _theta),
              "The decay is not multiplied by the rate.": _theta - 0.1 * _u - 0.3 * _theta,
              "The decay is forgotten.": _theta - 0.1 * _u, "The decay has the wrong sign.": _theta - 0.1 * (_u - 0.3 * _theta),
              "u is made with β₁, not with β₂.": _theta - 0.1 * (np.sign(_later) + 0.3 * _theta),
              "u is made of the old m.": _theta - 0.1 * (np.sign(0.6 * _later + 0.4 * _g) + 0.3 * _theta),
              "β₁ belongs to m, 1 − β₁ to g.": _theta - 0.1 * (np.sign(0.4 * _m + 0.6 * _g) + 0.3 * _theta),
              "The sign of g alone.": _theta - 0.1 * (np.sign(_g) + 0.3 * _theta),
              "It goes up: minus.": _theta + 0.1 * (_u + 0.3 * _theta)},
)  # fmt: skip
check.close(
    _got[1], _later, "m",
    mistakes={"The new m is made with β₂.": 0.6 * _m + 0.4 * _g, "The new m holds g, not its sign.": 0.95 * _m + 0.05 * _u,
              "β₂ belongs to m, 1 − β₂ to g.": 0.05 * _m + 0.95 * _g},
)  # fmt: skip

# %% [markdown] role="hint"
# Three lines, one for each equation, in their order. `theta -= …` would change what was given; `theta - …` makes a
# new array.

# %% role="wrong"
{
    "no sign": ("np.sign(beta1 * m + (1 - beta1) * g)", "beta1 * m + (1 - beta1) * g", "No sign"),
    "one β": ("u = np.sign(beta1 * m + (1 - beta1) * g)", "u = np.sign(beta2 * m + (1 - beta2) * g)", "not with β₂"),
    "the other one": ("new_m = beta2 * m + (1 - beta2) * g", "new_m = beta1 * m + (1 - beta1) * g", "made with β₂"),
    "decay outside": ("rate * (u + decay * theta)", "rate * u - decay * theta", "not multiplied by the rate"),
    "in place": (
        "new_theta = theta - rate * (u + decay * theta)",
        "theta -= rate * (u + decay * theta)\n    new_theta = theta",
        "changed its input theta",
    ),
    "the sign in m": ("(1 - beta2) * g\n", "(1 - beta2) * u\n", "not its sign"),
}

# %% [markdown] exercise="A long first step" kind="break" stars=2 minutes=12
# A friend's AdamW learns, if the rate is made very small, and decay seems to do nothing to some of the weights. There
# are two mistakes. Find them and mend them.


# %% role="broken"
def adamw_friend(theta, m, s, g, t, rate, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.05):
    """theta, m, s, g (P,), t from 1 -> the new theta, m and s."""
    g = g + decay * theta
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g * g
    m_hat = m / (1 - beta1**t)
    s_hat = s
    return theta - rate * m_hat / (np.sqrt(s_hat) + eps), m, s


# %% role="solution"
def adamw_friend(theta, m, s, g, t, rate, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.05):
    """theta, m, s, g (P,), t from 1 -> the new theta, m and s."""
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g * g
    m_hat = m / (1 - beta1**t)
    s_hat = s / (1 - beta2**t)
    return theta - rate * decay * theta - rate * m_hat / (np.sqrt(s_hat) + eps), m, s


# %% role="check"
_gs, _start = rng.standard_normal((4, 9)), rng.standard_normal(9)


def _walk(step, size=1.0, **settings):
    theta, m, s = _start.copy(), np.zeros(9), np.zeros(9)
    for t, g in enumerate(size * _gs, 1):
        theta, m, s = check.call(
            lambda theta, m, s, g, t=t: step(theta, m, s, g, t, 0.1, **settings), theta=theta, m=m, s=s, g=g
        )
    return theta


def _variant(theta, m, s, g, t, rate, beta1=0.9, beta2=0.99, eps=1e-3, decay=0.3, *, how=""):
    g = g + (decay * theta if "coupled" in how else 0)
    m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g * g
    s_hat = s if "slow" in how else s / (1 - beta2**t)
    root = np.sqrt(s_hat + eps) if "inside" in how else np.sqrt(s_hat) + eps
    shrink = {"coupled": 0, "unscaled": decay, "lost": 0}.get(how.split()[0] if how else "", rate * decay)
    return theta - shrink * theta - rate * (m / (1 - beta1**t)) / root, m, s


_set = dict(beta1=0.9, beta2=0.99, eps=1e-3, decay=0.3)
_known = {"The decay passes through the root: large gradients, little decay.": "coupled",
          "s is too small at first: it began at 0, too.": "slow", "The decay is lost.": "lost",
          "The decay passes through the root, and s is too small at first.": "coupled slow",
          "The decay is not multiplied by the rate.": "unscaled", "ε stands under the root; it is added to it.": "inside"}  # fmt: skip
_said = {said: _walk(lambda *a, how=how, **k: _variant(*a, how=how, **k), **_set) for said, how in _known.items()}
check.close(_walk(adamw_friend, **_set), _walk(_variant, **_set), "theta after four steps", mistakes=_said)
_usual = _walk(_variant, 1e-8, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.05)
check.close(_walk(adamw_friend, 1e-8), _usual, "theta with the settings that were given, and small gradients")

# %% [markdown] role="hint"
# Print the first step: how long should it be, by (6)? Then compare the first line with (7).

# %% role="wrong"
{
    "decay still in the gradient": (
        "    m = beta1 * m + (1 - beta1) * g\n    s = beta2 * s + (1 - beta2) * g * g\n    m_hat = m / (1 - beta1**t)\n    s_hat = s / (1 - beta2**t)\n    return theta - rate * decay * theta - ",
        "    g = g + decay * theta\n    m = beta1 * m + (1 - beta1) * g\n    s = beta2 * s + (1 - beta2) * g * g\n    m_hat = m / (1 - beta1**t)\n    s_hat = s / (1 - beta2**t)\n    return theta - ",
        "The decay passes through the root: large",
    ),
    "s not corrected": ("s_hat = s / (1 - beta2**t)", "s_hat = s", "s is too small at first: it"),
    "no decay": ("theta - rate * decay * theta - rate", "theta - rate", "decay is lost"),
    "decay at full": ("theta - rate * decay * theta - rate", "theta - decay * theta - rate", "not multiplied by the rate"),
    "ε under the root": ("(np.sqrt(s_hat) + eps)", "np.sqrt(s_hat + eps)", "ε stands under the root"),
}  # fmt: skip

# %% [markdown] exercise="A schedule without a plan" kind="build" stars=2 minutes=12
# A cosine must know T before it begins. With *warm-up, stable, decay* one may stop at any time: the rate rises in a
# straight line to `peak` at step `warmup`, stays there, and falls in a straight line in the last `cooldown` steps. As
# with the library's cosine, it would reach 0 one step *after* the last one: at step T + 1. Steps count from 1;
# `warmup` and `cooldown` are at least 1 and do not overlap.


# %% role="solution"
def stable(t, T, warmup, cooldown, peak):
    """The rate of step t, 1 to T."""
    # YOUR TURN
    rising = t / warmup
    falling = (T + 1 - t) / (cooldown + 1)
    return peak * min(rising, 1, falling)
    # END


# %% role="check"
_rising = lambda t, T, w, c: min(t / w, 1, (T + 1 - t) / (c + 1))
for _T, _w, _c in ((20, 4, 5), (12, 1, 3), (30, 10, 1)):
    _ts = np.arange(1, _T + 1)
    _given = [stable(int(t), _T, _w, _c, 0.02) for t in _ts]
    check.close(
        _given, [0.02 * _rising(t, _T, _w, _c) for t in _ts], f"T = {_T}, warm-up {_w}, cooldown {_c}",
        mistakes={
            "It falls to 0 at the last step, which then does nothing.": [0.02 * min(t / _w, 1, (_T - t) / _c) for t in _ts],
            "It falls over one step less: the first step of the cooldown is lower than the peak.":
                [0.02 * min(t / _w, 1, (_T + 1 - t) / _c) for t in _ts],
            "It begins at 0: the first step does nothing.": [0.02 * min((t - 1) / _w, 1, (_T + 1 - t) / (_c + 1)) for t in _ts],
            "It does not fall.": [0.02 * min(t / _w, 1) for t in _ts],
            "It does not rise.": [0.02 * min(1, (_T + 1 - t) / (_c + 1)) for t in _ts],
            "The peak is 1: multiply by `peak`.": [_rising(t, _T, _w, _c) for t in _ts],
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# Three lines: one that rises, one that is level, one that falls. The rate is the lowest of the three. The falling one
# is 0 at T + 1, and 1 at the last step that is not of the cooldown, T − cooldown: how many steps lie between?

# %% role="wrong"
{
    "0 at the last step": ("(T + 1 - t) / (cooldown + 1)", "(T - t) / cooldown", "which then does nothing"),
    "one step less": ("(T + 1 - t) / (cooldown + 1)", "(T + 1 - t) / cooldown", "over one step less"),
    "0 at the first": ("rising = t / warmup", "rising = (t - 1) / warmup", "begins at 0"),
    "never falls": ("min(rising, 1, falling)", "min(rising, 1)", "does not fall"),
    "never rises": ("min(rising, 1, falling)", "min(1, falling)", "does not rise"),
}

# %% [markdown] exercise="As fast as momentum can be" kind="further" stars=3 minutes=20
# One step of (4) in a direction with curvature a is a matrix: it takes $(\theta, v)$ to the next pair. Over many
# steps the pair shrinks by a factor, the largest absolute eigenvalue ρ of that matrix. In a valley with curvatures a
# < b, choose η and μ so that the slower of both directions is as fast as possible. (Descent alone, at best, has
# $(b-a)/(b+a)$: 0.935 for 30 to 1.)
#
# Write `step_matrix(a, rate, mu)`, 2 × 2, and `best(a, b)`, which returns η and μ. Where the eigenvalues are complex,
# their absolute value is the root of the determinant; where both directions are just at the edge of that, nothing is
# left to gain.


# %% role="solution"
def step_matrix(a, rate, mu):
    """The matrix that takes (θ, v) to the next (θ, v), with g = a θ."""
    # YOUR TURN
    return np.array([[1 - rate * a, -rate * mu], [a, mu]])
    # END


def best(a, b):
    """Curvatures a < b -> the best rate, the best mu."""
    # YOUR TURN
    rate = 4 / (np.sqrt(a) + np.sqrt(b)) ** 2
    mu = ((np.sqrt(b) - np.sqrt(a)) / (np.sqrt(b) + np.sqrt(a))) ** 2
    return rate, mu
    # END


# %% role="check"
_theta, _velocity = 1.5, -0.7
_next = 0.8 * _velocity + 3.0 * _theta
check.close(
    np.asarray(step_matrix(3.0, 0.1, 0.8)) @ [_theta, _velocity], [_theta - 0.1 * _next, _next], "one step",
    mistakes={"θ moves by the new v, which holds the gradient: put one line into the other.":
              [_theta - 0.1 * _velocity, _next], "θ moves by −η v.": [_theta + 0.1 * _next, _next],
              "The pair is (θ, v), in this order.": [_next, _theta - 0.1 * _next],
              "A row for each number that comes out, not a column: the transpose of this.":
              [(1 - 0.1 * 3) * _theta + 3 * _velocity, 0.8 * (_velocity - 0.1 * _theta)],
              "θ moves against all of the new v, its μ v included: a sign.": [_theta - 0.1 * (3 * _theta - 0.8 * _velocity), _next],
              "The rate is there twice: v holds g, not η g.": [_theta - 0.1 * _next, 0.8 * _velocity + 0.1 * 3 * _theta]},
)  # fmt: skip


def _rho(a, rate, mu):
    return np.abs(np.linalg.eigvals(np.array([[1 - rate * a, -rate * mu], [a, mu]]))).max()


for _a, _b in ((1.0, 30.0), (0.5, 2.0), (3.0, 300.0)):
    _rate, _mu = check.call(lambda a, b: tuple(float(x) for x in best(a, b)), a=_a, b=_b)
    _right = (np.sqrt(_b) - np.sqrt(_a)) / (np.sqrt(_b) + np.sqrt(_a))
    _slow = max(_rho(_a, _rate, _mu), _rho(_b, _rate, _mu))
    check.answer(
        bool(_slow <= _right + 1e-3), True, f"curvatures {_a:g} and {_b:g}: ρ = {_slow:.4f}, as low as it can be",
        reasons={False: f"it can be lower; at the edge ρ is √μ, in both directions, and here √μ is {abs(_mu) ** 0.5:.4f}"},
    )  # fmt: skip

# %% [markdown] role="hint"
# The determinant is μ, the trace 1 + μ − ηa. Eigenvalues are complex where trace² < 4 μ, that is $(1 - \sqrt\mu)^2 <
# \eta a < (1 + \sqrt\mu)^2$. Put a at the left end and b at the right end, take roots, and solve for √η and √μ.

# %% role="wrong"
{
    "with the old velocity": ("[[1 - rate * a, -rate * mu]", "[[1, -rate]", "put one line into the other"),
    "transposed": ("-rate * mu], [a, mu]]", "a], [-rate * mu, mu]]", "the transpose of this"),
    "uphill": ("[[1 - rate * a, -rate * mu]", "[[1 + rate * a, rate * mu]", "moves by −η v"),
    "descent's best": (
        "    rate = 4 / (np.sqrt(a) + np.sqrt(b)) ** 2\n    mu = ((np.sqrt(b) - np.sqrt(a)) / (np.sqrt(b) + np.sqrt(a))) ** 2\n",
        "    rate, mu = 2 / (a + b), 0.0\n",
        "it can be lower",
    ),
    "μ without its square": ("(np.sqrt(b) + np.sqrt(a))) ** 2\n", "(np.sqrt(b) + np.sqrt(a)))\n", "it can be lower"),
    "curvatures without roots": ("mu = ((np.sqrt(b) - np.sqrt(a)) / (np.sqrt(b) + np.sqrt(a))) ** 2", "mu = ((b - a) / (b + a)) ** 2",
                                 "it can be lower"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Derive what a rate, a momentum, Adam's correction and its decay do, on one number with one curvature.
# - Say why Adam needs a warm-up, why a rate should fall, and what must not decay.
# - Compare optimisers fairly: each with its own best rate, several seeds, the same steps.
#
# In the library: `minivit/train/optimizer.py`, `minivit/train/sgd.py`, `minivit/train/schedule.py`. Sources: those
# named above; B. Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964; P. Goyal et al.,
# *Accurate, Large Minibatch SGD*, arXiv 1706.02677, for the warm-up. Next, chapter 13 trains the whole model so.
