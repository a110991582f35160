/** An OpenAPI document as one HTML page: examples, routes, fields, types, limits. Pure; no script. */
import type { ApiExample } from './api-examples.ts';

export interface ApiSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, ApiSchema>>;
  readonly required?: readonly string[];
  readonly items?: ApiSchema;
  readonly anyOf?: readonly ApiSchema[];
  readonly oneOf?: readonly ApiSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema?: ApiSchema }>>;
}

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly security?: readonly unknown[];
  readonly requestBody?: Content;
  readonly responses?: Readonly<Record<string, Content>>;
}

export interface ApiDocument {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, ApiSchema>> };
}

const style = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 65%, transparent); }
html { background: Canvas; color: CanvasText; } a { color: inherit; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1.25rem; overflow-wrap: anywhere; }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; } code { font: .9em ui-monospace, monospace; }
.verb { display: inline-block; min-width: 5rem; font-weight: 600; } p { margin: .3rem 0; } .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; } td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
pre { background: color-mix(in srgb, currentColor 7%, transparent); border-radius: 8px; overflow-x: auto; padding: .7rem .9rem; font: .86rem/1.5 ui-monospace, monospace; }
td:first-child { white-space: nowrap; } nav ul { list-style: none; padding: 0; } nav a { text-decoration: none; } .wide { overflow-x: auto; }
`;

export function apiPage({ info, paths, components }: ApiDocument, examples: readonly ApiExample[]): string {
  const schemas = components?.schemas ?? {};
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: `${method}-${path.replace(/\W+/g, '-')}`,
      method,
      path,
      operation,
    })),
  );
  const links = operations.map(
    ({ id, method, path, operation }) =>
      `<li><a href="#${id}"><span class="verb">${escaped(method.toUpperCase())}</span><code>${escaped(path)}</code></a> <span class="soft">${escaped(operation.summary ?? '')}</span></li>`,
  );
  const sections = operations.map(({ id, method, path, operation }) => {
    const success = Object.entries(operation.responses ?? {}).find(([status]) => status.startsWith('2'));
    return `<section aria-labelledby="${id}"><h2 id="${id}"><span class="verb">${escaped(method.toUpperCase())}</span><code>${escaped(path)}</code></h2>
<p>${escaped(operation.summary ?? '')}${operation.security ? '' : ' <span class="soft">(no key)</span>'}</p>
${operation.description ? `<p class="soft">${marked(operation.description)}</p>` : ''}
${part('Request', operation.requestBody)}${success ? part(`Response ${success[0]}`, success[1]) : ''}</section>`;
  });
  const shared = Object.entries(schemas).map(
    ([name, schema]) => `<section><h2 id="schema-${escaped(name)}">${escaped(name)}</h2>${fields(schema)}</section>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(info.title)} API</title><style>${style}</style></head><body>
<main><p><a href="./">← Back to the page</a></p>
<h1>${escaped(info.title)} API <span class="soft">${escaped(info.version)}</span></h1>
<p>${escaped(info.description ?? '')} The same as JSON: <a href="/openapi.json"><code>/openapi.json</code></a>. Where the server has API keys, send <code>Authorization: Bearer KEY</code>.</p>
${examples.map(({ title, command }, i) => `<section aria-labelledby="example-${i}"><h2 id="example-${i}">${escaped(title)}</h2><pre tabindex="0"><code>${escaped(command)}</code></pre></section>`).join('\n')}
<nav aria-label="Routes"><ul>${links.join('')}</ul></nav>
${sections.join('\n')}
<h2>Types</h2>${shared.join('\n')}</main></body></html>`;
}

function part(title: string, content: Content | undefined): string {
  const schema = content?.content?.['application/json']?.schema;
  if (schema === undefined) return '';
  return `<h3>${escaped(title)}</h3>${schema.$ref ? `<p>${typeOf(schema)}</p>` : fields(schema)}`;
}

/** A table of an object's fields. */
function fields(schema: ApiSchema): string {
  const { properties } = schema;
  if (properties === undefined) return `<p>${typeOf(schema)} ${escaped(schema.description ?? '')}</p>`;
  const rows = Object.entries(properties).map(([name, field]) => {
    const required = schema.required?.includes(name) ? ' <span class="soft">required</span>' : '';
    return `<tr><td><code>${escaped(name)}</code>${required}</td><td>${typeOf(field)}</td><td>${marked(field.description ?? '')}</td></tr>`;
  });
  return `<div class="wide"><table><thead><tr><th>field</th><th>type</th><th>what it says</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function typeOf(schema: ApiSchema): string {
  if (schema.$ref) {
    const name = escaped(schema.$ref.split('/').at(-1) ?? '');
    return `<a href="#schema-${name}">${name}</a>`;
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return [...new Set(options.map(typeOf))].join(' or ');
  if (schema.const !== undefined) return `<code>${escaped(JSON.stringify(schema.const))}</code>`;
  if (schema.enum) return schema.enum.map((value) => `<code>${escaped(JSON.stringify(value))}</code>`).join(' or ');
  if (schema.items) return `list of ${typeOf(schema.items)}`;
  if (schema.properties) {
    const names = Object.entries(schema.properties).map(([name, field]) => `${escaped(name)}: ${typeOf(field)}`);
    return `{ ${names.join(', ')} }`;
  }
  const types = [schema.type ?? 'anything'].flat().map(escaped).join(' or ');
  const { minimum, maximum } = schema;
  if (minimum === undefined || maximum === undefined || Math.abs(maximum) > 2 ** 50) return types;
  return `${types}, ${minimum} to ${maximum}`;
}

/** Text in which `code` is marked. */
function marked(text: string): string {
  return escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (sign) => entities[sign] ?? sign);
}
