"""benchmarks/family: what the experiments compare, and how it is counted; the page's tables are those of the rows.

That they run is tested in test_experiments_run.py.
"""

from pathlib import Path

import numpy as np
import pytest

import minivit
from minivit.layers import Op

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "family"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The scripts import each other as files of one folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield


def test_all_classifiers_have_60_000_parameters_or_5_percent_more_or_less():
    import classifiers

    for name in classifiers.NAMES:
        assert 57_000 <= minivit.count_parameters(classifiers.configuration(name)) <= 63_000, name


def test_multiplications_are_those_of_the_formulas():
    """A ViT whose last block computes the class token alone, and a ResNet of one unit."""
    from classifiers import flops, multiplications

    from minivit.family import ResNet, ResNetConfig

    N, D, M, L = 5, 8, 16, 2
    config = minivit.ViTConfig(
        image_size=4, patch_size=2, channels=1, classes=3, width=D, depth=L, heads=2, mlp_ratio=M / D
    )
    model = minivit.ViT(config)
    count = multiplications(model, model.layers, np.zeros((1, 4, 4, 1), np.float32))
    whole, last = 4 * N * D * D + 2 * N * D * M, 2 * N * D * D + 2 * D * D + 2 * D * M
    assert count == {"linear": 4 * 4 * D + whole + last + 3 * D, "attention": 2 * N * N * D + 2 * N * D}
    assert flops(model) == 2 * sum(count.values())

    options = dict(stem_width=4, stem_kernel=3, stem_pool=False, depths=(1,), widths=(6,), inner=None)
    resnet = ResNet(ResNetConfig(image_size=9, channels=2, classes=3, halve_first=True, **options))
    count = multiplications(resnet, resnet.layers, np.zeros((1, 9, 9, 2), np.float32))
    kernels = 25 * 9 * 2 * 4 + 9 * (9 * 4 * 6 + 9 * 6 * 6 + 4 * 6)  # maps of 5 x 5, then of 3 x 3
    assert count == {"convolution": kernels, "linear": 6 * 3}


def test_a_digit_is_moved_each_way_and_loses_no_ink(monkeypatch):
    import inductive_bias as bias

    seen = []
    monkeypatch.setattr(
        bias, "evaluate", lambda model, images, labels, workers: (0.0, float(len(seen)), seen.append(images))
    )
    digits = minivit.load_mnist()
    images, labels = digits.test_images[:3], digits.test_labels[:3]
    assert bias.shifted_accuracy(None, images, labels) == [0, 2.5, 6.5, 10.5, 14.5]  # means of four
    assert len(seen) == 1 + 4 * 4 and all(x.sum() == images.sum() for x in seen)
    np.testing.assert_array_equal(seen[-4][:, 4:], images[:, :-4])  # down by 4, up, right and left
    np.testing.assert_array_equal(seen[-3][:, :-4], images[:, 4:])
    np.testing.assert_array_equal(seen[-2][:, :, 4:], images[:, :, :-4])
    np.testing.assert_array_equal(seen[-1][:, :, :-4], images[:, :, 4:])


def test_without_shift_no_window_is_shifted():
    from variants import configuration, without_shift, without_tokens

    from minivit.family.swin import swin

    def shifts(layer):
        if isinstance(layer, Op):
            return [layer.options["shift"]] if "shift" in layer.options else []
        return [shift for part in layer.parts for shift in shifts(part)]

    config = configuration("swin")
    assert any(map(any, shifts(swin(config))))
    assert not any(map(any, shifts(swin(without_shift(config)))))
    mobilevit = configuration("mobilevit")
    counts = [minivit.count_parameters(one) for one in (mobilevit, without_tokens(mobilevit))]
    assert counts[1] == pytest.approx(counts[0], rel=0.05)


def test_networks_are_as_deep_as_they_are_called():
    import depth

    for layers, shortcuts in depth.NETWORKS:
        assert len(depth.gradient_lengths(layers, shortcuts, starts=1)) == layers


def test_what_a_token_sees():
    """Swin: its window; the four that its shifted window meets; and what meets those. MobileViT: every second place."""
    import sight

    seen = list(sight.pictures().values())
    rows, columns = np.indices((28, 28))
    for reached, low, high in ((seen[0], 12, 16), (seen[1], 8, 16), (seen[2], 8, 20)):
        inside = (rows >= low) & (rows < high) & (columns >= low) & (columns < high)
        np.testing.assert_array_equal(reached, inside)
    for reached in seen[3:6]:
        np.testing.assert_array_equal(reached, seen[0])
    np.testing.assert_array_equal(seen[6], (abs(rows - 13) <= 1) & (abs(columns - 13) <= 1))
    np.testing.assert_array_equal(seen[7], (rows % 2 == 1) & (columns % 2 == 1))
    assert seen[8].all()


def test_the_page_says_what_the_rows_say():
    import report

    page = report.PAGE.read_text("utf-8")
    assert {match[1] for match in report.TABLE.finditer(page)} == report.TABLES.keys()
    assert report.with_tables(page) == page, "python benchmarks/family/report.py"


def test_the_small_copies_say_what_the_rows_say():
    import report

    bias, variants = (report.Rows(report.RESULTS / f"{name}.jsonl") for name in ("inductive_bias", "variants"))
    assert report.INDUCTIVE_BIAS.read_text("utf-8") == report.small_copy(bias), "python benchmarks/family/report.py"
    assert report.FAMILY_VARIANTS.read_text("utf-8") == report.copy_of_variants(variants)


def test_a_number_says_of_how_many_seeds_it_is():
    from tables import percent

    assert percent([]) == "–"
    assert percent([0.931]) == "93.1 (1)" and percent([0.931], seeds=1) == "93.1"
    assert percent([0.9, 0.92]) == "91.0 ± 1.0 (2)" and percent([0.9, 0.91, 0.92]) == "91.0 ± 1.0"
