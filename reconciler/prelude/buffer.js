// A little of Node's Buffer: what templates use to go between text, base64 and hex.
// Trusted, evaluated once before any template.
(() => {
  'use strict';

  const CHUNK = 8192;

  const latin1 = (bytes) => {
    const parts = [];
    for (let at = 0; at < bytes.length; at += CHUNK) {
      parts.push(String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK)));
    }
    return parts.join('');
  };

  const fromLatin1 = (text) => {
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    return bytes;
  };

  // As Node: the first "=" ends the text, both alphabets count, anything else is skipped.
  const fromBase64 = (text) => {
    let low = '';
    for (let at = 0; at < text.length; at += CHUNK) {
      low += latin1(fromLatin1(text.slice(at, at + CHUNK)));
    }
    let meant = low.split('=', 1)[0].replace(/-/g, '+').replace(/_/g, '/');
    meant = meant.replace(/[^A-Za-z0-9+/]/g, '');
    if (meant.length % 4 === 1) meant = meant.slice(0, -1);
    return Uint8Array.fromBase64(meant, { lastChunkHandling: 'loose' });
  };

  const fromHex = (text) => {
    const meant = /^(?:[0-9a-fA-F]{2})*/.exec(text)[0];
    return Uint8Array.fromHex(meant);
  };

  // The text of bytes that may be no UTF-8: U+FFFD for each maximal part of a sequence.
  const lenientUtf8 = (bytes) => {
    const parts = [];
    let at = 0;
    while (at < bytes.length) {
      const first = bytes[at];
      at += 1;
      if (first < 0x80) {
        parts.push(String.fromCharCode(first));
        continue;
      }
      const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
      if (first < 0xc2 || first > 0xf4) {
        parts.push('\ufffd');
        continue;
      }
      let least = 0x80;
      let most = 0xbf;
      if (first === 0xe0) least = 0xa0;
      if (first === 0xed) most = 0x9f;
      if (first === 0xf0) least = 0x90;
      if (first === 0xf4) most = 0x8f;
      let point = first & (0x3f >> more);
      let taken = 0;
      while (taken < more && bytes[at] >= least && bytes[at] <= most) {
        point = (point << 6) | (bytes[at] & 0x3f);
        at += 1;
        taken += 1;
        least = 0x80;
        most = 0xbf;
      }
      parts.push(taken === more ? String.fromCodePoint(point) : '\ufffd');
    }
    return parts.join('');
  };

  const utf8 = (bytes) => {
    try {
      return decodeURIComponent(escape(latin1(bytes)));
    } catch {
      return lenientUtf8(bytes);
    }
  };

  const utf16 = (bytes) => {
    const units = [];
    for (let at = 0; at + 1 < bytes.length; at += 2) {
      units.push(String.fromCharCode(bytes[at] | (bytes[at + 1] << 8)));
    }
    return units.join('');
  };

  const fromUtf16 = (text) => {
    const bytes = new Uint8Array(text.length * 2);
    for (let at = 0; at < text.length; at += 1) {
      bytes[2 * at] = text.charCodeAt(at);
      bytes[2 * at + 1] = text.charCodeAt(at) >> 8;
    }
    return bytes;
  };

  const UTF8 = {
    encode: (text) => fromLatin1(unescape(encodeURIComponent(text.toWellFormed()))),
    decode: utf8,
  };
  const LATIN1 = { encode: fromLatin1, decode: latin1 };
  const UTF16 = { encode: fromUtf16, decode: utf16 };
  const BASE64URL = { alphabet: 'base64url', omitPadding: true };

  const codecs = new Map([
    ['utf8', UTF8],
    ['utf-8', UTF8],
    ['latin1', LATIN1],
    ['binary', LATIN1],
    ['ascii', { encode: fromLatin1, decode: (bytes) => latin1(bytes.map((b) => b & 0x7f)) }],
    ['base64', { encode: fromBase64, decode: (bytes) => bytes.toBase64() }],
    ['base64url', { encode: fromBase64, decode: (bytes) => bytes.toBase64(BASE64URL) }],
    ['hex', { encode: fromHex, decode: (bytes) => bytes.toHex() }],
    ['ucs2', UTF16],
    ['ucs-2', UTF16],
    ['utf16le', UTF16],
    ['utf-16le', UTF16],
  ]);

  const codec = (encoding) => {
    const found = codecs.get(encoding === undefined ? 'utf8' : String(encoding).toLowerCase());
    if (found === undefined) throw new TypeError('Unknown encoding');
    return found;
  };

  const plain = (buffer) => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);

  class Buffer extends Uint8Array {
    static from(source, encoding) {
      if (typeof source === 'string') return Buffer.#over(codec(encoding).encode(source));
      if (source instanceof ArrayBuffer) return new Buffer(source);
      if (source !== null && typeof source === 'object') {
        const listed = source.type === 'Buffer' && Array.isArray(source.data) ? source.data : source;
        return Buffer.#over(Uint8Array.from(listed));
      }
      throw new TypeError('Buffer.from takes text, bytes or a list');
    }

    static alloc(size) {
      return new Buffer(size);
    }

    static concat(list) {
      const whole = new Buffer(list.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of list) {
        whole.set(part, at);
        at += part.length;
      }
      return whole;
    }

    static isBuffer(value) {
      return value instanceof Buffer;
    }

    static byteLength(value, encoding) {
      return typeof value === 'string' ? codec(encoding).encode(value).length : value.byteLength;
    }

    static #over(bytes) {
      return new Buffer(bytes.buffer, bytes.byteOffset, bytes.length);
    }

    toString(encoding, start = 0, end = this.length) {
      return codec(encoding).decode(plain(this).subarray(start, Math.max(start, end)));
    }

    slice(start, end) {
      return this.subarray(start, end);
    }

    equals(other) {
      return this.length === other.length && this.every((byte, at) => byte === other[at]);
    }

    toJSON() {
      return { type: 'Buffer', data: Array.from(this) };
    }
  }

  globalThis.Buffer = Buffer;
})();
