"""The tables of the machine side, one module a noun."""

from modeljobs.models.calls import ModelCall
from modeljobs.models.engines import Engine
from modeljobs.models.jobs import JobItem, ModelJob, WorkerBeat

__all__ = ["Engine", "JobItem", "ModelCall", "ModelJob", "WorkerBeat"]
