"""A Django project in one file: python django_service.py runserver."""

import json
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from watchkeeper_client import Client
from watchkeeper_client.integrations.payload import Payload
from watchkeeper_client.integrations.wsgi import WatchkeeperMiddleware

settings.configure(
    ROOT_URLCONF=__name__,
    WSGI_APPLICATION=f"{__name__}.application",
    SECRET_KEY="only for this example",  # noqa: S106
    ALLOWED_HOSTS=["127.0.0.1"],
)


def predict(request: HttpRequest) -> JsonResponse:
    """Answer with a label."""
    amount = json.loads(request.body)["amount"]
    return JsonResponse({"label": "fraud" if amount > 500 else "ok"})


urlpatterns = [path("predict", predict)]
watchkeeper = Client()
application = WatchkeeperMiddleware(
    get_wsgi_application(),
    watchkeeper,
    {"/predict": Payload(features="$.request", prediction="$.response.label")},
)

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
