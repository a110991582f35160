/** GET /docs: the description of the API as a page for people, drawn from /openapi.json. Fetches nothing from anywhere. */
import type { App } from '../context.ts';
import { type ApiDocument, apiPage } from '../docs-page.ts';

const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export function addDocs(app: App): void {
  let page: string | undefined;
  app.get('/docs', async (c) => {
    page ??= apiPage(JSON.parse(await (await app.request('/openapi.json')).text()) as ApiDocument);
    c.header('content-security-policy', policy);
    return c.html(page);
  });
}
