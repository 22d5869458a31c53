// A member of a consumer group by kafkajs, as a process that a test may kill. It writes what it is given and
// what it reads.
import { Kafka, logLevel } from 'kafkajs';

const [brokers = '', groupId = '', topic = ''] = process.argv.slice(2);
const kafka = new Kafka({
  clientId: 'member',
  brokers: brokers.split(','),
  logLevel: logLevel.ERROR,
  retry: { initialRetryTime: 50, retries: 30, maxRetryTime: 500 },
});
const consumer = kafka.consumer({
  groupId,
  sessionTimeout: 3_000,
  rebalanceTimeout: 10_000,
  heartbeatInterval: 200,
  maxWaitTimeInMs: 100,
});
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
  console.log(['assigned', ...(payload.memberAssignment[topic] ?? [])].join(' '));
});
process.once('SIGTERM', () => void consumer.disconnect().then(() => process.exit(0)));
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
await consumer.run({
  eachMessage: ({ partition, message }) => {
    console.log(`read ${partition} ${message.offset} ${message.value?.toString() ?? ''}`);
    return Promise.resolve();
  },
});
