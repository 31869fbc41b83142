"""The one exception whose message is meant for the user: what was wrong, where, and what would be right."""


class ClusterError(Exception):
    """Printed without a traceback; the program then exits with 1."""
