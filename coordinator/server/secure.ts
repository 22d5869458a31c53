// TLS, towards clients and between servers, over node:tls. Servers show each other certificates of an
// authority that both believe; who has none is told nothing.
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { PeerTransport } from '../zab/transport.ts';
import type { SecureClients, SecurePeers } from './config-tls.ts';

/** A connection must have shown who it is by then, ms. */
const HANDSHAKE_MS_MAX = 10_000;
const OLDEST = 'TLSv1.2';

function whoIs({ remoteAddress, remotePort }: Socket): string {
  return remoteAddress === undefined ? 'who hung up' : `${remoteAddress}:${remotePort}`;
}

/** A listener for clients, not yet listening; `refused` is told of each that was not let in. */
export function secureListener(
  { keyPem, trustPem, clientAuth }: SecureClients,
  taken: (socket: Socket) => void,
  refused: (peer: string, why: string) => void,
): tls.Server {
  const server = tls.createServer(
    {
      key: keyPem,
      cert: keyPem,
      ...(trustPem === '' ? {} : { ca: trustPem }),
      requestCert: clientAuth !== 'none',
      rejectUnauthorized: clientAuth === 'need',
      minVersion: OLDEST,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      allowHalfOpen: true,
    },
    taken,
  );
  server.on('tlsClientError', (error, socket) => {
    refused(whoIs(socket), `TLS: ${error.message}`);
    socket.destroy();
  });
  return server;
}

/** Connections between servers, both ends shown by certificate. */
export function secureTransport(
  { keyPem, trustPem, hostnameVerification }: SecurePeers,
  refused: (peer: string, why: string) => void,
): PeerTransport {
  const identity = { key: keyPem, cert: keyPem, ca: trustPem, minVersion: OLDEST } as const;
  return {
    listener(taken) {
      const handshakeTimeout = HANDSHAKE_MS_MAX;
      const options = { ...identity, requestCert: true, rejectUnauthorized: true };
      const server = tls.createServer({ ...options, handshakeTimeout }, taken);
      server.on('tlsClientError', (error, socket) => {
        refused(`peer ${whoIs(socket)}`, `TLS: ${error.message}`);
        socket.destroy();
      });
      return server;
    },
    dial: (to) =>
      tls.connect({
        ...to,
        ...identity,
        // Undefined says that the names match.
        ...(hostnameVerification ? {} : { checkServerIdentity: () => undefined }),
      }),
    dialled: 'secureConnect',
  };
}
