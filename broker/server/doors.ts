// The listeners of a broker as its configuration names them, and the endpoints that it registers. Whatever would
// only show when a client cannot connect is refused here.
import { ConfigError } from '../../wire/property-file.ts';
import type { Endpoints } from '../contract.ts';
import type { Listener } from './front.ts';
import type { Properties, SettingName } from './properties.ts';

const PORT_MAX = 65_535;
const ANY_HOST = '0.0.0.0';

/** The listeners of one line: `NAME://host:port`, separated by commas. */
function parseListeners(properties: Properties, name: SettingName): Listener[] {
  const where = properties.where(name);
  const found: Listener[] = [];
  for (const part of properties
    .text(name)
    .split(',')
    .map((each) => each.trim())) {
    const match = /^([A-Za-z0-9_]+):\/\/(\[[^\]]*\]|[^:/]*):(\d{1,5})$/.exec(part);
    const port = Number(match?.[3]);
    if (match === null || port > PORT_MAX)
      throw new ConfigError(`${where}: ${name}: expected NAME://host:port, got '${part}'`);
    const listener = (match[1] as string).toUpperCase();
    if (found.some((other) => other.name === listener))
      throw new ConfigError(`${where}: ${name}: ${listener} is given twice`);
    const host = (match[2] as string).replace(/^\[|\]$/g, '');
    const same = found.find((other) => port !== 0 && other.port === port && other.host === host);
    if (same !== undefined)
      throw new ConfigError(
        `${where}: ${name}: expected a port for each listener, got ${port} for ${same.name} and ${listener}`,
      );
    found.push({ name: listener, host, port });
  }
  return found;
}

/** Where a broker listens, and what it tells others to connect to. */
export interface Doors {
  readonly listeners: readonly Listener[];
  readonly internalListener: string;
  readonly endpoints: Endpoints;
}

/** Reads listeners, advertised.listeners and inter.broker.listener.name. Throws ConfigError. */
export function readDoors(properties: Properties): Doors {
  const listeners = parseListeners(properties, 'listeners');
  const names = listeners.map(({ name }) => name);
  const advertised = properties.given('advertised.listeners')
    ? parseListeners(properties, 'advertised.listeners')
    : listeners;
  const where = properties.where('advertised.listeners');
  for (const { name, host, port } of advertised) {
    if (!names.includes(name)) {
      const known = names.join(', ');
      throw new ConfigError(
        `${where}: advertised.listeners: expected one of ${known}, got '${name}'`,
      );
    }
    if (host === '' || host === ANY_HOST || host === '::') {
      throw new ConfigError(
        `${where}: advertised.listeners: ${name} needs a host that others can connect to`,
      );
    }
    if (port === 0) {
      throw new ConfigError(
        `${where}: advertised.listeners: ${name} needs a port of 1 to ${PORT_MAX}, got 0`,
      );
    }
  }
  const wanted = properties.text('inter.broker.listener.name').toUpperCase();
  const fallback = names.includes('PLAINTEXT') || names.length > 1 ? 'PLAINTEXT' : names[0];
  const internalListener = wanted === '' ? (fallback as string) : wanted;
  if (!advertised.some(({ name }) => name === internalListener)) {
    throw new ConfigError(
      `${properties.where('inter.broker.listener.name')}: inter.broker.listener.name: expected one ` +
        `of the advertised ${advertised.map(({ name }) => name).join(', ')}, got '${internalListener}'`,
    );
  }
  const endpoints = advertised.map(({ name, host, port }) => [name, { host, port }] as const);
  return {
    listeners: listeners.map((each) => ({
      ...each,
      host: each.host === '' ? ANY_HOST : each.host,
    })),
    internalListener,
    endpoints: Object.fromEntries(endpoints),
  };
}
