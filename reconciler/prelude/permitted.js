// Tests texts against the regular expressions of a namespace's annotations.
globalThis.permitted = (request) => {
  'use strict';
  const { pattern, texts, whole } = JSON.parse(request);
  let expression;
  try {
    expression = new RegExp(pattern);
    // Only once it is known to be whole by itself: `a)|(b` becomes valid between our brackets.
    if (whole) expression = new RegExp(`^(?:${pattern})$`);
  } catch {
    return { valid: false, matches: [] };
  }
  return { valid: true, matches: texts.map((text) => expression.test(text)) };
};
