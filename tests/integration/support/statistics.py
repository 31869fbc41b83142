"""Whether a cluster's statistics work. Once in many starts of a node none of its queues ever shows any (RabbitMQ 3.10.8): its
shards are never seen to be empty then, and drains rightly wait for ever. Such a node is started again before the tests."""

from .management import ManagementApi
from .waiting import wait_until

COME_WITHIN_S = 15


def wait_statistics(cluster):
    """Each node's queues have statistics; a node whose queues have none is restarted, once."""
    api = ManagementApi(cluster.management[0])
    for index, node in enumerate(cluster.names):
        queue = f"queues/%2F/statistics-{index}"

        def shown(path=queue):
            return "consumers" in api.get(path)
        api.put(queue, {"durable": True, "node": node, "arguments": {"x-queue-type": "classic"}})
        try:
            wait_until(shown, COME_WITHIN_S, f"statistics of {node}")
        except AssertionError:
            cluster.restart(index)
            wait_until(shown, 60, f"statistics of {node} after its restart")
        api.delete(queue)
