/**
 * The template library's interpreter within a budget: every step, every text and every list is paid for before it is
 * made, so that no template can take the memory or the time of its process. A rendering within the budget is the
 * library's own, but for methods of text (template-text.ts), which follow Python where the library does not.
 */
import { BlockAttentionError } from '../../errors.ts';
import { includesText, searchUnits } from '../segment/find-text.ts';
import {
  functionValue,
  isFunction,
  isInteger,
  isList,
  isMapping,
  isText,
  LibraryInterpreter,
  type Scope,
  type TemplateNode,
  textValue,
  truthValue,
  type Value,
} from './template-library.ts';
import { callArguments, stripCharacters, textMethod } from './template-text.ts';
import { stepUnits, type TemplateWork, valueUnits } from './template-work.ts';

/** Scopes within scopes: every look-up of a name walks them. Recursive macros of real templates stay far below. */
const deepestScope = 500;
/** Loops make a scope and a `loop` object for each item. */
const loopUnits = 8 * stepUnits;
/** An undefined name costs an exception. */
const undefinedUnits = 64 * stepUnits;
/** The library makes all methods of a text when one is asked for. */
const methodsUnits = 8 * stepUnits;
const widestIndent = 100;

/** An operand that is known already, where the library wants a node. */
class Known implements TemplateNode {
  readonly type = 'Known';
  readonly result: Value;
  readonly [field: string]: unknown;

  constructor(result: Value) {
    this.result = result;
  }
}

/** Filters that look at every element or character; what each costs, given what it is applied to. */
const sorting = new Set(['sort', 'dictsort', 'unique']);
const writing = new Set(['tojson', 'string', 'join']);

/** What stands before and behind a value that `tojson` writes. */
export type FramedValues = ReadonlyMap<Value, readonly [before: string, behind: string]>;

export class TemplateInterpreter extends LibraryInterpreter {
  readonly #work: TemplateWork;
  readonly #sourceLength: number;
  readonly #framed: FramedValues;

  /**
   * @param sourceLength characters of the template, an upper bound of what looking through a macro's body takes
   * @param framed values that are written as JSON between two texts. Defaults to none
   */
  constructor(scope: Scope, work: TemplateWork, sourceLength: number, framed: FramedValues = new Map()) {
    super(scope);
    this.#framed = framed;
    this.#work = work;
    this.#sourceLength = sourceLength;
  }

  override evaluate(node: TemplateNode | undefined, scope: Scope): Value {
    if (node instanceof Known) return node.result;
    this.#work.spend(stepUnits);
    if (node?.type === 'Macro' || node?.type === 'CallStatement') this.#work.spend(this.#sourceLength);
    return super.evaluate(node, scope);
  }

  override evaluateBlock(statements: readonly TemplateNode[], scope: Scope): Value {
    let result = '';
    for (const statement of statements) {
      const value = this.evaluate(statement, scope);
      if (value.type === 'NullValue' || value.type === 'UndefinedValue') continue;
      if (isText(value)) result += value.value;
      else {
        this.#work.write(value);
        result += value.toString();
      }
      this.#work.checkLength(result.length);
    }
    this.#work.spend(result.length >> 2);
    return textValue(result);
  }

  override evaluateArguments(nodes: readonly TemplateNode[], scope: Scope): [Value[], Map<string, Value>] {
    const [values, named] = super.evaluateArguments(nodes, scope);
    this.#work.spend((values.length + named.size) * valueUnits);
    for (const value of values) this.#work.spend(sizeOf(value) >> 2);
    for (const value of named.values()) this.#work.spend(sizeOf(value) >> 2);
    return [values, named];
  }

  override evaluateIdentifier(node: TemplateNode, scope: Scope): Value {
    let depth = 0;
    for (let outer = scope.parent; outer !== undefined; outer = outer.parent) depth += 1;
    if (depth > deepestScope) throw new Error(`it nests more than ${deepestScope} macros and loops`);
    this.#work.spend(depth * 8);
    const value = super.evaluateIdentifier(node, scope);
    if (value.type === 'UndefinedValue') this.#work.spend(undefinedUnits);
    return value;
  }

  override evaluateFor(node: TemplateNode, scope: Scope): Value {
    const iterable = node.iterable as TemplateNode;
    const selected = iterable.type === 'SelectExpression';
    const source = this.evaluate((selected ? iterable.lhs : iterable) as TemplateNode, scope);
    this.#work.spend(countOf(source) * loopUnits);
    const known = new Known(source);
    return super.evaluateFor({ ...node, iterable: selected ? { ...iterable, lhs: known } : known }, scope);
  }

  override evaluateCallExpression(node: TemplateNode, scope: Scope): Value {
    const value = super.evaluateCallExpression(node, scope);
    if (isList(value)) this.#work.spend(value.value.length * valueUnits);
    return value;
  }

  override evaluateBinaryExpression(node: TemplateNode, scope: Scope): Value {
    const operator = (node.operator as { readonly value: string }).value;
    if (operator === 'and' || operator === 'or') return super.evaluateBinaryExpression(node, scope);
    const left = this.evaluate(node.left as TemplateNode, scope);
    const right = this.evaluate(node.right as TemplateNode, scope);
    const within = this.#payOperator(operator, left, right);
    if (within !== undefined) return within;
    const value = super.evaluateBinaryExpression({ ...node, left: new Known(left), right: new Known(right) }, scope);
    if (isText(value)) this.#payText(value.value);
    else if (isList(value)) this.#work.spend(value.value.length * valueUnits);
    return value;
  }

  /** @returns the answer to whether a text lies within another */
  #payOperator(operator: string, left: Value, right: Value): Value | undefined {
    const work = this.#work;
    if (operator === 'in' || operator === 'not in') {
      if (isText(left) && isText(right)) {
        work.spend(searchUnits(right.value, left.value));
        return truthValue(includesText(right.value, left.value) === (operator === 'in'));
      }
      if (isText(left) && isMapping(right)) work.spend(left.value.length);
      if (!isList(right)) return undefined;
      work.spend(right.value.length * 4);
      for (const item of right.value) work.spend(sameLength(item, left));
    } else if (operator === '==' || operator === '!=') {
      // Compared with a text, JavaScript writes a list out.
      if (isList(left) !== isList(right)) for (const side of [left, right]) if (isList(side)) work.write(side);
      work.spend(sameLength(left, right));
    } else if (operator === '~' || (operator === '+' && (isText(left) || isText(right)))) {
      for (const side of [left, right]) if (!isText(side)) work.write(side);
      if (isText(left) && isText(right)) work.checkLength(left.value.length + right.value.length);
    } else if (isList(left) && isList(right)) {
      work.spend((left.value.length + right.value.length) * valueUnits);
    }
    return undefined;
  }

  /** A text put together is copied once at most, when it is first read. */
  #payText(text: string): void {
    this.#work.checkLength(text.length);
    this.#work.spend(text.length >> 2);
  }

  override evaluateTestExpression(node: TemplateNode, scope: Scope): Value {
    const operand = this.evaluate(node.operand as TemplateNode, scope);
    const { value: name } = node.test as { readonly value: string };
    if (name === 'lower' || name === 'upper') this.#work.spend(sizeOf(operand));
    return super.evaluateTestExpression({ ...node, operand: new Known(operand) }, scope);
  }

  override evaluateMemberExpression(node: TemplateNode, scope: Scope): Value {
    const object = this.evaluate(node.object as TemplateNode, scope);
    const known: TemplateNode = { ...node, object: new Known(object) };
    const property = node.property as TemplateNode;
    if (property.type === 'SliceExpression') {
      // The library takes a text apart into its characters.
      this.#work.spend(isText(object) ? object.value.length * 16 : countOf(object) * valueUnits);
      return super.evaluateMemberExpression(known, scope);
    }
    if (isText(object) && (node.computed === true || property.type !== 'Identifier')) {
      this.#work.spend(object.value.length >> 2);
    }
    if (isText(object)) this.#work.spend(methodsUnits);
    if (node.computed !== true)
      return this.#method(object, property.value, super.evaluateMemberExpression(known, scope));
    const key = this.evaluate(property, scope);
    if (isText(key)) this.#work.spend(key.value.length >> 2);
    const found = super.evaluateMemberExpression({ ...known, property: new Known(key) }, scope);
    return this.#method(object, key.value, found);
  }

  /** A method that pays for what it does. */
  #method(object: Value, name: unknown, found: Value): Value {
    if (!isFunction(found) || typeof name !== 'string') return found;
    if (isText(object)) {
      return functionValue((values, scope) => this.#callText(name, object, values, () => found.value(values, scope)));
    }
    // What an object's entries hold are the template's own functions and macros.
    if (!isMapping(object) || object.value.has(name)) return found;
    return functionValue((values, scope) => {
      if (name !== 'get') this.#paySorting(object);
      return found.value(values, scope);
    });
  }

  #callText(
    name: string,
    text: Value & { readonly value: string },
    values: readonly Value[],
    library: () => Value,
  ): Value {
    const [placed, named] = callArguments(values);
    this.#work.spend(text.value.length * (name === 'title' ? 8 : 1));
    for (const value of values) this.#work.spend(sizeOf(value));
    const own = textMethod(name);
    if (own !== undefined) return own(text.value, placed, named, this.#work);
    const most = name === 'startswith' || name === 'endswith' ? 1 : 0;
    if (placed.length > most || named.size > 0) throw new Error(`${name}() takes ${most} arguments here`);
    return library();
  }

  /** Comparing takes every text twice for each of some log2(n) looks. */
  #paySorting(value: Value): void {
    const count = countOf(value);
    this.#work.spend(count * valueUnits);
    if (count < 2) return;
    let characters = 0;
    if (isList(value)) for (const item of value.value) characters += isText(item) ? item.value.length : valueUnits;
    if (isMapping(value))
      for (const [key, item] of value.value) characters += key.length + (isText(item) ? item.value.length : 0);
    this.#work.spend((characters + count * valueUnits) * Math.ceil(Math.log2(count)));
  }

  override applyFilter(operand: Value, filter: TemplateNode, scope: Scope): Value {
    const called = filter.type === 'CallExpression';
    const { value: name } = (called ? filter.callee : filter) as { readonly value: unknown };
    if (typeof name !== 'string') return super.applyFilter(operand, filter, scope);
    const nodes = called ? (filter.args as readonly TemplateNode[]) : [];
    if (name === 'selectattr' || name === 'rejectattr') {
      // Its arguments are literals, and no longer than the source.
      const longest = Math.max(0, ...nodes.map(({ value }) => (typeof value === 'string' ? value.length : 0)));
      this.#work.spend(countOf(operand) * (valueUnits + longest));
      return super.applyFilter(operand, filter, scope);
    }
    const [values, named] = this.evaluateArguments(nodes, scope);
    const all = [...values, ...named.values()];
    if (isText(operand)) {
      const method = name === 'trim' ? this.#trim(operand.value, values, named) : undefined;
      if (method !== undefined) return method;
      if (name === 'replace') {
        return textMethod('replace')?.(operand.value, values, named, this.#work) ?? operand;
      }
      this.#work.spend(operand.value.length * (name === 'title' ? 8 : 1));
    }
    const argumentSize = all.reduce((sum, value) => sum + charactersOf(value), 0);
    this.#work.spend(countOf(operand) * (valueUnits + argumentSize));
    if (sorting.has(name)) this.#paySorting(operand);
    if (name === 'indent' && isText(operand)) this.#payIndent(operand.value, values[0] ?? named.get('width'));
    const items = name === 'tojson' && isList(operand) && named.get('indent') === undefined ? operand.value : [];
    if (items.length > 0 && items.every((item) => this.#framed.has(item))) {
      // As the library writes a list, with each item's frame.
      const texts = items.map((item) => this.applyFilter(item, filter, scope).value);
      return textValue(`[${texts.join(', ')}]`);
    }
    if (writing.has(name)) this.#payWriting(name, operand, argumentSize, named.get('indent'));
    const known = new Map([...named].map(([key, value]) => [key, new Known(value)]));
    const args = [
      ...values.map((value) => new Known(value)),
      ...[...known].map(([key, value]) => ({ type: 'KeywordArgumentExpression', key: { value: key }, value })),
    ];
    const value = super.applyFilter(operand, called ? { ...filter, args } : filter, scope);
    const frame = name === 'tojson' ? this.#framed.get(operand) : undefined;
    if (frame && isText(value)) return textValue(frame[0] + value.value + frame[1]);
    if (isText(value)) this.#payText(value.value);
    else if (isList(value)) this.#work.spend(value.value.length * valueUnits);
    return value;
  }

  /** `trim` with the characters to take away, as in Jinja; undefined without. */
  #trim(text: string, values: readonly Value[], named: ReadonlyMap<string, Value>): Value | undefined {
    this.#work.spend(text.length);
    const characters = values[0] ?? named.get('chars');
    return isText(characters) ? textValue(stripCharacters(text, characters.value, true, true)) : undefined;
  }

  #payIndent(text: string, width: Value | undefined): void {
    let lines = 1;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
    this.#work.spend(lines * valueUnits);
    this.#work.checkLength(text.length + lines * (isInteger(width) ? Math.max(0, width.value) : 4));
  }

  #payWriting(name: string, operand: Value, argumentSize: number, indent: Value | undefined): void {
    const width = isInteger(indent) ? indent.value : 0;
    if (width > widestIndent) {
      throw new BlockAttentionError(
        'INVALID_TEMPLATE',
        `the chat template cannot be rendered: it asks for an indent of ${width}: at most ${widestIndent} are allowed`,
      );
    }
    if (isText(operand) && name === 'join') {
      this.#work.spend(operand.value.length * 16);
      this.#work.checkLength(operand.value.length * (1 + argumentSize));
    } else this.#work.write(operand, width + argumentSize);
  }
}

/** Elements of a list or entries of an object; none for anything else. */
function countOf(value: Value): number {
  if (isList(value)) return value.value.length;
  return isMapping(value) ? value.value.size : 0;
}

/** Of a text, or of the texts of a list such as separators. */
function charactersOf(value: Value): number {
  if (isList(value)) return value.value.reduce((sum, item) => sum + (isText(item) ? item.value.length : 0), 0);
  return isText(value) ? value.value.length : 0;
}

function sizeOf(value: Value): number {
  return isText(value) ? value.value.length : countOf(value) * valueUnits;
}

/** What comparing two values takes: texts of different length differ at once. */
function sameLength(a: Value, b: Value): number {
  return isText(a) && isText(b) && a.value.length === b.value.length ? a.value.length : 0;
}
