"""Mistakes in what a step, a check, a model's noise and a publisher's conventions promise."""

STEP = "train/test_step.py::{}".format
REFUSED = "test_refused_answers.py::{}".format
EDGES = "ops/test_edges.py::{}".format
NOISE = "model/test_noise.py::{}".format
CONVENTIONS = "weights/test_conventions.py::{}".format
OWN_SEED = STEP("test_every_shard_of_every_step_and_run_draws_from_a_seed_of_its_own")

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_STEPS = [
    ("every step draws what the first drew", "train/trainer.py", OWN_SEED, "(self.seed, step))", "(self.seed, 1))"),
    ("every shard draws what the first draws", "train/shards.py", OWN_SEED,
     "its_labels, (*seed, i)", "its_labels, (*seed, 0)"),
    ("every epoch has the order of the first", "train/batches.py",
     STEP("test_every_epoch_of_every_run_has_an_order_of_its_own"), "0, epoch + 1)", "0, 1)"),
    ("an epoch's loss is the mean since the start", "train/trainer.py",
     STEP("test_an_epochs_loss_is_the_mean_of_its_own_steps"),
     "        self.epoch_losses = []\n\n    def", "\n    def"),
    ("a finite loss is enough", "train/trainer.py",
     STEP("test_a_gradient_that_is_no_number_is_refused_though_the_loss_is_one"),
     "np.isfinite(loss) and np.isfinite(length)", "np.isfinite(loss)"),
    ("the warm-up is cut to whole steps", "train/trainer.py",
     STEP("test_the_warm_up_is_rounded_to_whole_steps_and_a_half_to_the_even_one"),
     "round(self.config.warmup", "int(self.config.warmup"),
    ("all chunks but the first stay as they are", "train/optimizer.py",
     STEP("test_two_steps_are_the_formulas_written_out"),
     "range(0, len(theta), CHUNK)", "range(0, min(len(theta), CHUNK), CHUNK)"),
    ("the gradient is clipped shard by shard", "train/shards.py", STEP("test_two_steps_are_the_formulas_written_out"),
     "self.params.flatten(grads, out, shard.weight)\n",
     "self.params.flatten(grads, out, shard.weight)\n        flat *= min(1, 0.05 / np.linalg.norm(flat))\n"),
    ("whatever lies behind a weight that decays does, too", "train/optimizer.py",
     "train/test_optimizer.py::test_weight_decay_spares_norms_biases_positions_and_the_class_token",
     "SLOW if is_slow else 1.0, decayed))", "SLOW if is_slow else 1.0, end - start))"),
    ("a checkpoint's order is not looked at", "train/checkpoint.py",
     "train/test_checkpoint.py::test_a_training_state_that_cannot_be_is_refused",
     'if state.get("order") != list(trainer.params.places):', "if False:"),
    ("a probe is scaled by the images that it is tested with", "train/probe.py",
     "train/test_measured.py::test_a_probe_learns_nothing_from_the_images_that_it_is_tested_with",
     "mean, std = x.mean(axis=0), x.std", "mean, std = x_test.mean(axis=0), x.std"),
    ("a second Ctrl-C waits like the first", "train/interrupt.py",
     "train/test_interrupt.py::test_a_second_ctrl_c_ends_it_in_the_middle_of_the_step",
     "        signal.signal(signal.SIGINT, signal.default_int_handler)\n", ""),
    ("one right number makes an answer", "check/answers.py", REFUSED("test_of_many_numbers_not_one_may_be_wrong"),
     "np.all((given", "np.any((given"),
    ("the beginning of a word is the word", "check/answers.py", REFUSED("test_a_word_is_the_whole_word"),
     "isinstance(given, str) and _word(given) == _word(expected)\n",
     "isinstance(given, str) and _word(expected).startswith(_word(given))\n"),
    ("a shape's order does not matter", "check/questions.py", REFUSED("test_a_shape_is_told_where_it_is_another"),
     "if actual != tuple(expected):", "if sorted(actual) != sorted(expected):"),
    ("small gradients are not looked at", "gradcheck.py",
     REFUSED("test_a_gradient_of_zeros_or_a_little_too_large_is_found_however_small_all_are"),
     "    floor: float = 1e-6,\n", "    floor: float = 1e-2,\n"),
    ("axial attention drops no weights", "model/variants.py",
     NOISE("test_the_noisy_forward_is_the_loop_with_the_same_draws"),
     "config.qkv_bias, config.attention_dropout)", "config.qkv_bias)"),
    ("SwiGLU's width is rounded to the nearest eights", "model/config.py",
     NOISE("test_swiglus_width_is_rounded_up_to_eights"), "+ 7) // 8 * 8", "+ 4) // 8 * 8"),
    ("ReLU has a slope at 0", "ops/activations.py", EDGES("test_relu_has_no_slope_at_its_kink"), "x > 0", "x >= 0"),
    ("of equal numbers the last wins the window", "ops/max_pool.py",
     EDGES("test_of_equal_numbers_the_first_wins_the_window"),
     "windows.argmax(axis=0)", "len(windows) - 1 - windows[::-1].argmax(axis=0)"),
    ("LayerNorm's ε is PyTorch's", "ops/layernorm.py", EDGES("test_the_default_eps"),
     "eps: float = 1e-6", "eps: float = 1e-5"),
    ("torchvision's positions are resized as Hugging Face's", "weights/torchvision.py",
     CONVENTIONS("test_torchvisions_positions_go_to_another_size_by_its_own_rule"),
     "bicubic_align_corners", "bicubic"),
    ("a mean of ImageNet's is rounded", "weights/torch_names.py", CONVENTIONS("test_what_each_publisher_does"),
     "0.485, 0.456, 0.406", "0.485, 0.456, 0.41"),
    ("the largest model is preferred to an average", "weights/wrapped.py",
     CONVENTIONS("test_the_order_of_the_guesses"), "(-average[one[0]], -one[1], ", "(-one[1], -average[one[0]], "),
]
# fmt: on
