"""Which operations images get, against the paper's lists: every outcome by PIL, and how often it comes."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, RandAugment

from specbias.training import augmentation_policies as policies
from specbias.training import pixel_operations

FILL = (125, 123, 114)
MEAN_COLOUR = torch.tensor(FILL, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def one_thread(threads):
    torch.set_num_threads(1)


def move(image, *matrix):
    return image.transform(image.size, Image.AFFINE, matrix, fillcolor=FILL)


# "Spectral Bias in Practice", section 4: name -> twin(image, level, sign)
TWINS = {
    "Identity": lambda image, level, sign: image,
    "AutoContrast": lambda image, level, sign: ImageOps.autocontrast(image),
    "Equalize": lambda image, level, sign: ImageOps.equalize(image),
    "Invert": lambda image, level, sign: ImageOps.invert(image),
    "Solarize": lambda image, level, sign: ImageOps.solarize(image, 256 - int(25.6 * level)),
    "Posterize": lambda image, level, sign: ImageOps.posterize(image, 4 - int(0.4 * level)),
    "Color": lambda image, level, sign: ImageEnhance.Color(image).enhance(0.18 * level + 0.1),
    "Contrast": lambda image, level, sign: ImageEnhance.Contrast(image).enhance(0.18 * level + 0.1),
    "Brightness": lambda image, level, sign: ImageEnhance.Brightness(image).enhance(0.18 * level + 0.1),
    "Sharpness": lambda image, level, sign: ImageEnhance.Sharpness(image).enhance(0.18 * level + 0.1),
    "Rotate": lambda image, level, sign: image.rotate(sign * int(3 * level), fillcolor=FILL),
    "ShearX": lambda image, level, sign: move(image, 1, sign * 0.03 * level, 0, 0, 1, 0),
    "ShearY": lambda image, level, sign: move(image, 1, 0, 0, sign * 0.03 * level, 1, 0),
    "TranslateX": lambda image, level, sign: move(image, 1, 0, sign * int(level), 0, 1, 0),
    "TranslateY": lambda image, level, sign: move(image, 1, 0, 0, 0, 1, sign * int(level)),
}


def scene():
    """An image on which no two operations agree by chance: a gradient with noise."""
    generator = torch.Generator().manual_seed(0)
    ramp = 40 + 4 * torch.arange(32).view(1, 1, 32) + torch.arange(32).view(1, 32, 1)
    return (ramp + torch.randint(30, (3, 32, 32), generator=generator)).byte()


def picture(image):
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def key(image):
    return np.asarray(image).tobytes()


def held_to(policy, expected, count):
    """Every outcome is expected, and as often as expected; outcomes to come less than five times are one."""
    found = defaultdict(int)
    pixels = policy(scene().repeat(count, 1, 1, 1), torch.Generator().manual_seed(0))
    for image in pixels.permute(0, 2, 3, 1).contiguous().numpy():
        found[image.tobytes()] += 1
    assert set(found) <= set(expected)
    assert sum(expected.values()) == pytest.approx(1)
    often = [outcome for outcome, probability in expected.items() if count * probability >= 5]
    counts = [[values[outcome] * scale for outcome in often] for values, scale in ((found, 1), (expected, count))]
    rest = [count - sum(part) for part in counts]
    if rest[1] > 1:
        counts = [[*part, left] for part, left in zip(counts, rest, strict=True)]
    assert stats.chisquare(counts[0], np.array(counts[1]) * sum(counts[0]) / sum(counts[1])).pvalue > 0.01


def test_randaugment_draws_each_of_the_papers_14_operations_equally_often():
    expected = defaultdict(float)
    for name, sign in itertools.product(TWINS, (-1, 1)):
        if name != "Invert":
            expected[key(TWINS[name](picture(scene()), 4.0, sign))] += 1 / 28
    policy = policies.random_operations(4.0, layers=1, fill=MEAN_COLOUR)
    held_to(policy, expected, 2800)


def test_randaugment_layers_follow_each_other():
    expected = defaultdict(float)
    for first, second in itertools.product(itertools.product(TWINS, (-1, 1)), repeat=2):
        if "Invert" not in (first[0], second[0]):
            once = TWINS[first[0]](picture(scene()), 4.0, first[1])
            expected[key(TWINS[second[0]](once, 4.0, second[1]))] += 1 / 28**2
    policy = policies.random_operations(4.0, layers=2, fill=MEAN_COLOUR)
    held_to(policy, expected, 3000)


def test_autoaugment_draws_its_sub_policies_equally_often_and_their_steps_by_their_probabilities():
    expected = defaultdict(float)
    pairs = AutoAugment(AutoAugmentPolicy.CIFAR10).policies
    for pair in pairs:
        for done in itertools.product((False, True), repeat=2):
            for signs in itertools.product((-1, 1), repeat=2):
                image, probability = picture(scene()), 1 / len(pairs) / 4
                for (name, chance, level), does, sign in zip(pair, done, signs, strict=True):
                    image = TWINS[name](image, level or 0, sign) if does else image
                    probability *= chance if does else 1 - chance
                expected[key(image)] += probability
    held_to(policies.sub_policies(fill=MEAN_COLOUR), expected, 4000)


def outcomes(policy, count):
    """How often each image comes out of the policy."""
    pixels = policy(unrounded().repeat(count, 1, 1, 1), torch.Generator().manual_seed(0))
    return Counter(image.tobytes() for image in pixels.permute(0, 2, 3, 1).contiguous().numpy())


def outcomes_of_torchvision(transform, count):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Counter(key(transform(picture(unrounded()))) for _ in range(count))


def unrounded():
    """The scene without multiples of five: two fifths of them are whole, and torchvision takes 0.39999998."""
    return scene() + (scene() % 5 == 0)


@pytest.mark.parametrize("magnitude", [0, 1, 9, 14, 22, 30])
def test_torchvisions_amounts_make_torchvisions_images(magnitude):
    """All 28 of them at least once, by either, and no others."""
    policy = policies.random_operations(magnitude / 3, layers=1, fill=MEAN_COLOUR, source="torchvision")
    twin = outcomes_of_torchvision(RandAugment(num_ops=1, magnitude=magnitude, fill=FILL), 400)
    assert set(outcomes(policy, 400)) == set(twin)


@pytest.mark.parametrize("found_on", ["CIFAR10", "IMAGENET"])
def test_torchvisions_sub_policies_make_torchvisions_images_as_often(found_on):
    policy = policies.sub_policies(fill=MEAN_COLOUR, source="torchvision", found_on=found_on)
    twin = outcomes_of_torchvision(AutoAugment(AutoAugmentPolicy[found_on], fill=FILL), 1000)
    found = outcomes(policy, 1000)
    often = [outcome for outcome in twin | found if twin[outcome] + found[outcome] >= 16]
    counts = [[part[outcome] for outcome in often] for part in (twin, found)]
    assert len(often) > 15 and min(map(min, counts)) > 0
    assert stats.chi2_contingency(counts).pvalue > 0.01


def test_torchvisions_magnitude_is_a_strength_and_the_codes_is_none():
    """At next to none of it two of 14 operations change an image that has no white, but for one level of rounding."""

    def changed(magnitude, source):
        policy = policies.random_operations(magnitude, layers=1, fill=MEAN_COLOUR, source=source)
        found = policy(scene().repeat(1000, 1, 1, 1), torch.Generator().manual_seed(0))
        return (found.float() - scene()).flatten(1)

    def share(magnitude, source):
        return (changed(magnitude, source).abs().amax(dim=1) > 1).float().mean()

    assert share(0.01, "torchvision") == pytest.approx(2 / 14, abs=0.04)
    assert share(0.01, "code") == pytest.approx(7 / 14, abs=0.04)
    rising = [changed(magnitude, "torchvision").norm(dim=1).mean() for magnitude in (0.01, 1, 2, 4, 6, 8, 10)]
    assert rising == sorted(rising)


def test_next_to_no_image_comes_out_blank():
    """Of torchvision's less than one in 300; of the code's an eighth at 10, where posterizing leaves no bit."""

    def blank(magnitude, source):
        policy = policies.random_operations(magnitude, layers=3, fill=MEAN_COLOUR, source=source)
        found = policy(scene().repeat(2000, 1, 1, 1), torch.Generator().manual_seed(0))
        return (found.amax((2, 3)) == found.amin((2, 3))).all(1).float().mean()

    for magnitude in (0.01, 10.0):
        assert blank(magnitude, "torchvision") <= 0.003
    assert blank(4.0, "code") == 0
    assert blank(10.0, "code") == pytest.approx(0.137, abs=0.02)


@pytest.mark.parametrize("size", [28, 32, 64, 224])
def test_translations_are_a_share_of_the_image_in_torchvision_and_ten_pixels_in_the_code(size):
    columns = torch.arange(size).expand(1, 3, size, size).byte()

    def furthest(table):
        choice = table["TranslateX"]
        return int(choice.operation(columns, choice.amount(torch.tensor([10.0], dtype=torch.float64)))[0, 0, 0, 0])

    assert furthest(policies.torchvision_choices(fill=MEAN_COLOUR, size=size)) == int(size * 150 / 331)
    assert furthest(policies.choices(fill=MEAN_COLOUR)) == 10


def test_augmix_mixes_chains_of_one_to_three_operations_by_its_distributions(monkeypatch):
    """With inversion as the only operation, black becomes 255 m times the weights of the chains of odd length."""
    made = policies.choices

    def inversion(**settings):
        identity, invert = (made(**settings)[name] for name in ("Identity", "Invert"))
        return {"Identity": identity, "Equalize": invert, "Rotate": invert}

    monkeypatch.setattr(policies, "choices", inversion)
    black = torch.zeros(30_000, 3, 1, 1, dtype=torch.uint8)
    found = policies.augment_and_mix(3.0)(black, torch.Generator().manual_seed(0))
    assert torch.equal(found, found[:, :1].expand_as(found))
    random = np.random.default_rng(0)
    odd = random.integers(1, 4, (200_000, 3)) % 2
    twins = 255 * random.beta(1, 1, 200_000) * (random.dirichlet((1, 1, 1), 200_000) * odd).sum(axis=1)
    assert stats.ks_2samp(found[:, 0, 0, 0].numpy(), twins).pvalue > 0.01


def test_augmix_draws_its_levels_between_a_tenth_and_the_severity(monkeypatch):
    seen = []
    made = policies.choices

    def watched(**settings):
        def watch(images, amounts):
            seen.append(amounts)
            return images

        return {"Identity": made(**settings)["Identity"], "Equalize": policies.Choice(watch, lambda levels: levels)}

    monkeypatch.setattr(policies, "choices", watched)
    policies.augment_and_mix(3.0)(scene().repeat(500, 1, 1, 1), torch.Generator().manual_seed(0))
    assert stats.kstest(torch.cat(seen), stats.uniform(0.1, 2.9).cdf).pvalue > 0.01


def test_no_image_is_swapped_with_another():
    images = torch.arange(50, dtype=torch.uint8).view(-1, 1, 1, 1).expand(50, 3, 4, 4)
    table = [policies.Choice(pixel_operations.identity, torch.zeros_like)] * 5
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(5, (50,), generator=generator)
    found = policies.apply_choices(images, table, chosen, torch.zeros(50, dtype=torch.float64), generator)
    assert torch.equal(found, images)
