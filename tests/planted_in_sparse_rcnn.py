"""The mistakes that test_planted_mistakes.py plants in Sparse R-CNN and its operations."""

from planted_mistakes import GRADIENTS

PARITY = "family/test_sparse_rcnn_parity.py::"
ANSWERS, LOSS = f"{PARITY}test_answers_of_every_round", f"{PARITY}test_the_loss_its_terms_and_every_gradient"
MODEL, OPS = "family/test_sparse_rcnn.py::", "ops/test_regions.py::"
POINTS, DETACHED = f"{OPS}test_roi_align_is_the_loop_over_points", f"{MODEL}test_no_gradient_goes_back_through_boxes"
DETACHED += "_into_the_round_before"
DELTAS = f"{OPS}test_box_deltas_box_by_box"
LEVELS = f"{OPS}test_a_box_looks_at_the_map_of_its_size"
OUTSIDE = f"{OPS}test_a_point_more_than_a_place_outside_counts_as_zero"
KERNELS = "devices/test_roi_align_kernels.py::"

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_SPARSE_RCNN = [
    ("RoIAlign looks half a place too far, as with aligned=False", "ops/roi_align.py", POINTS,
     "/ stride - 0.5).T", "/ stride).T"),
    ("a bin's points lie at its edges", "ops/roi_align.py", POINTS, "like=low) + 0.5", "like=low)"),
    ("a point far outside takes what stands at the edge", "ops/roi_align.py", OUTSIDE,
     "- place)) * inside[..., None]", "- place))"),
    ("a point just outside takes less of the edge", "ops/roi_align.py", OUTSIDE,
     "np.clip(point, 0, places - 1)[..., None]", "point[..., None]"),
    ("rows and columns of a box change places", "ops/roi_align.py", POINTS,
     "x0, y0, x1, y1 = (boxes", "y0, x0, y1, x1 = (boxes"),
    ("a bin is the sum of its points", "ops/roi_align.py", POINTS,
     "samples, places).mean(axis=-2)", "samples, places).sum(axis=-2)"),
    ("RoIAlign's gradient forgets the columns' weights of a box", "ops/roi_align.py", GRADIENTS("roi_align"),
     "A_x.swapaxes(1, 2)[:, None] @", "(A_x > 0).swapaxes(1, 2)[:, None].astype(dy.dtype) @"),
    ("a box's level follows from its area, not its root", "ops/roi_align.py", LEVELS,
     "np.log2(np.sqrt(area)", "np.log2(area"),
    ("a box's level is rounded", "ops/roi_align.py", LEVELS, "np.floor(canonical_level +", "np.rint(canonical_level +"),
    ("the coarsest map is the first", "ops/roi_align.py", LEVELS,
     "finest, coarsest) - finest)", "finest, coarsest) * -1 + coarsest)"),
    ("all boxes look at the finest map's place among all", "ops/roi_align.py", POINTS,
     "        start += h * w\n", "        start = 0\n"),
    ("the matrices of a query are read transposed", "ops/dynamic_interaction.py",
     f"{OPS}test_dynamic_linear_is_the_loop_over_queries",
     "n_in, n_out)\n    return x @ W", "n_out, n_in).swapaxes(-1, -2)\n    return x @ W"),
    ("the second matrix is the first one's numbers", "family/sparse_rcnn.py", ANSWERS,
     "n_out=D, start=D * h)", "n_out=D)"),
    ("cells are joined channel by channel", "ops/dynamic_interaction.py",
     f"{OPS}test_cells_lie_one_after_another_each_with_all_its_channels",
     "return x.reshape(*x.shape[:2], -1), x.shape[2]", "return x.swapaxes(2, 3).reshape(*x.shape[:2], -1), x.shape[2]"),
    ("numbers that others read get no zeros but what is read", "ops/dynamic_interaction.py",
     GRADIENTS("dynamic_linear, from the tenth number on"),
     "dweights[..., start : start + dW.shape[-1]] = dW", "dweights[..., : dW.shape[-1]] = dW"),
    ("deltas are not divided by their weights", "ops/box_deltas.py", DELTAS,
     "WEIGHTS = (2.0, 2.0, 1.0, 1.0)", "WEIGHTS = (1.0, 1.0, 1.0, 1.0)"),
    ("a box's growth is not cut", "ops/box_deltas.py",
     f"{OPS}test_box_deltas_are_the_published_ones_cut_where_a_box_would_explode",
     "np.exp(np.minimum(growth, largest))", "np.exp(growth)"),
    ("a growth that is cut has a gradient all the same", "ops/box_deltas.py",
     GRADIENTS("box_deltas, other weights, growth cut"), "dnew * new * free", "dnew * new"),
    ("the middle moves by a part of the new size", "ops/box_deltas.py", DELTAS,
     "low + size / 2 + shift * size", "low + size / 2 + shift * new"),
    ("a box's size gets no gradient from its middle", "ops/box_deltas.py", GRADIENTS("box_deltas"),
     "dsize = dcentre * shift + dnew", "dsize = dnew"),
    ("gradients go back through boxes into the round before", "family/iterated.py", DETACHED,
     "            grads.pop(BOXES, None)  # of the round after this one: it took the boxes as they were\n", ""),
    ("the boxes that all starts from get no gradient", "family/iterated.py", DETACHED,
     "            add(grads, more)\n        return dx, grads",
     "            add(grads, more)\n        grads.pop(BOXES, None)\n        return dx, grads"),
    ("every round looks into the first boxes", "family/iterated.py", ANSWERS,
     "            p = p | {BOXES: ops.detached(answer[1])}\n", ""),
    ("the L1 is that of centres and sizes", "family/sparse_rcnn.py", LOSS,
     'Criterion("focal", corners=True,', 'Criterion("focal",'),
    ("the class costs as much as in Hugging Face's DETR", "family/sparse_rcnn.py",
     f"{PARITY}test_costs_and_pairs_of_every_round", "cost=(2.0, 5.0, 2.0)", "cost=(1.0, 5.0, 2.0)"),
    ("a box is relative to the whole batch", "family/sparse_rcnn.py",
     f"{MODEL}test_a_box_is_relative_to_its_own_image",
     "SIZE: own.astype(np.float64),", "SIZE: np.full((B, 2), pixels, np.float64),"),
    ("height and width change places", "ops/box_pixels.py",
     f"{OPS}test_a_box_in_pixels_is_in_parts_of_its_own_image",
     "np.concatenate((sizes[:, ::-1], sizes[:, ::-1]), axis=-1)", "np.concatenate((sizes, sizes), axis=-1)"),
    ("the pyramid's coarse maps are not added", "ops/top_down.py", f"{OPS}test_every_place_adds_the_one_above_it",
     "ys.append(x + _enlarged(ys[-1], x.shape))", "ys.append(x)"),
    ("a map hands its gradient on twice", "ops/top_down.py", GRADIENTS("top_down"),
     "dx = _gathered(dxs[-1], shape)", "dx = 2 * _gathered(dxs[-1], shape)"),
    ("a class is found in every second box at first", "family/sparse_rcnn.py",
     f"{MODEL}test_it_starts_with_boxes_over_all_of_the_image_and_classes_that_are_rare",
     "RARE = -math.log(99)", "RARE = 0.0"),
    ("queries and keys have places", "family/sparse_rcnn.py", ANSWERS,
     "    return Chain(qkv, Op(", '    return Chain(Op("add_first_rows", "init_proposal_features.weight"), qkv, Op('),
    ("the norm stands before the sum", "family/sparse_rcnn.py", ANSWERS,
     '        Residual(mlp(config, name), *end),\n        norm(f"{name}.norm3", D, config.norm_eps),',
     '        Residual(norm(f"{name}.norm3", D, config.norm_eps), mlp(config, name), *end),'),
    ("a pyramid's level is called by its stage", "weights/sparse_rcnn.py",
     f"{MODEL}test_an_exported_model_is_read_again_bit_by_bit",
     'return f"backbone.{ours}"', 'return f"backbone.{ours}".replace("5", "6")'),
    ("the kernels' boxes all look at the first map", "devices/regions.py", f"{KERNELS}test_the_operation_is_numpys",
     "(levels == level) * (n - n0)", "(levels == level) * 0 * (n - n0)"),
]
