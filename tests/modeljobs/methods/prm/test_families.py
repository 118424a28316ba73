from __future__ import annotations

import pytest

from modeljobs.engines.options import InvalidOptions, validate_options
from modeljobs.methods.prm.families import FAMILIES, get_family
from modeljobs.methods.prm.options import OPTIONS, build_adapter
from modeljobs.methods.prm.rules import Rule
from modeljobs.methods.prm.scoring import Adapter


def build(**given: object) -> Adapter:
    return build_adapter(validate_options(OPTIONS, given))


def test_published_rules() -> None:
    assert {name: one.rule.text for name, one in FAMILIES.items()} == {
        "qwen_prm": ">0.5",
        "math_shepherd": ">0.5",
        "rlhflow": ">0.5",
        "skywork": "difference>-0.05",
        "reasoneval": ">0.5",
        "reasoneval_shifted": ">0.5",
        "llemma": ">0.5",
        "mathminos": ">0",
        "pure": ">0",
        "math_psa": ">0.5",
        "actprm": ">0.5",
    }


def test_only_reasoneval_scores_redundancy() -> None:
    found = {name for name, one in FAMILIES.items() if one.capabilities.redundancy}
    assert found == {"reasoneval", "reasoneval_shifted"}


def test_only_the_ensemble_knows_how_sure_it_is() -> None:
    assert [n for n, one in FAMILIES.items() if one.capabilities.uncertainty] == ["actprm"]


def test_each_template_has_a_version_of_its_own() -> None:
    versions = [family.template_version for family in FAMILIES.values()]
    assert len(set(versions)) == len(FAMILIES)
    assert versions == [family.template_version for family in FAMILIES.values()]


def test_where_each_layout_comes_from_is_said() -> None:
    assert all(family.source for family in FAMILIES.values())


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(ValueError, match="family 'x'; the families are qwen_prm"):
        get_family("x")


def test_settings_left_alone_are_as_published() -> None:
    for name, family in FAMILIES.items():
        assert build(family=name) == Adapter.of(family)


def test_a_threshold_of_ones_own() -> None:
    assert build(family="qwen_prm", threshold=0.8).rule == Rule("threshold", 0.8)
    assert build(family="skywork", threshold=-0.2).rule == Rule("difference", -0.2)


def test_skywork_by_the_score_itself() -> None:
    assert build(family="skywork", rule="threshold").rule == Rule("threshold", 0.5)


def test_the_difference_rule_for_another_family() -> None:
    assert build(family="qwen_prm", rule="difference").rule == Rule("difference", -0.05)


def test_a_redundancy_threshold_is_for_families_that_score_it() -> None:
    assert build(family="reasoneval", redundancy_threshold=0.3).redundancy_rule == Rule(
        "threshold", 0.3
    )
    assert build(family="pure", redundancy_threshold=0.3).redundancy_rule is None


def test_a_family_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidOptions, match="family"):
        build(family="gpt")
