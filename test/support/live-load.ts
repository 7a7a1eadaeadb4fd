// A producer that writes at a steady pace for as long as a test wants it to.
import type { KafkaProbe, ProduceSpec } from './kafka-probe.ts';

/** Of the pace; the load ends between two parts. */
const PART_SECONDS = 0.5;

export class LiveLoad {
  records = 0;
  #isStopping = false;
  readonly #running: Promise<void>;

  constructor(probe: KafkaProbe, topic: string, spec: Omit<ProduceSpec, 'records'> & { recordsPerSecond: number }) {
    this.#running = this.#run(probe, topic, spec);
    this.#running.catch(() => {});
  }

  /** Resolves when every record is acknowledged. @returns their number @throws what the producer failed with */
  async stop(): Promise<number> {
    this.#isStopping = true;
    await this.#running;
    return this.records;
  }

  async #run(
    probe: KafkaProbe,
    topic: string,
    spec: Omit<ProduceSpec, 'records'> & { recordsPerSecond: number },
  ): Promise<void> {
    const records = Math.max(1, Math.round(spec.recordsPerSecond * PART_SECONDS));
    while (!this.#isStopping) {
      await probe.produce(topic, { ...spec, records, firstIndex: this.records });
      this.records += records;
    }
  }
}
