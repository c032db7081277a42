# The sidecar: heat maps, statistics, reviews and pages beside a model server. No TensorFlow inside.
#
#   docker build -f docker/sidecar.Dockerfile -t snowmode-sidecar .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8080:8080 -v winter:/var/lib/snowmode -v /srv/radar:/srv/radar:ro \
#       -e SNOWMODE_SIDECAR_SERVER=gpu:8500 -e SNOWMODE_SIDECAR_TOKENS=... snowmode-sidecar
#
# `docker run --entrypoint serving snowmode-sidecar backup ...` keeps the database, and `--entrypoint training ...
# rollback --models /models` puts the model before into production: neither needs TensorFlow. `make images` builds all
# images.
# Renew the base with every release, by its digest: --build-arg BASE_IMAGE=docker.io/library/python@sha256:...
# Behind a mirror: --build-arg PIP_INDEX_URL=..., and PIP_CERT=... for an authority of its own.
ARG BASE_IMAGE=docker.io/library/python:3.13.9-slim-trixie@sha256:326df678c20c78d465db501563f3492d17c42a4afe33a1f2bf5406a1d56b0e86

FROM ${BASE_IMAGE} AS system
COPY docker/steps/slim_system.sh /tmp/
RUN sh /tmp/slim_system.sh

FROM ${BASE_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_CERT
# For `strip`, which stays in this stage: its version changes nothing in the image.
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/snowmode
WORKDIR /build
# What rarely changes first: a new release of ours then needs no new download of theirs.
COPY pyproject.toml constraints.txt ./
COPY docker/steps/list_requirements.py docker/steps/
RUN python3 docker/steps/list_requirements.py sidecar netcdf > requirements.txt \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-compile --only-binary :all: \
        --constraint constraints.txt --requirement requirements.txt
COPY docker/steps docker/steps
COPY README.md LICENSE ./
COPY radar radar
COPY serving serving
COPY client client
COPY training training
# Those of uvicorn and SQLAlchemy are imported by name when the service starts, those of training when a model is
# promoted, taken back or listed; Alembic's env.py can be by Alembic only.
RUN /opt/snowmode/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-compile --no-deps dist/*.whl \
 && /opt/snowmode/bin/pip check \
 && sh docker/steps/slim_packages.sh /opt/snowmode \
 && /opt/snowmode/bin/python docker/steps/compile_used.py serving.sidecar serving.cli netCDF4 \
        uvicorn.protocols.http.h11_impl uvicorn.lifespan.on sqlalchemy.dialects.sqlite.pysqlite \
        sqlalchemy.dialects.postgresql.psycopg -serving.sidecar.store.migrations.env \
        training.cli training.publishing.releases training.publishing.published

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="snowmode sidecar" \
      org.opencontainers.image.description="Explains and counts what a snowfall-mode model says of radar composites" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The whole of it is meant: on top of the base it would carry along what was deleted.
# hadolint ignore=DL3067
COPY --from=system / /
COPY --from=build /opt/snowmode /opt/snowmode
ENV PATH=/opt/snowmode/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SNOWMODE_SIDECAR_HOST=0.0.0.0 \
    SNOWMODE_SIDECAR_PORT=8080 \
    SNOWMODE_SIDECAR_DATABASE=sqlite:////var/lib/snowmode/winter.sqlite \
    SNOWMODE_SIDECAR_ARCHIVE=/srv/radar \
    SNOWMODE_SIDECAR_LOG=json
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/snowmode
VOLUME /var/lib/snowmode
EXPOSE 8080
# Whether the process answers, not whether its peers do: restarting it would not bring them back.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['SNOWMODE_SIDECAR_PORT']}/healthz\", timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["serving", "sidecar"]
