#!/usr/bin/python3
"""A worker in Python: answers the requests of one node's shards.

usage: worker.py HOST:PORT EXCHANGE NODE SHARDS      worker.py 127.0.0.1:5672 shard.web rabbit1@host 2
"""
import sys
import pika

address, exchange, node, shards = sys.argv[1:5]
host, _, port = address.rpartition(":")


def serve(channel, method, request, _body):
    """Publishes the response to where the request says, then acks the request."""
    headers = request.headers
    response = pika.BasicProperties(correlation_id=request.correlation_id, type="http.response", headers={
        ":status": 200, "http": {"content-type": ["text/plain"], "x-worker": ["python"]}})
    if method.redelivered and not headers.get(":retry-safe"):
        response.headers = {":status": 502}  # Another worker may have run it before it failed.
    channel.basic_publish("", request.reply_to, f"{headers[':method']} {headers[':path']}\n".encode(), response)
    channel.basic_ack(method.delivery_tag)


inbox = pika.BlockingConnection(pika.ConnectionParameters(host, int(port))).channel()
inbox.basic_qos(prefetch_count=16)
for index in range(int(shards)):
    inbox.basic_consume(f"stream: {exchange} - {node} - {index}", serve)
inbox.start_consuming()
