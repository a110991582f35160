/** The verdict that travels with the embedded model, so that `auto` uses block mode. */
import { verdictBeside, verdictIdentity, writeVerdict } from '../src/engine/verdict-store.ts';
import { bootstrapInterval, mean, pairedDifference } from '../src/eval/bootstrap.ts';
import { decide } from '../src/eval/verdict.ts';
import type { RowMode } from './measure.ts';

const tolerance = 0.02;

/** Compares both modes of the fine-tuned weights by the rule of `verify`, and keeps the verdict beside them. */
export async function writeReaderVerdict(
  modelPath: string,
  scores: ReadonlyMap<RowMode, readonly number[]>,
): Promise<string> {
  const full = scores.get('block-finetuned-full-mode') ?? [];
  const block = scores.get('block-finetuned') ?? [];
  const difference = pairedDifference(block, full);
  const decided = decide({ n: full.length, fullInterval: bootstrapInterval(full), difference }, tolerance);
  await writeVerdict(
    {
      ...decided,
      identity: await verdictIdentity({ modelPath }),
      policy: decided.verdict === 'full' ? null : 'plain',
      tolerance,
      n: full.length,
      fullAccuracy: mean(full),
      blockAccuracy: mean(block),
      difference: { value: difference.value, interval: [...difference.interval] },
      measuredAt: new Date().toISOString(),
    },
    verdictBeside(modelPath),
  );
  return decided.verdict;
}
