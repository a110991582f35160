/** Commands of the API page: each runs as it stands, against the server that shows it. Pure. */

export interface ApiExample {
  readonly title: string;
  readonly command: string;
}

export interface ExampleOptions {
  /** Such as `http://127.0.0.1:8787`. */
  readonly origin: string;
  readonly model: string;
  /** Name of the model that answers from the documents of the server; undefined on one without. */
  readonly documents: string | undefined;
  /** Whether the server asks for a key: the commands take it from the environment. */
  readonly keyed: boolean;
}

export function apiExamples({ origin, model, documents, keyed }: ExampleOptions): ApiExample[] {
  const key = keyed ? ' -H "Authorization: Bearer $BLOCK_ATTENTION_KEY"' : '';
  const ask = (body: object, flags = '-s') =>
    `curl ${flags} ${quoted(`${origin}/v1/chat/completions`)} -H 'Content-Type: application/json'${key} \\\n  -d ${quoted(JSON.stringify(body))}`;
  const messages = (content: string) => [{ role: 'user', content }];
  const passage = { id: 'bridge', title: 'Varn Bridge', text: 'The bridge was opened in 1931.' };
  const own = { model, messages: messages('When was the bridge opened?'), documents: [passage], max_tokens: 40 };
  const examples = [
    { title: 'Ask over passages of your own', command: ask(own) },
    { title: 'The same as a stream', command: ask({ ...own, stream: true }, '-sN') },
  ];
  if (documents === undefined) return examples;
  const question = 'What is this about?';
  return [
    { title: 'Ask the documents of this server', command: ask({ model: documents, messages: messages(question) }) },
    { title: 'Search them', command: `curl -s ${quoted(`${origin}/v1/search?q=bridge&top=3`)}${key}` },
    {
      title: 'Add a file to the documents',
      command: `printf 'The bridge was opened in 1931.' | curl -s ${quoted(`${origin}/v1/files`)}${key} -F 'file=@-;filename=bridge.md'`,
    },
    ...examples,
  ];
}

/** A word for the shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
