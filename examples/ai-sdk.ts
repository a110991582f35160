/** Vercel AI SDK: documents as blocks, with their account. `npx tsx examples/ai-sdk.ts` in a clone. */
import { streamText } from 'ai';
import { createBlockAttention } from '../src/adapters/ai-sdk.ts';
import { createEngine, resolveModel } from '../src/index.ts';

const { path } = await resolveModel('smollm2-135m');
await using engine = await createEngine({ modelPath: path });
// Against a server: createBlockAttention({ url: 'http://127.0.0.1:8787/v1' })
const blockAttention = createBlockAttention({ engine });
const documents = [
  { title: 'Varn Bridge', text: 'The Varn Bridge was opened in 1931.' },
  { title: 'Tessen', text: 'Tessen is a town of clock makers.' },
];
const result = streamText({
  model: blockAttention(),
  prompt: 'When was the Varn Bridge opened?',
  maxOutputTokens: 40,
  providerOptions: { blockAttention: { documents, mode: 'block' } },
});
for await (const piece of result.textStream) process.stdout.write(piece);
console.log(`\n${JSON.stringify((await result.providerMetadata)?.blockAttention)}`);
