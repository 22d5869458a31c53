// A producer by kafkajs, as a process: makes a topic, then sends one numbered message after another and writes
// which of them were acknowledged.
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners } from 'kafkajs';

const [brokers = '', topic = ''] = process.argv.slice(2);
const PARTITIONS = 3;
const PACE_MS = 20;
const kafka = new Kafka({
  clientId: 'producer',
  brokers: brokers.split(','),
  logLevel: logLevel.NOTHING,
  requestTimeout: 2_000,
  retry: { initialRetryTime: 50, retries: 30, maxRetryTime: 500 },
});
const admin = kafka.admin();
await admin.connect();
const wanted = { topic, numPartitions: PARTITIONS, replicationFactor: 3 };
await admin.createTopics({ topics: [wanted], waitForLeaders: true });
await admin.disconnect();
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
await producer.connect();
for (let number = 0; ; number++) {
  const messages = [{ value: String(number), partition: number % PARTITIONS }];
  await producer.send({ topic, acks: -1, messages }).then(
    () => console.log(`acked ${number}`),
    (error: Error) => console.log(`refused ${number}: ${error.message}`),
  );
  await sleep(PACE_MS);
}
