"""A picture shows the numbers of the measurement that it is of, under names that say what they are."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from specbias.data import load_dataset
from specbias.measurement.frequency import frequency_arrays, measure_probes
from specbias.measurement.pairs import choose_probes
from specbias.pictures import DEEPEST, Spectrum, draw_spectra, draw_spectrum, share_of, spectrum_of


@pytest.fixture(scope="module")
def arrays():
    """A function of random weights, measured on digits."""
    data = load_dataset("digits")
    probes = choose_probes(data, pairs=2, spacing=2.0, pairing="official")
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(size, generator=generator) for size in ((3072, 30), (30, 10)))
    correct = data.test.labels % 2 == 0
    found = measure_probes(
        lambda images: torch.tanh(images.flatten(1) @ first / 20) @ second,
        data,
        probes,
        correct=correct,
        batch_size=500,
    )
    return frequency_arrays(found)


def test_the_spectra_drawn_are_those_measured_above_frequency_0(arrays):
    axes = Figure().subplots()
    draw_spectra(axes, arrays)
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert [*lines] == ["within classes", "between classes"]
    for kind, line in zip(("within_class", "between_class"), lines.values(), strict=True):
        assert np.array_equal(line.get_xdata(), arrays["frequency/axis"][1:])
        assert np.array_equal(line.get_ydata(), arrays[f"frequency/{kind}/spectrum"][1:])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel() == "frequency (cycles per unit of distance)"


def test_high_frequencies_are_shaded_and_their_share_is_written(arrays):
    axes = Figure().subplots()
    draw_spectra(axes, arrays)
    (shaded,) = axes.patches
    assert (shaded.get_x(), shaded.get_x() + shaded.get_width()) == pytest.approx((0.05, arrays["frequency/axis"][-1]))
    (text,) = (text.get_text() for text in axes.texts)
    means = [np.nanmean(arrays[f"frequency/{kind}/fixed_band"]) for kind in ("within_class", "between_class")]
    assert text == "share above 0.05:\nwithin {:.3f}\nbetween {:.3f}".format(*means)


def test_the_band_around_a_spectrum_is_1_96_standard_errors_over_images_wide(arrays):
    axes = Figure().subplots()
    draw_spectra(axes, arrays)
    (path,) = axes.collections[1].get_paths()
    spectrum = spectrum_of(arrays, "between_class")
    assert spectrum.standard_error is not None
    height = path.vertices[:, 1].max() - path.vertices[:, 1].min()
    widest = (spectrum.amplitude + 1.96 * spectrum.standard_error).max()
    assert height == pytest.approx(widest - (spectrum.amplitude - 1.96 * spectrum.standard_error).min())


def test_a_measurement_from_before_the_fixed_band_and_the_errors_is_drawn_with_its_released_share(arrays):
    old = {name: values for name, values in arrays.items() if "fixed_band" not in name and "standard_error" not in name}
    axes = Figure().subplots()
    draw_spectra(axes, old)
    assert not axes.collections and len(axes.get_lines()) == 2
    assert share_of(old, "within_class").value == arrays["frequency/within_class/share"].mean()


@pytest.mark.filterwarnings("error")
def test_a_constant_function_is_drawn_without_a_warning(arrays):
    flat = arrays | {f"frequency/{kind}/spectrum": np.eye(51)[0] * 0.1 for kind in ("within_class", "between_class")}
    figure = Figure()
    draw_spectra(figure.subplots(), flat)
    draw_spectrum(figure.add_subplot(), Spectrum(np.arange(1.0, 9), np.zeros(8)), label="", colour="black")
    figure.canvas.draw()


def test_rounding_is_not_drawn(arrays):
    tiny = np.where(np.arange(51) < 20, 0.1, 1e-17)
    axes = Figure().subplots()
    draw_spectra(axes, arrays | {"frequency/within_class/spectrum": tiny})
    assert axes.get_ylim()[0] == pytest.approx(DEEPEST * axes.get_ylim()[1] / 1.6)
