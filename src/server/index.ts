/** The door of the server: Block-Attention behind the OpenAI API. */

export type { DocumentsOptions } from './documents/library.ts';
export type { UploadLimits } from './documents/uploads.ts';
export type { ListenOptions } from './listen.ts';
export { type Listening, listen } from './listen.ts';
export { keepLearned } from './operate/keep-learned.ts';
export type { LearnedVerdict } from './operate/learning.ts';
export { defaultLearn, type LearnOptions } from './operate/learning.ts';
export { defaultShadow, type ShadowOptions } from './operate/shadow.ts';
export { type ApiKey, parseApiKey, type Tenant } from './operate/tenants.ts';
export { defaultLimits, type Limits, type ServerOptions } from './options.ts';
export type {
  BlockAttentionAccount,
  BlockAttentionFields,
  BlockAttentionOptions,
  WithAccount,
  WithDocuments,
} from './requests/client-types.ts';
export { createServer, type Server } from './server.ts';
