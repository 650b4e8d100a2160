"""The Vision Transformer against PyTorch's own layer, and its positions."""

import torch
from torch import nn

from specbias.models.vit import Block, ViT, positions


def test_a_block_is_pytorchs_encoder_layer():
    torch.manual_seed(0)
    block = Block(64)
    theirs = nn.TransformerEncoderLayer(
        64, 2, dim_feedforward=256, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    names = {"self_attn.in_proj_": "queries_keys_values.", "self_attn.out_proj": "projection", "linear1": "mlp.0"}
    weights = block.state_dict()
    for name in theirs.state_dict():
        own = name.replace("linear2", "mlp.2")
        for their_part, own_part in names.items():
            own = own.replace(their_part, own_part)
        theirs.state_dict()[name].copy_(weights.pop(own))
    assert not weights
    x = torch.randn(2, 10, 64)
    assert torch.allclose(block(x), theirs(x), atol=1e-5)


def test_every_position_is_told_apart_and_nearer_ones_are_more_alike():
    places = positions(8, 8, 32)
    distance = torch.cdist(places, places)
    assert (distance + torch.eye(64)).min() > 0.1
    assert distance[0, 1] < distance[0, 2] and distance[0, 8] < distance[0, 16]


def test_patches_are_told_apart_by_where_they_are():
    model = ViT(num_classes=3, width=32).eval()
    nn.init.normal_(model.classifier.weight)
    images = torch.randn(1, 3, 16, 16)
    assert not torch.allclose(model(images), model(images.flip(3).roll(4, dims=3)), atol=1e-4)
    moved = images.roll(4, dims=3)  # the same patches elsewhere
    assert not torch.allclose(model(images), model(moved), atol=1e-5)
