"""The tables of the human side, one module a noun."""

from labeling.models.adjudications import Adjudication, Dispute
from labeling.models.annotations import Annotation, AnnotationRevision, StepRating
from labeling.models.assignments import Assignment, Draft, ReviewItem
from labeling.models.audit import AuditEvent, Exposure
from labeling.models.comments import Comment, Mention
from labeling.models.guidance import GuidelineReading, Ruling
from labeling.models.injections import Injection
from labeling.models.people import ApiToken, Invitation, Membership, User
from labeling.models.problems import Problem, ProblemFamily, Source
from labeling.models.projects import Guideline, Project
from labeling.models.releases import Release, ReleaseFile
from labeling.models.reports import SourceReport
from labeling.models.solutions import Solution, Step, StepLink
from labeling.models.suggestions import Suggestion
from labeling.models.taxonomies import ErrorType, Taxonomy
from labeling.models.training import TrainingAnswer, TrainingItem, TrainingRound
from labeling.models.transfers import ImportBatch, ImportIssue

__all__ = [
    "Adjudication",
    "Annotation",
    "AnnotationRevision",
    "ApiToken",
    "Assignment",
    "AuditEvent",
    "Comment",
    "Dispute",
    "Draft",
    "ErrorType",
    "Exposure",
    "Guideline",
    "GuidelineReading",
    "ImportBatch",
    "ImportIssue",
    "Injection",
    "Invitation",
    "Membership",
    "Mention",
    "Problem",
    "ProblemFamily",
    "Project",
    "Release",
    "ReleaseFile",
    "ReviewItem",
    "Ruling",
    "Solution",
    "Source",
    "SourceReport",
    "Step",
    "StepLink",
    "StepRating",
    "Suggestion",
    "Taxonomy",
    "TrainingAnswer",
    "TrainingItem",
    "TrainingRound",
    "User",
]
