"""The tables of the machine side, one module a noun."""

from modeljobs.models.calls import ModelCall
from modeljobs.models.consensus import ConsensusFinding, ConsensusRun
from modeljobs.models.engines import Engine, EngineTest
from modeljobs.models.evidence import CodeRun, CodeTrial, StepEvidence
from modeljobs.models.jobs import JobItem, ModelJob, WorkerBeat
from modeljobs.models.reviewing import EqualityCheck, RationaleRating
from modeljobs.models.rollouts import (
    AnswerVerdict,
    LabelReading,
    ReferenceDoubt,
    RolloutChunk,
    StepCounts,
)
from modeljobs.models.writings import FileWriting

__all__ = [
    "AnswerVerdict",
    "CodeRun",
    "CodeTrial",
    "ConsensusFinding",
    "ConsensusRun",
    "Engine",
    "EngineTest",
    "EqualityCheck",
    "FileWriting",
    "JobItem",
    "LabelReading",
    "ModelCall",
    "ModelJob",
    "RationaleRating",
    "ReferenceDoubt",
    "RolloutChunk",
    "StepCounts",
    "StepEvidence",
    "WorkerBeat",
]
