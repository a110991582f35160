/**
 * Decides whether libllama can run a grammar without looping, exhausting memory or aborting the process.
 *
 * libllama expands the leftmost rules of a grammar until every stack ends at a terminal. It finds left recursion only
 * where a rule is empty outright, not where it is empty through other rules; there it would expand for ever. It asserts
 * that an expansion ends somewhere, and visits shared rules once per path, which can be exponential in their number.
 * What stays: a grammar that is ambiguous about what encloses what can need memory exponential in the text produced.
 */
import { BlockAttentionError } from '../../errors.ts';
import { type Alternative, type GrammarRules, parseGrammar } from './grammar-rules.ts';

/** Bound on the steps of one expansion. Real grammars take tens to hundreds. */
const maxSteps = 100_000;

type Rules = readonly (readonly Alternative[])[];

/** @throws INVALID_GRAMMAR, saying where or which rule. */
export function checkGrammar(text: string): void {
  const parsed = parseGrammar(text);
  if (!parsed.names.has('root')) throw invalid('it has no rule "root"');
  const rules = defined(parsed);
  const nameOf = (rule: number) => {
    const found = [...parsed.names].find(([, index]) => index === rule);
    return found === undefined ? 'a group or repetition' : `rule "${found[0]}"`;
  };
  const isEmpty = fixpoint(rules, (alternative, known) => alternative.every((e) => e !== null && known(e)));
  const starts = fixpoint(rules, (alternative, known) => {
    for (const element of alternative) {
      if (element === null) return true;
      if (!known(element)) return false;
      if (!isEmpty[element]) return true;
    }
    return true;
  });
  const stuck = starts.indexOf(false);
  if (stuck >= 0) throw invalid(`${nameOf(stuck)} never comes to a character`);

  // What libllama itself takes for empty: rules with an empty alternative.
  const emptyOutright = rules.map((alternatives) => alternatives.some((a) => a.length === 0));
  for (const empty of [emptyOutright, isEmpty]) {
    const edges = rules.map((alternatives) => alternatives.flatMap((a) => leftmost(a, empty)));
    const components = stronglyConnected(edges);
    for (const [rule, outgoing] of edges.entries()) {
      for (const { to, last } of outgoing) {
        // Expanding the last element of an alternative does not deepen the stack; libllama refuses even that
        // where it sees it.
        const harmless = last && empty === isEmpty;
        if (components[rule] === components[to] && !harmless) {
          throw invalid(`${nameOf(rule)} is left-recursive: let it start with a character`);
        }
      }
    }
    const costliest = expansionSteps(edges, components);
    if (costliest > maxSteps) throw invalid('its rules branch into too many beginnings: share common beginnings');
  }
}

function defined({ rules, names }: GrammarRules): Rules {
  return rules.map((alternatives, index) => {
    if (alternatives !== undefined) return alternatives;
    const name = [...names].find(([, at]) => at === index)?.[0] ?? '?';
    throw invalid(`rule "${name}" is used but not defined`);
  });
}

/** The least set of rules that have an alternative for which `holds`, given the set. */
function fixpoint(
  rules: Rules,
  holds: (alternative: Alternative, known: (rule: number) => boolean) => boolean,
): boolean[] {
  const known = rules.map(() => false);
  const users = rules.map((): number[] => []);
  for (const [rule, alternatives] of rules.entries()) {
    for (const element of alternatives.flat()) if (element !== null) users[element]?.push(rule);
  }
  const todo = [...rules.keys()];
  for (let rule = todo.pop(); rule !== undefined; rule = todo.pop()) {
    if (known[rule] || rules[rule]?.some((a) => holds(a, (other) => known[other] === true)) !== true) continue;
    known[rule] = true;
    todo.push(...(users[rule] ?? []));
  }
  return known;
}

interface Edge {
  readonly to: number;
  /** True when nothing follows in the alternative. */
  readonly last: boolean;
}

/** Rules that can stand leftmost in an alternative. */
function leftmost(alternative: Alternative, empty: readonly boolean[]): Edge[] {
  const out: Edge[] = [];
  for (const [i, element] of alternative.entries()) {
    if (element === null) break;
    out.push({ to: element, last: i === alternative.length - 1 });
    if (!empty[element]) break;
  }
  return out;
}

/**
 * Number of the strongly connected component of each rule; rules without a cycle have one of their own, and a rule
 * that leads to itself shares its own. Components come in reverse topological order (Tarjan, without recursion).
 */
function stronglyConnected(edges: readonly (readonly Edge[])[]): number[] {
  const order = edges.map(() => -1);
  const low = edges.map(() => 0);
  const component = edges.map(() => -1);
  const open: number[] = [];
  let visited = 0;
  let components = 0;
  for (const root of edges.keys()) {
    const path: { rule: number; next: number }[] = order[root] === -1 ? [{ rule: root, next: 0 }] : [];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { rule } = top;
      if (order[rule] === -1) {
        order[rule] = low[rule] = visited++;
        open.push(rule);
      }
      const edge = edges[rule]?.[top.next++];
      if (edge !== undefined) {
        if (order[edge.to] === -1) path.push({ rule: edge.to, next: 0 });
        else if (component[edge.to] === -1) low[rule] = Math.min(low[rule] ?? 0, order[edge.to] ?? 0);
        continue;
      }
      path.pop();
      const parent = path.at(-1)?.rule;
      if (parent !== undefined) low[parent] = Math.min(low[parent] ?? 0, low[rule] ?? 0);
      if (low[rule] !== order[rule]) continue;
      for (let member = open.pop(); member !== undefined; member = open.pop()) {
        component[member] = components;
        if (member === rule) break;
      }
      components++;
    }
  }
  return component;
}

/** Steps of the costliest expansion: every path counts, but a cycle is walked once. */
function expansionSteps(edges: readonly (readonly Edge[])[], component: readonly number[]): number {
  const steps: number[] = [];
  const members = new Map<number, number[]>();
  for (const [rule, c] of component.entries()) members.set(c, [...(members.get(c) ?? []), rule]);
  for (const c of [...members.keys()].sort((a, b) => a - b)) {
    let total = 0;
    for (const rule of members.get(c) ?? []) {
      total += 1;
      for (const { to } of edges[rule] ?? []) {
        const other = component[to] ?? 0;
        if (other !== c) total += steps[other] ?? 0;
      }
    }
    steps[c] = total;
  }
  return steps.reduce((most, n) => Math.max(most, n), 0);
}

function invalid(reason: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_GRAMMAR', `the grammar cannot be used: ${reason}`);
}
