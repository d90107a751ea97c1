# ---
# title: Residuals and the block
# question: How are the parts put together, so that a gradient still finds its way through fifty of them?
# sentence: Why a backward is the chain in reverse; Chain and Residual by hand; what a deep net is without the shortcut, with the norm after it and with the norm before; dropout and drop path; and a whole block.
# minutes: 60
# needs: [5, 6, 8, 9]
# gpu: of no use
# ---

# %% [markdown]
# You have the parts: dense layers and the rule to check them (05), LayerNorm (06), attention (07) with many heads
# (08), the MLP (09). A Vision Transformer stacks them, some of them dozens of times. This chapter is about the
# joints. There are two: *one after the other*, and *the sum with a shortcut*. Both have a backward that takes a line,
# and with them a block, and later a whole model, is described once, and its backward follows.

# %% role="setup"
import copy
import os

import numpy as np
from threadpoolctl import threadpool_limits

from minivit import ViT, check, draw, layers, load_mnist, ops
from minivit.data import TRAINED_DIGITS
from minivit.layers.parts import dense, mlp, norm

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(10)
digits = load_mnist()
pixels = (digits.train_images.reshape(-1, 784) / 255).astype(np.float32)  # (8000, 784)

# %% [markdown]
# ## The picture first
#
# A digit's 49 patches become 49 tokens of 64 numbers. Then they go through 24 **branches**. A branch is a norm and a
# small MLP: two dense layers with a smooth bend between them, GELU (chapter 09). All weights are random. Once each
# branch *replaces* the tokens, once it *adds* to them.


# %%
def start(layer, rng):  # weights N(0, 1/in), biases 0, norms 1
    return {q.name: q.mean + rng.standard_normal(q.shape) * (q.dense / q.shape[0] ** 0.5) for q in layer.parameters}


branches = [(norm(f"{i}.norm", 64), mlp(f"{i}.mlp", 64, 128)) for i in range(24)]
replacing = layers.Chain(*(layer for branch in branches for layer in branch))
adding = layers.Chain(*(layers.Residual(*branch) for branch in branches))
numbers = start(replacing, rng)  # the same for both
digit = digits.train_images[1:2] / 255
tokens = ops.patchify_forward(digit, (4, 4))[0] @ rng.standard_normal((16, 64)) + rng.standard_normal((49, 64))
replaced, added = (net(ops, numbers, tokens) for net in (replacing, adding))
draw.matrices(
    [("tokens", tokens[0]), ("24 times replaced", replaced[0]), ("24 times added to", added[0] / added.std())],
    diverging=True, limits=(-4, 4),
    alt="Three matrices of 49 tokens by 64 numbers. The tokens: different in every row. Replaced 24 times: vertical "
    "stripes, all rows nearly alike. Added to 24 times: rows that differ again, over faint stripes.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Where each branch replaces what came in, the rows end up alike: 24 random functions have
# stirred the digit until hardly anything of it is left. (2) Where each adds, a row still differs from the next (the
# third matrix is divided by its standard deviation). (3) Nothing was learned here. This is what a fresh model looks
# like, and so what its first gradients have to work with.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | x, y | what goes into a layer, what comes out | (B, N, D) | (1, 49, 64) |
# | f, g | branches; their Jacobians $J$, $K$ | | |
# | dy, dx | gradients of the loss for y and x | as y, x | |
# | p | all parameters, a dict: name → array | | |
# | r | rate of dropout or drop path | a number | 0.2 |
# | L | blocks | | 3 |
#
# ## One after the other
#
# Let $u = g(x)$ and $y = f(u)$. Equation (1) of chapter 05 says: a number's gradient is the sum over all that it goes
# into. Ask it twice, of $u$ and then of $x$:
#
# $$\begin{aligned} du_k &= \sum_i dy_i\, J_{ik} \\ dx_j &= \sum_k du_k\, K_{kj} \end{aligned} \tag{1}$$
#
# So $dx = K^\top (J^\top dy)$. The forward applied g first; the backward applies f's first. That is no convention. To
# ask what $x$ does to the loss, we must know what $u$ does, and $u$ is answered by what came after it. In matrices it
# is $(JK)^\top = K^\top J^\top$: *a transpose turns a product around*.
#
# One could also multiply $JK$ first. It gives the same, at another price. *Which way would you put the brackets?*

# %%
size = 49 * 64  # numbers in y, in u and in x: every Jacobian is size by size
print(f"JK first, then the vector:   {size**3 + size**2:>14,} multiplications")
print(f"from dy, vector by vector:   {2 * size**2:>14,}")

# %% [markdown]
# From dy on, everything stays a vector. The loss is *one* number, which is why walking from the loss is the cheap
# way. (And no backward forms even J; chapter 05.)
#
# *Step by step*, the branch above, and its backward. Each forward line has its backward line, and they stand in
# reverse:


# %%
def branch_forward(x, gamma, beta, W1, b1, W2, b2):
    h, cache1 = ops.layernorm_forward(x, gamma, beta)
    h, cache2 = ops.linear_forward(h, W1, b1)
    h, cache3 = ops.gelu_forward(h)
    h, cache4 = ops.linear_forward(h, W2, b2)
    return h, (cache1, cache2, cache3, cache4)


def branch_backward(dh, caches):
    cache1, cache2, cache3, cache4 = caches
    dh, dW2, db2 = ops.linear_backward(dh, cache4)
    dh = ops.gelu_backward(dh, cache3)
    dh, dW1, db1 = ops.linear_backward(dh, cache2)
    dx, dgamma, dbeta = ops.layernorm_backward(dh, cache1)
    return dx, dgamma, dbeta, dW1, db1, dW2, db2


# %% [markdown]
# Nothing in the second function is a decision: it follows from the first. So let it follow. A **layer** is whatever
# has `forward(p, x)`, which returns y and a cache, and `backward(dy, cache)`, which returns dx and a dict of the
# parameters' gradients. It holds no numbers, only names. The smallest layer is one operation of the library:


# %%
class Operation:
    def __init__(self, op, *names, **options):
        self.op, self.names, self.options = op, names, options

    def forward(self, p, x):
        return getattr(ops, f"{self.op}_forward")(x, *(p[name] for name in self.names), **self.options)

    def backward(self, dy, cache):
        result = getattr(ops, f"{self.op}_backward")(dy, cache)
        dx, *grads = result if isinstance(result, tuple) else (result,)
        return dx, dict(zip(self.names, grads, strict=False))


# %% [markdown]
# And the first joint:


# %%
class Chain:
    def __init__(self, *parts):
        self.parts = parts

    def forward(self, p, x):
        caches = []
        for part in self.parts:
            x, cache = part.forward(p, x)
            caches.append(cache)
        return x, caches

    def backward(self, dy, caches):
        grads = {}
        for part, cache in zip(reversed(self.parts), reversed(caches), strict=True):
            dy, more = part.backward(dy, cache)  # (1): this dy is the next part's
            grads |= more
        return dy, grads


# %% [markdown]
# The loop *is* equation (1), for any number of parts. Is it what we wrote out?

# %%
names = [q.name for layer in branches[0] for q in layer.parameters]  # 0.norm.weight, 0.norm.bias, 0.mlp.fc1.weight, …
ours = [Operation("layernorm", *names[:2]), Operation("linear", *names[2:4]), Operation("gelu"),
        Operation("linear", *names[4:])]  # fmt: skip
theirs = layers.Chain(*branches[0])  # the library's
y, caches = Chain(*ours).forward(numbers, tokens)
dy = rng.standard_normal(y.shape)
dx, grads = Chain(*ours).backward(dy, caches)

by_hand, by_hand_caches = branch_forward(tokens, *(numbers[name] for name in names))
check.close(y, by_hand, "y, Chain against lines")
check.close(dx, branch_backward(dy, by_hand_caches)[0], "dx, Chain against lines")
their_y, their_cache = theirs.forward(ops, numbers, tokens)
their_dx, their_grads = theirs.backward(ops, dy, their_cache)
check.close(dx, their_dx, "dx, library against ours")
for name in names:
    assert np.array_equal(grads[name], their_grads[name]), name

# %% [markdown]
# ## The sum with a shortcut
#
# A **residual** layer (He et al., [arXiv 1512.03385](https://arxiv.org/abs/1512.03385)) is $y = x + f(x)$. Now $x_j$
# goes into y in two ways: as it is into $y_j$, and through the branch into all. With $\delta_{ij}$ = 1 where $i = j$,
# else 0,
#
# $$\begin{aligned} \frac{\partial y_i}{\partial x_j} &= \delta_{ij} + J_{ij} \\
# dx_j &= \sum_i dy_i\,(\delta_{ij} + J_{ij}) \\ &= dy_j + \sum_i dy_i\, J_{ij} \end{aligned} \tag{2}$$
#
# In matrix form $dx = (I + J)^\top dy$. In code, a forward of one plus and a backward of one plus:


# %%
class Residual:
    def __init__(self, *branch):
        self.branch = Chain(*branch)

    def forward(self, p, x):
        h, cache = self.branch.forward(p, x)
        return x + h, cache

    def backward(self, dy, cache):
        dh, grads = self.branch.backward(dy, cache)
        return dy + dh, grads  # (2)


y, cache = Residual(*ours).forward(numbers, tokens)
dx, grads = Residual(*ours).backward(dy, cache)
their_y, their_cache = layers.Residual(*branches[0]).forward(ops, numbers, tokens)
check.close(y, their_y, "y, library against ours")
check.close(dx, layers.Residual(*branches[0]).backward(ops, dy, their_cache)[0], "dx, library against ours")

# %% [markdown]
# Two of them give $(I + J_2)(I + J_1) = I + J_1 + J_2 + J_2 J_1$: one term for each way through the net, in which every
# branch is taken or passed by. L residuals have $2^L$ ways. One of them passes by all branches, and its term is $I$:
# whatever the branches do, the gradient reaches the bottom, unchanged, as one part of the sum.
#
# ## Where does the norm stand?
#
# The first Transformer put it behind the sum, **post-norm**: $\mathrm{LN}(x + f(x))$. Then no way is free: each
# passes all norms. ViT puts it into the branch, **pre-norm**: $x + f(\mathrm{LN}(x))$, and one norm at the very end.
# We train four nets on digits: dense layer, 24 branches (MLPs), norm, head. *Which of them will learn, and which will
# be first?*


# %%
def make(kind, depth=24):
    parts = [dense("in", 784, 64)]
    for i in range(depth):
        n, f = norm(f"{i}.norm", 64), mlp(f"{i}.mlp", 64, 128)
        parts += {"replacing": [f], "replacing, with norm": [n, f], "post-norm": [layers.Residual(f), n],
                  "pre-norm": [layers.Residual(n, f)]}[kind]  # fmt: skip
    return layers.Chain(*parts, norm("norm", 64), dense("head", 64, 10))


# %%
def train(kind, seed, steps, rate=0.05):
    net, rng, losses = make(kind), np.random.default_rng(seed), []
    p = {name: array.astype(np.float32) for name, array in start(net, rng).items()}
    for batch in rng.permutation(8000).reshape(-1, 50)[:steps]:
        logits, cache = net.forward(ops, p, pixels[batch])
        loss, dloss = ops.cross_entropy_forward(logits, digits.train_labels[batch])
        _, grads = net.backward(ops, ops.cross_entropy_backward(1.0, dloss), cache)
        p = {name: p[name] - np.float32(rate) * grads[name] for name in p}
        losses.append(loss)
    scores = net(ops, p, (digits.test_images.reshape(-1, 784) / 255).astype(np.float32))
    return losses, np.mean(scores.argmax(axis=1) == digits.test_labels)


# %%
steps, seeds = (24, 1) if FAST else (160, 3)  # 160 steps: once through the 8,000 digits
curves = {}
for kind in ("replacing", "replacing, with norm", "post-norm", "pre-norm"):
    with threadpool_limits(1):  # products as small as these are faster on one core
        losses, accuracies = zip(*(train(kind, seed, steps) for seed in range(seeds)), strict=True)
    smooth = np.reshape(losses, (seeds, -1, 8)).mean(axis=(0, 2))  # of all seeds, and of eight steps
    curves[kind] = (np.arange(4, steps, 8), smooth)
    print(f"{kind:<21} accuracy {np.mean(accuracies):.0%}, lowest {min(accuracies):.0%}, highest {max(accuracies):.0%}")
draw.lines(
    curves, xlabel="step", ylabel="training loss, mean of 3 seeds",
    alt="Training loss over 160 steps. Replacing, with or without norm, stays near 2.3, where it began. Post-norm falls "
    "slowly and unevenly to about a half; pre-norm falls at once and ends lowest, at about a third.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Without a shortcut next to nothing is learned (a loss of 2.3 is that of guessing, log 10).
# (2) With it, the same branches learn at once. (3) Post-norm learns too, later. It likes a warm-up, a learning rate
# that begins small (Xiong et al., [arXiv 2002.04745](https://arxiv.org/abs/2002.04745); chapter 12).
#
# Is it that no gradient arrives? We send a dy of random numbers from the top of each net and measure how long it
# still is on its way down.


# %%
def lengths(kind):
    net = layers.Chain(*make(kind).parts[1:-2])  # the branches alone
    y, caches = net.forward(ops, start(net, np.random.default_rng(0)), tokens)
    dy, measured = np.random.default_rng(1).standard_normal(y.shape), [1.0]
    first = np.linalg.norm(dy)
    for part, cache in zip(reversed(net.parts), reversed(caches), strict=True):
        dy, _ = part.backward(ops, dy, cache)
        measured.append(np.linalg.norm(dy) / first)
    return np.linspace(24, 0, len(measured)), np.array(measured)


draw.lines(
    {kind: lengths(kind) for kind in curves}, logy=True, xlabel="branches below", ylabel="length of the gradient, 1 at the top",
    alt="Length of a gradient from the top of four nets, at 24, to the bottom, at 0, on a logarithmic axis. Replacing "
    "falls in a straight line to below one millionth. The three others stay between one half and five.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Without norm and shortcut, less than a millionth arrives: each branch about halves it. (2) A
# norm repairs the length, and still that net does not learn: *a long gradient may be a useless one*. What arrives is
# stirred by 24 random matrices, as the tokens were in the first picture. (3) With pre-norm it grows a little on the
# way down: (2) adds a part at each.
#
# ## Dropout and drop path: noise, in training alone
#
# **Dropout** sets each number to 0 with probability r, and divides what is kept by 1 − r, so that the mean stays
# (Srivastava et al., JMLR 15, 2014). With a mask m of ones and zeros,
#
# $$\begin{aligned} y &= \frac{m \odot x}{1 - r} \\
# \mathbb E[y] &= \frac{(1 - r)\, x}{1 - r} = x \\
# dx &= \frac{m \odot dy}{1 - r} \end{aligned} \tag{3}$$
#
# The backward needs the *same* mask: it must be in the cache. **Drop path** (Huang et al., [arXiv
# 1603.09382](https://arxiv.org/abs/1603.09382)) draws one number for each image of the batch, and drops its whole
# branch. Then (2) becomes $y = x$ for it: the branch is passed by, one of the $2^L$ ways is trained. The rate rises
# linearly, from 0 in the first block to its full value in the last: early branches are what all later ones build on.
# Neither happens in evaluation, where no generator is given.

# %%
ones = np.ones((8, 24))
some, mask = ops.dropout_forward(ones, 0.2, rng)
whole, _ = ops.drop_path_forward(ones, 0.2, rng)
rates = 0.5 * np.arange(24) / 23  # of drop path: 0 to one half, to see it
by_depth = np.concatenate([ops.drop_path_forward(ones[:, :1], rate, rng)[0] for rate in rates], axis=1)
check.close(ops.dropout_backward(ones, mask), some, "dy of ones comes back as the ones went up")
draw.matrices(
    [{"title": "dropout", "array": some, "rows": "image", "columns": "a number", "values": False},
     {"title": "drop path", "array": whole, "rows": "image", "columns": "a number", "values": False},
     {"title": "which branches?", "array": by_depth > 0, "rows": "image", "columns": "branch", "values": False}],
    share=False, colormap="attention", colorbar=False,
    alt="Three tables with 8 rows, one for each image. Dropout: pale places strewn everywhere. Drop path: whole rows pale, "
    "all others dark. The third, for 24 branches with rising rates: hardly a pale place on the left, about half on the right.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Dropout strikes single numbers, drop path an image's whole branch. (2) What is kept is 1.25
# = 1/0.8, not 1. (3) In the third, each image goes its own way through the net; the last branches are passed by most
# often.
#
# ## The block
#
# Two residuals, and the tokens hear of each other in the first alone:
#
# $$\begin{aligned} z' &= z + \mathrm{MSA}(\mathrm{LN}(z)) \\ z'' &= z' + \mathrm{MLP}(\mathrm{LN}(z')) \end{aligned} \tag{4}$$
#
# With our two joints, on a block of a trained ViT (B = 2 digits, N = 50, D = 48, H = 4), against the library's own:

# %%
trained = ViT.load(TRAINED_DIGITS)
p = {name: array.astype(np.float64) for name, array in trained.params.items()}
to = lambda op, part: Operation(op, f"blocks.0.{part}.weight", f"blocks.0.{part}.bias")
block = Chain(
    Residual(to("layernorm", "norm1"), to("linear", "attn.qkv"), Operation("self_attention", heads=4),
             to("linear", "attn.proj")),
    Residual(to("layernorm", "norm2"), to("linear", "mlp.fc1"), Operation("gelu"), to("linear", "mlp.fc2")),
)  # fmt: skip
images = trained.normalize(digits.test_images[:2]).astype(np.float64)
encoder = trained.layers.parts[0].parts
z0 = layers.Chain(*encoder[:4])(ops, p, images)  # patchify to positions
z2, caches = block.forward(p, z0)
dz2 = rng.standard_normal(z2.shape)
dz0, grads = block.backward(dz2, caches)

library = encoder[4]
its_z2, its_caches = library.forward(ops, p, z0)
its_dz0, its_grads = library.backward(ops, dz2, its_caches)
check.close(z2, its_z2, "z″")
check.close(dz0, its_dz0, "dz")
check.close(
    sum(np.abs(grads[name] - its_grads[name]).sum() for name in its_grads), 0, f"{len(grads)} parameters' gradients"
)

# %% [markdown]
# ## Is it right?
#
# Equal to the library, and so right or wrong together. The other witness, on a small block with random parameters,
# for z and two of the parameters:

# %%
some = {name: rng.standard_normal(array.shape) * (0.2 if array.ndim > 1 else 1) for name, array in p.items()}
asked = "blocks.0.attn.qkv.bias", "blocks.0.norm1.weight"


def forward(z, *values):
    return block.forward(some | dict(zip(asked, values, strict=True)), z)


def backward(dz, caches):
    dz, grads = block.backward(dz, caches)
    return dz, *(grads[name] for name in asked)


check.grad(
    forward, backward, {"z": rng.standard_normal((1, 3, 48)), "qkv_bias": some[asked[0]], "gamma": some[asked[1]]}
)
print(library)

# %% [markdown] exercise="On paper" kind="predict" stars=1 minutes=8
# 1. Three layers with Jacobians A (the first), B and C: $y$ is $C$ after $B$ after $A$. Which is dx: `"ABC"`, `"CBA"`,
#    `"AtBtCt"` or `"CtBtAt"`, times dy, with `t` for a transpose? (`product`)
# 2. Through how many ways does a gradient reach the bottom of 5 residuals? (`ways`)
# 3. Dropout with r = 0.25: by what is a number multiplied that is kept? (`factor`)
# 4. x is 2, r is 0.25: what is the *variance* of y? (`variance`)
# 5. 12 blocks with drop-path rates from 0, linearly, to 0.1 in the last, two branches each: how many branches of the 24
#    are dropped on average, for one image? (`dropped`)

# %% role="solution"
# YOUR TURN
product = "AtBtCt"
ways = 32
factor = 4 / 3
variance = 4 / 3
dropped = 1.2
# END

# %% role="check"
check.answer(
    product, "AtBtCt", "product",
    reasons={"CtBtAt": "then dy would meet A first, the layer that is farthest from it", "ABC": "the transposes",
             "CBA": "that is the Jacobian of all three; dx takes its transpose"},
)  # fmt: skip
check.answer(
    ways, 2**5, "ways", reasons={5: "that is the branches: each may be taken or passed by",
                                 10: "each branch is taken or passed by, whatever was done at the others",
                                 6: "not one for each branch and one for none: any of them may be taken together",
                                 25: "two choices five times", 31: "the way that passes by all counts, too"},
)  # fmt: skip
check.answer(
    factor, 4 / 3, "factor", tol=1e-6,
    reasons={0.75: "then the mean would be 0.75 · 0.75 of x", 1: "then the mean would be 0.75 x", 1.25: "divided by 1 − r",
             1.33: "nearer, please: as a fraction", 4: "divided by 1 − r, not by r"},
)  # fmt: skip
check.answer(
    variance, 0.75 * (2 / 0.75) ** 2 - 4, "variance", tol=1e-6,
    reasons={0.75: "y is 0 or 8/3", 1: "what is kept is divided by 1 − r: y is 0 or 8/3",
             1.33: "nearer, please: as a fraction", 16 / 3: "that is the mean of y²",
             1 / 3: "that is for x = 1"},
)  # fmt: skip
check.answer(
    dropped, 24 * 0.05, "dropped", tol=1e-6,
    reasons={2.4: "0.1 is the rate of the last block alone", 0.6: "a block has two branches", 0.05: "of how many branches?",
             0.1: "that is the last block's rate"},
)  # fmt: skip

# %% [markdown] role="hint"
# 1: equation (1), once more. 2: write out $(I + J_2)(I + J_1)$ and count its terms. 4: the variance is $\mathbb
# E[y^2] - \mathbb E[y]^2$, and y takes two values. 5: the mean of numbers that rise linearly is that of the first and
# the last.

# %% role="wrong"
{
    "the forward's order": ('product = "AtBtCt"', 'product = "CtBtAt"', "farthest from it"),
    "not transposed": ('product = "AtBtCt"', 'product = "CBA"', "takes its transpose"),
    "two for each": ("ways = 32", "ways = 10", "taken or passed by"),
    "not scaled up": ("factor = 4 / 3", "factor = 1", "0.75 x"),
    "scaled down": ("factor = 4 / 3", "factor = 0.75", "0.75 · 0.75"),
    "the mean square": ("variance = 4 / 3", "variance = 16 / 3", "mean of y²"),
    "all at the full rate": ("dropped = 1.2", "dropped = 2.4", "last block alone"),
    "one branch a block": ("dropped = 1.2", "dropped = 0.6", "two branches"),
}

# %% [markdown] exercise="Side by side" kind="build" stars=2 minutes=15
# In the largest Vision Transformer (Dehghani et al., [arXiv 2302.05442](https://arxiv.org/abs/2302.05442), section 2)
# the two branches of a block do not wait for each other. They read the same norm, and both are added:
#
# $$h = \mathrm{LN}(x) \qquad y = x + f(h) + g(h)$$
#
# Write the layer: `forward(p, x)` and `backward(dy, cache)`, with `self.norm`, `self.f` and `self.g`, which are
# layers. The three have no parameter in common.


# %% role="given"
def as_layer(part):
    """A layer of the library, with forward(p, x) and backward(dy, cache) as in the chapter."""

    class Layer:
        forward = staticmethod(lambda p, x: part.forward(ops, p, x))
        backward = staticmethod(lambda dy, cache: part.backward(ops, dy, cache))

    return Layer


# %% role="solution"
class SideBySide:
    def __init__(self, norm, f, g):
        self.norm, self.f, self.g = norm, f, g

    def forward(self, p, x):
        """x (..., D) -> y like x, and the cache."""
        # YOUR TURN
        h, norm_cache = self.norm.forward(p, x)
        a, f_cache = self.f.forward(p, h)
        b, g_cache = self.g.forward(p, h)
        return x + a + b, (norm_cache, f_cache, g_cache)
        # END

    def backward(self, dy, cache):
        """dy (..., D) -> dx like x, and the gradients of all parameters, a dict."""
        # YOUR TURN
        norm_cache, f_cache, g_cache = cache
        df, grads = self.f.backward(dy, f_cache)
        dg, more = self.g.backward(dy, g_cache)
        dh, last = self.norm.backward(df + dg, norm_cache)
        return dy + dh, {**grads, **more, **last}
        # END


# %% role="check"
_norm, _f, _g = norm("norm", 6), mlp("f", 6, 5), dense("g", 6, 6)
_p = {q.name: rng.standard_normal(q.shape) for part in (_norm, _f, _g) for q in part.parameters}
_x, _dy = rng.standard_normal((2, 2, 3, 6))
_layer = SideBySide(as_layer(_norm), as_layer(_f), as_layer(_g))
_h = _norm(ops, _p, _x)
_a, _b = _f(ops, _p, _h), _g(ops, _p, _h)
_y, _cache = check.pair(_layer.forward, p=_p, x=_x)
check.close(
    _y, _x + _a + _b, "y",
    mistakes={"The shortcut is missing: x itself is added, too.": _a + _b, "The shortcut takes x, not its norm.": _h + _a + _b,
              "The branch g reads x; both read the norm.": _x + _a + _g(ops, _p, _x),
              "The branch f reads x; both read the norm.": _x + _f(ops, _p, _x) + _b,
              "The branch g is not there.": _x + _a, "The branch f is not there.": _x + _b},
)  # fmt: skip
_dx, _grads = check.pair(_layer.backward, dy=_dy, cache=_cache)
_hc, _fc, _gc = _norm.forward(ops, _p, _x)[1], _f.forward(ops, _p, _h)[1], _g.forward(ops, _p, _h)[1]
(_df, _more), (_dg, _last) = _f.backward(ops, _dy, _fc), _g.backward(ops, _dy, _gc)
_back = lambda dh: _norm.backward(ops, dh, _norm.forward(ops, _p, _x)[1])[0]
check.close(
    _dx, _dy + _back(_df + _dg), "dx",
    mistakes={"The shortcut is missing on the way back.": _back(_df + _dg),
              "h goes into both branches: its gradient is the sum of both.": _dy + _back(_dg),
              "h goes into both branches: its gradient is the sum of both. g's is missing.": _dy + _back(_df),
              "The norm's backward is missing.": _dy + _df + _dg, "The shortcut's dy is there twice.": 2 * _dy + _back(_df + _dg),
              "What the norm is given holds the shortcut's dy: that one passes it by.": _back(_dy + _df + _dg)},
)  # fmt: skip
_right = _more | _last | _norm.backward(ops, _df + _dg, _hc)[1]
assert isinstance(_grads, dict) and set(_grads) == set(_right), f"grads has {sorted(_grads)}, expected {sorted(_right)}"
for _name in _right:
    check.close(_grads[_name], _right[_name], _name)

# %% [markdown] role="hint"
# How often is h used? By equation (1) of chapter 05 its gradient is a sum with as many terms. How often is x?

# %% role="wrong"
{
    "no shortcut": ("x + a + b", "a + b", "The shortcut is missing: x"),
    "no shortcut on the way back": ("return dy + dh, {", "return dh, {", "missing on the way back"),
    "the last branch alone": (
        "self.norm.backward(df + dg, norm_cache)",
        "self.norm.backward(dg, norm_cache)",
        "sum of both",
    ),
    "the norm skipped": ("        return dy + dh, {", "        return dy + df + dg, {", "norm's backward is missing"),
    "one reads x": ("self.g.forward(p, h)", "self.g.forward(p, x)", "g reads x"),
    "gradients lost": ("{**grads, **more, **last}", "last", "grads has"),
    "one after the other": ("self.g.forward(p, h)", "self.g.forward(p, h + a)", "y  max"),
}

# %% [markdown] exercise="Better with its eyes shut" kind="break" stars=2 minutes=12
# A colleague's branches end in dropout. Her model is worse in evaluation than it is in training, on the same digits,
# and the deeper it is, the worse it learns. Find what is wrong in these two functions (there are two mistakes), and
# mend it.


# %% role="broken"
def noisy_forward(x, h, rate, rng):
    """x + dropout(h), and the cache. x, h (B, N, D): shortcut and branch; rng: a generator, None in evaluation."""
    if rng is None:
        return x + h * (1 - rate), None
    mask = (rng.random(h.shape) >= rate) / (1 - rate)
    return x + h * mask, mask


def noisy_backward(dy, mask):
    """dy (B, N, D) -> dx, dh like it."""
    if mask is None:
        return dy, dy
    return dy * mask, dy * mask


# %% role="solution"
def noisy_forward(x, h, rate, rng):
    """x + dropout(h), and the cache. x, h (B, N, D): shortcut and branch; rng: a generator, None in evaluation."""
    if rng is None:
        return x + h, None
    mask = (rng.random(h.shape) >= rate) / (1 - rate)
    return x + h * mask, mask


def noisy_backward(dy, mask):
    """dy (B, N, D) -> dx, dh like it."""
    if mask is None:
        return dy, dy
    return dy, dy * mask


# %% role="check"
_x, _h = rng.standard_normal((2, 2, 5, 4))
check.close(
    noisy_forward(_x, _h, 0.25, None)[0], _x + _h, "evaluation",
    mistakes={"What is kept was divided by 1 − r in training: the mean is right already.": _x + 0.75 * _h,
              "The branch is larger than its mean in training.": _x + _h / 0.75},
)  # fmt: skip
_large = np.ones((50, 20, 20))
_trained = noisy_forward(3 * _large, _large, 0.25, np.random.default_rng(1))[0]
_mask = np.random.default_rng(1).random(_large.shape) >= 0.25
check.close(
    _trained, 3 + _mask / 0.75, "training, a branch of ones",
    mistakes={"What is kept is not divided by 1 − r.": 3 + _mask, "Divided by r.": 3 + _mask / 0.25,
              "Kept with probability r.": 3 + ~_mask / 0.75, "Kept with probability r, and divided by r.": 3 + ~_mask / 0.25,
              "The shortcut is dropped, too.": 4 * _mask / 0.75},
)  # fmt: skip
check.grad(
    lambda x, h: noisy_forward(x, h, 0.25, np.random.default_rng(1)), noisy_backward, {"x": _x, "h": _h},
    mistakes={"The shortcut has no dropout in the forward.": lambda dy, mask: (dy * mask, dy * mask),
              "dh has passed no mask.": lambda dy, mask: (dy, dy)},
)  # fmt: skip
check.grad(lambda x, h: noisy_forward(x, h, 0.25, None), noisy_backward, {"x": _x, "h": _h})

# %% [markdown] role="hint"
# Take a branch of ones and write down the mean of what is added in training, and what is added in evaluation. Then:
# which of the two, x or h, is multiplied by the mask?

# %% role="wrong"
{
    "only evaluation mended": (
        "    return dy, dy * mask",
        "    return dy * mask, dy * mask",
        "The shortcut has no dropout",
    ),
    "only the backward mended": ("return x + h, None", "return x + h * (1 - rate), None", "the mean is right already"),
    "scaled nowhere": (" / (1 - rate)\n", "\n", "not divided by 1 − r"),
    "the wrong way round": ("return dy, dy * mask", "return dy * mask, dy", "The shortcut has no dropout"),
    "no mask on the way back": ("return dy, dy * mask", "return dy, dy", "passed no mask"),
    "both sides dropped": ("return x + h * mask, mask", "return (x + h) * mask, mask", "The shortcut is dropped, too"),
}

# %% [markdown] exercise="Memory for time" kind="further" stars=3 minutes=18
# The caches of a deep model fill the memory. *Checkpointing* (Chen et al., [arXiv
# 1604.06174](https://arxiv.org/abs/1604.06174)) keeps only what goes into a block, and runs its forward again when
# its backward needs the cache. Write it as a layer around a layer of the library, with the library's arguments. The
# cache may hold x, p and a generator, and nothing that the inner layer has computed. Beware of dropout: the second
# forward must draw the same mask as the first, and whoever uses `rng` next must find it as if nothing had happened.


# %% role="solution"
class Recomputed:
    def __init__(self, layer):
        self.layer = layer

    def forward(self, ops, p, x, rng=None):
        """-> the inner layer's y, and a cache."""
        # YOUR TURN
        before = copy.deepcopy(rng)
        y, _ = self.layer.forward(ops, p, x, rng)
        return y, (p, x, before)
        # END

    def backward(self, ops, dy, cache):
        """-> the inner layer's dx, and its gradients, a dict."""
        # YOUR TURN
        p, x, rng = cache
        _, inner = self.layer.forward(ops, p, x, rng)
        return self.layer.backward(ops, dy, inner)
        # END


# %% role="check"
_inner = layers.Residual(norm("norm", 6), mlp("mlp", 6, 9, dropout=0.4))
_p = {q.name: rng.standard_normal(q.shape) for q in _inner.parameters}
_x, _dy = rng.standard_normal((2, 2, 3, 6))
_layer, _theirs, _other = Recomputed(_inner), np.random.default_rng(3), np.random.default_rng(3)
_y, _cache = check.pair(lambda p, x: _layer.forward(ops, p, x, _theirs), p=_p, x=_x)
_expected, _full = _inner.forward(ops, _p, _x, _other)
check.close(
    _y, _expected, "y, in training",
    mistakes={"No dropout: does the inner layer get the generator?": _inner(ops, _p, _x)},
)  # fmt: skip


def _held(thing):
    if isinstance(thing, np.ndarray):
        return [] if thing.shape == _x.shape and np.array_equal(thing, _x) else [thing]
    return [a for part in thing for a in _held(part)] if isinstance(thing, (tuple, list)) else []


_much = sum(array.size for array in _held(_cache))
check.answer(
    _much, 0, "numbers in the cache beside x and p", reasons={_much: "what the inner layer computed is not to be kept"}
)
check.answer(
    _theirs.random(), _other.random(), "what rng gives next",
    reasons={np.random.default_rng(3).random(): "the first forward must draw from the rng that was given, not from a copy"},
)  # fmt: skip
_dx, _grads = check.pair(lambda dy: _layer.backward(ops, dy, _cache), dy=_dy)
_right, _its = _inner.backward(ops, _dy, _full)
_again, _and = _inner.forward(ops, _p, _x, np.random.default_rng(3)), _inner.forward(ops, _p, _x)
_later, _used = np.random.default_rng(3), np.random.default_rng(3)
for _one in (_later, _used):
    _inner.forward(ops, _p, _x, _one)
_used.random()  # as _theirs above
check.close(
    _dx, _right, "dx",
    mistakes={"It is that of evaluation: the second forward drops nothing.": _inner.backward(ops, _dy, _and[1])[0],
              "The second forward drew another mask: as rng stood after the first?":
                  _inner.backward(ops, _dy, _inner.forward(ops, _p, _x, _later)[1])[0],
              "The cache holds rng itself, and rng has moved on since: a copy of it, please.":
                  _inner.backward(ops, _dy, _inner.forward(ops, _p, _x, _used)[1])[0]},
)  # fmt: skip
assert set(_grads) == set(_its), "a gradient for every parameter"
for _name in _its:
    check.close(_grads[_name], _its[_name], _name)
_y, _cache = _layer.forward(ops, _p, _x)
check.close(
    _layer.backward(ops, _dy, _cache)[0], _inner.backward(ops, _dy, _inner.forward(ops, _p, _x)[1])[0], "evaluation, dx"
)

# %% [markdown] role="hint"
# Nothing in the cache may come from `self.layer.forward` but it must be able to run again: with which arguments?
# `copy.deepcopy(rng)` is a generator that stands where rng stands now. When must it be made?

# %% role="wrong"
{
    "copied too late": (
        "        before = copy.deepcopy(rng)\n        y, _ = self.layer.forward(ops, p, x, rng)\n",
        "        y, _ = self.layer.forward(ops, p, x, rng)\n        before = copy.deepcopy(rng)\n",
        "another mask",
    ),
    "not copied": ("before = copy.deepcopy(rng)", "before = rng", "rng has moved on"),
    "no noise the second time": ("_, inner = self.layer.forward(ops, p, x, rng)", "_, inner = self.layer.forward(ops, p, x)",
                                 "that of evaluation"),
    "all is kept": ("        y, _ = self.layer.forward(ops, p, x, rng)\n        return y, (p, x, before)",
                    "        y, kept = self.layer.forward(ops, p, x, rng)\n        return y, (p, y, before)",
                    "not to be kept"),
    "the copy is used up": ("y, _ = self.layer.forward(ops, p, x, rng)", "y, _ = self.layer.forward(ops, p, x, copy.deepcopy(rng))",
                            "not from a copy"),
    "no noise at all": ("y, _ = self.layer.forward(ops, p, x, rng)", "y, _ = self.layer.forward(ops, p, x)", "No dropout"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Say why a backward is the forward's chain in reverse, why it walks from the loss, and write Chain and Residual in
#   a few lines.
# - Say what a shortcut is good for, where the norm stands, and tell a gradient that is short from one that is of no
#   use.
# - Use dropout and drop path, with their masks and their factor, in training alone.
#
# In the library: `minivit/layers/layer.py` (the same two joints), `minivit/layers/parts.py`,
# `minivit/ops/dropout.py`, `minivit/model/vit.py`. Sources: K. He et al., *Identity Mappings in Deep Residual
# Networks*, arXiv 1603.05027; A. Veit et al., *Residual Networks Behave Like Ensembles of Relatively Shallow
# Networks*, arXiv 1605.06431; D. Balduzzi et al., *The Shattered Gradients Problem*, arXiv 1702.08591. The shapes of
# a block: A. Dosovitskiy et al., arXiv 2010.11929, section 3.1.
