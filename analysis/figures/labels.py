"""What stands on an axis? One name, with its unit, for every metric."""

from __future__ import annotations

import textwrap

SHARE = "high-frequency share"
PLAIN = {
    "epoch": "epoch",
    "generalization/gap": "generalization gap (training - test accuracy)",
    "generalization/test_accuracy/no_probe": "test accuracy (share of images without probes)",
    "noise_fitting/value": "noise fitting (nats)",
    "noise_fitting/min": "minimum noise fitting (nats)",
    "noise_fitting/normalised": "normalised noise fitting\n(0: constant, 1: the wave)",
    "noise_fitting/noisy_test_loss": "noisy test loss (nats)",
    "noise_fitting/noisy_train_loss": "noisy training loss (nats)",
    "jacobian_norm": "Jacobian norm (logits per unit)",
    "noise_frequency": "noise frequency\n(cycles per unit of L2 distance)",
    "noise_spatial_frequency": "spatial frequency (cycles per image)",
    "noise_fitting/frequency_times_std": "frequency x standard deviation\n(cycles per standard deviation)",
}
PATHS = {"within_class": "within-class", "between_class": "between-class"}
SCALARS = {
    "mean_frequency": "mean frequency\n(cycles per unit of L2 distance)",
    "total_variation": "total variation\n(probability per unit of L2 distance)",
    "fixed_band": f"frequency\n({SHARE}, fixed band)",
    "crossings": "crossings\n(changes of the predicted class on a path)",
    "sharpness": "sharpness\n(probability per unit of L2 distance)",
    "ends_correct": f"frequency\n({SHARE}, ends correct)",
}
DIVERSITIES = {
    "total_variance": "total variance of a class's images\n(squared normalised L2)",
    "mean_distance": "mean distance of a class's images (normalised L2)",
    "participation_ratio": "participation ratio of a class's images (directions)",
    "vendi": "Vendi score of a class's images (effective number)",
    "intrinsic_dimension": "intrinsic dimension of a class's images",
    "feature_mean_distance": "mean distance of a class's images\n(features of a network trained on other classes)",
    "planted": "planted diversity",
    "hyponyms": "hyponyms in WordNet",
}


def label(name: str) -> str:
    """Return the axis label of a metric, or of a setting: its own name where nothing else is known."""
    part, _, rest = name.partition("/")
    if name in PLAIN:
        return PLAIN[name]
    if part == "generalization":
        split, _, what = rest.partition("_")
        split = {"train": "training"}.get(split, split)
        return f"{split} {what} ({'share' if what.startswith('accuracy') else 'nats'})"
    if part == "frequency":
        kind, _, scalar = rest.partition("/")
        said = SCALARS.get(scalar) or f"frequency\n({SHARE}{', ' + scalar if scalar else ''})"
        return f"{PATHS.get(kind, kind)} {said}"
    if part == "diversity":
        return DIVERSITIES.get(rest, rest.replace("_", " "))
    return name.replace("_", " ")


def wrapped(text: str, width: int = 30) -> str:
    """Return text for a legend, in lines so short that the panels keep their place."""
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False)) or text
