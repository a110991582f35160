/**
 * Problems that must not fail a request: each cause is reported once per store, every occurrence is counted.
 */
export interface StoreWarning {
  /** The tier it happened in, e.g. `disk`. */
  readonly tier: string;
  /** What happened, e.g. `ENOSPC`, `checksum`, `timeout`. */
  readonly cause: string;
  /** One sentence for people: what, where, and what the store does about it. */
  readonly message: string;
}

export class Warnings {
  readonly #report: (warning: StoreWarning) => void;
  readonly #seen = new Set<string>();

  /** `report` defaults to a process warning. */
  constructor(report?: (warning: StoreWarning) => void) {
    this.#report = report ?? (({ message }) => process.emitWarning(message, 'BlockStoreWarning'));
  }

  warn(tier: string, cause: string, message: string): void {
    const id = `${tier} ${cause}`;
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    try {
      this.#report({ tier, cause, message });
    } catch {
      // A listener's failure must not become a request's.
    }
  }
}

/** The system's code of an error (ENOSPC, EACCES), or its name. */
export function causeOf(error: unknown): string {
  if (error instanceof Error) return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return 'unknown';
}

/** Counts by name. */
export class Counters {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
