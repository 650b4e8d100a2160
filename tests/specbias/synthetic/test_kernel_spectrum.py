"""Experiment 4: eigenfunctions and spectra are what numpy and scipy make of them, and the last ones come last."""

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import rbf_kernel

from specbias.settings import SettingError
from specbias.synthetic.config import KernelSpectrumConfig
from specbias.synthetic.digits import load_two_digits
from specbias.synthetic.kernel_spectrum import binned, build_kernel_spectrum, eigenfunctions
from specbias.synthetic.run import run_experiment
from specbias.synthetic.training import new_state

SMALL = KernelSpectrumConfig(runs=2, steps=20, width=16, depth=3, samples=60, bins=5, threads=1)


@pytest.fixture(scope="module")
def digits():
    """The first 60 points with scipy's eigenvectors of their kernel, decreasing."""
    points = load_two_digits("digits")
    inputs, targets = (part[:60].numpy() for part in points)
    values, vectors = scipy.linalg.eigh(rbf_kernel(inputs, gamma=1 / (2 * 0.28**2)))
    return inputs, targets, values[::-1], vectors[:, ::-1]


def test_on_a_line_an_eigenfunctions_frequency_rises_with_its_number():
    """Figures 6 and 12 of the paper."""
    line = torch.linspace(0, 1, 50, dtype=torch.float64).unsqueeze(-1)
    _, functions = eigenfunctions(line, 0.05)
    peaks = np.abs(np.fft.rfft(functions.numpy(), axis=0)).argmax(axis=0)
    assert spearmanr(np.arange(50), peaks).statistic > 0.99
    assert (peaks[0], peaks[-1]) == (0, 25)


def test_eigenfunctions_are_scipys_up_to_sign(digits):
    inputs, _, values, vectors = digits
    ours, functions = eigenfunctions(torch.from_numpy(inputs), 0.28)
    np.testing.assert_allclose(ours.numpy(), values, atol=1e-12)
    np.testing.assert_allclose(np.abs(functions.numpy().T @ vectors), np.eye(60), atol=1e-3)


def test_a_sign_is_fixed_by_the_first_large_component():
    """Four places, two and two together: the differences within a pair have components equal in size."""
    places = torch.tensor([[0.0], [0.1], [10.0], [10.2]], dtype=torch.float64)
    _, functions = eigenfunctions(places, 1.0)
    half = 0.5**0.5
    expected = [[half, half, 0, 0], [0, 0, half, half], [0, 0, half, -half], [half, -half, 0, 0]]
    np.testing.assert_allclose(functions.T.numpy(), expected, atol=1e-9)


def test_the_ramp_is_in_the_last_eigenfunctions_most(digits):
    inputs, targets, *_ = digits
    task = build_kernel_spectrum(SMALL)
    _, functions = eigenfunctions(torch.from_numpy(inputs), 0.28)
    noise = task.targets.double().numpy() - targets
    expected = (np.arange(60) / 59) ** 2
    for row in noise:
        np.testing.assert_allclose(row @ functions.numpy(), expected, atol=1e-5)
    assert (noise**2).mean() == pytest.approx(0.2, abs=0.02)


def test_white_noise_is_uniform_and_each_runs_own():
    config = KernelSpectrumConfig(**SMALL.to_dict() | {"noise": "white", "samples": 2000, "noise_strength": 3.0})
    task = build_kernel_spectrum(config)
    noise = task.targets.numpy() - load_two_digits("digits").targets.numpy()
    assert noise.shape == (2, 357)
    assert np.abs(noise).max() == pytest.approx(3, abs=0.05)
    assert (noise**2).mean() == pytest.approx(3, rel=0.1)
    assert abs(noise.mean()) < 0.2
    assert abs(np.corrcoef(noise)[0, 1]) < 0.2
    more = build_kernel_spectrum(KernelSpectrumConfig(**config.to_dict() | {"runs": 3}))
    assert torch.equal(more.targets[:2], task.targets)


@pytest.mark.parametrize("noise", ["ramp", "white"])
def test_spectra_are_mean_sizes_of_projections(digits, noise):
    inputs, targets, values, vectors = digits
    config = KernelSpectrumConfig(**SMALL.to_dict() | {"noise": noise})
    task = build_kernel_spectrum(config)
    state = new_state(config, 64)
    with torch.no_grad():
        outputs = state.networks(task.inputs)
        found = task.record(state.networks, outputs)

    def expected(function):
        return np.abs(vectors.T @ function).reshape(5, 12).mean(axis=1)

    np.testing.assert_allclose(task.facts["eigenvalues"], values, atol=1e-12)
    for run in range(2):
        output, noisy = outputs[run].double().numpy(), task.targets.expand(2, -1)[run].double().numpy()
        np.testing.assert_allclose(found["spectrum"][run].numpy(), expected(output), atol=1e-4)
        np.testing.assert_allclose(task.facts["noised_spectrum"][run], expected(noisy), atol=1e-4)
        np.testing.assert_allclose(task.facts["pure_spectrum"][run], expected(targets), atol=1e-4)
        assert found["loss"][run].item() == pytest.approx(((output - noisy) ** 2).mean(), rel=1e-5)
        assert found["validation_loss"][run].item() == pytest.approx(((output - targets) ** 2).mean(), rel=1e-5)


def test_bins_are_of_equal_sizes_as_far_as_can_be():
    assert binned(torch.arange(7.0)[None], 3).tolist() == [[1.0, 3.5, 5.5]]


def test_few_samples_have_few_bins():
    *_, (_, last) = run_experiment(KernelSpectrumConfig(**SMALL.to_dict() | {"bins": 100}))
    assert last.arrays["spectrum"].shape == (2, 3, 6)
    assert last.arrays["noised_spectrum"].shape == last.arrays["pure_spectrum"].shape == (2, 6)
    assert last.arrays["eigenvalues"].shape == (60,)
    assert set(last.metrics) == {"synthetic/loss", "synthetic/validation_loss", "synthetic/spectrum"}


def test_the_digits_bandwidth_gives_the_eigenvalues_of_the_papers():
    facts = build_kernel_spectrum(KernelSpectrumConfig()).facts
    assert facts["eigenvalues"][[0, -1]] == pytest.approx([1.09, 0.91], abs=0.01)
    wide = build_kernel_spectrum(KernelSpectrumConfig(bandwidth=1.25)).facts
    assert wide["eigenvalues"][0] == pytest.approx(62.55, abs=0.01)


def test_settings_out_of_range_are_refused():
    for settings in ({"samples": 10}, {"bandwidth": 0.0}, {"noise": "pink"}, {"noise_strength": -1.0}, {"bins": 0}):
        with pytest.raises(SettingError, match=next(iter(settings))):
            KernelSpectrumConfig(**settings)


def one_run(noise):
    *_, (_, last) = run_experiment(KernelSpectrumConfig(runs=1, steps=400, noise=noise, threads=1))
    return last.arrays


@pytest.mark.nightly
def test_noise_in_the_last_eigenfunctions_is_learned_after_the_labels():
    """Claims 1 to 3: when the clean loss is least, and what the spectrum is then and later."""
    ramp, white = one_run("ramp"), one_run("white")
    best, best_white = (each["validation_loss"][0].argmin() for each in (ramp, white))
    assert ramp["validation_loss"][0, best] < white["validation_loss"][0, best_white]
    assert 100 <= ramp["steps"][best] <= 300 and 50 <= white["steps"][best_white] <= ramp["steps"][best]
    learned, noised, pure = ramp["spectrum"][0], ramp["noised_spectrum"][0], ramp["pure_spectrum"][0]
    top = slice(-7, None)
    assert learned[best, top].mean() == pytest.approx(pure[top].mean(), rel=0.3)
    assert learned[best, top].mean() < 0.5 * noised[top].mean() < learned[-1, top].mean()
    reached = learned >= noised / 2
    half = np.where(reached.any(axis=0), reached.argmax(axis=0), len(learned))
    assert spearmanr(np.arange(len(half)), half).statistic > 0.5
