/** The form of a verdict's file. Loaded when there is one to read. */
import { z } from 'zod';

const interval = z.tuple([z.number(), z.number()]);
const difference = z.object({ value: z.number(), interval });
export const storedSchema = z.object({
  version: z.literal(1),
  identity: z.object({
    weights: z.string(),
    template: z.string(),
    kvType: z.enum(['f32', 'f16', 'q8_0']),
    adapter: z.string().optional(),
  }),
  verdict: z.enum(['block', 'block with repair', 'full']),
  /** The repair of `block with repair`, as parseRepair() reads it; null for the other verdicts. */
  repair: z.string().nullable().default(null),
  reasons: z.array(z.string()),
  /** Accuracy that may be lost, a share in (0, 1). */
  tolerance: z.number(),
  /** Questions answered in both modes. */
  n: z.number(),
  fullAccuracy: z.number(),
  /** Accuracy of block mode, and what it differs by from full attention: with the repair, if there is one. */
  blockAccuracy: z.number(),
  difference,
  /** ISO 8601. */
  measuredAt: z.string(),
});

export type StoredVerdict = z.output<typeof storedSchema>;
