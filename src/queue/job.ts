/**
 * What a job says: some passages, and whose they are. The worker's model decides what is computed from them.
 *
 * A job's id is a hash of what it says, so handing in the same passages twice gives the same jobs.
 */
import { createHash } from 'node:crypto';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { namesFile, type Passage, parsePolicy } from '@block-attention/engine/internal/engine';
import { z } from 'zod';

const passageSchema = z.object({
  id: z.string().optional(),
  title: z.string().optional(),
  text: z.string(),
  previous: z.object({ title: z.string().optional(), text: z.string() }).optional(),
});

/** Strict about the frame and lenient about passages: a bad passage is reported beside its good neighbours. */
export const jobSchema = z.object({
  passages: z.array(z.unknown()).min(1).max(1024),
  tenant: z.string().optional(),
  policy: z.string().max(4096).optional(),
});

export interface EncodeJobData {
  readonly passages: readonly Passage[];
  /** Salt of the block keys. Defaults to none. */
  readonly tenant?: string | undefined;
  /** Name of the policy that they are encoded under. Defaults to the worker's. */
  readonly policy?: string | undefined;
}

/** The policy of a job, by its name. @throws INVALID_ARGUMENT for what is none, or names a file of one machine */
export function jobPolicy(text: string): string {
  const policy = parsePolicy(text);
  if (!namesFile(policy)) return policy.name;
  const remedy = 'names a file, which workers need not have: give its text as anchor:text=TEXT';
  throw new BlockAttentionError('INVALID_ARGUMENT', `policy ${policy.name} ${remedy}`);
}

/** What a job did. */
export interface EncodeJobResult {
  /** Blocks that were missing and were encoded by this job. */
  readonly encoded: number;
  /** Blocks that were there already. */
  readonly present: number;
  /** Of the encoded blocks. */
  readonly tokens: number;
  readonly bytes: number;
  readonly ms: number;
  readonly worker: string;
}

export function readPassage(value: unknown): Passage | string {
  const parsed = passageSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'malformed'}`;
}

/** What a passage's block depends on. */
function named({ title, text, previous }: Passage): string[] {
  const own = [title ?? '', text];
  return previous === undefined ? own : [...own, previous.title ?? '', previous.text];
}

export function jobId({ passages, tenant, policy }: EncodeJobData): string {
  const own = policy === undefined ? [] : [policy];
  const content = JSON.stringify([tenant ?? '', passages.map(named), ...own]);
  return `encode-${createHash('sha256').update(content).digest('hex').slice(0, 40)}`;
}
