"""Weights get into a network however they were saved, no code in their file is run, and what does not fit is listed."""

import argparse
import collections
import os
import pathlib
import types

import numpy as np
import pytest
import torch
from torch import nn

from specbias.models.weights import load_weights
from specbias.settings import SettingError


class Network(nn.Module):
    """A convolution, batch norm and a head, with random statistics."""

    def __init__(self, seed=0, classes=3):
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, classes)
        self.norm.running_mean.normal_()
        self.register_buffer("scratch", torch.zeros(2), persistent=False)

    def forward(self, images):
        return self.head(self.norm(self.conv(images)).mean((2, 3)))


TRAINED = Network(seed=1)
WEIGHTS = TRAINED.state_dict()


def loaded(tmp_path, saved, *, key=None, name="weights.pt", **how):
    """The fresh network with weights from a file of `saved`, and the notes."""
    torch.save(saved, tmp_path / name, **how)
    model = Network()
    return model, load_weights(model, tmp_path / name, setting="checkpoint", key=key)


def same(model, weights=WEIGHTS):
    return all(torch.equal(value, weights[name]) for name, value in model.state_dict().items() if name in weights)


def with_prefix(prefix, weights=WEIGHTS):
    return collections.OrderedDict((prefix + name, value) for name, value in weights.items())


class OwnDict(dict):
    """As Lightning's AttributeDict."""


def arguments():
    return argparse.Namespace(lr=0.1, output=pathlib.Path("runs"), model="resnet20")


def numbered():
    return {name: value for name, value in WEIGHTS.items() if not name.endswith("num_batches_tracked")}


def counted():
    return WEIGHTS | {"total_ops": torch.zeros(1), "conv.total_ops": torch.zeros(1), "conv.total_params": torch.ones(1)}


KINDS = {
    "a state dict": lambda: WEIGHTS,
    "of old torch, without num_batches_tracked": numbered,
    "akamaster's": lambda: {"state_dict": with_prefix("module.", numbered()), "best_prec1": 91.7},
    "torchvision's training script": lambda: {"model": WEIGHTS, "optimizer": {"state": {0: {"step": torch.ones(1)}}},
                                              "lr_scheduler": {}, "args": arguments(), "scaler": {"scale": 1.0}},
    "timm's training script": lambda: {"epoch": 3, "arch": "x", "state_dict": WEIGHTS, "args": arguments()},
    "numpy numbers beside weights": lambda: {"net": WEIGHTS, "acc": np.float64(93.1), "epoch": np.int64(3),
                                             "history": np.arange(3.0)},
    "Lightning's keys": lambda: {"state_dict": with_prefix("model."), "hyper_parameters": OwnDict(lr=0.1, width=4),
                                 "callbacks": {"a": {"b": torch.zeros(2)}}, "pytorch-lightning_version": "2.0"},
    "thop's counters": counted,
    "DataParallel, compiled": lambda: with_prefix("module._orig_mod."),
    "compiled, DataParallel": lambda: with_prefix("_orig_mod.module."),
    "net. before all names": lambda: with_prefix("net."),
    "backbone. before all names": lambda: {"state_dict": with_prefix("backbone.")},
    "a prefix of one's own": lambda: with_prefix("student_network.body."),
    "AveragedModel": lambda: torch.optim.swa_utils.AveragedModel(TRAINED).state_dict(),
    "a network that was pickled whole": lambda: TRAINED,
    "a pickled network, in DataParallel, beside others": lambda: {"epoch": 1, "model": nn.DataParallel(TRAINED)},
    "half precision": lambda: {name: value.half() for name, value in WEIGHTS.items()},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_found_however_they_were_saved(tmp_path, kind):
    saved = KINDS[kind]()
    if kind == "half precision":
        model, notes = loaded(tmp_path, saved)
        assert same(model, {name: value.to(WEIGHTS[name].dtype) for name, value in saved.items()})
        return
    model, notes = loaded(tmp_path, saved)
    assert same(model) and not same(Network()) and notes == []


def test_a_file_of_the_old_format_is_read_as_well(tmp_path):
    saved = {"state_dict": WEIGHTS, "args": arguments(), "hyper_parameters": OwnDict(lr=1)}
    assert same(loaded(tmp_path, saved, _use_new_zipfile_serialization=False)[0])


AVERAGE = {name: value * 2 for name, value in WEIGHTS.items()}


@pytest.mark.parametrize(
    ("saved", "raw", "average"),
    [
        ({"state_dict": WEIGHTS, "state_dict_ema": AVERAGE}, "state_dict", "state_dict_ema"),
        ({"model_ema": with_prefix("module.", AVERAGE), "model": WEIGHTS}, "model", "model_ema.module"),
        ({"state_dict": with_prefix("ema_model.module.", AVERAGE) | with_prefix("model.")},
         "state_dict.model", "state_dict.ema_model.module"),
        (with_prefix("ema.", AVERAGE) | WEIGHTS, "the file itself", "ema"),
    ],
)  # fmt: skip
def test_of_raw_weights_and_their_average_the_one_that_was_taken_is_said_and_a_key_chooses(
    tmp_path, saved, raw, average
):
    model, [note] = loaded(tmp_path, saved)
    assert same(model) and f"those of {raw}; weights.pt also holds weights that fit as {average}" in note
    chosen, _ = loaded(tmp_path, saved, key=average.partition(".module")[0])
    assert same(chosen, AVERAGE)
    with pytest.raises(SettingError, match="weights_key=nothing: .* has no weights there; it has: "):
        loaded(tmp_path, saved, key="nothing")


def test_what_a_lightning_module_has_beside_the_network_is_left_out_and_said(tmp_path):
    saved = {"state_dict": with_prefix("model.") | {"loss.weight": torch.ones(3)}}
    model, notes = loaded(tmp_path, saved)
    assert same(model) and notes == ["left out of weights.pt, as outside state_dict.model: loss.weight"]


def test_what_does_not_fit_is_listed_by_name(tmp_path):
    other = Network(classes=5).state_dict()
    other["extra"] = other.pop("norm.weight")
    with pytest.raises(SettingError) as error:
        loaded(tmp_path, {"state_dict": with_prefix("module.", other)})
    assert (
        "does not fit the model (missing: norm.weight; unknown: extra; of another shape: head.bias (5,) for (3,), "
        "head.weight (5, 4) for (3, 4))"
    ) in str(error.value)
    partly = {name: value for name, value in WEIGHTS.items() if name != "norm.running_mean"}
    with pytest.raises(SettingError, match=r"missing: norm.running_mean\)"):
        loaded(tmp_path, partly)
    with pytest.raises(SettingError, match=r"unknown: norm.extra\)"):
        loaded(tmp_path, WEIGHTS | {"norm.extra": torch.ones(1)})
    with pytest.raises(SettingError, match="no named weights, but epoch, losses"):
        loaded(tmp_path, {"epoch": 3, "losses": [1.0]})


class Harmful:
    def __init__(self, function, *arguments):
        self.calls = function, arguments

    def __reduce__(self):
        return self.calls


def test_no_code_that_a_file_names_is_run(tmp_path):
    """os.system is refused; other functions are never looked up: something inert stands in their place."""
    harmed = tmp_path / "harmed"
    with pytest.raises(SettingError, match="loads safely: it holds a posix.system; save model.state_dict"):
        loaded(tmp_path, {"state_dict": WEIGHTS, "x": Harmful(os.system, f"touch {harmed}")})
    for function, argument in ((eval, f"open({str(harmed)!r}, 'w')"), (pathlib.Path.touch, harmed), (os.mkdir, harmed)):
        try:
            model, _ = loaded(tmp_path, {"state_dict": WEIGHTS, "x": Harmful(function, argument)})
            assert same(model)
        except SettingError as error:
            assert "loads safely" in str(error)
    assert not harmed.exists()


def test_what_is_no_file_of_weights_is_refused_in_one_line(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    exported = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(exported, tmp_path / "exported.pt2")
    (tmp_path / "page.pt").write_text("<!DOCTYPE html>")
    (tmp_path / "empty.pt").touch()
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    cases = {
        "script.pt": "a TorchScript file, which is a program and not weights: --model .* runs it",
        "exported.pt2": "a file of torch.export, which is a program",
        "page.pt": "not of torch.save .it begins with b'<!DOCTYPE html>'",
        "empty.pt": "not of torch.save",
        "arrays.npz": "not of torch.save",
        "none.pt": "there is no such file",
        ".": "a folder; name the file of weights in it",
    }
    for name, said in cases.items():
        with pytest.raises(SettingError, match=said) as error:
            load_weights(Network(), tmp_path / name, setting="checkpoint")
        assert "\n" not in str(error.value)


def test_formats_of_older_torch_are_filled_in_by_torch_itself(tmp_path):
    """A network whose names were changed reads its old ones, by its own hook."""

    class Renamed(Network):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            for name in [name for name in state_dict if name.startswith(f"{prefix}classifier.")]:
                state_dict[name.replace("classifier.", "head.")] = state_dict.pop(name)
            super()._load_from_state_dict(state_dict, prefix, *rest)

    torch.save({name.replace("head.", "classifier."): v for name, v in WEIGHTS.items()}, tmp_path / "weights.pt")
    model = Renamed()
    load_weights(model, tmp_path / "weights.pt", setting="checkpoint")
    assert same(model)


def test_safetensors_are_read(tmp_path):
    save_file = pytest.importorskip(
        "safetensors.torch", reason="needs safetensors: pip install -e '.[formats]'"
    ).save_file
    save_file(with_prefix("module."), tmp_path / "model.safetensors")
    model = Network()
    assert load_weights(model, tmp_path / "model.safetensors", setting="checkpoint") == [] and same(model)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(SettingError, match="no safetensors file"):
        load_weights(model, tmp_path / "broken.safetensors", setting="checkpoint")


def test_the_checkpoint_that_lightning_itself_writes_is_read(tmp_path):
    lightning = pytest.importorskip("lightning", reason="needs lightning: pip install -e '.[formats]'")

    class Module(lightning.LightningModule):
        def __init__(self, width=4, options=types.SimpleNamespace(a=1)):  # noqa: B008
            super().__init__()
            self.save_hyperparameters()
            self.model = Network(seed=1)

        def training_step(self, batch, index):
            return self.model(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.0)

    trainer = lightning.Trainer(
        max_steps=1, logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Module(), torch.utils.data.DataLoader(torch.zeros(2, 3, 5, 5), batch_size=2))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    model = Network()
    assert load_weights(model, tmp_path / "last.ckpt", setting="checkpoint") == []
    assert torch.equal(model.head.weight, TRAINED.head.weight)


TWICE = {name: value * 2 for name, value in WEIGHTS.items()}


@pytest.mark.parametrize(
    ("saved", "average"),
    [
        ({"state_dict": WEIGHTS, "callbacks": {"EMA": {"ema_weights": TWICE}}}, "callbacks.EMA.ema_weights"),
        (
            {"state_dict": TWICE, "current_model_state": WEIGHTS, "averaging_state": {"n": torch.tensor(3)}},
            "state_dict",
        ),
        ({"avg": TWICE, "weights_raw": WEIGHTS}, "avg"),
        ({"model_avg": TWICE, "params": WEIGHTS}, "model_avg"),
    ],
)
def test_an_average_is_known_wherever_it_is_kept(tmp_path, saved, average):
    model, notes = loaded(tmp_path, saved)
    assert same(model) and f"also holds weights that fit as {average}" in notes[0]
    model, _ = loaded(tmp_path, saved, key=average)
    assert same(model, TWICE)


def test_a_callbacks_scores_are_no_weights(tmp_path):
    saved = {"state_dict": WEIGHTS, "callbacks": {"best": {"models": {"a.ckpt": torch.tensor(0.5)}}}}
    assert loaded(tmp_path, saved)[1] == []
    with pytest.raises(SettingError, match="it has: state_dict$"):
        loaded(tmp_path, saved, key="none")


@pytest.mark.parametrize("saved", [{**WEIGHTS, "epoch": 3, "accuracy": 0.5}, {"optimal_weights": WEIGHTS}])
def test_weights_among_other_things_or_called_optimal_are_taken(tmp_path, saved):
    assert same(loaded(tmp_path, saved)[0])


def test_a_name_that_shares_its_weights_with_another_may_be_left_out(tmp_path):
    def tied(seed):
        torch.manual_seed(seed)
        first = nn.Linear(3, 3)
        return nn.Sequential(first, first)

    wanted, model = tied(1), tied(0)
    torch.save({n: v for n, v in wanted.state_dict().items() if n.startswith("1")}, tmp_path / "tied.pt")
    load_weights(model, tmp_path / "tied.pt", setting="checkpoint")
    assert same(model, wanted.state_dict())
