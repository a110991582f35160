/** The server within a program of your own, beside its own routes. `npx tsx examples/mount.ts` in a clone. */
import { Hono } from 'hono';
import { createEngine, resolveModel } from '../src/index.ts';
import { createServer } from '../src/server/index.ts';

const { path } = await resolveModel(process.env.BLOCK_ATTENTION_MODEL ?? 'smollm2-135m');
await using engine = await createEngine({ modelPath: path });
const server = createServer({ engine, modelName: 'reader' });

const app = new Hono();
app.get('/health', (c) => c.text('well'));
app.all('/v1/*', (c) => server.app.fetch(c.req.raw));

// Any server takes `app.fetch`; here the program asks itself.
const answer = await app.request('http://localhost/v1/chat/completions', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    model: 'reader',
    messages: [{ role: 'user', content: 'When was the Varn Bridge opened?' }],
    documents: [{ id: 'bridge', title: 'Varn Bridge', text: 'The Varn Bridge was opened in 1931.' }],
    max_tokens: 20,
  }),
});
console.log(answer.status, JSON.stringify(await answer.json()));
await server.close();
