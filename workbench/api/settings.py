"""Settings of the REST API, read by workbench.settings.base."""

from __future__ import annotations

REST_FRAMEWORK: dict[str, object] = {
    # The token comes first: its challenge makes an anonymous request a 401, not a 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workbench.api.authentication.TokenAuthentication",
        "workbench.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "workbench.api.permissions.HasScope",
    ],
    "DEFAULT_PARSER_CLASSES": ["workbench.api.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "workbench.api.negotiation.AlwaysJSON",
    # OPTIONS would describe what the schema describes better.
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "workbench.api.schema.WorkbenchSchema",
    "EXCEPTION_HANDLER": "workbench.api.exception_handler.handle_exception",
    # `format` names the format of a data set here, never that of the answer.
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, object] = {
    "TITLE": "PRM Workbench",
    "DESCRIPTION": (
        "Import solutions, review their steps, verify injected errors, measure agreement and "
        "download releases.\n\n"
        "Sign in with a session, or send a token: `Authorization: Bearer prm_…`. Every failure "
        "has one shape: `{error: {code, message, detail}}`. Lists come in pages: follow `next` "
        "until it is null. Positions of steps count from 0."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "LICENSE": {"name": "Apache-2.0"},
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "workbench.api.schema.add_error_answers",
    ],
    # Several tables have a `state` or a `kind`; each set of values gets a name of its own.
    "ENUM_NAME_OVERRIDES": {
        "AnnotationKindEnum": "labeling.models.Annotation.Kind",
        "AssignmentStateEnum": "labeling.models.Assignment.State",
        "DisputeStateEnum": "labeling.models.Dispute.State",
        "EngineKindEnum": "modeljobs.models.Engine.Kind",
        "EvidenceEnum": "labeling.models.Project.Evidence",
        "ImportStateEnum": "labeling.models.ImportBatch.State",
        "ItemStateEnum": "labeling.models.ReviewItem.State",
        "JobStateEnum": "modeljobs.models.ModelJob.State",
        "ReleaseStateEnum": "labeling.models.Release.State",
        "ScopeEnum": "labeling.models.ApiToken.Scope",
        "SolutionOriginEnum": "labeling.models.Solution.Origin",
        "TaskEnum": "labeling.models.ReviewItem.Task",
        "TreatmentEnum": "modeljobs.methods.rpe_labels.TREATMENTS",
    },
}
