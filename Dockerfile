# Dragoman, and (target `insurer`) Dragoman with the example's project whose legacy is PostgreSQL.
#
#   docker build --tag dragoman .
#   docker run --volume ./my-project:/project dragoman lint
#
# A project's own state (`var/` unless dragoman.yaml says otherwise) has to be on a volume that user 10001 may write.
ARG PYTHON_IMAGE=python:3.13.9-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/image.txt requirements/image.txt
RUN python3 -m venv /opt/dragoman \
    && /opt/dragoman/bin/pip install --quiet --no-cache-dir --no-compile --require-hashes --requirement requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY translators/ translators/
COPY connectors/ connectors/
COPY pipeline/ pipeline/
COPY reconcile/ reconcile/
COPY dragoman/ dragoman/
COPY examples/ examples/
RUN /opt/dragoman/bin/pip install --quiet --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/dragoman/bin/dragoman --version

FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 dragoman \
    && useradd --uid 10001 --gid 10001 --home-dir /project --no-create-home --shell /usr/sbin/nologin dragoman \
    && mkdir --parents /project/var \
    && chown 10001:10001 /project/var
COPY --from=build /opt/dragoman /opt/dragoman
ENV PATH=/opt/dragoman/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /project
USER 10001:10001
# Another command than `run` answers no probe: start it with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["dragoman"]
CMD ["run", "--follow", "--health", "0.0.0.0:8080"]

FROM runtime AS insurer
USER root
RUN rm --recursive /project \
    && python -m dragoman.example postgres /project \
    && mkdir /project/var \
    && chown 10001:10001 /project/var
USER 10001:10001

FROM runtime
