"""Text of models, data sets and people is shown as text, whatever it looks like."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from labeling.models import Injection, Project, ReviewItem, Source, User
from labeling.services.members import add_member, invite, make_token
from labeling.services.projects import publish_guidelines
from labeling.services.releases import create_release
from labeling.services.transfers import create_import
from tests.labeling.factories import make_injection_item, make_solution, make_user, rating, verdict
from tests.labeling.web.helpers import ATTACK, check_html, read, submit_as, suggest

PAGES = (
    *("overview", "browse", "imports", "agreement", "agreement-items", "releases", "settings"),
    *("guidelines", "guidelines-before", "taxonomy", "members", "solution", "injection"),
    *("import", "release", "tokens", "account"),
)
# Pages on which nothing of the attack can stand are left out here.
SHOWN_ON = {name for name in PAGES if name != "taxonomy"}


@pytest.fixture
def hostile(project: Project, alice: User, bob: User, erin: User) -> dict[str, str]:
    """The attack in every text that somebody else may write; addresses by name of page."""
    Project.objects.filter(pk=project.pk).update(name=ATTACK, description=ATTACK, hide_names=False)
    project.refresh_from_db()
    for person in (alice, bob, erin):
        person.display_name = ATTACK
        person.save()
    solution = make_solution(
        project,
        "hostile",
        question=f"{ATTACK} What is ${ATTACK}$?",
        steps=(ATTACK, f"${ATTACK}$", ATTACK),
        generator=ATTACK,
        final_answer=ATTACK,
    )
    solution.problem.reference_answer = ATTACK
    solution.problem.domain = "<i>x</i>"
    solution.problem.save()
    suggest(solution, producer=ATTACK, method=ATTACK[:80])
    rated = ReviewItem.objects.create(
        project=project,
        solution=solution,
        task=ReviewItem.Task.RATE_STEPS,
        overlap=2,
        free_slots=2,
        queue_order=90,
        created_at=solution.created_at,
    )
    submit_as(bob, rated, rating("correct", "correct", "wrong", note=ATTACK))
    submit_as(erin, rated, rating("correct", "correct", "correct", note=ATTACK))
    item = make_injection_item(project)
    submit_as(bob, item, verdict(note=ATTACK))
    Injection.objects.filter(modified=item.solution).update(
        reason=ATTACK,
        producer=ATTACK,
        error_type="<b>bold</b>",
        lints=[{"code": "E01", "severity": "block", "message": ATTACK, "step": None}],
        blocking_lints=1,
    )
    item.solution.problem.text = ATTACK
    item.solution.problem.save()
    Source.objects.update(
        name=ATTACK, licence="<b>x</b>", revision=ATTACK, url="https://example.org/<script>"
    )
    batch = create_import(
        project=project,
        by=alice,
        chunks=[b'{"question": "<script>alert(1)</script>", "answer": 3}\n<img onerror=x>\n'],
        filename='a"><script>alert(1)<script>.jsonl',
        format_name="problems",
        source_name=f"{ATTACK} again",
        send=False,
    )
    batch.issues.create(line=1, field=ATTACK, message=ATTACK)
    batch.issues_count = 1
    batch.state = "failed"
    batch.error = ATTACK
    batch.save()
    publish_guidelines(project=project, by=alice, text=f"# {ATTACK}\n\n- {ATTACK}", seen_version=1)
    publish_guidelines(
        project=project, by=alice, text=f"# {ATTACK}\n\n**{ATTACK}** ${ATTACK}$", seen_version=2
    )
    add_member(
        project=project,
        user=make_user("<script>", display_name=ATTACK),
        role="annotator",
        by=alice,
    )
    invite(project=project, role="annotator", by=alice, note=ATTACK)
    make_token(user=alice, name=ATTACK, scopes=["read"], days=3)
    release = create_release(project=project, name=ATTACK, note=ATTACK, by=alice)
    release.state, release.error = "failed", ATTACK
    release.save()
    slug = [project.slug]
    return {
        "overview": reverse("labeling:overview", args=slug),
        "browse": reverse("labeling:browse", args=slug) + "?text=%3Cscript%3E",
        "imports": reverse("labeling:imports", args=slug),
        "agreement": reverse("labeling:agreement", args=slug),
        "agreement-items": reverse("labeling:agreement-items", args=slug)
        + f"?first={bob.pk}&second={erin.pk}",
        "releases": reverse("labeling:releases", args=slug),
        "settings": reverse("labeling:settings", args=slug),
        "guidelines": reverse("labeling:guidelines", args=slug),
        "guidelines-before": reverse("labeling:guidelines", args=slug) + "?version=2",
        "taxonomy": reverse("labeling:taxonomy", args=slug),
        "members": reverse("labeling:members", args=slug),
        "solution": reverse("labeling:solution", args=[solution.pk]),
        "injection": reverse(
            "labeling:injection", args=[Injection.objects.get(modified=item.solution).pk]
        ),
        "import": reverse("labeling:import", args=[batch.pk]),
        "release": reverse("labeling:release", args=[release.pk]),
        "tokens": reverse("labeling:tokens"),
        "account": reverse("labeling:account"),
    }


@pytest.mark.parametrize("name", PAGES)
def test_nothing_of_it_becomes_an_element(name, hostile, lead: Client):
    html = read(lead.get(hostile[name]))
    check_html(html)
    assert ATTACK not in html
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    if name in SHOWN_ON:
        # It is there, as the text that it is.
        assert escape("<script>alert") in html


def test_a_filter_that_means_nothing_is_passed_over(hostile, lead: Client):
    html = read(lead.get(hostile["browse"], {"source": ATTACK, "state": ATTACK, "page": ATTACK}))
    check_html(html)
    assert ATTACK not in html


def test_the_name_of_a_file_keeps_its_header_whole(hostile, lead: Client):
    response = lead.get(hostile["import"] + "issues.csv")
    assert "\n" not in response["Content-Disposition"]
    assert response["Content-Disposition"].startswith("attachment;")
