/** Messages and passages to block plans, block plans to tokens. */
export type { AgentMessage, AgentRequest, ToolCall, ToolDefinition } from './chat/agent-messages.ts';
export { requirePassages, requireText } from './input-checks.ts';
export { checkRow, invalidData, rowPassage } from './passages/data-rows.ts';
export { type PassageReadOptions, readPassages } from './passages/passages.ts';
export { planText, type TextRequest } from './plan/plan-text.ts';
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
} from './plan/plans.ts';
export { askShort, openAnswer } from './plan/short-answer.ts';
export { createTokenMemo, type TokenMemo } from './plan/token-memo.ts';
export { tokenizePlan, tokenizePlanAside } from './plan/tokenize-plan.ts';
export { notInDocuments } from './plan/wording.ts';
export { beginAnswer, beginMarkup, splitQuestion, turnsIntoFinal } from './segment/reshape.ts';
export { type CodeSegmentOptions, segmentCode } from './segment/segment-code.ts';
export { segmentText } from './segment/segment-text.ts';
export { splitSources } from './segment/split-sources.ts';
export { speaksInChannels, thinks } from './template/channels.ts';
export { promptFormat, promptVersion } from './template/prompt-version.ts';
export {
  type BlockKind,
  type BlockPlan,
  block,
  blockText,
  markup,
  type Passage,
  type PlannedBlock,
  type PreviousPassage,
  plain,
  promptText,
  type Segment,
  type TokenizedBlock,
  type TokenizedPlan,
  type Turn,
} from './types.ts';
