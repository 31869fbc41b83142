"""A WSGI application without packages. Run by: gunicorn -c docs/examples/applications/python/gunicorn.conf.py app:application"""
import json
import time
from urllib.parse import parse_qs


def application(environ, start_response):
    """Django and Flask give such a callable, too."""
    if environ["PATH_INFO"] == "/up":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"up\n"]
    time.sleep(float(parse_qs(environ["QUERY_STRING"]).get("sleep", ["0"])[0]))
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    answer = json.dumps({
        "server": "gunicorn", "method": environ["REQUEST_METHOD"], "path": environ["PATH_INFO"],
        "host": environ["HTTP_HOST"], "scheme": environ["wsgi.url_scheme"],
        "client": environ.get("HTTP_X_FORWARDED_FOR", "").split(", ")[-1],
        "request_id": environ.get("HTTP_X_REQUEST_ID"), "body_bytes": len(body)}).encode() + b"\n"
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
