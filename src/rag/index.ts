/** The door of the document pipeline: documents to chunks, an index over them, answers with citations. */
export {
  answerFromDocuments,
  type DocumentAnswer,
  type DocumentAnswerStream,
  type DocumentQuestion,
  type Retrieved,
  retrieve,
} from './answer/answer-documents.ts';
export type { Citation } from './answer/cite.ts';
export {
  type Conversation,
  type ConversationOptions,
  createConversation,
  createDialogue,
  type DialogueOptions,
} from './answer/conversation.ts';
export { defaultMinCoverage, notInDocuments, withoutAnswer } from './answer/not-in-documents.ts';
export { describeIndex } from './catalog/describe-index.ts';
export {
  type DocumentIndex,
  defaultIndexDirectory,
  type IndexedFolder,
  type IndexOptions,
  openIndex,
} from './catalog/document-index.ts';
export type { DocumentsState } from './catalog/documents-state.ts';
export { IndexKeeper, type KeepOptions, type KeepState, type KeptFolder } from './catalog/keep-index.ts';
export { rootName, type UpdateOptions, type UpdateProgress } from './catalog/update-folder.ts';
export { type WatchOptions, watchFolder } from './catalog/watch-folder.ts';
export type { TableForm } from './chunk/tables.ts';
export { type CutFile, type CutOptions, type CutPassage, FileCutter } from './cut-file.ts';
export type { Embedder } from './embed/embedder.ts';
export { type OpenEmbedderOptions, openEmbedder } from './embed/open-embedder.ts';
export { documentTypes, skipCodes } from './load/document.ts';
export { fileType } from './load/file-types.ts';
export { openReranker, type Reranker } from './rerank/reranker.ts';
export { compareStates, planState, type StateChanges, type StateOptions } from './state/plan-state.ts';
export * from './types.ts';
