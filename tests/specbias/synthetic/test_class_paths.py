"""Paths that stay in a class: on functions whose classes have a known shape, against plain numpy, and on a network."""

import math

import numpy as np
import pytest
import torch

from specbias.settings import SettingError
from specbias.synthetic.adversarial import make_adversarials
from specbias.synthetic.class_paths import run_class_paths
from specbias.synthetic.classifier import Classifier, class_logit, class_margin
from specbias.synthetic.config import ClassPathsConfig
from specbias.synthetic.elastic_band import (
    Paths,
    auto_neb,
    insert_pivots,
    lowest_values,
    orthogonal,
    relax,
    straight_paths,
    tangents,
)


def classifier(logits, dimensions=2, *, box=100.0, batch_size=7):
    edge = torch.full((dimensions,), box)
    return Classifier(logits, -edge, edge, batch_size)


def ring(points):
    """Class 0 is the ring of radii 0.7 to 1.3, class 1 all else."""
    return torch.stack((-4 * (points.norm(dim=1) - 1) ** 2, torch.full((len(points),), -0.36)), dim=1)


def on_ring(*degrees):
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack((angles.cos(), angles.sin()), dim=1)


def ragged(generator, sizes=(4, 2, 5), dimensions=3):
    points = torch.randn(sum(sizes), dimensions, generator=generator)
    return Paths(points, torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)))


RING = ClassPathsConfig(neb_learning_rate=0.005, neb_steps=30)
SHAPE = torch.tensor([[1.0, 0.3, -0.2], [0.3, 2.0, 0.1], [-0.2, 0.1, 0.5]])


def hill(points):
    """Class 0 rises towards a point, by the distance in a skewed metric; class 1 is nowhere."""
    return torch.stack((-((points - 0.3) @ SHAPE * (points - 0.3)).sum(dim=1), points[:, 0] * 0 - 99), dim=1)


def test_a_path_bends_with_its_class_where_the_straight_line_leaves_it():
    starts, ends = on_ring(0, 10, 200), on_ring(120, 90, 330)
    classes, model = torch.zeros(3, dtype=torch.long), classifier(ring)
    line, bent = straight_paths(starts, ends, pivots=0), auto_neb(model, starts, ends, classes, config=RING)
    stays = [lowest_values(model, class_margin, p, classes, spacing=0.01) > 0 for p in (line, bent)]
    assert stays[0].tolist() == [False, True, False] and stays[1].all()
    arcs = torch.tensor([120, 80, 130]).deg2rad()
    torch.testing.assert_close(bent.lengths(), arcs, rtol=0.02, atol=0)
    torch.testing.assert_close(line.lengths(), 2 * (arcs / 2).sin())
    first = torch.tensor([0, *(bent.inner[1:] - bent.inner[:-1] > 1).nonzero().flatten().tolist()])
    assert len(first) == 3
    for path in range(3):
        own = bent.points[bent.owner == path]
        assert torch.equal(own[0], starts[path]) and torch.equal(own[-1], ends[path])


def test_along_the_gradient_there_is_nothing_to_bend():
    slope = torch.tensor([[3.0, 4.0], [-1.0, 0.0]])
    starts, classes = torch.tensor([[0.0, 1.0], [1.0, 1.0]]), torch.tensor([0, 0])
    ends = starts + torch.tensor([[0.6], [3.0]]) * slope[0]
    model = classifier(lambda points: points @ slope.T)
    bent = auto_neb(model, starts, ends, classes, config=RING)
    assert torch.allclose(bent.lengths() / (ends - starts).norm(dim=1), torch.ones(2), atol=1e-5)
    assert bent.owner.bincount().tolist() == [7, 7]  # a straight loss calls for no more pivots
    assert (lowest_values(model, class_margin, bent, classes, spacing=0.1) > 0).all()


def test_a_pivot_moves_across_its_path_and_never_along_it():
    paths, model = ragged(torch.Generator().manual_seed(0)), classifier(hill, 3)
    classes = torch.zeros(3, dtype=torch.long)
    losses = -class_logit(hill(paths.points), classes[paths.owner])
    along = tangents(paths.points, paths.inner, losses)
    moved = relax(model, paths, classes, config=ClassPathsConfig(neb_steps=1, neb_learning_rate=0.1))
    steps = (moved.points - paths.points)[paths.inner]
    assert steps.norm(dim=1).min() > 0.01
    assert (steps * along).sum(dim=1).abs().max() < 1e-6
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(orthogonal(vectors, along[:5]) + (vectors * along[:5]).sum(1)[:, None] * along[:5], vectors)


def test_many_paths_move_as_each_would_alone_in_numpy():
    paths, shape = ragged(torch.Generator().manual_seed(2)), SHAPE.double().numpy()
    config = ClassPathsConfig(neb_steps=6, neb_learning_rate=0.02, neb_momentum=0.8)
    moved = relax(classifier(hill, 3), paths, torch.zeros(3, dtype=torch.long), config=config)

    def loss(x):
        return (x - 0.3) @ shape @ (x - 0.3)

    for path in range(3):
        points = paths.points[paths.owner == path].double().numpy().copy()
        velocity = np.zeros_like(points)
        for _ in range(6):
            before = points.copy()
            for i in range(1, len(points) - 1):
                up = loss(before[i + 1]) > loss(before[i - 1])
                tangent = before[i + 1] - before[i] if up else before[i] - before[i - 1]
                tangent /= np.linalg.norm(tangent)
                gradient = 2 * shape @ (before[i] - 0.3)
                velocity[i] = 0.8 * velocity[i] + gradient - gradient @ tangent * tangent
                points[i] = before[i] - 0.02 * velocity[i]
        np.testing.assert_allclose(moved.points[moved.owner == path], points, rtol=1e-4, atol=1e-5)


def test_lengths_and_places_on_a_path_are_those_of_numpy():
    paths = ragged(torch.Generator().manual_seed(3))
    shares = torch.tensor([0.0, 0.1, 0.37, 0.5, 0.99, 1.0])
    for path, length in enumerate(paths.lengths()):
        points = paths.points[paths.owner == path].numpy()
        passed = np.concatenate(([0], np.cumsum(np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1)))))
        assert length.item() == pytest.approx(passed[-1])
        places = [np.interp(shares * passed[-1], passed, points[:, i]) for i in range(3)]
        np.testing.assert_allclose(paths.along(path, shares), np.stack(places, axis=1), atol=1e-5)


def test_the_lowest_value_is_found_between_pivots_where_samples_are_close_enough():
    def dip(points):
        return torch.stack((1 - 2 * ((points[:, 0] - 0.53).abs() < 0.02).float(), 0 * points[:, 0]), dim=1)

    starts, ends = torch.zeros(3, 2), torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 1.0]])
    paths, classes = straight_paths(starts, ends, pivots=1), torch.tensor([0, 0, 0])
    close, coarse = (
        lowest_values(classifier(dip), class_margin, paths, classes, spacing=spacing) for spacing in (0.03, 10)
    )
    assert close.tolist() == [-1, 1, 1] and coarse.tolist() == [1, 1, 1]
    twin = ragged(torch.Generator().manual_seed(4))
    for path, lowest in enumerate(lowest_values(classifier(hill, 3), class_logit, twin, classes, spacing=0.2)):
        points = twin.points[twin.owner == path]
        found = []
        for a, b in zip(points[:-1], points[1:], strict=True):
            count = math.ceil((b - a).norm().item() / 0.2)
            found += [hill((a + (b - a) * k / count)[None])[0, 0] for k in range(count + 1)]
        assert lowest.item() == pytest.approx(min(found).item(), rel=1e-5)


def test_a_pivot_is_put_where_the_logit_sags_and_nowhere_else():
    def valley(points):
        x, y = points.T
        return torch.stack((x - 5 * (1 - 4 * (x - 0.7).abs()).clamp(min=0) * (y > 0.5), 0 * x), dim=1)

    starts, ends = torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    paths, classes = straight_paths(starts, ends, pivots=0), torch.tensor([0, 0])
    found = insert_pivots(classifier(valley), paths, classes, threshold=0.2)
    assert found.owner.tolist() == [0, 0, 1, 1, 1]
    assert torch.allclose(found.points[found.inner], torch.tensor([[0.7, 1.0]]))
    assert torch.equal(found.points[[0, 1, 2, 4]], paths.points)
    assert insert_pivots(classifier(valley), paths, classes, threshold=2).owner.tolist() == [0, 0, 1, 1]


def test_how_many_points_go_through_the_network_at_once_changes_nothing():
    starts, ends, classes = on_ring(0, 10, 200), on_ring(120, 90, 330), torch.zeros(3, dtype=torch.long)
    few, many = (auto_neb(classifier(ring, batch_size=b), starts, ends, classes, config=RING) for b in (2, 1000))
    assert torch.equal(few.owner, many.owner) and torch.allclose(few.points, many.points, atol=1e-5)


def test_pivots_and_adversarials_stay_in_the_box():
    model, classes = classifier(hill, 3, box=0.2), torch.tensor([0])
    starts, ends = torch.tensor([[-0.2, -0.2, 0.2]]), torch.tensor([[0.2, -0.2, -0.2]])
    bent = auto_neb(model, starts, ends, classes, config=RING)
    assert bent.points.abs().max() <= 0.2 and (bent.points[bent.inner] == 0.2).any()
    config = ClassPathsConfig(attack_step=0.3, attack_margin=1000.0)
    points, reached = make_adversarials(model, starts, classes, config=config)
    assert points.abs().max() <= 0.2 and not reached.any()


def test_adversarials_are_the_first_steps_across_a_known_boundary_and_failures_are_told():
    normal = torch.tensor([0.6, 0.8])

    def halves(points):
        return torch.stack((points @ normal, 0 * points[:, 0]), dim=1)

    distances = torch.tensor([0.05, 0.95, 2.45, 3.05, 0.55])
    starts, classes = -distances[:, None] * normal, torch.tensor([0, 0, 0, 0, 1])
    config = ClassPathsConfig(attack_step=0.1, attack_radius=2.95, attack_steps=40)
    points, reached = make_adversarials(classifier(halves, batch_size=2), starts, classes, config=config)
    assert reached.tolist() == [True, True, True, False, True]
    expected = torch.tensor([0.1, 1.0, 2.5, 2.95, 0.0])  # the fourth is out of reach, the last is there already
    assert torch.allclose(points, starts + expected[:, None] * normal, atol=1e-5)
    assert torch.equal(class_margin(halves(points), classes) > 0, reached)
    for steps, second in ((9, False), (10, True)):
        short = ClassPathsConfig(attack_step=0.1, attack_steps=steps)
        _, reached = make_adversarials(classifier(halves), starts, classes, config=short)
        assert reached.tolist() == [True, second, False, False, True]
    led = ClassPathsConfig(attack_step=0.1, attack_margin=1.0)
    points, reached = make_adversarials(classifier(halves), starts[:3], classes[:3], config=led)
    assert reached.all() and (class_margin(halves(points), classes[:3]) > 1).all()


def test_margins_are_by_how_much_the_class_leads():
    logits = torch.tensor([[3.0, 1.0, 2.5], [0.0, -4.0, 1.0]])
    assert class_margin(logits, torch.tensor([0, 1])).tolist() == [0.5, -5.0]


def test_weights_are_the_identity_of_a_network_and_not_their_place(tmp_path, monkeypatch):
    with pytest.raises(SettingError, match="checkpoint=none: name a trained wrn_28_2's .* sweeps/cifar.py .* wrn_28_2"):
        ClassPathsConfig(model="wrn_28_2").identified()
    with pytest.raises(SettingError, match="w.pt: No such file"):
        ClassPathsConfig(checkpoint=str(tmp_path / "w.pt")).identified()
    for name, content in {"a": b"1", "b": b"1", "c": b"2"}.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (ClassPathsConfig(checkpoint=str(tmp_path / name)).identified() for name in "abc")
    assert a.trial_id == b.trial_id != c.trial_id and a.identified() == a
    monkeypatch.chdir(tmp_path)
    assert ClassPathsConfig(checkpoint="a").identified() == a
    (tmp_path / "a").write_bytes(b"3")
    with pytest.raises(SettingError, match="holds weights .*, not"):
        a.identified()


@pytest.mark.slow
def test_a_trained_networks_pairs_are_counted_and_their_examples_agree(small, tmp_path):
    from specbias.data import load_data
    from specbias.trials.trial import run_trial

    settings = {"width": 8, "train_size": None, "batch_size": 50, "epochs": 6, "probe_pairs": 0}
    for state, _ in run_trial(small(**settings)):
        state.save(tmp_path)
    config = ClassPathsConfig(
        model="small_cnn",
        model_args='{"width": 8}',
        checkpoint=str(tmp_path / "weights.pt"),
        dataset="digits",
        images_per_class=2,
        adversarials_per_class=2,
        attack_steps=30,  # too few for all
        neb_learning_rate=0.03,
        neb_steps=5,
        spacing=1.0,
        threads=1,
    )
    ((_, measurement),) = run_class_paths(config)
    found, metrics = measurement.arrays, measurement.metrics
    reached = np.bincount(found["tried_classes"], weights=found["tried_reached"], minlength=10)
    assert 0 < metrics["synthetic/adversarial_failures"] == 20 - reached.sum() < 20
    assert np.array_equal(np.bincount(found["classes"], minlength=10), 2 * reached)
    assert metrics["synthetic/pairs"] == len(found["connected"]) == len(found["images"])
    assert metrics["synthetic/connected"] == found["connected"].mean() >= metrics["synthetic/connected_straight"]
    assert (found["length_ratio"] > 1).all() and np.array_equal(found["connected"], found["lowest_margin"] > 0)

    labels, images = (part.numpy() for part in load_data(small(train_size=None)).train[::-1])
    assert np.array_equal(labels[found["images"][:, 0]], found["classes"])
    assert (labels[found["images"][:, 1]] != found["classes"]).all()
    chosen = found["example_pairs"]
    for suffix in ("", "_straight"):
        margins = found[f"example_margins{suffix}"]
        assert (margins[:, [0, -1]] > 0).all()
        assert np.array_equal((margins > 0).all(axis=1), found[f"connected{suffix}"][chosen])
        np.testing.assert_array_equal(found[f"example_images{suffix}"][:, 0], images[found["images"][chosen, 0]])
