/** The door of measurements. */

export { abstains } from '../scoring/abstention.ts';
export {
  type BootstrapOptions,
  bootstrapInterval,
  type Difference,
  type Interval,
  pairedDifference,
} from '../scoring/bootstrap.ts';
export { type FirstToken, firstTokenKl } from '../scoring/first-token.ts';
export { normalizeAnswer, type Scores, scoreAnswer, tokenF1 } from '../scoring/metrics.ts';
export {
  decide,
  decideOwn,
  type Evidence,
  leastOwnQuestions,
  neededQuestions,
  type OwnCheck,
} from '../scoring/verdict.ts';
export type { Agreement, FirstTokens } from './comparison.ts';
export { type EvaluateOptions, type EvaluationReport, evaluate } from './evaluate.ts';
export {
  type DocumentQuestion,
  type DocumentQuestionOptions,
  documentQuestions,
} from './questions/document-questions.ts';
export { parseQuestion, type Question, type QuestionReadOptions, readQuestions } from './questions/questions.ts';
export type { EvaluationRow } from './scores/evaluation-rows.ts';
export { rowName } from './scores/evaluation-rows.ts';
export type { ModeScores } from './scores/mode-scores.ts';
export { type PaperAccuracyRow, paperAccuracyRows } from './scores/paper-accuracy.ts';
export type { Machine } from './ttft/machine.ts';
export { type PaperRow, paperRows } from './ttft/paper.ts';
export { benchTtft, type TtftOptions, type TtftReport, type TtftRow } from './ttft/ttft.ts';
export type { PolicyScores } from './verify.ts';
export { type VerificationReport, type VerifyOptions, type VerifyProgress, verify } from './verify.ts';
