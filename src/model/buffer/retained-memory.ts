// Memory that several read before it is used again.

/** Whoever is given it retains it already; it stays as it is until each {@link retain}, and that first one, was released. */
export interface RetainedMemory {
  retain(): void;
  release(): void;
}

/** @param giveBack called once, at the last release */
export function retained(giveBack: () => void): RetainedMemory {
  let holders = 1;
  return {
    retain: () => {
      holders += 1;
    },
    release: () => {
      holders -= 1;
      if (holders === 0) giveBack();
    },
  };
}
