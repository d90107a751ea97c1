# ---
# title: The backward kernels
# question: In a backward, many threads have something to add to one gradient. How do they, without a race, without atomics, and with the same bits on every run?
# sentence: The backward of GELU, LayerNorm and attention as kernels, each cut by one question, who owns a gradient; and a test for equal bits on every run.
# minutes: 85
# needs: [6, 7, 23, 24, 25]
# gpu: not needed; with one, the last cell uses it
# ---

# %% [markdown]
# Forward, each output gathers what it needs: it *reads* from many and is written once. Backward turns all arrows
# around. A number that many have read now hears from all of them, and what was a read wants to become a sum with many
# writers. The formulas are known (chapters 06, 23, 25); this chapter is about who adds.
#
# The kernels run where chapter 23 says: on Linux or in WSL; on a Mac, and elsewhere, on Colab (the link above).

# %% role="setup"
import numpy as np

from minivit import check, draw, emulator, load_mnist
from minivit.ops import attention_backward, attention_forward, layernorm_backward, layernorm_forward, patchify_forward

rng = np.random.default_rng(0)
patches = patchify_forward(load_mnist().train_images[:2] / 255, (4, 4))[0].reshape(98, 16)  # 2 digits, 49 patches each
patches = (patches - patches.mean()) / patches.std()


def empty(*shapes, dtype=np.float32):
    return [np.full(shape, np.nan, dtype) for shape in shapes]


# %% [markdown]
# ## The picture first
#
# Attention's dS for the first digit, 49 queries by 49 keys (red: above 0, blue: below; cut off at 0.3). dQ of query 26
# is made of *row* 26, and dK of key 24 of *column* 24.

# %% role="setup"
q, k, v, dout = (patches[:49] @ rng.standard_normal((16, 16)) / 4 for _ in range(4))  # N = 49 tokens, d = 16
N, d = q.shape
out, cache = attention_forward(*(a[None, None] for a in (q, k, v)))
dq, dk, dv = (a[0, 0] for a in attention_backward(dout[None, None], cache)[:3])  # what the library gives
out, scale = out[0, 0], d**-0.5

# %%
S = q @ k.T * scale
P = np.exp(S - S.max(-1, keepdims=True))
P /= P.sum(-1, keepdims=True)
dP = dout @ v.T
dS = P * (dP - (P * dP).sum(-1, keepdims=True))  # chapter 25, equation (5)
row, column = np.full_like(dS, np.nan), np.full_like(dS, np.nan)
row[26], column[:, 24] = dS[26], dS[:, 24]
draw.matrices(
    [
        {"title": title, "array": array, "values": False, "rows": "query", "columns": "key"}
        for title, array in {"dS": dS, "for dQ of query 26": row, "for dK of key 24": column}.items()
    ],
    diverging=True, limits=(-0.3, 0.3), colorbar=False,
    alt="Three squares of 49 by 49. The first is full: pale, with red and blue spots. In the second only row 26 is left, in the third "
    "only column 24; the rest is grey.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Whoever walks along rows has dQ complete at the end of each, and of every dK a little. (2)
# Whoever walks down columns has dK complete, and of every dQ a little. No walk has both.
#
# ## The words
#
# | word | meaning |
# |---|---|
# | gather | one thread reads all that belongs to *its* number, and writes it once |
# | scatter | a thread has a bit for many numbers, and adds it to each |
# | atomic | an addition that nobody can divide; whose turn comes first is open |
# | owner | the one thread that sums a number, in an order that the program fixes |
# | partial sum | what an owner has when it sees a part of the terms only |
# | G | groups of rows, each with partial sums of its own |
#
# | symbol | shape here |
# |---|---|
# | x, dy, dx (LayerNorm) | (98, 384) |
# | γ, dγ | (384,) |
# | Q, K, V, dO, dQ, dK, dV | (49, 16) |
# | lse, δ | (49,) |
#
# ## Why the order matters
#
# A float keeps 24 bits. Each addition rounds, and what is rounded away depends on what was added before: $(a + b) + c$
# is not $a + (b + c)$. *Predict: we add the same 98 numbers in 1,000 random orders. How many different sums?*

# %%
x = (patches @ rng.standard_normal((16, 384)) + rng.standard_normal(384)).astype(np.float32)
dy = rng.standard_normal(x.shape).astype(np.float32)
gamma = (1 + 0.2 * rng.standard_normal(384)).astype(np.float32)
terms = dy[:, 7]
sums = np.sort([np.cumsum(rng.permutation(terms), dtype=np.float32)[-1] for _ in range(1000)])  # cumsum: one by one
exact = terms.astype(np.float64).sum()
print(
    f"{len(set(sums.tolist()))} different sums; the furthest is off by {np.abs(sums - exact).max():.1e}, of {exact:.6f}"
)
draw.lines(
    {"sum − exact": (np.arange(1000), (sums - exact) * 1e6)}, xlabel="1,000 orders, sorted by their sum", ylabel="millionths", height=2.6,
    alt="A staircase that rises from left to right: the 1,000 sums take only nine values, a few millionths below and above the exact sum.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** None of them is wrong. But a training feeds each result into the next step, so two runs that differ
# in a last bit drift apart; and then nobody can say whether a change or the chance has done it. An atomic sum takes one
# of these orders, and another one tomorrow.
#
# So the rule of this chapter: **every sum has one owner, and a fixed order.**
#
# ## GELU: nothing to add
#
# $dx_i = dy_i\,(\Phi(x_i) + x_i\varphi(x_i))$: each dx has one term. Its owner is the thread that has x (chapter 23).
# What is elementwise forward is so backward.
#
# ## LayerNorm: along the rows, and down the columns
#
# From chapter 06, with $g_i = \gamma_i\,dy_i$ and D the width,
#
# $$\begin{aligned} dx_j &= r\Bigl(g_j - \tfrac1D\sum_i g_i \\
# &\qquad - \hat x_j\,\tfrac1D\sum_i g_i\hat x_i\Bigr), \\
# d\gamma_j &= \sum _ {\text{rows}} dy_j\,\hat x_j \end{aligned} \tag{1}$$
#
# In matrix form, with X̂ and dY of all rows, $d\gamma = (dY \circ \hat X)^\top \mathbf 1$: a product with a
# *transpose*, which is why its sums run the other way. Chapter 24 took two passes, one for dx and one for dγ, and read
# x and dy in both. Now in one: a warp walks through many rows; **a lane owns the same columns in all of them**, and
# keeps their dγ in registers. G warps give G partial sums, which a second launch adds up, p = 0, 1, 2, …

# %%
fused = emulator.Module("""\
__device__ float warp_sum(float v) {
    for (int bit = 16; bit > 0; bit /= 2) v += __shfl_xor_sync(0xffffffffu, v, bit);
    return v;
}
template <int EACH> __global__ void backward(float* dx, float* partial, const float* dy, const float* x,
                                             const float* gamma, const float* mean, const float* rstd, int rows) {
    const int D = 32 * EACH, lane = threadIdx.x;  // a block is one warp; a lane owns columns lane, lane + 32, …
    float dgamma[EACH] = {};
    for (int row = blockIdx.x; row < rows; row += gridDim.x) {
        float xhat[EACH], g[EACH], sum = 0, sum_xhat = 0;
        for (int e = 0; e < EACH; ++e) {
            int at = row * D + lane + 32 * e;
            xhat[e] = (x[at] - mean[row]) * rstd[row];
            g[e] = dy[at] * gamma[lane + 32 * e];
            dgamma[e] += dy[at] * xhat[e];            // down the columns: this lane's own
            sum += g[e], sum_xhat += g[e] * xhat[e];  // along the row: of all lanes
        }
        sum = warp_sum(sum) / D, sum_xhat = warp_sum(sum_xhat) / D;
        for (int e = 0; e < EACH; ++e)
            dx[row * D + lane + 32 * e] = rstd[row] * (g[e] - sum - xhat[e] * sum_xhat);
    }
    for (int e = 0; e < EACH; ++e) partial[blockIdx.x * D + lane + 32 * e] = dgamma[e];
}
""")  # fmt: skip

# %% [markdown]
# `float dgamma[EACH] = {}` is an array of zeros. dβ would be the same with `dy[at]` alone. The second stage: a thread a
# column, and a plain loop.

# %%
second = emulator.Module("""\
__global__ void add_up(float* dgamma, const float* partial, int groups, int D) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= D) return;
    float sum = 0;
    for (int p = 0; p < groups; ++p) sum += partial[p * D + c];
    dgamma[c] = sum;
}
""")["add_up"]
mean, rstd, G = x.mean(-1), 1 / np.sqrt(x.var(-1) + np.float32(1e-6)), 14
dx, dgamma, partial = empty(x.shape, 384, (G, 384))
first = fused["backward<12>"], G, 32, dx, partial, dy, x, gamma, mean, rstd, len(x)
print(first[0].check(*first[1:]))
results = set()
for order in range(4):  # another order of blocks and threads each time
    first[0](*first[1:], order=order)
    second(3, 128, dgamma, partial, G, 384, order=order)
    results.add(dx.tobytes() + dgamma.tobytes())
expected = layernorm_backward(dy, layernorm_forward(x, gamma, np.zeros(384, np.float32))[1])
check.close(dx, expected[0], "dx", tol=1e-5)
check.close(dgamma, expected[1], "dgamma", tol=1e-5)
print(f"in 4 orders, {len(results)} result")

# %% [markdown]
# G is a choice: more groups are more warps at work, and more partial rows to be written and read. And the library's
# ladder, counted (its v1 is chapter 24's two passes):

# %%
from minivit.devices import launches as table
from minivit.devices.launch import KERNELS

P = table.partial_rows(len(x))  # the library's G
shapes = {"dx": x.shape, "dgamma_partial": (P, 384), "dbeta_partial": (P, 384), "dgamma": 384, "dbeta": 384}
given = {"dy": dy, "x": x, "gamma": gamma, "mean": mean, "rstd": rstd, "rows": len(x), "width": 384, "partials": P}
given |= {name: empty(shape)[0] for name, shape in shapes.items()}
moved = {"ours, dγ alone": first[0].profile(*first[1:]).total.sectors} | {f"library, v{v}": 0 for v in (1, 2, 3)}
for version in (1, 2, 3):
    for launch in table.layernorm_backward(len(x), 384, np.float32, version):
        kernel = emulator.load(KERNELS / launch.file)[launch.kernel]
        arguments = launch.typed(tuple(given[name] for name in launch.names))
        profile = kernel.profile(launch.grid, launch.block, *arguments, shared=launch.shared)
        moved[f"library, v{version}"] += profile.total.sectors
draw.bars(
    {name: sectors * 32 / (3 * x.nbytes) for name, sectors in moved.items()}, ylabel="bytes moved, over x, dy and dx once", number="{:.2f}",
    alt="Four bars: ours, without dβ, moves 1.6 times the three arrays; the library's first version 3.2, its second 2.4, its third 1.4.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) v2 is one pass for two, and saves a quarter. (2) v3, and ours, also keep x̂ and g of the row
# in registers: x and dy are read once. (3) What is left above 1 is γ, read again with every row, and the partial sums.
#
# ## Attention: two walks
#
# From chapter 25, with P made again of lse and $\delta_i = \sum_c dO_{ic}\,O_{ic}$: by index,
#
# $$\begin{aligned} P_{ij} &= e^{S_{ij} - \text{lse}_i}, \\
# dS_{ij} &= P_{ij}\,(dP_{ij} - \delta_i) \end{aligned} \tag{2}$$
#
# $$\begin{aligned} dV_j &= \sum_i P_{ij}\, dO_i, \\
# dK_j &= \sum_i dS_{ij}\, Q_i/\sqrt d, \\
# dQ_i &= \sum_j dS_{ij}\, K_j/\sqrt d \end{aligned} \tag{3}$$
#
# and as matrices $dV = P^\top dO$, $dK = dS^\top Q/\sqrt d$, $dQ = dS\,K/\sqrt d$: two transposes, and one without. In
# (3), dV and dK sum over queries, dQ over keys. So there are **two kernels, each with its own owners**: a thread a key,
# past which the queries walk; and a thread a query, past which the keys walk. Both make P and dS again.


# %% role="setup"
copy_source = """\
template <typename T, int d> __device__ void copy_rows(T (*tile)[d], const T* from, int first, int N) {
    for (int e = threadIdx.x; e < 16 * d; e += blockDim.x)
        tile[e / d][e % d] = first + e / d < N ? from[first * d + e] : T(0);
}
"""

# %% role="setup"
keys_source = copy_source + """\
template <typename T, int d>
__global__ void backward_keys(T* dk, T* dv, const T* q, const T* k, const T* v, const T* dout, const T* lse,
                              const T* delta, int N, T scale) {
    __shared__ T q_tile[16][d], dout_tile[16][d];
    int j = blockIdx.x * blockDim.x + threadIdx.x;  // this thread's key
    T k_j[d], v_j[d], dk_j[d] = {}, dv_j[d] = {};
    for (int c = 0; c < d; ++c) k_j[c] = j < N ? k[j * d + c] : T(0), v_j[c] = j < N ? v[j * d + c] : T(0);
    for (int first = 0; first < N; first += 16) {
        __syncthreads();
        copy_rows<T, d>(q_tile, q, first, N);
        copy_rows<T, d>(dout_tile, dout, first, N);
        __syncthreads();
        for (int i = 0; i < 16 && first + i < N; ++i) {
            T s = 0, dp = 0;
            for (int c = 0; c < d; ++c) s += q_tile[i][c] * k_j[c], dp += dout_tile[i][c] * v_j[c];
            T p = exp(s * scale - lse[first + i]), ds = p * (dp - delta[first + i]);  // (2), and below (3)
            for (int c = 0; c < d; ++c) dv_j[c] += p * dout_tile[i][c], dk_j[c] += ds * q_tile[i][c] * scale;
        }
    }
    for (int c = 0; c < d; ++c) if (j < N) dk[j * d + c] = dk_j[c], dv[j * d + c] = dv_j[c];
}
"""  # fmt: skip

# %% [markdown]
# For dQ, the two parts change places: query i is the thread's own, with lse and δ, and keys and values pass by.

# %%
queries_source = copy_source + """\
template <typename T, int d>
__global__ void backward_queries(T* dq, const T* q, const T* k, const T* v, const T* dout, const T* lse,
                                 const T* delta, int N, T scale) {
    __shared__ T k_tile[16][d], v_tile[16][d];
    int i = blockIdx.x * blockDim.x + threadIdx.x;  // this thread's query
    T q_i[d], dout_i[d], dq_i[d] = {}, lse_i = i < N ? lse[i] : T(0), delta_i = i < N ? delta[i] : T(0);
    for (int c = 0; c < d; ++c) q_i[c] = i < N ? q[i * d + c] : T(0), dout_i[c] = i < N ? dout[i * d + c] : T(0);
    for (int first = 0; first < N; first += 16) {
        __syncthreads();
        copy_rows<T, d>(k_tile, k, first, N);
        copy_rows<T, d>(v_tile, v, first, N);
        __syncthreads();
        for (int j = 0; j < 16 && first + j < N; ++j) {
            T s = 0, dp = 0;
            for (int c = 0; c < d; ++c) s += q_i[c] * k_tile[j][c], dp += dout_i[c] * v_tile[j][c];
            T ds = exp(s * scale - lse_i) * (dp - delta_i);  // (2)
            for (int c = 0; c < d; ++c) dq_i[c] += ds * k_tile[j][c] * scale;  // (3)
        }
    }
    for (int c = 0; c < d; ++c) if (i < N) dq[i * d + c] = dq_i[c];
}
"""  # fmt: skip

# %% [markdown]
# The tempting alternative is *one* kernel: that of the keys, which has ds at hand, and scatters it to dQ by
# `atomicAdd`. *Predict: in four orders of its blocks, how many different dQ? And how many atomic additions, for N = 49
# and d = 16?*

# %% role="setup"
S = q @ k.T * scale
lse = S.max(-1) + np.log(np.exp(S - S.max(-1, keepdims=True)).sum(-1))
delta = (dout * out).sum(-1)
single = [a.astype(np.float32) for a in (q, k, v, dout, lse, delta)]

# %%
adds = "for (int c = 0; c < d && j < N; ++c) atomicAdd(&dq[(first + i) * d + c], ds * k_j[c] * scale);\n"
loop = "for (int c = 0; c < d; ++c) dv_j[c] += p"
scatters = keys_source.replace("T* dk,", "T* dq, T* dk,").replace(loop, adds + loop)
one = emulator.Module(scatters)["backward_keys<float, 16>"]
two = (
    emulator.Module(keys_source)["backward_keys<float, 16>"],
    emulator.Module(queries_source)["backward_queries<float, 16>"],
)
summed, (a, b, c, e, f) = np.zeros((N, d), np.float32), empty(*[(N, d)] * 5)
bits = {"one, with atomics": set(), "two": set()}
for order in range(4):
    summed[:] = 0
    one(2, 32, summed, a, b, *single, N, scale, order=order)
    two[0](2, 32, c, e, *single, N, scale, order=order)
    two[1](2, 32, f, *single, N, scale, order=order)
    bits["one, with atomics"].add(summed.tobytes())
    bits["two"].add(f.tobytes() + c.tobytes() + e.tobytes())
for name, given, right in (("dq, atomics", summed, dq), ("dq", f, dq), ("dk", c, dk), ("dv", e, dv)):
    check.close(given, right, name, tol=1e-5)
print({name: f"{len(found)} different in 4 orders" for name, found in bits.items()})

# %%
counted = {
    "one, with atomics": [one.profile(2, 32, summed, a, b, *single, N, scale)],
    "two": [two[0].profile(2, 32, c, e, *single, N, scale), two[1].profile(2, 32, f, *single, N, scale)],
}
print("                   requests  sectors  different bytes  atomic additions  exp")
for (name, profiles), exps in zip(counted.items(), (N * N, 2 * N * N), strict=True):
    atomics = sum(line.lanes for p in profiles for line in p.lines if line.operation == "atomic")
    totals = [sum(getattr(p.total, what) for p in profiles) for what in ("requests", "sectors", "distinct_bytes")]
    print("{:18} {:9,} {:8,} {:16,} {:17,} {:4,}".format(name, *totals, atomics, exps))

# %% [markdown]
# So the second walk costs P and dS once more, 14 N² d FLOP for 10, and its inputs again; and saves N² d atomic
# additions, each a read and a write that others wait for. The library's v2 and v3 do the same two walks with tiles for
# both sides, as v5 does forward: `kernels/attention_backward.cu`.
#
# When does an atomic pay? When terms are few, or nobody needs the bits: it is no sin, and a choice.
# `kernels/roi_align_backward.cu` shows how to avoid it where the owner has to find its terms first.
#
# ## Is it right?
#
# In float64, against the library and against differences; N = 7 is no multiple of anything here:

# %%
double = [emulator.Module(text)[name] for text, name in (
    (keys_source, "backward_keys<double, 3>"), (queries_source, "backward_queries<double, 3>"))]  # fmt: skip


def forward(q, k, v):
    s = q @ k.T / np.sqrt(3)
    lse = s.max(-1) + np.log(np.exp(s - s.max(-1, keepdims=True)).sum(-1))
    return np.exp(s - lse[:, None]) @ v, (q, k, v, lse)


def backward(dout, cache):
    q, k, v, lse = cache
    given = q, k, v, dout, lse, (dout * forward(q, k, v)[0]).sum(-1), len(q), 3**-0.5
    dq, dk, dv = empty(q.shape, k.shape, v.shape, dtype=np.float64)
    double[0](1, 32, dk, dv, *given)
    double[1](1, 32, dq, *given)
    return dq, dk, dv


some = dict(zip("qkv", rng.standard_normal((3, 7, 3)), strict=True))
check.grad(forward, backward, some)

# %% [markdown]
# ## If there is a GPU

# %%
from minivit.devices import DeviceError, get_device

try:
    gpu = get_device("cuda")
except DeviceError:
    print("No GPU was found here, or no CuPy: all of the above ran on the CPU.")
else:
    runs = set()
    for _ in range(4):
        cache = gpu.ops.attention_forward(*(gpu.asarray(a[None, None]) for a in single[:3]))[1]
        found = [gpu.to_numpy(g) for g in gpu.ops.attention_backward(gpu.asarray(single[3][None, None]), cache)[:3]]
        runs.add(b"".join(g.tobytes() for g in found))
    for name, given, right in zip(("dq", "dk", "dv"), found, (dq, dk, dv), strict=True):
        check.close(given[0, 0], right, f"{name} on the GPU", tol=1e-5)
    print(f"{len(runs)} different in 4 runs")

# %% [markdown] exercise="What the second walk costs" kind="predict" stars=1 minutes=8
# One head of ViT-B: N = 197, d = 64. The chapter's two kernels are that of the keys, with a thread a key, for dK and dV,
# and that of the queries, with a thread a query, for dQ; each makes P again. (a) `atomics`: if there were the kernel of
# the keys alone, and added each term of dQ by an atomic, how many atomic additions would that be? (b) `exponentials`: how
# many exponentials do the *two* kernels take together, spare threads of the last block not counted? (c) `kept`: how many
# numbers must the forward keep for them, beside q, k, v and out? (d) `writers`: how many threads, of both kernels, write
# to any one number of dQ?

# %% role="solution"
# YOUR TURN
atomics = 197 * 197 * 64
exponentials = 2 * 197 * 197
kept = 197
writers = 1
# END

# %% role="check"
n, width = 197, 64
pairs, S_forward = n * n, np.zeros((n, n))
check.answer(atomics, S_forward.size * width, "atomics", reasons={
    pairs: "for each of the d columns of dQ", n * width: "that is dQ's size: each of its numbers has N terms", 12 * pairs * width: "one head",
    2 * pairs * width: "each term once", 4 * pairs * width: "these are additions, not bytes",
})  # fmt: skip
check.answer(exponentials, 2 * S_forward.size, "exponentials", reasons={
    pairs: "that is one walk: each makes P again", 2 * pairs * width: "one for each query and key, whatever the width", n: "P is made again, not kept",
    3 * pairs: "dK and dV come from the same walk", 2 * n: "each query meets each key", 0: "P was not kept: it is made again",
})  # fmt: skip
check.answer(kept, n, "kept", reasons={
    pairs: "P is made again", 2 * n: "δ is made of dO and out, in the backward", n * width: "that is as much as out", 0: "without lse, P cannot be made in one pass",
    2 * n + 0.0: "δ is made of dO and out, in the backward", 4 * n: "in numbers, not bytes",
})  # fmt: skip
check.answer(writers, 1, "writers", reasons={
    0: "somebody must write it", 2 * n: "dQ is made by one of the two kernels, and each number has one owner there", n: "that is the scatter; here each number has an owner", 2: "dQ is made by one of the two kernels", 32: "a thread a query", 64: "a thread a query: it owns the whole row",
})  # fmt: skip

# %% [markdown] role="hint"
# (a) dQ has N d numbers, each a sum of N terms. (b) Each walk meets every pair once. (c) What does equation (2) need
# that the backward cannot make of q, k, v, out and dO? (d) Read the last line of `backward_queries`.

# %% role="wrong"
{
    "pairs": ("atomics = 197 * 197 * 64", "atomics = 197 * 197", "for each of the d columns"),
    "dQ's size": ("atomics = 197 * 197 * 64", "atomics = 197 * 64", "has N terms"),
    "one walk": ("exponentials = 2 * 197 * 197", "exponentials = 197 * 197", "each makes P again"),
    "by columns, too": ("exponentials = 2 * 197 * 197", "exponentials = 2 * 197 * 197 * 64", "whatever the width"),
    "P is kept": ("kept = 197", "kept = 197 * 197", "P is made again"),
    "delta, too": ("kept = 197", "kept = 2 * 197", "made of dO and out"),
    "all keys": ("writers = 1", "writers = 197", "has an owner"),
    "both kernels": ("writers = 1", "writers = 2", "one of the two"),
}

# %% [markdown] exercise="The softmax's backward" kind="build" stars=2 minutes=15
# Materialised attention has a kernel for the softmax alone: of p and dp (rows, width) it makes $dS = P \circ (dP -
# \delta)$, where δ of a row is Σ p dp. Write it with a warp a row, blocks of 128 threads; the last block may have rows
# to spare, and the width need not be a multiple of 32. `warp_sum` is given; shared memory is not needed. The check counts
# sectors: p and dp may be read twice, ds is only written, and once.

# %% role="solution"
softmax_source = """\
__device__ float warp_sum(float v) {
    for (int bit = 16; bit > 0; bit /= 2) v += __shfl_xor_sync(0xffffffffu, v, bit);
    return v;
}
__global__ void softmax_backward(float* ds, const float* p, const float* dp, int rows, int width) {
    int lane = threadIdx.x % 32;
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    // YOUR TURN
    if (row >= rows) return;
    float delta = 0;
    for (int c = lane; c < width; c += 32) delta += p[row * width + c] * dp[row * width + c];
    delta = warp_sum(delta);
    for (int c = lane; c < width; c += 32) ds[row * width + c] = p[row * width + c] * (dp[row * width + c] - delta);
    // END
}
"""

# %% role="check"
for rows, width in ((7, 100), (5, 32), (9, 17)):
    some = np.exp(2 * rng.standard_normal((rows, width)))
    some, upstream = (
        (some / some.sum(-1, keepdims=True)).astype(np.float32),
        rng.standard_normal((rows, width)).astype(np.float32),
    )
    of_row = (some * upstream).sum(-1, keepdims=True)
    lanes_own = np.stack([(some * upstream)[:, c % 32 :: 32].sum(-1) for c in range(width)], 1)
    check.kernel(
        emulator.Module(softmax_source)["softmax_backward"], -(-rows // 4), 128, *empty(some.shape), some, upstream, rows, width,
        expected={"ds": some * (upstream - of_row)}, 
        at_most={"sectors": (5 * rows * (width // 8 + 5), "Neighbouring lanes should have neighbouring columns; p and dp are read twice at most, ds is not read.")},
        mistakes={"ds": {
            "The factor P is missing: dS = P ∘ (dP − δ).": upstream - of_row,
            "δ is divided by the width: it is a sum, not a mean.": some * (upstream - of_row / width),
            "δ is the sum of dP; each term has its p.": some * (upstream - upstream.sum(-1, keepdims=True)),
            "Nothing is taken away: that is P ∘ dP.": some * upstream,
            "δ is added, not taken away.": some * (upstream + of_row),
            "Each lane takes away its own part of δ: the lanes must add theirs up.": some * (upstream - lanes_own),
        }},
    )  # fmt: skip

# %% [markdown] role="hint"
# As RMSNorm in chapter 24: all lanes of a warp have one row. Each lane sums p · dp over its columns, then one
# `warp_sum` after the loop, then a second loop writes.

# %% role="wrong"
{
    "no P": ("p[row * width + c] * (dp[row * width + c] - delta)", "dp[row * width + c] - delta", "The factor P is missing"),
    "a mean": ("delta = warp_sum(delta);", "delta = warp_sum(delta) / width;", "not a mean"),
    "without p": ("delta += p[row * width + c] * dp[row * width + c]", "delta += dp[row * width + c]", "each term has its p"),
    "added": ("- delta)", "+ delta)", "not taken away"),
    "each lane its own": ("    delta = warp_sum(delta);\n", "", "its own part of δ"),
    "a shuffle in the loop": ("delta += p[row * width + c] * dp[row * width + c]", "delta += warp_sum(p[row * width + c] * dp[row * width + c])", "has left the loop"),
    "no guard": ("    if (row >= rows) return;\n", "", "out of bounds"),
    "ds for a notebook": (
        "delta += p[row * width + c] * dp[row * width + c];\n    delta = warp_sum(delta);\n"
        "    for (int c = lane; c < width; c += 32) ds[row * width + c] = p[row * width + c] * (dp[row * width + c] - delta);",
        "delta += ds[row * width + c] = p[row * width + c] * dp[row * width + c];\n    delta = warp_sum(delta);\n"
        "    for (int c = lane; c < width; c += 32) ds[row * width + c] -= p[row * width + c] * delta;",
        "ds is not read",
    ),
    "four columns in a row for each lane": (
        "for (int c = lane; c < width; c += 32) delta", "for (int c = 4 * lane; c < 4 * lane + 4 && c < width; ++c) delta",
        "should have neighbouring columns",
    ),
}  # fmt: skip

# %% [markdown] exercise="Other bits tomorrow" kind="break" stars=2 minutes=15
# `column_sums` sums each column of dy (rows, 64), for a bias's gradient: a block of 4 warps, each of which takes every
# fourth row; a lane has the columns lane and lane + 32. No race is found, and the sum is right. But in another order of
# its threads, its bits are others. Mend the kernel: the bits must be the same in every order. The launch stays as it
# is.

# %% role="broken"
column_source = """\
__global__ void column_sums(float* sums, const float* dy, int rows) {
    __shared__ float total[64];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    if (warp == 0) total[lane] = total[lane + 32] = 0;
    __syncthreads();
    float a = 0, b = 0;
    for (int row = warp; row < rows; row += 4) {
        a += dy[row * 64 + lane];
        b += dy[row * 64 + lane + 32];
    }
    atomicAdd(&total[lane], a);
    atomicAdd(&total[lane + 32], b);
    __syncthreads();
    if (warp == 0) {
        sums[lane] = total[lane];
        sums[lane + 32] = total[lane + 32];
    }
}
"""

# %% role="solution"
column_source = """\
__global__ void column_sums(float* sums, const float* dy, int rows) {
    __shared__ float total[4][64];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float a = 0, b = 0;
    for (int row = warp; row < rows; row += 4) {
        a += dy[row * 64 + lane];
        b += dy[row * 64 + lane + 32];
    }
    total[warp][lane] = a;
    total[warp][lane + 32] = b;
    __syncthreads();
    if (warp == 0) {
        sums[lane] = total[0][lane] + total[1][lane] + total[2][lane] + total[3][lane];
        sums[lane + 32] = total[0][lane + 32] + total[1][lane + 32] + total[2][lane + 32] + total[3][lane + 32];
    }
}
"""

# %% role="check"
given = (1000 * rng.standard_normal((203, 64))).astype(np.float32)
kernel = emulator.Module(column_source)["column_sums"]
right, of_warp = given.astype(np.float64).sum(0), np.array([given[w::4].sum(0) for w in range(4)])
said = {}
for half, name in ((np.arange(64) < 32, "0 to 31"), (np.arange(64) >= 32, "32 to 63")):
    for w in range(4):
        said[f"In the columns {name}, the rows of warp {w} are missing."] = right - half * of_warp[w]
        said[f"In the columns {name}, only the rows of warp {w} are summed."] = np.where(half, of_warp[w], right)
check.kernel(kernel, 1, 128, *empty(64), given, 203, expected={"sums": right}, tol=1e-5, mistakes={"sums": said})
far = given.copy()
far[0], far[1], far[2:] = 1e20, -1e20, far[2:] / 1000  # what a double cannot hold beside each other, either
for numbers, what in ((given, ""), (far, " of 1e20, -1e20 and small numbers")):
    found = set()
    for order in range(12):
        (sums,) = empty(64)
        kernel(1, 128, sums, numbers, 203, order=order)
        found.add(sums.tobytes())
    if len(found) > 1:
        raise check.Wrong(
            f"in 12 orders of the threads there are {len(found)} different results{what}: somewhere nobody fixes who is "
            "added first"
        )
    print(f"in 12 orders: 1 result{what} ok")

# %% [markdown] role="hint"
# Each warp's part of a column needs a place of its own in shared memory. Then one thread adds up the four, in an order
# that stands in the program.

# %% role="wrong"
{
    "a plain addition": (
        "    total[warp][lane] = a;\n    total[warp][lane + 32] = b;\n",
        "    total[0][lane] += a;\n    total[0][lane + 32] += b;\n",
        "race",
    ),
    "no barrier": ("    __syncthreads();\n", "", "race"),
    "a warp's barrier": ("    __syncthreads();\n", "    __syncwarp();\n", "race"),
    "one warp left out": (
        "sums[lane] = total[0][lane] + total[1][lane] + total[2][lane] + total[3][lane];",
        "sums[lane] = total[1][lane] + total[2][lane] + total[3][lane];",
        "the rows of warp 0 are missing",
    ),
    "atomics between the barriers": (
        "    if (warp == 0) {\n        sums[lane] = total[0][lane] + total[1][lane] + total[2][lane] + total[3][lane];",
        "    if (warp > 0) atomicAdd(&total[0][lane], total[warp][lane]);\n    __syncthreads();\n"
        "    if (warp == 0) {\n        sums[lane] = total[0][lane];",
        "different results",
    ),
    "atomics in double": (
        "",
        'column_source = """\\\n__global__ void column_sums(float* sums, const float* dy, int rows) {\n    __shared__ double total[64];\n'
        "    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;\n    if (warp == 0) total[lane] = total[lane + 32] = 0;\n"
        "    __syncthreads();\n    double a = 0, b = 0;\n    for (int row = warp; row < rows; row += 4) {\n"
        "        a += dy[row * 64 + lane];\n        b += dy[row * 64 + lane + 32];\n    }\n    atomicAdd(&total[lane], a);\n"
        "    atomicAdd(&total[lane + 32], b);\n    __syncthreads();\n"
        '    if (warp == 0) sums[lane] = total[lane], sums[lane + 32] = total[lane + 32];\n}\n"""',
        "different results of 1e20",
    ),
    "the first warp alone": (
        " + total[1][lane + 32] + total[2][lane + 32] + total[3][lane + 32]",
        "",
        "only the rows of warp 0",
    ),
}

# %% [markdown] exercise="With a causal mask" kind="further" stars=3 minutes=25
# In a language model, query i sees the keys j ≤ i alone. Change the chapter's `backward_keys`, below with d = 16 and in
# float, to that: a thread still has a key. lse and δ come from the masked forward. No term of a pair that is masked may be
# added. And some tiles of 16 queries see **none of the block's keys**: they may not be fetched; the check counts the bytes
# that are read. It launches blocks of 32 threads.

# %% role="broken"
causal_source = """\
__global__ void causal_keys(float* dk, float* dv, const float* q, const float* k, const float* v, const float* dout,
                            const float* lse, const float* delta, int N, float scale) {
    const int d = 16;
    __shared__ float q_tile[16][d], dout_tile[16][d];
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    float k_j[d], v_j[d], dk_j[d] = {}, dv_j[d] = {};
    for (int c = 0; c < d; ++c) k_j[c] = j < N ? k[j * d + c] : 0, v_j[c] = j < N ? v[j * d + c] : 0;
    for (int first = 0; first < N; first += 16) {
        __syncthreads();
        for (int e = threadIdx.x; e < 16 * d; e += blockDim.x) {
            q_tile[e / d][e % d] = first + e / d < N ? q[first * d + e] : 0;
            dout_tile[e / d][e % d] = first + e / d < N ? dout[first * d + e] : 0;
        }
        __syncthreads();
        for (int i = 0; i < 16 && first + i < N; ++i) {
            float s = 0, dp = 0;
            for (int c = 0; c < d; ++c) s += q_tile[i][c] * k_j[c], dp += dout_tile[i][c] * v_j[c];
            float p = expf(s * scale - lse[first + i]), ds = p * (dp - delta[first + i]);
            for (int c = 0; c < d; ++c) dv_j[c] += p * dout_tile[i][c], dk_j[c] += ds * q_tile[i][c] * scale;
        }
    }
    for (int c = 0; c < d; ++c) if (j < N) dk[j * d + c] = dk_j[c], dv[j * d + c] = dv_j[c];
}
"""

# %% role="solution"
causal_source = """\
__global__ void causal_keys(float* dk, float* dv, const float* q, const float* k, const float* v, const float* dout,
                            const float* lse, const float* delta, int N, float scale) {
    const int d = 16;
    __shared__ float q_tile[16][d], dout_tile[16][d];
    int j = blockIdx.x * blockDim.x + threadIdx.x;
    float k_j[d], v_j[d], dk_j[d] = {}, dv_j[d] = {};
    for (int c = 0; c < d; ++c) k_j[c] = j < N ? k[j * d + c] : 0, v_j[c] = j < N ? v[j * d + c] : 0;
    for (int first = blockIdx.x * blockDim.x; first < N; first += 16) {
        __syncthreads();
        for (int e = threadIdx.x; e < 16 * d; e += blockDim.x) {
            q_tile[e / d][e % d] = first + e / d < N ? q[first * d + e] : 0;
            dout_tile[e / d][e % d] = first + e / d < N ? dout[first * d + e] : 0;
        }
        __syncthreads();
        for (int i = 0; i < 16 && first + i < N; ++i) {
            if (first + i < j) continue;
            float s = 0, dp = 0;
            for (int c = 0; c < d; ++c) s += q_tile[i][c] * k_j[c], dp += dout_tile[i][c] * v_j[c];
            float p = expf(s * scale - lse[first + i]), ds = p * (dp - delta[first + i]);
            for (int c = 0; c < d; ++c) dv_j[c] += p * dout_tile[i][c], dk_j[c] += ds * q_tile[i][c] * scale;
        }
    }
    for (int c = 0; c < d; ++c) if (j < N) dk[j * d + c] = dk_j[c], dv[j * d + c] = dv_j[c];
}
"""


# %% role="check"
def gradients(seen):
    """dk, dv where query i sees the keys that `seen` (n, n) has, with lse and delta of the right ones."""
    weights = np.where(seen, np.exp(scores - lse_c[:, None]), 0)
    scored = weights * (up @ c.T - delta_c[:, None])
    return scored.T @ a / 4, weights.T @ up


n = 70
a, b, c, up = rng.standard_normal((4, n, 16)).astype(np.float32).astype(np.float64)
scores = a @ b.T / 4
masked = np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf)
lse_c = masked.max(-1) + np.log(np.exp(masked - masked.max(-1, keepdims=True)).sum(-1))
delta_c = (up * (np.exp(masked - lse_c[:, None]) @ c)).sum(-1)
i, j = np.indices((n, n))
said = {
    "Nothing is masked.": gradients(i >= 0),
    "Within the block's tiles nothing is masked: which of their queries does key j not hear from?": gradients(
        i >= j // 32 * 32
    ),
    "A query sees its own key, too: j ≤ i.": gradients(j < i),
    "It is masked the wrong way round: query i sees the keys j ≤ i.": gradients((j >= i) & (i >= j // 32 * 32)),
    "It is masked the wrong way round: of all queries, those with i ≥ j see key j.": gradients(j >= i),
    "The block's first tile of queries is missing.": gradients((j <= i) & (i >= j // 32 * 32 + 16)),
}
fetched = sum(n - first for first in range(0, n, 32))  # rows of Q, and of dO
check.kernel(
    emulator.Module(causal_source)["causal_keys"], 3, 32, *empty((n, 16), (n, 16)), *(x.astype(np.float32) for x in (a, b, c, up, lse_c, delta_c)),
    n, 0.25, expected=dict(zip(("dk", "dv"), gradients(j <= i), strict=True)), tol=1e-4,
    mistakes={name: {what: pair[at] for what, pair in said.items()} for at, name in enumerate(("dk", "dv"))},
    at_most={"bytes_read": (  # K, V; Q, dO; lse and δ for each thread
        2 * 64 * (n + fetched) + 8 * 32 * fetched, "Tiles are fetched whose queries see no key of the block: with which query may it begin?"
    )},
)  # fmt: skip

# %% [markdown] role="hint"
# Two changes. For the mask: which i does key j not hear from? For the tiles: the block's smallest key is `blockIdx.x *
# blockDim.x`, and no earlier query sees any key of the block. Mind that `continue` must not skip a barrier.

# %% role="wrong"
{
    "no mask": ("            if (first + i < j) continue;\n", "", "nothing is masked"),
    "all tiles": ("first = blockIdx.x * blockDim.x; first", "first = 0; first", "see no key of the block"),
    "its own key is left out": ("first + i < j)", "first + i <= j)", "sees its own key"),
    "the wrong way round": ("first + i < j)", "first + i > j)", "the wrong way round"),
    "from the thread's own key": ("first = blockIdx.x * blockDim.x; first", "first = j; first", "barrier"),
    "a tile too late": (
        "first = blockIdx.x * blockDim.x; first",
        "first = blockIdx.x * blockDim.x + 16; first",
        "first tile of queries is missing",
    ),
    "a mask that leaves the block": ("if (first + i < j) continue;", "if (first + i < j) return;", "barrier"),
}

# %% [markdown]
# ## What you can do now
#
# - Ask of each gradient who owns it, and cut the kernel by that: by rows, by columns, in two stages, or in two walks.
# - Fuse a backward so that each input is read once, with sums in registers.
# - Test for the same bits, in several orders, and say what the test is worth.
#
# In the library: `kernels/layernorm_backward.cu`, `kernels/attention_backward.cu`, `kernels/attention_backward_v3.cu`.
# Sources: D. Goldberg, *What Every Computer Scientist Should Know About Floating-Point Arithmetic*, 1991; T. Dao,
# *FlashAttention-2*, arXiv 2307.08691 (whose dQ is summed with atomics); Liger Kernel, whose LayerNorm backward has
# partial sums, arXiv 2410.10989. Next: how far a kernel is from what the machine can do.
