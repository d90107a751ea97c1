"""The mistakes that test_planted_mistakes.py plants in checks of files, the oracle, half, and tensor cores."""

COMPARE = "emulator/test_compare.py::test_{}".format
HALF = "emulator/test_half.py::test_{}".format
CORES = "emulator/test_tensor_cores.py::test_{}".format

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_PROGRAMS = [
    ("a check of files is green where nothing was checked", "emulator/checked.py",
     "emulator/test_ci.py::test_exit_statuses[sarif-none.cu-2]",
     "return NOT_CHECKED if self.failure else FOUND", "return FOUND"),
    ("a program that launches nothing passes", "emulator/checked.py",
     "emulator/test_ci.py::test_exit_statuses[text-program.cu-2]",
     "if not report.launches and not found and module.kernels:", "if False:"),
    ("outputs are not poisoned", "emulator/compare.py",
     COMPARE("what_is_wrong_is_told[the guard]"),
     "            args[names.index(name)][...] = _poison(expected)\n",
     "            args[names.index(name)][...] = expected\n"),
    ("an idle kernel is not tried", "emulator/compare.py",
     COMPARE("a_check_that_idle_kernels_pass_is_unsound[identity-options0-a kernel that copies x would pass for y]"),
     "        if parameter.pointer and other != name:",
     "        if other == name == parameter:"),
    ("ties of halves are rounded away from zero", "emulator/runtime/small_floats.h",
     HALF("floats_are_rounded_to_halves_in_all_four_ways"),
     "rest > half || (rest == half && (kept & 1))", "rest >= half"),
    ("a fused product and sum is rounded twice", "emulator/runtime/small_floats.h",
     HALF("what_double_does_not_hold_tips_the_scales"),
     "if (!(lost != 0) || !__builtin_isfinite(sum) || (bits & 1)) return sum;", "return sum;"),
    ("the smallest halves are rounded to other places", "emulator/runtime/small_floats.h",
     HALF("floats_are_rounded_to_halves_in_all_four_ways"),
     "? 1 - BIAS - exponent : 0;", "? -BIAS - exponent : 0;"),
    ("A's registers of mma.sync lie by columns first", "emulator/runtime/inline_ptx.h",
     CORES("mma_sync_of_16_bits"),
     "int row = group + 8 * (i / 2 % 2), column = 2 * place + i % 2 + 8 * (i / 4);",
     "int row = group + 8 * (i / 4), column = 2 * place + i % 2 + 8 * (i / 2 % 2);"),
    ("TF32 is rounded to the even one", "emulator/runtime/tensor_cores.h",
     CORES("wmma_of_tf32"), "(bits + 0x1000) & ~0x1fffu", "(bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu"),
    ("cp.async copies at once", "emulator/runtime/async_copies.h",
     CORES("copies_are_there_when_they_have_been_waited_for"),
     "    mine.pending[mine.count++] = {(char*)to, (const char*)from, bytes, zeros, mine.groups, here};",
     "    __builtin_memcpy(to, from, bytes);"),
    ("shared memory is not kept over a barrier of the grid", "emulator/runtime/cooperative.cpp",
     "emulator/test_judges.py::test_grid_sync_in_a_cooperative_launch",
     "    shared_parts(block.shared, true);\n", ""),
    ("a barrier of the grid orders nothing", "emulator/runtime/check.cpp",
     "emulator/test_judges.py::test_grid_sync_in_a_cooperative_launch",
     "order.grid_barrier(++rounds * block_count());", "++rounds;"),
    ("a cooperative launch of too many blocks runs", "emulator/runtime/host_launch.cpp",
     "emulator/test_judges.py::test_a_wrong_barrier_of_the_grid[too many blocks]",
     "if (all_at_once && threads && count > fit)", "if (false)"),
]
# fmt: on
