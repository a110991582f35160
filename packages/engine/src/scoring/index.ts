/** The door of scoring: how alike answers are, and the rule of a verdict. */
export { abstains } from './abstention.ts';
export { firstTokenKl } from './first-token.ts';
export { textAgreement } from './text-agreement.ts';
export { decideOwn, leastOwnQuestions, type OwnCheck } from './verdict.ts';
