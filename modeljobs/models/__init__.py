"""The tables of the machine side, one module a noun."""

from modeljobs.models.calls import ModelCall
from modeljobs.models.engines import Engine, EngineTest
from modeljobs.models.evidence import CodeRun, CodeTrial, StepEvidence
from modeljobs.models.jobs import JobItem, ModelJob, WorkerBeat

__all__ = [
    "CodeRun",
    "CodeTrial",
    "Engine",
    "EngineTest",
    "JobItem",
    "ModelCall",
    "ModelJob",
    "StepEvidence",
    "WorkerBeat",
]
