"""Topics made, grown, described and deleted, and what is told of brokers and groups; after messages.py."""

from common import BROKERS, equal, patient, raises, run, until
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import (
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

admin = KafkaAdminClient(**patient())


def partitions_of(topic):
    [described] = admin.describe_topics([topic])
    return [(each["partition"], sorted(each["replicas"])) for each in described["partitions"]]


def brokers():
    cluster = admin.describe_cluster()
    seen = sorted(f"{each['host']}:{each['port']}" for each in cluster["brokers"])
    equal("addresses", seen, sorted(BROKERS))
    equal("a controller", cluster["controller_id"] in [1, 2, 3], True)


def create():
    topic = NewTopic("admin", 2, 3, topic_configs={"retention.ms": "60000"})
    admin.create_topics([topic], validate_only=True)
    equal("only tried", "admin" in admin.list_topics(), False)
    admin.create_topics([topic])
    until("it is there", lambda: "admin" in admin.list_topics(), True)
    raises("again", TopicAlreadyExistsError, admin.create_topics, [topic])
    many = NewTopic("many", 1, 4)
    raises("four of three", InvalidReplicationFactorError, admin.create_topics, [many])


def grow():
    admin.create_partitions({"admin": NewPartitions(5)})
    expected = [(at, [1, 2, 3]) for at in range(5)]
    until("it has grown", lambda: sorted(partitions_of("admin")), expected)
    raises("smaller", InvalidPartitionsError, admin.create_partitions, {"admin": NewPartitions(3)})


def describe():
    topic = ConfigResource(ConfigResourceType.TOPIC, "admin", {"retention.ms": None})
    [answer] = admin.describe_configs([topic])
    [(error, _, _, name, entries)] = answer.resources
    equal("the resource", (error, name), (0, "admin"))
    equal("the setting", [entry[:2] for entry in entries], [("retention.ms", "60000")])
    [answer] = admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "2")])
    settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    equal("a broker's", (settings["broker.id"], settings["min.insync.replicas"]), ("2", "2"))


def groups():
    options = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 20_000}
    consumer = KafkaConsumer("packed", **patient(group_id="watched", **options))
    next(consumer)
    equal("it is listed", ("watched", "consumer") in admin.list_consumer_groups(), True)
    [group] = admin.describe_consumer_groups(["watched"])
    equal("its state", (group.error_code, group.state, len(group.members)), (0, "Stable", 1))
    [member] = group.members
    equal("of the member", member.client_id, consumer.config["client_id"])
    [(topic, partitions)] = member.member_assignment.assignment
    equal("its share", (topic, sorted(partitions)), ("packed", [0, 1]))
    consumer.close()
    until("it is empty", lambda: admin.describe_consumer_groups(["watched"])[0].state, "Empty")
    [gone] = admin.describe_consumer_groups(["nobody"])
    equal("an unknown one", (gone.error_code, gone.state), (0, "Dead"))
    offsets = admin.list_consumer_group_offsets("lone")
    equal("offsets", offsets[TopicPartition("packed", 0)].offset, 42)


def delete():
    admin.delete_topics(["admin"])
    until("it is gone", lambda: "admin" in admin.list_topics(), False)
    raises("again", UnknownTopicOrPartitionError, admin.delete_topics, ["admin"])


run(brokers, create, grow, describe, groups, delete)
admin.close()
