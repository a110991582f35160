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
  type ConversationAnswer,
  type ConversationLimits,
  type ConversationOptions,
  createConversation,
  createDialogue,
  type DialogueOptions,
} from './answer/conversation.ts';
export { defaultMinCoverage, notInDocuments, withoutAnswer } from './answer/not-in-documents.ts';
export { describeIndex, type IndexDescription } from './catalog/describe-index.ts';
export { type DocumentIndex, openIndex } from './catalog/document-index.ts';
export type { DocumentsState } from './catalog/documents-state.ts';
export type { EncodeChunksOptions, EncodeTotals } from './catalog/encode-chunks.ts';
export {
  defaultIndexDirectory,
  type IndexedFile,
  type IndexedFolder,
  type IndexOptions,
} from './catalog/index-options.ts';
export { IndexKeeper, type KeepOptions, type KeepState, type KeptFolder } from './catalog/keep-index.ts';
export { rootName, type UpdateOptions, type UpdateProgress } from './catalog/update-folder.ts';
export { type WatchOptions, watchFolder } from './catalog/watch-folder.ts';
export type { TableForm } from './chunk/tables.ts';
export { type CutFile, type CutOptions, type CutPassage, FileCutter } from './cut-file.ts';
export type { Embedder } from './embed/embedder.ts';
export { type OpenEmbedderOptions, openEmbedder } from './embed/open-embedder.ts';
export { documentTypes, skipCodes } from './load/document.ts';
export { type FileType, fileType } from './load/file-types.ts';
export type { ParserLimits } from './load/parser-process.ts';
export { openReranker, type Reranker } from './rerank/reranker.ts';
export { compareStates, planState, type StateChanges, type StateOptions } from './state/plan-state.ts';
export * from './types.ts';
