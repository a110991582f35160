/** GET /docs: the description of the API as a page for people, drawn from /openapi.json. Fetches nothing from anywhere. */

import type { App, ServerContext } from '../context.ts';
import { apiExamples } from '../pages/api-examples.ts';
import { type ApiDocument, apiPage } from '../pages/docs-page.ts';

const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export function addDocs(app: App, { modelNames, library, tenants }: ServerContext): void {
  let description: ApiDocument | undefined;
  app.get('/docs', async (c) => {
    description ??= JSON.parse(await (await app.request('/openapi.json')).text()) as ApiDocument;
    const { origin } = new URL(c.req.url);
    const [model] = modelNames;
    const examples = apiExamples({ origin, model, documents: library?.modelName, keyed: tenants.required });
    c.header('content-security-policy', policy);
    return c.html(apiPage(description, examples));
  });
}
