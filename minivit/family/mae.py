"""MAE: a masked autoencoder learns to see without labels, by filling in what was hidden (He et al., arXiv 2111.06377).

    z₀     = the kept ones of [cls | patches E] + waves              a quarter of the patches; nobody sees the others
    z      = LN(ViT blocks(z₀))                                      encoder, what is wanted in the end
    pixels = LN(small ViT blocks([cls | z and mask tokens] + waves)) W + b       decoder, thrown away after training
    loss   = mean over the hidden patches of (pixels − patch)²

Noise decides what is kept (ops/masking.py); the loss is ops/pixel_loss.py. The names are the authors', which are
timm's. Next: mae_face.py, what one asks of it.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

from .. import ops
from ..layers import Chain, Op, Parameter, Residual
from ..layers.parts import attention, dense, mlp, norm
from ..model.checks import check_eyes, check_scores, one_of, positive_int, put, put_float, truth
from ..model.config import GELUS
from ..model.sizes import IMAGENET, WIDTHS, size_by_name

ORDER, RESTORE = "order", "restore"  # what the noise makes, beside the parameters: see ops.shuffle

SIZES = {
    f"MAE-{size}/{patch}": IMAGENET | WIDTHS[size] | dict(patch_size=patch)
    for size, patch in (("B", 16), ("L", 16), ("H", 14))
}


@dataclass(frozen=True)
class MAEConfig:
    """The architecture of a masked autoencoder. Sizes in pixels may be an int or a pair (height, width).

    NumPy numbers become Python's. Raises ValueError where values do not fit together, TypeError where a number is none.

    image_size         pixels
    patch_size         pixels
    channels           C: of an image, 3 for colour, 1 for grey
    width              D of the encoder: numbers a token, a multiple of 4
    depth              blocks of the encoder
    heads              attention heads of the encoder; they divide its width
    mlp_ratio          numbers a token inside the encoder's MLP, by its width
    decoder_width      D of the decoder, a multiple of 4
    decoder_depth      blocks of the decoder
    decoder_heads      attention heads of the decoder
    decoder_mlp_ratio  numbers a token inside the decoder's MLP, by its width
    mask_ratio         part of the N patches that is hidden, between 0 and 1: int(N · (1 − mask_ratio)) are kept
    normalize_pixels   True: the target is each patch with mean 0 and variance 1 (the paper's "norm_pix_loss")
    gelu               "erf", exact, or "tanh", the approximation
    norm_eps           ε of LayerNorm, added to the variance
    qkv_bias           True: queries, keys and values have a bias

    How a photograph becomes the input: see ViTConfig.

    resize_filter      "bicubic" or "bilinear"
    squeeze            False: the short side is resized; True: both sides
    crop               part of each side that is left, in (0, 1]
    image_mean         subtracted from a pixel: one number for all channels, or one a channel
    image_std          what it is then divided by, likewise
    """

    image_size: int | tuple[int, int] = 224
    patch_size: int | tuple[int, int] = 16
    channels: int = 3
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    decoder_mlp_ratio: float = 4.0
    mask_ratio: float = 0.75
    normalize_pixels: bool = False
    gelu: str = "erf"
    norm_eps: float = 1e-6
    qkv_bias: bool = True
    resize_filter: str = "bicubic"
    squeeze: bool = False
    crop: float = 0.875
    image_mean: float | tuple[float, ...] = 0.5
    image_std: float | tuple[float, ...] = 0.5

    classes: ClassVar[int] = 0  # there is no head

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "MAEConfig":
        """A published model's configuration, with `changes`: MAE-B/16, MAE-L/16 or MAE-H/14."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        check_eyes(self)
        put(self, positive_int, "width", "depth", "heads", "decoder_width", "decoder_depth", "decoder_heads")
        truth("normalize_pixels", self.normalize_pixels)
        truth("qkv_bias", self.qkv_bias)
        one_of("gelu", self.gelu, GELUS)
        put_float(self, "a positive number", lambda eps: eps > 0, "norm_eps")
        put_float(self, "a part between 0 and 1", lambda ratio: 0 < ratio < 1, "mask_ratio")
        for part in ("", "decoder_"):
            width, heads = getattr(self, f"{part}width"), getattr(self, f"{part}heads")
            if width % heads or width % 4:
                raise ValueError(f"{part}width {width} is not a multiple of 4 and of {part}heads {heads}")
            wide_enough = f"a positive number ({part}width · {part}mlp_ratio ≥ 1)"
            put_float(self, wide_enough, lambda ratio, D=width: 1 <= D * ratio < 2**63, f"{part}mlp_ratio")
        self._check_patches()

    def _check_patches(self) -> None:
        for side, patch, axis in zip(self.image_size, self.patch_size, ("height", "width"), strict=True):
            if side % patch:
                raise ValueError(f"patches do not divide the image: {axis} {side} is not a multiple of {patch}")
        if not 1 <= self.kept < self.patches:
            raise ValueError(
                f"mask_ratio {self.mask_ratio} keeps {self.kept} of {self.patches} patches: expected at least one "
                "to be kept, and one to be hidden"
            )
        check_scores(self.heads, 1 + self.kept)
        check_scores(self.decoder_heads, self.tokens)
        if self.normalize_pixels and self.patch_numbers < 2:
            raise ValueError("normalize_pixels needs patches of 2 numbers at least: one has no variance")

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        (height, width), (ph, pw) = self.image_size, self.patch_size
        return height // ph, width // pw

    @property
    def patches(self) -> int:
        """N, without the class token."""
        return math.prod(self.grid)

    @property
    def kept(self) -> int:
        """How many of them the encoder sees, rounded as the authors round."""
        return int(self.patches * (1 - self.mask_ratio))

    @property
    def patch_numbers(self) -> int:
        """P·P·C: numbers of a patch."""
        return math.prod(self.patch_size) * self.channels

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, C) of one image."""
        return (*self.image_size, self.channels)

    @property
    def tokens(self) -> int:
        """The decoder's, which are all patches and the class token."""
        return 1 + self.patches

    @property
    def parts(self) -> int:
        """Blocks: each has parameters of its own."""
        return self.depth + self.decoder_depth

    @property
    def summary(self) -> str:
        return (
            f"{self.depth} blocks {self.width} wide, decoder of {self.decoder_depth} blocks {self.decoder_width} wide, "
            f"{self.mask_ratio:.0%} masked"
        )

    def to_dict(self) -> dict:
        """For JSON; `MAEConfig(**d)` is the way back."""
        return dataclasses.asdict(self)


def mae(config: MAEConfig) -> Chain:
    """images (B, height, width, C), with order and restore (B, N) -> the pixels of every patch, (B, N, P·P·C)."""
    return Chain(encoder(config, masked=True), decoder(config))


def encoder(config: MAEConfig, masked: bool = False) -> Chain:
    """images -> (B, 1 + N, D), a ViT's; masked: of the class token and the kept patches alone, (B, 1 + kept, D)."""
    D, (ph, pw) = config.width, config.patch_size
    return Chain(
        Op("patchify", patch_size=config.patch_size),  # (B, N, P·P·C)
        dense("patch_embed.proj", ph * pw * config.channels, D),  # (B, N, D)
        Op("prepend", Parameter("cls_token", (1, 1, D), std=0.02)),  # (B, 1 + N, D)
        Op("add_fixed_position", waves("pos_embed", config, D)),
        *([Op("keep_tokens", ORDER, RESTORE, count=config.kept, prefix=1)] if masked else []),  # (B, 1 + kept, D)
        *(block(config, f"blocks.{i}", D, config.heads, config.mlp_ratio) for i in range(config.depth)),
        norm("norm", D, config.norm_eps),
    )


def decoder(config: MAEConfig) -> Chain:
    """What the encoder gives, (B, 1 + kept, D) -> the pixels of every patch, (B, N, P·P·C)."""
    D, H, ratio = config.decoder_width, config.decoder_heads, config.decoder_mlp_ratio
    return Chain(
        dense("decoder_embed", config.width, D),
        Op("restore_tokens", Parameter("mask_token", (1, 1, D), std=0.02), ORDER, RESTORE, prefix=1),  # (B, 1 + N, D)
        Op("add_fixed_position", waves("decoder_pos_embed", config, D)),
        *(block(config, f"decoder_blocks.{i}", D, H, ratio) for i in range(config.decoder_depth)),
        norm("decoder_norm", D, config.norm_eps),
        dense("decoder_pred", D, config.patch_numbers),
        Op("tokens", start=1),  # the class token has no patch
    )


def block(config: MAEConfig, name: str, D: int, H: int, ratio: float) -> Chain:
    """A plain ViT's: z' = z + MSA(LN(z)),   z'' = z' + MLP(LN(z'))."""
    eps = config.norm_eps
    return Chain(
        Residual(norm(f"{name}.norm1", D, eps), attention(f"{name}.attn", D, H, config.qkv_bias)),
        Residual(norm(f"{name}.norm2", D, eps), mlp(f"{name}.mlp", D, int(D * ratio), config.gelu)),
    )


def waves(name: str, config: MAEConfig, D: int) -> Parameter:
    """Positions that no training changes, and that lie in files all the same."""
    grid = config.grid
    return Parameter(name, (1, 1 + config.patches, D), fixed=lambda: ops.position_mae(grid, D), buffer=True)


def target(config: MAEConfig) -> Chain:
    """images -> what the decoder is to say, (B, N, P·P·C)."""
    standard = [Op("standardise_patches")] if config.normalize_pixels else []
    return Chain(Op("patchify", patch_size=config.patch_size), *standard)
