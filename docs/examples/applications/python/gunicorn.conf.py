"""Gunicorn behind warren-worker. Workers times threads is the worker's --concurrency."""
import os

bind = f"127.0.0.1:{os.environ.get('PORT', '3000')}"
chdir = os.path.dirname(os.path.abspath(__file__))
worker_class = "gthread"  # The class "sync" works too, but closes each connection after one request.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4

# Longer than the worker's --upstream-idle-timeout, so that it is never Gunicorn that closes an idle connection.
keepalive = 20
# SIGTERM: requests under way are finished, within this time.
graceful_timeout = 30
# X-Forwarded-Proto is believed from here; 127.0.0.1 is the default.
forwarded_allow_ips = "127.0.0.1"
