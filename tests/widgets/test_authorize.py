import builtins
import io

import pytest
import requests

from greenkit.custodian import MemoryStore
from greenkit.errors import AuthorizationDenied, SettingsError, StateMismatch
from greenkit.sandbox.visitor import visit
from greenkit.secret import Secret
from greenkit.widgets import Authorize
from greenkit.widgets.authorize import SignIn

from . import hands


def follow(address):
    """Go where the browser is sent to."""
    return requests.get(address, timeout=10)


# -- the model


def test_pasting_the_redirect_authorizes(utility):
    model = SignIn(utility.connect(), "paste")
    model.begin()
    assert model.waiting
    assert model.line.kind == "busy"
    assert "paste the URL" in str(model.line)
    model.paste(Secret(visit(model.url)))
    model.wait(10)
    hands.until(lambda: str(model.line) == "Authorized.")
    assert model.authorized
    assert model.url == ""
    assert len(model.client.usage_points()) == 2


def test_the_listener_authorizes_by_itself(utility):
    model = SignIn(utility.connect(), "loopback")
    model.begin()
    assert "changes automatically" in str(model.line)
    assert "Authorized" in follow(visit(model.url)).text
    hands.until(lambda: str(model.line) == "Authorized.")


def test_refusal_is_shown_and_another_attempt_is_possible(utility):
    model = SignIn(utility.connect(), "loopback")
    model.begin()
    follow(visit(model.url, allow=False))
    hands.until(lambda: model.line.kind == "bad")
    assert "refused the authorization" in str(model.line)
    assert isinstance(model.error, AuthorizationDenied)
    assert not model.authorized
    model.begin(again=True)
    follow(visit(model.url))
    hands.until(lambda: model.authorized)


def test_a_wrong_address_is_refused_and_the_wait_goes_on(utility):
    model = SignIn(utility.connect(), "paste")
    model.begin()
    right = visit(model.url)
    for wrong in ("https://example.com/callback?code=1", right.replace("state=", "state=x"), "just-a-code", "x" * 9000):
        model.paste(Secret(wrong))
        model.wait(10)
        assert model.line.kind == "bad"
        assert isinstance(model.error, StateMismatch)
        assert model.waiting
    model.paste(Secret(right))
    model.wait(10)
    hands.until(lambda: model.authorized)


def test_cancel_frees_the_link(utility):
    model = SignIn(utility.connect(), "loopback")
    model.begin()
    address = visit(model.url)
    model.cancel()
    hands.until(lambda: "Canceled" in str(model.line))
    assert not model.url
    with pytest.raises(requests.ConnectionError):
        follow(address)
    with pytest.raises(StateMismatch, match="No sign-in is in progress"):
        model.paste(Secret(address))


def test_expired_sign_in_is_shown(utility):
    client = utility.connect()
    flow = client.authorize("paste", deadline=0.05)
    model = SignIn(client, "paste")
    model.flow = flow
    model._watch(flow)
    assert str(model.line) == "Sign-in timed out. Start again."


def test_a_second_panel_of_the_same_client_takes_over(utility):
    client = utility.connect()
    first, second = SignIn(client, "paste"), SignIn(client, "paste")
    first.begin()
    second.begin()
    hands.until(lambda: "Canceled" in str(first.line))
    assert second.waiting


def test_a_kept_grant_needs_no_sign_in_until_it_is_forgotten(utility, tmp_path):
    model = SignIn(utility.connect(tokens=tmp_path / "tokens"), "paste")
    model.begin()
    model.paste(Secret(visit(model.url)))
    model.wait(10)
    hands.until(lambda: model.authorized)
    other = SignIn(utility.connect(tokens=tmp_path / "tokens"), "paste")
    other.begin()
    assert other.authorized
    assert not other.waiting
    other.forget()
    assert not other.authorized
    assert "can no longer end it there" in str(other.line)
    other.begin()
    assert other.waiting


def test_own_credentials_need_no_sign_in(utility):
    model = SignIn(utility.connect(grant="client_credentials"))
    model.begin()
    assert model.authorized
    assert model.flow is None
    assert "nobody needs to sign in" in str(model.line)


# -- the panel


@pytest.mark.usefixtures("kernel")
def test_a_person_pastes_and_the_box_is_emptied_first(utility):
    store = MemoryStore()
    panel = Authorize(utility.connect(tokens=store), method="paste")
    assert {"Redirect URL", "Cancel"} <= hands.labels(panel)
    assert not {"Forget", "Start over"} & hands.labels(panel)
    assert panel.model.url.replace("&", "&amp;") in hands.text(panel)
    address, seen = visit(panel.model.url), []
    box = hands.control(panel, "Redirect URL")
    panel.model.paste = lambda secret, paste=panel.model.paste: (seen.append(box.value), paste(secret))
    box.value = address
    assert seen == [""]
    panel.wait(10)
    hands.until(lambda: panel.authorized and "Authorized." in hands.text(panel))
    assert "href" not in hands.text(panel)
    assert "Redirect URL" not in hands.labels(panel)
    assert {"Forget", "Start over"} <= hands.labels(panel)
    code = address.partition("code=")[2].partition("&")[0]
    token = store.load()
    for secret in (code, token.access.reveal(), token.refresh.reveal(), utility.client_secret.reveal()):
        assert len(secret) > 8
        assert secret not in hands.wire(panel.widget)
        assert secret not in repr(panel)
        assert secret not in str(panel._repr_mimebundle_())


@pytest.mark.usefixtures("kernel")
def test_a_person_cancels_begins_again_and_forgets(utility):
    panel = Authorize(utility.connect(), method="loopback")
    first = panel.model.url
    hands.click(panel, "Cancel")
    hands.until(lambda: "Start over" in hands.labels(panel))
    assert "href" not in hands.text(panel)
    hands.click(panel, "Start over")
    assert panel.model.url not in ("", first)
    follow(visit(panel.model.url))
    hands.until(lambda: "Forget" in hands.labels(panel))
    hands.click(panel, "Forget")
    assert "Authorization removed" in hands.text(panel)
    assert panel.model.client.status().state == "not authorized"


@pytest.mark.usefixtures("kernel")
def test_revoking_in_the_panel_ends_the_authorization_at_the_utility(utility):
    panel = Authorize(utility.connect(), method="paste")
    assert panel.model.url in repr(panel)  # for kernels that show text alone
    assert panel.model.url in panel._repr_mimebundle_()["text/plain"]
    hands.control(panel, "Redirect URL").value = visit(panel.model.url)
    panel.wait(10)
    hands.until(lambda: "Revoke" in hands.labels(panel))
    assert "state=" not in repr(panel)
    hands.click(panel, "Revoke")
    hands.until(lambda: "Ended: the authorization" in hands.text(panel))
    assert panel.model.client.status().state == "not authorized"
    assert not any(a.active for a in list(utility.register.authorizations.values())[-1:])


@pytest.mark.usefixtures("kernel")
def test_error_at_the_start_is_shown_in_the_panel(utility):
    client = utility.connect()
    client.redirect_uri = None
    panel = Authorize(client)
    assert "No redirect_uri is set" in hands.text(panel)
    assert isinstance(panel.error, SettingsError)


@pytest.mark.usefixtures("kernel")
def test_the_repr_shows_no_box(utility):
    panel = Authorize(utility.connect(), method="paste")
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == repr(panel)
    assert repr(panel).startswith("<Authorize: Waiting")
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.widget.model_id
    panel.model.cancel()


# -- without a front end


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_in_a_terminal_it_prints_the_link_and_asks(utility, monkeypatch, capsys):
    client, urls = utility.connect(), []
    monkeypatch.setattr("sys.stdin", Terminal())
    authorize = client.authorize
    monkeypatch.setattr(client, "authorize", lambda *a, **k: urls.append(authorize(*a, **k)) or urls[-1])
    monkeypatch.setattr("getpass.getpass", lambda label: visit(urls[-1].url))
    panel = Authorize(client, method="paste")
    assert panel.authorized
    assert panel.widget is None
    assert urls[-1].url in capsys.readouterr().out
    assert panel._repr_mimebundle_() == {"text/plain": "<Authorize: Authorized.>"}


def test_where_nobody_can_be_asked_it_says_so(utility, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(SettingsError, match="Signing in needs a notebook or an interactive terminal"):
        Authorize(utility.connect(), method="paste")


def test_without_ipywidgets_the_terminal_way_works(utility, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("ipywidgets"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    panel = Authorize(utility.connect(grant="client_credentials"))
    assert panel.authorized
