/**
 * Whether a model may be used in block mode: the rule, and the verdicts remembered in the cache folder.
 *
 * A verdict belongs to the model's file, the prompt template and the type of stored keys and values. Anything that
 * cannot be read is no verdict; without one, `auto` means full attention. How to obey it:
 *
 *     const identity = await verdictIdentity({ modelPath, template, kvType });
 *     const mode = (await readVerdict(identity))?.verdict ?? 'full';
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { KvType, PromptTemplate } from '../engine/index.ts';
import { weightsDigest } from '../model/index.ts';
import { cacheFolder } from '../models/index.ts';
import { promptFormat } from '../prompt/index.ts';
import type { Difference, Interval } from './bootstrap.ts';

/** What a verdict holds for. */
export interface VerdictIdentity {
  /** Hex SHA-256 of the model's file, its vocabulary and chat template included. */
  readonly weights: string;
  /** Name of the template and version of the built-in ones. */
  readonly template: string;
  readonly kvType: KvType;
}

const interval = z.tuple([z.number(), z.number()]);
const storedSchema = z.object({
  version: z.literal(1),
  identity: z.object({ weights: z.string(), template: z.string(), kvType: z.enum(['f32', 'f16', 'q8_0']) }),
  verdict: z.enum(['block', 'full']),
  reasons: z.array(z.string()),
  tolerance: z.number(),
  n: z.number(),
  fullAccuracy: z.number(),
  blockAccuracy: z.number(),
  difference: z.object({ value: z.number(), interval }),
  /** ISO 8601. */
  measuredAt: z.string(),
});

export type StoredVerdict = z.infer<typeof storedSchema>;

export interface Evidence {
  /** Questions answered in both modes. */
  readonly n: number;
  /** 95 % interval of full attention's accuracy. */
  readonly fullInterval: Interval;
  /** accuracy(block) − accuracy(full), paired. */
  readonly difference: Difference;
}

/**
 * The rule. `block` if all three hold, else `full`:
 *   1. n ≥ 3 / tolerance: fewer questions can miss a loss of the tolerance altogether ("rule of three");
 *   2. full attention is right often enough for a loss to show: its accuracy's lower end exceeds the tolerance;
 *   3. the lower end of the paired 95 % interval of accuracy(block) − accuracy(full) is at least −tolerance.
 * @param tolerance accuracy that block mode may lose, as a share in (0, 1)
 * @returns the verdict, and a sentence for each condition that fails
 */
export function decide({ n, fullInterval, difference }: Evidence, tolerance: number) {
  const reasons: string[] = [];
  const needed = neededQuestions(tolerance);
  const points = (share: number) => `${(share * 100).toFixed(1)} points`;
  if (n < needed) {
    reasons.push(`${n} questions cannot show a loss of ${points(tolerance)}: give at least ${needed}`);
  }
  if (!(fullInterval[0] > tolerance)) {
    reasons.push(
      `full attention itself may be right in only ${points(fullInterval[0])} of 100, so a loss would not show: give questions that the model can answer`,
    );
  }
  const [low] = difference.interval;
  if (!(low >= -tolerance)) {
    reasons.push(`block mode may lose up to ${points(-low)} of accuracy, more than the ${points(tolerance)} allowed`);
  }
  const verdict: StoredVerdict['verdict'] = reasons.length === 0 ? 'block' : 'full';
  return { verdict, reasons };
}

/** Questions that rule 1 asks for. */
export function neededQuestions(tolerance: number): number {
  // 3 / 0.03 is 100.00000000000001 in some roundings.
  return Math.ceil(3 / tolerance - 1e-9);
}

export interface VerdictIdentityOptions {
  readonly modelPath: string;
  /** Defaults to `auto`. */
  readonly template?: PromptTemplate | undefined;
  /** Defaults to `f16`. */
  readonly kvType?: KvType | undefined;
  /** Defaults to the user's cache folder. */
  readonly cacheDir?: string | undefined;
}

export async function verdictIdentity(options: VerdictIdentityOptions): Promise<VerdictIdentity> {
  const { modelPath, template = 'auto', kvType = 'f16', cacheDir = cacheFolder() } = options;
  const weights = await weightsDigest(modelPath, join(cacheDir, 'digests'));
  return { weights, template: `${template} ${promptFormat}`, kvType };
}

/** The verdict on a model; undefined without a readable one. @param cacheDir defaults to the user's cache folder */
export async function readVerdict(
  identity: VerdictIdentity,
  cacheDir: string = cacheFolder(),
): Promise<StoredVerdict | undefined> {
  try {
    const stored = storedSchema.parse(JSON.parse(await readFile(verdictPath(identity, cacheDir), 'utf8')));
    return canonical(stored.identity) === canonical(identity) ? stored : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces the verdict, whole or not at all. @returns its path. @throws what the file system does */
export async function writeVerdict(
  stored: Omit<StoredVerdict, 'version'>,
  cacheDir: string = cacheFolder(),
): Promise<string> {
  const path = verdictPath(stored.identity, cacheDir);
  await mkdir(join(cacheDir, 'verdicts'), { recursive: true });
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ version: 1, ...stored }, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return path;
}

function verdictPath(identity: VerdictIdentity, cacheDir: string): string {
  const name = createHash('sha256').update(canonical(identity)).digest('hex').slice(0, 32);
  return join(cacheDir, 'verdicts', `${name}.json`);
}

function canonical({ weights, template, kvType }: VerdictIdentity): string {
  return JSON.stringify([weights, template, kvType]);
}
