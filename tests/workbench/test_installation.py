"""What a start does before anybody is served."""

from __future__ import annotations

import socket

import pytest
from django.contrib.auth import get_user_model

from workbench.installation import (
    AddressTaken,
    AlreadyRunning,
    build_password,
    create_first_admin,
    lock_data_folder,
    migrate_if_needed,
    open_socket,
)


def test_passwords_are_long_and_differ():
    passwords = {build_password() for _ in range(50)}
    assert len(passwords) == 50
    assert all(len(password) == 4 * 4 + 3 for password in passwords)
    assert not set("".join(passwords)) & set("0O1lI")


@pytest.mark.django_db
def test_the_first_admin_can_sign_in_with_the_password():
    password = create_first_admin()
    admin = get_user_model().objects.get()
    assert password is not None
    assert admin.username == "admin"
    assert admin.is_superuser
    assert admin.check_password(password)


@pytest.mark.django_db
def test_where_there_is_a_user_no_admin_is_made():
    get_user_model().objects.create_user(username="ann")
    assert create_first_admin() is None
    assert get_user_model().objects.count() == 1


@pytest.mark.django_db
def test_a_database_that_is_up_to_date_takes_no_migrations():
    assert migrate_if_needed() == 0


def test_a_second_start_on_the_same_folder_is_refused(tmp_path):
    with (
        lock_data_folder(tmp_path),
        pytest.raises(AlreadyRunning, match="already runs on the data folder"),
    ):
        lock_data_folder(tmp_path)
    lock_data_folder(tmp_path).close()


def test_a_taken_port_is_said_with_the_way_out():
    with open_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressTaken, match=f"Port {port} .* WORKBENCH_PORT={port + 1}"):
            open_socket("127.0.0.1", port)


def test_an_address_that_is_none_is_said(monkeypatch):
    def fail(*args, **kwargs):
        raise socket.gaierror("unknown name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(AddressTaken, match="WORKBENCH_HOST is 'nowhere'"):
        open_socket("nowhere", 8000)
