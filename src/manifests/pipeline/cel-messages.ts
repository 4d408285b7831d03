// Explains what is wrong with a guard.

import { whyNoPattern } from '../text-pattern.js';
import type { CELProblem } from './cel-names.js';
import type { CheckContext } from './check-context.js';
import { RUN_FACTS } from './params.js';
import { Suggester, type Path, type Problem } from './problem.js';

type Words = Pick<Problem, 'message' | 'reason' | 'remedy'>;

export function reportCEL(
  problem: CELProblem,
  { path, expression }: { readonly path: Path; readonly expression: string },
  context: CheckContext,
): void {
  const { span } = problem;
  context.report({ code: CODES[problem.kind], path, span, ...explain(problem, expression, context) });
}

const CODES: Readonly<Record<CELProblem['kind'], string>> = {
  hyphen: 'pipeline::when-hyphen',
  'unknown-node': 'pipeline::unknown-node',
  'unknown-param': 'pipeline::unknown-param',
  'unknown-fact': 'pipeline::unknown-fact',
  bare: 'pipeline::when-type',
  syntax: 'pipeline::when-syntax',
  limit: 'pipeline::when-syntax',
  pattern: 'pipeline::when-syntax',
  'not-boolean': 'pipeline::when-type',
  type: 'pipeline::when-type',
};

function explain({ kind, subject, span }: CELProblem, expression: string, context: CheckContext): Words {
  const { suggester, params } = context;
  switch (kind) {
    case 'hyphen':
      return explainHyphen(subject, expression.slice(span.end));
    case 'unknown-node':
      return explainNode(subject, context);
    case 'unknown-param':
      return {
        message: `There is no param \`${subject}\`.`,
        remedy: suggester.remedy(subject, params.declared.keys(), 'param'),
      };
    case 'unknown-fact':
      return {
        message: `There is no \`run.${subject}\`.`,
        remedy: suggester.remedy(subject, RUN_FACTS, 'fact'),
      };
    case 'bare':
      return explainBareName(subject, context);
    case 'limit':
      return invalid(`${subject}.`);
    case 'syntax':
      return invalid(expression[span.start] === '=' ? 'CEL compares with `==`, not with `=`.' : explainSyntax(subject));
    case 'pattern':
      return whyNoPattern(subject);
    case 'not-boolean':
      return {
        message: `The expression evaluates to ${inWords(subject)}, not to a boolean.`,
        reason: 'The node runs only if its `when` is true.',
        remedy: 'Compare the value with another one, for example `manager.name == "pip"`.',
      };
    case 'type':
      return explainType(subject);
  }
}

const invalid = (reason: string): Words => ({
  message: 'This `when` is not a valid CEL expression.',
  reason,
  remedy: 'Write a comparison such as `manager.name == "pip"`. Combine comparisons with `&&` and `||`.',
});

function explainHyphen(name: string, behind: string): Words {
  const port = /^\s*\.([A-Za-z_]\w*)/.exec(behind)?.[1] ?? 'port';
  return {
    message: `CEL reads \`${name}\` as a subtraction.`,
    reason: 'In a CEL expression, `-` is the minus operator, even inside the name of a node.',
    remedy: `Write \`nodes["${name}"].${port}\`.`,
  };
}

function explainNode(name: string, { params, drafts, suggester }: CheckContext): Words {
  const ids = drafts.map(({ id }) => id);
  return {
    message: `There is no node \`${name}\`.`,
    remedy: params.declared.has(name)
      ? `To read the param, write \`params.${name}\`.`
      : suggester.remedy(name, ids, 'node'),
  };
}

function explainBareName(name: string, { indexOf }: CheckContext): Words {
  const isNode = indexOf.has(name);
  return {
    message: isNode ? `\`${name}\` is a node, not a value.` : `\`${name}\` must be followed by a literal name.`,
    reason: 'pyflow must know before the run which values a `when` reads.',
    remedy: isNode
      ? `Name one of its outputs: \`${name}.PORT\`.`
      : 'Write `nodes["NAME"].PORT`, `params.NAME` or `run.mode`.',
  };
}

function explainSyntax(said: string): string {
  if (/EOF/.test(said)) return 'The expression ends too early.';
  if (/Unterminated/.test(said)) return 'A string has no closing quote.';
  if (/escape/i.test(said)) return 'A string contains an unknown escape sequence; write `\\\\` for a backslash.';
  const token = /token: (.+)$/i.exec(said)?.[1];
  if (token !== undefined) return `CEL does not expect \`${token}\` here.`;
  return 'CEL stops parsing here.';
}

const FUNCTIONS =
  'contains endsWith startsWith matches size indexOf substring split join exists all filter map string int double has'.split(
    ' ',
  );

function explainType(said: string): Words {
  const overload = /^no such overload: (.+)$/.exec(said)?.[1]?.replaceAll(/dyn<(.+?)>/g, '$1');
  const binary = overload === undefined ? null : /^(\S+(?:, \S+)?) (\S+) (.+)$/.exec(overload);
  if (binary) {
    const [, left = '', operator = '', right = ''] = binary;
    const mixes = [left, right].sort().join() === 'double,int';
    return {
      message: `\`${operator}\` can't be applied to ${inWords(left)} and ${inWords(right)}.`,
      remedy: mixes
        ? 'Write the number with a decimal point, such as `2.0`.'
        : right === 'int' && left === 'string'
          ? 'Put quotes around the number, because the value is a string.'
          : 'Compare values of the same type. `string()`, `int()` and `double()` convert values.',
    };
  }
  const call = /matching overload for '(?:[^']*?\.)?(\w+)\((.*)\)'$/.exec(said);
  if (call !== null) {
    const [, name = ''] = call;
    const isKnown = FUNCTIONS.includes(name);
    return {
      message: isKnown ? `\`${name}\` doesn't accept these arguments.` : `There is no function \`${name}\`.`,
      remedy: isKnown
        ? 'Check its arguments. An example: `manager.name.startsWith("pip")`.'
        : new Suggester().remedy(name, FUNCTIONS, 'function'),
    };
  }
  if (said.startsWith('Logical operator')) {
    return {
      message: '`&&` and `||` need a boolean on both sides.',
      remedy: 'Compare the value with another one, for example `manager.name == "pip"`.',
    };
  }
  if (/has\(\)/.test(said)) {
    return { message: '`has` accepts only an output of a node.', remedy: 'Write `has(NODE.PORT)`.' };
  }
  if (/same type|wrong type/.test(said)) {
    return {
      message: 'The entries of a list or mapping have different types.',
      remedy: 'Give all entries the same type.',
    };
  }
  return { message: 'The expression has a type error.', remedy: 'Compare values of the same type.' };
}

function inWords(type: string): string {
  if (type.startsWith('list')) return 'a list';
  if (type.startsWith('map') || type.startsWith('Outputs')) return 'a mapping';
  const names: Readonly<Record<string, string>> = {
    string: 'a string',
    int: 'an integer',
    double: 'a number',
    bool: 'a boolean',
    null: 'null',
    dyn: 'any value',
  };
  return Object.hasOwn(names, type) ? (names[type] ?? type) : type;
}
