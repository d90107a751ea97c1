"""The mistakes that test_planted_mistakes.py plants in the recipes' own: elastic distortion, and who falls silent."""

SILENCE = "train/test_silence.py::{}".format

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_RECIPES = [
    ("a model that says the same of all images is not noticed", "train/loop.py",
     SILENCE("test_a_run_that_falls_silent_says_so[dead]"), "                        show.line(SILENT)", "                        pass"),
    ("a model that still warms up is said to be silent", "train/loop.py",
     SILENCE("test_a_run_that_falls_silent_says_so[dead in the warm-up]"), "trainer.step_count > trainer.warmup_steps and ", ""),
    ("silence is a loss of log K, whatever the labels are", "train/evaluation.py",
     SILENCE("test_one_answer_for_all_is_silence"), "entropy = -np.sum(shares * np.log(shares))", "entropy = np.log(len(shares))"),
]
# fmt: on
