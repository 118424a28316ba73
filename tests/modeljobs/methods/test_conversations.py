"""What a judge wrote, as training conversations: which turns are used, and which are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from labeling.formats.base import ParseContext
from labeling.formats.genprm import FORMAT, SYSTEM_TEXT, parse_row
from labeling.records import Solution, Validity
from modeljobs.engines.base import CompletionRequest
from modeljobs.methods.base import ItemResult
from modeljobs.methods.conversations import Conversation, Judged, LeftOut, build_conversation
from tests.modeljobs.methods.genprm_fakes import (
    BARE_YES,
    CODE,
    NO,
    SOLUTION,
    YES,
    PretendedRunner,
    WritingModel,
    get_place,
    judge,
    write_by_stage,
)

PROBLEM = SOLUTION.problem.text
STEPS = [step.text for step in SOLUTION.steps]


def decide(verdict: Callable[[int, int], bool | None]) -> Callable[[CompletionRequest], Any]:
    """Replies whose verdict depends on position and sample; None is one that cannot be read."""
    words = {True: YES, False: NO, None: YES.replace("Yes", "Perhaps")}

    def write(request: CompletionRequest) -> Any:
        stage, position, sample = get_place(request)
        if stage == "verify0":
            return CODE.replace("2 + 3", f"{sample}")
        if stage == "verify1":
            return words[verdict(position, sample)]
        return write_by_stage()(request)

    return write


def take_judged(result: ItemResult) -> list[Judged]:
    return [
        Judged(step.detail["samples"], step.summary["mean"], step.summary["chosen"])
        for step in result.steps
    ]


def build(result: ItemResult, labels: Sequence[bool], **options: Any) -> Conversation | LeftOut:
    return build_conversation(PROBLEM, STEPS, take_judged(result), labels, **options)


def read(made: Conversation | LeftOut, template: str = "newline") -> Solution:
    """The conversation as our own reader of the format sees it."""
    assert isinstance(made, Conversation)
    defaults = {option.name: option.default for option in FORMAT.info.read_options}
    context = ParseContext(max_steps=100, options={**defaults, "template": template})
    (solution,) = parse_row({"conversations": list(made.turns)}, context)
    assert isinstance(solution, Solution)
    return solution


def list_labels(solution: Solution) -> list[bool]:
    [labels] = solution.label_sets
    return [label is not None and label.validity is Validity.CORRECT for label in labels.labels]


def list_printed(made: Conversation | LeftOut) -> list[str]:
    """Which sample wrote each turn: its code prints its number."""
    assert isinstance(made, Conversation)
    texts = [turn["content"] for turn in made.turns if turn["role"] == "assistant"]
    return [text.partition("print(")[2].partition(")")[0] for text in texts]


def test_it_reads_back_as_the_solution_and_its_labels() -> None:
    labels = [True, False, False]
    result = judge(WritingModel(decide(lambda at, _: labels[at])), early_stop=False)
    made = build(result, labels)
    solution = read(made)
    assert isinstance(made, Conversation)
    assert made.turns[0] == {"role": "system", "content": SYSTEM_TEXT}
    assert [turn["role"] for turn in made.turns[1:]] == ["user", "assistant"] * 3
    assert solution.problem.text == PROBLEM
    assert [step.text for step in solution.steps] == STEPS
    assert list_labels(solution) == labels
    assert (made.n_judged, made.sample, made.shortened) == (3, 0, None)


def test_what_the_code_printed_stands_in_the_turn() -> None:
    made = build(judge(WritingModel(write_by_stage())), [True, True, True])
    assert isinstance(made, Conversation)
    assert "[Code Output]\n\n```\n5\n```\n" in made.turns[2]["content"]


def test_of_several_samples_the_one_that_agrees_throughout_is_taken() -> None:
    # Sample 0 errs on the last step; samples 1 and 2 agree, and 2 is closer to the means.
    p_yes = {0: 0.9, 1: 0.7, 2: 0.8}

    def score(request: CompletionRequest) -> float:
        return p_yes[get_place(request)[2]]

    result = judge(
        WritingModel(decide(lambda at, sample: sample != 0 or at != 2), p_yes=score), samples=3
    )
    made = build(result, [True, True, True])
    assert list_printed(made) == ["2", "2", "2"]


def test_the_first_of_equals_is_taken() -> None:
    result = judge(WritingModel(decide(lambda at, sample: True)), samples=3)
    assert list_printed(build(result, [True, True, True])) == ["0", "0", "0"]


def test_a_sample_that_disagrees_is_not_used() -> None:
    result = judge(WritingModel(decide(lambda at, sample: at != 2)), early_stop=False)
    assert build(result, [True, True, True]) is LeftOut.DISAGREES


def test_behind_the_first_error_it_ends_before_a_turn_that_disagrees() -> None:
    result = judge(WritingModel(decide(lambda at, sample: at != 0)), early_stop=False)
    made = build(result, [False, False, False])
    assert isinstance(made, Conversation)
    assert (made.n_judged, made.shortened) == (1, LeftOut.DISAGREES)
    assert list_labels(read(made)) == [False]


def test_a_judge_that_stopped_at_the_error_has_said_enough() -> None:
    def score(request: CompletionRequest) -> float:
        return 0.1 if get_place(request)[1] == 1 else 0.9

    model = WritingModel(decide(lambda at, sample: at != 1), p_yes=score)
    result = judge(model, early_stop=True)
    made = build(result, [True, False, False])
    assert isinstance(made, Conversation)
    assert (made.n_judged, made.shortened) == (2, LeftOut.NOT_JUDGED)


def test_with_a_shared_history_each_step_has_its_chosen_one() -> None:
    p_yes = {(0, 0): 0.9, (0, 1): 0.6, (1, 0): 0.6, (1, 1): 0.9, (2, 0): 0.7, (2, 1): 0.8}

    def score(request: CompletionRequest) -> float:
        _, position, sample = get_place(request)
        return p_yes[position, sample]

    model = WritingModel(decide(lambda at, sample: True), p_yes=score)
    result = judge(model, samples=2, sampling="step")
    made = build(result, [True, True, True], shares_history=True)
    assert isinstance(made, Conversation)
    assert made.sample is None
    assert list_printed(made) == [str(step.summary["chosen"]) for step in result.steps]


def test_imagined_code_is_left_out() -> None:
    result = judge(WritingModel(write_by_stage()), execute=False)
    assert build(result, [True, True, True]) is LeftOut.NOT_RUN


def test_a_reply_without_code_is_left_out() -> None:
    model = WritingModel(write_by_stage({"output": BARE_YES}))
    assert build(judge(model, verify=False), [True, True, True]) is LeftOut.NOT_RUN


def test_a_forced_verdict_is_left_out() -> None:
    # It writes code for ever, until its rounds are used up.
    model = WritingModel(
        lambda request: (
            CODE if get_place(request)[0].startswith("verify") else write_by_stage()(request)
        )
    )
    assert build(judge(model), [True, True, True]) is LeftOut.FELL_BACK


def test_a_reply_that_could_not_be_read_is_left_out() -> None:
    result = judge(WritingModel(decide(lambda at, sample: None if at == 1 else True)))
    assert build(result, [True, True, True]) is LeftOut.UNREAD


def test_texts_that_are_gone_are_left_out() -> None:
    judged = take_judged(judge(WritingModel(write_by_stage())))
    judged[1] = Judged(None, 0.9, 0)
    made = build_conversation(PROBLEM, STEPS, judged, [True, True, True])
    assert made is LeftOut.TEXTS_GONE
    gone = [Judged(None, 0.9, 0)] * 3
    assert build_conversation(PROBLEM, STEPS, gone, [True] * 3) is LeftOut.TEXTS_GONE


def test_nothing_judged_is_left_out() -> None:
    assert build_conversation(PROBLEM, STEPS, [], [True] * 3) is LeftOut.NOT_JUDGED


@pytest.mark.parametrize(
    "text",
    [
        "Surely \\boxed{Yes}.",
        # A second verdict part.
        "{whole}<output>\n**Judgement**: $\\boxed{{Yes}}$\n</output>\n",
        # What the reader would take for the verdict is another one.
        "{no}",
    ],
)
def test_a_reply_that_would_teach_something_else_is_left_out(text: str) -> None:
    judged = take_judged(judge(WritingModel(write_by_stage())))
    samples = judged[0].samples
    assert samples is not None
    whole = samples[0]["text"]
    no = whole.replace("\\boxed{Yes}", "\\boxed{No}")
    text = text.replace("{whole}", whole).replace("{no}", no).replace("{{Yes}}", "{Yes}")
    judged[0] = Judged([{**samples[0], "text": text}], 0.9, 0)
    assert build_conversation(PROBLEM, STEPS, judged, [True] * 3) is LeftOut.MALFORMED


JUDGE = "The sum is right, as the code shows.\n\n```python\nprint(2 + 3)\n```\n"


def judge_chat(answers: dict[str, str] | None = None) -> ItemResult:
    texts = {"judge": JUDGE, "judge1": "It agrees. \\boxed{Yes}", **(answers or {})}
    model = WritingModel(lambda request: texts[get_place(request)[0]])
    return judge(model, protocol="instruct", runner=PretendedRunner())


def test_a_chat_models_reply_is_put_into_the_protocols_form() -> None:
    made = build(judge_chat(), [True, True, True], is_protocol=False)
    assert list_labels(read(made)) == [True, True, True]
    assert isinstance(made, Conversation)
    assert made.turns[2]["content"] == (
        "<analyze>\nLet's analyze the Paragraph 1 step by step: The sum is right, as the code "
        "shows.\n</analyze>\n<verify>\nLet's use python code to find any potential error:\n"
        "```python\nprint(2 + 3)\n```\n[Code Output]\n\n```\n5\n```\n</verify>\n"
        "<output>\n**Judgement**: $\\boxed{Yes}$\n</output>\n"
    )


def test_a_chat_models_several_blocks_all_stand_in_the_turn() -> None:
    again = "Once more.\n\n```python\nprint(5)\n```\n"
    result = judge_chat({"judge1": again, "judge2": "It agrees. \\boxed{Yes}"})
    made = build(result, [True, True, True], is_protocol=False)
    assert isinstance(made, Conversation)
    reply = made.turns[2]["content"]
    assert reply.count("```python\n") == 2
    assert reply.count("[Code Output]") == 2


def test_a_chat_model_that_writes_the_protocols_marks_is_left_out() -> None:
    result = judge_chat({"judge": "It ends in </analyze> here.\n" + JUDGE})
    assert build(result, [True, True, True], is_protocol=False) is LeftOut.MALFORMED


def test_the_opening_is_the_readers_other_template_as_well() -> None:
    result = judge(WritingModel(write_by_stage()))
    made = build(result, [True, True, True], opening="question")
    assert read(made, "question").problem.text == PROBLEM


def test_every_step_needs_a_label() -> None:
    with pytest.raises(ValueError, match="need a label each"):
        build_conversation(PROBLEM, STEPS, [], [True])
