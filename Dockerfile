# Everything is installed in a first image with what that takes, and only the environment goes into the second.
FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/pageturner
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --require-hashes -r requirements.lock
COPY . .
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation --editable . \
 && /opt/venv/bin/python -m compileall -q /opt/venv /srv/pageturner \
 && /opt/venv/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="Pageturner" \
      org.opencontainers.image.description="An exact, queryable mirror of Apple's Apps and Books"
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PAGETURNER_HOME=/var/lib/pageturner PAGETURNER_LOG_FORMAT=json
RUN useradd --system --uid 10001 --home-dir /var/lib/pageturner --create-home pageturner
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/pageturner /srv/pageturner
WORKDIR /srv/pageturner
USER 10001
# Of a worker, which renews a file every few seconds; the doors have probes of their own.
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s CMD ["pageturner", "alive"]
ENTRYPOINT ["pageturner"]
CMD ["--help"]
