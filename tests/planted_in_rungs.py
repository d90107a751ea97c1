"""Mistakes to be planted in the last rungs of attention, in augmentation on a device, and in what launches them; see
test_planted_mistakes.py."""

IN_RUNGS = [
    (
        "three terms: what A's rounding left is forgotten",
        "kernels/tensor_cores.cuh",
        "devices/test_units_that_cut.py::test_three_terms_are_as_exact_as_floats",
        "    mma(s0, s1, s2, s3, a.rest, b.big);\n",
        "",
    ),
    (
        "a GPU's whole shared memory is filled",
        "devices/cuda.py",
        "devices/test_cupys_rules.py::test_a_gpu_with_more_shared_memory_gets_the_tiles_that_were_tried",
        'min(ROOM, gpu.attributes["MaxSharedMemoryPerBlockOptin"])',
        'gpu.attributes["MaxSharedMemoryPerBlockOptin"]',
    ),
    (
        "a device's own augmentation is passed over",
        "train/augment.py",
        "devices/test_augment_kernel.py::test_a_step_of_training_launches_it",
        "return (move or move_images)(",
        "return move_images(",
    ),
    (
        "random numbers for other images are taken",
        "devices/kernel_ops.py",
        "devices/test_augment_kernel.py::test_wrong_random_numbers_are_refused",
        "        expect_shape((4, B), draws=draws)\n",
        "",
    ),
    (
        "the numbers of an image are drawn together",
        "train/augment.py",
        "train/test_augment.py::test_the_order_of_the_draws",
        "rng.random((4, B))",
        "rng.random((B, 4)).T",
    ),
]
