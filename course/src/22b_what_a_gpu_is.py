# ---
# title: What a GPU is
# question: Why does a GPU hold many times more threads than can compute at once?
# sentence: The machine before its first program, drawn and counted. A warp's clock, ticked in Python, shows why many warps hide the long way to memory.
# minutes: 55
# needs: []
# gpu: not needed
# ---

# %% [markdown]
# The chapters that follow write programs for a GPU. This one opens the lid first. It needs NumPy and no other chapter,
# and holds no line of CUDA. Numbers of a real card stand beside their source; what we compute ourselves is a model,
# small enough to be checked by hand.

# %% role="setup"
import numpy as np

from minivit import check, draw

SMS, CLOCK = 132, 1.98e9  # of an H100: multiprocessors, and cycles a second

# %% [markdown]
# ## The picture first
#
# An NVIDIA H100 (the SXM card). On the left all of it, on the right one of its 132 **multiprocessors** (SM) enlarged.
# The cell only draws: skip it.

# %%
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

paper = Figure((8, 4.1), facecolor="white")
axes = paper.add_axes((0, 0, 1, 1), xlim=(0, 16), ylim=(8.2, 0))
axes.axis("off")


def box(x, y, wide, tall, colour, text="", size=9.5):
    axes.add_patch(Rectangle((x, y), wide, tall, facecolor=colour, edgecolor="#8A8A8A", linewidth=0.8))
    axes.text(x + wide / 2, y + tall / 2, text, ha="center", va="center", fontsize=size, color="#222222")


# %%
for i in range(SMS):
    box(0.3 + i % 22 * 0.27, 0.9 + i // 22 * 0.5 + (i >= 66) * 1.3, 0.23, 0.42, "#56B4E9" if i == 21 else "#CFE3F1")
box(0.3, 2.5, 5.9, 1.1, "#F5B041", "L2 cache: 50 MB, for all")
box(0.3, 5.6, 5.9, 1.2, "#D9D9D9", "global memory: 80 GB, beside the chip\n3.35 TB/s")
axes.plot([6.2, 7.3], [0.9, 0.55], [6.2, 7.3], [1.32, 7.5], color="#8A8A8A", linewidth=0.8)
box(7.3, 0.55, 8.4, 6.95, "#F4F4F4")
for p in range(4):
    x, y = 7.5 + p % 2 * 4.1, 0.75 + p // 2 * 2.75
    box(x, y, 3.9, 0.5, "#F8D9C4", "scheduler")
    box(x, y + 0.5, 3.9, 0.9, "#CFE3F1", "registers: 64 KB\nof up to 16 warps, all at hand")
    box(x, y + 1.4, 3.9, 0.6, "white")
    for lane in range(32):
        box(x + 0.06 + lane * 0.118, y + 1.46, 0.1, 0.48, "#0072B2")
    axes.text(x + 1.95, y + 2.3, "32 lanes", ha="center", va="center", fontsize=9.5)
box(7.5, 6.25, 8.0, 1.05, "#F5B041", "shared memory and L1 cache: 256 KB")
axes.text(3.25, 0.5, "132 multiprocessors", ha="center", fontsize=9.5)
axes.text(11.5, 7.9, "one multiprocessor: 4 equal parts", ha="center", fontsize=9.5)
draw.picture(
    paper,
    alt="Left: 132 small squares, the multiprocessors, above and below a band, the L2 cache of 50 megabytes, and under the "
    "chip the global memory of 80 gigabytes. Right, one multiprocessor: four equal parts, each with a scheduler, registers "
    "of 64 kilobytes and 32 lanes, and below all four the shared memory and L1 cache of 256 kilobytes.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A part has *one* scheduler for 32 lanes: they all get the same instruction. (2) The registers
# of 16 warps lie there at the same time: to go from one warp to the next, nothing is saved or fetched. (3) All orange
# boxes together are 84 MB; what does not fit into them lies outside the chip.
#
# ## The words and the numbers
#
# | word | meaning | on an H100 |
# |---|---|---|
# | thread | one run of the program, with registers of its own | up to 2,048 in an SM |
# | warp | 32 threads that get each instruction together | up to 64 in an SM, 16 a part |
# | lane | one of the 32; it computes for one thread | 128 in an SM |
# | block | warps of one SM that can share memory and wait for each other | up to 32 in an SM |
# | register | where a thread keeps a number | 65,536 of 4 bytes in an SM |
# | shared memory | what the threads of a block write and read together | up to 228 KB of an SM's 256 |
# | cache | keeps what was read last, by itself: L1 in each SM, L2 for all | the rest of the 256 KB; 50 MB |
# | cycle | a tick of the clock | at 1.98 GHz, 0.5 ns |
# | latency L | cycles from a load to the number | L1 40, L2 281, global 690 |
#
# Sources: sizes and 3.35 TB/s from NVIDIA (*H100 Tensor Core GPU Architecture*, and the card's data sheet), limits from
# the *CUDA C++ Programming Guide*, "Compute Capabilities", 9.0; the latencies measured by M. Dewing
# (`latency/README.md` in github.com/markdewing/AI_kernels), on a GH200, which has the same kind of multiprocessors.
# Other cards, and other ways to measure, give other numbers; the order stays.

# %%
way = {"L1 cache": 40, "L2 cache": 281, "global memory": 690}
draw.bars(
    way, ylabel="cycles until a load is answered", title="The way to a number",
    alt="Three bars: 40 cycles for the L1 cache, 281 for the L2 cache, 690 for global memory.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** Global memory is 690 instructions away: so many could a scheduler have given meanwhile. If an
# instruction took a second, that load would take eleven and a half minutes.
#
# ## The clock of a warp
#
# A CPU makes such waits rarer, with large caches and guesses about the future. A GPU lets them happen, and *does
# something else meanwhile*. Each cycle, a scheduler looks at its warps and gives one instruction to one that need not
# wait.
#
# Our model of one part: each warp makes a load, waits L cycles for it, then makes k instructions of arithmetic, a cycle
# each, and begins again. (Real arithmetic takes a few cycles, too, before the next instruction can use its result; we
# leave that out.)


# %% role="setup"
def schedule(warps, latency, work, cycles):
    """What each warp does in each cycle (warps, cycles): 2 has its turn, 1 could have it, 0 waits for memory."""
    doing = np.zeros((warps, cycles), int)
    ready, done = [0] * warps, [0] * warps  # from which cycle on it can go on; its instructions so far
    for cycle in range(cycles):
        able = [w for w in range(warps) if ready[w] <= cycle]
        doing[able, cycle] = 1
        if able:
            w = min(able, key=lambda w: ready[w])  # whoever has been able for longest, and of equals the first
            doing[w, cycle] = 2
            if done[w] % (1 + work) == 0:  # a load, and what follows needs it
                ready[w] = cycle + latency
            done[w] += 1
    return doing


# %% [markdown]
# *Predict, with L = 20 and k = 4: in what part of all cycles does the scheduler give an instruction, with 1 warp, with
# 3, with 8?*

# %%
from matplotlib.colors import ListedColormap

rows, labels = [], []
for warps in (1, 3, 8):
    part = (schedule(warps, 20, 4, 2400) == 2).sum() / 2400
    rows += [np.full((1, 72), 3), schedule(warps, 20, 4, 72)]
    labels += [f"busy {part:.0%}", *(f"warp {w}" for w in range(warps))]
draw.matrix(
    np.concatenate(rows), row_labels=labels, columns="72 cycles", values=False, colorbar=False,
    colormap=ListedColormap(["#F8D9C4", "#8FBFE0", "#08306B", "white"]), limits=(0, 3),
    alt="Three charts, one below the other, of 1, 3 and 8 warps over 72 cycles. One warp: a dark cell, a long pale wait, five dark cells, "
    "and so on; busy 21 percent. Three warps: their dark cells fill some of each other's waits; 62 percent. Eight warps: from the twentieth "
    "cycle on, every column has a dark cell, and there are stretches of medium blue, warps that could go on and have to queue; 100 percent.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Dark: has its turn; pale: waits for memory; medium: could go on, but it is another's turn. (2)
# No warp has become faster. The eighth waits even longer than a warp alone. Yet every cycle has its dark cell. (3) That
# is what *latency is hidden* means: not shorter, but filled.
#
# ## By formula
#
# One warp needs L + k cycles a round, and gives 1 + k instructions in it. W warps give W times as many, as long as
# there is room in the round. So the part of the cycles in which the scheduler has something to give is
#
# $$u(W) = \min\left(1,\; \frac{W\,(1+k)}{L+k}\right) \tag{1}$$
#
# and it is 1 from this number of warps on:
#
# $$W^* = \frac{L+k}{1+k} \tag{2}$$
#
# Both can be read off a loop over the cycles; here the formula is compared with it, for all W at once:


# %%
def busy(warps, latency, work):
    return np.minimum(1, warps * (1 + work) / (latency + work))  # (1)


warps, rounds = np.arange(1, 17), 200
for latency, work in ((20, 4), (40, 4), (64, 16)):
    cycles = rounds * (latency + work)
    counted = [
        (schedule(w, latency, work, 2 * cycles)[:, cycles:] == 2).sum() / cycles for w in warps
    ]  # once it has settled
    check.close(counted, busy(warps, latency, work), f"L = {latency}, k = {work}: clock against formula", tol=1e-12)

# %% [markdown]
# So (1) is reached here; in general it is the most that can be had. If the scheduler took whoever has *done least*, all
# warps would march in step and wait at the same time: with L = 20 and k = 4, five warps would be busy 62.5 % of the
# time.
#
# *Predict: with the H100's 690 cycles and k = 20, is a part with its 16 warps ever fully busy?*

# %%
warps = np.arange(1, 65)
draw.lines(
    {
        "L1, L = 40": (warps, busy(warps, 40, 20)),
        "L2, L = 281": (warps, busy(warps, 281, 20)),
        "global, L = 690": (warps, busy(warps, 690, 20)),
    },
    xlabel="warps a part, W", ylabel="busy, u(W)", height=2.8,
    notes=[(16, busy(16, 690, 20), "an H100 holds 16")],
    alt="Three lines that rise with the number of warps and then stay at 1: for L1 from 3 warps on, for L2 from 15, for global "
    "memory from 34. At 16 warps, which is all that an H100's part can hold, the last one is at 0.47.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) With 20 instructions a load and every load from global memory, W* = 34: 16 warps keep a part
# busy 47 % of the time. (2) Two ways out: more work for each number (k), or a shorter way (caches and shared memory).
# Chapters 24, 25 and 27 go both.
#
# ## Bytes under way
#
# If nearly all a kernel does is to move numbers, as GELU or LayerNorm, it can at best be as fast as the memory. How
# many loads must be waiting at a time? As many as begin during one latency, counted in bytes. This is *Little's law*,
# true of every queue:
#
# $$\begin{aligned} & \text{under way} \\ & = \text{bandwidth} \times \text{latency} \end{aligned} \tag{3}$$

# %%
bandwidth, latency = 3.35e12, 690 / CLOCK  # bytes a second; seconds
under_way = bandwidth * latency  # (3)
print(f"latency {latency * 1e9:.0f} ns; under way {under_way / 1e6:.2f} MB, {under_way / SMS:,.0f} bytes an SM")
for bytes_a_lane in (4, 8, 16):
    print(
        f"{bytes_a_lane:2} bytes a lane, {32 * bytes_a_lane:3} a warp: {under_way / SMS / (32 * bytes_a_lane):4.1f} warps an SM"
    )

# %% [markdown]
# With loads of one float, 70 warps would have to wait at a time, and an SM holds 64. With loads of 16 bytes, 18 are
# enough. That is why the libraries' kernels load 16 bytes at once, and why a thread that makes several loads before it
# needs the first (exercise 5) is as good as several threads. All this is an estimate from two published numbers, and no
# measurement.
#
# ## One instruction for 32
#
# A scheduler has one instruction to give. What if half of a warp's threads take an `if`, and the others its `else`?
# Then the warp goes through both, and each time the lanes that do not take part are idle: it **diverges**.


# %%
def lanes_busy(taken, then, otherwise):
    """taken (32,) of truth values: which lanes compute in each step of `if` (then steps) and `else` (otherwise steps)."""
    steps = [taken] * then * bool(taken.any()) + [~taken] * otherwise * bool((~taken).any())
    return np.array(steps)


lane = np.arange(32)
cases = {"all": lane >= 0, "every other": lane % 2 == 0, "one": lane == 7}
draw.matrices(
    [
        {"title": f"{name}: {len(lanes_busy(taken, 3, 5))} steps", "array": lanes_busy(taken, 3, 5).astype(float),
         "values": False, "rows": "steps", "columns": "32 lanes"}
        for name, taken in cases.items()
    ],
    colormap=ListedColormap(["#F2F2F2", "#0072B2"]), limits=(0, 1), colorbar=False,
    alt="Three charts of 32 lanes over the steps. All lanes take the if: 3 steps, all blue. Every other one: 8 steps, stripes that "
    "change places after the third. One lane: 8 steps as well, at first one blue lane alone, then all but this one.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) What counts is whether *any* lane takes a branch: one lane costs as much as sixteen. (2) Two
# warps that go different ways cost nothing: each has its own next instruction. So branch by warps, not by lanes, where
# you can choose.
#
# ## Is it right?
#
# By hand, for a case small enough: 2 warps, L = 4, k = 1. Warp 0 loads in cycle 0, warp 1 in cycle 1. Warp 0 has its
# number in cycle 4, and loads the next one in cycle 5. Warp 1 has the cycles 6 and 7, then both wait. So in a round of
# 5 cycles 4 instructions are given: W (1 + k) / (L + k) = 4/5.

# %%
expected = [
    [2, 0, 0, 0, 2, 2, 0, 0, 0, 2, 2],
    [1, 2, 0, 0, 0, 1, 2, 2, 0, 0, 0],  # in cycle 5 its number is there, but warp 0 has been able for longer
]
check.close(schedule(2, 4, 1, 11), expected, "the schedule by hand")
check.close(busy(2, 4, 1), 4 / 5, "busy")

# %% [markdown] exercise="How many at once?" kind="predict" stars=1 minutes=8
# For the H100 of the picture and the table. (a) `computing`: how many threads can compute in one and the same cycle, on
# the whole card? (b) `held`: how many threads can the whole card hold at once? (c) `registers`: how many registers can
# each thread have, if an SM is full? (d) `kilobytes`: how many KB of registers has the whole card?

# %% role="solution"
# YOUR TURN
computing = 16896
held = 270336
registers = 32
kilobytes = 33792
# END

# %% role="check"
from minivit.devices.occupancy import LIMITS, REGISTERS

threads_held = 32 * LIMITS[90].warps
check.answer(computing, SMS * 4 * 32, "computing", reasons={
    4224: "an SM has four parts, with 32 lanes each", 528: "these are the schedulers: each serves 32 lanes", 128: "that is one SM",
    SMS * threads_held: "so many are held; most of them wait",
})  # fmt: skip
check.answer(held, SMS * threads_held, "held", reasons={
    8448: "these are warps: 32 threads each", 16896: "so many compute in a cycle; many more are held and wait",
    2048: "that is one SM", 2112: "that is 16 warps an SM; each of its four parts holds 16",
    132 * 1024: "1,024 is the most in one *block*: an SM holds more than one",
    67584: "that is 16 warps an SM; each of its four parts holds 16",
})  # fmt: skip
check.answer(registers, REGISTERS // threads_held, "registers", reasons={
    128: "that is bytes: a register has four", 64: "that is for 1,024 threads: a full SM has 2,048",
    8: "that is one part's share for all threads of the SM", 1024: "that is a warp's: it has 32 threads",
    512: "divided by the lanes; but all threads that are held keep their registers",
})  # fmt: skip
check.answer(kilobytes, SMS * REGISTERS * 4 // 1024, "kilobytes", reasons={
    8448: "that is one part of each SM, or numbers, not bytes", 256: "that is one SM", 33: "in KB, not in MB", 34603008: "in KB, not in bytes",
    34603: "a KB is 1,024 bytes here",
})  # fmt: skip

# %% [markdown] role="hint"
# Four parts an SM, 132 SMs. A part has 32 lanes and holds 16 warps of 32 threads. An SM has 65,536 registers, of 4
# bytes each.

# %% role="wrong"
{
    "one part of each": ("computing = 16896", "computing = 4224", "four parts"),
    "the schedulers": ("computing = 16896", "computing = 528", "each serves 32 lanes"),
    "warps, not threads": ("held = 270336", "held = 8448", "these are warps"),
    "those that compute": ("held = 270336", "held = 16896", "many more are held"),
    "a block an SM": ("held = 270336", "held = 135168", "is the most in one *block*"),
    "bytes of registers": ("registers = 32", "registers = 128", "that is bytes"),
    "by the lanes": ("registers = 32", "registers = 512", "keep their registers"),
    "one SM": ("kilobytes = 33792", "kilobytes = 256", "that is one SM"),
    "numbers, not bytes": ("kilobytes = 33792", "kilobytes = 8448", "numbers, not bytes"),
}

# %% [markdown] exercise="The price of a branch" kind="build" stars=2 minutes=10
# `branch_steps(taken, then, otherwise)` gets n truth values, one a thread: whether it takes the `if`. Threads 0 to 31
# are the first warp, 32 to 63 the second, and so on; the last may have fewer than 32. The `if` has `then` instructions,
# the `else` `otherwise`. Return how many instructions the schedulers have to give, for all warps together.


# %% role="solution"
def branch_steps(taken, then, otherwise):
    """taken (n,) of truth values -> a whole number."""
    # YOUR TURN
    steps = 0
    for first in range(0, len(taken), 32):
        warp = taken[first : first + 32]
        if any(warp):
            steps += then
        if not all(warp):
            steps += otherwise
    return steps
    # END


# %% role="check"
def steps_of(taken, then, otherwise, size=32, whole=False, join=sum, then_if=any, else_if=lambda part: not all(part)):
    parts = [taken[i : i + size] for i in range(0, len(taken) // size * size if whole else len(taken), size)]
    return sum(join([then * then_if(part), otherwise * else_if(part)]) for part in parts)


rng = np.random.default_rng(1)
n = np.arange(100)
cases = {
    "a few warps, and 3 % of the others": ((rng.random(1000) < 0.03) | (np.arange(1000) // 128 == 3), 2, 11),
    "all threads take it": (n < 100, 3, 5),
    "none does": (n > 100, 3, 5),
    "half of each warp": (n % 2 == 0, 3, 5),
    "one thread alone": (n == 70, 7, 2),
    "the last thread of a warp": (n == 31, 7, 2),
    "by warps": (n // 32 % 2 == 0, 4, 6),
    "the last, short warp": (n >= 96, 4, 9),
    "31 threads": (rng.random(31) < 0.5, 2, 3),
    "no thread": (n[:0] == 1, 2, 3),
}
for name, case in cases.items():
    given = check.call(branch_steps, taken=case[0], then=case[1], otherwise=case[2])
    said = {
        "Both branches are counted for every warp, whether any thread takes them or not.": -(-len(case[0]) // 32)
        * (case[1] + case[2]),
        "All threads are taken for one warp: cut them into pieces of 32.": steps_of(*case, size=max(len(case[0]), 1)),
        "Threads are counted, not warps: 32 threads share an instruction.": steps_of(*case, size=1),
        "A warp goes through both branches, one after the other: the longer one does not hide the shorter.": steps_of(
            *case, join=max
        ),
        "The last warp is missing where it has fewer than 32 threads.": steps_of(*case, whole=True),
        "The next warp begins 32 threads later, not with the next thread.": sum(
            case[1] * any(p) + case[2] * (not all(p)) for p in (case[0][i : i + 32] for i in range(len(case[0])))
        ),
        "Even one thread that takes the if counts for the whole warp.": steps_of(*case, then_if=all),
        "Even one thread that takes the else counts for the whole warp.": steps_of(*case, else_if=lambda p: not any(p)),
        "Where no thread takes the if, its instructions are not given.": steps_of(*case, then_if=lambda p: True),
        "Where no thread takes the else, its instructions are not given.": steps_of(*case, else_if=lambda p: True),
    }
    said = {what: value for what, value in said.items() if value != steps_of(*case)}
    check.close(given, steps_of(*case), name, tol=1e-12, mistakes=said)

# %% [markdown] role="hint"
# Cut `taken` into pieces of 32. Of each piece ask two things: does any thread take the `if`? And do all of them?

# %% role="wrong"
{
    "a window at every thread": ("range(0, len(taken), 32)", "range(len(taken))", "next warp begins 32 threads later"),
    "threads, not warps": (
        "",
        "def branch_steps(taken, then, otherwise):\n    return sum(then if t else otherwise for t in taken)",
        "Threads are counted",
    ),
    "both, always": ("if any(warp):", "if True:", "no thread takes the if, its"),
    "both for every warp": (
        "",
        "def branch_steps(taken, then, otherwise):\n    return -(-len(taken) // 32) * (then + otherwise)",
        "Both branches are counted",
    ),
    "all must take it": ("if any(warp):", "if all(warp):", "goes through both branches, one after the other"),
    "an else": ("        if not all(warp):", "        else:", "takes the else counts for the whole warp"),
    "the longer one": (
        "",
        "def branch_steps(taken, then, otherwise):\n"
        "    w = [taken[i : i + 32] for i in range(0, len(taken), 32)]\n"
        "    return sum(max(then * any(p), otherwise * (not all(p))) for p in w)",
        "does not hide the shorter",
    ),
    "no short warp": ("range(0, len(taken), 32)", "range(0, len(taken) - 31, 32)", "fewer than 32"),
}

# %% [markdown] exercise="More warps, and no faster" kind="break" stars=2 minutes=12
# A colleague's clock counts the cycles until every warp has made `loads` rounds of the chapter: a load, and `work`
# instructions that need it. By this clock, twice the warps take twice the time, as if nothing were hidden. There are
# two mistakes: mend them. Who has been able for longest has the turn, so a warp keeps it until its next load; of equals,
# the first has it. Count the last instruction's own cycle, too.


# %% role="broken"
def total_cycles(warps, latency, work, loads):
    """Cycles until the last instruction of the last warp is given."""
    cycle, ready, done = 0, [0] * warps, [0] * warps
    while min(done) < loads * (1 + work):
        able = [w for w in range(warps) if done[w] < loads * (1 + work)]
        w = min(able, key=lambda w: ready[w])
        if done[w] % (1 + work) == 0:
            cycle = cycle + latency - 1
        cycle = cycle + 1
        done[w] += 1
    return cycle


# %% role="solution"
def total_cycles(warps, latency, work, loads):
    """Cycles until the last instruction of the last warp is given."""
    cycle, ready, done = 0, [0] * warps, [0] * warps
    while min(done) < loads * (1 + work):
        able = [w for w in range(warps) if done[w] < loads * (1 + work) and ready[w] <= cycle]
        if able:
            w = min(able, key=lambda w: ready[w])
            if done[w] % (1 + work) == 0:
                ready[w] = cycle + latency
            done[w] += 1
        cycle = cycle + 1
    return cycle


# %% role="check"
def clocked(warps, latency, work, loads, stops=False, follows=0, always=False, late=0, turns=False):
    """The right one; with stops, a load stops the clock; with follows, the wait begins so many cycles later; with always,
    everything is waited for; with late, whoever is ready goes on so many cycles later; with turns, the others come first."""
    cycle, ready, done, total = 0, np.zeros(warps, int), np.zeros(warps, int), loads * (1 + work)
    while done.min() < total:
        able = np.flatnonzero((ready <= cycle - late) & (done < total))
        cycle += 1
        if len(able):
            w = able[np.argmin(ready[able])]
            if always or done[w] % (1 + work) == 0:
                ready[w] = cycle - 1 + latency + follows
                cycle += (latency - 1) * stops
            elif turns:
                ready[w] = cycle
            done[w] += 1
    return cycle


for case in (
    (1, 20, 4, 3),
    (2, 20, 4, 3),
    (3, 7, 2, 5),
    (8, 20, 4, 3),
    (5, 11, 1, 4),
    (16, 9, 3, 2),
    (4, 1, 3, 2),
    (6, 30, 2, 1),
):
    given = dict(zip(("warps", "latency", "work", "loads"), case, strict=True))
    said = {
        "While one warp waits for its load, the clock stands still for all of them.": clocked(*case, stops=True),
        "A load that is made in cycle c is there in cycle c + L, not one later.": clocked(*case, follows=1),
        "Only a load is waited for: arithmetic can go on in the next cycle.": clocked(*case, always=True),
        "A warp that has had a turn is put behind the others; it has been able since its load came, and goes on.": clocked(
            *case, turns=True
        ),
        "A warp that is ready in cycle c is made to wait for c + 1: it can go on in it.": clocked(*case, late=1),
        "The last instruction's own cycle counts.": clocked(*case) - 1,
        "Nobody waits at all: an instruction is given to a warp whose number is not there yet.": case[0]
        * case[3]
        * (1 + case[2]),
    }
    said = {what: value for what, value in said.items() if value != clocked(*case)}
    name = "{} warps, L = {}, k = {}, {} loads".format(*case)
    check.close(check.call(total_cycles, **given), clocked(*case), name, tol=1e-12, mistakes=said)

# %% [markdown] role="hint"
# The clock must tick by one, whatever happens. What has to wait is the *warp*: `ready[w]` is the cycle from which it
# can go on. And in a cycle in which nobody can go on, nobody has a turn.

# %% role="wrong"
{
    "a load stops the clock": ("ready[w] = cycle + latency", "cycle = cycle + latency - 1", "the clock stands still"),
    "nobody waits": (" and ready[w] <= cycle]", "]", "Nobody waits at all"),
    "one cycle later": ("ready[w] = cycle + latency", "ready[w] = cycle + 1 + latency", "not one later"),
    "one cycle too late": ("ready[w] <= cycle]", "ready[w] < cycle]", "it can go on in it"),
    "turns": (
        "                ready[w] = cycle + latency\n",
        "                ready[w] = cycle + latency\n            else:\n                ready[w] = cycle + 1\n",
        "put behind the others",
    ),
    "every instruction is a load": ("if done[w] % (1 + work) == 0:", "if True:", "Only a load is waited for"),
    "the last cycle is not counted": ("    return cycle", "    return cycle - 1", "own cycle counts"),
}

# %% [markdown] exercise="Enough under way" kind="build" stars=2 minutes=8
# `warps_to_fill(bandwidth, latency, multiprocessors, bytes_a_lane, loads)`: how many warps must an SM hold at least, so
# that the memory is never idle? bandwidth is in bytes a second, latency in seconds; each thread makes `loads` loads of
# `bytes_a_lane` bytes before it needs the first of them. Equation (3), and a whole number.


# %% role="solution"
def warps_to_fill(bandwidth, latency, multiprocessors, bytes_a_lane, loads):
    """-> a whole number of warps an SM."""
    # YOUR TURN
    under_way = bandwidth * latency / multiprocessors
    a_warp = 32 * bytes_a_lane * loads
    return int(np.ceil(under_way / a_warp))
    # END


# %% role="check"
for name, case in {
    "H100, float": (3.35e12, 690 / 1.98e9, 132, 4, 1),
    "H100, 16 bytes": (3.35e12, 690 / 1.98e9, 132, 16, 1),
    "H100, float, four loads": (3.35e12, 690 / 1.98e9, 132, 4, 4),
    "H100, 8 bytes, three loads": (3.35e12, 690 / 1.98e9, 132, 8, 3),
    "V100": (0.9e12, 460 / 1.53e9, 80, 4, 1),
    "exactly 4": (2.0**40, 2.0**-30, 1, 4, 2),
}.items():
    given = dict(zip(("bandwidth", "latency", "multiprocessors", "bytes_a_lane", "loads"), case, strict=True))
    exact = case[0] * case[1] / case[2] / (32 * case[3] * case[4])
    said = {
        "Rounded down: a little less than the memory could bear is under way.": np.floor(exact),
        "One more than is needed.": np.ceil(exact) + 1,
        "These are threads: a warp has 32.": np.ceil(32 * exact),
        "These are the warps of the whole card.": np.ceil(exact * case[2]),
        "Each thread has `loads` loads under way, not one.": np.ceil(exact * case[4]),
        "In whole warps, please.": exact,
    }
    said = {what: value for what, value in said.items() if value != np.ceil(exact)}
    check.close(check.call(warps_to_fill, **given), np.ceil(exact), name, tol=1e-9, mistakes=said)

# %% [markdown] role="hint"
# Bytes under way on the card; on one SM; and how many bytes one warp has under way. Then divide, and round up.

# %% role="wrong"
{
    "rounded down": ("np.ceil(", "np.floor(", "Rounded down"),
    "threads": ("a_warp = 32 * bytes_a_lane", "a_warp = bytes_a_lane", "These are threads"),
    "the whole card": (" / multiprocessors", "", "the whole card"),
    "one load": (" * loads", "", "not one"),
    "not whole": ("int(np.ceil(under_way / a_warp))", "under_way / a_warp", "In whole warps"),
    "one more": ("int(np.ceil(under_way / a_warp))", "int(under_way / a_warp) + 1", "One more than is needed"),
}

# %% [markdown] exercise="Several loads before the first wait" kind="further" stars=3 minutes=20
# Now a round is `loads` loads, one a cycle, and only then `loads` · `work` instructions of arithmetic, the first of
# which needs *all* of the loads. Change the chapter's `schedule` to this, and return the part of the cycles in which
# the scheduler has something to give. `loads` = 1 is the chapter's case, and turns are given as there: a warp keeps its
# turn until it has to wait.


# %% role="solution"
def busy_with(warps, latency, work, loads, cycles):
    """-> the part of the cycles, from 0 to 1."""
    # YOUR TURN
    ready, done, given = [0] * warps, [0] * warps, 0
    for cycle in range(cycles):
        able = [w for w in range(warps) if ready[w] <= cycle]
        if able:
            w = min(able, key=lambda w: ready[w])
            done[w] += 1
            given += 1
            if done[w] % (loads * (1 + work)) == loads:  # its last load
                ready[w] = cycle + latency
    return given / cycles
    # END


# %% role="check"
def part_busy(warps, latency, work, loads, cycles, waits=None, rounds=None, turns=False):
    """waits: after which instruction of a round a warp waits; rounds: how long a round is; turns: the others come first."""
    ready, done, given = np.zeros(warps, int), np.zeros(warps, int), 0
    length, waits = rounds or loads * (1 + work), waits or {loads - 1}
    for cycle in range(cycles):
        able = np.flatnonzero(ready <= cycle)
        if len(able):
            w = able[np.argmin(ready[able])]
            if done[w] % length in waits:
                ready[w] = cycle + latency
            elif turns:
                ready[w] = cycle + 1
            done[w] += 1
            given += 1
    return given / cycles


for case in (
    (4, 20, 4, 1, 500),
    (5, 20, 4, 1, 960),
    (1, 20, 4, 3, 500),
    (1, 33, 2, 4, 700),
    (3, 20, 2, 2, 311),
    (2, 50, 3, 5, 400),
    (9, 12, 4, 2, 200),
):
    given = dict(zip(("warps", "latency", "work", "loads", "cycles"), case, strict=True))
    warps, latency, work, loads, cycles = case
    said = {
        "It waits for each load before it makes the next: make all of them first.": part_busy(
            *case, waits=set(range(loads))
        ),
        "The arithmetic begins when the first load is there; it needs all of them.": part_busy(
            *case[:1], latency - loads + 1, *case[2:]
        ),
        "After all the loads come `work` instructions, not `loads` times as many.": part_busy(
            *case, rounds=loads + work
        ),
        "Nobody waits.": 1.0,
        "A warp that has had a turn is put behind the others; it has been able since its loads came, and goes on.": part_busy(
            *case, turns=True
        ),
        "The loads are all under way together: one latency after the last of them, not one for each.": part_busy(
            warps, loads * latency, *case[2:]
        ),
        "So many instructions are given: divided by the cycles, they are the part that is busy.": part_busy(*case)
        * cycles,
    }
    said = {what: value for what, value in said.items() if abs(value - part_busy(*case)) > 1e-12}
    name = "{} warps, L = {}, k = {}, {} loads a round".format(*case[:4])
    check.close(check.call(busy_with, **given), part_busy(*case), name, tol=1e-9, mistakes=said)

# %% [markdown] role="hint"
# A round has `loads` · (1 + `work`) instructions. After which of them can a warp not go on? Only after its last load,
# when L cycles from then have to pass.

# %% role="wrong"
{
    "a wait after each load": ("== loads:", "in range(1, loads + 1):", "waits for each load"),
    "work once": ("(loads * (1 + work)) == loads", "(loads + work) == loads", "not `loads` times"),
    "nobody waits": ("ready[w] = cycle + latency", "pass", "Nobody waits"),
    "turns": (
        "                ready[w] = cycle + latency\n",
        "                ready[w] = cycle + latency\n            else:\n                ready[w] = cycle + 1\n",
        "put behind the others",
    ),
    "when the first is there": ("cycle + latency", "cycle + latency - loads + 1", "it needs all of them"),
    "the loads one after the other": ("cycle + latency", "cycle + loads * latency", "all under way together"),
    "instructions, not a part": ("given / cycles", "given", "divided by the cycles"),
}

# %% [markdown]
# ## What you can do now
#
# - Name the parts of a GPU, and say what lies how far from a lane.
# - Say how many warps hide a latency, and how many bytes must be under way for a memory to be busy.
# - Say what a branch costs a warp.
#
# In the library: `minivit/devices/occupancy.py` counts how many warps a kernel lets an SM hold (chapter 27). Sources,
# beside those under the table: J. D. C. Little, *A Proof for the Queuing Formula L = λW*, 1961; V. Volkov,
# *Understanding Latency Hiding on GPUs*, Berkeley 2016. Next: the first kernel.
