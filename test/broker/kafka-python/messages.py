"""Messages written and read: plain and packed with gzip, found by time, and committed by a reader without a group."""

from common import RETRYING, equal, patient, raises, run
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError
from kafka.structs import OffsetAndMetadata

TOPIC = "packed"
CODECS = [None, "gzip"]
START_MS = 1_700_000_000_000
MESSAGES = [
    {
        "key": None if at % 3 == 0 else f"key-{at}".encode(),
        "value": None if at % 21 == 7 else (f"välue {at} " * 20).encode(),
        "headers": [("at", str(at).encode())],
        "timestamp_ms": START_MS + at,
    }
    for at in range(200)
]


def reader(**options):
    limits = {"fetch_max_wait_ms": 50, "consumer_timeout_ms": 20_000}
    return KafkaConsumer(**patient(auto_offset_reset="earliest", **limits, **options))


def release():
    """What it takes the brokers for, from the versions that they offer: 2.5 would have ACLs."""
    producer = KafkaProducer(**patient())
    equal("release of Kafka", producer.config["api_version"], (2, 4, 0))
    producer.close()


def write():
    for partition, codec in enumerate(CODECS):
        options = {"acks": "all", "compression_type": codec, "linger_ms": 20}
        producer = KafkaProducer(**patient(**RETRYING, **options))
        sent = [producer.send(TOPIC, partition=partition, **each) for each in MESSAGES]
        producer.flush()
        equal("offsets", [future.get(1).offset for future in sent], list(range(len(MESSAGES))))
        producer.close()


def read():
    consumer = reader(check_crcs=True)
    partitions = [TopicPartition(TOPIC, at) for at, _ in enumerate(CODECS)]
    consumer.assign(partitions)
    found = [[] for _ in CODECS]
    while sum(map(len, found)) < len(CODECS) * len(MESSAGES):
        record = next(consumer)
        found[record.partition].append(record)
    for records in found:
        seen = [
            {"key": r.key, "value": r.value, "headers": r.headers, "timestamp_ms": r.timestamp}
            for r in records
        ]
        equal("messages", seen, MESSAGES)
        equal("offsets", [r.offset for r in records], list(range(len(MESSAGES))))
    equal("ends", set(consumer.end_offsets(partitions).values()), {len(MESSAGES)})
    equal("beginnings", set(consumer.beginning_offsets(partitions).values()), {0})
    consumer.close()


def find_by_time():
    consumer = reader()
    for at, _ in enumerate(CODECS):
        partition = TopicPartition(TOPIC, at)
        found = consumer.offsets_for_times({partition: START_MS + 57})[partition]
        equal("by time", (found.offset, found.timestamp), (57, START_MS + 57))
        later = consumer.offsets_for_times({partition: START_MS + 10_000})[partition]
        equal("after the end", later, None)
    consumer.close()


def commit_without_a_group():
    partition = TopicPartition(TOPIC, 0)
    consumer = reader(group_id="lone", enable_auto_commit=False)
    consumer.assign([partition])
    equal("before", consumer.committed(partition), None)
    consumer.commit({partition: OffsetAndMetadata(42, "so far")})
    consumer.close()
    again = reader(group_id="lone", enable_auto_commit=False)
    again.assign([partition])
    equal("after", again.committed(partition, metadata=True), OffsetAndMetadata(42, "so far"))
    equal("reads on from there", next(again).offset, 42)
    again.close()


def too_large():
    producer = KafkaProducer(**patient(**RETRYING, acks="all", max_request_size=8 * 1024 * 1024))
    sent = producer.send(TOPIC, b"x" * (2 * 1024 * 1024), partition=0)
    raises("a large one", MessageSizeTooLargeError, sent.get, 30)
    producer.close()


run(release, write, read, find_by_time, commit_without_a_group, too_large)
