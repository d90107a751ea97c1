"""The mistakes that test_planted_mistakes.py plants in the canvases, in average precision and in training detectors."""

BITS = "data/test_canvas.py::test_the_canvases_of_another_implementation_to_the_bit"
COCO = "train/test_average_precision.py::test_coco_s_own_tools_give_the_same"
ORACLE = "train/test_detector.py::test_who_knows_all_has_a_precision_of_one_and_who_knows_half_a_half"
MISTAKE = "inspect/test_detections.py::test_what_is_called_a_mistake"

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_CANVAS = [
    ("a test canvas has digits of the training", "data/canvas.py",
     "data/test_canvas.py::test_the_digits_of_a_part_are_on_no_canvas_of_its_counterpart",
     '"test": Part(range(8000, 10000), 1)', '"test": Part(range(7000, 10000), 1)'),
    ("a resized digit begins at a pixel's corner", "data/canvas.py", BITS,
     "(np.arange(new) + 0.5) * old / new - 0.5", "np.arange(new) * old / new"),
    ("digits may share more of the larger one", "data/canvas.py", BITS,
     "smaller = min(", "smaller = max("),
    ("a box's centre is its corner", "data/canvas.py", BITS,
     "np.stack(((x0 + x1) / 2,", "np.stack((x0,"),
    ("clutter lies over the digits", "data/canvas.py", BITS,
     "np.maximum(under, piece, out=under)", "under[...] = piece"),
    ("a digit left out still has its label", "data/canvas.py", BITS,
     "        if place is not None:\n            _lay(", "        if place is None:\n            labels.append(label)\n"
     "            corners.append((0, 0, 1, 1))\n        else:\n            _lay("),
    ("an object is found twice", "train/average_precision.py", COCO,
     "        free[row] &= ~(hit[judged][..., None] & (np.arange(most) == taken[..., None]))\n", ""),
    ("precision is that at a recall, not the best from there on", "train/average_precision.py", COCO,
     "np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]", "precision"),
    ("what is found outside of a size counts as wrong", "train/average_precision.py", COCO,
     "    of_no_account |= ~hit & _outside(area(its_box), edges)[:, :, None]\n", ""),
    ("a class without objects counts as 0", "train/average_precision.py", COCO,
     "len(RECALLS)), np.nan)", "len(RECALLS)), 0.0)"),
    ("every detection counts, however many there are", "train/average_precision.py", COCO,
     "kept = rank < MOST", "kept = rank < 10 * MOST"),
    ("of two alike the first object is taken", "train/average_precision.py",
     "train/test_average_precision.py::test_of_two_objects_that_overlap_alike_the_later_is_taken",
     "taken = most - 1 - np.where(open_to_it, overlap, -1)[..., ::-1].argmax(axis=-1)",
     "taken = np.where(open_to_it, overlap, -1).argmax(axis=-1)"),
    ("slow parameters learn as fast as the others", "train/optimizer.py",
     "train/test_optimizer.py::test_slow_parameters_take_a_tenth_of_a_step_and_the_others_the_whole",
     "self.update(*own, decayed, learning_rate * factor,", "self.update(*own, decayed, learning_rate,"),
    ("a second box on an object is right, too", "inspect/detections.py", MISTAKE,
     "            free[its.argmax()] = False\n", "            pass\n"),
    ("boxes are drawn half a pixel off", "inspect/detections.py",
     "inspect/test_detections.py::test_the_boxes_are_drawn_where_they_are_and_in_their_colour",
     "(float(side) - 0.5 for side in box)", "(float(side) for side in box)"),
    ("every step sees the canvases of the first", "train/batches.py",
     "train/test_detector.py::test_every_step_has_canvases_of_its_own",
     "range((step - 1) * self._size, step * self._size)", "range(self._size)"),
    ("another set of canvases is taken for that of the run", "train/batches.py",
     "train/test_detector.py::test_a_run_goes_on_to_the_same_bits",
     "return [images.seed, zlib.crc32(repr(images).encode())]", "return [0, 0]"),
    ("images are moved, and boxes are not", "train/trainer.py",
     "train/test_detector.py::test_recipes_that_make_no_sense_are_refused",
     "        check_recipe(model, config)\n", ""),
    ("what there is stays relative where what is found is in pixels", "train/detection.py", ORACLE,
     "scale = np.array([width, height, width, height])", "scale = 1.0"),
    ("height and width of an image are exchanged", "train/detection.py", ORACLE,
     "height, width = size\n    scale", "width, height = size\n    scale"),
    ("boxes are told in the pixels that the model saw", "train/detect_command.py",
     "train/test_detector.py::test_boxes_are_told_in_the_pixels_of_the_picture_that_was_given",
     'found["boxes"] * np.array(scale * 2)', 'found["boxes"]'),
]
# fmt: on
