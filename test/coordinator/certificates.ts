// Certificates for tests, made on the spot by the openssl command line and gone with their folder: an
// authority, and keys that it signed or did not.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Authority {
  readonly dir = mkdtempSync(join(tmpdir(), 'chaos-certificates-'));
  /** PEM file of its own certificate. */
  readonly certificate = join(this.dir, 'authority.pem');
  readonly #key = join(this.dir, 'authority.key');

  constructor(name = 'an authority for tests') {
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    const files = ['-keyout', this.#key, '-out', this.certificate];
    openssl([...request, '-nodes', '-days', '2', '-subj', `/CN=${name}`, ...files]);
  }

  /** A PEM file with a new key and its certificate for 127.0.0.1. */
  issue(name: string): string {
    const at = (ending: string) => join(this.dir, `${name}.${ending}`);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const files = ['-keyout', at('key'), '-out', at('csr')];
    openssl(['req', ...key, '-subj', `/CN=${name}`, ...files]);
    writeFileSync(at('ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const by = ['-CA', this.certificate, '-CAkey', this.#key, '-CAcreateserial', '-days', '2'];
    openssl(['x509', '-req', '-in', at('csr'), ...by, '-extfile', at('ext'), '-out', at('crt')]);
    writeFileSync(at('pem'), readFileSync(at('key'), 'utf8') + readFileSync(at('crt'), 'utf8'));
    return at('pem');
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
