// Says in our own words what is wrong with a guard. Unaware of how guards are read and typed.

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
  pattern: 'pipeline::when-syntax',
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
    case 'syntax':
      return {
        message: 'This is not a CEL expression.',
        reason:
          expression[span.start] === '=' ? 'A single `=` compares nothing; equality is `==`.' : explainSyntax(subject),
        remedy: 'Write a comparison such as `manager.name == "pip"`; join several by `&&` and `||`.',
      };
    case 'pattern':
      return whyNoPattern(subject);
    case 'type':
      return explainType(subject);
  }
}

function explainHyphen(name: string, behind: string): Words {
  const port = /^\s*\.([A-Za-z_]\w*)/.exec(behind)?.[1] ?? 'port';
  return {
    message: `\`${name}\` is read as a subtraction here.`,
    reason: 'In CEL a bare `-` is minus, also inside what is a name elsewhere in this file.',
    remedy: `Write \`nodes["${name}"].${port}\`.`,
  };
}

function explainNode(name: string, { params, drafts, suggester }: CheckContext): Words {
  const ids = drafts.map(({ id }) => id);
  return {
    message: `There is no node \`${name}\`.`,
    remedy: params.declared.has(name) ? `Write \`params.${name}\` for the param.` : suggester.remedy(name, ids, 'node'),
  };
}

function explainBareName(name: string, { indexOf }: CheckContext): Words {
  const isNode = indexOf.has(name);
  return {
    message: isNode
      ? `\`${name}\` is a node, not a value.`
      : `\`${name}\` must be followed by a name that is written out.`,
    reason: 'A `when` reads outputs of nodes, and which ones must be known before anything runs.',
    remedy: isNode
      ? `Name one of its outputs: \`${name}.PORT\`.`
      : 'Write `nodes["NAME"].PORT`, `params.NAME` or `run.mode`.',
  };
}

function explainSyntax(said: string): string {
  if (said.startsWith('the expression is ')) return `T${said.slice(1)}.`;
  if (/EOF/.test(said)) return 'It ends too early: something is missing at the end.';
  if (/Unterminated/.test(said)) return 'A text is not closed: its second quote is missing.';
  if (/escape/i.test(said)) return 'A backslash sequence in a text is not known; double the backslash.';
  const token = /token: (.+)$/i.exec(said)?.[1];
  if (token !== undefined) return `\`${token}\` does not fit at this place.`;
  return 'Here it cannot be read any further.';
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
      message: `\`${operator}\` cannot be applied to ${inWords(left)} and ${inWords(right)}.`,
      remedy: mixes
        ? 'Write the number with a fraction, as `2.0`.'
        : right === 'int' && left === 'string'
          ? 'Put quotes around the number: the value is text.'
          : 'Compare values of one type; `string()`, `int()` and `double()` convert.',
    };
  }
  const call = /matching overload for '(?:[^']*?\.)?(\w+)\((.*)\)'$/.exec(said);
  if (call !== null) {
    const [, name = ''] = call;
    const isKnown = FUNCTIONS.includes(name);
    return {
      message: isKnown ? `\`${name}\` does not take these values.` : `There is no function \`${name}\`.`,
      remedy: isKnown
        ? 'Check what it is applied to, for example `manager.name.startsWith("pip")`.'
        : new Suggester().remedy(name, FUNCTIONS, 'function'),
    };
  }
  const yields = /^it yields (.+), not a boolean$/.exec(said)?.[1];
  if (yields !== undefined) {
    return {
      message: `The expression yields ${inWords(yields)}, not true or false.`,
      reason: 'A `when` decides whether the node runs.',
      remedy: 'Compare it with something, for example `manager.name == "pip"`.',
    };
  }
  if (said.startsWith('Logical operator')) {
    return {
      message: '`&&` and `||` need true or false on both sides.',
      remedy: 'Compare the value with something, for example `manager.name == "pip"`.',
    };
  }
  if (/has\(\)/.test(said)) {
    return { message: '`has` takes one output of a node.', remedy: 'Write `has(node.port)`.' };
  }
  if (/same type|wrong type/.test(said)) {
    return { message: 'The entries of a list or mapping have different types.', remedy: 'Give all of them one type.' };
  }
  return { message: 'The types of this expression do not fit.', remedy: 'Compare values of one type.' };
}

function inWords(type: string): string {
  if (type.startsWith('list')) return 'a list';
  if (type.startsWith('map') || type.startsWith('Outputs')) return 'a mapping';
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    int: 'a whole number',
    double: 'a number',
    bool: 'true or false',
    null: 'null',
    dyn: 'any value',
  };
  return Object.hasOwn(names, type) ? (names[type] ?? type) : type;
}
