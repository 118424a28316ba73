"""The probe that container platforms run."""

from __future__ import annotations

import pytest

from workbench import probe


def test_nobody_there_is_none():
    # Port 1 is reserved and nothing listens there.
    assert probe.ask_health("127.0.0.1", 1, name="localhost", timeout=1.0) is None


@pytest.mark.django_db(transaction=True)
def test_a_served_page_has_its_status(live_server):
    host, port = live_server.thread.host, live_server.thread.port
    assert probe.ask_health(host, port, name="localhost", timeout=5.0) == 200


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_exit_code_and_the_name_it_asks_for(monkeypatch, status, code):
    asked = []

    def answer(host, port, *, name, timeout):
        asked.append((host, port, name))
        return status

    monkeypatch.setattr(probe, "ask_health", answer)
    monkeypatch.setenv("WORKBENCH_ALLOWED_HOSTS", ".prm.example,other.example")
    assert probe.main() == code
    assert asked == [("127.0.0.1", 8000, "prm.example")]
