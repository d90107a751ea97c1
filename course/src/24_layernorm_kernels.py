# ---
# title: LayerNorm kernels
# question: Who adds up a row, when each thread holds one number of it?
# sentence: Four LayerNorm kernels, one idea each, from a thread a row to shuffles and registers; what a missing barrier does; and a backward without races.
# minutes: 110
# needs: [6, 23]
# gpu: not needed; with one, the last cell uses it
# ---

# %% [markdown]
# GELU treats every number by itself. LayerNorm (chapter 06) does not: each number needs the mean and the variance of its
# row. So threads must work together. This chapter climbs a ladder of four kernels. The first two we write; the others
# we read in `kernels/layernorm.cu`. What each costs is counted, never timed: all runs on the emulator.
#
# The kernels run where chapter 23 says: on Linux or in WSL; on a Mac, and elsewhere, on Colab (the link above).

# %% role="setup"
import numpy as np

from minivit import check, emulator
from minivit.devices.launch import KERNELS
from minivit.ops import layernorm_backward, layernorm_forward

rng = np.random.default_rng(0)


def empty(*shapes):
    return [np.full(shape, np.nan, np.float32) for shape in shapes]  # NaN: what is never written is found out


# %%
from minivit import draw, load_mnist
from minivit.ops import patchify_forward

patches = patchify_forward(load_mnist().train_images[:2] / 255, (4, 4))[0].reshape(98, 16)  # 2 digits, 49 patches each
x = patches @ rng.standard_normal((16, 384)) + rng.standard_normal(384)  # 98 tokens of width 384, as in ViT-S
x = x.astype(np.float32)
gamma, beta = (1 + 0.2 * rng.standard_normal(384)).astype(np.float32), rng.standard_normal(384).astype(np.float32)
rows, width = x.shape

# %% [markdown]
# ## The picture first
#
# Below, the first load of the first warp, in each of the library's four versions: which numbers of x do its 32 lanes ask
# for (blue), and what else comes along, since memory hands out sectors of 32 bytes (orange)? The two cells profile the four
# kernels and paint the maps: skip them for now.

# %%
from minivit.devices import launches as table

library = emulator.load(KERNELS / "layernorm.cu")
launches = {version: table.layernorm_forward(rows, width, np.float32, version) for version in (1, 2, 3, 4)}
for mode in ("run", "trace"):  # all four at once, which takes less time
    library.compile([launch.kernel for launch in launches.values()], mode)

arguments = *empty(x.shape, rows, rows), x, gamma, beta, rows, width, 1e-6
profiles, loads = {}, {}
for v, one in launches.items():  # shared=: bytes of shared memory that a block gets at the launch; v2 wants some
    profiles[v] = library[one.kernel].profile(one.grid, one.block, *arguments, shared=one.shared)
    loads[v] = next(line for line in profiles[v].lines if line.array == "x" and line.operation == "load")

# %%
from matplotlib.colors import ListedColormap


def first_load(version):
    load = loads[version]
    request = next(a for a in profiles[version].addresses(load.line, load.file) if a.array == "x")
    element, touched = request.offsets // 4, np.zeros(x.size)
    touched[(element[:, None] // 8 * 8 + np.arange(8))] = 1  # all of the sector
    touched[element[:, None] + np.arange(request.size // 4)] = 2  # what was asked for
    return np.repeat(touched.reshape(x.shape)[:32, :96], 2, axis=0)  # each row twice as high


ideas = {1: "a thread a row", 2: "a block a row", 3: "a warp a row", 4: "16-byte loads"}
draw.matrices(
    [
        {"title": f"v{v}: {ideas[v]}", "array": first_load(v), "values": False, "rows": "32 rows", "columns": "96 columns"}
        for v in ideas
    ],
    colormap=ListedColormap(["#F2F2F2", "#F0A884", "#0072B2"]), limits=(0, 2), colorbar=False,
    alt="Four maps of the first 32 rows and 96 columns of x. v1 touches a column: a narrow blue stripe with a wider orange one "
    "beside it. v2 and v3 touch the first 32 numbers of the first row, v4 all that is shown of it, with no orange at all.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) v1 asks for a *column* of x, and gets eight times as much. (2) v2 and v3 ask for the beginning
# of a row: nothing is orange. (3) v4 asks for four times as much at once, 128 numbers (32 of them beyond the map's edge).
# The rest of the chapter is how to get there.
#
# ## The shapes
#
# | symbol | meaning | shape | here |
# |---|---|---|---|
# | x, y, dx, dy | tokens, one a row | (rows, width) | (98, 384) |
# | γ, β (`gamma`, `beta`) | scale and shift | (width,) | (384,) |
# | μ, r (`mean`, `rstd`) | mean and 1/√(σ² + ε) of a row | (rows,) | (98,) |
# | G | groups of rows in the backward | | 4 |
#
# ## The idea, as a loop
#
# With i counting the columns of one row, and D = width:
#
# $$\begin{aligned} \mu &= \frac1D \sum_i x_i, \\
# \sigma^2 &= \frac1D\sum_i (x_i-\mu)^2, \\
# r &= \frac{1}{\sqrt{\sigma^2+\varepsilon}}, \\
# \hat x_i &= (x_i - \mu)\,r, \\
# y_i &= \gamma_i \hat x_i + \beta_i \end{aligned} \tag{1}$$


# %%
def layernorm_loop(x, gamma, beta, eps=1e-6):
    y = np.empty(x.shape)
    for row, numbers in enumerate(x.tolist()):
        mu = sum(numbers) / len(numbers)
        variance = sum((number - mu) ** 2 for number in numbers) / len(numbers)
        y[row] = (x[row] - mu) / np.sqrt(variance + eps) * gamma + beta
    return y


exact = layernorm_forward(*(a.astype(np.float64) for a in (x, gamma, beta)))[0]
check.close(layernorm_loop(x.astype(np.float64), gamma, beta), exact, "loop against library", tol=1e-11)

# %% [markdown]
# ## v1: a thread a row
#
# The turns of the loop over rows do not need each other. So, as in chapter 23, each becomes a thread.

# %%
thread_source = """\
__global__ void thread_a_row(float* y, const float* x, const float* gamma, const float* beta,
                             int rows, int width, float eps) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    x += row * width;  // moves the pointer: x[0] is now the first number of this thread's row
    y += row * width;
    float sum = 0, squares = 0;
    for (int c = 0; c < width; ++c) sum += x[c];
    float mu = sum / width;
    for (int c = 0; c < width; ++c) squares += (x[c] - mu) * (x[c] - mu);
    float r = 1 / sqrtf(squares / width + eps);
    for (int c = 0; c < width; ++c) y[c] = (x[c] - mu) * r * gamma[c] + beta[c];
}
"""
thread_a_row = emulator.Module(thread_source)["thread_a_row"]
(y,) = empty(x.shape)
thread_a_row(-(-rows // 32), 32, y, x, gamma, beta, rows, width, 1e-6)
check.close(y, exact, "a thread a row", tol=1e-5)

# %%
draw.addresses(
    profiles[1], loads[1].line, array="x",
    alt="32 lanes, and 32 sectors 1,536 bytes apart. Each lane has a sector of its own and asks for its first four bytes.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) At the first turn of the loop, all threads read their c = 0: neighbouring threads read numbers
# that lie a row apart, 384 · 4 = 1,536 bytes. (2) So 32 sectors move, for numbers that fit into 4. (The next seven
# turns want the rest of them. Whether it still lies in a *cache* by then, a small fast memory that keeps what came
# last, we cannot know here.) (3) With 98 rows there are 98 threads. An H100 holds 132 · 2,048 of them at a time
# (NVIDIA, *H100 Tensor Core GPU Architecture*: 132 multiprocessors, 2,048 threads each).
#
# Three words for what follows, and one that we shall need soon:
#
# | word | meaning |
# |---|---|
# | register | where a thread keeps its own variables, such as `sum`: no other thread can see it |
# | shared memory | a small array on the chip, that all threads of one block can read and write |
# | barrier | `__syncthreads()`: no thread of the block goes on before all have come to it |
# | shuffle | the lanes of one warp hand each other the contents of a register |
#
# ## v2: a block a row
#
# Now all threads of a block share one row: thread t takes the columns t, t + 128, t + 256, … Neighbouring threads read
# neighbouring numbers. But then each holds a sum of a few columns, and somebody must add up 128 of these.
#
# For that there is **shared memory**. The threads add in a *tree*: the first half adds the second half to its own, then
# the first quarter the second quarter, until one number is left. Here with 8 threads:

# %%
partial = np.array([3.0, 1, 7, 0, 4, 1, 6, 3])
steps, half = [partial.copy()], 4
while half:
    partial[:half] += partial[half : 2 * half]
    steps.append(np.where(np.arange(8) < half, partial, np.nan))
    half //= 2
check.close(partial[0], 25, "the sum")
steps, waits = np.array(steps), np.random.default_rng(3).integers(1, 5, (4, 8))  # how long a thread takes for a step

# %%
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def moment(step, time):
    """The table while the threads are busy with a step: who is through waits at the barrier, with an orange mark."""
    paper = Figure((8, 2.7), facecolor="white")
    axes = paper.add_axes((0, 0, 1, 1), xlim=(-1.9, 7.8), ylim=(3.75, -0.5))
    axes.axis("off")
    for row, name in enumerate(("written", "half = 4", "half = 2", "half = 1")):
        axes.text(-0.75, row, name, ha="right", va="center", fontsize=10)
        axes.axhline(row + 0.55, 0.13, 0.99, color="#D55E00" if row == step else "#BDBDBD", linewidth=2)
        for t in range(8):
            through = row < step or (row == step and waits[row, t] <= time)
            if row == step and through:
                axes.plot(t + 0.4, row + 0.42, "v", color="#D55E00", markersize=8)
            number = f"{steps[row, t]:2.0f}" if through and t < (8 >> row) else "  "
            frame = {"boxstyle": "square,pad=0.4", "edgecolor": "#8A8A8A"}
            frame["facecolor"] = "#CFE3F1" if number.strip() else "#F2F2F2"
            axes.text(t, row, number, ha="center", va="center", fontsize=11, family="monospace", bbox=frame)
    return paper


# %%
draw.animation(
    [moment(step, time) for step in range(4) for time in range(waits[step].max() + 1)],
    seconds=0.6,
    alt="A table of four rows, and a line, the barrier, below each. First 8 numbers are written, 3 1 7 0 4 1 6 3, at different times; "
    "who is through waits at the line. Once all 8 are there the next row begins: the sums 7 2 13 3, then 20 and 5, then 25.",
)  # fmt: skip

# %% [markdown]
# **What to watch.** The orange marks: a thread that is through waits at its line, and no number of the next row appears
# before the eighth mark. (1) 8 numbers take 3 steps, and 128 take 7: log₂. (2) In the row "half = 2", thread 0 reads the
# 13 that *thread 2* wrote one step before. It must not read too early: hence the barriers. (3) A thread that has nothing
# to add comes to the barrier, too.

# %%
block_source = """\
__device__ float block_sum(float* partial, float v) {
    int t = threadIdx.x;
    partial[t] = v;
    __syncthreads();  // all have written
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) partial[t] += partial[t + half];
        __syncthreads();  // all have added
    }
    float sum = partial[0];
    __syncthreads();  // all have read, before the next call writes
    return sum;
}
__global__ void block_a_row(float* y, const float* x, const float* gamma, const float* beta, int width, float eps) {
    __shared__ float partial[128];
    int t = threadIdx.x, row = blockIdx.x;
    float sum = 0, squares = 0;
    for (int c = t; c < width; c += 128) sum += x[row * width + c];
    float mu = block_sum(partial, sum) / width;
    for (int c = t; c < width; c += 128) squares += (x[row * width + c] - mu) * (x[row * width + c] - mu);
    float r = 1 / sqrtf(block_sum(partial, squares) / width + eps);
    for (int c = t; c < width; c += 128) y[row * width + c] = (x[row * width + c] - mu) * r * gamma[c] + beta[c];
}
"""

# %%
block_a_row = emulator.Module(block_source)["block_a_row"]
arguments = *empty(x.shape), x, gamma, beta, width, 1e-6
print(block_a_row.check(rows, 128, *arguments))
block_a_row(rows, 128, *arguments)
check.close(arguments[0], exact, "a block a row", tol=1e-5)

# %% [markdown]
# ## A missing barrier
#
# *Predict: take away the barrier after "all have added". Which two lines collide?*

# %%
hasty = emulator.Module(block_source.replace("__syncthreads();  // all have added", ""))["block_a_row"]
print(hasty.check(rows, 128, *arguments))

# %% [markdown]
# Two races, and each of them twice: `block_sum` is called for the mean (line 18) and for the variance (line 20). Each
# with both of its sides: who reads, who writes, and that no barrier lies between. In the first, thread 127 takes the
# sum out of `partial[0]` while thread 0 may still be adding (line 9 against line 6). In the second, line 6 collides with
# itself: thread 0 reads byte 128, that is `partial[32]`, which thread 32 writes in the step before.
#
# The checker does not wait for a wrong result. It notes who touched what since the last barrier, so it finds such a
# pair on every run. On a GPU the sum may be right a thousand times, and then not.
#
# The opposite mistake is as bad: a barrier inside `if (t < half)`. Half of the threads never come to it, and the others
# may wait for ever. The checker calls it a *divergent barrier*, and a *barrier after return* where a thread has left the
# kernel before (an exercise).
#
# ## v3: a warp a row
#
# Now the library's own text. By **shuffles** the lanes of a warp hand each other a number directly, and all of them meet
# there. `__shfl_xor_sync(ALL_LANES, v, bit)` gives me the v of the lane whose number differs from mine in that bit.


# %%
import re


def show(file, name, first=0, last=None):
    text = (KERNELS / file).read_text(encoding="utf-8")
    code = re.search(rf"template <[^\n]*\n__(?:global|device)__[^\n]*\b{name}\(.*?\n}}\n", text, re.DOTALL)[0]
    print("\n".join(code.splitlines()[first:last]))


show("common.cuh", "warp_sum")
show("layernorm.cu", "layernorm_forward_v3")

# %% [markdown]
# Some words of it: `WARP` is 32, `ALL_LANES` a mask of 32 ones, `warp_number()` counts the warps of all blocks.
# `__restrict__` promises that the arrays do not overlap, `__forceinline__` puts the function where it is called, and
# `#pragma unroll` writes a loop out, turn by turn.
#
# Five steps, and *every* lane knows the sum: no shared memory, no barrier. In NumPy, for the 32 lanes at once:

# %%
v = np.random.default_rng(1).integers(0, 4, 32)
total, lanes, states = v.sum(), np.arange(32), [v]
for bit in (16, 8, 4, 2, 1):
    v = v + v[lanes ^ bit]  # ^ flips the bit
    states.append(v)
print("every lane:", set(v.tolist()), "the sum:", total)


# %%
def shuffle(step, joined):
    """The lanes before a step and, once joined, after it."""
    paper = Figure((8, 1.9), facecolor="white")
    axes = paper.add_axes((0, 0, 1, 1), xlim=(-0.8, 31.8), ylim=(2.5, -1.0))
    axes.axis("off")
    said = f"step {step}: with lane ^ {32 >> step}" if step else "each lane loads its number"
    axes.text(15.5, -0.7, said, ha="center", va="center", fontsize=11)
    for y, state in ((0, max(step - 1, 0)), *(((2, step),) if joined and step else ())):
        shade = ("#F2F2F2", "#DCEAF5", "#BCD7EC", "#9CC3E3", "#7FB2DA", "#63A1D1")[state]
        for lane in lanes:
            axes.add_patch(Rectangle((lane - 0.5, y - 0.4), 1, 0.8, facecolor=shade, edgecolor="#8A8A8A"))
            axes.text(lane, y, states[state][lane], ha="center", va="center", fontsize=9)
    for lane in lanes if step else ():
        axes.plot([lane, lane], [0.45, 1.5], color="#BDBDBD", linewidth=0.8)
        axes.plot([lane ^ (32 >> step), lane], [0.45, 1.5], color="#0072B2", linewidth=0.8)
    return paper


# %%
draw.animation(
    [shuffle(0, False), *(shuffle(step, joined) for step in range(1, 6) for joined in (False, True))],
    seconds=0.9,
    alt="32 lanes in a row, each with a number from 0 to 3. Five times, lines join each lane with the one 16, 8, 4, 2 and at last 1 away, "
    "and below appears a row in which each lane has its own number and the other's. In the end all 32 hold the same sum.",
)  # fmt: skip

# %% [markdown]
# **What to watch.** The blue lines: whose number comes. After the first step there are pairs of equal numbers, then
# fours; in the end all are equal. All 32 lines are drawn at once: a shuffle is one instruction, and needs no barrier.
#
# ## v4: 16 bytes a lane, and the row in registers
#
# v3 reads x three times: for the mean, for the variance, for y. In v4 each lane keeps its part of the row in registers,
# and loads and stores 16 bytes at a time. From the middle of it:

# %%
show("layernorm.cu", "layernorm_forward_v4", 12, 23)

# %% [markdown]
# `Vec<T>` (`kernels/common.cuh`) holds 16 bytes: `SIZE` = 4 floats, `.at[j]` is the one numbered j, and
# `load_vec` loads it. `VECTORS` is known to the compiler, which writes the loops out: a register has no address that a
# running index could pick. At a width of 384, each lane has 3 vectors of 4 floats.

# %%
request = profiles[4].addresses(loads[4].line, loads[4].file)[0]
print(f"one request: {32 * request.size} bytes asked for, {loads[4].most} sectors of 32 bytes")

# %% [markdown]
# Nothing moves in vain: two lanes share a sector, and three such requests are the whole row.
#
# ## The ladder, counted
#
# All four of the library's versions give the same result, to rounding. "32 for 4" means: a load falls into 32 sectors,
# where 4 could hold what it asks for; v4 asks for 16, and gets 16. The library's v2 has 256 threads a block, so its
# tree has 8 steps, and a row meets 2 · (1 + 8 + 1) = 20 barriers; ours, with 128 threads, has 18. *Predict: which
# numbers fall from v1 to v2, and which from v3 to v4?*

# %%
print("     sectors a load of x  requests  sectors  barriers a row  shuffles a row  max|Δ|")
for version, launch in launches.items():
    out, t = empty(x.shape, rows, rows), profiles[version].total
    library[launch.kernel](launch.grid, launch.block, *out, x, gamma, beta, rows, width, 1e-6, shared=launch.shared)
    load = f"{loads[version].most} for {loads[version].size}"  # 32 lanes, 32 bytes a sector: as many as a lane's bytes
    print(f"v{version}  {load:>20}  {t.requests:8,}  {t.sectors:7,}  {t.barriers / rows:14.0f}"
          f"  {t.warp_operations / rows:14.0f}  {np.abs(out[0] - exact).max():.0e}")  # fmt: skip

# %%
draw.bars(
    {f"v{v}: {ideas[v]}": p.total.sectors / (p.total.distinct_read + p.total.distinct_written) for v, p in profiles.items()},
    ylabel="sectors moved, over the different ones", number="{:.1f}", title="How often each sector moves",
    alt="Four bars. v1 stands far above: each sector moves some 16 times. v2 and v3 are alike, about 3, and v4 2.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** Take the size of x as the unit: x once and y once, 2, must move. (1) v1 reads x three times and
# writes y once, each eightfold: 32 / 2 = 16. (2) v2: 4 / 2 = 2, and 1 more for γ and β, which each row reads again. v3
# moves the same; what it saves is all of the barriers. (3) v4 reads x once: 2 / 2 = 1, and 1 more for γ and β; and it
# needs a fifth of the requests. (From v1 to v2 they fall too: v1's fourth warp has only 2 rows.)
#
# A word of care: x is small enough for a cache here, so v1's sectors would often come from there. The count says what the
# caches must do; only a GPU says how long it takes.
#
# ## The variance, once more
#
# All versions go over the row twice: mean first, then (x − μ)². Chapter 06 showed why not $\sigma^2 = \frac1D\sum x_i^2 -
# \mu^2$, in one pass. *Predict: x has a standard deviation of 1. Ten times the mean: how many times the error?*

# %%
noise, means = rng.standard_normal((200, 384)), 10.0 ** np.arange(0, 4.6, 0.5)
worst = {"E[x²] − μ²": [], "two passes": []}
for mean in means:
    z = (noise + mean).astype(np.float32)  # 200 rows
    mu, true = z.mean(-1), z.astype(np.float64).var(-1)
    for name, found in zip(worst, ((z * z).mean(-1) - mu * mu, ((z - mu[:, None]) ** 2).mean(-1)), strict=True):
        worst[name].append(np.abs(found / true - 1).max())
print(f"at a mean of {means[6]:,.0f}:", ", ".join(f"{name} {errors[6]:.0e}" for name, errors in worst.items()))
draw.lines(
    {name: (means, errors) for name, errors in worst.items()}, xlabel="mean of the row", ylabel="worst relative error",
    logx=True, logy=True, height=2.8,
    alt="Relative error of the variance over the mean, both logarithmic. E[x²] minus the mean squared rises by two decades "
    "a decade and passes 1 beyond a mean of 1,000; two passes stay near a ten-millionth up to 3,000, and rise from there.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Both terms of the short formula are about μ², and each is rounded to 7 digits: an error of
# about $10^{-7}\mu^2$. Their difference is 1. So the error grows with the *square* of the mean, and at an error of 1 no
# digit is left. (2) Two passes subtract first, and square what is then small. (3) Beyond 3,000 they rise, too: μ itself
# is rounded, and if it is off by δ, the mean of (x − μ)² is too large by δ².
#
# ## The backward
#
# Chapter 06 derived it; its results are, for one row of D numbers,
#
# $$\begin{aligned} dx_j &= r\Bigl(d\hat x_j - \frac1D\sum_i d\hat x_i \\
# &\qquad - \hat x_j\,\frac1D\sum_i d\hat x_i\hat x_i\Bigr), \\
# d\hat x_i &= \gamma_i\,dy_i \end{aligned} \tag{2}$$
#
# and, since γ and β serve all rows,
#
# $$\begin{aligned} d\gamma_i &= \sum _ {\text{rows}} dy_i\,\hat x_i \\
# d\beta_i &= \sum _ {\text{rows}} dy_i \end{aligned} \tag{3}$$
#
# In matrix form (2) is $dx = J^\top d\hat x$ with $J = r\,(I - \frac1D \mathbf 1\mathbf 1^\top - \frac1D \hat x\hat
# x^\top)$, and J is symmetric, $J^\top = J$. There the forward kept x̂ and r. The kernels keep μ and r, two numbers a
# row, and find $\hat x = (x - \mu)\,r$ again: that is cheaper than to write and read an array as large as x.
#
# *In code.* Equation (2) has two sums along the row: a warp a row again. The first loop makes both sums, `warp_sum` over
# D the two means, and the last line is (2), column by column.

# %%
show("layernorm_backward.cu", "layernorm_backward_dx_v1", 4)

# %% [markdown]
# Equation (3) is another matter: its sums run *down the columns*, over all rows, and no block sees all rows. The first
# idea is a thread an element, each adding to its column. *Predict what the checker says.*

# %%
columns = emulator.Module("""\
__global__ void dbeta_racing(float* dbeta, const float* dy, int n, int width) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) dbeta[i % width] += dy[i];
}
__global__ void dbeta_atomic(float* dbeta, const float* dy, int n, int width) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&dbeta[i % width], dy[i]);
}
""")
dy, grid = rng.standard_normal(x.shape).astype(np.float32), -(-x.size // 256)
print(columns["dbeta_racing"].check(grid, 256, np.zeros(width, np.float32), dy, x.size, width), "\n")
print(columns["dbeta_atomic"].check(grid, 256, np.zeros(width, np.float32), dy, x.size, width))

# %% [markdown]
# `atomicAdd` mends the race. But the order of the additions is then anybody's, and a sum of floats depends on it. The
# library has **two stages** instead. Of G groups, group p sums the rows p, p + G, p + 2G, … into row p of a small array
# (G, width), and a second launch adds up its G rows. Count the writes to dβ and to its partial sums; then run all of them
# four times, with the threads in another order each time: `order=` chooses it.

# %%
backward = emulator.load(KERNELS / "layernorm_backward.cu")
_, first, second = table.layernorm_backward(rows, width, np.float32, version=1)
G, mean, rstd = first.grid[0], x.mean(-1), 1 / np.sqrt(x.var(-1) + np.float32(1e-6))
dgamma, dbeta, *stage = empty(width, width, (G, width), (G, width))
atomic = np.zeros(width, np.float32)
runs = {
    "atomics": (columns["dbeta_atomic"], grid, 256, atomic, dy, x.size, width),
    "stage 1": (backward[first.kernel], first.grid, first.block, *stage, dy, x, mean, rstd, rows, width),
    "stage 2": (backward[second.kernel], second.grid, second.block, dgamma, dbeta, *stage, G, width),
}
for name, (kernel, *launch) in runs.items():
    lines = kernel.profile(*launch).lines
    writes = sum(line.lanes for line in lines if line.array.startswith("dbeta") and line.operation != "load")
    print(f"{name}: {writes:,} writes of sums, {writes / width:g} a column")

# %%
results = []
for order in range(4):
    atomic[:] = 0
    for kernel, *launch in runs.values():
        kernel(*launch, order=order)
    results.append((atomic.tobytes(), dbeta.tobytes()))
for name, found, bits in zip(("atomics", "two stages"), (atomic, dbeta), zip(*results, strict=True), strict=True):
    check.close(found, dy.sum(0), name, tol=1e-5)
    print(f"   in 4 orders, distinct results: {len(set(bits))}")

# %% [markdown]
# Equal bits on every run make a mistake findable: that is worth a second launch. The library's later versions compute
# dx and the partial sums in one go, so that x and dy are read once (`kernels/layernorm_backward.cu` counts it).
#
# ## Is it right?
#
# The operations of `device="emulator"` are these kernels, launched for you. In float64, against differences:

# %%
from minivit.devices import DeviceError, get_device

ops = get_device("emulator").ops
small = {"x": rng.standard_normal((5, 12)), "gamma": rng.standard_normal(12), "beta": rng.standard_normal(12)}
check.grad(ops.layernorm_forward, ops.layernorm_backward, small)
ours = ops.layernorm_backward(dy, ops.layernorm_forward(x, gamma, beta)[1])
numpys = layernorm_backward(dy, layernorm_forward(x, gamma, beta)[1])
for name, a, b in zip(("dx", "dgamma", "dbeta"), ours, numpys, strict=True):
    check.close(a, b, f"{name}, float32, kernels against NumPy", tol=1e-5)

# %% [markdown]
# ## If there is a GPU

# %%
try:
    gpu = get_device("cuda")
except DeviceError:
    print("No GPU was found here, or no CuPy: all of the above ran on the CPU.")
else:
    y_gpu = gpu.ops.layernorm_forward(*(gpu.asarray(a) for a in (x, gamma, beta)))[0]
    check.close(gpu.to_numpy(y_gpu), exact, "v4 on the GPU", tol=1e-5)

# %% [markdown] exercise="Sectors and barriers" kind="predict" stars=2 minutes=8
# Three numbers, for the kernels of this chapter. (a) `wide`: v1, a thread a row, at a width of 8 floats: into how many
# sectors do the 32 lanes of a full warp's first load of x fall? (b) `narrow`: the same at a width of 2 floats. (c)
# `barriers`: v2 with blocks of 64 threads: how often does each thread come to a `__syncthreads()`, for a whole row?

# %% role="given"
# block_sum, which v2 calls twice for each row: once for the mean, once for the variance
# partial[t] = v;
# __syncthreads();
# for (int half = blockDim.x / 2; half > 0; half /= 2) {
#     if (t < half) partial[t] += partial[t + half];
#     __syncthreads();
# }
# T sum = partial[0];
# __syncthreads();

# %% role="solution"
# YOUR TURN
wide = 32
narrow = 8
barriers = 16
# END


# %% role="check"
def measured(version, width, block):
    kernel = emulator.load(KERNELS / "layernorm.cu")[f"layernorm_forward_v{version}<float>"]
    a, scale = np.ones((32, width), np.float32), np.ones(width, np.float32)
    arguments = *empty(a.shape, 32, 32), a, scale, scale, 32, width, 1e-6
    return kernel.profile(1, block, *arguments, shared=4 * block)


def sectors(width):
    return next(line for line in measured(1, width, 32).lines if line.array == "x").most


alone = {4: "only for neighbours: how many bytes lie between the numbers of two lanes?"}
check.answer(wide, sectors(8), "wide", reasons=alone)
rows_a_sector = {32: "how many rows of 8 bytes lie in one sector?", 16: "a float has 4 bytes, so a row of 2 has 8"}
check.answer(narrow, sectors(2), "narrow", reasons=alone | rows_a_sector)
reasons = {
    8: "that is one sum, and a row takes two", 12: "the ones before and after the loop count, too",
    14: "two more, not one, beside the loop", 18: "that is 128 threads; here are 64",
    20: "that is 256 threads; here are 64",
}  # fmt: skip
check.answer(barriers, measured(2, 64, 64).total.barriers, "barriers", reasons=reasons)

# %% [markdown] role="hint"
# (a, b) The first numbers of two neighbouring rows lie 4 · width bytes apart. (c) The loop runs with half = 32, 16, 8,
# 4, 2, 1.

# %% role="wrong"
{
    "as if coalesced": ("wide = 32", "wide = 4", "lie between"),
    "a sector a lane": ("narrow = 8", "narrow = 32", "lie in one sector"),
    "rows of 16 bytes": ("narrow = 8", "narrow = 16", "a row of 2 has 8"),
    "as in the table": ("barriers = 16", "barriers = 20", "that is 256 threads"),
    "one sum": ("barriers = 16", "barriers = 8", "a row takes two"),
    "the loop alone": ("barriers = 16", "barriers = 12", "before and after"),
}

# %% [markdown] exercise="RMSNorm, a warp a row" kind="build" stars=2 minutes=15
# RMSNorm, of many later Transformers, leaves the mean out: y = γ x / √(mean(x²) + ε). Write the kernel with a warp a row:
# no shared memory, no barrier. `warp_sum` is given: call it once, after the loop, where all lanes are back together. A
# block has 128 threads, so four warps, and takes four rows; the last
# block may have rows to spare, and the width need not be a multiple of 32. The check counts sectors.

# %% role="solution"
rms_source = """\
__device__ float warp_sum(float v) {
    for (int bit = 16; bit > 0; bit /= 2) v += __shfl_xor_sync(0xffffffffu, v, bit);
    return v;
}
__global__ void rmsnorm(float* y, const float* x, const float* gamma, int rows, int width, float eps) {
    int lane = threadIdx.x % 32;
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    // YOUR TURN
    if (row >= rows) return;
    float squares = 0;
    for (int c = lane; c < width; c += 32) squares += x[row * width + c] * x[row * width + c];
    float r = 1 / sqrtf(warp_sum(squares) / width + eps);
    for (int c = lane; c < width; c += 32) y[row * width + c] = x[row * width + c] * r * gamma[c];
    // END
}
"""

# %% role="check"
some, scale = (rng.standard_normal(shape).astype(np.float32) for shape in ((7, 100), (100,)))
some[3] *= 1e-3  # here ε counts
some[5] = 0
squares = (some**2).sum(-1, keepdims=True)
of_lane = np.stack([(some[:, c % 32 :: 32] ** 2).sum(-1) for c in range(100)], 1)
with np.errstate(invalid="ignore"):
    no_eps = some / np.sqrt(squares / 100) * scale
check.kernel(
    emulator.Module(rms_source)["rmsnorm"], 2, 128, *empty(some.shape), some, scale, 7, 100, 1e-6,
    expected={"y": some / np.sqrt(squares / 100 + 1e-6) * scale}, 
    at_most={"sectors": (420, "Neighbouring lanes should read neighbouring columns, and each number twice at most.")},
    mistakes={
        "y": {
            "The sum is divided by the 32 lanes, not by the width.": some / np.sqrt(squares / 32 + 1e-6) * scale,
            "ε is missing: a row of zeros is divided by zero.": no_eps,
            "ε stands outside the root.": some / (np.sqrt(squares / 100) + 1e-6) * scale,
            "The sum is not divided by the width: the mean of the squares is asked for.": some / np.sqrt(squares + 1e-6) * scale,
            "Each lane has the sum of its own columns: the lanes must add theirs up.": some / np.sqrt(of_lane / 100 + 1e-6) * scale,
            "γ is missing.": some / np.sqrt(squares / 100 + 1e-6),
            "γ belongs to the column, not to the lane.": some / np.sqrt(squares / 100 + 1e-6) * scale[np.arange(100) % 32],
            "That is LayerNorm without β: RMSNorm takes no mean away.": (some - some.mean(-1, keepdims=True))
            / np.sqrt(some.var(-1, keepdims=True) + 1e-6) * scale,
        }
    },
)  # fmt: skip

# %% [markdown] role="hint"
# All 32 lanes of a warp have the same row, so all of them or none may return early. Then each lane takes the columns
# lane, lane + 32, lane + 64, … and calls `warp_sum` once, after its loop.

# %% role="wrong"
{
    "divided by the lanes": ("(squares) / width", "(squares) / 32", "by the 32 lanes"),
    "not divided": ("warp_sum(squares) / width", "warp_sum(squares)", "not divided by the width"),
    "each lane by itself": ("warp_sum(squares)", "squares", "of its own columns"),
    "no γ": (" * gamma[c]", "", "γ is missing"),
    "γ of the lane": ("gamma[c]", "gamma[lane]", "not to the lane"),
    "no ε": ("/ width + eps)", "/ width)", "ε is missing"),
    "ε outside the root": (
        "1 / sqrtf(warp_sum(squares) / width + eps)",
        "1 / (sqrtf(warp_sum(squares) / width) + eps)",
        "ε stands outside",
    ),
    "four columns in a row for each lane": (
        "for (int c = lane; c < width; c += 32) squares",
        "for (int c = 4 * lane; c < 4 * lane + 4 && c < width; ++c) squares",
        "should read neighbouring columns",
    ),
    "a shuffle in the loop": (
        "squares += x[row * width + c] * x[row * width + c]",
        "squares += warp_sum(x[row * width + c] * x[row * width + c])",
        "has left the loop",
    ),
    "no guard for the rows": ("if (row >= rows) return;", "", "out of bounds"),
}

# %% [markdown] exercise="Right on every run so far" kind="break" stars=2 minutes=10
# `row_max` finds the largest number of each row, a block a row, by a tree. It was right on every run so far. The checker
# is of another opinion. Mend the kernel; one line is enough.

# %% role="broken"
max_source = """\
__global__ void row_max(float* largest, const float* x, int width) {
    __shared__ float partial[128];
    int t = threadIdx.x;
    float v = x[blockIdx.x * width];
    for (int c = t; c < width; c += 128) v = fmaxf(v, x[blockIdx.x * width + c]);
    partial[t] = v;
    __syncthreads();
    for (int half = 64; half > 0; half /= 2) {
        if (t < half) partial[t] = fmaxf(partial[t], partial[t + half]);
    }
    if (t == 0) largest[blockIdx.x] = partial[0];
}
"""

# %% role="solution"
max_source = """\
__global__ void row_max(float* largest, const float* x, int width) {
    __shared__ float partial[128];
    int t = threadIdx.x;
    float v = x[blockIdx.x * width];
    for (int c = t; c < width; c += 128) v = fmaxf(v, x[blockIdx.x * width + c]);
    partial[t] = v;
    __syncthreads();
    for (int half = 64; half > 0; half /= 2) {
        if (t < half) partial[t] = fmaxf(partial[t], partial[t + half]);
        __syncthreads();
    }
    if (t == 0) largest[blockIdx.x] = partial[0];
}
"""

# %% role="check"
some = -3 - rng.random((5, 300), dtype=np.float32) - 3 * np.arange(5, dtype=np.float32)[:, None]
some[np.arange(5), [128, 255, 64, 298, 131]] += 1.5  # where the largest lie: of threads 0, 127, 64, 42 and 3
check.kernel(
    emulator.Module(max_source)["row_max"], 5, 128, *empty(5), some, 300, expected={"largest": some.max(-1)},
    mistakes={"largest": {
        "It begins with a 0, which is larger than all numbers of these rows.": np.zeros(5),
        "The tree leaves threads 64 to 127 out.": some[:, np.arange(300) % 128 < 64].max(-1),
    }},
)  # fmt: skip

# %% [markdown] role="hint"
# Every step of the tree reads what other threads wrote in the step before. All 128 threads must wait for each other: also
# those that have nothing more to add.

# %% role="wrong"
{
    "after the loop": ("        __syncthreads();\n    }", "    }\n    __syncthreads();", "race"),
    "within the branch": (
        "if (t < half) partial[t] = fmaxf(partial[t], partial[t + half]);\n        __syncthreads();",
        "if (t < half) {\n            partial[t] = fmaxf(partial[t], partial[t + half]);\n            __syncthreads();\n        }",
        "barrier",
    ),
    "the first barrier taken away": ("    partial[t] = v;\n    __syncthreads();", "    partial[t] = v;", "race"),
    "half a tree": ("half = 64", "half = 32", "threads 64 to 127 out"),
    "a 0 to begin with": ("float v = x[blockIdx.x * width];", "float v = 0;", "begins with a 0"),
    "a warp's barrier": ("        __syncthreads();", "        __syncwarp();", "Put __syncthreads() between them"),
}

# %% [markdown] exercise="Right for a width of 64" kind="break" stars=2 minutes=10
# This kernel subtracts from each row its mean, a block of 64 threads a row, for widths up to 64. For a width of 64 it is
# right. For 50 it is not: mend it for both, without touching `block_sum`.

# %% role="given"
block_sum = """\
__device__ float block_sum(float* partial, float v) {
    int t = threadIdx.x;
    partial[t] = v;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) partial[t] += partial[t + half];
        __syncthreads();
    }
    return partial[0];
}
"""

# %% role="broken"
centre_source = (
    block_sum
    + """\
__global__ void centre(float* y, const float* x, int width) {
    __shared__ float partial[64];
    int t = threadIdx.x;
    if (t >= width) return;
    float v = x[blockIdx.x * width + t];
    float mu = block_sum(partial, v) / width;
    y[blockIdx.x * width + t] = v - mu;
}
"""
)

# %% role="solution"
centre_source = (
    block_sum
    + """\
__global__ void centre(float* y, const float* x, int width) {
    __shared__ float partial[64];
    int t = threadIdx.x;
    float v = t < width ? x[blockIdx.x * width + t] : 0;
    float mu = block_sum(partial, v) / width;
    if (t < width) y[blockIdx.x * width + t] = v - mu;
}
"""
)

# %% role="check"
for w in (64, 50):
    some = rng.standard_normal((3, w)).astype(np.float32)
    without_guard = (some - some.sum(-1, keepdims=True) / 64) if w < 64 else some * 0
    check.kernel(
        emulator.Module(centre_source)["centre"], 3, 64, *empty(some.shape), some, w,
        expected={"y": some - some.mean(-1, keepdims=True)},
        mistakes={"y": {"The sum is divided by the threads, not by the width.": without_guard}},
    )  # fmt: skip

# %% [markdown] role="hint"
# "Guard the work, not the barrier": a thread without a number of its own must still come to `block_sum`, with something
# that changes no sum. In C, `condition ? a : b` is Python's `a if condition else b`.

# %% role="wrong"
{
    "a number that was never set": (
        "float v = t < width ? x[blockIdx.x * width + t] : 0;",
        "float v;\n    if (t < width) v = x[blockIdx.x * width + t];",
        "a variable never set",
    ),
    "no guard at all for the load": (
        "t < width ? x[blockIdx.x * width + t] : 0",
        "x[blockIdx.x * width + t]",
        "out of bounds",
    ),
    "no guard for the store": ("if (t < width) y", "y", "race"),
    "the sum in a branch": (
        "float mu = block_sum(partial, v) / width;",
        "float mu = 0;\n    if (t < width) mu = block_sum(partial, v) / width;",
        "barrier",
    ),
    "divided by the threads": ("(partial, v) / width", "(partial, v) / 64", "divided by the threads"),
}

# %% [markdown] exercise="dγ, without a race" kind="further" stars=3 minutes=20
# Write the first stage of dγ = Σ dy x̂ over the rows, with x̂ = (x − mean) · rstd: block (p, q) of the grid, that is
# `blockIdx.x` = p and `blockIdx.y` = q, has 64 threads, each with one column, q · 64 + `threadIdx.x`. It sums the rows
# p, p + G, p + 2G, … (G is `gridDim.x`) and writes one number of `partial` (G, width). No atomics, no shared memory.
# The check adds up the G rows itself, and counts sectors.

# %% role="solution"
dgamma_source = """\
__global__ void dgamma_partial(float* partial, const float* dy, const float* x, const float* mean, const float* rstd,
                               int rows, int width) {
    // YOUR TURN
    int c = blockIdx.y * blockDim.x + threadIdx.x;
    if (c >= width) return;
    float sum = 0;
    for (int row = blockIdx.x; row < rows; row += gridDim.x)
        sum += dy[row * width + c] * (x[row * width + c] - mean[row]) * rstd[row];
    partial[blockIdx.x * width + c] = sum;
    // END
}
"""

# %% role="check"
some, dsome = rng.standard_normal((2, 29, 100)).astype(np.float32)
centre, scale = some.mean(-1), 1 / np.sqrt(some.var(-1) + np.float32(1e-6))
terms = dsome * (some - centre[:, None]) * scale[:, None]
first_stage = np.array([terms[p::3].sum(0) for p in range(3)])
together = layernorm_backward(dsome, layernorm_forward(some, np.ones(100, np.float32), np.zeros(100, np.float32))[1])[1]
check.kernel(
    emulator.Module(dgamma_source)["dgamma_partial"], (3, 2), 64, *empty((3, 100)), dsome, some, centre, scale, 29, 100,
    expected={"partial": first_stage}, 
    at_most={"sectors": (1200, "Neighbouring threads should have neighbouring columns, and read each number once.")},
    mistakes={
        "partial": {
            "This is dβ: x̂ is missing.": np.array([dsome[p::3].sum(0) for p in range(3)]),
            "The mean is not taken away.": np.array([(dsome * some * scale[:, None])[p::3].sum(0) for p in range(3)]),
            "rstd is missing.": np.array([(terms / scale[:, None])[p::3].sum(0) for p in range(3)]),
            "rstd is 1 / σ already: multiply by it.": np.array([(terms / scale[:, None] ** 2)[p::3].sum(0) for p in range(3)]),
            "These are G pieces of the rows, one after the other: block p has the rows p, p + G, p + 2G, …": np.array(
                [terms[10 * p : 10 * p + 10].sum(0) for p in range(3)]
            ),
            "Every block sums from its first row to the last: the groups overlap.": np.array([terms[p:].sum(0) for p in range(3)]),
        }
    },
)  # fmt: skip
check.close(first_stage.sum(0), together, "the G rows, added up, are dgamma", tol=1e-5)

# %% [markdown] role="hint"
# A thread is alone with its column and its rows: a plain loop, `for (int row = blockIdx.x; row < rows; row +=
# gridDim.x)`. Neighbouring threads have neighbouring columns, so each load is coalesced.

# %% role="wrong"
{
    "dβ": (" * (x[row * width + c] - mean[row]) * rstd[row]", "", "This is dβ"),
    "no mean": ("(x[row * width + c] - mean[row])", "x[row * width + c]", "mean is not taken away"),
    "divided by rstd": ("* rstd[row]", "/ rstd[row]", "multiply by it"),
    "pieces": (
        "int row = blockIdx.x; row < rows; row += gridDim.x",
        "int row = 10 * blockIdx.x; row < rows && row < 10 * blockIdx.x + 10; ++row",
        "G pieces of the rows",
    ),
    "the groups overlap": ("row += gridDim.x", "row += 1", "the groups overlap"),
    "no guard": ("if (c >= width) return;", "", "race"),
    "all blocks write one row": ("partial[blockIdx.x * width + c]", "partial[c]", "race"),
    "every other column": (
        "blockIdx.y * blockDim.x + threadIdx.x",
        "threadIdx.x * gridDim.y + blockIdx.y",
        "should have neighbouring columns",
    ),
}

# %% [markdown]
# ## What you can do now
#
# - Give a row to a thread, a block or a warp, and say what each choice asks of the memory.
# - Add up a row by a tree with barriers, or by shuffles without; and read the checker's report when a barrier is missing.
# - Compute a variance that survives a large mean, and a sum over rows that has the same bits on every run.
#
# In the library: `kernels/layernorm.cu`, `kernels/layernorm_backward.cu`, and their launches in
# `minivit/devices/launches/layernorm.py`. Sources: J. L. Ba et al., *Layer Normalization*, arXiv 1607.06450; M. Harris,
# *Optimizing Parallel Reduction in CUDA*, NVIDIA; A. Karpathy, *llm.c*, whose ladders of LayerNorm kernels inspired this
# one. Next: attention, whose N² scores are better never written down.
