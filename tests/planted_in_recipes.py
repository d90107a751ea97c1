"""The mistakes that test_planted_mistakes.py plants in the recipes' own: elastic distortion, and who falls silent."""

SILENCE = "train/test_silence.py::test_a_run_that_falls_silent_says_so[{}]".format
ELASTIC = "train/test_augment.py::test_elastic_displacements_are_as_large_as_asked_smooth_and_independent"

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_RECIPES = [
    ("a model that says the same of all images is not noticed", "train/progress.py", SILENCE("dead"),
     "            self.line(SILENT)", "            pass"),
    ("a model that still warms up is said to be silent", "train/loop.py", SILENCE("dead in the warm-up"),
     "epoch > trainer.config.warmup * trainer.config.epochs and ", ""),
    ("silence is a loss of log K, whatever the labels are", "train/evaluation.py",
     "train/test_silence.py::test_one_answer_for_all_is_silence",
     "entropy = -np.sum(shares * np.log(shares))", "entropy = np.log(len(shares))"),
    ("a place is displaced as far to the right as down", "train/augment.py", ELASTIC,
     "    return down @ noise @ across.T", "    return down @ noise[[0, 0]] @ across.T"),
    ("displacements grow with the number of points in reach", "train/augment.py", ELASTIC,
     "    return weights / np.linalg.norm(weights, axis=1, keepdims=True)", "    return weights"),
    ("a batch is bent all alike", "train/augment.py",
     "train/test_augment.py::test_every_image_gets_its_own_draw_and_the_dtype_stays",
     "rng.standard_normal((2, B, ", "rng.standard_normal((2, 1, "),
    ("the elastic distortion of a recipe is forgotten", "train/config.py",
     "train/test_augment.py::test_a_recipe_s_moves_all_arrive", '"scale", "elastic")}', '"scale")}'),
]
# fmt: on
