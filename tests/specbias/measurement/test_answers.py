"""What a network answers is understood before it is measured: what cannot be is refused, and nothing is silent.

The toy: a linear function of images of 8 x 8 in 4 classes, which it separates well on its own input.
"""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from specbias.data import Data, Split
from specbias.measurement.report import measure_function
from specbias.settings import SettingError
from specbias.settings.measurement import MeasureSettings

CLASSES, PER_CLASS = 4, 64
TWO_PAIRS = MeasureSettings(pairs=2)


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


TEMPLATES = draw(0, CLASSES, 3, 8, 8)


@pytest.fixture(scope="module")
def data():
    labels = torch.arange(CLASSES).repeat_interleave(PER_CLASS)
    images = (128 + 20 * TEMPLATES[labels] + 40 * draw(1, len(labels), 3, 8, 8)).clamp(0, 255).byte()
    none = Split(images[:0], labels[:0])
    return Data(none, none, Split(images, labels), mean=(0.4,) * 3, std=(0.25,) * 3, num_classes=CLASSES)


def logits(images):
    """Right on the data set's normalised images, and smooth; on other inputs it is mistaken."""
    scores = images.flatten(1) @ TEMPLATES.flatten(1).T / 40
    return scores - (images.mean((1, 2, 3)) - 0.4).abs().unsqueeze(1) * torch.tensor([0.0, 8.0, 16.0, 24.0])


def shares(record):
    return [
        record[kind][name] for kind in ("within_class", "between_class") for name in ("high_frequency_share", "mirror")
    ]


def test_probabilities_are_used_as_they_are_and_not_put_through_a_softmax_again(data):
    plain, _ = measure_function(logits, data, TWO_PAIRS)
    soft, _ = measure_function(lambda images: logits(images).softmax(1), data, TWO_PAIRS)
    log_soft, _ = measure_function(lambda images: logits(images).log_softmax(1), data, TWO_PAIRS)
    forced, _ = measure_function(
        lambda images: logits(images).softmax(1), data, dataclasses.replace(TWO_PAIRS, outputs="logits")
    )
    assert shares(soft) == pytest.approx(shares(plain), rel=1e-5)
    assert shares(log_soft) == pytest.approx(shares(plain), rel=1e-5)
    assert shares(forced)[0] < 0.8 * shares(plain)[0]
    assert any("gives probabilities" in note for note in soft["notes"])
    assert not any("probabilities" in note for note in plain["notes"] + log_soft["notes"])


def test_a_certain_network_has_probabilities_of_zero_and_is_measured(data):
    record, _ = measure_function(lambda images: (1e4 * logits(images)).softmax(1), data, TWO_PAIRS)
    twin, _ = measure_function(lambda images: 1e4 * logits(images), data, TWO_PAIRS)
    assert shares(record) == pytest.approx(shares(twin), rel=1e-5)


def test_the_outputs_of_a_sigmoid_are_refused_unless_they_are_to_be_logits(data):
    def sigmoid(images):
        return logits(images).sigmoid()

    with pytest.raises(SettingError, match="between 0 and 1 but sum to .*--outputs logits"):
        measure_function(sigmoid, data, TWO_PAIRS)
    record, _ = measure_function(sigmoid, data, dataclasses.replace(TWO_PAIRS, outputs="logits"))
    assert record["within_class"]["high_frequency_share"] > 0


def test_percentages_are_refused_unless_they_are_to_be_logits(data):
    def percentages(images):
        return 100 * logits(images).softmax(1)

    with pytest.raises(SettingError, match="sum to 100 for each image: percentages.*--outputs logits"):
        measure_function(percentages, data, TWO_PAIRS)
    record, _ = measure_function(percentages, data, dataclasses.replace(TWO_PAIRS, outputs="logits"))
    assert record["within_class"]["high_frequency_share"] > 0


def test_the_networks_normalisation_is_one_setting_and_leaves_paths_and_distances(data):
    def on_pixels(images):  # the same function, of images in [0, 1]
        return logits((images - 0.4) / 0.25)

    plain, arrays = measure_function(logits, data, TWO_PAIRS)
    settings = dataclasses.replace(TWO_PAIRS, input_mean=(0.0,) * 3, input_std=(1.0,) * 3)
    moved, moved_arrays = measure_function(on_pixels, data, settings)
    assert shares(moved) == pytest.approx(shares(plain), rel=1e-4)
    assert (arrays["frequency/within_class/distance"] == moved_arrays["frequency/within_class/distance"]).all()
    assert moved["normalisation"]["network"] == {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    assert moved["normalisation"]["distances"] == {"mean": data.mean, "std": data.std}
    with pytest.raises(SettingError, match="input_std=None: must be given together with input_mean"):
        MeasureSettings(input_mean=(0.5,) * 3)


def test_another_normalisation_that_raises_accuracy_is_named_and_an_unexpected_accuracy_refused(data):
    right, _ = measure_function(logits, data, TWO_PAIRS)
    assert right["accuracy"] > 0.95 and right["notes"] == []
    wrong = dataclasses.replace(TWO_PAIRS, input_mean=(0.0,) * 3, input_std=(1.0,) * 3)
    record, _ = measure_function(logits, data, wrong)
    assert record["accuracy"] < 0.8
    [note] = record["notes"]
    assert "the data set's own: is it --input-mean 0.4 0.4 0.4 --input-std 0.25 0.25 0.25?" in note
    expected = right["accuracy"]
    measure_function(logits, data, dataclasses.replace(TWO_PAIRS, expect_accuracy=round(expected, 2)))
    with pytest.raises(
        SettingError, match="expect_accuracy=0.93: on these images it is 0.*; accuracy on 128 images would"
    ):
        measure_function(logits, data, dataclasses.replace(wrong, expect_accuracy=0.93))


def noisy(images):
    return logits(images) + 0.1 * torch.randn(len(images), CLASSES)


def test_a_network_that_answers_differently_each_time_is_refused_or_its_mean_measured(data):
    state = torch.get_rng_state()
    with pytest.raises(
        SettingError, match=r"two answers to the same images differ by 0\.\d+ of their size.*--answers N"
    ):
        measure_function(noisy, data, TWO_PAIRS)
    assert torch.equal(torch.get_rng_state(), state)
    mean, _ = measure_function(noisy, data, dataclasses.replace(TWO_PAIRS, answers=100))
    again, _ = measure_function(noisy, data, dataclasses.replace(TWO_PAIRS, answers=100))
    assert shares(mean) == shares(again) and torch.equal(torch.get_rng_state(), state)
    plain, _ = measure_function(logits, data, TWO_PAIRS)
    assert shares(mean) == pytest.approx(shares(plain), rel=0.1)
    assert "mean probability of 100 answers" in mean["notes"][0]
    steady, _ = measure_function(logits, data, dataclasses.replace(TWO_PAIRS, answers=3))
    assert steady["notes"] == ["the network answers the same each time: answers=3 is not needed"]
    assert shares(steady) == shares(plain)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_outputs_of_half_precision_hide_no_randomness_but_their_rounding(data, dtype):
    with pytest.raises(SettingError, match="two answers to the same images differ by"):
        measure_function(lambda images: noisy(images).to(dtype), data, MeasureSettings(pairs=1))
    measure_function(lambda images: logits(images).to(dtype), data, MeasureSettings(pairs=1))


def test_outputs_in_float64_of_what_was_computed_in_float32_may_differ_by_its_rounding(data):
    def rounded(images):
        return (logits(images) * (1 + 1e-8 * len(images))).double()

    measure_function(rounded, data, MeasureSettings(pairs=1))


def test_a_network_that_uses_batch_statistics_in_evaluation_is_refused(data):
    with pytest.raises(SettingError, match="depends on the others in the batch: with 32 images instead of 64"):
        measure_function(lambda images: logits(images) - logits(images).mean(0), data, TWO_PAIRS)
    slightly = MeasureSettings(pairs=1)
    with pytest.raises(SettingError, match="depends on the others"):
        measure_function(lambda images: logits(images) * (1 + 1e-6 * len(images)), data, slightly)
    measure_function(lambda images: logits(images) * (1 + 1e-8 * len(images)), data, slightly)


@pytest.mark.parametrize(
    ("wrap", "place"),
    [
        (lambda out: SimpleNamespace(logits=out), "`.logits`, in the SimpleNamespace,"),
        (lambda out: {"logits": out, "loss": None}, "['logits'], in the dict,"),
        (lambda out: {"out": out, "features": torch.zeros(len(out), 9)}, "['out'], in the dict,"),
        (lambda out: (out, torch.zeros(len(out), 17)), "[0], in the tuple,"),
        (lambda out: [torch.zeros(len(out), 5, 8, 8), out], "[1], in the list,"),
    ],
)
def test_logits_are_taken_from_where_they_clearly_are_and_that_is_a_note(data, wrap, place):
    plain, _ = measure_function(logits, data, MeasureSettings(pairs=1))
    record, _ = measure_function(lambda images: wrap(logits(images)), data, MeasureSettings(pairs=1))
    assert shares(record) == shares(plain)
    assert record["notes"] == [f"the logits are {place} of what the network returns"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda images: (logits(images), logits(images)), r"gives a tuple of 0: \(64, 4\), 1: \(64, 4\), not a tensor"),
        (lambda images: {}, "gives a dict, not a tensor of logits"),
        (lambda images: None, "gives a NoneType, not a tensor"),
        (lambda images: logits(images).argmax(1), r"outputs of shape \(\) per image"),
        (
            lambda images: logits(images) @ torch.zeros(3, 3),
            r"network fails on images of .*RuntimeError.*test_answers.py",
        ),
    ],
)
def test_an_answer_that_holds_no_clear_logits_is_refused_in_one_line(data, answer, said):
    with pytest.raises(SettingError, match=said) as error:
        measure_function(answer, data, MeasureSettings(pairs=1))
    assert "\n" not in str(error.value)
