"""The one import that a plugin needs; it re-exports and has nothing of its own."""

from constitutional.backend import Backend, Capability, Choice, ChoiceRequest, Completion, Patience, Request
from constitutional.constitution.model import Constitution, Principle
from constitutional.errors import (
    ConstitutionalError,
    DataError,
    Dropped,
    NotNow,
    PluginError,
    RunError,
    StepFailed,
    Unanswered,
    UserError,
)
from constitutional.events import (
    Event,
    ModelNotice,
    Progress,
    RowFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    StepReused,
    StepStarted,
)
from constitutional.hookspecs import hookimpl
from constitutional.ids import Json, JsonObject, canonical, derived_row_id, digest, row_random, row_seed
from constitutional.parameters import (
    BackendParams,
    Cosmetic,
    ModelName,
    Params,
    SourceParams,
    SpecPath,
    StageParams,
    TemplateName,
)
from constitutional.ports import MAIN, Artifact, Flow, PolicyModel, Port, Report, RewardModel
from constitutional.records import (
    Critique,
    Demonstration,
    Message,
    Messages,
    Pair,
    Preference,
    Prompt,
    Rating,
    Record,
    Response,
    Round,
    Score,
    StepLabels,
    Vote,
    assistant,
    messages,
    to_json,
    transcript,
    trl_row,
    user,
)
from constitutional.source import Executor, ExecutorParams, LintRule, Reporter, Source, TemplatePack
from constitutional.stage import (
    Ask,
    Fate,
    Inputs,
    Kind,
    Outputs,
    RowContext,
    RowStage,
    Stage,
    SurveyContext,
    SurveyStage,
    WholeContext,
    WholeStage,
)
from constitutional.suggest import nearest
from constitutional.text import printable

__all__ = [
    "Artifact", "Ask", "Backend", "BackendParams", "Capability", "Choice", "ChoiceRequest", "Completion",
    "Constitution", "ConstitutionalError", "Cosmetic", "Critique", "DataError", "Demonstration", "Dropped", "Event",
    "Executor", "ExecutorParams", "Fate", "Flow", "Inputs", "Json", "JsonObject", "Kind", "LintRule", "MAIN",
    "Message", "Messages", "ModelName", "ModelNotice", "NotNow", "Outputs", "Pair", "Params", "Patience",
    "PluginError", "PolicyModel", "Port", "Preference", "Principle", "Progress", "Prompt", "Rating", "Record",
    "Report", "Reporter", "Request", "Response", "RewardModel", "Round", "RowContext", "RowFailed", "RowStage",
    "RunError", "RunFinished", "RunStarted", "Score", "Source", "SourceParams", "SpecPath", "Stage", "StageParams",
    "StepFailed", "StepFinished", "StepLabels", "StepProgress", "StepReused", "StepStarted", "SurveyContext",
    "SurveyStage", "TemplateName", "TemplatePack", "Unanswered", "UserError", "Vote", "WholeContext", "WholeStage",
    "assistant", "canonical", "derived_row_id", "digest", "hookimpl", "messages", "nearest", "printable",
    "row_random", "row_seed", "to_json", "transcript", "trl_row", "user",
]  # fmt: skip
