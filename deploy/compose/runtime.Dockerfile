# agent-config-sync. Built from the root of the repository: docker build -f deploy/compose/runtime.Dockerfile .

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
# Every wheel is one that requirements/run.lock names by its hash; what is built and installed afterwards sees no other.
COPY requirements/run.lock requirements/run.lock
RUN pip download --no-cache-dir --require-hashes --only-binary=:all: --dest /wheels --requirement requirements/run.lock
COPY pyproject.toml README.md LICENSE index.js openclaw.plugin.json package.json ./
COPY agent_config_sync agent_config_sync
COPY migrations migrations
COPY sql sql
RUN pip wheel --no-index --find-links /wheels --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/agent-config-sync \
    && /opt/agent-config-sync/bin/pip install --no-index --find-links /wheels agent-config-sync

FROM python:3.13-slim-bookworm
COPY --from=build /opt/agent-config-sync /opt/agent-config-sync
COPY deploy/openclaw.base.json5 /etc/agent-config-sync/openclaw.base.json5
# The gateway and this process read each other's files of mode 0600, so both run as one user: 1000, who is `node` in the
# gateway's image. /root is the home of both, because /root/clawd and /root/.openclaw are the places that are shared.
# A new volume takes over the owner of the folder at which it is mounted first.
RUN useradd --uid 1000 --home-dir /root --no-create-home --shell /usr/sbin/nologin agent-config-sync \
    && mkdir -p /root/clawd /root/.openclaw /var/lib/agent-config-sync \
    && chmod 700 /root/.openclaw /var/lib/agent-config-sync \
    && chown -R 1000:1000 /root /var/lib/agent-config-sync
ENV PATH=/opt/agent-config-sync/bin:$PATH \
    HOME=/root \
    AGENT_CONFIG_SYNC_CONFIG_FILE=managed \
    AGENT_CONFIG_SYNC_CONFIG_BASE=/etc/agent-config-sync/openclaw.base.json5 \
    AGENT_CONFIG_SYNC_STATE_DIR=/var/lib/agent-config-sync
USER 1000:1000
WORKDIR /root
ENTRYPOINT ["agent-config-sync"]
CMD ["run"]
