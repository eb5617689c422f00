# OpenClaw's gateway, with Chromium, git and GitHub's CLI. Built from this folder: docker build -f openclaw.Dockerfile .

# Node as the tests have it: the gateway does not start on an older one than it wants.
FROM node:24.21.0-bookworm-slim
ARG EXTRA_APT_PACKAGES=""
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates chromium curl fonts-liberation gh git tini ${EXTRA_APT_PACKAGES} \
    && rm -rf /var/lib/apt/lists/*
ARG OPENCLAW_VERSION=2026.9.6
RUN npm install --global --no-audit --no-fund "openclaw@${OPENCLAW_VERSION}" \
    && npm cache clean --force
COPY --chmod=755 start-openclaw.sh /usr/local/bin/start-openclaw.sh
# The gateway and agent-config-sync read each other's files of mode 0600, so both run as one user: 1000, who is `node`
# here. /root is the home of both, because /root/clawd and /root/.openclaw are the places that are shared. git asks gh,
# which has GH_TOKEN.
RUN usermod --home /root node \
    && mkdir -p /root/clawd /root/.openclaw \
    && chmod 700 /root/.openclaw \
    && chown -R 1000:1000 /root \
    && git config --system credential.https://github.com.helper '!gh auth git-credential'
# In a container a restart happens inside the process, and nobody listens to multicast.
ENV HOME=/root \
    OPENCLAW_NO_RESPAWN=1 \
    OPENCLAW_DISABLE_BONJOUR=1
USER 1000:1000
WORKDIR /root/clawd
EXPOSE 18789
# tini ends what the tools of agents leave behind, and hands signals on.
ENTRYPOINT ["tini", "--", "start-openclaw.sh"]
