"""config.json and preprocessor_config.json beside a file in Hugging Face's names, so that transformers reads
the folder.

Each function says a configuration of ours in the words of transformers' class; `HuggingFace` is what it comes to.
"""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..files import atomic_write

GELU = {"erf": "gelu", "tanh": "gelu_pytorch_tanh"}
MOBILEVIT = (0, 0, 2, 4, 3), (1, 3, 1, 1, 1), (1, 2, 2, 2, 2)  # depths, units, strides: transformers has no others
ONLY = f"transformers' MobileViT has depths {MOBILEVIT[0]}, units {MOBILEVIT[1]}, strides {MOBILEVIT[2]}"
RESAMPLE = {"bilinear": 2, "bicubic": 3}  # Pillow's numbers


class HuggingFace(NamedTuple):
    """What transformers calls a model: its model_type, its class, and the class's options."""

    model_type: str
    architecture: str
    options: dict[str, Any]


def write_configs(path: Path, model: Any) -> list[Path]:
    """Write both files beside the weights at `path`; of a BERT, which sees no pictures, the first; of a detector none.
    Others of these names are replaced."""
    if type(model).__name__ not in DESCRIBE:
        return []
    told = DESCRIBE[type(model).__name__](model.config)
    if told is None:
        warnings.warn(f"{path.parent} gets no config.json: {ONLY}", stacklevel=3)
        return []
    config = {"model_type": told.model_type, "architectures": [told.architecture], **told.options}
    classes = getattr(model.config, "classes", 0)
    names = model.class_names or [f"LABEL_{k}" for k in range(classes)]
    if classes:
        config |= {"id2label": dict(enumerate(names)), "label2id": {name: k for k, name in enumerate(names)}}
    files = {path.with_name("config.json"): config}
    if hasattr(model.config, "image_mean"):
        files[path.with_name("preprocessor_config.json")] = preprocessor(model.config)
    for file, contents in files.items():
        with atomic_write(file) as output:
            output.write(json.dumps(contents, indent=2, ensure_ascii=False).encode())
    return list(files)


def preprocessor(config: Any) -> dict[str, Any]:
    """How a photograph becomes the input, for transformers' image processors."""
    height, width = config.image_size
    mean, std = (
        list(value) if isinstance(value, tuple) else [value] * config.channels
        for value in (config.image_mean, config.image_std)
    )
    resized = [int(side / config.crop) for side in (height, width)]
    size = {"height": resized[0], "width": resized[1]} if config.squeeze else {"shortest_edge": min(resized)}
    cropped = not (config.squeeze and config.crop == 1)
    kind = "BitImageProcessor" if cropped else "ViTImageProcessor"
    kind = "MobileViTImageProcessor" if hasattr(config, "bgr") else kind
    return {
        "image_processor_type": kind,
        "do_resize": True,
        "size": size,
        "resample": RESAMPLE[config.resize_filter],
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": std,
        "do_center_crop": cropped,
        **({"do_flip_channel_order": config.bgr} if hasattr(config, "bgr") else {}),
        **({"crop_size": {"height": height, "width": width}} if cropped else {}),
    }


def _square(size: tuple[int, int]) -> int | list[int]:
    return size[0] if size[0] == size[1] else list(size)


def _whole(ratio: float) -> int | float:
    """As a whole number where it is one: some of transformers' classes take no other."""
    return int(ratio) if ratio == int(ratio) else ratio


def _head(config: Any, name: str, task: str = "ForImageClassification") -> str:
    """The class of a model with a head, or of one without."""
    return name + (task if config.classes else "Model")


def vit(config: Any) -> HuggingFace:
    options = dict(
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        image_size=_square(config.image_size),
        patch_size=_square(config.patch_size),
        num_channels=config.channels,
        hidden_act=GELU[config.gelu],
        layer_norm_eps=config.norm_eps,
        qkv_bias=config.qkv_bias,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.attention_dropout,
    )
    if config.layer_scale is None:
        kind = ("deit", "DeiT") if config.distilled else ("vit", "ViT")
        task = "ForImageClassificationWithTeacher" if config.distilled else "ForImageClassification"
        options["intermediate_size"] = config.mlp_width
        return HuggingFace(kind[0], _head(config, kind[1], task), options)
    options |= dict(
        mlp_ratio=_whole(config.mlp_ratio), layerscale_value=config.layer_scale, drop_path_rate=config.drop_path
    )
    options |= dict(use_swiglu_ffn=config.mlp == "swiglu")
    if config.registers:
        options["num_register_tokens"] = config.registers
        return HuggingFace("dinov2_with_registers", _head(config, "Dinov2WithRegisters"), options)
    return HuggingFace("dinov2", _head(config, "Dinov2"), options)


def mae(config: Any) -> HuggingFace:
    options = dict(
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        intermediate_size=int(config.width * config.mlp_ratio),
        decoder_hidden_size=config.decoder_width,
        decoder_num_hidden_layers=config.decoder_depth,
        decoder_num_attention_heads=config.decoder_heads,
        decoder_intermediate_size=int(config.decoder_width * config.decoder_mlp_ratio),
        image_size=_square(config.image_size),
        patch_size=_square(config.patch_size),
        num_channels=config.channels,
        mask_ratio=config.mask_ratio,
        norm_pix_loss=config.normalize_pixels,
        hidden_act=GELU[config.gelu],
        layer_norm_eps=config.norm_eps,
        qkv_bias=config.qkv_bias,
    )
    return HuggingFace("vit_mae", "ViTMAEForPreTraining", options)


def bert(config: Any) -> HuggingFace:
    architecture = {
        "none": "BertModel",
        "classifier": "BertForSequenceClassification",
        "masked words": "BertForMaskedLM",
        "pretraining": "BertForPreTraining",
    }[config.head]
    options = dict(
        vocab_size=config.words,
        max_position_embeddings=config.positions,
        type_vocab_size=config.segments,
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        intermediate_size=int(config.width * config.mlp_ratio),
        pad_token_id=config.padding,
        hidden_act=GELU[config.gelu],
        layer_norm_eps=config.norm_eps,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.attention_dropout,
        classifier_dropout=config.head_dropout,
        tie_word_embeddings=True,
    )
    return HuggingFace("bert", architecture, options)


def swin(config: Any) -> HuggingFace:
    options = dict(
        image_size=_square(config.image_size),
        patch_size=_square(config.patch_size),
        num_channels=config.channels,
        embed_dim=config.width,
        depths=list(config.depths),
        num_heads=list(config.heads),
        window_size=_square(config.window) if isinstance(config.window, tuple) else config.window,
        mlp_ratio=config.mlp_ratio,
        qkv_bias=config.qkv_bias,
        use_absolute_embeddings=config.absolute_position,
        hidden_act="gelu",
        layer_norm_eps=config.norm_eps,
        drop_path_rate=config.drop_path,
    )
    return HuggingFace("swin", _head(config, "Swin"), options)


def pvt(config: Any) -> HuggingFace:
    second = config.version == 2
    options = dict(
        image_size=list(config.image_size) if second else _square(config.image_size),
        num_channels=config.channels,
        num_encoder_blocks=len(config.depths),
        depths=list(config.depths),
        hidden_sizes=list(config.widths),
        num_attention_heads=list(config.heads),
        mlp_ratios=[round(ratio) for ratio in config.mlp_ratios],
        strides=list(config.strides),
        qkv_bias=config.qkv_bias,
        hidden_act="gelu",
        layer_norm_eps=config.norm_eps,
        drop_path_rate=config.drop_path,
    )
    if second:
        options |= dict(patch_sizes=list(config.patch_sizes), sr_ratios=list(config.reductions))
        return HuggingFace("pvt_v2", _head(config, "PvtV2"), options | {"linear_attention": config.linear})
    options |= dict(patch_sizes=list(config.strides), sequence_reduction_ratios=list(config.reductions))
    options |= {"num_labels": config.classes} if config.classes else {}  # its class does not count id2label
    return HuggingFace("pvt", _head(config, "Pvt"), options)


def mobilevit(config: Any) -> HuggingFace | None:
    if (config.depths, config.units, config.strides) != MOBILEVIT or len(set(config.expansions)) > 1:
        return None
    options = dict(
        image_size=_square(config.image_size),
        patch_size=_square(config.patch_size),
        num_channels=config.channels,
        hidden_sizes=[width for width in config.token_widths if width],
        neck_hidden_sizes=[config.stem_width, *config.widths, config.last_width],
        num_attention_heads=config.heads,
        mlp_ratio=config.mlp_ratio,
        expand_ratio=config.expansions[0],
        qkv_bias=config.qkv_bias,
        hidden_act="silu",
        output_stride=32,
        layer_norm_eps=config.norm_eps,
    )
    return HuggingFace("mobilevit", _head(config, "MobileViT"), options)


def resnet(config: Any) -> HuggingFace:
    options = dict(
        num_channels=config.channels,
        embedding_size=config.stem_width,
        hidden_sizes=list(config.widths),
        depths=list(config.depths),
        layer_type="basic" if config.inner is None else "bottleneck",
        hidden_act="relu",
        downsample_in_bottleneck=config.stride_first,
    )
    return HuggingFace("resnet", _head(config, "ResNet"), options)


def bit(config: Any) -> HuggingFace:
    options = dict(
        num_channels=config.channels,
        embedding_size=config.stem_width,
        hidden_sizes=list(config.widths),
        depths=list(config.depths),
        layer_type="preactivation",
        hidden_act="relu",
        global_padding=None,
        num_groups=config.groups,
    )
    return HuggingFace("bit", _head(config, "Bit"), options)


DESCRIBE: dict[str, Callable[[Any], HuggingFace | None]] = {
    "BERT": bert, "BiT": bit, "MAE": mae, "MobileViT": mobilevit, "PVT": pvt, "ResNet": resnet, "Swin": swin,
    "ViT": vit,
}  # fmt: skip
