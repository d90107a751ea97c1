# ---
# title: Fused attention
# question: How can attention be computed without ever storing its N × N matrix?
# sentence: Derive the online softmax, write the fused kernel, run it without a GPU, climb the library's five versions by what they ask of the memory, and take the backward along.
# minutes: 135
# needs: [7, 23, 24]
# gpu: not needed; with one, the last cell uses it
# ---

# %% [markdown]
# Attention (chapter 07) takes three matrices of N rows and gives one back. On the way it makes two far larger ones, the
# scores S and the probabilities P, with N² numbers each, and needs neither of them afterwards. Three kernels, one for
# each step, must write them to memory and read them again. This chapter does it in one kernel, which never holds more of
# S than a small tile. That is the idea of FlashAttention (Dao et al., [arXiv 2205.14135](https://arxiv.org/abs/2205.14135)).
# All that stands in its way is the softmax, which seems to need a whole row before it can begin.
#
# The kernels run where chapter 23 says: on Linux or in WSL; on a Mac, and elsewhere, on Colab (the link above).

# %% role="setup"
import numpy as np

from minivit import check, draw, emulator, load_mnist
from minivit.ops import attention_backward, attention_forward, patchify_forward

rng = np.random.default_rng(0)
patches = patchify_forward(load_mnist().train_images[:1] / 255, (4, 4))[0][0]  # a real digit, in 49 patches
tokens = (patches - patches.mean()) / patches.std()
q, k, v = (tokens @ rng.standard_normal((16, 16)) / 4 for _ in range(3))  # N = 49 tokens, one head of width d = 16
N, d = q.shape


def attention(q, k, v):
    return attention_forward(q[None, None], k[None, None], v[None, None])[0][0, 0]  # B = 1 image, H = 1 head


# %% [markdown]
# ## The picture first
#
# On the left, all of S: how well each of the digit's 49 patches matches each (red: high, cut off at 6). On the right, what
# the tiled forward (below) has of it at three moments, while it works on the queries 16 to 31: a tile of at most 16 × 16.
# Then the tile is forgotten.

# %%
S = q @ k.T / np.sqrt(d)


def alive(first):
    tile = np.full_like(S, np.nan)
    tile[16:32, first : first + 16] = S[16:32, first : first + 16]
    return tile


moments = {f"stored: {S.size:,}": S, "now: 256": alive(0), "then: 256": alive(16), "last: 16": alive(48)}
draw.matrices(
    [
        {"title": title, "array": array, "values": False, "rows": "query", "columns": "key"}
        for title, array in moments.items()
    ],
    diverging=True, limits=(-6, 6), colorbar=False,
    alt="Four squares of 49 by 49. The first is full: all scores, a plaid of red and blue stripes. The others are grey but for "
    "one small tile in the second band of rows, which moves from the left edge to the right; the last is one column wide.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Of 2,401 numbers, 256 are alive at a time, however large N is: so many a block, and many blocks run
# at once. (2) The last tile has one column, since 49 = 3 · 16 + 1: as in chapter 23, the end needs a guard. (3) A tile holds a part of each row. How can it be
# divided by the sum of a row that is not yet known?
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | Q, K, V, O | queries, keys, values, output | (N, d) | (49, 16) |
# | S, P | scores Q Kᵀ / √d, and their softmax | (N, N) | (49, 49) |
# | m, l | largest score so far, sum so far: a number a query | (N,) | (49,) |
# | lse | log-sum-exp of each row, kept for the backward | (N,) | (49,) |
# | δ | a number a query that the backward needs | (N,) | (49,) |
# | Sₜ | a tile of S: queries × keys | | 16 × 16 |
#
# ## What it saves
#
# Each number that a kernel needs from memory must be read once at least, and each result written once. The three kernels
# read Q, K and V and write O, 4Nd numbers, and lse, N more; and S is written, read, written again as P, and read again: 4N².
# One fused kernel needs 4Nd + N. *Predict, before you run the cell, the ratio for a head of ViT-B: N = 197, d = 64.*

# %%
lengths = np.array([65, 197, 785, 3137])  # tokens: pictures of 32² in 4², then 224² in 16² and 8², 448² in 8²; + 1
fused, three = (4 * lengths * 64 + lengths) * 4, (4 * lengths * 64 + lengths + 4 * lengths**2) * 4  # bytes, d = 64
for length, a, b in zip(lengths, three, fused, strict=True):
    print(
        f"N = {length:5,}:  S has {length**2:9,} numbers; bytes: three kernels {a:11,}, fused {b:9,}; {a / b:.1f} times"
    )

# %% [markdown]
# (1) Twice the tokens are twice the bytes for one, and in the long run four times for the other. (2) At N = 197 the factor
# is 4, not a hundred: for the short sequences of a ViT, fusing is welcome and no miracle. (3) What must be *kept* for the
# backward shrinks more: P takes N² numbers, lse takes N; and out, N d, which the next layer keeps anyway.
#
# ## One row, read once
#
# Take one query, with scores $s_1, \dots, s_N$. Its output is $\sum_j e^{s_j} v_j \,/ \sum_j e^{s_j}$. In float32 $e^{89}$ is
# no longer finite, so (chapter 07) the largest score m is taken away first; $e^{-m}$ cancels. But m is known only at
# the end. So we take the largest **so far**. After j keys, let
#
# $$\begin{aligned} m_j &= \max_{i \le j} s_i, \\
# l_j &= \sum_{i \le j} e^{s_i - m_j}, \\
# o_j &= \sum_{i \le j} e^{s_i - m_j}\, v_i \end{aligned} \tag{1}$$
#
# *Induction.* Before the first key, $m_0 = -\infty$, $l_0 = 0$ and $o_0 = 0$: sums of nothing. Now suppose that we have (1)
# for j − 1, and key j comes. Then $m_j = \max(m_{j-1}, s_j)$. All earlier terms were measured against the old maximum. By
# index, for each $i < j$,
#
# $$e^{s_i - m_j} = e^{s_i - m_{j-1}}\; e^{m_{j-1} - m_j} \tag{2}$$
#
# The second factor does not depend on i, so it comes out of the sum. One **correction** a mends all terms at once:
#
# $$\begin{aligned} a &= e^{m_{j-1} - m_j}, \\
# l_j &= a\, l_{j-1} + e^{s_j - m_j}, \\
# o_j &= a\, o_{j-1} + e^{s_j - m_j}\, v_j \end{aligned} \tag{3}$$
#
# which is (1) for j. At the end, $o_N / l_N$ is the output. Nothing was stored but m, l and o: d + 2 numbers. By equation (2), two
# such results, of two parts of the keys, can also be merged (exercise 2).


# %%
def one_row(q_i, k, v):
    m, l, o = -np.inf, 0.0, np.zeros(v.shape[1])
    for k_j, v_j in zip(k, v, strict=True):
        s = q_i @ k_j / np.sqrt(len(q_i))
        m_old, m = m, max(m, s)
        correction, p = np.exp(m_old - m), np.exp(s - m)  # at the first key the correction is exp(−∞) = 0
        l, o = correction * l + p, correction * o + p * v_j  # equation (3)
        yield s, m, l, o


steps = list(one_row(q[16], k, v))
after = [attention(q[16:17], k[:j], v[:j])[0] for j in range(1, N + 1)]  # as if there were only j keys
check.close([o / l for _, _, l, o in steps], after, "after every key, against the library", tol=1e-11)

# %% [markdown]
# So after *every* key, $o_j / l_j$ is the attention to the keys seen so far. *Predict: of 49 keys, how many raise the maximum?*

# %%
s, m, l = (np.array(x) for x in list(zip(*steps, strict=True))[:3])
rises = np.flatnonzero(np.diff(m, prepend=-np.inf)) + 1
print(
    f"the maximum rises at {len(rises)} keys: {rises.tolist()}; 1 + 1/2 + … + 1/{N} = {sum(1 / np.arange(1, N + 1)):.1f}"
)


def stairs(y):
    return np.repeat(np.arange(1, N + 1), 2)[1:], np.repeat(y, 2)[:-1]


draw.lines(
    {"score s": stairs(s), "largest so far, m": stairs(m), "m + log l": stairs(m + np.log(l))},
    xlabel="keys seen, j", ylabel="", height=2.8,
    alt="Three staircases over the 49 keys of one query. The scores go up and down; the largest so far lies on or above them, "
    "rises with seven of them and then stays; m plus log l lies on or above that and never falls.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Seven keys raise the maximum of query 16, which is drawn. In random order, key j is the
# largest of the first j with probability 1/j, so on average 1 + 1/2 + … + 1/49 ≈ 4.5 would. (2) m only ever rises, and lies
# on or above every score: no exponent is above 0, nothing can overflow. Where m stays, the correction is 1 and equation (3)
# is a plain sum. (3) $m_j + \log l_j$ $= m_j + \log\big(e^{-m_j} \sum_{i\le j} e^{s_i}\big)$ $= \log \sum_{i\le j} e^{s_i}$, the
# *log-sum-exp*: whatever m was, it is the same. The backward will want it.
#
# ## Tiles
#
# A step may as well bring 16 keys, for 16 queries at once: equation (2) holds for each term of the sums, however many are new. With the
# tile $S_t$ (queries × keys) and $V_t$ (keys × d), and with m, l and a now columns, a number for each query, equation (3) becomes
#
# $$\begin{aligned} m' &= \max(m, \mathrm{rowmax}\, S_t), \\
# a &= e^{m - m'}, \\
# \tilde P_t &= e^{S_t - m' \mathbf 1^\top}, \\
# l' &= \mathrm{diag}(a)\, l + \tilde P_t \mathbf 1, \\
# O' &= \mathrm{diag}(a)\, O + \tilde P_t V_t \end{aligned} \tag{4}$$
#
# The tilde: not divided by the sum yet. diag(a), with a on the diagonal, multiplies each row by its own number.


# %%
def tiled_forward(q, k, v, rows=16, keys=16):
    out, lse = np.empty_like(q), np.empty(len(q))
    for i in range(0, len(q), rows):
        q_tile = q[i : i + rows] / np.sqrt(q.shape[1])
        m, l, o = np.full(len(q_tile), -np.inf), np.zeros(len(q_tile)), np.zeros_like(q_tile)
        for j in range(0, len(k), keys):
            s = q_tile @ k[j : j + keys].T  # all of S that is alive: (rows, keys)
            m_old, m = m, np.maximum(m, s.max(-1))
            correction = np.exp(m_old - m)
            p = np.exp(s - m[:, None])
            l = correction * l + p.sum(-1)
            o = correction[:, None] * o + p @ v[j : j + keys]  # (4)
        out[i : i + rows], lse[i : i + rows] = o / l[:, None], m + np.log(l)
    return out, lse


for rows, keys in ((16, 16), (5, 7), (49, 49), (1, 1)):
    check.close(tiled_forward(q, k, v, rows, keys)[0], attention(q, k, v), f"tiles of {rows} × {keys}", tol=1e-11)

# %% [markdown]
# The same with narrower tiles, for the queries 16 to 31: four keys at a time, and what is alive meanwhile.


# %%
def states(queries, keys):
    """After each tile: where it is (N, N), m, l and the output so far."""
    m, l, o = np.full(16, -np.inf), np.zeros(16), np.zeros((16, d))
    for j in range(0, N, keys):
        tile = np.full_like(S, np.nan)
        tile[queries, j : j + keys] = s = S[queries, j : j + keys]
        m_old, m = m, np.maximum(m, s.max(-1))
        correction, p = np.exp(m_old - m), np.exp(s - m[:, None])
        l, o = correction * l + p.sum(-1), correction[:, None] * o + p @ v[j : j + keys]
        yield {"S": tile / 6, "m": m[:, None] / 15, "l": l[:, None] / 20, "o / l": o / l[:, None] / 3}


draw.animation(
    [
        draw.matrices(
            [{"title": name, "array": array, "values": False} for name, array in state.items()],
            diverging=True, limits=(-1, 1), colorbar=False,
        alt="one moment",
        )
        for state in states(slice(16, 32), 4)
    ],
    seconds=0.8,
    alt="A narrow tile slides from left to right over a band of 16 rows of the grey square S. Beside it a column for m, one for l, and "
    "the output of 16 rows. With each tile some numbers of m grow darker, those of l and the output change; with the last tiles little changes.",
)  # fmt: skip

# %% [markdown]
# **What to watch.** Where m of a row gets darker, its l falls or jumps and its output changes most: all that was summed has
# been corrected. In the end little moves: what comes late weighs little, unless it raises m.
#
# Now scores of up to 10,000. *Predict what a softmax without m gives: how many of a row's 16 outputs are lost?*

# %%
huge = q * 1e4 / np.abs(S).max()
scores = huge @ k.T / np.sqrt(d)
with np.errstate(all="ignore"):
    naive = np.exp(scores)
    lost = np.isnan(naive @ v / naive.sum(-1, keepdims=True)).sum()
    in32 = np.isinf(np.exp(scores.astype(np.float32))).sum()
print(f"scores from {scores.min():,.0f} to {scores.max():,.0f}")
print(
    f"naive: {np.isinf(naive).sum()} exponentials are inf, in {np.isinf(naive).any(-1).sum()} rows ({in32} in float32)"
)
print(f"       {lost} of the {q.size} outputs are nan")
check.close(tiled_forward(huge, k, v)[0], attention(huge, k, v), "tiles, scores to 10,000", tol=1e-11)

# %% [markdown]
# One inf in a row makes its sum inf, and then all 16 outputs of that row are inf / inf, which is NaN. And this is float64, whose
# exponential ends at $e^{710}$; in float32 it ends at $e^{89}$.
#
# ## The kernel
#
# A thread a query: it keeps its row of Q, and m, l and o, in registers. Of S a thread holds one number; what lies in tiles
# is K and V, 16 × d: the block's threads fetch 16 keys and values together into shared memory (chapter 24). `template <int d>`
# makes a kernel for each width: the compiler knows d, and can keep arrays of d numbers in registers. First the copying, with
# zeros where the head has ended. `float (*tile)[d]` is a matrix with rows of d numbers; `a ? b : c` is Python's `b if a else c`:

# %%
copy_source = """\
template <int d> __device__ void copy_rows(float (*tile)[d], const float* from, int first, int N) {
    for (int e = threadIdx.x; e < 16 * d; e += blockDim.x)
        tile[e / d][e % d] = first + e / d < N ? from[first * d + e] : 0;
}
"""

# %% [markdown]
# Then each thread goes through the tile by itself. Compare with `one_row` (`float s = 0, m_old = m;` declares two numbers):

# %%
source = copy_source + """\
template <int d> __global__ void fused(float* out, float* lse, const float* q, const float* k, const float* v,
                                       int N, float scale) {
    __shared__ float k_tile[16][d], v_tile[16][d];
    int i = blockIdx.x * blockDim.x + threadIdx.x;        // this thread's query
    float q_i[d], o[d], m = -3e38f, l = 0;
    for (int c = 0; c < d; ++c) { o[c] = 0; q_i[c] = i < N ? q[i * d + c] * scale : 0; }
    for (int first = 0; first < N; first += 16) {
        __syncthreads();                                  // all have done with the last tile
        copy_rows<d>(k_tile, k, first, N);
        copy_rows<d>(v_tile, v, first, N);
        __syncthreads();                                  // the new one is there
        for (int j = 0; j < 16 && first + j < N; ++j) {
            float s = 0, m_old = m;
            for (int c = 0; c < d; ++c) s += q_i[c] * k_tile[j][c];
            m = fmaxf(m, s);
            float p = expf(s - m), correction = expf(m_old - m);
            l = correction * l + p;                       // (3)
            for (int c = 0; c < d; ++c) o[c] = correction * o[c] + p * v_tile[j][c];
        }
    }
    for (int c = 0; c < d; ++c) if (i < N) out[i * d + c] = o[c] / l;
    if (i < N) lse[i] = m + logf(l);
}
"""  # fmt: skip

# %% [markdown]
# Three things to see. (1) The first m is −3·10³⁸, less than any score. −∞ would do here; but where two threads that have had
# no key are merged (exercise 4), it gives −∞ − (−∞), which is NaN. (2) There are two barriers: one before a tile is
# overwritten, one before it is read. (3) A thread with i ≥ N must not `return` early: it has no query, but it helps to
# copy, and the barriers wait for it.

# %%
single = [a.astype(np.float32) for a in (q, k, v)]


def empty(*shapes):
    return [np.full(shape, np.nan, np.float32) for shape in shapes]


ours = emulator.Module(source)["fused<16>"]
out, lse = empty((N, d), N)
print(ours.check(2, 32, out, lse, *single, N, d**-0.5))
ours(2, 32, out, lse, *single, N, d**-0.5)
check.close(out, attention(q, k, v), "out", tol=1e-5)
check.close(lse, tiled_forward(q, k, v)[1], "lse", tol=1e-5)

# %%
profile = ours.profile(2, 32, out, lse, *single, N, d**-0.5)
load = next(line for line in profile.lines if line.array == "q")
draw.addresses(
    profile, load.line, array="q",
    alt="32 lanes above, 32 sectors below, each apart from the next. In each sector, one number of eight is blue.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** It is right, and not yet good. Each thread reads a row of Q of its own, so that neighbouring threads
# read numbers d apart: 32 sectors a request, as with LayerNorm's v1. `out` is written in the same way.
#
# ## The library's ladder
#
# `kernels/attention_materialised.cu` has v1 and v2, which store S and P; `kernels/attention.cu` has v3 to v5:
#
# - **v1** three kernels: a thread an element of S, a warp a row of P, a thread an element of out.
# - **v2** S and out in squares whose inputs are first copied to shared memory: read once a square, not once a thread.
# - **v3** fused: a *warp* for 4 queries. In a tile of 32 keys, lane j first makes the score of key j. Then each
#   lane holds columns of out instead, and needs all 32 weights: shuffles hand them round.
# - **v4** the same, with one number left free after each row in shared memory.
# - **v5** 16 bytes at a time. A thread makes 4 × 4 scores, of 4 queries and 4 keys, in registers: each number that it
#   fetches from shared memory serves four products.
#
# We run them as a model does: `device="emulator"` is a set of operations, `ops.versions` chooses the version, and what
# launches kernels can count them on the way. Their tiles are *dynamic* shared memory, whose size is given at the launch, as
# `shared`: it depends on d.

# %%
from minivit.devices import DeviceError, get_device
from minivit.devices.emulator import Emulator
from minivit.devices.launch import KERNELS


class Counting(Emulator):  # the device, which also keeps a profile of each launch
    def __init__(self, version):
        super().__init__()
        self.ops.versions["attention_forward"] = version
        self.profiles = []

    def launch(self, launch, *arguments):
        kernel = emulator.load(KERNELS / launch.file)[launch.kernel]
        self.profiles.append(kernel.profile(launch.grid, launch.block, *launch.typed(arguments), shared=launch.shared))
        super().launch(launch, *arguments)


# %% [markdown]
# A digit in patches of 2 × 2, with a class token, has N = 197 tokens; at d = 64 that is one head of ViT-B.

# %%
small = patchify_forward(load_mnist().train_images[:1] / 255, (2, 2))[0][0]
small = np.concatenate((np.zeros((1, 4)), (small - small.mean()) / small.std()))  # the class token first
large = [(small @ rng.standard_normal((4, 64)) / 4).astype(np.float32) for _ in range(3)]
exact = attention(*(a.astype(np.float64) for a in large))
counted, (o, e) = {}, empty((197, 64), 197)
kernel = emulator.Module(source)["fused<64>"]
kernel(7, 32, o, e, *large, 197, 0.125)
check.close(o, exact, "ours", tol=1e-5)
counted["ours"] = [kernel.profile(7, 32, o, e, *large, 197, 0.125)]

# %% [markdown]
# Shared memory has 32 **banks**, each 4 bytes wide: word w lies in bank w mod 32. Each gives one word at a time, so lanes
# that want different words of one bank take turns: a **conflict** is a turn more than the bytes need. *Different bytes* are
# whole sectors, each counted once a kernel, however often it moves. *Predict: which versions move the fewest sectors? Which ask for the
# fewest different bytes? Which of v3 and v4 has conflicts?*

# %%
for version in (1, 2, 3, 4, 5):
    device = Counting(version)
    o, _ = device.ops.attention_forward(*(a[None, None] for a in large))
    check.close(o[0, 0], exact, f"v{version}", tol=1e-5)
    counted[f"v{version}"] = device.profiles
print("\n      kernels  requests    sectors  different bytes  turns of shared memory  of them conflicts")
for name, profiles in counted.items():
    totals = [p.total for p in profiles]
    numbers = [
        sum(getattr(t, what) for t in totals)
        for what in ("requests", "sectors", "distinct_bytes", "shared_turns", "conflicts")
    ]
    print("{:5} {:8} {:9,} {:10,} {:16,} {:23,} {:18,}".format(name, len(totals), *numbers))

# %% [markdown]
# Read it column by column. The *different bytes*, what memory must give at least, fall fourfold once S and P are gone: the
# factor from above. Those of v5 fill 6,329 *sectors*, and more than twice as many move, since every block reads all keys and
# values again. v5 has 64 queries a block, ours 32, v3 and v4 16. (K and V of a head are 100 kB: a GPU's cache, of megabytes, can
# answer most of these second reads.)
#
# *Ours* looks good here. But it has 197 threads a head, seven warps, where v3 and v4 have 52: most of a GPU would wait. And
# each thread holds 2d = 128 numbers in registers, of at most 255. v5 has 16 warps, and is the library's choice all the same: the
# heads and images of a batch bring warps enough, and it makes a tenth of v4's requests and takes a third of its turns.
#
# v3 spends nine of ten turns of shared memory on *conflicts* (v2's come about in the same way: its rows of 16 words begin in
# two banks only). Why? This is the line of its scores, where lane j reads row j of the tile, all lanes the same column:


# %%
def picture_of_banks(version, alt):
    (profile,) = counted[version]
    line = next(x for x in profile.lines if "score += q[c] * k[c]" in x.source)
    requests = [a for a in profile.addresses(line.line, line.file) if a.space == "shared"]
    row_a_lane = next(i for i, a in enumerate(requests) if len(np.unique(a.offsets)) == 32)  # k, not q
    return draw.banks(profile, line.line, file=line.file, request=row_a_lane, alt=alt)


picture_of_banks(
    "v3", alt="32 lanes, all joined with bank 0. Below it a column of 32 turns, a lane each; the other 31 banks have nothing to do."
)  # fmt: skip

# %% [markdown]
# **What to notice.** A row has 64 words, and 64 j mod 32 = 0: all 32 rows begin in bank 0. The lanes queue for it. *How would
# you lay out the tile, so that they need not?*

# %%
picture_of_banks(
    "v4", alt="32 lanes, joined with 32 banks, each with another one, and a single turn below, full of lanes."
)

# %% [markdown]
# **What to notice.** (1) In v4 a row takes 65 words, and 65 j mod 32 = j mod 32: every lane has a bank to itself. One word of
# **padding** a row is the whole difference. (2) Ours has no conflict either: all its lanes read the *same* word of k, which
# is handed to all at once.
#
# ## The backward
#
# Given dO, chapter 07 has the steps. By matrices, with $\circ$ the product element by element:
#
# $$\begin{aligned} dV &= P^\top dO, \\
# dP &= dO\, V^\top, \\
# dS &= P \circ (dP - \delta\,\mathbf 1^\top), \\
# dQ &= dS\, K/\sqrt d, \\
# dK &= dS^\top Q / \sqrt d \end{aligned} \tag{5}$$
#
# where $\delta_i = \sum_j P_{ij}\, dP_{ij}$, a number for each row, is what the softmax's division takes away (i is a query, j a
# key, c a column). The maximum m has no gradient: it cancels. Two things are in the way of tiles.
#
# *P was never stored.* But S can be computed again, a tile at a time, and one number a row is enough to make P of it. With m
# and l of the whole row, by index,
#
# $$\begin{aligned} P_{ij} &= \frac{e^{S_{ij} - m_i}}{l_i} \\
# &= e^{S_{ij} - (m_i + \log l_i)} \\
# &= e^{S_{ij} - \text{lse}_i} \end{aligned} \tag{6}$$
#
# No maximum, no correction, no division: the lse of the forward has it all. Nor can it overflow:
# $S_{ij} - \text{lse}_i = \log P_{ij} \le 0$.
#
# *$\delta_i$ is a sum over a whole row* of a matrix that we do not have. But put in what dP is, and exchange the two sums:
#
# $$\begin{aligned} \delta_i &= \sum_j P_{ij}\, dP_{ij} \\
# &= \sum_j P_{ij} \sum_c dO_{ic} V_{jc} \\
# &= \sum_c dO_{ic} \sum_j P_{ij} V_{jc} \\
# &= \sum_c dO_{ic}\, O_{ic} \end{aligned} \tag{7}$$
#
# In matrix form, δ is the diagonal of $P\, dP^\top = P\, V dO^\top = O\, dO^\top$: the row sums of $dO \circ O$. Both are there,
# both are N × d. *In code*, a tile of 16 keys at a time with all queries, so that N × 16 numbers of P are alive (a kernel cuts
# the queries too):


# %%
def tiled_backward(dout, cache, keys=16):
    q, k, v, out, lse = cache
    scale = q.shape[1] ** -0.5
    delta = (dout * out).sum(-1)  # (7)
    dq, dk, dv = np.zeros_like(q), np.empty_like(k), np.empty_like(v)
    for j in range(0, len(k), keys):
        tile = slice(j, j + keys)
        p = np.exp(q @ k[tile].T * scale - lse[:, None])  # (6)
        dp = dout @ v[tile].T  # (5), and all that follows
        ds = p * (dp - delta[:, None])
        dv[tile] = p.T @ dout
        dk[tile] = ds.T @ q * scale
        dq += ds @ k[tile] * scale  # a query hears from every tile
    return dq, dk, dv


# %% [markdown]
# ## Is it right?
#
# Against the library, which keeps all of P; and against differences (chapter 05), with tiles that do not divide N:


# %%
def forward(q, k, v):
    out, lse = tiled_forward(q, k, v, rows=3, keys=4)
    return out, (q, k, v, out, lse)


dout = rng.standard_normal(q.shape)
library = attention_backward(dout[None, None], attention_forward(*(a[None, None] for a in (q, k, v)))[1])
for name, a, b in zip(("dq", "dk", "dv"), tiled_backward(dout, forward(q, k, v)[1]), library, strict=False):
    check.close(a, b[0, 0], f"{name} against the library", tol=1e-11)
some = {"q": rng.standard_normal((7, 3)), "k": rng.standard_normal((7, 3)), "v": rng.standard_normal((7, 3))}
check.grad(forward, lambda dout, cache: tiled_backward(dout, cache, keys=4), some)

# %% [markdown]
# As kernels, and without atomics, this is chapter 26.
#
# ## If there is a GPU

# %%
try:
    gpu = get_device("cuda")
except DeviceError:
    print("No GPU was found here, or no CuPy: all of the above ran on the CPU.")
else:
    import cupy

    kernel = cupy.RawModule(code=source, options=("--std=c++17",), name_expressions=("fused<16>",)).get_function(
        "fused<16>"
    )
    o, e = cupy.full((N, d), cupy.nan, cupy.float32), cupy.full(N, cupy.nan, cupy.float32)
    kernel((2,), (32,), (o, e, *(gpu.asarray(a) for a in single), np.int32(N), np.float32(d**-0.5)))
    check.close(gpu.to_numpy(o), out, "ours on the GPU", tol=1e-5)
    for version in (1, 2, 3, 4, 5):
        gpu.ops.versions["attention_forward"] = version
        o, _ = gpu.ops.attention_forward(*(gpu.asarray(a[None, None]) for a in large))
        check.close(gpu.to_numpy(o)[0, 0], exact, f"v{version} on the GPU", tol=1e-5)
    gpu.ops.versions.clear()

# %% [markdown] exercise="The bytes of S" kind="predict" stars=1 minutes=6
# ViT-B/16 reads 8 pictures of 384 × 384 at once, in float32. It has 12 heads and a class token. How many `tokens` has a
# picture? How many bytes do the scores S of one layer take, for all pictures and heads (`stored`)? And how many bytes of lse
# does the fused forward keep instead (`kept`)?

# %% role="solution"
# YOUR TURN
tokens = 577
stored = 8 * 12 * 577 * 577 * 4
kept = 8 * 12 * 577 * 4
# END

# %% role="check"
from minivit.devices.launches.attention import attention_shapes

shapes = attention_shapes(8, 12, (384 // 16) ** 2 + 1, 64)
elements, numbers = int(np.prod(shapes["weights"])), int(np.prod(shapes["lse"]))
check.answer(
    tokens, shapes["lse"][-1], "tokens", reasons={576: "and the class token?", 24: "that is one row of patches"}
)
check.answer(
    stored, 4 * elements, "stored", reasons={
        elements: "these are numbers; each has 4 bytes", elements // 3: "that is one head: there are 12",
        elements // 2: "that is one picture: there are 8", 8 * 12 * 576**2 * 4: "and the class token?",
        8 * elements: "that is S and P: S alone is asked for", 4 * numbers: "every token looks at every token: N²",
    },
)  # fmt: skip
check.answer(
    kept, 4 * numbers, "kept", reasons={
        numbers: "these are numbers; each has 4 bytes", numbers // 3: "one number for each query of *every* head",
        numbers // 2: "that is one picture: there are 8", 8 * 12 * 576 * 4: "and the class token?",
        8 * numbers: "m and l make one number, m + log l", 256 * numbers: "that is as large as out: lse has one number a row",
    },
)  # fmt: skip

# %% [markdown] role="hint"
# (384 / 16)² patches, and one token more. S is (B, H, N, N), lse is (B, H, N); a float32 has 4 bytes.

# %% role="wrong"
{
    "no class token": ("tokens = 577", "tokens = 576", "class token"),
    "one head": ("stored = 8 * 12 * 577", "stored = 8 * 577", "there are 12"),
    "one picture": ("stored = 8 * 12 * 577", "stored = 12 * 577", "there are 8"),
    "S and P": ("stored = 8 * 12 * 577", "stored = 2 * 8 * 12 * 577", "S alone"),
    "numbers, not bytes": ("kept = 8 * 12 * 577 * 4", "kept = 8 * 12 * 577", "4 bytes"),
    "m and l": ("kept = 8 * 12 * 577 * 4", "kept = 8 * 12 * 577 * 8", "make one number"),
    "like out": ("kept = 8 * 12 * 577 * 4", "kept = 8 * 12 * 577 * 64 * 4", "one number a row"),
}

# %% [markdown] exercise="One pass, and two halves" kind="build" stars=2 minutes=15
# Long sequences are also cut among several blocks: each goes through a part of the keys, and the results are merged. Write
# both. `one_pass(scores, values)` gets two iterators, over N numbers s and over N vectors v (w,) of some width w, each of
# which can be gone through **once**, side by side: a vector is overwritten when the next one comes, and nothing may be kept
# whose size grows with N. It returns (m, l, o) of equation (1) for all of them: the largest score m, l = Σ exp(s − m) and
# o = Σ exp(s − m) v; o (w,) is not divided yet, and may begin as 0.0, which broadcasts. `merge(a, b)` makes of two such
# triples, of two parts of the keys, the one of both parts together. Scores may be large, ±10,000 or so. The check looks at
# o / l, m + log l and m.


# %% role="solution"
def one_pass(scores, values):
    """Iterators over scores and values (w,) -> m, l and o (w,)."""
    # YOUR TURN
    m, l, o = -np.inf, 0.0, 0.0
    for s, v in zip(scores, values, strict=True):
        m_old, m = m, max(m, s)
        correction, p = np.exp(m_old - m), np.exp(s - m)
        l = correction * l + p
        o = correction * o + p * v
    return m, l, o
    # END


def merge(a, b):
    """Two triples (m, l, o) -> one."""
    # YOUR TURN
    m = max(a[0], b[0])
    first, second = np.exp(a[0] - m), np.exp(b[0] - m)
    return m, first * a[1] + second * b[1], first * a[2] + second * b[2]
    # END


# %% role="check"
def streams(scores, values):
    """Iterators that notice who runs ahead with one of them; there is one vector, which they fill again and again."""
    taken, vector = {"scores": 0, "values": 0}, np.empty_like(values[0])

    def taking(which, array):
        for item in array:
            taken[which] += 1
            if abs(taken["scores"] - taken["values"]) > 1:
                raise check.Wrong(f"one_pass: {which} are gone through alone; take each score together with its vector")
            yield item

    def filled():
        for row in values:
            vector[:] = row
            yield vector

    return taking("scores", scores), taking("values", filled())


def call(function, one, other):
    return check.call(function, one=one, other=other)


def judge(name, s, values, compute, said):
    """said: what l and o would be with a mistake, against the largest score, by what to say about it."""
    p = np.exp(s - s.max())
    with np.errstate(all="ignore"):
        triple = compute()
        if not isinstance(triple, tuple | list) or len(triple) != 3:
            raise check.Wrong(f"{name}: your function returns {type(triple).__name__}, expected three values: m, l, o")
        m, l, o = map(np.asarray, triple)
        lse = {what: s.max() + np.log(wrong_l) for what, (wrong_l, _) in said.items()}
        out = {
            what: wrong_o / wrong_l
            for what, (wrong_l, wrong_o) in said.items()
            if np.all(np.isinf(l)) == np.isinf(wrong_l)  # NaN may come from elsewhere
        }
        check.close(o / l, p @ values / p.sum(), f"{name}: o / l", mistakes=out)
        check.close(m + np.log(l), s.max() + np.log(p.sum()), f"{name}: m + log l", tol=1e-11, mistakes=lse)


values = rng.standard_normal((37, 5))
rising, far = 3 * rng.standard_normal(37) + np.arange(37) / 9, rng.uniform(-1e4, 1e4, 37)
for name, s in {"scores": rising, "scores to ±10,000": far, "scores near −10,000": rising - 1e4}.items():
    right, hasty = np.exp(s - s.max()), np.exp(s - np.maximum.accumulate(s))
    said = {
        "Neither l nor o was corrected when the maximum rose.": (hasty.sum(), hasty @ values),
        "o was not corrected when the maximum rose.": (right.sum(), hasty @ values),
        "l was not corrected when the maximum rose.": (hasty.sum(), right @ values),
        "o is divided by l already: the check does that.": (right.sum(), right @ values / right.sum()),
        "The first vector was kept as it is, not as a copy: the second has overwritten it.": (
            right.sum(),
            right @ np.concatenate((values[1:2], values[1:])),
        ),
        "The vectors were collected, and all are the last one now: each is overwritten by the next.": (
            right.sum(),
            right.sum() * values[-1],
        ),
    }
    judge(name, s, values, lambda s=s: call(one_pass, *streams(s, values)), said)
overflow = "It is measured against a maximum that is not the larger one: the exponential overflows."
added = "The parts were added as they are: each was measured against a maximum of its own."
for kind, low, high in (
    ("20 apart", rising[:10] - 20, rising[10:]),
    ("far apart", -np.abs(far[:10]), np.abs(far[10:])),
):
    a, b = (
        (part.max(), np.exp(part - part.max()).sum(), np.exp(part - part.max()) @ rows)
        for part, rows in ((low, values[:10]), (high, values[10:]))
    )
    s = np.append(low, high)
    p = np.exp(s - s.max())
    said = {
        added: (a[1] + b[1], a[2] + b[2]),
        overflow: (np.inf, np.full(5, np.inf)),
        "l is added as it is: one factor mends l and o of a part.": (a[1] + b[1], p @ values),
        "o is added as it is: one factor mends l and o of a part.": (p.sum(), a[2] + b[2]),
    }
    judge(f"{kind}, the second part has the larger maximum", s, values, lambda a=a, b=b: call(merge, a, b), said)
    judge(f"{kind}, the first part has the larger maximum", s, values, lambda a=a, b=b: call(merge, b, a), said)
largest = [one_pass(*streams(s, values))[0], merge(a, b)[0], merge(b, a)[0]]
check.close(largest, [s.max()] * 3, "m, of one pass and of both merged")

# %% [markdown] role="hint"
# `one_pass` is equation (3), with `zip` over both iterators. For `merge`, read (2) again: each part's terms were measured
# against its own m, and one factor mends all of them.

# %% role="wrong"
{
    "the scores in a list": ("zip(scores, values", "zip(list(scores), values", "gone through alone"),
    "both in a list": (
        "zip(scores, values, strict=True)",
        "list(zip(scores, values, strict=True))",
        "all are the last one now",
    ),
    "the first vector kept": (
        "        o = correction * o + p * v",
        "        o = v if m_old == -np.inf else correction * o + p * v",
        "has overwritten it",
    ),
    "only o is merged": ("first * a[1] + second * b[1]", "a[1] + b[1]", "l is added as it is"),
    "only l is merged": ("first * a[2] + second * b[2]", "a[2] + b[2]", "o is added as it is"),
    "o is not corrected": ("o = correction * o", "o = o", "o was not corrected"),
    "l is not corrected": ("l = correction * l", "l = l", "l was not corrected"),
    "neither is corrected": (
        "correction, p = np.exp(m_old - m), np.exp(s - m)",
        "correction, p = 1.0, np.exp(s - m)",
        "Neither l nor o",
    ),
    "o is divided already": ("    return m, l, o\n", "    return m, l, o / l\n", "divided by l already"),
    "a maximum that starts at 0": ("m, l, o = -np.inf", "m, l, o = 0.0", "not finite"),
    "merged against the first's maximum": ("m = max(a[0], b[0])", "m = a[0]", "not the larger one"),
    "merged against 0": ("m = max(a[0], b[0])", "m = 0.0", "not the larger one"),
    "merged against the smaller one": ("m = max(a[0], b[0])", "m = min(a[0], b[0])", "not the larger one"),
    "merged against more than the larger one": (
        "m = max(a[0], b[0])",
        "m = max(a[0], b[0]) + 5",
        "m, of one pass and of both merged",
    ),
    "merged against the mean": ("m = max(a[0], b[0])", "m = (a[0] + b[0]) / 2", "not the larger one"),
    "added as they are": (
        "first, second = np.exp(a[0] - m), np.exp(b[0] - m)",
        "first = second = 1.0",
        "added as they are",
    ),
    "only the first is corrected": ("np.exp(b[0] - m)", "1.0", "the first part has the larger maximum"),
}

# %% [markdown] exercise="Right for small scores" kind="break" stars=2 minutes=10
# A colleague's tiles gave the right output for one tile, and on a test with small scores nearly so. There are two mistakes.
# Find and mend them.


# %% role="broken"
def colleague(q, k, v, keys=8):
    """q, k, v (N, d) -> out (N, d)."""
    q = q / np.sqrt(q.shape[1])
    m, l, o = np.zeros(len(q)), np.zeros(len(q)), np.zeros(q.shape)
    for j in range(0, len(k), keys):
        s = q @ k[j : j + keys].T
        m_old, m = m, np.maximum(m, s.max(-1))
        p = np.exp(s - m[:, None])
        l = np.exp(m_old - m) * l + p.sum(-1)
        o = o + p @ v[j : j + keys]
    return o / l[:, None]


# %% role="solution"
def colleague(q, k, v, keys=8):
    """q, k, v (N, d) -> out (N, d)."""
    q = q / np.sqrt(q.shape[1])
    m, l, o = np.full(len(q), -np.inf), np.zeros(len(q)), np.zeros(q.shape)
    for j in range(0, len(k), keys):
        s = q @ k[j : j + keys].T
        m_old, m = m, np.maximum(m, s.max(-1))
        p = np.exp(s - m[:, None])
        l = np.exp(m_old - m) * l + p.sum(-1)
        o = np.exp(m_old - m)[:, None] * o + p @ v[j : j + keys]
    return o / l[:, None]


# %% role="check"
def not_corrected(q, k, v):
    s = q @ k.T / np.sqrt(q.shape[1])
    ends = np.minimum(np.arange(len(k)) // 8 * 8 + 7, len(k) - 1)  # the last key of each key's tile
    top = np.maximum.accumulate(s, axis=-1)[:, ends]
    return np.exp(s - top) @ v / np.exp(s - s.max(-1, keepdims=True)).sum(-1, keepdims=True)


a, b, c = rng.standard_normal((3, 21, 6)) + 0.5
said = {
    "o was summed against the old maximum, and is not corrected when a larger one comes.": not_corrected(
        3 * a, 3 * b, c
    )
}
below = -1000 * (np.abs(a) + 1), 1000 * (np.abs(b) + 1)
with np.errstate(all="ignore"):
    results = colleague(3 * a, 3 * b, c), colleague(*below, c)
check.close(results[0], attention(3 * a, 3 * b, c), "larger scores", mistakes=said)
check.close(results[1], attention(*below, c), "all scores far below 0")

# %% [markdown] role="hint"
# Which of the three running numbers is not touched by the correction? And if all scores of a row are below −100,000: what is
# their largest, what does `m` say it is, and what is then exp(s − m)?

# %% role="wrong"
{
    "a start that is not low enough": ("np.full(len(q), -np.inf)", "np.full(len(q), -1e5)", "not finite"),
    "only o is mended": ("np.full(len(q), -np.inf)", "np.zeros(len(q))", "not finite"),
    "only the start is mended": ("np.exp(m_old - m)[:, None] * o", "o", "summed against the old maximum"),
    "corrected the other way round": (
        "np.exp(m_old - m)[:, None] * o",
        "np.exp(m - m_old)[:, None] * o",
        "larger scores",
    ),
}

# %% [markdown] exercise="Right, and then slow" kind="break" stars=2 minutes=15
# This kernel makes lse alone, a warp a query. Each lane has an m and an l of its own, for the keys lane, lane + 32, …; at
# the end, shuffles merge the 32 pairs. The result has been right so far. But the checker finds a race, and once that is
# mended, every read of the tile is a 32-way bank conflict. Mend both, and keep the tile: the check counts conflicts and sectors. It
# also tries N = 10, where most lanes have no key at all.

# %% role="broken"
lse_source = """\
__global__ void row_lse(float* lse, const float* q, const float* k, int N, float scale) {
    const int d = 32;
    __shared__ float tile[32][d];
    int lane = threadIdx.x % 32, i = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    float m = -3e38f, l = 0;
    for (int first = 0; first < N; first += 32) {
        for (int e = threadIdx.x; e < 32 * d; e += blockDim.x)
            tile[e / d][e % d] = first + e / d < N ? k[first * d + e] : 0;
        __syncthreads();
        if (i < N && first + lane < N) {
            float s = 0, m_old = m;
            for (int c = 0; c < d; ++c) s += q[i * d + c] * tile[lane][c];
            m = fmaxf(m, s * scale);
            l = expf(m_old - m) * l + expf(s * scale - m);
        }
    }
    for (int bit = 16; bit > 0; bit /= 2) {
        float other_m = __shfl_xor_sync(0xffffffffu, m, bit), other_l = __shfl_xor_sync(0xffffffffu, l, bit);
        float both = fmaxf(m, other_m);
        l = expf(m - both) * l + expf(other_m - both) * other_l;
        m = both;
    }
    if (i < N && lane == 0) lse[i] = m + logf(l);
}
"""

# %% role="solution"
lse_source = """\
__global__ void row_lse(float* lse, const float* q, const float* k, int N, float scale) {
    const int d = 32;
    __shared__ float tile[32][d + 1];
    int lane = threadIdx.x % 32, i = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    float m = -3e38f, l = 0;
    for (int first = 0; first < N; first += 32) {
        __syncthreads();
        for (int e = threadIdx.x; e < 32 * d; e += blockDim.x)
            tile[e / d][e % d] = first + e / d < N ? k[first * d + e] : 0;
        __syncthreads();
        if (i < N && first + lane < N) {
            float s = 0, m_old = m;
            for (int c = 0; c < d; ++c) s += q[i * d + c] * tile[lane][c];
            m = fmaxf(m, s * scale);
            l = expf(m_old - m) * l + expf(s * scale - m);
        }
    }
    for (int bit = 16; bit > 0; bit /= 2) {
        float other_m = __shfl_xor_sync(0xffffffffu, m, bit), other_l = __shfl_xor_sync(0xffffffffu, l, bit);
        float both = fmaxf(m, other_m);
        l = expf(m - both) * l + expf(other_m - both) * other_l;
        m = both;
    }
    if (i < N && lane == 0) lse[i] = m + logf(l);
}
"""

# %% role="check"
a, b = rng.standard_normal((2, 45, 32)).astype(np.float32)
scores = a.astype(np.float64) @ b.T / np.sqrt(32)
check.kernel(
    emulator.Module(lse_source)["row_lse"], 12, 128, np.full(45, np.nan, np.float32), a, b, 45, 32**-0.5,
    expected={"lse": np.log(np.exp(scores).sum(-1))}, 
    at_most={
        "conflicts": (0, "Lane j reads row j of the tile: in which bank does each row begin?"),
        "sectors": (6000, "K should be read from global memory once a block, into the tile, and not by each warp."),
    },
)  # fmt: skip
check.kernel(
    emulator.Module(lse_source)["row_lse"], 3, 128, np.full(10, np.nan, np.float32), a, b, 10, 32**-0.5,
    expected={"lse": np.log(np.exp(scores[:10, :10]).sum(-1))},
    mistakes={"lse": {"Two lanes without a key were merged: −∞ − (−∞) is NaN.": np.full(10, np.nan)}},
)  # fmt: skip

# %% [markdown] role="hint"
# A fast warp may come to the next tile while a slow one still reads this one: where must all wait? And for the banks: in
# which bank does row j begin, if a row takes 32 words? If it takes one more?
#
# Line by line: `x = np.ones((45, 32), np.float32); print(emulator.Module(lse_source)["row_lse"].profile(12, 128, x[:, 0].copy(), x, x, 45, 0.2))`

# %% role="wrong"
{
    "only the race is mended": ("tile[32][d + 1]", "tile[32][d]", "in which bank does each row begin"),
    "only the banks are mended": (
        "first += 32) {\n        __syncthreads();\n        for", "first += 32) {\n        for", "race",
    ),
    "a warp's barrier": (
        "first += 32) {\n        __syncthreads();\n        for", "first += 32) {\n        __syncwarp();\n        for", "race",
    ),
    "two words of padding": ("tile[32][d + 1]", "tile[32][d + 2]", "in which bank does each row begin"),
    "without the tile": ("tile[lane][c];", "k[(first + lane) * d + c];", "once a block"),
    "an m of −∞": ("m = -3e38f", "m = -__int_as_float(0x7f800000)", "without a key were merged"),
}  # fmt: skip

# %% [markdown] exercise="Two queries a thread" kind="further" stars=3 minutes=25
# Every block reads all of K and V. With more queries a block, there are fewer blocks and fewer bytes. This is the
# chapter's kernel, for d = 16 and without lse. Make each thread work on **two** queries at once, i = blockIdx.x · 64 +
# threadIdx.x and i + 32, for blocks of 32 threads. Each tile may be fetched once only. The check launches 2 blocks for
# N = 77, and counts the bytes that are read; as given, 2 blocks reach only 64 of the 77 queries.

# %% role="broken"
two_source = """\
__global__ void fused_two(float* out, const float* q, const float* k, const float* v, int N, float scale) {
    const int d = 16;
    __shared__ float k_tile[16][d], v_tile[16][d];
    int i = blockIdx.x * 32 + threadIdx.x;
    float q_i[d], o[d], m = -3e38f, l = 0;
    for (int c = 0; c < d; ++c) { o[c] = 0; q_i[c] = i < N ? q[i * d + c] * scale : 0; }
    for (int first = 0; first < N; first += 16) {
        __syncthreads();
        for (int e = threadIdx.x; e < 16 * d; e += 32) {
            k_tile[e / d][e % d] = first + e / d < N ? k[first * d + e] : 0;
            v_tile[e / d][e % d] = first + e / d < N ? v[first * d + e] : 0;
        }
        __syncthreads();
        for (int j = 0; j < 16 && first + j < N; ++j) {
            float s = 0, m_old = m;
            for (int c = 0; c < d; ++c) s += q_i[c] * k_tile[j][c];
            m = fmaxf(m, s);
            float p = expf(s - m), correction = expf(m_old - m);
            l = correction * l + p;
            for (int c = 0; c < d; ++c) o[c] = correction * o[c] + p * v_tile[j][c];
        }
    }
    for (int c = 0; c < d; ++c) if (i < N) out[i * d + c] = o[c] / l;
}
"""

# %% role="solution"
two_source = """\
__global__ void fused_two(float* out, const float* q, const float* k, const float* v, int N, float scale) {
    const int d = 16;
    __shared__ float k_tile[16][d], v_tile[16][d];
    float q_i[2][d], o[2][d], m[2], l[2];
    for (int r = 0; r < 2; ++r) {
        int i = blockIdx.x * 64 + threadIdx.x + 32 * r;
        m[r] = -3e38f;
        l[r] = 0;
        for (int c = 0; c < d; ++c) { o[r][c] = 0; q_i[r][c] = i < N ? q[i * d + c] * scale : 0; }
    }
    for (int first = 0; first < N; first += 16) {
        __syncthreads();
        for (int e = threadIdx.x; e < 16 * d; e += 32) {
            k_tile[e / d][e % d] = first + e / d < N ? k[first * d + e] : 0;
            v_tile[e / d][e % d] = first + e / d < N ? v[first * d + e] : 0;
        }
        __syncthreads();
        for (int j = 0; j < 16 && first + j < N; ++j)
            for (int r = 0; r < 2; ++r) {
                float s = 0, m_old = m[r];
                for (int c = 0; c < d; ++c) s += q_i[r][c] * k_tile[j][c];
                m[r] = fmaxf(m_old, s);
                float p = expf(s - m[r]), correction = expf(m_old - m[r]);
                l[r] = correction * l[r] + p;
                for (int c = 0; c < d; ++c) o[r][c] = correction * o[r][c] + p * v_tile[j][c];
            }
    }
    for (int r = 0; r < 2; ++r) {
        int i = blockIdx.x * 64 + threadIdx.x + 32 * r;
        for (int c = 0; c < d; ++c) if (i < N) out[i * d + c] = o[r][c] / l[r];
    }
}
"""

# %% role="check"
a, b, c = (2 * rng.standard_normal((3, 77, 16))).astype(np.float32)


def in_common(q, k, v):
    """What comes out where both queries of a thread go through one m and one l."""
    q = np.pad(q, ((0, 51), (0, 0))).reshape(2, 2, 32, 16)  # block, query of the thread, thread, c
    o, m, l = np.zeros(q.shape), np.full((2, 32), -3e38), np.zeros((2, 32))
    for j in range(77):
        for r in range(2):
            s = q[:, r] @ k[j] / 4
            m, m_old = np.maximum(m, s), m
            p, correction = np.exp(s - m), np.exp(m_old - m)
            l = correction * l + p
            o[:, r] = correction[..., None] * o[:, r] + p[..., None] * v[j]
    return (o / l[:, None, :, None]).reshape(128, 16)[:77]


precise = [x.astype(np.float64) for x in (a, b, c)]
check.kernel(
    emulator.Module(two_source)["fused_two"], 2, 32, np.full((77, 16), np.nan, np.float32), a, b, c, 77, 0.25,
    expected={"out": attention(*precise)},
    mistakes={"out": {"Both queries share one m and one l: each has scores, and so a softmax, of its own.": in_common(*precise)}},
    at_most={"bytes_read": (5 * 77 * 16 * 4, "Q is read once, and K and V twice, once a block: for both queries together.")},
)  # fmt: skip

# %% [markdown] role="hint"
# All that belongs to a query gets an index r: `q_i[2][d]`, `o[2][d]`, `m[2]`, `l[2]`. The loop over r goes *inside* the loop
# over tiles. Both queries need a guard of their own.

# %% role="wrong"
{
    "the second query is not guarded": ("q_i[r][c] = i < N ? q[i * d + c] * scale : 0", "q_i[r][c] = q[i * d + c] * scale", "out of bounds"),
    "one maximum for both": ("float s = 0, m_old = m[r];", "float s = 0, m_old = m[0];", "out"),
    "one m and one l for both": (
        ", m[2], l[2];", "; struct { float x; __device__ float& operator[](int) { return x; } } m, l;", "share one m",
    ),
    "the queries side by side, 64 for 32": ("blockIdx.x * 64 + threadIdx.x + 32 * r;\n        m[r]", "blockIdx.x * 32 + threadIdx.x + 32 * r;\n        m[r]", "out"),
    "one query a thread": ("r < 2; ++r) {\n        int i = blockIdx.x * 64 + threadIdx.x + 32 * r;\n        for (int c = 0; c < d; ++c) if", "r < 1; ++r) {\n        int i = blockIdx.x * 64 + threadIdx.x + 32 * r;\n        for (int c = 0; c < d; ++c) if", "never written"),
    "the tiles once for each query": (
        "    for (int first = 0; first < N; first += 16) {\n        __syncthreads();\n        for (int e = threadIdx.x; e < 16 * d; e += 32) {\n"
        "            k_tile[e / d][e % d] = first + e / d < N ? k[first * d + e] : 0;\n"
        "            v_tile[e / d][e % d] = first + e / d < N ? v[first * d + e] : 0;\n        }\n        __syncthreads();\n"
        "        for (int j = 0; j < 16 && first + j < N; ++j)\n            for (int r = 0; r < 2; ++r) {",
        "    for (int r = 0; r < 2; ++r) for (int first = 0; first < N; first += 16) {\n        __syncthreads();\n        for (int e = threadIdx.x; e < 16 * d; e += 32) {\n"
        "            k_tile[e / d][e % d] = first + e / d < N ? k[first * d + e] : 0;\n"
        "            v_tile[e / d][e % d] = first + e / d < N ? v[first * d + e] : 0;\n        }\n        __syncthreads();\n"
        "        for (int j = 0; j < 16 && first + j < N; ++j) {",
        "for both queries together",
    ),
    "no barrier before the tile is read": ("        }\n        __syncthreads();\n        for (int j", "        }\n        for (int j", "race"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Derive the online softmax, for a key or a tile at a time, and merge two results.
# - Write a fused attention kernel, have it checked for races, and say what it saves, and at which N.
# - Count sectors and bank conflicts of a ladder of kernels; and run the backward without P:
#   from q, k, v, dO, lse and δ.
#
# In the library: `kernels/attention.cu`, `kernels/attention_materialised.cu`, their launches in
# `minivit/devices/launches/attention.py`, and the operations in `minivit/devices/attention.py`. Sources: M. Milakov and N. Gimelshein,
# *Online normalizer calculation for softmax*, arXiv 1805.02867; T. Dao et al., *FlashAttention*, arXiv 2205.14135.
