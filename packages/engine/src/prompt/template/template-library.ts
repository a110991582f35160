/**
 * What the template library offers, typed: its own declarations do not resolve under `nodenext`, and its value classes
 * are not exported. Knows its names, not what they are used for; a test compares them with the installed release.
 */
import * as jinja from '@huggingface/jinja';

/** A value of the template language. `type` names its class, such as `StringValue`. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  toString(): string;
}

export interface Scope {
  readonly parent?: Scope | undefined;
  set(name: string, value: unknown): Value;
}

/** A node of a parsed template, with the fields that are looked at here. */
export interface TemplateNode {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** The interpreter's steps. Each evaluates its operands through `evaluate`. */
export interface LibraryInterpreter {
  run(program: TemplateNode): Value;
  evaluate(node: TemplateNode | undefined, scope: Scope): Value;
  evaluateBlock(statements: readonly TemplateNode[], scope: Scope): Value;
  evaluateArguments(nodes: readonly TemplateNode[], scope: Scope): [Value[], Map<string, Value>];
  evaluateBinaryExpression(node: TemplateNode, scope: Scope): Value;
  evaluateCallExpression(node: TemplateNode, scope: Scope): Value;
  evaluateFor(node: TemplateNode, scope: Scope): Value;
  evaluateIdentifier(node: TemplateNode, scope: Scope): Value;
  evaluateMemberExpression(node: TemplateNode, scope: Scope): Value;
  evaluateTestExpression(node: TemplateNode, scope: Scope): Value;
  applyFilter(operand: Value, filter: TemplateNode, scope: Scope): Value;
}

export const LibraryInterpreter = jinja.Interpreter as unknown as new (scope: Scope) => LibraryInterpreter;

/** The steps that template-interpreter.ts overrides: private in the library, so a release may rename them. */
export const overriddenSteps = [
  'evaluate',
  'evaluateBlock',
  'evaluateArguments',
  'evaluateBinaryExpression',
  'evaluateCallExpression',
  'evaluateFor',
  'evaluateIdentifier',
  'evaluateMemberExpression',
  'evaluateTestExpression',
  'applyFilter',
] as const satisfies readonly (keyof LibraryInterpreter)[];

export const createScope = (): Scope => new jinja.Environment() as Scope;

/** @throws Error for a source that does not parse */
export function parseTemplate(source: string): TemplateNode {
  return jinja.parse(jinja.tokenize(source, { lstrip_blocks: true, trim_blocks: true })) as unknown as TemplateNode;
}

type Constructor<T> = new (value: T) => Value;
const samples = createScope();
const classOf = <T>(name: string, sample: unknown) => samples.set(name, sample).constructor as Constructor<T>;
const Text = classOf<string>('text', '');
const List = classOf<readonly Value[]>('list', []);
const Truth = classOf<boolean>('truth', true);
const Callable = classOf<(values: Value[], scope: Scope) => Value>('callable', () => null);

export const textValue = (text: string): Value => new Text(text);
export const listValue = (values: readonly Value[]): Value => new List(values);
export const truthValue = (truth: boolean): Value => new Truth(truth);
export const functionValue = (work: (values: Value[], scope: Scope) => Value): Value => new Callable(work);

export function isText(value: Value | undefined): value is Value & { readonly value: string } {
  return value?.type === 'StringValue';
}

export function isList(value: Value | undefined): value is Value & { readonly value: readonly Value[] } {
  return value?.type === 'ArrayValue' || value?.type === 'TupleValue';
}

export function isInteger(value: Value | undefined): value is Value & { readonly value: number } {
  return value?.type === 'IntegerValue';
}

export function isFunction(
  value: Value | undefined,
): value is Value & { readonly value: (values: Value[], scope: Scope) => Value } {
  return value?.type === 'FunctionValue';
}

/** A value with named entries: an object, a namespace, or the keyword arguments of a call. */
export function isMapping(value: Value | undefined): value is Value & { readonly value: ReadonlyMap<string, Value> } {
  return value !== undefined && value.value instanceof Map;
}
