/** The form of a verdict's file. Loaded when there is one to read. */
import { z } from 'zod';
import { parsePolicy } from '../policy/policy.ts';

const interval = z.tuple([z.number(), z.number()]);
const difference = z.object({ value: z.number(), interval });
const verdictFields = z.object({
  version: z.literal(1),
  identity: z.object({
    weights: z.string(),
    template: z.string(),
    kvType: z.enum(['f32', 'f16', 'q8_0']),
    adapter: z.string().optional(),
  }),
  verdict: z.enum(['block', 'full']),
  /** The policy that `block` holds for, as parsePolicy() reads it; null for `full`. */
  policy: z.string().nullable(),
  reasons: z.array(z.string()),
  /** Accuracy that may be lost, a share in (0, 1). */
  tolerance: z.number(),
  /** Questions answered in both modes. */
  n: z.number(),
  fullAccuracy: z.number(),
  /** Accuracy of block mode, and what it differs by from full attention: with the policy. */
  blockAccuracy: z.number(),
  difference,
  /**
   * What was compared. `answers`: accuracy against known answers. `own`: the per-token probability of full attention's
   * own answers, on questions without known ones; the accuracies above are its means. Defaults to `answers`.
   */
  basis: z.enum(['answers', 'own']).optional(),
  /** A server found it by itself, and may change it. Absent of `verify`. */
  learned: z.boolean().optional(),
  /** ISO 8601. */
  measuredAt: z.string(),
});

/** Older files name a repair of blocks encoded from nothing, and no policy. */
export const storedSchema = z.preprocess(
  (value) => {
    const older = z.looseObject({
      verdict: z.string(),
      repair: z.string().nullish(),
      policy: z.undefined().optional(),
    });
    const { success, data } = older.safeParse(value);
    if (!success) return value;
    const { repair, verdict, ...rest } = data;
    return verdict === 'full'
      ? { ...rest, verdict, policy: null }
      : { ...rest, verdict: 'block', policy: repair ?? 'plain' };
  },
  verdictFields.refine(({ verdict, policy }) => (verdict === 'full') === (policy === null) && isPolicy(policy)),
);

function isPolicy(text: string | null): boolean {
  try {
    return text === null || parsePolicy(text).name === text;
  } catch {
    return false;
  }
}

export type StoredVerdict = z.output<typeof verdictFields>;
