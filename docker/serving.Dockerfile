# TensorFlow Serving with one model inside: what runs is what was tested, and a rollback is the image before.
#
#   docker build -f docker/serving.Dockerfile -t snowmode-serving --build-context models=models \
#       --build-arg MODEL_VERSION=202611211820 .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501 snowmode-serving
#
# For NVIDIA GPUs: --build-arg SERVING_IMAGE=docker.io/tensorflow/serving:2.20.0-gpu, and run it with --gpus all.
# In production name the base by digest: --build-arg SERVING_IMAGE=docker.io/tensorflow/serving@sha256:...
# `training models --models models` lists the versions. Arguments of your own replace all of the default ones.
ARG SERVING_IMAGE=docker.io/tensorflow/serving:2.20.0

FROM ${SERVING_IMAGE}
ARG MODEL_VERSION
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="snowmode serving" \
      org.opencontainers.image.description="TensorFlow Serving with a model of snowfall modes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      snowmode.model.version="${MODEL_VERSION}"
# A build context of its own, no stage: models lie wherever they were published to.
# hadolint ignore=DL3022
COPY --from=models snowmode/${MODEL_VERSION} /models/snowmode/${MODEL_VERSION}
COPY k8s/base/config/batching.txt k8s/base/config/monitoring.txt /etc/snowmode/
# Without a version the line above has copied all of them, one level too deep: end here, not in production.
RUN test -s "/models/snowmode/${MODEL_VERSION:?name one: --build-arg MODEL_VERSION=202611211820}/saved_model.pb"
# Growth instead of all of a GPU's memory; compiled kernels where something can be written.
ENV TF_CPP_MIN_LOG_LEVEL=1 \
    TF_FORCE_GPU_ALLOW_GROWTH=true \
    CUDA_CACHE_PATH=/tmp/cuda
# The base runs as root. By number, so that Kubernetes can see that this does not.
USER 10001:10001
EXPOSE 8500 8501
# Whether the model answers. By bash, because the image has no curl; the time to start is loading and warming up.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8501 && printf 'GET /v1/models/snowmode/metadata HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r status <&3 && [[ $status == *' 200 '* ]]"]
# The server itself instead of the base's script, which knows nothing of our flags. It ignores SIGTERM: `docker stop`
# takes its full time and kills it.
ENTRYPOINT ["/usr/bin/tensorflow_model_server"]
# The folder never changes here, so it is looked at once.
CMD ["--port=8500", "--rest_api_port=8501", \
     "--model_name=snowmode", "--model_base_path=/models/snowmode", "--file_system_poll_wait_seconds=0", \
     "--enable_batching=true", "--batching_parameters_file=/etc/snowmode/batching.txt", \
     "--monitoring_config_file=/etc/snowmode/monitoring.txt", \
     "--enable_grpc_healthcheck_service=true", "--enable_serialization_as_tensor_content=true", \
     "--enable_profiler=false", "--num_load_threads=1", "--num_unload_threads=1", \
     "--max_num_load_retries=1", "--load_retry_interval_micros=5000000", \
     "--grpc_channel_arguments=grpc.max_connection_age_ms=300000,grpc.max_connection_age_grace_ms=30000"]
