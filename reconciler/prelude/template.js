// Evaluates the texts of one template with lodash's own template function.
// Trusted, evaluated once; each call of render runs in a process of its own.
(() => {
  'use strict';

  const lodash = globalThis._;
  const yaml = globalThis.jsyaml;
  delete globalThis.jsyaml;

  // Taken aside, because a template may change what the names stand for.
  const compile = lodash.template;
  const replace = Function.prototype.call.bind(String.prototype.replace);
  const parse = JSON.parse;
  const define = Object.defineProperty;
  const isPrototypeOf = Function.prototype.call.bind(Object.prototype.isPrototypeOf);
  const kinds = [
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
    InternalError,
    Error,
  ].map((kind) => kind.prototype);

  const OUT_OF_MEMORY = kinds.indexOf(InternalError.prototype);
  const TAG = /<%([-=]?)([\s\S]+?)%>|\$\{([^\\}]*(?:\\.[^\\}]*)*)\}/g;

  const kindOf = (fault) => {
    // What the engine throws when there is no memory left for an error.
    if (fault === null) return OUT_OF_MEMORY;
    for (let at = 0; at < kinds.length; at += 1) {
      if (isPrototypeOf(kinds[at], fault)) return at;
    }
    return -1;
  };

  const numbered = (text) => {
    let count = 0;
    return replace(text, TAG, (_tag, sign, code, short) => {
      count += 1;
      if (short !== undefined) return `\${__at(${count}),${short}}`;
      return `<%${sign}__at(${count})${sign === '' ? ';' : ','}${code}%>`;
    });
  };

  // Which expression fails; 0 when it does not fail again.
  const expressionOf = (text, values) => {
    let reached = 0;
    try {
      const at = (count) => {
        reached = count;
      };
      compile(numbered(text), { imports: { yaml, __at: at } })(values);
    } catch {
      return reached;
    }
    return 0;
  };

  globalThis.render = (request) => {
    const { texts, entries, binary } = parse(request);
    let touched = -1;
    const refusal = {};
    for (let at = 0; at < binary.length; at += 1) {
      define(entries, binary[at], {
        configurable: true,
        enumerable: true,
        get() {
          touched = at;
          throw refusal;
        },
      });
    }
    const values = { data: entries };
    const made = [];
    for (let at = 0; at < texts.length; at += 1) {
      let compiled;
      try {
        compiled = compile(texts[at], { imports: { yaml } });
      } catch (fault) {
        return { failed: at, kind: kindOf(fault), compiles: false };
      }
      try {
        made[at] = `${compiled(values)}`;
      } catch (fault) {
        if (fault === refusal) return { failed: at, binary: touched };
        const kind = kindOf(fault);
        return { failed: at, kind, compiles: true, expression: expressionOf(texts[at], values) };
      }
    }
    return { made };
  };
})();
