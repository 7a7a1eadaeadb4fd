// What an operator's script does with the control port: ask how far the backup is, start a restore, follow it.
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 200;

/** The fields of GET /v1/backups/{id} that the story needs. */
export interface BackupView {
  readonly restorable: { readonly to: string | null };
  readonly lag_records: number;
  readonly trouble: string | null;
  readonly since_start: { readonly records: number; readonly stored_bytes: number; readonly segments: number };
}

/** The fields of GET /v1/restores/{id} that the story needs. */
export interface RestoreView {
  readonly id: string;
  readonly state: string;
  readonly progress: {
    readonly percent: number;
    readonly records_done: number;
    readonly records_total_estimate: number;
    readonly partitions_done: number;
    readonly partitions_total: number;
  } | null;
  readonly error: { readonly code: string; readonly message: string; readonly hint: string } | null;
  readonly links: { readonly self: string };
}

export interface RestoreBody {
  readonly point_in_time: string;
  readonly topics: readonly string[];
  readonly topic_mapping: Readonly<Record<string, string>>;
}

const ENDED = ['COMPLETED', 'FAILED', 'CANCELLED'];

export class ControlClient {
  readonly #origin: string;
  readonly #token: string;

  /** `origin` as in `http://127.0.0.1:8083`. */
  constructor(origin: string, token: string) {
    this.#origin = origin;
    this.#token = token;
  }

  /** Undefined while nothing answers, as in the first moments of an agent. */
  async backup(id: string): Promise<BackupView | undefined> {
    try {
      const response = await fetch(`${this.#origin}/v1/backups/${id}`);
      return response.ok ? ((await response.json()) as BackupView) : undefined;
    } catch {
      return undefined;
    }
  }

  /** @throws with the answer unless it is 202 */
  async startRestore(body: RestoreBody): Promise<RestoreView> {
    const response = await fetch(`${this.#origin}/v1/restores`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.#token}` },
      body: JSON.stringify(body),
    });
    if (response.status !== 202) throw new Error(`POST /v1/restores: ${response.status} ${await response.text()}`);
    return (await response.json()) as RestoreView;
  }

  /** Asks until the restore has ended. */
  async follow(restore: RestoreView, onProgress: (view: RestoreView) => void): Promise<RestoreView> {
    for (;;) {
      const view = (await (await fetch(this.#origin + restore.links.self)).json()) as RestoreView;
      if (ENDED.includes(view.state)) return view;
      onProgress(view);
      await sleep(POLL_MS);
    }
  }
}
