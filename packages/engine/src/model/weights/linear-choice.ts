/**
 * Which path multiplies a model's weights with the rows of a prompt, with one that is decoded, and with those of several
 * sequences that are decoded together: the native kernel's or ggml's, whichever is faster here for weights of that type and
 * length. Measured once per machine, and remembered.
 *
 * For prompts a path is chosen per weight, whatever the number of rows, so that a block's bytes do not depend on what else
 * is in its batch. Both round alike up to the order of sums. Knows no tensor: how long a path takes is asked through a function.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFile } from '../../platform/index.ts';

export type LinearPathName = 'native' | 'ggml';

/** Weights that are chosen for together: how a product goes depends on their type and the length of their rows. */
export interface LinearClass {
  /** As typeName() says, e.g. `Q4_0` */
  readonly type: string;
  readonly inputs: number;
  /** Whether they are matrices of experts, one behind the other. Defaults to no. */
  readonly experts?: boolean | undefined;
  /** Rows that meet them at once: a token that is decoded, or one of each of some sequences. Defaults to a prompt's. */
  readonly rows?: DecodedRows | undefined;
}

export type DecodedRows = 'one' | 'few';

/** A class in words: what it is remembered by. */
export function className({ type, inputs, experts, rows }: LinearClass): string {
  const shared = { one: 'one row, ', few: 'few rows, ' };
  return `${rows === undefined ? '' : shared[rows]}${experts ? 'experts ' : ''}${type} ${inputs}`;
}

export interface LinearDecision extends LinearClass {
  readonly path: LinearPathName;
  /** `measured` now; `remembered` from an earlier time; `small`: too little work for a measurement; `asked` by option. */
  readonly reason: 'measured' | 'remembered' | 'small' | 'asked';
  /** What one product of the measurement took, in ms; absent where nothing was measured. */
  readonly ms?: { readonly native: number; readonly ggml: number } | undefined;
}

export interface LinearChoiceOptions {
  readonly classes: readonly LinearClass[];
  /** Runs one product. @returns ms */
  readonly time: (path: LinearPathName, of: LinearClass) => Promise<number>;
  /** What the times depend on besides the class: processor, instruction sets, versions, threads. */
  readonly machine: string;
  /** Where decisions are remembered. Defaults to nowhere. */
  readonly folder?: string | undefined;
}

/**
 * Products of each path: the first does not count, of the others the fastest does. Those of decoded rows take a tenth of a
 * millisecond, and what else runs takes its turns between them.
 */
const rounds = { prompt: 4, decoded: 12 } as const;
/** The native path reads weights where they lie, so it is preferred to one that is hardly faster. */
const hardly = 0.95;

interface Remembered {
  readonly machine: string;
  readonly decisions: Readonly<Record<string, { readonly native: number; readonly ggml: number }>>;
}

/** The decision for each class. Never throws for want of a folder. */
export async function chooseLinear(options: LinearChoiceOptions): Promise<LinearDecision[]> {
  const { classes, time, machine, folder } = options;
  const file = folder === undefined ? undefined : join(folder, `${digest(machine)}.json`);
  const known = file === undefined ? {} : await recall(file, machine);
  const decisions: LinearDecision[] = [];
  const times = { ...known };
  for (const one of classes) {
    const name = className(one);
    const before = known[name];
    const ms = before ?? (await measure(one, time));
    times[name] = ms;
    const path = ms.ggml < hardly * ms.native ? 'ggml' : 'native';
    decisions.push({ ...one, path, reason: before === undefined ? 'measured' : 'remembered', ms });
  }
  if (file !== undefined && decisions.some(({ reason }) => reason === 'measured')) {
    await remember(file, { machine, decisions: times });
  }
  return decisions;
}

/** In turn, so that a machine whose speed changes favours neither. */
async function measure(of: LinearClass, time: LinearChoiceOptions['time']) {
  const best = { native: Number.POSITIVE_INFINITY, ggml: Number.POSITIVE_INFINITY };
  const most = of.rows === undefined ? rounds.prompt : rounds.decoded;
  for (let round = 0; round < most; round++) {
    for (const path of ['native', 'ggml'] as const) {
      const ms = await time(path, of);
      if (round > 0) best[path] = Math.min(best[path], ms);
    }
  }
  return best;
}

function digest(machine: string): string {
  return createHash('sha256').update(machine).digest('hex').slice(0, 16);
}

/** What the file says, as far as it is of this machine and makes sense. */
async function recall(file: string, machine: string): Promise<Remembered['decisions']> {
  try {
    const { machine: of, decisions } = JSON.parse(await readFile(file, 'utf8')) as Partial<Remembered>;
    if (of !== machine || typeof decisions !== 'object' || decisions === null) return {};
    return Object.fromEntries(Object.entries(decisions).filter(([, ms]) => ms?.native > 0 && ms?.ggml > 0));
  } catch {
    return {};
  }
}

/** Whole or not at all; a folder that cannot be written to only means measuring again. */
async function remember(file: string, content: Remembered): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await replaceFile(file, `${JSON.stringify(content, null, 2)}\n`);
  } catch {
    // The next start measures again.
  }
}
