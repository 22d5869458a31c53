// The door of the brokers' client: what workloads and tests may use of it.
export { Channel, type Endpoint } from './channel.ts';
export {
  BrokerClient,
  type BrokerClientOptions,
  type ClusterImage,
  EARLIEST,
  type Fetched,
  LATEST,
  type PartitionView,
  type Sequenced,
  type TopicPartition,
} from './client.ts';
export { BrokerError, type BrokerErrorName } from './errors.ts';
export { GroupClient, type Joined, type JoinOptions, type Membership } from './group.ts';
