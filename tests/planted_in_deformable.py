"""The mistakes that test_planted_mistakes.py plants in deformable attention and Deformable DETR."""

from planted_mistakes import GRADIENTS

LOOP = "ops/test_deformable_attention.py::test_it_is_the_loop_over_samples"
LAYER = "ops/test_deformable_attention.py::test_a_whole_layer"
LOCATION = "ops/test_deformable_attention.py::test_a_location_is_its_reference_and_an_offset"
REFERENCES = "ops/test_references.py::"
PARITY = "family/test_deformable_parity.py::"
SAYS, LEARNS = PARITY + "test_what_it_says", PARITY + "test_every_gradient"
MODEL = "family/test_deformable_detr.py::"
FILES = "weights/test_deformable_files.py::"
KERNELS = "devices/test_deformable_kernels.py::"
CROSS = """        Residual(deformable_attention(config, f"{name}.cross_attn", places, BOXES, MEMORY), *end),
        """

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_DEFORMABLE = [
    ("samples are half a cell off", "ops/deformable_attention.py", LOOP, "position * size - 0.5", "position * size"),
    ("the map's corners are cells' centres", "ops/deformable_attention.py", LOOP,
     "position * size - 0.5", "position * (size - 1)"),
    ("x goes down and y across", "ops/deformable_attention.py", LOOP,
     "locations[..., axis], sizes[..., axis]", "locations[..., 1 - axis], sizes[..., axis]"),
    ("what is outside is the nearest cell", "ops/deformable_attention.py", LOOP,
     "self.shares = np.where(self.inside, np.stack((1 - above, above), axis=1), 0)\n"
     "        self.cells = np.where(self.inside, both, 0).astype(np.intp)",
     "self.shares = np.stack((1 - above, above), axis=1)\n"
     "        self.cells = np.clip(both, 0, size - 1).astype(np.intp)"),
    ("each map begins with the first", "ops/deformable_attention.py", LOOP,
     "np.cumsum([0, *(height * width for height, width in shapes[:-1])])", "np.zeros(len(shapes), int)"),
    ("every image's cells are the first one's", "ops/deformable_attention.py", LOOP,
     "image * (S * H) + head", "image * 0 + head"),
    ("a move counts in parts of the map", "ops/deformable_attention.py", GRADIENTS("deformable_attention"),
     "moves * level_sizes(shapes, moves) * weights", "moves * weights"),
    ("a location's gradient forgets the weight", "ops/deformable_attention.py", GRADIENTS("deformable_attention"),
     " * weights.reshape(-1, L, P, 1)", ""),
    ("a cell's gradient is the last sample's alone", "ops/deformable_attention.py", GRADIENTS("deformable_attention"),
     "rows[:, channel] = np.bincount(index, (dy[:, channel] * shares).reshape(-1), len(rows))",
     "rows[:, channel] = 0\n        rows[index, channel] = (dy[:, channel] * shares).reshape(-1)"),
    ("offsets are not divided by the map's size", "ops/sampling.py", LOCATION,
     "else 1 / level_sizes(shapes, offsets)", "else np.ones_like(level_sizes(shapes, offsets))"),
    ("offsets are divided by (height, width)", "ops/sampling.py", LOCATION,
     "else 1 / level_sizes(shapes, offsets)", "else 1 / level_sizes(shapes, offsets)[..., ::-1]"),
    ("offsets from a box reach twice as far", "ops/sampling.py", LOCATION, "(0.5 / offsets.shape[-2])",
     "(1.0 / offsets.shape[-2])"),
    ("the weights of each map sum to one", "ops/sampling.py",
     "ops/test_deformable_attention.py::test_the_weights_of_a_head_sum_to_one_over_all_levels",
     "softmax_forward(logits.reshape(B, Q, heads, -1))", "softmax_forward(logits.reshape(B, Q, heads * levels, -1))"),
    ("a reference's gradient is the mean over the heads", "ops/sampling.py", GRADIENTS("sampling_locations, points"),
     "dreference = dy.sum(axis=(2, 4))", "dreference = dy.mean(axis=(2, 4))"),
    ("what is padded has a value", "family/deformable_parts.py", SAYS, '        Op("mask_tokens", MASK),\n', ""),
    ("padding is masked before the projection, whose bias it then has", "family/deformable_parts.py", SAYS,
     'dense(f"{name}.value_proj", D, D, std=xavier(D, D)),\n        Op("mask_tokens", MASK),',
     'Op("mask_tokens", MASK),\n        dense(f"{name}.value_proj", D, D, std=xavier(D, D)),'),
    ("the levels' valid ratios are forgotten", "ops/references.py",
     "ops/test_deformable_attention.py::test_a_reference_is_told_in_parts_of_each_map",
     "return reference[:, :, None] * ratios, (ratios,)", "return reference[:, :, None] * (ratios**0), (ratios,)"),
    ("valid ratios are (height, width)", "ops/references.py", REFERENCES + "test_which_part_of_a_map_is_image",
     "np.stack((mask[:, 0].mean(axis=1), mask[:, :, 0].mean(axis=1)), axis=-1)",
     "np.stack((mask[:, :, 0].mean(axis=1), mask[:, 0].mean(axis=1)), axis=-1)"),
    ("a cell's reference is its corner", "ops/references.py", REFERENCES + "test_a_cells_centre_in_its_image",
     "(np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width",
     "np.arange(height) / height, np.arange(width) / width"),
    ("positions are DETR's", "family/deformable_detr.py", PARITY + "test_positions_and_maps", ", shift=-0.5", ""),
    ("the authors' norm1 comes first", "family/deformable_detr.py", PARITY + "test_the_authors_file",
     'norm(f"{name}.norm2", D, eps),\n' + CROSS + 'norm(f"{name}.norm1", D, eps),',
     'norm(f"{name}.norm1", D, eps),\n' + CROSS + 'norm(f"{name}.norm2", D, eps),'),
    ("content and position change places", "family/deformable_detr.py", SAYS,
     'Op("columns", start=0, stop=D)', 'Op("columns", start=D, stop=2 * D)'),
    ("a refined box is not what the next layer starts from", "family/iterated.py", SAYS,
     "p = p | {BOXES: ops.detached(answer[1])}", "pass"),
    ("a gradient goes back through a refined box", "family/iterated.py", LEARNS,
     "grads.pop(BOXES, None)  # of the round", "danswer[1] = both(danswer[1], grads.pop(BOXES, None))  # of the round"),
    ("the reference is added after the sigmoid", "ops/references.py",
     REFERENCES + "test_a_box_is_told_from_a_point_or_a_box",
     "at, cache = inverse_sigmoid_forward(reference)", "at, cache = reference, inverse_sigmoid_forward(reference)[1]"),
    ("a reference at the edge has a gradient", "ops/references.py", REFERENCES + "test_inverse_sigmoid_is_the_authors",
     "return dy * np.where(within, slope, 0)", "return dy / np.maximum(x * (1 - x), eps)"),
    ("proposals are chosen by their best class", "ops/references.py",
     REFERENCES + "test_the_best_proposals_are_those_of_the_first_class",
     "np.argsort(-logits[..., 0], axis=1", "np.argsort(-logits.max(axis=-1), axis=1"),
    ("anchors are all of one size", "ops/references.py",
     REFERENCES + "test_what_tokens_propose_before_they_have_learned",
     "0.05 * 2**level", "0.05"),
    ("anchors at the edge count", "ops/references.py",
     REFERENCES + "test_no_anchor_at_an_edge_or_larger_than_the_image",
     "valid = valid & ((boxes > 0.01) & (boxes < 0.99)).all(axis=-1)", "valid = valid & (boxes < 1).all(axis=-1)"),
    ("proposals are to say the class", "family/deformable_detr.py", PARITY + "test_losses",
     'target | {"labels": np.zeros_like(target["labels"])}', "target"),
    ("the proposals' loss has no gradient", "family/deformable_detr.py", LEARNS,
     "(*dout, *(array[0] for array in dsaid))", "(*dout, *(0 * array[0] for array in dsaid))"),
    ("the last map's gradient is that of its own level alone", "family/deformable_parts.py", LEARNS,
     "return [*dxs[:-1], dxs[-1] + dlast], add(grads, more)", "return dxs, add(grads, more)"),
    ("all heads look to the right at first", "family/deformable_parts.py",
     MODEL + "test_it_starts_by_looking_around", "angles = np.arange(H) * (2 * math.pi / H)", "angles = np.zeros(H)"),
    ("samples are sorted anyhow", "devices/deformable.py", KERNELS + "test_every_version_of_the_operation",
     'order = np.argsort(keys, kind="stable")', "order = np.lexsort((-np.arange(len(keys)), keys))"),
    ("samples of all maps are sorted as if they were of the first", "devices/deformable.py",
     KERNELS + "test_the_operation_is_numpys",
     "np.asarray(np.cumsum([0, *corners[:-1]]).tolist()", "np.asarray([0] * len(corners)"),
    ("the authors' copies of a head are not written", "weights/deformable_detr.py",
     FILES + "test_the_authors_have_a_head_as_often_as_it_is_used",
     "return named if inside else named[: len(layers)]", "return named[:1]"),
]
# fmt: on
