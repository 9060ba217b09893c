#!/usr/bin/env python3
"""Follows one order through RabbitMQ, with nothing but the AsyncAPI document to know the events by.

    follow.py ord_… --url amqp://USER:PASSWORD@HOST [--asyncapi FILE_OR_URL] [--lang ko|en]

Prints a line whenever the order stands somewhere else, and ends when the order ends.
"""

import argparse
import json
import sys
import time
import urllib.request

RETRY_SECONDS = 2
# A document is some hundred kilobytes; more is something else.
MAX_DOCUMENT = 16 * 1024 * 1024


def load(place):
    """The AsyncAPI document, from a file or an address."""
    if place.startswith(("http://", "https://")):
        with urllib.request.urlopen(place, timeout=10) as answer:
            return json.loads(answer.read(MAX_DOCUMENT))
    with open(place, encoding="utf-8") as file:
        return json.load(file)


def at(value, pointer):
    """What stands at a JSON pointer, such as /event/order/status; None if nothing does."""
    for key in pointer.lstrip("#").strip("/").split("/"):
        value = value.get(key) if isinstance(value, dict) else None
    return value


class Description:
    """What the document says of the channel that tells of orders."""

    def __init__(self, document):
        channel = document["channels"]["order"]
        self.exchange = channel["bindings"]["amqp"]["exchange"]
        # Every event of every partition: each placeholder is one word of the key.
        self.routing_key = channel["address"]
        for name in channel["parameters"]:
            self.routing_key = self.routing_key.replace("{" + name + "}", "*")
        messages = [at(document, one["$ref"]) for one in channel["messages"].values()]
        self.single = document["defaultContentType"]
        self.batch = next(one["contentType"] for one in messages if one["contentType"] != self.single)
        self.after = {one["name"]: one.get("x-order-status") for one in messages if one["contentType"] == self.single}
        headers = at(document, "/components/messageTraits/cloudEvent/headers/properties")
        self.header = {header["x-attribute"]: name for name, header in headers.items() if "x-attribute" in header}
        self.statuses = document["x-order-statuses"]

    def events(self, content_type, headers, body):
        """The events of a message: (type, subject, record) of each."""
        data = json.loads(body)
        if content_type == self.batch:
            return [(one["type"], one["subject"], one["data"]) for one in data]
        if content_type == self.single:
            return [(headers[self.header["type"]], headers[self.header["subject"]], data)]
        raise ValueError(f"{content_type}: not described")

    def status(self, kind, record):
        """Where the order stands after an event; None if it stays where it was."""
        after = self.after.get(kind)
        if after is None:
            return None
        return at(record, after["at"]) if "at" in after else after["is"]


class Follower:
    """One order, each event of which counts once."""

    def __init__(self, description, order, lang="ko", out=print):
        self.description, self.order, self.lang, self.out = description, order, lang, out
        self.seen = 0
        self.status = None
        self.ended = False

    def take(self, content_type, headers, body):
        """Takes a message, and tells what is new in it."""
        for kind, subject, record in self.description.events(content_type, headers, body):
            # An order stays in one partition, so its own numbers only grow: what is not above the last came before.
            seq = record["position"]["seq"]
            if subject != self.order or self.ended or seq <= self.seen:
                continue
            self.seen = seq
            status = self.description.status(kind, record)
            if status is not None and status != self.status:
                self.tell(status, record["at_ms"])

    def tell(self, status, at_ms):
        self.status = status
        shown = self.description.statuses[status]
        clock = time.strftime("%H:%M:%S", time.localtime(at_ms / 1000))
        self.out(f"{clock}  {self.order}  {shown[self.lang]}")
        self.ended = shown["final"]


def listen(parameters, description, follower):
    """Listens on a queue of its own until the order has ended."""
    import pika

    connection = pika.BlockingConnection(parameters)
    try:
        channel = connection.channel()
        exchange = description.exchange
        channel.exchange_declare(exchange["name"], exchange["type"], durable=exchange["durable"], auto_delete=exchange["autoDelete"])
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, exchange["name"], description.routing_key)
        print(f"following {follower.order}", file=sys.stderr, flush=True)
        for method, properties, body in channel.consume(queue):
            follower.take(properties.content_type, properties.headers or {}, body)
            channel.basic_ack(method.delivery_tag)
            if follower.ended:
                return
    finally:
        if connection.is_open:
            connection.close()


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Follows one order through RabbitMQ.")
    parser.add_argument("order")
    parser.add_argument("--url", required=True, help="the broker: amqp://USER:PASSWORD@HOST:PORT/")
    parser.add_argument("--asyncapi", default="http://127.0.0.1:8088/asyncapi.json", help="the description: a file or an address")
    parser.add_argument("--lang", choices=["ko", "en"], default="ko")
    said = parser.parse_args(arguments)
    import pika

    description = Description(load(said.asyncapi))
    follower = Follower(description, said.order, said.lang, lambda line: print(line, flush=True))
    parameters = pika.URLParameters(said.url)
    while not follower.ended:
        try:
            listen(parameters, description, follower)
        except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError) as why:
            sys.exit(f"follow.py: the broker does not let us in: {why}")
        except (pika.exceptions.AMQPError, OSError) as why:
            print(f"follow.py: {why!r}; trying again", file=sys.stderr, flush=True)
            time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
