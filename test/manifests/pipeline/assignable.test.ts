import { expect } from 'chai';
import * as fc from 'fast-check';
import { accepts, whyNotAssignable } from '../../../src/manifests/pipeline/assignable.js';

const text = { type: 'string' };
const whole = { type: 'integer' };
const number = { type: 'number' };
const tree = { type: 'string', format: 'output-tree' };
const tool = { type: 'string', format: 'tool-tree' };
const object = (properties: object, required: readonly string[] = [], more: unknown = false): object => ({
  type: 'object',
  properties,
  required,
  additionalProperties: more,
});

describe('assignability of schemas', () => {
  const fits = (from: unknown, to: unknown): void => {
    expect(whyNotAssignable(from, to)).to.equal(undefined);
  };
  const clashes = (from: unknown, to: unknown, reason?: string): void => {
    const why = whyNotAssignable(from, to);
    expect(why).to.be.a('string');
    if (reason !== undefined) expect(why).to.equal(reason);
  };

  it('compares types', () => {
    fits(text, text);
    fits(text, {});
    fits(text, { description: 'anything' });
    fits(whole, number);
    clashes(number, whole);
    clashes(text, number, 'expected a number, got a string');
    clashes({}, text, 'expected a string, got any value');
    fits(text, { type: ['string', 'null'] });
    clashes({ type: ['string', 'null'] }, text);
    fits({ type: ['integer', 'null'] }, { type: ['null', 'number'] });
  });

  it('distinguishes trees from strings and from each other', () => {
    fits(tree, { type: 'string', format: 'output-tree', description: 'x' });
    clashes(tree, text);
    clashes(text, tree);
    clashes(tree, tool, 'expected a tool tree, got an output tree');
    fits(tree, {});
    clashes({ enum: ['a'] }, tree);
  });

  it('compares the values of enums and consts', () => {
    fits({ enum: ['a', 'b'] }, text);
    fits({ type: 'string', enum: ['a'] }, { enum: ['a', 'b'] });
    fits({ const: 1 }, whole);
    fits({ const: 'abc' }, { type: 'string', pattern: '^a' });
    clashes({ const: 'xbc' }, { type: 'string', pattern: '^a' });
    clashes({ enum: ['a', 'c'] }, { enum: ['a', 'b'] }, 'expected one of "a", "b", but it can be "c"');
    clashes(text, { enum: ['a'] }, 'expected "a", got a string');
    clashes({ enum: ['a', 1] }, text);
  });

  it('compares lists by their entries', () => {
    fits({ type: 'array', items: whole }, { type: 'array', items: number });
    fits({ type: 'array', items: text }, { type: 'array' });
    clashes({ type: 'array' }, { type: 'array', items: text });
    const expected = 'expected an integer in each entry, got a string';
    clashes({ type: 'array', items: text }, { type: 'array', items: whole }, expected);
    clashes({ type: 'array', items: text }, text);
    fits(
      { type: 'array', prefixItems: [text, whole], items: false },
      { type: 'array', prefixItems: [text, number], items: false },
    );
    clashes({ type: 'array', prefixItems: [text, text], items: false }, { type: 'array', prefixItems: [text, whole] });
  });

  it('compares mappings by their fields', () => {
    fits(object({ a: text, b: whole }, ['a', 'b']), object({ a: text, b: number }, ['a']));
    fits(object({ a: text }, ['a']), object({ a: text, b: text }, ['a']));
    clashes(object({ a: text }), object({ a: text }, ['a']), 'the field `a` is required, but may be missing');
    clashes(object({}), object({ a: text }, ['a']), 'the field `a` is required, but is missing');
    clashes(object({ a: text, b: text }), object({ a: text }), 'the field `b` is not accepted');
    clashes(
      object({ a: object({ b: text }) }),
      object({ a: object({ b: whole }) }),
      'expected an integer in `a.b`, got a string',
    );
    clashes(object({ a: text }, [], true), object({ a: text }));
    fits(object({ a: text }, [], true), object({ a: text }, [], true));
    clashes(object({}, [], text), object({ a: whole }, [], true));
    clashes(object({ a: text }), object({}, [], whole));
  });

  it('requires every alternative of the producer to match an alternative of the consumer', () => {
    fits({ anyOf: [text, whole] }, { anyOf: [number, text] });
    clashes({ anyOf: [text, whole] }, text);
    clashes({ oneOf: [tree, tool] }, tree);
    fits({ anyOf: [tree, tree] }, tree);
    fits(text, { allOf: [{}, text] });
    clashes(text, { allOf: [text, whole] });
  });

  it('never allows a value that the consumer does not accept', () => {
    // Schemas without limits inside a type, so that the comparison covers everything.
    const { schema } = fc.letrec((tie) => ({
      schema: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom<object>(text, whole, number, { type: 'boolean' }, { type: 'null' }, {}),
        fc.record({ enum: fc.uniqueArray(fc.constantFrom('a', 'b', 1, 2, 1.5, true, null), { minLength: 1 }) }),
        fc.record({ type: fc.constant('array'), items: tie('schema') }),
        fc
          .tuple(
            fc.dictionary(fc.constantFrom('a', 'b'), tie('schema')),
            fc.subarray(['a', 'b']),
            fc.constantFrom<unknown>(false, true, text),
          )
          .map(([properties, required, more]) => object(properties as object, required, more)),
        fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
        fc.record({ type: fc.uniqueArray(fc.constantFrom('string', 'integer', 'null'), { minLength: 1 }) }),
      ),
    }));
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom<unknown>('a', 'b', 'c', 1, 2, 1.5, true, false, null),
        fc.array(tie('value'), { maxLength: 2 }),
        fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 2 }),
      ),
    }));
    fc.assert(
      fc.property(schema, schema, fc.array(value, { minLength: 20, maxLength: 20 }), (from, to, values) => {
        if (whyNotAssignable(from, to) !== undefined) return;
        for (const item of values)
          if (accepts(from, item)) expect(accepts(to, item), JSON.stringify(item)).to.equal(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('treats every schema as assignable to itself', () => {
    for (const schema of [text, tree, object({ a: tree }, ['a'], true), { anyOf: [text, whole] }, { $ref: '#/x' }]) {
      fits(structuredClone(schema), schema);
    }
  });
});
