"""Every setting, read from the environment. `.env.example` documents the variables."""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONE, SELF

from workbench.api.settings import REST_FRAMEWORK as REST_FRAMEWORK
from workbench.api.settings import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from workbench.databases import build_database_from_url, build_sqlite_database
from workbench.env import env_bool, env_float, env_int, env_list, env_secret, env_text
from workbench.logs import build_logging

PACKAGE_DIR = Path(__file__).resolve().parent.parent
BASE_DIR = PACKAGE_DIR.parent
IS_CHECKOUT = (BASE_DIR / "manage.py").is_file()


def find_asset_folder(name: str) -> Path:
    """A folder beside the packages in a checkout, inside this package in a wheel."""
    packaged = PACKAGE_DIR / name
    return packaged if packaged.is_dir() else BASE_DIR / name


# --- Where things are -------------------------------------------------------------------------

WORKBENCH_DATA_DIR = Path(env_text("WORKBENCH_DATA_DIR", "data")).absolute()
MEDIA_ROOT = WORKBENCH_DATA_DIR / "files"
# Made from what is installed, so beside it; an installed wheel has no such place of its own.
STATIC_ROOT = Path(
    env_text(
        "WORKBENCH_STATIC_ROOT",
        str((BASE_DIR if IS_CHECKOUT else WORKBENCH_DATA_DIR) / "staticfiles"),
    )
)
STATIC_URL = "/static/"

# --- The application --------------------------------------------------------------------------

DEBUG = False
ALLOWED_HOSTS: list[str] = []
CSRF_TRUSTED_ORIGINS = env_list("WORKBENCH_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "workbench.apps.WorkbenchConfig",
    "labeling",
    "modeljobs",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "csp",
    "axes",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "workbench.compression.CompressPages",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "workbench.languages.FollowAccount",
    # A page is for people who are signed in unless it says otherwise by `login_not_required`.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "workbench.urls"
WSGI_APPLICATION = "workbench.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [find_asset_folder("templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Database ---------------------------------------------------------------------------------

_database_url = env_secret("WORKBENCH_DATABASE_URL") or env_secret("DATABASE_URL")
DATABASES: dict[str, dict[str, object]] = {
    "default": (
        build_database_from_url(
            _database_url, max_age=env_int("WORKBENCH_DATABASE_MAX_AGE", 60, minimum=0)
        )
        if _database_url
        else build_sqlite_database(WORKBENCH_DATA_DIR / "db.sqlite3")
    )
}

# --- Tasks ------------------------------------------------------------------------------------
# Messages only wake workers up; the truth is in the database. So a message is acknowledged when
# it is taken, and work that was lost with its worker comes back from its expired lease.

WORKBENCH_REDIS_URL = env_secret("WORKBENCH_REDIS_URL")
CELERY_BROKER_URL = WORKBENCH_REDIS_URL or "filesystem://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = (
    {
        # Early acknowledgement leaves only prefetched messages to redeliver.
        "visibility_timeout": env_int("WORKBENCH_REDIS_VISIBILITY_TIMEOUT", 600, minimum=10),
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_keepalive": True,
        "health_check_interval": 30,
    }
    if WORKBENCH_REDIS_URL
    else {
        "data_folder_in": str(WORKBENCH_DATA_DIR / "broker" / "queues"),
        "data_folder_out": str(WORKBENCH_DATA_DIR / "broker" / "queues"),
        "control_folder": str(WORKBENCH_DATA_DIR / "broker" / "control"),
        "store_processed": False,
        # Kombu looks once a second by default: two tasks a second. 0.05 s does fifty.
        "polling_interval": env_float("WORKBENCH_BROKER_POLL_SECONDS", 0.05, minimum=0.005),
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_QUEUE = "default"
# default: light; io: import and export; models: work beside a model server or a GPU; sandbox: code
# that people run again.
CELERY_TASK_QUEUES: dict[str, dict[str, object]] = {
    "default": {},
    "io": {},
    "models": {},
    "sandbox": {},
}
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
# How long a worker holds an item of a job without a sign of life.
WORKBENCH_JOB_LEASE_SECONDS = env_float("WORKBENCH_JOB_LEASE_SECONDS", 120.0, minimum=1)
CELERY_TASK_ROUTES: dict[str, dict[str, str]] = {
    "labeling.*": {"queue": "io"},
    "modeljobs.run_code_trial": {"queue": "sandbox"},
    "modeljobs.check_equality": {"queue": "sandbox"},
    "modeljobs.write_file": {"queue": "io"},
    "modeljobs.*": {"queue": "models"},
}

# --- What `manage.py serve` runs --------------------------------------------------------------

WORKBENCH_HOST = env_text("WORKBENCH_HOST", "127.0.0.1")
WORKBENCH_PORT = env_int("WORKBENCH_PORT", 8000, minimum=1, maximum=65535)
WORKBENCH_WEB_WORKERS = env_int("WORKBENCH_WEB_WORKERS", 1, minimum=1, maximum=64)
WORKBENCH_WEB_THREADS = env_int("WORKBENCH_WEB_THREADS", 8, minimum=1, maximum=256)
WORKBENCH_WORKER_THREADS = env_int("WORKBENCH_WORKER_THREADS", 4, minimum=1, maximum=256)
WORKBENCH_REAPER_SECONDS = env_float("WORKBENCH_REAPER_SECONDS", 15.0, minimum=0.1)

# --- People -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "labeling.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# How long the one-time link of an invitation is good for.
WORKBENCH_INVITATION_SECONDS = env_int("WORKBENCH_INVITATION_SECONDS", 14 * 24 * 3600, minimum=60)

# Guessing is slowed per name and address together: a stranger cannot lock a colleague out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = env_int("WORKBENCH_LOGIN_FAILURES", 8, minimum=1)
AXES_COOLOFF_TIME = env_float("WORKBENCH_LOGIN_COOLOFF_HOURS", 0.25, minimum=0.01)
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "registration/lockout.html"
AXES_CLIENT_IP_CALLABLE = "workbench.clients.find_address"
WORKBENCH_PROXY_COUNT = env_int("WORKBENCH_PROXY_COUNT", 0, minimum=0, maximum=10)

# --- Language and time ------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [find_asset_folder("locale")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Security ---------------------------------------------------------------------------------

# Nothing inline and nothing from elsewhere. KaTeX is asked for MathML alone, which carries no
# style attributes; scripts set styles through the object model, which this policy allows.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "workbench.pages.csrf_failure"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env_int("WORKBENCH_SESSION_SECONDS", 14 * 24 * 3600, minimum=300)

# --- Uploads ----------------------------------------------------------------------------------

# Every upload goes to a file as it arrives: a data set may be larger than memory.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = str(WORKBENCH_DATA_DIR / "tmp")
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
# What is read into memory at once: forms and JSON bodies, never an uploaded file.
DATA_UPLOAD_MAX_MEMORY_SIZE = env_int("WORKBENCH_MAX_BODY_BYTES", 8 * 1024 * 1024, minimum=65536)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
DATA_UPLOAD_MAX_NUMBER_FILES = 20
WORKBENCH_MAX_UPLOAD_BYTES = env_int("WORKBENCH_MAX_UPLOAD_BYTES", 4 * 1024**3, minimum=1024 * 1024)

# --- Static files -----------------------------------------------------------------------------

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "workbench.storage.HashedStaticFilesStorage"},
}

# --- Logs -------------------------------------------------------------------------------------

LOGGING = build_logging(
    level=env_text("WORKBENCH_LOG_LEVEL", "INFO"), as_json=env_bool("WORKBENCH_LOG_JSON")
)
LOGGING_CONFIG = "logging.config.dictConfig"

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
