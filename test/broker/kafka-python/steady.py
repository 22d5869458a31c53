"""Writes messages one after the other, whatever becomes of brokers meanwhile; a line for each acknowledged one."""

import sys

from common import RETRYING, WAIT_S, patient
from kafka import KafkaProducer

_, _, topic, count = sys.argv
producer = KafkaProducer(**patient(**RETRYING, acks="all"))
for at in range(int(count)):
    value = f"steady-{at}"
    producer.send(topic, value.encode(), partition=0).get(WAIT_S)
    print(value, flush=True)
producer.close()
