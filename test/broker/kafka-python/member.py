"""A member of a consumer group, as a process that a test may kill. It writes what it is given and what it reads."""

import signal
import sys

from common import patient
from kafka import ConsumerRebalanceListener, KafkaConsumer

_, _, group, topic = sys.argv
leaving = []
signal.signal(signal.SIGTERM, lambda *_: leaving.append(True))


class Told(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        print("assigned", *sorted(each.partition for each in assigned), flush=True)


consumer = KafkaConsumer(
    **patient(
        group_id=group,
        auto_offset_reset="earliest",
        session_timeout_ms=3_000,
        heartbeat_interval_ms=200,
        fetch_max_wait_ms=100,
        auto_commit_interval_ms=100,
    )
)
consumer.subscribe([topic], listener=Told())
while not leaving:
    for records in consumer.poll(timeout_ms=100).values():
        for record in records:
            print("read", record.partition, record.offset, record.value.decode(), flush=True)
consumer.close()
