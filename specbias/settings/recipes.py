"""How is a network trained, as a whole? Named sets of settings: the paper's, and one that is fast."""

from typing import Any

RECIPES: dict[str, dict[str, Any]] = {
    # "Spectral Bias in Practice", released code (section 6): its flags' defaults.
    "paper": {
        "epochs": 200,
        "batch_size": 256,
        "learning_rate": 0.1,
        "weight_decay": 5e-4,
        "gradient_clip": 5.0,
        "zero_head": True,
        "flip_crop": 4,
        "cutout": 16,
    },
    # The habits of airbench (Jordan 2024) and hlb-CIFAR10, tuned on the validation images of CIFAR-10.
    "fast": {
        "epochs": 16,
        "batch_size": 128,
        "learning_rate": 0.2,
        "warmup": 0.2,
        "weight_decay": 5e-4,
        "flip_crop": 2,
        "alternating_flip": True,
        "label_smoothing": 0.1,
    },
}
