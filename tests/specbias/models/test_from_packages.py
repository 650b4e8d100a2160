"""Networks of timm and transformers are measured on the input that their own configuration says, and that is written.

With random weights: nothing is fetched.
"""

import json

import pytest
import torch
from torch.nn.functional import interpolate

from specbias.settings import SettingError
from specbias.settings.measurement import NetworkConfig
from specbias.trials.network import load_network, measure_network, prepare

EXTRA = "pip install -e '.[formats]'"


def on_digits(**settings):
    return NetworkConfig(dataset="digits", pairs=1, path_samples=4, **settings)


def test_a_network_of_timm_gets_the_constants_size_and_interpolation_of_its_configuration():
    timm = pytest.importorskip("timm", reason=f"needs timm: {EXTRA}")
    config = on_digits(model="timm:test_vit", model_args='{"num_classes": 10}')
    predict, _, data, settings, network = prepare(config)
    assert settings.input_mean == settings.input_std == (0.5,) * 3 and settings.network_size == 160
    assert "images are resized to 160 x 160 inside the network's function (bicubic)" in network.notes
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        twin = timm.create_model("test_vit", num_classes=10).eval()
    pixels = data.test.images[:3].float() / 255
    wanted = interpolate((pixels - 0.5) / 0.5, size=(160, 160), mode="bicubic", antialias=True, align_corners=False)
    with torch.inference_mode():
        found = predict((pixels - 0.5) / 0.5)
        assert torch.allclose(found, twin(wanted), atol=1e-5)
    own = on_digits(
        model="timm:test_vit",
        model_args='{"num_classes": 10, "img_size": 32}',
        input_mean=(0.0,) * 3,
        input_std=(1.0,) * 3,
    )
    settings = prepare(own).settings
    assert settings.input_mean == (0.0,) * 3 and settings.network_size == 32
    with pytest.raises(SettingError, match="timm has no such model; it has .*resnet18"):
        prepare(on_digits(model="timm:resnet1"))
    with pytest.raises(SettingError, match="has an input of its own"):
        load_network(config, num_classes=10, image_size=32)


@pytest.fixture
def folder(tmp_path):
    transformers = pytest.importorskip("transformers", reason=f"needs transformers: {EXTRA}")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=16, patch_size=8,
        num_labels=10,
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    processor = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 16, "width": 16},
                 "resample": 3, "do_normalize": True, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4],
                 "do_rescale": True, "rescale_factor": 1 / 255}  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    return tmp_path


def test_a_folder_of_transformers_is_a_network_with_its_weights_and_input(folder):
    record, _ = measure_network(on_digits(model=f"hf:{folder}"))
    assert record["normalisation"]["network"] == {
        "mean": pytest.approx((0.4, 0.5, 0.6)), "std": pytest.approx((0.2, 0.3, 0.4))
    }  # fmt: skip
    assert "images are resized to 16 x 16 inside the network's function (bicubic)" in record["notes"]
    assert any("logits are `.logits`" in note for note in record["notes"])
    again, _ = measure_network(on_digits(model=f"hf:{folder}", seed=1))
    assert again["accuracy"] == record["accuracy"]  # the weights are those of the folder


def test_a_folder_of_transformers_that_lacks_something_is_refused(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file({name: v for name, v in weights.items() if "classifier" not in name}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with pytest.raises(SettingError, match=r"lacks classifier\.bias, classifier\.weight"):
        prepare(on_digits(model=f"hf:{folder}"))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(SettingError, match="has no preprocessor_config.json"):
        prepare(on_digits(model=f"hf:{folder}"))


@pytest.mark.parametrize(
    ("processor", "changed"),
    [("EfficientNetImageProcessor", {"include_top": True}), ("MobileViTImageProcessor", {})],
)
def test_an_image_processor_that_does_more_than_scale_channels_is_refused(folder, processor, changed):
    import transformers

    (folder / "preprocessor_config.json").unlink()
    getattr(transformers, processor)(**changed).save_pretrained(folder)
    with pytest.raises(SettingError, match="does more to an image than subtract and divide by channel"):
        prepare(on_digits(model=f"hf:{folder}"))
