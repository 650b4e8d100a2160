"""Code of one's own, in a file: found and refused before any trial, known by its hash, and never run by a mere name."""

import dataclasses
import textwrap

import pytest
import torch

from specbias.models import build_model, look_up_model
from specbias.models.own import check_own
from specbias.settings import SettingError, file_identity, own_code
from specbias.settings.config import TrialConfig
from specbias.settings.measurement import NetworkConfig
from specbias.settings.own_code import identify
from specbias.training.check import check_config, complete_config
from specbias.training.own_intervention import check_own_intervention
from specbias.trials.network import load_network
from specbias.trials.trial import run_trial

NETWORK = """
    from torch import nn

    def make(num_classes, width=4, *, dropout=0.5):
        layers = [nn.Conv2d(3, width, 3, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout)]
        return nn.Sequential(*layers, nn.Linear(width, num_classes))
"""
INTERVENTION = """
    import torch

    def grey(config):
        def apply(images, targets, generator):
            chosen = torch.rand(len(images), 1, 1, 1, generator=generator) < config.own_strength
            return torch.where(chosen.to(images.device), images.mean(dim=1, keepdim=True), images), targets
        return apply
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes a file into the current folder, where nothing else is, and returns its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_code, "_files", {})

    def to(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return to


def parsed(**settings):
    """The settings as the command line gives them."""
    return {name: TrialConfig.parse(name, text) for name, text in settings.items()}


def test_the_identity_is_the_files_wherever_it_is_and_another_where_it_has_changed(write):
    file = write("nets.py", NETWORK)
    first = identify("nets:make", setting="model")
    assert first == identify("nets.py:make", setting="model") == identify(f"{file}:make", setting="model")
    assert first == f"nets:make#{first[-12:]}" and identify(first, setting="model") == first
    moved = write("elsewhere/nets.py", NETWORK)
    assert identify(f"{moved}:make", setting="model") == first
    file.write_text(file.read_text() + "\n# another version\n")
    second = identify("nets:make", setting="model")
    assert second != first and identify(first, setting="model") == first  # which is kept
    identities = {TrialConfig(model=name).trial_id for name in (first, second, "resnet18")}
    assert len(identities) == 3


def test_a_name_with_a_hash_stands_for_that_version_alone(write):
    file = write("nets.py", NETWORK)
    name = identify("nets:make", setting="model")
    own_code._files.clear()
    assert identify(name, setting="model") == name
    own_code._files.clear()
    file.write_text("def make(): pass")
    with pytest.raises(SettingError, match=f"model={name}: nets.py is another version, "):
        identify(name, setting="model")


def test_a_network_is_made_with_what_its_function_has_parameters_for(write):
    write("nets.py", NETWORK)
    name = parsed(model="nets:make")["model"]
    model = build_model(name, num_classes=7, image_size=32)
    assert model[0].out_channels == 4 and model[3].p == 0 and model[4].out_features == 7
    assert build_model(name, num_classes=7, image_size=32, width=16, dropout=0.25)[0].out_channels == 16
    write("plain.py", "from torchvision.models import resnet18\n\ndef make():\n    return resnet18(num_classes=10)\n")
    plain = parsed(model="plain:make")["model"]
    assert look_up_model(plain).width is None
    for refused in ({"width": 8}, {"dropout": 0.1}):
        with pytest.raises(SettingError, match=f"{next(iter(refused))}=.*{plain} has no such parameter; take "):
            look_up_model(plain, **refused)
    write("any.py", "class Net:\n    def __init__(self, **settings): self.settings = settings\n")
    made = own_code.call(identify("any:Net", setting="model"), {"num_classes": 3}, setting="model")
    assert made.settings == {"num_classes": 3}


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (NETWORK, "net:make", "net.py: No such file or directory .looked in "),
        (NETWORK, "nets:build", "there is no function 'build' in the file; it has: make"),
        ("def make(:", "nets:make", "nets.py is no Python that can be read .invalid syntax"),
        ("import torch, beside", "nets:make", "imports beside from its own folder.*put all into one file"),
        (NETWORK, "nets:make#123456789abc", "nets.py is another version, "),
        (NETWORK, "package.nets:make", "package.nets.py: No such file"),
        (NETWORK, "nets:make:it", "expected FILE.py:FUNCTION"),
        ("import gone_away\ndef make(): pass", "nets:make", "No module named 'gone_away' .nets.py, line 1"),
        ("import sys\nsys.exit(3)\ndef make(): pass", "nets:make", "SystemExit: 3 .nets.py, line 2"),
        ("def make(depth): pass", "nets:make", "calling it with nothing failed: TypeError: .*'depth'"),
        ("def make(num_classes):\n  1 / 0", "nets:make", "num_classes failed: ZeroDivisionError.*nets.py, line 2"),
        ("def make(): return 3", "nets:make", "gave a int, not a torch.nn.Module"),
        ("from torch import nn\ndef make(): return nn.Flatten()", "nets:make", "has no parameters to train"),
        (
            NETWORK.replace("width, num_classes", "width, 3"),
            "nets:make",
            r"gives shape \(2, 3\) for two images.*\(2, 10",
        ),
        (
            NETWORK.replace("stride=4", "groups=2"),
            "nets:make",
            "calling it with num_classes, dropout failed: ValueError",
        ),
        (NETWORK.replace("(3, width", "(1, width"), "nets:make", "fails on images of 32 x 32: RuntimeError"),
        (
            "from torch import nn\nclass Two(nn.Linear):\n  def __init__(self): super().__init__(32, 10)\n"
            "  def forward(self, x): return x, x",
            "nets:Two",
            "gives a tuple for two images",
        ),
    ],
)
def test_a_network_that_cannot_be_is_refused_in_one_line(write, text, name, said):
    write("nets.py", text)
    write("beside.py", "")
    with pytest.raises(SettingError, match=f"model={name.partition('#')[0]}.*{said}") as error:
        model = parsed(model=name)["model"]
        check_own(model, num_classes=10, image_size=32, width=None, dropout=0.0, zero_head=False)
    assert "\n" not in str(error.value)


def test_a_network_of_ones_own_keeps_the_caller_s_random_numbers_and_is_trained(write, small):
    write("nets.py", NETWORK)
    config = complete_config(small(**parsed(model="nets.py:make"), width=None, epochs=1, probe_pairs=0))
    check_config(config)
    before = torch.get_rng_state()
    check_own(config.model, num_classes=10, image_size=32, width=None, dropout=0.0, zero_head=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert [measurement.step for _, measurement in run_trial(config)] == [0, 1]


def intervened(strength, name="code:grey", **settings):
    return TrialConfig(own_strength=strength, dataset="digits", **parsed(own_intervention=name), **settings)


def test_an_intervention_of_ones_own_is_one_of_all(write, small):
    write("code.py", INTERVENTION)
    config = complete_config(small(**parsed(own_intervention="code:grey"), own_strength=0.5, probe_pairs=0, epochs=1))
    check_config(config)
    check_own_intervention(config)
    plain = complete_config(dataclasses.replace(config, own_strength=0.0))
    assert plain == complete_config(small(probe_pairs=0, epochs=1))  # at 0 it is the baseline
    changed, unchanged = ([m.metrics["generalization/train_loss"] for _, m in run_trial(c)] for c in (config, plain))
    assert changed[0] == unchanged[0] and changed[1] != unchanged[1]
    with pytest.raises(SettingError, match="own_strength=0.5: of what"):
        check_config(TrialConfig(own_strength=0.5))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("return images", "returns a Tensor, not .images, targets."),
        ("return images[:4], targets", r"makes images \(4, 3, 32, 32\) in torch.float32 of \(8, 3, 32, 32\)"),
        ("return images.double(), targets", "makes images .* in torch.float64 of"),
        ("return images / 0, targets", "makes images that are not finite"),
        ("return images, 2 * targets", "makes targets that are no probabilities"),
        ("return images.mul_(2), targets", "writes into the images or targets"),
        ("return images + torch.randn(images.shape), targets", "is not the same twice; draw all random numbers"),
        ("return images + config.blurring, targets", "fails on a batch: AttributeError.*code.py, line 5"),
    ],
)
def test_an_intervention_that_breaks_a_law_is_refused_in_one_line(write, line, said):
    write(
        "code.py",
        f"import torch\n\ndef grey(config):\n    def apply(images, targets, generator):\n"
        f"        {line}\n    return apply\n",
    )
    with pytest.raises(SettingError, match=f"own_intervention=code:grey#.*: {said}") as error:
        check_own_intervention(intervened(1.0))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 3", "builds a int, not a function"),
        ("raise KeyError(3)", "cannot be built: KeyError: 3 .code.py, line 2"),
    ],
)
def test_an_intervention_that_cannot_be_built_is_refused_in_one_line(write, body, said):
    write("code.py", f"def grey(config):\n    {body}\n")
    with pytest.raises(SettingError, match=said):
        check_own_intervention(intervened(1.0))


def test_a_name_alone_runs_nothing(write, small, tmp_path):
    """What comes from a record, a checkpoint or a journal names code; it brings none, and none is read for it."""
    file = write("evil.py", f"open({str(tmp_path / 'ran')!r}, 'w')\ndef make(num_classes): pass\n")
    said = "its file is not here. Code of one's own runs where FILE.py:FUNCTION is named"
    for name in (f"{file}:make", "evil:make", f"evil:make#{file_identity(file)}"):
        for settings in ({"model": name, "width": None}, {"own_intervention": name, "own_strength": 1.0}):
            config = small(**settings)
            for ask in (lambda c: check_config(complete_config(c)), lambda c: list(run_trial(c))):
                with pytest.raises(SettingError, match=said):
                    ask(config)
    assert not (tmp_path / "ran").exists()


def test_a_teacher_s_own_network_is_made_where_its_file_was_named_and_nowhere_else(write, small, tmp_path, monkeypatch):
    write("nets.py", NETWORK)
    teacher = complete_config(small(**parsed(model="nets.py:make"), width=None, epochs=1, probe_pairs=0))
    *_, (state, _) = run_trial(teacher)
    state.save(tmp_path / "teacher")
    student = complete_config(dataclasses.replace(teacher, generation=1, teacher=str(tmp_path / "teacher")))
    assert len(list(run_trial(student))) == 2
    of_ours = complete_config(dataclasses.replace(student, model="small_cnn", teacher_id=None))
    monkeypatch.setattr(own_code, "_files", {})
    with pytest.raises(SettingError, match="model=nets:make#.*: its file is not here"):
        list(run_trial(of_ours))


def test_measuring_takes_a_file_too(write):
    write("nets.py", NETWORK)
    arguments = {"model_args": '{"num_classes": 10}'}
    model = load_network(NetworkConfig(model="nets.py:make", **arguments), num_classes=10, image_size=32)
    assert model[4].out_features == 10
    saved = TrialConfig.parse("model", "nets:make")  # as a trial's state.json has it
    assert load_network(NetworkConfig(model=saved, **arguments), num_classes=10, image_size=32)[3].p == 0.5
    assert NetworkConfig.parse("model", "nets.py:make") == saved
    assert NetworkConfig.parse("model", "package.nets:make") == "package.nets:make"  # a module, imported there


def test_a_long_error_is_cut():
    from specbias.settings.own_code import reason

    assert reason(ValueError("x" * 5000)) == "ValueError: " + "x" * 300 + "..."
    assert reason(ValueError("short")) == "ValueError: short"
