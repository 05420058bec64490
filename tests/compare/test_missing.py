"""Cells that cannot be filled say why, and leave the others alone; what is wrong altogether is an error."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from deconvviz.compare.advising import train_command
from deconvviz.compare.comparing import Interrupted, compare
from deconvviz.errors import DeconvvizError
from deconvviz.models import WeightsOrigin

from .support import decoder_of, named, seen, tiny


def missing(found, layer):
    """By method, of one comparison's row."""
    return {method: found.answers[layer, method].missing for method in found.methods}


def test_no_decoder_comes_with_the_command_that_trains_one():
    network = tiny(seed=4)
    (found,) = compare(network, seen(), ["conv2", "fc3"], ["decoder"], decoders=[decoder_of(network, "fc3")])
    answer = found.answers["conv2", "decoder"]
    assert answer.missing == "no decoder for conv2"
    command = "deconvviz train-decoder --layer conv2 --model tests.cli.mynets:tiny --weights random --seed 4"
    assert answer.advice == command
    assert answer.picture is answer.signal is None
    assert not answer.errors
    assert found.answers["fc3", "decoder"].missing == ""


def test_the_command_names_the_weights(tmp_path):
    network, run = tiny(), tmp_path / "my runs" / "cats"
    for path, said in (
        (tmp_path / "mine.pth", f"--weights {tmp_path / 'mine.pth'}"),
        (run / "best.safetensors", f"--weights '{run}'"),
    ):
        told = train_command(replace(network, origin=WeightsOrigin(path.name, path)), "conv2")
        assert told.endswith(said)
    assert train_command(replace(network, origin=WeightsOrigin("as built")), "conv2").endswith("mynets:tiny")
    assert train_command(network, "conv2").endswith("--weights random")


def test_a_layer_without_weights():
    network = tiny()
    network.module[10].to("meta")
    (found,) = compare(network, seen(), ["conv2", "fc4"], ["map", "decoder", "optimised"], iterations=1)
    assert set(missing(found, "fc4").values()) == {"no weights for fc4"}
    assert "these serve conv1 to fc3" in found.answers["fc4", "map"].advice
    assert "--weights" in found.answers["fc4", "optimised"].advice
    assert missing(found, "conv2") == {"map": "", "decoder": "no decoder for conv2", "optimised": ""}


def test_a_layer_that_never_fires():
    (found,) = compare(named("dead"), seen(), ["3"], iterations=1)
    no = "no positive activation"
    assert missing(found, "3") == {
        **dict.fromkeys(("strongest", "map", "layer", "guided", "gradient"), no),
        "decoder": "no decoder for 3",
        "optimised": "the layer is zero all over",
    }


def test_an_image_that_leaves_a_layer_silent_does_not_keep_the_others_from_it():
    network = named("brightness")
    images = seen(3, side=16)
    images[1] = -images[1].abs() - 1
    together = compare(network, images, ["1"], ["strongest", "layer", "optimised"], iterations=2)
    no = "no positive activation"
    assert missing(together[1], "1") == {
        "strongest": no,
        "layer": no,
        "optimised": "the layer is zero all over",
    }
    for k in (0, 2):
        assert not any(missing(together[k], "1").values())
        (alone,) = compare(network, images[k : k + 1], ["1"], ["strongest", "optimised"], iterations=2)
        for method in ("strongest", "optimised"):
            ours, wanted = (one.answers["1", method].signal for one in (together[k], alone))
            torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)


def test_a_decoder_is_asked_about_a_silent_layer_too():
    network = tiny()
    decoder = decoder_of(network, "fc3")
    with torch.no_grad():
        network.module[8].bias.fill_(-1e6)
    (found,) = compare(network, seen(), ["fc3"], ["decoder"], decoders=[decoder])
    answer = found.answers["fc3", "decoder"]
    assert answer.picture is not None
    assert answer.errors["psnr"] > 0
    assert answer.errors["feature_error"] != answer.errors["feature_error"]  # of features that are zero


def test_negative_scores_have_pre_images_but_no_strongest_activation():
    network = tiny()
    with torch.no_grad():
        network.module[10].bias.fill_(-50)
    (found,) = compare(network, seen(), ["fc4"], ["strongest", "layer", "optimised"], iterations=1)
    no = "no positive activation"
    assert missing(found, "fc4") == {"strongest": no, "layer": no, "optimised": ""}


def test_images_of_another_size():
    network = tiny()
    decoders = [decoder_of(network, "norm1")]
    (found,) = compare(network, seen()[:, :, :28], ["norm1"], decoders=decoders, iterations=1)
    answers = missing(found, "norm1")
    assert answers.pop("decoder") == "the decoder takes 32x32 pixels"
    assert answers.pop("optimised") == "pre-images want square images"
    assert not any(answers.values())


def test_a_network_that_cannot_be_gone_down():
    class Doubling(nn.Module):
        """Overwrites what the derivative of its own square needs."""

        def forward(self, maps):
            squares = maps * maps
            maps.mul_(2)
            return squares

    network = named("small")
    network.module[1] = Doubling()
    (found,) = compare(network, seen(), ["3"], ["map", "decoder"])
    answer = found.answers["3", "map"]
    assert answer.missing == "not possible in this network"
    assert "cannot be differentiated" in answer.advice
    assert found.answers["3", "decoder"].missing == "no decoder for 3"


def test_what_is_wrong_altogether():
    network, images = tiny(), seen(2)
    decoder = decoder_of(network, "conv2")
    other = replace(decoder, facts=replace(decoder.facts, model="alexnet"))

    def never(*what):
        raise AssertionError("it began to compute")

    for words, said in (
        ({"layers": []}, "no layers"),
        ({"layers": ["conv2", "cnv1"]}, "no layer 'cnv1'; did you mean 'conv1'"),
        ({"methods": ["mapp"]}, "no method 'mapp' to compare; did you mean 'map'"),
        ({"preset": "bst"}, "no preset 'bst' of inversion; did you mean 'best'"),
        ({"decoders": [other]}, "decoders/conv2 decodes alexnet, not tests.cli.mynets:tiny"),
        ({"decoders": [decoder, decoder]}, "two decoders of conv2"),
        ({"names": ["one"]}, "1 names for 2 images"),
        ({"images": images[0]}, r"images of \(3, 32, 32\)"),
        ({"images": images[:0]}, r"images of \(0, 3, 32, 32\)"),
    ):
        asked = {"images": images, "layers": ["conv2"], **words}
        with pytest.raises(DeconvvizError, match=said):
            compare(network, watch=never, **asked)
    network.module[0].weight.data[0] = torch.nan
    with pytest.raises(DeconvvizError, match=r"'0\.weight'"):
        compare(network, images, ["conv2"], watch=never)


def ending(layer, method, count):
    """Presses Ctrl-C when so much of a cell is done."""

    def watch(*what):
        if what[:3] == (layer, method, count):
            raise KeyboardInterrupt

    return watch


def test_ctrl_c_in_a_search_keeps_what_it_came_to():
    network, images = tiny(), seen()
    with pytest.raises(Interrupted) as ended:
        compare(network, images, ["conv2", "fc3"], iterations=5, watch=ending("conv2", "optimised", 2))
    (found,) = ended.value.comparisons
    answer = found.answers["conv2", "optimised"]
    assert answer.note == "interrupted after 2 steps"
    assert answer.picture is not None
    assert answer.errors["feature_error"] > 0
    assert missing(found, "conv2")["map"] == ""
    reached = missing(found, "fc3")
    assert reached.pop("decoder") == "no decoder for fc3"
    assert set(reached.values()) == {"interrupted"}
    assert isinstance(ended.value, KeyboardInterrupt)


def test_ctrl_c_elsewhere_keeps_the_images_before():
    network = tiny()
    with pytest.raises(Interrupted) as ended:
        compare(network, seen(3), ["conv2"], ["map", "layer"], batch_size=2, watch=ending("conv2", "map", 3))
    one, two, three = ended.value.comparisons
    for found in (one, two):
        assert not any(missing(found, "conv2").values())
    assert missing(three, "conv2") == {"map": "", "layer": "interrupted"}


def test_a_search_that_leads_to_no_numbers():
    (found,) = compare(named("stumbling"), seen(), ["3"], ["optimised"], iterations=3)
    assert found.answers["3", "optimised"].note == ""  # one step was taken back, and made again
    network = named("falling")  # of it two passes can be differentiated
    answer = compare(network, seen(), ["3"], ["optimised"], iterations=5)[0].answers["3", "optimised"]
    assert answer.note == "the search diverged after 2 steps"
    assert answer.picture is not None
    assert answer.picture.isfinite().all()
    answer = compare(network, seen(), ["3"], ["optimised"], iterations=5)[0].answers["3", "optimised"]
    assert answer.missing == "the search led to no numbers"  # it has none left
