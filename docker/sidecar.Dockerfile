# The sidecar: heat maps, statistics, reviews and pages beside a model server. No TensorFlow inside.
#
#   docker build -f docker/sidecar.Dockerfile -t snowmode-sidecar .
#   docker run --read-only -p 8080:8080 -v winter:/var/lib/snowmode -v /srv/radar:/srv/radar:ro \
#       -e SNOWMODE_SIDECAR_SERVER=gpu:8500 -e SNOWMODE_SIDECAR_TOKENS=... snowmode-sidecar
#
# In production name the base by digest: --build-arg BASE_IMAGE=docker.io/library/python@sha256:...
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /build
RUN python3 -m venv /opt/snowmode
# What rarely changes first: a new release of ours then takes no new layer of theirs.
COPY pyproject.toml constraints.txt ./
COPY docker/list_requirements.py docker/
RUN python3 docker/list_requirements.py sidecar netcdf > requirements.txt \
 && /opt/snowmode/bin/pip install --no-cache-dir --only-binary :all: \
        --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE ./
COPY radar radar
COPY serving serving
COPY client client
COPY training training
RUN /opt/snowmode/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-deps dist/*.whl \
 && /opt/snowmode/bin/pip check \
 && /opt/snowmode/bin/pip uninstall --yes setuptools pip \
 # Compiled now, because nothing can be written later; tests of other packages are not run here.
 && find /opt/snowmode -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
 && /opt/snowmode/bin/python -m compileall -q /opt/snowmode/lib

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="snowmode sidecar" \
      org.opencontainers.image.description="Explains and counts what a snowfall-mode model says of radar composites" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 snowmode \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin snowmode \
 && install -d -o 10001 -g 10001 /var/lib/snowmode \
 && install -d /srv/radar
COPY --from=build /opt/snowmode /opt/snowmode
ENV PATH=/opt/snowmode/bin:$PATH \
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
ENTRYPOINT ["serving", "sidecar"]
