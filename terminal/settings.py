"""Settings of the project, read from the environment and checked on load.

A missing or contradictory value stops the start with a sentence that names the variable. Limits of the broker are
constants in `marketdata.dhan`. Names end in their unit. Defaults without a source are choices.
"""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from pyotp import TOTP

from marketdata.dhan.sealing import check_keys

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def _whole(name: str, default: int, *, low: int, high: int) -> int:
    value: int = env.int(name, default=default)
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name}={value} must lie between {low} and {high}")
    return value


def _market_date() -> date | None:
    text: str = env.str("MARKET_DATE", default="")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ImproperlyConfigured(f"MARKET_DATE={text!r} must be a date like 2026-02-10") from None


DEBUG: bool = env.bool("DEBUG", default=False)
SECRET_KEY: str = env.str("SECRET_KEY")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECURE_COOKIES: bool = env.bool("SECURE_COOKIES", default=False)

INSTALLED_APPS = [
    # Serves `runserver` alone: its Twisted costs other processes 0.5 s of CPU and 17 MB at their start.
    *(["daphne"] if sys.argv[1:2] == ["runserver"] else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "channels",
    "django_celery_beat",
    "accounts",
    "marketdata",
    "subscriptions",
    "watchlists",
]

MIDDLEWARE = [
    "terminal.process_metrics.count_requests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # After WhiteNoise: a static file loads nothing, and most requests of a page are for one.
    "terminal.content_security.set_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "terminal.urls"
ASGI_APPLICATION = "terminal.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "terminal.context_processors.version",
                "terminal.context_processors.preferences",
            ],
        },
    },
]

# Database: PostgreSQL 15 or newer (unique constraints that treat nulls as equal).
DATABASES: dict[str, Any] = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"].setdefault("OPTIONS", {})
DATABASES["default"]["OPTIONS"]["application_name"] = "broking-terminal"
# In seconds. The kernel accepts connections for a frozen server, so without it a connect could block without end.
DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)
# TCP detects a dead machine within about 15 s, by missing acknowledgments or keepalives. It does not detect a frozen
# server on a living machine; for that there is `terminal.postgres`.
_DEAD_PEER = {"tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3}
DATABASES["default"]["OPTIONS"] = _DEAD_PEER | DATABASES["default"]["OPTIONS"]
DATABASES["default"]["ENGINE"] = "terminal.postgres"
# Deadline for one answer of the database; 0: none. The web process and feed workers set their own (`terminal.asgi`,
# `terminal.celery`), longer than STATEMENT_TIMEOUT_MS.
DATABASE_PATIENCE_MS = _whole("DATABASE_PATIENCE_MS", 0, low=0, high=3_600_000)
# Maximum of open database connections of one process with DATABASE_PATIENCE_MS.
DATABASE_CONNECTIONS = _whole("DATABASE_CONNECTIONS", 20, low=2, high=1_000)
# Whether this process keeps its connections open for the next request, at most DATABASE_CONNECTIONS (`terminal.asgi`).
DATABASE_POOL: bool = env.bool("DATABASE_POOL", default=False)
# Bounds the wait for the placement lock; a request that does not get it in time is answered with 503.
STATEMENT_TIMEOUT_MS = _whole("STATEMENT_TIMEOUT_MS", 3_000, low=100, high=600_000)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Web processes of this host that serve one port (`terminal.web_processes`); `make run` derives it from the cores.
WEB_PROCESSES = _whole("WEB_PROCESSES", 1, low=1, high=64)
# The number of this web process among them; 0: the first free one.
WEB_PROCESS_NUMBER = _whole("WEB_PROCESS_NUMBER", 0, low=0, high=WEB_PROCESSES)
# With several, process n answers with its own metrics at this port plus n - 1, on loopback. Chosen: no known service.
WEB_METRICS_PORT = _whole("WEB_METRICS_PORT", 8401, low=1_024, high=65_536 - WEB_PROCESSES)

REDIS_URL: str = env.str("REDIS_URL")
# One prefix per source of data: quotes of the simulator must never mix with real ones in one Redis.
REDIS_PREFIX: str = env.str("REDIS_PREFIX", default="terminal")
# How long a call waits for Redis; then the circuit breaker refuses calls (`marketdata.redis_client`). Chosen: a
# thousand times an ordinary answer. A write that waits for it once is answered within two seconds.
REDIS_TIMEOUT_MS = _whole("REDIS_TIMEOUT_MS", 1_000, low=100, high=60_000)

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": f"{REDIS_PREFIX}:layer"},
    },
}

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_SECURE = SECURE_COOKIES
CSRF_COOKIE_SECURE = SECURE_COOKIES
CSRF_FAILURE_VIEW = "terminal.errors.csrf_failure"

# Number of own proxies before this process; each adds to X-Forwarded-For. With one or more, no request is local
# (`terminal.metrics`).
NUM_PROXIES = _whole("NUM_PROXIES", 0, low=0, high=10)

# Answers about the instrument list, by ETag (`marketdata.views`). In each process, since all of them are quick to read
# again. Chosen: an answer has some 10 kB; most searches are the first letters of a few dozen names.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "TIMEOUT": 3_600,
        "OPTIONS": {"MAX_ENTRIES": 1_000},
    }
}

REST_FRAMEWORK: dict[str, Any] = {
    "NUM_PROXIES": NUM_PROXIES,
    # Tokens first: DRF answers 401 only if the first class has a challenge, else 403. Sessions have CSRF checks.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "terminal.renderers.JsonRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["terminal.renderers.JsonParser"],
    "EXCEPTION_HANDLER": "terminal.errors.problem_response",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["terminal.renderers.JsonRenderer"],
}
# Lifetime of an API token; a login returns a new one.
REST_KNOX = {"TOKEN_TTL": timedelta(hours=_whole("API_TOKEN_HOURS", 24, low=1, high=24 * 365))}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "Asia/Kolkata"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "terminal.static_files.HashedStaticFiles"},
}
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "terminal.static_files.ChartLibraryFinder",
]
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / ".run" / "static"))

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{REDIS_PREFIX}:celery:",
    # In seconds: a dead connection must not block beat, or the probes of `ConsumerWatchdog`.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "terminal.beat:Scheduler"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# A work worker that is connected to Celery's broker but receives no probes for this long exits. 0: no limit.
SILENCE_SECONDS = _whole("SILENCE_SECONDS", 15, low=0, high=3_600)

# The broker (docs/dhan.md), or the simulator, which has the same paths.
DHAN_FEED_URL: str = env.str("DHAN_FEED_URL", default="wss://api-feed.dhan.co")
# Pages state that their prices are simulated.
IS_SIMULATED = not (urlsplit(DHAN_FEED_URL).hostname or "").endswith(".dhan.co")
DHAN_REST_URL: str = env.str("DHAN_REST_URL", default="https://api.dhan.co/v2")
DHAN_INSTRUMENTS_URL: str = env.str(
    "DHAN_INSTRUMENTS_URL", default="https://images.dhan.co/api-data/api-scrip-master-detailed.csv"
)
DHAN_CLIENT_ID: str = env.str("DHAN_CLIENT_ID", default="")
DHAN_ACCESS_TOKEN: str = env.str("DHAN_ACCESS_TOKEN", default="")
# With a PIN and a TOTP secret, tokens are generated instead of renewed, and DHAN_ACCESS_TOKEN is not needed.
DHAN_AUTH_URL: str = env.str("DHAN_AUTH_URL", default="https://auth.dhan.co")
DHAN_PIN: str = env.str("DHAN_PIN", default="")
DHAN_TOTP_SECRET: str = env.str("DHAN_TOTP_SECRET", default="").replace(" ", "").upper()
if bool(DHAN_PIN) != bool(DHAN_TOTP_SECRET):
    raise ImproperlyConfigured("DHAN_PIN and DHAN_TOTP_SECRET go together: set both or neither")
if DHAN_TOTP_SECRET:
    try:
        TOTP(DHAN_TOTP_SECRET).byte_secret()
    except ValueError:
        raise ImproperlyConfigured(
            "DHAN_TOTP_SECRET must be the base32 text shown when TOTP was set up, 23 characters or more"
        ) from None
if DHAN_CLIENT_ID and not (DHAN_ACCESS_TOKEN or DHAN_PIN):
    raise ImproperlyConfigured(
        "DHAN_CLIENT_ID and DHAN_ACCESS_TOKEN go together: set both or neither; DHAN_PIN and DHAN_TOTP_SECRET can "
        "replace the token"
    )
if (DHAN_ACCESS_TOKEN or DHAN_PIN) and not DHAN_CLIENT_ID:
    raise ImproperlyConfigured("DHAN_ACCESS_TOKEN and DHAN_PIN need an account: set DHAN_CLIENT_ID too")
# Fernet keys that encrypt stored access tokens: the first encrypts, all decrypt.
TOKEN_KEYS: list[str] = env.list("TOKEN_KEYS", default=[])
try:
    check_keys(TOKEN_KEYS)
except ValueError as malformed:
    raise ImproperlyConfigured(str(malformed)) from None
# Time before the expiry (24 h after issue) at which a token is renewed.
TOKEN_RENEW_MARGIN_MIN = _whole("TOKEN_RENEW_MARGIN_MIN", 120, low=5, high=1_380)
# Pause between two openings of broker sockets of the account: 2 s (docs/dhan.md, after 805); 0 for the simulator.
DHAN_OPEN_INTERVAL_MS = _whole("DHAN_OPEN_INTERVAL_MS", 2_000, low=0, high=60_000)
# Pause between two subscribe messages on one socket. The broker documents no rate; clients use 50 to 100 ms.
DHAN_MESSAGE_INTERVAL_MS = _whole("DHAN_MESSAGE_INTERVAL_MS", 50, low=0, high=10_000)
# Pause between two market-data requests of the account: the limit is one a second, and 1.1 s is safe (docs/dhan.md).
DHAN_QUOTE_INTERVAL_MS = _whole("DHAN_QUOTE_INTERVAL_MS", 1_100, low=1, high=60_000)

# Maximum of connections that one feed worker owns; the broker allows five per account (docs/dhan.md).
FEED_CONNECTIONS = _whole("FEED_CONNECTIONS", 5, low=1, high=5)
# Grace period of a lost connection, before its instruments move to the others.
FAILOVER_GRACE_S = _whole("FAILOVER_GRACE_S", 5, low=1, high=600)
# Time without data after which a socket counts as mute in a session: where packets are expected, and elsewhere.
MUTE_SECONDS = _whole("MUTE_SECONDS", 10, low=1, high=600)
MUTE_QUIET_SECONDS = _whole("MUTE_QUIET_SECONDS", 90, low=1, high=3_600)
# Keepalive timeouts: a ping after this time without data, and the time for its answer. The broker pings every 10 s
# (docs/dhan.md), so a longer silence is unusual.
PING_QUIET_MS = _whole("PING_QUIET_MS", 13_000, low=100, high=60_000)
PING_ANSWER_MS = _whole("PING_ANSWER_MS", 10_000, low=100, high=60_000)
# Cooldown of the account after 805 or 429, up to five times as long after repeated refusals: 1 to 5 min (docs/dhan.md).
QUIET_SECONDS = _whole("QUIET_SECONDS", 60, low=1, high=3_600)
# Time for which the broker may count a lost socket: clients reconnect well after about 30 s (docs/dhan.md).
HELD_SLOT_S = _whole("HELD_SLOT_S", 30, low=1, high=600)
# Maximum age of a frozen owner's socket after its lease expired: the broker drops a silent one after 40 s, plus 5 s.
FROZEN_OWNER_S = _whole("FROZEN_OWNER_S", 45, low=1, high=3_600)
# Flush period: the packets of this time make one frame.
FLUSH_MS = _whole("FLUSH_MS", 100, low=10, high=2_000)
# Interest for volatilities and Greeks, percent per year. Chosen: since the forward is taken from prices, it discounts
# premiums only, by 0.5 % for a month.
INTEREST_RATE_PERCENT = env.float("INTEREST_RATE_PERCENT", 6.5)

# Retention of the audit log; a month is dropped as a whole, when all of it is older.
AUDIT_KEEP_DAYS = _whole("AUDIT_KEEP_DAYS", 400, low=1, high=36_500)

# Retention of recorded closing prices and open interest, in session days. Chosen: analytics compares a day with the one
# of a year before, and a year has some 250. At 25,000 instruments a day, 300 days are 7.5 million rows, about 1 GB.
CLOSES_KEEP_DAYS = _whole("CLOSES_KEEP_DAYS", 300, low=30, high=10_000)

# Maximum of instruments that stream because of one trader, unless staff set another for the user.
INSTRUMENT_QUOTA = _whole("INSTRUMENT_QUOTA", 5_000, low=0, high=25_000)

# How long a chain streams after the last browser that showed it left. 60: design.md, section 3, view claim. Low: web
# processes note views every 30 s, and again 5 s after a failure; a shorter time would end the claims of open chains.
VIEW_SECONDS = _whole("VIEW_SECONDS", 60, low=45, high=3_600)

# The profile of preload rules that applies.
PRELOAD_PROFILE: str = env.str("PRELOAD_PROFILE", default="lean")
# Scope of the end of the day: "all" at 15:30, or with "closed_segments" each segment after its session.
EOD_SCOPE: str = env.str("EOD_SCOPE", default="all")
if EOD_SCOPE not in {"all", "closed_segments"}:
    raise ImproperlyConfigured(f"EOD_SCOPE={EOD_SCOPE!r} must be all or closed_segments")
# Replaces today's date in IST in all decisions about expiries (demos and tests).
MARKET_DATE: date | None = _market_date()

# Directories of logs and data: /health is degraded if one of them has less than DISK_FREE_MB left.
_HERE = BASE_DIR / ".run"
DISK_PATHS: list[str] = env.list("DISK_PATHS", default=[str(_HERE if _HERE.is_dir() else BASE_DIR)])
if not DISK_PATHS:
    raise ImproperlyConfigured("DISK_PATHS must name at least one directory")
DISK_FREE_MB = _whole("DISK_FREE_MB", 1_000, low=0, high=10_000_000)

LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    # Counts repeated lines. Every process logs through it, and through nothing else.
    "handlers": {
        "console": {"class": "terminal.log_repeats.ConsoleHandler", "formatter": "line", "filters": ["outages"]}
    },
    "filters": {"outages": {"()": "terminal.log_levels.OutagesAreWarnings"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # Below WARNING these print whole request lines, with tokens.
        "websockets": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "picows": {"level": "WARNING"},
        # Celery adds its own handler where there is none.
        "multiprocessing": {"handlers": ["console"], "propagate": False},
        # Uvicorn gives them handlers of its own before it loads this application.
        "uvicorn": {"handlers": [], "level": "INFO", "propagate": True},
        "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
