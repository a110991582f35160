/** The door of the server: Block-Attention behind the OpenAI API. */
export type { BlockAttentionAccount, BlockAttentionFields, WithAccount, WithDocuments } from './client-types.ts';
export { keepLearned } from './keep-learned.ts';
export { defaultLearn, type LearnOptions } from './learning.ts';
export { type Listening, listen } from './listen.ts';
export { defaultLimits, type Limits, type ServerOptions } from './options.ts';
export { createServer, type Server } from './server.ts';
export { defaultShadow, type ShadowOptions } from './shadow.ts';
export { type ApiKey, parseApiKey } from './tenants.ts';
