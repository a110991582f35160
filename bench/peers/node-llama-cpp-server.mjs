/**
 * What an application on node-llama-cpp does: one chat session per request over one of as many sequences as there are
 * clients, batched by the library, which keeps the beginning that a sequence has in common with its last prompt.
 * For bench/serve/serve.ts: node node-llama-cpp-server.mjs MODEL THREADS CLIENTS CONTEXT-TOKENS PORT
 */
import { createServer } from 'node:http';
import { getLlama, LlamaChatSession, LlamaLogLevel } from 'node-llama-cpp';

const [modelPath, ...numbers] = process.argv.slice(2);
const [threads, clients, contextSize, port] = numbers.map(Number);
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  sequences: clients,
  contextSize,
  batchSize: 512,
  threads,
  flashAttention: true,
});
const free = Array.from({ length: clients }, () => context.getSequence());

const server = createServer((request, response) => {
  answer(request, response).catch((error) => response.destroy(error));
});
server.listen(port, '127.0.0.1');

async function answer(request, response) {
  if (request.method === 'GET') return response.end('{}');
  let body = '';
  for await (const part of request) body += part;
  const { messages, max_tokens } = JSON.parse(body);
  const prompt = messages.at(-1).content;
  const sequence = free.shift();
  if (sequence === undefined) return response.writeHead(503).end();
  try {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const session = new LlamaChatSession({ contextSequence: sequence, autoDisposeSequence: false });
    const before = sequence.tokenMeter.getState();
    await session.prompt(prompt, {
      maxTokens: max_tokens,
      temperature: 0,
      onTextChunk: (content) => response.write(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`),
    });
    const { usedInputTokens, usedOutputTokens } = sequence.tokenMeter.diff(before);
    const prompt_tokens = model.tokenize(prompt).length;
    const usage = {
      prompt_tokens,
      completion_tokens: usedOutputTokens,
      prompt_tokens_details: { cached_tokens: Math.max(0, prompt_tokens - usedInputTokens) },
    };
    response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
    session.dispose();
  } catch (error) {
    response.end(`data: ${JSON.stringify({ error: { message: String(error) } })}\n\n`);
  } finally {
    free.unshift(sequence);
  }
}
