"""The mistakes that test_planted_mistakes.py plants in reading pictures, folders of them and files of weights."""

PHOTOGRAPHS = "data/test_photographs.py::"
OPENING = "data/test_opening.py::"
FOLDER = "data/test_folder.py::"
PEOPLE = "weights/test_as_people_have_them.py::"
FOLDERS = "weights/test_hugging_face_folders.py::test_the_folder_is_read_back_by_its_json_alone"

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_PICTURES = [
    ("rulings are left in the ink", "data/rulings.py", PHOTOGRAPHS + "test_a_line_through_the_digit_is_taken_out",
     "kept[rows[thin], columns[thin]] = False", "kept[rows[thin], columns[thin]] = True"),
    ("white ink on nothing is laid on white", "data/opening.py",
     PHOTOGRAPHS + "test_ink_on_nothing_is_read_whatever_its_colour[255]",
     '"white" if drawn.mean() < 160 else "black"', '"white"'),
    ("several digits are taken for one", "data/marks.py", PHOTOGRAPHS + "test_several_digits_far_apart_are_said",
     "for mark in large) and len(large) > 1:", "for mark in large) and len(large) > 2:"),
    ("the extremes of deep pixels are not looked at", "data/opening.py",
     OPENING + "test_deep_pictures_span_their_own_range",
     "255 * (deep - low) / ((high - low) or 1)", "255 * deep / (high or 1)"),
    ("a photograph's limit is Pillow's", "data/opening.py",
     OPENING + "test_a_photograph_of_many_megapixels_is_read_in_less_than_a_gigabyte[scan.png-size1]",
     "    Image.MAX_IMAGE_PIXELS = None\n", "    pass\n"),
    ("all pictures of a class may be kept apart", "data/folder.py", FOLDER + "test_a_subfolder_is_a_class",
     "max(1, round(part * len(places)))", "max(1, round(2 * part * len(places)))"),
    ("the split is the same for every seed", "data/folder.py", FOLDER + "test_the_seed_draws_the_split",
     "np.random.default_rng(seed)", "np.random.default_rng(0)"),
    ("classes are sorted as text", "data/folder.py",
     FOLDER + "test_numbers_come_in_their_order_and_the_system_s_files_are_passed_over",
     "(0, int(word), \"\") if word.isdecimal()", "(0, 0, word) if word.isdecimal()"),
    ("of teacher and student the larger is taken, then the first", "weights/wrapped.py",
     PEOPLE + "test_of_student_and_teacher_the_teacher_is_taken", "(-average[one[0]], -one[1],", "(-one[1],"),
    ("names of classes come in the order of the file", "weights/class_names.py",
     PEOPLE + "test_the_names_of_classes_are_the_file_s",
     "for _, name in sorted((int(number), name) for number, name in labels.items())", "for name in labels.values()"),
    ("config.json has PyTorch's ε", "weights/hf_config.py", FOLDERS,
     "        layer_norm_eps=config.norm_eps,\n        qkv_bias=config.qkv_bias,\n        hidden_dropout_prob",
     "        layer_norm_eps=1e-5,\n        qkv_bias=config.qkv_bias,\n        hidden_dropout_prob"),
]
