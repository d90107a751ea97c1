"""The mistakes that test_planted_mistakes.py plants in PVT and MobileViT, their operations and their files."""

from planted_mistakes import GRADIENTS


def pvt(name):
    """The parity of one fixture, in float64."""
    return f"family/test_pvt_parity.py::test_parity[{name}-float64]"


def mobilevit(name):
    return f"family/test_mobilevit_parity.py::test_parity[{name}-float64]"


MAPS = "ops/test_map_operations.py"
RESIZED = "family/test_pvt_parity.py::test_at_another_size_the_positions_are_resized[float64]"
TRAINING = mobilevit("mobilevit_timm_train")

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_PYRAMIDS = [
    ("PVT: a block's ε behind the patches", "family/pvt.py", pvt("pvt_original"),
     'layers.append(norm(f"{name}.norm", stage.width, config.embed_eps))',
     'layers.append(norm(f"{name}.norm", stage.width, config.norm_eps))'),
    ("PVT: a block's ε behind the reduction", "family/pvt.py", pvt("pvt2_timm"),
     'return [*squares, dense(f"{name}.sr", R * R * D, D), norm(f"{name}.norm", D, config.embed_eps)]',
     'return [*squares, dense(f"{name}.sr", R * R * D, D), norm(f"{name}.norm", D, config.norm_eps)]'),
    ("PVT: the embeddings' ε at a stage's end", "family/pvt.py", pvt("pvt2_timm"),
     'norm(f"stages.{s}.norm", stage.width, config.norm_eps)',
     'norm(f"stages.{s}.norm", stage.width, config.embed_eps)'),
    ("PVT: Hugging Face's one ε is taken for the authors' two", "weights/pvt.py",
     "weights/test_pvt_files.py::test_the_file_tells_the_configuration[authors]",
     'eps = 1e-6 if names.source == "Hugging Face" else 1e-5', "eps = 1e-6"),
    ("PVTv2-B5's MLPs are as wide as the others'", "family/pvt_sizes.py",
     "family/test_pvt.py::test_parameter_counts_are_the_published_ones[PVTv2-B5]",
     "dict(depths=(3, 6, 40, 3), mlp_ratios=(4, 4, 4, 4))", "dict(depths=(3, 6, 40, 3))"),
    ("what a reduction leaves over is lost at the beginning", "ops/maps.py", pvt("pvt2_timm"),
     "return x[:, : size[0], : size[1]], x.shape", "return x[:, -size[0] :, -size[1] :], x.shape"),
    ("the rest has the gradient of the beginning", "ops/maps.py", GRADIENTS("crop"),
     "dx[:, : dy.shape[1], : dy.shape[2]] = dy", "dx[:, -dy.shape[1] :, -dy.shape[2] :] = dy"),
    ("the bins of adaptive pooling do not overlap", "ops/resample.py",
     f"{MAPS}::test_adaptive_pooling_is_the_mean_of_bins_that_overlap[size1]",
     "(cell >= place * old // new)", "(cell >= -(-place * old // new))"),
    ("a bin's sum for its mean", "ops/resample.py", pvt("pvt2_linear_timm"),
     "return inside / inside.sum(axis=1, keepdims=True)", "return inside / inside.sum(axis=1).max()"),
    ("linear attention without its GELU", "family/pvt.py", pvt("pvt2_linear_timm"),
     'norm(f"{name}.norm", D, config.embed_eps), Op("gelu")]', 'norm(f"{name}.norm", D, config.embed_eps)]'),
    ("linear attention without the MLP's ReLU", "family/pvt.py", pvt("pvt2_linear_timm"),
     '[Op("relu")] if config.linear else []', "[]"),
    ("the filters behind the GELU", "family/pvt.py", pvt("pvt2_timm"),
     'between += [Op("gelu"), *drop(config.dropout)]', 'between = [Op("gelu"), *between, *drop(config.dropout)]'),
    ("the head reads the mean, not the class token", "family/pvt.py", pvt("pvt_hf"),
     'Chain(Op("pool", kind="cls"), norm("norm"', 'Chain(Op("pool", kind="gap"), norm("norm"'),
    ("drop path begins anew in each stage of a PVT", "family/pvt.py",
     "family/test_pvt.py::test_drop_path_rises_linearly_over_all_stages",
     "config.drop_path_rate(sum(config.depths[:s]) + i)", "config.drop_path_rate(i)"),
    ("positions of corners that stay", "family/pvt_resolution.py", RESIZED,
     'int(last), "bilinear"', 'int(last), "bilinear_align_corners"'),
    ("Hugging Face's positions are resized, though as many", "family/pvt_resolution.py",
     "weights/test_pvt_files.py::test_hugging_face_takes_positions_of_another_map_of_as_many_tokens_as_they_are",
     "and not (as_is and same_count)", "and not (as_is and before == after)"),
    ("values for keys", "weights/pvt_names.py", pvt("pvt_hf"),
     '("attention.self.key", "attention.self.value")', '("attention.self.value", "attention.self.key")'),
    ("depthwise kernels are read with rows for columns", "weights/layout.py", pvt("pvt2_timm"),
     "array[:, 0].transpose(1, 2, 0)", "array[:, 0].transpose(2, 1, 0)"),
    ("what Hugging Face calls strides is the stride", "weights/pvt.py",
     "weights/test_pvt_files.py::test_a_config_json_of_another_model_is_refused[strides]",
     'config.get("patch_sizes" if names.version == 1 else "strides")', 'config.get("strides")'),
    ("depthwise kernels are written with rows for columns", "weights/layout.py",
     "weights/test_pvt_files.py::test_what_is_exported_is_read_again_to_the_same_bits[pvt2_linear_timm.safetensors]",
     "part.transpose(2, 0, 1)[:, None]", "part.transpose(2, 1, 0)[:, None]"),
    ("overlapping patches begin at the edge", "ops/overlapping_patches.py", pvt("pvt2_hf"),
     "padding = ((kernel // 2,) * 2,) * 2", "padding = ((0, 2 * (kernel // 2)),) * 2"),
    ("a pixel has the gradient of its last patch", "ops/overlapping_patches.py", GRADIENTS("overlapping_patches"),
     "dpadded[place] += patches[..., k, :]", "dpadded[place] = patches[..., k, :]"),
    ("a filter's gradients lie the other way round", "ops/depthwise_convolution.py", GRADIENTS("depthwise_convolution"),
     "dfilters.append(sum_tokens(padded[place] * dy))", "dfilters.insert(0, sum_tokens(padded[place] * dy))"),
    ("a filter's bias has the mean", "ops/depthwise_convolution.py", GRADIENTS("depthwise_convolution, bias"),
     "dbias = sum_tokens(dy) if has_bias", "dbias = sum_tokens(dy) / len(dy) if has_bias"),
    ("SiLU's slope without its second term", "ops/silu.py", GRADIENTS("silu"), "    dx *= x\n", "    dx *= 0\n"),
    ("a sequence is a patch", "ops/unfold.py", mobilevit("mobilevit_timm"),
     "pw, d).transpose(0, 2, 4, 1, 3, 5)", "pw, d).transpose(0, 1, 3, 2, 4, 5)"),
    ("a patch's places run down before across", "ops/unfold.py",
     f"{MAPS}::test_tokens_at_the_same_place_of_their_patches_are_one_sequence",
     "pw, d).transpose(0, 2, 4, 1, 3, 5)", "pw, d).transpose(0, 4, 2, 1, 3, 5)"),
    ("what the tokens say stands before the map", "family/mobilevit.py", mobilevit("mobilevit_timm"),
     "Fork(Chain(), say)", "Fork(say, Chain())"),
    ("a residual around the tokens", "family/mobilevit.py", mobilevit("mobilevit_timm"),
     "Fork(Chain(), say)", "Fork(Chain(), Residual(say))"),
    ("a map is made smaller for its patches", "family/mobilevit.py", mobilevit("mobilevit_hf"),
     "tuple(-(-side // p) * p for side", "tuple(max(p, side // p * p) for side"),
    ("maps are resized by corners that stay", "family/resampling.py", mobilevit("mobilevit_hf"),
     'method="bilinear")', 'method="bilinear_align_corners")'),
    ("MobileViT with a ViT's ε", "family/mobilevit.py", mobilevit("mobilevit_timm"),
     "norm_eps: float = 1e-5", "norm_eps: float = 1e-6"),
    ("MobileViT with a GELU in its MLP", "family/mobilevit.py", mobilevit("mobilevit_timm"),
     'M), Op("silu"), *drop', 'M), Op("gelu"), *drop'),
    ("a SiLU behind the convolution that ends a unit", "family/mobilevit.py", mobilevit("mobilevit_timm"),
     'inside, n_out, silu=False)', 'inside, n_out)'),
    ("a unit without its shortcut", "family/mobilevit.py", mobilevit("mobilevit_timm"),
     "return Residual(*layers) if stride == 1 and n_in == n_out else Chain(*layers)", "return Chain(*layers)"),
    ("inner channels below 90 % of what was asked for", "family/mobilevit.py",
     "family/test_mobilevit.py::test_a_units_inner_channels_are_a_multiple_of_8_and_90_percent_at_least",
     "return rounded + 8 if rounded < 0.9 * wanted else rounded", "return rounded"),
    ("red first where a file wants blue first", "family/mobilevit.py",
     "family/test_mobilevit.py::test_channels_are_turned_round_where_the_file_wants_blue_first",
     "return pixels[..., ::-1] if self.config.bgr else pixels", "return pixels"),
    ("Hugging Face's MobileViT takes red first", "weights/mobilevit.py",
     "weights/test_mobilevit_files.py::test_the_file_tells_the_configuration[huggingface]", "bgr=True", "bgr=False"),
    ("running statistics that follow the batch nine times as fast", "layers/maps.py", TRAINING,
     "momentum: float = 0.1", "momentum: float = 0.9"),
]
# fmt: on
