import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A server's certificate, as PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** An authority of our own whose files lie in a folder. Needs `openssl`. */
export class Authority {
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.#openssl(['req', '-x509', ...this.#newKey(name), '-days', '2', '-out', `${name}.pem`]);
  }

  /** Where its certificate lies. */
  get file(): string {
    return join(this.#folder, `${this.#name}.pem`);
  }

  /** A certificate of a server for these names, written as in `subjectAltName`: `DNS:localhost`, `IP:127.0.0.1`. */
  certify(name: string, ...names: readonly string[]): Certificate {
    writeFileSync(join(this.#folder, 'san'), `subjectAltName=${names.join(',')}\n`);
    this.#openssl(['req', ...this.#newKey(name), '-out', `${name}.csr`]);
    const by = ['-CA', this.file, '-CAkey', `${this.#name}.key`, '-CAcreateserial', '-extfile', 'san'];
    this.#openssl(['x509', '-req', '-in', `${name}.csr`, ...by, '-days', '2', '-out', `${name}.pem`]);
    const read = (end: string): string => readFileSync(join(this.#folder, `${name}.${end}`), 'utf8');
    return { key: read('key'), cert: read('pem') };
  }

  #newKey(name: string): readonly string[] {
    return ['-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`];
  }

  #openssl(argv: readonly string[]): void {
    execFileSync('openssl', argv, { stdio: 'ignore', cwd: this.#folder });
  }
}
