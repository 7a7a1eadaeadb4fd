// The file of the authorities to trust, looked at before anything starts. Node itself passes over what is no certificate, and then
// trusts nobody.

import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { messageOf } from '../../model/errors.ts';
import { whyUnreadable } from './read-file.ts';

/** Bundles of all public authorities have a quarter of it. */
const LARGEST_BUNDLE_BYTES = 4 * 1024 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
/** OpenSSL's other labels for one. */
const ANY_CERTIFICATE = /-----BEGIN ([A-Z0-9]+ )?CERTIFICATE-----/;
const KEY = /-----BEGIN ([A-Z]+ )*PRIVATE KEY-----/;

/** Why nobody is trusted by the file, or null when its form is right. Quotes nothing of it. */
export function whyNoAuthorities(path: string): string | null {
  const fault = whyUnreadable(path);
  if (fault !== null) return fault;
  if (statSync(path).size > LARGEST_BUNDLE_BYTES) return `the file is larger than ${LARGEST_BUNDLE_BYTES} bytes.`;
  // Comments between the certificates may be in any encoding.
  const text = readFileSync(path, 'latin1');
  if (!ANY_CERTIFICATE.test(text)) {
    const what = KEY.test(text) ? 'this is a private key, not a certificate.' : 'there is no certificate in this file.';
    return `${what} Name a PEM file with those of the authorities.`;
  }
  for (const [index, certificate] of (text.match(CERTIFICATE) ?? []).entries()) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      return `certificate ${index + 1} of this file cannot be read (${messageOf(error)}).`;
    }
  }
  return null;
}
