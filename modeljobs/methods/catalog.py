"""The methods there are, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modeljobs.methods.base import Method
from modeljobs.methods.critic import CriticMethod
from modeljobs.methods.genprm import GenprmMethod
from modeljobs.methods.injection import InjectionMethod
from modeljobs.methods.prm.method import PrmMethod
from modeljobs.methods.r_prm import RprmMethod
from modeljobs.methods.rpe import RpeMethod
from modeljobs.methods.rule_method import RuleInjectionMethod
from modeljobs.methods.think_prm import ThinkPrmMethod

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            InjectionMethod(),
            GenprmMethod(),
            RpeMethod(),
            PrmMethod(),
            CriticMethod(),
            RprmMethod(),
            ThinkPrmMethod(),
            RuleInjectionMethod(),
        )
    }
)


def get_method(name: str) -> Method:
    """The method of that name; ValueError, with the names there are, for any other."""
    method = METHODS.get(name)
    if method is None:
        raise ValueError(f"There is no method {name!r}; the methods are {', '.join(METHODS)}.")
    return method
