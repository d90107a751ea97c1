# ---
# title: The first kernel
# question: How does a loop over a million numbers become a million threads?
# sentence: Write GELU in CUDA C++, run it without a GPU, see what a forgotten guard and a race look like, and count what it asks of the memory.
# minutes: 80
# needs: [5, 22b]
# gpu: not needed; with one, the last cell uses it
# ---

# %% [markdown]
# Everything up to here was NumPy. From here on we write what a GPU runs: **kernels**, in CUDA C++. You need no GPU, no
# experience with C++, and of the other chapters only 05 and 22b, so you may come here early. `minivit.emulator`
# compiles the very text that a GPU would get with the C++ compiler of your machine (g++ or clang) and runs it on the
# CPU. It shows whether a kernel is right and what it asks of the memory. It never shows how fast a GPU would be, and
# this chapter states no such number.
#
# **Where it works.** On Linux, x86-64 or ARM, and on Windows in WSL. On a Mac nobody has run the emulator yet: there, and
# where no compiler is at hand, take Colab (the link above), which is a Linux with g++.
#
# The operation is GELU, the bend in the middle of the ViT's MLP, element by element. It has no sums and no neighbours, so
# all the rest can be seen clearly.

# %% role="setup"
import math

import numpy as np

from minivit import check, draw, emulator, load_mnist
from minivit.ops import gelu_backward, gelu_forward

rng = np.random.default_rng(0)
pixels = load_mnist().train_images[0] / 255  # a real digit (28, 28, 1), ink from 0 to 1
x = ((pixels - pixels.mean()) / pixels.std()).astype(np.float32).ravel()  # mean 0, standard deviation 1
n = x.size

# %% [markdown]
# ## The picture first
#
# The digit below has 784 pixels. We want the GELU of each. A GPU does it with 4 **blocks** of 256 **threads**: each
# thread has one pixel, and each block one of the bands.

# %%
from matplotlib.colors import LinearSegmentedColormap

bands = LinearSegmentedColormap.from_list(
    "bands", [(0, "#CFE3F1"), (0.499, "#08306B"), (0.5, "#F8D9C4"), (1, "#7F2704")]
)
block_of = np.arange(784).reshape(28, 28) // 256
begins = {9 * b: f"block {b} from ({9 * b}, {4 * b})" for b in range(4)}  # 256 = 9 · 28 + 4
draw.matrix(
    pixels[..., 0] * 0.99 + block_of % 2, colormap=bands, limits=(0, 2), values=False, colorbar=False,
    title="blocks of 256 threads, from (row, column)",
    row_labels=[begins.get(row, "") for row in range(28)],
    column_labels=[str(column) if column % 4 == 0 else "" for column in range(28)],
    alt="A handwritten digit of 28 by 28 pixels on a ground of four bands: blue, orange and blue ones of a little more than "
    "nine rows each, which begin at (0, 0), (9, 4) and (18, 8), and an orange one from (27, 12) with only the last 16 pixels.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A block is no rectangle: it takes 256 pixels in the order of memory, nine rows and four pixels
# more. So block 1 begins at row 9, column 4. (2) The fourth block has 16 pixels left. It has 256 threads all the same,
# and the other 240 will be a problem.
#
# ## The words and the numbers
#
# | word | meaning | here |
# |---|---|---|
# | n | elements of x and of y | 784 |
# | thread | runs the kernel once, on an element of its own if there is one | 1,024 of them |
# | block | at most 1,024 threads, started together, which can share memory (chapter 24) | 256 threads |
# | grid | all blocks of a launch | 4 blocks |
# | warp | 32 neighbouring threads of a block, which load and store together | 8 a block |
# | lane | a thread's place in its warp | 0 to 31 |
# | sector | 32 bytes, the least that memory hands out | 8 floats |
#
# ## The idea, as a loop
#
# GELU lets x through by the probability that a normal number is smaller than x:
#
# $$\begin{aligned} y &= x\,\Phi(x), \\
# \Phi(x) &= \int_{-\infty}^{x} \varphi(s)\,ds, \\
# \varphi(s) &= \frac{e^{-s^2/2}}{\sqrt{2\pi}} \end{aligned} \tag{1}$$
#
# C has no Φ, but it has the *error function*, $\mathrm{erf}(z) = \frac{2}{\sqrt\pi}\int_0^z e^{-t^2}dt$. Half of the
# probability lies below 0. In the rest, put $s = \sqrt2\,t$, so that $ds = \sqrt2\,dt$ and $s^2/2 = t^2$:
#
# $$\begin{aligned} \Phi(x) &= \frac12 + \int_0^{x} \varphi(s)\,ds \\
# &= \frac12 + \frac{\sqrt2}{\sqrt{2\pi}} \int_0^{x/\sqrt2} e^{-t^2} dt \\
# &= \frac12\left(1 + \mathrm{erf}\frac{x}{\sqrt2}\right) \end{aligned} \tag{2}$$


# %%
def gelu_loop(x):
    x, y = x.astype(np.float64), np.empty(len(x))
    for i in range(len(x)):
        y[i] = 0.5 * x[i] * (1 + math.erf(x[i] * 0.5**0.5))  # equations (1) and (2)
    return y


check.close(gelu_loop(x), gelu_forward(x.astype(np.float64))[0], "loop against library", tol=1e-11)

# %% [markdown]
# No turn of this loop needs another one. So let every turn become a thread. A kernel is what **one** thread does: the
# loop's body, without the loop.

# %%
source = """\
__global__ void gelu(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
}
"""
gelu = emulator.Module(source)["gelu"]
print(gelu)

# %% [markdown]
# Read it piece by piece.
#
# 1. `__global__` marks a kernel. `void`: it returns nothing. It writes through the pointer `y`, the address of an array.
#    `const` says that x is only read.
# 2. The loop is gone, so i must come from somewhere. Each thread knows its place in its block, `threadIdx.x`; the number
#    of its block, `blockIdx.x`; and how many threads a block has, `blockDim.x`. As with the digits of a number, block
#    · 256 + thread counts all threads of the launch. Why `.x`? A block and a grid may have three axes, x, y and z. We use
#    x alone, so (16, 0, 0) below is thread 16.
# 3. The **guard**. More of it soon.
# 4. The loop's body, with 0.70710678 for $1/\sqrt2$. `erff` is erf of a float. The `f` in `0.5f` makes the constant a
#    float: `0.5` is a double, and would drag the whole product into double arithmetic.
#
# A **launch** gives the number of blocks, the number of threads in each, and the arguments. The number of blocks is
# n / 256, rounded up. The output is filled with NaN first, so that what a kernel forgets cannot pass for a result.

# %%
block = 256
grid = -(-n // block)  # rounded up: 4
y = np.full(n, np.nan, np.float32)
gelu(grid, block, y, x, n)
check.close(y, gelu_loop(x), "kernel against loop", tol=1e-6)
check.close(y, gelu_forward(x)[0], "kernel against library", tol=1e-6)

# %%
draw.threads(
    grid, block, work=lambda b, t: b * block + t if b * block + t < n else None, title="the i of every thread",
    alt="Four rows of cells, one a block, in alternating colours. Each cell holds i: block 0 has 0 to 255, block 1 256 to "
    "511, block 2 512 to 767; block 3 begins with 768, and from thread 16 on its cells are grey and empty.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Within a row, i grows by one from thread to thread; this will matter for memory. (2) From row to
# row it grows by 256. (3) The grey threads exist, too. The guard sends them home.
#
# ## Without the guard
#
# *Predict: thread 16 of block 3 has i = 784, and x has the elements 0 to 783. What happens in Python? And in C?*
#
# `kernel.check` runs the kernel and watches every access.

# %%
print(gelu.check(grid, block, y, x, n), "\n")
unguarded = emulator.Module(source.replace("if (i < n)", "if (true)"))["gelu"]
print(unguarded.check(grid, block, np.full(n, np.nan, np.float32), x, n), "\n")
print(gelu.check(grid - 1, block, np.full(n, np.nan, np.float32), x, n))

# %% [markdown]
# Python would raise an IndexError. The first report is the guarded kernel's. The second one, line by line:
#
# - the launch, and how many mistakes there are;
# - file and line, the *kind* of mistake, and an example: which thread of which block touched what. Element 784 begins at
#   byte 4 · 784 = 3136, and there x has ended. Without a checker, C reads what happens to lie there, and says nothing;
# - the line itself;
# - what would mend it: compare *the very index that is used*.
#
# The store to `y[i]` is as wrong as the load. The report ends at the load: after a wrong address, nothing that follows
# can be trusted.
#
# The third report is the guarded kernel's again, with n / 256 rounded *down*: the last 16 elements have no thread, and
# still hold what they held before. No line is wrong, so none is named.
#
# ## A race
#
# Now we want the sum of all y. In Python it is one more line in the loop: `total += y[i]`. *Predict: what can go wrong
# if 784 threads do this?*

# %%
sums = emulator.Module("""\
__global__ void sum_racing(float* total, const float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) total[0] += y[i];
}
__global__ void sum_atomic(float* total, const float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&total[0], y[i]);
}
""")
for name in ("sum_racing", "sum_atomic"):
    total = np.zeros(1, np.float32)
    print(sums[name].check(grid, block, total, y, n))
    sums[name](grid, block, total, y, n)
    print(f"a plain run gives {total[0]:.3f}, NumPy {y.sum():.3f}\n")

# %% [markdown]
# `total[0] += y[i]` is three steps: read, add, write. Two threads, with 2 and 3 to add to 0:

# %%
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def scene(said, total, held, arrow=None):
    paper = Figure((8, 2.2), facecolor="white")
    axes = paper.add_axes((0, 0, 1, 1), xlim=(0, 8), ylim=(2.2, 0))
    axes.axis("off")
    boxes = [(0.9, 0.55, f"thread 0 holds {held[0]}", "#CFE3F1"), (4.9, 0.55, f"thread 1 holds {held[1]}", "#F8D9C4")]
    for x, y, text, colour in [*boxes, (2.4, 1.6, f"total[0] = {total}", "#E6E6E6")]:
        wide = 2.2 if y < 1 else 3.2
        axes.add_patch(Rectangle((x, y), wide, 0.45, facecolor=colour, edgecolor="#8A8A8A"))
        axes.text(x + wide / 2, y + 0.225, text, ha="center", va="center", fontsize=11)
    axes.text(4, 0.25, said, ha="center", va="center", fontsize=11, weight="bold")
    if arrow:
        x, ends = (2.75, 5.25)[arrow[0]], ((1.55, 1.05) if arrow[1] == "reads" else (1.05, 1.55))
        how = {"arrowstyle": "-|>", "linewidth": 2, "color": "#0072B2" if arrow[1] == "reads" else "#D55E00"}
        axes.annotate("", (x, ends[1]), (x, ends[0]), arrowprops=how)
    return paper


# %%
draw.animation(
    [
        scene("total is 0", 0, ("–", "–")),
        scene("thread 0 reads", 0, (0, "–"), (0, "reads")),
        scene("thread 1 reads", 0, (0, 0), (1, "reads")),
        scene("thread 0 adds 2", 0, (2, 0)),
        scene("thread 1 adds 3", 0, (2, 3)),
        scene("thread 0 writes", 2, (2, 3), (0, "writes")),
        scene("thread 1 writes: the 2 is lost", 3, (2, 3), (1, "writes")),
    ],
    seconds=1.2,
    alt="Two boxes above, thread 0 and thread 1, and total below. Both read 0, one after the other; thread 0 adds 2, thread 1 "
    "adds 3; thread 0 writes 2, then thread 1 writes 3 over it. At the end total is 3, not 5.",
)  # fmt: skip

# %% [markdown]
# **What to watch.** Thread 1 reads *before* thread 0 has written. From then on nothing can save the 2.
#
# If two threads read the same old value, both add to it and both
# write, then one addition is lost. This is a **race**: two threads touch the same place, at least one writes, and
# nothing says who comes first. A plain run on the emulator gives the right sum all the same (the last digit: another
# order of additions), since it runs one thread after the other; a GPU does not. That is why the checker judges the
# order of accesses and not the result.
#
# `atomicAdd` does the three steps as one that nobody can divide; it takes the address of the number, `&total[0]`. It is
# right, but all threads queue at one address. Chapter 24 has better ways.
#
# ## What the memory sees
#
# The 32 loads of a warp go out together: one **request**. Memory answers in whole sectors of
# 32 bytes. What matters is how many sectors the 32 addresses fall into. Let lane i read `x[i * stride]`. *Predict the
# number of sectors for a stride of 1, of 2, and of 32.*

# %%
strided = emulator.Module("""\
__global__ void copy_strided(float* y, const float* x, int stride) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = x[i * stride];
}
""")["copy_strided"]
values = rng.standard_normal(1024).astype(np.float32)
profiles = {s: strided.profile(1, 32, np.zeros(32, np.float32), values, s) for s in (1, 2, 8, 32)}
for stride, profile in profiles.items():
    load = next(line for line in profile.lines if line.array == "x")
    print(f"stride {stride:2}: {load.bytes} bytes asked for, {load.moved:2} sectors, {32 * load.moved:4} bytes moved")
print(f"\nall of the last report:\n\n{profiles[32]}")

# %%
draw.addresses(
    profiles[1], line=3, array="x",
    alt="32 lanes above, 4 sectors of memory below. Lane by lane the lines go straight down, and the four sectors are "
    "filled with blue: all of their 128 bytes were asked for.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** Stride 1 is *coalesced*: 4 sectors, and every byte of them was asked for.

# %%
draw.addresses(
    profiles[2], line=3, array="x",
    alt="32 lanes above, 8 sectors below. The lines spread: every other number in each sector is blue, the rest pale orange, "
    "moved and not used.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** Stride 2 moves twice the bytes for as many numbers: half of what moves is not wanted.

# %%
draw.addresses(
    profiles[32], line=3, array="x",
    alt="32 lanes above, 32 sectors below, far from one another in memory. In each sector one number of eight is blue.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Each lane has a sector to itself, of which it wants one float of eight: 8 times the bytes.
# (2) As printed above, that is so from stride 8 on, and it gets no worse: a sector is the least that moves.
#
# This is the first rule of CUDA: **neighbouring threads, neighbouring addresses**. Our GELU follows it.
#
# ## Sixteen bytes at a time
#
# A thread may also load 16 bytes with one instruction: a `float4`, four floats `v.x`, `v.y`, `v.z`, `v.w` side by side,
# which `make_float4` puts together. The same bytes move, in about a quarter of the requests.

# %%
vector = emulator.Module("""\
__device__ float gelu_of(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678f)); }

__global__ void gelu4(float4* y, const float4* x, int n4) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n4) {
        float4 v = x[i];
        y[i] = make_float4(gelu_of(v.x), gelu_of(v.y), gelu_of(v.z), gelu_of(v.w));
    }
}
""")["gelu4"]
y4 = np.full(n, np.nan, np.float32)
vector(1, 256, y4, x, n // 4)  # 196 threads, each with four numbers
check.close(y4, y, "16 bytes at a time", tol=1e-7)
for name, profile in {
    "float": gelu.profile(grid, block, y, x, n),
    "float4": vector.profile(1, 256, y4, x, n // 4),
}.items():
    print(f"{name:6}  {profile.total.requests} requests, {profile.total.sectors} sectors")

# %% [markdown]
# `__device__` marks a function that kernels call. And 784 is a multiple of 4; where n is not, the rest needs a tail of
# its own (an exercise). The address must be a multiple of 16, which the beginning of an array is.
#
# ## The backward
#
# *By index.* y at i depends on x at i alone. With the product rule and $\Phi' = \varphi$ from equation (1),
#
# $$\begin{aligned} dx_i &= \sum_j dy_j \frac{\partial y_j}{\partial x_i} \\
# &= dy_i \frac{\partial\, x_i \Phi(x_i)}{\partial x_i} \\
# &= dy_i \left(\Phi(x_i) + x_i\,\varphi(x_i)\right) \end{aligned} \tag{3}$$
#
# *In matrix form.* The matrix of all derivatives is diagonal, so its transpose is itself:
#
# $$dx = \mathrm{diag}\left(\Phi(x) + x\,\varphi(x)\right)\,dy \tag{4}$$
#
# *In code.* `template <typename T>` makes a kernel for float and another one for double from the same text; `T(0.5)` is
# the constant in the type that is wanted. The double one we need for the check by differences. `if (i >= n) return;` is
# the guard in another form: who has no element goes home.

# %%
both_ways = emulator.Module("""\
template <typename T> __device__ T cdf(T x) { return T(0.5) * (T(1) + erf(x * T(0.70710678118654752))); }  // (2)

template <typename T> __global__ void forward(T* y, const T* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * cdf(x[i]);                                    // (1)
}
template <typename T> __global__ void backward(T* dx, const T* dy, const T* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    T density = T(0.39894228040143268) * exp(T(-0.5) * x[i] * x[i]);       // φ, with 1/√(2π)
    dx[i] = dy[i] * (cdf(x[i]) + x[i] * density);                          // (3)
}
""")
both_ways.compile(["forward<double>", "backward<double>", "backward<float>"])  # at once: it takes less time
dy = rng.standard_normal(n).astype(np.float32)
dx = np.full(n, np.nan, np.float32)
both_ways["backward<float>"](grid, block, dx, dy, x, n)
check.close(dx, gelu_backward(dy, gelu_forward(x)[1]), "dx  float32", tol=1e-6)

# %% [markdown]
# ## Is it right?
#
# Against the library in float64, and against four-point differences (chapter 05). In float32 the kernel rounds, as NumPy
# does: about seven digits are right.


# %%
def launch(name, *arrays):
    out = np.full(arrays[0].size, np.nan)
    both_ways[f"{name}<double>"](-(-out.size // 256), 256, out, *arrays, out.size)
    return out


some = rng.standard_normal(37) * 2
check.close(launch("forward", some), gelu_forward(some)[0], "y   float64", tol=1e-11)
check.close(
    launch("backward", np.ones(37), some), gelu_backward(np.ones(37), gelu_forward(some)[1]), "dx  float64", tol=1e-11
)
check.grad(lambda x: (launch("forward", x), x), lambda dy, x: launch("backward", dy, x), {"x": some})

# %% [markdown]
# ## The library's
#
# `kernels/gelu.cu` has the same kernels twice: v1, a thread an element, and v2, a thread 16 bytes with a tail.
# Its i is a `size_t`, 64 bits: an `int` ends at 2³¹ − 1. `<float, ERF>` chooses from its templates: the type, and GELU
# with erf or its approximation with tanh. Models use these, and never ours: the last line is what `device="emulator"`
# calls.

# %%
from minivit.devices import DeviceError, get_device
from minivit.devices.launch import KERNELS

library = emulator.load(KERNELS / "gelu.cu")
names = [f"gelu_{way}_v{version}<float, ERF>" for way in ("forward", "backward") for version in (1, 2)]
library.compile(names)
for name in names:
    out, arrays = np.full(n, np.nan, np.float32), (x,) if "forward" in name else (dy, x)
    library[name](grid if "v1" in name else 1, block, out, *arrays, n)
    check.close(out, y if "forward" in name else dx, name, tol=2e-7)
check.close(get_device("emulator").ops.gelu_forward(x)[0], y, "as an operation", tol=2e-7)

# %% [markdown]
# ## If there is a GPU
#
# Then CuPy hands the same text to NVIDIA's compiler, and the same launch goes to the GPU. Beware of one trap: CuPy does
# not look at a kernel's parameters, and passes a Python int as 64 bits. So give `np.int32(n)`, as below; the library's
# `minivit/devices/launch.py` does this for each of its kernels.

# %%
try:
    gpu = get_device("cuda")
except DeviceError:
    print("No GPU was found here, or no CuPy: all of the above ran on the CPU.")
else:
    import cupy

    ours = cupy.RawModule(code=source, options=("--std=c++17",), name_expressions=("gelu",)).get_function("gelu")
    y_gpu = cupy.full(n, cupy.nan, cupy.float32)
    ours((grid,), (block,), (y_gpu, gpu.asarray(x), np.int32(n)))
    check.close(gpu.to_numpy(y_gpu), y, "our kernel on the GPU", tol=1e-6)
    check.close(gpu.to_numpy(gpu.ops.gelu_forward(gpu.asarray(x))[0]), y, "the library's on the GPU", tol=1e-6)

# %% [markdown] exercise="The thread of a pixel" kind="predict" stars=1 minutes=5
# The digit's n = 784 pixels are given to blocks of **96** threads, a thread a pixel. How many blocks does the launch need
# (`blocks`)? How many of its threads have nothing to do (`idle`)? Which block and which thread in it compute the pixel in
# row 13, column 22, all counted from 0 (`block_number`, `thread_number`)?

# %% role="solution"
# YOUR TURN
blocks = 9
idle = 80
block_number = 4
thread_number = 2
# END

# %% role="check"
enough = -(-n // 96)
check.answer(blocks, enough, "blocks", reasons={8: "rounded down: the last 16 pixels would have no thread"})
check.answer(idle, enough * 96 - n, "idle", reasons={16: "these are the threads of the last block that have work"})
who = emulator.Module("""\
__global__ void who(int* block, int* thread, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) block[i] = blockIdx.x, thread[i] = threadIdx.x;
}
""")["who"]
its_block, its_thread = np.full((2, 28, 28), -1, np.int32)
who(enough, 96, its_block, its_thread, n)
columns_first = "in memory a row lies together: i = row · 28 + column"
check.answer(
    block_number, int(its_block[13, 22]), "block_number", reasons={6: columns_first, 5: "blocks are counted from 0"}
)
check.answer(thread_number, int(its_thread[13, 22]), "thread_number", reasons={53: columns_first, 3: "counted from 0"})

# %% [markdown] role="hint"
# First find the pixel's i: how many pixels lie before row 13? Then divide i by 96, with remainder.

# %% role="wrong"
{
    "rounded down": ("blocks = 9", "blocks = 8", "rounded down"),
    "columns first": ("block_number = 4", "block_number = 6", "a row lies together"),
    "counted from one": ("block_number = 4", "block_number = 5", "counted from 0"),
    "those at work": ("idle = 80", "idle = 16", "that have work"),
    "columns first, the thread": ("thread_number = 2", "thread_number = 53", "a row lies together"),
}

# %% [markdown] exercise="A bias, and GELU" kind="build" stars=2 minutes=12
# In the MLP, a bias is added before the GELU. To do both in one kernel saves a trip to memory and back. x and y have
# `rows` rows of `width` numbers, one row after the other in memory; bias has `width` numbers:
# y[r, c] = GELU(x[r, c] + bias[c]). Write the body of the kernel. It is launched with a thread an element, in blocks of
# 256, and the last block has threads to spare.

# %% role="solution"
bias_source = """\
__device__ float gelu_of(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678f)); }

__global__ void bias_gelu(float* y, const float* x, const float* bias, int rows, int width) {
    // YOUR TURN
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < rows * width)
        y[i] = gelu_of(x[i] + bias[i % width]);
    // END
}
"""

# %% role="check"
tokens, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((23, 37), (37,)))
by_row, by_rows = tokens + bias[:23, None], tokens + bias[np.arange(tokens.size).reshape(23, 37) % 23]
check.kernel(
    emulator.Module(bias_source)["bias_gelu"], 4, 256, np.full((23, 37), np.nan, np.float32), tokens, bias, 23, 37,
    expected={"y": gelu_forward(tokens + bias)[0]},
    mistakes={
        "y": {
            "The bias is picked by the row. Which operator gives the column of element i?": gelu_forward(by_row)[0],
            "The bias is picked by i % rows. How many elements has a row?": gelu_forward(by_rows)[0],
            "The bias is added after the GELU.": gelu_forward(tokens)[0] + bias,
            "The bias is missing.": gelu_forward(tokens)[0],
        }
    },
)  # fmt: skip

# %% [markdown] role="hint"
# i counts all elements, row after row. Element i stands in row `i / width` (in C, `/` of two ints rounds down) and in
# column `i % width`.

# %% role="wrong"
{
    "no guard": ("if (i < rows * width)", "", "out of bounds"),
    "the bias by element": ("bias[i % width]", "bias[i]", "out of bounds"),
    "the bias by row": ("bias[i % width]", "bias[i / width]", "picked by the row"),
    "the bias by i % rows": ("bias[i % width]", "bias[i % rows]", "picked by i % rows"),
    "the bias after the GELU": ("gelu_of(x[i] + bias[i % width])", "gelu_of(x[i]) + bias[i % width]", "after the GELU"),
    "the guard by the width": ("i < rows * width", "i < width", "never written"),
}

# %% [markdown] exercise="It was right for 1,024" kind="break" stars=1 minutes=8
# A colleague's kernel adds a scaled array, y = x + scale · h. It was tested with 1,024 numbers in 4 blocks of 256, and
# was right. Now it is launched with 784 numbers in 9 blocks of 96. It has two mistakes. Let `check.kernel` tell you what
# happens, and mend the kernel, not the launch.

# %% role="broken"
residual_source = """\
__global__ void residual(float* y, const float* x, const float* h, float scale, int n) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i <= n) y[i] = x[i] + scale * h[i];
}
"""

# %% role="solution"
residual_source = """\
__global__ void residual(float* y, const float* x, const float* h, float scale, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + scale * h[i];
}
"""

# %% role="check"
h = rng.standard_normal(n).astype(np.float32)
residual = emulator.Module(residual_source)["residual"]
arrays = np.full(n, np.nan, np.float32), x, h
check.kernel(residual, 9, 96, *arrays, 0.5, n, expected={"y": x + np.float32(0.5) * h})
check.kernel(residual, 4, 256, *arrays, 0.5, n, expected={"y": x + np.float32(0.5) * h})

# %% [markdown] role="hint"
# The last valid index of n elements is n − 1. And how far apart are the first threads of two blocks, when a block has 96?

# %% role="wrong"
{
    "the guard alone is mended": ("blockDim.x", "256", "never written"),
    "the index alone is mended": ("i < n", "i <= n", "out of bounds"),
    "one element too few": ("i < n", "i < n - 1", "never written"),
    "the number it was tested with": ("i < n", "i < 1024", "out of bounds"),
}

# %% [markdown] exercise="Right, and eight times the bytes" kind="break" stars=2 minutes=10
# This kernel gives each thread 8 elements, so that one block of 128 threads does up to 1,024. `for (int k = 0; k < 8;
# ++k)` is C for `for k in range(8)`. Every number is right, no access is wrong. But it moves 8 times the sectors that
# it needs. Mend the line that computes i: which thread takes which elements is yours to choose, as long as each element
# is taken once: a race in the report means that two threads took the same one. The check counts sectors.

# %% role="broken"
strip_source = """\
__global__ void gelu_strip(float* y, const float* x, int n) {
    int t = threadIdx.x;
    for (int k = 0; k < 8; ++k) {
        int i = t * 8 + k;
        if (i < n) y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
    }
}
"""

# %% role="solution"
strip_source = """\
__global__ void gelu_strip(float* y, const float* x, int n) {
    int t = threadIdx.x;
    for (int k = 0; k < 8; ++k) {
        int i = t + k * blockDim.x;
        if (i < n) y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
    }
}
"""

# %% role="check"
values = rng.standard_normal(1003).astype(np.float32)
check.kernel(
    emulator.Module(strip_source)["gelu_strip"], 1, 128, np.full(1003, np.nan, np.float32), values, 1003,
    expected={"y": gelu_forward(values)[0]}, 
    at_most={"sectors": (2 * 126, "For each k, 32 neighbouring lanes should take 32 neighbouring elements.")},
)  # fmt: skip

# %% [markdown] role="hint"
# Fix k, and look at lanes 0, 1, 2, … of a warp: how far apart are their i? They should be neighbours. Then let k go on by
# as many elements as the block has threads.

# %% role="wrong"
{
    "four in a row instead of eight": (
        "t + k * blockDim.x",
        "4 * t + k / 4 * 512 + k % 4",
        "should take 32 neighbouring",
    ),
    "the step is a warp, not the block": ("k * blockDim.x", "k * 32", "does each thread have an element of its own"),
    "the step is one": ("t + k * blockDim.x", "t + k", "does each thread have an element of its own"),
    "t and k exchanged": ("t + k * blockDim.x", "k * 8 + t", "does each thread have an element of its own"),
    "32 for each k": ("t + k * blockDim.x", "k * 32 + t", "does each thread have an element of its own"),
    "no guard": ("if (i < n) ", "", "out of bounds"),
}

# %% [markdown] exercise="Sixteen bytes, and a tail" kind="further" stars=3 minutes=20
# Write GELU's backward with loads and stores of 16 bytes, for an n that need not be a multiple of 4. It is launched
# with 3 blocks of 128 threads. Thread t takes the elements 4t to 4t + 3, where t counts the threads of *all* blocks.
# Where fewer than four are left, one thread takes them one by one. `dx`, `dy` and `x` begin at multiples of 16 bytes.
# To load a `float4`, write `*reinterpret_cast<const float4*>(x + start)`; to store one,
# `*reinterpret_cast<float4*>(dx + start) = …`, without const. The check counts requests: of one float at a time there would be 99.

# %% role="solution"
backward_source = """\
__device__ float gradient(float dy, float x) {
    float cdf = 0.5f * (1.0f + erff(x * 0.70710678f));
    return dy * (cdf + x * 0.39894228f * expf(-0.5f * x * x));
}
__global__ void gelu_backward4(float* dx, const float* dy, const float* x, int n) {
    // YOUR TURN
    int start = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    if (start + 4 <= n) {
        float4 a = *reinterpret_cast<const float4*>(dy + start);
        float4 b = *reinterpret_cast<const float4*>(x + start);
        *reinterpret_cast<float4*>(dx + start) =
            make_float4(gradient(a.x, b.x), gradient(a.y, b.y), gradient(a.z, b.z), gradient(a.w, b.w));
    } else {
        for (int i = start; i < n; ++i) dx[i] = gradient(dy[i], x[i]);
    }
    // END
}
"""

# %% role="check"
values, dvalues = rng.standard_normal((2, 1027)).astype(np.float32)
check.kernel(
    emulator.Module(backward_source)["gelu_backward4"], 3, 128, np.full(1027, np.nan, np.float32), dvalues.copy(),
    values.copy(), 1027, expected={"dx": gelu_backward(dvalues, gelu_forward(values)[1])}, 
    at_most={"requests": (33, "Four floats in a row are one request of 16 bytes: a float4, to load and to store.")},
)  # fmt: skip

# %% [markdown] role="hint"
# The test must hold for all four: `start + 4 <= n`, not `start < n`. In the other branch a loop from `start` while `i <
# n` does the tail; for threads beyond the end it makes no turn at all.

# %% role="wrong"
{
    "t counts the threads of one block": ("blockIdx.x * blockDim.x + threadIdx.x", "threadIdx.x", "race"),
    "no tail": ("i < n; ++i", "i < 0; ++i", "never written"),
    "only the first of four is tested": ("start + 4 <= n", "start < n", "out of bounds"),
    "one number at a time": (
        "start + 4 <= n) {",
        "start + 4 <= n) {\n        for (int i = start; i < start + 4; ++i) dx[i] = gradient(dy[i], x[i]);\n        return;",
        "one request of 16 bytes",
    ),
}

# %% [markdown]
# ## What you can do now
#
# - Turn a loop whose turns need not wait for each other into a kernel: index, guard, body; and say how many blocks it
#   needs.
# - Read the checker's reports: out of bounds, never written, race.
# - Count the sectors of a request, and tell a coalesced access from a strided one.
#
# In the library: `kernels/gelu.cu`, `kernels/common.cuh`, and the launches in
# `minivit/devices/launches/elementwise.py`. From the command line, in the project's folder:
# `python -m minivit kernel kernels/gelu.cu --check`. Sources: D. Hendrycks and K. Gimpel, *Gaussian Error Linear
# Units*, arXiv 1606.08415; NVIDIA, *CUDA C++ Programming Guide*. Next, threads have to work together: a row's mean needs
# all of the row.
