"""Files that minivit 0.1.0 wrote, before a model was described as layers: they load, and a run goes on.

Its order of parameters was another one here, [cls | dist | registers | rows | columns | blocks …], in which the
checkpoint's averages lie, too. (Written by the script of the same run: four steps, a checkpoint, two steps more.)
"""

from pathlib import Path

import numpy as np

from minivit import ViT, load_mnist, resume
from minivit.devices.workers import worker_pool

FOLDER = Path(__file__).parents[1] / "fixtures" / "before"
EXPECTED = np.load(FOLDER / "expected.npz")


def test_an_older_model_gives_its_logits():
    model = ViT.load(FOLDER / "model.npz")
    logits = model(model.normalize(load_mnist().test_images[:4]))
    np.testing.assert_allclose(logits, EXPECTED["logits"], atol=1e-6)


def test_an_older_run_goes_on_as_it_would_have():
    digits = load_mnist()
    trainer = resume(FOLDER / "checkpoint.npz", digits.train_images[:200], digits.train_labels[:200])
    assert trainer.step_count == 4
    with worker_pool(1) as pool:
        np.testing.assert_allclose([trainer.step(pool) for _ in range(2)], EXPECTED["losses"], rtol=1e-5)
    for name, array in trainer.model.params.items():
        expected = EXPECTED[f"p.{name}"]
        if name.endswith("qkv.bias"):  # the keys' has no gradient, and Adam makes whole steps of its rounding
            array, expected = (a.reshape(3, -1)[[0, 2]] for a in (array, expected))
        np.testing.assert_allclose(array, expected, atol=1e-5, err_msg=name)
