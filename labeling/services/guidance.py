"""Rulings, made and withdrawn, and having read what is in force.

A ruling is never changed: it is withdrawn, and another takes its place. A withdrawal can be undone
for as long as nobody has read of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import get_language

from labeling.guidance_texts import MAX_ANSWER, MAX_QUESTION
from labeling.models import GuidelineReading, Project, Ruling, User
from labeling.selectors.guidance import Edition, find_edition, find_reading
from labeling.services.audit import record_event
from labeling.services.languages import check_language
from labeling.taxonomies.loader import parse_taxonomy
from workbench.errors import Conflict, InvalidInput

LIMITS = {"question": MAX_QUESTION, "answer": MAX_ANSWER}
PARTS = tuple(LIMITS)


@transaction.atomic
def make_ruling(
    *,
    project: Project,
    by: User,
    question: str,
    answer: str,
    error_type: str = "",
    translations: Mapping[str, Mapping[str, str]] | None = None,
    now: datetime | None = None,
) -> Ruling:
    """Answer a question that the guidelines leave open, for one error type or ("") for all.

    `translations` are {"zh-hans": {"question": …, "answer": …}}. One that says what `question` and
    `answer` do tells in which language they were written. The same ruling twice is one.
    """
    first = _check_words({"question": question, "answer": answer}, prefix="")
    told = _check_translations(translations or {})
    _check_type(project, error_type)
    # Two windows that send the same ruling at once take turns.
    Project.objects.select_for_update().get(pk=project.pk)
    same = Ruling.objects.filter(
        project=project,
        withdrawn_at__isnull=True,
        error_type=error_type,
        question=first["question"],
    ).first()
    if same is not None:
        if (same.answer, same.translations) == (first["answer"], told):
            return same
        raise Conflict(
            "This question has a ruling already. Withdraw that one, and this can take its place."
        )
    ruling = Ruling.objects.create(
        project=project,
        error_type=error_type,
        **first,
        translations=told,
        guideline_version=project.guideline_version,
        author=by,
        created_at=now or timezone.now(),
    )
    record_event(
        project=project,
        actor=by,
        verb="ruling.made",
        target=ruling,
        error_type=error_type,
        question=ruling.question,
        languages=sorted(told),
    )
    return ruling


@transaction.atomic
def withdraw_ruling(*, ruling: Ruling, by: User, now: datetime | None = None) -> Ruling:
    """Say that it holds no more; it stays on record, with the day."""
    updated = Ruling.objects.filter(pk=ruling.pk, withdrawn_at__isnull=True).update(
        withdrawn_at=now or timezone.now(), withdrawn_by=by
    )
    if updated != 1:
        raise Conflict("This ruling is withdrawn already.")
    ruling.refresh_from_db()
    record_event(project=ruling.project, actor=by, verb="ruling.withdrawn", target=ruling)
    return ruling


@transaction.atomic
def restore_ruling(*, ruling: Ruling, by: User) -> Ruling:
    """Undo a withdrawal, unless somebody has read of it: then a new ruling says it anew."""
    read_since = GuidelineReading.objects.filter(
        project=OuterRef("project"), at__gte=OuterRef("withdrawn_at")
    )
    withdrawn = Ruling.objects.filter(pk=ruling.pk, withdrawn_at__isnull=False)
    updated = withdrawn.exclude(Exists(read_since)).update(withdrawn_at=None, withdrawn_by=None)
    if updated != 1:
        if withdrawn.exists():
            raise Conflict(
                "Somebody has read that this ruling was withdrawn. Make it again, as a new one."
            )
        raise Conflict("This ruling is in force.")
    ruling.refresh_from_db()
    record_event(project=ruling.project, actor=by, verb="ruling.restored", target=ruling)
    return ruling


@transaction.atomic
def note_reading(
    *, project: Project, person: User, seen: Edition, now: datetime | None = None
) -> GuidelineReading:
    """Note that the person has read what is in force, once for each edition.

    Refused where something changed since they opened it: nobody is noted for what they never saw.
    """
    project.refresh_from_db(fields=["guideline_version"])
    if seen != find_edition(project):
        raise Conflict("The guidelines changed while you read them. Look at what is new.")
    before = find_reading(project, person)
    if before is not None and _covers(before, seen):
        return before
    return GuidelineReading.objects.create(
        project=project,
        person=person,
        version=seen.version,
        last_ruling_id=seen.last_ruling or None,
        language=get_language() or "",
        at=now or timezone.now(),
    )


def _covers(reading: GuidelineReading, seen: Edition) -> bool:
    """Was all of the edition there when the person read?"""
    if (reading.version, reading.last_ruling_id or 0) != (seen.version, seen.last_ruling):
        return False
    newer = Ruling.objects.filter(project=reading.project_id, withdrawn_at__gt=reading.at)
    return not newer.exists()


def _check_words(words: Mapping[str, str], *, prefix: str) -> dict[str, str]:
    """Both parts, stripped, within their limits; `prefix` names a translation in the refusal."""
    checked = {}
    for part in PARTS:
        text = words.get(part, "").strip()
        field = f"{prefix}{part}"
        if not text:
            raise InvalidInput(f"{field}: a ruling has a question and an answer.", field=field)
        if len(text) > LIMITS[part]:
            raise InvalidInput(
                f"{field}: {len(text):,} characters; {LIMITS[part]:,} are allowed.", field=field
            )
        if "\x00" in text:
            raise InvalidInput(
                f"{field}: holds a NUL character, which cannot be stored.", field=field
            )
        checked[part] = text
    return checked


def _check_translations(
    translations: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, str]]:
    told = {}
    for code, words in translations.items():
        check_language(code)
        told[code] = _check_words(words, prefix=f"{code}.")
    return told


def _check_type(project: Project, error_type: str) -> None:
    codes = parse_taxonomy(project.taxonomy.content).codes
    if error_type and error_type not in codes:
        raise InvalidInput(
            f"error_type: {error_type[:80]!r} is no error type in force; there are "
            f"{', '.join(codes)}.",
            field="error_type",
        )
