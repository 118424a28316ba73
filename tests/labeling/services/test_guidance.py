"""Rulings made and withdrawn, what is read, and what is new since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from labeling.alignment import TextSegment
from labeling.models import AuditEvent, GuidelineReading, Project, Ruling, User
from labeling.selectors.guidance import (
    Edition,
    RulingFilters,
    find_edition,
    find_rulings,
    find_unread,
    get_guidance,
)
from labeling.services.guidance import (
    make_ruling,
    note_reading,
    restore_ruling,
    withdraw_ruling,
)
from labeling.services.projects import publish_guidelines
from workbench.errors import Conflict, InvalidInput

CHINESE = {"question": "取近似值算错误吗？", "answer": "写明是近似就不算。"}


def rule(project: Project, by: User, question: str = "Is it rounded?", **more: Any) -> Ruling:
    words = {"answer": "No.", **more}
    return make_ruling(project=project, by=by, question=question, **words)


def publish(project: Project, by: User, text: str, **more: Any) -> None:
    publish_guidelines(
        project=project, by=by, text=text, seen_version=project.guideline_version, **more
    )


def read(project: Project, person: User, **more: Any) -> GuidelineReading:
    return note_reading(project=project, person=person, seen=find_edition(project), **more)


# --- Rulings --------------------------------------------------------------------------------------


def test_it_works(project: Project, alice: User) -> None:
    ruling = rule(project, alice, error_type="deception", translations={"zh-hans": CHINESE})
    assert (ruling.guideline_version, ruling.author) == (1, alice)
    assert ruling.translations == {"zh-hans": CHINESE}
    event = AuditEvent.objects.get(verb="ruling.made")
    assert (event.target_id, event.actor) == (str(ruling.pk), alice)


def test_the_same_ruling_twice_is_one(project: Project, alice: User) -> None:
    assert rule(project, alice) == rule(project, alice)
    assert Ruling.objects.count() == 1


def test_another_answer_waits_until_the_first_is_withdrawn(project: Project, alice: User) -> None:
    first = rule(project, alice)
    with pytest.raises(Conflict, match="has a ruling already"):
        rule(project, alice, answer="Yes.")
    withdraw_ruling(ruling=first, by=alice)
    assert rule(project, alice, answer="Yes.").pk != first.pk


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"question": "  "}, "question"),
        ({"answer": ""}, "answer"),
        ({"question": "x" * 301}, "question"),
        ({"answer": "a\x00b"}, "answer"),
        ({"error_type": "nothing"}, "error_type"),
        ({"translations": {"fr": CHINESE}}, "translations"),
        ({"translations": {"en": CHINESE}}, "translations"),
        ({"translations": {"zh-hans": {"question": "?"}}}, "zh-hans.answer"),
    ],
)
def test_what_is_no_ruling(project: Project, alice: User, words: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        rule(project, alice, **{"question": "Why?", **words})
    assert refusal.value.extra["field"] == field
    assert not Ruling.objects.exists()


def test_a_withdrawal_is_on_record(project: Project, alice: User, carol: User) -> None:
    ruling = withdraw_ruling(ruling=rule(project, alice), by=carol)
    assert (ruling.withdrawn_by, ruling.withdrawn_at is None) == (carol, False)
    assert AuditEvent.objects.filter(verb="ruling.withdrawn").count() == 1
    with pytest.raises(Conflict, match="withdrawn already"):
        withdraw_ruling(ruling=ruling, by=alice)


def test_a_withdrawal_is_undone(project: Project, alice: User) -> None:
    ruling = withdraw_ruling(ruling=rule(project, alice), by=alice)
    ruling = restore_ruling(ruling=ruling, by=alice)
    assert (ruling.withdrawn_at, ruling.withdrawn_by) == (None, None)
    assert AuditEvent.objects.filter(verb="ruling.restored").count() == 1
    with pytest.raises(Conflict, match="is in force"):
        restore_ruling(ruling=ruling, by=alice)


def test_a_withdrawal_that_somebody_read_stays(project: Project, alice: User, bob: User) -> None:
    ruling = withdraw_ruling(ruling=rule(project, alice), by=alice)
    read(project, bob)
    with pytest.raises(Conflict, match="Make it again"):
        restore_ruling(ruling=ruling, by=alice)


def test_words_are_found_in_every_language(project: Project, alice: User) -> None:
    first = rule(project, alice, translations={"zh-hans": CHINESE})
    second = rule(project, alice, "Does an INHERITED error count?", error_type="deception")

    def find(**filters: str) -> list[Ruling]:
        return list(find_rulings(project, RulingFilters(**filters)))

    assert find() == [second, first]
    assert find(text="近似") == [first]
    assert find(text="error inherited") == [second]
    assert find(text="inherited nothing") == []
    assert find(error_type="deception") == [second]
    assert find(error_type="-") == [first]
    withdraw_ruling(ruling=first, by=alice)
    assert find(state="withdrawn") == [first]
    assert find(state="standing") == [second]


# --- Guidelines in several languages --------------------------------------------------------------


def test_a_language_that_is_not_given_has_no_text(project: Project, alice: User) -> None:
    publish(project, alice, "One.", translations={"zh-hans": "一。"})
    publish(project, alice, "Two.")
    assert project.guideline_translations == {}
    assert project.guideline_versions.get(version=2).translations == {"zh-hans": "一。"}


@pytest.mark.parametrize(
    ("code", "text"), [("fr", "Un."), ("en", "One."), ("zh-hans", "一" * 200_001), ("", "x")]
)
def test_what_is_no_translation(project: Project, alice: User, code: str, text: str) -> None:
    with pytest.raises(InvalidInput):
        publish(project, alice, "One.", translations={code: text})
    project.refresh_from_db()
    assert project.guideline_version == 1


def test_an_empty_translation_is_none(project: Project, alice: User) -> None:
    publish(project, alice, "One.", translations={"zh-hans": " \n"})
    assert project.guideline_translations == {}


# --- Reading --------------------------------------------------------------------------------------


def test_a_reading_says_of_what(project: Project, alice: User, bob: User) -> None:
    ruling = rule(project, alice)
    with translation.override("zh-hans"):
        reading = read(project, bob)
    assert (reading.version, reading.last_ruling, reading.language) == (1, ruling, "zh-hans")


def test_once_for_each_edition(project: Project, alice: User, bob: User) -> None:
    assert read(project, bob) == read(project, bob)
    rule(project, alice)
    read(project, bob)
    publish(project, alice, "New.")
    read(project, bob)
    assert GuidelineReading.objects.filter(person=bob).count() == 3


def test_a_withdrawal_is_read_too(project: Project, alice: User, bob: User) -> None:
    rule(project, alice, "First?")
    second = rule(project, alice, "Second?")
    withdraw_ruling(ruling=second, by=alice)
    first_time = read(project, bob)
    withdraw_ruling(ruling=Ruling.objects.get(question="First?"), by=alice)
    assert read(project, bob).pk != first_time.pk


def test_nobody_has_read_what_came_meanwhile(project: Project, alice: User, bob: User) -> None:
    seen = find_edition(project)
    ruling = rule(project, alice)
    with pytest.raises(Conflict, match="changed while you read"):
        note_reading(project=project, person=bob, seen=seen)
    seen = find_edition(project)
    withdraw_ruling(ruling=ruling, by=alice)
    with pytest.raises(Conflict, match="changed while you read"):
        note_reading(project=project, person=bob, seen=seen)
    seen = find_edition(project)
    publish(Project.objects.get(pk=project.pk), alice, "New.")
    with pytest.raises(Conflict, match="changed while you read"):
        note_reading(project=project, person=bob, seen=seen)


def test_an_edition_that_never_was(project: Project, bob: User) -> None:
    with pytest.raises(Conflict):
        note_reading(project=project, person=bob, seen=Edition(9, 9, 9))


# --- Is there anything new? -----------------------------------------------------------------------


def test_where_nothing_is_written_nothing_is_unread(project: Project, bob: User) -> None:
    assert find_unread(project.slug, bob) == ""


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_what_was_never_read_is_new(
    project: Project, alice: User, bob: User, language: str
) -> None:
    texts = {"en": "", language: "Be exact."}
    publish(project, alice, texts.pop("en"), translations=texts)
    assert find_unread(project.slug, bob) == "new"
    read(project, bob)
    assert find_unread(project.slug, bob) == ""
    # What one has read, another has not.
    assert find_unread(project.slug, alice) == "new"


def test_a_ruling_alone_is_new(project: Project, alice: User, bob: User) -> None:
    rule(project, alice)
    assert find_unread(project.slug, bob) == "new"


def test_every_change_is_unread(project: Project, alice: User, bob: User) -> None:
    read(project, bob)
    publish(project, alice, "Be exact.")
    assert find_unread(project.slug, bob) == "changed"
    read(project, bob)
    ruling = rule(project, alice)
    assert find_unread(project.slug, bob) == "changed"
    read(project, bob)
    assert find_unread(project.slug, bob) == ""
    withdraw_ruling(ruling=ruling, by=alice)
    assert find_unread(project.slug, bob) == "changed"
    restore_ruling(ruling=ruling, by=alice)
    assert find_unread(project.slug, bob) == ""


def test_what_came_and_went_is_no_news(project: Project, alice: User, bob: User) -> None:
    read(project, bob)
    withdraw_ruling(ruling=rule(project, alice), by=alice)
    assert find_unread(project.slug, bob) == ""
    assert get_guidance(project, bob).changes is None


def test_it_takes_one_query(project: Project, alice: User, bob: User) -> None:
    rule(project, alice)
    read(project, bob)
    with CaptureQueriesContext(connection) as captured:
        find_unread(project.slug, bob)
    assert len(captured) == 1


def test_it_says_the_same_on_every_database(any_database: str) -> None:
    from tests.labeling.factories import make_project, make_user

    alice = make_user("alice")
    project = make_project(alice)
    publish(project, alice, "Be exact.")
    earlier = timezone.now() - timedelta(days=1)
    ruling = rule(project, alice, error_type="deception", now=earlier)
    assert find_unread(project.slug, alice) == "new"
    read(project, alice)
    assert find_unread(project.slug, alice) == ""
    withdraw_ruling(ruling=ruling, by=alice)
    assert find_unread(project.slug, alice) == "changed"
    restore_ruling(ruling=ruling, by=alice)
    assert find_unread(project.slug, alice) == ""


# --- As a person reads it -------------------------------------------------------------------------


def test_changes_since_it_was_read(project: Project, alice: User, bob: User) -> None:
    publish(project, alice, "Be exact.")
    old = rule(project, alice, "Old?")
    read(project, bob)
    publish(project, alice, "Be exact and kind.")
    new = rule(project, alice, "New?")
    withdraw_ruling(ruling=old, by=alice)
    guidance = get_guidance(project, bob)
    changes = guidance.changes
    assert changes is not None
    assert changes.since == 2
    assert changes.text is not None
    assert len(changes.text.blocks) == 1
    assert [view.id for view in changes.new] == [new.pk]
    assert [view.id for view in changes.withdrawn] == [old.pk]
    assert [(view.id, view.is_new) for view in guidance.rulings] == [(new.pk, True)]


def test_rulings_stand_on_the_cards_of_their_types(project: Project, alice: User) -> None:
    general = rule(project, alice, "Of all?")
    special = rule(project, alice, "Of one?", error_type="deception")
    guidance = get_guidance(project, alice)
    assert [view.id for view in guidance.rulings] == [general.pk]
    cards = {card.type.code: card for group in guidance.groups for card in group.cards}
    assert [view.id for view in cards["deception"].rulings] == [special.pk]
    assert not any(card.rulings for code, card in cards.items() if code != "deception")


def test_a_ruling_on_a_type_no_longer_in_force_is_not_lost(project: Project, alice: User) -> None:
    ruling = rule(project, alice, error_type="deception")
    Ruling.objects.filter(pk=ruling.pk).update(error_type="gone")
    [view] = get_guidance(project, alice).rulings
    assert (view.id, view.type_name) == (ruling.pk, "gone")


def test_everything_is_in_the_readers_language(project: Project, alice: User) -> None:
    publish(project, alice, "Be exact.", translations={"zh-hans": "要严谨。"})
    rule(project, alice, translations={"zh-hans": CHINESE})
    rule(project, alice, "Only in English?")
    with translation.override("zh-hans"):
        guidance = get_guidance(project, alice)
    assert (guidance.text.text, guidance.text.is_fallback) == ("要严谨。", False)
    only, both = guidance.rulings
    assert (both.question, both.is_fallback) == (CHINESE["question"], False)
    assert (only.question, only.language, only.is_fallback) == ("Only in English?", "en", True)
    assert guidance.taxonomy_title == "PRMBench 九类"
    assert guidance.groups[0].name == "简洁性"


def test_a_ruling_in_chinese_alone_says_so_to_others(project: Project, alice: User) -> None:
    make_ruling(
        project=project,
        by=alice,
        question=CHINESE["question"],
        answer=CHINESE["answer"],
        translations={"zh-hans": CHINESE},
    )
    [view] = get_guidance(project, alice).rulings
    assert (view.question, view.language, view.is_fallback) == (
        CHINESE["question"],
        "zh-hans",
        True,
    )


def test_names_are_shown_as_the_project_shows_them(
    project: Project, alice: User, bob: User
) -> None:
    rule(project, alice)
    pseudonym = project.memberships.get(user=alice).pseudonym
    assert get_guidance(project, bob).rulings[0].author == pseudonym
    assert get_guidance(project, alice).rulings[0].author == "alice"
    Project.objects.filter(pk=project.pk).update(hide_names=False)
    assert get_guidance(project, bob).rulings[0].author == "alice"


def test_a_search_leaves_what_fits(project: Project, alice: User) -> None:
    publish(project, alice, "Round nothing.\n\nBe kind.")
    rule(project, alice, "May one ROUND here?")
    rule(project, alice, "Is it circular?", error_type="circular")
    guidance = get_guidance(project, alice, query="round")
    assert guidance.text.text == "Round nothing."
    assert [view.question for view in guidance.rulings] == ["May one ROUND here?"]
    found = [card.type.code for group in guidance.groups for card in group.cards]
    assert "circular" not in found
    assert guidance.n_found == 2 + len(found)
    # A card is found by its rulings too.
    circular = get_guidance(project, alice, query="is it circular").groups
    assert [card.type.code for group in circular for card in group.cards] == ["circular"]


def test_it_takes_as_many_queries_with_many_rulings(project: Project, alice: User) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            get_guidance(project, alice)
        return len(captured)

    rule(project, alice, "First?")
    read(project, alice)
    few = count()
    for number in range(12):
        rule(project, alice, f"Question {number}?", error_type="circular")
    assert count() == few


def test_only_what_changed_is_shown(project: Project, alice: User, bob: User) -> None:
    publish(project, alice, "First.\n\nSecond one.\n\n- a\n- b\n- gone")
    read(project, bob)
    publish(project, alice, "First.\n\nSecond *new* one.\n\n- a\n- b\n\n**Added.**")
    changes = get_guidance(project, bob).changes
    assert changes is not None
    assert changes.text is not None
    edited, gone, added = changes.text.blocks
    assert [block.is_after_gap for block in (edited, gone, added)] == [True, True, False]
    words = [one.text for one in edited.diff.modified if isinstance(one, TextSegment)]
    assert "".join(words) == "Second new one."
    assert gone.diff.modified == ()
    assert added.diff.original == ()
