"""Which colours has an image? Eight bits of red, green and blue, from every kind that Pillow opens."""

from __future__ import annotations

import numpy as np
from PIL import Image

BACKGROUND = (255, 255, 255)  # white shows through what is transparent
BITS, PHOTOMETRIC = 258, 262  # tags of TIFF
WHITE_IS_ZERO = 0  # the second in a negative
ALWAYS_SIXTEEN = ("PNG", "PPM")  # formats whose grey Pillow opens as 32-bit integers, although it has 16 bits


def as_rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB: palettes and CMYK as Pillow converts them, transparency laid on white.

    Grey of 16 bits is scaled, 65535 to 255, and of 12 alike; Pillow's own conversion clips at 255, and nearly all of it
    is white. ValueError for integers of 32 bits and floats, whose black and white nobody has stated.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ALWAYS_SIXTEEN):
        return _scaled(image).convert("RGB")
    if image.mode in ("I", "F"):
        kind = "integers of 32 bits" if image.mode == "I" else "floats"
        raise ValueError(f"grey in {kind}, which does not say what is black and white; save it with 8 or 16 bits")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), with_alpha).convert("RGB")
    return image.convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Return a grey image of 16 bits, or a TIFF of 9 to 15, which Pillow opens unscaled, in 8 bits."""
    values, tags = np.asarray(image), getattr(image, "tag_v2", {})
    bits = tags.get(BITS, (16,))[0]
    levels = np.rint(values.astype(np.float64) * (255 / (2**bits - 1))).astype(np.uint8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # which Pillow inverts in 8 bits alone
        levels = 255 - levels
    if "transparency" in image.info:
        levels[values == image.info["transparency"]] = BACKGROUND[0]
    return Image.fromarray(levels)
