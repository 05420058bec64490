"""Which classes and which images are drawn: by the seed and the names alone."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from deconvviz.data.listing import Files, Listing
from deconvviz.errors import DataError

TITLES = ("ant", "bee", "cat", "dog", "eel")


class Nowhere:
    """A source that is never asked."""

    path = Path("nowhere")


NOWHERE = Nowhere()


def listing(per_class: int = 20, val: int = 0) -> Listing:
    """`per_class` training images of each of the five classes, and `val` of each held out already."""

    def files(split: str, count: int) -> Files:
        pairs = [(f"{split}/{title}/{i:03}", c) for c, title in enumerate(TITLES) for i in range(count)]
        return Files(tuple(n for n, _ in pairs), tuple(c for _, c in pairs))

    ids = tuple(f"n{number:04}" for number in range(len(TITLES)))
    return Listing(NOWHERE, ids, TITLES, files("train", per_class), files("val", val))


def counts(files: Files, classes: int = len(TITLES)) -> list[int]:
    return [files.labels.count(c) for c in range(classes)]


def agrees(found: Listing) -> bool:
    """Whether every name has the label of the class that its name tells."""
    return all(
        found.titles[label] == name.split("/")[1]
        for files in (found.train, found.val)
        for name, label in zip(files.names, files.labels, strict=True)
    )


def said(call, *words) -> str:
    with pytest.raises(DataError) as caught:
        call(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


DRAWS = {
    "classes": lambda seed: listing().drawn(3, seed),
    "held out": lambda seed: listing().held_out(4, seed),
    "a tenth": lambda seed: listing().held_out(None, seed),
    "thinned": lambda seed: listing().thinned(5, seed),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_draws_depend_on_the_seed_and_nothing_else(draw):
    first = draw(7)
    random.seed(1)
    state = random.getstate()
    for other in DRAWS.values():
        other(3)
    again = draw(7)
    assert random.getstate() == state
    assert (again.ids, again.train, again.val) == (first.ids, first.train, first.val)
    others = [draw(seed) for seed in range(8)]
    assert len({(o.ids, o.train.names) for o in others}) > 1


def test_draws_of_one_class_do_not_depend_on_the_other_classes():
    whole, part = listing().held_out(4, 0), listing().only([4, 2]).held_out(4, 0)
    assert set(part.val.names) == {n for n in whole.val.names if n.split("/")[1] in ("eel", "cat")}
    assert set(part.thinned(5, 0).train.names) < set(whole.thinned(5, 0).train.names)


def test_classes_are_drawn_in_their_old_order():
    found = listing(val=1).drawn(3, 0)
    assert list(found.titles) == sorted(found.titles)
    assert len(found.ids) == 3
    assert counts(found.train, 3) == [20] * 3
    assert counts(found.val, 3) == [1] * 3
    assert agrees(found)
    assert listing().drawn(None, 0) == listing() == listing().drawn(5, 0)


@pytest.mark.parametrize("per_class", [1, 4, 19])
def test_held_out_takes_exactly_so_many_of_each_class(per_class):
    found = listing(val=3).held_out(per_class, 0)
    assert counts(found.val) == [per_class] * 5
    assert counts(found.train) == [20 - per_class] * 5
    assert not set(found.train.names) & set(found.val.names)
    assert set(found.train.names) | set(found.val.names) == set(listing().train.names)
    assert agrees(found)


@pytest.mark.parametrize(("per_class", "tenth"), [(2, 1), (4, 1), (20, 2), (27, 3)])
def test_a_tenth_is_held_out_where_there_is_no_split(per_class, tenth):
    found = listing(per_class).held_out(None, 0)
    assert counts(found.val) == [tenth] * 5
    assert counts(found.train) == [per_class - tenth] * 5


def test_a_split_of_its_own_is_kept():
    given = listing(val=3)
    assert given.held_out(None, 0) == given


def test_only_gives_the_order():
    found = listing(val=2).named(["dog", "n0000", "cat"])
    assert found.titles == ("dog", "ant", "cat")
    assert found.ids == ("n0003", "n0000", "n0002")
    assert counts(found.train, 3) == [20] * 3
    assert counts(found.val, 3) == [2] * 3
    assert agrees(found)


def test_thinned_keeps_at_most_so_many():
    found = listing(val=2).thinned(5, 0)
    assert counts(found.train) == [5] * 5
    assert counts(found.val) == [2] * 5
    assert agrees(found)
    assert listing(3).thinned(5, 0) == listing(3)
    assert listing().thinned(None, 0) == listing()


def test_too_few_images_to_hold_out():
    message = said(listing(4).held_out, 4, 0)
    assert message == "class 'n0000' has 4 images: too few to hold out 4 and train"
    assert "too few to hold out 1" in said(listing(1).held_out, None, 0)


@pytest.mark.parametrize("classes", [1, 6])
def test_too_few_classes_to_draw(classes):
    assert said(listing().drawn, classes, 0).startswith(f"--classes {classes}: this data set has 5 classes")


def test_a_class_that_is_not_there():
    message = said(listing().named, ["cat", "dot"])
    assert message.startswith("nowhere has no class 'dot'; did you mean 'dog'?")


def test_checks_before_training():
    assert listing(1).checked() == listing(1)
    assert "one class only ('n0002')" in said(listing().only([2]).checked)
    assert "no class folders" in said(listing().only([]).checked)
    empty = replace(listing(), train=listing().only([0, 1, 3, 4]).train)
    assert "class 'n0004'" in said(empty.checked)


def test_a_class_named_twice_counts_once():
    assert listing().named(["cat", "dog", "n0002"]) == listing().named(["cat", "dog"])


@pytest.mark.parametrize(
    ("per_class", "share", "count"), [(20, 0.25, 5), (20, 0.1, 2), (3, 0.01, 1), (9, 0.5, 4)]
)
def test_a_share_of_each_class_is_held_out(per_class, share, count):
    found = listing(per_class, val=3).held_out(None, 0, share)
    assert counts(found.val) == [count] * 5
    assert counts(found.train) == [per_class - count] * 5
    assert set(found.train.names) | set(found.val.names) == set(listing(per_class).train.names)
    assert agrees(found)


def test_a_share_that_leaves_nothing_to_train_on():
    assert "too few to hold out 2" in said(listing(2).held_out, None, 0, 0.9)


def test_what_was_the_datas_own_validation_split_tests_where_others_are_held_out():
    given = listing(val=3)
    assert len(given.test) == 0
    for found in (given.held_out(4, 0), given.held_out(None, 0, 0.2)):
        assert found.test == given.val
        assert not {*found.test.names} & {*found.val.names, *found.train.names}
    assert len(given.held_out(None, 0).test) == 0
    assert len(listing().held_out(4, 0).test) == 0


def test_a_test_split_of_its_own_is_kept():
    other = replace(listing(val=3), test=listing(val=2).val)
    assert other.held_out(4, 0).test == other.held_out(None, 0).test == other.test
    assert other.thinned(5, 0).test == other.test


def test_the_test_split_follows_the_classes():
    other = replace(listing(val=3), test=listing(val=2).val)
    found = other.named(["dog", "ant"])
    assert counts(found.test, 2) == [2, 2]
    assert found.test.names[:2] == ("val/ant/000", "val/ant/001")
    assert found.test.labels[:2] == (1, 1)
    drawn = other.drawn(3, 0)
    assert counts(drawn.test, 3) == [2] * 3
    assert all(
        drawn.titles[c] == n.split("/")[1] for n, c in zip(drawn.test.names, drawn.test.labels, strict=True)
    )
