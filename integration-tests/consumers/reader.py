"""Reads a topic from its beginning to its end, committed records only: SERVERS TOPIC REGISTRY. A line of JSON for each record."""
import io
import json
import sys
import urllib.request

import confluent_kafka
import fastavro

POLL_S = 1.0
ANSWER_S_MAX = 10
# Without a record or an end for so many polls, something is wrong.
SILENT_POLLS_MAX = 60


class Schemas:
    """Schemas by id, each asked for once."""

    def __init__(self, registry):
        self.registry, self.known = registry, {}

    def of(self, schema_id):
        if schema_id not in self.known:
            with urllib.request.urlopen(f"{self.registry}/schemas/ids/{schema_id}", timeout=ANSWER_S_MAX) as answer:
                self.known[schema_id] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return self.known[schema_id]

    def decode(self, value):
        """The record's name, and the record."""
        if len(value) < 5 or value[0] != 0:
            raise ValueError("not framed: a zero byte and four bytes of schema id come first")
        schema = self.of(int.from_bytes(value[1:5], "big"))
        body = io.BytesIO(value[5:])
        record = fastavro.schemaless_reader(body, schema, None)
        if body.read(1):
            raise ValueError("bytes are left behind the record")
        return schema["name"], record


def main(servers, topic, registry):
    kafka = confluent_kafka.Consumer({
        "bootstrap.servers": servers,
        "group.id": "reader-in-python",  # asked for by the client, and of no effect: nothing is subscribed or committed
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
    })
    schemas = Schemas(registry)
    partitions = kafka.list_topics(topic, timeout=ANSWER_S_MAX).topics[topic].partitions
    kafka.assign([confluent_kafka.TopicPartition(topic, partition, confluent_kafka.OFFSET_BEGINNING) for partition in partitions])
    left, silent = set(partitions), 0
    while left:
        message = kafka.poll(POLL_S)
        silent = silent + 1 if message is None else 0
        if silent >= SILENT_POLLS_MAX:
            raise TimeoutError(f"neither a record nor an end in partitions {sorted(left)}")
        if message is None:
            continue
        if message.error():
            if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                raise confluent_kafka.KafkaException(message.error())
            left.discard(message.partition())
            continue
        name, record = schemas.decode(message.value())
        print(json.dumps({
            "key": message.key().decode(),
            "partition": message.partition(),
            "offset": message.offset(),
            "id": dict(message.headers() or [])["ce_id"].decode(),
            "record": name,
            "orderKey": record["cause"]["orderKey"],
        }))
    kafka.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
