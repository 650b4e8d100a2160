"""A search is planned without its trials: what it chooses from, what it is to reach, what it may not look at."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import pytest

from specbias import settings as settings_module
from specbias.settings import SettingError
from sweeps import cifar, label_noise
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import ask_trial, make_plan
from sweeps.service.run.optimise import Optimiser


def plan(gpus=0.0, study=cifar.STUDY, **options):
    return make_plan(study, Options(**{"quick": True, "search": "optuna"} | options), gpus=gpus, cpus=2)


def optimiser(plan, sampler=None):
    search = plan.search
    return Optimiser(search.space, sampler=sampler or search.sampler, seed=search.seed, objectives=plan.objectives)


def asked(plan, count, sampler="random"):
    """Ask for so many trials; return the plan with those there are."""
    chooser = optimiser(plan, sampler)
    for _ in range(count):
        found = ask_trial(plan, chooser)
        if found is None:
            break
        plan, _ = found
    return plan


def test_the_studys_own_space_gives_trials_that_can_run_and_only_what_their_branch_has():
    found = asked(plan(), 40)
    assert len({config.trial_id for config in found.trials}) == 40
    for config in found.trials:
        strong = [name for name in ("autoaugment", "randaugment", "augmix") if getattr(config, name)]
        assert len(strong) <= 1 and not (config.mixup and config.cutmix)
        assert config.randaugment or config.randaugment_layers == 3  # a detail of what it does not do
    assert len({config.learning_rate for config in found.trials}) == 40
    assert {config.cutout for config in found.trials} == {0, 4, 8, 12, 16}


def test_a_long_search_hashes_each_trial_once_however_often_it_is_asked_for(monkeypatch):
    hashed = []
    count = SimpleNamespace(sha256=lambda data: hashed.append(data) or hashlib.sha256(data))
    monkeypatch.setattr(settings_module, "hashlib", count)
    found, chooser = plan(), optimiser(plan(), "random")
    before = len(hashed)
    for number in range(1, 31):
        found, _ = ask_trial(found, chooser)
        labels = [found.label(found.by_id[config.trial_id]) for config in found.trials]
        assert len(labels) == len(found.by_id) == number
    assert len(hashed) - before <= 40  # a few suggestions are there already


def test_a_baseline_that_augments_is_no_branch_of_its_own():
    found = asked(plan(set=("flip_crop=1",)), 1)
    base = replace(found.base, augmix=3.0)

    class First:
        """Takes the first of what there is."""

        def suggest_categorical(self, name, choices):
            return choices[0]

        def suggest_float(self, name, low, high, log=False):
            return low

        suggest_int = lambda self, name, low, high, step=1: low  # noqa: E731

    assert cifar.search_space(First(), base)["augmix"] == 0.0


def test_what_set_gives_is_left_out_of_the_studys_space():
    free, fixed = plan(), plan(set=("learning_rate=0.05", "mixup=0.2"))
    found = asked(fixed, 12)
    assert {(config.learning_rate, config.mixup) for config in found.trials} == {(0.05, 0.2)}
    assert len({plan.sweep_id for plan in (free, fixed, plan(set=("mixup=0.0",)))}) == 3


def test_grids_are_categories_and_ranges_are_numbers_of_the_settings_own_kind():
    found = asked(plan(grid=("model=small_cnn,resnet18",), range=("learning_rate=0.01:0.3:log", "width=4:8")), 30)
    assert {config.model for config in found.trials} == {"small_cnn", "resnet18"}
    assert {config.width for config in found.trials} == {4, 5, 6, 7, 8}
    rates = [config.learning_rate for config in found.trials]
    assert all(0.01 <= rate <= 0.3 for rate in rates)
    assert 9 <= sum(rate < 0.01 * 30**0.5 for rate in rates) <= 21  # as many below the geometric mean as above


def test_another_model_has_its_own_width_in_a_search_too():
    found = asked(plan(quick=False, preset="laptop", grid=("model=small_cnn,resnet18",)), 2)
    assert {(config.model, config.width) for config in found.trials} == {("small_cnn", 16), ("resnet18", 64)}


def test_interventions_are_drawn_from_their_levels_and_the_baselines():
    found = asked(plan(quick=False, preset="gpu", interventions="mixup,image_frequency"), 8)
    assert {(config.mixup, config.image_frequency) for config in found.trials} == {
        (mixup, image) for mixup in (0.0, 0.1, 0.4, 1.0) for image in (0.0, 4.0)
    }
    of_models = plan(quick=False, preset="paper", interventions="model")
    assert ("pyramid_net", 64) in {(config.model, config.batch_size) for config in asked(of_models, 10).trials}


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "nsga2", "random"])
def test_a_small_space_is_tried_once_and_then_there_is_no_more(sampler):
    """What excludes each other is not tried at all; the optimiser is told of neither as a result."""
    found = plan(grid=("mixup=0,0.5", "cutmix=0,1"))
    chooser = optimiser(found, sampler)
    for _ in range(3):
        found, suggestion = ask_trial(found, chooser)
        chooser.tell(suggestion, outcome="finished", curve=[(1, {"generalization/validation_accuracy": 0.5})])
    assert {(config.mixup, config.cutmix) for config in found.trials} == {(0, 0), (0.5, 0), (0, 1)}
    assert ask_trial(found, chooser) is None
    states = [trial.state.name for trial in chooser.trials.values()]
    assert states.count("COMPLETE") == 3 and set(states) == {"COMPLETE", "FAIL"}


def test_the_conditions_of_a_study_are_chosen_too():
    study = replace(label_noise.STUDY, objective=cifar.STUDY.objective)
    found = asked(plan(study=study, interventions="cutout"), 20)
    waves = {config.noise_frequency for config in make_plan(study, Options(quick=True), gpus=0.0).trials}
    assert {config.noise_frequency for config in found.trials} == waves and len(waves) > 1


def test_a_trial_that_is_added_has_a_label_and_what_is_varied():
    found = plan(grid=("width=4,8", "mixup=0,0.5"))
    for settings in ({"width": 8, "mixup": 0.0}, {"width": 4, "mixup": 0.0}, {"width": 4, "mixup": 0.5}):
        found = found.with_trial(settings)
    assert [found.label(config) for config in found.trials] == ["baseline", "width=4", "width=4 mixup=0.5"]
    assert [found.intervention(config) for config in found.trials] == ["baseline", "width", "several settings"]
    assert found.waves(found.trials) == [list(found.trials)]
    with pytest.raises(SettingError, match="is in the sweep already"):
        found.with_trial({"width": 4})


def test_a_searchs_identity_is_what_it_is_and_not_how_long_nor_what_it_has_tried():
    first = plan()
    assert asked(first, 3).sweep_id == first.sweep_id == plan(num_samples=99).sweep_id
    others = [
        {"sampler": "gp"},
        {"sweep_seed": 1},
        {"minimise": ("frequency/within_class",)},
        {"maximise": ("frequency/within_class",)},
        {"grid": ("width=4,8",)},
        {"grid": ("width=4,16",)},
        {"range": ("width=4:8",)},
        {"range": ("width=4:8:log",)},
        {"interventions": "mixup"},
        {"scheduler": "asha"},
        {"scheduler": "asha", "grace_epochs": 5},
        {"epochs": 5},
    ]
    assert len({first.sweep_id, *(plan(**each).sweep_id for each in others)}) == 1 + len(others)
    grid = {"search": "grid", "interventions": "mixup"}
    assert plan(**grid).sweep_id != plan(**grid, scheduler="median").sweep_id


def test_a_search_looks_at_validation_images_and_a_sweep_that_feeds_a_fit_as_before():
    found = plan()
    assert found.base.probe_split == "validation" and found.objectives == {"generalization/validation_accuracy": "max"}
    assert {config.probe_split for config in asked(found, 3).trials} == {"validation"}
    assert plan(search="random").base.probe_split == plan(search="grid").base.probe_split == "test"
    with_gpu = plan(quick=False, gpus=1.0).base
    assert with_gpu.probe_pairs == 125  # as many as 500 validation images of a class have room for
    assert plan(quick=False, gpus=1.0, set=("probe_pairs=50", "probe_split=validation")).base.probe_pairs == 50


def test_the_objectives_are_the_users_in_order_and_the_scheduler_goes_by_the_first():
    keys = ("generalization/validation_accuracy", "frequency/between_class")
    found = plan(maximise=keys, minimise=("frequency/within_class",), scheduler="asha")
    assert list(found.objectives.items()) == [*((key, "max") for key in keys), ("frequency/within_class", "min")]
    assert "scheduler: asha by generalization/validation_accuracy (max) from epoch 2 on" in found.description
    assert found.chosen_by == "optuna with asha" and plan(search="grid").chosen_by == "grid"


def test_what_a_search_may_cost_is_said_before_it_starts():
    cheap, dear = plan(price=2.0), plan(price=2.0, num_samples=24)
    hours = 12 * cifar.STUDY.kind.seconds(cheap.base) / 3600
    assert (
        "12 trials, about" in cheap.description and f"{hours:.2g} CPU-core-hours or {2 * hours:.2f} USD" in cheap.cost
    )
    assert f"{4 * hours:.2f} USD" in dear.cost and "USD" not in plan().cost
    shared = plan(quick=False, gpus=2.0, gpus_per_trial=0.5, price=1.0)
    assert f"{0.5 * 12 * cifar.STUDY.kind.seconds(shared.base) / 3600:.2g} GPU-hours" in shared.cost


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sampler": "cma"}, "unknown sampler 'cma'; known: tpe, gp, nsga2, random"),
        ({"scheduler": "pbt"}, "unknown scheduler 'pbt'; known: none, asha, median"),
        ({"scheduler": "asha", "grace_epochs": 20}, "--grace-epochs 20: must be from 1 to 19"),
        ({"grace_epochs": 2}, "--grace-epochs belongs to --scheduler"),
        (
            {"maximise": ("accuracy",)},
            "unknown metric for --maximise 'accuracy'; known: generalization/",
        ),
        ({"minimise": ("generalization/test_loss",)}, "unknown metric for --minimise 'generalization/test_loss': did"),
        ({"maximise": ("frequency/within_class",), "minimise": ("frequency/within_class",)}, "give one of --maximise"),
        ({"search": "grid", "maximise": ("frequency/within_class",)}, "--maximise belongs to --search optuna"),
        ({"search": "random", "sampler": "tpe"}, "--sampler belongs to --search optuna"),
        ({"search": "random", "range": ("width=4:8",)}, "--range belongs to --search optuna"),
        ({"num_samples": 0}, "--num-samples 0: must be at least 1"),
        ({"seeds": 2}, "--seeds belongs to --search grid or random"),
        ({"set": ("probe_split=test",)}, "--set probe_split=test: a search measures the validation images"),
        ({"set": ("probe_split=train",)}, "--set probe_split=train: a search measures the validation images"),
        (
            {"set": ("probe_pairs=6",)},
            "probe_pairs=6: .* 10 probe images of a class of digits's validation .* at most 5",
        ),
        ({"set": ("legacy_split=true",)}, "legacy_split leaves no validation images"),
        ({"set": ("generation=1",)}, "generation=1: a search does not wait for a teacher"),
        ({"grid": ("generation=0,2",)}, "generation=2: a search does not wait for a teacher"),
        ({"preset": "gpu", "quick": False, "interventions": "mixup,generation"}, "does not wait for a teacher"),
        ({"interventions": "none"}, "--interventions none: that leaves a search nothing to choose"),
        ({"interventions": "mixup", "range": ("width=4:8",)}, "give one of --range, --interventions"),
        ({"grid": ("batch_size=25,1",)}, "batch_size=1: must be at least 2"),
        ({"range": ("epochs=0:4",)}, "epochs=0: must be at least 1"),
        ({"range": ("width=4:4",)}, "--range width=4:4: LOW must be below HIGH"),
        ({"range": ("mixup=0:1:log",)}, "--range mixup=0:1:log: LOW must be below HIGH, and above 0"),
        ({"range": ("width=4",)}, "--range width=4: expected width=LOW:HIGH"),
        ({"range": ("width=4:8:ln",)}, "--range width=4:8:ln: expected width=LOW:HIGH"),
        ({"range": ("wdith=4:8",)}, "unknown setting 'wdith'"),
        ({"range": ("model=a:b",)}, "model is no number; give --grid"),
        ({"range": ("equal_steps=0:1",)}, "equal_steps is no number; give --grid"),
        ({"range": ("seed=1:9",)}, "seed is none that a search chooses"),
        ({"range": ("threads=1:2",)}, "threads is none that a search chooses"),
        ({"range": ("width=4:8", "width=8:9")}, "width is given twice"),
        ({"range": ("width=4:8",), "grid": ("width=4",)}, "width is given twice"),
        ({"range": ("width=4:8",), "set": ("width=6",)}, "--set width=6: the search chooses width"),
        ({"grid": ("width=4,8",), "set": ("width=6",)}, "--set width=6: the search chooses width"),
        ({"price": -1.0}, "--price -1: must be at least 0"),
        ({"study": label_noise.STUDY}, "--search optuna: label_noise has no objective"),
        ({"study": label_noise.STUDY, "search": "grid", "scheduler": "asha"}, "label_noise has no objective"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(options, said):
    with pytest.raises(SettingError, match=said) as error:
        plan(**options)
    assert "\n" not in str(error.value)
