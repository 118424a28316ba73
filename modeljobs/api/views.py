"""Engines, methods and jobs."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.models import Membership, User
from modeljobs import selectors
from modeljobs.api.serializers import (
    EngineChangeSerializer,
    EngineQuery,
    EngineSerializer,
    JobDetailSerializer,
    JobLineSerializer,
    JobSerializer,
    MethodListSerializer,
    NewEngineSerializer,
    NewJobSerializer,
    RetriedSerializer,
    RetrySerializer,
)
from modeljobs.engines import catalog
from modeljobs.methods.catalog import METHODS
from modeljobs.models import ModelJob
from modeljobs.services import engines, jobs
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView
from workbench.errors import NotAllowed

SEE_JOBS = (Scope.READ, Scope.JOBS)


def require_job_viewer(user: User) -> None:
    """Engines belong to no project: whoever may see jobs in some project may see them."""
    roles = access.roles_with(Capability.VIEW_JOBS)
    held = Membership.objects.filter(user=user, is_active=True, role__in=list(roles))
    if not (user.is_superuser or held.exists()):
        raise NotAllowed("Only those who may see the model jobs of a project may see engines.")


class EnginesView(ApiView):
    """Where text comes from."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS, "POST": (Scope.ADMIN,)}

    @extend_schema(parameters=[EngineQuery], responses=EngineSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The engines that jobs may use."""
        require_job_viewer(self.user)
        query = self.read_query(EngineQuery)
        rows = selectors.list_engines(active_only=not query["include_inactive"])
        context = {"may_manage": engines.may_manage_engines(self.user)}
        return self.list_page(rows, EngineSerializer, context=context)

    @extend_schema(request=NewEngineSerializer, responses={201: EngineSerializer})
    def post(self, request: Request) -> Response:
        """Add an engine, for all projects. For leads."""
        require_job_viewer(self.user)
        engine = engines.create_engine(by=self.user, **self.read(NewEngineSerializer))
        shown = EngineSerializer(engine, context={"may_manage": True})
        return Response(shown.data, status=status.HTTP_201_CREATED)


class EngineView(ApiView):
    """One engine."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS, "PATCH": (Scope.ADMIN,)}

    @extend_schema(responses=EngineSerializer)
    def get(self, request: Request, engine_id: int) -> Response:
        """An engine, with its settings for those who may change them."""
        require_job_viewer(self.user)
        self.read_query(Nothing)
        engine = selectors.get_engine(engine_id)
        context = {"may_manage": engines.may_manage_engines(self.user)}
        return Response(EngineSerializer(engine, context=context).data)

    @extend_schema(request=EngineChangeSerializer, responses=EngineSerializer)
    def patch(self, request: Request, engine_id: int) -> Response:
        """Change an engine. Jobs that have started keep it as it was."""
        require_job_viewer(self.user)
        engine = selectors.get_engine(engine_id)
        changed = engines.update_engine(
            engine=engine, by=self.user, **self.read(EngineChangeSerializer)
        )
        return Response(EngineSerializer(changed, context={"may_manage": True}).data)


class MethodsView(ApiView):
    """What can be asked of a model."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS}

    @extend_schema(responses=MethodListSerializer)
    def get(self, request: Request) -> Response:
        """The methods and the kinds of engine, with their settings."""
        self.read_query(Nothing)
        shown = {"results": list(METHODS.values()), "engine_kinds": list(catalog.KINDS.values())}
        return Response(MethodListSerializer(shown).data)


class JobsView(ApiView):
    """The jobs of a project."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS, "POST": (Scope.JOBS,)}
    pagination_class = NewestFirst

    @extend_schema(responses=JobLineSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The jobs, newest first, with how far each is."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.VIEW_JOBS)
        rows = ModelJob.objects.filter(project=project).select_related("engine", "created_by")
        paginator = self.pagination_class()
        page = paginator.paginate_queryset(rows, request, view=self) or []
        shown = JobLineSerializer(selectors.summarise_jobs(page), many=True)
        return paginator.get_paginated_response(shown.data)

    @extend_schema(request=NewJobSerializer, responses={201: JobSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Make a job, and start it unless `start` is false."""
        project = access.get_project(self.user, slug, Capability.RUN_JOBS)
        data = self.read(NewJobSerializer)
        engine = selectors.get_engine(data["engine"])
        with transaction.atomic():
            job = jobs.create_job(
                project=project,
                engine=engine,
                method=data["method"],
                parameters=data["parameters"],
                seed=data["seed"],
                selection=data["selection"],
                budgets=data["budgets"],
                guards=data["guards"],
                by=self.user,
            )
            if data["start"]:
                job = jobs.start(job=job, by=self.user)
        return Response(JobSerializer(job).data, status=status.HTTP_201_CREATED)


class JobView(ApiView):
    """One job."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS}

    @extend_schema(responses=JobDetailSerializer)
    def get(self, request: Request, job_id: int) -> Response:
        """A job at this moment: counts, speed, failures, and how its proposals fare."""
        self.read_query(Nothing)
        job = selectors.get_job(self.user, job_id)
        progress = selectors.get_progress(job, now=timezone.now())
        shown = JobDetailSerializer(progress, context={"funnel": selectors.build_funnel(job)})
        return Response(shown.data)


class JobMoveView(ApiView):
    """A job moved from one state to another."""

    tag = "jobs"
    scopes = {"POST": (Scope.JOBS,)}

    def move(self, job_id: int, action: Callable[..., ModelJob]) -> Response:
        job = selectors.get_job(self.user, job_id, Capability.RUN_JOBS)
        self.read(Nothing)
        return Response(JobSerializer(action(job=job, by=self.user)).data)


class StartJobView(JobMoveView):
    """A job to be begun."""

    @extend_schema(request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: int) -> Response:
        """Begin a job that was made without being started."""
        return self.move(job_id, jobs.start)


class PauseJobView(JobMoveView):
    """A job to be paused."""

    @extend_schema(request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: int) -> Response:
        """Begin nothing new; what is in flight lands."""
        return self.move(job_id, jobs.pause)


class ResumeJobView(JobMoveView):
    """A job to go on."""

    @extend_schema(request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: int) -> Response:
        """Go on after a pause."""
        return self.move(job_id, jobs.resume)


class CancelJobView(JobMoveView):
    """A job to be ended."""

    @extend_schema(request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: int) -> Response:
        """End a job. What is stored stays; nothing more comes from it."""
        return self.move(job_id, jobs.cancel)


class RetryJobView(ApiView):
    """Failed items to be tried again."""

    tag = "jobs"
    scopes = {"POST": (Scope.JOBS,)}

    @extend_schema(request=RetrySerializer, responses=RetriedSerializer)
    def post(self, request: Request, job_id: int) -> Response:
        """Put failed items back into the queue, all or those that ended for one reason."""
        job = selectors.get_job(self.user, job_id, Capability.RUN_JOBS)
        data = self.read(RetrySerializer)
        count = jobs.retry_failed(job=job, by=self.user, reason_code=data["reason_code"])
        job.refresh_from_db()
        return Response(RetriedSerializer(job, context={"items": count}).data)
