"""torchvision's models by name: built for our classes and images, or refused in one line."""

import pytest
import torch

from specbias.models import build_model
from specbias.settings import SettingError


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "googlenet", "mobilenet_v3_small", "swin_t"])
def test_a_model_of_torchvision_gives_our_classes_for_our_images(name):
    with torch.device("meta"):
        model = build_model(f"torchvision:{name}", num_classes=7, image_size=32).train()
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_it_is_torchvisions_with_weights_from_the_global_generator():
    from torchvision.models import squeezenet1_1

    torch.manual_seed(3)
    model = build_model("torchvision:squeezenet1_1", num_classes=10, image_size=32)
    torch.manual_seed(3)
    theirs = squeezenet1_1(num_classes=10)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"name": "torchvision:resnet81"},
            "unknown model of torchvision 'resnet81': did you mean resnet18. known: alexnet, ",
        ),
        ({"name": "torchvision:alexnet"}, "model=torchvision:alexnet: takes no images of 32 x 32"),
        ({"name": "torchvision:resnet18", "width": 8}, "width=8: torchvision:resnet18 is taken as it is"),
        ({"name": "torchvision:resnet18", "dropout": 0.5}, "dropout=0.5: torchvision:resnet18 is taken as it is"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(settings, said):
    with pytest.raises(SettingError, match=said) as error:
        build_model(**settings, num_classes=10, image_size=32)
    assert "\n" not in str(error.value)
