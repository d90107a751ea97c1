# ---
# title: Reading the machine
# question: Which of two kernels is the better one, and how far can that be said before anything is timed?
# sentence: Coalescing, banks, occupancy and the roofline, each as a formula that the emulator's counts confirm; and why the kernel with the fewest warps wins.
# minutes: 65
# needs: [22b, 24, 25]
# gpu: not needed
# ---

# %% [markdown]
# The emulator counts. A data sheet says how much of each thing a GPU can do in a cycle. Divide one by the other, and
# you have a *floor*: cycles that a kernel needs at least. This chapter makes such floors, takes them apart, and ends
# with attention's five versions. A floor is no time; it tells what stands in the way.
#
# The kernels run where chapter 23 says: on Linux or in WSL; on a Mac, and elsewhere, on Colab (the link above).

# %% role="setup"
import numpy as np

from minivit import check, draw, emulator

rng = np.random.default_rng(0)
# Of an H100 (chapter 22b), one multiprocessor in one cycle: 128 lanes with a multiplication and an addition each; one turn
# of 32 banks; 128 bytes of the L1 cache, in sectors; and a 132nd of 3.35 TB/s at 1.98 GHz, in sectors.
RATES = {"arithmetic": 256, "shared memory": 1, "L1 cache": 4, "global memory": 3.35e12 / 132 / 1.98e9 / 32}


def floors(flop, turns, sectors, different):
    """Cycles of one multiprocessor that each part needs at least. different: sectors, each counted once."""
    return {
        name: need / rate for (name, rate), need in zip(RATES.items(), (flop, turns, sectors, different), strict=True)
    }


# %% [markdown]
# ## The picture first
#
# Attention's five versions (chapter 25), for one head of ViT-B, N = 197 and d = 64: floors, in thousands of cycles of
# one multiprocessor. The outlined one is the row's largest. The cells count and paint: skip them for now.

# %%
from minivit.devices.emulator import Emulator
from minivit.devices.launch import KERNELS


class Counting(Emulator):  # counts a launch and does not run it: what it asks for does not depend on the numbers
    def __init__(self, version):
        super().__init__()
        self.ops.versions["attention_forward"], self.profiles = version, []

    def launch(self, launch, *arguments):
        kernel = emulator.load(KERNELS / launch.file)[launch.kernel]
        self.profiles.append(kernel.profile(launch.grid, launch.block, *launch.typed(arguments), shared=launch.shared))


# %%
N, d = 197, 64
flop = 4 * N * N * d  # two products, a multiplication and an addition for each; exp and the divisions are left out
counts = {}
for version in (1, 2, 3, 4, 5):
    device = Counting(version)
    device.ops.attention_forward(*rng.standard_normal((3, 1, 1, N, d)).astype(np.float32))
    counts[f"v{version}"] = device.profiles
floor = {
    name: floors(flop, *(sum(getattr(p.total, what) for p in profiles) for what in ("shared_turns", "sectors")),
                 sum(p.total.distinct_bytes for p in profiles) / 32)
    for name, profiles in counts.items()
}  # fmt: skip

# %%
table = np.array([list(row.values()) for row in floor.values()]) / 1000
draw.matrix(
    table.round().astype(int), row_labels=list(floor), column_labels=list(RATES), colormap="attention", limits=(0, 300), colorbar=False,
    mark=[(i, int(np.argmax(row))) for i, row in enumerate(table)], title="thousands of cycles, at least",
    alt="A table of five rows. The arithmetic takes 39 in each. v1 needs 750 for the L1 cache, v2 973 for shared memory, v3 2,672 for "
    "shared memory, v4 277 and v5 87 for shared memory. Global memory takes 64 in v1 and v2, and 16 in the others.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) The arithmetic is the same in all, and in none is it the largest: all five wait for memory of
# some kind. (2) v3 is fused, and its floor is the worst of all: to leave S unwritten is not enough. (These are the
# loads as they are written. NVIDIA's compiler joins four of v3's into one, which makes 800 of its 2,672: still above
# v1.) (3) v5 comes within a factor of 2.3 of the arithmetic. How it got there is this chapter.
#
# ## The words and the numbers
#
# | word | meaning | on an H100, one SM, one cycle |
# |---|---|---|
# | request | a warp's one load or store | |
# | sector | 32 bytes; what moves | 4 from L1, 0.4 from global memory |
# | turn | one word from each of the 32 banks | 1 |
# | FLOP | an addition or a multiplication | 256 |
# | floor | count / rate, in cycles | |
# | occupancy | warps that an SM holds, of those it could | of 64 |
# | intensity | FLOP a byte of global memory | ridge at 20 |
#
# Beside chapter 22b's sources, for the rates: NVIDIA, *CUDA C++ Programming Guide* (32 banks, 32 bits a cycle each).
# That L1 gives as much as the shared memory whose place it shares is our assumption.
#
# ## Coalescing, and its other end
#
# Chapter 23 read with a stride. A stride can also hide in the *store*. Take the transpose, $y_{cr} = x_{rc}$, a thread
# an element:


# %% role="setup"
transposes = emulator.Module("""\
__global__ void direct(float* y, const float* x, int rows, int columns) {
    int c = blockIdx.x * 32 + threadIdx.x, r = blockIdx.y * 32 + threadIdx.y;
    if (r < rows && c < columns) y[c * rows + r] = x[r * columns + c];
}
template <int STRIDE> __global__ void tiled(float* y, const float* x, int rows, int columns) {
    __shared__ float tile[32][STRIDE];
    int c = blockIdx.x * 32 + threadIdx.x, r = blockIdx.y * 32 + threadIdx.y;
    if (r < rows && c < columns) tile[threadIdx.y][threadIdx.x] = x[r * columns + c];
    __syncthreads();
    c = blockIdx.x * 32 + threadIdx.y, r = blockIdx.y * 32 + threadIdx.x;  // now the lanes run along r
    if (r < rows && c < columns) y[c * rows + r] = tile[threadIdx.x][threadIdx.y];
}
""")

# %%
names = ["direct", "tiled<32>", "tiled<33>"]
transposes.compile(names)
x = rng.standard_normal((197, 64)).astype(np.float32)
profiles = {}
for name in names:
    y = np.full((64, 197), np.nan, np.float32)
    launch = (2, 7), (32, 32), y, x, 197, 64
    transposes[name](*launch)
    check.close(y, x.T, name, tol=1e-7)
    profiles[name] = transposes[name].profile(*launch)
    t = profiles[name].total
    print(
        f"    {t.requests} requests, {t.sectors:,} sectors, {t.shared_turns:,} turns, {t.conflicts:,} of them conflicts"
    )

# %% [markdown]
# *Direct* loads along a row and stores down a column: 32 sectors for 32 numbers. In *tiled* both go along rows: the
# tile in shared memory does the turning. The sectors fall to a quarter. But of 13,002 turns, 12,160 are conflicts:

# %%
line = next(one.line for one in profiles["tiled<32>"].lines if one.space == "shared" and one.operation == "load")
draw.banks(
    profiles["tiled<32>"], line,
    alt="32 lanes, all joined with bank 0, and below it a column of 32 turns, a lane each; the other banks have nothing to do.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** Lane j wants word 32 j, and 32 j mod 32 = 0. The tile moved the stride from the memory, where it
# cost 8 times, to the banks, where it costs 32 times.
#
# ## Banks, by formula
#
# Let lane j want word s · j. Two lanes j and j′ meet in a bank if s (j − j′) is a multiple of 32. With g = gcd(s, 32),
# the greatest common divisor, that is so exactly if j − j′ is a multiple of 32 / g. So the lanes that share a bank are
# 32 / g apart: of 32 lanes, g.
#
# $$\text{turns}(s) = \gcd(s, 32) \tag{1}$$

# %%
strided = emulator.Module("""\
__global__ void strided(float* y, int stride) {
    __shared__ float words[33 * 32];
    for (int i = threadIdx.x; i < 33 * 32; i += 32) words[i] = i;
    __syncthreads();
    y[threadIdx.x] = words[stride * threadIdx.x];
}
""")["strided"]
strides = [1, 2, 3, 4, 6, 8, 12, 16, 17, 31, 32, 33]
turns = {}
for stride in strides:
    lines = strided.profile(1, 32, np.zeros(32, np.float32), stride).lines
    turns[f"{stride}"] = next(one.moved for one in lines if one.space == "shared" and one.operation == "load")
check.close(list(turns.values()), np.gcd(strides, 32), "counted against gcd(s, 32)")
draw.bars(
    turns, ylabel="turns of one request", title="words that lie s apart", number="{:.0f}",
    mark=[name for name, count in turns.items() if count > 8],
    alt="Twelve bars over the stride. 1, 3, 17, 31 and 33 take one turn, 2 and 6 two, 4 and 12 four, 8 eight, 16 sixteen, 32 thirty-two.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) An *odd* stride never collides: that is why a padding of one word mends everything
# (`tiled<33>`, and attention's v4). (2) 17 is better than 16, although it takes more room.
#
# ## Occupancy
#
# How many warps can an SM hold? Registers, shared memory, and the numbers of warps and of blocks each set a limit; the
# smallest holds. With r registers a thread, w warps and b bytes of shared memory a block:
#
# $$\begin{aligned} \text{blocks} = \min\Big( & \tfrac{64}{w},\; 32, \\
# & \tfrac{65536}{32\,r\,w},\; \tfrac{228\,\text{KB}}{b}\Big) \end{aligned} \tag{2}$$
#
# each rounded down; the exact rounding of registers and bytes is in `minivit/devices/occupancy.py`. How many registers
# a kernel needs, its compiler decides; NVIDIA's said, with no GPU at hand (`python -m minivit kernels attention --sm
# 90`):

# %%
from minivit.devices.occupancy import occupancy

compiled = {  # of each version's (main) kernel: registers a thread, threads a block, bytes of shared memory a block
    "v1": (32, 256, 0), "v2": (40, 256, 2048), "v3": (68, 128, 20480), "v4": (64, 128, 20800), "v5": (128, 128, 45056),
}  # fmt: skip
for name, needs in compiled.items():
    held = occupancy(90, *needs)
    largest = max(floor[name], key=floor[name].get)
    print(
        f"{name}: {held} warps (limit: {held.limit}); floor {max(floor[name].values()) / 1000:5,.0f} thousand cycles, {largest}"
    )

# %% [markdown]
# *The version with the fewest warps has the lowest floor!* v1 fills the machine with warps, which queue for the L1
# cache. v5 leaves three quarters of the places empty. Occupancy is a means: chapter 22b's formula asks for W* = (L + k)
# / (1 + k) warps, and a thread with 16 sums of its own has a large k. More warps than hide the wait are of no use.
#
# ## The roofline
#
# For global memory alone: a kernel with F FLOP and B bytes has the *intensity* I = F / B. It takes at least as long as
# its arithmetic, and at least as long as its bytes; so its speed, F over that time, is at most
#
# $$\min\left(\text{peak},\; I \times \text{bandwidth}\right) \tag{3}$$
#
# drawn over I, a slope and a roof. They meet at the **ridge** (dotted), peak / bandwidth = 66.9 / 3.35 ≈ 20 FLOP a
# byte.
#
# *Predict, with chapter 25's bytes: on which side of the ridge lies attention in three kernels, and fused?*

# %%
peak, bandwidth = 132 * 1.98e9 * 256, 3.35e12


def most(intensity):
    return np.minimum(peak, intensity * bandwidth) / 1e12  # (3), in TFLOP/s


tokens, width = 64 * 197, 768  # a batch of 64 in ViT-B, at its q, k, v: (tokens, 768) @ (768, 2304)
product = 2 * tokens * width * 3 * width / (4 * (tokens * width + 3 * width**2 + tokens * 3 * width))
where = {"LayerNorm": 1.0, "attention, v2": flop / sum(p.total.distinct_bytes for p in counts["v2"]),
         "fused, v5": flop / counts["v5"][0].total.distinct_bytes, "q, k, v": product}  # fmt: skip
for name, intensity in where.items():
    print(f"{name:14} {intensity:6.1f} FLOP a byte: at most {most(intensity):4.1f} TFLOP/s")

# %%
from matplotlib.figure import Figure

paper = Figure((8, 3.4), facecolor="white", layout="constrained")
axes = paper.subplots()
slope = np.geomspace(0.5, 512, 200)
axes.loglog(slope, most(slope), color="#333333")
for (name, intensity), (right, up, side) in zip(
    where.items(), ((10, -6, "left"), (-10, 6, "right"), (0, -18, "center"), (0, -18, "center")), strict=True
):
    axes.plot(intensity, most(intensity), "o", color="#D55E00", markersize=8)
    how = {"textcoords": "offset points", "ha": side, "va": "center", "fontsize": 10}
    axes.annotate(name, (intensity, most(intensity)), (right, up), **how)
axes.axvline(peak / bandwidth, color="#8A8A8A", linestyle=":")
axes.set(xlabel="FLOP a byte", ylabel="TFLOP/s, at most", xlim=(0.5, 512), ylim=(1.5, 110))
axes.set_xticks([1, 4, 20, 100, 400], [1, 4, 20, 100, 400])
axes.set_yticks([3, 10, 30, 67], [3, 10, 30, 67])
axes.minorticks_off()
axes.spines[["top", "right"]].set_visible(False)
draw.picture(
    paper,
    alt="On two logarithmic axes a line that rises to 67 TFLOP/s at 20 FLOP a byte and is flat from there on. LayerNorm at 1 and attention in "
    "three kernels at 12 are on the slope, the fused one at 49 and the product for q, k and v at 275 on the roof.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) LayerNorm (about 8 FLOP a number, 8 bytes) is on the slope whatever we do: the bytes are all
# that counts. (2) Fusing moves attention over the ridge. (3) And yet v3, v4 and v5 have the *same* place here, with
# floors of 2,672, 277 and 87. This roofline does not see shared memory.
#
# ## Why v5 wins
#
# So draw the second roof in thought: FLOP a *turn*. The machine does 256 FLOP, that is 128 multiplications with an
# addition, in the time of one turn. In v4, for one such step each lane reads a word of its own key (1 turn a warp) and
# one of the query (1 turn, the same word for all): 32 in 2 turns, **16 a turn**. In v5, a thread makes R × C scores at
# a time, from R queries and C keys, 4 columns of the width at once. It reads R + C times 16 bytes, and makes 4 R C. A
# warp's request for 16 bytes takes 4 turns:
#
# $$\frac{32 \cdot 4\,R\,C}{4\,(R+C)} = 32\,\frac{R\,C}{R+C} \tag{4}$$
#
# With R = C = 4 that is **64 a turn**. Counted:


# %%
def a_turn(profile, made, where):
    """Multiplications with an addition, a turn of the lines whose source, or caller's source, has these words."""
    turns = sum(one.moved for one in profile.lines if one.space == "shared" and where in one.source + one.called_source)
    return made / turns


(v4,), (v5,) = counts["v4"], counts["v5"]
scores_v4 = 13 * 7 * 16 * 32 * d  # blocks · tiles · queries of a block · keys of a tile · width
padded = 13 * 16 - N  # queries of the last block that are not there: their warps skip it
check.close(a_turn(v4, scores_v4 - padded * 7 * 32 * d, "score += q[c] * k[c]"), 16, "v4")
requests = sum(one.requests for one in v5.lines if "products(" in one.called_source)
check.close(a_turn(v5, requests / 8 * 32 * 4 * 16, "products("), 32 * 4 * 4 / (4 + 4), "v5")

# %% [markdown]
# So v5 has four times v4's work a turn, and pays with registers: 16 scores, and 16 sums of its share of out, where v4
# has 12 numbers. R = C = 8 would give 128 a turn, the machine's own ratio, and want some 200 registers a thread: 8
# warps an SM. Somewhere there the gain ends; where, only a GPU can tell.
#
# The order in which to look: **which floor is the largest** — and then at its cause: strides, banks, what is read
# twice. Occupancy comes last, when the floors are low and the kernel is still slow.
#
# ## Is it right?
#
# Three times a count was set against a formula above: (1), and both sides of (4). The last one, (3)'s bytes, against
# the floor of chapter 25, 4 N d + N numbers:

# %%
check.close(v5.total.distinct_bytes, (4 * N * d + N) * 4, "bytes of the fused kernel", tol=1e-3)  # whole sectors
check.close(sum(p.total.distinct_bytes for p in counts["v2"]), (4 * N * d + N + 4 * N * N) * 4, "of three", tol=5e-3)

# %% [markdown] exercise="Strides and banks" kind="predict" stars=1 minutes=6
# Word w of shared memory lies in bank w mod 32, and in one turn each bank gives one word. A warp reads, lane j word s · j.
# How many turns does it take for s = 20 (`twenty`)? For s = 48 (`forty_eight`)? And if lane j reads word 32 · (j mod 4) +
# j // 4 (`mixed`)? And if all lanes read word 7 (`same`)?

# %% role="solution"
# YOUR TURN
twenty = 4
forty_eight = 16
mixed = 4
same = 1
# END

# %% role="check"
asked = emulator.Module("""\
__global__ void asked(float* y, const int* place) {
    __shared__ float words[32 * 48];
    for (int i = threadIdx.x; i < 32 * 48; i += 32) words[i] = i;
    __syncthreads();
    y[threadIdx.x] = words[place[threadIdx.x]];
}
""")["asked"]
j = np.arange(32, dtype=np.int32)


def turns_for(place):
    lines = asked.profile(1, 32, np.zeros(32, np.float32), place.astype(np.int32)).lines
    return next(one.moved for one in lines if one.space == "shared" and one.operation == "load")


even = {2: "halve s once more: 32 has five twos", 1: "that is so for odd strides", 32: "only if s is a multiple of 32"}
check.answer(
    twenty,
    turns_for(20 * j),
    "twenty",
    reasons=even
    | {
        20: "the greatest common divisor of s and 32, not s",
        5: "that is 20 / 4: it is the other factor",
        8: "8 does not divide 20",
    },
)
check.answer(
    forty_eight,
    turns_for(48 * j),
    "forty_eight",
    reasons=even | {48: "there are 32 lanes", 3: "that is 48 / 16: it is the other factor", 8: "16 divides 48, too"},
)
check.answer(mixed, turns_for(32 * (j % 4) + j // 4), "mixed", reasons={
    32: "word 32 k + i lies in bank i: which i are there?", 8: "eight banks are asked: by how many lanes each?", 1: "lanes 0, 1, 2 and 3 ask for words 0, 32, 64, 96",
})  # fmt: skip
check.answer(
    same,
    turns_for(7 + 0 * j),
    "same",
    reasons={
        32: "it is the *same* word, which is handed to all at once",
        0: "one turn is needed to read at all",
        7: "the number of the word does not matter",
    },
)

# %% [markdown] role="hint"
# Write down the banks, word mod 32, of the first few lanes. How many different *words* does the busiest bank have to
# give?

# %% role="wrong"
{
    "the stride itself": ("twenty = 4", "twenty = 20", "not s"),
    "half of it": ("twenty = 4", "twenty = 2", "halve s once more"),
    "the other factor": ("twenty = 4", "twenty = 5", "the other factor"),
    "a multiple of 32": ("forty_eight = 16", "forty_eight = 32", "only if s is a multiple of 32"),
    "too few twos": ("forty_eight = 16", "forty_eight = 8", "16 divides 48"),
    "banks for turns": ("mixed = 4", "mixed = 8", "by how many lanes each"),
    "no conflict": ("mixed = 4", "mixed = 1", "0, 32, 64, 96"),
    "one word, 32 turns": ("same = 1", "same = 32", "handed to all at once"),
}

# %% [markdown] exercise="Heads to the front" kind="build" stars=2 minutes=18
# Attention wants the tokens of one head together. x has shape (tokens, 32, heads), y shall have (heads, tokens, 32):
# for each token, the (32, heads) matrix is transposed. The grid has a block a token, the block (32, 32) threads; heads
# is at most 32, and need not be 32. Write the kernel so that the lanes of a warp load neighbours and store neighbours, and
# no request asks a bank for two words. The check counts.

# %% role="solution"
heads_source = """\
__global__ void heads_first(float* y, const float* x, int tokens, int heads) {
    // YOUR TURN
    __shared__ float tile[32][33];
    int token = blockIdx.x;
    if (threadIdx.x < heads)
        tile[threadIdx.y][threadIdx.x] = x[(token * 32 + threadIdx.y) * heads + threadIdx.x];
    __syncthreads();
    if (threadIdx.y < heads)
        y[(threadIdx.y * tokens + token) * 32 + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
    // END
}
"""

# %% role="check"
for tokens, heads in ((3, 32), (5, 8), (2, 31)):
    values = rng.standard_normal((tokens, 32, heads)).astype(np.float32)
    needed = sum(-(-4 * heads // 32) + 1 for _ in range(32 * tokens)) + 4 * heads * tokens
    check.kernel(
        emulator.Module(heads_source)["heads_first"], tokens, (32, 32), np.full((heads, tokens, 32), np.nan, np.float32), values,
        tokens, heads, expected={"y": values.transpose(2, 0, 1)}, 
        at_most={"sectors": (needed, "In loads and in stores, neighbouring lanes should differ in the array's last index."),
                 "conflicts": (0, "In which banks do the numbers of a column of the tile lie?")},
        mistakes={"y": {
            "The tokens stand before the heads: y is (heads, tokens, 32).": values.transpose(0, 2, 1).reshape(heads, tokens, 32),
            "It is copied, not transposed.": values.reshape(heads, tokens, 32),
        }},
    )  # fmt: skip

# %% [markdown] role="hint"
# A tile of 32 × 33 in shared memory, filled with `threadIdx.x` along the heads, and emptied with `threadIdx.x` along
# the 32. Both times the fast index of the array in memory is `threadIdx.x`. Who has no number of its own must still
# come to the barrier.

# %% role="wrong"
{
    "no padding": ("tile[32][33]", "tile[32][32]", "numbers of a column of the tile"),
    "no barrier": ("    __syncthreads();\n", "", "race"),
    "no guard for the load": ("    if (threadIdx.x < heads)\n", "", "out of bounds"),
    "no guard for the store": ("    if (threadIdx.y < heads)\n", "", "out of bounds"),
    "tokens before heads": ("(threadIdx.y * tokens + token) * 32", "(token * heads + threadIdx.y) * 32", "The tokens stand before the heads"),
    "the tile read along": ("= tile[threadIdx.x][threadIdx.y]", "= tile[threadIdx.y][threadIdx.x]", "a transpose is missing"),
    "without a tile": (
        "",
        'heads_source = """\\\n__global__ void heads_first(float* y, const float* x, int tokens, int heads) {\n'
        "    if (threadIdx.y < heads)\n        y[(threadIdx.y * tokens + blockIdx.x) * 32 + threadIdx.x] =\n"
        '            x[(blockIdx.x * 32 + threadIdx.x) * heads + threadIdx.y];\n}\n"""',
        "the array's last index",
    ),
}  # fmt: skip

# %% [markdown] exercise="How many warps fit?" kind="build" stars=2 minutes=15
# `warps_held(registers, threads, shared)` for an H100's SM, with what equation (2) leaves out: a *warp* gets its
# registers in multiples of 256; each of the four parts of the SM has a quarter of the 65,536, and a warp lives in one
# part; a block's bytes of shared memory are rounded up to a multiple of 128, after the system has added 1,024 of its
# own, and there are 233,472 of them. At most 64 warps and 32 blocks. Blocks are held whole or not at all, and their
# warps need not be spread evenly over the parts; a started warp counts whole. All numbers are positive integers.


# %% role="solution"
def warps_held(registers, threads, shared):
    """Registers a thread, threads a block, bytes a block -> warps that an SM holds."""
    # YOUR TURN
    warps = -(-threads // 32)
    a_warp = -(-registers * 32 // 256) * 256
    by_registers = 65536 // 4 // a_warp * 4 // warps
    by_shared = 233472 // (-(-(shared + 1024) // 128) * 128)
    return min(64 // warps, 32, by_registers, by_shared) * warps
    # END


# %% role="check"
from minivit.devices.occupancy import occupancy


def variants(registers, threads, shared):
    """What known mistakes give, each with one limit, or the rounding of one, changed."""
    w, up = -(-threads // 32), -(-registers * 32 // 256) * 256
    by_registers, by_shared = 16384 // up * 4 // w, 233472 // (-(-(shared + 1024) // 128) * 128)
    right = {"warps": 64 // w, "blocks": 32, "registers": by_registers, "bytes": by_shared}
    changed = {
        "A warp's registers are given in multiples of 256.": {"registers": 16384 // (registers * 32) * 4 // w},
        "A warp's registers are rounded up, not down.": {
            "registers": 16384 // max(registers * 32 // 256 * 256, 1) * 4 // w
        },
        "A warp lives in one of four parts: round down there.": {"registers": 65536 // up // w},
        "A block's warps need not be spread evenly: how many warps fit into all four parts?": {
            "registers": 16384 // up // -(-w // 4)
        },
        "The system adds 1,024 bytes to each block's.": {"bytes": 233472 // (-(-shared // 128) * 128)},
        "A block's bytes are rounded up to a multiple of 128.": {"bytes": 233472 // (shared + 1024)},
        "An SM holds at most 32 blocks.": {"blocks": 64},
        "An SM holds at most 64 warps.": {"warps": 99},
        "Shared memory is a limit, too.": {"bytes": 99},
    }
    rows = {what: w * min((right | limits).values()) for what, limits in changed.items()}
    rows["These are blocks; warps are asked for."] = min(right.values())
    rows["Blocks are held whole or not at all."] = min(64, 32 * w, 16384 // up * 4, by_shared * w)
    part = threads / 32
    rows["A started warp counts whole: 33 threads are two warps."] = part * min(
        64 // part, 32, 16384 // up * 4 // part, by_shared
    )
    return rows


draws = [
    (int(r), int(t), int(s))
    for r, t, s in zip(rng.integers(8, 129, 300), rng.integers(1, 513, 300), rng.integers(1, 60000, 300), strict=True)
]
draws += [
    (32, 32, 1),
    (16, 32, 100),
    (32, 1024, 1),
    (255, 128, 1),
    (40, 64, 7040),
    (33, 256, 2048),
    (128, 128, 45056),
    (64, 128, 16384 + 1),
    (168, 96, 1),
    (32, 64, 76800),
    (32, 64, 76801),
]
answers = [check.call(warps_held, registers=r, threads=t, shared=s) for r, t, s in draws]
table = [variants(*one) for one in draws]
right = [occupancy(90, *one).warps for one in draws]
said = {what: np.array([row[what] for row in table]) for what in table[0]}
missed = next((f"; warps_held{one} is wrong" for one, a, b in zip(draws, answers, right, strict=True) if a != b), "")
check.close(answers, right, f"warps, in {len(draws)} cases{missed}", tol=1e-12, mistakes=said)

# %% [markdown] role="hint"
# Four limits, each in whole blocks. `-(-a // b)` is a / b rounded up, `-(-a // b) * b` the next multiple of b. For the
# registers: how many warps fit into one part, four times as many into the SM, and how many blocks are that?

# %% role="wrong"
{
    "registers not rounded": ("-(-registers * 32 // 256) * 256", "registers * 32", "multiples of 256"),
    "no parts": ("65536 // 4 // a_warp * 4 // warps", "65536 // a_warp // warps", "one of four parts"),
    "registers rounded down": (
        "-(-registers * 32 // 256) * 256",
        "registers * 32 // 256 * 256",
        "rounded up, not down",
    ),
    "spread evenly": (
        "65536 // 4 // a_warp * 4 // warps",
        "65536 // 4 // a_warp // -(-warps // 4)",
        "need not be spread evenly",
    ),
    "bytes not rounded": ("(-(-(shared + 1024) // 128) * 128)", "(shared + 1024)", "a multiple of 128"),
    "parts of blocks": (
        "min(64 // warps, 32, by_registers, by_shared) * warps",
        "min(64, 32 * warps, 65536 // 4 // a_warp * 4, by_shared * warps)",
        "held whole",
    ),
    "parts of warps": ("warps = -(-threads // 32)", "warps = threads / 32", "A started warp"),
    "nothing is returned": ("    return min(", "    min(", "return its result"),
    "nothing for the system": ("-(-(shared + 1024) // 128)", "-(-shared // 128)", "adds 1,024 bytes"),
    "any number of blocks": ("min(64 // warps, 32, ", "min(64 // warps, ", "at most 32 blocks"),
    "any number of warps": ("min(64 // warps, 32, ", "min(32, ", "at most 64 warps"),
    "no shared memory": (", by_registers, by_shared)", ", by_registers)", "Shared memory is a limit"),
    "blocks": ("by_shared) * warps", "by_shared)", "These are blocks"),
}

# %% [markdown] exercise="Right, and eight times the sectors" kind="break" stars=2 minutes=10
# `scaled` multiplies each column of a square matrix by a number of its own, in blocks of (32, 8) threads. It is right,
# and moves eight times the sectors it needs. The launch is given: a grid of (n / 32, n / 8) blocks. Mend the two lines
# that say what a thread takes.

# %% role="broken"
scaled_source = """\
__global__ void scaled(float* y, const float* x, const float* factor, int n) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    int column = blockIdx.y * blockDim.y + threadIdx.y;
    if (row < n && column < n) y[row * n + column] = factor[column] * x[row * n + column];
}
"""

# %% role="solution"
scaled_source = """\
__global__ void scaled(float* y, const float* x, const float* factor, int n) {
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < n && column < n) y[row * n + column] = factor[column] * x[row * n + column];
}
"""

# %% role="check"
for n in (64, 71):
    values, factor = rng.standard_normal((n, n)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    check.kernel(
        emulator.Module(scaled_source)["scaled"], (-(-n // 32), -(-n // 8)), (32, 8), np.full((n, n), np.nan, np.float32), values, factor, n,
        expected={"y": values * factor}, 
        at_most={"sectors": (4 * n * n // 8 + 6 * n, "Two neighbouring lanes should differ in the column, not in the row.")},
        mistakes={"y": {"The rows are multiplied, not the columns.": values * factor[:, None]}},
    )  # fmt: skip

# %% [markdown] role="hint"
# Which index do two neighbouring lanes differ in? It should be the one that moves by one number in memory.

# %% role="wrong"
{
    "only the threads are exchanged": (
        "blockIdx.y * blockDim.y + threadIdx.y",
        "blockIdx.x * blockDim.y + threadIdx.y",
        "never written",
    ),
    "the lanes still go down the rows": (
        "int row = blockIdx.y * blockDim.y + threadIdx.y;\n    int column = blockIdx.x * blockDim.x + threadIdx.x;",
        "int row = threadIdx.x + blockDim.x * blockIdx.x;\n    int column = threadIdx.y + blockDim.y * blockIdx.y;",
        "should differ in the column",
    ),
    "the rows are scaled": ("factor[column] *", "factor[row] *", "The rows are multiplied"),
    "no guard for the columns": ("row < n && column < n", "row < n", "out of bounds"),
    "the block's other side": (
        "blockIdx.x * blockDim.x + threadIdx.x",
        "blockIdx.x * blockDim.y + threadIdx.x",
        "race",
    ),
}

# %% [markdown] exercise="The largest floor" kind="further" stars=2 minutes=12
# Write `bottleneck(kernels, rates)`. `kernels` is a list of dicts, one for each launch of an operation: {"arithmetic":
# …, "shared memory": …, …}, what it asks of each part. `rates`: of each part, how much it gives in a cycle. The
# launches run one after the other, and each is as slow as its slowest part. Return the cycles of all together, and the
# name of the part that is to blame for most of them: for each part, add up the cycles of the launches in which it is the
# slowest. A part that a launch does not name asks for nothing there.


# %% role="solution"
def bottleneck(kernels, rates):
    """-> cycles, name"""
    # YOUR TURN
    spent = dict.fromkeys(rates, 0.0)
    for kernel in kernels:
        cycles = {name: need / rates[name] for name, need in kernel.items()}
        slowest = max(cycles, key=cycles.get)
        spent[slowest] += cycles[slowest]
    return sum(spent.values()), max(spent, key=spent.get)
    # END


# %% role="check"
parts = list(RATES)
calls = [
    [
        {name: rng.uniform(1, 1000) * RATES[name] for name in rng.permutation(parts)[: rng.integers(2, 5)].tolist()}
        for _ in range(count)
    ]
    for count in range(1, 13)
]
answers = [check.call(bottleneck, kernels=launches, rates=RATES) for launches in calls]
for answer in answers:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise check.Wrong(f"your function returns {type(answer).__name__}, expected two values: cycles, name")
each = [[{name: need / RATES[name] for name, need in kernel.items()} for kernel in launches] for launches in calls]
worst = [[max(cycles, key=cycles.get) for cycles in launches] for launches in each]


def by_part(launches, slowest, total=sum):
    """Of each part the cycles of the launches in which it is the slowest."""
    return [total([c[w] for c, w in zip(launches, slowest, strict=True) if w == part] or [0]) for part in parts]


totals = [sum(by_part(*one)) for one in zip(each, worst, strict=True)]
sums = [[sum(cycles.get(part, 0) for cycles in launches) for part in parts] for launches in each]
said = {
    "The parts of one launch work at the same time: the slowest one counts, not their sum.": [sum(one) for one in sums],
    "The launches run one after the other: add up each one's slowest part.": [max(one) for one in sums],
    "Of each part, only its slowest launch is counted: add them up.": [
        sum(by_part(*one, max)) for one in zip(each, worst, strict=True)
    ],
    "Of all cycles, only those of one part are there.": [max(by_part(*one)) for one in zip(each, worst, strict=True)],
    "Only the slowest launch is counted.": [max(max(c.values()) for c in launches) for launches in each],
    "Cycles are what is needed divided by the rate.": [
        sum(max(n * RATES[k] for k, n in kernel.items()) for kernel in launches) for launches in calls
    ],
    "These are amounts; the rates are missing.": [
        sum(max(kernel.values()) for kernel in launches) for launches in calls
    ],
    "Each launch is as slow as its slowest part, not its fastest.": [
        sum(min(c.values()) for c in launches) for launches in each
    ],
}
check.close([cycles for cycles, _ in answers], totals, "cycles, of 1 to 12 launches", mistakes=said)
right = [parts[int(np.argmax(by_part(*one)))] for one in zip(each, worst, strict=True)]
names = [name for _, name in answers]
said = {
    "that is the first launch's": [one[0] for one in worst],
    "that is the last launch's": [one[-1] for one in worst],
    "that is the part with the largest sum; but in some launches it waits for another one": [
        parts[int(np.argmax(one))] for one in sums
    ],
    "that part is slowest in the most launches; cycles are asked for": [
        name if one.count(name) == max(map(one.count, one)) else "" for name, one in zip(names, worst, strict=True)
    ],
    "that is the slowest part of the longest launch: add up over all launches": [
        max((c[w], w) for c, w in zip(*one, strict=True))[1] for one in zip(each, worst, strict=True)
    ],
}
at = next((i for i, name in enumerate(names) if name != right[i]), -1)
reasons = {str(names[at]): what for what, wrong in said.items() if wrong == names}
check.answer(names[at], right[at], f"name, of {len(calls[at])} launches", reasons=reasons)

# %% [markdown] role="hint"
# Two steps: within a launch the largest of count / rate; over the launches a sum. Keep a dict of the cycles that each
# part was to blame for.

# %% role="wrong"
{
    "a sum of the parts": (
        "",
        "def bottleneck(kernels, rates):\n    spent = dict.fromkeys(rates, 0.0)\n    for k in kernels:\n        for n, need in k.items():\n"
        "            spent[n] += need / rates[n]\n    return sum(spent.values()), max(spent, key=spent.get)",
        "not their sum",
    ),
    "the fastest part": ("slowest = max(cycles", "slowest = min(cycles", "not its fastest"),
    "times the rate": ("need / rates[name]", "need * rates[name]", "divided by the rate"),
    "no rates": ("need / rates[name]", "need", "the rates are missing"),
    "the slowest launch": (
        "spent[slowest] += cycles[slowest]",
        "spent[slowest] = max(spent[slowest], cycles[slowest])",
        "add them up",
    ),
    "the last launch's part": ("max(spent, key=spent.get)", "slowest", "the last launch's"),
    "the longest launch's part": (
        "    return sum(spent.values()), max(spent, key=spent.get)",
        "    worst = [max((k[n] / rates[n], n) for n in k) for k in kernels]\n    return sum(spent.values()), max(worst)[1]",
        "the longest launch",
    ),
    "by launches": (
        "    return sum(spent.values()), max(spent, key=spent.get)",
        "    worst = [max(k, key=lambda n: k[n] / rates[n]) for k in kernels]\n    return sum(spent.values()), max(rates, key=worst.count)",
        "cycles are asked for",
    ),
}

# %% [markdown]
# ## What you can do now
#
# - Turn counts into floors, and name the part of the machine that a kernel waits for.
# - Mend a stride in memory with a tile, and the tile's banks with an odd row; say how many warps fit, and when it
#   matters.
# - Place a kernel under the roofline, and say what the roofline does not see.
#
# In the library: `minivit/devices/occupancy.py`, `minivit/devices/static.py`, the tables at the head of each file in
# `kernels`. With a GPU: `bash benchmarks/gpu_day.sh` compares these counts with the hardware's. Sources: S. Williams et
# al., *Roofline*, Communications of the ACM 52(4), 2009; G. Ruetsch and P. Micikevicius, *Optimizing Matrix Transpose
# in CUDA*, NVIDIA 2009; V. Volkov, *Better Performance at Lower Occupancy*, GTC 2010.
