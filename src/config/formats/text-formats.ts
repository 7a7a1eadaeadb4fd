// Words and switches: free text, choices, booleans, identifiers, addresses, topic patterns, instants.

import { INSTANT_FORMS, isTimeZone, readInstant, type WrittenInstant } from '../../model/instant.ts';
import { isTopicName } from '../../model/topic/topic-partition.ts';
import { quoted } from '../problems.ts';
import { type Format, type FormatFacts, nameOf, scalarOf, VARIABLE_SCHEMA } from './format.ts';

/** A TCP address to listen on; `null` from the word `false` means not to listen. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Any text that is not empty. Numbers must be quoted, so that 0123 and 1.10 stay what they are. */
export const TEXT = checkedText('text', 'text', () => null);

/** The first element of every object key of a backup, so nothing in it may climb or hide. */
export const BACKUP_ID = checkedText('backup_id', 'letters, digits, `.` `_` `-`; at most 128', (text) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text) && !text.includes('..')
    ? null
    : 'is not a backup id. Use letters, digits, ".", "_" and "-", at most 128, beginning with a letter or digit and without "..".',
);

/** The path of a file or directory; relative ones start at the working directory. */
export const PATH = checkedText('path', 'path', (text) => (text.includes('\0') ? 'is not a path.' : null));

/** A broker's `host:port`, also `[::1]:9092`. */
export const BROKER = checkedText('broker', '`host:port`', (text) => addressFault(text, 1));

/** The name of a host alone, as a Host header carries it before the port. */
export const HOST_NAME = checkedText('host_name', 'host name', (text) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(text) ? null : 'is not a host name. Write it without scheme and port.',
);

/** A topic by name, by glob (`*`, `?`) or by regular expression after `~`. */
export const TOPIC_PATTERN = checkedText('topic_pattern', 'name, glob or `~regex`', (text) => {
  if (text.startsWith('~')) return regexFault(text.slice(1));
  const isGlob = /^[A-Za-z0-9._*?-]{1,249}$/.test(text) && /[*?]/.test(text);
  return isGlob || isTopicName(text)
    ? null
    : 'is not a topic name or glob. Topic names hold letters, digits, ".", "_" and "-"; a regular expression begins with "~".';
});

/** A literal topic name by Kafka's own rule. */
export const TOPIC_NAME = checkedText('topic_name', 'topic name', (text) =>
  isTopicName(text) ? null : 'is not a topic name. Use letters, digits, ".", "_" and "-", at most 249.',
);

/** The address of a server, such as `https://host:9000`. Who logs in there is not shown. */
export const HTTP_URL: Format<string> = {
  ...checkedText('http_url', '`http://` or `https://` URL', (text) => {
    if (/(^|[?&])sig=/.test(text)) return 'carries a shared access signature. Move it to sas_token or sas_token_file.';
    const url = /^https?:\/\//.test(text) ? URL.parse(text) : null;
    const isAddress = url !== null && url.search === '' && url.hash === '';
    return isAddress ? null : 'is not an address such as "https://host:9000".';
  }),
  show: (value) => value.replace(/\/\/[^/]*@/, '//[hidden]@'),
};

/** What the key of a storage account is written in. */
export const ACCOUNT_KEY = checkedText('account_key', 'Base64', (text) =>
  /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? null : 'is not Base64, which every account key is.',
);

/** Part of a URL path, such as `/metrics`. */
export const URL_PATH = checkedText('url_path', 'URL path', (text) =>
  /^\/[A-Za-z0-9/_.-]*$/.test(text) ? null : 'is not a URL path. It begins with "/", such as "/metrics".',
);

export const FLAG: Format<boolean> = {
  name: 'flag',
  describe: () => '`true` or `false`',
  parse(node, facts, report) {
    const scalar = scalarOf(node, 'true or false', report);
    if (scalar === undefined) return undefined;
    if (typeof scalar.value === 'boolean') return scalar.value;
    const word = scalar.text.trim();
    if (scalar.coercible && (word === 'true' || word === 'false')) return word === 'true';
    const meant = MEANT_FLAGS.get(word.toLowerCase());
    report(
      node.origin,
      `${nameOf(node, facts)} is not true or false.`,
      meant === undefined ? 'Use true or false.' : `Use ${meant}${word === meant ? ' without quotes' : ''}.`,
    );
    return undefined;
  },
  holds: (value) => typeof value === 'boolean',
  show: String,
  jsonSchema: () => ({ anyOf: [{ type: 'boolean' }, VARIABLE_SCHEMA] }),
};

/** One of `values`; `aliases` are other spellings, `refused` are words with an answer of their own. */
export const CHOICE: Format<string> = {
  name: 'choice',
  describe: (facts) =>
    choices(facts)
      .map((value) => `\`${value}\``)
      .join(' \\| '),
  parse(node, facts, report) {
    const scalar = scalarOf(node, `one of ${choices(facts).join(', ')}`, report);
    if (scalar === undefined) return undefined;
    const word = facts.anyCase === true ? scalar.text.toLowerCase() : scalar.text;
    const value = Object.hasOwn(facts.aliases ?? {}, word) ? facts.aliases?.[word] : word;
    if (value !== undefined && choices(facts).includes(value)) return value;
    const refusal = Object.hasOwn(facts.refused ?? {}, word) ? facts.refused?.[word] : undefined;
    if (refusal !== undefined) report(node.origin, refusal);
    else report(node.origin, `${nameOf(node, facts)} is not accepted here.`, `Use ${orList(choices(facts))}.`);
    return undefined;
  },
  holds: (value, facts) => typeof value === 'string' && choices(facts).includes(value),
  show: (value) => value,
  jsonSchema: (facts) => {
    const words = [...choices(facts), ...Object.keys(facts.aliases ?? {})];
    const capitals = facts.anyCase === true ? words.map((word) => word.toUpperCase()) : [];
    return { anyOf: [{ enum: [...words, ...capitals] }, VARIABLE_SCHEMA] };
  },
};

/** `host:port`, or `false` for none. */
export const LISTEN: Format<ListenAddress | false> = {
  name: 'listen',
  describe: () => '`host:port` or `false`',
  parse(node, facts, report) {
    const scalar = scalarOf(node, 'host:port or false', report);
    if (scalar === undefined) return undefined;
    if (scalar.value === false || (scalar.coercible && scalar.text === 'false')) return false;
    const fault = addressFault(scalar.text, 0);
    if (fault === null) return splitAddress(scalar.text);
    report(node.origin, `${nameOf(node, facts)} ${fault}`);
    return undefined;
  },
  holds: (value) =>
    value === false || (typeof value === 'object' && value !== null && 'host' in value && 'port' in value),
  show: (value) => (value === false ? 'false' : addressText(value)),
  jsonSchema: () => ({ anyOf: [{ const: false }, { type: 'string' }] }),
};

/** An instant as people write it; which millisecond it is, is settled when the time zone is known. */
export const INSTANT: Format<WrittenInstant> = {
  name: 'instant',
  describe: () => 'RFC 3339 instant, local time, epoch milliseconds or age',
  parse(node, facts, report) {
    const scalar = scalarOf(node, 'an instant', report);
    const written = scalar && readInstant(scalar.text);
    if (scalar !== undefined && written === undefined) {
      report(node.origin, `${nameOf(node, facts)} is not an instant.`, `${capitalized(INSTANT_FORMS)}.`);
    }
    return written;
  },
  holds: (value) => typeof value === 'object' && value !== null && 'kind' in value && 'text' in value,
  show: ({ text }) => text,
  jsonSchema: () => ({ anyOf: [{ type: 'integer' }, { type: 'string' }] }),
};

/** A name of the IANA time zone database. */
export const TIME_ZONE = checkedText('time_zone', 'IANA time zone', (text) =>
  isTimeZone(text) ? null : 'is not a time zone. An example is Europe/Berlin.',
);

/** A regular expression, unanchored. */
export const REGEX = checkedText('regex', 'regular expression', regexFault);

/** `127.0.0.1:8083`, `[::1]:8083`. */
export function addressText(address: ListenAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

const MEANT_FLAGS: ReadonlyMap<string, string> = new Map([
  ...['true', 'yes', 'on', 'y', '1'].map((word) => [word, 'true'] as const),
  ...['false', 'no', 'off', 'n', '0'].map((word) => [word, 'false'] as const),
]);

function checkedText(name: string, noun: string, fault: (text: string) => string | null): Format<string> {
  return {
    name,
    describe: () => noun,
    parse(node, facts, report) {
      const scalar = scalarOf(node, 'text', report);
      if (scalar === undefined) return undefined;
      if (typeof scalar.value !== 'string') {
        report(node.origin, `${nameOf(node, facts)} is not text.`, 'Put quotes around it.');
        return undefined;
      }
      if (scalar.text.trim() === '') {
        report(node.origin, 'the text is empty.', 'Give it a value or remove the key.');
        return undefined;
      }
      const found = fault(scalar.text);
      if (found === null) return scalar.text;
      report(node.origin, `${nameOf(node, facts)} ${found}`);
      return undefined;
    },
    holds: (value) => typeof value === 'string' && value !== '' && fault(value) === null,
    show: (value) => value,
    jsonSchema: () => ({ type: 'string', minLength: 1 }),
  };
}

function addressFault(text: string, lowestPort: number): string | null {
  if (/^[A-Za-z_]+:\/\//.test(text)) return 'is a URL. Use host:port alone; security_protocol says how to connect.';
  const { host, port } = splitAddress(text);
  if (host === '' || !Number.isInteger(port))
    return 'is not host:port. An example is "localhost:9092" or "[::1]:9092".';
  if (port < lowestPort || port > 65_535) return `has the port ${port}. Ports go from ${lowestPort} to 65535.`;
  return null;
}

/** Host is empty and port NaN where the text is no address. */
function splitAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  return { host: match?.[1] ?? match?.[2] ?? '', port: match?.[3] === undefined ? Number.NaN : Number(match[3]) };
}

/** Why the text is no regular expression; null when it is one. */
export function regexFault(pattern: string): string | null {
  if (pattern.length > 1000) return 'is longer than 1000 characters.';
  try {
    new RegExp(pattern, 'u');
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^.*: /s, '') : 'unknown reason';
    const flags = /^\(\?[a-z]+\)/.test(pattern) ? ' Write (?i:...) around the pattern for flags.' : '';
    return `is not a regular expression: ${quoted(reason).slice(1, -1)}.${flags}`;
  }
}

function choices(facts: FormatFacts): readonly string[] {
  return facts.values ?? [];
}

function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
