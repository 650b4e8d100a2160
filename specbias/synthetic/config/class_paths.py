"""What decides whether paths from images to their adversarials stay within a class? The settings of that experiment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from specbias.settings import SettingError, Settings, file_identity
from specbias.settings.ranges import (
    Count,
    CountOrZero,
    Device,
    Positive,
    ShareBelowOne,
    Strength,
    ThreadsOrNone,
    one_of,
)

TrainedSplit = Annotated[str, one_of("train", "validation", "test", words="train, validation or test")]


@dataclass(frozen=True)
class ClassPathsConfig(Settings):
    """Paths between images of a class and adversarials of it, in a trained network. (Appendix A.7, experiment 9)

    All lengths are L2 distances in the data set's normalised pixel space, which is what the network sees.
    """

    kind: ClassVar[str] = "class_paths"
    not_in_identity: ClassVar[tuple[str, ...]] = ("checkpoint",)
    epochs = 0  # the only epoch that is measured: no field

    model: str = "resnet20"  # a name in specbias.models.MODELS, torchvision:NAME, or package.module:factory
    model_args: str = "{}"  # what the factory is called with, as JSON
    checkpoint: str | None = None  # file with its weights; needed
    weights: str | None = None  # SHA-256 of that file, 12 digits: found by `identified`, never set by hand
    dataset: str = "cifar10"  # a name in specbias.data.DATASETS, or imagefolder:DIR
    split: TrainedSplit = "train"  # whose images
    images_per_class: Count = 50  # that the network classifies correctly, at one end of the paths
    adversarials_per_class: Count = 50  # images of other classes, moved into this one, at the other end
    seed: int = 0  # draws the images

    # Adversarials: targeted projected gradient descent in L2 on the margin by which the class leads
    attack_steps: Count = 100  # at most; an image that is not of the class by then is left out
    attack_step: Positive = 0.1  # length of each
    attack_radius: Positive = 10.0  # greatest distance from the image
    attack_margin: Strength = 0.0  # logits by which the class must lead the next; 0: the first step across the boundary

    # Paths: AutoNEB (Draxler et al. 2018) without springs
    pivots: Count = 5  # at first, between the ends, at equal distances; the paper does not say
    neb_iterations: CountOrZero = 4  # each ends with its steps and begins, but for the first, with new pivots
    neb_steps: Count = 10  # of gradient descent in each iteration
    neb_learning_rate: Positive = 0.016  # step per unit of gradient: the paper's 1e-3 where pixels go from 0 to 1
    neb_momentum: ShareBelowOne = 0.9  # starts from rest in each iteration
    insertion_threshold: Strength = 0.2  # share of a path's range of logits; a pivot goes where the logit sags by more

    spacing: Positive = 0.5  # between the images at which a path is checked, at most
    examples: CountOrZero = 5  # pairs whose paths are kept as images

    # Execution
    batch_size: Count = 256  # images per forward pass
    device: Device = "cpu"  # cpu or cuda
    threads: ThreadsOrNone = None  # CPU threads of torch; none: as many as torch takes

    def identified(self) -> ClassPathsConfig:
        """Return these settings with the identity of their weights, and these by their whole path.

        SettingError if no file of weights is named, saying how to make one; if it is not there; or if it now holds
        others than those the settings were identified with.
        """
        if self.checkpoint is None:
            raise SettingError(
                f"checkpoint=none: name a trained {self.model}'s file of weights; python sweeps/cifar.py --dataset "
                f"{self.dataset} --model {self.model} --interventions none leaves one in mlruns/.../state/weights.pt"
            )
        try:
            file = Path(self.checkpoint).expanduser().resolve()
            found = file_identity(file)
        except OSError as error:
            raise SettingError(f"checkpoint={self.checkpoint}: {error.strerror or error}") from None
        if self.weights not in (None, found):
            raise SettingError(f"checkpoint={self.checkpoint}: holds weights {found}, not {self.weights}")
        return replace(self, checkpoint=str(file), weights=found)  # workers run in other folders
