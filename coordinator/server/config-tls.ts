// Certificates and keys as a zoo.cfg names them: PEM files, as ZooKeeper takes with type PEM. They
// are read when the configuration is, so that a missing one is said before anything starts.
import path from 'node:path';
import { ConfigError, readText } from '../../wire/property-file.ts';
import type { ConfigKey, Properties } from './config-file.ts';

/** Who a server is and whom it believes. */
export interface Identity {
  /** PEM of the private key and the certificate with its chain; one file may hold all. */
  keyPem: string;
  /** PEM of the authorities believed. */
  trustPem: string;
}

/** TLS towards clients. */
export interface SecureClients extends Identity {
  port: number;
  host: string;
  /** Whether a client must, may or need not show a certificate. */
  clientAuth: 'need' | 'want' | 'none';
}

/** TLS between servers; each shows a certificate and checks the other's. */
export interface SecurePeers extends Identity {
  /** Whether the certificate of a server that is dialled must name the host dialled. */
  hostnameVerification: boolean;
}

function pem(properties: Properties, key: ConfigKey, wanted: string, because: string): string {
  const entry = properties.get(key);
  if (entry === undefined || entry.value === '') {
    throw new ConfigError(`${properties.file}: ${key} is missing, ${because} needs it`);
  }
  const text = readText(path.resolve(entry.value), `${key} of ${entry.where}`);
  if (!text.includes(`-----BEGIN ${wanted}`) && !/-----BEGIN (\w+ )?PRIVATE KEY/.test(text)) {
    throw new ConfigError(`${entry.where}: ${key}: expected a PEM file with a ${wanted}, got none`);
  }
  return text;
}

/** TLS on the client port, if secureClientPort asks for it. Throws ConfigError. */
export function readSecureClients(
  properties: Properties,
  clientHost: string,
): SecureClients | undefined {
  const port = properties.number('secureClientPort', 0, 1, 65_535);
  if (port === 0) return undefined;
  const clientAuth = properties.choice('ssl.clientAuth', 'need', ['need', 'want', 'none']);
  const keyPem = pem(properties, 'ssl.keyStore.location', 'CERTIFICATE', 'secureClientPort');
  const trusts = clientAuth !== 'none' || properties.get('ssl.trustStore.location') !== undefined;
  const trustPem = trusts
    ? pem(properties, 'ssl.trustStore.location', 'CERTIFICATE', `ssl.clientAuth=${clientAuth}`)
    : '';
  const host = properties.text('secureClientPortAddress') ?? clientHost;
  return { port, host, clientAuth, keyPem, trustPem };
}

/** TLS between servers, if sslQuorum asks for it. Throws ConfigError. */
export function readSecurePeers(properties: Properties): SecurePeers | undefined {
  if (properties.choice('sslQuorum', 'false', ['true', 'false']) === 'false') return undefined;
  const verification = 'ssl.quorum.hostnameVerification';
  return {
    keyPem: pem(properties, 'ssl.quorum.keyStore.location', 'CERTIFICATE', 'sslQuorum=true'),
    trustPem: pem(properties, 'ssl.quorum.trustStore.location', 'CERTIFICATE', 'sslQuorum=true'),
    hostnameVerification: properties.choice(verification, 'true', ['true', 'false']) === 'true',
  };
}
