"""Why does the function vary along a path? The classes that it passes through, and how sharply it changes.

All of it from outputs that are there for the spectra. A frequency rises where more classes are crossed, and where a
crossing is sharper: these tell the two apart.
"""

import torch
from torch import Tensor


def crossings_of(
    logits: Tensor,
    probabilities: Tensor,
    first_class: Tensor,
    second_class: Tensor,
    step: Tensor,
    predicted: Tensor | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the values of each of P paths (P,), by name, and all crossings (2, N): the class left, and that entered.

    Of `logits` and `probabilities` (P, T, C), `step` (P,) apart, from an image of `first_class` (P,) towards one of
    `second_class`; the predicted classes are the likeliest, or given as `predicted` (P, T). crossings: how often the
    predicted class changes; outside: the share of samples that are predicted as neither class; through: the class,
    neither of the two, that most of these are predicted as, of several the lowest number, -1 where there is none;
    sharpness: the largest half L1 change of the probabilities from one sample to the next, per unit of distance; width:
    its reciprocal, the distance in which so sharp a change would be complete, NaN without a crossing; first_margin,
    second_margin: at the first and the last sample, the logit of that end's class less the largest other logit.
    """
    predicted = logits.argmax(-1) if predicted is None else predicted
    before, after = predicted[:, :-1], predicted[:, 1:]
    changes = before != after
    crossings = changes.sum(-1)
    seen = torch.zeros_like(logits[:, 0]).scatter_add_(1, predicted, logits.new_ones(1, 1).expand_as(predicted))
    seen.scatter_(1, torch.stack([first_class, second_class], 1), 0)
    most, through = seen.max(-1)
    sharpness = probabilities.diff(dim=1).abs().sum(-1).amax(-1) / (2 * step)
    first_margin, second_margin = (_margin(logits[:, t], own) for t, own in ((0, first_class), (-1, second_class)))
    return {
        "crossings": crossings,
        "outside": seen.sum(-1) / logits.shape[1],
        "through": through.where(most > 0, -1),
        "sharpness": sharpness,
        "width": (1 / sharpness).where(crossings > 0, torch.nan),
        "first_margin": first_margin,
        "second_margin": second_margin,
    }, torch.stack([before[changes], after[changes]])


def _margin(logits: Tensor, own: Tensor) -> Tensor:
    """Return the logit (P,) of the classes `own` (P,) less the largest other one, of logits (P, C)."""
    own = own.unsqueeze(1)
    return (logits.gather(1, own) - logits.scatter(1, own, float("-inf")).amax(1, keepdim=True)).squeeze(1)
