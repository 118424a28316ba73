"""Comments where everything is sent at once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import uuid

from labeling.models import Comment, Membership, Mention
from labeling.selectors.comments import (
    ThreadFilters,
    count_unseen,
    get_panel,
    list_mentions,
    list_threads,
    readable_by,
    with_comments,
)
from labeling.services.assignments import claim_item
from labeling.services.comments import add_comment, resolve
from tests.labeling.factories import enqueue, join, make_project, make_solution, make_user
from tests.labeling.services.test_concurrency import run_together
from workbench.errors import Conflict


def test_a_form_sent_many_times_at_once_counts_once(any_database: str) -> None:
    lead, bob = make_user("lead"), make_user("bob")
    project = make_project(lead)
    join(project, bob, Membership.Role.ANNOTATOR)
    item = enqueue(make_solution(project))
    claim_item(user=bob, item=item)
    key = uuid.uuid4()

    def send(_index: int) -> None:
        add_comment(
            item=item, by=bob, text="Once.", idempotency_key=key, reason="other", names=[lead.pk]
        )

    assert run_together(send, 6) == []
    assert (Comment.objects.count(), Mention.objects.count()) == (1, 1)
    comment = Comment.objects.get()

    def settle(_index: int) -> None:
        resolve(comment=comment, by=lead)

    errors = run_together(settle, 6)
    assert [type(error) for error in errors] == [Conflict] * 5


def test_every_query_runs_on_either_database(any_database: str) -> None:
    lead, bob = make_user("lead", is_superuser=True), make_user("bob")
    project = make_project(lead)
    join(project, bob, Membership.Role.ANNOTATOR)
    item = enqueue(make_solution(project))
    add_comment(
        item=item,
        by=lead,
        text="Welcome.",
        idempotency_key=uuid.uuid4(),
        audience="everyone",
        names=[bob.pk],
    )
    for person, shown in ((lead, 1), (bob, 1)):
        assert readable_by(person).count() == shown
        assert list_threads(project, person, ThreadFilters()).count() == shown
        assert len(list(list_threads(project, person, ThreadFilters(text="well")))) == 0
        # Bob has not had the item, so it has no page for him; what names him is there.
        assert get_panel(item, person).n_comments == shown
    assert count_unseen(bob) == 1
    (mention,) = with_comments(list_mentions(bob))
    assert mention.comment.text == "Welcome."
