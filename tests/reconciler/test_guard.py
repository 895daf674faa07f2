import pytest

from externalsecret.errors import GiveUp, Retry
from externalsecret.resource import ExternalSecret
from fakes.guards import NAMING, ROLE, Warden
from fakes.resources import Clock, external_secret, spec
from reconciler.patterns import Patterns
from reconciler.permissions import PermissionSettings


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The expressions that were asked about."""
    asked: list[str] = []
    matches = Patterns.matches

    def noted(
        self: Patterns, namespace: str, pattern: str, texts: tuple[str, ...]
    ) -> tuple[bool, ...] | None:
        asked.append(pattern)
        return matches(self, namespace, pattern, texts)

    monkeypatch.setattr(Patterns, "matches", noted)
    return asked


def _denied(warden: Warden, es: ExternalSecret) -> str:
    with pytest.raises(GiveUp) as denial:
        warden.guard.check(es)
    assert denial.value.reason == "NotPermitted"
    assert not warden.guard.permits(es)
    return denial.value.message


def test_a_namespace_that_is_not_known_yet_allows_nothing_yet() -> None:
    warden = Warden()
    with pytest.raises(Retry, match="team is not known yet"):
        warden.guard.check(external_secret())
    assert not warden.guard.permits(external_secret())
    assert not warden.guard.is_free("team")
    warden.annotate()
    warden.guard.check(external_secret())
    assert warden.guard.is_free("team")


def test_where_nothing_restricts_nothing_is_judged(judged: list[str]) -> None:
    warden = Warden()
    for annotations in (None, {"example.com/x": "y"}, {NAMING: "", ROLE: ""}):
        warden.annotate(annotations=annotations)
        warden.guard.check(external_secret())
    assert judged == []


def test_what_was_judged_is_judged_again_only_when_spec_or_annotations_changed(
    judged: list[str],
) -> None:
    warden = Warden()
    warden.annotate(annotations={NAMING: "^db$"})
    es = external_secret()
    for _ in range(100):
        warden.guard.check(es)
    assert judged == ["^db$"]

    warden.guard.check(external_secret(version=2, status={"status": "SUCCESS"}))
    assert judged == ["^db$"]
    edited = external_secret(version=3, generation=2, wanted=spec(password="web"))
    assert "key name web does not match" in _denied(warden, edited)
    warden.annotate(annotations={NAMING: "^web$"})
    warden.guard.check(edited)
    assert judged == ["^db$", "^db$", "^web$"]
    successor = external_secret(uid="u2", generation=2, wanted=spec(password="db"))
    _denied(warden, successor)


def test_a_denial_is_given_another_thought_after_some_minutes(judged: list[str]) -> None:
    clock = Clock()
    warden = Warden(clock=clock)
    warden.annotate(annotations={NAMING: "no"})
    _denied(warden, external_secret())
    assert len(judged) == 1
    clock.seconds += 601
    _denied(warden, external_secret())
    assert len(judged) == 2


def test_the_role_that_is_used_is_checked_with_every_key() -> None:
    warden = Warden()
    warden.annotate(annotations={NAMING: "^db$", ROLE: "^good$"})
    warden.guard.check(external_secret(wanted={**spec(password="db"), "roleArn": "good"}))
    evil = {**spec(password="web"), "roleArn": "evil"}
    said = _denied(warden, external_secret(generation=2, wanted=evil))
    assert "key name web does not match naming convention ^db$; namespace does not" in said


def test_under_enforcement_no_namespace_is_free() -> None:
    warden = Warden(PermissionSettings(enforced=True))
    warden.annotate()
    assert not warden.guard.is_free("team")
    assert "Namespace annotation is required" in _denied(warden, external_secret())


def test_a_spec_that_cannot_be_understood_is_not_permitted() -> None:
    warden = Warden()
    warden.annotate(annotations={NAMING: "^db$"})
    assert not warden.guard.permits(external_secret(wanted={"backendType": "nonsense"}))
