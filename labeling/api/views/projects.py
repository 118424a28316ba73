"""Projects: listed, made, read, and their protocol changed."""

from __future__ import annotations

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.serializers.projects import (
    NewProjectSerializer,
    NewTaxonomySerializer,
    ProjectChangeSerializer,
    ProjectSerializer,
    TaxonomySerializer,
)
from labeling.models import Taxonomy
from labeling.services import projects
from workbench.api.permissions import ANY_SCOPE, Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView
from workbench.errors import NotAllowed, NotFound


class ProjectsView(ApiView):
    """The projects that one may see."""

    tag = "projects"
    scopes = {"GET": ANY_SCOPE, "POST": (Scope.ADMIN,)}

    @extend_schema(responses=ProjectSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The projects that you may see; archived ones are left out."""
        self.read_query(Nothing)
        return self.list_page(access.list_projects(self.user), ProjectSerializer)

    @extend_schema(request=NewProjectSerializer, responses={201: ProjectSerializer})
    def post(self, request: Request) -> Response:
        """Make a project that you lead. For superusers, and for those who lead one already."""
        if not access.may_create_projects(self.user):
            raise NotAllowed(
                "Only those who lead a project may make another; ask whoever runs this workbench."
            )
        data = self.read(NewProjectSerializer)
        project = projects.create_project(by=self.user, **data)
        return Response(ProjectSerializer(project).data, status=status.HTTP_201_CREATED)


class ProjectView(ApiView):
    """One project."""

    tag = "projects"
    scopes = {"GET": ANY_SCOPE, "PATCH": (Scope.ADMIN,)}

    @extend_schema(responses=ProjectSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """A project and its protocol."""
        self.read_query(Nothing)
        return Response(ProjectSerializer(access.get_project(self.user, slug)).data)

    @extend_schema(request=ProjectChangeSerializer, responses=ProjectSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """Change the protocol: what is given, and nothing else.

        409 when the project has changed since the `version` that is sent.
        """
        project = access.get_project(self.user, slug, Capability.MANAGE)
        data = self.read(ProjectChangeSerializer)
        project = projects.update_protocol(
            project=project, by=self.user, seen_version=data.pop("version"), **data
        )
        return Response(ProjectSerializer(project).data)


class TaxonomiesView(ApiView):
    """The taxonomies of error types that the project may use."""

    tag = "projects"
    scopes = {"GET": ANY_SCOPE, "POST": (Scope.ADMIN,)}

    @extend_schema(responses=TaxonomySerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The shipped taxonomies and the project's own versions."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug)
        usable = Taxonomy.objects.filter(Q(project__isnull=True) | Q(project=project))
        return self.list_page(usable, TaxonomySerializer, context={"project": project})

    @extend_schema(request=NewTaxonomySerializer, responses={201: TaxonomySerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Put an edited taxonomy in force, as the project's next version."""
        project = access.get_project(self.user, slug, Capability.MANAGE)
        data = self.read(NewTaxonomySerializer)
        taxonomy = projects.publish_taxonomy(
            project=project, by=self.user, content=data["content"], seen_taxonomy=data["taxonomy"]
        )
        shown = TaxonomySerializer(taxonomy, context={"project": project})
        return Response(shown.data, status=status.HTTP_201_CREATED)


class UseTaxonomyView(ApiView):
    """A taxonomy to be used as it is."""

    tag = "projects"
    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=None, responses=ProjectSerializer)
    def post(self, request: Request, slug: str, taxonomy_id: int) -> Response:
        """Put a shipped taxonomy, or an earlier version of the project's own, in force."""
        project = access.get_project(self.user, slug, Capability.MANAGE)
        self.read(Nothing)
        taxonomy = Taxonomy.objects.filter(
            Q(project__isnull=True) | Q(project=project), pk=taxonomy_id
        ).first()
        if taxonomy is None:
            raise NotFound(f"There is no taxonomy {taxonomy_id} that this project may use.")
        project = projects.use_builtin_taxonomy(project=project, by=self.user, taxonomy=taxonomy)
        return Response(ProjectSerializer(project).data)
