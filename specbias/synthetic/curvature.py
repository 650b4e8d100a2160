"""Is noise harder to fit on the curved manifold of images than on a flat one of as many dimensions? Experiment 8."""

from __future__ import annotations

import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from specbias.settings.seeds import derive_seed
from specbias.synthetic.autoencoder import reconstructions
from specbias.synthetic.config import CurvatureConfig
from specbias.synthetic.digits import read_digits
from specbias.synthetic.networks import Networks
from specbias.synthetic.training import Task, Values, mean_squared_error

Facts = dict[str, Tensor]


def build_curvature(config: CurvatureConfig) -> Task:
    """Return the task of noise as labels, on a curved or a flat manifold (Rahaman et al. 2019, A.6; experiment 8).

    Labels are uniform on [0, 1), a run's own, the same on every manifold; inputs (1, N, d) are shared by the runs.
    Recorded: `loss`. Facts: `inputs` (N, d), `targets` (runs, N), what `geometry` says of the inputs, and where there
    is an auto-encoder `explained_variance` and `reconstruction_error` of all images, which say whether it fits them.

    The paper's two manifolds, `curved` and `flat`, differ in more than curvature: in scale, and in how far neighbours
    are apart, which alone makes labels easier to fit. `scaled` is ours: `flat`, its neighbours as far apart as on
    `curved`.
    """
    streams = [torch.Generator().manual_seed(derive_seed(config.seed, r, "labels")) for r in range(config.runs)]
    labels = torch.stack([torch.rand(config.samples, generator=stream) for stream in streams])
    inputs, facts = manifold(read_digits(config.dataset)[0].float(), config)
    facts |= geometry(inputs) | {"inputs": inputs, "targets": labels}

    def record(networks: Networks, outputs: Tensor) -> Values:
        return {"loss": mean_squared_error(outputs.cpu(), labels)}

    return Task(
        inputs.unsqueeze(0).to(config.device),
        labels.to(config.device),
        mean_squared_error,
        record,
        facts={name: value.numpy() for name, value in facts.items()},
    )


def manifold(images: Tensor, config: CurvatureConfig) -> tuple[Tensor, Facts]:
    """Return samples on the manifold asked for (samples, pixels), and its auto-encoder's facts if it has one."""
    if config.inputs == "flat":
        return flat(images.shape[1], config), {}
    inputs, facts = curved(images, config)
    if config.inputs == "scaled":
        distance = geometry(inputs)["nearest_distance"]
        inputs = flat(images.shape[1], config)
        inputs *= distance / geometry(inputs)["nearest_distance"]
    return inputs, facts


def curved(images: Tensor, config: CurvatureConfig) -> tuple[Tensor, Facts]:
    """Return reconstructions of images drawn by the seed (samples, pixels), and how near all of them are to the images.

    `reconstruction_error` is the mean square over pixels, `explained_variance` is 1 minus its share of their variance.
    """
    stream = torch.Generator().manual_seed(derive_seed(config.seed, "images"))
    chosen = torch.randperm(len(images), generator=stream)[: config.samples]
    found = reconstructions(images, config)
    error = (images - found).square().mean()
    variance = (images - images.mean(dim=0)).square().mean()
    return found[chosen], {"reconstruction_error": error, "explained_variance": 1 - error / variance}


def flat(pixels: int, config: CurvatureConfig) -> Tensor:
    """Return samples uniform on [0, 1) along the first of their axes and 0 along the others (samples, pixels)."""
    stream = torch.Generator().manual_seed(derive_seed(config.seed, "flat"))
    inputs = torch.zeros(config.samples, pixels)
    inputs[:, : config.dimensions] = torch.rand(config.samples, config.dimensions, generator=stream)
    return inputs


def geometry(inputs: Tensor) -> Facts:
    """Return the mean distance of two samples and of a sample to its nearest, in L2, and the mean norm of one."""
    distances = torch.from_numpy(cdist(inputs, inputs))
    others = distances.flatten()[:-1].unflatten(0, (len(inputs) - 1, len(inputs) + 1))[:, 1:]  # without the diagonal
    return {
        "mean_distance": others.mean(),
        "nearest_distance": distances.fill_diagonal_(torch.inf).amin(dim=1).mean(),
        "mean_norm": inputs.norm(dim=1).mean(),
    }
