/** The door of the document pipeline: documents to chunks, an index over them, answers with citations. */
export {
  answerFromDocuments,
  type DocumentAnswer,
  type DocumentAnswerStream,
  type DocumentQuestion,
} from './answer/answer-documents.ts';
export type { Citation } from './answer/cite.ts';
export { type Conversation, type ConversationOptions, createConversation } from './answer/conversation.ts';
export { defaultMinCoverage, notInDocuments } from './answer/not-in-documents.ts';
export {
  type DocumentIndex,
  defaultIndexDirectory,
  type IndexedFolder,
  type IndexOptions,
  openIndex,
} from './catalog/document-index.ts';
export type { UpdateOptions, UpdateProgress } from './catalog/update-folder.ts';
export type { Embedder } from './embed/embedder.ts';
export * from './types.ts';
