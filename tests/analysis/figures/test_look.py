"""Colours: nobody takes one thing for another, whatever colours they see."""

from itertools import combinations

import matplotlib.colors
import numpy as np

from analysis.figures.look import COLOURS, styles

# Machado, Oliveira and Fernandes 2009: what is seen without the middle, and without the long cones, in linear RGB
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def seen(colour, eye):
    """A colour in CIELAB as an eye sees it; two that are 10 apart are told apart at a glance."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.asarray(TO_XYZ) @ np.clip(np.asarray(eye) @ linear, 1e-3, 1) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_no_two_colours_are_taken_for_each_other_by_the_colour_blind():
    for eye in (np.eye(3), DEUTERANOPIA, PROTANOPIA):
        for one, other in combinations([*COLOURS, "black"], 2):
            assert np.linalg.norm(seen(one, eye) - seen(other, eye)) > 10, (one, other)


def test_no_two_interventions_share_a_colour():
    looks = styles({"baseline", *(f"intervention {i}" for i in range(len(COLOURS)))})
    assert len({look.colour for look in looks.values()}) == len(looks) == 21
    assert looks["baseline"].colour == "black"


def test_of_more_things_than_colours_none_looks_like_another():
    looks = styles(f"thing {i}" for i in range(60))
    assert len(set(looks.values())) == 60
