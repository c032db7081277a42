# The training job: labelled frames in, a published model out. As a Kubernetes Job, or by hand:
#
#   docker build -f docker/training.Dockerfile -t snowmode-training .                                         for NVIDIA GPUs
#   docker build -f docker/training.Dockerfile -t snowmode-training --build-arg TENSORFLOW=tensorflow-cpu .   for CPUs only
#   docker run --rm --gpus all --read-only --tmpfs /tmp -v /srv/hse20172018:/labelled:ro -v runs:/runs -v models:/models \
#       snowmode-training run --frames /labelled --name january
#
# Exit codes, for podFailurePolicy: 1 and 2 fail the job (refused; wrong settings or input), 74 and 75 try again (the
# machine; interrupted). With --name the next try goes on after the last finished epoch.
#
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
# What rarely changes first: a new release of ours then needs no new download of theirs, which is large here.
COPY pyproject.toml constraints.txt ./
COPY docker/steps/list_requirements.py docker/steps/
# Its version is the one of constraints.txt. NVIDIA's libraries are not there: pip takes the newest that this version of
# TensorFlow allows.
ARG TENSORFLOW=tensorflow[and-cuda]
RUN python3 docker/steps/list_requirements.py server "tensorflow=${TENSORFLOW}" > requirements.txt \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-compile --only-binary :all: \
        --constraint constraints.txt --requirement requirements.txt
RUN python3 docker/steps/list_requirements.py training "tensorflow=${TENSORFLOW}" > requirements.txt \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-compile --only-binary :all: \
        --constraint constraints.txt --requirement requirements.txt
COPY docker/steps docker/steps
COPY README.md LICENSE ./
COPY radar radar
COPY serving serving
COPY client client
COPY training training
RUN /opt/snowmode/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-compile --no-deps dist/*.whl \
 && /opt/snowmode/bin/pip check \
 && sh docker/steps/slim_packages.sh /opt/snowmode \
 && /opt/snowmode/bin/python docker/steps/compile_used.py training serving.model_server

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="snowmode training" \
      org.opencontainers.image.description="Trains, scores and publishes models of snowfall modes in radar composites" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The whole of it is meant: on top of the base it would carry along what was deleted.
# hadolint ignore=DL3067
COPY --from=system / /
COPY --from=build /opt/snowmode /opt/snowmode
# The commit stands in model cards; there is no git here to ask. Caches go where something can be written.
ENV PATH=/opt/snowmode/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SNOWMODE_COMMIT=${REVISION} \
    MPLCONFIGDIR=/tmp/matplotlib \
    CUDA_CACHE_PATH=/tmp/cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
# Runs go to /runs, models to /models: the defaults of `training run` from here.
WORKDIR /
VOLUME ["/runs", "/models"]
# A job ends by itself, and its exit code tells.
HEALTHCHECK NONE
# SIGTERM, by which a pod is taken away, ends a run after its step; it can be continued.
STOPSIGNAL SIGTERM
ENTRYPOINT ["training"]
CMD ["--help"]
