"""What is labelled: sources, problems, solutions and injections, to be browsed."""

from __future__ import annotations

from django.db.models import Prefetch, Q
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.names import load_names
from labeling.api.serializers.data import (
    InjectionDetailSerializer,
    InjectionQuery,
    InjectionSerializer,
    ItemQuery,
    ItemSerializer,
    ProblemQuery,
    ProblemSerializer,
    SolutionDetailSerializer,
    SolutionQuery,
    SolutionSerializer,
    SourceChangeSerializer,
    SourceSerializer,
    SuggestionQuery,
    SuggestionSerializer,
)
from labeling.models import Adjudication, Annotation, Injection, Problem, ReviewItem, Solution
from labeling.selectors import explorer
from labeling.selectors.explorer import SolutionFilters
from labeling.selectors.review import build_fork, list_steps
from labeling.services.projects import update_source
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView
from workbench.errors import NotFound


class SourcesView(ApiView):
    """Where the project's data comes from."""

    tag = "data"
    scopes = {"GET": (Scope.READ, Scope.IMPORT, Scope.EXPORT)}

    @extend_schema(responses=SourceSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The sources, with licence and terms."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.BROWSE)
        return self.list_page(project.sources.all(), SourceSerializer)


class SourceView(ApiView):
    """One source."""

    tag = "data"
    scopes = {"PATCH": (Scope.IMPORT,)}

    @extend_schema(request=SourceChangeSerializer, responses=SourceSerializer)
    def patch(self, request: Request, slug: str, source_id: int) -> Response:
        """Correct where a source is from and under which terms. The release gate reads these."""
        project = access.get_project(self.user, slug, Capability.IMPORT)
        source = project.sources.select_related("project").filter(pk=source_id).first()
        if source is None:
            raise NotFound(f"This project has no source {source_id}.")
        facts = self.read(SourceChangeSerializer)
        return Response(SourceSerializer(update_source(source=source, by=self.user, **facts)).data)


class ProblemsView(ApiView):
    """The questions of a project."""

    tag = "data"
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(parameters=[ProblemQuery], responses=ProblemSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Problems with their known answers."""
        project = access.get_project(self.user, slug, Capability.BROWSE)
        query = self.read_query(ProblemQuery)
        problems = Problem.objects.filter(project=project).select_related("family", "source")
        if "text" in query:
            problems = problems.filter(text__icontains=query["text"])
        if "source" in query:
            problems = problems.filter(source__name=query["source"])
        problems = problems.filter(
            **{name: query[name] for name in ("domain", "language") if name in query}
        )
        return self.list_page(problems, ProblemSerializer)


class SolutionsView(ApiView):
    """The candidate answers of a project."""

    tag = "data"
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(parameters=[SolutionQuery], responses=SolutionSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Solutions without their steps; filters may be combined."""
        project = access.get_project(self.user, slug, Capability.BROWSE)
        query = self.read_query(SolutionQuery)
        rows = explorer.list_solutions(project, SolutionFilters(**query))
        return self.list_page(rows, SolutionSerializer)


class SolutionView(ApiView):
    """One candidate answer."""

    tag = "data"
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(responses=SolutionDetailSerializer)
    def get(self, request: Request, solution_id: int) -> Response:
        """A solution with its steps, suggestions, annotations and what it was settled with."""
        self.read_query(Nothing)
        solution = access.get_solution(self.user, solution_id)
        annotations = explorer.list_annotations(solution)
        held = access.capabilities_of(self.user, solution.project)
        if Capability.ADJUDICATE not in held:
            annotations = annotations.filter(kind=Annotation.Kind.IMPORTED)
        context = {
            "names": load_names(solution.project, self.user),
            "annotations": annotations,
            "items": list_settled_items(solution),
        }
        return Response(SolutionDetailSerializer(solution, context=context).data)


def list_settled_items(solution: Solution) -> list[ReviewItem]:
    """The solution's items; each carries as `settled` what it was settled with, or None."""
    items = list(
        ReviewItem.objects.filter(solution=solution)
        .select_related("agreed_revision")
        .prefetch_related(
            Prefetch("adjudications", queryset=Adjudication.objects.order_by("number"))
        )
        .order_by("pk")
    )
    for item in items:
        item.settled = _read_settled(item)  # type: ignore[attr-defined]
    return items


def _read_settled(item: ReviewItem) -> dict[str, object] | None:
    decisions = list(item.adjudications.all())
    if item.state == ReviewItem.State.DECIDED and decisions:
        last = decisions[-1]
        return {"standing": "decided", "content": last.content, "reason": last.reason}
    if item.state == ReviewItem.State.AGREED and item.agreed_revision is not None:
        return {"standing": "agreed", "content": item.agreed_revision.content, "reason": ""}
    return None


class InjectionsView(ApiView):
    """The injections of a project."""

    tag = "data"
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(parameters=[InjectionQuery], responses=InjectionSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Claims with their lints and where their review stands."""
        project = access.get_project(self.user, slug, Capability.BROWSE)
        query = self.read_query(InjectionQuery)
        producer = query.pop("producer", None)
        rows = (
            Injection.objects.filter(project=project)
            .select_related("modified")
            .prefetch_related("modified__review_items")
        )
        if producer is not None:
            rows = rows.filter(producer=producer)
        if query:
            solutions = explorer.list_solutions(project, SolutionFilters(**query))
            rows = rows.filter(modified__in=solutions.order_by().values("pk"))
        return self.list_page(rows, InjectionSerializer)


class InjectionView(ApiView):
    """One injection."""

    tag = "data"
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(responses=InjectionDetailSerializer)
    def get(self, request: Request, injection_id: int) -> Response:
        """An injection with the original and the modified solution, aligned."""
        self.read_query(Nothing)
        injection = access.get_injection(self.user, injection_id)
        original, modified = list_steps(injection.original), list_steps(injection.modified)
        context = {
            "original_steps": original,
            "modified_steps": modified,
            "fork": build_fork(original, modified),
        }
        return Response(InjectionDetailSerializer(injection, context=context).data)


class ItemsView(ApiView):
    """The things to review."""

    tag = "data"
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(parameters=[ItemQuery], responses=ItemSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Review items and where they stand."""
        project = access.get_project(self.user, slug, Capability.BROWSE)
        query = self.read_query(ItemQuery)
        return self.list_page(ReviewItem.objects.filter(project=project, **query), ItemSerializer)


class SuggestionsView(ApiView):
    """What machines propose."""

    tag = "data"
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(parameters=[SuggestionQuery], responses=SuggestionSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Suggestions: labels and scores per step, with raw value, scale and rule."""
        project = access.get_project(self.user, slug, Capability.BROWSE)
        query = self.read_query(SuggestionQuery)
        return self.list_page(project.suggestions.filter(Q(**query)), SuggestionSerializer)
