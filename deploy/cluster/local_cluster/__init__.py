"""A local RabbitMQ cluster for tests, the quickstart and trying things out.

processes.py knows processes, ports.py free ports, node.py one broker, tls.py its certificates, cluster.py the whole with its
state file, watchdog.py the end of a cluster whose owner died, cli.py the command line. Only the Python
standard library is used.
"""
