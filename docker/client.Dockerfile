# The client: `client classify`, `client watch`, `client doctor`, ... No TensorFlow inside.
#
#   docker build -f docker/client.Dockerfile -t snowmode-client .
#   docker run --rm --read-only --tmpfs /tmp -e SNOWMODE_SERVER=gpu:8500 -v /srv/radar/hse20152016:/srv/radar/hse20152016:ro \
#       -v results:/results snowmode-client classify /srv/radar/hse20152016 --out /results
#
# Results go to /results, the working directory. `make images` builds this image and the others.
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
RUN python3 docker/steps/list_requirements.py netcdf > requirements.txt \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-compile --only-binary :all: \
        --constraint constraints.txt --requirement requirements.txt
COPY docker/steps docker/steps
COPY README.md LICENSE ./
COPY radar radar
COPY serving serving
COPY client client
COPY training training
# Parquet would be another 150 MB; what is loaded by name is named.
RUN /opt/snowmode/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-compile --no-deps dist/*.whl \
 && /opt/snowmode/bin/pip check \
 && sh docker/steps/slim_packages.sh /opt/snowmode \
 && /opt/snowmode/bin/python docker/steps/compile_used.py client netCDF4 -client.results.parquet

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="snowmode client" \
      org.opencontainers.image.description="Classifies radar composites into snowfall modes with a model server" \
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
    PYTHONUNBUFFERED=1
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /results
# Metrics and health of `client watch --metrics-port 9100 --metrics-address 0.0.0.0`; compose.yaml and k8s/ check it.
# The other commands end by themselves, and their exit code tells.
EXPOSE 9100
HEALTHCHECK NONE
STOPSIGNAL SIGTERM
ENTRYPOINT ["client"]
CMD ["--help"]
