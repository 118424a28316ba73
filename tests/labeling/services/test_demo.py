from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from labeling.models import (
    Annotation,
    Dispute,
    Injection,
    Project,
    Release,
    ReviewItem,
    Solution,
    User,
)
from labeling.selectors.agreement import build_report
from labeling.selectors.guidance import find_unread, get_guidance
from labeling.services.assignments import claim_next
from labeling.services.consistency import find_inconsistencies
from labeling.services.demo import load_demo


@pytest.fixture
def demo(alice: User, tmp_path: Path, settings: Any) -> Project:
    settings.MEDIA_ROOT = tmp_path
    project = load_demo(lead=alice)
    assert project is not None
    return project


def test_it_has_something_true_on_every_page(demo: Project, alice: User) -> None:
    assert Solution.objects.filter(project=demo, injection__isnull=True).count() >= 60
    types = Injection.objects.values_list("error_type", flat=True)
    assert set(types) == {
        *("redundency", "circular", "counterfactual", "step_contradiction"),
        *("domain_inconsistency", "confidence", "missing_condition", "deception"),
        "multi_solutions",
    }
    states = set(ReviewItem.objects.values_list("state", flat=True))
    assert {"waiting", "agreed", "disputed", "decided"} <= states
    assert Dispute.objects.filter(state=Dispute.State.OPEN).exists()
    assert Release.objects.get().state == Release.State.READY
    assert list(find_inconsistencies()) == []


def test_invented_people_say_so_and_cannot_sign_in(demo: Project) -> None:
    assert set(Annotation.objects.values_list("kind", flat=True)) == {"simulated"}
    for person in User.objects.filter(is_simulated=True):
        assert not person.has_usable_password()
        assert not person.is_active
    report = build_report(demo, draws=1000)
    assert report.simulated_raters == 3
    assert report.steps is not None
    assert report.steps.alpha.value is not None
    assert 0 < report.steps.alpha.value < 1
    assert report.verdicts is not None


def test_the_newcomer_begins_with_a_plain_injection(demo: Project, alice: User) -> None:
    first = claim_next(user=alice, project=demo)
    assert first is not None
    assert first.item.task == ReviewItem.Task.VERIFY_INJECTION
    injection = Injection.objects.get(modified=first.item.solution)
    assert injection.error_type == "deception"
    assert injection.blocking_lints == 0


def test_loading_again_does_nothing(demo: Project, alice: User) -> None:
    assert load_demo(lead=alice) is None
    assert Project.objects.count() == 1


def test_a_newcomer_has_something_to_read_in_both_languages(demo: Project) -> None:
    for language in ("en", "zh-hans"):
        with translation.override(language):
            guidance = get_guidance(demo, User.objects.get(username="alice"))
        assert guidance.text.text
        assert not guidance.text.is_fallback
        cards = [card for group in guidance.groups for card in group.cards]
        rulings = [*guidance.rulings, *(ruling for card in cards for ruling in card.rulings)]
        assert len(rulings) == 3
        assert not any(ruling.is_fallback for ruling in rulings)
    assert find_unread(demo.slug, User.objects.get(username="alice")) == "new"
