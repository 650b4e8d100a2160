"""A sweep is a list before it is a job: what each combination of flags plans."""

import dataclasses
import itertools

import pytest

from specbias.settings import SettingError
from specbias.settings.recipes import RECIPES
from sweeps import sinusoids
from sweeps.__main__ import studies
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import about, make_plan

STUDIES = {study.name: study for study in studies().values()}


def plan(gpus=0.0, **options):
    return make_plan(STUDY, Options(**{"quick": True} | options), gpus=gpus, cpus=2)


def test_a_grid_of_interventions_changes_one_setting_at_a_time():
    found = plan(interventions="mixup,train_size")
    assert [found.varied(config) for config in found.trials] == [
        {},
        {"mixup": 0.4},
        *({"train_size": size} for size in (100, 200, 400, 700)),
    ]
    assert [found.label(config) for config in found.trials][:2] == ["baseline", "mixup=0.4"]


def test_the_users_grid_is_the_product_of_its_values_and_replaces_the_interventions():
    found = plan(grid=("width=4,8", "mixup=0,0.5,1"), set=("cutout=2",))
    assert [(c.width, c.mixup) for c in found.trials] == list(itertools.product((4, 8), (0.0, 0.5, 1.0)))
    assert {c.cutout for c in found.trials} == {2}


def test_every_preset_plans_distinct_trials_that_can_run():
    for name, least in (("quick", 15), ("laptop", 12), ("gpu", 30), ("paper", 55)):
        found = plan(quick=False, preset=name)
        assert len({c.trial_id for c in found.trials}) == len(found.trials) >= least
        assert {c.dataset for c in found.trials} == {"digits" if name == "quick" else "cifar10"}


def test_without_a_word_it_is_cifar10_at_a_gpus_budget_where_there_is_one_and_a_laptops_without():
    assert plan(quick=False).preset == "laptop"
    with_gpu = plan(quick=False, gpus=1.0)
    assert with_gpu.preset == "gpu" and with_gpu.gpus_per_trial == 1
    assert with_gpu.base.device == "cuda" and with_gpu.base.precision == "bf16" and with_gpu.base.probe_pairs == 200


def test_quick_is_the_digits_whatever_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECBIAS_DATA_DIR", str(tmp_path))
    found = plan(data_dir=str(tmp_path))
    assert {c.dataset for c in found.trials} == {"digits"}
    assert len(found.trials) >= 8 and min(c.train_size or 992 for c in found.trials) == 100


def test_random_search_draws_distinct_combinations_by_its_seed():
    first, again, other = (plan(search="random", num_samples=9, sweep_seed=seed) for seed in (0, 0, 1))
    assert len(first.trials) == 9
    assert first.trials == again.trials and first.sweep_id == again.sweep_id
    assert first.sweep_id != other.sweep_id


def test_a_new_axis_changes_no_other_axis_draws():
    few = plan(search="random", num_samples=3, grid=("width=1,2,3,4,5,6,7,8,9",))
    more = plan(search="random", num_samples=3, grid=("width=1,2,3,4,5,6,7,8,9", "mixup=0,0.1,0.2"))
    assert [c.width for c in few.trials] == [c.width for c in more.trials]


def test_axes_are_drawn_independently_of_each_other():
    found = plan(search="random", num_samples=20, grid=("width=1,2,3,4,5", "cutout=1,2,3,4,5"))
    assert len({(c.width - c.cutout) % 5 for c in found.trials}) > 2


def test_random_search_can_draw_all_there_is_and_no_more():
    every = plan(search="random", num_samples=6, grid=("width=4,8", "mixup=0,0.5,1"))
    assert {c.trial_id for c in every.trials} == {c.trial_id for c in plan(grid=("width=4,8", "mixup=0,0.5,1")).trials}
    with pytest.raises(SettingError, match="--num-samples 7: must be from 1 to 6"):
        plan(search="random", num_samples=7, grid=("width=4,8", "mixup=0,0.5,1"))


@pytest.mark.slow
def test_random_search_draws_no_two_settings_that_exclude_each_other():
    found = plan(quick=False, preset="paper", search="random", num_samples=40).trials
    assert {bool(c.mixup) + 2 * bool(c.cutmix) for c in found} == {0, 1, 2}
    axes = ("mixup=0,0.5", "cutmix=0,1")
    assert len(plan(search="random", grid=axes).trials) == 3
    with pytest.raises(SettingError, match="--num-samples 4: only 3 combinations go together"):
        plan(search="random", num_samples=4, grid=axes)


def test_levels_that_fall_together_count_once():
    """With the baseline's flip_crop at 0, that intervention has nothing to draw: half the combinations are left."""

    def combinations(*settings):
        with pytest.raises(SettingError, match="must be from 1 to") as error:
            plan(search="random", num_samples=10**9, set=settings)
        return int(str(error.value).split("from 1 to ")[1].split(",")[0])

    assert combinations("flip_crop=0") == combinations() / 2


def test_a_network_of_one_size_is_swept_without_widths():
    found = plan(set=("model=torchvision:resnet18", "width=none"))
    assert {c.width for c in found.trials} == {None} and len(found.trials) >= 12 and "about" in found.description


def test_widths_are_those_that_the_network_can_have():
    found = plan(quick=False, preset="laptop", model="vit")
    assert {c.width for c in found.trials} == {96, 192, 384}


@pytest.mark.parametrize(
    "setting", ["epochs=1", "width=1", "train_size=60", "measurement_epochs=0,20", "batch_size=128"]
)
def test_levels_follow_the_baseline_and_never_leave_what_can_run(setting):
    found = plan(set=(setting,))
    assert all(c.epochs <= found.base.epochs and c.width >= 1 for c in found.trials)
    assert len({c.trial_id for c in found.trials}) == len(found.trials) >= 6


def test_what_is_left_to_the_data_set_and_the_model_is_filled_in_and_so_has_one_identity():
    found = plan(quick=False, preset="laptop", grid=("width=8,16",))
    assert found.base.width == 16 and {c.train_size for c in found.trials} == {45_000}
    assert [found.label(c) for c in found.trials] == ["width=8", "baseline"]


def test_another_model_has_its_own_width_and_another_data_set_its_own_size():
    found = plan(quick=False, preset="laptop", grid=("model=small_cnn,resnet18",))
    assert [(c.model, c.width) for c in found.trials] == [("small_cnn", 16), ("resnet18", 64)]
    assert [found.label(c) for c in found.trials] == ["baseline", "model=resnet18"]
    found = plan(quick=False, preset="laptop", grid=("dataset=cifar10,digits",))
    assert [(c.dataset, c.train_size) for c in found.trials] == [("cifar10", 45_000), ("digits", 992)]


def test_a_trial_that_varies_several_settings_is_called_so():
    found = plan(grid=("width=8,16", "mixup=0,0.5"))
    assert [found.intervention(c) for c in found.trials] == ["baseline", "mixup", "width", "several settings"]
    assert found.label(found.trials[3]) == "width=16 mixup=0.5"


def test_a_small_space_is_drawn_whole_by_default():
    assert len(plan(search="random", interventions="cutout").trials) == 2


def test_a_level_may_be_several_settings_and_goes_by_the_name_of_its_intervention():
    found = plan(quick=False, preset="paper", interventions="train_size,model")
    assert {(c.train_size, c.equal_steps) for c in found.trials} >= {(1000, False), (1000, True)}
    (pyramid,) = (c for c in found.trials if c.model == "pyramid_net")
    assert pyramid.batch_size == 64 and found.intervention(pyramid) == "model"
    assert {found.intervention(c) for c in found.trials} == {"baseline", "train_size", "model", "width"}


def test_a_preset_has_its_repeats_and_the_command_line_others():
    of_preset, one = (plan(quick=False, preset="study", **more) for more in ({}, {"seeds": 1}))
    assert (len(of_preset.trials), len(one.trials)) == (46, 23)
    assert {t.trial_id for t in one.trials} < {t.trial_id for t in of_preset.trials}
    assert len({t.epochs for t in one.trials}) == len({t.width for t in one.trials}) == 5  # a rank correlation each


def test_a_recipe_takes_the_place_of_the_presets_own_and_the_users_word_wins():
    trained = set().union(*RECIPES.values())
    there, papers = (plan(quick=False, preset="paper", recipe=recipe).base for recipe in (None, "paper"))
    elsewhere = plan(quick=False, preset="gpu", recipe="paper", set=("cutout=8",)).base
    assert there == papers
    assert {k for k in trained if getattr(elsewhere, k) != getattr(papers, k)} == {"cutout"} and elsewhere.cutout == 8


def test_seeds_repeat_every_trial_whole_repeats_first():
    found = plan(interventions="mixup", seeds=3)
    assert [(c.seed, c.mixup) for c in found.trials] == [(s, m) for s in range(3) for m in (0.0, 0.4)]
    assert found.label(found.trials[3]) == "mixup=0.4 seed=1"


def test_a_sweeps_identity_is_that_of_its_trials_in_any_order():
    assert plan(interventions="mixup,cutout").sweep_id == plan(interventions="cutout,mixup").sweep_id
    assert plan(interventions="mixup").sweep_id != plan(interventions="cutout").sweep_id


def test_execution_settings_are_the_drivers_and_the_users_word_wins():
    found = plan(gpus=2.0, cpus_per_trial=2, set=("device=cpu", "precision=float32"))
    assert {(c.device, c.precision, c.threads) for c in found.trials} == {("cpu", "float32", 2)}
    found = plan(gpus=2.0, set=("precision=float32",))
    assert {(c.device, c.precision, c.measure_batch) for c in found.trials} == {("cuda", "float32", 2048)}


@pytest.mark.parametrize(
    ("gpus", "asked", "settings", "reserved"),
    [
        (0.0, None, (), 0.0),
        (2.0, None, (), 1.0),
        (2.0, None, ("device=cpu",), 0.0),  # a GPU that no trial uses is not reserved
        (2.0, None, ("device=cpu", "device=cuda"), 1.0),
        (2.0, "auto", (), 1.0),  # until it is measured
        (0.0, "auto", (), 0.0),
        (2.0, "auto", ("device=cpu",), 0.0),
        (2.0, "0.1666", (), 0.1666),
        (2.0, "2", ("device=cpu",), 2.0),
        (2.0, "0", (), 0.0),
    ],
)
def test_a_trial_reserves_what_is_asked_for_or_a_gpu_where_it_uses_one(gpus, asked, settings, reserved):
    found = plan(gpus=gpus, gpus_per_trial=asked, set=settings)
    assert found.gpus_per_trial == reserved
    fit = min(2, gpus / reserved) if reserved else 2
    assert found.concurrent == fit
    assert found.base.device == ("cuda" if reserved and "device=cpu" not in settings[-1:] else "cpu")


def test_shares_are_measured_only_where_a_study_can():
    found = make_plan(sinusoids.STUDY, Options(quick=True, gpus_per_trial="0.5"), gpus=1.0)
    assert found.gpus_per_trial == 0.5
    with pytest.raises(SettingError, match="auto: what a trial of sinusoids takes is not measured; give a number"):
        make_plan(sinusoids.STUDY, Options(quick=True, gpus_per_trial="auto"), gpus=1.0)


@pytest.mark.parametrize(
    ("cpus_per_trial", "gpus_per_trial", "most", "concurrent"),
    [(1, 0, None, 2), (2, 0, None, 1), (1, 0.5, None, 2), (1, 1, None, 1), (1, 0, 1, 1)],
)
def test_the_time_rests_on_as_many_trials_at_once_as_fit(cpus_per_trial, gpus_per_trial, most, concurrent):
    options = {"cpus_per_trial": cpus_per_trial, "gpus_per_trial": gpus_per_trial, "max_concurrent": most}
    found = plan(gpus=1.0, set=("device=cpu",), **options)
    assert found.concurrent == concurrent
    total = sum(STUDY.kind.seconds(c) for c in found.trials)
    assert found.seconds(found.trials) == pytest.approx(total / concurrent)


@pytest.mark.parametrize("name", STUDIES)
def test_a_gpu_is_not_guessed_to_be_faster_for_the_cpu_threads_beside_it(name):
    study = STUDIES[name]
    of_files = name in ("checkpoints", "class_paths")  # nothing is planned without them
    trials = [study.kind.config_class()] if of_files else make_plan(study, Options(quick=True), gpus=0.0, cpus=2).trials

    def seconds(config, device, threads):
        return study.kind.seconds(dataclasses.replace(config, device=device, threads=threads))

    for config in trials:
        assert seconds(config, "cuda", 8) == seconds(config, "cuda", 1)
        assert seconds(config, "cpu", 8) <= seconds(config, "cpu", 1)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "about 5 s"), (89, "about 89 s"), (100, "about 2 min"), (5400, "about 1.5 h"), (200_000, "about 2.3 days")],
)
def test_durations_are_said_as_people_do(seconds, said):
    assert about(seconds) == said
