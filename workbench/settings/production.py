"""Settings for several machines behind HTTPS; unsafe values stop the start."""

from __future__ import annotations

from workbench.datafolder import prepare_data_folder
from workbench.env import EnvError, env_bool, env_int, env_list, env_secret
from workbench.settings.base import *  # noqa: F403
from workbench.settings.base import (
    DATABASES,
    WORKBENCH_DATA_DIR,
    WORKBENCH_PROXY_COUNT,
    WORKBENCH_REDIS_URL,
)

MINIMUM_SECRET_LENGTH = 50

if env_bool("WORKBENCH_DEBUG"):
    raise EnvError("WORKBENCH_DEBUG is on; debug pages show secrets, so production refuses it.")
DEBUG = False

SECRET_KEY = env_secret("WORKBENCH_SECRET_KEY", required=True)
if SECRET_KEY is None or len(SECRET_KEY) < MINIMUM_SECRET_LENGTH:
    raise EnvError(
        f"WORKBENCH_SECRET_KEY is shorter than {MINIMUM_SECRET_LENGTH} characters; make one with "
        "python -c 'import secrets; print(secrets.token_urlsafe(64))'."
    )
SECRET_KEY_FALLBACKS = env_list("WORKBENCH_SECRET_KEY_FALLBACKS")

ALLOWED_HOSTS = env_list("WORKBENCH_ALLOWED_HOSTS")
if not ALLOWED_HOSTS:
    raise EnvError("WORKBENCH_ALLOWED_HOSTS is not set; list the names that this site answers to.")
if "*" in ALLOWED_HOSTS:
    raise EnvError("WORKBENCH_ALLOWED_HOSTS is '*'; list the names that this site answers to.")

if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise EnvError("WORKBENCH_DATABASE_URL is not set; production needs PostgreSQL.")
if not WORKBENCH_REDIS_URL:
    raise EnvError("WORKBENCH_REDIS_URL is not set; production needs Redis or Valkey.")

if WORKBENCH_PROXY_COUNT:
    # Only proxies that set this header themselves, whatever the client sent, may be counted.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

SECURE_SSL_REDIRECT = env_bool("WORKBENCH_SSL_REDIRECT", True)
# The container platform asks from inside, without HTTPS.
SECURE_REDIRECT_EXEMPT = [r"^health/$"]
SECURE_HSTS_SECONDS = env_int("WORKBENCH_HSTS_SECONDS", 365 * 24 * 3600, minimum=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env_bool("WORKBENCH_HSTS_SUBDOMAINS", True)
SECURE_HSTS_PRELOAD = env_bool("WORKBENCH_HSTS_PRELOAD", False)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"

prepare_data_folder(WORKBENCH_DATA_DIR)
