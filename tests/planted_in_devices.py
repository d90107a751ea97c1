"""The mistakes that test_planted_mistakes.py plants in what stands between the operations and a GPU."""

RULES = "devices/test_cupys_rules.py::test_{}".format

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_DEVICES = [
    ("labels are clipped in their own dtype", "devices/kernel_ops.py",
     RULES("labels_may_have_any_integer_dtype[10]"),
     "wide = labels.astype(np.int64, copy=False)", "wide = labels"),
    ("labels are brought to 32 bits before they are clipped", "devices/kernel_ops.py",
     RULES("a_label_of_64_bits_without_a_sign_does_not_become_a_class"),
     "wide = labels.astype(np.int64, copy=False)", "wide = labels.astype(np.int32, copy=False)"),
    ("CuPy gets the source in letters that not every machine can write", "devices/cuda.py",
     RULES("every_source_that_cupy_gets_is_ascii"),
     "code=in_ascii(flatten(KERNELS / launch.file))", "code=flatten(KERNELS / launch.file)"),
    ("what is no ASCII becomes something else", "emulator/source.py",
     "emulator/test_nvrtc.py::test_a_source_in_ascii_is_the_same_program[source]",
     '"".join(rf"\\{byte:03o}" for byte in match[0].encode())', '"_"'),
    ("NVRTC is left to find its second library", "emulator/ptx/nvrtc.py",
     "emulator/test_nvrtc.py::test_a_library_that_does_not_find_its_second_one",
     "                _load_builtins(path)\n", ""),
]
# fmt: on
