"""follow.py against messages as the document describes them, and the document against the rules of AsyncAPI.

The folder in BAEMIN_FIXTURES holds asyncapi.json and records.json (one record of every event), written by the Rust side.
"""

import json
import os
import pathlib
import sys
import unittest

import jsonschema
import pika  # noqa: F401  (what follow.py needs is installed)

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import follow  # noqa: E402

FIXTURES = pathlib.Path(os.environ["BAEMIN_FIXTURES"])
DOCUMENT = follow.load(str(FIXTURES / "asyncapi.json"))
RECORDS = follow.load(str(FIXTURES / "records.json"))
ORDER = "ord_040g2081040g2081"


def attributes(one, seq=None, stream=ORDER):
    record = json.loads(json.dumps(one["record"]))
    record["stream"] = stream
    record["position"]["seq"] = seq or record["position"]["seq"]
    where = record["position"]
    return {
        "specversion": "1.0",
        "id": f"{where['context']}-{where['partition']}-{where['seq']}",
        "source": f"/baemin/{where['context']}/{where['partition']}",
        "type": f"baemin.{one['kind']}.{one['event']}",
        "subject": stream,
        "time": "2026-01-07T03:00:00Z",
    }, record


def single(one, **how):
    values, record = attributes(one, **how)
    return "application/json", {f"cloudEvents:{name}": value for name, value in values.items()}, json.dumps(record).encode()


def batch(many, first=1):
    items = [attributes(one, seq=first + number) for number, one in enumerate(many)]
    return "application/cloudevents-batch+json", {}, json.dumps([{**a, "data": record} for a, record in items]).encode()


def order(event):
    return next(one for one in RECORDS if one["kind"] == "order" and one["event"] == event)


class Following(unittest.TestCase):
    def setUp(self):
        self.lines = []
        self.follower = follow.Follower(follow.Description(DOCUMENT), ORDER, "en", self.lines.append)

    def labels(self):
        return [line.split("  ", 2)[2] for line in self.lines]

    def test_the_document_says_where_to_listen(self):
        description = self.follower.description
        self.assertEqual(description.exchange["name"], "baemin.events")
        self.assertEqual((description.exchange["type"], description.exchange["durable"]), ("topic", True))
        self.assertEqual(description.routing_key, "order.*.*")

    def test_a_line_for_each_status_and_an_end(self):
        way = ["placed", "paid", "accepted", "delayed", "started", "cooked", "picked", "delivered", "completed"]
        for seq, event in enumerate(way, 1):
            self.assertFalse(self.follower.ended)
            self.follower.take(*single(order(event), seq=seq))
        self.assertEqual(self.labels(), [
            "Payment pending", "Waiting for the store", "Accepted", "Cooking", "Cooked", "On the way", "Delivered", "Completed"])
        self.assertTrue(self.follower.ended)

    def test_repeated_and_late_messages_are_dropped(self):
        for seq, event in [(1, "placed"), (2, "paid"), (1, "placed"), (2, "paid"), (3, "started"), (2, "paid")]:
            self.follower.take(*single(order(event), seq=seq))
        self.assertEqual(self.labels(), ["Payment pending", "Waiting for the store", "Cooking"])

    def test_a_batch_and_its_repetition(self):
        self.follower.take(*batch([order("placed"), order("paid"), order("accepted")]))
        self.follower.take(*batch([order("paid"), order("accepted"), order("started")], first=2))
        self.assertEqual(self.labels(), ["Payment pending", "Waiting for the store", "Accepted", "Cooking"])

    def test_other_orders_are_not_ours(self):
        self.follower.take(*single(order("placed"), seq=1, stream="ord_other"))
        self.assertEqual(self.lines, [])

    def test_an_event_that_another_order_has_overtaken_counts(self):
        self.follower.take(*single(order("placed"), seq=9, stream="ord_other"))
        self.follower.take(*single(order("placed"), seq=8))
        self.assertEqual(self.labels(), ["Payment pending"])

    def test_korean(self):
        self.follower.lang = "ko"
        self.follower.take(*single(order("cancelled"), seq=1))
        self.assertEqual(self.labels(), ["주문취소"])
        self.assertTrue(self.follower.ended)

    def test_an_unknown_content_type_is_not_guessed(self):
        with self.assertRaises(ValueError):
            self.follower.take("text/plain", {}, b"{}")


class TheDocument(unittest.TestCase):
    def validator(self, message):
        schema = {**message, "components": DOCUMENT["components"]}
        return jsonschema.Draft7Validator(schema)

    def test_it_is_asyncapi(self):
        with open(HERE / "asyncapi-3.0.0.schema.json", encoding="utf-8") as file:
            schema = json.load(file)
        broken = sorted(jsonschema.Draft7Validator(schema).iter_errors(DOCUMENT), key=lambda error: list(error.path))
        self.assertEqual([], [f"{list(error.absolute_path)}: {error.message[:200]}" for error in broken])

    def test_the_rules_can_be_broken(self):
        with open(HERE / "asyncapi-3.0.0.schema.json", encoding="utf-8") as file:
            validator = jsonschema.Draft7Validator(json.load(file))
        for path, value in [("channels", []), ("info", {}), ("asyncapi", "2.0.0")]:
            self.assertFalse(validator.is_valid({**DOCUMENT, path: value}), path)

    def test_every_event_is_as_its_message_says(self):
        messages = DOCUMENT["components"]["messages"]
        self.assertGreater(len(RECORDS), 70)
        for one in RECORDS:
            validator = self.validator(messages[f"{one['kind']}.{one['event']}"]["payload"])
            validator.validate(one["record"])
            wrong = json.loads(json.dumps(one["record"]))
            next(iter(wrong["event"].values()))["type"] = "nothing"
            self.assertFalse(validator.is_valid(wrong), one["event"])

    def test_headers_and_batches_are_as_described(self):
        headers = self.validator(DOCUMENT["components"]["messageTraits"]["cloudEvent"]["headers"])
        headers.validate(single(order("placed"))[1])
        self.assertFalse(headers.is_valid({}))
        several = self.validator(DOCUMENT["components"]["messages"]["order.batch"]["payload"])
        several.validate(json.loads(batch([order("placed"), order("paid")])[2]))
        self.assertFalse(several.is_valid([]))


if __name__ == "__main__":
    unittest.main()
