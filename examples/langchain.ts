/** LangChain: the documents of a chain as blocks. `npx tsx examples/langchain.ts` in a clone. */
import { createStuffDocumentsChain } from '@langchain/classic/chains/combine_documents';
import { Document } from '@langchain/core/documents';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { BlockDocumentPrompt, ChatBlockAttention } from '../src/adapters/langchain.ts';
import { createEngine, resolveModel } from '../src/index.ts';

const { path } = await resolveModel('smollm2-135m');
await using engine = await createEngine({ modelPath: path });
const llm = new ChatBlockAttention({ engine, maxTokens: 40, blockAttention: { mode: 'block' } });
const prompt = ChatPromptTemplate.fromMessages([
  ['system', 'Answer from the context.\n\n{context}'],
  ['human', '{question}'],
]);
const chain = await createStuffDocumentsChain({ llm, prompt, documentPrompt: new BlockDocumentPrompt() });
const context = [
  new Document({ pageContent: 'The Varn Bridge was opened in 1931.', metadata: { title: 'Varn Bridge' } }),
  new Document({ pageContent: 'Tessen is a town of clock makers.', metadata: { title: 'Tessen' } }),
];
for await (const piece of await chain.stream({ context, question: 'When was the Varn Bridge opened?' })) {
  process.stdout.write(piece);
}
console.log();
