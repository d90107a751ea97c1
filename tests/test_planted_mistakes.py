"""Who checks the checks? Each of these mistakes, planted by itself, must be caught by an ordinary test of this folder.

Most of them train all the same: the loss goes down, and the model is a little worse than it should be. Each is one
textual replacement in a copy of the package, on which the test that should notice is then run.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minivit

TESTS = Path(__file__).parent
PACKAGE = Path(minivit.__file__).parent

# pytest loads this before any test: what is tested must be the copy.
GUARD = """
import sys
from pathlib import Path
import minivit
if Path(minivit.__file__).parents[1] != Path(__file__).parent:
    sys.stderr.write(f"tested {minivit.__file__}, not the copy")
    raise SystemExit(99)
"""

GRADIENTS = "ops/test_op_gradients.py::test_gradients[{}]".format
QUERIES = "ops/test_attention.py::test_attention_is_the_loop_over_queries"
HEADS = "ops/test_attention.py::test_multihead_is_the_loop_over_heads"
DROPOUT = "ops/test_dropout.py::test_dropout_drops_at_its_rate_and_keeps_the_expectation"
PIXELS = "ops/test_patches.py::test_patchify_is_the_loop_over_pixels"
TIMM = "model/test_model_parity.py"

# What is wrong, the file, the ordinary test that must fail, what stands there (once), and the mistake.
# fmt: off
MISTAKES = [
    ("the square root of d is forgotten", "ops/attention.py", QUERIES,
     "scores = (q * q.shape[-1] ** -0.5) @", "scores = q @"),
    ("the square root of d is forgotten on the way back", "ops/attention.py", GRADIENTS("attention"),
     "scale = q.shape[-1] ** -0.5", "scale = 1.0"),
    ("the path through V is dropped", "ops/attention.py", GRADIENTS("attention"),
     "dv = dropped.swapaxes(-1, -2) @ dout", "dv = np.zeros_like(v)"),
    ("the gradients of q and k are swapped", "ops/attention.py", GRADIENTS("attention"),
     "return dq, dk, dv, dbias", "return dk, dq, dv, dbias"),
    ("dK without its transpose", "ops/attention.py", GRADIENTS("attention"),
     "dk = dscores.swapaxes(-1, -2) @ (q * scale)", "dk = dscores @ (q * scale)"),
    ("dropout acts on the weights but not on their gradient", "ops/attention.py", GRADIENTS("attention, dropout"),
     "dweights = dropout_backward(dout @ v.swapaxes(-1, -2), dropout_cache)", "dweights = dout @ v.swapaxes(-1, -2)"),
    ("the bias on the scores is averaged over the batch", "ops/attention.py", GRADIENTS("attention, bias"),
     "dbias = dscores.sum(axis=0)", "dbias = dscores.mean(axis=0)"),
    ("softmax over the queries", "ops/attention.py", QUERIES,
     "return softmax_forward(scores)[0]", "return softmax_forward(scores.swapaxes(-1, -2))[0].swapaxes(-1, -2)"),
    ("softmax without taking the maximum away", "ops/softmax.py",
     "ops/test_attention.py::test_huge_scores_stay_finite_and_pick_one_value",
     "x.max(axis=-1, keepdims=True)", "0"),
    ("softmax's gradient without its second term", "ops/softmax.py", GRADIENTS("softmax"),
     "dx = dp - sum_features(dp * p)", "dx = dp.copy()"),
    ("a sign in softmax's gradient", "ops/softmax.py", GRADIENTS("softmax"),
     "dx = dp - sum_features(dp * p)", "dx = dp + sum_features(dp * p)"),
    ("the heads are merged in the wrong order", "ops/multihead.py", HEADS,
     "return out.swapaxes(1, 2).reshape(B, N, H * d)", "return out.transpose(0, 2, 3, 1).reshape(B, N, H * d)"),
    ("k and v are swapped on both ways", "ops/multihead.py", HEADS,
     "transpose(2, 0, 3, 1, 4)", "transpose(2, 0, 3, 1, 4)[[0, 2, 1]]"),
    ("the gradients of q, k, v go to the wrong thirds", "ops/multihead.py", GRADIENTS("multihead_attention"),
     "(dq, dk, dv), strict", "(dv, dk, dq), strict"),
    ("the attention that is shown is not the one that is used", "ops/multihead.py",
     "ops/test_attention.py::test_multihead_weights_are_those_that_mix_the_values",
     "return attention_weights(q, k, bias)", "return attention_weights(q, k)"),
    ("ε outside the root", "ops/layernorm.py", "ops/test_layernorm.py::test_the_formula_token_by_token",
     "rstd = 1 / np.sqrt(variance + eps)", "rstd = 1 / (np.sqrt(variance) + eps)"),
    ("the variance is divided by D − 1", "ops/layernorm.py", "ops/test_layernorm.py::test_the_formula_token_by_token",
     "variance = sum_features(centred * centred) / D", "variance = sum_features(centred * centred) / (D - 1)"),
    ("the variance from E[x²] − μ²", "ops/layernorm.py",
     "ops/test_layernorm.py::test_a_large_mean_costs_no_more_digits_than_x_has_lost",
     "variance = sum_features(centred * centred) / D",
     "variance = sum_features(x * x) / D - (sum_features(x) / D) ** 2"),
    ("LayerNorm's mean is taken for a constant", "ops/layernorm.py", GRADIENTS("layernorm"),
     "(dy @ gamma)[..., None] / D  # mean", "0  # mean"),
    ("the weight's gradient is averaged over the tokens", "ops/linear.py", GRADIENTS("linear"),
     "dweight = x.reshape(-1, x.shape[-1]).T @ rows", "dweight = x.reshape(-1, x.shape[-1]).T @ rows / len(rows)"),
    ("the bias has no gradient", "ops/linear.py", GRADIENTS("linear"),
     "dbias = sum_tokens(rows) if has_bias else None", "dbias = np.zeros_like(rows[0]) if has_bias else None"),
    ("the argument is centred in place", "ops/layernorm.py",
     "ops/test_every_op.py::test_changes_no_argument_and_repeats_itself[layernorm]",
     "centred = x - sum_features(x) / D", "centred = np.subtract(x, sum_features(x) / D, out=x)"),
    ("GELU's gradient without x φ", "ops/gelu.py", GRADIENTS("gelu, erf"),
     "    dx *= x\n", "    dx *= 0\n"),
    ("the tanh GELU's gradient lacks the 3 of x³", "ops/gelu.py", GRADIENTS("gelu, tanh"),
     "(1 + 3 * 0.044715 * x * x)", "(1 + 0.044715 * x * x)"),
    ("one GELU is used for the other", "model/block.py", TIMM,
     "config.gelu, config.dropout, rng,", '"tanh", config.dropout, rng,'),
    ("the MLP drops on the way forward only", "ops/mlp.py", GRADIENTS("mlp, tanh, dropout"),
     "    dh = dropout_backward(dh, dropout_cache)\n", ""),
    ("dropout without 1 / (1 − rate)", "ops/dropout.py", DROPOUT,
     "mask = kept.astype(x.dtype) / (1 - rate)", "mask = kept.astype(x.dtype)"),
    ("the mask is inverted", "ops/dropout.py", DROPOUT,
     "dtype=np.float32) >= rate", "dtype=np.float32) < rate"),
    ("drop path drops elements", "ops/dropout.py",
     "ops/test_dropout.py::test_drop_path_drops_whole_samples_at_its_rate",
     "(x.shape[0],) + (1,) * (x.ndim - 1)", "x.shape"),
    ("dropout stays on in evaluation", "model/vit.py", "model/test_vit.py::test_two_evaluations_give_the_same_bits",
     "return self.forward(images)[0]", "return self.forward(images, np.random.default_rng())[0]"),
    ("dropout never comes on", "model/vit.py", "model/test_vit.py::test_the_loss_is_that_of_the_forward_with_its_noise",
     "logits, cache = self.forward(images, rng)", "logits, cache = self.forward(images)"),
    ("drop path has one rate for all blocks", "model/config.py",
     "model/test_config.py::test_drop_path_rises_linearly_from_0",
     "return self.drop_path * block / max(1, self.depth - 1)", "return self.drop_path"),
    ("label smoothing is forgotten in the gradient", "ops/cross_entropy.py", GRADIENTS("cross_entropy, smoothed"),
     "return loss, (np.exp(log_p), target)",
     "return loss, (np.exp(log_p), (target == target.max(axis=1, keepdims=True)).astype(logits.dtype))"),
    ("the loss's gradient is not divided by the batch", "ops/cross_entropy.py", GRADIENTS("cross_entropy"),
     "(dloss / len(p))", "dloss"),
    ("the gradient is divided by the batch twice", "model/vit.py", TIMM,
     "ops.cross_entropy_backward(1.0, loss_cache)", "ops.cross_entropy_backward(1.0 / len(images), loss_cache)"),
    ("patchify by reshape alone", "ops/patches.py", PIXELS,
     "patches = grid.transpose(0, 1, 3, 2, 4, 5)", "patches = grid"),
    ("the pixels of a patch run down before across", "ops/patches.py", PIXELS,
     "patches = grid.transpose(0, 1, 3, 2, 4, 5)", "patches = grid.transpose(0, 1, 3, 4, 2, 5)"),
    ("the class token's gradient is not summed over the batch", "ops/tokens.py", GRADIENTS("class_token"),
     "dy[:, :1].sum(axis=0, keepdims=True)", "dy[:1, :1]"),
    ("the class token comes last", "ops/tokens.py",
     "ops/test_tokens.py::test_the_class_token_stands_first_in_every_image",
     "np.concatenate((cls, x), axis=1)", "np.concatenate((x, cls), axis=1)"),
    ("mean pooling's gradient is not divided by N", "ops/tokens.py", GRADIENTS("pool, gap"),
     "dx += dy[:, None] / shape[1]", "dx += dy[:, None]"),
    ("one position for all patches", "ops/positions.py",
     "ops/test_positions.py::test_1d_adds_the_same_table_to_every_image_and_another_row_to_every_token",
     "return x + position, None", "return x + position[:, -1:], None"),
    ("the positions' gradient is averaged over the batch", "ops/positions.py", GRADIENTS("add_position"),
     "return dy, dy.sum(axis=0, keepdims=True)", "return dy, dy.mean(axis=0, keepdims=True)"),
    ("the rows' and the columns' positions are swapped", "ops/positions.py",
     "ops/test_positions.py::test_2d_joins_the_rows_half_and_the_columns_half",
     "rows = np.repeat(row, gw, axis=0)", "rows = np.tile(row, (gw, 1))"),
    ("the relative table's gradient is overwritten, not added up", "ops/positions.py", GRADIENTS("relative_bias"),
     "np.add.at(dtable, index, dbias.transpose(1, 2, 0))", "dtable[index] = dbias.transpose(1, 2, 0)"),
    ("a relative offset is key minus query across only", "ops/positions.py",
     "ops/test_positions.py::test_relative_index_has_one_entry_an_offset",
     "right = j[:, None] - j + gw - 1", "right = abs(j[:, None] - j)"),
    ("the class token is added after the positions and gets none", "model/embedding.py", TIMM,
     "x, pos = ops.add_position_forward(x, position)",
     "x, pos = ops.add_position_forward(x, position * (np.arange(config.tokens) > 0)[:, None])"),
    ("the positions are shifted by the class token's place", "model/embedding.py", TIMM,
     "x, pos = ops.add_position_forward(x, position)",
     "x, pos = ops.add_position_forward(x, np.roll(position, 1, axis=1))"),
    ("the residual's gradient is dropped", "model/block.py", TIMM,
     "ops.layernorm_backward(dh, norm1)\n    dx = dx + dh\n", "ops.layernorm_backward(dh, norm1)\n    dx = dh\n"),
    ("LayerScale's gradient is that of the wrong branch", "model/block.py", TIMM,
     'g["ls1.gamma"] = _branch_end_backward(ops, dx, end1)', 'g["ls1.gamma"] = _branch_end_backward(ops, dx, end2)'),
    ("the second norm sees the block's first input", "model/block.py", TIMM,
     "h, norm2 = ops.layernorm_forward(x,", "h, norm2 = ops.layernorm_forward(x - h,"),
    ("the model's ε never reaches LayerNorm", "model/block.py",
     "model/test_vit.py::test_the_model_and_its_attention_are_the_papers_equations_in_loops",
     'h, norm1 = ops.layernorm_forward(x, p["norm1.weight"], p["norm1.bias"], config.norm_eps)',
     'h, norm1 = ops.layernorm_forward(x, p["norm1.weight"], p["norm1.bias"])'),
    ("LayerScale's gradient is not summed but averaged", "ops/layerscale.py", GRADIENTS("layerscale"),
     "return dy * gamma, sum_tokens(dy * x)", "return dy * gamma, sum_tokens(dy * x) / (dy.size / dy.shape[-1])"),
    ("float64 creeps in", "ops/attention.py", "ops/test_every_op.py::test_keeps_the_dtype_forward_and_backward",
     "scores = (q * q.shape[-1] ** -0.5) @", "scores = (q / np.sqrt(q.shape[-1])) @"),
]
# fmt: on


def run_ordinary_tests(folder, *tests):
    """pytest with the package in `folder`: it exits with 0 where the tests pass, 1 where they fail, else with more."""
    (folder / "planted_guard.py").write_text(GUARD)
    options = ["-x", "--tb=short", "-pno:cacheprovider", "-pno:xdist", "-pplanted_guard"]
    nodes = [str(TESTS / test) for test in tests]
    settings = {
        "PYTHONPATH": str(folder),
        "PYTEST_ADDOPTS": "",
        "PYTHONIOENCODING": "utf-8",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", *options, *nodes]
    return subprocess.run(command, cwd=folder, env=os.environ | settings, capture_output=True, encoding="utf-8")


def copy_package(folder):
    shutil.copytree(PACKAGE, folder / "minivit", ignore=shutil.ignore_patterns("__pycache__", "*.gz"))


@pytest.mark.parametrize(("file", "test", "right", "wrong"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_planted_mistake_is_caught(file, test, right, wrong, tmp_path):
    copy_package(tmp_path)
    path = tmp_path / "minivit" / file
    source = path.read_text(encoding="utf-8")
    assert source.count(right) == 1, f"{file} does not say {right!r} once (any more): plant this mistake anew"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    done = run_ordinary_tests(tmp_path, test)
    assert done.returncode == 1, f"{test} did not notice\n{done.stdout}{done.stderr}"
    assert re.search("^E +(AssertionError|assert )", done.stdout, re.MULTILINE), f"not an assertion:\n{done.stdout}"


def test_without_a_mistake_all_of_these_tests_pass(tmp_path):
    copy_package(tmp_path)
    done = run_ordinary_tests(tmp_path, *sorted({test for _, _, test, _, _ in MISTAKES}))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_guard_refuses_a_package_that_is_not_the_copy(tmp_path):
    done = run_ordinary_tests(tmp_path, TIMM)  # nothing was copied here
    assert done.returncode > 1, done.stdout
