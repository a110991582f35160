/** Steps of training by hand, for data and schedules of your own. `npx tsx examples/train.ts` in a clone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveModel } from '../src/index.ts';
import { learningRateAt, type TrainingSequence, TrainingSession } from '../src/train/index.ts';

const { path } = await resolveModel(process.env.BLOCK_ATTENTION_MODEL ?? 'smollm2-135m');
const session = await TrainingSession.open({ model: path, lora: { rank: 8, precision: 'mixed' } });
// Token ids block by block, the final block with its response last; a tokenizer of the model makes them from texts.
const sequences = [11, 12, 13, 14].map((token): TrainingSequence => {
  const block = (first: number) => Int32Array.from({ length: 16 }, (_, i) => first + ((i * 7) % 40));
  return { blocks: [block(20), block(60), Int32Array.of(5, 6, token, token)], responseTokens: 1, mode: 'block' };
});
const schedule = { steps: 10, warmup: 2, peak: 2e-3, decay: 'linear' } as const;
for (let step = 0; step < schedule.steps; step++) {
  const { loss } = await session.step(sequences, { learningRate: learningRateAt(schedule, step) });
  console.log(`step ${step + 1}: loss ${loss.toFixed(3)}`);
}
const folder = await mkdtemp(join(tmpdir(), 'adapter-'));
await session.saveAdapter(join(folder, 'adapter.gguf'));
session.dispose();
await rm(folder, { recursive: true });
