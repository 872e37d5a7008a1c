"""An authorization server that others wrote: django-oauth-toolkit, with PKCE, rotation and reuse protection.

Run by gunicorn from ``test_real.py``; GREENKIT_TEST_FOLDER holds its database. ``python toolkit_server.py`` makes the
database, a customer and two registered clients.
"""

import json
import os
import sys
from pathlib import Path

import django
from django.conf import settings

FOLDER = Path(os.environ["GREENKIT_TEST_FOLDER"])
SECRET = "secret with %+/:& and ~"
REDIRECT = "http://127.0.0.1:8976/callback"

settings.configure(
    SECRET_KEY="only on loopback, only for a test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
        "context_processors": ["django.template.context_processors.request"],
        "loaders": [("django.template.loaders.locmem.Loader", {
            "registration/login.html": "<form method=post>{% csrf_token %}{{ form }}</form>",
        }), "django.template.loaders.app_directories.Loader"],
    }} | {"APP_DIRS": False}],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3",
                           "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"}}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    LOGIN_URL="/accounts/login/",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
        "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
        "SCOPES": {"FB=4_5_15": "usage"},
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
    },
)  # fmt: skip
django.setup()

from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from oauth2_provider import views  # noqa: E402
from oauth2_provider.decorators import protected_resource  # noqa: E402


def _count(what):
    with open(FOLDER / "requests.log", "a") as log:
        log.write(what + "\n")


class Token(views.TokenView):
    """The toolkit's view, whose answer gets the URI of the subscription, because the toolkit does not know ESPI."""

    def post(self, request, *args, **kwargs):
        _count(request.POST.get("grant_type", ""))
        response = super().post(request, *args, **kwargs)
        if response.status_code == 200:
            answer = json.loads(response.content)
            if os.environ.get("GREENKIT_TEST_BARE"):  # as a service that does not know the URIs of ESPI
                return response
            answer["resourceURI"] = f"https://{request.get_host()}/espi/1_1/resource/Batch/Subscription/1"
            response.content = json.dumps(answer).encode()
        return response


@protected_resource()
def usage(request):
    from greenkit import synthetic

    ends = [int(request.GET[name]) for name in ("published-min", "published-max")]
    import pandas as pd

    window = [pd.Timestamp(e, unit="s", tz="UTC") for e in ends]
    return HttpResponse(b"".join(synthetic.stream_espi([synthetic.household(1, faults=())], *window)))


@protected_resource()
def status(request):
    return HttpResponse(
        b'<ServiceStatus xmlns="http://naesb.org/espi"><currentStatus>1</currentStatus></ServiceStatus>'
    )


urlpatterns = [
    path("o/authorize/", views.AuthorizationView.as_view()),
    path("o/token/", Token.as_view()),
    path("o/revoke_token/", views.RevokeTokenView.as_view()),
    path("accounts/login/", LoginView.as_view()),
    path("espi/1_1/resource/Batch/Subscription/1", usage),
    path("espi/1_1/resource/ReadServiceStatus", status),
]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    owner = User.objects.create_user("ada", password="sandbox")
    for name, grant in (("customers", "authorization-code"), ("own", "client-credentials")):
        Application.objects.create(
            client_id=name,
            client_secret=SECRET,
            user=owner,
            client_type="confidential",
            authorization_grant_type=grant,
            redirect_uris=REDIRECT,
        )
    sys.exit(0)
