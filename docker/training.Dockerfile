# The training job: labelled frames in, a published model out. As a Kubernetes Job, or by hand:
#
#   docker build -f docker/training.Dockerfile -t snowmode-training .                                     for NVIDIA GPUs
#   docker build -f docker/training.Dockerfile -t snowmode-training --build-arg TENSORFLOW=tensorflow .   for CPUs only
#   docker run --rm --gpus all --read-only --tmpfs /tmp -v /srv/hse20172018:/frames:ro -v runs:/runs -v models:/models \
#       snowmode-training run --frames /frames --name january
#
# Exit codes, for podFailurePolicy: 1 and 2 fail the job (refused; wrong settings or input), 74 and 75 try again (the
# machine; interrupted). With --name the next try goes on after the last finished epoch.
#
# In production name the base by digest: --build-arg BASE_IMAGE=docker.io/library/python@sha256:...
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
# Its version is the one of constraints.txt; CUDA's libraries are those that this version of TensorFlow asks for.
ARG TENSORFLOW=tensorflow[and-cuda]
WORKDIR /build
RUN python3 -m venv /opt/snowmode
# What rarely changes first: a new release of ours then takes no new layer of theirs, which is large here.
COPY pyproject.toml constraints.txt ./
COPY docker/list_requirements.py docker/
RUN python3 docker/list_requirements.py training > requirements.txt \
 && /opt/snowmode/bin/pip install --no-cache-dir --only-binary :all: \
        --constraint constraints.txt --requirement requirements.txt "${TENSORFLOW}" \
 # What only compilers and other people's test suites want.
 && rm -rf /opt/snowmode/lib/python3*/site-packages/tensorflow/include \
 && find /opt/snowmode/lib -type d -path '*/site-packages/tensorflow' -prune -o -type d -name tests -prune -print0 \
    | xargs -0 rm -rf
COPY README.md LICENSE ./
COPY radar radar
COPY serving serving
COPY client client
COPY training training
RUN /opt/snowmode/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
 && /opt/snowmode/bin/pip install --no-cache-dir --no-deps dist/*.whl \
 && /opt/snowmode/bin/pip check \
 # TensorFlow asks for setuptools and does not need it to run.
 && /opt/snowmode/bin/pip uninstall --yes pip \
 # Compiled now, because nothing can be written later.
 && /opt/snowmode/bin/python -m compileall -q -j 0 /opt/snowmode/lib

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="snowmode training" \
      org.opencontainers.image.description="Trains, scores and publishes models of snowfall modes in radar composites" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 snowmode \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin snowmode \
 && install -d -o 10001 -g 10001 /runs /models \
 && install -d /frames
COPY --from=build /opt/snowmode /opt/snowmode
# The commit stands in model cards; there is no git here to ask. Caches go where something can be written.
ENV PATH=/opt/snowmode/bin:$PATH \
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
# SIGTERM, by which a pod is taken away, ends a run after its step; it can be continued.
STOPSIGNAL SIGTERM
ENTRYPOINT ["training"]
CMD ["--help"]
