/** The door of measurements. */

export { abstains } from './abstention.ts';
export { accuracyChart } from './accuracy-chart.ts';
export { bootstrapInterval, type Difference, type Interval, pairedDifference } from './bootstrap.ts';
export { type DocumentQuestion, type DocumentQuestionOptions, documentQuestions } from './document-questions.ts';
export {
  type DocumentTask,
  type DocumentTaskKind,
  type DocumentTaskOptions,
  type DocumentTitles,
  documentTaskKinds,
  generateDocumentTasks,
} from './document-tasks.ts';
export { type EvaluateOptions, type EvaluationReport, evaluate } from './evaluate.ts';
export type { EvaluationRow } from './evaluation-rows.ts';
export { rowName } from './evaluation-rows.ts';
export { type FirstToken, firstTokenKl } from './first-token.ts';
export type { Machine } from './machine.ts';
export { normalizeAnswer, type Scores, scoreAnswer, tokenF1 } from './metrics.ts';
export type { ModeScores } from './mode-scores.ts';
export { type PaperRow, paperRows } from './paper.ts';
export { type PaperAccuracyRow, paperAccuracyRows } from './paper-accuracy.ts';
export { parseQuestion, type Question, type QuestionReadOptions, readQuestions } from './questions.ts';
export {
  generateReadingTasks,
  type ReadingTask,
  type ReadingTaskOptions,
  type TaskSplit,
  taskVocabulary,
} from './reading-tasks.ts';
export { benchTtft, type TtftOptions, type TtftReport, type TtftRow } from './ttft.ts';
export { ttftChart } from './ttft-chart.ts';
export { decide, decideOwn, type Evidence, leastOwnQuestions, neededQuestions, type OwnCheck } from './verdict.ts';
export { type VerificationReport, type VerifyOptions, type VerifyProgress, verify } from './verify.ts';
