# ---
# title: Positions
# question: How does a ViT know where a patch was cut from?
# sentence: Show that without positions a shuffled picture is the same picture, then give each patch its place in five ways, with the backward of each.
# minutes: 70
# needs: [1, 2]
# gpu: of no use
# ---

# %% [markdown]
# Chapter 01 cut a picture into patches and laid them in a row; chapter 02 made a vector, a **token**, of each. The order of
# the row is all that is left of the geometry. Does the model look at it? Not at all, unless we tell it to.

# %% role="setup"
import os

import numpy as np

from minivit import ViT, ViTConfig, check, count_parameters, draw, evaluate, load_mnist, ops
from minivit.data import TRAINED_DIGITS
from minivit.inspect import position_table

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
digits = load_mnist()
images = digits.train_images[:2]  # B = 2 real digits
SIZES = {"image_size": 28, "patch_size": 4, "channels": 1, "classes": 10, "width": 64, "depth": 4, "heads": 4}


def shuffled(images, order):
    """Raw images (B, 28, 28, 1) with their 49 patches in another order."""
    patches, _ = ops.patchify_forward(images, (4, 4))
    return ops.unpatchify(patches[:, order], (28, 28), (4, 4))


# %% [markdown]
# ## The picture first
#
# Two digits, and both again with their 49 patches in another order.

# %%
order = rng.permutation(49)
mixed = shuffled(images, order)
draw.digits(
    np.stack((images[0], mixed[0], images[1], mixed[1])),
    ["a digit", "shuffled", "a digit", "shuffled"],
    columns=2,
    alt="Two handwritten digits, and beside each the same digit in shuffled squares, where nothing can be recognised.",
)

# %% [markdown]
# **What to notice.** (1) No pixel is lost: each square of 4 × 4 is somewhere. (2) You cannot read the shuffled ones. (3) A
# ViT without positions sees no difference at all. That is a strong claim, and the next two sections show it.
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B | images in a batch | 2 |
# | gh, gw | rows and columns of the grid of patches | 7, 7 |
# | N | patches, gh · gw; with the class token in front there are 1 + N tokens | 49 |
# | D | numbers in a token | 64 (the trained model below: 48) |
# | x | tokens of the patches, (B, N, D) | (2, 49, 64) |
# | cls | the class token: learned, the same for all images, it will carry the answer | (1, 1, 64) |
# | pos | the table of positions, a row for each token, (1, 1+N, D) | (1, 50, 64) |
# | H | heads of attention (chapter 08) | 4 |
#
# ## Why the order is invisible
#
# In a block of a ViT, tokens meet in one place alone, **attention** (chapter 07 is about it). All that we need to know: token
# $q$ collects from every token $k$ a vector $v(z_k)$, with a weight $w(z_q, z_k)$ that depends on what the two tokens *hold*,
# and takes the weighted mean:
#
# $$\text{out} _ q = \frac{\sum_k w(z_q, z_k)\, v(z_k)}{\sum_k w(z_q, z_k)} \tag{1}$$
#
# Neither sum depends on the order of its terms. Shuffle the tokens, and each gets the same vector as before, in its new
# place. All else in a block treats each token by itself. So this holds block after block, and the class token, which
# collects from all, ends up with the same numbers. The answer is read from it alone.
#
# *Before you run the next cell: how far will the ten scores, the logits, of the shuffled digits be from those of the
# digits, for each kind of position?* We fill all learned positions with random numbers, as if a training had done it.


# %%
def untrained(position):
    # init="fan_in": larger random weights than the default's: the tokens differ visibly
    model = ViT(ViTConfig(**SIZES, position=position), dtype=np.float64, init="fan_in")
    for name, array in model.params.items():
        if "pos" in name:  # the positions alone
            array[...] = np.random.default_rng(1).standard_normal(array.shape)
    return model


for position in ("none", "1d", "2d", "sincos2d", "relative"):
    model = untrained(position)
    logits, logits_mixed = (model(model.normalize(raw)) for raw in (images, mixed))
    print(f"{position:<9} largest logit {np.abs(logits).max():.2f}, moved by {np.abs(logits - logits_mixed).max():.0e}")

# %% [markdown]
# With "none" nothing moves but the last bit: a sum in another order rounds differently. With each of the other four the
# shuffled digit is another picture.
#
# ## Adding a table
#
# The remedy of the ViT paper (section 3.1): learn a vector for each place, and add it to the token that stands there. The
# class token has a row, too, the first. A patch's row is therefore its number *plus one*:
#
# $$\begin{aligned} z_{b,0} &= \text{cls} + \text{pos} _ 0 \\
# z_{b,n+1} &= x_{bn} + \text{pos} _ {n+1} \end{aligned} \tag{2}$$


# %%
def embed_loop(x, cls, pos):
    B, N, D = x.shape
    z = np.empty((B, N + 1, D))
    for b in range(B):
        z[b, 0] = cls[0, 0] + pos[0, 0]
        for n in range(N):
            z[b, n + 1] = x[b, n] + pos[0, n + 1]
    return z


def embed(x, cls, pos):
    cls = np.broadcast_to(cls, (len(x), 1, x.shape[-1]))  # the one token, for each image: (B, 1, D)
    return np.concatenate((cls, x), axis=1) + pos  # (B, 1+N, D) + (1, 1+N, D)


x, cls, pos = rng.standard_normal((2, 49, 64)), rng.standard_normal((1, 1, 64)), rng.standard_normal((1, 50, 64))
z, _ = ops.add_position_forward(ops.prepend_forward(x, cls)[0], pos)
check.close(embed(x, cls, pos), embed_loop(x, cls, pos), "array against loop")
check.close(z, embed(x, cls, pos), "library against array")

# %% [markdown]
# ## The backward
#
# We are given $dz$, the gradient of the loss with respect to each number of $z$, and want those of x and pos.
#
# *By index.* Let x be what pos is added to, the 1 + N tokens with the class token already in front:
# $z_{bnd} = x_{bnd} + \text{pos} _ {nd}$. A number of $x$ goes to one place.
# A number of pos goes to B places: the same row serves every image. Each of them reports how it would change the loss,
# and the reports add up:
#
# $$\begin{aligned} dx_{bnd} &= dz_{bnd} \\
# d\text{pos} _ {nd} &= \sum_b dz_{bnd} \end{aligned} \tag{3}$$
#
# *In matrix form.* Write each image as one long row: X and Z are (B, (1+N)·D), and pos is one row, (1, (1+N)·D). To add it
# to all rows is to multiply it by a column of ones, $\mathbf 1$ of shape (B, 1); and the backward of a product with a
# matrix is a product with its transpose:
#
# $$\begin{aligned} Z &= X + \mathbf 1\, \text{pos} \\
# dX &= dZ \\
# d\text{pos} &= \mathbf 1^\top dZ \end{aligned} \tag{4}$$
#
# *In code*, and it is the class token's backward, too, since that is one row that serves B images:


# %%
def add_backward(dz):
    dx = dz  # (3)
    dpos = dz.sum(axis=0, keepdims=True)  # (3), the sum: (1, 1+N, D)
    return dx, dpos


dz = rng.standard_normal((2, 50, 64))
ones = np.ones((2, 1))
check.close((ones.T @ dz.reshape(2, -1)).reshape(1, 50, 64), add_backward(dz)[1], "with ones (4) against the sum (3)")
for name, theirs, ours in zip(("dx", "dpos"), ops.add_position_backward(dz, None), add_backward(dz), strict=True):
    check.close(theirs, ours, f"{name}, library against ours")
small = {"x": rng.standard_normal((3, 5, 2)), "position": rng.standard_normal((1, 5, 2))}
check.grad(ops.add_position_forward, ops.add_position_backward, small)  # against differences: chapter 05

# %% [markdown]
# Remember this pattern, it returns in all that follows: **where one number served many times, its gradient is a sum over
# the times.**
#
# ## Five answers
#
# `ViTConfig(position=…)` knows five. Learned numbers of each, for the grid of 7 × 7:

# %%
none = count_parameters(ViTConfig(**SIZES, position="none"))
for position in ("none", "1d", "2d", "sincos2d", "relative"):
    print(f"{position:<9} {count_parameters(ViTConfig(**SIZES, position=position)) - none:>5,} learned numbers")

# %% [markdown]
# **"1d"**: the table above, (1 + N) · D numbers. It is called 1-D because it knows nothing of rows and columns: patch 0 is no
# nearer to patch 7, right below it, than to patch 30. What is near must be learned.
#
# **"2d"**: half of the numbers say the row, the other half the column. Patch $(i, j)$ gets row vector $i$, followed by
# column vector $j$. (The class token is nowhere, and gets zeros; so it does with "sincos2d".)


# %%
def position_2d_loop(row, column):
    return np.array([[np.concatenate((r, c)) for r in row for c in column]])  # (1, gh·gw, D), in reading order


row, column = rng.standard_normal((7, 32)), rng.standard_normal((7, 32))
table_2d, grid = ops.position_2d_forward(row, column)
check.close(table_2d, position_2d_loop(row, column), "library against loop")

# %% [markdown]
# Each row vector serves the gw patches of its row, each column vector gh patches. So, by the pattern, with the left and
# the right half of the numbers of dpos:
#
# $$\begin{aligned} d\text{row} _ i &= \sum_j d\text{pos} _ {ij}^{\text{left}} \\
# d\text{column} _ j &= \sum_i d\text{pos} _ {ij}^{\text{right}} \end{aligned} \tag{5}$$
#
# In matrix form, let $R$ be (N, gh), with a 1 in row $n$, column $i$ where patch $n$ lies in row $i$ of the grid, and 0
# elsewhere. It copies; its transpose gathers:
#
# $$\begin{aligned} \text{pos}^{\text{left}} &= R\,\text{row} \\
# d\text{row} &= R^\top d\text{pos}^{\text{left}} \end{aligned} \tag{6}$$

# %%
dpos = rng.standard_normal((1, 49, 64))
R = np.repeat(np.eye(7), 7, axis=0)  # (49, 7): patches 0 to 6 lie in row 0, and so on
drow, dcolumn = ops.position_2d_backward(dpos, grid)
check.close(drow, R.T @ dpos[0, :, :32], "drow, library against (6)")
small = {"row": rng.standard_normal((2, 3)), "column": rng.standard_normal((5, 3))}
check.grad(ops.position_2d_forward, ops.position_2d_backward, small)

# %% [markdown]
# **"sincos2d"**: nothing is learned. A quarter of the numbers are sines of the column $j$, a quarter cosines, and likewise
# for the row $i$, with $D/4$ frequencies $ω_f$ from 1 down to 1/10,000: fast waves tell neighbours apart, slow ones say
# which side of the picture it is. The range was made for far longer ways: over 7 places most of these waves barely move.
#
# $$\begin{aligned} \text{pos}(i, j) = [\, & \sin ω j \mid \cos ω j \mid \\
# & \sin ω i \mid \cos ω i \,] \end{aligned} \tag{7}$$
#
# Why a sine *and* a cosine? Multiply two positions, and use $\sin a \sin b + \cos a \cos b = \cos(a - b)$:
#
# $$\begin{aligned} & \text{pos}(i, j) \cdot \text{pos}(i', j') \\
# & = \sum_f \bigl[\cos ω_f (j - j') \\
# & \qquad + \cos ω_f (i - i')\bigr] \end{aligned} \tag{8}$$
#
# It depends on the *offset* of two patches alone, wherever they lie. Attention compares tokens by products (through
# learned matrices), so a head *can* compare by offset.

# %%
waves = ops.position_sincos_2d((7, 7), 64)[0]  # (49, 64)
omega = 10000.0 ** -(np.arange(16) / 15)
i, j = (a.ravel() for a in np.mgrid[:7, :7])
by_offset = sum(np.cos(w * (j[:, None] - j)) + np.cos(w * (i[:, None] - i)) for w in omega)
check.close(waves @ waves.T, by_offset, "products against (8)")
print(f"waves that turn by less than 0.1 radian over the grid: {np.sum(6 * omega < 0.1)} of {len(omega)}")

# %% [markdown]
# How does each table say where a patch is? Compare a patch's position with all others: the cosine of the angle between the
# two is 1 where they agree. What all places share says nothing about where they are, so we take the mean away first.
# *Predict: for the patch in row 2, column 3, what will the picture be with "2d" and with "1d", both of random numbers, as at
# the start of a training, and with "sincos2d"?* The fourth panel is a "1d" table that was learned, by a model that ships
# with the library (`course/train_models.py` made it).


# %%
def cosines(table):
    """table (49, D) -> (49, 49): how alike the positions of any two patches are."""
    table = table - table.mean(axis=0)
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    return unit @ unit.T


trained = ViT.load(TRAINED_DIGITS)
tables = {"2d, random": table_2d[0], "sincos2d": waves, "1d, random": rng.standard_normal((49, 64))}
alike = {name: cosines(table) for name, table in (tables | {"1d, learned": position_table(trained)}).items()}
draw.matrices(
    [
        {"title": name, "array": similar[2 * 7 + 3].reshape(7, 7), "values": False, "mark": [(2, 3)]}
        for name, similar in alike.items()
    ],
    diverging=True,
    limits=(-1, 1),
    alt="Four grids of 7 by 7 colours, the patch in row 2, column 3 outlined. 2d, random: a cross, its row about 0.6, its "
    "column about 0.3. sincos2d: a smooth hill that falls off with the distance. 1d, random: the patch alone. 1d, learned: "
    "the patch and some of its neighbours are alike, some patches below and to the right are unlike it.",
)

# %% [markdown]
# **What to notice.** (1) "2d" and "sincos2d" have the geometry built in, even where the numbers are random. (2) A random
# "1d" table has none: every other patch is equally strange. (3) In the learned one, nearness is back. Nobody told the model
# which patches are neighbours; it found out from digits. One patch may deceive, so here are all pairs, by their distance,
# rounded: a diagonal neighbour, 1.4 away, counts as 1.

# %%
distance = np.hypot(i[:, None] - i, j[:, None] - j).round().astype(int)  # (49, 49), in patches
apart = np.arange(1, 9)
draw.lines(
    {name: (apart, [similar[distance == d].mean() for d in apart]) for name, similar in alike.items()},
    xlabel="distance of two patches",
    ylabel="mean cosine of their positions",
    alt="Mean cosine against distance, 1 to 8 patches. sincos2d starts near 0.8 and is below 0 from 4 on. Random 2d falls "
    "from a little above 0 to a little below. Random 1d stays at 0. Learned 1d starts at 0.3, is 0 at 2, lowest at 4, and "
    "rises again from 5 to above 0.3 at 8.",
)

# %% [markdown]
# **What to notice.** (1) The learned positions of neighbours are alike, and from a distance of 2 on they are not: a short
# reach, but learned from nothing. (2) "2d" starts low, because only neighbours in the same row or column share a half. (3)
# The learned curve turns up from 5 on. The farthest patches lie in or near opposite corners: what is in the corners?

# %%
patches, _ = ops.patchify_forward(digits.train_images, (4, 4))
ink = (patches > 0).any(axis=2).mean(axis=0).reshape(7, 7)
print(f"digits with ink in a patch: at most {ink[::6, ::6].max():.1%} in the corners, {ink[3, 3]:.0%} in the middle")
corners = alike["1d, learned"][np.ix_([0, 6, 42, 48], [0, 6, 42, 48])]
print(f"mean cosine of two corners: {(corners.sum() - 4) / 12:.2f}, of two neighbours: "
      f"{alike['1d, learned'][distance == 1].mean():.2f}")  # fmt: skip

# %% [markdown]
# Two patches that are empty in nearly every digit give equal tokens but for their positions, and so they get nearly equal
# gradients: their rows of the table move alike, and nothing teaches the model to tell the places apart. It learns the geometry
# that the *data* have. (The paper's Figure 7 shows the same cosines for photographs, where rows and columns stand out.
# `minivit.inspect.position_similarity` gives them as there, with the mean left in.)

# %% [markdown]
# **"relative"**: nothing is added to the tokens. Instead, each attention score gets a learned number that depends on the
# offset (rows down, columns right) from the key to the query. A head has a list of (2·gh − 1)(2·gw − 1) of them, and three
# more: class token to patch, patch to class token, class token to itself. In 4 blocks of 4 heads that makes 4 · 4 ·
# (13 · 13 + 3) = 2,752, as counted above. The matrix below says which one each pair uses, in a grid of 3 × 3 patches without a
# class token. The library's attention takes the numbers as a `bias`.

# %%
index = ops.relative_index((3, 3), class_token=False)
draw.matrix(
    index, rows="query: the patch that looks", columns="key: the patch that is looked at",
    title="which of 25 numbers a pair of patches uses",
    alt="A matrix of 9 by 9 whole numbers from 0 to 24. Along each diagonal of each 3 by 3 block the number is the same; the "
    "main diagonal is 12 throughout.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) On the diagonal stands 12 everywhere: "the same patch" is one offset. (2) Along the diagonals of each
# block of 3 × 3 the number repeats: the same offset, another place. (3) 25 numbers serve 81 pairs. So in the backward each
# number $e$ gets the sum over its pairs, of a dbias that is already summed over the images:
#
# $$d\text{table} _ e = \sum_{q,\,k\,:\,\text{index}(q,\,k) = e} d\text{bias} _ {qk} \tag{9}$$

# %%
dbias = rng.standard_normal((4, 9, 9))  # (H, N, N), here N = 9: one bias for each head and pair
_, cache = ops.relative_bias_forward(rng.standard_normal((25, 4)), index)
by_sum = np.array([dbias[:, index == e].sum(axis=1) for e in range(25)])  # (9): (entries, H)
check.close(ops.relative_bias_backward(dbias, cache), by_sum, "dtable, library against (9)")
check.grad(lambda t: ops.relative_bias_forward(t, index), ops.relative_bias_backward, {"table": np.zeros((25, 2))})

# %% [markdown]
# ## What is it worth?
#
# *Your guess: how well can digits be read from a bag of patches, without any place?* Trained for 8 epochs on 8,000 digits,
# 16 patches of 7 × 7, tested on 2,000 others, three seeds each (printed by `benchmarks/positions.py`; in per cent). The last
# column: the same test digits, all with their patches shuffled in the same way.
#
# | positions | accuracy, mean | lowest to highest | shuffled, mean |
# |---|---|---|---|
# | none | 87.1 | 86.8 to 87.5 | 87.1 |
# | 1d | 95.1 | 94.7 to 95.5 | 34.1 |
# | 2d | 94.5 | 94.2 to 94.7 | 48.5 |
# | sincos2d | 90.4 | 89.6 to 91.0 | 60.4 |
# | relative | 92.0 | 91.6 to 92.8 | 56.5 |
#
# A bag of patches goes far. Without positions, shuffling costs nothing, as equation (1) says. And each of the four others
# reads better because it looks at the places, and pays for it when the places lie.
#
# Do not read a ranking of the four from this table: the training is short, and its learning rate was chosen with "1d". In
# the paper (appendix D.4, Table 8: ViT-B/16, ImageNet, 5-shot, a linear classifier, in per cent) the three that it tries
# are alike, and "none" is behind by nearly 3 points:
#
# | none | 1-D | 2-D | relative |
# |---|---|---|---|
# | 61.4 | 64.2 | 64.0 | 64.0 |
#
# (The paper's relative positions depend on what the query holds; ours is the table of BEiT and Swin.) Its authors' reason:
# 14 × 14 places are few, and any way of telling them apart is learned about equally well.
#
# Last, the model that ships, on shuffled digits. *Will it fall to 10 %, pure chance?*

# %%
count = 200 if FAST else 2000
raw, labels = digits.test_images[:count], digits.test_labels[:count]
print(f"digits:   {evaluate(trained, raw, labels)[1]:.1%}")
print(f"shuffled: {evaluate(trained, shuffled(raw, order), labels)[1]:.1%}")

# %% [markdown]
# Not to 10 %: which patches there are, how much ink, which slopes, still counts for something. But most of what it reads
# lies in where the strokes are.

# %% [markdown] exercise="What changes nothing?" kind="predict" stars=1 minutes=5
# A ViT with `position="none"`, patches of 4 × 4. Four things are done to an image: "mirror" (left and right exchanged,
# `image[:, ::-1]`), "roll 4" (every row moves down by 4 pixels, and the last four come in at the top), "roll 1" (the
# same by one pixel), "shuffle" (its patches in another order). Which of them leave the logits as they were, but for
# rounding? Answer with a set of names, such as `{"mirror", "roll 1"}`.

# %% role="solution"
# YOUR TURN
unchanged = {"roll 4", "shuffle"}
# END

# %% role="check"
_model = ViT(ViTConfig(**SIZES, position="none"), dtype=np.float64, init="fan_in")
_changed = {
    "mirror": images[:, :, ::-1],
    "roll 4": np.roll(images, 4, axis=1),
    "roll 1": np.roll(images, 1, axis=1),
    "shuffle": shuffled(images, rng.permutation(49)),
}
_before = _model(_model.normalize(images))
_same = {name for name, raw in _changed.items() if np.abs(_model(_model.normalize(raw)) - _before).max() < 1e-12}
_why = {
    "roll 1": "what happens inside a patch when the image moves by one pixel?",
    "mirror": "mirroring moves patches, but what does it do inside each of them?",
    "roll 4": "a roll by 4 pixels moves whole patches: where do they go?",
    "shuffle": "a shuffle moves whole patches: is any of them lost or changed?",
}
_given = frozenset(unchanged) if isinstance(unchanged, (set, frozenset)) else frozenset()
_said = [f"the names are {', '.join(_why)}"] if _given - set(_why) else [
    why for name, why in _why.items() if name in _given ^ _same
]  # fmt: skip
check.answer(unchanged, _same, "unchanged", reasons={_given: (*_said, "")[0]})

# %% [markdown] role="hint"
# The model sees the patches as a bag: what matters is which patches there are, not where. Which of the four leave the
# contents of the bag as they are?

# %% role="wrong"
{
    "the roll is forgotten": ('{"roll 4", "shuffle"}', '{"shuffle"}', "moves whole patches"),
    "a mirror is a shuffle": ('{"roll 4", "shuffle"}', '{"roll 4", "shuffle", "mirror"}', "inside each of them"),
    "all": ('{"roll 4", "shuffle"}', '{"roll 4", "roll 1", "shuffle", "mirror"}', "by one pixel"),
    "none": ('{"roll 4", "shuffle"}', "set()", "where do they go"),
    "a name that is none": ('{"roll 4", "shuffle"}', '{"roll4", "shuffle"}', "the names are"),
}

# %% [markdown] exercise="The first tokens" kind="build" stars=2 minutes=15
# Write equation (2), which is [cls | x] + pos, and its backward: `z, cache = tokens_forward(x, cls, pos)` with x (B, N, D), cls
# (1, 1, D), pos (1, 1+N, D) gives z (B, 1+N, D); `tokens_backward(dz, cache)` returns dx, dcls, dpos, shaped like x, cls
# and pos. The cache may be None. Do not use the library's functions. It will be called with batches of several sizes.


# %% role="solution"
def tokens_forward(x, cls, pos):
    """x (B, N, D), cls (1, 1, D), pos (1, 1+N, D) -> z (B, 1+N, D), and the cache."""
    # YOUR TURN
    cls = np.broadcast_to(cls, (len(x), 1, x.shape[-1]))
    return np.concatenate((cls, x), axis=1) + pos, None
    # END


def tokens_backward(dz, cache):
    """dz (B, 1+N, D) -> dx (B, N, D), dcls (1, 1, D), dpos (1, 1+N, D)."""
    # YOUR TURN
    dx = dz[:, 1:]
    dcls = dz[:, :1].sum(axis=0, keepdims=True)
    dpos = dz.sum(axis=0, keepdims=True)
    return dx, dcls, dpos
    # END


# %% role="check"
_cls, _pos = rng.standard_normal((1, 1, 3)), rng.standard_normal((1, 6, 3))
for _B in (1, 4):
    _x = rng.standard_normal((_B, 5, 3))
    _z = ops.add_position_forward(ops.prepend_forward(_x, _cls)[0], _pos)[0]
    check.close(check.pair(tokens_forward, x=_x, cls=_cls, pos=_pos)[0], _z, f"z, B = {_B}")
check.grad(tokens_forward, tokens_backward, {"x": rng.standard_normal((2, 5, 3)), "cls": _cls, "pos": _pos})

# %% [markdown] role="hint"
# `np.broadcast_to(cls, shape)` gives each image the class token without copying it. In the backward ask of each number: how
# many places of z did it go to? cls went to B places, and so did each number of pos.

# %% role="wrong"
{
    "a table for each image": ("dpos = dz.sum(axis=0, keepdims=True)", "dpos = dz", "is a sum over it missing"),
    "the mean over the batch": ("dpos = dz.sum(axis=0", "dpos = dz.mean(axis=0", "that is 1/2"),
    "cls put in front after the positions": (
        "np.concatenate((cls, x), axis=1) + pos", "np.concatenate((cls, x + pos[:, 1:]), axis=1)",
        "Only index 0 of axis 1 is wrong"),
    "written into x": (
        "    return np.concatenate((cls, x), axis=1) + pos, None",
        "    x += pos[:, 1:]\n    return np.concatenate((cls + pos[:, :1], x), axis=1), None", "changed its input x"),
    "z alone": ("axis=1) + pos, None", "axis=1) + pos", "expected the pair (y, cache)"),
    "one image alone": ("(len(x), 1, x.shape[-1])", "(1, 1, x.shape[-1])", "must match exactly"),
}  # fmt: skip

# %% [markdown] exercise="It reads 87 %" kind="break" stars=1 minutes=6
# A model with learned positions reads 87 % of the digits, and it reads shuffled digits just as well. Its positions are added by
# this function, for one image. The table may have more rows than the image has patches. Find the mistake and mend it.


# %% role="broken"
def add_positions(x, pos):
    """x (N, D) the patches of one image, pos (N or more, D); patch n gets row n -> (N, D)."""
    return x + pos[len(x)]


# %% role="solution"
def add_positions(x, pos):
    """x (N, D) the patches of one image, pos (N or more, D); patch n gets row n -> (N, D)."""
    return x + pos[: len(x)]


# %% role="check"
_x, _pos = rng.standard_normal((5, 3)), rng.standard_normal((8, 3))
check.close(
    check.call(add_positions, x=_x, pos=_pos), np.array([_x[n] + _pos[n] for n in range(5)]), "x + positions",
    mistakes={
        "All patches get one and the same row: that says nothing about where they are.": _x + _pos[5],
        "Each patch gets the row of the next one.": _x + _pos[1:6],
        "The rows are counted from the end of the table.": _x + _pos[-5:],
    },
)  # fmt: skip

# %% [markdown] role="hint"
# What is the shape of `pos[len(x)]`? And what does NumPy do when you add it to an array of shape (N, D)?

# %% role="wrong"
{
    "one row for all": ("pos[: len(x)]", "pos[len(x)]", "one and the same row"),
    "off by one": ("pos[: len(x)]", "pos[1 : len(x) + 1]", "row of the next one"),
    "from the end": ("pos[: len(x)]", "pos[-len(x) :]", "from the end of the table"),
    "written into x": ("    return x + pos[: len(x)]", "    x += pos[: len(x)]\n    return x", "changed its input x"),
}

# %% [markdown] exercise="Two mistakes that training hides" kind="break" stars=2 minutes=12
# With this function a model trains from scratch as well as any other. Then somebody loads published weights into it, and
# the accuracy is poor. It differs from equation (2), [cls | x] + pos, in two places: mend both. And why does a training
# from scratch not mind?


# %% role="broken"
def first_tokens(x, cls, pos):
    """x (B, N, D), cls (1, 1, D), pos (1, 1+N, D), its row 0 for the class token -> z (B, 1+N, D)."""
    x = x + pos[:, :-1]
    cls = np.broadcast_to(cls, (len(x), 1, x.shape[-1]))
    return np.concatenate((cls, x), axis=1)


# %% role="solution"
def first_tokens(x, cls, pos):
    """x (B, N, D), cls (1, 1, D), pos (1, 1+N, D), its row 0 for the class token -> z (B, 1+N, D)."""
    cls = np.broadcast_to(cls, (len(x), 1, x.shape[-1]))
    x = np.concatenate((cls, x), axis=1)
    # From scratch nobody minds: which row serves which patch is a matter of names, and cls is learned with or without
    # pos_0. Published weights were learned with equation (2).
    return x + pos


# %% role="check"
_x, _cls, _pos = rng.standard_normal((3, 5, 2)), rng.standard_normal((1, 1, 2)), rng.standard_normal((1, 6, 2))
_front = np.broadcast_to(_cls, (3, 1, 2))
_z = ops.add_position_forward(ops.prepend_forward(_x, _cls)[0], _pos)[0]
check.close(
    check.call(first_tokens, x=_x, cls=_cls, pos=_pos), _z, "z",
    mistakes={
        "The class token stands at the end, not in front.": np.concatenate((_x, _front), axis=1) + _pos,
        "Both mistakes are still there.": np.concatenate((_front, _x + _pos[:, :-1]), axis=1),
        "The class token gets no position: row 0 is never used.": np.concatenate((_front, _x + _pos[:, 1:]), axis=1),
        "Each patch gets the row of the token before it: the class token's row is counted as a patch's.":
            np.concatenate((_front + _pos[:, :1], _x + _pos[:, :-1]), axis=1),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Which row of pos does patch 0 get here, and which one in equation (2)? Which row does the class token get? Then think of
# the order of the two steps: what if cls were in front *before* anything is added?

# %% role="wrong"
{
    "cls still without a row": ("    return x + pos", "    x[:, 1:] += pos[:, 1:]\n    return x", "row 0 is never used"),
    "patches still off by one": (
        "    return x + pos", "    x[:, :1] += pos[:, :1]\n    x[:, 1:] += pos[:, :-1]\n    return x",
        "the row of the token before it"),
    "written into x": (
        "    x = np.concatenate((cls, x), axis=1)\n", "    x += pos[:, 1:]\n    x = np.concatenate((cls, x), axis=1)\n",
        "changed its input x"),
    "cls at the end": ("np.concatenate((cls, x), axis=1)", "np.concatenate((x, cls), axis=1)", "stands at the end"),
}  # fmt: skip

# %% [markdown] exercise="One digit at a time" kind="break" stars=2 minutes=8
# A colleague's model trains well. But it reads worse when digits come one at a time, its gradient check is green, and its
# file is as many times too large as there are images in a batch. Mend all three functions: `make_positions(x, rng)` gives
# one table (N, D) for tokens x (B, N, D); forward and backward add it, as in equations (3) and (4).


# %% role="broken"
def make_positions(x, rng):
    return 0.02 * rng.standard_normal(x.shape)


def positions_forward(x, pos):
    return x + pos[: len(x)], pos.shape


def positions_backward(dy, shape):
    dpos = np.zeros(shape)
    dpos[: len(dy)] = dy
    return dy, dpos


# %% role="solution"
def make_positions(x, rng):
    return 0.02 * rng.standard_normal(x.shape[1:])


def positions_forward(x, pos):
    return x + pos, pos.shape


def positions_backward(dy, shape):
    dpos = dy.sum(axis=0)
    return dy, dpos


# %% role="check"
x = rng.standard_normal((4, 6, 3))
x[3] = x[0]  # the same image, in two places of the batch
pos = make_positions(x.copy(), np.random.default_rng(1))
check.close(
    pos, 0.02 * np.random.default_rng(1).standard_normal((6, 3)), "positions",
    mistakes={"There is a table for every place in the batch.": 0.02 * np.random.default_rng(1).standard_normal((4, 6, 3))},
)  # fmt: skip
y, _ = check.pair(positions_forward, x=x, pos=pos)
check.close(y[3], y[0], "the same image, the same tokens")
check.close(positions_forward(x[2:3], pos)[0][0], y[2], "alone, and in the batch")
check.grad(positions_forward, positions_backward, {"x": x, "pos": 50 * pos})

# %% [markdown] role="hint"
# Which of the letters B, N, D may a parameter's shape contain? And once all images share a table, how many times is each of
# its numbers used?

# %% role="wrong"
{
    "as it was": ("x.shape[1:]", "x.shape", "a table for every place in the batch"),
    "the first image's gradient": ("dy.sum(axis=0)", "dy[0]", "dpos"),
    "the mean over the batch": ("dy.sum(axis=0)", "dy.mean(axis=0)", "times 0.25"),
    "not summed": ("dpos = dy.sum(axis=0)", "dpos = dy", "a sum over axis 0"),
}

# %% [markdown] exercise="A shift is a rotation" kind="further" stars=3 minutes=15
# Why *can* a head learn "look two patches to the left" from waves? Because a shift is a matrix, the same wherever you
# are: each pair $(\sin ωx, \cos ωx)$ turns by the angle $ωk$. Write `shift_matrix(k, omega)`, (2n, 2n),
# with which `waves_1d(x, omega) @ shift_matrix(k, omega)` is `waves_1d(x + k, omega)` for every x.


# %% role="given"
def waves_1d(x, omega):
    """x (m,) places, omega (n,) frequencies -> (m, 2n): [sin ωx | cos ωx]."""
    return np.concatenate((np.sin(x[:, None] * omega), np.cos(x[:, None] * omega)), axis=1)


# %% role="solution"
def shift_matrix(k, omega):
    """k a number, omega (n,) -> (2n, 2n)."""
    # YOUR TURN
    s, c = np.diag(np.sin(k * omega)), np.diag(np.cos(k * omega))
    return np.block([[c, -s], [s, c]])
    # END


# %% role="check"
_omega, _x = np.array([1.0, 0.3, 0.02]), np.arange(7.0)
check.shape(shift_matrix(2, _omega), (6, 6), "the matrix")
for _k in (2, -0.5):
    _s, _c = np.split(waves_1d(_x - _k, _omega), 2, axis=1)
    _here, _shifted = waves_1d(_x, _omega), waves_1d(_x + _k, _omega)
    _turned = (_here[:, 1::2] + 1j * _here[:, ::2]) * np.exp(1j * _k * _omega)
    check.close(
        _here @ shift_matrix(_k, _omega), _shifted, f"shifted by {_k}",
        mistakes={
            "It shifts the other way, by −k: its transpose, that is its inverse.": np.hstack((_s, _c)),
            "The sines are right. In the cosine of a sum there is a minus.": np.hstack((_shifted[:, :3], _c)),
            "The sine and the cosine of ωk have changed places.": np.hstack((_c, -_s)),
            "Nothing is shifted.": _here,
            "It takes neighbours for pairs. Here the n sines stand first, then the n cosines.":
                np.stack((_turned.imag, _turned.real), axis=2).reshape(7, 6),
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# $\sin(a + b) = \sin a \cos b + \cos a \sin b$ and $\cos(a + b) = \cos a \cos b - \sin a \sin b$, with $a = ωx$ and
# $b = ωk$. In a row vector times a matrix, a *column* of the matrix says how one new number is made of the old ones.

# %% role="wrong"
{
    "the other way": ("[[c, -s], [s, c]]", "[[c, s], [-s, c]]", "the other way"),
    "a sign": ("[[c, -s], [s, c]]", "[[c, s], [s, c]]", "there is a minus"),
    "sine for cosine": ("[[c, -s], [s, c]]", "[[s, -c], [c, s]]", "have changed places"),
    "no shift": ("np.block([[c, -s], [s, c]])", "np.eye(2 * len(omega))", "Nothing is shifted"),
    "interleaved": (
        "np.block([[c, -s], [s, c]])",
        "np.block([[c, -s], [s, c]])[np.ix_([0, 3, 1, 4, 2, 5], [0, 3, 1, 4, 2, 5])]", "takes neighbours for pairs"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Say why attention sees a bag of tokens, and show it with one permutation.
# - Choose among five ways to say where a patch is, and count what each costs.
# - Derive the gradient of anything that is used more than once: the sum over its uses, written as a product with ones or
#   with a matrix that says who used what.
#
# In the library: `minivit/ops/positions.py`, `minivit/ops/tokens.py`, and, in `minivit/model/vit.py`, `embedding`, which
# puts the first tokens together. Sources: A. Dosovitskiy et al., arXiv 2010.11929, section 3.1, appendix D.4; L. Beyer et al., *Better plain
# ViT baselines*, arXiv 2205.01580 (waves); H. Bao et al., *BEiT*, arXiv 2106.08254 (the relative table).
