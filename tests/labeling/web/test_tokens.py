from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import ApiToken, User
from labeling.services.members import find_token, make_token
from tests.labeling.web.helpers import words_of

URL = reverse("labeling:tokens")
FORM: dict[str, Any] = {
    "action": "make",
    "name": "nightly",
    "scopes": ["export", "read"],
    "days": "30",
}


def test_it_works(engineer: Client, frank: User):
    response = engineer.post(URL, FORM)
    secret = response.context["secret"]
    assert secret.startswith("prm_")
    assert secret in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    token = find_token(secret)
    assert token is not None
    assert (token.user, token.name, token.scopes) == (frank, "nightly", ["export", "read"])


def test_its_secret_is_shown_once(engineer: Client):
    secret = engineer.post(URL, FORM).context["secret"]
    html = engineer.get(URL).content.decode()
    assert secret not in html
    assert f"{secret[:12]}…" in html
    assert secret not in str(dict(engineer.session))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes"),
        ({"days": "0"}, "days"),
        ({"days": "9999"}, "days"),
    ],
)
def test_what_is_wrong_stands_at_its_field(changes, field, engineer: Client):
    response = engineer.post(URL, FORM | changes)
    assert response.status_code == 400
    assert field in response.context["form"].errors
    assert not ApiToken.objects.exists()


def test_revoking(engineer: Client, frank: User):
    issued = make_token(user=frank, name="old", scopes=["read"], days=3)
    response = engineer.post(URL, {"action": "revoke", "id": issued.row.pk})
    assert response.headers["Location"] == URL
    assert find_token(issued.secret) is None
    text = words_of(engineer.get(URL))
    assert "The token old is revoked." in text
    engineer.post(URL, {"action": "revoke", "id": issued.row.pk})
    assert "was revoked already" in words_of(engineer.get(URL))


def test_revoking_asks_first_and_names_the_token(engineer: Client, frank: User):
    make_token(user=frank, name="old", scopes=["read"], days=3)
    assert "Revoke old?" in words_of(engineer.get(URL))


def test_somebody_elses_token_is_out_of_reach(engineer: Client, alice: User):
    issued = make_token(user=alice, name="hers", scopes=["read"], days=3)
    assert engineer.post(URL, {"action": "revoke", "id": issued.row.pk}).status_code == 404
    assert find_token(issued.secret) is not None
    assert "hers" not in words_of(engineer.get(URL))


def test_no_tokens(engineer: Client):
    assert "You have no tokens" in words_of(engineer.get(URL))
