// Where servers are, as text: the connect string of ZooKeeper's clients.

export interface ServerAddress {
  host: string;
  port: number;
}

const DEFAULT_PORT = 2181;
const PORT_MAX = 65_535;

/** Reads `host1:port1,host2:port2`; a missing port is 2181. Throws on a malformed one. */
export function parseConnectString(text: string): ServerAddress[] {
  return text.split(',').map((part) => {
    const match = /^\s*(\[[^\]]+\]|[^:\s]+)(?::(\d+))?\s*$/.exec(part);
    const host = match?.[1]?.replace(/^\[|\]$/g, '');
    const port = match?.[2] === undefined ? DEFAULT_PORT : Number(match[2]);
    if (host === undefined || port < 1 || port > PORT_MAX) {
      throw new Error(`expected servers as host:port,host:port, got "${part}" in "${text}"`);
    }
    return { host, port };
  });
}
