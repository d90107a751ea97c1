"""Every gradient of this project against finite differences: each operation by itself, then whole small models.

    python -m minivit check        prints what follows here

In float64, every element looked at, with a random upstream gradient (see gradcheck.py). The axes of an argument differ
in length wherever the operation lets them, so that no transpose can hide.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from . import ops
from .gradcheck import Check, Report, both_gradients, compare, compare_scaled, compare_zero, numerical_gradient
from .model import ViT, ViTConfig, parameter_shapes


def noise() -> np.random.Generator:
    """Made anew for every evaluation, so that dropout drops the same elements in all of them."""
    return np.random.default_rng(7)


LABELS = np.array([2, 0, 4])
SOFT_LABELS = np.array([[0.1, 0.2, 0.0, 0.3, 0.4], [0.6, 0.1, 0.2, 0.1, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]])
GRID = (2, 3)

TOKENS = {"x": (2, 5, 6)}  # (B, N, D)
LOGITS = {"logits": (3, 5)}  # (B, K)
QKV = {"q": (2, 3, 5, 4), "k": (2, 3, 5, 4), "v": (2, 3, 5, 4)}  # (B, H, N, d)
NORM = TOKENS | {"gamma": (6,), "beta": (6,)}
DENSE = {"x": (2, 3, 4), "weight": (4, 5)}
PROJ = {"proj_weight": (6, 6), "proj_bias": (6,)}
MULTIHEAD = TOKENS | {"qkv_weight": (6, 18), "qkv_bias": (18,)} | PROJ
MLP = TOKENS | {"weight1": (6, 7), "bias1": (7,), "weight2": (7, 6), "bias2": (6,)}

# The operation and the option, its forward, its backward, and the shapes of the arguments that are differentiated.
OPS: dict[str, tuple[Callable, Callable, dict[str, tuple[int, ...]]]] = {
    "patchify": (lambda images: ops.patchify_forward(images, (3, 2)), ops.patchify_backward, {"images": (2, 6, 8, 3)}),
    "linear": (ops.linear_forward, ops.linear_backward, DENSE | {"bias": (5,)}),
    "linear, no bias": (lambda x, w: ops.linear_forward(x, w, None), ops.linear_backward, DENSE),
    "layernorm": (ops.layernorm_forward, ops.layernorm_backward, NORM),
    "layernorm, eps 0.5": (lambda *args: ops.layernorm_forward(*args, 0.5), ops.layernorm_backward, NORM),
    "softmax": (ops.softmax_forward, ops.softmax_backward, TOKENS),
    "attention": (ops.attention_forward, ops.attention_backward, QKV),
    "attention, bias": (ops.attention_forward, ops.attention_backward, QKV | {"bias": (3, 5, 5)}),
    "attention, dropout": (lambda *qkv: ops.attention_forward(*qkv, None, 0.3, noise()), ops.attention_backward, QKV),
    "multihead_attention": (
        lambda *args: ops.multihead_attention_forward(*args, 2),
        ops.multihead_attention_backward,
        MULTIHEAD,
    ),
    "multihead_attention, no qkv bias": (
        lambda x, w, proj_w, proj_b: ops.multihead_attention_forward(x, w, None, proj_w, proj_b, 2),
        ops.multihead_attention_backward,
        TOKENS | {"qkv_weight": (6, 18)} | PROJ,
    ),
    "multihead_attention, bias, dropout": (
        lambda *args: ops.multihead_attention_forward(*args[:5], 2, args[5], 0.3, noise()),
        ops.multihead_attention_backward,
        MULTIHEAD | {"bias": (2, 5, 5)},
    ),
    "gelu, erf": (lambda x: ops.gelu_forward(x, "erf"), ops.gelu_backward, TOKENS),
    "gelu, tanh": (lambda x: ops.gelu_forward(x, "tanh"), ops.gelu_backward, TOKENS),
    "mlp": (ops.mlp_forward, ops.mlp_backward, MLP),
    "mlp, tanh, dropout": (lambda *args: ops.mlp_forward(*args, "tanh", 0.3, noise()), ops.mlp_backward, MLP),
    "dropout": (lambda x: ops.dropout_forward(x, 0.3, noise()), ops.dropout_backward, TOKENS),
    "drop_path": (lambda x: ops.drop_path_forward(x, 0.3, noise()), ops.drop_path_backward, {"x": (4, 2, 3)}),
    "layerscale": (ops.layerscale_forward, ops.layerscale_backward, TOKENS | {"gamma": (6,)}),
    "cross_entropy": (lambda z: ops.cross_entropy_forward(z, LABELS), ops.cross_entropy_backward, LOGITS),
    "cross_entropy, smoothed": (
        lambda z: ops.cross_entropy_forward(z, LABELS, 0.1),
        ops.cross_entropy_backward,
        LOGITS,
    ),
    "cross_entropy, soft": (lambda z: ops.cross_entropy_forward(z, SOFT_LABELS), ops.cross_entropy_backward, LOGITS),
    "class_token": (ops.class_token_forward, ops.class_token_backward, TOKENS | {"cls": (1, 1, 6)}),
    "pool, cls": (lambda x: ops.pool_forward(x, "cls"), ops.pool_backward, TOKENS),
    "pool, gap": (lambda x: ops.pool_forward(x, "gap"), ops.pool_backward, TOKENS),
    "add_position": (ops.add_position_forward, ops.add_position_backward, TOKENS | {"position": (1, 5, 6)}),
    "position_2d": (ops.position_2d_forward, ops.position_2d_backward, {"row": (2, 4), "column": (3, 4)}),
    "relative_bias": (
        lambda table: ops.relative_bias_forward(table, ops.relative_index(GRID, class_token=False)),
        ops.relative_bias_backward,
        {"table": (ops.relative_table_size(GRID, class_token=False), 2)},
    ),
    "relative_bias, class token": (
        lambda table: ops.relative_bias_forward(table, ops.relative_index(GRID, class_token=True)),
        ops.relative_bias_backward,
        {"table": (ops.relative_table_size(GRID, class_token=True), 2)},
    ),
}


def check_op(name: str, seed: int = 0) -> Report:
    """Every gradient of one entry of OPS, at random arguments of order one."""
    forward, backward, shapes = OPS[name]
    rng = np.random.default_rng(seed)
    arguments = {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}
    return _report(both_gradients(forward, backward, arguments, seed), compare)


def check_ops(seed: int = 0) -> Iterator[tuple[str, Report]]:
    """All of OPS, one by one."""
    for name in OPS:
        yield name, check_op(name, seed)


def _small(**options: object) -> ViTConfig:
    """Rectangular images in rectangular patches: a grid of (2, 3) tokens."""
    sizes = dict(image_size=(4, 9), patch_size=(2, 3), channels=2, classes=5, width=6, depth=1, heads=2, mlp_ratio=1.5)
    return ViTConfig(**sizes | options)


# Together they take every value of every option; a test holds that.
CONFIGS: dict[str, ViTConfig] = {
    "plain": _small(width=8, depth=2, mlp_ratio=2),
    "mean pooling": _small(pool="gap", gelu="tanh", qkv_bias=False),
    "no positions": _small(position="none", heads=3),
    "2d": _small(position="2d", norm_eps=0.01),
    "2d, mean pooling": _small(position="2d", pool="gap"),
    "sincos2d": _small(position="sincos2d", width=8, image_size=(4, 6), patch_size=2),
    "sincos2d, mean pooling": _small(position="sincos2d", pool="gap", width=4),
    "relative": _small(position="relative", depth=2),
    "relative, mean pooling": _small(position="relative", pool="gap", layer_scale=0.1),
    "dropout": _small(width=8, depth=2, dropout=0.1, attention_dropout=0.3, drop_path=0.4, layer_scale=0.1),
}


def order_one_parameters(config: ViTConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters at which every gradient is of order one, so that an error cannot pass for rounding.

    At the usual initialisation most gradients are tiny, and those of the queries and keys all but zero. Biases are
    N(0, ½²): larger ones push MLP units into the flat tail of the GELU.
    """
    rng = np.random.default_rng(seed)
    params = {}
    for name, shape in parameter_shapes(config).items():
        x = rng.standard_normal(shape)
        if name.endswith("bias"):
            x *= 0.5
        elif name.endswith("gamma") or (name.endswith("weight") and x.ndim == 1):
            x = 1 + 0.2 * x  # LayerScale and LayerNorm multiply
        elif name.endswith("weight"):
            x *= shape[0] ** -0.5
        params[name] = x
    return params


def check_model(config: ViTConfig, seed: int = 0) -> Report:
    """Every parameter's gradient and the images' of a whole ViT, at parameters of order one, element by element.

    One seed in twenty has, among thousands of elements, one so small (1e-6) that the differences' rounding fails it.
    """
    model = ViT(config, dtype=np.float64)
    model.params = order_one_parameters(config, seed)
    return _check(model, seed, compare, step=1e-3)


def check_model_at_init(config: ViTConfig, seed: int = 0) -> Report:
    """The same where training starts, each error relative to the largest gradient of its tensor.

    The step is smaller, for the class token and the positions are small there, and a LayerNorm of them bends sharply.
    """
    return _check(ViT(config, seed, np.float64), seed, compare_scaled, step=1e-5)


def check_models(seed: int = 0) -> Iterator[tuple[str, Report]]:
    """All of CONFIGS at parameters of order one, one by one."""
    for name, config in CONFIGS.items():
        yield name, check_model(config, seed)


def _check(model: ViT, seed: int, comparison: Callable[..., Check], step: float) -> Report:
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((3, *model.config.image_shape))
    dlogits = rng.standard_normal((3, model.config.classes))
    grads, dimages = model.backward(dlogits, model.forward(images, noise())[1])

    def loss() -> float:
        return float(np.sum(model.forward(images, noise())[0] * dlogits))

    places, analytic = model.params | {"images": images}, grads | {"images": dimages}
    gradients = ((name, analytic[name], numerical_gradient(loss, x, step)) for name, x in places.items())
    return _report(gradients, comparison)


def _report(gradients: Iterable[tuple[str, np.ndarray, np.ndarray]], comparison: Callable[..., Check]) -> Report:
    """Analytic against numeric, the keys' bias by itself: it adds q·b to a whole row of scores, and softmax does not
    see what is added to a whole row. Its gradient is exactly zero."""
    checks = []
    for name, analytic, numeric in gradients:
        if name.endswith(("qkv.bias", "qkv_bias")):
            analytic, numeric = analytic.reshape(3, -1), numeric.reshape(3, -1)  # q, k, v
            checks.append(comparison(f"{name} (q, v)", analytic[[0, 2]], numeric[[0, 2]]))
            checks.append(compare_zero(f"{name} (k: zero)", analytic[1], numeric[1]))
        else:
            checks.append(comparison(name, analytic, numeric))
    return Report(tuple(checks))
