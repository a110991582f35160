/**
 * What well-known embedding models want in front of questions and documents; they were trained so, and lose much
 * without. Told by the model's name.
 */
export interface Prefixes {
  /** Of texts that are taken as they are: always empty. */
  readonly plain: string;
  readonly query: string;
  readonly document: string;
}

const known: readonly (readonly [name: RegExp, prefixes: Omit<Prefixes, 'plain'>])[] = [
  [/\be5-|multilingual-e5/i, { query: 'query: ', document: 'passage: ' }],
  [/nomic-embed/i, { query: 'search_query: ', document: 'search_document: ' }],
  [
    /bge-(?:small|base|large)-en|mxbai-embed|arctic-embed/i,
    { query: 'Represent this sentence for searching relevant passages: ', document: '' },
  ],
  [
    /qwen3-embedding/i,
    {
      query: 'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ',
      document: '',
    },
  ],
  [/embedding-?gemma/i, { query: 'task: search result | query: ', document: 'title: none | text: ' }],
];

export function prefixesOf(name: string): Prefixes {
  const [, prefixes] = known.find(([pattern]) => pattern.test(name)) ?? [];
  return { query: '', document: '', ...prefixes, plain: '' };
}
