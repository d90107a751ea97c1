"""The mistakes that test_planted_mistakes.py plants in the family's models."""

from planted_mistakes import GRADIENTS

PARITY = "family/test_swin_parity.py::test_parity_with_timm"
LOOP = "ops/test_windows.py::test_windows_are_the_loop_over_tokens"

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_FAMILY = [
    ("windows are rolled down instead of up", "ops/windows.py", LOOP,
     "_roll(x.reshape(B, gh, gw, D), (-shift[0], -shift[1]))", "_roll(x.reshape(B, gh, gw, D), shift)"),
    ("windows are not rolled back", "ops/windows.py", "ops/test_windows.py::test_tokens_come_back_from_their_windows",
     "return _roll(picture[:, :gh, :gw], shift).reshape", "return picture[:, :gh, :gw].reshape"),
    ("the map is continued by zeros before it is rolled", "ops/windows.py", LOOP,
     "_pad(_roll(x.reshape(B, gh, gw, D), (-shift[0], -shift[1])), window)",
     "_roll(_pad(x.reshape(B, gh, gw, D), window), (-shift[0], -shift[1]))"),
    ("the windows of a map run down before across", "ops/windows.py", LOOP,
     "mw, D).swapaxes(2, 3)\n    return cut", "mw, D).transpose(0, 3, 1, 2, 4, 5)\n    return cut"),
    ("the backward of windows forgets the shift", "ops/windows.py", GRADIENTS("windows"),
     "return unwindows_forward(dy, *cache)[0]", "return unwindows_forward(dy, *cache[:2])[0]"),
    ("what came around along both axes counts as not moved", "ops/windows.py",
     "ops/test_windows.py::test_the_mask_keeps_the_papers_nine_regions_apart",
     "region = (2 * rows[:, None] + columns)", "region = (rows[:, None] ^ columns)"),
    ("the bias's gradient is averaged over the windows", "ops/windows.py", GRADIENTS("add_mask"),
     "return dy.sum(axis=0)", "return dy.mean(axis=0)"),
    ("four tokens are merged row by row", "ops/windows.py", PARITY,
     "D).transpose(0, 1, 3, 4, 2, 5)", "D).transpose(0, 1, 3, 2, 4, 5)"),
    ("four tokens' gradients go back row by row", "ops/windows.py", GRADIENTS("merge_patches"),
     "D).transpose(0, 1, 4, 2, 3, 5)", "D).transpose(0, 1, 3, 2, 4, 5)"),
    ("strangers are not kept apart", "family/swin.py", PARITY,
     'return Chain(bias, Op("add_mask", mask))', "return bias"),
    ("the first block of a stage shifts its windows", "family/swin.py", PARITY,
     "shift = stage.shift if i % 2 else (0, 0)", "shift = (0, 0) if i % 2 else stage.shift"),
    ("a ViT's ε", "family/swin.py", PARITY, "norm_eps: float = 1e-5", "norm_eps: float = 1e-6"),
    ("the mean is normalised, not the mean of the normalised", "family/swin.py", PARITY,
     'Chain(norm("norm", config.stages[-1].width, config.norm_eps), Op("pool", kind="gap"))',
     'Chain(Op("pool", kind="gap"), norm("norm", config.stages[-1].width, config.norm_eps))'),
    ("one window is shifted against itself", "family/swin.py", PARITY,
     "0 if side <= m else m // 2", "m // 2"),
    ("drop path begins anew in each stage", "family/swin.py",
     "family/test_swin.py::test_drop_path_rises_linearly_over_all_stages",
     "config.drop_path_rate(sum(config.depths[:s]) + i)", "config.drop_path_rate(i)"),
]
# fmt: on
