/** The door of synthetic tasks. */
export {
  type DocumentTask,
  type DocumentTaskOptions,
  type DocumentTitles,
  generateDocumentTasks,
} from './document-tasks.ts';
export {
  generateReadingTasks,
  type ReadingTask,
  type ReadingTaskOptions,
  type TaskSplit,
  taskVocabulary,
} from './reading-tasks.ts';
