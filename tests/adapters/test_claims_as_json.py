"""Each framework serializes verified claims in its own JSON response, without conversion."""

import json

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.http import JsonResponse
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from flask import Flask, jsonify
from rest_framework.renderers import JSONRenderer
from starlette.responses import JSONResponse
from tests.support.adapter_tokens import resource_server, token
from tests.support.clients import ASGIClient

TENANT = {"id": 7, "units": [{"name": "north", "leads": ["anna"]}], "none": None}


def claims():
    return resource_server().authenticate([f"Bearer {token(tenant=TENANT)}"], url_scheme="https").claims


def flask(found):
    with Flask("shop").app_context():
        return jsonify(found).get_data()


def fastapi(found):
    app = FastAPI()
    app.get("/")(lambda: found)
    return ASGIClient(app).send("GET", "/").body


ANSWERS = {
    "Flask": flask,
    "Starlette": lambda found: JSONResponse(found).body,
    "FastAPI": fastapi,
    "FastAPI's encoder": lambda found: json.dumps(jsonable_encoder(found)),
    "Django": lambda found: JsonResponse(found).content,
    "Django's encoder": lambda found: json.dumps(found, cls=DjangoJSONEncoder),
    "REST framework": lambda found: JSONRenderer().render(found),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_a_framework_writes_verified_claims_as_json(answer):
    for found in (claims(), claims()["tenant"], {"you": claims()}):
        expected = json.loads(json.dumps(found))

        assert json.loads(answer(found)) == expected
    assert json.loads(answer(claims()))["tenant"] == TENANT
