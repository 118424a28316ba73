from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from labeling import records
from labeling.formats import get_format
from labeling.models import (
    Dispute,
    Injection,
    Project,
    Release,
    ReviewItem,
    Source,
    User,
)
from labeling.services.adjudications import decide
from labeling.services.importing import store_records
from labeling.services.projects import ensure_source
from labeling.services.releases import build_release, create_release, open_file, release_folder
from tests.labeling.factories import make_injection_item, make_items, rating, verdict
from tests.labeling.services.test_annotations import CORRECT, hand_in, take
from workbench.errors import Conflict, InvalidInput, NotFound


@pytest.fixture(autouse=True)
def _data_folder(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def build(project: Project, by: User, name: str = "one", **options: Any) -> Release:
    release = create_release(project=project, name=name, by=by, options=options)
    return build_release(release.pk)


def rows(release: Release, filename: str) -> list[dict[str, Any]]:
    _file, path = open_file(release, filename)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def judge(project: Project, people: list[User], data: dict[str, Any]) -> None:
    for person in people:
        hand_in(take(person, project), data)


def test_it_works(project: Project, alice: User, bob: User, erin: User) -> None:
    make_items(project, 1)
    judge(project, [bob, erin], rating("correct", "wrong", "correct"))
    release = build(project, alice, formats=["trl"])
    assert (release.state, release.error) == (Release.State.READY, "")
    assert rows(release, "trl.jsonl") == [
        {
            "prompt": "What is $2+2$?",
            "completions": [
                "First, $1+1=2$.",
                "Then $2+2=4$.",
                "So the answer is $\\boxed{4}$.",
            ],
            "labels": [True, False, True],
        }
    ]


def test_the_same_labels_give_the_same_bytes(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    make_items(project, 5)
    for _ in range(5):
        judge(project, [bob, erin], rating(*CORRECT))
    formats = ["trl", "native", "prm800k", "processbench"]
    first = build(project, alice, "first", formats=formats)
    second = build(project, alice, "second", formats=formats)
    assert {file.filename: file.sha256 for file in first.files.all()} == {
        file.filename: file.sha256 for file in second.files.all()
    }
    assert first.files.count() == 4


def test_a_decision_counts_before_what_reviewers_said(
    project: Project, alice: User, bob: User, erin: User, carol: User
) -> None:
    make_items(project, 1)
    hand_in(take(bob, project), rating(*CORRECT))
    hand_in(take(erin, project), rating("correct", "wrong", "correct"))
    dispute = Dispute.objects.get()
    decide(
        dispute=dispute,
        by=carol,
        data=rating("wrong", "wrong", "wrong"),
        reason="All of it.",
        seen_version=1,
        idempotency_key=uuid.uuid4(),
    )
    release = build(project, alice, formats=["trl"])
    assert rows(release, "trl.jsonl")[0]["labels"] == [False, False, False]
    assert release.manifest["settled"] == {"decided": 1}


def test_what_is_not_settled_stays_out_and_is_counted(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    make_items(project, 2)
    hand_in(take(bob, project), rating(*CORRECT))
    hand_in(take(erin, project), rating("correct", "wrong", "correct"))
    hand_in(take(bob, project), rating(*CORRECT))
    release = build(project, alice, formats=["trl"])
    assert rows(release, "trl.jsonl") == []
    assert release.manifest["left_out"] == {"item is disputed": 1, "item is waiting": 1}
    # One reviewer's word counts where the lead says so.
    single = build(project, alice, "single", formats=["trl"], include_single=True)
    assert len(rows(single, "trl.jsonl")) == 1
    assert single.manifest["settled"] == {"single": 1}


def test_an_accepted_injection_goes_out_as_it_came(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    make_injection_item(project)
    judge(project, [bob, erin], verdict("accept"))
    release = build(project, alice, formats=["prmbench", "trl"])
    [row] = rows(release, "prmbench.jsonl")
    assert row["error_steps"] == [2]
    assert row["modified_steps"] == [2]
    assert row["classification"] == "deception"
    assert row["modified_process"][1] == "Then $2+2=5$."
    assert row["original_process"][1] == "Then $2+2=4$."
    assert rows(release, "trl.jsonl")[0]["labels"] == [True, False, True]


def test_a_repaired_injection_goes_out_repaired(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    make_injection_item(project)
    data = verdict(
        "accept_with_edits",
        error_positions=[1, 2],
        edits=[
            {"op": "insert_after", "position": 0, "text": "Now add."},
            {"op": "replace", "position": 2, "text": "So it is $\\boxed{5}$."},
        ],
    )
    judge(project, [bob, erin], data)
    release = build(project, alice, formats=["prmbench"])
    [row] = rows(release, "prmbench.jsonl")
    assert row["modified_process"] == [
        "First, $1+1=2$.",
        "Now add.",
        "Then $2+2=5$.",
        "So it is $\\boxed{5}$.",
    ]
    # Steps 2 and 3 as shown are steps 3 and 4 once "Now add." stands before them.
    assert row["error_steps"] == [3, 4]
    assert row["modified_steps"] == [2, 3, 4]


def test_a_rejected_injection_stays_out(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    make_injection_item(project)
    judge(
        project,
        [bob, erin],
        verdict("reject", error_positions=[], reject_code="not_an_error"),
    )
    release = build(project, alice, formats=["prmbench"])
    assert rows(release, "prmbench.jsonl") == []
    assert release.manifest["left_out"] == {"rejected: not_an_error": 1}


def test_blocking_lints_stop_a_release_unless_left_out(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    item = make_injection_item(project)
    # Accepted as it is, although the claim also names a step that is not there.
    Injection.objects.filter(modified=item.solution).update(claimed_changed_positions=[1, 9])
    judge(project, [bob, erin], verdict("accept"))
    stopped = build(project, alice, formats=["prmbench"])
    assert stopped.state == Release.State.FAILED
    assert f"item {item.pk} (E03b)" in stopped.error
    assert not release_folder(stopped).exists()
    # A failed release gives its name back.
    without = build(project, alice, formats=["prmbench"], on_blocking="leave_out")
    assert rows(without, "prmbench.jsonl") == []
    assert without.manifest["left_out"] == {"blocking lints": 1}


def test_terms_close_the_gate(project: Project, alice: User, bob: User, erin: User) -> None:
    make_items(project, 1)
    judge(project, [bob, erin], rating(*CORRECT))
    Source.objects.update(redistribution=Source.Redistribution.FORBIDDEN)
    release = build(project, alice, formats=["trl"])
    assert release.state == Release.State.FAILED
    assert "'unit tests' may not be redistributed" in release.error


def test_names_are_for_ever(project: Project, alice: User) -> None:
    build(project, alice, "gold", formats=["trl"])
    with pytest.raises(Conflict, match="gold"):
        create_release(project=project, name="gold", by=alice)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"formats": ["parchment"]}, "parchment"),
        ({"formats": []}, "at least one"),
        ({"colour": "red"}, "colour"),
        ({"include_single": "yes"}, "true or false"),
        ({"sources": ["nowhere"]}, "nowhere"),
        ({"on_blocking": "ignore"}, "stop"),
    ],
)
def test_unknown_options_are_refused(
    project: Project, alice: User, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        create_release(project=project, name="x", by=alice, options=options)


def test_files_are_there_only_when_ready(project: Project, alice: User) -> None:
    release = create_release(project=project, name="later", by=alice, options={"formats": ["trl"]})
    with pytest.raises(NotFound, match="queued"):
        open_file(release, "trl.jsonl")
    ready = build_release(release.pk)
    with pytest.raises(NotFound, match="no file"):
        open_file(ready, "../../db.sqlite3")
    # Building again finds nothing to do.
    assert build_release(release.pk).finished_at == ready.finished_at


def test_what_goes_out_comes_in_again_as_it_was(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    record = records.Solution(
        problem=records.Problem(text="Q $x$", source_id="p1", family="p1"),
        steps=(records.Step("one"), records.Step("two, wrong")),
        source_id="p1",
        injection=records.Injection(
            error_type="confidence",
            original_problem="Q $x$",
            original_steps=("one", "two"),
            claimed_error_positions=(1,),
            claimed_changed_positions=(1,),
            reason="Step 2.",
        ),
    )
    source = ensure_source(project=project, name="file")
    store_records(project=project, source=source, items=[record])
    assert ReviewItem.objects.count() == 1
    judge(project, [bob, erin], verdict("accept", error_type="confidence"))
    release = build(project, alice, formats=["prmbench"])
    _file, path = open_file(release, "prmbench.jsonl")
    fmt = get_format("prmbench")
    [back] = list(fmt.read(io.BytesIO(path.read_bytes())))
    [as_written] = list(fmt.read(io.BytesIO(b"".join(fmt.write([record])))))
    assert back == as_written
