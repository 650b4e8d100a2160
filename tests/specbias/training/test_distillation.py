"""What a student is taught: the paper's mixture, by a network that stays as it is; and which teachers are refused."""

import json
from dataclasses import replace

import pytest
import torch

from specbias.data import load_data
from specbias.models import build_model
from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from specbias.training.check import check_config, complete_config, teacher_of
from specbias.training.distillation import build_distillation, load_teacher
from specbias.training.train import new_state, train
from specbias.trials.trial import run_trial
from sweeps import cifar, label_noise


def network(seed, **settings):
    torch.manual_seed(seed)
    return build_model("small_cnn", **{"num_classes": 10, "image_size": 32, "width": 4} | settings)


@pytest.fixture
def taught(small, tmp_path):
    """A function that makes the config of a student whose teacher is a network of its own architecture, in a file."""
    torch.save(network(1).state_dict(), tmp_path / "teacher.pt")

    def make(**settings):
        return complete_config(small(generation=1, teacher=str(tmp_path / "teacher.pt"), **settings))

    return make


@pytest.fixture
def saved(small, tmp_path):
    """A finished trial: its config and the folder it was saved to."""
    config = complete_config(small(epochs=1))
    for state, _ in run_trial(config):
        state.save(tmp_path)
    return config, tmp_path


def weights(state):
    return torch.cat([v.flatten() for v in state.model.state_dict().values() if v.is_floating_point()])


def trained(config, data=None):
    torch.manual_seed(7)
    state = new_state(network(2), config)
    for _ in train(state, data or load_data(config), distil=build_distillation(config)):
        pass
    return weights(state)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_target_is_the_papers_mixture_of_label_and_teacher(taught, share):
    images, targets = torch.randn(6, 3, 32, 32), torch.eye(10)[:6]
    found = build_distillation(taught(distillation=share))(images, targets)
    with torch.no_grad():
        exponentials = network(1).eval()(images).double().exp()
    expected = (1 - share) * targets + share * exponentials / exponentials.sum(1, keepdim=True)
    assert torch.allclose(found, expected.float(), atol=1e-6)
    assert torch.equal(targets, torch.eye(10)[:6])


def test_a_student_of_the_teacher_alone_never_sees_a_label(taught):
    config = taught(distillation=1.0)
    data = load_data(config)
    other = replace(data, train=data.train._replace(labels=data.train.labels.flip(0)))
    assert torch.equal(trained(config, data), trained(config, other))
    half = taught(distillation=0.5)
    assert not torch.equal(trained(half, data), trained(half, other))


def test_the_teacher_stays_as_it_is(taught, monkeypatch):
    config = taught()
    teacher = load_teacher(config)
    monkeypatch.setattr("specbias.training.distillation.load_teacher", lambda config: teacher)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    trained(config)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not teacher.training and all(p.grad is None and not p.requires_grad for p in teacher.parameters())


def test_generation_0_is_no_distillation_and_a_tiny_share_next_to_none(small, taught):
    assert build_distillation(complete_config(small())) is None
    student = taught(distillation=1e-6, epochs=1)
    state = new_state(network(2), student)
    list(train(state, load_data(student)))  # with the student's own random streams, and no teacher
    assert torch.allclose(trained(student), weights(state), atol=1e-3)


def test_a_student_starts_elsewhere_than_its_teacher_and_learns_from_the_same_images(small, saved):
    config, folder = saved
    student = complete_config(replace(config, generation=1, teacher=str(folder)))
    first, second = (next(run_trial(replace(c, epochs=1)))[0] for c in (config, student))
    assert not torch.equal(weights(first), weights(second))
    assert torch.equal(load_data(config).train.images, load_data(student).train.images)


def test_a_student_is_stopped_and_resumed_like_any_trial(taught, tmp_path):
    config = taught(measurement_epochs=(1, 2))
    whole = []
    for state, measurement in run_trial(config):
        whole.append(measurement.metrics)
        if state.epoch == 1:
            state.save(tmp_path)
    assert [measurement.metrics for _, measurement in run_trial(config, tmp_path)] == whole[1:]


def test_each_generation_is_taught_by_the_one_before(small):
    third = complete_config(small(generation=3, cutout=4))
    second, first = teacher_of(third), teacher_of(teacher_of(third))
    alone = teacher_of(first)
    assert [c.generation for c in (third, second, first, alone)] == [3, 2, 1, 0]
    assert [c.teacher_id for c in (third, second, first, alone)] == [
        second.trial_id,
        first.trial_id,
        alone.trial_id,
        None,
    ]
    assert alone == complete_config(small(cutout=4)) and teacher_of(alone) is None


def test_a_study_plans_a_student_with_the_identity_that_its_teacher_has():
    for study in (cifar.STUDY, label_noise.STUDY):
        student = study.kind.complete(TrialConfig(generation=2, **study.presets["quick"].settings))
        teacher = study.kind.teacher(student)
        assert student.teacher_id == teacher.trial_id == study.kind.complete(teacher).trial_id


def test_paths_within_a_class_are_those_of_the_labels_and_not_of_the_teacher(taught, monkeypatch):
    seen = []

    def penalty(model, images, targets, generator):
        seen.append(targets)
        return targets.new_zeros(())

    monkeypatch.setattr("specbias.training.train.build_penalties", lambda config: {"spy": penalty})
    trained(taught(epochs=1, label_smoothing=0.0))
    assert all(set(targets.flatten().tolist()) == {0.0, 1.0} for targets in seen)


def test_a_students_identity_holds_its_teachers_and_not_where_that_is(small, taught, tmp_path):
    one, other = (complete_config(small(generation=1, **settings)) for settings in ({}, {"seed": 1}))
    assert one.teacher_id != other.teacher_id and replace(one, teacher_id="0" * 12).trial_id != one.trial_id
    (tmp_path / "moved.pt").write_bytes((tmp_path / "teacher.pt").read_bytes())
    moved = complete_config(small(generation=1, teacher=str(tmp_path / "moved.pt")))
    assert moved.teacher != taught().teacher and moved.trial_id == taught().trial_id
    torch.save(network(3).state_dict(), tmp_path / "moved.pt")
    assert complete_config(small(generation=1, teacher=str(tmp_path / "moved.pt"))).trial_id != moved.trial_id


def test_a_finished_trials_folder_teaches_another_architecture(saved, small):
    config, folder = saved
    for place in (folder, folder / "weights.pt"):
        student = complete_config(small(model="resnet18", width=2, generation=1, teacher=str(place)))
        assert student.teacher == str(folder) and student.teacher_id == config.trial_id
        assert type(load_teacher(student)).__name__ == "SmallCNN"


@pytest.mark.parametrize(
    ("record", "settings", "said"),
    [
        ({"epoch": 0}, {}, "it is at epoch 0 of 1, and only a finished trial teaches"),
        ({}, {"dataset": "cifar10"}, "it has learned cifar10, this trial is to learn digits"),
    ],
)
def test_a_saved_trial_that_cannot_teach_is_refused_without_looking_at_its_weights(saved, record, settings, said):
    config, folder = saved
    student = complete_config(replace(config, generation=1, teacher=str(folder)))
    old = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(old | record | {"settings": old["settings"] | settings}))
    with pytest.raises(SettingError, match=said) as error:
        check_config(student)
    assert "\n" not in str(error.value)


def test_another_trial_than_the_one_that_was_planned_does_not_teach(saved):
    config, folder = saved
    student = complete_config(replace(config, generation=1, teacher=str(folder)))
    with pytest.raises(SettingError, match="it is not the teacher that this trial is planned with, 000000000000"):
        load_teacher(replace(student, teacher_id="0" * 12))
    (folder / "weights.pt").unlink()
    with pytest.raises(SettingError, match="its weights.pt is gone"):
        check_config(student)


def test_a_file_that_cannot_teach_is_refused_before_anything_is_trained(small, tmp_path):
    file = tmp_path / "teacher.pt"
    with pytest.raises(SettingError, match="teacher=.*: there is no file of weights that can be read, and"):
        complete_config(small(generation=1, teacher=str(file)))
    torch.save(network(1, num_classes=100).state_dict(), file)
    student = complete_config(small(generation=1, teacher=str(file)))
    with pytest.raises(SettingError, match=r"does not fit the model \(of another shape: classifier.bias \(100,\) for"):
        next(run_trial(student))
    file.write_text("no weights")
    with pytest.raises(SettingError, match="it is not the teacher that this trial is planned with"):
        load_teacher(student)
    with pytest.raises(SettingError, match="no file of weights that torch loads safely"):
        load_teacher(complete_config(small(generation=1, teacher=str(file))))
    (tmp_path / "state.json").write_text("[]")
    for place in (tmp_path, "~nobody-of-this-name/weights.pt"):
        with pytest.raises(SettingError, match="its state.json is not that|there is no file of weights"):
            complete_config(small(generation=1, teacher=str(place)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"teacher": "somewhere"}, "teacher=somewhere: nothing is taught at generation=0; its student is generation=1"),
        ({"generation": 1, "distillation": 0}, "distillation=0.0: must be above 0 and at most 1"),
        ({"generation": 21}, "generation=21: must be from 0 to 20"),
        ({"generation": 1}, "generation=1: whose student?"),
    ],
)
def test_settings_that_make_no_student_are_refused(settings, said):
    with pytest.raises(SettingError, match=said):
        check_config(TrialConfig(**settings))


def test_the_student_of_a_teacher_of_ones_own_is_generation_1(saved):
    config, folder = saved
    with pytest.raises(SettingError, match="teacher=.*: its student is generation=1, not 2"):
        complete_config(replace(config, generation=2, teacher=str(folder)))


def test_a_student_whose_teacher_is_nowhere_says_what_to_name(small):
    with pytest.raises(SettingError, match="generation=1: the teacher is trial .*; name the folder"):
        next(run_trial(complete_config(small(generation=1))))
