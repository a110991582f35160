/** LlamaIndex: retrieved nodes as blocks. `npx tsx examples/llamaindex.ts` in a clone. */
import { TextNode } from '@llamaindex/core/schema';
import { BlockAttentionLLM, BlockSynthesizer } from '../src/adapters/llamaindex.ts';
import { createEngine, resolveModel } from '../src/index.ts';

const { path } = await resolveModel('smollm2-135m');
await using engine = await createEngine({ modelPath: path });
const llm = new BlockAttentionLLM({ engine, maxTokens: 40, blockAttention: { mode: 'block' } });
// In a query engine: new RetrieverQueryEngine(retriever, synthesizer)
const synthesizer = new BlockSynthesizer({ llm });
const nodes = [
  new TextNode({ text: 'The Varn Bridge was opened in 1931.', metadata: { title: 'Varn Bridge' } }),
  new TextNode({ text: 'Tessen is a town of clock makers.', metadata: { title: 'Tessen' } }),
].map((node) => ({ node, score: 1 }));
const answer = await synthesizer.synthesize({ query: 'When was the Varn Bridge opened?', nodes }, true);
for await (const { delta } of answer) process.stdout.write(delta);
console.log();
