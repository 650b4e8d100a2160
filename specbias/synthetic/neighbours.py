"""Is it the network that prefers low frequencies, or the data? Its map beside those of nearest neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from specbias.synthetic.config import NeighboursConfig
from specbias.synthetic.manifold import MAP_EXTENT, MAP_SIZE, build_classification, classes_on_flower, map_places
from specbias.synthetic.networks import Networks
from specbias.synthetic.training import Task, Values

HELD_OUT = 0.4  # of the way from a sample to the next: midway, two would be equally near


def build_neighbours(config: NeighboursConfig) -> Task:
    """Return the task of classes along the flower, at its end beside K nearest neighbours (Rahaman et al. 2019, E.2).

    After the last update there are, beside the network's `map`: `neighbour_maps` (runs, Ks, S, S), the share of class 1
    among the K nearest samples on the same square; the spectra of both, `radial_spectrum` (runs, S / 2) and
    `neighbour_radial_spectrum` (runs, Ks, S / 2), whose bins are at `radial_frequencies`, periods per unit of length;
    and the accuracies `held_out_accuracy` (runs,) and `neighbour_accuracy` (runs, Ks), both between the samples: on
    these the nearest neighbour is always right. Where the paper's are taken it does not say.
    """
    task = build_classification(config)
    places, classes = classes_on_flower(config)
    held_out, held_out_classes = classes_on_flower(config, shift=HELD_OUT)

    def finish(networks: Networks) -> Values:
        drawn = task.finish(networks)["map"]
        right = (networks(held_out.unsqueeze(0).float().to(config.device)) > 0).cpu() == (held_out_classes > 0)
        maps = vote(places, classes, map_places(), config.neighbours).unflatten(-1, (MAP_SIZE, MAP_SIZE))
        votes = vote(places, classes, held_out, config.neighbours)
        rights = (votes > 0.5) == (held_out_classes.unsqueeze(1) > 0)
        return {
            "map": drawn,
            "neighbour_maps": maps,
            "radial_spectrum": radial_spectrum(drawn.cpu()),
            "neighbour_radial_spectrum": radial_spectrum(maps),
            "held_out_accuracy": right.double().mean(dim=-1),
            "neighbour_accuracy": rights.double().mean(dim=-1),
        }

    side = 2 * MAP_EXTENT * MAP_SIZE / (MAP_SIZE - 1)  # of the square that the DFT repeats
    facts = {"neighbours": np.array(config.neighbours), "radial_frequencies": np.arange(MAP_SIZE // 2) / side}
    return replace(task, finish=finish, facts=task.facts | facts)


def vote(places: Tensor, classes: Tensor, at: Tensor, neighbours: tuple[int, ...]) -> Tensor:
    """Return the share of class 1 among the K samples nearest to each place of `at` (M, 2), for every K: (runs, Ks, M).

    Samples are at `places` (N, 2), of `classes` (runs, N), 0 or 1.
    """
    search = NearestNeighbors(n_neighbors=max(neighbours)).fit(places.numpy())
    nearest = torch.from_numpy(search.kneighbors(at.numpy(), return_distance=False))  # (M, K), the nearest first
    return torch.stack([classes[:, nearest[:, :count]].mean(dim=-1) for count in neighbours], dim=1)


def radial_spectrum(maps: Tensor) -> Tensor:
    """Return the power of maps (..., S, S) at every direction together, by the length of the wave vector: (..., S / 2).

    Bin n has the waves of n periods per side of the square, rounded; waves of S / 2 and more are left out, those of the
    square's corners. A map's mean is taken off, and the rest is the map's variance, of which each wave has its share.
    """
    size = maps.shape[-1]
    centred = maps.double() - maps.double().mean(dim=(-2, -1), keepdim=True)
    power = torch.fft.fft2(centred, norm="forward").abs().square().flatten(-2)
    periods = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    radius = torch.hypot(periods[:, None], periods).round().long().flatten()
    bins = power.new_zeros(*power.shape[:-1], int(radius.max()) + 1)
    return bins.index_add(-1, radius, power)[..., : size // 2]
