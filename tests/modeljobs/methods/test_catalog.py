from __future__ import annotations

import pytest

from modeljobs.engines.options import validate_options
from modeljobs.methods.catalog import METHODS, get_method
from modeljobs.methods.rule_injection import INJECTED_CLASSES


def test_it_works() -> None:
    assert get_method("injection").name == "injection"


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ValueError, match="no method 'magic'; the methods are injection"):
        get_method("magic")


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_valid_and_shown(name: str) -> None:
    found = get_method(name)
    assert found.name == name
    values = validate_options(found.parameters, {})
    assert validate_options(found.parameters, values) == values
    assert all(option.title for option in found.parameters)
    assert found.units(values)


@pytest.mark.parametrize("name", METHODS)
def test_prompts_have_a_version_that_fits_a_column(name: str) -> None:
    version = get_method(name).prompt_version
    assert version == get_method(name).prompt_version
    assert 0 < len(version) <= 80


def test_injection_has_a_unit_per_chosen_class() -> None:
    method = get_method("injection")
    assert method.units(validate_options(method.parameters, {})) == INJECTED_CLASSES
    chosen = validate_options(method.parameters, {"error_types": ["deception", "circular"]})
    assert method.units(chosen) == ("circular", "deception")
