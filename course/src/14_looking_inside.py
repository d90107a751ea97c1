# ---
# title: Looking inside
# question: What does a trained ViT look at, and what does that prove?
# sentence: Draw attention maps, follow them through all blocks, measure how far each head looks, and put the maps to the test, against models that have learned nothing.
# minutes: 50
# needs: [13]
# gpu: of no use
# ---

# %% [markdown]
# A trained Transformer writes down, for every token, how much it looks at every other token.
# This chapter reads these numbers: where the model looks, through all blocks and how far; and what it has learned about
# positions. At the end it asks what such maps *prove*. You need attention (chapters 07 and 08) and the model
# that chapter 13 trained; it ships with minivit. There is no training here, so it is quick.

# %% role="setup"
import os

import numpy as np

from minivit import ViT, check, draw, load_mnist
from minivit.data import TRAINED_DIGITS

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
model = ViT.load(TRAINED_DIGITS)  # 7 × 7 patches and a class token, 3 blocks, 4 heads
digits = load_mnist()
images = digits.test_images[:6]  # B = 6 digits that it has never seen
A = model.attention(model.normalize(images))  # who looks at whom

# %% [markdown]
# ## The picture first
#
# In goes a digit; out come maps of the patches that the **class token** looks at, one for each block. The class token is
# what the head reads in the end. The more orange a patch, the more of the attention it gets: the mean of the four heads.
# Each map has its own scale, from 0 to its largest number. (Ink lies on top, in grey.)

# %%
seen = A[:, 3].mean(axis=1)[:, 0, 1:].reshape(3, 7, 7)  # image 3, the eight
empty = images[3].reshape(7, 4, 7, 4).max(axis=(1, 3)) == 0  # patches without any ink
print("its attention to patches without ink, block by block:", seen[:, empty].sum(axis=1).round(2))
draw.maps(
    images[3], seen, ["block 1", "block 2", "block 3"],
    alt="A handwritten eight, and three times the same eight on a grid of 7 × 7 squares, more orange where the class token "
    "looks. In block 1: beside the eight, most at its left; in block 2: at the top and the right of its upper loop, and "
    "where the lower one begins; in block 3: at the left of its upper loop, and in it. The rest is pale.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Most of the picture gets next to nothing, and no block looks at the whole digit. (2) The blocks
# look at different places. (3) Nearly half of block 1's attention goes to patches *without ink*: that
# there is none is information, too.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | L, B, H | blocks, images, heads | | 3, 6, 4 |
# | gh, gw | patches down and across | | 7, 7 |
# | N | tokens: the class token, number 0, then the patches | | 1 + 49 |
# | A | attention: row q looks at column k | (L, B, H, N, N) | (3, 6, 4, 50, 50) |
# | a map | what one token looks at, as a picture | (gh, gw) | (7, 7) |
# | R | rollout: what reaches token q from input k | (B, N, N) | (6, 50, 50) |
#
# Every row of A comes from a softmax (chapter 07), so it sums to 1. The map of the class token is row 0 *without column
# 0*: its attention to itself has no place in the picture. So a map sums to at most 1:

# %%
from minivit.inspect import attention_maps

maps = A[:, :, :, 0, 1:].reshape(3, 6, 4, 7, 7)  # row 0: the class token looks; columns 1 to 49: at the patches
check.close(A.sum(axis=-1), np.ones((3, 6, 4, 50)), "rows of A sum to 1", tol=1e-5)
check.close(maps, attention_maps(model, images), "maps, against the library")
print("sums of the maps of image 3, the eight, in block 3:", maps[2, 3].sum(axis=(-1, -2)).round(3))

# %% [markdown]
# ## Every head by itself
#
# The mean of the heads hides what each one does. *Before you look: will the four heads of a block look at the same
# patches?*

# %%
from minivit.inspect import plot_attention_layers

draw.picture(
    plot_attention_layers(model, images[3:4]),
    alt="Twelve maps over a handwritten eight, a row for each of 3 blocks and a column for each of 4 heads: some heads look "
    "at one or two patches alone, others spread over the background, and no two maps are the same.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Heads differ: that is what several heads are for (chapter 08). (2) Some look at one patch, some at
# many: in block 3, head 3 looks all around the digit and head 4 at the left of the upper loop. (3) The colours of each map run
# up to its own largest number, so they do not compare one map with another.
#
# ## Rollout: from the last block back to the pixels
#
# A map of block 3 says which *tokens of block 2* the class token looks at. By then a token is no longer its patch: it has
# collected from others in blocks 1 and 2. What reaches the end from each *patch of the image*?
#
# The first half of a block computes x + attention(norm(x)). Keep of this only who takes from whom: forget the norm, what is
# done to the values on the way, and the MLP, which works on each token by itself. Then token q becomes its own old self
# plus what it looks at, $x_q + \sum_k A_{qk}\,x_k$. We halve it, so that the shares of a token sum to 1 again. That is an
# *assumption*: the residual and the attention count the same, however long either really is.
#
# $$\begin{aligned} \tilde A &= \tfrac12\,(A + I) \\
# R &= \tilde A_L \cdots \tilde A_2\, \tilde A_1 \end{aligned} \tag{1}$$
#
# with A the mean of the heads (Abnar and Zuidema, [arXiv 2005.00928](https://arxiv.org/abs/2005.00928)). The first block
# stands on the right, because it meets the input first. Written out for two blocks,
#
# $$R_{qk} = \sum_j (\tilde A_2)_{qj}\,(\tilde A_1)_{jk} \tag{2}$$
#
# is the sum over all paths from k by way of j to q. As a loop, and as a product of matrices:


# %%
def rollout_loop(A):
    """(L, H, N, N), one image -> (N, N), path by path."""
    N = A.shape[-1]
    R = np.eye(N)
    for block in A.mean(axis=1, dtype=float):
        new = np.zeros((N, N))
        for q in range(N):
            for k in range(N):
                for j in range(N):
                    new[q, k] += (block[q, j] + (q == j)) / 2 * R[j, k]
        R = new
    return R


def rollout_array(A):
    """(L, B, H, N, N) -> (B, N, N)."""
    R = np.eye(A.shape[-1])
    for block in A.mean(axis=2, dtype=float):  # (B, N, N)
        R = (block + np.eye(A.shape[-1])) / 2 @ R
    return R


R = rollout_array(A)
check.close(R[3], rollout_loop(A[:, 3]), "array against loop")

# %% [markdown]
# Do the rows of R still sum to 1? A matrix has rows that sum to 1 exactly when it leaves a column of ones as it is:
# $A\mathbf 1 = \mathbf 1$. Then $\tilde A \mathbf 1 = \tfrac12(\mathbf 1 + \mathbf 1) = \mathbf 1$, and in a product each
# factor in turn leaves $\mathbf 1$ alone. So yes:

# %%
from minivit.inspect import rollout, seen_by_head

check.close(R.sum(axis=-1), np.ones((6, 50)), "rows of R sum to 1", tol=1e-5)
check.close(rollout(A), R, "library against array", tol=1e-5)
print("the class token's share of itself:", R[:, 0, 0].round(3), "of at least 1/8")

# %% [markdown]
# The 1/8 is (1/2)³, the path by the residual connections alone. To draw R, the library's `seen_by_head(R, config)` keeps
# what the class token gets from the patches, row 0 from column 1 on, as a picture (7, 7). Now the six digits:

# %%
from minivit.inspect import plot_rollout

draw.picture(
    plot_rollout(model, images),
    alt="Six handwritten digits, and under each three rollout maps, with the mean, the largest and the smallest of the "
    "heads: in the first two the dark squares lie on and beside the strokes; the last is paler and more scattered.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Rollout keeps near the strokes. (2) Was that learned? The ink is the *input*: the last section asks
# models that have learned nothing. (3) "max" and "min", the largest and the smallest of the heads, are other ways to make
# one matrix of four: which you choose changes the picture.
#
# ## How far does a head look?
#
# A convolution sees its neighbours. A head may look at the far corner, from the first block on. Does it? Take the distance
# from patch q to patch k, between their middles and in pixels, and average it with the attention as weights (the ViT
# paper's Figure 11). The class token has no place, so its row and column are left out, and the rest is brought back to a
# sum of 1:
#
# $$\begin{aligned} & \text{distance}_{l,h} = \\
# & \frac{1}{B \cdot 49}\sum_{b}\sum_{q} \frac{\sum_k A_{qk}\,\lVert p_q - p_k\rVert}{\sum_k A_{qk}} \end{aligned} \tag{3}$$
#
# How large is large? A head that gives all patches the same has the mean of all distances: that is the reference. And a
# model that has learned nothing has distances, too. (`init="fan_in"` is how the trained one started.) *What do you expect
# of the trained heads of block 1: below the reference or on it?*


# %%
def distance_loop(A, block, h):
    total = 0.0
    for b in range(A.shape[1]):
        for q in range(49):
            row = A[block, b, h, 1 + q, 1:]  # from patch q to all patches
            far = [4 * np.hypot(q // 7 - k // 7, q % 7 - k % 7) for k in range(49)]  # patches are 4 pixels apart
            total += row @ far / row.sum()
    return total / (A.shape[1] * 49)


places = 4 * np.stack(np.divmod(np.arange(49), 7), axis=-1)  # (49, 2): row and column, in pixels
far = np.linalg.norm(places[:, None] - places, axis=-1)  # (49, 49)
patches = A[..., 1:, 1:].astype(float)
patches /= patches.sum(axis=-1, keepdims=True)
distances = np.einsum("lbhqk,qk->lh", patches, far) / (6 * 49)
check.close(distances[2, 1], distance_loop(A, 2, 1), "array against loop")

# %%
from minivit.inspect import attention_distance, even_distance

check.close(attention_distance(model, images), distances, "library against array", tol=1e-5)
check.close(even_distance(model.config), far.mean(), "even attention, 1/49 for every patch")
print(f"even attention: {far.mean():.2f} pixels")
fresh = [ViT(model.config, seed=seed, init="fan_in") for seed in range(3)]  # three models that nobody trained
for name, heads in (("trained", distances), ("untrained", [attention_distance(m, images) for m in fresh])):
    print(f"{name:9} heads: {np.min(heads):.1f} to {np.max(heads):.1f}, mean {np.mean(heads):.1f}")

# %%
from minivit.inspect import plot_attention_distance

draw.picture(
    plot_attention_distance(model, digits.test_images[: 20 if FAST else 200]),
    alt="The mean attention distance in pixels of four heads in each of three blocks: all points lie between 13 and 15.5 "
    "pixels, close to the dotted line of even attention at 14.4, and most of them under it.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) All heads are near the dotted line, from block 1 on: this ViT looks across the picture from the
# start. Untrained heads are nearer still to the line: training made most heads look slightly nearer, and the one that
# looks all around the digit slightly farther, no more. (2) The large ViTs of the paper have *some* short-sighted heads
# in their early blocks; here there is none. (3) The mean hides the shape: a head that looks at one far patch and a head that looks at all may have the same distance.
#
# ## What it learned about positions
#
# Nobody told the model that patch 8 lies under patch 1: positions started as random numbers (chapter 04). Compare each
# with every other by the cosine of the angle between them,
#
# $$\cos(i, j) = \frac{p_i \cdot p_j}{\lVert p_i\rVert\,\lVert p_j\rVert} \tag{4}$$
#
# Chapter 04 takes the mean of all positions away first; here it stays in, as in the ViT paper. So what many positions
# share counts as likeness, too, and the numbers differ from those of chapter 04.

# %%
from minivit.inspect import plot_position_similarity, position_similarity

table = model.params["pos_embed"][0, 1:].astype(float)  # (49, D): the class token's position, row 0, left out
unit = table / np.linalg.norm(table, axis=1, keepdims=True)
check.close(unit @ unit.T, position_similarity(model).reshape(49, 49), "cosines, against the library", tol=1e-5)
steps = np.abs(places[:, None] - places).sum(axis=-1) / 4  # from patch to patch, along the grid
rim = np.isin(places, (0, 24)).any(axis=-1)  # the outermost rows and columns
start = position_similarity(fresh[0]).reshape(49, 49)
print(f"neighbours:                {(unit @ unit.T)[steps == 1].mean():.2f}, untrained {start[steps == 1].mean():.2f}")
print(f"two of the rim, far apart: {(unit @ unit.T)[np.outer(rim, rim) & (steps > 1)].mean():.2f}")
print(f"two others, far apart:     {(unit @ unit.T)[np.outer(~rim, ~rim) & (steps > 1)].mean():.2f}")
draw.picture(
    plot_position_similarity(model),
    alt="Forty-nine small maps in a 7 × 7 layout, one for each patch, yellow where another position is like its own: in the "
    "middle a bright spot at the patch and its neighbours; for a patch of the rim much of the rim is bright as well.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Neighbours became alike: the model found the grid in the digits. (2) The positions of the rim are
# somewhat alike, even far apart: there is hardly ever ink, so probably little had to be told apart. (The picture counts
# rows and columns from 1.) (3) In the ViT paper whole rows
# and columns light up. Not here: the model had 8,000 small digits to learn from, not millions of photographs.
#
# ## What a map does not prove
#
# A map says where the model *looks*. Does the answer *depend* on it? That can be tested: erase the k patches that a map
# calls the most important, and ask the model again. The more the accuracy falls, the better the map told what mattered.
# For comparison: k patches at random; k random patches among those with ink; the k with the most ink, a ranking that does
# not know the model at all; and rollout in the three *untrained* models, whose maps cannot show what was learned. *Order
# them: which will do the most harm to the trained model, which the least?*

# %%
from minivit.ops import patchify_forward, unpatchify

count = 40 if FAST else 400
raw, labels = digits.test_images[:count] / 255, digits.test_labels[:count]
cut = patchify_forward(raw, (4, 4))[0]  # (B, 49, 16)


def accuracy_without(score, k):
    """The accuracy with the k patches of highest score (B, 49) erased: paper, that is 0."""
    erased = cut.copy()
    np.put_along_axis(erased, np.argsort(-score, axis=1)[:, :k, None], 0, axis=1)
    return 100 * np.mean(model.predict(unpatchify(erased, (28, 28), (4, 4))).argmax(axis=1) == labels)


# %%
weights = model.attention(model.normalize(raw))
ink, noise = cut.sum(axis=-1), rng.random((3, count, 49))  # three draws of chance


def rollout_map(A):
    return seen_by_head(rollout(A), model.config).reshape(count, 49)


rankings = {
    "rollout": [rollout_map(weights)],
    "rollout, untrained": [rollout_map(m.attention(m.normalize(raw))) for m in fresh],
    "block 2": [weights[1, :, :, 0, 1:].mean(axis=1)],
    "last block": [weights[-1, :, :, 0, 1:].mean(axis=1)],
    "most ink": [ink],
    "chance, among ink": [n * (ink > 0) for n in noise],
    "chance": list(noise),
}

# %%
ks = (0, 8) if FAST else (0, 2, 4, 8, 12, 16)
curves = {
    name: (ks, [np.mean([accuracy_without(s, k) for s in scores]) for k in ks]) for name, scores in rankings.items()
}
print(f"a digit has ink in {np.mean(np.sum(ink > 0, axis=1)):.1f} of 49 patches, on average")
print(f"{'patches erased':18}", " ".join(f"{k:5}" for k in ks))
for name, (_, accuracies) in curves.items():
    print(f"{name:18}", " ".join(f"{a:5.1f}" for a in accuracies))
draw.lines(
    curves, xlabel="patches erased, of 49", ylabel="digits read right (%)", title="Erase what matters, and see",
    alt="Seven falling curves of accuracy against the number of erased patches. Chance falls slowest. The map of the last "
    "block falls fast at first, and later slower than chance among patches with ink. Most ink and rollout fall fastest, "
    "together up to 4; then most ink is ahead. Block 2 and rollout of untrained models lie between, close together from 4.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** A digit has ink in 18 patches on average, so read the curves at 2 to 8: later there is little left to
# rank. (1) Against blind chance every map looks impressive. That is the comparison that you often see, and it is too easy:
# most patches are empty. Against chance *among ink* the last block has lost by 8. (2) Rollout does better. But the
# amount of ink, which knows nothing of the model, does about as well at 2 and 4, and more harm at 8. (3) Rollout in
# models that have learned *nothing* does more harm than chance among ink from 4 to 12, and at 8 nearly as much as in the
# trained one. The training shows most at 2 and 4.
#
# So a rollout that follows the strokes is no proof that anything was learned: the ink is in the input, and random weights follow it,
# too. The first check of any map is to draw it for a model that has learned nothing (Adebayo et al.,
# [arXiv 1810.03292](https://arxiv.org/abs/1810.03292)).
#
# A map, then, is a description, not an explanation. Three reasons. Attention says how much is *taken* from a token, not what the
# taken value does to the answer. Rollout forgets values, norms and MLPs. And a digit with holes is a picture the
# model was never trained on, so even this test is not clean. It is also a test of *one* model: before you claim it of ViTs,
# train others (`course/train_models.py`) and repeat it. Use maps to find questions, and experiments to answer them.

# %% [markdown] exercise="A head in a corridor" kind="predict" stars=1 minutes=5
# A picture of 4 × 12 pixels is cut into three patches of 4 × 4, side by side. A head gives every patch the same attention.
# What is its attention `distance`, in pixels, to two decimals? A patch also looks at itself.

# %% role="solution"
# YOUR TURN
distance = 32 / 9
# END

# %% role="check"
from minivit.inspect import even_distance

corridor = ViT(type(model.config)(**model.config.to_dict() | {"image_size": (4, 12)})).config
check.answer(
    distance, even_distance(corridor), "distance", tol=0.005,
    reasons={
        8 / 9: "that is in patches, not in pixels", 16 / 3: "a patch looks at itself, too, from a distance of 0",
        8 / 3: "so far does the middle patch look; take the mean of all three", 4: "so far does a patch at an end look",
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Make the 3 × 3 table of distances, 0, 4 or 8 pixels, and take the mean of all nine.

# %% role="wrong"
{
    "in patches": ("distance = 32 / 9", "distance = 8 / 9", "in patches"),
    "without itself": ("distance = 32 / 9", "distance = 16 / 3", "looks at itself"),
    "the middle patch alone": ("distance = 32 / 9", "distance = 2.67", "the middle patch"),
    "an end alone": ("distance = 32 / 9", "distance = 4", "at an end"),
}

# %% [markdown] exercise="How far, on any grid" kind="build" stars=2 minutes=12
# Write `head_distance(A, grid, patch_size, prefix)`: A (B, H, N, N) is the attention of one block, grid (gh, gw) the
# patches down and across, patch_size (height, width) of a patch in pixels, and prefix the number of tokens that stand
# before the patches and have no place. Returns (H,), equation (3) for each head, in pixels.


# %% role="solution"
def head_distance(A, grid, patch_size, prefix):
    """A (B, H, prefix + gh·gw, prefix + gh·gw) -> the mean attention distance of each head, (H,), in pixels."""
    # YOUR TURN
    gh, gw = grid
    rows, columns = np.divmod(np.arange(gh * gw), gw)
    places = np.stack((rows, columns), axis=-1) * patch_size
    far = np.linalg.norm(places[:, None] - places, axis=-1)
    A = A[..., prefix:, prefix:]
    A = A / A.sum(axis=-1, keepdims=True)
    return np.einsum("bhqk,qk->h", A, far) / (len(A) * gh * gw)
    # END


# %% role="check"
scores = np.exp(2 * rng.standard_normal((2, 3, 2 + 3 * 5, 2 + 3 * 5)))
scores /= scores.sum(axis=-1, keepdims=True)
row, column = np.divmod(np.arange(15), 5)
gaps = np.stack((row[:, None] - row, column[:, None] - column), axis=-1)
_far, _near = np.linalg.norm(gaps * (6, 4), axis=-1), np.linalg.norm(gaps, axis=-1)
whole = scores[..., 2:, 2:]
shares = whole / whole.sum(axis=-1, keepdims=True)


def mean_of(gap):
    return (shares * gap).sum(axis=-1).mean(axis=(0, 2))


folded = np.stack(np.divmod(np.arange(15), 3), axis=-1)
check.close(
    head_distance(scores, (3, 5), (6, 4), 2), mean_of(_far), "distance",
    mistakes={
        "That is in patches, not in pixels.": mean_of(_near),
        "The height and the width of a patch are exchanged.": mean_of(np.linalg.norm(gaps * (4, 6), axis=-1)),
        "The places are counted in rows of gh patches; a row of the grid has gw.":
            mean_of(np.linalg.norm((folded[:, None] - folded) * (6, 4), axis=-1)),
        "The rows are not brought back to a sum of 1 after the prefix was cut off.": (whole * _far).sum(axis=-1).mean(axis=(0, 2)),
        "These are the first tokens of the sequence, and the patches are the last: the prefix is still there.":
            (scores[..., :15, :15] / scores[..., :15, :15].sum(axis=-1, keepdims=True) * _far).sum(axis=-1).mean(axis=(0, 2)),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Start from the chapter's array version. Replace 7 by gw, 4 by the patch size of that axis, and `1:` by `prefix:`.

# %% role="wrong"
{
    "in patches": (" * patch_size", "", "in patches, not in pixels"),
    "height and width exchanged": (
        " * patch_size",
        " * patch_size[::-1]",
        "height and the width of a patch are exchanged",
    ),
    "rows of gh patches": ("np.arange(gh * gw), gw)", "np.arange(gh * gw), gh)", "rows of gh patches"),
    "rows not brought back to 1": ("A = A / A.sum(axis=-1, keepdims=True)", "", "not brought back"),
    "the prefix left in": ("A[..., prefix:, prefix:]", "A[..., : gh * gw, : gh * gw]", "the prefix is still there"),
}

# %% [markdown] exercise="Rows that do not sum to one" kind="break" stars=2 minutes=8
# This rollout takes the *largest* of the heads instead of their mean, which makes rows sum to more than 1, and brings them
# back. It runs, and its maps look plausible. But its rows do not sum to 1. Find the mistake and mend it.


# %% role="broken"
def rollout_max(A):
    """A (L, H, N, N), one image -> (N, N), with the largest of the heads; rows sum to 1."""
    R = np.eye(A.shape[-1])
    for block in A:
        step = block.max(axis=0)
        step = step / step.sum(axis=-1)
        R = (step + np.eye(len(R))) / 2 @ R
    return R


# %% role="solution"
def rollout_max(A):
    """A (L, H, N, N), one image -> (N, N), with the largest of the heads; rows sum to 1."""
    R = np.eye(A.shape[-1])
    for block in A:
        step = block.max(axis=0)
        step = step / step.sum(axis=-1, keepdims=True)
        R = (step + np.eye(len(R))) / 2 @ R
    return R


# %% role="check"
from minivit.inspect import rollout

one, eye = A[:, 3].astype(float), np.eye(50)
kept, lost, columns, swapped, late, last = rollout(one[:, None], "max")[0], *[eye] * 5
for block in one.max(axis=1):
    lost = (block / block.sum(axis=-1) + eye) / 2 @ lost
    columns = (block / block.sum(axis=0, keepdims=True) + eye) / 2 @ columns
    swapped = swapped @ (block / block.sum(axis=-1, keepdims=True) + eye) / 2
    late = (block + eye) / 2 @ late
late, last = (array / array.sum(axis=-1, keepdims=True) for array in (late, lost))
sums = rollout_max(one).sum(axis=-1)
print(f"rows sum to {sums.min():.2f} … {sums.max():.2f}")
check.close(
    rollout_max(one), kept, "R",
    mistakes={
        "A sum without keepdims is (N,), and NumPy divides column k by the sum of row k.": lost,
        "Each column of a block is divided by its own sum, axis 0: it is the rows that must sum to 1.": columns,
        "R is brought back at the end alone. Each block must have rows that sum to 1 before it is multiplied.": late,
        "R is brought back at the end, but the blocks are still divided wrongly: each must have rows that sum to 1.": last,
        "The blocks are multiplied in the wrong order: the first one stands on the right.": swapped,
    },
)  # fmt: skip

# %% [markdown] role="hint"
# `step` is (N, N), its sums are (N,). By the rules of broadcasting, which axis of `step` does (N,) line up with?

# %% role="wrong"
{
    "keepdims forgotten": (", keepdims=True", "", "without keepdims"),
    "the blocks in the wrong order": (
        "(step + np.eye(len(R))) / 2 @ R",
        "R @ (step + np.eye(len(R))) / 2",
        "wrong order",
    ),
    "columns brought back to 1": ("axis=-1, keepdims", "axis=0, keepdims", "Each column of a block"),
    "R brought back at the end": (
        "R = (step + np.eye(len(R))) / 2 @ R",
        "R = (block.max(axis=0) + np.eye(len(R))) / 2 @ R\n    R = R / R.sum(axis=-1, keepdims=True)",
        "at the end alone",
    ),
    "the mistake kept, R brought back": (
        "step = step / step.sum(axis=-1, keepdims=True)\n        R = (step + np.eye(len(R))) / 2 @ R",
        "step = step / step.sum(axis=-1)\n        R = (step + np.eye(len(R))) / 2 @ R\n    R = R / R.sum(axis=-1, keepdims=True)",
        "still divided wrongly",
    ),
}

# %% [markdown] exercise="A plausible map" kind="break" stars=2 minutes=8
# With mean pooling the head reads the mean of the *patches*. So the map of such a model is the mean of what the patches
# look at. This model has a class token all the same (token 0), as some published ones do, which is not among the pooled.
# The function below gives the right shape and a plausible map. Mend it.


# %% role="broken"
def pooled_map(A):
    """A (B, H, 50, 50), token 0 a class token that is not pooled -> what the patches look at, (B, H, 7, 7)."""
    seen = A.mean(axis=-2)
    return seen[..., 1:].reshape(*A.shape[:2], 7, 7)


# %% role="solution"
def pooled_map(A):
    """A (B, H, 50, 50), token 0 a class token that is not pooled -> what the patches look at, (B, H, 7, 7)."""
    seen = A[..., 1:, :].mean(axis=-2)
    return seen[..., 1:].reshape(*A.shape[:2], 7, 7)


# %% role="check"
from minivit.inspect import seen_by_head

block = A[1].astype(float)
pooled = type(model.config)(**model.config.to_dict() | {"pool": "gap", "class_token": True})
check.close(
    pooled_map(block), seen_by_head(block, pooled), "maps",
    mistakes={
        "The class token is counted among those that look: 50 voters, not 49.": block.mean(axis=-2)[..., 1:].reshape(6, 4, 7, 7),
        "The class token is still among those that are looked at: the map is shifted by one patch.":
            block[..., 1:, :].mean(axis=-2)[..., :49].reshape(6, 4, 7, 7),
        "This is what the class token looks at, and the head does not read it.": block[..., 0, 1:].reshape(6, 4, 7, 7),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# Axis −2 is who looks, axis −1 who is looked at. Who should not be there?

# %% role="wrong"
{
    "cls among those that look": ("A[..., 1:, :]", "A", "50 voters"),
    "cls in the map": ("seen[..., 1:]", "seen[..., :49]", "shifted by one patch"),
    "what cls looks at": ("A[..., 1:, :].mean(axis=-2)", "A[..., 0, :]", "the head does not read it"),
    "a sum": ("mean(axis=-2)", "sum(axis=-2)", "times 49"),
}

# %% [markdown] exercise="For which class?" kind="further" stars=3 minutes=15
# Attention does not know the question: the map is the same for "why an 8?" and "why a 3?". The gradient does. The backward
# of attention (chapter 07) computes on its way ∂logit/∂A: how the logit of a class changes with each attention weight.
# Chefer et al. ([arXiv 2103.15679](https://arxiv.org/abs/2103.15679)) weight A with it, keep what speaks *for* the class,
# and roll out, block by block from R = I, the first block first:
#
# $$\begin{aligned} \bar A &= \frac1H \sum_h \max\left(0,\; \tfrac{\partial\,\text{logit}}{\partial A} \odot A\right) \\
# R &\leftarrow R + \bar A\,R \end{aligned}$$
#
# with the mean over the heads.
#
# Write `relevance(A, dA)`. Both are (L, B, H, N, N); the result is (B, N, N). (In the library it is
# `minivit.inspect.relevance_rollout`, and `python -m minivit look` draws it.)

# %% role="given"
from minivit.inspect import attention_gradients

for_the_answer = attention_gradients(model, images)  # A and ∂logit/∂A, for the class that the model says


# %% role="solution"
def relevance(A, dA):
    """A and ∂logit/∂A (L, B, H, N, N) -> R (B, N, N)."""
    # YOUR TURN
    R = np.eye(A.shape[-1])
    for block, dblock in zip(A, dA, strict=True):
        R = R + np.maximum(0, dblock * block).mean(axis=1) @ R
    return R
    # END


# %% role="check"
from minivit.inspect import relevance_rollout

a, da = (array[:, :2].astype(float) for array in for_the_answer)
eye = np.broadcast_to(np.eye(50), (2, 50, 50))


def rolled(weigh, start=eye):
    for p, dp in zip(a, da, strict=True):
        start = start + weigh(p, dp) @ start
    return start


backwards = eye
for p, dp in zip(a, da, strict=True):
    backwards = backwards + backwards @ np.maximum(0, dp * p).mean(axis=1)
check.close(
    relevance(a, da), relevance_rollout(a, da), "R",
    mistakes={
        "The mean over the heads comes before the maximum: heads that speak against cancel those that speak for.":
            rolled(lambda p, dp: np.maximum(0, (dp * p).mean(axis=1))),
        "What speaks against the class is still there: where is the maximum with 0?": rolled(lambda p, dp: (dp * p).mean(axis=1)),
        "The blocks are multiplied in the wrong order: a later block stands on the left.": backwards,
        "This is the sum of the heads, not their mean.": rolled(lambda p, dp: np.maximum(0, dp * p).sum(axis=1)),
        "The gradient alone is rolled out: it must be multiplied by A.": rolled(lambda p, dp: np.maximum(0, dp).mean(axis=1)),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# ⊙ is multiplication element by element, and the maximum is taken of each element, before anything is averaged. The heads
# are axis 1 of a block (B, H, N, N), and what is left, (B, N, N), multiplies R image by image with `@`.

# %% role="wrong"
{
    "mean before the maximum": (
        "np.maximum(0, dblock * block).mean(axis=1)",
        "np.maximum(0, (dblock * block).mean(axis=1))",
        "comes before the maximum",
    ),
    "no maximum": ("np.maximum(0, dblock * block)", "(dblock * block)", "speaks against"),
    "the blocks in the wrong order": ("zip(A, dA,", "zip(A[::-1], dA[::-1],", "wrong order"),
    "R on the left": (
        "np.maximum(0, dblock * block).mean(axis=1) @ R",
        "R @ np.maximum(0, dblock * block).mean(axis=1)",
        "wrong order",
    ),
    "the sum of the heads": (".mean(axis=1)", ".sum(axis=1)", "sum of the heads"),
    "A forgotten": ("dblock * block", "dblock", "gradient alone"),
}

# %% [markdown]
# ## What you can do now
#
# - Read a row of an attention matrix as a map, and leave out what has no place in the picture.
# - Follow attention through all blocks with rollout, say what it forgets, and measure how far a head looks.
# - Put a map to the test: erase, compare with a ranking that knows nothing and with an untrained model, and say what is not
#   proved.
#
# These maps for a digit that you draw, beside an untrained model's: `python -m minivit live`.
#
# [![The live page: a drawn 3, its pixels with the patches that one patch looks at, the answer, and a map for each of twelve heads, of a trained model and of an untrained one](../docs/live.png)](../docs/live.md)
#
# In the library: `minivit/inspect/attention.py` (maps, rollout, distance), `minivit/inspect/embedding.py` (positions),
# `minivit/inspect/relevance.py`. For a picture of your own: `python -m minivit look`. Sources: A. Dosovitskiy
# et al., arXiv 2010.11929, section 4.5; S. Abnar and W. Zuidema, arXiv 2005.00928; S. Jain and B. Wallace, *Attention is
# not Explanation*, arXiv 1902.10186.
