// The fetch loops of a backup, one for each broker that leads or led a partition of it.

import { BrokerFetchLoop, type BrokerFetchLoopOptions } from './broker-fetch-loop.ts';

export class FetchLoops {
  readonly #optionsOf: (nodeId: number) => BrokerFetchLoopOptions;
  readonly #loops = new Map<number, BrokerFetchLoop>();

  constructor(optionsOf: (nodeId: number) => BrokerFetchLoopOptions) {
    this.#optionsOf = optionsOf;
  }

  /** Begins the loop of a broker that has none yet: it connects, and fetches as soon as something is wanted. */
  begin(nodeId: number): BrokerFetchLoop {
    const running = this.#loops.get(nodeId);
    if (running !== undefined) return running;
    const loop = new BrokerFetchLoop(this.#optionsOf(nodeId));
    this.#loops.set(nodeId, loop);
    loop.start();
    return loop;
  }

  /** Resolves when nothing more is taken in; fetches under way are not waited for. */
  async stop(): Promise<void> {
    await Promise.all([...this.#loops.values()].map((loop) => loop.stop()));
  }
}
