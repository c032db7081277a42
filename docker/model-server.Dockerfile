# The embedded model server, for machines without TensorFlow Serving: the same services, flags and answers, on CPUs.
#
#   docker build -f docker/model-server.Dockerfile -t snowmode-model-server .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8500:8500 -v models:/models:ro snowmode-model-server
#
# It hosts what /models/models.config names, as `training publish --served-at /models` writes it. Arguments of your own
# replace all of the default ones, and are those of tensorflow_model_server; the health check asks port 8501.
# For GPUs take tensorflow/serving:2.20.0-gpu, or docker/serving.Dockerfile with a model inside.
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
# Without the kernels for GPUs it is a third of the size. docker/training.Dockerfile has the same steps up to here.
ARG TENSORFLOW=tensorflow-cpu
RUN python3 docker/steps/list_requirements.py server "tensorflow=${TENSORFLOW}" > requirements.txt \
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
 && /opt/snowmode/bin/python docker/steps/compile_used.py serving.model_server

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="snowmode model server" \
      org.opencontainers.image.description="Serves snowfall-mode models as TensorFlow Serving does, on CPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The whole of it is meant: on top of the base it would carry along what was deleted.
# hadolint ignore=DL3067
COPY --from=system / /
COPY --from=build /opt/snowmode /opt/snowmode
COPY k8s/base/config/batching.txt k8s/base/config/monitoring.txt /etc/snowmode/
ENV PATH=/opt/snowmode/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=1
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /models
EXPOSE 8500 8501
# Whether a model answers, not only the process. Loading and warming up take some ten seconds, or a minute on slow disks.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/v1/models/snowmode/metadata', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["serving", "model-server"]
CMD ["--port=8500", "--rest_api_port=8501", \
     "--model_config_file=/models/models.config", "--model_config_file_poll_wait_seconds=30", \
     "--enable_batching=true", "--batching_parameters_file=/etc/snowmode/batching.txt", \
     "--monitoring_config_file=/etc/snowmode/monitoring.txt", \
     "--enable_grpc_healthcheck_service=true", "--enable_serialization_as_tensor_content=true", \
     "--num_load_threads=1", "--num_unload_threads=1", \
     "--max_num_load_retries=1", "--load_retry_interval_micros=5000000", \
     "--grpc_channel_arguments=grpc.max_connection_age_ms=300000,grpc.max_connection_age_grace_ms=30000"]
