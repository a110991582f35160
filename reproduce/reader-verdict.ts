/** The verdict on the embedded model that the package carries, so that `auto` uses block mode. */
import { shippedPath, shippedVerdicts } from '../packages/engine/src/engine/verdict/shipped-verdicts.ts';
import { verdictIdentity, writeVerdict } from '../packages/engine/src/engine/verdict/verdict-store.ts';
import { bootstrapInterval, mean, pairedDifference } from '../packages/engine/src/scoring/bootstrap.ts';
import { decide } from '../packages/engine/src/scoring/verdict.ts';
import type { RowMode } from './measure.ts';

const tolerance = 0.02;

/** Compares both modes of the fine-tuned weights by the rule of `verify`, and keeps the verdict in the package if it allows block mode. */
export async function writeReaderVerdict(
  modelPath: string,
  scores: ReadonlyMap<RowMode, readonly number[]>,
): Promise<string> {
  const full = scores.get('block-finetuned-full-mode') ?? [];
  const block = scores.get('block-finetuned') ?? [];
  const difference = pairedDifference(block, full);
  const decided = decide({ n: full.length, fullInterval: bootstrapInterval(full), difference }, tolerance);
  const identity = await verdictIdentity({ modelPath });
  const path = decided.verdict === 'block' ? shippedPath(identity, shippedVerdicts) : undefined;
  if (path === undefined) return decided.verdict;
  await writeVerdict(
    {
      ...decided,
      identity,
      policy: 'plain',
      tolerance,
      n: full.length,
      fullAccuracy: mean(full),
      blockAccuracy: mean(block),
      difference: { value: difference.value, interval: [...difference.interval] },
      measuredAt: new Date().toISOString(),
    },
    path,
    { forAll: true },
  );
  return decided.verdict;
}
