"""Models of ours written as Google's files have them, tensor by tensor, without the importer's tables."""

import numpy as np


def google_arrays(model, prefix="", big_vision=False, old_stem=False):
    """name -> array, of the paper's code or of big_vision's."""
    c, p, out = model.config, model.params, {}
    D, H = c.width, c.heads

    def dense(name, ours):
        out[f"{name}/kernel"], out[f"{name}/bias"] = p[f"{ours}.weight"], p[f"{ours}.bias"]

    def norm(name, ours, shape=(-1,)):
        out[f"{name}/scale"], out[f"{name}/bias"] = p[f"{ours}.weight"].reshape(shape), p[f"{ours}.bias"].reshape(shape)

    dense("embedding", "patch_embed.proj")
    out["embedding/kernel"] = out["embedding/kernel"].reshape(*c.patch_size, -1, D)
    if c.has_class_token:
        out["cls"] = p["cls_token"]
    if c.position == "1d":
        out["pos_embedding" if big_vision else "Transformer/posembed_input/pos_embedding"] = p["pos_embed"]
    for i in range(c.depth):
        block, ours = f"Transformer/encoderblock_{i}", f"blocks.{i}"
        norm(f"{block}/LayerNorm_0", f"{ours}.norm1")
        norm(f"{block}/LayerNorm_{1 if big_vision else 2}", f"{ours}.norm2")
        attention = f"{block}/MultiHeadDotProductAttention_{0 if big_vision else 1}"
        weights, biases = np.split(p[f"{ours}.attn.qkv.weight"], 3, 1), np.split(p[f"{ours}.attn.qkv.bias"], 3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            out[f"{attention}/{part}/kernel"] = weight.reshape(D, H, D // H)
            out[f"{attention}/{part}/bias"] = bias.reshape(H, D // H)
        dense(f"{attention}/out", f"{ours}.attn.proj")
        out[f"{attention}/out/kernel"] = out[f"{attention}/out/kernel"].reshape(H, D // H, D)
        dense(f"{block}/MlpBlock_{0 if big_vision else 3}/Dense_0", f"{ours}.mlp.fc1")
        dense(f"{block}/MlpBlock_{0 if big_vision else 3}/Dense_1", f"{ours}.mlp.fc2")
    norm("Transformer/encoder_norm", "norm")
    if c.representation_size:
        dense("pre_logits", "pre_logits.fc")
    if c.classes:
        dense("head", "head")
    for ours in p:
        if ours.startswith("stem.") and ".conv" in ours:
            unit, _, layer = ours.removesuffix(".weight").removeprefix("stem.").rpartition(".")
            folder = unit.replace(".", "/") + "/" if unit else ""
            out[f"{folder}{layer}/kernel"] = p[ours]
            shape = (1, 1, 1, -1) if old_stem else (-1,)
            norm(f"{folder}{layer.replace('conv', 'gn')}", ours.removesuffix(".weight").replace("conv", "gn"), shape)
    return {prefix + name: np.ascontiguousarray(array) for name, array in out.items()}


def stacked(arrays, depth):
    """The blocks joined along a new first axis, as big_vision's scan over layers leaves them."""
    out = {name: array for name, array in arrays.items() if "encoderblock_" not in name}
    for name in arrays:
        if "encoderblock_0/" in name:
            blocks = [arrays[name.replace("encoderblock_0/", f"encoderblock_{i}/")] for i in range(depth)]
            out[name.replace("encoderblock_0/", "encoderblock/")] = np.stack(blocks)
    return out
