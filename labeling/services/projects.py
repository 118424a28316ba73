"""Projects: making them, changing their protocol, guidelines and taxonomy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F

from labeling.models import (
    ErrorType,
    Guideline,
    Membership,
    Project,
    ReviewItem,
    Source,
    Taxonomy,
    User,
)
from labeling.services.audit import record_event
from labeling.services.languages import check_translations
from labeling.services.members import pick_pseudonym
from labeling.services.ordering import reorder_queue
from labeling.taxonomies.loader import (
    Taxonomy as TaxonomyRecord,
)
from labeling.taxonomies.loader import (
    list_builtin,
    load_builtin,
    pack_taxonomy,
    parse_taxonomy,
)
from workbench.errors import Conflict, InvalidInput

PROTOCOL_FIELDS = (
    "rating_view",
    "mode",
    "asks_contribution",
    "asks_origin",
    "asks_error_types",
    "allow_partial",
    "overlap",
    "strategy",
    "agree_target",
    "max_overlap",
    "lease_minutes",
    "hide_claim",
    "show_reference_answer",
    "machine_evidence",
    "hide_names",
    "verify_sources",
    "equality_checks",
    "decisions_shown",
    "proposal_method",
    "blind_share",
    "source_order",
    "screening_required",
    "screening_size",
    "screening_pass_percent",
)
DEFAULT_TAXONOMY = "prmbench-9"
SOURCE_FACTS = (
    *("url", "revision", "licence", "redistribution", "has_personal_data", "split", "citation"),
)


@transaction.atomic
def create_project(
    *,
    name: str,
    slug: str,
    by: User,
    description: str = "",
    taxonomy: Taxonomy | None = None,
    is_demo: bool = False,
    **protocol: Any,
) -> Project:
    """A new project led by `by`. Protocol settings not given take the model's defaults."""
    _check_fields(protocol)
    if taxonomy is None:
        taxonomy = ensure_builtin_taxonomies()[DEFAULT_TAXONOMY]
    project = Project(
        name=name,
        slug=slug,
        description=description,
        taxonomy=taxonomy,
        is_demo=is_demo,
        **protocol,
    )
    _full_clean(project)
    try:
        with transaction.atomic():
            project.save()
    except IntegrityError:
        raise Conflict(f"There is a project with the address {slug!r} already.") from None
    Guideline.objects.create(project=project, version=1, text=project.guidelines, author=by)
    Membership.objects.create(
        project=project,
        user=by,
        role=Membership.Role.LEAD,
        pseudonym=pick_pseudonym(project),
    )
    record_event(project=project, actor=by, verb="project.created", target=project)
    return project


@transaction.atomic
def update_protocol(
    *, project: Project, by: User, seen_version: int, name: str | None = None, **changes: Any
) -> Project:
    """Change what is asked, of how many, and what is blinded, unless it changed meanwhile.

    A larger overlap opens slots on items that are still waiting; a smaller one applies to items
    that come in later, so that nobody's work is cut off. Items already settled stay as they are.
    """
    _check_fields(set(changes) - {"description"})
    updated = Project.objects.filter(pk=project.pk, version=seen_version).update(
        version=F("version") + 1
    )
    if updated != 1:
        raise Conflict("These settings were changed in another window. Look at them again.")
    project.refresh_from_db()
    before = {field: getattr(project, field) for field in changes}
    for field, value in changes.items():
        setattr(project, field, value)
    if name is not None:
        project.name = name
    _full_clean(project)
    project.save()
    if project.overlap > before.get("overlap", project.overlap):
        ReviewItem.objects.filter(
            project=project, state=ReviewItem.State.WAITING, overlap__lt=project.overlap
        ).update(
            free_slots=F("free_slots") + project.overlap - F("overlap"), overlap=project.overlap
        )
    if project.source_order != before.get("source_order", project.source_order):
        reorder_queue(project)
        project.refresh_from_db(fields=["next_queue_order"])
    after = {field: getattr(project, field) for field in changes}
    record_event(
        project=project,
        actor=by,
        verb="project.protocol_changed",
        target=project,
        before=before,
        after=after,
    )
    return project


@transaction.atomic
def publish_guidelines(
    *,
    project: Project,
    by: User,
    text: str,
    seen_version: int,
    translations: Mapping[str, str] | None = None,
) -> Guideline:
    """Make `text` and its translations, by language, the guidelines in force.

    All of them are one version, and the version before stays readable. A language that is not given
    has no text in it: the earlier one would say something else than `text`.
    """
    told = check_translations(translations or {})
    updated = Project.objects.filter(pk=project.pk, guideline_version=seen_version).update(
        guideline_version=F("guideline_version") + 1,
        guidelines=text,
        guideline_translations=told,
    )
    if updated != 1:
        raise Conflict("The guidelines were changed in another window. Look at them again.")
    project.refresh_from_db()
    guideline = Guideline.objects.create(
        project=project,
        version=project.guideline_version,
        text=text,
        translations=told,
        author=by,
    )
    record_event(
        project=project,
        actor=by,
        verb="guidelines.published",
        target=guideline,
        version=guideline.version,
        languages=sorted(told),
    )
    return guideline


def ensure_builtin_taxonomies() -> dict[str, Taxonomy]:
    """The shipped taxonomies as rows, by id; made where they are missing."""
    return {name: _ensure_builtin(load_builtin(name)) for name in list_builtin()}


def _ensure_builtin(record: TaxonomyRecord) -> Taxonomy:
    found = Taxonomy.objects.filter(
        project__isnull=True, slug=record.id, version=record.version
    ).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return _store_taxonomy(record, project=None, author=None)
    except IntegrityError:
        return Taxonomy.objects.get(project__isnull=True, slug=record.id, version=record.version)


@transaction.atomic
def publish_taxonomy(
    *, project: Project, by: User, content: object, seen_taxonomy: int
) -> Taxonomy:
    """Store an edited taxonomy as the project's next version and put it in force.

    Judgements made so far keep naming the version they were made under.
    """
    try:
        record = parse_taxonomy(content)
    except ValueError as error:
        raise InvalidInput(str(error), field="content") from None
    updated = Project.objects.filter(pk=project.pk, taxonomy_id=seen_taxonomy).update(
        version=F("version") + 1
    )
    if updated != 1:
        raise Conflict("The taxonomy was changed in another window. Look at it again.")
    latest = (
        Taxonomy.objects.filter(project=project, slug=record.id)
        .order_by("-version")
        .values_list("version", flat=True)
        .first()
    )
    version = max(latest or 0, project.taxonomy.version) + 1
    taxonomy = _store_taxonomy(record, project=project, author=by, version=version)
    Project.objects.filter(pk=project.pk).update(taxonomy=taxonomy)
    project.refresh_from_db()
    record_event(
        project=project, actor=by, verb="taxonomy.published", target=taxonomy, version=version
    )
    return taxonomy


@transaction.atomic
def use_builtin_taxonomy(*, project: Project, by: User, taxonomy: Taxonomy) -> Project:
    """Put a shipped taxonomy, or an earlier version of the project's own, in force."""
    if taxonomy.project_id not in (None, project.pk):
        raise InvalidInput("This taxonomy belongs to another project.", field="taxonomy")
    Project.objects.filter(pk=project.pk).update(taxonomy=taxonomy, version=F("version") + 1)
    project.refresh_from_db()
    record_event(project=project, actor=by, verb="taxonomy.chosen", target=taxonomy)
    return project


def _store_taxonomy(
    record: TaxonomyRecord,
    *,
    project: Project | None,
    author: User | None,
    version: int | None = None,
) -> Taxonomy:
    taxonomy = Taxonomy.objects.create(
        project=project,
        slug=record.id,
        version=version or record.version,
        title=record.title_in("en"),
        content={**pack_taxonomy(record), "version": version or record.version},
        author=author,
    )
    ErrorType.objects.bulk_create(
        ErrorType(
            taxonomy=taxonomy,
            code=error_type.code,
            name=error_type.name_in("en"),
            dimension=error_type.dimension,
            position=position,
        )
        for position, error_type in enumerate(record.types)
    )
    return taxonomy


def ensure_source(*, project: Project, name: str, by: User | None = None, **facts: Any) -> Source:
    """The project's source of that name, made with these facts where it is new."""
    name = name.strip()
    if not name:
        raise InvalidInput("Name the source: where the data comes from.", field="source")
    if len(name) > 120:
        raise InvalidInput("A source's name has at most 120 characters.", field="source")
    source, created = Source.objects.get_or_create(project=project, name=name, defaults=facts)
    if created:
        record_event(project=project, actor=by, verb="source.created", target=source, name=name)
    return source


@transaction.atomic
def update_source(*, source: Source, by: User, **facts: Any) -> Source:
    """Correct what is known of a source: where it is from and under which terms."""
    fresh = Source.objects.select_for_update().get(pk=source.pk)
    before = {name: getattr(fresh, name) for name in facts}
    for name, value in facts.items():
        setattr(fresh, name, value)
    fresh.save(update_fields=list(facts))
    record_event(
        project=source.project,
        actor=by,
        verb="source.changed",
        target=fresh,
        before=before,
        after=facts,
    )
    return fresh


def _check_fields(names: Any) -> None:
    unknown = set(names) - set(PROTOCOL_FIELDS)
    if unknown:
        known = ", ".join(PROTOCOL_FIELDS)
        raise InvalidInput(f"{sorted(unknown)[0]!r} is not a protocol setting; known: {known}.")


def _full_clean(project: Project) -> None:
    try:
        project.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        where = "" if field == "__all__" else f"{field}: "
        raise InvalidInput(f"{where}{messages[0]}", field=field) from None
