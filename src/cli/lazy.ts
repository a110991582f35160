/**
 * Modules that are loaded by the commands that need them alone: they bring the native libraries.
 *
 * Here and not where they are used, because the compiler leaves the paths of imports untouched, `.ts` included, in
 * functions that contain `await using`.
 */
export const loadOpenEngine = () => import('./runtime/open-engine.ts');
export const loadOpenStore = () => import('./runtime/open-store.ts');
export const loadEval = () => import('../eval/index.ts');
export const loadDemoFacts = () => import('./demo/demo-facts.ts');
export const loadTraining = () => import('@block-attention/engine/train');
export const loadAdapt = () => import('../adapt/index.ts');
export const loadQueue = () => import('../queue/index.ts');
export const loadRag = () => import('../rag/index.ts');
export const loadTokenCounter = () => import('@block-attention/engine/internal/engine');
export const loadTokenizerAhead = () => import('@block-attention/engine/internal/tokenizer-ahead');
export const loadMcpServer = () => import('./runtime/mcp-server.ts');
export const loadAskSource = () => import('./options/ask-source.ts');
