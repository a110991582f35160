/**
 * The words of the built-in prompts. Those of the paper are exact to the line break: models were trained
 * on them. Changing any of these changes what models read: raise `promptFormat` in prompt-version.ts with it.
 */

/** Instruction of the paper's template. */
export const instruction =
  "You are an intelligent AI assistant. Please answer questions based on the user's instructions.";

/** Announces the passages. */
export const announcement =
  "Below are some reference documents that may help you in answering the user's question.\n\n";

/** Instruction of the template for models without a chat template. */
export const plainInstruction = 'Answer the question using the documents below.';

/** Literal that the paper's training puts in front of prompts in block mode. */
export const blockModePrefix = '[Block-Attention]';

/** Puts a greeting of the assistant's into the instruction, for chat templates that begin with the user. */
export const greetingLead = 'You opened the conversation with:\n';

/** A passage, in the paper's layout. */
export function passageEntry({ title, text }: { title: string | undefined; text: string }): string {
  return title === undefined ? `- ${text}\n` : `- Title: ${title}\n${text}\n`;
}

/** A passage for models without a chat template. */
export function plainPassageEntry({ title, text }: { title: string | undefined; text: string }): string {
  return title === undefined ? `Document:\n${text}\n\n` : `Document: ${title}\n${text}\n\n`;
}

/** Asks for a short answer, behind the question, and how the answer then begins. */
export const shortAnswerRequest = '\nAnswer with a few words copied from the documents, and nothing else.';
export const shortAnswerStart = 'Answer:';

/** The question behind the passages. */
export function groundedQuestion(question: string): string {
  return `\n\nPlease write a high-quality answer for the given question using only the provided search documents (some of which might be irrelevant).\nQuestion: ${question}`;
}

/** What is said in place of an answer that the documents do not give. */
export const notInDocuments = 'The documents do not answer this.';
