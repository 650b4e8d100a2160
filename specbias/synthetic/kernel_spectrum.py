"""What does a network learn first of noisy labels, seen in the eigenfunctions of a Gaussian kernel? Experiment 4."""

from __future__ import annotations

import torch
from torch import Tensor

from specbias.settings.seeds import derive_seed
from specbias.synthetic.config import KernelSpectrumConfig
from specbias.synthetic.digits import load_two_digits
from specbias.synthetic.networks import Networks
from specbias.synthetic.training import Task, Values, mean_squared_error

# For MNIST the paper's: eigenvalues of 0.91 to 1.09, so that the first eigenfunctions have one sign on close pairs of
# images and the last ones opposite signs. For the digits, closer together, the one that gives the same eigenvalues.
BANDWIDTHS = {"mnist": 1.25, "digits": 0.28}
SAMPLES_PER_BIN = 10  # at least


def build_kernel_spectrum(config: KernelSpectrumConfig) -> Task:
    """Return the task of two digits with noisy targets (Rahaman et al. 2019, experiment 4).

    Recorded: `loss`, to the noisy targets; `validation_loss`, to the clean targets of the same images; and `spectrum`
    (runs, bins), the outputs' projections on the eigenfunctions, absolute, means of bins. So are `noised_spectrum` and
    `pure_spectrum` (runs, bins) of the targets with and without noise. `eigenvalues` (N,) decrease. Runs differ in
    their first weights and in white noise. SettingError where the data set can neither be found nor fetched.
    """
    points = load_two_digits(config.dataset)
    places, clean = (part[: config.samples] for part in points)
    eigenvalues, functions = eigenfunctions(places, config.bandwidth or BANDWIDTHS[config.dataset])
    bins = max(1, min(config.bins, len(clean) // SAMPLES_PER_BIN))
    noisy = clean + config.noise_strength * noises(config, functions)
    inputs, targets = (part.float().to(config.device) for part in (places.unsqueeze(0), noisy))
    device_clean = clean.float().to(config.device)

    def record(networks: Networks, outputs: Tensor) -> Values:
        return {
            "loss": mean_squared_error(outputs, targets),
            "validation_loss": mean_squared_error(outputs, device_clean),
            "spectrum": binned(project(outputs.cpu(), functions), bins),
        }

    facts = {"eigenvalues": eigenvalues.numpy()}
    for name, values in (("noised_spectrum", noisy), ("pure_spectrum", clean.expand(config.runs, -1))):
        facts[name] = binned(project(values, functions), bins).numpy()
    return Task(inputs, targets, mean_squared_error, record, facts=facts)


def eigenfunctions(places: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues (N,), decreasing, and eigenvectors (N, N), a column each, of the Gaussian kernel.

    Of K_ij = exp(-|x_i - x_j|^2 / (2 bandwidth^2)) for places (N, d); the paper's equation 16 lacks minus and square.
    An eigenvector's sign is free: here its first component of at least half its largest's size is positive, which is
    the same on every machine also where two are equal in size. Eigenvectors of equal eigenvalues are not unique.
    """
    squares = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist").square()
    eigenvalues, vectors = torch.linalg.eigh((-squares / (2 * bandwidth**2)).exp())
    eigenvalues, vectors = eigenvalues.flip(0), vectors.flip(1)
    sizes = vectors.abs()
    first = (sizes >= sizes.max(dim=0).values / 2).int().argmax(dim=0)
    return eigenvalues, vectors * vectors.gather(0, first.unsqueeze(0)).sign()


def noises(config: KernelSpectrumConfig, functions: Tensor) -> Tensor:
    """Return the noise of every run (runs, N).

    `ramp` is sum_n (n / (N - 1))^2 v_n, n from 0, the same for all runs, its mean square about 1 / 5. `white` is
    uniform on -1..1, of mean square 1 / 3.
    """
    count = len(functions)
    if config.noise == "ramp":
        weights = (torch.arange(count, dtype=torch.float64) / (count - 1)).square()
        return (functions @ weights).expand(config.runs, -1)
    streams = [torch.Generator().manual_seed(derive_seed(config.seed, r, "white noise")) for r in range(config.runs)]
    return torch.stack([2 * torch.rand(count, generator=stream, dtype=torch.float64) - 1 for stream in streams])


def project(values: Tensor, functions: Tensor) -> Tensor:
    """Return |v_n . f| for f's values (runs, N) and eigenvectors v_n, columns of (N, N): (runs, N)."""
    return (values.double() @ functions).abs()


def binned(spectrum: Tensor, bins: int) -> Tensor:
    """Return the means of consecutive values (runs, N) in bins whose sizes differ by 1 at most: (runs, bins)."""
    return torch.stack([part.mean(dim=-1) for part in spectrum.tensor_split(bins, dim=-1)], dim=-1)
