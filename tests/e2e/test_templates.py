"""spec.template, whole: what users of kubernetes-external-secrets write there."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import psutil

from testbed.installation import HarkProcess
from worlds.spine import await_until, unique
from worlds.whole import DENIED, Running, Whole

DOCKER = """{"auths":{"<%= data.registry %>":{"username":"<%= data.user %>",
"password":"<%= data.password %>",
"auth":"<%= Buffer.from(data.user + ":" + data.password).toString("base64") %>"}}}"""
LOGIN = {"registry": "registry.example", "user": "anna", "password": "first"}


def _login(
    world: Whole, name: str, template: Mapping[str, Any], role: str = "", **more: Any
) -> None:
    """A secret with a login, and an ExternalSecret that reads three members of it."""
    world.create(name, LOGIN)
    data = [{"key": name, "name": one, "property": one} for one in LOGIN]
    world.apply(
        name, {"roleArn": role or world.own_role(), "data": data, "template": template, **more}
    )


def _apart(world: Whole, prefix: str, count: int) -> dict[str, str]:
    """Secrets of one text each; their names by entry."""
    names = {f"e{number}": unique(f"{prefix}{number}") for number in range(count)}
    for entry, name in names.items():
        world.create(name, f"{entry} v1")
    return names


def _items(names: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "name": entry} for entry, name in names.items()]


def _metadata(world: Whole, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (world.secret(name) or {})["metadata"]
    return found


def _decoded(world: Whole, name: str, entry: str) -> str:
    return world.data(name)[entry].decode()


def test_a_docker_login_is_assembled_and_follows_the_password(world: Whole) -> None:
    name = unique("docker")
    template = {
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": DOCKER},
    }
    _login(world, name, template)
    world.await_synced(name)
    assert (world.secret(name) or {})["type"] == "kubernetes.io/dockerconfigjson"

    world.change_and_announce(name, {**LOGIN, "password": "second"})

    def auth() -> str:
        login = json.loads(_decoded(world, name, ".dockerconfigjson"))
        return base64.b64decode(login["auths"]["registry.example"]["auth"]).decode()

    await_until(auth, lambda seen: seen == "anna:second", "the login follows")
    assert world.data(name)["password"] == b"second"
    assert world.value_calls(name) == 2


def test_everything_that_users_write_into_templates_works(world: Whole) -> None:
    name = unique("wild")
    world.create(name, {"user": "anna", "json": {"a": {"b": "deep"}, "list": ["x", "y"]}})
    template = {
        "data": {
            "coded": "<%= Buffer.from(data.user).toString('base64') %>",
            "plain": base64.b64encode(b"plain").decode(),
            "user": base64.b64encode(b"never").decode(),
        },
        "stringData": {
            "written": "<% if (data.user) { %>yes<% } %>",
            "printed": "<%= data.user %>",
            "escaped": "<%- '<' + data.user + '>' %>",
            "short": "${data.user}",
            "deep": "<%= JSON.parse(data.json).a.b %>",
            "yaml": "<%= yaml.dump(JSON.parse(data.json)) %>",
            "loop": "<% JSON.parse(data.json).list.forEach(e => { %>[<%= e %>]<% }) %>",
            "lodash": "<%= _.toUpper(data['user']) %>",
            "absent": None,
        },
        "metadata": {
            "labels": {"user": "<%= data.user %>", "team": "red"},
            "annotations": {"example.org/who": "by ${data.user}"},
            "name": "another",
            "ownerReferences": [{"blockOwnerDeletion": True}],
        },
    }
    world.apply(name, {"roleArn": world.own_role(), "dataFrom": [name], "template": template})
    world.await_synced(name)
    assert world.data(name) == {
        "user": b"anna",
        "json": b'{"a":{"b":"deep"},"list":["x","y"]}',
        "coded": b"anna",
        "plain": b"plain",
        "written": b"yes",
        "printed": b"anna",
        "escaped": b"&lt;anna&gt;",
        "short": b"anna",
        "deep": b"deep",
        "yaml": b"a:\n  b: deep\nlist:\n  - x\n  - 'y'\n",
        "loop": b"[x][y]",
        "lodash": b"ANNA",
    }
    metadata = _metadata(world, name)
    assert metadata["labels"].items() >= {("user", "anna"), ("team", "red")}
    assert metadata["annotations"] == {"example.org/who": "by anna"}
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ExternalSecret", name)
    assert (owner["controller"], owner["blockOwnerDeletion"]) == (True, True)
    assert world.value_calls(name) == 1


def test_the_templates_type_goes_before_the_specs(world: Whole) -> None:
    name = unique("type")
    _login(world, name, {"type": "example.com/template"}, type="example.com/spec")
    world.await_synced(name)
    assert (world.secret(name) or {})["type"] == "example.com/template"


def test_a_text_without_expressions_needs_no_value_read_again(world: Whole) -> None:
    names = _apart(world, "literal", 3)
    name = names["e0"]
    template = {"data": {"x": base64.b64encode(b"one").decode()}, "stringData": {"e1": "mine"}}
    spec = {"roleArn": world.own_role(), "data": _items(names)}
    world.apply(name, {**spec, "template": template})
    world.await_data(name, x=b"one", e0=b"e0 v1", e1=b"mine", e2=b"e2 v1")

    world.change_and_announce(names["e2"], "e2 v2")
    world.await_data(name, x=b"one", e0=b"e0 v1", e1=b"mine", e2=b"e2 v2")
    # Of this one nothing shows in the Secret, which holds the template's own text instead.
    world.await_version(name, world.change_and_announce(names["e1"], "e1 v2"))
    world.edit(name, {"spec": {"template": {"data": {"x": base64.b64encode(b"two").decode()}}}})
    world.await_data(name, x=b"two", e0=b"e0 v1", e1=b"mine", e2=b"e2 v2")
    assert [world.value_calls(one) for one in names.values()] == [1, 2, 2]

    world.edit_secret(name, {"data": {"x": "eA=="}})
    world.await_data(name, x=b"two", e0=b"e0 v1", e1=b"mine", e2=b"e2 v2")

    world.edit(name, {"spec": {"template": None}})
    world.await_data(name, e0=b"e0 v1", e1=b"e1 v2", e2=b"e2 v2")
    world.await_synced(name)
    assert "template" not in world.status(name)


def test_a_template_that_is_edited_alone_is_served_from_what_is_known(world: Whole) -> None:
    name = unique("edited")
    labels = {"one": "<%= data.user %>", "two": "<%= data.user %>"}
    _login(world, name, {"metadata": {"labels": labels}, "stringData": {"x": "${data.user}"}})
    world.await_synced(name)

    world.edit(
        name,
        {
            "spec": {
                "template": {
                    "metadata": {"labels": {"one": "<%= data.user %>-b", "two": None}},
                    "stringData": {"x": None, "y": "${data.user}!"},
                }
            }
        },
    )

    await_until(
        lambda: world.data(name),
        lambda data: data.get("y") == b"anna!" and "x" not in data,
        "the new template is served",
    )
    labels = _metadata(world, name)["labels"]
    assert labels["one"] == "anna-b"
    assert "two" not in labels
    assert world.value_calls(name) == 1


def test_one_of_ten_keys_changes_and_only_that_is_read(world: Whole) -> None:
    names = _apart(world, "ten", 10)
    name = names["e0"]
    text = "<%= _.values(data).sort().join() %>"
    spec = {"roleArn": world.own_role(), "data": _items(names)}
    world.apply(name, {**spec, "template": {"stringData": {"all": text}}})
    world.await_synced(name)
    before = {entry: world.value_calls(one) for entry, one in names.items()}

    world.change_and_announce(names["e5"], "e5 v2")

    every = ",".join(f"e{number} v{2 if number == 5 else 1}" for number in range(10))
    await_until(
        lambda: world.data(name)["all"], lambda seen: seen == every.encode(), "it is followed"
    )
    after = {entry: world.value_calls(one) for entry, one in names.items()}
    assert after == {**before, "e5": before["e5"] + 1}


def test_a_restart_costs_nothing_and_a_change_then_reads_what_the_cache_lacks(
    whole: Whole, scripts: Mapping[str, str]
) -> None:
    quiet = {"DISABLE_POLLING": "", **scripts}
    whole.listener(environment=quiet)
    first = whole.reconciler(environment=quiet)
    names = _apart(whole, "restart", 3)
    name = names["e0"]
    labels = {"first": "<%= data.e0.length %>"}
    template = {"stringData": {"all": "${_.values(data).join()}"}, "metadata": {"labels": labels}}
    whole.apply(name, {"data": _items(names), "roleArn": whole.role, "template": template})
    whole.await_synced(name)
    assert first.terminate() == 0
    before = (whole.get(name), whole.secret(name))

    second = whole.reconciler(environment=quiet)
    await_until(
        lambda: second.metric("hark_reconciler_reconciles_total"), lambda seen: seen >= 1, "it ran"
    )
    assert (whole.get(name), whole.secret(name)) == before
    assert [whole.value_calls(one) for one in names.values()] == [1, 1, 1]
    assert not _jails(second)

    whole.change_and_announce(names["e1"], "e1 v2")
    wanted = {"e0": b"e0 v1", "e1": b"e1 v2", "e2": b"e2 v1", "all": b"e0 v1,e1 v2,e2 v1"}
    whole.await_data(name, **wanted)
    extra = "hark_reconciler_reads_for_templates_total"
    # It is counted when all is written, the ledger too.
    await_until(lambda: second.metric(extra), lambda count: count > 0, "they are counted")
    assert second.metric(extra) == 2
    (jail,) = _jails(second)
    jail.kill()
    whole.await_version(name, whole.change_and_announce(names["e1"], "e1 v3"))
    assert whole.data(name) == {**wanted, "e1": b"e1 v3", "all": b"e0 v1,e1 v3,e2 v1"}
    assert second.metric(extra) == 2
    (jail,) = _jails(second)
    assert second.terminate() == 0
    await_until(jail.is_running, lambda is_there: not is_there, "the engine ends with it")


def _jails(half: HarkProcess) -> list[psutil.Process]:
    """The processes of the script engine."""
    return psutil.Process(half.pid).children()


def test_a_failing_template_keeps_the_secret_and_tells_class_and_place(running: Running) -> None:
    world = running.whole
    name = unique("failing")
    canary = unique("canary")
    _login(world, name, {"stringData": {"x": "<%= data.user %>"}})
    world.await_synced(name)
    before = world.data(name)

    world.edit(name, {"spec": {"template": {"stringData": {"x": "a <% throw data.password %>"}}}})
    world.change_and_announce(name, {**LOGIN, "password": canary})

    sentence = world.await_complaint(name, "TemplateFailed")
    assert sentence == (
        "spec.template.stringData.x cannot be evaluated: something that is no Error in "
        "expression 1."
    )
    assert world.data(name) == before
    for said in (
        running.reconciler.text(),
        running.reconciler.get("/metrics")[1],
        json.dumps(world.get(name)),
        json.dumps(world.everything("events")),
    ):
        assert canary not in said

    world.edit(name, {"spec": {"template": {"stringData": {"x": "<%= data.password %>"}}}})
    await_until(
        lambda: world.data(name).get("x"), lambda seen: seen == canary.encode(), "it is mended"
    )


def test_a_value_that_cannot_be_read_leaves_what_the_template_made(world: Whole) -> None:
    names = _apart(world, "denied", 2)
    name = names["e0"]
    role = world.own_role()
    template = {"stringData": {"both": "${data.e0} and ${data.e1}"}}
    world.apply(name, {"roleArn": role, "data": _items(names), "template": template})
    world.await_synced(name)

    refused = world.refuse(names["e1"], DENIED)
    world.change_and_announce(names["e1"], "e1 v2")
    world.await_reason(name, "Denied")
    world.change_and_announce(names["e0"], "e0 v2")
    world.await_data(name, e0=b"e0 v2", e1=b"e1 v1", both=b"e0 v1 and e1 v1")
    assert names["e1"] in world.await_complaint(name, "Denied")

    refused.retire()
    world.change_and_announce(names["e1"], "e1 v3")
    world.await_data(name, e0=b"e0 v2", e1=b"e1 v3", both=b"e0 v2 and e1 v3")
    world.await_synced(name)


def test_a_loop_without_end_holds_up_no_neighbour(world: Whole) -> None:
    name, neighbour = unique("endless"), unique("neighbour")
    _login(world, name, {"stringData": {"x": "<% while (1) {} %>"}})
    _login(world, neighbour, {"stringData": {"x": "${data.user}"}})
    world.await_synced(neighbour)
    assert "needs too much time" in world.await_complaint(name, "TemplateFailed")
    assert world.secret(name) is None


def test_an_immutable_secret_is_made_and_its_change_is_refused_clearly(world: Whole) -> None:
    name = unique("immutable")
    _login(world, name, {"immutable": True})
    world.await_synced(name)
    assert (world.secret(name) or {})["immutable"] is True

    world.change_and_announce(name, {**LOGIN, "password": "second"})
    assert "Delete the Secret" in world.await_complaint(name, "SecretImmutable")
    world.delete_secret(name)
    await_until(
        lambda: world.data(name).get("password"), lambda seen: seen == b"second", "it is made anew"
    )


def test_a_label_that_was_made_from_a_value_is_repaired(world: Whole) -> None:
    name = unique("label")
    _login(world, name, {"metadata": {"labels": {"user": "<%= data.user %>"}}})
    world.await_synced(name)
    world.edit_secret(name, {"metadata": {"labels": {"user": "bob", "theirs": "x"}}})
    labels = await_until(
        lambda: _metadata(world, name)["labels"],
        lambda seen: seen.get("user") == "anna",
        "the label is repaired",
    )
    assert labels["theirs"] == "x"
    assert world.value_calls(name) == 1


def test_a_template_that_rolls_dice_is_evaluated_once(world: Whole) -> None:
    name, other = unique("dice"), unique("other")
    _login(world, name, {"stringData": {"x": "<%= Math.random() + '/' + Date.now() %>"}})
    world.await_synced(name)
    before = world.data(name)
    touched = world.edit_secret(name, {"metadata": {"annotations": {"theirs": "1"}}})
    world.annotate(name, {"externalsecrets.kubernetes-client.io/touched": "1"})
    # Not the object, but whatever was waked so far was looked at when this one is done.
    _login(world, other, {"stringData": {"x": "${data.user}"}})
    world.await_synced(other)
    assert world.data(name) == before
    assert _metadata(world, name)["resourceVersion"] == touched["metadata"]["resourceVersion"]
