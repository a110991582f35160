/** Messages and passages to block plans, block plans to tokens. */
export type { AgentMessage, AgentRequest, ToolCall, ToolDefinition } from './agent-messages.ts';
export { checkRow, invalidData, rowPassage } from './data-rows.ts';
export { requirePassages, requireText } from './input-checks.ts';
export { type PassageReadOptions, readPassages } from './passages.ts';
export { planText, type TextRequest } from './plan-text.ts';
export {
  type DemonstrationsRequest,
  type DialogueRequest,
  type PromptLayout,
  type PromptTemplate,
  planAgent,
  planDemonstrations,
  planDialogue,
  planRag,
  promptLayout,
  type RagRequest,
  type TemplateOptions,
} from './plans.ts';
export { promptFormat, promptVersion } from './prompt-version.ts';
export { beginAnswer, beginMarkup, splitQuestion, turnsIntoFinal } from './reshape.ts';
export { type CodeSegmentOptions, segmentCode } from './segment-code.ts';
export { segmentText } from './segment-text.ts';
export { askShort, openAnswer } from './short-answer.ts';
export { splitSources } from './split-sources.ts';
export { createTokenMemo, type TokenMemo } from './token-memo.ts';
export { tokenizePlan, tokenizePlanAside } from './tokenize-plan.ts';
export {
  type BlockKind,
  type BlockPlan,
  block,
  blockText,
  markup,
  type Passage,
  type PlannedBlock,
  promptText,
  type Segment,
  type TokenizedBlock,
  type TokenizedPlan,
  type Turn,
} from './types.ts';
export { notInDocuments } from './wording.ts';
