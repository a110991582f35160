/** Conversations in which tools are called, as callers give them and as chat templates read them. */

/** A call of a tool by the model. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** An object. */
  readonly arguments: Readonly<Record<string, unknown>>;
}

export type AgentMessage =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | {
      readonly role: 'assistant';
      readonly content: string;
      readonly reasoning?: string | undefined;
      readonly calls?: readonly ToolCall[] | undefined;
    }
  | { readonly role: 'tool'; readonly content: string; readonly id: string; readonly name?: string | undefined };

/** A tool that the model may call, in OpenAI's shape. */
export interface ToolDefinition {
  readonly name: string;
  readonly description?: string | undefined;
  /** JSON schema of the arguments, an object. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
}

export interface AgentRequest {
  /** Ends with a message of the user's or of a tool's. */
  readonly messages: readonly AgentMessage[];
  readonly tools: readonly ToolDefinition[];
}
