# chaosrun, and the reference services that docker-compose.yml runs.
#
#   docker build --tag chaosrun .
#   docker run --rm --network host --volume "$PWD/reports:/work/reports" chaosrun experiments/server-restart.yaml
#
# With Ray, for docker-compose.ray.yml:                docker build --build-arg INSTALL='.[ray]' --tag chaosrun-ray:local .
# With Ray's dashboard, for Kubernetes (docs/scale.md): docker build --build-arg INSTALL='.[ray] ray[default]' --tag ...
#
# Faults of containers need the engine's socket and its group besides, and `how: crash` root and the host's pids.
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS build
# What pip installs: chaosrun, with the extras that are wanted.
ARG INSTALL=.
RUN python -m venv /opt/chaosrun
WORKDIR /src
COPY pyproject.toml README.md ./
COPY chaosrun chaosrun
RUN /opt/chaosrun/bin/pip install --no-cache-dir ${INSTALL}

FROM ${PYTHON}
COPY --from=build /opt/chaosrun /opt/chaosrun
ENV PATH=/opt/chaosrun/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --uid 1000 --create-home chaosrun && install --directory --owner chaosrun /work /work/reports
WORKDIR /work
COPY experiments experiments
COPY steady_state steady_state
USER chaosrun
ENTRYPOINT ["chaosrun"]
CMD ["--help"]
