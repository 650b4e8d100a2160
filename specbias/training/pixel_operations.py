"""What can be done to the pixels of a batch? Operations on whole batches, equal to PIL's on one image, bit for bit.

An operation is f(images, amounts) -> images: images (B, 3, H, W) in uint8, and one amount (B,) for each, in float64 on
the CPU. Inputs are never written to. Every result is whole, rounded as PIL rounds it; only the bilinear ones may differ
from PIL, by one level in one of 5,000 pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Operation = Callable[[Tensor, Tensor], Tensor]
Matrix = Callable[[Tensor, int, int], list[Tensor | float]]


def identity(images: Tensor, amounts: Tensor) -> Tensor:
    """Return the images as they are."""
    return images


def invert(images: Tensor, amounts: Tensor) -> Tensor:
    """Return 255 minus every pixel."""
    return 255 - images


def solarize(images: Tensor, amounts: Tensor) -> Tensor:
    """Invert the pixels that are not below the amount: 256 inverts none."""
    return torch.where(images < _each(amounts.short(), images), images, 255 - images)


def posterize(images: Tensor, amounts: Tensor) -> Tensor:
    """Keep that many of a pixel's leading bits: 8 keeps it, 0 makes it black."""
    return images & _each((256 - 2 ** (8 - amounts)).byte(), images)


def autocontrast(images: Tensor, amounts: Tensor) -> Tensor:
    """Stretch each channel, so that its darkest pixel is 0 and its brightest 255."""
    lowest, highest = (limit(dim=(2, 3), keepdim=True).double() for limit in (images.amin, images.amax))
    scale = highest.new_tensor(255) / (highest - lowest)  # 255 / tensor would be rounded twice
    return torch.where(highest > lowest, (images * scale - lowest * scale).clamp(0, 255).byte(), images)


def equalize(images: Tensor, amounts: Tensor) -> Tensor:
    """Map each channel so that its values are spread evenly over 0..255."""
    values = images.flatten(0, 1).flatten(1).long()  # a row per image and channel
    counts = values.new_zeros(len(values), 256).scatter_add_(1, values, torch.ones_like(values))
    brightest = counts.gather(1, values.amax(dim=1, keepdim=True))
    step = (values.shape[1] - brightest) // 255
    below = counts.cumsum(dim=1) - counts
    table = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=table.device)).byte()
    return table.gather(1, values).view_as(images)


def brightness(images: Tensor, amounts: Tensor) -> Tensor:
    """Scale the pixels: 0 is black, 1 the image."""
    return _blend(torch.zeros_like(images), images, amounts)


def color(images: Tensor, amounts: Tensor) -> Tensor:
    """Move away from the grey image: 0 is grey, 1 the image."""
    return _blend(_grey(images), images, amounts)


def contrast(images: Tensor, amounts: Tensor) -> Tensor:
    """Move away from the mean grey: 0 is that colour, 1 the image."""
    grey = _grey(images)
    count = grey[0].numel()
    total = grey.sum(dim=(1, 2, 3), keepdim=True, dtype=torch.int64)
    return _blend((2 * total + count) // (2 * count), images, amounts)


def sharpness(images: Tensor, amounts: Tensor) -> Tensor:
    """Move away from the smoothed image: 0 is smooth, 1 the image, 2 sharp. The outermost pixels stay."""
    whole = images.int()
    rows = whole[:, :, :-2] + whole[:, :, 1:-1] + whole[:, :, 2:]
    around = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * whole[:, :, 1:-1, 1:-1]
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = ((2 * around + 13) // 26).byte()  # a mean of weight 13, rounded
    return _blend(smooth, images, amounts)


def _blend(other: Tensor, images: Tensor, amounts: Tensor) -> Tensor:
    """Return other + amount (images - other), cut off to whole numbers in 0..255, as PIL's enhancers."""
    start = other.float()
    return (start + _each(amounts.float(), images) * (images - start)).clamp(0, 255).byte()


def _grey(images: Tensor) -> Tensor:
    red, green, blue = images.int().split(1, dim=1)
    return (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16


def _each(amounts: Tensor, images: Tensor) -> Tensor:
    return amounts.to(images.device).view(-1, 1, 1, 1)


def rotation(degrees: Tensor, height: int, width: int) -> list[Tensor | float]:
    """Return the matrix that turns the image about its centre, against the clock."""
    cos, sin = degrees.deg2rad().cos(), -degrees.deg2rad().sin()
    x, y = width / 2, height / 2
    return [cos, sin, x - (x * cos + y * sin), -sin, cos, y - (y * cos - x * sin)]


def shear_x(share: Tensor, height: int, width: int) -> list[Tensor | float]:
    """Return the matrix that shears along the rows, by that many pixels per row."""
    return [1.0, share, 0.0, 0.0, 1.0, 0.0]


def shear_y(share: Tensor, height: int, width: int) -> list[Tensor | float]:
    """Return the matrix that shears along the columns, by that many pixels per column."""
    return [1.0, 0.0, 0.0, share, 1.0, 0.0]


def translate_x(pixels: Tensor, height: int, width: int) -> list[Tensor | float]:
    """Return the matrix that moves the image to the left."""
    return [1.0, 0.0, pixels, 0.0, 1.0, 0.0]


def translate_y(pixels: Tensor, height: int, width: int) -> list[Tensor | float]:
    """Return the matrix that moves the image up."""
    return [1.0, 0.0, 0.0, 0.0, 1.0, pixels]


def affine(matrix: Matrix, *, fill: Tensor, bilinear: bool = False) -> Operation:
    """Return the operation that moves the pixels of each image by a matrix of its amount.

    A matrix [a, b, c, d, e, f] takes the pixel for (x, y) from (a x + b y + c, d x + e y + f); pixel centres are at
    halves. Where that is outside the image the pixel is `fill` (3,) in uint8. The nearest pixel is taken, as PIL does
    unasked, or with `bilinear` the mean of the four around, cut off to whole numbers.
    """

    def apply(images: Tensor, amounts: Tensor) -> Tensor:
        height, width = images.shape[2:]
        terms = [amounts.new_zeros(len(amounts)) + term for term in matrix(amounts, height, width)]
        a, b, c, d, e, f = torch.stack(terms).view(6, -1, 1, 1)
        grid = (a, b, a / 2 + b / 2 + c, d, e, d / 2 + e / 2 + f)  # from whole x and y to the source
        sample = _bilinear if bilinear else _nearest
        taken, inside = sample(images, *grid)
        return torch.where(inside, taken, fill.to(images.device).view(1, 3, 1, 1))

    return apply


def _nearest(images: Tensor, *grid: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixels nearest to the grid's places, and whether these are inside; in PIL's steps of 2^-16."""
    height, width = images.shape[2:]
    a, b, c, d, e, f = ((term * 65536 + 0.5).floor().int().to(images.device) for term in grid)
    rows, columns = _axes(images)
    x, y = (a * columns + b * rows + c) >> 16, (d * columns + e * rows + f) >> 16
    return _take(images, x, y), _inside(x, y, height, width)


def _bilinear(images: Tensor, *grid: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means of the four pixels around the grid's places, and whether these are inside."""
    height, width = images.shape[2:]
    a, b, c, d, e, f = (term.to(images.device) for term in grid)
    rows, columns = _axes(images)
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    left, top = (x - 0.5).floor(), (y - 0.5).floor()
    right, down = (x - 0.5 - left).float().unsqueeze(1), (y - 0.5 - top).float().unsqueeze(1)
    upper, lower = (
        _between(_take(images, left, line), _take(images, left + 1, line), right) for line in (top, top + 1)
    )
    return _between(upper, lower, down).byte(), _inside(x, y, height, width)


def _between(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    start = first.float()
    return start + (second - start) * share


def _axes(images: Tensor) -> tuple[Tensor, Tensor]:
    rows, columns = (torch.arange(size, device=images.device) for size in images.shape[2:])
    return rows.view(1, -1, 1), columns.view(1, 1, -1)


def _inside(x: Tensor, y: Tensor, height: int, width: int) -> Tensor:
    return ((x >= 0) & (x < width) & (y >= 0) & (y < height)).unsqueeze(1)


def _take(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the pixels (B, 3, H, W) at columns x and rows y (B, H, W), those at the border where outside."""
    height, width = images.shape[2:]
    index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).long()
    return images.flatten(2).gather(2, index.flatten(1).unsqueeze(1).expand(-1, 3, -1)).view_as(images)
