"""A Dinov2 of Hugging Face's as PyTorch exports it to ONNX, in as much of the format as its weights need."""

import numpy as np

FLOAT = 1


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, array, kind=FLOAT, packed=False):
    dims = [field(1, b"".join(map(varint, array.shape)))] if packed else [field(1, side) for side in array.shape]
    numbers = field(4 if packed else 9, array.astype("<f4").tobytes())  # float_data or raw_data
    return b"".join(dims) + field(2, kind) + field(8, name) + numbers


def node(op, name, *inputs):
    return b"".join(field(1, i) for i in inputs) + field(2, "out") + field(3, name) + field(4, op)


def image_input(*shape):
    dims = b"".join(field(1, field(2, side) if isinstance(side, str) else field(1, side)) for side in shape)
    return field(1, "image") + field(2, field(1, field(1, FLOAT) + field(2, dims)))


def model(nodes=(), tensors=(), inputs=(), more=b""):
    graph = [field(1, n) for n in nodes] + [field(5, t) for t in tensors] + [field(11, i) for i in inputs]
    return field(1, 8) + field(2, "pytorch") + field(7, b"".join(graph)) + more


def dinov2_onnx(arrays, size):
    """arrays: the tensors of a Dinov2Model by name; size: (height, width) or names for sides that are left open."""
    nodes, tensors = [], []
    for name, array in arrays.items():
        module, _, kind = f"/backbone/{name.replace('.', '/')}".rpartition("/")
        module = module.replace("layer/", "layer.")
        if name.endswith("mask_token"):
            continue
        if name.endswith("position_embeddings"):
            tensors += [tensor("onnx::Concat_1", array[:, :1]), tensor("onnx::Reshape_2", array[:, 1:], packed=True)]
            nodes.append(node("Reshape", "/backbone/embeddings/Reshape_1", "onnx::Reshape_2", "shape"))
            nodes.append(node("Concat", "/backbone/embeddings/Concat_6", "onnx::Concat_1", "resized"))
        elif kind == "weight" and array.ndim == 2:
            tensors.append(tensor(f"onnx::MatMul_{len(tensors)}", array.T))
            nodes.append(node("MatMul", f"{module}/MatMul", "x", f"onnx::MatMul_{len(tensors) - 1}"))
        else:
            tensors.append(tensor(f"backbone.{name}", array, packed=len(tensors) % 2 == 0))
    tensors.append(tensor("decoder.final.weight", np.zeros((1, 4, 1, 1))))
    tensors.append(field(1, 2) + field(2, 7) + field(8, "shape") + field(7, b"\x01\x02"))  # int64_data
    return model(nodes, tensors, [image_input("batch", 2, *size)])
