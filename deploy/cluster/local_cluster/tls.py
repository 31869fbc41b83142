"""Certificates for a cluster that speaks TLS as well: an authority of the cluster's own, and a server certificate
for localhost and 127.0.0.1 that all nodes share. Made with the command openssl; good for a year.
"""

import os
import subprocess

from .errors import ClusterError

DAYS = "365"
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def ca_file(folder):
    """The authority's certificate: what clients have to trust (--tls-ca-file)."""
    return os.path.join(folder, "tls", "ca.pem")


def conf_lines(folder, prefix):
    """Lines for rabbitmq.conf that give the listeners of `prefix` ("ssl_options", "management.ssl") the certificate."""
    here = os.path.join(folder, "tls")
    return [f"{prefix}.cacertfile = {here}/ca.pem", f"{prefix}.certfile = {here}/server.pem",
            f"{prefix}.keyfile = {here}/server.key"]


def make(folder):
    """Makes the files, below `folder`/tls, unless they are there."""
    here = os.path.join(folder, "tls")
    if os.path.exists(os.path.join(here, "server.pem")):
        return
    os.makedirs(here, mode=0o700, exist_ok=True)
    with open(os.path.join(here, "names"), "w", encoding="ascii") as names:
        names.write(NAMES + "\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl(here, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", DAYS, "-subj",
             "/CN=warren-local authority")
    _openssl(here, "req", "-new", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    _openssl(here, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
             DAYS, "-extfile", "names", "-out", "server.pem")


def _openssl(folder, *arguments):
    try:
        result = subprocess.run(["openssl", *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, check=False)
    except FileNotFoundError:
        raise ClusterError("--tls: the command openssl is missing; install the package openssl") from None
    if result.returncode != 0:
        raise ClusterError(f"--tls: openssl {arguments[0]} failed: {result.stderr.strip()}")
