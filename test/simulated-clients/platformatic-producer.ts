// A producer by @platformatic/kafka, as a process: makes a topic, then sends one numbered message after another
// and writes which of them were acknowledged.
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, Producer, stringSerializers } from '@platformatic/kafka';

const [brokers = '', topic = ''] = process.argv.slice(2);
const PARTITIONS = 3;
const PACE_MS = 20;
const options = {
  clientId: 'producer',
  bootstrapBrokers: brokers.split(','),
  requestTimeout: 2_000,
  retries: 30,
  retryDelay: 100,
};
const admin = new Admin(options);
await admin.createTopics({ topics: [topic], partitions: PARTITIONS, replicas: 3 });
await admin.close();
const producer = new Producer({ ...options, serializers: stringSerializers });
for (let number = 0; ; number++) {
  const messages = [{ topic, value: String(number), partition: number % PARTITIONS }];
  await producer.send({ acks: -1, messages }).then(
    () => console.log(`acked ${number}`),
    (error: Error) => console.log(`refused ${number}: ${error.message}`),
  );
  await sleep(PACE_MS);
}
