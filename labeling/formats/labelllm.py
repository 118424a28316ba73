"""PRMBench's human verdicts on multi-solution rows, as the annotation tool LabelLLM exported them.

`custom` holds the PRMBench record that was shown; the questionnaire's two answers, `correct` and
`same`, are texts "true" and "false". PRMBench kept a row where the solution is correct and not the
same as the original one: that is an accepting verdict here. Neither annotator nor time is exported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from labeling.content import VerdictValue
from labeling.formats.base import BuildContext, FieldDoc, FormatInfo, ParseContext, RowFormat
from labeling.formats.fields import (
    Row,
    as_object,
    take_object,
    take_optional_bool,
    take_others,
    take_text,
)
from labeling.formats.messages import forget_texts, make_messages, number_steps, restore_texts
from labeling.formats.prmbench import build_injection, name_problem, parse_injection
from labeling.records import EMPTY, Injection, Solution, Verdict

NAME = "labelllm"
# On a solution: the row without conversation, evaluation and custom; the messages without texts
# that follow from the record; the evaluation without the answers.
ENVELOPE = f"{NAME}.envelope"
CONVERSATION = f"{NAME}.conversation"
EVALUATION = f"{NAME}.evaluation"

ANSWERS = "conversation_evaluation"
QUESTIONNAIRE = "questionnaire_evaluation"
REFERENCE = "reference_evaluation"

_KNOWN = frozenset({"conversation", "evaluation", "custom"})
_ACCEPTED = {"correct": "true", "same": "false"}


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    evaluation = row.get("evaluation")
    verdicts: tuple[Verdict, ...] = ()
    noted: dict[str, Any] = {ENVELOPE: take_others(row, _KNOWN)}
    if evaluation is not None:
        evaluation = as_object(evaluation, "evaluation")
        noted[EVALUATION] = take_others(evaluation, frozenset())
        if evaluation.get(ANSWERS) is not None:
            # The answers are the verdict's; the key keeps their place.
            noted[EVALUATION][ANSWERS] = None
        verdicts = _read_verdict(evaluation)
    shown = parse_injection(
        take_object(row, "custom"), max_steps=context.max_steps, at="custom.", verdicts=verdicts
    )
    if "conversation" in row:
        noted[CONVERSATION] = forget_texts(row["conversation"], "conversation", _texts(shown))
    return [
        replace(
            shown,
            source_id=take_text(row, "data_id", "") or shown.source_id,
            extra={**shown.extra, **noted},
        )
    ]


def _read_verdict(evaluation: Row) -> tuple[Verdict, ...]:
    """What the answers amount to; no verdict where the questionnaire was not answered."""
    given = evaluation.get(ANSWERS)
    if given is None:
        return ()
    answers = take_others(as_object(given, f"evaluation.{ANSWERS}"), frozenset())
    questionnaire = evaluation.get(QUESTIONNAIRE) or {}
    invalid = take_optional_bool(
        as_object(questionnaire, f"evaluation.{QUESTIONNAIRE}"), "is_invalid_questionnaire"
    )
    if invalid:
        value = VerdictValue.BAD_PROBLEM
    elif not _ACCEPTED.keys() <= answers.keys():
        value = VerdictValue.UNSURE
    else:
        kept = all(answers[name] == wanted for name, wanted in _ACCEPTED.items())
        value = VerdictValue.ACCEPT if kept else VerdictValue.REJECT
    return (Verdict(str(value), answers=answers),)


def _texts(solution: Solution) -> list[str]:
    """What the tool showed: question, answer, original and modified process."""
    injection = solution.injection
    original = injection.original_steps if injection else ()
    answer = solution.problem.reference_answer or ""
    question = solution.extra.get(
        "prmbench.question", injection.original_problem if injection else ""
    )
    return [
        f"###Question:\n\n{question}",
        f"###Ground Truth:\n\n{answer}",
        number_steps("Origin Process", original),
        number_steps("Modified Process", [step.text for step in solution.steps]),
    ]


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    """One row per verdict; a solution that nobody gave one is a row without an evaluation."""
    log = context.log
    for solution in solutions:
        if solution.injection is None or not solution.steps:
            log.skip(
                solution,
                "It has no steps."
                if solution.injection
                else "It has no injection, so no verdict on one.",
            )
            continue
        named = name_problem(solution, log.solutions - 1)
        for verdict in solution.injection.verdicts or (None,):
            yield _build_row(named, solution.injection, verdict)


def _build_row(
    solution: Solution, injection: Injection, verdict: Verdict | None
) -> Mapping[str, Any]:
    extra = solution.extra
    evaluation = _build_evaluation(extra, verdict)
    custom = build_injection(solution, injection)
    texts = _texts(solution)
    if ENVELOPE not in extra:
        return {
            "data_id": solution.source_id,
            "status": "waiting" if verdict is None else "completed",
            "conversation": make_messages(texts),
            "evaluation": evaluation,
            "custom": custom,
        }
    # In the tool's own order: one field of the envelope stands behind the conversation.
    row = {name: value for name, value in extra[ENVELOPE].items() if name != REFERENCE}
    if CONVERSATION in extra:
        row["conversation"] = restore_texts(extra[CONVERSATION], texts)
    if REFERENCE in extra[ENVELOPE]:
        row[REFERENCE] = extra[ENVELOPE][REFERENCE]
    return {**row, "evaluation": evaluation, "custom": custom}


def _build_evaluation(
    extra: Mapping[str, Any], verdict: Verdict | None
) -> Mapping[str, Any] | None:
    kept = extra.get(EVALUATION)
    if verdict is None:
        return kept if kept is None else dict(kept)
    answers = verdict.answers or _answer_for(verdict.value)
    if kept is not None:
        return {**kept, ANSWERS: dict(answers)}
    invalid = verdict.value == VerdictValue.BAD_PROBLEM
    return {
        "message_evaluation": None,
        ANSWERS: dict(answers),
        QUESTIONNAIRE: {"is_invalid_questionnaire": invalid},
    }


def _answer_for(value: str) -> Mapping[str, str]:
    """The two answers that a verdict given elsewhere stands for; none where it does not tell."""
    if value in (VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS):
        return _ACCEPTED
    return {"correct": "false", "same": "false"} if value == VerdictValue.REJECT else EMPTY


FORMAT = RowFormat(
    info=FormatInfo(
        name=NAME,
        title="LabelLLM verdicts (PRMBench)",
        description="Human verdicts on PRMBench's multi-solution rows, with the record shown.",
        suffixes=(".jsonl",),
        index_convention="custom.modified_steps and custom.error_steps count from 1.",
        fields=(
            FieldDoc("data_id", "text", "name of the item in the tool"),
            FieldDoc("conversation", "list of objects", "the four messages that were shown"),
            FieldDoc("evaluation", "object", "the answers: correct and same, as texts"),
            FieldDoc("custom", "object", "the PRMBench record"),
        ),
    ),
    parse=parse_row,
    build=build_rows,
)
