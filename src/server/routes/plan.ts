/** POST /v1/plan: what a chat request would be cut into, and which blocks are there. Runs nothing. */
import type { App, ServerContext } from '../context.ts';
import { overrideOf } from '../operate/mode-override.ts';
import { describeRoute } from '../pages/openapi.ts';
import { planResponseSchema } from '../replies/response-schemas.ts';
import { readJson } from '../requests/read-json.ts';
import { chatRequestSchema } from '../requests/request-schemas.ts';
import { chatAnswers } from './chat.ts';

export function addPlan(app: App, server: ServerContext): void {
  describeRoute(app, {
    method: 'post',
    path: '/v1/plan',
    summary: 'Show the blocks of a conversation',
    description:
      'Takes a request of /v1/chat/completions, computes nothing, and lists the blocks in the order of the prompt.',
    request: chatRequestSchema,
    response: planResponseSchema,
  });
  app.post('/v1/plan', async (c) => {
    const body = await readJson(c, chatRequestSchema, server.limits);
    const tenant = server.tenants.within(c.get('tenant'), body.block_attention?.tenant);
    const { answers, warnings } = chatAnswers({ ...body, n: 1 }, server);
    const [answer] = answers;
    const request = { passages: [], question: '', ...answer, tenant: tenant.salt };
    const { contextTokens, questionTokens, kvBytes, blocks } = await server.engine.plan(request);
    const chosen = server.engine.chooseMode(request);
    const override = overrideOf(server, request);
    return c.json({
      object: 'block_attention.plan',
      mode: override?.mode ?? chosen.mode,
      reason: override?.reason ?? (chosen.reason === null ? null : server.tell(chosen.reason)),
      context_tokens: contextTokens,
      question_tokens: questionTokens,
      kv_bytes: kvBytes,
      blocks: blocks.map(({ id, kind, tokens, tier }) => ({ id, kind, tokens, cached: tier ?? null })),
      ...(warnings.length > 0 && { warnings }),
    });
  });
}
