// Certificates for one test, made by openssl in a temporary directory: an authority, and whom it has signed. They are valid
// for a day, where they are not asked to have ended.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Paths of PEM files. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
  /** Key and certificate in one file, as a Kafka key store of type PEM wants them. */
  readonly keyStore: string;
}

export class CertificateAuthority {
  /** Path of the authority's own certificate. */
  readonly certificate: string;
  readonly #directory: string;
  readonly #key: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.certificate = join(directory, 'authority.pem');
    this.#key = join(directory, 'authority.key');
  }

  static async create(): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(await mkdtemp(join(tmpdir(), 'kafka-backup-certificates-')));
    const subject = ['-subj', '/CN=test authority', '-days', '1'];
    await run('openssl', [
      'req',
      '-x509',
      ...KEY,
      ...subject,
      '-keyout',
      authority.#key,
      '-out',
      authority.certificate,
    ]);
    return authority;
  }

  /** Signs a certificate. @param alternativeName e.g. `IP:127.0.0.1`, for servers @param days 0 for one that has ended */
  async sign(commonName: string, alternativeName?: string, days = 1): Promise<Certificate> {
    const path = join(this.#directory, commonName.replaceAll(/[^a-z0-9]+/g, '-'));
    const [request, key, certificate, keyStore] = [`${path}.csr`, `${path}.key`, `${path}.pem`, `${path}.store.pem`];
    await run('openssl', ['req', '-new', ...KEY, '-subj', `/CN=${commonName}`, '-keyout', key, '-out', request]);
    await writeFile(`${path}.ext`, alternativeName === undefined ? '' : `subjectAltName=${alternativeName}\n`);
    const signing = ['-CA', this.certificate, '-CAkey', this.#key, '-CAcreateserial', '-days', String(days)];
    await run('openssl', ['x509', '-req', '-in', request, ...signing, '-extfile', `${path}.ext`, '-out', certificate]);
    await writeFile(keyStore, [await readFile(key), await readFile(certificate)]);
    return { certificate, key, keyStore };
  }

  /** Deletes everything that it has made. */
  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
