"""The arrays behind the pictures, each against a definition that is written another way."""

import numpy as np
import pytest

from minivit import ops
from minivit.inspect import (
    class_attention,
    confusion_matrix,
    patch_filters,
    position_similarity,
    position_table,
    worst_mistakes,
)
from minivit.model import ViT, ViTConfig


def tiny(**choices):
    """A small ViT of rectangular patches on a rectangular grid, so that no two axes can be confused."""
    config = {
        "image_size": (6, 12),
        "patch_size": (2, 3),
        "channels": 3,
        "classes": 5,
        "width": 8,
        "depth": 2,
        "heads": 2,
    }
    return ViT(ViTConfig(**config | choices), seed=1, init="fan_in")


def raw_images(count):
    return np.random.default_rng(2).integers(0, 256, (count, 6, 12, 3), np.uint8)


def test_a_token_is_its_patch_times_the_filters():
    model = tiny()
    filters = patch_filters(model)
    assert filters.shape == (8, 2, 3, 3)
    image = model.normalize(raw_images(1))
    patches, _ = ops.patchify_forward(image, (2, 3))
    token = patches[0, 5] @ model.params["patch_embed.proj.weight"]  # patch 5 is in row 1, column 1
    assert np.allclose(token, (filters * image[0, 2:4, 3:6]).sum(axis=(1, 2, 3)), atol=1e-5)


@pytest.mark.parametrize("pool", ["cls", "gap"])
@pytest.mark.parametrize("position", ["1d", "2d", "sincos2d"])
def test_position_similarity_is_the_cosine_of_the_tables_rows(position, pool):
    model = tiny(position=position, pool=pool)
    rng = np.random.default_rng(0)
    for name in model.params:  # a bias that is left in, or a class row, would show
        model.params[name] = rng.normal(size=model.params[name].shape).astype(np.float32)
    if position == "1d":
        table = model.params["pos_embed"][0, -12:]
    elif position == "2d":
        row, column = model.params["pos_embed.row"], model.params["pos_embed.column"]
        table = np.array([np.concatenate((row[i], column[j])) for i in range(3) for j in range(4)])
    else:
        table = ops.position_sincos_2d((3, 4), 8, np.float32)[0]
    assert np.array_equal(position_table(model), table)
    similarity = position_similarity(model)
    assert similarity.shape == (12, 3, 4)
    for a in range(12):
        for b in range(12):
            cosine = table[a] @ table[b] / np.linalg.norm(table[a]) / np.linalg.norm(table[b])
            assert np.isclose(similarity[a, b // 4, b % 4], cosine, atol=1e-5)


@pytest.mark.parametrize("position", ["none", "relative"])
def test_a_model_without_a_table_of_positions_says_so(position):
    with pytest.raises(ValueError, match=f'position is "{position}"'):
        position_similarity(tiny(position=position))


def test_positions_of_zero_are_like_nothing():
    model = tiny()
    model.params["pos_embed"] = np.zeros_like(model.params["pos_embed"])
    assert (position_similarity(model) == 0).all()


def test_class_attention_is_the_class_tokens_row_of_the_last_block():
    model, images = tiny(), raw_images(3)
    looks = class_attention(model, images)
    assert looks.shape == (3, 2, 3, 4)
    weights = model.attention(model.normalize(images))
    assert np.array_equal(looks[2, 1, 2, 3], weights[-1, 2, 1, 0, 1 + 2 * 4 + 3])
    assert np.allclose(looks.sum(axis=(2, 3)), 1 - weights[-1, :, :, 0, 0])


def test_with_mean_pooling_it_is_the_mean_over_all_that_look():
    model, images = tiny(pool="gap"), raw_images(3)
    looks = class_attention(model, images)
    weights = model.attention(model.normalize(images))
    assert np.allclose(looks[2, 1, 2, 3], np.mean([weights[-1, 2, 1, query, 2 * 4 + 3] for query in range(12)]))
    assert np.allclose(looks.sum(axis=(2, 3)), 1)


def test_the_worst_mistake_is_the_surest_wrong_answer():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8], [0.0, 0.05, 0.95], [0.2, 0.7, 0.1]])
    labels = np.array([0, 0, 1, 2, 2])  # right, wrong at 0.6, wrong at 0.8, right, wrong at 0.7
    assert worst_mistakes(probabilities, labels, 9).tolist() == [2, 4, 1]
    assert worst_mistakes(probabilities, labels, 2).tolist() == [2, 4]
    assert worst_mistakes(probabilities, probabilities.argmax(axis=1), 2).tolist() == []


def test_confusion_has_truth_in_rows_and_counts_every_image():
    labels, predicted = np.array([0, 0, 0, 1, 2]), np.array([0, 1, 1, 1, 0])
    assert confusion_matrix(labels, predicted, 3).tolist() == [[1, 2, 0], [0, 1, 0], [1, 0, 0]]
