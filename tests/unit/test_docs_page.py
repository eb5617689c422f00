"""An OpenAPI document as people read it."""

from __future__ import annotations

from agent_config_sync.web.docs_page import Endpoint, Member, docs_page, groups_of

LABEL = {"type": "object", "properties": {"text": {"type": "string", "maxLength": 50}}, "required": ["text"]}

DOCUMENT = {
    "info": {"title": "<it>"},
    "components": {"schemas": {"Place": {"type": "string", "enum": ["here", "there"]}}},
    "paths": {
        "/things": {
            "post": {
                "tags": ["agent"],
                "summary": "Make a thing",
                "operationId": "make",
                "description": "With all that it needs.",
                "parameters": [
                    {"name": "x-who", "in": "header", "required": True, "schema": {"type": "string"}},
                    {"name": "where", "in": "query", "schema": {"$ref": "#/components/schemas/Place"}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "$defs": {"Label": LABEL},
                                "properties": {
                                    "title": {"type": "string", "minLength": 1, "description": "What <b>it</b> is."},
                                    "labels": {"type": "array", "items": {"$ref": "#/$defs/Label"}, "maxItems": 1000},
                                    "due": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
                                },
                                "required": ["title"],
                            }
                        }
                    }
                },
                "responses": {"422": {"description": "It makes no sense"}, "200": {"description": "Made"}},
            }
        },
        "/odd": {"get": {"tags": ["odd"], "responses": {}}},
        "/live": {
            "get": {
                "summary": "Is Live",
                "operationId": "is_live_live_get",
                "description": "It is alive.\n\nAs said.",
                "responses": {},
            }
        },
    },
}


def endpoint(path: str) -> Endpoint:
    return next(each for group in groups_of(DOCUMENT) for each in group.endpoints if each.path == path)


def test_endpoints_stand_by_their_tags_and_unknown_ones_last() -> None:
    assert [group.name for group in groups_of(DOCUMENT)] == ["Health", "For agents", "odd"]


def test_an_endpoint_says_what_it_takes_and_answers() -> None:
    found = endpoint("/things")
    assert (found.method, found.summary, found.what) == ("POST", "Make a thing", "With all that it needs.")
    assert found.statuses == (("200", "Made"), ("422", "It makes no sense"))
    assert found.parameters == (
        Member("x-who", "string", True, "", "header"),
        Member("where", "here, there", False, "", "query"),
    )


def test_members_of_a_body_are_shown_with_their_own() -> None:
    assert endpoint("/things").body == (
        Member("title", "string, 1 characters at least", True, "What <b>it</b> is."),
        Member("labels", "list of object, 1,000 at most", False, ""),
        Member("labels[].text", "string, 50 characters at most", True, ""),
        Member("due", "integer, from 0 or null", False, ""),
    )


def test_the_name_of_a_function_is_no_summary() -> None:
    assert (endpoint("/live").summary, endpoint("/live").what) == ("It is alive.", "As said.")


def test_the_page_holds_no_markup_of_the_document() -> None:
    text = docs_page(DOCUMENT)
    assert "<it>" not in text
    assert "What &lt;b&gt;it&lt;/b&gt; is." in text
