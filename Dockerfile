# The image of worker, beat, relay, Flower and exporter.

FROM python:3.13-slim AS build

# wordllama has no wheel for Linux on ARM: there it is compiled.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 VIRTUAL_ENV=/opt/omninode
WORKDIR /build
COPY pyproject.toml requirements.lock ./

# The lock holds the tools of development too, uv among them. What is needed to run follows from pyproject.toml;
# its versions and hashes come from the lock.
RUN awk '/^[a-z]/ {wanted = /^uv==/} wanted' requirements.lock > uv.lock \
    && python -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --require-hashes --requirement uv.lock \
    && python -m venv --without-pip /opt/omninode \
    && /opt/uv/bin/uv pip compile --quiet --no-header --no-annotate \
        --constraint requirements.lock --output-file needed.txt pyproject.toml \
    && /opt/uv/bin/uv pip install --require-hashes --constraint requirements.lock --requirement needed.txt

COPY README.md LICENSE ./
COPY orchestrator orchestrator
COPY monitoring monitoring
COPY tasks tasks
RUN /opt/uv/bin/uv pip install --no-deps .


FROM python:3.13-slim

RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/omninode omninode
COPY --from=build /opt/omninode /opt/omninode
ENV PATH=/opt/omninode/bin:$PATH PYTHONUNBUFFERED=1
USER omninode
WORKDIR /var/lib/omninode
CMD ["celery", "-A", "orchestrator", "worker"]
