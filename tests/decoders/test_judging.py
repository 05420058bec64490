"""Pictures from features that are no image's own: one by one, and their numbers worked out again."""

from __future__ import annotations

import pytest
import torch

from deconvviz.decoders.decoder import Decoder
from deconvviz.decoders.encoding import Encoder
from deconvviz.decoders.judging import decoded, judged
from deconvviz.decoders.showing import at_input_size
from deconvviz.metrics import psnr, ssim

from .support import facts_of, noise, quick, tiny


@pytest.mark.parametrize("layer", ["pool2", "fc3"])
def test_numbers_of_pictures(layer: str) -> None:
    network = tiny()
    encoder = Encoder(network, ["pool2", "fc3"])
    facts = facts_of(encoder, layer, quick())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = Decoder(facts, facts.network().eval())
    features = noise(3, *encoder.shapes[layer])
    pictures = decoded(encoder, decoder, features)
    assert pictures.shape == (3, 3, 32, 32)
    assert all(
        torch.equal(pictures[i], at_input_size(encoder, decoder, features[i : i + 1])[0]) for i in range(3)
    )
    original, reference = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = judged(encoder, layer, pictures, features, original=original, reference=reference)
    assert [*found] == ["feature_error", "psnr", "ssim", "psnr_unchanged", "ssim_unchanged"]
    mean, std = (torch.tensor(values)[:, None, None] for values in (network.mean, network.std))
    for i, picture in enumerate(pictures):
        with torch.no_grad():
            seen = encoder(((picture - mean) / std)[None], [layer])[layer][0]
        relative = (seen - features[i]).norm() / features[i].norm()
        assert found["feature_error"][i] == pytest.approx(relative.item(), rel=1e-4)
        for name, against in (("", original), ("_unchanged", reference)):
            assert found[f"psnr{name}"][i] == pytest.approx(psnr(against[None], picture[None]).item())
            assert found[f"ssim{name}"][i] == pytest.approx(ssim(against[None], picture[None]).item())
    assert [*judged(encoder, layer, pictures, features)] == ["feature_error"]
