"""What happens to a batch between the data and the loss? One function per intervention, applied in one order.

An intervention is build(config) -> f(images, targets, generator) -> (images, targets). Images (B, 3, H, W) are in the
data set's normalised space, where 0 is the mean colour; targets (B, classes) are rows of probabilities. Its strength
is the config field of its own name; strength 0 is the identity and draws nothing. Inputs are never written to.
Random numbers come from the CPU generator given, a stream of the intervention's own, so that the same seeds give the
same augmentation on every device.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from specbias.data import facts_of, normalise, to_pixels
from specbias.data.datasets import Dataset
from specbias.settings.config import MIXING, TrialConfig
from specbias.training.augmentation_policies import Policy, augment_and_mix, random_operations, sub_policies
from specbias.training.batch import Batch, Intervention, unchanged
from specbias.training.label_noise import composite_image
from specbias.training.mixing import cutmix, mixup
from specbias.training.own_intervention import own_intervention

OF_IMAGENET = ("imagenet", "tiny_imagenet")  # data sets of its images


def image_frequency(config: TrialConfig) -> Intervention:
    """Add an image of high or of low spatial frequencies to some images, and smooth their labels.

    "Spectral Bias in Practice", section 4, image_freq: the composite image "f" or "1/f" (label_noise.py) of norm
    `image_frequency`. It differs from the paper's code in leaving the training images as they are: there, what is
    added stays.
    """
    norm, smoothing = config.image_frequency, config.image_frequency_smoothing
    if not norm:
        return unchanged
    size = _facts(config).image_size
    composites = torch.stack([torch.from_numpy(composite_image(size, power=power)) for power in (-2, 2)])
    composites = (norm * composites / composites.flatten(1).norm(dim=1).view(2, 1, 1, 1)).float().to(config.device)

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        chosen, high = torch.rand(2, len(images), generator=generator)
        chosen = (chosen < config.image_frequency_probability).to(images.device)
        high = (high < config.image_frequency_share).long().to(images.device)
        changed = torch.where(chosen[:, None, None, None], images + composites[high], images)
        share = smoothing * chosen[:, None].to(targets.dtype)
        return changed, (1 - share) * targets + share / targets.shape[1]

    return apply


def autoaugment(config: TrialConfig) -> Intervention:
    """Put each image, with that probability, through one of the 25 sub-policies of AutoAugment (Cubuk et al. 2019).

    Pixels from outside the image are the mean colour. It differs from the paper's code in what follows acting on the
    augmented image, and in the sub-policies: those of the article; the code draws from a list of 95. With
    policy_source=torchvision images of ImageNet get those found on ImageNet, else all get those found on CIFAR-10.
    """
    if not config.autoaugment:
        return unchanged
    source, probability = config.policy_source, config.autoaugment
    found_on = "IMAGENET" if source == "torchvision" and config.dataset in OF_IMAGENET else "CIFAR10"
    augment = _on_pixels(config, sub_policies(fill=_mean_colour(config), source=source, found_on=found_on))

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        chosen = (torch.rand(len(images), 1, 1, 1, generator=generator) < probability).to(images.device)
        augmented, _ = augment(images, targets, generator)
        return torch.where(chosen, augmented, images), targets

    return apply


def randaugment(config: TrialConfig) -> Intervention:
    """Put each image through random operations of one magnitude (Cubuk et al. 2020; "Spectral Bias in Practice", 4).

    Pixels from outside the image are the mean colour. It differs from the paper's code in what follows acting on the
    augmented image. The magnitude is a strength with policy_source=torchvision alone (augmentation_policies.py).
    """
    if not config.randaugment:
        return unchanged
    policy = random_operations(
        config.randaugment, layers=config.randaugment_layers, fill=_mean_colour(config), source=config.policy_source
    )
    return _on_pixels(config, policy)


def augmix(config: TrialConfig) -> Intervention:
    """Mix each image with a mixture of three chains of operations (Hendrycks et al. 2020): width 3, depth 1 to 3.

    Only their images: there is no consistency loss. Pixels from outside the image are black, as in their code.
    """
    return _on_pixels(config, augment_and_mix(config.augmix)) if config.augmix else unchanged


def _on_pixels(config: TrialConfig, policy: Policy) -> Intervention:
    """Return the intervention that takes normalised images to pixels, through the policy, and back."""
    facts = _facts(config)

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        pixels = policy(to_pixels(images, facts.mean, facts.std), generator)
        return normalise(pixels, facts.mean, facts.std), targets

    return apply


def _mean_colour(config: TrialConfig) -> Tensor:
    return (torch.tensor(_facts(config).mean) * 255).round().byte()


def _facts(config: TrialConfig) -> Dataset:
    return facts_of(config.dataset, config.selection)


def gaussian_noise(config: TrialConfig) -> Intervention:
    """Add independent normal numbers of that standard deviation to every pixel and channel."""
    deviation = config.gaussian_noise

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        noise = torch.randn(images.shape, generator=generator).to(images.device)
        return images + deviation * noise, targets

    return apply if deviation else unchanged


def flip_crop(config: TrialConfig) -> Intervention:
    """Flip left to right with probability one half and crop at random from the zero-padded image.

    Offsets are uniform on 0..2*padding; the paper's code leaves out the last one. With `alternating_flip` it only
    crops: whether an image is mirrored depends on the epoch then (specbias.training.train).
    """
    padding, chance = config.flip_crop, 0.0 if config.alternating_flip else 0.5

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        count, _, height, width = images.shape
        flipped = (torch.rand(count, generator=generator) < chance).to(images.device)
        top, left = torch.randint(2 * padding + 1, (2, count, 1), generator=generator).to(images.device)
        rows = top + torch.arange(height, device=images.device)
        columns = left + torch.arange(width, device=images.device)
        columns = torch.where(flipped[:, None], columns.flip(1), columns)
        padded = pad(images, (padding,) * 4)
        image = torch.arange(count, device=images.device)[:, None, None]
        return padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2), targets

    return apply if padding else unchanged


def cutout(config: TrialConfig) -> Intervention:
    """Set a square to zero, its centre uniform over the image, clipped at the borders (DeVries & Taylor 2017)."""
    side = config.cutout

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        inside = []
        for size in images.shape[2:]:
            start = torch.randint(size, (len(images), 1), generator=generator) - side // 2
            place = torch.arange(size)
            inside.append((start <= place) & (place < start + side))
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return images.masked_fill(hole.to(images.device), 0.0), targets

    return apply if side else unchanged


def label_smoothing(config: TrialConfig) -> Intervention:
    """Move a share of each target evenly onto all classes: (1 - a) y + a / C ("Spectral Bias in Practice", 2.2)."""
    share = config.label_smoothing

    def apply(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        return images, (1 - share) * targets + share / targets.shape[1]

    return apply if share else unchanged


# In the order of application: batch mixing, image augmentation, noise, flip and crop, cutout, and the labels last.
INTERVENTIONS = {
    "mixup": mixup,
    "cutmix": cutmix,
    "image_frequency": image_frequency,
    "autoaugment": autoaugment,
    "randaugment": randaugment,
    "augmix": augmix,
    "gaussian_noise": gaussian_noise,
    "own_strength": own_intervention,
    "flip_crop": flip_crop,
    "cutout": cutout,
    "label_smoothing": label_smoothing,
}


def build_interventions(config: TrialConfig) -> dict[str, Intervention]:
    """Return name -> function for every intervention, in the order of application: with `mix_last` mixing is last."""
    order = sorted(INTERVENTIONS, key=lambda name: config.mix_last and name in MIXING)
    return {name: INTERVENTIONS[name](config) for name in order}
