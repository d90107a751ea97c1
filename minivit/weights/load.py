"""`load_pretrained`: a published file of weights -> a model that gives the publisher's numbers.

    opened.py    the file, its tensors by name, unread, and whose they are
    vit.py …     a module a model, found through the family's table. It has
                 recognise(tensors)        the source whose names these are ("timm", …), None for another model's
                 load(path, **options)     the model
                 SOURCES, export(model, path, source)    whose files it writes, the usual one first

Whose file it is, and how large the model, is found out from the names and shapes inside; what they do not tell, from
the JSON files beside it, or from the source's conventions. The configuration keeps all of it.
"""

import os
from typing import Any

import numpy as np

from .. import family
from .class_names import class_names_of
from .opened import open_weights
from .opened import read_weights as read_weights


def load_pretrained(
    path: str | os.PathLike,
    heads: int | None = None,
    *,
    dtype: type = np.float32,
    device: str = "cpu",
    **config: Any,
) -> Any:
    """The model with the weights of `path`, a file (.safetensors, unless told), or the folder of one with its JSON:

    BERT        Hugging Face: the encoder alone, or with the heads of its pre-training, or with a classifier
    BiT         timm, Hugging Face, Google's .npz
    DeformableDETR  the authors', Hugging Face
    DETR        the authors', Hugging Face
    MAE         the authors', Hugging Face; an encoder alone is a ViT
    MobileViT   timm, Hugging Face
    PVT         the authors' and Hugging Face, both versions; timm, version 2
    ResNet      torchvision, timm, Hugging Face
    SparseRCNN  the authors', which are detectron2's
    Swin        timm, Microsoft, Hugging Face
    ViT         Google's .npz (ViT, augreg, big_vision, hybrids), timm, DeiT, torchvision, Hugging Face (ViT, DeiT,
                Dinov2), an .onnx of Dinov2 (the backbone; whatever else such a file holds is left out)

    What each takes besides is told by the `load` of its module, minivit.weights.bert and so on.
    heads: of a ViT, where the file does not tell, the published size's number is taken (64 numbers a head, 80 in ViT-H:
    give it where yours differ, and a warning names both); for other sizes it must be given. config: options of the
    model's configuration, in place of the source's own: image_size resizes the positions by the source's rule (a ViT's
    position_resize), another number of classes replaces the head by zeros (0: no head, the logits are the features),
    representation_size=None drops a ViT's layer before the head.
    Raises FileNotFoundError, TypeError for an option that the configuration has not, and ValueError that names what is
    wrong: a file of no known model, a damaged one, a tensor that is missing, unknown to the model or of another shape,
    a number of heads that nothing tells, or another one than the file tells.
    """
    opened = open_weights(path)
    options = config if heads is None else config | {"heads": heads}
    model = family.loader(opened.model)(opened, dtype=dtype, device=device, **options)
    classes = getattr(model.config, "classes", 0)
    model.class_names = class_names_of(opened.file.parent, opened.beside, classes, "classes" in config)
    return model
