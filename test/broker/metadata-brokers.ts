// Brokers' metadata for tests: several in one process, on a coordinator of one server whose sessions end when
// the test says so. What they say of themselves is collected.
import { ClusterMetadata, type MetadataOptions } from '../../broker/metadata/metadata.ts';
import { CoordinatorClient } from '../../coordinator/client/index.ts';
import { LoneServer } from '../../coordinator/server/lone-server.testing.ts';

export type Said = { ev: string } & Record<string, unknown>;

export class MetadataBrokers {
  readonly server = new LoneServer();
  readonly all: ClusterMetadata[] = [];
  readonly #clients: CoordinatorClient[] = [];
  readonly said = new Map<ClusterMetadata, Said[]>();

  static async start(): Promise<MetadataBrokers> {
    const brokers = new MetadataBrokers();
    await brokers.server.start();
    return brokers;
  }

  /** A broker's metadata, not yet started. */
  make(
    id: number,
    options: Partial<MetadataOptions> & { lossy?: boolean; offline?: string[] } = {},
  ): ClusterMetadata {
    const said: Said[] = [];
    const { lossy = false, offline = [], ...rest } = options;
    const endpoints = { INTERNAL: { host: `b${id}`, port: 9092 } };
    const made = new ClusterMetadata({
      coordinator: [this.server.address],
      broker: { id, endpoints, lossy, offline },
      events: { detailed: true, emit: (event) => void said.push(event), flush: () => undefined },
      defaults: { minInsyncReplicas: 2, uncleanElection: false },
      retryPauseMs: 1,
      ...rest,
    });
    this.all.push(made);
    this.said.set(made, said);
    return made;
  }

  async add(id: number, options: Parameters<MetadataBrokers['make']>[1] = {}) {
    const made = this.make(id, options);
    await made.start();
    return made;
  }

  /** A client of nobody in particular. */
  client(): CoordinatorClient {
    const client = new CoordinatorClient({ servers: [this.server.address] });
    this.#clients.push(client);
    return client;
  }

  /** Ends a broker's session as the coordinator's leader would. */
  expire(broker: ClusterMetadata): void {
    this.server.expire(Number(broker.session.client.sessionId));
  }

  names(broker: ClusterMetadata): string[] {
    return (this.said.get(broker) ?? []).map(({ ev }) => ev);
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((each) => each.close()));
    for (const client of this.#clients) client.abandon();
    await this.server.front.close();
  }
}

/** Resolves once the image of a broker is as wanted. */
export async function until(
  broker: ClusterMetadata,
  wanted: (image: ClusterMetadata['image']) => boolean,
): Promise<void> {
  if (wanted(broker.image)) return;
  await new Promise<void>((resolve) => {
    const unsubscribe = broker.subscribe(() => {
      if (!wanted(broker.image)) return;
      unsubscribe();
      resolve();
    });
  });
}
