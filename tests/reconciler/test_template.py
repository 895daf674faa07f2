import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from externalsecret.errors import GiveUp
from externalsecret.redacted import Redacted
from reconciler.expressions import is_evaluated
from reconciler.javascript import JavaScript, Limits
from reconciler.provide import provide_scripts
from reconciler.scripts import load_scripts
from reconciler.template import render_template, template_engine

CANARY = "cAnArY-4711"
DATA = {
    "password": CANARY,
    "user": "anna",
    "accent": "café ☃ 😀",
    "json": '{"a":{"b":"deep"},"list":["x","y"],"num":1.50,"html":"<&>"}',
    "with-dash": "dashed",
    "empty": "",
    "quote": "'\"\\\n",
}


def engine_with(limits: Limits) -> Iterator[JavaScript]:
    folder = provide_scripts()
    engine = template_engine(lambda: load_scripts([folder]), limits)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[JavaScript]:
    yield from engine_with(Limits(cpu=20, wall=60))


@pytest.fixture(scope="module")
def impatient() -> Iterator[JavaScript]:
    yield from engine_with(Limits(cpu=0.3, wall=60))


def red(entries: Mapping[str, str | bytes]) -> dict[str, Redacted]:
    return {
        name: Redacted(value if isinstance(value, bytes) else value.encode())
        for name, value in entries.items()
    }


def shown(value: Any) -> Any:
    if isinstance(value, Redacted):
        return value.reveal().decode()
    if isinstance(value, Mapping):
        return {name: shown(member) for name, member in value.items()}
    return value


def evaluated(engine: JavaScript, text: str, data: Mapping[str, str | bytes] = DATA) -> str:
    rendered = render_template({"stringData": {"x": text}}, red(data), engine)
    value = rendered["stringData"]["x"]
    assert isinstance(value, Redacted)
    return value.reveal().decode()


def refusal(engine: JavaScript, text: str, data: Mapping[str, str | bytes] = DATA) -> str:
    with pytest.raises(GiveUp) as refused:
        evaluated(engine, text, data)
    error: BaseException | None = refused.value
    while error is not None:
        assert CANARY not in repr(error)
        assert CANARY not in str(error)
        error = error.__cause__ or error.__context__
    return refused.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<%= data.user %>", "anna"),
        ("${data.user}", "anna"),
        ("a ${ data.user } b <%= data.user %> c", "a anna b anna c"),
        ("<%- data.html %>", "&lt;&amp;&gt;&quot;&#39;"),
        ("<%= null %>|<%= undefined %>|<%- null %>|${undefined}|<%= 0 %>|<%= false %>",
         "||||0|false"),
        ("<% if (data.user === 'anna') { %>yes<% } else { %>no<% } %>", "yes"),
        ("<% print(data.user, '!') %>", "anna!"),
        ("<%= data.missing %>", ""),
        ('<%= data["with-dash"] %>', "dashed"),
        ("<%= data.accent %>", "café ☃ 😀"),
        ("<%= data.quote %>", "'\"\\\n"),
        ("<%= JSON.parse(data.json).a.b %>", "deep"),
        ("<%= JSON.parse(data.json).num %>", "1.5"),
        ("<%= JSON.stringify({u: data.user}) %>", '{"u":"anna"}'),
        ("<% JSON.parse(data.json).list.forEach((e, i) => { %><%= i %>:<%= e %>;<% }) %>",
         "0:x;1:y;"),
        ("<% for (var k in {p: 1, q: 2}) { %><%= k %>,<% } %>", "p,q,"),
        ("<%= yaml.dump(JSON.parse(data.json)) %>",
         "a:\n  b: deep\nlist:\n  - x\n  - 'y'\nnum: 1.5\nhtml: <&>\n"),
        ("<%= yaml.safeLoad('k: [1, 2]').k[1] %>", "2"),
        ("<%= yaml.safeDump({a: [1]}) %>", "a:\n  - 1\n"),
        ("<%= _.toUpper(data.user) %><%= _.get(JSON.parse(data.json), 'a.b') %>", "ANNAdeep"),
        ("<%= Object.keys(data).length %>", "8"),
        ('<%= Buffer.from("é").toString("base64") %>', "w6k="),
        ('<%= Buffer.from("w6k", "base64").toString() %>', "é"),
        ('<%= Buffer.from("w6k=", "base64").toString("hex") %>', "c3a9"),
        ("<%= Buffer.from(data.user + ':' + data.user).toString('base64') %>", "YW5uYTphbm5h"),
        ("<%= data.user.replace(/n/g, 'm') + '-' + 1 %>", "amma-1"),
        ("<%= typeof process + typeof require + typeof std + typeof os %>", "undefined" * 4),
        ("plain <% not closed", "plain <% not closed"),
        ("<%= 'a'.repeat(300) + data.user %>", "a" * 300 + "anna"),
        ("<%= '\\ud800' %>", "\ufffd"),
        ("<%= '\\u0000' %>x", "\0x"),
    ],
)  # fmt: skip
def test_an_expression_gives_what_lodash_gives(
    engine: JavaScript, text: str, expected: str
) -> None:
    assert evaluated(engine, text, {**DATA, "html": "<&>\"'"}) == expected


def test_a_docker_login_is_assembled_as_users_do_it(engine: JavaScript) -> None:
    text = """{"auths":{"<%= data.user %>.example":{"auth":
    "<%= Buffer.from(data.user + ":" + data.password).toString("base64") %>"}}}"""
    login = json.loads(evaluated(engine, text))
    auth = base64.b64decode(login["auths"]["anna.example"]["auth"]).decode()
    assert auth == f"anna:{CANARY}"


def test_every_text_in_nested_maps_is_evaluated_and_nothing_else(engine: JavaScript) -> None:
    template = {
        "type": "<%= data.user %>",
        "immutable": True,
        "metadata": {
            "labels": {"<%= data.user %>": "${data.user}", "plain": "text"},
            "annotations": {"type": "<%= data.user %>", "none": "", "absent": None},
            "ownerReferences": [{"name": "<%= data.user %>"}, "${data.user}", 7],
        },
        "deep": {"er": {"still": "<%= data.user %>", "number": 1.5}},
    }
    rendered = render_template(template, red(DATA), engine)
    assert shown(rendered) == {
        "type": "<%= data.user %>",
        "immutable": True,
        "metadata": {
            "labels": {"<%= data.user %>": "anna", "plain": "text"},
            "annotations": {"type": "anna", "none": "", "absent": None},
            "ownerReferences": [{"name": "<%= data.user %>"}, "${data.user}", 7],
        },
        "deep": {"er": {"still": "anna", "number": 1.5}},
    }
    assert "anna" not in repr(rendered)


def test_a_template_without_expressions_starts_no_engine() -> None:
    def never() -> list[str]:
        raise AssertionError

    template = {"metadata": {"labels": {"a": "100% $plain"}}}
    assert not is_evaluated(template)
    assert render_template(template, red(DATA), template_engine(never)) is template


def test_a_binary_entry_hurts_only_the_template_that_touches_it(engine: JavaScript) -> None:
    data: dict[str, str | bytes] = {"user": "anna", "key": b"\xff\xfe"}
    assert evaluated(engine, "<%= data.user + ('key' in data) %>", data) == "annatrue"
    assert refusal(engine, "<%= data.key %>", data) == (
        "spec.template.stringData.x uses data['key'], which is binary and no UTF-8 text. "
        "Leave it out of the template, or store it as base64 text."
    )
    assert "data['key']" in refusal(engine, "<%= JSON.stringify(data) %>", data)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<% throw data.password %>", "something that is no Error in expression 1"),
        ("<%= null[data.password] %>", "TypeError in expression 1"),
        ("a <%= data.user %> b <%= null[data.password] %>", "TypeError in expression 2"),
        ("${data.user}${nobody}", "ReferenceError in expression 2"),
        ("<%= JSON.parse(data.password) %>", "SyntaxError in expression 1"),
        ("<% throw new Error(data.password) %>", "evaluated: Error in expression 1"),
        ("<% throw Object.assign(new Error(''), {name: data.password}) %>", "Error in expression"),
        ("<% throw {stack: data.password, toString() { return data.password }} %>", "no Error"),
        ("<% class E extends TypeError {}; E.prototype.name = data.password; throw new E() %>",
         "TypeError in expression 1"),
        ("<% throw new Proxy({}, {getPrototypeOf() { throw data.password }}) %>", "needs too much"),
        ("<% Error.prepareStackTrace = () => data.password; null.x %>", "TypeError in expression"),
        ("<% eval('\"' + data.password) %>", "SyntaxError in expression 1"),
        (f"<%= '{CANARY} %>", "does not compile (SyntaxError)"),
        (f"<% if (true) {{ %>{CANARY}", "does not compile (SyntaxError)"),
        ("<% process.exit() %>", "ReferenceError"),
        ("<% require('fs') %>", "ReferenceError"),
        ("<% __at(99); null.x %>", "evaluated: ReferenceError"),
        ("<% Array.prototype.toJSON = () => data.password %>", "broke the engine"),
        ("<% Object.prototype.toJSON = () => ({failed: 0, kind: data.password}) %>", "not compile"),
        ("<% Object.prototype.toJSON = () => ({failed: 0, compiles: true, expression: 9}) %>",
         "evaluated: something that is no Error."),
        ("<% yaml.safeLoad(data.password + ': [') %>", "evaluated: Error in expression 1"),
        ("<% (function f() { f() })() %>", "RangeError"),
        ("<% [].concat(...Array(1e6).fill('x'.repeat(1e6)).map((x, i) => x + i)) %>",
         "too much memory"),
        ("<% let a = []; for (;;) a.push('x'.repeat(1e5) + a.length) %>", "too much memory"),
        ("<%= 'x'.repeat(1e8) %>", "too much memory"),
        ("<%= 'x'.repeat(9e6) %>", "makes too much text"),
        ("<% while (true) {} %>", "needs too much time"),
        ("<% try { while (true) {} } catch (e) {} finally { while (true) {} } %>", "too much time"),
        ("<%= /(a+)+$/.test('a'.repeat(40) + 'b') %>", "needs too much time"),
        ("<%= new Array(4294967295).join('x') %>", "needs too much time"),
        ("<% new RegExp('('.repeat(1e6)) %>", "SyntaxError"),
        ("<% JSON.parse('['.repeat(1e6)) %>", "RangeError"),
    ],
)  # fmt: skip
def test_a_failing_template_tells_class_and_place_and_the_next_one_works(
    engine: JavaScript, impatient: JavaScript, text: str, words: str
) -> None:
    asked = impatient if "time" in words else engine
    assert words in refusal(asked, text)
    assert evaluated(asked, "<%= data.user %>") == "anna"


def test_what_one_template_changes_no_other_sees(engine: JavaScript) -> None:
    tricks = """<%
      Object.prototype.user = data.password; String.prototype.replace = () => data.password;
      globalThis.kept = data.password; _.template = () => () => data.password;
      JSON.parse = () => ({a: data.password}); Buffer.from = null; data.user = data.password;
      data.__proto__.x = 1; _.templateSettings.imports.kept = 1;
    %>done"""
    assert evaluated(engine, tricks) == "done"
    probe = "<%= [typeof kept, ({}).user, data.user.replace('a', 'A'), typeof Buffer.from] %>"
    assert evaluated(engine, probe) == "undefined,,Anna,function"


def test_a_hundred_megabytes_of_output_are_refused(engine: JavaScript) -> None:
    text = "<% for (let i = 0; i < 100; i++) { %><%= 'x'.repeat(1e6) %><% } %>"
    assert "too much memory" in refusal(engine, text)


def test_a_template_that_is_nested_too_deep_is_refused(engine: JavaScript) -> None:
    template: dict[str, Any] = {"x": "<%= 1 %>"}
    for _ in range(3000):
        template = {"x": template}
    with pytest.raises(GiveUp, match="nested deeper than 100"):
        render_template(template, {}, engine)


def test_a_place_is_named_also_where_the_key_is_no_word(engine: JavaScript) -> None:
    template = {"metadata": {"annotations": {"example.org/a": "<%= x.y %>"}}}
    with pytest.raises(GiveUp) as refused:
        render_template(template, {}, engine)
    assert refused.value.message == (
        "spec.template.metadata.annotations['example.org/a'] cannot be evaluated: ReferenceError "
        "in expression 1 (a name in it is not known; known are data, yaml, _, JSON and Buffer)."
    )
