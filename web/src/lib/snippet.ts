/** The current request as code to copy. */
import type { ChatBody } from '../api/types.ts';

export type SnippetLanguage = 'curl' | 'python' | 'typescript';

/** @param origin such as http://127.0.0.1:8787
 *  @param keyed whether the server asks for a key; the key itself is never written */
export function snippet(language: SnippetLanguage, body: ChatBody, origin: string, keyed: boolean): string {
  if (language === 'curl') return curl(body, origin, keyed);
  return language === 'python' ? python(body, origin, keyed) : typescript(body, origin, keyed);
}

function curl(body: ChatBody, origin: string, keyed: boolean): string {
  const key = keyed ? ' \\\n  -H "authorization: Bearer $BLOCK_ATTENTION_KEY"' : '';
  const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl -N ${origin}/v1/chat/completions \\\n  -H 'content-type: application/json'${key} \\\n  -d '${json}'\n`;
}

function python(body: ChatBody, origin: string, keyed: boolean): string {
  const key = keyed ? 'os.environ["BLOCK_ATTENTION_KEY"]' : '"none"';
  // JSON's strings and numbers are Python's too; of its words only true occurs.
  const value = (data: unknown) =>
    JSON.stringify(data, null, 4)
      .replace(/: (true|false)(?=,?\n)/g, (_, word: string) => `: ${word === 'true' ? 'True' : 'False'}`)
      .replaceAll('\n', '\n    ');
  return [
    ...(keyed ? ['import os'] : []),
    'from openai import OpenAI',
    '',
    `client = OpenAI(base_url="${origin}/v1", api_key=${key})`,
    'stream = client.chat.completions.create(',
    `    model=${JSON.stringify(body.model)},`,
    `    messages=${value(body.messages)},`,
    `    max_tokens=${body.max_tokens},`,
    '    stream=True,',
    `    extra_body=${value({ documents: body.documents, block_attention: body.block_attention })},`,
    ')',
    'for chunk in stream:',
    '    if chunk.choices:',
    '        print(chunk.choices[0].delta.content or "", end="", flush=True)',
    '',
  ].join('\n');
}

function typescript(body: ChatBody, origin: string, keyed: boolean): string {
  const key = keyed ? 'process.env.BLOCK_ATTENTION_KEY' : "'none'";
  const { stream: _, stream_options: __, ...fields } = body;
  const json = JSON.stringify(fields, null, 2);
  return [
    "import OpenAI from 'openai';",
    '',
    `const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: ${key} });`,
    `const request = ${json};`,
    'const stream = await client.chat.completions.create({ ...request, stream: true });',
    "for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');",
    '',
  ].join('\n');
}
