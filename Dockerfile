# One image for web, worker and reaper; a second target adds the local model engines.
#
#   docker build --target app -t prm-workbench .
#   docker build --target gpu -t prm-workbench-gpu .

FROM python:3.12-slim AS build
WORKDIR /app
# The same bootstrap as `make run`: what is installed, and from which locks, is said in one place.
COPY . .
ENV WORKBENCH_DATA_DIR=/tmp/data
RUN python scripts/bootstrap.py runtime \
    && .venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode \
        --require-hashes -r requirements/postgres.txt \
    && rm -rf .venv/node node_modules tests

FROM python:3.12-slim AS app
RUN useradd --uid 10001 --create-home workbench \
    && install -d -o workbench -g workbench -m 0700 /data
WORKDIR /app
COPY --from=build --chown=workbench:workbench /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    DJANGO_SETTINGS_MODULE=workbench.settings.production \
    WORKBENCH_DATA_DIR=/data \
    WORKBENCH_HOST=0.0.0.0 \
    WORKBENCH_LOG_JSON=on
USER workbench
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "--config", "python:workbench.webserver"]

FROM app AS gpu
USER root
RUN uv pip install --quiet --python .venv/bin/python --require-hashes \
        -r requirements/transformers.txt \
    && chown -R workbench:workbench .venv
USER workbench
CMD ["celery", "--app=workbench.celery", "worker", "--pool=solo", "--queues=models"]
