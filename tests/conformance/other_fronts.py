"""nginx and HAProxy as front ends, one worker each, with the limits and timeouts of Warren's set-ups."""

import getpass
import os

from backend import LoggingBackend
from stand import Front
from support.ports import answers, free_port
from support.processes import Program
from support.waiting import wait_until

NGINX = """daemon off; user {user}; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
  uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
  upstream application {{ server 127.0.0.1:{backend} max_fails=0; keepalive 16; }}
  large_client_header_buffers 1 16k; lingering_timeout 1s;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  server {{
    listen 127.0.0.1:{usual}; client_max_body_size 16m;
    location / {{ proxy_pass http://application; }}
  }}
  server {{
    listen 127.0.0.1:{tight}; client_max_body_size 256k;
    client_header_timeout 800ms; client_body_timeout 800ms; keepalive_timeout 900ms;
    location / {{ proxy_pass http://application; }}
  }}
}}
"""

HAPROXY = """global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout server 60s
frontend usual
  bind 127.0.0.1:{usual}
  timeout client 60s
  timeout http-request 10s
  http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt 16777216 }}
  http-request wait-for-body time 10s
  default_backend application
frontend tight
  bind 127.0.0.1:{tight}
  timeout client 60s
  timeout http-request 800ms
  timeout http-keep-alive 900ms
  http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt 262144 }}
  http-request wait-for-body time 800ms
  default_backend application
backend application
  server application 127.0.0.1:{backend}
"""


class Other(Front):
    """A front end that is one program."""

    def __init__(self, name, ports, backend, program):
        super().__init__(name, ports, backend)
        self.program = program

    def close(self):
        """Ends the program, too."""
        self.program.terminate()
        super().close()


def _start(name, text, command, folder):
    """The front end, listening. `command` gets the configuration's path as its last word."""
    backend = LoggingBackend()
    ports = {"usual": free_port(), "tight": free_port()}
    path = os.path.join(folder, f"{name}.conf")
    with open(path, "w", encoding="utf-8") as output:
        output.write(text.format(folder=folder, user=getpass.getuser(), backend=backend.port, **ports))
    program = Program([*command, path], os.path.join(folder, f"{name}.log"))
    for port in ports.values():
        wait_until(lambda port=port: answers(port) or not program.running(), 15,
                   lambda: f"{name}: {program.log_tail()}")
    assert program.running(), f"{name} ended at once: {program.log_tail()}"
    return Other(name, ports, backend, program)


def nginx(folder):
    """Debian's nginx."""
    return _start("nginx", NGINX, ["/usr/sbin/nginx", "-e", os.path.join(folder, "nginx-start.log"), "-c"], folder)


def haproxy(folder):
    """Debian's HAProxy."""
    return _start("HAProxy", HAPROXY, ["/usr/sbin/haproxy", "-db", "-f"], folder)
