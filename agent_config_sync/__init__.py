"""PostgreSQL as the control plane of OpenClaw agents: rows in, the gateway's running configuration out."""

__version__ = "1.0.0"
