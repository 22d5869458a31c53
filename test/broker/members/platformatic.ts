// A member of a consumer group by @platformatic/kafka, as a process that a test may kill. It writes what it is
// given and what it reads.
import { Consumer, stringDeserializers } from '@platformatic/kafka';

const [brokers = '', groupId = '', topic = ''] = process.argv.slice(2);
const consumer = new Consumer({
  clientId: 'member',
  bootstrapBrokers: brokers.split(','),
  groupId,
  sessionTimeout: 3_000,
  rebalanceTimeout: 10_000,
  heartbeatInterval: 200,
  maxWaitTime: 100,
  autocommit: 100,
  retries: 30,
  retryDelay: 100,
  deserializers: stringDeserializers,
});
consumer.on('consumer:group:join', ({ assignments }) => {
  const mine = assignments?.find((each) => each.topic === topic)?.partitions ?? [];
  console.log(['assigned', ...mine].join(' '));
});
process.once('SIGTERM', () => void consumer.close(true).then(() => process.exit(0)));
const stream = await consumer.consume({
  topics: [topic],
  mode: 'committed',
  fallbackMode: 'earliest',
});
for await (const { partition, offset, value } of stream)
  console.log(`read ${partition} ${offset} ${value}`);
